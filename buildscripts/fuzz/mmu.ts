import { join } from 'node:path';
import { HARNESS, RAM, RAM_BYTES, TABLES } from './layout.ts';
import { assemble as assembleHarness, type Machine, type Part } from './machines.ts';
import type { Random } from './random.ts';
import { disassemble } from './shrink.ts';

/**
 * Programs at EL1 and EL0 under random translation tables of both stages: accesses of all kinds, changes of tables followed
 * by the invalidation that they need, address spaces exchanged by ASID. The numbers are mmu.S's.
 *
 * Kept out, because QEMU 7.2 is not the architecture there: Device memory (no alignment faults), the contiguous bit.
 */
const CASES = 0x40220000;
const STATES = 0x41000000;
const RESULTS = 0x42000000;
const STATE_BYTES = 0x200;
const CODE = 0x46000000;
const CODE_BYTES = 0x1000;
const VECTORS1 = 0x40201000;
/** Each case has 2 MiB: data, then tables. */
const AREA = 0x48000000;
const AREA_BYTES = 2 << 20;
const DATA_BYTES = 128 << 10;
export const MMU_BATCH = (RAM + RAM_BYTES - AREA) / AREA_BYTES;
/** An IPA that stage 2 maps to data; stage 1 has it in pages only. */
const WINDOW = 0x1_0000_0000;
/** Where TTBR1's half begins: the first GiB of RAM. */
const HIGH = 0xffff_ff80_0000_0000n;

const AT = {
  x: 0,
  sctlr: 224,
  tcr: 232,
  ttbr0: 240,
  ttbr1: 248,
  mair: 256,
  hcr: 264,
  vtcr: 272,
  vttbr: 280,
  spsr: 288,
  elr: 296,
  vbar: 304,
  area: 312,
  length: 320,
  esr: 328,
  crc: 336,
} as const;
const RESULT_NAMES: readonly (readonly [string, number])[] = [
  ...Array.from({ length: 26 }, (_, n) => [`x${n}`, 8 * n] as const),
  ['exceptions', 208],
  ['fuel', 216],
  ['ESR_EL1', AT.sctlr],
  ['FAR_EL1', AT.tcr],
  ['ELR_EL1', AT.ttbr0],
  ['SPSR_EL1', AT.ttbr1],
  ['PAR_EL1', AT.mair],
  ['FAR_EL2', AT.hcr],
  ['HPFAR_EL2', AT.vtcr],
  ['SPSR_EL2', AT.spsr],
  ['ELR_EL2', AT.elr],
  ['ESR_EL2', AT.esr],
  ['data and tables', AT.crc],
];

const FUEL = 28;
const RET = 0xd65f03c0;
const HVC_END = 0xd400ffe2;

const mov = (register: number, value: bigint): number[] => {
  const words = [0, 1, 2, 3].map(
    (k) =>
      ((k === 0 ? 0xd2800000 : 0xf2800000) |
        (k << 21) |
        (Number((value >> BigInt(16 * k)) & 0xffffn) << 5) |
        register) >>>
      0,
  );
  return words.filter((_, k) => k === 0 || ((value >> BigInt(16 * k)) & 0xffffn) !== 0n);
};

/** One step of a program. */
export type MmuItem = readonly number[];

export interface MmuCase {
  items: readonly MmuItem[];
  x: BigUint64Array;
  /** SCTLR_EL1, TCR_EL1, TTBR0_EL1, MAIR_EL1, HCR_EL2, VTCR_EL2, VTTBR_EL2 with addresses of area 0. */
  registers: { sctlr: bigint; tcr: bigint; ttbr0: bigint; mair: bigint; hcr: bigint; vtcr: bigint; vttbr: bigint };
  spsr: number;
  /** Descriptors by offset in the area; those whose address is in the area are moved with it. */
  tables: Map<number, bigint>;
  length: number;
}

/** Moves a physical address or descriptor of area 0 to area `n`: both are below 48 bits with attributes around them. */
function moved(value: bigint, n: number): bigint {
  const address = value & 0x0000_ffff_ffff_f000n;
  const base = BigInt(AREA);
  return address >= base && address < base + BigInt(AREA_BYTES) ? value + BigInt(n * AREA_BYTES) : value;
}

