import { decode } from '../../arch/a64/decode.ts';
import type { Instruction } from '../../arch/a64/encoding.ts';
import { atomics } from '../../arch/a64/table/atomics.ts';
import { dataImmediate } from '../../arch/a64/table/data-immediate.ts';
import { dataRegister } from '../../arch/a64/table/data-register.ts';
import { table } from '../../arch/a64/table/index.ts';
import { loadsStores } from '../../arch/a64/table/loads-stores.ts';
import { CODE, CODE_BYTES, WINDOW } from './layout.ts';
import { COUNTERS, FUEL, type Item, type Program, type State, type View } from './program.ts';
import type { Random } from './random.ts';

/**
 * Random programs from the instruction table. A few registers are hot, so that instructions depend on each other; X19–X23
 * and SP point into the window, X16–X18 are small offsets; X26–X28 count and are nobody else's.
 */
const HOT = [0, 1, 2, 3, 4, 5, 6, 7];
const MORE = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 29, 30];
const BASES = [19, 20, 21, 22, 23, 31];
const OFFSETS = [16, 17, 18];
const VIEWS: readonly View[] = ['code', 'code', 'alias', 'other'];
const ANY = [...HOT, ...MORE, ...BASES, ...OFFSETS];

// prettier-ignore
const EDGES = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n,
  0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffff80000000n, 0xffffffffffffffffn, 0xfffffffffffffffen,
];
// prettier-ignore
const DOUBLES = [
  0n, 1n, 0x000fffffffffffffn, 0x0010000000000000n, 0x3fe0000000000000n, 0x3ff0000000000000n, 0x3ff8000000000000n,
  0x4004000000000000n, 0x7fe0000000000000n, 0x7fefffffffffffffn, 0x7ff0000000000000n, 0x7ff0000000000001n,
  0x7ff8000000000000n, 0x7ff8000000000123n, 0x41dfffffffc00000n, 0x43e0000000000000n,
];
// prettier-ignore
const SINGLES = [
  0n, 1n, 0x007fffffn, 0x00800000n, 0x3f000000n, 0x3f800000n, 0x3fc00000n, 0x40200000n, 0x7f000000n, 0x7f7fffffn,
  0x7f800000n, 0x7f800001n, 0x7fc00000n, 0x7fc00123n, 0x4f000000n, 0x5f000000n,
];
// prettier-ignore
const HALVES = [
  0n, 1n, 0x03ffn, 0x0400n, 0x3800n, 0x3c00n, 0x3e00n, 0x4100n, 0x7800n, 0x7bffn, 0x7c00n, 0x7c01n, 0x7e00n, 0x7e12n,
];

/** MRS and MSR of the registers that EL0 has: NZCV, TPIDR_EL0; MRS of FPCR, FPSR and TPIDRRO_EL0. */
const SYSTEM_REGISTERS = [0xd53b4200, 0xd51b4200, 0xd53b4400, 0xd53b4420, 0xd53bd040, 0xd51bd040, 0xd53bd060];

/** Rows that end a run, wait, or differ by design. */
const LEFT_OUT = new Set(['WFE', 'WFI', 'SYS', 'SYSL', 'MSR (immediate)', 'MRS', 'MSR (register)', 'HINT']);

/** Exclusives are made in pairs. */
const EXCLUSIVE = /^(LDA?|STL?)X[PR]/;

/** Where QEMU 7.2 is not the architecture's: halves made fixed-point in a SIMD&FP register, FJCVTZS of subnormals with FPCR.FZ. */
const oracleErrs = (row: Instruction, word: number): boolean =>
  row.name === 'FJCVTZS' || (row.name === 'FCVTZS (vector, fixed-point)' && (word & 0xffe0fc00) >>> 0 === 0x5f00fc00);

/** Whether X30 is among an instruction's registers: a function that changes it could return into itself. */
const namesLink = (word: number): boolean =>
  decode(word)!.row.fields.some(({ name, lsb }) => name.startsWith('R') && ((word >>> lsb) & 31) === 30);

interface Row {
  readonly row: Instruction;
  /** `value` with the should-be-one bits, and the mask of both. */
  readonly mask: number;
  readonly value: number;
  readonly memory: boolean;
}

