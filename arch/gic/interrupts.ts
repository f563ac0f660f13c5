/**
 * The interrupts of a GICv3 (IHI 0069) with affinity routing and one Security state (GICD_CTLR.ARE = DS = 1):
 * their configuration, pending and active state, and which of them each PE should be given next.
 *
 * The model knows no PE. It serves as a machine's interrupt controller and as the virtual distributor of a VM.
 * All state lies in one buffer, which may be shared memory; callers on several threads serialise themselves.
 */

/** INTIDs below this are private to a PE: SGIs 0–15, PPIs 16–31. */
export const PRIVATE_INTIDS = 32;
/** The special INTID that says "no interrupt"; INTIDs from 1020 on are special. */
export const SPURIOUS = 1023;
export const FIRST_SPECIAL = 1020;
/** Five priority bits are implemented, the low three read as zero (IHI 0069, 4.8). */
export const PRIORITY_BITS = 5;
export const PRIORITY_MASK = 0xf8;
/** Priority of "nothing pending" and of an idle PE: lower than any interrupt's. */
export const IDLE_PRIORITY = 0xff;

/** MPIDR-style affinity (Aff3.Aff2.Aff1.Aff0, a byte each) of a PE: 16 PEs to an Aff1 cluster. */
export function affinityOf(cpu: number): number {
  return ((cpu >> 4) << 8) | (cpu & 15);
}

export interface InterruptControllerOptions {
  /** Number of PEs, 1 … 256. */
  cpus: number;
  /** Number of SPIs, a multiple of 32, or 988. INTIDs 32 … 32 + spis - 1. */
  spis: number;
  /** Where the state lives; zero-filled, at least `InterruptController.bytes(cpus, spis)` long. */
  buffer?: ArrayBufferLike;
  /** Byte offset of the state in `buffer`, a multiple of 4. */
  offset?: number;
  /** The interrupt that a PE should be given (`pendingIntid` and its priority and group) changed. */
  onChange?: (cpu: number) => void;
}

const CONTROL = { CTLR: 0, ANY_GROUP0: 1, ANY_GROUP1: 2, COUNT: 3 } as const;

/** IROUTER.Interrupt_Routing_Mode: any participating PE. */
const ROUTE_ANY = -2;
const ROUTE_NOWHERE = -1;

export class InterruptController {
  readonly cpus: number;
  readonly spis: number;
  /** Called when what `pendingIntid(cpu)` and its companions say has changed. */
  onChange: (cpu: number) => void;

  // One 32-bit word per PE for its private interrupts, then one per 32 SPIs ("slots"); bit n is the n-th interrupt.
  readonly #group: Int32Array;
  readonly #enable: Int32Array;
  /** Pending apart from the level of the wire: an edge seen, an SGI sent, ISPENDR written. */
  readonly #latch: Int32Array;
  readonly #line: Int32Array;
  readonly #active: Int32Array;
  readonly #edge: Int32Array;
  /** One byte per interrupt, 32 to a slot. */
  readonly #priority: Uint8Array;
  /** Per SPI: IROUTER's affinity and mode, and the PE that follows from them. */
  readonly #affinity: Int32Array;
  readonly #routeAny: Int32Array;
  readonly #target: Int32Array;
  // Per PE.
  readonly #cpuGroups: Int32Array;
  readonly #sleep: Int32Array;
  readonly #notAny: Int32Array;
  readonly #bestIntid: Int32Array;
  readonly #bestPriority: Int32Array;
  readonly #bestGroup: Int32Array;
  readonly #control: Int32Array;
  readonly #spiWords: number;

  /** Size of the state in bytes. */
  static bytes(cpus: number, spis: number): number {
    const slots = cpus + Math.ceil(spis / 32);
    return 4 * (CONTROL.COUNT + 6 * slots + 8 * slots + 3 * spis + 6 * cpus);
  }

