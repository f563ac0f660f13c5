import { join } from 'node:path';
import { parseKey } from '../../arch/core/sysreg-slots.ts';
import { OPERATIONS } from '../../arch/core/sysreg-ops.ts';
import { TABLE, type Row, type SysregName } from '../../arch/core/sysreg-table.ts';
import { CASES, HARNESS, RAM, RESULTS, STATES } from './layout.ts';
import { assemble as assembleHarness, Endless, type Machine, type Part } from './machines.ts';
import type { Random } from './random.ts';
import { disassemble, shorter, type Fuzzer } from './shrink.ts';

/**
 * Random system register accesses, exceptions and returns at EL0, EL1 and EL2, MMU off. The numbers are system.S's.
 */
const WRITE_ALL = 0x40230000;
const READ_ALL = 0x40238000;
const STATE_BYTES = 0x400;
const CODE = 0x48000000;
const CODE_BYTES = 0x1000;
export const SYSTEM_BATCH = 4000;
const VECTORS1 = 0x40201000;
const DATA = 0x40600000;
const AT = { x: 0, hcr: 248, sp: 256, sysregs: 272 } as const;
const REGISTERS = 27;
const FUEL = 28;

const TGE = 1n << 27n;
const TRVM = 1n << 30n;
const E2H = 1n << 34n;

const HVC_END = 0xd400ffe2;
/** The register that MSR's value goes through. */
const VALUE = 26;

/**
 * What QEMU 7.2 does otherwise than the architecture is kept out: PSTATE.DIT, which an exception leaves as it is (DDI 0487,
 * AArch64.TakeException); accesses to Device memory, as all is with the MMU off, that are not aligned; WFE, whose traps it
 * does not know; the syndrome of a trapped MSR DAIFSet or DAIFClr, whose op1 and op2 it swaps; the _EL12 names without
 * HCR_EL2.E2H, which it allows; a step that sets PSTATE.D, after which software step is inactive (D2.12.3); watchpoints
 * on DC CVAP and DC CVADP, which D2.10 does not have; two watchpoints for different exception levels, of which QEMU takes
 * one that an earlier access met for met by this access too (D2.10).
 */

/** Not in a case's state: the harness's, the debug channel's, what devices and time change, or never the same. */
const LEFT_OUT =
  /^(VBAR_EL2|SCTLR_EL2|TPIDR_EL2|HCR_EL2|SP_EL2|CNTFRQ|CNT[PV]_|CNTH[PV]_|CNTPOFF|OS|DBG(PRCR|CLAIM|DTR|AUTH|[BW][VC]R[2-9])|MDCCINT|VPIDR|CSSELR|CNTVOFF|PM)/;

const stored = (name: string, row: Row): boolean =>
  row.computed === undefined && row.value === undefined && row.writeEl !== 3 && !LEFT_OUT.test(name);
/** The registers that a case starts with, and that are compared. */
const SYSREGS = (Object.entries(TABLE) as [SysregName, Row][])
  .filter(([name, row]) => stored(name, row))
  .map(([name, row]) => ({ name, key: parseKey(row.at), row }));

/** What a case may also read: what is not storage, and answers the same on both machines. */
const READABLE = [
  'SPSel',
  'CurrentEL',
  'PAN',
  'UAO',
  'NZCV',
  'DAIF',
  'SSBS',
  'FPCR',
  'FPSR',
  'MPIDR_EL1',
  'ISR_EL1',
  'AFSR0_EL1',
  'AMAIR_EL1',
  'LORID_EL1',
  'SPSR_irq',
] as const;
const WRITABLE = ['SPSel', 'PAN', 'UAO', 'NZCV', 'DAIF', 'SSBS'] as const;

/** SYS but DC ZVA, whose block has another size, and AT (that is fuzz mmu's: PAR_EL1.SH of Device memory is 0b10, not on QEMU). */
const MAINTENANCE = [...OPERATIONS.keys()].filter(
  (key) => key !== parseKey('1 3 7 4 1') && !(((key >> 7) & 15) === 7 && ((key >> 4) & 7) === 4),
);

