import type { Random } from './random.ts';

/** A case's physical memory: data, then tables of both stages. It is the same for all cases: mmu.S fills it for each. */
export const AREA = 0x48000000;
export const AREA_BYTES = 2 << 20;
export const DATA_BYTES = 128 << 10;
/** Pages of 4 KiB of data; the last is only the one after another. */
export const DATA_PAGES = (DATA_BYTES >> 12) - 1;
/** What stage 2 must map besides, as it is: the harness with its tables, programs. */
export const CODE = 0x46000000;
const KEPT = [
  [0x40200000, 0x20000],
  [CODE, 0x1000000],
] as const;
/** What EL2's own tables must map to read: the cases' states. */
const STATES = [0x41000000, 0x40000] as const;
/** An IPA that stage 2 maps to data in another way. Below a block of 512 MiB it lies as the area does. */
const WINDOW = 0x1_0800_0000;
const WINDOW_PAGES = 16;

export type Granule = 12 | 14 | 16;

/** Bits of a descriptor. */
const D = {
  AF: 1n << 10n,
  NG: 1n << 11n,
  DBM: 1n << 51n,
  CONTIGUOUS: 1n << 52n,
  PXN: 1n << 53n,
  UXN: 1n << 54n,
} as const;

/** Entries of level 3 that a contiguous hint joins. */
const CONTIGUOUS: Record<Granule, number> = { 12: 16, 14: 128, 16: 32 };

interface Tree {
  readonly granule: Granule;
  readonly bits: number;
  /** Level of the first table. */
  readonly start: number;
  /** Offset in the area. */
  readonly root: number;
}

/** A descriptor that a program may change: its offset in the area, and an address that it translates. */
export interface Place {
  readonly tree: Tree;
  readonly offset: number;
  readonly level: number;
  readonly leaf: boolean;
  readonly address: bigint;
}

export interface Kinds {
  /** Stage 2 is on; HCR_EL2.FWB. */
  readonly stage2: boolean;
  readonly fwb: boolean;
  /** All leaves of stage 1 belong to an ASID. */
  readonly nG: boolean;
  /** Some memory is Device memory. */
  readonly device: boolean;
  /** Some pages of stage 1's tables are not simply there for stage 2. */
  readonly walks: boolean;
}

/** Input sizes at stage 1 by granule. */
export const STAGE1: readonly (readonly [granule: Granule, bits: number])[] = [
  [12, 39],
  [12, 48],
  [12, 33],
  [12, 30],
  [12, 25],
  [14, 36],
  [14, 47],
  [14, 48],
  [14, 26],
  [16, 42],
  [16, 34],
  [16, 48],
  [16, 29],
];

/** Input sizes at stage 2: granule, bits, VTCR_EL2.SL0 and PS. Where there is room, tables are concatenated. */
export const STAGE2: readonly (readonly [granule: Granule, bits: number, sl0: number, ps: number])[] = [
  [12, 39, 1, 2],
  [12, 40, 1, 2],
  [12, 33, 1, 2],
  [12, 34, 0, 2],
  [12, 32, 0, 2],
  [12, 48, 2, 5],
  [12, 44, 2, 5],
  [14, 36, 1, 2],
  [14, 40, 1, 2],
  [14, 33, 1, 2],
  [14, 48, 2, 5],
  [16, 42, 1, 3],
  [16, 40, 1, 2],
  [16, 34, 1, 2],
  [16, 48, 2, 5],
];

/** Makes the tables of a case. */
export class Tables {
  /** Descriptors by offset in the area. */
  readonly descriptors = new Map<number, bigint>();
  readonly places: Place[] = [];
  /** Places of stage 2 by tree. */
  readonly places2: Place[][] = [];
  private next = DATA_BYTES;
  private readonly r: Random;
  private readonly kinds: Kinds;

  constructor(r: Random, kinds: Kinds) {
    this.r = r;
    this.kinds = kinds;
  }

  /** Bytes of the area in use. */
  get length(): number {
    return this.next;
  }

  private allocate(size: number): number {
    this.next = Math.ceil(this.next / size) * size;
    const at = this.next;
    this.next += size;
    return at;
  }

  tree(granule: Granule, bits: number): Tree {
    const start = 4 - Math.ceil((bits - granule) / (granule - 3));
    return { granule, bits, start, root: this.allocate(1 << granule) };
  }

  private shift(tree: Tree, level: number): number {
    return tree.granule + (3 - level) * (tree.granule - 3);
  }

  /** Where the descriptor of an address is, in tables made as far as `level`; those in its way have no limits if `plain`. */
  private descend(tree: Tree, address: bigint, level: number, plain: boolean): number | undefined {
    let table = tree.root;
    for (let l = tree.start; ; l++) {
      const shift = BigInt(this.shift(tree, l));
      const mask = (1n << BigInt(tree.granule - 3)) - 1n;
      const at = table + 8 * Number(l === tree.start ? address >> shift : (address >> shift) & mask);
      if (l === level) return at;
      const old = this.descriptors.get(at);
      if (old !== undefined && (old & 3n) !== 3n) return undefined;
      if (old !== undefined) {
        table = Number(old & 0xffff_ffff_f000n) - AREA;
        continue;
      }
      table = this.allocate(1 << tree.granule);
      // APTable, UXNTable, PXNTable now and then.
      const limits = !plain && this.r.once(6) ? BigInt(this.r.below(16)) << 59n : 0n;
      this.descriptors.set(at, BigInt(AREA + table) | limits | 3n);
      if (!plain) this.places.push({ tree, offset: at, level: l, leaf: false, address });
    }
  }

