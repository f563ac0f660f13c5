/** A case: what it starts with, and where in its page its words stand. */
export interface ControlCase {
  readonly chunks: readonly { readonly at: number; readonly words: readonly number[] }[];
  /** The words of the page at which it is entered, and at which the instruction stands. */
  readonly start: number;
  readonly at: number;
  /** General-purpose registers that do not follow from its number. */
  readonly x: readonly (readonly [n: number, value: bigint])[];
  /** As in SPSR_ELx. */
  readonly pstate: number;
  readonly hcr: bigint;
  /** SCTLR_EL1, MDCR_EL2, ELR_EL1, SPSR_EL1, TCR_EL1, TCR_EL2. */
  readonly sctlr: bigint;
  readonly mdcr: bigint;
  readonly elr: bigint;
  readonly spsr: number;
  readonly tcr1: bigint;
  readonly tcr2: bigint;
}

/** Its first exception. */
export interface ControlResult {
  /** Offset of the vector / 128, and 16 more where EL2 took it. */
  readonly vector: number;
  readonly esr: number;
  readonly elr: bigint;
  readonly spsr: number;
  readonly far: bigint;
  /** PSTATE at the vector, as in SPSR_ELx. */
  readonly pstate: number;
  /** What changed: 0–30: Xn, 31–33: SP_EL0, SP_EL1, SP_EL2. */
  readonly changes: readonly (readonly [what: number, value: bigint])[];
}

/** The place in the file is the case's number, from which its registers and its page follow. */
export interface ControlVector {
  readonly c: ControlCase;
  readonly result: ControlResult;
}

/**
 * The file: u32 count, then for each vector its fields in the order of the types, little-endian. Lists have their length
 * in front (u8); places in the page are u16, numbers u32, values u64.
 */
export function encodeControl(vectors: readonly ControlVector[]): Uint8Array {
  const out: number[] = [];
  const put = (value: number | bigint, bytes: number): void => {
    let rest = BigInt(value);
    for (let k = 0; k < bytes; k++, rest >>= 8n) out.push(Number(rest & 0xffn));
  };
  const pairs = (list: readonly (readonly [number, bigint])[]): void => {
    put(list.length, 1);
    for (const [n, value] of list) {
      put(n, 1);
      put(value, 8);
    }
  };
  put(vectors.length, 4);
  for (const { c, result: r } of vectors) {
    put(c.chunks.length, 1);
    for (const { at, words } of c.chunks) {
      put(at, 2);
      put(words.length, 1);
      for (const word of words) put(word, 4);
    }
    put(c.start, 2);
    put(c.at, 2);
    pairs(c.x);
    put(c.pstate, 4);
    for (const value of [c.hcr, c.sctlr, c.mdcr, c.elr]) put(value, 8);
    put(c.spsr, 4);
    put(c.tcr1, 8);
    put(c.tcr2, 8);
    put(r.vector, 1);
    put(r.esr, 4);
    put(r.elr, 8);
    put(r.spsr, 4);
    put(r.far, 8);
    put(r.pstate, 4);
    pairs(r.changes);
  }
  return Uint8Array.from(out);
}

export function decodeControl(file: Uint8Array): ControlVector[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let at = 4;
  const u8 = (): number => view.getUint8(at++);
  const u16 = (): number => view.getUint16((at += 2) - 2, true);
  const u32 = (): number => view.getUint32((at += 4) - 4, true);
  const u64 = (): bigint => view.getBigUint64((at += 8) - 8, true);
  const list = <E>(one: () => E): E[] => Array.from({ length: u8() }, one);
  const pairs = (): (readonly [number, bigint])[] => list(() => [u8(), u64()] as const);
  // Properties are read in the order in which they are written here.
  return Array.from({ length: view.getUint32(0, true) }, () => ({
    c: {
      chunks: list(() => ({ at: u16(), words: list(u32) })),
      start: u16(),
      at: u16(),
      x: pairs(),
      pstate: u32(),
      hcr: u64(),
      sctlr: u64(),
      mdcr: u64(),
      elr: u64(),
      spsr: u32(),
      tcr1: u64(),
      tcr2: u64(),
    },
    result: { vector: u8(), esr: u32(), elr: u64(), spsr: u32(), far: u64(), pstate: u32(), changes: pairs() },
  }));
}

/** The word that a case is about. */
export function wordOf({ chunks, at }: ControlCase): number {
  const chunk = chunks.find((c) => at >= c.at && at < c.at + c.words.length);
  return chunk?.words[at - chunk.at] ?? 0;
}
