/**
 * Translation written a second time, in the manner of the pseudocode of DDI 0487 (J1, aarch64/translation), with
 * bigints and without a thought for speed: the judge of the real one. It reads and writes descriptors through the
 * `TestMachine` that it is given.
 */
import { ACCESS } from '../../../arch/core/mmu.ts';
import type { El, Granule, Register, TestMachine } from './mmu-fixture.ts';

export interface Fault {
  fsc: number;
  stage2: boolean;
  s1ptw: boolean;
  wnr: boolean;
  ipa: bigint | undefined;
}

export interface Translation {
  pa: bigint;
  /** Letters of 'rwx', for the asking exception level; 'u' where EL0 may read or write by stage 1. */
  permissions: string;
  global: boolean;
  device: boolean;
  attributes: number;
  shareability: number;
  shift: number;
}

export type Outcome = { ok: Translation; fault?: never } | { ok?: never; fault: Fault };

type Status = 'AddressSize' | 'Translation' | 'AccessFlag' | 'Permission' | 'ExternalOnWalk';
const STATUS: Record<Status, number> = {
  AddressSize: 0,
  Translation: 4,
  AccessFlag: 8,
  Permission: 12,
  ExternalOnWalk: 0x14,
};

class Aborted extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super('translation fault');
    this.fault = fault;
  }
}

const field = (value: bigint, high: number, low: number) =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const bit = (value: bigint, at: number) => field(value, at, at) === 1n;
const swap = (value: bigint) => {
  let out = 0n;
  for (let i = 0; i < 8; i++) out = (out << 8n) | field(value, 8 * i + 7, 8 * i);
  return out;
};

interface Stage {
  walk: boolean;
  second: boolean;
  ipa: bigint | undefined;
}

interface Leaf {
  level: number;
  descriptor: bigint;
  at: bigint;
  apTable: bigint;
  xnTable: boolean;
  pxnTable: boolean;
  output: bigint;
  shift: number;
}

interface Parameters {
  granule: Granule;
  inputBits: number;
  start: number;
  ps: bigint;
  base: bigint;
  bigEndian: boolean;
  ha: boolean;
}

/** Where QEMU 7.2 is known to differ from the manual, or chooses otherwise. */
export interface Quirks {
  /** Block descriptors at levels where the granule has none are taken (D8.3.1.1: they are invalid). */
  blocksAtAnyLevel?: boolean;
  /** Reserved values of SH and of stage 2's MemAttr mean something else. */
  reservedAttributes?: boolean;
  /** The kind of Device memory is also looked for in the other stage's Normal memory. */
  deviceMixup?: boolean;
}

export class Model {
  readonly #m: TestMachine;
  readonly #physicalBits: number;
  readonly #quirks: Quirks;
  #access = 0;
  #wnr = false;

  constructor(machine: TestMachine, physicalBits = 48, quirks: Quirks = {}) {
    this.#m = machine;
    this.#quirks = quirks;
    this.#physicalBits = physicalBits;
  }

  translate(va: bigint, access: number, el: El): Outcome {
    try {
      return { ok: this.#full(va, access, el) };
    } catch (error) {
      if (error instanceof Aborted) return { fault: error.fault };
      throw error;
    }
  }

  #reg(name: Register): bigint {
    return this.#m.get(name);
  }

