import type { Feature } from '../../core/idregs.ts';
import { F } from '../../core/frame.ts';
import { helperId } from '../../core/helpers.ts';
import { packOperands, type Helper, type Operands } from '../../fp/operands.ts';
import { T, W, WV } from '../../wasm/opcodes.ts';
import { instruction, type AnyFields, type Fields, type Instruction, type Options } from '../encoding.ts';
import type { Translator } from '../translator.ts';

/**
 * What the AdvSIMD and floating-point rows share: WebAssembly opcodes by element size, results of 128 bits and less,
 * the cumulative saturation flag, and calls of helpers on whole registers.
 */

/** A row whose instruction uses SIMD&FP registers, and traps where they are trapped. */
export function simd<const P extends string>(
  name: string,
  pattern: P,
  syntax: string,
  options: Options<P>,
  translate: (t: Translator, i: Fields<P>) => void,
): Instruction {
  return instruction(name, pattern, syntax, options, (t, i) => {
    if (t.fpEnabled()) translate(t, i);
  });
}

/** Opcodes for elements of 8, 16, 32 and 64 bits; 0 where WebAssembly has none. */
export const ADD = [WV.i8x16_add, WV.i16x8_add, WV.i32x4_add, WV.i64x2_add];
export const SUB = [WV.i8x16_sub, WV.i16x8_sub, WV.i32x4_sub, WV.i64x2_sub];
export const NEG = [WV.i8x16_neg, WV.i16x8_neg, WV.i32x4_neg, WV.i64x2_neg];
export const ABS = [WV.i8x16_abs, WV.i16x8_abs, WV.i32x4_abs, WV.i64x2_abs];
export const SHL = [WV.i8x16_shl, WV.i16x8_shl, WV.i32x4_shl, WV.i64x2_shl];
export const SHR_S = [WV.i8x16_shr_s, WV.i16x8_shr_s, WV.i32x4_shr_s, WV.i64x2_shr_s];
export const SHR_U = [WV.i8x16_shr_u, WV.i16x8_shr_u, WV.i32x4_shr_u, WV.i64x2_shr_u];
export const EQ = [WV.i8x16_eq, WV.i16x8_eq, WV.i32x4_eq, WV.i64x2_eq];
export const NE = [WV.i8x16_ne, WV.i16x8_ne, WV.i32x4_ne, WV.i64x2_ne];
export const GT_S = [WV.i8x16_gt_s, WV.i16x8_gt_s, WV.i32x4_gt_s, WV.i64x2_gt_s];
export const GE_S = [WV.i8x16_ge_s, WV.i16x8_ge_s, WV.i32x4_ge_s, WV.i64x2_ge_s];
export const LT_S = [WV.i8x16_lt_s, WV.i16x8_lt_s, WV.i32x4_lt_s, WV.i64x2_lt_s];
export const LE_S = [WV.i8x16_le_s, WV.i16x8_le_s, WV.i32x4_le_s, WV.i64x2_le_s];
export const GT_U = [WV.i8x16_gt_u, WV.i16x8_gt_u, WV.i32x4_gt_u, 0];
export const GE_U = [WV.i8x16_ge_u, WV.i16x8_ge_u, WV.i32x4_ge_u, 0];
export const MIN_S = [WV.i8x16_min_s, WV.i16x8_min_s, WV.i32x4_min_s, 0];
export const MIN_U = [WV.i8x16_min_u, WV.i16x8_min_u, WV.i32x4_min_u, 0];
export const MAX_S = [WV.i8x16_max_s, WV.i16x8_max_s, WV.i32x4_max_s, 0];
export const MAX_U = [WV.i8x16_max_u, WV.i16x8_max_u, WV.i32x4_max_u, 0];
export const SPLAT = [WV.i8x16_splat, WV.i16x8_splat, WV.i32x4_splat, WV.i64x2_splat];
export const EXTRACT_U = [WV.i8x16_extract_lane_u, WV.i16x8_extract_lane_u, WV.i32x4_extract_lane, WV.i64x2_extract_lane];
export const EXTRACT_S = [WV.i8x16_extract_lane_s, WV.i16x8_extract_lane_s, WV.i32x4_extract_lane, WV.i64x2_extract_lane];
export const REPLACE = [WV.i8x16_replace_lane, WV.i16x8_replace_lane, WV.i32x4_replace_lane, WV.i64x2_replace_lane];

