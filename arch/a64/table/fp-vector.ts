import type { Feature } from '../../core/idregs.ts';
import type { Helper } from '../../fp/operands.ts';
import * as fp from '../../fp/operations.ts';
import { T, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction, Options } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { floatConstant, fpcrDefault, pushExact, touch, vectorResult, type Accept } from './fp-emit.ts';
import { indexed } from './simd-by-element.ts';
import { keep, scalarSyntax, shuffleElements, simd, splatConstant, type Meaning, type Shape } from './simd-lanes.ts';
import { pushAlternate } from './simd-permute.ts';
import { hostFuses } from './simd-relaxed.ts';

/** Floating-point arithmetic and comparison on vectors, and its AdvSIMD scalar forms. */

/** Opcodes for f32x4 and f64x2. */
type Pair = readonly [number, number];
const ADD: Pair = [WV.f32x4_add, WV.f64x2_add];
const SUB: Pair = [WV.f32x4_sub, WV.f64x2_sub];
const MUL: Pair = [WV.f32x4_mul, WV.f64x2_mul];
const DIV: Pair = [WV.f32x4_div, WV.f64x2_div];
const MAX: Pair = [WV.f32x4_max, WV.f64x2_max];
const MIN: Pair = [WV.f32x4_min, WV.f64x2_min];
const ABS: Pair = [WV.f32x4_abs, WV.f64x2_abs];
const EQ: Pair = [WV.f32x4_eq, WV.f64x2_eq];
const MADD: Pair = [WV.f32x4_relaxed_madd, WV.f64x2_relaxed_madd];
const NMADD: Pair = [WV.f32x4_relaxed_nmadd, WV.f64x2_relaxed_nmadd];

function binary(accept: Accept, op: Pair, helper: Helper, after?: Pair): Meaning {
  return (t, s) =>
    vectorResult(
      t, s.size, s.bits, accept,
      () => {
        t.v(s.n);
        t.v(s.m);
        t.vop(op[s.size - 2]!);
        if (after !== undefined) t.vop(after[s.size - 2]!);
      },
      helper, s, [s.n, s.m],
    );
}

function pairwise(accept: Accept, op: Pair, helper: Helper): Meaning {
  return (t, s) =>
    vectorResult(
      t, s.size, s.bits, accept,
      () => {
        pushAlternate(t, s.n, s.m, s.size, s.bits, 0);
        pushAlternate(t, s.n, s.m, s.size, s.bits, 1);
        t.vop(op[s.size - 2]!);
      },
      helper, { ...s, extra: fp.PAIRWISE }, [s.n, s.m],
    );
}

/** d ± n × m; `pushM` pushes the factor, and `index` is the element's when it is one. */
function multiplyAdd(t: Translator, s: Shape, subtract: boolean, pushM: () => void, extra: number): void {
  const fast = (): void => {
    t.v(s.n);
    pushM();
    t.v(s.d);
    t.vop((subtract ? NMADD : MADD)[s.size - 2]!);
  };
  vectorResult(t, s.size, s.bits, 'normal', hostFuses() ? fast : undefined, fp.fpMultiplyAdd, { ...s, a: s.d, extra: extra | (subtract ? fp.NEGATE_PRODUCT : 0) }, [s.n, s.m, s.d]);
}

/** FRECPS and FRSQRTS: constant - n × m, halved or not. */
function step(constant: number, halve: boolean, helper: Helper): Meaning {
  return (t, s) => {
    const fast = (): void => {
      t.v(s.n);
      t.v(s.m);
      floatConstant(t, s.size, constant);
      t.vop([WV.f32x4_splat, WV.f64x2_splat][s.size - 2]!);
      t.vop(NMADD[s.size - 2]!);
      if (!halve) return;
      floatConstant(t, s.size, 0.5);
      t.vop([WV.f32x4_splat, WV.f64x2_splat][s.size - 2]!);
      t.vop(MUL[s.size - 2]!);
    };
    vectorResult(t, s.size, s.bits, 'normal', hostFuses() ? fast : undefined, helper, s, [s.n, s.m]);
  };
}

