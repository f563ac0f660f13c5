import { describe, expect, test } from 'vitest';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg-slots.ts';
import { ICH } from '../../../arch/gic/ich.ts';
import { IRQ, TestGic, VFIQ, VIRQ, type TestCore } from './machine.ts';

const PENDING = 1n << 62n;
const ACTIVE = 2n << 62n;
const STATE = 3n << 62n;
const HW = 1n << 61n;
const GROUP1 = 1n << 60n;
const EOI = 1n << 41n;

function lr(vintid: number, priority: number, flags: bigint, pintid = 0): bigint {
  return BigInt(vintid) | (BigInt(pintid) << 32n) | (BigInt(priority) << 48n) | flags;
}

/** A core at EL1 with a guest that takes both kinds of interrupts. */
function guest(): { t: TestGic; core: TestCore } {
  const t = new TestGic().start();
  const core = t.core();
  core.hcr = (1 << 3) | (1 << 4);
  core.write('ICH_HCR_EL2', 1);
  core.el = 1;
  core.write('ICC_PMR_EL1', 0xff);
  core.write('ICC_IGRPEN0_EL1', 1);
  core.write('ICC_IGRPEN1_EL1', 1);
  return { t, core };
}

/** Something that the hypervisor does. */
function atEl2<T>(core: TestCore, action: () => T): T {
  const pstate = core.i32[F.PSTATE >> 2]!;
  core.el = 2;
  const result = action();
  core.i32[F.PSTATE >> 2] = pstate;
  return result;
}

const setLr = (core: TestCore, n: number, value: bigint): void =>
  atEl2(core, () => core.write(`ICH_LR${n}_EL2`, value));
const getLr = (core: TestCore, n: number): bigint => atEl2(core, () => core.read(`ICH_LR${n}_EL2`));
const el2 = (core: TestCore, name: string): number => atEl2(core, () => core.num(name));

test('the virtual interface lies in the frame where no other register is', () => {
  expect(Math.max(...Object.values(SR)) + 8).toBeLessThanOrEqual(ICH.BASE);
  expect(ICH.LR + 8 * 16).toBe(F.SYSREG_END);
});

describe('the hypervisor’s registers', () => {
  test('ICH_VTR_EL2 says 16 list registers, five priority bits', () => {
    expect(el2(new TestGic().core(), 'ICH_VTR_EL2')).toBe(0x9028_000f);
  });

  test('keep their implemented bits', () => {
    const core = new TestGic().core();
    const ones = 0xffff_ffff_ffff_ffffn;
    for (const name of ['ICH_HCR_EL2', 'ICH_VMCR_EL2', 'ICH_LR15_EL2', 'ICH_AP1R0_EL2']) core.write(name, ones);
    expect(core.num('ICH_HCR_EL2')).toBe(0xf800_7cff);
    expect(core.num('ICH_VMCR_EL2')).toBe(0xf8fc_021b);
    expect(core.read('ICH_LR15_EL2')).toBe(0xf0f8_1fff_0000_ffffn);
    expect(core.num('ICH_AP1R0_EL2')).toBe(0xffff_ffff);
    core.write('ICH_VMCR_EL2', 0);
    expect(core.num('ICH_VMCR_EL2')).toBe((2 << 21) | (3 << 18) | (1 << 3));
  });

  test('EISR and ELRSR tell ended and free list registers apart', () => {
    const core = new TestGic().core();
    core.write('ICH_LR0_EL2', lr(40, 0x80, PENDING | EOI));
    core.write('ICH_LR1_EL2', lr(41, 0x80, EOI));
    core.write('ICH_LR2_EL2', lr(42, 0x80, HW, 1 << 9)); // with HW the bit belongs to pINTID
    expect(core.num('ICH_EISR_EL2')).toBe(0b010);
    expect(core.num('ICH_ELRSR_EL2')).toBe(0xfffc);
  });
});

