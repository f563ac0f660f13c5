import { beforeEach, describe, expect, test } from 'vitest';
import { PSTATE } from '../../../arch/core/frame.ts';
import { ACCESS, currentAsid, currentVmid, FSC } from '../../../arch/core/mmu.ts';
import {
  type El,
  type Granule,
  GRANULES,
  HCR,
  leaf,
  RAM_BASE,
  SCTLR,
  startLevel,
  TestMachine,
  TG0,
  TG1,
} from './mmu-fixture.ts';

const { READ, WRITE, FETCH, ATOMIC, UNPRIV, MAINTENANCE, AT, AT_PAN } = ACCESS;
const m = new TestMachine();
beforeEach(() => {
  m.reset();
});

/** A leaf's output address that is aligned for every block. */
const OUTPUT = 0x40_0000_0000n;
const AF = 1n << 10n;
const DBM = 1n << 51n;
const AP_RO = 1n << 7n;

function fault() {
  const { fsc, stage2, s1ptw, wnr } = m.mmu.fault;
  return { fsc, stage2, s1ptw, wnr };
}
function stage1Fault(fsc: number, wnr = false) {
  return { fsc, stage2: false, s1ptw: false, wnr };
}
const blockLevels = (granule: Granule) => (granule === 12 ? [1, 2, 3] : [2, 3]);
const shiftAt = (granule: Granule, level: number) => granule + (granule - 3) * (3 - level);

/** EL1&0 with one size for both halves, tables at `root` for both. */
function el1(root: bigint, bits: number, granule: Granule, more = 0n, ips = 5n): void {
  const size = BigInt(64 - bits);
  m.set('SCTLR_EL1', SCTLR.M);
  m.set('TCR_EL1', size | (size << 16n) | (TG0[granule] << 14n) | (TG1[granule] << 30n) | (ips << 32n) | more);
  m.set('TTBR0_EL1', root);
  m.set('TTBR1_EL1', root);
}

describe.each(GRANULES)('stage 1, granule 2^%d', (granule) => {
  test('every input size, at every level that has leaves, in both halves', () => {
    for (let bits = 25; bits <= 48; bits++) {
      for (const level of blockLevels(granule)) {
        const shift = shiftAt(granule, level);
        if (level < startLevel(bits, granule)) continue;
        m.reset();
        const root = m.allocate(1 << granule);
        el1(root, bits, granule);
        // All bits that the tables see are used, so the last entry of each.
        const low = (1n << BigInt(bits)) - 1n;
        const path = m.map(root, bits, granule, low, leaf(OUTPUT, level, { ap: 1 }), level);
        expect(path.length).toBe(level - startLevel(bits, granule) + 1);
        for (const va of [low - 5n, BigInt.asUintN(64, -6n)]) {
          expect(m.translate(va, READ, 1)).toBe(true);
          expect(BigInt(m.mmu.pa)).toBe(OUTPUT | (va & ((1n << BigInt(shift)) - 1n)));
          expect(m.mmu.blockShift).toBe(shift);
          expect([m.mmu.readable, m.mmu.writable, m.mmu.executable, m.mmu.userAccessible]).toEqual([
            true,
            true,
            false,
            true,
          ]);
        }
        // One bit beyond the size is in neither half.
        if (bits < 48) {
          expect(m.translate(1n << BigInt(bits), READ, 1)).toBe(false);
          expect(fault()).toEqual(stage1Fault(FSC.TRANSLATION));
        }
      }
    }
  });

  for (let level = startLevel(48, granule); level <= 3; level++) {
    describe(`faults at level ${level}`, () => {
      const bits = 48;
      const va = 0x1234_5678_9abcn;
      let root = 0n;
      let path: bigint[] = [];
      let at = 0n;
      beforeEach(() => {
        root = m.allocate(1 << granule);
        el1(root, bits, granule, 0n, 2n);
        path = m.map(root, bits, granule, va, leaf(0x4000_0000n, 3, { ap: 1 }));
        at = path[level - startLevel(bits, granule)]!;
      });
      const rejects = (fsc: number) => {
        expect(m.translate(va, READ, 1)).toBe(false);
        expect(fault()).toEqual(stage1Fault(fsc | level));
        expect(m.translate(va, WRITE, 1)).toBe(false);
        expect(fault()).toEqual(stage1Fault(fsc | level, true));
        expect(m.translate(va, FETCH, 0)).toBe(false);
        expect(fault()).toEqual(stage1Fault(fsc | level));
      };
      test('translation: invalid and reserved descriptors', () => {
        for (const kind of [0n, 2n]) {
          m.write(at, (m.read(at) & ~3n) | kind);
          rejects(FSC.TRANSLATION);
        }
        if (!blockLevels(granule).includes(level) || level === 3) {
          m.write(at, (m.read(at) & ~3n) | 1n);
          rejects(FSC.TRANSLATION);
        }
      });
      test('address size: the output is beyond TCR_EL1.IPS', () => {
        m.write(at, m.read(at) | (1n << 40n));
        rejects(FSC.ADDRESS_SIZE);
        m.write(at, (m.read(at) & ~(1n << 40n)) | (1n << 47n));
        rejects(FSC.ADDRESS_SIZE);
      });
      test('external abort: the table is not in RAM', () => {
        const outside = BigInt(RAM_BASE + m.size);
        if (level === startLevel(bits, granule)) m.set('TTBR0_EL1', outside);
        else m.write(path[level - startLevel(bits, granule) - 1]!, outside | 3n);
        rejects(FSC.EXTERNAL_ON_WALK);
      });
      if (blockLevels(granule).includes(level)) {
        test('access flag, and permission', () => {
          m.write(at, leaf(0n, level, { ap: 1, af: false }));
          rejects(FSC.ACCESS_FLAG);
          m.write(at, leaf(0n, level, { ap: 0, xn: 3 }));
          for (const access of [READ, WRITE, FETCH]) {
            expect(m.translate(va, access, 0)).toBe(false);
            expect(fault()).toEqual(stage1Fault(FSC.PERMISSION | level, access === WRITE));
          }
        });
      }
    });
  }

  test('a table base beyond the output size is an address size fault of level 0', () => {
    el1(1n << 36n, 48, granule, 0n, 1n);
    expect(m.translate(0n, READ, 1)).toBe(false);
    expect(fault()).toEqual(stage1Fault(FSC.ADDRESS_SIZE));
  });

  test('bits of the base inside the table, and CnP, are ignored', () => {
    const root = m.allocate(1 << granule);
    el1(root | 1n | (1n << BigInt(granule - 1)), granule + (granule - 3) * 2, granule);
    m.map(root, granule + (granule - 3) * 2, granule, 0n, leaf(OUTPUT, 3));
    expect(m.translate(0n, READ, 1)).toBe(true);
  });
});

