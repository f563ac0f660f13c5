import { expect, test } from 'vitest';
import { sysregKey } from '../../arch/core/frame.ts';
import * as abi from '../../kernel/abi/index.ts';
import { Exit, Op, Reg, Root } from '../../kernel/abi/index.ts';
import { machine } from './core-machine.ts';
import { LR_GROUP1, LR_HW, LR_PENDING, makeVm, type Vm } from './vm.ts';

const VTIMER = 27;
const ICH_HCR = Reg.SYSTEM | sysregKey(3, 4, 12, 11, 0);
const ICH_VMCR = Reg.SYSTEM | sysregKey(3, 4, 12, 11, 7);
/** Number of list registers, MISR, EISR, ELRSR. */
const HEAD = 4;

/** A VM whose timer's interrupt is listed; its program turns the timer on, and goes on where that is pending. */
function* listed(env: abi.ServiceEnv, source: string): abi.Entry<Vm & { irq: number }> {
  const vm = yield* makeVm(
    env,
    `msr s3_3_c14_c3_2, xzr\nmov x0, #1\nmsr s3_3_c14_c3_1, x0\nwait: mrs x1, s3_0_c12_c1_0\ncbz x1, wait\n${source}\nstop: b stop`,
  );
  const irq = vm.a.slot();
  yield* abi.makeIrq(env, Root.IRQ_CONTROL, VTIMER, 0, Root.CNODE, irq);
  yield* abi.writeVcpuRegisters(env, vm.vcpu, ICH_HCR, 1, ICH_VMCR, 0xff00_0002);
  yield* abi.resume(env, vm.thread);
  expect((yield* abi.recv(env, vm.exits, vm.reply)).label).toBe(Exit.VTIMER);
  yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | LR_HW | BigInt(VTIMER), irq);
  return { ...vm, irq };
}

/** The first list register's state, and the timer's level. */
function* look(env: abi.ServiceEnv, vm: Vm): abi.Entry<[state: number, level: number]> {
  yield* abi.call(env, vm.vcpu, Op.VCPU_LIST);
  return [env.wordHigh(HEAD) >>> 30, (env.word(HEAD + env.word(0)) >>> VTIMER) & 1];
}

test('a timer’s interrupt that the guest has not acknowledged is taken back when it masks the timer, and comes again', () => {
  machine([
    function* (env) {
      const vm = yield* listed(
        env,
        `hvc #1\nmov x0, #3\nmsr s3_3_c14_c3_1, x0\nmrs x2, s3_0_c12_c1_0\nhvc #2\nmov x0, #1\nmsr s3_3_c14_c3_1, x0`,
      );
      expect((yield* abi.replyRecv(env, vm.exits, vm.reply, 0)).label).toBe(Exit.HVC);
      expect(yield* look(env, vm)).toEqual([1, 1]);
      expect((yield* abi.replyRecv(env, vm.exits, vm.reply, 0)).label).toBe(Exit.HVC);
      expect(yield* abi.readVcpuRegister(env, vm.vcpu, 2)).toBe(0n);
      expect(yield* look(env, vm)).toEqual([0, 0]);
      expect((yield* abi.replyRecv(env, vm.exits, vm.reply, 0)).label).toBe(Exit.VTIMER);
    },
  ]).run();
});

test('one that it has acknowledged stays active when it masks the timer, and nothing traps any more', () => {
  machine([
    function* (env) {
      // ICC_IAR1_EL1; CNTV_CTL_EL0; ISTATUS is read through the trap.
      const vm = yield* listed(
        env,
        `mrs x3, s3_0_c12_c12_0\nmrs x4, s3_3_c14_c3_1\nmov x0, #2\nmsr s3_3_c14_c3_1, x0\nmrs x5, s3_3_c14_c3_1\nhvc #1`,
      );
      expect((yield* abi.replyRecv(env, vm.exits, vm.reply, 0)).label).toBe(Exit.HVC);
      const registers: bigint[] = [];
      for (const n of [3, 4, 5]) registers.push(yield* abi.readVcpuRegister(env, vm.vcpu, n));
      expect(registers).toEqual([27n, 5n, 2n]);
      expect(yield* look(env, vm)).toEqual([2, 0]);
    },
  ]).run();
});

test('one that is pending without a line, by GICR_ISPENDR0, stays', () => {
  machine([
    function* (env) {
      const vm = yield* makeVm(env, 'hvc #1\nmsr s3_3_c14_c3_1, xzr\nhvc #2\nstop: b stop');
      const irq = vm.a.slot();
      yield* abi.makeIrq(env, Root.IRQ_CONTROL, VTIMER, 0, Root.CNODE, irq);
      yield* abi.resume(env, vm.thread);
      yield* abi.recv(env, vm.exits, vm.reply);
      yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | LR_HW | BigInt(VTIMER), irq);
      expect((yield* abi.replyRecv(env, vm.exits, vm.reply, 0)).label).toBe(Exit.HVC);
      expect(yield* look(env, vm)).toEqual([1, 0]);
    },
  ]).run();
});