/** Bits that random values may set. SA, M and EE would be the end of the harness; QEMU does not check the stack's alignment. */
const LIMITS: Partial<Record<string, bigint>> = {
  SCTLR_EL1: 0x0000_1000_0494_d206n | (1n << 20n),
  HCR_EL2: ~((1n << 0n) | (1n << 2n) | (1n << 12n) | (1n << 29n)),
  MDSCR_EL1: 0xb001n,
  DBGBCR0_EL1: 0xe007n,
  DBGBCR1_EL1: 0xe007n,
  DBGWCR0_EL1: 0xffffn,
  DBGWCR1_EL1: 0xffffn,
  // HPME and HPMN belong to the PMU.
  MDCR_EL2: 0xf00n,
  SPSR_EL1: ~(1n << 24n) & ~0x10n,
  SPSR_EL2: ~(1n << 24n) & ~0x10n,
};
/** Bits that are always set. */
const FORCED: Partial<Record<string, bigint>> = { SCTLR_EL1: 0x30500a00n, HCR_EL2: 1n << 31n };

export type SystemItem =
  | { readonly words: readonly number[] }
  | { readonly level: 1 | 2; readonly spsr: number; readonly target: SystemItem | undefined };

export interface SystemCase {
  items: readonly SystemItem[];
  x: BigUint64Array;
  /** In the order of SYSREGS. */
  sysregs: BigUint64Array;
  hcr: bigint;
  sp: bigint;
}

/** Value bits on which both machines keep what is written, by register; found by `calibrate`. */
export type Masks = Map<string, { can: bigint; ones: bigint; agree: bigint }>;

const index = (name: string): number => SYSREGS.findIndex((r) => r.name === name);

const mov = (register: number, value: bigint): number[] =>
  [0, 1, 2, 3]
    .map(
      (k) =>
        ((k === 0 ? 0xd2800000 : 0xf2800000) |
          (k << 21) |
          (Number((value >> BigInt(16 * k)) & 0xffffn) << 5) |
          register) >>>
        0,
    )
    .filter((_, k) => k === 0 || ((value >> BigInt(16 * k)) & 0xffffn) !== 0n);
const mrs = (key: number, rt: number): number => (0xd5200000 | (key << 5) | rt) >>> 0;
const msr = (key: number, rt: number): number => (0xd5000000 | (key << 5) | rt) >>> 0;

function allWords(write: boolean): Buffer {
  const words: number[] = [];
  SYSREGS.forEach(({ key }, n) => {
    if (write) words.push(0xf9400001 | (n << 10), msr(key, 1));
    else words.push(mrs(key, 1), 0xf9000001 | (n << 10));
  });
  words.push(0xd65f03c0);
  return Buffer.from(Uint32Array.from(words.map((w) => w >>> 0)).buffer);
}

export function assembleCase(c: SystemCase): number[] {
  const size = (item: SystemItem): number =>
    'words' in item ? item.words.length : 6 + mov(VALUE, BigInt(item.spsr)).length;
  const place = new Map<SystemItem, number>();
  let at = 0;
  for (const item of c.items) {
    place.set(item, at);
    at += size(item);
  }
  const end = at;
  const words: number[] = [];
  for (const item of c.items) {
    if ('words' in item) {
      words.push(...item.words);
      continue;
    }
    const elr = parseKey(item.level === 1 ? TABLE.ELR_EL1.at : TABLE.ELR_EL2.at);
    const spsr = parseKey(item.level === 1 ? TABLE.SPSR_EL1.at : TABLE.SPSR_EL2.at);
    words.push(
      0x10000000 |
        ((((item.target === undefined ? end : (place.get(item.target) ?? end)) - words.length) & 0x7ffff) << 5) |
        VALUE,
    );
    words.push(msr(elr, VALUE), ...mov(VALUE, BigInt(item.spsr)), msr(spsr, VALUE));
    // Nothing between that could be returned to: each ERET costs fuel.
    words.push(0xd1000400 | (FUEL << 5) | FUEL);
    words.push(0xb4000000 | ((end - words.length) << 5) | FUEL, 0xd69f03e0);
  }
  while (words.length < CODE_BYTES / 4) words.push(HVC_END);
  return words.map((w) => w >>> 0);
}

export class SystemFuzzer implements Fuzzer<SystemCase> {
  private readonly harness = assembleHarness(join(import.meta.dirname, 'system.S'));
  private masks: Masks = new Map();
  /** HCR_EL2.VF, VI or VSE: the one of the case being made. */
  private virtual = 0;
  /** Whether its debug exceptions may be on. Then MDCR_EL2.TDE is off: steps at a vector would show the NZCV that QEMU clears. */
  private debugging = false;

