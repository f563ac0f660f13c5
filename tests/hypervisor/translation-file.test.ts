import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { assembleProgram } from '../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../arch/core/core.ts';
import { TranslationStore } from '../../arch/core/translation-store.ts';
import { ENGINE_KNOWN } from '../../hypervisor/engine.ts';
import { TranslationFile } from '../../hypervisor/translation-file.ts';

const RAM = 0x4000_0000;
const RAM_BYTES = 1 << 20;
const AREA = 0x1_0000;
const HOST = AREA + CORE_BYTES;
const KERNEL = Uint8Array.of(1, 2, 3);
let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'naxos-test-'));
  process.env['XDG_CACHE_HOME'] = cache;
});
afterEach(() => {
  delete process.env['XDG_CACHE_HOME'];
  rmSync(cache, { recursive: true, force: true });
});

/** A core with a program that loops so many times, calls a function and ends with HVC. */
function makeCore(times = 1): Core {
  const pages = (HOST + RAM_BYTES) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const ram = { memory, base: RAM, size: RAM_BYTES, host: HOST };
  const counter = { frequency: 1_000_000, now: () => 0 };
  const core = new Core({ bus: { ram, device: () => undefined }, index: 0, counter, area: AREA, hostedEl2: true });
  const loop = '1:\nsubs x3, x3, #1\nb.ne 1b';
  const program = `${loop}\nmov x1, #6\nbl double\nhvc #0\nb .\ndouble:\nldr x2, [sp]\nadd x0, x1, x1\nret`;
  core.i32.set(assembleProgram(program, RAM), HOST >>> 2);
  core.pc = BigInt(RAM);
  core.i64[(core.frame + 31 * 8) >>> 3] = BigInt(RAM + 0x8000);
  core.i64[(core.frame + 3 * 8) >>> 3] = BigInt(times);
  return core;
}

function run(core: Core): bigint {
  expect(core.run(1e9)).toBe('el2');
  return core.i64[core.frame >>> 3]!;
}

/** Runs the program with what the file holds, and writes the file. */
async function runWithFile(times = 1): Promise<Core> {
  const core = makeCore(times);
  const file = new TranslationFile(KERNEL);
  file.attach(core.code);
  expect(run(core)).toBe(12n);
  await file.save();
  return core;
}

const paths = (): string[] =>
  readdirSync(cache, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

test('the second run of a kernel translates nothing', async () => {
  expect((await runWithFile()).code.stats.regions).toBeGreaterThan(0);
  const { stats } = (await runWithFile()).code;
  expect(stats.regions).toBe(0);
  expect(stats.reused).toBeGreaterThan(0);
});

test('a damaged file is done without, and replaced', async () => {
  await runWithFile();
  const [path] = paths();
  const flipped = readFileSync(path!);
  flipped[flipped.length - 20]! ^= 1;
  for (const bytes of [Uint8Array.of(), readFileSync(path!).subarray(0, 100), flipped]) {
    writeFileSync(path!, bytes);
    expect((await runWithFile()).code.stats.regions).toBeGreaterThan(0);
    expect((await runWithFile()).code.stats.regions).toBe(0);
  }
});

test('of what was hot there is machine code in the file, and the next run is the same', async () => {
  const size = (): number => {
    const file = readFileSync(paths()[0]!);
    return file.readUInt32LE(file.length - 8);
  };
  await runWithFile();
  expect(size()).toBe(0);
  rmSync(paths()[0]!);
  // Two looks at the clock and more, in the loop.
  const { stats } = (await runWithFile(200_000)).code;
  expect(stats.regions).toBeGreaterThan(0);
  expect(size() > 0).toBe(ENGINE_KNOWN);
  const next = (await runWithFile(10)).code;
  expect(next.stats.regions).toBe(0);
});

test('machine code that somebody else may have written is not taken', async () => {
  await runWithFile(200_000);
  const path = paths()[0]!;
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const takes = (mode: number): boolean => {
    chmodSync(path, mode);
    const { code } = makeCore();
    const load = vi.spyOn(code, 'load');
    new TranslationFile(KERNEL).attach(code);
    return load.mock.calls[0]![1] !== undefined;
  };
  expect([0o600, 0o644, 0o620, 0o602].map(takes)).toEqual([ENGINE_KNOWN, ENGINE_KNOWN, false, false]);
});

test('the worker that compiles ahead calls every kept function and ends', async () => {
  const first = makeCore();
  first.code.keepBodies = true;
  run(first);
  const store = TranslationStore.parse(first.code.save(1 << 20).slice())!;
  const second = makeCore();
  const module = second.code.load(store);
  const worker = new Worker(new URL('../../hypervisor/precompile.ts', import.meta.url), {
    workerData: { module, count: store.count },
  });
  const status = await new Promise((resolve, reject) => {
    worker.on('exit', resolve);
    worker.on('error', reject);
  });
  expect(status).toBe(0);
  expect(run(second)).toBe(12n);
});
