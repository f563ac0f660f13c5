import { describe, expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { TLB } from '../../../arch/a64/region-abi.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';

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

  test.each([false, true])(
    'gives a page its place in the first table back when it is used (optimized: %s)',
    (optimized) => {
      const core = makeCore();
      if (optimized) core.code.eager = () => true;
      const page = RAM + (1 << 20);
      run(
        core,
        `
        mov x0, #${page}
        mov x1, #${TLB.entries * 4096}
        add x1, x1, x0
        ldr x3, [x0]
        ldr x4, [x1]
        ldr x5, [x0]
        hlt #0`,
      );
      const entry = core.i32[(core.ownFrame + F.TLB) >>> 2]! + ((page >>> 12) % TLB.entries) * TLB.entrySize;
      expect(core.i32[entry >>> 2]).toBe(page);
      expect(core.stats.tlbMisses).toBe(2);
    },
  );

  test('drops all of a block of stage 1 that stage 2 maps in pages, by any address in it (D8.14)', () => {
    const core = makeCore();
    const set = (at: number, value: bigint): bigint => (core.i64[(core.ownFrame + at) >> 3] = value);
    const u64 = new BigUint64Array(core.bus.ram.memory.buffer);
    const table = (n: number): number => RAM + 0x10_0000 + 0x1000 * n;
    const put = (n: number, index: number, value: bigint): bigint => (u64[(HOST + table(n) - RAM) / 8 + index] = value);
    // Stage 1: RAM at its address, and its first 2 MiB at 2 GiB as a block that the program changes to the next.
    put(0, 1, BigInt(RAM) | 0x705n);
    put(0, 2, BigInt(table(1)) | 3n);
    put(1, 0, BigInt(RAM) | 0x705n);
    // Stage 2: 4 MiB of RAM, in pages.
    put(2, 1, BigInt(table(3)) | 3n);
    for (const half of [0, 1]) {
      put(3, half, BigInt(table(4 + half)) | 3n);
      for (let n = 0; n < 512; n++) put(4 + half, n, BigInt(RAM + half * 0x20_0000 + n * 0x1000) | 0x7ffn);
    }
    const program = `
      ldr x3, [x1, #0x5000]
      str xzr, [x0]
      tlbi vaae1, x2
      dsb sy
      str x4, [x0]
      dsb sy
      isb
      ldr x5, [x1, #0x5000]
      hlt #0`;
    core.i32.set(assembleProgram(program, RAM), HOST >> 2);
    core.i64[(HOST + 0x5000) / 8] = 1n;
    core.i64[(HOST + 0x20_5000) / 8] = 2n;
    core.resetFrame(core.ownFrame, 1);
    set(SR.MAIR_EL1, 0xffffn);
    set(SR.TTBR0_EL1, BigInt(table(0)));
    set(SR.TCR_EL1, 0x1_8080_3519n);
    set(SR.SCTLR_EL1, 0x30d0_0801n);
    set(SR.VTTBR_EL2, BigInt(table(2)));
    set(SR.VTCR_EL2, 0x8002_3559n);
    set(SR.HCR_EL2, 0x8000_0001n);
    set(F.X, BigInt(table(1)));
    set(F.X + 8, 0x8000_0000n);
    // Another page of the block.
    set(F.X + 16, 0x8_0009n);
    set(F.X + 32, BigInt(RAM + 0x20_0000) | 0x705n);
    core.pc = BigInt(RAM);
    core.contextChanged();
    core.onException = () => core.stop();
    core.run(100);
    expect([core.i64[(core.ownFrame + F.X) / 8 + 3], core.i64[(core.ownFrame + F.X) / 8 + 5]]).toEqual([1n, 2n]);
  });

  // Two pages that lie the other way round in memory; a loop's access is in the upper one first, then across both.
  test.each(['str x6, [x2]', 'stp x6, x7, [x2]', 'str q0, [x2]', 'ldr x6, [x2]', 'ldp x6, x7, [x2]', 'ldr q0, [x2]'])(
    'an access across pages in a loop is no access to the page that it was last in: %s',
    (access) => {
      const core = makeCore();
      core.code.eager = () => true;
      const set = (at: number, value: bigint): bigint => (core.i64[(core.ownFrame + at) >> 3] = value);
      const get = (at: number): bigint => BigInt.asUintN(64, core.i64[(core.ownFrame + at) >> 3]!);
      const u64 = new BigUint64Array(core.bus.ram.memory.buffer);
      const at = (address: number): number => (HOST + address - RAM) / 8;
      const table = (n: number): number => RAM + 0x10_0000 + 0x1000 * n;
      u64[at(table(0)) + 1] = BigInt(RAM) | 0x705n;
      u64[at(table(0)) + 2] = BigInt(table(1)) | 3n;
      u64[at(table(1))] = BigInt(table(2)) | 3n;
      const [lower, upper] = [RAM + 0x20_1000, RAM + 0x20_0000];
      u64[at(table(2))] = BigInt(lower) | 0x707n;
      u64[at(table(2)) + 1] = BigInt(upper) | 0x707n;
      const size = /p|q/.test(access) ? 16 : 8;
      const addresses = [0x8000_1100, 0x8000_1100, 0x8000_1000 - size / 2];
      addresses.forEach((address, n) => (u64[at(RAM + 0x1000) + n] = BigInt(address)));
      u64[at(lower + 0xff8)] = 0x1111_1111_2222_2222n;
      u64[at(upper)] = 0x3333_3333_4444_4444n;
      const program = `
      1:
        ldr x2, [x1], #8
        ${access}
        subs x3, x3, #1
        b.ne 1b
        hlt #0`;
      core.i32.set(assembleProgram(program, RAM), HOST >> 2);
      core.resetFrame(core.ownFrame, 1);
      set(SR.MAIR_EL1, 0xffffn);
      set(SR.TTBR0_EL1, BigInt(table(0)));
      set(SR.TCR_EL1, 0x1_8080_3519n);
      set(SR.SCTLR_EL1, 0x30d0_0801n);
      set(F.X + 8, BigInt(RAM + 0x1000));
      set(F.X + 24, BigInt(addresses.length));
      set(SR.CPACR_EL1, 3n << 20n);
      set(F.X + 48, 0x5555_5555_6666_6666n);
      set(F.X + 56, 0x7777_7777_8888_8888n);
      set(F.V, 0x5555_5555_6666_6666n);
      set(F.V + 8, 0x7777_7777_8888_8888n);
      core.pc = BigInt(RAM);
      core.contextChanged();
      core.onException = () => core.stop();
      core.run(100);
      const vector = access.includes('q');
      const register = vector ? [get(F.V), get(F.V + 8)] : [get(F.X + 48), get(F.X + 56)];
      const memory = [u64[at(lower + 0xff8)], u64[at(upper)]];
      if (access.startsWith('ld')) {
        if (size === 16) expect(register).toEqual([0x1111_1111_2222_2222n, 0x3333_3333_4444_4444n]);
        else expect(register[0]).toBe(0x4444_4444_1111_1111n);
      } else if (size === 16) expect(memory).toEqual([0x5555_5555_6666_6666n, 0x7777_7777_8888_8888n]);
      else expect(memory).toEqual([0x6666_6666_2222_2222n, 0x3333_3333_5555_5555n]);
    },
  );
});
