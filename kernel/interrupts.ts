/**
 * Physical interrupts: the GICv3 as software at EL2 uses it (IHI 0069). EOImode = 1: the kernel drops the priority of
 * each interrupt at once, and it is deactivated (may come again) when the driver acknowledges it, or when a guest does
 * through a list register with HW = 1.
 */
import { sysregKey } from '../arch/core/frame.ts';
import { SR } from '../arch/core/sysreg-slots.ts';
import { Exit } from './abi/faults.ts';
import { Err, ObjectType, Trigger, type ErrorCode } from './abi/numbers.ts';
import { type Context, irqEntry, read32, write32, write64 } from './context.ts';
import { deleteSlot } from './destroy.ts';
import { derive, typeOf } from './derivation.ts';
import { raiseFault, signal } from './ipc.ts';
import { CORE, IRQ, ROOT, STATE, THREAD, VCPU } from './layout.ts';

/**
 * PPIs of the kernel (as SBSA and the virt machine have them): performance monitors, virtual interface maintenance, EL2
 * physical timer, virtual timer.
 */
export const PMU_INTID = 23;
export const MAINTENANCE_INTID = 25;
export const TIMER_INTID = 26;
export const VTIMER_INTID = 27;
/** Interrupts whose levels a VCPU's own registers make: they exit, and list registers may be linked to them. A bit each. */
const VCPU_PPIS = (1 << PMU_INTID) | (1 << VTIMER_INTID);
const FIRST_SPI = 32;
const SPURIOUS_FROM = 1020;

const ICC = {
  PMR: sysregKey(3, 0, 4, 6, 0),
  DIR: sysregKey(3, 0, 12, 11, 1),
  IAR1: sysregKey(3, 0, 12, 12, 0),
  EOIR1: sysregKey(3, 0, 12, 12, 1),
  HPPIR1: sysregKey(3, 0, 12, 12, 2),
  CTLR: sysregKey(3, 0, 12, 12, 4),
  SRE_EL2: sysregKey(3, 4, 12, 9, 5),
  IGRPEN1: sysregKey(3, 0, 12, 12, 7),
} as const;
const CTLR_EOIMODE = 2n;

const GICD = { CTLR: 0, IROUTER: 0x6000 } as const;
/** GICD_CTLR: both groups, affinity routing. */
const GICD_CTLR_ON = 0x13;
const GICR_WAKER = 0x14;
/** The redistributor's second 64 KiB frame has the registers that the distributor has for SPIs. */
const SGI_BASE = 0x10000;
const GICR_STRIDE = 0x20000;
const BANK = {
  IGROUPR: 0x80,
  ISENABLER: 0x100,
  ICENABLER: 0x180,
  ISACTIVER: 0x300,
  ICACTIVER: 0x380,
  IPRIORITYR: 0x400,
  ICFGR: 0xc00,
} as const;

const PRIORITY = 0x80;
/** What only the running VCPU can take comes after all else, so that it hides nothing while another thread runs. */
const PRIORITY_VCPU = 0xc0;

function device(k: Context, physical: number): (write: boolean, value: number) => number {
  const at = k.processor.bus.device(physical);
  if (at === undefined) throw new Error(`no interrupt controller answers at 0x${physical.toString(16)}`);
  return (write, value) => {
    if (!write) return at.device.read(at.offset, 4);
    at.device.write(at.offset, 4, value >>> 0);
    return 0;
  };
}

function mmioRead(k: Context, physical: number): number {
  return device(k, physical)(false, 0);
}

function mmioWrite(k: Context, physical: number, value: number): void {
  device(k, physical)(true, value);
}

/** Physical address of the registers of a bank for an interrupt: of the redistributor for PPIs, else of the distributor. */
function bank(k: Context, intid: number): number {
  return intid < FIRST_SPI ? k.gic.redistributor + k.processor.index * GICR_STRIDE + SGI_BASE : k.gic.distributor;
}

