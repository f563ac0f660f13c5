import * as estimates from './estimates.ts';
import * as half from './half.ts';
import * as host from './host.ts';
import {
  accumulate,
  begin,
  element,
  end,
  halfBits,
  number,
  setElement,
  setHalfBits,
  setNumber,
  type Helper,
} from './operands.ts';
import * as soft from './softfloat.ts';
import { env, FORMATS, IXC, type Format } from './softfloat.ts';

/**
 * The helpers of floating-point instructions: operations on the elements of registers in the frame, by operands packed
 * as operands.ts says. Under the default FPCR the host computes where its result is ordinary; whatever is not
 * goes through the exact software.
 */

/** Bits of `extra`: the second operand is one element, whose index is in bits 2:0; operands are neighbours of Vm:Vn. */
export const BY_ELEMENT = 8;
export const PAIRWISE = 16;
/** Negations of multiply-adds: of the first factor and of the addend. */
export const NEGATE_PRODUCT = 16;
export const NEGATE_ADDEND = 32;

type Binary = (x: bigint, y: bigint, f: Format) => bigint;
type HostBinary = (a: number, b: number, size: number) => number;

const results: bigint[] = [];

function binary(operation: Binary, fast?: HostBinary, fastHalf?: half.HalfBinary): Helper {
  return (i32, u8, frame, argument) => {
    const { d, n, m, size, lanes, extra } = begin(i32, frame, argument);
    const f = FORMATS[size]!;
    if ((extra & PAIRWISE) !== 0) {
      // Neighbours of the concatenation Vm:Vn; a scalar takes the first two of Vn.
      const count = lanes;
      for (let e = 0; e < count; e++) {
        const at = (k: number): number => (k < count || count === 1 ? n + (k << size) : m + ((k - count) << size));
        results[e] = operation(element(i32, u8, at(2 * e), size), element(i32, u8, at(2 * e + 1), size), f);
      }
      for (let e = 0; e < count; e++) setElement(i32, u8, d + (e << size), size, results[e]!);
      end(i32, frame, d, lanes << size);
      return 0;
    }
    const byElement = (extra & BY_ELEMENT) !== 0;
    const indexed = m + ((extra & 7) << size);
    const y0 = byElement ? element(i32, u8, indexed, size) : 0n;
    const hosted = fast !== undefined && size >= 2 && env.fpcr === 0;
    const b0 = hosted && byElement ? number(i32, indexed, size) : 0;
    const halves = fastHalf !== undefined && size === 1 && env.fpcr === 0;
    const h0 = halves && byElement ? half.halfValue(halfBits(u8, indexed)) : 0;
    for (let e = 0; e < lanes; e++) {
      const at = e << size;
      if (halves) {
        const r = fastHalf(half.halfValue(halfBits(u8, n + at)), byElement ? h0 : half.halfValue(halfBits(u8, m + at)));
        if (r >= 0) {
          setHalfBits(u8, d + at, r);
          continue;
        }
      }
      if (hosted) {
        const r = fast(number(i32, n + at, size), byElement ? b0 : number(i32, m + at, size), size);
        if (r === r) {
          if (host.last.inexact) env.flags |= IXC;
          setNumber(i32, d + at, size, r);
          continue;
        }
      }
      setElement(
        i32,
        u8,
        d + at,
        size,
        operation(element(i32, u8, n + at, size), byElement ? y0 : element(i32, u8, m + at, size), f),
      );
    }
    end(i32, frame, d, lanes << size);
    return 0;
  };
}

type Unary = (x: bigint, f: Format, extra: number) => bigint;

