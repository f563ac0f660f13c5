import { bit, currentEl, EC, esr, inHost, low, undefinedInstruction, type Trap } from './exception.ts';
import { F, sysregKey } from './frame.ts';
import type { CoreState } from './state.ts';
import { HCR, MDCR, MDSCR, SCTLR } from './sysreg-bits.ts';
import { SR } from './sysreg-slots.ts';
import { ICH } from '../gic/ich.ts';
import type { Check } from './sysreg-table.ts';

/**
 * Who may touch a system register, beyond its lowest EL: the controls of SCTLR_ELx, CNTKCTL_EL1, CNTHCTL_EL2,
 * CPACR_EL1, CPTR_EL2, MDSCR_EL1, MDCR_EL2 and the GIC (DDI 0487, the accessibility pseudocode of each register).
 *
 * A verdict is 0 (go on), UNDEFINED, or `ec << 2 | target EL`.
 */
export type Verdict = number;
export const ALLOWED = 0;
export const UNDEFINED = -1;
export const TRAP_EL1: Verdict = (EC.SYSREG << 2) | 1;
export const TRAP_EL2: Verdict = (EC.SYSREG << 2) | 2;

/** The ISS of a trapped MSR, MRS or system instruction. */
function sysregIss(key: number, rt: number, read: boolean): number {
  const op0 = (key >> 14) & 3;
  const op1 = (key >> 11) & 7;
  const crn = (key >> 7) & 15;
  const crm = (key >> 3) & 15;
  const op2 = key & 7;
  return (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (rt << 5) | (crm << 1) | (read ? 1 : 0);
}

/** CV = 1, COND = AL: an instruction that is not conditional. */
const UNCONDITIONAL = (1 << 24) | (14 << 20);

/** Makes a verdict other than `ALLOWED` the exception that it stands for. */
export function verdictTrap(core: CoreState, verdict: Verdict, key: number, rt: number, read: boolean): Trap {
  if (verdict === UNDEFINED) return undefinedInstruction(core);
  const ec = verdict >> 2;
  const iss = ec === EC.SYSREG ? sysregIss(key, rt, read) : ec === EC.FP_ACCESS ? UNCONDITIONAL : 0;
  return { target: (verdict & 3) as 1 | 2, esr: esr(ec, iss) };
}

/** A trap of EL0 that goes to EL1, or to EL2 under HCR_EL2.TGE. */
export function trapEl0(core: CoreState): Verdict {
  return bit(core, SR.HCR_EL2, HCR.TGE) ? TRAP_EL2 : TRAP_EL1;
}

/** A control bit of SCTLR_ELx as EL0 sees it. */
export function el0Control(core: CoreState, n: number): boolean {
  return bit(core, inHost(core) ? SR.SCTLR_EL2 : SR.SCTLR_EL1, n);
}

/** Whether an HCR_EL2 trap bit applies: only below EL2, and not to the applications of a host. */
export function hcrTraps(core: CoreState, el: number, n: number): boolean {
  return bit(core, SR.HCR_EL2, n) && (el === 1 || (el === 0 && !inHost(core)));
}

/** EL0 needs a bit of SCTLR_ELx; EL0 and EL1 must not be trapped by any of the bits of HCR_EL2. */
export function sctlrThenHcr(core: CoreState, el: number, control: number, traps: readonly number[]): Verdict {
  if (el === 0 && !el0Control(core, control)) return trapEl0(core);
  for (const n of traps) if (hcrTraps(core, el, n)) return TRAP_EL2;
  return ALLOWED;
}

/** CNTKCTL_EL1, or CNTHCTL_EL2 for a host's applications: at EL0 one of the bits must be set. */
function counterControl(core: CoreState, el: number, a: number, b: number): Verdict {
  if (el !== 0) return ALLOWED;
  const place = inHost(core) ? SR.CNTHCTL_EL2 : SR.CNTKCTL_EL1;
  return bit(core, place, a) || bit(core, place, b) ? ALLOWED : trapEl0(core);
}

/** CNTHCTL_EL2's control of EL1 and EL0, which moves with E2H. */
function counterControl2(core: CoreState, el: number, nVhe: number, vhe: number): Verdict {
  if (el === 2 || inHost(core)) return ALLOWED;
  return bit(core, SR.CNTHCTL_EL2, bit(core, SR.HCR_EL2, HCR.E2H) ? vhe : nVhe) ? ALLOWED : TRAP_EL2;
}

/** CNTHCTL_EL2.{EL1TVT, EL1TVCT} of FEAT_ECV. */
function virtualControl(core: CoreState, el: number, n: number): Verdict {
  return el < 2 && !inHost(core) && bit(core, SR.CNTHCTL_EL2, n) ? TRAP_EL2 : ALLOWED;
}

function debugTrap(core: CoreState, el: number, control: number): Verdict {
  if (el === 2) return ALLOWED;
  const all = bit(core, SR.MDCR_EL2, MDCR.TDE) || bit(core, SR.HCR_EL2, HCR.TGE);
  return all || bit(core, SR.MDCR_EL2, control) ? TRAP_EL2 : ALLOWED;
}

/** Bits of PMUSERENR_EL0: what EL0 may do. */
const PMUSERENR = { EN: 1, SW: 2, CR: 4, ER: 8 } as const;

/** The performance monitors: EL0 needs one of the bits `allowed` (-1: none) of PMUSERENR_EL0; MDCR_EL2 traps EL1 and EL0. */
function pmuVerdict(core: CoreState, el: number, allowed: number, ...traps: number[]): Verdict {
  if (el === 0 && allowed >= 0 && (low(core, SR.PMUSERENR_EL0) & allowed) === 0) return trapEl0(core);
  return el < 2 && traps.some((n) => bit(core, SR.MDCR_EL2, n)) ? TRAP_EL2 : ALLOWED;
}

/** Access to the SIMD and floating-point registers: CPACR_EL1, then CPTR_EL2 in either of its formats. */
function fpVerdict(core: CoreState, el: number): Verdict {
  const host = inHost(core);
  const tge = bit(core, SR.HCR_EL2, HCR.TGE);
  if (el < 2 && !host) {
    // FPEN: x0 nobody, 01 not EL0, 11 everybody.
    if (!bit(core, SR.CPACR_EL1, 20) || (el === 0 && !bit(core, SR.CPACR_EL1, 21))) {
      return tge ? (EC.UNKNOWN << 2) | 2 : (EC.FP_ACCESS << 2) | 1;
    }
  }
  const trap = (EC.FP_ACCESS << 2) | 2;
  if (!bit(core, SR.HCR_EL2, HCR.E2H)) return bit(core, SR.CPTR_EL2, 10) ? trap : ALLOWED;
  if (!bit(core, SR.CPTR_EL2, 20)) return trap;
  return el === 0 && tge && !bit(core, SR.CPTR_EL2, 21) ? trap : ALLOWED;
}

/** The trap of a SIMD or floating-point instruction at the current EL; undefined when it may run. */
export function fpTrap(core: CoreState): Trap | undefined {
  const verdict = fpVerdict(core, currentEl(core));
  return verdict === ALLOWED ? undefined : verdictTrap(core, verdict, 0, 0, false);
}

/** The trap of a WFI or WFE that would wait; undefined when it may. */
export function wfxTrap(core: CoreState, wfe: boolean): Trap | undefined {
  const el = currentEl(core);
  const verdict = sctlrThenHcr(core, el, wfe ? SCTLR.nTWE : SCTLR.nTWI, [wfe ? HCR.TWE : HCR.TWI]);
  if (verdict === ALLOWED) return undefined;
  return { target: (verdict & 3) as 1 | 2, esr: esr(EC.WFX, UNCONDITIONAL | (wfe ? 1 : 0)) };
}

/** The trap of DC ZVA at the current EL; undefined when it may run (then its address is checked by the MMU). */
export function dcZvaTrap(core: CoreState, rt: number): Trap | undefined {
  const verdict = sctlrThenHcr(core, currentEl(core), SCTLR.DZE, [HCR.TDZ]);
  return verdict === ALLOWED ? undefined : verdictTrap(core, verdict, sysregKey(1, 3, 7, 4, 1), rt, false);
}

/** DAIF from EL0, also by MSR (immediate): SCTLR_EL1.UMA lets it; a host's applications never may. */
export function daifVerdict(core: CoreState, el: number): Verdict {
  if (el !== 0) return ALLOWED;
  return inHost(core) || !bit(core, SR.SCTLR_EL1, SCTLR.UMA) ? trapEl0(core) : ALLOWED;
}

/** Bits of ICH_HCR_EL2. */
const ICH_HCR = { TC: 10, TALL0: 11, TALL1: 12, TDIR: 14 } as const;

function gicTrap(core: CoreState, el: number, ...controls: number[]): Verdict {
  return el === 1 && controls.some((n) => bit(core, ICH.HCR, n)) ? TRAP_EL2 : ALLOWED;
}

/** What traps reads of CTR_EL0, besides EL0's own control. */
export const CTR_TRAPS: readonly number[] = [HCR.TID2];

export const CHECKS: Readonly<Record<Check, (core: CoreState, el: number, read: boolean) => Verdict>> = {
  ctr: (core, el) => sctlrThenHcr(core, el, SCTLR.UCT, CTR_TRAPS),
  fp: fpVerdict,
  cpacr: (core, el) => (el === 1 && bit(core, SR.CPTR_EL2, 31) ? TRAP_EL2 : ALLOWED),
  daif: daifVerdict,
  scxtnum(core, el) {
    if (el === 0 && el0Control(core, SCTLR.TSCXT)) return trapEl0(core);
    return el === 2 || inHost(core) || bit(core, SR.HCR_EL2, HCR.EnSCXT) ? ALLOWED : TRAP_EL2;
  },
  debug: (core, el) => debugTrap(core, el, MDCR.TDA),
  debugOs: (core, el) => debugTrap(core, el, MDCR.TDOSA),
  debugRom: (core, el) => debugTrap(core, el, MDCR.TDRA),
  debugComms(core, el) {
    if (el === 0 && bit(core, SR.MDSCR_EL1, MDSCR.TDCC)) return trapEl0(core);
    return debugTrap(core, el, MDCR.TDA);
  },
  pmu: (core, el) => pmuVerdict(core, el, PMUSERENR.EN, MDCR.TPM),
  pmuControl: (core, el) => pmuVerdict(core, el, PMUSERENR.EN, MDCR.TPM, MDCR.TPMCR),
  pmuCycles: (core, el, read) => pmuVerdict(core, el, PMUSERENR.EN | (read ? PMUSERENR.CR : 0), MDCR.TPM),
  pmuCounter: (core, el, read) => pmuVerdict(core, el, PMUSERENR.EN | (read ? PMUSERENR.ER : 0), MDCR.TPM),
  pmuSelect: (core, el) => pmuVerdict(core, el, PMUSERENR.EN | PMUSERENR.ER, MDCR.TPM),
  pmuIncrement: (core, el) => pmuVerdict(core, el, PMUSERENR.EN | PMUSERENR.SW, MDCR.TPM),
  pmuTraps: (core, el) => pmuVerdict(core, el, -1, MDCR.TPM),
  counterFrequency: (core, el) => counterControl(core, el, 0, 1),
  physicalCounter: (core, el) => counterControl(core, el, 0, 0) || counterControl2(core, el, 0, 10),
  virtualCounter: (core, el) => counterControl(core, el, 1, 1) || virtualControl(core, el, 14),
  physicalTimer: (core, el) => counterControl(core, el, 9, 9) || counterControl2(core, el, 1, 11),
  virtualTimer: (core, el) => counterControl(core, el, 8, 8) || virtualControl(core, el, 13),
  // SP_EL0 cannot be named while it is the stack pointer in use.
  spEl0: (core) => (bit(core, F.PSTATE, 0) ? ALLOWED : UNDEFINED),
  gicCommon: (core, el) => gicTrap(core, el, ICH_HCR.TC),
  gicDirect: (core, el) => gicTrap(core, el, ICH_HCR.TC, ICH_HCR.TDIR),
  gicSgi(core, el) {
    if (el === 1 && (bit(core, SR.HCR_EL2, HCR.FMO) || bit(core, SR.HCR_EL2, HCR.IMO))) return TRAP_EL2;
    return gicTrap(core, el, ICH_HCR.TC);
  },
  gicGroup0: (core, el) => gicTrap(core, el, ICH_HCR.TALL0),
  gicGroup1: (core, el) => gicTrap(core, el, ICH_HCR.TALL1),
};
