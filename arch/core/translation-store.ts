import type { Context } from '../a64/translator.ts';

/**
 * Regions kept from one run to the next. A region does not depend on where its code lies, physically or virtually: it
 * may be used wherever its instruction words are found again, at the same place in a page and in the same context. The
 * words are kept and compared, so a store can never be wrong about them, whatever guest it came from.
 *
 * Format, 32-bit little-endian words: MAGIC, number of regions, words of the index, bytes of the module. Then the index,
 * one record for a region: context, entry word, 1 where optimized, offset and length of its function's body in the
 * module, number of extents, number of instruction words, the extents (pairs), the instruction words. Then one
 * WebAssembly module with a function for each region, which it places into the table from index 1 on.
 */
const MAGIC = 0x0153584e;
const HEADER_BYTES = 16;
const RECORD_WORDS = 7;

export interface StoredRegion {
  /** `contextBits` of its context. */
  readonly context: number;
  /** Entry, in words from the page's start. */
  readonly word: number;
  readonly optimized: boolean;
  readonly extents: readonly number[];
  readonly words: Int32Array;
  /** Its function's body in the module. */
  readonly bodyOffset: number;
  readonly bodyLength: number;
}

/** A context as a number that means the same in every run of the same program. */
export function contextBits(context: Context): number {
  const { el, ...flags } = context;
  return Object.entries(flags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .reduce<number>((bits, [, flag]) => bits * 2 + (flag ? 1 : 0), el);
}

/** Where a region is looked for: its context, entry and first instruction. */
const keyOf = (context: number, word: number, first: number): number =>
  Math.imul(first ^ Math.imul(context * 1024 + word, 0x9e3779b1), 0x85ebca6b);

export class TranslationStore {
  readonly regions: readonly StoredRegion[];
  /** The WebAssembly module. */
  readonly module: Uint8Array<ArrayBuffer>;
  private readonly byKey = new Map<number, number[]>();

  private constructor(regions: StoredRegion[], module: Uint8Array<ArrayBuffer>) {
    this.regions = regions;
    this.module = module;
    regions.forEach((r, n) => {
      const key = keyOf(r.context, r.word, r.words[0]!);
      const list = this.byKey.get(key);
      if (list === undefined) this.byKey.set(key, [n]);
      else list.push(n);
    });
  }

  /** Reads a store; undefined when the bytes are not one. */
  static parse(bytes: Uint8Array<ArrayBuffer>): TranslationStore | undefined {
    if (bytes.length < HEADER_BYTES || bytes.byteOffset % 4 !== 0) return undefined;
    const [magic, count, indexWords, moduleBytes] = new Int32Array(bytes.buffer, bytes.byteOffset, 4);
    if (magic !== MAGIC || HEADER_BYTES + indexWords! * 4 + moduleBytes! !== bytes.length) return undefined;
    const index = new Int32Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES, indexWords);
    const regions: StoredRegion[] = [];
    let at = 0;
    for (let n = 0; n < count!; n++) {
      if (at + RECORD_WORDS > index.length) return undefined;
      const [context, word, optimized, bodyOffset, bodyLength, extents, words] = index.subarray(at, at + RECORD_WORDS);
      at += RECORD_WORDS;
      if (extents! < 0 || words! < 1 || at + extents! + words! > index.length) return undefined;
      regions.push({
        context: context!,
        word: word!,
        optimized: optimized === 1,
        extents: Array.from(index.subarray(at, at + extents!)),
        words: index.subarray(at + extents!, at + extents! + words!),
        bodyOffset: bodyOffset!,
        bodyLength: bodyLength!,
      });
      at += extents! + words!;
    }
    return new TranslationStore(regions, bytes.subarray(HEADER_BYTES + indexWords! * 4));
  }

  /** The bytes of a store. @param regions with their bodies' places in `module` */
  static write(regions: readonly StoredRegion[], module: Uint8Array): Uint8Array {
    const indexWords = regions.reduce((sum, r) => sum + RECORD_WORDS + r.extents.length + r.words.length, 0);
    const out = new Uint8Array(HEADER_BYTES + indexWords * 4 + module.length);
    const words = new Int32Array(out.buffer, 0, HEADER_BYTES / 4 + indexWords);
    words.set([MAGIC, regions.length, indexWords, module.length]);
    let at = HEADER_BYTES / 4;
    for (const r of regions) {
      words.set([r.context, r.word, r.optimized ? 1 : 0, r.bodyOffset, r.bodyLength, r.extents.length, r.words.length], at);
      words.set(r.extents, at + RECORD_WORDS);
      words.set(r.words, at + RECORD_WORDS + r.extents.length);
      at += RECORD_WORDS + r.extents.length + r.words.length;
    }
    out.set(module, at * 4);
    return out;
  }

  /**
   * The number of the region whose words stand in memory now, or -1.
   * @param base index in `i32` of the page's first word
   */
  find(context: number, word: number, i32: Int32Array, base: number): number {
    const candidates = this.byKey.get(keyOf(context, word, i32[base + word]!));
    if (candidates === undefined) return -1;
    for (const n of candidates) {
      const region = this.regions[n]!;
      if (region.context === context && region.word === word && wordsMatch(region.extents, region.words, i32, base)) return n;
    }
    return -1;
  }
}

/** Whether memory still holds the words that a region was made from. @param base index in `i32` of its page's first word */
export function wordsMatch(extents: readonly number[], words: Int32Array, i32: Int32Array, base: number): boolean {
  let k = 0;
  for (let e = 0; e < extents.length; e += 2) {
    const first = base + extents[e]!;
    const count = extents[e + 1]!;
    for (let i = 0; i < count; i++) if (i32[first + i] !== words[k++]) return false;
  }
  return true;
}
