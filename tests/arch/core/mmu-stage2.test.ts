import { beforeEach, describe, expect, test } from 'vitest';
import { ACCESS, FSC } from '../../../arch/core/mmu.ts';
import { forceAttributes } from '../../../arch/core/mmu-attributes.ts';
import { type El, type Granule, GRANULES, HCR, leaf, RAM_BASE, SCTLR, TestMachine, TG0 } from './mmu-fixture.ts';

const { READ, WRITE, FETCH, ATOMIC, AT, STAGE1 } = ACCESS;
const m = new TestMachine();
beforeEach(() => {
  m.reset();
});

const OUTPUT = 0x40_0000_0000n;
const AF = 1n << 10n;
const DBM = 1n << 51n;
const S2AP_W = 1n << 7n;

function fault() {
  const { fsc, stage2, s1ptw, ipa } = m.mmu.fault;
  return { fsc, stage2, s1ptw, ipa: BigInt(ipa) };
}
const stage2Fault = (fsc: number, ipa: bigint, s1ptw = false) => ({ fsc, stage2: true, s1ptw, ipa });
const shiftAt = (granule: Granule, level: number) => granule + (granule - 3) * (3 - level);
/** SL0 of a first level. */
const sl0 = (granule: Granule, level: number) => BigInt((granule === 12 ? 2 : 3) - level);

/** Stage 2 on and stage 1 off. */
function stage2(root: bigint, bits: number, granule: Granule, level: number, more = 0n, ps = 5n): void {
  m.set('HCR_EL2', HCR.VM);
  m.set('VTTBR_EL2', root);
  m.set('VTCR_EL2', BigInt(64 - bits) | (sl0(granule, level) << 6n) | (TG0[granule] << 14n) | (ps << 16n) | more);
}

describe.each(GRANULES)('stage 2 alone, granule 2^%d', (granule) => {
  test('a walk may start where 1 to 16 tables resolve the input, and nowhere else', () => {
    for (let level = granule === 12 ? 0 : 1; level <= (granule === 12 ? 2 : 3); level++) {
      for (let bits = 25; bits <= 48; bits++) {
        m.reset();
        const first = bits - shiftAt(granule, level);
        const root = m.allocate(Math.max(16, 1 << Math.min(granule + 4, Math.max(4, first + 3))));
        stage2(root, bits, granule, level);
        const fits = first >= 1 && first <= granule - 3 + 4;
        const ipa = (1n << BigInt(bits)) - 0x123n;
        const shift = fits ? Math.max(shiftAt(granule, 3), granule) : 0;
        if (fits) m.map(root, bits, granule, ipa, leaf(OUTPUT, 3, { ap: 3 }), 3, level);
        expect(m.translate(ipa, READ, 1)).toBe(fits);
        if (fits) {
          expect(BigInt(m.mmu.pa)).toBe(OUTPUT | (ipa & ((1n << BigInt(granule)) - 1n)));
          expect(m.mmu.blockShift).toBe(shift);
          if (bits < 48) {
            const beyond = 1n << BigInt(bits);
            expect(m.translate(beyond, READ, 1)).toBe(false);
            expect(fault()).toEqual(stage2Fault(FSC.TRANSLATION, beyond));
          }
        } else {
          expect(fault()).toEqual(stage2Fault(FSC.TRANSLATION, ipa));
        }
      }
    }
  });

  const bits = granule === 12 ? 40 : 42;
  const start = granule === 16 ? 2 : 1;
  for (const level of granule === 12 ? [1, 2, 3] : [2, 3]) {
    test(`leaves and faults of level ${level}`, () => {
      const ipa = 0x20_1234_5678n;
      const root = m.allocate(1 << (granule + 4));
      stage2(root, bits, granule, start, 0n, 3n);
      const path = m.map(root, bits, granule, ipa, leaf(0n, level, { ap: 3 }), level, start);
      const at = path.at(-1)!;
      expect(m.translate(ipa, READ, 1)).toBe(true);
      expect(BigInt(m.mmu.pa)).toBe(ipa & ((1n << BigInt(shiftAt(granule, level))) - 1n));
      const rejects = (descriptor: bigint, fsc: number, access: number = READ, el: El = 1) => {
        m.write(at, descriptor);
        expect(m.translate(ipa, access, el)).toBe(false);
        expect(fault()).toEqual(stage2Fault(fsc | level, ipa));
      };
      rejects(0n, FSC.TRANSLATION);
      rejects(2n, FSC.TRANSLATION);
      rejects(leaf(1n << 42n, level, { ap: 3 }), FSC.ADDRESS_SIZE);
      rejects(leaf(0n, level, { ap: 3, af: false }), FSC.ACCESS_FLAG);
      rejects(leaf(0n, level, { ap: 2 }), FSC.PERMISSION);
      rejects(leaf(0n, level, { ap: 1 }), FSC.PERMISSION, WRITE);
      for (const [xn, el1, el0] of [
        [0, true, true],
        [1, false, true],
        [2, false, false],
        [3, true, false],
      ] as const) {
        m.write(at, leaf(0n, level, { ap: 0, xn }));
        expect([m.translate(ipa, FETCH, 1), m.translate(ipa, FETCH, 0)]).toEqual([el1, el0]);
      }
      if (level > start) {
        m.write(path.at(-2)!, BigInt(RAM_BASE + m.size) | 3n);
        expect(m.translate(ipa, READ, 1)).toBe(false);
        expect(fault()).toEqual(stage2Fault(FSC.EXTERNAL_ON_WALK | level, ipa));
      }
    });
  }
});

