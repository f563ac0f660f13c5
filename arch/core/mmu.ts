/**
 * The memory management unit: translates one access through both stages by walking the tables in RAM. What it finds
 * goes into a TLB; nothing on this path allocates.
 */
import { F, PSTATE } from './frame.ts';
import { combineAttributes, combineShareability, forceAttributes, isDevice, NORMAL_NC } from './mmu-attributes.ts';
import { TranslationFault, type TranslationState } from './mmu-descriptor.ts';
import { REGIME, Stage1 } from './mmu-stage1.ts';
import { Stage2 } from './mmu-stage2.ts';
import { ACCESS, PERMISSION } from './permissions.ts';
import { SR } from './sysreg-slots.ts';

export { FSC, TranslationFault, type TranslationState } from './mmu-descriptor.ts';
export { ACCESS, PERMISSION } from './permissions.ts';

// Where the registers are in the frame, as constants that the optimizer sees.
const {
  HCR_EL2,
  SCTLR_EL1,
  SCTLR_EL2,
  TCR_EL1,
  TCR_EL2,
  TTBR0_EL1,
  TTBR0_EL2,
  TTBR1_EL1,
  TTBR1_EL2,
  VTCR_EL2,
  VTTBR_EL2,
} = SR;

const HCR_VM = 1 << 0;
const HCR_PTW = 1 << 2;
const HCR_DC = 1 << 12;
const HCR_TGE = 1 << 27;
/** High word. */
const HCR_CD = 1 << 0;
const HCR_ID = 1 << 1;
const HCR_E2H = 1 << 2;

/** Physical addresses have 48 bits: ID_AA64MMFR0_EL1.PARange = 0b0101. */
export const PHYSICAL_BITS = 48;

export class Mmu {
  /** Why `translate` returned false. */
  readonly fault = new TranslationFault();

  // The results of a translation. After ACCESS.STAGE1 they are stage 1's, and the address is the intermediate one.
  paHi = 0;
  paLo = 0;
  /**
   * log2 of stage 1's block, of stage 2's where stage 1 is off: an invalidation by an address drops what was entered for any of
   * the block's, also where stage 2 has smaller ones (D8.14).
   */
  blockShift = 0;
  /** PERMISSION bits for the asking exception level, with PSTATE.PAN as it stands; W only where no dirty state is left to set. */
  permissions = 0;
  /** Not of one ASID (nG = 0). */
  global = true;
  /** MAIR encoding, and 0 non-, 2 outer, 3 inner shareable, as PAR_EL1 has them. */
  attributes = 0;
  shareability = 0;
  /** The regime that translated: 1 for EL1&0, 2 for EL2 and EL2&0. */
  regime: 1 | 2 = 1;

  /** Stage 2 has had a part in the last translation. */
  #staged = false;
  readonly #stage2: Stage2;
  readonly #stage1: Stage1;

  /** @param physicalBits size of a physical address, 32 to 48; what ID_AA64MMFR0_EL1.PARange says */
  constructor(physicalBits = PHYSICAL_BITS) {
    this.#stage2 = new Stage2(this.fault, physicalBits);
    this.#stage1 = new Stage1(this.fault, this.#stage2, physicalBits);
  }

  /** The physical address, offset included; below 2^48. */
  get pa(): number {
    return this.paHi * 0x1_0000_0000 + (this.paLo >>> 0);
  }
  get readable(): boolean {
    return (this.permissions & PERMISSION.R) !== 0;
  }
  get writable(): boolean {
    return (this.permissions & PERMISSION.W) !== 0;
  }
  get executable(): boolean {
    return (this.permissions & PERMISSION.X) !== 0;
  }
  /** EL0 may read or write here by stage 1: what PSTATE.PAN takes away from EL1. */
  get userAccessible(): boolean {
    return (this.permissions & PERMISSION.USER) !== 0;
  }
  /** Device memory: an unaligned access is an alignment fault. */
  get device(): boolean {
    return isDevice(this.attributes);
  }

  /** Forgets what is remembered of stage-2 tables. Due with every TLB invalidation that reaches stage 2. */
  invalidate(): void {
    this.#stage2.invalidate();
  }

  /**
   * Where the `n`th page behind the one of the last successful translation is, if it is translated in the same way: its
   * physical address less the other's; else NaN.
   */
  distance(core: TranslationState, n: number): number {
    const distance = this.#stage1.distance(core, n);
    return !this.#staged || this.#stage2.together(distance) ? distance : NaN;
  }

