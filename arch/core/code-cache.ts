import { PAGE_WORDS } from '../a64/flowgraph.ts';
import { RegionBuilder, type Region } from '../a64/region.ts';
import type { Context } from '../a64/region-abi.ts';
import { RegionModules, type RuntimeExports } from './runtime.ts';
import { contextBits, TranslationStore, wordsMatch, type StoredRegion } from './translation-store.ts';

/** Words in a 64-byte line, the unit of IC IVAU. */
const LINE_WORDS = 16;

const pageHostOf = (host: number): number => (host & ~0xfff) >>> 0;
const wordOf = (host: number): number => (host & 0xfff) >>> 2;

interface Entry {
  /** Where it is entered, in words from its page's start. */
  readonly word: number;
  /** Table index. */
  index: number;
  /** Where its blocks stand in the page: pairs of first word and number of words. */
  extents: readonly number[];
  /** The instruction words that were translated, block after block. */
  words: Int32Array;
  /** Words of the page that its function may be entered at. */
  doors: readonly number[];
  /** Entries in its middle: they share its function until they are optimized. */
  readonly inner: Entry[];
  /** It is one of another's `inner`. */
  readonly shared: boolean;
  /** Its place has been taken by what was made after it. */
  replaced: boolean;
  /** Dropped by a cache invalidation: valid again only if the words still match. */
  stale: boolean;
  optimized: boolean;
  /** Times that the clock found it running. */
  samples: number;
  /** Its function's body, where it was made in this run and may be asked for. */
  body: Uint8Array<ArrayBuffer> | undefined;
  /** Its number in the store that it came from, or -1. */
  stored: number;
  /** It has a module of its own. */
  alone: boolean;
  /** Entries made before it. */
  order: number;
}

type EntryPlace = Pick<Entry, 'word' | 'index' | 'extents' | 'words' | 'doors' | 'optimized' | 'order'>;

/** An entry that nothing has happened to; what is not said of it does not apply. */
function newEntry(known: EntryPlace & Partial<Entry>): Entry {
  return {
    inner: [],
    shared: false,
    replaced: false,
    stale: false,
    samples: 0,
    body: undefined,
    stored: -1,
    alone: false,
    ...known,
  };
}

interface PageCode {
  /** By context, then by word in the page. */
  readonly entries: Map<number, Entry>[];
  /** By context: regions that are not optimized, also those whose entry has an optimized one by now. */
  readonly cold: Entry[][];
  /** Per word: COVERED where a region has it that is not stale, DOOR where one can be entered, KNOWN where one has been. */
  readonly covered: Uint8Array;
  /** Regions have become stale since they were last compared with the page. */
  changed: boolean;
}

const COVERED = 1;
const DOOR = 2;
const KNOWN = 4;

/** What the translator did. */
export interface TranslationStats {
  regions: number;
  /** WebAssembly modules made for them. */
  modules: number;
  /** Taken from an earlier run's. */
  reused: number;
  /** Places in the middle of a region that it was entered at. */
  shared: number;
  /** Of `regions`: translated anew for speed. */
  optimized: number;
  instructions: number;
  /** Milliseconds in the translator, and in the host's compiler and instantiation. */
  translateMs: number;
  compileMs: number;
  bytes: number;
}

/** What a run has had of a region. */
export interface RegionUse {
  /** The host's function; undefined or null where there is none any more. */
  readonly code: unknown;
  /** Times that the clock found it running. */
  readonly samples: number;
}

/** Times that the clock finds optimized code running until it is entered anew. */
const REENTRY = 8;

/** Most instructions of a region that begins inside another one: control comes there once, more often than not. */
const MOST_INSIDE = 64;

/** Regions in modules of their own that are worth putting together, in a pause and at work, and how many go into a module. */
const MANY_ALONE = 2000;
const TOO_MANY_ALONE = 12_000;
const TOGETHER = 512;

/** Regions in a module that are made at once, at most. */
const BATCH = 8;

/** Times that the clock has to find a region running before it is optimized. */
const HOT_SAMPLES = 4;
/** The same for one of an earlier run, which was not worth it there, or only just: most of its time is behind it. */
const HOT_AGAIN = 40;

/** Regions that are kept although their code has changed. */
const MOST_FORMER = 2000;

