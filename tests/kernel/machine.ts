/** A machine for kernel tests: memory, the real interrupt controller, a processor whose guest code is a function, a clock set by hand. */
import { takeException, exceptionReturn, interruptTarget, INTERRUPT } from '../../arch/core/exception.ts';
import { F, FRAME_SIZE, PSTATE } from '../../arch/core/frame.ts';
import { Mmu } from '../../arch/core/mmu.ts';
import type { Processor, StopReason, Vector } from '../../arch/core/processor.ts';
import type { TlbScope } from '../../arch/core/state.ts';
import { resetSysregs, SR } from '../../arch/core/sysreg.ts';
import { TIMER, timerOutputs } from '../../arch/core/timer.ts';
import type { MmioDevice, PhysicalBus, Ram } from '../../arch/bus.ts';
import { CpuInterface } from '../../arch/gic/cpu-interface.ts';
import { Distributor } from '../../arch/gic/distributor.ts';
import { InterruptController } from '../../arch/gic/interrupts.ts';
import { Redistributors } from '../../arch/gic/redistributor.ts';
import { GIC_FIQ, GIC_IRQ, GIC_OK, GicRegisters, GIC_VFIQ, GIC_VIRQ } from '../../arch/gic/system-registers.ts';
import { ObjectType, type ServiceEnv, type ServiceProgram } from '../../kernel/abi/index.ts';
import { read32 } from '../../kernel/context.ts';
import { firstChild, objectOf, typeOf } from '../../kernel/derivation.ts';
import { ROOT, SLOT } from '../../kernel/layout.ts';
import { Kernel, type KernelOptions, type RunResult } from '../../kernel/kernel.ts';

export const RAM_BASE = 0x4000_0000;
export const RAM_SIZE = 16 << 20;
export const GICD = 0x0800_0000;
export const GICR = 0x080a_0000;
export const DEVICE = 0x0900_0000;

/** Guest code: runs "instructions" on the processor; a result is the exception that it takes to EL2. */
export type Guest = (
  cpu: FakeProcessor,
) => { esr: number; far?: bigint; hpfar?: bigint; pcOffset?: number } | undefined;

export class FakeProcessor implements Processor {
  readonly bus: PhysicalBus;
  readonly mmu = new Mmu();
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly index = 0;
  readonly counterFrequency = 1_000_000;
  readonly gic: InterruptController;
  readonly registers: GicRegisters;
  readonly flushes: TlbScope[] = [];
  frame: number;
  vector: Vector = 'sync';
  time = 1000;
  /** By frame. */
  readonly guests = new Map<number, Guest>();
  /** What runs on frames without a guest of their own. */
  guest: Guest = () => undefined;

  constructor() {
    const memory = new WebAssembly.Memory({
      initial: RAM_SIZE / 65536 + 2,
      maximum: RAM_SIZE / 65536 + 2,
      shared: true,
    });
    const ram: Ram = { memory, base: RAM_BASE, size: RAM_SIZE, host: 0x20000 };
    this.u8 = new Uint8Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.i64 = new BigInt64Array(memory.buffer);
    this.gic = new InterruptController({ cpus: 1, spis: 64 });
    const distributor = new Distributor(this.gic);
    const redistributors = new Redistributors(this.gic);
    const scratch = new Uint32Array(1024);
    const device: MmioDevice = {
      read: (offset) => scratch[offset >> 2]!,
      write: (offset, _size, value) => {
        scratch[offset >> 2] = value;
      },
    };
    this.bus = {
      ram,
      device: (pa) => {
        if (pa >= GICD && pa < GICD + 0x10000) return { device: distributor, offset: pa - GICD };
        if (pa >= GICR && pa < GICR + 0x20000) return { device: redistributors, offset: pa - GICR };
        if (pa >= DEVICE && pa < DEVICE + 0x1000) return { device, offset: pa - DEVICE };
        return undefined;
      },
    };
    this.frame = 0x1000;
    this.registers = new GicRegisters(this, new CpuInterface(this.gic, 0), () => {});
    this.resetFrame(this.frame, 2);
  }

