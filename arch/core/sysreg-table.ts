import { bits, HCR } from './sysreg-bits.ts';
import { CLIDR, CTR, EVENT_COUNTERS, idRegister, MIDR, type Feature } from './idregs.ts';

/**
 * The system registers, each once: `op0 op1 CRn CRm op2` as MRS and MSR name it (DDI 0487, D17), who may touch it,
 * what traps it, what it keeps. sysreg.ts gives them their meaning where they are more than storage.
 */
export interface Row {
  /** `op0 op1 CRn CRm op2`. */
  at: string;
  /** Lowest EL that may read or write; default 1. 3 (there is no EL3) means never. */
  el?: number;
  readEl?: number;
  writeEl?: number;
  /** Bits that a write changes (the others are RES0 or read-only); default all 64. */
  mask?: bigint;
  /** Bits that read as one. */
  one?: bigint;
  /** Value after reset; default 0. */
  reset?: bigint;
  /** A constant: no storage, writes are ignored. */
  value?: bigint;
  /** No storage of its own: sysreg.ts computes it. */
  computed?: true;
  /** Bits of HCR_EL2 that trap EL0's and EL1's reads and writes to EL2. */
  hcrRead?: readonly number[];
  hcrWrite?: readonly number[];
  /** Further access control, by its name in sysreg-traps.ts. */
  check?: Check;
  /** What a write that changes the value makes stale. */
  effect?: 'context' | 'timers';
  /** The register that this encoding reaches at EL2 with HCR_EL2.E2H; op1 = 5 then reaches this one (_EL12, _EL02). */
  e2h?: string;
  feature?: Feature;
  /** Event of the performance monitors that a write is. */
  event?: number;
}

export type Check =
  | 'ctr'
  | 'fp'
  | 'cpacr'
  | 'daif'
  | 'scxtnum'
  | 'debug'
  | 'debugOs'
  | 'debugRom'
  | 'debugComms'
  | 'pmu'
  | 'pmuControl'
  | 'pmuCycles'
  | 'pmuCounter'
  | 'pmuSelect'
  | 'pmuIncrement'
  | 'pmuTraps'
  | 'counterFrequency'
  | 'physicalCounter'
  | 'virtualCounter'
  | 'physicalTimer'
  | 'virtualTimer'
  | 'spEl0'
  | 'gicCommon'
  | 'gicDirect'
  | 'gicSgi'
  | 'gicGroup0'
  | 'gicGroup1';

const RO = { writeEl: 3 } as const;
const WO = { readEl: 3 } as const;
const TVM = { hcrRead: [HCR.TRVM], hcrWrite: [HCR.TVM] } as const;
const ID = { writeEl: 3, hcrRead: [HCR.TID3] } as const;
const RAZ = { value: 0n } as const;
/** Events of the performance monitors. */
const CID_WRITE_RETIRED = 0x0b;
const TTBR_WRITE_RETIRED = 0x1c;

const SCTLR_BITS = [0, 1, 2, 3, 4, 12, 14, 15, 16, 18, 19, 20, 23, 26, 44] as const;
/** EOS, EIS, nTLSMD, LSMAOE: RES1 without FEAT_ExS and FEAT_LSMAOC. */
const SCTLR_ONE = bits(11, 22, 28, 29);
/** ITD and SED: RES1 where EL0 has no AArch32. */
const SCTLR_EL0_ONE = bits(7, 8);
const TCR_EL1_BITS = bits([5, 0], [34, 7], [42, 36], 55, 56);
const SPSR_BITS = bits([31, 28], [24, 20], 12, [9, 6], [4, 0]);
const TIMER = { el: 0, effect: 'timers' } as const;
const CTL_BITS = bits(0, 1);

