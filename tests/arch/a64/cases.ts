import { decode } from '../../../arch/a64/decode.ts';
import { extract, type Instruction } from '../../../arch/a64/encoding.ts';
import { atomics } from '../../../arch/a64/table/atomics.ts';
import { branches } from '../../../arch/a64/table/branches.ts';
import { dataImmediate } from '../../../arch/a64/table/data-immediate.ts';
import { dataRegister } from '../../../arch/a64/table/data-register.ts';
import { fpComplex } from '../../../arch/a64/table/fp-complex.ts';
import { fpConvert } from '../../../arch/a64/table/fp-convert.ts';
import { fpScalar } from '../../../arch/a64/table/fp-scalar.ts';
import { fpVector } from '../../../arch/a64/table/fp-vector.ts';
import { fpVectorConvert } from '../../../arch/a64/table/fp-vector-convert.ts';
import { loadsStores } from '../../../arch/a64/table/loads-stores.ts';
import { simdAes } from '../../../arch/a64/table/simd-aes.ts';
import { simdByElement } from '../../../arch/a64/table/simd-by-element.ts';
import { simdCopy } from '../../../arch/a64/table/simd-copy.ts';
import { simdDot } from '../../../arch/a64/table/simd-dot.ts';
import { simdLoadStore } from '../../../arch/a64/table/simd-load-store.ts';
import { simdMisc } from '../../../arch/a64/table/simd-misc.ts';
import { simdPermute } from '../../../arch/a64/table/simd-permute.ts';
import { simdSha } from '../../../arch/a64/table/simd-sha.ts';
import { simdShift } from '../../../arch/a64/table/simd-shift.ts';
import { simdThreeDifferent } from '../../../arch/a64/table/simd-three-different.ts';
import { simdThreeSame } from '../../../arch/a64/table/simd-three-same.ts';
import { system } from '../../../arch/a64/table/system.ts';
import { CODE, DATA } from './harness.ts';

/**
 * Cases of one instruction on random and edge operands. A case is a word, sometimes a word in front of it, and a seed
 * from which the registers follow, so that a vector file holds only what the instruction changed.
 */

/** The vector files and their rows. */
export const GROUPS: Record<string, readonly Instruction[]> = {
  'data-immediate': dataImmediate,
  'data-register': dataRegister,
  'loads-stores': loadsStores,
  atomics,
  branches,
  system,
  'simd-moves': [...simdCopy, ...simdPermute],
  'simd-integer': [...simdThreeSame, ...simdMisc, ...simdThreeDifferent, ...simdByElement, ...simdDot],
  'simd-shift': simdShift,
  'simd-load-store': simdLoadStore,
  'simd-crypto': [...simdAes, ...simdSha],
  'fp-scalar': fpScalar,
  'fp-convert': [...fpConvert, ...fpVectorConvert],
  'fp-vector': [...fpVector, ...fpComplex],
};

/** X0–X27 are free for cases; X28–X30 belong to the recorder. */
export const FREE = 28;
export const NOP = 0xd503201f;
/** A batch of the recorder: slots of so many words, a case's at their end before the two ways out. */
export const SLOTS = 8192;
export const SLOT_WORDS = 4;
/** Address of the last word of case `seed`. */
export const pcOf = (seed: number): bigint => CODE + BigInt(4 * (SLOT_WORDS * (seed % SLOTS) + SLOT_WORDS - 3));

export interface Case {
  /** The instruction last; what stands before it prepares flags, a reservation or memory. */
  readonly words: readonly number[];
  /** Its number in the vector file; its slot follows from it. */
  readonly seed: number;
}

export interface State {
  x: BigUint64Array;
  sp: bigint;
  /** Low and high halves in turn. */
  v: BigUint64Array;
  nzcv: number;
  fpcr: number;
  fpsr: number;
}

/** xorshift32; the numbers are unsigned. */
export function random(seed: number): () => number {
  let s = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const next = (): number => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
  next();
  return next;
}

/** What the data area holds before each case. */
export const dataByte = (i: number): number => Math.imul(i, 0x9e3779b1) >>> 24;

const EDGES = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffff80000000n,
  0xffffffffffffffffn,
  0xfffffffffffffffen,
];

