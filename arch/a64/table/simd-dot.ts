import type { Feature } from '../../core/idregs.ts';
import { T, WV } from '../../wasm/opcodes.ts';
import * as bfloat from '../../fp/bfloat.ts';
import { BY_ELEMENT } from '../../fp/operations.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { pushExact, touch } from './fp-emit.ts';
import { extend, setResult, shuffleElements, simd } from './simd-lanes.ts';

/** Dot products and matrix multiply-accumulates of bytes (FEAT_DotProd, FEAT_I8MM) and of BFloat16 (FEAT_BF16). */

/** Pushes sums of neighbouring 32-bit elements of two v128 locals. */
function addPairs(t: Translator, a: Local, b: Local): void {
  t.get(a);
  t.get(b);
  shuffleElements(t, 2, [0, 2, 4, 6]);
  t.get(a);
  t.get(b);
  shuffleElements(t, 2, [1, 3, 5, 7]);
  t.vop(WV.i32x4_add);
}

/** Products of eight bytes of two v128 locals, summed in pairs. */
function dotHalf(t: Translator, n: Local, highN: number, unsignedN: number, m: Local, highM: number, unsignedM: number): Local {
  t.get(n);
  extend(t, 0, unsignedN, highN);
  t.get(m);
  extend(t, 0, unsignedM, highM);
  t.vop(WV.i32x4_dot_i16x8_s);
  return t.popTemp(T.v128);
}

function local(t: Translator, n: number): Local {
  t.v(n);
  return t.popTemp(T.v128);
}

/** Each 32-bit element of Vd plus the products of its four bytes. */
function dot(t: Translator, d: number, n: number, unsignedN: number, m: Local, unsignedM: number, Q: number): void {
  const x = local(t, n);
  const low = dotHalf(t, x, 0, unsignedN, m, 0, unsignedM);
  const high = Q !== 0 ? dotHalf(t, x, 1, unsignedN, m, 1, unsignedM) : low;
  addPairs(t, low, high);
  t.v(d);
  t.vop(WV.i32x4_add);
  setResult(t, d, Q !== 0 ? 128 : 64);
}

/** The 32-bit element of Vm that H:L tells, in every lane. */
function broadcast(t: Translator, i: { H: number; L: number; M: number; Rm: number }): Local {
  const m = (i.M << 4) | i.Rm;
  t.v(m);
  t.v(m);
  shuffleElements(t, 2, new Array<number>(4).fill((i.H << 1) | i.L));
  return t.popTemp(T.v128);
}

type Vector = '0 Q 0 01110 10 0 Rm 1 0010 1 Rn Rd';
type ByElement = '0 Q 0 01111 10 L M Rm:4 1110 H 0 Rn Rd';

function dotVector(name: string, U: number, opcode: string, unsignedN: number, unsignedM: number, feature: Feature): Instruction {
  return simd(`${name} (vector)`, `0 Q ${U} 01110 10 0 Rm 1 ${opcode} 1 Rn Rd` as Vector, `${name} <Vd>.<2S|4S>, <Vn>.<8B|16B>, <Vm>.<8B|16B>`, { feature }, (t, i) => dot(t, i.Rd, i.Rn, unsignedN, local(t, i.Rm), unsignedM, i.Q));
}

function dotByElement(name: string, U: number, size: string, opcode: string, unsignedN: number, unsignedM: number, feature: Feature): Instruction {
  return simd(`${name} (by element)`, `0 Q ${U} 01111 ${size} L M Rm:4 ${opcode} H 0 Rn Rd` as ByElement, `${name} <Vd>.<2S|4S>, <Vn>.<8B|16B>, <Vm>.4B[<index>]`, { feature }, (t, i) =>
    dot(t, i.Rd, i.Rn, unsignedN, broadcast(t, i), unsignedM, i.Q),
  );
}

