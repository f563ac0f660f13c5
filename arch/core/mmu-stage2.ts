/** Stage 2: intermediate physical addresses of the EL1&0 regime to physical ones (DDI 0487, D8.2 and D8.3). */
import { isDevice, NORMAL_WB, stage2Attributes } from './mmu-attributes.ts';
import {
  DESC,
  Descriptor,
  FSC,
  granuleOfTg0,
  outputBits,
  shiftRight,
  type TranslationFault,
  type TranslationState,
} from './mmu-descriptor.ts';
import { ACCESS, missingPermission, PERMISSION, stage2Permissions } from './permissions.ts';
import { SR } from './sysreg-slots.ts';

// Where the registers are in the frame, as constants that the optimizer sees.
const { HCR_EL2, SCTLR_EL2, VTCR_EL2, VTTBR_EL2 } = SR;

/** High word. */
const HCR_FWB = 1 << 14;

const VTCR_HA = 1 << 21;
const VTCR_HD = 1 << 22;
const SCTLR_EE = 1 << 25;

/** Pages of stage-1 tables whose stage-2 translation is remembered; a power of two. */
const TABLE_PAGES = 64;

export class Stage2 {
  /** Results of `translate`: the physical address, log2 of the block's size, PERMISSION bits as memory stands. */
  paHi = 0;
  paLo = 0;
  shift = 0;
  permissions = 0;
  /** MAIR encoding; with `forced` only whether it is Device memory. */
  attributes = 0;
  /** HCR_EL2.FWB: MemAttr[2:0], which decides with stage 1's attributes; -1 without. */
  forced = -1;
  shareability = 0;

  readonly #fault: TranslationFault;
  readonly #physicalBits: number;
  readonly #descriptor = new Descriptor();

  // Readable pages of stage-1 tables: IPA and PA page numbers of 4 KiB (-1: none), valid for #vttbr… only.
  readonly #ipaPages = new Float64Array(TABLE_PAGES).fill(-1);
  readonly #paPages = new Float64Array(TABLE_PAGES);
  #vttbrLo = 0;
  #vttbrHi = 0;
  #vtcr = 0;
  #protected = false;

  constructor(fault: TranslationFault, physicalBits: number) {
    this.#fault = fault;
    this.#physicalBits = physicalBits;
  }

  /** Forgets what is remembered of the tables. */
  invalidate(): void {
    this.#ipaPages.fill(-1);
  }

  /**
   * Translates the address of a stage-1 descriptor for reading it; only `paHi` and `paLo` are set.
   *
   * @param protectedWalk HCR_EL2.PTW: a stage-1 table in Device memory is a permission fault
   */
  translateTable(core: TranslationState, ipaHi: number, ipaLo: number, protectedWalk: boolean): boolean {
    const i32 = core.i32;
    const frame = core.frame;
    const vttbrLo = i32[(frame + VTTBR_EL2) >>> 2]!;
    const vttbrHi = i32[(frame + VTTBR_EL2 + 4) >>> 2]!;
    const vtcr = i32[(frame + VTCR_EL2) >>> 2]!;
    const known =
      vttbrLo === this.#vttbrLo &&
      vttbrHi === this.#vttbrHi &&
      vtcr === this.#vtcr &&
      protectedWalk === this.#protected;
    const page = ipaHi * 0x10_0000 + (ipaLo >>> 12);
    const slot = (ipaLo >>> 12) & (TABLE_PAGES - 1);
    if (known) {
      if (this.#ipaPages[slot] === page) {
        const found = this.#paPages[slot]!;
        this.paHi = (found / 0x10_0000) | 0;
        this.paLo = (found << 12) | (ipaLo & 0xfff);
        return true;
      }
    } else {
      this.invalidate();
      this.#vttbrLo = vttbrLo;
      this.#vttbrHi = vttbrHi;
      this.#vtcr = vtcr;
      this.#protected = protectedWalk;
    }
    if (!this.translate(core, ipaHi, ipaLo, ACCESS.READ, true, true, protectedWalk)) return false;
    this.#ipaPages[slot] = page;
    this.#paPages[slot] = this.paHi * 0x10_0000 + (this.paLo >>> 12);
    return true;
  }

