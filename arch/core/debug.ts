/** Self-hosted debug: hardware breakpoints, watchpoints and software step (DDI 0487, D2.7 to D2.12). */
import { bit, currentEl, debugEnabledFrom, EC, esr, inHost, low, routeDebug, type Trap } from './exception.ts';
import { F, PSTATE } from './frame.ts';
import { BREAKPOINTS, CONTEXT_BREAKPOINTS, WATCHPOINTS } from './idregs.ts';
import { currentVmid } from './mmu.ts';
import type { CoreState } from './state.ts';
import { HCR, MDSCR } from './sysreg-bits.ts';
import { SR } from './sysreg-slots.ts';

/** IFSC and DFSC of a debug exception. */
const FSC_DEBUG = 0x22;
/** ISS of a watchpoint. */
const WNR = 1 << 6;
const CM = 1 << 8;
/** ISS of a software step: an instruction was stepped, and that was a load-exclusive. */
const ISV = 1 << 24;
const EX = 1 << 6;

/** Addresses are compared up to this bit: 48-bit virtual addresses. */
const TOP = 49n;
const truncated = (va: bigint, low: bigint): bigint => (va & ((1n << TOP) - 1n)) >> low;

const numbered = (name: string, count: number): readonly number[] =>
  Array.from({ length: count }, (_, n) => (SR as Record<string, number>)[`${name.replace('#', String(n))}`]!);

const BVR = numbered('DBGBVR#_EL1', BREAKPOINTS);
const BCR = numbered('DBGBCR#_EL1', BREAKPOINTS);
const WVR = numbered('DBGWVR#_EL1', WATCHPOINTS);
const WCR = numbered('DBGWCR#_EL1', WATCHPOINTS);

const read = (core: CoreState, place: number): bigint => BigInt.asUintN(64, core.i64[(core.frame + place) >>> 3]!);

/** DBGBCR.BT and DBGBVR against the current context; false where breakpoint `n` cannot compare contexts. */
function contextMatches(core: CoreState, n: number): boolean {
  if (n < BREAKPOINTS - CONTEXT_BREAKPOINTS) return false;
  const value = read(core, BVR[n]!);
  const el = currentEl(core);
  const host = inHost(core);
  const id1 = BigInt(low(core, SR.CONTEXTIDR_EL1) >>> 0) === (value & 0xffff_ffffn);
  const id2 = BigInt(low(core, SR.CONTEXTIDR_EL2) >>> 0);
  const guest = el < 2 && !host;
  const vmid = guest && BigInt(currentVmid(core)) === ((value >> 32n) & 0xffffn);
  switch ((low(core, BCR[n]!) >> 21) & 7) {
    case 1:
      if (el === 2 ? bit(core, SR.HCR_EL2, HCR.E2H) : host) return id2 === (value & 0xffff_ffffn);
      return el < 2 && id1;
    case 3:
      return guest && id1;
    case 4:
      return vmid;
    case 5:
      return vmid && id1;
    case 6:
      return id2 === value >> 32n;
    case 7:
      return guest && id1 && id2 === value >> 32n;
    default:
      return false;
  }
}

/** HMC, SSC and PMC or PAC: whether an access of `el` counts. */
function levelMatches(hmc: number, ssc: number, privileges: number, el: number): boolean {
  // 0b10 is Secure state only.
  if (ssc === 2) return false;
  if (el === 2) return hmc !== 0 || ssc === 3;
  return ((privileges >> (el === 1 ? 0 : 1)) & 1) !== 0;
}

/** What is due at the current place, from the debug registers of the frame in use. */
export class Debug {
  /** Software step is active at the current EL. */
  stepping = false;
  /** Instructions must be looked at one by one. */
  single = false;
  /** PSTATE.D decides about debug exceptions of the current EL. */
  masked = false;
  /** The watchpoint registers in use, as a name for their state; '' for none. */
  watching = '';
  private breaking = false;
  /** ISS of the step to be reported: ISV and EX. */
  private stepped = 0;

  /** Due when the context changes. */
  update(core: CoreState): void {
    const mdscr = low(core, SR.MDSCR_EL1);
    this.stepping = this.breaking = this.single = this.masked = false;
    this.watching = '';
    if ((mdscr & ((1 << MDSCR.SS) | (1 << MDSCR.MDE))) === 0 || bit(core, SR.OSLSR_EL1, 1)) return;
    const pstate = low(core, F.PSTATE);
    const el = currentEl(core);
    this.masked = el !== 0 && (mdscr & (1 << MDSCR.KDE)) !== 0;
    const enabled = debugEnabledFrom(core, el, (pstate & PSTATE.D) !== 0);
    this.stepping = enabled && (mdscr & (1 << MDSCR.SS)) !== 0;
    if ((mdscr & (1 << MDSCR.MDE)) !== 0) {
      this.breaking = enabled && BCR.some((place) => (low(core, place) & 1) !== 0);
      if (WCR.some((place) => (low(core, place) & 1) !== 0)) {
        this.watching = [...WCR, ...WVR].map((place) => read(core, place).toString(16)).join();
      }
    }
    this.single = this.stepping || this.breaking;
  }

  /** The software step exception that is pending in front of the next instruction. */
  pendingStep(core: CoreState): Trap | undefined {
    if (!this.stepping || (low(core, F.PSTATE) & PSTATE.SS) !== 0) return undefined;
    const target = routeDebug(core);
    const ec = EC.SOFTWARE_STEP_LOWER + (currentEl(core) === target ? 1 : 0);
    return { target, esr: esr(ec, this.stepped | FSC_DEBUG) };
  }