describe('stage 2 alone', () => {
  let root = 0n;
  let at = 0n;
  const enter = (descriptor: bigint, vtcr = 0n) => {
    m.reset();
    root = m.allocate(0x2000);
    stage2(root, 40, 12, 1, vtcr);
    at = m.map(root, 40, 12, 0x1000n, descriptor, 3, 1).at(-1)!;
  };
  const HA = 1n << 21n;
  const HD = 1n << 22n;

  test('the base must be inside VTCR_EL2.PS', () => {
    stage2(1n << 41n, 40, 12, 1, 0n, 2n);
    expect(m.translate(0x1000n, READ, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.ADDRESS_SIZE, 0x1000n));
  });
  test('HA sets the access flag, HD the dirty state (S2AP[1])', () => {
    enter(leaf(OUTPUT, 3, { ap: 1, af: false, dbm: true }), HA | HD);
    expect(m.translate(0x1000n, READ, 1) && m.mmu.writable).toBe(false);
    expect(m.read(at) & (AF | S2AP_W)).toBe(AF);
    expect(m.translate(0x1000n, WRITE | AT, 1)).toBe(true);
    expect(m.read(at) & S2AP_W).toBe(0n);
    expect(m.translate(0x1000n, WRITE, 1) && m.mmu.writable).toBe(true);
    expect(m.read(at) & S2AP_W).toBe(S2AP_W);
    enter(leaf(OUTPUT, 3, { ap: 1, dbm: true }), HD);
    expect(m.translate(0x1000n, WRITE, 1)).toBe(false);
  });
  test('the regime of EL2 has no stage 2, nor has EL2&0', () => {
    enter(0n);
    expect(m.translate(0x5000n, READ, 1)).toBe(false);
    expect(m.translate(0x5000n, READ, 2)).toBe(true);
    m.set('HCR_EL2', HCR.VM | HCR.E2H | HCR.TGE);
    expect(m.translate(0x5000n, READ, 0)).toBe(true);
    m.set('HCR_EL2', 0n);
    expect(m.translate(0x5000n, READ, 1)).toBe(true);
  });
  test('DC turns stage 2 on and stage 1 off, with Normal memory', () => {
    enter(leaf(OUTPUT, 3, { ap: 3, attr: 15 }));
    m.set('SCTLR_EL1', SCTLR.M);
    m.set('HCR_EL2', HCR.DC);
    expect(m.translate(0x1000n, READ, 1) && BigInt(m.mmu.pa)).toBe(OUTPUT);
    expect([m.mmu.attributes, m.mmu.device]).toEqual([0xff, false]);
    expect(m.translate(0x5000n, READ, 1)).toBe(false);
  });
  test('Device wins over Normal, Non-cacheable over cacheable; CD and ID make Normal memory Non-cacheable', () => {
    const attributesOf = (memAttr: number, access: number = READ) => {
      m.write(at, leaf(OUTPUT, 3, { ap: 3, attr: memAttr, sh: 3 }));
      return m.translate(0x1000n, access, 1) ? [m.mmu.attributes, m.mmu.shareability] : undefined;
    };
    enter(0n);
    // Stage 1 is off: Device-nGnRnE.
    expect(attributesOf(15)).toEqual([0x00, 2]);
    m.set('HCR_EL2', HCR.DC);
    const expected = new Map([
      [0, 0x00],
      [1, 0x04],
      [2, 0x08],
      [3, 0x0c],
      [5, 0x44],
      [10, 0xbb],
      [11, 0xbf],
      [14, 0xfb],
      [15, 0xff],
    ]);
    for (const [memAttr, value] of expected) {
      expect(attributesOf(memAttr)).toEqual([value, value < 16 || value === 0x44 ? 2 : 3]);
    }
    m.set('HCR_EL2', HCR.DC | HCR.CD);
    expect(attributesOf(15)).toEqual([0x44, 2]);
    expect(attributesOf(1)).toEqual([0x04, 2]);
    expect(attributesOf(15, FETCH)?.[0]).toBe(0xff);
    m.set('HCR_EL2', HCR.DC | HCR.ID);
    expect(attributesOf(15, FETCH)?.[0]).toBe(0x44);
  });
});

