/** The operations on kernel objects as typed helpers; each is a CALL on the capability and throws KernelError when it fails. */
import { LR_ANY, Op, Reg, Rights, type ObjectType } from './numbers.ts';
import { call, type Entry, type ServiceEnv, type Word } from './service.ts';

type TypeOfObject = (typeof ObjectType)[keyof typeof ObjectType];

/** Makes `count` objects in slots `index` … of `cnode`. `sizeBits` as `ObjectType` says. */
export function* retype(
  env: ServiceEnv,
  untyped: number,
  type: TypeOfObject,
  sizeBits: number,
  cnode: number,
  index: number,
  count = 1,
): Entry<void> {
  yield* call(env, untyped, Op.UNTYPED_RETYPE, type, sizeBits, cnode, index, count);
}

/** Size of an untyped and how much of it is used, in bytes. */
export function* untypedInfo(env: ServiceEnv, untyped: number): Entry<{ size: number; used: number }> {
  yield* call(env, untyped, Op.UNTYPED_INFO);
  return { size: env.word(0), used: env.word(1) };
}

export function* copy(
  env: ServiceEnv,
  cnode: number,
  index: number,
  source: number,
  rights: number = Rights.ALL,
): Entry<void> {
  yield* call(env, cnode, Op.CNODE_COPY, index, source, rights);
}

export function* mint(
  env: ServiceEnv,
  cnode: number,
  index: number,
  source: number,
  rights: number,
  badge: Word,
): Entry<void> {
  yield* call(env, cnode, Op.CNODE_MINT, index, source, rights, badge);
}

export function* move(env: ServiceEnv, cnode: number, index: number, source: number): Entry<void> {
  yield* call(env, cnode, Op.CNODE_MOVE, index, source);
}

export function* remove(env: ServiceEnv, cnode: number, index: number): Entry<void> {
  yield* call(env, cnode, Op.CNODE_DELETE, index);
}

export function* revoke(env: ServiceEnv, cnode: number, index: number): Entry<void> {
  yield* call(env, cnode, Op.CNODE_REVOKE, index);
}

/** Type (0: the slot is empty), rights, size and badge of a capability. */
export function* inspect(
  env: ServiceEnv,
  cnode: number,
  index: number,
): Entry<{ type: number; rights: number; sizeBits: number; badge: bigint }> {
  yield* call(env, cnode, Op.CNODE_INSPECT, index);
  return { type: env.word(0), rights: env.word(1), sizeBits: env.word(2), badge: env.wordBig(3) };
}

export function* map(
  env: ServiceEnv,
  space: number,
  frame: number,
  address: Word,
  rights: number,
  attributes = 0,
): Entry<void> {
  yield* call(env, space, Op.SPACE_MAP, frame, address, rights, attributes);
}

export function* unmap(env: ServiceEnv, frame: number): Entry<void> {
  yield* call(env, frame, Op.FRAME_UNMAP);
}

export function* frameInfo(
  env: ServiceEnv,
  frame: number,
): Entry<{ address: number; sizeBits: number; device: boolean }> {
  yield* call(env, frame, Op.FRAME_INFO);
  return { address: env.word(0), sizeBits: env.word(1), device: env.word(2) !== 0 };
}

/** Capabilities of a thread; 0 where there is none. */
export interface ThreadConfiguration {
  cnode: number;
  space?: number;
  buffer?: number;
  faultEndpoint?: number;
}

export function* configureThread(env: ServiceEnv, thread: number, to: ThreadConfiguration): Entry<void> {
  yield* call(env, thread, Op.THREAD_CONFIGURE, to.cnode, to.space ?? 0, to.buffer ?? 0, to.faultEndpoint ?? 0);
}

export function* setPriority(env: ServiceEnv, thread: number, priority: number, maximum: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_SET_PRIORITY, priority, maximum);
}

export function* setSyscallMask(env: ServiceEnv, thread: number, mask: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_SET_MASK, mask);
}

export function* bindSched(env: ServiceEnv, thread: number, schedContext: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_BIND_SCHED, schedContext);
}

export function* bindNotification(env: ServiceEnv, thread: number, notification: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_BIND_NOTIFICATION, notification);
}

export function* resume(env: ServiceEnv, thread: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_RESUME);
}

export function* suspend(env: ServiceEnv, thread: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_SUSPEND);
}

export function* setService(env: ServiceEnv, thread: number, program: number): Entry<void> {
  yield* call(env, thread, Op.THREAD_SET_SERVICE, program);
}

export function* writeThreadRegisters(env: ServiceEnv, thread: number, ...pairs: Word[]): Entry<void> {
  yield* call(env, thread, Op.THREAD_WRITE_REGISTERS, ...pairs);
}

/** Budget and period in microseconds. */
export function* configureSched(
  env: ServiceEnv,
  control: number,
  schedContext: number,
  budget: number,
  period: number,
  flags = 0,
): Entry<void> {
  yield* call(env, control, Op.SCHED_CONTROL_CONFIGURE, schedContext, budget, period, flags);
}

export function* makeIrq(
  env: ServiceEnv,
  control: number,
  intid: number,
  trigger: number,
  cnode: number,
  index: number,
): Entry<void> {
  yield* call(env, control, Op.IRQ_CONTROL_MAKE, intid, trigger, cnode, index);
}

export function* bindIrq(env: ServiceEnv, irq: number, notification: number): Entry<void> {
  yield* call(env, irq, Op.IRQ_BIND, notification);
}

export function* ackIrq(env: ServiceEnv, irq: number): Entry<void> {
  yield* call(env, irq, Op.IRQ_ACK);
}

export function* bindVcpu(env: ServiceEnv, vcpu: number, thread: number, space: number): Entry<void> {
  yield* call(env, vcpu, Op.VCPU_BIND, thread, space);
}

/** @returns the value of one register (`Reg`). */
export function* readVcpuRegister(env: ServiceEnv, vcpu: number, register: number): Entry<bigint> {
  yield* call(env, vcpu, Op.VCPU_READ_REGISTERS, register);
  return env.wordBig(0);
}

/** Writes registers given as pairs of number (`Reg`) and value. */
export function* writeVcpuRegisters(env: ServiceEnv, vcpu: number, ...pairs: Word[]): Entry<void> {
  yield* call(env, vcpu, Op.VCPU_WRITE_REGISTERS, ...pairs);
}

/** Puts a virtual interrupt (an ICH_LR<n>_EL2 value) into a list register. @returns its number. */
export function* inject(
  env: ServiceEnv,
  vcpu: number,
  value: bigint,
  irq = 0,
  listRegister: number = LR_ANY,
): Entry<number> {
  yield* call(env, vcpu, Op.VCPU_INJECT, value, irq, listRegister);
  return env.word(0);
}

/** A system register's number for the register operations; the arguments are its encoding. */
export function systemRegister(key: number): number {
  return Reg.SYSTEM | key;
}
