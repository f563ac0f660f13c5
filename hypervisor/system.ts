/** A whole system: board, core, microkernel and services. */
import type { Readable, Writable } from 'node:stream';
import { CORE_BYTES, Core } from '../arch/core/core.ts';
import type { DeviceTree } from '../arch/devicetree/tree.ts';
import { CpuInterface } from '../arch/gic/cpu-interface.ts';
import { LIST_REGISTERS } from '../arch/gic/ich.ts';
import { BoardError } from '../board/bus.ts';
import { boardTree } from '../board/host/boards.ts';
import { RealCounter, hostWallClock } from '../board/host/clock.ts';
import { Console } from '../board/host/console.ts';
import { Board } from '../board/machine.ts';
import { Rights, Syscall, Trigger, maskOf } from '../kernel/abi/numbers.ts';
import type { KernelHooks } from '../kernel/context.ts';
import { Kernel } from '../kernel/kernel.ts';
import type { Grant, ServiceDescription, SystemDescription } from './description.ts';
import { reseed, type GuestImage } from './guest-image.ts';
import { HostLoop } from './host-loop.ts';
import { Outcome } from './outcome.ts';
import { rootProgram, type ServiceEnd } from './root.ts';
import { VMM_OBJECTS, VMM_SLOT_BITS, VmmSlot, vmmProgram } from './vmm.ts';

/** Machine memory besides the guest's, for the kernel and the services. */
export const SERVICES_MEMORY = 4 << 20;
/** Host address of the core's area: nothing lies at 0, which means "none". */
const CORE_AREA = 0x1_0000;
/** INTIDs of the board's interrupt controller. */
const IRQS = 288;
const VTIMER_INTID = 27;
const PMU_INTID = 23;

/** Cores of a guest: what the root service's memory for a service has room for. */
export const MOST_VCPUS = 32;

/** Priorities: an exit is served before the guest goes on. */
const VMM_PRIORITY = 200;
const VCPU_PRIORITY = 100;
/** Shares of the core, in microseconds: what the root service leaves. */
const PERIOD = 100_000;
const VMM_BUDGET = 50_000;
/**
 * The VCPUs' together, each time. Several take turns in shorter periods: one that spins for what another one, without budget,
 * holds does not spin for long.
 */
const VCPU_SHARE = 0.3;
const vcpuPeriod = (cpus: number): number => (cpus === 1 ? PERIOD : PERIOD / 10);

export interface SystemOptions {
  /** Bytes of the guest's memory, a multiple of 64 KiB. */
  memory: number;
  cpus: number;
  image: GuestImage;
  /** The other end of the guest's console. */
  output: Writable;
  input?: Readable | undefined;
  /** The other end of a UART besides the console's, which the guest has only then. */
  second?: Writable | undefined;
  /** With escape keys, as on an interactive terminal. */
  keys?: { quit: () => void; help: () => void } | undefined;
  /** A reset builds the machine again; else the system ends with it. */
  restarts: boolean;
  /** SEED_BYTES random bytes for each further start; without it, every start has the same ones. */
  seed?: (() => Uint8Array) | undefined;
  hooks?: KernelHooks | undefined;
  /** Changes the policy before it is put in force. */
  policy?: ((description: SystemDescription) => void) | undefined;
}

/** How a system ended: as its guest did, or because the host stopped it. */
export interface SystemEnd {
  reason: 'poweroff' | 'reset' | 'panic' | 'failed' | 'stopped';
  /** For people; empty when there is nothing to say. */
  text: string;
  /** The error of a service's program that ended it. */
  error?: unknown;
}

const REASONS = {
  [Outcome.POWEROFF]: 'poweroff',
  [Outcome.RESET]: 'reset',
  [Outcome.PANIC]: 'panic',
  [Outcome.FAILED]: 'failed',
} as const;

