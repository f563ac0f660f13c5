import { findBlocks, instructionAt, reversePostorder, type Block } from './flowgraph.ts';
import { ColdRegion } from './region-cold.ts';
import { OptimizedRegion } from './region-optimized.ts';
import type { Context } from './region-abi.ts';
import { Translator } from './translator.ts';

/** A translated region: one WebAssembly function's locals and code, and where it came from. */
export interface Region {
  /** Entry, as a word offset in its page. */
  readonly entry: number;
  readonly context: Context;
  /** Function body as the code section wants it, without its size. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Imported functions that its code needs: the first so many of IMPORT. */
  readonly imports: number;
  /** Pairs: first word and number of words of each block translated. */
  readonly extents: readonly number[];
  /** Words of its page that its function may be entered at. */
  readonly doors: readonly number[];
  /** Guest instructions translated. */
  readonly instructions: number;
  /** What it is likely to call: byte offsets from the entry. */
  readonly calls: readonly number[];
}

/** Longest region, in instructions. */
const MAX_INSTRUCTIONS = 600;

export interface BuildOptions {
  /** For speed, as by default; else for little code. */
  optimize?: boolean;
  /** Instructions at most, about. */
  most?: number | undefined;
  /** Whether another region begins at a word of the page, which this one then jumps to. */
  isEntry?: ((word: number) => boolean) | undefined;
}

/** Makes regions; one builder serves a core. */
export class RegionBuilder {
  private readonly t = new Translator();
  private readonly cold = new ColdRegion(this.t);
  private readonly optimized = new OptimizedRegion(this.t);

  /**
   * Translates the region at word `entry` of a page.
   * @param words holds the page's instruction words, from index `first` on
   */
  build(entry: number, words: Int32Array, first: number, context: Context, options: BuildOptions = {}): Region {
    const { t } = this;
    const { optimize = true, most = MAX_INSTRUCTIONS, isEntry } = options;
    const { single } = context;
    const graph = findBlocks(entry, words, first, { most, isEntry, resume: !optimize && !single });
    // One instruction: also a branch to itself leaves.
    if (single)
      for (const { taken, fall } of graph.blocks)
        for (const edge of [taken, fall]) if (edge !== undefined) edge.block = -1;
    t.begin(context, entry * 4);
    let doors = [entry];
    let { blocks } = graph;
    let calls: number[] = [];
    if (optimize) this.optimized.emit((blocks = reversePostorder(graph)), entry);
    else {
      calls = likelyCalls(graph.blocks, graph.entry, entry);
      this.cold.emit(graph, entry);
      doors = [];
      for (let b = 0; b < blocks.length; b++) if (graph.enterable[b] !== 0) doors.push(blocks[b]!.start);
    }
    let instructions = 0;
    const extents: number[] = [];
    for (const { start, count } of blocks) {
      instructions += count;
      extents.push(start, count);
    }
    return { entry, context, body: t.functionBody(), imports: t.imports, extents, doors, instructions, calls };
  }
}

/** Branches that are taken not to be taken, one after the other, on the way to a call that is likely. */
const STRAIGHT_ON = 2;

/**
 * The calls on the straight way through: of those behind no branch nearly all are made, behind two of them three in four.
 * @param first the entry's block
 * @param entry its word
 */
function likelyCalls(blocks: readonly Block[], first: number, entry: number): number[] {
  const calls: number[] = [];
  const seen = new Set<number>();
  let branches = 0;
  for (let b = first; b >= 0 && !seen.has(b);) {
    seen.add(b);
    const { start, count, flow, taken, fall } = blocks[b]!;
    const last = start + count - 1;
    if (flow === 'call') calls.push((last - entry) * 4 + instructionAt(last).offset);
    if (flow === 'branch' && ++branches > STRAIGHT_ON) break;
    const next = flow === 'jump' ? taken : fall;
    if (flow === 'jump' && next!.block < 0) calls.push((next!.target - entry) * 4);
    b = next?.block ?? -1;
  }
  return calls;
}
