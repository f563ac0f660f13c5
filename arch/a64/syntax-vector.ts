import type { AnyFields, Instruction } from './encoding.ts';
import type { Operand, Rule } from './syntax.ts';
import {
  decimal,
  fieldOf,
  has,
  hex,
  immediate,
  NUMBER,
  parseNumber,
  parseRegister,
  plain,
  registerName,
} from './syntax-general.ts';
import { expandFloat, expandImmediate } from './table/simd-copy.ts';

/** Operands of SIMD and floating point: registers, arrangements, elements, lists, shift amounts, constants. */

const LETTERS = ['b', 'h', 's', 'd', 'q'] as const;

/** Element sizes as log2 of their bytes, and the fields they follow from. */
interface Size {
  readonly fields: readonly string[];
  log2(i: AnyFields): number | undefined;
}

const constantSize = (log2: number): Size => ({ fields: [], log2: () => log2 });

/**
 * The element size of a row: by `size`, `sz`, `immh`, `imm5` or `ftype`, whichever it has; else by what the row fixes.
 * Of instructions that lengthen or narrow it is the smaller one.
 */
function sizeOf(row: Instruction, template: string): Size {
  const name = ['size', 'immh', 'imm5', 'sz', 'ftype'].find((f) => has(row, f));
  switch (name) {
    case 'size':
      return { fields: ['size'], log2: (i) => i.size };
    case 'immh':
      return { fields: ['immh'], log2: (i) => (i.immh === 0 ? undefined : 31 - Math.clz32(i.immh!)) };
    case 'imm5':
      return {
        fields: ['imm5'],
        log2: (i) => ((i.imm5! & 15) === 0 ? undefined : 31 - Math.clz32(i.imm5! & -i.imm5!)),
      };
    case 'sz':
      return { fields: ['sz'], log2: (i) => i.sz! + (/<[TV][ab]>/.test(template) ? 1 : 2) };
    case 'ftype':
      return { fields: ['ftype'], log2: (i) => [2, 3, undefined, 1][i.ftype!] };
  }
  // Scalar floating point has ftype in bits 23:22; AdvSIMD has `size` there, and half precision by its feature.
  const fixed = (row.value >>> 22) & 3;
  if ((row.value & 0x5f000000) >>> 0 === 0x1e000000 || (row.value & 0x5f000000) >>> 0 === 0x1f000000)
    return { fields: [], log2: () => [2, 3, undefined, 1][fixed] };
  if (row.feature === 'FEAT_FP16') return constantSize(1);
  return constantSize((row.value & 0x50000000) >>> 0 === 0x50000000 ? fixed : 0);
}

/** A SIMD&FP register by a fixed letter, or as `v`. */
function register(letter: string, field: string): Operand {
  return {
    fields: [field],
    text: `${letter}\\d+`,
    format: (i) => `${letter}${i[field]}`,
    parse: (text) => {
      const n = Number(text.slice(1));
      return n < 32 ? { [field]: n } : undefined;
    },
  };
}

/** A register whose letter is its size; `wider`: twice the element size. */
function sizedRegister(size: Size, field: string, wider: number): Operand {
  return {
    fields: [...size.fields, field],
    text: '[bhsdq]\\d+',
    format: (i) => {
      const log2 = size.log2(i);
      const letter = log2 === undefined ? undefined : LETTERS[log2 + wider];
      return letter === undefined ? undefined : `${letter}${i[field]}`;
    },
  };
}

/** The register of an element: four bits for 16-bit elements whose index takes M, else M:Rm. */
function elementRegister(size: Size, always5: boolean): Operand {
  return {
    fields: [...size.fields, 'M', 'Rm'],
    text: 'v\\d+',
    format: (i) => {
      const log2 = size.log2(i);
      return log2 === undefined ? undefined : `v${log2 === 1 && !always5 ? i.Rm : (i.M! << 4) | i.Rm!}`;
    },
  };
}

/** `8b`, `16b` … for a vector of `8 << Q` bytes. */
function arrangement(log2: number | undefined, Q: number): string | undefined {
  return log2 === undefined || log2 > 3 ? undefined : `${(8 << Q) >> log2}${LETTERS[log2]}`;
}

/** `<T>`, and `<Tb>` of instructions that lengthen or narrow: by size and Q. */
function vector(size: Size, wider: number): Operand {
  return {
    fields: [...size.fields, 'Q'],
    text: '\\d+[bhsdq]',
    format: (i) => {
      const log2 = size.log2(i);
      return log2 === undefined ? undefined : arrangement(log2 + wider, i.Q!);
    },
  };
}

