/**
 * Capability slots and their derivation tree.
 *
 * SLOT.CHILD is the first capability derived from this one. Siblings form a list: SLOT.NEXT is the next sibling, and
 * of the last one the parent, with bit 0 set; SLOT.PREV is the previous sibling, and of the first one the last.
 * So everything is found in constant time, except the parent of a sibling in the middle.
 *
 * When a capability is deleted its children take its place. Therefore the capabilities of one object are either one
 * capability and its descendants, or neighbours in a list of siblings and their descendants.
 */
import { ObjectType, Rights } from './abi/numbers.ts';
import { type Context, read32, read64, write64 } from './context.ts';
import { CNODE, SLOT, THREAD } from './layout.ts';

export function typeOf(k: Context, slot: number): number {
  return k.u32[slot >>> 2]! & 0xff;
}

export function rightsOf(k: Context, slot: number): number {
  return (k.u32[slot >>> 2]! >>> 8) & 0xff;
}

export function sizeBitsOf(k: Context, slot: number): number {
  return (k.u32[slot >>> 2]! >>> 16) & 0xff;
}

export function flagsOf(k: Context, slot: number): number {
  return k.u32[slot >>> 2]! >>> 24;
}

export function setFlags(k: Context, slot: number, flags: number): void {
  k.u32[slot >>> 2] = (k.u32[slot >>> 2]! & 0xff_ffff) | (flags << 24);
}

export function headOf(type: number, rights: number, sizeBits = 0, flags = 0): number {
  return (type | (rights << 8) | (sizeBits << 16) | (flags << 24)) >>> 0;
}

/** Host address of the object; for Frame, Untyped: its physical address; else a number. */
export function objectOf(k: Context, slot: number): number {
  return read64(k, slot + SLOT.OBJECT);
}

function next(k: Context, slot: number): number {
  return k.u32[(slot + SLOT.NEXT) >>> 2]!;
}

function prev(k: Context, slot: number): number {
  return k.u32[(slot + SLOT.PREV) >>> 2]!;
}

export function firstChild(k: Context, slot: number): number {
  return k.u32[(slot + SLOT.CHILD) >>> 2]!;
}

/** Puts a capability into an empty slot, as a child of `parent`. */
export function insert(k: Context, parent: number, slot: number, head: number, object: number, value = 0): void {
  const { u32 } = k;
  u32.fill(0, slot >>> 2, (slot + SLOT.SIZE) >>> 2);
  u32[slot >>> 2] = head;
  write64(k, slot + SLOT.OBJECT, object);
  write64(k, slot + SLOT.VALUE, value);
  const first = firstChild(k, parent);
  if (first === 0) {
    u32[(slot + SLOT.NEXT) >>> 2] = parent | 1;
    u32[(slot + SLOT.PREV) >>> 2] = slot;
  } else {
    u32[(slot + SLOT.NEXT) >>> 2] = first;
    u32[(slot + SLOT.PREV) >>> 2] = prev(k, first);
    u32[(first + SLOT.PREV) >>> 2] = slot;
  }
  u32[(parent + SLOT.CHILD) >>> 2] = slot;
}

/** Puts slots `from` … `to` (linked as siblings) into the place that `slot` has among its siblings. */
function replaceInList(k: Context, slot: number, from: number, to: number): void {
  const { u32 } = k;
  const before = prev(k, slot);
  const after = next(k, slot);
  const isFirst = (next(k, before) & 1) !== 0;
  const isLast = (after & 1) !== 0;
  // Where `slot` is the only one this is put right below: `from` is then the first, and `to` the last.
  u32[(from + SLOT.PREV) >>> 2] = before;
  u32[(to + SLOT.NEXT) >>> 2] = after;
  if (isFirst) u32[(((next(k, before) & ~1) >>> 0) + SLOT.CHILD) >>> 2] = from;
  else u32[(before + SLOT.NEXT) >>> 2] = from;
  if (!isLast) u32[(after + SLOT.PREV) >>> 2] = to;
  else u32[(firstChild(k, (after & ~1) >>> 0) + SLOT.PREV) >>> 2] = to;
}

