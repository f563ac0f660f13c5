import { T, WV } from '../../wasm/opcodes.ts';
import { mixedSignAdd } from '../../fp/vector.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import {
  ABS, accumulateQc, ADD, callHelper, EQ, EXTRACT_U, extend, GE_S, GT_S, LE_S, LT_S, MAX_S, MAX_U, MIN_S, MIN_U, NEG, scalarRow, scalarSyntax, setResult, shift, SHL,
  SHR_S, SHR_U, shuffleElements, simd, splatConstant, SUB, vectorRow, type FamilyOptions, type Meaning,
} from './simd-lanes.ts';
import { narrow64 } from './simd-three-same.ts';

/** AdvSIMD two-register miscellaneous (integer), across lanes, and their scalar forms. */

/** Pushes the number of one bits of each element, given that of each byte. */
function sumBytes(t: Translator, size: number): void {
  if (size >= 1) t.vop(WV.i16x8_extadd_pairwise_i8x16_u);
  if (size >= 2) t.vop(WV.i32x4_extadd_pairwise_i16x8_u);
}

/** Pops elements, pushes their numbers of leading zeros. */
function leadingZeros(t: Translator, size: number): void {
  for (let by = 1; by < 8 << size; by *= 2) {
    const x = t.popTemp(T.v128);
    t.get(x);
    t.get(x);
    shift(t, SHR_U, size, by);
    t.vop(WV.or);
  }
  t.vop(WV.not);
  t.vop(WV.i8x16_popcnt);
  sumBytes(t, size);
}

const clz: Meaning = (t, s) => {
  t.v(s.n);
  leadingZeros(t, s.size);
};

const cls: Meaning = (t, s) => {
  t.v(s.n);
  t.v(s.n);
  shift(t, SHR_S, s.size, (8 << s.size) - 1);
  t.vop(WV.xor);
  leadingZeros(t, s.size);
  splatConstant(t, s.size, 1n);
  t.vop(SUB[s.size]!);
};

const rbit: Meaning = (t, s) => {
  // A byte's reversal is its low nibble's, moved up, and its high nibble's.
  let low = 0n;
  let high = 0n;
  for (let n = 15; n >= 0; n--) {
    const reversed = BigInt(((n & 1) << 3) | ((n & 2) << 1) | ((n & 4) >> 1) | (n >> 3));
    if (n >= 8) high = (high << 8n) | reversed;
    else low = (low << 8n) | reversed;
  }
  t.v128(low << 4n, high << 4n);
  t.v(s.n);
  splatConstant(t, 0, 15n);
  t.vop(WV.and);
  t.vop(WV.swizzle);
  t.v128(low, high);
  t.v(s.n);
  shift(t, SHR_U, 0, 4);
  t.vop(WV.swizzle);
  t.vop(WV.or);
};

function unary(op: readonly number[]): Meaning {
  return (t, s) => {
    t.v(s.n);
    t.vop(op[s.size]!);
  };
}

function compareZero(op: readonly number[]): Meaning {
  return (t, s) => {
    t.v(s.n);
    t.vzero();
    t.vop(op[s.size]!);
  };
}

/** SQABS and SQNEG: only the minimum saturates. */
function saturatingUnary(op: readonly number[]): Meaning {
  return (t, s) => {
    t.v(s.n);
    splatConstant(t, s.size, 1n << BigInt((8 << s.size) - 1));
    t.vop(EQ[s.size]!);
    const over = t.popTemp(T.v128);
    t.get(over);
    accumulateQc(t, s.bits);
    t.v(s.n);
    t.vop(op[s.size]!);
    t.get(over);
    t.vop(WV.xor);
  };
}

