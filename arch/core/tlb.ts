import { JUMP_CACHE, jumpEntry, TLB } from '../a64/region-abi.ts';

/** Address spaces that keep their TLB and jump cache when another one is used. */
export const SLOTS = 12;
export const SLOT_BYTES = TLB.bytes + JUMP_CACHE.bytes;

/** An entry of a jump cache in words: the bit that an entry and its neighbour differ in, as slots are aligned to a pair. */
const JUMP_WORDS = JUMP_CACHE.entrySize >>> 2;

/** What a slot's entries belong to. */
export interface SlotKey {
  /** Exception level of the accesses: the permissions are those of this level. */
  el: 0 | 1 | 2;
  /** Regime whose tables translate: 1 EL1&0, 2 EL2 or EL2&0. */
  regime: 1 | 2;
  asid: number;
  vmid: number;
  /**
   * In a virtual machine the frame that they were made with, else 0: VCPUs with one VMID on one core have TLBs of their own, as
   * their software invalidates them one by one.
   */
  vcpu: number;
}

/** A block of translation: its number in the low 4 GiB of the address, and log2 of its size. */
const blockKey = (vaLo: number, shift: number): number => (shift > 31 ? 31 : (vaLo >>> shift) * 32 + shift);

/** Pages of 4 KiB that the low word of an address tells apart. */
export const PAGES = 1 << 20;

/** Whether one of the 4 KiB pages `first` … `first + count - 1` lies in a block of the set. */
function holds(blocks: ReadonlySet<number>, shifts: number, first: number, count: number): boolean {
  for (let rest = shifts; rest !== 0; rest &= rest - 1) {
    const shift = 31 - Math.clz32(rest & -rest);
    if (shift === 31) return true;
    const from = first >>> (shift - 12);
    const last = (first + count - 1) >>> (shift - 12);
    if (last - from < blocks.size) {
      for (let block = from; block <= last; block++) if (blocks.has(block * 32 + shift)) return true;
    } else {
      for (const key of blocks) if (key % 32 === shift && key >>> 5 >= from && key >>> 5 <= last) return true;
    }
  }
  return false;
}

/** One TLB with its jump cache, both in machine memory. */
export class Slot implements SlotKey {
  readonly tlb: number;
  readonly jumps: number;
  el: 0 | 1 | 2 = 1;
  regime: 1 | 2 = 1;
  asid = -1;
  vmid = -1;
  vcpu = 0;
  /** There may be entries that belong to `asid` only; entries that PSTATE.PAN would have kept out. */
  hasLocal = false;
  hasUser = false;
  /** Number of the code context that the jump cache was filled for. */
  context = -1;
  /** Control registers that the entries were made under. */
  controls = '';
  used = 0;
  /** Blocks larger than a page with entries in the TLB, and blocks with entries in the jump cache, by `blockKey`. */
  private readonly blocks = new Set<number>();
  private readonly codeBlocks = new Set<number>();
  /** The sizes that occur there, bit n for 2^n bytes. */
  private blockShifts = 0;
  private codeShifts = 0;
  /** The jump cache has been emptied once. */
  private made = false;
  private readonly i32: Int32Array;

  constructor(i32: Int32Array, base: number) {
    this.i32 = i32;
    this.tlb = base;
    this.jumps = base + TLB.bytes;
    this.flush();
  }

  flush(): void {
    this.i32.fill(-1, this.tlb >>> 2, (this.tlb + TLB.bytes) >>> 2);
    this.hasLocal = this.hasUser = false;
    this.blocks.clear();
    this.blockShifts = 0;
    this.flushJumps();
  }

  flushJumps(): void {
    const end = (this.jumps + JUMP_CACHE.bytes) >>> 2;
    if (this.codeShifts === 0 && this.made) return;
    this.made = true;
    this.i32.fill(-1, this.jumps >>> 2, end);
    // An empty entry names the address -1, which a guest can jump to: in its places stands the stub that leaves to the core.
    const none = (this.jumps + jumpEntry(-1)) >>> 2;
    this.i32[none + 2] = this.i32[(none ^ JUMP_WORDS) + 2] = 0;
    this.codeBlocks.clear();
    this.codeShifts = 0;
  }

  /**
   * Drops what was entered for the blocks that hold one of the 4 KiB pages `first` … `first + count - 1`, whatever the
   * high word of their address. The range goes on at 0 behind the last of `PAGES`.
   * @param first the low word of the address without its low 12 bits
   * @param count 1 to `PAGES`
   * @returns whether code may have been reached there
   */
  flushPages(first: number, count: number): boolean {
    if (first + count > PAGES) {
      const low = this.flushPages(0, first + count - PAGES);
      return this.flushPages(first, PAGES - first) || low;
    }
    const { i32 } = this;
    if (count < TLB.entries) {
      for (let page = first; page < first + count; page++) {
        const one = this.place(page);
        if (i32[one + 6] === page) this.drop(one);
        const other = this.secondPlace(page);
        if (i32[other + 6] === page) this.drop(other);
      }
    } else {
      for (let n = 0; n < 2 * TLB.entries; n++) {
        const entry = (this.tlb + n * TLB.entrySize) >>> 2;
        if (((i32[entry + 6]! - first) & (PAGES - 1)) < count) this.drop(entry);
      }
    }
    if (holds(this.blocks, this.blockShifts, first, count)) {
      // Other pages of a block: they may be anywhere.
      for (let n = 0; n < 2 * TLB.entries; n++) {
        const entry = (this.tlb + n * TLB.entrySize) >>> 2;
        const shift = i32[entry + 5]! - 12;
        const page = i32[entry + 6]!;
        if (page >>> shift <= (first + count - 1) >>> shift && page >>> shift >= first >>> shift) this.drop(entry);
      }
    }
    if (!holds(this.codeBlocks, this.codeShifts, first, count)) return false;
    this.flushJumps();
    return true;
  }

