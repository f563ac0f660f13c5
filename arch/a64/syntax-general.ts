import { signExtend, type AnyFields, type Instruction } from './encoding.ts';
import type { Assignment, Operand, Place, Rule } from './syntax.ts';
import { decodeBitMasks, encodeBitMasks } from './table/data-immediate.ts';

/** Operands of the base instructions: general registers, immediates, shifts, extensions, addresses, labels. */

export const NUMBER = '-?(?:0x[0-9a-f]+|[0-9]+)';

/** The value of a number's text; undefined where it is none. */
export function parseNumber(text: string): bigint | undefined {
  const m = /^\s*(-?)\s*(0x[0-9a-f]+|[0-9]+)\s*$/i.exec(text);
  return m === null ? undefined : m[1] === '-' ? -BigInt(m[2]!) : BigInt(m[2]!);
}

export const hex = (value: number | bigint): string => `#0x${value.toString(16)}`;
export const decimal = (value: number | bigint): string => `#${value}`;

export const CONDITIONS = [
  'eq',
  'ne',
  'cs',
  'cc',
  'mi',
  'pl',
  'vs',
  'vc',
  'hi',
  'ls',
  'ge',
  'lt',
  'gt',
  'le',
  'al',
  'nv',
] as const;
const SHIFTS = ['lsl', 'lsr', 'asr', 'ror'] as const;
const EXTENDS = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'sxtx'] as const;

/** The name of a general register; 31 is `sp` or the zero register. */
export function registerName(wide: boolean, n: number, sp: boolean): string {
  if (n !== 31) return `${wide ? 'x' : 'w'}${n}`;
  return sp ? (wide ? 'sp' : 'wsp') : wide ? 'xzr' : 'wzr';
}

/** A general register's width and number; undefined where the text is not the name of one. */
export function parseRegister(text: string, sp: boolean): { wide: boolean; n: number } | undefined {
  const name = text.toLowerCase();
  if (name === 'lr') return { wide: true, n: 30 };
  if (name === 'fp') return { wide: true, n: 29 };
  if (name === 'ip0' || name === 'ip1') return { wide: true, n: name === 'ip0' ? 16 : 17 };
  if (name === (sp ? 'sp' : 'xzr')) return { wide: true, n: 31 };
  if (name === (sp ? 'wsp' : 'wzr')) return { wide: false, n: 31 };
  const m = /^([wx])([0-9]|[12][0-9]|30)$/.exec(name);
  return m === null ? undefined : { wide: m[1] === 'x', n: Number(m[2]) };
}

const REGISTER = '[a-z]\\w*';

/** `Rd` for `d`, `Rt` for `t1`. */
export const fieldOf = (suffix: string): string => `R${suffix === 't1' ? 't' : suffix}`;

export const has = (row: Instruction, name: string): boolean => row.fields.some((f) => f.name === name);

/** A general register of a fixed width. */
function fixedRegister(wide: boolean, field: string, sp: boolean, plus = 0): Operand {
  return {
    fields: [field],
    text: REGISTER,
    format: (i) => registerName(wide, i[field]! + plus, sp),
    parse: (text) => {
      const r = parseRegister(text, sp);
      return r === undefined || r.wide !== wide ? undefined : { [field]: r.n - plus };
    },
  };
}

/** A general register whose width is a field. */
function sizedRegister(row: Instruction, field: string, sp: boolean, plus = 0): Operand | undefined {
  const width = ['sf', 'sz', 'b5'].find((name) => has(row, name));
  // N goes with sf.
  const alsoN = /^(?:[SU]?BFM|EXTR)$/.test(row.name);
  if (width === undefined) return undefined;
  return {
    fields: [width, field],
    text: REGISTER,
    format: (i) => registerName(i[width] !== 0, i[field]! + plus, sp),
    parse: (text) => {
      const r = parseRegister(text, sp);
      if (r === undefined) return undefined;
      // TBZ and TBNZ may name the X register for a bit of its low half.
      if (width === 'b5' && r.wide) return { [field]: r.n };
      const wide = r.wide ? 1 : 0;
      return { [width]: wide, [field]: r.n - plus, ...(alsoN ? { N: wide } : {}) };
    },
  };
}

