/** VCPUs: a frame for EL1 and EL0 of a virtual machine, run by a thread in a VmSpace. */
import { takeException } from '../arch/core/exception.ts';
import { EVENT_COUNTERS } from '../arch/core/idregs.ts';
import { HCR, MDCR } from '../arch/core/sysreg-bits.ts';
import { SR } from '../arch/core/sysreg-slots.ts';
import { LIST_REGISTERS } from '../arch/gic/ich.ts';
import { eisr, elrsr, ICH_LR_HIGH, lrHigh, lrLow, misr, setLr } from '../arch/gic/virtual-interface.ts';
import { Err, LR_ANY, ObjectType, Op, type ErrorCode } from './abi/numbers.ts';
import { type Context, read32, write32, write64 } from './context.ts';
import { deleteSlot } from './destroy.ts';
import { lookup, objectOf, typeOf } from './derivation.ts';
import { wakeForInterrupt } from './exits.ts';
import { deactivateFor, switchPpis } from './interrupts.ts';
import { suspend } from './ipc.ts';
import { CORE, SPACE, STATE, THREAD, VCPU } from './layout.ts';
import { setWord, setWordNumber, word, wordAddress } from './message.ts';
import { levels, watchLines } from './vcpu-lines.ts';
import { CPTR_NO_TRAP, leaveFrame, readRegisters, setInnerSlot, writeRegisters } from './thread.ts';

const bit = (n: number): number => 2 ** n;

/**
 * HCR_EL2 while a VCPU runs: stage 2, physical interrupts to EL2 and virtual ones to EL1, WFI, WFE, SMC, identification
 * registers, LORegions, ACTLR and implementation-defined registers trapped; TLB and cache maintenance broadcast.
 */
const HCR_VM = [
  HCR.VM, HCR.SWIO, HCR.PTW, HCR.FMO, HCR.IMO, HCR.AMO, HCR.FB, 10, HCR.TWI, HCR.TWE, HCR.TID3, HCR.TSC, HCR.TIDCP,
  HCR.TACR, HCR.TLOR, HCR.RW, HCR.E2H,
].map(bit).reduce((a, b) => a + b); // prettier-ignore
/** MDCR_EL2: all event counters are the VCPU's (HPMN), and none counts at EL2 (HPMD). */
const MDCR_VM = EVENT_COUNTERS + bit(MDCR.HPMD);
/** PMCCFILTR_EL0.NSH: count at EL2. */
const PMCCFILTR_NSH = 1 << 27;
/** VTCR_EL2: T0SZ 25 (39 bits) from level 1, write-back inner-shareable walks, 4 KiB, 48-bit output, 16-bit VMID. */
const VTCR = 25 + (1 << 6) + (1 << 8) + (1 << 10) + (3 << 12) + (5 << 16) + (1 << 19) + 2 ** 31;
/** CNTHCTL_EL2 with E2H: EL1 and EL0 read the physical counter; the physical timer traps. */
const CNTHCTL_VM = 1 << 10;
/** MPIDR_EL1's RES1 bit. */
const MPIDR_RES1 = 2 ** 31;
/** SPSR_EL2 after reset: EL1h, D, A, I and F masked. */
const PSTATE_RESET = 0x3c5;

const LR_STATE = ICH_LR_HIGH.Pending | ICH_LR_HIGH.Active;

/** Brings a VCPU in zeroed memory into its reset state. */
export function createVcpu(k: Context, vcpu: number): void {
  const frame = vcpu + VCPU.FRAME;
  k.processor.resetFrame(frame, 2);
  write64(k, frame + SR.HCR_EL2, HCR_VM);
  write64(k, frame + SR.VTCR_EL2, VTCR);
  write64(k, frame + SR.CPTR_EL2, CPTR_NO_TRAP);
  write64(k, frame + SR.MDCR_EL2, MDCR_VM);
  write64(k, frame + SR.CNTHCTL_EL2, CNTHCTL_VM);
  write64(k, frame + SR.VMPIDR_EL2, MPIDR_RES1);
  write64(k, frame + SR.SPSR_EL2, PSTATE_RESET);
  write64(k, frame + SR.ELR_EL2, 0);
}

export function destroyVcpu(k: Context, vcpu: number): void {
  const thread = read32(k, vcpu + VCPU.THREAD);
  if (thread !== 0) {
    suspend(k, thread);
    write32(k, thread + THREAD.VCPU, 0);
    write32(k, thread + THREAD.ACTIVE_FRAME, thread + THREAD.FRAME);
    deleteSlot(k, thread + THREAD.SPACE);
  }
  if (read32(k, k.core + CORE.VCPU) === vcpu) switchPpis(k, 0);
  leaveFrame(k, vcpu + VCPU.FRAME);
}

/** Before a VCPU's first instruction after an exit: the exception to EL1 that its VMM asked for. The frame is the processor's, after ERET. */
export function takePendingException(k: Context, vcpu: number): void {
  const esr = read32(k, vcpu + VCPU.EXCEPTION);
  if (esr === 0) return;
  write32(k, vcpu + VCPU.EXCEPTION, 0);
  const at = (vcpu + VCPU.FAR) >>> 2;
  const far = (BigInt(k.u32[at + 1]!) << 32n) | BigInt(k.u32[at]!);
  takeException(k.processor, 1, 'sync', esr, read32(k, vcpu + VCPU.FAR_VALID) !== 0 ? { far } : {});
}

/**
 * After an exit: what passes until the next entry is not the guest's. HPMD does not stop the cycle counter (only FEAT_PMUv3p5 can),
 * so where the guest's filter has it count at EL2 the processor leaves the frame.
 */
