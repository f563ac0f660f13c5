/**
 * Untyped memory: objects are made from its begin upwards. What lies above the part in use is zero; the used part is
 * cleared and used again once nothing derived from the capability is left.
 */
import { Err, ObjectType, Rights, type ErrorCode } from './abi/numbers.ts';
import { type Context, hostAddress, read64, write32, write64 } from './context.ts';
import { firstChild, flagsOf, headOf, insert, objectOf, sizeBitsOf, slotAt, typeOf } from './derivation.ts';
import { CNODE, ENDPOINT, FLAG, NOTIFICATION, REPLY, SCHED, SLOT, THREAD, VCPU } from './layout.ts';
import { createSpace } from './space.ts';
import { createThread } from './thread.ts';
import { createVcpu } from './vcpu.ts';

/** Objects made by one call, at most: the call is not interrupted. */
const MAX_COUNT = 256;
/** Bytes cleared before the kernel looks whether something else is to be done. */
const CLEAR_STEP = 1 << 20;
const PAGE = 4096;

/** Size and alignment in bytes of an object; undefined: no such type or size. */
function shapeOf(type: number, sizeBits: number): { size: number; align: number } | undefined {
  const between = (low: number, high: number): boolean =>
    Number.isInteger(sizeBits) && sizeBits >= low && sizeBits <= high;
  const fixed = (size: number): { size: number; align: number } | undefined =>
    sizeBits === 0 ? { size, align: SLOT.SIZE } : undefined;
  switch (type) {
    case ObjectType.UNTYPED:
      return between(6, 47) ? { size: 2 ** sizeBits, align: 2 ** sizeBits } : undefined;
    case ObjectType.CNODE:
      return between(1, 20) ? { size: SLOT.SIZE * 2 ** sizeBits, align: SLOT.SIZE } : undefined;
    case ObjectType.FRAME:
      return between(12, 38) ? { size: 2 ** sizeBits, align: 2 ** sizeBits } : undefined;
    case ObjectType.SPACE:
    case ObjectType.VM_SPACE:
      return between(14, 22) ? { size: 2 ** sizeBits, align: PAGE } : undefined;
    case ObjectType.THREAD:
      return fixed(THREAD.SIZE);
    case ObjectType.SCHED_CONTEXT:
      return fixed(SCHED.SIZE);
    case ObjectType.ENDPOINT:
      return fixed(ENDPOINT.SIZE);
    case ObjectType.NOTIFICATION:
      return fixed(NOTIFICATION.SIZE);
    case ObjectType.REPLY:
      return fixed(REPLY.SIZE);
    case ObjectType.VCPU:
      return fixed(VCPU.SIZE);
    default:
      return undefined;
  }
}

/** Clears what was used. @returns false when it must be called again to go on. */
function reset(k: Context, untyped: number): boolean {
  const used = read64(k, untyped + SLOT.VALUE);
  if (used === 0 || (flagsOf(k, untyped) & FLAG.DEVICE) !== 0) {
    write64(k, untyped + SLOT.VALUE, 0);
    return true;
  }
  const from = Math.max(0, used - CLEAR_STEP);
  const base = hostAddress(k, objectOf(k, untyped));
  k.u8.fill(0, base + from, base + used);
  write64(k, untyped + SLOT.VALUE, from);
  if (from === 0 && used > PAGE) k.processor.invalidateInstructions(undefined, true);
  return from === 0;
}

/** UNTYPED_RETYPE, all arguments checked. @returns 'again' when it must be called again to go on. */
export function retype(
  k: Context,
  untyped: number,
  creator: number,
  type: number,
  sizeBits: number,
  cnode: number,
  index: number,
  count: number,
): ErrorCode | 'again' {
  const shape = shapeOf(type, sizeBits);
  if (shape === undefined) return Err.INVALID_ARGUMENT;
  const device = flagsOf(k, untyped) & FLAG.DEVICE;
  if (device !== 0 && type !== ObjectType.UNTYPED && type !== ObjectType.FRAME) return Err.INVALID_ARGUMENT;
  if (!(count >= 1 && count <= MAX_COUNT)) return Err.RANGE;
  if (slotAt(k, cnode, index) === 0 || slotAt(k, cnode, index + count - 1) === 0) return Err.RANGE;
  for (let i = 0; i < count; i++) if (typeOf(k, slotAt(k, cnode, index + i)) !== 0) return Err.OCCUPIED;

  const used = firstChild(k, untyped) === 0 ? 0 : read64(k, untyped + SLOT.VALUE);
  const base = objectOf(k, untyped);
  const first = Math.ceil((base + used) / shape.align) * shape.align;
  const end = first + count * shape.size;
  if (end > base + 2 ** sizeBitsOf(k, untyped)) return Err.NO_MEMORY;
  if (firstChild(k, untyped) === 0 && !reset(k, untyped)) return 'again';

  for (let i = 0; i < count; i++) {
    const physical = first + i * shape.size;
    const inMemory = type === ObjectType.UNTYPED || type === ObjectType.FRAME;
    const object = inMemory ? physical : hostAddress(k, physical);
    if (!create(k, creator, type, sizeBits, object)) return Err.NO_MEMORY;
    // What was made so far is used up, also if the next one fails.
    write64(k, untyped + SLOT.VALUE, physical + shape.size - base);
    const head = headOf(type, Rights.ALL, inMemory || type === ObjectType.CNODE ? sizeBits : 0, device);
    insert(k, untyped, slotAt(k, cnode, index + i), head, object);
  }
  return Err.OK;
}

/** Brings a new object, in zeroed memory, into its first state. @returns false when the kernel has no identifier left for it. */
function create(k: Context, creator: number, type: number, sizeBits: number, object: number): boolean {
  switch (type) {
    case ObjectType.CNODE:
      write32(k, object + CNODE.RADIX, sizeBits);
      return true;
    case ObjectType.SPACE:
      return createSpace(k, object, 1, sizeBits);
    case ObjectType.VM_SPACE:
      return createSpace(k, object, 2, sizeBits);
    case ObjectType.THREAD:
      createThread(k, object, creator);
      return true;
    case ObjectType.VCPU:
      createVcpu(k, object);
      return true;
    default:
      return true;
  }
}
