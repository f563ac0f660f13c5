import { describe, expect, it } from 'vitest';
import { decode, decoder } from '../../../arch/a64/decode.ts';
import type { Instruction } from '../../../arch/a64/encoding.ts';
import { table } from '../../../arch/a64/table/index.ts';
import { hasFeature, type Feature, type IdRegister } from '../../../arch/core/idregs.ts';
import { OPERATIONS } from '../../../arch/core/sysreg-ops.ts';
import { lookupName } from '../../../arch/core/sysreg.ts';
import { FakeCore } from '../core/fake-core.ts';

/**
 * The fields of the identification registers that tell of A64 encodings (DDI 0487, D17.2 and A2.2 to A2.10): from which
 * value of which field on which instructions are there. `rows`: of the instruction table, by name without what is in
 * brackets; `fields`: of MSR (immediate), as op1:op2; `registers`, `operations`: of MRS and MSR, of SYS.
 */
interface Encodings {
  readonly rows?: string;
  readonly fields?: readonly number[];
  readonly registers?: string;
  readonly operations?: string;
}
type Entry = readonly [register: IdRegister, lsb: number, value: number, feature: string, what: Encodings];

const LSE = ['LDADD', 'LDCLR', 'LDEOR', 'LDSET', 'LDSMAX', 'LDSMIN', 'LDUMAX', 'LDUMIN', 'SWP', 'CAS']
  .flatMap((name) => ['', 'A', 'L', 'AL'].flatMap((order) => ['', 'B', 'H'].map((size) => name + order + size)))
  .concat('CASP', 'CASPA', 'CASPL', 'CASPAL');
/** TLBI by its scopes, for the outer shareable domain and for ranges. */
const TLBI = ['VMALLE1', 'VAE1', 'ASIDE1', 'VAAE1', 'VALE1', 'VAALE1', 'VAE2', 'VALE2', 'ALLE1', 'ALLE2', 'VMALLS12E1'];
const TLBI_RANGE = ['RVAE1', 'RVAAE1', 'RVALE1', 'RVAALE1', 'RVAE2', 'RVALE2', 'RIPAS2E1', 'RIPAS2LE1'];

