import { INVERSE_SUB_BYTES, SUB_BYTES, type SubstitutionTables } from '../../fp/aes-tables.ts';
import { polynomialMultiply64 } from '../../fp/vector.ts';
import { T, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { callHelper, shift, SHL, SHR_U, shuffleElements, simd, splatConstant } from './simd-lanes.ts';
import { nibbleSwizzle } from './simd-relaxed.ts';

/** AES, polynomial multiplication, SHA-1, SHA-256, SHA-512 and SHA-3. */

function bytesConstant(t: Translator, bytes: readonly number[]): void {
  const half = (from: number): bigint => bytes.slice(from, from + 8).reduceRight((value, b) => (value << 8n) | BigInt(b), 0n);
  t.v128(half(0), half(8));
}

function popV(t: Translator): Local {
  return t.popTemp(T.v128);
}

/** Pushes a table looked up by the nibbles in a local; 0x80 and above give 0. */
function nibbles(t: Translator, table: readonly number[], index: Local): void {
  bytesConstant(t, table);
  t.get(index);
  t.vop(nibbleSwizzle());
}

/** Substitutes the bytes of the v128 on the stack. */
function substitute(t: Translator, tables: SubstitutionTables): void {
  const x = popV(t);
  t.get(x);
  splatConstant(t, 0, 15n);
  t.vop(WV.and);
  const low = popV(t);
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
  const j = popV(t);
  nibbles(t, tables.overK, k);
  const ak = popV(t);
  const combine = (of: Local, other: Local): Local => {
    nibbles(t, tables.inverse, of);
    t.get(ak);
    t.vop(WV.xor);
    const sum = popV(t);
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
  const next = popV(t);
  t.get(x);
  t.get(next);
  t.vop(WV.xor);
  const sum = popV(t);
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
    emit(t, popV(t));
    t.setV(i.Rd);
  });
}

/** Elements of Vn, or only `count` of them, as i32 or i64 locals. */
function split32(t: Translator, n: number, count = 4): Local[] {
  return Array.from({ length: count }, (_, lane) => {
    t.v(n);
    t.vlane(WV.i32x4_extract_lane, lane);
    return t.popTemp(T.i32);
  });
}

function join32(t: Translator, d: number, parts: readonly Local[]): void {
  t.get(parts[0]!);
  t.vop(WV.i32x4_splat);
  for (let lane = 1; lane < 4; lane++) {
    t.get(parts[lane]!);
    t.vlane(WV.i32x4_replace_lane, lane);
  }
  t.setV(d);
}

function rotateLeft(t: Translator, x: Local, by: number): void {
  t.get(x);
  t.i32(by);
  t.op(W.i32_rotl);
}

/** Exclusive or of rotations to the right of a local. */
function rotations(t: Translator, x: Local, by: readonly number[], wide = false): void {
  by.forEach((amount, k) => {
    t.get(x);
    if (wide) t.i64(amount);
    else t.i32(amount);
    t.op(wide ? W.i64_rotr : W.i32_rotr);
    if (k > 0) t.op(wide ? W.i64_xor : W.i32_xor);
  });
}

function choose(t: Translator, x: Local, y: Local, z: Local, wide = false): void {
  t.get(y);
  t.get(z);
  t.op(wide ? W.i64_xor : W.i32_xor);
  t.get(x);
  t.op(wide ? W.i64_and : W.i32_and);
  t.get(z);
  t.op(wide ? W.i64_xor : W.i32_xor);
}

/** (x & y) | ((x | y) & z) */
function majority(t: Translator, x: Local, y: Local, z: Local, wide = false): void {
  const and = wide ? W.i64_and : W.i32_and;
  const or = wide ? W.i64_or : W.i32_or;
  t.get(x);
  t.get(y);
  t.op(and);
  t.get(x);
  t.get(y);
  t.op(or);
  t.get(z);
  t.op(and, or);
}

type Sha = '01011110 00 0 Rm 0 000 00 Rn Rd';

