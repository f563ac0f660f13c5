import type { PhysicalBus } from '../bus.ts';
import type { Trap } from './exception.ts';
import type { Mmu } from './mmu.ts';

/** The ways a TLB invalidation names what it drops (DDI 0487, D8.14). Regimes: the EL that owns the tables. */
export interface TlbScope {
  /** 1: EL1&0, 2: EL2 or EL2&0. */
  regime: 1 | 2;
  /** Stage-1 entries of one virtual range; undefined: all addresses. Signed numbers (bit 55 extended); bytes. */
  va?: { start: number; length: number };
  /** Only entries of this ASID (global ones stay, unless `va` names them and `global` is set). */
  asid?: number;
  /** Entries regardless of ASID (TLBI VAA…). */
  global?: boolean;
  /** Stage-2 entries of one intermediate physical range. */
  ipa?: { start: number; length: number };
  /** Only the current VMID (regime 1 with EL2 in use); undefined: every VMID. */
  vmid?: number;
  /** Inner Shareable: the other cores as well. */
  broadcast: boolean;
}

/**
 * What system registers, exceptions and the MMU need of a core. The core (arch/core/core.ts) implements it;
 * tests give a small one of their own.
 */
export interface CoreState {
  readonly bus: PhysicalBus;
  /**
   * The host address of a virtual address (high and low word) in RAM that the TLB lets the current EL read; 0 where it
   * has none.
   */
  readable?(hi: number, lo: number): number;
  /** Translates for address translation and cache maintenance instructions too. */
  readonly mmu: Mmu;
  /** Views on the whole machine memory; addresses are host addresses (byte offsets). */
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  /** Host address of the frame in use. */
  frame: number;
  /** Number of the core: MPIDR_EL1.Aff0 … Aff3 follow from it as on QEMU's virt machine (Aff0 = n % 16, Aff1 = n / 16). */
  readonly index: number;
  /** Call after anything changed that translation or privilege depends on: EL, TTBRx, TCR, SCTLR, HCR, VTTBR, VTCR, CPACR, CPTR, MDSCR, PSTATE.PAN. */
  contextChanged(): void;
  /** Call after PSTATE.DAIF, HCR_EL2 (IMO, FMO, VI, VF, TGE …) or an interrupt input changed. */
  interruptsChanged(): void;
  /** The interrupt inputs as they are now, INTERRUPT bits; what the frame remembers without it. */
  interruptInputs?(): number;
  invalidateTlb(scope: TlbScope): void;
  /** IC IALLU(IS), or IC IVAU of the 64-byte line at a physical address. */
  invalidateInstructions(pa: number | undefined, broadcast: boolean): void;
  /** Counter ticks (CNTPCT_EL0) now, and the ticks per second. */
  counter(): number;
  readonly counterFrequency: number;
  /** Source of RNDR's and RNDRRS's values, 64 bits; the host's without it. */
  random?(): bigint;
  /** Brings the performance counters of the frame in use up to date. Call before what decides how they count changes. */
  countEvents?(): void;
  /** The watchpoint exception, if any, of DC IVAC of an address whose translation has succeeded. */
  invalidationWatched?(va: bigint): Trap | undefined;
  /** Registers of generic timers or performance monitors changed: the core computes the next deadline and the timers' interrupt lines anew. */
  timersChanged(): void;
  /** GIC CPU interface registers (ICC_*, ICV_*, ICH_*) by encoding key; undefined result: not there (UNDEFINED). */
  gicRead(key: number): bigint | undefined;
  gicWrite(key: number, value: bigint): boolean;
}
