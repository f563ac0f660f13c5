import type { SystemCounter } from '../../arch/bus.ts';

/** CNTFRQ_EL0 of QEMU's virt machine. */
export const COUNTER_FREQUENCY = 62_500_000;

/** A counter that follows the host. Cores on several threads agree when they are given the same `start`. */
export class RealCounter implements SystemCounter {
  readonly frequency: number;
  readonly start: number;
  readonly #perMillisecond: number;
  readonly #offset: number;

  /** @param start what `RealCounter.hostTime()` said when the counter was 0, in milliseconds. */
  constructor(frequency = COUNTER_FREQUENCY, start = RealCounter.hostTime()) {
    this.frequency = frequency;
    this.start = start;
    this.#perMillisecond = frequency / 1000;
    this.#offset = performance.timeOrigin - start;
  }

  /** Milliseconds of a clock that never goes back and is the same on all threads of the process. */
  static hostTime(): number {
    return performance.timeOrigin + performance.now();
  }

  now(): number {
    return Math.max(0, Math.floor((performance.now() + this.#offset) * this.#perMillisecond));
  }
}

/** A counter that follows retired instructions: the same program sees the same times in every run. */
export class DeterministicCounter implements SystemCounter {
  readonly frequency: number;
  readonly #retired: () => number;
  readonly #instructionsPerTick: number;
  #skipped = 0;

  /**
   * @param retired instructions retired so far, all cores together.
   * @param instructionsPerTick 16 makes a machine of 1 GIPS at 62.5 MHz.
   */
  constructor(retired: () => number, frequency = COUNTER_FREQUENCY, instructionsPerTick = 16) {
    this.#retired = retired;
    this.frequency = frequency;
    this.#instructionsPerTick = instructionsPerTick;
  }

  now(): number {
    return Math.floor(this.#retired() / this.#instructionsPerTick) + this.#skipped;
  }

  /** Time passes while every core waits: moves the counter on to `deadline`, if that is still to come. */
  skipTo(deadline: number): void {
    this.#skipped += Math.max(0, Math.ceil(deadline) - this.now());
  }

  /** Instructions from now until the counter reaches `deadline`. */
  instructionsUntil(deadline: number): number {
    const ticks = deadline - this.#skipped;
    return Math.max(0, Math.ceil(ticks) * this.#instructionsPerTick - this.#retired());
  }
}

/** Seconds since 1970 by the host's clock, for a real time clock. */
export function hostWallClock(): number {
  return Date.now() / 1000;
}

/** Seconds since 1970 that follow a counter from a given start. */
export function counterWallClock(counter: SystemCounter, start: number): () => number {
  return () => start + counter.now() / counter.frequency;
}
