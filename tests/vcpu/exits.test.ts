import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sysregKey } from '../../arch/core/frame.ts';
import { Pl011 } from '../../arch/primecell/pl011.ts';
import { Pl031 } from '../../arch/primecell/pl031.ts';
import { Answer, Exit } from '../../kernel/abi/faults.ts';
import { Exits, PHYSICAL_TIMER_INTID } from '../../vcpu/exits.ts';
import { VGic } from '../../vgic/vgic.ts';
import { MmioBus } from '../../vmmio/bus.ts';
import { FakeVcpus } from '../vgic/fake-vcpus.ts';

const UART = 0x0900_0000;
const GICD = 0x0800_0000;
const GICR = 0x080a_0000;

function machine(): { kernel: FakeVcpus; exits: Exits; gic: VGic; sent: number[]; lines: Map<number, boolean> } {
  const kernel = new FakeVcpus(2, 4);
  const gic = new VGic({ vcpus: [kernel.vcpu(0), kernel.vcpu(1)], spis: 32, listRegisters: 4 });
  gic.linkHardware(0, 27, 27);
  const devices = new MmioBus();
  const sent: number[] = [];
  devices.add(
    'PL011',
    UART,
    0x1000,
    new Pl011({ irq: (level) => gic.setLine(33, level), transmit: (b) => void sent.push(b) }),
  );
  devices.add(
    'PL031',
    UART + 0x1_0000,
    0x1000,
    new Pl031({ irq: (level) => gic.setLine(34, level), clock: () => 1e9 }),
  );
  devices.add('GICD', GICD, 0x1_0000, gic.distributor);
  devices.add('GICR', GICR, 0x4_0000, gic.redistributors);
  const lines = new Map<number, boolean>();
  const interrupts = {
    covers: (address: number): boolean => address >= GICD && address < GICR + 0x4_0000,
    beforeAccess: gic.beforeAccess.bind(gic),
    afterAccess: gic.afterAccess.bind(gic),
    hardwareInterrupt: gic.hardwareInterrupt.bind(gic),
    maintenance: gic.maintenance.bind(gic),
    sendSgi: gic.sendSgi.bind(gic),
    setLine: (intid: number, level: boolean, cpu: number): void => {
      lines.set(intid, level);
      gic.setLine(intid, level, cpu);
    },
  };
  const cpus = {
    cpus: 2,
    isOn: (cpu: number): boolean => cpu === 0,
    isMemory: (a: number): boolean => a === 0x4000_0000,
  };
  return { kernel, exits: new Exits({ cpu: 0, devices, interrupts, machine: cpus }), gic, sent, lines };
}

/** One exit, as the VMM serves it. */
function exit(m: ReturnType<typeof machine>, label: number, ...words: (number | bigint)[]): unknown {
  words.forEach((word, i) => m.kernel.setWord(i, word));
  const outcome = m.exits.serve(m.kernel, label);
  if (outcome === 'access') m.kernel.run(m.exits.access(m.kernel));
  m.kernel.run(m.gic.flush(m.kernel));
  return outcome;
}

/** ESR_EL2 of a load or store of Xrt. */
const transfer = (rt: number, store: boolean, sas = 2): number =>
  ((0x24 << 26) | (1 << 25) | (1 << 24) | (sas << 22) | (rt << 16) | (1 << 15) | (store ? 1 << 6 : 0)) >>> 0;
