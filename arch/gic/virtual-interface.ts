import { ICH, LIST_REGISTERS } from './ich.ts';
import type { InterruptController } from './interrupts.ts';
import { FIRST_SPECIAL, IDLE_PRIORITY, PRIORITY_BITS, PRIORITY_MASK, SPURIOUS } from './interrupts.ts';
import {
  BPR0_MIN,
  BPR1_MIN,
  CTLR_CBPR,
  CTLR_EOIMODE,
  CTLR_FIXED,
  LINE_FIQ,
  LINE_IRQ,
  groupPriorityMask,
  priorityBit,
  runningPriority,
} from './cpu-interface.ts';

/** The context whose virtual interface is meant: its registers are in the frame, 64 bits each. */
export interface GicContext {
  readonly i32: Int32Array;
  /** Host address of the frame in use. */
  readonly frame: number;
}

export { ICH, LIST_REGISTERS };

/** ICH_HCR_EL2 (IHI 0069, 12.4.3). */
export const ICH_HCR = {
  En: 1 << 0,
  UIE: 1 << 1,
  LRENPIE: 1 << 2,
  NPIE: 1 << 3,
  VGrp0EIE: 1 << 4,
  VGrp0DIE: 1 << 5,
  VGrp1EIE: 1 << 6,
  VGrp1DIE: 1 << 7,
  TC: 1 << 10,
  TALL0: 1 << 11,
  TALL1: 1 << 12,
  TSEI: 1 << 13,
  TDIR: 1 << 14,
  EOIcount_SHIFT: 27,
} as const;
/** UIE … VGrp1DIE. */
const ICH_HCR_CAUSES = 0xfe;
const ICH_HCR_IMPLEMENTED = 0xf800_7cff | 0;

/** ICH_MISR_EL2. */
export const ICH_MISR = { EOI: 1, U: 2, LRENP: 4, NP: 8, VGrp0E: 16, VGrp0D: 32, VGrp1E: 64, VGrp1D: 128 } as const;

/** ICH_VMCR_EL2. VFIQEn reads as one, VAckCtl as zero: there is no legacy operation. */
export const ICH_VMCR = {
  VENG0: 1 << 0,
  VENG1: 1 << 1,
  VFIQEn: 1 << 3,
  VCBPR: 1 << 4,
  VEOIM: 1 << 9,
  VBPR1_SHIFT: 18,
  VBPR0_SHIFT: 21,
  VPMR_SHIFT: 24,
} as const;

/** ICH_LR<n>_EL2, bits of its upper half; the lower half is vINTID. */
export const ICH_LR_HIGH = {
  pINTID_MASK: 0x1fff,
  EOI: 1 << 9,
  Priority_SHIFT: 16,
  Group: 1 << 28,
  HW: 1 << 29,
  Pending: 1 << 30,
  Active: 1 << 31,
} as const;
const LR_HIGH_IMPLEMENTED = 0xf000_1fff | (PRIORITY_MASK << 16);
const LR_STATE = 0xc000_0000 | 0;

/** ICH_VTR_EL2: ListRegs, TDS, A3V, IDbits 0 (16 bits), PREbits, PRIbits. */
export const ICH_VTR_VALUE =
  ((LIST_REGISTERS - 1) | (1 << 19) | (1 << 21) | ((PRIORITY_BITS - 1) << 26) | ((PRIORITY_BITS - 1) << 29)) >>> 0;

const LR0 = ICH.LR;

function get(c: GicContext, register: number): number {
  return c.i32[(c.frame + register) >>> 2]!;
}

function set(c: GicContext, register: number, value: number): void {
  c.i32[(c.frame + register) >>> 2] = value;
}

// The hypervisor's view (ICH_*).

/** Reset values of a context's virtual interface; registers with others are zero. */
export function resetVirtualInterface(c: GicContext): void {
  setHcr(c, 0);
  setVmcr(c, 0);
  setApr(c, 0, 0);
  setApr(c, 1, 0);
  for (let n = 0; n < LIST_REGISTERS; n++) setLr(c, n, 0, 0);
}

export function hcr(c: GicContext): number {
  return get(c, ICH.HCR);
}

export function setHcr(c: GicContext, value: number): void {
  set(c, ICH.HCR, value & ICH_HCR_IMPLEMENTED);
}

export function vmcr(c: GicContext): number {
  return get(c, ICH.VMCR);
}

