import { F } from '../../core/frame.ts';
import { helperId } from '../../core/helpers.ts';
import { packOperands, type Helper, type Operands } from '../../fp/operands.ts';
import { T, W, WV, type ValueType } from '../../wasm/opcodes.ts';
import type { Fields, Instruction, Options } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import { V0 } from '../emitter-registers.ts';
import { P } from '../region-abi.ts';
import type { Translator } from '../translator.ts';
import { keep, shuffleElements, simd } from './simd-lanes.ts';

/**
 * How floating-point rows compute: by one host instruction where FPCR and FPSR make its result the processor's and
 * the result is ordinary, else by a helper, which is out of line and exact.
 */

/**
 * What a host result must be to stand, beside `fpFast`.
 * - finite: sums; what is tiny is exact.
 * - normal: everything that can underflow, and has not.
 * And without IXC set, as the operation is exact, with FPCR 0:
 * - number: not a NaN.
 */
export type Accept = 'finite' | 'normal' | 'number';

const EXTRACT = [0, 0, WV.f32x4_extract_lane, WV.f64x2_extract_lane];
const REPLACE = [0, 0, WV.f32x4_replace_lane, WV.f64x2_replace_lane];
export const FLOAT: readonly ValueType[] = [T.i32, T.i32, T.f32, T.f64];

/** Pushes a float constant of `size` 2 or 3. */
export function floatConstant(t: Translator, size: number, value: number): void {
  const view = new DataView(new ArrayBuffer(8));
  if (size === 2) {
    t.op(W.f32_const);
    view.setFloat32(0, value, true);
  } else {
    t.op(W.f64_const);
    view.setFloat64(0, value, true);
  }
  for (let b = 0; b < 1 << size; b++) t.op(view.getUint8(b));
}

/** Pushes the lowest element of Vn as f32 or f64. */
export function scalar(t: Translator, size: number, n: number): void {
  t.v(n);
  t.vlane(EXTRACT[size]!, 0);
}

/** Pushes a v128 with a scalar local and zeros. */
export function widen(t: Translator, size: number, value: Local): void {
  t.vzero();
  t.get(value);
  t.vlane(REPLACE[size]!, 0);
}

/** Pushes an i32, nonzero when FPCR is 0. */
export function fpcrDefault(t: Translator): void {
  t.frameLoad(W.i32_load, F.FPCR);
  t.op(W.i32_eqz);
}

function acceptScalar(t: Translator, size: number, r: Local, accept: Accept): void {
  t.get(r);
  if (accept === 'number') {
    t.get(r);
    t.op(size === 3 ? W.f64_eq : W.f32_eq);
    fpcrDefault(t);
  } else if (accept === 'finite') {
    t.op(size === 3 ? W.f64_abs : W.f32_abs);
    floatConstant(t, size, Infinity);
    t.op(size === 3 ? W.f64_lt : W.f32_lt);
    t.fpFast();
  } else {
    // The biased exponent is neither 0 nor 1 (the least normal number may have been rounded up to) nor the greatest.
    if (size === 3) {
      t.op(W.i64_reinterpret_f64);
      t.i64(52);
      t.op(W.i64_shr_u, W.i32_wrap_i64);
    } else {
      t.op(W.i32_reinterpret_f32);
      t.i32(23);
      t.op(W.i32_shr_u);
    }
    t.i32(size === 3 ? 0x7ff : 0xff);
    t.op(W.i32_and);
    t.i32(2);
    t.op(W.i32_sub);
    t.i32(size === 3 ? 0x7fd : 0xfd);
    t.op(W.i32_lt_u);
    t.fpFast();
  }
  t.op(W.i32_and);
}

