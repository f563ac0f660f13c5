/**
 * Which thread runs: 256 priorities, round robin in a priority, budgets; and the timer list.
 *
 * A ready thread is in the run queue of its priority while its SchedContext has budget. Without budget it is in the
 * lowest queue, so that it runs when nobody else can, or, with Sched.LIMIT, in none. The running thread stays in its queue.
 */
import { Sched } from './abi/numbers.ts';
import { type Context, read32, read64, write32, write64 } from './context.ts';
import { CORE, SCHED, STATE, THREAD } from './layout.ts';

function setLevel(k: Context, level: number, filled: boolean): void {
  const word = (k.core + CORE.BITMAP + 4 * (level >> 5)) >>> 2;
  const summary = (k.core + CORE.SUMMARY) >>> 2;
  if (filled) k.u32[word]! |= 1 << (level & 31);
  else k.u32[word]! &= ~(1 << (level & 31));
  if (k.u32[word] !== 0) k.u32[summary]! |= 1 << (level >> 5);
  else k.u32[summary]! &= ~(1 << (level >> 5));
}

/** Appends a thread to a queue whose head and tail are at `queue`, or puts it first. */
export function enqueue(k: Context, queue: number, thread: number, first = false): void {
  const { u32 } = k;
  const head = queue >>> 2;
  const oldHead = u32[head]!;
  const oldTail = u32[head + 1]!;
  if (oldHead === 0) {
    u32[head] = thread;
    u32[head + 1] = thread;
    u32[(thread + THREAD.QUEUE_NEXT) >>> 2] = 0;
    u32[(thread + THREAD.QUEUE_PREV) >>> 2] = 0;
  } else if (first) {
    u32[(thread + THREAD.QUEUE_NEXT) >>> 2] = oldHead;
    u32[(thread + THREAD.QUEUE_PREV) >>> 2] = 0;
    u32[(oldHead + THREAD.QUEUE_PREV) >>> 2] = thread;
    u32[head] = thread;
  } else {
    u32[(thread + THREAD.QUEUE_NEXT) >>> 2] = 0;
    u32[(thread + THREAD.QUEUE_PREV) >>> 2] = oldTail;
    u32[(oldTail + THREAD.QUEUE_NEXT) >>> 2] = thread;
    u32[head + 1] = thread;
  }
}

export function dequeue(k: Context, queue: number, thread: number): void {
  const { u32 } = k;
  const after = u32[(thread + THREAD.QUEUE_NEXT) >>> 2]!;
  const before = u32[(thread + THREAD.QUEUE_PREV) >>> 2]!;
  if (before === 0) u32[queue >>> 2] = after;
  else u32[(before + THREAD.QUEUE_NEXT) >>> 2] = after;
  if (after === 0) u32[(queue >>> 2) + 1] = before;
  else u32[(after + THREAD.QUEUE_PREV) >>> 2] = before;
}

function insertReady(k: Context, thread: number, level: number, first: boolean): void {
  const queue = k.core + CORE.QUEUES + 8 * level;
  if (read32(k, queue) === 0) setLevel(k, level, true);
  enqueue(k, queue, thread, first);
  write32(k, thread + THREAD.LEVEL, level + 1);
}

/** Takes a thread out of its run queue, if it is in one. */
export function removeReady(k: Context, thread: number): void {
  const level = read32(k, thread + THREAD.LEVEL) - 1;
  if (level < 0) return;
  const queue = k.core + CORE.QUEUES + 8 * level;
  dequeue(k, queue, thread);
  if (read32(k, queue) === 0) setLevel(k, level, false);
  write32(k, thread + THREAD.LEVEL, 0);
}

/** The thread to run next; 0: none is ready. */
export function firstReady(k: Context): number {
  const summary = k.u32[(k.core + CORE.SUMMARY) >>> 2]!;
  if (summary === 0) return 0;
  const word = 31 - Math.clz32(summary);
  const level = 32 * word + 31 - Math.clz32(k.u32[((k.core + CORE.BITMAP) >>> 2) + word]!);
  return k.u32[(k.core + CORE.QUEUES + 8 * level) >>> 2]!;
}

/** Puts a thread in state READY into the run queue that its budget allows. */
export function schedule(k: Context, thread: number, first = false): void {
  removeReady(k, thread);
  const sched = read32(k, thread + THREAD.SCHED);
  if (sched === 0 || read32(k, thread + THREAD.STATE) !== STATE.READY) return;
  if (read64(k, sched + SCHED.BUDGET) === 0) return;
  if (read64(k, sched + SCHED.REMAINING) === 0) {
    const now = lastLook(k);
    const at = read64(k, sched + SCHED.REPLENISH_AT);
    if (now >= at) {
      replenish(k, sched, now);
    } else {
      setTimer(k, thread, at);
      if ((read32(k, sched + SCHED.FLAGS) & Sched.LIMIT) === 0) insertReady(k, thread, 0, false);
      return;
    }
  }
  insertReady(k, thread, read32(k, thread + THREAD.PRIORITY), first);
}

