import { describe, expect, test } from 'vitest';
import { sysregKey } from '../../arch/core/frame.ts';
import { SR } from '../../arch/core/sysreg-slots.ts';
import * as abi from '../../kernel/abi/index.ts';
import { Answer, Err, Exit, ObjectType, Op, Reg, Rights, Root } from '../../kernel/abi/index.ts';
import { type Booted, type Guest, runRoot } from './machine.ts';
import { Allocator, errorOf } from './task.ts';

const HVC = { esr: 0x5a00_0000, pcOffset: 4 };
const SMC = { esr: 0x5e00_0000 };
const WFI = { esr: 0x0600_0000 };
const WFE = { esr: 0x0600_0001 };
const RAM_IPA = 0x4000_0000;
const systemRegister = (...key: [number, number, number, number, number]): number => Reg.SYSTEM | sysregKey(...key);
const CNTV_CTL = systemRegister(3, 3, 14, 3, 1);
const CNTV_CVAL = systemRegister(3, 3, 14, 3, 2);
const CNTVOFF = systemRegister(3, 4, 14, 0, 3);
const ICH_HCR = systemRegister(3, 4, 12, 11, 0);
const ICH_VMCR = systemRegister(3, 4, 12, 11, 7);
const ICH_LR0 = systemRegister(3, 4, 12, 12, 0);
const VBAR = systemRegister(3, 0, 12, 0, 0);
const LR_PENDING = 1n << 62n;
const LR_HW = 1n << 61n;
const LR_GROUP1 = 1n << 60n;

interface Vm {
  a: Allocator;
  vcpu: number;
  thread: number;
  space: number;
  endpoint: number;
  reply: number;
}

/** A VM with 2 MiB of memory; its exits come to `endpoint` with badge 7. The vCPU is not resumed. */
function* makeVm(env: abi.ServiceEnv): abi.Entry<Vm> {
  const a = new Allocator(env);
  const endpoint = yield* a.endpoint();
  const reply = yield* a.reply();
  const exits = yield* a.badged(endpoint, 7);
  const space = yield* a.make(ObjectType.VM_SPACE, 16);
  const frame = yield* a.make(ObjectType.FRAME, 21);
  yield* abi.map(env, space, frame, RAM_IPA, Rights.READ | Rights.WRITE | Rights.EXECUTE);
  const vcpu = yield* a.make(ObjectType.VCPU);
  const { thread } = yield* a.thread({ faultEndpoint: exits, budget: 10_000 });
  yield* abi.bindVcpu(env, vcpu, thread, space);
  yield* abi.writeVcpuRegisters(env, vcpu, Reg.PC, RAM_IPA, 0, 0x1234, Reg.PSTATE, 0x3c5);
  return { a, vcpu, thread, space, endpoint, reply };
}

/** Lets others run for a while. */
function* pause(env: abi.ServiceEnv, a: Allocator): abi.Entry<void> {
  const n = yield* a.notification();
  yield* abi.wait(env, n, env.now() + 2000);
}

/** A guest that plays these steps, then WFI for ever. */
function steps(...list: Guest[]): Guest {
  let at = 0;
  return (cpu) => (at < list.length ? list[at++]!(cpu) : WFI);
}

/** Runs a VMM program on a machine with a guest. */
function runVm(guest: Guest, program: (env: abi.ServiceEnv, vm: Vm) => abi.Entry<void>): Booted {
  return runRoot(
    function* (env) {
      yield* program(env, yield* makeVm(env));
    },
    [],
    {},
    guest,
  );
}

