/** Spaces: translation tables of stage 1 (of tasks at EL0) and stage 2 (of virtual machines), 4 KiB granule, 2^39 bytes. */
import { Err, MapAttribute, ObjectType, Rights, type ErrorCode } from './abi/numbers.ts';
import { type Context, hostAddress, read32, read64, write32, write64 } from './context.ts';
import { flagsOf, objectOf, rightsOf, setFlags, sizeBitsOf, typeOf } from './derivation.ts';
import { FLAG, ROOT, SLOT, SPACE } from './layout.ts';

const ADDRESS_BITS = 39;
const TABLE_SIZE = 4096;
const ENTRIES = 512;

/** MAIR_EL2 of native tasks, by MapAttribute: Normal write-back, Normal non-cacheable, Device-nGnRE. */
export const MAIR = 0x04_44_ff;

const DESCRIPTOR = {
  BLOCK: 1,
  TABLE_OR_PAGE: 3,
  /** Stage 1: accessible at EL0; read-only. Stage 2: readable; writable. */
  AP_EL0: 1 << 6,
  AP_READ_ONLY: 1 << 7,
  S2AP_READ: 1 << 6,
  S2AP_WRITE: 1 << 7,
  INNER_SHAREABLE: 3 << 8,
  AF: 1 << 10,
  NG: 1 << 11,
  /** Bits of the upper half. */
  PXN_HIGH: 1 << 21,
  XN_HIGH: 1 << 22,
} as const;

/** Stage-2 MemAttr by MapAttribute. */
const MEM_ATTR = [0xf, 0x5, 0x1] as const;

/** Sets up a new space. @returns false when no identifier is free. */
export function createSpace(k: Context, space: number, stage: 1 | 2, sizeBits: number): boolean {
  const id = freeIdentifier(k);
  if (id === 0) return false;
  const entry = k.root + ROOT.SPACES + 8 * id;
  const generation = read32(k, k.root + ROOT.NEXT_GENERATION);
  write32(k, k.root + ROOT.NEXT_GENERATION, generation + 1);
  write32(k, entry, space);
  write32(k, entry + 4, generation);
  write32(k, space + SPACE.STAGE, stage);
  write32(k, space + SPACE.ID, id);
  write32(k, space + SPACE.GENERATION, generation);
  write32(k, space + SPACE.TABLES, Math.min(2 ** (sizeBits - 12) - 2, SPACE.MAX_TABLES));
  return true;
}

/** Whether another space can be made. */
export function freeIdentifier(k: Context): number {
  for (let id = 1; id < ROOT.SPACE_COUNT; id++) if (read32(k, k.root + ROOT.SPACES + 8 * id) === 0) return id;
  return 0;
}

export function destroySpace(k: Context, space: number): void {
  const id = read32(k, space + SPACE.ID);
  write32(k, k.root + ROOT.SPACES + 8 * id, 0);
  if (read32(k, space + SPACE.STAGE) === 1) k.processor.invalidateTlb({ regime: 2, asid: id, broadcast: true });
  else k.processor.invalidateTlb({ regime: 1, vmid: id, broadcast: true });
}

export function freeTables(k: Context, space: number): number {
  return read32(k, space + SPACE.TABLES) - read32(k, space + SPACE.IN_USE);
}

/** Address of a zeroed table, 0 when the space has none left. */
function allocateTable(k: Context, space: number): number {
  let index = read32(k, space + SPACE.FREE) - 1;
  if (index >= 0) {
    const table = space + SPACE.POOL + index * TABLE_SIZE;
    write32(k, space + SPACE.FREE, read32(k, table));
    write32(k, table, 0);
  } else {
    index = read32(k, space + SPACE.FRESH);
    if (index >= read32(k, space + SPACE.TABLES)) return 0;
    write32(k, space + SPACE.FRESH, index + 1);
  }
  write32(k, space + SPACE.IN_USE, read32(k, space + SPACE.IN_USE) + 1);
  return space + SPACE.POOL + index * TABLE_SIZE;
}

