import type { Feature } from '../../core/idregs.ts';
import { T } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { ADD, extmul, setResult, shuffleElements, simd, SUB } from './simd-lanes.ts';
import { doublingLong } from './simd-three-different.ts';
import { doublingHigh, multiply, roundingAccumulateHigh } from './simd-three-same.ts';

/** AdvSIMD vector × indexed element on integers, and its scalar forms. */

type Vector = '0 Q 0 01111 size L M Rm:4 0000 H 0 Rn Rd';
type Scalar = '01 0 11111 size L M Rm:4 0000 H 0 Rn Rd';

/** The element's register and index: H:L:M and four bits of register for 16-bit elements, H:L and five bits for 32. */
export function indexed(i: { size: number; H: number; L: number; M: number; Rm: number }): { m: number; index: number } {
  if (i.size === 1) return { m: i.Rm, index: (i.H << 2) | (i.L << 1) | i.M };
  return { m: (i.M << 4) | i.Rm, index: (i.H << 1) | i.L };
}

/** A local with the chosen element in every lane. */
function broadcast(t: Translator, size: number, m: number, index: number): Local {
  t.v(m);
  t.v(m);
  shuffleElements(t, size, new Array<number>(16 >> size).fill(index));
  return t.popTemp(T.v128);
}

interface Operands {
  d: number;
  n: number;
  /** The local with the broadcast element. */
  m: Local;
  size: number;
  /** The half that a long operation reads. */
  high: number;
  /** Bits of the result that count. */
  bits: number;
}

type Meaning = (t: Translator, o: Operands) => void;

function local(t: Translator, n: number): Local {
  t.v(n);
  return t.popTemp(T.v128);
}

function row(name: string, U: number, opcode: string, long: boolean, scalar: boolean, feature: Feature | undefined, meaning: Meaning): Instruction[] {
  const mnemonic = name.split(' ')[0]!;
  const options = { when: (i: { size: number }) => i.size === 1 || i.size === 2, ...(feature === undefined ? {} : { feature }) };
  const out = [
    simd(name, `0 Q ${U} 01111 size L M Rm:4 ${opcode} H 0 Rn Rd` as Vector, long ? `${mnemonic.replace(',', '')}{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Ts>[<index>]` : `${mnemonic} <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>]`, options, (t, i) => {
      const { m, index } = indexed(i);
      const bits = long || i.Q !== 0 ? 128 : 64;
      meaning(t, { d: i.Rd, n: i.Rn, m: broadcast(t, i.size, m, index), size: i.size, high: i.Q, bits });
      setResult(t, i.Rd, bits);
    }),
  ];
  if (scalar) {
    out.push(
      simd(name, `01 ${U} 11111 size L M Rm:4 ${opcode} H 0 Rn Rd` as Scalar, `${mnemonic.replace(',', '')} ${long ? '<Va><d>, <Vb><n>' : '<V><d>, <V><n>'}, <Vm>.<Ts>[<index>]`, options, (t, i) => {
        const { m, index } = indexed(i);
        const bits = (long ? 16 : 8) << i.size;
        meaning(t, { d: i.Rd, n: i.Rn, m: broadcast(t, i.size, m, index), size: i.size, high: 0, bits });
        setResult(t, i.Rd, bits);
      }),
    );
  }
  return out;
}

function product(op: readonly number[] | undefined): Meaning {
  return (t, o) => {
    if (op !== undefined) t.v(o.d);
    multiply(t, o.size, () => t.v(o.n), () => t.get(o.m));
    if (op !== undefined) t.vop(op[o.size]!);
  };
}

function longProduct(unsigned: number, op: readonly number[] | undefined): Meaning {
  return (t, o) => {
    if (op !== undefined) t.v(o.d);
    t.v(o.n);
    t.get(o.m);
    extmul(t, o.size, unsigned, o.high);
    if (op !== undefined) t.vop(op[o.size + 1]!);
  };
}

function doubling(accumulate: 'add' | 'subtract' | undefined): Meaning {
  return (t, o) => {
    const n = local(t, o.n);
    const acc = local(t, o.d);
    doublingLong(t, o.size, o.high, o.bits, n, o.m, acc, accumulate);
  };
}

function high(round: boolean): Meaning {
  return (t, o) => doublingHigh(t, o.size, o.bits, round, local(t, o.n), o.m);
}

function roundingHigh(subtract: boolean): Meaning {
  return (t, o) => roundingAccumulateHigh(t, o.size, o.bits, subtract, local(t, o.d), local(t, o.n), o.m);
}

export const simdByElement: readonly Instruction[] = [
  ...row('MLA (by element)', 1, '0000', false, false, undefined, product(ADD)),
  ...row('SMLAL, SMLAL2 (by element)', 0, '0010', true, false, undefined, longProduct(0, ADD)),
  ...row('UMLAL, UMLAL2 (by element)', 1, '0010', true, false, undefined, longProduct(1, ADD)),
  ...row('SQDMLAL, SQDMLAL2 (by element)', 0, '0011', true, true, undefined, doubling('add')),
  ...row('MLS (by element)', 1, '0100', false, false, undefined, product(SUB)),
  ...row('SMLSL, SMLSL2 (by element)', 0, '0110', true, false, undefined, longProduct(0, SUB)),
  ...row('UMLSL, UMLSL2 (by element)', 1, '0110', true, false, undefined, longProduct(1, SUB)),
  ...row('SQDMLSL, SQDMLSL2 (by element)', 0, '0111', true, true, undefined, doubling('subtract')),
  ...row('MUL (by element)', 0, '1000', false, false, undefined, product(undefined)),
  ...row('SMULL, SMULL2 (by element)', 0, '1010', true, false, undefined, longProduct(0, undefined)),
  ...row('UMULL, UMULL2 (by element)', 1, '1010', true, false, undefined, longProduct(1, undefined)),
  ...row('SQDMULL, SQDMULL2 (by element)', 0, '1011', true, true, undefined, doubling(undefined)),
  ...row('SQDMULH (by element)', 0, '1100', false, true, undefined, high(false)),
  ...row('SQRDMULH (by element)', 0, '1101', false, true, undefined, high(true)),
  ...row('SQRDMLAH (by element)', 1, '1101', false, true, 'FEAT_RDM', roundingHigh(false)),
  ...row('SQRDMLSH (by element)', 1, '1111', false, true, 'FEAT_RDM', roundingHigh(true)),
];