  constructor({ cpus, spis, buffer, offset = 0, onChange = () => {} }: InterruptControllerOptions) {
    if (!(cpus >= 1 && cpus <= 256)) throw new RangeError(`a GICv3 serves 1 to 256 PEs, not ${cpus}`);
    if (!(spis >= 32 && spis <= 988 && (spis % 32 === 0 || spis === 988)))
      throw new RangeError(`a GICv3 has 32 to 988 SPIs, in steps of 32, not ${spis}`);
    this.cpus = cpus;
    this.spis = spis;
    this.onChange = onChange;
    this.#spiWords = Math.ceil(spis / 32);
    const slots = cpus + this.#spiWords;
    const memory = buffer ?? new ArrayBuffer(InterruptController.bytes(cpus, spis));
    let at = offset;
    const words = (count: number): Int32Array => {
      const view = new Int32Array(memory, at, count);
      at += 4 * count;
      return view;
    };
    this.#control = words(CONTROL.COUNT);
    this.#group = words(slots);
    this.#enable = words(slots);
    this.#latch = words(slots);
    this.#line = words(slots);
    this.#active = words(slots);
    this.#edge = words(slots);
    this.#priority = new Uint8Array(memory, at, 32 * slots);
    at += 32 * slots;
    this.#affinity = words(spis);
    this.#routeAny = words(spis);
    this.#target = words(spis);
    this.#cpuGroups = words(cpus);
    this.#sleep = words(cpus);
    this.#notAny = words(cpus);
    this.#bestIntid = words(cpus);
    this.#bestPriority = words(cpus);
    this.#bestGroup = words(cpus);
    this.reset();
  }

