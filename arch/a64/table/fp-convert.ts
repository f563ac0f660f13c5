import { F } from '../../core/frame.ts';
import * as conversions from '../../fp/conversions.ts';
import { T, W, WFC, type ValueType } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { callExact, FLOAT, floatConstant, fpcrDefault, FTYPE, pushExact, scalar, scalarRows, widen } from './fp-emit.ts';
import { ROUND, roundAway } from './fp-scalar.ts';
import { simd } from './simd-lanes.ts';

/** Conversions between scalars and general registers, and between floating-point formats. */

/** Rounds the float on the stack to integral; `mode` is 0 nearest, 1 up, 2 down, 3 to zero, 4 away. */
export function roundBy(t: Translator, size: number, mode: number): void {
  if (mode === 4) roundAway(t, size, t.popTemp(FLOAT[size]!));
  // The conversion itself truncates.
  else if (mode !== 3) t.op(ROUND[mode]![size - 2]!);
}

/** Opcodes of the saturating truncations, by size of the float, unsigned, 64 bits. */
const TRUNC = [
  [[WFC.i32_trunc_sat_f32_s, WFC.i64_trunc_sat_f32_s], [WFC.i32_trunc_sat_f32_u, WFC.i64_trunc_sat_f32_u]],
  [[WFC.i32_trunc_sat_f64_s, WFC.i64_trunc_sat_f64_s], [WFC.i32_trunc_sat_f64_u, WFC.i64_trunc_sat_f64_u]],
] as const;
const CONVERT = [
  [[W.f32_convert_i32_s, W.f32_convert_i64_s], [W.f32_convert_i32_u, W.f32_convert_i64_u]],
  [[W.f64_convert_i32_s, W.f64_convert_i64_s], [W.f64_convert_i32_u, W.f64_convert_i64_u]],
] as const;

/** Pushes an i32, nonzero when the rounded number in `y` is well within the integer's range. */
function inRange(t: Translator, size: number, y: Local, unsigned: number, wide: number): void {
  const d = size === 3;
  t.get(y);
  if (unsigned === 0) t.op(d ? W.f64_abs : W.f32_abs);
  floatConstant(t, size, 2 ** ((wide !== 0 ? 64 : 32) - (unsigned !== 0 ? 0 : 1)));
  t.op(d ? W.f64_lt : W.f32_lt);
  if (unsigned !== 0) {
    // Not yet below zero once truncated.
    t.get(y);
    floatConstant(t, size, -1);
    t.op(d ? W.f64_gt : W.f32_gt, W.i32_and);
  }
}

/** Xd or Wd = the scalar in Vn times 2^fraction, rounded by `mode` and saturated. */
function toGeneral(t: Translator, size: number, mode: number, unsigned: number, sf: number, fraction: number, d: number, n: number): void {
  const extra = mode | (unsigned !== 0 ? conversions.UNSIGNED : 0) | (sf !== 0 ? conversions.WORD64 : 0) | (fraction & 32 ? conversions.FRACTION_32 : 0) | (fraction & 64 ? conversions.FRACTION_64 : 0);
  const type: ValueType = sf !== 0 ? T.i64 : T.i32;
  const exact = (): void => {
    callExact(t, conversions.fpToGeneral, { d: 0, n, a: fraction & 31, size, extra }, [n]);
    t.op(W.drop);
    t.frameLoad(sf !== 0 ? W.i64_load : W.i32_load, F.ARG0);
  };
  t.readHi |= 1 << n;
  if (size < 2) exact();
  else {
    scalar(t, size, n);
    if (fraction !== 0) {
      floatConstant(t, size, 2 ** fraction);
      t.op(size === 3 ? W.f64_mul : W.f32_mul);
    }
    roundBy(t, size, mode);
    const y = t.popTemp(FLOAT[size]!);
    inRange(t, size, y, unsigned, sf);
    t.fpFast();
    t.op(W.i32_and);
    t.if(
      type,
      () => {
        t.get(y);
        t.truncSat(TRUNC[size - 2]![unsigned]![sf]!);
      },
      exact,
    );
  }
  if (sf !== 0) t.setX(d);
  else t.setW(d);
}

