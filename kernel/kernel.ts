/**
 * The microkernel at EL2 of one core.
 *
 *     const kernel = new Kernel(processor, { freeRanges, deviceRanges, irqs, gic, services: [root, …] });
 *     for (;;) switch (kernel.run(1_000_000)) { case 'idle': sleep until kernel.nextDeadline or input … }
 */
import { EC } from '../arch/core/exception.ts';
import { F } from '../arch/core/frame.ts';
import type { Processor } from '../arch/core/processor.ts';
import { SR } from '../arch/core/sysreg-slots.ts';
import { Exit, Fault } from './abi/faults.ts';
import { ObjectType } from './abi/numbers.ts';
import type { ServiceProgram } from './abi/service.ts';
import { createRoot, createRootTask, kernelSize, type Range, reserve } from './boot.ts';
import {
  type Context,
  type GicAddresses,
  irqEntry,
  type KernelHooks,
  type KernelStatistics,
  read32,
  read64,
  write32,
  write64,
} from './context.ts';
import { typeOf } from './derivation.ts';
import { takeExit } from './exits.ts';
import { advance } from './faults.ts';
import { startInterrupts, switchPpis, takeInterrupts } from './interrupts.ts';
import { raiseFault, suspend, timeOut } from './ipc.ts';
import { CORE, IRQ, ROOT, THREAD } from './layout.ts';
import { charge, expiredTimer, firstReady, lastLook, nextTimer, rotate, turnEnd } from './scheduler.ts';
import { Services } from './services.ts';
import { systemCall } from './syscall.ts';
import { stopCycles, takePendingException } from './vcpu.ts';

export interface KernelOptions {
  /** Memory for the kernel, the root task and its untyped capabilities: RAM that is zero and that nobody else uses. */
  freeRanges: readonly Range[];
  /** Device registers, for untyped capabilities of the root task. */
  deviceRanges?: readonly Range[];
  /** Number of INTIDs of the interrupt controller (SGIs and PPIs included), at most 1020. */
  irqs: number;
  gic: GicAddresses;
  /** Programs by number, as THREAD_SET_SERVICE names them; the first is the root task's. */
  services: readonly ServiceProgram[];
  hooks?: KernelHooks;
}

/**
 * - `idle`: no thread is ready; call again at `nextDeadline` (counter ticks), or when a device raised an interrupt.
 * - `yield`: the limit was reached; call again when the host has done its work.
 * - `halted`: no thread is ready, and nothing can make one ready any more.
 */
export type RunResult = 'idle' | 'yield' | 'halted';

/** What an entry to the kernel costs of the limit, in instructions. */
const ENTRY_COST = 500;
/** Service steps between two looks at the clock and the interrupts. */
const STEPS_PER_LOOK = 32;

export class Kernel {
  readonly context: Context;
  readonly statistics: KernelStatistics = {
    entries: 0,
    syscalls: 0,
    ipc: 0,
    interrupts: 0,
    switches: 0,
    faults: [],
  };

  constructor(processor: Processor, options: KernelOptions) {
    const { irqs, gic, hooks = {} } = options;
    if (!(irqs >= 32 && irqs <= 1020)) throw new RangeError(`the kernel serves 32 to 1020 interrupts, not ${irqs}`);
    if (options.services.length === 0) throw new Error('the root task needs a program');
    const { ram } = processor.bus;
    const { buffer } = ram.memory;
    const { address, left } = reserve(options.freeRanges, irqs);
    const offset = ram.host - ram.base;
    const root = address + offset;
    const services = new Services(options.services);
    const k: Context = {
      processor,
      u8: new Uint8Array(buffer),
      u16: new Uint16Array(buffer),
      u32: new Uint32Array(buffer),
      i32: new Int32Array(buffer),
      offset,
      root,
      core: root + ROOT.CORE0,
      gic,
      services,
      hooks,
      stats: this.statistics,
    };
    services.attach(k);
    createRoot(k, irqs);
    startInterrupts(k);
    createRootTask(k, address + kernelSize(irqs), left, options.deviceRanges ?? []);
    this.context = k;
  }

  /** Counter value at which a timer is due; Infinity: none. */
  get nextDeadline(): number {
    return nextTimer(this.context);
  }

