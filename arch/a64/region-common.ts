import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import { EXIT, IMPORT, P } from './region-abi.ts';
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
    t.frameStore(W.i64_store, F.PC, () => t.pc());
    t.get(P.frame);
    t.i32(EXIT.deadline);
    t.i32((entry << 1) | (t.optimize ? 1 : 0));
    t.call(IMPORT.exit);
    t.leaveIf();
  });
}
