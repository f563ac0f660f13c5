/** Makes small kernel files. */

export interface ImageFields {
  textOffset?: bigint;
  imageSize?: bigint;
  flags?: number;
  size?: number;
}

/** A raw arm64 Image without an EFI stub. */
export function rawImage({
  textOffset = 0n,
  imageSize = 0x30000n,
  flags = 0b1010,
  size = 0x20000,
}: ImageFields = {}): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 64; i < size; i++) bytes[i] = (i * 7) & 0xff;
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x14000010, true); // b .+64
  view.setBigUint64(8, textOffset, true);
  view.setBigUint64(16, imageSize, true);
  view.setUint32(24, flags, true);
  view.setUint32(56, 0x644d5241, true);
  return bytes;
}

/** Makes an Image an EFI program with one section that ends at `end`. */
export function withPe(image: Uint8Array, end: number, machine = 0xaa64): Uint8Array {
  const bytes = image.slice();
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(60, 64, true);
  view.setUint32(64, 0x4550, true);
  view.setUint16(68, machine, true);
  view.setUint16(70, 1, true);
  view.setUint16(84, 0, true);
  view.setUint32(88 + 16, end - 4096, true);
  view.setUint32(88 + 20, 4096, true);
  return bytes;
}

/** An EFI zboot file around a compressed payload. */
export function zboot(payload: Uint8Array, compression: string, machine = 0xaa64): Uint8Array {
  const start = 256;
  const bytes = new Uint8Array(start + payload.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x5a4d, true);
  bytes.set(new TextEncoder().encode('zimg'), 4);
  view.setUint32(8, start, true);
  view.setUint32(12, payload.length, true);
  bytes.set(new TextEncoder().encode(compression), 0x18);
  view.setUint32(0x38, 0x818223cd, true);
  view.setUint32(60, 64, true);
  view.setUint32(64, 0x4550, true);
  view.setUint16(68, machine, true);
  bytes.set(payload, start);
  return bytes;
}

export interface ElfSegment {
  virtual: bigint;
  physical: bigint;
  data: Uint8Array;
  memorySize?: bigint;
}

/** An ELF64 program. */
export function elf(segments: ElfSegment[], entry: bigint, machine = 183): Uint8Array {
  const headers = 64 + segments.length * 56;
  const bytes = new Uint8Array(headers + segments.reduce((sum, s) => sum + s.data.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  let offset = headers;
  for (const [index, s] of segments.entries()) {
    const at = 64 + index * 56;
    view.setUint32(at, 1, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, s.virtual, true);
    view.setBigUint64(at + 24, s.physical, true);
    view.setBigUint64(at + 32, BigInt(s.data.length), true);
    view.setBigUint64(at + 40, s.memorySize ?? BigInt(s.data.length), true);
    bytes.set(s.data, offset);
    offset += s.data.length;
  }
  return bytes;
}

/** Instruction words as bytes. */
export const code = (...words: number[]): Uint8Array => new Uint8Array(new Uint32Array(words).buffer);
