import { describe, expect, test } from 'vitest';
import type { Trap } from '../../../arch/core/exception.ts';
import { F, PSTATE, sysregKey } from '../../../arch/core/frame.ts';
import { ICH } from '../../../arch/gic/ich.ts';
import { BREAKPOINTS, hasFeature, idRegister } from '../../../arch/core/idregs.ts';
import { HCR, MDCR, SCTLR } from '../../../arch/core/sysreg-bits.ts';
import { OPERATIONS } from '../../../arch/core/sysreg-ops.ts';
import { parseKey } from '../../../arch/core/sysreg-slots.ts';
import { numberedRows, TABLE, type Row } from '../../../arch/core/sysreg-table.ts';
import { inlineAccess, lookup, readSysreg, SR, writePstateField, writeSysreg } from '../../../arch/core/sysreg.ts';
import { dcZvaTrap, fpTrap, wfxTrap } from '../../../arch/core/sysreg-traps.ts';
import encodings from './sysreg-encodings.json' with { type: 'json' };
import { FakeCore, keyOf, RAM } from './fake-core.ts';

const UNDEFINED = 0x0200_0000;
/** ESR of a trapped access (EC 0x18, IL). */
const SYSREG = 0x6200_0000;

const target = (result: bigint | Trap | undefined): number | string => {
  if (result === undefined || typeof result === 'bigint') return 'allowed';
  return result.esr === UNDEFINED ? `undefined→${result.target}` : result.target;
};

/** What an access comes to at an EL, prepared. */
function outcome(name: string, el: number, write: boolean, prepare: (core: FakeCore) => void = () => {}): unknown {
  const core = new FakeCore(el);
  core.gic.set(keyOf(name), 0n);
  prepare(core);
  return target(write ? core.msr(name, 0n) : core.mrs(name));
}

describe('the table', () => {
  test('has the encodings that the GNU assembler gives these names', () => {
    const rows = [...Object.entries<Row>(TABLE), ...numberedRows()].map(([name, row]) => [name, parseKey(row.at)]);
    const operations = [...OPERATIONS].map(([key, { name }]) => [name, key]);
    expect(Object.fromEntries([...rows, ...operations])).toEqual(encodings);
  });

  test('gives every stored register its own eight bytes of the frame', () => {
    const places = Object.values(SR);
    expect(new Set(places).size).toBe(places.length);
    for (const place of places) {
      expect(place % 8).toBe(0);
      expect(place).toBeGreaterThanOrEqual(F.SYSREG);
      expect(place).toBeLessThan(F.SYSREG_END);
    }
  });

  test('every register and operation, at every EL, read and written with any bits, gives a value or a trap', () => {
    for (const hcr of [0n, 1n << 34n, (1n << 34n) | (1n << 27n), (1n << 64n) - 1n]) {
      for (let key = 1 << 14; key < 1 << 16; key++) {
        if (!lookup(key) && !OPERATIONS.has(key) && key % 61) continue;
        for (const el of [0, 1, 2]) {
          const core = new FakeCore(el);
          core.set('HCR_EL2', hcr);
          const read = readSysreg(core, key, 31);
          if (typeof read === 'bigint') expect(BigInt.asUintN(64, read)).toBe(read);
          else expect(read.target).toBeGreaterThanOrEqual(Math.max(el, 1));
          const trap = writeSysreg(core, key, (1n << 64n) - 1n, 31);
          if (trap) expect(trap.target).toBeGreaterThanOrEqual(Math.max(el, 1));
        }
      }
    }
  });
});