const COMPARISONS: readonly Pair[] = [EQ, [WV.f32x4_ge, WV.f64x2_ge], [WV.f32x4_gt, WV.f64x2_gt], [WV.f32x4_le, WV.f64x2_le], [WV.f32x4_lt, WV.f64x2_lt]];

/** Masks of a comparison (fp.COMPARE): by the host unless there is a NaN. */
function comparison(kind: number): Meaning {
  return (t, s) => {
    const withZero = (kind & fp.COMPARE.WITH_ZERO) !== 0;
    const reads = withZero ? [s.n] : [s.n, s.m];
    const operands = { ...s, lanes: Math.log2(s.bits >> (3 + s.size)), extra: kind };
    touch(t, reads);
    if (s.size < 2) pushExact(t, fp.fpCompareMask, operands, reads);
    else {
      const z = s.size - 2;
      const push = (r: number): Local => {
        t.v(r);
        if ((kind & fp.COMPARE.ABSOLUTE) !== 0) t.vop(ABS[z]!);
        return t.popTemp(T.v128);
      };
      const n = push(s.n);
      const m = withZero || s.m === s.n ? n : push(s.m);
      t.get(n);
      t.get(n);
      t.vop(EQ[z]!);
      if (m !== n) {
        t.get(m);
        t.get(m);
        t.vop(EQ[z]!);
        t.vop(WV.and);
      }
      t.vop([WV.i32x4_all_true, WV.i64x2_all_true][z]!);
      fpcrDefault(t);
      t.op(W.i32_and);
      t.if(
        T.v128,
        () => {
          t.get(n);
          if (withZero) t.vzero();
          else t.get(m);
          t.vop(COMPARISONS[kind & 7]![z]!);
          keep(t, s.bits);
        },
        () => pushExact(t, fp.fpCompareMask, operands, reads),
      );
    }
    t.setV(s.d);
  };
}

function unaryHelper(helper: Helper, accept: Accept = 'number', op?: Pair): Meaning {
  return (t, s) =>
    vectorResult(
      t, s.size, s.bits, accept,
      op === undefined
        ? undefined
        : () => {
            t.v(s.n);
            t.vop(op[s.size - 2]!);
          },
      helper, s, [s.n],
    );
}

/** Pushes Vn rounded to integral: 0 nearest, 1 up, 2 down, 3 to zero, 4 away. */
export function roundVector(t: Translator, size: number, n: number, mode: number): void {
  const z = size - 2;
  t.v(n);
  if (mode < 4) {
    t.vop([[WV.f32x4_nearest, WV.f64x2_nearest], [WV.f32x4_ceil, WV.f64x2_ceil], [WV.f32x4_floor, WV.f64x2_floor], [WV.f32x4_trunc, WV.f64x2_trunc]][mode]![z]!);
    return;
  }
  t.vop([WV.f32x4_trunc, WV.f64x2_trunc][z]!);
  const whole = t.popTemp(T.v128);
  const bits = BigInt(8 << size);
  // Half away: one more in magnitude where the discarded part is at least a half; then the sign, of a zero too.
  t.get(whole);
  t.vop(ABS[z]!);
  t.v(n);
  t.get(whole);
  t.vop(SUB[z]!);
  t.vop(ABS[z]!);
  floatConstant(t, size, 0.5);
  t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
  t.vop([WV.f32x4_ge, WV.f64x2_ge][z]!);
  floatConstant(t, size, 1);
  t.vop([WV.f32x4_splat, WV.f64x2_splat][z]!);
  t.vop(WV.and);
  t.vop(ADD[z]!);
  t.v(n);
  splatConstant(t, size, (1n << (bits - 1n)) - 1n);
  t.vop(WV.bitselect);
}

function roundIntegral(extra: number): Meaning {
  return (t, s) => {
    const kind = (extra & 7) === fp.MODE_FPCR ? 0 : extra & 7;
    vectorResult(t, s.size, s.bits, (extra & fp.EXACT) !== 0 ? 'finite' : 'number', () => roundVector(t, s.size, s.n, kind), fp.fpRoundToIntegral, { ...s, extra }, [s.n]);
  };
}

