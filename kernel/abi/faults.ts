/**
 * Faults and exits: messages that the kernel sends in a thread's name to the thread's fault endpoint, as a CALL.
 * The badge is that of the endpoint capability given to THREAD_CONFIGURE. The thread waits until it is answered.
 * A thread without a fault endpoint, or with one that is gone, is suspended.
 */

/** Labels of fault messages of native tasks and services. */
export const Fault = {
  /** (ESR_EL2, FAR_EL2, PC, PSTATE): stage-1 abort of an EL0 task: data or instruction, ESR.EC says which. */
  PAGE: 0x100,
  /** (X8, X0 … X7, PC): SVC with a number that is none of the kernel's. An answer without ADVANCE goes on after the SVC. */
  UNKNOWN_SYSCALL: 0x101,
  /** (ESR_EL2, FAR_EL2, PC, PSTATE): any other synchronous exception (undefined instruction, alignment, BRK, FP trap). */
  EXCEPTION: 0x102,
  /** (): a TypeScript service threw an error (which the host was told), or returned from its generator. */
  SERVICE_ENDED: 0x103,
} as const;

/**
 * Labels of VCPU exits. WFI and WFE do not exit: the kernel lets the thread wait for a virtual interrupt or the virtual
 * timer (WFI), or yield (WFE). PC is that of the instruction which caused the exit, except for HVC, where it is the next one.
 * `Xt` is the value of the register the instruction transfers (zero-extended to its size for stores; 0 for XZR).
 */
export const Exit = {
  /** (ESR_EL2, FAR_EL2, IPA, PC, PSTATE, Xt): data or instruction abort at stage 2. IPA has all its bits, also 11:0. */
  STAGE2_ABORT: 0x200,
  /** (ESR_EL2, PC, PSTATE, Xt): trapped MSR, MRS or system instruction (EC 0x18). */
  SYSREG: 0x201,
  /** (X0 … X5, then in the message buffer X6 … X17, ESR_EL2): HVC. */
  HVC: 0x202,
  /** The same for SMC. Answer with ADVANCE. */
  SMC: 0x203,
  /** (ICH_MISR_EL2, ICH_EISR_EL2, ICH_ELRSR_EL2): maintenance interrupt of the virtual CPU interface. */
  MAINTENANCE: 0x205,
  /** (CNTV_CTL_EL0, CNTV_CVAL_EL0): the virtual timer's interrupt came. It comes again after it was deactivated: by the guest through a list register with HW = 1, or by IRQ_ACK. */
  VTIMER: 0x206,
  /** (ESR_EL2, FAR_EL2, PC, PSTATE): anything else (trapped FP, debug, …). */
  OTHER: 0x207,
  /** (PMOVSSET_EL0): the performance monitors' overflow interrupt came. It comes again as VTIMER does. */
  PMU: 0x208,
} as const;

/** The answer to a fault or exit: bits of the label. */
export const Answer = {
  /** Go on after the instruction (PC + 4). */
  ADVANCE: 1,
  /** Word 0 is a register number n (0–30; 31: discard), word 1 … k are values for Xn, Xn+1 …. */
  SET_REGISTERS: 2,
  /** VCPU: wait as WFI does, until a virtual interrupt is pending or the virtual timer fires. */
  WAIT: 4,
  /** VCPU: take an Undefined Instruction exception to EL1 (synchronous, EC 0) at PC. Excludes the others. */
  UNDEFINED: 8,
  /** VCPU: take a synchronous external abort to EL1 at PC, for the access that caused STAGE2_ABORT. Excludes the others. */
  EXTERNAL_ABORT: 16,
} as const;
