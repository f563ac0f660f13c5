import { join } from 'node:path';
import { CASES, HARNESS, RAM, RESULTS, STATES, TABLES, TEMPLATE } from './layout.ts';
import { assemble as assembleHarness, type Machine, type Part, type Qemu } from './machines.ts';
import { FUEL, Programs, pstate, ttbr, type MmuItem, type Oracle, type Regime } from './mmu-program.ts';
import { AREA, AREA_BYTES, CODE, DATA_BYTES, DATA_PAGES, STAGE1, STAGE2, Tables } from './mmu-tables.ts';
import type { Random } from './random.ts';
import { disassemble, shorter, type Fuzzer } from './shrink.ts';

const REGIMES: readonly Regime[] = ['EL1&0', 'EL1&0', 'EL1&0', 'EL1&0', 'EL2&0', 'EL2&0', 'EL2'];

/**
 * Programs at EL1 and EL0, at EL2 and EL0 of a VHE host, or at EL2, under random translation tables of both stages: accesses of all
 * kinds, changes of tables followed by the invalidation that they need, address spaces and second stages exchanged by ASID and
 * VMID, AT. The numbers are mmu.S's.
 *
 * What is kept out because of QEMU depends on its version: see Oracle.
 */
const PAIRS = 0x43000000;
const STATE_BYTES = 0x200;
const CODE_BYTES = 0x1000;
const VECTORS1 = 0x40201000;
export const MMU_BATCH = 400;
/** Where TTBR1's half begins: the first GiB of RAM, to execute; RAM at its physical address from there, to write. */
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
  pairs: 312,
  count: 320,
  length: 328,
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

const RET = 0xd65f03c0;
const HVC_END = 0xd400ffe2;
const TGE = 1n << 27n;
const E2H = 1n << 34n;
const FWB = 1n << 46n;

export interface MmuCase {
  items: readonly MmuItem[];
  x: BigUint64Array;
  /** SCTLR_ELx, TCR_ELx, TTBRn_ELx, MAIR_ELx of the case's regime; HCR_EL2, VTCR_EL2, VTTBR_EL2. */
  registers: Record<'sctlr' | 'tcr' | 'ttbr0' | 'ttbr1' | 'mair' | 'hcr' | 'vtcr' | 'vttbr', bigint>;
  spsr: number;
  /** What is added to the physical addresses of the program and of EL1's vectors. */
  base: bigint;
  /** Descriptors by offset in the area. */
  tables: ReadonlyMap<number, bigint>;
  /** Bytes of the area in use. */
  length: number;
}

/** What data hold before each case. */
function template(): Buffer {
  const data = Buffer.alloc(DATA_BYTES);
  for (let i = 0; i < DATA_BYTES; i += 4)
    data.writeUInt32LE((i & 0xf00) === 0xc00 ? RET : Math.imul(i, 0x9e3779b1) >>> 0, i);
  return data;
}

export class MmuFuzzer implements Fuzzer<MmuCase> {
  private readonly harness = assembleHarness(join(import.meta.dirname, 'mmu.S'));
  private readonly template = template();
  private readonly oracle: Oracle;

  constructor(qemu: Pick<Qemu, 'version' | 'cpu' | 'cores'>) {
    const later = qemu.version >= 9;
    this.oracle = { device: later, walks: later, v8_5: !later, vae2: later, taggedBlocks: !later, at12: !later };
    // Without FEAT_LSE2, which in QEMU 10 lets unaligned accesses to Device memory through if they are within 16 bytes.
    if (later) qemu.cpu = 'neoverse-n1';
    // With one core, whose accesses are never atomic, there are no alignment faults of Device memory.
    if (later) qemu.cores = 2;
  }

