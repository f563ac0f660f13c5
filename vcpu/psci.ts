/** Arm Power State Coordination Interface 1.1 (DEN0022) and the general calls of SMCCC 1.1 (DEN0028) for a virtual machine. */
import { affinityOf } from '../arch/gic/interrupts.ts';

export const SMCCC_VERSION = 0x8000_0000;
export const SMCCC_ARCH_FEATURES = 0x8000_0001;
/** SMCCC 1.1. */
const SMCCC_VERSION_1_1 = 0x1_0001;

/** Function identifiers in the 32-bit convention; bit 30 makes the 64-bit one. */
export const Psci = {
  VERSION: 0x8400_0000,
  CPU_SUSPEND: 0x8400_0001,
  CPU_OFF: 0x8400_0002,
  CPU_ON: 0x8400_0003,
  AFFINITY_INFO: 0x8400_0004,
  MIGRATE_INFO_TYPE: 0x8400_0006,
  SYSTEM_OFF: 0x8400_0008,
  SYSTEM_RESET: 0x8400_0009,
  FEATURES: 0x8400_000a,
  SYSTEM_RESET2: 0x8400_0012,
} as const;
export const CONVENTION_64 = 0x4000_0000;

export const PSCI_VERSION_1_1 = 0x1_0001;
export const PsciReturn = {
  SUCCESS: 0,
  NOT_SUPPORTED: -1,
  INVALID_PARAMETERS: -2,
  DENIED: -3,
  ALREADY_ON: -4,
  ON_PENDING: -5,
  INVALID_ADDRESS: -9,
} as const;
const AFFINITY_ON = 0;
const AFFINITY_OFF = 1;
/** MIGRATE_INFO_TYPE: no trusted OS, or one that needs no migration. */
const TOS_NOT_PRESENT = 2;

/** Functions that exist in the 64-bit convention too. */
const WITH_64: readonly number[] = [Psci.CPU_SUSPEND, Psci.CPU_ON, Psci.AFFINITY_INFO, Psci.SYSTEM_RESET2];
const FUNCTIONS: readonly number[] = Object.values(Psci);

/** What becomes of a call. `value` goes to X0 (and is what `resume` gives later). */
export type CallOutcome =
  | { action: 'return'; value: number }
  /** Wait for an interrupt, then return. */
  | { action: 'suspend'; value: number }
  /** Start a core at `entry` with `context` in X0, then return. */
  | { action: 'cpuOn'; value: number; cpu: number; entry: number; context: bigint }
  /** These do not return. */
  | { action: 'cpuOff' }
  | { action: 'systemOff' }
  | { action: 'systemReset' };

/** What the calls need to know of the virtual machine. */
export interface PsciMachine {
  readonly cpus: number;
  isOn(cpu: number): boolean;
  /** Whether an address is in the guest's memory. */
  isMemory(address: number): boolean;
}

function give(value: number): CallOutcome {
  return { action: 'return', value };
}

/** The core with an affinity as in MPIDR_EL1 (only the affinity fields count); undefined where there is none. */
function cpuAt(mpidr: bigint, cpus: number): number | undefined {
  if (mpidr & ~0xff_00ff_ffffn) return undefined;
  const affinity = Number(mpidr & 0xff_ffffn) + (mpidr >> 32n === 0n ? 0 : 2 ** 32);
  for (let cpu = 0; cpu < cpus; cpu++) if (affinityOf(cpu) === affinity) return cpu;
  return undefined;
}

function features(id: number): number {
  if (id === SMCCC_VERSION) return PsciReturn.SUCCESS;
  const base = (id & ~CONVENTION_64) >>> 0;
  const known = FUNCTIONS.includes(base) && (base === id || WITH_64.includes(base));
  return known ? PsciReturn.SUCCESS : PsciReturn.NOT_SUPPORTED;
}

/**
 * Serves an HVC or SMC.
 * @param id W0
 * @param args X1 … X3
 */
export function smcccCall(id: number, args: readonly [bigint, bigint, bigint], machine: PsciMachine): CallOutcome {
  const base = (id & ~CONVENTION_64) >>> 0;
  const wide = base !== id;
  if (id === SMCCC_VERSION) return give(SMCCC_VERSION_1_1);
  if (id === SMCCC_ARCH_FEATURES) {
    const asked = Number(BigInt.asUintN(32, args[0]));
    const known = asked === SMCCC_VERSION || asked === SMCCC_ARCH_FEATURES;
    return give(known ? PsciReturn.SUCCESS : PsciReturn.NOT_SUPPORTED);
  }
  if (wide && !WITH_64.includes(base)) return give(PsciReturn.NOT_SUPPORTED);
  const [first, second, third] = wide ? args : args.map((value) => BigInt.asUintN(32, value));
  switch (base) {
    case Psci.VERSION:
      return give(PSCI_VERSION_1_1);
    case Psci.FEATURES:
      return give(features(Number(first)));
    case Psci.CPU_SUSPEND:
      // Power-down states may be entered as standby (DEN0022, 5.4): there is no power to save.
      return { action: 'suspend', value: PsciReturn.SUCCESS };
    case Psci.CPU_OFF:
      return { action: 'cpuOff' };
    case Psci.CPU_ON: {
      const cpu = cpuAt(first!, machine.cpus);
      if (cpu === undefined) return give(PsciReturn.INVALID_PARAMETERS);
      if (machine.isOn(cpu)) return give(PsciReturn.ALREADY_ON);
      const entry = Number(second);
      if (second! & 3n || !machine.isMemory(entry)) return give(PsciReturn.INVALID_ADDRESS);
      return { action: 'cpuOn', value: PsciReturn.SUCCESS, cpu, entry, context: third! };
    }
    case Psci.AFFINITY_INFO: {
      // Affinity levels above 0 need not be supported since PSCI 1.0.
      const cpu = second === 0n ? cpuAt(first!, machine.cpus) : undefined;
      if (cpu === undefined) return give(PsciReturn.INVALID_PARAMETERS);
      return give(machine.isOn(cpu) ? AFFINITY_ON : AFFINITY_OFF);
    }
    case Psci.MIGRATE_INFO_TYPE:
      return give(TOS_NOT_PRESENT);
    case Psci.SYSTEM_OFF:
      return { action: 'systemOff' };
    case Psci.SYSTEM_RESET:
      return { action: 'systemReset' };
    case Psci.SYSTEM_RESET2:
      // SYSTEM_WARM_RESET is the only architectural type.
      return BigInt.asUintN(32, first!) === 0n ? { action: 'systemReset' } : give(PsciReturn.INVALID_PARAMETERS);
    default:
      return give(PsciReturn.NOT_SUPPORTED);
  }
}
