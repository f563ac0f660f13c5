import { describe, expect, it } from 'vitest';
import { sysregKey } from '../../arch/core/frame.ts';
import * as S from '../../vcpu/syndrome.ts';

/** ESR_EL2 of a data abort of a transfer. */
const dabt = (sas: number, srt: number, { sse = 0, sf = 0, wnr = 0 } = {}): number =>
  ((0x24 << 26) | (1 << 25) | (1 << 24) | (sas << 22) | (sse << 21) | (srt << 16) | (sf << 15) | (wnr << 6) | 7) >>> 0;

describe('data aborts', () => {
  it('name the register, the size and the direction of a transfer', () => {
    const esr = dabt(2, 19, { wnr: 1 });
    expect([S.isTransfer(esr), S.transferRegister(esr), S.transferSize(esr), S.isStore(esr)]).toEqual([
      true,
      19,
      4,
      true,
    ]);
    expect([0, 1, 2, 3].map((sas) => S.transferSize(dabt(sas, 0)))).toEqual([1, 2, 4, 8]);
  });

  it('without a valid syndrome, of a table walk, of cache maintenance, or of instructions are no transfers', () => {
    expect(S.isTransfer(dabt(2, 0) & ~(1 << 24))).toBe(false);
    expect(S.isTransfer(dabt(2, 0) | (1 << 7))).toBe(false);
    expect(S.isTransfer(dabt(2, 0) | (1 << 8))).toBe(false);
    expect(S.isTransfer(((0x20 << 26) | (1 << 24)) >>> 0)).toBe(false);
  });

  it('extend what was loaded as the instruction says', () => {
    expect(S.loaded(dabt(0, 0), 0x80, 0)).toBe(0x80);
    expect(S.loaded(dabt(0, 0, { sse: 1 }), 0x80, 0)).toBe(0xffff_ff80);
    expect(S.loaded(dabt(0, 0, { sse: 1, sf: 1 }), 0x80, 0)).toBe(-128);
    expect(S.loaded(dabt(1, 0, { sse: 1, sf: 1 }), 0x7fff, 0)).toBe(0x7fff);
    expect(S.loaded(dabt(2, 0, { sse: 1, sf: 1 }), 0x8000_0000, 0)).toBe(-0x8000_0000);
    expect(S.loaded(dabt(2, 0), 0xffff_ffff, 0)).toBe(0xffff_ffff);
    expect(BigInt(S.loaded(dabt(3, 0), 0x89ab_cdef, 0x0012_3456))).toBe(0x0012_3456_89ab_cdefn);
    expect(BigInt(S.loaded(dabt(3, 0), 0x89ab_cdef, 0xf123_4567))).toBe(0xf123_4567_89ab_cdefn);
  });
});

describe('trapped system registers', () => {
  it('are named by their encoding', () => {
    // MSR ICC_SGI1R_EL1 (3 0 12 11 5), X7.
    const esr =
      ((0x18 << 26) | (1 << 25) | (3 << 20) | (5 << 17) | (0 << 14) | (12 << 10) | (7 << 5) | (11 << 1)) >>> 0;
    expect([S.trappedKey(esr), S.trappedRegister(esr), S.isRead(esr)]).toEqual([sysregKey(3, 0, 12, 11, 5), 7, false]);
    expect(S.isRead(esr | 1)).toBe(true);
  });
});
