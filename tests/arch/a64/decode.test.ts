import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../arch/a64/decode.ts';
import { table } from '../../../arch/a64/table/index.ts';
import { GROUPS } from './cases.ts';
import { decodeBitMasks, encodeBitMasks } from '../../../arch/a64/table/data-immediate.ts';

const lines = readFileSync(join(import.meta.dirname, '../../vectors/a64/mnemonics.txt'), 'utf8')
  .trim()
  .split('\n');
const recorded = lines.flatMap((line) => {
  const [mnemonic = '', ...words] = line.split(' ');
  return words.map((word) => ({ mnemonic, word: parseInt(word, 16) }));
});

/** The mnemonics of a row's name: `ADDHN, ADDHN2`, `ADD (immediate)`. */
const mnemonics = (name: string): string[] => name.replace(/ \(.*/, '').toLowerCase().split(', ');

describe('decode', () => {
  it('names what objdump names', () => {
    const wrong = recorded.filter(({ mnemonic, word }) => {
      if (mnemonic === '-') return false;
      const name = decode(word)?.row.name;
      if (name === undefined) return true;
      // Without aliases objdump calls every hint so, and conditions are part of its mnemonics.
      if (mnemonic === 'hint') return (word & 0xfffff01f) >>> 0 !== 0xd503201f;
      return !mnemonics(name).some((n) => n === mnemonic || (n === 'b.cond' && mnemonic.startsWith('b.')));
    });
    expect(
      wrong.map(({ mnemonic, word }) => `${word.toString(16)} is ${mnemonic}, not ${decode(word)?.row.name}`),
    ).toEqual([]);
  });

  it('knows no word that objdump does not know, but what the architecture leaves to should-be bits', () => {
    const ordered = /^(LDAR|LDLAR|STLR|STLLR|LDAPR|LDX|LDAX|STX|STLX)/;
    // Writeback to a register that is loaded is CONSTRAINED UNPREDICTABLE, and has a meaning here.
    const clobbered = (name: string, word: number): boolean => name === 'LDPSW' && (word & 0x00800000) !== 0;
    const extra = recorded.filter(({ mnemonic, word }) => {
      const row = mnemonic === '-' ? decode(word)?.row : undefined;
      return row !== undefined && !clobbered(row.name, word) && !(ordered.test(row.name) && row.pattern.includes('(1'));
    });
    expect(extra.map(({ word }) => `${word.toString(16)}: ${decode(word)!.row.name}`)).toEqual([]);
  });

  it('reaches every row that has vectors', () => {
    const reached = new Set(recorded.map(({ word }) => decode(word)?.row));
    const rows = Object.values(GROUPS).flat();
    expect(rows.filter((row) => !reached.has(row)).map((row) => row.name)).toEqual([]);
  });

  it('has no two rows that claim a word with equally specific patterns', () => {
    const clashes = new Set<string>();
    for (const { word } of recorded) {
      const rows = table.filter(
        (r) => (word & r.mask) >>> 0 === r.value && (r.when === undefined || decode(word)?.row === r),
      );
      const bits = (mask: number): number => mask.toString(2).replaceAll('0', '').length;
      const most = Math.max(...rows.map((r) => bits(r.mask)));
      const best = rows.filter((r) => bits(r.mask) === most);
      if (best.length > 1) clashes.add(best.map((r) => r.name).join(' and '));
    }
    expect([...clashes]).toEqual([]);
  });
});

describe('logical immediates', () => {
  it('decode as the architecture says', () => {
    expect(decodeBitMasks(0, 0b111100, 0)).toBe(0x5555555555555555n);
    expect(decodeBitMasks(0, 0b111100, 1)).toBe(0xaaaaaaaaaaaaaaaan);
    expect(decodeBitMasks(1, 0, 0)).toBe(1n);
    expect(decodeBitMasks(1, 62, 63)).toBe(0xfffffffffffffffen);
    expect(decodeBitMasks(0, 0b000111, 4)).toBe(0xf000000ff000000fn);
    expect(decodeBitMasks(1, 63, 0)).toBeUndefined();
    expect(decodeBitMasks(0, 0b111111, 0)).toBeUndefined();
    expect(decodeBitMasks(0, 0b111101, 0)).toBeUndefined();
  });

  it('encode to what decodes to the same mask, each of the 5334 masks once', () => {
    const masks = new Set<bigint>();
    for (let encoding = 0; encoding < 1 << 13; encoding++) {
      const mask = decodeBitMasks(encoding >> 12, encoding & 63, (encoding >> 6) & 63);
      if (mask === undefined || masks.has(mask)) continue;
      masks.add(mask);
      const back = encodeBitMasks(mask, 64)!;
      expect(decodeBitMasks(back >> 12, back & 63, (back >> 6) & 63)).toBe(mask);
    }
    expect(masks.size).toBe(5334);
  });

  it('do not encode what is no rotated run of ones', () => {
    expect(encodeBitMasks(0n, 64)).toBeUndefined();
    expect(encodeBitMasks(0xffffffffn, 32)).toBeUndefined();
    expect(encodeBitMasks(0b1011n, 64)).toBeUndefined();
    expect(encodeBitMasks(0xff00ff00n, 32)).toBe(encodeBitMasks(0xff00ff00ff00ff00n, 64));
  });
});
