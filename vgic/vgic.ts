/**
 * A virtual GICv3: distributor and redistributors for the guest to configure, and the list registers that the VCPUs take
 * their interrupts from.
 *
 * An interrupt that is put into a list register moves there with its state: the model does not keep its active bit, nor its
 * pending latch, but for a level-sensitive one's: that is pending by its wire or by the guest's own GICD_ISPENDR, and the
 * two go away each in its own way. What is in a list register changes while the guest runs, without a word, so `#lists` says
 * what was put where, not what is left of it. To know that, `gather` asks the kernel. It does so only where it matters: when
 * the guest looks at the distributor or changes something there, on a maintenance interrupt, when a level falls
 * before its time, and when the list registers are full.
 *
 * Level-sensitive interrupts are listed with EOI set: the maintenance interrupt makes us look at the level again.
 */
import { sysregKey } from '../arch/core/frame.ts';
import { CpuInterface } from '../arch/gic/cpu-interface.ts';
import { Distributor } from '../arch/gic/distributor.ts';
import { InterruptController, PRIVATE_INTIDS } from '../arch/gic/interrupts.ts';
import { Redistributors } from '../arch/gic/redistributor.ts';
import { Err, LR_ANY, Op } from '../kernel/abi/numbers.ts';
import { readVcpuRegister, systemRegister, writeVcpuRegisters } from '../kernel/abi/objects.ts';
import { KernelError, call, tryCall, type Entry, type ServiceEnv } from '../kernel/abi/service.ts';
import { LrState, MAX_LIST_REGISTERS, encodeListRegister } from './list-register.ts';

const ICH_HCR_EL2 = systemRegister(sysregKey(3, 4, 12, 11, 0));
const ICH_HCR_UIE = 2n;

const FREE = -1;

/** ICH_LR<n>_EL2 of nothing but HW. */
const RELEASED = 1n << 61n;

/** The list registers of one VCPU. */
interface Lists {
  readonly vcpu: number;
  /** INTID that was put into each, or FREE. */
  readonly intid: Int32Array;
  /** LrState of each when the kernel was last asked. */
  readonly state: Int32Array;
  /** Priority that each was taken with, or waits with. */
  readonly priority: Int32Array;
  /** Something may have to be listed. */
  dirty: boolean;
  /** Look again what is left in the list registers before listing. */
  stale: boolean;
  /** ICH_HCR_EL2.UIE is set. */
  underflow: boolean;
  /** Levels of the VCPU's own interrupts when the kernel was last asked, a bit by INTID. */
  levels: number;
  /** Physical interrupts by virtual INTID: IRQ capabilities. */
  readonly hardware: Map<number, number>;
}

export interface VGicOptions {
  /** VCPU capabilities; their order is the PEs'. */
  vcpus: readonly number[];
  /** SPIs, a multiple of 32. */
  spis: number;
  /** List registers that each VCPU has. */
  listRegisters: number;
}

export class VGic {
  readonly distributor: Distributor;
  readonly redistributors: Redistributors;
  readonly #model: InterruptController;
  readonly #interfaces: CpuInterface[];
  readonly #lists: Lists[];
  readonly #candidates = new Int32Array(MAX_LIST_REGISTERS);

