/** A machine's turns on the host's event loop: it runs a few milliseconds, then streams and timers have theirs. */

/** How long a machine runs between two turns of the event loop, in ms. */
const TURN_MS = 5;
/** Instructions after which to look at the clock, adapted to what a machine retires. */
const LEAST = 20_000;
const MOST = 20_000_000;
/** Waits shorter than this (ms) are not worth a timer. */
const SHORT_WAIT_MS = 0.5;
/** The host's timers reach 24 days. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

export interface Turns {
  /** Runs for about so many instructions. `idle`: nothing to do until `dueIn` has passed or something wakes it. */
  step(instructions: number): 'busy' | 'idle' | 'ended';
  /** Milliseconds until an idle machine's next timer; Infinity when there is none. */
  dueIn(): number;
  /** Called between two steps: time for what can wait. @param idle the machine is about to sleep */
  rest?(idle: boolean): void;
}

export class HostLoop {
  #wake: (() => void) | undefined;

  /** Ends a sleep: there is work for an idle machine. */
  wake(): void {
    this.#wake?.();
  }

  /** Gives a machine its turns until it has ended. */
  async run(machine: Turns): Promise<void> {
    let budget = LEAST;
    for (;;) {
      const start = performance.now();
      const state = machine.step(budget);
      if (state === 'ended') return;
      machine.rest?.(state === 'idle');
      if (state === 'idle') {
        await this.#sleep(machine);
        continue;
      }
      const speed = TURN_MS / Math.max(performance.now() - start, 0.1);
      budget = Math.round(Math.min(MOST, Math.max(LEAST, budget * Math.min(2, speed))));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #sleep(machine: Turns): Promise<void> {
    // `dueIn` brings timers up to date: what has become due since the step wakes, too.
    let woken = false;
    this.#wake = () => void (woken = true);
    const ms = machine.dueIn();
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      if (woken || ms < SHORT_WAIT_MS) setImmediate(done);
      else timer = setTimeout(done, Math.min(Math.max(1, Math.floor(ms)), LONGEST_WAIT_MS));
    });
  }
}
