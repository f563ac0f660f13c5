/**
 * The numbers of the kernel's contract: system calls, object types, operations, rights, errors.
 * docs/kernel-api.md says for every call what it takes, needs and may fail with.
 */

/**
 * System calls, in X8 of `SVC #0`. They start at 0x1000, where no Linux system call is: every other number is a
 * fault message (`Fault.UNKNOWN_SYSCALL`) to the thread's handler, which is how a foreign system-call interface runs.
 */
export const Syscall = {
  /** Send to an endpoint and wait for the reply; or operate on a kernel object. */
  CALL: 0x1000,
  /** Reply to the caller that the Reply in X9 holds, then receive as RECV. */
  REPLY_RECV: 0x1001,
  /** Send to an endpoint, waiting for a receiver; on a Reply: answer the caller it holds (never waits). */
  SEND: 0x1002,
  /** Send to an endpoint if somebody waits there, else fail with WOULD_BLOCK. */
  NB_SEND: 0x1003,
  /** Receive from an endpoint (or the thread's bound notification), at most until the deadline in X10. */
  RECV: 0x1004,
  /** Receive from an endpoint (or the thread's bound notification) what is there, else fail with WOULD_BLOCK. */
  NB_RECV: 0x1005,
  /** OR the capability's badge into a notification. */
  SIGNAL: 0x1006,
  /** Wait until a notification is nonzero, at most until the deadline in X10; its word comes in X0 and it becomes 0. */
  WAIT: 0x1007,
  /** Take a notification's word if nonzero, else fail with WOULD_BLOCK. */
  POLL: 0x1008,
  /** Go to the end of the priority's queue. */
  YIELD: 0x1009,
} as const;
export const SYSCALL_FIRST = 0x1000;
export const SYSCALL_COUNT = 10;
/** A thread's syscall mask that allows every call: bit n allows `SYSCALL_FIRST + n`. */
export const SYSCALL_MASK_ALL = (1 << SYSCALL_COUNT) - 1;
/** The mask bit of one system call. */
export function maskOf(syscall: number): number {
  return 1 << (syscall - SYSCALL_FIRST);
}

/** What a capability may be for. Rights never grow along a derivation. */
export const Rights = {
  /** Endpoint: receive. Notification: wait, poll. Frame: map readable. Objects: read their state. CNode: be passed through in a capability pointer. */
  READ: 1,
  /** Endpoint: send, call. Notification: signal. Frame: map writable. Objects: operate on them. */
  WRITE: 2,
  /** Endpoint: capabilities may travel in messages. */
  GRANT: 4,
  /** Frame: map executable. */
  EXECUTE: 8,
  ALL: 15,
} as const;

/** The outcome of a system call, bits 39:32 of X1. */
export const Err = {
  OK: 0,
  /** The capability pointer leads to no capability, or to one of a type that the call is not for. */
  INVALID_CAPABILITY: 1,
  /** The capability lacks the right that the call needs. */
  NO_RIGHT: 2,
  /** The thread's syscall mask forbids the call. */
  MASKED: 3,
  /** The object does not know this operation. */
  UNKNOWN_OPERATION: 4,
  /** An argument has no meaning (type, size, attribute, priority, register …), or the message is too short. */
  INVALID_ARGUMENT: 5,
  /** An argument lies outside of what the object has (index, address, quantity). */
  RANGE: 6,
  /** An address is not a multiple of the object's size. */
  ALIGNMENT: 7,
  /** The untyped, the space's tables, or the address-space identifiers are used up. */
  NO_MEMORY: 8,
  /** The destination slot, address or interrupt is taken. */
  OCCUPIED: 9,
  /** The object is not in a state for this (already bound, not bound, not configured, still has derived capabilities). */
  WRONG_STATE: 10,
  /** The share of the processor is used up. */
  NO_BUDGET: 11,
  /** No list register of the VCPU is free. */
  NO_LIST_REGISTER: 12,
  /** A call that does not wait found nothing (POLL, NB_RECV) or nobody (NB_SEND). */
  WOULD_BLOCK: 13,
  /** The deadline in X10 passed. */
  TIMEOUT: 14,
  /** What the thread waited for was deleted. */
  CANCELLED: 15,
} as const;
export type ErrorCode = (typeof Err)[keyof typeof Err];

