import { hasFeature, type Feature } from '../core/idregs.ts';
import { extract, type AnyFields, type Instruction } from './encoding.ts';
import { table } from './table/index.ts';

/** An instruction word with its row and fields. */
export interface Decoded {
  readonly row: Instruction;
  readonly fields: AnyFields;
}

/** Rows by bits 31:21, the most specific first. */
function buildIndex(rows: readonly Instruction[]): readonly (readonly Instruction[])[] {
  const index: Instruction[][] = Array.from({ length: 2048 }, () => []);
  const bits = (n: number): number => {
    let count = 0;
    for (; n !== 0; n &= n - 1) count++;
    return count;
  };
  for (const row of [...rows].sort((a, b) => bits(b.mask) - bits(a.mask))) {
    const mask = row.mask >>> 21;
    const value = row.value >>> 21;
    for (let key = 0; key < 2048; key++) if ((key & mask) === value) index[key]!.push(row);
  }
  return index;
}

/** A decoder of the rows whose features `implemented` knows: a word's row, or undefined where nothing is allocated (UNDEFINED). */
export function decoder(
  rows: readonly Instruction[],
  implemented: (feature: Feature) => boolean,
): (word: number) => Decoded | undefined {
  const index = buildIndex(rows.filter((row) => row.feature === undefined || implemented(row.feature)));
  return (word) => {
    const candidates = index[word >>> 21]!;
    for (let i = 0; i < candidates.length; i++) {
      const row = candidates[i]!;
      if ((word & row.mask) >>> 0 !== row.value) continue;
      const fields = extract(row, word);
      if (row.when !== undefined && !row.when(fields)) continue;
      return { row, fields };
    }
    return undefined;
  };
}

let whole: ((word: number) => Decoded | undefined) | undefined;

/** The row of a word among those that the ID registers advertise. */
export function decode(word: number): Decoded | undefined {
  whole ??= decoder(table, hasFeature);
  return whole(word);
}
