import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cases, type Recorded } from './mmu-qemu/cases.ts';

// Recorded by mmu-qemu/record.ts from QEMU 7.2 (-cpu neoverse-n1); a change of the generator needs a new recording.
const vectors = JSON.parse(
  readFileSync(new URL('./mmu-qemu/vectors.json', import.meta.url), 'utf8'),
) as readonly Recorded[];

test('AT gives what QEMU gives, for random tables of both stages, and leaves the same tables', () => {
  const cases = new Cases();
  let compared = 0;
  for (const { seed, results } of vectors) {
    for (const [i, query] of cases.make(seed, results.length).entries()) {
      const recorded = results[i];
      if (recorded === null) continue;
      const { par, crc } = cases.run(query);
      expect(`${par.toString(16)} ${crc.toString(16)}`, `seed ${seed} query ${i}`).toBe(recorded);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(2000);
});
