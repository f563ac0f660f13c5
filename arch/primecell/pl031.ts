import type { AccessSize, IrqLine, MmioDevice } from '../bus.ts';
import { PRIMECELL_ID, primecellId } from './primecell.ts';

const DR = 0x00;
const MR = 0x04;
const LR = 0x08;
const CR = 0x0c;
const IMSC = 0x10;
const RIS = 0x14;
const MIS = 0x18;
const ICR = 0x1c;

export interface Pl031Options {
  irq: IrqLine;
  /** Seconds since 1970-01-01 UTC now; fractions are dropped. */
  clock: () => number;
  /** When the owner should call `tick()` next: seconds from now, undefined for never. */
  alarm?: (seconds: number | undefined) => void;
}

/** PrimeCell real time clock PL031 (DDI 0224). It always runs (RTCCR reads as one). */
export class Pl031 implements MmioDevice {
  static readonly SIZE = 0x1000;
  readonly #irq: IrqLine;
  readonly #clock: () => number;
  readonly #alarm: (seconds: number | undefined) => void;
  /** What RTCLR added to the clock, modulo 2^32. */
  #offset = 0;
  #match = 0;
  #load = 0;
  #imsc = 0;
  #ris = 0;
  /** The clock's second at which the match comes about; undefined when it has. */
  #deadline: number | undefined;
  #level = false;

  constructor({ irq, clock, alarm = () => {} }: Pl031Options) {
    this.#irq = irq;
    this.#clock = clock;
    this.#alarm = alarm;
  }

  /** Looks whether the match has come about. */
  tick(): void {
    if (this.#deadline === undefined) return;
    const left = this.#deadline - Math.floor(this.#clock());
    if (left <= 0) {
      this.#deadline = undefined;
      this.#ris = 1;
      this.#update();
    }
    this.#alarm(left > 0 ? left : undefined);
  }

  read(offset: number, _size: AccessSize): number {
    const register = offset & ~3;
    switch (register) {
      case DR:
        return this.#now();
      case MR:
        return this.#match;
      case LR:
        return this.#load;
      case CR:
        return 1;
      case IMSC:
        return this.#imsc;
      case RIS:
        return this.#ris;
      case MIS:
        return this.#ris & this.#imsc;
      default:
        return register >= PRIMECELL_ID ? primecellId(register, [0x31, 0x10, 0x14, 0]) : 0;
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    switch (offset & ~3) {
      case MR:
        this.#match = value >>> 0;
        this.#arm();
        return;
      case LR:
        this.#load = value >>> 0;
        this.#offset = (this.#load - Math.floor(this.#clock())) >>> 0;
        this.#arm();
        return;
      case IMSC:
        this.#imsc = value & 1;
        this.#update();
        return;
      case ICR:
        this.#ris &= ~value;
        this.#update();
        return;
    }
  }

  #now(): number {
    return (Math.floor(this.#clock()) + this.#offset) >>> 0;
  }

  #arm(): void {
    const distance = (this.#match - this.#now()) >>> 0;
    // A time that has passed comes again only when the counter wraps.
    this.#deadline = distance < 2 ** 31 ? Math.floor(this.#clock()) + distance : undefined;
    if (this.#deadline === undefined) this.#alarm(undefined);
    this.tick();
  }

  #update(): void {
    const level = (this.#ris & this.#imsc) !== 0;
    if (level === this.#level) return;
    this.#level = level;
    this.#irq(level);
  }
}
