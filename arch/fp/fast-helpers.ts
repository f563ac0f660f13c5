import { F } from '../core/frame.ts';
import { helperId, type Helper } from '../core/helpers.ts';
import { hostFuses } from '../a64/table/simd-relaxed.ts';
import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W, WFC, WV } from '../wasm/opcodes.ts';
import { ARGUMENT, Code, FRAME, register } from './code.ts';
import { FRACTION_32, FRACTION_64, fpConvert, fpToGeneral, generalToFp, UNSIGNED, WORD64 } from './conversions.ts';
import {
  BY_ELEMENT,
  fpAdd,
  fpDivide,
  fpMultiply,
  fpMultiplyAdd,
  fpNegatedMultiply,
  fpSquareRoot,
  fpSubtract,
  NEGATE_ADDEND,
  NEGATE_PRODUCT,
  PAIRWISE,
} from './operations.ts';
import { IXC, UFC } from './softfloat.ts';
import { polynomialMultiply64, variableShift } from './vector.ts';

/**
 * The helpers' first tier, in WebAssembly: under the default FPCR it notices exact and inexact results by the exact
 * errors of host operations, as host.ts does, and hands on to JavaScript what it cannot decide. Programs whose results
 * are all exact live here, as FPSR.IXC is never set for them; and products with zeros.
 */

interface Loop {
  n: number;
  m: number;
  a: number;
  at: number;
  flags: number;
}

/** A loop over the elements; `body` leaves a result on the stack, which is stored by `store`. The results go through F.ARG0. */
function elements(c: Code, size: number, body: (l: Loop) => void, store: number): void {
  const l: Loop = {
    n: c.local(T.i32),
    m: c.local(T.i32),
    a: c.local(T.i32),
    at: c.local(T.i32),
    flags: c.local(T.i32),
  };
  const end = c.local(T.i32);
  register(c, 5).set(l.n);
  register(c, 10).set(l.m);
  register(c, 15).set(l.a);
  c.i32(1 << size)
    .get(ARGUMENT)
    .i32(22)
    .op(W.i32_shr_u)
    .i32(7)
    .op(W.i32_and, W.i32_shl)
    .set(end);
  c.get(FRAME).i32(0).vector(WV.i32x4_splat).vectorMemory(WV.store, F.ARG0);
  c.op(W.loop, T.void);
  c.get(FRAME).get(l.at).op(W.i32_add);
  body(l);
  c.memory(store, F.ARG0);
  c.get(l.at)
    .i32(1 << size)
    .op(W.i32_add)
    .tee(l.at)
    .get(end)
    .op(W.i32_lt_u, W.br_if, 0, W.end);
  register(c, 0).get(FRAME).vectorMemory(WV.load, F.ARG0).vectorMemory(WV.store, F.V);
  c.get(l.flags).op(W.if, T.void);
  c.get(FRAME).get(FRAME).memory(W.i32_load, F.FPSR).get(l.flags).op(W.i32_or).memory(W.i32_store, F.FPSR);
  c.op(W.end).i32(1);
}

/** Pushes an element as f64: of Vn, or Va, or Vm, whose address may be that of one element for all. */
function load(c: Code, size: number, base: number, at: number | undefined): void {
  c.get(base);
  if (at !== undefined) c.get(at).op(W.i32_add);
  if (size === 3) c.memory(W.f64_load, F.V);
  else c.memory(W.f32_load, F.V).op(W.f64_promote_f32);
}

type Kind = 'add' | 'subtract' | 'multiply' | 'negatedMultiply' | 'divide' | 'squareRoot' | 'multiplyAdd';

