/**
 * Records the vectors of tests/vectors/a64 from qemu-aarch64: for every row of the instruction table that straight-line
 * code can show, CASES cases on random and edge operands; and PROGRAMS random programs. Needs qemu-aarch64 and aarch64-linux-gnu-gcc.
 *
 *     node buildscripts/record-vectors.ts [group …]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Instruction } from '../arch/a64/encoding.ts';
import {
  dataByte,
  draw,
  FREE,
  GROUPS,
  NOP,
  SLOT_WORDS,
  SLOTS,
  stateOf,
  testable,
  type Case,
  type State,
} from '../tests/arch/a64/cases.ts';
import { program, PROGRAM_SLOTS, PROGRAM_WORDS, programState } from '../tests/arch/a64/programs.ts';
import { encodeVectors, WHAT, type Change, type Vector } from '../tests/arch/a64/vectors.ts';

const CASES = 100;
const PROGRAMS = 5000;
const ATTEMPTS = 500;
/** Equal bytes that part two changes of memory. */
const GAP = 8;
const LONGEST = 255;
const OUTPUT_BYTES = 784;

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'vectors-'));
const runner = join(scratch, 'runner');

/** A case as the runner wants it: its words at the end of the slot, then the registers. */
function input(c: Case, s: State, slotWords: number): Uint8Array {
  const code = slotWords - 2;
  const bytes = new Uint8Array(4 * code + 768);
  const view = new DataView(bytes.buffer);
  for (let k = 0; k < code; k++) view.setUint32(4 * k, c.words[k - code + c.words.length] ?? NOP, true);
  [BigInt(s.nzcv) << 28n, BigInt(s.fpcr), BigInt(s.fpsr), s.sp, ...s.x, ...s.v].forEach((n, k) =>
    view.setBigUint64(4 * code + 8 * k, n, true),
  );
  return bytes;
}

/** The runs of bytes that changed, from the span between the first and the last of them. */
function memoryChanges(first: number, span: Uint8Array): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < span.length;) {
    let end = at + 1;
    let last = at;
    for (; end < span.length && end - last < GAP && end - at < LONGEST; end++)
      if (span[end] !== dataByte(first + end)) last = end;
    changes.push({ what: WHAT.memory, value: 0n, offset: first + at, bytes: span.slice(at, last + 1) });
    at = last + 1;
    while (at < span.length && span[at] === dataByte(first + at)) at++;
  }
  return changes;
}

/** Reads one result at `at`; returns what changed, or the signal that was raised, and where the next result starts. */
function result(
  view: DataView,
  at: number,
  s: State,
): { signal: number; taken: boolean; changes: Change[]; next: number } {
  const u64 = (offset: number): bigint => view.getBigUint64(at + offset, true);
  const changes: Change[] = [];
  for (let n = 0; n < FREE; n++) if (u64(32 + 8 * n) !== s.x[n]) changes.push({ what: n, value: u64(32 + 8 * n) });
  if (u64(24) !== s.sp) changes.push({ what: WHAT.sp, value: u64(24) });
  for (let n = 0; n < 32; n++) {
    const value = u64(256 + 16 * n);
    const high = u64(264 + 16 * n);
    if (value !== s.v[2 * n] || high !== s.v[2 * n + 1]) changes.push({ what: WHAT.v0 + n, value, high });
  }
  if (Number(u64(0) >> 28n) !== s.nzcv) changes.push({ what: WHAT.nzcv, value: u64(0) >> 28n });
  if (Number(u64(8)) !== s.fpcr) changes.push({ what: WHAT.fpcr, value: u64(8) });
  if (Number(u64(16)) !== s.fpsr) changes.push({ what: WHAT.fpsr, value: u64(16) });
  const first = view.getUint32(at + OUTPUT_BYTES, true);
  const last = view.getUint32(at + OUTPUT_BYTES + 4, true);
  const memory = at + OUTPUT_BYTES + 8;
  changes.push(...memoryChanges(first, new Uint8Array(view.buffer, view.byteOffset + memory, last - first)));
  return { signal: Number(u64(776)), taken: u64(768) !== 0n, changes, next: memory + last - first };
}

interface Prepared {
  name: string;
  c: Case;
  s: State;
}

/** Runs cases on QEMU and writes their vector file. */
function record(group: string, cases: readonly Prepared[], slots: number, slotWords: number): void {
  const vectors: Vector[] = [];
  const refused = new Map<string, number>();
  for (let start = 0; start < cases.length; start += slots) {
    const batch = cases.slice(start, start + slots);
    const inputs = join(scratch, 'cases');
    const results = join(scratch, 'results');
    writeFileSync(inputs, Buffer.concat(batch.map(({ c, s }) => input(c, s, slotWords))));
    execFileSync('qemu-aarch64', ['-cpu', 'max,pauth=off', runner, inputs, results, String(slotWords)]);
    const file = readFileSync(results);
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    let at = 0;
    for (const { name, c, s } of batch) {
      const r = result(view, at, s);
      at = r.next;
      if (r.signal === 0) vectors.push({ ...c, taken: r.taken, changes: r.changes });
      else {
        const what = `${name} (signal ${r.signal})`;
        refused.set(what, (refused.get(what) ?? 0) + 1);
        // It keeps its place, so that the seeds stay the numbers.
        vectors.push({ words: [NOP], seed: c.seed, taken: false, changes: [] });
      }
    }
  }
  const directory = join(root, 'tests/vectors/a64');
  mkdirSync(directory, { recursive: true });
  const bytes = encodeVectors(vectors);
  writeFileSync(join(directory, `${group}.bin`), bytes);
  console.log(`${group}: ${vectors.length} cases, ${bytes.length} bytes`);
  for (const [what, n] of refused) console.log(`  refused: ${what}: ${n}`);
}

function casesOf(rows: readonly Instruction[]): Prepared[] {
  const cases: Prepared[] = [];
  for (const row of rows) {
    if (!testable(row)) continue;
    for (let k = 0; k < CASES; k++) {
      let c: Case | undefined;
      for (let attempt = 0; c === undefined && attempt < ATTEMPTS; attempt++) c = draw(row, cases.length, attempt);
      if (c === undefined) throw new Error(`${row.name}: no allocated case in ${ATTEMPTS} attempts`);
      cases.push({ name: row.name, c, s: stateOf(row, c) });
    }
  }
  return cases;
}

try {
  execFileSync('aarch64-linux-gnu-gcc', ['-O1', '-static', '-o', runner, join(root, 'buildscripts/vector-runner.c')]);
  const wanted = process.argv.slice(2);
  const chosen = (group: string): boolean => wanted.length === 0 || wanted.includes(group);
  for (const [group, rows] of Object.entries(GROUPS))
    if (chosen(group)) record(group, casesOf(rows), SLOTS, SLOT_WORDS);
  if (chosen('programs')) {
    const programs = Array.from({ length: PROGRAMS }, (_, seed) => program(seed));
    record(
      'programs',
      programs.map((c) => ({ name: 'program', c, s: programState(c) })),
      PROGRAM_SLOTS,
      PROGRAM_WORDS,
    );
  }
} finally {
  rmSync(scratch, { recursive: true });
}