/** ESR_EL2 of MRS or MSR. */
const access = (rt: number, read: boolean, op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  ((0x18 << 26) |
    (1 << 25) |
    (op0 << 20) |
    (op2 << 17) |
    (op1 << 14) |
    (crn << 10) |
    (rt << 5) |
    (crm << 1) |
    (read ? 1 : 0)) >>>
  0;

describe('an exit', () => {
  it('of a store reaches the device', () => {
    const m = machine();
    exit(m, Exit.STAGE2_ABORT, transfer(3, true), 0, UART, 0, 0, 0x41);
    expect([m.sent, m.exits.answer, m.exits.values]).toEqual([[0x41], Answer.ADVANCE, []]);
  });

  it('of a load gives the register its value', () => {
    const m = machine();
    exit(m, Exit.STAGE2_ABORT, transfer(7, false), 0, UART + 0x1_0000, 0, 0, 0);
    expect([m.exits.answer, m.exits.values]).toEqual([Answer.ADVANCE | Answer.SET_REGISTERS, [7, 1e9]]);
  });

  it('of a load to XZR only goes on', () => {
    const m = machine();
    exit(m, Exit.STAGE2_ABORT, transfer(31, false), 0, UART, 0, 0, 0);
    expect([m.exits.answer, m.exits.values]).toEqual([Answer.ADVANCE, []]);
  });

  it('of cache maintenance where no memory is only goes on, but not where a table of the walk is missing', () => {
    const m = machine();
    // ESR_EL2.CM, WnR; and S1PTW, as of AT too.
    exit(m, Exit.STAGE2_ABORT, 0x9200_0146, 0, 0x0c00_0000, 0, 0, 0);
    expect([m.exits.answer, m.exits.values]).toEqual([Answer.ADVANCE, []]);
    exit(m, Exit.STAGE2_ABORT, 0x9200_01c6, 0, 0x0c00_0000, 0, 0, 0);
    expect(m.exits.answer).toBe(Answer.EXTERNAL_ABORT);
  });

  it('where nothing is, or without a syndrome, is an external abort', () => {
    const m = machine();
    for (const [esr, address] of [
      [transfer(0, false), 0x0c00_0000],
      [transfer(0, false), UART + 2],
      [transfer(0, false) & ~(1 << 24), UART],
      [0x8200_0007, UART],
    ] as const) {
      exit(m, Exit.STAGE2_ABORT, esr, 0, address, 0, 0, 0);
      expect([m.exits.answer, m.exits.values]).toEqual([Answer.EXTERNAL_ABORT, []]);
    }
  });

  it('of the distributor is made with the states of the list registers', () => {
    const m = machine();
    exit(m, Exit.STAGE2_ABORT, transfer(1, false), 0, GICD + 4, 0, 0, 0);
    expect(m.exits.values[0]).toBe(1);
    expect(Number(m.exits.values[1]) & 31).toBe(1);
  });

  it('of MRS of an identification register follows the policy', () => {
    const m = machine();
    exit(m, Exit.SYSREG, access(9, true, 3, 0, 0, 4, 0), 0, 0, 0);
    expect(m.exits.answer).toBe(Answer.ADVANCE | Answer.SET_REGISTERS);
    expect(m.exits.values[0]).toBe(9);
    expect(Number((BigInt(m.exits.values[1]!) >> 8n) & 15n)).toBe(0);
  });

  it('of the physical timer programs it, and its time raises its interrupt', () => {
    const m = machine();
    m.kernel.time = 100;
    exit(m, Exit.SYSREG, access(0, false, 3, 3, 14, 2, 0), 0, 0, 50n);
    exit(m, Exit.SYSREG, access(0, false, 3, 3, 14, 2, 1), 0, 0, 1n);
    expect([m.exits.deadline, m.lines.get(PHYSICAL_TIMER_INTID)]).toEqual([150, false]);
    m.exits.tick(150);
    expect([m.exits.deadline, m.lines.get(PHYSICAL_TIMER_INTID)]).toEqual([Infinity, true]);
  });

  it('of what the guest’s processor does not have is UNDEFINED', () => {
    const m = machine();
    exit(m, Exit.SYSREG, access(0, true, 3, 3, 9, 12, 0), 0, 0, 0);
    expect(m.exits.answer).toBe(Answer.UNDEFINED);
    exit(m, Exit.OTHER, 0, 0, 0, 0);
    expect(m.exits.answer).toBe(Answer.UNDEFINED);
  });

  it('of HVC returns in X0, of SMC also goes on after it', () => {
    const m = machine();
    expect(exit(m, Exit.HVC, 0x8400_0000, 0, 0, 0)).toMatchObject({ action: 'return' });
    expect([m.exits.answer, m.exits.values]).toEqual([Answer.SET_REGISTERS, [0, 0x10001]]);
    exit(m, Exit.SMC, 0x8400_0000, 0, 0, 0);
    expect(m.exits.answer).toBe(Answer.SET_REGISTERS | Answer.ADVANCE);
    expect(exit(m, Exit.HVC, 0xc400_0001, 0, 0, 0)).toMatchObject({ action: 'suspend' });
    expect(m.exits.answer).toBe(Answer.SET_REGISTERS | Answer.WAIT);
  });
});

describe('a hostile guest', () => {
  it('gets an answer to whatever it does, and the VMM lives on', () => {
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.integer({ min: 0, max: 0xff }).map(BigInt),
      fc.constantFrom(0n, 2n ** 64n - 1n, 2n ** 63n),
    );
    const address = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((offset) => BigInt(GICD + offset)),
      fc.integer({ min: 0, max: 0x3_ffff }).map((offset) => BigInt(GICR + offset)),
      fc.integer({ min: 0, max: 0x1_0fff }).map((offset) => BigInt(UART + offset)),
      fc.bigInt({ min: 0n, max: 2n ** 39n - 1n }),
    );
    const anEsr = fc.oneof(
      fc.record({ rt: fc.integer({ min: 0, max: 31 }), store: fc.boolean(), sas: fc.integer({ min: 0, max: 3 }) })
        .map(({ rt, store, sas }) => transfer(rt, store, sas)),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    ); // prettier-ignore
    const keys = fc.constantFrom(
      sysregKey(3, 0, 12, 11, 5),
      sysregKey(3, 3, 14, 2, 0),
      sysregKey(3, 3, 14, 2, 1),
      sysregKey(3, 3, 14, 2, 2),
    );
    const step = fc.oneof(
      fc
        .tuple(anEsr, address, word)
        .map(([esr, at, value]) => [Exit.STAGE2_ABORT, esr, 0n, at, 0n, 0n, value] as const),
      fc.tuple(keys, fc.boolean(), word).map(([key, read, value]) => {
        const esr = access(key & 31, read, (key >> 14) & 3, (key >> 11) & 7, (key >> 7) & 15, (key >> 3) & 15, key & 7);
        return [Exit.SYSREG, esr, 0n, 0n, value] as const;
      }),
      fc.tuple(fc.constantFrom(Exit.HVC, Exit.SMC), word, word, word, word).map((words) => words),
      fc.constantFrom([Exit.MAINTENANCE] as const, [Exit.VTIMER] as const, [Exit.OTHER] as const),
      fc.tuple(fc.integer({ min: 0, max: 0xffff }), word, word),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const m = machine();
        for (const [label, ...words] of steps) {
          m.kernel.time += 1000;
          exit(m, Number(label), ...words);
          const { answer, values } = m.exits;
          expect(answer & ~31).toBe(0);
          if (answer & Answer.SET_REGISTERS) {
            expect(values.length).toBe(2);
            expect(Number(values[0])).toBeLessThanOrEqual(30);
          } else {
            expect(values).toEqual([]);
          }
          m.exits.tick(m.kernel.time);
        }
      }),
      { numRuns: 300 },
    );
  });
});
