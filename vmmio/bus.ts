import type { AccessSize, MmioDevice } from '../arch/bus.ts';

/** A width of a load or store in bytes. */
export type TransferSize = 1 | 2 | 4 | 8;

interface Region {
  readonly start: number;
  /** First address after the region. */
  readonly end: number;
  readonly device: MmioDevice;
  readonly name: string;
}

/**
 * A virtual machine's devices at intermediate physical addresses. Addresses, sizes and values come from the guest: an
 * access that is not aligned to its size, or does not lie inside one device, is refused, and no device sees it.
 */
export class MmioBus {
  readonly #regions: Region[] = [];
  #last: Region | undefined;
  /** Result of the last read, zero-extended: bits 31:0 and 63:32. */
  low = 0;
  high = 0;

  /** @throws RangeError when another device is there already. */
  add(name: string, start: number, size: number, device: MmioDevice): void {
    const end = start + size;
    const clash = this.#regions.find((r) => start < r.end && end > r.start);
    if (clash) throw new RangeError(`${name} at 0x${start.toString(16)} overlaps ${clash.name}`);
    this.#regions.push({ start, end, device, name });
  }

  /** A guest's load. @returns false when nothing answers (a synchronous external abort). */
  read(address: number, size: TransferSize): boolean {
    const region = this.#find(address, size);
    if (region === undefined) return false;
    const offset = address - region.start;
    if (size === 8) {
      this.low = region.device.read(offset, 4) >>> 0;
      this.high = region.device.read(offset + 4, 4) >>> 0;
    } else {
      const value = region.device.read(offset, size);
      this.low = size === 4 ? value >>> 0 : value & ((1 << (8 * size)) - 1);
      this.high = 0;
    }
    return true;
  }

  /** A guest's store of `low` and, for 8 bytes, `high`. @returns false when nothing answers. */
  write(address: number, size: TransferSize, low: number, high: number): boolean {
    const region = this.#find(address, size);
    if (region === undefined) return false;
    const offset = address - region.start;
    if (size === 8) {
      region.device.write(offset, 4, low >>> 0);
      region.device.write(offset + 4, 4, high >>> 0);
    } else {
      const narrow: AccessSize = size;
      region.device.write(offset, narrow, narrow === 4 ? low >>> 0 : low & ((1 << (8 * narrow)) - 1));
    }
    return true;
  }

  #find(address: number, size: number): Region | undefined {
    if (address % size !== 0) return undefined;
    let region = this.#last;
    if (region === undefined || address < region.start || address >= region.end) {
      region = this.#regions.find((r) => address >= r.start && address < r.end);
      if (region === undefined) return undefined;
      this.#last = region;
    }
    return address + size <= region.end ? region : undefined;
  }
}
