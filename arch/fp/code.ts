import { F } from '../core/frame.ts';
import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W, WV } from '../wasm/opcodes.ts';

/**
 * A function's code: (frame, argument) → 0 when JavaScript must decide, else the helper's result doubled, plus 1.
 */
export class Code {
  readonly bytes: number[] = [];
  readonly locals: number[] = [];
  private readonly parameters: number;

  constructor(parameters = 2) {
    this.parameters = parameters;
  }

  local(type: number): number {
    return this.parameters - 1 + this.locals.push(type);
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

export interface Loop {
  n: number;
  m: number;
  a: number;
  at: number;
  flags: number;
}

/** A loop over the elements; `body` leaves a result on the stack, which is stored by `store`. The results go through F.ARG0. */
export function elements(c: Code, size: number, body: (l: Loop) => void, store: number): void {
  const l: Loop = {
    n: c.local(T.i32),
    m: c.local(T.i32),
    a: c.local(T.i32),
    at: c.local(T.i32),
    flags: c.local(T.i32),
  };
  const end = c.local(T.i32);
  register(c, 5).set(l.n);
  register(c, 10).set(l.m);
  register(c, 15).set(l.a);
  c.i32(1 << size)
    .get(ARGUMENT)
    .i32(22)
    .op(W.i32_shr_u)
    .i32(7)
    .op(W.i32_and, W.i32_shl)
    .set(end);
  c.get(FRAME).i32(0).vector(WV.i32x4_splat).vectorMemory(WV.store, F.ARG0);
  c.op(W.loop, T.void);
  c.get(FRAME).get(l.at).op(W.i32_add);
  body(l);
  c.memory(store, F.ARG0);
  c.get(l.at)
    .i32(1 << size)
    .op(W.i32_add)
    .tee(l.at)
    .get(end)
    .op(W.i32_lt_u, W.br_if, 0, W.end);
  register(c, 0).get(FRAME).vectorMemory(WV.load, F.ARG0).vectorMemory(WV.store, F.V);
  c.get(l.flags).op(W.if, T.void);
  c.get(FRAME).get(FRAME).memory(W.i32_load, F.FPSR).get(l.flags).op(W.i32_or).memory(W.i32_store, F.FPSR);
  c.op(W.end).i32(1);
}

/** Pushes the extra operand's bits, as they stand in the argument. */
export function extra(c: Code, bits: number): Code {
  return c
    .get(ARGUMENT)
    .i32(bits << 25)
    .op(W.i32_and);
}