/** Regions at most; more are not kept (a guest that makes code without end). */
const MAX_REGIONS = 120_000;

/**
 * Translated code by physical page. A region is found by its page, its entry's offset there and the context it was made
 * for; it does not depend on the virtual address. An instruction-cache invalidation makes regions stale; a stale one
 * is used again when its words are what they were.
 */
export class CodeCache {
  readonly stats: TranslationStats = {
    regions: 0,
    modules: 0,
    reused: 0,
    shared: 0,
    optimized: 0,
    instructions: 0,
    translateMs: 0,
    compileMs: 0,
    bytes: 0,
  };
  onTranslate: ((pa: number, region: Region) => void) | undefined;
  /** Which regions, by the host address of their entry, are optimized from the start; none unless a test asks for it. */
  eager: ((host: number) => boolean) | undefined;
  private readonly pages = new Map<number, PageCode>();
  private readonly contexts: Context[] = [];
  private readonly builder = new RegionBuilder();
  private readonly modules: RegionModules;
  private readonly table: WebAssembly.Table;
  private readonly i32: Int32Array;
  private next = 1;
  /** `contextBits` of each context. */
  private readonly bits: number[] = [];
  private store: TranslationStore | undefined;
  /** Of each of the store's regions: the place of its function in the table, and whether a page has it. */
  private storeIndex = new Int32Array(0);
  private storeTaken = new Uint8Array(0);
  /** Keeps what `save` and `consolidate` need. */
  keepBodies = false;
  /** Regions of this run whose code has changed since, with their contexts: the next run meets them again. */
  private readonly former: (readonly [context: number, entry: Entry])[] = [];
  /** Entries made in all. */
  private entered = 0;
  /** Regions made since the last `consolidate`. */
  private alone = 0;

  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table, runtime: RuntimeExports) {
    this.i32 = new Int32Array(memory.buffer);
    this.table = table;
    this.modules = new RegionModules(memory, table, runtime);
  }

  /** A small number for a context. */
  contextIndex(context: Context): number {
    const found = this.contexts.findIndex(
      (c) =>
        c.el === context.el &&
        c.fpTrap === context.fpTrap &&
        c.e2h === context.e2h &&
        c.stackSelected === context.stackSelected &&
        c.aligned === context.aligned &&
        c.stackAligned === context.stackAligned &&
        c.single === context.single &&
        c.debugMasked === context.debugMasked,
    );
    if (found >= 0) return found;
    this.bits.push(contextBits(context));
    return this.contexts.push(context) - 1;
  }

  /** Time to `clear`. */
  get full(): boolean {
    return this.next > MAX_REGIONS;
  }

  /** Drops everything. Nothing of it may be running. */
  clear(): void {
    this.pages.clear();
    this.former.length = 0;
    for (let i = 1; i < this.next; i++) this.table.set(i, null);
    this.next = 1;
    this.store = undefined;
    this.storeIndex = new Int32Array(0);
  }

  /**
   * The table index of the region at a host address.
   * @param host host address of the entry's word, in RAM
   * @param context number from `contextIndex`
   * @param hostAt host address of the code at an offset in bytes from the entry, 0 where there is none: with it, what the
   * region is likely to call is translated along with it
   */
  find(host: number, context: number, hostAt?: (offset: number) => number): number {
    const page = this.pageOf(host, context);
    const pageHost = pageHostOf(host);
    if (page.changed) this.compare(pageHost, page);
    const entry = page.entries[context]!.get(wordOf(host));
    if (entry !== undefined && !entry.stale) return entry.index;
    if (this.eager === undefined) {
      const known =
        this.fromStore(pageHost, page, wordOf(host), context) ?? this.inside(pageHost, page, wordOf(host), context);
      if (known !== undefined) {
        if (entry !== undefined) this.drop(page, context, entry);
        return known.index;
      }
    }
    if (entry !== undefined) {
      this.make(pageHost, page, wordOf(host), context, entry.optimized, entry.index);
      return entry.index;
    }
    const start = performance.now();
    const index = this.next++;
    const batch = [this.build(pageHost, page, wordOf(host), context, this.eager?.(host) === true, index)];
    const deltas = [0];
    for (let n = 0; hostAt !== undefined && n < batch.length; n++) {
      for (const offset of batch[n]!.calls) {
        if (batch.length === BATCH) break;
        const callee = hostAt(deltas[n]! + offset);
        if (callee === 0) continue;
        const calleePage = this.pageOf(callee, context);
        const word = wordOf(callee);
        if (this.isKnown(callee, calleePage, context)) continue;
        batch.push(
          this.build(pageHostOf(callee), calleePage, word, context, this.eager?.(callee) === true, this.next++),
        );
        deltas.push(deltas[n]! + offset);
      }
    }
    this.instantiate(batch, index, start);
    return index;
  }

  private pageOf(host: number, context: number): PageCode {
    const pageHost = pageHostOf(host);
    let page = this.pages.get(pageHost);
    if (page === undefined)
      this.pages.set(pageHost, (page = { entries: [], cold: [], covered: new Uint8Array(PAGE_WORDS), changed: false }));
    page.entries[context] ??= new Map<number, Entry>();
    page.cold[context] ??= [];
    return page;
  }

  /**
   * The clock found a region running. One that is found again is translated anew for speed, in its old place.
   * @param host host address of a word in the region's page
   * @param word the region's entry in its page
   * @param optimized whether the running code is the optimized one
   * @returns true when entering its code anew pays
   */
  sample(host: number, word: number, context: number, optimized: boolean): boolean {
    const pageHost = pageHostOf(host);
    const page = this.pages.get(pageHost);
    const entered = page?.entries[context]?.get(word);
    const entry = entered ?? page?.cold[context]?.find((region) => region.word === word);
    if (page === undefined || entry === undefined || entry.stale) return false;
    // The host's compiler replaces a function where it is entered, not while it runs: a long loop is entered anew at times.
    if (optimized) return ++entry.samples % REENTRY === 0;
    const hot = entry.stored < 0 ? HOT_SAMPLES : HOT_AGAIN;
    if (entry.optimized) return hot === HOT_SAMPLES || ++entry.samples % hot === 0;
    if (++entry.samples < hot) return false;
    // Where only its middle has been entered, that is what is worth it.
    if (entered === undefined) return true;
    this.make(pageHost, page, word, context, true, entry.index);
    return false;
  }

  /** Makes the region at a host address an optimized one at once. */
  optimize(host: number, context: number): void {
    const pageHost = pageHostOf(host);
    const word = wordOf(host);
    this.find(host, context);
    const page = this.pages.get(pageHost)!;
    const entry = page.entries[context]!.get(word)!;
    if (!entry.optimized) this.make(pageHost, page, word, context, true, entry.index);
  }

  /** Makes a region anew in its place in the table. */
  private make(
    pageHost: number,
    page: PageCode,
    word: number,
    context: number,
    optimize: boolean,
    index: number,
  ): void {
    const start = performance.now();
    this.instantiate([this.build(pageHost, page, word, context, optimize, index)], index, start);
  }

  /** Translates a region and enters it at a table index, which `instantiate` fills. */
  private build(
    pageHost: number,
    page: PageCode,
    word: number,
    context: number,
    optimize: boolean,
    index: number,
  ): Region {
    const { covered } = page;
    const base = pageHost >>> 2;
    // Code that is not hot goes only as far as other regions can be entered, so that it is not translated over and over.
    const inside = !optimize && (covered[word]! & COVERED) !== 0;
    const single = this.contexts[context]!.single;
    const isEntry = single
      ? (): boolean => true
      : !optimize
        ? (at: number): boolean => (covered[at]! & DOOR) !== 0
        : undefined;
    const region = this.builder.build(word, this.i32, base, this.contexts[context]!, {
      optimize,
      isEntry,
      most: inside ? MOST_INSIDE : undefined,
    });
    const { extents, doors } = region;
    const words = new Int32Array(region.instructions);
    let k = 0;
    for (let e = 0; e < extents.length; e += 2) {
      const first = base + extents[e]!;
      words.set(this.i32.subarray(first, first + extents[e + 1]!), k);
      k += extents[e + 1]!;
    }
    const body = this.keepBodies ? region.body : undefined;
    const replaced = page.entries[context]!.get(word);
    if (replaced !== undefined) this.makeWay(page, context, replaced, index, optimize);
    const entry = newEntry({
      word,
      index,
      extents,
      words,
      doors,
      optimized: optimize,
      body,
      alone: true,
      order: replaced?.order ?? this.entered++,
    });
    this.enter(page, context, entry);
    this.alone++;
    this.reserve(index);
    const { stats } = this;
    stats.regions++;
    if (optimize) stats.optimized++;
    stats.instructions += region.instructions;
    this.onTranslate?.(pageHost, region);
    return region;
  }

  /** Compiles regions into the table from `index` on; translating them began at `start`. */
  private instantiate(regions: readonly Region[], index: number, start: number): void {
    const bytes = this.modules.encode(
      regions.map((region) => region.body),
      index,
      regions.reduce((most, { imports }) => Math.max(most, imports), 0),
    );
    const translated = performance.now();
    this.modules.instantiate(bytes);
    const { stats } = this;
    stats.modules++;
    stats.bytes += bytes.length;
    stats.translateMs += translated - start;
    stats.compileMs += performance.now() - translated;
  }

  private reserve(index: number): void {
    if (index >= this.table.length) this.table.grow(4096);
  }

  /** An entry's place in the table is about to be another's. One that is being optimized keeps its function elsewhere. */
  private makeWay(page: PageCode, context: number, old: Entry, index: number, optimize: boolean): void {
    const { table, storeIndex } = this;
    let moved = 0;
    const move = (): number => {
      moved = this.next++;
      this.reserve(moved);
      table.set(moved, table.get(index));
      return moved;
    };
    // Other pages may want the store's function.
    if (storeIndex[index - 1] === index) storeIndex[index - 1] = move();
    if (optimize && !old.stale && !old.optimized && !old.shared) old.index = moved === 0 ? move() : moved;
    else this.drop(page, context, old);
  }

  /** An entry is not used any more. */
  private drop(page: PageCode, context: number, old: Entry): void {
    old.replaced = true;
    if (old.body !== undefined && this.former.length < MOST_FORMER) this.former.push([context, old]);
    if (old.optimized || old.shared) return;
    const cold = page.cold[context]!;
    cold.splice(cold.indexOf(old), 1);
  }

  private enter(page: PageCode, context: number, entry: Entry): void {
    page.entries[context]!.set(entry.word, entry);
    this.cover(page, context, entry);
  }

  private cover(page: PageCode, context: number, entry: Entry): void {
    mark(page.covered, entry);
    if (!entry.optimized) page.cold[context]!.push(entry);
  }

  /** Looks which of a page's regions are what the page holds now. */
  private compare(pageHost: number, page: PageCode): void {
    const { covered } = page;
    for (let n = 0; n < covered.length; n++) covered[n]! &= KNOWN;
    const look = (entry: Entry): void => {
      if (entry.stale) entry.stale = !wordsMatch(entry.extents, entry.words, this.i32, pageHost >>> 2);
      if (!entry.stale) mark(covered, entry);
    };
    for (const entries of page.entries) entries?.forEach(look);
    for (const cold of page.cold) cold?.forEach(look);
    page.changed = false;
  }

  /** Enters a region that is there already in its middle, where it can be. */
  private inside(pageHost: number, page: PageCode, word: number, context: number): Entry | undefined {
    if ((page.covered[word]! & DOOR) !== 0) {
      for (const region of page.cold[context]!) {
        if (!region.stale && region.doors.includes(word)) return this.share(page, region, word, context);
      }
    }
    const { store } = this;
    if (store === undefined) return undefined;
    const stored = store.findDoor(this.bits[context]!, word, this.i32, pageHost >>> 2);
    if (stored < 0) return undefined;
    const region = this.take(stored);
    if (page.entries[context]!.has(region.word)) this.cover(page, context, region);
    else this.enter(page, context, region);
    return this.share(page, region, word, context);
  }

  /** An entry in the middle of a region. */
  private share(page: PageCode, region: Entry, word: number, context: number): Entry {
    const index = this.next++;
    this.reserve(index);
    this.table.set(index, this.table.get(region.index));
    const { extents, words } = region;
    const { order } = region;
    const entry = newEntry({ word, index, extents, words, doors: [], optimized: false, shared: true, order });
    region.inner.push(entry);
    page.entries[context]!.set(word, entry);
    this.stats.shared++;
    return entry;
  }

  /**
   * Puts cold regions, which were made one by one, together into few modules once there are many of them: a module takes
   * some 20 KB of the host's memory besides its code. To be called when nothing runs. Does nothing without `keepBodies`.
   * @param pause there is time: what has been put together is compiled again when it is next called
   */
  consolidate(pause: boolean): void {
    if (this.alone < (pause ? MANY_ALONE : TOO_MANY_ALONE)) return;
    this.alone = 0;
    const single: Entry[] = [];
    for (const page of this.pages.values())
      for (const cold of page.cold)
        if (cold !== undefined)
          for (const entry of cold) if (entry.alone && !entry.stale && entry.body !== undefined) single.push(entry);
    single.sort((a, b) => a.index - b.index);
    for (let n = 0; n < single.length; n += TOGETHER) {
      const part = single.slice(n, n + TOGETHER);
      this.modules.instantiate(
        this.modules.encode(
          part.map((entry) => entry.body!),
          part.map((entry) => entry.index),
        ),
      );
      for (const entry of part) {
        entry.alone = false;
        const code = this.table.get(entry.index) as unknown;
        for (const inner of entry.inner) if (!inner.replaced) this.table.set(inner.index, code);
      }
    }
  }

  // ------------------------------------------------------------------ from run to run

  /**
   * Takes the regions of an earlier run; before anything is translated.
   * @param compiled the store's module, where the host has it already
   * @returns its module, whose functions stand in the table from index 1 on
   * @throws WebAssembly.CompileError when the store's module is not one
   */
  load(store: TranslationStore, compiled?: WebAssembly.Module): WebAssembly.Module {
    const start = performance.now();
    const { count } = store;
    while (this.table.length < count + 1) this.table.grow(count + 1 - this.table.length);
    const module = this.modules.instantiate(compiled ?? store.module);
    this.next = count + 1;
    this.store = store;
    this.storeIndex = Int32Array.from({ length: count }, (_, n) => n + 1);
    this.storeTaken = new Uint8Array(count);
    this.stats.compileMs += performance.now() - start;
    return module;
  }

  /** Whether a region of this run or of the store can be entered at a host address. */
  private isKnown(host: number, page: PageCode, context: number): boolean {
    if (page.entries[context]!.has(wordOf(host))) return true;
    const { store } = this;
    return store !== undefined && store.find(this.bits[context]!, wordOf(host), this.i32, pageHostOf(host) >>> 2) >= 0;
  }

  private fromStore(pageHost: number, page: PageCode, word: number, context: number): Entry | undefined {
    const stored = this.store?.find(this.bits[context]!, word, this.i32, pageHost >>> 2) ?? -1;
    if (stored < 0) return undefined;
    const entry = this.take(stored);
    this.enter(page, context, entry);
    return entry;
  }

  /** A page's entry for a region of the store. */
  private take(stored: number): Entry {
    let index = this.storeIndex[stored]!;
    if (this.storeTaken[stored] !== 0) {
      // Each page has a place of its own in the table, where its code may be made anew.
      const home = index;
      index = this.next++;
      this.reserve(index);
      this.table.set(index, this.table.get(home));
    }
    this.storeTaken[stored] = 1;
    const { word, extents, words, doors, optimized } = this.store!.region(stored);
    this.stats.reused++;
    return newEntry({ word, index, extents, words, doors, optimized, stored, order: this.entered++ });
  }

  /** Every region with its context: the optimized ones, the others and former ones. */
  private *regions(): Generator<readonly [context: number, entry: Entry]> {
    yield* this.former;
    for (const page of this.pages.values()) {
      for (let context = 0; context < page.entries.length; context++) {
        for (const entry of page.entries[context]?.values() ?? []) if (entry.optimized) yield [context, entry];
        for (const entry of page.cold[context] ?? []) yield [context, entry];
      }
    }
  }

  /** Regions that were made in this run and that `save` would keep. */
  get fresh(): number {
    let count = 0;
    for (const [, entry] of this.regions()) if (entry.body !== undefined) count++;
    return count;
  }

  /**
   * The regions of this run as a store for the next one, most of `limit` bytes; `keepBodies` must have been set.
   * @param use takes what is known of the use of each of them in this run
   */
  save(limit: number, use: RegionUse[] = []): Uint8Array<ArrayBuffer> {
    interface Kept extends Omit<StoredRegion, 'bodyOffset' | 'bodyLength'>, RegionUse {
      body: Uint8Array<ArrayBuffer>;
      order: number;
    }
    const kept: Kept[] = [];
    const { store, table } = this;
    let size = 0;
    const keep = (region: Kept): void => {
      size += region.body.length + region.words.length * 4;
      if (size <= limit) kept.push(region);
    };
    const bodyOf = ({ bodyOffset, bodyLength }: StoredRegion): Uint8Array<ArrayBuffer> =>
      store!.module.subarray(bodyOffset, bodyOffset + bodyLength);
    const used = new Set<number>();
    for (const [context, entry] of this.regions()) {
      const { word, extents, words, doors, optimized, body, stored, order, samples } = entry;
      if (stored >= 0) {
        if (used.has(stored)) continue;
        used.add(stored);
      }
      const bytes = body ?? (stored >= 0 ? bodyOf(store!.region(stored)) : undefined);
      const code: unknown = entry.replaced ? undefined : table.get(entry.index);
      const place = { context: this.bits[context]!, word, optimized, extents, words, doors };
      if (bytes !== undefined) keep({ ...place, body: bytes, order, code, samples });
    }
    // In the order in which they were needed, for `hypervisor/precompile.ts`; what was of no use this time comes last.
    kept.sort((a, b) => a.order - b.order);
    for (let n = 0; store !== undefined && n < store.count; n++) {
      if (used.has(n)) continue;
      const region = store.region(n);
      keep({ ...region, body: bodyOf(region), order: Infinity, code: undefined, samples: 0 });
    }
    for (const { code, samples } of kept) use.push({ code, samples });
    const module = this.modules.encode(
      kept.map((r) => r.body),
      1,
    );
    // The bodies end the module, each after its length.
    const leb = (n: number): number => (n < 0x80 ? 1 : n < 0x4000 ? 2 : n < 0x20_0000 ? 3 : 4);
    let at = module.length - kept.reduce((sum, { body }) => sum + leb(body.length) + body.length, 0);
    const regions = kept.map((r): StoredRegion => {
      const bodyOffset = at + leb(r.body.length);
      at = bodyOffset + r.body.length;
      return { ...r, bodyOffset, bodyLength: r.body.length };
    });
    return TranslationStore.write(regions, module);
  }

  /**
   * The 64-byte line at a host address was invalidated, or everything: what is not what memory holds now becomes stale.
   * @returns whether a region became stale (jump caches must be emptied)
   */
  invalidate(host: number | undefined): boolean {
    let any = false;
    if (host === undefined) {
      for (const [pageHost, page] of this.pages) any = this.invalidatePage(page, pageHost, -1) || any;
      return any;
    }
    const page = this.pages.get(pageHostOf(host));
    if (page === undefined) return false;
    // Much of what is invalidated has never been run: patches of a kernel, modules.
    const line = wordOf(host) & ~(LINE_WORDS - 1);
    for (let n = 0; n < LINE_WORDS; n++)
      if (page.covered[line + n] !== 0) return this.invalidatePage(page, pageHostOf(host), line);
    return false;
  }

  /** @param line the first word of a line, or -1 for all of the page */
  private invalidatePage(page: PageCode, pageHost: number, line: number): boolean {
    let any = false;
    const drop = (entry: Entry): void => {
      if (line >= 0 && !touches(entry.extents, line)) return;
      if (!entry.stale) {
        if (wordsMatch(entry.extents, entry.words, this.i32, pageHost >>> 2)) return;
        entry.stale = any = true;
      }
      // Also what has long been stale: it may be what memory holds again.
      page.changed = true;
    };
    for (const entries of page.entries) entries?.forEach(drop);
    for (const cold of page.cold) cold?.forEach(drop);
    return any;
  }
}

function touches(extents: readonly number[], line: number): boolean {
  for (let e = 0; e < extents.length; e += 2) {
    const first = extents[e]!;
    if (first < line + LINE_WORDS && first + extents[e + 1]! > line) return true;
  }
  return false;
}

/** Marks where a region stands. */
function mark(covered: Uint8Array, { extents, doors }: Entry): void {
  for (let e = 0; e < extents.length; e += 2)
    for (let at = extents[e]!, n = extents[e + 1]!; n > 0; n--, at++) covered[at]! |= COVERED | KNOWN;
  for (let n = 0; n < doors.length; n++) covered[doors[n]!]! |= DOOR;
}
