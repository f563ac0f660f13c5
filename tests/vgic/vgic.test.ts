import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CpuInterface } from '../../arch/gic/cpu-interface.ts';
import { Distributor } from '../../arch/gic/distributor.ts';
import { InterruptController, SPURIOUS } from '../../arch/gic/interrupts.ts';
import { Redistributors } from '../../arch/gic/redistributor.ts';
import * as V from '../../arch/gic/virtual-interface.ts';
import { Op } from '../../kernel/abi/numbers.ts';
import { VGic } from '../../vgic/vgic.ts';
import { FakeVcpus } from './fake-vcpus.ts';

const GICD_CTLR = 0x000;
const IGROUPR = 0x080;
const ISENABLER = 0x100;
const ICENABLER = 0x180;
const ISPENDR = 0x200;
const ICPENDR = 0x280;
const ISACTIVER = 0x300;
const ICACTIVER = 0x380;
const IPRIORITYR = 0x400;
const ICFGR = 0xc00;
const SGI_BASE = 0x10000;
const VTIMER = 27;

/** A virtual machine's view: VGic, and guests that work on their virtual CPU interfaces. */
class Machine {
  readonly kernel: FakeVcpus;
  readonly vgic: VGic;

  constructor(cpus = 1, listRegisters = 16) {
    this.kernel = new FakeVcpus(cpus, listRegisters);
    const vcpus = Array.from({ length: cpus }, (_, n) => this.kernel.vcpu(n));
    this.vgic = new VGic({ vcpus, spis: 32, listRegisters });
  }

  write(offset: number, value: number, redistributor = -1): void {
    const { vgic, kernel } = this;
    kernel.run(vgic.beforeAccess(kernel));
    if (redistributor < 0) vgic.distributor.write(offset, 4, value >>> 0);
    else vgic.redistributors.write(0x20000 * redistributor + SGI_BASE + offset, 4, value >>> 0);
    kernel.run(vgic.afterAccess(kernel));
    this.settle();
  }

  read(offset: number, redistributor = -1): number {
    const { vgic, kernel } = this;
    kernel.run(vgic.beforeAccess(kernel));
    const value =
      redistributor < 0
        ? vgic.distributor.read(offset, 4)
        : vgic.redistributors.read(0x20000 * redistributor + SGI_BASE + offset, 4);
    kernel.run(vgic.afterAccess(kernel));
    this.settle();
    return value;
  }

  setLine(intid: number, level: boolean, cpu = 0): void {
    this.vgic.setLine(intid, level, cpu);
    this.settle();
  }

  sgi(cpu: number, low: number, high = 0): void {
    this.vgic.sendSgi(cpu, 1, low, high);
    this.settle();
  }

  acknowledge(cpu = 0): number {
    const intid = V.icvAcknowledge(this.kernel.contexts[cpu]!, 1);
    this.settle();
    return intid;
  }

  end(intid: number, cpu = 0): void {
    V.icvEndOfInterrupt(this.kernel.contexts[cpu]!, this.kernel.physical, 0, 1, intid);
    this.settle();
  }

  /** The VMM before the guest goes on, and each maintenance interrupt. */
  settle(): void {
    const { kernel, vgic } = this;
    kernel.run(vgic.flush(kernel));
    for (let rounds = 0; ; rounds++) {
      const asking = kernel.contexts.findIndex((c) => V.maintenance(c));
      if (asking < 0) return;
      if (rounds > 20) throw new Error('the maintenance interrupt does not end');
      vgic.maintenance(asking);
      kernel.run(vgic.flush(kernel));
    }
  }

  /** Everything in Group 1, enabled, with a priority; the guest's interfaces open. */
  open(): this {
    for (let cpu = 0; cpu < this.kernel.contexts.length; cpu++) {
      this.write(IGROUPR, 0xffff_ffff, cpu);
      this.write(ISENABLER, 0xffff_ffff, cpu);
      for (let i = 0; i < 32; i += 4) this.write(IPRIORITYR + i, 0xa0a0a0a0, cpu);
      const c = this.kernel.contexts[cpu]!;
      V.setIcvPmr(c, 0xff);
      V.icvEnableGroup(c, 1, 1);
    }
    this.write(IGROUPR + 4, 0xffff_ffff);
    this.write(ISENABLER + 4, 0xffff_ffff);
    for (let i = 32; i < 64; i += 4) this.write(IPRIORITYR + i, 0xa0a0a0a0);
    this.write(GICD_CTLR, 3);
    return this;
  }

