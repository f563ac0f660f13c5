/** What translated code and the core agree on. */

/** Type index of a region's function in its module. */
export const REGION_TYPE = 0;

/** Parameters of a region's function: the frame's host address, the entry's virtual address, the address a RET returns to, calls that may still nest. */
export const P = { frame: 0, pc: 1, ret: 2, depth: 3 } as const;

/**
 * Functions that region modules import, by index: what cold code uses comes first, because a module imports only as many
 * of them as its code needs.
 */
export const IMPORT = {
  exit: 0,
  load: 1,
  store: 2,
  ret: 3,
  link: 4,
  jump: 5,
  flags: 6,
  storePair: 7,
  loadPair: 8,
  nzcv: 9,
  writeHost: 10,
  readHost: 11,
  commit: 12,
  helper: 13,
  lookup: 14,
  readMiss: 15,
  writeMiss: 16,
} as const;

/** What `exit` is called for; the second argument is its operand. */
export const EXIT = {
  undefined: 0,
  svc: 1,
  hvc: 2,
  smc: 3,
  brk: 4,
  hlt: 5,
  eret: 6,
  mrs: 7,
  msr: 8,
  msrImmediate: 9,
  sys: 10,
  sysl: 11,
  wfi: 12,
  wfe: 13,
  fpTrap: 14,
  irq: 16,
  deadline: 17,
  esb: 18,
  sev: 19,
} as const;

/**
 * `info` of a miss: size in bytes, flags, retired-instruction correction, signed word offset from the region's entry.
 * `aligned`: the instruction asks for natural alignment; `elements`: the context asks for that of the elements;
 * `stack`: the base is SP and must be aligned.
 */
export const MISS = {
  sizeMask: 0x7f,
  unprivileged: 1 << 7,
  aligned: 1 << 8,
  atomic: 1 << 9,
  zva: 1 << 10,
  /** With `atomic`: of a store-exclusive. */
  exclusive: 1 << 10,
  correctionShift: 11,
  correctionMask: 0xff,
  elements: 1 << 19,
  stack: 1 << 20,
  offsetShift: 21,
} as const;

/**
 * A software TLB: two tables of entries of 32 bytes, each direct mapped by virtual page. Translated code looks into the first
 * one, by the page's number; the second, by `page ^ page >> 9`, holds what the first has lost to another page.
 */
export const TLB = {
  entries: 1024,
  entrySize: 32,
  read: 0,
  write: 8,
  addend: 16,
  second: 1024 * 32,
  hashShift: 9,
  bytes: 2 * 1024 * 32,
} as const;

/** log2 of the number of entries of a jump cache. */
const JUMP_BITS = 14;

/**
 * A jump cache: entries of 16 bytes, PC (i64) and table index (i32). An address's entry is at the byte `(low word × factor)
 * >>> shift & mask`, the upper bits of a product that all bits of the address have a say in; what it has lost to another
 * address stands in its neighbour (`^ entrySize`), where only the runtime looks.
 */
export const JUMP_CACHE = {
  entrySize: 16,
  factor: 0x9e3779b1 | 0,
  shift: 32 - 4 - JUMP_BITS,
  mask: ((1 << JUMP_BITS) - 1) << 4,
  bytes: 16 << JUMP_BITS,
} as const;

/** Where a jump cache has the entry for an address. @param lo its low word */
export const jumpEntry = (lo: number): number =>
  (Math.imul(lo, JUMP_CACHE.factor) >>> JUMP_CACHE.shift) & JUMP_CACHE.mask;

/** What the translator must know of the state that a region is made for; regions are kept apart by it. */
export interface Context {
  readonly el: 0 | 1 | 2;
  /** Accesses to SIMD&FP registers trap. */
  readonly fpTrap: boolean;
  /** HCR_EL2.E2H at EL2. */
  readonly e2h: boolean;
  /** PSTATE.SP: the stack pointer in use is SP_ELx. */
  readonly stackSelected: boolean;
  /** Every access must be aligned to its elements: SCTLR_ELx.A, or all memory is Device as stage 1 is off. */
  readonly aligned: boolean;
  /** SCTLR_ELx.SA or SA0: a base that is SP must be aligned to 16 bytes. */
  readonly stackAligned: boolean;
  /** Software step or breakpoints: a region is one instruction. */
  readonly single: boolean;
  /** PSTATE.D decides about debug exceptions of this EL. */
  readonly debugMasked: boolean;
}

/** Code at EL1 with nothing trapped. */
export const EL1_CONTEXT: Context = {
  el: 1,
  fpTrap: false,
  e2h: false,
  stackSelected: true,
  aligned: false,
  stackAligned: false,
  single: false,
  debugMasked: false,
};