describe('exits', () => {
  test('a read of MMIO is answered by one reply, which sets the register and advances', () => {
    const seen: unknown[] = [];
    runVm(
      steps(
        // LDR W3, [X1]: ISV, SAS word, SRT 3, translation fault level 3.
        (cpu) => ({ esr: 0x9383_0007, far: 0xffff_0000_0900_0018n, hpfar: 0x90000n, ...(cpu.setX(3, 1n), {}) }),
        (cpu) => {
          seen.push(cpu.x(3), cpu.pc);
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.resume(env, vm.thread);
        const exit = yield* abi.recv(env, vm.endpoint, vm.reply);
        expect([exit.label, exit.badge, exit.length]).toEqual([Exit.STAGE2_ABORT, 7, 6]);
        expect(env.word(0)).toBe(0x9383_0007);
        expect(env.wordBig(1)).toBe(0xffff_0000_0900_0018n);
        expect(env.word(2)).toBe(0x900_0018);
        expect(env.word(3)).toBe(RAM_IPA);
        expect(env.word(5)).toBe(0);
        yield* abi.send(env, vm.reply, Answer.ADVANCE | Answer.SET_REGISTERS, 3, 0xabcd);
        yield* pause(env, vm.a);
      },
    );
    expect(seen).toEqual([0xabcdn, BigInt(RAM_IPA + 4)]);
  });

  test('a write of MMIO brings the stored value, cut to its size', () => {
    runVm(
      // STRB W5, [X1].
      steps((cpu) => (cpu.setX(5, 0x1_2345_67e9n), { esr: 0x9305_0047, far: 0n, hpfar: 0x90000n })),
      function* (env, vm) {
        yield* abi.resume(env, vm.thread);
        yield* abi.recv(env, vm.endpoint, vm.reply);
        expect(env.word(5)).toBe(0xe9);
      },
    );
  });

  test('HVC and SMC bring X0 to X17, the answer sets X0 to X3', () => {
    const seen: bigint[] = [];
    runVm(
      steps(
        (cpu) => {
          for (let n = 0; n < 18; n++) cpu.setX(n, BigInt(100 + n));
          return SMC;
        },
        (cpu) => {
          seen.push(cpu.pc, ...[0, 1, 2, 3, 4].map((n) => cpu.x(n)));
          return HVC;
        },
        (cpu) => {
          seen.push(cpu.pc);
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.resume(env, vm.thread);
        let exit = yield* abi.recv(env, vm.endpoint, vm.reply);
        expect([exit.label, exit.length]).toEqual([Exit.SMC, 19]);
        expect(Array.from({ length: 19 }, (_, i) => env.word(i))).toEqual([
          ...Array.from({ length: 18 }, (_, i) => 100 + i),
          SMC.esr,
        ]);
        exit = yield* abi.replyRecv(env, vm.endpoint, vm.reply, Answer.ADVANCE | Answer.SET_REGISTERS, 0, 1, 2, 3, 4);
        expect(exit.label).toBe(Exit.HVC);
        yield* abi.send(env, vm.reply, 0);
        yield* pause(env, vm.a);
      },
    );
    expect(seen).toEqual([BigInt(RAM_IPA + 4), 1n, 2n, 3n, 4n, 104n, BigInt(RAM_IPA + 8)]);
  });

  test('a trapped system register brings ESR and Xt; UNDEFINED makes the guest take it', () => {
    const seen: unknown[] = [];
    runVm(
      steps(
        (cpu) => (cpu.setX(9, 0x55n), { esr: 0x6200_0120 }),
        (cpu) => {
          seen.push(cpu.pc, cpu.el, cpu.sysreg(SR.ESR_EL1), cpu.sysreg(SR.ELR_EL1));
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.writeVcpuRegisters(env, vm.vcpu, VBAR, 0x8_0000);
        yield* abi.resume(env, vm.thread);
        const exit = yield* abi.recv(env, vm.endpoint, vm.reply);
        expect([exit.label, env.word(0), env.word(3)]).toEqual([Exit.SYSREG, 0x6200_0120, 0x55]);
        yield* abi.send(env, vm.reply, Answer.UNDEFINED);
        yield* pause(env, vm.a);
      },
    );
    // Current EL with SP_ELx, synchronous: VBAR_EL1 + 0x200.
    expect(seen).toEqual([0x8_0200n, 1, 0x0200_0000n, BigInt(RAM_IPA)]);
  });

  test('EXTERNAL_ABORT makes the guest take a data abort with its address', () => {
    const seen: unknown[] = [];
    runVm(
      steps(
        () => ({ esr: 0x9383_0047, far: 0x1_0000_0018n, hpfar: 0x90000n }),
        (cpu) => {
          seen.push(cpu.sysreg(SR.ESR_EL1), cpu.sysreg(SR.FAR_EL1));
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.resume(env, vm.thread);
        yield* abi.recv(env, vm.endpoint, vm.reply);
        yield* abi.send(env, vm.reply, Answer.EXTERNAL_ABORT);
        yield* pause(env, vm.a);
      },
    );
    expect(seen).toEqual([0x9600_0050n, 0x1_0000_0018n]);
  });

  test('a VCPU without an endpoint for its exits stops', () => {
    let ran = 0;
    runVm(
      () => {
        ran++;
        return HVC;
      },
      function* (env, vm) {
        yield* abi.configureThread(env, vm.thread, { cnode: Root.CNODE });
        yield* abi.resume(env, vm.thread);
        yield* pause(env, vm.a);
      },
    );
    expect(ran).toBe(1);
  });

  test('a VCPU whose exits nobody can answer any more stops', () => {
    let ran = 0;
    runVm(
      () => {
        ran++;
        return HVC;
      },
      function* (env, vm) {
        yield* abi.resume(env, vm.thread);
        yield* abi.recv(env, vm.endpoint, vm.reply);
        yield* abi.remove(env, Root.CNODE, vm.reply);
        yield* pause(env, vm.a);
      },
    );
    expect(ran).toBe(1);
  });
});

describe('waiting', () => {
  test('WFI waits for an injected interrupt without an exit, WFE does not wait', () => {
    const seen: number[] = [];
    runVm(
      steps(
        () => WFE,
        () => WFI,
        (cpu) => {
          seen.push(cpu.time);
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.writeVcpuRegisters(env, vm.vcpu, ICH_HCR, 1, ICH_VMCR, 0xff00_0002);
        yield* abi.resume(env, vm.thread);
        const at = env.now() + 5000;
        expect((yield* abi.recv(env, vm.endpoint, vm.reply, at)).error).toBe(Err.TIMEOUT);
        expect(seen).toEqual([]);
        yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | (0xa0n << 48n) | 40n);
        yield* pause(env, vm.a);
        expect(seen.length).toBe(1);
        expect(seen[0]).toBeGreaterThanOrEqual(at);
      },
    );
  });

  test('WFI does not wait when an interrupt is pending already', () => {
    const seen: number[] = [];
    runVm(
      steps(
        () => WFI,
        (cpu) => {
          seen.push(cpu.time);
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.writeVcpuRegisters(env, vm.vcpu, ICH_HCR, 1, ICH_VMCR, 0xff00_0002);
        yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | (0xa0n << 48n) | 40n);
        yield* abi.resume(env, vm.thread);
        yield* pause(env, vm.a);
        expect(seen.length).toBe(1);
      },
    );
  });

  test('the virtual timer wakes a WFI and exits as VTIMER, once until it is deactivated', () => {
    const times: number[] = [];
    const { cpu } = runVm(
      () => WFI,
      function* (env, vm) {
        const timer = vm.a.slot();
        yield* abi.makeIrq(env, Root.IRQ_CONTROL, 27, 0, Root.CNODE, timer);
        const due = env.now() + 3000;
        yield* abi.writeVcpuRegisters(env, vm.vcpu, CNTVOFF, 100, CNTV_CVAL, due - 100, CNTV_CTL, 1);
        yield* abi.resume(env, vm.thread);
        const exit = yield* abi.recv(env, vm.endpoint, vm.reply);
        times.push(env.now() - due);
        expect([exit.label, env.word(0), env.word(1)]).toEqual([Exit.VTIMER, 1, due - 100]);
        const n = yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | LR_HW | 27n, timer);
        expect(n).toBe(0);
        yield* abi.call(env, vm.vcpu, Op.VCPU_READ_REGISTERS, ICH_LR0);
        expect(env.wordBig(0)).toBe(LR_PENDING | LR_GROUP1 | LR_HW | (27n << 32n) | 27n);
        // Not deactivated: it does not come again.
        yield* abi.send(env, vm.reply, 0);
        expect((yield* abi.recv(env, vm.endpoint, vm.reply, env.now() + 2000)).error).toBe(Err.TIMEOUT);
        yield* abi.ackIrq(env, timer);
        expect((yield* abi.recv(env, vm.endpoint, vm.reply, env.now() + 2000)).label).toBe(Exit.VTIMER);
      },
    );
    expect(times[0]).toBeGreaterThanOrEqual(0);
    expect(times[0]).toBeLessThan(500);
    expect(cpu.gic).toBeDefined();
  });

  test('Answer.WAIT waits as WFI does', () => {
    let ran = 0;
    runVm(
      steps(
        () => HVC,
        () => {
          ran++;
          return undefined;
        },
      ),
      function* (env, vm) {
        yield* abi.writeVcpuRegisters(env, vm.vcpu, ICH_HCR, 1, ICH_VMCR, 0xff00_0002);
        yield* abi.resume(env, vm.thread);
        yield* abi.recv(env, vm.endpoint, vm.reply);
        yield* abi.send(env, vm.reply, Answer.WAIT);
        yield* pause(env, vm.a);
        expect(ran).toBe(0);
        yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | 40n);
        yield* pause(env, vm.a);
        expect(ran).toBe(1);
      },
    );
  });
});

describe('list registers', () => {
  test('injection fills free ones, joins one that lists the interrupt, and ends with NO_LIST_REGISTER', () => {
    runVm(
      () => WFI,
      function* (env, vm) {
        for (let i = 0; i < 16; i++) {
          expect(yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | BigInt(40 + i))).toBe(i);
        }
        expect(yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | 45n)).toBe(5);
        expect(yield* errorOf(abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | 99n))).toBe(Err.NO_LIST_REGISTER);
        yield* abi.inject(env, vm.vcpu, LR_PENDING | LR_GROUP1 | 99n, 0, 3);
        yield* abi.call(env, vm.vcpu, Op.VCPU_LIST);
        expect(env.word(0)).toBe(16);
        expect(env.word(3)).toBe(0);
        expect(env.wordBig(4 + 3)).toBe(LR_PENDING | LR_GROUP1 | 99n);
      },
    );
  });

  test('HW = 1 needs the capability of the interrupt, and cannot be written as a register', () => {
    runVm(
      () => WFI,
      function* (env, vm) {
        const hw = LR_PENDING | LR_GROUP1 | LR_HW | (50n << 32n) | 40n;
        expect(yield* errorOf(abi.inject(env, vm.vcpu, hw))).toBe(Err.INVALID_CAPABILITY);
        expect(yield* errorOf(abi.inject(env, vm.vcpu, hw, vm.space))).toBe(Err.INVALID_CAPABILITY);
        expect(yield* errorOf(abi.writeVcpuRegisters(env, vm.vcpu, ICH_LR0, hw))).toBe(Err.INVALID_ARGUMENT);
        expect(yield* abi.readVcpuRegister(env, vm.vcpu, ICH_LR0)).toBe(0n);
      },
    );
  });

  test('a maintenance interrupt exits with the reasons', () => {
    runVm(
      steps(() => undefined),
      function* (env, vm) {
        // UIE: an interrupt as long as at most one list register is in use.
        yield* abi.writeVcpuRegisters(env, vm.vcpu, ICH_HCR, 3);
        yield* abi.resume(env, vm.thread);
        const exit = yield* abi.recv(env, vm.endpoint, vm.reply);
        expect([exit.label, env.word(0), env.word(1), env.word(2)]).toEqual([Exit.MAINTENANCE, 2, 0, 0xffff]);
      },
    );
  });
});

