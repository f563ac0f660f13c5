import { T, WV } from '../../wasm/opcodes.ts';
import { variableShift, polynomialMultiply } from '../../fp/vector.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import {
  accumulateQc, ADD, callHelper, EQ, extmul, GE_S, GE_U, GT_S, GT_U, MAX_S, MAX_U, MIN_S, MIN_U, scalarRow, setResult, shift, SHL, SHR_S, SHR_U,
  shuffleElements, simd, splatConstant, SUB, vectorRow, type Meaning,
} from './simd-lanes.ts';
import { pairwiseAdd, pushAlternate } from './simd-permute.ts';

/** AdvSIMD three same (integer), its scalar forms, and the extra saturating multiply-accumulates of FEAT_RDM. */

const ALL = [0, 1, 2, 3];
const SMALL = [0, 1, 2];

/** The opcodes applied in order to Vn and Vm. */
function plain(...opcodes: (readonly number[])[]): Meaning {
  return (t, s) => {
    t.v(s.n);
    t.v(s.m);
    for (const o of opcodes) t.vop(o[s.size]!);
  };
}

function logical(name: string, U: number, size: string, emit: (t: Translator, d: number, n: number, m: number) => void): Instruction {
  return simd(name, `0 Q ${U} 01110 ${size} 1 Rm 00011 1 Rn Rd` as '0 Q 0 01110 00 1 Rm 00011 1 Rn Rd', `${name.split(' ')[0]!} <Vd>.<T>, <Vn>.<T>, <Vm>.<T>`, {}, (t, i) => {
    emit(t, i.Rd, i.Rn, i.Rm);
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  });
}

function both(op: number) {
  return (t: Translator, _d: number, n: number, m: number): void => {
    t.v(n);
    t.v(m);
    t.vop(op);
  };
}

/** Unsigned a > b or a >= b on 64-bit elements: signed comparison with the sign bits flipped. */
function compareUnsigned64(t: Translator, n: number, m: number, op: number): void {
  t.v(n);
  splatConstant(t, 3, 1n << 63n);
  t.vop(WV.xor);
  t.v(m);
  splatConstant(t, 3, 1n << 63n);
  t.vop(WV.xor);
  t.vop(op);
}

const cmhi: Meaning = (t, s) => {
  if (s.size === 3) compareUnsigned64(t, s.n, s.m, GT_S[3]!);
  else plain(GT_U)(t, s);
};
const cmhs: Meaning = (t, s) => {
  if (s.size === 3) compareUnsigned64(t, s.n, s.m, GE_S[3]!);
  else plain(GE_U)(t, s);
};

const cmtst: Meaning = (t, s) => {
  t.v(s.n);
  t.v(s.m);
  t.vop(WV.and);
  t.vzero();
  t.vop(EQ[s.size]!);
  t.vop(WV.not);
};

/** (a + b) >> 1 or, subtracting, (a - b) >> 1, without overflow. */
function halving(shr: readonly number[], subtract: boolean): Meaning {
  return (t, s) => {
    t.v(s.n);
    t.v(s.m);
    t.vop(WV.xor);
    shift(t, shr, s.size, 1);
    if (subtract) {
      t.v(s.m);
      t.v(s.n);
      t.vop(WV.andnot);
      t.vop(SUB[s.size]!);
    } else {
      t.v(s.n);
      t.v(s.m);
      t.vop(WV.and);
      t.vop(ADD[s.size]!);
    }
  };
}

/** (a + b + 1) >> 1 */
function roundingHalving(shr: readonly number[]): Meaning {
  return (t, s) => {
    t.v(s.n);
    t.v(s.m);
    if (shr === SHR_U && s.size < 2) {
      t.vop(s.size === 0 ? WV.i8x16_avgr_u : WV.i16x8_avgr_u);
      return;
    }
    t.vop(WV.or);
    t.v(s.n);
    t.v(s.m);
    t.vop(WV.xor);
    shift(t, shr, s.size, 1);
    t.vop(SUB[s.size]!);
  };
}