interface Tree {
  granule: 12 | 14 | 16;
  bits: number;
  root: number;
}

/** Makes one case. Everything stands in area 0 and is moved when the batch is put together. */
class Maker {
  readonly tables = new Map<number, bigint>();
  private next = DATA_BYTES;
  private readonly r: Random;
  private readonly nG: boolean;
  readonly stage2: boolean;
  /** Places of descriptors that a program may change: offset, level is last, virtual address. */
  readonly places: { offset: number; leaf: boolean; va: bigint }[] = [];
  readonly places2: { offset: number; ipa: bigint }[] = [];

  constructor(r: Random, nG: boolean, stage2: boolean) {
    this.r = r;
    this.nG = nG;
    this.stage2 = stage2;
  }

  get length(): number {
    return this.next;
  }

  private allocate(size: number): number {
    this.next = Math.ceil(this.next / size) * size;
    const at = this.next;
    this.next += size;
    return at;
  }

  tree(granule: 12 | 14 | 16, bits: number): Tree {
    return { granule, bits, root: this.allocate(1 << granule) };
  }

  /** An address whose low 30 bits are those of data. */
  address(tree: Tree, page: number): bigint {
    const low = BigInt((AREA & 0x3fffffff) + page * 0x1000);
    if (tree.bits <= 30) return low & ((1n << BigInt(tree.bits)) - 1n);
    return (
      ((BigInt(this.r.below(2 ** Math.min(tree.bits - 30, 6))) <<
        BigInt(this.r.once(2) ? 30 : tree.bits - Math.min(tree.bits - 30, 6))) %
        (1n << BigInt(tree.bits))) |
      low
    );
  }

  private attributes(level: number): bigint {
    const { r } = this;
    let d = 0x300n | (BigInt(r.below(8)) << 2n);
    // AP[1] mostly set, AP[2], AF, nG, DBM, PXN, UXN.
    if (!r.once(4)) d |= 1n << 6n;
    if (r.once(3)) d |= 1n << 7n;
    if (!r.once(4)) d |= 1n << 10n;
    if (this.nG || r.once(2)) d |= 1n << 11n;
    if (r.once(2)) d |= 1n << 51n;
    if (r.once(4)) d |= 1n << 53n;
    if (r.once(4)) d |= 1n << 54n;
    // What can become writable counts as such for execution (AP[1], WXN); QEMU 7.2 asks whether it is.
    if ((d >> 51n) & 1n) d |= 3n << 53n;
    return d | BigInt(level === 3 ? 3 : 1);
  }

  /** A descriptor of a block or page that leads to where the address's low bits are data. */
  leaf(tree: Tree, level: number, va: bigint): bigint {
    const { r } = this;
    const shift = BigInt(tree.granule + (3 - level) * (tree.granule - 3));
    if (r.once(14)) return r.once(2) ? 0n : BigInt(r.u32()) & ~1n;
    if (level === 3 && r.once(30)) return this.attributes(3) & ~2n;
    let out = (BigInt(AREA) & ~0x3fffffffn) | (va & 0x3fffffffn);
    if (level === 3 && r.once(3)) out = BigInt(AREA + (r.below(DATA_BYTES >> 12) << 12));
    if (level === 3 && tree.granule === 12 && this.stage2 && r.once(4)) out = BigInt(WINDOW + (r.below(16) << 12));
    if (r.once(40)) out |= 1n << 41n;
    return ((out >> shift) << shift) | this.attributes(level);
  }

  map(tree: Tree, va: bigint): void {
    const { r } = this;
    const stride = tree.granule - 3;
    let level = 4 - Math.ceil((tree.bits - tree.granule) / stride);
    let table = tree.root;
    for (;;) {
      const shift = tree.granule + (3 - level) * stride;
      const index = Number((va >> BigInt(shift)) & ((1n << BigInt(stride)) - 1n));
      const at = table + 8 * index;
      const old = this.tables.get(at);
      if (old !== undefined) {
        if (level === 3 || (old & 3n) !== 3n) return;
        table = Number(old & 0xffff_ffff_f000n) - AREA;
        level++;
        continue;
      }
      const block = level > 0 && !(level === 1 && tree.granule !== 12) && level < 3;
      if (level === 3 || (block && r.once(5))) {
        this.tables.set(at, this.leaf(tree, level, va));
        this.places.push({ offset: at, leaf: true, va });
        return;
      }
      if (r.once(25)) {
        this.tables.set(at, 0n);
        this.places.push({ offset: at, leaf: false, va });
        return;
      }
      table = this.allocate(1 << tree.granule);
      // APTable, UXNTable, PXNTable now and then.
      const limits = r.once(6) ? BigInt(r.below(16)) << 59n : 0n;
      this.tables.set(at, BigInt(AREA + table) | limits | 3n);
      level++;
    }
  }