function prepare(row: Instruction): Row {
  let { mask, value } = row;
  let lsb = 32;
  for (const box of row.pattern.split(/\s+/)) {
    const should = /^\(([01]+)\)$/.exec(box)?.[1];
    lsb -=
      should?.length ?? (/^[01]+$/.test(box) ? box.length : row.fields.find((f) => f.lsb + f.width === lsb)!.width);
    if (should === undefined) continue;
    mask |= (2 ** should.length - 1) << lsb;
    value |= parseInt(should, 2) << lsb;
  }
  return { row, mask: mask >>> 0, value: value >>> 0, memory: row.syntax.includes('[<Xn|SP>') };
}

export interface Choice {
  /** Rows whose name this matches only. */
  readonly only?: RegExp | undefined;
  readonly simd: boolean;
}

export class Generator {
  private readonly groups: { weight: number; rows: Row[] }[] = [];
  private readonly branches: Instruction[];
  private readonly choice: Choice;

  constructor(choice: Choice) {
    this.choice = choice;
    const integer = new Set<Instruction>([...dataImmediate, ...dataRegister]);
    const memory = new Set(loadsStores);
    const exclusive = new Set(atomics);
    const group = (weight: number, filter: (row: Instruction) => boolean): void => {
      const rows = table
        .filter(
          (row) =>
            row.flow === 'next' &&
            !LEFT_OUT.has(row.name) &&
            !EXCLUSIVE.test(row.name) &&
            filter(row) &&
            choice.only?.test(row.name) !== false,
        )
        .map(prepare);
      if (rows.length > 0) this.groups.push({ weight, rows });
    };
    const isSimd = (row: Instruction): boolean =>
      /<(V|[BHSDQ])[a-z0-9]*>|SIMD/.test(row.syntax + row.name) && !integer.has(row) && !exclusive.has(row);
    group(40, (row) => integer.has(row));
    group(20, (row) => memory.has(row) && (choice.simd || !isSimd(row)));
    group(8, (row) => exclusive.has(row));
    group(2, (row) => !integer.has(row) && !memory.has(row) && !exclusive.has(row) && !isSimd(row));
    if (choice.simd) group(40, (row) => isSimd(row) && !memory.has(row));
    this.branches = table.filter((row) => row.flow === 'branch');
  }

  private register(r: Random, field: string, memory: boolean): number {
    if (r.once(60)) return r.pick(ANY);
    if (memory) {
      if (field === 'Rn') return r.pick(BASES);
      if (field === 'Rm') return r.pick(OFFSETS);
    }
    if (r.once(12)) return 31;
    if (r.once(10) && field !== 'Rd' && field !== 'Rt') return r.pick(ANY);
    return r.once(4) ? r.pick(MORE) : r.pick(HOT);
  }

  /** An instruction of a row that goes on to the next; undefined when the fields drawn are unallocated. */
  private fill(r: Random, { row, mask, value, memory }: Row): number | undefined {
    let word = ((r.u32() & ~mask) | value) >>> 0;
    for (const f of row.fields) {
      let n: number | undefined;
      const pointed = memory && !/SIMD|<V[a-z]/.test(row.name + row.syntax);
      if (/^R[a-z]\d?$/.test(f.name))
        n = this.register(r, f.name, memory && (pointed || f.name === 'Rn' || f.name === 'Rm'));
      else if (memory && f.name === 'imm12' && !r.once(40)) n = r.below(64);
      else if (row.name.includes('(literal') && f.name === 'imm19') n = r.below(64) - 32;
      if (n === undefined) continue;
      const bits = ((2 ** f.width - 1) << f.lsb) >>> 0;
      word = ((word & ~bits) | ((n << f.lsb) & bits)) >>> 0;
    }
    if (oracleErrs(row, word)) return undefined;
    return decode(word)?.row === row ? word : undefined;
  }

