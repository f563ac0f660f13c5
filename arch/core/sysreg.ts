import {
  bit,
  currentEl,
  INTERRUPT,
  low,
  pendingInterrupts,
  switchStack,
  undefinedInstruction,
  type Trap,
} from './exception.ts';
import { readNzcv, writeNzcv } from './flags.ts';
import { F, PSTATE, sysregKey } from './frame.ts';
import { cacheSize, DCZID, DCZID_DZP, hasFeature, MIDR, mpidr } from './idregs.ts';
import { countEvent, PMCEID0, PMCEID1, PMU_BEHAVIOUR } from './pmu.ts';
import type { CoreState } from './state.ts';
import { bits, HCR, MDSCR } from './sysreg-bits.ts';
import { OPERATIONS } from './sysreg-ops.ts';
import { parseKey, SR } from './sysreg-slots.ts';
import { numberedRows, TABLE, type Row, type SysregName } from './sysreg-table.ts';
import {
  ALLOWED,
  CHECKS,
  CTR_TRAPS,
  daifVerdict,
  dcZvaTrap,
  hcrTraps,
  trapEl0,
  TRAP_EL1,
  TRAP_EL2,
  UNDEFINED,
  verdictTrap,
  type Verdict,
} from './sysreg-traps.ts';
import {
  physicalCount,
  readTimerControl,
  readTimerValue,
  virtualCount,
  writeTimerValue,
  type TimerName,
} from './timer.ts';

export { SR } from './sysreg-slots.ts';

/** A system register as MRS and MSR (register) reach it. */
export interface Sysreg {
  readonly name: string;
  readonly key: number;
  readonly readEl: number;
  readonly writeEl: number;
  /** Offset from the frame; -1 when it has no storage. */
  readonly slot: number;
  /** A write stores `(value & mask) | one`. */
  readonly mask: bigint;
  readonly one: bigint;
  readonly reset: bigint;
  readonly row: Row;
  /** Storage only: no effect and no control but its lowest EL and HCR_EL2 (`inlineAccess` says more). */
  readonly plainRead: boolean;
  readonly plainWrite: boolean;
  readonly read: ((core: CoreState) => bigint) | undefined;
  readonly write: ((core: CoreState, value: bigint) => void) | undefined;
  /** The register that a VHE host at EL2 reaches instead. */
  redirect: Sysreg | undefined;
}

const ALL_BITS = (1n << 64n) - 1n;

function setPstate(core: CoreState, mask: number, value: number): number {
  const place = (core.frame + F.PSTATE) >>> 2;
  const old = core.i32[place]!;
  const next = (old & ~mask) | (value & mask);
  core.i32[place] = next;
  return old ^ next;
}

/** A PSTATE bit as a register: it stands where it stands in SPSR. */
function pstateBits(mask: number, changed?: (core: CoreState) => void): Behaviour {
  return {
    read: (core) => BigInt((low(core, F.PSTATE) & mask) >>> 0),
    write(core, value) {
      if (setPstate(core, mask, Number(value & 0xffffffffn)) && changed) changed(core);
    },
  };
}

function floatingPoint(place: number, mask: number): Behaviour {
  return {
    read: (core) => BigInt(low(core, place) >>> 0),
    write(core, value) {
      core.i32[(core.frame + place) >>> 2] = Number(value & 0xffffffffn) & mask;
    },
  };
}

interface Behaviour {
  read?: (core: CoreState) => bigint;
  write?: (core: CoreState, value: bigint) => void;
}

const timerControl = (name: TimerName): Behaviour => ({ read: (core) => readTimerControl(core, name) });
const timerValue = (name: TimerName): Behaviour => ({
  read: (core) => readTimerValue(core, name),
  write(core, value) {
    writeTimerValue(core, name, value);
    core.timersChanged();
  },
});

