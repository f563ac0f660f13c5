import { expect, test } from 'vitest';
import { countEvent, countPassed, EVENT, pmuOutput, untilOverflow } from '../../../arch/core/pmu.ts';
import { MDCR } from '../../../arch/core/sysreg-bits.ts';
import { FakeCore } from './fake-core.ts';

/** A core whose counters 0 … count what they are told, at EL1. */
function counting(...events: number[]): FakeCore {
  const core = new FakeCore(1);
  events.forEach((event, n) => core.msr(`PMEVTYPER${n}_EL0`, BigInt(event)));
  core.msr('PMCNTENSET_EL0', (1n << BigInt(events.length)) - 1n);
  core.msr('PMCR_EL0', 1n);
  return core;
}

const counters = (core: FakeCore, count: number): unknown[] =>
  Array.from({ length: count }, (_, n) => core.mrs(`PMEVCNTR${n}_EL0`));

test('CHAIN makes an odd counter the upper half of the even one before it', () => {
  const core = counting(EVENT.INST_RETIRED, EVENT.CHAIN, EVENT.CHAIN, EVENT.CHAIN);
  core.msr('PMEVCNTR0_EL0', 0xffff_ffffn);
  countPassed(core, 3, 0);
  expect(counters(core, 4)).toEqual([2n, 1n, 0n, 0n]);
  expect(core.mrs('PMOVSSET_EL0')).toBe(1n);
  core.msr('PMEVCNTR0_EL0', 0xffff_ffffn);
  core.msr('PMEVCNTR1_EL0', 0xffff_ffffn);
  countPassed(core, 1, 0);
  expect(counters(core, 2)).toEqual([0n, 0n]);
  expect(core.mrs('PMOVSCLR_EL0')).toBe(3n);
});

test('events are counted one by one, writes of TTBR and CONTEXTIDR among them', () => {
  const core = counting(EVENT.TTBR_WRITE_RETIRED, EVENT.CID_WRITE_RETIRED, EVENT.EXC_TAKEN, EVENT.STALL_FRONTEND);
  core.msr('TTBR0_EL1', 0n);
  core.msr('TTBR1_EL1', 0x1000n);
  core.msr('CONTEXTIDR_EL1', 5n);
  countEvent(core, EVENT.EXC_TAKEN);
  countPassed(core, 1000, 1000);
  expect(counters(core, 4)).toEqual([2n, 1n, 1n, 0n]);
  core.msr('PMCR_EL0', 0n);
  core.msr('CONTEXTIDR_EL1', 5n);
  expect(counters(core, 2)).toEqual([2n, 1n]);
});

test('PMCEID<n>_EL0 list what there is', () => {
  const core = new FakeCore(1);
  const has = (event: number): boolean =>
    (((core.mrs(`PMCEID${event >> 5}_EL0`) as bigint) >> BigInt(event & 31)) & 1n) === 1n;
  expect(Object.values(EVENT).every(has)).toBe(true);
  expect([0x01, 0x03, 0x10, 0x12, 0x22].some(has)).toBe(false);
});

test('the cycle counter runs at 1 GHz and overflows at 64 bits', () => {
  const core = new FakeCore(1);
  core.msr('PMCNTENSET_EL0', 1n << 31n);
  core.msr('PMCR_EL0', 1n);
  countPassed(core, 7, core.counterFrequency);
  expect(core.mrs('PMCCNTR_EL0')).toBe(1_000_000_000n);
  core.msr('PMCCNTR_EL0', 0xffff_fff0n);
  countPassed(core, 7, 1);
  expect([core.mrs('PMCCNTR_EL0'), core.mrs('PMOVSSET_EL0')]).toEqual([0x1_0000_0000n, 0n]);
  core.msr('PMCCNTR_EL0', (1n << 64n) - 16n);
  expect(untilOverflow(core).ticks).toBe(1);
  countPassed(core, 7, 1);
  expect([core.mrs('PMCCNTR_EL0'), core.mrs('PMOVSSET_EL0')]).toEqual([0n, 1n << 31n]);
});

test('the interrupt follows overflow, its enable and the counter group; the next overflow is foreseen', () => {
  const core = counting(EVENT.INST_RETIRED);
  core.msr('PMEVCNTR0_EL0', 0xffff_ff00n);
  expect(untilOverflow(core)).toEqual({ instructions: 256, ticks: Infinity });
  countPassed(core, 256, 0);
  expect(pmuOutput(core)).toBe(false);
  core.msr('PMINTENSET_EL1', 1n);
  expect(pmuOutput(core)).toBe(true);
  // The counter itself need not be enabled (AArch64.CheckForPMUOverflow).
  core.msr('PMCNTENCLR_EL0', 1n);
  expect(pmuOutput(core)).toBe(true);
  core.msr('PMCR_EL0', 0n);
  expect(pmuOutput(core)).toBe(false);
  core.msr('PMCR_EL0', 1n);
  core.msr('PMOVSCLR_EL0', 1n);
  expect(pmuOutput(core)).toBe(false);
});

test("EL2's counters by MDCR_EL2.HPMN: hidden from EL1, and run by HPME", () => {
  const core = counting(EVENT.INST_RETIRED, EVENT.INST_RETIRED, EVENT.INST_RETIRED);
  core.set('MDCR_EL2', 2n);
  countPassed(core, 5, 0);
  expect(counters(core, 3)).toEqual([5n, 5n, 0n]);
  expect(core.mrs('PMCNTENSET_EL0')).toBe(3n);
  core.msr('PMCNTENCLR_EL0', 0xffn);
  core.setBits('MDCR_EL2', MDCR.HPME);
  countPassed(core, 5, 0);
  core.el = 2;
  expect(core.mrs('PMCNTENSET_EL0')).toBe(4n);
  expect(counters(core, 3)).toEqual([5n, 5n, 5n]);
});

test('EL0 needs PMUSERENR_EL0; MDCR_EL2.TPM and TPMCR trap EL1', () => {
  const core = new FakeCore(0);
  const allowed = (name: string): boolean => typeof core.mrs(name) === 'bigint';
  const written = (name: string): boolean => core.msr(name, 0n) === undefined;
  expect([allowed('PMUSERENR_EL0'), allowed('PMCCNTR_EL0'), allowed('PMCR_EL0')]).toEqual([true, false, false]);
  core.set('PMUSERENR_EL0', 4n);
  expect([allowed('PMCCNTR_EL0'), written('PMCCNTR_EL0'), allowed('PMEVCNTR0_EL0')]).toEqual([true, false, false]);
  core.set('PMUSERENR_EL0', 8n);
  expect([
    allowed('PMEVCNTR0_EL0'),
    written('PMEVCNTR0_EL0'),
    written('PMSELR_EL0'),
    allowed('PMXEVTYPER_EL0'),
  ]).toEqual([true, false, true, false]);
  core.set('PMUSERENR_EL0', 2n);
  expect([written('PMSWINC_EL0'), written('PMCR_EL0')]).toEqual([true, false]);
  core.el = 1;
  core.setBits('MDCR_EL2', MDCR.TPMCR);
  expect([allowed('PMCR_EL0'), allowed('PMCCNTR_EL0')]).toEqual([false, true]);
  core.set('MDCR_EL2', 1n << BigInt(MDCR.TPM));
  expect([allowed('PMCCNTR_EL0'), allowed('PMINTENSET_EL1'), allowed('PMUSERENR_EL0')]).toEqual([false, false, false]);
});
