/**
 * Kernel files: what they are, and what of them goes to memory.
 *
 * The arm64 Image header is in Linux's Documentation/arch/arm64/booting.rst, the EFI zboot header in its
 * drivers/firmware/efi/libstub/zboot-header.S.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import zlib from 'node:zlib';
import { identify, machineOfElf, machineOfPe } from './formats.ts';

/** A kernel or initrd file that cannot be used; the message is one line. */
export class GuestImageError extends Error {
  override name = 'GuestImageError';
}

/** A kernel that may stand anywhere, or a file without a header. Sizes and offsets are in bytes. */
export interface FlatKernel {
  kind: 'image' | 'flat';
  bytes: Uint8Array;
  /** From a 2 MB aligned base address to the first byte. */
  textOffset: number;
  /** What the kernel takes from its first byte on, with the memory it clears for itself; at least `bytes.length`. */
  imageSize: number;
  /** From the first byte to the entry point. */
  entryOffset: number;
  /** The kernel's page size, or undefined where it does not say. */
  pageSize: number | undefined;
}

/** One part of an ELF kernel. */
export interface Segment {
  /** Physical address. */
  address: number;
  bytes: Uint8Array;
  /** At least `bytes.length`; what is beyond is zero. */
  memorySize: number;
}

/** An ELF program that says where it stands. */
export interface ElfKernel {
  kind: 'elf';
  segments: Segment[];
  /** Physical address. */
  entry: number;
}

export type Kernel = FlatKernel | ElfKernel;

const MB = 1 << 20;
const ARM64_MAGIC = 0x644d5241; // "ARM\x64"
const DEFAULT_TEXT_OFFSET = 0x80000;
/** Kernels before 3.17 do not say what they need beyond their file; theirs was below this. */
const UNKNOWN_BSS = 8 * MB;
/** A vmlinux with debug information is larger than the memory it is loaded into. */
const LARGEST_FILE = 1 << 30;

/**
 * Reads a kernel file.
 *
 * @param limit the size of the guest's memory in bytes: nothing is unpacked beyond it
 * @throws GuestImageError
 */
export function readKernelFile(path: string, limit: number): Kernel {
  const bytes = readBounded(path, 'kernel', Math.max(limit, LARGEST_FILE));
  try {
    return parseKernel(bytes, limit);
  } catch (error) {
    if (error instanceof GuestImageError) throw new GuestImageError(`kernel ${path}: ${error.message}`);
    throw error;
  }
}

/**
 * Reads an initrd file. What is in it is the kernel's affair.
 *
 * @param limit the size of the guest's memory in bytes
 * @throws GuestImageError
 */
export function readInitrdFile(path: string, limit: number): Uint8Array {
  return readBounded(path, 'initrd', limit);
}

/**
 * Finds out what a kernel file is and takes it apart.
 *
 * A file without any header is taken for a flat binary, as QEMU does, but only if it looks like A64 code.
 *
 * @throws GuestImageError
 */
export function parseKernel(file: Uint8Array, limit: number): Kernel {
  const bytes = unpack(file, limit);
  const kernel = startsWith(bytes, [0x7f, 0x45, 0x4c, 0x46]) ? parseElf(bytes, limit) : parseFlat(bytes);
  const size = kernel.kind === 'elf' ? 0 : Math.max(kernel.imageSize, kernel.bytes.length);
  if (size > limit) throw tooLarge(size, limit);
  return kernel;
}

function readBounded(path: string, what: string, limit: number): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : `cannot open it (${code})`;
    throw new GuestImageError(`${what} ${path}: ${why}`);
  }
  try {
    // One byte more than the file has shows its end; what is not a regular file has size 0.
    let buffer = new Uint8Array(Math.min(Math.max(fstatSync(descriptor).size, MB), limit) + 1);
    let length = 0;
    for (;;) {
      const got = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (got === 0) break;
      length += got;
      if (length > limit)
        throw new GuestImageError(`${what} ${path}: larger than ${given(limit)}: give the guest more memory`);
      if (length === buffer.length) {
        const larger = new Uint8Array(Math.min(2 * length, limit + 1));
        larger.set(buffer);
        buffer = larger;
      }
    }
    if (length === 0) throw new GuestImageError(`${what} ${path}: the file is empty`);
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof GuestImageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new GuestImageError(`${what} ${path}: ${code === 'EISDIR' ? 'is a directory' : `cannot read it (${code})`}`);
  } finally {
    closeSync(descriptor);
  }
}