/** Takes a capability out of the tree, its children into its place, and empties the slot. */
export function erase(k: Context, slot: number): void {
  const { u32 } = k;
  const child = firstChild(k, slot);
  if (child !== 0) {
    replaceInList(k, slot, child, prev(k, child));
  } else {
    const before = prev(k, slot);
    const after = next(k, slot);
    if (before === slot) {
      u32[(((after & ~1) >>> 0) + SLOT.CHILD) >>> 2] = 0;
    } else if ((after & 1) !== 0) {
      u32[(before + SLOT.NEXT) >>> 2] = after;
      u32[(firstChild(k, (after & ~1) >>> 0) + SLOT.PREV) >>> 2] = before;
    } else {
      const link = next(k, before);
      if ((link & 1) !== 0) u32[(((link & ~1) >>> 0) + SLOT.CHILD) >>> 2] = after;
      else u32[(before + SLOT.NEXT) >>> 2] = after;
      u32[(after + SLOT.PREV) >>> 2] = before;
    }
  }
  u32.fill(0, slot >>> 2, (slot + SLOT.SIZE) >>> 2);
}

/** Moves a capability to an empty slot. */
export function relocate(k: Context, from: number, to: number): void {
  const { u32 } = k;
  u32.copyWithin(to >>> 2, from >>> 2, (from + SLOT.SIZE) >>> 2);
  replaceInList(k, from, to, to);
  const child = firstChild(k, to);
  if (child !== 0) u32[(prev(k, child) + SLOT.NEXT) >>> 2] = to | 1;
  u32.fill(0, from >>> 2, (from + SLOT.SIZE) >>> 2);
}

function sameObject(k: Context, a: number, b: number): boolean {
  return typeOf(k, a) === typeOf(k, b) && objectOf(k, a) === objectOf(k, b);
}

/** Whether no other capability of the same object exists. */
export function isFinal(k: Context, slot: number): boolean {
  const child = firstChild(k, slot);
  if (child !== 0 && sameObject(k, slot, child)) return false;
  const before = prev(k, slot);
  if (before !== slot && sameObject(k, slot, before)) return false;
  // The next sibling, or the parent.
  return !sameObject(k, slot, (next(k, slot) & ~1) >>> 0);
}

/** The parent of a capability; takes as many steps as siblings follow. */
export function parentOf(k: Context, slot: number): number {
  let link = next(k, prev(k, slot));
  if ((link & 1) === 0) for (link = next(k, slot); (link & 1) === 0;) link = next(k, link);
  return (link & ~1) >>> 0;
}

/** The slot of a CNode by index; 0 where there is none. */
export function slotAt(k: Context, cnode: number, index: number): number {
  return index >= 1 && index < 2 ** read32(k, cnode + CNODE.RADIX) ? cnode + index * SLOT.SIZE : 0;
}

/** The slot that a thread's capability pointer names; 0 if it names none. The slot may be empty. */
export function lookup(k: Context, thread: number, pointer: number): number {
  if (!(pointer > 0 && pointer < 2 ** 32)) return 0;
  let slot = thread + THREAD.CNODE;
  let rest = pointer >>> 0;
  do {
    if (typeOf(k, slot) !== ObjectType.CNODE || (rightsOf(k, slot) & Rights.READ) === 0) return 0;
    const cnode = k.u32[(slot + SLOT.OBJECT) >>> 2]!;
    const radix = k.u32[(cnode + CNODE.RADIX) >>> 2]!;
    const index = rest & ((1 << radix) - 1);
    if (index === 0) return 0;
    slot = cnode + index * SLOT.SIZE;
    rest >>>= radix;
  } while (rest !== 0);
  return slot;
}

/** Gives a thread's inner slot a capability derived from `source`. */
export function derive(k: Context, source: number, slot: number, rights: number): void {
  const head = k.u32[source >>> 2]!;
  const flags = flagsOf(k, source) & 1;
  insert(k, source, slot, headOf(head & 0xff, (head >>> 8) & rights & 0xff, (head >>> 16) & 0xff, flags), 0);
  k.u32[(slot + SLOT.OBJECT) >>> 2] = k.u32[(source + SLOT.OBJECT) >>> 2]!;
  k.u32[(slot + SLOT.OBJECT + 4) >>> 2] = k.u32[(source + SLOT.OBJECT + 4) >>> 2]!;
  if (hasBadge(head & 0xff)) {
    k.u32[(slot + SLOT.VALUE) >>> 2] = k.u32[(source + SLOT.VALUE) >>> 2]!;
    k.u32[(slot + SLOT.VALUE + 4) >>> 2] = k.u32[(source + SLOT.VALUE + 4) >>> 2]!;
  }
}

/** Whether a type's capabilities carry a badge. */
export function hasBadge(type: number): boolean {
  return type === ObjectType.ENDPOINT || type === ObjectType.NOTIFICATION;
}