/** The name of an error code, for messages to people. */
export function errorName(code: number): string {
  for (const [name, value] of Object.entries(Err)) if (value === code) return name;
  return `error ${code}`;
}

/**
 * Types of objects, as UNTYPED_RETYPE takes them and boot information shows them. `sizeBits` of a retype is the
 * binary logarithm of the object's size in bytes where the size is free, else 0:
 * Untyped (at least 6), Frame (at least 12), Space and VmSpace (at least 14: 8 KiB, and one 4 KiB table for each further page),
 * CNode: of its number of slots (1 … 20).
 */
export const ObjectType = {
  UNTYPED: 1,
  CNODE: 2,
  FRAME: 3,
  /** Stage 1 of a native task: 2^39 bytes of virtual addresses. */
  SPACE: 4,
  /** Stage 2 of a virtual machine: 2^39 bytes of intermediate physical addresses. */
  VM_SPACE: 5,
  THREAD: 6,
  SCHED_CONTEXT: 7,
  ENDPOINT: 8,
  NOTIFICATION: 9,
  REPLY: 10,
  VCPU: 11,
  /** The next three are not made from untyped memory. */
  IRQ_CONTROL: 12,
  IRQ: 13,
  SCHED_CONTROL: 14,
} as const;

/** Operations on objects: the label of a CALL on their capability. Arguments are words of the message. */
export const Op = {
  // Untyped
  /** (type, sizeBits, cnode, index, count): makes objects in `count` empty slots of `cnode` from `index` on. */
  UNTYPED_RETYPE: 0x10,
  /** () → (size, used) in bytes. */
  UNTYPED_INFO: 0x11,

  // CNode. Destinations are slot indices in the invoked CNode; sources are capability pointers of the caller.
  /** (index, source, rights): derives a capability with those rights of the source that `rights` names. */
  CNODE_COPY: 0x20,
  /** (index, source, rights, badge): the same with a badge (Endpoint, Notification; only from an unbadged one). */
  CNODE_MINT: 0x21,
  /** (index, source): moves the capability; what is derived from it stays derived. */
  CNODE_MOVE: 0x22,
  /** (index): empties the slot; the object goes with its last capability. */
  CNODE_DELETE: 0x23,
  /** (index): deletes everything derived from the capability in the slot. */
  CNODE_REVOKE: 0x24,
  /** (index) → (type, rights, sizeBits, badge); type 0: empty. */
  CNODE_INSPECT: 0x25,

  // Frame
  /** () : takes the frame out of the space it is mapped in. */
  FRAME_UNMAP: 0x30,
  /** () → (physical address, sizeBits, device). */
  FRAME_INFO: 0x31,
  /** (): code was written into the frame: nothing translated from it is used again. */
  FRAME_SYNC_CODE: 0x32,

  // Space, VmSpace
  /** (frame, address, rights, attributes): maps all of the frame; address is a multiple of its size. */
  SPACE_MAP: 0x40,
  /** () → (free tables). */
  SPACE_INFO: 0x41,

  // Thread
  /** (cnode, space or 0, message-buffer frame or 0, fault endpoint or 0). */
  THREAD_CONFIGURE: 0x50,
  /** (priority, maximum the thread may give): at most the caller's own maximum. */
  THREAD_SET_PRIORITY: 0x51,
  /** (mask): at most the caller's own mask. */
  THREAD_SET_MASK: 0x52,
  /** (sched context or 0). */
  THREAD_BIND_SCHED: 0x53,
  /** (notification or 0): RECV also takes what is signalled there. */
  THREAD_BIND_NOTIFICATION: 0x54,
  /** (register, …) → (value, …). */
  THREAD_READ_REGISTERS: 0x55,
  /** (register, value, register, value, …). */
  THREAD_WRITE_REGISTERS: 0x56,
  THREAD_RESUME: 0x57,
  THREAD_SUSPEND: 0x58,
  /** (program): runs the TypeScript service with this number in the kernel's list of programs, from its start. */
  THREAD_SET_SERVICE: 0x59,

  // SchedControl
  /** (share in millionths of a core, cnode, index): a SchedControl with a part of this one's share. */
  SCHED_CONTROL_SPLIT: 0x60,
  /** (sched context, budget µs, period µs, flags): the share budget / period comes out of this SchedControl. */
  SCHED_CONTROL_CONFIGURE: 0x61,
  /** () → (share in millionths, used millionths, core). */
  SCHED_CONTROL_INFO: 0x62,

  // SchedContext
  /** () → (budget µs, period µs, consumed µs since its configuration). */
  SCHED_CONTEXT_INFO: 0x68,

  // IRQControl, IRQ
  /** (INTID, trigger, cnode, index): makes the one IRQ capability of an interrupt. */
  IRQ_CONTROL_MAKE: 0x70,
  /** (notification or 0): the interrupt signals it. */
  IRQ_BIND: 0x78,
  /** (): the interrupt may come again. */
  IRQ_ACK: 0x79,

  // VCPU
  /** (thread, VmSpace): the thread runs the VCPU from now on, in that space; RESUME starts it. */
  VCPU_BIND: 0x80,
  /** (register, …) → (value, …): `Reg` numbers. */
  VCPU_READ_REGISTERS: 0x81,
  /** (register, value, …). */
  VCPU_WRITE_REGISTERS: 0x82,
  /**
   * (ICH_LR<n>_EL2 value, IRQ or 0, n or LR_ANY) → (n): puts a virtual interrupt into a list register; wakes a
   * VCPU in WFI. HW = 1 needs the capability of the IRQ that is linked (pINTID is filled in by the kernel).
   * With LR_ANY an interrupt that is already listed is made pending again where it stands.
   */
  VCPU_INJECT: 0x83,
  /** () → (n, ICH_MISR, ICH_EISR, ICH_ELRSR, LR0, LR1 …): all list registers, n of them. */
  VCPU_LIST: 0x84,
} as const;

