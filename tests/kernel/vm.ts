/** Virtual machines with programs of their own on the real core, for tests. */
import * as abi from '../../kernel/abi/index.ts';
import { ObjectType, Reg, Rights } from '../../kernel/abi/index.ts';
import { writeProgram } from './core-machine.ts';
import { Allocator } from './task.ts';

/** Where a VM's 2 MiB of memory and its program begin. */
export const IPA = 0x4000_0000;
export const LR_PENDING = 1n << 62n;
export const LR_HW = 1n << 61n;
export const LR_GROUP1 = 1n << 60n;

export interface Vm {
  a: Allocator;
  vcpu: number;
  thread: number;
  exits: number;
  reply: number;
  memory: number;
}

/** A VM with a program at its entry; its VCPU is not resumed. `a`: what made another VM before. */
export function* makeVm(env: abi.ServiceEnv, source: string, a = new Allocator(env)): abi.Entry<Vm> {
  const exits = yield* a.endpoint();
  const reply = yield* a.reply();
  const space = yield* a.make(ObjectType.VM_SPACE, 16);
  const memory = yield* a.make(ObjectType.FRAME, 21);
  writeProgram(env.window(memory), source, IPA);
  yield* abi.map(env, space, memory, IPA, Rights.READ | Rights.WRITE | Rights.EXECUTE);
  const vcpu = yield* a.make(ObjectType.VCPU);
  const { thread } = yield* a.thread({ faultEndpoint: exits, budget: 5000 });
  yield* abi.bindVcpu(env, vcpu, thread, space);
  yield* abi.writeVcpuRegisters(env, vcpu, Reg.PC, IPA);
  return { a, vcpu, thread, exits, reply, memory };
}
