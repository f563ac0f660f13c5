import fc from 'fast-check';
import { expect, test } from 'vitest';
import { extract } from '../../../arch/a64/encoding.ts';
import { rolesOf, setsFlags } from '../../../arch/a64/roles.ts';
import { table } from '../../../arch/a64/table/index.ts';

test('what is asked of a row first says of all its words whether they may set the flags', () => {
  for (const row of table) {
    fc.assert(
      fc.property(fc.integer(), (bits) => {
        const fields = extract(row, ((bits & ~row.mask) | row.value) >>> 0);
        if (row.when?.(fields) === false) return;
        expect(setsFlags(row, fields)).toBe(rolesOf(row, fields).setsFlags);
      }),
      { numRuns: 20 },
    );
  }
});
