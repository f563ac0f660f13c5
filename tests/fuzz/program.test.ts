import { expect, test } from 'vitest';
import { decode } from '../../arch/a64/decode.ts';
import { Generator } from '../../buildscripts/fuzz/generate.ts';
import { assemble, type Program } from '../../buildscripts/fuzz/program.ts';
import { Random } from '../../buildscripts/fuzz/random.ts';

const generator = new Generator({ simd: true });
const programs = Array.from({ length: 200 }, (_, seed) => generator.program(new Random(seed)));

/** Direct branches stay in the program, and what is not a taken-out hole is an allocated instruction. */
function check(program: Program): void {
  const words = assemble(program);
  words.forEach((word, at) => {
    const d = decode(word);
    expect(d, word.toString(16)).toBeDefined();
    const offset = d!.row.offset?.(d!.fields);
    if (offset === undefined) return;
    expect(at + offset / 4).toBeGreaterThanOrEqual(0);
    expect(at + offset / 4).toBeLessThan(words.length);
  });
  expect(words.at(-1)).toBe(0xd4000001);
}

test('a seed always gives the same program', () => {
  const again = generator.program(new Random(7));
  expect(assemble(again)).toEqual(assemble(programs[7]!));
  expect(again.state).toEqual(programs[7]!.state);
});

test('programs are allocated instructions whose branches stay inside', () => {
  for (const program of programs) check(program);
});

test('a program without any one of its items is a program still', () => {
  for (const program of programs.slice(0, 20))
    program.items.forEach((_, n) => check({ ...program, items: program.items.filter((_, m) => m !== n) }));
});