/** Writes the interrupt's bit to one of the registers with a bit per interrupt. */
function writeBit(k: Context, register: number, intid: number): void {
  mmioWrite(k, bank(k, intid) + register + 4 * (intid >> 5), 2 ** (intid & 31));
}

function setField(k: Context, register: number, intid: number, bits: number, value: number): void {
  const perWord = 32 / bits;
  const at = bank(k, intid) + register + 4 * Math.floor(intid / perWord);
  const shift = bits * (intid % perWord);
  mmioWrite(k, at, (mmioRead(k, at) & ~((2 ** bits - 1) << shift)) | (value << shift));
}

function enable(k: Context, intid: number, priority: number): void {
  setField(k, BANK.IGROUPR, intid, 1, 1);
  setField(k, BANK.IPRIORITYR, intid, 8, priority);
  writeBit(k, BANK.ISENABLER, intid);
}

/** Sets up the interrupt controller for this core. */
export function startInterrupts(k: Context): void {
  mmioWrite(k, k.gic.distributor + GICD.CTLR, GICD_CTLR_ON);
  mmioWrite(k, k.gic.redistributor + k.processor.index * GICR_STRIDE + GICR_WAKER, 0);
  const p = k.processor;
  p.gicWrite(ICC.SRE_EL2, 0xfn);
  p.gicWrite(ICC.PMR, 0xffn);
  p.gicWrite(ICC.CTLR, CTLR_EOIMODE);
  p.gicWrite(ICC.IGRPEN1, 1n);
  enable(k, TIMER_INTID, PRIORITY);
  enable(k, MAINTENANCE_INTID, PRIORITY_VCPU);
  enable(k, VTIMER_INTID, PRIORITY_VCPU);
  enable(k, PMU_INTID, PRIORITY_VCPU);
}

/**
 * Takes the interrupts that are pending. Those of the virtual timer and the performance monitors and the maintenance interrupt
 * are taken only when `vcpuThread`, the thread that was just stopped by an interrupt, runs a VCPU: they are that VCPU's.
 */
export function takeInterrupts(k: Context, vcpuThread: number): void {
  const p = k.processor;
  for (;;) {
    const pending = Number(p.gicRead(ICC.HPPIR1) ?? 1023n);
    if (pending >= SPURIOUS_FROM) return;
    const ofVcpu = isVcpus(pending) || pending === MAINTENANCE_INTID;
    if (ofVcpu && (vcpuThread === 0 || read32(k, vcpuThread + THREAD.STATE) !== STATE.READY)) return;
    const intid = Number(p.gicRead(ICC.IAR1) ?? 1023n);
    if (intid >= SPURIOUS_FROM) return;
    k.stats.interrupts++;
    k.hooks.onInterrupt?.(intid);
    p.gicWrite(ICC.EOIR1, BigInt(intid));
    if (intid === TIMER_INTID) {
      write64(k, p.frame + SR.CNTHP_CTL_EL2, 0);
      p.timersChanged();
      deactivate(k, intid);
    } else if (intid === VTIMER_INTID) {
      raiseFault(k, vcpuThread, Exit.VTIMER);
    } else if (intid === PMU_INTID) {
      raiseFault(k, vcpuThread, Exit.PMU);
    } else if (intid === MAINTENANCE_INTID) {
      deactivate(k, intid);
      raiseFault(k, vcpuThread, Exit.MAINTENANCE);
    } else {
      deliver(k, intid);
    }
  }
}

export function deactivate(k: Context, intid: number): void {
  k.processor.gicWrite(ICC.DIR, BigInt(intid));
}

/** Deactivates an interrupt for a VCPU: of one of its own, the state that the GIC holds while it has the core. */
export function deactivateFor(k: Context, vcpu: number, intid: number): void {
  if (!isVcpus(intid) || read32(k, k.core + CORE.VCPU) === vcpu) return deactivate(k, intid);
  const kept = vcpu + VCPU.PPIS_ACTIVE;
  write32(k, kept, read32(k, kept) & ~(1 << intid));
}

