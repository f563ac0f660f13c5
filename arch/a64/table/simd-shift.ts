import { T, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Translator } from '../translator.ts';
import { accumulateQc, ADD, extend, setResult, shift, SHL, SHR_S, SHR_U, simd, splatConstant, type Meaning } from './simd-lanes.ts';
import { narrow, setHalf, type Narrowing } from './simd-misc.ts';

/** AdvSIMD shift by immediate and its scalar forms. The element size is the highest bit set in immh. */

type Vector = '0 Q 0 011110 immh immb 00000 1 Rn Rd';
type Scalar = '01 0 111110 immh immb 00000 1 Rn Rd';

/** immh:immb, and log2 of the element's bytes. */
function amount(i: { immh: number; immb: number }): { size: number; imm: number } {
  return { size: 31 - Math.clz32(i.immh), imm: (i.immh << 3) | i.immb };
}

/** `m` of the meaning's shape is the shift. */
function row(name: string, U: number, opcode: string, right: boolean, scalarSizes: readonly number[], meaning: Meaning): Instruction[] {
  const mnemonic = name.split(' ')[0]!;
  const emit = (t: Translator, i: { Rd: number; Rn: number; immh: number; immb: number }, vectorBits: number): void => {
    const { size, imm } = amount(i);
    const bits = vectorBits === 0 ? 8 << size : vectorBits;
    meaning(t, { d: i.Rd, n: i.Rn, m: right ? (16 << size) - imm : imm - (8 << size), size, bits });
    setResult(t, i.Rd, bits);
  };
  const out = [
    simd(name, `0 Q ${U} 011110 immh immb ${opcode} 1 Rn Rd` as Vector, `${mnemonic} <Vd>.<T>, <Vn>.<T>, #<shift>`, { when: (i) => i.immh !== 0 && !(i.immh >= 8 && i.Q === 0) }, (t, i) => emit(t, i, i.Q !== 0 ? 128 : 64)),
  ];
  if (scalarSizes.length > 0) {
    out.push(
      simd(name, `01 ${U} 111110 immh immb ${opcode} 1 Rn Rd` as Scalar, `${mnemonic} <V><d>, <V><n>, #<shift>`, { when: (i) => i.immh !== 0 && scalarSizes.includes(amount(i).size) }, (t, i) => emit(t, i, 0)),
    );
  }
  return out;
}

/** Pushes Vn's elements shifted right by 1 to their size in bits, rounded or not. */
function shiftRight(t: Translator, push: () => void, size: number, by: number, unsigned: boolean, round: boolean): void {
  const bits = 8 << size;
  const shr = unsigned ? SHR_U : SHR_S;
  if (by === bits) {
    // Rounding adds the top bit: a negative number's to -1 makes 0.
    if (unsigned ? !round : round) {
      t.vzero();
      return;
    }
    push();
    shift(t, shr, size, bits - 1);
    return;
  }
  push();
  shift(t, shr, size, by);
  if (round) {
    push();
    shift(t, SHR_U, size, by - 1);
    splatConstant(t, size, 1n);
    t.vop(WV.and);
    t.vop(ADD[size]!);
  }
}

function right(unsigned: boolean, round: boolean, accumulate: boolean): Meaning {
  return (t, s) => {
    if (accumulate) t.v(s.d);
    shiftRight(t, () => t.v(s.n), s.size, s.m, unsigned, round);
    if (accumulate) t.vop(ADD[s.size]!);
  };
}

const sri: Meaning = (t, s) => {
  const bits = 8 << s.size;
  if (s.m === bits) {
    t.v(s.d);
    return;
  }
  t.v(s.n);
  shift(t, SHR_U, s.size, s.m);
  t.v(s.d);
  splatConstant(t, s.size, (1n << BigInt(bits - s.m)) - 1n);
  t.vop(WV.bitselect);
};

const sli: Meaning = (t, s) => {
  t.v(s.n);
  shift(t, SHL, s.size, s.m);
  t.v(s.d);
  splatConstant(t, s.size, BigInt.asUintN(8 << s.size, -1n << BigInt(s.m)));
  t.vop(WV.bitselect);
};

/** SQSHL, UQSHL and SQSHLU by immediate: what does not shift back has saturated. */
function saturatingLeft(how: 'signed' | 'unsigned' | 'signedToUnsigned'): Meaning {
  return (t, s) => {
    const bits = 8 << s.size;
    t.v(s.n);
    if (how === 'signedToUnsigned') {
      // A negative number saturates to zero, and stays apart from what QC compares with.
      t.v(s.n);
      shift(t, SHR_S, s.size, bits - 1);
      t.vop(WV.andnot);
    }
    const source = t.popTemp(T.v128);
    t.get(source);
    shift(t, SHL, s.size, s.m);
    const shifted = t.popTemp(T.v128);
    t.get(shifted);
    shift(t, how === 'signed' ? SHR_S : SHR_U, s.size, s.m);
    t.get(source);
    t.vop([WV.i8x16_ne, WV.i16x8_ne, WV.i32x4_ne, WV.i64x2_ne][s.size]!);
    const over = t.popTemp(T.v128);
    t.get(over);
    if (how === 'signedToUnsigned') {
      t.get(source);
      t.v(s.n);
      t.vop(WV.xor);
      t.vop(WV.or);
    }
    accumulateQc(t, s.bits);
    if (how === 'signed') {
      t.v(s.n);
      shift(t, SHR_S, s.size, bits - 1);
      splatConstant(t, s.size, (1n << BigInt(bits - 1)) - 1n);
      t.vop(WV.xor);
      t.get(shifted);
      t.get(over);
      t.vop(WV.bitselect);
    } else {
      t.get(shifted);
      t.get(over);
      t.vop(WV.or);
    }
  };
}

