/**
 * What the processor is: its identification registers, derived from the list of the features it implements
 * (DDI 0487, D17.2). An instruction or mechanism is advertised by adding its name to `IMPLEMENTED`, nowhere else.
 */

type Field = readonly [register: IdRegister, lsb: number, value: number];

export type IdRegister =
  | 'ID_AA64PFR0_EL1'
  | 'ID_AA64PFR1_EL1'
  | 'ID_AA64DFR0_EL1'
  | 'ID_AA64ISAR0_EL1'
  | 'ID_AA64ISAR1_EL1'
  | 'ID_AA64ISAR2_EL1'
  | 'ID_AA64MMFR0_EL1'
  | 'ID_AA64MMFR1_EL1'
  | 'ID_AA64MMFR2_EL1';

/** Where each feature shows. Of the features that share a field the highest value stands. */
const FIELDS = {
  FEAT_FP16: [
    ['ID_AA64PFR0_EL1', 16, 1],
    ['ID_AA64PFR0_EL1', 20, 1],
  ],
  FEAT_RAS: [['ID_AA64PFR0_EL1', 28, 1]],
  FEAT_GICv3: [['ID_AA64PFR0_EL1', 24, 1]],
  FEAT_DIT: [['ID_AA64PFR0_EL1', 48, 1]],
  FEAT_CSV2: [['ID_AA64PFR0_EL1', 56, 1]],
  FEAT_CSV2_2: [['ID_AA64PFR0_EL1', 56, 2]],
  FEAT_CSV2_3: [['ID_AA64PFR0_EL1', 56, 3]],
  FEAT_CSV3: [['ID_AA64PFR0_EL1', 60, 1]],
  FEAT_BTI: [['ID_AA64PFR1_EL1', 0, 1]],
  FEAT_SSBS: [['ID_AA64PFR1_EL1', 4, 1]],
  FEAT_SSBS2: [['ID_AA64PFR1_EL1', 4, 2]],
  FEAT_Debugv8p1: [['ID_AA64DFR0_EL1', 0, 7]],
  FEAT_Debugv8p2: [['ID_AA64DFR0_EL1', 0, 8]],
  FEAT_PMUv3: [['ID_AA64DFR0_EL1', 8, 1]],
  FEAT_PMUv3p1: [['ID_AA64DFR0_EL1', 8, 4]],
  FEAT_AES: [['ID_AA64ISAR0_EL1', 4, 1]],
  FEAT_PMULL: [['ID_AA64ISAR0_EL1', 4, 2]],
  FEAT_SHA1: [['ID_AA64ISAR0_EL1', 8, 1]],
  FEAT_SHA256: [['ID_AA64ISAR0_EL1', 12, 1]],
  FEAT_SHA512: [['ID_AA64ISAR0_EL1', 12, 2]],
  FEAT_CRC32: [['ID_AA64ISAR0_EL1', 16, 1]],
  FEAT_LSE: [['ID_AA64ISAR0_EL1', 20, 2]],
  FEAT_RDM: [['ID_AA64ISAR0_EL1', 28, 1]],
  FEAT_SHA3: [['ID_AA64ISAR0_EL1', 32, 1]],
  FEAT_SM3: [['ID_AA64ISAR0_EL1', 36, 1]],
  FEAT_SM4: [['ID_AA64ISAR0_EL1', 40, 1]],
  FEAT_DotProd: [['ID_AA64ISAR0_EL1', 44, 1]],
  FEAT_FHM: [['ID_AA64ISAR0_EL1', 48, 1]],
  FEAT_FlagM: [['ID_AA64ISAR0_EL1', 52, 1]],
  FEAT_FlagM2: [['ID_AA64ISAR0_EL1', 52, 2]],
  FEAT_TLBIOS: [['ID_AA64ISAR0_EL1', 56, 1]],
  FEAT_TLBIRANGE: [['ID_AA64ISAR0_EL1', 56, 2]],
  FEAT_RNG: [['ID_AA64ISAR0_EL1', 60, 1]],
  FEAT_DPB: [['ID_AA64ISAR1_EL1', 0, 1]],
  FEAT_DPB2: [['ID_AA64ISAR1_EL1', 0, 2]],
  FEAT_JSCVT: [['ID_AA64ISAR1_EL1', 12, 1]],
  FEAT_FCMA: [['ID_AA64ISAR1_EL1', 16, 1]],
  FEAT_LRCPC: [['ID_AA64ISAR1_EL1', 20, 1]],
  FEAT_LRCPC2: [['ID_AA64ISAR1_EL1', 20, 2]],
  FEAT_FRINTTS: [['ID_AA64ISAR1_EL1', 32, 1]],
  FEAT_SB: [['ID_AA64ISAR1_EL1', 36, 1]],
  FEAT_BF16: [['ID_AA64ISAR1_EL1', 44, 1]],
  FEAT_DGH: [['ID_AA64ISAR1_EL1', 48, 1]],
  FEAT_I8MM: [['ID_AA64ISAR1_EL1', 52, 1]],
  FEAT_ECV: [['ID_AA64MMFR0_EL1', 60, 2]],
  FEAT_HAFDBS: [['ID_AA64MMFR1_EL1', 0, 2]],
  FEAT_VMID16: [['ID_AA64MMFR1_EL1', 4, 2]],
  FEAT_VHE: [['ID_AA64MMFR1_EL1', 8, 1]],
  FEAT_HPDS: [['ID_AA64MMFR1_EL1', 12, 1]],
  FEAT_LOR: [['ID_AA64MMFR1_EL1', 16, 1]],
  FEAT_PAN: [['ID_AA64MMFR1_EL1', 20, 1]],
  FEAT_PAN2: [['ID_AA64MMFR1_EL1', 20, 2]],
  FEAT_XNX: [['ID_AA64MMFR1_EL1', 28, 1]],
  FEAT_TTCNP: [['ID_AA64MMFR2_EL1', 0, 1]],
  FEAT_UAO: [['ID_AA64MMFR2_EL1', 4, 1]],
  FEAT_S2FWB: [['ID_AA64MMFR2_EL1', 40, 1]],
  FEAT_IDST: [['ID_AA64MMFR2_EL1', 36, 1]],
  FEAT_TTL: [['ID_AA64MMFR2_EL1', 48, 1]],
  FEAT_EVT: [['ID_AA64MMFR2_EL1', 56, 2]],
  FEAT_E0PD: [['ID_AA64MMFR2_EL1', 60, 1]],
} as const satisfies Record<string, readonly Field[]>;

