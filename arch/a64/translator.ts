import { T } from '../wasm/opcodes.ts';
import { MemoryEmitter } from './emitter-memory.ts';
import type { Context } from './region-abi.ts';

/**
 * Emits one region's WebAssembly. The instruction table's meanings are written against this class: they push and
 * pop values on WebAssembly's operand stack; the translator keeps guest registers in locals, loads them from the frame
 * on first use and writes changed ones back where control leaves.
 *
 * Rules for meanings:
 * - inside an arm of `if` registers may be read but not written, and flags not set: compute into a temporary, write after;
 * - memory is accessed before any register is written (faults are precise: a faulting instruction leaves no trace);
 * - temporaries live until the end of the instruction.
 */
export class Translator extends MemoryEmitter {
  /** @param entry byte offset of the region's entry in its page */
  begin(context: Context, entry = 0): void {
    this.context = context;
    this.pageCaches = [];
    this.beginFunction();
    this.beginRegisters(entry);
    this.beginFlags();
    this.icount = this.newLocal(T.i64);
  }

  /**
   * @param pcOffset byte offset of the instruction from the region's entry
   * @param correction instructions of the block from this one on
   */
  beginInstruction(pcOffset: number, correction: number): void {
    this.pcOffset = pcOffset;
    this.correction = correction;
    this.ended = false;
    this.usesStack = false;
    this.stackOffset = undefined;
    this.readLo = this.readHi = this.writeLo = this.writeHi = 0;
    this.releaseTemps();
  }
}