  private page2(): bigint {
    const { r } = this;
    // S2AP, AF, DBM, XN; MemAttr normal write-back, inner shareable.
    let d = 0x33fn | (BigInt(r.once(3) ? r.below(4) : 3) << 6n);
    if (!r.once(6)) d |= 1n << 10n;
    if (r.once(3)) d |= 1n << 51n;
    if (r.once(5)) d |= BigInt(r.below(4)) << 53n;
    return d;
  }

  leaf2(ipa: number): bigint {
    const { r } = this;
    if (r.once(14)) return 0n;
    const out = ipa >= WINDOW || r.once(6) ? AREA + (r.below(DATA_BYTES >> 12) << 12) : ipa;
    return BigInt(out) | this.page2();
  }

  /**
   * Stage 2: RAM as it is, but the case's own data page by page; the window. Tables of stage 1 do not fault there: QEMU 7.2
   * gives such a fault the level of the stage 1 walk, not its own (DDI 0487, AArch64.S2Translate).
   * @returns the offset of its level 1 table
   */
  tables2(): number {
    const { tables } = this;
    const root = this.allocate(0x1000);
    const level2 = this.allocate(0x1000);
    const own = this.allocate(0x1000);
    const windows = this.allocate(0x1000);
    const window = this.allocate(0x1000);
    tables.set(root + 8 * 1, BigInt(AREA + level2) | 3n);
    tables.set(root + 8 * 4, BigInt(AREA + windows) | 3n);
    tables.set(windows, BigInt(AREA + window) | 3n);
    for (let page = 0; page < 16; page++) {
      tables.set(window + 8 * page, this.leaf2(WINDOW + (page << 12)));
      this.places2.push({ offset: window + 8 * page, ipa: BigInt(WINDOW + (page << 12)) });
    }
    for (let n = 0; n < RAM_BYTES / AREA_BYTES; n++) tables.set(level2 + 8 * n, BigInt(RAM + n * AREA_BYTES) | 0x7fdn);
    tables.set(level2 + 8 * ((AREA - RAM) / AREA_BYTES), BigInt(AREA + own) | 3n);
    const end = this.next;
    for (let at = 0; at < end; at += 0x1000) {
      const data = at < DATA_BYTES;
      tables.set(own + 8 * (at >> 12), data ? this.leaf2(AREA + at) : BigInt(AREA + at) | 0x7ffn);
      if (data) this.places2.push({ offset: own + 8 * (at >> 12), ipa: BigInt(AREA + at) });
    }
    return root;
  }
}

const GRANULES: readonly (readonly [12 | 14 | 16, number, bigint])[] = [
  [12, 39, 0n],
  [12, 48, 0n],
  [12, 33, 0n],
  [14, 36, 2n],
  [14, 47, 2n],
  [16, 42, 1n],
  [16, 34, 1n],
];

export class MmuFuzzer {
  private readonly harness = assembleHarness(join(import.meta.dirname, 'mmu.S'));

