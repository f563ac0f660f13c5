import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONVENTION_64, Psci, PsciReturn, SMCCC_ARCH_FEATURES, SMCCC_VERSION, smcccCall } from '../../vcpu/psci.ts';

const machine = {
  cpus: 18,
  isOn: (cpu: number): boolean => cpu === 0,
  isMemory: (address: number): boolean => address >= 0x4000_0000 && address < 0x6000_0000,
};
const invoke = (id: number, a = 0n, b = 0n, c = 0n): ReturnType<typeof smcccCall> => smcccCall(id, [a, b, c], machine);
const wide = (id: number): number => (id | CONVENTION_64) >>> 0;
const value = (v: number): unknown => ({ action: 'return', value: v });

describe('PSCI', () => {
  it('is version 1.1, on SMCCC 1.1, and needs no migration', () => {
    expect(invoke(Psci.VERSION)).toEqual(value(0x10001));
    expect(invoke(SMCCC_VERSION)).toEqual(value(0x10001));
    expect(invoke(Psci.MIGRATE_INFO_TYPE)).toEqual(value(2));
  });

  it('says which functions there are, in which convention', () => {
    for (const id of Object.values(Psci)) expect(invoke(Psci.FEATURES, BigInt(id))).toEqual(value(0));
    expect(invoke(Psci.FEATURES, BigInt(SMCCC_VERSION))).toEqual(value(0));
    expect(invoke(Psci.FEATURES, BigInt(wide(Psci.CPU_ON)))).toEqual(value(0));
    expect(invoke(Psci.FEATURES, BigInt(wide(Psci.VERSION)))).toEqual(value(PsciReturn.NOT_SUPPORTED));
    expect(invoke(Psci.FEATURES, 0x8400_0005n)).toEqual(value(PsciReturn.NOT_SUPPORTED));
  });

  it('switches a core on by its affinity, at an entry point in memory', () => {
    const on = { action: 'cpuOn', value: 0, entry: 0x4020_0000, context: 7n };
    expect(invoke(wide(Psci.CPU_ON), 1n, 0x4020_0000n, 7n)).toEqual({ ...on, cpu: 1 });
    // 16 cores to a cluster.
    expect(invoke(wide(Psci.CPU_ON), 0x101n, 0x4020_0000n, 7n)).toEqual({ ...on, cpu: 17 });
    expect(invoke(Psci.CPU_ON, 0xffff_ffff_0000_0001n, 0x1_4020_0000n, 0xffff_ffff_0000_0007n)).toEqual({
      ...on,
      cpu: 1,
    });
  });

  it('refuses to switch on what is on, is not there, or would not run', () => {
    const { ALREADY_ON, INVALID_PARAMETERS, INVALID_ADDRESS } = PsciReturn;
    expect(invoke(wide(Psci.CPU_ON), 0n, 0x4020_0000n)).toEqual(value(ALREADY_ON));
    for (const affinity of [16n, 0x102n, 1n << 32n, 0x8000_0001n, -1n & 0xffff_ffff_ffff_ffffn])
      expect(invoke(wide(Psci.CPU_ON), affinity, 0x4020_0000n)).toEqual(value(INVALID_PARAMETERS));
    for (const entry of [0n, 0x6000_0000n, 0x4020_0002n, 0xffff_ffff_ffff_fffcn])
      expect(invoke(wide(Psci.CPU_ON), 1n, entry)).toEqual(value(INVALID_ADDRESS));
  });

  it('tells which cores are on', () => {
    expect(invoke(wide(Psci.AFFINITY_INFO), 0n, 0n)).toEqual(value(0));
    expect(invoke(wide(Psci.AFFINITY_INFO), 1n, 0n)).toEqual(value(1));
    expect(invoke(wide(Psci.AFFINITY_INFO), 99n, 0n)).toEqual(value(PsciReturn.INVALID_PARAMETERS));
    expect(invoke(wide(Psci.AFFINITY_INFO), 0n, 1n)).toEqual(value(PsciReturn.INVALID_PARAMETERS));
  });

  it('ends cores and systems', () => {
    expect(invoke(Psci.CPU_OFF)).toEqual({ action: 'cpuOff' });
    expect(invoke(Psci.SYSTEM_OFF)).toEqual({ action: 'systemOff' });
    expect(invoke(Psci.SYSTEM_RESET)).toEqual({ action: 'systemReset' });
    expect(invoke(wide(Psci.SYSTEM_RESET2), 0n)).toEqual({ action: 'systemReset' });
    expect(invoke(wide(Psci.SYSTEM_RESET2), 1n)).toEqual(value(PsciReturn.INVALID_PARAMETERS));
  });

  it('suspends by waiting, and comes back with success', () => {
    expect(invoke(wide(Psci.CPU_SUSPEND), 1n << 16n, 0x4020_0000n)).toEqual({ action: 'suspend', value: 0 });
  });

  it('answers NOT_SUPPORTED to what it does not know', () => {
    expect(invoke(SMCCC_ARCH_FEATURES, 0x8000_8000n)).toEqual(value(-1));
    expect(invoke(SMCCC_ARCH_FEATURES, BigInt(SMCCC_VERSION))).toEqual(value(0));
    const known = new Set<number>([
      ...Object.values(Psci).flatMap((id) => [id, wide(id)]),
      SMCCC_VERSION,
      SMCCC_ARCH_FEATURES,
    ]);
    const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), word, word, word, (id, a, b, c) => {
        fc.pre(!known.has(id));
        expect(invoke(id, a, b, c)).toEqual(value(PsciReturn.NOT_SUPPORTED));
      }),
    );
  });
});
