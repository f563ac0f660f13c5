import { T, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { shift, SHL, SHR_U, shuffleElements, simd } from './simd-lanes.ts';

/** SHA-1, SHA-256, SHA-512 and SHA-3. */

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

/** Pushes elements of `size` rotated: to the right with SHR_U, to the left with SHL. @param push pushes the v128, twice */
function rotateElements(t: Translator, direction: readonly number[], size: number, by: number, push: () => void): void {
  push();
  shift(t, direction, size, by);
  push();
  shift(t, direction === SHL ? SHR_U : SHL, size, (8 << size) - by);
  t.vop(WV.or);
}

/** Pushes a σ function of each element of a v128 local: two rotations and a shift to the right. */
function sigma(t: Translator, x: Local, size: number, first: number, second: number, by: number): void {
  rotateElements(t, SHR_U, size, first, () => t.get(x));
  rotateElements(t, SHR_U, size, second, () => t.get(x));
  t.vop(WV.xor);
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

/** The rotations of SHA-512's Σ functions. */
const SIGMA0 = [28, 34, 39];
const SIGMA1 = [14, 18, 41];

/** Adds to the i64 on the stack a Σ function of `x`, and `w`. */
function addSum512(t: Translator, x: Local, sigma: readonly number[], w: Local): void {
  rotations(t, x, sigma, true);
  t.op(W.i64_add);
  t.get(w);
  t.op(W.i64_add);
}

export const simdSha: readonly Instruction[] = [
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
    const x = t.popTemp(T.v128);
    rotateElements(t, SHL, 2, 1, () => t.get(x));
    const result = t.popTemp(T.v128);
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
    sigma(t, t.popTemp(T.v128), 2, 7, 18, 3);
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
    const sum = t.popTemp(T.v128);
    // The two lower elements first; the upper ones are made from them.
    t.v(i.Rm);
    t.vzero();
    shuffleElements(t, 3, [1, 2]);
    sigma(t, t.popTemp(T.v128), 2, 17, 19, 10);
    t.get(sum);
    t.vop(WV.i32x4_add);
    const lower = t.popTemp(T.v128);
    t.vzero();
    t.get(lower);
    shuffleElements(t, 3, [0, 2]);
    sigma(t, t.popTemp(T.v128), 2, 17, 19, 10);
    t.get(lower);
    t.vop(WV.i32x4_add);
    t.setV(i.Rd);
  }),

  simd('SHA512H', '11001110 011 Rm 1 0 00 00 Rn Rd', 'SHA512H <Qd>, <Qn>, <Vm>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    const [x0, x1] = split64(t, i.Rn);
    const [y0, y1] = split64(t, i.Rm);
    const [w0, w1] = split64(t, i.Rd);
    choose(t, y1, x0, x1, true);
    addSum512(t, y1, SIGMA1, w1);
    t.tee(w1);
    t.get(y0);
    t.op(W.i64_add);
    const next = t.popTemp(T.i64);
    choose(t, next, y1, x0, true);
    addSum512(t, next, SIGMA1, w0);
    t.set(w0);
    join64(t, i.Rd, w0, w1);
  }),
  simd('SHA512H2', '11001110 011 Rm 1 0 00 01 Rn Rd', 'SHA512H2 <Qd>, <Qn>, <Vm>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    const [x0] = split64(t, i.Rn);
    const [y0, y1] = split64(t, i.Rm);
    const [w0, w1] = split64(t, i.Rd);
    majority(t, x0, y1, y0, true);
    addSum512(t, y0, SIGMA0, w1);
    t.set(w1);
    majority(t, w1, y0, y1, true);
    addSum512(t, w1, SIGMA0, w0);
    t.set(w0);
    join64(t, i.Rd, w0, w1);
  }),
  simd('SHA512SU0', '11001110 110 00000 100000 Rn Rd', 'SHA512SU0 <Vd>.2D, <Vn>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    t.v(i.Rd);
    t.v(i.Rn);
    shuffleElements(t, 3, [1, 2]);
    sigma(t, t.popTemp(T.v128), 3, 1, 8, 7);
    t.v(i.Rd);
    t.vop(WV.i64x2_add);
    t.setV(i.Rd);
  }),
  simd('SHA512SU1', '11001110 011 Rm 1 0 00 10 Rn Rd', 'SHA512SU1 <Vd>.2D, <Vn>.2D, <Vm>.2D', { feature: 'FEAT_SHA512' }, (t, i) => {
    t.v(i.Rn);
    sigma(t, t.popTemp(T.v128), 3, 19, 61, 6);
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
    rotateElements(t, SHL, 3, 1, () => t.v(i.Rm));
    t.v(i.Rn);
    t.vop(WV.xor);
    t.setV(i.Rd);
  }),
  simd('XAR', '11001110 100 Rm imm6 Rn Rd', 'XAR <Vd>.2D, <Vn>.2D, <Vm>.2D, #<imm6>', { feature: 'FEAT_SHA3' }, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    t.vop(WV.xor);
    if (i.imm6 !== 0) {
      const x = t.popTemp(T.v128);
      rotateElements(t, SHR_U, 3, i.imm6, () => t.get(x));
    }
    t.setV(i.Rd);
  }),
];