export class System {
  readonly board: Board;
  readonly core: Core;
  readonly kernel: Kernel;
  readonly description: SystemDescription;
  readonly console: Console;
  readonly #second: Console | undefined;
  #end: SystemEnd | undefined;
  #error: unknown;
  readonly #loop = new HostLoop();

  /** @throws BoardError when the host cannot give what the machine needs */
  constructor(options: SystemOptions) {
    const { memory, output, input, second, keys, hooks = {} } = options;
    const closed = (error: Error): void =>
      this.#finish({ reason: 'stopped', text: `the output cannot be written: ${error.message}` });
    this.console = new Console({ output, ...(input && { input }), ...(keys && { keys }), closed });
    this.#second = second && new Console({ output: second, closed });
    const counter = new RealCounter();
    this.board = new Board({
      tree: boardTree('virt'),
      cpus: 1,
      memory: memory + SERVICES_MEMORY,
      reserved: CORE_AREA + CORE_BYTES,
      counter,
      wallClock: hostWallClock,
      transmit: this.console.transmit,
      room: this.console.room,
      second: this.#second,
    });
    const { board } = this;
    const gic = new CpuInterface(board.gic, 0);
    this.core = new Core({ bus: board.bus, index: 0, counter, area: CORE_AREA, hostedEl2: true, gic });
    board.gic.onChange = () => {
      this.core.interruptsChanged();
      this.#loop.wake();
    };

    this.description = { services: [vmmService(options, board.tree)] };
    options.policy?.(this.description);
    const { services } = this.description;
    const root = rootProgram(
      this.description,
      services.map((_, index) => index + 1),
      (end) => this.#serviceEnded(end),
    );
    const [distributor, redistributor] = board.tree.compatible('arm,gic-v3')[0]!.physicalReg();
    const { ram } = board;
    this.kernel = new Kernel(this.core, {
      freeRanges: [{ address: ram.base, size: ram.size }],
      deviceRanges: [...devicesOf(board.tree, 'arm,pl011'), ...devicesOf(board.tree, 'arm,pl031')],
      irqs: IRQS,
      gic: { distributor: distributor!.address, redistributor: redistributor!.address },
      services: [root, ...services.map((service) => service.program)],
      hooks: {
        ...hooks,
        onServiceError: (thread, error) => {
          this.#error = error;
          hooks.onServiceError?.(thread, error);
        },
      },
    });
  }

  get cores(): readonly Core[] {
    return [this.core];
  }

  /** Runs until the guest or `stop` ends it. */
  async run(): Promise<SystemEnd> {
    if (this.board.console) this.console.attach(this.board.console);
    if (this.board.second) this.#second?.attach(this.board.second);
    try {
      await this.#loop.run({
        step: (limit) => this.#step(limit),
        dueIn: () => this.#dueIn(),
        rest: (idle) => this.core.code.consolidate(idle),
      });
      return this.#end!;
    } finally {
      this.console.close();
      this.#second?.close();
      this.board.close();
    }
  }

  /** Ends `run`. */
  stop(text = ''): void {
    this.#finish({ reason: 'stopped', text });
  }

  #step(limit: number): 'busy' | 'idle' | 'ended' {
    const result = this.#end === undefined ? this.kernel.run(limit) : 'halted';
    if (result === 'halted') this.#finish({ reason: 'failed', text: 'nothing is left that could run' });
    if (this.#end !== undefined) return 'ended';
    return result === 'idle' ? 'idle' : 'busy';
  }

  /** Milliseconds until the next timer of an idle system. */
  #dueIn(): number {
    const { counter } = this.board;
    return ((this.kernel.nextDeadline - counter.now()) * 1000) / counter.frequency;
  }

  #serviceEnded({ service, outcome, text }: ServiceEnd): void {
    const error = this.#error;
    const why = outcome === Outcome.FAILED && text === '' ? `the service ${service} failed` : text;
    this.#finish({ reason: REASONS[outcome], text: why, ...(error !== undefined && { error }) });
  }

  #finish(end: SystemEnd): void {
    this.#end ??= end;
    this.#loop.wake();
  }
}