/** Sums of neighbours in elements of twice the size; `accumulate` adds them to Vd. */
function addLongPairwise(unsigned: number, accumulate: boolean): Meaning {
  return (t, s) => {
    if (accumulate) t.v(s.d);
    t.v(s.n);
    if (s.size < 2) {
      t.vop([[WV.i16x8_extadd_pairwise_i8x16_s, WV.i16x8_extadd_pairwise_i8x16_u], [WV.i32x4_extadd_pairwise_i16x8_s, WV.i32x4_extadd_pairwise_i16x8_u]][s.size]![unsigned]!);
    } else {
      const shr = unsigned !== 0 ? SHR_U : SHR_S;
      shift(t, SHL, 3, 32);
      shift(t, shr, 3, 32);
      t.v(s.n);
      shift(t, shr, 3, 32);
      t.vop(WV.i64x2_add);
    }
    if (accumulate) t.vop(ADD[s.size + 1]!);
  };
}

/** How elements are narrowed: truncated, or saturated from signed to signed, from signed to unsigned, from unsigned to unsigned. */
export type Narrowing = 'truncate' | 'signed' | 'signedToUnsigned' | 'unsigned';

/** Even elements of the v128 on the stack, in its low half; zero in the high half. */
function truncate(t: Translator, size: number): void {
  t.vzero();
  const half = 8 >> size;
  shuffleElements(t, size, Array.from({ length: 2 * half }, (_, e) => (e < half ? 2 * e : (16 >> size) + e - half)));
}

/**
 * Pops elements of 16 << size bits and pushes them narrowed to 8 << size in the low half, zero above. Sets FPSR.QC
 * when one of the elements in the lowest `wideBits` bits saturates.
 */
export function narrow(t: Translator, size: number, how: Narrowing, wideBits: number): void {
  if (how === 'truncate') {
    truncate(t, size);
    return;
  }
  const wide = t.popTemp(T.v128);
  if (size === 2) {
    if (how === 'signed') {
      narrow64(t, wide, wide);
      t.vzero();
      shuffleElements(t, 3, [0, 2]);
    } else {
      // Above the maximum: ones; below zero: zero.
      t.get(wide);
      if (how === 'signedToUnsigned') {
        t.get(wide);
        shift(t, SHR_S, 3, 63);
        t.vop(WV.andnot);
      }
      const positive = t.popTemp(T.v128);
      t.get(positive);
      t.get(positive);
      shift(t, SHR_U, 3, 32);
      t.vzero();
      t.vop(WV.i64x2_ne);
      t.vop(WV.or);
      truncate(t, 2);
    }
  } else {
    t.get(wide);
    if (how === 'unsigned') {
      splatConstant(t, size + 1, (1n << BigInt(8 << size)) - 1n);
      t.vop(MIN_U[size + 1]!);
    }
    t.vzero();
    t.vop([[WV.i8x16_narrow_i16x8_s, WV.i8x16_narrow_i16x8_u], [WV.i16x8_narrow_i32x4_s, WV.i16x8_narrow_i32x4_u]][size]![how === 'signed' ? 0 : 1]!);
  }
  const result = t.popTemp(T.v128);
  t.get(result);
  extend(t, size, how === 'signed' ? 0 : 1, 0);
  t.get(wide);
  t.vop(WV.xor);
  accumulateQc(t, wideBits);
  t.get(result);
}

/** Pops a result in the low half; sets Vd's low half and clears the rest, or with `high` sets Vd's high half. */
export function setHalf(t: Translator, d: number, high: number): void {
  if (high === 0) t.setV(d);
  else {
    const result = t.popTemp(T.v128);
    t.v(d);
    t.get(result);
    shuffleElements(t, 3, [0, 2]);
    t.setV(d);
  }
}

type Narrow = '0 Q 0 01110 size 10000 10010 10 Rn Rd';

