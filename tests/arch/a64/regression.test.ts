import { describe, expect, test } from 'vitest';
import { DATA, runWords } from './run-words.ts';

/** What the fuzzer found, as small programs. Each ends with SVC #0 or with the exception that the test is about. */

const EC = (esr: number): number => esr >>> 26;
const DATA_ABORT = 0x25;
const PC_ALIGNMENT = 0x22;
const WNR = 1 << 6;

describe.each([false, true])('with optimized regions: %s', (optimized) => {
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
});
