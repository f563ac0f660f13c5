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
  /** Regions in it. */
  readonly count: number;
  /** The WebAssembly module. */
  readonly module: Uint8Array<ArrayBuffer>;
  private readonly index: Int32Array;
  /** Where each region's record begins. */
  private readonly records: Int32Array;
  /** Regions with the same key form a chain: its first one by key, and the next one by region, -1 at the end. */
  private readonly first = new Map<number, number>();
  private readonly next: Int32Array;

  private constructor(index: Int32Array, records: Int32Array, module: Uint8Array<ArrayBuffer>) {
    this.count = records.length;
    this.index = index;
    this.records = records;
    this.module = module;
    this.next = new Int32Array(records.length);
    for (let n = 0; n < records.length; n++) {
      const at = records[n]!;
      const key = keyOf(index[at]!, index[at + 1]!, index[at + RECORD_WORDS + index[at + 5]!]!);
      this.next[n] = this.first.get(key) ?? -1;
      this.first.set(key, n);
    }
  }

  /** Reads a store; undefined when the bytes are not one. */
  static parse(bytes: Uint8Array<ArrayBuffer>): TranslationStore | undefined {
    if (bytes.length < HEADER_BYTES || bytes.byteOffset % 4 !== 0) return undefined;
    const header = new Int32Array(bytes.buffer, bytes.byteOffset, 4);
    const [magic, count, indexWords, moduleBytes] = [header[0]!, header[1]!, header[2]!, header[3]!];
    if (magic !== MAGIC || HEADER_BYTES + indexWords * 4 + moduleBytes !== bytes.length) return undefined;
    const index = new Int32Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES, indexWords);
    const records = new Int32Array(Math.min(count, indexWords));
    let at = 0;
    for (let n = 0; n < count; n++) {
      const extents = index[at + 5];
      const words = index[at + 6];
      if (extents === undefined || words === undefined || extents < 0 || words < 1) return undefined;
      records[n] = at;
      at += RECORD_WORDS + extents + words;
    }
    if (at !== indexWords) return undefined;
    return new TranslationStore(index, records, bytes.subarray(HEADER_BYTES + indexWords * 4));
  }

  /** Region `n`. */
  region(n: number): StoredRegion {
    const { index } = this;
    const at = this.records[n]!;
    const extents = at + RECORD_WORDS;
    const words = extents + index[at + 5]!;
    return {
      context: index[at]!,
      word: index[at + 1]!,
      optimized: index[at + 2] === 1,
      bodyOffset: index[at + 3]!,
      bodyLength: index[at + 4]!,
      extents: Array.from(index.subarray(extents, words)),
      words: index.subarray(words, words + index[at + 6]!),
    };
  }

  /** The bytes of a store. @param regions with their bodies' places in `module` */
  static write(regions: readonly StoredRegion[], module: Uint8Array): Uint8Array {
    const indexWords = regions.reduce((sum, r) => sum + RECORD_WORDS + r.extents.length + r.words.length, 0);
    const out = new Uint8Array(HEADER_BYTES + indexWords * 4 + module.length);
    const words = new Int32Array(out.buffer, 0, HEADER_BYTES / 4 + indexWords);
    words.set([MAGIC, regions.length, indexWords, module.length]);
    let at = HEADER_BYTES / 4;
    for (const r of regions) {
      words.set(
        [r.context, r.word, r.optimized ? 1 : 0, r.bodyOffset, r.bodyLength, r.extents.length, r.words.length],
        at,
      );
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
    const { index } = this;
    for (let n = this.first.get(keyOf(context, word, i32[base + word]!)) ?? -1; n >= 0; n = this.next[n]!) {
      const at = this.records[n]!;
      if (index[at] === context && index[at + 1] === word && this.matches(at, i32, base)) return n;
    }
    return -1;
  }

  private matches(at: number, i32: Int32Array, base: number): boolean {
    const { index } = this;
    const extents = at + RECORD_WORDS;
    const end = extents + index[at + 5]!;
    let k = end;
    for (let e = extents; e < end; e += 2) {
      const first = base + index[e]!;
      const count = index[e + 1]!;
      for (let i = 0; i < count; i++) if (i32[first + i] !== index[k++]) return false;
    }
    return true;
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
