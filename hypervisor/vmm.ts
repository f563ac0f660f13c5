/**
 * The VMM: a service that builds one virtual machine from the capabilities it was given, starts it, and serves its
 * exits until it ends.
 */
import { sysregKey } from '../arch/core/frame.ts';
import { mpidr } from '../arch/core/idregs.ts';
import { Pl061 } from '../arch/primecell/pl061.ts';
import { Err, ObjectType, Op, Reg, Rights, Syscall } from '../kernel/abi/numbers.ts';
import {
  ackIrq,
  bindIrq,
  bindSched,
  bindVcpu,
  configureThread,
  mint,
  readVcpuRegister,
  resume,
  retype,
  setPriority,
  setSyscallMask,
  suspend,
  systemRegister,
  writeVcpuRegisters,
} from '../kernel/abi/objects.ts';
import {
  KernelError,
  WindowError,
  call,
  prepare,
  result,
  type Entry,
  type Service,
  type ServiceEnv,
  type ServiceProgram,
} from '../kernel/abi/service.ts';
import { Exits, PMU_INTID, VIRTUAL_TIMER_INTID } from '../vcpu/exits.ts';
import type { CallOutcome } from '../vcpu/psci.ts';
import { VGic } from '../vgic/vgic.ts';
import { MmioBus } from '../vmmio/bus.ts';
import { virtualRtc } from '../vmmio/rtc.ts';
import { SerialBridge } from '../vmmio/uart.ts';
import type { GuestImage } from './guest-image.ts';
import { GuestMemory } from './guest-memory.ts';
import { VIRT } from './guest-tree.ts';
import { Outcome, sendOutcome, type OutcomeCode } from './outcome.ts';
import { PanicWatch } from './panic-watch.ts';

/** Where the VMM expects its capabilities. */
export const VmmSlot = {
  CNODE: 1,
  /** Endpoint for the exits, without a badge. */
  EXITS: 2,
  REPLY: 3,
  /** Notification for interrupts, without a badge, bound to the VMM's thread. */
  SIGNALS: 4,
  SUPERVISOR: 5,
  /** Untyped for what the VMM makes. */
  OBJECTS: 6,
  /** Frames with the registers of the physical UART and real time clock. */
  UART: 7,
  RTC: 8,
  UART_IRQ: 9,
  /** The interrupts of the virtual timer and the performance monitors. */
  TIMER_IRQ: 10,
  PMU_IRQ: 11,
  /** The UART besides the console's, where the machine has it. */
  UART1: 12,
  UART1_IRQ: 13,
  /** One for each VCPU: the VCPU, and the share of a core that runs it. */
  VCPU: 0x40,
  SHARE: 0x80,
  /** Untypeds for the guest's memory. */
  MEMORY: 0x100,
  /** From here on the slots are for what the VMM makes. */
  OWN: 0x180,
} as const;
export const VMM_SLOT_BITS = 10;
/** Bytes of VmmSlot.OBJECTS. */
export const VMM_OBJECTS = 1 << 20;

/** Own slots. */
const SPACE = VmmSlot.OWN;
/** An empty CNode: a VCPU's thread makes no system calls. */
const NO_CAPABILITIES = VmmSlot.OWN + 1;
/** One for each UART. */
const UART_SIGNAL_CAP = VmmSlot.OWN + 2;
const THREAD = VmmSlot.OWN + 0x20;
const EXIT_BADGED = VmmSlot.OWN + 0x60;
const FRAME = VmmSlot.OWN + 0x100;

/** Room for the stage-2 tables: one for each GiB, and a few for what is not a multiple of 2 MiB. */
const SPACE_BITS = 17;
/** As many as a guest of QEMU’s virt machine is told of. */
const SPIS = 224;
/** The UARTs: where they are for the guest, and what each is driven through. */
const UARTS = [
  { address: VIRT.UART, spi: VIRT.UART_SPI, port: VmmSlot.UART, irq: VmmSlot.UART_IRQ },
  { address: VIRT.UART1, spi: VIRT.UART1_SPI, port: VmmSlot.UART1, irq: VmmSlot.UART1_IRQ },
];

const VMPIDR_EL2 = systemRegister(sysregKey(3, 4, 0, 0, 5));
const SCTLR_EL1 = systemRegister(sysregKey(3, 0, 1, 0, 0));
const ICH_HCR_EL2 = systemRegister(sysregKey(3, 4, 12, 11, 0));
const ICH_HCR_EN = 1;
const CNTV_CTL_EL0 = systemRegister(sysregKey(3, 3, 14, 3, 1));
const PMCR_EL0 = systemRegister(sysregKey(3, 3, 9, 12, 0));
/** MMU and caches off; SPAN and TSCXT. */
const SCTLR_RESET = (1 << 23) | (1 << 20);
/** EL1h with D, A, I and F masked. */
const PSTATE_ENTRY = 0x3c5;
const PSTATE_EL1 = 4;

