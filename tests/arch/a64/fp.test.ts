import { describe, expect, it } from 'vitest';
import { F } from '../../../arch/core/frame.ts';
import * as host from '../../../arch/fp/host.ts';
import * as soft from '../../../arch/fp/softfloat.ts';
import { CODE, Harness } from './harness.ts';
import { random } from './cases.ts';

const h = new Harness();
const v = new BigUint64Array(h.memory.buffer, h.frame + F.V, 64);

/** Runs one instruction with V1 and V2 as given; FPSR afterwards. */
function run(word: number, state: { v1?: bigint; v2?: bigint; fpcr?: number; fpsr?: number }): number {
  v.fill(0xaaaaaaaaaaaaaaaan);
  v[2] = state.v1 ?? 0n;
  v[4] = state.v2 ?? 0n;
  h.i32[(h.frame + F.FPCR) >> 2] = state.fpcr ?? 0;
  h.i32[(h.frame + F.FPSR) >> 2] = state.fpsr ?? 0;
  const [f] = h.compile([{ words: [word], pc: CODE }], 'fast');
  h.run(f!, CODE);
  return h.i32[(h.frame + F.FPSR) >> 2]!;
}

describe('where QEMU 7.2 is not the architecture', () => {
  it('a half converted to fixed point leaves zeros above it: FCVTZS H0, H1, #1', () => {
    run(0x5f1ffc20, { v1: 0xbc00n });
    expect(v.slice(0, 2)).toEqual(BigUint64Array.of(0xfffen, 0n));
  });

  it('FJCVTZS of a flushed subnormal is not exact (FPToFixedJS)', () => {
    h.nzcv = 15;
    expect(run(0x1e7e0020, { v1: 1n, fpcr: soft.FZ })).toBe(soft.IDC);
    expect(h.nzcv).toBe(0);
    expect(h.x(0)).toBe(0n);
  });
});

describe('inexact results', () => {
  const FADD = 0x1e622820;
  it.each([0, soft.IXC])('are noticed once and stay noticed (FPSR %i before)', (fpsr) => {
    expect(run(FADD, { v1: 0x3ff0000000000000n, v2: 0x3ca0000000000000n, fpsr })).toBe(soft.IXC);
    expect(run(FADD, { v1: 0x3ff0000000000000n, v2: 0x3ff0000000000000n, fpsr })).toBe(fpsr);
  });

  it('include those rounded up to the least normal number, which underflowed', () => {
    // FMUL of the greatest subnormal's neighbour: 0x1.fffffffffffff × 2^-1023.
    const flags = run(0x1e620820, { v1: 0x000fffffffffffffn, v2: 0x3ff0000000000001n, fpsr: soft.IXC });
    expect(v[0]).toBe(0x0010000000000000n);
    expect(flags).toBe(soft.IXC | soft.UFC);
  });
});

/** Doubles and singles of all magnitudes, their fractions long or short. */
function numbers(size: number, count: number): number[] {
  const next = random(size);
  const view = new DataView(new ArrayBuffer(8));
  const out: number[] = [];
  while (out.length < count) {
    const short = next() % 3 === 0;
    const narrow = next() % 2 === 0;
    if (size === 3) {
      const exponent = narrow ? 1000 + (next() % 46) : next() % 2047;
      view.setUint32(0, ((next() & 1) << 31) | (exponent << 20) | (next() & 0xfffff));
      view.setUint32(4, short ? 0 : next());
      out.push(view.getFloat64(0));
    } else {
      const exponent = narrow ? 110 + (next() % 34) : next() % 255;
      view.setUint32(0, ((next() & 1) << 31) | (exponent << 23) | (next() & 0x7fffff & (short ? -0x1000 : -1)));
      out.push(view.getFloat32(0));
    }
  }
  return out;
}

function bits(x: number, size: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (size === 3) {
    view.setFloat64(0, x);
    return view.getBigUint64(0);
  }
  view.setFloat32(0, x);
  return BigInt(view.getUint32(0));
}

describe.each([
  ['singles', 2],
  ['doubles', 3],
])('host arithmetic on %s', (_, size) => {
  const f = soft.FORMATS[size]!;
  const values = numbers(size, 9000);
  const cases: [string, (a: number, b: number, c: number) => number, (a: bigint, b: bigint, c: bigint) => bigint][] = [
    ['sums', (a, b) => host.add(a, b, size), (a, b) => soft.add(a, b, f)],
    ['products', (a, b) => host.multiply(a, b, size), (a, b) => soft.multiply(a, b, f)],
    ['quotients', (a, b) => host.divide(a, b, size), (a, b) => soft.divide(a, b, f)],
    ['square roots', (a) => host.squareRoot(Math.abs(a), size), (a) => soft.squareRoot(soft.absolute(a, f), f)],
    ['multiply-adds', (a, b, c) => host.multiplyAdd(c, a, b, size), (a, b, c) => soft.multiplyAdd(c, a, b, f)],
  ];
  it.each(cases)('gives the exact software’s %s and inexactness, or leaves them to it', (_name, fast, exact) => {
    const wrong: string[] = [];
    let taken = 0;
    for (let k = 0; k + 2 < values.length; k++) {
      const [a, b, c] = values.slice(k, k + 3) as [number, number, number];
      // Sums that nearly cancel, now and then.
      const d = k % 3 === 0 ? -(size === 3 ? a * b : Math.fround(a * b)) : c;
      const got = fast(a, b, d);
      if (got !== got) continue;
      taken++;
      const inexact = host.last.inexact;
      soft.env.fpcr = soft.env.flags = 0;
      const want = exact(bits(a, size), bits(b, size), bits(d, size));
      if (bits(got, size) !== want || soft.env.flags !== (inexact ? soft.IXC : 0)) wrong.push(`${a} ${b} ${d}: ${got}`);
    }
    expect(wrong).toEqual([]);
    expect(taken).toBeGreaterThan(values.length / 4);
  });
});