/** Vd = the integer in Xn or Wn times 2^-fraction. */
function fromGeneral(t: Translator, size: number, unsigned: number, sf: number, fraction: number, d: number, n: number): void {
  const extra = (unsigned !== 0 ? conversions.UNSIGNED : 0) | (sf !== 0 ? conversions.WORD64 : 0) | (fraction & 32 ? conversions.FRACTION_32 : 0) | (fraction & 64 ? conversions.FRACTION_64 : 0);
  const host = (): void => {
    if (sf !== 0) t.x(n);
    else t.w(n);
    t.op(CONVERT[size - 2]![unsigned]![sf]!);
    if (fraction !== 0) {
      floatConstant(t, size, 2 ** -fraction);
      t.op(size === 3 ? W.f64_mul : W.f32_mul);
    }
  };
  if (size === 3 && sf === 0) {
    // Every 32-bit integer is a double.
    host();
    t.setVLow(d, T.f64);
    return;
  }
  const exact = (): void => {
    t.frameStore(W.i64_store, F.ARG0, () => {
      if (sf !== 0) t.x(n);
      else {
        t.w(n);
        t.op(W.i64_extend_i32_u);
      }
    });
    pushExact(t, conversions.generalToFp, { d, a: fraction & 31, size, extra }, []);
  };
  if (size < 2) exact();
  else {
    host();
    const r = t.popTemp(FLOAT[size]!);
    t.fpFast();
    t.if(T.v128, () => widen(t, size, r), exact);
  }
  t.setV(d);
}

type Integer = 'sf 0 0 11110 ftype 1 00 000 000000 Rn Rd';
type Fixed = 'sf 0 0 11110 ftype 0 00 000 scale Rn Rd';

function toInteger(name: string, rmode: string, opcode: string, mode: number, unsigned: number): Instruction[] {
  return scalarRows(`${name} (scalar${mode === 3 ? ', integer' : ''})`, `sf 0 0 11110 ftype 1 ${rmode} ${opcode} 000000 Rn Rd` as Integer, `${name} <R><d>, <V><n>`, {}, (t, i, size) =>
    toGeneral(t, size, mode, unsigned, i.sf, 0, i.Rd, i.Rn),
  );
}

/** With `sf` 0 there are at most 32 fraction bits. */
const scaleAllocated = (i: { sf: number; scale: number }): boolean => i.sf !== 0 || i.scale >= 32;

type OneSource = '0 0 0 11110 00 1 000101 10000 Rn Rd';

/** FCVT between the formats of ftype `from` and `opc` `to`. */
function convertFormat(from: number, to: number): Instruction {
  const source = FTYPE[from]!;
  const target = FTYPE[to]!;
  const bits = (n: number): string => n.toString(2).padStart(2, '0');
  return simd('FCVT', `0 0 0 11110 ${bits(from)} 1 0001 ${bits(to)} 10000 Rn Rd` as OneSource, `FCVT <${'SD?H'[to]}d>, <${'SD?H'[from]}n>`, {}, (t, i) => {
    const operands = { d: i.Rd, n: i.Rn, size: source, extra: target };
    t.readHi |= 1 << i.Rn;
    if (source < 2 || target < 2) {
      pushExact(t, conversions.fpConvert, operands, [i.Rn]);
      t.setV(i.Rd);
      return;
    }
    scalar(t, source, i.Rn);
    t.op(target === 3 ? W.f64_promote_f32 : W.f32_demote_f64);
    const r = t.popTemp(FLOAT[target]!);
    t.get(r);
    if (target === 3) {
      t.get(r);
      t.op(W.f64_eq);
      t.frameLoad(W.i32_load, F.FPCR);
      t.op(W.i32_eqz);
    } else {
      t.op(W.i32_reinterpret_f32);
      t.i32(23);
      t.op(W.i32_shr_u);
      t.i32(0xff);
      t.op(W.i32_and);
      t.i32(2);
      t.op(W.i32_sub);
      t.i32(0xfd);
      t.op(W.i32_lt_u);
      t.fpFast();
    }
    t.op(W.i32_and);
    t.if(T.v128, () => widen(t, target, r), () => pushExact(t, conversions.fpConvert, operands, [i.Rn]));
    t.setV(i.Rd);
  });
}

