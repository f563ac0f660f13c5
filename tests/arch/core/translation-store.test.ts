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

/** A core at EL1 whose program gives X0 back by HVC. */
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

  /** Puts a program that answers `value` at an address, as software does that invalidates what it changes. */
  write(address: number, value: number): void {
    const words = assembleProgram(`mov x0, #${value}\nhvc #0`, address);
    this.core.u8.set(new Uint8Array(words.buffer), address - RAM + HOST);
    this.core.invalidateInstructions(address);
  }

  run(address: number): number {
    const { core } = this;
    core.resetFrame(core.ownFrame, 1);
    core.pc = BigInt(address);
    expect(core.run(1000)).toBe('el2');
    return Number(core.i64[(core.frame + F.X) >>> 3]);
  }
}

test('a kept translation is used wherever its words are found, and never where others stand', () => {
  const first = new Machine();
  first.write(RAM + 0x1000, 1);
  expect(first.run(RAM + 0x1000)).toBe(1);

  const machine = new Machine(first.core.code.save(1 << 20));
  machine.write(RAM + 0x3000, 1);
  machine.write(RAM + 0x5000, 1);
  expect([machine.run(RAM + 0x3000), machine.run(RAM + 0x5000)]).toEqual([1, 1]);
  expect(machine.core.code.stats).toMatchObject({ reused: 2, regions: 0 });

  // One of the two places changes; the other, and a third one, still hold the old words.
  machine.write(RAM + 0x3000, 2);
  machine.write(RAM + 0x7000, 1);
  expect([0x3000, 0x5000, 0x7000].map((at) => machine.run(RAM + at))).toEqual([2, 1, 1]);
});
