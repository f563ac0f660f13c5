import { T, W, WV } from '../../wasm/opcodes.ts';
import { instruction, type Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { crc32 } from './crc32.ts';
import { ADD, AND, constant, emit, getLocal, MUL, ones, type Op, OR, reg, regSp, ROTR, setReg, setRegSp, SHL, SHR_S, SHR_U, SUB, typeOf, XOR, xLocal, xspLocal } from './operands.ts';

const SHIFTS = [SHL, SHR_U, SHR_S, ROTR] as const;

/** Pushes Rm shifted by a constant. */
function shifted(t: Translator, sf: number, Rm: number, shift: number, amount: number): void {
  reg(t, sf, Rm);
  if (amount === 0 || Rm === 31) return;
  constant(t, sf, amount);
  emit(t, sf, SHIFTS[shift]!);
}

/** Pushes Rm extended (UXTB … SXTX) and shifted left. */
function extended(t: Translator, sf: number, Rm: number, option: number, amount: number): void {
  reg(t, sf, Rm);
  switch (option) {
    case 0: constant(t, sf, 0xff); emit(t, sf, AND); break;
    case 1: constant(t, sf, 0xffff); emit(t, sf, AND); break;
    case 2:
      if (sf !== 0) {
        ones(t, 32);
        t.op(W.i64_and);
      }
      break;
    case 4: t.op(sf !== 0 ? W.i64_extend8_s : W.i32_extend8_s); break;
    case 5: t.op(sf !== 0 ? W.i64_extend16_s : W.i32_extend16_s); break;
    case 6: if (sf !== 0) t.op(W.i64_extend32_s); break;
  }
  if (amount !== 0) {
    constant(t, sf, amount);
    emit(t, sf, SHL);
  }
}

/** Pops an operand into an i64 local, as the flags want it. */
function flagOperand(t: Translator, sf: number): Local {
  if (sf === 0) t.op(W.i64_extend_i32_u);
  return t.popTemp(T.i64);
}

type Shifted = { sf: number; shift: number; Rm: number; imm6: number; Rn: number; Rd: number };
type Extended = { sf: number; Rm: number; option: number; imm3: number; Rn: number; Rd: number };

const shiftAllocated = (i: { sf: number; imm6: number }): boolean => i.sf !== 0 || i.imm6 < 32;

function addSubShifted(t: Translator, op: Op, i: Shifted): void {
  // NEG has no first operand but zero; ADD of the zero register is a move.
  if (op === ADD && i.Rn === 31) shifted(t, i.sf, i.Rm, i.shift, i.imm6);
  else {
    reg(t, i.sf, i.Rn);
    shifted(t, i.sf, i.Rm, i.shift, i.imm6);
    emit(t, i.sf, op);
  }
  setReg(t, i.sf, i.Rd);
}

/** Sets the flags of a ± b and Rd. */
function addSubFlags(t: Translator, subtract: boolean, sf: number, Rd: number, a: Local, b: Local): void {
  if (subtract) t.flagsSub(sf, a, b);
  else t.flagsAdd(sf, a, b);
  if (Rd === 31) return;
  getLocal(t, sf, a);
  getLocal(t, sf, b);
  emit(t, sf, subtract ? SUB : ADD);
  setReg(t, sf, Rd);
}

function addSubFlagsShifted(t: Translator, subtract: boolean, i: Shifted): void {
  let b: Local;
  if (i.imm6 === 0) b = xLocal(t, i.Rm);
  else {
    shifted(t, i.sf, i.Rm, i.shift, i.imm6);
    b = flagOperand(t, i.sf);
  }
  addSubFlags(t, subtract, i.sf, i.Rd, xLocal(t, i.Rn), b);
}

function addSubFlagsExtended(t: Translator, subtract: boolean, i: Extended): void {
  extended(t, i.sf, i.Rm, i.option, i.imm3);
  const b = flagOperand(t, i.sf);
  addSubFlags(t, subtract, i.sf, i.Rd, xspLocal(t, i.Rn), b);
}

function addSubExtended(t: Translator, op: Op, i: Extended): void {
  regSp(t, i.sf, i.Rn);
  extended(t, i.sf, i.Rm, i.option, i.imm3);
  emit(t, i.sf, op);
  setRegSp(t, i.sf, i.Rd);
}

/** Pushes the second operand of a logical instruction. */
function logicalOperand(t: Translator, invert: boolean, i: Shifted): void {
  shifted(t, i.sf, i.Rm, i.shift, i.imm6);
  if (invert) {
    constant(t, i.sf, -1);
    emit(t, i.sf, XOR);
  }
}

function logical(t: Translator, op: Op, invert: boolean, i: Shifted): void {
  if (i.Rn === 31 && op !== AND) {
    // MOV (register), MVN.
    if (i.sf === 0 && i.imm6 === 0 && !invert && i.Rm !== 31) {
      t.x(i.Rm);
      ones(t, 32);
      t.op(W.i64_and);
      t.setX(i.Rd);
      return;
    }
    logicalOperand(t, invert, i);
  } else {
    reg(t, i.sf, i.Rn);
    logicalOperand(t, invert, i);
    emit(t, i.sf, op);
  }
  setReg(t, i.sf, i.Rd);
}

function logicalFlags(t: Translator, invert: boolean, i: Shifted): void {
  let result: Local;
  if (!invert && i.imm6 === 0 && i.Rn === i.Rm && i.Rd === 31) result = xLocal(t, i.Rn);
  else {
    reg(t, i.sf, i.Rn);
    logicalOperand(t, invert, i);
    emit(t, i.sf, AND);
    result = flagOperand(t, i.sf);
  }
  t.flagsLogic(i.sf, result);
  if (i.Rd === 31) return;
  t.get(result);
  t.setX(i.Rd);
}

type Carry = { sf: number; Rm: number; Rn: number; Rd: number };

/** Pushes a + b + carry, where b is Rm or its complement. */
function pushCarried(t: Translator, subtract: boolean, i: Carry): void {
  if (subtract) {
    // a + ~b + c = a - b - !c
    reg(t, i.sf, i.Rn);
    reg(t, i.sf, i.Rm);
    emit(t, i.sf, SUB);
    t.condition(3);
    t.op(W.i32_eqz, W.i32_eqz);
    if (i.sf !== 0) t.op(W.i64_extend_i32_u);
    emit(t, i.sf, SUB);
    return;
  }
  reg(t, i.sf, i.Rn);
  reg(t, i.sf, i.Rm);
  emit(t, i.sf, ADD);
  t.carry();
  if (i.sf !== 0) t.op(W.i64_extend_i32_u);
  emit(t, i.sf, ADD);
}

function addCarryFlags(t: Translator, subtract: boolean, i: Carry): void {
  const { sf } = i;
  const type = typeOf(sf);
  const top = sf !== 0 ? 63 : 31;
  pushCarried(t, subtract, i);
  const r = t.popTemp(type);
  reg(t, sf, i.Rn);
  const a = t.popTemp(type);
  reg(t, sf, i.Rm);
  if (subtract) {
    constant(t, sf, -1);
    emit(t, sf, XOR);
  }
  const b = t.popTemp(type);
  const flag = (to: number): void => {
    constant(t, sf, top);
    emit(t, sf, SHR_U);
    if (sf !== 0) t.op(W.i32_wrap_i64);
    if (to !== 0) {
      t.i32(to);
      t.op(W.i32_shl);
    }
  };
  // N
  t.get(r);
  flag(31);
  // Z
  t.get(r);
  t.op(sf !== 0 ? W.i64_eqz : W.i32_eqz);
  t.i32(30);
  t.op(W.i32_shl, W.i32_or);
  // C: the carry out of the top bit, (a & b) | ((a | b) & ~r)
  t.get(a);
  t.get(b);
  emit(t, sf, AND);
  t.get(a);
  t.get(b);
  emit(t, sf, OR);
  t.get(r);
  constant(t, sf, -1);
  emit(t, sf, XOR);
  emit(t, sf, AND);
  emit(t, sf, OR);
  flag(29);
  t.op(W.i32_or);
  // V: both operands differ from the result in sign
  t.get(a);
  t.get(r);
  emit(t, sf, XOR);
  t.get(b);
  t.get(r);
  emit(t, sf, XOR);
  emit(t, sf, AND);
  flag(28);
  t.op(W.i32_or);
  t.setNzcv();
  t.get(r);
  setReg(t, sf, i.Rd);
}

type Select = { sf: number; Rm: number; cond: number; Rn: number; Rd: number };

/** CSEL and its kin: Rn where the condition holds, else `otherwise` of Rm. */
function conditionalSelect(t: Translator, i: Select, otherwise: 'same' | 'increment' | 'invert' | 'negate'): void {
  if (i.Rn === 31 && i.Rm === 31 && otherwise !== 'same' && otherwise !== 'negate') {
    // CSET, CSETM.
    if (otherwise === 'increment') {
      t.condition(i.cond);
      t.op(W.i32_eqz, W.i64_extend_i32_u);
      t.setX(i.Rd);
      return;
    }
    constant(t, i.sf, 0);
    t.condition(i.cond);
    t.op(W.i32_eqz);
    if (i.sf !== 0) t.op(W.i64_extend_i32_u);
    emit(t, i.sf, SUB);
    setReg(t, i.sf, i.Rd);
    return;
  }
  reg(t, i.sf, i.Rn);
  if (otherwise === 'negate') constant(t, i.sf, 0);
  reg(t, i.sf, i.Rm);
  if (otherwise === 'negate') emit(t, i.sf, SUB);
  else if (otherwise === 'increment') {
    constant(t, i.sf, 1);
    emit(t, i.sf, ADD);
  } else if (otherwise === 'invert') {
    constant(t, i.sf, -1);
    emit(t, i.sf, XOR);
  }
  t.condition(i.cond);
  t.op(W.select);
  setReg(t, i.sf, i.Rd);
}

/** CCMP, CCMN: the second operand is Rm or a 5-bit constant. */
function conditionalCompare(t: Translator, add: boolean, i: { sf: number; cond: number; Rn: number; nzcv: number }, b: Local): void {
  t.flagsConditional(i.cond, add, i.sf, xLocal(t, i.Rn), b, i.nzcv);
}

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

/** SETF8, SETF16: N, Z and V of the low `bits` bits; C stays. */
function setFlagsNarrow(t: Translator, bits: number, Rn: number): void {
  t.w(Rn);
  const w = t.popTemp(T.i32);
  t.get(w);
  t.i32(32 - bits);
  t.op(W.i32_shl);
  const top = t.popTemp(T.i32);
  t.get(top);
  t.i32(-0x80000000);
  t.op(W.i32_and);
  t.get(top);
  t.op(W.i32_eqz);
  t.i32(30);
  t.op(W.i32_shl, W.i32_or);
  t.get(w);
  t.i32(1);
  t.op(W.i32_shr_u);
  t.get(w);
  t.op(W.i32_xor);
  t.i32(29 - bits);
  t.op(W.i32_shl);
  t.i32(1 << 28);
  t.op(W.i32_and, W.i32_or);
  t.nzcv();
  t.i32(1 << 29);
  t.op(W.i32_and, W.i32_or);
  t.setNzcv();
}

const shiftedRow = (name: string, head: '00' | '01' | '10' | '11', translate: (t: Translator, i: Shifted) => void): Instruction =>
  instruction(name, `sf ${head} 01011 shift 0 Rm imm6 Rn Rd`, `${name.split(' ')[0]} <R><d>, <R><n>, <R><m>{, <shift> #<amount>}`, { when: (i) => i.shift !== 3 && shiftAllocated(i) }, translate);
const extendedRow = (name: string, head: '00' | '01' | '10' | '11', translate: (t: Translator, i: Extended) => void): Instruction =>
  instruction(name, `sf ${head} 01011 00 1 Rm option imm3 Rn Rd`, `${name.split(' ')[0]} <R><${name.includes('S ') ? 'd' : 'd|SP'}>, <R><n|SP>, <R><m>{, <extend> {#<amount>}}`, { when: (i) => i.imm3 <= 4 }, translate);
const logicalRow = (name: string, opc: '00' | '01' | '10' | '11', N: 0 | 1, translate: (t: Translator, i: Shifted) => void): Instruction =>
  instruction(name, `sf ${opc} 01010 shift ${N} Rm imm6 Rn Rd`, `${name.split(' ')[0]} <R><d>, <R><n>, <R><m>{, <shift> #<amount>}`, { when: shiftAllocated }, translate);
const carryRow = (name: string, head: '00' | '01' | '10' | '11', translate: (t: Translator, i: Carry) => void): Instruction =>
  instruction(name, `sf ${head} 11010000 Rm 000000 Rn Rd`, `${name} <R><d>, <R><n>, <R><m>`, {}, translate);
const selectRow = (name: string, op: 0 | 1, op2: '00' | '01', otherwise: Parameters<typeof conditionalSelect>[2]): Instruction =>
  instruction(name, `sf ${op} 0 11010100 Rm cond ${op2} Rn Rd`, `${name} <R><d>, <R><n>, <R><m>, <cond>`, {}, (t, i) => conditionalSelect(t, i, otherwise));
const twoSourceRow = (name: string, opcode: '000010', translate: (t: Translator, i: Two) => void): Instruction =>
  instruction(name, `sf 0 0 11010110 Rm ${opcode} Rn Rd`, `${name} <R><d>, <R><n>, <R><m>`, {}, translate);
const oneSourceRow = (name: string, opcode: '000000', translate: (t: Translator, i: { sf: number; Rn: number; Rd: number }) => void): Instruction =>
  instruction(name, `sf 1 0 11010110 00000 ${opcode} Rn Rd`, `${name} <R><d>, <R><n>`, {}, translate);
const crcRow = (name: string, sf: 0 | 1, castagnoli: 0 | 1, sz: 0 | 1 | 2 | 3): Instruction =>
  instruction(name, `${sf} 0 0 11010110 Rm 010 ${castagnoli} ${sz.toString(2).padStart(2, '0') as '00'} Rn Rd`, `${name} <Wd>, <Wn>, <${sf === 1 ? 'X' : 'W'}m>`, { feature: 'FEAT_CRC32' }, (t, i) => {
    crc32(t, castagnoli === 1, (8 << sz) as 8 | 16 | 32 | 64, i.Rn, i.Rm);
    t.setW(i.Rd);
  });

export const dataRegister: readonly Instruction[] = [
  // Logical (shifted register).
  logicalRow('AND (shifted register)', '00', 0, (t, i) => logical(t, AND, false, i)),
  logicalRow('BIC (shifted register)', '00', 1, (t, i) => logical(t, AND, true, i)),
  logicalRow('ORR (shifted register)', '01', 0, (t, i) => logical(t, OR, false, i)),
  logicalRow('ORN (shifted register)', '01', 1, (t, i) => logical(t, OR, true, i)),
  logicalRow('EOR (shifted register)', '10', 0, (t, i) => logical(t, XOR, false, i)),
  logicalRow('EON (shifted register)', '10', 1, (t, i) => logical(t, XOR, true, i)),
  logicalRow('ANDS (shifted register)', '11', 0, (t, i) => logicalFlags(t, false, i)),
  logicalRow('BICS (shifted register)', '11', 1, (t, i) => logicalFlags(t, true, i)),

  // Add/subtract (shifted register), (extended register).
  shiftedRow('ADD (shifted register)', '00', (t, i) => addSubShifted(t, ADD, i)),
  shiftedRow('ADDS (shifted register)', '01', (t, i) => addSubFlagsShifted(t, false, i)),
  shiftedRow('SUB (shifted register)', '10', (t, i) => addSubShifted(t, SUB, i)),
  shiftedRow('SUBS (shifted register)', '11', (t, i) => addSubFlagsShifted(t, true, i)),
  extendedRow('ADD (extended register)', '00', (t, i) => addSubExtended(t, ADD, i)),
  extendedRow('ADDS (extended register)', '01', (t, i) => addSubFlagsExtended(t, false, i)),
  extendedRow('SUB (extended register)', '10', (t, i) => addSubExtended(t, SUB, i)),
  extendedRow('SUBS (extended register)', '11', (t, i) => addSubFlagsExtended(t, true, i)),

  // Add/subtract (with carry).
  carryRow('ADC', '00', (t, i) => {
    pushCarried(t, false, i);
    setReg(t, i.sf, i.Rd);
  }),
  carryRow('ADCS', '01', (t, i) => addCarryFlags(t, false, i)),
  carryRow('SBC', '10', (t, i) => {
    pushCarried(t, true, i);
    setReg(t, i.sf, i.Rd);
  }),
  carryRow('SBCS', '11', (t, i) => addCarryFlags(t, true, i)),

  // Flags.
  instruction('RMIF', '1 0 1 11010000 imm6 00001 Rn 0 mask:4', 'RMIF <Xn>, #<shift>, #<mask>', { feature: 'FEAT_FlagM' }, (t, i) => {
    const mask = i.mask << 28;
    t.x(i.Rn);
    t.i64(i.imm6);
    t.op(W.i64_rotr, W.i32_wrap_i64);
    t.i32(28);
    t.op(W.i32_shl);
    t.i32(mask);
    t.op(W.i32_and);
    t.nzcv();
    t.i32(~mask);
    t.op(W.i32_and, W.i32_or);
    t.setNzcv();
  }),
  instruction('SETF8', '0 0 1 11010000 000000 0 0010 Rn 0 1101', 'SETF8 <Wn>', { feature: 'FEAT_FlagM' }, (t, i) => setFlagsNarrow(t, 8, i.Rn)),
  instruction('SETF16', '0 0 1 11010000 000000 1 0010 Rn 0 1101', 'SETF16 <Wn>', { feature: 'FEAT_FlagM' }, (t, i) => setFlagsNarrow(t, 16, i.Rn)),
  instruction('CFINV', '1101010100 0 0 0 000 0100 (0000) 000 11111', 'CFINV', { feature: 'FEAT_FlagM' }, (t) => {
    t.nzcv();
    t.i32(1 << 29);
    t.op(W.i32_xor);
    t.setNzcv();
  }),
  instruction('XAFLAG', '1101010100 0 0 0 000 0100 (0000) 001 11111', 'XAFLAG', { feature: 'FEAT_FlagM2' }, (t) => {
    // N = !C & !Z, Z = Z & C, C = C | Z, V = !C & Z
    t.nzcv();
    const n = t.popTemp(T.i32);
    const bit = (b: number): void => {
      t.get(n);
      t.i32(b);
      t.op(W.i32_shr_u);
      t.i32(1);
      t.op(W.i32_and);
    };
    bit(30);
    const z = t.popTemp(T.i32);
    bit(29);
    const c = t.popTemp(T.i32);
    t.get(z);
    t.get(c);
    t.op(W.i32_or, W.i32_eqz);
    t.i32(31);
    t.op(W.i32_shl);
    t.get(z);
    t.get(c);
    t.op(W.i32_and);
    t.i32(30);
    t.op(W.i32_shl, W.i32_or);
    t.get(z);
    t.get(c);
    t.op(W.i32_or);
    t.i32(29);
    t.op(W.i32_shl, W.i32_or);
    t.get(z);
    t.get(c);
    t.op(W.i32_eqz, W.i32_and);
    t.i32(28);
    t.op(W.i32_shl, W.i32_or);
    t.setNzcv();
  }),
  instruction('AXFLAG', '1101010100 0 0 0 000 0100 (0000) 010 11111', 'AXFLAG', { feature: 'FEAT_FlagM2' }, (t) => {
    // N = 0, Z = Z | V, C = C & !V, V = 0
    t.nzcv();
    const n = t.popTemp(T.i32);
    t.get(n);
    t.i32(2);
    t.op(W.i32_shl);
    t.get(n);
    t.op(W.i32_or);
    t.i32(1 << 30);
    t.op(W.i32_and);
    t.get(n);
    t.get(n);
    t.i32(1);
    t.op(W.i32_shl);
    t.i32(-1);
    t.op(W.i32_xor, W.i32_and);
    t.i32(1 << 29);
    t.op(W.i32_and, W.i32_or);
    t.setNzcv();
  }),

  // Conditional compare.
  ...([false, true] as const).flatMap((add) => {
    const name = add ? 'CCMN' : 'CCMP';
    const op = add ? '0' : '1';
    return [
      instruction(`${name} (register)`, `sf ${op} 1 11010010 Rm cond 0 0 Rn 0 nzcv`, `${name} <R><n>, <R><m>, #<nzcv>, <cond>`, {}, (t, i) => conditionalCompare(t, add, i, xLocal(t, i.Rm))),
      instruction(`${name} (immediate)`, `sf ${op} 1 11010010 imm5 cond 1 0 Rn 0 nzcv`, `${name} <R><n>, #<imm>, #<nzcv>, <cond>`, {}, (t, i) => {
        t.i64(i.imm5);
        conditionalCompare(t, add, i, t.popTemp(T.i64));
      }),
    ];
  }),

  // Conditional select.
  selectRow('CSEL', 0, '00', 'same'),
  selectRow('CSINC', 0, '01', 'increment'),
  selectRow('CSINV', 1, '00', 'invert'),
  selectRow('CSNEG', 1, '01', 'negate'),

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