/** Takes off the compression: gzip, or EFI zboot, whose payload is itself an Image. */
function unpack(bytes: Uint8Array, limit: number): Uint8Array {
  if (bytes.length === 0) throw new GuestImageError('the file is empty');
  if (isGzip(bytes)) {
    const unpacked = decompress('gzip', bytes, limit);
    return isZboot(unpacked) ? unpackZboot(unpacked, limit) : unpacked;
  }
  return isZboot(bytes) ? unpackZboot(bytes, limit) : bytes;
}

const isGzip = (bytes: Uint8Array): boolean => startsWith(bytes, [0x1f, 0x8b]);

const isZboot = (bytes: Uint8Array): boolean =>
  startsWith(bytes, [0x4d, 0x5a]) && startsWith(bytes.subarray(4), [0x7a, 0x69, 0x6d, 0x67]);

function unpackZboot(bytes: Uint8Array, limit: number): Uint8Array {
  if (bytes.length < 64) throw new GuestImageError('the EFI zboot header is cut off');
  const machine = machineOfPe(bytes);
  if (machine !== undefined && machine !== 'arm64') throw wrongMachine('an EFI zboot image', machine);
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = header.getUint32(8, true);
  const size = header.getUint32(12, true);
  if (start + size > bytes.length)
    throw new GuestImageError('the EFI zboot image is cut off: its payload ends beyond the file');
  const name = new TextDecoder('latin1').decode(bytes.subarray(0x18, 0x38)).replace(/\0[^]*$/, '');
  const payload = bytes.subarray(start, start + size);
  // The kernel's build names the compression with its level: zstd22.
  if (name === 'gzip') return decompress('gzip', payload, limit);
  if (/^zstd\d*$/.test(name)) return decompress('zstd', payload, limit);
  const shown = /^[\w-]+$/.test(name) ? name : 'unknown';
  throw new GuestImageError(`an EFI zboot image with ${shown} compression: only gzip and zstd are supported`);
}

function decompress(kind: 'gzip' | 'zstd', bytes: Uint8Array, limit: number): Uint8Array {
  try {
    const options = { maxOutputLength: limit };
    return kind === 'gzip' ? zlib.gunzipSync(bytes, options) : zlib.zstdDecompressSync(bytes, options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new GuestImageError(`it unpacks to more than ${given(limit)}: give the guest more memory`);
    }
    const cut = code === 'Z_BUF_ERROR' || code === 'ZSTD_error_srcSize_wrong';
    throw new GuestImageError(cut ? `the ${kind} data is cut off` : `the ${kind} data is damaged`);
  }
}

function parseFlat(bytes: Uint8Array): FlatKernel {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 64 && header.getUint32(56, true) === ARM64_MAGIC) return parseImage(bytes, header);
  const known = identify(bytes);
  if (known !== undefined) throw new GuestImageError(known);
  if (!looksLikeCode(header)) {
    throw new GuestImageError('not an arm64 kernel: it has no header, and does not begin with A64 code');
  }
  return {
    kind: 'flat',
    bytes,
    textOffset: DEFAULT_TEXT_OFFSET,
    imageSize: bytes.length,
    entryOffset: 0,
    pageSize: undefined,
  };
}