/** An immediate: the number that fields stand for, and the fields of a number. */
export function immediate(
  fields: readonly string[],
  print: (value: number | bigint) => string,
  value: (i: AnyFields) => number | bigint | undefined,
  invert?: (value: bigint, known: Assignment) => Assignment | undefined,
): Operand {
  return {
    fields,
    text: NUMBER,
    format: (i) => {
      const v = value(i);
      return v === undefined ? undefined : print(v);
    },
    ...(invert === undefined
      ? {}
      : {
          parse: (text: string, known: Assignment) => {
            const v = parseNumber(text);
            return v === undefined ? undefined : invert(v, known);
          },
        }),
  };
}

const widthOf = (row: Instruction, name: string): number => row.fields.find((f) => f.name === name)!.width;

/** A field as it stands. */
export function plain(row: Instruction, field: string, print: (value: number | bigint) => string): Operand {
  const limit = 1n << BigInt(widthOf(row, field));
  return immediate(
    [field],
    print,
    (i) => i[field]!,
    (v) => (v >= 0n && v < limit ? { [field]: Number(v) } : undefined),
  );
}

/** A field in units of `scale`, signed or unsigned. */
function scaled(row: Instruction, field: string, scale: number, signed: boolean): Operand {
  const bits = widthOf(row, field);
  return immediate(
    [field],
    decimal,
    (i) => (signed ? signExtend(i[field]!, bits) : i[field]!) * scale,
    (v) => {
      const n = Number(v) / scale;
      const low = signed ? -(2 ** (bits - 1)) : 0;
      return Number.isInteger(n) && n >= low && n < low + 2 ** bits ? { [field]: n & (2 ** bits - 1) } : undefined;
    },
  );
}

/** `{, #<imm>}` of an address: left out where it is zero. */
function optionalOffset(operand: Operand): Operand {
  return {
    fields: operand.fields,
    text: `(?:,${operand.text})?`,
    format: (i, pc) => {
      const text = operand.format(i, pc);
      return text === '#0' ? '' : `, ${text}`;
    },
    parse: (text, known, at) => operand.parse!(text === '' ? '0' : text.slice(1), known, at),
  };
}

/** Bytes of one register of a load or store: by size, and by opc<1> where SIMD&FP registers are B to Q. */
function transferBytes(row: Instruction): number {
  const simd = (row.value & (1 << 26)) !== 0;
  if (has(row, 'imm7')) return simd ? 4 << (row.value >>> 30) : row.value >>> 31 !== 0 ? 8 : 4;
  return simd && (row.value & (1 << 23)) !== 0 ? 16 : 1 << (row.value >>> 30);
}

/** The offset of an address, by the field that holds it. */
function offset(row: Instruction): Operand {
  if (has(row, 'imm12')) return scaled(row, 'imm12', transferBytes(row), false);
  if (has(row, 'imm9')) return scaled(row, 'imm9', 1, true);
  return scaled(row, 'imm7', transferBytes(row), true);
}

/** `<label>`, by the field that holds its distance. */
function label(row: Instruction): Operand {
  const pages = row.name === 'ADRP';
  const field = ['imm26', 'imm19', 'imm14'].find((name) => has(row, name));
  const fields = field === undefined ? ['immlo', 'immhi'] : [field];
  const bits = field === undefined ? 21 : widthOf(row, field);
  const unit = field !== undefined ? 4n : pages ? 4096n : 1n;
  const base = (pc: bigint): bigint => (pages ? pc & ~0xfffn : pc);
  return {
    fields,
    text: '[^,]+',
    format: (i, pc) => {
      const raw = field === undefined ? (i.immhi! << 2) | i.immlo! : i[field]!;
      return `0x${BigInt.asUintN(64, base(pc) + BigInt(signExtend(raw, bits)) * unit).toString(16)}`;
    },
    parse: (text, _known, at) => {
      const target = expression(text, at);
      if (target === undefined) return undefined;
      const distance = BigInt.asIntN(64, base(target) - base(at.pc));
      const n = distance / unit;
      if (distance % unit !== 0n || n !== BigInt.asIntN(bits, n)) return undefined;
      const raw = Number(BigInt.asUintN(bits, n));
      return field === undefined ? { immlo: raw & 3, immhi: raw >> 2 } : { [field]: raw };
    },
  };
}

