import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { Ours } from '../../buildscripts/fuzz/machines.ts';
import { MmuFuzzer } from '../../buildscripts/fuzz/mmu.ts';
import { AREA_BYTES } from '../../buildscripts/fuzz/mmu-tables.ts';
import { Random } from '../../buildscripts/fuzz/random.ts';

const assembler = spawnSync('aarch64-linux-gnu-gcc', ['--version']).status === 0;
const STATE_BYTES = 0x200;

test.skipIf(!assembler).each([7, 10])(
  'cases for QEMU %i end on a core, and the same way however its code is translated',
  (version) => {
    const fuzzer = new MmuFuzzer({ version, cpu: '', cores: 1 });
    const cases = Array.from({ length: 40 }, (_, seed) => fuzzer.make(new Random(3000 + seed)));
    for (const { tables, length } of cases) {
      expect(length).toBeLessThanOrEqual(AREA_BYTES);
      for (const offset of tables.keys())
        if (offset % 8 !== 0 || offset >= length) throw new Error(`a descriptor at ${offset}`);
    }
    const ours = new Ours();
    const results = (['first', 'optimized'] as const).map((tier) => {
      ours.tier = tier;
      return fuzzer.run(ours, cases);
    });
    expect(ours.stuck).toBeUndefined();
    expect(results[1]!.equals(results[0]!)).toBe(true);
    // ESR_EL2: HVC #0x7ff, or the exception for which there was no fuel left.
    for (let n = 0; n < cases.length; n++) expect(results[0]!.readBigUInt64LE(n * STATE_BYTES + 328)).not.toBe(0n);
  },
);
