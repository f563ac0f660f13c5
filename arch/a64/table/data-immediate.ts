import { T, W } from '../../wasm/opcodes.ts';
import { instruction, signExtend, type Instruction } from '../encoding.ts';
import type { Translator } from '../translator.ts';
import { ADD, AND, constant, emit, OR, ones, type Op, reg, regSp, ROTR, setReg, setRegSp, SHL, SHR_S, SHR_U, SUB, XOR, xspLocal } from './operands.ts';

/**
 * DecodeBitMasks of DDI 0487 (shared pseudocode) for a logical immediate: the 64-bit mask that N:imms:immr encodes,
 * undefined for a reserved combination. A W form uses the low half.
 */
export function decodeBitMasks(N: number, imms: number, immr: number): bigint | undefined {
  const key = (N << 12) | (imms << 6) | immr;
  if (!masks.has(key)) masks.set(key, makeBitMask(N, imms, immr));
  return masks.get(key);
}

/** What has been decoded; most programs use a few hundred. */
const masks = new Map<number, bigint | undefined>();

function makeBitMask(N: number, imms: number, immr: number): bigint | undefined {
  const length = 31 - Math.clz32((N << 6) | (~imms & 0x3f));
  if (length < 1) return undefined;
  const size = 1 << length;
  const s = imms & (size - 1);
  if (s === size - 1) return undefined;
  const element = (1n << BigInt(s + 1)) - 1n;
  const r = BigInt(immr & (size - 1));
  const width = BigInt(size);
  const rotated = ((element >> r) | (element << (width - r))) & ((1n << width) - 1n);
  let mask = 0n;
  for (let at = 0n; at < 64n; at += width) mask |= rotated << at;
  return mask;
}

/**
 * The reverse: N:immr:imms (13 bits) of the logical immediate for `mask`, or undefined when there is none.
 * @param bits 32 or 64
 */
export function encodeBitMasks(mask: bigint, bits: 32 | 64): number | undefined {
  let value = BigInt.asUintN(bits, mask);
  if (bits === 32) value |= value << 32n;
  for (let length = 1; length <= 6; length++) {
    const size = 1 << length;
    const element = BigInt.asUintN(size, value);
    const ones = element.toString(2).replaceAll('0', '').length;
    if (ones === 0 || ones === size) continue;
    const imms = ((~(2 * size - 1) & 0x3f) | (ones - 1)) & 0x3f;
    for (let immr = 0; immr < size; immr++) {
      const N = length === 6 ? 1 : 0;
      if (decodeBitMasks(N, imms, immr) === value) return (N << 12) | (immr << 6) | imms;
    }
  }
  return undefined;
}

function addSub(t: Translator, op: Op, i: { sf: number; sh: number; imm12: number; Rn: number; Rd: number }): void {
  const imm = i.sh !== 0 ? i.imm12 * 4096 : i.imm12;
  regSp(t, i.sf, i.Rn);
  if (imm !== 0) {
    constant(t, i.sf, imm);
    emit(t, i.sf, op);
  }
  setRegSp(t, i.sf, i.Rd);
}

function addSubFlags(t: Translator, subtract: boolean, i: { sf: number; sh: number; imm12: number; Rn: number; Rd: number }): void {
  const imm = i.sh !== 0 ? i.imm12 * 4096 : i.imm12;
  const a = xspLocal(t, i.Rn);
  t.i64(imm);
  const b = t.popTemp(T.i64);
  if (subtract) t.flagsSub(i.sf, a, b);
  else t.flagsAdd(i.sf, a, b);
  if (i.Rd === 31) return;
  regSp(t, i.sf, i.Rn);
  if (imm !== 0) {
    constant(t, i.sf, imm);
    emit(t, i.sf, subtract ? SUB : ADD);
  }
  setReg(t, i.sf, i.Rd);
}

type Logical = { sf: number; N: number; immr: number; imms: number; Rn: number; Rd: number };
const logicalAllocated = (i: Logical): boolean => (i.sf !== 0 || i.N === 0) && decodeBitMasks(i.N, i.imms, i.immr) !== undefined;
const maskOf = (i: Logical): bigint => BigInt.asIntN(i.sf !== 0 ? 64 : 32, decodeBitMasks(i.N, i.imms, i.immr)!);

function logical(t: Translator, op: Op, i: Logical): void {
  const mask = maskOf(i);
  // MOV (bitmask immediate).
  const move = op === OR && i.Rn === 31;
  if (!move) reg(t, i.sf, i.Rn);
  if (i.sf !== 0) t.i64(mask);
  else t.i32(Number(mask));
  if (!move) emit(t, i.sf, op);
  setRegSp(t, i.sf, i.Rd);
}