/** The sum or difference of numbers, `.` (here) and symbols; undefined where one of them is none. */
export function expression(text: string, at: Place): bigint | undefined {
  let sum = 0n;
  let rest = text.trim();
  if (rest === '') return undefined;
  for (let sign = 1n; rest !== '';) {
    const m = /^(-?)\s*([^\s+-]+)\s*(?:([+-])\s*(?=\S))?/.exec(rest);
    if (m === null) return undefined;
    const value = parseNumber(m[2]!) ?? (m[2] === '.' ? at.pc : at.symbol(m[2]!));
    if (value === undefined) return undefined;
    sum += m[1] === '-' ? -sign * value : sign * value;
    rest = rest.slice(m[0].length);
    if (m[3] === undefined && rest !== '') return undefined;
    sign = m[3] === '-' ? -1n : 1n;
  }
  return sum;
}

/** `<cond>`; `inverted` for the aliases that write the opposite. */
function condition(inverted: boolean): Operand {
  return {
    fields: ['cond'],
    text: '[a-z]{2}',
    format: (i) => CONDITIONS[i.cond! ^ (inverted ? 1 : 0)],
    parse: (text) => {
      const name = { hs: 'cs', lo: 'cc' }[text.toLowerCase()] ?? text.toLowerCase();
      const cond = (CONDITIONS as readonly string[]).indexOf(name);
      return cond < 0 ? undefined : { cond: cond ^ (inverted ? 1 : 0) };
    },
  };
}

/** `{, <shift> #<amount>}` of a shifted register. */
const shifted: Operand = {
  fields: ['shift', 'imm6'],
  text: `(?:,[a-z]{3} ?${NUMBER})?`,
  format: (i) => (i.shift === 0 && i.imm6 === 0 ? '' : `, ${SHIFTS[i.shift!]} #${i.imm6}`),
  parse: (text) => {
    if (text === '') return { shift: 0, imm6: 0 };
    const shift = SHIFTS.indexOf(text.slice(1, 4).toLowerCase() as 'lsl');
    const amount = parseNumber(text.slice(4));
    return shift < 0 || amount === undefined || amount < 0n || amount > 63n
      ? undefined
      : { shift, imm6: Number(amount) };
  },
};

/** `<R><m>{, <extend> {#<amount>}}` of ADD and SUB: beside SP, the extension that changes nothing is written LSL or not at all. */
function extendedRegister(row: Instruction, template: string): Operand {
  const spFields = ['d', 'n'].filter((s) => template.includes(`<R><${s}|SP>`)).map(fieldOf);
  const none = (i: AnyFields | Assignment): number => (i.sf !== 0 ? 3 : 2);
  const besideSp = (i: AnyFields | Assignment): boolean => spFields.some((f) => i[f] === 31);
  return {
    fields: ['sf', 'Rm', 'option', 'imm3'],
    text: `${REGISTER}(?:,[a-z]+(?: ?${NUMBER})?)?`,
    format: (i) => {
      const register = registerName(i.sf !== 0 && (i.option! & 3) === 3, i.Rm!, false);
      if (besideSp(i) && i.option === none(i)) return i.imm3 === 0 ? register : `${register}, lsl #${i.imm3}`;
      return `${register}, ${EXTENDS[i.option!]}${i.imm3 === 0 ? '' : ` #${i.imm3}`}`;
    },
    parse: (text, known) => {
      const m = /^(\w+)(?:,([a-z]+)(?: ?(\S+))?)?$/i.exec(text)!;
      const register = parseRegister(m[1]!, false);
      const amount = m[3] === undefined ? 0n : parseNumber(m[3]);
      if (register === undefined || amount === undefined || amount < 0n || amount > 4n) return undefined;
      const name = m[2]?.toLowerCase();
      const option = name === undefined || name === 'lsl' ? none(known) : EXTENDS.indexOf(name as 'uxtb');
      if (option < 0 || register.wide !== (known.sf !== 0 && (option & 3) === 3)) return undefined;
      return { Rm: register.n, option, imm3: Number(amount) };
    },
  };
}

