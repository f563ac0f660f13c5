import { decode } from '../../../arch/a64/decode.ts';
import type { Instruction } from '../../../arch/a64/encoding.ts';
import { dataImmediate } from '../../../arch/a64/table/data-immediate.ts';
import { dataRegister } from '../../../arch/a64/table/data-register.ts';
import { table } from '../../../arch/a64/table/index.ts';
import { PSTATE } from '../../../arch/core/frame.ts';
import { HCR, MDCR, SCTLR } from '../../../arch/core/sysreg-bits.ts';
import { OPERATIONS } from '../../../arch/core/sysreg-ops.ts';
import { random, testable } from './cases.ts';
import type { ControlCase } from './control-vectors.ts';
import { filler } from './programs.ts';

/**
 * Cases of the instructions that change the flow of control or the state of the system: at an exception level and under
 * settings of their own, alone and in the middle of a program. A case has a page to itself, filled with BRKs that tell
 * where control came; it ends with its first exception.
 */
export const RAM = 0x40000000;
export const RAM_BYTES = 256 << 20;
/** One page for each case. control-vectors.S knows these as well. */
export const CODE = 0x48000000;
export const PAGE = 0x1000;
/** What the recorder has of RAM before the cases. */
const RECORDER_END = 0x44000000;
/** Recorded alone, and as many in a program. */
export const CASES = 100;
/** SCTLR_EL2 of all cases. */
export const SCTLR_EL2 = 0x30c50830n;

/** BRK at word `n` of a page. */
export const landing = (n: number): number => (0xd4200000 | ((0xb000 | n) << 5)) >>> 0;

/** The rows that straight-line code cannot show, and conditional branches, of which it shows one distance. */
export const controlRows: readonly Instruction[] = [
  ...table.filter((row) => !testable(row)),
  ...table.filter((row) => row.flow === 'branch'),
];

const NZCV = 15 << 28;
const RANDOM_PSTATE =
  NZCV | PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F | PSTATE.SSBS | PSTATE.PAN | PSTATE.UAO | PSTATE.DIT;
const bit = (n: number): bigint => 1n << BigInt(n);
const has = (value: bigint, n: number): boolean => (value & bit(n)) !== 0n;

const EDGES = [
  0n,
  1n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn,
];

/** X0–X30 that a case starts with, but for those that it says itself. */
export function registersOf(seed: number): BigUint64Array {
  const next = random(seed);
  return BigUint64Array.from({ length: 31 }, () => {
    const kind = next() % 4;
    if (kind === 0) return EDGES[next() % EDGES.length]!;
    if (kind === 1) return BigInt(next() & 0xff);
    return (BigInt(next()) << 32n) | BigInt(next());
  });
}

/** SP_EL0, SP_EL1 and SP_EL2. */
export function stacksOf(seed: number): readonly [bigint, bigint, bigint] {
  const next = random(seed ^ 0x77);
  const one = (): bigint => BigInt(0x45000000 + (next() & 0xfffff0));
  return [one(), one(), one()];
}

const CAN_BE_TRAPPED = new Set(['SYS', 'SYSL']);

class Maker {
  private readonly next: () => number;
  private readonly chunks: { at: number; words: number[] }[] = [];
  private readonly x = new Map<number, bigint>();
  private el: 0 | 1 | 2 = 0;
  private hcr = 1n << 31n;
  private sctlr = 0x30500800n;
  private mdcr = 0n;
  private elr = 0n;
  private spsr = 0;
  private tcr1 = 0n;
  private tcr2 = 0n;
  private pstate = 0;
  private readonly row: Instruction;
  private readonly index: number;
  private readonly inside: boolean;

  constructor(row: Instruction, index: number, inside: boolean, attempt: number) {
    this.row = row;
    this.index = index;
    this.inside = inside;
    this.next = random(index ^ 0x3c6ef372 ^ (attempt << 20));
  }

