import { describe, expect, it } from 'vitest';
import { HostLoop } from '../../hypervisor/host-loop.ts';

describe('the turns of a machine on the host', () => {
  it('end when the machine has ended', async () => {
    let steps = 0;
    await new HostLoop().run({ step: () => (++steps === 3 ? 'ended' : 'busy'), dueIn: () => Infinity });
    expect(steps).toBe(3);
  });

  it('let timers of the host run between them', async () => {
    let done = false;
    setTimeout(() => (done = true), 1);
    await new HostLoop().run({ step: () => (done ? 'ended' : 'busy'), dueIn: () => Infinity });
    expect(done).toBe(true);
  });

  it('wait for the time that an idle machine says', async () => {
    const start = performance.now();
    let steps = 0;
    await new HostLoop().run({ step: () => (++steps === 2 ? 'ended' : 'idle'), dueIn: () => 20 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(19);
  });

  it('go on at once when something wakes an idle machine', async () => {
    const loop = new HostLoop();
    let steps = 0;
    setTimeout(() => loop.wake(), 1);
    await loop.run({ step: () => (++steps === 2 ? 'ended' : 'idle'), dueIn: () => Infinity });
    expect(steps).toBe(2);
  });

  it('go on when a timer has become due before an idle machine sleeps', async () => {
    const loop = new HostLoop();
    let steps = 0;
    const dueIn = (): number => {
      // The timer that was to end the sleep is an interrupt by now, and none is left.
      loop.wake();
      return Infinity;
    };
    await loop.run({ step: () => (++steps === 2 ? 'ended' : 'idle'), dueIn });
    expect(steps).toBe(2);
  });

  it('grow with the machine’s speed, from small ones', async () => {
    const limits: number[] = [];
    await new HostLoop().run({
      step: (limit) => (limits.push(limit) === 40 ? 'ended' : 'busy'),
      dueIn: () => Infinity,
    });
    expect(limits[0]).toBeLessThan(100_000);
    expect(Math.max(...limits)).toBeGreaterThan(1_000_000);
    expect(Math.max(...limits)).toBeLessThanOrEqual(100_000_000);
  });
});
