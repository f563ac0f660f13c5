/** The first state: the kernel's own records, and a root task that holds capabilities to all else. */
import { BOOT, Root, ROOT_CNODE_BITS } from './abi/boot.ts';
import { ObjectType, Rights, WHOLE_CORE } from './abi/numbers.ts';
import { type Context, hostAddress, write32, write64 } from './context.ts';
import { derive, headOf, insert } from './derivation.ts';
import { CNODE, CORE, FLAG, IRQ, ROOT, SCHED, SLOT, THREAD } from './layout.ts';
import { makeReady } from './scheduler.ts';
import { createThread } from './thread.ts';
import { LIST_REGISTERS } from '../arch/gic/ich.ts';

/** Physical addresses and bytes; pages. */
export interface Range {
  address: number;
  size: number;
}

const PAGE = 4096;
const MAGIC = 0x4e58_4b31;
/** The root task starts with this much of core 0, in microseconds. */
const ROOT_BUDGET_US = 2_000;
const ROOT_PERIOD_US = 10_000;

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Bytes of the kernel's own records. */
export function kernelSize(irqs: number): number {
  return roundUp(ROOT.CORE0 + CORE.SIZE + irqs * IRQ.SIZE, PAGE);
}

const CNODE_SIZE = SLOT.SIZE * 2 ** ROOT_CNODE_BITS;
const ROOT_TASK_SIZE = roundUp(CNODE_SIZE + THREAD.SIZE + SCHED.SIZE, PAGE) + 2 * PAGE;

/**
 * Takes memory for the kernel and the root task from the end of the last range that has room for it.
 * @returns its physical address, and what is left
 */
export function reserve(ranges: readonly Range[], irqs: number): { address: number; left: Range[] } {
  const size = kernelSize(irqs) + ROOT_TASK_SIZE;
  const left = ranges
    .map(({ address, size: bytes }) => {
      const begin = roundUp(address, PAGE);
      return { address: begin, size: Math.floor((address + bytes) / PAGE) * PAGE - begin };
    })
    .filter((range) => range.size > 0)
    .sort((a, b) => a.address - b.address);
  const from = left.findLast((range) => range.size >= size);
  if (from === undefined) throw new Error(`the kernel needs ${size} bytes of free memory in one piece`);
  from.size -= size;
  return { address: from.address + from.size, left: left.filter((range) => range.size > 0) };
}

/** Splits a range into pieces of a power of two in size, each aligned to its size. */
function* pieces({ address, size }: Range): Generator<{ address: number; sizeBits: number }> {
  while (size >= PAGE) {
    let sizeBits = Math.min(47, Math.floor(Math.log2(size)));
    while (address % 2 ** sizeBits !== 0) sizeBits--;
    yield { address, sizeBits };
    address += 2 ** sizeBits;
    size -= 2 ** sizeBits;
  }
}

/** Writes the kernel's records for this core (k.root and k.core), in zeroed memory. */
export function createRoot(k: Context, irqs: number): void {
  write32(k, k.root + ROOT.MAGIC, MAGIC);
  write32(k, k.root + ROOT.IRQS, irqs);
  write32(k, k.root + ROOT.CORES, 1);
  write32(k, k.root + ROOT.NEXT_GENERATION, 1);
  k.processor.resetFrame(k.core + CORE.IDLE_FRAME, 2);
  k.processor.switchFrame(k.core + CORE.IDLE_FRAME);
}

/**
 * Makes the root task at a physical address (ROOT_TASK_SIZE bytes, zeroed), running the first service program.
 * @returns its thread
 */