describe('storage', () => {
  test('keeps what is writable, RES0 and RES1 as the register says', () => {
    const core = new FakeCore(1);
    core.msr('VBAR_EL1', 0xffff_8000_0000_0fffn);
    expect(core.mrs('VBAR_EL1')).toBe(0xffff_8000_0000_0800n);
    core.msr('SCTLR_EL1', 0n);
    // LSMAOE, nTLSMD, EIS, EOS, SED, ITD.
    expect(core.mrs('SCTLR_EL1')).toBe(0x3040_0980n);
    core.msr('TPIDR_EL1', (1n << 64n) - 1n);
    expect(core.mrs('TPIDR_EL1')).toBe((1n << 64n) - 1n);
    core.msr('CONTEXTIDR_EL1', 0x1_2345_6789n);
    expect(core.mrs('CONTEXTIDR_EL1')).toBe(0x2345_6789n);
  });

  test('TCR_EL1, TCR_EL2 and VTCR_EL2 keep the controls of the features that are advertised', () => {
    const core = new FakeCore(2);
    const kept = (name: string): bigint => {
      core.msr(name, (1n << 64n) - 1n);
      return core.mrs(name) as bigint;
    };
    const bit = (n: number): bigint => 1n << BigInt(n);
    // FEAT_E0PD: E0PD0, E0PD1.
    expect(idRegister('ID_AA64MMFR2_EL1') >> 60n).toBe(1n);
    for (const name of ['TCR_EL1', 'TCR_EL2']) expect(kept(name) & (bit(55) | bit(56))).toBe(bit(55) | bit(56));
    // FEAT_HAFDBS: HA, HD.
    expect(idRegister('ID_AA64MMFR1_EL1') & 15n).toBe(2n);
    for (const name of ['TCR_EL1', 'TCR_EL2']) expect(kept(name) & (bit(39) | bit(40))).toBe(bit(39) | bit(40));
    for (const name of ['TCR_EL2', 'VTCR_EL2']) expect(kept(name) & (bit(21) | bit(22))).toBe(bit(21) | bit(22));
  });

  test('SCTLR_EL2 keeps what is RES0 or RES1 by HCR_EL2.{E2H, TGE}: CP15BEN, ITD, SED', () => {
    const core = new FakeCore(2);
    const kept = (value: bigint): bigint => {
      core.msr('SCTLR_EL2', value);
      return (core.mrs('SCTLR_EL2') as bigint) & 0x1a0n;
    };
    expect([kept(0x30c5_0830n), kept(0x1a0n)]).toEqual([0x20n, 0x1a0n]);
  });

  test('MDSCR_EL1 keeps EDSCR’s bits as they are unless the OS lock is set', () => {
    const core = new FakeCore(1);
    const ones = (1n << 64n) - 1n;
    core.msr('OSLAR_EL1', 0n);
    core.msr('MDSCR_EL1', ones);
    expect(core.mrs('MDSCR_EL1')).toBe(0xb001n);
    core.msr('OSLAR_EL1', 1n);
    core.msr('MDSCR_EL1', ones);
    expect(core.mrs('MDSCR_EL1')).toBe(0x6ce0_f041n);
    core.msr('OSLAR_EL1', 0n);
    core.msr('MDSCR_EL1', 0n);
    expect(core.mrs('MDSCR_EL1')).toBe(0x6ce0_4040n);
  });

  test('a write that translation depends on is announced once, and not when nothing changes', () => {
    const core = new FakeCore(1);
    core.msr('TTBR0_EL1', 0x4000n);
    expect(core.contextChanges).toBe(1);
    core.msr('TTBR0_EL1', 0x4000n);
    core.msr('TPIDR_EL0', 1n);
    expect(core.contextChanges).toBe(1);
    core.msr('CNTV_CVAL_EL0', 1n);
    expect(core.timerChanges).toBe(1);
  });

  test('all reads of the feature identification space that fail are reported as trapped accesses (FEAT_IDST)', () => {
    // Unallocated: S3_0_C0_C0_1, S3_1_C0_C7_7, S3_3_C0_C0_2; and CCSIDR2_EL1, of FEAT_CCIDX.
    for (const at of ['3 0 0 0 1', '3 1 0 7 7', '3 3 0 0 2', '3 1 0 0 2']) {
      const of = (el: number, read: boolean, hcr: readonly number[] = []): unknown => {
        const core = new FakeCore(el);
        core.setBits('HCR_EL2', ...hcr);
        const result = read ? readSysreg(core, parseKey(at), 3) : writeSysreg(core, parseKey(at), 0n, 3);
        expect((result as Trap).esr >>> 26).toBe(read ? 0x18 : 0);
        return (result as Trap).target;
      };
      expect([of(0, true), of(0, true, [HCR.TGE]), of(1, true), of(2, true)]).toEqual([1, 2, 1, 2]);
      expect([of(0, false), of(1, false), of(2, false)]).toEqual([1, 1, 2]);
    }
    // Not of that space: CRm from 8 on, op1 = 2.
    for (const at of ['3 0 0 8 0', '3 2 0 0 1'])
      expect(target(readSysreg(new FakeCore(1), parseKey(at), 3))).toBe('undefined→1');
  });

  test('read-only and write-only registers are UNDEFINED the other way', () => {
    expect(outcome('MIDR_EL1', 1, true)).toBe('undefined→1');
    expect(outcome('ICC_EOIR1_EL1', 1, false)).toBe('undefined→1');
    expect(outcome('SCTLR_EL1', 0, false)).toBe('undefined→1');
    expect(outcome('HCR_EL2', 1, false)).toBe('undefined→1');
    expect(outcome('TPIDRRO_EL0', 0, true)).toBe('undefined→1');
    expect(outcome('TPIDRRO_EL0', 0, false)).toBe('allowed');
  });
});

