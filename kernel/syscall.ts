/** System calls: from the registers of the calling thread to what they do. Everything in them is hostile. */
import {
  Err,
  ObjectType,
  Op,
  Rights,
  Syscall,
  SYSCALL_COUNT,
  SYSCALL_FIRST,
  Trigger,
  WHOLE_CORE,
  type ErrorCode,
} from './abi/numbers.ts';
import { Fault } from './abi/faults.ts';
import { INFO, messageInfo } from './abi/message.ts';
import { type Context, irqEntry, read32, read64, write32, write64 } from './context.ts';
import { deleteSlot, reap, revokeSlot } from './destroy.ts';
import {
  derive,
  flagsOf,
  hasBadge,
  headOf,
  insert,
  lookup,
  objectOf,
  parentOf,
  relocate,
  rightsOf,
  sizeBitsOf,
  slotAt,
  typeOf,
} from './derivation.ts';
import { acknowledgeInterrupt, bindInterrupt, configureInterrupt, isGrantable } from './interrupts.ts';
import { type Outcome, raiseFault, receive, reply, send, signal, wait } from './ipc.ts';
import { FLAG, IRQ, SCHED, SLOT, THREAD } from './layout.ts';
import {
  fail,
  infoOf,
  isCopyable,
  lengthOf,
  register,
  setBadge,
  setResult,
  setWordNumber,
  word,
  wordAddress,
} from './message.ts';
import { restartBudget, rotate } from './scheduler.ts';
import { freeTables, mapFrame, unmapFrame } from './space.ts';
import { invokeThread } from './thread.ts';
import { retype } from './untyped.ts';
import { invokeVcpu, LIST_WORDS } from './vcpu.ts';

/** What an operation needs: the object's type, rights, words of arguments; and words of its answer. */
interface Operation {
  types: readonly number[];
  rights: number;
  args: number;
  /** Default 0; -1: as many as the request had. */
  answer?: number;
}

const { READ, WRITE } = Rights;
const OPERATIONS = new Map<number, Operation>();
function operations(
  type: number | readonly number[],
  list: readonly (readonly [number, number, number, number?])[],
): void {
  const types = typeof type === 'number' ? [type] : type;
  for (const [op, rights, args, answer] of list) OPERATIONS.set(op, { types, rights, args, answer: answer ?? 0 });
}
operations(ObjectType.UNTYPED, [
  [Op.UNTYPED_RETYPE, WRITE, 5],
  [Op.UNTYPED_INFO, READ, 0, 2],
]);
operations(ObjectType.CNODE, [
  [Op.CNODE_COPY, WRITE, 3],
  [Op.CNODE_MINT, WRITE, 4],
  [Op.CNODE_MOVE, WRITE, 2],
  [Op.CNODE_DELETE, WRITE, 1],
  [Op.CNODE_REVOKE, WRITE, 1],
  [Op.CNODE_INSPECT, READ, 1, 4],
]);
operations(ObjectType.FRAME, [
  [Op.FRAME_UNMAP, 0, 0],
  [Op.FRAME_INFO, 0, 0, 3],
  [Op.FRAME_SYNC_CODE, WRITE, 0],
]);
operations(
  [ObjectType.SPACE, ObjectType.VM_SPACE],
  [
    [Op.SPACE_MAP, WRITE, 4],
    [Op.SPACE_INFO, READ, 0, 1],
  ],
);
operations(ObjectType.THREAD, [
  [Op.THREAD_CONFIGURE, WRITE, 4],
  [Op.THREAD_SET_PRIORITY, WRITE, 2],
  [Op.THREAD_SET_MASK, WRITE, 1],
  [Op.THREAD_BIND_SCHED, WRITE, 1],
  [Op.THREAD_BIND_NOTIFICATION, WRITE, 1],
  [Op.THREAD_READ_REGISTERS, READ, 1, -1],
  [Op.THREAD_WRITE_REGISTERS, WRITE, 2],
  [Op.THREAD_RESUME, WRITE, 0],
  [Op.THREAD_SUSPEND, WRITE, 0],
  [Op.THREAD_SET_SERVICE, WRITE, 1],
]);
operations(ObjectType.SCHED_CONTROL, [
  [Op.SCHED_CONTROL_SPLIT, WRITE, 3],
  [Op.SCHED_CONTROL_CONFIGURE, WRITE, 4],
  [Op.SCHED_CONTROL_INFO, READ, 0, 3],
]);
operations(ObjectType.SCHED_CONTEXT, [[Op.SCHED_CONTEXT_INFO, READ, 0, 3]]);
operations(ObjectType.IRQ_CONTROL, [[Op.IRQ_CONTROL_MAKE, WRITE, 4]]);
operations(ObjectType.IRQ, [
  [Op.IRQ_BIND, WRITE, 1],
  [Op.IRQ_ACK, WRITE, 0],
]);
operations(ObjectType.VCPU, [
  [Op.VCPU_BIND, WRITE, 2],
  [Op.VCPU_READ_REGISTERS, READ, 1, -1],
  [Op.VCPU_WRITE_REGISTERS, WRITE, 2],
  [Op.VCPU_INJECT, WRITE, 3, 1],
  [Op.VCPU_LIST, READ, 0, LIST_WORDS],
]);