  /** An instruction has completed: if it was stepped, the exception is pending. */
  complete(core: CoreState, word: number): void {
    if (!this.stepping) return;
    core.i32[(core.frame + F.PSTATE) >>> 2]! &= ~PSTATE.SS;
    // LDXR, LDAXR, LDXP, LDAXP: size 001000 0 1.
    this.stepped = (word & 0x3fc0_0000) === 0x0840_0000 ? ISV | EX : ISV;
  }

  /** An exception was taken or returned from. */
  left(): void {
    this.stepped = 0;
  }

  /** The breakpoint exception of the instruction at PC. */
  breakpoint(core: CoreState): Trap | undefined {
    if (!this.breaking) return undefined;
    const el = currentEl(core);
    const pc = read(core, F.PC);
    for (let n = 0; n < BREAKPOINTS; n++) {
      const bcr = low(core, BCR[n]!);
      if ((bcr & 1) === 0 || !levelMatches((bcr >> 13) & 1, (bcr >> 14) & 3, (bcr >> 1) & 3, el)) continue;
      const type = (bcr >> 20) & 15;
      if (type > 1) {
        // Contexts: the even types are unlinked.
        if ((type & 1) !== 0 || !contextMatches(core, n)) continue;
      } else {
        if (truncated(pc, 2n) !== truncated(read(core, BVR[n]!), 2n)) continue;
        if (type === 1 && !this.linked(core, (bcr >> 16) & 15)) continue;
      }
      const target = routeDebug(core);
      return { target, esr: esr(EC.BREAKPOINT_LOWER + (el === target ? 1 : 0), FSC_DEBUG) };
    }
    return undefined;
  }

  /** Whether breakpoint `n` may be linked to and matches the current context. */
  private linked(core: CoreState, n: number): boolean {
    if (n >= BREAKPOINTS) return false;
    const bcr = low(core, BCR[n]!);
    return (bcr & 1) !== 0 && ((bcr >> 20) & 1) !== 0 && ((bcr >> 20) & 15) !== 1 && contextMatches(core, n);
  }

  /** Whether any enabled watchpoint reaches into the 4 KiB page of an address, whoever may access it. */
  watchesPage(core: CoreState, vaHi: number, vaLo: number): boolean {
    if (this.watching === '') return false;
    const page = truncated((BigInt(vaHi >>> 0) << 32n) | BigInt(vaLo >>> 0), 12n) << 12n;
    return WCR.some(
      (place, n) => (low(core, place) & 1) !== 0 && this.firstWatched(core, n, page, 4096n) !== undefined,
    );
  }

  /**
   * The watchpoint exception of a data access whose translation has succeeded.
   * @param reads,writes what it does, or both
   * @param maintenance it is DC IVAC
   */
  watchpoint(
    core: CoreState,
    vaHi: number,
    vaLo: number,
    size: number,
    o: { reads: boolean; writes: boolean; unprivileged?: boolean; maintenance?: boolean },
  ): Trap | undefined {
    if (this.watching === '') return undefined;
    const el = currentEl(core);
    if (!debugEnabledFrom(core, el, (low(core, F.PSTATE) & PSTATE.D) !== 0)) return undefined;
    const va = (BigInt(vaHi >>> 0) << 32n) | BigInt(vaLo >>> 0);
    let found: Trap | undefined;
    for (let n = 0; n < WATCHPOINTS; n++) {
      const wcr = low(core, WCR[n]!);
      if ((wcr & 1) === 0) continue;
      if (!levelMatches((wcr >> 13) & 1, (wcr >> 14) & 3, (wcr >> 1) & 3, o.unprivileged === true ? 0 : el)) continue;
      const load = (wcr & 8) !== 0 && o.reads;
      if (!load && !((wcr & 16) !== 0 && o.writes)) continue;
      const far = this.firstWatched(core, n, va, BigInt(size));
      if (far === undefined) continue;
      if ((wcr & (1 << 20)) !== 0 && !this.linked(core, (wcr >> 16) & 15)) continue;
      const target = routeDebug(core);
      const iss = FSC_DEBUG | (load ? 0 : WNR) | (o.maintenance === true ? CM | WNR : 0);
      const trap = { target, esr: esr(EC.WATCHPOINT_LOWER + (el === target ? 1 : 0), iss), far };
      // An atomic access counts as a read where its read alone would have met a watchpoint.
      if (load) return trap;
      found ??= trap;
    }
    return found;
  }

  /** The first byte of a range that watchpoint `n` watches. */
  private firstWatched(core: CoreState, n: number, va: bigint, size: bigint): bigint | undefined {
    const wcr = low(core, WCR[n]!);
    const wvr = truncated(read(core, WVR[n]!), 0n);
    const mask = (wcr >> 24) & 31;
    const first = truncated(va, 0n);
    let start: bigint;
    let end: bigint;
    if (mask > 2) {
      start = (wvr >> BigInt(mask)) << BigInt(mask);
      end = start + (1n << BigInt(mask));
    } else {
      const bytes = (wcr >> 5) & ((wvr & 4n) !== 0n ? 0xf : 0xff);
      if (bytes === 0) return undefined;
      // BAS is one run of bytes, by rule.
      start = wvr + BigInt(31 - Math.clz32(bytes & -bytes));
      end = wvr + BigInt(32 - Math.clz32(bytes));
    }
    if (first >= end || first + size <= start) return undefined;
    return first >= start ? va : va + (start - first);
  }
}