const ADD_SAT = [WV.i8x16_add_sat_s, WV.i16x8_add_sat_s];
const ADD_SAT_U = [WV.i8x16_add_sat_u, WV.i16x8_add_sat_u];
const SUB_SAT = [WV.i8x16_sub_sat_s, WV.i16x8_sub_sat_s];
const SUB_SAT_U = [WV.i8x16_sub_sat_u, WV.i16x8_sub_sat_u];

/** Saturating addition and subtraction: what differs from the wrapped result has saturated. */
function saturating(subtract: boolean, unsigned: boolean): Meaning {
  const wrapping = subtract ? SUB : ADD;
  const direct = subtract ? (unsigned ? SUB_SAT_U : SUB_SAT) : unsigned ? ADD_SAT_U : ADD_SAT;
  return (t, s) => {
    const z = s.size;
    t.v(s.n);
    t.v(s.m);
    t.vop(wrapping[z]!);
    const sum = t.popTemp(T.v128);
    if (z < 2) {
      t.v(s.n);
      t.v(s.m);
      t.vop(direct[z]!);
    } else if (unsigned) {
      // Overflowed where the sum is below an operand, or the subtrahend above the minuend.
      const flip = (push: () => void): void => {
        push();
        if (z === 3) {
          splatConstant(t, 3, 1n << 63n);
          t.vop(WV.xor);
        }
      };
      flip(() => (subtract ? t.v(s.m) : t.v(s.n)));
      flip(() => (subtract ? t.v(s.n) : t.get(sum)));
      t.vop(z === 3 ? GT_S[3]! : GT_U[2]!);
      const over = t.popTemp(T.v128);
      t.get(sum);
      t.get(over);
      t.vop(subtract ? WV.andnot : WV.or);
    } else {
      t.v(s.n);
      const bits = (8 << z) - 1;
      shift(t, SHR_S, z, bits);
      splatConstant(t, z, (1n << BigInt(bits)) - 1n);
      t.vop(WV.xor);
      t.get(sum);
      t.v(s.n);
      t.get(sum);
      t.vop(WV.xor);
      t.v(s.m);
      if (subtract) t.v(s.n);
      else t.get(sum);
      t.vop(WV.xor);
      t.vop(WV.and);
      shift(t, SHR_S, z, bits);
      t.vop(WV.bitselect);
    }
    const result = t.popTemp(T.v128);
    t.get(result);
    t.get(sum);
    t.vop(WV.xor);
    accumulateQc(t, s.bits);
    t.get(result);
  };
}

/** |a - b| */
function difference(max: readonly number[], min: readonly number[], accumulate: boolean): Meaning {
  return (t, s) => {
    if (accumulate) t.v(s.d);
    t.v(s.n);
    t.v(s.m);
    t.vop(max[s.size]!);
    t.v(s.n);
    t.v(s.m);
    t.vop(min[s.size]!);
    t.vop(SUB[s.size]!);
    if (accumulate) t.vop(ADD[s.size]!);
  };
}

const MUL = [0, WV.i16x8_mul, WV.i32x4_mul];

/** Pushes the products, modulo the element size, of two v128 locals. */
export function multiply(t: Translator, size: number, push: () => void, pushM: () => void): void {
  if (size !== 0) {
    push();
    pushM();
    t.vop(MUL[size]!);
    return;
  }
  // Bytes: odd ones by 16-bit products of the high bytes, even ones by those of the low bytes.
  push();
  shift(t, SHR_U, 1, 8);
  pushM();
  shift(t, SHR_U, 1, 8);
  t.vop(WV.i16x8_mul);
  shift(t, SHL, 1, 8);
  push();
  pushM();
  t.vop(WV.i16x8_mul);
  splatConstant(t, 1, 0xffn);
  t.vop(WV.and);
  t.vop(WV.or);
}

function multiplyAccumulate(op: readonly number[] | undefined): Meaning {
  return (t, s) => {
    if (op !== undefined) t.v(s.d);
    multiply(t, s.size, () => t.v(s.n), () => t.v(s.m));
    if (op !== undefined) t.vop(op[s.size]!);
  };
}

function pairwise(op: readonly number[]): Meaning {
  return (t, s) => {
    pushAlternate(t, s.n, s.m, s.size, s.bits, 0);
    pushAlternate(t, s.n, s.m, s.size, s.bits, 1);
    t.vop(op[s.size]!);
  };
}

