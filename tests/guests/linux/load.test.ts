import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestImageError, type Kernel } from '../../../guests/linux/image.ts';
import { place } from '../../../guests/linux/load.ts';

const MB = 1 << 20;
const RAM = 0x4000_0000;
const flat = (size: number, textOffset = 0, kind: 'image' | 'flat' = 'image'): Kernel => ({
  kind,
  bytes: new Uint8Array(16),
  textOffset,
  imageSize: size,
  entryOffset: 0,
  pageSize: undefined,
});
const elf = (...ranges: [address: number, size: number][]): Kernel => ({
  kind: 'elf',
  segments: ranges.map(([address, memorySize]) => ({ address, memorySize, bytes: new Uint8Array(4) })),
  entry: ranges[0]![0],
});

describe('a kernel', () => {
  it('stands text_offset above the first 2 MB boundary of the memory', () => {
    const placement = place({ base: RAM + 4096, size: 64 * MB }, flat(MB, 0x80000), 0, 4096);
    expect(placement.entry).toBe(RAM + 2 * MB + 0x80000);
    expect(placement.kernel).toMatchObject([{ address: RAM + 2 * MB + 0x80000, size: MB }]);
    expect(placement.initrd).toBeUndefined();
  });

  it('of ELF segments stands where it says, with everything else below it when only there is room', () => {
    const placement = place({ base: RAM, size: 64 * MB }, elf([RAM + 60 * MB, 3 * MB]), MB, 4096);
    expect(placement.entry).toBe(RAM + 60 * MB);
    expect(placement.initrd).toEqual({ address: RAM + 2 * MB, size: MB });
    expect(placement.dtb).toEqual({ address: RAM, size: 4096 });
  });

  it('of ELF segments finds the device tree at the start of memory, unless it stands there itself', () => {
    const above = place({ base: RAM, size: 64 * MB }, elf([RAM + 2 * MB, 3 * MB]), MB, 4096);
    expect(above.dtb).toEqual({ address: RAM, size: 4096 });
    expect(above.initrd).toEqual({ address: RAM + 6 * MB, size: MB });
    const there = place({ base: RAM, size: 64 * MB }, elf([RAM, 3 * MB]), MB, 4096);
    expect(there.initrd).toEqual({ address: RAM + 4 * MB, size: MB });
    expect(there.dtb).toEqual({ address: RAM + 6 * MB, size: 4096 });
  });

  it.each([
    [
      'a kernel larger than memory',
      () => place({ base: RAM, size: 16 * MB }, flat(17 * MB), 0, 4096),
      /^the kernel takes 17 MB, but the guest's memory is 16 MB/,
    ],
    [
      'an initrd that does not fit',
      () => place({ base: RAM, size: 16 * MB }, flat(8 * MB), 8 * MB, 4096),
      /^kernel, initrd and device tree take 17 MB/,
    ],
    [
      'a device tree that does not fit',
      () => place({ base: RAM, size: 16 * MB }, flat(16 * MB), 0, 4096),
      /^kernel and device tree take 17 MB/,
    ],
    ['a device tree over 2 MB', () => place({ base: RAM, size: 64 * MB }, flat(MB), 0, 2 * MB + 1), /Linux allows/],
    [
      'an ELF kernel outside memory',
      () => place({ base: RAM, size: 64 * MB }, elf([0x8_0000, MB]), 0, 4096),
      /0x80000–0x180000, but the memory is at 0x40000000–0x44000000/,
    ],
    [
      'overlapping ELF segments',
      () => place({ base: RAM, size: 64 * MB }, elf([RAM + 4, 8], [RAM, 8]), 0, 4096),
      /overlap/,
    ],
    ['an initrd too far away', () => place({ base: RAM, size: 2 ** 36 }, flat(MB), 2 ** 35, 4096), /32 GB/],
  ])('%s is refused', (_, act, message) => {
    expect(act).toThrow(GuestImageError);
    expect(act).toThrow(message);
  });
});

it('every placement keeps the boot protocol, or there is an error', () => {
  const size = fc.integer({ min: 1, max: 48 * MB });
  const kernels = fc.oneof(
    fc.tuple(size, fc.nat(511)).map(([bytes, pages]) => flat(bytes, pages * 4096)),
    size.map((bytes) => flat(bytes, 0x80000, 'flat')),
    fc.tuple(fc.integer({ min: 0, max: 64 * MB }), size).map(([offset, bytes]) => elf([RAM + offset, bytes])),
  );
  const memories = fc.record({ base: fc.constantFrom(RAM, RAM + MB), size: fc.integer({ min: MB, max: 96 * MB }) });
  fc.assert(
    fc.property(
      memories,
      kernels,
      fc.oneof(fc.constant(0), size),
      fc.integer({ min: 64, max: 2 * MB }),
      (memory, kernel, initrdSize, dtbSize) => {
        let placement;
        try {
          placement = place(memory, kernel, initrdSize, dtbSize);
        } catch (error) {
          expect(error).toBeInstanceOf(GuestImageError);
          return;
        }
        const { dtb, initrd } = placement;
        const ranges = [...placement.kernel, dtb, ...(initrd ? [initrd] : [])].sort((a, b) => a.address - b.address);
        let end = memory.base;
        for (const range of ranges) {
          expect(range.address).toBeGreaterThanOrEqual(end);
          end = range.address + range.size;
        }
        expect(end).toBeLessThanOrEqual(memory.base + memory.size);
        expect(dtb.address % 8).toBe(0);
        expect(Math.floor(dtb.address / (2 * MB))).toBe(Math.floor((dtb.address + dtb.size - 1) / (2 * MB)));
        expect(initrd?.size ?? 0).toBe(initrdSize);
        if (kernel.kind !== 'elf') {
          expect((placement.entry - kernel.textOffset) % (2 * MB)).toBe(0);
          expect(placement.kernel).toMatchObject([{ size: kernel.imageSize }]);
        }
      },
    ),
  );
});
