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
  /** ADR into a register, and BR, BLR or RET by it. */
  | {
      readonly kind: 'indirect';
      readonly flow: 'br' | 'blr' | 'ret';
      readonly register: number;
      readonly target: Item | undefined;
    }
  | { readonly kind: 'ret' }
  /** Another instruction takes the place of one, by the writable alias; the caches are told. X24, X25 and X29 change. */
  | { readonly kind: 'patch'; readonly word: number; readonly target: Item | undefined }
  /** The head of a loop, and its end: SUB and TBZ of the sign, or SUBS and B.GT. */
  | { readonly kind: 'head'; readonly register: number; readonly count: number }
  | { readonly kind: 'loop'; readonly register: number; readonly flags: boolean; readonly head: Item };

export interface State {
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
const PATCH_WORDS = 12;
const REGISTER = { br: 0xd61f0000, blr: 0xd63f0000, ret: 0xd65f0000 } as const;

const backward = (items: readonly Item[], target: Item | undefined, n: number): boolean => {
  const at = target === undefined ? -1 : items.indexOf(target);
  return at >= 0 && at <= n;
};

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
      return 4;
    case 'ret':
      return 3;
    case 'patch':
      return item.target !== undefined && items.includes(item.target) ? PATCH_WORDS : 0;
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
  const words: number[] = [];
  const distance = (target: Item | undefined): number =>
    (target === undefined ? end : (place.get(target) ?? end)) - words.length;
  const fuel = (): void => {
    words.push(0xd1000400 | (FUEL << 5) | FUEL);
    words.push(0xb4000000 | ((end - words.length) << 5) | FUEL);
  };
  const direct = (word: number, target: Item | undefined): void => {
    const field = decode(word)!.row.fields.find((f) => f.name === 'imm26' || f.name === 'imm19' || f.name === 'imm14')!;
    const mask = ((2 ** field.width - 1) << field.lsb) >>> 0;
    words.push((word & ~mask) | ((distance(target) << field.lsb) & mask));
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
        words.push(0x10000000 | ((distance(item.target) & 0x7ffff) << 5) | item.register);
        words.push(REGISTER[item.flow] | (item.register << 5));
        break;
      case 'ret':
        fuel();
        words.push(0xd65f03c0);
        break;
      case 'patch':
        if (sizeOf(items, item, n) === 0) break;
        words.push(0x10000000 | ((distance(item.target) & 0x7ffff) << 5) | 24);
        words.push(0xd2a00000 | ((ALIAS >>> 16) << 5) | 25, 0x8b180339);
        words.push(0x52800000 | ((item.word & 0xffff) << 5) | 29, 0x72a00000 | ((item.word >>> 16) << 5) | 29);
        // STR; DC CVAU, DSB ISH, IC IVAU, DSB ISH, ISB.
        words.push(0xb900033d, 0xd50b7b38, 0xd5033b9f, 0xd50b7538, 0xd5033b9f, 0xd5033fdf);
        // No later store may find the alias.
        words.push(0xd2800019);
        break;
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
  if (program.start + words.length * 4 > CODE_BYTES) throw new Error('a program is too long');
  return words.map((w) => w >>> 0);
}
