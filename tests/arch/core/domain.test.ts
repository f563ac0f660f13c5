import { beforeEach, describe, expect, it } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { Domain } from '../../../arch/core/domain.ts';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';

const RAM = 0x4000_0000;
const SIZE = 1 << 20;
const AREA = 0x1_0000;
const HOST = AREA + 2 * CORE_BYTES;
const PAGES = (HOST + SIZE) / 0x1_0000;
const TABLES = RAM + 0x8_0000;
const SHARED = RAM + 0x4000;

/** Two cores at EL1 of one domain; stage 1 maps RAM at its address, and the pages of SHARED by a table. */
let cores: Core[];
let words: Int32Array;

beforeEach(() => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const ram = { memory, base: RAM, size: SIZE, host: HOST };
  const counter = { frequency: 1000, now: () => 0 };
  const domain = new Domain(memory);
  cores = [0, 1].map((index) => {
    const bus = { ram, device: () => undefined };
    return new Core({ bus, index, counter, area: AREA + index * CORE_BYTES, hostedEl2: true, domain });
  });
  words = new Int32Array(memory.buffer);
});

const at = (address: number): number => (HOST + address - RAM) >>> 2;

function write(address: number, source: string): void {
  words.set(assembleProgram(source, address), at(address));
}

/** Runs a core from an address to its next HVC. @returns X0 there */
function run(core: Core, address: number): number {
  core.pc = BigInt(address);
  core.i32[(core.frame + F.PSTATE) >>> 2] = 0x3c5;
  core.contextChanged();
  expect(core.run(100_000)).toBe('el2');
  return Number(core.i64[(core.frame + F.X) >>> 3]);
}

const setX = (core: Core, n: number, value: bigint): void => void (core.i64[(core.frame + F.X + 8 * n) >>> 3] = value);

function stage1(): void {
  const put = (table: number, index: number, descriptor: number): void => {
    words[at(TABLES + 0x1000 * table) + 2 * index] = descriptor;
  };
  put(0, 1, (TABLES + 0x1000) | 3);
  put(1, 0, (TABLES + 0x2000) | 3);
  for (let page = 0; page < SIZE / 0x1000; page++) put(2, page, (RAM + 0x1000 * page) | 0xf03);
  for (const core of cores) {
    const set = (register: number, value: bigint): void => void (core.i64[(core.frame + register) >>> 3] = value);
    set(SR.MAIR_EL1, 0xffffn);
    set(SR.TTBR0_EL1, BigInt(TABLES));
    set(SR.TCR_EL1, 0x1_8080_3519n);
    set(SR.SCTLR_EL1, 0x30d0_0801n);
    core.contextChanged();
  }
}

