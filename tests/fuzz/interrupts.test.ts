import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { run } from '../../buildscripts/fuzz/cpu.ts';
import { Generator } from '../../buildscripts/fuzz/generate.ts';
import { RESULT_BYTES, STATE } from '../../buildscripts/fuzz/layout.ts';
import { Ours } from '../../buildscripts/fuzz/machines.ts';
import type { Program } from '../../buildscripts/fuzz/program.ts';
import { Random } from '../../buildscripts/fuzz/random.ts';

const assembler = spawnSync('aarch64-linux-gnu-gcc', ['--version']).status === 0;
const generator = new Generator({ simd: true });

const withInterrupts = (program: Program, interrupts: boolean): Program => ({
  ...program,
  state: { ...program.state, interrupts },
});

test.skipIf(!assembler)('interrupts between its instructions change nothing of what a program leaves', () => {
  const programs: Program[] = [];
  for (let seed = 2000; programs.length < 40; seed++) {
    const program = generator.program(new Random(seed));
    if (program.state.interrupts) programs.push(program);
  }
  const ours = new Ours();
  for (const tier of ['first', 'optimized', 'mixed'] as const) {
    ours.tier = tier;
    const [quiet, busy] = [false, true].map((interrupts) =>
      run(
        ours,
        programs.map((program) => withInterrupts(program, interrupts)),
      ),
    );
    for (let n = 0; n < programs.length; n++) {
      const at = n * RESULT_BYTES;
      const spsr = quiet!.readBigUInt64LE(at + STATE.spsr);
      quiet!.writeBigUInt64LE(spsr & ~0x80n, at + STATE.spsr);
      expect(
        busy!.subarray(at, at + RESULT_BYTES).equals(quiet!.subarray(at, at + RESULT_BYTES)),
        `${n}, ${tier}`,
      ).toBe(true);
    }
  }
});
