import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { SR } from '../../../arch/core/sysreg.ts';

export const RAM = 0x4000_0000;
const AREA = 0x1_0000;
export const HOST = AREA + CORE_BYTES;
export const SIZE = 16 << 20;
/** Where the pages are seen, and how many. */
export const PAGES_AT = 0x8000_0000;
export const COUNT = 256;
export const TABLES = RAM + 0x10_0000;
const DATA = RAM + 0x40_0000;
export const PAGE = 0x707n;

/** A core at EL1 with stage 1 on, and pages that do not lie in memory in their order. */
export class Machine {
  readonly core: Core;
  readonly #u64: BigUint64Array;

  /** Maps RAM at its address, and `COUNT` pages. */
  constructor() {
    const pages = (HOST + SIZE) / 0x1_0000;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const ram = { memory, base: RAM, size: SIZE, host: HOST };
    const counter = { frequency: 1000, now: () => 0 };
    this.core = new Core({ bus: { ram, device: () => undefined }, index: 0, counter, area: AREA, hostedEl2: false });
    this.#u64 = new BigUint64Array(memory.buffer);
    this.core.resetFrame(this.core.ownFrame, 1);
    this.put(0, 1, BigInt(RAM) | 0x705n);
    this.put(0, 2, BigInt(TABLES + 0x1000) | 3n);
    this.put(1, 0, BigInt(TABLES + 0x2000) | 3n);
    for (let n = 0; n < COUNT; n++) this.map(n, this.pageOf(n));
    this.set(SR.MAIR_EL1, 0xffffn);
    this.set(SR.TTBR0_EL1, BigInt(TABLES));
    this.set(SR.TCR_EL1, 0x1_8080_3519n);
    this.set(SR.SCTLR_EL1, 0x30d0_0801n);
  }

  /** The pages do not lie in order. */
  pageOf(n: number): number {
    return DATA + ((n * 37) % COUNT) * 0x1000;
  }

  put(table: number, index: number, descriptor: bigint): void {
    this.write(TABLES + 0x1000 * table + 8 * index, descriptor);
  }

  map(n: number, page: number, attributes = PAGE): void {
    this.put(2, n, BigInt(page) | attributes);
  }

  write(address: number, value: bigint): void {
    this.#u64[(HOST + address - RAM) / 8] = value;
  }

  read(address: number): bigint {
    return this.#u64[(HOST + address - RAM) / 8]!;
  }

  set(at: number, value: bigint): void {
    this.core.i64[(this.core.ownFrame + at) >> 3] = value;
  }

  get(at: number): bigint {
    return BigInt.asUintN(64, this.core.i64[(this.core.ownFrame + at) >> 3]!);
  }

  /** Runs to the first exception. */
  run(source: string): void {
    const { core } = this;
    core.i32.set(assembleProgram(source, RAM), HOST >> 2);
    core.pc = BigInt(RAM);
    core.contextChanged();
    core.onException = () => core.stop();
    core.run(100_000);
  }
}
