import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as abi from '../../kernel/abi/index.ts';
import { Err, ObjectType, Op, Root } from '../../kernel/abi/index.ts';
import { objectOf } from '../../kernel/derivation.ts';
import { SLOT } from '../../kernel/layout.ts';
import { type Attempt, attempt, prepareAttempt } from './hostile.ts';
import { checkInvariants } from './invariants.ts';
import { boot } from './machine.ts';
import { Allocator } from './task.ts';

const ESTATE_BITS = 19;
const SHARE = 100_000;

/**
 * A machine in which a hostile thread has memory, rights and a share of its own; it makes the calls, then all that it had
 * is revoked.
 * @param count is told of each call that succeeded
 */
function siege(attempts: readonly Attempt[], count: (name: string) => void = () => {}): void {
  let ended = false;
  let done = false;
  let slots = 0;
  const booted = boot([
    function* (env) {
      const a = new Allocator(env);
      const estate = yield* a.make(ObjectType.UNTYPED, ESTATE_BITS);
      const cnode = yield* a.make(ObjectType.CNODE, 5, estate);
      const { thread, sched, buffer } = yield* a.thread({ program: 1 });
      yield* abi.copy(env, cnode, 1, cnode);
      yield* abi.copy(env, cnode, 2, thread);
      yield* abi.retype(env, estate, ObjectType.UNTYPED, 17, cnode, 3);
      yield* abi.call(env, Root.SCHED_CONTROL, Op.SCHED_CONTROL_SPLIT, SHARE, cnode, 4);
      yield* abi.copy(env, cnode, 5, Root.IRQ_CONTROL);
      const { ENDPOINT, NOTIFICATION, REPLY, SPACE, VM_SPACE, FRAME, VCPU, THREAD, SCHED_CONTEXT } = ObjectType;
      for (const [i, type] of [
        ENDPOINT,
        NOTIFICATION,
        REPLY,
        SPACE,
        VM_SPACE,
        FRAME,
        VCPU,
        THREAD,
        SCHED_CONTEXT,
      ].entries()) {
        const bits = type === SPACE || type === VM_SPACE ? 14 : type === FRAME ? 12 : 0;
        yield* abi.retype(env, estate, type, bits, cnode, 6 + i);
      }
      const n = yield* a.notification();
      const secret = yield* a.make(ObjectType.FRAME, 12);
      env.window(secret).fill(0, 4096, 0x5a);
      yield* abi.call(env, Root.SCHED_CONTROL, Op.SCHED_CONTROL_INFO);
      const used = env.word(1);
      const k = booted.kernel.context;
      slots = objectOf(k, booted.rootCNode + SLOT.SIZE * cnode);
      // When it has locked itself out, or waits in vain, it is set free again.
      for (let round = 0; round < 60 && !done; round++) {
        yield* abi.configureThread(env, thread, { cnode, buffer });
        yield* abi.setSyscallMask(env, thread, abi.SYSCALL_MASK_ALL);
        yield* abi.bindSched(env, thread, 0);
        yield* abi.bindSched(env, thread, sched);
        yield* abi.resume(env, thread);
        yield* abi.wait(env, n, env.now() + 3000);
        yield* abi.suspend(env, thread);
      }

      const seen = new Uint8Array(4096);
      env.window(secret).copyOut(0, seen);
      expect(seen.every((byte) => byte === 0x5a)).toBe(true);
      yield* abi.revoke(env, Root.CNODE, thread);
      yield* abi.revoke(env, Root.CNODE, Root.IRQ_CONTROL);
      yield* abi.revoke(env, Root.CNODE, estate);
      yield* abi.call(env, Root.SCHED_CONTROL, Op.SCHED_CONTROL_INFO);
      expect(env.word(1)).toBe(used - SHARE);
      const size = 2 ** ESTATE_BITS;
      const all = a.slot();
      yield* abi.retype(env, estate, ObjectType.FRAME, ESTATE_BITS, Root.CNODE, all);
      expect(yield* abi.untypedInfo(env, estate)).toEqual({ size, used: size });
      const memory = new Uint8Array(size);
      env.window(all).copyOut(0, memory);
      expect(memory.every((byte) => byte === 0)).toBe(true);
      ended = true;
    },
    function* (env) {
      for (const each of attempts) {
        const name = prepareAttempt(env, each, (slot) => slots + SLOT.SIZE * slot, booted.kernel.context);
        yield;
        if (abi.lastError(env) === Err.OK) count(name);
        checkInvariants(booted.kernel.context);
      }
      done = true;
    },
    function* accomplice(env) {
      // What the hostile thread starts waits with it on whatever is there.
      for (let slot = 6; ; slot = 6 + ((slot - 5) % 26)) {
        abi.prepare(env, [abi.Syscall.NB_RECV, abi.Syscall.CALL, abi.Syscall.SEND][slot % 3]!, slot, Op.FRAME_INFO, 2);
        env.setRegister(9, 0);
        yield;
      }
    },
  ]);
  booted.settle(() => ended || booted.errors.length > 0);
  if (booted.errors.length > 0) throw booted.errors[0];
  checkInvariants(booted.kernel.context);
  expect(ended).toBe(true);
}

test('whatever a thread calls, the records stay whole, nobody else is harmed, and all it had comes back', () => {
  fc.assert(
    fc.property(fc.array(attempt, { minLength: 20, maxLength: 150 }), (attempts) => siege(attempts)),
    { numRuns: 60 },
  );
}, 120_000);

test('the random calls reach every operation', () => {
  const counts = new Map<string, number>();
  const runs = fc.sample(fc.array(attempt, { minLength: 200, maxLength: 300 }), { numRuns: 80, seed: 1 });
  for (const attempts of runs) siege(attempts, (name) => counts.set(name, (counts.get(name) ?? 0) + 1));
  if (process.env['COUNTS'])
    console.log(
      [...counts]
        .sort()
        .map(([name, n]) => `${name} ${n}`)
        .join('\n'),
    );
  expect(Object.keys(Op).filter((name) => !counts.has(name))).toEqual([]);
}, 120_000);
