import type { Helper } from '../../fp/operands.ts';
import * as fp from '../../fp/operations.ts';
import { T, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { callExact, FLOAT, fpcrDefault, scalar, scalarResult, scalarRows, floatConstant, type Accept } from './fp-emit.ts';
import { expandFloat } from './simd-copy.ts';
import { EXTRACT_U, keep, simd, splatConstant } from './simd-lanes.ts';
import { hostFuses } from './simd-relaxed.ts';

/** Floating-point arithmetic, comparison, selection and moves on scalars. */

type TwoSource = '0 0 0 11110 ftype 1 Rm 0000 10 Rn Rd';

/** Opcodes for f32 and f64. */
type Pair = readonly [number, number];

function twoSource(name: string, opcode: string, accept: Accept, op: Pair | undefined, helper: Helper, after?: Pair): Instruction[] {
  return scalarRows(name, `0 0 0 11110 ftype 1 Rm ${opcode} 10 Rn Rd` as TwoSource, `${name.split(' ')[0]!} <V><d>, <V><n>, <V><m>`, {}, (t, i, size) => {
    const fast = (): void => {
      scalar(t, size, i.Rn);
      scalar(t, size, i.Rm);
      t.op(op![size - 2]!);
      if (after !== undefined) t.op(after[size - 2]!);
    };
    scalarResult(t, size, accept, op === undefined ? undefined : fast, helper, { d: i.Rd, n: i.Rn, m: i.Rm }, [i.Rn, i.Rm]);
  });
}

type OneSource = '0 0 0 11110 ftype 1 000000 10000 Rn Rd';

/** FMOV, FABS and FNEG: the bits below the sign stay. */
function bitwise(name: string, opcode: string, emit: (t: Translator, size: number) => void): Instruction[] {
  return scalarRows(name, `0 0 0 11110 ftype 1 ${opcode} 10000 Rn Rd` as OneSource, `${name.split(' ')[0]!} <V><d>, <V><n>`, {}, (t, i, size) => {
    t.v(i.Rn);
    emit(t, size);
    keep(t, 8 << size);
    t.setV(i.Rd);
  });
}

/** Rounding to nearest with ties away of a float local: pushes the result. */
export function roundAway(t: Translator, size: number, x: Local): void {
  const d = size === 3;
  t.get(x);
  t.op(d ? W.f64_trunc : W.f32_trunc);
  const whole = t.popTemp(FLOAT[size]!);
  // Half away: one more in magnitude where the discarded part is at least a half.
  t.get(whole);
  floatConstant(t, size, 1);
  floatConstant(t, size, 0);
  t.get(x);
  t.get(whole);
  t.op(d ? W.f64_sub : W.f32_sub, d ? W.f64_abs : W.f32_abs);
  floatConstant(t, size, 0.5);
  t.op(d ? W.f64_ge : W.f32_ge, W.select);
  t.get(x);
  t.op(d ? W.f64_copysign : W.f32_copysign);
  t.op(d ? W.f64_add : W.f32_add);
}

/** Opcodes that round to integral by mode: nearest even, up, down, to zero. */
export const ROUND: readonly Pair[] = [
  [W.f32_nearest, W.f64_nearest],
  [W.f32_ceil, W.f64_ceil],
  [W.f32_floor, W.f64_floor],
  [W.f32_trunc, W.f64_trunc],
];

/** `mode` as in fpRoundToIntegral's `extra`. */
function roundIntegral(name: string, opcode: string, mode: number): Instruction[] {
  return scalarRows(name, `0 0 0 11110 ftype 1 ${opcode} 10000 Rn Rd` as OneSource, `${name.split(' ')[0]!} <V><d>, <V><n>`, {}, (t, i, size) => {
    // FPCR's mode is nearest where the host rounds.
    const kind = (mode & 7) === fp.MODE_FPCR ? 0 : mode & 7;
    const fast = (): void => {
      scalar(t, size, i.Rn);
      if (kind === 4) roundAway(t, size, t.popTemp(FLOAT[size]!));
      else t.op(ROUND[kind]![size - 2]!);
    };
    scalarResult(t, size, (mode & fp.EXACT) !== 0 ? 'finite' : 'number', fast, fp.fpRoundToIntegral, { d: i.Rd, n: i.Rn, extra: mode }, [i.Rn]);
  });
}

function roundSized(name: string, opcode: string, extra: number): Instruction {
  return simd(name, `0 0 0 11110 ftype 1 ${opcode} 10000 Rn Rd` as OneSource, `${name.split(' ')[0]!} <V><d>, <V><n>`, { feature: 'FEAT_FRINTTS', when: (i) => i.ftype < 2 }, (t, i) =>
    scalarResult(t, i.ftype + 2, 'number', undefined, fp.fpRoundToIntegral, { d: i.Rd, n: i.Rn, extra }, [i.Rn]),
  );
}

type ThreeSource = '0 0 0 11111 ftype 0 Rm 0 Ra Rn Rd';

/** FMADD and its kin: d = ±a ± n × m. */
function threeSource(name: string, o1: number, o0: number): Instruction[] {
  return scalarRows(name, `0 0 0 11111 ftype ${o1} Rm ${o0} Ra Rn Rd` as ThreeSource, `${name} <V><d>, <V><n>, <V><m>, <V><a>`, {}, (t, i, size) => {
    // The product is negated in FMSUB and FNMADD, the addend in FNMADD and FNMSUB.
    const negateAddend = o1 !== 0;
    const negateProduct = o0 !== o1;
    const fast = (): void => {
      t.v(i.Rn);
      t.v(i.Rm);
      t.v(i.Ra);
      const subtract = negateProduct !== negateAddend;
      t.vop(size === 3 ? (subtract ? WV.f64x2_relaxed_nmadd : WV.f64x2_relaxed_madd) : subtract ? WV.f32x4_relaxed_nmadd : WV.f32x4_relaxed_madd);
      t.vlane(size === 3 ? WV.f64x2_extract_lane : WV.f32x4_extract_lane, 0);
      // Rounding to nearest is symmetric; a zero, whose sign is not, goes to the helper.
      if (negateAddend) t.op(size === 3 ? W.f64_neg : W.f32_neg);
    };
    const extra = (negateProduct ? fp.NEGATE_PRODUCT : 0) | (negateAddend ? fp.NEGATE_ADDEND : 0);
    scalarResult(t, size, 'normal', hostFuses() ? fast : undefined, fp.fpMultiplyAdd, { d: i.Rd, n: i.Rn, m: i.Rm, a: i.Ra, extra }, [i.Rn, i.Rm, i.Ra]);
  });
}

/**
 * NZCV of a comparison are those of a difference x - y: x is greater, and the minimum when unordered; y is less or
 * unordered. Returns both as i64 locals. `only`: an i32 local, nonzero when the comparison is made at all.
 */
function compare(t: Translator, size: number, n: number, m: number | undefined, signaling: boolean, only: Local | undefined): [Local, Local] {
  const d = size === 3;
  const x = t.temp(T.i32);
  const y = t.temp(T.i32);
  const exact = (): void => {
    callExact(t, fp.fpCompare, { d: 0, n, m: m ?? 0, size, extra: (signaling ? 1 : 0) | (m === undefined ? 2 : 0) }, m === undefined ? [n] : [n, m]);
    t.tee(x);
    t.i32(1);
    t.op(W.i32_shr_u);
    t.i32(1);
    t.op(W.i32_and);
    t.set(y);
    t.get(x);
    t.i32(-0x7fffffff);
    t.op(W.i32_and);
    t.set(x);
  };
  if (size >= 2) {
    scalar(t, size, n);
    const a = t.popTemp(FLOAT[size]!);
    let b = a;
    if (m !== undefined && m !== n) {
      scalar(t, size, m);
      b = t.popTemp(FLOAT[size]!);
    }
    const other = (): void => (m === undefined ? floatConstant(t, size, 0) : t.get(b));
    t.get(a);
    other();
    t.op(d ? W.f64_gt : W.f32_gt);
    t.set(x);
    t.get(a);
    other();
    t.op(d ? W.f64_ge : W.f32_ge, W.i32_eqz);
    t.set(y);
    // Unordered, or FPCR has something to say.
    t.get(a);
    t.get(a);
    t.op(d ? W.f64_ne : W.f32_ne);
    if (b !== a) {
      t.get(b);
      t.get(b);
      t.op(d ? W.f64_ne : W.f32_ne, W.i32_or);
    }
    fpcrDefault(t);
    t.op(W.i32_eqz, W.i32_or);
    if (only !== undefined) {
      t.get(only);
      t.op(W.i32_and);
    }
    t.if(T.void, exact);
  } else if (only !== undefined) {
    t.get(only);
    t.if(T.void, exact);
  } else exact();
  return [x, y].map((local) => {
    t.get(local);
    t.op(W.i64_extend_i32_u);
    return t.popTemp(T.i64);
  }) as [Local, Local];
}

function comparison(name: string, signaling: boolean): Instruction[] {
  const e = signaling ? 1 : 0;
  return [
    ...scalarRows(name, `0 0 0 11110 ftype 1 Rm 00 1000 Rn ${e} 0 000` as '0 0 0 11110 ftype 1 Rm 00 1000 Rn 0 0 000', `${name} <V><n>, <V><m>`, {}, (t, i, size) => {
      const [x, y] = compare(t, size, i.Rn, i.Rm, signaling, undefined);
      t.flagsSub(0, x, y);
    }),
    ...scalarRows(name, `0 0 0 11110 ftype 1 (00000) 00 1000 Rn ${e} 1 000` as '0 0 0 11110 ftype 1 (00000) 00 1000 Rn 0 1 000', `${name} <V><n>, #0.0`, {}, (t, i, size) => {
      const [x, y] = compare(t, size, i.Rn, undefined, signaling, undefined);
      t.flagsSub(0, x, y);
    }),
  ];
}

function conditionalComparison(name: string, op: number): Instruction[] {
  return scalarRows(name, `0 0 0 11110 ftype 1 Rm cond 01 Rn ${op} nzcv` as '0 0 0 11110 ftype 1 Rm cond 01 Rn 0 nzcv', `${name} <V><n>, <V><m>, #<nzcv>, <cond>`, {}, (t, i, size) => {
    t.condition(i.cond);
    const made = t.popTemp(T.i32);
    const [x, y] = compare(t, size, i.Rn, i.Rm, op !== 0, made);
    t.flagsConditional(i.cond, false, 0, x, y, i.nzcv);
  });
}

/** FMOV between a general register and a scalar, or the upper half of a vector. */
function moveGeneral(sf: number, ftype: string, rmode: string, size: number, toGeneral: boolean): Instruction {
  const upper = rmode === '01' ? 1 : 0;
  const letter = 'BHSD'[size]!;
  return simd(
    'FMOV (general)',
    `${sf} 0 0 11110 ${ftype} 1 ${rmode} 11${toGeneral ? 0 : 1} 000000 Rn Rd` as '0 0 0 11110 00 1 00 110 000000 Rn Rd',
    toGeneral ? `FMOV <${sf === 1 ? 'X' : 'W'}d>, ${upper === 1 ? '<Vn>.D[1]' : `<${letter}n>`}` : `FMOV ${upper === 1 ? '<Vd>.D[1]' : `<${letter}d>`}, <${sf === 1 ? 'X' : 'W'}n>`,
    size === 1 ? { feature: 'FEAT_FP16' } : {},
    (t, i) => {
      if (toGeneral) {
        t.v(i.Rn);
        t.vlane(EXTRACT_U[size]!, upper);
        if (size === 3) t.setX(i.Rd);
        else t.setW(i.Rd);
        return;
      }
      if (upper !== 0) {
        t.v(i.Rd);
        t.x(i.Rn);
        t.vlane(WV.i64x2_replace_lane, 1);
        t.setV(i.Rd);
        return;
      }
      if (i.Rn === 31) {
        t.vzero();
        t.setV(i.Rd);
        return;
      }
      if (size === 3) t.x(i.Rn);
      else t.w(i.Rn);
      if (size === 1) {
        t.i32(0xffff);
        t.op(W.i32_and);
      }
      t.setVLow(i.Rd, size === 3 ? T.i64 : T.i32);
    },
  );
}

export const fpScalar: readonly Instruction[] = [
  ...bitwise('FMOV (register)', '000000', () => {}),
  ...bitwise('FABS (scalar)', '000001', (t, size) => {
    splatConstant(t, size, (1n << BigInt((8 << size) - 1)) - 1n);
    t.vop(WV.and);
  }),
  ...bitwise('FNEG (scalar)', '000010', (t, size) => {
    splatConstant(t, size, 1n << BigInt((8 << size) - 1));
    t.vop(WV.xor);
  }),
  ...scalarRows('FSQRT (scalar)', '0 0 0 11110 ftype 1 000011 10000 Rn Rd', 'FSQRT <V><d>, <V><n>', {}, (t, i, size) =>
    scalarResult(
      t, size, 'normal',
      () => {
        scalar(t, size, i.Rn);
        t.op(size === 3 ? W.f64_sqrt : W.f32_sqrt);
      },
      fp.fpSquareRoot, { d: i.Rd, n: i.Rn }, [i.Rn],
    ),
  ),
  ...roundIntegral('FRINTN (scalar)', '001000', 0),
  ...roundIntegral('FRINTP (scalar)', '001001', 1),
  ...roundIntegral('FRINTM (scalar)', '001010', 2),
  ...roundIntegral('FRINTZ (scalar)', '001011', 3),
  ...roundIntegral('FRINTA (scalar)', '001100', 4),
  ...roundIntegral('FRINTX (scalar)', '001110', fp.MODE_FPCR | fp.EXACT),
  ...roundIntegral('FRINTI (scalar)', '001111', fp.MODE_FPCR),
  roundSized('FRINT32Z (scalar)', '010000', fp.SIZED_32 | 3),
  roundSized('FRINT32X (scalar)', '010001', fp.SIZED_32 | fp.MODE_FPCR),
  roundSized('FRINT64Z (scalar)', '010010', fp.SIZED_64 | 3),
  roundSized('FRINT64X (scalar)', '010011', fp.SIZED_64 | fp.MODE_FPCR),

  ...twoSource('FMUL (scalar)', '0000', 'normal', [W.f32_mul, W.f64_mul], fp.fpMultiply),
  ...twoSource('FDIV (scalar)', '0001', 'normal', [W.f32_div, W.f64_div], fp.fpDivide),
  ...twoSource('FADD (scalar)', '0010', 'finite', [W.f32_add, W.f64_add], fp.fpAdd),
  ...twoSource('FSUB (scalar)', '0011', 'finite', [W.f32_sub, W.f64_sub], fp.fpSubtract),
  ...twoSource('FMAX (scalar)', '0100', 'number', [W.f32_max, W.f64_max], fp.fpMaximum),
  ...twoSource('FMIN (scalar)', '0101', 'number', [W.f32_min, W.f64_min], fp.fpMinimum),
  ...twoSource('FMAXNM (scalar)', '0110', 'number', [W.f32_max, W.f64_max], fp.fpMaximumNumber),
  ...twoSource('FMINNM (scalar)', '0111', 'number', [W.f32_min, W.f64_min], fp.fpMinimumNumber),
  ...twoSource('FNMUL (scalar)', '1000', 'normal', [W.f32_mul, W.f64_mul], fp.fpNegatedMultiply, [W.f32_neg, W.f64_neg]),

  ...threeSource('FMADD', 0, 0),
  ...threeSource('FMSUB', 0, 1),
  ...threeSource('FNMADD', 1, 0),
  ...threeSource('FNMSUB', 1, 1),

  ...comparison('FCMP', false),
  ...comparison('FCMPE', true),
  ...conditionalComparison('FCCMP', 0),
  ...conditionalComparison('FCCMPE', 1),
  ...scalarRows('FCSEL', '0 0 0 11110 ftype 1 Rm cond 11 Rn Rd', 'FCSEL <V><d>, <V><n>, <V><m>, <cond>', {}, (t, i, size) => {
    const lane = [0, WV.i16x8_extract_lane_u, WV.f32x4_extract_lane, WV.f64x2_extract_lane][size]!;
    t.v(i.Rn);
    t.vlane(lane, 0);
    t.v(i.Rm);
    t.vlane(lane, 0);
    t.condition(i.cond);
    t.op(W.select);
    t.setVLow(i.Rd, FLOAT[size]!);
  }),

  ...scalarRows('FMOV (scalar, immediate)', '0 0 0 11110 ftype 1 imm8 100 00000 Rd', 'FMOV <V><d>, #<imm>', {}, (t, i, size) => {
    t.v128(expandFloat(i.imm8, size), 0n);
    t.setV(i.Rd);
  }),
  ...[true, false].flatMap((toGeneral) => [
    moveGeneral(0, '11', '00', 1, toGeneral),
    moveGeneral(1, '11', '00', 1, toGeneral),
    moveGeneral(0, '00', '00', 2, toGeneral),
    moveGeneral(1, '01', '00', 3, toGeneral),
    moveGeneral(1, '10', '01', 3, toGeneral),
  ]),
];
