import { readNzcv, writeNzcv } from './flags.ts';
import { F, PSTATE } from './frame.ts';
import type { Vector } from './processor.ts';
import type { CoreState } from './state.ts';
import { HCR, MDCR, MDSCR, SCTLR } from './sysreg-bits.ts';
import { SR } from './sysreg-slots.ts';

/** Exception classes, ESR_ELx.EC (DDI 0487, D17.2.37). Those for a lower EL are one less than for the same EL. */
export const EC = {
  UNKNOWN: 0x00,
  WFX: 0x01,
  FP_ACCESS: 0x07,
  ILLEGAL_STATE: 0x0e,
  SVC: 0x15,
  HVC: 0x16,
  SMC: 0x17,
  SYSREG: 0x18,
  INSTRUCTION_ABORT_LOWER: 0x20,
  INSTRUCTION_ABORT: 0x21,
  PC_ALIGNMENT: 0x22,
  DATA_ABORT_LOWER: 0x24,
  DATA_ABORT: 0x25,
  SP_ALIGNMENT: 0x26,
  SERROR: 0x2f,
  BREAKPOINT_LOWER: 0x30,
  SOFTWARE_STEP_LOWER: 0x32,
  WATCHPOINT_LOWER: 0x34,
  BRK: 0x3c,
} as const;

/** A synchronous exception that is to be taken: `takeException(core, trap.target, 'sync', trap.esr, trap)`. */
export interface Trap {
  readonly target: 1 | 2;
  readonly esr: number;
  /** For FAR_ELx and HPFAR_EL2; untouched when absent. */
  readonly far?: bigint;
  readonly hpfar?: bigint;
  /** Preferred return address, relative to PC (4: the next instruction); default 0. */
  readonly pcOffset?: number;
}

/** Interrupt inputs of a core, as bits: also the form of F.IRQ_PENDING. */
export const INTERRUPT = { IRQ: 1, FIQ: 2, SERROR: 4, VIRQ: 8, VFIQ: 16, VSERROR: 32 } as const;

/** An asynchronous exception to take: `takeException(core, target, vector, esr)`. */
export interface Interrupt {
  readonly vector: Vector;
  readonly target: 1 | 2;
  /** True for VIRQ, VFIQ and VSERROR. */
  readonly virtual: boolean;
}

const VECTOR_OFFSET: Record<Vector, number> = { sync: 0x000, irq: 0x080, fiq: 0x100, serror: 0x180 };

/** The registers that an EL banks, as offsets from the frame; EL0 has only its stack pointer. */
const BANK = [
  { SP: SR.SP_EL0, ELR: 0, SPSR: 0, ESR: 0, FAR: 0, VBAR: 0, SCTLR: 0 },
  {
    SP: SR.SP_EL1,
    ELR: SR.ELR_EL1,
    SPSR: SR.SPSR_EL1,
    ESR: SR.ESR_EL1,
    FAR: SR.FAR_EL1,
    VBAR: SR.VBAR_EL1,
    SCTLR: SR.SCTLR_EL1,
  },
  {
    SP: SR.SP_EL2,
    ELR: SR.ELR_EL2,
    SPSR: SR.SPSR_EL2,
    ESR: SR.ESR_EL2,
    FAR: SR.FAR_EL2,
    VBAR: SR.VBAR_EL2,
    SCTLR: SR.SCTLR_EL2,
  },
] as const;

/** The low 32 bits of a frame's 64-bit place. */
export function low(core: CoreState, offset: number): number {
  return core.i32[(core.frame + offset) >>> 2]!;
}

/** Whether one bit of a frame's 64-bit place is set. */
export function bit(core: CoreState, offset: number, n: number): boolean {
  return ((core.i32[(core.frame + offset + (n >> 5) * 4) >>> 2]! >>> (n & 31)) & 1) !== 0;
}

export function currentEl(core: CoreState): number {
  return (low(core, F.PSTATE) >> PSTATE.EL_SHIFT) & 3;
}

/** HCR_EL2.{E2H, TGE} = {1, 1}: EL0 is an application of a host at EL2. */
export function inHost(core: CoreState): boolean {
  return bit(core, SR.HCR_EL2, HCR.TGE) && bit(core, SR.HCR_EL2, HCR.E2H);
}

/** ESR_ELx for a 32-bit instruction (IL = 1). */
export function esr(ec: number, iss: number): number {
  return ((ec << 26) | (1 << 25) | iss) >>> 0;
}