/** `<Ts>`: the letter of an element. */
const elementLetter = (size: Size): Operand => ({
  fields: size.fields,
  text: '[bhsd]',
  format: (i) => LETTERS[size.log2(i) ?? -1],
});

/** `<Ta>` of instructions with a second form for the upper half: 128 bits. */
function wholeVector(size: Size): Operand {
  return {
    fields: size.fields,
    text: '\\d+[bhsdq]',
    format: (i) => {
      const log2 = size.log2(i);
      return log2 === undefined ? undefined : log2 === 3 ? '1q' : arrangement(log2 + 1, 1);
    },
  };
}

/** `<2S|4S>`: by Q. */
const either = (low: string, high: string): Operand => ({
  fields: ['Q'],
  text: '\\d+[bhsdq]',
  format: (i) => (i.Q === 0 ? low : high),
});

/** `<Ts>[<index>]` where imm5 holds both. */
function element(size: Size): Operand {
  return {
    fields: ['imm5'],
    text: `[bhsd]\\[${NUMBER}\\]`,
    format: (i) => {
      const log2 = size.log2(i);
      return log2 === undefined ? undefined : `${LETTERS[log2]}[${i.imm5! >> (log2 + 1)}]`;
    },
  };
}

/** `<Ts>[<index2>]` of INS (element): the index in imm4. */
function secondElement(size: Size): Operand {
  return {
    fields: ['imm5', 'imm4'],
    text: `[bhsd]\\[${NUMBER}\\]`,
    format: (i) => {
      const log2 = size.log2(i);
      return log2 === undefined ? undefined : `${LETTERS[log2]}[${i.imm4! >> log2}]`;
    },
  };
}

/** `<Ts>[<index>]` of a by-element row: in H:L:M, H:L or H; of complex pairs in H:L or H. */
function indexedElement(row: Instruction, size: Size, complex: boolean): Operand {
  const bits = ['H', 'L', 'M'].filter((f) => has(row, f));
  return {
    fields: [...size.fields, ...bits],
    text: `[bhsd]\\[${NUMBER}\\]`,
    format: (i) => {
      const log2 = size.log2(i);
      if (log2 === undefined) return undefined;
      const count = 4 - log2 - (complex ? 1 : 0);
      const index = count === 3 ? (i.H! << 2) | (i.L! << 1) | i.M! : count === 2 ? (i.H! << 1) | i.L! : i.H!;
      if (count === 1 && i.L !== undefined && i.L !== 0) return undefined;
      return `${LETTERS[log2]}[${index}]`;
    },
  };
}

/** `[<index>]` alone, after a written element such as `4B`, `2H` or `H`. */
function bareIndex(template: string): Operand {
  const half = /\.H\[<index>\]/.test(template);
  return immediate(
    half ? ['H', 'L', 'M'] : ['H', 'L'],
    (n) => `${n}`,
    (i) => (half ? (i.H! << 2) | (i.L! << 1) | i.M! : (i.H! << 1) | i.L!),
  );
}

/** Registers of a structure load or store: by the mnemonic's digit, of LD1 and ST1 (multiple structures) by the opcode. */
function structureRegisters(row: Instruction): number {
  const digit = Number(/^(?:LD|ST)(\d)/.exec(row.name)?.[1] ?? 1);
  const multiple = (row.value & (1 << 24)) === 0;
  return digit === 1 && multiple ? { 7: 1, 10: 2, 6: 3, 2: 4 }[(row.value >>> 12) & 15]! : digit;
}

/** A list of `count` registers from `first` on. */
function listText(first: number, count: number, suffix: string): string {
  const name = (n: number): string => `v${n & 31}.${suffix}`;
  if (count > 2 && first + count <= 32) return `{${name(first)}-${name(first + count - 1)}}`;
  return `{${Array.from({ length: count }, (_, n) => name(first + n)).join(', ')}}`;
}