/** `(<Wm>|<Xm>){, <extend> {<amount>}}` of an address. */
function registerOffset(row: Instruction): Operand {
  const log2 = Math.log2(transferBytes(row));
  return {
    fields: ['Rm', 'option', 'S'],
    text: `${REGISTER}(?:,[a-z]+(?: ?${NUMBER})?)?`,
    format: (i) => {
      const register = registerName((i.option! & 1) !== 0, i.Rm!, false);
      const amount = i.S !== 0 ? ` #${log2}` : '';
      if (i.option === 3) return i.S !== 0 ? `${register}, lsl${amount}` : register;
      return `${register}, ${EXTENDS[i.option!]}${amount}`;
    },
    parse: (text) => {
      const m = /^(\w+)(?:,([a-z]+)(?: ?(\S+))?)?$/i.exec(text)!;
      const register = parseRegister(m[1]!, false);
      const name = m[2]?.toLowerCase() ?? 'lsl';
      const option = name === 'lsl' ? 3 : EXTENDS.indexOf(name as 'uxtb');
      if (register === undefined || (option & 2) === 0 || option < 0 || register.wide !== ((option & 1) !== 0))
        return undefined;
      if (m[3] === undefined)
        return name === 'lsl' && m[2] !== undefined ? undefined : { Rm: register.n, option, S: 0 };
      const amount = parseNumber(m[3]);
      // A byte's amount, if written, is zero and sets S; LSL and the others agree on that.
      if (amount === BigInt(log2)) return { Rm: register.n, option, S: 1 };
      return amount === 0n ? { Rm: register.n, option, S: 0 } : undefined;
    },
  };
}

/** `#<imm>{, <shift>}` of ADD and SUB. */
const addImmediate = (sign: 1n | -1n): Operand => ({
  fields: ['imm12', 'sh'],
  text: `${NUMBER}(?:,lsl ?${NUMBER})?`,
  format: (i) => `#0x${i.imm12!.toString(16)}${i.sh !== 0 ? ', lsl #12' : ''}`,
  parse: (text) => {
    const [number = '', shift] = text.split(',');
    const v = parseNumber(number)! * sign;
    if (sign < 0n && v === 0n) return undefined;
    const amount = shift === undefined ? undefined : parseNumber(shift.slice(3));
    if (v >= 0n && v < 4096n && (amount === undefined || amount === 0n || amount === 12n))
      return { imm12: Number(v), sh: amount === 12n ? 1 : 0 };
    if (amount === undefined && v > 0n && (v & 0xfffn) === 0n && v < 1n << 24n)
      return { imm12: Number(v >> 12n), sh: 1 };
    return undefined;
  },
});

/** A logical immediate. */
const logicalImmediate: Operand = immediate(
  ['sf', 'N', 'immr', 'imms'],
  hex,
  (i) => {
    const mask = decodeBitMasks(i.N!, i.imms!, i.immr!);
    return mask === undefined ? undefined : BigInt.asUintN(i.sf !== 0 ? 64 : 32, mask);
  },
  (v, known) => {
    const bits = known.sf !== 0 ? 64 : 32;
    if (v !== BigInt.asUintN(bits, v) && v !== BigInt.asIntN(bits, v)) return undefined;
    const encoded = encodeBitMasks(v, bits);
    return encoded === undefined ? undefined : { N: encoded >> 12, immr: (encoded >> 6) & 63, imms: encoded & 63 };
  },
);

/** `{, LSL #<shift>}` of the wide moves. */
const wideShift: Operand = {
  fields: ['hw'],
  text: `(?:,lsl ?${NUMBER})?`,
  format: (i) => (i.hw === 0 ? '' : `, lsl #${16 * i.hw!}`),
  parse: (text) => {
    const amount = text === '' ? 0 : Number(parseNumber(text.slice(4)));
    return amount % 16 === 0 && amount >= 0 && amount < 64 ? { hw: amount / 16 } : undefined;
  },
};