describe('both stages', () => {
  /** Stage-1 tables stand in RAM at the same IPA + IPA_OFFSET. */
  const BITS = 39;
  const VA = 0x1000n;
  const DATA = 0x8000_0000n;
  let root1 = 0n;
  let root2 = 0n;
  let tables: bigint[] = [];
  const mapIpa = (ipa: bigint, o: Parameters<typeof leaf>[2] = {}) =>
    m.map(root2, 40, 12, ipa, leaf(ipa & ~0xfffn, 3, { ap: 3, attr: 15, ...o }), 3, 1).at(-1)!;

  function enter(stage1: bigint, tcr = 0n, vtcr = 0n): void {
    m.reset();
    root2 = m.allocate(0x2000);
    root1 = m.allocate(0x1000);
    stage2(root2, 40, 12, 1, vtcr);
    m.set('SCTLR_EL1', SCTLR.M);
    m.set('TCR_EL1', BigInt(64 - BITS) | (BigInt(64 - BITS) << 16n) | (2n << 30n) | (5n << 32n) | tcr);
    m.set('TTBR0_EL1', root1);
    tables = m.map(root1, BITS, 12, VA, stage1);
    for (const at of tables) mapIpa(at);
    mapIpa(DATA);
  }

  test('the permissions are those that both give, the block is that of stage 1', () => {
    enter(leaf(DATA, 3, { ap: 1 }));
    expect(m.translate(VA | 0x123n, READ, 1)).toBe(true);
    expect([m.mmu.pa, m.mmu.readable, m.mmu.writable, m.mmu.executable]).toEqual([0x8000_0123, true, true, false]);
    mapIpa(DATA, { ap: 1, xn: 2 });
    expect(m.translate(VA, READ, 0)).toBe(true);
    expect([m.mmu.readable, m.mmu.writable, m.mmu.executable, m.mmu.userAccessible]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    const block = leaf(DATA & ~0x1f_ffffn, 2, { ap: 1 });
    for (const at of m.map(root1, BITS, 12, 0x4000_0000n, block, 2)) mapIpa(at);
    expect(m.translate(0x4000_0000n, READ, 1) && m.mmu.blockShift).toBe(21);
  });
  test('a stage-2 fault of the access names the IPA with its offset', () => {
    enter(leaf(DATA + 0x5000n, 3));
    expect(m.translate(VA | 0xabcn, WRITE, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.TRANSLATION | 3, DATA + 0x5abcn));
    expect(m.mmu.fault.wnr).toBe(true);
  });
  test('a stage-1 fault comes before one of stage 2', () => {
    enter(leaf(DATA + 0x5000n, 3, { ap: 2 }));
    expect(m.translate(VA, WRITE, 1)).toBe(false);
    expect([m.mmu.fault.stage2, m.mmu.fault.fsc]).toEqual([false, FSC.PERMISSION | 3]);
  });
  test('a fault on reading a table names the descriptor, at each level', () => {
    for (const at of [0, 1, 2]) {
      enter(leaf(DATA, 3));
      m.write(mapIpa(tables[at]!), 0n);
      expect(m.translate(VA, WRITE, 1)).toBe(false);
      expect(fault()).toEqual(stage2Fault(FSC.TRANSLATION | 3, tables[at]!, true));
      mapIpa(tables[at]!, { ap: 2 });
      expect(m.translate(VA, READ, 1)).toBe(false);
      expect(fault()).toEqual(stage2Fault(FSC.PERMISSION | 3, tables[at]!, true));
      mapIpa(tables[at]!, { af: false });
      expect(m.translate(VA, READ, 1)).toBe(false);
      expect(fault()).toEqual(stage2Fault(FSC.ACCESS_FLAG | 3, tables[at]!, true));
    }
  });
  test('a table that stage 2 places outside RAM is an external abort of stage 1', () => {
    enter(leaf(DATA, 3));
    m.write(mapIpa(tables[2]!), leaf(0x1_0000_0000n, 3, { ap: 3 }));
    expect(m.translate(VA, READ, 1)).toBe(false);
    expect([m.mmu.fault.fsc, m.mmu.fault.stage2]).toEqual([FSC.EXTERNAL_ON_WALK | 3, false]);
  });
  test('PTW: tables in Device memory are permission faults', () => {
    enter(leaf(DATA, 3));
    mapIpa(tables[1]!, { attr: 1 });
    expect(m.translate(VA, READ, 1)).toBe(true);
    m.set('HCR_EL2', HCR.VM | HCR.PTW);
    expect(m.translate(VA, READ, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.PERMISSION | 3, tables[1]!, true));
  });
  test('updates of a stage-1 descriptor need stage 2 to let them write', () => {
    const HA = 1n << 39n;
    const HD = 1n << 40n;
    enter(leaf(DATA, 3, { af: false }), HA);
    mapIpa(tables[2]!, { ap: 1 });
    expect(m.translate(VA, READ, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.PERMISSION | 3, tables[2]!, true));
    expect(m.mmu.fault.wnr).toBe(false);
    expect(m.translate(VA, WRITE | ATOMIC, 1)).toBe(false);
    expect(m.mmu.fault.wnr).toBe(false);
    enter(leaf(DATA, 3, { ap: 2, dbm: true }), HA | HD);
    mapIpa(tables[2]!, { ap: 1 });
    expect(m.translate(VA, READ, 1)).toBe(true);
    expect(m.translate(VA, WRITE, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.PERMISSION | 3, tables[2]!, true));
    expect(m.mmu.fault.wnr).toBe(true);
    expect(m.translate(VA, WRITE | ATOMIC, 1)).toBe(false);
    expect(m.mmu.fault.wnr).toBe(true);
  });
  test('an update of a stage-1 descriptor makes its own page dirty in stage 2', () => {
    enter(leaf(DATA, 3, { af: false }), 1n << 39n, 3n << 21n);
    const page = mapIpa(tables[2]!, { ap: 1, dbm: true, af: false });
    expect(m.translate(VA, READ, 1)).toBe(true);
    expect(m.read(page) & (AF | DBM | S2AP_W)).toBe(AF | DBM | S2AP_W);
    expect(m.read(tables[2]!) & AF).toBe(AF);
  });
  test('AT S1E1R gives the IPA, though its walk goes through stage 2', () => {
    enter(leaf(DATA + 0x5000n, 3, { attr: 0 }));
    expect(m.translate(VA | 8n, READ | AT | STAGE1, 1) && BigInt(m.mmu.pa)).toBe(DATA + 0x5008n);
    m.write(mapIpa(tables[0]!), 0n);
    m.mmu.invalidate();
    expect(m.translate(VA, READ | AT | STAGE1, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.TRANSLATION | 3, tables[0]!, true));
  });
  test('what is remembered of table pages goes with invalidate() and with another VTTBR_EL2', () => {
    enter(leaf(DATA, 3));
    expect(m.translate(VA, READ, 1)).toBe(true);
    m.write(mapIpa(tables[1]!), 0n);
    m.mmu.invalidate();
    expect(m.translate(VA, READ, 1)).toBe(false);
    mapIpa(tables[1]!);
    expect(m.translate(VA, READ, 1)).toBe(true);
    m.set('VTTBR_EL2', m.allocate(0x2000));
    expect(m.translate(VA, READ, 1)).toBe(false);
    expect(fault()).toEqual(stage2Fault(FSC.TRANSLATION | 1, tables[0]!, true));
    m.set('VTTBR_EL2', root2 | (5n << 48n));
    expect(m.translate(VA, READ, 1)).toBe(true);
  });
});

test('HCR_EL2.FWB: stage 2 forces Device, Non-cacheable or Write-Back, or leaves it to stage 1', () => {
  const [device, writeThrough, writeBack, mixed] = [0x04, 0xaa, 0xff, 0x4b];
  const forced = (memAttr: number): number[] =>
    [device, writeThrough, writeBack, mixed].map((first) => forceAttributes(first, memAttr));
  expect(forced(0)).toEqual([0x00, 0x00, 0x00, 0x00]);
  expect(forced(3)).toEqual([0x04, 0x0c, 0x0c, 0x0c]);
  expect(forced(5)).toEqual([0x04, 0x44, 0x44, 0x44]);
  expect(forced(6)).toEqual([0xff, 0xee, 0xff, 0xff]);
  expect(forced(7)).toEqual([device, writeThrough, writeBack, mixed]);

  // Through a walk: stage 1 is off, so Device.
  const root = m.allocate(0x1000);
  const [at] = m.map(root, 39, 12, 0x1000n, leaf(OUTPUT, 3, { ap: 3, attr: 6 }), 3, 1).slice(-1);
  stage2(root, 39, 12, 1);
  m.set('HCR_EL2', HCR.VM | HCR.FWB);
  expect(m.translate(0x1000n, READ, 1) && m.mmu.attributes).toBe(0xff);
  m.write(at!, leaf(OUTPUT, 3, { ap: 3, attr: 7 }));
  expect(m.translate(0x1000n, READ, 1) && m.mmu.attributes).toBe(0x00);
  m.set('HCR_EL2', HCR.VM | HCR.FWB | HCR.DC | HCR.CD);
  expect(m.translate(0x1000n, READ, 1) && m.mmu.attributes).toBe(0xff);
});
