/** Random translations: registers and tables that reach far more often than chance would, made from one seed. */
import { ACCESS } from '../../../arch/core/mmu.ts';
import { type El, RAM_BASE, type TestMachine } from './mmu-fixture.ts';

/** mulberry32: small, and the same everywhere. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return this.u32() % n;
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
  /** True once in n. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** What a case may use; the defaults are all of it. */
export interface Options {
  /** Bits of HCR_EL2 that may be set. */
  hcr?: bigint;
  bigEndian?: boolean;
  /** Bytes of RAM that hold tables. */
  area?: number;
  /** TCR_ELx.HD and VTCR_EL2.HD. */
  dirtyState?: boolean;
  /** TCR_ELx.E0PD0 and E0PD1. */
  e0pd?: boolean;
}

const HCR_ALL = 1n | (1n << 2n) | (1n << 12n) | (1n << 27n) | (7n << 32n);

/** An address that mostly is in RAM. */
function address(random: Random, size: number): bigint {
  if (random.once(40)) return random.u64() & 0xffff_ffff_ffffn;
  if (random.once(40)) return BigInt(RAM_BASE) + (1n << BigInt(31 + random.below(17)));
  return BigInt(RAM_BASE + random.below(size));
}

function descriptor(random: Random, size: number): bigint {
  if (random.once(30)) return random.u64();
  let d = address(random, size) & ~0xfffn;
  const kind = random.below(16);
  d |= kind < 11 ? 3n : kind < 14 ? 1n : random.u64() & 3n;
  d |= random.u64() & 0xffcn;
  if (!random.once(6)) d |= 1n << 10n;
  if (!random.once(4)) d |= 1n << 6n;
  if (random.once(3)) d |= 1n << 51n;
  // Execute-never and hierarchical bits.
  if (random.once(2)) d |= random.u64() & (0xfn << 51n);
  if (random.once(3)) d |= random.u64() & (0x1fn << 59n);
  return d;
}

function tcr(random: Random): bigint {
  const size = () => BigInt(random.once(10) ? random.below(64) : 16 + random.below(24));
  let value = size() | (size() << 16n);
  value |= (random.u64() & 3n) << 14n;
  value |= (random.u64() & 3n) << 30n;
  value |= BigInt(random.once(4) ? random.below(8) : 5) << 32n;
  value |= random.u64() & (0x7n << 36n);
  value |= random.u64() & (0xfn << 39n);
  for (const at of [7, 23, 55, 56]) if (random.once(20)) value |= 1n << BigInt(at);
  return value;
}

