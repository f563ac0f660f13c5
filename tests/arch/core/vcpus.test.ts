import { expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F, FRAME_SIZE } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';

const RAM = 0x4000_0000;
const SIZE = 1 << 20;
const AREA = 0x1_0000;
const HOST = AREA + CORE_BYTES;
const PAGE = 0x8000_0000n;
const STAGE2 = RAM + 0x2_0000;
const TABLES = RAM + 0x3_0000;
const DATA = RAM + 0x4_0000;

/** Two VCPUs of one virtual machine on one core. Each has a page at PAGE of its own, with the VCPU's number in it. */
function twoVcpus(nonGlobal: boolean): { core: Core; read: (vcpu: number) => number } {
  const pages = (HOST + SIZE) / 0x1_0000;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const ram = { memory, base: RAM, size: SIZE, host: HOST };
  const counter = { frequency: 1000, now: () => 0 };
  const core = new Core({ bus: { ram, device: () => undefined }, index: 0, counter, area: AREA, hostedEl2: true });
  const u64 = new BigUint64Array(memory.buffer);
  const put = (address: number, value: bigint): void => void (u64[(HOST + address - RAM) / 8] = value);
  core.i32.set(assembleProgram('ldr x0, [x1]\n hvc #0', RAM), HOST >> 2);
  // Stage 2 from level 1: RAM where it is. Stage 1 likewise, with one page more.
  put(STAGE2 + 8, BigInt(RAM) | 0x7fdn);
  const frames = [0, 1].map((n) => {
    const frame = HOST + 0x8_0000 + n * FRAME_SIZE;
    const tables = TABLES + n * 0x4000;
    put(tables + 8, BigInt(RAM) | 0x705n);
    put(tables + 16, BigInt(tables + 0x1000) | 3n);
    put(tables + 0x1000, BigInt(tables + 0x2000) | 3n);
    put(tables + 0x2000, BigInt(DATA + n * 0x1000) | (nonGlobal ? 0xf07n : 0x707n));
    put(DATA + n * 0x1000, BigInt(n));
    core.resetFrame(frame, 1);
    const set = (register: number, value: bigint): void => void (core.i64[(frame + register) / 8] = value);
    set(SR.HCR_EL2, 0x8000_0001n);
    set(SR.VTCR_EL2, 0x8002_3559n);
    set(SR.VTTBR_EL2, BigInt(STAGE2) | (7n << 48n));
    set(SR.MAIR_EL1, 0xffffn);
    set(SR.TTBR0_EL1, BigInt(tables) | (5n << 48n));
    set(SR.TCR_EL1, 0x1_8080_3519n);
    set(SR.SCTLR_EL1, 0x30d0_0801n);
    return frame;
  });
  const read = (vcpu: number): number => {
    const frame = frames[vcpu]!;
    core.switchFrame(frame);
    core.i32[(frame + F.PSTATE) >> 2] = 0x3c5;
    core.pc = BigInt(RAM);
    core.i64[(frame + F.X) / 8 + 1] = BigInt.asIntN(64, PAGE);
    core.contextChanged();
    expect(core.run(1000)).toBe('el2');
    return Number(core.i64[(frame + F.X) / 8]);
  };
  return { core, read };
}

// Each is a PE to its software, which does not invalidate one's TLB for what another's registers say.
test.each([true, false])('VCPUs of one VMID and ASID have TLBs of their own (non-global pages: %s)', (nonGlobal) => {
  const { read } = twoVcpus(nonGlobal);
  expect([0, 1, 0, 1].map(read)).toEqual([0, 1, 0, 1]);
});

test('an invalidation by their VMID reaches the TLBs of all', () => {
  const { core, read } = twoVcpus(false);
  expect([0, 1].map(read)).toEqual([0, 1]);
  for (const n of [0, 1]) {
    const at = (HOST + TABLES + n * 0x4000 + 0x2000 - RAM) / 8;
    core.i64[at] = BigInt(DATA + (1 - n) * 0x1000) | 0x707n;
  }
  core.invalidateTlb({ regime: 1, vmid: 7, broadcast: true });
  expect([0, 1].map(read)).toEqual([1, 0]);
});
