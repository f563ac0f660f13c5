import { F } from '../core/frame.ts';
import { env } from './softfloat.ts';

/** How helpers get their operands: packed into a number, as registers in the frame, by their elements. */

/** One operation's operands: register numbers, log2 of the element's bytes, log2 of the number of elements, a number of 7 bits. */
export interface Operands {
  d: number;
  n?: number;
  m?: number;
  a?: number;
  size?: number;
  lanes?: number;
  extra?: number;
}

/**
 * @param i32,u8 views of machine memory
 * @param frame the frame's byte offset
 * @param argument what packOperands made
 */
export type Helper = (i32: Int32Array, u8: Uint8Array, frame: number, argument: number) => number;

/** Operands as one i32: d, n, m, a in 5 bits each, size in 2, lanes in 3, extra in 7. */
export function packOperands(o: Operands): number {
  return (
    o.d |
    ((o.n ?? 0) << 5) |
    ((o.m ?? 0) << 10) |
    ((o.a ?? 0) << 15) |
    ((o.size ?? 0) << 20) |
    ((o.lanes ?? 0) << 22) |
    ((o.extra ?? 0) << 25)
  );
}

/** The same operands unpacked; registers as byte addresses in machine memory, `lanes` as their number. */
export interface Unpacked {
  readonly d: number;
  readonly n: number;
  readonly m: number;
  readonly a: number;
  readonly size: number;
  readonly lanes: number;
  readonly extra: number;
}

export function unpackOperands(frame: number, argument: number): Unpacked {
  const registers = frame + F.V;
  return {
    d: registers + 16 * (argument & 31),
    n: registers + 16 * ((argument >> 5) & 31),
    m: registers + 16 * ((argument >> 10) & 31),
    a: registers + 16 * ((argument >> 15) & 31),
    size: (argument >> 20) & 3,
    lanes: 1 << ((argument >> 22) & 7),
    extra: argument >>> 25,
  };
}

/** Starts a floating-point helper: FPCR is what the frame says, and no exception has been seen. */
export function begin(i32: Int32Array, frame: number, argument: number): Unpacked {
  env.fpcr = i32[(frame + F.FPCR) >>> 2]!;
  env.flags = 0;
  return unpackOperands(frame, argument);
}

/** Accumulates the exceptions. */
export function accumulate(i32: Int32Array, frame: number): void {
  i32[(frame + F.FPSR) >>> 2]! |= env.flags;
}

/** Accumulates the exceptions, and clears the register at `d` above `bytes`. */
export function end(i32: Int32Array, frame: number, d: number, bytes: number): void {
  accumulate(i32, frame);
  const at = d >>> 2;
  if (bytes >= 4) for (let w = bytes >> 2; w < 4; w++) i32[at + w] = 0;
  else {
    i32[at] = i32[at]! & 0xffff;
    i32[at + 1] = i32[at + 2] = i32[at + 3] = 0;
  }
}

const scratch = new DataView(new ArrayBuffer(8));

/** One element's bits. */
export function element(i32: Int32Array, u8: Uint8Array, at: number, size: number): bigint {
  if (size === 3) return (BigInt(i32[(at >>> 2) + 1]! >>> 0) << 32n) | BigInt(i32[at >>> 2]! >>> 0);
  if (size === 2) return BigInt(i32[at >>> 2]! >>> 0);
  return BigInt(u8[at]! | (u8[at + 1]! << 8));
}

export function setElement(i32: Int32Array, u8: Uint8Array, at: number, size: number, value: bigint): void {
  if (size === 3) {
    i32[at >>> 2] = Number(BigInt.asIntN(32, value));
    i32[(at >>> 2) + 1] = Number(BigInt.asIntN(32, value >> 32n));
  } else if (size === 2) i32[at >>> 2] = Number(BigInt.asIntN(32, value));
  else {
    const n = Number(value);
    u8[at] = n;
    u8[at + 1] = n >> 8;
  }
}

/** A half's bits. */
export function halfBits(u8: Uint8Array, at: number): number {
  return u8[at]! | (u8[at + 1]! << 8);
}

export function setHalfBits(u8: Uint8Array, at: number, bits: number): void {
  u8[at] = bits;
  u8[at + 1] = bits >> 8;
}

/** One element as a number; NaNs need not keep their bits. */
export function number(i32: Int32Array, at: number, size: number): number {
  scratch.setInt32(0, i32[at >>> 2]!, true);
  if (size === 2) return scratch.getFloat32(0, true);
  scratch.setInt32(4, i32[(at >>> 2) + 1]!, true);
  return scratch.getFloat64(0, true);
}

export function setNumber(i32: Int32Array, at: number, size: number, value: number): void {
  if (size === 2) {
    scratch.setFloat32(0, value, true);
    i32[at >>> 2] = scratch.getInt32(0, true);
  } else {
    scratch.setFloat64(0, value, true);
    i32[at >>> 2] = scratch.getInt32(0, true);
    i32[(at >>> 2) + 1] = scratch.getInt32(4, true);
  }
}
