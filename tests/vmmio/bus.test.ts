import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MmioDevice } from '../../arch/bus.ts';
import { MmioBus, type TransferSize } from '../../vmmio/bus.ts';

/** Memory as a device, which checks what the bus promises to devices. */
class Probe implements MmioDevice {
  readonly bytes: Uint8Array;
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
  read(offset: number, size: number): number {
    this.#check(offset, size);
    let value = 0;
    for (let i = 0; i < size; i++) value += this.bytes[offset + i]! * 256 ** i;
    return value;
  }
  write(offset: number, size: number, value: number): void {
    this.#check(offset, size);
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(2 ** (8 * size));
    for (let i = 0; i < size; i++) this.bytes[offset + i] = Math.floor(value / 256 ** i);
  }
  #check(offset: number, size: number): void {
    expect([1, 2, 4]).toContain(size);
    expect(offset % size).toBe(0);
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset + size).toBeLessThanOrEqual(this.bytes.length);
  }
}

describe('the device bus', () => {
  it('gives devices aligned accesses inside them only, and reads what was written', () => {
    const sizes = fc.constantFrom<TransferSize>(1, 2, 4, 8);
    const address = fc.oneof(
      fc.integer({ min: 0xff0, max: 0x1110 }),
      fc.integer({ min: 0x1ff0, max: 0x2020 }),
      fc.maxSafeNat(),
    );
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const access = fc.record({ address, size: sizes, low: word, high: word });
    fc.assert(
      fc.property(fc.array(access), (accesses) => {
        const bus = new MmioBus();
        bus.add('a', 0x1000, 0x100, new Probe(0x100));
        bus.add('b', 0x2000, 0x10, new Probe(0x10));
        for (const { address: at, size, low, high } of accesses) {
          const inside = (at >= 0x1000 && at + size <= 0x1100) || (at >= 0x2000 && at + size <= 0x2010);
          const fine = inside && at % size === 0;
          expect(bus.write(at, size, low, high)).toBe(fine);
          expect(bus.read(at, size)).toBe(fine);
          if (!fine) continue;
          expect(bus.low).toBe(size >= 4 ? low : low % 2 ** (8 * size));
          expect(bus.high).toBe(size === 8 ? high : 0);
        }
      }),
    );
  });

  it('has one device at an address', () => {
    const bus = new MmioBus();
    bus.add('uart', 0x1000, 0x1000, new Probe(0x1000));
    expect(() => bus.add('clock', 0x1fff, 1, new Probe(1))).toThrow('clock at 0x1fff overlaps uart');
  });
});
