import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import type { Local } from './emitter.ts';
import { FlagEmitter } from './emitter-flags.ts';
import { SP } from './emitter-registers.ts';
import { CC } from './flags.ts';
import { EL1_CONTEXT, EXIT, IMPORT, P, type Context } from './region-abi.ts';

/** Leaves the region, with what has changed written back to the frame, and calls the core. */
export class ExitEmitter extends FlagEmitter {
  context: Context = EL1_CONTEXT;
  /**
   * Emit for speed; otherwise, for code that runs a few times only, what is long is called instead, and changed registers
   * go to the frame before everything that may leave, so that there is nothing to write back there.
   */
  optimize = true;
  /** Instructions of the block that come after the previous one: what a fault here takes back from the count. */
  correction = 0;
  /** Set when the instruction ended the region's straight line itself. */
  ended = false;
  icount: Local = -1;

  /**
   * The write-back chain: registers that are stored where control leaves, the last one first. A block ends in front of each
   * one's store.
   */
  chain: Uint8Array = new Uint8Array(0);
  /** Depth of the block that ends behind the stores. */
  chainDepth = 0;

  /**
   * Leaves the region with F.PC set already: writes the changed registers back, first those that the shared chain does
   * not cover, then through the chain. After a fault the core takes the instruction count back itself.
   */
  leaveThroughChain(): void {
    // The longest prefix of the chain whose registers are all valid here.
    let level = 0;
    let lo = 0;
    let hi = 0;
    for (; level < this.chain.length; level++) {
      const r = this.chain[level]!;
      if (!this.isValid(r)) break;
      if (r < 32) lo |= 1 << r;
      else hi |= 1 << (r - 32);
    }
    // Drop clean registers from its end.
    while (level > 0) {
      const r = this.chain[level - 1]!;
      const dirty = r < 32 ? this.dirtyLo >>> r : this.dirtyHi >>> (r - 32);
      if ((dirty & 1) !== 0) break;
      level--;
      if (r < 32) lo &= ~(1 << r);
      else hi &= ~(1 << (r - 32));
    }
    this.storeMask(this.dirtyLo & ~lo, this.dirtyHi & ~hi);
    // Level 0 is the outermost block.
    this.branch(W.br, this.chainDepth + level);
  }

  /** Pops an i32; leaves where it is not zero, with F.PC set already. */
  leaveIf(): void {
    if (this.optimize) this.if(T.void, () => this.leaveThroughChain());
    else this.branch(W.br_if, this.chainDepth);
  }

  /** Stores the changed registers to the frame. */
  flush(): void {
    this.storeMask(this.dirtyLo, this.dirtyHi);
    if (this.arms === 0) this.dirtyLo = this.dirtyHi = 0;
  }

  /** Stores the flags' locals where they may differ from the frame's. */
  storeFlags(): void {
    if (this.cc === CC.frame || this.ccLocal < 0) return;
    if (!this.optimize) {
      this.get(P.frame);
      this.get(this.ccLocal);
      this.get(this.ccA);
      this.get(this.ccB);
      this.call(IMPORT.flags);
      this.op(W.drop);
      return;
    }
    const stores = (): void => {
      this.frameStore(W.i32_store, F.CC, () => (this.cc === CC.dynamic ? this.get(this.ccLocal) : this.i32(this.cc)));
      this.frameStore(W.i64_store, F.CC_A, () => this.get(this.ccA));
      this.frameStore(W.i64_store, F.CC_B, () => this.get(this.ccB));
    };
    if (this.cc !== CC.dynamic) stores();
    else {
      this.get(this.ccLocal);
      this.if(T.void, stores);
    }
  }

  /** Writes everything back to the frame: registers, flags, the instruction count. State stays valid and becomes clean. */
  writeBack(correction = 0): void {
    this.storeMask(this.dirtyLo, this.dirtyHi);
    this.storeFlags();
    this.frameStore(W.i64_store, F.ICOUNT, () => {
      this.get(this.icount);
      if (correction !== 0) {
        this.i64(correction);
        this.op(W.i64_sub);
      }
    });
  }

  /** Tells the core, with F.PC at this instruction plus `delta`. Pushes its answer: whether to leave. */
  tell(kind: number, operand: number, delta = 0): void {
    this.frameStore(W.i64_store, F.PC, () => this.pc(delta));
    this.get(P.frame);
    this.i32(kind);
    this.i32(operand);
    this.call(IMPORT.exit);
  }

  /** Writes back and leaves to the core with F.PC at this instruction plus `delta`. Returns 1 from the region. */
  leave(kind: number, operand: number, delta = 0, correction = this.correction): void {
    this.writeBack(correction);
    this.tell(kind, operand, delta);
    this.op(W.return);
    this.ended = true;
  }

  /**
   * Has the core carry out what the instruction asks for (a system register, a system instruction) and goes on after it;
   * leaves the region where the core says so: an exception, or a context that code after it must not run in. Xn of the
   * operand may have changed: read it with `reloadX`.
   */
  serve(kind: number, operand: number): void {
    this.writeBack(this.correction);
    this.tell(kind, operand);
    this.op(W.if, T.void);
    this.i32(1);
    this.op(W.return, W.end);
    this.dirtyLo = this.dirtyHi = 0;
    // PSTATE.SP may select another stack pointer now.
    this.validLo &= ~(1 << SP);
  }

  /** The instruction is UNDEFINED. */
  undefined(): void {
    this.leave(EXIT.undefined, 0);
  }

  /** Starts an instruction that uses SIMD&FP registers: false when it traps (nothing more may be emitted). */
  fpEnabled(): boolean {
    if (!this.context.fpTrap) return true;
    this.leave(EXIT.fpTrap, 0);
    return false;
  }

  /**
   * Calls helper `id` (arch/core/helpers.ts) in JavaScript or WebAssembly; operands and results go through the frame's
   * F.ARG0, F.ARG1 or the V registers written back before with `syncV`. Pushes the helper's i32 result.
   */
  helper(id: number, argument = 0): void {
    this.get(P.frame);
    this.i32(id);
    this.i32(argument);
    this.call(IMPORT.helper);
  }
}