/** Sets registers and fills RAM; the tables are arrays of descriptors that point at one another. */
export function randomMachine(machine: TestMachine, seed: number, options: Options = {}): Random {
  const random = new Random(seed);
  const size = options.area ?? machine.size;
  const chance = (mask: bigint, n: number) => (random.once(n) ? mask : 0n);
  const sctlr = () =>
    (random.once(12) ? 0n : 1n) |
    (random.u64() & (1n << 12n)) |
    chance(1n << 19n, 3) |
    (options.bigEndian === false ? 0n : chance(1n << 25n, 16));
  const hcr = random.u64() & (1n | (1n << 34n));
  const rare = chance(1n << 2n, 4) | chance(1n << 12n, 10) | chance(1n << 27n, 5) | chance(3n << 32n, 6);
  machine.set('HCR_EL2', (hcr | rare) & (options.hcr ?? HCR_ALL));
  machine.set('SCTLR_EL1', sctlr());
  machine.set('SCTLR_EL2', sctlr());
  machine.set('TCR_EL1', tcr(random));
  // The layout with E2H = 0 keeps its fields where the other one has IRGN1 and the like.
  machine.set(
    'TCR_EL2',
    random.once(2) ? tcr(random) : (random.u64() & 0x1ff_ffc0n & ~(1n << 18n)) | BigInt(16 + random.below(24)),
  );
  for (const name of ['TTBR0_EL1', 'TTBR1_EL1', 'TTBR0_EL2', 'TTBR1_EL2', 'VTTBR_EL2'] as const) {
    machine.set(name, address(random, size) | (random.u64() & (0xffffn << 48n)));
  }
  const mair = [0x00n, 0x04n, 0x08n, 0x0cn, 0x44n, 0xffn, 0xbbn, 0xaan, 0x77n, 0xf4n, 0x4fn];
  for (const name of ['MAIR_EL1', 'MAIR_EL2'] as const) {
    let value = 0n;
    for (let i = 0; i < 8; i++) value = (value << 8n) | random.pick(mair);
    machine.set(name, value);
  }
  // Mostly a first level that fits the size of the input.
  const granule = random.below(3);
  const bits = 25 + random.below(24);
  const grain = [12, 16, 14][granule]!;
  const start = Math.max(0, 3 - Math.floor(Math.max(0, bits - grain - 1 - random.below(5)) / (grain - 3)));
  const sl0 = random.once(8) ? random.below(4) : ((granule === 0 ? 2 : 3) - start) & 3;
  machine.set(
    'VTCR_EL2',
    BigInt(random.once(20) ? random.below(64) : 64 - bits) |
      (BigInt(sl0) << 6n) |
      (BigInt(granule) << 14n) |
      (BigInt(random.once(6) ? random.below(8) : 5) << 16n) |
      (random.u64() & (7n << 19n) & ~(1n << 20n)) |
      (random.u64() & (1n << 22n)),
  );
  const clear = (name: 'TCR_EL1' | 'TCR_EL2' | 'VTCR_EL2', bits: bigint) => {
    machine.set(name, machine.get(name) & ~bits);
  };
  if (options.dirtyState === false) {
    clear('TCR_EL1', 1n << 40n);
    clear('TCR_EL2', (1n << 40n) | (1n << 22n));
    clear('VTCR_EL2', 1n << 22n);
  }
  if (options.e0pd === false) {
    clear('TCR_EL1', 3n << 55n);
    clear('TCR_EL2', 3n << 55n);
  }
  machine.setPstate(random.u32() & ((1 << 22) | (1 << 23)));
  for (let at = 0; at < size; at += 8) machine.write(RAM_BASE + at, descriptor(random, size));
  return random;
}

/** An address that mostly is in one of the halves of the address space, as large as the registers make them. */
export function randomAddress(random: Random, machine: TestMachine, el: El): bigint {
  const hcr = machine.get('HCR_EL2');
  const host = (hcr >> 34n) & 1n;
  const tcr = machine.get(el === 2 || (host && (hcr >> 27n) & 1n) ? 'TCR_EL2' : 'TCR_EL1');
  const upper = random.once(2) && (el !== 2 || host !== 0n);
  let bits = 64n - ((tcr >> (upper ? 16n : 0n)) & 63n);
  if (random.once(8)) bits = BigInt(20 + random.below(32));
  let va = random.u64() & ((1n << bits) - 1n);
  if (upper) va = BigInt.asUintN(64, ~va);
  if (random.once(3)) va = (va & ~0xffff_ffffn) | BigInt(RAM_BASE + random.below(0x2_0000));
  if (random.once(6)) va ^= random.u64() & (0xffn << 56n);
  if (random.once(40)) va = random.u64();
  return va;
}

export function randomAccess(random: Random): { access: number; el: El } {
  let access: number = random.pick([ACCESS.READ, ACCESS.WRITE, ACCESS.FETCH]);
  if (access !== ACCESS.FETCH) {
    const kind = random.below(8);
    if (kind === 0) access = ACCESS.WRITE | ACCESS.ATOMIC;
    if (kind === 1) access |= ACCESS.UNPRIV;
    if (kind === 2) access |= ACCESS.MAINTENANCE;
    if (kind === 3) access |= ACCESS.AT;
    if (kind === 4) access |= ACCESS.AT | ACCESS.STAGE1;
    if (kind === 5) access |= ACCESS.AT | ACCESS.AT_PAN;
  }
  return { access, el: random.below(3) as El };
}