/** The first register, the number of registers and the arrangement of a list. */
function parseList(text: string): { first: number; count: number; suffix: string } | undefined {
  const entries = text
    .replace(/[{}]/g, '')
    .toLowerCase()
    .split(',')
    .map((s) => s.trim());
  const registers: number[] = [];
  let suffix: string | undefined;
  for (const entry of entries) {
    const m = /^v(\d+)\.(\w+)(?:\s*-\s*v(\d+)\.(\w+))?$/.exec(entry);
    if (m === null || (suffix !== undefined && m[2] !== suffix) || (m[4] !== undefined && m[4] !== m[2]))
      return undefined;
    suffix = m[2]!;
    const from = Number(m[1]);
    const to = m[3] === undefined ? from : Number(m[3]);
    if (from > 31 || to > 31) return undefined;
    for (let n = from; ; n = (n + 1) & 31) {
      registers.push(n);
      if (n === to) break;
    }
  }
  if (registers.some((n, k) => n !== ((registers[0]! + k) & 31))) return undefined;
  return { first: registers[0]!, count: registers.length, suffix: suffix! };
}

/** Element size of a single-structure load or store, by bits 15:14 and size; of LD1R and its kin and of multiple structures by `size`. */
function structureSize(row: Instruction, i: AnyFields): number {
  const single = (row.value & (1 << 24)) !== 0;
  if (!single || (has(row, 'size') && ((row.value >>> 14) & 3) === 3)) return i.size!;
  const opcode = (row.value >>> 14) & 3;
  return opcode < 2 ? opcode : 2 + ((row.value >>> 10) & 1);
}

/** `{ <Vt>.<T>, … }`, of whole registers. */
function structureList(row: Instruction): Operand {
  const count = structureRegisters(row);
  return {
    fields: ['Q', 'size', 'Rt'],
    text: '\\{[^}]*\\}',
    format: (i) => {
      const suffix = arrangement(i.size, i.Q!);
      return suffix === undefined ? undefined : listText(i.Rt!, count, suffix);
    },
    parse: (text) => {
      const list = parseList(text);
      if (list === undefined || list.count !== count) return undefined;
      for (let combination = 0; combination < 8; combination++) {
        if (arrangement(combination >> 1, combination & 1) === list.suffix)
          return { Rt: list.first, size: combination >> 1, Q: combination & 1 };
      }
      return undefined;
    },
  };
}

/** `{ <Vt>.<T>, … }[<index>]`: one element of each register, the index in Q:S:size from its top. */
function structureElements(row: Instruction): Operand {
  const count = structureRegisters(row);
  const fields = ['Q', 'S', 'size', 'x'].filter((f) => has(row, f));
  const log2 = structureSize(row, { word: 0 } as AnyFields);
  const widths = fields.map((name) => row.fields.find((f) => f.name === name)!.width);
  return {
    fields: [...fields, 'Rt'],
    text: `\\{[^}]*\\}\\[${NUMBER}\\]`,
    format: (i) => {
      let index = 0;
      fields.forEach((name, k) => (index = (index << widths[k]!) | i[name]!));
      return `${listText(i.Rt!, count, LETTERS[log2]!)}[${index}]`;
    },
    parse: (text) => {
      const [registers = '', number = ''] = text.split(/\]|\[/);
      const list = parseList(registers);
      let index = Number(parseNumber(number));
      if (
        list === undefined ||
        list.count !== count ||
        list.suffix !== LETTERS[log2] ||
        index < 0 ||
        index >= 16 >> log2
      )
        return undefined;
      const out: Record<string, number> = { Rt: list.first };
      for (let k = fields.length - 1; k >= 0; k--) {
        out[fields[k]!] = index & (2 ** widths[k]! - 1);
        index >>= widths[k]!;
      }
      return out;
    },
  };
}

/** `<Xm|#imm>`: 31 stands for the number of bytes transferred. */
function structureOffset(row: Instruction): Operand {
  const count = structureRegisters(row);
  const whole = (row.value & (1 << 24)) === 0;
  const bytes = (i: AnyFields): number => (whole ? count * (8 << i.Q!) : count << structureSize(row, i));
  return {
    fields: ['Rm', ...['Q', 'size'].filter((f) => has(row, f))],
    text: `(?:x\\w+|lr|fp|${NUMBER})`,
    format: (i) => (i.Rm === 31 ? `#${bytes(i)}` : registerName(true, i.Rm!, false)),
    parse: (text, known) => {
      const r = parseRegister(text, false);
      if (r !== undefined) return r.wide && r.n !== 31 ? { Rm: r.n } : undefined;
      return parseNumber(text) === BigInt(bytes(known as AnyFields)) ? { Rm: 31 } : undefined;
    },
  };
}