  make(r: Random): MmuCase {
    const regime = r.pick(REGIMES);
    const alone = regime === 'EL2';
    const stage2 = regime === 'EL1&0' && r.once(2);
    // Stage 1 is off, with HCR_EL2.DC.
    const flat = stage2 && r.once(10);
    // The random tables are TTBR1_EL1's, and the program's TTBR0_EL1's.
    const upper = regime === 'EL1&0' && !flat && r.once(4);
    const fwb = stage2 && this.oracle.v8_5 && r.once(4);
    const wide = r.once(2);
    const spaces = alone || r.once(2) ? 1 : 2;
    const device = this.oracle.device && r.once(2);
    // The EL2 regime's tables have the harness too, above 1 GiB.
    const [granule, bits] = r.pick(alone ? STAGE1.filter(([, size]) => size > 31) : STAGE1);
    const walks = this.oracle.walks && r.once(3);
    const tables = new Tables(r, { stage2, fwb, nG: spaces === 2, device, walks });
    const trees = Array.from({ length: spaces }, () => tables.tree(granule, bits));
    if (alone) tables.keep(trees[0]!);
    const vas: bigint[] = [];
    const first = tables.address(trees[0]!, 0);
    const half = upper ? BigInt.asUintN(64, -1n << BigInt(bits)) : 0n;
    const same = (1n << BigInt(Math.min(30, bits))) - 1n;
    for (let n = 0; n < 8; n++) {
      const page = r.below(DATA_PAGES);
      const va = flat ? tables.ipa(page) : tables.address(trees[0]!, page);
      vas.push(flat || r.once(4) ? va : (first & ~same) | (va & same));
    }
    // The page after an address too: accesses cross.
    for (const tree of flat ? [] : trees)
      for (const va of vas)
        for (const page of [va, va + 0x1000n]) if (tables.length < AREA_BYTES / 2) tables.map(tree, page);
    const [granule2, bits2, sl0, ps2] = r.pick(STAGE2);
    const vttbrs: bigint[] = [];
    for (let n = 0; stage2 && n < 2; n++) {
      if (n === 1 && (r.once(2) || tables.length > AREA_BYTES / 2)) break;
      const root = tables.stage2(granule2, bits2, sl0);
      vttbrs.push(BigInt(AREA + root) | (BigInt(identifier(r, n)) << 48n));
    }
    if (tables.length > AREA_BYTES) throw new Error('the tables are too long');

    const x = new BigUint64Array(29);
    for (let n = 0; n < 8; n++) {
      x[n] = half | vas[n]! | BigInt(this.offset(r, device));
      // Neither half's, or data in the program's half, where EL0 has nothing and EL1 may read.
      const elsewhere = flat ? -1 : r.below(24);
      if (elsewhere === 0) x[n]! ^= 1n << BigInt(48 + r.below(16));
      else if (elsewhere === 1 && !alone)
        x[n] = (upper ? 0n : HIGH) + ((vas[n]! & 0xf_ffffn) | BigInt(AREA - RAM)) + 8n;
    }
    // TBI of either half, and tags.
    const tagged = [r.once(3), !alone && r.once(3)];
    for (let n = 0; n < 8; n++)
      if (tagged[Number((x[n]! >> 55n) & 1n)]! && r.once(2))
        x[n] = (x[n]! & ((1n << 56n) - 1n)) | (BigInt(r.below(256)) << 56n);
    for (let n = 8; n < 26; n++) x[n] = r.u64();
    x[FUEL] = BigInt(4 + r.below(20));
    const tbi = (tagged[0]! ? 1n << 37n : 0n) | (tagged[1]! ? 1n << 38n : 0n);
    const hafdbs = (BigInt(r.below(2)) << 39n) | (BigInt(r.below(2)) << 40n);
    // As many bits of an ASID as count.
    const asids = trees.map((_, n) => BigInt(identifier(r, n) & (wide ? 0xffff : 0xff)));
    const setting = {
      regime,
      tables,
      spaces: trees.map((tree, n) => ({ root: tree.root, asid: asids[n]! })),
      half,
      tagged: tbi !== 0n,
      vttbrs,
      hafdbs,
      flushed: device && stage2,
      calls: r.once(2),
      oracle: this.oracle,
    };
    const programs = new Programs(r, x, setting);
    const items: MmuItem[] = [];
    const length = 4 + r.below(24);
    for (let words = 0; items.length < length && words < 800;) {
      const item = programs.item();
      if (item === undefined) continue;
      items.push(item);
      words += item.length;
    }
    const options =
      // A and WXN now and then. SPINTMASK: no PSTATE.ALLINT.
      (1n << 62n) | (r.once(8) ? 1n << 1n : 0n) | (r.once(8) ? 1n << 19n : 0n) | 0x1004n | (flat ? 0n : 1n);
    const tg0 = { 12: 0n, 14: 2n, 16: 1n }[granule] << 14n;
    const tg1 = { 12: 2n, 14: 1n, 16: 3n }[granule] << 30n;
    const size = BigInt(64 - bits);
    return {
      items,
      x,
      base: upper ? -BigInt(RAM) : flat || alone ? 0n : HIGH - BigInt(RAM),
      registers: {
        // RES1; and UCI, SPAN or not, nTWE, nTWI, DZE, UCT, UMA.
        sctlr: options | (alone ? 0x30c5_0830n : 0x3455_ca00n | (r.once(2) ? 1n << 23n : 0n)),
        tcr: alone
          ? // TBI, HA and HD, HPD; PS.
            size | 0x8080_3500n | tg0 | (2n << 16n) | (tbi >> 17n) | (hafdbs >> 18n) | (r.once(8) ? 1n << 24n : 0n)
          : // With A1 for TTBR1's tables.
            (upper ? 25n | (size << 16n) | (1n << 22n) | tg1 : size | tg0 | (25n << 16n) | (2n << 30n)) |
            0x3500_3500n |
            (2n << 32n) |
            (wide ? 1n << 36n : 0n) |
            hafdbs |
            tbi |
            // HPDn, EPDn, E0PDn.
            (r.once(8) ? 1n << (upper ? 42n : 41n) : 0n) |
            (r.once(40) ? 1n << (upper ? 23n : 7n) : 0n) |
            (this.oracle.v8_5 && r.once(20) ? 1n << (upper ? 56n : 55n) : 0n),
        ttbr0: upper ? BigInt(TABLES) : ttbr(setting.spaces[0]!),
        ttbr1: upper ? ttbr(setting.spaces[0]!) : BigInt(TABLES),
        mair: this.mair(r, device),
        hcr:
          (1n << 31n) |
          (regime === 'EL2&0' ? E2H | TGE : !alone && r.once(4) ? E2H : 0n) |
          (flat ? 1n << 12n : 0n) |
          (stage2 ? 1n : 0n) |
          // PTW. QEMU 10 gives its faults the level of the stage 1 walk.
          (stage2 && !(walks && device) && r.once(4) ? 4n : 0n) |
          (fwb ? FWB : 0n),
        vtcr:
          BigInt(64 - bits2) |
          BigInt(sl0 << 6) |
          0x3500n |
          ({ 12: 0n, 14: 2n, 16: 1n }[granule2] << 14n) |
          BigInt(ps2 << 16) |
          (1n << 31n) |
          (BigInt(r.below(2)) << 19n) |
          (BigInt(r.below(2)) << 21n) |
          (BigInt(r.below(2)) << 22n),
        vttbr: vttbrs[0] ?? 0n,
      },
      spsr: pstate(r, regime, setting.flushed || r.once(2)),
      tables: tables.descriptors,
      length: tables.length,
    };
  }