describe('identification', () => {
  test('EL1 sees VPIDR_EL2 and VMPIDR_EL2; EL2 the real ones', () => {
    const core = new FakeCore(1, 17);
    expect(core.mrs('MPIDR_EL1')).toBe(0x8000_0101n);
    core.set('VPIDR_EL2', 0x410f_d083n);
    core.set('VMPIDR_EL2', 0x8000_0003n);
    expect(core.mrs('MIDR_EL1')).toBe(0x410f_d083n);
    expect(core.mrs('MPIDR_EL1')).toBe(0x8000_0003n);
    core.el = 2;
    expect(core.mrs('MIDR_EL1')).toBe(0x000f_04e0n);
    expect(core.mrs('MPIDR_EL1')).toBe(0x8000_0101n);
  });

  test('the fields follow from the features', () => {
    const field = (register: Parameters<typeof idRegister>[0], lsb: bigint): bigint =>
      (idRegister(register) >> lsb) & 15n;
    expect(field('ID_AA64PFR0_EL1', 12n)).toBe(0n);
    expect(field('ID_AA64PFR0_EL1', 24n)).toBe(1n);
    expect(field('ID_AA64ISAR0_EL1', 20n)).toBe(hasFeature('FEAT_LSE') ? 2n : 0n);
    expect(field('ID_AA64ISAR0_EL1', 56n)).toBe(2n);
    expect(field('ID_AA64MMFR1_EL1', 8n)).toBe(1n);
    expect(field('ID_AA64DFR0_EL1', 12n)).toBe(BigInt(BREAKPOINTS - 1));
  });

  test('the reserved identification space reads as zero and traps by TID3', () => {
    const core = new FakeCore(1);
    const reserved = sysregKey(3, 0, 0, 2, 0);
    expect(readSysreg(core, reserved, 5)).toBe(0n);
    core.setBits('HCR_EL2', HCR.TID3);
    expect(readSysreg(core, reserved, 5)).toEqual({ target: 2, esr: SYSREG | (3 << 20) | (5 << 5) | (2 << 1) | 1 });
    core.el = 2;
    expect(readSysreg(core, reserved, 5)).toBe(0n);
  });

  test('CCSIDR_EL1 follows CSSELR_EL1: 32 KiB L1s, 1 MiB L2', () => {
    const core = new FakeCore(1);
    const bytes = (select: bigint): number => {
      core.msr('CSSELR_EL1', select);
      const value = Number(core.mrs('CCSIDR_EL1'));
      return (16 << (value & 7)) * (((value >> 3) & 0x3ff) + 1) * (((value >> 13) & 0x7fff) + 1);
    };
    expect([bytes(0n), bytes(1n), bytes(2n)]).toEqual([32768, 32768, 1048576]);
  });
});

test('RNDR takes its value from the core, and clears NZCV', () => {
  const core = new FakeCore(0);
  core.msr('NZCV', 0xf000_0000n);
  core.random = () => -2n;
  expect(core.mrs('RNDR')).toBe((1n << 64n) - 2n);
  expect(core.mrs('NZCV')).toBe(0n);
});