  make(r: Random): MmuCase {
    const [granule, bits, tg0] = r.pick(GRANULES);
    const stage2 = r.once(2);
    const spaces = granule === 16 || r.once(2) ? 1 : 2;
    const maker = new Maker(r, spaces === 2, stage2);
    const trees = Array.from({ length: spaces }, () => maker.tree(granule, bits));
    const vas: bigint[] = [];
    const first = maker.address(trees[0]!, 0);
    for (let n = 0; n < 8; n++) {
      const page = r.below(DATA_BYTES >> 12);
      vas.push(
        r.once(4)
          ? maker.address(trees[0]!, page)
          : (first & ~0x3fffffffn) | (maker.address(trees[0]!, page) & 0x3fffffffn),
      );
    }
    // The page after an address too: accesses cross.
    for (const tree of trees)
      for (const va of vas)
        for (const page of [va, va + 0x1000n]) if (maker.length < AREA_BYTES / 2) maker.map(tree, page);
    const root2 = stage2 ? maker.tables2() : 0;

    const x = new BigUint64Array(29);
    for (let n = 0; n < 8; n++) x[n] = vas[n]! | BigInt(this.offset(r));
    for (let n = 8; n < 26; n++) x[n] = r.u64();
    x[FUEL] = BigInt(4 + r.below(20));
    const ttbr = (n: number): bigint => BigInt(AREA + trees[n]!.root) | (BigInt(n + 1) << 48n);
    const hafdbs = (BigInt(r.below(2)) << 39n) | (BigInt(r.below(2)) << 40n);
    const c: MmuCase = {
      items: [],
      x,
      registers: {
        // RES1, UCI, SPAN or not, nTWE, nTWI, DZE, UCT, UMA, I, C, M; A and WXN now and then.
        sctlr: 0x3455_da05n | (r.once(2) ? 1n << 23n : 0n) | (r.once(8) ? 1n << 1n : 0n) | (r.once(8) ? 1n << 19n : 0n),
        tcr:
          BigInt(64 - bits) |
          0x3500n |
          (tg0 << 14n) |
          (25n << 16n) |
          (0x35n << 24n) |
          (2n << 30n) |
          (2n << 32n) |
          (1n << 36n) |
          hafdbs |
          (r.once(8) ? 1n << 41n : 0n) |
          (r.once(40) ? 1n << 7n : 0n),
        ttbr0: ttbr(0),
        mair: 0xff44_bbff_44ff_bbffn,
        hcr: (1n << 31n) | (stage2 ? 1n : 0n) | (stage2 && r.once(4) ? 4n : 0n),
        vtcr:
          25n |
          (1n << 6n) |
          0x3500n |
          (2n << 16n) |
          (1n << 31n) |
          (BigInt(r.below(2)) << 21n) |
          (BigInt(r.below(2)) << 22n),
        vttbr: BigInt(AREA + root2) | (7n << 48n),
      },
      spsr: this.pstate(r, r.below(2)),
      tables: maker.tables,
      length: maker.length,
    };
    const items: MmuItem[] = [];
    const length = 4 + r.below(24);
    while (items.length < length) items.push(...this.item(r, x, maker, trees, ttbr, hafdbs));
    c.items = items;
    return c;
  }

  private pstate(r: Random, el: number): number {
    return ((el << 2) | (el === 0 ? 0 : 1) | 0x3c0 | (r.once(3) ? 1 << 22 : 0) | (r.once(4) ? 1 << 23 : 0)) >>> 0;
  }

  /** Not where there is code. */
  private offset(r: Random): number {
    const offset = r.once(4) ? 0xfe0 + r.below(32) : r.once(2) ? r.below(0x200) * 8 : r.below(0x1000);
    return offset >= 0xb80 && offset < 0xd80 ? offset - 0x400 : offset;
  }

