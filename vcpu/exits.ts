/** What becomes of a VCPU's exits. */
import { sysregKey } from '../arch/core/frame.ts';
import { Answer, Exit } from '../kernel/abi/faults.ts';
import type { Entry, ServiceEnv, Word } from '../kernel/abi/service.ts';
import { guestIdRegister } from './id-registers.ts';
import { PhysicalTimer } from './physical-timer.ts';
import { smcccCall, type CallOutcome, type PsciMachine } from './psci.ts';
import {
  isMaintenance,
  isRead,
  isStore,
  isTransfer,
  loaded,
  transferRegister,
  transferSize,
  trappedKey,
  trappedRegister,
} from './syndrome.ts';

/** INTIDs of the generic timers' private interrupts (as on QEMU's virt machine). */
export const VIRTUAL_TIMER_INTID = 27;
export const PHYSICAL_TIMER_INTID = 30;
/** And of the performance monitors' overflow. */
export const PMU_INTID = 23;

const ICC_SGI1R = sysregKey(3, 0, 12, 11, 5);
const ICC_ASGI1R = sysregKey(3, 0, 12, 11, 6);
const ICC_SGI0R = sysregKey(3, 0, 12, 11, 7);
const ACTLR_EL1 = sysregKey(3, 0, 1, 0, 1);

/** A register number that discards what is loaded. */
const XZR = 31;

/** The devices of a virtual machine, by intermediate physical address. */
export interface Devices {
  /** Result of the last read. */
  readonly low: number;
  readonly high: number;
  read(address: number, size: 1 | 2 | 4 | 8): boolean;
  write(address: number, size: 1 | 2 | 4 | 8, low: number, high: number): boolean;
}

/** The virtual interrupt controller. */
export interface Interrupts {
  /** Whether an address is one of its registers'. */
  covers(address: number): boolean;
  beforeAccess(env: ServiceEnv): Entry<void>;
  afterAccess(env: ServiceEnv): Entry<void>;
  setLine(intid: number, level: boolean, cpu: number): void;
  hardwareInterrupt(cpu: number, intid: number): void;
  maintenance(cpu: number): void;
  sendSgi(cpu: number, group: number, low: number, high: number): void;
}

export interface ExitsOptions {
  cpu: number;
  devices: Devices;
  interrupts: Interrupts;
  machine: PsciMachine;
}

/**
 * Serves the exits of one VCPU: `serve` reads the message, does what it asks for and leaves the answer in `answer` and
 * `values`. Devices are served at once; only what concerns the interrupt controller needs calls of the kernel.
 */
export class Exits {
  readonly cpu: number;
  /** Counter value at which `tick` is to be called. */
  deadline = Infinity;
  /** Bits of the answer's label (`Answer`), and its words. */
  answer = 0;
  readonly values: Word[] = [];
  readonly #timer = new PhysicalTimer();
  readonly #devices: Devices;
  readonly #interrupts: Interrupts;
  readonly #machine: PsciMachine;
  // The access that the last abort was.
  #esr = 0;
  #address = 0;
  #low = 0;
  #high = 0;

  constructor({ cpu, devices, interrupts, machine }: ExitsOptions) {
    this.cpu = cpu;
    this.#devices = devices;
    this.#interrupts = interrupts;
    this.#machine = machine;
  }

  /**
   * @returns what a call (HVC, SMC) asks of the virtual machine; `access` where `access` must be run before the answer
   * stands; undefined where the VCPU just goes on
   */
  serve(env: ServiceEnv, label: number): CallOutcome | 'access' | undefined {
    this.answer = 0;
    this.values.length = 0;
    switch (label) {
      case Exit.STAGE2_ABORT:
        return this.#abort(env);
      case Exit.SYSREG:
        this.#sysreg(env);
        return undefined;
      case Exit.HVC:
        return this.#call(env);
      case Exit.SMC: {
        const outcome = this.#call(env);
        this.answer |= Answer.ADVANCE;
        return outcome;
      }
      case Exit.MAINTENANCE:
        this.#interrupts.maintenance(this.cpu);
        return undefined;
      case Exit.VTIMER:
        this.#interrupts.hardwareInterrupt(this.cpu, VIRTUAL_TIMER_INTID);
        return undefined;
      case Exit.PMU:
        this.#interrupts.hardwareInterrupt(this.cpu, PMU_INTID);
        return undefined;
      default:
        // What the kernel has no name for, the guest's processor does not have.
        this.answer = Answer.UNDEFINED;
        return undefined;
    }
  }