/** VCPU_INJECT: any free list register. */
export const LR_ANY = 0xff;

/** IRQ_CONTROL_MAKE. */
export const Trigger = { LEVEL: 0, EDGE: 1 } as const;

/** Flags of SCHED_CONTROL_CONFIGURE. */
export const Sched = {
  /** Without it, a thread whose budget is spent still runs when no thread with budget is ready; with it, it waits. */
  LIMIT: 1,
} as const;
/** All of one core, in the unit of SchedControl shares. */
export const WHOLE_CORE = 1_000_000;

/** Attributes of SPACE_MAP. Device frames are always mapped as Device-nGnRE. */
export const MapAttribute = {
  NORMAL: 0,
  /** Normal memory, non-cacheable. */
  NON_CACHEABLE: 1,
  DEVICE: 2,
} as const;

/**
 * Register numbers of the READ_REGISTERS and WRITE_REGISTERS operations: X0–X30 are 0–30; a system register is
 * `Reg.SYSTEM | sysregKey(op0, op1, CRn, CRm, op2)` (arch/core/frame.ts), of the lists in docs/kernel-api.md.
 */
export const Reg = {
  /** The stack pointer in use. */
  SP: 31,
  PC: 32,
  /** As SPSR_ELx. Of a thread only NZCV counts; of a VCPU, M is EL0t, EL1t or EL1h. */
  PSTATE: 33,
  FPCR: 34,
  FPSR: 35,
  /** Bits 63:0 of V0–V31 are 64–95; bits 127:64 are 96–127. */
  V_LOW: 64,
  V_HIGH: 96,
  SYSTEM: 0x10000,
} as const;
