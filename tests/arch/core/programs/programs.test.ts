import { expect, test } from 'vitest';
import programs from './programs.json' with { type: 'json' };
import { runProgram } from './run.ts';

for (const [name, { image, lines }] of Object.entries(programs)) {
  test(`the program ${name} prints what it prints on QEMU, or says itself`, () => {
    expect(lines.length).toBeGreaterThan(0);
    expect(runProgram(image)).toEqual(lines);
    expect(runProgram(image, true)).toEqual(lines);
  });
}
