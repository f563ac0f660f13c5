/** Stage 1: virtual addresses of the EL1&0, EL2 and EL2&0 regimes (DDI 0487, D8.2 to D8.5). */
import { DEVICE_NGNRNE, isDevice, NORMAL_NC, NORMAL_WB, NORMAL_WT, SHAREABILITY } from './mmu-attributes.ts';
import {
  DESC,
  Descriptor,
  FSC,
  granuleOfTg0,
  granuleOfTg1,
  outputBits,
  shiftRight,
  type TranslationFault,
  type TranslationState,
} from './mmu-descriptor.ts';
import type { Stage2 } from './mmu-stage2.ts';
import { ACCESS, missingPermission, PERMISSION, stage1Permissions, stage1PermissionsSingle } from './permissions.ts';
import { SR } from './sysreg-slots.ts';

// Where the registers are in the frame, as constants that the optimizer sees.
const { MAIR_EL1, MAIR_EL2, SCTLR_EL1, SCTLR_EL2, TCR_EL1, TCR_EL2, TTBR0_EL1, TTBR0_EL2, TTBR1_EL1, TTBR1_EL2 } = SR;

const SCTLR_I = 1 << 12;
const SCTLR_WXN = 1 << 19;
const SCTLR_EE = 1 << 25;

/** The regime of a stage-1 translation and what stage 2 adds to its walk. */
export const REGIME = {
  /** EL2 or EL2&0; else EL1&0. */
  EL2: 1,
  /** With EL0: two ranges and unprivileged permissions (all but EL2 with E2H = 0). */
  TWO: 2,
  /** The tables' addresses are translated by stage 2. */
  STAGE2: 4,
  /** HCR_EL2.PTW. */
  PTW: 8,
} as const;

/** log2 of the unit that a flat mapping reports: any will do, the largest block is this one. */
const FLAT_SHIFT = 30;

/** Words of a table of 4 KiB. */
const TABLE_WORDS = 1024;

export class Stage1 {
  /** Results: the output address, log2 of the block's size, PERMISSION bits as memory stands. */
  outHi = 0;
  outLo = 0;
  shift = 0;
  permissions = 0;
  global = true;
  /** MAIR encoding. */
  attributes = 0;
  shareability = 0;

  readonly #fault: TranslationFault;
  readonly #stage2: Stage2;
  readonly #physicalBits: number;
  readonly #descriptor = new Descriptor();
  /** Where the page's descriptor is in `i32` after a walk that ended with a 4 KiB page, else 0. */
  #at = 0;

  constructor(fault: TranslationFault, stage2: Stage2, physicalBits: number) {
    this.#fault = fault;
    this.#stage2 = stage2;
    this.#physicalBits = physicalBits;
  }