export function setVmcr(c: GicContext, value: number): void {
  const vbpr0 = Math.max((value >>> ICH_VMCR.VBPR0_SHIFT) & 7, BPR0_MIN);
  const vbpr1 = Math.max((value >>> ICH_VMCR.VBPR1_SHIFT) & 7, BPR1_MIN);
  const flags = value & (ICH_VMCR.VENG0 | ICH_VMCR.VENG1 | ICH_VMCR.VCBPR | ICH_VMCR.VEOIM);
  const vpmr = (value >>> ICH_VMCR.VPMR_SHIFT) & PRIORITY_MASK;
  set(
    c,
    ICH.VMCR,
    flags |
      ICH_VMCR.VFIQEn |
      (vbpr1 << ICH_VMCR.VBPR1_SHIFT) |
      (vbpr0 << ICH_VMCR.VBPR0_SHIFT) |
      (vpmr << ICH_VMCR.VPMR_SHIFT),
  );
}

export function apr(c: GicContext, group: number): number {
  return get(c, group === 0 ? ICH.AP0R0 : ICH.AP1R0);
}

export function setApr(c: GicContext, group: number, value: number): void {
  set(c, group === 0 ? ICH.AP0R0 : ICH.AP1R0, value);
}

/** Lower and upper half of ICH_LR<n>_EL2. */
export function lrLow(c: GicContext, n: number): number {
  return get(c, LR0 + 8 * n);
}

export function lrHigh(c: GicContext, n: number): number {
  return get(c, LR0 + 8 * n + 4);
}

export function setLr(c: GicContext, n: number, low: number, high: number): void {
  set(c, LR0 + 8 * n, low & 0xffff);
  set(c, LR0 + 8 * n + 4, high & LR_HIGH_IMPLEMENTED);
}

/** ICH_EISR_EL2: list registers that ended with an EOI maintenance interrupt requested. */
export function eisr(c: GicContext): number {
  let value = 0;
  for (let n = 0; n < LIST_REGISTERS; n++)
    if ((lrHigh(c, n) & (LR_STATE | ICH_LR_HIGH.HW | ICH_LR_HIGH.EOI)) === ICH_LR_HIGH.EOI) value |= 1 << n;
  return value;
}

/** ICH_ELRSR_EL2: list registers free for use. */
export function elrsr(c: GicContext): number {
  let value = 0;
  for (let n = 0; n < LIST_REGISTERS; n++) {
    const high = lrHigh(c, n);
    if ((high & LR_STATE) === 0 && (high & (ICH_LR_HIGH.HW | ICH_LR_HIGH.EOI)) !== ICH_LR_HIGH.EOI) value |= 1 << n;
  }
  return value;
}

/** ICH_MISR_EL2: why a maintenance interrupt is asked for. */
export function misr(c: GicContext): number {
  const control = hcr(c);
  const groups = vmcr(c);
  let value = 0;
  let valid = 0;
  let pending = false;
  for (let n = 0; n < LIST_REGISTERS; n++) {
    const high = lrHigh(c, n);
    if ((high & LR_STATE) !== 0) valid++;
    else if ((high & (ICH_LR_HIGH.HW | ICH_LR_HIGH.EOI)) === ICH_LR_HIGH.EOI) value |= ICH_MISR.EOI;
    if ((high & LR_STATE) === ICH_LR_HIGH.Pending) pending = true;
  }
  if (control & ICH_HCR.UIE && valid <= 1) value |= ICH_MISR.U;
  if (control & ICH_HCR.LRENPIE && control >>> ICH_HCR.EOIcount_SHIFT !== 0) value |= ICH_MISR.LRENP;
  if (control & ICH_HCR.NPIE && !pending) value |= ICH_MISR.NP;
  if (control & ICH_HCR.VGrp0EIE && groups & ICH_VMCR.VENG0) value |= ICH_MISR.VGrp0E;
  if (control & ICH_HCR.VGrp0DIE && !(groups & ICH_VMCR.VENG0)) value |= ICH_MISR.VGrp0D;
  if (control & ICH_HCR.VGrp1EIE && groups & ICH_VMCR.VENG1) value |= ICH_MISR.VGrp1E;
  if (control & ICH_HCR.VGrp1DIE && !(groups & ICH_VMCR.VENG1)) value |= ICH_MISR.VGrp1D;
  return value;
}