function setStackSelect(core: CoreState, select: number): void {
  const old = low(core, F.PSTATE);
  if (!setPstate(core, PSTATE.SP, select)) return;
  switchStack(core, old, low(core, F.PSTATE));
  core.contextChanged();
}

function random(core: CoreState): bigint {
  writeNzcv(core, 0);
  if (core.random !== undefined) return BigInt.asUintN(64, core.random());
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

const contextChanged = (core: CoreState): void => core.contextChanged();
const masksChanged = (core: CoreState): void => {
  core.interruptsChanged();
  // PSTATE.D decides about debug exceptions.
  core.contextChanged();
};
const DAIF = PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F;
/** AHP, DN, FZ, RMode; FZ16 with half precision. */
const FPCR_BITS = Number(bits([26, 22])) | (hasFeature('FEAT_FP16') ? 1 << 19 : 0);
/** QC, and the cumulative exception bits IDC and IXC to IOC. */
const FPSR_BITS = Number(bits(27, 7, [4, 0]));
/** RES1 of CPTR_EL2 in its format without E2H, and what its other format keeps. */
const CPTR_ONE = 0x33ffn;
const CPTR_VHE = bits(20, 21, 31);
const CPTR_NVHE = bits(10, 31);

/** MDSCR_EL1.{SS, TDCC, KDE, MDE}. */
const MDSCR_UNLOCKED = bits(MDSCR.SS, MDSCR.TDCC, MDSCR.KDE, MDSCR.MDE);

/** What makes a register more than storage. */
const BEHAVIOUR: Partial<Record<SysregName, Behaviour>> = {
  MIDR_EL1: { read: (core) => (currentEl(core) === 1 ? slot(core, SR.VPIDR_EL2) : MIDR) },
  MPIDR_EL1: { read: (core) => (currentEl(core) === 1 ? slot(core, SR.VMPIDR_EL2) : mpidr(core.index)) },
  CCSIDR_EL1: { read: (core) => cacheSize(low(core, SR.CSSELR_EL1)) },
  DCZID_EL0: { read: (core) => (dcZvaTrap(core, 0) ? DCZID | BigInt(DCZID_DZP) : DCZID) },
  SPSel: {
    read: (core) => BigInt(low(core, F.PSTATE) & PSTATE.SP),
    write: (core, value) => setStackSelect(core, Number(value & 1n)),
  },
  CurrentEL: { read: (core) => BigInt(currentEl(core) << 2) },
  PAN: pstateBits(PSTATE.PAN, contextChanged),
  UAO: pstateBits(PSTATE.UAO, contextChanged),
  DIT: pstateBits(PSTATE.DIT),
  SSBS: pstateBits(PSTATE.SSBS),
  DAIF: pstateBits(DAIF, masksChanged),
  NZCV: {
    read: (core) => BigInt(readNzcv(core) >>> 0),
    write: (core, value) => writeNzcv(core, Number(value & 0xf0000000n) | 0),
  },
  FPCR: floatingPoint(F.FPCR, FPCR_BITS),
  FPSR: floatingPoint(F.FPSR, FPSR_BITS),
  RNDR: { read: random },
  RNDRRS: { read: random },
  ISR_EL1: { read: pendingStatus },
  DISR_EL1: {
    read: (core) => slot(core, deferredPlace(core)),
    write: (core, value) => void store(core, deferredPlace(core), value),
  },
  HCR_EL2: {
    write(core, value) {
      if (!store(core, SR.HCR_EL2, value)) return;
      core.contextChanged();
      core.interruptsChanged();
    },
  },
  CPTR_EL2: {
    read(core) {
      const value = slot(core, SR.CPTR_EL2);
      return bit(core, SR.HCR_EL2, HCR.E2H) ? value & CPTR_VHE : (value & CPTR_NVHE) | CPTR_ONE;
    },
  },
  CNTPCT_EL0: { read: physicalCount },
  CNTVCT_EL0: { read: virtualCount },
  CNTPCTSS_EL0: { read: physicalCount },
  CNTVCTSS_EL0: { read: virtualCount },
  CNTP_CTL_EL0: timerControl('CNTP'),
  CNTV_CTL_EL0: timerControl('CNTV'),
  CNTHP_CTL_EL2: timerControl('CNTHP'),
  CNTHV_CTL_EL2: timerControl('CNTHV'),
  CNTP_TVAL_EL0: timerValue('CNTP'),
  CNTV_TVAL_EL0: timerValue('CNTV'),
  CNTHP_TVAL_EL2: timerValue('CNTHP'),
  CNTHV_TVAL_EL2: timerValue('CNTHV'),
  PMCEID0_EL0: { read: () => PMCEID0 },
  PMCEID1_EL0: { read: () => PMCEID1 },
  ...PMU_BEHAVIOUR,
  MDCR_EL2: {
    write(core, value) {
      core.countEvents?.();
      if (!store(core, SR.MDCR_EL2, value)) return;
      core.contextChanged();
      core.timersChanged();
    },
  },
  MDSCR_EL1: {
    // The rest is EDSCR's, for the debugger's state to be saved and restored while the OS lock is set.
    write(core, value) {
      const writable = bit(core, SR.OSLSR_EL1, 1) ? ALL_BITS : MDSCR_UNLOCKED;
      const kept = slot(core, SR.MDSCR_EL1) & ~writable;
      if (store(core, SR.MDSCR_EL1, (value & writable) | kept)) core.contextChanged();
    },
  },
  OSLAR_EL1: {
    write(core, value) {
      // OSLSR_EL1: OSLM = 0b10, OSLK.
      if (store(core, SR.OSLSR_EL1, 8n | ((value & 1n) << 1n))) core.contextChanged();
    },
  },
  DBGCLAIMSET_EL1: {
    read: () => 0xffn,
    write: (core, value) => void store(core, SR.DBGCLAIMCLR_EL1, slot(core, SR.DBGCLAIMCLR_EL1) | (value & 0xffn)),
  },
  DBGCLAIMCLR_EL1: {
    write: (core, value) => void store(core, SR.DBGCLAIMCLR_EL1, slot(core, SR.DBGCLAIMCLR_EL1) & ~value),
  },
};

/** DISR_EL1 as the current EL sees it: EL1 has the virtual one where virtual SErrors are enabled. */
function deferredPlace(core: CoreState): number {
  return currentEl(core) === 1 && bit(core, SR.HCR_EL2, HCR.AMO) ? SR.VDISR_EL2 : SR.DISR_EL1;
}

/** ISR_EL1: what is pending, the virtual interrupts where EL1 gets those (HCR_EL2.{AMO, IMO, FMO}). */
function pendingStatus(core: CoreState): bigint {
  const pending = pendingInterrupts(core, core.interruptInputs?.() ?? low(core, F.IRQ_PENDING));
  const el1 = currentEl(core) < 2;
  const active = (physical: number, virtual: number, route: number): boolean =>
    (pending & (el1 && bit(core, SR.HCR_EL2, route) ? virtual : physical)) !== 0;
  let status = 0n;
  if (active(INTERRUPT.SERROR, INTERRUPT.VSERROR, HCR.AMO)) status |= bits(8);
  if (active(INTERRUPT.IRQ, INTERRUPT.VIRQ, HCR.IMO)) status |= bits(7);
  if (active(INTERRUPT.FIQ, INTERRUPT.VFIQ, HCR.FMO)) status |= bits(6);
  return status;
}

function slot(core: CoreState, offset: number): bigint {
  return BigInt.asUintN(64, core.i64[(core.frame + offset) >>> 3]!);
}

/** @returns whether the value changed. */
function store(core: CoreState, offset: number, value: bigint): boolean {
  const place = (core.frame + offset) >>> 3;
  const next = BigInt.asIntN(64, value);
  if (core.i64[place] === next) return false;
  core.i64[place] = next;
  return true;
}

const SYSREGS = new Map<number, Sysreg>();
/** _EL12 and _EL02: op1 = 5. */
const ALIASES = new Map<number, Sysreg>();
const BY_NAME = new Map<string, Sysreg>();
const OP1_MASK = 7 << 11;
const OP1_EL12 = 5 << 11;

const isGic = (name: string): boolean => name.startsWith('ICC_') || name.startsWith('ICH_');

function define(name: string, row: Row): void {
  if (row.feature && !hasFeature(row.feature)) return;
  const key = parseKey(row.at);
  const behaviour = (BEHAVIOUR as Record<string, Behaviour | undefined>)[name];
  const place = (SR as Record<string, number | undefined>)[name] ?? -1;
  const free = !row.check || row.check === 'spEl0';
  const sysreg: Sysreg = {
    name,
    key,
    readEl: row.readEl ?? row.el ?? 1,
    writeEl: row.writeEl ?? row.el ?? 1,
    slot: place,
    mask: row.mask ?? ALL_BITS,
    one: row.one ?? 0n,
    reset: row.reset ?? 0n,
    row,
    plainRead: free && !behaviour?.read && (place >= 0 || row.value !== undefined),
    plainWrite: free && !behaviour?.write && place >= 0 && !row.effect && row.event === undefined,
    read: behaviour?.read,
    write: behaviour?.write,
    redirect: undefined,
  };
  SYSREGS.set(key, sysreg);
  BY_NAME.set(name, sysreg);
}

for (const [name, row] of Object.entries<Row>(TABLE)) define(name, row);
for (const [name, row] of numberedRows()) define(name, row);
for (const sysreg of SYSREGS.values()) {
  if (!sysreg.row.e2h) continue;
  sysreg.redirect = BY_NAME.get(sysreg.row.e2h);
  ALIASES.set((sysreg.key & ~OP1_MASK) | OP1_EL12, sysreg);
}

/** The register of an encoding, as it is without VHE's redirection. */
export function lookup(key: number): Sysreg | undefined {
  return SYSREGS.get(key);
}

export function lookupName(name: string): Sysreg | undefined {
  return BY_NAME.get(name);
}

/** The register that an encoding reaches at `el`, with HCR_EL2.E2H or without; undefined: UNDEFINED there. */
function resolve(key: number, el: number, e2h: boolean): Sysreg | undefined {
  const sysreg = SYSREGS.get(key);
  if (!e2h || el !== 2) return sysreg;
  if (!sysreg) return ALIASES.get(key);
  return sysreg.redirect ?? sysreg;
}

/** How translated code may make an access itself. */
export interface InlineAccess {
  /** Offset from the frame, or -1 for a constant (`one`). */
  slot: number;
  /** A write stores `(value & mask) | one`; a read takes the whole. */
  mask: bigint;
  one: bigint;
  /** Bits of HCR_EL2's low word that must be clear for it (the slow path traps); 0 at EL2. */
  hcr: number;
  /** PSTATE.SP must be 1 for it. */
  stackSelected: boolean;
}

/**
 * Whether an access is no more than storage at an EL.
 * @returns undefined when it has to go through `readSysreg` or `writeSysreg`.
 */
export function inlineAccess(key: number, write: boolean, el: number, e2h: boolean): InlineAccess | undefined {
  const sysreg = resolve(key, el, e2h);
  if (!sysreg || el < (write ? sysreg.writeEl : sysreg.readEl)) return undefined;
  const ctr = sysreg.row.check === 'ctr' && el > 0 && !write;
  if (!(write ? sysreg.plainWrite : sysreg.plainRead || ctr)) return undefined;
  let hcr = 0;
  for (const n of el < 2 ? ((write ? sysreg.row.hcrWrite : sysreg.row.hcrRead) ?? (ctr ? CTR_TRAPS : [])) : []) {
    if (n > 31) return undefined;
    hcr |= 1 << n;
  }
  return {
    slot: sysreg.slot,
    mask: sysreg.mask,
    one: sysreg.row.value ?? sysreg.one,
    hcr,
    stackSelected: sysreg.row.check === 'spEl0',
  };
}

/** op0 = 3, op1 = 0, 1 or 3, CRn = 0, CRm = 0 to 7: what software identifies the processor by. */
function inFeatureSpace(key: number): boolean {
  const op1 = (key >> 11) & 7;
  return key >> 14 === 3 && (op1 === 0 || op1 === 1 || op1 === 3) && ((key >> 6) & 31) === 0;
}

/** What becomes of an access that the current EL may not make. */
function refused(core: CoreState, key: number, el: number, read: boolean): Verdict {
  // FEAT_IDST: whatever is wrong with a read of the feature identification space, it is reported as a trapped access.
  if (!read || !inFeatureSpace(key) || !hasFeature('FEAT_IDST')) return UNDEFINED;
  return el === 0 ? trapEl0(core) : el === 1 ? TRAP_EL1 : TRAP_EL2;
}

/** The register and whether the current EL may access it. */
function access(core: CoreState, key: number, el: number, read: boolean): Sysreg | Verdict {
  const sysreg = resolve(key, el, bit(core, SR.HCR_EL2, HCR.E2H));
  if (!sysreg) {
    // The IMPLEMENTATION DEFINED registers, of which there are none.
    const crn = (key >> 7) & 15;
    if (el === 1 && (crn === 11 || crn === 15) && bit(core, SR.HCR_EL2, HCR.TIDCP)) return TRAP_EL2;
    return refused(core, key, el, read);
  }
  if (el < (read ? sysreg.readEl : sysreg.writeEl)) return refused(core, key, el, read);
  if (sysreg.row.check) {
    const verdict = CHECKS[sysreg.row.check](core, el, read);
    if (verdict !== ALLOWED) return verdict;
  }
  if (el < 2) {
    const traps = read ? sysreg.row.hcrRead : sysreg.row.hcrWrite;
    if (traps) for (const n of traps) if (hcrTraps(core, el, n)) return TRAP_EL2;
    // The timers of a host's applications are the host's.
    if (el === 0 && sysreg.redirect && bit(core, SR.HCR_EL2, HCR.TGE) && bit(core, SR.HCR_EL2, HCR.E2H)) {
      return sysreg.redirect;
    }
  }
  return sysreg;
}

/**
 * MRS (and SYSL) at the current EL.
 * @param rt the register operand, for the syndrome of a trap.
 */
export function readSysreg(core: CoreState, key: number, rt: number): bigint | Trap {
  const sysreg = access(core, key, currentEl(core), true);
  if (typeof sysreg === 'number') return verdictTrap(core, sysreg, key, rt, true);
  if (sysreg.read) return sysreg.read(core);
  if (sysreg.slot >= 0) return slot(core, sysreg.slot);
  if (sysreg.row.value !== undefined) return sysreg.row.value;
  const value = isGic(sysreg.name) ? core.gicRead(sysreg.key) : undefined;
  return value ?? undefinedInstruction(core);
}

/**
 * MSR (register), or SYS for op0 = 1, at the current EL.
 * @param rt the register operand, for the syndrome of a trap.
 * @returns the exception to take instead, or undefined when it is done.
 */
export function writeSysreg(core: CoreState, key: number, value: bigint, rt: number): Trap | undefined {
  const el = currentEl(core);
  if (key >> 14 === 1) {
    return systemInstruction(core, key, Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value)), rt);
  }
  const sysreg = access(core, key, el, false);
  if (typeof sysreg === 'number') return verdictTrap(core, sysreg, key, rt, false);
  const kept = (value & sysreg.mask) | sysreg.one;
  if (sysreg.row.event !== undefined) countEvent(core, sysreg.row.event);
  if (sysreg.write) {
    sysreg.write(core, kept);
  } else if (sysreg.slot >= 0) {
    if (store(core, sysreg.slot, kept)) applyEffect(core, sysreg);
  } else if (sysreg.row.value === undefined && !(isGic(sysreg.name) && core.gicWrite(sysreg.key, value))) {
    return undefinedInstruction(core);
  }
  return undefined;
}

