/**
 * Machine code of kept translations. The host's engine compiles hot WebAssembly functions once more, with its optimizing
 * compiler, on other threads and long after they were hot. It can write that code down and read it again, but has no
 * interface for it: only the functions that its own tests use, of which nothing is known in another version of Node.js.
 */
import { setFlagsFromString } from 'node:v8';
import { ENGINE_KNOWN } from './engine.ts';

/** One of the engine's functions; undefined where it has none, or may not make functions of text. */
function intrinsic<F>(name: string, parameters: string): F | undefined {
  if (!ENGINE_KNOWN) return undefined;
  setFlagsFromString('--allow-natives-syntax');
  try {
    // In parentheses: compiled at once, as long as its syntax is understood.
    return (new Function(`return (function (${parameters}) { return %${name}(${parameters}); });`) as () => F)();
  } catch {
    return undefined;
  } finally {
    setFlagsFromString('--no-allow-natives-syntax');
  }
}

/** Tells whether the host's optimizing compiler has been at an exported WebAssembly function. */
export function optimizedFilter(): (code: unknown) => boolean {
  return intrinsic<(code: unknown) => boolean>('IsTurboFanFunction', 'f') ?? (() => false);
}

/** Has the host optimize exported WebAssembly functions, for `ms` milliseconds at most. */
export function optimize(functions: readonly unknown[], ms: number): void {
  const tierUp = intrinsic<(code: unknown) => void>('WasmTierUpFunction', 'f');
  const end = performance.now() + ms;
  for (const code of functions) {
    if (performance.now() > end) return;
    tierUp?.(code);
  }
}

/** The optimized functions of a module; empty where they cannot be had. Only this version of the engine reads them. */
export function writeMachineCode(module: WebAssembly.Module): Uint8Array {
  const serialize = intrinsic<(module: WebAssembly.Module) => ArrayBuffer | undefined>('SerializeWasmModule', 'm');
  return new Uint8Array(serialize?.(module) ?? new ArrayBuffer());
}

/**
 * A module with the functions that `writeMachineCode` has kept of it; undefined where they are of another version, of
 * another processor, or made under other settings.
 * @param code as it was written: what has been damaged would run
 */
export function readMachineCode(code: Uint8Array, module: Uint8Array): WebAssembly.Module | undefined {
  if (code.length === 0) return undefined;
  type Read = (code: ArrayBuffer, module: Uint8Array) => WebAssembly.Module | undefined;
  return intrinsic<Read>('DeserializeWasmModule', 'c, m')?.(new Uint8Array(code).buffer, module);
}
