import { ByteBuilder } from './bytes.ts';
import type { DtsLexer, Place } from './dts-lexer.ts';
import { MAX_DEPTH } from './tree.ts';
import type { Reservation } from './tree.ts';

const MAX_EXPRESSION_DEPTH = 200;

export interface Label {
  name: string;
  place: Place;
}

/** A label, or a path with its leading slash. */
export interface Reference {
  target: string;
  place: Place;
}

/** A part of a property's value: bytes, or what a reference stands for, which is known only at the end. */
export type Part = Uint8Array | (Reference & { as: 'phandle' | 'path' });

interface Item {
  name: string;
  place: Place;
  labels: Label[];
}

/** A property; without a value, a /delete-property/. */
export interface PropertyItem extends Item {
  value: Part[] | undefined;
}

/** A child; without a body, a /delete-node/. */
export interface NodeItem extends Item {
  body: Body | undefined;
  omitIfUnreferenced: boolean;
}

export interface Body {
  properties: PropertyItem[];
  children: NodeItem[];
}

/** `/ { … }` or `&label { … }`; without a body, a /delete-node/ or /omit-if-no-ref/ of the node. */
export interface Statement {
  target: Reference;
  labels: Label[];
  body: Body | undefined;
  omitIfUnreferenced: boolean;
}

/** C's binary operators: how tightly each binds, and its meaning on unsigned 64-bit numbers. */
const OPERATORS: Record<string, [binding: number, apply: (a: bigint, b: bigint) => bigint | boolean]> = {
  '||': [1, (a, b) => a !== 0n || b !== 0n],
  '&&': [2, (a, b) => a !== 0n && b !== 0n],
  '|': [3, (a, b) => a | b],
  '^': [4, (a, b) => a ^ b],
  '&': [5, (a, b) => a & b],
  '==': [6, (a, b) => a === b],
  '!=': [6, (a, b) => a !== b],
  '<': [7, (a, b) => a < b],
  '>': [7, (a, b) => a > b],
  '<=': [7, (a, b) => a <= b],
  '>=': [7, (a, b) => a >= b],
  '<<': [8, (a, b) => (b < 64n ? a << b : 0n)],
  '>>': [8, (a, b) => (b < 64n ? a >> b : 0n)],
  '+': [9, (a, b) => a + b],
  '-': [9, (a, b) => a - b],
  '*': [10, (a, b) => a * b],
  '/': [10, (a, b) => a / b],
  '%': [10, (a, b) => a % b],
};

/** Reads a device tree source's statements; what they mean together is the compiler's matter. */
export class DtsParser {
  readonly reservations: Reservation[] = [];
  #lexer: DtsLexer;
  #expressionDepth = 0;

  constructor(lexer: DtsLexer) {
    this.#lexer = lexer;
  }

  /** The statements in order, each as soon as it is complete. */
  *statements(): Generator<Statement> {
    const lexer = this.#lexer;
    lexer.expect('/dts-v1/');
    lexer.expect(';');
    while (lexer.accept('/dts-v1/')) lexer.expect(';');
    if (lexer.accept('/plugin/')) throw lexer.place().error('overlays (/plugin/) cannot be compiled');
    for (;;) {
      const labels = this.#labels();
      if (!lexer.accept('/memreserve/')) {
        if (!labels.length && lexer.atEnd()) throw lexer.expected('"/ {"');
        yield this.#statement(labels);
        break;
      }
      this.reservations.push({ address: this.#integer(), size: this.#integer() });
      lexer.expect(';');
    }
    while (!lexer.atEnd()) yield this.#statement(this.#labels());
  }

  #statement(labels: Label[]): Statement {
    const lexer = this.#lexer;
    const place = lexer.place();
    if (!labels.length) {
      const deletion = lexer.accept('/delete-node/');
      if (deletion || lexer.accept('/omit-if-no-ref/')) {
        const target = this.#reference();
        if (!target) throw lexer.expected('a reference');
        lexer.expect(';');
        return { target, labels, body: undefined, omitIfUnreferenced: !deletion };
      }
    }
    const target = this.#reference() ?? (lexer.accept('/') ? { target: '/', place } : undefined);
    if (!target) throw lexer.expected('"/ {" or a reference');
    return { target, labels, body: this.#body(0), omitIfUnreferenced: false };
  }

  #labels(): Label[] {
    const labels: Label[] = [];
    for (;;) {
      const place = this.#lexer.place();
      const name = this.#lexer.label();
      if (name === undefined) return labels;
      labels.push({ name, place });
    }
  }

  #reference(): Reference | undefined {
    const place = this.#lexer.place();
    const target = this.#lexer.reference();
    return target === undefined ? undefined : { target, place };
  }

