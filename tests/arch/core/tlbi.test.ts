import { describe, expect, test, vi } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F, PSTATE } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';

const RAM = 0x4000_0000;
const AREA = 0x1_0000;
const HOST = AREA + CORE_BYTES;
const SIZE = 4 << 20;

/** Descriptor bits: a global page or block, what belongs to one ASID, and what EL0 may access. */
const [PAGE, BLOCK, NG, USER] = [0x707n, 0x705n, 0x800n, 0x40n];
/** 39 bits and 4 KiB pages in both halves; and TTBR1_ELx names the ASID. */
const TCR = 0x1_b519_3519n;
const A1 = 1n << 22n;
const UPPER = -(1n << 39n);
/** Where the tables map pages of the tests' choice. */
const PAGES = 0x8000_0000n;
const DATA = RAM + 0x10_0000;

/**
 * A core with stage 1 on. Both halves of the address space have the same tables: RAM where it is, as a global block, and
 * pages from 2 GiB to 6 GiB.
 */
class Machine {
  readonly core: Core;
  private readonly u64: BigUint64Array;
  private nextTable = RAM + 0x8_0000;
  private nextCode = RAM;
  private readonly level1 = this.table();
  private readonly level2 = new Map<bigint, number>();
  private readonly level3 = new Map<bigint, number>();
  private readonly el: 1 | 2;

  constructor(el: 1 | 2 = 1) {
    const pages = (HOST + SIZE) / 0x1_0000;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const ram = { memory, base: RAM, size: SIZE, host: HOST };
    const counter = { frequency: 1000, now: () => 0 };
    this.core = new Core({
      bus: { ram, device: () => undefined },
      index: 0,
      counter,
      area: AREA,
      hostedEl2: false,
    });
    this.u64 = new BigUint64Array(memory.buffer);
    this.el = el;
    const { core } = this;
    core.resetFrame(core.ownFrame, el);
    const own = (name: 'MAIR' | 'TCR' | 'SCTLR', value: bigint): void => this.set(SR[`${name}_EL${el}`], value);
    own('MAIR', 0xffffn);
    own('TCR', TCR);
    own('SCTLR', 0x30d0_0801n);
    // EL2&0: E2H and TGE.
    if (el === 2) this.set(SR.HCR_EL2, (1n << 34n) | (1n << 27n));
    this.asid(1n, 1n);
    this.put(this.level1, 1n, BigInt(RAM) | BLOCK);
    core.onException = () => core.stop();
  }

  /** Sets what can be seen of a register, as MSR does. */
  set(at: number, value: bigint): void {
    this.core.i64[(this.core.ownFrame + at) / 8] = BigInt.asIntN(64, value);
    this.core.contextChanged();
  }

  /** The ASIDs in TTBR0_ELx and TTBR1_ELx. */
  asid(lower: bigint, upper: bigint): void {
    this.set(SR[`TTBR0_EL${this.el}`], BigInt(this.level1) | (lower << 48n));
    this.set(SR[`TTBR1_EL${this.el}`], BigInt(this.level1) | (upper << 48n));
  }

  /** Writes the descriptor of a page, without any invalidation. */
  map(va: bigint, pa: number, attributes = PAGE): void {
    this.write(Number(this.descriptorOf(va)), BigInt(pa) | attributes);
  }

  /** The physical address of a page's descriptor. */
  descriptorOf(va: bigint): bigint {
    return BigInt(this.tableOf(this.level3, this.level2Of(va), va, 21n)) + ((va >> 12n) & 511n) * 8n;
  }

  /** The same for a block of 2 MiB. */
  mapBlock(va: bigint, pa: number, attributes = BLOCK): void {
    this.put(this.level2Of(va), (va >> 21n) & 511n, BigInt(pa) | attributes);
  }

  write(pa: number, value: bigint): void {
    this.u64[(pa - RAM + HOST) / 8] = value;
  }

  /** Puts a program at a physical address that nothing has run at. */
  code(pa: number, source: string): void {
    this.core.i32.set(assembleProgram(source, pa), (pa - RAM + HOST) >> 2);
  }

  /** Runs instructions with X0, X1 … given. @returns the first `results` of these registers behind them */
  run(source: string, x: readonly bigint[] = [], results = 1): bigint[] {
    const { core } = this;
    const at = this.nextCode;
    this.nextCode += 0x400;
    this.code(at, `${source}\nhlt #0`);
    core.i32[(core.ownFrame + F.PSTATE) >> 2] =
      PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F | PSTATE.SP | (this.el << PSTATE.EL_SHIFT);
    x.forEach((value, n) => this.set(F.X + 8 * n, value));
    core.pc = BigInt(at);
    core.contextChanged();
    core.run(100_000);
    // It got to its HLT.
    expect(core.i32[(core.ownFrame + SR[`ESR_EL${this.el}`]) >> 2]! >>> 26).toBe(0);
    return Array.from({ length: results }, (_, n) => BigInt.asUintN(64, core.i64[(core.ownFrame + F.X) / 8 + n]!));
  }

