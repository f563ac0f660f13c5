import { describe, expect, test } from 'vitest';
import * as abi from '../../kernel/abi/index.ts';
import { Err, ObjectType, Op, Rights, Root } from '../../kernel/abi/index.ts';
import { runRoot } from './machine.ts';
import { Allocator, errorOf } from './task.ts';

const { READ, WRITE, EXECUTE } = Rights;

function* freeTables(env: abi.ServiceEnv, space: number): abi.Entry<number> {
  yield* abi.call(env, space, Op.SPACE_INFO);
  return env.word(0);
}

describe.each([
  ['Space', ObjectType.SPACE],
  ['VmSpace', ObjectType.VM_SPACE],
])('%s', (_name, type) => {
  test('a mapping takes tables, and gives them back with FRAME_UNMAP, with its capability, and with its object', () => {
    const { cpu } = runRoot(function* (env) {
      const a = new Allocator(env);
      const space = yield* a.make(type, 16);
      const all = yield* freeTables(env, space);
      expect(all).toBe(14);
      const frame = yield* a.make(ObjectType.FRAME, 12);
      yield* abi.map(env, space, frame, 0x1000, READ);
      expect(yield* freeTables(env, space)).toBe(all - 2);
      yield* abi.unmap(env, frame);
      expect(yield* freeTables(env, space)).toBe(all);
      const copy = yield* a.copy(frame, Rights.ALL);
      yield* abi.map(env, space, frame, 0x1000, READ);
      yield* abi.map(env, space, copy, 0x2000, READ);
      expect(yield* freeTables(env, space)).toBe(all - 2);
      yield* abi.remove(env, Root.CNODE, frame);
      yield* abi.map(env, space, yield* a.make(ObjectType.FRAME, 12), 0x1000, READ);
      yield* abi.remove(env, Root.CNODE, copy);
      expect(yield* freeTables(env, space)).toBe(all - 2);
    });
    expect(cpu.flushes.filter((f) => (type === ObjectType.SPACE ? f.va : f.ipa)?.start === 0x1000).length).toBe(2);
  });

  test('frames of 2 MiB and more need no table for each page', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const space = yield* a.make(type, 14);
      const frame = yield* a.make(ObjectType.FRAME, 22);
      yield* abi.map(env, space, frame, 0x4000_0000, READ | WRITE | EXECUTE);
      expect(yield* freeTables(env, space)).toBe(1);
    });
  });

  test('documented errors', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const space = yield* a.make(type, 14);
      const frame = yield* a.make(ObjectType.FRAME, 12);
      const readOnly = yield* a.copy(frame, READ);
      const map = (what: number, address: abi.Word, rights: number, attributes = 0): abi.Entry<number> =>
        errorOf(abi.map(env, space, what, address, rights, attributes));
      expect(yield* map(readOnly, 0, READ | WRITE)).toBe(Err.NO_RIGHT);
      expect(yield* map(readOnly, 0, READ | EXECUTE)).toBe(Err.NO_RIGHT);
      expect(yield* map(frame, 0, WRITE)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* map(frame, 0, READ, 3)).toBe(Err.INVALID_ARGUMENT);
      expect(yield* map(frame, 0x800, READ)).toBe(Err.ALIGNMENT);
      expect(yield* map(frame, 2 ** 39, READ)).toBe(Err.RANGE);
      expect(yield* map(frame, (1n << 64n) - 4096n, READ)).not.toBe(Err.OK);
      expect(yield* map(space, 0, READ)).toBe(Err.INVALID_CAPABILITY);
      expect(yield* map(0, 0, READ)).toBe(Err.INVALID_CAPABILITY);
      expect(yield* map(frame, 0x1000, READ)).toBe(Err.OK);
      expect(yield* map(frame, 0x2000, READ)).toBe(Err.OCCUPIED);
      expect(yield* map(readOnly, 0x1000, READ)).toBe(Err.OCCUPIED);
      expect(yield* map(yield* a.make(ObjectType.FRAME, 21), 0, READ)).toBe(Err.OCCUPIED);
      // Both tables are in use.
      expect(yield* map(readOnly, 0x4000_0000, READ)).toBe(Err.NO_MEMORY);
      expect(yield* freeTables(env, space)).toBe(0);
      const weak = yield* a.copy(space, READ);
      expect(yield* errorOf(abi.map(env, weak, readOnly, 0x3000, READ))).toBe(Err.NO_RIGHT);
    });
  });

  test('a capability that was mapped in a space that is gone does not touch the one that has its identifier now', () => {
    runRoot(function* (env) {
      const a = new Allocator(env);
      const first = yield* a.make(type, 14);
      const frame = yield* a.make(ObjectType.FRAME, 12);
      yield* abi.map(env, first, frame, 0x1000, READ);
      yield* abi.remove(env, Root.CNODE, first);
      const second = yield* a.make(type, 14);
      const other = yield* a.make(ObjectType.FRAME, 12);
      yield* abi.map(env, second, other, 0x1000, READ);
      yield* abi.remove(env, Root.CNODE, frame);
      expect(yield* freeTables(env, second)).toBe(0);
      const third = yield* a.make(ObjectType.FRAME, 12);
      expect(yield* errorOf(abi.map(env, second, third, 0x1000, READ))).toBe(Err.OCCUPIED);
    });
  });
});

test('space identifiers come back', () => {
  runRoot(function* (env) {
    const a = new Allocator(env);
    const pool = yield* a.make(ObjectType.UNTYPED, 14);
    const slot = a.slot();
    for (let i = 0; i < 5000; i++) {
      yield* abi.retype(env, pool, ObjectType.SPACE, 14, Root.CNODE, slot);
      yield* abi.remove(env, Root.CNODE, slot);
    }
  });
});
