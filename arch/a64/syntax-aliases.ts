import type { AnyFields, Instruction } from './encoding.ts';
import { compile, type Assignment, type Form } from './syntax.ts';
import { decodeBitMasks } from './table/data-immediate.ts';

/**
 * Aliases: other ways of writing what a row encodes. Where one fits, a disassembler prefers it to the row's own syntax,
 * the first that fits, unless it is only for reading.
 */
interface Alias {
  /** Name of the rows, and which of them where several share it. */
  readonly of: string;
  readonly row?: (row: Instruction) => boolean;
  readonly syntax: string;
  /** Fields that the alias implies. */
  readonly fixed?: Assignment;
  /** Fields for which it is preferred; the assembler does not ask. */
  readonly prefer?: (i: AnyFields) => boolean;
  /** Fields for which it is right. */
  readonly when?: (i: AnyFields) => boolean;
  /** Read, never written. */
  readonly read?: true;
}

const ZR = 31;
const top = (i: AnyFields): number => (i.sf !== 0 ? 63 : 31);

/** MOVZ and MOVN are MOV, but for zero shifted and where MOVZ would do. */
const plainMove = (i: AnyFields): boolean => i.imm16 !== 0 || i.hw === 0;

/** Whether MOVZ or MOVN could make a logical immediate (MoveWidePreferred of DDI 0487). */
function moveWidePreferred(i: AnyFields): boolean {
  const bits = i.sf !== 0 ? 64 : 32;
  const mask = BigInt.asUintN(bits, decodeBitMasks(i.N!, i.imms!, i.immr!) ?? 0n);
  const one = (v: bigint): boolean => {
    for (let at = 0n; at < BigInt(bits); at += 16n) if ((v & ~(0xffffn << at)) === 0n) return true;
    return false;
  };
  return one(mask) || one(BigInt.asUintN(bits, ~mask));
}

const SHIFTED = '<R><m>{, <shift> #<amount>}';
const INSERT = '#<bitfield insert lsb>, #<bitfield insert width>';
const EXTRACT = '#<bitfield extract lsb>, #<bitfield extract width>';
const inserts = (i: AnyFields): boolean => i.imms! < i.immr!;
const extracts = (i: AnyFields): boolean => i.imms! >= i.immr!;
const toTop = (i: AnyFields): boolean => i.imms === top(i);
const invertible = (i: AnyFields): boolean => i.cond! < 14;
/** Fields of SBFM and UBFM that extend the low `bits` of Wn. */
const extension = (sf: 0 | 1, bits: number): Assignment => ({ sf, N: sf, immr: 0, imms: bits - 1 });

const bitfields: readonly Alias[] = [
  { of: 'SBFM', syntax: 'ASR <R><d>, <R><n>, #<bitfield lsr>', when: toTop },
  { of: 'SBFM', syntax: 'SXTB <Xd>, <Wn>', fixed: extension(1, 8) },
  { of: 'SBFM', syntax: 'SXTH <Xd>, <Wn>', fixed: extension(1, 16) },
  { of: 'SBFM', syntax: 'SXTW <Xd>, <Wn>', fixed: extension(1, 32) },
  { of: 'SBFM', syntax: 'SXTB <Wd>, <Wn>', fixed: extension(0, 8) },
  { of: 'SBFM', syntax: 'SXTH <Wd>, <Wn>', fixed: extension(0, 16) },
  { of: 'SBFM', syntax: `SBFIZ <R><d>, <R><n>, ${INSERT}`, when: inserts },
  { of: 'SBFM', syntax: `SBFX <R><d>, <R><n>, ${EXTRACT}`, when: extracts },
  { of: 'UBFM', syntax: 'LSR <R><d>, <R><n>, #<bitfield lsr>', when: toTop },
  { of: 'UBFM', syntax: 'LSL <R><d>, <R><n>, #<bitfield lsl>', when: (i) => !toTop(i) && i.imms! + 1 === i.immr },
  // A shift by nothing is written LSR.
  { of: 'UBFM', syntax: 'LSL <R><d>, <R><n>, #<bitfield lsl>', fixed: { immr: 0 }, when: toTop, read: true },
  { of: 'UBFM', syntax: 'UXTB <Wd>, <Wn>', fixed: extension(0, 8) },
  { of: 'UBFM', syntax: 'UXTH <Wd>, <Wn>', fixed: extension(0, 16) },
  { of: 'UBFM', syntax: 'UXTW <Xd>, <Wn>', fixed: extension(1, 32), read: true },
  { of: 'UBFM', syntax: `UBFIZ <R><d>, <R><n>, ${INSERT}`, when: inserts },
  { of: 'UBFM', syntax: `UBFX <R><d>, <R><n>, ${EXTRACT}`, when: extracts },
  { of: 'BFM', syntax: `BFC <R><d>, ${INSERT}`, fixed: { Rn: ZR }, when: inserts },
  { of: 'BFM', syntax: `BFI <R><d>, <R><n>, ${INSERT}`, when: inserts },
  { of: 'BFM', syntax: `BFXIL <R><d>, <R><n>, ${EXTRACT}`, when: extracts },
  // An insertion at bit 0 is written BFXIL.
  { of: 'BFM', syntax: `BFI <R><d>, <R><n>, ${INSERT}`, fixed: { immr: 0 }, read: true },
];