describe('trap controls', () => {
  const hcr =
    (...numbers: number[]) =>
    (core: FakeCore): void =>
      core.setBits('HCR_EL2', ...numbers);

  test('TVM and TRVM trap EL1 writes and reads of the virtual memory controls', () => {
    for (const name of ['SCTLR_EL1', 'TTBR0_EL1', 'TCR_EL1', 'MAIR_EL1', 'CONTEXTIDR_EL1', 'AFSR0_EL1', 'FAR_EL1']) {
      expect(outcome(name, 1, true, hcr(HCR.TVM))).toBe(2);
      expect(outcome(name, 1, false, hcr(HCR.TVM))).toBe('allowed');
      expect(outcome(name, 1, false, hcr(HCR.TRVM))).toBe(2);
      expect(outcome(name, 2, true, hcr(HCR.TVM))).toBe('allowed');
    }
    expect(outcome('VBAR_EL1', 1, true, hcr(HCR.TVM))).toBe('allowed');
  });

  test('the syndrome names the instruction, its register and its direction', () => {
    const core = new FakeCore(1);
    hcr(HCR.TVM, HCR.TRVM)(core);
    expect(core.msr('TCR_EL1', 0n, 7)).toEqual({
      target: 2,
      esr: SYSREG | (3 << 20) | (2 << 17) | (2 << 10) | (7 << 5),
    });
    expect(core.mrs('TCR_EL1', 7)).toEqual({
      target: 2,
      esr: SYSREG | (3 << 20) | (2 << 17) | (2 << 10) | (7 << 5) | 1,
    });
  });

  test('TID1, TID2, TACR, TCPAC', () => {
    expect(outcome('AIDR_EL1', 1, false, hcr(HCR.TID1))).toBe(2);
    expect(outcome('CLIDR_EL1', 1, false, hcr(HCR.TID2))).toBe(2);
    expect(outcome('CSSELR_EL1', 1, true, hcr(HCR.TID4))).toBe(2);
    expect(outcome('CTR_EL0', 1, false, hcr(HCR.TID2))).toBe(2);
    expect(outcome('ACTLR_EL1', 1, true, hcr(HCR.TACR))).toBe(2);
    expect(outcome('CPACR_EL1', 1, false, (core) => core.setBits('CPTR_EL2', 31))).toBe(2);
  });

  test('CTR_EL0 at EL0: SCTLR_EL1.UCT, to EL1 or under TGE to EL2; a host has its own bit', () => {
    const uct = (core: FakeCore): void => core.setBits('SCTLR_EL1', SCTLR.UCT);
    expect(outcome('CTR_EL0', 0, false)).toBe(1);
    expect(outcome('CTR_EL0', 0, false, uct)).toBe('allowed');
    expect(outcome('CTR_EL0', 0, false, hcr(HCR.TGE))).toBe(2);
    const host = (core: FakeCore): void => (uct(core), hcr(HCR.TGE, HCR.E2H, HCR.TID2)(core));
    expect(outcome('CTR_EL0', 0, false, host)).toBe(2);
    const both = (core: FakeCore): void => (host(core), core.setBits('SCTLR_EL2', SCTLR.UCT));
    expect(outcome('CTR_EL0', 0, false, both)).toBe('allowed');
  });

  test('CPACR_EL1 and CPTR_EL2 gate FPCR, in both formats', () => {
    const fp = (el: number, prepare: (core: FakeCore) => void): Trap | undefined => {
      const core = new FakeCore(el);
      prepare(core);
      return fpTrap(core);
    };
    const trapped = (to: number): unknown => ({ target: to, esr: 0x1fe0_0000 });
    const el1 = (core: FakeCore): void => core.setBits('CPACR_EL1', 20);
    const all = (core: FakeCore): void => core.setBits('CPACR_EL1', 20, 21);
    expect(fp(1, () => {})).toEqual(trapped(1));
    expect(fp(0, el1)).toEqual(trapped(1));
    expect(fp(1, el1)).toBeUndefined();
    expect(fp(0, all)).toBeUndefined();
    expect(fp(2, () => {})).toBeUndefined();
    expect(fp(1, (c) => (all(c), c.setBits('CPTR_EL2', 10)))).toEqual(trapped(2));
    expect(fp(2, (c) => c.setBits('CPTR_EL2', 10))).toEqual(trapped(2));
    expect(fp(2, (c) => c.setBits('HCR_EL2', HCR.E2H))).toEqual(trapped(2));
    expect(fp(2, (c) => (c.setBits('HCR_EL2', HCR.E2H), c.setBits('CPTR_EL2', 20)))).toBeUndefined();
    const host = (c: FakeCore): void => c.setBits('HCR_EL2', HCR.E2H, HCR.TGE);
    expect(fp(0, (c) => (host(c), c.setBits('CPTR_EL2', 20)))).toEqual(trapped(2));
    expect(fp(0, (c) => (host(c), c.setBits('CPTR_EL2', 20, 21)))).toBeUndefined();
    // Routed by TGE alone it is reported as an unknown reason.
    expect(fp(0, (c) => c.setBits('HCR_EL2', HCR.TGE))).toEqual({ target: 2, esr: UNDEFINED });
    expect(outcome('FPSR', 0, false, el1)).toBe(1);
  });

  test('counters and timers at EL0 and EL1', () => {
    const kctl =
      (...numbers: number[]) =>
      (core: FakeCore): void =>
        core.setBits('CNTKCTL_EL1', ...numbers);
    expect(outcome('CNTVCT_EL0', 0, false)).toBe(1);
    expect(outcome('CNTVCT_EL0', 0, false, kctl(1))).toBe('allowed');
    expect(outcome('CNTFRQ_EL0', 0, false, kctl(1))).toBe('allowed');
    expect(outcome('CNTPCT_EL0', 0, false, kctl(1))).toBe(1);
    expect(outcome('CNTPCT_EL0', 0, false, kctl(0))).toBe('allowed');
    expect(outcome('CNTV_CTL_EL0', 0, true, kctl(8))).toBe('allowed');
    expect(outcome('CNTP_CTL_EL0', 0, true, kctl(8))).toBe(1);
    const closed = (core: FakeCore): void => (kctl(0, 9)(core), core.set('CNTHCTL_EL2', 0n));
    expect(outcome('CNTPCT_EL0', 0, false, closed)).toBe(2);
    expect(outcome('CNTP_CVAL_EL0', 1, true, closed)).toBe(2);
    expect(outcome('CNTV_CVAL_EL0', 1, true, closed)).toBe('allowed');
    expect(outcome('CNTFRQ_EL0', 1, true)).toBe('undefined→1');
    expect(outcome('CNTFRQ_EL0', 2, true)).toBe('allowed');
  });

  test('debug registers: TDA, TDOSA, TDRA, TDE, TGE', () => {
    const mdcr =
      (n: number) =>
      (core: FakeCore): void =>
        core.setBits('MDCR_EL2', n);
    expect(outcome('MDSCR_EL1', 1, false, mdcr(MDCR.TDA))).toBe(2);
    expect(outcome('DBGBVR0_EL1', 1, true, mdcr(MDCR.TDE))).toBe(2);
    expect(outcome('OSLAR_EL1', 1, true, mdcr(MDCR.TDOSA))).toBe(2);
    expect(outcome('OSLAR_EL1', 1, true, mdcr(MDCR.TDA))).toBe('allowed');
    expect(outcome('MDRAR_EL1', 1, false, mdcr(MDCR.TDRA))).toBe(2);
    expect(outcome('MDSCR_EL1', 2, false, mdcr(MDCR.TDA))).toBe('allowed');
  });

  test('WFI and WFE: nTWI and nTWE for EL0, then TWI and TWE', () => {
    const wfx = (el: number, wfe: boolean, prepare: (core: FakeCore) => void): Trap | undefined => {
      const core = new FakeCore(el);
      prepare(core);
      return wfxTrap(core, wfe);
    };
    expect(wfx(0, false, () => {})).toEqual({ target: 1, esr: 0x07e0_0000 });
    expect(wfx(1, false, () => {})).toBeUndefined();
    expect(wfx(1, true, hcr(HCR.TWE))).toEqual({ target: 2, esr: 0x07e0_0001 });
    expect(wfx(1, true, hcr(HCR.TWI))).toBeUndefined();
    expect(wfx(0, true, (core) => core.setBits('SCTLR_EL1', SCTLR.nTWE))).toBeUndefined();
    expect(wfx(2, true, hcr(HCR.TWE))).toBeUndefined();
  });

  test('the GIC registers: ICH_HCR_EL2.TC, TALL0, TALL1, TDIR, and SGIs by IMO', () => {
    const ich =
      (n: number) =>
      (core: FakeCore): void => {
        core.i32[ICH.HCR >> 2] = 1 << n;
      };
    expect(outcome('ICC_PMR_EL1', 1, true, ich(10))).toBe(2);
    expect(outcome('ICC_IAR0_EL1', 1, false, ich(11))).toBe(2);
    expect(outcome('ICC_IAR1_EL1', 1, false, ich(12))).toBe(2);
    expect(outcome('ICC_IAR1_EL1', 1, false, ich(11))).toBe('allowed');
    expect(outcome('ICC_DIR_EL1', 1, true, ich(14))).toBe(2);
    expect(outcome('ICC_SGI1R_EL1', 1, true, hcr(HCR.IMO))).toBe(2);
    expect(outcome('ICC_SGI1R_EL1', 1, true)).toBe('allowed');
    expect(target(new FakeCore(1).mrs('ICC_PMR_EL1'))).toBe('undefined→1');
  });

  test('IMPLEMENTATION DEFINED registers are UNDEFINED, or trapped by TIDCP', () => {
    const core = new FakeCore(1);
    const key = sysregKey(3, 1, 15, 2, 1);
    expect(readSysreg(core, key, 0)).toEqual({ target: 1, esr: UNDEFINED });
    hcr(HCR.TIDCP)(core);
    expect(target(readSysreg(core, key, 0))).toBe(2);
  });
});

