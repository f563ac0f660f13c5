/** Runs the `naxos` command as a process, and makes files for it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, vi } from 'vitest';
import { main } from '../../../hypervisor/cli/main.ts';
import { rawImage } from '../../guests/linux/kernels.ts';

export const CLI = fileURLToPath(new URL('../../../hypervisor/cli.ts', import.meta.url));
const guests = JSON.parse(readFileSync(new URL('../guests.json', import.meta.url), 'utf8')) as Record<string, string>;

const scratch = mkdtempSync(join(tmpdir(), 'naxos-cache-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

export interface Result {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  /** Beyond this process's own; by default a cache of its own, which nothing else uses. */
  env?: Record<string, string>;
  /** Called with what the command has written to standard output so far. */
  onOutput?: (text: string, process: { kill(signal: NodeJS.Signals): void; write(text: string): void }) => void;
}

/** What still runs when this process ends has nobody to wait for it; where that one is killed, a time ends it. */
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Runs the command to its end. */
export function naxos(
  args: readonly string[],
  { input = '', env = { XDG_CACHE_HOME: scratch }, onOutput }: RunOptions = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const runs = args[0] === 'boot' || args[0] === 'bare';
    const bound = runs && !args.includes('--timeout') ? ['--timeout', '600'] : [];
    const child = spawn(process.execPath, [CLI, ...args, ...bound], { env: { ...process.env, ...env } });
    running.add(child);
    const result: Result = { status: null, signal: null, stdout: '', stderr: '' };
    const handle = {
      kill: (signal: NodeJS.Signals) => void child.kill(signal),
      write: (text: string) => void child.stdin.write(text),
    };
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      result.stdout += text;
      onOutput?.(result.stdout, handle);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text));
    child.stdin.on('error', () => {});
    if (onOutput) child.stdin.write(input);
    else child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      running.delete(child);
      resolve({ ...result, status, signal });
    });
  });
}

/** The command in this process, for requests that end without running a machine. */
export async function request(args: readonly string[]): Promise<Result> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text, ...rest) => {
      written[name] += typeof text === 'string' ? text : Buffer.from(text).toString('latin1');
      for (const callback of rest) if (typeof callback === 'function') callback();
      return true;
    }),
  );
  try {
    const status = await main(args);
    return { status, signal: null, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** A folder that goes away with the test file. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'naxos-cli-'));

  /** @returns the path of a file in the folder */
  file(name: string, content?: Uint8Array | string): string {
    const path = join(this.path, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  }

  /** One of the small guests as an arm64 Image. */
  guest(name: string): string {
    return this.file(name, smallImage(name));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** One of the small guests, with the header of an arm64 Image before it. */
export function smallImage(name: string): Uint8Array {
  const code = Buffer.from(guests[name]!, 'base64');
  // Exception vectors are aligned to 2 KiB.
  const start = 0x1000;
  const image = rawImage({ size: start + code.length, imageSize: BigInt(start + code.length + 0x1000) });
  new DataView(image.buffer).setUint32(0, 0x14000000 | (start / 4), true); // b start
  image.set(code, start);
  return image;
}
