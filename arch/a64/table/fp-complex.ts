import * as fp from '../../fp/operations.ts';
import { WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Translator } from '../translator.ts';
import { pushExact, touch, vectorResult } from './fp-emit.ts';
import { shuffleElements, simd } from './simd-lanes.ts';
import { hostFuses } from './simd-relaxed.ts';

/** Complex arithmetic (FEAT_FCMA), half-to-single multiply-adds (FEAT_FHM) and unsigned estimates. */

/** Flips the signs of the elements with numbers of the given parity (or of both, for 3: bit 0 even, bit 1 odd). */
function flipSigns(t: Translator, size: number, which: number): void {
  if (which === 0) return;
  if (size === 3) t.v128(which & 1 ? 1n << 63n : 0n, which & 2 ? 1n << 63n : 0n);
  else {
    const half = (which & 1 ? 1n << 31n : 0n) | (which & 2 ? 1n << 63n : 0n);
    t.v128(half, half);
  }
  t.vop(WV.xor);
}

/** Pushes Vn with the elements of each pair chosen by `even` and `odd`; `pair` takes one pair for all, -1 each its own. */
function pairs(t: Translator, n: number, size: number, even: number, odd: number, pair: number): void {
  const count = 16 >> size;
  t.v(n);
  const lanes = Array.from({ length: count }, (_, e) => (pair < 0 ? e & ~1 : 2 * pair) + ((e & 1) === 0 ? even : odd));
  if (lanes.every((lane, e) => lane === e)) return;
  t.v(n);
  shuffleElements(t, size, lanes);
}

function complexMultiplyAdd(t: Translator, d: number, n: number, m: number, size: number, bits: number, rotation: number, pair: number): void {
  const odd = rotation & 1;
  const fast = (): void => {
    pairs(t, n, size, odd, odd, -1);
    pairs(t, m, size, odd, 1 - odd, pair);
    flipSigns(t, size, (rotation === 1 || rotation === 2 ? 1 : 0) | (rotation >= 2 ? 2 : 0));
    t.v(d);
    t.vop(size === 3 ? WV.f64x2_relaxed_madd : WV.f32x4_relaxed_madd);
  };
  const extra = (rotation << 4) | (pair < 0 ? 0 : fp.BY_ELEMENT | pair);
  vectorResult(t, size, bits, 'normal', hostFuses() ? fast : undefined, fp.fpComplexMultiplyAdd, { d, n, m, extra }, [n, m, d]);
}

const complexAllocated = (i: { size: number; Q: number }): boolean => i.size !== 0 && (i.size !== 3 || i.Q !== 0);

type Long = '0 Q 0 01110 0 0 1 Rm 11101 1 Rn Rd';
type LongByElement = '0 Q 0 01111 10 L M Rm:4 0000 H 0 Rn Rd';

function long(t: Translator, d: number, n: number, m: number, Q: number, extra: number): void {
  touch(t, [n, m, d]);
  pushExact(t, fp.fpMultiplyAddLong, { d, n, m, lanes: Q !== 0 ? 2 : 1, extra }, [n, m, d]);
  t.setV(d);
}

/** FMLAL and its kin, by vector and by element. */
function longRows(name: string, U: number, a: number, opcode: string, byElement: string): Instruction[] {
  const extra = (a !== 0 ? fp.NEGATE_PRODUCT : 0) | (U !== 0 ? fp.UPPER_HALF : 0);
  return [
    simd(`${name} (vector)`, `0 Q ${U} 01110 ${a} 0 1 Rm ${opcode} 1 Rn Rd` as Long, `${name} <Vd>.<2S|4S>, <Vn>.<2H|4H>, <Vm>.<2H|4H>`, { feature: 'FEAT_FHM' }, (t, i) => long(t, i.Rd, i.Rn, i.Rm, i.Q, extra)),
    simd(`${name} (by element)`, `0 Q ${U} 01111 10 L M Rm:4 ${byElement} H 0 Rn Rd` as LongByElement, `${name} <Vd>.<2S|4S>, <Vn>.<2H|4H>, <Vm>.H[<index>]`, { feature: 'FEAT_FHM' }, (t, i) =>
      long(t, i.Rd, i.Rn, i.Rm, i.Q, extra | fp.BY_ELEMENT | (i.H << 2) | (i.L << 1) | i.M),
    ),
  ];
}

function estimate(name: string, U: number, extra: number): Instruction {
  return simd(name, `0 Q ${U} 01110 10 10000 11100 10 Rn Rd` as '0 Q 0 01110 10 10000 11100 10 Rn Rd', `${name} <Vd>.<2S|4S>, <Vn>.<2S|4S>`, {}, (t, i) => {
    touch(t, [i.Rn]);
    pushExact(t, fp.unsignedEstimate, { d: i.Rd, n: i.Rn, lanes: i.Q !== 0 ? 2 : 1, extra }, [i.Rn]);
    t.setV(i.Rd);
  });
}

export const fpComplex: readonly Instruction[] = [
  simd('FCADD', '0 Q 1 01110 size 0 Rm 111 rot:1 01 Rn Rd', 'FCADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>, #<rotate>', { feature: 'FEAT_FCMA', when: complexAllocated }, (t, i) =>
    vectorResult(
      t, i.size, i.Q !== 0 ? 128 : 64, 'finite',
      () => {
        t.v(i.Rn);
        pairs(t, i.Rm, i.size, 1, 0, -1);
        flipSigns(t, i.size, i.rot !== 0 ? 2 : 1);
        t.vop(i.size === 3 ? WV.f64x2_add : WV.f32x4_add);
      },
      fp.fpComplexAdd, { d: i.Rd, n: i.Rn, m: i.Rm, extra: i.rot }, [i.Rn, i.Rm],
    ),
  ),
  simd('FCMLA', '0 Q 1 01110 size 0 Rm 110 rot 1 Rn Rd', 'FCMLA <Vd>.<T>, <Vn>.<T>, <Vm>.<T>, #<rotate>', { feature: 'FEAT_FCMA', when: complexAllocated }, (t, i) =>
    complexMultiplyAdd(t, i.Rd, i.Rn, i.Rm, i.size, i.Q !== 0 ? 128 : 64, i.rot, -1),
  ),
  simd(
    'FCMLA (by element)', '0 Q 1 01111 size L M Rm:4 0 rot 1 H 0 Rn Rd', 'FCMLA <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>], #<rotate>',
    { feature: 'FEAT_FCMA', when: (i) => (i.size === 1 && (i.H === 0 || i.Q !== 0)) || (i.size === 2 && i.L === 0 && i.Q !== 0) },
    (t, i) => complexMultiplyAdd(t, i.Rd, i.Rn, (i.M << 4) | i.Rm, i.size, i.Q !== 0 ? 128 : 64, i.rot, i.size === 1 ? (i.H << 1) | i.L : i.H),
  ),
  ...longRows('FMLAL', 0, 0, '11101', '0000'),
  ...longRows('FMLSL', 0, 1, '11101', '0100'),
  ...longRows('FMLAL2', 1, 0, '11001', '1000'),
  ...longRows('FMLSL2', 1, 1, '11001', '1100'),
  estimate('URECPE', 0, 0),
  estimate('URSQRTE', 1, 1),
];