const IDENTIFICATION = {
  MIDR_EL1: { at: '3 0 0 0 0', ...RO, computed: true },
  MPIDR_EL1: { at: '3 0 0 0 5', ...RO, computed: true },
  REVIDR_EL1: { at: '3 0 0 0 6', ...RO, ...RAZ, hcrRead: [HCR.TID1] },
  ID_AA64PFR0_EL1: { at: '3 0 0 4 0', ...ID, value: idRegister('ID_AA64PFR0_EL1') },
  ID_AA64PFR1_EL1: { at: '3 0 0 4 1', ...ID, value: idRegister('ID_AA64PFR1_EL1') },
  ID_AA64DFR0_EL1: { at: '3 0 0 5 0', ...ID, value: idRegister('ID_AA64DFR0_EL1') },
  ID_AA64ISAR0_EL1: { at: '3 0 0 6 0', ...ID, value: idRegister('ID_AA64ISAR0_EL1') },
  ID_AA64ISAR1_EL1: { at: '3 0 0 6 1', ...ID, value: idRegister('ID_AA64ISAR1_EL1') },
  ID_AA64ISAR2_EL1: { at: '3 0 0 6 2', ...ID, value: idRegister('ID_AA64ISAR2_EL1') },
  ID_AA64MMFR0_EL1: { at: '3 0 0 7 0', ...ID, value: idRegister('ID_AA64MMFR0_EL1') },
  ID_AA64MMFR1_EL1: { at: '3 0 0 7 1', ...ID, value: idRegister('ID_AA64MMFR1_EL1') },
  ID_AA64MMFR2_EL1: { at: '3 0 0 7 2', ...ID, value: idRegister('ID_AA64MMFR2_EL1') },
  CCSIDR_EL1: { at: '3 1 0 0 0', ...RO, computed: true, hcrRead: [HCR.TID2, HCR.TID4] },
  CLIDR_EL1: { at: '3 1 0 0 1', ...RO, value: CLIDR, hcrRead: [HCR.TID2, HCR.TID4] },
  AIDR_EL1: { at: '3 1 0 0 7', ...RO, ...RAZ, hcrRead: [HCR.TID1] },
  CSSELR_EL1: {
    at: '3 2 0 0 0',
    mask: bits([3, 0]),
    hcrRead: [HCR.TID2, HCR.TID4],
    hcrWrite: [HCR.TID2, HCR.TID4],
  },
  CTR_EL0: { at: '3 3 0 0 1', el: 0, ...RO, value: CTR, check: 'ctr' },
  DCZID_EL0: { at: '3 3 0 0 7', el: 0, ...RO, computed: true },
  VPIDR_EL2: { at: '3 4 0 0 0', el: 2, mask: bits([31, 0]), reset: MIDR },
  VMPIDR_EL2: { at: '3 4 0 0 5', el: 2, mask: bits([39, 32], 30, [24, 0]), one: bits(31) },
} as const satisfies Record<string, Row>;

const SPECIAL = {
  SPSR_EL1: { at: '3 0 4 0 0', mask: SPSR_BITS, e2h: 'SPSR_EL2' },
  ELR_EL1: { at: '3 0 4 0 1', e2h: 'ELR_EL2' },
  SP_EL0: { at: '3 0 4 1 0', check: 'spEl0' },
  SPSel: { at: '3 0 4 2 0', computed: true },
  CurrentEL: { at: '3 0 4 2 2', ...RO, computed: true },
  PAN: { at: '3 0 4 2 3', computed: true, feature: 'FEAT_PAN' },
  UAO: { at: '3 0 4 2 4', computed: true, feature: 'FEAT_UAO' },
  NZCV: { at: '3 3 4 2 0', el: 0, computed: true },
  DAIF: { at: '3 3 4 2 1', el: 0, computed: true, check: 'daif' },
  DIT: { at: '3 3 4 2 5', el: 0, computed: true, feature: 'FEAT_DIT' },
  SSBS: { at: '3 3 4 2 6', el: 0, computed: true, feature: 'FEAT_SSBS2' },
  FPCR: { at: '3 3 4 4 0', el: 0, computed: true, check: 'fp' },
  FPSR: { at: '3 3 4 4 1', el: 0, computed: true, check: 'fp' },
  RNDR: { at: '3 3 2 4 0', el: 0, ...RO, computed: true, feature: 'FEAT_RNG' },
  RNDRRS: { at: '3 3 2 4 1', el: 0, ...RO, computed: true, feature: 'FEAT_RNG' },
  SPSR_EL2: { at: '3 4 4 0 0', el: 2, mask: SPSR_BITS },
  ELR_EL2: { at: '3 4 4 0 1', el: 2 },
  SP_EL1: { at: '3 4 4 1 0', el: 2 },
  // Banked registers of AArch32 modes: RES0 as no EL has AArch32.
  SPSR_irq: { at: '3 4 4 3 0', el: 2, ...RAZ },
  SPSR_abt: { at: '3 4 4 3 1', el: 2, ...RAZ },
  SPSR_und: { at: '3 4 4 3 2', el: 2, ...RAZ },
  SPSR_fiq: { at: '3 4 4 3 3', el: 2, ...RAZ },
  // SP_EL2 has an encoding for EL3 only; the row gives it its place.
  SP_EL2: { at: '3 6 4 1 0', el: 3 },
} as const satisfies Record<string, Row>;

