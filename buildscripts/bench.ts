/**
 * Measures Naxos beside QEMU, in one run on one machine, alternating.
 *
 *   npm run bench -- boot      process start → the first line that /init prints; `first start`: as after set-up, with
 *                              no translations kept from an earlier run
 *   npm run bench -- compute   small integer loops, timed inside the guest
 *   npm run bench -- fp        floating-point loops, likewise
 *   npm run bench -- simd      vectors and cryptographic instructions, likewise
 *
 * Options: --mode boot|bare (Naxos with the microkernel, or without), --runs N, --only naxos|qemu, --json.
 * Kernel and initramfs are the default guest's.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeCpio } from '../guests/linux/cpio.ts';
import { beginMarker, ExecStream } from '../guests/linux/exec-stream.ts';
import { fetchDefaultGuest, type Guest } from '../guests/linux/fetch.ts';
import { withBootRequest } from '../guests/linux/initramfs.ts';

const GROUPS = ['compute', 'fp', 'simd'] as const;
type Group = (typeof GROUPS)[number];
type Engine = 'naxos' | 'qemu';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'bin/naxos.js');
const TOKEN = 'bench';
/** A guest that has not finished by then has failed, in ms. */
const LIMIT_MS = 300_000;
const KERNEL_DONE = 'Run /init as init process';

/** Folders: the user's cache, and the one for compiled JavaScript. */
interface Cache {
  user: string;
  code: string;
}

class BenchError extends Error {}

function fail(message: string): never {
  throw new BenchError(message);
}

process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  const request = error instanceof BenchError || error.code?.startsWith('ERR_PARSE_ARGS') === true;
  console.error(request ? `bench: ${error.message}` : error);
  process.exit(2);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: 'string', default: 'boot' },
    runs: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [what = ''] = positionals;
const { mode, only } = values;
if (what !== 'boot' && !GROUPS.includes(what as Group)) fail(`say what to measure: boot, ${GROUPS.join(', ')}`);
if (mode !== 'boot' && mode !== 'bare') fail(`--mode ${mode}: choose boot or bare`);
if (only !== undefined && only !== 'naxos' && only !== 'qemu') fail(`--only ${only}: choose naxos or qemu`);
const runs = Number(values.runs ?? (what === 'boot' ? 5 : 3));
if (!Number.isInteger(runs) || runs < 1) fail(`--runs ${values.runs}: not a number of runs`);
const engines: Engine[] = only === undefined ? ['naxos', 'qemu'] : [only as Engine];
if (engines.includes('qemu') && spawnSync('qemu-system-aarch64', ['--version']).error)
  fail('there is no qemu-system-aarch64 to compare with: install qemu-system-arm, or use --only naxos');

function commandOf(engine: Engine, guest: Guest, initrd: string): [string, string[]] {
  const files = ['-kernel', guest.kernel, '-initrd', initrd];
  if (engine === 'qemu') {
    const machine = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a72', '-m', '512', '-nographic', '-no-reboot'];
    return ['qemu-system-aarch64', [...machine, ...files]];
  }
  return [process.execPath, [cli, mode, '--kernel', guest.kernel, '--initrd', initrd, '-m', '512M', '--no-reboot']];
}

/**
 * Runs a guest and hands on its console's bytes with the time since the process's start, until it ends or `take` says so.
 * @param cache the folders for what Naxos keeps between runs, instead of the user's
 */
function run(
  engine: Engine,
  guest: Guest,
  initrd: string,
  take: (bytes: Buffer, ms: number) => boolean,
  cache?: Cache,
): Promise<void> {
  const [command, args] = commandOf(engine, guest, initrd);
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...(cache !== undefined && { XDG_CACHE_HOME: cache.user, NODE_COMPILE_CACHE: cache.code }),
      },
    });
    let done = false;
    const end = (): void => {
      done = true;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(end, LIMIT_MS);
    child.stdout.on('data', (bytes: Buffer) => {
      if (!done && take(bytes, performance.now() - start)) end();
    });
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const median = (list: number[]): number => {
  const sorted = list.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};
const geometricMean = (list: number[]): number => Math.exp(list.reduce((sum, x) => sum + Math.log(x), 0) / list.length);

/** Milliseconds by row and engine, one for each run. */
type Samples = Map<string, Map<Engine, number[]>>;

function add(samples: Samples, row: string, engine: Engine, ms: number): void {
  if (!samples.has(row)) samples.set(row, new Map());
  const byEngine = samples.get(row)!;
  byEngine.set(engine, [...(byEngine.get(engine) ?? []), ms]);
}

/** What set-up does: a guest that only powers off, so that the program is compiled. @param code folder */
function setUp(folder: string, code: string): void {
  const kernel = join(root, 'buildscripts/power-off.bin');
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'unused'), NODE_COMPILE_CACHE: code };
  const { status } = spawnSync(process.execPath, [cli, 'boot', '--quiet', '-m', '16M', '--kernel', kernel], { env });
  if (status !== 0) fail('naxos does not boot');
}

