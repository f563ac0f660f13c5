/** Threads: their objects, the state native tasks start with, and the operations on Thread capabilities. */
import { HCR, SCTLR } from '../arch/core/sysreg-bits.ts';
import { SR } from '../arch/core/sysreg-slots.ts';
import { Err, ObjectType, Op, Rights, SYSCALL_MASK_ALL, type ErrorCode } from './abi/numbers.ts';
import { type Context, read32, write32, write64 } from './context.ts';
import { deleteSlot } from './destroy.ts';
import { derive, flagsOf, lookup, objectOf, sizeBitsOf, typeOf } from './derivation.ts';
import { bindNotification, suspend } from './ipc.ts';
import { CORE, FLAG, SCHED, SPACE, STATE, THREAD, VCPU } from './layout.ts';
import { word, wordAddress } from './message.ts';
import { readRegister, writeRegister } from './registers.ts';
import { makeReady, removeReady, schedule } from './scheduler.ts';
import { MAIR } from './space.ts';

const bit = (n: number): number => 2 ** n;

/** HCR_EL2 while a native task runs: EL0 is an application of this EL2 (DDI 0487, D8.11). */
const HCR_TASK = bit(HCR.E2H) + bit(HCR.RW) + bit(HCR.TGE) + bit(HCR.AMO) + bit(HCR.IMO) + bit(HCR.FMO);
/** SCTLR_EL2: MMU and caches on; RES1 bits; EL0 may use DC ZVA, CTR_EL0, cache maintenance by address; WFI and WFE trap. */
const SCTLR_TASK =
  bit(SCTLR.M) + bit(SCTLR.C) + bit(SCTLR.I) + bit(SCTLR.SA0) + bit(SCTLR.SA) + bit(SCTLR.DZE) + bit(SCTLR.UCT) +
  bit(SCTLR.UCI) + bit(SCTLR.SPAN) + bit(20) + bit(11) + bit(22) + bit(28) + bit(29); // prettier-ignore
/** TCR_EL2 with E2H: T0SZ 25 (39 bits), walks inner-shareable write-back, EPD1, 16-bit ASID, 48-bit physical addresses. */
const TCR_TASK = 25 + (1 << 8) + (1 << 10) + (3 << 12) + (1 << 23) + 5 * 2 ** 32 + 2 ** 36;
/** CPTR_EL2.FPEN: no trap. */
export const CPTR_NO_TRAP = 3 << 20;
/** CNTHCTL_EL2: EL0 reads both counters. */
const CNTHCTL_TASK = 3;

/** Brings a Thread in zeroed memory into its first state: suspended, with its creator's syscall mask and the lowest priority. */
export function createThread(k: Context, thread: number, creator: number): void {
  const frame = thread + THREAD.FRAME;
  k.processor.resetFrame(frame, 2);
  write64(k, frame + SR.HCR_EL2, HCR_TASK);
  write64(k, frame + SR.SCTLR_EL2, SCTLR_TASK);
  write64(k, frame + SR.TCR_EL2, TCR_TASK);
  write64(k, frame + SR.MAIR_EL2, MAIR);
  write64(k, frame + SR.CPTR_EL2, CPTR_NO_TRAP);
  write64(k, frame + SR.CNTHCTL_EL2, CNTHCTL_TASK);
  write64(k, frame + SR.SPSR_EL2, 0);
  write64(k, frame + SR.ELR_EL2, 0);
  write32(k, thread + THREAD.MASK, creator === 0 ? SYSCALL_MASK_ALL : read32(k, creator + THREAD.MASK));
  write32(k, thread + THREAD.ACTIVE_FRAME, frame);
  write32(k, thread + THREAD.CORE, k.processor.index);
}

/** Takes a thread out of everything; its inner slots are deleted by the caller. */
export function destroyThread(k: Context, thread: number): void {
  suspend(k, thread);
  bindNotification(k, thread, 0);
  const sched = read32(k, thread + THREAD.SCHED);
  if (sched !== 0) write32(k, sched + SCHED.THREAD, 0);
  const vcpu = read32(k, thread + THREAD.VCPU);
  if (vcpu !== 0) write32(k, vcpu + VCPU.THREAD, 0);
  k.services.drop(thread);
  leaveFrame(k, thread + THREAD.FRAME);
}

