/**
 * Records the vectors of tests/vectors/a64 from qemu-aarch64: for every row of the instruction table that straight-line
 * code can show, CASES cases on random and edge operands. Needs qemu-aarch64 and aarch64-linux-gnu-gcc.
 *
 *     node buildscripts/record-vectors.ts [group …]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Instruction } from '../arch/a64/encoding.ts';
import { draw, FREE, GROUPS, SLOTS, stateOf, testable, type Case, type State } from '../tests/arch/a64/cases.ts';
import { encodeVectors, WHAT, type Change, type Vector } from '../tests/arch/a64/vectors.ts';

const CASES = 100;
const ATTEMPTS = 500;
const INPUT_BYTES = 776;
const OUTPUT_BYTES = 784;

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'vectors-'));
const runner = join(scratch, 'runner');

function input(c: Case, s: State): Uint8Array {
  const bytes = new Uint8Array(INPUT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, c.prefix, true);
  view.setUint32(4, c.word, true);
  [BigInt(s.nzcv) << 28n, BigInt(s.fpcr), BigInt(s.fpsr), s.sp, ...s.x, ...s.v].forEach((n, k) => view.setBigUint64(8 + 8 * k, n, true));
  return bytes;
}

/** Reads one result at `at`; returns what changed, or the signal that was raised, and where the next result starts. */
function result(view: DataView, at: number, s: State): { signal: number; taken: boolean; changes: Change[]; next: number } {
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
  if (last !== first) changes.push({ what: WHAT.memory, value: 0n, offset: first, bytes: new Uint8Array(view.buffer, memory, last - first).slice() });
  return { signal: Number(u64(776)), taken: u64(768) !== 0n, changes, next: memory + last - first };
}

function record(group: string, rows: readonly Instruction[]): void {
  const cases: { row: Instruction; c: Case; s: State }[] = [];
  for (const row of rows) {
    if (!testable(row)) continue;
    for (let k = 0; k < CASES; k++) {
      let c: Case | undefined;
      for (let attempt = 0; c === undefined && attempt < ATTEMPTS; attempt++) c = draw(row, cases.length, attempt);
      if (c === undefined) throw new Error(`${row.name}: no allocated case in ${ATTEMPTS} attempts`);
      cases.push({ row, c, s: stateOf(row, c) });
    }
  }
  const vectors: Vector[] = [];
  const refused = new Map<string, number>();
  for (let start = 0; start < cases.length; start += SLOTS) {
    const batch = cases.slice(start, start + SLOTS);
    const inputs = join(scratch, 'cases');
    const results = join(scratch, 'results');
    writeFileSync(inputs, Buffer.concat(batch.map(({ c, s }) => input(c, s))));
    execFileSync('qemu-aarch64', ['-cpu', 'max,pauth=off', runner, inputs, results]);
    const file = readFileSync(results);
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    let at = 0;
    for (const { row, c, s } of batch) {
      const r = result(view, at, s);
      at = r.next;
      if (r.signal !== 0) refused.set(`${row.name} (signal ${r.signal})`, (refused.get(`${row.name} (signal ${r.signal})`) ?? 0) + 1);
      // A refused case keeps its place, so that the seeds stay the numbers; its words do nothing.
      vectors.push(r.signal === 0 ? { ...c, taken: r.taken, changes: r.changes } : { prefix: 0xd503201f, word: 0xd503201f, seed: c.seed, taken: false, changes: [] });
    }
  }
  const directory = join(root, 'tests/vectors/a64');
  mkdirSync(directory, { recursive: true });
  const bytes = encodeVectors(vectors);
  writeFileSync(join(directory, `${group}.bin`), bytes);
  console.log(`${group}: ${vectors.length} cases, ${bytes.length} bytes`);
  for (const [what, n] of refused) console.log(`  refused: ${what}: ${n}`);
}

try {
  execFileSync('aarch64-linux-gnu-gcc', ['-O1', '-static', '-o', runner, join(root, 'buildscripts/vector-runner.c')]);
  const wanted = process.argv.slice(2);
  for (const [group, rows] of Object.entries(GROUPS)) if (wanted.length === 0 || wanted.includes(group)) record(group, rows);
} finally {
  rmSync(scratch, { recursive: true });
}
