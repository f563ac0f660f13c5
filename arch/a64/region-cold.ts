import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import type { Local } from './emitter.ts';
import { CC } from './flags.ts';
import { instructionAt, type Block, type Edge, type FlowGraph } from './flowgraph.ts';
import { IMPORT, P } from './region-abi.ts';
import { checkDeadline, emitInstructions, pushCall, pushJump } from './region-common.ts';
import type { Translator } from './translator.ts';

/**
 * Emits a region that is made quickly and small, for code that may run only once: its blocks stand in the order of their
 * addresses, forward branches are branches, and backward ones go through a dispatcher at its head. So do entries in the
 * middle: the same function serves every enterable block, and finds by the place in the page which one is meant. Nothing
 * is kept in locals from one labelled block to the next but the flags and the instruction count.
 */
export class ColdRegion {
  private readonly t: Translator;
  private blocks: readonly Block[] = [];
  private entry = 0;
  /** Depth of the WebAssembly block that ends where a block of ours begins; -1 for one that is only fallen into. */
  private labels = new Int32Array(0);
  /** Number in the dispatcher, or -1. */
  private numbers = new Int32Array(0);
  /** Enterable blocks. */
  private doors: number[] = [];
  /** Depth of the dispatcher's loop. */
  private top = 0;
  /** Depth of the outermost block: behind it, 1 is returned with everything written back. */
  private out = 0;
  /** The dispatcher's choice: a number. */
  private choice: Local = -1;

  constructor(t: Translator) {
    this.t = t;
  }

  /**
   * Emits the function's code.
   * @param entry word of the entry in its page
   */
  emit({ blocks, entry: first, enterable }: FlowGraph, entry: number): void {
    const { t } = this;
    t.optimize = false;
    t.chain = new Uint8Array(0);
    this.blocks = blocks;
    this.entry = entry;
    const n = blocks.length;
    const predecessors = new Uint8Array(n);
    let loops = false;
    let setsFlags = false;
    for (let b = 0; b < n; b++) {
      const { start, count, taken, fall } = blocks[b]!;
      if (taken !== undefined && taken.block >= 0) {
        predecessors[taken.block] = 2;
        if (taken.block <= b) loops = true;
      }
      if (fall !== undefined && fall.block >= 0) {
        predecessors[fall.block] = Math.min(2, predecessors[fall.block]! + 1);
        if (fall.block !== b + 1) predecessors[fall.block] = 2;
        if (fall.block <= b) loops = true;
      }
      for (let at = start; at < start + count && !setsFlags; at++) setsFlags = instructionAt(at).setsFlags;
    }
    this.labels = new Int32Array(n).fill(-1);
    this.numbers = new Int32Array(n).fill(-1);
    this.doors = [];
    for (let b = 0; b < n; b++) if (enterable[b] !== 0) this.numbers[b] = this.doors.push(b) - 1;

    this.out = t.open(W.block);
    t.chainDepth = t.open(W.block);
    t.frameLoad(W.i64_load, F.ICOUNT);
    t.tee(t.icount);
    checkDeadline(t, 0, entry);
    this.choice = this.doors.length > 1 ? this.choose(this.numbers[first]!) : -1;
    if (loops) this.top = t.open(W.loop);
    for (let b = n - 1; b >= 0; b--) {
      if (b > 0 && predecessors[b] === 1 && enterable[b] === 0) continue;
      this.labels[b] = t.open(W.block);
    }
    if (this.choice >= 0) {
      t.get(this.choice);
      t.op(W.br_table);
      t.code.u32(this.doors.length - 1);
      for (const b of this.doors) t.code.u32(t.depth - this.labels[b]!);
    } else if (first !== 0) t.branch(W.br, this.labels[first]!);
    for (let b = 0; b < n; b++) {
      if (this.labels[b]! >= 0) {
        t.close();
        t.validLo = t.validHi = t.dirtyLo = t.dirtyHi = 0;
        t.flagsAtBlockStart(setsFlags ? CC.dynamic : CC.frame);
      }
      this.emitBlock(b, blocks[b]!);
    }
    if (loops) t.close();
    t.close();
    t.cc = t.ccLocal >= 0 ? CC.dynamic : CC.frame;
    // What the last block wrote is in the frame.
    t.dirtyLo = t.dirtyHi = 0;
    t.writeBack();
    t.close();
    t.i32(1);
    t.op(W.end);
  }

