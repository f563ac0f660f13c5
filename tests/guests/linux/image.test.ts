import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestImageError, parseKernel, readInitrdFile, readKernelFile } from '../../../guests/linux/image.ts';
import { code, elf, rawImage, withPe, zboot } from './kernels.ts';

const LIMIT = 1 << 20;
const parse = (bytes: Uint8Array, limit = LIMIT): ReturnType<typeof parseKernel> => parseKernel(bytes, limit);
const NOP = 0xd503201f;
const MOV = 0xaa0103e0;
const HVC = 0xd4000002;
const RET = 0xd65f03c0;
const WAIT = 0x14000000;
const B = (offset: number): number => (0x14000000 | ((offset >> 2) & 0x3ffffff)) >>> 0;
const BL = (offset: number): number => (B(offset) | 0x80000000) >>> 0;

/** An Image of these words, of which words 2 to 15 are the header's, filled with zeros to a size. */
function imageOf(words: readonly number[], size = Math.max(words.length * 4, 64), imageSize = 0x30000n): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(code(...words));
  bytes.set(rawImage({ size: 64, imageSize }).subarray(8), 8);
  return bytes;
}

describe('a raw arm64 Image', () => {
  it('gives what its header says', () => {
    const bytes = rawImage({ textOffset: 0x80000n, imageSize: 0x30000n, flags: 0b0100 });
    const expected = { kind: 'image', bytes, textOffset: 0x80000, imageSize: 0x30000, entryOffset: 0, pageSize: 16384 };
    expect(parse(bytes)).toEqual(expected);
  });

  it('without image_size is placed as old kernels ask, with room for what they clear', () => {
    const kernel = parse(rawImage({ imageSize: 0n, textOffset: 0n }), 64 << 20);
    expect(kernel).toMatchObject({ textOffset: 0x80000 });
    expect('imageSize' in kernel && kernel.imageSize).toBeGreaterThan(0x20000);
  });

  it.each([
    ['big-endian', rawImage({ flags: 1 }), /big-endian/],
    ['an absurd image_size', rawImage({ imageSize: 1n << 63n }), /absurd image_size/],
    ['an absurd text_offset', rawImage({ textOffset: 1n << 40n }), /absurd text_offset/],
    ['an unaligned text_offset', rawImage({ textOffset: 8n }), /absurd text_offset/],
    ['larger than memory', rawImage({ imageSize: 2n << 20n }), /takes 2 MB, more than the guest's 1 MB/],
    ['cut off within its EFI sections', withPe(rawImage(), 0x20001), /cut off: its sections/],
    ['cut off before where its header branches to', imageOf([B(0x1000)], 0x800), /cut off: its code/],
    ['cut off where the second word branches to', imageOf([NOP, B(0x3c)]), /cut off: its code/],
    ['cut off in its code', imageOf([B(0x40), ...Array<number>(15).fill(0), MOV, NOP, MOV]), /cut off: its code/],
    ['cut off in front of a function', imageOf([B(0x40), ...Array<number>(15).fill(0), BL(4096), HVC]), /cut off/],
    ['for code before the file', imageOf([B(-4)]), /cut off: its code/],
  ])('is refused when it is %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(message);
  });

  it.each([
    ['ends in a call that does not come back', [MOV, HVC]],
    ['ends in a function that returns', [BL(8), WAIT, RET]],
    ['ends in a loop', [MOV, NOP, B(-4)]],
    ['ends in a conditional branch', [MOV, 0xb4ffffff]],
    ['has its vectors behind it', [0xd518c000, 0xf9400000]],
    ['is an undefined instruction', [0]],
  ])('without an EFI stub, whose code %s, is as long as it is', (_, words) => {
    for (const imageSize of [0n, 0x30000n])
      expect(parse(imageOf([B(0x40), ...Array<number>(15).fill(0), ...words], undefined, imageSize), 64 << 20)).toEqual(
        expect.objectContaining({ kind: 'image' }),
      );
  });

  it('that is an EFI program is taken whole', () => {
    expect(parse(withPe(rawImage(), 0x20000))).toMatchObject({ kind: 'image' });
  });
});

