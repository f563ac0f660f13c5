import { begin, element, end, setElement, type Unpacked } from './operands.ts';
import { BY_ELEMENT } from './operations.ts';
import * as soft from './softfloat.ts';
import { DN, env, FZ, SINGLE } from './softfloat.ts';

/** The helpers of BFloat16 products (FEAT_BF16, without FEAT_EBF16). */

/** A BFloat16 is the upper half of a single. */
function value(i32: Int32Array, u8: Uint8Array, at: number): bigint {
  return element(i32, u8, at, 1) << 16n;
}

/**
 * BFDotAdd on the pairs at `x` and `y`: addend + (a × b + c × d), every operation rounded to odd, subnormals flushed, NaNs
 * the default one, no exceptions.
 */
function pairAdd(i32: Int32Array, u8: Uint8Array, addend: bigint, x: number, y: number): bigint {
  const product = (at: number): bigint => multiplyOdd(value(i32, u8, x + at), value(i32, u8, y + at));
  return addOdd(addend, addOdd(product(0), product(2)));
}

/** BFRound: to odd, but what overflows becomes infinity. */
function finish(sign: number, m: bigint, e: number): bigint {
  env.flags = 0;
  const r = soft.round(sign, m, e, SINGLE, soft.RO);
  return (env.flags & soft.OFC) !== 0 ? soft.infinity(SINGLE, sign) : r;
}

function multiplyOdd(x: bigint, y: bigint): bigint {
  const a = soft.unpack(x, SINGLE);
  const b = soft.unpack(y, SINGLE);
  if (soft.isNaN(a) || soft.isNaN(b)) return soft.defaultNaN(SINGLE);
  const sign = a.sign ^ b.sign;
  const infinite = [x, y].some((v) => soft.absolute(v, SINGLE) === soft.infinity(SINGLE, 0));
  const none =
    (a.m === 0n && soft.absolute(x, SINGLE) !== soft.infinity(SINGLE, 0)) ||
    (b.m === 0n && soft.absolute(y, SINGLE) !== soft.infinity(SINGLE, 0));
  if (infinite) return none ? soft.defaultNaN(SINGLE) : soft.infinity(SINGLE, sign);
  if (none) return soft.zero(SINGLE, sign);
  return finish(sign, a.m * b.m, a.e + b.e);
}

function addOdd(x: bigint, y: bigint): bigint {
  const a = soft.unpack(x, SINGLE);
  const b = soft.unpack(y, SINGLE);
  if (soft.isNaN(a) || soft.isNaN(b)) return soft.defaultNaN(SINGLE);
  const isInfinite = (v: bigint): boolean => soft.absolute(v, SINGLE) === soft.infinity(SINGLE, 0);
  if (isInfinite(x) || isInfinite(y)) {
    if (isInfinite(x) && isInfinite(y) && a.sign !== b.sign) return soft.defaultNaN(SINGLE);
    return soft.infinity(SINGLE, isInfinite(x) ? a.sign : b.sign);
  }
  if (a.m === 0n && b.m === 0n) return soft.zero(SINGLE, a.sign & b.sign);
  const e = a.m === 0n ? b.e : b.m === 0n ? a.e : Math.min(a.e, b.e);
  const scaled = (u: soft.Unpacked): bigint => (u.m === 0n ? 0n : (u.sign !== 0 ? -u.m : u.m) << BigInt(u.e - e));
  const total = scaled(a) + scaled(b);
  if (total === 0n) return 0n;
  return total < 0n ? finish(1, -total, e) : finish(0, total, e);
}

type Compute = (operands: Unpacked) => bigint[];

/** Writes the singles that `compute` returns to Vd; it flushes, makes default NaNs and raises no exceptions. */
function standard(i32: Int32Array, u8: Uint8Array, frame: number, argument: number, compute: Compute): number {
  const operands = begin(i32, frame, argument);
  env.fpcr = FZ | DN;
  const results = compute(operands);
  env.flags = 0;
  setSingles(i32, u8, frame, operands.d, results);
  return 0;
}

/** The result of an instruction, made of all its operands before any of it is written. */
function setSingles(i32: Int32Array, u8: Uint8Array, frame: number, d: number, results: readonly bigint[]): void {
  results.forEach((r, e) => setElement(i32, u8, d + 4 * e, 2, r));
  end(i32, frame, d, results.length << 2);
}

/** BFDOT; `extra` as in the multiply-adds: BY_ELEMENT and the index of a pair. */
export function dot(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  return standard(i32, u8, frame, argument, ({ d, n, m, lanes, extra }) =>
    Array.from({ length: lanes }, (_, e) => {
      const x = n + 4 * e;
      const y = m + 4 * ((extra & BY_ELEMENT) !== 0 ? extra & 7 : e);
      return pairAdd(i32, u8, element(i32, u8, d + 4 * e, 2), x, y);
    }),
  );
}

/** BFMMLA */
export function matrixMultiply(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  return standard(i32, u8, frame, argument, ({ d, n, m }) =>
    [0, 1, 2, 3].map((e) => {
      const x = n + 8 * (e >> 1);
      const y = m + 8 * (e & 1);
      const sum = pairAdd(i32, u8, element(i32, u8, d + 4 * e, 2), x, y);
      return pairAdd(i32, u8, sum, x + 4, y + 4);
    }),
  );
}

/** BFMLALB and BFMLALT (bit 4 of `extra`): singles under FPCR as it is. */
export function multiplyAddLong(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, extra } = begin(i32, frame, argument);
  const odd = (extra >> 4) & 1;
  const results = [0, 1, 2, 3].map((e) => {
    const at = 4 * e + 2 * odd;
    const x = value(i32, u8, n + at);
    const y = value(i32, u8, m + ((extra & BY_ELEMENT) !== 0 ? 2 * (extra & 7) : at));
    return soft.multiplyAdd(element(i32, u8, d + 4 * e, 2), x, y, SINGLE);
  });
  setSingles(i32, u8, frame, d, results);
  return 0;
}
