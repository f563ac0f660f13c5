import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import type { Decoded } from './decode.ts';
import { instructionAt, type Block } from './flowgraph.ts';
import { EXIT, P } from './region-abi.ts';
import type { Translator } from './translator.ts';

/**
 * Pops the instruction count; where it has reached the deadline the core may say to leave, with PC at a place of the
 * region.
 * @param offset bytes from the region's entry to the place, which control enters or loops at
 * @param entry word of the region's entry in its page
 */
export function checkDeadline(t: Translator, offset: number, entry: number): void {
  t.frameLoad(W.i64_load, F.DEADLINE);
  t.op(W.i64_ge_s);
  t.beginInstruction(offset, 0);
  t.if(T.void, () => {
    t.frameStore(W.i64_store, F.ICOUNT, () => t.get(t.icount));
    t.tell(EXIT.deadline, (entry << 1) | (t.optimize ? 1 : 0));
    t.leaveIf();
  });
}

/**
 * Emits a block's instructions; false where the last one has left the region.
 * @param entry word of the region's entry in its page
 * @param prepare called in front of each one
 */
export function emitInstructions(
  t: Translator,
  { start, count }: Block,
  entry: number,
  prepare?: (decoded: Decoded | undefined) => void,
): boolean {
  t.get(t.icount);
  t.i64(count);
  t.op(W.i64_add);
  t.set(t.icount);
  for (let i = 0; i < count; i++) {
    const { decoded } = instructionAt(start + i);
    t.beginInstruction((start - entry + i) * 4, count - i);
    prepare?.(decoded);
    if (decoded === undefined) t.undefined();
    else decoded.row.translate(t, decoded.fields);
    if (t.ended) return false;
  }
  return true;
}

/** Pushes the arguments of a region that goes on with this one's place on the host's stack. @param target pushes its address */
export function pushJump(t: Translator, target: () => void): void {
  t.get(P.frame);
  target();
  t.get(P.ret);
  t.get(P.depth);
}

/** Writes back, with the return address in X30, and pushes the arguments of a called region. @param target pushes its address */
export function pushCall(t: Translator, target: () => void): void {
  t.pc(4);
  t.setX(30);
  t.writeBack();
  t.get(P.frame);
  target();
  t.pc(4);
  t.get(P.depth);
  t.i32(1);
  t.op(W.i32_sub);
}