/**
 * Pushes the doubled (rounded) high halves of the products of two v128 locals, 16- or 32-bit elements; both operands
 * at their minimum saturate.
 */
export function doublingHigh(t: Translator, size: number, bits: number, round: boolean, a: Local, b: Local): void {
  const min = 1n << BigInt((8 << size) - 1);
  t.get(a);
  splatConstant(t, size, min);
  t.vop(EQ[size]!);
  t.get(b);
  splatConstant(t, size, min);
  t.vop(EQ[size]!);
  t.vop(WV.and);
  const over = t.popTemp(T.v128);
  t.get(over);
  accumulateQc(t, bits);
  if (size === 1 && round) {
    t.get(a);
    t.get(b);
    t.vop(WV.i16x8_q15mulr_sat_s);
    return;
  }
  const half = 8 << size;
  for (const high of [0, 1]) {
    t.get(a);
    t.get(b);
    extmul(t, size, 0, high);
    if (round) {
      splatConstant(t, size + 1, 1n << BigInt(half - 2));
      t.vop(ADD[size + 1]!);
    }
    shift(t, SHR_S, size + 1, half - 1);
  }
  shuffleElements(t, size, Array.from({ length: 16 >> size }, (_, e) => 2 * e));
  t.get(over);
  t.vop(WV.xor);
}

function doublingHighRow(round: boolean): Meaning {
  return (t, s) => {
    t.v(s.n);
    const a = t.popTemp(T.v128);
    t.v(s.m);
    const b = t.popTemp(T.v128);
    doublingHigh(t, s.size, s.bits, round, a, b);
  };
}

/** Narrows two v128 locals of 64-bit elements to 32 bits, signed with saturation; pushes the result. */
export function narrow64(t: Translator, low: Local, high: Local): void {
  for (const x of [low, high]) {
    // Clamp to the maximum, then to the minimum.
    t.get(x);
    splatConstant(t, 3, 0x7fffffffn);
    t.get(x);
    splatConstant(t, 3, 0x7fffffffn);
    t.vop(WV.i64x2_lt_s);
    t.vop(WV.bitselect);
    const y = t.popTemp(T.v128);
    t.get(y);
    splatConstant(t, 3, -0x80000000n);
    t.get(y);
    splatConstant(t, 3, -0x80000000n);
    t.vop(WV.i64x2_gt_s);
    t.vop(WV.bitselect);
  }
  shuffleElements(t, 2, [0, 2, 4, 6]);
}

/** SQRDMLAH and SQRDMLSH: pushes saturated ((acc << esize) ± 2ab + round) >> esize. */
export function roundingAccumulateHigh(t: Translator, size: number, bits: number, subtract: boolean, acc: Local, a: Local, b: Local): void {
  const half = 8 << size;
  const wide: Local[] = [];
  for (const high of [0, 1]) {
    t.get(acc);
    t.vop([[0, 0], [WV.i32x4_extend_low_i16x8_s, WV.i32x4_extend_high_i16x8_s], [WV.i64x2_extend_low_i32x4_s, WV.i64x2_extend_high_i32x4_s]][size]![high]!);
    shift(t, SHL, size + 1, half - 1);
    splatConstant(t, size + 1, 1n << BigInt(half - 2));
    t.vop(ADD[size + 1]!);
    t.get(a);
    t.get(b);
    extmul(t, size, 0, high);
    t.vop((subtract ? SUB : ADD)[size + 1]!);
    shift(t, SHR_S, size + 1, half - 1);
    wide.push(t.popTemp(T.v128));
  }
  const [low, high] = wide as [Local, Local];
  if (size === 1) {
    t.get(low);
    t.get(high);
    t.vop(WV.i16x8_narrow_i32x4_s);
  } else narrow64(t, low, high);
  const result = t.popTemp(T.v128);
  t.get(low);
  t.get(high);
  shuffleElements(t, size, Array.from({ length: 16 >> size }, (_, e) => 2 * e));
  t.get(result);
  t.vop(WV.xor);
  accumulateQc(t, bits);
  t.get(result);
}

