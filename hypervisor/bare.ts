/** The machine on its own, without the microkernel: what `naxos bare` runs, as QEMU's `virt` machine would. */
import type { Readable, Writable } from 'node:stream';
import { Core, CORE_BYTES } from '../arch/core/core.ts';
import { F, PSTATE } from '../arch/core/frame.ts';
import { writeDtb } from '../arch/devicetree/dtb.ts';
import { CpuInterface } from '../arch/gic/cpu-interface.ts';
import { BoardError } from '../board/bus.ts';
import { boardTree } from '../board/host/boards.ts';
import { RealCounter, hostWallClock } from '../board/host/clock.ts';
import { Console } from '../board/host/console.ts';
import { Board } from '../board/machine.ts';
import { firmware, type FirmwareMachine } from './firmware.ts';
import { layOut, type GuestImage, type GuestOptions } from './guest-image.ts';
import { SEED_BYTES } from './guest-tree.ts';
import { HostLoop } from './host-loop.ts';
import { PanicWatch } from './panic-watch.ts';
import type { SystemEnd } from './system.ts';

/** Host address of the first core's area: nothing lies at 0, which means "none". */
const CORE_AREA = 0x1_0000;
/** A panic is believed when for so long (milliseconds) nothing ran but the kernel, without a pause. */
const PANIC_MS = 500;

/** As `layOut`, with the board's own tree where no other is given. @param el where the software starts */
export function layOutBare(options: Omit<GuestOptions, 'conduit'>, el: 1 | 2): GuestImage {
  let { dtb } = options;
  if (dtb === undefined) {
    const tree = boardTree();
    const chosen = tree.root.child('chosen');
    chosen.set('rng-seed', options.seed.subarray(0, 32)).set('kaslr-seed', options.seed.subarray(32, SEED_BYTES));
    dtb = writeDtb(tree);
  }
  // As on QEMU's virt machine: without EL2 software HVC is the firmware's, with it SMC.
  return layOut({ ...options, dtb, conduit: el === 1 ? 'hvc' : 'smc' });
}

export interface BareOptions {
  /** Bytes of memory, a multiple of 64 KiB. */
  memory: number;
  cpus: number;
  image: GuestImage;
  /** The exception level that the software starts at. */
  el: 1 | 2;
  /** The other end of the console UART. */
  output: Writable;
  input?: Readable | undefined;
  /** With escape keys, as on an interactive terminal. */
  keys?: { quit: () => void; help: () => void } | undefined;
  /** A reset builds the machine again; else it ends with it. */
  restarts: boolean;
  /** Called for every core that is made, before it runs. */
  onCore?: ((core: Core) => void) | undefined;
}

/** Board, core and firmware. */
export class Bare implements FirmwareMachine {
  readonly console: Console;
  readonly #options: BareOptions;
  readonly #loop = new HostLoop();
  readonly #on: boolean[] = [];
  #board: Board;
  #core: Core;
  #watch = new PanicWatch();
  /** Host time from which a suspected panic has shown no other life. */
  #panicSince = Infinity;
  #end: SystemEnd | undefined;

