import type { Context } from '../a64/region-abi.ts';

/**
 * Regions kept from one run to the next. A region does not depend on where its code lies, physically or virtually: it
 * may be used wherever its instruction words are found again, at the same place in a page and in the same context. The
 * words are kept and compared, so a store can never be wrong about them, whatever guest it came from.
 *
 * Format, 32-bit little-endian words: MAGIC, number of regions, words of the index, bytes of the module. Then the index,
 * one record for a region: context, entry word, 1 where optimized, offset and length of its function's body in the
 * module, numbers of extents, of instruction words and of doors, the extents (pairs), the instruction words, the doors. Then
 * one WebAssembly module with a function for each region, which it places into the table from index 1 on.
 */
const MAGIC = 0x0253584e;
const HEADER_BYTES = 16;
const RECORD_WORDS = 8;

export interface StoredRegion {
  /** `contextBits` of its context. */
  readonly context: number;
  /** Entry, in words from the page's start. */
  readonly word: number;
  readonly optimized: boolean;
  readonly extents: readonly number[];
  readonly words: Int32Array;
  /** Words of the page that its function may be entered at. */
  readonly doors: readonly number[];
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

/** Elements `from` … `to - 1`. Not by an iterator: a machine's start asks for thousands of these. */
function numbers(words: Int32Array, from: number, to: number): number[] {
  const list: number[] = [];
  for (let n = from; n < to; n++) list.push(words[n]!);
  return list;
}

/** Regions by key; those with the same key form a chain. */
class Places {
  private readonly heads = new Map<number, number>();
  private count = 0;
  /** By place: the region, and the next place of the chain or -1. */
  regions: Int32Array;
  next: Int32Array;

  constructor(size: number) {
    this.regions = new Int32Array(size);
    this.next = new Int32Array(size);
  }

  add(key: number, region: number): void {
    if (this.count === this.regions.length) {
      const grow = (old: Int32Array): Int32Array => {
        const grown = new Int32Array(2 * old.length + 1);
        grown.set(old);
        return grown;
      };
      this.regions = grow(this.regions);
      this.next = grow(this.next);
    }
    this.regions[this.count] = region;
    this.next[this.count] = this.first(key);
    this.heads.set(key, this.count++);
  }

  /** The first place of a key's chain, or -1. */
  first(key: number): number {
    return this.heads.get(key) ?? -1;
  }
}

export class TranslationStore {
  /** Regions in it. */
  readonly count: number;
  /** The WebAssembly module. */
  readonly module: Uint8Array<ArrayBuffer>;
  private readonly index: Int32Array;
  /** Where each region's record begins. */
  private readonly records: Int32Array;
  private readonly entries: Places;
  /** Made when it is first asked for. */
  private doors: Places | undefined;

  private constructor(index: Int32Array, records: Int32Array, module: Uint8Array<ArrayBuffer>) {
    this.count = records.length;
    this.index = index;
    this.records = records;
    this.module = module;
    this.entries = new Places(records.length);
    for (let n = 0; n < records.length; n++) {
      const at = records[n]!;
      const words = at + RECORD_WORDS + index[at + 5]!;
      let first = words;
      for (let e = at + RECORD_WORDS; e < words && index[e] !== index[at + 1]; e += 2) first += index[e + 1]!;
      this.entries.add(keyOf(index[at]!, index[at + 1]!, index[first]!), n);
    }
  }

  /** Where the regions that are not optimized can be entered. */
  private makeDoors(): Places {
    const { index, records } = this;
    const places = new Places(records.length * 8);
    for (let n = 0; n < records.length; n++) {
      const at = records[n]!;
      const extents = at + RECORD_WORDS;
      const words = extents + index[at + 5]!;
      const doors = words + index[at + 6]!;
      const end = doors + index[at + 7]!;
      if (index[at + 2] !== 0 || end - doors < 2) continue;
      // Both are in the order of addresses.
      let first = words;
      for (let e = extents, d = doors; e < words && d < end; first += index[e + 1]!, e += 2) {
        if (index[e] !== index[d]) continue;
        if (index[d] !== index[at + 1]) places.add(keyOf(index[at]!, index[d]!, index[first]!), n);
        d++;
      }
    }
    return places;
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
      const doors = index[at + 7];
      if (extents === undefined || words === undefined || doors === undefined) return undefined;
      if (extents < 0 || words < 1 || doors < 0) return undefined;
      records[n] = at;
      at += RECORD_WORDS + extents + words + doors;
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
    const doors = words + index[at + 6]!;
    return {
      context: index[at]!,
      word: index[at + 1]!,
      optimized: index[at + 2] === 1,
      bodyOffset: index[at + 3]!,
      bodyLength: index[at + 4]!,
      extents: numbers(index, extents, words),
      words: index.subarray(words, doors),
      doors: numbers(index, doors, doors + index[at + 7]!),
    };
  }

  /** The bytes of a store. @param regions with their bodies' places in `module` */
  static write(regions: readonly StoredRegion[], module: Uint8Array): Uint8Array<ArrayBuffer> {
    const indexWords = regions.reduce(
      (sum, r) => sum + RECORD_WORDS + r.extents.length + r.words.length + r.doors.length,
      0,
    );
    const out = new Uint8Array(HEADER_BYTES + indexWords * 4 + module.length);
    const words = new Int32Array(out.buffer, 0, HEADER_BYTES / 4 + indexWords);
    words.set([MAGIC, regions.length, indexWords, module.length]);
    let at = HEADER_BYTES / 4;
    for (const r of regions) {
      words.set(
        [
          r.context,
          r.word,
          r.optimized ? 1 : 0,
          r.bodyOffset,
          r.bodyLength,
          r.extents.length,
          r.words.length,
          r.doors.length,
        ],
        at,
      );
      words.set(r.extents, at + RECORD_WORDS);
      words.set(r.words, at + RECORD_WORDS + r.extents.length);
      words.set(r.doors, at + RECORD_WORDS + r.extents.length + r.words.length);
      at += RECORD_WORDS + r.extents.length + r.words.length + r.doors.length;
    }
    out.set(module, at * 4);
    return out;
  }

  /**
   * The number of the region with this entry whose words stand in memory now, an optimized one where there is one, or -1.
   * @param base index in `i32` of the page's first word
   */
  find(context: number, word: number, i32: Int32Array, base: number): number {
    const { index, entries } = this;
    let found = -1;
    for (let e = entries.first(keyOf(context, word, i32[base + word]!)); e >= 0; e = entries.next[e]!) {
      const n = entries.regions[e]!;
      const at = this.records[n]!;
      if (index[at] !== context || index[at + 1] !== word || !this.matches(at, i32, base)) continue;
      if (index[at + 2] !== 0) return n;
      found = n;
    }
    return found;
  }

  /** The same for a region that can be entered there in its middle. */
  findDoor(context: number, word: number, i32: Int32Array, base: number): number {
    const { index } = this;
    const doors = (this.doors ??= this.makeDoors());
    for (let e = doors.first(keyOf(context, word, i32[base + word]!)); e >= 0; e = doors.next[e]!) {
      const n = doors.regions[e]!;
      const at = this.records[n]!;
      if (index[at] === context && this.hasDoor(at, word) && this.matches(at, i32, base)) return n;
    }
    return -1;
  }

  private hasDoor(at: number, word: number): boolean {
    const { index } = this;
    const doors = at + RECORD_WORDS + index[at + 5]! + index[at + 6]!;
    for (let d = doors + index[at + 7]! - 1; d >= doors; d--) if (index[d] === word) return true;
    return false;
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
