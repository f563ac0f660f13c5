/** Cases for QEMU: registers, tables and AT instructions from a seed, and what is to be compared of them. */
import { crc32 } from 'node:zlib';
import { ACCESS } from '../../../../arch/core/mmu.ts';
import { type El, RAM_BASE, type Register, TestMachine } from '../mmu-fixture.ts';
import { Model } from '../mmu-model.ts';
import { randomAddress, randomMachine } from '../mmu-random.ts';

/** Of RAM: tables, and what is zero after them. The rest holds the program and its data. */
export const AREA = 0x2_0000;
const CLEARED = 0x10_0000;
export const RAM = 0x800_0000;

/** The registers of a case, in the order in which the program takes them. */
export const REGISTERS = [
  'SCTLR_EL1',
  'SCTLR_EL2',
  'TCR_EL1',
  'TCR_EL2',
  'TTBR0_EL1',
  'TTBR1_EL1',
  'TTBR0_EL2',
  'TTBR1_EL2',
  'MAIR_EL1',
  'MAIR_EL2',
  'HCR_EL2',
  'VTCR_EL2',
  'VTTBR_EL2',
] as const satisfies readonly Register[];

const { READ, WRITE, AT, AT_PAN, STAGE1 } = ACCESS;
/** AT S1E1R … AT S1E2W, in the order of the program's table. */
export const OPS: readonly { name: string; access: number; el: El }[] = [
  { name: 'S1E1R', access: READ | AT | STAGE1, el: 1 },
  { name: 'S1E1W', access: WRITE | AT | STAGE1, el: 1 },
  { name: 'S1E0R', access: READ | AT | STAGE1, el: 0 },
  { name: 'S1E0W', access: WRITE | AT | STAGE1, el: 0 },
  { name: 'S1E1RP', access: READ | AT | STAGE1 | AT_PAN, el: 1 },
  { name: 'S1E1WP', access: WRITE | AT | STAGE1 | AT_PAN, el: 1 },
  { name: 'S12E1R', access: READ | AT, el: 1 },
  { name: 'S12E1W', access: WRITE | AT, el: 1 },
  { name: 'S12E0R', access: READ | AT, el: 0 },
  { name: 'S12E0W', access: WRITE | AT, el: 0 },
  { name: 'S1E2R', access: READ | AT, el: 2 },
  { name: 'S1E2W', access: WRITE | AT, el: 2 },
];

/** HCR_EL2.{VM, PTW, DC, CD, E2H}. Not TGE: QEMU 7.2 leaves stage 1 of EL1&0 on with it when AT asks. */
const HCR_BITS = 1n | (1n << 2n) | (1n << 12n) | (5n << 32n);

export interface Query {
  op: number;
  va: bigint;
}

/** Reads of RAM that is not the case's own: its outcome is not compared. */
class Elsewhere extends Error {}

class Machine extends TestMachine {
  override inRam(pa: bigint): boolean {
    if (!super.inRam(pa)) return false;
    if (pa >= BigInt(RAM_BASE + CLEARED)) throw new Elsewhere();
    return true;
  }
}

/** A case in vectors.json: for each query PAR_EL1 and the CRC of the tables in hexadecimal, null if not comparable. */
export interface Recorded {
  seed: number;
  results: (string | null)[];
}

/** What the program notes for a query. */
export interface Noted {
  par: bigint;
  crc: number;
}

export class Cases {
  readonly machine = new Machine(RAM);
  readonly #strict = new Model(this.machine);
  readonly #loose = new Model(this.machine, 48, {
    blocksAtAnyLevel: true,
    reservedAttributes: true,
    deviceMixup: true,
  });
  #tables = new Uint8Array(AREA);

  get #area(): Uint8Array {
    const { host } = this.machine.bus.ram;
    return this.machine.u8.subarray(host, host + AREA);
  }

  /** Sets the machine up for a seed and gives its queries. */
  make(seed: number, count: number): Query[] {
    const random = randomMachine(this.machine, seed, {
      area: AREA,
      hcr: HCR_BITS,
      dirtyState: false,
      e0pd: false,
    });
    // QEMU 7.2 heeds PTW with stage 2 off as well.
    const hcr = this.machine.get('HCR_EL2');
    if ((hcr & ((1n << 12n) | 1n)) === 0n) this.machine.set('HCR_EL2', hcr & ~(1n << 2n));
    this.#tables = this.#area.slice();
    const queries: Query[] = [];
    for (let i = 0; i < count; i++) {
      const op = random.below(OPS.length);
      queries.push({ op, va: randomAddress(random, this.machine, OPS[op]!.el) });
    }
    return queries;
  }

  get tables(): Uint8Array {
    return this.#tables;
  }

  /** Whether what happens is the same on every implementation that matters here. */
  comparable(query: Query): boolean {
    const { access, el } = OPS[query.op]!;
    try {
      const outcomes = [this.#strict, this.#loose].map((model) => {
        this.#area.set(this.#tables);
        return JSON.stringify(model.translate(query.va, access, el), (_, v: unknown) =>
          typeof v === 'bigint' ? v.toString() : v,
        );
      });
      return outcomes[0] === outcomes[1];
    } catch (error) {
      if (error instanceof Elsewhere) return false;
      throw error;
    }
  }

  /** What the program would note, by the translation under test. */
  run(query: Query): Noted {
    const { machine } = this;
    const { access, el } = OPS[query.op]!;
    this.#area.set(this.#tables);
    machine.mmu.invalidate();
    const ok = machine.translate(query.va, access, el);
    return { par: par(machine, ok), crc: ~crc32(this.#area, 0xffff_ffff) >>> 0 };
  }
}

/**
 * PAR_EL1 after a translation. An external abort on a walk is an exception instead: its status with the top bit set,
 * as the program notes it.
 */
function par(machine: TestMachine, ok: boolean): bigint {
  const { mmu } = machine;
  if (ok) {
    const value = (BigInt(mmu.attributes) << 56n) | (BigInt(mmu.pa) & ~0xfffn) | (1n << 11n) | (1n << 9n);
    return comparablePar(value | (BigInt(mmu.shareability) << 7n));
  }
  const { fsc, stage2, s1ptw } = mmu.fault;
  if (fsc >> 2 === 5) return comparablePar((1n << 63n) | (s1ptw ? 1n << 7n : 0n) | BigInt(fsc));
  return comparablePar((1n << 11n) | (stage2 ? 1n << 9n : 0n) | (s1ptw ? 1n << 8n : 0n) | (BigInt(fsc) << 1n) | 1n);
}

/**
 * What of a noted PAR_EL1 or syndrome counts. QEMU 7.2 differs from the manual in two things:
 * - of a stage-2 fault on a stage-1 walk it reports stage 1's level, not stage 2's;
 * - PAR_EL1.SH of Device and of Non-cacheable memory must be 0b10, there it is what the descriptor says.
 */
export function comparablePar(value: bigint): bigint {
  if (value >> 63n && ((value >> 56n) & 0x7fn) === 0n && (value & 0x3cn) === 0x14n) {
    const s1ptw = value & (1n << 7n);
    return (1n << 63n) | s1ptw | (value & (s1ptw ? 0x3cn : 0x3fn));
  }
  if (value & 1n) return value & (1n << 8n) ? value & ~6n : value;
  const attributes = value >> 56n;
  return attributes < 16n || attributes === 0x44n ? value | (3n << 7n) : value;
}
