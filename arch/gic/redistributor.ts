import type { AccessSize, MmioDevice } from '../bus.ts';
import { IIDR, bankWord, identification, inBanks, readBank, writeBank } from './distributor.ts';
import type { InterruptController } from './interrupts.ts';
import { affinityOf } from './interrupts.ts';

const CTLR = 0x0000;
const IIDR_OFFSET = 0x0004;
const TYPER = 0x0008;
const TYPER_HIGH = 0x000c;
const WAKER = 0x0014;
const IDREGS = 0xffd0;

/** GICR_CTLR.DPG0 and DPG1NS. */
const DPG_SHIFT = 24;
const TYPER_LAST = 1 << 4;
const TYPER_DPGS = 1 << 5;
const WAKER_PROCESSOR_SLEEP = 1 << 1;
const WAKER_CHILDREN_ASLEEP = 1 << 2;

/**
 * The redistributors' registers (GICR_*, IHI 0069, 12.11): for each PE two 64 KiB frames, RD_base and SGI_base,
 * one after the other from offset 0 on. Registers that do not exist are RAZ/WI.
 */
export class Redistributors implements MmioDevice {
  /** Bytes for each PE. */
  static readonly STRIDE = 0x20000;
  readonly #gic: InterruptController;
  readonly #first: number;
  readonly #count: number;

  /** The redistributors of PEs `first` … `first + count - 1`: a redistributor region holds some or all of them. */
  constructor(gic: InterruptController, first = 0, count: number = gic.cpus - first) {
    this.#gic = gic;
    this.#first = first;
    this.#count = count;
  }

  read(offset: number, size: AccessSize): number {
    offset &= -size;
    const cpu = this.#first + Math.floor(offset / Redistributors.STRIDE);
    if (cpu >= this.#first + this.#count) return 0;
    const gic = this.#gic;
    const register = offset & 0xffff;
    if (offset & 0x10000) {
      return inBanks(register) && bankWord(register) === 0 ? readBank(gic, cpu, register, size) : 0;
    }
    if (size !== 4) return 0;
    if (register >= IDREGS) return identification(register, 0x93);
    switch (register) {
      case CTLR:
        return gic.notAny(cpu) << DPG_SHIFT;
      case IIDR_OFFSET:
        return IIDR;
      case TYPER:
        return (cpu << 8) | TYPER_DPGS | (cpu === this.#first + this.#count - 1 ? TYPER_LAST : 0);
      case TYPER_HIGH:
        return affinityOf(cpu);
      case WAKER:
        return gic.sleeping(cpu) ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
      default:
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    offset &= -size;
    const cpu = this.#first + Math.floor(offset / Redistributors.STRIDE);
    if (cpu >= this.#first + this.#count) return;
    const gic = this.#gic;
    const register = offset & 0xffff;
    if (offset & 0x10000) {
      if (inBanks(register) && bankWord(register) === 0) writeBank(gic, cpu, register, size, value);
    } else if (size === 4) {
      if (register === CTLR) gic.setNotAny(cpu, (value >>> DPG_SHIFT) & 3);
      else if (register === WAKER) gic.setSleeping(cpu, (value & WAKER_PROCESSOR_SLEEP) !== 0);
    }
  }
}