function unary(operation: Unary, fast?: (a: number, size: number) => number, fastHalf?: (a: number) => number): Helper {
  return (i32, u8, frame, argument) => {
    const { d, n, size, lanes, extra } = begin(i32, frame, argument);
    for (let e = 0; e < lanes; e++) {
      const at = e << size;
      if (fastHalf !== undefined && size === 1 && env.fpcr === 0) {
        const r = fastHalf(half.halfValue(halfBits(u8, n + at)));
        if (r >= 0) {
          setHalfBits(u8, d + at, r);
          continue;
        }
      }
      if (fast !== undefined && size >= 2 && env.fpcr === 0) {
        const r = fast(number(i32, n + at, size), size);
        if (r === r) {
          if (host.last.inexact) env.flags |= IXC;
          setNumber(i32, d + at, size, r);
          continue;
        }
      }
      setElement(i32, u8, d + at, size, operation(element(i32, u8, n + at, size), FORMATS[size]!, extra));
    }
    end(i32, frame, d, lanes << size);
    return 0;
  };
}

export const fpAdd = binary(soft.add, host.add, half.add);
export const fpSubtract = binary(soft.subtract, (a, b, size) => host.add(a, -b, size), half.subtract);
export const fpMultiply = binary(soft.multiply, host.multiply, half.multiply);
export const fpNegatedMultiply = binary(
  (x, y, f) => soft.negate(soft.multiply(x, y, f), f),
  (a, b, size) => -host.multiply(a, b, size),
  half.negatedMultiply,
);
export const fpDivide = binary(soft.divide, host.divide, half.divide);
export const fpMaximum = binary(soft.maximum, undefined, half.maximum);
export const fpMinimum = binary(soft.minimum, undefined, half.minimum);
export const fpMaximumNumber = binary(soft.maximumNumber, undefined, half.maximum);
export const fpMinimumNumber = binary(soft.minimumNumber, undefined, half.minimum);
export const fpMultiplyExtended = binary(soft.multiplyExtended);
export const fpReciprocalStep = binary(soft.reciprocalStep);
export const fpReciprocalRootStep = binary(soft.reciprocalRootStep);
export const fpAbsoluteDifference = binary(soft.absoluteDifference);

export const fpSquareRoot = unary(soft.squareRoot, host.squareRoot, half.squareRoot);
export const fpReciprocalEstimate = unary(estimates.reciprocalEstimate, estimates.hostReciprocal);
export const fpReciprocalRootEstimate = unary(estimates.reciprocalRootEstimate, estimates.hostReciprocalRoot);
export const fpReciprocalExponent = unary(estimates.reciprocalExponent);

/** `extra` of rounding to integral: a mode (7: FPCR's), then whether Inexact is raised. */
export const MODE_FPCR = 7;
export const EXACT = 8;
/** … and for FRINT32 and FRINT64 the width of the integer. */
export const SIZED_32 = 16;
export const SIZED_64 = 32;

function modeOf(extra: number): number {
  return (extra & 7) === MODE_FPCR ? soft.roundingMode() : extra & 7;
}

export const fpRoundToIntegral = unary((x, f, extra) =>
  (extra & (SIZED_32 | SIZED_64)) !== 0
    ? soft.roundToSized(x, f, modeOf(extra), (extra & SIZED_32) !== 0 ? 32 : 64)
    : soft.roundToIntegral(x, f, modeOf(extra), (extra & EXACT) !== 0),
);