function applyEffect(core: CoreState, sysreg: Sysreg): void {
  if (sysreg.row.effect === 'context') core.contextChanged();
  else if (sysreg.row.effect === 'timers') core.timersChanged();
}

/**
 * SYS with op0 = 1 at the current EL.
 * @param hi the register's high word
 * @param lo and its low one, both signed
 * @param rt the register operand, for the syndrome of a trap.
 * @returns the exception to take instead, or undefined when it is done.
 */
export function systemInstruction(core: CoreState, key: number, hi: number, lo: number, rt: number): Trap | undefined {
  const el = currentEl(core);
  const operation = OPERATIONS.get(key);
  if (!operation || el < operation.el || (operation.feature && !hasFeature(operation.feature))) {
    const crn = (key >> 7) & 15;
    const trapped = el === 1 && (crn === 11 || crn === 15) && bit(core, SR.HCR_EL2, HCR.TIDCP);
    return verdictTrap(core, trapped ? TRAP_EL2 : UNDEFINED, key, rt, false);
  }
  const verdict = operation.check(core, el);
  if (verdict !== ALLOWED) return verdictTrap(core, verdict, key, rt, false);
  return operation.run(core, el, hi, lo);
}

/**
 * MSR (immediate): SPSel, DAIFSet, DAIFClr, PAN, UAO, SSBS, DIT.
 * @param imm CRm, 4 bits.
 * @returns the exception to take instead, or undefined when it is done.
 */
