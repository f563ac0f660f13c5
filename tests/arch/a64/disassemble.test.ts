import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../arch/a64/decode.ts';
import { disassemble } from '../../../arch/a64/disassemble.ts';
import { table } from '../../../arch/a64/table/index.ts';
import { allWords, haveBinutils, objdump, readRecorded, wordsOf } from './assembly.ts';

const recorded = readRecorded().words;

/** binutils 2.40 has no name for this hint. */
const withoutDgh = (text: string): string => (text === 'dgh' ? 'hint #0x6' : text);
const hex = (word: number): string => word.toString(16).padStart(8, '0');

function differences(words: readonly number[], theirs: readonly string[], aliases: boolean): string[] {
  return words.flatMap((word, n) => {
    const ours = withoutDgh(disassemble(word, 4 * n, { aliases }));
    return ours === theirs[n] ? [] : [`${hex(word)}: ${ours}, not ${theirs[n]}`];
  });
}

describe('disassemble', () => {
  const words = recorded.map((r) => r.word);

  it("gives objdump's recorded text without aliases", () => {
    expect(
      differences(
        words,
        recorded.map((r) => r.canonical),
        false,
      ),
    ).toEqual([]);
  });

  it("gives objdump's recorded text with the preferred aliases", () => {
    expect(
      differences(
        words,
        recorded.map((r) => r.preferred),
        true,
      ),
    ).toEqual([]);
  });

  it('is recorded for every row of the table', () => {
    const rows = new Set(words.map((word) => decode(word)?.row));
    expect(table.filter((row) => !rows.has(row)).map((row) => `${row.name}: ${row.pattern}`)).toEqual([]);
  });

  it('has a text for every word of every row', () => {
    const silent = table.flatMap((row) => wordsOf(row, 40).filter((word) => disassemble(word).startsWith('.inst')));
    expect(silent.map(hex)).toEqual([]);
  });

  it('writes a word that is not allocated as data', () => {
    expect(disassemble(0xffffffff)).toBe('.inst 0xffffffff');
    expect(disassemble(0x00000000)).toBe('udf #0');
    expect(disassemble(-1)).toBe('.inst 0xffffffff');
  });

  it('counts targets from the address of the instruction, modulo 2^64', () => {
    expect(disassemble(0x14000002, 0xffff_8000_1000_0000n)).toBe('b 0xffff800010000008');
    expect(disassemble(0x17ffffff, 0)).toBe('b 0xfffffffffffffffc');
    expect(disassemble(0xb0000001, 0x1234)).toBe('adrp x1, 0x2000');
  });

  it('says the same where should-be bits are not as they should be', () => {
    expect(disassemble(0x88d0ff5a)).toBe('ldar w26, [x26]');
    expect(disassemble(0xd5033cff)).toBe('sb');
  });

  it('never fails', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        (word, pc) => {
          const text = disassemble(word, pc);
          expect(text.startsWith('.inst')).toBe(decode(word) === undefined);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it.runIf(haveBinutils)('agrees with objdump on every row', () => {
    const many = allWords(60);
    for (const aliases of [false, true]) expect(differences(many, objdump(many, aliases), aliases)).toEqual([]);
  });
});
