import { describe, expect, test } from 'vitest';
import { EC } from '../../arch/core/exception.ts';
import { sysregKey } from '../../arch/core/frame.ts';
import * as abi from '../../kernel/abi/index.ts';
import { Err, Exit, Fault, ObjectType, Reg, Rights, Root } from '../../kernel/abi/index.ts';
import { FREQUENCY, machine, writeProgram } from './core-machine.ts';
import { Allocator, errorOf } from './task.ts';
import { LR_GROUP1, LR_HW, LR_PENDING, makeVm } from './vm.ts';

const PMU = 23;
/** Where a native task's program is. */
const CODE = 0x40_0000;
const PMCR = Reg.SYSTEM | sysregKey(3, 3, 9, 12, 0);
const PMOVS = Reg.SYSTEM | sysregKey(3, 3, 9, 14, 3);
const PMEVCNTR0 = Reg.SYSTEM | sysregKey(3, 3, 14, 8, 0);
/** Cycles of PMCCNTR_EL0 in a tick of the counter. */
const CYCLES = 1e9 / FREQUENCY;

/** Counter 0 counts instructions, from X10 on, and the cycle counter runs, both at EL2 too if they may. */
const START = `
  mov x0, #8
  movk x0, #0x800, lsl #16
  msr s3_3_c14_c12_0, x0    // PMEVTYPER0_EL0: INST_RETIRED, NSH
  movz x0, #0x800, lsl #16
  msr s3_3_c14_c15_7, x0    // PMCCFILTR_EL0: NSH
  msr s3_3_c14_c8_0, x10    // PMEVCNTR0_EL0
  mov x0, #1
  msr s3_0_c9_c14_1, x0     // PMINTENSET_EL1
  movk x0, #0x8000, lsl #16
  msr s3_3_c9_c12_1, x0     // PMCNTENSET_EL0
  mov x0, #1
  msr s3_3_c9_c12_0, x0     // PMCR_EL0.E`.replaceAll(/\/\/.*$/gm, '');
const READ_COUNTERS = 'mrs x1, s3_3_c14_c8_0\nmrs x2, s3_3_c9_c13_0\n';
/** Counter 0 counts CPU_CYCLES instead, and the cycle counter's filter is without NSH. */
const COUNT_CYCLES = `
  mov x0, #0x11
  movk x0, #0x800, lsl #16
  msr s3_3_c14_c12_0, x0
  msr s3_3_c14_c15_7, xzr`;

