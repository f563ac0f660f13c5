/**
 * The kernel's records in machine memory: offsets in bytes, fields of 32 bits unless noted, addresses as host
 * addresses (byte offsets in the machine's memory; 0: none). Records are 64-byte aligned.
 */
import { FRAME_SIZE } from '../arch/core/frame.ts';

/** A capability's slot. The derivation tree links slots; derivation.ts says how. */
export const SLOT = {
  /** ObjectType (7:0, 0: empty), rights (15:8), sizeBits (23:16), flags (31:24). */
  HEAD: 0,
  CHILD: 4,
  NEXT: 8,
  PREV: 12,
  /** 64 bits. Host address of the object; physical address of a Frame or Untyped; INTID of an IRQ; core of a SchedControl. */
  OBJECT: 16,
  /** 64 bits. Badge; of an Untyped: bytes in use; of a mapped Frame: its virtual address; of a SchedControl: its share. */
  VALUE: 24,
  /** Of a mapped Frame: its space's identifier and that identifier's generation. Of a SchedControl: share given away. */
  SPACE: 32,
  GENERATION: 36,
  SIZE: 64,
} as const;

/** Flags of a slot. */
export const FLAG = {
  DEVICE: 1,
  /** A Frame that is mapped. */
  MAPPED: 2,
  /** A Frame that services have windows on. */
  WINDOW: 4,
  /** A SchedControl in SCHED.SHARE of a SchedContext. */
  IN_USE: 8,
} as const;

/** A thread; its own frame follows at THREAD.FRAME. */
export const THREAD = {
  STATE: 0x00,
  PRIORITY: 0x04,
  /** The highest priority that the thread may give to others and itself. */
  MAX_PRIORITY: 0x08,
  /** System calls that are allowed, a bit each. */
  MASK: 0x0c,
  /** In a run queue, or the queue of the endpoint or notification that the thread waits on. */
  QUEUE_NEXT: 0x10,
  QUEUE_PREV: 0x14,
  /** Run queue the thread is in, plus 1; 0: none. */
  LEVEL: 0x18,
  /** Endpoint, Notification or Reply the thread waits on. */
  WAITS_ON: 0x1c,
  /** SEND.* of a sender that waits. */
  SEND: 0x20,
  /** Reply that will hold the caller when the thread, a receiver, gets a call; that holds the thread when it waits for an answer. */
  REPLY: 0x24,
  /** Label of the fault or exit that the thread's message is; 0: the message is its own. */
  FAULT: 0x28,
  SCHED: 0x2c,
  /** 64 bits: badge of the capability a waiting sender used. */
  BADGE: 0x30,
  /** 64 bits: counter value at which the timer list wakes the thread. */
  DEADLINE: 0x38,
  TIMER_NEXT: 0x40,
  TIMER_PREV: 0x44,
  /** 1: in the timer list. */
  TIMED: 0x48,
  NOTIFICATION: 0x4c,
  VCPU: 0x50,
  CORE: 0x54,
  /** Number of the TypeScript program plus 1; 0: native. */
  PROGRAM: 0x58,
  /** 1: the system call in the frame is to be made again before the thread goes on. */
  RESTART: 0x5c,
  /** The frame in use: the thread's own, or its VCPU's. */
  ACTIVE_FRAME: 0x60,
  /** Capability slots of the thread. */
  CNODE: 0x80,
  SPACE: 0xc0,
  BUFFER: 0x100,
  FAULT_ENDPOINT: 0x140,
  SLOTS: 4,
  FRAME: 0x180,
  SIZE: 0x180 + FRAME_SIZE,
} as const;

export const STATE = {
  /** Suspended, or never resumed. */
  INACTIVE: 0,
  READY: 1,
  SENDING: 2,
  RECEIVING: 3,
  /** For a notification. */
  WAITING: 4,
  /** For an answer. */
  CALLING: 5,
  /** A VCPU in WFI. */
  WFI: 6,
} as const;

/** THREAD.SEND. */
export const SEND = { CALL: 1, GRANT: 2 } as const;

/** Endpoint: a queue of senders or of receivers. */
export const ENDPOINT = { HEAD: 0, TAIL: 4, SIZE: 64 } as const;