  /** Makes the access to the interrupt controller that `serve` found. */
  *access(env: ServiceEnv): Entry<void> {
    yield* this.#interrupts.beforeAccess(env);
    this.#transfer();
    yield* this.#interrupts.afterAccess(env);
  }

  /** Looks at the physical timer: at its time, and when one of its registers was written. */
  tick(now: number): void {
    this.#interrupts.setLine(PHYSICAL_TIMER_INTID, this.#timer.level(now), this.cpu);
    this.deadline = this.#timer.deadline(now) ?? Infinity;
  }

  /** The core starts anew. */
  reset(): void {
    this.#timer.reset();
    this.tick(0);
  }

  #abort(env: ServiceEnv): 'access' | undefined {
    const esr = env.wordLow(0);
    if (!isTransfer(esr)) {
      // Devices and what is not there have no cache lines.
      this.answer = isMaintenance(esr) ? Answer.ADVANCE : Answer.EXTERNAL_ABORT;
      return undefined;
    }
    this.#esr = esr;
    this.#address = env.word(2);
    this.#low = env.wordLow(5);
    this.#high = env.wordHigh(5);
    if (this.#interrupts.covers(this.#address)) return 'access';
    this.#transfer();
    return undefined;
  }

  /** A load or store of a device's register. */
  #transfer(): void {
    const devices = this.#devices;
    const esr = this.#esr;
    const size = transferSize(esr);
    this.answer = Answer.EXTERNAL_ABORT;
    if (isStore(esr)) {
      if (devices.write(this.#address, size, this.#low, this.#high)) this.answer = Answer.ADVANCE;
    } else if (devices.read(this.#address, size)) {
      this.#give(transferRegister(esr), loaded(esr, devices.low, devices.high));
      this.answer |= Answer.ADVANCE;
    }
  }

  #sysreg(env: ServiceEnv): void {
    const esr = env.word(0);
    const key = trappedKey(esr);
    this.answer = Answer.UNDEFINED;
    if (isRead(esr)) {
      const value = guestIdRegister(key) ?? this.#timer.read(key, env.now()) ?? (key === ACTLR_EL1 ? 0n : undefined);
      if (value === undefined) return;
      this.#give(trappedRegister(esr), value);
      this.answer |= Answer.ADVANCE;
      return;
    }
    if (this.#writeSysreg(env, key)) this.answer = Answer.ADVANCE;
  }

  #writeSysreg(env: ServiceEnv, key: number): boolean {
    switch (key) {
      case ICC_SGI0R:
        this.#interrupts.sendSgi(this.cpu, 0, env.wordLow(3), env.wordHigh(3));
        return true;
      case ICC_SGI1R:
      case ICC_ASGI1R:
        // With one Security state the alias means the same group.
        this.#interrupts.sendSgi(this.cpu, 1, env.wordLow(3), env.wordHigh(3));
        return true;
      case ACTLR_EL1:
        return true;
    }
    const now = env.now();
    if (!this.#timer.write(key, env.wordBig(3), now)) return false;
    this.tick(now);
    return true;
  }

  #call(env: ServiceEnv): CallOutcome {
    const outcome = smcccCall(env.wordLow(0), [env.wordBig(1), env.wordBig(2), env.wordBig(3)], this.#machine);
    if ('value' in outcome) this.#give(0, outcome.value);
    if (outcome.action === 'suspend') this.answer |= Answer.WAIT;
    return outcome;
  }

  #give(register: number, value: Word): void {
    if (register === XZR) {
      this.answer = 0;
      return;
    }
    this.answer = Answer.SET_REGISTERS;
    this.values.push(register, value);
  }
}