function stackBank(pstate: number): number {
  return (pstate & PSTATE.SP) === 0 ? SR.SP_EL0 : BANK[(pstate >> PSTATE.EL_SHIFT) & 3]!.SP;
}

/** Puts the stack pointer in use into the bank of `from` and takes the one of `to`; both are PSTATE values. */
export function switchStack(core: CoreState, from: number, to: number): void {
  const old = (core.frame + stackBank(from)) >>> 2;
  const next = (core.frame + stackBank(to)) >>> 2;
  if (old === next) return;
  const { i32 } = core;
  const sp = (core.frame + F.SP) >>> 2;
  i32[old] = i32[sp]!;
  i32[old + 1] = i32[sp + 1]!;
  i32[sp] = i32[next]!;
  i32[sp + 1] = i32[next + 1]!;
}

/** The EL that a synchronous exception of the current EL goes to when nothing routes it specially. */
export function routeSync(core: CoreState): 1 | 2 {
  const el = currentEl(core);
  return el === 2 || (el === 0 && bit(core, SR.HCR_EL2, HCR.TGE)) ? 2 : 1;
}

/** The same for external aborts: HCR_EL2.TEA routes them too. */
export function routeExternal(core: CoreState): 1 | 2 {
  return currentEl(core) < 2 && bit(core, SR.HCR_EL2, HCR.TEA) ? 2 : routeSync(core);
}

/** The same for debug exceptions (breakpoint, watchpoint, software step, BRK): MDCR_EL2.TDE routes them too. */
export function routeDebug(core: CoreState): 1 | 2 {
  return currentEl(core) < 2 && bit(core, SR.MDCR_EL2, MDCR.TDE) ? 2 : routeSync(core);
}

/** The exception of an UNDEFINED instruction at the current EL. */
export function undefinedInstruction(core: CoreState): Trap {
  return { target: routeSync(core), esr: esr(EC.UNKNOWN, 0) };
}

/** Takes the Illegal Execution state exception: for any instruction while PSTATE.IL is set. */
export function illegalState(core: CoreState): Trap {
  return { target: routeSync(core), esr: esr(EC.ILLEGAL_STATE, 0) };
}

/** A misaligned PC; `pc` goes to FAR. */
export function pcAlignment(core: CoreState, pc: bigint): Trap {
  return { target: routeSync(core), esr: esr(EC.PC_ALIGNMENT, 0), far: pc };
}

export function spAlignment(core: CoreState): Trap {
  return { target: routeSync(core), esr: esr(EC.SP_ALIGNMENT, 0) };
}

/** SVC, HVC, SMC and BRK at the current EL: their own exception, a trap, or UNDEFINED. */
export function exceptionInstruction(core: CoreState, name: 'svc' | 'hvc' | 'smc' | 'brk', imm16: number): Trap {
  const el = currentEl(core);
  switch (name) {
    case 'svc':
      return { target: routeSync(core), esr: esr(EC.SVC, imm16), pcOffset: 4 };
    case 'hvc':
      if (el === 0 || bit(core, SR.HCR_EL2, HCR.HCD)) return undefinedInstruction(core);
      return { target: 2, esr: esr(EC.HVC, imm16), pcOffset: 4 };
    case 'smc':
      // There is no EL3 to call; HCR_EL2.TSC traps it all the same.
      if (el === 1 && bit(core, SR.HCR_EL2, HCR.TSC)) return { target: 2, esr: esr(EC.SMC, imm16) };
      return undefinedInstruction(core);
    case 'brk':
      return { target: routeDebug(core), esr: esr(EC.BRK, imm16) };
  }
}

/** What ESR_ELx says about an abort (DDI 0487, ISS encodings for instruction and data aborts). */
export interface AbortInfo {
  /** Fault status code, ISS[5:0]. */
  fsc: number;
  /** Data aborts: caused by a write; cache maintenance (which also sets `write`). */
  write?: boolean;
  maintenance?: boolean;
  /** Fault of stage 2 on a stage-1 table walk. */
  s1ptw?: boolean;
  /** External abort type. */
  external?: boolean;
  /** FAR is not valid (synchronous external aborts on walks). */
  farInvalid?: boolean;
  /** The access, where ISV = 1 is allowed: stage-2 data aborts of single general-purpose register loads and stores. */
  syndrome?: { size: 1 | 2 | 4 | 8; signed: boolean; register: number; wide: boolean; acquireRelease: boolean };
}

