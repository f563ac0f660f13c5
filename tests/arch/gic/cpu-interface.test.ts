import { describe, expect, test } from 'vitest';
import { GIC_OK, GIC_TRAP_EL2, GIC_UNDEFINED } from '../../../arch/gic/system-registers.ts';
import { IRQ, REGISTERS, TestGic } from './machine.ts';

function two(low: number, high: number): TestGic {
  const t = new TestGic().start();
  t.enable(40, low, { edge: true });
  t.enable(41, high, { edge: true });
  return t;
}

describe('running priority', () => {
  test('a higher priority preempts, an equal or lower one waits', () => {
    const t = two(0x80, 0x40);
    const core = t.core();
    expect(core.num('ICC_RPR_EL1')).toBe(0xff);
    t.gic.setPending(40, true);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    expect(core.num('ICC_RPR_EL1')).toBe(0x80);
    t.gic.setPending(41, true);
    expect(core.lines).toBe(IRQ);
    expect(core.num('ICC_IAR1_EL1')).toBe(41);
    expect(core.num('ICC_RPR_EL1')).toBe(0x40);
    expect(core.num('ICC_AP1R0_EL1')).toBe((1 << 16) | (1 << 8));
    core.write('ICC_EOIR1_EL1', 41);
    expect(core.num('ICC_RPR_EL1')).toBe(0x80);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.num('ICC_RPR_EL1')).toBe(0xff);
  });

  test('the binary point takes low bits out of preemption', () => {
    const t = two(0x88, 0x80);
    const core = t.core();
    core.write('ICC_BPR1_EL1', 4);
    t.gic.setPending(40, true);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    t.gic.setPending(41, true);
    expect(core.lines).toBe(0);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.num('ICC_IAR1_EL1')).toBe(41);
    expect(core.num('ICC_RPR_EL1')).toBe(0x80);
  });

  test('binary points have minima, and CBPR shows BPR1 as BPR0 + 1', () => {
    const core = new TestGic().core();
    core.write('ICC_BPR0_EL1', 0);
    core.write('ICC_BPR1_EL1', 0);
    expect([core.num('ICC_BPR0_EL1'), core.num('ICC_BPR1_EL1')]).toEqual([2, 3]);
    core.write('ICC_BPR0_EL1', 5);
    core.write('ICC_CTLR_EL1', 1);
    core.write('ICC_BPR1_EL1', 3);
    expect(core.num('ICC_BPR1_EL1')).toBe(6);
    core.write('ICC_BPR0_EL1', 7);
    expect(core.num('ICC_BPR1_EL1')).toBe(7);
    core.write('ICC_CTLR_EL1', 0);
    expect(core.num('ICC_BPR1_EL1')).toBe(3);
  });

  test('the mask keeps five bits', () => {
    const core = new TestGic().core();
    core.write('ICC_PMR_EL1', 0xff);
    expect(core.num('ICC_PMR_EL1')).toBe(0xf8);
  });
});

describe('completion', () => {
  test('EOImode 0: EOIR drops the priority and deactivates', () => {
    const t = two(0x80, 0x40);
    t.gic.setPending(40, true);
    t.core().num('ICC_IAR1_EL1');
    expect(t.gic.isActive(40)).toBe(true);
    t.core().write('ICC_DIR_EL1', 40); // no effect in this mode
    expect(t.gic.isActive(40)).toBe(true);
    t.core().write('ICC_EOIR1_EL1', 40);
    expect(t.gic.isActive(40)).toBe(false);
  });

  test('EOImode 1: EOIR drops the priority, DIR deactivates', () => {
    const t = two(0x80, 0x80);
    const core = t.core();
    core.write('ICC_CTLR_EL1', 2);
    expect(core.num('ICC_CTLR_EL1')).toBe(0x8402);
    t.gic.setPending(40, true);
    core.num('ICC_IAR1_EL1');
    t.gic.setPending(41, true);
    expect(core.lines).toBe(0);
    core.write('ICC_EOIR1_EL1', 40);
    expect(t.gic.isActive(40)).toBe(true);
    expect(core.lines).toBe(IRQ); // the other one comes while the first is still active
    core.write('ICC_DIR_EL1', 40);
    expect(t.gic.isActive(40)).toBe(false);
  });

  test('an EOIR without an active interrupt of its group, or of a special INTID, does nothing', () => {
    const t = two(0x80, 0x40);
    const core = t.core();
    core.write('ICC_EOIR1_EL1', 40);
    t.gic.setPending(40, true);
    core.num('ICC_IAR1_EL1');
    core.write('ICC_EOIR0_EL1', 40);
    core.write('ICC_EOIR1_EL1', 1023);
    expect(core.num('ICC_RPR_EL1')).toBe(0x80);
    expect(t.gic.isActive(40)).toBe(true);
  });

  test('an SPI can be deactivated by another core', () => {
    const t = new TestGic(2).start();
    t.enable(40, 0x80);
    t.core(0).write('ICC_CTLR_EL1', 2);
    t.core(1).write('ICC_CTLR_EL1', 2);
    t.gic.setPending(40, true);
    t.core(0).num('ICC_IAR1_EL1');
    t.core(0).write('ICC_EOIR1_EL1', 40);
    t.core(1).write('ICC_DIR_EL1', 40);
    expect(t.gic.isActive(40)).toBe(false);
  });
});

