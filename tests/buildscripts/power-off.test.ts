import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { assembleProgram } from '../../arch/a64/assemble.ts';

it('the guest of set-up and of the benchmark calls PSCI SYSTEM_OFF', () => {
  const program = assembleProgram('movz w0, #8\n movk w0, #0x8400, lsl #16\n hvc #0\n b .', 0);
  const file = readFileSync(new URL('../../buildscripts/power-off.bin', import.meta.url));
  expect(new Int32Array(new Uint8Array(file).buffer)).toEqual(Int32Array.from(program));
});
