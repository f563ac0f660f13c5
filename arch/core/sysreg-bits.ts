/**
 * Bits of system registers that more than one file needs, as bit numbers (DDI 0487, D17.2).
 */

/** HCR_EL2, bit numbers. */
export const HCR = {
  VM: 0,
  SWIO: 1,
  PTW: 2,
  FMO: 3,
  IMO: 4,
  AMO: 5,
  VF: 6,
  VI: 7,
  VSE: 8,
  FB: 9,
  DC: 12,
  TWI: 13,
  TWE: 14,
  TID1: 16,
  TID2: 17,
  TID3: 18,
  TSC: 19,
  TIDCP: 20,
  TACR: 21,
  TSW: 22,
  TPC: 23,
  TPU: 24,
  TTLB: 25,
  TVM: 26,
  TGE: 27,
  TDZ: 28,
  HCD: 29,
  TRVM: 30,
  RW: 31,
  CD: 32,
  ID: 33,
  E2H: 34,
  TLOR: 35,
  TERR: 36,
  TEA: 37,
  FWB: 46,
  TID4: 49,
  TICAB: 50,
  TOCU: 52,
  EnSCXT: 53,
  TTLBIS: 54,
  TTLBOS: 55,
} as const;

/** SCTLR_ELx, bit numbers. */
export const SCTLR = {
  M: 0,
  A: 1,
  C: 2,
  SA: 3,
  SA0: 4,
  UMA: 9,
  I: 12,
  DZE: 14,
  UCT: 15,
  nTWI: 16,
  nTWE: 18,
  WXN: 19,
  TSCXT: 20,
  SPAN: 23,
  UCI: 26,
  DSSBS: 44,
} as const;

/** MDSCR_EL1, bit numbers. */
export const MDSCR = { SS: 0, TDCC: 12, KDE: 13, HDE: 14, MDE: 15 } as const;

/** MDCR_EL2, bit numbers. */
export const MDCR = { TPMCR: 5, TPM: 6, HPME: 7, TDE: 8, TDA: 9, TDOSA: 10, TDRA: 11, HPMD: 17 } as const;

/** A 64-bit mask of bit numbers and of inclusive ranges `[high, low]`. */
export function bits(...list: readonly (number | readonly [number, number])[]): bigint {
  let mask = 0n;
  for (const entry of list) {
    const [high, low] = typeof entry === 'number' ? [entry, entry] : entry;
    mask |= ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
  }
  return mask;
}
