import { expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F } from '../../../arch/core/frame.ts';
import { TranslationStore } from '../../../arch/core/translation-store.ts';

const RAM = 0x4000_0000;
const RAM_BYTES = 1 << 20;
const AREA = 0x1_0000;
const HOST = AREA + CORE_BYTES;
const PAGES = (HOST + RAM_BYTES) / 65536;
const CODE = RAM + 0x1000;

/** A core at EL1 whose programs stop by HVC. */
class Machine {
  readonly core: Core;

  constructor(store?: Uint8Array) {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
    this.core = new Core({
      bus: { ram: { memory, base: RAM, size: RAM_BYTES, host: HOST }, device: () => undefined },
      index: 0,
      counter: { frequency: 1_000_000, now: () => 0 },
      area: AREA,
      hostedEl2: true,
    });
    this.core.code.keepBodies = true;
    if (store) this.core.code.load(TranslationStore.parse(store.slice())!);
  }

  write(text: string, address = CODE): void {
    const words = assembleProgram(text, address);
    this.core.u8.set(new Uint8Array(words.buffer), address - RAM + HOST);
    for (let at = 0; at < words.byteLength; at += 64) this.core.invalidateInstructions(address + at);
  }

  /** Runs from an address to the first HVC; X0 there. */
  run(address = CODE): number {
    const { core } = this;
    core.resetFrame(core.ownFrame, 1);
    core.pc = BigInt(address);
    return this.stop();
  }

  /** Goes on behind the last HVC, on an empty stack of the host's. */
  resume(): number {
    this.core.eret();
    return this.stop();
  }

  private stop(): number {
    const { core } = this;
    expect(core.run(1000)).toBe('el2');
    return Number(core.i64[(core.frame + F.X) >>> 3]);
  }
}

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