/** A frame is about to go: the processor must not stay on it. */
export function leaveFrame(k: Context, frame: number): void {
  if (k.processor.frame === frame) k.processor.switchFrame(k.core + CORE.IDLE_FRAME);
}

/** Gives an inner slot of a thread a capability derived from that of `pointer` (0: empties it). */
export function setInnerSlot(k: Context, thread: number, slot: number, source: number): void {
  deleteSlot(k, thread + slot);
  if (source !== 0 && typeOf(k, source) !== 0) derive(k, source, thread + slot, Rights.ALL);
}

/** Loads the translation registers of a native thread from its Space. */
export function loadSpace(k: Context, thread: number): void {
  const slot = thread + THREAD.SPACE;
  if (typeOf(k, slot) !== ObjectType.SPACE) return;
  const space = objectOf(k, slot);
  const at = thread + THREAD.FRAME + SR.TTBR0_EL2;
  write64(k, at, space + SPACE.ROOT - k.offset);
  write32(k, at + 4, read32(k, at + 4) | (read32(k, space + SPACE.ID) << 16));
  changed(k, thread + THREAD.FRAME);
}

/** The registers of a frame were changed from outside. */
export function changed(k: Context, frame: number): void {
  if (k.processor.frame !== frame) return;
  k.processor.contextChanged();
  k.processor.timersChanged();
  k.processor.interruptsChanged();
}

function configure(k: Context, caller: number, thread: number): ErrorCode {
  const pointers = [0, 1, 2, 3].map((i) => word(k, caller, i));
  const slots = pointers.map((pointer) => lookup(k, caller, pointer));
  const types = slots.map((slot) => (slot === 0 ? 0 : typeOf(k, slot)));
  const wanted = [ObjectType.CNODE, ObjectType.SPACE, ObjectType.FRAME, ObjectType.ENDPOINT];
  for (let i = 0; i < 4; i++) {
    if (pointers[i] === 0 && i > 0) continue;
    if (types[i] !== wanted[i]) return Err.INVALID_CAPABILITY;
  }
  if (slots[2] !== 0 && (sizeBitsOf(k, slots[2]!) !== 12 || flagsOf(k, slots[2]!) & FLAG.DEVICE)) {
    return Err.INVALID_ARGUMENT;
  }
  // A VCPU's thread keeps its VmSpace, which VCPU_BIND gives it.
  const vcpu = read32(k, thread + THREAD.VCPU) !== 0;
  if (vcpu && slots[1] !== 0) return Err.WRONG_STATE;
  setInnerSlot(k, thread, THREAD.FAULT_ENDPOINT, slots[3]!);
  setInnerSlot(k, thread, THREAD.BUFFER, slots[2]!);
  if (!vcpu) setInnerSlot(k, thread, THREAD.SPACE, slots[1]!);
  setInnerSlot(k, thread, THREAD.CNODE, slots[0]!);
  loadSpace(k, thread);
  return Err.OK;
}

function bindSched(k: Context, caller: number, thread: number): ErrorCode {
  const pointer = word(k, caller, 0);
  const old = read32(k, thread + THREAD.SCHED);
  let sched = 0;
  if (pointer !== 0) {
    const slot = lookup(k, caller, pointer);
    if (slot === 0 || typeOf(k, slot) !== ObjectType.SCHED_CONTEXT) return Err.INVALID_CAPABILITY;
    sched = objectOf(k, slot);
    if (old !== 0 || read32(k, sched + SCHED.THREAD) !== 0) return Err.WRONG_STATE;
  }
  removeReady(k, thread);
  if (old !== 0) write32(k, old + SCHED.THREAD, 0);
  write32(k, thread + THREAD.SCHED, sched);
  if (sched !== 0) write32(k, sched + SCHED.THREAD, thread);
  schedule(k, thread);
  return Err.OK;
}

