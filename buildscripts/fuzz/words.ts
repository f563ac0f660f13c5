import { Worker } from 'node:worker_threads';
import { table } from '../../arch/a64/table/index.ts';
import { Core, CORE_BYTES } from '../../arch/core/core.ts';
import { F, FRAME_SIZE, PSTATE } from '../../arch/core/frame.ts';
import { CpuInterface } from '../../arch/gic/cpu-interface.ts';
import { boardTree } from '../../board/host/boards.ts';
import { Board } from '../../board/machine.ts';
import { Random } from './random.ts';

/**
 * Random words executed at EL0, EL1 and EL2 of a whole board: nothing may throw or hang, nor write outside RAM and the
 * core's own state.
 */

const AREA = 0x10000;
const GUARD = 0x10000;
/** Below are the locks of accesses to pairs. */
const LOCKS_END = 0x1000;
const MEMORY = 2 << 20;
const PAGE_WORDS = 1024;
const PATTERN = 0xa5;
/** Seconds in which a page of words must be done. */
const PATIENCE = 120;

/** Ends the process when `beat` has not changed for PATIENCE seconds. */
const WATCHDOG = `
const { workerData } = require('node:worker_threads');
const beat = new Int32Array(workerData);
let last = -1;
setInterval(() => {
  if (beat[0] === last) { require('node:fs').writeSync(2, 'hangs on page seed ' + beat[1] + '\\n'); process.kill(process.pid, 'SIGKILL'); }
  last = beat[0];
}, ${PATIENCE * 1000});
`;

class Victim {
  readonly core: Core;
  private readonly board: Board;
  private readonly u8: Uint8Array;
  private readonly host: number;
  private readonly base: number;
  private stoppedAt = -1n;
  private ticks = 0;
  done = 0;
  exceptions = 0;

  constructor() {
    const counter = { frequency: 62_500_000, now: () => (this.ticks += 1000) };
    this.board = new Board({
      tree: boardTree(),
      cpus: 1,
      memory: MEMORY,
      reserved: AREA + CORE_BYTES + GUARD,
      counter,
      wallClock: () => 1,
      transmit: () => undefined,
    });
    const { ram, bus, gic } = this.board;
    this.u8 = new Uint8Array(ram.memory.buffer);
    this.host = ram.host;
    this.base = ram.base;
    this.core = new Core({
      bus,
      index: 0,
      counter,
      area: AREA,
      hostedEl2: false,
      gic: new CpuInterface(gic, 0),
      firmware: () => true,
    });
    gic.onChange = () => this.core.interruptsChanged();
    this.core.onException = () => {
      this.stoppedAt = this.core.pc;
      this.exceptions++;
      this.core.stop();
    };
    this.u8.fill(PATTERN, LOCKS_END, AREA);
    this.u8.fill(PATTERN, this.host - GUARD, this.host);
  }

  close(): void {
    this.board.close();
  }

  /** A register value: in RAM, a device, an edge, or anything. */
  private value(r: Random): bigint {
    switch (r.below(6)) {
      case 0:
      case 1:
        return BigInt(this.base + r.below(MEMORY + 64) - 16);
      case 2:
        return BigInt(
          r.pick([0x08000000, 0x080a0000, 0x09000000, 0x09010000, 0x0a000000, 0xffffffff, 0]) + r.below(0x100),
        );
      case 3:
        return BigInt(r.below(512) - 256);
      default:
        return r.u64();
    }
  }

  private start(r: Random, el: 0 | 1 | 2): void {
    const { core } = this;
    const { frame, i32, i64 } = core;
    core.resetFrame(frame, el);
    for (let n = 0; n < 32; n++) i64[(frame + F.X + 8 * n) >> 3] = BigInt.asIntN(64, this.value(r));
    for (let n = 0; n < 64; n++) i64[(frame + F.V + 8 * n) >> 3] = BigInt.asIntN(64, r.u64());
    i32[(frame + F.FPCR) >> 2] = r.once(2) ? r.u32() & 0x07c80000 : 0;
  }

  private word(r: Random): number {
    if (r.once(3)) return r.u32();
    const row = r.pick(table);
    return ((r.u32() & ~row.mask) | row.value) >>> 0;
  }

  page(seed: number, el: 0 | 1 | 2): void {
    const r = new Random(seed);
    const { core, u8 } = this;
    const { i32, frame } = core;
    // Registers of the memory-mapped kind point everywhere: anything may stand in RAM.
    const at = 0x1000 * r.below(MEMORY / 0x1000 - 1);
    const words = new Int32Array(u8.buffer, this.host + at, PAGE_WORDS);
    for (let n = 0; n < PAGE_WORDS; n++) words[n] = this.word(r);
    core.invalidateInstructions(undefined);
    core.code.eager = r.once(3) ? () => true : undefined;
    const first = BigInt(this.base + at);
    this.start(r, el);
    for (let n = 0; n < PAGE_WORDS;) {
      core.pc = first + BigInt(4 * n);
      i32[(frame + F.PSTATE) >>> 2] =
        (i32[(frame + F.PSTATE) >>> 2]! & ~0x3020_001f) | (el === 0 ? 0 : PSTATE.SP) | (el << PSTATE.EL_SHIFT);
      core.contextChanged();
      this.stoppedAt = -1n;
      const before = core.retired;
      core.run(200);
      this.done += core.retired - before + (this.stoppedAt >= 0n ? 1 : 0);
      const ended = this.stoppedAt >= first ? Number(this.stoppedAt - first) >> 2 : -1;
      if (ended < 0 && core.retired === before) this.start(r, el);
      else if (r.once(8)) this.start(r, el);
      n = ended >= n && ended < n + 200 ? ended + 1 : n + 1;
    }
    this.check(LOCKS_END, AREA);
    this.check(this.host - GUARD, this.host);
    if (core.frame !== core.ownFrame || FRAME_SIZE > CORE_BYTES) throw new Error('the frame has moved');
  }

  private check(from: number, to: number): void {
    for (let i = from; i < to; i++)
      if (this.u8[i] !== PATTERN) throw new Error(`a write outside RAM at host address ${i.toString(16)}`);
  }
}

/** @returns how many pages failed */
export async function words(total: number, seed: number): Promise<number> {
  const beat = new Int32Array(new SharedArrayBuffer(8));
  const watchdog = new Worker(WATCHDOG, { eval: true, workerData: beat.buffer });
  let victim = new Victim();
  let done = 0;
  let failures = 0;
  const start = performance.now();
  for (let n = 0; done + victim.done < total && failures < 10; n++) {
    beat[1] = seed + n;
    beat[0]!++;
    try {
      victim.page(seed + n, (n % 3) as 0 | 1 | 2);
    } catch (error) {
      failures++;
      console.log(`page seed ${seed + n} at EL${n % 3}: ${error instanceof Error ? error.stack : String(error)}`);
      done += victim.done;
      victim.close();
      victim = new Victim();
    }
    if (n % 100 === 99) {
      done += victim.done;
      console.log(
        `${done} words, ${victim.exceptions} exceptions, ${failures} failures, ${((performance.now() - start) / 1000).toFixed(0)} s`,
      );
      victim.close();
      victim = new Victim();
      // Compiled code is given back only when the event loop has its turn.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  done += victim.done;
  victim.close();
  await watchdog.terminate();
  console.log(`${done} words executed, ${failures} failures`);
  return failures;
}
