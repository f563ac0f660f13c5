import { describe, expect, test } from 'vitest';
import { TLB } from '../../../arch/a64/region-abi.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import { Machine, PAGES_AT, RAM, TABLES } from './paged-machine.ts';

/** A page of RAM that is seen at its address. */
const PAGE_AT = RAM + 0x80_0000;

describe('the TLB', () => {
  test.each([false, true])('keeps two pages that are one place of its first table (optimized: %s)', (optimized) => {
    const machine = new Machine();
    if (optimized) machine.core.code.eager = () => true;
    machine.run(`
        mov x0, #${PAGE_AT}
        mov x1, #${TLB.entries * 4096}
        add x1, x1, x0
        mov x2, #10000
      1:
        ldr x3, [x0]
        add x3, x3, #1
        str x3, [x1]
        ldr x4, [x1]
        str x4, [x0]
        subs x2, x2, #1
        b.ne 1b
        hlt #0`);
    expect(machine.get(F.X + 32)).toBe(10_000n);
    expect(machine.core.stats.tlbMisses).toBeLessThan(20);
  });

  test.each([false, true])(
    'gives a page its place in the first table back when it is used (optimized: %s)',
    (optimized) => {
      const machine = new Machine();
      const { core } = machine;
      if (optimized) core.code.eager = () => true;
      machine.run(`
        mov x0, #${PAGE_AT}
        mov x1, #${TLB.entries * 4096}
        add x1, x1, x0
        ldr x3, [x0]
        ldr x4, [x1]
        ldr x5, [x0]
        hlt #0`);
      const entry = core.i32[(core.ownFrame + F.TLB) >>> 2]! + ((PAGE_AT >>> 12) % TLB.entries) * TLB.entrySize;
      expect(core.i32[entry >>> 2]).toBe(PAGE_AT);
      expect(core.stats.tlbMisses).toBe(2);
    },
  );

  test('drops all of a block of stage 1 that stage 2 maps in pages, by any address in it (D8.14)', () => {
    const machine = new Machine();
    const table = (n: number): bigint => BigInt(TABLES + 0x1000 * n) | 3n;
    // The first 2 MiB of RAM at 2 GiB, as a block that the program changes to the next.
    machine.put(1, 0, BigInt(RAM) | 0x705n);
    // Stage 2: 4 MiB of RAM, in pages.
    machine.put(3, 1, table(4));
    for (const half of [0, 1]) {
      machine.put(4, half, table(5 + half));
      for (let n = 0; n < 512; n++) machine.put(5 + half, n, BigInt(RAM + half * 0x20_0000 + n * 0x1000) | 0x7ffn);
    }
    machine.write(RAM + 0x5000, 1n);
    machine.write(RAM + 0x20_5000, 2n);
    machine.set(SR.VTTBR_EL2, table(3) & ~3n);
    machine.set(SR.VTCR_EL2, 0x8002_3559n);
    machine.set(SR.HCR_EL2, 0x8000_0001n);
    machine.set(F.X, BigInt(TABLES + 0x1000));
    machine.set(F.X + 8, BigInt(PAGES_AT));
    // Another page of the block.
    machine.set(F.X + 16, 0x8_0009n);
    machine.set(F.X + 32, BigInt(RAM + 0x20_0000) | 0x705n);
    machine.run(`
      ldr x3, [x1, #0x5000]
      str xzr, [x0]
      tlbi vaae1, x2
      dsb sy
      str x4, [x0]
      dsb sy
      isb
      ldr x5, [x1, #0x5000]
      hlt #0`);
    expect([machine.get(F.X + 24), machine.get(F.X + 40)]).toEqual([1n, 2n]);
  });

  // Two pages that lie the other way round in memory; a loop's access is in the upper one first, then across both.
  test.each(['str x6, [x2]', 'stp x6, x7, [x2]', 'str q0, [x2]', 'ldr x6, [x2]', 'ldp x6, x7, [x2]', 'ldr q0, [x2]'])(
    'an access across pages in a loop is no access to the page that it was last in: %s',
    (access) => {
      const machine = new Machine();
      machine.core.code.eager = () => true;
      const [upper, lower] = [machine.pageOf(0), machine.pageOf(1)];
      machine.map(0, lower);
      machine.map(1, upper);
      const size = /p|q/.test(access) ? 16 : 8;
      const addresses = [PAGES_AT + 0x1100, PAGES_AT + 0x1100, PAGES_AT + 0x1000 - size / 2];
      // Where it does not take the pages' places in the TLB, or they would not be remembered.
      const list = RAM + 0x3000;
      addresses.forEach((address, n) => machine.write(list + 8 * n, BigInt(address)));
      machine.write(lower + 0xff8, 0x1111_1111_2222_2222n);
      machine.write(upper, 0x3333_3333_4444_4444n);
      machine.set(F.X + 8, BigInt(list));
      machine.set(F.X + 24, BigInt(addresses.length));
      machine.set(SR.CPACR_EL1, 3n << 20n);
      for (const at of [F.X + 48, F.V]) {
        machine.set(at, 0x5555_5555_6666_6666n);
        machine.set(at + 8, 0x7777_7777_8888_8888n);
      }
      machine.run(`
      1:
        ldr x2, [x1], #8
        ${access}
        subs x3, x3, #1
        b.ne 1b
        hlt #0`);
      const at = access.includes('q') ? F.V : F.X + 48;
      const register = [machine.get(at), machine.get(at + 8)];
      const memory = [machine.read(lower + 0xff8), machine.read(upper)];
      if (access.startsWith('ld')) {
        if (size === 16) expect(register).toEqual([0x1111_1111_2222_2222n, 0x3333_3333_4444_4444n]);
        else expect(register[0]).toBe(0x4444_4444_1111_1111n);
      } else if (size === 16) expect(memory).toEqual([0x5555_5555_6666_6666n, 0x7777_7777_8888_8888n]);
      else expect(memory).toEqual([0x6666_6666_2222_2222n, 0x3333_3333_5555_5555n]);
    },
  );
});
