import { expect, test } from 'vitest';
import { DeterministicCounter, RealCounter, counterWallClock } from '../../board/host/clock.ts';

test('the real counter never goes back, and counters with one start agree', () => {
  const a = new RealCounter();
  const b = new RealCounter(a.frequency, a.start);
  expect(a.frequency).toBe(62_500_000);
  let last = 0;
  for (let i = 0; i < 1000; i++) {
    const [first, second, third] = [a.now(), b.now(), a.now()];
    expect(first).toBeGreaterThanOrEqual(last);
    expect(Number.isSafeInteger(first)).toBe(true);
    expect(second).toBeGreaterThanOrEqual(first);
    expect(third).toBeGreaterThanOrEqual(second);
    last = third;
  }
});

test('the deterministic counter follows instructions and skips idle time', () => {
  let retired = 0;
  const counter = new DeterministicCounter(() => retired, 1000, 10);
  expect(counter.now()).toBe(0);
  retired = 95;
  expect(counter.now()).toBe(9);
  expect(counter.instructionsUntil(20)).toBe(105);
  counter.skipTo(20);
  expect([counter.now(), counter.instructionsUntil(20)]).toEqual([20, 0]);
  counter.skipTo(5);
  expect(counter.now()).toBe(20);
  retired = 100;
  expect(counter.now()).toBe(21);
  expect(counterWallClock(counter, 1000)()).toBeCloseTo(1000.021);
});

test('after instructionsUntil more instructions the deadline has come, not before', () => {
  let retired = 7;
  const counter = new DeterministicCounter(() => retired, 1000, 16);
  counter.skipTo(3);
  for (const deadline of [3, 4, 5, 10]) {
    const need = counter.instructionsUntil(deadline);
    retired += need;
    expect(counter.now()).toBeGreaterThanOrEqual(deadline);
    if (need > 0) {
      retired--;
      expect(counter.now()).toBeLessThan(deadline);
      retired++;
    }
  }
});