/** Operations of SYS by name: op1, CRn, CRm, op2. */
const SYS_OPERATIONS: readonly (readonly [
  mnemonic: string,
  operation: string,
  op1: number,
  CRn: number,
  CRm: number,
  op2: number,
])[] = [
  ['ic', 'ialluis', 0, 7, 1, 0],
  ['ic', 'iallu', 0, 7, 5, 0],
  ['ic', 'ivau', 3, 7, 5, 1],
  ['dc', 'zva', 3, 7, 4, 1],
  ['dc', 'ivac', 0, 7, 6, 1],
  ['dc', 'isw', 0, 7, 6, 2],
  ['dc', 'csw', 0, 7, 10, 2],
  ['dc', 'cisw', 0, 7, 14, 2],
  ['dc', 'cvac', 3, 7, 10, 1],
  ['dc', 'cvau', 3, 7, 11, 1],
  ['dc', 'cvap', 3, 7, 12, 1],
  ['dc', 'cvadp', 3, 7, 13, 1],
  ['dc', 'civac', 3, 7, 14, 1],
  ['at', 's1e1r', 0, 7, 8, 0],
  ['at', 's1e1w', 0, 7, 8, 1],
  ['at', 's1e0r', 0, 7, 8, 2],
  ['at', 's1e0w', 0, 7, 8, 3],
  ['at', 's1e1rp', 0, 7, 9, 0],
  ['at', 's1e1wp', 0, 7, 9, 1],
  ['at', 's1e2r', 4, 7, 8, 0],
  ['at', 's1e2w', 4, 7, 8, 1],
  ['at', 's12e1r', 4, 7, 8, 4],
  ['at', 's12e1w', 4, 7, 8, 5],
  ['at', 's12e0r', 4, 7, 8, 6],
  ['at', 's12e0w', 4, 7, 8, 7],
  ['at', 's1e3r', 6, 7, 8, 0],
  ['at', 's1e3w', 6, 7, 8, 1],
  ...tlbInvalidations(),
];

/** TLBI (DDI 0487, C5.5): by kind, exception level and shareability; the outer shareable ones are FEAT_TLBIOS. */
function tlbInvalidations(): [string, string, number, number, number, number][] {
  const out: [string, string, number, number, number, number][] = [];
  const add = (name: string, op1: number, CRm: number, op2: number): void => {
    out.push(['tlbi', name, op1, 8, CRm, op2]);
  };
  for (const [suffix, CRm] of [
    ['', 7],
    ['is', 3],
    ['os', 1],
  ] as const) {
    for (const [name, op2] of [
      ['vmalle1', 0],
      ['vae1', 1],
      ['aside1', 2],
      ['vaae1', 3],
      ['vale1', 5],
      ['vaale1', 7],
    ] as const)
      add(name + suffix, 0, CRm, op2);
    for (const [name, op2] of [
      ['alle2', 0],
      ['vae2', 1],
      ['alle1', 4],
      ['vale2', 5],
      ['vmalls12e1', 6],
    ] as const)
      add(name + suffix, 4, CRm, op2);
    for (const [name, op2] of [
      ['alle3', 0],
      ['vae3', 1],
      ['vale3', 5],
    ] as const)
      add(name + suffix, 6, CRm, op2);
  }
  for (const [suffix, CRm, stage2] of [
    ['', 6, [1, 5, 2, 6]],
    ['is', 2, [1, 5, 2, 6]],
    ['os', 5, [0, 4, 3, 7]],
  ] as const) {
    for (const [name, op2] of [
      ['rvae1', 1],
      ['rvaae1', 3],
      ['rvale1', 5],
      ['rvaale1', 7],
    ] as const)
      add(name + suffix, 0, CRm, op2);
    for (const [name, op2] of [
      ['rvae2', 1],
      ['rvale2', 5],
    ] as const)
      add(name + suffix, 4, CRm, op2);
    for (const [name, op2] of [
      ['rvae3', 1],
      ['rvale3', 5],
    ] as const)
      add(name + suffix, 6, CRm, op2);
    ['ipas2e1', 'ipas2le1', 'ripas2e1', 'ripas2le1'].forEach((name, n) =>
      add(name + suffix, 4, suffix === 'is' ? 0 : 4, stage2[n]!),
    );
  }
  return out;
}

