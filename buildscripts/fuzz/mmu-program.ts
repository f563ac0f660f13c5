import { AREA, DATA_BYTES, type Place, type Tables } from './mmu-tables.ts';
import type { Random } from './random.ts';

/** One step of a program. */
export type MmuItem = readonly number[];

/** What the other machine has and does as the architecture says. */
export interface Oracle {
  /** Device memory. QEMU 7.2 has no alignment faults of it. */
  readonly device: boolean;
  /**
   * Faults of stage 2 on walks of stage 1. QEMU 7.2 gives them the level of the stage 1 walk, not their own (DDI 0487,
   * AArch64.S2Translate).
   */
  readonly walks: boolean;
  /** FEAT_TLBIRANGE and FEAT_TLBIOS, FEAT_E0PD, FEAT_S2FWB. */
  readonly v8_5: boolean;
  /** A host's TLBI (R)VA(L)E2. QEMU 7.2 leaves the EL2&0 regime alone then (DDI 0487, TLBI VAE2). */
  readonly vae2: boolean;
  /**
   * TLBI by an address, where addresses have tags, of a block or a page above 4 KiB. QEMU 10 leaves what it has by other
   * addresses in it that have another tag (DDI 0487, TLBI VAE1).
   */
  readonly taggedBlocks: boolean;
  /** AT S12E*. QEMU 10 ends with an assertion where stage 2 does not permit the access. */
  readonly at12: boolean;
}

/** EL1&0; EL2&0, at EL2 and EL0; EL2, which is alone. */
export type Regime = 'EL1&0' | 'EL2&0' | 'EL2';

/** What the programs of a case are made of. */
export interface Setting {
  readonly regime: Regime;
  readonly tables: Tables;
  /** Offsets of the first tables of each address space, and its ASID. */
  readonly spaces: readonly { readonly root: number; readonly asid: bigint }[];
  /** The upper bits of their addresses: TTBR1's half, or 0. */
  readonly half: bigint;
  /** Some addresses are tagged. */
  readonly tagged: boolean;
  /** VTTBR_EL2 of each stage 2. */
  readonly vttbrs: readonly bigint[];
  /** TCR_EL1.{HA,HD}, in place. */
  readonly hafdbs: bigint;
  /**
   * Each access is after a TLBI, and at EL1: QEMU 10 forgets that memory is Device memory by stage 1 once it is in its TLB, if it
   * is Normal memory by stage 2.
   */
  readonly flushed: boolean;
  /**
   * Data are executed. Then blocks and pages above 4 KiB are not invalidated by an address in them: QEMU's jump cache keeps what
   * it has of the others.
   */
  readonly calls: boolean;
  /** What is kept out. */
  readonly oracle: Oracle;
}

export const ttbr = (space: { root: number; asid: bigint }): bigint => BigInt(AREA + space.root) | (space.asid << 48n);

/** X0 to X7 are addresses, X8 to X10 the items', X11 to X23 data, X24 the sum of PAR_EL1, X25 scratch. */
const [ARGUMENT, ADDRESS, DESCRIPTOR, SUM, SCRATCH] = [8, 9, 10, 24, 25] as const;

/** Counts down with each exception. */
export const FUEL = 28;

/** HVC's of mmu.S: a store, another VTTBR_EL2, an invalidation of stage 2 (16 of them), AT S12E* (4). */
const HVC = { STORE: 1, VTTBR: 3, STAGE2: 0x10, AT: 0x20 } as const;
const hvc = (n: number): number => (0xd4000002 | (n << 5)) >>> 0;
/** Of HVC.STAGE2 by kind: IPAS2E1, IPAS2LE1, their range forms (each for PE, IS and OS), VMALLS12E1 (2), ALLE1 (2). */
const [STAGE2_RANGE, STAGE2_VMID, STAGE2_ALL] = [6, 12, 14] as const;

const DSB = 0xd5033f9f;
const ISB = 0xd5033fdf;

