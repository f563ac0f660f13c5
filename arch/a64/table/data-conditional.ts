import { T, W } from '../../wasm/opcodes.ts';
import { instruction, type Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { ADD, constant, emit, reg, setReg, SUB, XOR, xLocal } from './operands.ts';

/** Data processing with the flags: FEAT_FlagM and FEAT_FlagM2, conditional compare and select. */

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

const selectRow = (name: string, op: 0 | 1, op2: '00' | '01', otherwise: Parameters<typeof conditionalSelect>[2]): Instruction =>
  instruction(name, `sf ${op} 0 11010100 Rm cond ${op2} Rn Rd`, `${name} <R><d>, <R><n>, <R><m>, <cond>`, {}, (t, i) => conditionalSelect(t, i, otherwise));

export const dataConditional: readonly Instruction[] = [
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
];
