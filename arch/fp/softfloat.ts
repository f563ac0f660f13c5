/**
 * Exact IEEE 754 arithmetic as DDI 0487 defines it (shared/functions/float): every rounding mode, flushing to zero,
 * NaN propagation by operand order, default NaN, alternative half precision, cumulative exceptions. Values are bit
 * patterns in bigints; this is the slow path, and what the fast ones are measured against.
 */

export interface Format {
  /** log2 of the bytes. */
  readonly size: number;
  readonly bits: number;
  readonly fraction: number;
  readonly bias: number;
  /** The greatest biased exponent: infinities and NaNs. */
  readonly top: number;
}

function format(size: number, bits: number, exponent: number): Format {
  return { size, bits, fraction: bits - 1 - exponent, bias: 2 ** (exponent - 1) - 1, top: 2 ** exponent - 1 };
}

export const HALF = format(1, 16, 5);
export const SINGLE = format(2, 32, 8);
export const DOUBLE = format(3, 64, 11);
export const BFLOAT = format(1, 16, 8);
/** By log2 of the bytes. */
export const FORMATS: readonly Format[] = [HALF, HALF, SINGLE, DOUBLE];

/** FPCR. */
export const FZ16 = 1 << 19;
export const FZ = 1 << 24;
export const DN = 1 << 25;
export const AHP = 1 << 26;
/** FPSR's cumulative exceptions. */
export const IOC = 1;
export const DZC = 2;
export const OFC = 4;
export const UFC = 8;
export const IXC = 16;
export const IDC = 128;

/** FPCR.RMode's values, ties away and rounding to odd. */
export const RN = 0;
export const RP = 1;
export const RM = 2;
export const RZ = 3;
export const RA = 4;
export const RO = 5;

/** FPCR of the operation and the exceptions it has raised. */
export const env = { fpcr: 0, flags: 0 };

export function roundingMode(): number {
  return (env.fpcr >> 22) & 3;
}

const ZERO = 0;
const FINITE = 1;
const INFINITY = 2;
const QNAN = 3;
const SNAN = 4;

/** A number taken apart: (-1)^sign × m × 2^e when finite. */
export interface Unpacked {
  kind: number;
  sign: number;
  m: bigint;
  e: number;
}

export function isNaN(u: Unpacked): boolean {
  return u.kind >= QNAN;
}

function signBit(f: Format): bigint {
  return 1n << BigInt(f.bits - 1);
}

export function infinity(f: Format, sign: number): bigint {
  return (BigInt(f.top) << BigInt(f.fraction)) | (sign !== 0 ? signBit(f) : 0n);
}

export function zero(f: Format, sign: number): bigint {
  return sign !== 0 ? signBit(f) : 0n;
}

export function defaultNaN(f: Format): bigint {
  return (BigInt(f.top) << BigInt(f.fraction)) | (1n << BigInt(f.fraction - 1));
}

/** FPNeg: flips the sign, of a NaN too. */
export function negate(x: bigint, f: Format): bigint {
  return x ^ signBit(f);
}

export function absolute(x: bigint, f: Format): bigint {
  return x & ~signBit(f);
}

function flushes(f: Format): boolean {
  return (env.fpcr & (f === HALF ? FZ16 : FZ)) !== 0;
}

/** FPUnpack; `conversion` ignores FZ16 and looks at AHP (FPUnpackCV). */
export function unpack(x: bigint, f: Format, conversion = false): Unpacked {
  const sign = Number(x >> BigInt(f.bits - 1)) & 1;
  const exponent = Number(x >> BigInt(f.fraction)) & f.top;
  const m = x & ((1n << BigInt(f.fraction)) - 1n);
  if (exponent === 0) {
    if (m === 0n) return { kind: ZERO, sign, m, e: 0 };
    if (flushes(f) && !(conversion && f === HALF)) {
      if (f !== HALF) env.flags |= IDC;
      return { kind: ZERO, sign, m: 0n, e: 0 };
    }
    return { kind: FINITE, sign, m, e: 1 - f.bias - f.fraction };
  }
  if (exponent === f.top && !(conversion && f === HALF && (env.fpcr & AHP) !== 0)) {
    if (m === 0n) return { kind: INFINITY, sign, m, e: 0 };
    return { kind: (m >> BigInt(f.fraction - 1)) & 1n ? QNAN : SNAN, sign, m, e: 0 };
  }
  return { kind: FINITE, sign, m: m | (1n << BigInt(f.fraction)), e: exponent - f.bias - f.fraction };
}