  // ---------------------------------------------------------------- stage 1

  /** An address whose low 30 bits, or all there are, are those of a page of data. */
  address(tree: Tree, page: number): bigint {
    const { r } = this;
    const low = BigInt((AREA & 0x3fffffff) + page * 0x1000);
    if (tree.bits <= 30) return low & ((1n << BigInt(tree.bits)) - 1n);
    const bits = Math.min(tree.bits - 30, 6);
    const high = BigInt(r.below(2 ** bits)) << BigInt(r.once(2) ? 30 : tree.bits - bits);
    return (high % (1n << BigInt(tree.bits))) | low;
  }

  private attributes(level: number): bigint {
    const { r } = this;
    let d = 0x300n | (BigInt(r.below(8)) << 2n);
    // AP[1] mostly set, AP[2].
    if (!r.once(4)) d |= 1n << 6n;
    if (r.once(3)) d |= 1n << 7n;
    if (!r.once(4)) d |= D.AF;
    if (this.kinds.nG || r.once(2)) d |= D.NG;
    if (r.once(2)) d |= D.DBM;
    if (r.once(4)) d |= D.PXN;
    if (r.once(4)) d |= D.UXN;
    // What can become writable counts as such for execution (AP[1], WXN); QEMU 7.2 asks whether it is.
    if ((d & D.DBM) !== 0n) d |= D.PXN | D.UXN;
    return d | BigInt(level === 3 ? 3 : 1);
  }

  /** A descriptor of a block or page that leads to where the address's low bits are data. */
  leaf(tree: Tree, level: number, va: bigint): bigint {
    const { r } = this;
    const shift = BigInt(this.shift(tree, level));
    if (r.once(14)) return r.once(2) ? 0n : BigInt(r.u32()) & ~1n;
    if (level === 3 && r.once(30)) return this.attributes(3) & ~2n;
    let out = this.output(tree, va);
    if (level === 3 && r.once(3)) out = BigInt(AREA + (r.below(DATA_BYTES >> 12) << 12));
    if (this.kinds.stage2 && level === 3 && r.once(4)) out = BigInt(WINDOW + (r.below(WINDOW_PAGES) << 12));
    if (r.once(40)) out |= 1n << 41n;
    return ((out >> shift) << shift) | this.attributes(level);
  }

  private output(tree: Tree, va: bigint): bigint {
    const mask = (1n << BigInt(Math.min(30, tree.bits))) - 1n;
    return (BigInt(AREA) & ~mask) | (va & mask);
  }

  map(tree: Tree, va: bigint): void {
    const { r } = this;
    for (let level = tree.start; ; level++) {
      const at = this.descend(tree, va, level, false);
      if (at === undefined) return;
      const old = this.descriptors.get(at);
      if (old !== undefined && (level === 3 || (old & 3n) !== 3n)) return;
      if (old !== undefined) continue;
      const block = level > 0 && !(level === 1 && tree.granule !== 12) && level < 3;
      if (level === 3 && r.once(8)) {
        this.contiguous(tree, va, at);
        return;
      }
      if (level === 3 || (block && r.once(5))) {
        this.descriptors.set(at, this.leaf(tree, level, va));
        this.places.push({ tree, offset: at, level, leaf: true, address: va });
        return;
      }
      if (r.once(25)) {
        this.descriptors.set(at, 0n);
        return;
      }
    }
  }

  /** A run of pages with the hint; they are never changed. */
  private contiguous(tree: Tree, address: bigint, at: number, attributes = this.attributes(3), output?: bigint): void {
    const count = CONTIGUOUS[tree.granule];
    const size = 1n << BigInt(tree.granule);
    const first = address - (address % (size * BigInt(count)));
    const base = at - 8 * Number((address - first) / size);
    for (let n = 0; n < count; n++) if (this.descriptors.has(base + 8 * n)) return this.single(tree, address, at);
    const to = output ?? this.output(tree, first);
    for (let n = 0; n < count; n++)
      this.descriptors.set(base + 8 * n, (to + size * BigInt(n)) | attributes | D.CONTIGUOUS);
  }

  private single(tree: Tree, address: bigint, at: number): void {
    this.descriptors.set(at, this.leaf(tree, 3, address));
  }

