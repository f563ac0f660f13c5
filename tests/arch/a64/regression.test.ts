import { describe, expect, test } from 'vitest';
import { CODE, DATA, runWords } from './run-words.ts';

/** What the fuzzer found, as small programs. Each ends with SVC #0 or with the exception that the test is about. */

const EC = (esr: number): number => esr >>> 26;
const DATA_ABORT = 0x25;
const PC_ALIGNMENT = 0x22;
const WNR = 1 << 6;

describe.each([false, true])('with optimized regions: %s', (optimized) => {
  test('a loop that is left for the clock leaves registers that only code behind it writes', () => {
    // sub x2, x2, #1; cbnz x2, .-4; add x3, x3, #1; brk #0
    const words = [0xd1000442, 0xb5ffffe2, 0x91000463, 0xd4200000];
    const end = runWords(words, { optimized, x: { 2: 300_000n, 3: 0x1234n } });
    expect(end.x(3)).toBe(0x1235n);
  });

  test('a return to the address -1 is a PC alignment fault there', () => {
    const end = runWords([0xd65f03c0], { optimized, x: { 30: -1n } }); // ret
    expect(EC(end.esr)).toBe(PC_ALIGNMENT);
    expect(end.pc).toBe(0xffff_ffff_ffff_ffffn);
  });

  test('an atomic access that is not aligned faults as a read, a store-exclusive as a write', () => {
    const x = { 21: BigInt(DATA + 6) };
    const atomic = runWords([0xf8a712a6], { optimized, x }); // ldclra x7, x6, [x21]
    expect(EC(atomic.esr)).toBe(DATA_ABORT);
    expect(atomic.esr & (WNR | 0x3f)).toBe(0x21);
    const exclusive = runWords([0xc8077ea0], { optimized, x }); // stxr w7, x0, [x21]
    expect(EC(exclusive.esr)).toBe(DATA_ABORT);
    expect(exclusive.esr & (WNR | 0x3f)).toBe(WNR | 0x21);
  });

  test('a branch drops the tag of its target where TCR_ELx.TBI ignores it (AArch64.BranchAddr)', () => {
    const target = BigInt(CODE + 12);
    const words = [0xd5182041, 0xd5033fdf, 0xd63f0040, 0xd4000001]; // msr tcr_el1, x1; isb; blr x2; svc #0
    const tagged = 0x5an << 56n;
    const ignored = runWords(words, { optimized, x: { 1: 1n << 37n, 2: target | tagged } });
    expect(EC(ignored.esr)).toBe(0x15);
    expect(ignored.pc).toBe(target);
    expect(ignored.x(30)).toBe(target);
    const faults = runWords(words, { optimized, x: { 1: 0n, 2: target | tagged } });
    expect(EC(faults.esr)).toBe(0x21);
    expect(faults.pc).toBe(target | tagged);
  });
});
