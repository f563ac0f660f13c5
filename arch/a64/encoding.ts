import type { Feature } from '../core/idregs.ts';
import type { Translator } from './translator.ts';

/**
 * The instruction table's format. A pattern is the encoding diagram of DDI 0487 from bit 31 to bit 0, its boxes
 * separated by spaces: `'sf 0 0 100010 sh imm12 Rn Rd'`. A box is a run of 0 and 1, or a field by the manual's name,
 * whose width is the one the manual always gives that name (WIDTHS), or stands after a colon (`'op:2'`).
 * `(0)` and `(1)` are should-be bits: ignored when decoding, written when assembling.
 */
// prettier-ignore
const WIDTHS: Record<string, number> = {
  sf: 1, sh: 1, S: 1, N: 1, Q: 1, U: 1, L: 1, M: 1, H: 1, o0: 1, o1: 1, o2: 1, op: 1, A: 1, R: 1, V: 1, b5: 1, sz: 1, a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1,
  Rd: 5, Rn: 5, Rm: 5, Ra: 5, Rt: 5, Rt2: 5, Rs: 5, cond: 4, nzcv: 4, shift: 2, option: 3, size: 2, opc: 2, hw: 2,
  immr: 6, imms: 6, immlo: 2, immhi: 19, imm2: 2, imm3: 3, imm4: 4, imm5: 5, imm6: 6, imm7: 7, imm8: 8, imm9: 9, imm12: 12,
  imm14: 14, imm16: 16, imm19: 19, imm26: 26, b40: 5, immh: 4, immb: 3, cmode: 4, scale: 6, rmode: 2, opcode2: 5,
  op1: 3, op2: 3, CRn: 4, CRm: 4, len: 2, rot: 2, ftype: 2,
};

type Boxes<S extends string> = S extends `${infer Head} ${infer Tail}` ? Head | Boxes<Tail> : S;
type FieldName<B extends string> = B extends `${'0' | '1' | '('}${string}`
  ? never
  : B extends `${infer N}:${string}`
    ? N
    : B;
/** The fields of a pattern, each an unsigned number; `word` is the whole instruction. */
export type Fields<P extends string> = { readonly [K in FieldName<Boxes<P>>]: number } & { readonly word: number };

export interface Field {
  readonly name: string;
  /** Lowest bit and number of bits. */
  readonly lsb: number;
  readonly width: number;
}

/**
 * How an instruction hands on control.
 * - `next`: to the following instruction.
 * - `jump`: to pc + offset. `call`: the same, with X30 = pc + 4.
 * - `branch`: conditionally to pc + offset; its meaning pushes an i32, nonzero when taken.
 * - `indirect`, `callIndirect`, `return`: its meaning pushes the target, an i64.
 * - `exit`: control leaves the region (exceptions, context changes); its meaning emits the exit itself.
 */
export type Flow = 'next' | 'jump' | 'call' | 'branch' | 'indirect' | 'callIndirect' | 'return' | 'exit';

export interface Instruction {
  /** The manual's name of the encoding's page, e.g. `ADD (immediate)`. */
  readonly name: string;
  readonly pattern: string;
  /** Assembly template(s), preferred first. */
  readonly syntax: string;
  /** The feature that it belongs to: where the ID registers do not advertise it, it is UNDEFINED. Undefined: the base architecture. */
  readonly feature: Feature | undefined;
  readonly mask: number;
  readonly value: number;
  readonly fields: readonly Field[];
  readonly flow: Flow;
  /** Control often leaves with this instruction and comes back behind it: an exception return's usual destination. */
  readonly resumes: boolean;
  /** Byte offset of a direct branch's target. */
  readonly offset: ((i: AnyFields) => number) | undefined;
  /** False for an unallocated combination of fields: UNDEFINED. */
  readonly when: ((i: AnyFields) => boolean) | undefined;
  readonly translate: (t: Translator, i: AnyFields) => void;
}
/** Fields once the pattern is forgotten. */
export type AnyFields = { readonly [name: string]: number } & { readonly word: number };

export interface Options<P extends string> {
  feature?: Feature;
  flow?: Flow;
  resumes?: boolean;
  offset?: (i: Fields<P>) => number;
  when?: (i: Fields<P>) => boolean;
}

/**
 * One row of the instruction table.
 * @throws Error when the pattern is not 32 bits.
 */
export function instruction<const P extends string>(
  name: string,
  pattern: P,
  syntax: string,
  options: Options<P>,
  translate: (t: Translator, i: Fields<P>) => void,
): Instruction {
  let lsb = 32;
  let mask = 0;
  let value = 0;
  const fields: Field[] = [];
  for (const box of pattern.split(/\s+/)) {
    if (/^[01]+$/.test(box)) {
      lsb -= box.length;
      mask |= ((2 ** box.length - 1) << lsb) >>> 0;
      value |= (parseInt(box, 2) << lsb) >>> 0;
    } else if (/^\(([01]+)\)$/.test(box)) {
      lsb -= box.length - 2;
    } else {
      const [field = '', given] = box.split(':');
      const width = given === undefined ? WIDTHS[field] : Number(given);
      if (width === undefined) throw new Error(`${name}: the width of field ${field} is unknown`);
      lsb -= width;
      fields.push({ name: field, lsb, width });
    }
  }
  if (lsb !== 0) throw new Error(`${name}: pattern has ${32 - lsb} bits: ${pattern}`);
  return {
    name,
    pattern,
    syntax,
    feature: options.feature,
    mask: mask >>> 0,
    value: value >>> 0,
    fields,
    flow: options.flow ?? 'next',
    resumes: options.resumes ?? false,
    offset: options.offset as Instruction['offset'],
    when: options.when as Instruction['when'],
    translate: translate as Instruction['translate'],
  };
}

/** The fields of `word` under a row. */
export function extract(row: Instruction, word: number): AnyFields {
  const out: { [name: string]: number } = { word };
  for (const f of row.fields) out[f.name] = (word >>> f.lsb) & (2 ** f.width - 1);
  return out as AnyFields;
}

/** Sign-extends the low `bits` bits. */
export function signExtend(value: number, bits: number): number {
  return (value << (32 - bits)) >> (32 - bits);
}