  /** What the harness needs in the EL2 regime, whose only tables these are: code and states to read, the area to write. */
  keep(tree: Tree): void {
    const page = 2 ** this.shift(tree, 3);
    const block = 2 ** this.shift(tree, 2);
    const map = ([from, size]: readonly [number, number], attributes: bigint): void => {
      const level = Math.floor(from / block) === Math.floor(AREA / block) ? 3 : 2;
      for (let at = from; at < from + size; at += level === 3 ? page : block) {
        const entry = this.descend(tree, BigInt(at), level, true)!;
        if (this.descriptors.has(entry)) continue;
        const to = level === 3 ? at - (at % page) : at - (at % block);
        this.descriptors.set(entry, BigInt(to) | 0x740n | attributes | (level === 3 ? 3n : 1n));
      }
    };
    map([AREA, AREA_BYTES], D.UXN);
    for (const range of [...KEPT, STATES]) map(range, 1n << 7n);
  }

  // ---------------------------------------------------------------- stage 2

  /** MemAttr, SH and AF of what is mapped as it is. */
  private get plain2(): bigint {
    return (this.kinds.fwb ? 6n << 2n : 15n << 2n) | 0x7c0n;
  }

  private attributes2(level: number): bigint {
    const { r, kinds } = this;
    const { fwb } = kinds;
    // MemAttr: Device; Normal; with FWB Write-Back, Non-cacheable or stage 1's.
    const normal = fwb ? r.pick([6, 6, 5, 7]) : r.pick([15, 15, 5, 10, 7]);
    let d = BigInt((kinds.device && r.once(4) ? r.below(4) : normal) << 2) | 0x300n;
    // S2AP, AF, DBM, XN.
    d |= BigInt(r.once(3) ? r.below(4) : 3) << 6n;
    if (!r.once(6)) d |= D.AF;
    if (r.once(3)) d |= D.DBM;
    if (r.once(5)) d |= BigInt(r.below(4)) << 53n;
    return d | BigInt(level === 3 ? 3 : 1);
  }

  /** An IPA of data, which is an address where stage 1 is off. */
  ipa(page: number): bigint {
    return BigInt(this.r.once(3) ? WINDOW + ((page % WINDOW_PAGES) << 12) : AREA + (page << 12));
  }

  /** A page or block of stage 2; only of data. */
  leaf2(tree: Tree, level: number, ipa: bigint): bigint {
    const { r } = this;
    if (r.once(14)) return 0n;
    const shift = BigInt(this.shift(tree, level));
    const page = BigInt(AREA + (r.below(DATA_BYTES >> 12) << 12));
    const same = (BigInt(AREA) & ~0x3fffffffn) | (ipa & 0x3fffffffn);
    const out = level === 3 && (ipa >= BigInt(WINDOW) || r.once(6)) ? page : same;
    return ((out >> shift) << shift) | this.attributes2(level);
  }

  /**
   * A stage 2: the harness as it is, the area page by page, the window.
   * @returns the offset of its first table
   */
  stage2(granule: Granule, bits: number, sl0: number): number {
    const { r } = this;
    const start = granule === 12 ? 2 - sl0 : 3 - sl0;
    const first = bits - (granule + (3 - start) * (granule - 3));
    const tree: Tree = { granule, bits, start, root: this.allocate(8 << first) };
    const places: Place[] = [];
    this.places2.push(places);
    const page = 1 << granule;
    const block = 2 ** this.shift(tree, 2);
    const tables = tree.root;
    for (const [from, size] of KEPT) {
      // In blocks where the area is not near.
      const level = Math.floor(from / block) === Math.floor(AREA / block) ? 3 : 2;
      for (let ipa = from; ipa < from + size; ipa += level === 3 ? page : block) {
        const at = this.descend(tree, BigInt(ipa), level, true)!;
        const to = level === 3 ? ipa : ipa - (ipa % block);
        if (!this.descriptors.has(at)) this.descriptors.set(at, BigInt(to) | this.plain2 | (level === 3 ? 3n : 1n));
      }
    }
    const leaf = (ipa: number, level: number): void => {
      const at = this.descend(tree, BigInt(ipa), level, true);
      if (at === undefined || this.descriptors.has(at)) return;
      this.descriptors.set(at, this.leaf2(tree, level, BigInt(ipa)));
      places.push({ tree, offset: at, level, leaf: true, address: BigInt(ipa) });
    };
    const run = CONTIGUOUS[granule] * page;
    for (let ipa = AREA; ipa < AREA + DATA_BYTES; ipa += page) {
      const at = this.descend(tree, BigInt(ipa), 3, true)!;
      if (ipa % run === 0 && run <= DATA_BYTES && r.once(6))
        this.contiguous(tree, BigInt(ipa), at, this.attributes2(3), BigInt(ipa));
      else leaf(ipa, 3);
    }
    if (2 ** bits > WINDOW) {
      const level = r.once(4) ? 2 : 3;
      for (let n = 0; n < WINDOW_PAGES; n += page >> 12) leaf(WINDOW + (n << 12), level);
    }
    // The tables, and those that were made for this.
    for (let at = DATA_BYTES; at < this.next; at += page) {
      const entry = this.descend(tree, BigInt(AREA + at), 3, true)!;
      if (this.descriptors.has(entry)) continue;
      const odd = this.kinds.walks && at < tables && r.once(4);
      this.descriptors.set(
        entry,
        odd && r.once(4) ? 0n : BigInt(AREA + at) | (odd ? this.attributes2(3) : this.plain2 | 3n),
      );
    }
    return tree.root;
  }
}
