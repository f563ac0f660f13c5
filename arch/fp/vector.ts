import { F } from '../core/frame.ts';
import { element, setElement, unpackOperands } from './operands.ts';

/** Vector operations on integers that WebAssembly has no short form for. Registers are read and written in the frame. */

const QC = 1 << 27;

function lane(i32: Int32Array, u8: Uint8Array, at: number, size: number, unsigned: boolean): number {
  if (size === 2) {
    const w = i32[at >>> 2]!;
    return unsigned ? w >>> 0 : w;
  }
  if (size === 1) {
    const h = u8[at]! | (u8[at + 1]! << 8);
    return unsigned ? h : (h << 16) >> 16;
  }
  return unsigned ? u8[at]! : (u8[at]! << 24) >> 24;
}

function setLane(i32: Int32Array, u8: Uint8Array, at: number, size: number, value: number): void {
  if (size === 2) i32[at >>> 2] = value;
  else {
    u8[at] = value;
    if (size === 1) u8[at + 1] = value >> 8;
  }
}

function lane64(i32: Int32Array, u8: Uint8Array, at: number, unsigned: boolean): bigint {
  const value = element(i32, u8, at, 3);
  return unsigned ? value : BigInt.asIntN(64, value);
}

/** Clears the register at `d` above `bytes`. */
function finish(u8: Uint8Array, d: number, bytes: number): void {
  u8.fill(0, d + bytes, d + 16);
}

/** The largest and smallest integers of `bits` bits. */
function bounds(bits: number, unsigned: boolean): [number, number] {
  return unsigned ? [2 ** bits - 1, 0] : [2 ** (bits - 1) - 1, -(2 ** (bits - 1))];
}

const UNSIGNED_64 = [(1n << 64n) - 1n, 0n] as const;
const SIGNED_64 = [(1n << 63n) - 1n, -(1n << 63n)] as const;

/** (US)(Q)(R)SHL by register: `extra` is 1 unsigned, 2 rounding, 4 saturating. */
export function variableShift(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, size, lanes, extra } = unpackOperands(frame, argument);
  const unsigned = (extra & 1) !== 0;
  const rounding = (extra & 2) !== 0;
  const saturating = (extra & 4) !== 0;
  const bits = 8 << size;
  let qc = false;
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    const by = (u8[m + at]! << 24) >> 24;
    if (size === 3) {
      const x = lane64(i32, u8, n + at, unsigned);
      let r: bigint;
      if (by >= 0) r = x << BigInt(by);
      else if (rounding) r = (x + (1n << BigInt(-by - 1))) >> BigInt(-by);
      else r = x >> BigInt(-by);
      if (saturating) {
        const [max, min] = unsigned ? UNSIGNED_64 : SIGNED_64;
        if (r > max) {
          r = max;
          qc = true;
        } else if (r < min) {
          r = min;
          qc = true;
        }
      }
      setElement(i32, u8, d + at, 3, r);
      continue;
    }
    const x = lane(i32, u8, n + at, size, unsigned);
    let r: number;
    // Powers of two scale exactly; a rounded value too small for the addition of one half is below one half.
    if (by < 0) r = Math.floor(x * 2 ** by + (rounding ? 0.5 : 0));
    else if (!saturating) r = by >= bits ? 0 : x << by;
    else {
      r = x * 2 ** by;
      const [max, min] = bounds(bits, unsigned);
      if (r > max) {
        r = max;
        qc = true;
      } else if (r < min) {
        r = min;
        qc = true;
      }
    }
    setLane(i32, u8, d + at, size, r | 0);
  }
  finish(u8, d, lanes << size);
  if (qc) i32[(frame + F.FPSR) >>> 2]! |= QC;
  return 0;
}

/** PMUL: products of polynomials over {0,1}, modulo 2^8. */
export function polynomialMultiply(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, lanes: bytes } = unpackOperands(frame, argument);
  for (let e = 0; e < bytes; e++) {
    let r = 0;
    const y = u8[m + e]!;
    for (let b = 0; b < 8; b++) if ((y >> b) & 1) r ^= u8[n + e]! << b;
    u8[d + e] = r;
  }
  finish(u8, d, bytes);
  return 0;
}

/** SUQADD (`extra` 0) and USQADD (1): Vd plus Vn of the other signedness, saturated as Vd's. */
export function mixedSignAdd(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, size, lanes, extra } = unpackOperands(frame, argument);
  const unsigned = (extra & 1) !== 0;
  const bits = 8 << size;
  let qc = false;
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    if (size === 3) {
      let r = lane64(i32, u8, d + at, unsigned) + lane64(i32, u8, n + at, !unsigned);
      const [max, min] = unsigned ? UNSIGNED_64 : SIGNED_64;
      if (r > max || r < min) {
        r = r > max ? max : min;
        qc = true;
      }
      setElement(i32, u8, d + at, 3, r);
    } else {
      let r = lane(i32, u8, d + at, size, unsigned) + lane(i32, u8, n + at, size, !unsigned);
      const [max, min] = bounds(bits, unsigned);
      if (r > max || r < min) {
        r = r > max ? max : min;
        qc = true;
      }
      setLane(i32, u8, d + at, size, r | 0);
    }
  }
  finish(u8, d, lanes << size);
  if (qc) i32[(frame + F.FPSR) >>> 2]! |= QC;
  return 0;
}

/** PMULL on bytes; `extra`: the half of the operands. */
export function polynomialMultiplyLong(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, extra } = unpackOperands(frame, argument);
  const half = 8 * extra;
  const products: number[] = [];
  for (let e = 0; e < 8; e++) {
    let r = 0;
    for (let b = 0; b < 8; b++) if ((u8[m + half + e]! >> b) & 1) r ^= u8[n + half + e]! << b;
    products.push(r);
  }
  for (let e = 0; e < 8; e++) setLane(i32, u8, d + 2 * e, 1, products[e]!);
  return 0;
}

/** PMULL on doublewords; `extra`: the half of the operands. */
export function polynomialMultiply64(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, extra } = unpackOperands(frame, argument);
  const x = element(i32, u8, n + 8 * extra, 3);
  const y = element(i32, u8, m + 8 * extra, 3);
  let r = 0n;
  for (let b = 0n; b < 64n; b++) if ((y >> b) & 1n) r ^= x << b;
  setElement(i32, u8, d, 3, r);
  setElement(i32, u8, d + 8, 3, r >> 64n);
  return 0;
}