  constructor({ vcpus, spis, listRegisters }: VGicOptions) {
    this.#model = new InterruptController({ cpus: vcpus.length, spis });
    this.distributor = new Distributor(this.#model);
    this.redistributors = new Redistributors(this.#model);
    const count = Math.min(listRegisters, MAX_LIST_REGISTERS);
    this.#lists = vcpus.map((vcpu) => ({
      vcpu,
      intid: new Int32Array(count).fill(FREE),
      state: new Int32Array(count),
      priority: new Int32Array(count),
      dirty: false,
      stale: false,
      underflow: false,
      levels: 0,
      hardware: new Map(),
    }));
    // Only for its SGI registers. Which groups are enabled is between the guest and its virtual CPU interface.
    this.#interfaces = vcpus.map((_, cpu) => {
      const part = new CpuInterface(this.#model, cpu);
      part.enableGroup(0, 1);
      part.enableGroup(1, 1);
      return part;
    });
  }

  /** Links a private interrupt of a VCPU to a physical one, which the guest then deactivates by itself. */
  linkHardware(cpu: number, intid: number, irq: number): void {
    this.#lists[cpu]!.hardware.set(intid, irq);
  }

  /** The level of a device's wire; `cpu` counts for private interrupts. */
  setLine(intid: number, level: boolean, cpu = 0): void {
    if (this.#model.line(intid, cpu) === level) return;
    this.#model.setLine(intid, level, cpu);
    const target = intid < PRIVATE_INTIDS ? cpu : this.#model.target(intid);
    const lists = this.#lists[target];
    if (level && lists !== undefined) lists.dirty = true;
    // A level that falls takes back what has not been acknowledged.
    if (!level) for (const each of this.#lists) if (each.intid.includes(intid)) each.stale = true;
  }

  /** The physical interrupt that is linked to a private one has come. */
  hardwareInterrupt(cpu: number, intid: number): void {
    const lists = this.#lists[cpu]!;
    // It comes again only after the guest was done with it.
    const listed = lists.intid.indexOf(intid);
    if (listed >= 0) lists.intid[listed] = FREE;
    this.#model.setLine(intid, true, cpu);
    lists.dirty = true;
  }

  /** A write to ICC_SGI0R_EL1 (group 0), ICC_SGI1R_EL1 or ICC_ASGI1R_EL1. */
  sendSgi(cpu: number, group: number, low: number, high: number): void {
    this.#interfaces[cpu]!.sendSgi(group, low, high);
    for (const lists of this.#lists) lists.dirty = true;
  }

  /** A maintenance interrupt of the VCPU came. */
  maintenance(cpu: number): void {
    this.#lists[cpu]!.stale = true;
  }

  /** A core was switched off or starts anew: nothing is listed for it. */
  *reset(env: ServiceEnv, cpu: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    yield* this.#gather(env, cpu);
    for (let n = 0; n < lists.intid.length; n++) if (lists.intid[n] !== FREE) yield* this.#clear(env, cpu, n);
  }

  /** To be called before the guest reads or writes registers of the distributor or a redistributor. */
  *beforeAccess(env: ServiceEnv): Entry<void> {
    for (let cpu = 0; cpu < this.#lists.length; cpu++) {
      if (this.#lists[cpu]!.stale) yield* this.#refresh(env, cpu);
      else yield* this.#gather(env, cpu);
      this.#takeBack(cpu);
    }
  }

  /** And after it. */
  *afterAccess(env: ServiceEnv): Entry<void> {
    for (let cpu = 0; cpu < this.#lists.length; cpu++) {
      yield* this.#giveBack(env, cpu);
      this.#lists[cpu]!.dirty = true;
    }
  }

  /** Whether `flush` has anything to do. */
  get changed(): boolean {
    for (let n = 0; n < this.#lists.length; n++) if (this.#lists[n]!.dirty || this.#lists[n]!.stale) return true;
    return false;
  }

  /** Lists what is pending. To be called before a VCPU goes on, whenever something happened. */
  *flush(env: ServiceEnv): Entry<void> {
    for (let cpu = 0; cpu < this.#lists.length; cpu++) {
      const lists = this.#lists[cpu]!;
      if (lists.stale) yield* this.#refresh(env, cpu);
      if (lists.dirty) yield* this.#list(env, cpu);
    }
  }

  /** Looks what is left in the list registers: done ones are freed, levels that fell are taken back. */
  *#refresh(env: ServiceEnv, cpu: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    lists.stale = false;
    lists.dirty = true;
    yield* this.#gather(env, cpu);
    for (let n = 0; n < lists.intid.length; n++) {
      const intid = lists.intid[n]!;
      if (intid === FREE || lists.hardware.has(intid)) continue;
      const fell = !this.#model.isEdge(intid, cpu) && !this.#model.isPending(intid, cpu);
      if (fell && (lists.state[n]! & LrState.PENDING) !== 0) {
        if (lists.state[n]! & LrState.ACTIVE) yield* this.#put(env, cpu, n, LrState.ACTIVE);
        else yield* this.#clear(env, cpu, n);
      }
    }
    if (lists.underflow) {
      lists.underflow = false;
      const control = yield* readVcpuRegister(env, lists.vcpu, ICH_HCR_EL2);
      yield* writeVcpuRegisters(env, lists.vcpu, ICH_HCR_EL2, control & ~ICH_HCR_UIE);
    }
  }

  /** Asks the kernel for the states of what is listed, and frees what the guest is done with. */
  *#gather(env: ServiceEnv, cpu: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    const { vcpu, intid, state, hardware } = lists;
    if (intid.every((listed) => listed === FREE) && ![...hardware.keys()].some((n) => this.#model.line(n, cpu))) return;
    yield* call(env, vcpu, Op.VCPU_LIST);
    const there = env.word(0);
    const taken: number[] = [];
    for (let n = 0; n < intid.length; n++) {
      const now = n < there ? env.wordHigh(4 + n) >>> 30 : 0;
      if ((state[n]! & ~now & LrState.PENDING) !== 0) taken.push(intid[n]!);
      state[n] = now;
    }
    for (const each of taken)
      if (each !== FREE && this.#keepsLatch(each, cpu)) this.#model.setPending(each, false, cpu);
    lists.levels = env.wordLow(4 + there);
    for (let n = 0; n < intid.length; n++) {
      const listed = intid[n]!;
      if (listed === FREE || state[n] !== LrState.INVALID) continue;
      // Deactivated by the guest, the physical interrupt comes again by itself while its level is high.
      if (hardware.has(listed)) this.#model.setLine(listed, false, cpu);
      yield* this.#clear(env, cpu, n);
    }
    for (const [physical, irq] of hardware) {
      if (intid.includes(physical) || !this.#model.line(physical, cpu) || (lists.levels >>> physical) & 1) continue;
      // Its cause went away while it could not be listed.
      this.#model.setLine(physical, false, cpu);
      yield* this.#release(env, cpu, irq);
    }
  }

  /** A physical interrupt of the VCPU's may come again: listed with HW = 1 as inactive, it is deactivated. */
  *#release(env: ServiceEnv, cpu: number, irq: number): Entry<void> {
    yield* call(env, this.#lists[cpu]!.vcpu, Op.VCPU_INJECT, RELEASED, irq, LR_ANY);
  }

  /** Gives the model back the states that are in list registers, as `state` says. */
  #takeBack(cpu: number): void {
    const { intid, state, hardware, levels } = this.#lists[cpu]!;
    const model = this.#model;
    for (let n = 0; n < intid.length; n++) {
      const listed = intid[n]!;
      if (listed === FREE) continue;
      // Taken, it is pending as well while its line is high.
      if (hardware.has(listed)) model.setLine(listed, ((levels >>> listed) & 1) !== 0, cpu);
      if ((state[n]! & LrState.PENDING) !== 0 && !model.isPending(listed, cpu)) model.setPending(listed, true, cpu);
      if ((state[n]! & LrState.ACTIVE) !== 0) model.setActive(listed, true, cpu);
    }
  }

  /** Moves the states into the list registers again, as far as the model still has them. */
  *#giveBack(env: ServiceEnv, cpu: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    const model = this.#model;
    for (let n = 0; n < lists.intid.length; n++) {
      const intid = lists.intid[n]!;
      if (intid === FREE) continue;
      const active = model.isActive(intid, cpu);
      const pending = model.isPending(intid, cpu) && this.#deliverable(intid, cpu);
      const before = lists.state[n]!;
      if (active || pending) {
        yield* this.#put(env, cpu, n, (pending ? LrState.PENDING : 0) | (active ? LrState.ACTIVE : 0));
        model.setActive(intid, false, cpu);
      } else {
        yield* this.#clear(env, cpu, n);
        const irq = lists.hardware.get(intid);
        if (irq !== undefined && (before & LrState.ACTIVE) !== 0 && !model.isPending(intid, cpu)) {
          // The guest has deactivated it at the redistributor.
          yield* this.#release(env, cpu, irq);
        }
      }
    }
  }

  /** Puts the best pending interrupts into list registers, less urgent ones out of them if need be. */
  *#list(env: ServiceEnv, cpu: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    lists.dirty = false;
    const model = this.#model;
    let gathered = false;
    const count = model.pendingList(cpu, this.#candidates);
    const candidates = Array.from(this.#candidates.subarray(0, count));
    for (const intid of candidates) {
      // A listed level-sensitive interrupt stays a candidate while its level is high.
      const listed = lists.intid.indexOf(intid);
      if (listed >= 0 && (!model.isEdge(intid, cpu) || this.#hasAnotherPriority(cpu, listed))) continue;
      // The guest may turn out to be done with a physical interrupt when its list register is used for another.
      if (!model.isPending(intid, cpu)) continue;
      if (yield* this.#inject(env, cpu, intid)) continue;
      if (!gathered) {
        gathered = true;
        yield* this.#gather(env, cpu);
        if (yield* this.#inject(env, cpu, intid)) continue;
      }
      const victim = this.#lessUrgent(cpu, intid);
      if (victim >= 0) {
        const out = lists.intid[victim]!;
        yield* this.#clear(env, cpu, victim);
        if (!model.isPending(out, cpu)) model.setPending(out, true, cpu);
        if (yield* this.#inject(env, cpu, intid)) continue;
      }
      yield* this.#waitForRoom(env, cpu);
      return;
    }
    // There may be more than the array of candidates holds.
    if (count === this.#candidates.length) yield* this.#waitForRoom(env, cpu);
  }

  /** Puts a pending interrupt into any list register. @returns false when there is none. */
  *#inject(env: ServiceEnv, cpu: number, intid: number): Entry<boolean> {
    const lists = this.#lists[cpu]!;
    const priority = this.#model.priority(intid, cpu);
    const value = this.#value(cpu, intid, LrState.PENDING, priority);
    const { error } = yield* tryCall(env, lists.vcpu, Op.VCPU_INJECT, value, lists.hardware.get(intid) ?? 0, LR_ANY);
    if (error === Err.NO_LIST_REGISTER) return false;
    if (error !== Err.OK) throw new KernelError(error, `injection of interrupt ${intid}`);
    const n = env.word(0);
    const before = lists.intid.indexOf(intid);
    if (before >= 0) lists.intid[before] = FREE;
    // The guest was done with what stood there.
    const done = lists.intid[n]!;
    if (done !== intid && lists.hardware.has(done)) this.#model.setLine(done, false, cpu);
    if (before !== n) lists.priority[n] = priority;
    lists.intid[n] = intid;
    lists.state[n] = LrState.PENDING;
    this.#moved(intid, cpu);
    return true;
  }

  /** Whether the model keeps an interrupt's pending latch while it is listed. */
  #keepsLatch(intid: number, cpu: number): boolean {
    return !this.#model.isEdge(intid, cpu) && !this.#lists[cpu]!.hardware.has(intid);
  }

  /** An interrupt has become pending in a list register. */
  #moved(intid: number, cpu: number): void {
    if (!this.#keepsLatch(intid, cpu)) this.#model.setPending(intid, false, cpu);
  }

  /**
   * Writes list register n for the interrupt that it holds. What is active keeps its priority there: the guest's end of interrupt
   * is for that one. It is not pending as well if it would have to be with another priority, nor with HW = 1 (IHI 0069, 12.4.6):
   * then it comes after its end.
   */
  *#put(env: ServiceEnv, cpu: number, n: number, state: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    const intid = lists.intid[n]!;
    if ((state & LrState.ACTIVE) === 0) lists.priority[n] = this.#model.priority(intid, cpu);
    else if (lists.hardware.has(intid) || this.#hasAnotherPriority(cpu, n)) state &= ~LrState.PENDING;
    const value = this.#value(cpu, intid, state, lists.priority[n]!);
    yield* call(env, lists.vcpu, Op.VCPU_INJECT, value, lists.hardware.get(intid) ?? 0, n);
    lists.state[n] = state;
    if (state & LrState.PENDING) this.#moved(intid, cpu);
  }

  /** Whether list register n has a priority that its interrupt no longer has. */
  #hasAnotherPriority(cpu: number, n: number): boolean {
    const { intid, priority } = this.#lists[cpu]!;
    return priority[n] !== this.#model.priority(intid[n]!, cpu);
  }

  *#clear(env: ServiceEnv, cpu: number, n: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    yield* call(env, lists.vcpu, Op.VCPU_INJECT, 0, 0, n);
    lists.intid[n] = FREE;
    lists.state[n] = LrState.INVALID;
  }

  /** Asks for a maintenance interrupt when at most one list register is in use. */
  *#waitForRoom(env: ServiceEnv, cpu: number): Entry<void> {
    const lists = this.#lists[cpu]!;
    if (lists.underflow) return;
    lists.underflow = true;
    const control = yield* readVcpuRegister(env, lists.vcpu, ICH_HCR_EL2);
    yield* writeVcpuRegisters(env, lists.vcpu, ICH_HCR_EL2, control | ICH_HCR_UIE);
  }

  /** The list register with the least urgent interrupt that has not been taken, if it is less urgent than `intid`; else -1. */
  #lessUrgent(cpu: number, intid: number): number {
    const lists = this.#lists[cpu]!;
    let worst = this.#model.priority(intid, cpu);
    let found = -1;
    for (let n = 0; n < lists.intid.length; n++) {
      if (lists.intid[n] === FREE || lists.state[n] !== LrState.PENDING) continue;
      const priority = this.#model.priority(lists.intid[n]!, cpu);
      if (priority > worst) {
        worst = priority;
        found = n;
      }
    }
    return found;
  }

  /** Whether an interrupt may be given to a VCPU when it is pending. */
  #deliverable(intid: number, cpu: number): boolean {
    const model = this.#model;
    if (!model.isEnabled(intid, cpu) || ((model.groupsEnabled >> model.group(intid, cpu)) & 1) === 0) return false;
    return intid < PRIVATE_INTIDS || model.target(intid) === cpu;
  }

  #value(cpu: number, intid: number, state: number, priority: number): bigint {
    const model = this.#model;
    const hardware = this.#lists[cpu]!.hardware.has(intid);
    return encodeListRegister({
      intid,
      priority,
      group: model.group(intid, cpu),
      state,
      hardware,
      eoi: !hardware && (!model.isEdge(intid, cpu) || priority !== model.priority(intid, cpu)),
    });
  }
}