  /**
   * Translates an intermediate physical address (below 2^48).
   *
   * @param access ACCESS bits
   * @param privileged whether the access is EL1's (matters for execution only)
   * @param walk the access is a stage-1 walk's own
   * @returns false after setting `fsc`, `stage2`, `s1ptw` and the address of the fault (never `wnr`, which a
   *   permission fault of an atomic access sets)
   */
  translate(
    core: TranslationState,
    ipaHi: number,
    ipaLo: number,
    access: number,
    privileged: boolean,
    walk: boolean,
    protectedWalk: boolean,
  ): boolean {
    const i32 = core.i32;
    const frame = core.frame;
    const fault = this.#fault;
    fault.stage2 = true;
    fault.s1ptw = walk;
    fault.ipaHi = ipaHi;
    fault.ipaLo = ipaLo;

    const vtcr = i32[(frame + VTCR_EL2) >>> 2]!;
    const t0sz = vtcr & 63;
    const inputBits = 64 - t0sz;
    const granule = granuleOfTg0((vtcr >>> 14) & 3);
    const stride = granule - 3;
    const sl0 = (vtcr >>> 6) & 3;
    let level = granule === 12 ? 2 - sl0 : 3 - sl0;
    let shift = granule + stride * (3 - level);
    const output = outputBits(vtcr >>> 16, this.#physicalBits);
    // Up to 16 tables may be concatenated at the first level. An input larger than the output is CONSTRAINED
    // UNPREDICTABLE and faults.
    const first = inputBits - shift;
    if (
      t0sz < 16 ||
      t0sz > 39 ||
      !this.#validStart(granule, level, output) ||
      first < 1 ||
      first > stride + 4 ||
      inputBits > output ||
      (inputBits < 32 ? ipaHi !== 0 || ipaLo >>> inputBits !== 0 : ipaHi >>> (inputBits - 32) !== 0)
    ) {
      fault.fsc = FSC.TRANSLATION;
      return false;
    }

    const bigEndian = (i32[(frame + SCTLR_EL2) >>> 2]! & SCTLR_EE) !== 0;
    const ha = (vtcr & VTCR_HA) !== 0;
    const hd = ha && (vtcr & VTCR_HD) !== 0;
    let tableHi = i32[(frame + VTTBR_EL2 + 4) >>> 2]! & 0xffff;
    let tableLo = i32[(frame + VTTBR_EL2) >>> 2]! & ~((8 << first) - 1);
    if (tableHi >>> (output - 32) !== 0) {
      fault.fsc = FSC.ADDRESS_SIZE;
      return false;
    }

    const descriptor = this.#descriptor;
    let mask = (1 << first) - 1;
    for (;;) {
      // The table is aligned to its size, so the index never carries into the high word.
      const at = tableLo | ((shiftRight(ipaHi, ipaLo, shift) & mask) << 3);
      if (!descriptor.load(core, tableHi, at, bigEndian)) {
        fault.fsc = FSC.EXTERNAL_ON_WALK | level;
        return false;
      }
      const lo = descriptor.lo;
      const hi = descriptor.hi;
      const table = (lo & DESC.TABLE) !== 0;
      if ((lo & DESC.VALID) === 0 || (!table && (level === 3 || level === 0 || (level === 1 && granule !== 12)))) {
        fault.fsc = FSC.TRANSLATION | level;
        return false;
      }
      if ((hi & 0xffff) >>> (output - 32) !== 0) {
        fault.fsc = FSC.ADDRESS_SIZE | level;
        return false;
      }
      if (table && level < 3) {
        tableHi = hi & 0xffff;
        tableLo = lo & -(1 << granule);
        mask = (1 << stride) - 1;
        shift -= stride;
        level++;
        continue;
      }

      let wanted = lo;
      if ((lo & DESC.AF) === 0) {
        if (!ha) {
          fault.fsc = FSC.ACCESS_FLAG | level;
          return false;
        }
        wanted |= DESC.AF;
      }
      // With DBM the page is writable, and S2AP[1] says whether it has been written.
      const s2ap = (lo >>> 6) & 3;
      const effective = hd && (hi & DESC.DBM) !== 0 ? s2ap | 2 : s2ap;
      const forced = (i32[(frame + HCR_EL2 + 4) >>> 2]! & HCR_FWB) !== 0 ? (lo >>> 2) & 7 : -1;
      const attributes = forced < 0 ? stage2Attributes((lo >>> 2) & 15) : forced < 4 ? forced << 2 : NORMAL_WB;
      let permissions = stage2Permissions(effective, (hi >>> 21) & 3, privileged);
      if (access & ACCESS.UNALIGNED && isDevice(attributes)) {
        fault.fsc = FSC.ALIGNMENT;
        return false;
      }
      const missing = missingPermission(permissions, access, privileged);
      if (missing !== 0) {
        if (access & ACCESS.ATOMIC && !walk) fault.wnr = missing === PERMISSION.W;
        fault.fsc = FSC.PERMISSION | level;
        return false;
      }
      if (effective !== s2ap) {
        if (access & ACCESS.WRITE && (access & (ACCESS.MAINTENANCE | ACCESS.AT)) === 0) wanted |= DESC.AP2;
        else permissions &= ~PERMISSION.W;
      }
      // Where memory has changed meanwhile, what it holds now counts.
      if (wanted !== lo && !descriptor.replace(core, tableHi, at, bigEndian, wanted)) continue;
      if (walk && protectedWalk && isDevice(attributes)) {
        fault.fsc = FSC.PERMISSION | level;
        return false;
      }

      const inside = (1 << shift) - 1;
      this.paHi = hi & 0xffff;
      this.paLo = (lo & ~inside) | (ipaLo & inside);
      this.shift = shift;
      this.permissions = permissions;
      this.attributes = attributes;
      this.forced = forced;
      this.shareability = (lo >>> 8) & 3;
      return true;
    }
  }

  /** Whether an address so many bytes away is in the same block as the last translated one. */
  together(distance: number): boolean {
    const block = 1 << this.shift;
    const other = ((this.paLo >>> 0) % block) + distance;
    return other >= 0 && other < block;
  }

  /** Whether a walk may start at `level` for this size of physical addresses. */
  #validStart(granule: number, level: number, output: number): boolean {
    if (granule === 12) return level > 0 || (level === 0 && output > 42);
    if (granule === 14) return level > 1 || (level === 1 && output > 40);
    return level > 1 || (level === 1 && output > 42);
  }
}
