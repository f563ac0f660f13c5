import { expect, test } from 'vitest';
import { Debug } from '../../../arch/core/debug.ts';
import { PSTATE } from '../../../arch/core/frame.ts';
import { MDCR, MDSCR } from '../../../arch/core/sysreg-bits.ts';
import { FakeCore } from './fake-core.ts';

/** A core at EL0 with one breakpoint and one watchpoint of EL0, debug enabled and the OS lock open. */
function debugged(): { core: FakeCore; debug: Debug } {
  const core = new FakeCore(0);
  core.set('OSLSR_EL1', 8n);
  core.setBits('MDSCR_EL1', MDSCR.MDE, MDSCR.SS);
  core.set('DBGBVR0_EL1', 0x1000n);
  core.set('DBGBCR0_EL1', 0x1e5n);
  core.set('DBGWVR0_EL1', 0x2000n);
  core.set('DBGWCR0_EL1', 0x1ffdn);
  core.pc = 0x1000n;
  return { core, debug: new Debug() };
}

test('the OS lock holds back software step, breakpoints and watchpoints', () => {
  const { core, debug } = debugged();
  debug.update(core);
  expect(debug.single).toBe(true);
  expect(debug.pendingStep(core)?.esr).toBe(0xca00_0022);
  expect(debug.breakpoint(core)?.esr).toBe(0xc200_0022);
  expect(debug.watchpoint(core, 0, 0x2004, 4, { reads: true, writes: false })?.far).toBe(0x2004n);
  core.msr('OSLAR_EL1', 1n);
  core.el = 1;
  core.msr('OSLAR_EL1', 1n);
  core.el = 0;
  debug.update(core);
  expect(debug.single).toBe(false);
  expect(debug.pendingStep(core)).toBeUndefined();
  expect(debug.breakpoint(core)).toBeUndefined();
  expect(debug.watchpoint(core, 0, 0x2004, 4, { reads: true, writes: false })).toBeUndefined();
});

test('at the EL that takes them KDE and PSTATE.D decide; above it nothing is taken', () => {
  const { core, debug } = debugged();
  core.el = 1;
  debug.update(core);
  expect([debug.stepping, debug.masked]).toEqual([false, false]);
  core.setBits('MDSCR_EL1', MDSCR.KDE);
  debug.update(core);
  expect([debug.stepping, debug.masked]).toEqual([true, true]);
  core.pstate |= PSTATE.D;
  debug.update(core);
  expect([debug.stepping, debug.masked]).toEqual([false, true]);
  core.setBits('MDCR_EL2', MDCR.TDE);
  debug.update(core);
  expect(debug.stepping).toBe(true);
  expect(debug.pendingStep(core)?.target).toBe(2);
  core.set('MDCR_EL2', 0n);
  core.pstate &= ~PSTATE.D;
  core.el = 2;
  debug.update(core);
  expect(debug.stepping).toBe(false);
});

test('an atomic access that meets two watchpoints is reported as a read if one of them watches reads (ISS.WnR)', () => {
  const { core, debug } = debugged();
  // Stores in front, loads behind.
  core.set('DBGWCR0_EL1', 0x1ff5n);
  core.set('DBGWVR1_EL1', 0x2000n);
  core.set('DBGWCR1_EL1', 0x1fedn);
  debug.update(core);
  const esrOf = (reads: boolean, writes: boolean): number | undefined =>
    debug.watchpoint(core, 0, 0x2000, 8, { reads, writes })?.esr;
  expect([esrOf(true, true), esrOf(false, true), esrOf(true, false)]).toEqual([0xd200_0022, 0xd200_0062, 0xd200_0022]);
});

test('a page with a watched byte is kept out of the TLB, its neighbours are not', () => {
  const { core, debug } = debugged();
  core.set('DBGWVR0_EL1', 0x2ff8n);
  core.set('DBGWCR0_EL1', (0x80n << 5n) | 0x1dn);
  debug.update(core);
  expect([0x1fff, 0x2000, 0x3000].map((va) => debug.watchesPage(core, 0, va))).toEqual([false, true, false]);
  // Addresses are compared up to bit 48: a tag does not hide an access.
  expect(debug.watchpoint(core, 0x5500_0000, 0x2ff8, 8, { reads: false, writes: true })?.far).toBe(
    0x5500_0000_0000_2fffn,
  );
  core.set('DBGWCR0_EL1', (31n << 24n) | 0x1ffdn);
  debug.update(core);
  expect([0x1000, 0x7fff_f000, 0x8000_0000].map((va) => debug.watchesPage(core, 0, va | 0))).toEqual([
    true,
    true,
    false,
  ]);
});

test('only the context-aware breakpoint compares contexts', () => {
  const { core, debug } = debugged();
  core.set('CONTEXTIDR_EL1', 7n);
  for (const [name, bvr] of [
    ['DBGBCR0_EL1', 'DBGBVR0_EL1'],
    ['DBGBCR5_EL1', 'DBGBVR5_EL1'],
  ] as const) {
    core.set('DBGBCR0_EL1', 0n);
    core.set(bvr, 7n);
    // Unlinked context ID.
    core.set(name, 0x20_01e5n);
    debug.update(core);
    expect(debug.breakpoint(core) !== undefined).toBe(name === 'DBGBCR5_EL1');
  }
  core.set('CONTEXTIDR_EL1', 8n);
  expect(debug.breakpoint(core)).toBeUndefined();
});