describe('a compressed kernel', () => {
  const image = rawImage();
  it.each([
    ['gzip', gzipSync(image)],
    ['zboot with gzip', zboot(gzipSync(image), 'gzip')],
    ['zboot with zstd', zboot(zstdCompressSync(image), 'zstd22')],
    ['gzip around zboot', gzipSync(zboot(zstdCompressSync(image), 'zstd'))],
  ])('%s gives the Image inside', (_, bytes) => {
    const kernel = parse(bytes);
    expect(kernel.kind === 'image' && Buffer.from(kernel.bytes).equals(image)).toBe(true);
  });

  const gz = gzipSync(image);
  const damaged = Uint8Array.from(gz, (byte, i) => (i > 20 && i < 60 ? byte ^ 0x5a : byte));
  it.each([
    ['gzip cut off', gz.subarray(0, gz.length >> 1), /gzip data is cut off/],
    ['only the gzip magic', gz.subarray(0, 3), /gzip data is cut off/],
    ['damaged gzip', damaged, /gzip data is damaged/],
    ['a gzip bomb', gzipSync(new Uint8Array(3 << 20)), /unpacks to more than 1 MB/],
    ['a zstd bomb', zboot(zstdCompressSync(new Uint8Array(3 << 20)), 'zstd22'), /unpacks to more than 1 MB/],
    ['gzip in gzip', gzipSync(gz), /gzip data within gzip data/],
    ['zboot cut off', zboot(gz, 'gzip').subarray(0, 300), /ends beyond the file/],
    ['zboot cut off in its header', zboot(gz, 'gzip').subarray(0, 40), /header is cut off/],
    ['zboot with a damaged payload', zboot(damaged, 'gzip'), /gzip data is damaged/],
    ['zboot with xz', zboot(gz, 'xzkern'), /xzkern compression: only gzip and zstd/],
    ['zboot for RISC-V', zboot(gz, 'gzip', 0x5064), /for RISC-V: an arm64 kernel is needed/],
  ])('is refused: %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(message);
  });
});

describe('an ELF file', () => {
  const text = code(NOP, 0xd65f03c0);
  it('gives segments at physical addresses and the entry translated to one', () => {
    const bytes = elf(
      [
        { virtual: 0xffff_0000_0000_0000n, physical: 0x4008_0000n, data: text, memorySize: 64n },
        { virtual: 0xffff_0000_0010_0000n, physical: 0x4010_0000n, data: new Uint8Array(0), memorySize: 4096n },
      ],
      0xffff_0000_0000_0004n,
    );
    expect(parse(bytes)).toEqual({
      kind: 'elf',
      segments: [
        { address: 0x4008_0000, bytes: text, memorySize: 64 },
        { address: 0x4010_0000, bytes: new Uint8Array(0), memorySize: 4096 },
      ],
      entry: 0x4008_0004,
    });
  });

  it("that is Linux's vmlinux gives the Image it is made into", () => {
    const image = withPe(rawImage(), 0x21000);
    const base = 0xffff_8000_0800_0000n;
    const bytes = elf(
      [
        { virtual: base, physical: base, data: image.subarray(0, 0x10000) },
        { virtual: base + 0x12000n, physical: base + 0x12000n, data: image.subarray(0x10000) },
      ],
      base,
    );
    const kernel = parse(bytes);
    const expected = new Uint8Array(0x22000);
    expected.set(image.subarray(0, 0x10000));
    expected.set(image.subarray(0x10000), 0x12000);
    expect(kernel).toMatchObject({ kind: 'image', imageSize: 0x30000 });
    expect(kernel.kind === 'image' && Buffer.from(kernel.bytes).equals(expected)).toBe(true);
  });

  const good = elf([{ virtual: 0x4000_0000n, physical: 0x4000_0000n, data: text }], 0x4000_0000n);
  const patched = (offset: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[offset] = value;
    return bytes;
  };
  it.each([
    ['for another machine', elf([{ virtual: 0n, physical: 0n, data: text }], 0n, 62), /ELF file for x86-64/],
    ['for an unnamed machine', elf([{ virtual: 0n, physical: 0n, data: text }], 0n, 999), /machine 999/],
    ['for big-endian arm64', withBigEndianMachine(), /big-endian arm64/],
    ['32-bit', patched(4, 1), /not 64-bit/],
    ['an object file', patched(16, 1), /object file/],
    ['without segments', elf([], 0n), /without anything to load/],
    ['cut off in its header', good.subarray(0, 40), /cut off/],
    ['cut off in its segment', good.subarray(0, good.length - 1), /cut off/],
    ['with a segment beyond any memory', elf([{ virtual: 0n, physical: 1n << 60n, data: text }], 0n), /no memory has/],
    ['larger than memory', elf([{ virtual: 0n, physical: 0n, data: text, memorySize: 1n << 62n }], 0n), /more memory/],
  ])('is refused when it is %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(message);
  });

  function withBigEndianMachine(): Uint8Array {
    const bytes = patched(5, 2);
    bytes[18] = 0;
    bytes[19] = 183;
    return bytes;
  }
});