/** Makes the system call that stands in a thread's registers, and writes its result there unless the thread waits. */
export function systemCall(k: Context, thread: number): void {
  const at = register(thread, 8) >>> 2;
  const number = k.u32[at]!;
  const index = number - SYSCALL_FIRST;
  if (k.u32[at + 1] !== 0 || index < 0 || index >= SYSCALL_COUNT) return raiseFault(k, thread, Fault.UNKNOWN_SYSCALL);
  k.stats.syscalls++;
  if (k.hooks.onSyscall !== undefined) {
    k.hooks.onSyscall(thread, number, read64(k, register(thread, 0)), infoOf(k, thread) >>> INFO.LABEL_SHIFT);
  }
  const outcome = (read32(k, thread + THREAD.MASK) & (1 << index)) === 0 ? Err.MASKED : dispatch(k, thread, number);
  if (outcome === 'again') write32(k, thread + THREAD.RESTART, 1);
  else if (typeof outcome === 'number') fail(k, thread, outcome);
}

function dispatch(k: Context, thread: number, number: number): Outcome | 'again' {
  if (number === Syscall.YIELD) {
    rotate(k, thread);
    return Err.OK;
  }
  const slot = lookup(k, thread, read64(k, register(thread, 0)));
  const type = slot === 0 ? 0 : typeOf(k, slot);
  switch (number) {
    case Syscall.CALL:
      if (type === ObjectType.ENDPOINT) return send(k, thread, slot, true, true);
      return type === 0 ? Err.INVALID_CAPABILITY : invoke(k, thread, slot, type);
    case Syscall.REPLY_RECV:
    case Syscall.RECV:
    case Syscall.NB_RECV: {
      if (type !== ObjectType.ENDPOINT) return Err.INVALID_CAPABILITY;
      const pointer = read64(k, register(thread, 9));
      let object = 0;
      if (pointer !== 0 || number === Syscall.REPLY_RECV) {
        const replySlot = lookup(k, thread, pointer);
        if (replySlot === 0 || typeOf(k, replySlot) !== ObjectType.REPLY) return Err.INVALID_CAPABILITY;
        if ((rightsOf(k, replySlot) & WRITE) === 0) return Err.NO_RIGHT;
        object = objectOf(k, replySlot);
        if ((rightsOf(k, slot) & READ) === 0) return Err.NO_RIGHT;
        // A caller that has gone away must not hinder its server: there is then nobody to answer.
        if (number === Syscall.REPLY_RECV) reply(k, thread, replySlot);
      }
      const wait = number !== Syscall.NB_RECV;
      return receive(k, thread, slot, object, wait, wait ? deadlineOf(k, thread) : 0);
    }
    case Syscall.SEND:
      if (type === ObjectType.REPLY) return reply(k, thread, slot);
      return type === ObjectType.ENDPOINT ? send(k, thread, slot, false, true) : Err.INVALID_CAPABILITY;
    case Syscall.NB_SEND:
      return type === ObjectType.ENDPOINT ? send(k, thread, slot, false, false) : Err.INVALID_CAPABILITY;
    case Syscall.SIGNAL:
      if (type !== ObjectType.NOTIFICATION) return Err.INVALID_CAPABILITY;
      if ((rightsOf(k, slot) & WRITE) === 0) return Err.NO_RIGHT;
      signal(k, slot);
      return Err.OK;
    default:
      if (type !== ObjectType.NOTIFICATION) return Err.INVALID_CAPABILITY;
      return wait(k, thread, slot, number === Syscall.WAIT, deadlineOf(k, thread));
  }
}

/** The deadline in X10; values beyond the exact numbers are never reached. */
function deadlineOf(k: Context, thread: number): number {
  const deadline = read64(k, register(thread, 10));
  return deadline < 2 ** 53 ? deadline : 0;
}

