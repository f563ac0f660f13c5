import { F } from '../core/frame.ts';
import { T, W, WFC, WV } from '../wasm/opcodes.ts';
import { ARGUMENT, Code, extra, FRAME, register } from './code.ts';
import { FRACTION_32, FRACTION_64, UNSIGNED, WORD64 } from './conversions.ts';
import { IXC } from './softfloat.ts';

/** Conversions of scalars in the helpers' first tier. */

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
export function toGeneral(size: number): Code {
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
  c.get(FRAME).get(x).op(0xfc, WFC.i64_trunc_sat_f64_s).i64(-1).i64(0xffffffff);
  extra(c, WORD64).op(W.select, W.i64_and).memory(W.i64_store, F.ARG0).i32(1);
  return c;
}

/** SCVTF and UCVTF of a general register, without fraction bits. */
export function fromGeneral(size: number): Code {
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
  c.get(x).i64(0xffffffff).op(W.i64_and).get(x).op(W.i64_extend32_s);
  extra(c, UNSIGNED).op(W.select).set(x).op(W.end);
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
export function toSingle(): Code {
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
