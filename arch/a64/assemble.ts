import { decode } from './decode.ts';
import type { Instruction } from './encoding.ts';
import { match, normalise, type Assignment, type Form, type Place } from './syntax.ts';
import { readableOf } from './syntax-aliases.ts';
import { expression } from './syntax-general.ts';
import { table } from './table/index.ts';

/** A line that is no instruction, or one whose operands no form takes. */
export class AssemblyError extends Error {}

/** Forms by mnemonic. */
function buildIndex(): Map<string, Form[]> {
  const index = new Map<string, Form[]>();
  for (const { form } of table.flatMap(readableOf).sort((a, b) => a.rank - b.rank)) {
    for (const mnemonic of form.mnemonics) {
      const same = index.get(mnemonic);
      if (same === undefined) index.set(mnemonic, [form]);
      else same.push(form);
    }
  }
  return index;
}

let index: Map<string, Form[]> | undefined;

/** The word of a row with these fields; the others are zero, should-be bits are as they should be. */
export function encode(row: Instruction, fields: Assignment): number {
  let word = row.value;
  for (const f of row.fields) word |= (fields[f.name] ?? 0) << f.lsb;
  let lsb = 32;
  for (const box of row.pattern.split(/\s+/)) {
    const should = /^\(([01]+)\)$/.exec(box)?.[1];
    const width =
      should?.length ?? (/^[01]+$/.test(box) ? box.length : row.fields.find((f) => f.lsb + f.width === lsb)!.width);
    lsb -= width;
    if (should !== undefined) word |= parseInt(should, 2) << lsb;
  }
  return word >>> 0;
}

/** Fields that no operand stands for: zero, and where that is not allocated, other values of a few bits. */
function* completions(row: Instruction, fields: Assignment): Generator<Assignment> {
  yield fields;
  const open = row.fields.filter((f) => fields[f.name] === undefined);
  const bits = open.reduce((n, f) => n + f.width, 0);
  for (let n = 1; bits <= 4 && n < 2 ** bits; n++) {
    let rest = n;
    const more: Record<string, number> = {};
    for (const f of open) {
      more[f.name] = rest & (2 ** f.width - 1);
      rest >>= f.width;
    }
    yield { ...fields, ...more };
  }
}

function assembleAt(line: string, at: Place): number {
  index ??= buildIndex();
  const text = normalise(line.trim());
  const mnemonic = /^[a-z0-9]+/i.exec(text)?.[0].toLowerCase() ?? '';
  const forms = index.get(mnemonic) ?? (/^b[a-z]{2}$/.test(mnemonic) ? index.get('b') : undefined);
  if (forms === undefined)
    throw new AssemblyError(`there is no instruction ${JSON.stringify(mnemonic)}: ${line.trim()}`);
  for (const form of forms) {
    for (const given of match(form, text, at)) {
      for (const fields of completions(form.row, given)) {
        const word = encode(form.row, fields);
        const decoded = decode(word);
        // Named hints are rows of their own.
        const same = decoded?.row === form.row || (form.row.name === 'HINT' && decoded !== undefined);
        if (same && (form.when === undefined || form.when(decoded.fields))) return word;
      }
    }
  }
  throw new AssemblyError(`no form of ${mnemonic.toUpperCase()} takes these operands: ${line.trim()}`);
}

/**
 * The word of one instruction, in the manual's syntax or an alias; labels are addresses (`b 0x1000`, `adr x0, . + 8`).
 * @param pc its address
 * @throws AssemblyError
 */
export function assemble(line: string, pc: bigint | number = 0): number {
  return assembleAt(withoutComment(line), { pc: BigInt(pc), symbol: () => undefined });
}

