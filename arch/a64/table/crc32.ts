import { T, W } from '../../wasm/opcodes.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { getLocal } from './operands.ts';

/**
 * CRC32 and CRC32C by Barrett reduction, so that no table in memory is needed: for a 32-bit word x = crc ^ data (bit 0
 * is the highest power), q = x · μ mod 2^32 and crc' = (q · P) >> 32, where the products are without carries, P is the
 * reflected polynomial with its 33rd bit and μ its inverse modulo 2^32. A carry-less product is sixteen ordinary ones
 * of operands whose bits stand four apart: at most eight bits of a class meet, so that sums stay within their gaps.
 */

const POLYNOMIAL = { ieee: 0xedb88320, castagnoli: 0x82f63b78 } as const;

const SPREAD = [0x1111111111111111n, 0x2222222222222222n, 0x4444444444444444n, 0x8888888888888888n] as const;

/** P·2 + 1: bit 0 is x^32, bit 32 is x^0. */
const modulus = (polynomial: number): bigint => (BigInt(polynomial) << 1n) | 1n;

/** The carry-less inverse of an odd polynomial modulo x^32. */
function inverse(p: bigint): bigint {
  let result = 0n;
  let product = 0n;
  for (let bit = 0n; bit < 32n; bit++) {
    const wanted = bit === 0n ? 1n : 0n;
    if (((product >> bit) & 1n) === wanted) continue;
    result |= 1n << bit;
    product ^= p << bit;
  }
  return result & 0xffffffffn;
}

/** Pushes the carry-less product (64 bits) of an i64 local of at most 32 bits with a constant of at most 33. */
function carrylessProduct(t: Translator, x: Local, factor: bigint): void {
  const parts = SPREAD.map((mask) => {
    t.get(x);
    t.i64(mask & 0xffffffffn);
    t.op(W.i64_and);
    return t.popTemp(T.i64);
  });
  SPREAD.forEach((mask, phase) => {
    parts.forEach((part, k) => {
      t.get(part);
      t.i64(factor & SPREAD[(phase - k) & 3]!);
      t.op(W.i64_mul);
      if (k !== 0) t.op(W.i64_xor);
    });
    t.i64(mask);
    t.op(W.i64_and);
    if (phase !== 0) t.op(W.i64_or);
  });
}

/** Pushes the new checksum (i32) of Wn and the low `bits` bits of Xm. */
export function crc32(t: Translator, castagnoli: boolean, bits: 8 | 16 | 32 | 64, Rn: number, Rm: number): void {
  const p = modulus(castagnoli ? POLYNOMIAL.castagnoli : POLYNOMIAL.ieee);
  const mu = inverse(p);
  t.x(Rm);
  const data = t.popTemp(T.i64);
  t.w(Rn);
  t.op(W.i64_extend_i32_u);
  const crc = t.popTemp(T.i64);
  const step = Math.min(bits, 32);
  for (let at = 0; at < bits; at += 32) {
    // The bits that are shifted out, at the top of a word.
    t.get(crc);
    t.get(data);
    if (at !== 0) {
      t.i64(at);
      t.op(W.i64_shr_u);
    }
    t.op(W.i64_xor);
    if (step < 32) {
      t.i64(32 - step);
      t.op(W.i64_shl);
    }
    t.i64(0xffffffff);
    t.op(W.i64_and);
    const x = t.popTemp(T.i64);
    carrylessProduct(t, x, mu);
    t.i64(0xffffffff);
    t.op(W.i64_and);
    const q = t.popTemp(T.i64);
    carrylessProduct(t, q, p);
    t.i64(32);
    t.op(W.i64_shr_u);
    if (step < 32) {
      t.get(crc);
      t.i64(step);
      t.op(W.i64_shr_u, W.i64_xor);
    }
    t.set(crc);
  }
  getLocal(t, 0, crc);
}
