import { decode } from '../../arch/a64/decode.ts';
import { ALIAS, CODE_BYTES } from './layout.ts';

/**
 * A program as the fuzzer makes and shrinks it: items in a row, whose branches name other items, so that any item can be
 * taken away. Every program ends: each branch that may lead backwards first counts X28 down and goes to the end
 * at zero, and loops count in registers of their own.
 */
export type Item =
  | { readonly kind: 'word'; readonly word: number }
  /** Instructions that only make sense together. */
  | { readonly kind: 'words'; readonly words: readonly number[] }
  /** B, BL or a conditional branch. */
  | { readonly kind: 'branch'; readonly word: number; readonly target: Item | undefined }
  /** ADR into a register, and BR, BLR or RET by it; `view`: in the code's other view. */
  | {
      readonly kind: 'indirect';
      readonly flow: 'br' | 'blr' | 'ret';
      readonly register: number;
      readonly view: boolean;
      readonly target: Item | undefined;
    }
  | { readonly kind: 'ret' }
  /**
   * Others take the place of an instruction and those behind it, by the writable alias; the caches are told. `to`: the
   * first is a B to that item. X24, X25 and X29 change.
   */
  | {
      readonly kind: 'patch';
      readonly words: readonly number[];
      readonly by: View;
      readonly target: Item | undefined;
      readonly to?: Item | undefined;
    }
  /**
   * A function is written behind the program and called. `counter`: the first word is an ADD (immediate) that gets its
   * immediate from that register. X24, X25, X29 and X30 change.
   */
  | {
      readonly kind: 'generate';
      readonly words: readonly number[];
      readonly by: View;
      readonly counter?: number | undefined;
      /** Which of the places behind the program. */
      readonly slot: number;
    }
  /** The head of a loop, and its end: SUB and TBZ of the sign, or SUBS and B.GT. */
  | { readonly kind: 'head'; readonly register: number; readonly count: number }
  | { readonly kind: 'loop'; readonly register: number; readonly flags: boolean; readonly head: Item };

/** The address by which the instruction cache is told: where the code is running, where it is written, its other view. */
export type View = 'code' | 'alias' | 'other';

export interface State {
  /** The program's exception level; with SP_EL0 at EL1 too. */
  level: 0 | 1;
  /** Interrupts come while it runs. */
  interrupts: boolean;
  readonly x: BigUint64Array;
  sp: bigint;
  nzcv: number;
  fpcr: number;
  fpsr: number;
  /** Low and high halves in turn. */
  readonly v: BigUint64Array;
}

export interface Program {
  items: readonly Item[];
  state: State;
  /** Byte offset of the first instruction in the program's code. */
  start: number;
}

/** Registers that count: fuel, and loops. */
export const FUEL = 28;
export const COUNTERS = [26, 27] as const;

const SVC = 0xd4000001;
const RET = 0xd65f03c0;
/** EOR (immediate) of OTHER_VIEW. */
const EOR_VIEW = 0xd2610000;
const SLOTS = 3;
const SLOT_WORDS = 12;
const REGISTER = { br: 0xd61f0000, blr: 0xd63f0000, ret: 0xd65f0000 } as const;

const backward = (items: readonly Item[], target: Item | undefined, n: number): boolean => {
  const at = target === undefined ? -1 : items.indexOf(target);
  return at >= 0 && at <= n;
};

/** How many of a patch's words there is room for: only plain instructions make room. */
function room(items: readonly Item[], patch: Item & { kind: 'patch' }): number {
  const at = patch.target === undefined ? -1 : items.indexOf(patch.target);
  let count = 0;
  while (at >= 0 && count < patch.words.length && items[at + count]?.kind === 'word') count++;
  return count;
}

/** Size of what writes `count` words: two for the address, three each, and those that tell the caches. */
const writing = (count: number, by: View): number => 3 + 3 * count + (count > 1 ? 8 : 5) + (by === 'other' ? 1 : 0) + 1;

/** `target` undefined or gone: the end. */
function sizeOf(items: readonly Item[], item: Item, n: number): number {
  switch (item.kind) {
    case 'word':
    case 'head':
      return 1;
    case 'words':
      return item.words.length;
    case 'branch':
      return decode(item.word)?.row.flow === 'call' || backward(items, item.target, n) ? 3 : 1;
    case 'indirect':
      return item.view ? 5 : 4;
    case 'ret':
      return 3;
    case 'patch': {
      const count = room(items, item);
      return count === 0 ? 0 : writing(count, item.by);
    }
    case 'generate':
      return 2 + writing(item.words.length + 1, item.by) + (item.counter === undefined ? 0 : 1) + 1;
    case 'loop':
      return items.includes(item.head) ? 2 : 1;
  }
}

