/** Memory attributes as MAIR_ELx and PAR_EL1 encode them, and how the two stages combine (DDI 0487, D8.6). */

/** Normal memory, inner and outer Non-cacheable. */
export const NORMAL_NC = 0x44;
/** Normal, Write-Back, read and write allocating, non-transient: stage 1 with HCR_EL2.DC. */
export const NORMAL_WB = 0xff;
/** Normal, Write-Through: instruction fetches with stage 1 off and SCTLR_ELx.I set. */
export const NORMAL_WT = 0xee;
export const DEVICE_NGNRNE = 0x00;

export const SHAREABILITY = { NON: 0, OUTER: 2, INNER: 3 } as const;

export function isDevice(attributes: number): boolean {
  return (attributes & 0xf0) === 0;
}

/** Stage 2's MemAttr[3:0] in MAIR encoding. */
export function stage2Attributes(memAttr: number): number {
  if (memAttr < 4) return memAttr << 2;
  return (cacheability(memAttr >>> 2) << 4) | cacheability(memAttr & 3);
}

/** 1: Non-cacheable, 2: Write-Through, 3: Write-Back (0 is reserved for the inner one; taken as Non-cacheable). */
function cacheability(field: number): number {
  return field === 3 ? 0xf : field === 2 ? 0xa : 0x4;
}

/** Device wins over Normal, the stricter kind of Device or cacheability over the other; hints are stage 1's. */
export function combineAttributes(stage1: number, stage2: number): number {
  if (isDevice(stage1) || isDevice(stage2)) {
    const first = isDevice(stage1) ? stage1 & 0xc : 0xc;
    const second = isDevice(stage2) ? stage2 & 0xc : 0xc;
    return first < second ? first : second;
  }
  return (combineNibble(stage1 >>> 4, stage2 >>> 4) << 4) | combineNibble(stage1 & 15, stage2 & 15);
}

/** Stage 2's MemAttr with HCR_EL2.FWB = 1: Device as always (0xx), or what becomes of stage 1's attributes (S2ApplyFWBMemAttrs). */
export const FORCED = { NON_CACHEABLE: 5, WRITE_BACK: 6 } as const;

/** The combination where stage 2 forces Write-Back (FEAT_S2FWB); `memAttr` is MemAttr[2:0]. */
export function forceAttributes(stage1: number, memAttr: number): number {
  if (memAttr < 4) return combineAttributes(stage1, memAttr << 2);
  if (memAttr === FORCED.WRITE_BACK)
    return (forceNibble(stage1 >>> 4) << 4) | forceNibble(isDevice(stage1) ? 0 : stage1 & 15);
  // Reserved as Non-cacheable; the last is stage 1's own.
  return memAttr === 7 || isDevice(stage1) ? stage1 : NORMAL_NC;
}

/** Write-Back with the hints of what was cacheable, or all of them. */
function forceNibble(nibble: number): number {
  return nibble === 0 || nibble === 4 ? 15 : nibble | 4;
}

function combineNibble(first: number, second: number): number {
  if (first === 4 || second === 4) return 4;
  // Write-Through (0b00RW and 0b10RW); stage 1's allocation hints stay.
  if ((first & 4) === 0) return first;
  return (second & 12) === 8 ? 8 | (first & 3) : first;
}

/** Combined shareability; Device and Non-cacheable memory is always Outer Shareable. */
export function combineShareability(attributes: number, first: number, second: number): number {
  if (isDevice(attributes) || attributes === NORMAL_NC) return SHAREABILITY.OUTER;
  if (first === SHAREABILITY.OUTER || second === SHAREABILITY.OUTER) return SHAREABILITY.OUTER;
  return first === SHAREABILITY.INNER || second === SHAREABILITY.INNER ? SHAREABILITY.INNER : SHAREABILITY.NON;
}
