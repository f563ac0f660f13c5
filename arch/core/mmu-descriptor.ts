/** Translation table descriptors: what both stages share (DDI 0487, D8.3). */
import type { CoreState } from './state.ts';

/** The part of a core that translation reads: its registers are in the frame, its tables in RAM. */
export type TranslationState = Pick<CoreState, 'bus' | 'i32' | 'i64' | 'frame'>;

/** Fault status codes (ESR_ELx.ISS.DFSC and IFSC); bits 1:0 are the level. */
export const FSC = {
  ADDRESS_SIZE: 0b000000,
  TRANSLATION: 0b000100,
  ACCESS_FLAG: 0b001000,
  PERMISSION: 0b001100,
  EXTERNAL_ON_WALK: 0b010100,
  ALIGNMENT: 0b100001,
} as const;

/** Why a translation failed: what ESR_ELx, HPFAR_EL2 and PAR_EL1 need. */
export class TranslationFault {
  /** DFSC or IFSC, level included. */
  fsc = 0;
  /** Stage 2 reports it (to EL2). */
  stage2 = false;
  /** Stage 2 reports it for an access of the stage-1 walk. */
  s1ptw = false;
  /** The intermediate physical address, where `stage2`. */
  ipaHi = 0;
  ipaLo = 0;
  /** ESR_ELx.ISS.WnR. */
  wnr = false;

  /** The intermediate physical address as one number, below 2^48. */
  get ipa(): number {
    return this.ipaHi * 0x1_0000_0000 + (this.ipaLo >>> 0);
  }
}

/** Bits of a descriptor's low and high words. */
export const DESC = {
  VALID: 1 << 0,
  /** Table at levels 0 to 2, page at level 3. */
  TABLE: 1 << 1,
  /** Stage 1: AP[2], read-only. Stage 2: S2AP[1], writable. */
  AP2: 1 << 7,
  AF: 1 << 10,
  NG: 1 << 11,
  /** High word. */
  DBM: 1 << 19,
  PXN: 1 << 21,
  UXN: 1 << 22,
  PXN_TABLE: 1 << 27,
  UXN_TABLE: 1 << 28,
} as const;

/** Bits of the output address for TCR_ELx.(I)PS (value 7 is reserved); 52 bits need FEAT_LPA. */
const OUTPUT_BITS = Uint8Array.of(32, 36, 40, 42, 44, 48, 48, 48);

/** The effective output address size of a stage. */
export function outputBits(ps: number, physicalBits: number): number {
  const bits = OUTPUT_BITS[ps & 7]!;
  return bits < physicalBits ? bits : physicalBits;
}

/** log2 of the granule for TG0 (as in TCR_ELx and VTCR_EL2); the reserved value selects 4 KiB. */
export function granuleOfTg0(tg: number): number {
  return tg === 1 ? 16 : tg === 2 ? 14 : 12;
}

/** log2 of the granule for TG1. */
export function granuleOfTg1(tg: number): number {
  return tg === 3 ? 16 : tg === 1 ? 14 : 12;
}

/** Bits `shift` and up of a 64-bit value, as 32 bits; 0 ≤ shift < 64. */
export function shiftRight(hi: number, lo: number, shift: number): number {
  if (shift >= 32) return hi >>> (shift - 32);
  return shift === 0 ? lo : (lo >>> shift) | (hi << (32 - shift));
}

function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function join(hi: number, lo: number): bigint {
  return BigInt.asIntN(64, (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));
}

/** One descriptor, as read from a table in RAM. */
export class Descriptor {
  lo = 0;
  hi = 0;
  /** Index in `i32`. */
  at = 0;

  /** @returns false where the physical address is not RAM: an external abort. */
  load(core: TranslationState, paHi: number, paLo: number, bigEndian: boolean): boolean {
    const ram = core.bus.ram;
    const offset = paHi * 0x1_0000_0000 + (paLo >>> 0) - ram.base;
    if (offset < 0 || offset >= ram.size) return false;
    const i32 = core.i32;
    const at = (ram.host + offset) >>> 2;
    this.at = at;
    let first: number;
    let second: number;
    // Descriptors are single-copy atomic; another core may be storing this one.
    do {
      first = Atomics.load(i32, at);
      second = Atomics.load(i32, at + 1);
    } while (first !== i32[at]);
    if (bigEndian) {
      this.lo = swapBytes(second);
      this.hi = swapBytes(first);
    } else {
      this.lo = first;
      this.hi = second;
    }
    return true;
  }

  /**
   * Replaces the low word of the descriptor that was loaded from this address, which is in RAM.
   *
   * @returns false where the descriptor in memory is no longer the one that was loaded
   */
  replace(core: TranslationState, paHi: number, paLo: number, bigEndian: boolean, lo: number): boolean {
    const ram = core.bus.ram;
    const offset = paHi * 0x1_0000_0000 + (paLo >>> 0) - ram.base;
    const at = Math.floor((ram.host + offset) / 8);
    const hi = this.hi;
    const before = bigEndian ? join(swapBytes(this.lo), swapBytes(hi)) : join(hi, this.lo);
    const after = bigEndian ? join(swapBytes(lo), swapBytes(hi)) : join(hi, lo);
    if (Atomics.compareExchange(core.i64, at, before, after) !== before) return false;
    this.lo = lo;
    return true;
  }
}
