import type { MmioDevice, PhysicalBus, Ram } from '../arch/bus.ts';

/** What a machine that cannot be built is reported with; the message says what to change. */
export class BoardError extends Error {
  override name = 'BoardError';
}

interface Region {
  readonly start: number;
  /** First address after the region. */
  readonly end: number;
  readonly device: MmioDevice;
  readonly name: string;
}

const hex = (address: number): string => `0x${address.toString(16)}`;

/** RAM and devices at physical addresses. */
export class Bus implements PhysicalBus {
  readonly ram: Ram;
  readonly #regions: Region[] = [];
  #last: Region | undefined;
  #hit: { device: MmioDevice; offset: number } | undefined;

  constructor(ram: Ram) {
    this.ram = ram;
  }

  /**
   * Puts a device at a physical address; `size` in bytes.
   * @throws BoardError where RAM or another device already is.
   */
  add(name: string, start: number, size: number, device: MmioDevice): void {
    const end = start + size;
    if (!(start >= 0 && size > 0 && end <= 2 ** 48)) throw new BoardError(`${name} does not fit at ${hex(start)}`);
    const { ram } = this;
    const clash =
      start < ram.base + ram.size && end > ram.base
        ? 'RAM'
        : this.#regions.find((r) => start < r.end && end > r.start)?.name;
    if (clash !== undefined) throw new BoardError(`${name} at ${hex(start)} overlaps ${clash}`);
    this.#regions.push({ start, end, device, name });
    this.#regions.sort((a, b) => a.start - b.start);
  }

  /** The result is valid until the next call. */
  device(pa: number): { device: MmioDevice; offset: number } | undefined {
    let region = this.#last;
    if (region === undefined || pa < region.start || pa >= region.end) {
      region = this.#find(pa);
      if (region === undefined) return undefined;
      this.#last = region;
      this.#hit = { device: region.device, offset: 0 };
    }
    const hit = this.#hit!;
    hit.offset = pa - region.start;
    return hit;
  }

  /** Names and addresses of the devices, in order of address. */
  get regions(): readonly { name: string; start: number; end: number }[] {
    return this.#regions;
  }

  #find(pa: number): Region | undefined {
    const regions = this.#regions;
    let low = 0;
    let high = regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (regions[middle]!.end <= pa) low = middle + 1;
      else high = middle;
    }
    const region = regions[low];
    return region !== undefined && pa >= region.start ? region : undefined;
  }
}
