/**
 * Where a kernel, its initrd and its device tree go in memory, after Linux's Documentation/arch/arm64/booting.rst.
 */
import { GuestImageError, enough, given, type Kernel } from './image.ts';

export interface Memory {
  base: number;
  size: number;
}

/** A range of memory: address and size in bytes. */
export interface Range {
  address: number;
  size: number;
}

export interface PlacedSegment extends Range {
  /** What is written at `address`; the rest of `size` is zero or free for the kernel. */
  bytes: Uint8Array;
}

export interface Placement {
  kernel: PlacedSegment[];
  /** The kernel's first instruction. */
  entry: number;
  /** Undefined without an initrd. */
  initrd: Range | undefined;
  dtb: Range;
}

const MB = 1 << 20;
const ALIGNMENT = 2 * MB;
/** Device trees may not be larger, nor reach over a multiple of this. */
const DTB_LIMIT = 2 * MB;
/** The initrd must lie in one window with the kernel, of at most this size and starting at a multiple of 1 GB. */
const WINDOW = 32 * 1024 * MB;
const WINDOW_ALIGNMENT = 1024 * MB;

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;
const alignDown = (value: number, to: number): number => Math.floor(value / to) * to;

/**
 * Decides the addresses: the kernel as low as it may be, the initrd after it, the device tree after both, in 2 MB of
 * its own. An ELF program need not know of X0: below it, where there is room, the tree is at the start of memory, as on
 * QEMU.
 *
 * @param initrdSize bytes; 0 for none
 * @param dtbSize bytes that the finished tree may take
 * @throws GuestImageError when something does not fit
 */
export function place(memory: Memory, kernel: Kernel, initrdSize: number, dtbSize: number): Placement {
  if (dtbSize > DTB_LIMIT) {
    throw new GuestImageError(`the device tree takes ${dtbSize} bytes: Linux allows ${DTB_LIMIT}`);
  }
  const end = memory.base + memory.size;
  const placed = placeKernel(memory, kernel);
  const first = Math.min(...placed.kernel.map((s) => s.address));
  const last = Math.max(...placed.kernel.map((s) => s.address + s.size));
  if (last > end) throw tooSmall('the kernel', last - memory.base, memory.size);

  const bottom = alignUp(memory.base, ALIGNMENT);
  const treeFirst = kernel.kind === 'elf' && bottom + dtbSize <= first;
  const initrdRoom = alignUp(initrdSize, ALIGNMENT);
  const room = treeFirst ? initrdSize : initrdRoom + dtbSize;
  let start = alignUp(last, ALIGNMENT);
  if (room > 0 && start + room > end) {
    const needed = start + room - memory.base;
    // An ELF program may stand anywhere, so there may be room below it. Old kernels use the memory below them.
    start = treeFirst ? bottom + ALIGNMENT : bottom;
    if (kernel.kind !== 'elf' || start + room > first) {
      throw tooSmall(initrdSize > 0 ? 'kernel, initrd and device tree' : 'kernel and device tree', needed, memory.size);
    }
  }
  const initrd = initrdSize > 0 ? { address: start, size: initrdSize } : undefined;
  if (initrd && initrd.address + initrd.size - alignDown(first, WINDOW_ALIGNMENT) > WINDOW) {
    throw new GuestImageError('the initrd ends more than 32 GB after the kernel, where Linux cannot reach it');
  }
  return { ...placed, initrd, dtb: { address: treeFirst ? bottom : start + initrdRoom, size: dtbSize } };
}

function placeKernel(memory: Memory, kernel: Kernel): { kernel: PlacedSegment[]; entry: number } {
  if (kernel.kind === 'elf') {
    const end = memory.base + memory.size;
    const segments = kernel.segments.map((s) => ({ address: s.address, bytes: s.bytes, size: s.memorySize }));
    for (const { address, size } of segments) {
      if (address < memory.base || address + size > end) {
        throw new GuestImageError(
          `the ELF kernel goes to ${hex(address)}–${hex(address + size)}, but the memory is at ${hex(memory.base)}–${hex(end)}`,
        );
      }
    }
    const sorted = segments.toSorted((a, b) => a.address - b.address);
    if (sorted.some((s, index) => index > 0 && sorted[index - 1]!.address + sorted[index - 1]!.size > s.address)) {
      throw new GuestImageError('the ELF kernel is damaged: its segments overlap');
    }
    return { kernel: sorted, entry: kernel.entry };
  }
  const address = alignUp(memory.base, ALIGNMENT) + kernel.textOffset;
  return {
    kernel: [{ address, bytes: kernel.bytes, size: kernel.imageSize }],
    entry: address + kernel.entryOffset,
  };
}

function tooSmall(what: string, needed: number, size: number): GuestImageError {
  const verb = what.startsWith('the ') ? 'takes' : 'take';
  return new GuestImageError(
    `${what} ${verb} ${enough(needed)}, but the guest's memory is ${given(size)}: give it more memory`,
  );
}

const hex = (value: number): string => `0x${value.toString(16)}`;