describe('the performance monitors of a guest', () => {
  test('are all of the machine’s, and do not trap', () => {
    machine([
      function* (env) {
        const vm = yield* makeVm(env, `mrs x0, s3_3_c9_c12_0\nmsr s3_3_c9_c14_0, xzr\nhvc #0\nstop: b stop`);
        yield* abi.resume(env, vm.thread);
        const exit = yield* abi.recv(env, vm.exits, vm.reply);
        expect([exit.label, (env.word(0) >> 11) & 31]).toEqual([Exit.HVC, 6]);
      },
    ]).run();
  });

  /** Reads the counters, calls the hypervisor, reads them again, and calls with what was counted between: X0 and X1. */
  const between = (start: string, event: string): string =>
    `${start}\n${event}mov x11, x1\nmov x12, x2\nhvc #0\n${event}sub x0, x1, x11\nsub x1, x2, x12\nhvc #0\nstop: b stop`;

  test.each([
    ['as they count instructions and cycles', START, READ_COUNTERS],
    ['as an event counter counts cycles', `${START}\n${COUNT_CYCLES}`, READ_COUNTERS],
  ])('do not count while the guest waits, also where it asks for EL2, %s', (_, start, event) => {
    machine([
      function* (env) {
        const vm = yield* makeVm(env, between(start, event));
        yield* abi.resume(env, vm.thread);
        yield* abi.recv(env, vm.exits, vm.reply);
        yield* abi.wait(env, yield* vm.a.notification(), env.now() + 1_000_000);
        yield* abi.replyRecv(env, vm.exits, vm.reply, 0);
        // Of 1,000,000 ticks: the few between the two reads.
        expect(env.word(0)).toBeLessThan(1000 * CYCLES);
        expect(env.word(1)).toBeLessThan(1000 * CYCLES);
      },
    ]).run();
  });

  test('count what their guest does and not what another one does', () => {
    machine([
      function* (env) {
        const vm = yield* makeVm(env, between(START, READ_COUNTERS));
        const other = yield* makeVm(env, `${START}\nloop: add x20, x20, #1\nb loop`, vm.a);
        yield* abi.resume(env, vm.thread);
        yield* abi.recv(env, vm.exits, vm.reply);
        yield* abi.resume(env, other.thread);
        yield* abi.wait(env, yield* vm.a.notification(), env.now() + 1_000_000);
        yield* abi.suspend(env, other.thread);
        yield* abi.replyRecv(env, vm.exits, vm.reply, 0);
        // From one read to the next: five instructions.
        expect(env.word(0)).toBeLessThanOrEqual(6);
        expect(env.word(1)).toBeLessThan(1000 * CYCLES);
        const counted = Number(yield* abi.readVcpuRegister(env, other.vcpu, PMEVCNTR0));
        const loops = Number(yield* abi.readVcpuRegister(env, other.vcpu, 20));
        expect(loops).toBeGreaterThan(1000);
        expect(Math.abs(counted - 2 * loops)).toBeLessThan(10);
      },
    ]).run();
  });

  test('exit as PMU when a counter overflows, once until it is deactivated, and not while there is no overflow', () => {
    machine([
      function* (env) {
        const vm = yield* makeVm(env, `movn w10, #99\n${START}\nloop: add x20, x20, #1\nb loop`);
        const irq = vm.a.slot();
        yield* abi.makeIrq(env, Root.IRQ_CONTROL, PMU, 0, Root.CNODE, irq);
        expect(yield* errorOf(abi.bindIrq(env, irq, yield* vm.a.notification()))).toBe(Err.WRONG_STATE);
        yield* abi.resume(env, vm.thread);
        const exit = yield* abi.recv(env, vm.exits, vm.reply);
        expect([exit.label, exit.length, env.word(0)]).toEqual([Exit.PMU, 1, 1]);
        expect(Number(yield* abi.readVcpuRegister(env, vm.vcpu, 20))).toBeLessThan(200);
        yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | LR_HW | BigInt(PMU), irq);
        yield* abi.send(env, vm.reply, 0);
        const next = (): abi.Entry<abi.Message> => abi.recv(env, vm.exits, vm.reply, env.now() + 20_000);
        expect((yield* next()).error).toBe(Err.TIMEOUT);
        // Deactivated, it comes again while the overflow stands, and not after that.
        yield* abi.ackIrq(env, irq);
        expect((yield* next()).label).toBe(Exit.PMU);
        yield* abi.writeVcpuRegisters(env, vm.vcpu, PMOVS, 0);
        yield* abi.ackIrq(env, irq);
        yield* abi.send(env, vm.reply, 0);
        expect((yield* next()).error).toBe(Err.TIMEOUT);
      },
    ]).run();
  });

  test('of two VCPUs have an interrupt each', () => {
    machine([
      function* (env) {
        const source = `movn w10, #99\n${START}\nloop: add x20, x20, #1\nb loop`;
        const one = yield* makeVm(env, source);
        const two = yield* makeVm(env, source, one.a);
        const irq = one.a.slot();
        yield* abi.makeIrq(env, Root.IRQ_CONTROL, PMU, 0, Root.CNODE, irq);
        for (const vm of [one, two]) {
          yield* abi.resume(env, vm.thread);
          expect((yield* abi.recv(env, vm.exits, vm.reply)).label).toBe(Exit.PMU);
          yield* abi.suspend(env, vm.thread);
        }
        // Active for both, and for both as long as it is not deactivated.
        for (const vm of [one, two]) {
          yield* abi.resume(env, vm.thread);
          expect((yield* abi.recv(env, vm.exits, vm.reply, env.now() + 20_000)).error).toBe(Err.TIMEOUT);
          yield* abi.suspend(env, vm.thread);
        }
        // Given back for the one, which does not run: not for the other.
        yield* abi.inject(env, one.vcpu, LR_HW, irq);
        yield* abi.resume(env, two.thread);
        expect((yield* abi.recv(env, two.exits, two.reply, env.now() + 20_000)).error).toBe(Err.TIMEOUT);
        yield* abi.suspend(env, two.thread);
        yield* abi.resume(env, one.thread);
        expect((yield* abi.recv(env, one.exits, one.reply, env.now() + 20_000)).label).toBe(Exit.PMU);
      },
    ]).run();
  });

  test('are out of a native task’s reach', () => {
    machine([
      function* (env) {
        const a = new Allocator(env);
        const faults = yield* a.endpoint();
        const reply = yield* a.reply();
        const space = yield* a.make(ObjectType.SPACE, 16);
        const code = yield* a.make(ObjectType.FRAME, 12);
        writeProgram(env.window(code), READ_COUNTERS, CODE);
        yield* abi.map(env, space, code, CODE, Rights.READ | Rights.EXECUTE);
        const { thread } = yield* a.thread({ space, faultEndpoint: faults });
        yield* abi.writeThreadRegisters(env, thread, Reg.PC, CODE);
        yield* abi.resume(env, thread);
        const fault = yield* abi.recv(env, faults, reply);
        expect([fault.label, env.word(0) >>> 26, env.word(2)]).toEqual([Fault.EXCEPTION, EC.SYSREG, CODE]);
      },
    ]).run();
  });

  test('are read and written by who has the VCPU, but not what PMCR_EL0 resets', () => {
    machine([
      function* (env) {
        const vm = yield* makeVm(env, 'stop: b stop');
        yield* abi.writeVcpuRegisters(env, vm.vcpu, PMCR, 0xff, PMEVCNTR0, 77);
        expect(yield* abi.readVcpuRegister(env, vm.vcpu, PMCR)).toBe(0x79n);
        expect(yield* abi.readVcpuRegister(env, vm.vcpu, PMEVCNTR0)).toBe(77n);
      },
    ]).run();
  });
});