describe('TCR_EL1', () => {
  const bits = 39;
  let root = 0n;
  beforeEach(() => {
    root = m.allocate(4096);
    el1(root, bits, 12);
    m.map(root, bits, 12, 0x1000n, leaf(OUTPUT, 3, { ap: 1 }));
  });
  const tcr = (more: bigint) => {
    m.set('TCR_EL1', m.get('TCR_EL1') | more);
  };
  const LOWER = 0x1000n;
  const UPPER = 0xffff_ff80_0000_1000n;

  test('sizes below 16 and above 39 fault', () => {
    for (let tsz = 0; tsz < 64; tsz++) {
      m.reset();
      const size = 64 - tsz;
      const inside = size >= 25 && size <= 48;
      root = m.allocate(4096);
      el1(root, size, 12);
      // Even where there is something to find.
      for (let entry = 0; entry < 512; entry++) m.write(root + BigInt(8 * entry), root | 3n | AF);
      expect(m.translate(0n, READ, 1)).toBe(inside);
      expect(m.translate(BigInt.asUintN(64, -1n), READ, 1)).toBe(inside);
      if (!inside) expect(fault()).toEqual(stage1Fault(FSC.TRANSLATION));
    }
  });

  test('TBI ignores the top byte of its own half', () => {
    const tagged = (va: bigint) => va ^ (0x5an << 56n);
    expect([m.translate(tagged(LOWER), READ, 1), m.translate(tagged(UPPER), READ, 1)]).toEqual([false, false]);
    tcr(1n << 37n);
    expect([m.translate(tagged(LOWER), READ, 1), m.translate(tagged(UPPER), READ, 1)]).toEqual([true, false]);
    tcr(1n << 38n);
    expect([m.translate(tagged(LOWER), FETCH, 0), m.translate(tagged(UPPER), READ, 1)]).toEqual([true, true]);
    // Bits 54 to 39 still count.
    expect(m.translate(LOWER | (1n << 50n), READ, 1)).toBe(false);
  });

  test('EPD0 and EPD1 turn the walks of a half off', () => {
    tcr(1n << 7n);
    expect([m.translate(LOWER, READ, 1), m.translate(UPPER, READ, 1)]).toEqual([false, true]);
    tcr(1n << 23n);
    expect(m.translate(UPPER, READ, 1)).toBe(false);
    expect(fault()).toEqual(stage1Fault(FSC.TRANSLATION));
  });

  test('E0PD0 and E0PD1 turn a half off for unprivileged accesses', () => {
    tcr(1n << 56n);
    expect([m.translate(UPPER, READ, 0), m.translate(UPPER, READ | UNPRIV, 1)]).toEqual([false, false]);
    expect(fault()).toEqual(stage1Fault(FSC.TRANSLATION));
    expect([m.translate(UPPER, READ, 1), m.translate(LOWER, READ, 0)]).toEqual([true, true]);
    tcr(1n << 55n);
    expect(m.translate(LOWER, READ, 0)).toBe(false);
  });

  test('APTable, UXNTable and PXNTable count, unless HPD says otherwise', () => {
    const [table] = m.map(root, bits, 12, 0x1000n, leaf(OUTPUT, 3, { ap: 1 }));
    m.write(table!, m.read(table!) | (3n << 61n));
    expect([m.translate(LOWER, READ, 0), m.translate(LOWER, WRITE, 1), m.translate(LOWER, READ, 1)]).toEqual([
      false,
      false,
      true,
    ]);
    tcr(1n << 41n);
    expect([m.translate(LOWER, READ, 0), m.translate(LOWER, WRITE, 1)]).toEqual([true, true]);
    expect(m.translate(UPPER, READ, 0)).toBe(false);
    tcr(1n << 42n);
    expect(m.translate(UPPER, READ, 0)).toBe(true);
    m.set('TCR_EL1', m.get('TCR_EL1') & ~(3n << 41n));
    m.write(table!, (m.read(table!) & ~(3n << 61n)) | (1n << 60n));
    expect(m.translate(LOWER, FETCH, 0)).toBe(false);
    m.map(root, bits, 12, 0x1000n, leaf(OUTPUT, 3, { ap: 2 }));
    expect(m.translate(LOWER, FETCH, 1)).toBe(true);
    m.write(table!, (m.read(table!) & ~(1n << 60n)) | (1n << 59n));
    expect([m.translate(LOWER, FETCH, 0), m.translate(LOWER, FETCH, 1)]).toEqual([true, false]);
  });

  test('nG says whose the entry is', () => {
    expect(m.translate(LOWER, READ, 1) && m.mmu.global).toBe(true);
    m.map(root, bits, 12, 0x1000n, leaf(OUTPUT, 3, { ng: true }));
    expect(m.translate(LOWER, READ, 1) && m.mmu.global).toBe(false);
  });

  test('the reserved granules are 4 KiB', () => {
    m.set('TCR_EL1', (m.get('TCR_EL1') & ~((3n << 30n) | (3n << 14n))) | (3n << 14n));
    expect([m.translate(LOWER, READ, 1), m.translate(UPPER, READ, 1)]).toEqual([true, true]);
  });
});