/** Makes a waiting thread ready. `first`: it takes over the turn of the thread that runs. */
export function makeReady(k: Context, thread: number, first = false): void {
  clearTimer(k, thread);
  write32(k, thread + THREAD.STATE, STATE.READY);
  schedule(k, thread, first);
}

/** Takes a thread out of the run queue into another state. */
export function block(k: Context, thread: number, state: number): void {
  removeReady(k, thread);
  clearTimer(k, thread);
  write32(k, thread + THREAD.STATE, state);
}

/** Sends a running thread to the end of its queue. */
export function rotate(k: Context, thread: number): void {
  if (read32(k, thread + THREAD.LEVEL) !== 0) schedule(k, thread);
}

function replenish(k: Context, sched: number, now: number): void {
  write64(k, sched + SCHED.REMAINING, Math.max(1, read64(k, sched + SCHED.BUDGET) - read32(k, sched + SCHED.OVERRUN)));
  write32(k, sched + SCHED.OVERRUN, 0);
  write64(k, sched + SCHED.REPLENISH_AT, now + read64(k, sched + SCHED.PERIOD));
}

/** A thread has a SchedContext with new parameters, or none: starts with a full budget. */
export function restartBudget(k: Context, sched: number): void {
  replenish(k, sched, k.processor.counter());
  const thread = read32(k, sched + SCHED.THREAD);
  if (thread !== 0) schedule(k, thread);
}

/** The counter when the clock was last looked at: what the running thread has done since is not charged yet. */
export function lastLook(k: Context): number {
  return read64(k, k.core + CORE.CHARGED);
}

/** Charges the running thread for the time until `now`. */
export function charge(k: Context, now: number): void {
  const elapsed = now - read64(k, k.core + CORE.CHARGED);
  write64(k, k.core + CORE.CHARGED, now);
  const thread = read32(k, k.core + CORE.CURRENT);
  const sched = thread === 0 ? 0 : read32(k, thread + THREAD.SCHED);
  if (sched === 0 || elapsed <= 0) return;
  write64(k, sched + SCHED.CONSUMED, read64(k, sched + SCHED.CONSUMED) + elapsed);
  const remaining = read64(k, sched + SCHED.REMAINING);
  if (remaining === 0) {
    // In the background: one turn each.
    rotate(k, thread);
    return;
  }
  write64(k, sched + SCHED.REMAINING, Math.max(0, remaining - elapsed));
  if (elapsed < remaining) return;
  write32(k, sched + SCHED.OVERRUN, Math.min(elapsed - remaining, read64(k, sched + SCHED.BUDGET)));
  rotate(k, thread);
}

/** Counter value at which a thread that runs from `now` on must be stopped to look again. */
export function turnEnd(k: Context, thread: number, now: number): number {
  const sched = read32(k, thread + THREAD.SCHED);
  const remaining = read64(k, sched + SCHED.REMAINING);
  const contended = read32(k, thread + THREAD.QUEUE_NEXT) !== 0;
  const turn = remaining === 0 ? Math.ceil(k.processor.counterFrequency / (contended ? 1000 : 200)) : remaining;
  return Math.min(now + turn, nextTimer(k));
}

// The timer list.

/** Has the timer list wake a thread at a counter value. */
export function setTimer(k: Context, thread: number, deadline: number): void {
  clearTimer(k, thread);
  let before = 0;
  let after = read32(k, k.core + CORE.TIMERS);
  while (after !== 0 && read64(k, after + THREAD.DEADLINE) <= deadline) {
    before = after;
    after = read32(k, after + THREAD.TIMER_NEXT);
  }
  write64(k, thread + THREAD.DEADLINE, deadline);
  write32(k, thread + THREAD.TIMED, 1);
  write32(k, thread + THREAD.TIMER_NEXT, after);
  write32(k, thread + THREAD.TIMER_PREV, before);
  if (after !== 0) write32(k, after + THREAD.TIMER_PREV, thread);
  write32(k, before === 0 ? k.core + CORE.TIMERS : before + THREAD.TIMER_NEXT, thread);
}

export function clearTimer(k: Context, thread: number): void {
  if (read32(k, thread + THREAD.TIMED) === 0) return;
  const after = read32(k, thread + THREAD.TIMER_NEXT);
  const before = read32(k, thread + THREAD.TIMER_PREV);
  if (after !== 0) write32(k, after + THREAD.TIMER_PREV, before);
  write32(k, before === 0 ? k.core + CORE.TIMERS : before + THREAD.TIMER_NEXT, after);
  write32(k, thread + THREAD.TIMED, 0);
}

/** Counter value of the first timer; Infinity: there is none. */
export function nextTimer(k: Context): number {
  const thread = read32(k, k.core + CORE.TIMERS);
  return thread === 0 ? Infinity : read64(k, thread + THREAD.DEADLINE);
}

/** Takes a thread whose time has come from the timer list; 0: there is none. */
export function expiredTimer(k: Context, now: number): number {
  const thread = read32(k, k.core + CORE.TIMERS);
  if (thread === 0 || read64(k, thread + THREAD.DEADLINE) > now) return 0;
  clearTimer(k, thread);
  return thread;
}