function operation(kind: Kind, size: number): Code {
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

  c.get(FRAME).memory(W.i32_load, F.FPCR).op(W.i32_eqz).require();
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
      if (kind !== 'squareRoot') {
        c.get(l.m).get(l.at).get(step).op(W.i32_and, W.i32_add);
        if (single) c.memory(W.f32_load, F.V).op(W.f64_promote_f32);
        else c.memory(W.f64_load, F.V);
        if (kind === 'subtract' || kind === 'negatedMultiply') c.op(W.f64_neg);
        c.set(y);
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
          c.get(x).get(y).op(W.f64_mul).tee(t).get(z).op(W.f64_add).set(r);
          c.get(z).op(W.f64_abs).f64(Infinity).op(W.f64_lt).require();
          // y holds the rounded product from here on, once its error is known.
          if (single) {
            c.get(t).set(y);
            sumError(y, z, r);
            c.f64(0).op(W.f64_eq).require();
            narrowResult();
            finite();
          } else {
            c.get(x).f64(0).op(W.f64_eq).get(y).f64(0).op(W.f64_eq, W.i32_or, W.if, T.void);
            c.get(r).get(r).op(W.f64_eq).require();
            c.op(W.else);
            within(t, 1e-280, 1e300);
            c.require();
            fused(x, y, t, true);
            c.f64(0).op(W.f64_eq).require();
            c.get(t).set(y);
            sumError(y, z, r);
            c.f64(0).op(W.f64_ne).set(inexact);
            // The sum of two doubles that is tiny is exact.
            c.get(r).op(W.f64_abs).f64(1e300).op(W.f64_lt).require();
            c.op(W.end);
          }
          break;
      }
      flags(l);
      c.get(single ? narrow : r);
    },
    single ? W.f32_store : W.f64_store,
  );
  return c;
}

/** (US)(R)SHL by register; saturation is undecided. */
function shifts(): Code {
  const c = new Code();
  const x = c.local(T.i64);
  const by = c.local(T.i64);
  const unsigned = c.local(T.i32);
  const bit = (n: number): Code =>
    c
      .get(ARGUMENT)
      .i32(1 << (25 + n))
      .op(W.i32_and);
  bit(2).op(W.i32_eqz).require();
  bit(0).op(W.i32_eqz, W.i32_eqz).set(unsigned);
  /** Pushes x >> by, as signedness says. */
  const right = (amount: () => void): void => {
    c.get(x);
    amount();
    c.op(W.i64_shr_u).get(x);
    amount();
    c.op(W.i64_shr_s).get(unsigned).op(W.select);
  };
  const bySize = (size: number, signedLoad: number, unsignedLoad: number, store: number): void => {
    elements(
      c,
      size,
      (l) => {
        c.get(l.m).get(l.at).op(W.i32_add).memory(W.i64_load8_s, F.V).set(by);
        const address = (): Code => c.get(l.n).get(l.at).op(W.i32_add);
        c.get(unsigned).op(W.if, T.i64);
        address().memory(unsignedLoad, F.V).op(W.else);
        address().memory(signedLoad, F.V).op(W.end).set(x);
        // To the left; from 64 on nothing is left.
        c.get(by).i64(0).op(W.i64_ge_s, W.if, T.i64);
        c.get(x).get(by).op(W.i64_shl).i64(0).get(by).i64(64).op(W.i64_lt_s, W.select).op(W.else);
        c.i64(0).get(by).op(W.i64_sub).set(by);
        bit(1).op(W.if, T.i64);
        // Rounded: the bit below the result is added; by 64 only an unsigned number's highest one is left.
        c.get(by).i64(64).op(W.i64_lt_s, W.if, T.i64);
        right(() => c.get(by));
        c.get(x).get(by).i64(1).op(W.i64_sub, W.i64_shr_s).i64(1).op(W.i64_and, W.i64_add, W.else);
        c.get(x).i64(63).op(W.i64_shr_u).i64(0).get(unsigned).get(by).i64(64).op(W.i64_eq, W.i32_and, W.select);
        c.op(W.end, W.else);
        // By 63, a narrower number's sign is left, and of an unsigned 64-bit one a bit too many.
        right(() => c.get(by).i64(63).get(by).i64(63).op(W.i64_lt_s, W.select));
        if (size === 3) c.i64(0).get(by).i64(64).op(W.i64_lt_s).get(unsigned).op(W.i32_eqz, W.i32_or, W.select);
        c.op(W.end, W.end);
      },
      store,
    );
    c.op(W.return);
  };
  const loads: [number, number, number][] = [
    [W.i64_load8_s, W.i64_load8_u, W.i64_store8],
    [W.i64_load16_s, W.i64_load16_u, W.i64_store16],
    [W.i64_load32_s, W.i64_load32_u, W.i64_store32],
    [W.i64_load, W.i64_load, W.i64_store],
  ];
  loads.forEach(([signedLoad, unsignedLoad, store], size) => {
    c.get(ARGUMENT).i32(20).op(W.i32_shr_u).i32(3).op(W.i32_and).i32(size).op(W.i32_eq, W.if, T.void);
    bySize(size, signedLoad, unsignedLoad, store);
    c.op(W.end);
  });
  c.i32(0);
  return c;
}

