/** A core whose own area, and the memory that a program uses, lie above 2 GiB in the WebAssembly memory. */
import { describe, expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';

const RAM = 0x4000_0000;
const RAM_BYTES = 3 * 2 ** 30;
const HOST = 0x1_0000;
const AREA = HOST + RAM_BYTES;
/** The last pages of RAM. */
const END = RAM + RAM_BYTES;
const TABLE = END - 0x1000;
const VECTORS = END - 0x2000;
const CODE = END - 0x4000;
const DATA = END - 0x8000;
const DEVICE = 0x0900_0000;

const PROGRAM = `
  ldr x3, [x1]
  str x3, [x1, #0xff8]
  ldr x4, [x1, #0xff8]
  // Across a page.
  add x10, x1, #0xffd
  str x4, [x10]
  ldr x5, [x10]
  ldp q0, q1, [x1, #0x100]
  add x10, x1, #0xff0
  stp q1, q0, [x10]
retry:
  ldaxr x6, [x1]
  add x6, x6, #1
  stlxr w7, x6, [x1]
  cbnz w7, retry
  mov x8, #5
  ldaddal x8, x9, [x1]
  str w9, [x2, #4]
  ldr w11, [x2]
  msr tpidr_el1, x3
  mrs x12, tpidr_el1
  // Rounding up is not the host's.
  mov x13, #0x400000
  msr fpcr, x13
  fdiv d2, d3, d4
  fmov x13, d2
  fcmp d3, d4
  cset x14, gt
  add x15, x1, #0x2000
  dc zva, x15
  mrs x16, nzcv
  at s1e1r, x1
  mrs x17, par_el1
  bl square
  svc #7
  hvc #0
square:
  mul x18, x8, x8
  ret`;

const HANDLER = `
  mrs x20, esr_el1
  mrs x21, elr_el1
  eret`;

const pages = (AREA + CORE_BYTES) / 65536;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

describe('above 2 GiB', () => {
  test.each([false, true])('registers, tables, data, code and the TLB (optimized: %s)', (optimized) => {
    const device: number[] = [];
    const core = new Core({
      bus: {
        ram: { memory, base: RAM, size: RAM_BYTES, host: HOST },
        device: (pa) => ({
          device: { read: () => 0x1234_5678, write: (offset, size, value) => void device.push(offset, size, value) },
          offset: pa - DEVICE,
        }),
      },
      index: 0,
      counter: { frequency: 1_000_000, now: () => 0 },
      area: AREA,
      hostedEl2: true,
    });
    core.code.eager = () => optimized;
    core.u8.fill(0, HOST + RAM_BYTES - 0x1_0000, AREA);
    core.resetFrame(core.ownFrame, 1);
    const { frame, u8, i64 } = core;
    const host = (pa: number): number => pa - RAM + HOST;
    const ram = new DataView(memory.buffer, host(DATA), 0x4000);
    const write = (pa: number, words: Uint32Array): void => u8.set(new Uint8Array(words.buffer), host(pa));
    const set = (slot: number, value: bigint): void => void (i64[(frame + slot) >>> 3] = BigInt.asIntN(64, value));
    const get = (slot: number): bigint => BigInt.asUintN(64, i64[(frame + slot) >>> 3]!);
    const x = (n: number): bigint => get(F.X + 8 * n);

    write(CODE, assembleProgram(PROGRAM, CODE));
    write(VECTORS + 0x200, assembleProgram(HANDLER, VECTORS + 0x200));
    // Blocks of 1 GiB, mapped flat: Device memory, then Normal memory whose access flag is not set yet.
    for (let n = 0; n < 4; n++)
      i64[host(TABLE + 8 * n) >>> 3] = (BigInt(n) << 30n) | (n === 0 ? 0x0060_0000_0000_0401n : 0x305n);
    set(SR.TTBR0_EL1, BigInt(TABLE));
    // TCR_EL1: HA, IPS 40 bits, T0SZ 25.
    set(SR.TCR_EL1, (1n << 39n) | (2n << 32n) | (1n << 23n) | 25n);
    set(SR.MAIR_EL1, 0xff00n);
    set(SR.SCTLR_EL1, get(SR.SCTLR_EL1) | 1n);
    set(SR.CPACR_EL1, 3n << 20n);
    set(SR.VBAR_EL1, BigInt(VECTORS));
    set(F.X + 8, BigInt(DATA));
    set(F.X + 16, BigInt(DEVICE));
    set(F.V + 48, 0x3ff0_0000_0000_0000n);
    set(F.V + 64, 0x4008_0000_0000_0000n);
    ram.setBigUint64(0, 0x1122_3344_5566_7788n, true);
    ram.setBigUint64(0x100, 0xa0a1n, true);
    ram.setBigUint64(0x110, 0xb0b1n, true);
    ram.setBigUint64(0x2000, 1n, true);
    core.pc = BigInt(CODE);
    core.contextChanged();

    expect(core.run(10_000)).toBe('el2');
    expect(get(SR.ESR_EL2) >> 26n).toBe(0x16n);
    expect([x(4), x(5), x(12)]).toEqual([0x1122_3344_5566_7788n, 0x1122_3344_5566_7788n, 0x1122_3344_5566_7788n]);
    expect([ram.getBigUint64(0xff0, true), ram.getBigUint64(0x1000, true)]).toEqual([0xb0b1n, 0xa0a1n]);
    expect([x(9), ram.getBigUint64(0, true)]).toEqual([0x1122_3344_5566_7789n, 0x1122_3344_5566_778en]);
    expect([x(11), device]).toEqual([0x1234_5678n, [4, 4, 0x5566_7789]]);
    expect([x(13), x(14), x(16)]).toEqual([0x3fd5_5555_5555_5556n, 0n, 0x8000_0000n]);
    expect(ram.getBigUint64(0x2000, true)).toBe(0n);
    expect(x(17) & 0x0000_ffff_ffff_f001n).toBe(BigInt(DATA));
    expect(x(18)).toBe(25n);
    expect([x(20), x(21)]).toEqual([0x5600_0007n, get(SR.ELR_EL2) - 4n]);
    expect(i64[host(TABLE + 24) >>> 3]! & 0x400n).toBe(0x400n);
  });
});
