import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../arch/a64/decode.ts';
import { F } from '../../../arch/core/frame.ts';
import { dataByte, FREE, GROUPS, NOP, pcOf, stateOf, type State } from './cases.ts';
import { DATA_BYTES, Harness, type Path } from './harness.ts';
import { decodeVectors, WHAT, type Vector } from './vectors.ts';

const hex = (n: bigint): string => `0x${n.toString(16)}`;
const pristine = Uint8Array.from({ length: DATA_BYTES }, (_, i) => dataByte(i));

function load(h: Harness, s: State): void {
  for (let n = 0; n < FREE; n++) h.setX(n, s.x[n]!);
  h.setX(31, s.sp);
  new BigUint64Array(h.memory.buffer, h.frame + F.V, 64).set(s.v);
  h.nzcv = s.nzcv;
  h.i32[(h.frame + F.FPCR) >> 2] = s.fpcr;
  h.i32[(h.frame + F.FPSR) >> 2] = s.fpsr;
  h.i32[(h.frame + F.EXCL_HOST) >> 2] = 0;
}

/** The state that a vector says the instruction leaves, and the memory around its change. */
function expected(s: State, v: Vector): State {
  const out: State = { ...s, x: s.x.slice(), v: s.v.slice() };
  for (const c of v.changes) {
    if (c.what < FREE) out.x[c.what] = c.value;
    else if (c.what === WHAT.sp) out.sp = c.value;
    else if (c.what < WHAT.nzcv) {
      out.v[2 * (c.what - WHAT.v0)] = c.value;
      out.v[2 * (c.what - WHAT.v0) + 1] = c.high!;
    } else if (c.what === WHAT.nzcv) out.nzcv = Number(c.value);
    else if (c.what === WHAT.fpcr) out.fpcr = Number(c.value);
    else if (c.what === WHAT.fpsr) out.fpsr = Number(c.value);
  }
  return out;
}

/** One line for each register that is not as expected. */
function differences(h: Harness, before: State, v: Vector, taken: boolean): string[] {
  const want = expected(before, v);
  const out: string[] = [];
  const check = (name: string, got: bigint, wanted: bigint): void => {
    if (got !== wanted) out.push(`${name} = ${hex(got)}, not ${hex(wanted)}`);
  };
  for (let n = 0; n < FREE; n++) check(`x${n}`, h.x(n), want.x[n]!);
  check('sp', h.x(31), want.sp);
  const vectors = new BigUint64Array(h.memory.buffer, h.frame + F.V, 64);
  for (let n = 0; n < 64; n++) check(`v${n >> 1}.d[${n & 1}]`, vectors[n]!, want.v[n]!);
  check('nzcv', BigInt(h.nzcv), BigInt(want.nzcv));
  // QEMU keeps AArch32's Len and Stride, and NZCV in FPSR: RES0 where there is no AArch32.
  check('fpcr', BigInt(h.i32[(h.frame + F.FPCR) >> 2]!), BigInt(want.fpcr & 0x07c80000));
  check('fpsr', BigInt(h.i32[(h.frame + F.FPSR) >> 2]!), BigInt(want.fpsr & 0x0fffffff));
  if (taken !== v.taken) out.push(`the branch is ${taken ? '' : 'not '}taken`);
  const memory = v.changes.find((c) => c.what === WHAT.memory);
  const first = memory?.offset ?? 0;
  const bytes = memory?.bytes ?? new Uint8Array(0);
  const changed = Buffer.from(h.data.subarray(first, first + bytes.length));
  if (!changed.equals(bytes)) out.push(`memory at ${first} = ${changed.toString('hex')}, not ${Buffer.from(bytes).toString('hex')}`);
  h.data.set(pristine.subarray(first, first + bytes.length), first);
  if (!Buffer.from(h.data.buffer, h.data.byteOffset, DATA_BYTES).equals(pristine)) {
    out.push('memory changed elsewhere');
    h.data.set(pristine);
  }
  return out;
}

/** Instructions compiled into one module. */
const BATCH = 1000;

function replay(h: Harness, vectors: readonly Vector[], path: Path): string[] {
  h.path = path;
  const failures = new Map<string, { count: number; first: string }>();
  for (let start = 0; start < vectors.length; start += BATCH) {
    const batch = vectors.slice(start, start + BATCH);
    const regions = h.compile(batch.map((v) => ({ words: v.prefix === NOP ? [v.word] : [v.prefix, v.word] })));
    batch.forEach((v, k) => {
      const row = decode(v.word)!.row;
      const before = stateOf(row, v);
      load(h, before);
      const outcome = h.run(regions[k]!, pcOf(v.seed) + (v.prefix === NOP ? 4n : 0n));
      const wrong = differences(h, before, v, outcome.taken);
      if (outcome.faulted) wrong.unshift('faulted');
      if (outcome.exit !== undefined) wrong.unshift(`left with exit ${outcome.exit.kind}`);
      if (wrong.length === 0) return;
      const entry = failures.get(row.name) ?? { count: 0, first: `word 0x${v.word.toString(16)} case ${v.seed}: ${wrong.join('; ')}` };
      entry.count++;
      failures.set(row.name, entry);
    });
  }
  return [...failures].map(([name, f]) => `${name}: ${f.count} cases, first ${f.first}`);
}

describe.each(Object.keys(GROUPS))('%s', (group) => {
  const file = join(import.meta.dirname, '../../vectors/a64', `${group}.bin`);
  const h = new Harness();
  h.data.set(pristine);
  const vectors = existsSync(file) ? decodeVectors(readFileSync(file)) : [];

  it('has recorded vectors', () => expect(vectors.length).toBeGreaterThan(0));
  it.each<Path>(['fast', 'miss', 'bounce'])('leaves what QEMU leaves (memory by the %s path)', (path) => {
    // A reservation needs RAM: exclusives never succeed on a device.
    const shown = path === 'bounce' ? vectors.filter((v) => !/^STL?X/.test(decode(v.word)!.row.name)) : vectors;
    expect(replay(h, shown, path)).toEqual([]);
  });
});