const ENCODINGS: readonly Entry[] = [
  ['ID_AA64ISAR0_EL1', 4, 1, 'FEAT_AES', { rows: 'AESE AESD AESMC AESIMC' }],
  ['ID_AA64ISAR0_EL1', 4, 2, 'FEAT_PMULL', { rows: 'PMULL' }],
  ['ID_AA64ISAR0_EL1', 8, 1, 'FEAT_SHA1', { rows: 'SHA1C SHA1P SHA1M SHA1H SHA1SU0 SHA1SU1' }],
  ['ID_AA64ISAR0_EL1', 12, 1, 'FEAT_SHA256', { rows: 'SHA256H SHA256H2 SHA256SU0 SHA256SU1' }],
  ['ID_AA64ISAR0_EL1', 12, 2, 'FEAT_SHA512', { rows: 'SHA512H SHA512H2 SHA512SU0 SHA512SU1' }],
  ['ID_AA64ISAR0_EL1', 16, 1, 'FEAT_CRC32', { rows: 'CRC32B CRC32H CRC32W CRC32X CRC32CB CRC32CH CRC32CW CRC32CX' }],
  ['ID_AA64ISAR0_EL1', 20, 2, 'FEAT_LSE', { rows: LSE.join(' ') }],
  ['ID_AA64ISAR0_EL1', 24, 1, 'FEAT_TME', { rows: 'TSTART TCOMMIT TCANCEL TTEST' }],
  ['ID_AA64ISAR0_EL1', 28, 1, 'FEAT_RDM', { rows: 'SQRDMLAH SQRDMLSH' }],
  ['ID_AA64ISAR0_EL1', 32, 1, 'FEAT_SHA3', { rows: 'EOR3 RAX1 XAR BCAX' }],
  ['ID_AA64ISAR0_EL1', 36, 1, 'FEAT_SM3', { rows: 'SM3SS1 SM3TT1A SM3TT1B SM3TT2A SM3TT2B SM3PARTW1 SM3PARTW2' }],
  ['ID_AA64ISAR0_EL1', 40, 1, 'FEAT_SM4', { rows: 'SM4E SM4EKEY' }],
  ['ID_AA64ISAR0_EL1', 44, 1, 'FEAT_DotProd', { rows: 'UDOT SDOT' }],
  ['ID_AA64ISAR0_EL1', 48, 1, 'FEAT_FHM', { rows: 'FMLAL FMLSL FMLAL2 FMLSL2' }],
  ['ID_AA64ISAR0_EL1', 52, 1, 'FEAT_FlagM', { rows: 'CFINV RMIF SETF16 SETF8' }],
  ['ID_AA64ISAR0_EL1', 52, 2, 'FEAT_FlagM2', { rows: 'AXFLAG XAFLAG' }],
  ['ID_AA64ISAR0_EL1', 56, 1, 'FEAT_TLBIOS', { operations: TLBI.map((name) => `TLBI ${name}OS`).join() }],
  [
    'ID_AA64ISAR0_EL1',
    56,
    2,
    'FEAT_TLBIRANGE',
    { operations: TLBI_RANGE.flatMap((name) => ['', 'IS', 'OS'].map((domain) => `TLBI ${name}${domain}`)).join() },
  ],
  ['ID_AA64ISAR0_EL1', 60, 1, 'FEAT_RNG', { registers: 'RNDR RNDRRS' }],
  ['ID_AA64ISAR1_EL1', 0, 1, 'FEAT_DPB', { operations: 'DC CVAP' }],
  ['ID_AA64ISAR1_EL1', 0, 2, 'FEAT_DPB2', { operations: 'DC CVADP' }],
  ['ID_AA64ISAR1_EL1', 4, 1, 'FEAT_PAuth', { rows: 'PACIA BRAA BLRAA RETAA ERETAA LDRAA XPACI' }],
  ['ID_AA64ISAR1_EL1', 8, 1, 'FEAT_PAuth', { rows: 'PACIA BRAA BLRAA RETAA ERETAA LDRAA XPACI' }],
  ['ID_AA64ISAR1_EL1', 12, 1, 'FEAT_JSCVT', { rows: 'FJCVTZS' }],
  ['ID_AA64ISAR1_EL1', 16, 1, 'FEAT_FCMA', { rows: 'FCADD FCMLA' }],
  ['ID_AA64ISAR1_EL1', 20, 1, 'FEAT_LRCPC', { rows: 'LDAPR LDAPRB LDAPRH' }],
  [
    'ID_AA64ISAR1_EL1',
    20,
    2,
    'FEAT_LRCPC2',
    { rows: 'LDAPUR LDAPURB LDAPURH LDAPURSB LDAPURSH LDAPURSW STLUR STLURB STLURH' },
  ],
  ['ID_AA64ISAR1_EL1', 20, 3, 'FEAT_LRCPC3', { rows: 'LDIAPP STILP LDAP1 STL1' }],
  ['ID_AA64ISAR1_EL1', 24, 1, 'FEAT_PACQARMA5', { rows: 'PACGA' }],
  ['ID_AA64ISAR1_EL1', 28, 1, 'FEAT_PACIMP', { rows: 'PACGA' }],
  ['ID_AA64ISAR1_EL1', 32, 1, 'FEAT_FRINTTS', { rows: 'FRINT32Z FRINT32X FRINT64Z FRINT64X' }],
  ['ID_AA64ISAR1_EL1', 36, 1, 'FEAT_SB', { rows: 'SB' }],
  ['ID_AA64ISAR1_EL1', 40, 1, 'FEAT_SPECRES', { operations: 'CFP RCTX,DVP RCTX,CPP RCTX' }],
  ['ID_AA64ISAR1_EL1', 44, 1, 'FEAT_BF16', { rows: 'BFCVT BFCVTN BFCVTN2 BFDOT BFMMLA BFMLALB BFMLALT' }],
  // A hint, a NOP everywhere.
  ['ID_AA64ISAR1_EL1', 48, 1, 'FEAT_DGH', {}],
  ['ID_AA64ISAR1_EL1', 52, 1, 'FEAT_I8MM', { rows: 'SMMLA UMMLA USMMLA USDOT SUDOT' }],
  ['ID_AA64ISAR1_EL1', 56, 1, 'FEAT_XS', { rows: 'DSBnXS' }],
  ['ID_AA64ISAR1_EL1', 60, 1, 'FEAT_LS64', { rows: 'LD64B ST64B' }],
  ['ID_AA64ISAR2_EL1', 0, 2, 'FEAT_WFxT', { rows: 'WFET WFIT' }],
  ['ID_AA64ISAR2_EL1', 4, 1, 'FEAT_RPRES', {}],
  ['ID_AA64ISAR2_EL1', 16, 1, 'FEAT_MOPS', { rows: 'CPYFP SETP' }],
  ['ID_AA64ISAR2_EL1', 20, 1, 'FEAT_HBC', { rows: 'BC.cond' }],
  ['ID_AA64ISAR2_EL1', 52, 1, 'FEAT_CSSC', { rows: 'ABS CNT CTZ SMAX' }],
  ['ID_AA64PFR0_EL1', 16, 0, 'base', { rows: 'FADD FMADD FCVT FCSEL FMOV' }],
  ['ID_AA64PFR0_EL1', 16, 1, 'FEAT_FP16', { rows: 'FADD FMADD FCSEL FMOV FCMP FCCMPE FSQRT FRINTX SCVTF' }],
  ['ID_AA64PFR0_EL1', 20, 0, 'base', { rows: 'ADD FMLA TBL LD1 LD4R SQDMULL' }],
  ['ID_AA64PFR0_EL1', 20, 1, 'FEAT_FP16', { rows: 'FMLA FADDP FCMEQ FMULX FRECPE FMAXNMV FCVTZU' }],
  // ESB is a hint.
  ['ID_AA64PFR0_EL1', 28, 1, 'FEAT_RAS', { registers: 'DISR_EL1 VDISR_EL2 VSESR_EL2 ERRIDR_EL1' }],
  ['ID_AA64PFR0_EL1', 32, 1, 'FEAT_SVE', { rows: 'RDVL' }],
  ['ID_AA64PFR0_EL1', 48, 1, 'FEAT_DIT', { registers: 'DIT', fields: [0o32] }],
  ['ID_AA64PFR0_EL1', 56, 2, 'FEAT_CSV2_2', { registers: 'SCXTNUM_EL0 SCXTNUM_EL1 SCXTNUM_EL2' }],
  ['ID_AA64PFR1_EL1', 4, 2, 'FEAT_SSBS2', { registers: 'SSBS', fields: [0o31] }],
  ['ID_AA64PFR1_EL1', 8, 1, 'FEAT_MTE', { rows: 'ADDG IRG GMI', registers: 'TCO' }],
  ['ID_AA64PFR1_EL1', 24, 1, 'FEAT_SME', { rows: 'RDSVL' }],
  ['ID_AA64PFR1_EL1', 36, 1, 'FEAT_NMI', { registers: 'ALLINT' }],
  ['ID_AA64MMFR0_EL1', 60, 1, 'FEAT_ECV', { registers: 'CNTPCTSS_EL0 CNTVCTSS_EL0' }],
  ['ID_AA64MMFR0_EL1', 60, 2, 'FEAT_ECV', { registers: 'CNTPOFF_EL2' }],
  ['ID_AA64MMFR1_EL1', 16, 1, 'FEAT_LOR', { rows: 'LDLAR LDLARB LDLARH STLLR STLLRB STLLRH', registers: 'LORC_EL1' }],
  ['ID_AA64MMFR1_EL1', 20, 1, 'FEAT_PAN', { registers: 'PAN', fields: [0o04] }],
  ['ID_AA64MMFR1_EL1', 20, 2, 'FEAT_PAN2', { operations: 'AT S1E1RP,AT S1E1WP' }],
  ['ID_AA64MMFR2_EL1', 4, 1, 'FEAT_UAO', { registers: 'UAO', fields: [0o03] }],
];

