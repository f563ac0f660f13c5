/** Endpoints, notifications, replies, and fault messages. */
import { Answer, Exit } from './abi/faults.ts';
import { INFO } from './abi/message.ts';
import { Err, ObjectType, Rights, type ErrorCode } from './abi/numbers.ts';
import { type Context, read32, read64, write32 } from './context.ts';
import { objectOf, rightsOf, typeOf } from './derivation.ts';
import { answerThread, describeFault } from './faults.ts';
import { CORE, ENDPOINT, NOTIFICATION, REPLY, SEND, SLOT, STATE, THREAD } from './layout.ts';
import { copyBadge, fail, infoOf, lengthOf, setBadge, setResult, transfer } from './message.ts';
import { block, dequeue, enqueue, makeReady, setTimer } from './scheduler.ts';
import { answerVcpu, describeExit, waitForInterrupt } from './exits.ts';

/** What a system call did, besides failing: its result stands, or the thread waits for it. */
export type Outcome = ErrorCode | 'done' | 'waits';

/** The first thread in an endpoint's queue if it is in `state`, else 0. */
function waiting(k: Context, endpoint: number, state: number): number {
  const thread = read32(k, endpoint + ENDPOINT.HEAD);
  return thread !== 0 && read32(k, thread + THREAD.STATE) === state ? thread : 0;
}

/** Gives a thread's message, with its badge in THREAD.BADGE, to a receiver, and lets the receiver go on. */
function deliver(k: Context, sender: number, receiver: number, first: boolean): void {
  const flags = read32(k, sender + THREAD.SEND);
  const fault = read32(k, sender + THREAD.FAULT);
  setBadge(k, receiver, read32(k, sender + THREAD.BADGE), read32(k, sender + THREAD.BADGE + 4));
  if (fault === 0) transfer(k, sender, receiver, (flags & SEND.GRANT) !== 0);
  else if (fault >= Exit.STAGE2_ABORT) describeExit(k, sender, receiver, fault);
  else describeFault(k, sender, receiver, fault);
  k.stats.ipc++;

  const reply = read32(k, receiver + THREAD.REPLY);
  write32(k, receiver + THREAD.REPLY, 0);
  if (reply !== 0) write32(k, reply + REPLY.RECEIVER, 0);
  if ((flags & SEND.CALL) === 0) {
    if (read32(k, sender + THREAD.STATE) === STATE.SENDING) {
      fail(k, sender, Err.OK);
      makeReady(k, sender);
    }
  } else if (reply === 0) {
    cancelled(k, sender);
  } else {
    block(k, sender, STATE.CALLING);
    write32(k, sender + THREAD.WAITS_ON, reply);
    write32(k, reply + REPLY.CALLER, sender);
  }
  if (read32(k, receiver + THREAD.STATE) !== STATE.READY) makeReady(k, receiver, first);
}

/** What a thread waited for is gone: its call fails; a fault cannot be answered any more, so that thread stops. */
function cancelled(k: Context, thread: number): void {
  if (read32(k, thread + THREAD.FAULT) !== 0) {
    write32(k, thread + THREAD.FAULT, 0);
    block(k, thread, STATE.INACTIVE);
  } else {
    fail(k, thread, Err.CANCELLED);
    makeReady(k, thread);
  }
}

/** SEND, NB_SEND, CALL to an endpoint. */
export function send(k: Context, thread: number, slot: number, call: boolean, wait: boolean): Outcome {
  const rights = rightsOf(k, slot);
  if ((rights & Rights.WRITE) === 0) return Err.NO_RIGHT;
  copyBadge(k, slot, thread);
  const flags = (call ? SEND.CALL : 0) | ((rights & Rights.GRANT) !== 0 ? SEND.GRANT : 0);
  return offer(k, thread, objectOf(k, slot), flags, wait);
}

function offer(k: Context, thread: number, endpoint: number, flags: number, wait: boolean): Outcome {
  const receiver = waiting(k, endpoint, STATE.RECEIVING);
  write32(k, thread + THREAD.SEND, flags);
  if (receiver !== 0) {
    dequeue(k, endpoint + ENDPOINT.HEAD, receiver);
    deliver(k, thread, receiver, (flags & SEND.CALL) !== 0);
    if ((flags & SEND.CALL) !== 0) return 'waits';
    return Err.OK;
  }
  if (!wait) return Err.WOULD_BLOCK;
  block(k, thread, STATE.SENDING);
  write32(k, thread + THREAD.WAITS_ON, endpoint);
  enqueue(k, endpoint + ENDPOINT.HEAD, thread);
  return 'waits';
}