async function measureBoot(guest: Guest, folder: string, samples: Samples): Promise<void> {
  const initrd = join(folder, 'initrd');
  writeFileSync(initrd, withBootRequest(readFileSync(guest.initrd), { exec: { command: 'true', token: TOKEN } }));
  const boot = async (engine: Engine, cache: Cache, toItsEnd = false): Promise<{ kernel: number; user: number }> => {
    let text = '';
    let kernel: number | undefined;
    let user: number | undefined;
    const take = (bytes: Buffer, ms: number): boolean => {
      text += bytes.toString('latin1');
      if (text.includes(KERNEL_DONE)) kernel ??= ms;
      if (text.includes(beginMarker(TOKEN))) user ??= ms;
      return user !== undefined && !toItsEnd;
    };
    await run(engine, guest, initrd, take, cache);
    if (user === undefined || kernel === undefined)
      fail(`${engine} did not reach user space; its console ends with ${JSON.stringify(text.slice(-200))}`);
    return { kernel, user };
  };
  const kept: Cache = { user: join(folder, 'kept'), code: join(folder, 'kept') };
  const code = join(folder, 'set-up');
  if (engines.includes('naxos')) {
    setUp(folder, code);
    // What is kept is written at a run's end.
    await boot('naxos', kept, true);
  }
  for (let i = 0; i < runs; i++)
    for (const engine of engines) {
      const { kernel, user } = await boot(engine, kept);
      const fresh = { user: mkdtempSync(join(folder, 'first-')), code };
      const first = engine === 'naxos' ? (await boot(engine, fresh)).user : user;
      add(samples, 'kernel', engine, kernel);
      add(samples, 'user space', engine, user);
      add(samples, 'first start', engine, first);
      progress(`boot ${i + 1}/${runs} ${engine}: ${user.toFixed(0)} ms`);
    }
}

/** One static arm64 program with all benchmarks. */
function compile(folder: string): Uint8Array {
  const out = join(folder, 'bench');
  const compiler = process.arch === 'arm64' ? 'gcc' : 'aarch64-linux-gnu-gcc';
  const sources = ['main.c', 'compute.c', 'fp.c', 'simd.c'].map((name) => join(root, 'bench', name));
  const { error, status, stderr } = spawnSync(compiler, [
    '-O2',
    '-march=armv8-a+crypto',
    '-fno-tree-vectorize',
    '-static',
    '-o',
    out,
    ...sources,
    '-lm',
  ]);
  if (error) fail(`there is no ${compiler}: install gcc-aarch64-linux-gnu`);
  if (status !== 0) fail(`the benchmarks do not compile: ${stderr}`);
  return readFileSync(out);
}

async function measureGroup(group: Group, guest: Guest, folder: string, samples: Samples): Promise<void> {
  const initrd = join(folder, 'initrd');
  const program = writeCpio([{ kind: 'file', path: 'bench', mode: 0o755, data: compile(folder) }]);
  const request = { exec: { command: `/bench ${group}`, token: TOKEN } };
  writeFileSync(initrd, Buffer.concat([withBootRequest(readFileSync(guest.initrd), request), program]));
  const checksums = new Map<string, string>();
  for (let i = 0; i < runs; i++)
    for (const engine of engines) {
      let output = '';
      const stream = new ExecStream(TOKEN, { output: (bytes) => (output += Buffer.from(bytes).toString('latin1')) });
      await run(engine, guest, initrd, (bytes) => {
        stream.push(bytes);
        return stream.status !== undefined;
      });
      if (stream.status !== 0) fail(`${engine} did not run the benchmarks: ${JSON.stringify(output.slice(-200))}`);
      for (const line of output.trim().split('\n')) {
        // Anything else is the kernel's.
        const [, name, checksum, time] = /^\w+ (\w+) ([0-9a-f]+) (\d+)$/.exec(line.trim()) ?? [];
        if (name === undefined || checksum === undefined) continue;
        const expected = checksums.get(name) ?? checksum;
        checksums.set(name, expected);
        if (checksum !== expected) fail(`${name} gives ${checksum} on ${engine}, and ${expected} before`);
        add(samples, name, engine, Number(time) / 1e6);
      }
      progress(`${group} ${i + 1}/${runs} ${engine}`);
    }
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

function show(samples: Samples): void {
  progress('');
  const rows = [...samples].map(([name, byEngine]) => {
    const [naxos, qemu] = (['naxos', 'qemu'] as const).map((engine) => {
      const list = byEngine.get(engine);
      return list && median(list);
    });
    return { name, naxos, qemu, ratio: naxos !== undefined && qemu !== undefined ? naxos / qemu : undefined };
  });
  const ratios = rows.flatMap(({ ratio }) => (ratio === undefined ? [] : [ratio]));
  const mean = what !== 'boot' && ratios.length > 0 ? geometricMean(ratios) : undefined;
  if (values.json) {
    console.log(JSON.stringify({ benchmark: what, mode, runs, unit: 'ms', rows, geometricMeanRatio: mean }));
    return;
  }
  const cell = (value: number | undefined, digits: number): string => (value?.toFixed(digits) ?? '–').padStart(10);
  console.log(
    `${what.padEnd(14)}${'Naxos ms'.padStart(10)}${'QEMU ms'.padStart(10)}${'ratio'.padStart(10)}   (medians of ${runs}; ${mode})`,
  );
  for (const { name, naxos, qemu, ratio } of rows)
    console.log(`${name.padEnd(14)}${cell(naxos, 1)}${cell(qemu, 1)}${cell(ratio, 2)}`);
  if (mean !== undefined) console.log(`${'geometric mean'.padEnd(34)}${cell(mean, 2)}`);
}

const folder = mkdtempSync(join(tmpdir(), 'naxos-bench-'));
try {
  const guest = await fetchDefaultGuest({ progress: (stage) => progress(stage) });
  const samples: Samples = new Map();
  if (what === 'boot') await measureBoot(guest, folder, samples);
  else await measureGroup(what as Group, guest, folder, samples);
  show(samples);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