/** Va + Vn × Vm; `extra`: BY_ELEMENT, NEGATE_PRODUCT, NEGATE_ADDEND. */
export function fpMultiplyAdd(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, a, size, lanes, extra } = begin(i32, frame, argument);
  const f = FORMATS[size]!;
  const byElement = (extra & BY_ELEMENT) !== 0;
  const indexed = m + ((extra & 7) << size);
  const y0 = byElement ? element(i32, u8, indexed, size) : 0n;
  const hosted = size >= 2 && env.fpcr === 0;
  const b0 = hosted && byElement ? number(i32, indexed, size) : 0;
  const halves = size === 1 && env.fpcr === 0;
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    if (halves) {
      const c = half.halfValue(halfBits(u8, a + at));
      const x = half.halfValue(halfBits(u8, n + at));
      const y = half.halfValue(byElement ? Number(y0) : halfBits(u8, m + at));
      const r = half.multiplyAdd((extra & NEGATE_ADDEND) !== 0 ? -c : c, (extra & NEGATE_PRODUCT) !== 0 ? -x : x, y);
      if (r >= 0) {
        setHalfBits(u8, d + at, r);
        continue;
      }
    }
    if (hosted) {
      const c = number(i32, a + at, size);
      const x = number(i32, n + at, size);
      const r = host.multiplyAdd(
        (extra & NEGATE_ADDEND) !== 0 ? -c : c,
        (extra & NEGATE_PRODUCT) !== 0 ? -x : x,
        byElement ? b0 : number(i32, m + at, size),
        size,
      );
      if (r === r) {
        if (host.last.inexact) env.flags |= IXC;
        setNumber(i32, d + at, size, r);
        continue;
      }
    }
    let addend = element(i32, u8, a + at, size);
    let x = element(i32, u8, n + at, size);
    if ((extra & NEGATE_ADDEND) !== 0) addend = soft.negate(addend, f);
    if ((extra & NEGATE_PRODUCT) !== 0) x = soft.negate(x, f);
    setElement(i32, u8, d + at, size, soft.multiplyAdd(addend, x, byElement ? y0 : element(i32, u8, m + at, size), f));
  }
  end(i32, frame, d, lanes << size);
  return 0;
}

/** Comparisons that make masks: `extra` is one of these, with ABSOLUTE and WITH_ZERO. */
export const COMPARE = { EQ: 0, GE: 1, GT: 2, LE: 3, LT: 4, ABSOLUTE: 8, WITH_ZERO: 16 } as const;

export function fpCompareMask(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, size, lanes, extra } = begin(i32, frame, argument);
  const f = FORMATS[size]!;
  for (let e = 0; e < lanes; e++) {
    const at = e << size;
    let x = element(i32, u8, n + at, size);
    let y = (extra & COMPARE.WITH_ZERO) !== 0 ? 0n : element(i32, u8, m + at, size);
    if ((extra & COMPARE.ABSOLUTE) !== 0) {
      x = soft.absolute(x, f);
      y = soft.absolute(y, f);
    }
    const kind = extra & 7;
    const c = soft.compare(x, y, f, kind !== COMPARE.EQ);
    const holds = c !== undefined && [c === 0, c >= 0, c > 0, c <= 0, c < 0][kind]!;
    setElement(i32, u8, d + at, size, holds ? BigInt.asUintN(f.bits, -1n) : 0n);
  }
  end(i32, frame, d, lanes << size);
  return 0;
}

/**
 * FCMP and FCMPE; `extra`: 1 signaling, 2 with zero. Returns two numbers whose difference has the flags of the
 * comparison: the first in bits 31 and 0, the second in bit 1.
 */
export function fpCompare(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { n, m, size, extra } = begin(i32, frame, argument);
  const x = element(i32, u8, n, size);
  const y = (extra & 2) !== 0 ? 0n : element(i32, u8, m, size);
  const c = soft.compare(x, y, FORMATS[size]!, (extra & 1) !== 0);
  accumulate(i32, frame);
  if (c === undefined) return -0x80000000 | 2;
  return c > 0 ? 1 : c < 0 ? 2 : 0;
}

/** FMAXV and the like: `extra` is 0 FMAX, 1 FMIN, 2 FMAXNM, 3 FMINNM; pairs of halves, as FPReduce does. */
export function fpReduce(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, size, lanes, extra } = begin(i32, frame, argument);
  const operation = [soft.maximum, soft.minimum, soft.maximumNumber, soft.minimumNumber][extra]!;
  let values: bigint[] = [];
  for (let e = 0; e < lanes; e++) values.push(element(i32, u8, n + (e << size), size));
  while (values.length > 1) {
    const next: bigint[] = [];
    for (let e = 0; e < values.length; e += 2) next.push(operation(values[e]!, values[e + 1]!, FORMATS[size]!));
    values = next;
  }
  setElement(i32, u8, d, size, values[0]!);
  end(i32, frame, d, 1 << size);
  return 0;
}

