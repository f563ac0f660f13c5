import type { PhysicalBus } from '../../../arch/bus.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg-slots.ts';
import { Mmu, type TranslationState } from '../../../arch/core/mmu.ts';

export type Register = keyof typeof SR;
export type El = 0 | 1 | 2;

export const RAM_BASE = 0x4000_0000;
/** The frame stands before RAM in memory, and guards stand on both sides of RAM. */
const HOST = 0x10000;

/** Bits of the registers that translation reads. */
export const HCR = {
  VM: 1n,
  PTW: 4n,
  DC: 1n << 12n,
  TGE: 1n << 27n,
  CD: 1n << 32n,
  ID: 1n << 33n,
  E2H: 1n << 34n,
  FWB: 1n << 46n,
};
export const SCTLR = { M: 1n, I: 1n << 12n, WXN: 1n << 19n, EE: 1n << 25n };

export const GRANULES = [12, 14, 16] as const;
export type Granule = (typeof GRANULES)[number];
export const TG0: Record<Granule, bigint> = { 12: 0n, 14: 2n, 16: 1n };
export const TG1: Record<Granule, bigint> = { 12: 2n, 14: 1n, 16: 3n };

/** A frame and RAM, without the rest of a core. */
export class TestMachine implements TranslationState {
  readonly bus: PhysicalBus;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly frame = 0x2000;
  readonly mmu: Mmu;
  readonly view: DataView;
  readonly size: number;
  #next: number;

  constructor(size = 0x40_0000, physicalBits?: number) {
    const pages = (HOST + size) / 0x10000 + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.u8 = new Uint8Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.i64 = new BigInt64Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.bus = { ram: { memory, base: RAM_BASE, size, host: HOST }, device: () => undefined };
    this.size = size;
    this.mmu = new Mmu(physicalBits);
    this.#next = RAM_BASE;
  }

  /** Empty RAM and registers, nothing remembered. */
  reset(): void {
    this.u8.fill(0);
    this.#next = RAM_BASE;
    this.mmu.invalidate();
  }

  set(register: Register, value: bigint): void {
    this.view.setBigUint64(this.frame + SR[register], BigInt.asUintN(64, value), true);
  }

  get(register: Register): bigint {
    return this.view.getBigUint64(this.frame + SR[register], true);
  }

  setPstate(value: number): void {
    this.view.setUint32(this.frame + F.PSTATE, value, true);
  }

  get pstate(): number {
    return this.view.getUint32(this.frame + F.PSTATE, true);
  }

  inRam(pa: bigint): boolean {
    return pa >= BigInt(RAM_BASE) && pa + 8n <= BigInt(RAM_BASE + this.size);
  }

  read(pa: bigint | number, bigEndian = false): bigint {
    return this.view.getBigUint64(HOST + Number(pa) - RAM_BASE, !bigEndian);
  }

  write(pa: bigint | number, value: bigint, bigEndian = false): void {
    this.view.setBigUint64(HOST + Number(pa) - RAM_BASE, BigInt.asUintN(64, value), !bigEndian);
  }

  /** The next free naturally aligned piece of RAM. */
  allocate(bytes: number): bigint {
    const at = Math.ceil(this.#next / bytes) * bytes;
    this.#next = at + bytes;
    return BigInt(at);
  }

  translate(va: bigint, access: number, el: El): boolean {
    return this.mmu.translate(this, Number(BigInt.asIntN(32, va >> 32n)), Number(BigInt.asIntN(32, va)), access, el);
  }

  /**
   * Enters one leaf for `address` into the tables at `root`, making the tables on the way; `bits` is the size of the
   * input address.
   *
   * @returns the addresses of the descriptors from the first level to the leaf
   */
  map(
    root: bigint,
    bits: number,
    granule: Granule,
    address: bigint,
    leaf: bigint,
    leafLevel = 3,
    firstLevel = startLevel(bits, granule),
  ): bigint[] {
    const stride = granule - 3;
    const path: bigint[] = [];
    let table = root;
    for (let level = firstLevel; ; level++) {
      const shift = BigInt(granule + stride * (3 - level));
      const width = level === firstLevel ? bits - Number(shift) : stride;
      const entry = table + 8n * ((address >> shift) & ((1n << BigInt(width)) - 1n));
      path.push(entry);
      if (level === leafLevel) {
        this.write(entry, leaf);
        return path;
      }
      let descriptor = this.read(entry);
      if ((descriptor & 3n) !== 3n) {
        descriptor = this.allocate(1 << granule) | 3n;
        this.write(entry, descriptor);
      }
      table = descriptor & 0xffff_ffff_ffffn & ~((1n << BigInt(granule)) - 1n);
    }
  }
}

/** The level at which stage 1 starts. */
export function startLevel(bits: number, granule: Granule): number {
  return 3 - Math.ceil((bits - granule) / (granule - 3)) + 1;
}

/** A leaf descriptor: block below level 3, page at level 3. `ap` is AP[2:1] or S2AP. */
export function leaf(
  output: bigint,
  level: number,
  o: {
    ap?: number;
    af?: boolean;
    ng?: boolean;
    xn?: number;
    dbm?: boolean;
    attr?: number;
    sh?: number;
  } = {},
): bigint {
  return (
    output |
    (level === 3 ? 3n : 1n) |
    (BigInt(o.attr ?? 0) << 2n) |
    (BigInt(o.ap ?? 0) << 6n) |
    (BigInt(o.sh ?? 0) << 8n) |
    (o.af === false ? 0n : 1n << 10n) |
    (o.ng ? 1n << 11n : 0n) |
    (o.dbm ? 1n << 51n : 0n) |
    // PXN and UXN, or XN[1:0] of stage 2.
    (BigInt(o.xn ?? 0) << 53n)
  );
}