/** A panic is believed after this many looks, so far apart (seconds), at cores that do nothing but run in the kernel. */
const PANIC_LOOKS = 10;
const PANIC_INTERVAL = 0.1;

export interface VmConfiguration {
  /** Bytes of memory; the untypeds in VmmSlot.MEMORY together have as many. */
  memory: number;
  cpus: number;
  /** What is loaded; asked for at each start. */
  image: () => GuestImage;
  /** List registers of a VCPU. */
  listRegisters: number;
  /** Whether there is a UART besides the console's. */
  second: boolean;
  /** Priority of the VCPUs. */
  priority: number;
}

/** The end of the virtual machine. */
interface End {
  code: OutcomeCode;
  text?: string | undefined;
}

/** One VCPU. */
interface Core {
  vcpu: number;
  thread: number;
  share: number;
  exits: Exits;
  on: boolean;
}

/** The program of the VMM. It ends after it has told its supervisor how the machine ended. */
export function vmmProgram(configuration: VmConfiguration): ServiceProgram {
  return function* vmm(env: ServiceEnv): Service {
    let end: End;
    try {
      const machine = yield* VirtualMachine.build(env, configuration);
      end = yield* machine.run(env);
    } catch (error) {
      if (!(error instanceof KernelError || error instanceof WindowError)) throw error;
      end = { code: Outcome.FAILED, text: error.message };
    }
    yield* sendOutcome(env, VmmSlot.SUPERVISOR, end.code, end.text);
  };
}

class VirtualMachine {
  readonly #cores: Core[];
  readonly #gic: VGic;
  /** In the order of UARTS. */
  readonly #serial: SerialBridge[];
  readonly #rtc: ReturnType<typeof virtualRtc>;
  readonly #watch = new PanicWatch();
  /** Counter value at which the RTC's match comes about. */
  #alarm = Infinity;
  /** Counter value of the next look at a suspected panic, how many are left, and the time that the cores had used before. */
  #look = Infinity;
  #looks = 0;
  #used = 0;