describe('a file without a header', () => {
  it.each([
    ['that branches over data and loops', code(0x14000003, 0, 0, NOP, 0x17ffffff)],
    ['that returns at once', code(0xd65f03c0)],
    ['that ends with a call of the firmware', code(NOP, 0xd4000002)],
    ['of 70 plain instructions', code(...Array<number>(70).fill(NOP))],
  ])('%s is a flat binary at 0x80000', (_, bytes) => {
    expect(parse(bytes)).toMatchObject({ kind: 'flat', textOffset: 0x80000, imageSize: bytes.length, entryOffset: 0 });
  });

  it.each([
    ['zeros', new Uint8Array(4096)],
    ['text', new TextEncoder().encode('#!/bin/sh\necho this is not a kernel at all\n')],
    ['code that runs off its end', code(NOP, NOP)],
    ['code that branches out of the file', code(0x14001000)],
    ['three bytes', new Uint8Array([0x1f, 0x20, 0x03])],
  ])('is refused: %s', (_, bytes) => {
    expect(() => parse(bytes)).toThrow(/not an arm64 kernel/);
  });

  it.each([
    ['x86 bzImage', at(0x202, 'HdrS'), /kernel for x86/],
    ['32-bit Arm zImage', at(0x24, '\x18\x28\x6f\x01'), /32-bit Arm/],
    ['RISC-V Image', at(0x38, 'RSC\x05'), /RISC-V/],
    ['xz', at(0, '\xfd7zXZ\0'), /xz data/],
    ['a FIT image', at(0, '\xd0\x0d\xfe\xed'), /FIT image/],
    ['an initramfs', at(0, '070701'), /initramfs/],
    ['a Debian package', at(0, '!<arch>\n'), /Debian package/],
    ['an EFI program for x86-64', zboot(new Uint8Array(8), '', 0x8664).fill(0, 4, 8), /EFI program for x86-64/],
  ])('is named for what it is: %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(message);
  });

  function at(offset: number, magic: string): Uint8Array {
    const bytes = new Uint8Array(1024).fill(0x1f);
    bytes.set(Buffer.from(magic, 'latin1'), offset);
    return bytes;
  }
});

it('anything at all ends in a kernel or in one line', () => {
  const hostile = fc.tuple(
    fc.constantFrom(
      rawImage(),
      withPe(rawImage(), 0x20000),
      gzipSync(rawImage()),
      zboot(gzipSync(rawImage()), 'gzip'),
      elf([{ virtual: 0n, physical: 0n, data: code(NOP) }], 0n),
    ),
    fc.array(fc.tuple(fc.nat(140), fc.nat(255)), { maxLength: 8 }),
    fc.nat(0x20000),
  );
  fc.assert(
    fc.property(hostile, ([base, changes, cut]) => {
      const bytes = Uint8Array.from(base.subarray(0, Math.max(cut, 1)));
      for (const [offset, value] of changes) if (offset < bytes.length) bytes[offset] = value;
      try {
        parse(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(GuestImageError);
        expect((error as Error).message).toMatch(/^[^\n]{1,200}$/);
      }
    }),
    { numRuns: 300 },
  );
});

it('random files are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 2048 }), (bytes) => {
      expect(() => parse(bytes)).toThrow(GuestImageError);
    }),
    // A fixed seed: of 10^8 random files one may look like code.
    { seed: 1, numRuns: 2000 },
  );
});

describe('files', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'naxos-image-'));
    writeFileSync(join(directory, 'empty'), '');
    writeFileSync(join(directory, 'image'), rawImage());
    writeFileSync(join(directory, 'random'), new Uint8Array(64));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('are read whole', () => {
    expect(readKernelFile(join(directory, 'image'), LIMIT)).toMatchObject({ kind: 'image', imageSize: 0x30000 });
    expect(Buffer.from(readInitrdFile(join(directory, 'image'), LIMIT)).equals(rawImage())).toBe(true);
  });

  it.each([
    ['missing', /^kernel \S+missing: no such file$/],
    ['empty', /^kernel \S+empty: the file is empty$/],
    ['', /^kernel \S+: is a directory$/],
    ['random', /^kernel \S+random: not an arm64 kernel/],
  ])('%j: the error names the file', (name, message) => {
    expect(() => readKernelFile(join(directory, name), LIMIT)).toThrow(message);
  });

  it('an initrd larger than the memory is refused, also when its size is not known', () => {
    expect(() => readInitrdFile(join(directory, 'image'), 0x14000)).toThrow(/^initrd \S+: larger than 0.07 MB/);
    expect(() => readInitrdFile('/dev/zero', 3 << 20)).toThrow(/larger than 3 MB/);
  });
});