function narrowRows(name: string, U: number, opcode: string, how: Narrowing): Instruction[] {
  const rows = [
    simd(`${name}, ${name}2`, `0 Q ${U} 01110 size 10000 ${opcode} 10 Rn Rd` as Narrow, `${name}{2} <Vd>.<Tb>, <Vn>.<Ta>`, { when: (i) => i.size !== 3 }, (t, i) => {
      t.v(i.Rn);
      narrow(t, i.size, how, 128);
      setHalf(t, i.Rd, i.Q);
    }),
  ];
  if (how !== 'truncate') {
    rows.push(
      simd(`${name}, ${name}2`, `01 ${U} 11110 size 10000 ${opcode} 10 Rn Rd` as '01 0 11110 size 10000 10010 10 Rn Rd', `${name} <Vb><d>, <Va><n>`, { when: (i) => i.size !== 3 }, (t, i) => {
        t.v(i.Rn);
        narrow(t, i.size, how, 16 << i.size);
        setResult(t, i.Rd, 8 << i.size);
      }),
    );
  }
  return rows;
}

function mixedSign(unsigned: number): Meaning {
  return (t, s) => {
    callHelper(t, mixedSignAdd, { d: s.d, n: s.n, size: s.size, lanes: Math.log2(s.bits >> (3 + s.size)), extra: unsigned }, [s.d, s.n]);
    t.v(s.d);
  };
}

const ALL = [0, 1, 2, 3];
const SMALL = [0, 1, 2];
const NONE: readonly number[] = [];

/** name, U, opcode, vector sizes, scalar sizes, meaning */
const rows: readonly (readonly [string, number, string, readonly number[], readonly number[], Meaning])[] = [
  ['SADDLP', 0, '00010', SMALL, NONE, addLongPairwise(0, false)],
  ['UADDLP', 1, '00010', SMALL, NONE, addLongPairwise(1, false)],
  ['SUQADD', 0, '00011', ALL, ALL, mixedSign(0)],
  ['USQADD', 1, '00011', ALL, ALL, mixedSign(1)],
  ['CLS (vector)', 0, '00100', SMALL, NONE, cls],
  ['CLZ (vector)', 1, '00100', SMALL, NONE, clz],
  ['CNT', 0, '00101', [0], NONE, unary([WV.i8x16_popcnt])],
  ['NOT', 1, '00101', [0], NONE, unary([WV.not])],
  ['RBIT (vector)', 1, '00101', [1], NONE, rbit],
  ['SADALP', 0, '00110', SMALL, NONE, addLongPairwise(0, true)],
  ['UADALP', 1, '00110', SMALL, NONE, addLongPairwise(1, true)],
  ['SQABS', 0, '00111', ALL, ALL, saturatingUnary(ABS)],
  ['SQNEG', 1, '00111', ALL, ALL, saturatingUnary(NEG)],
  ['CMGT (zero)', 0, '01000', ALL, [3], compareZero(GT_S)],
  ['CMGE (zero)', 1, '01000', ALL, [3], compareZero(GE_S)],
  ['CMEQ (zero)', 0, '01001', ALL, [3], compareZero(EQ)],
  ['CMLE (zero)', 1, '01001', ALL, [3], compareZero(LE_S)],
  ['CMLT (zero)', 0, '01010', ALL, [3], compareZero(LT_S)],
  ['ABS', 0, '01011', ALL, [3], unary(ABS)],
  ['NEG (vector)', 1, '01011', ALL, [3], unary(NEG)],
];

function template(name: string): string {
  const mnemonic = name.split(' ')[0]!;
  if (name.endsWith('(zero)')) return `${mnemonic} <Vd>.<T>, <Vn>.<T>, #0`;
  if (/AD[AD]LP$/.test(mnemonic)) return `${mnemonic} <Vd>.<Ta>, <Vn>.<Tb>`;
  return `${mnemonic} <Vd>.<${/NOT|RBIT/.test(mnemonic) ? '8B|16B' : 'T'}>, <Vn>.<${/NOT|RBIT/.test(mnemonic) ? '8B|16B' : 'T'}>`;
}

/** Reduces the elements in the lowest `bits` bits of a v128 local with `op`; pushes a v128 with the result in element 0. */
function reduce(t: Translator, size: number, bits: number, x: Local, op: number): void {
  let at = x;
  for (let half = bits >> 4; half >= 1 << size; half >>= 1) {
    t.get(at);
    t.get(at);
    t.get(at);
    t.vshuffle(Array.from({ length: 16 }, (_, b) => (b + half) & 15));
    t.vop(op);
    at = t.popTemp(T.v128);
  }
  t.get(at);
}

