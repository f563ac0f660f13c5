import { T, W, WV } from '../../wasm/opcodes.ts';
import { instruction, type Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { crc32 } from './crc32.ts';
import { ADD, constant, emit, MUL, ones, type Op, reg, ROTR, setReg, SHL, SHR_S, SHR_U, SUB, typeOf, XOR, xLocal } from './operands.ts';

/** Data processing with three, two and one source: products, quotients, shifts by a register, CRC-32, reversals. */

function multiplyAdd(t: Translator, op: Op, i: { sf: number; Rm: number; Ra: number; Rn: number; Rd: number }): void {
  if (op === ADD && i.Ra === 31) {
    reg(t, i.sf, i.Rn);
    reg(t, i.sf, i.Rm);
    emit(t, i.sf, MUL);
  } else {
    reg(t, i.sf, i.Ra);
    reg(t, i.sf, i.Rn);
    reg(t, i.sf, i.Rm);
    emit(t, i.sf, MUL);
    emit(t, i.sf, op);
  }
  setReg(t, i.sf, i.Rd);
}

function multiplyAddLong(t: Translator, op: Op, signed: boolean, i: { Rm: number; Ra: number; Rn: number; Rd: number }): void {
  const long = (n: number): void => {
    t.w(n);
    t.op(signed ? W.i64_extend_i32_s : W.i64_extend_i32_u);
  };
  const plain = op === ADD && i.Ra === 31;
  if (!plain) t.x(i.Ra);
  long(i.Rn);
  long(i.Rm);
  t.op(W.i64_mul);
  if (!plain) emit(t, 1, op);
  t.setX(i.Rd);
}

/** The high half of a 64 × 64 product, from the four 32 × 32 products. */
function multiplyHigh(t: Translator, signed: boolean, i: { Rm: number; Rn: number; Rd: number }): void {
  const a = xLocal(t, i.Rn);
  const b = xLocal(t, i.Rm);
  const low = (x: Local): void => {
    t.get(x);
    ones(t, 32);
    t.op(W.i64_and);
  };
  const high = (x: Local): void => {
    t.get(x);
    t.i64(32);
    t.op(W.i64_shr_u);
  };
  const part = (push: (x: Local) => void, x: Local): Local => {
    push(x);
    return t.popTemp(T.i64);
  };
  const al = part(low, a);
  const ah = part(high, a);
  const bl = part(low, b);
  const bh = part(high, b);
  const product = (x: Local, y: Local): void => {
    t.get(x);
    t.get(y);
    t.op(W.i64_mul);
  };
  // m1 = ah·bl + (al·bl >> 32), m2 = al·bh + low(m1); neither can overflow.
  product(al, bl);
  t.i64(32);
  t.op(W.i64_shr_u);
  product(ah, bl);
  t.op(W.i64_add);
  const m1 = t.popTemp(T.i64);
  low(m1);
  product(al, bh);
  t.op(W.i64_add);
  const m2 = t.popTemp(T.i64);
  product(ah, bh);
  high(m1);
  t.op(W.i64_add);
  high(m2);
  t.op(W.i64_add);
  if (signed) {
    for (const [x, y] of [[a, b], [b, a]] as const) {
      t.get(x);
      t.i64(63);
      t.op(W.i64_shr_s);
      t.get(y);
      t.op(W.i64_and, W.i64_sub);
    }
  }
  t.setX(i.Rd);
}

type Two = { sf: number; Rm: number; Rn: number; Rd: number };

/** Division by zero gives zero, the most negative number by -1 itself; WebAssembly's division traps on both. */
function divide(t: Translator, signed: boolean, i: Two): void {
  const { sf } = i;
  const type = typeOf(sf);
  reg(t, sf, i.Rn);
  const a = t.popTemp(type);
  reg(t, sf, i.Rm);
  const b = t.popTemp(type);
  t.get(b);
  if (signed) {
    // For 0 and -1 the quotient is the product.
    constant(t, sf, 1);
    emit(t, sf, ADD);
    constant(t, sf, 2);
    t.op(sf !== 0 ? W.i64_lt_u : W.i32_lt_u);
  } else t.op(sf !== 0 ? W.i64_eqz : W.i32_eqz);
  t.if(
    type,
    () => {
      if (signed) {
        t.get(a);
        t.get(b);
        emit(t, sf, MUL);
      } else constant(t, sf, 0);
    },
    () => {
      t.get(a);
      t.get(b);
      t.op(sf !== 0 ? (signed ? W.i64_div_s : W.i64_div_u) : signed ? W.i32_div_s : W.i32_div_u);
    },
  );
  setReg(t, sf, i.Rd);
}

/** A shift by a register, modulo the register's size as in WebAssembly. */
function shiftVariable(t: Translator, op: Op, i: Two): void {
  reg(t, i.sf, i.Rn);
  reg(t, i.sf, i.Rm);
  emit(t, i.sf, op);
  setReg(t, i.sf, i.Rd);
}

const REVERSE_BYTES: Record<number, readonly number[]> = {
  2: [1, 0, 3, 2, 5, 4, 7, 6],
  4: [3, 2, 1, 0, 7, 6, 5, 4],
  8: [7, 6, 5, 4, 3, 2, 1, 0],
};

/** Reverses the bytes of the low vector element group of `group` bytes and pushes the low 64 bits. */
function shuffleBytes(t: Translator, group: number): void {
  const lanes = REVERSE_BYTES[group]!;
  const v = t.popTemp(T.v128);
  t.get(v);
  t.get(v);
  t.vshuffle([...lanes, ...lanes.map((n) => n + 8)]);
  t.vlane(WV.i64x2_extract_lane, 0);
}

/** Pushes Xn, or Wn in the upper half, where reversing 64 bits brings it down. */
function reversible(t: Translator, sf: number, Rn: number): void {
  t.x(Rn);
  if (sf === 0) {
    t.i64(32);
    t.op(W.i64_shl);
  }
  t.vop(WV.i64x2_splat);
}

function reverse(t: Translator, group: number, i: { sf: number; Rn: number; Rd: number }): void {
  if (group === 8 || i.sf !== 0) reversible(t, group === 8 ? i.sf : 1, i.Rn);
  else {
    t.x(i.Rn);
    ones(t, 32);
    t.op(W.i64_and);
    t.vop(WV.i64x2_splat);
  }
  shuffleBytes(t, group);
  t.setX(i.Rd);
}

/** RBIT: each nibble through a table, nibbles and bytes changed about. */
function reverseBits(t: Translator, i: { sf: number; Rn: number; Rd: number }): void {
  // The reversed nibbles 0, 8, 4, 12, 2 … as the bytes of a vector, in the low and in the high half of each byte.
  const low = [0x0e060a020c040800n, 0x0f070b030d050901n] as const;
  reversible(t, i.sf, i.Rn);
  const v = t.popTemp(T.v128);
  t.v128(low[0] << 4n, low[1] << 4n);
  t.get(v);
  t.v128(0x0f0f0f0f0f0f0f0fn, 0x0f0f0f0f0f0f0f0fn);
  t.vop(WV.and);
  t.vop(WV.swizzle);
  t.v128(low[0], low[1]);
  t.get(v);
  t.i32(4);
  t.vop(WV.i8x16_shr_u);
  t.vop(WV.swizzle);
  t.vop(WV.or);
  shuffleBytes(t, 8);
  t.setX(i.Rd);
}

const twoSourceRow = (name: string, opcode: '000010', translate: (t: Translator, i: Two) => void): Instruction =>
  instruction(name, `sf 0 0 11010110 Rm ${opcode} Rn Rd`, `${name} <R><d>, <R><n>, <R><m>`, {}, translate);
const oneSourceRow = (name: string, opcode: '000000', translate: (t: Translator, i: { sf: number; Rn: number; Rd: number }) => void): Instruction =>
  instruction(name, `sf 1 0 11010110 00000 ${opcode} Rn Rd`, `${name} <R><d>, <R><n>`, {}, translate);
const crcRow = (name: string, sf: 0 | 1, castagnoli: 0 | 1, sz: 0 | 1 | 2 | 3): Instruction =>
  instruction(name, `${sf} 0 0 11010110 Rm 010 ${castagnoli} ${sz.toString(2).padStart(2, '0') as '00'} Rn Rd`, `${name} <Wd>, <Wn>, <${sf === 1 ? 'X' : 'W'}m>`, { feature: 'FEAT_CRC32' }, (t, i) => {
    crc32(t, castagnoli === 1, (8 << sz) as 8 | 16 | 32 | 64, i.Rn, i.Rm);
    t.setW(i.Rd);
  });

export const dataSources: readonly Instruction[] = [
  // Three sources.
  instruction('MADD', 'sf 00 11011 000 Rm 0 Ra Rn Rd', 'MADD <R><d>, <R><n>, <R><m>, <R><a>', {}, (t, i) => multiplyAdd(t, ADD, i)),
  instruction('MSUB', 'sf 00 11011 000 Rm 1 Ra Rn Rd', 'MSUB <R><d>, <R><n>, <R><m>, <R><a>', {}, (t, i) => multiplyAdd(t, SUB, i)),
  instruction('SMADDL', '1 00 11011 0 01 Rm 0 Ra Rn Rd', 'SMADDL <Xd>, <Wn>, <Wm>, <Xa>', {}, (t, i) => multiplyAddLong(t, ADD, true, i)),
  instruction('SMSUBL', '1 00 11011 0 01 Rm 1 Ra Rn Rd', 'SMSUBL <Xd>, <Wn>, <Wm>, <Xa>', {}, (t, i) => multiplyAddLong(t, SUB, true, i)),
  instruction('SMULH', '1 00 11011 0 10 Rm 0 (11111) Rn Rd', 'SMULH <Xd>, <Xn>, <Xm>', {}, (t, i) => multiplyHigh(t, true, i)),
  instruction('UMADDL', '1 00 11011 1 01 Rm 0 Ra Rn Rd', 'UMADDL <Xd>, <Wn>, <Wm>, <Xa>', {}, (t, i) => multiplyAddLong(t, ADD, false, i)),
  instruction('UMSUBL', '1 00 11011 1 01 Rm 1 Ra Rn Rd', 'UMSUBL <Xd>, <Wn>, <Wm>, <Xa>', {}, (t, i) => multiplyAddLong(t, SUB, false, i)),
  instruction('UMULH', '1 00 11011 1 10 Rm 0 (11111) Rn Rd', 'UMULH <Xd>, <Xn>, <Xm>', {}, (t, i) => multiplyHigh(t, false, i)),

  // Two sources.
  twoSourceRow('UDIV', '000010', (t, i) => divide(t, false, i)),
  twoSourceRow('SDIV', '000011' as '000010', (t, i) => divide(t, true, i)),
  twoSourceRow('LSLV', '001000' as '000010', (t, i) => shiftVariable(t, SHL, i)),
  twoSourceRow('LSRV', '001001' as '000010', (t, i) => shiftVariable(t, SHR_U, i)),
  twoSourceRow('ASRV', '001010' as '000010', (t, i) => shiftVariable(t, SHR_S, i)),
  twoSourceRow('RORV', '001011' as '000010', (t, i) => shiftVariable(t, ROTR, i)),
  crcRow('CRC32B', 0, 0, 0),
  crcRow('CRC32H', 0, 0, 1),
  crcRow('CRC32W', 0, 0, 2),
  crcRow('CRC32X', 1, 0, 3),
  crcRow('CRC32CB', 0, 1, 0),
  crcRow('CRC32CH', 0, 1, 1),
  crcRow('CRC32CW', 0, 1, 2),
  crcRow('CRC32CX', 1, 1, 3),

  // One source.
  oneSourceRow('RBIT', '000000', reverseBits),
  oneSourceRow('REV16', '000001' as '000000', (t, i) => reverse(t, 2, i)),
  instruction('REV', '0 1 0 11010110 00000 0000 10 Rn Rd', 'REV <Wd>, <Wn>', {}, (t, i) => reverse(t, 8, { ...i, sf: 0 })),
  instruction('REV32', '1 1 0 11010110 00000 0000 10 Rn Rd', 'REV32 <Xd>, <Xn>', {}, (t, i) => reverse(t, 4, { ...i, sf: 1 })),
  instruction('REV', '1 1 0 11010110 00000 0000 11 Rn Rd', 'REV <Xd>, <Xn>', {}, (t, i) => reverse(t, 8, { ...i, sf: 1 })),
  oneSourceRow('CLZ', '000100' as '000000', (t, i) => {
    reg(t, i.sf, i.Rn);
    t.op(i.sf !== 0 ? W.i64_clz : W.i32_clz);
    setReg(t, i.sf, i.Rd);
  }),
  oneSourceRow('CLS', '000101' as '000000', (t, i) => {
    reg(t, i.sf, i.Rn);
    reg(t, i.sf, i.Rn);
    constant(t, i.sf, 1);
    emit(t, i.sf, SHR_S);
    emit(t, i.sf, XOR);
    t.op(i.sf !== 0 ? W.i64_clz : W.i32_clz);
    constant(t, i.sf, 1);
    emit(t, i.sf, SUB);
    setReg(t, i.sf, i.Rd);
  }),
];
