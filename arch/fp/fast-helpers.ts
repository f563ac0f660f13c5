import { helperId } from '../core/helpers.ts';
import { hostFuses } from '../a64/table/simd-relaxed.ts';
import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W } from '../wasm/opcodes.ts';
import { Code } from './code.ts';
import { fpConvert, fpToGeneral, generalToFp } from './conversions.ts';
import { compare, operation, type Kind } from './fast-arithmetic.ts';
import { fromGeneral, toGeneral, toSingle } from './fast-conversions.ts';
import { polynomial, shifts } from './fast-integer.ts';
import type { Helper } from './operands.ts';
import {
  fpAdd,
  fpCompare,
  fpDivide,
  fpMultiply,
  fpMultiplyAdd,
  fpNegatedMultiply,
  fpSquareRoot,
  fpSubtract,
} from './operations.ts';
import { polynomialMultiply64, variableShift } from './vector.ts';

/**
 * The helpers' first tier, in WebAssembly. With nothing but FZ and DN set in FPCR it notices exact and inexact results by
 * the exact errors of host operations, as host.ts does, and hands on to JavaScript what it cannot decide: NaNs,
 * overflow, subnormal doubles. Here live programs whose results are all exact, as FPSR.IXC is never set for them,
 * products with zeros, and programs that flush subnormals to zero.
 */

const KINDS: readonly [Helper, Kind][] = [
  [fpAdd, 'add'],
  [fpSubtract, 'subtract'],
  [fpMultiply, 'multiply'],
  [fpNegatedMultiply, 'negatedMultiply'],
  [fpDivide, 'divide'],
  [fpSquareRoot, 'squareRoot'],
  [fpMultiplyAdd, 'multiplyAdd'],
];

type HelperFunction = (frame: number, id: number, argument: number) => number;

/** Makes the function that translated code calls for helpers: the first tier before `javascript`. */
export function makeFastHelpers(memory: WebAssembly.Memory, javascript: HelperFunction): HelperFunction {
  // By helper and size; the errors of products need fused operations.
  const functions: Code[] = [
    shifts(),
    toGeneral(2),
    toGeneral(3),
    fromGeneral(2),
    fromGeneral(3),
    toSingle(),
    polynomial(),
    compare(2),
    compare(3),
  ];
  const cases = new Map<number, [single: number, double: number]>([
    [helperId(variableShift), [1, 1]],
    [helperId(fpToGeneral), [2, 3]],
    [helperId(generalToFp), [4, 5]],
    [helperId(fpConvert), [6, 6]],
    [helperId(polynomialMultiply64), [7, 7]],
    [helperId(fpCompare), [8, 9]],
  ]);
  if (hostFuses()) {
    for (const [helper, kind] of KINDS) {
      cases.set(helperId(helper), [functions.length + 1, functions.length + 2]);
      functions.push(operation(kind, 2), operation(kind, 3));
    }
  }
  // The import is function 0; the dispatcher comes last: (frame, id, argument).
  const dispatch = new Code(3);
  const result = dispatch.local(T.i32);
  dispatch.op(W.block, T.void);
  const numbers = [...cases.keys()].sort((a, b) => a - b);
  for (const id of numbers) {
    const [single, double] = cases.get(id)!;
    const call = (f: number): Code => dispatch.get(0).get(2).op(W.call).u(f);
    dispatch.get(1).i32(id).op(W.i32_eq, W.if, T.void);
    const size = (): Code => dispatch.get(2).i32(20).op(W.i32_shr_u).i32(3).op(W.i32_and);
    if (single === double) call(single);
    else {
      // Halves are undecided.
      size().i32(2).op(W.i32_lt_u, W.br_if, 1);
      size().i32(3).op(W.i32_eq, W.if, T.i32);
      call(double).op(W.else);
      call(single).op(W.end);
    }
    dispatch.tee(result).op(W.i32_eqz, W.br_if, 1).get(result).i32(1).op(W.i32_shr_u, W.return, W.end);
  }
  dispatch.op(W.end).get(0).get(1).get(2).op(W.call, 0);

  const out = new CodeBuffer();
  const scratch = new CodeBuffer();
  out.append(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  out.section(1, scratch, (b) => {
    b.append(Uint8Array.of(2, 0x60, 2, T.i32, T.i32, 1, T.i32, 0x60, 3, T.i32, T.i32, T.i32, 1, T.i32));
  });
  out.section(2, scratch, (b) => {
    b.u32(2);
    b.name('e');
    b.name('memory');
    b.append(Uint8Array.of(2, 3));
    // Any memory fits.
    b.u32(1);
    b.u32(65536);
    b.name('e');
    b.name('helper');
    b.append(Uint8Array.of(0, 1));
  });
  out.section(3, scratch, (b) => {
    b.u32(functions.length + 1);
    functions.forEach(() => b.u32(0));
    b.u32(1);
  });
  out.section(7, scratch, (b) => {
    b.u32(1);
    b.name('helper');
    b.u8(0);
    b.u32(functions.length + 1);
  });
  out.section(10, scratch, (b) => {
    b.u32(functions.length + 1);
    for (const c of [...functions, dispatch]) {
      const body = new CodeBuffer();
      body.u32(c.locals.length);
      for (const type of c.locals) {
        body.u32(1);
        body.u8(type);
      }
      body.append(Uint8Array.from(c.bytes));
      body.u8(W.end);
      b.u32(body.length);
      b.append(body.view());
    }
  });
  const module = new WebAssembly.Module(out.view());
  return new WebAssembly.Instance(module, { e: { memory, helper: javascript } }).exports['helper'] as HelperFunction;
}
