import { F } from '../core/frame.ts';
import { T, W, WV } from '../wasm/opcodes.ts';
import { ARGUMENT, Code, elements, extra, FRAME, register, type Loop } from './code.ts';
import { BY_ELEMENT, NEGATE_ADDEND, NEGATE_PRODUCT, PAIRWISE } from './operations.ts';
import { DN, FZ, IXC, UFC } from './softfloat.ts';

/** Arithmetic and comparison of singles and doubles in the helpers' first tier. */

/** Pushes an element as f64: of Vn, or Va, or Vm, whose address may be that of one element for all. */
function load(c: Code, size: number, base: number, at: number | undefined): void {
  c.get(base);
  if (at !== undefined) c.get(at).op(W.i32_add);
  if (size === 3) c.memory(W.f64_load, F.V);
  else c.memory(W.f32_load, F.V).op(W.f64_promote_f32);
}

export type Kind = 'add' | 'subtract' | 'multiply' | 'negatedMultiply' | 'divide' | 'squareRoot' | 'multiplyAdd';

/** FPCR may have FZ and DN set, nothing else: NaNs are not decided here. Returns an i32 local, nonzero with FZ. */
function requireFlushingAtMost(c: Code): number {
  const flushing = c.local(T.i32);
  c.get(FRAME)
    .memory(W.i32_load, F.FPCR)
    .tee(flushing)
    .i32(~(FZ | DN))
    .op(W.i32_and, W.i32_eqz)
    .require();
  c.get(flushing).i32(FZ).op(W.i32_and).set(flushing);
  return flushing;
}