  called(op: number): number {
    return this.kernel.calls.get(op) ?? 0;
  }
}

describe('interrupts of devices', () => {
  it('reach the guest as long as their level is high, and again after each end', () => {
    const m = new Machine().open();
    m.setLine(33, true);
    expect(m.acknowledge()).toBe(33);
    expect(m.acknowledge()).toBe(SPURIOUS);
    m.end(33);
    expect(m.acknowledge()).toBe(33);
    m.setLine(33, false);
    m.end(33);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });

  it('are taken back when the level falls before the guest has seen it', () => {
    const m = new Machine().open();
    m.setLine(33, true);
    m.setLine(33, false);
    expect(m.acknowledge()).toBe(SPURIOUS);
    m.setLine(33, true);
    expect(m.acknowledge()).toBe(33);
  });

  it('that are edge-triggered come once for each edge, also while they are active', () => {
    const m = new Machine().open();
    m.write(ICFGR + 8, 0xaaaa_aaaa);
    m.setLine(40, true);
    expect(m.acknowledge()).toBe(40);
    m.setLine(40, false);
    m.setLine(40, true);
    m.end(40);
    expect(m.acknowledge()).toBe(40);
    m.end(40);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });

  it('that the guest makes pending itself (GICD_ISPENDR) stay pending when others end, and come once', () => {
    const m = new Machine().open();
    m.write(IPRIORITYR + 32, 0xa0_90_a0_a0);
    m.write(ISPENDR + 4, 0b110);
    expect(m.acknowledge()).toBe(34);
    m.end(34);
    expect(m.read(ISPENDR + 4)).toBe(0b10);
    expect(m.acknowledge()).toBe(33);
    m.write(ISPENDR + 4, 0b10);
    expect([m.read(ISPENDR + 4), m.read(ISACTIVER + 4)]).toEqual([0b10, 0b10]);
    m.end(33);
    expect(m.acknowledge()).toBe(33);
    m.end(33);
    expect([m.read(ISPENDR + 4), m.acknowledge()]).toEqual([0, SPURIOUS]);
    // By its wire as well: that falls, and it is still pending.
    m.setLine(33, true);
    m.write(ISPENDR + 4, 0b10);
    m.setLine(33, false);
    expect(m.acknowledge()).toBe(33);
    m.end(33);
    m.write(ISPENDR + 4, 0b10);
    m.write(ICPENDR + 4, 0b10);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });

  it('wait for their enable bit, their group and the distributor', () => {
    const m = new Machine().open();
    m.write(ICENABLER + 4, 1 << 1);
    m.setLine(33, true);
    expect(m.acknowledge()).toBe(SPURIOUS);
    m.write(GICD_CTLR, 0);
    m.write(ISENABLER + 4, 1 << 1);
    expect(m.acknowledge()).toBe(SPURIOUS);
    m.write(GICD_CTLR, 3);
    expect(m.acknowledge()).toBe(33);
  });

  it('are taken back by disabling them, and stay pending', () => {
    const m = new Machine().open();
    m.write(ICFGR + 8, 0xaaaa_aaaa);
    m.setLine(40, true);
    m.write(ICENABLER + 4, 1 << 8);
    expect(m.acknowledge()).toBe(SPURIOUS);
    expect(m.read(ISPENDR + 4)).toBe(1 << 8);
    m.write(ISENABLER + 4, 1 << 8);
    expect(m.acknowledge()).toBe(40);
    expect(m.read(ISPENDR + 4)).toBe(0);
    expect(m.read(ISACTIVER + 4)).toBe(1 << 8);
    m.end(40);
    expect(m.read(ISACTIVER + 4)).toBe(0);
  });

  it.each([false, true])(
    'that are active end with the priority they were taken with, and come again with their new one (edge: %s)',
    (edge) => {
      const m = new Machine().open();
      m.write(ICFGR + 8, edge ? 0b1000 : 0);
      m.write(IPRIORITYR + 32, 0xa0a0_40a0);
      m.setLine(33, true);
      expect(m.acknowledge()).toBe(33);
      m.write(IPRIORITYR + 32, 0xa0a0_c0a0);
      if (edge) {
        m.setLine(33, false);
        m.setLine(33, true);
      }
      m.setLine(34, true);
      m.end(33);
      // 0xa0 is before 0xc0.
      expect([m.acknowledge(), m.setLine(34, false), m.end(34), m.acknowledge()]).toEqual([
        34,
        undefined,
        undefined,
        33,
      ]);
    },
  );

  it('come in the order of their priorities, and preempt', () => {
    const m = new Machine().open();
    m.write(IPRIORITYR + 32, 0x40_80_c0_a0);
    for (const intid of [32, 33, 34]) m.setLine(intid, true);
    expect(m.acknowledge()).toBe(34);
    m.setLine(35, true);
    expect(m.acknowledge()).toBe(35);
    m.setLine(35, false);
    m.end(35);
    m.setLine(34, false);
    m.end(34);
    expect(m.acknowledge()).toBe(32);
  });
});