  private once(n: number): boolean {
    return this.next() % n === 0;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.next() % list.length]!;
  }

  /** Instructions that set and use registers and flags; none where the instruction is alone. */
  private program(): number[] {
    if (!this.inside) return [];
    return Array.from({ length: 2 + (this.next() % 5) }, () =>
      filler(this.next, this.once(3) ? dataImmediate : dataRegister),
    );
  }

  private base(): number {
    return CODE + this.index * PAGE;
  }

  /** A word of the page with room behind it. The entry is in the middle. */
  private place(): number {
    return this.once(2) ? 16 + (this.next() % 400) : 600 + (this.next() % 400);
  }

  private settings(): void {
    const { next, row } = this;
    this.el = this.pick([0, 1, 2]);
    if (this.once(4)) this.hcr |= bit(HCR.E2H);
    if (this.el !== 1 && this.once(2)) this.hcr |= bit(HCR.TGE) | (this.once(2) ? bit(HCR.E2H) : 0n);
    for (const n of [SCTLR.nTWI, SCTLR.nTWE, SCTLR.UMA, SCTLR.UCI, SCTLR.SPAN]) if (this.once(2)) this.sctlr |= bit(n);
    if (this.once(3)) this.mdcr = bit(MDCR.TDE);
    if (this.once(2)) this.tcr1 = bit(37) | (this.once(2) ? bit(38) : 0n);
    if (this.once(2)) this.tcr2 = has(this.hcr, HCR.E2H) ? bit(37) : bit(20);
    const traps = CAN_BE_TRAPPED.has(row.name) ? [HCR.TTLB, HCR.TPU, HCR.TPC, HCR.TSW] : [];
    for (const n of traps) if (this.once(3)) this.hcr |= bit(n);
    if (this.once(3)) this.hcr |= bit(HCR.TSC) | (this.once(2) ? bit(HCR.HCD) : 0n);
    this.pstate = ((next() & RANDOM_PSTATE) | this.mode(this.el)) >>> 0;
  }

  private mode(el: number): number {
    return (el << PSTATE.EL_SHIFT) | (el === 0 || this.once(3) ? 0 : PSTATE.SP);
  }

  /** Where a branch through a register may go. */
  private target(word: number): bigint {
    const inPage = BigInt(this.base() + 4 * word);
    if (this.inside) return inPage;
    switch (this.next() % 8) {
      case 0:
        return inPage + BigInt(1 + (this.next() % 3));
      case 1:
        return BigInt(RECORDER_END + (this.next() & 0x3fffffc));
      // A tag.
      case 2:
        return inPage | (BigInt(this.next() & 0x7f) << 56n);
      case 3:
        return inPage | (BigInt(this.next() & 0xff) << 56n) | 0x00ff000000000000n;
      default:
        return inPage;
    }
  }

  /** A direct branch's word with the offset from one word of the page to another, or to anywhere in RAM. */
  private direct(from: number, to: number): number {
    let offset = to - from;
    if (!this.inside && this.once(2)) offset = this.next() | 0;
    const word = (this.row.value | (offset & 0x3ffffff)) >>> 0;
    const address = this.base() + 4 * (from + ((word << 6) >> 6));
    return address >= RECORDER_END && address < RAM + RAM_BYTES
      ? word
      : (this.row.value | ((to - from) & 0x3ffffff)) >>> 0;
  }

  /** A conditional branch to a word of the page, often by a register that is zero. */
  private conditional(from: number, to: number): number {
    const { row } = this;
    const [distance] = row.fields.filter((f) => f.name === 'imm19' || f.name === 'imm14');
    const { lsb, width } = distance!;
    const mask = ((2 ** width - 1) << lsb) >>> 0;
    const word = ((((this.next() & ~row.mask) | row.value) & ~mask) | (((to - from) << lsb) & mask)) >>> 0;
    const rt = row.fields.some((f) => f.name === 'Rt') ? word & 31 : 31;
    if (rt !== 31 && this.once(2)) this.x.set(rt, 0n);
    return word;
  }

  private system(): number {
    const { next } = this;
    const rt = this.once(4) ? 31 : next() % 25;
    if (this.row.name === 'SYS' && !this.once(4)) {
      const key = this.pick([...OPERATIONS.keys()]);
      // An address in RAM, for what translates one.
      if (rt !== 31 && ((key >> 7) & 15) === 7) this.x.set(rt, BigInt(RECORDER_END + (next() & 0xffffc0)));
      return (0xd5000000 | (key << 5) | rt) >>> 0;
    }
    const crn = this.once(2) ? this.pick([11, 15]) : next() % 16;
    return (this.row.value | ((next() & 7) << 16) | (crn << 12) | ((next() & 0x7f) << 5) | rt) >>> 0;
  }

  private word(): number {
    const { row, next } = this;
    let word = ((next() & ~row.mask) | row.value) >>> 0;
    if (row.name === 'MSR (immediate)') {
      const [op1, op2] = this.pick([
        [0, 3],
        [0, 4],
        [0, 5],
        [3, 1],
        [3, 2],
        [3, 6],
        [3, 7],
      ] as const);
      word = (0xd500401f | (op1 << 16) | ((next() & 15) << 8) | (op2 << 5)) >>> 0;
    }
    return word;
  }

  /** SPSR_ELx of an exception return: mostly legal, with any bit that AArch64 has; AArch32 where no EL could be meant. */
  private returnState(): number {
    const kind = this.next() % 8;
    const mode =
      kind === 0 ? this.next() & 15 : kind === 1 ? 16 | (1 + (this.next() % 15)) : this.mode(this.next() % 3);
    return ((this.next() & RANDOM_PSTATE) | (this.once(8) ? PSTATE.IL : 0) | mode) >>> 0;
  }

  make(): ControlCase | undefined {
    this.settings();
    const { row, next, chunks } = this;
    const start = 500;
    const before = this.program();
    let at = start + before.length;
    const there = this.place();
    const landingProgram = (): void => void chunks.push({ at: there, words: this.program() });
    const finish = (...words: number[]): void => void chunks.unshift({ at: start, words: [...before, ...words] });
    switch (row.flow === 'branch' ? row.flow : row.name) {
      case 'branch':
        finish(this.conditional(at, there), ...this.program());
        landingProgram();
        break;
      case 'B':
        finish(this.direct(at, there), ...this.program());
        landingProgram();
        break;
      case 'BL':
      case 'BLR': {
        let word: number;
        if (row.name === 'BL') word = this.direct(at, there);
        else {
          const rn = this.inside ? 26 + (next() % 5) : next() % 31;
          this.x.set(rn, this.target(there));
          word = (row.value | (rn << 5)) >>> 0;
        }
        finish(word, ...this.program());
        // A called function that returns, or not.
        if (this.inside) chunks.push({ at: there, words: [...this.program(), ...(this.once(2) ? [0xd65f03c0] : [])] });
        break;
      }
      case 'BR': {
        const rn = this.inside ? 26 + (next() % 5) : next() % 31;
        this.x.set(rn, this.target(there));
        finish((row.value | (rn << 5)) >>> 0, ...this.program());
        landingProgram();
        break;
      }
      case 'RET': {
        const rn = this.inside || this.once(2) ? 30 : next() % 31;
        const word = (row.value | (rn << 5)) >>> 0;
        if (this.inside && this.once(2)) {
          // Out of a function that has been called.
          finish((0x94000000 | ((there - at) & 0x3ffffff)) >>> 0, ...this.program());
          const words = this.program();
          chunks.push({ at: there, words: [...words, word] });
          at = there + words.length;
        } else {
          this.x.set(rn, this.target(there));
          finish(word, ...this.program());
          landingProgram();
        }
        break;
      }
      case 'ERET':
        this.elr = this.target(there);
        this.spsr = this.returnState();
        if (this.el === 2) {
          this.x.set(26, this.elr);
          this.x.set(27, BigInt(this.spsr));
          // MSR ELR_EL2, X26; MSR SPSR_EL2, X27.
          finish(0xd51c403a, 0xd51c401b, row.value);
          at += 2;
        } else finish(row.value);
        landingProgram();
        break;
      case 'WFI':
        // It goes on where it is trapped, or an interrupt waits.
        if (this.el === 2) this.el = 1;
        this.hcr &= ~bit(HCR.TGE);
        if (this.once(2)) this.hcr |= bit(HCR.TWI);
        else this.hcr |= bit(HCR.IMO) | bit(HCR.VI);
        this.pstate = ((this.pstate & ~15) | this.mode(this.el) | PSTATE.I) >>> 0;
        finish(row.value, ...this.program());
        break;
      case 'MSR (immediate)':
        if (this.once(2) && !has(this.hcr, HCR.TGE)) {
          // What it lets in.
          this.hcr |= bit(HCR.IMO) | bit(HCR.VI);
          this.pstate |= PSTATE.I;
        }
        finish(this.word(), ...this.program());
        break;
      case 'SYS':
      case 'SYSL':
        finish(this.system(), ...this.program());
        break;
      default:
        finish(this.word(), ...this.program());
    }
    const word = chunks.flatMap((c) => c.words[at - c.at] ?? [])[0]!;
    if (decode(word)?.row !== row || this.unusable(word)) return undefined;
    return {
      chunks: chunks.filter((c) => c.words.length > 0),
      start,
      at,
      x: [...this.x],
      pstate: this.pstate >>> 0,
      hcr: this.hcr,
      sctlr: this.sctlr,
      mdcr: this.mdcr,
      elr: this.elr,
      spsr: this.spsr,
      tcr1: this.tcr1,
      tcr2: this.tcr2,
    };
  }

  /** What QEMU 7.2 has otherwise (tests/arch/core/differences.test.ts), or is of features that only it has. */
  private unusable(word: number): boolean {
    const key = (word >>> 5) & 0xffff;
    switch (this.row.name) {
      case 'WFE':
        return !has(this.sctlr, SCTLR.nTWE);
      case 'SYS':
      case 'SYSL': {
        const [op1, crn, crm] = [(key >> 11) & 7, (key >> 7) & 15, (key >> 3) & 15];
        // DC ZVA, whose block has another size; AT; DC GVA and DC GZVA; what is restricted by EL3; TLBI nXS; CFP, DVP, CPP RCTX.
        if (crn === 7 && (crm === 4 || crm === 8 || crm === 9)) return true;
        return op1 >= 6 || crn === 9 || (crn === 7 && crm === 3 && op1 === 3);
      }
      case 'MSR (immediate)':
        // DAIF from EL0, where it is trapped: the syndrome.
        return this.el === 0 && (word & 0xe0) >= 0xc0 && ((word >> 16) & 7) === 3;
      default:
        return false;
    }
  }
}

/** Case `index` of all: of a row, alone or inside a program. */
export function makeCase(row: Instruction, index: number, inside: boolean): ControlCase {
  for (let attempt = 0; attempt < 500; attempt++) {
    const c = new Maker(row, index, inside, attempt).make();
    if (c !== undefined) return c;
  }
  throw new Error(`${row.name}: no case in 500 attempts`);
}