/** One operation on all elements; its errors of products come from fused operations. */
export function operation(kind: Kind, size: number): Code {
  const c = new Code();
  const single = size === 2;
  const x = c.local(T.f64);
  const y = c.local(T.f64);
  const z = c.local(T.f64);
  const r = c.local(T.f64);
  const t = c.local(T.f64);
  const inexact = c.local(T.i32);
  const step = c.local(T.i32);
  const narrow = c.local(T.f32);
  const product = c.local(T.f64);

  /** The error of r = x + y, for locals, by Knuth's sum; pushed. */
  const sumError = (p: number, q: number, s: number): void => {
    c.get(s).get(p).op(W.f64_sub).set(t);
    c.get(p).get(s).get(t).op(W.f64_sub, W.f64_sub).get(q).get(t).op(W.f64_sub, W.f64_add);
  };
  /** Fused p × q + s on scalars, pushed; `negate` subtracts s. */
  const fused = (p: number, q: number, s: number, negate: boolean): void => {
    c.get(p).vector(WV.f64x2_splat).get(q).vector(WV.f64x2_splat).get(s);
    if (negate) c.op(W.f64_neg);
    c.vector(WV.f64x2_splat).vector(WV.f64x2_relaxed_madd).vector(WV.f64x2_extract_lane).op(0);
  };
  /** The f64 in `r` rounded to single in `narrow`; adds to `inexact`. */
  const narrowResult = (): void => {
    c.get(r)
      .op(W.f32_demote_f64)
      .tee(narrow)
      .op(W.f64_promote_f32)
      .get(r)
      .op(W.f64_ne)
      .get(inexact)
      .op(W.i32_or)
      .set(inexact);
  };
  const within = (value: number, low: number, high: number): void => {
    c.get(value).op(W.f64_abs).f64(low).op(W.f64_gt).get(value).op(W.f64_abs).f64(high).op(W.f64_lt, W.i32_and);
  };
  const finite = (): void => {
    if (single) c.get(narrow).op(W.f32_abs, W.f64_promote_f32);
    else c.get(r).op(W.f64_abs);
    c.f64(Infinity).op(W.f64_lt).require();
  };
  /** The flags of this element: Inexact, and Underflow where a single was tiny before rounding. */
  const flags = (l: Loop): void => {
    c.get(inexact).i32(IXC).op(W.i32_mul);
    if (single && kind !== 'add' && kind !== 'subtract') {
      c.get(r)
        .op(W.f64_abs)
        .f64(2 ** -126)
        .op(W.f64_lt)
        .get(inexact)
        .op(W.i32_and)
        .i32(UFC)
        .op(W.i32_mul, W.i32_or);
    }
    c.get(l.flags).op(W.i32_or).set(l.flags);
  };

  const least = single ? 2 ** -126 : 2 ** -1022;
  const flushing = requireFlushingAtMost(c);
  /** With flushing on, a subnormal operand is not for here. */
  const operand = (value: number): void => {
    c.get(flushing).op(W.if, T.void);
    c.get(value).op(W.f64_abs).f64(least).op(W.f64_ge).get(value).f64(0).op(W.f64_eq, W.i32_or).require();
    c.op(W.end);
  };
  /** Nor a result, which may have been rounded up to the least normal number. */
  const result = (): void => {
    c.get(flushing).op(W.if, T.void);
    const push = (): Code => (single ? c.get(narrow).op(W.f64_promote_f32) : c.get(r));
    push().op(W.f64_abs).f64(least).op(W.f64_gt);
    push().f64(0).op(W.f64_eq).get(inexact).op(W.i32_eqz, W.i32_and, W.i32_or).require();
    c.op(W.end);
  };
  const binary = kind !== 'squareRoot' && kind !== 'multiplyAdd';
  if (binary)
    c.get(ARGUMENT)
      .i32(PAIRWISE << 25)
      .op(W.i32_and, W.i32_eqz)
      .require();
  elements(
    c,
    size,
    (l) => {
      // An element of Vm for all is found once; its step is zero then.
      c.get(l.at).op(W.i32_eqz, W.if, T.void);
      c.i32(-1).set(step);
      c.get(ARGUMENT)
        .i32(BY_ELEMENT << 25)
        .op(W.i32_and, W.if, T.void)
        .i32(0)
        .set(step);
      c.get(l.m)
        .get(ARGUMENT)
        .i32(25)
        .op(W.i32_shr_u)
        .i32(7)
        .op(W.i32_and)
        .i32(size)
        .op(W.i32_shl, W.i32_add)
        .set(l.m)
        .op(W.end);
      c.op(W.end);
      c.i32(0).set(inexact);
      load(c, size, l.n, l.at);
      c.set(x);
      operand(x);
      if (kind !== 'squareRoot') {
        c.get(l.m).get(l.at).get(step).op(W.i32_and, W.i32_add);
        if (single) c.memory(W.f32_load, F.V).op(W.f64_promote_f32);
        else c.memory(W.f64_load, F.V);
        if (kind === 'subtract' || kind === 'negatedMultiply') c.op(W.f64_neg);
        c.set(y);
        operand(y);
      }
      switch (kind) {
        case 'add':
        case 'subtract':
          c.get(x).get(y).op(W.f64_add).set(r);
          sumError(x, y, r);
          c.f64(0).op(W.f64_ne).set(inexact);
          if (single) narrowResult();
          else {
            // Knuth's sum has no overflow of its own below this.
            c.get(r).op(W.f64_abs).f64(1e300).op(W.f64_lt).require();
          }
          finite();
          break;
        case 'multiply':
        case 'negatedMultiply':
          c.get(x).get(y).op(W.f64_mul).set(r);
          if (single) {
            narrowResult();
            finite();
          } else {
            // A zero factor's product is exact, but infinity's and NaN's.
            c.get(x).f64(0).op(W.f64_eq).get(y).f64(0).op(W.f64_eq, W.i32_or, W.if, T.void);
            c.get(r).get(r).op(W.f64_eq).require();
            c.op(W.else);
            within(r, 1e-280, Infinity);
            c.require();
            fused(x, y, r, true);
            c.f64(0).op(W.f64_ne).set(inexact).op(W.end);
          }
          break;
        case 'divide':
          c.get(x).get(y).op(W.f64_div).set(r);
          c.get(y).op(W.f64_abs).f64(0).op(W.f64_gt).require();
          c.get(x).f64(0).op(W.f64_ne, W.if, T.void);
          if (single) {
            within(r, 0, Infinity);
            c.require();
            // A quotient of singles that is inexact in a double is no midpoint of singles.
            c.get(r).op(W.f32_demote_f64, W.f64_promote_f32).get(y).op(W.f64_mul).get(x).op(W.f64_ne).set(inexact);
          } else {
            within(r, 1e-280, Infinity);
            c.require();
            within(x, 1e-280, Infinity);
            c.require();
            fused(r, y, x, true);
            c.f64(0).op(W.f64_ne).set(inexact);
          }
          c.op(W.end);
          if (single) {
            c.get(r).op(W.f32_demote_f64).set(narrow);
            finite();
          }
          c.get(r).get(r).op(W.f64_eq).require();
          break;
        case 'squareRoot':
          c.get(x).op(W.f64_sqrt).set(r);
          c.get(x).f64(0).op(W.f64_ne, W.if, T.void);
          within(x, single ? 0 : 1e-280, Infinity);
          c.get(x).f64(0).op(W.f64_gt, W.i32_and).require();
          if (single) {
            c.get(r)
              .op(W.f32_demote_f64, W.f64_promote_f32)
              .tee(t)
              .get(t)
              .op(W.f64_mul)
              .get(x)
              .op(W.f64_ne)
              .set(inexact);
          } else {
            fused(r, r, x, true);
            c.f64(0).op(W.f64_ne).set(inexact);
          }
          c.op(W.end);
          if (single) c.get(r).op(W.f32_demote_f64).set(narrow);
          break;
        case 'multiplyAdd':
          load(c, size, l.a, l.at);
          c.set(z);
          operand(z);
          c.get(ARGUMENT)
            .i32(NEGATE_PRODUCT << 25)
            .op(W.i32_and, W.if, T.void)
            .get(x)
            .op(W.f64_neg)
            .set(x)
            .op(W.end);
          c.get(ARGUMENT)
            .i32(NEGATE_ADDEND << 25)
            .op(W.i32_and, W.if, T.void)
            .get(z)
            .op(W.f64_neg)
            .set(z)
            .op(W.end);
          c.get(x).get(y).op(W.f64_mul).tee(product).get(z).op(W.f64_add).set(r);
          c.get(z).op(W.f64_abs).f64(Infinity).op(W.f64_lt).require();
          if (single) {
            // The product is exact; so may the sum be in a double, and is rounded once then.
            sumError(product, z, r);
            c.f64(0).op(W.f64_eq, W.if, T.void);
            narrowResult();
            c.op(W.else);
            for (const factor of [x, y, z]) c.get(factor).op(W.f32_demote_f64).vector(WV.f32x4_splat);
            c.vector(WV.f32x4_relaxed_madd).vector(WV.f32x4_extract_lane).op(0).tee(narrow);
            c.op(W.f64_promote_f32).set(r).i32(1).set(inexact);
            c.get(r).op(W.f64_abs).f64(least).op(W.f64_gt).require();
            c.op(W.end);
            finite();
          } else {
            c.get(x).f64(0).op(W.f64_eq).get(y).f64(0).op(W.f64_eq, W.i32_or, W.if, T.void);
            c.get(r).get(r).op(W.f64_eq).require();
            c.op(W.else);
            within(product, 1e-280, 1e300);
            c.require();
            fused(x, y, product, true);
            c.f64(0).op(W.f64_eq, W.if, T.void);
            sumError(product, z, r);
            c.f64(0).op(W.f64_ne).set(inexact);
            // The sum of two doubles that is tiny is exact.
            c.get(r).op(W.f64_abs).f64(1e300).op(W.f64_lt).require();
            c.op(W.else);
            // Whether this is inexact is hard to say, and does not matter once IXC is set.
            c.get(FRAME).memory(W.i32_load, F.FPSR).i32(IXC).op(W.i32_and).require();
            fused(x, y, z, false);
            c.set(r);
            within(r, least, Infinity);
            c.require();
            c.op(W.end, W.end);
          }
          break;
      }
      result();
      flags(l);
      c.get(single ? narrow : r);
    },
    single ? W.f32_store : W.f64_store,
  );
  return c;
}