describe('hardware management of the access flag and the dirty state', () => {
  const bits = 39;
  const HA = 1n << 39n;
  const HD = 1n << 40n;
  let at = 0n;
  const enter = (descriptor: bigint, tcr: bigint) => {
    m.reset();
    const root = m.allocate(4096);
    el1(root, bits, 12, tcr);
    at = m.map(root, bits, 12, 0n, descriptor).at(-1)!;
  };
  test('HA sets the access flag on any access that is allowed, and only then', () => {
    for (const access of [READ, WRITE, FETCH, READ | AT, READ | MAINTENANCE]) {
      enter(leaf(OUTPUT, 3, { af: false }), HA);
      expect(m.translate(0n, access, 1)).toBe(true);
      expect(m.read(at) & AF).toBe(AF);
    }
    enter(leaf(OUTPUT, 3, { af: false, ap: 2 }), HA);
    expect(m.translate(0n, WRITE, 1)).toBe(false);
    expect(m.read(at) & AF).toBe(0n);
  });
  test('HD makes DBM pages writable; the first write clears AP[2]', () => {
    const clean = leaf(OUTPUT, 3, { ap: 2, dbm: true });
    enter(clean, HA | HD);
    expect(m.translate(0n, READ, 1) && [m.mmu.readable, m.mmu.writable]).toEqual([true, false]);
    expect(m.translate(0n, WRITE | AT, 1)).toBe(true);
    expect(m.translate(0n, WRITE | MAINTENANCE, 1)).toBe(true);
    expect(m.read(at)).toBe(clean);
    expect(m.translate(0n, WRITE, 1) && m.mmu.writable).toBe(true);
    expect(m.read(at)).toBe(clean & ~AP_RO);
    expect(m.translate(0n, READ, 1) && m.mmu.writable).toBe(true);
    enter(clean, HA | HD);
    expect(m.translate(0n, WRITE | ATOMIC, 1)).toBe(true);
    expect(m.read(at)).toBe(clean & ~AP_RO);
  });
  test('without HD, without HA or without DBM the page stays read-only', () => {
    for (const [dbm, tcr] of [
      [true, HA],
      [true, HD],
      [false, HA | HD],
    ] as const) {
      const descriptor = leaf(OUTPUT, 3, { ap: 2, dbm });
      enter(descriptor, tcr);
      expect(m.translate(0n, WRITE, 1)).toBe(false);
      expect(fault()).toEqual(stage1Fault(FSC.PERMISSION | 3, true));
      expect(m.read(at)).toBe(descriptor);
    }
  });
  test('APTable still forbids the write, and nothing becomes dirty', () => {
    enter(leaf(OUTPUT, 3, { ap: 2, dbm: true }), HA | HD);
    const root = m.get('TTBR0_EL1');
    m.write(root, m.read(root) | (2n << 61n));
    expect(m.translate(0n, WRITE, 1)).toBe(false);
    expect(m.read(at) & DBM & AP_RO).toBe(0n);
    expect(m.read(at) & AP_RO).toBe(AP_RO);
  });
  test('a descriptor that changes during the update is read again', () => {
    enter(leaf(OUTPUT, 3, { af: false }), HA);
    const load = m.i64;
    let once = true;
    // What another core would do between the load and the update.
    const racing = Object.create(m, {
      i64: {
        get() {
          if (once) {
            once = false;
            m.write(at, leaf(OUTPUT + 0x5000n, 3, { af: false, ap: 2 }));
          }
          return load;
        },
      },
    }) as TestMachine;
    expect(m.mmu.translate(racing, 0, 0x10, READ, 1)).toBe(true);
    expect(BigInt(m.mmu.pa)).toBe(OUTPUT + 0x5010n);
    expect(m.mmu.writable).toBe(false);
    expect(m.read(at) & AF).toBe(AF);
  });
});

