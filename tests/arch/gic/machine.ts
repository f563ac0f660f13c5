import { F, FRAME_SIZE } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg-slots.ts';
import { CpuInterface } from '../../../arch/gic/cpu-interface.ts';
import { Distributor } from '../../../arch/gic/distributor.ts';
import { InterruptController } from '../../../arch/gic/interrupts.ts';
import { Redistributors } from '../../../arch/gic/redistributor.ts';
import { GIC_OK, GicRegisters } from '../../../arch/gic/system-registers.ts';
import { resetVirtualInterface } from '../../../arch/gic/virtual-interface.ts';

/** `op0 op1 CRn CRm op2` of the GIC's system registers. */
const ENCODINGS: Record<string, readonly [number, number, number, number, number]> = {
  ICC_PMR_EL1: [3, 0, 4, 6, 0],
  ICC_IAR0_EL1: [3, 0, 12, 8, 0],
  ICC_EOIR0_EL1: [3, 0, 12, 8, 1],
  ICC_HPPIR0_EL1: [3, 0, 12, 8, 2],
  ICC_BPR0_EL1: [3, 0, 12, 8, 3],
  ICC_AP0R0_EL1: [3, 0, 12, 8, 4],
  ICC_AP1R0_EL1: [3, 0, 12, 9, 0],
  ICC_DIR_EL1: [3, 0, 12, 11, 1],
  ICC_RPR_EL1: [3, 0, 12, 11, 3],
  ICC_SGI1R_EL1: [3, 0, 12, 11, 5],
  ICC_ASGI1R_EL1: [3, 0, 12, 11, 6],
  ICC_SGI0R_EL1: [3, 0, 12, 11, 7],
  ICC_IAR1_EL1: [3, 0, 12, 12, 0],
  ICC_EOIR1_EL1: [3, 0, 12, 12, 1],
  ICC_HPPIR1_EL1: [3, 0, 12, 12, 2],
  ICC_BPR1_EL1: [3, 0, 12, 12, 3],
  ICC_CTLR_EL1: [3, 0, 12, 12, 4],
  ICC_SRE_EL1: [3, 0, 12, 12, 5],
  ICC_IGRPEN0_EL1: [3, 0, 12, 12, 6],
  ICC_IGRPEN1_EL1: [3, 0, 12, 12, 7],
  ICC_SRE_EL2: [3, 4, 12, 9, 5],
  ICH_AP0R0_EL2: [3, 4, 12, 8, 0],
  ICH_AP1R0_EL2: [3, 4, 12, 9, 0],
  ICH_HCR_EL2: [3, 4, 12, 11, 0],
  ICH_VTR_EL2: [3, 4, 12, 11, 1],
  ICH_MISR_EL2: [3, 4, 12, 11, 2],
  ICH_EISR_EL2: [3, 4, 12, 11, 3],
  ICH_ELRSR_EL2: [3, 4, 12, 11, 5],
  ICH_VMCR_EL2: [3, 4, 12, 11, 7],
};
for (let n = 0; n < 16; n++) ENCODINGS[`ICH_LR${n}_EL2`] = [3, 4, 12, 12 + (n >> 3), n & 7];

export const REGISTERS = Object.keys(ENCODINGS);

export function key(name: string): number {
  const encoding = ENCODINGS[name];
  if (encoding === undefined) throw new Error(name);
  const [op0, op1, crn, crm, op2] = encoding;
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}

/** A core's GIC side: a frame of its own and register access by name. */
export class TestCore {
  readonly i32 = new Int32Array(FRAME_SIZE / 4);
  readonly frame = 0;
  readonly physical: CpuInterface;
  readonly registers: GicRegisters;
  changes = 0;

  constructor(gic: InterruptController, cpu: number) {
    this.physical = new CpuInterface(gic, cpu);
    this.registers = new GicRegisters(this, this.physical, () => this.changes++);
    resetVirtualInterface(this);
    this.el = 2;
  }

