import { describe, expect, it } from 'vitest';
import { F } from '../../../arch/core/frame.ts';
import { FP_HELPERS, helperId } from '../../../arch/core/helpers.ts';
import * as conversions from '../../../arch/fp/conversions.ts';
import { makeFastHelpers } from '../../../arch/fp/fast-helpers.ts';
import { packOperands, type Helper } from '../../../arch/fp/operands.ts';
import * as fp from '../../../arch/fp/operations.ts';
import { DN, FZ, IXC } from '../../../arch/fp/softfloat.ts';
import { polynomialMultiply64, variableShift } from '../../../arch/fp/vector.ts';
import { random } from './cases.ts';

const FRAME = 0x1000;
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const i32 = new Int32Array(memory.buffer);
const u8 = new Uint8Array(memory.buffer);
const view = new DataView(memory.buffer);
const frame = u8.subarray(FRAME, FRAME + F.SYSREG);
const scratch = F.ARG0 + 8;

let undecided = 0;
const fast = makeFastHelpers(memory, (at, id, argument) => {
  undecided++;
  return FP_HELPERS[id]!(i32, u8, at, argument);
});

/** A number of many kinds: integers, fractions, zeros, subnormals, powers of two, and bits at random. */
function element(next: () => number, size: number): number {
  const sign = (next() & 1) !== 0 ? -1 : 1;
  switch (next() % 8) {
    case 0:
      return 0 * sign;
    case 1:
    case 2:
      return sign * (next() & 0xffff);
    case 3:
      return sign * 2 ** ((next() % 60) - 30);
    case 4:
      return (sign * next()) / 2 ** (size === 3 ? 1060 : 155);
    case 5:
      return (next() & 7) === 0 ? NaN : (sign * next() * next()) / 1e9;
    default:
      return (sign * (next() % 1000)) / 7;
  }
}

function fill(next: () => number, size: number): void {
  for (let at = F.V; at < F.V + 128; at += 1 << size) {
    if (size === 2) view.setFloat32(FRAME + at, element(next, 2), true);
    else view.setFloat64(FRAME + at, element(next, 3), true);
  }
  const wide = (BigInt(next()) << 32n) | BigInt(next());
  view.setBigUint64(FRAME + F.ARG0, wide >> BigInt(next() % 64), true);
  view.setInt32(FRAME + F.FPCR, [0, 0, FZ, DN, FZ | DN][next() % 5]!, true);
  view.setInt32(FRAME + F.FPSR, (next() & 1) !== 0 ? IXC : 0, true);
}

/** The frame after a helper, but for scratch. */
function after(run: () => number): { result: number; bytes: Uint8Array } {
  const result = run();
  const bytes = frame.slice();
  bytes.fill(0, scratch, scratch + 8);
  return { result, bytes };
}

interface Kind {
  name: string;
  helper: Helper;
  sizes: readonly number[];
  /** Elements: log2; general registers and comparisons have one. */
  vector: boolean;
  extra: (next: () => number, size: number) => number;
  /** The integer in F.ARG0 is a result. */
  integer?: boolean;
}

const byElement = (next: () => number, size: number): number =>
  (next() & 1) !== 0 ? fp.BY_ELEMENT | (next() % (16 >> size)) : 0;
const arithmetic = (name: string, helper: Helper): Kind => ({
  name,
  helper,
  sizes: [2, 3],
  vector: true,
  extra: byElement,
});

const kinds: Kind[] = [
  arithmetic('sums', fp.fpAdd),
  arithmetic('differences', fp.fpSubtract),
  arithmetic('products', fp.fpMultiply),
  arithmetic('negated products', fp.fpNegatedMultiply),
  arithmetic('quotients', fp.fpDivide),
  { ...arithmetic('square roots', fp.fpSquareRoot), extra: () => 0 },
  {
    ...arithmetic('multiply-adds', fp.fpMultiplyAdd),
    extra: (next, size) => byElement(next, size) | (next() & (fp.NEGATE_PRODUCT | fp.NEGATE_ADDEND)),
  },
  { name: 'comparisons', helper: fp.fpCompare, sizes: [2, 3], vector: false, extra: (next) => next() & 3 },
  {
    name: 'integers of numbers',
    helper: conversions.fpToGeneral,
    sizes: [2, 3],
    vector: false,
    extra: (next) => (next() % 5) | (next() & (conversions.UNSIGNED | conversions.WORD64)),
    integer: true,
  },
  {
    name: 'numbers of integers',
    helper: conversions.generalToFp,
    sizes: [2, 3],
    vector: false,
    extra: (next) => next() & (conversions.UNSIGNED | conversions.WORD64),
  },
  { name: 'singles of doubles', helper: conversions.fpConvert, sizes: [3], vector: false, extra: () => 2 },
  { name: 'shifts', helper: variableShift, sizes: [0, 1, 2, 3], vector: true, extra: (next) => next() & 3 },
  { name: 'polynomial products', helper: polynomialMultiply64, sizes: [0], vector: false, extra: (next) => next() & 1 },
];

describe('the first tier of the helpers', () => {
  it.each(kinds)(
    'leaves what JavaScript leaves, and decides a good part: $name',
    ({ helper, sizes, vector, extra, integer }) => {
      const wrong: string[] = [];
      let cases = 0;
      undecided = 0;
      for (const size of sizes) {
        const next = random(size + 77);
        for (let k = 0; k < 4000; k++) {
          fill(next, Math.max(size, 2));
          // A shift's amount is a small number.
          if (helper === variableShift) for (let b = 32; b < 48; b += 1 << size) frame[F.V + b] = (next() % 160) - 80;
          const lanes = vector ? next() % (5 - size) : 0;
          const operands = {
            d: next() & 3,
            n: next() & 3,
            m: helper === variableShift ? 2 : next() & 3,
            a: next() & 3,
          };
          if (!vector) operands.a = 0;
          const argument = packOperands({ ...operands, size, lanes, extra: extra(next, size) });
          const before = frame.slice();
          const want = after(() => helper(i32, u8, FRAME, argument));
          frame.set(before);
          const got = after(() => fast(FRAME, helperId(helper), argument));
          if (integer !== true) for (const r of [want, got]) r.bytes.fill(0, F.ARG0, F.ARG0 + 8);
          cases++;
          if (got.result !== want.result || !Buffer.from(got.bytes).equals(want.bytes))
            wrong.push(`${JSON.stringify(operands)} of size ${size}, case ${k}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(undecided).toBeLessThan(0.9 * cases);
    },
  );
});
