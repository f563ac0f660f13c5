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

interface Statement {
  readonly line: number;
  readonly at: number;
  readonly text: string;
}

/** Bytes of data directives. */
const DATA = new Map([
  ['.byte', 1],
  ['.hword', 2],
  ['.word', 4],
  ['.inst', 4],
  ['.quad', 8],
]);

/** The arguments of a directive, at their commas. */
const argumentsOf = (text: string): string[] => text.split(',').map((s) => s.trim());

const MAX_BYTES = 1 << 26;

/**
 * A program of several lines as words: instructions, labels (`name:`, `1:` with `1b` and `1f`), comments,
 * `.byte`, `.hword`, `.word`, `.quad`, `.inst`, `.balign n`, `.skip n` and `.equ name, value`. What is left of the last word is zero.
 * @param base address of the first byte
 * @throws AssemblyError with the number of the line
 */
export function assembleProgram(source: string, base: bigint | number = 0): Uint32Array {
  const start = BigInt(base);
  const symbols = new Map<string, bigint>();
  const numbered: { name: string; line: number; value: bigint }[] = [];
  const statements: Statement[] = [];
  let offset = 0;

  const fail = (line: number, message: string): never => {
    throw new AssemblyError(`line ${line + 1}: ${message}`);
  };
  const placeOf = (line: number, at: number): Place => ({
    pc: start + BigInt(at),
    symbol: (name) => {
      const local = /^(\d+)([bf])$/.exec(name);
      if (local === null) return symbols.get(name);
      const candidates = numbered.filter(
        (n) =>
          n.name === local[1] &&
          (local[2] === 'b'
            ? n.line <= line && n.value <= start + BigInt(at)
            : n.line > line || n.value > start + BigInt(at)),
      );
      return (local[2] === 'b' ? candidates.at(-1) : candidates[0])?.value;
    },
  });
  const constant = (text: string, line: number): bigint =>
    expression(text, placeOf(line, offset)) ??
    fail(line, `${JSON.stringify(text)} is neither a number nor a symbol defined before`);

  source.split('\n').forEach((raw, line) => {
    for (let text of withoutComment(raw).split(';')) {
      for (let m; (m = /^\s*([A-Za-z_.$][\w.$]*|\d+):/.exec(text)) !== null; text = text.slice(m[0].length)) {
        const value = start + BigInt(offset);
        if (/^\d/.test(m[1]!)) numbered.push({ name: m[1]!, line, value });
        else if (symbols.has(m[1]!)) fail(line, `the label ${m[1]!} is defined twice`);
        else symbols.set(m[1]!, value);
      }
      text = text.trim();
      if (text === '') continue;
      const directive = /^(\.\w+)\s*(.*)$/.exec(text);
      const size = directive === null ? 4 : DATA.get(directive[1]!);
      if (size !== undefined) {
        if (directive === null && offset % 4 !== 0) fail(line, 'an instruction must be aligned to four bytes');
        statements.push({ line, at: offset, text });
        offset += size * (directive === null ? 1 : argumentsOf(directive[2]!).length);
      } else if (directive![1] === '.equ' || directive![1] === '.set') {
        const [name = '', value = ''] = argumentsOf(directive![2]!);
        symbols.set(name, constant(value, line));
      } else if (directive![1] === '.balign' || directive![1] === '.skip') {
        const n = Number(constant(directive![2]!, line));
        if (n < (directive![1] === '.balign' ? 1 : 0) || n > MAX_BYTES)
          fail(line, `${directive![1]} ${n} is out of range`);
        offset = directive![1] === '.skip' ? offset + n : Math.ceil(offset / n) * n;
      } else fail(line, `there is no directive ${directive![1]}`);
      if (offset > MAX_BYTES) fail(line, `the program is longer than ${MAX_BYTES} bytes`);
    }
  });

  const words = new Uint32Array((offset + 3) >> 2);
  const view = new DataView(words.buffer);
  for (const { line, at, text } of statements) {
    const place = placeOf(line, at);
    const directive = /^(\.\w+)\s*(.*)$/.exec(text);
    if (directive === null) {
      try {
        view.setUint32(at, assembleAt(text, place), true);
      } catch (error) {
        if (!(error instanceof AssemblyError)) throw error;
        fail(line, error.message);
      }
      continue;
    }
    const size = DATA.get(directive[1]!)!;
    argumentsOf(directive[2]!).forEach((argument, n) => {
      const value =
        expression(argument, place) ?? fail(line, `${JSON.stringify(argument)} is neither a number nor a symbol`);
      if (value !== BigInt.asIntN(8 * size, value) && value !== BigInt.asUintN(8 * size, value))
        fail(line, `${argument} does not fit in ${size} bytes`);
      for (let byte = 0; byte < size; byte++)
        view.setUint8(at + n * size + byte, Number((value >> BigInt(8 * byte)) & 0xffn));
    });
  }
  return words;
}
