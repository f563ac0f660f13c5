/**
 * Tables of 16 bytes for the AES substitution by byte shuffles. GF(2^8) is taken as GF(2^4)[t] with t² + t + ν = 0;
 * an element is i·t + j·(t + 1) and k = i + j. With N = k² + ij/ν, the coordinates of the inverse are linear in
 * (k + i/ν)/N and (k + j/ν)/N, whose reciprocals come from nibble tables:
 *   N/(k + i/ν) = 1/(1/i + 1/(νk)) + j   and   N/(k + j/ν) = 1/(1/j + 1/(νk)) + i.
 * 0x80 stands for infinity: a shuffle takes it to 0.
 */

const INFINITY = 0x80;

/** Product in GF(2^4) modulo x^4 + x + 1. */
function multiply4(a: number, b: number): number {
  let r = 0;
  for (let bit = 0; bit < 4; bit++) if ((b >> bit) & 1) r ^= a << bit;
  for (let bit = 6; bit >= 4; bit--) if ((r >> bit) & 1) r ^= 0x13 << (bit - 4);
  return r;
}

function inverse4(a: number): number {
  for (let b = 1; b < 16; b++) if (multiply4(a, b) === 1) return b;
  return INFINITY;
}

/** The least ν that makes t² + t + ν irreducible. */
function findNu(): number {
  for (let nu = 1; nu < 16; nu++) {
    let root = false;
    for (let x = 0; x < 16; x++) if ((multiply4(x, x) ^ x ^ nu) === 0) root = true;
    if (!root) return nu;
  }
  throw new Error('no irreducible polynomial');
}

const NU = findNu();

/** Elements of the tower as (i << 4) | j. */
function multiplyTower(a: number, b: number): number {
  const [ai, aj, bi, bj] = [a >> 4, a & 15, b >> 4, b & 15];
  // t² = t + ν, with 1 = t + (t + 1): ν·1 adds to both coordinates; t(t + 1) = ν.
  const cross = multiply4(NU, multiply4(ai ^ aj, bi ^ bj));
  return ((multiply4(ai, bi) ^ cross) << 4) | (multiply4(aj, bj) ^ cross);
}

const ONE = 0x11;

/** An element of the tower that has the minimal polynomial of AES's x: x^8 + x^4 + x^3 + x + 1. */
function findGenerator(): number {
  for (let g = 2; g < 256; g++) {
    let power = ONE;
    let value = 0;
    for (let e = 0; e <= 8; e++) {
      if ((0x11b >> e) & 1) value ^= power;
      power = multiplyTower(power, g);
    }
    if (value === 0) return g;
  }
  throw new Error('no isomorphism');
}

/** AES's representation to the tower's, and back. */
const toTower: number[] = [];
const fromTower: number[] = [];
{
  const g = findGenerator();
  for (let x = 0; x < 256; x++) {
    let value = 0;
    let power = ONE;
    for (let bit = 0; bit < 8; bit++) {
      if ((x >> bit) & 1) value ^= power;
      power = multiplyTower(power, g);
    }
    toTower[x] = value;
    fromTower[value] = x;
  }
}

function rotate(x: number, by: number): number {
  return ((x << by) | (x >> (8 - by))) & 0xff;
}

/** The linear part of SubBytes' affine map, and its inverse. */
function affine(x: number): number {
  return x ^ rotate(x, 1) ^ rotate(x, 2) ^ rotate(x, 3) ^ rotate(x, 4);
}
function inverseAffine(x: number): number {
  return rotate(x, 1) ^ rotate(x, 3) ^ rotate(x, 6);
}

export interface SubstitutionTables {
  /** Of a byte's low and high nibble: their exclusive or is (i << 4) | k. */
  readonly inLow: readonly number[];
  readonly inHigh: readonly number[];
  /** Reciprocals, and 1/(νk), of nibbles. */
  readonly inverse: readonly number[];
  readonly overK: readonly number[];
  /** Of the two reciprocals of the result's coordinates: their exclusive or is the result but for a constant. */
  readonly outI: readonly number[];
  readonly outJ: readonly number[];
}

const NIBBLES = Array.from({ length: 16 }, (_, n) => n);

function tables(before: (x: number) => number, after: (x: number) => number): SubstitutionTables {
  const input = (x: number): number => {
    const e = toTower[before(x)]!;
    return (e & 0xf0) | ((e >> 4) ^ (e & 15));
  };
  // With u = (k + i/ν)/N and v = (k + j/ν)/N and the conjugate swapped, the inverse's coordinates are
  // j/(νN) and i/(νN) where N is taken as above; u + v = k/ν/N.
  const nuInverse = inverse4(NU);
  const solve = (u: number, v: number): number => {
    // k/N = ν(u + v); i/N = ν(u + k/N), j/N = ν(v + k/N).
    const k = multiply4(NU, u ^ v);
    const i = multiply4(NU, u ^ k);
    const j = multiply4(NU, v ^ k);
    return after(fromTower[(multiply4(nuInverse, j) << 4) | multiply4(nuInverse, i)]!);
  };
  const reciprocal = (n: number): number => (n === 0 ? 0 : inverse4(n));
  return {
    inLow: NIBBLES.map((n) => input(n)),
    inHigh: NIBBLES.map((n) => input(n << 4)),
    inverse: NIBBLES.map(inverse4),
    overK: NIBBLES.map((n) => inverse4(multiply4(NU, n))),
    outI: NIBBLES.map((n) => solve(reciprocal(n), 0)),
    outJ: NIBBLES.map((n) => solve(0, reciprocal(n))),
  };
}

/** SubBytes but for the final exclusive or with 0x63. */
export const SUB_BYTES = tables((x) => x, affine);
/** InvSubBytes of a byte already exclusive-ored with 0x63. */
export const INVERSE_SUB_BYTES = tables(inverseAffine, (x) => x);