export function writePstateField(core: CoreState, op1: number, op2: number, imm: number): Trap | undefined {
  const el = currentEl(core);
  const field = (op1 << 3) | op2;
  const lowest = op1 === 3 ? 0 : 1;
  if (el < lowest) return undefinedInstruction(core);
  const set = imm & 1 ? -1 : 0;
  switch (field) {
    case 0o05:
      setStackSelect(core, imm & 1);
      return undefined;
    case 0o03:
      if (!hasFeature('FEAT_UAO')) break;
      if (setPstate(core, PSTATE.UAO, set)) core.contextChanged();
      return undefined;
    case 0o04:
      if (!hasFeature('FEAT_PAN')) break;
      if (setPstate(core, PSTATE.PAN, set)) core.contextChanged();
      return undefined;
    case 0o31:
      if (!hasFeature('FEAT_SSBS2')) break;
      setPstate(core, PSTATE.SSBS, set);
      return undefined;
    case 0o32:
      if (!hasFeature('FEAT_DIT')) break;
      setPstate(core, PSTATE.DIT, set);
      return undefined;
    case 0o36:
    case 0o37: {
      const verdict = daifVerdict(core, el);
      if (verdict !== ALLOWED) {
        return verdictTrap(core, verdict, sysregKey(0, op1, 4, imm, op2), 31, false);
      }
      if (setPstate(core, imm << 6, field === 0o36 ? -1 : 0)) masksChanged(core);
      return undefined;
    }
  }
  return undefinedInstruction(core);
}

/** Gives the system registers of the frame at host address `frame` their reset values on this core. */
export function resetSysregs(core: CoreState, frame: number): void {
  for (const sysreg of SYSREGS.values()) {
    if (sysreg.slot >= 0) core.i64[(frame + sysreg.slot) >>> 3] = BigInt.asIntN(64, sysreg.reset | sysreg.one);
  }
  core.i64[(frame + SR.VMPIDR_EL2) >>> 3] = mpidr(core.index);
  core.i64[(frame + SR.CNTFRQ_EL0) >>> 3] = BigInt(core.counterFrequency);
}
