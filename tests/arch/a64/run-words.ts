import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { computeNzcv } from '../../../arch/a64/flags.ts';
import { F } from '../../../arch/core/frame.ts';

/** A core with RAM at RAM, MMU off, for a few instructions at EL1 that end with an exception. */
export const RAM = 0x4000_0000;
export const RAM_BYTES = 1 << 20;
export const CODE = RAM + 0x10000;
export const DATA = RAM + 0x40000;

const AREA = 0x10000;
const HOST = AREA + CORE_BYTES;
const memory = new WebAssembly.Memory({
  initial: (HOST + RAM_BYTES) / 65536,
  maximum: (HOST + RAM_BYTES) / 65536,
  shared: true,
});

export interface End {
  /** ESR_ELx of the exception, its PC, and instructions retired before it. */
  esr: number;
  pc: bigint;
  retired: number;
  x(n: number): bigint;
  /** The low half of Vn. */
  v(n: number): bigint;
  vHigh(n: number): bigint;
  nzcv: number;
  fpsr: number;
  ram: DataView;
}

export interface Start {
  x?: Record<number, bigint>;
  v?: Record<number, readonly [low: bigint, high: bigint]>;
  fpcr?: number;
  fpsr?: number;
  el?: 0 | 1 | 2;
  /** Regions are optimized from the start. */
  optimized?: boolean;
  /** Instructions at most. */
  limit?: number;
}

/** Runs words at CODE until the first exception. */
export function runWords(words: readonly number[], start: Start = {}): End {
  new Uint8Array(memory.buffer).fill(0);
  const core = new Core({
    bus: { ram: { memory, base: RAM, size: RAM_BYTES, host: HOST }, device: () => undefined },
    index: 0,
    counter: { frequency: 1_000_000, now: () => 0 },
    area: AREA,
    hostedEl2: false,
  });
  if (start.optimized === true) core.code.eager = () => true;
  core.resetFrame(core.ownFrame, start.el ?? 1);
  const { frame, i32, i64 } = core;
  const ram = new DataView(memory.buffer, HOST, RAM_BYTES);
  words.forEach((word, n) => ram.setUint32(CODE - RAM + 4 * n, word >>> 0, true));
  for (const [n, value] of Object.entries(start.x ?? {}))
    i64[(frame + F.X + 8 * Number(n)) >> 3] = BigInt.asIntN(64, value);
  for (const [n, [low, high]] of Object.entries(start.v ?? {})) {
    i64[(frame + F.V + 16 * Number(n)) >> 3] = BigInt.asIntN(64, low);
    i64[(frame + F.V + 16 * Number(n) + 8) >> 3] = BigInt.asIntN(64, high);
  }
  i32[(frame + F.FPCR) >> 2] = start.fpcr ?? 0;
  i32[(frame + F.FPSR) >> 2] = start.fpsr ?? 0;
  core.pc = BigInt(CODE);
  let end: End | undefined;
  const word = (offset: number): number => i32[(frame + offset) >> 2]!;
  const double = (offset: number): bigint => BigInt.asUintN(64, i64[(frame + offset) >> 3]!);
  core.onException = (_vector, _target, esr) => {
    if (end !== undefined) return;
    const pc = core.pc;
    const x = Array.from({ length: 32 }, (_, n) => double(F.X + 8 * n));
    const v = Array.from({ length: 64 }, (_, n) => double(F.V + 8 * n));
    end = {
      esr,
      pc,
      retired: core.retired,
      x: (n) => x[n]!,
      v: (n) => v[2 * n]!,
      vHigh: (n) => v[2 * n + 1]!,
      nzcv: computeNzcv(word(F.CC), word(F.CC_A + 4), word(F.CC_A), word(F.CC_B + 4), word(F.CC_B)) >>> 28,
      fpsr: word(F.FPSR),
      ram,
    };
    core.stop();
  };
  const limit = start.limit ?? 1_000_000;
  while (end === undefined && core.retired < limit) core.run(limit);
  if (end === undefined) throw new Error(`no exception in ${limit} instructions`);
  return end;
}
