/** Firmware below EL2 for a machine without the microkernel: PSCI and SMCCC (vcpu/psci.ts) for the board's own cores. */
import type { Core } from '../arch/core/core.ts';
import { F, PSTATE } from '../arch/core/frame.ts';
import { SR } from '../arch/core/sysreg.ts';
import { smcccCall, type PsciMachine } from '../vcpu/psci.ts';

/** HCR_EL2.TSC: EL2 wants EL1's SMCs for itself. */
const HCR_TSC = 1 << 19;

/** What the firmware has power over. A method that ends a core's run stops it. */
export interface FirmwareMachine extends PsciMachine {
  /** Starts a core that is off at its first exception level. */
  cpuOn(cpu: number, entry: number, context: bigint): void;
  cpuOff(cpu: number): void;
  /** The core may wait for an interrupt before it goes on. */
  suspend(cpu: number): void;
  systemOff(): void;
  systemReset(): void;
}

/**
 * Makes a core's `firmware`.
 * @param el the exception level that the machine starts at. From EL1 both conduits reach the firmware, as where EL2 is not
 *   implemented; with software at EL2, SMC only.
 */
export function firmware(machine: FirmwareMachine, el: 1 | 2): (core: Core, conduit: 'smc' | 'hvc') => boolean {
  return (core, conduit) => {
    const { frame, i32, i64, index } = core;
    if (el === 2) {
      if (conduit === 'hvc') return false;
      const atEl1 = ((i32[(frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3) === 1;
      if (atEl1 && i32[(frame + SR.HCR_EL2) >>> 2]! & HCR_TSC) return false;
    }
    const x = (n: number): bigint => BigInt.asUintN(64, i64[(frame + F.X + 8 * n) >>> 3]!);
    const give = (value: number): void => void (i64[(frame + F.X) >>> 3] = BigInt(value));
    const outcome = smcccCall(Number(x(0) & 0xffff_ffffn), [x(1), x(2), x(3)], machine);
    switch (outcome.action) {
      case 'return':
        give(outcome.value);
        break;
      case 'suspend':
        give(outcome.value);
        machine.suspend(index);
        break;
      case 'cpuOn':
        machine.cpuOn(outcome.cpu, outcome.entry, outcome.context);
        give(outcome.value);
        break;
      case 'cpuOff':
        machine.cpuOff(index);
        break;
      case 'systemOff':
        machine.systemOff();
        break;
      case 'systemReset':
        machine.systemReset();
        break;
    }
    return true;
  };
}