  /** The first is code's: Write-Back. */
  private mair(r: Random, device: boolean): bigint {
    let mair = 0xffn;
    for (let n = 1; n < 8; n++) {
      const kind =
        device && r.once(2) ? r.pick([0x00, 0x04, 0x08, 0x0c]) : r.pick([0xff, 0xbb, 0x44, 0xff, 0x4f, 0xf4]);
      mair |= BigInt(kind) << BigInt(8 * n);
    }
    return mair;
  }

  /** Not where there is code, nor across pages of different memory types (CONSTRAINED UNPREDICTABLE, K1.2.2). */
  private offset(r: Random, device: boolean): number {
    const offset = r.once(4) ? 0xfe0 + r.below(device ? 16 : 32) : r.once(2) ? r.below(0x200) * 8 : r.below(0xff0);
    return offset >= 0xb80 && offset < 0xd80 ? offset - 0x400 : offset;
  }

  private words(c: MmuCase): number[] {
    const words = c.items.flat();
    if (words.length >= CODE_BYTES / 4) throw new Error('a program is too long');
    while (words.length < CODE_BYTES / 4) words.push(HVC_END);
    return words.map((w) => w >>> 0);
  }

  run(machine: Machine, cases: readonly MmuCase[]): Buffer {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(cases.length));
    const states = Buffer.alloc(cases.length * STATE_BYTES);
    const code = Buffer.alloc(cases.length * CODE_BYTES);
    const pairs = Buffer.alloc(16 * cases.reduce((sum, c) => sum + c.tables.size, 0));
    const top = Buffer.alloc(0x1000);
    top.writeBigUInt64LE(BigInt(RAM) | 0x781n, 8 * 0);
    top.writeBigUInt64LE(BigInt(RAM) | 0x701n | (1n << 54n), 8 * 1);
    let pair = 0;
    cases.forEach((c, n) => {
      const put = (offset: number, value: bigint): number =>
        states.writeBigUInt64LE(BigInt.asUintN(64, value), n * STATE_BYTES + offset);
      for (let r = 0; r < 26; r++) put(8 * r, c.x[r]!);
      put(208, 0n);
      put(216, c.x[FUEL]!);
      const { registers } = c;
      for (const name of ['sctlr', 'tcr', 'ttbr0', 'ttbr1', 'mair', 'hcr', 'vtcr', 'vttbr'] as const)
        put(AT[name], registers[name]);
      put(AT.spsr, BigInt(c.spsr));
      put(AT.elr, c.base + BigInt(CODE + n * CODE_BYTES));
      put(AT.vbar, c.base + BigInt(VECTORS1));
      put(AT.pairs, BigInt(PAIRS + pair));
      put(AT.count, BigInt(c.tables.size));
      put(AT.length, BigInt(Math.ceil(c.length / 64) * 64));
      this.words(c).forEach((word, i) => code.writeUInt32LE(word, n * CODE_BYTES + 4 * i));
      for (const [offset, value] of c.tables) {
        pairs.writeBigUInt64LE(BigInt(AREA + offset), pair);
        pairs.writeBigUInt64LE(value, pair + 8);
        pair += 16;
      }
    });
    const parts: Part[] = [
      { offset: HARNESS - RAM, bytes: this.harness },
      { offset: CASES - RAM, bytes: count },
      { offset: TABLES - RAM, bytes: top },
      { offset: TEMPLATE - RAM, bytes: this.template },
      { offset: STATES - RAM, bytes: states },
      { offset: PAIRS - RAM, bytes: pairs },
      { offset: CODE - RAM, bytes: code },
    ];
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