  /** The doublewords at some addresses. */
  read(...addresses: bigint[]): bigint[] {
    return addresses.map((va) => this.run('ldr x0, [x0]', [va])[0]!);
  }

  /** Which of some addresses the TLB does not have: reading them comes to the core. */
  missing(...addresses: bigint[]): boolean[] {
    return addresses.map((va) => {
      const before = this.core.stats.tlbMisses;
      this.read(va);
      return this.core.stats.tlbMisses !== before;
    });
  }

  private level2Of(va: bigint): number {
    return this.tableOf(this.level2, this.level1, va, 30n);
  }

  private tableOf(known: Map<bigint, number>, parent: number, va: bigint, shift: bigint): number {
    const key = BigInt.asUintN(39, va) >> shift;
    let found = known.get(key);
    if (found === undefined) {
      known.set(key, (found = this.table()));
      this.put(parent, key & 511n, BigInt(found) | 3n);
    }
    return found;
  }

  private table(): number {
    return (this.nextTable += 0x1000);
  }

  private put(table: number, index: bigint, descriptor: bigint): void {
    this.u64[(table - RAM + HOST) / 8 + Number(index)] = descriptor;
  }
}

/** A machine whose page at 2 GiB has been read, has another frame now, and would be read anew after an invalidation. */
function moved(attributes: bigint, el: 1 | 2 = 1, prepare?: (machine: Machine) => void, base = PAGES): Machine {
  const machine = new Machine(el);
  prepare?.(machine);
  machine.write(DATA, 1n);
  machine.write(DATA + 0x1000, 2n);
  machine.map(base, DATA, attributes);
  expect(machine.read(base)).toEqual([1n]);
  machine.map(base, DATA + 0x1000, attributes);
  expect(machine.read(base)).toEqual([1n]);
  return machine;
}

const argument = (asid: bigint, va = 0n): bigint => (asid << 48n) | BigInt.asUintN(44, va >> 12n);
/** Of a range operation with 4 KiB pages: (num + 1) × 2^(5 × scale + 1) of them. */
const range = (va: bigint, num: bigint, scale: bigint): bigint =>
  (1n << 46n) | (scale << 44n) | (num << 39n) | BigInt.asUintN(37, va >> 12n);

