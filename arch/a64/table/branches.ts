import { W } from '../../wasm/opcodes.ts';
import { instruction, signExtend, type Instruction } from '../encoding.ts';
import { EXIT } from '../region-abi.ts';
import { EQZ, emit, reg } from './operands.ts';

const offset19 = (i: { imm19: number }): number => signExtend(i.imm19, 19) * 4;
const offset14 = (i: { imm14: number }): number => signExtend(i.imm14, 14) * 4;
const offset26 = (i: { imm26: number }): number => signExtend(i.imm26, 26) * 4;

export const branches: readonly Instruction[] = [
  // Unconditional branch (immediate).
  instruction('B', '0 00101 imm26', 'B <label>', { flow: 'jump', offset: offset26 }, () => {}),
  instruction('BL', '1 00101 imm26', 'BL <label>', { flow: 'call', offset: offset26 }, () => {}),

  // Conditional branch (immediate), compare and branch, test and branch.
  instruction('B.cond', '0101010 0 imm19 0 cond', 'B.<cond> <label>', { flow: 'branch', offset: offset19 }, (t, i) => t.condition(i.cond)),
  instruction('CBZ', 'sf 011010 0 imm19 Rt', 'CBZ <R><t>, <label>', { flow: 'branch', offset: offset19 }, (t, i) => {
    reg(t, i.sf, i.Rt);
    emit(t, i.sf, EQZ);
  }),
  instruction('CBNZ', 'sf 011010 1 imm19 Rt', 'CBNZ <R><t>, <label>', { flow: 'branch', offset: offset19 }, (t, i) => {
    reg(t, i.sf, i.Rt);
    if (i.sf !== 0) {
      t.i64(0);
      t.op(W.i64_ne);
    }
  }),
  ...[0, 1].map((op) =>
    instruction(op === 0 ? 'TBZ' : 'TBNZ', `b5 011011 ${op as 0 | 1} b40 imm14 Rt`, `${op === 0 ? 'TBZ' : 'TBNZ'} <R><t>, #<imm>, <label>`, { flow: 'branch', offset: offset14 }, (t, i) => {
      if (i.b5 === 0) {
        t.w(i.Rt);
        t.i32(1 << i.b40);
        t.op(W.i32_and);
        if (op === 0) t.op(W.i32_eqz);
      } else {
        t.x(i.Rt);
        t.i64(1n << BigInt(32 + i.b40));
        t.op(W.i64_and);
        t.op(W.i64_eqz);
        if (op !== 0) t.op(W.i32_eqz);
      }
    }),
  ),

  // Unconditional branch (register).
  instruction('BR', '1101011 0 0 00 11111 0000 0 0 Rn 00000', 'BR <Xn>', { flow: 'indirect' }, (t, i) => t.x(i.Rn)),
  instruction('BLR', '1101011 0 0 01 11111 0000 0 0 Rn 00000', 'BLR <Xn>', { flow: 'callIndirect' }, (t, i) => t.x(i.Rn)),
  instruction('RET', '1101011 0 0 10 11111 0000 0 0 Rn 00000', 'RET {<Xn>}', { flow: 'return' }, (t, i) => t.x(i.Rn)),
  instruction('ERET', '1101011 0100 11111 0000 0 0 11111 00000', 'ERET', { flow: 'exit' }, (t) => {
    if (t.context.el === 0) t.undefined();
    else t.leave(EXIT.eret, 0);
  }),
  // Debug state is not implemented.
  instruction('DRPS', '1101011 0101 11111 000000 11111 00000', 'DRPS', { flow: 'exit' }, (t) => t.undefined()),

  // Exception generation. The exit's PC is that of the instruction itself.
  instruction('SVC', '11010100 000 imm16 000 01', 'SVC #<imm>', { flow: 'exit', resumes: true }, (t, i) => t.leave(EXIT.svc, i.imm16)),
  instruction('HVC', '11010100 000 imm16 000 10', 'HVC #<imm>', { flow: 'exit', resumes: true }, (t, i) => {
    if (t.context.el === 0) t.undefined();
    else t.leave(EXIT.hvc, i.imm16);
  }),
  instruction('SMC', '11010100 000 imm16 000 11', 'SMC #<imm>', { flow: 'exit', resumes: true }, (t, i) => {
    if (t.context.el === 0) t.undefined();
    else t.leave(EXIT.smc, i.imm16);
  }),
  instruction('BRK', '11010100 001 imm16 000 00', 'BRK #<imm>', { flow: 'exit' }, (t, i) => t.leave(EXIT.brk, i.imm16)),
  instruction('HLT', '11010100 010 imm16 000 00', 'HLT #<imm>', { flow: 'exit' }, (t, i) => t.leave(EXIT.hlt, i.imm16)),
  instruction('DCPS1', '11010100 101 imm16 000 01', 'DCPS1 {#<imm>}', { flow: 'exit' }, (t) => t.undefined()),
  instruction('DCPS2', '11010100 101 imm16 000 10', 'DCPS2 {#<imm>}', { flow: 'exit' }, (t) => t.undefined()),
  instruction('DCPS3', '11010100 101 imm16 000 11', 'DCPS3 {#<imm>}', { flow: 'exit' }, (t) => t.undefined()),

  instruction('UDF', '0000000000000000 imm16', 'UDF #<imm>', { flow: 'exit' }, (t) => t.undefined()),
];
