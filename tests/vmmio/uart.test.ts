import { describe, expect, it } from 'vitest';
import { PL011_INT, Pl011 } from '../../arch/primecell/pl011.ts';
import type { Window } from '../../kernel/abi/service.ts';
import { SerialBridge } from '../../vmmio/uart.ts';

const DR = 0x00;
const FR = 0x18;
const LCR_H = 0x2c;
const IMSC = 0x38;
const MIS = 0x40;

/** A physical UART, the bridge, and a guest that reads and writes registers. */
class Line {
  readonly sent: number[] = [];
  accept = Infinity;
  irq = false;
  virtualIrq = false;
  readonly physical = new Pl011({
    irq: (level) => void (this.irq = level),
    transmit: (byte) => {
      if (this.sent.length >= this.accept) return false;
      this.sent.push(byte);
      return true;
    },
  });
  readonly seen: number[] = [];
  readonly bridge = new SerialBridge(
    windowOn(this.physical),
    (level) => void (this.virtualIrq = level),
    (byte) => this.seen.push(byte),
  );

  get guest(): Pl011 {
    return this.bridge.uart;
  }
  /** The physical interrupt is served while it is raised. */
  serve(): void {
    for (let i = 0; this.irq; i++) {
      if (i > 1000) throw new Error('the physical interrupt does not end');
      this.bridge.serve();
    }
  }
  /** Bytes that arrive, as far as the physical UART takes them. */
  type(bytes: number[]): number {
    let taken = 0;
    for (const byte of bytes) {
      if (!this.physical.receive(byte)) break;
      taken++;
      this.serve();
    }
    return taken;
  }
  listen(): void {
    this.guest.write(LCR_H, 4, 0x70);
    this.guest.write(IMSC, 4, PL011_INT.RX | PL011_INT.RT);
  }
  readAll(): number[] {
    const bytes: number[] = [];
    while ((this.guest.read(FR, 4) & (1 << 4)) === 0) bytes.push(this.guest.read(DR, 4));
    return bytes;
  }
}

function windowOn(device: Pl011): Window {
  const window = {
    size: 0x1000,
    read32: (offset: number) => device.read(offset, 4),
    write32: (offset: number, value: number) => device.write(offset, 4, value),
  };
  return window as unknown as Window;
}

const text = (s: string): number[] => [...new TextEncoder().encode(s)];

describe('a guest that writes', () => {
  it('reaches the physical line, and whoever reads along', () => {
    const line = new Line();
    for (const byte of text('hello')) line.guest.write(DR, 4, byte);
    expect(line.sent).toEqual(text('hello'));
    expect(line.seen).toEqual(line.sent);
  });

  it('waits while the line takes nothing, and loses nothing', () => {
    const line = new Line();
    line.guest.write(LCR_H, 4, 0x70);
    line.accept = 3;
    const bytes = Array.from({ length: 100 }, (_, i) => i);
    let next = 0;
    const write = (): void => {
      while (next < bytes.length && (line.guest.read(FR, 4) & (1 << 5)) === 0) line.guest.write(DR, 4, bytes[next++]!);
    };
    write();
    expect(next).toBeLessThan(bytes.length);
    while (line.accept < bytes.length) {
      line.accept += 7;
      line.physical.transmitReady();
      line.serve();
      write();
    }
    expect(line.sent).toEqual(bytes);
  });
});

describe('a guest that listens', () => {
  it('gets an interrupt and what was typed', () => {
    const line = new Line();
    line.listen();
    expect(line.type(text('ls\r'))).toBe(3);
    expect(line.virtualIrq).toBe(true);
    expect(line.guest.read(MIS, 4)).not.toBe(0);
    expect(line.readAll()).toEqual(text('ls\r'));
    expect(line.virtualIrq).toBe(false);
  });

  it('loses nothing when it is slow: the physical FIFO fills and holds back', () => {
    const line = new Line();
    line.listen();
    const bytes = Array.from({ length: 500 }, (_, i) => i & 0xff);
    const got: number[] = [];
    for (let at = 0, rounds = 0; got.length < bytes.length; rounds++) {
      expect(rounds).toBeLessThan(1000);
      at += line.type(bytes.slice(at));
      got.push(...line.readAll());
      line.serve();
    }
    expect(got).toEqual(bytes);
  });

  it('is not sent anything before it listens', () => {
    const line = new Line();
    line.type(text('early'));
    expect(line.guest.read(FR, 4) & (1 << 4)).not.toBe(0);
    line.listen();
    line.serve();
    expect(line.readAll()).toEqual(text('early'));
  });

  it('sees a break as one', () => {
    const line = new Line();
    line.listen();
    line.physical.receiveBreak();
    line.serve();
    expect(line.guest.read(DR, 4) & (1 << 10)).not.toBe(0);
  });
});