/** Fields that are about anything but A64 encodings. All others must stand above, or be 0. */
const OTHERS: Record<IdRegister, readonly number[]> = {
  ID_AA64PFR0_EL1: [0, 4, 8, 12, 24, 60],
  ID_AA64PFR1_EL1: [],
  ID_AA64DFR0_EL1: [0, 8, 12, 20, 28, 36],
  ID_AA64ISAR0_EL1: [],
  ID_AA64ISAR1_EL1: [],
  ID_AA64ISAR2_EL1: [],
  ID_AA64MMFR0_EL1: [0, 4, 20, 32, 36, 40],
  ID_AA64MMFR1_EL1: [0, 4, 8, 12, 28],
  ID_AA64MMFR2_EL1: [0, 36, 40, 48, 56, 60],
};

const core = new FakeCore(2);
/** A field as software reads it. */
function field(register: IdRegister, lsb: number): number {
  return Number(((core.mrs(register) as bigint) >> BigInt(lsb)) & 15n);
}

/** FP and AdvSIMD are signed fields: 15 is none. */
function advertised([register, lsb, value]: Entry): boolean {
  const there = field(register, lsb);
  return there >= value && !(there === 15 && register === 'ID_AA64PFR0_EL1' && (lsb === 16 || lsb === 20));
}

