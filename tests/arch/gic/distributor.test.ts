import { describe, expect, test } from 'vitest';
import { InterruptController } from '../../../arch/gic/interrupts.ts';
import { FIQ, IRQ, TestGic } from './machine.ts';

describe('identification', () => {
  test('the distributor says GICv3, one Security state, affinity routing, 288 INTIDs', () => {
    const { distributor } = new TestGic();
    expect(distributor.read(0x0, 4)).toBe(0x50);
    expect(distributor.read(0x4, 4) & 0x1f).toBe(8);
    expect(distributor.read(0x4, 4) & (1 << 10)).toBe(0);
    expect(distributor.read(0x8, 4)).toBe(0x43b);
    expect([0xffd0, 0xffe0, 0xffe4, 0xffe8, 0xfff0, 0xfffc].map((at) => distributor.read(at, 4))).toEqual([
      0x44, 0x92, 0xb4, 0x3b, 0x0d, 0xb1,
    ]);
  });

  test('each redistributor says its number and affinity, the last one that it is the last', () => {
    const { redistributors } = new TestGic(18);
    const typer = (cpu: number): number[] => [0x8, 0xc].map((at) => redistributors.read(cpu * 0x20000 + at, 4));
    expect(typer(0)).toEqual([0x0020, 0]);
    expect(typer(16)).toEqual([0x1020, 0x100]);
    expect(typer(17)).toEqual([0x1130, 0x101]);
    expect(redistributors.read(18 * 0x20000 + 8, 4)).toBe(0);
    expect(redistributors.read(0xffe8, 4)).toBe(0x3b);
  });

  test('a redistributor sleeps until GICR_WAKER.ProcessorSleep is cleared', () => {
    const { redistributors } = new TestGic();
    expect(redistributors.read(0x14, 4)).toBe(6);
    redistributors.write(0x14, 4, 0);
    expect(redistributors.read(0x14, 4)).toBe(0);
  });

  test('bad sizes are refused with what to change', () => {
    expect(() => new InterruptController({ cpus: 0, spis: 256 })).toThrow('1 to 256');
    expect(() => new InterruptController({ cpus: 1, spis: 33 })).toThrow('32 to 988');
  });
});

describe('register arrays', () => {
  test('set and clear registers show the same bits, for SPIs at the distributor only', () => {
    const { distributor } = new TestGic();
    for (const [set, clear] of [
      [0x104, 0x184],
      [0x204, 0x284],
      [0x304, 0x384],
    ] as const) {
      distributor.write(set, 4, 0xf0f0);
      expect(distributor.read(clear, 4)).toBe(0xf0f0);
      distributor.write(clear, 4, 0x00ff);
      expect(distributor.read(set, 4)).toBe(0xf000);
    }
    distributor.write(0x100, 4, 0xffffffff);
    expect(distributor.read(0x100, 4)).toBe(0);
    distributor.write(0x180 + 4 * 9, 4, 0xffffffff); // beyond the last SPI
    expect(distributor.read(0x100 + 4 * 9, 4)).toBe(0);
  });

  test('priorities are bytes with five bits', () => {
    const { distributor, redistributors } = new TestGic();
    distributor.write(0x420, 4, 0xff_a7_50_01);
    expect(distributor.read(0x420, 4)).toBe(0xf8a05000);
    distributor.write(0x421, 1, 0x18);
    expect(distributor.read(0x421, 1)).toBe(0x18);
    redistributors.write(0x1041e, 1, 0x90);
    expect(redistributors.read(0x1041c, 4)).toBe(0x00900000);
  });

  test('SGIs stay edge-triggered, PPIs and SPIs are configured', () => {
    const { distributor, redistributors } = new TestGic();
    redistributors.write(0x10c00, 4, 0);
    redistributors.write(0x10c04, 4, 0x80000002);
    expect(redistributors.read(0x10c00, 4)).toBe(0xaaaaaaaa);
    expect(redistributors.read(0x10c04, 4)).toBe(0x80000002);
    distributor.write(0xc08, 4, 0xffffffff);
    expect(distributor.read(0xc08, 4)).toBe(0xaaaaaaaa);
    expect(distributor.read(0xc0c, 4)).toBe(0);
  });

  test('IROUTER keeps affinity and mode in its two halves', () => {
    const { distributor } = new TestGic(2);
    const at = 0x6000 + 8 * 40;
    distributor.write(at, 4, 0x80_01_02_03);
    distributor.write(at + 4, 4, 0xfffffff7);
    expect(distributor.read(at, 4)).toBe(0x80010203);
    expect(distributor.read(at + 4, 4)).toBe(0xf7);
  });
});

