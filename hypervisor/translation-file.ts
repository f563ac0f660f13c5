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
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import zlib from 'node:zlib';
import { hostFuses, nibbleSwizzle } from '../arch/a64/table/simd-relaxed.ts';
import type { CodeCache } from '../arch/core/code-cache.ts';
import { TranslationStore } from '../arch/core/translation-store.ts';
import { cacheDirectory } from '../guests/cache.ts';
import type { PrecompileData } from './precompile.ts';

/** Most bytes of a file; most files of a version. */
const FILE_LIMIT = 48 << 20;
const FILES = 8;
/** New regions that are worth a new file, as a part of the old one's. */
const WORTH = 1 / 32;

/** The folder for this version of the translator: files of others are of no use. */
function versionFolder(): { root: string; folder: string } {
  const root = join(cacheDirectory(), 'translations');
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

/** A file ends with its checksum: a damaged function would only show when it is called. */
function sumOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Uint32Array.of(zlib.crc32(bytes)).buffer);
}

/** The content of a file without its checksum; empty where that is wrong. */
function checked(file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const content = file.subarray(0, -4);
  return Buffer.compare(sumOf(content), file.subarray(-4)) === 0 ? content : new Uint8Array(0);
}

/** Has the kept functions compiled on another thread while the machine starts. */
function precompile(workerData: PrecompileData): void {
  if (availableParallelism() < 2) return;
  const worker = new Worker(new URL('./precompile.ts', import.meta.url), { workerData });
  worker.unref();
  // Without it the machine only starts more slowly.
  worker.on('error', () => {});
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
    try {
      const store = TranslationStore.parse(checked(readFileSync(this.#path)));
      if (store === undefined) return;
      const module = code.load(store);
      this.#known = store.count;
      precompile({ module, count: store.count });
    } catch {
      // None yet, or one that cannot be used: a new one will take its place.
    }
  }

  /** Keeps what this run translated. */
  save(): void {
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
      const bytes = code.save(FILE_LIMIT);
      writeFileSync(partial, bytes);
      appendFileSync(partial, sumOf(bytes));
      renameSync(partial, this.#path);
    } catch {
      rmSync(partial, { force: true });
    }
  }
}