/** True while the maintenance interrupt is asserted. */
export function maintenance(c: GicContext): boolean {
  const control = hcr(c);
  if ((control & ICH_HCR.En) === 0) return false;
  if ((control & ICH_HCR_CAUSES) !== 0) return misr(c) !== 0;
  // Without other causes only ended list registers count.
  const { i32 } = c;
  const first = (c.frame + LR0 + 4) >>> 2;
  for (let at = first; at < first + 2 * LIST_REGISTERS; at += 2)
    if ((i32[at]! & (LR_STATE | ICH_LR_HIGH.HW | ICH_LR_HIGH.EOI)) === ICH_LR_HIGH.EOI) return true;
  return false;
}

// The guest's view (ICV_*).

/** LINE_IRQ, LINE_FIQ or 0: which virtual interrupt is signalled. */
export function virtualLines(c: GicContext): number {
  if ((hcr(c) & ICH_HCR.En) === 0) return 0;
  const n = highestPendingLr(c);
  if (n < 0 || !canPreempt(c, lrHigh(c, n))) return 0;
  return lrHigh(c, n) & ICH_LR_HIGH.Group ? LINE_IRQ : LINE_FIQ;
}

/** ICV_IAR<group>_EL1. */
export function icvAcknowledge(c: GicContext, group: number): number {
  const n = (hcr(c) & ICH_HCR.En) === 0 ? -1 : highestPendingLr(c);
  if (n < 0) return SPURIOUS;
  const high = lrHigh(c, n);
  if (lrGroup(high) !== group || !canPreempt(c, high)) return SPURIOUS;
  const intid = lrLow(c, n);
  if (intid >= FIRST_SPECIAL && intid < 8192) {
    // A special INTID cannot become active: the list register is spent.
    set(c, LR0 + 8 * n + 4, high & ~ICH_LR_HIGH.Pending);
    return intid;
  }
  setApr(c, group, apr(c, group) | priorityBit(lrPriority(high) & groupMask(c, group)));
  set(c, LR0 + 8 * n + 4, (high & ~ICH_LR_HIGH.Pending) | ICH_LR_HIGH.Active);
  return intid;
}

/** ICV_HPPIR<group>_EL1. */
export function icvHighestPending(c: GicContext, group: number): number {
  const n = highestPendingLr(c);
  return n >= 0 && lrGroup(lrHigh(c, n)) === group ? lrLow(c, n) : SPURIOUS;
}

/** ICV_EOIR<group>_EL1. */
export function icvEndOfInterrupt(
  c: GicContext,
  gic: InterruptController,
  cpu: number,
  group: number,
  value: number,
): void {
  const intid = value & 0xffffff;
  if (intid >= FIRST_SPECIAL && intid < 8192) return;
  const active = apr(c, 0) | apr(c, 1);
  if (active === 0) return;
  // The highest active priority is dropped, of whichever group it is.
  const lowest = active & -active;
  const dropped = runningPriority(lowest, 0);
  const of = apr(c, 0) & lowest ? 0 : 1;
  setApr(c, of, apr(c, of) & ~lowest);
  const split = (vmcr(c) & ICH_VMCR.VEOIM) !== 0 && intid < 8192;
  const n = activeLr(c, intid);
  if (n < 0) {
    if (!split && intid < 8192) countEoi(c);
    return;
  }
  const high = lrHigh(c, n);
  if (split || lrGroup(high) !== group || (lrPriority(high) & groupMask(c, group)) !== dropped) return;
  deactivateLr(c, gic, cpu, n);
}

/** ICV_DIR_EL1. */
export function icvDeactivate(c: GicContext, gic: InterruptController, cpu: number, value: number): void {
  const intid = value & 0xffffff;
  if (intid >= FIRST_SPECIAL && intid < 8192) return;
  if ((vmcr(c) & ICH_VMCR.VEOIM) === 0) return;
  const n = activeLr(c, intid);
  if (n >= 0) deactivateLr(c, gic, cpu, n);
  else if (intid < 8192) countEoi(c);
}

export function icvPmr(c: GicContext): number {
  return vmcr(c) >>> ICH_VMCR.VPMR_SHIFT;
}

export function setIcvPmr(c: GicContext, value: number): void {
  setVmcr(c, (vmcr(c) & 0xff_ffff) | ((value & PRIORITY_MASK) << ICH_VMCR.VPMR_SHIFT));
}

/** ICV_BPR<group>_EL1. */
export function icvBinaryPoint(c: GicContext, group: number): number {
  const value = vmcr(c);
  if (group === 0) return (value >>> ICH_VMCR.VBPR0_SHIFT) & 7;
  if (value & ICH_VMCR.VCBPR) return Math.min(((value >>> ICH_VMCR.VBPR0_SHIFT) & 7) + 1, 7);
  return (value >>> ICH_VMCR.VBPR1_SHIFT) & 7;
}