  /** @throws BoardError when the host cannot give what the machine needs */
  constructor(options: BareOptions) {
    const { cpus, output, input, keys } = options;
    if (cpus !== 1) throw new BoardError(`a machine can have 1 core, not ${cpus}`);
    this.#options = options;
    this.console = new Console({
      output,
      ...(input && { input }),
      ...(keys && { keys }),
      closed: (error) => this.#finish({ reason: 'stopped', text: `the output cannot be written: ${error.message}` }),
    });
    ({ board: this.#board, core: this.#core } = this.#build());
  }

  get cpus(): number {
    return this.#options.cpus;
  }

  get core(): Core {
    return this.#core;
  }

  /** Runs until the software or `stop` ends it. */
  async run(): Promise<SystemEnd> {
    const { restarts } = this.#options;
    try {
      for (;;) {
        if (this.#board.console) this.console.attach(this.#board.console);
        await this.#loop.run({
          step: (limit) => this.#step(limit),
          dueIn: () => this.#dueIn(),
          rest: (idle) => this.#core.code.consolidate(idle),
        });
        if (this.#end?.reason !== 'reset' || !restarts) return this.#end!;
        this.#end = undefined;
        this.#board.close();
        ({ board: this.#board, core: this.#core } = this.#build());
        // A guest may do nothing but reset: the host has its turn.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      this.console.close();
      this.#board.close();
    }
  }

  /** Ends `run`. */
  stop(text = ''): void {
    this.#finish({ reason: 'stopped', text });
  }

  /** A cold machine with everything loaded and its first core on. */
  #build(): { board: Board; core: Core } {
    const { memory, cpus, image, el, onCore } = this.#options;
    const watch = (this.#watch = new PanicWatch());
    this.#panicSince = Infinity;
    const counter = new RealCounter();
    const board = new Board({
      tree: boardTree(),
      cpus,
      memory,
      reserved: CORE_AREA + cpus * CORE_BYTES,
      counter,
      wallClock: hostWallClock,
      transmit: (byte) => {
        if (!this.console.transmit(byte)) return false;
        watch.push(byte);
        return true;
      },
      room: this.console.room,
    });
    const { ram, bus, gic } = board;
    const bytes = new Uint8Array(ram.memory.buffer, ram.host, ram.size);
    for (const part of image.parts) bytes.set(part.bytes, part.address - ram.base);
    const core = new Core({
      bus,
      index: 0,
      counter,
      area: CORE_AREA,
      hostedEl2: false,
      gic: new CpuInterface(gic, 0),
      firmware: firmware(this, el),
    });
    gic.onChange = () => {
      core.interruptsChanged();
      this.#loop.wake();
    };
    onCore?.(core);
    this.#start(core, image.entry, BigInt(image.dtbAddress));
    return { board, core };
  }

  #step(limit: number): 'busy' | 'idle' | 'ended' {
    if (this.#end !== undefined) return 'ended';
    const idle = !this.#on[0] || this.#core.run(limit) === 'wfi';
    if (this.#watch.ended) this.#lookForPanic(idle);
    if (this.#end !== undefined) return 'ended';
    return idle ? 'idle' : 'busy';
  }

  #dueIn(): number {
    const { counter } = this.#board;
    return this.#on[0] ? ((this.#core.timerDue - counter.now()) * 1000) / counter.frequency : Infinity;
  }

  #finish(end: SystemEnd): void {
    this.#end ??= end;
    this.#core.stop();
    this.#loop.wake();
  }

  /** Linux's panic() never comes back, never waits for an interrupt, and runs nothing of EL0. */
  #lookForPanic(idle: boolean): void {
    const { i32, frame } = this.#core;
    const user = ((i32[(frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3) === 0;
    if (idle || user) {
      this.#watch.clear();
      this.#panicSince = Infinity;
      return;
    }
    this.#panicSince = Math.min(this.#panicSince, performance.now());
    if (performance.now() - this.#panicSince >= PANIC_MS)
      this.#finish({ reason: 'panic', text: this.#watch.message ?? '' });
  }

  // What the firmware has power over.

  isOn(cpu: number): boolean {
    return this.#on[cpu] ?? false;
  }

  isMemory(address: number): boolean {
    const { base, size } = this.#board.ram;
    return address >= base && address < base + size;
  }

  cpuOn(_cpu: number, entry: number, context: bigint): void {
    this.#start(this.#core, entry, context);
  }

  cpuOff(cpu: number): void {
    this.#on[cpu] = false;
    this.#core.stop();
  }

  suspend(_cpu: number): void {
    // A suspension may end early (DEN0022, 5.4.1): the host has its turn, no more.
    this.#core.stop();
  }

  systemOff(): void {
    this.#finish({ reason: 'poweroff', text: '' });
  }

  systemReset(): void {
    // A kernel that panics may be told to restart; it does not say that it restarts, as an orderly one would.
    const { message } = this.#watch;
    this.#finish(message === undefined ? { reason: 'reset', text: '' } : { reason: 'panic', text: message });
  }

  #start(core: Core, entry: number, context: bigint): void {
    core.resetFrame(core.ownFrame, this.#options.el);
    core.pc = BigInt(entry);
    core.i64[(core.frame + F.X) >>> 3] = BigInt.asIntN(64, context);
    this.#on[core.index] = true;
  }
}
