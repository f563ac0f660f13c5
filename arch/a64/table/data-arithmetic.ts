import { T, W } from '../../wasm/opcodes.ts';
import { instruction, type Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { ADD, AND, constant, emit, getLocal, ones, type Op, OR, reg, regSp, ROTR, setReg, setRegSp, SHL, SHR_S, SHR_U, SUB, typeOf, XOR, xLocal, xspLocal } from './operands.ts';

/** Logical operations, additions and subtractions of registers: shifted, extended and with carry. */

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

const shiftedRow = (name: string, head: '00' | '01' | '10' | '11', translate: (t: Translator, i: Shifted) => void): Instruction =>
  instruction(name, `sf ${head} 01011 shift 0 Rm imm6 Rn Rd`, `${name.split(' ')[0]} <R><d>, <R><n>, <R><m>{, <shift> #<amount>}`, { when: (i) => i.shift !== 3 && shiftAllocated(i) }, translate);
const extendedRow = (name: string, head: '00' | '01' | '10' | '11', translate: (t: Translator, i: Extended) => void): Instruction =>
  instruction(name, `sf ${head} 01011 00 1 Rm option imm3 Rn Rd`, `${name.split(' ')[0]} <R><${name.includes('S ') ? 'd' : 'd|SP'}>, <R><n|SP>, <R><m>{, <extend> {#<amount>}}`, { when: (i) => i.imm3 <= 4 }, translate);
const logicalRow = (name: string, opc: '00' | '01' | '10' | '11', N: 0 | 1, translate: (t: Translator, i: Shifted) => void): Instruction =>
  instruction(name, `sf ${opc} 01010 shift ${N} Rm imm6 Rn Rd`, `${name.split(' ')[0]} <R><d>, <R><n>, <R><m>{, <shift> #<amount>}`, { when: shiftAllocated }, translate);
const carryRow = (name: string, head: '00' | '01' | '10' | '11', translate: (t: Translator, i: Carry) => void): Instruction =>
  instruction(name, `sf ${head} 11010000 Rm 000000 Rn Rd`, `${name} <R><d>, <R><n>, <R><m>`, {}, translate);

export const dataArithmetic: readonly Instruction[] = [
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
];
