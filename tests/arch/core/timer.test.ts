import { expect, test } from 'vitest';
import { HCR } from '../../../arch/core/sysreg-bits.ts';
import { nextTimerTicks, TIMER, timerOutputs } from '../../../arch/core/timer.ts';
import { FakeCore } from './fake-core.ts';

test('a timer fires from CVAL on, and ISTATUS shows it even when masked', () => {
  const core = new FakeCore(1);
  core.msr('CNTV_CVAL_EL0', 100n);
  core.msr('CNTV_CTL_EL0', 1n);
  core.now = 99;
  expect(timerOutputs(core)).toBe(0);
  expect(core.mrs('CNTV_CTL_EL0')).toBe(1n);
  expect(nextTimerTicks(core)).toBe(100);
  core.now = 100;
  expect(timerOutputs(core)).toBe(TIMER.VIRTUAL);
  expect(core.mrs('CNTV_CTL_EL0')).toBe(5n);
  expect(nextTimerTicks(core)).toBe(Infinity);
  core.msr('CNTV_CTL_EL0', 3n);
  expect(timerOutputs(core)).toBe(0);
  expect(core.mrs('CNTV_CTL_EL0')).toBe(7n);
  core.msr('CNTV_CTL_EL0', 0n);
  expect(core.mrs('CNTV_CTL_EL0')).toBe(0n);
});

test('the virtual count is the physical one less CNTVOFF_EL2, also when that is ahead', () => {
  const core = new FakeCore(1);
  core.now = 1000;
  core.set('CNTVOFF_EL2', 600n);
  expect(core.mrs('CNTVCT_EL0')).toBe(400n);
  expect(core.mrs('CNTPCT_EL0')).toBe(1000n);
  core.msr('CNTV_CVAL_EL0', 500n);
  core.msr('CNTV_CTL_EL0', 1n);
  core.msr('CNTP_CVAL_EL0', 1300n);
  core.msr('CNTP_CTL_EL0', 1n);
  expect(nextTimerTicks(core)).toBe(1100);
  core.set('CNTVOFF_EL2', 1001n);
  expect(core.mrs('CNTVCT_EL0')).toBe((1n << 64n) - 1n);
  core.el = 2;
  core.setBits('HCR_EL2', HCR.E2H);
  expect(core.mrs('CNTVCT_EL0')).toBe(1000n);
});

test('TVAL is a signed 32-bit view on CVAL', () => {
  const core = new FakeCore(1);
  core.now = 5000;
  core.msr('CNTP_TVAL_EL0', 0x1_0000_0010n);
  expect(core.get('CNTP_CVAL_EL0')).toBe(5016n);
  expect(core.timerChanges).toBe(1);
  core.now = 5020;
  expect(core.mrs('CNTP_TVAL_EL0')).toBe(0xffff_fffcn);
  core.msr('CNTP_TVAL_EL0', 0xffff_ffffn);
  expect(core.get('CNTP_CVAL_EL0')).toBe(5019n);
});

test('a compare value beyond the range of numbers is just far away', () => {
  const core = new FakeCore(1);
  core.msr('CNTP_CVAL_EL0', (1n << 64n) - 1n);
  core.msr('CNTP_CTL_EL0', 1n);
  expect(nextTimerTicks(core)).toBeGreaterThan(1e19);
  expect(timerOutputs(core)).toBe(0);
});

test('the EL2 timers have outputs of their own', () => {
  const core = new FakeCore(2);
  core.msr('CNTHP_CTL_EL2', 1n);
  core.msr('CNTHV_CTL_EL2', 1n);
  expect(timerOutputs(core)).toBe(TIMER.EL2_PHYSICAL | TIMER.EL2_VIRTUAL);
});

test('FEAT_ECV: EL1 and EL0 count from CNTPOFF_EL2 where CNTHCTL_EL2.ECV says so, EL2 and a host do not', () => {
  const core = new FakeCore(1);
  core.now = 1000;
  core.set('CNTPOFF_EL2', 600n);
  expect(core.mrs('CNTPCT_EL0')).toBe(1000n);
  core.setBits('CNTHCTL_EL2', 12);
  expect([core.mrs('CNTPCT_EL0'), core.mrs('CNTPCTSS_EL0')]).toEqual([400n, 400n]);
  core.msr('CNTP_TVAL_EL0', 100n);
  expect(core.get('CNTP_CVAL_EL0')).toBe(500n);
  core.msr('CNTP_CTL_EL0', 1n);
  expect(nextTimerTicks(core)).toBe(1100);
  core.el = 2;
  expect(core.mrs('CNTPCT_EL0')).toBe(1000n);
  core.el = 0;
  core.setBits('HCR_EL2', HCR.E2H, HCR.TGE);
  expect(core.mrs('CNTPCTSS_EL0')).toBe(1000n);
});

test('FEAT_ECV: CNTHCTL_EL2.{EL1TVT, EL1TVCT} trap the virtual timer and count of EL1', () => {
  const core = new FakeCore(1);
  const trapped = (name: string): boolean => typeof core.mrs(name) !== 'bigint';
  core.setBits('CNTHCTL_EL2', 13);
  expect([trapped('CNTV_CTL_EL0'), trapped('CNTVCT_EL0')]).toEqual([true, false]);
  core.set('CNTHCTL_EL2', 3n);
  core.setBits('CNTHCTL_EL2', 14);
  expect([trapped('CNTV_CVAL_EL0'), trapped('CNTVCTSS_EL0'), trapped('CNTPCT_EL0')]).toEqual([false, true, false]);
});

// The counter goes on while they are computed: what is not due at the one must be due later at the other, or nobody looks again.
test.each([
  ['CNTP_CTL_EL0', 'CNTP_CVAL_EL0', 0n],
  ['CNTV_CTL_EL0', 'CNTV_CVAL_EL0', 0n],
  ['CNTV_CTL_EL0', 'CNTV_CVAL_EL0', 2000n],
  ['CNTHP_CTL_EL2', 'CNTHP_CVAL_EL2', 0n],
  ['CNTHV_CTL_EL2', 'CNTHV_CVAL_EL2', 0n],
] as const)(
  'outputs and the next change are those of one moment (%s, %s, CNTVOFF_EL2 %i)',
  (control, value, offset) => {
    const core = new FakeCore(2);
    core.set('CNTVOFF_EL2', offset);
    core.set(value, BigInt.asUintN(64, 1001n - offset));
    core.set(control, 1n);
    core.now = 1500;
    expect(timerOutputs(core, 1000)).toBe(0);
    expect(nextTimerTicks(core, 1000)).toBe(1001);
    expect(timerOutputs(core, 1001)).not.toBe(0);
    expect(nextTimerTicks(core, 1001)).toBe(Infinity);
  },
);
