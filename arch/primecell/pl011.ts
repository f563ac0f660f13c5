import type { AccessSize, IrqLine, MmioDevice } from '../bus.ts';
import { PRIMECELL_ID, primecellId } from './primecell.ts';

const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
const ILPR = 0x20;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;

/** Error bits of received data, as in UARTDR. */
const DR_BE = 1 << 10;
const DR_OE = 1 << 11;

const FR_CTS = 1 << 0;
const FR_DSR = 1 << 1;
const FR_DCD = 1 << 2;
const FR_RXFE = 1 << 4;
const FR_TXFF = 1 << 5;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;
const FR_RI = 1 << 8;
const FR_BUSY = 1 << 3;

const LCR_H_FEN = 1 << 4;

const CR_LBE = 1 << 7;
const CR_DTR = 1 << 10;
const CR_RTS = 1 << 11;
const CR_OUT1 = 1 << 12;
const CR_OUT2 = 1 << 13;

/** Interrupts: UARTIMSC, UARTRIS, UARTMIS, UARTICR. */
export const PL011_INT = {
  RI: 1 << 0,
  CTS: 1 << 1,
  DCD: 1 << 2,
  DSR: 1 << 3,
  RX: 1 << 4,
  TX: 1 << 5,
  RT: 1 << 6,
  FE: 1 << 7,
  PE: 1 << 8,
  BE: 1 << 9,
  OE: 1 << 10,
} as const;
const INT_ALL = 0x7ff;

/** UARTIFLS: eighths of the FIFO. */
const LEVELS = [1, 2, 4, 6, 7, 7, 7, 7];

/** Reads of an empty FR in a row, with no other access between, that show a guest waiting for input by polling. */
const POLLS = 4;

export interface Pl011Options {
  irq: IrqLine;
  /** Takes a transmitted byte. False when it cannot now: the byte waits in the FIFO until `transmitReady()`. */
  transmit: (byte: number) => boolean | void;
  /** There may be room again for `receive`, or somebody began to listen. Never called while `receive` runs. */
  room?: () => void;
  /** 16 (r1p4, as on QEMU's virt machine) or 32 (r1p5). */
  fifoDepth?: 16 | 32;
}

/**
 * PrimeCell UART PL011 (DDI 0183). Characters take no time: what the guest writes leaves at once, and the receive
 * timeout has passed as soon as data is in the FIFO below its trigger level. Baud rate and framing are stored only.
 */
export class Pl011 implements MmioDevice {
  static readonly SIZE = 0x1000;
  readonly #irq: IrqLine;
  readonly #transmit: (byte: number) => boolean | void;
  readonly #room: () => void;
  readonly #fifoDepth: number;

  // Receive FIFO: data with its error bits, oldest at #rxHead. Transmit FIFO likewise.
  readonly #rx = new Uint16Array(32);
  #rxHead = 0;
  #rxCount = 0;
  readonly #tx = new Uint8Array(32);
  #txHead = 0;
  #txCount = 0;
  #sending = false;

  #rsr = 0;
  #ilpr = 0;
  #ibrd = 0;
  #fbrd = 0;
  #lcrH = 0;
  #cr = 0x300;
  #ifls = 0x12;
  #imsc = 0;
  #ris = 0;
  #dmacr = 0;
  #modem = 0;
  #polls = 0;
  #level = false;

  constructor({ irq, transmit, room = () => {}, fifoDepth = 16 }: Pl011Options) {
    this.#irq = irq;
    this.#transmit = transmit;
    this.#room = room;
    this.#fifoDepth = fifoDepth;
  }