/** `#<imm>`, by the fields that the row has. */
function anyImmediate(row: Instruction): Operand {
  if (has(row, 'imm16')) return plain(row, 'imm16', row.name === 'UDF' ? decimal : hex);
  if (has(row, 'immr')) return logicalImmediate;
  if (has(row, 'b40'))
    return immediate(
      ['b5', 'b40'],
      decimal,
      (i) => (i.b5! << 5) | i.b40!,
      (v) => (v >= 0n && v < 64n ? { b5: Number(v >> 5n), b40: Number(v & 31n) } : undefined),
    );
  if (has(row, 'imm5')) return plain(row, 'imm5', hex);
  if (has(row, 'imm7')) return offset(row);
  if (has(row, 'op2') && !has(row, 'op1'))
    return immediate(
      ['CRm', 'op2'],
      hex,
      (i) => (i.CRm! << 3) | i.op2!,
      (v) => (v >= 0n && v < 128n ? { CRm: Number(v >> 3n), op2: Number(v & 7n) } : undefined),
    );
  return plain(row, 'CRm', hex);
}

/** An immediate that is left out where it has its usual value. */
function optional(operand: Operand, usual: string): Operand {
  return {
    fields: operand.fields,
    text: `(?: ?${operand.text})?`,
    format: (i, pc) => {
      const text = operand.format(i, pc);
      return text === usual ? '' : ` ${text}`;
    },
    parse: (text, known, at) => operand.parse!(text === '' ? usual.replace('#', '') : text.trim(), known, at),
  };
}

/** Amounts of the shift aliases of UBFM, SBFM and BFM, in terms of immr and imms. */
function bitfield(which: string): Operand {
  const fields = ['sf', 'immr', 'imms'];
  const size = (sf: number | undefined): number => (sf !== 0 ? 64 : 32);
  const within = (v: bigint, low: number, high: number): boolean => v >= BigInt(low) && v < BigInt(high);
  switch (which) {
    case 'lsl':
      return immediate(
        fields,
        decimal,
        (i) => size(i.sf) - 1 - i.imms!,
        (v, k) =>
          within(v, 0, size(k.sf))
            ? { immr: (size(k.sf) - Number(v)) % size(k.sf), imms: size(k.sf) - 1 - Number(v) }
            : undefined,
      );
    case 'lsr':
      return immediate(
        fields,
        decimal,
        (i) => i.immr!,
        (v, k) => (within(v, 0, size(k.sf)) ? { immr: Number(v), imms: size(k.sf) - 1 } : undefined),
      );
    case 'insert lsb':
      return immediate(
        ['sf', 'immr'],
        decimal,
        (i) => (size(i.sf) - i.immr!) % size(i.sf),
        (v, k) => (within(v, 0, size(k.sf)) ? { immr: (size(k.sf) - Number(v)) % size(k.sf) } : undefined),
      );
    case 'insert width':
      return immediate(
        ['imms'],
        decimal,
        (i) => i.imms! + 1,
        (v, k) =>
          within(v, 1, 1 + size(k.sf) - ((size(k.sf) - k.immr!) % size(k.sf))) ? { imms: Number(v) - 1 } : undefined,
      );
    case 'extract lsb':
      return immediate(
        ['sf', 'immr'],
        decimal,
        (i) => i.immr!,
        (v, k) => (within(v, 0, size(k.sf)) ? { immr: Number(v) } : undefined),
      );
    default:
      return immediate(
        ['immr', 'imms'],
        decimal,
        (i) => i.imms! - i.immr! + 1,
        (v, k) => (within(v, 1, 1 + size(k.sf) - k.immr!) ? { imms: k.immr! + Number(v) - 1 } : undefined),
      );
  }
}

/** The constant of MOV: of MOVZ, MOVN or ORR with the zero register. */
function moveImmediate(row: Instruction): Operand {
  const size = (sf: number | undefined): 32 | 64 => (sf !== 0 ? 64 : 32);
  if (row.name === 'ORR (immediate)') return logicalImmediate;
  const inverted = row.name === 'MOVN';
  return immediate(
    ['sf', 'hw', 'imm16'],
    hex,
    (i) => {
      const value = BigInt(i.imm16!) << BigInt(16 * i.hw!);
      return BigInt.asUintN(size(i.sf), inverted ? ~value : value);
    },
    (v, known) => {
      const bits = size(known.sf);
      if (v !== BigInt.asUintN(bits, v) && v !== BigInt.asIntN(bits, v)) return undefined;
      const value = BigInt.asUintN(bits, inverted ? ~v : v);
      for (let hw = 0; hw < bits / 16; hw++) {
        const imm16 = (value >> BigInt(16 * hw)) & 0xffffn;
        if (imm16 << BigInt(16 * hw) === value) return { hw, imm16: Number(imm16) };
      }
      return undefined;
    },
  );
}

