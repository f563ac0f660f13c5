import { describe, expect, test } from 'vitest';
import * as abi from '../../kernel/abi/index.ts';
import { Err, ObjectType, Op, Rights, Root } from '../../kernel/abi/index.ts';
import { runRoot } from './machine.ts';
import { Allocator, errorOf } from './task.ts';

function* typeAt(env: abi.ServiceEnv, slot: number): abi.Entry<number> {
  return (yield* abi.inspect(env, Root.CNODE, slot)).type;
}

describe('copy, mint, move, delete', () => {
  test('a copy has the rights that source and caller both allow, a mint its badge', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      const weak = yield* a.copy(endpoint, Rights.READ | Rights.GRANT);
      const weaker = yield* a.copy(weak, Rights.ALL);
      expect(yield* abi.inspect(env, Root.CNODE, weaker)).toEqual({
        type: ObjectType.ENDPOINT,
        rights: Rights.READ | Rights.GRANT,
        sizeBits: 0,
        badge: 0n,
      });
      const badged = yield* a.badged(endpoint, 0xfedc_ba98_7654_3210n);
      const again = yield* a.copy(badged, Rights.ALL);
      expect((yield* abi.inspect(env, Root.CNODE, again)).badge).toBe(0xfedc_ba98_7654_3210n);
    });
  });

  test('documented errors', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      const badged = yield* a.badged(endpoint, 1);
      const free = a.slot();
      const { CNODE } = Root;
      expect(yield* errorOf(abi.copy(env, CNODE, endpoint, badged))).toBe(Err.OCCUPIED);
      expect(yield* errorOf(abi.copy(env, CNODE, free, free))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.copy(env, CNODE, 0, endpoint))).toBe(Err.RANGE);
      expect(yield* errorOf(abi.copy(env, CNODE, 4096, endpoint))).toBe(Err.RANGE);
      expect(yield* errorOf(abi.copy(env, CNODE, free, endpoint, 16))).toBe(Err.INVALID_ARGUMENT);
      expect(yield* errorOf(abi.copy(env, Root.THREAD, free, endpoint))).toBe(Err.UNKNOWN_OPERATION);
      expect(yield* errorOf(abi.mint(env, CNODE, free, badged, Rights.ALL, 2))).toBe(Err.WRONG_STATE);
      expect(yield* errorOf(abi.mint(env, CNODE, free, Root.THREAD, Rights.ALL, 2))).toBe(Err.INVALID_ARGUMENT);
      expect(yield* errorOf(abi.move(env, CNODE, badged, endpoint))).toBe(Err.OCCUPIED);
      expect(yield* errorOf(abi.move(env, CNODE, free, free))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.revoke(env, CNODE, free))).toBe(Err.INVALID_CAPABILITY);
      expect(yield* errorOf(abi.remove(env, CNODE, free))).toBe(Err.OK);
      expect(yield* errorOf(abi.call(env, CNODE, 0xffff))).toBe(Err.UNKNOWN_OPERATION);
      expect(yield* errorOf(abi.call(env, CNODE, Op.THREAD_RESUME))).toBe(Err.UNKNOWN_OPERATION);
      expect(yield* errorOf(abi.call(env, CNODE, Op.CNODE_COPY, free))).toBe(Err.INVALID_ARGUMENT);
      const readOnly = yield* a.copy(CNODE, Rights.READ);
      expect(yield* errorOf(abi.remove(env, readOnly, endpoint))).toBe(Err.NO_RIGHT);
      expect(yield* errorOf(abi.inspect(env, readOnly, endpoint))).toBe(Err.OK);
    });
  });

  test('quantities cannot be copied', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      for (const source of [a.untyped, Root.SCHED_CONTROL]) {
        expect(yield* errorOf(abi.copy(env, Root.CNODE, a.slot(), source))).toBe(Err.INVALID_CAPABILITY);
      }
    });
  });

  test('a moved capability is still revoked with its parent, and still revokes its children', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      const child = yield* a.copy(endpoint, Rights.ALL);
      const grandchild = yield* a.copy(child, Rights.ALL);
      const moved = a.slot();
      yield* abi.move(env, Root.CNODE, moved, child);
      expect(yield* typeAt(env, child)).toBe(0);
      yield* abi.revoke(env, Root.CNODE, moved);
      expect(yield* typeAt(env, grandchild)).toBe(0);
      expect(yield* typeAt(env, moved)).toBe(ObjectType.ENDPOINT);
      yield* abi.revoke(env, Root.CNODE, endpoint);
      expect(yield* typeAt(env, moved)).toBe(0);
    });
  });

  test('deleting a capability leaves its children, which its parent still revokes; a sibling does not', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const endpoint = yield* a.endpoint();
      const first = yield* a.copy(endpoint, Rights.ALL);
      const second = yield* a.copy(endpoint, Rights.ALL);
      const child = yield* a.copy(first, Rights.ALL);
      yield* abi.remove(env, Root.CNODE, first);
      yield* abi.revoke(env, Root.CNODE, second);
      expect(yield* typeAt(env, child)).toBe(ObjectType.ENDPOINT);
      yield* abi.revoke(env, Root.CNODE, endpoint);
      expect(yield* typeAt(env, child)).toBe(0);
    });
  });

  test('an object lives until its last capability goes', () => {
    const codes: number[] = [];
    let endpoint = 0;
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        endpoint = yield* a.endpoint();
        const second = yield* a.copy(endpoint, Rights.ALL);
        const third = yield* a.copy(second, Rights.ALL);
        const { thread } = yield* a.thread({ program: 1 });
        yield* abi.resume(env, thread);
        const n = yield* a.notification();
        yield* abi.wait(env, n, env.now() + 50);
        for (const slot of [endpoint, second]) yield* abi.remove(env, Root.CNODE, slot);
        yield* abi.wait(env, n, env.now() + 50);
        codes.push(-1);
        yield* abi.remove(env, Root.CNODE, third);
        yield* abi.wait(env, n, env.now() + 50);
      },
      [
        function* (env) {
          codes.push(yield* errorOf(abi.send(env, endpoint, 1)));
        },
      ],
    );
    expect(codes).toEqual([-1, Err.CANCELLED]);
  });
});