/** Operations of SYS that take no register. */
const withoutRegister = (name: string): boolean => /^(ialluis|iallu|vmalle1|alle[123]|vmalls12e1)(is|os)?$/.test(name);

const aliases: readonly Alias[] = [
  // Data processing (immediate).
  {
    of: 'ADD (immediate)',
    syntax: 'MOV <R><d|SP>, <R><n|SP>',
    fixed: { sh: 0, imm12: 0 },
    when: (i) => i.Rd === 31 || i.Rn === 31,
  },
  { of: 'ADDS (immediate)', syntax: 'CMN <R><n|SP>, #<imm>{, <shift>}', fixed: { Rd: ZR } },
  { of: 'SUBS (immediate)', syntax: 'CMP <R><n|SP>, #<imm>{, <shift>}', fixed: { Rd: ZR } },
  { of: 'SUB (immediate)', syntax: 'ADD <R><d|SP>, <R><n|SP>, #-<imm>{, <shift>}', read: true },
  { of: 'ADD (immediate)', syntax: 'SUB <R><d|SP>, <R><n|SP>, #-<imm>{, <shift>}', read: true },
  { of: 'SUBS (immediate)', syntax: 'ADDS <R><d>, <R><n|SP>, #-<imm>{, <shift>}', read: true },
  { of: 'ADDS (immediate)', syntax: 'SUBS <R><d>, <R><n|SP>, #-<imm>{, <shift>}', read: true },
  { of: 'SUBS (immediate)', syntax: 'CMN <R><n|SP>, #-<imm>{, <shift>}', fixed: { Rd: ZR }, read: true },
  { of: 'ADDS (immediate)', syntax: 'CMP <R><n|SP>, #-<imm>{, <shift>}', fixed: { Rd: ZR }, read: true },
  { of: 'ANDS (immediate)', syntax: 'TST <R><n>, #<imm>', fixed: { Rd: ZR } },
  { of: 'MOVZ', syntax: 'MOV <R><d>, #<constant>', prefer: plainMove },
  { of: 'MOVN', syntax: 'MOV <R><d>, #<constant>', prefer: (i) => plainMove(i) && (i.sf !== 0 || i.imm16 !== 0xffff) },
  {
    of: 'ORR (immediate)',
    syntax: 'MOV <R><d|SP>, #<constant>',
    fixed: { Rn: ZR },
    prefer: (i) => i.Rd === 31 || !moveWidePreferred(i),
  },
  ...bitfields,
  { of: 'EXTR', syntax: 'ROR <R><d>, <R><n=m>, #<lsb>' },

  // Data processing (register).
  { of: 'ORR (shifted register)', syntax: 'MOV <R><d>, <R><m>', fixed: { Rn: ZR, shift: 0, imm6: 0 } },
  { of: 'ORN (shifted register)', syntax: `MVN <R><d>, ${SHIFTED}`, fixed: { Rn: ZR } },
  { of: 'ANDS (shifted register)', syntax: `TST <R><n>, ${SHIFTED}`, fixed: { Rd: ZR } },
  { of: 'ADDS (shifted register)', syntax: `CMN <R><n>, ${SHIFTED}`, fixed: { Rd: ZR } },
  { of: 'SUBS (shifted register)', syntax: `CMP <R><n>, ${SHIFTED}`, fixed: { Rd: ZR } },
  { of: 'SUB (shifted register)', syntax: `NEG <R><d>, ${SHIFTED}`, fixed: { Rn: ZR } },
  { of: 'SUBS (shifted register)', syntax: `NEGS <R><d>, ${SHIFTED}`, fixed: { Rn: ZR } },
  { of: 'ADDS (extended register)', syntax: 'CMN <R><n|SP>, <R><m>{, <extend> {#<amount>}}', fixed: { Rd: ZR } },
  { of: 'SUBS (extended register)', syntax: 'CMP <R><n|SP>, <R><m>{, <extend> {#<amount>}}', fixed: { Rd: ZR } },
  { of: 'SBC', syntax: 'NGC <R><d>, <R><m>', fixed: { Rn: ZR } },
  { of: 'SBCS', syntax: 'NGCS <R><d>, <R><m>', fixed: { Rn: ZR } },
  { of: 'CSINC', syntax: 'CSET <R><d>, <invcond>', fixed: { Rn: ZR, Rm: ZR }, when: invertible },
  { of: 'CSINV', syntax: 'CSETM <R><d>, <invcond>', fixed: { Rn: ZR, Rm: ZR }, when: invertible },
  { of: 'CSINC', syntax: 'CINC <R><d>, <R><n=m>, <invcond>', when: invertible },
  { of: 'CSINV', syntax: 'CINV <R><d>, <R><n=m>, <invcond>', when: invertible },
  { of: 'CSNEG', syntax: 'CNEG <R><d>, <R><n=m>, <invcond>', when: invertible },
  { of: 'MADD', syntax: 'MUL <R><d>, <R><n>, <R><m>', fixed: { Ra: ZR } },
  { of: 'MSUB', syntax: 'MNEG <R><d>, <R><n>, <R><m>', fixed: { Ra: ZR } },
  { of: 'SMADDL', syntax: 'SMULL <Xd>, <Wn>, <Wm>', fixed: { Ra: ZR } },
  { of: 'SMSUBL', syntax: 'SMNEGL <Xd>, <Wn>, <Wm>', fixed: { Ra: ZR } },
  { of: 'UMADDL', syntax: 'UMULL <Xd>, <Wn>, <Wm>', fixed: { Ra: ZR } },
  { of: 'UMSUBL', syntax: 'UMNEGL <Xd>, <Wn>, <Wm>', fixed: { Ra: ZR } },
  ...['LSL', 'LSR', 'ASR', 'ROR'].map((name) => ({ of: `${name}V`, syntax: `${name} <R><d>, <R><n>, <R><m>` })),
  { of: 'REV', row: (row) => row.value >>> 31 !== 0, syntax: 'REV64 <Xd>, <Xn>', read: true },

  // System.
  ...SYS_OPERATIONS.map(([mnemonic, operation, op1, CRn, CRm, op2]) => ({
    of: 'SYS',
    syntax: `${mnemonic} ${operation}${withoutRegister(operation) ? '' : ', <Xt>'}`,
    fixed: { op1, CRn, CRm, op2, ...(withoutRegister(operation) ? { Rt: ZR } : {}) },
  })),
  { of: 'HINT', syntax: 'CLEARBHB', fixed: { CRm: 2, op2: 6 } },
  { of: 'DSB', syntax: 'SSBB', fixed: { CRm: 0 } },
  { of: 'DSB', syntax: 'PSSBB', fixed: { CRm: 4 } },
  { of: 'B.cond', syntax: 'B<cond> <label>', read: true },

  // SIMD and floating point.
  {
    of: 'DUP (element)',
    row: (row) => !row.fields.some((f) => f.name === 'Q'),
    syntax: 'MOV <V><d>, <Vn>.<Ts>[<index>]',
  },
  { of: 'UMOV', syntax: 'MOV <Wd|Xd>, <Vn>.<Ts>[<index>]', when: (i) => (i.imm5! & 7) === 4 || (i.imm5! & 15) === 8 },
  { of: 'INS (general)', syntax: 'MOV <Vd>.<Ts>[<index>], <R><n>' },
  { of: 'INS (element)', syntax: 'MOV <Vd>.<Ts>[<index1>], <Vn>.<Ts>[<index2>]' },
  { of: 'ORR (vector, register)', syntax: 'MOV <Vd>.<8B|16B>, <Vn=m>.<8B|16B>' },
  { of: 'NOT', syntax: 'MVN <Vd>.<8B|16B>, <Vn>.<8B|16B>' },
  {
    of: 'SSHLL, SSHLL2',
    syntax: 'SXTL{2} <Vd>.<Ta>, <Vn>.<Tb>',
    fixed: { immb: 0 },
    when: (i) => (i.immh! & (i.immh! - 1)) === 0,
  },
  {
    of: 'USHLL, USHLL2',
    syntax: 'UXTL{2} <Vd>.<Ta>, <Vn>.<Tb>',
    fixed: { immb: 0 },
    when: (i) => (i.immh! & (i.immh! - 1)) === 0,
  },
];

