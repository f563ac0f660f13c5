import { T, WV } from '../../wasm/opcodes.ts';
import { polynomialMultiplyLong } from '../../fp/vector.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import {
  accumulateQc, ADD, callHelper, EQ, extend, extmul, MAX_S, MAX_U, MIN_S, MIN_U, setResult, shift, SHR_S, SHR_U, SHL, simd, splatConstant, SUB,
} from './simd-lanes.ts';
import { narrow, setHalf } from './simd-misc.ts';

/** AdvSIMD three different and the scalar forms of its saturating multiplications. */

type Different = '0 Q 0 01110 size 1 Rm 0000 00 Rn Rd';
interface Shape {
  readonly Q: number;
  readonly size: number;
  readonly Rm: number;
  readonly Rn: number;
  readonly Rd: number;
}

function row(name: string, U: number, opcode: string, syntax: string, emit: (t: Translator, i: Shape) => void, sizes: readonly number[] = [0, 1, 2]): Instruction {
  return simd(`${name}, ${name}2`, `0 Q ${U} 01110 size 1 Rm ${opcode} 00 Rn Rd` as Different, `${name}{2} ${syntax}`, { when: (i) => sizes.includes(i.size) }, emit);
}

const LONG = '<Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>';
const WIDE = '<Vd>.<Ta>, <Vn>.<Ta>, <Vm>.<Tb>';
const NARROW = '<Vd>.<Tb>, <Vn>.<Ta>, <Vm>.<Ta>';

/** Long and wide addition and subtraction. */
function long(name: string, U: number, opcode: string, op: readonly number[]): Instruction {
  return row(name, U, opcode, LONG, (t, i) => {
    t.v(i.Rn);
    extend(t, i.size, U, i.Q);
    t.v(i.Rm);
    extend(t, i.size, U, i.Q);
    t.vop(op[i.size + 1]!);
    t.setV(i.Rd);
  });
}

function wide(name: string, U: number, opcode: string, op: readonly number[]): Instruction {
  return row(name, U, opcode, WIDE, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    extend(t, i.size, U, i.Q);
    t.vop(op[i.size + 1]!);
    t.setV(i.Rd);
  });
}

/** The high halves of sums or differences. */
function highNarrow(name: string, U: number, opcode: string, op: readonly number[]): Instruction {
  return row(name, U, opcode, NARROW, (t, i) => {
    const half = 8 << i.size;
    t.v(i.Rn);
    t.v(i.Rm);
    t.vop(op[i.size + 1]!);
    if (U !== 0) {
      splatConstant(t, i.size + 1, 1n << BigInt(half - 1));
      t.vop(ADD[i.size + 1]!);
    }
    shift(t, SHR_U, i.size + 1, half);
    narrow(t, i.size, 'truncate', 128);
    setHalf(t, i.Rd, i.Q);
  });
}

/** Absolute differences in elements of twice the size. */
function absoluteLong(name: string, U: number, opcode: string, accumulate: boolean): Instruction {
  return row(name, U, opcode, LONG, (t, i) => {
    if (accumulate) t.v(i.Rd);
    t.v(i.Rn);
    t.v(i.Rm);
    t.vop((U !== 0 ? MAX_U : MAX_S)[i.size]!);
    t.v(i.Rn);
    t.v(i.Rm);
    t.vop((U !== 0 ? MIN_U : MIN_S)[i.size]!);
    t.vop(SUB[i.size]!);
    extend(t, i.size, 1, i.Q);
    if (accumulate) t.vop(ADD[i.size + 1]!);
    t.setV(i.Rd);
  });
}

function multiplyLong(name: string, U: number, opcode: string, accumulate: readonly number[] | undefined): Instruction {
  return row(name, U, opcode, LONG, (t, i) => {
    if (accumulate !== undefined) t.v(i.Rd);
    t.v(i.Rn);
    t.v(i.Rm);
    extmul(t, i.size, U, i.Q);
    if (accumulate !== undefined) t.vop(accumulate[i.size + 1]!);
    t.setV(i.Rd);
  });
}

/**
 * Pushes the doubled long product of the low or high halves of two v128 locals of 16- or 32-bit elements, saturated,
 * and with `accumulate` added to or subtracted from the local `acc`, saturated again. FPSR.QC looks at `bits` bits.
 */
