import { describe, expect, it } from 'vitest';
import { Cores, type TurnCore } from '../../board/cores.ts';

/** A core whose turns end as a script says; what it did is noted. */
class ScriptedCore implements TurnCore {
  timerDue = Infinity;
  readonly limits: number[] = [];
  stopped = 0;
  told = 0;
  /** What a turn does; without one it takes all that it is given. */
  readonly turns: (() => 'yield' | 'wfi')[] = [];

  run(limit: number): 'yield' | 'wfi' {
    this.limits.push(limit);
    return this.turns.shift()?.() ?? 'yield';
  }

  stop(): void {
    this.stopped++;
  }

  interruptsChanged(): void {
    this.told++;
  }
}

function make(count: number): { cores: ScriptedCore[]; turns: Cores<ScriptedCore>; counter: { value: number } } {
  const cores = Array.from({ length: count }, () => new ScriptedCore());
  const counter = { value: 0 };
  const turns = new Cores(cores, { frequency: 1000, now: () => counter.value });
  return { cores, turns, counter };
}

const sleeps = (): 'wfi' => 'wfi';

describe('cores by turns', () => {
  it('do nothing while they are off', () => {
    const { cores, turns } = make(2);
    expect(turns.run(1_000_000)).toBe('idle');
    expect(cores.flatMap(({ limits }) => limits)).toEqual([]);
    expect(turns.due).toBe(Infinity);
  });

  it('give the only one that is on all the time there is', () => {
    const { cores, turns } = make(2);
    turns.turnOn(1);
    expect([turns.isOn(0), turns.isOn(1), turns.isOn(2)]).toEqual([false, true, false]);
    expect(turns.run(1_000_000)).toBe('busy');
    expect(cores.map(({ limits }) => limits)).toEqual([[], [1_000_000]]);
  });

  it('give all that are awake the same share', () => {
    const { cores, turns } = make(3);
    for (const cpu of [0, 1, 2]) turns.turnOn(cpu);
    expect(turns.run(1_500_000)).toBe('busy');
    const total = cores.map(({ limits }) => limits.reduce((sum, limit) => sum + limit, 0));
    expect(total).toEqual([500_000, 500_000, 500_000]);
    expect(cores[0]!.limits.length).toBeGreaterThan(5);
  });

  it('come back although nothing is retired', () => {
    const { cores, turns } = make(2);
    for (const cpu of [0, 1]) turns.turnOn(cpu);
    for (let n = 0; n < 10_000; n++) {
      cores[0]!.turns.push(() => (turns.signal(0), 'wfi'));
      cores[1]!.turns.push(() => (turns.signal(1), 'wfi'));
    }
    turns.run(100_000);
    expect(cores[0]!.limits.length).toBeLessThan(100);
  });

  it('let one that waits for an interrupt sleep until its timer is due', () => {
    const { cores, turns, counter } = make(1);
    turns.turnOn(0);
    cores[0]!.turns.push(sleeps, sleeps);
    cores[0]!.timerDue = 50;
    expect(turns.run(10_000)).toBe('idle');
    expect(turns.due).toBe(50);
    counter.value = 49;
    expect(turns.run(10_000)).toBe('idle');
    expect(cores[0]!.limits.length).toBe(1);
    counter.value = 50;
    cores[0]!.timerDue = 100;
    expect(turns.run(10_000)).toBe('idle');
    expect(cores[0]!.limits.length).toBe(2);
  });

  it('wake one that is signalled, and end the turn of the one that has done it', () => {
    const { cores, turns } = make(2);
    for (const cpu of [0, 1]) turns.turnOn(cpu);
    cores[1]!.turns.push(sleeps);
    cores[0]!.turns.push(
      () => 'yield',
      () => {
        turns.signal(1);
        expect(cores[0]!.stopped).toBe(1);
        return 'yield';
      },
      sleeps,
    );
    cores[1]!.turns.push(() => (turns.turnOff(1), 'yield'));
    expect(turns.run(1_000_000)).toBe('idle');
    expect(cores[1]!.limits.length).toBe(2);
    expect(cores[1]!.told).toBe(1);
    expect(turns.isOn(1)).toBe(false);
  });

  it('do not miss what is signalled while a core goes to sleep', () => {
    const { cores, turns } = make(1);
    turns.turnOn(0);
    cores[0]!.turns.push(sleeps, sleeps);
    // Timers are brought up to date when they are asked for, and one that is due is signalled.
    let asked = 0;
    Object.defineProperty(cores[0]!, 'timerDue', {
      get: () => {
        if (asked++ === 0) turns.signal(0);
        return Infinity;
      },
    });
    expect(turns.run(100_000)).toBe('idle');
    expect(cores[0]!.limits.length).toBe(2);
  });

  it('come back at once when they are stopped', () => {
    const { cores, turns } = make(2);
    for (const cpu of [0, 1]) turns.turnOn(cpu);
    cores[0]!.turns.push(() => (turns.stop(), 'yield'));
    expect(turns.run(1_000_000)).toBe('busy');
    expect(cores.map(({ limits }) => limits.length)).toEqual([1, 0]);
  });

  it('give none a turn that another one has turned off in the same round', () => {
    const { cores, turns } = make(2);
    for (const cpu of [0, 1]) turns.turnOn(cpu);
    cores[0]!.turns.push(() => (turns.turnOff(1), 'yield'));
    turns.run(10_000);
    expect(cores[1]!.limits).toEqual([]);
  });
});
