import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../arch/a64/decode.ts';
import { F } from '../../../arch/core/frame.ts';
import type { Instruction } from '../../../arch/a64/encoding.ts';
import { EXIT } from '../../../arch/a64/region-abi.ts';
import { dataByte, FREE, GROUPS, oracleErrs, pcOf, stateOf, type State } from './cases.ts';
import { DATA_BYTES, Harness, PATHS, type Path } from './harness.ts';
import { programPc, programState } from './programs.ts';
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
  for (const c of v.changes) {
    if (c.what !== WHAT.memory) continue;
    const changed = Buffer.from(h.data.subarray(c.offset!, c.offset! + c.bytes!.length));
    if (!changed.equals(c.bytes!))
      out.push(`memory at ${c.offset} = ${changed.toString('hex')}, not ${Buffer.from(c.bytes!).toString('hex')}`);
    h.data.set(pristine.subarray(c.offset!, c.offset! + c.bytes!.length), c.offset!);
  }
  if (!Buffer.from(h.data.buffer, h.data.byteOffset, DATA_BYTES).equals(pristine)) {
    out.push('memory changed elsewhere');
    h.data.set(pristine);
  }
  return out;
}

/** Cases compiled into one module. */
const BATCH = 1000;

interface Way {
  path: Path;
  /** Through the region builder, or as straight-line code. */
  regions: boolean;
  pc: (v: Vector) => bigint;
  state: (v: Vector) => State;
  name: (v: Vector) => string;
}

/** Runs the vectors; one line for each name with failures. */
function replay(h: Harness, vectors: readonly Vector[], way: Way): string[] {
  const failures = new Map<string, { count: number; first: string }>();
  for (let start = 0; start < vectors.length; start += BATCH) {
    const batch = vectors.slice(start, start + BATCH);
    const programs = batch.map((v) => ({ words: v.words, pc: way.pc(v) }));
    const functions = way.regions ? h.compileRegions(programs, way.path) : h.compile(programs, way.path);
    batch.forEach((v, k) => {
      const before = way.state(v);
      load(h, before);
      const outcome = h.run(functions[k]!, way.pc(v));
      const wrong = differences(h, before, v, outcome.taken);
      if (outcome.faulted) wrong.unshift('faulted');
      if (outcome.exit !== undefined && !(way.regions && outcome.exit.kind === EXIT.svc))
        wrong.unshift(`left with exit ${outcome.exit.kind}`);
      if (wrong.length === 0) return;
      const name = way.name(v);
      const entry = failures.get(name) ?? {
        count: 0,
        first: `case ${v.seed} (${v.words.map((w) => w.toString(16)).join(' ')}): ${wrong.join('; ')}`,
      };
      entry.count++;
      failures.set(name, entry);
    });
  }
  return [...failures].map(([name, f]) => `${name}: ${f.count} cases, first ${f.first}`);
}

function read(group: string): Vector[] {
  const file = join(import.meta.dirname, '../../vectors/a64', `${group}.bin`);
  return existsSync(file) ? decodeVectors(readFileSync(file)) : [];
}

describe.each(Object.keys(GROUPS))('%s', (group) => {
  const h = new Harness();
  h.data.set(pristine);
  const vectors = read(group);
  const rowOf = (v: Vector): Instruction => decode(v.words.at(-1)!)!.row;
  const way = {
    pc: (v: Vector) => pcOf(v.seed) - BigInt(4 * (v.words.length - 1)),
    state: (v: Vector) => stateOf(rowOf(v), v),
    name: (v: Vector) => rowOf(v).name,
  };

  it('has recorded vectors', () => expect(vectors.length).toBeGreaterThan(0));
  // Without memory there are two ways: code that is optimized, and code that is not.
  const paths = GROUPS[group]!.some((row) => row.syntax.includes('[<Xn|SP>')) ? PATHS : (['fast', 'call'] as const);
  it.each(paths)('leaves what QEMU leaves (memory: %s)', (path) => {
    // A reservation needs RAM: exclusives never succeed on a device.
    const shown = vectors.filter(
      (v) => !(path.endsWith('bounce') && /^STL?X/.test(rowOf(v).name)) && !oracleErrs(rowOf(v), v),
    );
    expect(replay(h, shown, { ...way, path, regions: false })).toEqual([]);
  });
});

describe('programs', () => {
  const h = new Harness();
  h.data.set(pristine);
  const vectors = read('programs');

  it('has recorded vectors', () => expect(vectors.length).toBeGreaterThan(0));
  it.each(PATHS)('leave what they leave on QEMU, as regions (memory: %s)', (path) => {
    const name = (v: Vector): string => (v.words.length === 1 ? 'nothing' : 'program');
    expect(replay(h, vectors, { path, regions: true, pc: programPc, state: programState, name })).toEqual([]);
  });
});