  private item(
    r: Random,
    x: BigUint64Array,
    maker: Maker,
    trees: readonly Tree[],
    ttbr: (n: number) => bigint,
    hafdbs: bigint,
  ): MmuItem[] {
    const base = r.below(8);
    const rt = 11 + r.below(13);
    const at = (word: number): number => (word | (base << 5) | rt) >>> 0;
    switch (r.below(12)) {
      case 0:
      case 1:
      case 2:
        // LDR, LDRB, LDRH, LDRSW, LDUR, LDP, LDR Q, LDTR, LDAR, LDXR.
        return [
          [
            at(
              r.pick([
                0xf9400000,
                0x39400000,
                0x79400000,
                0xb9800000,
                0xf8403000,
                0xa9400000 | (25 << 10),
                0x3dc00000,
                0xf8400800,
                0xc8dffc00,
                0xc85f7c00,
                0x38400800,
              ]),
            ),
          ],
        ];
      case 3:
      case 4:
      case 5:
        // STR Q: within a page, for what a store leaves before a page that faults is not said.
        if (r.once(8)) return [[(0x927cec00 | (base << 5) | 25) >>> 0, 0x3d800000 | (25 << 5) | r.below(2)]];
        // STR, STRB, STRH, STUR, STTR, STLR.
        return [
          [
            at(
              r.pick([0xf9000000, 0x39000000, 0x79000000, 0xf8003000, 0xf8000800, 0xc89ffc00, 0x38000800, 0xb9000000]),
            ),
          ],
        ];
      case 6:
        // LDADD, SWP, CAS. QEMU makes them of a read and a write: with stage 2 it may find a fault of the read there before stage
        // 1's of the write, with TCR_EL1.HA it sets the access flag where the write faults.
        if (maker.stage2 || hafdbs !== 0n) return [];
        return [[at(r.pick([0xf8200000, 0xf8208000, 0xc8a07c00]) | (25 << 16))]];
      case 7: {
        // AT; of writes only where no dirty state is kept, which AT leaves alone and QEMU does not.
        return [
          [
            (r.pick(hafdbs === 0n ? [0xd5087800, 0xd5087820, 0xd5087840, 0xd5087860] : [0xd5087800, 0xd5087840]) |
              base) >>>
              0,
          ],
        ];
      }
      case 8:
        // A call of the page's words that are RET: by RET, for BLR leaves PSTATE.BTYPE where there is FEAT_BTI.
        return [[(0x9274cc00 | (base << 5) | 25) >>> 0, 0xb2760739, 0x10000000 | (2 << 5) | 30, 0xd65f0320]];
      case 9:
        // PAN, UAO, or the other level.
        if (r.once(2)) return [[(0xd500401f | ((r.once(2) ? 4 : 3) << 5) | (r.below(2) << 8)) >>> 0]];
        return [
          [
            0x10000000 | (6 << 5) | 25,
            0xd5184020 | 25,
            ...this.padded(25, BigInt(this.pstate(r, r.below(2)))),
            0xd5184000 | 25,
            0xd69f03e0,
          ],
        ];
      case 10: {
        if (trees.length > 1 && r.once(2)) return [[...mov(9, ttbr(r.below(2))), 0xd5182009, 0xd5033fdf]];
        // A descriptor is broken, invalidated, made anew.
        const place = r.pick(maker.places);
        if (!place.leaf) return [];
        const level = 3;
        const tree = trees[0]!;
        const old = maker.tables.get(place.offset)!;
        if ((old & 3n) !== 3n) return [];
        const touch = this.touch(r, x, place.va, rt);
        const write = (value: bigint): number[] => [
          ...mov(9, BigInt(AREA + place.offset)),
          ...mov(10, value),
          0xd4000022,
        ];
        return [
          [
            ...touch,
            ...write(0n),
            ...this.invalidate(r, place.va),
            ...touch,
            ...write(maker.leaf(tree, level, place.va)),
            ...touch,
          ],
        ];
      }
      case 11: {
        if (!maker.stage2) return [];
        const place = r.pick(maker.places2);
        const ipa = mov(9, place.ipa >> 12n);
        const write = (value: bigint): number[] => [
          ...mov(9, BigInt(AREA + place.offset)),
          ...mov(10, value),
          0xd4000022,
        ];
        const touch = this.touch(r, x, place.ipa, rt);
        return [
          [...touch, ...write(0n), ...ipa, 0xd4000042, ...touch, ...write(maker.leaf2(Number(place.ipa))), ...touch],
        ];
      }
      default:
        return [];
    }
  }

  /** A load or store at one of the addresses in the same page, mostly that is the page of `address` in the tables. */
  private touch(r: Random, x: BigUint64Array, address: bigint, rt: number): number[] {
    const near = [0, 1, 2, 3, 4, 5, 6, 7].filter((n) => ((x[n]! ^ address) & 0x3fff_f000n) === 0n);
    if (near.length === 0) return [];
    return [((r.once(2) ? 0xb9400000 : 0xb9000000) | (r.pick(near) << 5) | rt) >>> 0];
  }

