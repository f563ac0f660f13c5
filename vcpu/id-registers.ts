/**
 * What a guest may know of its processor: the machine's identification registers without what a virtual machine does not
 * have: EL2, virtualization and its helpers, trace (DDI 0487, D17.2).
 */
import { sysregKey } from '../arch/core/frame.ts';
import { idRegister, type IdRegister } from '../arch/core/idregs.ts';

/** Fields of 4 bits: position, and the most that a guest sees. */
type Limit = readonly [lsb: number, most: number];

const POLICY: Readonly<Record<IdRegister, { at: number; limits: readonly Limit[] }>> = {
  // EL2 and EL3 not implemented; CSV2 1: no SCXTNUM_ELx.
  ID_AA64PFR0_EL1: {
    at: sysregKey(3, 0, 0, 4, 0),
    limits: [
      [8, 0],
      [12, 0],
      [56, 1],
    ],
  },
  ID_AA64PFR1_EL1: { at: sysregKey(3, 0, 0, 4, 1), limits: [] },
  // No trace, no statistical profiling.
  ID_AA64DFR0_EL1: {
    at: sysregKey(3, 0, 0, 5, 0),
    limits: [
      [4, 0],
      [32, 0],
      [40, 0],
    ],
  },
  ID_AA64ISAR0_EL1: { at: sysregKey(3, 0, 0, 6, 0), limits: [] },
  ID_AA64ISAR1_EL1: { at: sysregKey(3, 0, 0, 6, 1), limits: [] },
  ID_AA64ISAR2_EL1: { at: sysregKey(3, 0, 0, 6, 2), limits: [] },
  // Stage 2; of ECV 1, the self-synchronized counters, which nothing could hide.
  ID_AA64MMFR0_EL1: {
    at: sysregKey(3, 0, 0, 7, 0),
    limits: [
      [32, 0],
      [36, 0],
      [40, 0],
      [60, 1],
    ],
  },
  // VMIDs, VHE, LORegions, stage 2 execute-never.
  ID_AA64MMFR1_EL1: {
    at: sysregKey(3, 0, 0, 7, 1),
    limits: [
      [4, 0],
      [8, 0],
      [16, 0],
      [28, 0],
    ],
  },
  // Nested virtualization, stage 2's forced write-back, enhanced traps.
  ID_AA64MMFR2_EL1: {
    at: sysregKey(3, 0, 0, 7, 2),
    limits: [
      [24, 0],
      [40, 0],
      [56, 0],
    ],
  },
};

function limited(value: bigint, limits: readonly Limit[]): bigint {
  for (const [lsb, most] of limits) {
    const shift = BigInt(lsb);
    const field = (value >> shift) & 15n;
    // 15 is "not implemented" in signed fields; it stays.
    if (field > BigInt(most) && field !== 15n) value = (value & ~(15n << shift)) | (BigInt(most) << shift);
  }
  return value;
}

const VALUES = new Map<number, bigint>();
for (const [name, { at, limits }] of Object.entries(POLICY))
  VALUES.set(at, limited(idRegister(name as IdRegister), limits));

const FIRST = sysregKey(3, 0, 0, 1, 0);
const LAST = sysregKey(3, 0, 0, 7, 7);
const REVIDR_EL1 = sysregKey(3, 0, 0, 0, 6);
const AIDR_EL1 = sysregKey(3, 1, 0, 0, 7);

/** Value of a read-only identification register for a guest; undefined for any other register. What is not known reads as zero. */
export function guestIdRegister(key: number): bigint | undefined {
  if (key >= FIRST && key <= LAST) return VALUES.get(key) ?? 0n;
  return key === REVIDR_EL1 || key === AIDR_EL1 ? 0n : undefined;
}
