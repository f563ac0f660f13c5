/**
 * Records tests/vectors/a64/control.bin from qemu-system-aarch64: for every row of the instruction table that changes the
 * flow of control or the state of the system (branches, exceptions and their returns, hints that wait, MSR (immediate),
 * SYS), CASES cases of it alone and as many inside a program. Needs qemu-system-aarch64 and aarch64-linux-gnu-gcc.
 *
 *     node buildscripts/record-control.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CASES,
  CODE,
  controlRows,
  landing,
  makeCase,
  PAGE,
  RAM,
  registersOf,
  stacksOf,
} from '../tests/arch/a64/control-cases.ts';
import {
  encodeControl,
  type ControlCase,
  type ControlResult,
  type ControlVector,
} from '../tests/arch/a64/control-vectors.ts';
import { CASES as COUNT, HARNESS, RESULTS, STATES } from './fuzz/layout.ts';
import { assemble, Qemu } from './fuzz/machines.ts';

const SIZE = 0x200;

/** The state of control-vectors.S. */
function state(c: ControlCase, index: number): Buffer {
  const x = registersOf(index);
  for (const [n, value] of c.x) x[n] = value;
  const [sp0, sp1, sp2] = stacksOf(index);
  const start = BigInt(CODE + index * PAGE + 4 * c.start);
  const rest = [sp0, sp1, sp2, c.elr, BigInt(c.spsr), c.sctlr, c.hcr, c.mdcr, start, BigInt(c.pstate), c.tcr1, c.tcr2];
  const out = Buffer.alloc(SIZE);
  [...x, ...rest].forEach((value, n) => out.writeBigUInt64LE(value, 8 * n));
  return out;
}

function page(c: ControlCase): Buffer {
  const out = Buffer.alloc(PAGE);
  for (let n = 0; n < PAGE / 4; n++) out.writeUInt32LE(landing(n), 4 * n);
  for (const { at, words } of c.chunks) words.forEach((word, n) => out.writeUInt32LE(word, 4 * (at + n)));
  return out;
}

function result(c: ControlCase, index: number, from: Buffer): ControlResult {
  const u64 = (offset: number): bigint => from.readBigUInt64LE(offset);
  const x = registersOf(index);
  for (const [n, value] of c.x) x[n] = value;
  const changes = [...x, ...stacksOf(index)].flatMap((value, n): (readonly [number, bigint])[] =>
    u64(8 * n) === value ? [] : [[n, u64(8 * n)]],
  );
  return {
    vector: Number(u64(272)),
    esr: Number(u64(280)),
    elr: u64(288),
    spsr: Number(u64(296)),
    far: u64(304),
    pstate: Number(u64(312)),
    changes,
  };
}

const cases = controlRows.flatMap((row, n) =>
  Array.from({ length: 2 * CASES }, (_, k) => makeCase(row, 2 * CASES * n + k, k >= CASES)),
);
const count = Buffer.alloc(8);
count.writeBigUInt64LE(BigInt(cases.length));
const qemu = new Qemu();
let results: Buffer;
try {
  results = qemu.run(
    [
      { offset: HARNESS - RAM, bytes: assemble(join(import.meta.dirname, 'control-vectors.S')) },
      { offset: COUNT - RAM, bytes: count },
      { offset: STATES - RAM, bytes: Buffer.concat(cases.map(state)) },
      { offset: CODE - RAM, bytes: Buffer.concat(cases.map(page)) },
    ],
    RESULTS - RAM,
    cases.length * SIZE,
  );
} finally {
  qemu.close();
}
const vectors = cases.map((c, n): ControlVector => ({
  c,
  result: result(c, n, results.subarray(n * SIZE, (n + 1) * SIZE)),
}));
const missing = vectors.findIndex(({ result: { pstate } }) => pstate === 0);
if (missing >= 0) throw new Error(`case ${missing} has no result: QEMU stopped there`);
const bytes = encodeControl(vectors);
writeFileSync(join(import.meta.dirname, '../tests/vectors/a64/control.bin'), bytes);
console.log(`control: ${vectors.length} cases of ${controlRows.length} instructions, ${bytes.length} bytes`);
