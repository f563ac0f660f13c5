/** The machine on its own, without the microkernel: what `naxos bare` runs, as QEMU's `virt` machine would. */
import type { Readable, Writable } from 'node:stream';
import { Core, CORE_BYTES } from '../arch/core/core.ts';
import { Domain } from '../arch/core/domain.ts';
import { F, PSTATE } from '../arch/core/frame.ts';
import { writeDtb } from '../arch/devicetree/dtb.ts';
import { CpuInterface } from '../arch/gic/cpu-interface.ts';
import { boardTree } from '../board/host/boards.ts';
import { RealCounter, hostWallClock } from '../board/host/clock.ts';
import { Console } from '../board/host/console.ts';
import { Cores } from '../board/cores.ts';
import { Board, setCpus } from '../board/machine.ts';
import { firmware, type FirmwareMachine } from './firmware.ts';
import { layOut, reseed, type GuestImage, type GuestOptions } from './guest-image.ts';
import { SEED_BYTES } from './guest-tree.ts';
import { HostLoop } from './host-loop.ts';
import { PanicWatch } from './panic-watch.ts';
import type { SystemEnd } from './system.ts';

/** Host address of the first core's area: nothing lies at 0, which means "none". */
export const CORE_AREA = 0x1_0000;
/** A panic is believed when for so long (milliseconds) nothing ran but the kernel, without a pause. */
const PANIC_MS = 500;

/** As `layOut`, with the board's own tree where no other is given. @param el where the software starts */
export function layOutBare(options: Omit<GuestOptions, 'conduit'>, el: 1 | 2): GuestImage {
  let { dtb } = options;
  if (dtb === undefined) {
    const tree = boardTree();
    setCpus(tree, options.cpus);
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
  /** SEED_BYTES random bytes for each further start; without it, every start has the same ones. */
  seed?: (() => Uint8Array) | undefined;
  /** Called with the cores whenever they are made, before they run. They share their translated code. */
  onCores?: ((cores: readonly Core[]) => void) | undefined;
}

/** Board, cores and firmware. */
export class Bare implements FirmwareMachine {
  readonly console: Console;
  readonly #options: BareOptions;
  #starts = 0;
  readonly #loop = new HostLoop();
  #board: Board;
  #cores: Cores<Core>;
  #watch = new PanicWatch();
  /** Host time from which a suspected panic has shown no other life. */
  #panicSince = Infinity;
  #end: SystemEnd | undefined;

  /** @throws BoardError when the host cannot give what the machine needs */
  constructor(options: BareOptions) {
    const { output, input, keys } = options;
    this.#options = options;
    this.console = new Console({
      output,
      ...(input && { input }),
      ...(keys && { keys }),
      closed: (error) => this.#finish({ reason: 'stopped', text: `the output cannot be written: ${error.message}` }),
    });
    ({ board: this.#board, cores: this.#cores } = this.#build());
  }

  get cpus(): number {
    return this.#options.cpus;
  }

  get cores(): readonly Core[] {
    return this.#cores.all;
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
          rest: (idle) => this.cores[0]!.code.consolidate(idle),
        });
        if (this.#end?.reason !== 'reset' || !restarts) return this.#end!;
        this.#end = undefined;
        this.#board.close();
        ({ board: this.#board, cores: this.#cores } = this.#build());
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
  #build(): { board: Board; cores: Cores<Core> } {
    const { memory, cpus, el, seed, onCores } = this.#options;
    const image = this.#starts++ > 0 && seed ? reseed(this.#options.image, seed()) : this.#options.image;
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
    const domain = new Domain(ram.memory);
    const cores = new Cores(
      Array.from(
        { length: cpus },
        (_, index) =>
          new Core({
            bus,
            index,
            counter,
            area: CORE_AREA + index * CORE_BYTES,
            hostedEl2: false,
            domain,
            gic: new CpuInterface(gic, index),
            firmware: firmware(this, el),
          }),
      ),
      counter,
    );
    gic.onChange = (cpu) => {
      cores.signal(cpu);
      this.#loop.wake();
    };
    onCores?.(cores.all);
    this.#start(cores, 0, image.entry, BigInt(image.dtbAddress));
    return { board, cores };
  }

  #step(limit: number): 'busy' | 'idle' | 'ended' {
    if (this.#end !== undefined) return 'ended';
    const state = this.#cores.run(limit);
    if (this.#watch.ended) this.#lookForPanic(state === 'idle');
    return this.#end !== undefined ? 'ended' : state;
  }

  #dueIn(): number {
    const { counter } = this.#board;
    return ((this.#cores.due - counter.now()) * 1000) / counter.frequency;
  }

  #finish(end: SystemEnd): void {
    this.#end ??= end;
    this.#cores.stop();
    this.#loop.wake();
  }

  /** Linux's panic() never comes back, never waits for an interrupt, and runs nothing of EL0. */
  #lookForPanic(idle: boolean): void {
    const user = this.cores.some(
      ({ i32, frame, index }) => this.isOn(index) && ((i32[(frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3) === 0,
    );
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
    return this.#cores.isOn(cpu);
  }

  isMemory(address: number): boolean {
    const { base, size } = this.#board.ram;
    return address >= base && address < base + size;
  }

  cpuOn(cpu: number, entry: number, context: bigint): void {
    this.#start(this.#cores, cpu, entry, context);
  }

  cpuOff(cpu: number): void {
    this.#cores.turnOff(cpu);
  }

  suspend(cpu: number): void {
    // A suspension may end early (DEN0022, 5.4.1): the others and the host have their turns, no more.
    this.cores[cpu]!.stop();
  }

  systemOff(): void {
    this.#finish({ reason: 'poweroff', text: '' });
  }

  systemReset(): void {
    // A kernel that panics may be told to restart; it does not say that it restarts, as an orderly one would.
    const { message } = this.#watch;
    this.#finish(message === undefined ? { reason: 'reset', text: '' } : { reason: 'panic', text: message });
  }

  #start(cores: Cores<Core>, cpu: number, entry: number, context: bigint): void {
    const core = cores.all[cpu]!;
    core.reset(this.#options.el);
    core.pc = BigInt(entry);
    core.i64[(core.frame + F.X) >>> 3] = BigInt.asIntN(64, context);
    cores.turnOn(cpu);
  }
}
