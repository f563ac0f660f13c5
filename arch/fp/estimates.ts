import { last } from './host.ts';
import {
  defaultNaN,
  DZC,
  env,
  FZ,
  FZ16,
  HALF,
  infinity,
  IOC,
  isNaN,
  IXC,
  OFC,
  processNaNs,
  RM,
  RN,
  roundingMode,
  RP,
  UFC,
  unpack,
  zero,
  type Format,
} from './softfloat.ts';

/** Reciprocal, reciprocal square root and reciprocal exponent estimates (DDI 0487, RecipEstimate and RecipSqrtEstimate). */

/** The estimate of 1/a: `a` and the result are of 9 bits, 256–511 standing for [0.5, 1.0) and [1.0, 2.0). */
function recipEstimate(a: number): number {
  const b = Math.floor((1 << 19) / (2 * a + 1));
  return (b + 1) >> 1;
}

/** The estimates of 1/sqrt(a), `a` 128–511 standing for [0.25, 1.0). */
let roots: Uint16Array | undefined;

function recipSqrtEstimate(a: number): number {
  roots ??= Uint16Array.from({ length: 512 }, (_, n) => {
    const scaled = n < 256 ? 2 * n + 1 : 2 * (((n >> 1) << 1) + 1);
    let b = 512;
    if (n >= 128) while (scaled * (b + 1) * (b + 1) < 1 << 28) b++;
    return (b + 1) >> 1;
  });
  return roots[a]!;
}

const single = new Float32Array(1);
const bits = new Int32Array(single.buffer);

/** FRECPE of a single under the default FPCR, whose result is normal; NaN when the general way must be gone. */
export function hostReciprocal(a: number, size: number): number {
  if (size !== 2) return NaN;
  single[0] = a;
  const exponent = (bits[0]! >>> 23) & 255;
  if (exponent === 0 || exponent > 252) return NaN;
  const estimate = recipEstimate(256 | ((bits[0]! >>> 15) & 255));
  last.inexact = false;
  bits[0] = (bits[0]! & 0x80000000) | ((253 - exponent) << 23) | ((estimate & 255) << 15);
  return single[0]!;
}

/** FRSQRTE likewise, of a positive normal number. */
export function hostReciprocalRoot(a: number, size: number): number {
  if (size !== 2) return NaN;
  single[0] = a;
  const exponent = bits[0]! >>> 23;
  if (exponent === 0 || exponent > 254) return NaN;
  const scaled = (exponent & 1) === 0 ? 256 | ((bits[0]! >>> 15) & 255) : 128 | ((bits[0]! >>> 16) & 127);
  last.inexact = false;
  bits[0] = (((380 - exponent) >> 1) << 23) | ((recipSqrtEstimate(scaled) & 255) << 15);
  return single[0]!;
}

export function reciprocalEstimate(x: bigint, f: Format): bigint {
  const a = unpack(x, f);
  const nan = processNaNs(f, [x, a]);
  if (nan !== undefined) return nan;
  if (x === infinity(f, a.sign)) return zero(f, a.sign);
  if (a.m === 0n) {
    env.flags |= DZC;
    return infinity(f, a.sign);
  }
  const length = a.m.toString(2).length;
  const exponent = a.e + length - 1;
  // Below 2^-(bias + 1) the reciprocal overflows.
  if (exponent < -f.bias - 1) {
    env.flags |= OFC | IXC;
    const mode = roundingMode();
    const toInfinity = mode === RN || (mode === RP && a.sign === 0) || (mode === RM && a.sign !== 0);
    return toInfinity ? infinity(f, a.sign) : infinity(f, a.sign) - 1n;
  }
  if ((env.fpcr & (f === HALF ? FZ16 : FZ)) !== 0 && exponent >= f.bias - 1) {
    env.flags |= UFC;
    return zero(f, a.sign);
  }
  // Nine bits of the normalized fraction, its leading one included.
  const scaled = Number(length >= 9 ? a.m >> BigInt(length - 9) : a.m << BigInt(9 - length));
  const estimate = BigInt(recipEstimate(scaled));
  let biased = -exponent - 1 + f.bias;
  let fraction = (estimate & 0xffn) << BigInt(f.fraction - 8);
  if (biased === 0) fraction = (fraction >> 1n) | (1n << BigInt(f.fraction - 1));
  else if (biased === -1) {
    fraction = (fraction >> 2n) | (1n << BigInt(f.fraction - 2));
    biased = 0;
  }
  return zero(f, a.sign) | (BigInt(biased) << BigInt(f.fraction)) | fraction;
}

export function reciprocalRootEstimate(x: bigint, f: Format): bigint {
  const a = unpack(x, f);
  const nan = processNaNs(f, [x, a]);
  if (nan !== undefined) return nan;
  if (a.m === 0n && x !== infinity(f, a.sign)) {
    env.flags |= DZC;
    return infinity(f, a.sign);
  }
  if (a.sign !== 0) {
    env.flags |= IOC;
    return defaultNaN(f);
  }
  if (x === infinity(f, 0)) return zero(f, 0);
  const length = a.m.toString(2).length;
  const exponent = a.e + length - 1;
  // An even exponent's fraction has nine bits, an odd one's eight: the value stands in [0.25, 1.0).
  const keep = (exponent & 1) === 0 ? 8 : 9;
  const scaled = Number(length >= keep ? a.m >> BigInt(length - keep) : a.m << BigInt(keep - length));
  const estimate = BigInt(recipSqrtEstimate(scaled));
  const biased = Math.floor((-exponent - 1) / 2) + f.bias;
  return (BigInt(biased) << BigInt(f.fraction)) | ((estimate & 0xffn) << BigInt(f.fraction - 8));
}

/** FRECPX: the exponent's complement. */
export function reciprocalExponent(x: bigint, f: Format): bigint {
  const a = unpack(x, f);
  if (isNaN(a)) return processNaNs(f, [x, a])!;
  const exponent = Number(x >> BigInt(f.fraction)) & f.top;
  return zero(f, a.sign) | (BigInt(exponent === 0 ? f.top - 1 : exponent ^ f.top) << BigInt(f.fraction));
}

/** URECPE */
export function unsignedReciprocalEstimate(x: number): number {
  if (x >>> 31 === 0) return -1;
  return recipEstimate(x >>> 23) << 23;
}

/** URSQRTE */
export function unsignedReciprocalRootEstimate(x: number): number {
  if (x >>> 30 === 0) return -1;
  return recipSqrtEstimate(x >>> 23) << 23;
}
