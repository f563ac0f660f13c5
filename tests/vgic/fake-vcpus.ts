/** VCPUs whose list registers are those of arch/gic, served as the kernel would, to services that run one generator at a time. */
import { F } from '../../arch/core/frame.ts';
import { InterruptController } from '../../arch/gic/interrupts.ts';
import * as V from '../../arch/gic/virtual-interface.ts';
import { messageInfo } from '../../kernel/abi/message.ts';
import { Err, LR_ANY, Op, Syscall } from '../../kernel/abi/numbers.ts';
import { systemRegister } from '../../kernel/abi/objects.ts';
import type { Entry, ServiceEnv, Word } from '../../kernel/abi/service.ts';
import { sysregKey } from '../../arch/core/frame.ts';

const ICH_HCR_EL2 = systemRegister(sysregKey(3, 4, 12, 11, 0));
const STATE = V.ICH_LR_HIGH.Pending | V.ICH_LR_HIGH.Active;
const VCPU0 = 0x40;

export class FakeVcpus implements ServiceEnv {
  readonly frequency = 1_000_000;
  time = 0;
  /** Calls made, by operation. */
  readonly calls = new Map<number, number>();
  /** Physical interrupts that were deactivated (IRQ_ACK, or by a guest through its list register). */
  readonly physical = new InterruptController({ cpus: 1, spis: 32 });
  readonly contexts: V.GicContext[];
  /** Levels of the VCPUs' own interrupts, a bit by INTID. */
  levels = 0;
  readonly #count: number;
  readonly #registers = new BigUint64Array(31);
  readonly #words = new BigUint64Array(120);

  constructor(vcpus: number, listRegisters: number) {
    this.#count = listRegisters;
    this.contexts = Array.from({ length: vcpus }, () => ({ i32: new Int32Array(F.SYSREG_END / 4), frame: 0 }));
    for (const c of this.contexts) {
      V.resetVirtualInterface(c);
      V.setHcr(c, V.ICH_HCR.En);
    }
  }

  vcpu(n: number): number {
    return VCPU0 + n;
  }

  /** Runs a part of a service to its end. */
  run<T>(part: Entry<T>): T {
    for (;;) {
      const step = part.next();
      if (step.done) return step.value;
      this.#serve();
    }
  }

  #serve(): void {
    if (this.register(8) !== Syscall.CALL) throw new Error(`system call ${this.register(8)} is not expected`);
    const label = Math.floor(this.register(1) / 0x1_0000) & 0xffff;
    this.calls.set(label, (this.calls.get(label) ?? 0) + 1);
    const error = this.#operate(this.register(0), label);
    this.setRegister(1, messageInfo(0, 0) + error * 2 ** 32);
  }

  #operate(capability: number, op: number): number {
    if (op === Op.IRQ_ACK) {
      this.physical.deactivate(0, capability);
      return Err.OK;
    }
    const c = this.contexts[capability - VCPU0];
    if (c === undefined) return Err.INVALID_CAPABILITY;
    switch (op) {
      case Op.VCPU_INJECT:
        return this.#inject(c);
      case Op.VCPU_LIST:
        [this.#count, V.misr(c), V.eisr(c), this.#free(c)].forEach((word, i) => this.setWord(i, word));
        for (let n = 0; n < this.#count; n++)
          this.setWord(4 + n, (BigInt(V.lrHigh(c, n) >>> 0) << 32n) | BigInt(V.lrLow(c, n)));
        this.setWord(4 + this.#count, this.levels);
        return Err.OK;
      case Op.VCPU_READ_REGISTERS:
        if (this.word(0) !== ICH_HCR_EL2) return Err.INVALID_ARGUMENT;
        this.setWord(0, V.hcr(c) >>> 0);
        return Err.OK;
      case Op.VCPU_WRITE_REGISTERS:
        if (this.word(0) !== ICH_HCR_EL2) return Err.INVALID_ARGUMENT;
        V.setHcr(c, this.wordLow(1));
        return Err.OK;
      default:
        return Err.UNKNOWN_OPERATION;
    }
  }

  #free(c: V.GicContext): number {
    return V.elrsr(c) & (2 ** this.#count - 1);
  }

  #inject(c: V.GicContext): number {
    const low = this.wordLow(0);
    let high = this.wordHigh(0) | 0;
    if (high & V.ICH_LR_HIGH.HW) {
      high = (high & ~V.ICH_LR_HIGH.pINTID_MASK) | this.word(1);
      if ((high & STATE) === 0) {
        this.physical.deactivate(0, this.word(1));
        return Err.OK;
      }
    }
    let n = this.word(2);
    if (n === LR_ANY) {
      n = Array.from({ length: this.#count }, (_, i) => i).findIndex(
        (i) => (V.lrHigh(c, i) & STATE) !== 0 && V.lrLow(c, i) === low,
      );
      if (n >= 0) {
        high = V.lrHigh(c, n) | (high & STATE);
      } else {
        const free = this.#free(c);
        if (free === 0) return Err.NO_LIST_REGISTER;
        n = 31 - Math.clz32(free & -free);
      }
    }
    V.setLr(c, n, low, high);
    this.setWord(0, n);
    return Err.OK;
  }

  now(): number {
    return this.time;
  }
  word(i: number): number {
    return Number(this.#words[i]);
  }
  wordBig(i: number): bigint {
    return this.#words[i]!;
  }
  wordLow(i: number): number {
    return Number(this.#words[i]! & 0xffff_ffffn);
  }
  wordHigh(i: number): number {
    return Number(this.#words[i]! >> 32n);
  }
  setWord(i: number, value: Word): void {
    this.#words[i] = BigInt.asUintN(64, BigInt(value));
  }
  register(n: number): number {
    return Number(this.#registers[n]);
  }
  registerBig(n: number): bigint {
    return this.#registers[n]!;
  }
  registerLow(n: number): number {
    return Number(this.registerBig(n) & 0xffff_ffffn);
  }
  registerHigh(n: number): number {
    return Number(this.registerBig(n) >> 32n);
  }
  setRegister(n: number, value: Word): void {
    this.#registers[n] = BigInt.asUintN(64, BigInt(value));
  }
  setCap(): void {}
  setReceiveSlots(): void {}
  window(): never {
    throw new Error('no windows here');
  }
  log(): void {}
}