/** CALL on a kernel object. */
function invoke(k: Context, thread: number, slot: number, type: number): Outcome | 'again' {
  const info = infoOf(k, thread);
  const op = info >>> INFO.LABEL_SHIFT;
  const operation = OPERATIONS.get(op);
  if (operation === undefined || !operation.types.includes(type)) return Err.UNKNOWN_OPERATION;
  if ((rightsOf(k, slot) & operation.rights) !== operation.rights) return Err.NO_RIGHT;
  const length = lengthOf(info);
  if (length < operation.args) return Err.INVALID_ARGUMENT;
  const error = operate(k, thread, slot, type, op, length);
  if (error !== Err.OK) return error;
  // The caller may have suspended or deleted itself; its registers, still in place, are written all the same.
  setBadge(k, thread, 0, 0);
  let words = operation.answer === -1 ? length : (operation.answer ?? 0);
  while (words > 0 && wordAddress(k, thread, words - 1) === 0) words--;
  setResult(k, thread, messageInfo(0, words), Err.OK);
  return 'done';
}

function operate(
  k: Context,
  thread: number,
  slot: number,
  type: number,
  op: number,
  length: number,
): ErrorCode | 'again' {
  switch (type) {
    case ObjectType.UNTYPED:
      return invokeUntyped(k, thread, slot, op);
    case ObjectType.CNODE:
      return invokeCnode(k, thread, objectOf(k, slot), op);
    case ObjectType.FRAME:
      return invokeFrame(k, thread, slot, op);
    case ObjectType.SPACE:
    case ObjectType.VM_SPACE:
      return invokeSpace(k, thread, objectOf(k, slot), op);
    case ObjectType.THREAD:
      return invokeThread(k, thread, slot, op, length);
    case ObjectType.SCHED_CONTROL:
      return invokeSchedControl(k, thread, slot, op);
    case ObjectType.SCHED_CONTEXT:
      return schedContextInfo(k, thread, objectOf(k, slot));
    case ObjectType.IRQ_CONTROL:
      return makeIrq(k, thread, slot);
    case ObjectType.IRQ:
      return invokeIrq(k, thread, objectOf(k, slot), op);
    case ObjectType.VCPU:
      return invokeVcpu(k, thread, slot, op, length);
    default:
      return Err.UNKNOWN_OPERATION;
  }
}

/** The CNode that word i of the message names, to be written into; an error code if it cannot be. */
function destination(k: Context, thread: number, i: number): { cnode: number } | ErrorCode {
  const slot = lookup(k, thread, word(k, thread, i));
  if (slot === 0 || typeOf(k, slot) !== ObjectType.CNODE) return Err.INVALID_CAPABILITY;
  return (rightsOf(k, slot) & WRITE) === 0 ? Err.NO_RIGHT : { cnode: objectOf(k, slot) };
}

/** The empty slot that words i (CNode) and i + 1 (index) of the message name. */
function emptySlot(k: Context, thread: number, i: number): { slot: number } | ErrorCode {
  const to = destination(k, thread, i);
  if (typeof to === 'number') return to;
  const slot = slotAt(k, to.cnode, word(k, thread, i + 1));
  if (slot === 0) return Err.RANGE;
  return typeOf(k, slot) !== 0 ? Err.OCCUPIED : { slot };
}

