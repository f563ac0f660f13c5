import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W } from '../wasm/opcodes.ts';

/** A function's code: (frame, argument) → 1 when it is done, 0 when JavaScript must decide. */
export class Code {
  readonly bytes: number[] = [];
  readonly locals: number[] = [];

  local(type: number): number {
    return 1 + this.locals.push(type);
  }
  op(...opcodes: number[]): this {
    this.bytes.push(...opcodes);
    return this;
  }
  u(n: number): this {
    for (; n >= 0x80; n >>>= 7) this.bytes.push((n & 0x7f) | 0x80);
    return this.op(n);
  }
  get(n: number): this {
    return this.op(W.local_get).u(n);
  }
  set(n: number): this {
    return this.op(W.local_set).u(n);
  }
  tee(n: number): this {
    return this.op(W.local_tee).u(n);
  }
  i32(n: number): this {
    const b = new CodeBuffer();
    b.s32(n);
    return this.op(W.i32_const, ...b.view());
  }
  i64(n: number | bigint): this {
    const b = new CodeBuffer();
    b.s64(n);
    return this.op(W.i64_const, ...b.view());
  }
  f64(n: number): this {
    return this.op(W.f64_const, ...new Uint8Array(Float64Array.of(n).buffer));
  }
  memory(opcode: number, offset: number): this {
    return this.op(opcode, 0).u(offset);
  }
  vector(opcode: number): this {
    return this.op(0xfd).u(opcode);
  }
  vectorMemory(opcode: number, offset: number): this {
    return this.vector(opcode).op(0).u(offset);
  }
  /** Pops an i32: undecided when it is zero. */
  require(): this {
    return this.op(W.i32_eqz, W.if, T.void).i32(0).op(W.return, W.end);
  }
}

export const FRAME = 0;
export const ARGUMENT = 1;

/** Pushes the address of the register whose number is at `shift` in the argument, less F.V. */
export function register(c: Code, shift: number): Code {
  return c.get(ARGUMENT).i32(shift).op(W.i32_shr_u).i32(31).op(W.i32_and).i32(4).op(W.i32_shl).get(FRAME).op(W.i32_add);
}
