/** Translations kept on disk between runs: one file for a kernel and a version of this program, in the user's cache. */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { hostFuses, nibbleSwizzle } from '../arch/a64/table/simd-relaxed.ts';
import type { CodeCache, RegionUse } from '../arch/core/code-cache.ts';
import { TranslationStore } from '../arch/core/translation-store.ts';
import { compileAhead, dismissWorker, precompileWorker, translationsDirectory } from './compile-ahead.ts';
import { optimizedFilter, readMachineCode, writeMachineCode } from './machine-code.ts';
import { precompile, type PrecompileData } from './precompile.ts';

/** Most bytes of a file; most files of a version. */
const FILE_LIMIT = 48 << 20;
const FILES = 8;
/** New regions that are worth a new file, as a part of the old one's. */
const WORTH = 1 / 32;
/** Times that the clock has to find a region running for its machine code to be kept. */
const HOT_SAMPLES = 2;
/** Permissions of a file. */
const OWN_MODE = 0o600;
/** Longest time, in ms, that a run's end may take to have machine code made for the next one. */
const OPTIMIZE_MS = 1500;

/** The folder for this version of the translator: files of others are of no use. */
function versionFolder(): { root: string; folder: string } {
  const root = translationsDirectory();
  // What the translator makes of multiply-adds depends on the host's processor.
  const hash = createHash('sha256').update(`${process.version} ${hostFuses()} ${nibbleSwizzle()};`);
  const arch = fileURLToPath(new URL('../arch/', import.meta.url));
  for (const name of readdirSync(arch, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/\.[jt]s$/.test(name)) continue;
    const { size, mtimeMs } = statSync(join(arch, name));
    hash.update(`${name}:${size}:${mtimeMs};`);
  }
  return { root, folder: join(root, hash.digest('hex').slice(0, 16)) };
}

/** What a file holds: a store, machine code of its module, and how many bytes that is; then a checksum of all that. */
interface Content {
  store: Uint8Array<ArrayBuffer>;
  machineCode: Uint8Array<ArrayBuffer>;
}

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** The content of a file; undefined where its checksum is wrong: a damaged function would only show when it is called. */
function readContent(file: Uint8Array<ArrayBuffer>): Content | undefined {
  const content = file.subarray(0, -4);
  if (content.length < 4 || Buffer.compare(word(zlib.crc32(content)), file.subarray(-4)) !== 0) return undefined;
  const end = content.length - 4;
  const start = end - Buffer.from(file.buffer, file.byteOffset, file.length).readUInt32LE(end);
  return { store: content.subarray(0, start), machineCode: content.subarray(start, end) };
}

function writeContent(path: string, parts: readonly Uint8Array[]): void {
  writeFileSync(path, new Uint8Array(), { mode: OWN_MODE });
  let sum = 0;
  for (const part of parts) {
    appendFileSync(path, part);
    sum = zlib.crc32(part, sum);
  }
  appendFileSync(path, word(sum));
}

/** Machine code runs as it is: it is taken only from a file that is ours, and that nobody else may write. */
function isOurs(path: string): boolean {
  const { uid, mode } = statSync(path);
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
}

/**
 * Machine code of a store's module: of the functions that were hot in this run.
 * @param use of each region of the store
 */
async function makeMachineCode(store: TranslationStore, use: readonly RegionUse[]): Promise<Uint8Array> {
  const isOptimized = optimizedFilter();
  const hot: number[] = [];
  use.forEach(({ code, samples }, n) => {
    if (samples >= HOT_SAMPLES || (code !== null && code !== undefined && isOptimized(code))) hot.push(n + 1);
  });
  if (hot.length === 0) return new Uint8Array();
  const module = new WebAssembly.Module(store.module);
  const share = (part: number): PrecompileData => {
    const indices = hot.filter((_, n) => n % 2 === part);
    return { module, count: store.count, hot: { indices, ms: OPTIMIZE_MS } };
  };
  const other = new Promise<void>((resolve) => {
    const worker = precompileWorker({ workerData: share(0) });
    worker.on('error', () => {});
    worker.on('exit', () => resolve());
  });
  precompile(share(1));
  await other;
  return writeMachineCode(module);
}

/** Connects a machine's code cache with the file of its kernel. What cannot be read or written is done without. */
export class TranslationFile {
  readonly #root: string;
  readonly #folder: string;
  readonly #path: string;
  #code: CodeCache | undefined;
  #known = 0;

  /** @param kernel the kernel's bytes, or a part that tells it from others */
  constructor(kernel: Uint8Array) {
    ({ root: this.#root, folder: this.#folder } = versionFolder());
    this.#path = join(this.#folder, createHash('sha256').update(kernel).digest('hex').slice(0, 16));
  }

  /** Gives a new machine's code cache what an earlier run left. */
  attach(code: CodeCache): void {
    this.#code = code;
    code.keepBodies = true;
    let module: WebAssembly.Module | undefined;
    try {
      const content = readContent(readFileSync(this.#path));
      const store = content && TranslationStore.parse(content.store);
      if (content !== undefined && store !== undefined) {
        const machineCode = isOurs(this.#path) ? readMachineCode(content.machineCode, store.module) : undefined;
        module = code.load(store, machineCode);
        this.#known = store.count;
      }
    } catch {
      // None yet, or one that cannot be used: a new one will take its place.
    }
    if (module === undefined) dismissWorker();
    else compileAhead({ module, count: this.#known });
  }

  /** Keeps what this run translated. */
  async save(): Promise<void> {
    const code = this.#code;
    if (code === undefined || code.fresh <= this.#known * WORTH) return;
    const partial = `${this.#path}.${process.pid}`;
    try {
      for (const other of readdirSync(this.#root, { withFileTypes: true }))
        if (join(this.#root, other.name) !== this.#folder)
          rmSync(join(this.#root, other.name), { recursive: true, force: true });
    } catch {
      // The first run.
    }
    try {
      // Not with `recursive`, which never returns where nothing can be made, as below /proc.
      for (const folder of [dirname(dirname(this.#root)), dirname(this.#root), this.#root, this.#folder])
        if (!existsSync(folder)) mkdirSync(folder);
      const files = readdirSync(this.#folder).map((name) => join(this.#folder, name));
      const byAge = files.map((path) => ({ path, time: statSync(path).mtimeMs })).sort((a, b) => b.time - a.time);
      for (const { path } of byAge.slice(FILES - 1)) rmSync(path, { force: true });
      const use: RegionUse[] = [];
      const bytes = code.save(FILE_LIMIT, use);
      const machineCode = await makeMachineCode(TranslationStore.parse(bytes)!, use);
      writeContent(partial, [bytes, machineCode, word(machineCode.length)]);
      renameSync(partial, this.#path);
    } catch {
      rmSync(partial, { force: true });
    }
  }
}