const DOUBLES = [
  0n,
  1n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x3fe0000000000000n,
  0x3ff0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0x7fe0000000000000n,
  0x7fefffffffffffffn,
  0x7ff0000000000000n,
  0x7ff0000000000001n,
  0x7ff8000000000000n,
  0x7ff8000000000123n,
  0x41dfffffffc00000n,
  0x43e0000000000000n,
];
const SINGLES = [
  0n,
  1n,
  0x007fffffn,
  0x00800000n,
  0x3f000000n,
  0x3f800000n,
  0x3fc00000n,
  0x40200000n,
  0x7f000000n,
  0x7f7fffffn,
  0x7f800000n,
  0x7f800001n,
  0x7fc00000n,
  0x7fc00123n,
  0x4f000000n,
  0x5f000000n,
];
const HALVES = [
  0n,
  1n,
  0x03ffn,
  0x0400n,
  0x3800n,
  0x3c00n,
  0x3e00n,
  0x4100n,
  0x7800n,
  0x7bffn,
  0x7c00n,
  0x7c01n,
  0x7e00n,
  0x7e12n,
];

/** Numbers of a format: random bits, edges, and numbers of moderate magnitude, whose fractions are long or short. */
function floats(next: () => number, edges: readonly bigint[], bits: number): bigint {
  const wide = (): bigint => (BigInt(next()) << 32n) | BigInt(next());
  const fraction = bits === 64 ? 52 : bits === 32 ? 23 : 10;
  const bias = 2 ** (bits - 2 - fraction) - 1;
  let half = 0n;
  for (let at = 0; at < 64; at += bits) {
    const sign = BigInt(next() & 1) << BigInt(bits - 1);
    const kind = next() % 8;
    let magnitude = edges[next() % edges.length]!;
    if (kind === 0) magnitude = BigInt.asUintN(bits - 1, wide());
    else if (kind >= 4) {
      const exponent = BigInt(bias + (next() % 12) - 4) << BigInt(fraction);
      const zeros = BigInt(kind === 4 ? next() % fraction : 0);
      magnitude = exponent | ((BigInt.asUintN(fraction, wide()) >> zeros) << zeros);
    }
    half |= (magnitude | sign) << BigInt(at);
  }
  return half;
}

/** A 64-bit half of a vector register: random bits, or elements of one format among its edges. */
function vectorHalf(next: () => number): bigint {
  const wide = (): bigint => (BigInt(next()) << 32n) | BigInt(next());
  const kind = next() % 6;
  if (kind <= 1) return wide();
  if (kind === 2) return EDGES[next() % EDGES.length]!;
  const [edges, bits] = kind === 3 ? [DOUBLES, 64] : kind === 4 ? [SINGLES, 32] : [HALVES, 16];
  let half = 0n;
  for (let at = 0; at < 64; at += bits) {
    const sign = BigInt(next() & 1) << BigInt(bits - 1);
    half |=
      ((next() % 4 === 0 ? BigInt.asUintN(bits - 1, wide()) : edges[next() % edges.length]!) | sign) << BigInt(at);
  }
  return half;
}

const isMemory = (row: Instruction): boolean => row.syntax.includes('[<Xn|SP>');
/** Rows whose address must be naturally aligned. */
const mustAlign = (row: Instruction): boolean => atomics.includes(row) || row.feature === 'FEAT_LRCPC2';
const isFloat = (row: Instruction): boolean =>
  /^(F|SCVTF|UCVTF|BF|URECPE|URSQRTE)/.test(row.name) && !row.name.includes('CFINV');

/** Registers at random and at edges; SP points into the data area. */
export function registersOf(next: () => number): State {
  const x = new BigUint64Array(FREE);
  for (let n = 0; n < FREE; n++) {
    const kind = next() % 4;
    if (kind === 0) x[n] = EDGES[next() % EDGES.length]!;
    else if (kind === 1) x[n] = BigInt(next() & 0xff);
    else x[n] = (BigInt(next()) << 32n) | BigInt(next());
  }
  const v = new BigUint64Array(64);
  for (let n = 0; n < 64; n++) v[n] = vectorHalf(next);
  return { x, v, sp: DATA + 0x10000n + BigInt(next() & 0x3ff0), nzcv: next() & 15, fpcr: 0, fpsr: 0 };
}