  simpler(c: MmuCase): MmuCase[] {
    const tries = shorter(c);
    const without = (name: keyof MmuCase['registers'], bits: bigint): void => {
      const value = c.registers[name];
      if ((value & bits) !== 0n) tries.push({ ...c, registers: { ...c.registers, [name]: value & ~bits } });
    };
    without('hcr', 1n);
    if ((c.registers.hcr & TGE) === 0n) without('hcr', E2H);
    for (const b of [37n, 38n, 39n, 40n, 41n, 42n]) without('tcr', 1n << b);
    for (const b of [1n, 19n]) without('sctlr', 1n << b);
    for (const b of [21n, 22n]) without('vtcr', 1n << b);
    if (c.spsr & 0xc00000) tries.push({ ...c, spsr: c.spsr & ~0xc00000 });
    return tries;
  }

  describe(c: MmuCase): string[] {
    const used = c.items.reduce((sum, item) => sum + item.length, 0);
    const registers = Object.entries(c.registers).map(([name, value]) => `${name}=${value.toString(16)}`);
    return [
      ...disassemble(this.words(c).slice(0, used), CODE),
      registers.join(' '),
      `spsr=${c.spsr.toString(16)} fuel=${c.x[FUEL]} ${[...c.x.subarray(0, 8)].map((v, n) => `x${n}=${v.toString(16)}`).join(' ')}`,
    ];
  }
}

/** ASIDs and VMIDs, of which two differ in their low byte. */
function identifier(r: Random, n: number): number {
  return (r.below(256) << 8) | (2 * r.below(100) + 1 + n);
}