export function doublingLong(t: Translator, size: number, high: number, bits: number, a: Local, b: Local, acc: Local, accumulate: 'add' | 'subtract' | undefined): void {
  const wideSize = size + 1;
  const wideBits = (8 << wideSize) - 1;
  t.get(a);
  t.get(b);
  extmul(t, size, 0, high);
  shift(t, SHL, wideSize, 1);
  // Only the square of the minimum overflows, to the wide minimum.
  const product = t.popTemp(T.v128);
  t.get(product);
  splatConstant(t, wideSize, 1n << BigInt(wideBits));
  t.vop(EQ[wideSize]!);
  const over = t.popTemp(T.v128);
  t.get(over);
  accumulateQc(t, bits);
  t.get(product);
  t.get(over);
  t.vop(WV.xor);
  if (accumulate === undefined) return;
  t.set(product);
  t.get(acc);
  t.get(product);
  t.vop((accumulate === 'add' ? ADD : SUB)[wideSize]!);
  const sum = t.popTemp(T.v128);
  // Overflow: the accumulator's sign against the sum's and the product's.
  t.get(acc);
  t.get(sum);
  t.vop(WV.xor);
  if (accumulate === 'add') t.get(sum);
  else t.get(acc);
  t.get(product);
  t.vop(WV.xor);
  t.vop(WV.and);
  shift(t, SHR_S, wideSize, wideBits);
  t.set(over);
  t.get(over);
  accumulateQc(t, bits);
  t.get(acc);
  shift(t, SHR_S, wideSize, wideBits);
  splatConstant(t, wideSize, (1n << BigInt(wideBits)) - 1n);
  t.vop(WV.xor);
  t.get(sum);
  t.get(over);
  t.vop(WV.bitselect);
}

function locals(t: Translator, ...registers: number[]): Local[] {
  return registers.map((r) => {
    t.v(r);
    return t.popTemp(T.v128);
  });
}

function saturatingLong(name: string, opcode: string, accumulate: 'add' | 'subtract' | undefined): Instruction[] {
  return [
    row(
      name, 0, opcode, LONG,
      (t, i) => {
        const [a, b, acc] = locals(t, i.Rn, i.Rm, i.Rd) as [Local, Local, Local];
        doublingLong(t, i.size, i.Q, 128, a, b, acc, accumulate);
        t.setV(i.Rd);
      },
      [1, 2],
    ),
    simd(`${name}, ${name}2`, `01 0 11110 size 1 Rm ${opcode} 00 Rn Rd` as '01 0 11110 size 1 Rm 0000 00 Rn Rd', `${name} <Va><d>, <Vb><n>, <Vb><m>`, { when: (i) => i.size === 1 || i.size === 2 }, (t, i) => {
      const [a, b, acc] = locals(t, i.Rn, i.Rm, i.Rd) as [Local, Local, Local];
      doublingLong(t, i.size, 0, 16 << i.size, a, b, acc, accumulate);
      setResult(t, i.Rd, 16 << i.size);
    }),
  ];
}

export const simdThreeDifferent: readonly Instruction[] = [
  long('SADDL', 0, '0000', ADD),
  long('UADDL', 1, '0000', ADD),
  wide('SADDW', 0, '0001', ADD),
  wide('UADDW', 1, '0001', ADD),
  long('SSUBL', 0, '0010', SUB),
  long('USUBL', 1, '0010', SUB),
  wide('SSUBW', 0, '0011', SUB),
  wide('USUBW', 1, '0011', SUB),
  highNarrow('ADDHN', 0, '0100', ADD),
  highNarrow('RADDHN', 1, '0100', ADD),
  absoluteLong('SABAL', 0, '0101', true),
  absoluteLong('UABAL', 1, '0101', true),
  highNarrow('SUBHN', 0, '0110', SUB),
  highNarrow('RSUBHN', 1, '0110', SUB),
  absoluteLong('SABDL', 0, '0111', false),
  absoluteLong('UABDL', 1, '0111', false),
  multiplyLong('SMLAL', 0, '1000', ADD),
  multiplyLong('UMLAL', 1, '1000', ADD),
  ...saturatingLong('SQDMLAL', '1001', 'add'),
  multiplyLong('SMLSL', 0, '1010', SUB),
  multiplyLong('UMLSL', 1, '1010', SUB),
  ...saturatingLong('SQDMLSL', '1011', 'subtract'),
  multiplyLong('SMULL', 0, '1100', undefined),
  multiplyLong('UMULL', 1, '1100', undefined),
  ...saturatingLong('SQDMULL', '1101', undefined),
  row('PMULL', 0, '1110', LONG, (t, i) => callHelper(t, polynomialMultiplyLong, { d: i.Rd, n: i.Rn, m: i.Rm, extra: i.Q }, [i.Rn, i.Rm]), [0]),
];
