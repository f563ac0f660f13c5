/** Pages that are entered into the TLB before they are accessed, where memory is walked through. */
import { expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import { COUNT, HOST, Machine, PAGE, PAGES_AT, RAM, SIZE, TABLES } from './paged-machine.ts';

/** Adds up the first doublewords of so many pages. */
const SUM = (pages: number): string => `
  mov x0, #${PAGES_AT}
  mov x1, #${pages}
  mov x2, #0
1:
  ldr x3, [x0]
  add x2, x2, x3
  add x0, x0, #0x1000
  subs x1, x1, #1
  b.ne 1b`;

test('pages that are walked through are translated eight at a time, each where its descriptor says', () => {
  const machine = new Machine();
  let sum = 0n;
  for (let n = 0; n < COUNT; n++) {
    machine.write(machine.pageOf(n), BigInt(n * n));
    sum += BigInt(n * n);
  }
  machine.run(`${SUM(COUNT)}\nhlt #0`);
  expect(machine.get(F.X + 16)).toBe(sum);
  expect(machine.core.stats.tlbMisses).toBeLessThan(COUNT / 8 + 8);
});

test.each([
  ['read-only', 0x787n],
  ['not valid', 0n],
  ['not accessed before', 0x307n],
  ['Device memory', 0x70bn],
])('a page with other attributes is not translated along with those before it: %s', (_, attributes) => {
  const machine = new Machine();
  // What is Device is so by MAIR's third attribute, and refuses unaligned accesses.
  machine.set(SR.MAIR_EL1, 0x00_ffffn);
  machine.map(5, machine.pageOf(5), attributes);
  machine.run(`
    mov x0, #${PAGES_AT}
    mov x1, #${COUNT}
  1:
    stur x1, [x0, #${attributes === 0x70bn ? 1 : 0}]
    add x0, x0, #0x1000
    subs x1, x1, #1
    b.ne 1b
    hlt #0`);
  expect(machine.get(SR.FAR_EL1) & ~0xfffn).toBe(BigInt(PAGES_AT + 0x5000));
});

test('an invalidation drops a page that was entered ahead', () => {
  const machine = new Machine();
  machine.write(machine.pageOf(6), 1n);
  machine.write(machine.pageOf(100), 2n);
  machine.set(F.X + 8 * 5, BigInt(TABLES + 0x2000 + 8 * 6));
  machine.set(F.X + 8 * 6, BigInt(machine.pageOf(100)) | PAGE);
  machine.set(F.X + 8 * 7, BigInt((PAGES_AT + 0x6000) / 0x1000));
  machine.run(`${SUM(3)}
    str x6, [x5]
    dsb sy
    tlbi vaae1, x7
    dsb sy
    isb
    ldr x4, [x0, #0x3000]
    hlt #0`);
  expect(machine.get(F.X + 8 * 4)).toBe(2n);
});

test('where a block of stage 2 ends, so does what is entered ahead', () => {
  const machine = new Machine();
  // Two blocks of stage 2 that lie the other way round in memory; the pages run over their border.
  const [lower, upper] = [RAM + 0x80_0000, RAM + 0xa0_0000];
  machine.put(3, 1, BigInt(TABLES + 0x4000) | 3n);
  for (let n = 0; n < SIZE >> 21; n++) machine.put(4, n, BigInt(RAM + n * 0x20_0000) | 0x7fdn);
  machine.put(4, 4, BigInt(upper) | 0x7fdn);
  machine.put(4, 5, BigInt(lower) | 0x7fdn);
  const border = 10;
  for (let n = 0; n < 20; n++) {
    machine.map(n, upper + (n - border) * 0x1000);
    machine.write(
      n < border ? upper + 0x20_0000 + (n - border) * 0x1000 : lower + (n - border) * 0x1000,
      BigInt(1 << n),
    );
  }
  machine.set(SR.VTTBR_EL2, BigInt(TABLES + 0x3000));
  machine.set(SR.VTCR_EL2, 0x8002_3559n);
  machine.set(SR.HCR_EL2, 0x8000_0001n);
  machine.run(`${SUM(20)}\nhlt #0`);
  expect(machine.get(F.X + 16)).toBe((1n << 20n) - 1n);
  expect(machine.core.stats.tlbMisses).toBeLessThan(8);
});

test('an invalidation by address leaves what is known of stage 2, one of all does not', () => {
  const machine = new Machine();
  for (const half of [0, 1]) machine.put(4, half, BigInt(RAM + half * 0x20_0000) | 0x7fdn);
  machine.put(3, 1, BigInt(TABLES + 0x4000) | 3n);
  for (let n = 2; n < SIZE >> 21; n++) machine.put(4, n, BigInt(RAM + n * 0x20_0000) | 0x7fdn);
  machine.set(SR.VTTBR_EL2, BigInt(TABLES + 0x3000));
  machine.set(SR.VTCR_EL2, 0x8002_3559n);
  machine.set(SR.HCR_EL2, 0x8000_0001n);
  // Stage 1's last table moves in memory, by stage 2: its page of 2 MiB is the one behind.
  const moved = TABLES + 0x20_0000;
  for (const table of [0, 1, 2]) for (let n = 0; n < 4; n++) machine.write(moved + table * 0x1000 + 8 * n, 0n);
  machine.write(moved + 8, BigInt(RAM) | 0x705n);
  machine.write(moved + 16, BigInt(TABLES + 0x1000) | 3n);
  machine.write(moved + 0x1000, BigInt(TABLES + 0x2000) | 3n);
  machine.write(moved + 0x2000, BigInt(machine.pageOf(9)) | PAGE);
  machine.write(machine.pageOf(0), 1n);
  machine.write(machine.pageOf(9), 2n);
  machine.run(`ldr x4, [x0]\nhlt #0`.replace('ldr', `mov x0, #${PAGES_AT}\nldr`));
  expect(machine.get(F.X + 8 * 4)).toBe(1n);
  machine.put(4, 0, BigInt(RAM + 0x20_0000) | 0x7fdn);
  const again = `mov x0, #${PAGES_AT}\nldr x4, [x0]\nhlt #0`;
  machine.core.i32.set(assembleProgram(again, RAM), (HOST + 0x20_0000) >> 2);
  machine.core.invalidateTlb({ regime: 1, va: { start: PAGES_AT, length: 0x1000 }, global: true, broadcast: false });
  machine.run(again);
  expect(machine.get(F.X + 8 * 4)).toBe(1n);
  machine.core.invalidateTlb({ regime: 1, broadcast: false });
  machine.run(again);
  expect(machine.get(F.X + 8 * 4)).toBe(2n);
});