/** The registers that a case starts with. */
export function stateOf(row: Instruction, c: Case): State {
  const next = random(c.seed);
  const i = extract(row, c.words.at(-1)!);
  const registers = registersOf(next);
  const { x } = registers;
  // Two equal registers now and then.
  if (i.Rm !== undefined && i.Rn !== undefined && i.Rm < FREE && i.Rn < FREE && next() % 8 === 0) x[i.Rm] = x[i.Rn]!;
  const modes = next();
  const fpcr = isFloat(row) && (modes & 1) !== 0 ? (modes >>> 4) & 0x07c80000 : 0;
  const fpsr = (modes & 14) === 0 ? 0x0800009f & next() : 0;
  let { sp } = registers;
  if (isFloat(row)) {
    // All registers in the format that the fields tell, most of the time.
    const size =
      i.ftype !== undefined ? [32, 64, 0, 16][i.ftype]! : i.sz !== undefined ? 32 << i.sz : [16, 32, 64][next() % 3]!;
    const bits = next() % 8 === 0 ? [16, 32, 64][next() % 3]! : size;
    if (next() % 8 !== 0)
      for (let n = 0; n < 64; n++)
        registers.v[n] = floats(next, bits === 64 ? DOUBLES : bits === 32 ? SINGLES : HALVES, bits);
    // With Inexact set already, or exactness still to be noticed.
    return { ...registers, sp, fpcr, fpsr: (modes & 2) !== 0 ? fpsr | 16 : fpsr };
  }
  if (isMemory(row)) {
    if (i.option !== undefined && i.Rm! < FREE) {
      const offset = BigInt(next() & 0x3ff);
      const junk = BigInt(next()) << 32n;
      const negative = (next() & 1) !== 0 && i.option !== 2;
      x[i.Rm!] =
        i.option === 2 || i.option === 6
          ? junk | BigInt.asUintN(32, negative ? -offset : offset)
          : BigInt.asUintN(64, negative ? -offset : offset);
    }
    const aligned = mustAlign(row) || next() % 4 !== 0;
    const base = DATA + 0x10000n + BigInt(next() & (aligned ? 0x3ff0 : 0x3fff));
    if (i.Rn === 31) sp = base & ~15n;
    else x[i.Rn!] = base;
  }
  return { ...registers, sp, fpcr, fpsr };
}

const SYSREG_WORDS = [0xd53b4200, 0xd51b4200, 0xd53b4400, 0xd51b4400, 0xd53b4420, 0xd51b4420];

/** Whether a row can be shown by a case: exits and jumps out of straight-line code cannot. */
export function testable(row: Instruction): boolean {
  return (row.flow === 'next' || row.flow === 'branch') && !['SYS', 'SYSL', 'MSR (immediate)'].includes(row.name);
}

/** The word with its should-be bits as the assembler writes them. */
export function withShouldBits(row: Instruction, word: number): number {
  let lsb = 32;
  for (const box of row.pattern.split(/\s+/)) {
    const should = /^\(([01]+)\)$/.exec(box)?.[1];
    const width =
      should?.length ?? (/^[01]+$/.test(box) ? box.length : row.fields.find((f) => f.lsb + f.width === lsb)!.width);
    lsb -= width;
    if (should !== undefined) word = ((word & ~((2 ** width - 1) << lsb)) | (parseInt(should, 2) << lsb)) >>> 0;
  }
  return word;
}

/** SUBS, ADDS, ANDS, ADCS, SBCS, CCMP or CCMN of two registers, so that flags are read in each way they may be kept. */
function flagSetter(next: () => number): number {
  const base = [0x6b00001f, 0x2b00001f, 0x6a00001f, 0x3a00001f, 0x7a00001f, 0x7a400000, 0x3a400000][next() % 7]!;
  const n = next() % FREE;
  const m = next() % 4 === 0 ? n : next() % FREE;
  const conditional = (base & 0x00400000) !== 0 ? ((next() & 15) << 12) | (next() & 15) : 0;
  return (base | ((next() & 1) << 31) | (m << 16) | (n << 5) | conditional) >>> 0;
}

/**
 * A random case of a row with a given seed, or undefined when the fields drawn are unallocated or CONSTRAINED
 * UNPREDICTABLE: another attempt may do.
 */