  contextChanged(): void {}
  interruptsChanged(): void {}
  timersChanged(): void {
    const lines = timerOutputs(this);
    this.gic.setLine(26, (lines & TIMER.EL2_PHYSICAL) !== 0);
    this.gic.setLine(27, (lines & TIMER.VIRTUAL) !== 0);
  }
  invalidateTlb(scope: TlbScope): void {
    this.flushes.push(scope);
  }
  invalidateInstructions(): void {}
  /** Time passes with each look at the clock. */
  counter(): number {
    return this.time++;
  }
  gicRead(key: number): bigint | undefined {
    return this.registers.access(key, false) === GIC_OK
      ? BigInt.asUintN(32, BigInt(this.registers.read(key)))
      : undefined;
  }
  gicWrite(key: number, value: bigint): boolean {
    if (this.registers.access(key, true) !== GIC_OK) return false;
    this.registers.write(key, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    return true;
  }

  resetFrame(frame: number, el: 0 | 1 | 2): void {
    this.i32.fill(0, frame >> 2, (frame + FRAME_SIZE) >> 2);
    resetSysregs(this, frame);
    this.i32[(frame + F.PSTATE) >> 2] =
      PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F | (el === 0 ? 0 : PSTATE.SP) | (el << PSTATE.EL_SHIFT);
  }
  switchFrame(frame: number): void {
    this.frame = frame;
    this.timersChanged();
  }
  eret(): void {
    exceptionReturn(this);
  }

  get pc(): bigint {
    return this.i64[(this.frame + F.PC) >> 3]!;
  }
  x(n: number): bigint {
    return BigInt.asUintN(64, this.i64[(this.frame + F.X + 8 * n) >> 3]!);
  }
  setX(n: number, value: bigint): void {
    this.i64[(this.frame + F.X + 8 * n) >> 3] = BigInt.asIntN(64, value);
  }
  sysreg(offset: number): bigint {
    return BigInt.asUintN(64, this.i64[(this.frame + offset) >> 3]!);
  }
  get el(): number {
    return (this.i32[(this.frame + F.PSTATE) >> 2]! >> PSTATE.EL_SHIFT) & 3;
  }

  run(limit: number): StopReason {
    for (let step = 0; step < limit; step += 1000) {
      this.time += 10;
      this.timersChanged();
      const lines = this.registers.lines();
      const inputs =
        (lines & GIC_IRQ ? INTERRUPT.IRQ : 0) | (lines & GIC_FIQ ? INTERRUPT.FIQ : 0) |
        (lines & GIC_VIRQ ? INTERRUPT.VIRQ : 0) | (lines & GIC_VFIQ ? INTERRUPT.VFIQ : 0); // prettier-ignore
      const interrupt = interruptTarget(this, inputs);
      if (interrupt !== undefined) {
        takeException(this, interrupt.target, interrupt.vector, 0);
        this.vector = interrupt.vector;
        if (interrupt.target === 2) return 'el2';
        continue;
      }
      const trap = (this.guests.get(this.frame) ?? this.guest)(this);
      if (trap === undefined) continue;
      takeException(this, 2, 'sync', trap.esr, trap);
      this.vector = 'sync';
      return 'el2';
    }
    return 'yield';
  }
}

export interface Booted {
  kernel: Kernel;
  cpu: FakeProcessor;
  /** Errors that programs threw. */
  errors: unknown[];
  log: string[];
  /** Host address of the root task's CNode. */
  rootCNode: number;
  /** Runs until nothing is to be done or `done` says so, letting time pass to each timer. */
  settle(done?: () => boolean): RunResult;
}

/** Boots a kernel whose root task runs `services[0]`. */
export function boot(services: ServiceProgram[], options: Partial<KernelOptions> = {}, guest?: Guest): Booted {
  const cpu = new FakeProcessor();
  if (guest !== undefined) cpu.guest = guest;
  const errors: unknown[] = [];
  const log: string[] = [];
  const kernel = new Kernel(cpu, {
    freeRanges: [{ address: RAM_BASE, size: RAM_SIZE }],
    deviceRanges: [{ address: DEVICE, size: 0x1000 }],
    irqs: 96,
    gic: { distributor: GICD, redistributor: GICR },
    services,
    hooks: { onServiceError: (_thread, error) => errors.push(error), log: (line) => log.push(line) },
    ...options,
  });
  const settle = (done = (): boolean => false): RunResult => {
    let result: RunResult = 'yield';
    for (let i = 0; i < 1000 && !done(); i++) {
      result = kernel.run(100_000);
      if (result === 'halted') break;
      if (result === 'idle') {
        if (kernel.nextDeadline === Infinity) break;
        cpu.time = Math.max(cpu.time, kernel.nextDeadline);
      } else {
        // Entries to the kernel take time, also where it does not look at the clock.
        cpu.time += 200;
      }
    }
    return result;
  };
  const k = kernel.context;
  let slot = firstChild(k, k.root + ROOT.SLOT);
  while (typeOf(k, slot) !== ObjectType.CNODE) slot = read32(k, slot + SLOT.NEXT);
  const rootCNode = objectOf(k, slot);
  return { kernel, cpu, errors, log, settle, rootCNode };
}

/** Runs a root program to its end; throws what it threw. */
export function runRoot(
  body: ServiceProgram,
  others: ServiceProgram[] = [],
  options: Partial<KernelOptions> = {},
  guest?: Guest,
): Booted {
  let ended = false;
  const booted = boot(
    [
      function* (env: ServiceEnv) {
        yield* body(env);
        ended = true;
      },
      ...others,
    ],
    options,
    guest,
  );
  booted.settle(() => ended || booted.errors.length > 0);
  if (booted.errors.length > 0) throw booted.errors[0];
  if (!ended) throw new Error('the root program did not come to its end');
  return booted;
}

export { SR };
