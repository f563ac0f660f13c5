/** Cache maintenance by address, with what the TLB has and without; what tells software how to do it. */
import { expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { F } from '../../../arch/core/frame.ts';
import { HCR } from '../../../arch/core/sysreg-bits.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import { CODE, HOST as CODE_HOST, Machine as Guest, RAM as GUEST_RAM } from './hvc-machine.ts';
import { Machine, PAGES_AT, RAM, TABLES } from './paged-machine.ts';

test.each(['dc cvac', 'dc cvau', 'dc civac', 'ic ivau'])('%s: after an invalidation the tables count', (operation) => {
  const machine = new Machine();
  // The descriptor of the first page.
  machine.set(F.X + 8 * 5, BigInt(TABLES + 0x2000));
  machine.set(F.X + 8 * 7, BigInt(PAGES_AT / 0x1000));
  machine.run(`
    mov x0, #${PAGES_AT}
    ldr x1, [x0]
    ${operation}, x0
    str xzr, [x5]
    tlbi vaae1, x7
    dsb sy
    mov x2, #1
    ${operation}, x0
    mov x2, #2
    hlt #0`);
  expect(machine.get(SR.FAR_EL1)).toBe(BigInt(PAGES_AT));
  // A data abort from EL1 of a cache maintenance instruction (CM, WnR), at level 3.
  expect(machine.get(SR.ESR_EL1)).toBe(0x9600_0147n);
  expect(machine.get(F.X + 16)).toBe(1n);
  expect(machine.get(SR.ELR_EL1)).toBe(BigInt(RAM + 7 * 4));
});

test('IC IVAU by a virtual address that the TLB has reaches the page behind it', () => {
  const machine = new Machine();
  const code = assembleProgram('mov x9, #1\nret', PAGES_AT);
  const changed = assembleProgram('mov x9, #2\nret', PAGES_AT);
  const pair = (words: Uint32Array): bigint => (BigInt(words[1]!) << 32n) | BigInt(words[0]!);
  machine.write(machine.pageOf(3), pair(code));
  // Executable, and written through the same mapping.
  machine.set(F.X + 8 * 10, pair(changed));
  machine.run(`
    mov x0, #${PAGES_AT}
    add x0, x0, #0x3000
    blr x0
    mov x8, x9
    str x10, [x0]
    ic ivau, x0
    dsb sy
    isb
    blr x0
    hlt #0`);
  expect([machine.get(F.X + 64), machine.get(F.X + 72)]).toEqual([1n, 2n]);
});

/** Runs MRS at EL1 of a guest with a bit of HCR_EL2; what is in X0, or the exception's syndrome. */
function read(register: string, bit: number): { value: number } | { syndrome: number } {
  const { core } = new Guest();
  core.i32.set(assembleProgram(`mrs x0, ${register}\nhvc #0`, CODE), (CODE - GUEST_RAM + CODE_HOST) >> 2);
  core.i32[(core.frame + SR.HCR_EL2) >>> 2]! |= 1 << bit;
  core.pc = BigInt(CODE);
  core.contextChanged();
  expect(core.run(1000)).toBe('el2');
  const syndrome = core.i32[(core.frame + SR.ESR_EL2) >>> 2]! >>> 26;
  return syndrome === 0x16 ? { value: core.i32[(core.frame + F.X) >>> 2]! >>> 0 } : { syndrome };
}

test('CTR_EL0 and DCZID_EL0 at EL1, and what HCR_EL2 does to them', () => {
  expect(read('ctr_el0', HCR.AMO)).toEqual({ value: 0x9444_c004 });
  expect(read('ctr_el0', HCR.TID2)).toEqual({ syndrome: 0x18 });
  expect(read('dczid_el0', HCR.FMO)).toEqual({ value: 4 });
  expect(read('dczid_el0', HCR.TDZ)).toEqual({ value: 0x14 });
});
