/**
 * Records tests/vectors/a64/assembly.txt from the GNU assembler and disassembler: WORDS words of every row of the instruction
 * table with objdump's text of them, and lines of source with the assembler's words. Needs aarch64-linux-gnu-binutils.
 *
 *     node buildscripts/record-assembly.ts
 */
import { allWords, gnuAssemble, objdump, SOURCES, writeRecorded } from '../tests/arch/a64/assembly.ts';

const WORDS = 6;

const words = allWords(WORDS);
const canonical = objdump(words, false);
const preferred = objdump(words, true);
const sources = gnuAssemble(SOURCES);
SOURCES.forEach((source, n) => {
  if (sources[n] === undefined) console.error(`refused: ${source}`);
});
writeRecorded(
  words.map((word, n) => ({ word, canonical: canonical[n]!, preferred: preferred[n]! })),
  SOURCES.flatMap((source, n) => (sources[n] === undefined ? [] : [{ word: sources[n], source }])),
);
console.log(`${words.length} words, ${SOURCES.length} lines of source`);
