import type { SystemCounter } from '../arch/bus.ts';
import type { StopReason } from '../arch/core/processor.ts';

/** Instructions of a turn while other cores wait for theirs, and while they only wait for interrupts. */
const TURN = 50_000;
const LONG_TURN = 200_000;
/** What a turn that ends early costs, in instructions. */
const LEAST = 2000;

/** What a turn needs of a core (arch/core/core.ts). */
export interface TurnCore {
  run(limit: number): StopReason;
  stop(): void;
  interruptsChanged(): void;
  readonly timerDue: number;
}

/** A core's power state and what it waits for. */
interface Seat {
  readonly core: TurnCore;
  on: boolean;
  /** In WFI: until an interrupt is signalled or the counter reaches `due`. */
  asleep: boolean;
  due: number;
}

/** The cores of a machine that runs on one thread, by turns. At first all are off. */
export class Cores<C extends TurnCore> {
  readonly all: readonly C[];
  readonly #seats: readonly Seat[];
  readonly #counter: SystemCounter;
  #running: TurnCore | undefined;
  #stopped = false;

  constructor(cores: readonly C[], counter: SystemCounter) {
    this.all = cores;
    this.#counter = counter;
    this.#seats = cores.map((core) => ({ core, on: false, asleep: false, due: Infinity }));
  }

  isOn(cpu: number): boolean {
    return this.#seats[cpu]?.on ?? false;
  }

  /** Runs a core from now on; its registers say where. */
  turnOn(cpu: number): void {
    const seat = this.#seats[cpu]!;
    seat.on = true;
    seat.asleep = false;
  }

  turnOff(cpu: number): void {
    const seat = this.#seats[cpu]!;
    seat.on = false;
    seat.core.stop();
  }

  /** What a core is signalled has changed (InterruptController.onChange). */
  signal(cpu: number): void {
    const seat = this.#seats[cpu]!;
    seat.core.interruptsChanged();
    if (!seat.asleep) return;
    seat.asleep = false;
    // Whoever has sent it may wait for the answer.
    this.#running?.stop();
  }

  /** Ends `run`. */
  stop(): void {
    this.#stopped = true;
    this.#running?.stop();
  }

  /**
   * Gives the cores their turns.
   * @param instructions after which to come back, of all cores together; what takes no instructions counts as some
   * @returns whether no core has anything to do before `due`
   */
  run(instructions: number): 'busy' | 'idle' {
    this.#stopped = false;
    let left = instructions;
    while (left > 0) {
      const present = this.#seats.filter(({ on }) => on);
      const awake = present.filter((seat) => this.#isAwake(seat));
      if (awake.length === 0) return 'idle';
      const turn = present.length === 1 ? left : awake.length === 1 ? LONG_TURN : TURN;
      for (const seat of awake) {
        const { core } = seat;
        if (!seat.on) continue;
        const limit = Math.min(turn, Math.max(left, LEAST));
        this.#running = core;
        const stop = core.run(limit);
        this.#running = undefined;
        if (stop === 'wfi' && seat.on) {
          // Bringing the timers up to date may wake it.
          seat.asleep = true;
          seat.due = core.timerDue;
        }
        left -= stop === 'wfi' ? LEAST : limit;
        if (this.#stopped) return 'busy';
      }
    }
    return 'busy';
  }

  /** Counter value at which the first core's timer is due; Infinity when there is none. */
  get due(): number {
    return this.#seats.reduce((first, seat) => (seat.on ? Math.min(first, seat.core.timerDue) : first), Infinity);
  }

  #isAwake(seat: Seat): boolean {
    if (seat.asleep && this.#counter.now() >= seat.due) seat.asleep = false;
    return !seat.asleep;
  }
}