/** ESR_ELx of a data abort taken to `target` from the current EL. */
export function dataAbort(core: CoreState, target: 1 | 2, info: AbortInfo): number {
  let iss = info.fsc & 63;
  if (info.write || info.maintenance) iss |= 1 << 6;
  if (info.s1ptw) iss |= 1 << 7;
  if (info.maintenance) iss |= 1 << 8;
  if (info.external) iss |= 1 << 9;
  if (info.farInvalid) iss |= 1 << 10;
  const s = info.syndrome;
  if (s) {
    const sas = 31 - Math.clz32(s.size);
    iss |= (1 << 24) | (sas << 22) | (s.register << 16);
    if (s.signed) iss |= 1 << 21;
    if (s.wide) iss |= 1 << 15;
    if (s.acquireRelease) iss |= 1 << 14;
  }
  return esr(currentEl(core) === target ? EC.DATA_ABORT : EC.DATA_ABORT_LOWER, iss);
}

/** ESR_ELx of an instruction abort taken to `target` from the current EL. */
export function instructionAbort(core: CoreState, target: 1 | 2, info: AbortInfo): number {
  let iss = info.fsc & 63;
  if (info.s1ptw) iss |= 1 << 7;
  if (info.external) iss |= 1 << 9;
  if (info.farInvalid) iss |= 1 << 10;
  return esr(currentEl(core) === target ? EC.INSTRUCTION_ABORT : EC.INSTRUCTION_ABORT_LOWER, iss);
}

/** Bits of PSTATE that translation, privilege and debug exceptions depend on. */
function contextBits(core: CoreState): number {
  const bits = PSTATE.PAN | PSTATE.UAO | PSTATE.SP | (3 << PSTATE.EL_SHIFT);
  return (low(core, SR.MDSCR_EL1) & (1 << MDSCR.KDE)) !== 0 ? bits | PSTATE.D : bits;
}

/** ESR_ELx.ISS of an SError that VSESR_EL2 describes: IDS and ISS. */
const virtualErrorSyndrome = (core: CoreState): number => low(core, SR.VSESR_EL2) & 0x1ffffff;

/** ESR_ELx of an SError; the virtual one is HCR_EL2.VSE's. */
export function serror(core: CoreState, virtual: boolean): number {
  return esr(EC.SERROR, virtual ? virtualErrorSyndrome(core) : 0);
}

/** ESB: a virtual SError that is masked is deferred to VDISR_EL2. No physical one is ever pending. */
export function synchronizeErrors(core: CoreState): void {
  const hcr = low(core, SR.HCR_EL2);
  const wanted = (1 << HCR.VSE) | (1 << HCR.AMO);
  if (currentEl(core) === 2 || (hcr & (wanted | (1 << HCR.TGE))) !== wanted || (low(core, F.PSTATE) & PSTATE.A) === 0)
    return;
  core.i64[(core.frame + SR.VDISR_EL2) >>> 3] = BigInt((0x8000_0000 | virtualErrorSyndrome(core)) >>> 0);
  core.i32[(core.frame + SR.HCR_EL2) >>> 2] = hcr & ~(1 << HCR.VSE);
  core.interruptsChanged();
}

const NOTHING: Omit<Trap, 'target' | 'esr'> = {};

/**
 * Takes an exception to `target` (AArch64.TakeException): banks PC, PSTATE and SP, sets the syndrome registers and
 * goes to the vector. An interrupt leaves ESR alone.
 * @returns the target, so that a core can stop in front of a hosted EL2.
 */