  /**
   * Enters a page of RAM.
   * @param host host address of the page
   * @param shift log2 of the size of the block that the page is part of
   */
  fill(vaHi: number, vaLo: number, host: number, readable: boolean, writable: boolean, shift: number): void {
    const tag = vaLo & ~0xfff;
    const { i32 } = this;
    const first = this.place(vaLo >>> 12);
    const second = this.secondPlace(vaLo >>> 12);
    i32[first] = readable ? tag : -1;
    i32[first + 1] = readable ? vaHi : -1;
    i32[first + 2] = writable ? tag : -1;
    i32[first + 3] = writable ? vaHi : -1;
    i32[first + 4] = (host - tag) | 0;
    i32[first + 5] = shift > 31 ? 31 : shift;
    i32[first + 6] = vaLo >>> 12;
    i32.copyWithin(second, first, first + 7);
    if (shift === 12) return;
    this.blocks.add(blockKey(vaLo, shift));
    this.blockShifts |= 1 << Math.min(shift, 31);
  }

  /** The host address of an address that may be read, or written, as the TLB has it; 0 where it has not. */
  hostOf(vaHi: number, vaLo: number, write: boolean): number {
    const { i32 } = this;
    const tag = vaLo & ~0xfff;
    const field = write ? 2 : 0;
    let entry = this.place(vaLo >>> 12);
    if (i32[entry + field] !== tag || i32[entry + field + 1] !== vaHi) {
      entry = this.secondPlace(vaLo >>> 12);
      if (i32[entry + field] !== tag || i32[entry + field + 1] !== vaHi) return 0;
    }
    return (vaLo + i32[entry + 4]!) >>> 0;
  }

  /** Whether the first table has a page. @param page low 20 bits of its number */
  hasPage(page: number): boolean {
    const entry = this.place(page);
    return this.i32[entry + 6] === page && (this.i32[entry] !== -1 || this.i32[entry + 2] !== -1);
  }

  /** The index of a page's entry in the first table. @param page low 20 bits of its number */
  private place(page: number): number {
    return (this.tlb + (page & (TLB.entries - 1)) * TLB.entrySize) >>> 2;
  }

  /** The same in the second. */
  private secondPlace(page: number): number {
    return (this.tlb + TLB.second + ((page ^ (page >>> TLB.hashShift)) & (TLB.entries - 1)) * TLB.entrySize) >>> 2;
  }

  private drop(entry: number): void {
    const { i32 } = this;
    i32[entry] = i32[entry + 1] = i32[entry + 2] = i32[entry + 3] = -1;
  }

  /** The table index of the region at an address, as the jump cache has it, or -1. Looks where `lookup` in runtime.ts does. */
  findJump(pcHi: number, pcLo: number): number {
    const { i32 } = this;
    const first = (this.jumps + jumpEntry(pcLo)) >>> 2;
    if (i32[first] === pcLo && i32[first + 1] === pcHi) return i32[first + 2]!;
    const second = first ^ JUMP_WORDS;
    return i32[second] === pcLo && i32[second + 1] === pcHi ? i32[second + 2]! : -1;
  }

  /**
   * Enters a region into the jump cache. What had its place goes into the neighbour's; both must not have it yet.
   * @param index at least 1
   * @param shift log2 of the size of the block that the address is part of
   */
  fillJump(pcHi: number, pcLo: number, index: number, shift: number): void {
    const entry = (this.jumps + jumpEntry(pcLo)) >>> 2;
    const { i32 } = this;
    // An empty entry must not take the neighbour's place.
    if (i32[entry + 2]! > 0) i32.copyWithin(entry ^ JUMP_WORDS, entry, entry + 3);
    i32[entry] = pcLo;
    i32[entry + 1] = pcHi;
    i32[entry + 2] = index;
    this.codeBlocks.add(blockKey(pcLo, shift));
    this.codeShifts |= 1 << Math.min(shift, 31);
  }
}

/** The slots of a core, the least recently used one given up for a new address space. */
export class Slots {
  readonly all: readonly Slot[];
  private clock = 0;

  constructor(i32: Int32Array, base: number) {
    this.all = Array.from({ length: SLOTS }, (_, n) => new Slot(i32, base + n * SLOT_BYTES));
  }

  /** The slot of an address space. EL1 and EL2 share one among their ASIDs. */
  get({ el, regime, asid, vmid, vcpu }: SlotKey): Slot {
    let oldest = this.all[0]!;
    for (const slot of this.all) {
      const same = slot.el === el && slot.regime === regime && slot.vmid === vmid && slot.vcpu === vcpu;
      if (same && (el !== 0 || slot.asid === asid)) {
        slot.used = ++this.clock;
        if (slot.asid !== asid) {
          if (slot.hasLocal) slot.flush();
          slot.asid = asid;
        }
        return slot;
      }
      if (slot.used < oldest.used) oldest = slot;
    }
    oldest.flush();
    oldest.el = el;
    oldest.regime = regime;
    oldest.asid = asid;
    oldest.vmid = vmid;
    oldest.vcpu = vcpu;
    oldest.controls = '';
    oldest.context = -1;
    oldest.used = ++this.clock;
    return oldest;
  }

  flushJumps(): void {
    for (const slot of this.all) slot.flushJumps();
  }
}