describe('CNodes', () => {
  test('a pointer goes through nested CNodes, low bits first', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const inner = yield* a.make(ObjectType.CNODE, 4);
      const endpoint = yield* a.endpoint();
      yield* abi.copy(env, inner, 3, endpoint);
      const pointer = inner | (3 << abi.ROOT_CNODE_BITS);
      expect(yield* abi.nbSend(env, pointer, 1)).toBe(false);
      yield* abi.copy(env, inner, 4, pointer);
      expect((yield* abi.inspect(env, inner, 4)).type).toBe(ObjectType.ENDPOINT);
      // Without READ it is closed.
      const closed = yield* a.copy(inner, Rights.WRITE);
      expect(yield* errorOf(abi.nbSend(env, closed | (3 << abi.ROOT_CNODE_BITS), 1))).toBe(Err.INVALID_CAPABILITY);
    });
  });

  test('a chain of 2000 CNodes, each holding the next, is emptied when the first goes', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const pool = yield* a.make(ObjectType.UNTYPED, 22);
      let last = 0;
      for (let i = 0; i < 2000; i++) {
        const cnode = a.slot() % 2000;
        const at = 2000 + (cnode % 2000);
        yield* abi.retype(env, pool, ObjectType.CNODE, 1, Root.CNODE, at);
        if (last !== 0) yield* abi.move(env, at, 1, last);
        // Its name is always the same slot: the one before went into it.
        yield* abi.move(env, Root.CNODE, 4090, at);
        last = 4090;
        if (i < 1999) {
          yield* abi.move(env, Root.CNODE, 4091, 4090);
          last = 4091;
        }
      }
      yield* abi.remove(env, Root.CNODE, 4090);
      // All memory is free again: nothing derives from the pool.
      yield* abi.retype(env, pool, ObjectType.UNTYPED, 21, Root.CNODE, 3999, 1);
      expect((yield* abi.untypedInfo(env, pool)).used).toBe(1 << 21);
    });
  });
});

