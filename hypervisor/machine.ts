/** A machine and its guest: the library's entry, and what the command line is made on. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { Writable, type Readable } from 'node:stream';
import { CORE_BYTES, type Core } from '../arch/core/core.ts';
import { F, PSTATE } from '../arch/core/frame.ts';
import { DeviceTreeError } from '../arch/devicetree/tree.ts';
import { BoardError } from '../board/bus.ts';
import { parseKernel, readInitrdFile, readKernelFile } from '../guests/linux/image.ts';
import { Exit } from '../kernel/abi/faults.ts';
import { Bare, CORE_AREA, layOutBare } from './bare.ts';
import { layOut, type GuestImage } from './guest-image.ts';
import { SEED_BYTES, guestTree } from './guest-tree.ts';
import { MOST_VCPUS, SERVICES_MEMORY, System, type SystemEnd } from './system.ts';
import { TranslationFile } from './translation-file.ts';
import { traceCores, traceKernel, type Trace } from './trace.ts';

const MB = 2 ** 20;
export const DEFAULT_MEMORY = 512 * MB;
/** A WebAssembly memory has 32-bit addresses. */
const LIMIT = 2 ** 32;
/** RAM is in units of this; what is over is not given. */
const UNIT = 0x1_0000;
/** Linux's limit (Documentation/arch/arm64/booting.rst). */
const DTB_LIMIT = 2 * MB;

/** A file by its path, or its content. */
export type FileSource = string | Uint8Array;

export interface MachineOptions {
  /** `boot`: as a guest of the microkernel. `bare`: on the machine itself, without the microkernel. */
  mode?: 'boot' | 'bare' | undefined;
  /** arm64 Image, gzip, EFI zboot, ELF, or a flat binary. */
  kernel: FileSource;
  initrd?: FileSource | undefined;
  /** The kernel's command line. */
  append?: string | undefined;
  /** A device tree (DTB) to use instead of the generated one. */
  dtb?: FileSource | undefined;
  /** Bytes of memory, 512 MiB when left out. */
  memory?: number | undefined;
  cpus?: number | undefined;
  /** The exception level that a bare machine starts at, 1 when left out. */
  el?: 1 | 2 | undefined;
  /** Takes what the guest sends to its console. */
  onOutput?: ((bytes: Uint8Array) => void) | undefined;
  /** Instead of `onOutput`. */
  output?: Writable | undefined;
  /**
   * Takes what the guest sends to a UART besides its console's (Linux's ttyAMA1), which it has only then. Not of a bare
   * machine, and not in a device tree of the user's.
   */
  second?: Writable | undefined;
  /** What is typed at the guest's console; see also `Machine.write`. */
  input?: Readable | undefined;
  /** Keys that the input does not send to the guest (Ctrl-A x and h). */
  keys?: { quit: () => void; help: () => void } | undefined;
  /** Whether a reset starts the guest again; otherwise it ends the run. */
  restarts?: boolean | undefined;
  /** 40 bytes for the device tree's `rng-seed` and `kaslr-seed`; random when left out. */
  seed?: Uint8Array | undefined;
  trace?: Trace | undefined;
  /** Keeps translated code in the user's cache folder, and uses what an earlier run of the same kernel left there. */
  keepTranslations?: boolean | undefined;
}

/** How a machine ended. `text` is for people, and empty when there is nothing to say. */
export type MachineEnd = SystemEnd;

/** What a machine has done. Times are in milliseconds. */
export interface MachineStats {
  /** From the process's start to the first exception from EL0; undefined before it. */
  userSpaceMs: number | undefined;
  /** Since `run` was called. */
  runMs: number;
  /** Instructions retired. */
  instructions: number;
  /** Regions and instructions translated, and bytes of WebAssembly made of them; regions taken from an earlier run. */
  regions: number;
  reusedRegions: number;
  translatedInstructions: number;
  translatedBytes: number;
  /** In the translator, and in the host's compiler and instantiation. */
  translateMs: number;
  compileMs: number;
  tlbMisses: number;
  /** How often translated code returned to the dispatcher, and exceptions taken. */
  dispatches: number;
  exceptions: number;
  /** Of a bare machine; a guest's are exits, as its devices are the VMM's. */
  deviceAccesses?: number | undefined;
  /** The guest's exits to its VMM, by kind; undefined on a bare machine. */
  exits?: Record<string, number> | undefined;
  /** Of the microkernel; `ipc` counts messages. Undefined on a bare machine. */
  kernel?: { entries: number; syscalls: number; ipc: number; interrupts: number; switches: number } | undefined;
}

