import { T, W } from '../../wasm/opcodes.ts';
import type { Local } from '../emitter.ts';
import { SP } from '../emitter-registers.ts';
import type { Translator } from '../translator.ts';

/** Opcodes of an operation on W registers (i32) and on X registers (i64), indexed by `sf`. */
export type Op = readonly [word: number, doubleword: number];

export const ADD: Op = [W.i32_add, W.i64_add];
export const SUB: Op = [W.i32_sub, W.i64_sub];
export const MUL: Op = [W.i32_mul, W.i64_mul];
export const AND: Op = [W.i32_and, W.i64_and];
export const OR: Op = [W.i32_or, W.i64_or];
export const XOR: Op = [W.i32_xor, W.i64_xor];
export const SHL: Op = [W.i32_shl, W.i64_shl];
export const SHR_U: Op = [W.i32_shr_u, W.i64_shr_u];
export const SHR_S: Op = [W.i32_shr_s, W.i64_shr_s];
export const ROTR: Op = [W.i32_rotr, W.i64_rotr];
export const EQZ: Op = [W.i32_eqz, W.i64_eqz];

/** The value type of a W (0) or X (1) operand. */
export const typeOf = (sf: number): typeof T.i32 | typeof T.i64 => (sf !== 0 ? T.i64 : T.i32);

export function emit(t: Translator, sf: number, op: Op): void {
  t.op(op[sf]!);
}

/** Pushes Xn as i64 or Wn as i32; 31 is zero. */
export function reg(t: Translator, sf: number, n: number): void {
  if (sf !== 0) t.x(n);
  else t.w(n);
}

/** The same, 31 is the stack pointer. */
export function regSp(t: Translator, sf: number, n: number): void {
  if (sf !== 0) t.xsp(n);
  else t.wsp(n);
}

/** Pops into Xn or Wn; 31 drops. */
export function setReg(t: Translator, sf: number, n: number): void {
  if (sf !== 0) t.setX(n);
  else t.setW(n);
}

/** The same, 31 is the stack pointer. */
export function setRegSp(t: Translator, sf: number, n: number): void {
  if (sf !== 0) t.setXsp(n);
  else t.setWsp(n);
}

/** Pushes a constant of the operand's type. */
export function constant(t: Translator, sf: number, n: number): void {
  if (sf !== 0) t.i64(n);
  else t.i32(n);
}

/** The i64 local that holds Xn (or SP for 31), valid until the register is written. */
export function xspLocal(t: Translator, n: number): Local {
  t.load(n);
  t.readLo |= 1 << n;
  return t.localOf(n);
}

/** The i64 local that holds Xn, or one that holds zero for 31; valid until the register is written. */
export function xLocal(t: Translator, n: number): Local {
  if (n !== SP) return xspLocal(t, n);
  t.i64(0);
  return t.popTemp(T.i64);
}

/** Pushes an i64 local as the operand's type. */
export function getLocal(t: Translator, sf: number, local: Local): void {
  t.get(local);
  if (sf === 0) t.op(W.i32_wrap_i64);
}

/** Pushes the low `bits` ones as an i64 constant. */
export function ones(t: Translator, bits: number): void {
  t.i64(bits < 53 ? 2 ** bits - 1 : (1n << BigInt(bits)) - 1n);
}