describe('VHE', () => {
  test('at EL2 with E2H the EL1 names reach EL2 registers, and _EL12 those of EL1', () => {
    const core = new FakeCore(2);
    core.msr('VBAR_EL1', 0x1000n);
    expect(target(core.mrs('VBAR_EL12'))).toBe('undefined→2');
    core.setBits('HCR_EL2', HCR.E2H);
    core.msr('VBAR_EL1', 0x2000n);
    expect(core.get('VBAR_EL2')).toBe(0x2000n);
    expect(core.mrs('VBAR_EL12')).toBe(0x1000n);
    core.msr('VBAR_EL12', 0x3000n);
    expect(core.get('VBAR_EL1')).toBe(0x3000n);
    core.msr('CNTP_CVAL_EL0', 5n);
    core.msr('CNTP_CVAL_EL02', 6n);
    expect([core.get('CNTHP_CVAL_EL2'), core.get('CNTP_CVAL_EL0')]).toEqual([5n, 6n]);
    core.el = 1;
    expect(target(core.mrs('VBAR_EL12'))).toBe('undefined→1');
    expect(core.mrs('VBAR_EL1')).toBe(0x3000n);
  });

  test("a host's applications use the host's timers", () => {
    const core = new FakeCore(0);
    core.setBits('HCR_EL2', HCR.E2H, HCR.TGE);
    core.setBits('CNTHCTL_EL2', 8, 9);
    core.msr('CNTV_CVAL_EL0', 9n);
    expect([core.get('CNTHV_CVAL_EL2'), core.get('CNTV_CVAL_EL0')]).toEqual([9n, 0n]);
  });

  test('CPTR_EL2 reads in the format of E2H', () => {
    const core = new FakeCore(2);
    expect(core.mrs('CPTR_EL2')).toBe(0x33ffn);
    core.setBits('HCR_EL2', HCR.E2H);
    core.msr('CPACR_EL1', 3n << 20n);
    expect(core.mrs('CPTR_EL2')).toBe(3n << 20n);
  });
});