function bitLength(m: bigint): number {
  return m.toString(2).length;
}

/** Whether the discarded part, in units of `one`, makes the magnitude go up. */
function roundsUp(mode: number, sign: number, odd: boolean, rest: bigint, one: bigint): boolean {
  switch (mode) {
    case RN: {
      const twice = 2n * rest;
      return twice > one || (twice === one && odd);
    }
    case RA:
      return 2n * rest >= one;
    case RP:
      return rest !== 0n && sign === 0;
    case RM:
      return rest !== 0n && sign !== 0;
    default:
      return false;
  }
}

/** FPRound of (-1)^sign × m × 2^e, m nonzero; `conversion` as in FPRoundCV. */
export function round(
  sign: number,
  m: bigint,
  e: number,
  f: Format,
  mode = roundingMode(),
  conversion = false,
): bigint {
  const exponent = e + bitLength(m) - 1;
  const minimum = 1 - f.bias;
  if (exponent < minimum && flushes(f) && !(conversion && f === HALF)) {
    env.flags |= UFC;
    return zero(f, sign);
  }
  // The unit of the result's last place.
  const unit = Math.max(exponent, minimum) - f.fraction;
  let value: bigint;
  let inexact = false;
  if (e >= unit) value = m << BigInt(e - unit);
  else {
    const shift = BigInt(unit - e);
    value = m >> shift;
    const rest = m - (value << shift);
    inexact = rest !== 0n;
    if (inexact) {
      if (exponent < minimum) env.flags |= UFC;
      if (mode === RO) value |= 1n;
      else if (roundsUp(mode, sign, (value & 1n) !== 0n, rest, 1n << shift)) value += 1n;
    }
  }
  // Adding the biased exponent lets a carry out of the fraction move into it.
  let result = value;
  if (exponent >= minimum) result += BigInt(exponent - minimum) << BigInt(f.fraction);
  const alternative = conversion && f === HALF && (env.fpcr & AHP) !== 0;
  const biased = Number(result >> BigInt(f.fraction));
  if (alternative ? biased > f.top : biased >= f.top) {
    if (alternative) {
      env.flags |= IOC;
      return zero(f, sign) | (signBit(f) - 1n);
    }
    env.flags |= OFC | IXC;
    const toInfinity = mode === RN || mode === RA || (mode === RP && sign === 0) || (mode === RM && sign !== 0);
    return toInfinity ? infinity(f, sign) : infinity(f, sign) - 1n;
  }
  if (inexact) env.flags |= IXC;
  return result | zero(f, sign);
}

/** Exactly rounded m1 / m2 and square roots need more bits than a result has: this many. */
const GUARD = 4;

/** FPProcessNaN */
function quiet(x: bigint, kind: number, f: Format): bigint {
  if (kind === SNAN) {
    env.flags |= IOC;
    x |= 1n << BigInt(f.fraction - 1);
  }
  return (env.fpcr & DN) !== 0 ? defaultNaN(f) : x;
}

/** FPProcessNaNs and FPProcessNaNs3: the first signaling, else the first quiet one; undefined when there is none. */
export function processNaNs(f: Format, ...operands: readonly [bigint, Unpacked][]): bigint | undefined {
  for (const kind of [SNAN, QNAN]) for (const [x, u] of operands) if (u.kind === kind) return quiet(x, kind, f);
  return undefined;
}

function invalid(f: Format): bigint {
  env.flags |= IOC;
  return defaultNaN(f);
}

/** The rounded sum of two finite numbers, at least one of them not zero. */
function sum(a: Unpacked, b: Unpacked, f: Format): bigint {
  if (a.kind === ZERO) return round(b.sign, b.m, b.e, f);
  if (b.kind === ZERO) return round(a.sign, a.m, a.e, f);
  const e = Math.min(a.e, b.e);
  const x = (a.sign !== 0 ? -a.m : a.m) << BigInt(a.e - e);
  const y = (b.sign !== 0 ? -b.m : b.m) << BigInt(b.e - e);
  const total = x + y;
  if (total === 0n) return zero(f, roundingMode() === RM ? 1 : 0);
  return total < 0n ? round(1, -total, e, f) : round(0, total, e, f);
}

