import { describe, expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { TLB } from '../../../arch/a64/translator.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';

const RAM = 0x4000_0000;
const AREA = 0x1_0000;
const HOST = AREA + CORE_BYTES;
const SIZE = 32 << 20;

function makeCore(): Core {
  const pages = (HOST + SIZE) / 0x1_0000;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const ram = { memory, base: RAM, size: SIZE, host: HOST };
  const counter = { frequency: 1000, now: () => 0 };
  return new Core({ bus: { ram, device: () => undefined }, index: 0, counter, area: AREA, hostedEl2: false });
}

/** Runs a program from the start of RAM to its HLT. */
function run(core: Core, source: string): void {
  core.i32.set(assembleProgram(source, RAM), HOST >> 2);
  core.resetFrame(core.ownFrame, 1);
  core.pc = BigInt(RAM);
  let halted = false;
  core.onException = () => {
    halted = true;
    core.stop();
  };
  while (!halted) core.run(1_000_000);
}

describe('the TLB', () => {
  test.each([false, true])('keeps two pages that are one place of its first table (optimized: %s)', (optimized) => {
    const core = makeCore();
    if (optimized) core.code.eager = () => true;
    run(
      core,
      `
        mov x0, #${RAM + (1 << 20)}
        mov x1, #${TLB.entries * 4096}
        add x1, x1, x0
        mov x2, #10000
      1:
        ldr x3, [x0]
        add x3, x3, #1
        str x3, [x1]
        ldr x4, [x1]
        str x4, [x0]
        subs x2, x2, #1
        b.ne 1b
        hlt #0`,
    );
    expect(core.i64[core.ownFrame / 8 + 4]).toBe(10_000n);
    expect(core.stats.tlbMisses).toBeLessThan(20);
  });
});