  private constructor(env: ServiceEnv, { cpus, listRegisters, second }: VmConfiguration, memory: GuestMemory) {
    const cpu = Array.from({ length: cpus }, (_, index) => index);
    const gic = new VGic({ vcpus: cpu.map((n) => VmmSlot.VCPU + n), spis: SPIS, listRegisters });
    for (const n of cpu) {
      gic.linkHardware(n, VIRTUAL_TIMER_INTID, VmmSlot.TIMER_IRQ);
      gic.linkHardware(n, PMU_INTID, VmmSlot.PMU_IRQ);
    }
    this.#gic = gic;
    const spi = (n: number) => (level: boolean) => gic.setLine(32 + n, level);
    const watch = this.#watch;
    const uarts = UARTS.slice(0, second ? 2 : 1);
    // Linux's console is the first.
    this.#serial = uarts.map(
      (uart, n) =>
        new SerialBridge(env.window(uart.port), spi(uart.spi), n === 0 ? (byte) => watch.push(byte) : undefined),
    );
    this.#rtc = virtualRtc(env.window(VmmSlot.RTC), spi(VIRT.RTC_SPI), (seconds) => {
      this.#alarm = seconds === undefined ? Infinity : env.now() + seconds * env.frequency;
    });

    const devices = new MmioBus();
    devices.add('GICD', VIRT.GICD, VIRT.GICD_SIZE, gic.distributor);
    devices.add('GICR', VIRT.GICR, VIRT.GICR_SIZE, gic.redistributors);
    for (const [n, { uart }] of this.#serial.entries())
      devices.add(`PL011 ${n}`, UARTS[n]!.address, VIRT.DEVICE_SIZE, uart);
    devices.add('PL031', VIRT.RTC, VIRT.DEVICE_SIZE, this.#rtc);
    devices.add('PL061', VIRT.GPIO, VIRT.DEVICE_SIZE, new Pl061({ irq: spi(VIRT.GPIO_SPI) }));
    const interrupts = Object.assign(gic, {
      covers: (address: number): boolean => address >= VIRT.GICD && address < VIRT.GICR + VIRT.GICR_SIZE,
    });
    const machine = {
      cpus,
      isOn: (n: number): boolean => this.#cores[n]!.on,
      isMemory: (address: number): boolean => memory.contains(address),
    };
    this.#cores = cpu.map((n) => ({
      vcpu: VmmSlot.VCPU + n,
      thread: THREAD + n,
      share: VmmSlot.SHARE + n,
      exits: new Exits({ cpu: n, devices, interrupts, machine }),
      on: false,
    }));
  }

  /** Makes the machine's objects, fills its memory and sets its first core to go. @throws KernelError, WindowError */
  static *build(env: ServiceEnv, configuration: VmConfiguration): Entry<VirtualMachine> {
    const { cpus, priority } = configuration;
    const image = configuration.image();
    const { CNODE, OBJECTS } = VmmSlot;
    yield* retype(env, OBJECTS, ObjectType.VM_SPACE, SPACE_BITS, CNODE, SPACE);
    const memory = yield* GuestMemory.create(env, {
      base: VIRT.RAM,
      size: configuration.memory,
      space: SPACE,
      cnode: CNODE,
      untyped: VmmSlot.MEMORY,
      frame: FRAME,
    });
    for (const { address, bytes } of image.parts) memory.write(address, bytes);
    yield* memory.syncCode(env);

    for (const [n, { irq }] of UARTS.slice(0, configuration.second ? 2 : 1).entries()) {
      yield* mint(env, CNODE, UART_SIGNAL_CAP + n, VmmSlot.SIGNALS, Rights.WRITE, 1 << n);
      yield* bindIrq(env, irq, UART_SIGNAL_CAP + n);
    }
    yield* retype(env, OBJECTS, ObjectType.CNODE, 1, CNODE, NO_CAPABILITIES);
    yield* retype(env, OBJECTS, ObjectType.THREAD, 0, CNODE, THREAD, cpus);
    for (let n = 0; n < cpus; n++) {
      const thread = THREAD + n;
      yield* mint(env, CNODE, EXIT_BADGED + n, VmmSlot.EXITS, Rights.WRITE, n + 1);
      yield* configureThread(env, thread, { cnode: NO_CAPABILITIES, faultEndpoint: EXIT_BADGED + n });
      yield* setSyscallMask(env, thread, 0);
      yield* setPriority(env, thread, priority, 0);
      yield* bindSched(env, thread, VmmSlot.SHARE + n);
      yield* bindVcpu(env, VmmSlot.VCPU + n, thread, SPACE);
      yield* writeVcpuRegisters(env, VmmSlot.VCPU + n, VMPIDR_EL2, mpidr(n));
    }
    const machine = new VirtualMachine(env, configuration, memory);
    yield* machine.#start(env, 0, image.entry, BigInt(image.dtbAddress));
    return machine;
  }

  /** Serves exits, interrupts and times. @returns how the machine ended; its cores are stopped. */
  *run(env: ServiceEnv): Entry<End> {
    const gic = this.#gic;
    /** The core that waits for an answer. */
    let waiting: Core | undefined;
    for (;;) {
      if (gic.changed) yield* gic.flush(env);
      const deadline = this.#deadline();
      this.#prepare(env, waiting, deadline);
      yield;
      waiting = undefined;
      const { error, notification, badge, label } = result(env);
      if (notification) {
        for (const [n, serial] of this.#serial.entries()) {
          if ((badge & (1 << n)) === 0) continue;
          serial.serve();
          yield* ackIrq(env, UARTS[n]!.irq);
        }
      } else if (error === Err.OK) {
        const core = this.#cores[badge - 1];
        if (core === undefined) continue;
        const outcome = core.exits.serve(env, label);
        if (outcome === 'access') yield* core.exits.access(env);
        else if (outcome !== undefined) {
          const end = yield* this.#obey(env, core, outcome);
          if (end !== undefined) return end;
        }
        if (core.on) waiting = core;
      } else if (error !== Err.TIMEOUT) {
        throw new KernelError(error, 'receive of exits');
      }
      if (this.#watch.ended && this.#look === Infinity) yield* this.#suspect(env);
      if (deadline !== Infinity && deadline <= env.now()) {
        const end = yield* this.#timePassed(env);
        if (end !== undefined) return end;
      }
    }
  }

  /** Prepares the system call that answers the exit of a core, if one waits, and waits for what comes next. */
  #prepare(env: ServiceEnv, waiting: Core | undefined, deadline: number): void {
    env.setRegister(9, VmmSlot.REPLY);
    env.setRegister(10, deadline === Infinity ? 0 : Math.ceil(deadline));
    if (waiting === undefined) {
      prepare(env, Syscall.RECV, VmmSlot.EXITS, 0, 0);
      return;
    }
    const { answer, values } = waiting.exits;
    for (let i = 0; i < values.length; i++) env.setWord(i, values[i]!);
    prepare(env, Syscall.REPLY_RECV, VmmSlot.EXITS, answer, values.length);
  }

  /** The earliest counter value at which something is to be done. */
  #deadline(): number {
    let earliest = Math.min(this.#alarm, this.#look);
    for (let n = 0; n < this.#cores.length; n++) {
      const { deadline } = this.#cores[n]!.exits;
      if (deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  *#timePassed(env: ServiceEnv): Entry<End | undefined> {
    const now = env.now();
    for (const { exits } of this.#cores) exits.tick(now);
    if (now >= this.#alarm) {
      this.#alarm = Infinity;
      this.#rtc.tick();
    }
    return now >= this.#look ? yield* this.#lookAgain(env) : undefined;
  }

  /** Does what a PSCI call asks of the machine. */
  *#obey(env: ServiceEnv, core: Core, outcome: CallOutcome): Entry<End | undefined> {
    switch (outcome.action) {
      case 'cpuOn':
        yield* this.#start(env, outcome.cpu, outcome.entry, outcome.context);
        return undefined;
      case 'cpuOff':
        core.on = false;
        yield* suspend(env, core.thread);
        return undefined;
      case 'systemOff':
        return yield* this.#stop(env, { code: Outcome.POWEROFF });
      case 'systemReset': {
        // A kernel that panics may be told to restart; it does not say that it restarts, as an orderly one would.
        const text = this.#watch.message;
        return yield* this.#stop(env, text === undefined ? { code: Outcome.RESET } : { code: Outcome.PANIC, text });
      }
      default:
        return undefined;
    }
  }

  /** Starts a core that is off, in its reset state but for PC and X0 (DEN0022, 6.4; Linux's boot protocol). */
  *#start(env: ServiceEnv, cpu: number, entry: number, context: bigint): Entry<void> {
    const core = this.#cores[cpu]!;
    yield* this.#gic.reset(env, cpu);
    core.exits.reset();
    const { vcpu, thread } = core;
    yield* writeVcpuRegisters(env, vcpu, SCTLR_EL1, SCTLR_RESET, CNTV_CTL_EL0, 0, Reg.PSTATE, PSTATE_ENTRY);
    yield* writeVcpuRegisters(env, vcpu, ICH_HCR_EL2, ICH_HCR_EN, Reg.PC, entry, 0, context);
    yield* writeVcpuRegisters(env, vcpu, PMCR_EL0, 0);
    core.on = true;
    yield* resume(env, thread);
  }

  *#stop(env: ServiceEnv, end: End): Entry<End> {
    for (const core of this.#cores) {
      core.on = false;
      yield* suspend(env, core.thread);
    }
    return end;
  }

  // Panics: a kernel that has given up says so on its console and then runs in circles, so that its cores never sleep and
  // never run anything but the kernel. A guest that only prints the same words does not do that.

  *#suspect(env: ServiceEnv): Entry<void> {
    this.#looks = PANIC_LOOKS;
    this.#look = env.now() + PANIC_INTERVAL * env.frequency;
    this.#used = (yield* this.#behaviour(env)).used;
  }

  *#lookAgain(env: ServiceEnv): Entry<End | undefined> {
    this.#look = Infinity;
    if (!this.#watch.ended) return undefined;
    const { used, inKernel } = yield* this.#behaviour(env);
    const busy = used - this.#used >= (PANIC_INTERVAL * 1e6) / 2;
    this.#used = used;
    if (!busy || !inKernel) {
      this.#watch.clear();
      return undefined;
    }
    if (--this.#looks === 0) return yield* this.#stop(env, { code: Outcome.PANIC, text: this.#watch.message });
    this.#look = env.now() + PANIC_INTERVAL * env.frequency;
    return undefined;
  }

  /** Processor time that the cores have used together, in microseconds, and whether all are at EL1. */
  *#behaviour(env: ServiceEnv): Entry<{ used: number; inKernel: boolean }> {
    let used = 0;
    let inKernel = true;
    for (const core of this.#cores) {
      if (!core.on) continue;
      yield* call(env, core.share, Op.SCHED_CONTEXT_INFO);
      used += env.word(2);
      const pstate = yield* readVcpuRegister(env, core.vcpu, Reg.PSTATE);
      if ((Number(pstate) & PSTATE_EL1) === 0) inKernel = false;
    }
    return { used, inKernel };
  }
}