describe('untyped memory', () => {
  test('objects are deduced from it and never exceed it', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const pool = yield* a.make(ObjectType.UNTYPED, 14);
      const at = a.slot(8);
      yield* abi.retype(env, pool, ObjectType.FRAME, 12, Root.CNODE, at, 4);
      expect(yield* abi.untypedInfo(env, pool)).toEqual({ size: 1 << 14, used: 1 << 14 });
      expect(yield* errorOf(abi.retype(env, pool, ObjectType.ENDPOINT, 0, Root.CNODE, a.slot()))).toBe(Err.NO_MEMORY);
      const addresses = new Set<number>();
      for (let i = 0; i < 4; i++) addresses.add((yield* abi.frameInfo(env, at + i)).address);
      expect(addresses.size).toBe(4);
      yield* abi.revoke(env, Root.CNODE, pool);
      yield* abi.retype(env, pool, ObjectType.FRAME, 14, Root.CNODE, at);
    });
  });

  test('memory is zero when it is used again', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const pool = yield* a.make(ObjectType.UNTYPED, 21);
      const frame = yield* a.make(ObjectType.FRAME, 21, pool);
      env.window(frame).fill(0, 1 << 21, 0xaa);
      yield* abi.remove(env, Root.CNODE, frame);
      yield* abi.retype(env, pool, ObjectType.FRAME, 21, Root.CNODE, frame);
      const bytes = new Uint8Array(1 << 21);
      env.window(frame).copyOut(0, bytes);
      expect(bytes.every((b) => b === 0)).toBe(true);
    });
  });

  test('documented errors', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const slot = a.slot();
      const pool = yield* a.make(ObjectType.UNTYPED, 16);
      const { CNODE } = Root;
      const retype = (type: number, bits: number, cnode: number, index: number, count: number): abi.Entry<number> =>
        errorOf(abi.call(env, pool, Op.UNTYPED_RETYPE, type, bits, cnode, index, count));
      expect(yield* retype(99, 0, CNODE, slot, 1)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* retype(ObjectType.IRQ, 0, CNODE, slot, 1)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* retype(ObjectType.ENDPOINT, 5, CNODE, slot, 1)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* retype(ObjectType.FRAME, 11, CNODE, slot, 1)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* retype(ObjectType.FRAME, 12, CNODE, slot, 0)).toBe(Err.RANGE);
      expect(yield* retype(ObjectType.FRAME, 12, CNODE, slot, 257)).toBe(Err.RANGE);
      expect(yield* retype(ObjectType.FRAME, 12, CNODE, 4095, 2)).toBe(Err.RANGE);
      expect(yield* retype(ObjectType.FRAME, 12, CNODE, Root.THREAD, 1)).toBe(Err.OCCUPIED);
      expect(yield* retype(ObjectType.FRAME, 12, Root.THREAD, slot, 1)).toBe(Err.INVALID_CAPABILITY);
      expect(yield* retype(ObjectType.FRAME, 17, CNODE, slot, 1)).toBe(Err.NO_MEMORY);
      const device = a.info.untypeds.find((u) => u.device)!;
      expect(yield* errorOf(abi.retype(env, device.capability, ObjectType.ENDPOINT, 0, CNODE, slot))).toBe(
        Err.INVALID_ARGUMENT,
      );
      const readOnly = yield* a.copy(CNODE, Rights.READ);
      expect(yield* retype(ObjectType.FRAME, 12, readOnly, slot, 1)).toBe(Err.NO_RIGHT);
    });
  });
});