type Source = 'signed' | 'unsigned';

/** Right shifts into elements of half the size; a scalar form where they saturate. */
function narrowing(name: string, U: number, opcode: string, source: Source, round: boolean, how: Narrowing): Instruction[] {
  const emit = (t: Translator, i: { Rn: number; immh: number; immb: number }, wideBits: number): number => {
    const { size, imm } = amount(i);
    const bits = 8 << size;
    const by = 2 * bits - imm;
    t.v(i.Rn);
    const x = t.popTemp(T.v128);
    if (how === 'truncate' && round) {
      // The bits that matter fit: add the rounding constant and shift.
      t.get(x);
      splatConstant(t, size + 1, 1n << BigInt(by - 1));
      t.vop(ADD[size + 1]!);
      shift(t, SHR_U, size + 1, by);
    } else shiftRight(t, () => t.get(x), size + 1, by, source === 'unsigned', round);
    narrow(t, size, how, wideBits);
    return size;
  };
  const rows = [
    simd(`${name}, ${name}2`, `0 Q ${U} 011110 immh immb ${opcode} 1 Rn Rd` as Vector, `${name}{2} <Vd>.<Tb>, <Vn>.<Ta>, #<shift>`, { when: (i) => i.immh !== 0 && i.immh < 8 }, (t, i) => {
      emit(t, i, 128);
      setHalf(t, i.Rd, i.Q);
    }),
  ];
  if (how !== 'truncate') {
    rows.push(
      simd(`${name}, ${name}2`, `01 ${U} 111110 immh immb ${opcode} 1 Rn Rd` as Scalar, `${name} <Vb><d>, <Va><n>, #<shift>`, { when: (i) => i.immh !== 0 && i.immh < 8 }, (t, i) => {
        emit(t, i, 16 << amount(i).size);
        setResult(t, i.Rd, 8 << amount(i).size);
      }),
    );
  }
  return rows;
}

function longLeft(name: string, U: number): Instruction {
  return simd(`${name}, ${name}2`, `0 Q ${U} 011110 immh immb 10100 1 Rn Rd` as Vector, `${name}{2} <Vd>.<Ta>, <Vn>.<Tb>, #<shift>`, { when: (i) => i.immh !== 0 && i.immh < 8 }, (t, i) => {
    const { size, imm } = amount(i);
    t.v(i.Rn);
    extend(t, size, U, i.Q);
    shift(t, SHL, size + 1, imm - (8 << size));
    t.setV(i.Rd);
  });
}

const ALL = [0, 1, 2, 3];

export const simdShift: readonly Instruction[] = [
  ...row('SSHR', 0, '00000', true, [3], right(false, false, false)),
  ...row('USHR', 1, '00000', true, [3], right(true, false, false)),
  ...row('SSRA', 0, '00010', true, [3], right(false, false, true)),
  ...row('USRA', 1, '00010', true, [3], right(true, false, true)),
  ...row('SRSHR', 0, '00100', true, [3], right(false, true, false)),
  ...row('URSHR', 1, '00100', true, [3], right(true, true, false)),
  ...row('SRSRA', 0, '00110', true, [3], right(false, true, true)),
  ...row('URSRA', 1, '00110', true, [3], right(true, true, true)),
  ...row('SRI', 1, '01000', true, [3], sri),
  ...row('SHL', 0, '01010', false, [3], (t, s) => {
    t.v(s.n);
    shift(t, SHL, s.size, s.m);
  }),
  ...row('SLI', 1, '01010', false, [3], sli),
  ...row('SQSHLU', 1, '01100', false, ALL, saturatingLeft('signedToUnsigned')),
  ...row('SQSHL (immediate)', 0, '01110', false, ALL, saturatingLeft('signed')),
  ...row('UQSHL (immediate)', 1, '01110', false, ALL, saturatingLeft('unsigned')),
  ...narrowing('SHRN', 0, '10000', 'unsigned', false, 'truncate'),
  ...narrowing('SQSHRUN', 1, '10000', 'signed', false, 'signedToUnsigned'),
  ...narrowing('RSHRN', 0, '10001', 'unsigned', true, 'truncate'),
  ...narrowing('SQRSHRUN', 1, '10001', 'signed', true, 'signedToUnsigned'),
  ...narrowing('SQSHRN', 0, '10010', 'signed', false, 'signed'),
  ...narrowing('UQSHRN', 1, '10010', 'unsigned', false, 'unsigned'),
  ...narrowing('SQRSHRN', 0, '10011', 'signed', true, 'signed'),
  ...narrowing('UQRSHRN', 1, '10011', 'unsigned', true, 'unsigned'),
  longLeft('SSHLL', 0),
  longLeft('USHLL', 1),
];
