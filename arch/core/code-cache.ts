import { PAGE_WORDS } from '../a64/flowgraph.ts';
import { RegionBuilder, type Region } from '../a64/region.ts';
import type { Context } from '../a64/translator.ts';
import { RegionModules, type RuntimeExports } from './runtime.ts';

/** Words in a 64-byte line, the unit of IC IVAU. */
const LINE_WORDS = 16;

const pageHostOf = (host: number): number => (host & ~0xfff) >>> 0;
const wordOf = (host: number): number => (host & 0xfff) >>> 2;

interface Entry {
  /** Table index, and the place of its words in `PageCode.words`: pairs of first word and count. */
  index: number;
  extents: readonly number[];
  /** The instruction words that were translated, block after block. */
  words: Int32Array;
  /** Dropped by a cache invalidation: valid again only if the words still match. */
  stale: boolean;
  optimized: boolean;
  /** Times that the clock found it running. */
  samples: number;
}

interface PageCode {
  /** By context, then by word in the page. */
  readonly entries: Map<number, Entry>[];
  /** Per word: 1 where a region has it. */
  readonly covered: Uint8Array;
}

/** What the translator did. */
export interface TranslationStats {
  regions: number;
  modules: number;
  /** Of them, translated anew for speed. */
  optimized: number;
  instructions: number;
  /** Milliseconds in the translator, and in the host's compiler and instantiation. */
  translateMs: number;
  compileMs: number;
  bytes: number;
}

/** Regions in a module at most. */
const BATCH = 4;

/** Times that the clock has to find a region running before it is optimized. */
const HOT_SAMPLES = 2;

/** Regions at most; more are not kept (a guest that makes code without end). */
const MAX_REGIONS = 120_000;

/**
 * Translated code by physical page. A region is found by its page, its entry's offset there and the context it was made
 * for; it does not depend on the virtual address. An instruction-cache invalidation makes regions stale; a stale one
 * is used again when its words are what they were.
 */
export class CodeCache {
  readonly stats: TranslationStats = { regions: 0, modules: 0, optimized: 0, instructions: 0, translateMs: 0, compileMs: 0, bytes: 0 };
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