/** STADD and its kin: the old value is not kept, and nothing is acquired. */
function atomicAlias(row: Instruction): Alias[] {
  const m = /^LD(ADD|CLR|EOR|SET|SMAX|SMIN|UMAX|UMIN)(L?)([BH]?)$/.exec(row.name);
  if (m === null) return [];
  return [
    {
      of: row.name,
      syntax: `ST${m[1]}${m[2]}${m[3]} ${row.syntax.replace(/^\S+ /, '').replace(/<[WX]t>, /, '')}`,
      fixed: { Rt: ZR },
    },
  ];
}

/** LDR and STR with an offset that only LDUR and STUR have. */
function unscaledAlias(row: Instruction): Alias[] {
  const m = /^(LD|ST|PRF)U(RS?[BHW]?|M)( \(SIMD&FP\))?$/.exec(row.name);
  return m === null ? [] : [{ of: row.name, syntax: row.syntax.replace(/^(LD|ST|PRF)U/, '$1'), read: true }];
}

interface Forms {
  readonly canonical: readonly Form[];
  readonly aliases: readonly Form[];
  /** Lower ranks are tried first: rows' own syntax, then aliases in their order. */
  readonly readable: readonly { readonly rank: number; readonly form: Form }[];
}

const HINT_MASK = 0xfffff01f;
const HINT_VALUE = 0xd503201f;