function roundingAccumulateRow(subtract: boolean): Meaning {
  return (t, s) => {
    const locals = [s.d, s.n, s.m].map((r) => {
      t.v(r);
      return t.popTemp(T.v128);
    });
    roundingAccumulateHigh(t, s.size, s.bits, subtract, locals[0]!, locals[1]!, locals[2]!);
  };
}

/** Shift of each element by the signed low byte of Vm's; `extra`: 1 unsigned, 2 rounding, 4 saturating. */
function byRegister(extra: number): Meaning {
  return (t, s) => {
    callHelper(t, variableShift, { d: s.d, n: s.n, m: s.m, size: s.size, lanes: Math.log2(s.bits >> (3 + s.size)), extra }, [s.n, s.m]);
    t.v(s.d);
  };
}

const pmul: Meaning = (t, s) => {
  callHelper(t, polynomialMultiply, { d: s.d, n: s.n, m: s.m, lanes: s.bits === 128 ? 4 : 3 }, [s.n, s.m]);
  t.v(s.d);
};

/** name, U, opcode, vector sizes, scalar sizes, meaning */
type Row = readonly [string, number, string, readonly number[], readonly number[], Meaning];
const NONE: readonly number[] = [];

const rows: readonly Row[] = [
  ['SHADD', 0, '00000', SMALL, NONE, halving(SHR_S, false)],
  ['UHADD', 1, '00000', SMALL, NONE, halving(SHR_U, false)],
  ['SQADD', 0, '00001', ALL, ALL, saturating(false, false)],
  ['UQADD', 1, '00001', ALL, ALL, saturating(false, true)],
  ['SRHADD', 0, '00010', SMALL, NONE, roundingHalving(SHR_S)],
  ['URHADD', 1, '00010', SMALL, NONE, roundingHalving(SHR_U)],
  ['SHSUB', 0, '00100', SMALL, NONE, halving(SHR_S, true)],
  ['UHSUB', 1, '00100', SMALL, NONE, halving(SHR_U, true)],
  ['SQSUB', 0, '00101', ALL, ALL, saturating(true, false)],
  ['UQSUB', 1, '00101', ALL, ALL, saturating(true, true)],
  ['CMGT (register)', 0, '00110', ALL, [3], plain(GT_S)],
  ['CMHI (register)', 1, '00110', ALL, [3], cmhi],
  ['CMGE (register)', 0, '00111', ALL, [3], plain(GE_S)],
  ['CMHS (register)', 1, '00111', ALL, [3], cmhs],
  ['SSHL', 0, '01000', ALL, [3], byRegister(0)],
  ['USHL', 1, '01000', ALL, [3], byRegister(1)],
  ['SQSHL (register)', 0, '01001', ALL, ALL, byRegister(4)],
  ['UQSHL (register)', 1, '01001', ALL, ALL, byRegister(5)],
  ['SRSHL', 0, '01010', ALL, [3], byRegister(2)],
  ['URSHL', 1, '01010', ALL, [3], byRegister(3)],
  ['SQRSHL', 0, '01011', ALL, ALL, byRegister(6)],
  ['UQRSHL', 1, '01011', ALL, ALL, byRegister(7)],
  ['SMAX', 0, '01100', SMALL, NONE, plain(MAX_S)],
  ['UMAX', 1, '01100', SMALL, NONE, plain(MAX_U)],
  ['SMIN', 0, '01101', SMALL, NONE, plain(MIN_S)],
  ['UMIN', 1, '01101', SMALL, NONE, plain(MIN_U)],
  ['SABD', 0, '01110', SMALL, NONE, difference(MAX_S, MIN_S, false)],
  ['UABD', 1, '01110', SMALL, NONE, difference(MAX_U, MIN_U, false)],
  ['SABA', 0, '01111', SMALL, NONE, difference(MAX_S, MIN_S, true)],
  ['UABA', 1, '01111', SMALL, NONE, difference(MAX_U, MIN_U, true)],
  ['ADD (vector)', 0, '10000', ALL, [3], plain(ADD)],
  ['SUB (vector)', 1, '10000', ALL, [3], plain(SUB)],
  ['CMTST', 0, '10001', ALL, [3], cmtst],
  ['CMEQ (register)', 1, '10001', ALL, [3], plain(EQ)],
  ['MLA (vector)', 0, '10010', SMALL, NONE, multiplyAccumulate(ADD)],
  ['MLS (vector)', 1, '10010', SMALL, NONE, multiplyAccumulate(SUB)],
  ['MUL (vector)', 0, '10011', SMALL, NONE, multiplyAccumulate(undefined)],
  ['PMUL', 1, '10011', [0], NONE, pmul],
  ['SMAXP', 0, '10100', SMALL, NONE, pairwise(MAX_S)],
  ['UMAXP', 1, '10100', SMALL, NONE, pairwise(MAX_U)],
  ['SMINP', 0, '10101', SMALL, NONE, pairwise(MIN_S)],
  ['UMINP', 1, '10101', SMALL, NONE, pairwise(MIN_U)],
  ['SQDMULH (vector)', 0, '10110', [1, 2], [1, 2], doublingHighRow(false)],
  ['SQRDMULH (vector)', 1, '10110', [1, 2], [1, 2], doublingHighRow(true)],
  ['ADDP (vector)', 0, '10111', ALL, NONE, (t, s) => pairwiseAdd(t, s.n, s.m, s.size, s.bits)],
];