const EL1 = {
  SCTLR_EL1: {
    at: '3 0 1 0 0',
    ...TVM,
    mask: bits(...SCTLR_BITS, 9),
    one: SCTLR_ONE | SCTLR_EL0_ONE,
    reset: bits(20, 23),
    effect: 'context',
    e2h: 'SCTLR_EL2',
  },
  ACTLR_EL1: { at: '3 0 1 0 1', ...RAZ, hcrRead: [HCR.TACR], hcrWrite: [HCR.TACR] },
  CPACR_EL1: { at: '3 0 1 0 2', check: 'cpacr', mask: bits(20, 21), effect: 'context', e2h: 'CPTR_EL2' },
  TTBR0_EL1: { at: '3 0 2 0 0', ...TVM, event: TTBR_WRITE_RETIRED, effect: 'context', e2h: 'TTBR0_EL2' },
  TTBR1_EL1: { at: '3 0 2 0 1', ...TVM, event: TTBR_WRITE_RETIRED, effect: 'context', e2h: 'TTBR1_EL2' },
  TCR_EL1: { at: '3 0 2 0 2', ...TVM, mask: TCR_EL1_BITS, effect: 'context', e2h: 'TCR_EL2' },
  AFSR0_EL1: { at: '3 0 5 1 0', ...TVM, ...RAZ, e2h: 'AFSR0_EL2' },
  AFSR1_EL1: { at: '3 0 5 1 1', ...TVM, ...RAZ, e2h: 'AFSR1_EL2' },
  ESR_EL1: { at: '3 0 5 2 0', ...TVM, mask: bits([31, 0]), e2h: 'ESR_EL2' },
  // No error records.
  ERRIDR_EL1: { at: '3 0 5 3 0', ...RO, ...RAZ, hcrRead: [HCR.TERR], feature: 'FEAT_RAS' },
  FAR_EL1: { at: '3 0 6 0 0', ...TVM, e2h: 'FAR_EL2' },
  PAR_EL1: { at: '3 0 7 4 0' },
  MAIR_EL1: { at: '3 0 10 2 0', ...TVM, effect: 'context', e2h: 'MAIR_EL2' },
  AMAIR_EL1: { at: '3 0 10 3 0', ...TVM, ...RAZ, e2h: 'AMAIR_EL2' },
  LORSA_EL1: { at: '3 0 10 4 0', ...RAZ, hcrRead: [HCR.TLOR], hcrWrite: [HCR.TLOR], feature: 'FEAT_LOR' },
  LOREA_EL1: { at: '3 0 10 4 1', ...RAZ, hcrRead: [HCR.TLOR], hcrWrite: [HCR.TLOR], feature: 'FEAT_LOR' },
  LORN_EL1: { at: '3 0 10 4 2', ...RAZ, hcrRead: [HCR.TLOR], hcrWrite: [HCR.TLOR], feature: 'FEAT_LOR' },
  LORC_EL1: { at: '3 0 10 4 3', ...RAZ, hcrRead: [HCR.TLOR], hcrWrite: [HCR.TLOR], feature: 'FEAT_LOR' },
  LORID_EL1: { at: '3 0 10 4 7', ...RO, ...RAZ, hcrRead: [HCR.TLOR], feature: 'FEAT_LOR' },
  VBAR_EL1: { at: '3 0 12 0 0', mask: bits([63, 11]), e2h: 'VBAR_EL2' },
  ISR_EL1: { at: '3 0 12 1 0', ...RO, computed: true },
  DISR_EL1: { at: '3 0 12 1 1', mask: bits(31, [24, 0]), feature: 'FEAT_RAS' },
  CONTEXTIDR_EL1: { at: '3 0 13 0 1', ...TVM, event: CID_WRITE_RETIRED, mask: bits([31, 0]), e2h: 'CONTEXTIDR_EL2' },
  TPIDR_EL1: { at: '3 0 13 0 4' },
  SCXTNUM_EL1: { at: '3 0 13 0 7', check: 'scxtnum', e2h: 'SCXTNUM_EL2', feature: 'FEAT_CSV2_2' },
  TPIDR_EL0: { at: '3 3 13 0 2', el: 0 },
  TPIDRRO_EL0: { at: '3 3 13 0 3', readEl: 0, writeEl: 1 },
  SCXTNUM_EL0: { at: '3 3 13 0 7', el: 0, check: 'scxtnum', feature: 'FEAT_CSV2_2' },
} as const satisfies Record<string, Row>;