/** Four rounds of SHA-1 with the function `f` of b, c, d. */
function sha1Rounds(name: string, opcode: string, f: (t: Translator, b: Local, c: Local, d: Local) => void): Instruction {
  return simd(name, `01011110 00 0 Rm 0 ${opcode} 00 Rn Rd` as Sha, `${name} <Qd>, <Sn>, <Vm>.4S`, { feature: 'FEAT_SHA1' }, (t, i) => {
    let [a, b, c, d] = split32(t, i.Rd) as [Local, Local, Local, Local];
    let e = split32(t, i.Rn, 1)[0]!;
    const w = split32(t, i.Rm);
    for (let round = 0; round < 4; round++) {
      t.get(e);
      rotateLeft(t, a, 5);
      t.op(W.i32_add);
      f(t, b, c, d);
      t.op(W.i32_add);
      t.get(w[round]!);
      t.op(W.i32_add);
      t.set(e);
      rotateLeft(t, b, 30);
      t.set(b);
      [a, b, c, d, e] = [e, a, b, c, d];
    }
    join32(t, i.Rd, [a, b, c, d]);
  });
}

/** Four rounds of SHA-256; the first result is abcd, the second efgh. */
function sha256Rounds(t: Translator, abcd: number, efgh: number, w: number, d: number, first: boolean): void {
  const x = split32(t, abcd);
  const y = split32(t, efgh);
  const words = split32(t, w);
  const total = t.temp(T.i32);
  for (let round = 0; round < 4; round++) {
    t.get(y[3]!);
    rotations(t, y[0]!, [6, 11, 25]);
    t.op(W.i32_add);
    choose(t, y[0]!, y[1]!, y[2]!);
    t.op(W.i32_add);
    t.get(words[round]!);
    t.op(W.i32_add);
    t.tee(total);
    t.get(x[3]!);
    t.op(W.i32_add);
    t.set(x[3]!);
    t.get(total);
    rotations(t, x[0]!, [2, 13, 22]);
    t.op(W.i32_add);
    majority(t, x[0]!, x[1]!, x[2]!);
    t.op(W.i32_add);
    t.set(y[3]!);
    const e = x.pop()!;
    x.unshift(y.pop()!);
    y.unshift(e);
  }
  join32(t, d, first ? x : y);
}

/** Pushes a σ function of each element of a v128 local: two rotations and a shift to the right. */
function sigma(t: Translator, x: Local, size: number, first: number, second: number, by: number): void {
  const bits = 8 << size;
  for (const [k, amount] of [first, second].entries()) {
    t.get(x);
    shift(t, SHR_U, size, amount);
    t.get(x);
    shift(t, SHL, size, bits - amount);
    t.vop(WV.or);
    if (k > 0) t.vop(WV.xor);
  }
  t.get(x);
  shift(t, SHR_U, size, by);
  t.vop(WV.xor);
}

function split64(t: Translator, n: number): [Local, Local] {
  return [0, 1].map((lane) => {
    t.v(n);
    t.vlane(WV.i64x2_extract_lane, lane);
    return t.popTemp(T.i64);
  }) as [Local, Local];
}

function join64(t: Translator, d: number, low: Local, high: Local): void {
  t.get(low);
  t.vop(WV.i64x2_splat);
  t.get(high);
  t.vlane(WV.i64x2_replace_lane, 1);
  t.setV(d);
}


