import { decode } from '../../../arch/a64/decode.ts';
import type { Instruction } from '../../../arch/a64/encoding.ts';
import { dataImmediate } from '../../../arch/a64/table/data-immediate.ts';
import { dataRegister } from '../../../arch/a64/table/data-register.ts';
import { loadsStores } from '../../../arch/a64/table/loads-stores.ts';
import { CODE, DATA } from './harness.ts';
import { random, registersOf, withShouldBits, type Case, type State } from './cases.ts';

/**
 * Random programs: straight code with forward branches around and inside a counted loop, memory through X27 and SP. They
 * show what single instructions cannot: registers and flags that live across a region.
 */

export const PROGRAM_WORDS = 32;
const LENGTH = PROGRAM_WORDS - 2;
const COUNTER = 26;
const BASE = 27;
const MEMORY_ROWS = 6;
/** Address of the first word. */
export const programPc = (c: Case): bigint =>
  CODE + BigInt(4 * (PROGRAM_WORDS * (c.seed % PROGRAM_SLOTS) + LENGTH - c.words.length));
export const PROGRAM_SLOTS = 8192;

const memory = loadsStores.filter(
  (r) =>
    !r.syntax.includes('<extend>') &&
    r.syntax.includes('[<Xn|SP>') &&
    !r.name.startsWith('PRF') &&
    r.feature !== 'FEAT_LRCPC2',
);

export function programState(c: Case): State {
  const next = random(c.seed);
  const s = registersOf(next);
  s.x[BASE] = DATA + 0x10000n + BigInt(next() & 0x3ff0);
  return s;
}

/** One instruction that leaves the loop's counter and the base registers to themselves (writeback moves the latter). */
export function filler(next: () => number, rows: readonly Instruction[]): number {
  for (;;) {
    const row = rows[next() % rows.length]!;
    let word = ((next() & ~row.mask) | row.value) >>> 0;
    const base = row.syntax.includes('[<Xn|SP>');
    for (const f of row.fields) {
      if (!/^R[a-z]\d?$/.test(f.name)) continue;
      // Few registers, so that results meet again.
      let n = next() % 8 === 0 ? 31 : next() % (next() % 2 === 0 ? 4 : COUNTER);
      if (base && f.name === 'Rn') n = next() % 2 === 0 ? BASE : 31;
      if (f.name === 'Rd' && n === 31) n = 0;
      word = ((word & ~(31 << f.lsb)) | (n << f.lsb)) >>> 0;
    }
    word = withShouldBits(row, word);
    const rt2 = row.fields.find((f) => f.name === 'Rt2');
    if (rt2 !== undefined && ((word >>> rt2.lsb) & 31) === (word & 31)) continue;
    if (decode(word)?.row === row) return word;
  }
}

/** B, B.cond, CBZ, CBNZ, TBZ or TBNZ, `distance` words forward. */
function branch(next: () => number, distance: number): number {
  const rt = next() % 4;
  switch (next() % 4) {
    case 0:
      return (0x54000000 | (distance << 5) | (next() & 15)) >>> 0;
    case 1:
      return (0x34000000 | ((next() & 1) << 31) | ((next() & 1) << 24) | (distance << 5) | rt) >>> 0;
    case 2:
      return (
        (0x36000000 | ((next() & 1) << 31) | ((next() & 31) << 19) | ((next() & 1) << 24) | (distance << 5) | rt) >>> 0
      );
    default:
      return next() % 4 === 0 ? 0x14000000 | distance : (0x54000000 | (distance << 5) | (next() & 15)) >>> 0;
  }
}

export function program(seed: number): Case {
  const next = random(seed ^ 0x2545f491);
  const words: number[] = [];
  const length = 8 + (next() % (LENGTH - 8));
  const loop = next() % 2 === 0;
  const head = loop ? 1 + (next() % 4) : -1;
  const tail = loop ? head + 3 + (next() % (length - head - 4)) : -1;
  let accesses = 0;
  while (words.length < length) {
    const at = words.length;
    if (at === head) words.push((0xd2800000 | ((1 + (next() % 4)) << 5) | COUNTER) >>> 0);
    else if (loop && at === tail) {
      // The loop's end: SUBS and B.NE, or SUB and CBNZ.
      const back = head + 1 - (at + 1);
      const subs = next() % 2 === 0;
      words.push(((subs ? 0xf1000400 : 0xd1000400) | (COUNTER << 5) | COUNTER) >>> 0);
      words.push(((subs ? 0x54000001 : 0xb5000000 | COUNTER) | ((back & 0x7ffff) << 5)) >>> 0);
    } else {
      const limit = at < head ? head - at : at < tail ? tail - at : length - at;
      const kind = next() % 8;
      if (kind === 0 && limit > 1) words.push(branch(next, 1 + (next() % limit)));
      else if (kind <= 2 && accesses < MEMORY_ROWS) {
        accesses++;
        words.push(filler(next, memory));
      } else words.push(filler(next, kind <= 4 ? dataImmediate : dataRegister));
    }
  }
  return { words, seed };
}