export const fpConvert: readonly Instruction[] = [
  ...toInteger('FCVTNS', '00', '000', 0, 0),
  ...toInteger('FCVTNU', '00', '001', 0, 1),
  ...toInteger('FCVTAS', '00', '100', 4, 0),
  ...toInteger('FCVTAU', '00', '101', 4, 1),
  ...toInteger('FCVTPS', '01', '000', 1, 0),
  ...toInteger('FCVTPU', '01', '001', 1, 1),
  ...toInteger('FCVTMS', '10', '000', 2, 0),
  ...toInteger('FCVTMU', '10', '001', 2, 1),
  ...toInteger('FCVTZS', '11', '000', 3, 0),
  ...toInteger('FCVTZU', '11', '001', 3, 1),
  ...[0, 1].flatMap((unsigned) => {
    const name = unsigned !== 0 ? 'UCVTF' : 'SCVTF';
    return [
      ...scalarRows(`${name} (scalar, integer)`, `sf 0 0 11110 ftype 1 00 01${unsigned} 000000 Rn Rd` as Integer, `${name} <V><d>, <R><n>`, {}, (t, i, size) =>
        fromGeneral(t, size, unsigned, i.sf, 0, i.Rd, i.Rn),
      ),
      ...scalarRows(`${name} (scalar, fixed-point)`, `sf 0 0 11110 ftype 0 00 01${unsigned} scale Rn Rd` as Fixed, `${name} <V><d>, <R><n>, #<fbits>`, { when: scaleAllocated }, (t, i, size) =>
        fromGeneral(t, size, unsigned, i.sf, 64 - i.scale, i.Rd, i.Rn),
      ),
    ];
  }),
  ...[0, 1].flatMap((unsigned) => {
    const name = unsigned !== 0 ? 'FCVTZU' : 'FCVTZS';
    return scalarRows(`${name} (scalar, fixed-point)`, `sf 0 0 11110 ftype 0 11 00${unsigned} scale Rn Rd` as Fixed, `${name} <R><d>, <V><n>, #<fbits>`, { when: scaleAllocated }, (t, i, size) =>
      toGeneral(t, size, 3, unsigned, i.sf, 64 - i.scale, i.Rd, i.Rn),
    );
  }),
  convertFormat(0, 1),
  convertFormat(0, 3),
  convertFormat(1, 0),
  convertFormat(1, 3),
  convertFormat(3, 0),
  convertFormat(3, 1),
  simd('FJCVTZS', '0 0 0 11110 01 1 11 110 000000 Rn Rd', 'FJCVTZS <Wd>, <Dn>', { feature: 'FEAT_JSCVT' }, (t, i) => {
    t.readHi |= 1 << i.Rn;
    scalar(t, 3, i.Rn);
    const x = t.popTemp(T.f64);
    t.get(x);
    t.truncSat(WFC.i32_trunc_sat_f64_s);
    const integer = t.popTemp(T.i32);
    // Exact when the integer is the same number again; a negative zero is not.
    t.get(integer);
    t.op(W.f64_convert_i32_s, W.i64_reinterpret_f64);
    t.get(x);
    t.op(W.i64_reinterpret_f64, W.i64_eq);
    const exact = t.popTemp(T.i32);
    t.get(x);
    t.op(W.f64_abs);
    floatConstant(t, 3, 2 ** 31);
    t.op(W.f64_lt);
    t.fpFast();
    t.op(W.i32_and);
    t.get(exact);
    fpcrDefault(t);
    t.op(W.i32_and, W.i32_or);
    t.if(
      T.i32,
      () => t.get(exact),
      () => {
        callExact(t, conversions.fpToJavaScript, { d: 0, n: i.Rn }, [i.Rn]);
        t.frameLoad(W.i32_load, F.ARG0);
        t.set(integer);
      },
    );
    t.i32(30);
    t.op(W.i32_shl);
    t.setNzcv();
    t.get(integer);
    t.setW(i.Rd);
  }),
  simd('BFCVT', '0 0 0 11110 01 1 000110 10000 Rn Rd', 'BFCVT <Hd>, <Sn>', { feature: 'FEAT_BF16' }, (t, i) => {
    t.readHi |= 1 << i.Rn;
    pushExact(t, conversions.fpConvertNarrow, { d: i.Rd, n: i.Rn, size: 1, extra: conversions.TO_BFLOAT | conversions.SCALAR }, [i.Rn]);
    t.setV(i.Rd);
  }),
];
