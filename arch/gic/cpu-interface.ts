import type { InterruptController } from './interrupts.ts';
import { FIRST_SPECIAL, IDLE_PRIORITY, PRIORITY_BITS, PRIORITY_MASK, SPURIOUS } from './interrupts.ts';

/** ICC_CTLR_EL1, ICV_CTLR_EL1: PRIbits 4 (five bits), IDbits 0 (16 bits), A3V. */
export const CTLR_FIXED = ((PRIORITY_BITS - 1) << 8) | (1 << 15);
export const CTLR_CBPR = 1 << 0;
export const CTLR_EOIMODE = 1 << 1;
const CTLR_PMHE = 1 << 6;

/** The smallest binary points: all implemented bits are preemption bits (IHI 0069, 4.8.2). */
export const BPR0_MIN = 7 - PRIORITY_BITS;
export const BPR1_MIN = BPR0_MIN + 1;

/** The bits of a priority that decide on preemption, by the value of BPR0; BPR1 counts from one more. */
export function groupPriorityMask(group: number, bpr0: number, bpr1: number, cbpr: boolean): number {
  return (0xff << (group === 1 && !cbpr ? bpr1 : bpr0 + 1)) & 0xff;
}

/** Active priorities registers hold a bit per preemption level; the lowest set bit is the running priority. */
export function runningPriority(ap0r: number, ap1r: number): number {
  const active = ap0r | ap1r;
  return active === 0 ? IDLE_PRIORITY : (31 - Math.clz32(active & -active)) << (8 - PRIORITY_BITS);
}

/** Bit of a preemption level in the active priorities registers. */
export function priorityBit(groupPriority: number): number {
  return 1 << (groupPriority >> (8 - PRIORITY_BITS));
}

const S = { PMR: 0, BPR0: 1, BPR1: 2, CTLR: 3, GROUPS: 4, AP0R: 5, AP1R: 6, COUNT: 7 } as const;

/** Outputs of a CPU interface, as bits. */
export const LINE_IRQ = 1;
export const LINE_FIQ = 2;

/**
 * A PE's physical CPU interface (ICC_*, IHI 0069, 12.2) with one Security state: Group 0 is signalled as FIQ,
 * Group 1 as IRQ. Values are what the registers hold, 32 bits as signed or unsigned numbers.
 */
export class CpuInterface {
  static readonly BYTES = 4 * S.COUNT;
  readonly gic: InterruptController;
  readonly cpu: number;
  readonly #s: Int32Array;

  /** @param state where the registers live, zero-filled (`CpuInterface.BYTES` long). */
  constructor(gic: InterruptController, cpu: number, state: Int32Array = new Int32Array(S.COUNT)) {
    this.gic = gic;
    this.cpu = cpu;
    this.#s = state;
    this.reset();
  }

  reset(): void {
    this.#s.fill(0);
    this.#s[S.BPR0] = BPR0_MIN;
    this.#s[S.BPR1] = BPR1_MIN;
    this.#enableGroups(0);
  }

  /** LINE_IRQ, LINE_FIQ or 0: what the PE is being signalled. */
  lines(): number {
    const gic = this.gic;
    const cpu = this.cpu;
    const priority = gic.pendingPriority(cpu);
    if (priority === IDLE_PRIORITY) return 0;
    const group = gic.pendingGroup(cpu);
    return this.#canPreempt(group, priority) ? (group === 0 ? LINE_FIQ : LINE_IRQ) : 0;
  }

