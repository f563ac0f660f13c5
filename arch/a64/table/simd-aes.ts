import { INVERSE_SUB_BYTES, SUB_BYTES, type SubstitutionTables } from '../../fp/aes-tables.ts';
import { polynomialMultiply64 } from '../../fp/vector.ts';
import { T, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { callHelper, shift, SHR_U, simd, splatConstant } from './simd-lanes.ts';
import { nibbleSwizzle } from './simd-relaxed.ts';

/** AES, and the polynomial multiplication of GCM. */

function bytesConstant(t: Translator, bytes: readonly number[]): void {
  const half = (from: number): bigint => bytes.slice(from, from + 8).reduceRight((value, b) => (value << 8n) | BigInt(b), 0n);
  t.v128(half(0), half(8));
}

/** Pushes a table looked up by the nibbles in a local; 0x80 and above give 0. */
function nibbles(t: Translator, table: readonly number[], index: Local): void {
  bytesConstant(t, table);
  t.get(index);
  t.vop(nibbleSwizzle());
}

/** Substitutes the bytes of the v128 on the stack. */
function substitute(t: Translator, tables: SubstitutionTables): void {
  const x = t.popTemp(T.v128);
  t.get(x);
  splatConstant(t, 0, 15n);
  t.vop(WV.and);
  const low = t.popTemp(T.v128);
  t.get(x);
  shift(t, SHR_U, 0, 4);
  t.set(x);
  nibbles(t, tables.inLow, low);
  nibbles(t, tables.inHigh, x);
  t.vop(WV.xor);
  t.tee(x);
  splatConstant(t, 0, 15n);
  t.vop(WV.and);
  const k = low;
  t.set(k);
  t.get(x);
  shift(t, SHR_U, 0, 4);
  const i = x;
  t.tee(i);
  t.get(k);
  t.vop(WV.xor);
  const j = t.popTemp(T.v128);
  nibbles(t, tables.overK, k);
  const ak = t.popTemp(T.v128);
  const combine = (of: Local, other: Local): Local => {
    nibbles(t, tables.inverse, of);
    t.get(ak);
    t.vop(WV.xor);
    const sum = t.popTemp(T.v128);
    nibbles(t, tables.inverse, sum);
    t.get(other);
    t.vop(WV.xor);
    t.set(sum);
    return sum;
  };
  const io = combine(i, j);
  const jo = combine(j, i);
  nibbles(t, tables.outI, io);
  nibbles(t, tables.outJ, jo);
  t.vop(WV.xor);
}

/** Where ShiftRows and InvShiftRows take each byte of the state from, column by column. */
const SHIFT_ROWS = Array.from({ length: 16 }, (_, b) => (b + 4 * (b & 3)) & 15);
const INVERSE_SHIFT_ROWS = Array.from({ length: 16 }, (_, b) => (b - 4 * (b & 3)) & 15);

function permuteBytes(t: Translator, x: Local, lanes: readonly number[]): void {
  t.get(x);
  t.get(x);
  t.vshuffle(lanes);
}

/** Doubles the bytes of a local in AES's field; pushes the result. */
function double(t: Translator, x: Local): void {
  t.get(x);
  t.get(x);
  t.vop(WV.i8x16_add);
  t.get(x);
  t.vzero();
  t.vop(WV.i8x16_lt_s);
  splatConstant(t, 0, 0x1bn);
  t.vop(WV.and);
  t.vop(WV.xor);
}

/** Rows of each column moved up by `by`. */
function columnRows(by: number): number[] {
  return Array.from({ length: 16 }, (_, b) => (b & 12) | ((b + by) & 3));
}

/** MixColumns of a local: 2·(b0 + b1) + b1 + (b2 + b3) in each row. */
function mixColumns(t: Translator, x: Local): void {
  permuteBytes(t, x, columnRows(1));
  const next = t.popTemp(T.v128);
  t.get(x);
  t.get(next);
  t.vop(WV.xor);
  const sum = t.popTemp(T.v128);
  double(t, sum);
  t.get(next);
  t.vop(WV.xor);
  permuteBytes(t, sum, columnRows(2));
  t.vop(WV.xor);
}

type Aes = '01001110 00 10100 00100 10 Rn Rd';

function aesRound(name: string, opcode: string, emit: (t: Translator, x: Local) => void): Instruction {
  return simd(name, `01001110 00 10100 ${opcode} 10 Rn Rd` as Aes, `${name} <Vd>.16B, <Vn>.16B`, { feature: 'FEAT_AES' }, (t, i) => {
    t.v(i.Rd);
    t.v(i.Rn);
    t.vop(WV.xor);
    emit(t, t.popTemp(T.v128));
    t.setV(i.Rd);
  });
}

export const simdAes: readonly Instruction[] = [
  aesRound('AESE', '00100', (t, x) => {
    permuteBytes(t, x, SHIFT_ROWS);
    substitute(t, SUB_BYTES);
    splatConstant(t, 0, 0x63n);
    t.vop(WV.xor);
  }),
  aesRound('AESD', '00101', (t, x) => {
    permuteBytes(t, x, INVERSE_SHIFT_ROWS);
    splatConstant(t, 0, 0x63n);
    t.vop(WV.xor);
    substitute(t, INVERSE_SUB_BYTES);
  }),
  simd('AESMC', '01001110 00 10100 00110 10 Rn Rd', 'AESMC <Vd>.16B, <Vn>.16B', { feature: 'FEAT_AES' }, (t, i) => {
    t.v(i.Rn);
    mixColumns(t, t.popTemp(T.v128));
    t.setV(i.Rd);
  }),
  simd('AESIMC', '01001110 00 10100 00111 10 Rn Rd', 'AESIMC <Vd>.16B, <Vn>.16B', { feature: 'FEAT_AES' }, (t, i) => {
    // InvMixColumns is MixColumns of b0 + 4·(b0 + b2).
    t.v(i.Rn);
    const x = t.popTemp(T.v128);
    t.get(x);
    permuteBytes(t, x, columnRows(2));
    t.vop(WV.xor);
    const sum = t.popTemp(T.v128);
    double(t, sum);
    t.set(sum);
    double(t, sum);
    t.get(x);
    t.vop(WV.xor);
    mixColumns(t, t.popTemp(T.v128));
    t.setV(i.Rd);
  }),
  simd('PMULL, PMULL2', '0 Q 0 01110 11 1 Rm 1110 00 Rn Rd', 'PMULL{2} <Vd>.1Q, <Vn>.<1D|2D>, <Vm>.<1D|2D>', { feature: 'FEAT_PMULL' }, (t, i) =>
    callHelper(t, polynomialMultiply64, { d: i.Rd, n: i.Rn, m: i.Rm, extra: i.Q }, [i.Rn, i.Rm]),
  ),
];
