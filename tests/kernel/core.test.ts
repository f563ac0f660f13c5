import { describe, expect, test } from 'vitest';
import { sysregKey } from '../../arch/core/frame.ts';
import * as abi from '../../kernel/abi/index.ts';
import { Answer, Err, Exit, Fault, ObjectType, Reg, Rights, Root } from '../../kernel/abi/index.ts';
import { machine, writeProgram } from './core-machine.ts';
import { Allocator } from './task.ts';
import { IPA, LR_GROUP1, LR_HW, LR_PENDING, makeVm } from './vm.ts';

const CODE = 0x40_0000;
const DATA = 0x80_0000;
const { READ, WRITE, EXECUTE } = Rights;

interface Task {
  a: Allocator;
  thread: number;
  space: number;
  faults: number;
  reply: number;
}

/** A native task with a page of code; its faults come to `faults`. X19 points to where its page of data would be. */
function* makeTask(env: abi.ServiceEnv, source: string): abi.Entry<Task> {
  const a = new Allocator(env);
  const faults = yield* a.endpoint();
  const reply = yield* a.reply();
  const space = yield* a.make(ObjectType.SPACE, 16);
  const code = yield* a.make(ObjectType.FRAME, 12);
  writeProgram(env.window(code), source, CODE);
  yield* abi.map(env, space, code, CODE, READ | EXECUTE);
  const { thread } = yield* a.thread({ space, faultEndpoint: faults });
  yield* abi.writeThreadRegisters(env, thread, Reg.PC, CODE, 19, DATA);
  return { a, thread, space, faults, reply };
}

