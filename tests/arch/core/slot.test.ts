import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JUMP_CACHE, jumpEntry, TLB } from '../../../arch/a64/region-abi.ts';
import { PAGES, Slot, SLOT_BYTES } from '../../../arch/core/tlb.ts';

const i32 = new Int32Array(SLOT_BYTES / 4);

/** Whether the TLB has a page for reading, as the runtime looks for it. */
function has(hi: number, page: number): boolean {
  const second = (page ^ (page >>> TLB.hashShift)) % TLB.entries;
  const places = [(page % TLB.entries) * TLB.entrySize, TLB.second + second * TLB.entrySize];
  return places.some((at) => i32[at / 4] === page << 12 && i32[at / 4 + 1] === hi);
}

describe('a range of pages', () => {
  const page = fc.oneof(
    fc.nat(PAGES - 1),
    fc.nat(40),
    fc.nat(40).map((n) => PAGES - 1 - n),
  );
  const entry = fc.record({ page, hi: fc.constantFrom(0, 1, -1), shift: fc.constantFrom(12, 12, 14, 16, 21, 25, 30) });
  const count = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: PAGES }), fc.constant(PAGES));

  test('drops the blocks that it touches, round the end of the low word, and nothing else (property)', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), page, count, (entries, first, count) => {
        const slot = new Slot(i32, 0);
        const blocks = new Map<string, { page: number; hi: number; shift: number }>();
        for (const { page, hi, shift } of entries) {
          slot.fill(hi, page << 12, 0, true, true, shift);
          blocks.set(`${hi} ${page}`, { page, hi, shift });
        }
        const touched = (page: number, shift: number): boolean => {
          const size = 2 ** (shift - 12);
          const start = page - (page % size);
          // The distance from one's start to the other's is less than the first one's length.
          return (start - first + PAGES) % PAGES < count || (first - start + PAGES) % PAGES < size;
        };
        const held = [...blocks.values()].filter(({ page, hi }) => has(hi, page));
        slot.flushPages(first, count);
        for (const { page, hi, shift } of held) expect(has(hi, page)).toBe(!touched(page, shift));
      }),
    );
  });

  test.each([
    ['in it', 0x80000, 4096, 0x80fff, 12, true],
    ['behind it', 0x80000, 4096, 0x81000, 12, false],
    ['in a block that reaches into it', 0x80010, 2000, 0x80000, 21, true],
    ['in a block behind it', 0x80000, 4096, 0x81000, 21, false],
    ['behind the end of the low word', 0xffff0, 4096, 0x00100, 12, true],
    ['in a block behind the end of the low word', 0xfffff, 2, 0x001ff, 21, true],
    ['in front of one that goes round', 0xffff0, 4096, 0xfffef, 12, false],
  ])('drops the jump cache where code may be %s', (_name, first, count, page, shift, gone) => {
    const slot = new Slot(i32, 0);
    slot.fillJump(0, page << 12, 7, shift);
    // Blocks elsewhere, so many that the range is looked for in the set as well as the other way round.
    for (let n = 0; n < 100; n++) slot.fillJump(0, 0x4000_0000 + n * 0x1000, 8, 12);
    expect(slot.flushPages(first, count)).toBe(gone);
    expect(slot.findJump(0, page << 12)).toBe(gone ? -1 : 7);
  });
});

