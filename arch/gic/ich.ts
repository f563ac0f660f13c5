import { F } from '../core/frame.ts';

/** List registers implemented (ICH_VTR_EL2.ListRegs + 1). */
export const LIST_REGISTERS = 16;

/**
 * Where a context's virtual interface lies in its frame: byte offsets, 64 bits each, at the end of the frame's
 * system registers. LR<n> is at LR + 8 × n.
 */
const BASE = F.SYSREG_END - 8 * (LIST_REGISTERS + 4);
export const ICH = {
  BASE,
  HCR: BASE,
  VMCR: BASE + 8,
  AP0R0: BASE + 16,
  AP1R0: BASE + 24,
  LR: BASE + 32,
} as const;