export function takeException(
  core: CoreState,
  target: 1 | 2,
  vector: Vector,
  syndrome: number,
  details: Omit<Trap, 'target' | 'esr'> = NOTHING,
): 1 | 2 {
  const { i32, frame } = core;
  const bank = BANK[target];
  const pc = (frame + F.PC) >>> 2;
  const old = i32[(frame + F.PSTATE) >>> 2]!;
  const el = (old >> PSTATE.EL_SHIFT) & 3;

  const spsr = (frame + bank.SPSR) >>> 2;
  i32[spsr] = old | readNzcv(core);
  i32[spsr + 1] = 0;
  const elr = (frame + bank.ELR) >>> 2;
  const returnLow = (i32[pc]! >>> 0) + (details.pcOffset ?? 0);
  i32[elr] = returnLow;
  i32[elr + 1] = i32[pc + 1]! + (returnLow > 0xffffffff ? 1 : 0);

  if (vector === 'sync' || vector === 'serror') {
    const place = (frame + bank.ESR) >>> 2;
    i32[place] = syndrome;
    i32[place + 1] = 0;
  }
  if (details.far !== undefined) core.i64[(frame + bank.FAR) >>> 3] = details.far;
  if (details.hpfar !== undefined) core.i64[(frame + SR.HPFAR_EL2) >>> 3] = details.hpfar;

  let pstate = PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F | PSTATE.SP | (target << PSTATE.EL_SHIFT);
  pstate |= old & (PSTATE.PAN | PSTATE.DIT);
  if ((target === 1 || inHost(core)) && !bit(core, bank.SCTLR, SCTLR.SPAN)) pstate |= PSTATE.PAN;
  if (bit(core, bank.SCTLR, SCTLR.DSSBS)) pstate |= PSTATE.SSBS;
  i32[(frame + F.PSTATE) >>> 2] = pstate;
  switchStack(core, old, pstate);

  let offset = VECTOR_OFFSET[vector];
  if (el !== target) offset += 0x400;
  else if (old & PSTATE.SP) offset += 0x200;
  const vbar = (frame + bank.VBAR) >>> 2;
  i32[pc] = i32[vbar]! | offset;
  i32[pc + 1] = i32[vbar + 1]!;

  // Nothing that waits is let in by this: the masks are set now.
  if ((old ^ pstate) & contextBits(core)) core.contextChanged();
  return target;
}

/** Whether debug exceptions are enabled from `el` with PSTATE.D = `masked` (AArch64.GenerateDebugExceptionsFrom). */
export function debugEnabledFrom(core: CoreState, el: number, masked: boolean): boolean {
  if (bit(core, SR.OSLSR_EL1, 1)) return false;
  const target = bit(core, SR.HCR_EL2, HCR.TGE) || bit(core, SR.MDCR_EL2, MDCR.TDE) ? 2 : 1;
  return el === target ? bit(core, SR.MDSCR_EL1, MDSCR.KDE) && !masked : el < target;
}

/** DDI 0487, IllegalExceptionReturn: SPSR names an EL that cannot be returned to. */
function illegalReturn(core: CoreState, spsr: number, el: number): boolean {
  const target = (spsr >> PSTATE.EL_SHIFT) & 3;
  // M[4]: AArch32, which no EL has; M[1] is reserved.
  if (spsr & 0x12) return true;
  if (target > el) return true;
  if (target === 0 && spsr & PSTATE.SP) return true;
  return target === 1 && bit(core, SR.HCR_EL2, HCR.TGE);
}

/** Bits that only a legal exception return takes from SPSR. */
const LEGAL = 0xf | PSTATE.SSBS | PSTATE.IL | PSTATE.UAO | PSTATE.DIT;
const ALWAYS = PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F | PSTATE.PAN;

/** ERET at the current EL, which must not be EL0 (AArch64.ExceptionReturn): PC and PSTATE from ELR_ELx and SPSR_ELx. */
export function exceptionReturn(core: CoreState): void {
  const { i32, frame } = core;
  const old = i32[(frame + F.PSTATE) >>> 2]!;
  const el = (old >> PSTATE.EL_SHIFT) & 3;
  const bank = BANK[el]!;
  const spsr = i32[(frame + bank.SPSR) >>> 2]!;

  const illegal = illegalReturn(core, spsr, el);
  let pstate = illegal ? (old & LEGAL) | PSTATE.IL | (spsr & ALWAYS) : spsr & (LEGAL | ALWAYS);
  if (spsr & PSTATE.SS && bit(core, SR.MDSCR_EL1, MDSCR.SS)) {
    const target = (pstate >> PSTATE.EL_SHIFT) & 3;
    const stepping = !debugEnabledFrom(core, el, (old & PSTATE.D) !== 0);
    if (stepping && debugEnabledFrom(core, target, (spsr & PSTATE.D) !== 0)) pstate |= PSTATE.SS;
  }
  i32[(frame + F.PSTATE) >>> 2] = pstate;
  writeNzcv(core, spsr);
  switchStack(core, old, pstate);

  const elr = (frame + bank.ELR) >>> 2;
  const pc = (frame + F.PC) >>> 2;
  i32[pc] = i32[elr]!;
  i32[pc + 1] = branchAddressHigh(core, i32[elr + 1]!, (pstate >> PSTATE.EL_SHIFT) & 3);
  // ClearExclusiveLocal, SendEventLocal.
  i32[(frame + F.EXCL_HOST) >>> 2] = 0;
  i32[(frame + F.EVENT) >>> 2] = 1;

  if ((old ^ pstate) & contextBits(core)) core.contextChanged();
  if (i32[(frame + F.IRQ_PENDING) >>> 2] !== 0) core.interruptsChanged();
}

