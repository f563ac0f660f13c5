/**
 * A worker that runs ahead of a starting machine. The host's engine compiles a WebAssembly function when it is first called,
 * and shares the code between threads that have the same module. So this calls every function of the kept
 * translations once, on a memory of its own where no guest instruction's time has come: each leaves at its first check.
 */
import { isMainThread, workerData } from 'node:worker_threads';

export interface PrecompileData {
  module: WebAssembly.Module;
  /** Functions, which the module puts into the table from index 1 on. */
  count: number;
}

type Region = (frame: number, pc: bigint, ret: bigint, depth: number) => number;

function precompile({ module, count }: PrecompileData): void {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: count + 1 });
  const e: Record<string, WebAssembly.ImportValue> = { memory, table };
  // Whatever a region asks the core, the answer is to leave.
  for (const { name, kind } of WebAssembly.Module.imports(module)) if (kind === 'function') e[name] = () => 1;
  new WebAssembly.Instance(module, { e });
  for (let n = 1; n <= count; n++) (table.get(n) as Region)(0, 0n, -1n, 1);
}

if (!isMainThread) precompile(workerData as PrecompileData);