/** Address and size of a device's registers, and the INTID of its first interrupt. */
interface Device {
  address: number;
  size: number;
  intid: number;
}

/** The devices of a kind, one at least. @throws BoardError */
function devicesOf(tree: DeviceTree, compatible: string): [Device, ...Device[]] {
  const [first, ...others] = tree.compatible(compatible).flatMap((node) => {
    const [reg] = node.enabled ? node.physicalReg() : [];
    const [interrupt] = tree.interrupts(node);
    return reg && interrupt ? [{ ...reg, intid: 32 + interrupt.specifier[1]! }] : [];
  });
  if (first === undefined) throw new BoardError(`the board has no ${compatible}`);
  return [first, ...others];
}

/** The VMM and all that it may have: memory, VCPUs, an endpoint, the UARTs with their interrupts, the clock, the virtual timer. */
function vmmService(options: SystemOptions, tree: DeviceTree): ServiceDescription {
  const { memory, cpus, image, restarts, seed } = options;
  const second = options.second !== undefined;
  let starts = 0;
  const nextImage = (): GuestImage => (starts++ > 0 && seed ? reseed(image, seed()) : image);
  const [uart, uart1] = devicesOf(tree, 'arm,pl011');
  const [rtc] = devicesOf(tree, 'arm,pl031');
  const uartGrants = ({ address, size, intid }: Device, registers: number, irq: number): Grant[] => [
    { slot: registers, kind: 'device', address, size, rights: Rights.READ | Rights.WRITE },
    { slot: irq, kind: 'interrupt', intid, trigger: Trigger.LEVEL },
  ];
  const cores = Array.from({ length: cpus }, (_, n) => n);
  const period = vcpuPeriod(cpus);
  const budget = Math.floor((VCPU_SHARE * period) / cpus);
  return {
    name: 'vmm',
    program: vmmProgram({
      memory,
      cpus,
      image: nextImage,
      listRegisters: LIST_REGISTERS,
      second,
      priority: VCPU_PRIORITY,
    }),
    slotBits: VMM_SLOT_BITS,
    priority: VMM_PRIORITY,
    systemCalls: [Syscall.CALL, Syscall.SEND, Syscall.RECV, Syscall.REPLY_RECV].map(maskOf).reduce((a, b) => a | b),
    budget: VMM_BUDGET,
    period: PERIOD,
    restarts,
    grants: [
      { slot: VmmSlot.CNODE, kind: 'cnode' },
      { slot: VmmSlot.EXITS, kind: 'endpoint' },
      { slot: VmmSlot.REPLY, kind: 'reply' },
      { slot: VmmSlot.SIGNALS, kind: 'signals' },
      { slot: VmmSlot.SUPERVISOR, kind: 'supervisor' },
      { slot: VmmSlot.OBJECTS, kind: 'memory', bytes: VMM_OBJECTS },
      ...uartGrants(uart, VmmSlot.UART, VmmSlot.UART_IRQ),
      ...(uart1 ? uartGrants(uart1, VmmSlot.UART1, VmmSlot.UART1_IRQ) : []),
      { slot: VmmSlot.RTC, kind: 'device', address: rtc.address, size: rtc.size, rights: Rights.READ },
      { slot: VmmSlot.TIMER_IRQ, kind: 'interrupt', intid: VTIMER_INTID, trigger: Trigger.LEVEL },
      { slot: VmmSlot.PMU_IRQ, kind: 'interrupt', intid: PMU_INTID, trigger: Trigger.LEVEL },
      ...cores.map((n) => ({ slot: VmmSlot.VCPU + n, kind: 'vcpu' as const })),
      ...cores.map((n) => ({ slot: VmmSlot.SHARE + n, kind: 'share' as const, budget, period })),
      { slot: VmmSlot.MEMORY, kind: 'memory', bytes: memory },
    ],
  };
}
