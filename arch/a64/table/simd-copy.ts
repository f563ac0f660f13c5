import { T, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Translator } from '../translator.ts';
import { EXTRACT_S, EXTRACT_U, REPLACE, setResult, shuffleElements, simd, SPLAT, splatConstant } from './simd-lanes.ts';

/** AdvSIMD copy, scalar copy and modified immediate (DDI 0487, C4.1.96). */

/** Element size (log2 of bytes) and index in imm5. */
function element(imm5: number): { size: number; index: number } {
  const size = 31 - Math.clz32(imm5 & -imm5);
  return { size, index: imm5 >> (size + 1) };
}

/** Pushes Xn or Wn as the lane type of `size`. */
function general(t: Translator, size: number, n: number): void {
  if (size === 3) t.x(n);
  else t.w(n);
}

/** The 64-bit pattern of AdvSIMDExpandImm. */
export function expandImmediate(op: number, cmode: number, imm8: number): bigint {
  const b = BigInt(imm8);
  const every = (value: bigint, bits: bigint): bigint => {
    let out = 0n;
    for (let at = 0n; at < 64n; at += bits) out |= value << at;
    return out;
  };
  switch (cmode >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
      return every(b << BigInt(8 * (cmode >> 1)), 32n);
    case 4:
    case 5:
      return every(b << BigInt(8 * ((cmode >> 1) & 1)), 16n);
    case 6:
      return every((cmode & 1) !== 0 ? (b << 16n) | 0xffffn : (b << 8n) | 0xffn, 32n);
    default:
      if ((cmode & 1) === 0) {
        if (op === 0) return every(b, 8n);
        let out = 0n;
        for (let bit = 0; bit < 8; bit++) if ((imm8 >> bit) & 1) out |= 0xffn << BigInt(8 * bit);
        return out;
      }
      return op === 0 ? every(expandFloat(imm8, 2), 32n) : expandFloat(imm8, 3);
  }
}

/** VFPExpandImm: the bits of a floating-point constant; `size` is 1, 2 or 3 for half, single and double. */
export function expandFloat(imm8: number, size: number): bigint {
  const exponentBits = size === 1 ? 5 : size === 2 ? 8 : 11;
  const bits = 8 << size;
  const sign = BigInt(imm8 >> 7);
  const b6 = (imm8 >> 6) & 1;
  let exponent = BigInt((imm8 >> 4) & 3);
  for (let bit = 2; bit < exponentBits - 1; bit++) if (b6 !== 0) exponent |= 1n << BigInt(bit);
  if (b6 === 0) exponent |= 1n << BigInt(exponentBits - 1);
  return (sign << BigInt(bits - 1)) | (exponent << BigInt(bits - 1 - exponentBits)) | (BigInt(imm8 & 15) << BigInt(bits - 5 - exponentBits));
}

interface ImmediateFields {
  readonly [name: string]: number;
}

function imm8(i: ImmediateFields): number {
  return (i.a! << 7) | (i.b! << 6) | (i.c! << 5) | (i.d! << 4) | (i.e! << 3) | (i.f! << 2) | (i.g! << 1) | i.h!;
}

/** Sets Vd to a constant repeated in its 64-bit half or halves. */
function setConstant(t: Translator, d: number, Q: number, value: bigint): void {
  if (value === 0n) t.vzero();
  else t.v128(value, Q !== 0 ? value : 0n);
  t.setV(d);
}

type Cmode = '0 Q op 0111100000 a b c cmode 0 1 d e f g h Rd';

function move(name: string, op: number, cmode: string, syntax: string, allocated = true): Instruction {
  return simd(name, `0 Q ${op} 0111100000 a b c ${cmode} 0 1 d e f g h Rd` as Cmode, syntax, allocated ? {} : { when: (i) => i.Q !== 0 }, (t, i) => {
    const mode = (i.word >>> 12) & 15;
    const value = expandImmediate(op, mode, imm8(i));
    setConstant(t, i.Rd, i.Q, op !== 0 && mode < 14 ? BigInt.asUintN(64, ~value) : value);
  });
}

function bitImmediate(name: string, op: number, cmode: string, syntax: string): Instruction {
  return simd(name, `0 Q ${op} 0111100000 a b c ${cmode} 0 1 d e f g h Rd` as Cmode, syntax, {}, (t, i) => {
    const value = expandImmediate(op, (i.word >>> 12) & 15, imm8(i));
    t.v(i.Rd);
    splatConstant(t, 3, value);
    t.vop(op !== 0 ? WV.andnot : WV.or);
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  });
}

