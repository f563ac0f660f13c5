/**
 * How a message lies in registers and in the message buffer.
 *
 * | register | on entry                                   | on return                    |
 * | -------- | ------------------------------------------ | ---------------------------- |
 * | X0       | capability pointer                         | badge (or notification word) |
 * | X1       | message information                        | message information, error   |
 * | X2–X7    | words 0–5                                  | words 0–5                    |
 * | X8       | system call                                | kept                         |
 * | X9       | RECV, REPLY_RECV, NB_RECV: Reply, or 0     | kept                         |
 * | X10      | RECV, REPLY_RECV, WAIT: deadline, or 0     | kept                         |
 *
 * A deadline is a value of the system counter (CNTPCT_EL0). All other registers keep their values.
 *
 * A capability pointer names a slot: its low bits index the thread's root CNode (as many bits as that CNode has);
 * while bits other than zero are left, the slot must hold a CNode (with READ), which the next bits index. Slot 0 of
 * a CNode is never used by a pointer: pointer 0 means "none".
 */

/** Words of a message, at most; the first MESSAGE_REGISTERS of them are in X2–X7. */
export const MESSAGE_WORDS = 120;
export const MESSAGE_REGISTERS = 6;
/** Capabilities in one message, at most. */
export const MESSAGE_CAPS = 4;

/**
 * Message information, X1: length in words (6:0), number of capabilities (9:7), NOTIFICATION (10), label (31:16),
 * error (39:32; written by the kernel, ignored on entry).
 */
export const INFO = {
  LENGTH_MASK: 0x7f,
  CAPS_SHIFT: 7,
  CAPS_MASK: 7,
  /** On return from a receive: X0 is the word of the bound notification, and there is no message. */
  NOTIFICATION: 1 << 10,
  LABEL_SHIFT: 16,
} as const;

/** Bits 31:0 of a message information. */
export function messageInfo(label: number, length: number, caps = 0): number {
  return ((label << INFO.LABEL_SHIFT) | (caps << INFO.CAPS_SHIFT) | length) >>> 0;
}

/**
 * The message buffer: a 4 KiB Frame that THREAD_CONFIGURE gives to the thread. Offsets in bytes. A thread without
 * one sends and receives the six words in registers, and no capabilities.
 */
export const BUFFER = {
  /** Word i is at 8 * i; the places of words 0–5 are not used. */
  WORDS: 0,
  /** Sending: MESSAGE_CAPS capability pointers, 64 bits each. */
  CAPS: 0x400,
  /**
   * Receiving: capability pointer of a CNode, and the index of the first of the slots that capabilities go to. They arrive
   * in order, as far as slots are empty; the count in X1 says how many.
   */
  RECEIVE_CNODE: 0x420,
  RECEIVE_INDEX: 0x428,
  SIZE: 0x1000,
} as const;
