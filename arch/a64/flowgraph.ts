import { decode, type Decoded } from './decode.ts';
import type { Flow } from './encoding.ts';
import { setsFlags } from './roles.ts';

/** Instructions in a page of 4 KiB, the bound of a region. */
export const PAGE_WORDS = 1024;

/** Longest block: the count of its instructions has 8 bits where a fault reports it. */
const MAX_BLOCK = 255;

/** An edge: to a block of the region, or out of it to an offset (words from the page's start; may lie outside the page). */
export interface Edge {
  block: number;
  target: number;
}

export interface Block {
  /** First word and number of words. */
  start: number;
  count: number;
  /** How the last instruction hands on control; `next` falls into the following block. */
  flow: Flow | 'undefined';
  /** The branch's target. */
  taken: Edge | undefined;
  /** Where control goes on otherwise; after calls too. */
  fall: Edge | undefined;
}

/** A decoded instruction with what the flow graph wants of it; `decoded` is undefined where nothing is allocated. */
export interface Info {
  readonly decoded: Decoded | undefined;
  readonly flow: Flow | 'undefined';
  /** Byte offset of a direct branch's target. */
  readonly offset: number;
  readonly resumes: boolean;
  readonly setsFlags: boolean;
}

function describe(word: number): Info {
  const decoded = decode(word);
  if (decoded === undefined) return { decoded, flow: 'undefined', offset: 0, resumes: false, setsFlags: false };
  const { row, fields } = decoded;
  const { flow, resumes } = row;
  const offset = row.offset?.(fields) ?? 0;
  return { decoded, flow, offset, resumes, setsFlags: setsFlags(row, fields) };
}

/** Recently seen words: code repeats itself. Direct mapped. */
const MEMO_BITS = 16;
const memoWords = new Uint32Array(1 << MEMO_BITS);
const memo: (Info | undefined)[] = new Array<Info | undefined>(1 << MEMO_BITS).fill(undefined);

function info(word: number): Info {
  const slot = Math.imul(word, 0x9e3779b1) >>> (32 - MEMO_BITS);
  const known = memo[slot];
  if (known !== undefined && memoWords[slot] === word) return known;
  const fresh = describe(word);
  memoWords[slot] = word;
  memo[slot] = fresh;
  return fresh;
}

// Marks of the page at hand, by word: valid where they equal `generation`.
let generation = 0;
const reached = new Int32Array(PAGE_WORDS);
const leader = new Int32Array(PAGE_WORDS + 1);
const entered = new Int32Array(PAGE_WORDS + 1);
const blockOf = new Int32Array(PAGE_WORDS + 1);
const infos: Info[] = new Array<Info>(PAGE_WORDS);
const work: number[] = [];
const later: number[] = [];

/** The instruction at a word of the page, of a block that the last `findBlocks` has found. */
export const instructionAt = (word: number): Info => infos[word]!;

export interface FindOptions {
  /** Words at most, about. */
  most: number;
  /** Also what stands behind instructions that control comes back to (`resumes`), as places to enter at. */
  resume: boolean;
  /** Whether another region begins at a word, which this one then does not run into; absent: none. */
  isEntry?: ((word: number) => boolean) | undefined;
}

/** Blocks in the order of their addresses. */
export interface FlowGraph {
  readonly blocks: Block[];
  /** The entry's block. */
  readonly entry: number;
  /** Blocks, by number, where control may come from outside: the entry, behind calls and what `resumes`, loop heads. */
  readonly enterable: Uint8Array;
}

/**
 * Finds the blocks that are statically reachable from a word of a page without leaving it, going on after calls.
 * @param words the page's instruction words
 * @param first index of the page's first word in `words`
 */
export function findBlocks(entry: number, words: Int32Array, first: number, options: FindOptions): FlowGraph {
  const { most, resume, isEntry } = options;
  generation++;
  const leaders: number[] = [entry];
  leader[entry] = entered[entry] = generation;
  work.length = 0;
  work.push(entry);
  later.length = 0;
  let count = 0;
  while (work.length + later.length > 0 && count < most) {
    let at = (work.length > 0 ? work : later).pop()!;
    while (at >= 0 && at < PAGE_WORDS && reached[at] !== generation) {
      if (isEntry !== undefined && at !== entry && isEntry(at)) break;
      reached[at] = generation;
      count++;
      const d = info(words[first + at]! >>> 0);
      infos[at] = d;
      const { flow } = d;
      const here = at++;
      if (flow === 'next') {
        if (!d.resumes || !resume) continue;
      } else if (flow === 'jump' || flow === 'branch') {
        const target = here + (d.offset >> 2);
        if (target >= 0 && target < PAGE_WORDS) {
          if (leader[target] !== generation) {
            leader[target] = generation;
            leaders.push(target);
          }
          if (target <= here) entered[target] = generation;
          // Straight on at a jump's target, so that code is found in the order it runs.
          if (flow === 'jump') at = target;
          else work.push(target);
        } else if (flow === 'jump') break;
        if (flow === 'jump') continue;
      } else if (flow === 'exit') {
        if (!d.resumes || !resume) break;
        later.push(at);
      } else if (flow !== 'call' && flow !== 'callIndirect') break;
      if (leader[at] !== generation) {
        leader[at] = generation;
        leaders.push(at);
      }
      if (flow !== 'branch') entered[at] = generation;
      if (flow === 'exit') break;
    }
  }
  return cut(leaders, entry);
}