describe('delivery', () => {
  test('an SPI needs its enable, its group at the distributor and at the CPU, and a priority above the mask', () => {
    const t = new TestGic().start();
    const core = t.core();
    t.enable(40, 0x80);
    t.gic.setLine(40, true);
    expect(core.lines).toBe(IRQ);
    for (const [off, on] of [
      [() => t.bit(0x180, 40), () => t.bit(0x100, 40)],
      [() => t.distributor.write(0, 4, 1), () => t.distributor.write(0, 4, 3)],
      [() => core.write('ICC_IGRPEN1_EL1', 0), () => core.write('ICC_IGRPEN1_EL1', 1)],
      [() => core.write('ICC_PMR_EL1', 0x80), () => core.write('ICC_PMR_EL1', 0x88)],
    ] as const) {
      off();
      expect(core.lines).toBe(0);
      expect(core.num('ICC_IAR1_EL1')).toBe(1023);
      on();
      expect(core.lines).toBe(IRQ);
    }
  });

  test('Group 0 is signalled as FIQ and acknowledged by ICC_IAR0 only', () => {
    const t = new TestGic().start();
    const core = t.core();
    t.enable(40, 0x80, { group: 0 });
    t.gic.setLine(40, true);
    expect(core.lines).toBe(FIQ);
    expect(core.num('ICC_HPPIR1_EL1')).toBe(1023);
    expect(core.num('ICC_IAR1_EL1')).toBe(1023);
    expect(core.num('ICC_HPPIR0_EL1')).toBe(40);
    expect(core.num('ICC_IAR0_EL1')).toBe(40);
  });

  test('an interrupt of a group that the CPU has disabled does not hide one of the other group', () => {
    const t = new TestGic().start();
    t.core().write('ICC_IGRPEN0_EL1', 0);
    t.enable(40, 0x10, { group: 0 });
    t.enable(41, 0x80);
    t.gic.setLine(40, true);
    t.gic.setLine(41, true);
    expect(t.core().lines).toBe(IRQ);
    expect(t.core().num('ICC_IAR1_EL1')).toBe(41);
  });

  test('the highest priority comes first, of equals the lowest INTID', () => {
    const t = new TestGic().start();
    for (const [intid, priority] of [
      [100, 0x40],
      [33, 0x80],
      [50, 0x40],
      [27, 0x60],
    ] as const) {
      t.enable(intid, priority);
      t.gic.setLine(intid, true);
    }
    const out = new Int32Array(3);
    expect(t.gic.pendingList(0, out)).toBe(3);
    expect([...out]).toEqual([50, 100, 27]);
    const core = t.core();
    const order: number[] = [];
    for (let i = 0; i < 4; i++) {
      const intid = core.num('ICC_IAR1_EL1');
      order.push(intid);
      t.gic.setLine(intid, false);
      core.write('ICC_EOIR1_EL1', intid);
    }
    expect(order).toEqual([50, 100, 27, 33]);
    expect(core.num('ICC_IAR1_EL1')).toBe(1023);
  });

  test('a level-sensitive interrupt comes again while its wire is high', () => {
    const t = new TestGic().start();
    const core = t.core();
    t.enable(40, 0x80);
    t.gic.setLine(40, true);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    expect(t.gic.isPending(40)).toBe(true);
    expect(core.lines).toBe(0);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.lines).toBe(IRQ);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    t.gic.setLine(40, false);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.lines).toBe(0);
  });

  test('an edge is remembered until acknowledged, a second one while active as well', () => {
    const t = new TestGic().start();
    const core = t.core();
    t.enable(40, 0x80, { edge: true });
    t.gic.setLine(40, true);
    t.gic.setLine(40, false);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    expect(t.gic.isPending(40)).toBe(false);
    t.gic.setLine(40, true);
    expect(core.lines).toBe(0);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.lines).toBe(0);
  });

  test('ISPENDR makes a level-sensitive interrupt pending until acknowledged, ICPENDR does not lower its wire', () => {
    const t = new TestGic().start();
    const core = t.core();
    t.enable(40, 0x80);
    t.bit(0x200, 40);
    expect(core.num('ICC_IAR1_EL1')).toBe(40);
    core.write('ICC_EOIR1_EL1', 40);
    expect(core.lines).toBe(0);
    t.gic.setLine(40, true);
    t.bit(0x280, 40);
    expect(core.lines).toBe(IRQ);
  });

  test('a PPI belongs to its core, an SPI to the core that IROUTER names', () => {
    const t = new TestGic(2).start();
    t.enable(27, 0x80, { cpu: 1 });
    t.gic.setLine(27, true, 1);
    expect(t.cores.map((core) => core.lines)).toEqual([0, IRQ]);
    t.gic.setLine(27, false, 1);
    t.enable(40, 0x80);
    t.gic.setLine(40, true);
    expect(t.cores.map((core) => core.lines)).toEqual([IRQ, 0]);
    t.distributor.write(0x6000 + 8 * 40, 4, 1);
    expect(t.cores.map((core) => core.lines)).toEqual([0, IRQ]);
    t.distributor.write(0x6000 + 8 * 40, 4, 7); // no such core
    expect(t.cores.map((core) => core.lines)).toEqual([0, 0]);
  });

  test('a 1 of N interrupt goes to one core that is awake and takes part', () => {
    const t = new TestGic(3).start();
    t.enable(40, 0x80);
    t.distributor.write(0x6000 + 8 * 40, 4, 0x80000000);
    t.gic.setLine(40, true);
    expect(t.cores.map((core) => core.lines)).toEqual([IRQ, 0, 0]);
    t.redistributors.write(0x14, 4, 2);
    expect(t.cores.map((core) => core.lines)).toEqual([0, IRQ, 0]);
    t.redistributors.write(0x20000, 4, 1 << 25); // GICR_CTLR.DPG1NS
    expect(t.cores.map((core) => core.lines)).toEqual([0, 0, IRQ]);
    t.core(2).write('ICC_IGRPEN1_EL1', 0);
    expect(t.cores.map((core) => core.lines)).toEqual([0, 0, 0]);
  });

  test('the owner hears of a change only for the core that it concerns', () => {
    const t = new TestGic(2).start();
    t.enable(40, 0x80);
    t.changed.length = 0;
    t.gic.setLine(40, true);
    t.gic.setLine(40, true);
    expect(t.changed).toEqual([0]);
    t.gic.setLine(41, true); // not enabled
    t.gic.setLine(5000, true);
    expect(t.changed).toEqual([0]);
  });

  test('the state can live in a given buffer and be carried to another controller', () => {
    const t = new TestGic().start();
    const buffer = new SharedArrayBuffer(InterruptController.bytes(2, 64) + 8);
    const first = new InterruptController({ cpus: 2, spis: 64, buffer, offset: 8 });
    first.groupsEnabled = 2;
    first.setGroupWord(first.slot(1, 0), -1);
    first.updateEnable(first.slot(1, 0), 1, 0);
    first.setLine(32, true);
    expect(first.pendingIntid(0)).toBe(32);
    expect(t.gic.pendingIntid(0)).toBe(1023);
  });
});