describe('TLBI by ASID', () => {
  test('leaves what is global, also the way to code', () => {
    const machine = new Machine();
    const addresses = Array.from({ length: 8 }, (_, n) => PAGES + BigInt(n * 0x1000));
    addresses.forEach((va, n) => machine.map(va, DATA + n * 0x1000));
    machine.read(...addresses);
    const found = vi.spyOn(machine.core.code, 'find');
    machine.code(RAM + 0x2_0000, 'add x4, x4, #1\nret');
    const program = `
      mov x3, #100
    1:
      tlbi aside1, x0
      dsb sy
      isb
      blr x1
      subs x3, x3, #1
      b.ne 1b`;
    expect(machine.run(program, [argument(1n), BigInt(RAM + 0x2_0000), 0n, 0n, 0n], 5)[4]).toBe(100n);
    expect(found.mock.calls.length).toBeLessThan(10);
    expect(machine.missing(...addresses)).toEqual(addresses.map(() => false));
  });

  test('leaves those of another ASID', () => {
    const machine = moved(PAGE | NG);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(2n)]);
    expect(machine.missing(PAGES)).toEqual([false]);
  });

  test.each([
    ['EL1', 1, PAGES, undefined],
    ["EL1's upper half", 1, UPPER + PAGES, undefined],
    ['EL2 with EL0 (E2H)', 2, PAGES, undefined],
    ["EL1's lower half, by the ASID of TTBR1", 1, PAGES, A1],
    ["EL1's upper half, by the ASID of TTBR1", 1, UPPER + PAGES, A1],
    ['EL2 with EL0 (E2H), by the ASID of TTBR1', 2, PAGES, A1],
  ] as const)('drops what is not global: %s', (_name, el, base, a1) => {
    const prepare = (machine: Machine): void => {
      machine.set(SR[`TCR_EL${el}`], TCR | (a1 ?? 0n));
      machine.asid(5n, 6n);
    };
    const machine = moved(PAGE | NG, el, prepare, base);
    const [own, other] = a1 === undefined ? [5n, 6n] : [6n, 5n];
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(other)]);
    expect(machine.missing(base)).toEqual([false]);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(own)]);
    expect(machine.read(base)).toEqual([2n]);
  });

  test('drops what became non-global after the last one', () => {
    const machine = moved(PAGE);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(1n)]);
    expect(machine.read(PAGES)).toEqual([1n]);
    const other = PAGES + 0x1000n;
    machine.map(other, DATA, PAGE | NG);
    expect(machine.read(other)).toEqual([1n]);
    machine.map(other, DATA + 0x1000, PAGE | NG);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(1n)]);
    expect(machine.read(other)).toEqual([2n]);
  });

  test('entries that were made for one ASID are not those of the next', () => {
    const machine = moved(PAGE | NG);
    machine.asid(2n, 2n);
    expect(machine.read(PAGES)).toEqual([2n]);
    machine.map(PAGES, DATA, PAGE | NG);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(2n)]);
    expect(machine.read(PAGES)).toEqual([1n]);
    machine.asid(1n, 1n);
    expect(machine.read(PAGES)).toEqual([1n]);
  });

  test('drops the way to code that is not global, also in the caller that it interrupts', () => {
    const machine = new Machine();
    machine.code(DATA, 'add x1, x1, #1\nret');
    machine.code(DATA + 0x1000, 'add x1, x1, #100\nret');
    machine.map(PAGES, DATA, PAGE | NG);
    // Calls it twice, and writes its page's descriptor in between.
    const entry = machine.descriptorOf(PAGES);
    const program = `
      mov x5, x30
      blr x4
      str x3, [x2]
      dsb sy
      tlbi aside1, x0
      dsb sy
      isb
      blr x4
      mov x30, x5`;
    const descriptor = BigInt(DATA + 0x1000) | PAGE | NG;
    expect(machine.run(program, [argument(1n), 0n, entry, descriptor, PAGES], 2)[1]).toBe(101n);
  });

  test("drops EL0's and leaves those of another ASID (LDTR)", () => {
    const machine = new Machine();
    machine.write(DATA, 1n);
    machine.write(DATA + 0x1000, 2n);
    const load = (): bigint => machine.run('ldtr x0, [x0]', [PAGES])[0]!;
    machine.map(PAGES, DATA, PAGE | NG | USER);
    expect(load()).toBe(1n);
    machine.map(PAGES, DATA + 0x1000, PAGE | NG | USER);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(2n)]);
    expect(load()).toBe(1n);
    machine.run('tlbi aside1, x0\ndsb sy\nisb', [argument(1n)]);
    expect(load()).toBe(2n);
  });

  test("reaches another VMID's entries only by its own VMID", () => {
    const machine = new Machine();
    machine.core.i64[(machine.core.ownFrame + SR.VTTBR_EL2) / 8] = BigInt(RAM + 0x30_0000) | (7n << 48n);
    // Stage 2: the first GiB above RAM's address as it is.
    machine.write(RAM + 0x30_0008, BigInt(RAM) | 0x7fdn);
    machine.set(SR.VTCR_EL2, 0x8002_3559n);
    machine.set(SR.HCR_EL2, 0x8000_0001n);
    machine.map(PAGES, DATA, PAGE | NG);
    machine.read(PAGES);
    machine.core.invalidateTlb({ regime: 1, asid: 1, vmid: 8, broadcast: false });
    expect(machine.missing(PAGES)).toEqual([false]);
    machine.core.invalidateTlb({ regime: 2, asid: 1, broadcast: false });
    expect(machine.missing(PAGES)).toEqual([false]);
    machine.core.invalidateTlb({ regime: 1, asid: 1, vmid: 7, broadcast: false });
    expect(machine.missing(PAGES)).toEqual([true]);
  });
});

describe('TLBI by address', () => {
  test.each(['vae1', 'vale1'])('of another ASID drops what is global: %s', (operation) => {
    const machine = moved(PAGE);
    machine.run(`tlbi ${operation}, x0\ndsb sy\nisb`, [argument(2n, PAGES)]);
    expect(machine.read(PAGES)).toEqual([2n]);
  });

  test('of another ASID drops what is global and was read as EL0', () => {
    const machine = new Machine();
    machine.write(DATA, 1n);
    machine.write(DATA + 0x1000, 2n);
    const load = (): bigint => machine.run('ldtr x0, [x0]', [PAGES])[0]!;
    machine.map(PAGES, DATA, PAGE | USER);
    expect(load()).toBe(1n);
    machine.asid(2n, 2n);
    expect(load()).toBe(1n);
    machine.map(PAGES, DATA + 0x1000, PAGE | USER);
    machine.run('tlbi vae1, x0\ndsb sy\nisb', [argument(2n, PAGES)]);
    expect(load()).toBe(2n);
    machine.asid(1n, 1n);
    expect(load()).toBe(2n);
  });

  // QEMU 10 leaves some of these, and so the fuzzer does without them (buildscripts/fuzz/mmu-program.ts).
  test('drops all of a block, whatever the tags are that it was accessed by (DDI 0487, TLBI VAE1)', () => {
    const machine = new Machine();
    // TBI0.
    machine.set(SR.TCR_EL1, TCR | (1n << 37n));
    const [first, second] = [RAM, RAM + (2 << 20)];
    const offset = 0x13_0000;
    for (const [n, base] of [first, second].entries()) machine.write(base + offset, BigInt(n + 1));
    const tagged = [0n, 0x12n, 0xf0n].map((tag) => (tag << 56n) | (PAGES + BigInt(offset)));
    machine.mapBlock(PAGES, first);
    expect(machine.read(...tagged)).toEqual([1n, 1n, 1n]);
    machine.mapBlock(PAGES, second);
    machine.run('tlbi vae1, x0\ndsb sy\nisb', [argument(1n, PAGES + 0x1000n)]);
    expect(machine.read(...tagged)).toEqual([2n, 2n, 2n]);
  });
});