  constructor(qemu: Machine, ours: Machine) {
    this.calibrate(qemu, ours);
  }

  run(machine: Machine, cases: readonly SystemCase[]): Buffer {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(cases.length));
    const states = Buffer.alloc(cases.length * STATE_BYTES);
    const code = Buffer.alloc(cases.length * CODE_BYTES);
    cases.forEach((c, n) => {
      const at = n * STATE_BYTES;
      c.x.forEach((value, r) => states.writeBigUInt64LE(value, at + AT.x + 8 * r));
      states.writeBigUInt64LE(c.hcr, at + AT.hcr);
      states.writeBigUInt64LE(c.sp, at + AT.sp);
      c.sysregs.forEach((value, r) => states.writeBigUInt64LE(value, at + AT.sysregs + 8 * r));
      states.writeBigUInt64LE(BigInt(CODE + n * CODE_BYTES), at + AT.sysregs + 8 * index('ELR_EL2'));
      for (const k of [0, 1]) {
        const at2 = at + AT.sysregs + 8 * index(`DBGBVR${k}_EL1`);
        states.writeBigUInt64LE(BigInt(CODE + n * CODE_BYTES) + (c.sysregs[index(`DBGBVR${k}_EL1`)]! & 0x7cn), at2);
      }
      // Returns from EL1 go into the code.
      states.writeBigUInt64LE(
        BigInt(CODE + n * CODE_BYTES) + (c.sysregs[index('ELR_EL1')]! & 0xfcn),
        at + AT.sysregs + 8 * index('ELR_EL1'),
      );
      assembleCase(c).forEach((word, i) => code.writeUInt32LE(word, n * CODE_BYTES + 4 * i));
    });
    const parts: Part[] = [
      { offset: HARNESS - RAM, bytes: this.harness },
      { offset: CASES - RAM, bytes: count },
      { offset: WRITE_ALL - RAM, bytes: allWords(true) },
      { offset: READ_ALL - RAM, bytes: allWords(false) },
      { offset: STATES - RAM, bytes: states },
      { offset: CODE - RAM, bytes: code },
      { offset: DATA - RAM, bytes: Buffer.alloc(0x1000) },
    ];
    return machine.run(parts, RESULTS - RAM, cases.length * STATE_BYTES);
  }

  private blank(): SystemCase {
    const sysregs = new BigUint64Array(SYSREGS.length);
    SYSREGS.forEach(
      ({ name }, n) =>
        (sysregs[n] = (FORCED[name] ?? 0n) | (/^E|^FAR/.test(name) ? 0n : (this.masks.get(name)?.ones ?? 0n))),
    );
    sysregs[index('SPSR_EL2')] = 0x3c9n;
    sysregs[index('VBAR_EL1')] = BigInt(VECTORS1);
    sysregs[index('CPTR_EL2')] = 0x33ffn;
    const x = new BigUint64Array(31);
    x[FUEL] = 8n;
    x[25] = BigInt(DATA);
    return { items: [], x, sysregs, hcr: FORCED['HCR_EL2']!, sp: BigInt(DATA + 0x800) };
  }

  /**
   * Finds which bits of each register keep a value on both machines.
   * @returns lines about the bits that only one keeps
   */
  private calibrate(qemu: Machine, ours: Machine): string[] {
    const cases: SystemCase[] = [];
    for (const ones of [true, false]) {
      for (const { name } of SYSREGS) {
        const c = this.blank();
        if (!['SPSR_EL2', 'ELR_EL2', 'VBAR_EL1', 'SCTLR_EL1'].includes(name))
          c.sysregs[index(name)] = ones ? BigInt.asUintN(64, LIMITS[name] ?? -1n) : 0n;
        cases.push(c);
      }
      const c = this.blank();
      c.hcr = ones ? BigInt.asUintN(64, LIMITS['HCR_EL2']! & ~(1n << 27n) & ~(1n << 34n)) : FORCED['HCR_EL2']!;
      cases.push(c);
    }
    const theirs = this.run(qemu, cases);
    const mine = this.run(ours, cases);
    if (qemu.stuck !== undefined || ours.stuck !== undefined) throw new Endless('writing the registers does not end');
    const lines: string[] = [];
    const half = SYSREGS.length + 1;
    [...SYSREGS.map((r) => r.name), 'HCR_EL2'].forEach((name, n) => {
      const offset = name === 'HCR_EL2' ? AT.hcr : AT.sysregs + 8 * n;
      const read = (b: Buffer, i: number): bigint => b.readBigUInt64LE(i * STATE_BYTES + offset);
      const [q1, q0, o1, o0] = [read(theirs, n), read(theirs, n + half), read(mine, n), read(mine, n + half)];
      const can = q1 & ~q0 & o1 & ~o0;
      this.masks.set(name, { can, ones: o0, agree: ~((q1 ^ o1) | (q0 ^ o0)) & (LIMITS[name] ?? -1n) });
      if (q1 !== o1 || q0 !== o0)
        lines.push(
          `${name}: ones ${o1.toString(16)}, QEMU ${q1.toString(16)}; zeros ${o0.toString(16)}, QEMU ${q0.toString(16)}`,
        );
    });
    return lines;
  }

  private value(r: Random, name: string): bigint {
    const { can, ones } = this.masks.get(name) ?? { can: -1n, ones: 0n };
    const random = r.once(3) ? r.u64() & r.u64() : r.once(2) ? r.u64() : r.u64() & r.u64() & r.u64();
    // One virtual interrupt at a time, and none where there may be a step: which comes first is IMPLEMENTATION DEFINED.
    const pending = this.debugging ? 0n : 1n << BigInt(6 + this.virtual);
    // Nor traps of what a handler at EL1 reads: after a breakpoint on an ERET's fuel it must return to that, and not to the next.
    const traps = this.debugging ? TRVM : 0n;
    const limit = (LIMITS[name] ?? -1n) & (name === 'HCR_EL2' ? (~(7n << 6n) | pending) & ~traps : -1n);
    if (name.startsWith('DBGWCR') && this.debugging) return random & can & limit & ~1n;
    if (name === 'MDCR_EL2' && this.debugging) return random & can & 0xe00n;
    if (name === 'MDSCR_EL1' && !this.debugging) return random & can & 0x1000n;
    return BigInt.asUintN(64, random & can & limit) | (FORCED[name] ?? 0n) | ones;
  }

  private pstate(r: Random, el: number): number {
    const stack = el === 0 || r.once(4) ? 0 : 1;
    // NZCV, DAIF, SSBS, SS, IL now and then, PAN, UAO.
    return ((el << 2) | stack | (r.u32() & 0xf020_13c0) | (r.once(12) ? 1 << 20 : 0) | (r.u32() & (3 << 22))) >>> 0;
  }

  private item(r: Random, hcr: bigint): SystemItem[] {
    const e2h = (hcr & E2H) !== 0n;
    const general = (): number => (r.once(10) ? 31 : r.below(25));
    switch (r.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const key = this.key(r, e2h, r.once(6) ? TABLE[r.pick(READABLE)].at : r.pick(SYSREGS).row.at);
        return key === parseKey(TABLE.CPTR_EL2.at) ? [] : [{ words: [mrs(key, general())] }];
      }
      case 4:
      case 5:
      case 6:
      case 7: {
        if (r.once(5)) {
          const name = r.pick(WRITABLE);
          return this.debugging && name === 'DAIF' ? [] : [{ words: [msr(parseKey(TABLE[name].at), general())] }];
        }
        const { name, row } = r.once(5) ? { name: 'HCR_EL2', row: TABLE.HCR_EL2 as Row } : r.pick(SYSREGS);
        // With HCR_EL2.E2H these would reach the harness's own.
        if (/^(VBAR|SCTLR|TTBR|TCR|MAIR|FAR)/.test(name)) return [];
        // ADR of the next item: nothing may lead between an ERET and its fuel.
        if (name.startsWith('ELR'))
          return [{ words: [0x10000000 | (2 << 5) | VALUE, msr(this.key(r, e2h, row.at), VALUE)] }];
        const value = name === 'HCR_EL2' ? (this.value(r, name) & ~(E2H | TGE)) | (hcr & E2H) : this.value(r, name);
        return [{ words: [...mov(VALUE, value), msr(this.key(r, e2h, row.at), VALUE)] }];
      }
      case 8: {
        // MSR (immediate): UAO, PAN, SPSel, SSBS, DAIFSet, DAIFClr.
        const host = e2h && (hcr & TGE) !== 0n;
        const [op1, op2] = host
          ? ([0, 4] as const)
          : r.pick([
              [0, 3],
              [0, 4],
              [0, 5],
              [3, 1],
              [3, 6],
              [3, 7],
              [3, 6],
              [3, 7],
            ] as const);
        return [
          {
            words: [
              (0xd500401f | (op1 << 16) | (r.below(this.debugging && op2 === 6 ? 8 : 16) << 8) | (op2 << 5)) >>> 0,
            ],
          },
        ];
      }
      case 9:
        return [{ words: [r.pick([0xd4000001, 0xd4000002, 0xd4200000]) | (r.below(0x700) << 5)].map((w) => w >>> 0) }];
      case 10:
        return [{ words: [r.pick([0x00000000, 0xd5033fdf, 0xd503309f, 0xd50331bf, 0x1e604020, 0xd5032e1f])] }];
      case 11: {
        // Loads and stores: plain, unprivileged, exclusive, acquire, atomic.
        const word = r.pick([
          0xf9400000, 0xb9400000, 0x39400000, 0xf9000000, 0xf8410800, 0xf8010800, 0xc85f7c00, 0xc8dffc00, 0xf8e00000,
        ]);
        return [{ words: [(word | (25 << 5) | general()) >>> 0] }];
      }
      case 12: {
        const key = r.pick(MAINTENANCE);
        return this.debugging && (key & 0x3f7) === 0x3e1 ? [] : [{ words: [msr(key, r.once(2) ? 31 : 25)] }];
      }
      default:
        return [];
    }
  }

  /** An encoding; for a VHE host sometimes as _EL12 or _EL02. */
  private key(r: Random, e2h: boolean, at: string): number {
    const key = parseKey(at);
    return e2h && r.once(4) ? (key & ~(7 << 11)) | (5 << 11) : key;
  }

  /** Breakpoints, watchpoints and software step, in a third of the cases; combinations that are not reserved. */
  private debug(r: Random, c: SystemCase): void {
    const on = this.debugging;
    // FAR_ELx is UNKNOWN after a breakpoint; QEMU sets it to 0.
    const breakpoints = r.once(2);
    if (on) for (const name of ['FAR_EL1', 'FAR_EL2']) c.sysregs[index(name)] = 0n;
    const set = (name: string, value: number): void => void (c.sysregs[index(name)] = BigInt(value));
    set('MDSCR_EL1', on ? (r.once(2) ? 0x8000 : 0) | (r.once(2) ? 0x2000 : 0) | (r.once(2) ? 1 : 0) : 0);
    let control = 0;
    for (const k of [0, 1]) {
      // HMC, SSC, and PMC or PAC; of watchpoints the same.
      const [hmc, ssc, levels] = r.pick([
        [0, 0, 1],
        [0, 0, 2],
        [0, 0, 3],
        [1, 0, 1],
        [1, 0, 3],
        [1, 3, 0],
      ] as const);
      if (breakpoints || k === 0) control = (hmc << 13) | (ssc << 14) | (levels << 1) | 1;
      set(`DBGBCR${k}_EL1`, on && breakpoints && r.once(2) ? control | 0x1e0 : 0x1e0);
      const bytes = r.pick([0xff, 0x0f, 0xf0, 0x01, 0x03, 0x80]);
      set(`DBGWVR${k}_EL1`, DATA);
      set(`DBGWCR${k}_EL1`, on && !breakpoints && r.once(2) ? control | ((1 + r.below(3)) << 3) | (bytes << 5) : 0);
    }
  }

  make(r: Random): SystemCase {
    const c = this.blank();
    this.virtual = r.below(3);
    this.debugging = r.once(3);
    for (let n = 0; n < 25; n++) c.x[n] = r.once(3) ? r.u64() : BigInt(r.below(0x1000));
    SYSREGS.forEach(({ name }, n) => {
      if (name !== 'VBAR_EL1') c.sysregs[n] = this.value(r, name);
    });
    this.debug(r, c);
    const sparse = r.once(2);
    if (sparse) for (const name of ['MDCR_EL2', 'CPTR_EL2', 'CNTHCTL_EL2'] as const) c.sysregs[index(name)] = 0n;
    c.hcr =
      (r.once(3) ? this.value(r, 'HCR_EL2') : this.value(r, 'HCR_EL2') & this.value(r, 'HCR_EL2') & r.u64()) |
      FORCED['HCR_EL2']!;
    if (!r.once(4)) c.hcr &= ~TGE;
    // A host's applications: DAIF traps.
    if ((c.hcr & E2H) !== 0n && r.once(2)) c.hcr &= ~TGE;
    c.sysregs[index('SPSR_EL2')] = BigInt(this.pstate(r, r.below(3)));
    c.sysregs[index('SPSR_EL1')] = BigInt(this.pstate(r, r.below(2)));
    c.x[FUEL] = BigInt(2 + r.below(12));
    c.x[27] = 0n;
    const items: SystemItem[] = [];
    const length = 2 + r.below(16);
    const returns: number[] = [];
    while (items.length < length) {
      if (r.once(9)) {
        returns.push(items.length);
        items.push({ words: [] });
      } else items.push(...this.item(r, c.hcr));
    }
    for (const at of returns.reverse()) {
      const level = r.once(3) ? 2 : 1;
      items[at] = {
        level,
        spsr: (this.pstate(r, r.below(level + 1)) & ~(r.once(20) ? 0 : 1 << 20)) >>> 0,
        target: r.once(4) ? undefined : items[at + 1 + r.below(3)],
      };
    }
    c.items = items;
    return c;
  }

  differences(mine: Buffer, theirs: Buffer, n: number): string[] {
    const at = n * STATE_BYTES;
    const out: string[] = [];
    const compare = (name: string, offset: number): void => {
      const agree = this.masks.get(name)?.agree ?? -1n;
      const [a, b] = [mine, theirs].map((result) =>
        BigInt.asUintN(64, result.readBigUInt64LE(at + offset) & agree),
      ) as [bigint, bigint];
      if (a !== b) out.push(`${name}: ${a.toString(16)}, QEMU ${b.toString(16)}`);
    };
    if (mine.subarray(at, at + STATE_BYTES).equals(theirs.subarray(at, at + STATE_BYTES))) return out;
    // A return went astray: there is flash on QEMU's board, and QEMU finds the abort before the misaligned PC.
    for (const name of ['ESR_EL1', 'ESR_EL2'])
      if (/^(20|21|22)$/.test((mine.readBigUInt64LE(at + AT.sysregs + 8 * index(name)) >> 26n).toString(16)))
        return out;
    for (let r = 0; r < REGISTERS + 2; r++) compare(r === 27 ? 'exceptions' : `x${r}`, AT.x + 8 * r);
    compare('HCR_EL2', AT.hcr);
    compare('SP', AT.sp);
    SYSREGS.forEach(({ name }, r) => compare(name, AT.sysregs + 8 * r));
    return out;
  }

  simpler(c: SystemCase): SystemCase[] {
    const tries = shorter(c);
    const base = this.blank();
    c.sysregs.forEach((value, r) => {
      if (value === base.sysregs[r]) return;
      const sysregs = c.sysregs.slice();
      sysregs[r] = base.sysregs[r]!;
      tries.push({ ...c, sysregs });
    });
    for (let b = 0n; b < 64n; b++) if (((c.hcr & ~base.hcr) >> b) & 1n) tries.push({ ...c, hcr: c.hcr & ~(1n << b) });
    const spsr = index('SPSR_EL2');
    for (let b = 4n; b < 32n; b++) {
      if (((c.sysregs[spsr]! >> b) & 1n) === 0n) continue;
      const sysregs = c.sysregs.slice();
      sysregs[spsr]! &= ~(1n << b);
      tries.push({ ...c, sysregs });
    }
    if (c.x[FUEL]! > 1n) tries.push({ ...c, x: c.x.with(FUEL, c.x[FUEL]! - 1n) });
    return tries;
  }

  describe(c: SystemCase): string[] {
    const words = assembleCase(c);
    const used = c.items.reduce(
      (sum, item) => sum + ('words' in item ? item.words.length : 6 + mov(VALUE, BigInt(item.spsr)).length),
      0,
    );
    const base = this.blank();
    const state = SYSREGS.map(({ name }, n) =>
      c.sysregs[n] === base.sysregs[n] ? '' : `${name}=${c.sysregs[n]!.toString(16)}`,
    ).filter((s) => s !== '');
    return [
      ...disassemble(words.slice(0, used + 1), CODE),
      `HCR_EL2=${c.hcr.toString(16)} fuel ${c.x[FUEL]} ${state.join(' ')}`,
    ];
  }
}