/** Pushes the extra operand's bits, as they stand in the argument. */
function extra(c: Code, bits: number): Code {
  return c
    .get(ARGUMENT)
    .i32(bits << 25)
    .op(W.i32_and);
}

/** Stores the scalar that `push` pushes in Vd, zero above, and FPSR.IXC where `inexact` is 1; done. */
function scalarResult(c: Code, store: number, push: () => void, inexact: number): void {
  register(c, 0).i32(0).vector(WV.i32x4_splat).vectorMemory(WV.store, F.V);
  register(c, 0);
  push();
  c.memory(store, F.V);
  c.get(FRAME)
    .get(FRAME)
    .memory(W.i32_load, F.FPSR)
    .get(inexact)
    .i32(IXC)
    .op(W.i32_mul, W.i32_or)
    .memory(W.i32_store, F.FPSR)
    .i32(1);
}

/** FCVTZS and its kin to a general register: a number that is an integer already is every rounding's result. */
function toGeneral(size: number): Code {
  const c = new Code();
  const x = c.local(T.f64);
  c.get(FRAME).memory(W.i32_load, F.FPCR).op(W.i32_eqz).require();
  // No fraction bits.
  c.get(ARGUMENT)
    .i32((31 << 15) | ((FRACTION_32 | FRACTION_64) << 25))
    .op(W.i32_and, W.i32_eqz)
    .require();
  register(c, 5);
  if (size === 3) c.memory(W.f64_load, F.V);
  else c.memory(W.f32_load, F.V).op(W.f64_promote_f32);
  c.tee(x).op(W.f64_trunc).get(x).op(W.f64_eq).require();
  // Within 32 bits, or 53, whatever the integer's width: x ≥ 0 when it is unsigned.
  c.get(x);
  extra(c, UNSIGNED).op(W.if, T.f64).f64(0).op(W.else);
  extra(c, WORD64)
    .op(W.if, T.f64)
    .f64(-(2 ** 53))
    .op(W.else)
    .f64(-(2 ** 31))
    .op(W.end, W.end, W.f64_ge)
    .require();
  c.get(x);
  extra(c, WORD64)
    .op(W.if, T.f64)
    .f64(2 ** 53)
    .op(W.else);
  extra(c, UNSIGNED)
    .op(W.if, T.f64)
    .f64(2 ** 32)
    .op(W.else)
    .f64(2 ** 31)
    .op(W.end, W.end, W.f64_lt)
    .require();
  c.get(FRAME).get(x).op(0xfc, WFC.i64_trunc_sat_f64_s).memory(W.i64_store, F.ARG0).i32(1);
  return c;
}

/** SCVTF and UCVTF of a general register, without fraction bits. */
function fromGeneral(size: number): Code {
  const c = new Code();
  const x = c.local(T.i64);
  const r = c.local(size === 3 ? T.f64 : T.f32);
  const inexact = c.local(T.i32);
  c.get(FRAME).memory(W.i32_load, F.FPCR).op(W.i32_eqz).require();
  c.get(ARGUMENT)
    .i32((31 << 15) | ((FRACTION_32 | FRACTION_64) << 25))
    .op(W.i32_and, W.i32_eqz)
    .require();
  c.get(FRAME).memory(W.i64_load, F.ARG0).set(x);
  extra(c, WORD64).op(W.i32_eqz, W.if, T.void);
  extra(c, UNSIGNED).op(W.i32_eqz, W.if, T.void).get(x).op(W.i64_extend32_s).set(x).op(W.end, W.end);
  const [signed, unsigned, signedBack, unsignedBack] =
    size === 3
      ? [W.f64_convert_i64_s, W.f64_convert_i64_u, WFC.i64_trunc_sat_f64_s, WFC.i64_trunc_sat_f64_u]
      : [W.f32_convert_i64_s, W.f32_convert_i64_u, WFC.i64_trunc_sat_f32_s, WFC.i64_trunc_sat_f32_u];
  // The greatest integers come back although they were rounded.
  extra(c, UNSIGNED).op(W.if, T.void);
  c.get(x)
    .op(unsigned)
    .tee(r)
    .op(0xfc, unsignedBack)
    .get(x)
    .op(W.i64_ne)
    .get(x)
    .i64(-1)
    .op(W.i64_eq, W.i32_or)
    .set(inexact)
    .op(W.else);
  c.get(x)
    .op(signed)
    .tee(r)
    .op(0xfc, signedBack)
    .get(x)
    .op(W.i64_ne)
    .get(x)
    .i64((1n << 63n) - 1n)
    .op(W.i64_eq, W.i32_or)
    .set(inexact)
    .op(W.end);
  scalarResult(c, size === 3 ? W.f64_store : W.f32_store, () => c.get(r), inexact);
  return c;
}