describe('PSTATE', () => {
  test('SPSel switches the stack pointer in use', () => {
    const core = new FakeCore(1);
    core.sp = 0x1000n;
    core.set('SP_EL0', 0x2000n);
    expect(core.mrs('SP_EL0')).toBe(0x2000n);
    writePstateField(core, 0, 5, 0);
    expect(core.sp).toBe(0x2000n);
    expect(target(core.mrs('SP_EL0'))).toBe('undefined→1');
    core.msr('SPSel', 1n);
    expect(core.sp).toBe(0x1000n);
    expect(core.mrs('CurrentEL')).toBe(4n);
  });

  test('DAIFSet and DAIFClr; at EL0 they need UMA, and the trap shows the instruction', () => {
    const core = new FakeCore(1);
    expect(writePstateField(core, 3, 6, 0b0110)).toBeUndefined();
    expect(core.mrs('DAIF')).toBe(BigInt(PSTATE.A | PSTATE.I));
    writePstateField(core, 3, 7, 0b0010);
    expect(core.mrs('DAIF')).toBe(BigInt(PSTATE.A));
    expect(core.interruptChanges).toBe(2);
    core.el = 0;
    expect(writePstateField(core, 3, 6, 2)).toEqual({
      target: 1,
      esr: SYSREG | (6 << 17) | (3 << 14) | (4 << 10) | (31 << 5) | (2 << 1),
    });
    core.setBits('SCTLR_EL1', SCTLR.UMA);
    expect(writePstateField(core, 3, 6, 2)).toBeUndefined();
    core.setBits('HCR_EL2', HCR.E2H, HCR.TGE);
    expect(target(writePstateField(core, 3, 6, 2))).toBe(2);
  });

  test('PAN and UAO as registers and immediates; UNDEFINED at EL0', () => {
    const core = new FakeCore(1);
    core.msr('PAN', 1n << 22n);
    writePstateField(core, 0, 3, 1);
    expect(core.pstate & (PSTATE.PAN | PSTATE.UAO)).toBe(PSTATE.PAN | PSTATE.UAO);
    expect(core.contextChanges).toBe(2);
    writePstateField(core, 0, 4, 0);
    expect(core.mrs('PAN')).toBe(0n);
    core.el = 0;
    expect(target(writePstateField(core, 0, 4, 1))).toBe('undefined→1');
    expect(target(writePstateField(core, 0, 5, 1))).toBe('undefined→1');
  });

  test('NZCV and FPCR keep only their bits', () => {
    const core = new FakeCore(0);
    core.setBits('CPACR_EL1', 20, 21);
    core.msr('NZCV', (1n << 64n) - 1n);
    expect(core.mrs('NZCV')).toBe(0xf000_0000n);
    core.msr('FPCR', (1n << 64n) - 1n);
    expect(core.mrs('FPCR')).toBe(hasFeature('FEAT_FP16') ? 0x07c8_0000n : 0x07c0_0000n);
    core.msr('FPSR', (1n << 64n) - 1n);
    expect(core.mrs('FPSR')).toBe(0x0800_009fn);
  });
});

describe('ISR_EL1', () => {
  test('shows the physical inputs, or the virtual ones where EL1 gets those', () => {
    const core = new FakeCore(1);
    core.i32[F.IRQ_PENDING >> 2] = 1 | 16;
    expect(core.mrs('ISR_EL1')).toBe(0x80n);
    core.setBits('HCR_EL2', HCR.IMO, HCR.FMO);
    expect(core.mrs('ISR_EL1')).toBe(0x40n);
    core.el = 2;
    expect(core.mrs('ISR_EL1')).toBe(0x80n);
  });
});

describe('inline accesses', () => {
  const key = keyOf;
  test('only storage without effects; with the HCR_EL2 bits to test', () => {
    expect(inlineAccess(key('TPIDR_EL0'), true, 0, false)).toMatchObject({ slot: SR.TPIDR_EL0, hcr: 0 });
    expect(inlineAccess(key('SP_EL0'), false, 1, false)).toMatchObject({ slot: SR.SP_EL0, stackSelected: true });
    expect(inlineAccess(key('FAR_EL1'), false, 1, false)).toMatchObject({ slot: SR.FAR_EL1, hcr: 1 << HCR.TRVM });
    expect(inlineAccess(key('FAR_EL1'), false, 2, true)).toMatchObject({ slot: SR.FAR_EL2, hcr: 0 });
    expect(inlineAccess(key('FAR_EL12'), false, 2, true)).toMatchObject({ slot: SR.FAR_EL1, hcr: 0 });
    expect(inlineAccess(key('FAR_EL12'), false, 2, false)).toBeUndefined();
    expect(inlineAccess(key('TTBR0_EL1'), true, 1, false)).toBeUndefined();
    expect(inlineAccess(key('CNTVCT_EL0'), false, 1, false)).toBeUndefined();
    expect(inlineAccess(key('TPIDRRO_EL0'), true, 0, false)).toBeUndefined();
    expect(inlineAccess(key('CTR_EL0'), false, 1, false)).toMatchObject({ slot: -1, hcr: 1 << HCR.TID2 });
    expect(inlineAccess(key('CTR_EL0'), false, 2, false)).toMatchObject({ slot: -1, hcr: 0 });
    expect(inlineAccess(key('CTR_EL0'), false, 0, false)).toBeUndefined();
    expect(inlineAccess(key('CTR_EL0'), true, 1, false)).toBeUndefined();
    expect(inlineAccess(key('ID_AA64PFR0_EL1'), false, 1, false)).toMatchObject({
      slot: -1,
      one: idRegister('ID_AA64PFR0_EL1'),
      hcr: 1 << HCR.TID3,
    });
  });
});

