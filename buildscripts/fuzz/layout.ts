/**
 * Where things stand in the RAM of the machine that runs a batch: physical addresses, for `fuzz cpu` the virtual ones of
 * EL1 too. common.S and harness.S know the same numbers.
 */
export const RAM = 0x40000000;
export const RAM_BYTES = 256 << 20;
/** The harness's code. QEMU leaves a device tree at the start of RAM. */
export const HARNESS = 0x40200000;
/** Stage 1 tables: level 1, level 2, level 3 of the window, level 2 of the aliases, of code's other view, of the window. */
export const TABLES = 0x40210000;
export const TABLE_BYTES = 0x6000;
/** u64: how many cases the batch has. */
export const CASES = 0x40220000;
/** u64: how many of them the harness has begun. */
export const BEGUN = 0x40220008;
/** Physical pages of the window, and what the first three hold before each program. */
export const DATA = 0x40600000;
export const TEMPLATE = 0x40700000;
export const DATA_PAGES = 4;
export const SAVED_PAGES = 3;
/** What a program starts with, and leaves: registers (STATE), then the pages that it can write. */
export const STATES = 0x41000000;
export const STATE_BYTES = 0x400;
export const RESULTS = 0x42000000;
export const RESULT_BYTES = 0x3400;
/** Two pages of code for each program. */
export const CODE = 0x48000000;
export const CODE_BYTES = 0x2000;

/** Byte offsets in a state. */
export const STATE = {
  x: 0,
  sp: 248,
  pc: 256,
  spsr: 264,
  esr: 272,
  far: 280,
  fpcr: 288,
  fpsr: 296,
  tpidr: 304,
  v: 320,
} as const;

/** The window: 2 MiB of which only these pages are mapped, and nothing near. */
export const WINDOW = 0x20400000;
/** Page of the window, page of DATA, may be written. The pages between are not mapped. */
export const WINDOW_PAGES = [
  [1, 0, true],
  [2, 1, true],
  [3, 3, false],
  [5, 2, true],
] as const;

/** What is added to the address of code, in either view, for the one by which it can be written. */
export const ALIAS = 0x40000000;
/** The bit by which the two addresses differ at which code can be executed. */
export const OTHER_VIEW = 0x80000000;

const BLOCK = 0x701;
const UXN = 1n << 54n;
const PXN = 1n << 53n;
/** AP[2:1]: EL1 only, EL0 too, EL0 may only read. */
const AP_EL0 = 0x40n;
const AP_READ_ONLY = 0xc0n;

/** Writes the tables: 4 KiB granule, 39-bit addresses. */
export function writeTables(ram: Buffer): void {
  const at = (table: number, index: number): number => TABLES - RAM + table * 0x1000 + index * 8;
  const table = (n: number): bigint => BigInt(TABLES + n * 0x1000) | 3n;
  ram.writeBigUInt64LE(table(1), at(0, RAM >>> 30));
  ram.writeBigUInt64LE(table(3), at(0, (RAM + ALIAS) / 2 ** 30));
  ram.writeBigUInt64LE(table(4), at(0, (RAM + OTHER_VIEW) / 2 ** 30));
  ram.writeBigUInt64LE(table(3), at(0, (RAM + OTHER_VIEW + ALIAS) / 2 ** 30));
  // Not what QEMU leaves at the start.
  for (let n = 1; n < RAM_BYTES >>> 21; n++) {
    const pa = RAM + n * 0x200000;
    let block = BigInt(pa) | BigInt(BLOCK);
    if (pa >= CODE) block |= AP_READ_ONLY;
    else block |= UXN;
    ram.writeBigUInt64LE(block, at(1, n));
    if (pa < CODE) continue;
    ram.writeBigUInt64LE(block, at(4, n));
    ram.writeBigUInt64LE(BigInt(pa) | BigInt(BLOCK) | AP_EL0 | UXN | PXN, at(3, n));
  }
  ram.writeBigUInt64LE(table(5), at(0, WINDOW >>> 30));
  ram.writeBigUInt64LE(table(2), at(5, (WINDOW >>> 21) & 511));
  for (const [page, data, writable] of WINDOW_PAGES) {
    ram.writeBigUInt64LE(
      BigInt(DATA + data * 0x1000) | 0x703n | UXN | PXN | (writable ? AP_EL0 : AP_READ_ONLY),
      at(2, page),
    );
  }
}