describe('PAN, UAO and unprivileged accesses', () => {
  const USER_PAGE = 0n;
  const KERNEL_PAGE = 0x1000n;
  beforeEach(() => {
    const root = m.allocate(4096);
    el1(root, 39, 12);
    m.map(root, 39, 12, USER_PAGE, leaf(OUTPUT, 3, { ap: 1, xn: 0 }));
    m.map(root, 39, 12, KERNEL_PAGE, leaf(OUTPUT, 3, { ap: 0 }));
  });
  test('PAN keeps EL1 from the data of EL0', () => {
    m.setPstate(PSTATE.PAN);
    expect([m.translate(USER_PAGE, READ, 1), m.translate(USER_PAGE, WRITE, 1)]).toEqual([false, false]);
    expect(fault()).toEqual(stage1Fault(FSC.PERMISSION | 3, true));
    expect(m.translate(USER_PAGE, READ, 0)).toBe(true);
    expect(m.translate(KERNEL_PAGE, WRITE, 1) && [m.mmu.writable, m.mmu.userAccessible]).toEqual([true, false]);
    m.map(m.get('TTBR0_EL1'), 39, 12, USER_PAGE, leaf(OUTPUT, 3, { ap: 3 }));
    expect(m.translate(USER_PAGE, FETCH, 1) && [m.mmu.readable, m.mmu.executable]).toEqual([false, true]);
  });
  test('PAN spares LDTR, cache maintenance and AT, but not AT S1E1RP', () => {
    m.setPstate(PSTATE.PAN);
    for (const access of [READ | UNPRIV, READ | MAINTENANCE, WRITE | AT]) {
      expect(m.translate(USER_PAGE, access, 1)).toBe(true);
    }
    expect(m.translate(USER_PAGE, READ | AT | AT_PAN, 1)).toBe(false);
  });
  test('LDTR and STTR at EL1 are accesses of EL0, unless UAO is set', () => {
    expect([m.translate(KERNEL_PAGE, READ | UNPRIV, 1), m.translate(USER_PAGE, WRITE | UNPRIV, 1)]).toEqual([
      false,
      true,
    ]);
    m.setPstate(PSTATE.UAO);
    expect(m.translate(KERNEL_PAGE, READ | UNPRIV, 1)).toBe(true);
    m.setPstate(PSTATE.UAO | PSTATE.PAN);
    expect(m.translate(USER_PAGE, READ | UNPRIV, 1)).toBe(false);
  });
  test('at EL2 they are accesses of EL0 only with E2H and TGE', () => {
    m.set('SCTLR_EL2', SCTLR.M);
    m.set('TCR_EL2', m.get('TCR_EL1'));
    m.set('TTBR0_EL2', m.get('TTBR0_EL1'));
    m.set('HCR_EL2', HCR.E2H);
    expect(m.translate(KERNEL_PAGE, READ | UNPRIV, 2)).toBe(true);
    m.set('HCR_EL2', HCR.E2H | HCR.TGE);
    expect(m.translate(KERNEL_PAGE, READ | UNPRIV, 2)).toBe(false);
    m.setPstate(PSTATE.PAN);
    expect(m.translate(USER_PAGE, READ, 2)).toBe(false);
  });
  test('an atomic access reports WnR only for what its write alone caused', () => {
    expect(m.translate(0x5000n, WRITE | ATOMIC, 1)).toBe(false);
    expect(fault()).toEqual(stage1Fault(FSC.TRANSLATION | 3));
    expect(m.translate(KERNEL_PAGE, WRITE | ATOMIC, 0)).toBe(false);
    expect(fault()).toEqual(stage1Fault(FSC.PERMISSION | 3));
    m.map(m.get('TTBR0_EL1'), 39, 12, USER_PAGE, leaf(OUTPUT, 3, { ap: 3 }));
    expect(m.translate(USER_PAGE, WRITE | ATOMIC, 0)).toBe(false);
    expect(fault()).toEqual(stage1Fault(FSC.PERMISSION | 3, true));
  });
  test('faults of cache maintenance and AT report WnR', () => {
    for (const access of [READ | MAINTENANCE, READ | AT]) {
      expect(m.translate(0x5000n, access, 1)).toBe(false);
      expect(fault()).toEqual(stage1Fault(FSC.TRANSLATION | 3, true));
    }
  });
});

