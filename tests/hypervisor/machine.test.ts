import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { assembleProgram } from '../../arch/a64/assemble.ts';
import { parseDtb } from '../../arch/devicetree/dtb.ts';
import { GuestImageError, Machine, type MachineOptions } from '../../index.ts';
import { code, rawImage } from '../guests/linux/kernels.ts';
import { smallImage } from './cli/run-naxos.ts';

const MEMORY = 16 << 20;

/** A machine and what its guest has written. */
function make(options: Omit<MachineOptions, 'onOutput'>): { machine: Machine; text: () => string } {
  let output = '';
  const onOutput = (bytes: Uint8Array): void => void (output += Buffer.from(bytes).toString('latin1'));
  return { machine: new Machine({ memory: MEMORY, ...options, onOutput }), text: () => output };
}

/** An Image of a few instructions. */
function image(...words: number[]): Uint8Array {
  const bytes = rawImage({ size: 64 + 4 * words.length + 64, imageSize: 0x10000n });
  bytes.set(code(...words), 64);
  return bytes;
}

/** Writes a register's low digit to the UART: x1. */
const PUT_X1 = [
  0x1100c021, // add w1, w1, #'0'
  0xd2a12002, // mov x2, #0x09000000
  0xb9000041, // str w1, [x2]
];
const psci = (low: number, conduit: 'smc' | 'hvc'): number[] => [
  0x52b08000, // mov w0, #0x84000000
  0x72800000 | (low << 5), // movk w0, #low
  conduit === 'smc' ? 0xd4000003 : 0xd4000002,
];
const FOREVER = 0x14000000; // b .

describe('a UART besides the console’s', () => {
  /** Writes 7 to it, with FIFO and interrupts as they are after a reset, and switches off. */
  const kernel = image(
    0x52800001 | (7 << 5), // mov w1, #7
    ...PUT_X1.with(1, 0xd2a12082), // mov x2, #0x09040000
    ...psci(8, 'hvc'),
  );

  it('has an end of its own', async () => {
    let sent = '';
    const second = new Writable({ write: (chunk: Buffer, _, done) => ((sent += chunk.toString()), done()) });
    const { machine, text } = make({ kernel, second });
    expect(await machine.run()).toEqual({ reason: 'poweroff', text: '' });
    expect([text(), sent]).toEqual(['', '7']);
    expect(parseDtb(machine.deviceTree).find('serial1')!.path).toBe('/pl011@9040000');
  });

  it('is there only when something takes what it sends', async () => {
    const { machine, text } = make({ kernel });
    setTimeout(() => machine.stop(), 100);
    expect((await machine.run()).reason).toBe('stopped');
    expect(text()).toBe('');
    expect(parseDtb(machine.deviceTree).compatible('arm,pl011')).toHaveLength(1);
  });

  it('makes the guest wait while its end takes nothing', async () => {
    const chunks: Buffer[] = [];
    const second = new Writable({
      highWaterMark: 16,
      write: (chunk: Buffer, _, done) => (chunks.push(Buffer.from(chunk)), void setImmediate(done)),
    });
    // `echo` on the second UART would need input: digits without end, until enough have come.
    const digits = image(...PUT_X1.with(0, 0x52800681).with(1, 0xd2a12082), 0x17fffffd); // mov w1, #'4'; …; b .-12
    const { machine } = make({ kernel: digits, second });
    const look = setInterval(() => Buffer.concat(chunks).length > 20_000 && machine.stop(), 1);
    expect((await machine.run()).reason).toBe('stopped');
    clearInterval(look);
    expect(Buffer.concat(chunks).toString()).toMatch(/^4{20000,}$/);
  });
});