describe('native tasks', () => {
  test('a task calls a service, and signals', () => {
    machine([
      function* (env) {
        const task = yield* makeTask(
          env,
          `again: mov x0, x20
           mov w1, #0x50000
           movk w1, #2
           mov x2, x22
           mov x3, #10
           mov w8, #0x1000
           svc #0
           add x22, x22, x2
           sub x23, x23, #1
           cbnz x23, again
           mov x0, x21
           mov w8, #0x1006
           svc #0
           stop: b stop`,
        );
        const endpoint = yield* task.a.badged(yield* task.a.endpoint(), 9);
        const done = yield* task.a.notification();
        yield* abi.bindNotification(env, Root.THREAD, done);
        yield* abi.writeThreadRegisters(env, task.thread, 20, endpoint, 21, done, 22, 0, 23, 100);
        yield* abi.resume(env, task.thread);
        let message = yield* abi.recv(env, endpoint, task.reply);
        let sum = 0;
        for (; !message.notification; sum++) {
          expect([message.label, message.length, message.badge]).toEqual([5, 2, 9]);
          message = yield* abi.replyRecv(env, endpoint, task.reply, 0, env.word(0) === sum ? 1 : 1000);
        }
        expect(sum).toBe(100);
      },
    ]).run();
  });

  test('a page fault goes to the pager, and the task goes on when the page is there', () => {
    machine([
      function* (env) {
        const task = yield* makeTask(
          env,
          `mov x1, #77\nstr x1, [x19]\nldr x2, [x19]\nmov x8, #1\nsvc #0\nstop: b stop`,
        );
        yield* abi.resume(env, task.thread);
        let fault = yield* abi.recv(env, task.faults, task.reply);
        expect([fault.label, env.word(1), env.word(2)]).toEqual([Fault.PAGE, DATA, CODE + 4]);
        const page = yield* task.a.make(ObjectType.FRAME, 12);
        yield* abi.map(env, task.space, page, DATA, READ);
        // Read-only: the store faults again.
        fault = yield* abi.replyRecv(env, task.faults, task.reply, 0);
        expect([fault.label, env.word(1)]).toEqual([Fault.PAGE, DATA]);
        yield* abi.unmap(env, page);
        yield* abi.map(env, task.space, page, DATA, READ | WRITE);
        fault = yield* abi.replyRecv(env, task.faults, task.reply, 0);
        expect(fault.label).toBe(Fault.UNKNOWN_SYSCALL);
        expect(env.window(page).read64(0)).toBe(77n);
        yield* abi.call(env, task.thread, abi.Op.THREAD_READ_REGISTERS, 2);
        expect(env.word(0)).toBe(77);
      },
    ]).run();
  });

  test('a foreign system call is served by another task', () => {
    machine([
      function* (env) {
        const task = yield* makeTask(env, `mov x8, #63\nmov x0, #11\nsvc #0\nmov x8, #64\nsvc #0\nstop: b stop`);
        yield* abi.resume(env, task.thread);
        yield* abi.recv(env, task.faults, task.reply);
        expect([env.word(0), env.word(1)]).toEqual([63, 11]);
        yield* abi.replyRecv(env, task.faults, task.reply, Answer.SET_REGISTERS, 0, 1234);
        expect([env.word(0), env.word(1)]).toEqual([64, 1234]);
      },
    ]).run();
  });

  test('an undefined instruction is an EXCEPTION, and an answer can step over it', () => {
    machine([
      function* (env) {
        const task = yield* makeTask(env, `udf #0\nmov x8, #7\nsvc #0\nstop: b stop`);
        yield* abi.resume(env, task.thread);
        const fault = yield* abi.recv(env, task.faults, task.reply);
        expect([fault.label, env.word(0) >>> 26, env.word(2)]).toEqual([Fault.EXCEPTION, 0, CODE]);
        const next = yield* abi.replyRecv(env, task.faults, task.reply, Answer.ADVANCE);
        expect(next.label).toBe(Fault.UNKNOWN_SYSCALL);
      },
    ]).run();
  });

  test('a task that never enters the kernel is preempted, and budgets share the core', () => {
    machine([
      function* (env) {
        const task = yield* makeTask(env, `loop: add x0, x0, #1\nb loop`);
        const other = yield* task.a.thread({ space: task.space, budget: 3000 });
        yield* abi.writeThreadRegisters(env, other.thread, Reg.PC, CODE);
        yield* abi.resume(env, task.thread);
        yield* abi.resume(env, other.thread);
        const n = yield* task.a.notification();
        yield* abi.wait(env, n, env.now() + env.frequency / 5);
        const counts: number[] = [];
        for (const thread of [task.thread, other.thread]) {
          yield* abi.call(env, thread, abi.Op.THREAD_READ_REGISTERS, 0);
          counts.push(env.word(0));
        }
        // A round takes two instructions; 10 ms and 30 ms of the 200 ms are theirs, the rest is shared in the background.
        const ms = env.frequency / 1000 / 2;
        expect(counts[0]).toBeGreaterThan(10 * ms);
        expect(counts[1]).toBeGreaterThan(30 * ms);
        expect(counts[0]! + counts[1]!).toBeGreaterThan(180 * ms);
      },
    ]).run();
  });

  test('with LIMIT a thread gets its budget and no more', () => {
    machine([
      function* (env) {
        const task = yield* makeTask(env, `loop: add x0, x0, #1\nb loop`);
        const sched = yield* task.a.make(ObjectType.SCHED_CONTEXT);
        yield* abi.bindSched(env, task.thread, 0);
        yield* abi.configureSched(env, Root.SCHED_CONTROL, sched, 2000, 20_000, abi.Sched.LIMIT);
        yield* abi.bindSched(env, task.thread, sched);
        yield* abi.resume(env, task.thread);
        const n = yield* task.a.notification();
        yield* abi.wait(env, n, env.now() + env.frequency / 5);
        yield* abi.call(env, sched, abi.Op.SCHED_CONTEXT_INFO);
        expect(env.word(2)).toBeGreaterThan(15_000);
        expect(env.word(2)).toBeLessThan(22_500);
      },
    ]).run();
  });
});

const systemRegister = (...key: [number, number, number, number, number]): number => Reg.SYSTEM | sysregKey(...key);

