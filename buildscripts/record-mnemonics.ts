/**
 * Records tests/vectors/a64/mnemonics.txt from objdump: for every row of the instruction table WORDS random words, and random words
 * that objdump does not know. A line is a mnemonic (`-`: undefined) and its words. Needs aarch64-linux-gnu-objdump.
 *
 *     node buildscripts/record-mnemonics.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from '../arch/a64/decode.ts';
import { table } from '../arch/a64/table/index.ts';
import { random, withShouldBits } from '../tests/arch/a64/cases.ts';

const WORDS = 6;
const UNDEFINED_WORDS = 4000;

const words: number[] = [];
table.forEach((row, k) => {
  const next = random(k);
  let found = 0;
  for (let attempt = 0; found < WORDS && attempt < 2000; attempt++) {
    const word = withShouldBits(row, ((next() & ~row.mask) | row.value) >>> 0);
    if (decode(word)?.row !== row) continue;
    words.push(word);
    found++;
  }
});
const mine = words.length;
const next = random(0x7fff);
for (let k = 0; k < 40 * UNDEFINED_WORDS; k++) words.push(next());

const scratch = mkdtempSync(join(tmpdir(), 'mnemonics-'));
const image = join(scratch, 'words');
const lines = new Map<string, string[]>();
try {
  writeFileSync(image, Uint32Array.from(words));
  const listing = execFileSync(
    'aarch64-linux-gnu-objdump',
    ['-D', '-z', '-b', 'binary', '-m', 'aarch64', '-M', 'no-aliases', image],
    { maxBuffer: 2 ** 30 },
  );
  let k = 0;
  let unknown = 0;
  for (const line of listing.toString().split('\n')) {
    const match = /^\s*[0-9a-f]+:\t([0-9a-f]{8}) \t(\S+)(.*)$/.exec(line);
    if (match === null) continue;
    const undefinedWord = match[2] === '.inst' || match[3]!.includes('undefined');
    const keep = k < mine ? !undefinedWord : undefinedWord && unknown++ < UNDEFINED_WORDS;
    if (k < mine && undefinedWord) console.log(`objdump does not know ${match[1]}: ${decode(words[k]!)!.row.name}`);
    k++;
    if (!keep) continue;
    const mnemonic = undefinedWord ? '-' : match[2]!;
    const list = lines.get(mnemonic) ?? [];
    list.push(match[1]!);
    lines.set(mnemonic, list);
  }
  if (k !== words.length) throw new Error(`objdump listed ${k} of ${words.length} words`);
} finally {
  rmSync(scratch, { recursive: true });
}
const text = [...lines]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([mnemonic, list]) => `${mnemonic} ${list.join(' ')}\n`);
writeFileSync(join(import.meta.dirname, '../tests/vectors/a64/mnemonics.txt'), text.join(''));
console.log(`${lines.size} mnemonics`);
