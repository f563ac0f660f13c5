import type { CoreState } from './state.ts';

/**
 * Why `run` came back.
 * - `el2`: an exception was taken to a hosted EL2: ESR_EL2, FAR_EL2, HPFAR_EL2, ELR_EL2, SPSR_EL2 stand in the frame's
 *   system registers, PSTATE is that of EL2, PC is ELR_EL2. `Processor.vector` says which kind.
 * - `yield`: the host's turn: `limit` instructions were retired, or `stop()` was called.
 * - `wfi`: bare mode only: WFI or WFE with nothing pending.
 */
export type StopReason = 'el2' | 'yield' | 'wfi';

/** Kind of the exception taken to a hosted EL2. */
export type Vector = 'sync' | 'irq' | 'fiq' | 'serror';

/**
 * A core as its hosted EL2 (the microkernel) drives it. The core (arch/core/core.ts) implements it; kernel tests may
 * give one of their own.
 */
export interface Processor extends CoreState {
  /** Vector of the last `el2` stop. */
  readonly vector: Vector;
  /**
   * Runs the current frame from its PC and PSTATE until something stops it.
   * @param limit instructions after which to come back with `yield`, an exception counted as many.
   */
  run(limit: number): StopReason;
  /** Makes another frame the current one. The old frame is complete in memory; nothing is copied but the core's own counters. */
  switchFrame(frame: number): void;
  /** Sets a fresh frame at a host address to reset state, for AArch64 execution at `el`. */
  resetFrame(frame: number, el: 0 | 1 | 2): void;
  /** What ERET at EL2 does for the current frame: PC and PSTATE from ELR_EL2 and SPSR_EL2. */
  eret(): void;
}