  constructor(memory: WebAssembly.Memory, pages: number, table: WebAssembly.Table, runtime: RuntimeExports) {
    this.i32 = new Int32Array(memory.buffer);
    this.table = table;
    this.modules = new RegionModules(memory, pages, table, runtime);
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
        c.stackAligned === context.stackAligned,
    );
    return found >= 0 ? found : this.contexts.push(context) - 1;
  }

  /** True when regions had to be dropped wholesale since the last call: jump caches must be emptied. */
  get full(): boolean {
    return this.next > MAX_REGIONS;
  }

  /** Drops everything. Nothing of it may be running. */
  clear(): void {
    this.pages.clear();
    for (let i = 1; i < this.next; i++) this.table.set(i, null);
    this.next = 1;
  }

  /**
   * The table index of the region at a host address.
   * @param host host address of the entry's word, in RAM
   * @param context number from `contextIndex`
   * @param hostAt host address of the code at an offset in bytes from the entry, 0 where there is none: with it, some of
   * what the region calls is translated together with it
   */
  find(host: number, context: number, hostAt?: (offset: number) => number): number {
    const page = this.pageOf(host, context);
    const pageHost = pageHostOf(host);
    const entry = page.entries[context]!.get(wordOf(host));
    if (entry !== undefined) {
      if (entry.stale && !this.unchanged(pageHost, entry)) this.remake(pageHost, page, wordOf(host), context, entry.optimized, entry.index);
      entry.stale = false;
      return entry.index;
    }
    const start = performance.now();
    const index = this.next++;
    const first = this.build(pageHost, page, wordOf(host), context, this.eager?.(host) === true, index);
    const batch = [first];
    if (hostAt !== undefined) {
      for (const offset of first.calls) {
        if (batch.length === BATCH) break;
        const callee = hostAt(offset);
        if (callee === 0) continue;
        const calleePage = this.pageOf(callee, context);
        if (calleePage.entries[context]!.has(wordOf(callee))) continue;
        batch.push(this.build(pageHostOf(callee), calleePage, wordOf(callee), context, this.eager?.(callee) === true, this.next++));
      }
    }
    this.instantiate(batch, index, start);
    return index;
  }

  private pageOf(host: number, context: number): PageCode {
    const pageHost = pageHostOf(host);
    let page = this.pages.get(pageHost);
    if (page === undefined) this.pages.set(pageHost, (page = { entries: [], covered: new Uint8Array(PAGE_WORDS) }));
    page.entries[context] ??= new Map<number, Entry>();
    return page;
  }

  /**
   * The clock found a region running. One that is found again is translated anew for speed, in its old place.
   * @param host host address of a word in the region's page
   * @param word the region's entry in its page
   * @param optimized whether the running code is the optimized one
   * @returns true when the optimized code exists but is not what runs: entering it anew pays
   */
  sample(host: number, word: number, context: number, optimized: boolean): boolean {
    if (optimized) return false;
    const pageHost = pageHostOf(host);
    const page = this.pages.get(pageHost);
    const entry = page?.entries[context]?.get(word);
    if (page === undefined || entry === undefined || entry.stale) return false;
    if (entry.optimized) return true;
    if (++entry.samples >= HOT_SAMPLES) this.remake(pageHost, page, word, context, true, entry.index);
    return false;
  }

  /** Makes the region at a host address an optimized one at once. */
  optimize(host: number, context: number): void {
    const pageHost = pageHostOf(host);
    const word = wordOf(host);
    this.find(host, context);
    const page = this.pages.get(pageHost)!;
    const entry = page.entries[context]!.get(word)!;
    if (!entry.optimized) this.remake(pageHost, page, word, context, true, entry.index);
  }

  private unchanged(pageHost: number, entry: Entry): boolean {
    const base = pageHost >>> 2;
    let k = 0;
    for (let e = 0; e < entry.extents.length; e += 2) {
      const first = base + entry.extents[e]!;
      const count = entry.extents[e + 1]!;
      for (let i = 0; i < count; i++) if (this.i32[first + i] !== entry.words[k++]) return false;
    }
    return true;
  }

  /** Translates a region and enters it at a table index, which `instantiate` fills. */
  private build(pageHost: number, page: PageCode, word: number, context: number, optimize: boolean, index: number): Region {
    const entries = page.entries[context]!;
    const base = pageHost >>> 2;
    // A place inside a region that was made before (control came back into its middle): go only as far as other
    // regions begin, so that code is not translated over and over.
    const inside = !optimize && page.covered[word] !== 0;
    const isEntry = inside ? (at: number): boolean => entries.has(at) : undefined;
    const region = this.builder.build(word, this.i32, base, this.contexts[context]!, optimize, isEntry);
    const words = new Int32Array(region.instructions);
    let k = 0;
    for (let e = 0; e < region.extents.length; e += 2) {
      const first = base + region.extents[e]!;
      const count = region.extents[e + 1]!;
      words.set(this.i32.subarray(first, first + count), k);
      page.covered.fill(1, region.extents[e], region.extents[e]! + count);
      k += count;
    }
    entries.set(word, { index, extents: region.extents, words, stale: false, optimized: optimize, samples: 0 });
    const { stats } = this;
    stats.regions++;
    if (optimize) stats.optimized++;
    stats.instructions += region.instructions;
    this.onTranslate?.(pageHost, region);
    return region;
  }

  /** Compiles regions into the table from `index` on; translating them began at `start`. */
  private instantiate(regions: readonly Region[], index: number, start: number): void {
    while (index + regions.length > this.table.length) this.table.grow(4096);
    const bytes = this.modules.encode(regions, index);
    const translated = performance.now();
    this.modules.instantiate(bytes);
    const { stats } = this;
    stats.modules++;
    stats.bytes += bytes.length;
    stats.translateMs += translated - start;
    stats.compileMs += performance.now() - translated;
  }

  /** Makes a region anew in its old place in the table. */
  private remake(pageHost: number, page: PageCode, word: number, context: number, optimize: boolean, index: number): void {
    const start = performance.now();
    this.instantiate([this.build(pageHost, page, word, context, optimize, index)], index, start);
  }

  /**
   * The 64-byte line at a host address was invalidated, or everything.
   * @returns whether a region became stale (jump caches must be emptied)
   */
  invalidate(host: number | undefined): boolean {
    let any = false;
    const page = (code: PageCode, line: number): void => {
      for (const entries of code.entries) {
        if (entries === undefined) continue;
        for (const entry of entries.values()) {
          if (entry.stale || (line >= 0 && !touches(entry.extents, line))) continue;
          entry.stale = true;
          any = true;
        }
      }
    };
    if (host === undefined) for (const code of this.pages.values()) page(code, -1);
    else {
      const code = this.pages.get((host & ~0xfff) >>> 0);
      if (code !== undefined) page(code, ((host & 0xfff) >> 2) & ~(LINE_WORDS - 1));
    }
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