/** FABS and FNEG. */
function bitwise(op: number, mask: (bits: bigint) => bigint): Meaning {
  return (t, s) => {
    t.v(s.n);
    splatConstant(t, s.size, mask(BigInt(8 << s.size)));
    t.vop(op);
    keep(t, s.bits);
    t.setV(s.d);
  };
}

type Vector = '0 Q 0 01110 0 sz 1 Rm Rn Rd';
type Half = '0 Q 0 01110 0 10 Rm Rn Rd';
const doubleAllocated = (i: { sz: number; Q: number }): boolean => i.sz === 0 || i.Q !== 0;

/** Rows from patterns with Q and sz, and of half precision: `vector`, `half`, and scalar ones where given. */
export function fpRows(name: string, syntax: string, patterns: { vector?: string; half?: string; scalar?: string; scalarHalf?: string }, meaning: Meaning, options: { feature?: Feature } = {}): Instruction[] {
  const rows: Instruction[] = [];
  const mnemonic = name.split(' ')[0]!;
  const given = options as Options<Vector>;
  if (patterns.vector !== undefined) {
    rows.push(simd(name, patterns.vector as Vector, `${mnemonic} ${syntax}`, { ...given, when: doubleAllocated }, (t, i) => meaning(t, { d: i.Rd, n: i.Rn, m: i.Rm, size: 2 + i.sz, bits: i.Q !== 0 ? 128 : 64 })));
  }
  if (patterns.half !== undefined) {
    rows.push(simd(name, patterns.half as Half, `${mnemonic} ${syntax}`, { feature: 'FEAT_FP16' }, (t, i) => meaning(t, { d: i.Rd, n: i.Rn, m: i.Rm, size: 1, bits: i.Q !== 0 ? 128 : 64 })));
  }
  if (patterns.scalar !== undefined) {
    rows.push(simd(name, patterns.scalar as Vector, `${mnemonic} ${scalarSyntax(syntax)}`, given, (t, i) => meaning(t, { d: i.Rd, n: i.Rn, m: i.Rm, size: 2 + i.sz, bits: 32 << i.sz })));
  }
  if (patterns.scalarHalf !== undefined) {
    rows.push(simd(name, patterns.scalarHalf as Half, `${mnemonic} ${scalarSyntax(syntax)}`, { feature: 'FEAT_FP16' }, (t, i) => meaning(t, { d: i.Rd, n: i.Rn, m: i.Rm, size: 1, bits: 16 })));
  }
  return rows;
}

function threeSame(name: string, U: number, a: number, opcode: string, scalar: boolean, meaning: Meaning): Instruction[] {
  const low = opcode.slice(2);
  return fpRows(
    name, '<Vd>.<T>, <Vn>.<T>, <Vm>.<T>',
    {
      vector: `0 Q ${U} 01110 ${a} sz 1 Rm ${opcode} 1 Rn Rd`,
      half: `0 Q ${U} 01110 ${a} 10 Rm 00 ${low} 1 Rn Rd`,
      ...(scalar ? { scalar: `01 ${U} 11110 ${a} sz 1 Rm ${opcode} 1 Rn Rd`, scalarHalf: `01 ${U} 11110 ${a} 10 Rm 00 ${low} 1 Rn Rd` } : {}),
    },
    meaning,
  );
}

export function twoRegister(name: string, U: number, a: number, opcode: string, scalar: boolean, meaning: Meaning, vector = true): Instruction[] {
  return fpRows(
    name, name.endsWith('(zero)') ? '<Vd>.<T>, <Vn>.<T>, #0.0' : '<Vd>.<T>, <Vn>.<T>',
    {
      ...(vector ? { vector: `0 Q ${U} 01110 ${a} sz 10000 ${opcode} 10 Rn Rd`, half: `0 Q ${U} 01110 ${a} 111100 ${opcode} 10 Rn Rd` } : {}),
      ...(scalar ? { scalar: `01 ${U} 11110 ${a} sz 10000 ${opcode} 10 Rn Rd`, scalarHalf: `01 ${U} 11110 ${a} 111100 ${opcode} 10 Rn Rd` } : {}),
    },
    meaning,
  );
}

