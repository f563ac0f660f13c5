import { describe, expect, test } from 'vitest';
import * as abi from '../../kernel/abi/index.ts';
import { Err, ObjectType, Root, Syscall } from '../../kernel/abi/index.ts';
import { boot, runRoot } from './machine.ts';
import { Allocator, errorOf } from './task.ts';

describe('calls', () => {
  test('a call reaches a server with label, words and badge, and its answer comes back', () => {
    let endpoint = 0;
    let reply = 0;
    const seen: unknown[] = [];
    const server: abi.ServiceProgram = function* (env) {
      let message = yield* abi.recv(env, endpoint, reply);
      for (;;) {
        seen.push([message.label, message.length, message.badge, env.word(0), env.word(1)]);
        message = yield* abi.replyRecv(env, endpoint, reply, 7, env.word(0) + env.word(1));
      }
    };
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        reply = yield* a.reply();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        const badged = yield* a.badged(endpoint, 42);
        for (let i = 0; i < 3; i++) {
          const answer = yield* abi.call(env, badged, 5, i, 100);
          expect([answer.label, answer.length, env.word(0)]).toEqual([7, 1, i + 100]);
        }
      },
      [server],
    );
    expect(seen).toEqual([0, 1, 2].map((i) => [5, 2, 42, i, 100]));
  });

  test('120 words travel through the message buffers, 64 bits each', () => {
    let endpoint = 0;
    let reply = 0;
    const words = Array.from({ length: 120 }, (_, i) => BigInt.asUintN(64, 0x0123_4567_89ab_cdefn * BigInt(i + 1)));
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        reply = yield* a.reply();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        const answer = yield* abi.call(env, endpoint, 1, ...words);
        expect(answer.length).toBe(120);
        expect(words.map((_, i) => env.wordBig(i))).toEqual(words.map((w) => w ^ 1n));
      },
      [
        function* (env) {
          const message = yield* abi.recv(env, endpoint, reply);
          const got = Array.from({ length: message.length }, (_, i) => env.wordBig(i));
          yield* abi.replyRecv(env, endpoint, reply, 0, ...got.map((w) => w ^ 1n));
        },
      ],
    );
  });

  test('without a message buffer six words arrive', () => {
    let endpoint = 0;
    let length = 0;
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.configureThread(env, thread, { cnode: Root.CNODE });
        yield* abi.resume(env, thread);
        yield* abi.send(env, endpoint, 1, 1, 2, 3, 4, 5, 6, 7, 8);
        yield* abi.yieldProcessor(env);
      },
      [
        function* (env) {
          length = (yield* abi.recv(env, endpoint)).length;
        },
      ],
    );
    expect(length).toBe(6);
  });

  test('senders are served in the order they came', () => {
    let endpoint = 0;
    const order: number[] = [];
    const sender: abi.ServiceProgram = function* (env) {
      yield* abi.send(env, endpoint, env.register(20));
    };
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        for (let i = 0; i < 4; i++) {
          const { thread } = yield* a.thread({ program: 1, budget: 100 });
          yield* abi.writeThreadRegisters(env, thread, 20, i);
          yield* abi.resume(env, thread);
        }
        const done = yield* a.notification();
        yield* abi.wait(env, done, env.now() + 100);
        for (let i = 0; i < 4; i++) order.push((yield* abi.recv(env, endpoint)).label);
      },
      [sender],
    );
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test('a call to a receiver without a Reply fails with CANCELLED', () => {
    let endpoint = 0;
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        expect(yield* errorOf(abi.call(env, endpoint, 1))).toBe(Err.CANCELLED);
      },
      [
        function* (env) {
          yield* abi.recv(env, endpoint);
        },
      ],
    );
  });

  test('a caller gets CANCELLED when the Reply that holds it is deleted, and when the endpoint goes', () => {
    let endpoint = 0;
    let reply = 0;
    const codes: number[] = [];
    const client: abi.ServiceProgram = function* (env) {
      codes.push(yield* errorOf(abi.call(env, endpoint, 1)));
      codes.push(yield* errorOf(abi.call(env, endpoint, 1)));
    };
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        reply = yield* a.reply();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        yield* abi.recv(env, endpoint, reply);
        yield* abi.remove(env, Root.CNODE, reply);
        const done = yield* a.notification();
        yield* abi.wait(env, done, env.now() + 100);
        yield* abi.remove(env, Root.CNODE, endpoint);
        yield* abi.wait(env, done, env.now() + 100);
      },
      [client],
    );
    expect(codes).toEqual([Err.CANCELLED, Err.CANCELLED]);
  });

  test('a server goes on when its caller was suspended meanwhile', () => {
    let endpoint = 0;
    let reply = 0;
    const labels: number[] = [];
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        reply = yield* a.reply();
        const first = yield* a.thread({ program: 1 });
        yield* abi.resume(env, first.thread);
        labels.push((yield* abi.recv(env, endpoint, reply)).label);
        yield* abi.suspend(env, first.thread);
        expect(yield* errorOf(abi.send(env, reply, 0))).toBe(Err.WRONG_STATE);
        const second = yield* a.thread({ program: 1 });
        yield* abi.resume(env, second.thread);
        labels.push((yield* abi.replyRecv(env, endpoint, reply, 0)).label);
      },
      [
        function* (env) {
          yield* abi.call(env, endpoint, 9);
        },
      ],
    );
    expect(labels).toEqual([9, 9]);
  });

  test('NB_SEND and NB_RECV fail with WOULD_BLOCK when nobody is there', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      expect(yield* abi.nbSend(env, endpoint, 1)).toBe(false);
      expect((yield* abi.nbRecv(env, endpoint)).error).toBe(Err.WOULD_BLOCK);
    });
  });

  test('a receive with a deadline ends with TIMEOUT at that time', () => {
    const { cpu } = runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      const deadline = env.now() + 5000;
      expect((yield* abi.recv(env, endpoint, 0, deadline)).error).toBe(Err.TIMEOUT);
      expect(env.now()).toBeGreaterThanOrEqual(deadline);
      const reply = yield* a.reply();
      expect((yield* abi.recv(env, endpoint, reply, env.now() + 1)).error).toBe(Err.TIMEOUT);
      // The Reply is free again.
      expect((yield* abi.recv(env, endpoint, reply, env.now() + 1)).error).toBe(Err.TIMEOUT);
    });
    expect(cpu.time).toBeGreaterThanOrEqual(6000);
  });

  test('rights: sending needs WRITE, receiving READ; a wrong type is INVALID_CAPABILITY', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      const reply = yield* a.reply();
      const notification = yield* a.notification();
      const readOnly = yield* a.copy(endpoint, abi.Rights.READ);
      const writeOnly = yield* a.copy(endpoint, abi.Rights.WRITE);
      expect(yield* errorOf(abi.call(env, readOnly, 1))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.send(env, readOnly, 1))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.nbSend(env, readOnly, 1))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.recv(env, writeOnly))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.nbRecv(env, writeOnly))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.replyRecv(env, writeOnly, reply, 0))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.recv(env, notification))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.recv(env, endpoint, notification))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.recv(env, 4000))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.call(env, 0, 1))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.signal(env, endpoint))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.wait(env, endpoint))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.send(env, notification, 1))).toBe(Err.INVALID_CAPABILITY);
    });
  });
});

