import { F } from '../core/frame.ts';
import { begin, element, end, register, setElement } from './operations.ts';
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

/** Elements of Vn as integers of the same size to Vd. */
export function fpToInteger(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const size = (argument >> 20) & 3;
  const lanes = 1 << ((argument >> 22) & 7);
  const extra = argument >>> 25;
  const f = FORMATS[size]!;
  const d = register(frame, argument);
  const n = register(frame, argument >> 5);
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    setElement(i32, u8, d + at, size, soft.toFixed(element(i32, u8, n + at, size), f, fractionBits(argument), f.bits, (extra & UNSIGNED) !== 0, extra & 7));
  }
  end(i32, frame, argument & 31, lanes << size);
  return 0;
}

/** Integer elements of Vn as numbers of the same size to Vd. */
export function integerToFp(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const size = (argument >> 20) & 3;
  const lanes = 1 << ((argument >> 22) & 7);
  const f = FORMATS[size]!;
  const d = register(frame, argument);
  const n = register(frame, argument >> 5);
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    setElement(i32, u8, d + at, size, soft.fromFixed(element(i32, u8, n + at, size), f.bits, fractionBits(argument), ((argument >>> 25) & UNSIGNED) !== 0, f));
  }
  end(i32, frame, argument & 31, lanes << size);
  return 0;
}

/** The scalar in Vn as an integer of 32 (zero-extended) or 64 bits in F.ARG0. */
export function fpToGeneral(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const size = (argument >> 20) & 3;
  const extra = argument >>> 25;
  const bits = (extra & WORD64) !== 0 ? 64 : 32;
  const x = element(i32, u8, register(frame, argument >> 5), size);
  const value = soft.toFixed(x, FORMATS[size]!, fractionBits(argument), bits, (extra & UNSIGNED) !== 0, extra & 7);
  setElement(i32, u8, frame + F.ARG0, 3, value);
  i32[(frame + F.FPSR) >>> 2]! |= env.flags;
  return 0;
}

/** The integer in F.ARG0 as a scalar to Vd. */
export function generalToFp(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const size = (argument >> 20) & 3;
  const extra = argument >>> 25;
  const x = element(i32, u8, frame + F.ARG0, 3);
  setElement(i32, u8, register(frame, argument), size, soft.fromFixed(x, (extra & WORD64) !== 0 ? 64 : 32, fractionBits(argument), (extra & UNSIGNED) !== 0, FORMATS[size]!));
  end(i32, frame, argument & 31, 1 << size);
  return 0;
}

/** FJCVTZS: the result in F.ARG0; returns whether the conversion was exact. */
export function fpToJavaScript(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const { value, exact } = soft.toJavaScriptInt32(element(i32, u8, register(frame, argument >> 5), 3));
  i32[(frame + F.ARG0) >>> 2] = value;
  i32[(frame + F.ARG0 + 4) >>> 2] = 0;
  i32[(frame + F.FPSR) >>> 2]! |= env.flags;
  return exact ? 1 : 0;
}

/** FCVT: a scalar of `size` to one of the size in `extra`. */
export function fpConvert(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const from = (argument >> 20) & 3;
  const to = (argument >>> 25) & 3;
  const x = element(i32, u8, register(frame, argument >> 5), from);
  setElement(i32, u8, register(frame, argument), to, soft.convert(x, FORMATS[from]!, FORMATS[to]!));
  end(i32, frame, argument & 31, 1 << to);
  return 0;
}

/** FCVTL: elements of `size` of one half of Vn (`extra`) to elements of twice the size. */
export function fpConvertLong(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const size = (argument >> 20) & 3;
  const n = register(frame, argument >> 5) + 8 * (argument >>> 25);
  const values: bigint[] = [];
  for (let e = 0; e < 8 >> size; e++) values.push(soft.convert(element(i32, u8, n + (e << size), size), FORMATS[size]!, FORMATS[size + 1]!));
  values.forEach((value, e) => setElement(i32, u8, register(frame, argument) + (e << (size + 1)), size + 1, value));
  end(i32, frame, argument & 31, 16);
  return 0;
}

/** `extra` of narrowing conversions: the upper half of Vd, rounding to odd, to BFloat16, one element only. */
export const UPPER = 1;
export const TO_ODD = 2;
export const TO_BFLOAT = 4;
export const SCALAR = 8;

/** FCVTN, FCVTXN and BFCVTN: elements of twice `size` to `size`, into one half of Vd. */
export function fpConvertNarrow(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  begin(i32, frame);
  const size = (argument >> 20) & 3;
  const extra = argument >>> 25;
  const n = register(frame, argument >> 5);
  const d = register(frame, argument);
  const count = (extra & SCALAR) !== 0 ? 1 : 8 >> size;
  const values: bigint[] = [];
  for (let e = 0; e < count; e++) {
    const x = element(i32, u8, n + (e << (size + 1)), size + 1);
    if ((extra & TO_BFLOAT) !== 0) values.push(soft.convert(x, SINGLE, BFLOAT));
    else values.push(soft.convert(x, FORMATS[size + 1]!, FORMATS[size]!, (extra & TO_ODD) !== 0 ? soft.RO : soft.roundingMode()));
  }
  const base = (extra & UPPER) !== 0 ? d + 8 : d;
  values.forEach((value, e) => setElement(i32, u8, base + (e << size), size, value));
  end(i32, frame, argument & 31, (extra & UPPER) !== 0 ? 16 : count << size);
  return 0;
}