/** @param file whether the bytes are a whole file, whose length can be judged */
function parseImage(bytes: Uint8Array, header: DataView, file = true): FlatKernel {
  const flags = header.getUint32(24, true);
  if ((flags & 1) !== 0) throw new GuestImageError('a big-endian kernel: only little-endian ones are supported');
  if (file && bytes.length < endOfPe(bytes, header))
    throw new GuestImageError('the arm64 Image is cut off: its sections end beyond the file');
  if (file && leavesFile(header))
    throw new GuestImageError('the arm64 Image is cut off: its code goes on beyond the file');
  const declared = header.getBigUint64(16, true);
  if (declared > BigInt(Number.MAX_SAFE_INTEGER))
    throw new GuestImageError('the arm64 Image header is damaged: absurd image_size');
  const old = declared === 0n;
  const textOffset = old ? DEFAULT_TEXT_OFFSET : Number(header.getBigUint64(8, true));
  if (textOffset % 4096 !== 0 || textOffset > 0xffff_ffff) {
    throw new GuestImageError('the arm64 Image header is damaged: absurd text_offset');
  }
  return {
    kind: 'image',
    bytes,
    textOffset,
    imageSize: old ? bytes.length + UNKNOWN_BSS : Math.max(Number(declared), bytes.length),
    entryOffset: 0,
    pageSize: [undefined, 4096, 16384, 65536][(flags >> 1) & 3],
  };
}

/** Where the last section of an EFI stub's PE header ends, or 0 without one. (image_size has .bss too, which is in no file.) */
function endOfPe(bytes: Uint8Array, header: DataView): number {
  if (!startsWith(bytes, [0x4d, 0x5a])) return 0;
  const pe = header.getUint32(60, true);
  if (pe + 24 > bytes.length) return pe + 24;
  if (header.getUint32(pe, true) !== 0x4550) return 0;
  const sections = header.getUint16(pe + 6, true);
  const table = pe + 24 + header.getUint16(pe + 20, true);
  let end = table + sections * 40;
  if (end > bytes.length) return end;
  for (let at = table; at < table + sections * 40; at += 40) {
    // SizeOfRawData, PointerToRawData
    end = Math.max(end, header.getUint32(at + 16, true) + header.getUint32(at + 20, true));
  }
  return end;
}

function parseElf(bytes: Uint8Array, limit: number): Kernel {
  if (bytes.length < 64) throw new GuestImageError('the ELF header is cut off');
  const machine = machineOfElf(bytes);
  if (machine !== 'arm64') throw wrongMachine('an ELF file', machine);
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new GuestImageError('an ELF file that is not 64-bit little-endian');
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = header.getUint16(16, true);
  if (type !== 2 && type !== 3)
    throw new GuestImageError('an ELF file, but not a program: an object file or a core dump');
  const table = header.getBigUint64(32, true);
  const entrySize = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  if (count === 0 || entrySize < 56) throw new GuestImageError('an ELF file without anything to load');
  if (table + BigInt(count * entrySize) > BigInt(bytes.length)) throw new GuestImageError('the ELF file is cut off');

  const parts: { virtual: bigint; physical: bigint; bytes: Uint8Array; memorySize: number }[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const at = Number(table) + index * entrySize;
    if (header.getUint32(at, true) !== 1) continue; // PT_LOAD
    const offset = header.getBigUint64(at + 8, true);
    const fileSize = header.getBigUint64(at + 32, true);
    const memorySize = header.getBigUint64(at + 40, true);
    if (memorySize === 0n) continue;
    if (offset + fileSize > BigInt(bytes.length))
      throw new GuestImageError('the ELF file is cut off: a segment ends beyond it');
    if (fileSize > memorySize)
      throw new GuestImageError('the ELF file is damaged: a segment is larger in the file than in memory');
    total += Number(memorySize);
    if (total > limit) throw tooLarge(total, limit);
    parts.push({
      virtual: header.getBigUint64(at + 16, true),
      physical: header.getBigUint64(at + 24, true),
      bytes: bytes.subarray(Number(offset), Number(offset + fileSize)),
      memorySize: Number(memorySize),
    });
  }
  if (parts.length === 0) throw new GuestImageError('an ELF file without anything to load');
  return fromVmlinux(parts, limit) ?? atPhysicalAddresses(parts, header.getBigUint64(24, true));
}

type ElfPart = { virtual: bigint; physical: bigint; bytes: Uint8Array; memorySize: number };