describe('regimes', () => {
  const tables = (output: bigint) => {
    const root = m.allocate(4096);
    m.map(root, 39, 12, 0x1000n, leaf(output, 3, { ap: 1 }));
    return root;
  };
  const TCR = 25n | (25n << 16n) | (2n << 30n) | (5n << 32n);
  beforeEach(() => {
    m.set('SCTLR_EL1', SCTLR.M);
    m.set('SCTLR_EL2', SCTLR.M);
    m.set('TCR_EL1', TCR);
    m.set('TTBR0_EL1', tables(0x1_0000n));
    m.set('TTBR1_EL1', tables(0x2_0000n));
    m.set('TTBR0_EL2', tables(0x3_0000n));
    m.set('TTBR1_EL2', tables(0x4_0000n));
  });
  const at = (va: bigint, el: El, access: number = READ) => (m.translate(va, access, el) ? m.mmu.pa : -1);
  const LOWER = 0x1000n;
  const UPPER = 0xffff_ff80_0000_1000n;

  test('EL1&0 uses TTBR0_EL1 and TTBR1_EL1, EL2 only TTBR0_EL2', () => {
    m.set('TCR_EL2', 25n | (5n << 16n));
    expect([at(LOWER, 0), at(UPPER, 1), at(LOWER, 2), at(UPPER, 2)]).toEqual([0x1_0000, 0x2_0000, 0x3_0000, -1]);
    expect(at(LOWER, 2) >= 0 && [m.mmu.regime, m.mmu.global]).toEqual([2, true]);
    // A page that EL0 may write is still executable at EL2, which has no EL0.
    expect(at(LOWER, 2, FETCH)).toBe(0x3_0000);
  });
  test('EL2&0 has both halves at EL2, and EL0 with TGE', () => {
    m.set('TCR_EL2', TCR);
    m.set('HCR_EL2', HCR.E2H);
    expect([at(LOWER, 0), at(LOWER, 2), at(UPPER, 2)]).toEqual([0x1_0000, 0x3_0000, 0x4_0000]);
    m.set('HCR_EL2', HCR.E2H | HCR.TGE | HCR.VM | HCR.DC);
    expect([at(LOWER, 0), at(UPPER, 0), at(UPPER, 2)]).toEqual([0x3_0000, 0x4_0000, 0x4_0000]);
    // AT S1E1R there means the privileged half of EL2&0.
    expect(at(UPPER, 1, READ | AT)).toBe(0x4_0000);
    expect(at(LOWER, 2, FETCH)).toBe(-1);
  });
  test('TGE without E2H turns stage 1 of EL1&0 off', () => {
    m.set('HCR_EL2', HCR.TGE);
    expect(at(LOWER, 0)).toBe(0x1000);
  });
  test('stage 1 off: a flat mapping of Device memory for data, Normal memory for fetches', () => {
    m.set('SCTLR_EL1', 0n);
    expect(at(0x1234_5678_9abcn, 1)).toBe(0x1234_5678_9abc);
    expect([m.mmu.device, m.mmu.permissions, m.mmu.shareability]).toEqual([true, 7, 2]);
    expect(at(LOWER, 1, FETCH) >= 0 && m.mmu.attributes).toBe(0x44);
    m.set('SCTLR_EL1', SCTLR.I | SCTLR.WXN);
    expect(at(LOWER, 1, FETCH) >= 0 && m.mmu.attributes).toBe(0xee);
    m.setPstate(PSTATE.PAN);
    expect(at(LOWER, 1, WRITE)).toBe(0x1000);
  });
  test('stage 1 off: an address beyond 48 bits is an address size fault, but for the top byte with TBI', () => {
    m.set('SCTLR_EL1', 0n);
    for (const va of [1n << 48n, 1n << 56n, UPPER]) {
      expect(at(va, 1)).toBe(-1);
      expect(fault()).toEqual(stage1Fault(FSC.ADDRESS_SIZE));
    }
    m.set('TCR_EL1', 1n << 37n);
    expect(at((0x7fn << 56n) | 0x1000n, 1)).toBe(0x1000);
    expect([at(1n << 48n, 1), at(UPPER, 1)]).toEqual([-1, -1]);
    const small = new TestMachine(0x1_0000, 40);
    expect([small.translate(1n << 39n, READ, 1), small.translate(1n << 40n, READ, 1)]).toEqual([true, false]);
  });
  test('big-endian tables', () => {
    m.set('SCTLR_EL1', SCTLR.M | SCTLR.EE);
    m.set('TCR_EL1', TCR | (1n << 39n));
    const root = m.allocate(4096);
    const [second, third] = [m.allocate(4096), m.allocate(4096)];
    m.set('TTBR0_EL1', root);
    m.write(root, second | 3n, true);
    m.write(second, third | 3n, true);
    m.write(third + 8n, leaf(0x1234_5000n, 3, { af: false }), true);
    expect(at(LOWER, 1)).toBe(0x1234_5000);
    expect(m.read(third + 8n, true)).toBe(leaf(0x1234_5000n, 3));
  });
  test('the memory type comes from MAIR_EL1 by AttrIndx', () => {
    m.set('MAIR_EL1', 0xff_ee_44_bb_0c_08_04_00n);
    for (const [attr, value] of [0x00, 0x04, 0x08, 0x0c, 0xbb, 0x44, 0xee, 0xff].entries()) {
      m.map(m.get('TTBR0_EL1'), 39, 12, 0x1000n, leaf(OUTPUT, 3, { attr, sh: 3 }));
      expect(at(LOWER, 1)).toBe(Number(OUTPUT));
      expect([m.mmu.attributes, m.mmu.device]).toEqual([value, value < 16]);
      expect(m.mmu.shareability).toBe(value < 16 || value === 0x44 ? 2 : 3);
    }
  });
  test('ASID and VMID are those of the registers, 8 or 16 bits', () => {
    m.set('TTBR0_EL1', 0x1234n << 48n);
    m.set('TTBR1_EL1', 0x5678n << 48n);
    expect(currentAsid(m, 1)).toBe(0x34);
    m.set('TCR_EL1', (1n << 36n) | (1n << 22n));
    expect(currentAsid(m, 1)).toBe(0x5678);
    m.set('TTBR1_EL2', 0x9abcn << 48n);
    m.set('TCR_EL2', (1n << 36n) | (1n << 22n));
    expect(currentAsid(m, 2)).toBe(0);
    m.set('HCR_EL2', HCR.E2H);
    expect(currentAsid(m, 2)).toBe(0x9abc);
    m.set('VTTBR_EL2', 0xdef0n << 48n);
    expect(currentVmid(m)).toBe(0xf0);
    m.set('VTCR_EL2', 1n << 19n);
    expect(currentVmid(m)).toBe(0xdef0);
  });
});