function addUnpacked(a: Unpacked, b: Unpacked, f: Format): bigint {
  if (a.kind === INFINITY || b.kind === INFINITY) {
    if (a.kind === b.kind && a.sign !== b.sign) return invalid(f);
    return infinity(f, a.kind === INFINITY ? a.sign : b.sign);
  }
  if (a.kind === ZERO && b.kind === ZERO) return zero(f, a.sign === b.sign ? a.sign : roundingMode() === RM ? 1 : 0);
  return sum(a, b, f);
}

export function add(x: bigint, y: bigint, f: Format): bigint {
  const a = unpack(x, f);
  const b = unpack(y, f);
  return processNaNs(f, [x, a], [y, b]) ?? addUnpacked(a, b, f);
}

export function subtract(x: bigint, y: bigint, f: Format): bigint {
  const a = unpack(x, f);
  const b = unpack(y, f);
  const nan = processNaNs(f, [x, a], [y, b]);
  if (nan !== undefined) return nan;
  b.sign ^= 1;
  return addUnpacked(a, b, f);
}

export function multiply(x: bigint, y: bigint, f: Format): bigint {
  return product(x, y, f, undefined);
}

/** `special`: what infinity times zero gives; undefined for an invalid operation. */
function product(x: bigint, y: bigint, f: Format, special: ((sign: number) => bigint) | undefined): bigint {
  const a = unpack(x, f);
  const b = unpack(y, f);
  const nan = processNaNs(f, [x, a], [y, b]);
  if (nan !== undefined) return nan;
  const sign = a.sign ^ b.sign;
  if (a.kind === INFINITY || b.kind === INFINITY) {
    if (a.kind === ZERO || b.kind === ZERO) return special === undefined ? invalid(f) : special(sign);
    return infinity(f, sign);
  }
  if (a.kind === ZERO || b.kind === ZERO) return zero(f, sign);
  return round(sign, a.m * b.m, a.e + b.e, f);
}

/** FMULX: infinity times zero is 2. */
export function multiplyExtended(x: bigint, y: bigint, f: Format): bigint {
  return product(x, y, f, (sign) => zero(f, sign) | (BigInt(f.bias + 1) << BigInt(f.fraction)));
}

export function divide(x: bigint, y: bigint, f: Format): bigint {
  const a = unpack(x, f);
  const b = unpack(y, f);
  const nan = processNaNs(f, [x, a], [y, b]);
  if (nan !== undefined) return nan;
  const sign = a.sign ^ b.sign;
  if (a.kind === b.kind && a.kind !== FINITE) return invalid(f);
  if (a.kind === INFINITY || b.kind === ZERO) {
    if (a.kind !== INFINITY) env.flags |= DZC;
    return infinity(f, sign);
  }
  if (a.kind === ZERO || b.kind === INFINITY) return zero(f, sign);
  const shift = Math.max(0, f.fraction + GUARD + bitLength(b.m) - bitLength(a.m));
  const numerator = a.m << BigInt(shift);
  const quotient = numerator / b.m;
  // A sticky bit stands for the remainder.
  const m = (quotient << 1n) | (quotient * b.m === numerator ? 0n : 1n);
  return round(sign, m, a.e - b.e - shift - 1, f);
}

/** Integer square root. */
function isqrt(n: bigint): bigint {
  let x = BigInt(Math.floor(Math.sqrt(Number(n))));
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y === x || y === x + 1n) break;
    x = y;
  }
  while (x * x > n) x -= 1n;
  while ((x + 1n) * (x + 1n) <= n) x += 1n;
  return x;
}

export function squareRoot(x: bigint, f: Format): bigint {
  const a = unpack(x, f);
  const nan = processNaNs(f, [x, a]);
  if (nan !== undefined) return nan;
  if (a.kind === ZERO) return zero(f, a.sign);
  if (a.sign !== 0) return invalid(f);
  if (a.kind === INFINITY) return infinity(f, 0);
  let shift = 2 * (f.fraction + GUARD);
  if (((a.e - shift) & 1) !== 0) shift++;
  const n = a.m << BigInt(shift);
  const root = isqrt(n);
  return round(0, (root << 1n) | (root * root === n ? 0n : 1n), (a.e - shift) / 2 - 1, f);
}