const EL2 = {
  SCTLR_EL2: {
    at: '3 4 1 0 0',
    el: 2,
    // CP15BEN, ITD, SED: RES0 or RES1 by HCR_EL2.{E2H, TGE}, so they keep what is written.
    mask: bits(...SCTLR_BITS, 5, 7, 8),
    one: SCTLR_ONE,
    reset: bits(20, 23),
    effect: 'context',
  },
  ACTLR_EL2: { at: '3 4 1 0 1', el: 2, ...RAZ },
  HCR_EL2: {
    at: '3 4 1 1 0',
    el: 2,
    mask: bits([14, 0], [30, 16], [37, 32], 46, 49, 50, [55, 52]),
    // RW is RAO/WI: EL1 has AArch64 only.
    one: bits(HCR.RW),
    effect: 'context',
  },
  MDCR_EL2: { at: '3 4 1 1 1', el: 2, mask: bits([11, 0], 17), reset: BigInt(EVENT_COUNTERS), effect: 'context' },
  CPTR_EL2: { at: '3 4 1 1 2', el: 2, mask: bits(10, 20, 21, 31), effect: 'context' },
  HSTR_EL2: { at: '3 4 1 1 3', el: 2, mask: bits([15, 0]) },
  HACR_EL2: { at: '3 4 1 1 7', el: 2, ...RAZ },
  TTBR0_EL2: { at: '3 4 2 0 0', el: 2, event: TTBR_WRITE_RETIRED, effect: 'context' },
  TTBR1_EL2: { at: '3 4 2 0 1', el: 2, event: TTBR_WRITE_RETIRED, effect: 'context' },
  TCR_EL2: { at: '3 4 2 0 2', el: 2, mask: TCR_EL1_BITS, effect: 'context' },
  VTTBR_EL2: { at: '3 4 2 1 0', el: 2, effect: 'context' },
  VTCR_EL2: { at: '3 4 2 1 2', el: 2, mask: bits([19, 0], 21, 22), one: bits(31), effect: 'context' },
  AFSR0_EL2: { at: '3 4 5 1 0', el: 2, ...RAZ },
  AFSR1_EL2: { at: '3 4 5 1 1', el: 2, ...RAZ },
  ESR_EL2: { at: '3 4 5 2 0', el: 2, mask: bits([31, 0]) },
  VSESR_EL2: { at: '3 4 5 2 3', el: 2, mask: bits([24, 0]), feature: 'FEAT_RAS' },
  FAR_EL2: { at: '3 4 6 0 0', el: 2 },
  HPFAR_EL2: { at: '3 4 6 0 4', el: 2, mask: bits([39, 4]) },
  MAIR_EL2: { at: '3 4 10 2 0', el: 2, effect: 'context' },
  AMAIR_EL2: { at: '3 4 10 3 0', el: 2, ...RAZ },
  VBAR_EL2: { at: '3 4 12 0 0', el: 2, mask: bits([63, 11]) },
  RVBAR_EL2: { at: '3 4 12 0 1', el: 2, ...RO, ...RAZ },
  VDISR_EL2: { at: '3 4 12 1 1', el: 2, mask: bits(31, [24, 0]), feature: 'FEAT_RAS' },
  CONTEXTIDR_EL2: { at: '3 4 13 0 1', el: 2, event: CID_WRITE_RETIRED, mask: bits([31, 0]) },
  TPIDR_EL2: { at: '3 4 13 0 2', el: 2 },
  SCXTNUM_EL2: { at: '3 4 13 0 7', el: 2, feature: 'FEAT_CSV2_2' },
} as const satisfies Record<string, Row>;

