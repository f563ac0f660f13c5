/**
 * Host arithmetic under the default FPCR, with its exactness: the exact error of an operation tells whether it was
 * inexact. NaN means that the exact software must decide: a result that is not an ordinary number, or an error that
 * the host's range cannot hold.
 */

const MIN_NORMAL = [0, 0, 2 ** -126, 2 ** -1022];
const MAX = [0, 0, 3.4028234663852886e38, Number.MAX_VALUE];

/** Set by the functions below: whether the last result was rounded. */
export const last = { inexact: false };

/** Normal, and not the least one, which what underflows may round up to. */
function ordinary(r: number, size: number): boolean {
  const a = Math.abs(r);
  return a > MIN_NORMAL[size]! && a <= MAX[size]!;
}

const SPLIT = 134217729;

/** The exact error of the product p = a × b (Dekker), for magnitudes where nothing overflows or underflows. */
function productError(a: number, b: number, p: number): number {
  let c = SPLIT * a;
  const ah = c - (c - a);
  const al = a - ah;
  c = SPLIT * b;
  const bh = c - (c - b);
  const bl = b - bh;
  return al * bl - (p - ah * bh - al * bh - ah * bl);
}

/** Whether productError is exact. */
function inRange(a: number, b: number, p: number): boolean {
  const x = Math.abs(a);
  const y = Math.abs(b);
  const z = Math.abs(p);
  return x < 1e290 && y < 1e290 && z < 1e290 && x > 1e-140 && y > 1e-140 && z > 1e-280;
}

/** Sum; `size` 2 for singles, 3 for doubles. */
export function add(a: number, b: number, size: number): number {
  const s = a + b;
  const t = s - a;
  const error = a - (s - t) + (b - t);
  if (size === 3) {
    if (!(Math.abs(s) < 1e300)) return NaN;
    last.inexact = error !== 0;
    return s;
  }
  const r = Math.fround(s);
  if (!(Math.abs(r) <= MAX[2]!)) return NaN;
  last.inexact = error !== 0 || r !== s;
  return r;
}

export function multiply(a: number, b: number, size: number): number {
  const p = a * b;
  if (p === 0 && (a === 0 || b === 0)) {
    last.inexact = false;
    return p;
  }
  if (size === 3) {
    if (!inRange(a, b, p)) return NaN;
    last.inexact = productError(a, b, p) !== 0;
    return p;
  }
  const r = Math.fround(p);
  if (!ordinary(r, 2)) return NaN;
  last.inexact = r !== p;
  return r;
}

export function divide(a: number, b: number, size: number): number {
  const q = a / b;
  if (a === 0 && b !== 0 && b === b) {
    last.inexact = false;
    return q;
  }
  if (size === 3) {
    const p = q * b;
    if (!inRange(q, b, p)) return NaN;
    last.inexact = p !== a || productError(q, b, p) !== 0;
    return q;
  }
  const r = Math.fround(q);
  if (!ordinary(r, 2)) return NaN;
  last.inexact = r * b !== a;
  return r;
}

export function squareRoot(a: number, size: number): number {
  const q = Math.sqrt(a);
  if (a === 0) {
    last.inexact = false;
    return q;
  }
  if (size === 3) {
    const p = q * q;
    if (!inRange(q, q, p)) return NaN;
    last.inexact = p !== a || productError(q, q, p) !== 0;
    return q;
  }
  const r = Math.fround(q);
  if (!ordinary(r, 2)) return NaN;
  last.inexact = r * r !== a;
  return r;
}

const doubles = new Float64Array(1);
const words = new Int32Array(doubles.buffer);

/** The double next to `x` away from or towards zero. */
function neighbour(x: number, away: boolean): number {
  doubles[0] = x;
  if (away) {
    words[0] = words[0]! + 1;
    if (words[0] === 0) words[1] = words[1]! + 1;
  } else {
    if (words[0] === 0) words[1] = words[1]! - 1;
    words[0] = words[0]! - 1;
  }
  return doubles[0]!;
}

function isOdd(x: number): boolean {
  doubles[0] = x;
  return (words[0]! & 1) !== 0;
}

/** x + error rounded to odd: the even neighbour makes way for the odd one on the error's side. */
export function toOdd(x: number, error: number): number {
  if (error === 0 || isOdd(x)) return x;
  return neighbour(x, error > 0 === x > 0);
}

/** c + a × b rounded once (Boldo and Melquiond: the low parts' sum rounded to odd). */
export function multiplyAdd(c: number, a: number, b: number, size: number): number {
  const p = a * b;
  if (p === 0 && (a === 0 || b === 0)) {
    last.inexact = false;
    return Math.abs(c) <= MAX[3]! ? p + c : NaN;
  }
  if (size === 2) {
    // The product is exact; its sum with c rounded to odd can be rounded again.
    const s = p + c;
    const t = s - p;
    const error = p - (s - t) + (c - t);
    const odd = s === 0 ? s : toOdd(s, error);
    const r = Math.fround(odd);
    if (!ordinary(r, 2)) return NaN;
    last.inexact = error !== 0 || r !== s;
    return r;
  }
  if (!inRange(a, b, p) || !(Math.abs(c) < 1e290) || (c !== 0 && Math.abs(c) < 1e-280)) return NaN;
  const low = productError(a, b, p);
  // c + low, exactly, then the high parts.
  const th = c + low;
  let t = th - c;
  const tl = c - (th - t) + (low - t);
  const vh = p + th;
  t = vh - p;
  const vl = p - (vh - t) + (th - t);
  const w = tl + vl;
  t = w - tl;
  const wl = tl - (w - t) + (vl - t);
  const r = vh + (w === 0 ? w : toOdd(w, wl));
  if (!ordinary(r, 3) || Math.abs(r) < 1e-280) return NaN;
  last.inexact = wl !== 0 || r - vh !== w;
  return r;
}