/** `{ <Vn>.16B, … }` of TBL and TBX. */
const tableList: Operand = {
  fields: ['Rn', 'len'],
  text: '\\{[^}]*\\}',
  format: (i) => listText(i.Rn!, i.len! + 1, '16b'),
  parse: (text) => {
    const list = parseList(text);
    return list === undefined || list.suffix !== '16b' || list.count > 4
      ? undefined
      : { Rn: list.first, len: list.count - 1 };
  },
};

/** `#<shift>`: to the left from the element size in bits, to the right from twice that. */
function shiftAmount(row: Instruction): Operand {
  if (!has(row, 'immh')) return immediate(['size'], decimal, (i) => 8 << i.size!);
  const left = /SHL|SLI/.test(row.name);
  return immediate(['immh', 'immb'], decimal, (i) => {
    if (i.immh === 0) return undefined;
    const bits = 8 << (31 - Math.clz32(i.immh!));
    const n = (i.immh! << 3) | i.immb!;
    return left ? n - bits : 2 * bits - n;
  });
}

/** A floating-point number with the digits that show all of it. */
function floatText(bits: bigint): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  const [mantissa, exponent] = view.getFloat64(0).toExponential(18).split('e') as [string, string];
  return `#${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

const BYTE = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
const byteOf = (i: AnyFields): number => BYTE.reduce((n, name) => (n << 1) | i[name]!, 0);

/** `#<imm>` of FMOV and of MOVI with 64 bits: a constant of eight bits. */
function constant(row: Instruction): Operand {
  const text = `-?(?:0x[0-9a-f]+|[0-9.]+(?:e[+-]?[0-9]+)?)`;
  if (!row.name.startsWith('FMOV'))
    return { fields: BYTE, text, format: (i) => hex(expandImmediate(1, 14, byteOf(i))) };
  // Every constant is the same number in every format.
  if (has(row, 'imm8')) return { fields: ['imm8'], text, format: (i) => floatText(expandFloat(i.imm8!, 3)) };
  return { fields: BYTE, text, format: (i) => floatText(expandFloat(byteOf(i), 3)) };
}

/** `#<imm8>` in its eight boxes. */
const byte: Operand = immediate(BYTE, hex, byteOf, (v) => {
  if (v < 0n || v > 255n) return undefined;
  const out: Record<string, number> = {};
  BYTE.forEach((name, k) => (out[name] = (Number(v) >> (7 - k)) & 1));
  return out;
});

/** `{, LSL #<amount>}` of a byte, left out where it is zero. */
const byteShift: Operand = {
  fields: ['sh'],
  text: `(?:,lsl ?${NUMBER})?`,
  format: (i) => (i.sh === 0 ? '' : `, lsl #${8 * i.sh!}`),
};

const rule = (spelling: RegExp, operand: Rule['operand']): Rule => ({
  spelling: new RegExp(spelling.source, 'y'),
  operand,
});

/** Whether a template's elements are pairs of numbers. */
const isComplex = (row: Instruction): boolean => row.name.startsWith('FCMLA');