const TIMERS = {
  CNTFRQ_EL0: { at: '3 3 14 0 0', readEl: 0, writeEl: 2, mask: bits([31, 0]), check: 'counterFrequency' },
  CNTPCT_EL0: { at: '3 3 14 0 1', el: 0, ...RO, computed: true, check: 'physicalCounter' },
  CNTVCT_EL0: { at: '3 3 14 0 2', el: 0, ...RO, computed: true, check: 'virtualCounter' },
  // Reading a count is ordered as it stands: the self-synchronized views are the same.
  CNTPCTSS_EL0: { at: '3 3 14 0 5', el: 0, ...RO, computed: true, check: 'physicalCounter', feature: 'FEAT_ECV' },
  CNTVCTSS_EL0: { at: '3 3 14 0 6', el: 0, ...RO, computed: true, check: 'virtualCounter', feature: 'FEAT_ECV' },
  CNTPOFF_EL2: { at: '3 4 14 0 6', el: 2, effect: 'timers', feature: 'FEAT_ECV' },
  CNTKCTL_EL1: { at: '3 0 14 1 0', mask: bits([9, 0], 17), e2h: 'CNTHCTL_EL2' },
  CNTP_TVAL_EL0: { at: '3 3 14 2 0', el: 0, computed: true, check: 'physicalTimer', e2h: 'CNTHP_TVAL_EL2' },
  CNTP_CTL_EL0: { at: '3 3 14 2 1', ...TIMER, mask: CTL_BITS, check: 'physicalTimer', e2h: 'CNTHP_CTL_EL2' },
  CNTP_CVAL_EL0: { at: '3 3 14 2 2', ...TIMER, check: 'physicalTimer', e2h: 'CNTHP_CVAL_EL2' },
  CNTV_TVAL_EL0: { at: '3 3 14 3 0', el: 0, computed: true, check: 'virtualTimer', e2h: 'CNTHV_TVAL_EL2' },
  CNTV_CTL_EL0: { at: '3 3 14 3 1', ...TIMER, mask: CTL_BITS, check: 'virtualTimer', e2h: 'CNTHV_CTL_EL2' },
  CNTV_CVAL_EL0: { at: '3 3 14 3 2', ...TIMER, check: 'virtualTimer', e2h: 'CNTHV_CVAL_EL2' },
  CNTVOFF_EL2: { at: '3 4 14 0 3', el: 2, effect: 'timers' },
  CNTHCTL_EL2: { at: '3 4 14 1 0', el: 2, mask: bits([17, 0]), reset: 3n, effect: 'timers' },
  CNTHP_TVAL_EL2: { at: '3 4 14 2 0', el: 2, computed: true },
  CNTHP_CTL_EL2: { at: '3 4 14 2 1', el: 2, mask: CTL_BITS, effect: 'timers' },
  CNTHP_CVAL_EL2: { at: '3 4 14 2 2', el: 2, effect: 'timers' },
  CNTHV_TVAL_EL2: { at: '3 4 14 3 0', el: 2, computed: true },
  CNTHV_CTL_EL2: { at: '3 4 14 3 1', el: 2, mask: CTL_BITS, effect: 'timers' },
  CNTHV_CVAL_EL2: { at: '3 4 14 3 2', el: 2, effect: 'timers' },
} as const satisfies Record<string, Row>;