type Across = '0 Q 0 01110 size 11000 00011 10 Rn Rd';
const acrossAllocated = (i: { size: number; Q: number }): boolean => i.size !== 3 && !(i.size === 2 && i.Q === 0);

function across(name: string, U: number, opcode: string, op: readonly number[]): Instruction {
  return simd(name, `0 Q ${U} 01110 size 11000 ${opcode} 10 Rn Rd` as Across, `${name} <V><d>, <Vn>.<T>`, { when: acrossAllocated }, (t, i) => {
    t.v(i.Rn);
    reduce(t, i.size, i.Q !== 0 ? 128 : 64, t.popTemp(T.v128), op[i.size]!);
    t.vlane(EXTRACT_U[i.size]!, 0);
    t.setVLow(i.Rd, T.i32);
  });
}

function acrossLong(name: string, U: number): Instruction {
  return simd(name, `0 Q ${U} 01110 size 11000 00011 10 Rn Rd` as Across, `${name} <Va><d>, <Vn>.<Tb>`, { when: acrossAllocated }, (t, i) => {
    addLongPairwise(U, false)(t, { d: i.Rd, n: i.Rn, m: 0, size: i.size, bits: 128 });
    reduce(t, i.size + 1, i.Q !== 0 ? 128 : 64, t.popTemp(T.v128), ADD[i.size + 1]!);
    t.vlane(EXTRACT_U[i.size + 1]!, 0);
    t.setVLow(i.Rd, i.size === 2 ? T.i64 : T.i32);
  });
}

export const simdMisc: readonly Instruction[] = [
  ...rows.flatMap(([name, U, opcode, vector, scalar, meaning]) => {
    const options: FamilyOptions = { sizes: vector };
    const out = [vectorRow(name, `0 Q ${U} 01110 size 10000 ${opcode} 10 Rn Rd`, template(name), options, (t, s) => meaning(t, name === 'RBIT (vector)' ? { ...s, size: 0 } : s))];
    if (scalar.length > 0) out.push(scalarRow(name, `01 ${U} 11110 size 10000 ${opcode} 10 Rn Rd`, scalarSyntax(template(name)), { sizes: scalar }, meaning));
    return out;
  }),
  ...narrowRows('XTN', 0, '10010', 'truncate'),
  ...narrowRows('SQXTUN', 1, '10010', 'signedToUnsigned'),
  ...narrowRows('SQXTN', 0, '10100', 'signed'),
  ...narrowRows('UQXTN', 1, '10100', 'unsigned'),
  simd('SHLL, SHLL2', '0 Q 1 01110 size 10000 10011 10 Rn Rd', 'SHLL{2} <Vd>.<Ta>, <Vn>.<Tb>, #<shift>', { when: (i) => i.size !== 3 }, (t, i) => {
    t.v(i.Rn);
    extend(t, i.size, 1, i.Q);
    shift(t, SHL, i.size + 1, 8 << i.size);
    t.setV(i.Rd);
  }),
  acrossLong('SADDLV', 0),
  acrossLong('UADDLV', 1),
  across('SMAXV', 0, '01010', MAX_S),
  across('UMAXV', 1, '01010', MAX_U),
  across('SMINV', 0, '11010', MIN_S),
  across('UMINV', 1, '11010', MIN_U),
  across('ADDV', 0, '11011', ADD),
  simd('ADDP (scalar)', '01 0 11110 11 11000 11011 10 Rn Rd', 'ADDP <Dd>, <Vn>.2D', {}, (t, i) => {
    t.v(i.Rn);
    const x = t.popTemp(T.v128);
    t.get(x);
    t.get(x);
    t.get(x);
    shuffleElements(t, 3, [1, 0]);
    t.vop(WV.i64x2_add);
    setResult(t, i.Rd, 64);
  }),
];