  #abort(status: Status, level: number, stage: Stage, wnr = this.#wnr): never {
    throw new Aborted({
      fsc: STATUS[status] + level,
      stage2: stage.second,
      s1ptw: stage.second && stage.walk,
      wnr,
      ipa: stage.second ? stage.ipa : undefined,
    });
  }

  #full(va: bigint, access: number, el: El): Translation {
    this.#access = access;
    const write = (access & 3) === ACCESS.WRITE;
    const special = (access & (ACCESS.MAINTENANCE | ACCESS.AT)) !== 0;
    this.#wnr = special || (write && !(access & ACCESS.ATOMIC));
    const hcr = this.#reg('HCR_EL2');
    const [e2h, tge] = [bit(hcr, 34), bit(hcr, 27)];
    const regime = el === 2 || (e2h && tge) ? (e2h ? 'EL20' : 'EL2') : 'EL10';
    const uao = bit(BigInt(this.#m.pstate), 23);
    let privileged = el > 0;
    if (access & ACCESS.UNPRIV && !uao && ((el === 1 && regime === 'EL10') || (regime === 'EL20' && tge))) {
      privileged = false;
    }
    const stage2 = regime === 'EL10' && (bit(hcr, 0) || bit(hcr, 12));
    const first = this.#stage1(va, regime, privileged, stage2);
    if (!stage2 || access & ACCESS.STAGE1) {
      if (first.attributes < 16 || first.attributes === 0x44) first.shareability = 2;
      return first;
    }
    const second = this.#stage2({ walk: false, second: true, ipa: first.pa }, first.pa, access, privileged);
    let attributes = second.attributes;
    const fetch = (access & 3) === ACCESS.FETCH;
    if (fetch ? bit(hcr, 33) : bit(hcr, 32) && attributes >= 16) attributes = 0x44;
    const combined = combine(first.attributes, attributes, this.#quirks.deviceMixup);
    const both = [first.shareability, second.shareability];
    const strongest = both.includes(2) ? 2 : both.includes(3) ? 3 : 0;
    return {
      pa: second.pa,
      permissions: [...first.permissions].filter((p) => p === 'u' || second.permissions.includes(p)).join(''),
      global: first.global,
      device: combined < 16,
      attributes: combined,
      shareability: combined < 16 || combined === 0x44 ? 2 : strongest,
      shift: this.#off(regime) ? second.shift : first.shift,
    };
  }

  #stage1(va: bigint, regime: 'EL10' | 'EL20' | 'EL2', privileged: boolean, stage2: boolean): Translation {
    const none: Stage = { walk: false, second: false, ipa: undefined };
    const access = this.#access;
    const fetch = (access & 3) === ACCESS.FETCH;
    const hcr = this.#reg('HCR_EL2');
    const x = regime === 'EL10' ? 'EL1' : 'EL2';
    const sctlr = this.#reg(`SCTLR_${x}`);
    const tcr = this.#reg(`TCR_${x}`);
    const two = regime !== 'EL2';
    const upper = two && bit(va, 55);
    const tbi = two ? bit(tcr, upper ? 38 : 37) : bit(tcr, 20);
    const top = tbi ? 55 : 63;
    const dc = regime === 'EL10' && bit(hcr, 12);
    if (this.#off(regime)) {
      if (field(va, top, this.#physicalBits) !== 0n) this.#abort('AddressSize', 0, none);
      const attributes = dc ? 0xff : fetch ? (bit(sctlr, 12) ? 0xee : 0x44) : 0;
      return {
        pa: field(va, top, 0),
        permissions: 'rwx',
        global: true,
        device: attributes < 16,
        attributes,
        shareability: dc ? 0 : 2,
        shift: 30,
      };
    }

    const tsz = Number(upper ? field(tcr, 21, 16) : field(tcr, 5, 0));
    const inputBits = 64 - tsz;
    if (tsz < 16 || tsz > 39) this.#abort('Translation', 0, none);
    const outside = field(va, top, inputBits);
    if (outside !== (upper ? (1n << BigInt(top - inputBits + 1)) - 1n : 0n)) this.#abort('Translation', 0, none);
    if (two) {
      if (bit(tcr, upper ? 23 : 7)) this.#abort('Translation', 0, none);
      if (!privileged && bit(tcr, upper ? 56 : 55)) this.#abort('Translation', 0, none);
    }
    const tg = Number(upper ? field(tcr, 31, 30) : field(tcr, 15, 14));
    const granule = (upper ? ([12, 14, 12, 16] as const) : ([12, 16, 14, 12] as const))[tg]!;
    const ha = bit(tcr, two ? 39 : 21);
    const hd = ha && bit(tcr, two ? 40 : 22);
    const hpd = bit(tcr, two ? (upper ? 42 : 41) : 24);
    const stride = granule - 3;
    const start = 3 - (Math.ceil((inputBits - granule) / stride) - 1);
    const parameters: Parameters = {
      granule,
      inputBits,
      start,
      ps: two ? field(tcr, 34, 32) : field(tcr, 18, 16),
      base: this.#reg(`${upper ? 'TTBR1' : 'TTBR0'}_${x}`),
      bigEndian: bit(sctlr, 25),
      ha,
    };
    const leaf = this.#walk(va, parameters, none, stage2);
    const d = leaf.descriptor;
    let ap = field(d, 7, 6);
    const dirtyable = hd && bit(d, 51);
    if (dirtyable) ap &= 1n;
    const apTable = hpd ? 0n : leaf.apTable;

    // The tables of the manual, one line a case.
    let [pr, pw, ur, uw] = [true, true, true, true];
    if (two) {
      if (ap === 0n) [ur, uw] = [false, false];
      if (ap === 2n) [pw, ur, uw] = [false, false, false];
      if (ap === 3n) [pw, uw] = [false, false];
      if (apTable === 1n) [ur, uw] = [false, false];
      if (apTable === 2n) [pw, uw] = [false, false];
      if (apTable === 3n) [pw, ur, uw] = [false, false, false];
    } else {
      pw = ap < 2n && apTable < 2n;
      [ur, uw] = [false, false];
    }
    const user = two && (ur || uw);
    const uxn = bit(d, 54) || (!hpd && leaf.xnTable);
    const pxn = bit(d, 53) || (!hpd && leaf.pxnTable);
    const px = two ? !pxn && !uw : !uxn;
    const special = (access & (ACCESS.MAINTENANCE | ACCESS.AT)) !== 0 && !(access & ACCESS.AT_PAN);
    if (two && bit(BigInt(this.#m.pstate), 22) && user && !special) [pr, pw] = [false, false];
    const r = two && !privileged ? ur : pr;
    let w = two && !privileged ? uw : pw;
    let xx = two && !privileged ? !uxn : px;
    if (bit(sctlr, 19) && w) xx = false;
    this.#check(r, w, xx, privileged, leaf.level, none);

    const clean = dirtyable && bit(d, 7);
    const setDirty = clean && this.#dirties();
    const wanted = (d | (1n << 10n)) & ~(setDirty ? 1n << 7n : 0n);
    if (wanted !== d) {
      let at = leaf.at;
      if (stage2) {
        const stage: Stage = { walk: true, second: true, ipa: at };
        const wnr = access & ACCESS.ATOMIC ? bit(d, 10) : this.#wnr;
        at = this.#stage2(stage, at, ACCESS.WRITE | ACCESS.ATOMIC, true, wnr).pa;
      }
      this.#m.write(at, parameters.bigEndian ? swap(wanted) : wanted);
    }
    if (clean && !setDirty) w = false;
    const attributes = Number(field(this.#reg(`MAIR_${x}`) >> (8n * field(d, 4, 2)), 7, 0));
    return {
      pa: leaf.output,
      permissions: `${r ? 'r' : ''}${w ? 'w' : ''}${xx ? 'x' : ''}${user ? 'u' : ''}`,
      global: !two || !bit(d, 11),
      device: attributes < 16,
      attributes,
      shareability: this.#shareability(d),
      shift: leaf.shift,
    };
  }

  /** Whether stage 1 does not translate. */
  #off(regime: 'EL10' | 'EL20' | 'EL2'): boolean {
    const hcr = this.#reg('HCR_EL2');
    if (regime === 'EL10') return !bit(this.#reg('SCTLR_EL1'), 0) || bit(hcr, 12) || bit(hcr, 27);
    return !bit(this.#reg('SCTLR_EL2'), 0);
  }

  /** 0b01 is reserved; as Non-shareable. */
  #shareability(d: bigint): number {
    const sh = Number(field(d, 9, 8));
    return sh === 1 && !this.#quirks.reservedAttributes ? 0 : sh;
  }

  #dirties(access = this.#access): boolean {
    return (access & 3) === ACCESS.WRITE && !(access & (ACCESS.MAINTENANCE | ACCESS.AT));
  }

  #check(
    r: boolean,
    w: boolean,
    x: boolean,
    privileged: boolean,
    level: number,
    stage: Stage,
    access = this.#access,
    forced?: boolean,
  ): void {
    const fail = (wnr = this.#wnr) => this.#abort('Permission', level, stage, forced ?? wnr);
    switch (access & 3) {
      case ACCESS.FETCH:
        if (!x) fail();
        break;
      case ACCESS.WRITE:
        if (access & ACCESS.ATOMIC && !r) fail((access & (ACCESS.AT | ACCESS.MAINTENANCE)) !== 0);
        if (!w) fail(true);
        break;
      default:
        if (!r && !(access & ACCESS.MAINTENANCE && privileged)) fail();
    }
  }

  #stage2(
    stage: Stage,
    ipa: bigint,
    access: number,
    privileged: boolean,
    wnr?: boolean,
  ): { pa: bigint; permissions: string; attributes: number; shareability: number; shift: number } {
    const vtcr = this.#reg('VTCR_EL2');
    const hcr = this.#reg('HCR_EL2');
    const saved = this.#wnr;
    if (wnr !== undefined) this.#wnr = wnr;
    const t0sz = Number(field(vtcr, 5, 0));
    const inputBits = 64 - t0sz;
    const granule = ([12, 16, 14, 12] as const)[Number(field(vtcr, 15, 14))]!;
    const stride = granule - 3;
    const sl0 = Number(field(vtcr, 7, 6));
    const start = (granule === 12 ? 2 : 3) - sl0;
    const ps = field(vtcr, 18, 16);
    const output = this.#outputBits(ps);
    const least = granule + stride * (3 - start) + 1;
    const large = { 12: { 0: 43 }, 14: { 1: 41, 0: 99 }, 16: { 1: 43, 0: 99 } } as Record<
      number,
      Record<number, number>
    >;
    if (t0sz < 16 || t0sz > 39 || start < 0) this.#abort('Translation', 0, stage);
    if (inputBits < least || inputBits > least + stride - 1 + 4) this.#abort('Translation', 0, stage);
    if (output < (large[granule]?.[start] ?? 0) || inputBits > output) this.#abort('Translation', 0, stage);
    if (ipa >> BigInt(inputBits) !== 0n) this.#abort('Translation', 0, stage);
    const ha = bit(vtcr, 21);
    const hd = ha && bit(vtcr, 22);
    const bigEndian = bit(this.#reg('SCTLR_EL2'), 25);
    const parameters = { granule, inputBits, start, ps, base: this.#reg('VTTBR_EL2'), bigEndian, ha };
    const leaf = this.#walk(ipa, parameters, stage, false);
    const d = leaf.descriptor;
    const dirtyable = hd && bit(d, 51);
    const r = bit(d, 6);
    let w = bit(d, 7) || dirtyable;
    const xn = Number(field(d, 54, 53));
    const x = privileged ? [true, false, false, true][xn]! : [true, true, false, false][xn]!;
    const memAttr = Number(field(d, 5, 2));
    const reserved = memAttr >= 4 && (memAttr & 3) === 0 && this.#quirks.reservedAttributes;
    const attributes = reserved
      ? 0xdead
      : [0, 4, 8, 12, 0x44, 0x44, 0x4a, 0x4f, 0xa4, 0xa4, 0xaa, 0xaf, 0xf4, 0xf4, 0xfa, 0xff][memAttr]!;
    this.#check(r, w, x, privileged, leaf.level, stage, access, stage.walk ? this.#wnr : undefined);
    const clean = dirtyable && !bit(d, 7);
    const setDirty = clean && this.#dirties(access);
    const wanted = d | (1n << 10n) | (setDirty ? 1n << 7n : 0n);
    if (wanted !== d) this.#m.write(leaf.at, bigEndian ? swap(wanted) : wanted);
    if (stage.walk && bit(hcr, 2) && !bit(hcr, 27) && attributes < 16) this.#abort('Permission', leaf.level, stage);
    if (clean && !setDirty) w = false;
    this.#wnr = saved;
    return {
      pa: leaf.output,
      permissions: `${r ? 'r' : ''}${w ? 'w' : ''}${x ? 'x' : ''}`,
      attributes,
      shareability: this.#shareability(d),
      shift: leaf.shift,
    };
  }

  #outputBits(ps: bigint): number {
    return Math.min([32, 36, 40, 42, 44, 48, 48, 48][Number(ps)]!, this.#physicalBits);
  }

  #walk(input: bigint, p: Parameters, stage: Stage, stage2: boolean): Leaf {
    const output = this.#outputBits(p.ps);
    const stride = p.granule - 3;
    let table = field(p.base, 47, 0);
    const size = 3 + p.inputBits - (p.granule + stride * (3 - p.start));
    table = (table >> BigInt(size)) << BigInt(size);
    if (table >> BigInt(output) !== 0n) this.#abort('AddressSize', 0, stage);
    let [apTable, xnTable, pxnTable] = [0n, false, false];
    for (let level = p.start; ; level++) {
      const low = p.granule + stride * (3 - level);
      const high = level === p.start ? p.inputBits - 1 : low + stride - 1;
      const at = table + 8n * field(input, high, low);
      let pa = at;
      if (stage2) pa = this.#stage2({ walk: true, second: true, ipa: at }, at, ACCESS.READ, true, this.#wnr).pa;
      if (!this.#m.inRam(pa)) this.#abort('ExternalOnWalk', level, stage);
      const stored = this.#m.read(pa);
      const d = p.bigEndian ? swap(stored) : stored;
      const kind = Number(field(d, 1, 0));
      const block = (this.#quirks.blocksAtAnyLevel && level < 3) || level === 2 || (level === 1 && p.granule === 12);
      if (kind === 0 || kind === 2 || (kind === 1 && !block)) this.#abort('Translation', level, stage);
      if (field(d, 47, 0) >> BigInt(output) !== 0n) this.#abort('AddressSize', level, stage);
      if (kind === 3 && level < 3) {
        table = (field(d, 47, 0) >> BigInt(p.granule)) << BigInt(p.granule);
        apTable |= field(d, 62, 61);
        xnTable ||= bit(d, 60);
        pxnTable ||= bit(d, 59);
        continue;
      }
      if (!bit(d, 10) && !p.ha) this.#abort('AccessFlag', level, stage);
      return {
        level,
        descriptor: d,
        at,
        apTable,
        xnTable,
        pxnTable,
        output: ((field(d, 47, 0) >> BigInt(low)) << BigInt(low)) | field(input, low - 1, 0),
        shift: low,
      };
    }
  }
}

function combine(first: number, second: number, mixup = false): number {
  if (first < 16 || second < 16) {
    if (mixup) return [0, 4, 8].find((kind) => (first & 15) === kind || (second & 15) === kind) ?? 12;
    return Math.min(...[first, second].filter((a) => a < 16).map((a) => a & 12));
  }
  const half = (a: number, b: number) => {
    const kind = (n: number) => (n === 4 ? 'NC' : n < 4 || n >> 2 === 2 ? 'WT' : 'WB');
    if (kind(a) === 'NC' || kind(b) === 'NC') return 4;
    if (kind(a) === 'WT') return a;
    return kind(b) === 'WT' ? 8 | (a & 3) : a;
  };
  return (half(first >> 4, second >> 4) << 4) | half(first & 15, second & 15);
}