describe('a virtual interrupt', () => {
  test('is signalled, acknowledged and ended: pending, active, invalid', () => {
    const { core } = guest();
    setLr(core, 3, lr(40, 0x80, PENDING | GROUP1));
    expect(core.lines).toBe(VIRQ);
    expect(core.num('ICC_HPPIR1_EL1')).toBe(40);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    expect(getLr(core, 3) & STATE).toBe(ACTIVE);
    expect(core.num('ICC_RPR_EL1')).toBe(0x80);
    expect(el2(core, 'ICH_AP1R0_EL2')).toBe(1 << 16);
    expect(core.lines).toBe(0);
    core.write('ICC_EOIR1_EL1', 40);
    expect(getLr(core, 3) & STATE).toBe(0n);
    expect(core.num('ICC_RPR_EL1')).toBe(0xff);
  });

  test('that is pending and active is given again after its end', () => {
    const { core } = guest();
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1));
    core.num('ICC_IAR1_EL1');
    setLr(core, 0, getLr(core, 0) | PENDING);
    expect(core.lines).toBe(0);
    core.write('ICC_EOIR1_EL1', 40);
    expect(getLr(core, 0) & STATE).toBe(PENDING);
    expect(core.lines).toBe(VIRQ);
  });

  test('of Group 0 is a virtual FIQ', () => {
    const { core } = guest();
    setLr(core, 0, lr(40, 0x80, PENDING));
    expect(core.lines).toBe(VFIQ);
    expect(core.num('ICC_IAR1_EL1')).toBe(1023);
    expect(core.num('ICC_IAR0_EL1')).toBe(40);
    core.write('ICC_EOIR0_EL1', 40);
    expect(getLr(core, 0) & STATE).toBe(0n);
  });

  test('needs ICH_HCR_EL2.En, its group and a priority above the mask and the running one', () => {
    const { core } = guest();
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1));
    setLr(core, 1, lr(41, 0x40, PENDING | GROUP1));
    core.write('ICC_PMR_EL1', 0x40);
    expect(core.lines).toBe(0);
    core.write('ICC_PMR_EL1', 0xf0);
    core.write('ICC_IGRPEN1_EL1', 0);
    expect(core.lines).toBe(0);
    core.write('ICC_IGRPEN1_EL1', 1);
    atEl2(core, () => core.write('ICH_HCR_EL2', 0));
    expect(core.lines).toBe(0);
    expect(core.num('ICC_IAR1_EL1')).toBe(1023);
    atEl2(core, () => core.write('ICH_HCR_EL2', 1));
    expect(core.num('ICC_IAR1_EL1')).toBe(41);
    expect(core.lines).toBe(0);
    setLr(core, 2, lr(42, 0x20, PENDING | GROUP1));
    expect(core.num('ICC_IAR1_EL1')).toBe(42);
    core.write('ICC_EOIR1_EL1', 42);
    core.write('ICC_EOIR1_EL1', 41);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
  });

  test('with HW deactivates the physical one when it ends', () => {
    const { t, core } = guest();
    t.enable(27, 0x80);
    t.gic.setLine(27, true);
    atEl2(core, () => {
      core.write('ICC_CTLR_EL1', 2);
      expect(core.lines & IRQ).toBe(IRQ);
      expect(core.num('ICC_IAR1_EL1')).toBe(27);
      core.write('ICC_EOIR1_EL1', 27);
    });
    setLr(core, 0, lr(30, 0x80, PENDING | GROUP1 | HW, 27));
    expect(core.lines).toBe(VIRQ);
    expect(core.num('ICC_IAR1_EL1')).toBe(30);
    expect(t.gic.isActive(27)).toBe(true);
    core.write('ICC_EOIR1_EL1', 30);
    expect(t.gic.isActive(27)).toBe(false);
    expect(core.lines).toBe(IRQ); // its wire is still high
  });

  test('with EOImode 1 is deactivated by DIR', () => {
    const { t, core } = guest();
    core.write('ICC_CTLR_EL1', 2);
    expect(el2(core, 'ICH_VMCR_EL2') & (1 << 9)).not.toBe(0);
    t.gic.setActive(50, true);
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1 | HW, 50));
    core.num('ICC_IAR1_EL1');
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.num('ICC_RPR_EL1')).toBe(0xff);
    expect(getLr(core, 0) & STATE).toBe(ACTIVE);
    core.write('ICC_DIR_EL1', 40);
    expect(getLr(core, 0) & STATE).toBe(0n);
    expect(t.gic.isActive(50)).toBe(false);
  });

  test('ended with the wrong group or priority stays active', () => {
    const { core } = guest();
    setLr(core, 0, lr(40, 0x80, ACTIVE | GROUP1));
    atEl2(core, () => core.write('ICH_AP1R0_EL2', 1 << 8)); // running at 0x40
    core.write('ICC_EOIR1_EL1', 40);
    expect(getLr(core, 0) & STATE).toBe(ACTIVE);
    expect(core.num('ICC_RPR_EL1')).toBe(0xff);
  });
});

describe('EOIcount', () => {
  const count = (core: TestCore): number => el2(core, 'ICH_HCR_EL2') >>> 27;

  test('counts ends of interrupts that no list register holds', () => {
    const { core } = guest();
    atEl2(core, () => core.write('ICH_AP1R0_EL2', 1 << 16));
    core.write('ICC_EOIR1_EL1', 1023);
    expect(count(core)).toBe(0);
    core.write('ICC_EOIR1_EL1', 99);
    expect(count(core)).toBe(1);
    core.write('ICC_EOIR1_EL1', 99); // nothing is active any more
    expect(count(core)).toBe(1);
    core.write('ICC_CTLR_EL1', 2);
    core.write('ICC_DIR_EL1', 99);
    expect(count(core)).toBe(2);
  });

  test('counts only what would have deactivated', () => {
    const { core } = guest();
    core.write('ICC_CTLR_EL1', 2);
    atEl2(core, () => core.write('ICH_AP1R0_EL2', 1 << 16));
    core.write('ICC_EOIR1_EL1', 99);
    expect(count(core)).toBe(0);
    core.write('ICC_CTLR_EL1', 0);
    core.write('ICC_DIR_EL1', 99);
    expect(count(core)).toBe(0);
  });
});

