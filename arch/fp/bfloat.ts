import { begin, BY_ELEMENT, element, end, register, setElement } from './operations.ts';
import * as soft from './softfloat.ts';
import { DN, env, FZ, SINGLE } from './softfloat.ts';

/** The helpers of BFloat16 products (FEAT_BF16, without FEAT_EBF16). */

export { BY_ELEMENT };

/** A BFloat16 is the upper half of a single. */
function value(i32: Int32Array, u8: Uint8Array, at: number): bigint {
  return element(i32, u8, at, 1) << 16n;
}

/**
 * BFDotAdd: addend + (a × b + c × d), every operation rounded to odd, subnormals flushed, NaNs the default one, no
 * exceptions.
 */
function dotAdd(addend: bigint, a: bigint, b: bigint, c: bigint, d: bigint): bigint {
  return addOdd(addend, addOdd(multiplyOdd(a, b), multiplyOdd(c, d)));
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

/** Runs `body` with flushing and default NaNs, and drops the exceptions. */
function standard(i32: Int32Array, frame: number, argument: number, bytes: number, body: () => void): number {
  begin(i32, frame);
  env.fpcr = FZ | DN;
  body();
  env.flags = 0;
  end(i32, frame, argument & 31, bytes);
  return 0;
}

/** BFDOT; `extra` as in the multiply-adds: BY_ELEMENT and the index of a pair. */
export function dot(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const lanes = 1 << ((argument >> 22) & 7);
  const extra = argument >>> 25;
  return standard(i32, frame, argument, lanes << 2, () => {
    const d = register(frame, argument);
    const results: bigint[] = [];
    for (let e = 0; e < lanes; e++) {
      const n = register(frame, argument >> 5) + 4 * e;
      const m = register(frame, argument >> 10) + 4 * ((extra & BY_ELEMENT) !== 0 ? extra & 7 : e);
      results.push(
        dotAdd(
          element(i32, u8, d + 4 * e, 2),
          value(i32, u8, n),
          value(i32, u8, m),
          value(i32, u8, n + 2),
          value(i32, u8, m + 2),
        ),
      );
    }
    results.forEach((r, e) => setElement(i32, u8, d + 4 * e, 2, r));
  });
}

/** BFMMLA */
export function matrixMultiply(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  return standard(i32, frame, argument, 16, () => {
    const d = register(frame, argument);
    const results: bigint[] = [];
    for (let e = 0; e < 4; e++) {
      const n = register(frame, argument >> 5) + 8 * (e >> 1);
      const m = register(frame, argument >> 10) + 8 * (e & 1);
      let sum = element(i32, u8, d + 4 * e, 2);
      for (const k of [0, 4])
        sum = dotAdd(
          sum,
          value(i32, u8, n + k),
          value(i32, u8, m + k),
          value(i32, u8, n + k + 2),
          value(i32, u8, m + k + 2),
        );
      results.push(sum);
    }
    results.forEach((r, e) => setElement(i32, u8, d + 4 * e, 2, r));
  });
}

/** BFMLALB and BFMLALT (bit 4 of `extra`): singles under FPCR as it is. */
export function multiplyAddLong(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const extra = argument >>> 25;
  const odd = (extra >> 4) & 1;
  const d = register(frame, argument);
  const results: bigint[] = [];
  for (let e = 0; e < 4; e++) {
    const x = value(i32, u8, register(frame, argument >> 5) + 4 * e + 2 * odd);
    const y = value(
      i32,
      u8,
      register(frame, argument >> 10) + ((extra & BY_ELEMENT) !== 0 ? 2 * (extra & 7) : 4 * e + 2 * odd),
    );
    results.push(soft.multiplyAdd(element(i32, u8, d + 4 * e, 2), x, y, SINGLE));
  }
  results.forEach((r, e) => setElement(i32, u8, d + 4 * e, 2, r));
  end(i32, frame, argument & 31, 16);
  return 0;
}