/** RECV, NB_RECV. `reply`: a Reply object, or 0. `deadline`: 0 for none. */
export function receive(
  k: Context,
  thread: number,
  slot: number,
  reply: number,
  wait: boolean,
  deadline: number,
): Outcome {
  if ((rightsOf(k, slot) & Rights.READ) === 0) return Err.NO_RIGHT;
  if (reply !== 0 && (read32(k, reply + REPLY.CALLER) !== 0 || read32(k, reply + REPLY.RECEIVER) !== 0)) {
    return Err.WRONG_STATE;
  }
  const bound = read32(k, thread + THREAD.NOTIFICATION);
  if (bound !== 0 && read64(k, bound + NOTIFICATION.WORD) !== 0) {
    takeWord(k, bound, thread, INFO.NOTIFICATION);
    return 'done';
  }
  const endpoint = objectOf(k, slot);
  const sender = waiting(k, endpoint, STATE.SENDING);
  if (sender !== 0) {
    dequeue(k, endpoint + ENDPOINT.HEAD, sender);
    write32(k, thread + THREAD.REPLY, reply);
    deliver(k, sender, thread, false);
    return 'done';
  }
  if (!wait) return Err.WOULD_BLOCK;
  block(k, thread, STATE.RECEIVING);
  write32(k, thread + THREAD.WAITS_ON, endpoint);
  write32(k, thread + THREAD.REPLY, reply);
  if (reply !== 0) write32(k, reply + REPLY.RECEIVER, thread);
  enqueue(k, endpoint + ENDPOINT.HEAD, thread);
  if (deadline > 0) setTimer(k, thread, deadline);
  return 'waits';
}

/** Answers the caller that a Reply holds with the thread's message. */
export function reply(k: Context, thread: number, slot: number): Outcome {
  const object = objectOf(k, slot);
  const rights = rightsOf(k, slot);
  if ((rights & Rights.WRITE) === 0) return Err.NO_RIGHT;
  const caller = read32(k, object + REPLY.CALLER);
  if (caller === 0) return Err.WRONG_STATE;
  write32(k, object + REPLY.CALLER, 0);
  write32(k, caller + THREAD.WAITS_ON, 0);
  const fault = read32(k, caller + THREAD.FAULT);
  if (fault === 0) {
    setBadge(k, caller, 0, 0);
    transfer(k, thread, caller, (rights & Rights.GRANT) !== 0);
  } else {
    write32(k, caller + THREAD.FAULT, 0);
    const info = infoOf(k, thread);
    const label = info >>> INFO.LABEL_SHIFT;
    const length = lengthOf(info);
    if (fault < Exit.STAGE2_ABORT) answerThread(k, thread, caller, label, length);
    else answerVcpu(k, thread, caller, label, length);
    if (fault >= Exit.STAGE2_ABORT && (label & Answer.WAIT) !== 0) {
      waitForInterrupt(k, caller);
      return Err.OK;
    }
  }
  makeReady(k, caller, true);
  return Err.OK;
}

/** Sends a fault or exit in a thread's name; the thread stops if nobody can take it. */
export function raiseFault(k: Context, thread: number, label: number): void {
  k.stats.faults[label] = (k.stats.faults[label] ?? 0) + 1;
  k.hooks.onFault?.(thread, label);
  const slot = thread + THREAD.FAULT_ENDPOINT;
  if (typeOf(k, slot) !== ObjectType.ENDPOINT || (rightsOf(k, slot) & Rights.WRITE) === 0) {
    block(k, thread, STATE.INACTIVE);
    return;
  }
  write32(k, thread + THREAD.FAULT, label);
  copyBadge(k, slot, thread);
  offer(k, thread, objectOf(k, slot), SEND.CALL, true);
}

// Notifications.

/** Gives the word of a notification to a thread as the result of its receive or wait. */
function takeWord(k: Context, notification: number, thread: number, info: number): void {
  const at = (notification + NOTIFICATION.WORD) >>> 2;
  setBadge(k, thread, k.u32[at]!, k.u32[at + 1]!);
  setResult(k, thread, info, Err.OK);
  k.u32[at] = 0;
  k.u32[at + 1] = 0;
}

/** ORs the badge in a Notification capability's slot (1 if it has none) into its notification, and wakes who waits for it. */
export function signal(k: Context, slot: number): void {
  const notification = objectOf(k, slot);
  const at = (notification + NOTIFICATION.WORD) >>> 2;
  const from = (slot + SLOT.VALUE) >>> 2;
  const unbadged = k.u32[from] === 0 && k.u32[from + 1] === 0;
  k.u32[at]! |= unbadged ? 1 : k.u32[from]!;
  k.u32[at + 1]! |= k.u32[from + 1]!;

  const bound = read32(k, notification + NOTIFICATION.BOUND);
  if (bound !== 0 && read32(k, bound + THREAD.STATE) === STATE.RECEIVING) {
    dequeue(k, read32(k, bound + THREAD.WAITS_ON) + ENDPOINT.HEAD, bound);
    detachReply(k, bound);
    takeWord(k, notification, bound, INFO.NOTIFICATION);
    makeReady(k, bound);
    return;
  }
  const waiter = read32(k, notification + NOTIFICATION.HEAD);
  if (waiter === 0) return;
  dequeue(k, notification + NOTIFICATION.HEAD, waiter);
  takeWord(k, notification, waiter, 0);
  makeReady(k, waiter);
}