function countIndex(space: number, table: number): number {
  return (space + SPACE.COUNTS + 2 * ((table - space - SPACE.POOL) / TABLE_SIZE)) >>> 1;
}

/** Adds to the number of descriptors in use of a table. @returns the new number (the root table counts as never empty). */
function addCount(k: Context, space: number, table: number, by: number): number {
  if (table === space + SPACE.ROOT) return ENTRIES;
  const at = countIndex(space, table);
  return (k.u16[at] = k.u16[at]! + by);
}

function release(k: Context, space: number, table: number): void {
  write32(k, table, read32(k, space + SPACE.FREE));
  write32(k, space + SPACE.FREE, (table - space - SPACE.POOL) / TABLE_SIZE + 1);
  write32(k, space + SPACE.IN_USE, read32(k, space + SPACE.IN_USE) - 1);
}

/** Bit position of the address bits that index a table of a level: 1, 2, 3. */
function shiftOf(level: number): number {
  return 12 + 9 * (3 - level);
}

function entryAddress(table: number, level: number, address: number): number {
  return table + 8 * (Math.floor(address / 2 ** shiftOf(level)) % ENTRIES);
}

/** Host address of the table that a descriptor points to; 0: it is no table descriptor. */
function tableOf(k: Context, entry: number): number {
  const low = read32(k, entry);
  if ((low & 3) !== DESCRIPTOR.TABLE_OR_PAGE) return 0;
  return hostAddress(k, ((low & ~0xfff) >>> 0) + (read32(k, entry + 4) & 0xffff) * 2 ** 32);
}

/** The level whose descriptors map a frame of a size. */
function levelOf(sizeBits: number): number {
  return sizeBits >= 30 ? 1 : sizeBits >= 21 ? 2 : 3;
}

/** The table of a level for an address, 0 where there is none. */
function findTable(k: Context, space: number, level: number, address: number): number {
  let table = space + SPACE.ROOT;
  for (let at = 1; at < level && table !== 0; at++) table = tableOf(k, entryAddress(table, at, address));
  return table;
}

/** Frees the tables on the way to `address` that have become empty, from `level` upwards. */
function prune(k: Context, space: number, level: number, address: number): void {
  for (let at = level; at > 1; at--) {
    const table = findTable(k, space, at, address);
    if (table === 0 || k.u16[countIndex(space, table)] !== 0) continue;
    const parent = findTable(k, space, at - 1, address);
    write64(k, entryAddress(parent, at - 1, address), 0);
    addCount(k, space, parent, -1);
    release(k, space, table);
  }
}

/** SPACE_MAP. */
export function mapFrame(
  k: Context,
  space: number,
  slot: number,
  address: number,
  rights: number,
  attributes: number,
): ErrorCode {
  if (typeOf(k, slot) !== ObjectType.FRAME) return Err.INVALID_CAPABILITY;
  if ((flagsOf(k, slot) & FLAG.MAPPED) !== 0) return Err.OCCUPIED;
  if ((rights & Rights.READ) === 0 || rights > Rights.ALL || attributes > MapAttribute.DEVICE)
    return Err.INVALID_ARGUMENT;
  if ((rights & ~rightsOf(k, slot) & (Rights.READ | Rights.WRITE | Rights.EXECUTE)) !== 0) return Err.NO_RIGHT;
  const sizeBits = sizeBitsOf(k, slot);
  if (address % 2 ** sizeBits !== 0) return Err.ALIGNMENT;
  if (!(address >= 0 && address + 2 ** sizeBits <= 2 ** ADDRESS_BITS)) return Err.RANGE;

  const level = levelOf(sizeBits);
  let table = space + SPACE.ROOT;
  for (let at = 1; at < level; at++) {
    const entry = entryAddress(table, at, address);
    let below = tableOf(k, entry);
    if (below === 0) {
      if ((read32(k, entry) & 1) !== 0) return Err.OCCUPIED;
      below = allocateTable(k, space);
      if (below === 0) {
        prune(k, space, at, address);
        return Err.NO_MEMORY;
      }
      write64(k, entry, below - k.offset + DESCRIPTOR.TABLE_OR_PAGE);
      addCount(k, space, table, 1);
    }
    table = below;
  }
  const count = 2 ** (sizeBits - shiftOf(level));
  const first = entryAddress(table, level, address);
  for (let i = 0; i < count; i++) if ((read32(k, first + 8 * i) & 1) !== 0) return Err.OCCUPIED;
  const device = (flagsOf(k, slot) & FLAG.DEVICE) !== 0;
  const [low, high] = leaf(k, space, level, rights, device ? MapAttribute.DEVICE : attributes);
  const physical = objectOf(k, slot);
  for (let i = 0; i < count; i++) {
    const output = physical + i * 2 ** shiftOf(level);
    write32(k, first + 8 * i + 4, Math.floor(output / 2 ** 32) | high);
    write32(k, first + 8 * i, output | low);
  }
  addCount(k, space, table, count);
  setFlags(k, slot, flagsOf(k, slot) | FLAG.MAPPED);
  write64(k, slot + SLOT.VALUE, address);
  write32(k, slot + SLOT.SPACE, read32(k, space + SPACE.ID));
  write32(k, slot + SLOT.GENERATION, read32(k, space + SPACE.GENERATION));
  return Err.OK;
}

