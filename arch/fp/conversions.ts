import { F } from '../core/frame.ts';
import { halfValue, roundToHalf } from './half.ts';
import { accumulate, begin, element, end, halfBits, number, setElement, setHalfBits, setNumber } from './operands.ts';
import * as soft from './softfloat.ts';
import { BFLOAT, env, FORMATS, SINGLE } from './softfloat.ts';

/** The helpers of conversions between floating-point formats, and between them and integers. */

/**
 * `extra` of conversions to and from fixed point: a mode (RN … RA) in bits 2:0 for those to integers, UNSIGNED, and
 * for general registers whether the integer has 64 bits; the fraction bits stand in the operand `a`, with
 * FRACTION_32 or FRACTION_64 added.
 */
export const UNSIGNED = 8;
export const WORD64 = 16;
/** Fraction bits above 31. */
export const FRACTION_32 = 32;
export const FRACTION_64 = 64;

function fractionBits(argument: number): number {
  const extra = argument >>> 25;
  return ((argument >> 15) & 31) + (extra & FRACTION_32) + (extra & FRACTION_64);
}

/** Rounds a number to integral by a mode. */
function roundNumber(x: number, mode: number): number {
  switch (mode) {
    case soft.RN: {
      const r = Math.floor(x);
      const rest = x - r;
      return rest > 0.5 || (rest === 0.5 && r % 2 !== 0) ? r + 1 : r;
    }
    case soft.RP:
      return Math.ceil(x);
    case soft.RM:
      return Math.floor(x);
    case soft.RA: {
      const t = Math.trunc(x);
      return Math.abs(x - t) >= 0.5 ? t + Math.sign(x) : t;
    }
    default:
      return Math.trunc(x);
  }
}

/** One single as a 32-bit integer by the host; false when it is out of range or a NaN. */
function integerHost(
  i32: Int32Array,
  from: number,
  to: number,
  fraction: number,
  unsigned: boolean,
  mode: number,
): boolean {
  const x = number(i32, from, 2) * 2 ** fraction;
  const r = roundNumber(x, mode);
  if (!(unsigned ? r >= 0 && r < 2 ** 32 : r >= -(2 ** 31) && r < 2 ** 31)) return false;
  i32[to >>> 2] = r;
  if (r !== x) env.flags |= soft.IXC;
  return true;
}

/** One 32-bit integer as a single. */
function singleHost(i32: Int32Array, from: number, to: number, fraction: number, unsigned: boolean): void {
  const x = unsigned ? i32[from >>> 2]! >>> 0 : i32[from >>> 2]!;
  const r = Math.fround(x);
  if (r !== x) env.flags |= soft.IXC;
  setNumber(i32, to, 2, r * 2 ** -fraction);
}

/** Elements of Vn as integers of the same size to Vd. */
export function fpToInteger(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, size, lanes, extra } = begin(i32, frame, argument);
  const f = FORMATS[size]!;
  const fraction = fractionBits(argument);
  const unsigned = (extra & UNSIGNED) !== 0;
  const mode = extra & 7;
  const hosted = size === 2 && env.fpcr === 0;
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    if (hosted && integerHost(i32, n + at, d + at, fraction, unsigned, mode)) continue;
    const r = soft.toFixed(element(i32, u8, n + at, size), f, fraction, f.bits, unsigned, mode);
    setElement(i32, u8, d + at, size, r);
  }
  end(i32, frame, d, lanes << size);
  return 0;
}

/** Integer elements of Vn as numbers of the same size to Vd. */
export function integerToFp(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, size, lanes, extra } = begin(i32, frame, argument);
  const f = FORMATS[size]!;
  const fraction = fractionBits(argument);
  const unsigned = (extra & UNSIGNED) !== 0;
  const hosted = size === 2 && env.fpcr === 0;
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    if (hosted) singleHost(i32, n + at, d + at, fraction, unsigned);
    else {
      const r = soft.fromFixed(element(i32, u8, n + at, size), f.bits, fraction, unsigned, f);
      setElement(i32, u8, d + at, size, r);
    }
  }
  end(i32, frame, d, lanes << size);
  return 0;
}

/** The scalar in Vn as an integer of 32 (zero-extended) or 64 bits in F.ARG0. */
export function fpToGeneral(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { n, size, extra } = begin(i32, frame, argument);
  const bits = (extra & WORD64) !== 0 ? 64 : 32;
  const x = element(i32, u8, n, size);
  const value = soft.toFixed(x, FORMATS[size]!, fractionBits(argument), bits, (extra & UNSIGNED) !== 0, extra & 7);
  setElement(i32, u8, frame + F.ARG0, 3, value);
  accumulate(i32, frame);
  return 0;
}