const mnemonics = (row: Instruction): string[] => row.name.replace(/ \(.*/, '').split(', ');
const rowsOf = (name: string, feature: string): Instruction[] =>
  table.filter((row) => mnemonics(row).includes(name) && (row.feature ?? 'base') === feature);
const operations = new Map([...OPERATIONS.values()].map((o) => [o.name, o]));
const words = (list: string | undefined, separator: string): string[] =>
  list === undefined ? [] : list.split(separator);

/** What of an entry there is, and what is not. */
function split([, , , feature, what]: Entry): { there: string[]; missing: string[] } {
  const all: [string, boolean][] = [
    ...words(what.rows, ' ').map((name): [string, boolean] => [name, rowsOf(name, feature).length > 0]),
    ...words(what.registers, ' ').map((name): [string, boolean] => [name, lookupName(name) !== undefined]),
    ...words(what.operations, ',').map((name): [string, boolean] => {
      const operation = operations.get(name);
      return [name, operation !== undefined && (operation.feature === undefined || hasFeature(operation.feature))];
    }),
    ...(what.fields ?? []).map((n): [string, boolean] => [
      `MSR op1=${n >> 3} op2=${n & 7}`,
      decode((0xd500401f | ((n >> 3) << 16) | ((n & 7) << 5)) >>> 0) !== undefined,
    ]),
  ];
  return {
    there: all.filter(([, has]) => has).map(([name]) => name),
    missing: all.filter(([, has]) => !has).map(([name]) => name),
  };
}

describe('the features that the identification registers advertise', () => {
  it.each(ENCODINGS.filter(advertised))('%s[%i] ≥ %i: the encodings of %s are there', (...entry) => {
    expect(split(entry as unknown as Entry).missing).toEqual([]);
  });

  it.each(ENCODINGS.filter((entry) => !advertised(entry)))('%s[%i] < %i: the encodings of %s are not', (...entry) => {
    expect(split(entry as unknown as Entry).there).toEqual([]);
  });

  it('stand in this list, or have no encodings', () => {
    const known = new Set(ENCODINGS.map(([register, lsb]) => `${register}[${lsb}]`));
    const unknown: string[] = [];
    for (const [register, others] of Object.entries(OTHERS) as [IdRegister, readonly number[]][])
      for (let lsb = 0; lsb < 64; lsb += 4)
        if (field(register, lsb) !== 0 && !others.includes(lsb) && !known.has(`${register}[${lsb}]`))
          unknown.push(`${register}[${lsb}]`);
    expect(unknown).toEqual([]);
  });

  it('are those of the rows', () => {
    const rows = new Set(table.flatMap((row) => row.feature ?? []));
    const listed = new Set<string>(ENCODINGS.filter(advertised).map(([, , , feature]) => feature));
    expect([...rows].filter((feature) => !listed.has(feature))).toEqual([]);
  });
});

describe('a feature that is not advertised', () => {
  const features = [...new Set(table.flatMap((row) => row.feature ?? []))];
  const without = (absent: Feature): ReturnType<typeof decoder> => decoder(table, (feature) => feature !== absent);

  it.each(features)('%s has no instruction', (feature) => {
    const reduced = without(feature);
    const kept: string[] = [];
    for (const row of table) {
      // The pattern's fixed bits, with fields that are allocated.
      for (let attempt = 0; attempt < 200; attempt++) {
        const word = (row.value | (Math.imul(attempt, 0x9e3779b1) & ~row.mask)) >>> 0;
        if (decode(word)?.row !== row) continue;
        const other = reduced(word)?.row;
        // What is left of it may be another row's, as in the space of hints.
        if (row.feature === feature ? other?.feature === feature : other !== row)
          kept.push(`${row.name} ${word.toString(16)}`);
        break;
      }
    }
    expect(kept).toEqual([]);
  });

  it('leaves its words UNDEFINED', () => {
    expect(decode(0xf8210002)?.row.name).toBe('LDADD');
    expect(without('FEAT_LSE')(0xf8210002)).toBeUndefined();
    expect(without('FEAT_SB')(0xd50330ff)).toBeUndefined();
    expect(without('FEAT_FP16')(0x1ee22820)).toBeUndefined();
    expect(without('FEAT_FP16')(0x1e622820)?.row.name).toBe('FADD (scalar)');
  });
});