/** FPMulAdd: addend + x × y, rounded once. */
export function multiplyAdd(addend: bigint, x: bigint, y: bigint, f: Format): bigint {
  const c = unpack(addend, f);
  const a = unpack(x, f);
  const b = unpack(y, f);
  const invalidProduct = (a.kind === INFINITY && b.kind === ZERO) || (a.kind === ZERO && b.kind === INFINITY);
  if (c.kind === QNAN && invalidProduct) return invalid(f);
  const nan = processNaNs(f, [addend, c], [x, a], [y, b]);
  if (nan !== undefined) return nan;
  if (invalidProduct) return invalid(f);
  const sign = a.sign ^ b.sign;
  if (a.kind === INFINITY || b.kind === INFINITY) {
    if (c.kind === INFINITY && c.sign !== sign) return invalid(f);
    return infinity(f, sign);
  }
  if (c.kind === INFINITY) return infinity(f, c.sign);
  const p: Unpacked =
    a.kind === ZERO || b.kind === ZERO
      ? { kind: ZERO, sign, m: 0n, e: 0 }
      : { kind: FINITE, sign, m: a.m * b.m, e: a.e + b.e };
  if (p.kind === ZERO && c.kind === ZERO) return zero(f, c.sign === sign ? sign : roundingMode() === RM ? 1 : 0);
  return sum(c, p, f);
}

/** Sign of a - b for numbers that are not NaNs. */
function order(a: Unpacked, b: Unpacked): number {
  const value = (u: Unpacked): number => (u.kind === ZERO ? 0 : u.sign !== 0 ? -1 : 1);
  if (value(a) !== value(b)) return value(a) - value(b);
  if (value(a) === 0) return 0;
  let magnitude: number;
  if (a.kind === INFINITY || b.kind === INFINITY)
    magnitude = (a.kind === INFINITY ? 1 : 0) - (b.kind === INFINITY ? 1 : 0);
  else {
    const e = Math.min(a.e, b.e);
    const x = a.m << BigInt(a.e - e);
    const y = b.m << BigInt(b.e - e);
    magnitude = x < y ? -1 : x > y ? 1 : 0;
  }
  return a.sign !== 0 ? -magnitude : magnitude;
}

/** FPMax and FPMin; `pick` is 1 for the maximum, -1 for the minimum. */
function extreme(x: bigint, y: bigint, f: Format, pick: number): bigint {
  const a = unpack(x, f);
  const b = unpack(y, f);
  const nan = processNaNs(f, [x, a], [y, b]);
  if (nan !== undefined) return nan;
  const u = order(a, b) * pick > 0 ? a : b;
  if (u.kind === INFINITY) return infinity(f, u.sign);
  // Of two zeros the maximum is negative only when both are.
  if (u.kind === ZERO)
    return zero(f, a.kind !== ZERO || b.kind !== ZERO ? u.sign : pick > 0 ? a.sign & b.sign : a.sign | b.sign);
  return round(u.sign, u.m, u.e, f);
}

export function maximum(x: bigint, y: bigint, f: Format): bigint {
  return extreme(x, y, f, 1);
}

export function minimum(x: bigint, y: bigint, f: Format): bigint {
  return extreme(x, y, f, -1);
}

/** FPMaxNum and FPMinNum: a quiet NaN gives way to a number. */
function extremeNumber(x: bigint, y: bigint, f: Format, pick: number): bigint {
  const saved = env.flags;
  const a = unpack(x, f).kind;
  const b = unpack(y, f).kind;
  env.flags = saved;
  if (a === QNAN && b < QNAN) x = infinity(f, pick > 0 ? 1 : 0);
  else if (b === QNAN && a < QNAN) y = infinity(f, pick > 0 ? 1 : 0);
  return extreme(x, y, f, pick);
}

export function maximumNumber(x: bigint, y: bigint, f: Format): bigint {
  return extremeNumber(x, y, f, 1);
}

export function minimumNumber(x: bigint, y: bigint, f: Format): bigint {
  return extremeNumber(x, y, f, -1);
}