describe('TLBI by a range', () => {
  /** Reads pages, gives each of them the next frame, invalidates; which of them are read from their new frames. */
  function dropped(addresses: readonly bigint[], operand: bigint, blocks: readonly bigint[] = []): boolean[] {
    const machine = new Machine();
    machine.write(DATA, 1n);
    machine.write(DATA + 0x1000, 2n);
    const map = (n: number): void => {
      for (const va of addresses)
        if (!blocks.some((block) => va >> 21n === block >> 21n)) machine.map(va, DATA + n * 0x1000);
      for (const block of blocks) machine.mapBlock(block, RAM + n * 0x20_0000);
    };
    for (const va of addresses) {
      const offset = Number(va & 0x1f_ffffn);
      if (!blocks.some((block) => va >> 21n === block >> 21n)) continue;
      machine.write(RAM + offset, 1n);
      machine.write(RAM + 0x20_0000 + offset, 2n);
    }
    map(0);
    expect(machine.read(...addresses)).toEqual(addresses.map(() => 1n));
    map(1);
    machine.run('tlbi rvaae1, x0\ndsb sy\nisb', [operand]);
    return machine.read(...addresses).map((value) => value === 2n);
  }

  test.each([
    ['64 pages', 0n, 1n, 64n],
    ['512 pages', 7n, 1n, 512n],
    ['2048 pages', 0n, 2n, 2048n],
    ['63,488 pages', 30n, 2n, 63_488n],
  ])('%s: drops the first and the last of them, and not the ones beside', (_name, num, scale, pages) => {
    const first = PAGES + 0x100_0000n;
    const end = first + pages * 0x1000n;
    expect(dropped([first - 0x1000n, first, end - 0x1000n, end], range(first, num, scale))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test('drops all of a block of which it has a part', () => {
    const block = PAGES + 0x20_0000n;
    const inside = block + 0x17_f000n;
    // 512 pages that end in the block, and 512 that end in front of it.
    expect(dropped([inside], range(block - 0x1f_0000n, 7n, 1n), [block])).toEqual([true]);
    expect(dropped([inside], range(block - 0x20_0000n, 7n, 1n), [block])).toEqual([false]);
  });

  test.each([
    ['64 pages', 0n, 1n, 0x1_0000_0000n - 0x2_0000n],
    ['512 pages', 7n, 1n, 0x1_0000_0000n - 0x10_0000n],
  ])('%s across a multiple of 4 GiB', (_name, num, scale, first) => {
    const end = 0x1_0000_0000n;
    const last = first + (num + 1n) * 64n * 0x1000n - 0x1000n;
    const addresses = [first - 0x1000n, first, end - 0x1000n, end, last, last + 0x1000n];
    expect(dropped(addresses, range(first, num, scale))).toEqual([false, true, true, true, true, false]);
    // And a block on the other side.
    const inside = end + 0x1f_e000n;
    expect(dropped([inside], range(first, num, scale), [end])).toEqual([true]);
  });

  test('4 GiB and more: drops everything', () => {
    const addresses = [PAGES, PAGES + 0x1234_5000n, 0x1_0000_0000n];
    expect(dropped(addresses, range(0n, 15n, 3n))).toEqual([true, true, true]);
    expect(dropped(addresses, range(0x7000_0000n, 31n, 3n))).toEqual([true, true, true]);
  });

  test('leaves code elsewhere as it is found', () => {
    const machine = new Machine();
    machine.map(PAGES, DATA);
    machine.read(PAGES);
    const found = vi.spyOn(machine.core.code, 'find');
    const program = `
      mov x3, #100
    1:
      tlbi rvaae1, x0
      dsb sy
      isb
      subs x3, x3, #1
      b.ne 1b`;
    machine.run(program, [range(PAGES, 7n, 1n)]);
    expect(found.mock.calls.length).toBeLessThan(10);
  });
});