function invokeUntyped(k: Context, thread: number, slot: number, op: number): ErrorCode | 'again' {
  if (op === Op.UNTYPED_INFO) {
    setWordNumber(k, thread, 0, 2 ** sizeBitsOf(k, slot));
    setWordNumber(k, thread, 1, read64(k, slot + SLOT.VALUE));
    return Err.OK;
  }
  if (!reap(k)) return 'again';
  const [type, sizeBits, , index, count] = [0, 1, 2, 3, 4].map((i) => word(k, thread, i)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const to = destination(k, thread, 2);
  if (typeof to === 'number') return to;
  return retype(k, slot, thread, type, sizeBits, to.cnode, index, count);
}

function invokeCnode(k: Context, thread: number, cnode: number, op: number): ErrorCode | 'again' {
  const slot = slotAt(k, cnode, word(k, thread, 0));
  if (slot === 0) return Err.RANGE;
  switch (op) {
    case Op.CNODE_COPY:
    case Op.CNODE_MINT: {
      const source = lookup(k, thread, word(k, thread, 1));
      const type = source === 0 ? 0 : typeOf(k, source);
      if (!isCopyable(type)) return Err.INVALID_CAPABILITY;
      if (typeOf(k, slot) !== 0) return Err.OCCUPIED;
      const rights = word(k, thread, 2);
      if (rights > Rights.ALL) return Err.INVALID_ARGUMENT;
      if (op === Op.CNODE_MINT) {
        if (!hasBadge(type)) return Err.INVALID_ARGUMENT;
        if (read64(k, source + SLOT.VALUE) !== 0) return Err.WRONG_STATE;
      }
      derive(k, source, slot, rights);
      if (op === Op.CNODE_MINT) {
        const badge = wordAddress(k, thread, 3) >>> 2;
        k.u32[(slot + SLOT.VALUE) >>> 2] = k.u32[badge]!;
        k.u32[(slot + SLOT.VALUE + 4) >>> 2] = k.u32[badge + 1]!;
      }
      return Err.OK;
    }
    case Op.CNODE_MOVE: {
      const source = lookup(k, thread, word(k, thread, 1));
      if (source === 0 || typeOf(k, source) === 0) return Err.INVALID_CAPABILITY;
      if (typeOf(k, slot) !== 0) return Err.OCCUPIED;
      if ((flagsOf(k, source) & FLAG.WINDOW) !== 0) k.services.closeWindows(source);
      relocate(k, source, slot);
      return Err.OK;
    }
    case Op.CNODE_DELETE:
      if (!reap(k)) return 'again';
      deleteSlot(k, slot);
      return reap(k) ? Err.OK : 'again';
    case Op.CNODE_REVOKE:
      if (typeOf(k, slot) === 0) return Err.INVALID_CAPABILITY;
      if (!reap(k)) return 'again';
      return revokeSlot(k, slot) ? Err.OK : 'again';
    default: {
      setWordNumber(k, thread, 0, typeOf(k, slot));
      setWordNumber(k, thread, 1, rightsOf(k, slot));
      setWordNumber(k, thread, 2, sizeBitsOf(k, slot));
      setWordNumber(k, thread, 3, 0);
      if (hasBadge(typeOf(k, slot))) {
        const at = wordAddress(k, thread, 3) >>> 2;
        k.u32[at] = k.u32[(slot + SLOT.VALUE) >>> 2]!;
        k.u32[at + 1] = k.u32[(slot + SLOT.VALUE + 4) >>> 2]!;
      }
      return Err.OK;
    }
  }
}

function invokeFrame(k: Context, thread: number, slot: number, op: number): ErrorCode {
  if (op === Op.FRAME_UNMAP) {
    unmapFrame(k, slot);
  } else if (op === Op.FRAME_INFO) {
    setWordNumber(k, thread, 0, objectOf(k, slot));
    setWordNumber(k, thread, 1, sizeBitsOf(k, slot));
    setWordNumber(k, thread, 2, flagsOf(k, slot) & FLAG.DEVICE);
  } else {
    syncCode(k, objectOf(k, slot), 2 ** sizeBitsOf(k, slot));
  }
  return Err.OK;
}

/** Ranges up to this many bytes are invalidated line by line. */
const SYNC_BY_LINE = 1 << 16;
const LINE = 64;

function syncCode(k: Context, physical: number, size: number): void {
  if (size > SYNC_BY_LINE) return k.processor.invalidateInstructions(undefined, true);
  for (let at = 0; at < size; at += LINE) k.processor.invalidateInstructions(physical + at, true);
}

function invokeSpace(k: Context, thread: number, space: number, op: number): ErrorCode {
  if (op === Op.SPACE_INFO) {
    setWordNumber(k, thread, 0, freeTables(k, space));
    return Err.OK;
  }
  const frame = lookup(k, thread, word(k, thread, 0));
  if (frame === 0) return Err.INVALID_CAPABILITY;
  return mapFrame(k, space, frame, word(k, thread, 1), word(k, thread, 2), word(k, thread, 3));
}

function invokeSchedControl(k: Context, thread: number, slot: number, op: number): ErrorCode {
  const share = read64(k, slot + SLOT.VALUE);
  const used = read32(k, slot + SLOT.SPACE);
  switch (op) {
    case Op.SCHED_CONTROL_INFO:
      setWordNumber(k, thread, 0, share);
      setWordNumber(k, thread, 1, used);
      setWordNumber(k, thread, 2, objectOf(k, slot));
      return Err.OK;
    case Op.SCHED_CONTROL_SPLIT: {
      const part = word(k, thread, 0);
      const to = emptySlot(k, thread, 1);
      if (typeof to === 'number') return to;
      if (part === 0 || part > WHOLE_CORE) return Err.INVALID_ARGUMENT;
      if (part > share - used) return Err.NO_BUDGET;
      write32(k, slot + SLOT.SPACE, used + part);
      insert(k, slot, to.slot, headOf(ObjectType.SCHED_CONTROL, rightsOf(k, slot)), objectOf(k, slot), part);
      return Err.OK;
    }
    default:
      return configureSched(k, thread, slot);
  }
}

/** Periods are between 100 µs and 10 s. */
const MIN_PERIOD_US = 100;
const MAX_PERIOD_US = 10_000_000;

function configureSched(k: Context, thread: number, control: number): ErrorCode {
  const target = lookup(k, thread, word(k, thread, 0));
  if (target === 0 || typeOf(k, target) !== ObjectType.SCHED_CONTEXT) return Err.INVALID_CAPABILITY;
  const [, budget, period, flags] = [0, 1, 2, 3].map((i) => word(k, thread, i)) as [number, number, number, number];
  if (!(period >= MIN_PERIOD_US && period <= MAX_PERIOD_US && budget >= 1 && budget <= period && flags <= 1)) {
    return Err.INVALID_ARGUMENT;
  }
  const sched = objectOf(k, target);
  const share = Math.ceil((budget / period) * WHOLE_CORE);
  // The share in use comes back first if it is of this very SchedControl; else the new one must fit beside it.
  const slot = sched + SCHED.SHARE;
  const old = typeOf(k, slot) !== 0 && parentOf(k, slot) === control ? read64(k, slot + SLOT.VALUE) : 0;
  if (share > read64(k, control + SLOT.VALUE) - read32(k, control + SLOT.SPACE) + old) return Err.NO_BUDGET;
  deleteSlot(k, slot);
  write32(k, control + SLOT.SPACE, read32(k, control + SLOT.SPACE) + share);
  insert(k, control, slot, headOf(ObjectType.SCHED_CONTROL, 0, 0, FLAG.IN_USE), objectOf(k, control), share);
  const ticks = k.processor.counterFrequency / 1e6;
  write32(k, sched + SCHED.FLAGS, flags);
  write32(k, sched + SCHED.CORE, objectOf(k, control));
  write32(k, sched + SCHED.BUDGET_US, budget);
  write32(k, sched + SCHED.PERIOD_US, period);
  write64(k, sched + SCHED.BUDGET, Math.max(1, Math.floor(budget * ticks)));
  write64(k, sched + SCHED.PERIOD, Math.max(1, Math.floor(period * ticks)));
  write64(k, sched + SCHED.CONSUMED, 0);
  restartBudget(k, sched);
  return Err.OK;
}

function schedContextInfo(k: Context, thread: number, sched: number): ErrorCode {
  setWordNumber(k, thread, 0, read32(k, sched + SCHED.BUDGET_US));
  setWordNumber(k, thread, 1, read32(k, sched + SCHED.PERIOD_US));
  const ticks = read64(k, sched + SCHED.CONSUMED);
  setWordNumber(k, thread, 2, Math.floor((ticks * 1e6) / k.processor.counterFrequency));
  return Err.OK;
}

function makeIrq(k: Context, thread: number, control: number): ErrorCode {
  const intid = word(k, thread, 0);
  const trigger = word(k, thread, 1);
  const to = emptySlot(k, thread, 2);
  if (typeof to === 'number') return to;
  if (trigger !== Trigger.LEVEL && trigger !== Trigger.EDGE) return Err.INVALID_ARGUMENT;
  if (!isGrantable(k, intid)) return Err.RANGE;
  if (read32(k, irqEntry(k, intid) + IRQ.MADE) !== 0) return Err.OCCUPIED;
  configureInterrupt(k, intid, trigger);
  insert(k, control, to.slot, headOf(ObjectType.IRQ, rightsOf(k, control)), intid);
  return Err.OK;
}

function invokeIrq(k: Context, thread: number, intid: number, op: number): ErrorCode {
  if (op === Op.IRQ_ACK) {
    acknowledgeInterrupt(k, intid);
    return Err.OK;
  }
  const pointer = word(k, thread, 0);
  if (pointer === 0) return bindInterrupt(k, intid, 0);
  const slot = lookup(k, thread, pointer);
  if (slot === 0 || typeOf(k, slot) !== ObjectType.NOTIFICATION) return Err.INVALID_CAPABILITY;
  if ((rightsOf(k, slot) & WRITE) === 0) return Err.NO_RIGHT;
  return bindInterrupt(k, intid, slot);
}