function bindNotificationOf(k: Context, caller: number, thread: number): ErrorCode {
  const pointer = word(k, caller, 0);
  if (pointer === 0) return bindNotification(k, thread, 0);
  const slot = lookup(k, caller, pointer);
  if (slot === 0 || typeOf(k, slot) !== ObjectType.NOTIFICATION) return Err.INVALID_CAPABILITY;
  return bindNotification(k, thread, objectOf(k, slot));
}

/** READ_REGISTERS: each word, a register's number, becomes its value. */
export function readRegisters(k: Context, caller: number, frame: number, vcpu: boolean, length: number): ErrorCode {
  for (let i = 0; i < length; i++) {
    const at = wordAddress(k, caller, i);
    if (at === 0) return Err.INVALID_ARGUMENT;
    const error = readRegister(k, frame, vcpu, word(k, caller, i), at);
    if (error !== Err.OK) return error;
  }
  return Err.OK;
}

/** WRITE_REGISTERS: words are pairs of a register's number and its value. */
export function writeRegisters(k: Context, caller: number, frame: number, vcpu: boolean, length: number): ErrorCode {
  if (length % 2 !== 0) return Err.INVALID_ARGUMENT;
  let error: ErrorCode = Err.OK;
  for (let i = 0; i < length && error === Err.OK; i += 2) {
    const value = wordAddress(k, caller, i + 1);
    error = value === 0 ? Err.INVALID_ARGUMENT : writeRegister(k, frame, vcpu, word(k, caller, i), value);
  }
  changed(k, frame);
  return error;
}

/** Operations on a Thread capability. */
export function invokeThread(k: Context, caller: number, slot: number, op: number, length: number): ErrorCode {
  const thread = objectOf(k, slot);
  switch (op) {
    case Op.THREAD_CONFIGURE:
      return configure(k, caller, thread);
    case Op.THREAD_SET_PRIORITY: {
      const priority = word(k, caller, 0);
      const maximum = word(k, caller, 1);
      if (!(priority <= 255 && maximum <= 255)) return Err.INVALID_ARGUMENT;
      const own = read32(k, caller + THREAD.MAX_PRIORITY);
      if (priority > own || maximum > own) return Err.RANGE;
      write32(k, thread + THREAD.PRIORITY, priority);
      write32(k, thread + THREAD.MAX_PRIORITY, maximum);
      schedule(k, thread);
      return Err.OK;
    }
    case Op.THREAD_SET_MASK: {
      const mask = word(k, caller, 0);
      if (mask > SYSCALL_MASK_ALL) return Err.INVALID_ARGUMENT;
      if ((mask & ~read32(k, caller + THREAD.MASK)) !== 0) return Err.RANGE;
      write32(k, thread + THREAD.MASK, mask);
      return Err.OK;
    }
    case Op.THREAD_BIND_SCHED:
      return bindSched(k, caller, thread);
    case Op.THREAD_BIND_NOTIFICATION:
      return bindNotificationOf(k, caller, thread);
    case Op.THREAD_READ_REGISTERS:
      return readRegisters(k, caller, thread + THREAD.FRAME, false, length);
    case Op.THREAD_WRITE_REGISTERS:
      return writeRegisters(k, caller, thread + THREAD.FRAME, false, length);
    case Op.THREAD_RESUME:
      if (read32(k, thread + THREAD.STATE) === STATE.INACTIVE) makeReady(k, thread);
      return Err.OK;
    case Op.THREAD_SUSPEND:
      suspend(k, thread);
      return Err.OK;
    case Op.THREAD_SET_SERVICE: {
      const program = word(k, caller, 0);
      if (!k.services.has(program)) return Err.RANGE;
      if (read32(k, thread + THREAD.STATE) !== STATE.INACTIVE || read32(k, thread + THREAD.VCPU) !== 0) {
        return Err.WRONG_STATE;
      }
      k.services.drop(thread);
      write32(k, thread + THREAD.PROGRAM, program + 1);
      return Err.OK;
    }
    default:
      return Err.UNKNOWN_OPERATION;
  }
}