export type Feature = keyof typeof FIELDS;

const IMPLEMENTED: ReadonlySet<Feature> = new Set<Feature>([
  'FEAT_CRC32',
  'FEAT_LSE',
  'FEAT_RDM',
  'FEAT_AES',
  'FEAT_PMULL',
  'FEAT_SHA1',
  'FEAT_SHA256',
  'FEAT_SHA512',
  'FEAT_SHA3',
  'FEAT_DotProd',
  'FEAT_FHM',
  'FEAT_FP16',
  'FEAT_JSCVT',
  'FEAT_FCMA',
  'FEAT_FRINTTS',
  'FEAT_BF16',
  'FEAT_I8MM',
  'FEAT_LRCPC',
  'FEAT_LRCPC2',
  'FEAT_FlagM',
  'FEAT_FlagM2',
  'FEAT_DIT',
  'FEAT_SB',
  'FEAT_DGH',
  'FEAT_RNG',
  'FEAT_PAN',
  'FEAT_PAN2',
  'FEAT_UAO',
  'FEAT_DPB',
  'FEAT_DPB2',
  'FEAT_HAFDBS',
  'FEAT_VHE',
  'FEAT_HPDS',
  'FEAT_LOR',
  'FEAT_XNX',
  'FEAT_VMID16',
  'FEAT_TTCNP',
  'FEAT_S2FWB',
  'FEAT_IDST',
  'FEAT_TTL',
  'FEAT_EVT',
  'FEAT_E0PD',
  'FEAT_TLBIOS',
  'FEAT_TLBIRANGE',
  'FEAT_CSV2',
  'FEAT_CSV2_2',
  'FEAT_CSV2_3',
  'FEAT_CSV3',
  'FEAT_SSBS',
  'FEAT_SSBS2',
  'FEAT_RAS',
  'FEAT_GICv3',
  'FEAT_ECV',
  'FEAT_Debugv8p1',
  'FEAT_Debugv8p2',
  'FEAT_PMUv3',
  'FEAT_PMUv3p1',
]);