describe('SGIs', () => {
  it('go to the VCPUs that the guest names', () => {
    const m = new Machine(2).open();
    m.sgi(0, (5 << 24) | 0b10);
    expect(m.acknowledge(0)).toBe(SPURIOUS);
    expect(m.acknowledge(1)).toBe(5);
    m.sgi(1, 7 << 24, 1 << 8);
    expect(m.acknowledge(0)).toBe(7);
  });

  it('sent twice before they are acknowledged come once', () => {
    const m = new Machine().open();
    m.sgi(0, (3 << 24) | 1);
    m.sgi(0, (3 << 24) | 1);
    expect(m.acknowledge()).toBe(3);
    m.end(3);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });

  it('sent while active come again', () => {
    const m = new Machine().open();
    m.sgi(0, (3 << 24) | 1);
    expect(m.acknowledge()).toBe(3);
    m.sgi(0, (3 << 24) | 1);
    m.end(3);
    expect(m.acknowledge()).toBe(3);
  });
});

describe('the virtual timer', () => {
  const machine = (): Machine => {
    const m = new Machine();
    m.vgic.linkHardware(0, VTIMER, VTIMER);
    return m.open();
  };
  /** The physical interrupt comes: active, and the VMM is told. */
  const fire = (m: Machine): void => {
    m.kernel.levels = 1 << VTIMER;
    m.kernel.physical.setActive(VTIMER, true, 0);
    m.vgic.hardwareInterrupt(0, VTIMER);
    m.settle();
  };

  it('is deactivated by the guest, without the VMM', () => {
    const m = machine();
    for (let i = 0; i < 3; i++) {
      const before = m.called(Op.VCPU_LIST);
      fire(m);
      expect(m.called(Op.VCPU_LIST)).toBe(before);
      expect(m.acknowledge()).toBe(VTIMER);
      expect(m.kernel.physical.isActive(VTIMER, 0)).toBe(true);
      m.end(VTIMER);
      expect(m.kernel.physical.isActive(VTIMER, 0)).toBe(false);
      expect(m.acknowledge()).toBe(SPURIOUS);
    }
  });

  it('takes one call of the kernel', () => {
    const m = machine();
    m.kernel.calls.clear();
    fire(m);
    expect([...m.kernel.calls]).toEqual([[Op.VCPU_INJECT, 1]]);
  });

  it('is not invented when something else needs its list register', () => {
    const m = machine();
    fire(m);
    m.acknowledge();
    m.end(VTIMER);
    m.sgi(0, (1 << 24) | 1);
    m.sgi(0, (2 << 24) | 1);
    expect([m.acknowledge(), m.end(1), m.acknowledge()]).toEqual([1, undefined, 2]);
    m.end(2);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });

  it('stays active while it is masked in the redistributor, and comes when it is enabled', () => {
    const m = machine();
    m.write(ICENABLER, 1 << VTIMER, 0);
    fire(m);
    expect(m.acknowledge()).toBe(SPURIOUS);
    m.write(ISENABLER, 1 << VTIMER, 0);
    expect(m.acknowledge()).toBe(VTIMER);
    m.end(VTIMER);
    expect(m.kernel.physical.isActive(VTIMER, 0)).toBe(false);
  });

  it('is no longer pending when its cause has gone while it was masked in the redistributor', () => {
    const m = machine();
    m.write(ICENABLER, 1 << VTIMER, 0);
    fire(m);
    expect(m.read(ISPENDR, 0)).toBe(1 << VTIMER);
    m.kernel.levels = 0;
    expect(m.read(ISPENDR, 0)).toBe(0);
    expect(m.kernel.physical.isActive(VTIMER, 0)).toBe(false);
    m.write(ISENABLER, 1 << VTIMER, 0);
    expect(m.acknowledge()).toBe(SPURIOUS);
    fire(m);
    expect(m.acknowledge()).toBe(VTIMER);
  });

  it('is pending as well while it is active and its level is high, and comes when it is deactivated', () => {
    const m = machine();
    fire(m);
    expect(m.acknowledge()).toBe(VTIMER);
    expect([m.read(ISPENDR, 0), m.read(ISACTIVER, 0)]).toEqual([1 << VTIMER, 1 << VTIMER]);
    m.kernel.levels = 0;
    expect([m.read(ISPENDR, 0), m.read(ISACTIVER, 0)]).toEqual([0, 1 << VTIMER]);
    m.end(VTIMER);
    expect(m.kernel.physical.isActive(VTIMER, 0)).toBe(false);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });

  it('is deactivated physically when the guest deactivates it at the redistributor', () => {
    const m = machine();
    fire(m);
    expect(m.acknowledge()).toBe(VTIMER);
    m.kernel.levels = 0;
    m.write(ICACTIVER, 1 << VTIMER, 0);
    expect(m.kernel.physical.isActive(VTIMER, 0)).toBe(false);
  });
});