/** 2×2 sums of products of the rows of eight bytes in Vn and Vm. */
function matrix(name: string, U: number, B: number, unsignedN: number, unsignedM: number): Instruction {
  return simd(`${name} (vector)`, `0 1 ${U} 01110 10 0 Rm 1 010${B} 1 Rn Rd` as '0 1 0 01110 10 0 Rm 1 0100 1 Rn Rd', `${name} <Vd>.4S, <Vn>.16B, <Vm>.16B`, { feature: 'FEAT_I8MM' }, (t, i) => {
    const n = local(t, i.Rn);
    const m = local(t, i.Rm);
    const product = (row: number, column: number): Local => dotHalf(t, n, row, unsignedN, m, column, unsignedM);
    addPairs(t, product(0, 0), product(0, 1));
    const first = t.popTemp(T.v128);
    addPairs(t, product(1, 0), product(1, 1));
    const second = t.popTemp(T.v128);
    addPairs(t, first, second);
    t.v(i.Rd);
    t.vop(WV.i32x4_add);
    t.setV(i.Rd);
  });
}


function bfloatHelper(t: Translator, helper: typeof bfloat.dot, d: number, n: number, m: number, lanes: number, extra: number): void {
  touch(t, [n, m, d]);
  pushExact(t, helper, { d, n, m, lanes, extra }, [n, m, d]);
  t.setV(d);
}

export const simdDot: readonly Instruction[] = [
  dotVector('SDOT', 0, '0010', 0, 0, 'FEAT_DotProd'),
  dotVector('UDOT', 1, '0010', 1, 1, 'FEAT_DotProd'),
  dotByElement('SDOT', 0, '10', '1110', 0, 0, 'FEAT_DotProd'),
  dotByElement('UDOT', 1, '10', '1110', 1, 1, 'FEAT_DotProd'),
  dotVector('USDOT', 0, '0011', 1, 0, 'FEAT_I8MM'),
  dotByElement('USDOT', 0, '10', '1111', 1, 0, 'FEAT_I8MM'),
  dotByElement('SUDOT', 0, '00', '1111', 0, 1, 'FEAT_I8MM'),
  matrix('SMMLA', 0, 0, 0, 0),
  matrix('UMMLA', 1, 0, 1, 1),
  matrix('USMMLA', 0, 1, 1, 0),

  simd('BFDOT (vector)', '0 Q 1 01110 01 0 Rm 1 1111 1 Rn Rd', 'BFDOT <Vd>.<2S|4S>, <Vn>.<4H|8H>, <Vm>.<4H|8H>', { feature: 'FEAT_BF16' }, (t, i) => bfloatHelper(t, bfloat.dot, i.Rd, i.Rn, i.Rm, i.Q !== 0 ? 2 : 1, 0)),
  simd('BFDOT (by element)', '0 Q 0 01111 01 L M Rm:4 1111 H 0 Rn Rd', 'BFDOT <Vd>.<2S|4S>, <Vn>.<4H|8H>, <Vm>.2H[<index>]', { feature: 'FEAT_BF16' }, (t, i) =>
    bfloatHelper(t, bfloat.dot, i.Rd, i.Rn, (i.M << 4) | i.Rm, i.Q !== 0 ? 2 : 1, BY_ELEMENT | (i.H << 1) | i.L),
  ),
  simd('BFMMLA', '0 1 1 01110 01 0 Rm 1 1101 1 Rn Rd', 'BFMMLA <Vd>.4S, <Vn>.8H, <Vm>.8H', { feature: 'FEAT_BF16' }, (t, i) => bfloatHelper(t, bfloat.matrixMultiply, i.Rd, i.Rn, i.Rm, 2, 0)),
  // Q chooses the odd elements: BFMLALT; the even ones: BFMLALB.
  simd('BFMLALB, BFMLALT (vector)', '0 Q 1 01110 11 0 Rm 1 1111 1 Rn Rd', 'BFMLAL<bt> <Vd>.4S, <Vn>.8H, <Vm>.8H', { feature: 'FEAT_BF16' }, (t, i) => bfloatHelper(t, bfloat.multiplyAddLong, i.Rd, i.Rn, i.Rm, 2, i.Q << 4)),
  simd('BFMLALB, BFMLALT (by element)', '0 Q 0 01111 11 L M Rm:4 1111 H 0 Rn Rd', 'BFMLAL<bt> <Vd>.4S, <Vn>.8H, <Vm>.H[<index>]', { feature: 'FEAT_BF16' }, (t, i) =>
    bfloatHelper(t, bfloat.multiplyAddLong, i.Rd, i.Rn, i.Rm, 2, (i.Q << 4) | BY_ELEMENT | (i.H << 2) | (i.L << 1) | i.M),
  ),
];
