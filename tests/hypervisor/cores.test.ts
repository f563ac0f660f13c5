import { describe, expect, it } from 'vitest';
import { assembleProgram } from '../../arch/a64/assemble.ts';
import { Machine } from '../../index.ts';

/** Where a flat binary is loaded, and doublewords that a program leaves its results in. */
const ENTRY = 0x4008_0000;
const RESULTS = 'movz x0, #0x4040, lsl #16';

/** Runs a program of several cores, by its text; X0 of the first one is RESULTS. @returns its results */
async function run(source: string, options: { mode: 'boot' | 'bare'; cpus: number; el?: 1 | 2 }): Promise<bigint[]> {
  const { el = 1 } = options;
  const program = assembleProgram(`${RESULTS}\n${source}\n${report(el === 1 ? 'hvc' : 'smc')}`, ENTRY);
  const kernel = new Uint8Array(program.buffer, program.byteOffset, program.byteLength);
  let text = '';
  const onOutput = (bytes: Uint8Array): void => void (text += Buffer.from(bytes).toString('latin1'));
  const machine = new Machine({ ...options, kernel, memory: 16 << 20, onOutput });
  expect((await machine.run()).reason).toBe('poweroff');
  return Array.from({ length: 4 }, (_, n) => BigInt.asIntN(64, BigInt(`0x${text.slice(16 * n, 16 * n + 16)}`)));
}

/** Writes four doublewords of results to the UART, and powers off. */
const report = (conduit: string): string => `
    report:
      ${RESULTS}
      movz x9, #0x0900, lsl #16
      mov x10, #4
    doubleword:
      ldr x11, [x0], #8
      mov x12, #16
    digit:
      ror x11, x11, #60
      and x13, x11, #15
      add x14, x13, #0x30
      add x15, x13, #0x57
      cmp x13, #10
      csel x13, x14, x15, lo
      str w13, [x9]
      subs x12, x12, #1
      b.ne digit
      subs x10, x10, #1
      b.ne doubleword
      movz x0, #8
      movk x0, #0x8400, lsl #16
      ${conduit} #0`;

/** PSCI calls: X0 the function, X1 … X3 its arguments. */
const psci = (low: number): string => `movz x0, #${low}\n movk x0, #0xc400, lsl #16\n hvc #0`;
const CPU_ON = psci(3);
const AFFINITY_INFO = psci(4);
const CPU_OFF = 'movz x0, #2\n movk x0, #0x8400, lsl #16\n hvc #0';
/** Turns core X1 on at `label`, with RESULTS in its X0. */
const turnOn = (label: string): string => `adr x2, ${label}\n mov x3, x20\n ${CPU_ON}`;

/**
 * Has one of this core's own interrupts signalled, in Group 1: distributor on, redistributor awake, the interrupt enabled, CPU
 * interface on. X19 becomes the core's number.
 */
const interrupt = (intid: number): string => `
      mrs x19, mpidr_el1
      and x19, x19, #0xff
      movz x9, #0x0800, lsl #16
      mov w10, #0x12
      str w10, [x9]
      movz x9, #0x080a, lsl #16
      add x9, x9, x19, lsl #17
      str wzr, [x9, #0x14]
      add x9, x9, #16, lsl #12
      movz w10, #${2 ** (intid % 16)}, lsl #${intid < 16 ? 0 : 16}
      str w10, [x9, #0x80]
      str w10, [x9, #0x100]
      mov x10, #0xf0
      msr icc_pmr_el1, x10
      mov x10, #1
      msr icc_igrpen1_el1, x10
      isb`;