  /** Where the region is entered: sets a local to the number of the block, and P.pc to the address of the entry. */
  private choose(usual: number): Local {
    const { t, entry } = this;
    const choice = t.newLocal(T.i32);
    t.get(P.pc);
    t.op(W.i32_wrap_i64);
    t.i32(0xfff);
    t.op(W.i32_and);
    t.tee(choice);
    t.i32(entry * 4);
    t.op(W.i32_eq, W.if, T.void);
    t.i32(usual);
    t.set(choice);
    t.op(W.else);
    t.get(P.pc);
    t.get(choice);
    t.i32(entry * 4);
    t.op(W.i32_sub, W.i64_extend_i32_s, W.i64_sub);
    t.set(P.pc);
    // How many enterable blocks begin at or before the place, less one.
    for (let k = 1; k < this.doors.length; k++) {
      t.get(choice);
      t.i32(this.blocks[this.doors[k]!]!.start * 4);
      t.op(W.i32_ge_u);
      if (k > 1) t.op(W.i32_add);
    }
    t.set(choice);
    t.op(W.end);
    return choice;
  }

  private emitBlock(b: number, block: Block): void {
    const { t } = this;
    if (!emitInstructions(t, block, this.entry)) return;
    t.flush();
    this.emitEnd(b, block);
  }

  private emitEnd(b: number, block: Block): void {
    const { t } = this;
    switch (block.flow) {
      case 'next':
        this.emitEdge(b, block.fall!);
        break;
      case 'jump':
        this.emitEdge(b, block.taken!);
        break;
      case 'branch': {
        // The condition is on the operand stack.
        const { taken, fall } = block;
        if (taken!.block > b) t.branch(W.br_if, this.labels[taken!.block]!);
        else {
          const { cc } = t;
          t.open(W.if);
          this.emitEdge(b, taken!);
          t.close();
          t.cc = cc;
        }
        this.emitEdge(b, fall!);
        break;
      }
      case 'call':
      case 'callIndirect':
        if (block.flow === 'call') {
          t.writeBack();
          t.get(P.frame);
          t.get(P.pc);
          t.i32(t.pcOffset + instructionAt(block.start + block.count - 1).offset);
          t.i32(t.pcOffset + 4);
          t.get(P.depth);
          t.call(IMPORT.link);
        } else {
          const target = t.popTemp(T.i64);
          pushCall(t, () => t.get(target));
          t.call(IMPORT.jump);
          t.dirtyLo = t.dirtyHi = 0;
        }
        t.branch(W.br_if, this.out);
        t.flagsInFrame();
        t.frameLoad(W.i64_load, F.ICOUNT);
        t.set(t.icount);
        this.emitEdge(b, block.fall!);
        break;
      case 'return': {
        const target = t.popTemp(T.i64);
        t.writeBack();
        pushJump(t, () => t.get(target));
        t.returnCall(IMPORT.ret);
        break;
      }
      case 'indirect': {
        const target = t.popTemp(T.i64);
        t.writeBack();
        this.jump(() => t.get(target));
        break;
      }
      default:
        throw new Error('an instruction that leaves the region did not emit its exit');
    }
  }

  /** Continues at an address in another region, with this one's place on the host's stack. */
  private jump(target: () => void): void {
    pushJump(this.t, target);
    this.t.returnCall(IMPORT.jump);
  }

  /** Transfers control along an edge; to the next block it falls. */
  private emitEdge(from: number, edge: Edge): void {
    const { t } = this;
    const to = edge.block;
    if (to < 0) {
      t.writeBack();
      const offset = (edge.target - this.entry) * 4 - t.pcOffset;
      this.jump(() => t.pc(offset));
    } else if (to > from + 1) t.branch(W.br, this.labels[to]!);
    else if (to <= from) {
      // A place that loops: is the deadline reached?
      t.get(t.icount);
      checkDeadline(t, (this.blocks[to]!.start - this.entry) * 4, this.entry);
      if (this.choice >= 0) {
        t.i32(this.numbers[to]!);
        t.set(this.choice);
      }
      t.branch(W.br, this.top);
    }
  }
}