export const simdCrypto: readonly Instruction[] = [
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
    mixColumns(t, popV(t));
    t.setV(i.Rd);
  }),
  simd('AESIMC', '01001110 00 10100 00111 10 Rn Rd', 'AESIMC <Vd>.16B, <Vn>.16B', { feature: 'FEAT_AES' }, (t, i) => {
    // InvMixColumns is MixColumns of b0 + 4·(b0 + b2).
    t.v(i.Rn);
    const x = popV(t);
    t.get(x);
    permuteBytes(t, x, columnRows(2));
    t.vop(WV.xor);
    const sum = popV(t);
    double(t, sum);
    t.set(sum);
    double(t, sum);
    t.get(x);
    t.vop(WV.xor);
    mixColumns(t, popV(t));
    t.setV(i.Rd);
  }),
  simd('PMULL, PMULL2', '0 Q 0 01110 11 1 Rm 1110 00 Rn Rd', 'PMULL{2} <Vd>.1Q, <Vn>.<1D|2D>, <Vm>.<1D|2D>', { feature: 'FEAT_PMULL' }, (t, i) =>
    callHelper(t, polynomialMultiply64, { d: i.Rd, n: i.Rn, m: i.Rm, extra: i.Q }, [i.Rn, i.Rm]),
  ),

  sha1Rounds('SHA1C', '000', choose),
  sha1Rounds('SHA1P', '001', (t, b, c, d) => {
    t.get(b);
    t.get(c);
    t.get(d);
    t.op(W.i32_xor, W.i32_xor);
  }),
  sha1Rounds('SHA1M', '010', majority),
  simd('SHA1SU0', '01011110 00 0 Rm 0 011 00 Rn Rd', 'SHA1SU0 <Vd>.4S, <Vn>.4S, <Vm>.4S', { feature: 'FEAT_SHA1' }, (t, i) => {
    t.v(i.Rd);
    t.v(i.Rn);
    shuffleElements(t, 3, [1, 2]);
    t.v(i.Rd);
    t.vop(WV.xor);
    t.v(i.Rm);
    t.vop(WV.xor);
    t.setV(i.Rd);
  }),
  simd('SHA1H', '01011110 00 10100 00000 10 Rn Rd', 'SHA1H <Sd>, <Sn>', { feature: 'FEAT_SHA1' }, (t, i) => {
    rotateLeft(t, split32(t, i.Rn, 1)[0]!, 30);
    t.setVLow(i.Rd, T.i32);
  }),
  simd('SHA1SU1', '01011110 00 10100 00001 10 Rn Rd', 'SHA1SU1 <Vd>.4S, <Vn>.4S', { feature: 'FEAT_SHA1' }, (t, i) => {
    t.v(i.Rd);
    t.v(i.Rn);
    t.vzero();
    shuffleElements(t, 2, [1, 2, 3, 4]);
    t.vop(WV.xor);
    const x = popV(t);
    const rotated = (): void => {
      t.get(x);
      shift(t, SHL, 2, 1);
      t.get(x);
      shift(t, SHR_U, 2, 31);
      t.vop(WV.or);
    };
    rotated();
    const result = popV(t);
    // The last element meets the first one, rotated once more.
    t.get(result);
    t.vzero();
    t.get(result);
    t.vlane(WV.i32x4_extract_lane, 0);
    t.i32(1);
    t.op(W.i32_rotl);
    t.vlane(WV.i32x4_replace_lane, 3);
    t.vop(WV.xor);
    t.setV(i.Rd);
  }),
  simd('SHA256H', '01011110 00 0 Rm 0 100 00 Rn Rd', 'SHA256H <Qd>, <Qn>, <Vm>.4S', { feature: 'FEAT_SHA256' }, (t, i) => sha256Rounds(t, i.Rd, i.Rn, i.Rm, i.Rd, true)),
  simd('SHA256H2', '01011110 00 0 Rm 0 101 00 Rn Rd', 'SHA256H2 <Qd>, <Qn>, <Vm>.4S', { feature: 'FEAT_SHA256' }, (t, i) => sha256Rounds(t, i.Rn, i.Rd, i.Rm, i.Rd, false)),
  simd('SHA256SU0', '01011110 00 10100 00010 10 Rn Rd', 'SHA256SU0 <Vd>.4S, <Vn>.4S', { feature: 'FEAT_SHA256' }, (t, i) => {
    t.v(i.Rd);
    t.v(i.Rn);
    shuffleElements(t, 2, [1, 2, 3, 4]);
    sigma(t, popV(t), 2, 7, 18, 3);
    t.v(i.Rd);
    t.vop(WV.i32x4_add);
    t.setV(i.Rd);
  }),
  simd('SHA256SU1', '01011110 00 0 Rm 0 110 00 Rn Rd', 'SHA256SU1 <Vd>.4S, <Vn>.4S, <Vm>.4S', { feature: 'FEAT_SHA256' }, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    shuffleElements(t, 2, [1, 2, 3, 4]);
    t.v(i.Rd);
    t.vop(WV.i32x4_add);
    const sum = popV(t);
    // The two lower elements first; the upper ones are made from them.
    t.v(i.Rm);
    t.vzero();
    shuffleElements(t, 3, [1, 2]);
    sigma(t, popV(t), 2, 17, 19, 10);
    t.get(sum);
    t.vop(WV.i32x4_add);
    const lower = popV(t);
    t.vzero();
    t.get(lower);
    shuffleElements(t, 3, [0, 2]);
    sigma(t, popV(t), 2, 17, 19, 10);
    t.get(lower);
    t.vop(WV.i32x4_add);
    t.setV(i.Rd);
  }),

  simd('SHA512H', '11001110 011 Rm 1 0 00 00 Rn Rd', 'SHA512H <Qd>, <Qn>, <Vm>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    const [x0, x1] = split64(t, i.Rn);
    const [y0, y1] = split64(t, i.Rm);
    const [w0, w1] = split64(t, i.Rd);
    const SIGMA1 = [14, 18, 41];
    choose(t, y1, x0, x1, true);
    rotations(t, y1, SIGMA1, true);
    t.op(W.i64_add);
    t.get(w1);
    t.op(W.i64_add);
    t.tee(w1);
    t.get(y0);
    t.op(W.i64_add);
    const next = t.popTemp(T.i64);
    choose(t, next, y1, x0, true);
    rotations(t, next, SIGMA1, true);
    t.op(W.i64_add);
    t.get(w0);
    t.op(W.i64_add);
    t.set(w0);
    join64(t, i.Rd, w0, w1);
  }),
  simd('SHA512H2', '11001110 011 Rm 1 0 00 01 Rn Rd', 'SHA512H2 <Qd>, <Qn>, <Vm>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    const [x0] = split64(t, i.Rn);
    const [y0, y1] = split64(t, i.Rm);
    const [w0, w1] = split64(t, i.Rd);
    const SIGMA0 = [28, 34, 39];
    majority(t, x0, y1, y0, true);
    rotations(t, y0, SIGMA0, true);
    t.op(W.i64_add);
    t.get(w1);
    t.op(W.i64_add);
    t.set(w1);
    majority(t, w1, y0, y1, true);
    rotations(t, w1, SIGMA0, true);
    t.op(W.i64_add);
    t.get(w0);
    t.op(W.i64_add);
    t.set(w0);
    join64(t, i.Rd, w0, w1);
  }),
  simd('SHA512SU0', '11001110 110 00000 100000 Rn Rd', 'SHA512SU0 <Vd>.2D, <Vn>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    t.v(i.Rd);
    t.v(i.Rn);
    shuffleElements(t, 3, [1, 2]);
    sigma(t, popV(t), 3, 1, 8, 7);
    t.v(i.Rd);
    t.vop(WV.i64x2_add);
    t.setV(i.Rd);
  }),
  simd('SHA512SU1', '11001110 011 Rm 1 0 00 10 Rn Rd', 'SHA512SU1 <Vd>.2D, <Vn>.2D, <Vm>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    t.v(i.Rn);
    sigma(t, popV(t), 3, 19, 61, 6);
    t.v(i.Rd);
    t.vop(WV.i64x2_add);
    t.v(i.Rm);
    t.vop(WV.i64x2_add);
    t.setV(i.Rd);
  }),

  simd('EOR3', '11001110 000 Rm 0 Ra Rn Rd', 'EOR3 <Vd>.16B, <Vn>.16B, <Vm>.16B, <Va>.16B', { feature: 'FEAT_SHA3' }, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    t.vop(WV.xor);
    t.v(i.Ra);
    t.vop(WV.xor);
    t.setV(i.Rd);
  }),
  simd('BCAX', '11001110 001 Rm 0 Ra Rn Rd', 'BCAX <Vd>.16B, <Vn>.16B, <Vm>.16B, <Va>.16B', { feature: 'FEAT_SHA3' }, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    t.v(i.Ra);
    t.vop(WV.andnot);
    t.vop(WV.xor);
    t.setV(i.Rd);
  }),
  simd('RAX1', '11001110 011 Rm 1 0 00 11 Rn Rd', 'RAX1 <Vd>.2D, <Vn>.2D, <Vm>.2D', { feature: 'FEAT_SHA3' }, (t, i) => {
    t.v(i.Rm);
    shift(t, SHL, 3, 1);
    t.v(i.Rm);
    shift(t, SHR_U, 3, 63);
    t.vop(WV.or);
    t.v(i.Rn);
    t.vop(WV.xor);
    t.setV(i.Rd);
  }),
  simd('XAR', '11001110 100 Rm imm6 Rn Rd', 'XAR <Vd>.2D, <Vn>.2D, <Vm>.2D, #<imm6>', { feature: 'FEAT_SHA3' }, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    t.vop(WV.xor);
    if (i.imm6 !== 0) {
      const x = popV(t);
      t.get(x);
      shift(t, SHR_U, 3, i.imm6);
      t.get(x);
      shift(t, SHL, 3, 64 - i.imm6);
      t.vop(WV.or);
    }
    t.setV(i.Rd);
  }),
];