/** FCVT of a double to a single. */
function toSingle(): Code {
  const c = new Code();
  const x = c.local(T.f64);
  const r = c.local(T.f32);
  const inexact = c.local(T.i32);
  c.get(FRAME).memory(W.i32_load, F.FPCR).op(W.i32_eqz).require();
  c.get(ARGUMENT)
    .i32((3 << 20) | (3 << 25))
    .op(W.i32_and)
    .i32((3 << 20) | (2 << 25))
    .op(W.i32_eq)
    .require();
  register(c, 5)
    .memory(W.f64_load, F.V)
    .tee(x)
    .op(W.f32_demote_f64)
    .tee(r)
    .op(W.f64_promote_f32)
    .get(x)
    .op(W.f64_ne)
    .set(inexact);
  // A rounded number must not have underflowed, nor overflowed; an exact one is no NaN.
  c.get(inexact).op(W.i32_eqz);
  c.get(r)
    .op(W.f32_abs, W.f64_promote_f32)
    .f64(2 ** -126)
    .op(W.f64_gt)
    .get(r)
    .op(W.f32_abs, W.f64_promote_f32)
    .f64(Infinity)
    .op(W.f64_lt, W.i32_and, W.i32_or)
    .require();
  scalarResult(c, W.f32_store, () => c.get(r), inexact);
  return c;
}

/**
 * PMULL of doublewords, by Karatsuba's method on 32-bit halves; their carry-less products are integer products of
 * operands with three empty bits between any two, which hold the carries.
 */
function polynomial(): Code {
  const c = new Code();
  /** Locals with every fourth bit of the i64 on the stack. */
  const combs = (): number[] => {
    const x = c.local(T.i64);
    c.set(x);
    return [0, 1, 2, 3].map((r) => {
      const comb = c.local(T.i64);
      c.get(x)
        .i64(0x11111111 * 2 ** r)
        .op(W.i64_and)
        .set(comb);
      return comb;
    });
  };
  const product = (x: readonly number[], y: readonly number[]): number => {
    for (let r = 0; r < 4; r++) {
      for (let k = 0; k < 4; k++) {
        c.get(x[k]!)
          .get(y[(r - k) & 3]!)
          .op(W.i64_mul);
        if (k > 0) c.op(W.i64_xor);
      }
      c.i64(0x1111111111111111n << BigInt(r)).op(W.i64_and);
      if (r > 0) c.op(W.i64_or);
    }
    const result = c.local(T.i64);
    c.set(result);
    return result;
  };
  const [a, b] = [5, 10].map((at) => {
    const value = c.local(T.i64);
    register(c, at)
      .get(ARGUMENT)
      .i32(25)
      .op(W.i32_shr_u)
      .i32(3)
      .op(W.i32_shl, W.i32_add)
      .memory(W.i64_load, F.V)
      .tee(value);
    const low = combs();
    c.get(value).i64(32).op(W.i64_shr_u);
    return { low, high: combs() };
  }) as [{ low: number[]; high: number[] }, { low: number[]; high: number[] }];
  const low = product(a.low, b.low);
  const high = product(a.high, b.high);
  for (const half of [a, b]) half.low.forEach((local, k) => c.get(local).get(half.high[k]!).op(W.i64_xor).set(local));
  const middle = product(a.low, b.low);
  c.get(middle).get(low).get(high).op(W.i64_xor, W.i64_xor).set(middle);
  register(c, 0).get(low).get(middle).i64(32).op(W.i64_shl, W.i64_xor).memory(W.i64_store, F.V);
  register(c, 0)
    .get(high)
    .get(middle)
    .i64(32)
    .op(W.i64_shr_u, W.i64_xor)
    .memory(W.i64_store, F.V + 8);
  return c.i32(1);
}

