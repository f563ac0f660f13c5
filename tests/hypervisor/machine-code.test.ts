import { expect, test } from 'vitest';
import { ENGINE_KNOWN } from '../../hypervisor/engine.ts';
import { optimize, optimizedFilter, readMachineCode, writeMachineCode } from '../../hypervisor/machine-code.ts';

/** A module with one function `a`, which adds its operand and a number of its own. */
function adder(n: number): Uint8Array<ArrayBuffer> {
  const type = [1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f];
  const body = [7, 0, 0x20, 0, 0x41, n, 0x6a, 0x0b];
  return Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...type, 3, 2, 1, 0],
    ...[7, 5, 1, 1, 0x61, 0, 0, 10, body.length + 1, 1, ...body],
  );
}

const functionOf = (module: WebAssembly.Module): ((x: number) => number) =>
  new WebAssembly.Instance(module).exports['a'] as (x: number) => number;

function optimizedCode(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  const module = new WebAssembly.Module(bytes);
  optimize([functionOf(module)], 10_000);
  return writeMachineCode(module);
}

test.runIf(ENGINE_KNOWN)('what was optimized is known as such, kept, and read again', () => {
  const bytes = adder(40);
  const module = new WebAssembly.Module(bytes);
  const code = functionOf(module);
  const isOptimized = optimizedFilter();
  expect(isOptimized(code)).toBe(false);
  optimize([code], 10_000);
  expect(isOptimized(code)).toBe(true);
  const again = functionOf(readMachineCode(writeMachineCode(module), bytes)!);
  expect(isOptimized(again)).toBe(true);
  expect(again(2)).toBe(42);
});

test.runIf(ENGINE_KNOWN)("another version's code is not read", () => {
  const bytes = adder(41);
  const code = optimizedCode(bytes);
  // It begins with what tells versions, processors and settings apart.
  for (let at = 0; at < 16; at++) {
    const other = code.slice();
    other[at]! ^= 1;
    expect(readMachineCode(other, bytes)).toBeUndefined();
  }
});

test('where nothing is kept, nothing is read', () => {
  expect(readMachineCode(new Uint8Array(), adder(42))).toBeUndefined();
});

test('the syntax of the engine’s own functions is nothing that programs have afterwards', () => {
  optimizedFilter();
  expect(() => new Function('return %IsTurboFanFunction(0)')).toThrow(SyntaxError);
});
