import { expect, test } from 'vitest';
import programs from './programs.json' with { type: 'json' };
import { runProgram } from './run.ts';

for (const [name, { image, lines }] of Object.entries(programs)) {
  test(`the program ${name} prints what it prints on QEMU`, () => {
    expect(lines.length).toBeGreaterThan(0);
    expect(runProgram(image)).toEqual(lines);
  });
}