export function draw(row: Instruction, seed: number, attempt: number): Case | undefined {
  const next = random(seed ^ 0x5bd1e995 ^ (attempt << 20));
  let word = ((next() & ~row.mask) | row.value) >>> 0;
  if (row.name === 'MRS' || row.name === 'MSR (register)') {
    word = (SYSREG_WORDS[2 * (next() % 3) + (row.name === 'MRS' ? 0 : 1)]! | (next() % 31)) >>> 0;
  }
  const put = (name: string, value: number): void => {
    const f = row.fields.find((g) => g.name === name);
    if (f === undefined) return;
    const mask = ((2 ** f.width - 1) << f.lsb) >>> 0;
    word = ((word & ~mask) | ((value << f.lsb) & mask)) >>> 0;
  };
  for (const f of row.fields) if (/^R[a-z]\d?$/.test(f.name)) put(f.name, next() % 8 === 0 ? 31 : next() % FREE);
  // A taken branch goes to the slot's last word; a literal stands in the data area.
  if (row.flow === 'branch') for (const name of ['imm14', 'imm19']) put(name, 2);
  else if (row.feature === 'FEAT_LRCPC2') put('imm9', next() & 0x1f0);
  else if (row.name.includes('(literal')) {
    const target = DATA + 0x10000n + BigInt(next() & 0x3ffc);
    put('imm19', Number(target - pcOf(seed)) >> 2);
  }
  word = withShouldBits(row, word);
  const i = extract(row, word);
  if (decode(word)?.row !== row) return undefined;
  let prefix: number | undefined;
  if (!isMemory(row) && !isFloat(row) && next() % 2 === 0) prefix = flagSetter(next);
  if (isMemory(row)) {
    if (i.option !== undefined && (i.Rm === i.Rn || i.Rm === 31)) return undefined;
    if (/^ST(L)?X/.test(row.name)) {
      // A load-exclusive into X26 (and X27) makes the reservation.
      const data = [i.Rt, i.Rt2 ?? i.Rt];
      if (i.Rs === i.Rn || data.includes(i.Rs) || i.Rn === 26 || i.Rn === 27) return undefined;
      prefix = ((word & 0xffe00000) | 0x005f7c00 | (i.Rn! << 5) | 26) >>> 0;
      if (row.name.includes('P')) prefix = ((prefix & ~0x7c00) | (27 << 10)) >>> 0;
      if (next() % 4 === 0) prefix = undefined;
    } else if (/^CAS/.test(row.name) && i.Rs !== 31 && i.Rs !== i.Rn && (i.Rs! | 1) !== i.Rn && next() % 2 === 0) {
      // Reads what will be compared.
      if (row.name.startsWith('CASP'))
        prefix = ((i.sz === 1 ? 0xa9400000 : 0x29400000) | ((i.Rs! + 1) << 10) | (i.Rn! << 5) | i.Rs!) >>> 0;
      else prefix = ((word & 0xc0000000) | 0x39400000 | (i.Rn! << 5) | i.Rs!) >>> 0;
    }
  }
  return { words: prefix === undefined ? [word] : [prefix, word], seed };
}

/**
 * Where QEMU 7.2 is not the architecture's; fp.test.ts shows what is right.
 * - A half converted to fixed point in a SIMD&FP register has zeros above bit 15 (DDI 0487, V[] accessors); QEMU leaves
 *   the sign in bits 31:16.
 * - FJCVTZS of a subnormal that FPCR.FZ flushes is not exact (FPToFixedJS: the operand's fraction is not zero); QEMU
 *   sets Z.
 */
export function oracleErrs(row: Instruction, c: Case): boolean {
  const word = c.words.at(-1)!;
  if (row.name === 'FCVTZS (vector, fixed-point)') return (word & 0xffe0fc00) >>> 0 === 0x5f00fc00;
  if (row.name !== 'FJCVTZS') return false;
  const { fpcr, v } = stateOf(row, c);
  const magnitude = BigInt.asUintN(63, v[2 * ((word >>> 5) & 31)]!);
  return (fpcr & (1 << 24)) !== 0 && magnitude > 0n && magnitude < 1n << 52n;
}
