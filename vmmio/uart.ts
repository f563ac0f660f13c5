import type { IrqLine } from '../arch/bus.ts';
import { PL011_INT, Pl011 } from '../arch/primecell/pl011.ts';
import type { Window } from '../kernel/abi/service.ts';

// Registers of the physical PL011 (DDI 0183, 3.2).
const DR = 0x00;
const FR = 0x18;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const ICR = 0x44;

const DR_BE = 1 << 10;
const FR_RXFE = 1 << 4;
const FR_TXFF = 1 << 5;
/** FIFOs on, 8 bits. */
const LCR_H_8BIT_FIFO = 0x70;
/** RXE, TXE, UARTEN. */
const CR_ON = 0x301;
const RECEIVE = PL011_INT.RX | PL011_INT.RT;

/**
 * A virtual PL011 whose line is a physical one, driven through a window on its registers. Nothing is lost on the way: what the
 * guest has no room for stays in the physical FIFO, and what that has no room for stays in the guest's.
 */
export class SerialBridge {
  /** What the guest sees. */
  readonly uart: Pl011;
  readonly #port: Window;
  readonly #sent: (byte: number) => void;
  /** Interrupts that are enabled at the physical UART. */
  #mask = 0;
  #blocked = false;
  #pulling = false;

  /**
   * @param port the physical registers
   * @param irq the virtual interrupt
   * @param sent is told every byte that the guest sends
   */
  constructor(port: Window, irq: IrqLine, sent: (byte: number) => void = () => {}) {
    this.#port = port;
    this.#sent = sent;
    port.write32(IMSC, 0);
    port.write32(ICR, 0x7ff);
    port.write32(LCR_H, LCR_H_8BIT_FIFO);
    port.write32(IFLS, 0);
    port.write32(CR, CR_ON);
    this.uart = new Pl011({
      irq,
      transmit: (byte) => this.#transmit(byte),
      room: () => this.#pull(),
    });
  }

  /** The physical interrupt came; it may be acknowledged afterwards. */
  serve(): void {
    if (this.#blocked && (this.#port.read32(FR) & FR_TXFF) === 0) {
      this.#blocked = false;
      this.#port.write32(ICR, PL011_INT.TX);
      this.uart.transmitReady();
    }
    this.#pull();
  }

  #transmit(byte: number): boolean {
    if (this.#blocked || this.#port.read32(FR) & FR_TXFF) {
      this.#blocked = true;
      this.#enable();
      return false;
    }
    this.#port.write32(DR, byte);
    this.#sent(byte);
    return true;
  }

  /** Moves what has arrived to the guest, as far as it listens and has room. */
  #pull(): void {
    // `receive` may ask for more while it runs.
    if (this.#pulling) return;
    this.#pulling = true;
    const port = this.#port;
    while (this.uart.listening && this.uart.space > 0 && (port.read32(FR) & FR_RXFE) === 0) {
      const entry = port.read32(DR);
      if (entry & DR_BE) this.uart.receiveBreak();
      else this.uart.receive(entry & 0xff);
    }
    this.#pulling = false;
    this.#enable();
  }

  #enable(): void {
    const receive = this.uart.listening && this.uart.space > 0 ? RECEIVE : 0;
    const mask = receive | (this.#blocked ? PL011_INT.TX : 0);
    if (mask === this.#mask) return;
    this.#mask = mask;
    this.#port.write32(IMSC, mask);
  }
}