/** A machine and its guest, on this thread; the event loop has its turn every few milliseconds. */
export class Machine {
  readonly #runner: Bare | System;
  /** The device tree that the guest is given, flattened. */
  readonly deviceTree: Uint8Array;
  /** What the user may want to know before it runs, in a line. */
  readonly advice: string | undefined;
  readonly #translations: TranslationFile | undefined;
  #userSpaceMs: number | undefined;
  #started = performance.now();

  /**
   * Reads the guest's files and builds the machine.
   * @throws GuestImageError, DeviceTreeError, BoardError with a line that says what cannot be used, or does not fit
   */
  constructor(options: MachineOptions) {
    const { mode = 'boot', cpus = 1, el = 1, trace, restarts = true, input, keys } = options;
    const tree = { ...options, second: options.second !== undefined };
    const memory = memoryOf(tree);
    const image = loadGuest(tree, memory);
    this.deviceTree = image.dtb;
    this.advice = image.advice;
    if (options.keepTranslations) this.#translations = new TranslationFile(identity(image));
    const onCores = (cores: readonly Core[]): void => {
      this.#translations?.attach(cores[0]!.code);
      if (trace) traceCores(cores, trace);
      for (const core of cores) this.#watchUserSpace(core);
    };
    const output = options.output ?? sink(options.onOutput);
    const seed = options.seed ? undefined : randomSeed;
    const common = { memory, cpus, image, output, input, keys, restarts, seed };
    if (mode === 'bare') {
      this.#runner = new Bare({ ...common, el, onCores });
    } else {
      this.#runner = new System({
        ...common,
        second: options.second,
        hooks: trace && traceKernel(trace),
      });
      onCores(this.#runner.cores);
    }
  }

  /** Runs the machine to its end, once. */
  async run(): Promise<MachineEnd> {
    this.#started = performance.now();
    const end = await this.#runner.run();
    await this.#translations?.save();
    return end;
  }

  /** Ends `run`. */
  stop(): void {
    this.#runner.stop();
  }

  /** Sends characters to the guest's console, as if they were typed. They wait until the guest listens. */
  write(data: string | Uint8Array): void {
    this.#runner.console.type(typeof data === 'string' ? new TextEncoder().encode(data) : data);
  }

  /** Of all cores, since the last reset, apart from the times. */
  get stats(): MachineStats {
    const { cores } = this.#runner;
    const sum = (figure: (core: Core) => number): number => cores.reduce((all, core) => all + figure(core), 0);
    const { code } = cores[0]!;
    const { regions, reused, instructions, bytes, translateMs, compileMs } = code.stats;
    return {
      userSpaceMs: this.#userSpaceMs,
      runMs: performance.now() - this.#started,
      instructions: sum(({ retired }) => retired),
      regions,
      reusedRegions: reused,
      translatedInstructions: instructions,
      translatedBytes: bytes,
      translateMs,
      compileMs,
      tlbMisses: sum(({ stats }) => stats.tlbMisses),
      dispatches: sum(({ stats }) => stats.exits),
      exceptions: sum(({ stats }) => stats.exceptions),
      ...(this.#runner instanceof System
        ? kernelStats(this.#runner)
        : { deviceAccesses: sum(({ stats }) => stats.mmio) }),
    };
  }

  /** Notes when the first exception comes from EL0, and then stops looking. */
  #watchUserSpace(core: Core): void {
    if (this.#userSpaceMs !== undefined) return;
    const traced = core.onException;
    core.onException = (vector, target, esr) => {
      traced?.(vector, target, esr);
      if (((core.i32[(core.frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3) !== 0) return;
      // Counts from the process's start.
      this.#userSpaceMs ??= performance.now();
      core.onException = traced;
    };
  }
}

/** What the microkernel did, and the guest's exits by the names of their messages. */
function kernelStats({ kernel }: System): Pick<MachineStats, 'exits' | 'kernel'> {
  const { faults, ...counts } = kernel.statistics;
  const exits: Record<string, number> = {};
  for (const [name, label] of Object.entries(Exit)) {
    const count = faults[label];
    if (count !== undefined) exits[name.toLowerCase().replaceAll('_', ' ')] = count;
  }
  return { exits, kernel: { ...counts } };
}

/** What tells a guest's kernel from others: its size and its beginning. */
function identity(image: GuestImage): Uint8Array {
  const { bytes } = image.parts[0]!;
  const start = bytes.subarray(0, MB);
  const out = new Uint8Array(8 + start.length);
  new DataView(out.buffer).setFloat64(0, bytes.length);
  out.set(start, 8);
  return out;
}

const randomSeed = (): Uint8Array => randomFillSync(new Uint8Array(SEED_BYTES));

/** Most bytes of memory that a guest can be given: what is left beside the machine's own state. */
export function mostMemory(mode: 'boot' | 'bare', cpus: number): number {
  const own = CORE_AREA + (mode === 'boot' ? CORE_BYTES + SERVICES_MEMORY : cpus * CORE_BYTES);
  return Math.floor((LIMIT - own) / MB) * MB;
}

/** Bytes of memory that a guest with so many cores gets. @throws BoardError */
function memoryOf({ mode = 'boot', cpus = 1, memory = DEFAULT_MEMORY }: TreeOptions): number {
  if (!(Number.isInteger(cpus) && cpus >= 1)) throw new BoardError('a machine has 1 core at least');
  if (mode === 'boot' && cpus > MOST_VCPUS)
    throw new BoardError(`a guest of the microkernel has ${MOST_VCPUS} cores at most, not ${cpus}`);
  const most = mostMemory(mode, cpus);
  if (!(memory >= MB)) throw new BoardError('memory must be 1 MiB at least');
  // So many cores that there is no room for memory are refused as cores.
  if (memory > (most > 0 ? most : LIMIT))
    throw new BoardError(`memory can be ${most / MB} MiB at most${cpus > 1 ? ` with ${cpus} cores` : ''}`);
  return Math.floor(memory / UNIT) * UNIT;
}

/** What decides a guest's device tree. */
export type TreeOptions = Pick<
  MachineOptions,
  'mode' | 'initrd' | 'append' | 'dtb' | 'memory' | 'cpus' | 'el' | 'seed'
> & {
  /** Where there is none, the tree says nothing of an initrd. A bare machine must have one. */
  kernel?: FileSource | undefined;
  /** Whether there is a UART besides the console's. */
  second?: boolean | undefined;
};

/**
 * The device tree that a machine would give its guest, flattened.
 * @throws GuestImageError, DeviceTreeError, BoardError
 */
export function deviceTreeOf({ kernel, ...options }: TreeOptions): Uint8Array {
  const memory = memoryOf(options);
  if (kernel !== undefined) return loadGuest({ ...options, kernel }, memory).dtb;
  return withTree(options.dtb, (dtb) => guestTree({ ...treeOptions(options, memory), dtb, initrd: undefined }));
}

function treeOptions({ append = '', cpus = 1, seed = randomSeed(), second }: TreeOptions, memory: number) {
  return { append, memory, cpus, seed, second };
}

function loadGuest(options: TreeOptions & { kernel: FileSource }, memory: number): GuestImage {
  const { mode, kernel, initrd, dtb: tree, el = 1 } = options;
  const guest = {
    ...treeOptions(options, memory),
    kernel: typeof kernel === 'string' ? readKernelFile(kernel, memory) : parseKernel(kernel, memory),
    initrd: typeof initrd === 'string' ? readInitrdFile(initrd, memory) : initrd,
  };
  return withTree(tree, (dtb) => (mode === 'bare' ? layOutBare({ ...guest, dtb }, el) : layOut({ ...guest, dtb })));
}

/** Uses a device tree of the user's, if any; what is wrong with a file is said with its name. */
function withTree<Result>(dtb: FileSource | undefined, use: (dtb: Uint8Array | undefined) => Result): Result {
  if (typeof dtb !== 'string') return use(dtb);
  const tree = readTreeFile(dtb);
  try {
    return use(tree);
  } catch (error) {
    if (error instanceof DeviceTreeError) throw new DeviceTreeError(`device tree ${dtb}: ${error.message}`);
    throw error;
  }
}

/** Reads a DTB file, as much of it as a device tree may have. @throws DeviceTreeError when it cannot be read */
function readTreeFile(path: string): Uint8Array {
  const bytes = new Uint8Array(DTB_LIMIT + 1);
  let length = 0;
  try {
    const file = openSync(path, 'r');
    try {
      for (let got = 1; got > 0 && length < bytes.length; length += got)
        got = readSync(file, bytes, length, bytes.length - length, null);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DeviceTreeError(
      `device tree ${path}: ${code === 'ENOENT' ? 'no such file' : `cannot read it (${code})`}`,
    );
  }
  if (length > DTB_LIMIT)
    throw new DeviceTreeError(`device tree ${path}: larger than the ${DTB_LIMIT} bytes that Linux allows`);
  return bytes.subarray(0, length);
}

function sink(onOutput: ((bytes: Uint8Array) => void) | undefined): Writable {
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      onOutput?.(chunk);
      done();
    },
  });
}