/** By the size of the narrow element, then [signed low, signed high, unsigned low, unsigned high]. */
export const EXTEND = [
  [WV.i16x8_extend_low_i8x16_s, WV.i16x8_extend_high_i8x16_s, WV.i16x8_extend_low_i8x16_u, WV.i16x8_extend_high_i8x16_u],
  [WV.i32x4_extend_low_i16x8_s, WV.i32x4_extend_high_i16x8_s, WV.i32x4_extend_low_i16x8_u, WV.i32x4_extend_high_i16x8_u],
  [WV.i64x2_extend_low_i32x4_s, WV.i64x2_extend_high_i32x4_s, WV.i64x2_extend_low_i32x4_u, WV.i64x2_extend_high_i32x4_u],
] as const;
export const EXTMUL = [
  [WV.i16x8_extmul_low_i8x16_s, WV.i16x8_extmul_high_i8x16_s, WV.i16x8_extmul_low_i8x16_u, WV.i16x8_extmul_high_i8x16_u],
  [WV.i32x4_extmul_low_i16x8_s, WV.i32x4_extmul_high_i16x8_s, WV.i32x4_extmul_low_i16x8_u, WV.i32x4_extmul_high_i16x8_u],
  [WV.i64x2_extmul_low_i32x4_s, WV.i64x2_extmul_high_i32x4_s, WV.i64x2_extmul_low_i32x4_u, WV.i64x2_extmul_high_i32x4_u],
] as const;

export function extend(t: Translator, size: number, unsigned: number, high: number): void {
  t.vop(EXTEND[size]![2 * unsigned + high]!);
}

export function extmul(t: Translator, size: number, unsigned: number, high: number): void {
  t.vop(EXTMUL[size]![2 * unsigned + high]!);
}

/** Pops a v128 and shifts each element by a constant below its size in bits. */
export function shift(t: Translator, opcodes: readonly number[], size: number, amount: number): void {
  if (amount === 0) return;
  t.i32(amount);
  t.vop(opcodes[size]!);
}

/** A v128 whose elements of 8 << size bits all are `value`. */
export function splatConstant(t: Translator, size: number, value: bigint): void {
  const bits = BigInt(8 << size);
  let half = BigInt.asUintN(Number(bits), value);
  for (let b = bits; b < 64n; b *= 2n) half |= half << b;
  if (half === 0n) t.vzero();
  else t.v128(half, half);
}

/** Byte lanes of a shuffle from element lanes: elements of 1 << size bytes, numbered through both operands. */
export function byteLanes(size: number, lanes: readonly number[]): number[] {
  const out: number[] = [];
  for (const lane of lanes) for (let b = 0; b < 1 << size; b++) out.push((lane << size) + b);
  return out;
}

/** Shuffles elements of 1 << size bytes. */
export function shuffleElements(t: Translator, size: number, lanes: readonly number[]): void {
  t.vshuffle(byteLanes(size, lanes));
}

const LOW64 = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

/** Clears the bits of the v128 on the stack above the lowest `bits`. */
export function keep(t: Translator, bits: number): void {
  if (bits === 128) return;
  if (bits === 64) {
    t.vzero();
    t.vshuffle(LOW64);
    return;
  }
  const size = bits === 32 ? 2 : bits === 16 ? 1 : 0;
  t.vlane(EXTRACT_U[size]!, 0);
  const value = t.popTemp(T.i32);
  t.vzero();
  t.get(value);
  t.vlane(WV.i32x4_replace_lane, 0);
}

