import { expect, test } from 'vitest';
import { CODE, HOST, Machine, RAM } from './hvc-machine.ts';

const CALL = `
  mov x19, #1
  mov x0, #1
  bl callee
  add x0, x0, x19
  hvc #0
callee:
  hvc #0
  add x0, x0, #40
  ret`;

test('what comes back behind an HVC and behind a call whose stack is gone goes on in the regions that are there', () => {
  const machine = new Machine();
  machine.write(CALL);
  expect([machine.run(), machine.resume()]).toEqual([1, 42]);
  expect(machine.core.code.stats).toMatchObject({ regions: 2, shared: 2 });

  const next = new Machine(machine.core.code.save(1 << 20));
  next.write(CALL);
  expect([next.run(), next.resume()]).toEqual([1, 42]);
  expect(next.core.code.stats).toMatchObject({ regions: 0, reused: 2, shared: 2 });
});

test('a place in the middle of a region whose code has changed is translated as it is now', () => {
  const machine = new Machine();
  machine.write(CALL);
  machine.run();
  machine.write(CALL.replace('x0, #40', 'x0, #50').replace('x0, x0, x19', 'x0, x0, #3'));
  expect(machine.resume()).toBe(54);
});

test('the store has both what a place was and what it became', () => {
  const first = new Machine();
  const program = (value: number): string => `mov x0, #${value}\nhvc #0`;
  for (const value of [1, 2]) {
    first.write(program(value));
    expect(first.run()).toBe(value);
  }
  const next = new Machine(first.core.code.save(1 << 20));
  for (const value of [1, 2]) {
    next.write(program(value));
    expect(next.run()).toBe(value);
  }
  expect(next.core.code.stats).toMatchObject({ regions: 0, reused: 2 });
});

test('an optimized region and the doors of the one before it work side by side', () => {
  const machine = new Machine();
  machine.write(CALL);
  expect([machine.run(), machine.resume()]).toEqual([1, 42]);
  const { core } = machine;
  core.code.optimize(CODE - RAM + HOST, 0);
  expect([machine.run(), machine.resume(), machine.run(), machine.resume()]).toEqual([1, 42, 1, 42]);
  expect(core.code.stats).toMatchObject({ optimized: 1, shared: 2 });
});

test('regions that are put together can still be entered in their middle', () => {
  const machine = new Machine();
  const places = Array.from({ length: 2100 }, (_, n) => CODE + 16 * n);
  machine.write(places.map((_, n) => `mov x0, #${n}\nhvc #0\nadd x0, x0, #1\nhvc #0`).join('\n'));
  const both = (): void => {
    places.forEach((at, n) => expect([machine.run(at), machine.resume()]).toEqual([n, n + 1]));
  };
  both();
  const { modules, regions } = machine.core.code.stats;
  machine.core.code.consolidate(true);
  both();
  expect(machine.core.code.stats).toMatchObject({ modules, regions });
});
