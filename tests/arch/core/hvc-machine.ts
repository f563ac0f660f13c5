import { expect } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F } from '../../../arch/core/frame.ts';
import { TranslationStore } from '../../../arch/core/translation-store.ts';

export const RAM = 0x4000_0000;
const RAM_BYTES = 1 << 20;
const AREA = 0x1_0000;
export const HOST = AREA + CORE_BYTES;
const PAGES = (HOST + RAM_BYTES) / 65536;
/** Where programs stand unless another address is given. */
export const CODE = RAM + 0x1000;

/** A core at EL1 whose programs stop by HVC; `store`: what another one's code cache has saved. */
export class Machine {
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

  /** Puts a program at an address, as software does that invalidates what it changes. */
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