function sized(name: string, U: number, opcode: string, extra: number): Instruction[] {
  return fpRows(name, '<Vd>.<T>, <Vn>.<T>', { vector: `0 Q ${U} 01110 0 sz 10000 ${opcode} 10 Rn Rd` }, (t, s) => vectorResult(t, s.size, s.bits, 'number', undefined, fp.fpRoundToIntegral, { ...s, extra }, [s.n]), { feature: 'FEAT_FRINTTS' });
}

/** A scalar from a pair of elements of Vn. */
function scalarPairwise(name: string, a: number, opcode: string, accept: Accept, op: Pair, helper: Helper): Instruction[] {
  return fpRows(
    `${name} (scalar)`, '<V><d>, <Vn>.2<Ts>',
    { scalar: `01 1 11110 ${a} sz 11000 ${opcode} 10 Rn Rd`, scalarHalf: `01 0 11110 ${a} 0 11000 ${opcode} 10 Rn Rd` },
    (t, s) =>
      vectorResult(
        t, s.size, s.bits, accept,
        () => {
          t.v(s.n);
          t.v(s.n);
          t.v(s.n);
          shuffleElements(t, s.size, s.size === 3 ? [1, 0] : [1, 0, 3, 2]);
          t.vop(op[s.size - 2]!);
        },
        helper, { ...s, m: s.n, extra: fp.PAIRWISE }, [s.n],
      ),
  );
}

/** FMAXV and its kin; `kind` as fpReduce's `extra`. */
function across(name: string, a: number, opcode: string, kind: number): Instruction[] {
  const emit = (t: Translator, d: number, n: number, size: number, lanes: number): void => {
    touch(t, [n]);
    pushExact(t, fp.fpReduce, { d, n, size, lanes, extra: kind }, [n]);
    t.setV(d);
  };
  return [
    simd(name, `0 1 1 01110 ${a} 0 11000 ${opcode} 10 Rn Rd` as '0 1 1 01110 0 0 11000 01100 10 Rn Rd', `${name} S<d>, <Vn>.4S`, {}, (t, i) => emit(t, i.Rd, i.Rn, 2, 2)),
    simd(name, `0 Q 0 01110 ${a} 0 11000 ${opcode} 10 Rn Rd` as '0 Q 0 01110 0 0 11000 01100 10 Rn Rd', `${name} H<d>, <Vn>.<T>`, { feature: 'FEAT_FP16' }, (t, i) => emit(t, i.Rd, i.Rn, 1, i.Q !== 0 ? 3 : 2)),
  ];
}

type ByElement = '0 Q 0 01111 1 sz L M Rm:4 0001 H 0 Rn Rd';
type ByElementHalf = '0 Q 0 01111 00 L M Rm:4 0001 H 0 Rn Rd';

/** Vector or scalar × one element of Vm. */
function byElement(name: string, U: number, opcode: string, meaning: (t: Translator, s: Shape, pushM: () => void, extra: number) => void): Instruction[] {
  const emit = (t: Translator, i: { Rd: number; Rn: number; Rm: number; H: number; L: number; M: number }, size: number, bits: number): void => {
    const { m, index } = size === 3 ? { m: (i.M << 4) | i.Rm, index: i.H } : indexed({ ...i, size });
    const pushM = (): void => {
      t.v(m);
      t.v(m);
      shuffleElements(t, size, new Array<number>(16 >> size).fill(index));
    };
    meaning(t, { d: i.Rd, n: i.Rn, m, size, bits }, pushM, fp.BY_ELEMENT | index);
  };
  const mnemonic = name.split(' ')[0]!;
  const syntax = `${mnemonic} <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>]`;
  // A double's index is H alone.
  const allocated = (i: { sz: number; L: number }): boolean => i.sz === 0 || i.L === 0;
  return [
    simd(name, `0 Q ${U} 01111 1 sz L M Rm:4 ${opcode} H 0 Rn Rd` as ByElement, syntax, { when: (i) => allocated(i) && doubleAllocated(i) }, (t, i) => emit(t, i, 2 + i.sz, i.Q !== 0 ? 128 : 64)),
    simd(name, `01 ${U} 11111 1 sz L M Rm:4 ${opcode} H 0 Rn Rd` as '01 0 11111 1 sz L M Rm:4 0001 H 0 Rn Rd', scalarSyntax(syntax), { when: allocated }, (t, i) => emit(t, i, 2 + i.sz, 32 << i.sz)),
    simd(name, `0 Q ${U} 01111 00 L M Rm:4 ${opcode} H 0 Rn Rd` as ByElementHalf, syntax, { feature: 'FEAT_FP16' }, (t, i) => emit(t, i, 1, i.Q !== 0 ? 128 : 64)),
    simd(name, `01 ${U} 11111 00 L M Rm:4 ${opcode} H 0 Rn Rd` as '01 0 11111 00 L M Rm:4 0001 H 0 Rn Rd', scalarSyntax(syntax), { feature: 'FEAT_FP16' }, (t, i) => emit(t, i, 1, 16)),
  ];
}

