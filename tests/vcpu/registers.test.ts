import { describe, expect, it } from 'vitest';
import { sysregKey } from '../../arch/core/frame.ts';
import { idRegister } from '../../arch/core/idregs.ts';
import { guestIdRegister } from '../../vcpu/id-registers.ts';
import { PhysicalTimer } from '../../vcpu/physical-timer.ts';

const field = (value: bigint | undefined, lsb: number): number => Number(((value ?? 0n) >> BigInt(lsb)) & 15n);
const PFR0 = sysregKey(3, 0, 0, 4, 0);
const DFR0 = sysregKey(3, 0, 0, 5, 0);
const ISAR0 = sysregKey(3, 0, 0, 6, 0);
const MMFR0 = sysregKey(3, 0, 0, 7, 0);
const MMFR1 = sysregKey(3, 0, 0, 7, 1);
const MMFR2 = sysregKey(3, 0, 0, 7, 2);

describe('identification registers of a guest', () => {
  it('show no EL2, no EL3 and nothing that only they have', () => {
    expect([field(guestIdRegister(PFR0), 8), field(guestIdRegister(PFR0), 12)]).toEqual([0, 0]);
    expect([4, 8, 16, 28].map((lsb) => field(guestIdRegister(MMFR1), lsb))).toEqual([0, 0, 0, 0]);
    expect([24, 40, 56].map((lsb) => field(guestIdRegister(MMFR2), lsb))).toEqual([0, 0, 0]);
    expect([4, 32, 40].map((lsb) => field(guestIdRegister(DFR0), lsb))).toEqual([0, 0, 0]);
  });

  it('show the instructions, the GIC and the performance monitors as the processor has them', () => {
    expect(guestIdRegister(ISAR0)).toBe(idRegister('ID_AA64ISAR0_EL1'));
    for (const lsb of [0, 4, 16, 20, 24])
      expect(field(guestIdRegister(PFR0), lsb)).toBe(field(idRegister('ID_AA64PFR0_EL1'), lsb));
    expect(field(guestIdRegister(DFR0), 8)).toBe(field(idRegister('ID_AA64DFR0_EL1'), 8));
  });

  it('show the self-synchronized counters, which do not trap, and no more of FEAT_ECV', () => {
    expect(field(guestIdRegister(MMFR0), 60)).toBe(1);
  });

  it('read as zero where none is defined, and are no other registers', () => {
    expect(guestIdRegister(sysregKey(3, 0, 0, 1, 0))).toBe(0n);
    expect(guestIdRegister(sysregKey(3, 0, 0, 7, 7))).toBe(0n);
    expect(guestIdRegister(sysregKey(3, 0, 0, 0, 0))).toBeUndefined();
    expect(guestIdRegister(sysregKey(3, 0, 1, 0, 0))).toBeUndefined();
  });
});

describe('the physical timer', () => {
  const TVAL = sysregKey(3, 3, 14, 2, 0);
  const CTL = sysregKey(3, 3, 14, 2, 1);
  const CVAL = sysregKey(3, 3, 14, 2, 2);

  it('fires when the count reaches CVAL, unless it is masked', () => {
    const timer = new PhysicalTimer();
    timer.write(CVAL, 1000n, 0);
    expect([timer.level(2000), timer.deadline(0)]).toEqual([false, undefined]);
    timer.write(CTL, 1n, 0);
    expect([timer.level(999), timer.level(1000), timer.deadline(999), timer.deadline(1000)]).toEqual([
      false,
      true,
      1000,
      undefined,
    ]);
    expect(timer.read(CTL, 1000)).toBe(5n);
    timer.write(CTL, 3n, 0);
    expect([timer.level(1000), timer.read(CTL, 1000)]).toEqual([false, 7n]);
  });

  it('counts TVAL from now, as a signed number of 32 bits', () => {
    const timer = new PhysicalTimer();
    timer.write(TVAL, 0xffff_ffff_0000_0064n, 5000);
    expect([timer.read(CVAL, 0), timer.read(TVAL, 5050), timer.read(TVAL, 5101)]).toEqual([5100n, 50n, 0xffff_ffffn]);
    timer.write(TVAL, 0xffff_fff6n, 5000);
    expect(timer.read(CVAL, 0)).toBe(4990n);
  });

  it('knows its own registers only', () => {
    const timer = new PhysicalTimer();
    const other = sysregKey(3, 3, 14, 3, 1);
    expect([timer.read(other, 0), timer.write(other, 1n, 0)]).toEqual([undefined, false]);
  });

  it('never wakes anybody for a time that cannot come', () => {
    const timer = new PhysicalTimer();
    timer.write(CVAL, 2n ** 64n - 1n, 0);
    timer.write(CTL, 1n, 0);
    expect([timer.level(2 ** 52), timer.deadline(0)]).toEqual([false, undefined]);
  });
});
