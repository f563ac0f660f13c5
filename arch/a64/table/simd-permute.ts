import { T, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Translator } from '../translator.ts';
import { setResult, shuffleElements, simd, splatConstant, vectorRow, ADD, GE_U } from './simd-lanes.ts';

/** AdvSIMD permute, extract, table lookup and element reversal. */

type Permute = '0 Q 001110 size 0 Rm 0 10 Rn Rd';

function permute(name: string, opcode: string, lane: (e: number, count: number) => number): Instruction {
  return simd(name, `0 Q 001110 size 0 Rm 0 ${opcode} 10 Rn Rd` as Permute, `${name} <Vd>.<T>, <Vn>.<T>, <Vm>.<T>`, { when: (i) => i.size !== 3 || i.Q !== 0 }, (t, i) => {
    const count = (i.Q !== 0 ? 16 : 8) >> i.size;
    const whole = 16 >> i.size;
    const lanes: number[] = [];
    for (let e = 0; e < whole; e++) {
      // Elements of Vm start at `count` in the concatenation, at `whole` in the shuffle.
      const from = lane(e % count, count);
      lanes.push(from < count ? from : from - count + whole);
    }
    t.v(i.Rn);
    t.v(i.Rm);
    shuffleElements(t, i.size, lanes);
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  });
}

/** Pushes a lookup of the indices in `index` in `count` consecutive registers from Vn; zero where out of range. */
function lookup(t: Translator, n: number, count: number, index: number): void {
  for (let k = 0; k < count; k++) {
    t.v((n + k) & 31);
    t.get(index);
    if (k > 0) {
      splatConstant(t, 0, BigInt(16 * k));
      t.vop(WV.i8x16_sub);
    }
    t.vop(WV.swizzle);
    if (k > 0) t.vop(WV.or);
  }
}

/** Reverses the elements of 1 << size bytes in containers of 1 << container bytes. */
function reverse(name: string, U: number, opcode: string, container: number): Instruction {
  return vectorRow(name, `0 Q ${U} 01110 size 10000 ${opcode} 10 Rn Rd`, `${name.split(' ')[0]!} <Vd>.<T>, <Vn>.<T>`, { sizes: [0, 1, 2].slice(0, container) }, (t, s) => {
    const flip = (1 << (container - s.size)) - 1;
    t.v(s.n);
    t.v(s.n);
    shuffleElements(t, s.size, Array.from({ length: 16 >> s.size }, (_, e) => e ^ flip));
  });
}

export const simdPermute: readonly Instruction[] = [
  permute('UZP1', '001', (e) => 2 * e),
  permute('TRN1', '010', (e, count) => (e & 1) === 0 ? e : e - 1 + count),
  permute('ZIP1', '011', (e, count) => ((e & 1) === 0 ? e >> 1 : (e >> 1) + count)),
  permute('UZP2', '101', (e) => 2 * e + 1),
  permute('TRN2', '110', (e, count) => ((e & 1) === 0 ? e + 1 : e + count)),
  permute('ZIP2', '111', (e, count) => (count >> 1) + ((e & 1) === 0 ? e >> 1 : (e >> 1) + count)),
  simd('EXT', '0 Q 101110 00 0 Rm 0 imm4 0 Rn Rd', 'EXT <Vd>.<8B|16B>, <Vn>.<8B|16B>, <Vm>.<8B|16B>, #<index>', { when: (i) => i.Q !== 0 || i.imm4 < 8 }, (t, i) => {
    t.v(i.Rn);
    t.v(i.Rm);
    const lanes: number[] = [];
    for (let b = 0; b < 16; b++) {
      const from = (b & (i.Q !== 0 ? 15 : 7)) + i.imm4;
      lanes.push(i.Q !== 0 || from < 8 ? from : from + 8);
    }
    t.vshuffle(lanes);
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  }),
  simd('TBL', '0 Q 001110 00 0 Rm 0 len 0 00 Rn Rd', 'TBL <Vd>.<8B|16B>, { <Vn>.16B, … }, <Vm>.<8B|16B>', {}, (t, i) => {
    t.v(i.Rm);
    lookup(t, i.Rn, i.len + 1, t.popTemp(T.v128));
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  }),
  simd('TBX', '0 Q 001110 00 0 Rm 0 len 1 00 Rn Rd', 'TBX <Vd>.<8B|16B>, { <Vn>.16B, … }, <Vm>.<8B|16B>', {}, (t, i) => {
    t.v(i.Rm);
    const index = t.popTemp(T.v128);
    t.v(i.Rd);
    lookup(t, i.Rn, i.len + 1, index);
    t.get(index);
    splatConstant(t, 0, BigInt(16 * (i.len + 1)));
    t.vop(GE_U[0]!);
    t.vop(WV.bitselect);
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  }),
  reverse('REV64', 0, '00000', 3),
  reverse('REV32 (vector)', 1, '00000', 2),
  reverse('REV16 (vector)', 0, '00001', 1),
];

/** Pushes the even or odd (`part` 0 or 1) elements of Vn and, after them, of Vm; with 64 bits, of their low halves. */
export function pushAlternate(t: Translator, n: number, m: number, size: number, bits: number, part: number): void {
  const count = bits >> (3 + size);
  const whole = 16 >> size;
  const lanes: number[] = [];
  for (let e = 0; e < whole; e++) {
    const from = 2 * (e % count) + part;
    lanes.push(from < count ? from : from - count + whole);
  }
  t.v(n);
  t.v(m);
  shuffleElements(t, size, lanes);
}

/** Pairwise addition of Vn's and Vm's neighbours. */
export function pairwiseAdd(t: Translator, n: number, m: number, size: number, bits: number): void {
  pushAlternate(t, n, m, size, bits, 0);
  pushAlternate(t, n, m, size, bits, 1);
  t.vop(ADD[size]!);
}