describe('the maintenance interrupt', () => {
  function waiting(): { t: TestGic; core: TestCore } {
    const { t, core } = guest();
    t.enable(25, 0x10);
    return { t, core };
  }
  const control = (core: TestCore, bits: number): void => atEl2(core, () => core.write('ICH_HCR_EL2', 1 | bits));
  const asserted = (t: TestGic, core: TestCore): boolean => {
    void core.lines;
    return t.gic.line(25);
  };

  test('underflow: at most one list register in use', () => {
    const { t, core } = waiting();
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1));
    setLr(core, 1, lr(41, 0x80, PENDING | GROUP1));
    control(core, 1 << 1);
    expect(asserted(t, core)).toBe(false);
    core.num('ICC_IAR1_EL1');
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.lines & IRQ).toBe(IRQ);
    expect(el2(core, 'ICH_MISR_EL2')).toBe(2);
    control(core, 0);
    expect(asserted(t, core)).toBe(false);
  });

  test('end of an interrupt that asked for it', () => {
    const { t, core } = waiting();
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1 | EOI));
    core.num('ICC_IAR1_EL1');
    expect(asserted(t, core)).toBe(false);
    core.write('ICC_EOIR1_EL1', 40);
    expect(asserted(t, core)).toBe(true);
    expect([el2(core, 'ICH_MISR_EL2'), el2(core, 'ICH_EISR_EL2')]).toEqual([1, 1]);
    setLr(core, 0, 0n);
    expect(asserted(t, core)).toBe(false);
  });

  test('an end without a list register, nothing pending, groups switched on and off', () => {
    const { t, core } = waiting();
    control(core, 1 << 2);
    expect(asserted(t, core)).toBe(false);
    atEl2(core, () => core.write('ICH_AP1R0_EL2', 1 << 16));
    core.write('ICC_EOIR1_EL1', 99);
    expect(el2(core, 'ICH_MISR_EL2')).toBe(4);
    control(core, 1 << 3);
    expect(el2(core, 'ICH_MISR_EL2')).toBe(8);
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1));
    expect(asserted(t, core)).toBe(false);
    control(core, 0xf0);
    expect(el2(core, 'ICH_MISR_EL2')).toBe(0x50);
    core.write('ICC_IGRPEN0_EL1', 0);
    core.write('ICC_IGRPEN1_EL1', 0);
    expect(el2(core, 'ICH_MISR_EL2')).toBe(0xa0);
    expect(asserted(t, core)).toBe(true);
  });
});

describe('which interface EL1 sees', () => {
  test('is chosen for each group by HCR_EL2.FMO and IMO, for common registers by either', () => {
    const core = new TestGic().core();
    core.write('ICC_PMR_EL1', 0x50);
    core.write('ICH_VMCR_EL2', 0xa0 << 24);
    core.el = 1;
    const seen = (hcr: number): number[] => {
      core.hcr = hcr;
      core.write('ICC_IGRPEN0_EL1', 1);
      core.write('ICC_IGRPEN1_EL1', 1);
      const result = [core.num('ICC_PMR_EL1'), core.physical.groupEnabled(0), core.physical.groupEnabled(1)];
      core.write('ICC_IGRPEN0_EL1', 0);
      core.write('ICC_IGRPEN1_EL1', 0);
      return result;
    };
    expect(seen(0)).toEqual([0x50, 1, 1]);
    expect(seen(1 << 3)).toEqual([0xa0, 0, 1]);
    expect(seen(1 << 4)).toEqual([0xa0, 1, 0]);
  });

  test('is always the physical one at EL2', () => {
    const core = new TestGic().core();
    core.hcr = (1 << 3) | (1 << 4);
    core.write('ICC_PMR_EL1', 0x50);
    expect(core.physical.pmr).toBe(0x50);
    expect(core.num('ICH_VMCR_EL2') >>> 24).toBe(0);
  });

  test('another frame is another virtual interface', () => {
    const { core } = guest();
    setLr(core, 0, lr(40, 0x80, PENDING | GROUP1));
    const saved = core.i32.slice();
    core.i32.fill(0);
    expect(core.lines).toBe(0);
    core.i32.set(saved);
    expect(core.lines).toBe(VIRQ);
  });
});