describe('software-generated interrupts', () => {
  const sgi1 = (intid: number, list: number, more = 0n): bigint => (BigInt(intid) << 24n) | BigInt(list) | more;

  test('go to the cores in the target list', () => {
    const t = new TestGic(3).start();
    for (let cpu = 0; cpu < 3; cpu++) t.enable(5, 0x80, { cpu });
    t.core(0).write('ICC_SGI1R_EL1', sgi1(5, 0b101));
    expect(t.cores.map((core) => core.lines)).toEqual([IRQ, 0, IRQ]);
    expect(t.core(2).num('ICC_IAR1_EL1')).toBe(5);
    t.core(2).write('ICC_EOIR1_EL1', 5);
    expect(t.cores.map((core) => core.lines)).toEqual([IRQ, 0, 0]);
  });

  test('go to all others with IRM', () => {
    const t = new TestGic(3).start();
    for (let cpu = 0; cpu < 3; cpu++) t.enable(5, 0x80, { cpu });
    t.core(1).write('ICC_SGI1R_EL1', sgi1(5, 0, 1n << 40n));
    expect(t.cores.map((core) => core.lines)).toEqual([IRQ, 0, IRQ]);
  });

  test('reach a second cluster by Aff1, and nobody by an affinity that no core has', () => {
    const t = new TestGic(17).start();
    t.enable(5, 0x80, { cpu: 16 });
    t.core(0).write('ICC_SGI1R_EL1', sgi1(5, 1, 1n << 32n)); // Aff2 = 1
    t.core(0).write('ICC_SGI1R_EL1', sgi1(5, 1, 1n << 48n)); // Aff3 = 1
    expect(t.core(16).lines).toBe(0);
    t.core(0).write('ICC_SGI1R_EL1', sgi1(5, 1) | (1n << 16n));
    expect(t.core(16).lines).toBe(IRQ);
  });

  test('are dropped where the SGI belongs to the other group', () => {
    const t = new TestGic().start();
    t.enable(5, 0x80, { group: 0 });
    t.core().write('ICC_SGI1R_EL1', sgi1(5, 1));
    expect(t.core().lines).toBe(0);
    t.core().write('ICC_SGI0R_EL1', sgi1(5, 1));
    expect(t.core().lines).toBe(FIQ);
  });
});
