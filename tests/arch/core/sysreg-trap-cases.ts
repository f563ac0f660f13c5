import { lookupName } from '../../../arch/core/sysreg.ts';
import { OPERATIONS } from '../../../arch/core/sysreg-ops.ts';
import { numberedRows, TABLE } from '../../../arch/core/sysreg-table.ts';
import { hasFeature } from '../../../arch/core/idregs.ts';
import { HCR } from '../../../arch/core/sysreg-bits.ts';

/** Name and encoding. */
export type Instruction = readonly [string, number];

/**
 * One instruction under one setting of the trap controls. The cases follow from a fixed seed: the recorder and the
 * test make the same ones.
 */
export interface TrapCase {
  name: string;
  word: number;
  /** SPSR_EL2 that enters EL1 or EL0. */
  spsr: bigint;
  hcr: bigint;
  mdcr: bigint;
  cptr: bigint;
  cnthctl: bigint;
  sctlr1: bigint;
  sctlr2: bigint;
  cpacr: bigint;
  cntkctl: bigint;
  mdscr: bigint;
  ichHcr: bigint;
}

const HCR_BITS = [
  HCR.FMO,
  HCR.IMO,
  HCR.AMO,
  HCR.FB,
  HCR.TWI,
  HCR.TWE,
  HCR.TID1,
  HCR.TID2,
  HCR.TID3,
  HCR.TACR,
  HCR.TSW,
  HCR.TPC,
  HCR.TPU,
  HCR.TTLB,
  HCR.TVM,
  HCR.TDZ,
  HCR.TRVM,
  HCR.TLOR,
  HCR.E2H,
];

/** A NOP after ERET with any SPSR of AArch64, legal or not. */
export const ANY_RETURN = 'NOP';

/** Registers that the recorded processor does not have, or that would stop it. */
const LEFT_OUT = /^(RNDR|SCXTNUM|SP_EL2|CNTPCTSS|CNTVCTSS|CNTPOFF)/;

/** What is recorded: MRS and MSR of every register that there is, the system instructions, and some others. */
export function instructions(): Instruction[] {
  const list: Instruction[] = [];
  const move = (name: string, key: number): void => {
    list.push([`MRS ${name}`, (0xd5200000 | (key << 5)) >>> 0], [`MSR ${name}`, (0xd5000000 | (key << 5)) >>> 0]);
  };
  for (const name of [...Object.keys(TABLE), ...numberedRows().map(([name]) => name)]) {
    const sysreg = lookupName(name);
    if (!sysreg || LEFT_OUT.test(name)) continue;
    move(name, sysreg.key);
    if (sysreg.redirect) move(`${name}2`, (sysreg.key & ~(7 << 11)) | (5 << 11));
  }
  for (const [key, { name, feature }] of OPERATIONS) {
    if (!feature || hasFeature(feature)) list.push([name, (0xd5000001 | (key << 5)) >>> 0]);
  }
  list.push(
    [ANY_RETURN, 0xd503201f],
    ['FMOV', 0x9e6703e0],
    ['WFE', 0xd503205f],
    ['BRK', 0xd4200540],
    ['ERET', 0xd69f03e0],
  );
  for (const [op1, op2] of [
    [0, 3],
    [0, 4],
    [0, 5],
    [3, 6],
    [3, 7],
  ] as const) {
    list.push([`MSR op1=${op1} op2=${op2}`, (0xd500401f | (op1 << 16) | (1 << 8) | (op2 << 5)) >>> 0]);
  }
  return list;
}

/** Deterministic 32-bit generator (xorshift). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** @param each how many of each instruction at each EL */
export function trapCases(instructions: readonly Instruction[], each: number): TrapCase[] {
  const random = generator(0x2545f491);
  /** A random subset of bits; each stands with a probability of a third. */
  const some = (bits: readonly number[], odds = 3): bigint =>
    bits.reduce((value, n) => (random() % odds === 0 ? value | (1n << BigInt(n)) : value), 0n);
  const cases: TrapCase[] = [];
  for (const [name, word] of instructions) {
    // At EL1 ERET and BRK are exceptions of their own; WFE waits.
    for (const el of name === 'ERET' ? [0] : [0, 1]) {
      const any = name === ANY_RETURN;
      for (let n = 0; n < (any ? 64 : each); n++) {
        const e2h = random() % 3 === 0;
        let hcr = (1n << BigInt(HCR.RW)) | some(HCR_BITS.slice(0, -1), 4);
        if (e2h) hcr |= 1n << BigInt(HCR.E2H);
        if ((el === 0 || any) && random() % 3 === 0) hcr |= 1n << BigInt(HCR.TGE);
        cases.push({
          name: `${name} at EL${el}`,
          word,
          spsr:
            (any ? some([0, 1, 2, 2, 3, 6, 7, 8, 9, 20, 21]) : el === 0 ? 0x3c0n : 0x3c5n) |
            some([22, 23, 28, 29, 30, 31], 2),
          hcr,
          mdcr: some([5, 6, 8, 9, 10, 11], 4),
          cptr: e2h ? some([20, 21, 31], 2) : 0x33ffn | some([10, 31]),
          cnthctl: e2h ? some([0, 1, 8, 9, 10, 11], 2) : some([0, 1], 2),
          sctlr1: 0x30500800n | some([9, 14, 15, 16, 18, 23, 26], 2),
          sctlr2: 0x30500800n | some([14, 15, 16, 18, 23, 26], 2),
          cpacr: some([20, 21], 2),
          cntkctl: some([0, 1, 8, 9], 2),
          mdscr: some([12], 2),
          ichHcr: some([10, 11, 12, 14], 4),
        });
      }
    }
  }
  return cases;
}