describe('registers and binding', () => {
  test('what is written is read back, within the bits that exist', () => {
    runVm(
      () => WFI,
      function* (env, vm) {
        const values: [number, bigint, bigint][] = [
          [5, 0xfedc_ba98_7654_3210n, 0xfedc_ba98_7654_3210n],
          [Reg.PC, 0xffff_8000_1234_5678n, 0xffff_8000_1234_5678n],
          [Reg.SP, 0x1000n, 0x1000n],
          [Reg.FPCR, 0xffff_ffffn, 0x07c8_0000n],
          [Reg.V_HIGH + 31, 77n, 77n],
          [VBAR, 0xfffn | (1n << 40n), (1n << 40n) | 0x800n],
        ];
        for (const [register, value, expected] of values) {
          yield* abi.writeVcpuRegisters(env, vm.vcpu, register, value);
          expect(yield* abi.readVcpuRegister(env, vm.vcpu, register)).toBe(expected);
        }
      },
    );
  });

  test('EL2 registers, AArch32 and EL2 states are refused with INVALID_ARGUMENT', () => {
    runVm(
      () => WFI,
      function* (env, vm) {
        const hcr = systemRegister(3, 4, 1, 1, 0);
        const vttbr = systemRegister(3, 4, 2, 1, 0);
        for (const register of [hcr, vttbr, 63, 128, Reg.SYSTEM - 1, 2 ** 40]) {
          expect(yield* errorOf(abi.writeVcpuRegisters(env, vm.vcpu, register, 0))).toBe(Err.INVALID_ARGUMENT);
          expect(yield* errorOf(abi.readVcpuRegister(env, vm.vcpu, register))).toBe(Err.INVALID_ARGUMENT);
        }
        for (const pstate of [0x3c9, 0x10, 0x1d3, 0x3cd]) {
          expect(yield* errorOf(abi.writeVcpuRegisters(env, vm.vcpu, Reg.PSTATE, pstate))).toBe(Err.INVALID_ARGUMENT);
        }
        expect(yield* errorOf(abi.writeVcpuRegisters(env, vm.vcpu, 1, 2, 3))).toBe(Err.INVALID_ARGUMENT);
      },
    );
  });

  test('each missing capability fails its own operation', () => {
    runVm(
      () => WFI,
      function* (env, vm) {
        const readOnly = yield* vm.a.copy(vm.vcpu, Rights.READ);
        const writeOnly = yield* vm.a.copy(vm.vcpu, Rights.WRITE);
        expect(yield* errorOf(abi.inject(env, readOnly, LR_PENDING | 40n))).toBe(Err.NO_RIGHT);
        expect(yield* errorOf(abi.writeVcpuRegisters(env, readOnly, 0, 0))).toBe(Err.NO_RIGHT);
        expect(yield* errorOf(abi.readVcpuRegister(env, writeOnly, 0))).toBe(Err.NO_RIGHT);
        expect(yield* errorOf(abi.bindVcpu(env, vm.vcpu, vm.thread, vm.space))).toBe(Err.WRONG_STATE);
        const other = yield* vm.a.make(ObjectType.VCPU);
        expect(yield* errorOf(abi.bindVcpu(env, other, vm.vcpu, vm.space))).toBe(Err.INVALID_CAPABILITY);
        expect(yield* errorOf(abi.bindVcpu(env, other, vm.thread, vm.thread))).toBe(Err.INVALID_CAPABILITY);
        yield* abi.remove(env, Root.CNODE, vm.vcpu);
        yield* abi.remove(env, Root.CNODE, readOnly);
        yield* abi.remove(env, Root.CNODE, writeOnly);
        expect(yield* errorOf(abi.inject(env, vm.vcpu, LR_PENDING | 40n))).toBe(Err.INVALID_CAPABILITY);
      },
    );
  });

  test('a VCPU stops when its space is revoked', () => {
    let ran = 0;
    runVm(
      () => {
        ran++;
        return WFE;
      },
      function* (env, vm) {
        yield* abi.resume(env, vm.thread);
        yield* pause(env, vm.a);
        expect(ran).toBeGreaterThan(0);
        yield* abi.revoke(env, Root.CNODE, vm.space);
        const before = ran;
        yield* pause(env, vm.a);
        expect(ran).toBe(before);
      },
    );
  });
});