function acceptVector(t: Translator, size: number, r: Local, accept: Accept): void {
  const z = size - 2;
  t.get(r);
  if (accept === 'number') {
    t.get(r);
    t.vop([WV.f32x4_eq, WV.f64x2_eq][z]!);
  } else {
    // Zero for a finite number, NaN else.
    t.get(r);
    t.vop([WV.f32x4_sub, WV.f64x2_sub][z]!);
    t.vzero();
    t.vop([WV.f32x4_eq, WV.f64x2_eq][z]!);
    if (accept === 'normal') {
      t.get(r);
      t.vop([WV.f32x4_abs, WV.f64x2_abs][z]!);
      floatConstant(t, size, size === 3 ? 2 ** -1022 : 2 ** -126);
      t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
      t.vop([WV.f32x4_gt, WV.f64x2_gt][z]!);
      t.vop(WV.and);
    }
  }
  t.vop([WV.i32x4_all_true, WV.i64x2_all_true][z]!);
  if (accept === 'number') fpcrDefault(t);
  else t.fpFast();
  t.op(W.i32_and);
}

/** Calls a helper on the registers `reads`, inside an arm or not; what it returns is on the stack. */
export function callExact(t: Translator, helper: Helper, operands: Operands, reads: readonly number[]): void {
  for (const n of reads) if ((t.dirtyHi >>> n) & 1) t.store(V0 + n);
  t.helper(helperId(helper), packOperands(operands));
}

/** The same; pushes the v128 that the helper left in Vd's place in the frame. */
export function pushExact(t: Translator, helper: Helper, operands: Operands, reads: readonly number[]): void {
  callExact(t, helper, operands, reads);
  t.op(W.drop);
  t.get(P.frame);
  t.vmemory(WV.load, F.V + 16 * operands.d);
}

/** Vd = a scalar: `fast` pushes an f32 or f64; undefined (or a half) leaves everything to the helper. */
export function scalarResult(t: Translator, size: number, accept: Accept, fast: (() => void) | undefined, helper: Helper, operands: Operands, reads: readonly number[]): void {
  const all: Operands = { ...operands, size, lanes: 0 };
  touch(t, reads);
  if (fast === undefined || size < 2) pushExact(t, helper, all, reads);
  else {
    fast();
    const r = t.popTemp(FLOAT[size]!);
    acceptScalar(t, size, r, accept);
    t.if(T.v128, () => widen(t, size, r), () => pushExact(t, helper, all, reads));
  }
  t.setV(operands.d);
}

/** Vd = a vector of `bits` bits, or with fewer than 64 a scalar: `fast` pushes a v128. */
export function vectorResult(t: Translator, size: number, bits: number, accept: Accept, fast: (() => void) | undefined, helper: Helper, operands: Operands, reads: readonly number[]): void {
  const all: Operands = { ...operands, size, lanes: Math.log2(bits >> (3 + size)) };
  touch(t, reads);
  if (fast === undefined || size < 2) pushExact(t, helper, all, reads);
  else {
    fast();
    const r = t.popTemp(T.v128);
    if (bits < 128) {
      // What is above the result must not look extraordinary.
      const z = bits === 64 ? 3 : 2;
      t.get(r);
      t.get(r);
      shuffleElements(t, z, new Array<number>(16 >> z).fill(0));
      t.set(r);
    }
    acceptVector(t, size, r, accept);
    t.if(
      T.v128,
      () => {
        t.get(r);
        keep(t, bits);
      },
      () => pushExact(t, helper, all, reads),
    );
  }
  t.setV(operands.d);
}

/** A helper's registers are read, though maybe in the frame: the region's plan wants to know. */
export function touch(t: Translator, reads: readonly number[]): void {
  for (const n of reads) t.readHi |= 1 << n;
}

/** Element size (log2 of bytes) of ftype: single, double, none, half. */
export const FTYPE = [2, 3, 0, 1];

/** Two rows of a scalar instruction whose pattern has ftype: single and double, and half (FEAT_FP16). */
export function scalarRows<const P extends string>(name: string, pattern: P, syntax: string, options: Options<P>, translate: (t: Translator, i: Fields<P>, size: number) => void): Instruction[] {
  const { when } = options;
  return [
    simd(name, pattern, syntax, { ...options, when: (i) => (i as unknown as { ftype: number }).ftype < 2 && (when === undefined || when(i)) }, (t, i) =>
      translate(t, i, FTYPE[(i as unknown as { ftype: number }).ftype]!),
    ),
    simd(name, pattern.replace('ftype', '11') as P, syntax, { ...options, feature: 'FEAT_FP16' }, (t, i) => translate(t, i, 1)),
  ];
}