/** A descriptor without its address: lower and upper half. */
function leaf(k: Context, space: number, level: number, rights: number, attributes: number): [number, number] {
  let low = (level === 3 ? DESCRIPTOR.TABLE_OR_PAGE : DESCRIPTOR.BLOCK) | DESCRIPTOR.INNER_SHAREABLE | DESCRIPTOR.AF;
  const writable = (rights & Rights.WRITE) !== 0;
  const executable = (rights & Rights.EXECUTE) !== 0;
  if (read32(k, space + SPACE.STAGE) === 1) {
    low |= DESCRIPTOR.NG | DESCRIPTOR.AP_EL0 | (attributes << 2) | (writable ? 0 : DESCRIPTOR.AP_READ_ONLY);
    return [low, DESCRIPTOR.PXN_HIGH | (executable ? 0 : DESCRIPTOR.XN_HIGH)];
  }
  low |= (MEM_ATTR[attributes]! << 2) | DESCRIPTOR.S2AP_READ | (writable ? DESCRIPTOR.S2AP_WRITE : 0);
  return [low, executable ? 0 : DESCRIPTOR.XN_HIGH];
}

/** Takes a Frame capability's mapping away, if it has one. */
export function unmapFrame(k: Context, slot: number): void {
  if ((flagsOf(k, slot) & FLAG.MAPPED) === 0) return;
  setFlags(k, slot, flagsOf(k, slot) & ~FLAG.MAPPED);
  const address = read64(k, slot + SLOT.VALUE);
  const id = read32(k, slot + SLOT.SPACE);
  const generation = read32(k, slot + SLOT.GENERATION);
  write64(k, slot + SLOT.VALUE, 0);
  write64(k, slot + SLOT.SPACE, 0);
  const entry = k.root + ROOT.SPACES + 8 * id;
  const space = read32(k, entry);
  // The space may be gone, and its identifier another's.
  if (space === 0 || read32(k, entry + 4) !== generation) return;

  const sizeBits = sizeBitsOf(k, slot);
  const level = levelOf(sizeBits);
  const table = findTable(k, space, level, address);
  const count = 2 ** (sizeBits - shiftOf(level));
  const first = entryAddress(table, level, address) >>> 2;
  k.u32.fill(0, first, first + 2 * count);
  addCount(k, space, table, -count);
  prune(k, space, level, address);
  const range = { start: address, length: 2 ** sizeBits };
  if (read32(k, space + SPACE.STAGE) === 1)
    k.processor.invalidateTlb({ regime: 2, asid: id, va: range, broadcast: true });
  else k.processor.invalidateTlb({ regime: 1, vmid: id, ipa: range, broadcast: true });
}
