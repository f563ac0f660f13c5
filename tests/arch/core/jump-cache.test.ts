import { describe, expect, test, vi } from 'vitest';
import { JUMP_CACHE, jumpEntry } from '../../../arch/a64/region-abi.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import { Slot } from '../../../arch/core/tlb.ts';
import { CODE, Machine, RAM } from './hvc-machine.ts';

const VECTORS = RAM + 0x2000;
const EC_PC_ALIGNMENT = 0x22;

/** Addresses in the machine's RAM, 16 bytes for each, whose jump cache entry fits. */
function addresses(fits: (entry: number) => boolean): number[] {
  const found: number[] = [];
  for (let at = CODE + 0x2000; at < RAM + (1 << 20) - 16; at += 16) if (fits(jumpEntry(at))) found.push(at);
  return found;
}

/** Groups of addresses with the same entry. */
function colliding(count: number): number[][] {
  const groups = new Map<number, number[]>();
  for (const at of addresses(() => true)) groups.set(jumpEntry(at), [...(groups.get(jumpEntry(at)) ?? []), at]);
  return [...groups.values()].filter((group) => group.length >= count).map((group) => group.slice(0, count));
}

/** A machine with functions that add 1, 2, 4 … to X0, and a loop that calls them in turn `times` times. */
function calls(functions: readonly number[], times: number, optimized: boolean): Machine {
  const machine = new Machine();
  if (optimized) machine.core.code.eager = () => true;
  functions.forEach((at, n) => machine.write(`add x0, x0, #${1 << n}\nret`, at));
  const set = (at: number, n: number): string => `movz x${n}, #${at & 0xffff}\nmovk x${n}, #${at >>> 16}, lsl #16`;
  machine.write(`
      mov x0, #0
      mov x20, #${times}
      ${functions.map((at, n) => set(at, 1 + n)).join('\n')}
    1:
      ${functions.map((_, n) => `blr x${1 + n}`).join('\n')}
      subs x20, x20, #1
      b.ne 1b
      hvc #0`);
  return machine;
}

describe.each([false, true])('the jump cache (optimized: %s)', (optimized) => {
  const TIMES = 20;

  test.each([1, 3, 17])('two functions with one entry are both found (pair %i)', (n) => {
    const pair = colliding(2)[n]!;
    const machine = calls(pair, TIMES, optimized);
    // What translated code and the runtime do not find themselves.
    const asked = vi.spyOn(Slot.prototype, 'findJump');
    expect(machine.run()).toBe(3 * TIMES);
    expect(asked.mock.calls.length).toBeLessThan(10);
    asked.mockRestore();
  });

  test("three of them get in each other's way and are what they are", () => {
    expect(calls(colliding(3)[0]!, TIMES, optimized).run()).toBe(7 * TIMES);
  });

  test('functions at a distance of 32 KiB are all found', () => {
    const functions = Array.from({ length: 12 }, (_, n) => CODE + 0x8000 * (n + 1));
    const machine = calls(functions, TIMES, optimized);
    const found = vi.spyOn(machine.core.code, 'find');
    expect(machine.run()).toBe(4095 * TIMES);
    expect(found.mock.calls.length).toBeLessThan(30);
  });

  // -1 is what stands in an empty entry. Regions have taken its entry and the neighbour's before, in some order.
  const none = jumpEntry(-1);
  const [home, neighbour] = [none, none ^ JUMP_CACHE.entrySize].map((entry) => addresses((at) => at === entry));
  test.each([
    ['an empty cache', []],
    ['its entry taken', [home![0]!]],
    ['the neighbour taken', [neighbour![0]!]],
    ['both taken', [home![0]!, neighbour![0]!]],
    ['both taken by those of the neighbour', neighbour!.slice(0, 2)],
  ])('a jump to the address -1 is an alignment fault there: %s', (_name, before) => {
    const machine = new Machine();
    if (optimized) machine.core.code.eager = () => true;
    const { core } = machine;
    machine.write('hvc #0', VECTORS + 0x200);
    for (const at of before) {
      machine.write('mov x0, #5\nhvc #0', at);
      expect(machine.run(at)).toBe(5);
    }
    for (const [n, jump] of ['br', 'blr', 'ret'].entries()) {
      const at = CODE + 0x100 * n;
      machine.write(`mov x0, #-1\n${jump} x0`, at);
      core.resetFrame(core.ownFrame, 1);
      core.i64[(core.frame + SR.VBAR_EL1) / 8] = BigInt(VECTORS);
      core.pc = BigInt(at);
      expect(core.run(1000)).toBe('el2');
      const [far, elr, esr] = [SR.FAR_EL1, SR.ELR_EL1, SR.ESR_EL1].map((at) => core.i64[(core.frame + at) / 8]!);
      expect([far, elr, Number(esr! >> 26n)]).toEqual([-1n, -1n, EC_PC_ALIGNMENT]);
    }
  });
});
