import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Pl011 } from '../../arch/primecell/pl011.ts';
import { Console, type ConsoleOptions } from '../../board/host/console.ts';
import { EscapeKeys } from '../../board/host/escape.ts';

const RX = 0x10 | 0x40;

function setup(options: Partial<ConsoleOptions> = {}) {
  const writes: Buffer[] = [];
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk);
      done();
    },
  });
  const input = new PassThrough();
  const console = new Console({ input, output, ...options });
  const uart = new Pl011({ irq: () => {}, transmit: console.transmit, room: console.room });
  uart.write(0x2c, 4, 0x70);
  console.attach(uart);
  /** What a driver's interrupt handler reads. */
  const drain = (): string => {
    let text = '';
    while (!(uart.read(0x18, 4) & 0x10)) text += String.fromCharCode(uart.read(0, 4));
    return text;
  };
  return {
    console,
    uart,
    input,
    writes,
    drain,
    send: (text: string) => [...text].forEach((c) => uart.write(0, 1, c.charCodeAt(0))),
  };
}

describe('output', () => {
  test('is written once a turn, or when 4 KiB have gathered', async () => {
    const { writes, send } = setup();
    send('hello ');
    send('world');
    expect(writes).toEqual([]);
    await turn();
    expect(writes.map(String)).toEqual(['hello world']);
    send('x'.repeat(5000));
    await turn();
    expect(writes.slice(1).map((chunk) => chunk.length)).toEqual([4096, 904]);
  });

  test('waits in the UART when the stream is slow, and nothing is lost', async () => {
    const writes: Buffer[] = [];
    let release = (): void => {};
    const output = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, done) {
        writes.push(chunk);
        release = done;
      },
    });
    const { uart } = setup({ output });
    let sent = 0;
    const offer = (): void => {
      while (sent < 20_000 && !(uart.read(0x18, 4) & 0x20)) uart.write(0, 4, sent++ & 0xff);
    };
    offer();
    const first = sent;
    expect(first).toBeLessThan(10_000);
    while (sent < 20_000) {
      release();
      await turn();
      offer();
    }
    for (let i = 0; i < 4; i++) {
      release();
      await turn();
    }
    const all = Buffer.concat(writes);
    expect(all.length).toBe(20_000);
    expect(all.every((byte, i) => byte === (i & 0xff))).toBe(true);
  });
});

describe('input', () => {
  test('10,000 characters at once reach the guest in order and complete', async () => {
    const { uart, input, drain } = setup();
    uart.write(0x38, 4, RX);
    const text = Array.from({ length: 10_000 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
    input.write(text);
    let got = '';
    for (let i = 0; i < 1000 && got.length < text.length; i++) {
      await turn();
      got += drain();
    }
    expect(got).toBe(text);
  });

  test('waits until somebody listens', async () => {
    const { uart, input, drain } = setup();
    input.write('early');
    await turn();
    expect(uart.read(0x18, 4) & 0x10).toBe(0x10);
    uart.write(0x38, 4, RX);
    await turn();
    expect(drain()).toBe('early');
  });

  test('stops when the driver masks its interrupts, and goes on after', async () => {
    const { uart, input, drain } = setup();
    uart.write(0x38, 4, RX);
    uart.write(0x38, 4, 0);
    input.write('abc');
    await turn();
    expect(drain()).toBe('');
    uart.write(0x38, 4, RX);
    await turn();
    expect(drain()).toBe('abc');
  });

  test('comes in bursts, so that a driver that never stops reading cannot be overrun', async () => {
    const { uart, input, drain } = setup();
    uart.write(0x38, 4, RX);
    input.write('y'.repeat(5000));
    await turn();
    expect(drain().length).toBeLessThanOrEqual(1024 + 16);
  });

  test('is not taken from its stream without bound', async () => {
    const { input } = setup();
    let written = 0;
    for (let i = 0; i < 200; i++) {
      input.write(Buffer.alloc(4096));
      written += 4096;
      await turn();
    }
    expect(input.readableLength + input.writableLength).toBeGreaterThan(written - 65536 - 4096 - 1);
  });
});

describe('escape keys', () => {
  function keys() {
    const log: string[] = [];
    const escape = new EscapeKeys({
      quit: () => log.push('quit'),
      help: () => log.push('help'),
      sendBreak: () => log.push('break'),
    });
    return { log, type: (...bytes: number[]) => [...escape.filter(Uint8Array.from(bytes))] };
  }

  test('x quits, h helps, b breaks, Ctrl-A sends one, others are dropped', () => {
    const { log, type } = keys();
    expect(type(1, 0x78, 1, 0x68, 1, 0x62)).toEqual([]);
    expect(log).toEqual(['quit', 'help', 'break']);
    expect(type(1, 1, 0x61)).toEqual([1, 0x61]);
    expect(type(0x62, 1, 0x7a, 0x63)).toEqual([0x62, 0x63]);
  });

  test('are recognised across chunks, and x alone is just an x', () => {
    const { log, type } = keys();
    expect(type(0x61, 1)).toEqual([0x61]);
    expect(type(0x78, 0x78)).toEqual([0x78]);
    expect(log).toEqual(['quit']);
  });

  test('have no meaning without a terminal', async () => {
    const { uart, input, drain } = setup();
    uart.write(0x38, 4, RX);
    input.write(Buffer.from([1, 0x78]));
    await turn();
    expect(drain()).toBe('\x01x');
  });
});