/** The high half of a branch target at `el` once the tag is removed where TCR_ELx.TBI says so (AArch64.BranchAddr). */
export function branchAddressHigh(core: CoreState, high: number, el: number): number {
  const e2h = bit(core, SR.HCR_EL2, HCR.E2H);
  const el2 = el === 2 || (el === 0 && inHost(core));
  const tcr = el2 ? SR.TCR_EL2 : SR.TCR_EL1;
  if (el2 && !e2h) return bit(core, tcr, 20) ? high & 0x00ffffff : high;
  const upper = (high >>> 23) & 1;
  return bit(core, tcr, upper ? 38 : 37) ? (high << 8) >> 8 : high;
}

/** The interrupts by input, physical before virtual; `route` is the bit of HCR_EL2 that sends it to EL2. */
const INPUTS = [
  { input: INTERRUPT.SERROR, virtual: INTERRUPT.VSERROR, route: HCR.AMO, mask: PSTATE.A, vector: 'serror' },
  { input: INTERRUPT.FIQ, virtual: INTERRUPT.VFIQ, route: HCR.FMO, mask: PSTATE.F, vector: 'fiq' },
  { input: INTERRUPT.IRQ, virtual: INTERRUPT.VIRQ, route: HCR.IMO, mask: PSTATE.I, vector: 'irq' },
] as const;

const TO_EL1 = INPUTS.map(({ vector }): Interrupt => ({ vector, target: 1, virtual: false }));
const TO_EL2 = INPUTS.map(({ vector }): Interrupt => ({ vector, target: 2, virtual: false }));
const VIRTUAL = INPUTS.map(({ vector }): Interrupt => ({ vector, target: 1, virtual: true }));

/** The interrupt inputs as HCR_EL2.{VI, VF, VSE} add to them, without the virtual ones that are not enabled. */
export function pendingInterrupts(core: CoreState, inputs: number): number {
  const hcr = low(core, SR.HCR_EL2);
  let pending = inputs | (((hcr >> HCR.VI) & 1) * INTERRUPT.VIRQ) | (((hcr >> HCR.VF) & 1) * INTERRUPT.VFIQ);
  pending |= ((hcr >> HCR.VSE) & 1) * INTERRUPT.VSERROR;
  const tge = (hcr >> HCR.TGE) & 1;
  for (const { virtual, route } of INPUTS) if (tge || !((hcr >> route) & 1)) pending &= ~virtual;
  return pending;
}

/**
 * The asynchronous exception that is taken now, of the inputs (bits of `INTERRUPT`) that are active; undefined when
 * masks and routing let none in (DDI 0487, D1.3.6). The virtual SError that HCR_EL2.VSE makes is cleared by the taker.
 */
export function interruptTarget(core: CoreState, inputs: number): Interrupt | undefined {
  const pending = pendingInterrupts(core, inputs);
  if (pending === 0) return undefined;
  const pstate = low(core, F.PSTATE);
  const el = (pstate >> PSTATE.EL_SHIFT) & 3;
  const hcr = low(core, SR.HCR_EL2);
  const tge = (hcr >> HCR.TGE) & 1;
  const host = inHost(core);
  for (let n = 0; n < INPUTS.length; n++) {
    const { input, route, mask } = INPUTS[n]!;
    if (!(pending & input)) continue;
    if (tge || (hcr >> route) & 1) {
      // Routed to a higher EL the masks do not count, unless EL2 is a host.
      if ((el < 2 && !host) || !(pstate & mask)) return TO_EL2[n];
    } else if (el < 2 && !(pstate & mask)) {
      return TO_EL1[n];
    }
  }
  if (el === 2) return undefined;
  for (let n = 0; n < INPUTS.length; n++) {
    const { virtual, mask } = INPUTS[n]!;
    if (pending & virtual && !(pstate & mask)) return VIRTUAL[n];
  }
  return undefined;
}
