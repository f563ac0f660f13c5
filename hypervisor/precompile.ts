/**
 * Workers for kept translations. The host's engine compiles a WebAssembly function when it is first called, and shares the
 * code between threads that have the same module. One worker runs ahead of a starting machine: it waits for a message, then
 * calls every function once, on a memory of its own where no guest instruction's time has come, so that each leaves at
 * its first check. Another one, with `workerData`, helps when machine code is made to be kept.
 */
import { setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { optimize } from './machine-code.ts';

export interface PrecompileData {
  module: WebAssembly.Module;
  /** Functions, which the module puts into the table from index 1 on. */
  count: number;
  /** Instead of calling all: the table indices of those to optimize, and for how many milliseconds at most. */
  hot?: { indices: readonly number[]; ms: number } | undefined;
}

type Region = (frame: number, pc: bigint, ret: bigint, depth: number) => number;

/** A table with a module's functions, where nobody is behind them. */
function standIn(module: WebAssembly.Module, count: number): WebAssembly.Table {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: count + 1 });
  const e: Record<string, WebAssembly.ImportValue> = { memory, table };
  // Whatever a region asks the core, the answer is to leave.
  for (const { name, kind } of WebAssembly.Module.imports(module)) if (kind === 'function') e[name] = () => 1;
  new WebAssembly.Instance(module, { e });
  return table;
}

export function precompile({ module, count, hot }: PrecompileData): void {
  const table = standIn(module, count);
  if (hot === undefined) for (let n = 1; n <= count; n++) (table.get(n) as Region)(0, 0n, -1n, 1);
  else
    optimize(
      hot.indices.map((index) => table.get(index) as unknown),
      hot.ms,
    );
}

function compileAhead(data: PrecompileData): void {
  // On Linux, this thread only: the machine goes first.
  if (process.platform === 'linux') setPriority(10);
  precompile(data);
}

if (!isMainThread) {
  const data = workerData as PrecompileData | null | undefined;
  if (data) precompile(data);
  else parentPort!.once('message', compileAhead);
}
