/**
 * The interrupts whose levels a VCPU's own registers make: of the virtual timer and the performance monitors. Listed with
 * HW = 1, an interrupt stays pending whatever its line does; but the guest's is level-sensitive. So while one is listed and
 * the guest has not acknowledged it, the registers that make its level trap. The kernel makes the access, and takes the
 * interrupt back where its line has fallen.
 */
import { F, sysregKey } from '../arch/core/frame.ts';
import { pmuOutput } from '../arch/core/pmu.ts';
import { MDCR } from '../arch/core/sysreg-bits.ts';
import { lookup, readSysreg, SR, writeSysreg } from '../arch/core/sysreg.ts';
import { TIMER, timerOutputs } from '../arch/core/timer.ts';
import { ICH_LR_HIGH, LIST_REGISTERS, lrHigh, setLr } from '../arch/gic/virtual-interface.ts';
import { type Context, read32, write32 } from './context.ts';
import { advance } from './faults.ts';
import { deactivate, isActive, PMU_INTID, VTIMER_INTID } from './interrupts.ts';
import { VCPU } from './layout.ts';

/** CNTHCTL_EL2.EL1TVT: the virtual timer's registers trap (FEAT_ECV). */
const EL1TVT = 1 << 13;
const LISTED = ICH_LR_HIGH.HW | ICH_LR_HIGH.Pending | ICH_LR_HIGH.Active;
const NOT_ACKNOWLEDGED = ICH_LR_HIGH.HW | ICH_LR_HIGH.Pending;

/** Levels of the interrupts that a VCPU's registers make, a bit by INTID. Makes its frame the processor's. */
export function levels(k: Context, vcpu: number): number {
  const { processor } = k;
  if (processor.frame !== vcpu + VCPU.FRAME) processor.switchFrame(vcpu + VCPU.FRAME);
  const timer = (timerOutputs(processor) & TIMER.VIRTUAL) !== 0;
  return ((timer ? 1 : 0) << VTIMER_INTID) | ((pmuOutput(processor) ? 1 : 0) << PMU_INTID);
}

/** Those that are listed and not acknowledged, a bit by INTID; `each` is called with their list registers. */
function listed(k: Context, vcpu: number, each?: (n: number, intid: number) => void): number {
  const context = { i32: k.i32, frame: vcpu + VCPU.FRAME };
  let found = 0;
  for (let n = 0; n < LIST_REGISTERS; n++) {
    const high = lrHigh(context, n);
    const intid = high & ICH_LR_HIGH.pINTID_MASK;
    if ((high & LISTED) !== NOT_ACKNOWLEDGED || (intid !== VTIMER_INTID && intid !== PMU_INTID)) continue;
    found |= 1 << intid;
    each?.(n, intid);
  }
  return found;
}

/** Traps the registers that make the levels of what is listed and not acknowledged, and no others. To be called when list registers were written. */
export function watchLines(k: Context, vcpu: number): void {
  const watched = listed(k, vcpu);
  const trap = (register: number, bit: number, intid: number): void => {
    const at = vcpu + VCPU.FRAME + register;
    write32(k, at, (watched >>> intid) & 1 ? read32(k, at) | bit : read32(k, at) & ~bit);
  };
  trap(SR.CNTHCTL_EL2, EL1TVT, VTIMER_INTID);
  trap(SR.MDCR_EL2, 1 << MDCR.TPM, PMU_INTID);
}

/** Takes back what is listed and not acknowledged where its line has fallen. */
function settle(k: Context, vcpu: number): void {
  const now = levels(k, vcpu);
  listed(k, vcpu, (n, intid) => {
    // What the guest's own software made pending (GICR_ISPENDR0) has no line.
    if ((now >>> intid) & 1 || !isActive(k, intid)) return;
    setLr({ i32: k.i32, frame: vcpu + VCPU.FRAME }, n, 0, 0);
    deactivate(k, intid);
  });
  watchLines(k, vcpu);
}

/**
 * Makes a trapped access to a register of the virtual timer or the performance monitors.
 * @param esr ESR_EL2 of the trap
 * @returns false where it is another register
 */
export function serveLines(k: Context, vcpu: number, esr: number): boolean {
  const key = sysregKey((esr >>> 20) & 3, (esr >>> 14) & 7, (esr >>> 10) & 15, (esr >>> 1) & 15, (esr >>> 17) & 7);
  const check = lookup(key)?.row.check;
  if (check !== 'virtualTimer' && check?.startsWith('pmu') !== true) return false;
  const { processor } = k;
  const frame = vcpu + VCPU.FRAME;
  const clear = (register: number, bit: number): void =>
    write32(k, frame + register, read32(k, frame + register) & ~bit);
  clear(SR.CNTHCTL_EL2, EL1TVT);
  clear(SR.MDCR_EL2, 1 << MDCR.TPM);
  const rt = (esr >>> 5) & 31;
  const general = (frame + F.X + 8 * rt) >>> 3;
  // As the exception level that made it.
  const pstate = read32(k, frame + F.PSTATE);
  write32(k, frame + F.PSTATE, read32(k, frame + SR.SPSR_EL2));
  if ((esr & 1) !== 0) {
    const value = readSysreg(processor, key, rt);
    if (typeof value === 'bigint' && rt !== 31) processor.i64[general] = BigInt.asIntN(64, value);
  } else {
    writeSysreg(processor, key, rt === 31 ? 0n : BigInt.asUintN(64, processor.i64[general]!), rt);
  }
  write32(k, frame + F.PSTATE, pstate);
  advance(k, frame);
  settle(k, vcpu);
  return true;
}