const KINDS: readonly [Helper, Kind][] = [
  [fpAdd, 'add'],
  [fpSubtract, 'subtract'],
  [fpMultiply, 'multiply'],
  [fpNegatedMultiply, 'negatedMultiply'],
  [fpDivide, 'divide'],
  [fpSquareRoot, 'squareRoot'],
  [fpMultiplyAdd, 'multiplyAdd'],
];

type HelperFunction = (frame: number, id: number, argument: number) => number;

/** Makes the function that translated code calls for helpers: the first tier before `javascript`. */
export function makeFastHelpers(memory: WebAssembly.Memory, javascript: HelperFunction): HelperFunction {
  // By helper and size; the errors of products need fused operations.
  const functions: Code[] = [
    shifts(),
    toGeneral(2),
    toGeneral(3),
    fromGeneral(2),
    fromGeneral(3),
    toSingle(),
    polynomial(),
  ];
  const cases = new Map<number, [single: number, double: number]>([
    [helperId(variableShift), [1, 1]],
    [helperId(fpToGeneral), [2, 3]],
    [helperId(generalToFp), [4, 5]],
    [helperId(fpConvert), [6, 6]],
    [helperId(polynomialMultiply64), [7, 7]],
  ]);
  if (hostFuses()) {
    for (const [helper, kind] of KINDS) {
      cases.set(helperId(helper), [functions.length + 1, functions.length + 2]);
      functions.push(operation(kind, 2), operation(kind, 3));
    }
  }
  // The import is function 0; the dispatcher comes last: (frame, id, argument).
  const dispatch = new Code();
  dispatch.op(W.block, T.void);
  const numbers = [...cases.keys()].sort((a, b) => a - b);
  for (const id of numbers) {
    const [single, double] = cases.get(id)!;
    const call = (f: number): Code => dispatch.get(0).get(2).op(W.call).u(f);
    dispatch.get(1).i32(id).op(W.i32_eq, W.if, T.void);
    const size = (): Code => dispatch.get(2).i32(20).op(W.i32_shr_u).i32(3).op(W.i32_and);
    if (single === double) call(single);
    else {
      // Halves are undecided.
      size().i32(2).op(W.i32_lt_u, W.br_if, 1);
      size().i32(3).op(W.i32_eq, W.if, T.i32);
      call(double).op(W.else);
      call(single).op(W.end);
    }
    dispatch.op(W.i32_eqz, W.br_if, 1).i32(0).op(W.return, W.end);
  }
  dispatch.op(W.end).get(0).get(1).get(2).op(W.call, 0);

  const out = new CodeBuffer();
  const scratch = new CodeBuffer();
  out.append(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  out.section(1, scratch, (b) => {
    b.append(Uint8Array.of(2, 0x60, 2, T.i32, T.i32, 1, T.i32, 0x60, 3, T.i32, T.i32, T.i32, 1, T.i32));
  });
  out.section(2, scratch, (b) => {
    b.u32(2);
    b.name('e');
    b.name('memory');
    b.append(Uint8Array.of(2, 3));
    // Any memory fits.
    b.u32(1);
    b.u32(65536);
    b.name('e');
    b.name('helper');
    b.append(Uint8Array.of(0, 1));
  });
  out.section(3, scratch, (b) => {
    b.u32(functions.length + 1);
    functions.forEach(() => b.u32(0));
    b.u32(1);
  });
  out.section(7, scratch, (b) => {
    b.u32(1);
    b.name('helper');
    b.u8(0);
    b.u32(functions.length + 1);
  });
  out.section(10, scratch, (b) => {
    b.u32(functions.length + 1);
    for (const c of [...functions, dispatch]) {
      const body = new CodeBuffer();
      body.u32(c.locals.length);
      for (const type of c.locals) {
        body.u32(1);
        body.u8(type);
      }
      body.append(Uint8Array.from(c.bytes));
      body.u8(W.end);
      b.u32(body.length);
      b.append(body.view());
    }
  });
  const module = new WebAssembly.Module(out.view());
  return new WebAssembly.Instance(module, { e: { memory, helper: javascript } }).exports['helper'] as HelperFunction;
}