/** Pops a v128 into Vd, all but its lowest `bits` bits cleared. */
export function setResult(t: Translator, d: number, bits: number): void {
  keep(t, bits);
  t.setV(d);
}

/** FPSR.QC. */
export const QC = 1 << 27;

/** Pops a v128; sets FPSR.QC when any of its lowest `bits` bits is set. */
export function accumulateQc(t: Translator, bits: number): void {
  if (bits === 128) t.vop(WV.any_true);
  else if (bits === 64) {
    t.vlane(WV.i64x2_extract_lane, 0);
    t.i64(0);
    t.op(W.i64_ne);
  } else t.vlane(EXTRACT_U[bits === 32 ? 2 : bits === 16 ? 1 : 0]!, 0);
  t.if(T.void, () => {
    t.frameStore(W.i32_store, F.FPSR, () => {
      t.frameLoad(W.i32_load, F.FPSR);
      t.i32(QC);
      t.op(W.i32_or);
    });
  });
}

/** Writes Vn to the frame when the frame does not hold it. */
function syncIfDirty(t: Translator, n: number): void {
  if ((t.dirtyHi >>> n) & 1) t.syncV(n);
}

/** Vd = helper(operands): the registers `reads` are handed over in the frame, the result comes back there. */
export function callHelper(t: Translator, helper: Helper, operands: Operands, reads: readonly number[]): void {
  for (const n of reads) syncIfDirty(t, n);
  t.helper(helperId(helper), packOperands(operands));
  t.op(W.drop);
  t.reloadV(operands.d);
}

/** One vector or scalar operation: registers, element size (log2 of bytes), and how many of the low bits are kept. */
export interface Shape {
  d: number;
  n: number;
  m: number;
  size: number;
  bits: number;
}

/** Pushes the result of an operation; what lies above `bits` does not matter. */
export type Meaning = (t: Translator, s: Shape) => void;

type Lanes = '0 Q 0 01110 size 1 Rm Rn Rd';
type LaneFields = Fields<Lanes>;

/** Tells which element sizes an instruction has. */
export interface FamilyOptions {
  sizes?: readonly number[];
  feature?: Feature;
}

/** No vector of one 64-bit element is allocated. */
function vectorAllocated(sizes: readonly number[]): (i: AnyFields) => boolean {
  return (i) => sizes.includes(i.size!) && !(i.size === 3 && i.Q === 0);
}

/** Vector row: `pattern` has Q, size, Rn, Rd and maybe Rm. */
export function vectorRow(name: string, pattern: string, syntax: string, options: FamilyOptions, meaning: Meaning): Instruction {
  const sizes = options.sizes ?? [0, 1, 2, 3];
  const given: Options<Lanes> = { when: vectorAllocated(sizes) as (i: LaneFields) => boolean };
  if (options.feature !== undefined) given.feature = options.feature;
  return simd(name, pattern as Lanes, syntax, given, (t, i) => {
    const bits = i.Q !== 0 ? 128 : 64;
    meaning(t, { d: i.Rd, n: i.Rn, m: i.Rm, size: i.size, bits });
    setResult(t, i.Rd, bits);
  });
}

/** The scalar form of a vector form's syntax. */
export const scalarSyntax = (syntax: string): string => syntax.replace(/<V([dnm])>\.<T>/g, '<V><$1>');

/** Scalar row: the same meaning on the lowest element. */
export function scalarRow(name: string, pattern: string, syntax: string, options: FamilyOptions, meaning: Meaning): Instruction {
  const sizes = options.sizes ?? [3];
  const given: Options<Lanes> = { when: ((i: AnyFields) => sizes.includes(i.size!)) as (i: LaneFields) => boolean };
  if (options.feature !== undefined) given.feature = options.feature;
  return simd(name, pattern as Lanes, syntax, given, (t, i) => {
    const bits = 8 << i.size;
    meaning(t, { d: i.Rd, n: i.Rn, m: i.Rm, size: i.size, bits });
    setResult(t, i.Rd, bits);
  });
}