  /** ICC_IAR<group>_EL1: takes the pending interrupt, or returns SPURIOUS. */
  acknowledge(group: number): number {
    const gic = this.gic;
    const cpu = this.cpu;
    const intid = gic.pendingIntid(cpu);
    if (intid === SPURIOUS || gic.pendingGroup(cpu) !== group) return SPURIOUS;
    const priority = gic.pendingPriority(cpu);
    if (!this.#canPreempt(group, priority)) return SPURIOUS;
    const s = this.#s;
    s[S.AP0R + group]! |= priorityBit(priority & this.#groupMask(group));
    gic.acknowledge(cpu, intid);
    return intid;
  }

  /** ICC_HPPIR<group>_EL1. */
  highestPending(group: number): number {
    return this.gic.pendingGroup(this.cpu) === group ? this.gic.pendingIntid(this.cpu) : SPURIOUS;
  }

  /** ICC_EOIR<group>_EL1: drops the running priority, and deactivates unless EOImode splits the two. */
  endOfInterrupt(group: number, intid: number): void {
    intid &= 0xffffff;
    if (intid >= FIRST_SPECIAL) return;
    const s = this.#s;
    const active = s[S.AP0R]! | s[S.AP1R]!;
    const lowest = active & -active;
    // An EOIR of the group that is not running is ignored: the write is UNPREDICTABLE.
    if (lowest === 0 || (s[S.AP0R + group]! & lowest) === 0) return;
    s[S.AP0R + group]! &= ~lowest;
    if ((s[S.CTLR]! & CTLR_EOIMODE) === 0) this.gic.deactivate(this.cpu, intid);
  }

  /** ICC_DIR_EL1. */
  deactivate(intid: number): void {
    intid &= 0xffffff;
    if (intid < FIRST_SPECIAL && this.#s[S.CTLR]! & CTLR_EOIMODE) this.gic.deactivate(this.cpu, intid);
  }

  /**
   * ICC_SGI0R, SGI1R and ASGI1R_EL1: sends SGI `low<27:24>` of a group to the PEs that the 64-bit value names.
   */
  sendSgi(group: number, low: number, high: number): void {
    const gic = this.gic;
    const intid = (low >>> 24) & 15;
    if (high & (1 << 8)) {
      // IRM: all but this one.
      for (let cpu = 0; cpu < gic.cpus; cpu++) if (cpu !== this.cpu) gic.sendSgi(intid, cpu, group);
      return;
    }
    // Aff3 and Aff2 are 0 for every PE here; the range selector counts Aff0 from a multiple of 16, and there is only the first.
    if (((high >>> 16) & 0xff) !== 0 || (high & 0xff) !== 0 || ((high >>> 12) & 15) !== 0) return;
    const cluster = (low >>> 16) & 0xff;
    for (let list = low & 0xffff; list !== 0; list &= list - 1)
      gic.sendSgi(intid, 16 * cluster + 31 - Math.clz32(list & -list), group);
  }

  get pmr(): number {
    return this.#s[S.PMR]!;
  }

  set pmr(value: number) {
    this.#s[S.PMR] = value & PRIORITY_MASK;
  }

  /** ICC_BPR0_EL1, ICC_BPR1_EL1. */
  binaryPoint(group: number): number {
    const s = this.#s;
    if (group === 1 && s[S.CTLR]! & CTLR_CBPR) return Math.min(s[S.BPR0]! + 1, 7);
    return s[S.BPR0 + group]!;
  }

  setBinaryPoint(group: number, value: number): void {
    const s = this.#s;
    if (group === 1 && s[S.CTLR]! & CTLR_CBPR) return;
    s[S.BPR0 + group] = Math.max(value & 7, group === 1 ? BPR1_MIN : BPR0_MIN);
  }

  get ctlr(): number {
    return CTLR_FIXED | this.#s[S.CTLR]!;
  }

  set ctlr(value: number) {
    this.#s[S.CTLR] = value & (CTLR_CBPR | CTLR_EOIMODE | CTLR_PMHE);
  }

  /** ICC_IGRPEN<group>_EL1. */
  groupEnabled(group: number): number {
    return (this.#s[S.GROUPS]! >> group) & 1;
  }

  enableGroup(group: number, value: number): void {
    const bit = 1 << group;
    this.#enableGroups(value & 1 ? this.#s[S.GROUPS]! | bit : this.#s[S.GROUPS]! & ~bit);
  }

  /** ICC_RPR_EL1. */
  get runningPriority(): number {
    return runningPriority(this.#s[S.AP0R]!, this.#s[S.AP1R]!);
  }

  /** ICC_AP<group>R0_EL1. */
  activePriorities(group: number): number {
    return this.#s[S.AP0R + group]!;
  }

  setActivePriorities(group: number, value: number): void {
    this.#s[S.AP0R + group] = value;
  }

  #enableGroups(groups: number): void {
    this.#s[S.GROUPS] = groups;
    this.gic.setCpuGroups(this.cpu, groups);
  }

  #groupMask(group: number): number {
    const s = this.#s;
    return groupPriorityMask(group, s[S.BPR0]!, s[S.BPR1]!, (s[S.CTLR]! & CTLR_CBPR) !== 0);
  }

  #canPreempt(group: number, priority: number): boolean {
    const s = this.#s;
    if (priority >= s[S.PMR]!) return false;
    const active = s[S.AP0R]! | s[S.AP1R]!;
    if (active === 0) return true;
    const mask = this.#groupMask(group);
    return (priority & mask) < (runningPriority(active, 0) & mask);
  }
}
