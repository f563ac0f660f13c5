import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Core, CORE_BYTES } from '../../arch/core/core.ts';
import { F } from '../../arch/core/frame.ts';
import { CpuInterface } from '../../arch/gic/cpu-interface.ts';
import { Distributor } from '../../arch/gic/distributor.ts';
import { InterruptController } from '../../arch/gic/interrupts.ts';
import { Redistributors } from '../../arch/gic/redistributor.ts';
import { Bus } from '../../board/bus.ts';
import { BEGUN, HARNESS, RAM, RAM_BYTES } from './layout.ts';
import { Random } from './random.ts';

/** A part of RAM: an offset from its base, and what stands there. */
export interface Part {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Runs a RAM image whose harness ends with PSCI SYSTEM_OFF; gives a range of RAM back. */
export interface Machine {
  /** Seconds of the host's processor after which a run is given up. */
  patience: number;
  /** Which case of the last run, counted from 0, did not end. */
  stuck: number | undefined;
  run(parts: readonly Part[], offset: number, length: number): Buffer;
  close(): void;
}

/** A run does not end, and no case of it is to blame. */
export class Endless extends Error {}

/** The case that was running when a run was given up. */
function running(ram: Buffer): number {
  const begun = Number(ram.readBigUInt64LE());
  if (begun === 0) throw new Endless('the harness does not come to its first case');
  return begun - 1;
}

/** Assembles a harness into a flat image. */
export function assemble(source: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  try {
    const elf = join(folder, 'harness.elf');
    const flat = join(folder, 'harness.bin');
    execFileSync('aarch64-linux-gnu-gcc', [
      '-nostdlib',
      '-static',
      `-Wl,-Ttext=0x${HARNESS.toString(16)}`,
      '-o',
      elf,
      source,
    ]);
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', elf, flat]);
    return readFileSync(flat);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** qemu-system-aarch64 with RAM in a file that both see. */
export class Qemu implements Machine {
  /** With one core QEMU makes an atomic access of a load and a store, and so gets ESR_ELx.WnR right. */
  cores = 1;
  patience = 60;
  stuck: number | undefined;
  cpu = 'max,sve=off,sme=off,pauth=off,lpa2=off';
  /** Major version. */
  readonly version = Number(
    /version (\d+)/.exec(execFileSync('qemu-system-aarch64', ['--version'], { encoding: 'utf8' }))?.[1],
  );
  private readonly folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fuzz-'));
  private readonly ram = join(this.folder, 'ram');

  run(parts: readonly Part[], offset: number, length: number): Buffer {
    const file = openSync(this.ram, 'w+');
    try {
      for (const part of parts) writeSync(file, part.bytes, 0, part.bytes.length, part.offset);
      writeSync(file, new Uint8Array(1), 0, 1, RAM_BYTES - 1);
      const { status, signal } = spawnSync(
        'sh',
        [
          ...['-c', `ulimit -t ${this.patience} && exec qemu-system-aarch64 "$@"`, 'sh'],
          ...['-M', 'virt,gic-version=3,virtualization=on,memory-backend=ram', '-cpu', this.cpu],
          ...[
            '-object',
            `memory-backend-file,id=ram,size=${RAM_BYTES},mem-path=${this.ram},share=on`,
            '-m',
            `${RAM_BYTES >> 20}`,
          ],
          ...['-accel', 'tcg', '-smp', `${this.cores}`, '-display', 'none', '-serial', 'none', '-monitor', 'none'],
          ...['-device', `loader,addr=${HARNESS},cpu-num=0`],
        ],
        // Beside others' work a run has little of the host's time; this ends a core that waits.
        { timeout: this.patience * 10_000, killSignal: 'SIGKILL', stdio: ['ignore', 'inherit', 'ignore'] },
      );
      const read = (offset: number, length: number): Buffer => {
        const out = Buffer.alloc(length);
        readSync(file, out, 0, length, offset);
        return out;
      };
      if (signal === null && status !== 0) throw new Error(`qemu-system-aarch64 ends with status ${status}`);
      this.stuck = signal === null ? undefined : running(read(BEGUN - RAM, 8));
      return read(offset, length);
    } finally {
      closeSync(file);
    }
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export const TIERS = ['first', 'optimized', 'mixed'] as const;
export type Tier = (typeof TIERS)[number];

const GICD = 0x08000000;
const GICR = 0x080a0000;
/** harness.S calls it before and after a program with interrupts. */
const PSCI_VERSION = -0x7c000000;
const AREA = 0x10000;
const HOST = AREA + CORE_BYTES;

/** One core of ours. */
export class Ours implements Machine {
  private readonly memory: WebAssembly.Memory;
  private readonly u8: Uint8Array;
  /** Code that changes in a loop is slow: not only instructions count. */
  patience = 60;
  stuck: number | undefined;
  /** Instructions after which a run is given up. */
  limit = 200_000_000;
  /** How code is translated: as it is at first, optimized, or some regions so and some so. */
  tier: Tier = 'first';

  constructor() {
    const pages = (HOST + RAM_BYTES) / 65536;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.u8 = new Uint8Array(this.memory.buffer);
  }

  run(parts: readonly Part[], offset: number, length: number): Buffer {
    const { memory, u8 } = this;
    u8.fill(0, 0, HOST);
    u8.fill(0, HOST + offset, HOST + offset + length);
    u8.fill(0, HOST + BEGUN - RAM, HOST + BEGUN - RAM + 8);
    for (const part of parts) u8.set(part.bytes, HOST + part.offset);
    let off = false;
    /** A program with interrupts: retired instructions at its start. */
    let inside = -1;
    let ticks = 0;
    const bus = new Bus({ memory, base: RAM, size: RAM_BYTES, host: HOST });
    const gic = new InterruptController({ cpus: 1, spis: 32 });
    bus.add('GICD', GICD, Distributor.SIZE, new Distributor(gic));
    bus.add('GICR', GICR, Redistributors.STRIDE, new Redistributors(gic, 0, 1));
    const core = new Core({
      bus,
      index: 0,
      counter: { frequency: 62_500_000, now: () => ticks },
      area: AREA,
      hostedEl2: false,
      gic: new CpuInterface(gic, 0),
      firmware: (c, conduit) => {
        if (conduit === 'hvc') return false;
        if (c.i32[(c.frame + F.X) >>> 2] === PSCI_VERSION) inside = inside < 0 ? c.retired : -1;
        else off = true;
        c.stop();
        return true;
      },
    });
    gic.onChange = () => core.interruptsChanged();
    const { tier } = this;
    if (tier === 'optimized') core.code.eager = () => true;
    if (tier === 'mixed') core.code.eager = (host) => (Math.imul(host & 0xffc, 0x9e3779b1) & 0x8000) !== 0;
    core.resetFrame(core.ownFrame, 2);
    core.pc = BigInt(HARNESS);
    const r = new Random(1);
    const start = process.cpuUsage().user;
    while (!off && core.retired < this.limit && process.cpuUsage().user - start < this.patience * 1e6) {
      // A program with interrupts runs a few instructions at a time, for which the timer's next one may be due.
      const slices = inside >= 0 && core.retired < inside + 200_000;
      ticks += r.below(4000);
      core.run(slices ? 1 + r.below(r.once(4) ? 100 : 12) : 1_000_000);
    }
    const read = (offset: number, length: number): Buffer =>
      Buffer.from(u8.slice(HOST + offset, HOST + offset + length));
    this.stuck = off ? undefined : running(read(BEGUN - RAM, 8));
    return read(offset, length);
  }

  close(): void {}
}
