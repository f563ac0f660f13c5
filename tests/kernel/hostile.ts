/** Random system calls that are half right: made of numbers, which the caller's present capabilities turn into arguments. */
import fc from 'fast-check';
import type * as abi from '../../kernel/abi/index.ts';
import type { Context } from '../../kernel/context.ts';
import { objectOf, typeOf } from '../../kernel/derivation.ts';
import { messageInfo, ObjectType as T, Op, Reg, Syscall } from '../../kernel/abi/index.ts';

/** What an argument should be: a capability of a type, any capability, an empty slot, or one of some numbers. */
type Argument = { type: number } | 'capability' | 'victim' | 'empty' | readonly (number | bigint)[];

const CNODE = { type: T.CNODE } as const;
const RIGHTS = [15, 15, 15, 1, 2, 3, 7] as const;
const ADDRESS = [0, 4096, 0x20_0000, 0x40_0000, 1 << 30, 2 ** 39 - 4096, 123, 2 ** 39] as const;
const REGISTER = [0, 5, 30, Reg.SP, Reg.PC, Reg.PSTATE, Reg.FPCR, 64, 127, Reg.SYSTEM | 0xc000, 36] as const;
const VALUE = [0, 1, 0x3c5, 5, -1n, 1n << 62n, (1n << 62n) | (1n << 61n) | 40n] as const;

/** Operations by the type of their object, with their arguments. */
const OPERATIONS: readonly (readonly [number, number, readonly Argument[]])[] = [
  ...Array.from({ length: 6 }, () => [T.UNTYPED, Op.UNTYPED_RETYPE, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [0, 0, 0, 0, 3, 5, 12, 14, 15], CNODE, 'empty', [1, 1, 1, 2, 3]]] as const),
  [T.UNTYPED, Op.UNTYPED_INFO, []],
  ...Array.from({ length: 4 }, () => [T.CNODE, Op.CNODE_COPY, ['empty', 'capability', RIGHTS]] as const),
  [T.CNODE, Op.CNODE_MINT, ['empty', { type: T.ENDPOINT }, RIGHTS, [0, 1, 77, -1n]]],
  [T.CNODE, Op.CNODE_MINT, ['empty', { type: T.NOTIFICATION }, RIGHTS, [0, 1, 77, -1n]]],
  [T.CNODE, Op.CNODE_MOVE, ['empty', 'victim']],
  [T.CNODE, Op.CNODE_MOVE, ['empty', 'victim']],
  [T.CNODE, Op.CNODE_DELETE, ['victim']],
  [T.CNODE, Op.CNODE_DELETE, ['victim']],
  [T.CNODE, Op.CNODE_REVOKE, ['victim']],
  [T.CNODE, Op.CNODE_INSPECT, ['capability']],
  [T.FRAME, Op.FRAME_UNMAP, []],
  [T.FRAME, Op.FRAME_INFO, []],
  [T.FRAME, Op.FRAME_SYNC_CODE, []],
  [T.SCHED_CONTROL, Op.SCHED_CONTROL_INFO, []],
  [T.SPACE, Op.SPACE_MAP, [{ type: T.FRAME }, ADDRESS, RIGHTS, [0, 1, 2, 3]]],
  [T.VM_SPACE, Op.SPACE_MAP, [{ type: T.FRAME }, ADDRESS, RIGHTS, [0, 1, 2, 3]]],
  [T.SPACE, Op.SPACE_INFO, []],
  [T.THREAD, Op.THREAD_CONFIGURE, [CNODE, [0], { type: T.FRAME }, { type: T.ENDPOINT }]],
  [T.THREAD, Op.THREAD_CONFIGURE, [CNODE, { type: T.SPACE }, [0], [0]]],
  [T.THREAD, Op.THREAD_SET_PRIORITY, [[0, 50, 100, 200], [0, 100, 101]]],
  [T.THREAD, Op.THREAD_SET_MASK, [[1023, 1023, 1023, 1022, 1024]]],
  [T.THREAD, Op.THREAD_BIND_SCHED, [{ type: T.SCHED_CONTEXT }]],
  [T.THREAD, Op.THREAD_BIND_SCHED, [{ type: T.SCHED_CONTEXT }]],
  [T.THREAD, Op.THREAD_BIND_NOTIFICATION, [{ type: T.NOTIFICATION }]],
  [T.THREAD, Op.THREAD_READ_REGISTERS, [REGISTER, REGISTER]],
  [T.THREAD, Op.THREAD_WRITE_REGISTERS, [REGISTER, VALUE]],
  [T.THREAD, Op.THREAD_RESUME, []],
  [T.THREAD, Op.THREAD_RESUME, []],
  [T.THREAD, Op.THREAD_SUSPEND, []],
  [T.THREAD, Op.THREAD_SET_SERVICE, [[2, 2, 2, 9]]],
  [T.THREAD, Op.THREAD_SET_SERVICE, [[2, 2, 2, 9]]],
  [T.SCHED_CONTROL, Op.SCHED_CONTROL_SPLIT, [[1000, 20_000, 90_000, 2_000_000], CNODE, 'empty']],
  [T.SCHED_CONTROL, Op.SCHED_CONTROL_CONFIGURE, [{ type: T.SCHED_CONTEXT }, [100, 200, 20_000], [20_000], [0, 1]]],
  [T.SCHED_CONTROL, Op.SCHED_CONTROL_CONFIGURE, [{ type: T.SCHED_CONTEXT }, [100, 200, 20_000], [20_000], [0, 1]]],
  [T.SCHED_CONTEXT, Op.SCHED_CONTEXT_INFO, []],
  [T.IRQ_CONTROL, Op.IRQ_CONTROL_MAKE, [[16, 26, 27, 33, 34, 35, 95, 96], [0, 1], CNODE, 'empty']],
  [T.IRQ, Op.IRQ_BIND, [{ type: T.NOTIFICATION }]],
  [T.IRQ, Op.IRQ_ACK, []],
  [T.VCPU, Op.VCPU_BIND, [{ type: T.THREAD }, { type: T.VM_SPACE }]],
  [T.VCPU, Op.VCPU_BIND, [{ type: T.THREAD }, { type: T.VM_SPACE }]],
  [T.VCPU, Op.VCPU_READ_REGISTERS, [REGISTER, REGISTER]],
  [T.VCPU, Op.VCPU_WRITE_REGISTERS, [REGISTER, VALUE]],
  [T.VCPU, Op.VCPU_INJECT, [VALUE, { type: T.IRQ }, [0, 15, 16, 255]]],
  [T.VCPU, Op.VCPU_LIST, []],
]; // prettier-ignore