  /** Cold reset: everything disabled, not pending, Group 0, routed to PE 0. The wires keep their levels. */
  reset(): void {
    this.#control.fill(0);
    for (const view of [this.#group, this.#enable, this.#latch, this.#active, this.#edge]) view.fill(0);
    this.#priority.fill(0);
    for (const view of [this.#affinity, this.#routeAny, this.#target]) view.fill(0);
    this.#edge.fill(0xffff, 0, this.cpus); // SGIs are edge-triggered, whatever ICFGR0 is given
    this.#cpuGroups.fill(3);
    this.#sleep.fill(1);
    this.#notAny.fill(0);
    this.#bestIntid.fill(SPURIOUS);
    this.#bestPriority.fill(IDLE_PRIORITY);
    this.#bestGroup.fill(0);
    this.#chooseAny();
    for (let cpu = 0; cpu < this.cpus; cpu++) this.onChange(cpu);
  }

  // What a PE should be given.

  /** INTID of the highest-priority pending interrupt for a PE, SPURIOUS when there is none. */
  pendingIntid(cpu: number): number {
    return this.#bestIntid[cpu]!;
  }

  /** Its priority, IDLE_PRIORITY when there is none. */
  pendingPriority(cpu: number): number {
    return this.#bestPriority[cpu]!;
  }

  /** Its group, 0 or 1. */
  pendingGroup(cpu: number): number {
    return this.#bestGroup[cpu]!;
  }

  /**
   * The interrupts that a PE could be given (pending, enabled, not active, routed there), best first.
   * @param out receives INTIDs; its length bounds how many.
   * @returns how many there are in `out`.
   */
  pendingList(cpu: number, out: Int32Array): number {
    let count = 0;
    for (let word = 0; word <= this.#spiWords; word++) {
      for (let mask = this.#candidates(cpu, word); mask !== 0; mask &= mask - 1) {
        const intid = 32 * word + 31 - Math.clz32(mask & -mask);
        if (!this.#routedTo(intid, cpu)) continue;
        const priority = this.priority(intid, cpu);
        let place = count;
        while (place > 0 && this.priority(out[place - 1]!, cpu) > priority) place--;
        if (place >= out.length) continue;
        out.copyWithin(place + 1, place, Math.min(count, out.length - 1));
        out[place] = intid;
        if (count < out.length) count++;
      }
    }
    return count;
  }

  // Events.

  /** The level of an interrupt's wire. `cpu` counts for PPIs only. INTIDs that do not exist are ignored. */
  setLine(intid: number, level: boolean, cpu = 0): void {
    const slot = this.#slot(intid, cpu);
    if (slot < 0 || intid < 16) return;
    const bit = 1 << (intid & 31);
    const was = this.#line[slot]!;
    if (((was & bit) !== 0) === level) return;
    this.#line[slot] = level ? was | bit : was & ~bit;
    if ((this.#edge[slot]! & bit) !== 0) {
      if (!level) return;
      this.#latch[slot]! |= bit;
    }
    this.#refreshInterrupt(intid, cpu);
  }

  /** An SGI becomes pending on a PE if it belongs to `group` there (IHI 0069, 4.5: GICR_IGROUPR0 decides). */
  sendSgi(intid: number, cpu: number, group: number): void {
    if (intid < 0 || intid > 15 || cpu < 0 || cpu >= this.cpus || this.group(intid, cpu) !== group) return;
    this.#latch[cpu]! |= 1 << intid;
    this.#refresh(cpu);
  }

  /** A PE takes an interrupt: active, and no longer pending unless its wire is level-sensitive and high. */
  acknowledge(cpu: number, intid: number): void {
    const slot = this.#slot(intid, cpu);
    if (slot < 0) return;
    const bit = 1 << (intid & 31);
    this.#active[slot]! |= bit;
    this.#latch[slot]! &= ~bit;
    this.#refreshInterrupt(intid, cpu);
  }

  /** An interrupt is no longer active; if it is still pending it will be given again. */
  deactivate(cpu: number, intid: number): void {
    const slot = this.#slot(intid, cpu);
    if (slot < 0) return;
    const bit = 1 << (intid & 31);
    if ((this.#active[slot]! & bit) === 0) return;
    this.#active[slot]! &= ~bit;
    this.#refreshInterrupt(intid, cpu);
  }

  /** Makes an interrupt pending, or no longer so apart from its wire (ISPENDR, ICPENDR). */
  setPending(intid: number, pending: boolean, cpu = 0): void {
    const slot = this.#slot(intid, cpu);
    if (slot < 0) return;
    const bit = 1 << (intid & 31);
    if (pending) this.#latch[slot]! |= bit;
    else this.#latch[slot]! &= ~bit;
    this.#refreshInterrupt(intid, cpu);
  }

  setActive(intid: number, active: boolean, cpu = 0): void {
    const slot = this.#slot(intid, cpu);
    if (slot < 0) return;
    const bit = 1 << (intid & 31);
    if (active) this.#active[slot]! |= bit;
    else this.#active[slot]! &= ~bit;
    this.#refreshInterrupt(intid, cpu);
  }

  // What is known of one interrupt. INTIDs that do not exist are idle in Group 0.

  exists(intid: number): boolean {
    return this.#slot(intid, 0) >= 0;
  }

  priority(intid: number, cpu = 0): number {
    const slot = this.#slot(intid, cpu);
    return slot < 0 ? IDLE_PRIORITY : this.#priority[32 * slot + (intid & 31)]!;
  }

  group(intid: number, cpu = 0): number {
    return this.#bit(this.#group, intid, cpu);
  }

  isEnabled(intid: number, cpu = 0): boolean {
    return this.#bit(this.#enable, intid, cpu) !== 0;
  }

  isPending(intid: number, cpu = 0): boolean {
    const slot = this.#slot(intid, cpu);
    return slot >= 0 && ((this.pendingWord(slot) >>> (intid & 31)) & 1) !== 0;
  }

  isActive(intid: number, cpu = 0): boolean {
    return this.#bit(this.#active, intid, cpu) !== 0;
  }

  isEdge(intid: number, cpu = 0): boolean {
    return this.#bit(this.#edge, intid, cpu) !== 0;
  }

  /** Level of the wire, as last given to setLine. */
  line(intid: number, cpu = 0): boolean {
    return this.#bit(this.#line, intid, cpu) !== 0;
  }

  /** PE that an SPI goes to now; -1 when nowhere. */
  target(intid: number): number {
    const target =
      intid < PRIVATE_INTIDS || !this.exists(intid) ? ROUTE_NOWHERE : this.#target[intid - PRIVATE_INTIDS]!;
    return target === ROUTE_ANY ? this.#control[CONTROL.ANY_GROUP0 + this.group(intid)]! : target;
  }

  // Configuration, by slot: what the GICD_* and GICR_* registers show.

  /** Slot of INTIDs 32 × word …; word 0 is the PE's own. -1 when there is none. */
  slot(word: number, cpu: number): number {
    if (word === 0) return cpu >= 0 && cpu < this.cpus ? cpu : -1;
    return word <= this.#spiWords ? this.cpus + word - 1 : -1;
  }

  groupWord(slot: number): number {
    return this.#group[slot]!;
  }

  setGroupWord(slot: number, value: number): void {
    this.#group[slot] = value & this.#implemented(slot);
    this.#refreshSlot(slot);
  }

  enableWord(slot: number): number {
    return this.#enable[slot]!;
  }

  updateEnable(slot: number, set: number, clear: number): void {
    this.#enable[slot] = (this.#enable[slot]! | set) & ~clear & this.#implemented(slot);
    this.#refreshSlot(slot);
  }

  pendingWord(slot: number): number {
    return this.#latch[slot]! | (this.#line[slot]! & ~this.#edge[slot]!);
  }

  updatePending(slot: number, set: number, clear: number): void {
    this.#latch[slot] = (this.#latch[slot]! | set) & ~clear & this.#implemented(slot);
    this.#refreshSlot(slot);
  }

  activeWord(slot: number): number {
    return this.#active[slot]!;
  }

  updateActive(slot: number, set: number, clear: number): void {
    this.#active[slot] = (this.#active[slot]! | set) & ~clear & this.#implemented(slot);
    this.#refreshSlot(slot);
  }

  /** Bits of edge-triggered interrupts. */
  edgeWord(slot: number): number {
    return this.#edge[slot]!;
  }

  setEdgeWord(slot: number, value: number): void {
    this.#edge[slot] = slot < this.cpus ? (value & ~0xffff) | 0xffff : value & this.#implemented(slot);
    this.#refreshSlot(slot);
  }

  priorityByte(slot: number, index: number): number {
    return this.#priority[32 * slot + index]!;
  }

  /** Writes `count` priorities, a byte each, low byte first. */
  setPriorityBytes(slot: number, index: number, count: number, value: number): void {
    const implemented = this.#implemented(slot);
    for (let i = index; i < index + count; i++, value >>>= 8)
      if ((implemented >>> i) & 1) this.#priority[32 * slot + i] = value & PRIORITY_MASK;
    this.#refreshSlot(slot);
  }

  /** IROUTER<n>: affinity as `affinityOf` gives it; `any`: Interrupt_Routing_Mode. */
  route(intid: number): { affinity: number; any: boolean } {
    const spi = intid - PRIVATE_INTIDS;
    return { affinity: this.#affinity[spi] ?? 0, any: (this.#routeAny[spi] ?? 0) !== 0 };
  }

  setRoute(intid: number, affinity: number, any: boolean): void {
    const spi = intid - PRIVATE_INTIDS;
    if (!(spi >= 0 && spi < this.spis)) return;
    this.#affinity[spi] = affinity;
    this.#routeAny[spi] = any ? 1 : 0;
    const cpu = ((affinity >>> 8) << 4) | (affinity & 0xff);
    const exists = cpu < this.cpus && affinityOf(cpu) === affinity;
    this.#target[spi] = any ? ROUTE_ANY : exists ? cpu : ROUTE_NOWHERE;
    this.#refreshAll();
  }

  /** GICD_CTLR.EnableGrp0 (bit 0) and EnableGrp1 (bit 1). */
  get groupsEnabled(): number {
    return this.#control[CONTROL.CTLR]!;
  }

  set groupsEnabled(value: number) {
    this.#control[CONTROL.CTLR] = value & 3;
    this.#refreshAll();
  }

  /** ICC_IGRPEN0/1_EL1.Enable of a PE (bits 0 and 1): a disabled group's interrupts do not stand in the way of the other's. */
  setCpuGroups(cpu: number, groups: number): void {
    this.#cpuGroups[cpu] = groups & 3;
    this.#chooseAny();
    this.#refreshAll();
  }

  /** GICR_WAKER.ProcessorSleep. It keeps a PE from being chosen for 1 of N interrupts; others still reach it. */
  sleeping(cpu: number): boolean {
    return this.#sleep[cpu] !== 0;
  }

  setSleeping(cpu: number, sleeping: boolean): void {
    this.#sleep[cpu] = sleeping ? 1 : 0;
    this.#chooseAny();
    this.#refreshAll();
  }

  /** GICR_CTLR.DPG0 (bit 0) and DPG1NS (bit 1): the PE is not to be chosen for 1 of N interrupts of that group. */
  notAny(cpu: number): number {
    return this.#notAny[cpu]!;
  }

  setNotAny(cpu: number, groups: number): void {
    this.#notAny[cpu] = groups & 3;
    this.#chooseAny();
    this.#refreshAll();
  }

  #slot(intid: number, cpu: number): number {
    if (intid < 0 || intid >= PRIVATE_INTIDS + this.spis) return -1;
    return this.slot(intid >>> 5, cpu);
  }

  #bit(words: Int32Array, intid: number, cpu: number): number {
    const slot = this.#slot(intid, cpu);
    return slot < 0 ? 0 : (words[slot]! >>> (intid & 31)) & 1;
  }

  #implemented(slot: number): number {
    const rest = this.spis & 31;
    return slot === this.cpus + this.#spiWords - 1 && rest !== 0 ? (1 << rest) - 1 : -1;
  }

  /** The PE that takes 1 of N interrupts of each group: the first that is awake and takes part (IHI 0069, 4.7.2). */
  #chooseAny(): void {
    for (let group = 0; group < 2; group++) {
      let chosen = ROUTE_NOWHERE;
      for (let cpu = 0; cpu < this.cpus && chosen < 0; cpu++)
        if (!this.#sleep[cpu] && ((this.#cpuGroups[cpu]! & ~this.#notAny[cpu]!) >> group) & 1) chosen = cpu;
      this.#control[CONTROL.ANY_GROUP0 + group] = chosen;
    }
  }

  #routedTo(intid: number, cpu: number): boolean {
    return intid < PRIVATE_INTIDS || this.target(intid) === cpu;
  }

  /** Interrupts of a word that are pending, enabled and not active, wherever they are routed. */
  #candidates(cpu: number, word: number): number {
    const slot = word === 0 ? cpu : this.cpus + word - 1;
    const groups = this.#control[CONTROL.CTLR]! & this.#cpuGroups[cpu]!;
    const group = this.#group[slot]!;
    const allowed = (groups & 2 ? group : 0) | (groups & 1 ? ~group : 0);
    const pending = this.#latch[slot]! | (this.#line[slot]! & ~this.#edge[slot]!);
    return pending & this.#enable[slot]! & ~this.#active[slot]! & allowed;
  }

  #refresh(cpu: number): void {
    let best = SPURIOUS;
    let bestPriority = IDLE_PRIORITY;
    for (let word = 0; word <= this.#spiWords; word++) {
      let mask = this.#candidates(cpu, word);
      if (mask === 0) continue;
      const slot = word === 0 ? cpu : this.cpus + word - 1;
      for (; mask !== 0; mask &= mask - 1) {
        const index = 31 - Math.clz32(mask & -mask);
        const priority = this.#priority[32 * slot + index]!;
        if (priority < bestPriority && this.#routedTo(32 * word + index, cpu)) {
          best = 32 * word + index;
          bestPriority = priority;
        }
      }
    }
    const group = best === SPURIOUS ? 0 : this.group(best, cpu);
    if (best === this.#bestIntid[cpu] && bestPriority === this.#bestPriority[cpu] && group === this.#bestGroup[cpu])
      return;
    this.#bestIntid[cpu] = best;
    this.#bestPriority[cpu] = bestPriority;
    this.#bestGroup[cpu] = group;
    this.onChange(cpu);
  }

  #refreshInterrupt(intid: number, cpu: number): void {
    const to = intid < PRIVATE_INTIDS ? cpu : this.target(intid);
    if (to >= 0) this.#refresh(to);
  }

  #refreshSlot(slot: number): void {
    if (slot < this.cpus) this.#refresh(slot);
    else this.#refreshAll();
  }

  #refreshAll(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.#refresh(cpu);
  }
}
