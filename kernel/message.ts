/** Messages: from a thread's registers and buffer to another's. */
import { F } from '../arch/core/frame.ts';
import { BUFFER, INFO, MESSAGE_CAPS, MESSAGE_REGISTERS, MESSAGE_WORDS } from './abi/message.ts';
import { ObjectType, Rights } from './abi/numbers.ts';
import { type Context, copy64, hostAddress, read32, read64 } from './context.ts';
import { derive, flagsOf, lookup, objectOf, rightsOf, slotAt, typeOf } from './derivation.ts';
import { FLAG, SLOT, THREAD } from './layout.ts';

/** Host address of Xn in a thread's own frame. */
export function register(thread: number, n: number): number {
  return thread + THREAD.FRAME + F.X + 8 * n;
}

/** Host address of a thread's message buffer; 0: it has none. */
export function bufferOf(k: Context, thread: number): number {
  const slot = thread + THREAD.BUFFER;
  return typeOf(k, slot) === ObjectType.FRAME && (flagsOf(k, slot) & FLAG.DEVICE) === 0
    ? hostAddress(k, objectOf(k, slot))
    : 0;
}

/** Host address of word i of a thread's message; 0: the thread has no place for it. */
export function wordAddress(k: Context, thread: number, i: number): number {
  if (i < MESSAGE_REGISTERS) return register(thread, 2 + i);
  const buffer = i < MESSAGE_WORDS ? bufferOf(k, thread) : 0;
  return buffer === 0 ? 0 : buffer + BUFFER.WORDS + 8 * i;
}

/** Word i of a thread's message as a number, exact below 2^53; 0 when it has no place for it. */
export function word(k: Context, thread: number, i: number): number {
  const at = wordAddress(k, thread, i);
  return at === 0 ? 0 : read64(k, at);
}

/** Sets word i of a thread's message from two halves, if it has a place for it. */
export function setWord(k: Context, thread: number, i: number, low: number, high = 0): void {
  const at = wordAddress(k, thread, i);
  if (at === 0) return;
  k.u32[at >>> 2] = low;
  k.u32[(at >>> 2) + 1] = high;
}

/** Sets word i of a thread's message to an integer of magnitude below 2^53. */
export function setWordNumber(k: Context, thread: number, i: number, value: number): void {
  setWord(k, thread, i, value, Math.floor(value / 2 ** 32));
}

/** Sets word i of a thread's message to the 64 bits at a host address, if it has a place for it. */
export function copyWord(k: Context, thread: number, i: number, from: number): void {
  const at = wordAddress(k, thread, i);
  if (at !== 0) copy64(k, at, from);
}

/** Bits 31:0 of a thread's message information. */
export function infoOf(k: Context, thread: number): number {
  return read32(k, register(thread, 1));
}

export function lengthOf(info: number): number {
  return Math.min(info & INFO.LENGTH_MASK, MESSAGE_WORDS);
}

/** Writes the result of a system call: message information and error (X1); the badge (X0) stands already, or is 0. */
export function setResult(k: Context, thread: number, info: number, error: number): void {
  const at = register(thread, 1) >>> 2;
  k.u32[at] = info;
  k.u32[at + 1] = error;
}

export function setBadge(k: Context, thread: number, low: number, high: number): void {
  const at = register(thread, 0) >>> 2;
  k.u32[at] = low;
  k.u32[at + 1] = high;
}

/** Fails a system call. */
export function fail(k: Context, thread: number, error: number): void {
  setBadge(k, thread, 0, 0);
  setResult(k, thread, 0, error);
}

/** Copies label, words and, if `grant`, capabilities of a message. X0 of the receiver is left. */
export function transfer(k: Context, from: number, to: number, grant: boolean): void {
  const { u32 } = k;
  const info = infoOf(k, from);
  let length = lengthOf(info);
  const source = register(from, 2) >>> 2;
  const target = register(to, 2) >>> 2;
  const inRegisters = 2 * Math.min(length, MESSAGE_REGISTERS);
  for (let i = 0; i < inRegisters; i++) u32[target + i] = u32[source + i]!;
  if (length > MESSAGE_REGISTERS) {
    const a = bufferOf(k, from);
    const b = bufferOf(k, to);
    if (a === 0 || b === 0) {
      length = MESSAGE_REGISTERS;
    } else {
      const begin = (a + 8 * MESSAGE_REGISTERS) >>> 2;
      u32.copyWithin((b + 8 * MESSAGE_REGISTERS) >>> 2, begin, (a + 8 * length) >>> 2);
    }
  }
  const offered = (info >>> INFO.CAPS_SHIFT) & INFO.CAPS_MASK;
  const caps = offered === 0 || !grant ? 0 : transferCaps(k, from, to, Math.min(offered, MESSAGE_CAPS));
  const label = info >>> INFO.LABEL_SHIFT;
  setResult(k, to, ((label << INFO.LABEL_SHIFT) | (caps << INFO.CAPS_SHIFT) | length) >>> 0, 0);
}

function transferCaps(k: Context, from: number, to: number, count: number): number {
  const a = bufferOf(k, from);
  const b = bufferOf(k, to);
  if (a === 0 || b === 0) return 0;
  const holder = lookup(k, to, read64(k, b + BUFFER.RECEIVE_CNODE));
  if (holder === 0 || typeOf(k, holder) !== ObjectType.CNODE || (rightsOf(k, holder) & Rights.WRITE) === 0) return 0;
  const first = read64(k, b + BUFFER.RECEIVE_INDEX);
  for (let i = 0; i < count; i++) {
    const source = lookup(k, from, read64(k, a + BUFFER.CAPS + 8 * i));
    const slot = slotAt(k, objectOf(k, holder), first + i);
    if (source === 0 || slot === 0 || !isCopyable(typeOf(k, source)) || typeOf(k, slot) !== 0) return i;
    derive(k, source, slot, Rights.ALL);
  }
  return count;
}

/** Types whose capabilities may be copied; the others are quantities, which are split. */
export function isCopyable(type: number): boolean {
  return type !== 0 && type !== ObjectType.UNTYPED && type !== ObjectType.SCHED_CONTROL;
}

export function copyBadge(k: Context, slot: number, thread: number): void {
  copy64(k, thread + THREAD.BADGE, slot + SLOT.VALUE);
}
