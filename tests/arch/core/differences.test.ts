import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import programs from './programs/programs.json' with { type: 'json' };
import { runProgram } from './programs/run.ts';

/** The places where QEMU 7.2 is not the architecture, or chooses otherwise: each a line of differences.S. */
const source = readFileSync(new URL('programs/differences.S', import.meta.url), 'utf8');
const named = [...source.matchAll(/^\/\/# (.*)\n\/\/= (.*)$/gm)].map(([, name = '', line = '']) => ({ name, line }));
const { image, lines, qemu } = programs.differences;

describe.each([false, true])('with optimized regions: %s', (optimized) => {
  const printed = runProgram(image, optimized, 1_000_000);

  test.each(named.map(({ name, line }, n) => [name, line, n] as const))('%s', (_, line, n) => {
    expect(printed[n]).toBe(line);
  });

  test('nothing else is printed', () => expect(printed.length).toBe(named.length));
});

test('the image is the source’s, and QEMU printed something else each time', () => {
  expect(lines).toEqual(named.map(({ line }) => line));
  expect(qemu.length).toBe(named.length);
  expect(named.filter(({ line }, n) => qemu[n] === line)).toEqual([]);
});