type Wide = { sf: number; hw: number; imm16: number; Rd: number };
const wideAllocated = (i: Wide): boolean => i.sf !== 0 || i.hw < 2;

type Bitfield = { sf: number; N: number; immr: number; imms: number; Rn: number; Rd: number };
const bitfieldAllocated = (i: Bitfield): boolean => i.N === i.sf && (i.sf !== 0 || (i.immr < 32 && i.imms < 32));

export const dataImmediate: readonly Instruction[] = [
  // PC-relative addressing.
  instruction('ADR', '0 immlo 10000 immhi Rd', 'ADR <Xd>, <label>', {}, (t, i) => {
    t.pc(signExtend((i.immhi << 2) | i.immlo, 21));
    t.setX(i.Rd);
  }),
  instruction('ADRP', '1 immlo 10000 immhi Rd', 'ADRP <Xd>, <label>', {}, (t, i) => {
    t.page(signExtend((i.immhi << 2) | i.immlo, 21) * 4096);
    t.setX(i.Rd);
  }),

  // Add/subtract (immediate).
  instruction('ADD (immediate)', 'sf 0 0 100010 sh imm12 Rn Rd', 'ADD <R><d|SP>, <R><n|SP>, #<imm>{, <shift>}', {}, (t, i) => addSub(t, ADD, i)),
  instruction('ADDS (immediate)', 'sf 0 1 100010 sh imm12 Rn Rd', 'ADDS <R><d>, <R><n|SP>, #<imm>{, <shift>}', {}, (t, i) => addSubFlags(t, false, i)),
  instruction('SUB (immediate)', 'sf 1 0 100010 sh imm12 Rn Rd', 'SUB <R><d|SP>, <R><n|SP>, #<imm>{, <shift>}', {}, (t, i) => addSub(t, SUB, i)),
  instruction('SUBS (immediate)', 'sf 1 1 100010 sh imm12 Rn Rd', 'SUBS <R><d>, <R><n|SP>, #<imm>{, <shift>}', {}, (t, i) => addSubFlags(t, true, i)),

  // Logical (immediate).
  instruction('AND (immediate)', 'sf 00 100100 N immr imms Rn Rd', 'AND <R><d|SP>, <R><n>, #<imm>', { when: logicalAllocated }, (t, i) => logical(t, AND, i)),
  instruction('ORR (immediate)', 'sf 01 100100 N immr imms Rn Rd', 'ORR <R><d|SP>, <R><n>, #<imm>', { when: logicalAllocated }, (t, i) => logical(t, OR, i)),
  instruction('EOR (immediate)', 'sf 10 100100 N immr imms Rn Rd', 'EOR <R><d|SP>, <R><n>, #<imm>', { when: logicalAllocated }, (t, i) => logical(t, XOR, i)),
  instruction('ANDS (immediate)', 'sf 11 100100 N immr imms Rn Rd', 'ANDS <R><d>, <R><n>, #<imm>', { when: logicalAllocated }, (t, i) => {
    t.x(i.Rn);
    t.i64(BigInt.asUintN(i.sf !== 0 ? 64 : 32, maskOf(i)));
    t.op(W.i64_and);
    const result = t.popTemp(T.i64);
    t.flagsLogic(i.sf, result);
    if (i.Rd === 31) return;
    t.get(result);
    t.setX(i.Rd);
  }),

  // Move wide (immediate).
  instruction('MOVN', 'sf 00 100101 hw imm16 Rd', 'MOVN <R><d>, #<imm>{, LSL #<shift>}', { when: wideAllocated }, (t, i) => {
    t.i64(BigInt.asUintN(i.sf !== 0 ? 64 : 32, ~(BigInt(i.imm16) << BigInt(16 * i.hw))));
    t.setX(i.Rd);
  }),
  instruction('MOVZ', 'sf 10 100101 hw imm16 Rd', 'MOVZ <R><d>, #<imm>{, LSL #<shift>}', { when: wideAllocated }, (t, i) => {
    t.i64(i.hw < 3 ? i.imm16 * 2 ** (16 * i.hw) : BigInt(i.imm16) << 48n);
    t.setX(i.Rd);
  }),
  instruction('MOVK', 'sf 11 100101 hw imm16 Rd', 'MOVK <R><d>, #<imm>{, LSL #<shift>}', { when: wideAllocated }, (t, i) => {
    const shift = BigInt(16 * i.hw);
    t.x(i.Rd);
    t.i64(BigInt.asUintN(i.sf !== 0 ? 64 : 32, ~(0xffffn << shift)));
    t.op(W.i64_and);
    if (i.imm16 !== 0) {
      t.i64(BigInt(i.imm16) << shift);
      t.op(W.i64_or);
    }
    t.setX(i.Rd);
  }),

  // Bitfield. The unsigned ones are computed on 64 bits for W registers as well: the masks keep the upper half out.
  instruction('SBFM', 'sf 00 100110 N immr imms Rn Rd', 'SBFM <R><d>, <R><n>, #<immr>, #<imms>', { when: bitfieldAllocated }, (t, i) => {
    const top = i.sf !== 0 ? 63 : 31;
    reg(t, i.sf, i.Rn);
    const up = top - i.imms;
    // Left: the field's sign bit to the top; right: to its place in the result.
    const down = i.imms >= i.immr ? up + i.immr : i.immr - i.imms - 1;
    if (i.immr === 0 && i.imms === 31 && i.sf !== 0) t.op(W.i64_extend32_s);
    else if (i.immr === 0 && i.imms === 15) t.op(i.sf !== 0 ? W.i64_extend16_s : W.i32_extend16_s);
    else if (i.immr === 0 && i.imms === 7) t.op(i.sf !== 0 ? W.i64_extend8_s : W.i32_extend8_s);
    else {
      if (up !== 0) {
        constant(t, i.sf, up);
        emit(t, i.sf, SHL);
      }
      if (down !== 0) {
        constant(t, i.sf, down);
        emit(t, i.sf, SHR_S);
      }
    }
    setReg(t, i.sf, i.Rd);
  }),
  instruction('BFM', 'sf 01 100110 N immr imms Rn Rd', 'BFM <R><d>, <R><n>, #<immr>, #<imms>', { when: bitfieldAllocated }, (t, i) => {
    const size = i.sf !== 0 ? 64 : 32;
    const extract = i.imms >= i.immr;
    const length = extract ? i.imms - i.immr + 1 : i.imms + 1;
    const lsb = extract ? 0 : size - i.immr;
    const field = ((1n << BigInt(length)) - 1n) << BigInt(lsb);
    const kept = BigInt.asUintN(size, ~field);
    if (kept !== 0n) {
      t.x(i.Rd);
      t.i64(kept);
      t.op(W.i64_and);
    }
    if (i.Rn !== 31 || kept === 0n) {
      t.x(i.Rn);
      const shift = extract ? i.immr : lsb;
      if (shift !== 0) {
        t.i64(shift);
        t.op(extract ? W.i64_shr_u : W.i64_shl);
      }
      if (length < 64) {
        t.i64(field);
        t.op(W.i64_and);
      }
      if (kept !== 0n) t.op(W.i64_or);
    }
    t.setX(i.Rd);
  }),
  instruction('UBFM', 'sf 10 100110 N immr imms Rn Rd', 'UBFM <R><d>, <R><n>, #<immr>, #<imms>', { when: bitfieldAllocated }, (t, i) => {
    const size = i.sf !== 0 ? 64 : 32;
    t.x(i.Rn);
    if (i.imms >= i.immr) {
      if (i.immr !== 0) {
        t.i64(i.immr);
        t.op(W.i64_shr_u);
      }
      if (i.imms !== 63) {
        ones(t, i.imms - i.immr + 1);
        t.op(W.i64_and);
      }
    } else {
      // LSL of an X register needs no mask.
      if (i.sf === 0 || i.imms + 1 !== i.immr) {
        ones(t, i.imms + 1);
        t.op(W.i64_and);
      }
      t.i64(size - i.immr);
      t.op(W.i64_shl);
    }
    t.setX(i.Rd);
  }),

  // Extract.
  instruction('EXTR', 'sf 00 100111 N 0 Rm imms Rn Rd', 'EXTR <R><d>, <R><n>, <R><m>, #<lsb>', { when: (i) => i.N === i.sf && (i.sf !== 0 || i.imms < 32) }, (t, i) => {
    const size = i.sf !== 0 ? 64 : 32;
    reg(t, i.sf, i.Rm);
    if (i.imms !== 0) {
      constant(t, i.sf, i.imms);
      if (i.Rn === i.Rm) emit(t, i.sf, ROTR);
      else {
        emit(t, i.sf, SHR_U);
        reg(t, i.sf, i.Rn);
        constant(t, i.sf, size - i.imms);
        emit(t, i.sf, SHL);
        emit(t, i.sf, OR);
      }
    }
    setReg(t, i.sf, i.Rd);
  }),
];