  /**
   * The flat mapping of a regime whose stage 1 is off.
   *
   * @param defaultCacheable HCR_EL2.DC
   */
  flat(
    core: TranslationState,
    vaHi: number,
    vaLo: number,
    access: number,
    regime: number,
    defaultCacheable: boolean,
  ): boolean {
    const i32 = core.i32;
    const el2 = (regime & REGIME.EL2) !== 0;
    const tcr = core.frame + (el2 ? TCR_EL2 : TCR_EL1);
    let tbi: number;
    if (regime & REGIME.TWO) tbi = i32[(tcr + 4) >>> 2]! & ((vaHi >>> 23) & 1 ? 1 << 6 : 1 << 5);
    else tbi = i32[tcr >>> 2]! & (1 << 20);
    const top = tbi !== 0 ? vaHi & 0x00ff_ffff : vaHi;
    if (top >>> (this.#physicalBits - 32) !== 0) {
      this.#fault.fsc = FSC.ADDRESS_SIZE;
      return false;
    }
    this.outHi = top;
    this.outLo = vaLo;
    this.shift = FLAT_SHIFT;
    this.#at = 0;
    this.permissions = PERMISSION.R | PERMISSION.W | PERMISSION.X;
    this.global = true;
    if (defaultCacheable) {
      this.attributes = NORMAL_WB;
      this.shareability = SHAREABILITY.NON;
    } else {
      const sctlr = i32[(core.frame + (el2 ? SCTLR_EL2 : SCTLR_EL1)) >>> 2]!;
      this.shareability = SHAREABILITY.OUTER;
      if (access & ACCESS.FETCH) this.attributes = sctlr & SCTLR_I ? NORMAL_WT : NORMAL_NC;
      else this.attributes = DEVICE_NGNRNE;
      if (access & ACCESS.UNALIGNED) {
        this.#fault.fsc = FSC.ALIGNMENT;
        return false;
      }
    }
    return true;
  }

  /**
   * Walks the stage-1 tables.
   *
   * @param regime REGIME bits
   * @param pan whether PSTATE.PAN restrains this access
   * @returns false after setting the fault (of `wnr` only what an atomic access changes)
   */
  walk(
    core: TranslationState,
    vaHi: number,
    vaLo: number,
    access: number,
    regime: number,
    privileged: boolean,
    pan: boolean,
  ): boolean {
    const i32 = core.i32;
    const frame = core.frame;
    const fault = this.#fault;
    const el2 = (regime & REGIME.EL2) !== 0;
    const two = (regime & REGIME.TWO) !== 0;
    const tcrAt = frame + (el2 ? TCR_EL2 : TCR_EL1);
    const tcr = i32[tcrAt >>> 2]!;
    const upper = two && (vaHi & (1 << 23)) !== 0;

    // The fields of TCR_ELx for this half of the address space.
    let tsz: number, granule: number, ps: number;
    let tbi: boolean, disabled: boolean, hpd: boolean, ha: boolean, hd: boolean;
    if (two) {
      const tcrHi = i32[(tcrAt + 4) >>> 2]!;
      ps = tcrHi & 7;
      ha = (tcrHi & (1 << 7)) !== 0;
      hd = ha && (tcrHi & (1 << 8)) !== 0;
      if (upper) {
        tsz = (tcr >>> 16) & 63;
        granule = granuleOfTg1(tcr >>> 30);
        tbi = (tcrHi & (1 << 6)) !== 0;
        hpd = (tcrHi & (1 << 10)) !== 0;
        // EPD1, and E0PD1 for unprivileged accesses.
        disabled = (tcr & (1 << 23)) !== 0 || (!privileged && (tcrHi & (1 << 24)) !== 0);
      } else {
        tsz = tcr & 63;
        granule = granuleOfTg0((tcr >>> 14) & 3);
        tbi = (tcrHi & (1 << 5)) !== 0;
        hpd = (tcrHi & (1 << 9)) !== 0;
        disabled = (tcr & (1 << 7)) !== 0 || (!privileged && (tcrHi & (1 << 23)) !== 0);
      }
    } else {
      tsz = tcr & 63;
      granule = granuleOfTg0((tcr >>> 14) & 3);
      ps = tcr >>> 16;
      tbi = (tcr & (1 << 20)) !== 0;
      ha = (tcr & (1 << 21)) !== 0;
      hd = ha && (tcr & (1 << 22)) !== 0;
      hpd = (tcr & (1 << 24)) !== 0;
      disabled = false;
    }

    // Bits VA[63 or 55 : inputBits] must all be equal to bit 55 (0 in the EL2 regime). A size out of bounds faults.
    const inputBits = 64 - tsz;
    const sign = upper ? -1 : 0;
    const topHi = (vaHi ^ sign) & (tbi ? 0x00ff_ffff : -1);
    if (
      disabled ||
      tsz < 16 ||
      tsz > 39 ||
      (inputBits < 32 ? topHi !== 0 || (vaLo ^ sign) >>> inputBits !== 0 : topHi >>> (inputBits - 32) !== 0)
    ) {
      fault.fsc = FSC.TRANSLATION;
      return false;
    }

    const stride = granule - 3;
    let level = 4 - (((inputBits - 4) / stride) | 0);
    let shift = granule + stride * (3 - level);
    const first = inputBits - shift;
    const output = outputBits(ps, this.#physicalBits);
    const ttbrAt = frame + (el2 ? (upper ? TTBR1_EL2 : TTBR0_EL2) : upper ? TTBR1_EL1 : TTBR0_EL1);
    let tableHi = i32[(ttbrAt + 4) >>> 2]! & 0xffff;
    let tableLo = i32[ttbrAt >>> 2]! & ~((8 << first) - 1);
    if (tableHi >>> (output - 32) !== 0) {
      fault.fsc = FSC.ADDRESS_SIZE;
      return false;
    }

    const sctlr = i32[(frame + (el2 ? SCTLR_EL2 : SCTLR_EL1)) >>> 2]!;
    const bigEndian = (sctlr & SCTLR_EE) !== 0;
    const descriptor = this.#descriptor;
    const stage2 = this.#stage2;
    let hierarchical = 0;
    let mask = (1 << first) - 1;
    for (;;) {
      // The table is aligned to its size, so the index never carries into the high word.
      const entryLo = tableLo | ((shiftRight(vaHi, vaLo, shift) & mask) << 3);
      let atHi = tableHi;
      let atLo = entryLo;
      if (regime & REGIME.STAGE2) {
        if (!stage2.translateTable(core, tableHi, entryLo, (regime & REGIME.PTW) !== 0)) return false;
        atHi = stage2.paHi;
        atLo = stage2.paLo;
      }
      if (!descriptor.load(core, atHi, atLo, bigEndian)) {
        fault.stage2 = false;
        fault.s1ptw = false;
        fault.fsc = FSC.EXTERNAL_ON_WALK | level;
        return false;
      }
      const lo = descriptor.lo;
      const hi = descriptor.hi;
      const table = (lo & DESC.TABLE) !== 0;
      if ((lo & DESC.VALID) === 0 || (!table && (level === 3 || level === 0 || (level === 1 && granule !== 12)))) {
        return this.#fail(FSC.TRANSLATION | level);
      }
      if ((hi & 0xffff) >>> (output - 32) !== 0) return this.#fail(FSC.ADDRESS_SIZE | level);
      if (table && level < 3) {
        hierarchical |= hi;
        tableHi = hi & 0xffff;
        tableLo = lo & -(1 << granule);
        mask = (1 << stride) - 1;
        shift -= stride;
        level++;
        continue;
      }

      let wanted = lo;
      if ((lo & DESC.AF) === 0) {
        if (!ha) return this.#fail(FSC.ACCESS_FLAG | level);
        wanted |= DESC.AF;
      }
      // With DBM the page is writable, and AP[2] says whether it is still clean.
      const ap = (lo >>> 6) & 3;
      const effective = hd && (hi & DESC.DBM) !== 0 ? ap & 1 : ap;
      const inherited = hpd ? 0 : hierarchical;
      const apTable = (inherited >>> 29) & 3;
      const wxn = (sctlr & SCTLR_WXN) !== 0;
      const uxn = (hi & DESC.UXN) !== 0 || (inherited & DESC.UXN_TABLE) !== 0;
      let permissions: number;
      if (two) {
        const pxn = (hi & DESC.PXN) !== 0 || (inherited & DESC.PXN_TABLE) !== 0;
        permissions = stage1Permissions(effective, apTable, pxn, uxn, privileged, pan, wxn);
      } else {
        permissions = stage1PermissionsSingle(effective, apTable, uxn, wxn);
      }
      const mair = frame + (el2 ? MAIR_EL2 : MAIR_EL1) + ((lo >>> 2) & 4);
      this.attributes = (i32[mair >>> 2]! >>> ((lo << 1) & 24)) & 0xff;
      if (access & ACCESS.UNALIGNED && isDevice(this.attributes)) return this.#fail(FSC.ALIGNMENT);
      const missing = missingPermission(permissions, access, privileged);
      if (missing !== 0) {
        if (access & ACCESS.ATOMIC) fault.wnr = missing === PERMISSION.W;
        return this.#fail(FSC.PERMISSION | level);
      }
      if (effective !== ap) {
        if (access & ACCESS.WRITE && (access & (ACCESS.MAINTENANCE | ACCESS.AT)) === 0) wanted &= ~DESC.AP2;
        else permissions &= ~PERMISSION.W;
      }
      if (wanted !== lo) {
        if (regime & REGIME.STAGE2) {
          const update = ACCESS.WRITE | ACCESS.ATOMIC;
          const ptw = (regime & REGIME.PTW) !== 0;
          if (!stage2.translate(core, tableHi, entryLo, update, true, true, ptw)) {
            // A read would not have set the dirty state.
            if (access & ACCESS.ATOMIC) fault.wnr = (lo & DESC.AF) !== 0;
            return false;
          }
          atHi = stage2.paHi;
          atLo = stage2.paLo;
        }
        // Where memory has changed meanwhile, what it holds now counts.
        if (!descriptor.replace(core, atHi, atLo, bigEndian, wanted)) continue;
      }

      const inside = (1 << shift) - 1;
      this.outHi = hi & 0xffff;
      this.outLo = (lo & ~inside) | (vaLo & inside);
      this.shift = shift;
      this.permissions = permissions;
      this.global = !two || (lo & DESC.NG) === 0;
      this.shareability = (lo >>> 8) & 3;
      this.#at = shift === 12 && wanted === lo && !bigEndian ? descriptor.at : 0;
      return true;
    }
  }

  /**
   * Where the `n`th page behind the one of the last walk is: its output address less the other's, NaN where it is translated
   * with other permissions or attributes, or not by the same table.
   */
  distance(core: TranslationState, n: number): number {
    const at = this.#at;
    if (at === 0) return (((1 << (this.shift - 12)) - 1) & ~(this.outLo >>> 12)) >= n ? n * 0x1000 : NaN;
    if ((at & (TABLE_WORDS - 1)) + 2 * n >= TABLE_WORDS) return NaN;
    const { i32 } = core;
    const lo = i32[at + 2 * n]!;
    const first = i32[at]!;
    if (i32[at + 2 * n + 1] !== i32[at + 1] || ((lo ^ first) & 0xfff) !== 0) return NaN;
    return (lo >>> 0) - (first >>> 0);
  }

  #fail(fsc: number): false {
    const fault = this.#fault;
    fault.stage2 = false;
    fault.s1ptw = false;
    fault.fsc = fsc;
    return false;
  }
}