describe('virtual machines', () => {
  test('MMIO reads and writes, HVC and trapped registers exit and go on', () => {
    const exits: unknown[] = [];
    machine([
      function* (env) {
        const vm = yield* makeVm(
          env,
          `movz x1, #0x900, lsl #16
           ldr w2, [x1, #0x18]
           add w3, w2, #1
           strh w3, [x1]
           mrs x4, id_aa64pfr0_el1
           add x5, x4, x2
           mov x0, x5
           hvc #5
           smc #0
           stop: b stop`,
        );
        yield* abi.resume(env, vm.thread);
        let exit = yield* abi.recv(env, vm.exits, vm.reply);
        exits.push([exit.label, env.word(2)]);
        exit = yield* abi.replyRecv(env, vm.exits, vm.reply, Answer.ADVANCE | Answer.SET_REGISTERS, 2, 0x41);
        exits.push([exit.label, env.word(2), env.word(5)]);
        exit = yield* abi.replyRecv(env, vm.exits, vm.reply, Answer.ADVANCE);
        exits.push([exit.label]);
        exit = yield* abi.replyRecv(env, vm.exits, vm.reply, Answer.ADVANCE | Answer.SET_REGISTERS, 4, 0x1000);
        exits.push([exit.label, env.word(0), env.word(18) % 65536]);
        exit = yield* abi.replyRecv(env, vm.exits, vm.reply, 0);
        exits.push([exit.label, yield* abi.readVcpuRegister(env, vm.vcpu, Reg.PC)]);
      },
    ]).run();
    expect(exits).toEqual([
      [Exit.STAGE2_ABORT, 0x900_0018],
      [Exit.STAGE2_ABORT, 0x900_0000, 0x42],
      [Exit.SYSREG],
      [Exit.HVC, 0x1041, 5],
      [Exit.SMC, BigInt(IPA + 8 * 4)],
    ]);
  });

  test('a guest takes virtual timer interrupts through a list register with HW = 1, and WFI sleeps between them', () => {
    let ticks = 0;
    const m = machine([
      function* (env) {
        // Vectors at IPA + 0x800; each interrupt sets the timer anew and ends the interrupt, 5 times; then HVC.
        const vm = yield* makeVm(
          env,
          `movz x0, #0x4000, lsl #16
           add x0, x0, #0x800
           msr vbar_el1, x0
           mov x20, #5
           mov x0, #1
           msr s3_0_c12_c12_7, x0
           mov x0, #0xff
           msr s3_0_c4_c6_0, x0
           movz x21, #0x1, lsl #16
           msr cntv_tval_el0, x21
           mov x0, #1
           msr cntv_ctl_el0, x0
           msr daifclr, #2
           idle: wfi
           cbnz x20, idle
           hvc #0
           stop: b stop`,
        );
        const window = env.window(vm.memory);
        const handler = `mrs x1, s3_0_c12_c12_0
           sub x20, x20, #1
           msr cntv_tval_el0, x21
           msr s3_0_c12_c12_1, x1
           eret`;
        writeProgram(
          { ...window, write32: (at: number, value: number) => window.write32(at + 0x800 + 0x280, value) },
          handler,
          IPA + 0xa80,
        );
        const timer = vm.a.slot();
        yield* abi.makeIrq(env, Root.IRQ_CONTROL, 27, 0, Root.CNODE, timer);
        yield* abi.writeVcpuRegisters(env, vm.vcpu, systemRegister(3, 4, 12, 11, 0), 1);
        yield* abi.resume(env, vm.thread);
        let exit = yield* abi.recv(env, vm.exits, vm.reply);
        while (exit.label === Exit.VTIMER) {
          ticks++;
          yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | LR_HW | (0xa0n << 48n) | 27n, timer);
          exit = yield* abi.replyRecv(env, vm.exits, vm.reply, 0);
        }
        expect(exit.label).toBe(Exit.HVC);
      },
    ]);
    m.run();
    expect(ticks).toBe(5);
    // 5 × 65,536 ticks passed, nearly all of them asleep.
    expect(m.core.retired).toBeLessThan(2000);
  });

  test('a busy guest does not keep its VMM from a deadline', () => {
    machine([
      function* (env) {
        const vm = yield* makeVm(env, `loop: add x0, x0, #1\nb loop`);
        yield* abi.resume(env, vm.thread);
        const due = env.now() + 1_000_000;
        const message = yield* abi.recv(env, vm.exits, vm.reply, due);
        expect(message.error).toBe(Err.TIMEOUT);
        expect(env.now() - due).toBeLessThan(200_000);
        yield* abi.suspend(env, vm.thread);
        expect(Number(yield* abi.readVcpuRegister(env, vm.vcpu, 0))).toBeGreaterThan(100_000);
      },
    ]).run();
  });
});