describe('the cores of a domain', () => {
  it('share what one of them has translated', () => {
    write(RAM, 'mov x0, #7\n hvc #0');
    expect(cores.map((core) => run(core, RAM))).toEqual([7, 7]);
    expect(cores[0]!.code.stats.regions).toBe(1);
  });

  it('have registers of their own', () => {
    write(RAM, 'mrs x0, mpidr_el1\n and x0, x0, #0xff\n msr tpidr_el0, x0\n hvc #0');
    write(RAM + 0x100, 'mrs x0, tpidr_el0\n hvc #0');
    for (const core of cores) core.i64[(core.frame + SR.VMPIDR_EL2) >>> 3] = BigInt(core.index);
    expect(cores.map((core) => run(core, RAM))).toEqual([0, 1]);
    expect(cores.map((core) => run(core, RAM + 0x100))).toEqual([0, 1]);
  });

  it.each(['ic ivau, x1', 'ic ialluis'])('run what another one has written, once it has done %s', (maintenance) => {
    write(SHARED, 'mov x0, #1\n hvc #0');
    expect(cores.map((core) => run(core, SHARED))).toEqual([1, 1]);
    const [changed] = assembleProgram('mov x0, #2', SHARED);
    write(RAM, `str w2, [x1]\n dc cvau, x1\n dsb ish\n ${maintenance}\n dsb ish\n isb\n hvc #0`);
    setX(cores[0]!, 1, BigInt(SHARED));
    setX(cores[0]!, 2, BigInt(changed!));
    run(cores[0]!, RAM);
    expect(run(cores[1]!, SHARED)).toBe(2);
    expect(run(cores[0]!, SHARED)).toBe(2);
  });

  it('run a loop’s new code although they were inside the old one', () => {
    write(SHARED, 'loop: add x0, x0, #1\n b loop');
    const [, other] = cores;
    setX(other!, 0, 0n);
    other!.pc = BigInt(SHARED);
    other!.i32[(other!.frame + F.PSTATE) >>> 2] = 0x3c5;
    expect(other!.run(1000)).toBe('yield');
    const [changed] = assembleProgram('hvc #0', SHARED);
    write(RAM, 'str w2, [x1]\n dc cvau, x1\n dsb ish\n ic ivau, x1\n dsb ish\n hvc #0');
    setX(cores[0]!, 1, BigInt(SHARED));
    setX(cores[0]!, 2, BigInt(changed!));
    run(cores[0]!, RAM);
    expect(other!.run(1000)).toBe('el2');
  });

  it.each(['tlbi vaae1is, x3', 'tlbi vale1is, x3', 'tlbi aside1is, x4', 'tlbi vmalle1is'])(
    'see a page where another one has moved it, once it has done %s',
    (invalidation) => {
      stage1();
      const page = RAM + 0x1_0000;
      words[at(page)] = 1;
      words[at(page + 0x1000)] = 2;
      write(RAM + 0x100, 'ldr w0, [x1]\n hvc #0');
      for (const core of cores) setX(core, 1, BigInt(page));
      expect(cores.map((core) => run(core, RAM + 0x100))).toEqual([1, 1]);
      write(RAM, `str x2, [x5]\n dsb ishst\n ${invalidation}\n dsb ish\n isb\n hvc #0`);
      setX(cores[0]!, 2, BigInt(page + 0x1000) | 0xf03n);
      setX(cores[0]!, 3, BigInt(page >> 12));
      setX(cores[0]!, 4, 0n);
      setX(cores[0]!, 5, BigInt(TABLES + 0x2000 + 8 * 0x10));
      run(cores[0]!, RAM);
      expect(run(cores[1]!, RAM + 0x100)).toBe(2);
    },
  );

  it('go on after WFE when another one has done SEV, and are trapped without an event', () => {
    const [first, second] = cores as [Core, Core];
    write(RAM, 'sev\n hvc #0');
    write(RAM + 0x100, 'mov x0, #0\n wfe\n mov x0, #1\n hvc #0');
    // HCR_EL2.TWE.
    second.i64[(second.frame + SR.HCR_EL2) >>> 3]! |= 1n << 14n;
    expect(run(second, RAM + 0x100)).toBe(0);
    run(first, RAM);
    expect(run(second, RAM + 0x100)).toBe(1);
    expect(run(second, RAM + 0x100)).toBe(0);
  });

  it.each([
    ['WFE', 'wfe', 14n, 0],
    ['WFI', 'wfi', 13n, 1],
  ])('%s: what a masked interrupt that is pending does to its trap', (_name, instruction, bit, expected) => {
    const [core] = cores as [Core];
    write(RAM, `mov x0, #0\n ${instruction}\n mov x0, #1\n hvc #0`);
    // HCR_EL2: the trap; IMO and VI.
    core.i64[(core.frame + SR.HCR_EL2) >>> 3]! |= (1n << bit) | (1n << 4n) | (1n << 7n);
    expect(run(core, RAM)).toBe(expected);
  });

  it('lose an exclusive reservation to what another one writes', () => {
    write(RAM, 'ldxr x0, [x1]\n hvc #0');
    write(RAM + 0x100, 'add x2, x2, #1\n stxr w0, x2, [x1]\n hvc #0');
    write(RAM + 0x200, 'mov x3, #5\n ldadd x3, x0, [x1]\n hvc #0');
    for (const core of cores) setX(core, 1, BigInt(SHARED));
    run(cores[0]!, RAM);
    run(cores[1]!, RAM + 0x200);
    expect(run(cores[0]!, RAM + 0x100)).toBe(1);
    expect(words[at(SHARED)]).toBe(5);
  });
});