  private straight(r: Random): number {
    for (;;) {
      if (this.choice.only === undefined && r.once(60))
        return (r.pick(SYSTEM_REGISTERS) | this.register(r, 'Rt', false)) >>> 0;
      let n = r.below(this.groups.reduce((sum, g) => sum + g.weight, 0));
      for (const g of this.groups) {
        n -= g.weight;
        if (n >= 0) continue;
        const word = this.fill(r, r.pick(g.rows));
        if (word !== undefined) return word;
        break;
      }
    }
  }

  /** FPCR or FPSR gets a value; their fields for AArch32, which QEMU keeps, stay zero. */
  private floatingState(r: Random): number[] {
    const register = r.pick(HOT);
    if (r.once(2)) return [0xd2800000 | ((r.u32() & 0x9f) << 5) | register, 0xd51b4420 | register];
    return [0xd2a00000 | ((r.u32() & 0x07c8) << 5) | register, 0xd51b4400 | register];
  }

  /** A load-exclusive, and mostly the store-exclusive of the same size and address. */
  private exclusive(r: Random): number[] {
    const size = r.below(4);
    const pair = size >= 2 && r.once(2);
    const base = r.pick(BASES);
    const [t, t2, s, u, u2] = [0, 1, 2, 3, 4].map((n) => HOT[(n + r.below(4)) % 8]!);
    const ordered = r.once(2) ? 0x8000 : 0;
    const load =
      (0x085f0000 | (size << 30) | ordered | (pair ? 0x200000 | (t2! << 10) : 0x7c00) | (base << 5) | t!) >>> 0;
    const store =
      (0x08000000 |
        (size << 30) |
        ordered |
        (pair ? 0x200000 | (u2! << 10) : 0x7c00) |
        (s! << 16) |
        (base << 5) |
        u!) >>>
      0;
    if ((pair && t === t2) || s === u || (pair && s === u2) || r.once(8)) return [load];
    return r.once(2) ? [load, store] : [load, this.straight(r), store];
  }

  private branch(r: Random): number {
    if (r.once(6)) return 0x14000000;
    const row = prepare(r.pick(this.branches));
    for (;;) {
      const word = this.fill(r, row);
      if (word !== undefined) return word;
    }
  }

  program(r: Random): Program {
    const length = r.once(100) ? 300 + r.below(600) : r.once(10) ? 60 + r.below(100) : 3 + r.below(40);
    const branchy = 3 + r.below(12);
    const interrupts = r.once(4);
    type Hole = { at: number; make: (target: Item | undefined, at: number) => Item };
    const items: (Item | undefined)[] = [];
    const holes: Hole[] = [];
    const heads: { register: number; item: Item }[] = [];
    const hole = (make: Hole['make']): void => {
      holes.push({ at: items.length, make });
      items.push(undefined);
    };
    while (items.length < length) {
      if (r.once(60)) {
        const words = Array.from({ length: r.once(3) ? 1 + r.below(4) : 1 }, () => this.straight(r));
        const by = r.pick(VIEWS);
        const far = r.once(4) ? { to: undefined as Item | undefined, hops: r.below(12) } : undefined;
        hole((target, at) => {
          const patch = { kind: 'patch', words, by, target: target?.kind === 'word' ? target : undefined } as const;
          return far === undefined ? patch : { ...patch, to: items[at + far.hops] };
        });
        continue;
      } else if (r.once(80)) {
        const counter = r.once(2) ? r.pick(COUNTERS) : undefined;
        const words = Array.from({ length: 1 + r.below(8) }, () => this.straight(r)).filter((word) => !namesLink(word));
        if (counter !== undefined) words[0] = (0x91000000 | (r.pick(HOT) << 5) | r.pick(HOT)) >>> 0;
        items.push({ kind: 'generate', words, by: r.pick(VIEWS), counter, slot: r.below(3) });
        continue;
      } else if (!r.once(branchy)) {
        // An interrupt takes the monitor away.
        if (this.choice.only === undefined && r.once(50))
          items.push({ kind: 'words', words: interrupts || r.once(3) ? this.floatingState(r) : this.exclusive(r) });
        else items.push({ kind: 'word', word: this.straight(r) });
        continue;
      }
      const kind = r.below(20);
      const word = kind < 9 ? this.branch(r) : 0x94000000;
      if (kind < 12) hole((target) => ({ kind: 'branch', word, target }));
      else if (kind < 14) {
        const flow = r.pick(['br', 'blr', 'ret'] as const);
        const register = r.pick([...HOT, ...MORE]);
        const view = r.once(4);
        hole((target) => ({ kind: 'indirect', flow, register, view, target }));
      } else if (kind < 16) items.push({ kind: 'ret' });
      else if (kind < 18 && heads.length < COUNTERS.length) {
        const item: Item = { kind: 'head', register: COUNTERS[heads.length]!, count: r.below(8) };
        heads.push({ register: item.register, item });
        items.push(item);
      } else {
        const open = heads.pop();
        if (open !== undefined)
          items.push({ kind: 'loop', register: open.register, flags: r.once(2), head: open.item });
      }
    }
    for (const open of heads.reverse())
      items.push({ kind: 'loop', register: open.register, flags: r.once(2), head: open.item });
    // Targets are items that are there; one in eight is the end. Near ones are likelier.
    for (const { at, make } of holes) {
      let target: Item | undefined;
      if (!r.once(8)) {
        const span = r.once(2) ? 8 : items.length;
        for (let tries = 0; tries < 8 && target === undefined; tries++) {
          const n = at - (r.once(3) ? span : 0) + r.below(span + 1);
          if (n !== at) target = items[n];
        }
      }
      items[at] = make(target, at);
    }
    return {
      items: items as Item[],
      state: this.state(r, interrupts),
      start: length < 300 && r.once(4) ? (CODE_BYTES / 2 - 4 * (1 + r.below(60))) & ~3 : 4 * r.below(16),
    };
  }