  /** MOV of exactly two words. */
  private padded(register: number, value: bigint): number[] {
    const words = mov(register, value);
    return words.length === 2 ? words : [...words, 0xd503201f];
  }

  /** An invalidation at EL1 that covers a page, through X8: TLBI, DSB, ISB. */
  private invalidate(r: Random, va: bigint): number[] {
    const page = (va >> 12n) & 0xfff_ffff_ffffn;
    const words = r.pick([
      // VMALLE1, VMALLE1IS, ASIDE1 1 and 2, VAAE1, VAALE1IS, VAE1 and VALE1 of both ASIDs.
      () => [0xd508871f],
      () => [0xd508831f],
      () => [...mov(8, 1n << 48n), 0xd5088748, ...mov(8, 2n << 48n), 0xd5088748],
      () => [...mov(8, page), 0xd5088768],
      () => [...mov(8, page), 0xd50883e8],
      () => [...mov(8, page | (1n << 48n)), 0xd5088728, ...mov(8, page | (2n << 48n)), 0xd5088728],
      () => [...mov(8, page | (1n << 48n)), 0xd50887a8, ...mov(8, page | (2n << 48n)), 0xd50887a8],
    ])();
    return [...words, 0xd5033f9f, 0xd5033fdf];
  }

  private words(c: MmuCase, n: number): number[] {
    const words: number[] = [];
    for (const item of c.items) words.push(...relocate(item, n));
    while (words.length < CODE_BYTES / 4) words.push(HVC_END);
    return words.map((w) => w >>> 0);
  }

