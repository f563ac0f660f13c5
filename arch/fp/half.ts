import { toOdd } from './host.ts';
import { env, IXC, UFC } from './softfloat.ts';

/** Half precision in the host's doubles under the default FPCR. Where a function returns -1 the exact software decides. */

const SHIFT = 2 ** 52;
const doubles = new Float64Array(1);
const words = new Int32Array(doubles.buffer);

/** 2^(10 - e) for the exponents e of normal halves, -14 to 15. */
const SCALES = Float64Array.from({ length: 30 }, (_, k) => 2 ** (24 - k));

/** The values of all halves, made when the first is asked for. */
let values: Float64Array | undefined;

function makeValues(): Float64Array {
  return Float64Array.from({ length: 65536 }, (_, bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 0x3ff;
    let magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    if (exponent === 31) magnitude = fraction !== 0 ? NaN : Infinity;
    return bits >= 0x8000 ? -magnitude : magnitude;
  });
}

export function halfValue(bits: number): number {
  return (values ??= makeValues())[bits]!;
}

/** Rounds a double to the nearest half; raises Inexact and Underflow. `inexact`: it stands for something near it. */
export function roundToHalf(x: number, inexact = false): number {
  const magnitude = Math.abs(x);
  if (!(magnitude < 65520)) return -1;
  doubles[0] = x;
  const sign = (words[1]! >>> 16) & 0x8000;
  if (magnitude >= 2 ** -14) {
    const e = (((words[1]! >>> 20) & 0x7ff) - 1023 + 14) | 0;
    const y = magnitude * SCALES[e]!;
    const r = y + SHIFT - SHIFT;
    if (r !== y || inexact) env.flags |= IXC;
    // A carry out of the fraction moves into the exponent.
    return sign | (((e + 1) << 10) + (r - 1024));
  }
  const y = magnitude * 2 ** 24;
  const r = y + SHIFT - SHIFT;
  if (r !== y || inexact) env.flags |= IXC | UFC;
  return sign | r;
}

export type HalfBinary = (a: number, b: number) => number;

/** Sums and products of halves are exact in doubles. */
export const add: HalfBinary = (a, b) => roundToHalf(a + b);
export const subtract: HalfBinary = (a, b) => roundToHalf(a - b);
export const multiply: HalfBinary = (a, b) => roundToHalf(a * b);
export const negatedMultiply: HalfBinary = (a, b) => roundToHalf(-(a * b));

/** A quotient that is inexact in a double is no midpoint of halves, and no half: its product gives the difference away. */
export const divide: HalfBinary = (a, b) => {
  if (b === 0) return -1;
  const q = a / b;
  return Math.abs(q) < 65520 && a - a === 0 && b - b === 0 ? roundToHalf(q, q * b !== a) : -1;
};

export function squareRoot(a: number): number {
  const q = Math.sqrt(a);
  return roundToHalf(q, q * q !== a);
}

/** The greater number; equal zeros and NaNs are left to the exact software. */
export const maximum: HalfBinary = (a, b) => (a > b ? roundToHalf(a) : b > a ? roundToHalf(b) : -1);
export const minimum: HalfBinary = (a, b) => (a < b ? roundToHalf(a) : b < a ? roundToHalf(b) : -1);

/** c + a × b: the sum rounded to odd in a double can be rounded again. */
export function multiplyAdd(c: number, a: number, b: number): number {
  const p = a * b;
  const s = p + c;
  const t = s - p;
  const error = p - (s - t) + (c - t);
  if (error !== error) return -1;
  return roundToHalf(s === 0 ? s : toOdd(s, error), error !== 0);
}