export const NOTIFICATION = {
  /** Threads in WAIT. */
  HEAD: 0,
  TAIL: 4,
  /** Thread whose receives also take the word. */
  BOUND: 8,
  /** 64 bits. */
  WORD: 16,
  SIZE: 64,
} as const;

export const REPLY = {
  /** The thread that waits for the answer. */
  CALLER: 0,
  /** The receiver that will get its next caller in here. */
  RECEIVER: 4,
  SIZE: 64,
} as const;

/** Times in ticks of the system counter, 64 bits. */
export const SCHED = {
  THREAD: 0,
  FLAGS: 4,
  CORE: 8,
  BUDGET_US: 12,
  PERIOD_US: 16,
  /** 32 bits: ticks used beyond the budget, which the next one lacks. */
  OVERRUN: 20,
  BUDGET: 24,
  PERIOD: 32,
  REMAINING: 40,
  REPLENISH_AT: 48,
  CONSUMED: 56,
  /** The SchedControl capability that holds the share in use; empty: not configured. */
  SHARE: 64,
  SIZE: 128,
} as const;

/** A VCPU; its frame follows at VCPU.FRAME. */
export const VCPU = {
  THREAD: 0,
  /** GIC active states, a bit each, of the virtual timer's and the performance monitors' physical interrupts, kept while another VCPU has the core. */
  PPIS_ACTIVE: 4,
  /** Exception to EL1 to be taken before it goes on: ESR_EL1 (0: none), and FAR_EL1 (64 bits) with FAR_VALID. */
  EXCEPTION: 8,
  FAR_VALID: 12,
  FAR: 16,
  FRAME: 64,
  SIZE: 64 + FRAME_SIZE,
} as const;

/** A CNode's header is the place of slot 0. */
export const CNODE = {
  RADIX: 0,
  /** While the CNode is being emptied: next CNode in that state, and the slot to go on with. */
  REAP_NEXT: 4,
  REAP_INDEX: 8,
} as const;

/** A space: a page of header, its root table, and pages for further tables. */
export const SPACE = {
  /** 1: stage 1, 2: stage 2. */
  STAGE: 0,
  /** ASID or VMID. */
  ID: 4,
  GENERATION: 8,
  TABLES: 12,
  /** Tables never used so far begin here (index); freed ones are linked by their first word, as index plus 1. */
  FRESH: 16,
  FREE: 20,
  IN_USE: 24,
  /** Per table, 16 bits: descriptors in use. */
  COUNTS: 64,
  ROOT: 0x1000,
  POOL: 0x2000,
  MAX_TABLES: 1022,
} as const;

/** One record per core. */
export const CORE = {
  /** The thread that runs or ran last and is still ready; 0: none. */
  CURRENT: 0,
  /** 1: the processor was stopped in the middle of CURRENT by its instruction limit. */
  LIVE: 4,
  /** Head of the timer list, by deadline. */
  TIMERS: 8,
  /** VCPU whose private interrupts' states the GIC holds. */
  VCPU: 12,
  /** 64 bits: counter value up to which CURRENT has been charged. */
  CHARGED: 16,
  /** Bit n: level n of the run queues is not empty; a word for the words. */
  BITMAP: 32,
  SUMMARY: 64,
  /** Per level: head, tail. */
  QUEUES: 128,
  LEVELS: 256,
  /** The frame that the processor has when no thread's is in use. */
  IDLE_FRAME: 128 + 8 * 256,
  SIZE: (128 + 8 * 256 + FRAME_SIZE + 63) & ~63,
} as const;

/** Per interrupt. */
export const IRQ = {
  /** The Notification capability that it signals. */
  TARGET: 0,
  /** 1: an IRQ capability exists. */
  MADE: 64,
  /** 1: delivered, and not acknowledged. */
  ACTIVE: 68,
  SIZE: 128,
} as const;

/** The root of all state. */
export const ROOT = {
  MAGIC: 0,
  /** First CNode that is being emptied. */
  REAP: 4,
  IRQS: 8,
  CORES: 12,
  NEXT_GENERATION: 16,
  /** The slot from which the first capabilities derive. */
  SLOT: 64,
  /** Per space identifier: host address of the space (0: free), generation. Identifier 0 is not used. */
  SPACES: 128,
  SPACE_COUNT: 4096,
  CORE0: 128 + 8 * 4096,
} as const;