  private address(r: Random): bigint {
    const page = r.pick([1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 5, 5, 5]);
    let offset = r.once(6) ? r.pick([0, 0x1000]) + r.below(64) - 32 : r.below(0x1000);
    if (!r.once(4)) offset &= ~15;
    else if (r.once(2)) offset &= ~7;
    return BigInt(WINDOW + page * 0x1000 + offset);
  }

  private state(r: Random, interrupts: boolean): State {
    const x = new BigUint64Array(31);
    for (let n = 0; n < 31; n++) {
      const kind = r.below(4);
      x[n] = kind === 0 ? r.pick(EDGES) : kind === 1 ? BigInt(r.below(256)) : r.u64();
    }
    for (const n of BASES) if (n !== 31) x[n] = this.address(r);
    for (const n of OFFSETS) x[n] = BigInt.asUintN(64, BigInt(r.below(16) * (r.once(3) ? 1 : 16) - 16));
    x[FUEL] = BigInt(3 + r.below(30));
    // A jump may go past a loop's head.
    for (const n of COUNTERS) x[n] = BigInt(r.below(8));
    const v = new BigUint64Array(64);
    for (let n = 0; n < 64; n++) v[n] = this.half(r);
    return {
      level: r.once(3) ? 1 : 0,
      interrupts,
      x,
      sp: this.address(r),
      nzcv: r.below(16),
      fpcr: this.choice.simd && r.once(2) ? r.u32() & 0x07c80000 : 0,
      fpsr: r.once(8) ? r.u32() & 0x0800009f : r.once(2) ? 0x10 : 0,
      v,
    };
  }

  /** Half of a vector register: random bits, or elements of one format among its edges. */
  private half(r: Random): bigint {
    const kind = r.below(6);
    if (kind <= 1) return r.u64();
    if (kind === 2) return r.pick(EDGES);
    const [edges, bits] =
      kind === 3 ? ([DOUBLES, 64] as const) : kind === 4 ? ([SINGLES, 32] as const) : ([HALVES, 16] as const);
    let half = 0n;
    for (let at = 0; at < 64; at += bits) {
      const sign = BigInt(r.below(2)) << BigInt(bits - 1);
      half |= ((r.once(4) ? BigInt.asUintN(bits - 1, r.u64()) : r.pick(edges)) | sign) << BigInt(at);
    }
    return half;
  }
}

/** Where a program of a batch stands. */
export const codeOf = (index: number): number => CODE + index * CODE_BYTES;
