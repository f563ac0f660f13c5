import type { PhysicalBus } from '../../../arch/bus.ts';
import { F, PSTATE } from '../../../arch/core/frame.ts';
import { Mmu } from '../../../arch/core/mmu.ts';
import type { CoreState, TlbScope } from '../../../arch/core/state.ts';
import type { StoredSysreg } from '../../../arch/core/sysreg-table.ts';
import { lookupName, readSysreg, resetSysregs, SR, writeSysreg } from '../../../arch/core/sysreg.ts';
import type { Trap } from '../../../arch/core/exception.ts';

/** Where the fake core's 64 KiB of RAM are. */
export const RAM = 0x4000_0000;
const HOST = 0x10000;

/** A core that is one frame and a little RAM: it records what it is told. */
export class FakeCore implements CoreState {
  readonly bus: PhysicalBus;
  readonly mmu = new Mmu();
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly frame = 0;
  readonly index: number;
  readonly counterFrequency = 62_500_000;
  now = 0;
  random?: () => bigint;
  contextChanges = 0;
  interruptChanges = 0;
  timerChanges = 0;
  invalidations: TlbScope[] = [];
  instructionInvalidations: { pa: number | undefined; broadcast: boolean }[] = [];
  gic = new Map<number, bigint>();

  constructor(el = 1, index = 0) {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    const { buffer } = memory;
    this.bus = { ram: { memory, base: RAM, size: 0x10000, host: HOST }, device: () => undefined };
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.index = index;
    resetSysregs(this, 0);
    this.pstate = (el << PSTATE.EL_SHIFT) | (el ? PSTATE.SP : 0);
  }

  get pstate(): number {
    return this.i32[F.PSTATE >> 2]!;
  }
  set pstate(value: number) {
    this.i32[F.PSTATE >> 2] = value;
  }
  get el(): number {
    return (this.pstate >> PSTATE.EL_SHIFT) & 3;
  }
  set el(el: number) {
    this.pstate = (this.pstate & ~0xf) | (el << PSTATE.EL_SHIFT) | (el ? PSTATE.SP : 0);
  }
  get pc(): bigint {
    return BigInt.asUintN(64, this.i64[F.PC >> 3]!);
  }
  set pc(value: bigint) {
    this.i64[F.PC >> 3] = value;
  }
  get sp(): bigint {
    return BigInt.asUintN(64, this.i64[F.SP >> 3]!);
  }
  set sp(value: bigint) {
    this.i64[F.SP >> 3] = value;
  }

  get(name: StoredSysreg): bigint {
    return BigInt.asUintN(64, this.i64[SR[name] >> 3]!);
  }
  set(name: StoredSysreg, value: bigint): void {
    this.i64[SR[name] >> 3] = BigInt.asIntN(64, value);
  }
  /** Sets bits of a register by number. */
  setBits(name: StoredSysreg, ...numbers: number[]): void {
    this.set(
      name,
      numbers.reduce((value, n) => value | (1n << BigInt(n)), this.get(name)),
    );
  }

  /** Writes 64 bits of RAM. */
  poke(pa: number, value: bigint): void {
    this.i64[(pa - RAM + HOST) >> 3] = BigInt.asIntN(64, value);
  }

  mrs(name: string, rt = 0): bigint | Trap {
    return readSysreg(this, keyOf(name), rt);
  }
  msr(name: string, value: bigint, rt = 0): Trap | undefined {
    return writeSysreg(this, keyOf(name), value, rt);
  }

  contextChanged(): void {
    this.contextChanges++;
  }
  interruptsChanged(): void {
    this.interruptChanges++;
  }
  timersChanged(): void {
    this.timerChanges++;
  }
  invalidateTlb(scope: TlbScope): void {
    this.invalidations.push(scope);
  }
  invalidateInstructions(pa: number | undefined, broadcast: boolean): void {
    this.instructionInvalidations.push({ pa, broadcast });
  }
  counter(): number {
    return this.now;
  }
  gicRead(key: number): bigint | undefined {
    return this.gic.get(key);
  }
  gicWrite(key: number, value: bigint): boolean {
    if (!this.gic.has(key)) return false;
    this.gic.set(key, value);
    return true;
  }
}

/** The key of a register; `_EL12` and `_EL02` names are those of op1 = 5. */
export function keyOf(name: string): number {
  const plain = lookupName(name);
  if (plain) return plain.key;
  const base = lookupName(name.replace(/_EL12$/, '_EL1').replace(/_EL02$/, '_EL0'));
  if (!base) throw new Error(`no register ${name}`);
  return (base.key & ~(7 << 11)) | (5 << 11);
}