const DEBUG = {
  OSDTRRX_EL1: { at: '2 0 0 0 2', mask: bits([31, 0]), check: 'debug' },
  MDCCINT_EL1: { at: '2 0 0 2 0', mask: bits(29, 30), check: 'debug' },
  MDSCR_EL1: {
    at: '2 0 0 2 2',
    mask: bits(0, 6, [15, 12], [23, 21], 26, 27, 29, 30),
    check: 'debug',
    effect: 'context',
  },
  OSDTRTX_EL1: { at: '2 0 0 3 2', mask: bits([31, 0]), check: 'debug' },
  OSECCR_EL1: { at: '2 0 0 6 2', mask: bits([31, 0]), check: 'debug' },
  MDRAR_EL1: { at: '2 0 1 0 0', ...RO, ...RAZ, check: 'debugRom' },
  OSLAR_EL1: { at: '2 0 1 0 4', ...WO, computed: true, check: 'debugOs' },
  OSLSR_EL1: { at: '2 0 1 1 4', ...RO, reset: 0xan, check: 'debugOs' },
  OSDLR_EL1: { at: '2 0 1 3 4', ...RAZ, check: 'debugOs' },
  DBGPRCR_EL1: { at: '2 0 1 4 4', mask: bits(0), check: 'debugOs' },
  DBGCLAIMSET_EL1: { at: '2 0 7 8 6', computed: true, check: 'debug' },
  // Keeps the claim tags.
  DBGCLAIMCLR_EL1: { at: '2 0 7 9 6', mask: bits([7, 0]), check: 'debug' },
  DBGAUTHSTATUS_EL1: { at: '2 0 7 14 6', ...RO, ...RAZ, check: 'debug' },
  MDCCSR_EL0: { at: '2 3 0 1 0', el: 0, ...RO, ...RAZ, check: 'debugComms' },
  DBGDTR_EL0: { at: '2 3 0 4 0', el: 0, ...RAZ, check: 'debugComms' },
  DBGDTRTX_EL0: { at: '2 3 0 5 0', el: 0, ...RAZ, check: 'debugComms' },
} as const satisfies Record<string, Row>;

const BVR = { mask: bits([63, 2]), check: 'debug', effect: 'context' } as const;
/** BAS is RES1: no AArch32. */
const BCR = { mask: bits([23, 13], 2, 1, 0), one: bits([8, 5]), check: 'debug', effect: 'context' } as const;
const WVR = { mask: bits([63, 2]), check: 'debug', effect: 'context' } as const;
const WCR = { mask: bits([28, 24], [20, 0]), check: 'debug', effect: 'context' } as const;

const BREAKPOINTS = {
  DBGBVR0_EL1: { at: '2 0 0 0 4', ...BVR },
  DBGBVR1_EL1: { at: '2 0 0 1 4', ...BVR },
  DBGBVR2_EL1: { at: '2 0 0 2 4', ...BVR },
  DBGBVR3_EL1: { at: '2 0 0 3 4', ...BVR },
  DBGBVR4_EL1: { at: '2 0 0 4 4', ...BVR },
  // Compares contexts too: all bits.
  DBGBVR5_EL1: { at: '2 0 0 5 4', check: 'debug', effect: 'context' },
  DBGBCR0_EL1: { at: '2 0 0 0 5', ...BCR },
  DBGBCR1_EL1: { at: '2 0 0 1 5', ...BCR },
  DBGBCR2_EL1: { at: '2 0 0 2 5', ...BCR },
  DBGBCR3_EL1: { at: '2 0 0 3 5', ...BCR },
  DBGBCR4_EL1: { at: '2 0 0 4 5', ...BCR },
  DBGBCR5_EL1: { at: '2 0 0 5 5', ...BCR },
  DBGWVR0_EL1: { at: '2 0 0 0 6', ...WVR },
  DBGWVR1_EL1: { at: '2 0 0 1 6', ...WVR },
  DBGWVR2_EL1: { at: '2 0 0 2 6', ...WVR },
  DBGWVR3_EL1: { at: '2 0 0 3 6', ...WVR },
  DBGWCR0_EL1: { at: '2 0 0 0 7', ...WCR },
  DBGWCR1_EL1: { at: '2 0 0 1 7', ...WCR },
  DBGWCR2_EL1: { at: '2 0 0 2 7', ...WCR },
  DBGWCR3_EL1: { at: '2 0 0 3 7', ...WCR },
} as const satisfies Record<string, Row>;

const PMU = { el: 0, check: 'pmu', feature: 'FEAT_PMUv3' } as const;
const COUNTERS_MASK = bits(31, [EVENT_COUNTERS - 1, 0]);
const COUNTER = { el: 0, mask: bits([31, 0]), check: 'pmuCounter', feature: 'FEAT_PMUv3' } as const;
/** P, U, NSH and the event. */
const COUNTER_TYPE = { ...PMU, mask: bits(31, 30, 27, [15, 0]) } as const;