  #body(depth: number): Body {
    const lexer = this.#lexer;
    if (depth > MAX_DEPTH) throw lexer.place().error(`nodes nest more than ${MAX_DEPTH} deep`);
    lexer.expect('{');
    const body: Body = { properties: [], children: [] };
    while (!lexer.accept('}')) this.#item(body, depth);
    lexer.expect(';');
    return body;
  }

  #item(body: Body, depth: number): void {
    const lexer = this.#lexer;
    const labels = this.#labels();
    const omitIfUnreferenced = lexer.accept('/omit-if-no-ref/');
    if (omitIfUnreferenced) labels.push(...this.#labels());
    const deletion = ['/delete-property/', '/delete-node/'].find((keyword) => lexer.accept(keyword));
    const place = lexer.place();
    const name = lexer.name();
    if (name === undefined) throw lexer.expected(deletion ? 'a name' : 'a property, a node or "}"');
    const item = { name, place, labels };
    if (deletion) {
      lexer.expect(';');
      if (deletion === '/delete-node/') body.children.push({ ...item, body: undefined, omitIfUnreferenced });
      else body.properties.push({ ...item, value: undefined });
    } else if (lexer.next('{')) {
      if (name.indexOf('@') !== name.lastIndexOf('@')) throw place.error(`the node name ${name} has two @`);
      body.children.push({ ...item, body: this.#body(depth + 1), omitIfUnreferenced });
    } else {
      if (body.children.length) throw place.error(`the property ${name} must come before the child nodes`);
      if (omitIfUnreferenced) throw place.error('/omit-if-no-ref/ is for nodes');
      const value = lexer.accept('=') ? this.#value(labels) : [];
      if (!lexer.accept(';')) throw lexer.expected(value.length ? '"," or ";"' : '"=", "{" or ";"');
      body.properties.push({ ...item, value });
    }
  }
  /** A property's value; the labels inside it are added to `labels`. */
  #value(labels: Label[]): Part[] {
    const lexer = this.#lexer;
    const parts: Part[] = [];
    do {
      labels.push(...this.#labels());
      const text = lexer.string();
      const path = text ? undefined : this.#reference();
      if (text) {
        parts.push(text, new Uint8Array(1));
      } else if (path) {
        parts.push({ ...path, as: 'path' });
      } else if (lexer.accept('[')) {
        parts.push(this.#byteString(labels));
      } else if (lexer.next('<') || lexer.next('/bits/')) {
        this.#cells(parts, labels);
      } else {
        if (lexer.next('/incbin/')) throw lexer.place().error('/incbin/ is not supported');
        throw lexer.expected('a value');
      }
      labels.push(...this.#labels());
    } while (lexer.accept(','));
    return parts;
  }

  #byteString(labels: Label[]): Uint8Array {
    const out = new ByteBuilder();
    for (;;) {
      labels.push(...this.#labels());
      const byte = this.#lexer.hexByte();
      if (byte === undefined) break;
      out.u8(byte);
    }
    if (!this.#lexer.accept(']')) throw this.#lexer.expected('two hexadecimal digits or "]"');
    return out.take();
  }

  #cells(parts: Part[], labels: Label[]): void {
    const lexer = this.#lexer;
    let bits = 32;
    if (lexer.accept('/bits/')) {
      const place = lexer.place();
      bits = Number(this.#integer());
      if (![8, 16, 32, 64].includes(bits)) throw place.error('/bits/ must be 8, 16, 32 or 64');
    }
    lexer.expect('<');
    const max = (1n << BigInt(bits)) - 1n;
    let out = new ByteBuilder();
    for (;;) {
      labels.push(...this.#labels());
      if (lexer.accept('>')) break;
      const place = lexer.place();
      const reference = this.#reference();
      if (reference) {
        if (bits !== 32) throw place.error('a reference needs 32-bit cells');
        parts.push(out.take(), { ...reference, as: 'phandle' });
        out = new ByteBuilder();
        continue;
      }
      const value = this.#integer();
      if (value > max && BigInt.asIntN(64, value | max) !== -1n) {
        throw place.error(`the value 0x${value.toString(16)} does not fit ${bits} bits`);
      }
      if (bits === 8) out.u8(Number(value & max));
      else if (bits === 16) out.u16(Number(value & max));
      else if (bits === 32) out.u32(Number(value & max));
      else out.u64(value);
    }
    parts.push(out.take());
  }

  /** A number, a character literal or an expression in parentheses. */
  #integer(): bigint {
    const lexer = this.#lexer;
    const value = lexer.number() ?? lexer.character();
    if (value !== undefined) return value;
    if (!lexer.accept('(')) throw lexer.expected('a number');
    const result = this.#expression();
    lexer.expect(')');
    return result;
  }

  /** A C expression with all its operators but those on variables; unsigned 64-bit. */
  #expression(): bigint {
    this.#deeper();
    const condition = this.#binary(1);
    let value = condition;
    if (this.#lexer.accept('?')) {
      const yes = this.#expression();
      this.#lexer.expect(':');
      const no = this.#expression();
      value = condition ? yes : no;
    }
    this.#expressionDepth--;
    return value;
  }

  #deeper(): void {
    if (++this.#expressionDepth > MAX_EXPRESSION_DEPTH) throw this.#lexer.place().error('this expression is too deep');
  }

  #binary(binding: number): bigint {
    const lexer = this.#lexer;
    let left = this.#unary();
    for (;;) {
      const place = lexer.place();
      const operator = lexer.operator();
      const found = operator && OPERATORS[operator];
      if (!found || found[0] < binding) return left;
      lexer.expect(operator);
      const right = this.#binary(found[0] + 1);
      if (right === 0n && (operator === '/' || operator === '%')) throw place.error('division by zero');
      left = BigInt.asUintN(64, BigInt(found[1](left, right)));
    }
  }

  #unary(): bigint {
    const lexer = this.#lexer;
    this.#deeper();
    let value: bigint;
    if (lexer.accept('-')) value = -this.#unary();
    else if (lexer.accept('~')) value = ~this.#unary();
    else if (lexer.accept('!')) value = this.#unary() ? 0n : 1n;
    else value = this.#integer();
    this.#expressionDepth--;
    return BigInt.asUintN(64, value);
  }
}