/** Cuts what has been reached into blocks. */
function cut(leaders: number[], entry: number): FlowGraph {
  leaders.sort((a, b) => a - b);
  const blocks: Block[] = [];
  for (let n = 0; n < leaders.length; n++) {
    const start = leaders[n]!;
    if (start >= PAGE_WORDS || reached[start] !== generation) {
      blockOf[start] = -1;
      continue;
    }
    blockOf[start] = blocks.length;
    let at = start;
    let flow: Block['flow'];
    let taken: Edge | undefined;
    let fall: Edge | undefined;
    for (;;) {
      const d = infos[at++]!;
      flow = d.flow;
      if (flow !== 'next') {
        if (flow === 'jump' || flow === 'branch') taken = { block: -1, target: at - 1 + (d.offset >> 2) };
        if (flow === 'branch' || flow === 'call' || flow === 'callIndirect') fall = { block: -1, target: at };
        break;
      }
      const more = at < PAGE_WORDS && reached[at] === generation;
      if (more && at - start === MAX_BLOCK && leader[at] !== generation) {
        leader[at] = generation;
        leaders.splice(n + 1, 0, at);
      }
      if (!more || leader[at] === generation) {
        fall = { block: -1, target: at };
        break;
      }
    }
    blocks.push({ start, count: at - start, flow, taken, fall });
  }
  const enterable = new Uint8Array(blocks.length);
  for (let b = 0; b < blocks.length; b++) {
    const { start, taken, fall } = blocks[b]!;
    if (entered[start] === generation) enterable[b] = 1;
    if (taken !== undefined) taken.block = blockAt(taken.target);
    if (fall !== undefined) fall.block = blockAt(fall.target);
  }
  return { blocks, entry: blockOf[entry]!, enterable };
}

function blockAt(word: number): number {
  return word >= 0 && word <= PAGE_WORDS && leader[word] === generation ? blockOf[word]! : -1;
}

/** The blocks that the entry reaches, in reverse postorder; edges are renumbered. */
export function reversePostorder({ blocks, entry }: FlowGraph): Block[] {
  const order: number[] = [];
  const state = new Uint8Array(blocks.length);
  const stack: number[] = [entry];
  while (stack.length > 0) {
    const b = stack[stack.length - 1]!;
    if (state[b] === 0) {
      state[b] = 1;
      // The fall-through is visited last, so that it comes first in the order.
      for (const edge of [blocks[b]!.fall, blocks[b]!.taken])
        if (edge !== undefined && edge.block >= 0 && state[edge.block] === 0) stack.push(edge.block);
    } else {
      stack.pop();
      if (state[b] === 1) {
        state[b] = 2;
        order.push(b);
      }
    }
  }
  order.reverse();
  const renumbered = new Map(order.map((old, now) => [old, now]));
  const result = order.map((old) => blocks[old]!);
  for (const block of result)
    for (const edge of [block.taken, block.fall])
      if (edge !== undefined && edge.block >= 0) edge.block = renumbered.get(edge.block)!;
  return result;
}

/** Structure of a flow graph in reverse postorder: what structured control flow needs. */
export interface Structure {
  /** Immediate dominators; the entry's is itself. */
  readonly idom: Int32Array;
  /** Children in the dominator tree, in reverse postorder. */
  readonly children: readonly number[][];
  readonly isLoopHeader: Uint8Array;
  /** More than one forward edge comes in. */
  readonly isMerge: Uint8Array;
  /** Predecessors by forward and by back edges. */
  readonly forward: readonly number[][];
  readonly back: readonly number[][];
}

export function successors(block: Block): number[] {
  const out: number[] = [];
  if (block.taken !== undefined && block.taken.block >= 0) out.push(block.taken.block);
  if (block.fall !== undefined && block.fall.block >= 0) out.push(block.fall.block);
  return out;
}

/** Analyses the graph; edges that make it irreducible are turned into edges out of the region. */
export function structure(blocks: Block[]): Structure {
  for (;;) {
    const idom = dominators(blocks);
    let reducible = true;
    blocks.forEach((block, b) => {
      for (const edge of [block.taken, block.fall]) {
        if (edge === undefined || edge.block < 0 || edge.block > b || dominates(idom, edge.block, b)) continue;
        edge.block = -1;
        reducible = false;
      }
    });
    if (!reducible) continue;
    const n = blocks.length;
    const children: number[][] = blocks.map(() => []);
    const forward: number[][] = blocks.map(() => []);
    const back: number[][] = blocks.map(() => []);
    for (let b = 1; b < n; b++) children[idom[b]!]!.push(b);
    blocks.forEach((block, b) => {
      for (const s of successors(block)) (s > b ? forward : back)[s]!.push(b);
    });
    return {
      idom,
      children,
      forward,
      back,
      isLoopHeader: Uint8Array.from(back, (p) => (p.length > 0 ? 1 : 0)),
      isMerge: Uint8Array.from(forward, (p) => (p.length > 1 ? 1 : 0)),
    };
  }
}

function dominates(idom: Int32Array, a: number, b: number): boolean {
  while (b > a) b = idom[b]!;
  return a === b;
}

/** Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm. */
function dominators(blocks: Block[]): Int32Array {
  const n = blocks.length;
  const preds: number[][] = blocks.map(() => []);
  blocks.forEach((block, b) => {
    for (const s of successors(block)) preds[s]!.push(b);
  });
  const idom = new Int32Array(n).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed;) {
    changed = false;
    for (let b = 1; b < n; b++) {
      let dom = -1;
      for (const p of preds[b]!) {
        if (idom[p]! < 0) continue;
        if (dom < 0) dom = p;
        else {
          let q = p;
          while (q !== dom) {
            while (q > dom) q = idom[q]!;
            while (dom > q) dom = idom[dom]!;
          }
        }
      }
      if (idom[b] !== dom) {
        idom[b] = dom;
        changed = true;
      }
    }
  }
  return idom;
}