  /**
   * Runs threads until nothing is to be done, or about `limit` instructions are done.
   */
  run(limit: number): RunResult {
    const k = this.context;
    const { core } = k;
    let rest = limit;
    let steps = 0;
    if (read32(k, core + CORE.LIVE) === 0) this.#look();
    for (;;) {
      if (rest <= 0) return 'yield';
      if (steps >= STEPS_PER_LOOK) {
        steps = 0;
        this.#look();
      }
      let thread = firstReady(k);
      if (read32(k, core + CORE.LIVE) !== 0) {
        thread = read32(k, core + CORE.CURRENT);
      } else if (thread === 0) {
        this.#look();
        thread = firstReady(k);
        if (thread === 0) {
          write32(k, core + CORE.CURRENT, 0);
          return this.#canWake() ? 'idle' : 'halted';
        }
      }
      if (thread !== read32(k, core + CORE.CURRENT)) {
        // Between services time is charged by samples: the clock is as dear as a step.
        if (read32(k, thread + THREAD.PROGRAM) === 0) charge(k, k.processor.counter());
        k.stats.switches++;
        write32(k, core + CORE.CURRENT, thread);
      }
      k.stats.entries++;
      const program = read32(k, thread + THREAD.PROGRAM);
      if (program !== 0) {
        this.#runService(thread, program - 1);
        rest -= ENTRY_COST;
        steps++;
      } else if (read32(k, thread + THREAD.RESTART) !== 0) {
        this.#restart(thread);
        steps++;
      } else {
        const before = this.#retired();
        if (!this.#runNative(thread, rest)) return 'yield';
        rest -= ENTRY_COST + this.#retired() - before;
        // An interrupt that came meanwhile stops the next thread's first instruction, or a service after some steps.
        this.#tick();
        steps = 0;
      }
    }
  }

  /** Charges the time that passed, wakes whose time has come, takes interrupts. */
  #look(): void {
    this.#tick();
    takeInterrupts(this.context, 0);
  }

  #tick(): void {
    const k = this.context;
    const now = k.processor.counter();
    charge(k, now);
    for (let thread = expiredTimer(k, now); thread !== 0; thread = expiredTimer(k, now)) timeOut(k, thread);
  }

  #retired(): number {
    const { processor, u32 } = this.context;
    const at = (processor.frame + F.ICOUNT) >>> 2;
    return u32[at]! + u32[at + 1]! * 2 ** 32;
  }

  #canWake(): boolean {
    const k = this.context;
    if (nextTimer(k) !== Infinity) return true;
    for (let intid = 16; intid < read32(k, k.root + ROOT.IRQS); intid++) {
      if (typeOf(k, irqEntry(k, intid) + IRQ.TARGET) !== 0) return true;
    }
    return false;
  }

  /** Makes a call again that was interrupted. */
  #restart(thread: number): void {
    const k = this.context;
    write32(k, thread + THREAD.RESTART, 0);
    systemCall(k, thread);
    this.#look();
  }

  #runService(thread: number, program: number): void {
    const k = this.context;
    if (read32(k, thread + THREAD.RESTART) !== 0) return this.#restart(thread);
    let alive = false;
    try {
      alive = k.services.step(thread, program);
    } catch (error) {
      k.hooks.onServiceError?.(thread, error);
    }
    if (alive) return systemCall(k, thread);
    k.services.drop(thread);
    raiseFault(k, thread, Fault.SERVICE_ENDED);
  }

  /** Runs a native thread or a VCPU until it enters the kernel. @returns false when the limit stopped it. */
  #runNative(thread: number, limit: number): boolean {
    const k = this.context;
    const { processor, core } = k;
    const vcpu = read32(k, thread + THREAD.VCPU);
    if (read32(k, core + CORE.LIVE) === 0) {
      const wanted = vcpu !== 0 ? ObjectType.VM_SPACE : ObjectType.SPACE;
      if (typeOf(k, thread + THREAD.SPACE) !== wanted) {
        suspend(k, thread);
        return true;
      }
      const frame = read32(k, thread + THREAD.ACTIVE_FRAME);
      if (vcpu !== 0) switchPpis(k, vcpu);
      const now = lastLook(k);
      const end = turnEnd(k, thread, now);
      const set = read32(k, frame + SR.CNTHP_CTL_EL2) === 1 ? read64(k, frame + SR.CNTHP_CVAL_EL2) : 0;
      // What stops it too early does no harm.
      const kept = set > now && set <= end;
      if (!kept) {
        write64(k, frame + SR.CNTHP_CVAL_EL2, end);
        write64(k, frame + SR.CNTHP_CTL_EL2, 1);
      }
      if (processor.frame !== frame) processor.switchFrame(frame);
      else if (!kept) processor.timersChanged();
      processor.eret();
      if (vcpu !== 0) takePendingException(k, vcpu);
      write32(k, core + CORE.LIVE, 1);
    }
    if (processor.run(limit) !== 'el2') return false;
    write32(k, core + CORE.LIVE, 0);
    switch (processor.vector) {
      case 'sync':
        if (vcpu !== 0) takeExit(k, thread);
        else this.#takeException(thread);
        break;
      case 'serror':
        raiseFault(k, thread, vcpu !== 0 ? Exit.OTHER : Fault.EXCEPTION);
        break;
      default:
        takeInterrupts(k, vcpu !== 0 ? thread : 0);
        break;
    }
    if (vcpu !== 0) stopCycles(k, vcpu);
    return true;
  }

  /** A synchronous exception from EL0. */
  #takeException(thread: number): void {
    const k = this.context;
    const frame = thread + THREAD.FRAME;
    switch (read32(k, frame + SR.ESR_EL2) >>> 26) {
      case EC.SVC:
        return systemCall(k, thread);
      case EC.WFX:
        advance(k, frame);
        return rotate(k, thread);
      case EC.DATA_ABORT_LOWER:
      case EC.INSTRUCTION_ABORT_LOWER:
        return raiseFault(k, thread, Fault.PAGE);
      default:
        return raiseFault(k, thread, Fault.EXCEPTION);
    }
  }
}