  /**
   * Translates a virtual address (high and low word) for an access from an exception level. EL1 with HCR_EL2.{E2H,TGE}
   * = {1,1} (as AT S1E1R has it there) means the privileged half of EL2&0.
   *
   * Hardware updates of the access flag and the dirty state are made in memory as the access asks for them.
   *
   * @param access ACCESS bits
   * @returns true with the results set, or false with `fault` set
   */
  translate(core: TranslationState, vaHi: number, vaLo: number, access: number, el: 0 | 1 | 2): boolean {
    const i32 = core.i32;
    const frame = core.frame;
    const hcr = i32[(frame + HCR_EL2) >>> 2]!;
    const hcrHi = i32[(frame + HCR_EL2 + 4) >>> 2]!;
    const pstate = i32[(frame + F.PSTATE) >>> 2]!;
    const e2h = (hcrHi & HCR_E2H) !== 0;
    const tge = (hcr & HCR_TGE) !== 0;
    const host = e2h && tge;
    const el2 = el === 2 || host;
    const fault = this.fault;
    fault.stage2 = false;
    fault.s1ptw = false;
    // A fault is an atomic access's read's unless only the write could have caused it.
    fault.wnr =
      (access & (ACCESS.MAINTENANCE | ACCESS.AT)) !== 0 || (access & (ACCESS.WRITE | ACCESS.ATOMIC)) === ACCESS.WRITE;

    let privileged = el !== 0;
    if (access & ACCESS.UNPRIV && (pstate & PSTATE.UAO) === 0 && (el === 1 || host)) privileged = false;

    const stage2 = !el2 && (hcr & (HCR_VM | HCR_DC)) !== 0;
    let regime = el2 ? REGIME.EL2 : 0;
    if (!el2 || e2h) regime |= REGIME.TWO;
    if (stage2) {
      regime |= REGIME.STAGE2;
      if (hcr & HCR_PTW && !tge) regime |= REGIME.PTW;
    }
    this.regime = el2 ? 2 : 1;

    const sctlr = i32[(frame + (el2 ? SCTLR_EL2 : SCTLR_EL1)) >>> 2]!;
    const stage1 = this.#stage1;
    const off = (sctlr & 1) === 0 || (!el2 && (hcr & (HCR_TGE | HCR_DC)) !== 0);
    if (off) {
      const cacheable = !el2 && (hcr & HCR_DC) !== 0;
      if (!stage1.flat(core, vaHi, vaLo, access, regime, cacheable)) return false;
    } else {
      const exempt = access & (ACCESS.MAINTENANCE | ACCESS.AT) && (access & ACCESS.AT_PAN) === 0;
      const pan = (pstate & PSTATE.PAN) !== 0 && !exempt;
      if (!stage1.walk(core, vaHi, vaLo, access, regime, privileged, pan)) return false;
    }
    this.global = stage1.global;
    this.#staged = stage2;

    if (!stage2 || access & ACCESS.STAGE1) {
      this.paHi = stage1.outHi;
      this.paLo = stage1.outLo;
      this.blockShift = stage1.shift;
      this.permissions = stage1.permissions;
      this.attributes = stage1.attributes;
      this.shareability = combineShareability(stage1.attributes, stage1.shareability, 0);
      return true;
    }

    const second = this.#stage2;
    if (!second.translate(core, stage1.outHi, stage1.outLo, access, privileged, false, false)) return false;
    this.paHi = second.paHi;
    this.paLo = second.paLo;
    this.blockShift = off ? second.shift : stage1.shift;
    this.permissions = stage1.permissions & (second.permissions | PERMISSION.USER);
    let attributes = second.attributes;
    if (access & ACCESS.FETCH) {
      if (hcrHi & HCR_ID) attributes = NORMAL_NC;
    } else if (hcrHi & HCR_CD && !isDevice(attributes)) {
      attributes = NORMAL_NC;
    }
    this.attributes =
      second.forced < 0
        ? combineAttributes(stage1.attributes, attributes)
        : forceAttributes(stage1.attributes, second.forced);
    this.shareability = combineShareability(this.attributes, stage1.shareability, second.shareability);
    return true;
  }
}

/** The ASID of a regime's non-global translations (0 for EL2 with E2H = 0, which has none). */
export function currentAsid(core: TranslationState, regime: 1 | 2): number {
  const { i32, frame } = core;
  if (regime === 2 && (i32[(frame + HCR_EL2 + 4) >>> 2]! & HCR_E2H) === 0) return 0;
  const tcr = frame + (regime === 2 ? TCR_EL2 : TCR_EL1);
  const a1 = (i32[tcr >>> 2]! & (1 << 22)) !== 0;
  let ttbr: number;
  if (regime === 2) ttbr = a1 ? TTBR1_EL2 : TTBR0_EL2;
  else ttbr = a1 ? TTBR1_EL1 : TTBR0_EL1;
  const asid = i32[(frame + ttbr + 4) >>> 2]! >>> 16;
  return i32[(tcr + 4) >>> 2]! & (1 << 4) ? asid : asid & 0xff;
}

/** The VMID of the EL1&0 regime's translations. */
export function currentVmid(core: TranslationState): number {
  const { i32, frame } = core;
  const vmid = i32[(frame + VTTBR_EL2 + 4) >>> 2]! >>> 16;
  return i32[(frame + VTCR_EL2) >>> 2]! & (1 << 19) ? vmid : vmid & 0xff;
}