  run(machine: Machine, cases: readonly MmuCase[]): Buffer {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(cases.length));
    const states = Buffer.alloc(cases.length * STATE_BYTES);
    const code = Buffer.alloc(cases.length * CODE_BYTES);
    const high = Buffer.alloc(0x1000);
    high.writeBigUInt64LE(BigInt(RAM) | 0x781n, 8 * 0);
    const parts: Part[] = [
      { offset: HARNESS - RAM, bytes: this.harness },
      { offset: CASES - RAM, bytes: count },
      { offset: TABLES - RAM, bytes: high },
      { offset: STATES - RAM, bytes: states },
      { offset: CODE - RAM, bytes: code },
    ];
    cases.forEach((c, n) => {
      const put = (offset: number, value: bigint): number =>
        states.writeBigUInt64LE(BigInt.asUintN(64, value), n * STATE_BYTES + offset);
      for (let r = 0; r < 26; r++) put(8 * r, c.x[r]!);
      put(208, 0n);
      put(216, c.x[FUEL]!);
      const { registers } = c;
      put(AT.sctlr, registers.sctlr);
      put(AT.tcr, registers.tcr);
      put(AT.ttbr0, moved(registers.ttbr0, n));
      put(AT.ttbr1, BigInt(TABLES));
      put(AT.mair, registers.mair);
      put(AT.hcr, registers.hcr);
      put(AT.vtcr, registers.vtcr);
      put(AT.vttbr, moved(registers.vttbr, n));
      put(AT.spsr, BigInt(c.spsr));
      put(AT.elr, HIGH + BigInt(CODE - RAM + n * CODE_BYTES));
      put(AT.vbar, HIGH + BigInt(VECTORS1 - RAM));
      put(AT.area, BigInt(AREA + n * AREA_BYTES));
      put(AT.length, BigInt(Math.ceil(c.length / 16) * 16));
      this.words(c, n).forEach((word, i) => code.writeUInt32LE(word, n * CODE_BYTES + 4 * i));
      const area = Buffer.alloc(c.length);
      for (let i = 0; i < DATA_BYTES; i += 4)
        area.writeUInt32LE((i & 0xf00) === 0xc00 ? RET : Math.imul(i, 0x9e3779b1) >>> 0, i);
      for (const [offset, value] of c.tables) area.writeBigUInt64LE(BigInt.asUintN(64, moved(value, n)), offset);
      parts.push({ offset: AREA - RAM + n * AREA_BYTES, bytes: area });
    });
    return machine.run(parts, RESULTS - RAM, cases.length * STATE_BYTES);
  }

  differences(mine: Buffer, theirs: Buffer, n: number): string[] {
    const at = n * STATE_BYTES;
    // PAR_EL1.SH is 0b10 for Device and Non-cacheable memory; QEMU 7.2 gives the descriptor's.
    for (const result of [mine, theirs]) result[at + AT.mair] = result[at + AT.mair]! & 0x7f;
    for (const result of [mine, theirs]) result[at + AT.mair + 1] = result[at + AT.mair + 1]! & 0xfe;
    if (mine.subarray(at, at + STATE_BYTES).equals(theirs.subarray(at, at + STATE_BYTES))) return [];
    return RESULT_NAMES.flatMap(([name, offset]) => {
      const [a, b] = [mine.readBigUInt64LE(at + offset), theirs.readBigUInt64LE(at + offset)];
      return a === b ? [] : [`${name}: ${a.toString(16)}, QEMU ${b.toString(16)}`];
    });
  }

  shrink(c: MmuCase, qemu: Machine, ours: Machine): MmuCase {
    for (let round = 0; round < 40; round++) {
      const tries: MmuCase[] = [];
      const n = c.items.length;
      for (let size = n >> 1; size >= 1; size >>= 1)
        for (let at = 0; at + size <= n; at += size)
          tries.push({ ...c, items: [...c.items.slice(0, at), ...c.items.slice(at + size)] });
      if ((c.registers.hcr & 1n) !== 0n) tries.push({ ...c, registers: { ...c.registers, hcr: 1n << 31n } });
      for (const b of [39n, 40n, 41n])
        if ((c.registers.tcr >> b) & 1n)
          tries.push({ ...c, registers: { ...c.registers, tcr: c.registers.tcr & ~(1n << b) } });
      for (const b of [1n, 19n])
        if ((c.registers.sctlr >> b) & 1n)
          tries.push({ ...c, registers: { ...c.registers, sctlr: c.registers.sctlr & ~(1n << b) } });
      if (c.spsr & 0xc00000) tries.push({ ...c, spsr: c.spsr & ~0xc00000 });
      tries.splice(MMU_BATCH);
      let theirs: Buffer;
      try {
        theirs = this.run(qemu, tries);
      } catch {
        break;
      }
      const mine = this.run(ours, tries);
      const best = tries.find((_, k) => this.differences(mine, theirs, k).length > 0);
      if (best === undefined) break;
      c = best;
    }
    return c;
  }

  report(c: MmuCase, qemu: Machine, ours: Machine): string {
    const lines = this.differences(this.run(ours, [c]), this.run(qemu, [c]), 0);
    const used = c.items.reduce((sum, item) => sum + item.length, 0);
    const registers = Object.entries(c.registers).map(([name, value]) => `${name}=${value.toString(16)}`);
    return [
      ...disassemble(this.words(c, 0).slice(0, used), CODE),
      registers.join(' '),
      `spsr=${c.spsr.toString(16)} fuel=${c.x[FUEL]} ${[...c.x.subarray(0, 8)].map((v, n) => `x${n}=${v.toString(16)}`).join(' ')}`,
      ...lines,
    ].join('\n');
  }
}

/** MOV sequences into X9 and X10 whose value is of area 0 get that of area `n`. */
function relocate(item: MmuItem, n: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < item.length;) {
    const word = item[i]!;
    const register = word & 31;
    if ((word & 0xffe00000) >>> 0 !== 0xd2800000 || (register !== 9 && register !== 10)) {
      out.push(word);
      i++;
      continue;
    }
    let value = 0n;
    let length = 0;
    for (; i + length < item.length; length++) {
      const w = item[i + length]!;
      if ((w & 31) !== register || (length > 0 && (w & 0xff800000) >>> 0 !== 0xf2800000)) break;
      value |= BigInt((w >>> 5) & 0xffff) << BigInt(16 * ((w >>> 21) & 3));
    }
    // IPAs and VAs in TLBI operands are shifted, and so below any area; IPAs of the own area move by pages.
    const pages = value >= BigInt(AREA >> 12) && value < BigInt((AREA + AREA_BYTES) >> 12) && register === 9;
    const result = pages && item[i + length] === 0xd4000042 ? value + BigInt((n * AREA_BYTES) >> 12) : moved(value, n);
    out.push(...mov(register, result));
    i += length;
  }
  return out;
}
