import type { AnyFields, Instruction } from './encoding.ts';
import { generalRules } from './syntax-general.ts';
import { systemRules } from './syntax-system.ts';
import { vectorRules } from './syntax-vector.ts';

/**
 * Assembly syntax, both ways. A template as the manual writes it (`ADD <R><d>, <R><n>, <R><m>{, <shift> #<amount>}`) is
 * cut into literal text and operands. An operand knows the fields it stands for and how they are written; it is read
 * back by trying the values of its fields, unless it knows a shorter way.
 */

/** Values of some fields. */
export type Assignment = Readonly<Record<string, number>>;

/** What a label or a symbol stands for. */
export interface Place {
  /** Address of the instruction. */
  readonly pc: bigint;
  /** The value of a symbol; undefined where there is no such symbol. */
  symbol(name: string): bigint | undefined;
}

export interface Operand {
  readonly fields: readonly string[];
  /** Source of a regular expression, without capturing groups, for what may stand here in a normalised line. */
  readonly text: string;
  /** The text of the fields; undefined where these fields have no text. */
  format(i: AnyFields, pc: bigint): string | undefined;
  /** The fields of a text, given those that are known from the operands before. */
  parse?(text: string, known: Assignment, at: Place): Assignment | undefined;
}

/** How a spelling in a template becomes an operand. */
export interface Rule {
  /** Sticky. */
  readonly spelling: RegExp;
  /** Undefined where the spelling means something else in this row. */
  operand(match: RegExpExecArray, row: Instruction, template: string): Operand | undefined;
}

/** A row with one way of writing it. */
export interface Form {
  readonly row: Instruction;
  readonly parts: readonly (string | Operand)[];
  /** Fields that this way of writing implies. */
  readonly fixed: Assignment;
  readonly when: ((i: AnyFields) => boolean) | undefined;
  /** The beginnings of a line that may be this form. */
  readonly mnemonics: readonly string[];
  /** What matches a normalised line, a group for each operand. */
  readonly line: RegExp;
}

const rules: readonly Rule[] = [...systemRules, ...vectorRules, ...generalRules];

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** White space and `#` count for nothing but to keep words apart. */
export function normalise(text: string): string {
  return text
    .replace(/[\s#]+/g, ' ')
    .replace(/ ?, ?/g, ',')
    .replace(/([[{]) /g, '$1')
    .replace(/ ([\]}!])/g, '$1');
}

/** Stands for a spelling that no rule knows: the form fits nothing. */
const unknown: Operand = { fields: [], text: '(?!)', format: () => undefined };

/** Mnemonics that end in an operand. */
const ENDINGS: readonly (readonly [spelling: string, endings: readonly string[]])[] = [
  ['{2}', ['', '2']],
  ['<bt>', ['b', 't']],
];

/** Cuts a template. */
export function compile(
  row: Instruction,
  template: string,
  fixed: Assignment = {},
  when?: (i: AnyFields) => boolean,
): Form {
  const parts: (string | Operand)[] = [];
  let literal = '';
  const flush = (): void => {
    if (literal !== '') parts.push(literal.toLowerCase());
    literal = '';
  };
  for (let at = 0; at < template.length;) {
    let found = false;
    for (const rule of rules) {
      rule.spelling.lastIndex = at;
      const match = rule.spelling.exec(template);
      if (match === null) continue;
      const operand = rule.operand(match, row, template);
      if (operand === undefined) continue;
      flush();
      parts.push(operand);
      at += match[0].length;
      found = true;
      break;
    }
    if (found) continue;
    if (template[at] === '<' || template[at] === '…') parts.push(unknown);
    literal += template[at++];
  }
  flush();
  const stem = /^[a-z0-9]+/.exec(template.toLowerCase())![0];
  const source = parts.map((p) => (typeof p === 'string' ? escape(normalise(p)) : `(${p.text})`)).join('');
  return {
    row,
    parts,
    fixed,
    when,
    mnemonics: (ENDINGS.find(([spelling]) => template.startsWith(spelling, stem.length))?.[1] ?? ['']).map(
      (ending) => stem + ending,
    ),
    line: new RegExp(`^${source}$`, 'i'),
  };
}

/** The text of an instruction in this form; undefined where the form does not fit. */
export function format(form: Form, i: AnyFields, pc: bigint): string | undefined {
  for (const name in form.fixed) if (i[name] !== form.fixed[name]) return undefined;
  if (form.when !== undefined && !form.when(i)) return undefined;
  let out = '';
  for (const part of form.parts) {
    const text = typeof part === 'string' ? part : part.format(i, pc);
    if (text === undefined) return undefined;
    out += text;
  }
  return out;
}

const inverses = new WeakMap<Operand, Map<string, Assignment[]>>();

/** Numbers in one notation, letters in one case. */
const canonical = (text: string): string =>
  normalise(text)
    .trim()
    .toLowerCase()
    .replace(/(?<![\w.])(?:0x[0-9a-f]+|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)(?![\w.])/g, (n) =>
      /^[0-9]+$|^0x/.test(n) ? BigInt(n).toString() : Number(n).toString(),
    );

/** Every text of an operand with the fields it stands for. */
function inverse(row: Instruction, operand: Operand): Map<string, Assignment[]> {
  let map = inverses.get(operand);
  if (map !== undefined) return map;
  map = new Map();
  const fields = operand.fields.map((name) => row.fields.find((f) => f.name === name)!);
  const total = fields.reduce((n, f) => n + f.width, 0);
  for (let combination = 0; combination < 2 ** total; combination++) {
    const i: { [name: string]: number } = { word: 0 };
    let rest = combination;
    for (const f of fields) {
      i[f.name] = rest & (2 ** f.width - 1);
      rest >>>= f.width;
    }
    const text = operand.format(i as AnyFields, 0n);
    if (text === undefined) continue;
    delete i.word;
    const key = canonical(text);
    const same = map.get(key);
    if (same === undefined) map.set(key, [i]);
    else same.push(i);
  }
  inverses.set(operand, map);
  return map;
}

/** The assignments that give a normalised line in this form. */
export function match(form: Form, line: string, at: Place): Assignment[] {
  const groups = form.line.exec(line);
  if (groups === null) return [];
  let found: Assignment[] = [form.fixed];
  let group = 1;
  for (const part of form.parts) {
    if (typeof part === 'string') continue;
    const text = groups[group++]!;
    const next: Assignment[] = [];
    for (const known of found) {
      let candidates: readonly Assignment[];
      if (part.parse !== undefined) {
        const one = part.parse(text, known, at);
        candidates = one === undefined ? [] : [one];
      } else candidates = inverse(form.row, part).get(canonical(text)) ?? [];
      for (const c of candidates)
        if (Object.keys(c).every((name) => known[name] === undefined || known[name] === c[name]))
          next.push({ ...known, ...c });
    }
    found = next;
  }
  return found;
}