function productByElement(helper: Helper) {
  return (t: Translator, s: Shape, pushM: () => void, extra: number): void =>
    vectorResult(
      t, s.size, s.bits, 'normal',
      () => {
        t.v(s.n);
        pushM();
        t.vop(MUL[s.size - 2]!);
      },
      helper, { ...s, extra }, [s.n, s.m],
    );
}

const { EQ: CEQ, GE, GT, LE, LT, ABSOLUTE, WITH_ZERO } = fp.COMPARE;

export const fpVector: readonly Instruction[] = [
  ...threeSame('FMAXNM (vector)', 0, 0, '11000', false, binary('number', MAX, fp.fpMaximumNumber)),
  ...threeSame('FMINNM (vector)', 0, 1, '11000', false, binary('number', MIN, fp.fpMinimumNumber)),
  ...threeSame('FMLA (vector)', 0, 0, '11001', false, (t, s) => multiplyAdd(t, s, false, () => t.v(s.m), 0)),
  ...threeSame('FMLS (vector)', 0, 1, '11001', false, (t, s) => multiplyAdd(t, s, true, () => t.v(s.m), 0)),
  ...threeSame('FADD (vector)', 0, 0, '11010', false, binary('finite', ADD, fp.fpAdd)),
  ...threeSame('FSUB (vector)', 0, 1, '11010', false, binary('finite', SUB, fp.fpSubtract)),
  ...threeSame('FMULX', 0, 0, '11011', true, binary('normal', MUL, fp.fpMultiplyExtended)),
  ...threeSame('FCMEQ (register)', 0, 0, '11100', true, comparison(CEQ)),
  ...threeSame('FMAX (vector)', 0, 0, '11110', false, binary('number', MAX, fp.fpMaximum)),
  ...threeSame('FMIN (vector)', 0, 1, '11110', false, binary('number', MIN, fp.fpMinimum)),
  ...threeSame('FRECPS', 0, 0, '11111', true, step(2, false, fp.fpReciprocalStep)),
  ...threeSame('FRSQRTS', 0, 1, '11111', true, step(3, true, fp.fpReciprocalRootStep)),
  ...threeSame('FMAXNMP (vector)', 1, 0, '11000', false, pairwise('number', MAX, fp.fpMaximumNumber)),
  ...threeSame('FMINNMP (vector)', 1, 1, '11000', false, pairwise('number', MIN, fp.fpMinimumNumber)),
  ...threeSame('FADDP (vector)', 1, 0, '11010', false, pairwise('finite', ADD, fp.fpAdd)),
  ...threeSame('FABD', 1, 1, '11010', true, binary('finite', SUB, fp.fpAbsoluteDifference, ABS)),
  ...threeSame('FMUL (vector)', 1, 0, '11011', false, binary('normal', MUL, fp.fpMultiply)),
  ...threeSame('FCMGE (register)', 1, 0, '11100', true, comparison(GE)),
  ...threeSame('FCMGT (register)', 1, 1, '11100', true, comparison(GT)),
  ...threeSame('FACGE', 1, 0, '11101', true, comparison(GE | ABSOLUTE)),
  ...threeSame('FACGT', 1, 1, '11101', true, comparison(GT | ABSOLUTE)),
  ...threeSame('FMAXP (vector)', 1, 0, '11110', false, pairwise('number', MAX, fp.fpMaximum)),
  ...threeSame('FMINP (vector)', 1, 1, '11110', false, pairwise('number', MIN, fp.fpMinimum)),
  ...threeSame('FDIV (vector)', 1, 0, '11111', false, binary('normal', DIV, fp.fpDivide)),

  ...twoRegister('FRINTN (vector)', 0, 0, '11000', false, roundIntegral(0)),
  ...twoRegister('FRINTM (vector)', 0, 0, '11001', false, roundIntegral(2)),
  ...twoRegister('FRINTP (vector)', 0, 1, '11000', false, roundIntegral(1)),
  ...twoRegister('FRINTZ (vector)', 0, 1, '11001', false, roundIntegral(3)),
  ...twoRegister('FRINTA (vector)', 1, 0, '11000', false, roundIntegral(4)),
  ...twoRegister('FRINTX (vector)', 1, 0, '11001', false, roundIntegral(fp.MODE_FPCR | fp.EXACT)),
  ...twoRegister('FRINTI (vector)', 1, 1, '11001', false, roundIntegral(fp.MODE_FPCR)),
  ...sized('FRINT32Z (vector)', 0, '11110', fp.SIZED_32 | 3),
  ...sized('FRINT32X (vector)', 1, '11110', fp.SIZED_32 | fp.MODE_FPCR),
  ...sized('FRINT64Z (vector)', 0, '11111', fp.SIZED_64 | 3),
  ...sized('FRINT64X (vector)', 1, '11111', fp.SIZED_64 | fp.MODE_FPCR),
  ...twoRegister('FCMGT (zero)', 0, 1, '01100', true, comparison(GT | WITH_ZERO)),
  ...twoRegister('FCMEQ (zero)', 0, 1, '01101', true, comparison(CEQ | WITH_ZERO)),
  ...twoRegister('FCMLT (zero)', 0, 1, '01110', true, comparison(LT | WITH_ZERO)),
  ...twoRegister('FCMGE (zero)', 1, 1, '01100', true, comparison(GE | WITH_ZERO)),
  ...twoRegister('FCMLE (zero)', 1, 1, '01101', true, comparison(LE | WITH_ZERO)),
  ...twoRegister('FABS (vector)', 0, 1, '01111', false, bitwise(WV.and, (bits) => (1n << (bits - 1n)) - 1n)),
  ...twoRegister('FNEG (vector)', 1, 1, '01111', false, bitwise(WV.xor, (bits) => 1n << (bits - 1n))),
  ...twoRegister('FSQRT (vector)', 1, 1, '11111', false, unaryHelper(fp.fpSquareRoot, 'normal', [WV.f32x4_sqrt, WV.f64x2_sqrt])),
  ...twoRegister('FRECPE', 0, 1, '11101', true, unaryHelper(fp.fpReciprocalEstimate)),
  ...twoRegister('FRSQRTE', 1, 1, '11101', true, unaryHelper(fp.fpReciprocalRootEstimate)),
  ...twoRegister('FRECPX', 0, 1, '11111', true, unaryHelper(fp.fpReciprocalExponent), false),

  ...scalarPairwise('FMAXNMP', 0, '01100', 'number', MAX, fp.fpMaximumNumber),
  ...scalarPairwise('FMINNMP', 1, '01100', 'number', MIN, fp.fpMinimumNumber),
  ...scalarPairwise('FADDP', 0, '01101', 'finite', ADD, fp.fpAdd),
  ...scalarPairwise('FMAXP', 0, '01111', 'number', MAX, fp.fpMaximum),
  ...scalarPairwise('FMINP', 1, '01111', 'number', MIN, fp.fpMinimum),

  ...across('FMAXNMV', 0, '01100', 2),
  ...across('FMINNMV', 1, '01100', 3),
  ...across('FMAXV', 0, '01111', 0),
  ...across('FMINV', 1, '01111', 1),

  ...byElement('FMLA (by element)', 0, '0001', (t, s, pushM, extra) => multiplyAdd(t, s, false, pushM, extra)),
  ...byElement('FMLS (by element)', 0, '0101', (t, s, pushM, extra) => multiplyAdd(t, s, true, pushM, extra)),
  ...byElement('FMUL (by element)', 0, '1001', productByElement(fp.fpMultiply)),
  ...byElement('FMULX (by element)', 1, '1001', productByElement(fp.fpMultiplyExtended)),
];
