import { join } from 'node:path';
import { decode } from '../../arch/a64/decode.ts';
import {
  CASES,
  CODE,
  CODE_BYTES,
  DATA,
  HARNESS,
  OTHER_VIEW,
  RAM,
  RESULT_BYTES,
  RESULTS,
  SAVED_PAGES,
  STATE,
  STATE_BYTES,
  STATES,
  TABLE_BYTES,
  TABLES,
  TEMPLATE,
  writeTables,
} from './layout.ts';
import { assemble as assembleHarness, type Machine, type Part } from './machines.ts';
import { assemble, type Program } from './program.ts';
import { codeOf, type Generator } from './generate.ts';
import { disassemble, type Fuzzer } from './shrink.ts';
import { simpler } from './simpler.ts';

let harness: Buffer | undefined;

/** What the data pages hold before each program. */
const dataByte = (i: number): number => Math.imul(i, 0x9e3779b1) >>> 24;

/** What a batch has in RAM besides the harness. */
export function image(programs: readonly Program[]): Part[] {
  const tables = Buffer.alloc(TABLE_BYTES);
  const scratch = Buffer.alloc(TABLES - RAM + tables.length);
  writeTables(scratch);
  tables.set(scratch.subarray(TABLES - RAM));
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(programs.length));
  const data = Buffer.alloc((SAVED_PAGES + 1) * 4096);
  for (let i = 0; i < data.length; i++) data[i] = dataByte(i);
  const states = Buffer.alloc(programs.length * STATE_BYTES);
  const code = Buffer.alloc(programs.length * CODE_BYTES);
  programs.forEach((program, n) => {
    const at = n * STATE_BYTES;
    const { state } = program;
    const put = (offset: number, value: bigint): number => states.writeBigUInt64LE(value, at + offset);
    state.x.forEach((value, r) => put(STATE.x + 8 * r, value));
    put(STATE.sp, state.sp);
    put(STATE.pc, BigInt(codeOf(n) + program.start));
    put(STATE.spsr, (BigInt(state.nzcv) << 28n) | BigInt((state.level << 2) | (state.interrupts ? 0x340 : 0x3c0)));
    put(STATE.fpcr, BigInt(state.fpcr));
    put(STATE.fpsr, BigInt(state.fpsr));
    state.v.forEach((value, r) => put(STATE.v + 8 * r, value));
    const words = assemble(program);
    // A program returns to its end.
    put(STATE.x + 8 * 30, BigInt(codeOf(n) + program.start + 4 * (words.length - 1)));
    words.forEach((word, i) => code.writeUInt32LE(word, n * CODE_BYTES + program.start + 4 * i));
  });
  return [
    { offset: TABLES - RAM, bytes: tables },
    { offset: CASES - RAM, bytes: count },
    { offset: DATA - RAM, bytes: data },
    { offset: TEMPLATE - RAM, bytes: data },
    { offset: STATES - RAM, bytes: states },
    { offset: CODE - RAM, bytes: code },
  ];
}

export function run(machine: Machine, programs: readonly Program[]): Buffer {
  harness ??= assembleHarness(join(import.meta.dirname, 'harness.S'));
  const parts = [{ offset: HARNESS - RAM, bytes: harness }, ...image(programs)];
  return machine.run(parts, RESULTS - RAM, programs.length * RESULT_BYTES);
}

/** Names of the instructions that may have stood where a result's exception was taken. */
function faulting(result: Buffer, program: Program, index: number): string[] {
  const pc = Number(result.readBigUInt64LE(STATE.pc) & ~BigInt(OTHER_VIEW)) - codeOf(index) - program.start;
  const words = [
    assemble(program)[pc / 4],
    ...program.items.flatMap((item) => (item.kind === 'patch' || item.kind === 'generate' ? item.words : [])),
  ];
  return words.flatMap((word) => (word === undefined ? [] : (decode(word)?.row.name ?? [])));
}

/**
 * Whether our result may differ. QEMU 7.2 looks at the monitor before it looks at a store-exclusive's address, which is its
 * choice to make; it does not ask LDAPR and the FEAT_LRCPC2 accesses for alignment, although DDI 0487 B2.5.2 does; it
 * finds an Instruction Abort before a misaligned PC, which has priority (D1.3.5).
 */