export function setIcvBinaryPoint(c: GicContext, group: number, value: number): void {
  const control = vmcr(c);
  if (group === 1 && control & ICH_VMCR.VCBPR) return;
  const shift = group === 0 ? ICH_VMCR.VBPR0_SHIFT : ICH_VMCR.VBPR1_SHIFT;
  setVmcr(c, (control & ~(7 << shift)) | ((value & 7) << shift));
}

export function icvCtlr(c: GicContext): number {
  const value = vmcr(c);
  return CTLR_FIXED | (value & ICH_VMCR.VCBPR ? CTLR_CBPR : 0) | (value & ICH_VMCR.VEOIM ? CTLR_EOIMODE : 0);
}

export function setIcvCtlr(c: GicContext, value: number): void {
  const rest = vmcr(c) & ~(ICH_VMCR.VCBPR | ICH_VMCR.VEOIM);
  setVmcr(c, rest | (value & CTLR_CBPR ? ICH_VMCR.VCBPR : 0) | (value & CTLR_EOIMODE ? ICH_VMCR.VEOIM : 0));
}

/** ICV_IGRPEN<group>_EL1. */
export function icvGroupEnabled(c: GicContext, group: number): number {
  return (vmcr(c) >> group) & 1;
}

export function icvEnableGroup(c: GicContext, group: number, value: number): void {
  const bit = 1 << group;
  setVmcr(c, value & 1 ? vmcr(c) | bit : vmcr(c) & ~bit);
}

/** ICV_RPR_EL1. */
export function icvRunningPriority(c: GicContext): number {
  return runningPriority(apr(c, 0), apr(c, 1));
}

function lrGroup(high: number): number {
  return high & ICH_LR_HIGH.Group ? 1 : 0;
}

function lrPriority(high: number): number {
  return (high >>> ICH_LR_HIGH.Priority_SHIFT) & 0xff;
}

function groupMask(c: GicContext, group: number): number {
  const value = vmcr(c);
  const vbpr0 = (value >>> ICH_VMCR.VBPR0_SHIFT) & 7;
  const vbpr1 = (value >>> ICH_VMCR.VBPR1_SHIFT) & 7;
  return groupPriorityMask(group, vbpr0, vbpr1, (value & ICH_VMCR.VCBPR) !== 0);
}

/** The list register with the highest-priority pending (not active) interrupt of an enabled group; -1: none. */
function highestPendingLr(c: GicContext): number {
  const groups = vmcr(c) & (ICH_VMCR.VENG0 | ICH_VMCR.VENG1);
  if (groups === 0) return -1;
  let best = -1;
  let bestPriority = IDLE_PRIORITY;
  const { i32 } = c;
  let at = (c.frame + LR0 + 4) >>> 2;
  for (let n = 0; n < LIST_REGISTERS; n++, at += 2) {
    const high = i32[at]!;
    if ((high & LR_STATE) !== ICH_LR_HIGH.Pending) continue;
    if (((groups >> lrGroup(high)) & 1) === 0) continue;
    const priority = lrPriority(high);
    if (priority < bestPriority) {
      best = n;
      bestPriority = priority;
    }
  }
  return best;
}

function canPreempt(c: GicContext, high: number): boolean {
  const priority = lrPriority(high);
  if (priority >= icvPmr(c)) return false;
  const active = apr(c, 0) | apr(c, 1);
  if (active === 0) return true;
  const mask = groupMask(c, lrGroup(high));
  return (priority & mask) < (runningPriority(active, 0) & mask);
}

function activeLr(c: GicContext, intid: number): number {
  for (let n = 0; n < LIST_REGISTERS; n++) if (lrHigh(c, n) & ICH_LR_HIGH.Active && lrLow(c, n) === intid) return n;
  return -1;
}

function deactivateLr(c: GicContext, gic: InterruptController, cpu: number, n: number): void {
  const high = lrHigh(c, n);
  set(c, LR0 + 8 * n + 4, high & ~ICH_LR_HIGH.Active);
  const pintid = high & ICH_LR_HIGH.pINTID_MASK;
  if (high & ICH_LR_HIGH.HW && pintid < FIRST_SPECIAL) gic.deactivate(cpu, pintid);
}

function countEoi(c: GicContext): void {
  // EOIcount is the register's top field: it wraps by itself.
  setHcr(c, hcr(c) + (1 << ICH_HCR.EOIcount_SHIFT));
}
