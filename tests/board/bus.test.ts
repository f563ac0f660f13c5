import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MmioDevice } from '../../arch/bus.ts';
import { Bus } from '../../board/bus.ts';
import { createRam } from '../../board/memory.ts';

const ram = createRam(0x40000000, 2 ** 20, 0);
const device = (): MmioDevice => ({ read: () => 0, write: () => {} });

test('devices are found at their first and last byte, with the offset, and not beside', () => {
  const bus = new Bus(ram);
  const [a, b] = [device(), device()];
  bus.add('a', 0x9000000, 0x1000, a);
  bus.add('b', 0x8000000, 0x10000, b);
  const found = (pa: number): [MmioDevice, number] | undefined => {
    const hit = bus.device(pa);
    return hit && [hit.device, hit.offset];
  };
  expect(found(0x9000000)).toEqual([a, 0]);
  expect(found(0x9000fff)).toEqual([a, 0xfff]);
  expect(found(0x8000010)).toEqual([b, 0x10]);
  expect(found(0x9000010)).toEqual([a, 0x10]);
  for (const pa of [0x7ffffff, 0x8010000, 0x9001000, 0x40000000, 0]) expect(found(pa)).toBeUndefined();
});

test('overlaps and impossible places are refused by name', () => {
  const bus = new Bus(ram);
  bus.add('uart', 0x9000000, 0x1000, device());
  expect(() => bus.add('rtc', 0x9000fff, 1, device())).toThrow('rtc at 0x9000fff overlaps uart');
  expect(() => bus.add('rtc', 0x3ffff000, 0x1001, device())).toThrow('overlaps RAM');
  expect(() => bus.add('rtc', 0x400fffff, 1, device())).toThrow('overlaps RAM');
  expect(() => bus.add('rtc', 2 ** 48, 1, device())).toThrow('does not fit');
  expect(() => bus.add('rtc', 0, 0, device())).toThrow('does not fit');
  bus.add('rtc', 0x9001000, 0x1000, device());
});

test('lookups agree with a plain search for any layout', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 40 }))),
      fc.array(fc.nat(600)),
      (layout, probes) => {
        const bus = new Bus(ram);
        for (const [start, size] of layout)
          try {
            bus.add('d', start, size, device());
          } catch {
            continue;
          }
        for (const pa of probes) {
          const region = bus.regions.find(({ start, end }) => pa >= start && pa < end);
          expect(bus.device(pa)?.offset).toBe(region && pa - region.start);
        }
      },
    ),
  );
});

test('memory that no machine or host can have is refused with what is possible', () => {
  for (const [size, message] of [
    [0, '1 MiB at least'],
    [Number.NaN, '1 MiB at least'],
    [2 ** 20 + 1, 'multiple of 64 KiB'],
    [2 ** 32, 'can have 4080 MiB of memory at most'],
  ] as const)
    expect(() => createRam(0x40000000, size, 2 ** 24)).toThrow(message);
});