/** FCMP and FCMPE of numbers. */
export function compare(size: number): Code {
  const c = new Code();
  const x = c.local(T.f64);
  const y = c.local(T.f64);
  const least = size === 2 ? 2 ** -126 : 2 ** -1022;
  const flushing = c.local(T.i32);
  // Rounding modes do not matter.
  c.get(FRAME).memory(W.i32_load, F.FPCR).i32(FZ).op(W.i32_and).set(flushing);
  const operand = (at: number, value: number): void => {
    register(c, at);
    if (size === 3) c.memory(W.f64_load, F.V);
    else c.memory(W.f32_load, F.V).op(W.f64_promote_f32);
    c.tee(value).get(value).op(W.f64_eq).require();
    c.get(flushing).op(W.if, T.void);
    c.get(value).op(W.f64_abs).f64(least).op(W.f64_ge).get(value).f64(0).op(W.f64_eq, W.i32_or).require();
    c.op(W.end);
  };
  operand(5, x);
  extra(c, 2).op(W.i32_eqz, W.if, T.void);
  operand(10, y);
  c.op(W.end);
  c.get(x)
    .get(y)
    .op(W.f64_gt)
    .get(x)
    .get(y)
    .op(W.f64_lt)
    .i32(1)
    .op(W.i32_shl, W.i32_or)
    .i32(1)
    .op(W.i32_shl)
    .i32(1)
    .op(W.i32_or);
  return c;
}