/** Whether one of this core's private interrupts was taken and is not deactivated. */
export function isActive(k: Context, intid: number): boolean {
  return ((mmioRead(k, bank(k, intid) + BANK.ISACTIVER) >>> intid) & 1) !== 0;
}

function deliver(k: Context, intid: number): void {
  const known = intid < read32(k, k.root + ROOT.IRQS);
  const entry = irqEntry(k, intid);
  if (!known || typeOf(k, entry + IRQ.TARGET) !== ObjectType.NOTIFICATION) {
    writeBit(k, BANK.ICENABLER, intid);
    deactivate(k, intid);
    return;
  }
  write32(k, entry + IRQ.ACTIVE, 1);
  signal(k, entry + IRQ.TARGET);
}

function isVcpus(intid: number): boolean {
  return intid < FIRST_SPI && ((VCPU_PPIS >>> intid) & 1) !== 0;
}

/** Whether IRQ_CONTROL_MAKE may make this interrupt's capability: one of the machine's that is not the kernel's. */
export function isGrantable(k: Context, intid: number): boolean {
  return intid >= 16 && intid < read32(k, k.root + ROOT.IRQS) && intid !== TIMER_INTID && intid !== MAINTENANCE_INTID;
}

export function configureInterrupt(k: Context, intid: number, trigger: number): void {
  if (intid >= FIRST_SPI) {
    setField(k, BANK.ICFGR, intid, 2, trigger === Trigger.EDGE ? 2 : 0);
    mmioWrite(k, k.gic.distributor + GICD.IROUTER + 8 * intid, 0);
    mmioWrite(k, k.gic.distributor + GICD.IROUTER + 8 * intid + 4, 0);
  }
  write32(k, irqEntry(k, intid) + IRQ.MADE, 1);
}

/** IRQ_BIND: `source` is the slot of a Notification capability, or 0. */
export function bindInterrupt(k: Context, intid: number, source: number): ErrorCode {
  if (isVcpus(intid)) return Err.WRONG_STATE;
  const target = irqEntry(k, intid) + IRQ.TARGET;
  if (source !== 0 && typeOf(k, target) !== 0) return Err.WRONG_STATE;
  if (source === 0) {
    writeBit(k, BANK.ICENABLER, intid);
    deleteSlot(k, target);
  } else {
    derive(k, source, target, 15);
    enable(k, intid, PRIORITY);
  }
  return Err.OK;
}

/** IRQ_ACK. */
export function acknowledgeInterrupt(k: Context, intid: number): void {
  const entry = irqEntry(k, intid);
  if (!isVcpus(intid) && read32(k, entry + IRQ.ACTIVE) === 0) return;
  write32(k, entry + IRQ.ACTIVE, 0);
  deactivate(k, intid);
}

/** The last capability of an interrupt is gone. */
export function disableInterrupt(k: Context, intid: number): void {
  if (isVcpus(intid)) return;
  writeBit(k, BANK.ICENABLER, intid);
  acknowledgeInterrupt(k, intid);
}

/** Gives this core's VCPU_PPIS to a VCPU (0: to none): their active states are the VCPU's. */
export function switchPpis(k: Context, vcpu: number): void {
  const old = read32(k, k.core + CORE.VCPU);
  if (old === vcpu) return;
  const registers = bank(k, VTIMER_INTID);
  if (old !== 0) write32(k, old + VCPU.PPIS_ACTIVE, mmioRead(k, registers + BANK.ISACTIVER) & VCPU_PPIS);
  write32(k, k.core + CORE.VCPU, vcpu);
  if (vcpu === 0) return;
  const active = read32(k, vcpu + VCPU.PPIS_ACTIVE);
  mmioWrite(k, registers + BANK.ICACTIVER, VCPU_PPIS & ~active);
  mmioWrite(k, registers + BANK.ISACTIVER, active);
}
