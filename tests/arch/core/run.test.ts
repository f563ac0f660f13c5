import { expect, test } from 'vitest';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';

const RAM = 0x4000_0000;
const AREA = 0x1_0000;
const HOST = AREA + CORE_BYTES;
const PAGES = HOST / 65536 + 1;

test('a guest whose vectors cannot be fetched takes exceptions for ever, but run comes back', () => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const core = new Core({
    bus: { ram: { memory, base: RAM, size: 65536, host: HOST }, device: () => undefined },
    index: 0,
    counter: { frequency: 1_000_000, now: () => 0 },
    area: AREA,
    hostedEl2: true,
  });
  core.resetFrame(core.ownFrame, 1);
  // UDF, and VBAR_EL1 = 0, where there is no RAM.
  core.pc = BigInt(RAM);
  expect(core.run(1_000_000)).toBe('yield');
  expect(core.stats.exceptions).toBeGreaterThan(1000);
  expect(core.retired).toBe(0);
});
