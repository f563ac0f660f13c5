import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W, WA, WV, type ValueType } from '../wasm/opcodes.ts';
import { P } from './region-abi.ts';

/** A WebAssembly local of the function being made. */
export type Local = number;

/**
 * Emits a function of WebAssembly: its instructions, the locals that they take, the imported functions that they call.
 * Temporaries live until the end of the guest's instruction.
 */
export class Emitter {
  readonly code = new CodeBuffer();
  private readonly header = new CodeBuffer();
  /** Imported functions needed: 0 … imports - 1. */
  imports = 0;
  /** Types of the locals after the parameters, in order. */
  localTypes: ValueType[] = [];
  /** Open blocks. */
  depth = 0;
  /** Open arms of `if`. */
  protected arms = 0;

  /** A v128 that is never written, so always zero. */
  private zeroLocal: Local = -1;

  /** Temporaries by type (less T.v128), and how many of each the instruction has taken. */
  private readonly temps: Local[][] = [[], [], [], [], []];
  private readonly tempsUsed = new Uint8Array(5);

  protected beginFunction(): void {
    this.code.reset();
    this.imports = 0;
    this.localTypes = [];
    for (const all of this.temps) all.length = 0;
    this.zeroLocal = -1;
    this.depth = 0;
    this.arms = 0;
  }

  /** The temporaries may be taken again. */
  protected releaseTemps(): void {
    this.tempsUsed.fill(0);
  }

  /** The function as the code section wants it, without its size: its locals and the code. */
  functionBody(): Uint8Array<ArrayBuffer> {
    const { localTypes } = this;
    const header = this.header;
    header.reset();
    let runs = 0;
    for (let i = 0; i < localTypes.length; i++) if (localTypes[i] !== localTypes[i - 1]) runs++;
    header.u32(runs);
    for (let i = 0, first = 0; i < localTypes.length; i++) {
      if (localTypes[i] === localTypes[i + 1]) continue;
      header.u32(i + 1 - first);
      header.u8(localTypes[i]!);
      first = i + 1;
    }
    const body = new Uint8Array(header.length + this.code.length);
    body.set(header.view());
    body.set(this.code.view(), header.length);
    return body;
  }

  newLocal(type: ValueType): Local {
    this.localTypes.push(type);
    return 3 + this.localTypes.length;
  }

  /** A temporary that lives until the instruction's end. */
  temp(type: ValueType): Local {
    const all = this.temps[type - T.v128]!;
    const used = this.tempsUsed[type - T.v128]!++;
    if (used === all.length) all.push(this.newLocal(type));
    return all[used]!;
  }

  /** Pops into a new temporary. */
  popTemp(type: ValueType): Local {
    const local = this.temp(type);
    this.set(local);
    return local;
  }

  /** One-byte instructions. */
  op(first: number, second?: number, third?: number, fourth?: number): void {
    this.code.u8(first);
    if (second !== undefined) this.code.u8(second);
    if (third !== undefined) this.code.u8(third);
    if (fourth !== undefined) this.code.u8(fourth);
  }

  get(local: Local): void {
    this.code.u8(W.local_get);
    this.code.u32(local);
  }

  set(local: Local): void {
    this.code.u8(W.local_set);
    this.code.u32(local);
  }

  tee(local: Local): void {
    this.code.u8(W.local_tee);
    this.code.u32(local);
  }

  i32(n: number): void {
    this.code.u8(W.i32_const);
    this.code.s32(n);
  }

  /** An i64 constant: a safe integer or a bigint. */
  i64(n: number | bigint): void {
    this.code.u8(W.i64_const);
    this.code.s64(n);
  }

  /** A v128 constant from two 64-bit halves. */
  v128(low: bigint, high: bigint): void {
    this.code.u8(0xfd);
    this.code.u32(WV.const);
    for (const half of [low, high]) for (let i = 0n; i < 64n; i += 8n) this.code.u8(Number((half >> i) & 0xffn));
  }

  /** Pushes a v128 of zeros. */
  vzero(): void {
    if (this.zeroLocal < 0) this.zeroLocal = this.newLocal(T.v128);
    this.get(this.zeroLocal);
  }

  /** A v128 instruction without immediates. */
  vop(opcode: number): void {
    this.code.u8(0xfd);
    this.code.u32(opcode);
  }

  /** extract_lane or replace_lane. */
  vlane(opcode: number, lane: number): void {
    this.vop(opcode);
    this.code.u8(lane);
  }

  /** i8x16.shuffle with 16 lane numbers (0–31). */
  vshuffle(lanes: readonly number[]): void {
    this.vop(WV.shuffle);
    for (const lane of lanes) this.code.u8(lane);
  }

  /** A load or store with alignment 1 and a constant offset. */
  memory(opcode: number, offset: number): void {
    this.code.u8(opcode);
    this.code.u8(0);
    this.code.u32(offset);
  }

  /** A v128 load or store (with a lane where the opcode takes one). */
  vmemory(opcode: number, offset: number, lane = -1): void {
    this.vop(opcode);
    this.code.u8(0);
    this.code.u32(offset);
    if (lane >= 0) this.code.u8(lane);
  }

  /** An atomic instruction; `log2` is the access's size, its alignment. */
  atomic(opcode: number, log2: number, offset = 0): void {
    this.code.u8(0xfe);
    this.code.u32(opcode);
    this.code.u32(log2);
    this.code.u32(offset);
  }

  fence(): void {
    this.code.u8(0xfe);
    this.code.u32(WA.atomic_fence);
    this.code.u8(0);
  }

  /** A saturating float-to-integer conversion (0xFC prefix). */
  truncSat(opcode: number): void {
    this.code.u8(0xfc);
    this.code.u32(opcode);
  }

  /** Calls an imported function (IMPORT). */
  call(index: number): void {
    if (index >= this.imports) this.imports = index + 1;
    this.code.u8(W.call);
    this.code.u32(index);
  }

  /** Calls an imported function instead of returning. */
  returnCall(index: number): void {
    if (index >= this.imports) this.imports = index + 1;
    this.code.u8(W.return_call);
    this.code.u32(index);
  }

  /** Opens a block, loop or if; returns its depth, by which branches name it. */
  open(opcode: number): number {
    this.op(opcode, T.void);
    return ++this.depth;
  }

  /** Ends the innermost one. */
  close(): void {
    this.op(W.end);
    this.depth--;
  }

  /** br or br_if to the block or loop of a depth. */
  branch(opcode: number, depth: number): void {
    this.code.u8(opcode);
    this.code.u32(this.depth - depth);
  }

  /** Pops an i32; emits the arms. Registers and flags must not be written inside. */
  if(type: ValueType | typeof T.void, then: () => void, otherwise?: () => void): void {
    this.code.u8(W.if);
    this.code.u8(type);
    this.depth++;
    this.arms++;
    then();
    if (otherwise !== undefined) {
      this.code.u8(W.else);
      otherwise();
    }
    this.arms--;
    this.close();
  }

  /** Loads a field of the frame. */
  frameLoad(opcode: number, offset: number): void {
    this.get(P.frame);
    this.memory(opcode, offset);
  }

  /** Stores what `value` pushes into a field of the frame. */
  frameStore(opcode: number, offset: number, value: () => void): void {
    this.get(P.frame);
    value();
    this.memory(opcode, offset);
  }
}