function family([name, U, opcode, vector, scalar, meaning]: Row): Instruction[] {
  const mnemonic = name.split(' ')[0]!;
  const out = [vectorRow(name, `0 Q ${U} 01110 size 1 Rm ${opcode} 1 Rn Rd`, `${mnemonic} <Vd>.<T>, <Vn>.<T>, <Vm>.<T>`, { sizes: vector }, meaning)];
  if (scalar.length > 0) out.push(scalarRow(name, `01 ${U} 11110 size 1 Rm ${opcode} 1 Rn Rd`, `${mnemonic} <V><d>, <V><n>, <V><m>`, { sizes: scalar }, meaning));
  return out;
}

function accumulateRows(name: string, opcode: string, subtract: boolean): Instruction[] {
  const options = { sizes: [1, 2], feature: 'FEAT_RDM' } as const;
  return [
    vectorRow(name, `0 Q 1 01110 size 0 Rm 1 ${opcode} 1 Rn Rd`, `${name.split(' ')[0]!} <Vd>.<T>, <Vn>.<T>, <Vm>.<T>`, options, roundingAccumulateRow(subtract)),
    scalarRow(name, `01 1 11110 size 0 Rm 1 ${opcode} 1 Rn Rd`, `${name.split(' ')[0]!} <V><d>, <V><n>, <V><m>`, options, roundingAccumulateRow(subtract)),
  ];
}

export const simdThreeSame: readonly Instruction[] = [
  logical('AND (vector)', 0, '00', both(WV.and)),
  logical('BIC (vector, register)', 0, '01', both(WV.andnot)),
  logical('ORR (vector, register)', 0, '10', (t, d, n, m) => {
    if (n === m) t.v(n);
    else both(WV.or)(t, d, n, m);
  }),
  logical('ORN (vector)', 0, '11', (t, _d, n, m) => {
    t.v(n);
    t.v(m);
    t.vop(WV.not);
    t.vop(WV.or);
  }),
  logical('EOR (vector)', 1, '00', (t, d, n, m) => {
    if (n === m) t.vzero();
    else both(WV.xor)(t, d, n, m);
  }),
  logical('BSL', 1, '01', (t, d, n, m) => {
    t.v(n);
    t.v(m);
    t.v(d);
    t.vop(WV.bitselect);
  }),
  logical('BIT', 1, '10', (t, d, n, m) => {
    t.v(n);
    t.v(d);
    t.v(m);
    t.vop(WV.bitselect);
  }),
  logical('BIF', 1, '11', (t, d, n, m) => {
    t.v(d);
    t.v(n);
    t.v(m);
    t.vop(WV.bitselect);
  }),
  ...rows.flatMap(family),
  ...accumulateRows('SQRDMLAH (vector)', '0000', false),
  ...accumulateRows('SQRDMLSH (vector)', '0001', true),
];