export const vectorRules: readonly Rule[] = [
  rule(/\{2\}/, () => ({
    fields: ['Q'],
    text: '2?',
    format: (i) => (i.Q !== 0 ? '2' : ''),
    parse: (text) => ({ Q: text === '2' ? 1 : 0 }),
  })),
  rule(/<bt>/, () => ({ fields: ['Q'], text: '[bt]', format: (i) => (i.Q !== 0 ? 't' : 'b') })),
  rule(/<St\|Dt\|Qt>/, () => ({
    fields: ['opc', 'Rt'],
    text: '[sdq]\\d+',
    format: (i) => (i.opc === 3 ? undefined : `${LETTERS[2 + i.opc!]}${i.Rt}`),
  })),
  rule(/<Wd\|Xd>/, () => ({
    fields: ['Q', 'Rd'],
    text: '[wx]\\w+',
    format: (i) => registerName(i.Q !== 0, i.Rd!, false),
  })),
  rule(/<Dd\|Vd\.2D>/, () => ({
    fields: ['Q', 'Rd'],
    text: '[dv]\\d+(?:\\.2d)?',
    format: (i) => (i.Q === 0 ? `d${i.Rd}` : `v${i.Rd}.2d`),
  })),
  rule(/<([BHSDQ])(d|n|m|a|t|t1|t2)>/, (m) => register(m[1]!.toLowerCase(), fieldOf(m[2]!))),
  rule(/<V([ab]?)><([dnma])>/, (m, row, template) =>
    sizedRegister(sizeOf(row, template), fieldOf(m[2]!), m[1] === 'a' ? 1 : 0),
  ),
  rule(/([BHSD])<([dnma])>/, (m) => register(m[1]!.toLowerCase(), fieldOf(m[2]!))),
  rule(/<R><n>/, (_m, row, template) => {
    // DUP and INS (general): the width of the element's register.
    if (!has(row, 'imm5') || has(row, 'sf')) return undefined;
    const size = sizeOf(row, template);
    return {
      fields: ['imm5', 'Rn'],
      text: '[a-z]\\w+',
      format: (i) => (size.log2(i) === undefined ? undefined : registerName(size.log2(i) === 3, i.Rn!, false)),
    };
  }),
  rule(/\{ <Vt>\.<T>, … \}\[<index>\]/, (_m, row) => structureElements(row)),
  rule(/\{ <Vt>\.<T>, … \}/, (_m, row) => structureList(row)),
  rule(/\{ <Vn>\.16B, … \}/, () => tableList),
  rule(/<Xm\|#imm>/, (_m, row) => structureOffset(row)),
  rule(/<Vn=m>/, () => ({
    fields: ['Rn', 'Rm'],
    text: 'v\\d+',
    format: (i) => (i.Rn === i.Rm ? `v${i.Rn}` : undefined),
    parse: (text) =>
      Number(text.slice(1)) < 32 ? { Rn: Number(text.slice(1)), Rm: Number(text.slice(1)) } : undefined,
  })),
  rule(/<V([dnma])>/, (m, row, template) =>
    m[1] === 'm' && has(row, 'M')
      ? elementRegister(
          /\.H\[<index>\]/.test(template)
            ? constantSize(1)
            : /\.[24][BH]\[<index>\]/.test(template)
              ? constantSize(2)
              : sizeOf(row, template),
          isComplex(row),
        )
      : register('v', fieldOf(m[1]!)),
  ),
  rule(/<Ts?>\[<index1?>\]/, (_m, row, template) =>
    has(row, 'imm5') ? element(sizeOf(row, template)) : indexedElement(row, sizeOf(row, template), isComplex(row)),
  ),
  rule(/<Ts>\[<index2>\]/, (_m, row, template) => secondElement(sizeOf(row, template))),
  rule(/<index>(?=\])/, (_m, _row, template) => bareIndex(template)),
  rule(/<Ts>/, (_m, row, template) => elementLetter(sizeOf(row, template))),
  rule(/<T>/, (_m, row, template) => vector(sizeOf(row, template), 0)),
  rule(/<Tb>/, (_m, row, template) => vector(sizeOf(row, template), 0)),
  rule(/<Ta>/, (_m, row, template) =>
    template.includes('{2}') ? wholeVector(sizeOf(row, template)) : vector(sizeOf(row, template), 1),
  ),
  rule(/<(\d+[BHSDQ])\|(\d+[BHSDQ])>/, (m) => either(m[1]!.toLowerCase(), m[2]!.toLowerCase())),
  rule(/#<index>/, (_m, row) => plain(row, 'imm4', decimal)),
  rule(/#0\.0/, () => ({ fields: [], text: '0(?:\\.0*)?', format: () => '#0.0', parse: () => ({}) })),
  rule(/#<fbits>/, (_m, row) =>
    has(row, 'scale') ? immediate(['scale'], decimal, (i) => 64 - i.scale!) : shiftAmount(row),
  ),
  rule(/#<rotate>/, (_m, row) =>
    row.fields.find((f) => f.name === 'rot')?.width === 2
      ? immediate(['rot'], decimal, (i) => 90 * i.rot!)
      : immediate(['rot'], decimal, (i) => (i.rot !== 0 ? 270 : 90)),
  ),
  rule(/#<imm6>/, (_m, row) => plain(row, 'imm6', decimal)),
  rule(/#<shift>/, (_m, row) => (has(row, 'immh') || has(row, 'size') ? shiftAmount(row) : undefined)),
  rule(/#<imm8>/, () => byte),
  rule(/\{, LSL #<amount>\}/, () => byteShift),
  rule(/MSL #<amount>/, () => ({ fields: ['sh'], text: `msl ?${NUMBER}`, format: (i) => `msl #${8 << i.sh!}` })),
  rule(/#<imm>/, (_m, row) => (has(row, 'imm8') || has(row, 'a') ? constant(row) : undefined)),
];