describe('the jump cache', () => {
  /** Addresses of one entry. */
  const colliding = (entry: number, count: number): number[] => {
    const found: number[] = [];
    for (let lo = 0x4000_0000; found.length < count; lo += 4) if (jumpEntry(lo) === entry) found.push(lo);
    return found;
  };

  test('spreads addresses that lie at equal distances', () => {
    for (const distance of [4, 0x40, 0x1000, 0x8000, 0x1_0000, 0x20_0000]) {
      const entries = Array.from({ length: 1000 }, (_, n) => jumpEntry(0x8_0000 + n * distance));
      // A random choice of 16,384 would have 970 different ones.
      expect(new Set(entries).size, `distance ${distance}`).toBeGreaterThan(900);
    }
  });

  test('has an entry for all of its bytes, and none outside', () => {
    const entries = new Set(Array.from({ length: 1 << 18 }, (_, n) => jumpEntry(0x4000_0000 + n * 4)));
    expect(entries.size).toBe(JUMP_CACHE.bytes / JUMP_CACHE.entrySize);
    expect(Math.max(...entries)).toBe(JUMP_CACHE.bytes - JUMP_CACHE.entrySize);
    expect([...entries].every((at) => at >= 0 && at % JUMP_CACHE.entrySize === 0)).toBe(true);
  });

  test('keeps two addresses of one entry, and what the third displaces is the older one', () => {
    const slot = new Slot(i32, 0);
    const [a, b, c] = colliding(0x1230, 3) as [number, number, number];
    slot.fillJump(0, a, 1, 12);
    slot.fillJump(0, b, 2, 12);
    expect([a, b].map((lo) => slot.findJump(0, lo))).toEqual([1, 2]);
    slot.fillJump(0, c, 3, 12);
    expect([a, b, c].map((lo) => slot.findJump(0, lo))).toEqual([-1, 2, 3]);
  });

  test('an entry that is filled for the first time leaves its neighbour alone', () => {
    const slot = new Slot(i32, 0);
    const [a] = colliding(0x1230, 1) as [number];
    const [b] = colliding(0x1220, 1) as [number];
    slot.fillJump(0, a, 1, 12);
    slot.fillJump(0, b, 2, 12);
    expect([a, b].map((lo) => slot.findJump(0, lo))).toEqual([1, 2]);
  });

  test('tells addresses apart whose low words are the same', () => {
    const slot = new Slot(i32, 0);
    slot.fillJump(0, 0x4000_0000, 1, 12);
    slot.fillJump(-1, 0x4000_0000, 2, 12);
    expect([0, -1, 1].map((hi) => slot.findJump(hi, 0x4000_0000))).toEqual([1, 2, -1]);
  });

  test('gives what was entered last or nothing, and never twice (property)', () => {
    const home = 0x1230;
    const addresses = [...colliding(home, 4), ...colliding(home ^ JUMP_CACHE.entrySize, 4)];
    const step = fc.oneof(
      { weight: 20, arbitrary: fc.tuple(fc.constantFrom(...addresses), fc.constantFrom(0, -1)) },
      { weight: 1, arbitrary: fc.constant('flush') },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const slot = new Slot(i32, 0);
        const last = new Map<string, number>();
        let next = 1;
        for (const step of steps) {
          if (step === 'flush') {
            slot.flushJumps();
            last.clear();
            continue;
          }
          const [lo, hi] = step as [number, number];
          const known = slot.findJump(hi, lo);
          if (known >= 0) expect(known).toBe(last.get(`${hi} ${lo}`));
          else {
            slot.fillJump(hi, lo, next, 12);
            last.set(`${hi} ${lo}`, next++);
          }
          const pair = [home, home ^ JUMP_CACHE.entrySize].map((at) => (slot.jumps + at) / 4);
          const names = pair.filter((at) => i32[at + 2]! > 0).map((at) => `${i32[at + 1]} ${i32[at]}`);
          expect(new Set(names).size).toBe(names.length);
          expect(names).toContain(`${hi} ${lo}`);
        }
      }),
    );
  });

  test('the address -1 is no region, whatever stands in its entry and the next', () => {
    const pair = [jumpEntry(-1), jumpEntry(-1) ^ JUMP_CACHE.entrySize] as const;
    const addresses = pair.flatMap((entry) => colliding(entry, 3));
    fc.assert(
      fc.property(fc.shuffledSubarray(addresses), (order) => {
        const slot = new Slot(i32, 0);
        for (const lo of order) {
          // Where it is found, what is found is the stub.
          for (const at of pair.map((entry) => (slot.jumps + entry) / 4))
            if (i32[at] === -1) expect(i32[at + 2]).toBe(0);
          slot.fillJump(0, lo, 5, 12);
        }
        slot.flush();
        expect(slot.findJump(-1, -1)).toBe(0);
      }),
    );
  });
});