describe('capabilities in messages', () => {
  test('a copy arrives in the receive slot when the endpoint capability has GRANT, and nothing without', () => {
    let endpoint = 0;
    const counts: number[] = [];
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        const silent = yield* a.copy(endpoint, abi.Rights.READ | abi.Rights.WRITE);
        const reply = yield* a.reply();
        const target = a.slot();
        for (let i = 0; i < 2; i++) {
          env.setReceiveSlots(Root.CNODE, target);
          counts.push((yield* abi.recv(env, endpoint, reply)).caps);
          yield* abi.send(env, reply, 0, silent);
        }
        expect((yield* abi.inspect(env, Root.CNODE, target)).type).toBe(ObjectType.NOTIFICATION);
        yield* abi.yieldProcessor(env);
      },
      [
        function* (env) {
          // The root has made its objects; a slot far above is free for this thread's own.
          yield* abi.retype(env, Root.FIRST_UNTYPED, ObjectType.NOTIFICATION, 0, Root.CNODE, 3000);
          const answer = yield* abi.callWithCaps(env, endpoint, 1, [3000]);
          expect(answer.length).toBe(1);
          yield* abi.callWithCaps(env, env.word(0), 1, [3000]);
        },
      ],
    );
    expect(counts).toEqual([1, 0]);
  });
});