describe('more interrupts than list registers', () => {
  it('all come, the most urgent first', () => {
    const m = new Machine(1, 4).open();
    for (let i = 32; i < 64; i += 4) m.write(IPRIORITYR + i, 0xa0a0a0a0 - 0x08080808 * ((i - 32) >> 2));
    for (let intid = 32; intid < 64; intid++) m.setLine(intid, true);
    const order: number[] = [];
    for (let i = 0; i < 32; i++) {
      const intid = m.acknowledge();
      order.push(intid);
      m.setLine(intid, false);
      m.end(intid);
    }
    expect(m.acknowledge()).toBe(SPURIOUS);
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, i) => 32 + i));
    expect(order.map((intid) => (intid - 32) >> 2)).toEqual(order.map((_, i) => 7 - (i >> 2)));
  });

  it('all come when none of them asks for maintenance by itself', () => {
    const m = new Machine(1, 2).open();
    for (let sgi = 0; sgi < 16; sgi++) m.sgi(0, (sgi << 24) | 1);
    const seen = new Set<number>();
    for (let i = 0; i < 16; i++) {
      const intid = m.acknowledge();
      seen.add(intid);
      m.end(intid);
    }
    expect(seen.size).toBe(16);
    expect(m.acknowledge()).toBe(SPURIOUS);
  });
});

describe('a core that starts anew', () => {
  it('has nothing in its list registers', () => {
    const m = new Machine().open();
    m.sgi(0, (3 << 24) | 1);
    m.kernel.run(m.vgic.reset(m.kernel, 0));
    expect(m.acknowledge()).toBe(SPURIOUS);
  });
});