/** The integer in F.ARG0 as a scalar to Vd. */
export function generalToFp(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, size, extra } = begin(i32, frame, argument);
  const bits = (extra & WORD64) !== 0 ? 64 : 32;
  const x = element(i32, u8, frame + F.ARG0, 3);
  const value = soft.fromFixed(x, bits, fractionBits(argument), (extra & UNSIGNED) !== 0, FORMATS[size]!);
  setElement(i32, u8, d, size, value);
  end(i32, frame, d, 1 << size);
  return 0;
}

/** FJCVTZS: the result in F.ARG0; returns whether the conversion was exact. */
export function fpToJavaScript(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { n } = begin(i32, frame, argument);
  const { value, exact } = soft.toJavaScriptInt32(element(i32, u8, n, 3));
  i32[(frame + F.ARG0) >>> 2] = value;
  i32[(frame + F.ARG0 + 4) >>> 2] = 0;
  accumulate(i32, frame);
  return exact ? 1 : 0;
}

/**
 * Converts one element by the host under the default FPCR: halves, whose values all are exact in wider formats and to
 * which doubles are rounded once. False when the exact software must.
 */
function convertHost(
  i32: Int32Array,
  u8: Uint8Array,
  source: number,
  from: number,
  target: number,
  to: number,
): boolean {
  if (from === 1) {
    const x = halfValue(halfBits(u8, source));
    if (x !== x) return false;
    setNumber(i32, target, to, x);
    return true;
  }
  if (to !== 1) return false;
  const r = roundToHalf(number(i32, source, from));
  if (r < 0) return false;
  setHalfBits(u8, target, r);
  return true;
}

/** FCVT: a scalar of `size` to one of the size in `extra`. */
export function fpConvert(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, size, extra } = begin(i32, frame, argument);
  const to = extra & 3;
  if (!(env.fpcr === 0 && convertHost(i32, u8, n, size, d, to)))
    setElement(i32, u8, d, to, soft.convert(element(i32, u8, n, size), FORMATS[size]!, FORMATS[to]!));
  end(i32, frame, d, 1 << to);
  return 0;
}

/** FCVTL: elements of `size` of one half of Vn (`extra`) to elements of twice the size. */
export function fpConvertLong(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n: register, size, extra } = begin(i32, frame, argument);
  const n = register + 8 * extra;
  if (size === 1 && env.fpcr === 0) {
    // Without a NaN: all are read before any is written, as the registers may be the same.
    const [a, b, c, e] = [0, 2, 4, 6].map((k) => halfValue(halfBits(u8, n + k))) as [number, number, number, number];
    if (a === a && b === b && c === c && e === e) {
      [a, b, c, e].forEach((x, k) => setNumber(i32, d + 4 * k, 2, x));
      end(i32, frame, d, 16);
      return 0;
    }
  }
  const values: bigint[] = [];
  for (let e = 0; e < 8 >> size; e++)
    values.push(soft.convert(element(i32, u8, n + (e << size), size), FORMATS[size]!, FORMATS[size + 1]!));
  values.forEach((value, e) => setElement(i32, u8, d + (e << (size + 1)), size + 1, value));
  end(i32, frame, d, 16);
  return 0;
}

/** `extra` of narrowing conversions: the upper half of Vd, rounding to odd, to BFloat16, one element only. */
export const UPPER = 1;
export const TO_ODD = 2;
export const TO_BFLOAT = 4;
export const SCALAR = 8;

/** FCVTN, FCVTXN and BFCVTN: elements of twice `size` to `size`, into one half of Vd. */
export function fpConvertNarrow(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, size, extra } = begin(i32, frame, argument);
  const count = (extra & SCALAR) !== 0 ? 1 : 8 >> size;
  const values: bigint[] = [];
  for (let e = 0; e < count; e++) {
    const at = n + (e << (size + 1));
    if (size === 1 && env.fpcr === 0 && (extra & TO_BFLOAT) === 0) {
      const r = roundToHalf(number(i32, at, 2));
      if (r >= 0) {
        values.push(BigInt(r));
        continue;
      }
    }
    const x = element(i32, u8, at, size + 1);
    if ((extra & TO_BFLOAT) !== 0) values.push(soft.convert(x, SINGLE, BFLOAT));
    else
      values.push(
        soft.convert(x, FORMATS[size + 1]!, FORMATS[size]!, (extra & TO_ODD) !== 0 ? soft.RO : soft.roundingMode()),
      );
  }
  const base = (extra & UPPER) !== 0 ? d + 8 : d;
  values.forEach((value, e) => setElement(i32, u8, base + (e << size), size, value));
  end(i32, frame, d, (extra & UPPER) !== 0 ? 16 : count << size);
  return 0;
}
