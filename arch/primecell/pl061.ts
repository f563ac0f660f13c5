import type { AccessSize, IrqLine, MmioDevice } from '../bus.ts';
import { PRIMECELL_ID, primecellId } from './primecell.ts';

const DATA_END = 0x400;
const DIR = 0x400;
const IS = 0x404;
const IBE = 0x408;
const IEV = 0x40c;
const IE = 0x410;
const RIS = 0x414;
const MIS = 0x418;
const IC = 0x41c;
const AFSEL = 0x420;

export interface Pl061Options {
  irq: IrqLine;
  /** The levels of the lines that are outputs, and which those are (a bit each). */
  output?: (levels: number, direction: number) => void;
}

/** PrimeCell general purpose input/output PL061 (DDI 0190): eight lines. */
export class Pl061 implements MmioDevice {
  static readonly SIZE = 0x1000;
  readonly #irq: IrqLine;
  readonly #output: (levels: number, direction: number) => void;
  #inputs = 0;
  #data = 0;
  #dir = 0;
  #is = 0;
  #ibe = 0;
  #iev = 0;
  #ie = 0;
  /** Edges seen; level interrupts follow their lines. */
  #edges = 0;
  #afsel = 0;
  #level = false;

  constructor({ irq, output = () => {} }: Pl061Options) {
    this.#irq = irq;
    this.#output = output;
  }

  /** The level at line 0 … 7 from outside. */
  setInput(line: number, level: boolean): void {
    const before = this.#levels();
    const bit = 1 << line;
    this.#inputs = level ? this.#inputs | bit : this.#inputs & ~bit;
    this.#seeEdges(before);
  }

  read(offset: number, _size: AccessSize): number {
    if (offset < DATA_END) return this.#levels() & (offset >> 2);
    const register = offset & ~3;
    switch (register) {
      case DIR:
        return this.#dir;
      case IS:
        return this.#is;
      case IBE:
        return this.#ibe;
      case IEV:
        return this.#iev;
      case IE:
        return this.#ie;
      case RIS:
        return this.#ris();
      case MIS:
        return this.#ris() & this.#ie;
      case AFSEL:
        return this.#afsel;
      default:
        return register >= PRIMECELL_ID ? primecellId(register, [0x61, 0x10, 0x04, 0]) : 0;
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const before = this.#levels();
    value &= 0xff;
    if (offset < DATA_END) {
      // Address bits 9:2 mask which lines are written; inputs are not.
      const mask = (offset >> 2) & this.#dir;
      this.#data = (this.#data & ~mask) | (value & mask);
      this.#output(this.#data & this.#dir, this.#dir);
    } else
      switch (offset & ~3) {
        case DIR:
          this.#dir = value;
          this.#output(this.#data & this.#dir, this.#dir);
          break;
        case IS:
          this.#is = value;
          break;
        case IBE:
          this.#ibe = value;
          break;
        case IEV:
          this.#iev = value;
          break;
        case IE:
          this.#ie = value;
          break;
        case IC:
          this.#edges &= ~value;
          break;
        case AFSEL:
          this.#afsel = value;
          break;
      }
    this.#seeEdges(before);
  }

  #levels(): number {
    return (this.#inputs & ~this.#dir) | (this.#data & this.#dir);
  }

  #ris(): number {
    const active = ~(this.#levels() ^ this.#iev);
    return ((this.#edges & ~this.#is) | (active & this.#is)) & 0xff;
  }

  #seeEdges(before: number): void {
    const now = this.#levels();
    const changed = before ^ now;
    this.#edges |= changed & (this.#ibe | ~(now ^ this.#iev)) & ~this.#is & 0xff;
    const level = (this.#ris() & this.#ie) !== 0;
    if (level === this.#level) return;
    this.#level = level;
    this.#irq(level);
  }
}
