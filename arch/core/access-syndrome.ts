/** What ESR_EL2.ISS says of a load or store when ISV = 1 (DDI 0487, ISS encoding for an exception from a Data Abort). */
export interface AccessSyndrome {
  size: 1 | 2 | 4 | 8;
  signed: boolean;
  register: number;
  /** The register is 64 bits wide. */
  wide: boolean;
  acquireRelease: boolean;
}

/** Bytes of the elements that a load or store of `size` bytes aligns: those of a pair or a structure one by one. */
export function elementSize(word: number, size: number): number {
  // Pairs: opc 101 V 0xx.
  if ((word & 0x3a00_0000) === 0x2800_0000) {
    if ((word & 0x0400_0000) !== 0) return 4 << (word >>> 30);
    return word >>> 31 !== 0 ? 8 : 4;
  }
  const log2 = (word >>> 10) & 3;
  // SIMD structures: 0 Q 001100 multiple, 0 Q 001101 single, where opcode<2:1> is the scale.
  if ((word & 0xbf00_0000) >>> 0 === 0x0c00_0000) return 1 << log2;
  if ((word & 0xbf00_0000) >>> 0 === 0x0d00_0000) {
    const scale = (word >>> 14) & 3;
    if (scale === 3) return 1 << log2;
    return scale === 2 && (log2 & 1) !== 0 ? 8 : 1 << scale;
  }
  return size;
}

/**
 * The syndrome of a load or store of a single general-purpose register without writeback; undefined for every other
 * instruction, whose aborts have ISV = 0.
 */
export function accessSyndrome(word: number): AccessSyndrome | undefined {
  const size = word >>> 30;
  const register = word & 31;
  const bytes = (1 << size) as 1 | 2 | 4 | 8;
  // Load-acquire, store-release (LDAR, STLR, LDLAR, STLLR): size 001000 1 L 0 11111 o0 11111 Rn Rt.
  if ((word & 0x3fa0_0000) === 0x0880_0000) {
    return { size: bytes, signed: false, register, wide: size === 3, acquireRelease: (word & 0x8000) !== 0 };
  }
  // LDAPUR and STLUR: size 011001 opc 0 imm9 00 Rn Rt. LDAPR: size 111000 101 11111 110000 Rn Rt.
  if ((word & 0x3f20_0c00) === 0x1900_0000) {
    const opc = (word >>> 22) & 3;
    return { size: bytes, signed: opc >= 2, register, wide: opc >= 2 ? opc === 2 : size === 3, acquireRelease: true };
  }
  if ((word & 0x3fff_fc00) === 0x38bf_c000)
    return { size: bytes, signed: false, register, wide: size === 3, acquireRelease: true };
  // Load literal: opc 011 V 00 imm19 Rt: W, X, SW; PRFM.
  if ((word & 0x3f00_0000) === 0x1800_0000) {
    if (size === 3) return undefined;
    return { size: size === 1 ? 8 : 4, signed: size === 2, register, wide: size !== 0, acquireRelease: false };
  }
  // Loads and stores of a register: size 111 V 0x.
  if ((word & 0x3c00_0000) !== 0x3800_0000 && (word & 0x3f00_0000) !== 0x3900_0000) return undefined;
  if ((word & 0x0400_0000) !== 0) return undefined;
  if ((word & 0x0100_0000) === 0) {
    const form = (word >>> 10) & 3;
    const registerOffset = (word & 0x0020_0000) !== 0;
    // Post-index (01) and pre-index (11) write back; with bit 21 set only register offset (10) is a plain access.
    if (registerOffset ? form !== 2 : (form & 1) !== 0) return undefined;
  }
  const opc = (word >>> 22) & 3;
  if (size === 3 && opc >= 2) return undefined; // PRFM
  const signed = opc >= 2;
  return { size: bytes, signed, register, wide: signed ? opc === 2 : size === 3, acquireRelease: false };
}