const cache = new Map<Instruction, Forms>();
let byName: Map<string, Alias[]> | undefined;

/** Every form of a row. */
function formsOf(row: Instruction): Forms {
  let forms = cache.get(row);
  if (forms !== undefined) return forms;
  if (byName === undefined) {
    byName = new Map();
    for (const a of aliases) {
      const same = byName.get(a.of);
      if (same === undefined) byName.set(a.of, [a]);
      else same.push(a);
    }
  }
  const own = compile(row, row.syntax);
  const found = [
    ...(byName.get(row.name) ?? []).filter((a) => a.row?.(row) ?? true),
    ...atomicAlias(row),
    ...unscaledAlias(row),
  ];
  const compiled = found.map((a) => ({
    a,
    rank: aliases.indexOf(a) + 1 || aliases.length,
    form: compile(row, a.syntax, a.fixed, a.when),
  }));
  const written = compiled
    .filter(({ a }) => a.read === undefined)
    .map(({ a, form }) =>
      a.prefer === undefined ? form : { ...form, when: (i: AnyFields) => (form.when?.(i) ?? true) && a.prefer!(i) },
    );
  forms = { canonical: [own], aliases: written, readable: [{ rank: 0, form: own }, ...compiled] };
  // A named hint is an alias of HINT #<imm>.
  if ((row.mask & HINT_MASK) >>> 0 === HINT_MASK && row.value >>> 12 === HINT_VALUE >>> 12 && row.fields.length === 0) {
    const number = `0x${((row.value >>> 5) & 127).toString(16)}`;
    forms = { canonical: [compile(row, `HINT #${number}`)], aliases: [own], readable: [{ rank: 0, form: own }] };
  }
  cache.set(row, forms);
  return forms;
}

/** The row's own way of writing. */
export const canonicalOf = (row: Instruction): readonly Form[] => formsOf(row).canonical;
/** What is preferred to it, best first. */
export const aliasesOf = (row: Instruction): readonly Form[] => formsOf(row).aliases;
/** Every way of writing that an assembler accepts. */
export const readableOf = (row: Instruction): Forms['readable'] => formsOf(row).readable;