/** The program's words, from `start` on. */
export function assemble(program: Program): number[] {
  const { items } = program;
  const place = new Map<Item, number>();
  let at = 0;
  items.forEach((item, n) => {
    place.set(item, at);
    at += sizeOf(items, item, n);
  });
  const end = at;
  // Generated functions stand across the page's end when the program leaves room there, else at the code's end.
  const middle = CODE_BYTES / 2 - 4 * 6 - program.start;
  const slots = (middle > 4 * end && middle > 0 ? middle : CODE_BYTES - 4 * SLOTS * SLOT_WORDS - program.start) / 4;
  const words: number[] = [];
  const placeOf = (target: Item | undefined): number => (target === undefined ? end : (place.get(target) ?? end));
  const distance = (target: Item | undefined): number => placeOf(target) - words.length;
  const adr = (register: number, at: number): void => {
    const offset = 4 * (at - words.length);
    words.push(0x10000000 | (((offset >> 2) & 0x7ffff) << 5) | register);
  };
  const fuel = (): void => {
    words.push(0xd1000400 | (FUEL << 5) | FUEL);
    words.push(0xb4000000 | ((end - words.length) << 5) | FUEL);
  };
  const direct = (word: number, target: Item | undefined): void => {
    const field = decode(word)!.row.fields.find((f) => f.name === 'imm26' || f.name === 'imm19' || f.name === 'imm14')!;
    const mask = ((2 ** field.width - 1) << field.lsb) >>> 0;
    words.push((word & ~mask) | ((distance(target) << field.lsb) & mask));
  };
  /** Writes words at a place, by the alias, and tells the caches; leaves the address in X24. */
  const write = (to: number, list: readonly number[], by: View, counter?: number): void => {
    adr(24, to);
    words.push(0xd2a00000 | ((ALIAS >>> 16) << 5) | 25, 0x8b180339);
    list.forEach((word, k) => {
      words.push(0x52800000 | ((word & 0xffff) << 5) | 29, 0x72a00000 | ((word >>> 16) << 5) | 29);
      // BFI into imm12.
      if (k === 0 && counter !== undefined) words.push(0x33162c00 | (counter << 5) | 29);
      words.push(0xb9000000 | (k << 10) | (25 << 5) | 29);
    });
    if (by === 'other') words.push(EOR_VIEW | (24 << 5) | 24);
    const base = by === 'alias' ? 25 : 24;
    const last = 4 * (list.length - 1);
    // DC CVAU, DSB ISH, IC IVAU, DSB ISH, ISB; of the last word's line too.
    words.push(0xd50b7b20 | base);
    if (last > 0) words.push(0x91000000 | (last << 10) | (base << 5) | 29, 0xd50b7b20 | 29);
    words.push(0xd5033b9f, 0xd50b7520 | base);
    if (last > 0) words.push(0xd50b7520 | 29);
    words.push(0xd5033b9f, 0xd5033fdf);
    // No later store may find the alias.
    words.push(0xd2800019);
  };
  items.forEach((item, n) => {
    switch (item.kind) {
      case 'word':
        words.push(item.word);
        break;
      case 'words':
        words.push(...item.words);
        break;
      case 'branch':
        if (sizeOf(items, item, n) > 1) fuel();
        direct(item.word, item.target);
        break;
      case 'indirect':
        fuel();
        adr(item.register, placeOf(item.target));
        if (item.view) words.push(EOR_VIEW | (item.register << 5) | item.register);
        words.push(REGISTER[item.flow] | (item.register << 5));
        break;
      case 'ret':
        fuel();
        words.push(RET);
        break;
      case 'patch': {
        const list = item.words.slice(0, room(items, item));
        if (list.length === 0) break;
        const at = placeOf(item.target);
        // Never backward: that costs fuel.
        const to = item.to === undefined ? end : placeOf(item.to);
        if ('to' in item) list[0] = 0x14000000 | ((to > at ? to : end) - at);
        write(at, list, item.by);
        break;
      }
      case 'generate': {
        const at = slots + SLOT_WORDS * (item.slot % SLOTS);
        // Its words may change X30.
        fuel();
        write(at, [...item.words, RET], item.by, item.counter);
        words.push(0xd63f0000 | (24 << 5));
        break;
      }
      case 'head':
        words.push(0xd2800000 | (item.count << 5) | item.register);
        break;
      case 'loop': {
        const { register } = item;
        words.push((item.flags ? 0xf1000400 : 0xd1000400) | (register << 5) | register);
        // After the head: going through it again would start the loop anew.
        const head = place.get(item.head);
        if (head === undefined) break;
        const back = head + 1 - words.length;
        words.push(item.flags ? 0x5400000c | ((back & 0x7ffff) << 5) : 0xb6f80000 | ((back & 0x3fff) << 5) | register);
        break;
      }
    }
  });
  words.push(SVC);
  if (program.start + words.length * 4 > CODE_BYTES - 4 * SLOTS * SLOT_WORDS) throw new Error('a program is too long');
  return words.map((w) => w >>> 0);
}