const withoutComment = (line: string): string => line.replace(/\/\*.*?\*\//g, ' ').replace(/\/\/.*$/, '');

/** Bytes of one item of a data directive. */
const ITEM_BYTES: Readonly<Record<string, number>> = { '.byte': 1, '.hword': 2, '.word': 4, '.inst': 4, '.quad': 8 };
const MAX_BYTES = 1 << 26;
/** `ldr x0, =value` */
const LITERAL = /^ldr\s+([xw]\w+)\s*,\s*=\s*(.+)$/i;

/** One instruction or the items of one data directive. */
interface Statement {
  readonly line: number;
  /** Offset of its first byte. */
  readonly at: number;
  /** `.word` and its kin; undefined for an instruction. */
  readonly directive: string | undefined;
  readonly text: string;
}

class Program {
  readonly base: bigint;
  readonly symbols = new Map<string, bigint>();
  /** Labels that are numbers: how many statements stand before each. */
  readonly numbered: { name: string; before: number; value: bigint }[] = [];
  readonly statements: Statement[] = [];
  /** Offset of the literal pool's entries, by width and text. */
  readonly literals = new Map<string, number>();
  offset = 0;

  constructor(base: bigint) {
    this.base = base;
  }

  place(order: number, at: number): Place {
    return {
      pc: this.base + BigInt(at),
      symbol: (name) => {
        const [, number, direction] = /^(\d+)([bf])$/.exec(name) ?? [];
        if (number === undefined) return this.symbols.get(name);
        const same = this.numbered.filter((n) => n.name === number);
        return (direction === 'b' ? same.findLast((n) => n.before <= order) : same.find((n) => n.before > order))
          ?.value;
      },
    };
  }

  advance(bytes: number): void {
    this.offset += bytes;
    if (this.offset > MAX_BYTES) throw new AssemblyError(`the program is longer than ${MAX_BYTES} bytes`);
  }

  label(name: string): void {
    const value = this.base + BigInt(this.offset);
    if (/^\d/.test(name)) this.numbered.push({ name, before: this.statements.length, value });
    else if (this.symbols.has(name)) throw new AssemblyError(`the label ${name} is defined twice`);
    else this.symbols.set(name, value);
  }

  /** A number that must be known by now. */
  constant(text: string): bigint {
    const value = expression(text, this.place(this.statements.length, this.offset));
    if (value === undefined)
      throw new AssemblyError(`${JSON.stringify(text)} is neither a number nor a symbol defined before`);
    return value;
  }

  statement(text: string, line: number): void {
    const [, directive, operands = ''] = /^(\.\w+)\s*(.*)$/.exec(text) ?? [];
    if (directive === undefined) {
      if (this.offset % 4 !== 0) throw new AssemblyError('an instruction must be aligned to four bytes');
      this.statements.push({ line, at: this.offset, directive, text });
      const literal = LITERAL.exec(text);
      if (literal !== null) this.literals.set(literalKey(literal), 0);
      this.advance(4);
      return;
    }
    const size = ITEM_BYTES[directive];
    if (size !== undefined) {
      this.statements.push({ line, at: this.offset, directive, text: operands });
      this.advance(size * operands.split(',').length);
      return;
    }
    switch (directive) {
      case '.equ':
      case '.set': {
        const [name = '', value = ''] = operands.split(',');
        this.symbols.set(name.trim(), this.constant(value));
        return;
      }
      case '.skip':
      case '.balign': {
        const n = Number(this.constant(operands));
        if (n < (directive === '.skip' ? 0 : 1) || n > MAX_BYTES)
          throw new AssemblyError(`${directive} ${n} is out of range`);
        this.advance(directive === '.skip' ? n : (n - (this.offset % n)) % n);
        return;
      }
      default:
        throw new AssemblyError(`there is no directive ${directive}`);
    }
  }

  /** The literal pool follows the program, doublewords first. */
  placeLiterals(): void {
    if (this.literals.size === 0) return;
    this.advance((8 - (this.offset % 8)) % 8);
    for (const key of [...this.literals.keys()].sort().reverse()) {
      this.literals.set(key, this.offset);
      this.advance(key.startsWith('x') ? 8 : 4);
    }
  }

  emit({ at, directive, text }: Statement, order: number, view: DataView): void {
    const place = this.place(order, at);
    if (directive !== undefined) {
      const size = ITEM_BYTES[directive]!;
      text.split(',').forEach((item, n) => write(view, at + n * size, size, item.trim(), place));
      return;
    }
    const literal = LITERAL.exec(text);
    if (literal === null) {
      view.setUint32(at, assembleAt(text, place), true);
      return;
    }
    const key = literalKey(literal);
    const target = this.literals.get(key)!;
    write(view, target, key.startsWith('x') ? 8 : 4, literal[2]!, place);
    view.setUint32(at, assembleAt(`ldr ${literal[1]}, . + ${target - at}`, place), true);
  }
}

/** A literal's width, as the letter of its register, and text. */
const literalKey = (m: RegExpExecArray): string => `${m[1]![0]!.toLowerCase()} ${m[2]!.trim()}`;

function write(view: DataView, at: number, size: number, item: string, place: Place): void {
  const value = expression(item, place);
  if (value === undefined) throw new AssemblyError(`${JSON.stringify(item)} is neither a number nor a symbol`);
  if (value !== BigInt.asIntN(8 * size, value) && value !== BigInt.asUintN(8 * size, value))
    throw new AssemblyError(`${item} does not fit in ${size} bytes`);
  for (let byte = 0; byte < size; byte++) view.setUint8(at + byte, Number((value >> BigInt(8 * byte)) & 0xffn));
}

/**
 * A program of several lines as words: instructions, labels (`name:`, `1:` with `1b` and `1f`), comments, `ldr x0, =value` with
 * a literal pool at the end, `.byte`, `.hword`, `.word`, `.quad`, `.inst`, `.balign n`, `.skip n` and `.equ name, value`.
 * What is left of the last word is zero.
 * @param base address of the first byte
 * @throws AssemblyError with the number of the line
 */
export function assembleProgram(source: string, base: bigint | number = 0): Uint32Array {
  const program = new Program(BigInt(base));
  const inLine = (line: number, work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (error instanceof AssemblyError) throw new AssemblyError(`line ${line + 1}: ${error.message}`);
      throw error;
    }
  };
  source.split('\n').forEach((raw, line) =>
    inLine(line, () => {
      for (let text of withoutComment(raw).split(';')) {
        for (let m; (m = /^\s*([A-Za-z_.$][\w.$]*|\d+):/.exec(text)) !== null; text = text.slice(m[0].length))
          program.label(m[1]!);
        if (text.trim() !== '') program.statement(text.trim(), line);
      }
    }),
  );
  program.placeLiterals();
  const words = new Uint32Array((program.offset + 3) >> 2);
  const view = new DataView(words.buffer);
  program.statements.forEach((s, order) => inLine(s.line, () => program.emit(s, order, view)));
  return words;
}
