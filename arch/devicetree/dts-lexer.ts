import { ByteBuilder } from './bytes.ts';
import { DeviceTreeError } from './tree.ts';

const MAX_INCLUDES = 1000;

/** Returns the text of an included file, or undefined where there is no such file. */
export type ReadInclude = (name: string, from: string) => string | undefined;

/** A place in a source file. */
export class Place {
  readonly source: Source;
  readonly offset: number;

  constructor(source: Source, offset: number) {
    this.source = source;
    this.offset = offset;
  }

  /** file:line:column, from 1. */
  toString(): string {
    return this.source.describe(this.offset);
  }

  error(message: string): DeviceTreeError {
    return new DeviceTreeError(`${this}: ${message}`);
  }
}

class Source {
  readonly file: string;
  readonly text: string;
  /** Where a preprocessor's `# line "file"` says that other lines begin. */
  readonly marks: { offset: number; file: string; line: number }[];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.marks = [{ offset: 0, file, line: 1 }];
  }

  describe(offset: number): string {
    const mark = this.marks.findLast((candidate) => candidate.offset <= offset)!;
    let line = mark.line;
    let start = mark.offset;
    for (;;) {
      const end = this.text.indexOf('\n', start);
      if (end < 0 || end >= offset) break;
      start = end + 1;
      line++;
    }
    return `${mark.file}:${line}:${offset - start + 1}`;
  }
}

/** The characters for which `accept` is true, as a table by character code. */
function characters(accept: RegExp): boolean[] {
  return Array.from({ length: 128 }, (_, code) => accept.test(String.fromCharCode(code)));
}

