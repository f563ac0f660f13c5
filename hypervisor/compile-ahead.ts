/**
 * The worker that compiles kept translations while a machine starts. It takes as long to start as what comes before the
 * machine does: so it is started first, and waits for its work.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { cacheDirectory } from '../guests/cache.ts';
import type { PrecompileData } from './precompile.ts';

/** Where translations are kept. */
export const translationsDirectory = (): string => join(cacheDirectory(), 'translations');

let waiting: Worker | undefined;

export function precompileWorker(options: WorkerOptions = {}): Worker {
  return new Worker(new URL('./precompile.ts', import.meta.url), options);
}

/**
 * Starts the worker, where there is a processor for it and something is kept. The next `compileAhead` or `dismissWorker` is
 * for this one.
 */
export function startWorker(): void {
  if (waiting !== undefined || availableParallelism() < 2 || !existsSync(translationsDirectory())) return;
  waiting = precompileWorker();
  waiting.unref();
  // Without it the machine only starts more slowly.
  waiting.on('error', () => {});
}

/** Has the kept functions compiled on another thread. */
export function compileAhead(data: PrecompileData): void {
  startWorker();
  waiting?.postMessage(data);
  waiting = undefined;
}

/** There is nothing to compile. */
export function dismissWorker(): void {
  void waiting?.terminate();
  waiting = undefined;
}