/** WAIT, POLL. */
export function wait(k: Context, thread: number, slot: number, wait: boolean, deadline: number): Outcome {
  if ((rightsOf(k, slot) & Rights.READ) === 0) return Err.NO_RIGHT;
  const notification = objectOf(k, slot);
  if (read64(k, notification + NOTIFICATION.WORD) !== 0) {
    takeWord(k, notification, thread, 0);
    return 'done';
  }
  if (!wait) return Err.WOULD_BLOCK;
  block(k, thread, STATE.WAITING);
  write32(k, thread + THREAD.WAITS_ON, notification);
  enqueue(k, notification + NOTIFICATION.HEAD, thread);
  if (deadline > 0) setTimer(k, thread, deadline);
  return 'waits';
}

/** Binds a notification (0: none) to a thread. */
export function bindNotification(k: Context, thread: number, notification: number): ErrorCode {
  const old = read32(k, thread + THREAD.NOTIFICATION);
  if (notification !== 0 && (old !== 0 || read32(k, notification + NOTIFICATION.BOUND) !== 0)) return Err.WRONG_STATE;
  if (old !== 0) write32(k, old + NOTIFICATION.BOUND, 0);
  write32(k, thread + THREAD.NOTIFICATION, notification);
  if (notification !== 0) write32(k, notification + NOTIFICATION.BOUND, thread);
  return Err.OK;
}

// The end of waiting.

function detachReply(k: Context, thread: number): void {
  const object = read32(k, thread + THREAD.REPLY);
  if (object !== 0) write32(k, object + REPLY.RECEIVER, 0);
  write32(k, thread + THREAD.REPLY, 0);
}

/** Takes a thread out of what it waits for. */
function stopWaiting(k: Context, thread: number): void {
  const on = read32(k, thread + THREAD.WAITS_ON);
  switch (read32(k, thread + THREAD.STATE)) {
    case STATE.SENDING:
      dequeue(k, on + ENDPOINT.HEAD, thread);
      break;
    case STATE.RECEIVING:
      dequeue(k, on + ENDPOINT.HEAD, thread);
      detachReply(k, thread);
      break;
    case STATE.WAITING:
      dequeue(k, on + NOTIFICATION.HEAD, thread);
      break;
    case STATE.CALLING:
      write32(k, on + REPLY.CALLER, 0);
      break;
    default:
      break;
  }
  write32(k, thread + THREAD.WAITS_ON, 0);
}

/** Suspends a thread: what it waits for fails with CANCELLED; a fault is forgotten (its instruction runs again). */
export function suspend(k: Context, thread: number): void {
  const state = read32(k, thread + THREAD.STATE);
  if (state === STATE.INACTIVE) return;
  stopWaiting(k, thread);
  if (read32(k, thread + THREAD.FAULT) !== 0) write32(k, thread + THREAD.FAULT, 0);
  else if (state !== STATE.READY && state !== STATE.WFI) fail(k, thread, Err.CANCELLED);
  block(k, thread, STATE.INACTIVE);
  if (read32(k, k.core + CORE.CURRENT) === thread) write32(k, k.core + CORE.CURRENT, 0);
}

/** The deadline of a waiting thread has passed. */
export function timeOut(k: Context, thread: number): void {
  const state = read32(k, thread + THREAD.STATE);
  if (state === STATE.RECEIVING || state === STATE.WAITING) {
    stopWaiting(k, thread);
    fail(k, thread, Err.TIMEOUT);
  }
  makeReady(k, thread);
}

/** An endpoint is gone: all who wait there fail. */
export function cancelQueue(k: Context, endpoint: number): void {
  for (let thread = read32(k, endpoint + ENDPOINT.HEAD); thread !== 0; thread = read32(k, endpoint + ENDPOINT.HEAD)) {
    stopWaiting(k, thread);
    cancelled(k, thread);
  }
}

export function destroyNotification(k: Context, notification: number): void {
  cancelQueue(k, notification);
  const bound = read32(k, notification + NOTIFICATION.BOUND);
  if (bound !== 0) write32(k, bound + THREAD.NOTIFICATION, 0);
}

export function destroyReply(k: Context, object: number): void {
  const receiver = read32(k, object + REPLY.RECEIVER);
  if (receiver !== 0) write32(k, receiver + THREAD.REPLY, 0);
  const caller = read32(k, object + REPLY.CALLER);
  if (caller !== 0) {
    stopWaiting(k, caller);
    cancelled(k, caller);
  }
}