/** FCADD; `extra` 0 rotates the second operand by 90 degrees, 1 by 270. */
export function fpComplexAdd(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, size, lanes, extra } = begin(i32, frame, argument);
  const f = FORMATS[size]!;
  for (let e = 0; e < lanes; e += 2) {
    const real = e << size;
    const imaginary = (e + 1) << size;
    let x = element(i32, u8, m + imaginary, size);
    let y = element(i32, u8, m + real, size);
    if (extra === 0) x = soft.negate(x, f);
    else y = soft.negate(y, f);
    const r = soft.add(element(i32, u8, n + real, size), x, f);
    const i = soft.add(element(i32, u8, n + imaginary, size), y, f);
    setElement(i32, u8, d + real, size, r);
    setElement(i32, u8, d + imaginary, size, i);
  }
  end(i32, frame, d, lanes << size);
  return 0;
}

/** FCMLA to Vd; `extra`: rotation in quarters in bits 5:4, BY_ELEMENT with the index of a pair. */
export function fpComplexMultiplyAdd(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, size, lanes, extra } = begin(i32, frame, argument);
  const rotation = (extra >> 4) & 3;
  const f = FORMATS[size]!;
  const indexed = (extra & BY_ELEMENT) !== 0 ? (extra & 7) * 2 : -1;
  // A register that is read by element may be the destination.
  const factors: bigint[] = [];
  for (let e = 0; e < lanes; e++)
    factors.push(element(i32, u8, m + ((indexed < 0 ? e : indexed + (e & 1)) << size), size));
  for (let e = 0; e < lanes; e += 2) {
    const x = element(i32, u8, n + ((e + (rotation & 1)) << size), size);
    let r = factors[e + (rotation & 1)]!;
    let i = factors[e + 1 - (rotation & 1)]!;
    if (rotation === 1 || rotation === 2) r = soft.negate(r, f);
    if (rotation >= 2) i = soft.negate(i, f);
    const real = d + (e << size);
    const imaginary = d + ((e + 1) << size);
    setElement(i32, u8, real, size, soft.multiplyAdd(element(i32, u8, real, size), x, r, f));
    setElement(i32, u8, imaginary, size, soft.multiplyAdd(element(i32, u8, imaginary, size), x, i, f));
  }
  end(i32, frame, d, lanes << size);
  return 0;
}

/** `extra` of FMLAL and FMLSL: with NEGATE_PRODUCT and BY_ELEMENT, the upper halves of the operands. */
export const UPPER_HALF = 32;

/** Vd + Vn × Vm of halves in singles. */
export function fpMultiplyAddLong(i32: Int32Array, u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, m, lanes, extra } = begin(i32, frame, argument);
  const base = (extra & UPPER_HALF) !== 0 ? lanes : 0;
  const products: [bigint, bigint][] = [];
  for (let e = 0; e < lanes; e++) {
    let x = element(i32, u8, n + 2 * (base + e), 1);
    if ((extra & NEGATE_PRODUCT) !== 0) x = soft.negate(x, soft.HALF);
    products.push([x, element(i32, u8, m + 2 * ((extra & BY_ELEMENT) !== 0 ? extra & 7 : base + e), 1)]);
  }
  products.forEach(([x, y], e) =>
    setElement(i32, u8, d + 4 * e, 2, soft.multiplyAddLong(element(i32, u8, d + 4 * e, 2), x, y)),
  );
  end(i32, frame, d, lanes << 2);
  return 0;
}

/** URECPE (`extra` 0) and URSQRTE (1). */
export function unsignedEstimate(i32: Int32Array, _u8: Uint8Array, frame: number, argument: number): number {
  const { d, n, lanes, extra } = begin(i32, frame, argument);
  const estimate = extra === 0 ? estimates.unsignedReciprocalEstimate : estimates.unsignedReciprocalRootEstimate;
  for (let e = 0; e < lanes; e++) i32[(d >>> 2) + e] = estimate(i32[(n >>> 2) + e]!);
  end(i32, frame, d, lanes << 2);
  return 0;
}