const PERFORMANCE_MONITORS = {
  // LC: there is no AArch32.
  PMCR_EL0: { at: '3 3 9 12 0', ...PMU, mask: bits(0, 1, 2, 3, 4, 5), one: bits(6), check: 'pmuControl' },
  PMCNTENSET_EL0: { at: '3 3 9 12 1', ...PMU, mask: COUNTERS_MASK },
  PMCNTENCLR_EL0: { at: '3 3 9 12 2', ...PMU, mask: COUNTERS_MASK, computed: true },
  PMOVSCLR_EL0: { at: '3 3 9 12 3', ...PMU, mask: COUNTERS_MASK, computed: true },
  PMSWINC_EL0: { at: '3 3 9 12 4', ...PMU, ...WO, computed: true, check: 'pmuIncrement' },
  PMSELR_EL0: { at: '3 3 9 12 5', ...PMU, mask: bits([4, 0]), check: 'pmuSelect' },
  PMCEID0_EL0: { at: '3 3 9 12 6', ...PMU, ...RO, computed: true },
  PMCEID1_EL0: { at: '3 3 9 12 7', ...PMU, ...RO, computed: true },
  PMCCNTR_EL0: { at: '3 3 9 13 0', ...PMU, check: 'pmuCycles' },
  PMXEVTYPER_EL0: { at: '3 3 9 13 1', ...PMU, computed: true },
  PMXEVCNTR_EL0: { at: '3 3 9 13 2', ...COUNTER, computed: true },
  PMUSERENR_EL0: {
    at: '3 3 9 14 0',
    readEl: 0,
    writeEl: 1,
    mask: bits([3, 0]),
    check: 'pmuTraps',
    feature: 'FEAT_PMUv3',
  },
  PMOVSSET_EL0: { at: '3 3 9 14 3', ...PMU, mask: COUNTERS_MASK },
  PMINTENSET_EL1: { at: '3 0 9 14 1', mask: COUNTERS_MASK, check: 'pmuTraps', feature: 'FEAT_PMUv3' },
  PMINTENCLR_EL1: { at: '3 0 9 14 2', mask: COUNTERS_MASK, computed: true, check: 'pmuTraps', feature: 'FEAT_PMUv3' },
  PMCCFILTR_EL0: { at: '3 3 14 15 7', ...PMU, mask: bits(31, 30, 27) },
  PMEVCNTR0_EL0: { at: '3 3 14 8 0', ...COUNTER },
  PMEVCNTR1_EL0: { at: '3 3 14 8 1', ...COUNTER },
  PMEVCNTR2_EL0: { at: '3 3 14 8 2', ...COUNTER },
  PMEVCNTR3_EL0: { at: '3 3 14 8 3', ...COUNTER },
  PMEVCNTR4_EL0: { at: '3 3 14 8 4', ...COUNTER },
  PMEVCNTR5_EL0: { at: '3 3 14 8 5', ...COUNTER },
  PMEVTYPER0_EL0: { at: '3 3 14 12 0', ...COUNTER_TYPE },
  PMEVTYPER1_EL0: { at: '3 3 14 12 1', ...COUNTER_TYPE },
  PMEVTYPER2_EL0: { at: '3 3 14 12 2', ...COUNTER_TYPE },
  PMEVTYPER3_EL0: { at: '3 3 14 12 3', ...COUNTER_TYPE },
  PMEVTYPER4_EL0: { at: '3 3 14 12 4', ...COUNTER_TYPE },
  PMEVTYPER5_EL0: { at: '3 3 14 12 5', ...COUNTER_TYPE },
} as const satisfies Record<string, Row>;

const GIC = { computed: true } as const;
const GIC2 = { computed: true, el: 2 } as const;

/** The GIC's CPU interface (IHI 0069, 12.2); the list registers follow below by number. With
 * 5 bits of preemption there is one active priorities register of each kind. */