/** |a - b|; a NaN keeps its sign bit cleared. */
export function absoluteDifference(x: bigint, y: bigint, f: Format): bigint {
  return absolute(subtract(x, y, f), f);
}

/** -1, 0, 1, or undefined when unordered. A quiet NaN is an invalid operand when `signaling`. */
export function compare(x: bigint, y: bigint, f: Format, signaling: boolean): number | undefined {
  const a = unpack(x, f);
  const b = unpack(y, f);
  if (isNaN(a) || isNaN(b)) {
    if (signaling || a.kind === SNAN || b.kind === SNAN) env.flags |= IOC;
    return undefined;
  }
  return Math.sign(order(a, b));
}

/** FPConvert between formats; `mode` for FCVTXN. */
export function convert(x: bigint, from: Format, to: Format, mode = roundingMode()): bigint {
  const a = unpack(x, from, true);
  const alternative = to === HALF && (env.fpcr & AHP) !== 0;
  if (isNaN(a)) {
    if (a.kind === SNAN || alternative) env.flags |= IOC;
    if (alternative) return zero(to, a.sign);
    if ((env.fpcr & DN) !== 0) return defaultNaN(to);
    const payload =
      to.fraction > from.fraction
        ? a.m << BigInt(to.fraction - from.fraction)
        : a.m >> BigInt(from.fraction - to.fraction);
    return infinity(to, a.sign) | payload | (1n << BigInt(to.fraction - 1));
  }
  if (a.kind === INFINITY) {
    if (alternative) {
      env.flags |= IOC;
      return zero(to, a.sign) | 0x7fffn;
    }
    return infinity(to, a.sign);
  }
  if (a.kind === ZERO) return zero(to, a.sign);
  return round(a.sign, a.m, a.e, to, mode, true);
}

/** An integer with its discarded part rounded by `mode`; `inexact` tells whether there was one. */
function toInteger(a: Unpacked, scale: number, mode: number): { magnitude: bigint; inexact: boolean } {
  const e = a.e + scale;
  if (e >= 0) return { magnitude: a.m << BigInt(e), inexact: false };
  const shift = BigInt(-e);
  let magnitude = a.m >> shift;
  const rest = a.m - (magnitude << shift);
  if (roundsUp(mode, a.sign, (magnitude & 1n) !== 0n, rest, 1n << shift)) magnitude += 1n;
  return { magnitude, inexact: rest !== 0n };
}

/** FPToFixed: saturated to `bits` bits; the result is a pattern of that width. */
export function toFixed(
  x: bigint,
  f: Format,
  fractionBits: number,
  bits: number,
  unsigned: boolean,
  mode: number,
): bigint {
  const a = unpack(x, f);
  if (isNaN(a)) {
    env.flags |= IOC;
    return 0n;
  }
  const max = unsigned ? (1n << BigInt(bits)) - 1n : (1n << BigInt(bits - 1)) - 1n;
  const min = unsigned ? 0n : -(1n << BigInt(bits - 1));
  let value: bigint;
  let inexact = false;
  if (a.kind === INFINITY) value = a.sign !== 0 ? min - 1n : max + 1n;
  else if (a.kind === ZERO) value = 0n;
  else {
    const rounded = toInteger(a, fractionBits, mode);
    value = a.sign !== 0 ? -rounded.magnitude : rounded.magnitude;
    inexact = rounded.inexact;
  }
  if (value > max || value < min) {
    env.flags |= IOC;
    value = value > max ? max : min;
  } else if (inexact) env.flags |= IXC;
  return BigInt.asUintN(bits, value);
}

/** FixedToFP of a pattern of `bits` bits. */
export function fromFixed(x: bigint, bits: number, fractionBits: number, unsigned: boolean, f: Format): bigint {
  const value = unsigned ? BigInt.asUintN(bits, x) : BigInt.asIntN(bits, x);
  if (value === 0n) return 0n;
  return value < 0n ? round(1, -value, -fractionBits, f) : round(0, value, -fractionBits, f);
}

/** FPRoundInt: `exact` raises Inexact. */
export function roundToIntegral(x: bigint, f: Format, mode: number, exact: boolean): bigint {
  const a = unpack(x, f);
  const nan = processNaNs(f, [x, a]);
  if (nan !== undefined) return nan;
  if (a.kind === INFINITY) return infinity(f, a.sign);
  if (a.kind === ZERO) return zero(f, a.sign);
  const { magnitude, inexact } = toInteger(a, 0, mode);
  if (exact && inexact) env.flags |= IXC;
  // What has an integral value is representable.
  return magnitude === 0n ? zero(f, a.sign) : round(a.sign, magnitude, 0, f, RZ);
}