export const simdCopy: readonly Instruction[] = [
  simd('DUP (element)', '0 Q 0 01110000 imm5 0 0000 1 Rn Rd', 'DUP <Vd>.<T>, <Vn>.<Ts>[<index>]', { when: (i) => (i.imm5 & 15) !== 0 && !((i.imm5 & 15) === 8 && i.Q === 0) }, (t, i) => {
    const { size, index } = element(i.imm5);
    t.v(i.Rn);
    t.v(i.Rn);
    shuffleElements(t, size, new Array<number>(16 >> size).fill(index));
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  }),
  simd('DUP (element)', '01 0 11110000 imm5 0 0000 1 Rn Rd', 'DUP <V><d>, <Vn>.<Ts>[<index>]', { when: (i) => (i.imm5 & 15) !== 0 }, (t, i) => {
    const { size, index } = element(i.imm5);
    if (size === 3) {
      t.v(i.Rn);
      t.vzero();
      shuffleElements(t, 3, [index, 2]);
      t.setV(i.Rd);
    } else {
      t.v(i.Rn);
      t.vlane(EXTRACT_U[size]!, index);
      t.setVLow(i.Rd, T.i32);
    }
  }),
  simd('DUP (general)', '0 Q 0 01110000 imm5 0 0001 1 Rn Rd', 'DUP <Vd>.<T>, <R><n>', { when: (i) => (i.imm5 & 15) !== 0 && !((i.imm5 & 15) === 8 && i.Q === 0) }, (t, i) => {
    const { size } = element(i.imm5);
    if (i.Rn === 31) t.vzero();
    else {
      general(t, size, i.Rn);
      t.vop(SPLAT[size]!);
    }
    setResult(t, i.Rd, i.Q !== 0 ? 128 : 64);
  }),
  simd('SMOV', '0 Q 0 01110000 imm5 0 0101 1 Rn Rd', 'SMOV <Wd|Xd>, <Vn>.<Ts>[<index>]', { when: (i) => (i.imm5 & 3) !== 0 || ((i.imm5 & 7) === 4 && i.Q !== 0) }, (t, i) => {
    const { size, index } = element(i.imm5);
    t.v(i.Rn);
    t.vlane(EXTRACT_S[size]!, index);
    if (i.Q !== 0) {
      t.op(W.i64_extend_i32_s);
      t.setX(i.Rd);
    } else t.setW(i.Rd);
  }),
  simd('UMOV', '0 Q 0 01110000 imm5 0 0111 1 Rn Rd', 'UMOV <Wd|Xd>, <Vn>.<Ts>[<index>]', { when: (i) => ((i.imm5 & 7) !== 0 && i.Q === 0) || ((i.imm5 & 15) === 8 && i.Q !== 0) }, (t, i) => {
    const { size, index } = element(i.imm5);
    t.v(i.Rn);
    t.vlane(EXTRACT_U[size]!, index);
    if (i.Q !== 0) t.setX(i.Rd);
    else t.setW(i.Rd);
  }),
  simd('INS (general)', '0 1 0 01110000 imm5 0 0011 1 Rn Rd', 'INS <Vd>.<Ts>[<index>], <R><n>', { when: (i) => (i.imm5 & 15) !== 0 }, (t, i) => {
    const { size, index } = element(i.imm5);
    t.v(i.Rd);
    general(t, size, i.Rn);
    t.vlane(REPLACE[size]!, index);
    t.setV(i.Rd);
  }),
  simd('INS (element)', '0 1 1 01110000 imm5 0 imm4 1 Rn Rd', 'INS <Vd>.<Ts>[<index1>], <Vn>.<Ts>[<index2>]', { when: (i) => (i.imm5 & 15) !== 0 }, (t, i) => {
    const { size, index } = element(i.imm5);
    const from = i.imm4 >> size;
    t.v(i.Rd);
    t.v(i.Rn);
    if (size === 3) shuffleElements(t, 3, index === 0 ? [2 + from, 1] : [0, 2 + from]);
    else {
      t.vlane(EXTRACT_U[size]!, from);
      t.vlane(REPLACE[size]!, index);
    }
    t.setV(i.Rd);
  }),

  // Modified immediate, by cmode.
  move('MOVI', 0, '0 sh:2 0', 'MOVI <Vd>.<2S|4S>, #<imm8>{, LSL #<amount>}'),
  bitImmediate('ORR (vector, immediate)', 0, '0 sh:2 1', 'ORR <Vd>.<2S|4S>, #<imm8>{, LSL #<amount>}'),
  move('MOVI', 0, '10 sh:1 0', 'MOVI <Vd>.<4H|8H>, #<imm8>{, LSL #<amount>}'),
  bitImmediate('ORR (vector, immediate)', 0, '10 sh:1 1', 'ORR <Vd>.<4H|8H>, #<imm8>{, LSL #<amount>}'),
  move('MOVI', 0, '110 sh:1', 'MOVI <Vd>.<2S|4S>, #<imm8>, MSL #<amount>'),
  move('MOVI', 0, '1110', 'MOVI <Vd>.<8B|16B>, #<imm8>'),
  move('FMOV (vector, immediate)', 0, '1111', 'FMOV <Vd>.<2S|4S>, #<imm>'),
  move('MVNI', 1, '0 sh:2 0', 'MVNI <Vd>.<2S|4S>, #<imm8>{, LSL #<amount>}'),
  bitImmediate('BIC (vector, immediate)', 1, '0 sh:2 1', 'BIC <Vd>.<2S|4S>, #<imm8>{, LSL #<amount>}'),
  move('MVNI', 1, '10 sh:1 0', 'MVNI <Vd>.<4H|8H>, #<imm8>{, LSL #<amount>}'),
  bitImmediate('BIC (vector, immediate)', 1, '10 sh:1 1', 'BIC <Vd>.<4H|8H>, #<imm8>{, LSL #<amount>}'),
  move('MVNI', 1, '110 sh:1', 'MVNI <Vd>.<2S|4S>, #<imm8>, MSL #<amount>'),
  move('MOVI', 1, '1110', 'MOVI <Dd|Vd.2D>, #<imm>'),
  move('FMOV (vector, immediate)', 1, '1111', 'FMOV <Vd>.2D, #<imm>', false),
  simd('FMOV (vector, immediate)', '0 Q 0 0111100000 a b c 1111 1 1 d e f g h Rd', 'FMOV <Vd>.<4H|8H>, #<imm>', { feature: 'FEAT_FP16' }, (t, i) => {
    const half = expandFloat(imm8(i), 1);
    setConstant(t, i.Rd, i.Q, half | (half << 16n) | (half << 32n) | (half << 48n));
  }),
];
