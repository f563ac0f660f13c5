import { numberedRows, TABLE } from '../core/sysreg-table.ts';
import type { AnyFields } from './encoding.ts';
import type { Operand, Rule } from './syntax.ts';
import { plain, registerName, parseRegister, NUMBER } from './syntax-general.ts';

/** Operands of the system instructions: registers, barriers, prefetches, PSTATE fields. */

/** Names of CRm in DSB and DMB. */
const BARRIERS: readonly (string | undefined)[] = [
  undefined,
  'oshld',
  'oshst',
  'osh',
  undefined,
  'nshld',
  'nshst',
  'nsh',
  undefined,
  'ishld',
  'ishst',
  'ish',
  undefined,
  'ld',
  'st',
  'sy',
];

const PSTATE_FIELDS: readonly (readonly [name: string, op1: number, op2: number])[] = [
  ['uao', 0, 3],
  ['pan', 0, 4],
  ['spsel', 0, 5],
  ['ssbs', 3, 1],
  ['dit', 3, 2],
  ['daifset', 3, 6],
  ['daifclr', 3, 7],
];

/** Names of system registers by `op0 op1 CRn CRm op2`. */
const names = new Map<string, string>();
const places = new Map<string, readonly number[]>();

function buildNames(): void {
  const add = (name: string, at: string): void => {
    if (/^S\d_/.test(name)) return;
    names.set(at, name.toLowerCase());
    places.set(name.toLowerCase(), at.split(' ').map(Number));
  };
  for (const [name, row] of Object.entries(TABLE)) {
    add(name, row.at);
    // With HCR_EL2.E2H, op1 = 5 reaches the register of EL1 or EL0.
    if ('e2h' in row) add(name.replace(/_EL([01])$/, '_EL$12'), row.at.replace(/^3 [03]/, '3 5'));
  }
  for (const [name, row] of numberedRows()) add(name, row.at);
  // What DBGDTRRX_EL0 reads and DBGDTRTX_EL0 writes has one encoding.
  names.delete('2 3 0 5 0');
}

/** op0, op1, CRn, CRm, op2 of a system register's name, or of the S<op0>_<op1>_<Cn>_<Cm>_<op2> of any. */
export function systemRegister(name: string): readonly number[] | undefined {
  if (names.size === 0) buildNames();
  const text = name.toLowerCase();
  const m = /^s([23])_([0-7])_c(\d+)_c(\d+)_([0-7])$/.exec(text);
  if (m === null) return places.get(text);
  const numbers = m.slice(1).map(Number);
  return numbers[2]! < 16 && numbers[3]! < 16 ? numbers : undefined;
}

const systemRegisterOperand: Operand = {
  fields: ['o0', 'op1', 'CRn', 'CRm', 'op2'],
  text: '[a-z]\\w*',
  format: (i) => {
    if (names.size === 0) buildNames();
    return (
      names.get(`${2 + i.o0!} ${i.op1} ${i.CRn} ${i.CRm} ${i.op2}`) ??
      `s${2 + i.o0!}_${i.op1}_c${i.CRn}_c${i.CRm}_${i.op2}`
    );
  },
  parse: (text) => {
    const at = systemRegister(text);
    return at === undefined ? undefined : { o0: at[0]! - 2, op1: at[1]!, CRn: at[2]!, CRm: at[3]!, op2: at[4]! };
  },
};

const barrier: Operand = {
  fields: ['CRm'],
  text: '\\w+',
  format: (i) => BARRIERS[i.CRm!] ?? `#0x${i.CRm!.toString(16).padStart(2, '0')}`,
  parse: (text) => {
    const named = BARRIERS.indexOf(text.toLowerCase());
    const CRm = named >= 0 ? named : new RegExp(`^${NUMBER}$`, 'i').test(text) ? Number(text) : 16;
    return CRm >= 0 && CRm < 16 ? { CRm } : undefined;
  },
};

/** `{(<option>|#<imm>)}` of ISB: SY goes without saying. */
const isbOption: Operand = {
  fields: ['CRm'],
  text: '(?: \\w+)?',
  format: (i) => (i.CRm === 15 ? '' : ` #0x${i.CRm!.toString(16)}`),
  parse: (text, known, at) => barrier.parse!(text === '' ? 'sy' : text.trim(), known, at),
};

function prefetchName(i: AnyFields): string | undefined {
  const type = ['pld', 'pli', 'pst'][i.Rt! >> 3];
  const target = (i.Rt! >> 1) & 3;
  return type === undefined || target === 3 ? undefined : `${type}l${target + 1}${(i.Rt! & 1) !== 0 ? 'strm' : 'keep'}`;
}

const prefetch: Operand = {
  fields: ['Rt'],
  text: '\\w+',
  format: (i) => prefetchName(i) ?? `#0x${i.Rt!.toString(16).padStart(2, '0')}`,
};

const pstateField: Operand = {
  fields: ['op1', 'op2'],
  text: '[a-z]\\w*',
  format: (i) => PSTATE_FIELDS.find(([, op1, op2]) => op1 === i.op1 && op2 === i.op2)?.[0],
};

const control = (field: string): Operand => ({ fields: [field], text: 'c\\d+', format: (i) => `C${i[field]}` });

/** `{, <Xt>}`: left out for 31. */
const optionalRegister: Operand = {
  fields: ['Rt'],
  text: '(?:,[a-z]\\w*)?',
  format: (i) => (i.Rt === 31 ? '' : `, ${registerName(true, i.Rt!, false)}`),
  parse: (text) => {
    const r = parseRegister(text === '' ? 'xzr' : text.slice(1), false);
    return r?.wide === true ? { Rt: r.n } : undefined;
  },
};

const rule = (spelling: RegExp, operand: Rule['operand']): Rule => ({
  spelling: new RegExp(spelling.source, 'y'),
  operand,
});

export const systemRules: readonly Rule[] = [
  rule(/ \{\(<option>\|#<imm>\)\}/, () => isbOption),
  rule(/\(<option>\|#<imm>\)/, () => barrier),
  rule(/\(<prfop>\|#<imm5>\)/, () => prefetch),
  rule(/<pstatefield>/, () => pstateField),
  rule(/\(<systemreg>\|S<op0>_<op1>_<Cn>_<Cm>_<op2>\)/, () => systemRegisterOperand),
  rule(/#<(op1|op2)>/, (m, row) => plain(row, m[1]!, (n) => `#${n}`)),
  rule(/<(C[nm])>/, (m) => control(`CR${m[1]![1]}`)),
  rule(/\{, <Xt>\}/, () => optionalRegister),
];