/** A register that stands in two fields: `Rn` and `Rm` of the rotation by a constant and of CINC. */
function twice(first: string, second: string): Operand {
  return {
    fields: ['sf', first, second],
    text: REGISTER,
    format: (i) => (i[first] === i[second] ? registerName(i.sf !== 0, i[first]!, false) : undefined),
    parse: (text) => {
      const r = parseRegister(text, false);
      return r === undefined ? undefined : { sf: r.wide ? 1 : 0, [first]: r.n, [second]: r.n };
    },
  };
}

const rule = (spelling: RegExp, operand: Rule['operand']): Rule => ({
  spelling: new RegExp(spelling.source, 'y'),
  operand,
});

export const generalRules: readonly Rule[] = [
  rule(/ \{<Xn>\}/, () => ({
    fields: ['Rn'],
    text: `(?: ${REGISTER})?`,
    format: (i) => (i.Rn === 30 ? '' : ` ${registerName(true, i.Rn!, false)}`),
    parse: (text) => {
      const r = parseRegister(text === '' ? 'lr' : text.trim(), false);
      return r?.wide === true ? { Rn: r.n } : undefined;
    },
  })),
  rule(/ \{#<imm>\}/, (_m, row) =>
    has(row, 'CRm') ? optional(plain(row, 'CRm', hex), '#0xf') : optional(plain(row, 'imm16', hex), '#0x0'),
  ),
  rule(/<([WX])(d|n|m|a|s|t|t1|t2)(\|W?SP)?>/, (m) => fixedRegister(m[1] === 'X', fieldOf(m[2]!), m[3] !== undefined)),
  rule(/<R><m>\{, <extend> \{#<amount>\}\}/, (_m, row, template) => extendedRegister(row, template)),
  rule(/<R><([a-z]1?2?)(\|SP)?(\+1)?>/, (m, row) =>
    sizedRegister(row, fieldOf(m[1]!), m[2] !== undefined, m[3] === undefined ? 0 : 1),
  ),
  rule(/<R><(\w+)=(\w+)>/, (m) => twice(fieldOf(m[1]!), fieldOf(m[2]!))),
  rule(/<label>/, (_m, row) => label(row)),
  rule(/<cond>/, () => condition(false)),
  rule(/<invcond>/, () => condition(true)),
  rule(/\{, <shift> #<amount>\}/, () => shifted),
  rule(/\(<Wm>\|<Xm>\)\{, <extend> \{<amount>\}\}/, (_m, row) => registerOffset(row)),
  rule(/#<imm>\{, <shift>\}/, () => addImmediate(1n)),
  rule(/#-<imm>\{, <shift>\}/, () => addImmediate(-1n)),
  rule(/\{, LSL #<shift>\}/, () => wideShift),
  rule(/\{, #<[ps]?imm>\}/, (_m, row) => optionalOffset(offset(row))),
  rule(/\{, #0\}/, () => ({ fields: [], text: '(?:,0)?', format: () => '', parse: () => ({}) })),
  rule(/#<simm>/, (_m, row) => offset(row)),
  rule(/#<constant>/, (_m, row) => moveImmediate(row)),
  rule(/#<bitfield ([a-z ]+)>/, (m) => bitfield(m[1]!)),
  rule(/#<imm>/, (_m, row) => anyImmediate(row)),
  rule(/#<nzcv>/, (_m, row) => plain(row, 'nzcv', hex)),
  rule(/#<lsb>/, (_m, row) => plain(row, 'imms', decimal)),
  rule(/#<shift>/, (_m, row) => (has(row, 'imm6') ? plain(row, 'imm6', decimal) : undefined)),
  rule(/#<(immr|imms|mask)>/, (m, row) => plain(row, m[1]!, decimal)),
];
