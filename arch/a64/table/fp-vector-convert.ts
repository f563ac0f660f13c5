import * as conversions from '../../fp/conversions.ts';
import { T, WFC, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import { V0 } from '../emitter-registers.ts';
import type { Translator } from '../translator.ts';
import { floatConstant, fpcrDefault, pushExact, touch } from './fp-emit.ts';
import { roundVector, twoRegister } from './fp-vector.ts';
import { keep, scalarSyntax, shuffleElements, simd, type Meaning } from './simd-lanes.ts';
import { setHalf } from './simd-misc.ts';

/** Conversions of vectors, and AdvSIMD scalars: to and from integers, longer and narrower formats. */

/** `fraction` bits as the helpers take them. */
function fractionOperands(fraction: number, extra: number): { a: number; extra: number } {
  return { a: fraction & 31, extra: extra | (fraction & 32 ? conversions.FRACTION_32 : 0) | (fraction & 64 ? conversions.FRACTION_64 : 0) };
}

/** Applies a scalar conversion to both 64-bit lanes of a local; pushes the result. */
function lanes64(t: Translator, from: Local, extract: number, convert: () => void, splat: number, replace: number): void {
  t.get(from);
  t.vlane(extract, 0);
  convert();
  t.vop(splat);
  t.get(from);
  t.vlane(extract, 1);
  convert();
  t.vlane(replace, 1);
}

/** Integers of the elements' size, rounded by `mode` and saturated. */
function toInteger(mode: number, unsigned: number, fraction: (m: number) => number): Meaning {
  return (t, s) => {
    const bits = fraction(s.m);
    const operands = { d: s.d, n: s.n, size: s.size, lanes: Math.log2(s.bits >> (3 + s.size)), ...fractionOperands(bits, mode | (unsigned !== 0 ? conversions.UNSIGNED : 0)) };
    const exact = (): void => pushExact(t, conversions.fpToInteger, operands, [s.n]);
    touch(t, [s.n]);
    if (s.size < 2) exact();
    else {
      const z = s.size - 2;
      if (bits !== 0) {
        t.v(s.n);
        floatConstant(t, s.size, 2 ** bits);
        t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
        t.vop([WV.f32x4_mul, WV.f64x2_mul][z]!);
      } else if (mode === 3) t.v(s.n);
      else roundVector(t, s.size, s.n, mode);
      const y = t.popTemp(T.v128);
      if (s.bits < 128) {
        // What lies above must not look out of range.
        t.get(y);
        keep(t, s.bits);
        t.set(y);
      }
      t.get(y);
      if (unsigned === 0) t.vop([WV.f32x4_abs, WV.f64x2_abs][z]!);
      floatConstant(t, s.size, 2 ** ((8 << s.size) - (unsigned !== 0 ? 0 : 1)));
      t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
      t.vop([WV.f32x4_lt, WV.f64x2_lt][z]!);
      if (unsigned !== 0) {
        t.get(y);
        floatConstant(t, s.size, -1);
        t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
        t.vop([WV.f32x4_gt, WV.f64x2_gt][z]!);
        t.vop(WV.and);
      }
      t.vop([WV.i32x4_all_true, WV.i64x2_all_true][z]!);
      t.fpFast();
      t.op(W.i32_and);
      t.if(
        T.v128,
        () => {
          if (z === 0) {
            t.get(y);
            t.vop(unsigned !== 0 ? WV.i32x4_trunc_sat_f32x4_u : WV.i32x4_trunc_sat_f32x4_s);
          } else lanes64(t, y, WV.f64x2_extract_lane, () => t.truncSat(unsigned !== 0 ? WFC.i64_trunc_sat_f64_u : WFC.i64_trunc_sat_f64_s), WV.i64x2_splat, WV.i64x2_replace_lane);
          // What was cleared above has become zero.
        },
        exact,
      );
    }
    t.setV(s.d);
  };
}

function fromInteger(unsigned: number, fraction: (m: number) => number): Meaning {
  return (t, s) => {
    const bits = fraction(s.m);
    const operands = { d: s.d, n: s.n, size: s.size, lanes: Math.log2(s.bits >> (3 + s.size)), ...fractionOperands(bits, unsigned !== 0 ? conversions.UNSIGNED : 0) };
    const exact = (): void => pushExact(t, conversions.integerToFp, operands, [s.n]);
    touch(t, [s.n]);
    if (s.size < 2) exact();
    else {
      const z = s.size - 2;
      t.v(s.n);
      if (s.bits < 128) keep(t, s.bits);
      if (z === 0) t.vop(unsigned !== 0 ? WV.f32x4_convert_i32x4_u : WV.f32x4_convert_i32x4_s);
      else lanes64(t, t.popTemp(T.v128), WV.i64x2_extract_lane, () => t.op(unsigned !== 0 ? W.f64_convert_i64_u : W.f64_convert_i64_s), WV.f64x2_splat, WV.f64x2_replace_lane);
      if (bits !== 0) {
        floatConstant(t, s.size, 2 ** -bits);
        t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
        t.vop([WV.f32x4_mul, WV.f64x2_mul][z]!);
      }
      const r = t.popTemp(T.v128);
      t.fpFast();
      t.if(T.v128, () => t.get(r), exact);
    }
    t.setV(s.d);
  };
}

const none = (): number => 0;

type ShiftVector = '0 Q 0 011110 immh immb 00000 1 Rn Rd';

/** Fixed-point conversions among the shifts by immediate: immh gives the size, the fraction bits are 2 × esize - immh:immb. */
function fixedPoint(name: string, U: number, opcode: string, make: (fraction: (m: number) => number) => Meaning): Instruction[] {
  const size = (immh: number): number => (immh >= 8 ? 3 : immh >= 4 ? 2 : 1);
  const meaning = make((m) => m);
  const emit = (t: Translator, i: { Rd: number; Rn: number; immh: number; immb: number }, bits: number): void => {
    const z = size(i.immh);
    meaning(t, { d: i.Rd, n: i.Rn, m: (16 << z) - ((i.immh << 3) | i.immb), size: z, bits: bits === 0 ? 8 << z : bits });
  };
  const vector = `0 Q ${U} 011110 immh immb ${opcode} 1 Rn Rd` as ShiftVector;
  const scalar = `01 ${U} 111110 immh immb ${opcode} 1 Rn Rd` as '01 0 111110 immh immb 00000 1 Rn Rd';
  const label = `${name} (vector, fixed-point)`;
  const syntax = `${name} <Vd>.<T>, <Vn>.<T>, #<fbits>`;
  return [
    simd(label, vector, syntax, { when: (i) => i.immh >= 4 && !(i.immh >= 8 && i.Q === 0) }, (t, i) => emit(t, i, i.Q !== 0 ? 128 : 64)),
    simd(label, vector, syntax, { feature: 'FEAT_FP16', when: (i) => i.immh === 2 || i.immh === 3 }, (t, i) => emit(t, i, i.Q !== 0 ? 128 : 64)),
    simd(label, scalar, scalarSyntax(syntax), { when: (i) => i.immh >= 4 }, (t, i) => emit(t, i, 0)),
    simd(label, scalar, scalarSyntax(syntax), { feature: 'FEAT_FP16', when: (i) => i.immh === 2 || i.immh === 3 }, (t, i) => emit(t, i, 0)),
  ];
}

/** Pops the f32x4 result `r` of a narrowing; pushes an i32, nonzero when its low half is all normal numbers. */
function lowNormal(t: Translator, r: Local): void {
  t.get(r);
  t.get(r);
  shuffleElements(t, 3, [0, 0]);
  const both = t.popTemp(T.v128);
  t.get(both);
  t.get(both);
  t.vop(WV.f32x4_sub);
  t.vzero();
  t.vop(WV.f32x4_eq);
  t.get(both);
  t.vop(WV.f32x4_abs);
  floatConstant(t, 2, 2 ** -126);
  t.vop(WV.f32x4_splat);
  t.vop(WV.f32x4_gt);
  t.vop(WV.and);
  t.vop(WV.i32x4_all_true);
}

/** Narrowing by the helper alone: the result goes into one half of Vd. */
function narrowExact(t: Translator, d: number, n: number, size: number, Q: number, extra: number): void {
  const reads = Q !== 0 ? [n, d] : [n];
  touch(t, reads);
  pushExact(t, conversions.fpConvertNarrow, { d, n, size, extra: extra | Q }, reads);
  t.setV(d);
}

export const fpVectorConvert: readonly Instruction[] = [
  ...twoRegister('FCVTNS (vector)', 0, 0, '11010', true, toInteger(0, 0, none)),
  ...twoRegister('FCVTNU (vector)', 1, 0, '11010', true, toInteger(0, 1, none)),
  ...twoRegister('FCVTMS (vector)', 0, 0, '11011', true, toInteger(2, 0, none)),
  ...twoRegister('FCVTMU (vector)', 1, 0, '11011', true, toInteger(2, 1, none)),
  ...twoRegister('FCVTAS (vector)', 0, 0, '11100', true, toInteger(4, 0, none)),
  ...twoRegister('FCVTAU (vector)', 1, 0, '11100', true, toInteger(4, 1, none)),
  ...twoRegister('FCVTPS (vector)', 0, 1, '11010', true, toInteger(1, 0, none)),
  ...twoRegister('FCVTPU (vector)', 1, 1, '11010', true, toInteger(1, 1, none)),
  ...twoRegister('FCVTZS (vector, integer)', 0, 1, '11011', true, toInteger(3, 0, none)),
  ...twoRegister('FCVTZU (vector, integer)', 1, 1, '11011', true, toInteger(3, 1, none)),
  ...twoRegister('SCVTF (vector, integer)', 0, 0, '11101', true, fromInteger(0, none)),
  ...twoRegister('UCVTF (vector, integer)', 1, 0, '11101', true, fromInteger(1, none)),
  ...fixedPoint('SCVTF', 0, '11100', (fraction) => fromInteger(0, fraction)),
  ...fixedPoint('UCVTF', 1, '11100', (fraction) => fromInteger(1, fraction)),
  ...fixedPoint('FCVTZS', 0, '11111', (fraction) => toInteger(3, 0, fraction)),
  ...fixedPoint('FCVTZU', 1, '11111', (fraction) => toInteger(3, 1, fraction)),
  simd('FCVTL, FCVTL2', '0 Q 0 01110 0 sz 10000 10111 10 Rn Rd', 'FCVTL{2} <Vd>.<Ta>, <Vn>.<Tb>', {}, (t, i) => {
    const exact = (): void => pushExact(t, conversions.fpConvertLong, { d: i.Rd, n: i.Rn, size: 1 + i.sz, extra: i.Q }, [i.Rn]);
    touch(t, [i.Rn]);
    if (i.sz === 0) exact();
    else {
      t.v(i.Rn);
      if (i.Q !== 0) {
        t.v(i.Rn);
        shuffleElements(t, 3, [1, 1]);
      }
      t.vop(WV.f64x2_promote_low_f32x4);
      const r = t.popTemp(T.v128);
      t.get(r);
      t.get(r);
      t.vop(WV.f64x2_eq);
      t.vop(WV.i64x2_all_true);
      fpcrDefault(t);
      t.op(W.i32_and);
      t.if(T.v128, () => t.get(r), exact);
    }
    t.setV(i.Rd);
  }),
  simd('FCVTN, FCVTN2', '0 Q 0 01110 0 sz 10000 10110 10 Rn Rd', 'FCVTN{2} <Vd>.<Tb>, <Vn>.<Ta>', {}, (t, i) => {
    if (i.sz === 0) {
      narrowExact(t, i.Rd, i.Rn, 1, i.Q, 0);
      return;
    }
    t.v(i.Rn);
    t.vop(WV.f32x4_demote_f64x2_zero);
    const r = t.popTemp(T.v128);
    // The helper writes Vd's place in the frame: its old value must be in a local.
    if (i.Q !== 0) t.load(V0 + i.Rd);
    touch(t, i.Q !== 0 ? [i.Rn, i.Rd] : [i.Rn]);
    lowNormal(t, r);
    t.fpFast();
    t.op(W.i32_and);
    // The helper's result in the low half too: then both go the same way.
    t.if(T.v128, () => t.get(r), () => pushExact(t, conversions.fpConvertNarrow, { d: i.Rd, n: i.Rn, size: 2, extra: 0 }, [i.Rn]));
    setHalf(t, i.Rd, i.Q);
  }),
  simd('FCVTXN, FCVTXN2', '0 Q 1 01110 0 1 10000 10110 10 Rn Rd', 'FCVTXN{2} <Vd>.<2S|4S>, <Vn>.2D', {}, (t, i) => narrowExact(t, i.Rd, i.Rn, 2, i.Q, conversions.TO_ODD)),
  simd('FCVTXN, FCVTXN2', '01 1 11110 0 1 10000 10110 10 Rn Rd', 'FCVTXN S<d>, D<n>', {}, (t, i) => narrowExact(t, i.Rd, i.Rn, 2, 0, conversions.TO_ODD | conversions.SCALAR)),
  simd('BFCVTN, BFCVTN2', '0 Q 0 01110 10 10000 10110 10 Rn Rd', 'BFCVTN{2} <Vd>.<4H|8H>, <Vn>.4S', { feature: 'FEAT_BF16' }, (t, i) => narrowExact(t, i.Rd, i.Rn, 1, i.Q, conversions.TO_BFLOAT)),
];
