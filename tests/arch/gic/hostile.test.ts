import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AccessSize } from '../../../arch/bus.ts';
import { GIC_OK } from '../../../arch/gic/system-registers.ts';
import { IRQ, REGISTERS, TestGic, VFIQ, VIRQ } from './machine.ts';

const CPUS = 2;
const word = fc.integer({ min: 0, max: 0xffffffff });
const size = fc.constantFrom<AccessSize>(1, 2, 4);
const cpu = fc.nat(CPUS - 1);
// Offsets near registers as well as anywhere.
const offset = fc.oneof(fc.nat(0xd00), fc.nat(0xffff), fc.integer({ min: 0x6000, max: 0x6900 }));

type Step = (t: TestGic) => void;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(offset, size, word).map(([at, width, value]): Step => (t) => {
    t.distributor.write(at, width, value);
    const read = t.distributor.read(at, width);
    if (!(read >= 0 && read < 2 ** (8 * width))) throw new Error(`distributor ${at} reads ${read}`);
  }),
  fc.tuple(fc.nat(0x60000), size, word).map(([at, width, value]): Step => (t) => {
    t.redistributors.write(at, width, value);
    const read = t.redistributors.read(at, width);
    if (!(read >= 0 && read < 2 ** (8 * width))) throw new Error(`redistributor ${at} reads ${read}`);
  }),
  fc.tuple(fc.nat(1100), fc.boolean(), cpu).map(
    ([intid, level, n]): Step =>
      (t) =>
        t.gic.setLine(intid, level, n),
  ),
  fc
    .tuple(fc.constantFrom(...REGISTERS), fc.bigInt(0n, 2n ** 64n - 1n), cpu, fc.integer({ min: 0, max: 2 }))
    .map(([name, value, n, el]): Step => (t) => {
      const core = t.core(n);
      core.el = el;
      if (core.access(name, true) === GIC_OK) core.write(name, value);
      if (core.access(name) === GIC_OK) core.read(name);
    }),
  fc.tuple(cpu, word).map(
    ([n, value]): Step =>
      (t) =>
        void (t.core(n).hcr = value),
  ),
);

/** What must hold in every state. */
function check(t: TestGic): void {
  t.cores.forEach((core, n) => {
    const lines = core.lines;
    const { gic } = t;
    const intid = gic.pendingIntid(n);
    if (intid === 1023) expect(lines & 3).toBe(0);
    else {
      expect(gic.isEnabled(intid, n)).toBe(true);
      expect(gic.isPending(intid, n)).toBe(true);
      expect(gic.isActive(intid, n)).toBe(false);
      expect((gic.groupsEnabled >> gic.group(intid, n)) & 1).toBe(1);
      expect(core.physical.groupEnabled(gic.group(intid, n))).toBe(1);
      if (intid >= 32) expect(gic.target(intid)).toBe(n);
      // Nothing that could be given has a higher priority.
      const list = new Int32Array(2);
      gic.pendingList(n, list);
      expect(list[0]).toBe(intid);
    }
    if (lines & IRQ) {
      expect(gic.pendingPriority(n)).toBeLessThan(core.physical.pmr);
      expect(gic.pendingPriority(n)).toBeLessThan(core.physical.runningPriority);
    }
    if (lines & (VIRQ | VFIQ)) {
      core.el = 2;
      expect(core.num('ICH_HCR_EL2') & 1).toBe(1);
      expect(core.num('ICH_VMCR_EL2') & (lines & VIRQ ? 2 : 1)).not.toBe(0);
    }
  });
}

test('random accesses never fail, and nothing is delivered that may not be', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const t = new TestGic(CPUS).start();
      for (let intid = 0; intid < 64; intid += 3) t.enable(intid, (intid * 8) & 0xff, { group: intid & 1 });
      for (const take of steps) {
        take(t);
        check(t);
      }
    }),
    { numRuns: 400 },
  );
});

test('every acknowledged interrupt is active until its end and then given only if still pending', () => {
  const intids = fc.integer({ min: 16, max: 79 });
  const action = fc.oneof(
    fc.tuple(intids, fc.boolean()).map(([intid, level]) => ({ kind: 'line', intid, level }) as const),
    fc.constant({ kind: 'take' } as const),
    fc.constant({ kind: 'end' } as const),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const t = new TestGic().start();
      const core = t.core();
      for (let intid = 16; intid < 80; intid++) t.enable(intid, (intid & 7) << 5, { edge: intid % 3 === 0 });
      const taken: { intid: number; priority: number }[] = [];
      for (const a of actions) {
        if (a.kind === 'line') t.gic.setLine(a.intid, a.level);
        else if (a.kind === 'take') {
          const signalled = core.lines !== 0;
          const intid = core.num('ICC_IAR1_EL1');
          expect(intid !== 1023).toBe(signalled);
          if (!signalled) continue;
          const priority = t.gic.priority(intid);
          if (taken.length > 0) expect(priority).toBeLessThan(taken.at(-1)!.priority);
          taken.push({ intid, priority });
        } else {
          const last = taken.pop();
          if (last === undefined) continue;
          core.write('ICC_EOIR1_EL1', last.intid);
          expect(t.gic.isActive(last.intid)).toBe(false);
        }
        for (const { intid } of taken) expect(t.gic.isActive(intid)).toBe(true);
        expect(core.num('ICC_RPR_EL1')).toBe(taken.at(-1)?.priority ?? 0xff);
      }
    }),
  );
});