const NAME = characters(/[0-9A-Za-z,._+*#?@-]/);
const PATH = characters(/[0-9A-Za-z,._+*#?@/-]/);
const WORD = characters(/[0-9A-Za-z_]/);
const HEX = characters(/[0-9A-Fa-f]/);
const SPACE = characters(/\s/);
const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };

/**
 * Splits a device tree source into its words. What a word may be depends on where it stands (`#address-cells` is
 * a name, `1-2` an expression or a name), so the parser asks for the kind that it expects.
 */
export class DtsLexer {
  #stack: { source: Source; at: number }[] = [];
  #source: Source;
  #at = 0;
  #read: ReadInclude | undefined;
  #includes = 0;

  constructor(file: string, text: string, read?: ReadInclude) {
    this.#source = new Source(file, text);
    this.#read = read;
  }

  /** Where the next word stands. */
  place(): Place {
    this.#skip();
    return new Place(this.#source, this.#at);
  }

  /** An error that says what was expected and what is there. */
  expected(what: string): DeviceTreeError {
    const place = this.place();
    const rest = this.#source.text.slice(this.#at, this.#at + 200);
    const found = /^([\w,.+*#?@&{}/-]+|"[^"\n]*"|\S)/.exec(rest)?.[0];
    return place.error(`expected ${what}, found ${found ? `"${found.slice(0, 40)}"` : 'the end of the file'}`);
  }

  atEnd(): boolean {
    this.#skip();
    return this.#at >= this.#source.text.length;
  }

  /** Whether the punctuation or keyword `word` comes next. */
  next(word: string): boolean {
    this.#skip();
    return this.#source.text.startsWith(word, this.#at);
  }

  /** Takes the punctuation or keyword `word` if it comes next. */
  accept(word: string): boolean {
    if (!this.next(word)) return false;
    this.#at += word.length;
    return true;
  }

  /** The binary operator that comes next, which `accept` then takes. */
  operator(): string | undefined {
    this.#skip();
    const { text } = this.#source;
    return /^(?:\|\||&&|[=!<>]=|<<|>>|[|^&<>+*/%-])/.exec(text.slice(this.#at, this.#at + 2))?.[0];
  }

  expect(word: string): void {
    if (!this.accept(word)) throw this.expected(`"${word}"`);
  }

  /** A node or property name. A leading backslash is allowed and left out. */
  name(): string | undefined {
    this.#skip();
    const escape = this.#source.text[this.#at] === '\\' ? 1 : 0;
    const end = this.#run(NAME, this.#at + escape);
    return end > this.#at + escape ? this.#takeTo(end).slice(escape) : undefined;
  }

  /** `label:`, without the colon. */
  label(): string | undefined {
    this.#skip();
    const end = this.#run(WORD, this.#at);
    if (end === this.#at || this.#source.text[end] !== ':' || /[0-9]/.test(this.#source.text[this.#at]!))
      return undefined;
    const label = this.#takeTo(end);
    this.#at++;
    return label;
  }

  /** `&label` or `&{/path}`: the label, or the path with its leading slash. */
  reference(): string | undefined {
    this.#skip();
    const { text } = this.#source;
    if (text[this.#at] !== '&') return undefined;
    const braces = text[this.#at + 1] === '{';
    const start = this.#at + (braces ? 2 : 1);
    const end = this.#run(braces ? PATH : WORD, start);
    const target = text.slice(start, end);
    if (braces ? target[0] !== '/' || text[end] !== '}' : !/^[A-Za-z_]/.test(target)) return undefined;
    this.#at = braces ? end + 1 : end;
    return target;
  }

  /** A decimal, octal or hexadecimal number of 64 bits, with C's suffixes. */
  number(): bigint | undefined {
    this.#skip();
    const { text } = this.#source;
    const end = this.#run(WORD, this.#at);
    if (end === this.#at || !/[0-9]/.test(text[this.#at]!)) return undefined;
    const place = this.place();
    const word = this.#takeTo(end);
    const digits = /^(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(U|L|UL|LL|ULL)?$/.exec(word)?.[1];
    if (!digits || digits.length > 30) throw place.error(`bad number "${word.slice(0, 40)}"`);
    const value = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
    if (value >> 64n) throw place.error(`the number ${digits} does not fit 64 bits`);
    return value;
  }

  /** A quoted string's bytes, escapes replaced, without a NUL at its end. */
  string(): Uint8Array | undefined {
    return this.#quoted('"');
  }

  /** A character literal's value. */
  character(): bigint | undefined {
    const place = this.place();
    const bytes = this.#quoted("'");
    if (bytes && bytes.length !== 1) throw place.error(`a character literal must be one byte, not ${bytes.length}`);
    return bytes && BigInt(bytes[0]!);
  }

  /** Two hexadecimal digits, which may touch the next two. */
  hexByte(): number | undefined {
    this.#skip();
    const { text } = this.#source;
    if (!HEX[text.charCodeAt(this.#at)] || !HEX[text.charCodeAt(this.#at + 1)]) return undefined;
    return Number.parseInt(this.#takeTo(this.#at + 2), 16);
  }

  #takeTo(end: number): string {
    const word = this.#source.text.slice(this.#at, end);
    this.#at = end;
    return word;
  }

  #run(table: boolean[], from: number): number {
    let at = from;
    while (table[this.#source.text.charCodeAt(at)]) at++;
    return at;
  }

  #quoted(quote: string): Uint8Array | undefined {
    const place = this.place();
    const { text } = this.#source;
    if (text[this.#at] !== quote) return undefined;
    const out = new ByteBuilder();
    let at = this.#at + 1;
    for (let start = at; ;) {
      const c = text[at];
      if (c === undefined) throw place.error('this literal has no closing quote');
      if (c !== quote && c !== '\\') {
        at++;
        continue;
      }
      if (at > start) out.bytes(new TextEncoder().encode(text.slice(start, at)));
      if (c === quote) break;
      const [length, value] = this.#escape(at + 1, place);
      if (value >= 0) out.u8(value);
      // Any other character stands for itself.
      start = value >= 0 ? at + 1 + length : at + 1;
      at += 1 + length;
    }
    this.#at = at + 1;
    return out.take();
  }

  /** The escape after a backslash: its length and its value, -1 for the character itself. */
  #escape(at: number, place: Place): [length: number, value: number] {
    const { text } = this.#source;
    const c = text[at] ?? '';
    const octal = /^[0-7]{1,3}/.exec(text.slice(at, at + 3))?.[0];
    if (octal) return [octal.length, Number.parseInt(octal, 8) & 0xff];
    if (c === 'x') {
      const digits = /^[0-9a-fA-F]{1,2}/.exec(text.slice(at + 1, at + 3))?.[0];
      if (!digits) throw place.error('\\x needs hexadecimal digits in this literal');
      return [1 + digits.length, Number.parseInt(digits, 16)];
    }
    return [1, ESCAPES[c] ?? -1];
  }

  /** Passes over space and comments, and into and out of included files. */
  #skip(): void {
    for (;;) {
      const { text } = this.#source;
      this.#at = this.#run(SPACE, this.#at);
      const c = text[this.#at];
      if (c === undefined) {
        const outer = this.#stack.pop();
        if (!outer) return;
        this.#source = outer.source;
        this.#at = outer.at;
      } else if (c === '#' && (this.#at === 0 || text[this.#at - 1] === '\n')) {
        if (!this.#lineMark()) return;
      } else if (c !== '/') {
        return;
      } else if (text[this.#at + 1] === '/') {
        const end = text.indexOf('\n', this.#at);
        this.#at = end < 0 ? text.length : end;
      } else if (text[this.#at + 1] === '*') {
        const end = text.indexOf('*/', this.#at + 2);
        if (end < 0) throw new Place(this.#source, this.#at).error('this comment has no end');
        this.#at = end + 2;
      } else if (text.startsWith('/include/', this.#at)) {
        this.#include();
      } else {
        return;
      }
    }
  }

  #lineMark(): boolean {
    const { text } = this.#source;
    const end = text.indexOf('\n', this.#at);
    if (end < 0) return false;
    const mark = /^#(?:line)?[ \t]+(\d{1,9})(?:[ \t]+"([^"]*)")?/.exec(
      text.slice(this.#at, Math.min(end, this.#at + 4096)),
    );
    if (!mark) return false;
    this.#at = end + 1;
    const file = mark[2] ?? this.#source.marks.at(-1)!.file;
    this.#source.marks.push({ offset: this.#at, file, line: Number(mark[1]) });
    return true;
  }

  #include(): void {
    const place = new Place(this.#source, this.#at);
    this.#at += '/include/'.length;
    this.#at = this.#run(SPACE, this.#at);
    const end = this.#source.text.indexOf('"', this.#at + 1);
    if (this.#source.text[this.#at] !== '"' || end < 0) throw place.error('/include/ needs a file name in quotes');
    const name = this.#takeTo(end + 1).slice(1, -1);
    if (++this.#includes > MAX_INCLUDES) throw place.error(`more than ${MAX_INCLUDES} files are included`);
    const text = this.#read?.(name, this.#source.file);
    if (text === undefined) throw place.error(`cannot find the included file "${name}"`);
    this.#stack.push({ source: this.#source, at: this.#at });
    this.#source = new Source(name, text);
    this.#at = 0;
  }
}