/** FPRoundIntN (FRINT32X and the like): out of range, the minimum of `bits` bits. */
export function roundToSized(x: bigint, f: Format, mode: number, bits: number): bigint {
  const a = unpack(x, f);
  const outside = (): bigint => {
    env.flags |= IOC;
    return round(1, 1n, bits - 1, f);
  };
  if (isNaN(a) || a.kind === INFINITY) return outside();
  if (a.kind === ZERO) return zero(f, a.sign);
  const { magnitude, inexact } = toInteger(a, 0, mode);
  const limit = 1n << BigInt(bits - 1);
  if (magnitude > limit || (magnitude === limit && a.sign === 0)) return outside();
  if (inexact) env.flags |= IXC;
  return magnitude === 0n ? zero(f, a.sign) : round(a.sign, magnitude, 0, f, RZ);
}

/** FJCVTZS: the low 32 bits of the integral part; `exact` false unless the value came through unchanged. */
export function toJavaScriptInt32(x: bigint): { value: number; exact: boolean } {
  const a = unpack(x, DOUBLE);
  if (isNaN(a) || a.kind === INFINITY) {
    env.flags |= IOC;
    return { value: 0, exact: false };
  }
  if (a.kind === ZERO) return { value: 0, exact: a.sign === 0 && absolute(x, DOUBLE) === 0n };
  const { magnitude, inexact } = toInteger(a, 0, RZ);
  const integer = a.sign !== 0 ? -magnitude : magnitude;
  const value = Number(BigInt.asIntN(32, integer));
  if (BigInt(value) !== integer) {
    env.flags |= IOC;
    return { value, exact: false };
  }
  if (inexact) env.flags |= IXC;
  return { value, exact: !inexact && integer !== 0n };
}

/** FRECPS: 2 - x × y, rounded once. */
export function reciprocalStep(x: bigint, y: bigint, f: Format): bigint {
  return step(x, y, f, 2n, 0);
}

/** FRSQRTS: (3 - x × y) / 2, rounded once. */
export function reciprocalRootStep(x: bigint, y: bigint, f: Format): bigint {
  return step(x, y, f, 3n, 1);
}

function step(x: bigint, y: bigint, f: Format, constant: bigint, halvings: number): bigint {
  x = negate(x, f);
  const a = unpack(x, f);
  const b = unpack(y, f);
  const nan = processNaNs(f, [x, a], [y, b]);
  if (nan !== undefined) return nan;
  const sign = a.sign ^ b.sign;
  if (a.kind === INFINITY || b.kind === INFINITY) {
    if (a.kind === ZERO || b.kind === ZERO) return round(0, constant, -halvings, f);
    return infinity(f, sign);
  }
  if (a.kind === ZERO || b.kind === ZERO) return round(0, constant, -halvings, f);
  const p = a.m * b.m;
  const e = Math.min(0, a.e + b.e);
  const total = (constant << BigInt(-e)) + ((sign !== 0 ? -p : p) << BigInt(a.e + b.e - e));
  if (total === 0n) return zero(f, roundingMode() === RM ? 1 : 0);
  return total < 0n ? round(1, -total, e - halvings, f) : round(0, total, e - halvings, f);
}

/** A half's value, or a NaN with its payload, as a single; FZ16 flushes, AHP does not matter. */
function widenHalf(x: bigint): bigint {
  const u = unpack(x, HALF);
  if (isNaN(u) || u.kind === INFINITY)
    return infinity(SINGLE, u.sign) | (u.m << BigInt(SINGLE.fraction - HALF.fraction));
  if (u.kind === ZERO) return zero(SINGLE, u.sign);
  return round(u.sign, u.m, u.e, SINGLE, RZ);
}

/** FPMulAddH: a single plus the product of two halves. */
export function multiplyAddLong(addend: bigint, x: bigint, y: bigint): bigint {
  return multiplyAdd(addend, widenHalf(x), widenHalf(y), SINGLE);
}