describe('notifications', () => {
  test('badges are collected until somebody waits, then the word is zero', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const n = yield* a.notification();
      const one = yield* a.badged(n, 4);
      const two = yield* a.badged(n, 1n << 40n);
      yield* abi.signal(env, one);
      yield* abi.signal(env, two);
      expect(yield* abi.poll(env, n)).toBe(4 + 2 ** 40);
      expect(yield* abi.poll(env, n)).toBe(0);
      yield* abi.signal(env, n);
      expect(yield* abi.wait(env, n)).toBe(1);
      expect(yield* abi.wait(env, n, env.now() + 10)).toBe(0);
    });
  });

  test('a bound notification ends a receive, and one signalled before it too', () => {
    let n = 0;
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        const endpoint = yield* a.endpoint();
        n = yield* a.notification();
        yield* abi.bindNotification(env, Root.THREAD, n);
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        let message = yield* abi.recv(env, endpoint);
        expect([message.notification, message.badge]).toEqual([true, 1]);
        yield* abi.signal(env, n);
        message = yield* abi.recv(env, endpoint);
        expect([message.notification, message.badge]).toEqual([true, 1]);
        yield* abi.bindNotification(env, Root.THREAD, 0);
        yield* abi.signal(env, n);
        expect((yield* abi.nbRecv(env, endpoint)).error).toBe(Err.WOULD_BLOCK);
      },
      [
        function* (env) {
          yield* abi.signal(env, n);
        },
      ],
    );
  });

  test('rights: signalling needs WRITE, waiting READ', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const n = yield* a.notification();
      const readOnly = yield* a.copy(n, abi.Rights.READ);
      const writeOnly = yield* a.copy(n, abi.Rights.WRITE);
      expect(yield* errorOf(abi.signal(env, readOnly))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.wait(env, writeOnly))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.poll(env, writeOnly))).toBe(Err.NO_RIGHT);
    });
  });
});

describe('the syscall mask', () => {
  test.each(Object.entries(Syscall))(
    '%s is refused with MASKED when its bit is clear, whatever the capability',
    (_name, number) => {
      let code = -1;
      runRoot(
        function* (env) {
          const a = new Allocator(env);
          const { thread } = yield* a.thread({ program: 1 });
          yield* abi.setSyscallMask(env, thread, abi.SYSCALL_MASK_ALL & ~abi.maskOf(number));
          yield* abi.resume(env, thread);
          const n = yield* a.notification();
          yield* abi.wait(env, n, env.now() + 100);
        },
        [
          function* (env) {
            abi.prepare(env, number, Root.CNODE, abi.Op.CNODE_INSPECT, 1);
            yield;
            code = abi.lastError(env);
          },
        ],
      );
      expect(code).toBe(Err.MASKED);
    },
  );

  test('a thread cannot give a mask wider than its own', () => {
    const codes: number[] = [];
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.writeThreadRegisters(env, thread, 20, thread);
        yield* abi.setSyscallMask(env, thread, abi.maskOf(Syscall.CALL));
        yield* abi.resume(env, thread);
        const n = yield* a.notification();
        yield* abi.wait(env, n, env.now() + 100);
      },
      [
        function* (env) {
          codes.push(yield* errorOf(abi.setSyscallMask(env, env.register(20), abi.SYSCALL_MASK_ALL)));
          codes.push(yield* errorOf(abi.setSyscallMask(env, env.register(20), abi.maskOf(Syscall.CALL))));
        },
      ],
    );
    expect(codes).toEqual([Err.RANGE, Err.OK]);
  });
});

test('the kernel is halted when nothing can ever run again', () => {
  const { settle, errors } = boot([
    function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      yield* abi.recv(env, endpoint);
    },
  ]);
  expect(settle()).toBe('halted');
  expect(errors).toEqual([]);
});