export function stopCycles(k: Context, vcpu: number): void {
  const frame = vcpu + VCPU.FRAME;
  if ((read32(k, frame + SR.PMCCFILTR_EL0) & PMCCFILTR_NSH) !== 0) leaveFrame(k, frame);
}

function bind(k: Context, caller: number, vcpu: number): ErrorCode {
  const threadSlot = lookup(k, caller, word(k, caller, 0));
  const spaceSlot = lookup(k, caller, word(k, caller, 1));
  if (threadSlot === 0 || typeOf(k, threadSlot) !== ObjectType.THREAD) return Err.INVALID_CAPABILITY;
  if (spaceSlot === 0 || typeOf(k, spaceSlot) !== ObjectType.VM_SPACE) return Err.INVALID_CAPABILITY;
  const thread = objectOf(k, threadSlot);
  if (
    read32(k, vcpu + VCPU.THREAD) !== 0 ||
    read32(k, thread + THREAD.VCPU) !== 0 ||
    read32(k, thread + THREAD.STATE) !== STATE.INACTIVE
  ) {
    return Err.WRONG_STATE;
  }
  const space = objectOf(k, spaceSlot);
  setInnerSlot(k, thread, THREAD.SPACE, spaceSlot);
  k.services.drop(thread);
  write32(k, thread + THREAD.PROGRAM, 0);
  write32(k, thread + THREAD.VCPU, vcpu);
  write32(k, thread + THREAD.ACTIVE_FRAME, vcpu + VCPU.FRAME);
  write32(k, vcpu + VCPU.THREAD, thread);
  const vttbr = vcpu + VCPU.FRAME + SR.VTTBR_EL2;
  write64(k, vttbr, space + SPACE.ROOT - k.offset);
  write32(k, vttbr + 4, read32(k, vttbr + 4) | (read32(k, space + SPACE.ID) << 16));
  return Err.OK;
}

function inject(k: Context, caller: number, vcpu: number): ErrorCode {
  const value = wordAddress(k, caller, 0) >>> 2;
  const low = k.u32[value]!;
  let high = k.u32[value + 1]! | 0;
  const wanted = word(k, caller, 2);
  if (wanted !== LR_ANY && !(wanted < LIST_REGISTERS)) return Err.RANGE;
  if ((high & ICH_LR_HIGH.HW) !== 0) {
    const slot = lookup(k, caller, word(k, caller, 1));
    if (slot === 0 || typeOf(k, slot) !== ObjectType.IRQ) return Err.INVALID_CAPABILITY;
    const intid = objectOf(k, slot);
    high = (high & ~ICH_LR_HIGH.pINTID_MASK) | intid;
    if ((high & LR_STATE) === 0) {
      deactivateFor(k, vcpu, intid);
      return Err.OK;
    }
  }
  const context = { i32: k.i32, frame: vcpu + VCPU.FRAME };
  let n = wanted;
  if (wanted === LR_ANY) {
    n = -1;
    for (let i = 0; i < LIST_REGISTERS && n < 0; i++) {
      if ((lrHigh(context, i) & LR_STATE) !== 0 && lrLow(context, i) === low) n = i;
    }
    if (n >= 0) {
      high = lrHigh(context, n) | (high & LR_STATE);
      // With HW = 1 pending and active is not allowed (IHI 0069, 12.4.6): it comes again after its deactivation.
      if ((high & ICH_LR_HIGH.HW) !== 0 && (high & LR_STATE) === LR_STATE) high &= ~ICH_LR_HIGH.Pending;
    } else {
      const free = elrsr(context);
      if (free === 0) return Err.NO_LIST_REGISTER;
      n = 31 - Math.clz32(free & -free);
    }
  }
  setLr(context, n, low, high);
  watchLines(k, vcpu);
  setWord(k, caller, 0, n);
  interruptChanged(k, vcpu);
  return Err.OK;
}

/** The list registers of a VCPU were changed. */
function interruptChanged(k: Context, vcpu: number): void {
  if (k.processor.frame === vcpu + VCPU.FRAME) k.processor.interruptsChanged();
  const thread = read32(k, vcpu + VCPU.THREAD);
  if (thread !== 0) wakeForInterrupt(k, thread);
}

function list(k: Context, caller: number, vcpu: number): ErrorCode {
  const context = { i32: k.i32, frame: vcpu + VCPU.FRAME };
  const words = [LIST_REGISTERS, misr(context), eisr(context), elrsr(context)];
  if (wordAddress(k, caller, LIST_WORDS - 1) === 0) return Err.INVALID_ARGUMENT;
  words.forEach((value, i) => setWordNumber(k, caller, i, value));
  for (let n = 0; n < LIST_REGISTERS; n++) setWord(k, caller, words.length + n, lrLow(context, n), lrHigh(context, n));
  setWordNumber(k, caller, LIST_WORDS - 1, levels(k, vcpu));
  return Err.OK;
}
/** Words of the answer to VCPU_LIST. */
export const LIST_WORDS = 4 + LIST_REGISTERS + 1;

/** Operations on a VCPU capability. */
export function invokeVcpu(k: Context, caller: number, slot: number, op: number, length: number): ErrorCode {
  const vcpu = objectOf(k, slot);
  switch (op) {
    case Op.VCPU_BIND:
      return bind(k, caller, vcpu);
    case Op.VCPU_READ_REGISTERS:
      return readRegisters(k, caller, vcpu + VCPU.FRAME, true, length);
    case Op.VCPU_WRITE_REGISTERS: {
      const error = writeRegisters(k, caller, vcpu + VCPU.FRAME, true, length);
      interruptChanged(k, vcpu);
      return error;
    }
    case Op.VCPU_INJECT:
      return inject(k, caller, vcpu);
    case Op.VCPU_LIST:
      return list(k, caller, vcpu);
    default:
      return Err.UNKNOWN_OPERATION;
  }
}