describe.each(['boot', 'bare'] as const)('a machine (%s)', (mode) => {
  it('runs a kernel given by its content, to its end', async () => {
    const { machine, text } = make({ mode, kernel: smallImage('hello') });
    expect(await machine.run()).toEqual({ reason: 'poweroff', text: '' });
    expect(text()).toBe('hi\n');
    expect(machine.stats.instructions).toBeGreaterThan(20);
  });

  it('keeps what is written to its console until the guest listens', async () => {
    const { machine, text } = make({ mode, kernel: smallImage('echo') });
    machine.write('before ');
    setTimeout(() => machine.write('after q'), 30);
    expect((await machine.run()).reason).toBe('poweroff');
    expect(text()).toBe('>before after q');
  });

  it('ends when it is stopped, also while its guest sleeps or loops', async () => {
    for (const kernel of [smallImage('echo'), image(FOREVER)]) {
      const { machine } = make({ mode, kernel });
      setTimeout(() => machine.stop(), 30);
      expect((await machine.run()).reason).toBe('stopped');
    }
  });

  it('ends at a reset where it is not to restart', async () => {
    const { machine } = make({ mode, kernel: smallImage('restart'), restarts: false });
    expect((await machine.run()).reason).toBe('reset');
  });

  it('gives a guest that resets other seeds, unless they were given', async () => {
    // Writes its device tree to the console, and resets.
    const program = assembleProgram(
      `ldr w3, [x0, #4]
       rev w3, w3
       movz x2, #0x900, lsl #16
       next: ldr w5, [x2, #0x18]
       tbnz w5, #5, next
       ldrb w1, [x0], #1
       str w1, [x2]
       subs w3, w3, #1
       b.ne next
       movz w0, #0x8400, lsl #16
       movk w0, #9
       hvc #0`,
      0,
    );
    const kernel = image(...program);
    for (const seed of [undefined, new Uint8Array(40)]) {
      const { machine, text } = make({ mode, kernel, seed });
      const size = machine.deviceTree.length;
      const look = setInterval(() => text().length >= 2 * size && machine.stop(), 1);
      await machine.run();
      clearInterval(look);
      const [first, second] = [0, 1].map((n) => Buffer.from(text(), 'latin1').subarray(n * size, (n + 1) * size));
      expect(first).toEqual(Buffer.from(machine.deviceTree));
      expect(second!.equals(first!)).toBe(seed !== undefined);
      expect(parseDtb(second!).find('/chosen')!.get('rng-seed')).toHaveLength(32);
    }
  });

  it('ends when the guest panics, with what it said', async () => {
    const { machine } = make({ mode, kernel: smallImage('panic') });
    expect(await machine.run()).toEqual({ reason: 'panic', text: 'Kernel panic - not syncing: no reason' });
  });

  it('is not built from a file that is none', () => {
    expect(() => make({ mode, kernel: new Uint8Array(100) })).toThrow(GuestImageError);
  });
});

describe('a bare machine', () => {
  const currentEl = [
    0xd5384241, // mrs x1, CurrentEL
    0xd342fc21, // lsr x1, x1, #2
  ];

  it('starts at EL1 or EL2, with the firmware below it', async () => {
    for (const el of [1, 2] as const) {
      const { machine, text } = make({
        mode: 'bare',
        el,
        kernel: image(...currentEl, ...PUT_X1, ...psci(8, 'smc'), FOREVER),
      });
      expect((await machine.run()).reason).toBe('poweroff');
      expect(text()).toBe(`${el}`);
    }
  });

  it('says in its tree how the firmware is called: HVC from EL1, SMC where EL2 is the software’s', () => {
    for (const [el, method] of [
      [1, 'hvc'],
      [2, 'smc'],
    ] as const) {
      const { machine } = make({ mode: 'bare', el, kernel: image(FOREVER) });
      expect(Buffer.from(machine.deviceTree).toString('latin1')).toContain(`${method}\0`);
    }
  });

  it('has the firmware answer what it does not know with NOT_SUPPORTED', async () => {
    const { machine, text } = make({
      mode: 'bare',
      kernel: image(
        ...psci(0x1f, 'hvc'),
        0x4b0003e1, // neg w1, w0
        ...PUT_X1,
        ...psci(8, 'hvc'),
        FOREVER,
      ),
    });
    expect((await machine.run()).reason).toBe('poweroff');
    expect(text()).toBe('1');
  });
});