const GIC_REGISTERS = {
  ICC_PMR_EL1: { at: '3 0 4 6 0', ...GIC, check: 'gicCommon' },
  ICC_IAR0_EL1: { at: '3 0 12 8 0', ...GIC, ...RO, check: 'gicGroup0' },
  ICC_EOIR0_EL1: { at: '3 0 12 8 1', ...GIC, ...WO, check: 'gicGroup0' },
  ICC_HPPIR0_EL1: { at: '3 0 12 8 2', ...GIC, ...RO, check: 'gicGroup0' },
  ICC_BPR0_EL1: { at: '3 0 12 8 3', ...GIC, check: 'gicGroup0' },
  ICC_AP0R0_EL1: { at: '3 0 12 8 4', ...GIC, check: 'gicGroup0' },
  ICC_AP1R0_EL1: { at: '3 0 12 9 0', ...GIC, check: 'gicGroup1' },
  ICC_DIR_EL1: { at: '3 0 12 11 1', ...GIC, ...WO, check: 'gicDirect' },
  ICC_RPR_EL1: { at: '3 0 12 11 3', ...GIC, ...RO, check: 'gicCommon' },
  ICC_SGI1R_EL1: { at: '3 0 12 11 5', ...GIC, ...WO, check: 'gicSgi' },
  ICC_ASGI1R_EL1: { at: '3 0 12 11 6', ...GIC, ...WO, check: 'gicSgi' },
  ICC_SGI0R_EL1: { at: '3 0 12 11 7', ...GIC, ...WO, check: 'gicSgi' },
  ICC_IAR1_EL1: { at: '3 0 12 12 0', ...GIC, ...RO, check: 'gicGroup1' },
  ICC_EOIR1_EL1: { at: '3 0 12 12 1', ...GIC, ...WO, check: 'gicGroup1' },
  ICC_HPPIR1_EL1: { at: '3 0 12 12 2', ...GIC, ...RO, check: 'gicGroup1' },
  ICC_BPR1_EL1: { at: '3 0 12 12 3', ...GIC, check: 'gicGroup1' },
  ICC_CTLR_EL1: { at: '3 0 12 12 4', ...GIC, check: 'gicCommon' },
  ICC_SRE_EL1: { at: '3 0 12 12 5', ...GIC },
  ICC_IGRPEN0_EL1: { at: '3 0 12 12 6', ...GIC, check: 'gicGroup0' },
  ICC_IGRPEN1_EL1: { at: '3 0 12 12 7', ...GIC, check: 'gicGroup1' },
  ICC_SRE_EL2: { at: '3 4 12 9 5', ...GIC2 },
  ICH_AP0R0_EL2: { at: '3 4 12 8 0', ...GIC2 },
  ICH_AP1R0_EL2: { at: '3 4 12 9 0', ...GIC2 },
  ICH_HCR_EL2: { at: '3 4 12 11 0', ...GIC2 },
  ICH_VTR_EL2: { at: '3 4 12 11 1', ...GIC2, ...RO },
  ICH_MISR_EL2: { at: '3 4 12 11 2', ...GIC2, ...RO },
  ICH_EISR_EL2: { at: '3 4 12 11 3', ...GIC2, ...RO },
  ICH_ELRSR_EL2: { at: '3 4 12 11 5', ...GIC2, ...RO },
  ICH_VMCR_EL2: { at: '3 4 12 11 7', ...GIC2 },
} as const satisfies Record<string, Row>;

export const TABLE = {
  ...IDENTIFICATION,
  ...SPECIAL,
  ...EL1,
  ...EL2,
  ...TIMERS,
  ...DEBUG,
  ...BREAKPOINTS,
  ...PERFORMANCE_MONITORS,
  ...GIC_REGISTERS,
} as const;

export type SysregName = keyof typeof TABLE;
/** The registers that have a place in the frame. */
export type StoredSysreg = {
  [K in SysregName]: (typeof TABLE)[K] extends { computed: true } | { value: bigint } ? never : K;
}[SysregName];

/** Rows that are the same but for a number: reserved identification registers, and the GIC's list registers. */
export function numberedRows(): [string, Row][] {
  const rows: [string, Row][] = [];
  const named = new Set<string>(Object.values(TABLE).map((row) => row.at));
  // The identification space: what is not named is RES0, and so are AArch32's registers.
  for (let crm = 1; crm < 8; crm++) {
    for (let op2 = 0; op2 < 8; op2++) {
      const at = `3 0 0 ${crm} ${op2}`;
      if (!named.has(at)) rows.push([`S3_0_C0_C${crm}_${op2}`, { at, ...ID, ...RAZ }]);
    }
  }
  for (let n = 0; n < 16; n++) rows.push([`ICH_LR${n}_EL2`, { at: `3 4 12 ${12 + (n >> 3)} ${n & 7}`, ...GIC2 }]);
  return rows;
}