describe('windows', () => {
  test('a window is bounded, has the rights of its capability, and dies with it', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const frame = yield* a.make(ObjectType.FRAME, 12);
      const readOnly = yield* a.copy(frame, Rights.READ);
      const w = env.window(frame);
      const r = env.window(readOnly);
      w.write32(4, 0x1234_5678);
      expect(r.read16(6)).toBe(0x1234);
      expect(() => r.write8(0, 1)).toThrow(abi.WindowError);
      for (const offset of [-1, 4093, 4096, 0.5, NaN, 2 ** 40]) expect(() => w.read32(offset)).toThrow(abi.WindowError);
      expect(() => w.copyIn(4000, new Uint8Array(97))).toThrow(abi.WindowError);
      expect(() => env.window(Root.CNODE)).toThrow(abi.WindowError);
      yield* abi.revoke(env, Root.CNODE, frame);
      expect(() => r.read8(0)).toThrow(abi.WindowError);
      expect(w.read8(4)).toBe(0x78);
      yield* abi.remove(env, Root.CNODE, frame);
      expect(() => w.read8(4)).toThrow(abi.WindowError);
    });
  });

  test('a device window reaches its registers only', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const device = a.info.untypeds.find((u) => u.device)!;
      const frame = yield* a.make(ObjectType.FRAME, 12, device.capability);
      expect(yield* abi.frameInfo(env, frame)).toEqual({ address: device.address, sizeBits: 12, device: true });
      const w = env.window(frame);
      w.write32(8, 77);
      expect(w.read32(8)).toBe(77);
      expect(() => w.read32(2)).toThrow(abi.WindowError);
      expect(() => w.read32(4096)).toThrow(abi.WindowError);
    });
  });
});

describe('shares of the processor', () => {
  test('splits and SchedContexts never exceed what they come from, and give it back', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const info = function* (control: number): abi.Entry<number[]> {
        yield* abi.call(env, control, Op.SCHED_CONTROL_INFO);
        return [env.word(0), env.word(1)];
      };
      const split = (control: number, share: number, index: number): abi.Entry<number> =>
        errorOf(abi.call(env, control, Op.SCHED_CONTROL_SPLIT, share, Root.CNODE, index));
      expect(yield* info(Root.SCHED_CONTROL)).toEqual([1_000_000, 200_000]);
      const part = a.slot();
      expect(yield* split(Root.SCHED_CONTROL, 800_001, part)).toBe(Err.NO_BUDGET);
      expect(yield* split(Root.SCHED_CONTROL, 500_000, part)).toBe(Err.OK);
      const sched = yield* a.make(ObjectType.SCHED_CONTEXT);
      expect(yield* errorOf(abi.configureSched(env, part, sched, 6000, 10_000))).toBe(Err.NO_BUDGET);
      yield* abi.configureSched(env, part, sched, 4000, 10_000);
      yield* abi.configureSched(env, part, sched, 5000, 10_000);
      expect(yield* info(part)).toEqual([500_000, 500_000]);
      const small = a.slot();
      expect(yield* split(part, 1, small)).toBe(Err.NO_BUDGET);
      yield* abi.configureSched(env, part, sched, 1000, 10_000);
      expect(yield* split(part, 300_000, small)).toBe(Err.OK);
      // Deleting the middle one gives back what it did not give away itself.
      yield* abi.remove(env, Root.CNODE, part);
      expect(yield* info(Root.SCHED_CONTROL)).toEqual([1_000_000, 600_000]);
      yield* abi.remove(env, Root.CNODE, sched);
      expect(yield* info(Root.SCHED_CONTROL)).toEqual([1_000_000, 500_000]);
      yield* abi.remove(env, Root.CNODE, small);
      expect(yield* info(Root.SCHED_CONTROL)).toEqual([1_000_000, 200_000]);
    });
  });

  test('a SchedContext whose share is revoked stops its thread', () => {
    let count = 0;
    runRoot(
      function* (env) {
        const a = new Allocator(env);
        const part = a.slot();
        yield* abi.call(env, Root.SCHED_CONTROL, Op.SCHED_CONTROL_SPLIT, 500_000, Root.CNODE, part);
        const { thread } = yield* a.thread({ program: 1 });
        const sched = yield* a.make(ObjectType.SCHED_CONTEXT);
        yield* abi.bindSched(env, thread, 0);
        yield* abi.configureSched(env, part, sched, 1000, 10_000);
        yield* abi.bindSched(env, thread, sched);
        yield* abi.resume(env, thread);
        const n = yield* a.notification();
        yield* abi.wait(env, n, env.now() + 100);
        expect(count).toBeGreaterThan(0);
        yield* abi.revoke(env, Root.CNODE, part);
        const before = count;
        yield* abi.wait(env, n, env.now() + 50_000);
        expect(count).toBe(before);
      },
      [
        function* (env) {
          for (;;) {
            count++;
            yield* abi.yieldProcessor(env);
          }
        },
      ],
      { hooks: {} },
    );
  });
});