export const mov = (register: number, value: bigint): number[] => {
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

/** MOV of exactly two words. */
function padded(register: number, value: bigint): number[] {
  const words = mov(register, value);
  return words.length === 2 ? words : [...words, 0xd503201f];
}

/** SPSR for an exception level: EL0 or the regime's other one. NZCV 0, DAIF set; PAN and UAO now and then. */
export function pstate(r: Random, regime: Regime, privileged: boolean): number {
  const mode = regime === 'EL2' ? 9 : !privileged ? 0 : regime === 'EL1&0' ? 5 : 9;
  return (mode | 0x3c0 | (r.once(3) ? 1 << 22 : 0) | (r.once(4) ? 1 << 23 : 0)) >>> 0;
}

/** By TLBI's shareability: CRm of the single and of the range operations; OS, IS, own. */
const DOMAINS = [
  [1, 5],
  [3, 2],
  [7, 6],
] as const;
const tlbi = (op1: number, crm: number, op2: number): number =>
  (0xd5088000 | (op1 << 16) | (crm << 8) | (op2 << 5) | ARGUMENT) >>> 0;

/** The argument of a range operation that covers a page: BaseADDR, NUM, SCALE and TG. */
function range(r: Random, granule: number, address: bigint): bigint {
  const scale = r.once(10) ? 2 : r.below(2);
  const num = r.below(32);
  const length = (num + 1) * 2 ** (5 * scale + 1);
  const page = address >> BigInt(granule);
  const back = BigInt(r.below(Math.min(length, 64)));
  const base = (page > back ? page - back : 0n) & 0x1f_ffff_ffffn;
  const tg = { 12: 1n, 14: 2n, 16: 3n }[granule as 12 | 14 | 16];
  return (tg << 46n) | (BigInt(scale) << 44n) | (BigInt(num) << 39n) | base;
}

export class Programs {
  private readonly r: Random;
  private readonly x: BigUint64Array;
  private readonly s: Setting;

  /** @param x what X0 to X7 hold: addresses */
  constructor(r: Random, x: BigUint64Array, setting: Setting) {
    this.r = r;
    this.x = x;
    this.s = setting;
  }

  item(): MmuItem | undefined {
    const item = this.step();
    if (item === undefined || !this.s.flushed) return item;
    // VMALLE1.
    return [0xd508871f, DSB, ISB, ...item];
  }

  private step(): MmuItem | undefined {
    const { r, s } = this;
    const base = r.below(8);
    const rt = 11 + r.below(13);
    const at = (word: number): number => (word | (base << 5) | rt) >>> 0;
    switch (r.below(12)) {
      case 0:
      case 1:
      case 2:
        // LDAR, LDXR; LDR Q, for whose alignment in Device memory QEMU looks at halves; LDR, LDRB, LDRH, LDRSW, LDUR, LDP, LDTR, LDTRB.
        if (r.once(5)) return this.aligned(base, rt, r.pick([0xc8dffc00, 0xc85f7c00]));
        if (r.once(10))
          return s.oracle.device
            ? [(0x927cec00 | (base << 5) | SCRATCH) >>> 0, 0x3dc00000 | (SCRATCH << 5) | r.below(2)]
            : [(0x3dc00000 | (base << 5) | r.below(2)) >>> 0];
        return [
          at(
            r.pick([
              0xf9400000,
              0x39400000,
              0x79400000,
              0xb9800000,
              0xf8403000,
              0xa9400000 | (SCRATCH << 10),
              0xf8400800,
              0x38400800,
            ]),
          ),
        ];
      case 3:
      case 4:
      case 5:
        // STR Q: within a page, for what a store leaves before a page that faults is not said.
        if (r.once(8)) return [(0x927cec00 | (base << 5) | SCRATCH) >>> 0, 0x3d800000 | (SCRATCH << 5) | r.below(2)];
        // STLR; STR, STRB, STRH, STUR, STTR, STTRB.
        if (r.once(7)) return this.aligned(base, rt, 0xc89ffc00);
        return [at(r.pick([0xf9000000, 0x39000000, 0x79000000, 0xf8003000, 0xf8000800, 0x38000800, 0xb9000000]))];
      case 6:
        return this.atomic(base, rt);
      case 7:
        return this.translation(base);
      case 8:
        if (!s.calls) return undefined;
        // A call of the page's words that are RET: by RET, for BLR leaves PSTATE.BTYPE where there is FEAT_BTI.
        return [(0x9274cc00 | (base << 5) | SCRATCH) >>> 0, 0xb2760739, 0x10000000 | (2 << 5) | 30, 0xd65f0320];
      case 9:
        // PAN, UAO, or the other level.
        if (s.flushed || s.regime === 'EL2' || r.once(2))
          return [(0xd500401f | ((r.once(2) ? 4 : 3) << 5) | (r.below(2) << 8)) >>> 0];
        return [
          0x10000000 | (6 << 5) | SCRATCH,
          0xd5184020 | SCRATCH,
          ...padded(SCRATCH, BigInt(pstate(r, s.regime, r.once(2)))),
          0xd5184000 | SCRATCH,
          0xd69f03e0,
        ];
      case 10:
        if (s.spaces.length > 1 && r.once(2))
          return [...mov(ADDRESS, ttbr(r.pick(s.spaces))), s.half === 0n ? 0xd5182009 : 0xd5182029, ISB];
        return s.tables.places.length === 0 ? undefined : this.change(r.pick(s.tables.places), rt);
      case 11:
        if (s.vttbrs.length === 0) return undefined;
        return r.once(3) ? this.selectStage2(r.below(s.vttbrs.length)) : this.change2(rt);
      default:
        return undefined;
    }
  }

  /** An access whose address must be aligned. QEMU 10 gives the fault of a load-exclusive WnR = 1. */
  private aligned(base: number, rt: number, word: number): number[] {
    if (!this.s.oracle.device && this.r.once(4)) return [(word | (base << 5) | rt) >>> 0];
    return [(0x927df000 | (base << 5) | SCRATCH) >>> 0, (word | (SCRATCH << 5) | rt) >>> 0];
  }

  /**
   * LDADD, SWP, CAS. QEMU makes them of a read and a write: with stage 2 it may find a fault of the read there before stage 1's of
   * the write, with TCR_EL1.HA it sets the access flag where the write faults. Then a store comes first, and they only where it
   * cost no fuel. With two cores QEMU gets WnR wrong.
   */
  private atomic(base: number, rt: number): number[] | undefined {
    const { r, s } = this;
    if (s.oracle.device) return undefined;
    const rs = rt === 11 ? 12 : 11;
    const word = r.pick([0xf8200000, 0xf8208000, 0xc8a07c00]) | (rs << 16);
    if (s.vttbrs.length === 0 && s.hafdbs === 0n) return this.aligned(base, rt, word);
    return [
      0x927df000 | (base << 5) | SCRATCH,
      // Before, RT is the fuel; STR of what CAS compares with, or not.
      0xaa0003e0 | (FUEL << 16) | rt,
      0xf9000000 | (SCRATCH << 5) | (r.once(2) ? rs : 13),
      0xcb000000 | (FUEL << 16) | (rt << 5) | rt,
      0xb5000000 | (2 << 5) | rt,
      word | (SCRATCH << 5) | rt,
    ].map((w) => w >>> 0);
  }

  /** AT, and PAR_EL1 into the sum. */
  private translation(base: number): number[] {
    const { r, s } = this;
    // S12E1R, S12E1W, S12E0R, S12E0W, of an EL1 that has a stage 2. The sum is mmu.S's.
    if (s.oracle.at12 && s.vttbrs.length > 0 && r.once(3))
      return [0xaa0003e0 | (base << 16) | ADDRESS, hvc(HVC.AT + this.direction(4))];
    // S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP; S1E2R and S1E2W for a host.
    const kind = s.regime === 'EL2' ? 6 + this.direction(2) : this.direction(s.regime === 'EL2&0' ? 8 : 6);
    const word = (kind < 4 ? 0xd5087800 : kind < 6 ? 0xd5087900 : 0xd50c7800) | ((kind < 4 ? kind : kind & 1) << 5);
    return [
      (word | base) >>> 0,
      ISB,
      0xd5387400 | SCRATCH,
      // SH of Device and Non-cacheable memory: see `differences`.
      0x37000000 | (2 << 5) | SCRATCH,
      0x9277f400 | (SCRATCH << 5) | SCRATCH,
      0xcac01c00 | (SUM << 16) | (SCRATCH << 5) | SUM,
    ].map((w) => w >>> 0);
  }

  /** Of writes only where no dirty state is kept, which AT leaves alone and QEMU does not. */
  private direction(kinds: number): number {
    const kind = this.r.below(kinds);
    return this.s.hafdbs === 0n && this.s.vttbrs.length === 0 ? kind : kind & ~1;
  }

  private store(place: Place, value: bigint): number[] {
    return [...mov(ADDRESS, BigInt(AREA + place.offset)), ...mov(DESCRIPTOR, value), hvc(HVC.STORE)];
  }

  private selectStage2(n: number): number[] {
    return [...mov(ADDRESS, this.s.vttbrs[n]!), hvc(HVC.VTTBR)];
  }

  /** A descriptor of stage 1 is broken, invalidated, made anew; with accesses before, between and after. */
  private change(place: Place, rt: number): MmuItem | undefined {
    const { r, s } = this;
    const old = s.tables.descriptors.get(place.offset)!;
    if ((old & 1n) === 0n) return undefined;
    const touch = this.touch(place.address, rt);
    const fresh = place.leaf ? s.tables.leaf(place.tree, place.level, place.address) : old;
    const everywhere = s.vttbrs.length > 1;
    // Translations of the other VMID's stay: all of them go, or one by one.
    const invalidate = !everywhere
      ? this.invalidate(place)
      : r.once(2)
        ? [hvc(HVC.STAGE2 + STAGE2_ALL + r.below(s.oracle.v8_5 ? 2 : 1))]
        : s.vttbrs.flatMap((_, n) => [...this.selectStage2(n), ...this.invalidate(place)]);
    return [...touch, ...this.store(place, 0n), ...invalidate, ...touch, ...this.store(place, fresh), ...touch];
  }

  private change2(rt: number): MmuItem | undefined {
    const { r, s } = this;
    const n = r.below(s.vttbrs.length);
    const places = s.tables.places2[n]!;
    if (places.length === 0) return undefined;
    const place = r.pick(places);
    const touch = this.touch(place.address, rt);
    const fresh = s.tables.leaf2(place.tree, place.level, place.address);
    return [
      ...this.selectStage2(n),
      ...touch,
      ...this.store(place, 0n),
      ...this.invalidate2(place),
      ...touch,
      ...this.store(place, fresh),
      ...touch,
    ];
  }

  /** A load or store at one of the addresses in the same page, mostly that is the page of `address` in the tables. */
  private touch(address: bigint, rt: number): number[] {
    const mask = BigInt(DATA_BYTES - 1) & ~0xfffn;
    const near = [0, 1, 2, 3, 4, 5, 6, 7].filter((n) => ((this.x[n]! ^ address) & mask) === 0n);
    if (near.length === 0) return [];
    return [((this.r.once(2) ? 0xb9400000 : 0xb9000000) | (this.r.pick(near) << 5) | rt) >>> 0];
  }

  /** An invalidation that covers what a descriptor translates, in the current VMID: TLBI, DSB, ISB. */
  private invalidate(place: Place): number[] {
    const { r, s } = this;
    const [single, many] = r.pick(s.oracle.v8_5 ? DOMAINS : DOMAINS.slice(1));
    const address = s.half | place.address;
    const page = (address >> 12n) & 0xfff_ffff_ffffn;
    const each = (argument: bigint, words: readonly number[]): number[] =>
      s.spaces.flatMap(({ asid }) => [...mov(ARGUMENT, argument | (asid << 48n)), ...words]);
    const { granule } = place.tree;
    const large = granule !== 12 || place.level !== 3;
    const byAddress = place.leaf && !(large && (s.calls || (s.tagged && !s.oracle.taggedBlocks)));
    if (s.regime === 'EL2') {
      // ALLE2, VAE2, VALE2, RVAE2, RVALE2.
      const kinds = byAddress ? (s.oracle.v8_5 ? 3 : 2) : 1;
      const kind = r.below(kinds);
      const argument = kind === 2 ? range(r, granule, address) : page;
      // QEMU's VAE2 and VALE2, unlike their IS and OS forms, leave what it has by a tagged address (DDI 0487, TLBI VAE2).
      const near = s.tagged && kind === 1 && single === 7 ? 3 : single;
      const op = kind === 0 ? tlbi(4, single, 0) : tlbi(4, kind === 2 ? many : near, r.pick([1, 5]));
      return [...mov(ARGUMENT, argument), op, DSB, ISB];
    }
    const host = s.regime === 'EL2&0';
    const ways = [
      // VMALLE1; a host's ALLE2.
      () => [tlbi(0, single, 0)],
      ...(host ? [() => [tlbi(4, single, 0)]] : []),
      // ASIDE1, which leaves global ones: with one address space there may be some.
      ...(s.spaces.length > 1 ? [() => each(0n, [tlbi(0, single, 2)])] : []),
    ];
    if (byAddress) {
      ways.push(
        // VAAE1, VAALE1, VAE1, VALE1.
        () => [...mov(ARGUMENT, page), tlbi(0, single, r.pick([3, 7]))],
        () => each(page, [tlbi(0, single, r.pick([1, 5]))]),
      );
      // RVAAE1, RVAALE1, RVAE1, RVALE1.
      if (s.oracle.v8_5)
        ways.push(
          () => [...mov(ARGUMENT, range(r, granule, address)), tlbi(0, many, r.pick([3, 7]))],
          () => each(range(r, granule, address), [tlbi(0, many, r.pick([1, 5]))]),
        );
      // VAE2, VALE2, RVAE2, RVALE2.
      if (host && s.oracle.vae2)
        ways.push(
          () => each(page, [tlbi(4, single, r.pick([1, 5]))]),
          ...(s.oracle.v8_5 ? [() => each(range(r, granule, address), [tlbi(4, many, r.pick([1, 5]))])] : []),
        );
    }
    // A table's limits are in global translations too.
    const safe = place.leaf ? ways : ways.slice(0, host ? 2 : 1);
    return [...r.pick(safe)(), DSB, ISB];
  }

  /** The same of stage 2, by mmu.S. */
  private invalidate2(place: Place): number[] {
    const { r, s } = this;
    // Without those of FEAT_TLBIRANGE and FEAT_TLBIOS.
    const kind = s.oracle.v8_5 ? r.below(16) : r.pick([0, 1, 3, 4, 12, 13, 14]);
    if (kind >= STAGE2_VMID) return [hvc(HVC.STAGE2 + kind)];
    const argument =
      kind >= STAGE2_RANGE ? range(r, place.tree.granule, place.address) : (place.address >> 12n) & 0xf_ffff_ffffn;
    return [...mov(ADDRESS, argument), hvc(HVC.STAGE2 + kind)];
  }
}