function excused(ours: Buffer, theirs: Buffer, program: Program, index: number): boolean {
  const esr = Number(ours.readBigUInt64LE(STATE.esr));
  if (esr >>> 26 === 0x22) return theirs.readBigUInt64LE(STATE.esr) >> 27n === 0x10n;
  if (esr >>> 27 !== 0x24 >>> 1) return false;
  const names = faulting(ours, program, index);
  if (names.some((name) => /^STL?X/.test(name))) return true;
  return (esr & 0x3f) === 0x21 && names.some((name) => /^(LDAP|STLUR)/.test(name));
}

/** How two results of a program differ: a line for each register, and the first byte of memory; none when they agree. */
function differences(ours: Buffer, theirs: Buffer, index: number, program: Program): string[] {
  const from = index * RESULT_BYTES;
  const a = ours.subarray(from, from + RESULT_BYTES);
  const b = theirs.subarray(from, from + RESULT_BYTES);
  // PSTATE.BTYPE, of FEAT_BTI.
  b.writeBigUInt64LE(b.readBigUInt64LE(STATE.spsr) & ~0xc00n, STATE.spsr);
  if (a.equals(b) || excused(a, b, program, index)) return [];
  const out: string[] = [];
  const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
  const compare = (name: string, offset: number): void => {
    const [x, y] = [a.readBigUInt64LE(offset), b.readBigUInt64LE(offset)];
    if (x !== y) out.push(`${name}: ${hex(x)}, QEMU ${hex(y)}`);
  };
  for (let r = 0; r < 31; r++) compare(`x${r}`, STATE.x + 8 * r);
  for (const name of ['sp', 'pc', 'spsr', 'esr', 'far', 'fpcr', 'fpsr', 'tpidr'] as const) compare(name, STATE[name]);
  const faulted = b.readBigUInt64LE(STATE.esr) >> 27n === 0x12n;
  const names = faulted ? faulting(b, program, index) : [];
  // Registers of a load of several that faults half-way, and memory of such a store, are UNKNOWN.
  const several = names.some((name) => /^LD([1-4]|N?P)/.test(name));
  for (let r = 0; r < 32; r++) {
    if (several) continue;
    const [x, y] = [0, 8].map((half) => [a, b].map((s) => hex(s.readBigUInt64LE(STATE.v + 16 * r + half))));
    if (x![0] !== x![1] || y![0] !== y![1]) out.push(`v${r}: ${y![0]}_${x![0]}, QEMU ${y![1]}_${x![1]}`);
  }
  const data = STATE_BYTES;
  const edge = names.some((name) => name.startsWith('ST')) ? Number(b.readBigUInt64LE(STATE.far) & 0xfffn) : -1;
  for (let i = 0; i < SAVED_PAGES * 4096; i++) {
    if (a[data + i] === b[data + i]) continue;
    // The part of a store before the page that faults.
    if (edge === 0 && (i & 0xfff) >= 0x1000 - 64) continue;
    out.push(
      `memory ${i.toString(16)}: ${a.subarray(data + i, data + i + 16).toString('hex')}, QEMU ${b.subarray(data + i, data + i + 16).toString('hex')}`,
    );
    break;
  }
  return out;
}

/** Names of a program's instructions, its code, and the registers that it starts with. */
function describe(program: Program): string[] {
  const words = assemble(program);
  const { state } = program;
  const registers = [...state.x]
    .map((value, r) => (value === 0n ? '' : `x${r}=${value.toString(16)}`))
    .filter((s) => s !== '');
  state.v.forEach((value, n) => {
    if (value !== 0n) registers.push(`v${n >> 1}${(n & 1) !== 0 ? 'h' : 'l'}=${value.toString(16)}`);
  });
  const names = program.items.map((item) =>
    item.kind === 'word' ? (decode(item.word)?.row.name ?? 'undefined') : item.kind,
  );
  return [
    names.join('; '),
    ...disassemble(words, codeOf(0) + program.start),
    `EL${state.level}${state.interrupts ? ' interrupts' : ''} sp=${state.sp.toString(16)} nzcv=${state.nzcv} fpcr=${state.fpcr.toString(16)} fpsr=${state.fpsr.toString(16)} ${registers.join(' ')}`,
  ];
}

/** Random programs at EL0 and EL1. */
export const cpuFuzzer = (generator: Generator): Fuzzer<Program> => ({
  make: (r) => generator.program(r),
  run,
  differences,
  simpler,
  describe,
});
