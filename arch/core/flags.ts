import { CC, computeNzcv } from '../a64/flags.ts';
import { F } from './frame.ts';
import type { CoreState } from './state.ts';

/** NZCV of the frame in use, in bits 31:28. */
export function readNzcv(core: CoreState): number {
  const { i32 } = core;
  const f = core.frame >>> 2;
  const a = f + (F.CC_A >> 2);
  const b = f + (F.CC_B >> 2);
  return computeNzcv(i32[f + (F.CC >> 2)]!, i32[a + 1]!, i32[a]!, i32[b + 1]!, i32[b]!);
}

/** Sets NZCV of the frame in use from bits 31:28; the other bits are ignored. */
export function writeNzcv(core: CoreState, nzcv: number): void {
  const { i32 } = core;
  const f = core.frame >>> 2;
  i32[f + (F.CC >> 2)] = CC.explicit;
  i32[f + (F.CC_A >> 2)] = nzcv & 0xf0000000;
  i32[f + (F.CC_A >> 2) + 1] = 0;
}
