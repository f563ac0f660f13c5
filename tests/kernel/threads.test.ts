import { describe, expect, test } from 'vitest';
import * as abi from '../../kernel/abi/index.ts';
import { Err, Fault, ObjectType, Op, Reg, Rights, Root } from '../../kernel/abi/index.ts';
import { boot, runRoot } from './machine.ts';
import { Allocator, errorOf } from './task.ts';

/** Lets others run for a while. */
function* pause(env: abi.ServiceEnv, a: Allocator, ticks = 500): abi.Entry<void> {
  const n = yield* a.notification();
  yield* abi.wait(env, n, env.now() + ticks);
}

describe('threads', () => {
  test('documented errors', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const { thread, sched } = yield* a.thread();
      const configure = (...words: number[]): abi.Entry<number> =>
        errorOf(abi.call(env, thread, Op.THREAD_CONFIGURE, ...words));
      expect(yield* configure(0, 0, 0, 0)).toBe(Err.INVALID_CAPABILITY);
      expect(yield* configure(Root.CNODE, Root.CNODE, 0, 0)).toBe(Err.INVALID_CAPABILITY);
      expect(yield* configure(Root.CNODE, 0, 0, Root.CNODE)).toBe(Err.INVALID_CAPABILITY);
      expect(yield* configure(Root.CNODE, 0, yield* a.make(ObjectType.FRAME, 13), 0)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* errorOf(abi.setPriority(env, thread, 256, 0))).toBe(Err.INVALID_ARGUMENT);
      expect(yield* errorOf(abi.setSyscallMask(env, thread, 1024))).toBe(Err.INVALID_ARGUMENT);
      expect(yield* errorOf(abi.bindSched(env, thread, sched))).toBe(Err.WRONG_STATE);
      const second = yield* a.make(ObjectType.THREAD);
      expect(yield* errorOf(abi.bindSched(env, second, sched))).toBe(Err.WRONG_STATE);
      expect(yield* errorOf(abi.bindSched(env, second, thread))).toBe(Err.INVALID_CAPABILITY);
      const n = yield* a.notification();
      yield* abi.bindNotification(env, thread, n);
      expect(yield* errorOf(abi.bindNotification(env, second, n))).toBe(Err.WRONG_STATE);
      expect(yield* errorOf(abi.setService(env, thread, 5))).toBe(Err.RANGE);
      expect(yield* errorOf(abi.setService(env, Root.THREAD, 0))).toBe(Err.WRONG_STATE);
      expect(yield* errorOf(abi.writeThreadRegisters(env, thread, Reg.SYSTEM, 0))).toBe(Err.INVALID_ARGUMENT);
      const readOnly = yield* a.copy(thread, Rights.READ);
      expect(yield* errorOf(abi.resume(env, readOnly))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.call(env, yield* a.copy(thread, Rights.WRITE), Op.THREAD_READ_REGISTERS, 0))).toBe(
        Err.NO_RIGHT,
      );
    });
  });

  test('nobody gives a priority above his own maximum', () => {
    const codes: number[] = [];
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        const { thread } = yield* a.thread({ program: 1, priority: 60 });
        yield* abi.writeThreadRegisters(env, thread, 20, thread);
        yield* abi.resume(env, thread);
        yield* pause(env, a);
      },
      [
        function* (env) {
          const self = env.register(20);
          codes.push(yield* errorOf(abi.setPriority(env, self, 61, 0)));
          codes.push(yield* errorOf(abi.setPriority(env, self, 0, 61)));
          codes.push(yield* errorOf(abi.setPriority(env, self, 60, 60)));
        },
      ],
    );
    expect(codes).toEqual([Err.RANGE, Err.RANGE, Err.OK]);
  });

  test('the higher priority runs first, equal ones take turns', () => {
    const order: number[] = [];
    const program: abi.ServiceProgram = function* (env) {
      for (let i = 0; i < 2; i++) {
        order.push(env.register(20));
        yield* abi.yieldProcessor(env);
      }
    };
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        for (const [i, priority] of [50, 70, 50].entries()) {
          const { thread } = yield* a.thread({ program: 1, priority });
          yield* abi.writeThreadRegisters(env, thread, 20, i);
          yield* abi.resume(env, thread);
        }
        yield* pause(env, a);
      },
      [program],
    );
    expect(order).toEqual([1, 1, 0, 2, 0, 2]);
  });

  test('a deleted thread leaves its SchedContext and notification to others', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const { thread, sched } = yield* a.thread();
      const n = yield* a.notification();
      yield* abi.bindNotification(env, thread, n);
      yield* abi.remove(env, Root.CNODE, thread);
      const second = yield* a.make(ObjectType.THREAD);
      yield* abi.bindSched(env, second, sched);
      yield* abi.bindNotification(env, second, n);
    });
  });

  test('a thread deleted while it runs, waits or is called leaves nothing behind', () => {
    let endpoint = 0;
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        const reply = yield* a.reply();
        for (let round = 0; round < 3; round++) {
          const { thread } = yield* a.thread({ program: 1 });
          yield* abi.resume(env, thread);
          if (round === 0) yield* abi.recv(env, endpoint, reply);
          if (round === 1) yield* pause(env, a);
          yield* abi.remove(env, Root.CNODE, thread);
        }
        expect((yield* abi.recv(env, endpoint, reply, env.now() + 500)).error).toBe(Err.TIMEOUT);
      },
      [
        function* (env) {
          yield* abi.call(env, endpoint, 1);
        },
      ],
    );
  });

  test('a suspended caller gets CANCELLED when it is resumed', () => {
    let endpoint = 0;
    const codes: number[] = [];
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        yield* pause(env, a);
        yield* abi.suspend(env, thread);
        expect((yield* abi.nbRecv(env, endpoint)).error).toBe(Err.WOULD_BLOCK);
        yield* abi.resume(env, thread);
        yield* pause(env, a);
      },
      [
        function* (env) {
          codes.push(yield* errorOf(abi.call(env, endpoint, 1)));
        },
      ],
    );
    expect(codes).toEqual([Err.CANCELLED]);
  });
});

describe('services', () => {
  test('an error ends a service: its handler is told, and an answer starts it again', () => {
    let runs = 0;
    const labels: number[] = [];
    const { settle, errors } = boot([
      function* (env) {
        const a = new Allocator(env);
        const faults = yield* a.endpoint();
        const reply = yield* a.reply();
        const { thread } = yield* a.thread({ program: 1, faultEndpoint: yield* a.badged(faults, 5) });
        yield* abi.resume(env, thread);
        let message = yield* abi.recv(env, faults, reply);
        labels.push(message.label, message.badge);
        message = yield* abi.replyRecv(env, faults, reply, 0);
        labels.push(message.label);
      },
      function* () {
        runs++;
        if (runs === 1) throw new Error('the service’s mistake');
        yield;
      },
    ]);
    settle();
    expect(labels).toEqual([Fault.SERVICE_ENDED, 5, Fault.UNKNOWN_SYSCALL]);
    expect(errors.map(String)).toEqual(['Error: the service’s mistake']);
  });
});
