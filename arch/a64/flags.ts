/**
 * How NZCV was made. The flags are kept as the operands of the instruction that set them and computed where they are
 * read: in F.CC, F.CC_A and F.CC_B between regions, in three locals inside one.
 */
export const CC = {
  /** In locals: the frame holds them. In the frame: NZCV stands in bits 31:28 of CC_A. */
  frame: 0,
  sub64: 1,
  sub32: 2,
  add64: 3,
  add32: 4,
  logic64: 5,
  logic32: 6,
  /** NZCV in bits 31:28 of CC_A. */
  explicit: 7,
  /** At compile time only: whatever the locals say. */
  dynamic: -1,
} as const;

/**
 * NZCV in bits 31:28.
 * @param cc one of CC but not `dynamic`
 * @param aHi,aLo,bHi,bLo the operands' words
 */
export function computeNzcv(cc: number, aHi: number, aLo: number, bHi: number, bLo: number): number {
  let n: boolean;
  let z: boolean;
  let c = false;
  let v = false;
  switch (cc) {
    case CC.sub32: {
      const r = (aLo - bLo) | 0;
      n = r < 0;
      z = r === 0;
      c = aLo >>> 0 >= bLo >>> 0;
      v = ((aLo ^ bLo) & (aLo ^ r)) < 0;
      break;
    }
    case CC.add32: {
      const r = (aLo + bLo) | 0;
      n = r < 0;
      z = r === 0;
      c = r >>> 0 < aLo >>> 0;
      v = (~(aLo ^ bLo) & (aLo ^ r)) < 0;
      break;
    }
    case CC.logic32:
      n = aLo < 0;
      z = aLo === 0;
      break;
    case CC.sub64: {
      const lo = (aLo - bLo) | 0;
      const borrow = aLo >>> 0 < bLo >>> 0 ? 1 : 0;
      const hi = (aHi - bHi - borrow) | 0;
      n = hi < 0;
      z = (hi | lo) === 0;
      c = aHi === bHi ? borrow === 0 : aHi >>> 0 > bHi >>> 0;
      v = ((aHi ^ bHi) & (aHi ^ hi)) < 0;
      break;
    }
    case CC.add64: {
      const lo = (aLo + bLo) | 0;
      const carry = lo >>> 0 < aLo >>> 0 ? 1 : 0;
      const hi = (aHi + bHi + carry) | 0;
      n = hi < 0;
      z = (hi | lo) === 0;
      // The carry out: hi = aHi + bHi + carry wrapped.
      c = carry === 1 ? hi >>> 0 <= aHi >>> 0 : hi >>> 0 < aHi >>> 0;
      v = (~(aHi ^ bHi) & (aHi ^ hi)) < 0;
      break;
    }
    case CC.logic64:
      n = aHi < 0;
      z = (aHi | aLo) === 0;
      break;
    default:
      return aLo & 0xf0000000;
  }
  return (n ? 0x80000000 : 0) | (z ? 0x40000000 : 0) | (c ? 0x20000000 : 0) | (v ? 0x10000000 : 0) | 0;
}