const MESSAGES: readonly (readonly [number, number])[] = [
  [Syscall.CALL, T.ENDPOINT],
  [Syscall.SEND, T.ENDPOINT],
  [Syscall.SEND, T.REPLY],
  [Syscall.NB_SEND, T.ENDPOINT],
  [Syscall.RECV, T.ENDPOINT],
  [Syscall.REPLY_RECV, T.ENDPOINT],
  [Syscall.NB_RECV, T.ENDPOINT],
  [Syscall.SIGNAL, T.NOTIFICATION],
  [Syscall.WAIT, T.NOTIFICATION],
  [Syscall.POLL, T.NOTIFICATION],
  [Syscall.YIELD, T.CNODE],
];

/** A call, before it is known what capabilities there are. */
export interface Attempt {
  what: number;
  choices: number[];
  /** 0: as meant; else what goes wrong: argument n is this number. */
  noise: { at: number; value: bigint } | null;
}

export const attempt: fc.Arbitrary<Attempt> = fc.record({
  what: fc.nat(OPERATIONS.length + MESSAGES.length - 1),
  choices: fc.array(fc.nat(9999), { minLength: 10, maxLength: 10 }),
  noise: fc.option(fc.record({ at: fc.nat(7), value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }), { freq: 6 }),
});

/** Slots that a hostile thread keeps: without its CNode, itself and its memory it could do nothing more. */
export const KEPT = 4;
const SLOTS = 32;

/**
 * Puts an attempt into a thread's registers.
 * @param slotAt host address of a slot of the thread's CNode (of 32 slots); the thread itself is in slot 2
 * @returns the name of the system call or operation
 */
export function prepareAttempt(
  env: abi.ServiceEnv,
  { what, choices, noise }: Attempt,
  slotAt: (slot: number) => number,
  k: Context,
): string {
  const typeAt = (slot: number): number => typeOf(k, slotAt(slot));
  // It operates on itself only now and then, or it would soon be able to do nothing.
  const self = objectOf(k, slotAt(2));
  const spared = (slot: number): boolean =>
    typeAt(slot) === T.THREAD && objectOf(k, slotAt(slot)) === self && choices[6]! % 16 !== 0;
  let next = 0;
  const choose = <V>(list: readonly V[], otherwise: V): V =>
    list.length === 0 ? otherwise : list[choices[next++ % 10]! % list.length]!;
  const slots = Array.from({ length: SLOTS - 1 }, (_, i) => i + 1);
  const ofType = (type: number): number =>
    choose(
      slots.filter((slot) => typeAt(slot) === type && !spared(slot)),
      0,
    );
  const resolve = (argument: Argument): bigint => {
    if (argument === 'empty')
      return BigInt(
        choose(
          slots.filter((slot) => typeAt(slot) === 0),
          SLOTS - 1,
        ),
      );
    if (argument === 'capability')
      return BigInt(
        choose(
          slots.filter((slot) => typeAt(slot) !== 0),
          1,
        ),
      );
    if (argument === 'victim')
      return BigInt(
        choose(
          slots.filter((slot) => slot >= KEPT && typeAt(slot) !== 0),
          KEPT,
        ),
      );
    if ('type' in argument) return BigInt(ofType(argument.type));
    return BigInt(choose(argument, 0));
  };
  const operation = OPERATIONS[what];
  const [number, type] = operation === undefined ? MESSAGES[what - OPERATIONS.length]! : [Syscall.CALL, operation[0]];
  const words = operation === undefined ? choices.slice(0, 6).map(BigInt) : operation[2].map(resolve);
  const registers = [BigInt(type === T.CNODE ? 1 : ofType(type)), 0n, ...words];
  if (noise !== null && noise.at !== 1) registers[noise.at] = noise.value;
  registers.forEach((value, i) => env.setRegister(i, value ?? 0n));
  env.setRegister(1, messageInfo(operation?.[1] ?? choices[7]! % 500, words.length, choices[8]! % 3));
  env.setRegister(8, number);
  env.setRegister(9, ofType(T.REPLY));
  env.setRegister(10, env.now() + (choices[9]! % 500) + 1);
  const named = (table: object, value: number): string => Object.entries(table).find(([, v]) => v === value)![0];
  return operation === undefined ? named(Syscall, number) : named(Op, operation[1]);
}