describe.each(['boot', 'bare'] as const)('the cores of a machine (%s)', (mode) => {
  it('are turned on, work on the same memory and are turned off', async () => {
    const result = await run(
      `
      mov x20, x0
      mov x21, #1
    each:
      mov x1, x21
      ${turnOn('work')}
      cbnz x0, failed
      add x21, x21, #1
      cmp x21, #4
      b.ne each
      // This one, and one that there is not.
      mov x1, #0
      ${turnOn('work')}
      str x0, [x20, #16]
      mov x1, #4
      ${turnOn('work')}
      str x0, [x20, #24]
    wait:
      ldar x1, [x20]
      cmp x1, #3, lsl #12
      b.ne wait
      mov x21, #1
    off:
      mov x1, x21
      mov x2, #0
      ${AFFINITY_INFO}
      cmp x0, #1
      b.ne off
      add x21, x21, #1
      cmp x21, #4
      b.ne off
    failed:
      b report
    work:
      mov x20, x0
      mov x4, #0x1000
      add x5, x20, #8
    again:
      ldaxr x1, [x5]
      add x1, x1, #1
      stlxr w2, x1, [x5]
      cbnz w2, again
      mov x1, #1
      ldadd x1, x2, [x20]
      subs x4, x4, #1
      b.ne again
      ${CPU_OFF}
      b work
    `,
      { mode, cpus: 4 },
    );
    expect(result).toEqual([3n << 12n, 3n << 12n, -4n, -2n]);
  });

  it('wake each other by interrupts, out of WFI', async () => {
    // SGI 1 goes round: each core takes it, notes that it was there and sends it on to the next.
    const result = await run(
      `
      mov x20, x0
      mov x21, #1
    each:
      mov x1, x21
      ${turnOn('start')}
      add x21, x21, #1
      cmp x21, #3
      b.ne each
      mov x0, x20
    start:
      mov x20, x0
      ${interrupt(1)}
      // All are ready before the first one sends.
      mov x1, #1
      ldaddal x1, x2, [x20]
      cbnz x19, sleep
    ready:
      ldar x1, [x20]
      cmp x1, #3
      b.ne ready
      b send
    sleep:
      wfi
      mrs x11, icc_iar1_el1
      cmp x11, #1
      b.ne sleep
      msr icc_eoir1_el1, x11
      add x12, x20, x19, lsl #3
      ldr x13, [x12, #8]
      add x13, x13, #1
      str x13, [x12, #8]
      cbnz x19, send
      cmp x13, #50
      b.eq done
    send:
      add x14, x19, #1
      cmp x14, #3
      csel x14, xzr, x14, eq
      mov x15, #1
      lsl x15, x15, x14
      movz x16, #0x0100, lsl #16
      orr x15, x15, x16
      msr icc_sgi1r_el1, x15
      b sleep
    done:
      b report
    `,
      { mode, cpus: 3 },
    );
    expect(result.slice(1)).toEqual([50n, 50n, 50n]);
  });

  it('keep their timers apart', async () => {
    // Core 1 sleeps until its timer is due while core 0 runs; then core 0 sleeps for what core 1 sends.
    const result = await run(
      `
      mov x20, x0
      mov x1, #1
      ${turnOn('other')}
    wait:
      ldar x1, [x20]
      cbz x1, wait
      mrs x2, cntv_ctl_el0
      str x2, [x20, #16]
      b report
    other:
      mov x20, x0
      ${interrupt(27)}
      mrs x11, cntvct_el0
      mov x10, #1000
      msr cntv_tval_el0, x10
      mov x10, #1
      msr cntv_ctl_el0, x10
      isb
      wfi
      mrs x12, cntvct_el0
      sub x12, x12, x11
      str x12, [x20, #8]
      mrs x13, icc_iar1_el1
      stlr x13, [x20]
    rest:
      wfi
      b rest
    `,
      { mode, cpus: 2 },
    );
    expect(result[0]).toBe(27n);
    expect(result[1]).toBeGreaterThanOrEqual(1000n);
    expect(result[2]).toBe(0n);
  });
});

describe('the cores of a bare machine', () => {
  it('begin at the machine’s exception level, in their reset state', async () => {
    const result = await run(
      `
      mov x20, x0
      msr tpidr_el2, x20
      mov x1, #1
      adr x2, other
      mov x3, x20
      movz x0, #3
      movk x0, #0xc400, lsl #16
      smc #0
    wait:
      ldar x1, [x20]
      cbz x1, wait
      b report
    other:
      mrs x1, currentel
      str x1, [x0, #8]
      mrs x1, daif
      str x1, [x0, #16]
      mrs x1, tpidr_el2
      str x1, [x0, #24]
      mrs x1, mpidr_el1
      and x1, x1, #0xff
      stlr x1, [x0]
    rest:
      wfi
      b rest
    `,
      { mode: 'bare', cpus: 2, el: 2 },
    );
    expect(result).toEqual([1n, 8n, 0x3c0n, 0n]);
  });
});