describe('compared with a GICv3 without list registers', () => {
  /** The same guest on the machine's own distributor and CPU interface. */
  class Reference {
    readonly gic = new InterruptController({ cpus: 1, spis: 32 });
    readonly distributor = new Distributor(this.gic);
    readonly redistributors = new Redistributors(this.gic);
    readonly cpu = new CpuInterface(this.gic, 0);

    open(): this {
      this.write(IGROUPR, 0xffff_ffff, 0);
      this.write(ISENABLER, 0xffff_ffff, 0);
      for (let i = 0; i < 32; i += 4) this.write(IPRIORITYR + i, 0xa0a0a0a0, 0);
      this.write(IGROUPR + 4, 0xffff_ffff);
      this.write(ISENABLER + 4, 0xffff_ffff);
      for (let i = 32; i < 64; i += 4) this.write(IPRIORITYR + i, 0xa0a0a0a0);
      this.write(GICD_CTLR, 3);
      this.cpu.pmr = 0xff;
      this.cpu.enableGroup(1, 1);
      return this;
    }
    write(offset: number, value: number, redistributor = -1): void {
      if (redistributor < 0) this.distributor.write(offset, 4, value >>> 0);
      else this.redistributors.write(SGI_BASE + offset, 4, value >>> 0);
    }
    read(offset: number, redistributor = -1): number {
      return redistributor < 0 ? this.distributor.read(offset, 4) : this.redistributors.read(SGI_BASE + offset, 4);
    }
    setLine(intid: number, level: boolean): void {
      this.gic.setLine(intid, level);
    }
    sgi(_cpu: number, low: number): void {
      this.cpu.sendSgi(1, low, 0);
    }
    acknowledge(): number {
      return this.cpu.acknowledge(1);
    }
    end(intid: number): void {
      this.cpu.endOfInterrupt(1, intid);
    }
  }

  /** Gives the interrupts in use priorities of their own: which of two equals comes first is not laid down. */
  function prioritize(m: Machine | Reference, by: number): void {
    const priority = (i: number): number => 0x40 + 8 * ((5 * i + by) % 16);
    const word = (first: number): number => [3, 2, 1, 0].reduce((w, i) => (w << 8) | priority(first + i), 0);
    for (const first of [0, 4]) m.write(IPRIORITYR + first, word(first), 0);
    for (const first of [8, 12]) m.write(IPRIORITYR + 32 + first - 8, word(first));
  }

  const bits = fc.integer({ min: 0, max: 7 }).map((n) => (1 << n) >>> 0);
  const step = fc.oneof(
    fc.record({ do: fc.constant('line' as const), intid: fc.integer({ min: 32, max: 39 }), level: fc.boolean() }),
    fc.record({ do: fc.constant('sgi' as const), intid: fc.integer({ min: 0, max: 7 }) }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('end' as const) }),
    fc.record({
      do: fc.constant('write' as const),
      offset: fc.constantFrom(ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER),
      spi: fc.boolean(),
      value: bits,
    }),
    fc.record({ do: fc.constant('priorities' as const), by: fc.integer({ min: 0, max: 15 }) }),
    fc.record({ do: fc.constant('control' as const), value: fc.constantFrom(0, 3, 3) }),
    fc.record({
      do: fc.constant('read' as const),
      offset: fc.constantFrom(ISPENDR, ISACTIVER, ISENABLER),
      spi: fc.boolean(),
    }),
  );

  it('a guest sees the same, whatever it and its devices do', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.boolean(), (steps, edges) => {
        const machines = [new Machine().open(), new Reference().open()] as const;
        for (const m of machines) prioritize(m, 0);
        if (edges) for (const m of machines) m.write(ICFGR + 8, 0x0000_aaaa);
        const running: number[] = [];
        for (const s of steps) {
          // What is made active by hand while something runs has no list register, and so no end.
          if (s.do === 'write' && s.offset === ISACTIVER && running.length > 0) continue;
          const results = machines.map((m) => {
            switch (s.do) {
              case 'line':
                return m.setLine(s.intid, s.level);
              case 'sgi':
                return m.sgi(0, (s.intid << 24) | 1);
              case 'take':
                return m.acknowledge();
              case 'end':
                return running.length > 0 ? m.end(running.at(-1)!) : undefined;
              case 'write':
                return s.spi ? m.write(s.offset + 4, s.value) : m.write(s.offset, s.value, 0);
              case 'priorities':
                return prioritize(m, s.by);
              case 'control':
                return m.write(GICD_CTLR, s.value);
              case 'read':
                return s.spi ? m.read(s.offset + 4) : m.read(s.offset, 0);
            }
          });
          expect(results[0]).toBe(results[1]);
          if (s.do === 'take' && results[0] !== SPURIOUS) running.push(results[0]!);
          if (s.do === 'end') running.pop();
        }
      }),
      { numRuns: 500 },
    );
  });
});