/** Linux's vmlinux is linked at virtual addresses only; laid out from the lowest one, it is the Image, header and all. */
function fromVmlinux(parts: readonly ElfPart[], limit: number): FlatKernel | undefined {
  const first = parts.reduce((a, b) => (b.virtual < a.virtual ? b : a));
  if (first.bytes.length < 64) return undefined;
  const header = new DataView(first.bytes.buffer, first.bytes.byteOffset, 64);
  if (header.getUint32(56, true) !== ARM64_MAGIC) return undefined;
  const offsetOf = (part: ElfPart): number => Number(part.virtual - first.virtual);
  const size = Math.max(...parts.map((part) => offsetOf(part) + part.bytes.length));
  if (size > limit) throw tooLarge(size, limit);
  const image = new Uint8Array(size);
  for (const part of parts) image.set(part.bytes, offsetOf(part));
  return parseImage(image, new DataView(image.buffer), false);
}

function atPhysicalAddresses(parts: readonly ElfPart[], entry: bigint): ElfKernel {
  const within = parts.find((p) => entry >= p.virtual && entry < p.virtual + BigInt(p.memorySize));
  const address = within ? entry - within.virtual + within.physical : entry;
  if (address % 4n !== 0n) throw new GuestImageError('the ELF file is damaged: its entry point is not aligned');
  const number = (value: bigint): number => {
    // The architecture's largest physical address size, FEAT_LPA.
    if (value >= 1n << 52n)
      throw new GuestImageError(`an ELF file for address 0x${value.toString(16)}, which no memory has`);
    return Number(value);
  };
  return {
    kind: 'elf',
    segments: parts.map((part) => ({ address: number(part.physical), bytes: part.bytes, memorySize: part.memorySize })),
    entry: number(address),
  };
}

/** Instructions that a flat binary must have before it is believed. */
const CODE_PROBE = 64;

/**
 * Whether a file begins with A64 code: the instructions from its first word on, followed through unconditional
 * branches, are none of the reserved encodings (op0, DDI 0487 C4.1) and do not leave the file. Of random words a
 * quarter is reserved, so that about one file of 10^8 would pass.
 */
function looksLikeCode(view: DataView): boolean {
  let at = 0;
  for (let step = 0; step < CODE_PROBE; step++) {
    if (at < 0 || at + 4 > view.byteLength) return false;
    const word = view.getUint32(at, true);
    const op0 = (word >>> 25) & 15;
    if (op0 < 4) return false;
    // BR, RET, ERET: where it goes on cannot be told. HVC #0, SMC #0: nor whether it does.
    const masked = (word & 0xffff_fc1f) >>> 0;
    if (masked === 0xd61f_0000 || masked === 0xd65f_0000 || word === 0xd69f_03e0) return true;
    if (word === 0xd400_0002 || word === 0xd400_0003) return true;
    // B
    at += word >>> 26 === 0b000101 ? ((word << 6) >> 6) * 4 : 4;
  }
  return true;
}

/**
 * Whether an Image's code leaves the file, where there is nothing to execute. It is followed from its first word on
 * through B and BL, as long as it is certain where it goes: up to another branch, an exception, or a register that
 * changes where exceptions go.
 */
function leavesFile(view: DataView): boolean {
  let at = 0;
  for (let step = 0; step < CODE_PROBE; step++) {
    if (at < 0 || at + 4 > view.byteLength) return true;
    const word = view.getUint32(at, true);
    const hint = word >>> 13 === 0xd5032000 >>> 13;
    if ((word & 0x7c00_0000) === 0x1400_0000) at += ((word << 6) >> 6) * 4;
    else if (((word & 0x1c00_0000) === 0x1400_0000 && !hint) || (word & 0x1e00_0000) === 0) return false;
    else at += 4;
  }
  return false;
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}

/** A memory's size for people: what was given. */
export const given = (bytes: number): string => `${Math.floor((100 * bytes) / MB) / 100} MB`;

/** A size for people that is enough. */
export const enough = (bytes: number): string => `${Math.ceil(bytes / MB)} MB`;

function tooLarge(size: number, limit: number): GuestImageError {
  return new GuestImageError(
    `it takes ${enough(size)}, more than the guest's ${given(limit)}: give the guest more memory`,
  );
}

function wrongMachine(what: string, machine: string): GuestImageError {
  return new GuestImageError(`${what} for ${machine}: an arm64 kernel is needed`);
}
