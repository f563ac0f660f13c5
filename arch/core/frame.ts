/**
 * The frame: one execution context's registers in machine memory.
 *
 * Translated code takes the frame's address as its first parameter and reaches every register at a constant
 * offset from it, so that a context switch moves a pointer. A bare-mode core has one frame; under the
 * microkernel each thread and each VCPU has its own. All values are little-endian; offsets are in bytes.
 */
export const FRAME_SIZE = 0x2000;
/** Frames are 64-byte aligned, so that the vector registers are naturally aligned. */
export const FRAME_ALIGN = 64;

export const F = {
  /** X0–X30, 64 bits each. */
  X: 0x000,
  /** The stack pointer in use (SP_ELx or SP_EL0 as PSTATE.SP selects); the other ones are in their banks. */
  SP: 0x0f8,
  /** 64 bits; exact whenever control is outside translated code. */
  PC: 0x100,
  /** The condition flags, lazily: how they were made (CC in arch/a64/flags.ts), i32, and the two operands, i64. */
  CC: 0x108,
  CC_A: 0x110,
  CC_B: 0x118,
  /** Instructions retired by this core, i64; a core carries it from frame to frame. */
  ICOUNT: 0x120,
  /** Translated code returns to the core when ICOUNT reaches this, i64. Posting an interrupt stores 0 here. */
  DEADLINE: 0x128,
  /** Host address of the TLB of ordinary accesses, and of the one for unprivileged accesses (LDTR, STTR), i32. */
  TLB: 0x130,
  TLB_UNPRIV: 0x134,
  /** Host address of the jump cache of the current translation context, i32. */
  JUMP_CACHE: 0x138,
  /** The event register: nonzero when the next WFE goes on; i32. */
  EVENT: 0x13c,
  /** PSTATE as in SPSR_ELx but without NZCV: M[4:0], DAIF (9:6), SSBS (12), IL (20), SS (21), PAN (22), UAO (23), DIT (24), TCO (25); i32. */
  PSTATE: 0x140,
  /** Nonzero when a physical or virtual interrupt, or SError, is waiting for PSTATE to let it in; i32. */
  IRQ_PENDING: 0x144,
  FPCR: 0x148,
  FPSR: 0x14c,
  /** Exclusive monitor: host address of the reserved granule plus 1 (0: none, i32), size in bytes, value read (128 bits). */
  EXCL_HOST: 0x150,
  EXCL_SIZE: 0x154,
  EXCL_VALUE: 0x160,
  /** Scratch for calls out of translated code: arguments and results that would otherwise be bigints, 64 bits each. */
  ARG0: 0x170,
  ARG1: 0x178,
  /** Bounce buffer: an access that cannot go to RAM directly (MMIO, crossing a page) is made here. 64 bytes. */
  BOUNCE: 0x180,
  BOUNCE_ADDRESS: 0x1c0,
  BOUNCE_SIZE: 0x1c8,
  /** V0–V31, 128 bits each. */
  V: 0x200,
  /** System registers, 64 bits each; arch/core/sysreg.ts gives them their places. */
  SYSREG: 0x400,
  SYSREG_END: 0x2000,
} as const;

/** Bits of PSTATE as they stand in F.PSTATE and SPSR_ELx (DDI 0487, C5.2.19). */
export const PSTATE = {
  SP: 1 << 0,
  EL_SHIFT: 2,
  F: 1 << 6,
  I: 1 << 7,
  A: 1 << 8,
  D: 1 << 9,
  SSBS: 1 << 12,
  IL: 1 << 20,
  SS: 1 << 21,
  PAN: 1 << 22,
  UAO: 1 << 23,
  DIT: 1 << 24,
} as const;

/** `op0:op1:CRn:CRm:op2` of a system register or system instruction as one number: the bits 20:5 of MRS/MSR/SYS. */
export function sysregKey(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}
