import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PERMISSION } from '../../../arch/core/mmu.ts';
import { RAM_BASE, TestMachine } from './mmu-fixture.ts';
import { Model, type Outcome } from './mmu-model.ts';
import { randomAccess, randomAddress, randomMachine } from './mmu-random.ts';

const SIZE = 0x2_0000;

function outcome(machine: TestMachine, ok: boolean): Outcome {
  const { mmu } = machine;
  const { fault } = mmu;
  if (!ok) {
    return {
      fault: {
        fsc: fault.fsc,
        stage2: fault.stage2,
        s1ptw: fault.s1ptw,
        wnr: fault.wnr,
        ipa: fault.stage2 ? BigInt(fault.ipa) : undefined,
      },
    };
  }
  const letters = [
    [PERMISSION.R, 'r'],
    [PERMISSION.W, 'w'],
    [PERMISSION.X, 'x'],
    [PERMISSION.USER, 'u'],
  ] as const;
  return {
    ok: {
      pa: BigInt(mmu.pa),
      permissions: letters.map(([mask, letter]) => (mmu.permissions & mask ? letter : '')).join(''),
      global: mmu.global,
      device: mmu.device,
      attributes: mmu.attributes,
      shareability: mmu.shareability,
      shift: mmu.blockShift,
    },
  };
}

describe('random registers and tables', () => {
  const real = new TestMachine(SIZE);
  const other = new TestMachine(SIZE);
  const model = new Model(other);

  test('every translation, fault and descriptor update is what the second formulation says', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = randomMachine(real, seed);
        real.mmu.invalidate();
        other.u8.set(real.u8);
        for (let i = 0; i < 40; i++) {
          const { access, el } = randomAccess(random);
          const va = randomAddress(random, real, el);
          const expected = model.translate(va, access, el);
          const found = outcome(real, real.translate(va, access, el));
          const what = `va ${va.toString(16)} access ${access} el ${el} case ${i}`;
          expect(found, what).toEqual(expected);
          const key = found.fault ? `${found.fault.fsc.toString(16)}${found.fault.stage2 ? ' s2' : ''}` : 'ok';
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
        expect(Buffer.compare(real.u8, other.u8)).toBe(0);
      }),
      { numRuns: 300 },
    );
    expect(seen.get('ok') ?? 0).toBeGreaterThan(100);
  });

  test('nothing outside RAM is read or written', () => {
    const machine = new TestMachine(SIZE);
    const [start, end] = [machine.bus.ram.host, machine.bus.ram.host + SIZE];
    // Around RAM everything looks like a page at an address that nothing in RAM names.
    const poison = 0x1234_5678_9000n | 0x0443n;
    const guard = machine.frame + 0x2000;
    for (let at = guard; at < machine.u8.length; at += 8) {
      if (at < start || at >= end) machine.view.setBigUint64(at, poison, true);
    }
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, shift) => {
        const random = randomMachine(machine, seed);
        // Tables that point just beside RAM, too.
        for (let at = 0; at < SIZE; at += 8 * shift * 5) {
          machine.write(RAM_BASE + at, BigInt(RAM_BASE + (random.once(2) ? SIZE : -0x4000)) | 0x443n);
        }
        for (let i = 0; i < 40; i++) {
          const { access, el } = randomAccess(random);
          if (machine.translate(randomAddress(random, machine, el), access, el)) {
            expect(machine.mmu.pa - (machine.mmu.pa % 4096)).not.toBe(0x1234_5678_9000);
          }
          for (const name of ['TTBR0_EL1', 'VTTBR_EL2'] as const) {
            if (random.once(10)) machine.set(name, BigInt(RAM_BASE + SIZE));
          }
        }
      }),
      { numRuns: 150 },
    );
    for (let at = guard; at < machine.u8.length; at += 8) {
      if (at < start || at >= end) expect(machine.view.getBigUint64(at, true)).toBe(poison);
    }
  });
});