/** Whether the processor implements a feature, by its name in the manual (`FEAT_LSE`). */
export function hasFeature(name: Feature): boolean {
  return IMPLEMENTED.has(name);
}

/** Physical address bits: the largest size whose encoding every granule can reach without FEAT_LPA. */
export const PHYSICAL_ADDRESS_BITS = 48;

/** Hardware breakpoints and watchpoints; the last of the breakpoints is context-aware. */
export const BREAKPOINTS = 6;
export const WATCHPOINTS = 4;
export const CONTEXT_BREAKPOINTS = 1;

/** Event counters of the performance monitors. */
export const EVENT_COUNTERS = 6;

/** Fields that no feature name decides. */
const BASE: readonly Field[] = [
  // EL0, EL1 and EL2 in AArch64 state only; no EL3.
  ['ID_AA64PFR0_EL1', 0, 1],
  ['ID_AA64PFR0_EL1', 4, 1],
  ['ID_AA64PFR0_EL1', 8, 1],
  ['ID_AA64DFR0_EL1', 12, BREAKPOINTS - 1],
  ['ID_AA64DFR0_EL1', 20, WATCHPOINTS - 1],
  ['ID_AA64DFR0_EL1', 28, CONTEXT_BREAKPOINTS - 1],
  // No OS double lock.
  ['ID_AA64DFR0_EL1', 36, 15],
  // PARange 48 bits, ASID 16 bits; 4K (0), 16K (1) and 64K (0) granules in stage 1 and, as 2, in stage 2.
  ['ID_AA64MMFR0_EL1', 0, 5],
  ['ID_AA64MMFR0_EL1', 4, 2],
  ['ID_AA64MMFR0_EL1', 20, 1],
  ['ID_AA64MMFR0_EL1', 32, 2],
  ['ID_AA64MMFR0_EL1', 36, 2],
  ['ID_AA64MMFR0_EL1', 40, 2],
];

const VALUES = new Map<IdRegister, bigint>();

function setField([register, lsb, value]: Field): void {
  const shift = BigInt(lsb);
  const old = VALUES.get(register) ?? 0n;
  const field = BigInt(value);
  if (((old >> shift) & 15n) < field) VALUES.set(register, (old & ~(15n << shift)) | (field << shift));
}

BASE.forEach(setField);
for (const feature of IMPLEMENTED) FIELDS[feature].forEach(setField);

/** The value of an identification register as the features make it. */
export function idRegister(name: IdRegister): bigint {
  return VALUES.get(name) ?? 0n;
}

/** MIDR_EL1: implementer 0 ("reserved for software use"), architecture by ID registers, part 0x04e, r0p0. */
export const MIDR = 0x000f_04e0n;

/** CTR_EL0: 64-byte lines, PIPT, 64-byte exclusives granule; IDC = 1 (no cleaning to the PoU needed), DIC = 0. */
export const CTR = 0x9444_c004n;

/** DCZID_EL0.BS: DC ZVA clears 2^4 words. */
export const DCZID = 4n;
/** DCZID_EL0.DZP, which is added where DC ZVA would trap. */
export const DCZID_DZP = 1 << 4;

/** CLIDR_EL1: split L1, unified L2, LoC 2, and LoUU = LoUIS = 0 as CTR_EL0.IDC = 1 asks. */
export const CLIDR = 0x0200_0023n;

/** CCSIDR_EL1 by CSSELR_EL1.{Level, InD}: 32 KiB 4-way L1s, a 1 MiB 16-way L2; 64-byte lines. */
export function cacheSize(csselr: number): bigint {
  const describe = (sets: number, ways: number): bigint => BigInt(((sets - 1) << 13) | ((ways - 1) << 3) | 2);
  if (csselr === 0 || csselr === 1) return describe(128, 4);
  if (csselr === 2) return describe(1024, 16);
  return 0n;
}

/** MPIDR_EL1 of core `index`: Aff0 = index % 16, Aff1 = index / 16, bit 31 RES1, not uniprocessor. */
export function mpidr(index: number): bigint {
  return 0x8000_0000n | BigInt(((index >> 4) << 8) | (index & 15));
}
