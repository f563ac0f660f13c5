import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { Generator } from '../../buildscripts/fuzz/generate.ts';
import { CODE, CODE_BYTES, RAM, RESULT_BYTES } from '../../buildscripts/fuzz/layout.ts';
import { Endless, Ours, Qemu, type Machine, type Part } from '../../buildscripts/fuzz/machines.ts';
import { assemble, type Item } from '../../buildscripts/fuzz/program.ts';
import { Random } from '../../buildscripts/fuzz/random.ts';
import { mismatches, report, shorter, shrink, type Fuzzer } from '../../buildscripts/fuzz/shrink.ts';
import { cpuFuzzer, run } from '../../buildscripts/fuzz/cpu.ts';

const assembler = spawnSync('aarch64-linux-gnu-gcc', ['--version']).status === 0;
const qemu = assembler && spawnSync('qemu-system-aarch64', ['--version']).status === 0;
const generator = new Generator({ simd: false });

/** A machine that ends every program with zeros, but X0 = 1 for one that holds `wrong`. */
const broken = (wrong: number | undefined): Machine => ({
  patience: 1,
  stuck: undefined,
  run(parts: readonly Part[], _offset: number, length: number) {
    const out = Buffer.alloc(length);
    const code = Buffer.from(parts.find((part) => part.offset === CODE - RAM)!.bytes);
    for (let n = 0; n < length / RESULT_BYTES; n++)
      for (let at = 0; at < CODE_BYTES; at += 4)
        if (code.readUInt32LE(n * CODE_BYTES + at) === wrong) out[n * RESULT_BYTES] = 1;
    return out;
  },
  close: () => undefined,
});

/** Cases that are lists of numbers; each leaves its sum behind, but on a machine with a limit what is above it does not count. */
const sums: Fuzzer<{ items: readonly number[] }> = {
  make: (r) => ({ items: Array.from({ length: 9 }, () => r.below(100)) }),
  run: (machine, cases) => {
    const [limit, endless] = machine.run([], 0, 2) as unknown as [number, number];
    const stuck = cases.findIndex(({ items }) => items.includes(endless));
    machine.stuck = stuck < 0 ? undefined : stuck;
    return Buffer.from(cases.map(({ items }) => items.reduce((sum, n) => (n > limit ? sum : sum + n), 0)));
  },
  differences: (mine, theirs, n, c) => (mine[n] === theirs[n] ? [] : [`${c.items.length}: ${mine[n]}, ${theirs[n]}`]),
  simpler: shorter,
  describe: ({ items }) => [items.join()],
};
const limited = (limit: number, endless = 255): Machine => ({
  patience: 1,
  stuck: undefined,
  run: () => Buffer.of(limit, endless),
  close: () => undefined,
});

test('a case shrinks to what differs', () => {
  const c = { items: [4, 9, 11, 3, 12, 1, 2] };
  const [qemu, ours] = [limited(255), limited(10)];
  const small = shrink(sums, c, qemu, ours);
  expect(small.items).toEqual([12]);
  expect(report(sums, small, qemu, ours)).toBe('12\n1: 0, 12');
  expect(shrink(sums, c, qemu, qemu)).toEqual(c);
});

test('a case that ends on one machine only is a mismatch, shrinks, and keeps no other case from being compared', () => {
  const cases = [[1, 2], [3, 7, 4], [12, 1], [5, 6, 1], [9]].map((items) => ({ items }));
  const [qemu, ours] = [limited(255, 7), limited(10, 6)];
  expect([...mismatches(sums, cases, qemu, ours)]).toEqual([
    { n: 3, lines: ['does not end, but does on QEMU'] },
    { n: 1, lines: ['does not end on QEMU, but does here'] },
    { n: 2, lines: ['2: 1, 13'] },
  ]);
  const small = shrink(sums, cases[1]!, qemu, ours);
  expect(small.items).toEqual([7]);
  expect(report(sums, small, qemu, ours)).toBe('7\ndoes not end on QEMU, but does here');
});

test('a case that ends on neither machine is told of, and is no mismatch', () => {
  const neither: number[] = [];
  const machine = limited(255, 7);
  const cases = [[1], [7], [2]].map((items) => ({ items }));
  expect([...mismatches(sums, cases, machine, limited(255, 7), (n) => neither.push(n))]).toEqual([]);
  expect(neither).toEqual([1]);
});

test('a run that does not end without a case’s items is an error of one line', () => {
  const machine: Machine = limited(255);
  const fuzzer: typeof sums = { ...sums, run: (m) => ((m.stuck = m === machine ? 0 : undefined), Buffer.alloc(1)) };
  expect(() => [...mismatches(fuzzer, [{ items: [1] }], machine, limited(255))]).toThrow(Endless);
});

test.skipIf(!assembler)('a core says which program of a run did not end', () => {
  const ends = generator.program(new Random(12));
  const ours = new Ours();
  ours.limit = 2_000_000;
  run(ours, [ends, ends, { ...ends, items: [{ kind: 'word', word: 0x14000000 }] }, ends]);
  expect(ours.stuck).toBe(2);
  run(ours, [ends, ends]);
  expect(ours.stuck).toBeUndefined();
});

test.skipIf(!qemu)('QEMU says which program of a run did not end', () => {
  const ends = generator.program(new Random(12));
  const machine = new Qemu();
  machine.patience = 2;
  try {
    run(machine, [ends, { ...ends, items: [{ kind: 'word', word: 0x14000000 }] }]);
    expect(machine.stuck).toBe(1);
  } finally {
    machine.close();
  }
});

test.skipIf(!assembler)('a mismatch shrinks to the instruction that makes it', () => {
  const program = generator.program(new Random(11));
  const words = program.items.filter((item): item is Item & { kind: 'word' } => item.kind === 'word');
  const { word } = words[words.length >> 1]!;
  const small = shrink(cpuFuzzer(generator), program, broken(undefined), broken(word));
  expect(small.items).toEqual([{ kind: 'word', word }]);
  expect(assemble(small)).toEqual([word, 0xd4000001]);
});

test.skipIf(!assembler)('every program ends on a core, and the same way however it is translated', () => {
  const programs = Array.from({ length: 60 }, (_, seed) => generator.program(new Random(1000 + seed)));
  const ours = new Ours();
  const results = (['first', 'optimized', 'mixed'] as const).map((tier) => {
    ours.tier = tier;
    return run(ours, programs);
  });
  expect(results[1]!.equals(results[0]!)).toBe(true);
  expect(results[2]!.equals(results[0]!)).toBe(true);
  // ESR_EL1 of each: an exception ended it.
  for (let n = 0; n < programs.length; n++) expect(results[0]!.readBigUInt64LE(n * RESULT_BYTES + 272)).not.toBe(0n);
});