  /**
   * Whether somebody waits for input: receive interrupts are on, or the guest polls. Drivers empty the FIFO when they
   * start, so a back end that must lose nothing holds its input until then.
   */
  get listening(): boolean {
    return (this.#imsc & (PL011_INT.RX | PL011_INT.RT)) !== 0 || this.#polls >= POLLS;
  }

  /** Characters that `receive` takes now. */
  get space(): number {
    return this.#depth - this.#rxCount;
  }

  /** A character arrives from the line. False when the FIFO is full: it was not taken. */
  receive(byte: number): boolean {
    return this.#push(byte & 0xff);
  }

  /** A break condition arrives from the line. */
  receiveBreak(): boolean {
    if (!this.#push(DR_BE)) return false;
    this.#raise(PL011_INT.BE);
    return true;
  }

  /** The other end can take characters again, after `transmit` refused one. */
  transmitReady(): void {
    this.#send();
  }

  read(offset: number, _size: AccessSize): number {
    const register = offset & ~3;
    if (register !== FR) this.#polls = 0;
    switch (register) {
      case DR:
        return this.#readData();
      case RSR:
        return this.#rsr;
      case FR:
        return this.#flags();
      case ILPR:
        return this.#ilpr;
      case IBRD:
        return this.#ibrd;
      case FBRD:
        return this.#fbrd;
      case LCR_H:
        return this.#lcrH;
      case CR:
        return this.#cr;
      case IFLS:
        return this.#ifls;
      case IMSC:
        return this.#imsc;
      case RIS:
        return this.#ris;
      case MIS:
        return this.#ris & this.#imsc;
      case DMACR:
        return this.#dmacr;
      default:
        return register >= PRIMECELL_ID
          ? primecellId(register, [0x11, 0x10, this.#fifoDepth === 32 ? 0x34 : 0x14, 0])
          : 0;
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    this.#polls = 0;
    switch (offset & ~3) {
      case DR:
        this.#writeData(value & 0xff);
        return;
      case RSR: // UARTECR: any write clears the errors
        this.#rsr = 0;
        return;
      case ILPR:
        this.#ilpr = value & 0xff;
        return;
      case IBRD:
        this.#ibrd = value & 0xffff;
        return;
      case FBRD:
        this.#fbrd = value & 0x3f;
        return;
      case LCR_H:
        if ((this.#lcrH ^ value) & LCR_H_FEN) this.#flush();
        this.#lcrH = value & 0xff;
        return;
      case CR:
        this.#cr = value & 0xff87;
        this.#updateModem();
        return;
      case IFLS:
        this.#ifls = value & 0x3f;
        return;
      case IMSC: {
        const listened = this.listening;
        this.#imsc = value & INT_ALL;
        this.#update();
        if (!listened && this.listening) this.#room();
        return;
      }
      case ICR:
        this.#ris &= ~(value & INT_ALL);
        this.#update();
        return;
      case DMACR:
        this.#dmacr = value & 7;
        return;
    }
  }

  /** With the FIFOs disabled each is a one-character holding register. */
  get #depth(): number {
    return this.#lcrH & LCR_H_FEN ? this.#fifoDepth : 1;
  }

  /** The receive interrupt stands from this many characters on. */
  get #rxTrigger(): number {
    return this.#lcrH & LCR_H_FEN ? (this.#fifoDepth * LEVELS[(this.#ifls >> 3) & 7]!) >> 3 : 1;
  }

  /** The transmit interrupt comes when the FIFO has drained to this many. */
  get #txTrigger(): number {
    return this.#lcrH & LCR_H_FEN ? (this.#fifoDepth * LEVELS[this.#ifls & 7]!) >> 3 : 0;
  }

  #push(entry: number): boolean {
    if (this.#rxCount >= this.#depth) return false;
    this.#rx[(this.#rxHead + this.#rxCount++) & 31] = entry;
    // Below the trigger level only the timeout tells of the data.
    this.#raise(this.#rxCount >= this.#rxTrigger ? PL011_INT.RX | PL011_INT.RT : PL011_INT.RT);
    return true;
  }

  #readData(): number {
    if (this.#rxCount === 0) return 0;
    const entry = this.#rx[this.#rxHead]!;
    this.#rxHead = (this.#rxHead + 1) & 31;
    this.#rxCount--;
    this.#rsr = (entry >> 8) & 15;
    if (this.#rxCount < this.#rxTrigger) this.#ris &= ~PL011_INT.RX;
    if (this.#rxCount === 0) this.#ris &= ~PL011_INT.RT;
    this.#update();
    this.#room();
    return entry;
  }

  #writeData(byte: number): void {
    if (this.#cr & CR_LBE) {
      if (!this.#push(byte)) {
        this.#rsr |= DR_OE >> 8;
        this.#raise(PL011_INT.OE);
      }
      this.#raise(PL011_INT.TX);
      return;
    }
    if (this.#txCount >= this.#depth) return; // a full FIFO loses what is written
    this.#tx[(this.#txHead + this.#txCount++) & 31] = byte;
    if (this.#txCount > this.#txTrigger) this.#ris &= ~PL011_INT.TX;
    this.#send();
  }

  #send(): void {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#txCount > 0 && this.#transmit(this.#tx[this.#txHead]!) !== false) {
      this.#txHead = (this.#txHead + 1) & 31;
      this.#txCount--;
      if (this.#txCount <= this.#txTrigger) this.#ris |= PL011_INT.TX;
    }
    this.#sending = false;
    this.#update();
  }

  #flags(): number {
    let flags = this.#modem;
    if (this.#rxCount === 0) flags |= FR_RXFE;
    if (this.#rxCount >= this.#depth) flags |= FR_RXFF;
    if (this.#txCount === 0) flags |= FR_TXFE;
    else flags |= FR_BUSY;
    if (this.#txCount >= this.#depth) flags |= FR_TXFF;
    if (this.#rxCount === 0 && this.#txCount === 0 && this.#polls < POLLS && ++this.#polls === POLLS) this.#room();
    return flags;
  }

  /** The modem inputs are open (inactive), except in loopback, where they see the outputs. */
  #updateModem(): void {
    const cr = this.#cr;
    const modem =
      cr & CR_LBE
        ? (cr & CR_RTS ? FR_CTS : 0) |
          (cr & CR_DTR ? FR_DSR : 0) |
          (cr & CR_OUT1 ? FR_DCD : 0) |
          (cr & CR_OUT2 ? FR_RI : 0)
        : 0;
    const changed = modem ^ this.#modem;
    this.#modem = modem;
    this.#raise(
      (changed & FR_CTS ? PL011_INT.CTS : 0) |
        (changed & FR_DSR ? PL011_INT.DSR : 0) |
        (changed & FR_DCD ? PL011_INT.DCD : 0) |
        (changed & FR_RI ? PL011_INT.RI : 0),
    );
  }

  #flush(): void {
    this.#rxCount = 0;
    this.#txCount = 0;
    this.#ris &= ~(PL011_INT.RX | PL011_INT.RT);
    this.#update();
  }

  #raise(interrupts: number): void {
    this.#ris |= interrupts;
    this.#update();
  }

  #update(): void {
    const level = (this.#ris & this.#imsc) !== 0;
    if (level === this.#level) return;
    this.#level = level;
    this.#irq(level);
  }
}