describe('system instructions', () => {
  const run = (core: FakeCore, name: string, value = 0n): Trap | undefined => {
    for (const [encoding, operation] of OPERATIONS)
      if (operation.name === name) return writeSysreg(core, encoding, value, 3);
    throw new Error(`no ${name}`);
  };
  /** Stage 1 of EL1&0 or EL2&0: 39 bits, 4K, one 1 GiB block where RAM is, for EL1 and EL2 only; VA 0 is not mapped. */
  const map = (core: FakeCore, el: 1 | 2): void => {
    core.set(`TCR_EL${el}`, 25n | (25n << 16n) | (2n << 30n));
    core.set(`TTBR0_EL${el}`, BigInt(RAM));
    core.set(`MAIR_EL${el}`, 0xffn);
    core.setBits(`SCTLR_EL${el}`, SCTLR.M);
    core.poke(RAM + 8, BigInt(RAM) | 0x701n);
  };

  test('AT leaves PAR_EL1: the address, attributes and shareability, or the fault', () => {
    const core = new FakeCore(1);
    map(core, 1);
    const va = BigInt(RAM) + 0x5123n;
    expect(run(core, 'AT S1E1W', va)).toBeUndefined();
    expect(core.get('PAR_EL1')).toBe(0xff00_0000_4000_5b80n);
    run(core, 'AT S1E0R', va);
    // Permission fault, level 1.
    expect(core.get('PAR_EL1')).toBe(0x801n | (0xdn << 1n));
    run(core, 'AT S1E1R', 0n);
    expect(core.get('PAR_EL1')).toBe(0x801n | (0x5n << 1n));
    expect(target(run(core, 'AT S12E1W'))).toBe('undefined→1');
  });

  test('AT S1E1R of a host means EL2&0', () => {
    const core = new FakeCore(2);
    core.setBits('HCR_EL2', HCR.E2H);
    map(core, 2);
    const ask = (): bigint => {
      run(core, 'AT S1E1R', BigInt(RAM));
      return core.get('PAR_EL1') >> 56n;
    };
    // EL1&0's MMU is off: Device-nGnRnE.
    expect(ask()).toBe(0n);
    core.setBits('HCR_EL2', HCR.TGE);
    expect(ask()).toBe(0xffn);
  });

  test('a stage-1 walk that EL1 asks for faults to EL2 when stage 2 does; AT S12E1R reports it in PAR_EL1', () => {
    const core = new FakeCore(1);
    map(core, 1);
    core.setBits('HCR_EL2', HCR.VM);
    core.set('VTCR_EL2', 25n | (1n << 6n) | (5n << 16n) | (1n << 31n));
    core.set('VTTBR_EL2', BigInt(RAM) + 0x1000n);
    const trap = run(core, 'AT S1E1R', BigInt(RAM));
    // Data abort from a lower EL: CM, S1PTW, WnR, translation fault at level 1.
    expect(trap).toEqual({ target: 2, esr: 0x9200_01c5, far: BigInt(RAM), hpfar: BigInt(RAM) >> 8n });
    core.el = 2;
    expect(run(core, 'AT S12E1R', BigInt(RAM))).toBeUndefined();
    expect(core.get('PAR_EL1')).toBe(0x801n | (0x5n << 1n) | (1n << 8n) | (1n << 9n));
  });

  test('cache maintenance by address: UCI at EL0, TPC and TPU below EL2, and the fault of its translation', () => {
    const core = new FakeCore(0);
    expect(target(run(core, 'DC CVAU', 64n))).toBe(1);
    core.setBits('SCTLR_EL1', SCTLR.UCI);
    expect(run(core, 'DC CVAU', 64n)).toBeUndefined();
    // Beyond the physical addresses: a fault of level 0, with CM and WnR.
    expect(run(core, 'DC CVAC', 1n << 48n)).toEqual({ target: 1, esr: 0x9200_0140, far: 1n << 48n });
    core.setBits('HCR_EL2', HCR.TPC);
    expect(target(run(core, 'DC CIVAC', 64n))).toBe(2);
    expect(run(core, 'IC IVAU', 64n)).toBeUndefined();
    expect(core.instructionInvalidations).toEqual([{ pa: 0x40, broadcast: true }]);
    core.setBits('HCR_EL2', HCR.TPU);
    expect(target(run(core, 'IC IVAU', 64n))).toBe(2);
    core.el = 1;
    expect(target(run(core, 'DC CISW'))).toBe('allowed');
    core.setBits('HCR_EL2', HCR.TSW);
    expect(target(run(core, 'DC CISW'))).toBe(2);
  });

  test('IC IALLU is local unless IS or HCR_EL2.FB', () => {
    const core = new FakeCore(1);
    run(core, 'IC IALLU');
    run(core, 'IC IALLUIS');
    core.setBits('HCR_EL2', HCR.FB);
    run(core, 'IC IALLU');
    expect(core.instructionInvalidations.map((i) => i.broadcast)).toEqual([false, true, true]);
  });

  test('DC ZVA traps by DZE and TDZ, and DCZID_EL0.DZP says so', () => {
    const core = new FakeCore(0);
    expect(dcZvaTrap(core, 2)?.target).toBe(1);
    expect(core.mrs('DCZID_EL0')).toBe(0x14n);
    core.el = 1;
    expect(dcZvaTrap(core, 2)).toBeUndefined();
    expect(core.mrs('DCZID_EL0')).toBe(4n);
    core.setBits('HCR_EL2', HCR.TDZ);
    expect(dcZvaTrap(core, 2)?.target).toBe(2);
  });

  test('TLBI of EL1: scopes with the VMID and ASID in use', () => {
    const core = new FakeCore(1);
    core.set('VTTBR_EL2', 0x1234n << 48n);
    core.set('TCR_EL1', 2n << 30n);
    run(core, 'TLBI VMALLE1');
    run(core, 'TLBI VMALLE1IS');
    run(core, 'TLBI ASIDE1', 0x5678n << 48n);
    run(core, 'TLBI VAE1IS', (0x5678n << 48n) | 0x12345n);
    run(core, 'TLBI VAALE1', 0xfff_ffff_ffffn);
    core.setBits('TCR_EL1', 36);
    core.setBits('VTCR_EL2', 19);
    run(core, 'TLBI ASIDE1OS', 0x5678n << 48n);
    expect(core.invalidations).toEqual([
      { regime: 1, vmid: 0x34, broadcast: false },
      { regime: 1, vmid: 0x34, broadcast: true },
      { regime: 1, vmid: 0x34, asid: 0x78, broadcast: false },
      { regime: 1, vmid: 0x34, asid: 0x78, global: true, va: { start: 0x1234_5000, length: 4096 }, broadcast: true },
      { regime: 1, vmid: 0x34, global: true, va: { start: -4096, length: 4096 }, broadcast: false },
      { regime: 1, vmid: 0x1234, asid: 0x5678, broadcast: true },
    ]);
  });

  test('TLBI by address reaches a whole page of the granule in use', () => {
    const core = new FakeCore(1);
    core.set('TCR_EL1', (1n << 14n) | (1n << 30n));
    run(core, 'TLBI VAAE1', 0x12345n);
    run(core, 'TLBI VAAE1', 0xfff_ffff_fff7n);
    expect(core.invalidations.map((scope) => scope.va)).toEqual([
      { start: 0x1234_0000, length: 65536 },
      { start: -0xc000, length: 16384 },
    ]);
  });

  test('TLBI range: (NUM + 1) << (5 * SCALE + 1) pages from BaseADDR', () => {
    const core = new FakeCore(1);
    const argument = (tg: bigint, scale: bigint, num: bigint, base: bigint): bigint =>
      (tg << 46n) | (scale << 44n) | (num << 39n) | base;
    run(core, 'TLBI RVAAE1IS', argument(1n, 0n, 0n, 0x10n));
    run(core, 'TLBI RVAAE1', argument(3n, 2n, 31n, (1n << 37n) - 1n));
    run(core, 'TLBI RVAAE1', argument(0n, 0n, 0n, 0n));
    expect(core.invalidations.map((scope) => scope.va)).toEqual([
      { start: 0x10000, length: 8192 },
      { start: -65536, length: 32 * 2048 * 65536 },
    ]);
  });

  test('TLBI at EL2: its own regime, stage 2, all VMIDs; the EL1 forms of a host are its own', () => {
    const core = new FakeCore(2);
    core.set('VTTBR_EL2', 7n << 48n);
    run(core, 'TLBI ALLE2');
    run(core, 'TLBI ALLE1IS');
    run(core, 'TLBI VMALLS12E1IS');
    run(core, 'TLBI IPAS2E1IS', 0x40000n);
    run(core, 'TLBI VAE2', (3n << 48n) | 1n);
    core.setBits('HCR_EL2', HCR.E2H);
    run(core, 'TLBI VAE1', (3n << 48n) | 1n);
    core.setBits('HCR_EL2', HCR.TGE);
    run(core, 'TLBI VAE1', (3n << 48n) | 1n);
    run(core, 'TLBI VMALLE1');
    const va = { start: 4096, length: 4096 };
    expect(core.invalidations).toEqual([
      { regime: 2, broadcast: false },
      { regime: 1, broadcast: true },
      { regime: 1, vmid: 7, broadcast: true },
      { regime: 1, vmid: 7, ipa: { start: 0x4000_0000, length: 4096 }, broadcast: true },
      { regime: 2, va, global: true, broadcast: false },
      { regime: 1, vmid: 7, va, asid: 3, global: true, broadcast: false },
      { regime: 2, va, asid: 3, global: true, broadcast: false },
      { regime: 2, broadcast: false },
    ]);
  });

  test('TLBI at EL1 traps by TTLB, TTLBIS and TTLBOS and broadcasts under FB', () => {
    const traps = (n: number): unknown[] =>
      ['TLBI VMALLE1', 'TLBI VMALLE1IS', 'TLBI RVAE1OS'].map((name) => {
        const core = new FakeCore(1);
        core.setBits('HCR_EL2', n);
        return target(run(core, name));
      });
    expect(traps(HCR.TTLB)).toEqual([2, 2, 2]);
    expect(traps(HCR.TTLBIS)).toEqual(['allowed', 2, 'allowed']);
    expect(traps(HCR.TTLBOS)).toEqual(['allowed', 'allowed', 2]);
    const core = new FakeCore(1);
    core.setBits('HCR_EL2', HCR.FB);
    run(core, 'TLBI VMALLE1');
    expect(core.invalidations[0]?.broadcast).toBe(true);
    core.el = 0;
    expect(target(run(core, 'TLBI VMALLE1'))).toBe('undefined→1');
  });
});