  set el(el: number) {
    this.i32[F.PSTATE >> 2] = (el << 2) | (el > 0 ? 1 : 0);
  }

  set hcr(value: number) {
    this.i32[SR.HCR_EL2 >> 2] = value;
  }

  access(name: string, write = false): number {
    return this.registers.access(key(name), write);
  }

  read(name: string): bigint {
    if (this.access(name) !== GIC_OK) throw new Error(`${name} cannot be read`);
    const low = this.registers.read(key(name)) >>> 0;
    return (BigInt(this.registers.readHigh(key(name)) >>> 0) << 32n) | BigInt(low);
  }

  num(name: string): number {
    return Number(this.read(name));
  }

  write(name: string, value: number | bigint): void {
    if (this.access(name, true) !== GIC_OK) throw new Error(`${name} cannot be written`);
    const bits = BigInt.asUintN(64, BigInt(value));
    this.registers.write(key(name), Number(BigInt.asIntN(32, bits)), Number(BigInt.asIntN(32, bits >> 32n)));
  }

  get lines(): number {
    return this.registers.lines();
  }
}

/** A whole interrupt system with some cores. */
export class TestGic {
  readonly gic: InterruptController;
  readonly distributor: Distributor;
  readonly redistributors: Redistributors;
  readonly cores: TestCore[];
  readonly changed: number[] = [];

  constructor(cpus = 1, spis = 256) {
    this.gic = new InterruptController({ cpus, spis, onChange: (cpu) => this.changed.push(cpu) });
    this.distributor = new Distributor(this.gic);
    this.redistributors = new Redistributors(this.gic);
    this.cores = Array.from({ length: cpus }, (_, cpu) => new TestCore(this.gic, cpu));
    this.changed.length = 0;
  }

  core(cpu = 0): TestCore {
    return this.cores[cpu]!;
  }

  /** As an operating system starts: redistributors awake, both groups enabled, all priorities let in. */
  start(): this {
    this.distributor.write(0, 4, 3);
    this.cores.forEach((core, cpu) => {
      this.redistributors.write(cpu * 0x20000 + 0x14, 4, 0);
      core.write('ICC_PMR_EL1', 0xff);
      core.write('ICC_IGRPEN0_EL1', 1);
      core.write('ICC_IGRPEN1_EL1', 1);
    });
    return this;
  }

  /** Register access by INTID, at the distributor or the redistributor of `cpu`. */
  bit(offset: number, intid: number, cpu = 0): void {
    this.#write(offset + 4 * (intid >> 5), 4, 2 ** (intid & 31), intid, cpu);
  }

  word(offset: number, intid: number, cpu = 0): number {
    const at = offset + 4 * (intid >> 5);
    if (intid < 32) return this.redistributors.read(cpu * 0x20000 + 0x10000 + at, 4);
    return this.distributor.read(at, 4);
  }

  /** Enables an interrupt in Group 1 with a priority. */
  enable(intid: number, priority: number, { cpu = 0, group = 1, edge = false } = {}): void {
    this.#write(0x400 + intid, 1, priority, intid, cpu);
    const groups = this.word(0x80, intid, cpu);
    const bit = 2 ** (intid & 31);
    const other = (groups & ~bit) >>> 0;
    this.#write(0x80 + 4 * (intid >> 5), 4, group === 1 ? other + bit : other, intid, cpu);
    if (edge) this.#write(0xc00 + 4 * (intid >> 4), 4, 2 << (2 * (intid & 15)), intid, cpu);
    this.bit(0x100, intid, cpu);
  }

  #write(offset: number, size: 1 | 4, value: number, intid: number, cpu: number): void {
    if (intid < 32) this.redistributors.write(cpu * 0x20000 + 0x10000 + offset, size, value);
    else this.distributor.write(offset, size, value);
  }
}

export const IRQ = 1;
export const FIQ = 2;
export const VIRQ = 4;
export const VFIQ = 8;