export function createRootTask(
  k: Context,
  physical: number,
  free: readonly Range[],
  devices: readonly Range[],
): number {
  const origin = k.root + ROOT.SLOT;
  const cnode = hostAddress(k, physical);
  const thread = cnode + CNODE_SIZE;
  const sched = thread + THREAD.SIZE;
  const frames = roundUp(physical + CNODE_SIZE + THREAD.SIZE + SCHED.SIZE, PAGE);
  const slot = (index: number): number => cnode + index * SLOT.SIZE;
  const give = (index: number, type: number, object: number, sizeBits = 0, value = 0, flags = 0): void =>
    insert(k, origin, slot(index), headOf(type, Rights.ALL, sizeBits, flags), object, value);

  write32(k, cnode + CNODE.RADIX, ROOT_CNODE_BITS);
  createThread(k, thread, 0);
  write32(k, thread + THREAD.PRIORITY, 255);
  write32(k, thread + THREAD.MAX_PRIORITY, 255);
  write32(k, thread + THREAD.PROGRAM, 1);
  give(Root.CNODE, ObjectType.CNODE, cnode, ROOT_CNODE_BITS);
  give(Root.THREAD, ObjectType.THREAD, thread);
  give(Root.SCHED_CONTEXT, ObjectType.SCHED_CONTEXT, sched);
  give(Root.BUFFER, ObjectType.FRAME, frames, 12);
  give(Root.BOOT_INFO, ObjectType.FRAME, frames + PAGE, 12);
  give(Root.IRQ_CONTROL, ObjectType.IRQ_CONTROL, 0);
  give(Root.SCHED_CONTROL, ObjectType.SCHED_CONTROL, k.processor.index, 0, WHOLE_CORE);
  derive(k, slot(Root.CNODE), thread + THREAD.CNODE, Rights.ALL);
  derive(k, slot(Root.BUFFER), thread + THREAD.BUFFER, Rights.ALL);
  startSched(k, slot(Root.SCHED_CONTROL), sched, thread);

  const info = hostAddress(k, frames + PAGE);
  const put = (word: number, value: number): void => write32(k, info + 4 * word, value);
  let next: number = Root.FIRST_UNTYPED;
  let count = 0;
  for (const [ranges, flags] of [
    [free, 0],
    [devices, FLAG.DEVICE],
  ] as const) {
    for (const range of ranges) {
      for (const { address, sizeBits } of pieces(range)) {
        if (count === BOOT.MAX_UNTYPEDS) break;
        give(next, ObjectType.UNTYPED, address, sizeBits, 0, flags);
        const at = BOOT.UNTYPEDS + BOOT.UNTYPED_WORDS * count++;
        put(at, next++);
        put(at + 1, address % 2 ** 32);
        put(at + 2, Math.floor(address / 2 ** 32));
        put(at + 3, sizeBits | (flags !== 0 ? 0x100 : 0));
      }
    }
  }
  put(0, BOOT.MAGIC);
  put(BOOT.COUNT, count);
  put(BOOT.FIRST_FREE, next);
  put(BOOT.CORES, 1);
  put(BOOT.LIST_REGISTERS, LIST_REGISTERS);
  put(BOOT.SCHED_CONTROLS, Root.SCHED_CONTROL);
  makeReady(k, thread);
  return thread;
}

/** Gives the root task its budget out of the core's. */
function startSched(k: Context, control: number, sched: number, thread: number): void {
  const share = (ROOT_BUDGET_US / ROOT_PERIOD_US) * WHOLE_CORE;
  const ticks = k.processor.counterFrequency / 1e6;
  write32(k, control + SLOT.SPACE, share);
  insert(k, control, sched + SCHED.SHARE, headOf(ObjectType.SCHED_CONTROL, 0, 0, FLAG.IN_USE), 0, share);
  write32(k, sched + SCHED.BUDGET_US, ROOT_BUDGET_US);
  write32(k, sched + SCHED.PERIOD_US, ROOT_PERIOD_US);
  write64(k, sched + SCHED.BUDGET, Math.floor(ROOT_BUDGET_US * ticks));
  write64(k, sched + SCHED.PERIOD, Math.floor(ROOT_PERIOD_US * ticks));
  write32(k, sched + SCHED.THREAD, thread);
  write32(k, thread + THREAD.SCHED, sched);
}
