import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PL011_INT, Pl011 } from '../../../arch/primecell/pl011.ts';

const DR = 0x00;
const FR = 0x18;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const RXFE = 0x10;
const TXFF = 0x20;
const RXFF = 0x40;

function make({ fifoDepth = 16, accept = (): boolean => true }: { fifoDepth?: 16 | 32; accept?: () => boolean } = {}) {
  const sent: number[] = [];
  const state = { level: false, rooms: 0 };
  const uart = new Pl011({
    irq: (level) => {
      expect(level).not.toBe(state.level);
      state.level = level;
    },
    transmit: (byte) => accept() && (sent.push(byte), true),
    room: () => state.rooms++,
    fifoDepth,
  });
  const get = (register: number): number => uart.read(register, 4);
  const put = (register: number, value: number): void => uart.write(register, 4, value);
  return { uart, sent, state, get, put };
}

test('after reset it reads as QEMU’s does', () => {
  const { get } = make();
  expect([FR, CR, IFLS, IMSC, RIS].map(get)).toEqual([0x90, 0x300, 0x12, 0, 0]);
  expect([0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map(get)).toEqual([
    0x11, 0x10, 0x14, 0, 0x0d, 0xf0, 0x05, 0xb1,
  ]);
  expect(make({ fifoDepth: 32 }).get(0xfe8)).toBe(0x34);
});

describe('transmitting', () => {
  test('bytes leave at once and the interrupt says there is room', () => {
    const { sent, state, put, get } = make();
    put(IMSC, PL011_INT.TX);
    expect(state.level).toBe(false);
    put(DR, 0x141);
    expect(sent).toEqual([0x41]);
    expect(state.level).toBe(true);
    put(ICR, PL011_INT.TX);
    expect(state.level).toBe(false);
    expect(get(FR) & 0xa8).toBe(0x80);
  });

  test('with a slow other end the FIFO fills, and drains in order without loss', () => {
    let open = false;
    const { uart, sent, put, get } = make({ accept: () => open });
    put(LCR_H, 0x70);
    let written = 0;
    while (!(get(FR) & TXFF)) put(DR, written++);
    expect(written).toBe(16);
    expect(get(FR) & 0x88).toBe(0x08);
    expect(get(RIS) & PL011_INT.TX).toBe(0);
    open = true;
    uart.transmitReady();
    expect(sent).toEqual([...Array(16).keys()]);
    expect(get(FR) & 0x88).toBe(0x80);
    expect(get(RIS) & PL011_INT.TX).toBe(PL011_INT.TX);
  });

  test('without FIFOs one character waits', () => {
    let open = false;
    const { uart, sent, put, get } = make({ accept: () => open });
    put(DR, 1);
    expect(get(FR) & TXFF).toBe(TXFF);
    put(DR, 2); // lost, as the guest was told
    open = true;
    uart.transmitReady();
    expect(sent).toEqual([1]);
  });
});

describe('receiving', () => {
  test('the FIFO takes 16 or 32 characters, one when disabled, and no more', () => {
    for (const [lcr, depth, fifoDepth] of [
      [0x70, 16, 16],
      [0x70, 32, 32],
      [0x60, 1, 16],
    ] as const) {
      const { uart, put, get } = make({ fifoDepth });
      put(LCR_H, lcr);
      let taken = 0;
      while (uart.receive(taken)) taken++;
      expect(taken).toBe(depth);
      expect(get(FR) & (RXFF | RXFE)).toBe(RXFF);
      for (let i = 0; i < depth; i++) expect(get(DR)).toBe(i);
      expect(get(FR) & (RXFF | RXFE)).toBe(RXFE);
      expect(get(RIS) & PL011_INT.OE).toBe(0);
    }
  });

  test('the receive interrupt follows the trigger level, the timeout covers the rest', () => {
    const { uart, put, get } = make();
    put(LCR_H, 0x70);
    put(IFLS, 0x10); // half
    for (let i = 0; i < 7; i++) uart.receive(i);
    expect(get(RIS)).toBe(PL011_INT.RT);
    uart.receive(7);
    expect(get(RIS)).toBe(PL011_INT.RT | PL011_INT.RX);
    get(DR);
    expect(get(RIS)).toBe(PL011_INT.RT);
    for (let i = 0; i < 7; i++) get(DR);
    expect(get(RIS)).toBe(0);
  });

  test('interrupts are masked, shown and cleared', () => {
    const { uart, state, put, get } = make();
    uart.receive(1);
    expect([get(MIS), state.level]).toEqual([0, false]);
    put(IMSC, PL011_INT.RX);
    expect([get(MIS), state.level]).toEqual([PL011_INT.RX, true]);
    put(ICR, 0x7ff);
    expect([get(RIS), state.level]).toEqual([0, false]);
  });

  test('reading makes room known', () => {
    const { uart, state, get } = make();
    uart.receive(1);
    expect(uart.space).toBe(0);
    get(DR);
    expect(uart.space).toBe(1);
    expect(state.rooms).toBe(1);
  });

  test('a break arrives with its error bit', () => {
    const { uart, get, put } = make();
    expect(uart.receiveBreak()).toBe(true);
    expect(get(RIS) & PL011_INT.BE).toBe(PL011_INT.BE);
    expect(get(DR)).toBe(0x400);
    expect(get(0x04)).toBe(4);
    put(0x04, 0);
    expect(get(0x04)).toBe(0);
  });

  test('switching the FIFOs empties them', () => {
    const { uart, get, put } = make();
    uart.receive(1);
    put(LCR_H, 0x70);
    expect(get(FR) & RXFE).toBe(RXFE);
    expect(get(RIS)).toBe(0);
  });
});

describe('loopback', () => {
  test('what is sent is received, overruns are told', () => {
    const { sent, get, put } = make();
    put(CR, 0x381);
    put(DR, 0x55);
    put(DR, 0x56);
    expect(sent).toEqual([]);
    expect(get(RIS) & PL011_INT.OE).toBe(PL011_INT.OE);
    expect(get(DR)).toBe(0x55);
  });

  test('modem outputs reach the inputs', () => {
    const { get, put } = make();
    put(CR, 0x381 | (1 << 11) | (1 << 10));
    expect(get(FR) & 0x107).toBe(3); // CTS and DSR
    expect(get(RIS) & 0xf).toBe(PL011_INT.CTS | PL011_INT.DSR);
    put(CR, 0x301);
    expect(get(FR) & 0x107).toBe(0);
  });
});

describe('listening', () => {
  test('begins when receive interrupts are enabled, and is announced', () => {
    const { uart, state, put } = make();
    expect(uart.listening).toBe(false);
    put(IMSC, PL011_INT.TX);
    expect([uart.listening, state.rooms]).toEqual([false, 0]);
    put(IMSC, PL011_INT.RX | PL011_INT.RT);
    expect([uart.listening, state.rooms]).toEqual([true, 1]);
  });

  test('begins when a guest polls the flags, not when a driver looks at them between other accesses', () => {
    const { uart, state, put, get } = make();
    for (let i = 0; i < 20; i++) {
      get(FR);
      put(DR, 0x41);
      get(FR);
      get(FR);
    }
    expect(uart.listening).toBe(false);
    for (let i = 0; i < 4; i++) get(FR);
    expect([uart.listening, state.rooms]).toEqual([true, 1]);
  });
});

test('random accesses never fail, and the wire and the flags say what is', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.tuple(fc.constant('write' as const), fc.nat(0xfff), fc.integer({ min: 0, max: 0xffffffff })),
          fc.tuple(fc.constant('read' as const), fc.nat(0xfff), fc.constant(0)),
          fc.tuple(fc.constant('receive' as const), fc.constant(0), fc.nat(255)),
        ),
      ),
      (steps) => {
        const { uart, state, get } = make();
        for (const [kind, at, value] of steps) {
          if (kind === 'write') uart.write(at, 4, value);
          else if (kind === 'read') expect(uart.read(at, 4)).toBeGreaterThanOrEqual(0);
          else {
            const space = uart.space;
            expect(uart.receive(value)).toBe(space > 0);
          }
          expect(state.level).toBe((get(RIS) & get(IMSC)) !== 0);
          expect(uart.space === 0).toBe((get(FR) & RXFF) !== 0);
        }
      },
    ),
  );
});
