/** ICH_LR<n>_EL2 (IHI 0069, 12.4.8). */
export const LrState = { INVALID: 0, PENDING: 1, ACTIVE: 2 } as const;

/** Most list registers that a GICv3 can have. */
export const MAX_LIST_REGISTERS = 16;

export interface ListRegister {
  intid: number;
  priority: number;
  group: number;
  /** LrState bits. */
  state: number;
  /** Linked to a physical interrupt (whose number the kernel fills in). */
  hardware: boolean;
  /** A maintenance interrupt when the guest is done with it; not with `hardware`. */
  eoi: boolean;
}

export function encodeListRegister({ intid, priority, group, state, hardware, eoi }: ListRegister): bigint {
  const high =
    priority * 2 ** 16 + (eoi && !hardware ? 2 ** 9 : 0) + group * 2 ** 28 + (hardware ? 2 ** 29 : 0) + state * 2 ** 30;
  return (BigInt(high) << 32n) | BigInt(intid);
}
