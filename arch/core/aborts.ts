/** Aborts: where they go and what they say, and the RAM behind physical addresses. */
import type { PhysicalBus } from '../bus.ts';
import { routeExternal, routeSync, type Trap } from './exception.ts';
import { FSC } from './mmu.ts';
import type { CoreState } from './state.ts';

/** Fault status code of an external abort that is not on a walk. */
export const FSC_EXTERNAL = 0x10;

/** Two words and the bigint that they make. */
const WORDS = new Uint32Array(2);
const BIGINT = new BigUint64Array(WORDS.buffer);

/** Where the translation fault that the MMU describes goes. */
export function abortTarget(core: CoreState): 1 | 2 {
  const { fault } = core.mmu;
  if (fault.stage2) return 2;
  return (fault.fsc & 0x3c) === FSC.EXTERNAL_ON_WALK ? routeExternal(core) : routeSync(core);
}

/** The abort of an access to an address, with the IPA where the MMU's fault is one of stage 2. */
export function abortAt(core: CoreState, target: 1 | 2, esr: number, vaHi: number, vaLo: number): Trap {
  WORDS[0] = vaLo;
  WORDS[1] = vaHi;
  const far = BIGINT[0]!;
  const { fault } = core.mmu;
  if (!fault.stage2) return { target, esr, far };
  return { target, esr, far, hpfar: BigInt(Math.floor(fault.ipa / 4096) * 16) };
}

/** The host address of `size` bytes at a physical address; 0 where there is no RAM. */
export function hostOf({ ram }: PhysicalBus, pa: number, size: number): number {
  return pa >= ram.base && pa + size <= ram.base + ram.size ? pa - ram.base + ram.host : 0;
}
