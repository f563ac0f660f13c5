import { expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';

const RAM = 0x4000_0000;
const RAM_BYTES = 1 << 20;
const HOST = 0x1_0000 + CORE_BYTES;
const [CODE, STAGE1, STAGE2] = [0x0, 0x1000, 0x2000];
/** Where stage 1 has Device memory. */
const DEVICE = 0x8000_0000n;
const NORMAL_BLOCK = 0x705n;
const DEVICE_BLOCK = 0x401n;
const DBM = 1n << 51n;
const READ_ONLY = 1n << 7n;

/** A core at EL1 whose stage 1 maps RAM, and RAM's or another IPA as Device memory; what its first exception was. */
function machine(program: string, device: bigint): { exception: string; descriptor: bigint } {
  const pages = (HOST + RAM_BYTES) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const core = new Core({
    bus: { ram: { memory, base: RAM, size: RAM_BYTES, host: HOST }, device: () => undefined },
    index: 0,
    counter: { frequency: 1_000_000, now: () => 0 },
    area: 0x1_0000,
    hostedEl2: true,
  });
  const u64 = new BigUint64Array(memory.buffer);
  const put = (offset: number, value: bigint): bigint => (u64[(HOST + offset) / 8] = value);
  assembleProgram(program, BigInt(RAM + CODE)).forEach((word, n) => (core.i32[(HOST + CODE) / 4 + n] = word));
  put(STAGE1 + 8, BigInt(RAM) | NORMAL_BLOCK);
  put(STAGE1 + 16, device);
  // Stage 2 has the first GiB of RAM.
  put(STAGE2 + 8, BigInt(RAM) | 0x7fdn);
  const set = (at: number, value: bigint): bigint => (core.i64[(core.ownFrame + at) >> 3] = value);
  set(SR.MAIR_EL1, 0xff00n);
  set(SR.TTBR0_EL1, BigInt(RAM + STAGE1));
  // T0SZ 25, HA, HD.
  set(SR.TCR_EL1, 0x1_8080_3519n | (1n << 40n) | (1n << 39n));
  set(SR.SCTLR_EL1, 0x30d0_0801n);
  set(SR.VTTBR_EL2, BigInt(RAM + STAGE2));
  set(SR.VTCR_EL2, 0x8002_3559n);
  set(SR.HCR_EL2, 0x8000_0001n);
  set(F.X + 8, DEVICE);
  let exception = 'none';
  core.onException = (_vector, target, esr) => {
    exception = `EL${target} ${(esr >>> 0).toString(16)}`;
    core.stop();
  };
  core.pc = BigInt(RAM + CODE);
  core.contextChanged();
  core.run(100);
  return { exception, descriptor: u64[(HOST + STAGE1 + 16) / 8]! };
}

const unmapped = 0x8000_0000n | DEVICE_BLOCK;

test('an unaligned access to Device memory is a fault of stage 1 also where stage 2 has no translation', () => {
  expect(machine('ldr x3, [x1, #1]', unmapped).exception).toBe('EL1 96000021');
  expect(machine('ldr x3, [x1, #8]', unmapped).exception).toBe('EL2 93c38005');
  // So is DC ZVA, which Device memory refuses at any address.
  expect(machine('dc zva, x1', unmapped).exception).toBe('EL1 96000061');
});

test('an unaligned store to Device memory leaves the page clean, an aligned one makes it dirty', () => {
  const clean = BigInt(RAM) | DEVICE_BLOCK | DBM | READ_ONLY;
  expect(machine('stur x3, [x1, #1]', clean)).toEqual({ exception: 'EL1 96000061', descriptor: clean });
  const { descriptor } = machine('str x3, [x1, #0x7000]\nhvc #0', clean);
  expect(descriptor).toBe(clean & ~READ_ONLY);
});
