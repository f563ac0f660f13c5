import { describe, expect, test, vi } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { F } from '../../../arch/core/frame.ts';
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

test('what an earlier run has kept is optimized later than what is new', () => {
  const loop = 'mov x0, #7\n1:\nsubs x1, x1, #1\nb.ne 1b\nhvc #0';
  const optimizes = (machine: Machine, times: number): boolean => {
    const { core } = machine;
    core.resetFrame(core.ownFrame, 1);
    core.pc = BigInt(CODE);
    core.i64[(core.frame + F.X + 8) >>> 3] = BigInt(times);
    expect(core.run(1e9)).toBe('el2');
    return core.code.stats.optimized > 0;
  };
  const first = new Machine();
  first.write(loop);
  expect(optimizes(first, 10)).toBe(false);
  const next = new Machine(first.core.code.save(1 << 20));
  next.write(loop);
  expect(optimizes(first, 300_000)).toBe(true);
  expect([optimizes(next, 300_000), optimizes(next, 2_000_000)]).toEqual([false, true]);
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

describe.each([false, true])('invalidating instructions (optimized: %s)', (optimized) => {
  const CALLEE = CODE + 0x4000;
  const OTHER = CODE + 0x200;
  /** The last two instructions stand in the second line of 64 bytes. */
  const program = (first: number, second: number): string => `
    mov x0, #${first}
    bl . + ${CALLEE - CODE - 4}
    ${'nop\n'.repeat(14)}
    add x0, x0, #${second}
    hvc #0`;

  /** Has run a program, what it calls in another page, and another one in its page. */
  function machine(): Machine {
    const made = new Machine();
    if (optimized) made.core.code.eager = () => true;
    made.write('add x0, x0, #300\nret', CALLEE);
    made.write('mov x0, #7\nhvc #0', OTHER);
    made.write(program(1, 20));
    expect([made.run(), made.run(OTHER)]).toEqual([321, 7]);
    return made;
  }

  /** Changes memory, and nothing else. */
  function poke(made: Machine, text: string): void {
    made.core.i32.set(assembleProgram(text, CODE), (CODE - RAM + HOST) / 4);
  }

  test.each([undefined, CODE, CODE + 64])('code that is as it was is not looked for again (line: %s)', (line) => {
    const made = machine();
    const found = vi.spyOn(made.core.code, 'find');
    made.core.invalidateInstructions(line);
    expect([made.run(), made.run(OTHER)]).toEqual([321, 7]);
    expect(found).not.toHaveBeenCalled();
  });

  test('a program that invalidates what it has not changed goes on as it is', () => {
    const made = machine();
    made.write(
      `
        mov x0, #0
        mov x20, #50
        mov x1, #${RAM}
        add x1, x1, #${CALLEE - RAM}
      1:
        ic ivau, x1
        dsb sy
        isb
        blr x1
        subs x20, x20, #1
        b.ne 1b
        hvc #0`,
      CODE + 0x1000,
    );
    const found = vi.spyOn(made.core.code, 'find');
    expect(made.run(CODE + 0x1000)).toBe(50 * 300);
    expect(found.mock.calls.length).toBeLessThan(10);
  });

  test.each([undefined, CODE + 64])('code that has changed is translated as it is now (line: %s)', (line) => {
    const made = machine();
    const { regions } = made.core.code.stats;
    poke(made, program(1, 40));
    made.core.invalidateInstructions(line);
    expect([made.run(), made.run(OTHER)]).toEqual([341, 7]);
    // The callee and the other program are still there.
    expect(made.core.code.stats.regions).toBe(regions + 1);
  });

  test('a program that invalidates everything all the time lets others have their turn soon', () => {
    const made = machine();
    const { core } = made;
    made.write('1:\nic iallu\nb 1b', OTHER);
    core.resetFrame(core.ownFrame, 1);
    core.pc = BigInt(OTHER);
    const before = core.retired;
    expect(core.run(1_000_000)).toBe('yield');
    expect(core.retired - before).toBeLessThan(1000);
  });

  test('of changes in two lines, the one whose line is invalidated is seen', () => {
    const made = machine();
    poke(made, program(2, 40));
    made.core.invalidateInstructions(CODE + 64);
    expect([341, 342]).toContain(made.run());
    made.core.invalidateInstructions(CODE);
    expect(made.run()).toBe(342);
  });

  test('code that is put back is used again, whether its change was seen or not', () => {
    const made = machine();
    const { regions } = made.core.code.stats;
    for (const unseen of [true, false]) {
      poke(made, program(1, 40));
      made.core.invalidateInstructions(CODE + 64);
      if (!unseen) expect(made.run(OTHER)).toBe(7);
      poke(made, program(1, 20));
      made.core.invalidateInstructions(CODE + 64);
      expect(made.run()).toBe(321);
    }
    expect(made.core.code.stats.regions).toBe(regions);
  });
});