describe('access', () => {
  test('EL0 has none of the registers, EL1 none of the EL2 ones', () => {
    const core = new TestGic().core();
    core.el = 0;
    for (const name of REGISTERS) expect(core.access(name), name).toBe(GIC_UNDEFINED);
    core.el = 1;
    for (const name of REGISTERS.filter((register) => register.endsWith('_EL2')))
      expect(core.access(name), name).toBe(GIC_UNDEFINED);
  });

  test('read-only and write-only registers are UNDEFINED the other way', () => {
    const core = new TestGic().core();
    for (const name of [
      'ICC_IAR1_EL1',
      'ICC_HPPIR0_EL1',
      'ICC_RPR_EL1',
      'ICH_VTR_EL2',
      'ICH_MISR_EL2',
      'ICH_ELRSR_EL2',
    ])
      expect([core.access(name), core.access(name, true)], name).toEqual([GIC_OK, GIC_UNDEFINED]);
    for (const name of ['ICC_EOIR1_EL1', 'ICC_DIR_EL1', 'ICC_SGI1R_EL1'])
      expect([core.access(name), core.access(name, true)], name).toEqual([GIC_UNDEFINED, GIC_OK]);
  });

  test('active priorities beyond the implemented bits are UNDEFINED', () => {
    const { registers } = new TestGic().core();
    const ap1r1 = (3 << 14) | (12 << 7) | (9 << 3) | 1;
    expect(registers.access(ap1r1, false)).toBe(GIC_UNDEFINED);
    expect(registers.access((3 << 14) | (12 << 7), false)).toBe(GIC_UNDEFINED); // VBAR_EL1
  });

  test('the system register interface is always on', () => {
    const core = new TestGic().core();
    core.write('ICC_SRE_EL2', 0);
    core.write('ICC_SRE_EL1', 0);
    expect([core.num('ICC_SRE_EL1'), core.num('ICC_SRE_EL2')]).toEqual([7, 15]);
  });

  test('ICH_HCR_EL2 traps what it names, at EL1 only', () => {
    const core = new TestGic().core();
    const trapped = (bits: number): string[] => {
      core.el = 2;
      core.write('ICH_HCR_EL2', bits);
      core.el = 1;
      const names = REGISTERS.filter((name) => name.endsWith('_EL1') && core.access(name, true) === GIC_TRAP_EL2);
      core.el = 2;
      expect(REGISTERS.some((name) => core.access(name, true) === GIC_TRAP_EL2)).toBe(false);
      return names;
    };
    expect(trapped(0)).toEqual([]);
    expect(trapped(1 << 10)).toEqual([
      'ICC_PMR_EL1',
      'ICC_DIR_EL1',
      'ICC_SGI1R_EL1',
      'ICC_ASGI1R_EL1',
      'ICC_SGI0R_EL1',
      'ICC_CTLR_EL1',
    ]);
    expect(trapped(1 << 11)).toEqual(['ICC_EOIR0_EL1', 'ICC_BPR0_EL1', 'ICC_AP0R0_EL1', 'ICC_IGRPEN0_EL1']);
    expect(trapped(1 << 12)).toEqual(['ICC_AP1R0_EL1', 'ICC_EOIR1_EL1', 'ICC_BPR1_EL1', 'ICC_IGRPEN1_EL1']);
    expect(trapped(1 << 14)).toEqual(['ICC_DIR_EL1']);
  });

  test('SGIs of EL1 trap when interrupts are routed to EL2', () => {
    const core = new TestGic().core();
    core.el = 1;
    expect(core.access('ICC_SGI1R_EL1', true)).toBe(GIC_OK);
    for (const hcr of [1 << 3, 1 << 4]) {
      core.hcr = hcr;
      expect(core.access('ICC_SGI1R_EL1', true)).toBe(GIC_TRAP_EL2);
    }
  });
});
