import { F, PSTATE, sysregKey } from '../core/frame.ts';
import { SR } from '../core/sysreg-slots.ts';
import type { CpuInterface } from './cpu-interface.ts';
import type { GicContext } from './virtual-interface.ts';
import * as V from './virtual-interface.ts';

/** What becomes of an access to a GIC system register. */
export const GIC_OK = 0;
export const GIC_UNDEFINED = 1;
/** Trapped to EL2 as a system register access (ESR_EL2.EC 0x18). */
export const GIC_TRAP_EL2 = 2;

/** INTID of the maintenance interrupt: PPI 9, as SBSA and QEMU's virt machine have it. */
export const MAINTENANCE_INTID = 25;

/** Outputs of `GicRegisters.lines()`. */
export const GIC_IRQ = 1;
export const GIC_FIQ = 2;
export const GIC_VIRQ = 4;
export const GIC_VFIQ = 8;

const HCR_FMO = 1 << 3;
const HCR_IMO = 1 << 4;

const PMR = sysregKey(3, 0, 4, 6, 0);
/** Keys of ICC_*_EL1 and of the EL2 registers without their CRm and op2. */
const EL1_PAGE = sysregKey(3, 0, 12, 0, 0) >> 7;
const EL2_PAGE = sysregKey(3, 4, 12, 0, 0) >> 7;

/** CRm and op2 as one number. */
const at = (crm: number, op2: number): number => (crm << 3) | op2;
const IAR0 = at(8, 0);
const EOIR0 = at(8, 1);
const HPPIR0 = at(8, 2);
const BPR0 = at(8, 3);
const AP0R0 = at(8, 4);
const AP1R0 = at(9, 0);
const DIR = at(11, 1);
const RPR = at(11, 3);
const SGI1R = at(11, 5);
const ASGI1R = at(11, 6);
const SGI0R = at(11, 7);
const IAR1 = at(12, 0);
const EOIR1 = at(12, 1);
const HPPIR1 = at(12, 2);
const BPR1 = at(12, 3);
const CTLR = at(12, 4);
const SRE = at(12, 5);
const IGRPEN0 = at(12, 6);
const IGRPEN1 = at(12, 7);
/** PMR has its place elsewhere; it gets a free number here. */
const PMR_LOCAL = 0;

// The EL2 page.
const ICH_AP0R0 = at(8, 0);
const ICH_AP1R0 = at(9, 0);
const ICC_SRE_EL2 = at(9, 5);
const ICH_HCR = at(11, 0);
const ICH_VTR = at(11, 1);
const ICH_MISR = at(11, 2);
const ICH_EISR = at(11, 3);
const ICH_ELRSR = at(11, 5);
const ICH_VMCR = at(11, 7);
const ICH_LR0 = at(12, 0);
const ICH_LR15 = at(13, 7);

const READ = 1;
const WRITE = 2;
/** Which of the two groups' traps applies: bit 0, 1; bit 2: registers of both. */
const OF_GROUP0 = 1;
const OF_GROUP1 = 2;
const COMMON = 4;

/** Per register of the EL1 page: ways of access (low bits), group (<< 2). */
const el1 = new Uint8Array(128);
for (const [registers, ways, group] of [
  [[IAR0, HPPIR0], READ, OF_GROUP0],
  [[EOIR0], WRITE, OF_GROUP0],
  [[BPR0, AP0R0, IGRPEN0], READ | WRITE, OF_GROUP0],
  [[IAR1, HPPIR1], READ, OF_GROUP1],
  [[EOIR1], WRITE, OF_GROUP1],
  [[BPR1, AP1R0, IGRPEN1], READ | WRITE, OF_GROUP1],
  [[RPR], READ, COMMON],
  [[DIR, SGI0R, SGI1R, ASGI1R], WRITE, COMMON],
  [[CTLR, PMR_LOCAL], READ | WRITE, COMMON],
  [[SRE], READ | WRITE, 0],
] as const)
  for (const register of registers) el1[register] = ways | (group << 2);

const el2 = new Uint8Array(128);
for (const register of [ICH_VTR, ICH_MISR, ICH_EISR, ICH_ELRSR]) el2[register] = READ;
for (const register of [ICH_AP0R0, ICH_AP1R0, ICC_SRE_EL2, ICH_HCR, ICH_VMCR]) el2[register] = READ | WRITE;
for (let register = ICH_LR0; register <= ICH_LR15; register++) el2[register] = READ | WRITE;

/** ICC_SRE_EL1: SRE, DFB, DIB, and for EL2 Enable; all fixed, there is only the system register interface. */
const SRE_EL1_VALUE = 7;
const SRE_EL2_VALUE = 15;

/**
 * The GIC's system registers of a core: chooses between the physical CPU interface (ICC_*) and the virtual one
 * of the current context (ICV_*), and serves the hypervisor's ICH_*.
 *
 * Callers check `access` first and then read or write. Values are halves of 32 bits; only ICH_LR<n>_EL2 (both
 * ways) and the SGI registers (writes) have an upper half.
 */
export class GicRegisters {
  readonly physical: CpuInterface;
  readonly #core: GicContext;
  readonly #changed: () => void;

  /** @param changed called when what `lines()` says may have changed by a register access. */
  constructor(core: GicContext, physical: CpuInterface, changed: () => void) {
    this.#core = core;
    this.physical = physical;
    this.#changed = changed;
  }

  /** True for keys of ICC_*, ICV_* and ICH_* registers, whether they exist or not. */
  static owns(key: number): boolean {
    const page = key >> 7;
    return key === PMR || ((page === EL1_PAGE || page === EL2_PAGE) && (key & 0x78) >= 0x40);
  }

  /**
   * Interrupts signalled to the core: GIC_IRQ, GIC_FIQ, GIC_VIRQ, GIC_VFIQ as bits. Brings the maintenance
   * interrupt's line up to date first, so call it after the frame has changed as well.
   */
  lines(): number {
    const c = this.#core;
    const { gic, cpu } = this.physical;
    gic.setLine(MAINTENANCE_INTID, V.maintenance(c), cpu);
    return this.physical.lines() | (V.virtualLines(c) << 2);
  }

  /** GIC_OK, GIC_UNDEFINED or GIC_TRAP_EL2 for an access at the current Exception level. */
  access(key: number, write: boolean): number {
    const way = write ? WRITE : READ;
    const el = this.#el();
    if (el === 0) return GIC_UNDEFINED;
    if (!GicRegisters.owns(key)) return GIC_UNDEFINED;
    if (key >> 7 === EL2_PAGE) return el >= 2 && el2[key & 0x7f]! & way ? GIC_OK : GIC_UNDEFINED;
    const register = key === PMR ? PMR_LOCAL : key & 0x7f;
    const rule = el1[register]!;
    if ((rule & way) === 0) return GIC_UNDEFINED;
    if (el !== 1) return GIC_OK;
    const traps = V.hcr(this.#core);
    const group = rule >> 2;
    if (
      (group === OF_GROUP0 && traps & V.ICH_HCR.TALL0) ||
      (group === OF_GROUP1 && traps & V.ICH_HCR.TALL1) ||
      (group === COMMON && traps & V.ICH_HCR.TC) ||
      (register === DIR && traps & V.ICH_HCR.TDIR)
    )
      return GIC_TRAP_EL2;
    // There is no virtual SGI generation: a hypervisor that takes interrupts to EL2 emulates it.
    if ((register === SGI0R || register === SGI1R || register === ASGI1R) && this.#routed(HCR_FMO | HCR_IMO))
      return GIC_TRAP_EL2;
    return GIC_OK;
  }

  /** The register's lower 32 bits, signed or unsigned. Reading an IAR acknowledges. */
  read(key: number): number {
    const c = this.#core;
    const page = key >> 7;
    if (page === EL2_PAGE) return this.#readEl2(key & 0x7f);
    const register = key === PMR ? PMR_LOCAL : key & 0x7f;
    const p = this.physical;
    const virtual = this.#virtual(el1[register]! >> 2);
    switch (register) {
      case PMR_LOCAL:
        return virtual ? V.icvPmr(c) : p.pmr;
      case IAR0:
        return this.#acknowledge(virtual, 0);
      case IAR1:
        return this.#acknowledge(virtual, 1);
      case HPPIR0:
        return virtual ? V.icvHighestPending(c, 0) : p.highestPending(0);
      case HPPIR1:
        return virtual ? V.icvHighestPending(c, 1) : p.highestPending(1);
      case BPR0:
        return virtual ? V.icvBinaryPoint(c, 0) : p.binaryPoint(0);
      case BPR1:
        return virtual ? V.icvBinaryPoint(c, 1) : p.binaryPoint(1);
      case AP0R0:
        return virtual ? V.apr(c, 0) : p.activePriorities(0);
      case AP1R0:
        return virtual ? V.apr(c, 1) : p.activePriorities(1);
      case RPR:
        return virtual ? V.icvRunningPriority(c) : p.runningPriority;
      case CTLR:
        return virtual ? V.icvCtlr(c) : p.ctlr;
      case SRE:
        return SRE_EL1_VALUE;
      case IGRPEN0:
        return virtual ? V.icvGroupEnabled(c, 0) : p.groupEnabled(0);
      case IGRPEN1:
        return virtual ? V.icvGroupEnabled(c, 1) : p.groupEnabled(1);
      default:
        return 0;
    }
  }

  /** The register's upper 32 bits. */
  readHigh(key: number): number {
    const register = key & 0x7f;
    const isLr = key >> 7 === EL2_PAGE && register >= ICH_LR0 && register <= ICH_LR15;
    return isLr ? V.lrHigh(this.#core, register - ICH_LR0) : 0;
  }

  write(key: number, low: number, high: number): void {
    if (key >> 7 === EL2_PAGE) this.#writeEl2(key & 0x7f, low, high);
    else this.#writeEl1(key === PMR ? PMR_LOCAL : key & 0x7f, low, high);
    this.#changed();
  }

  #writeEl1(register: number, low: number, high: number): void {
    const c = this.#core;
    const p = this.physical;
    const virtual = this.#virtual(el1[register]! >> 2);
    switch (register) {
      case PMR_LOCAL:
        if (virtual) V.setIcvPmr(c, low);
        else p.pmr = low;
        return;
      case EOIR0:
        return this.#endOfInterrupt(virtual, 0, low);
      case EOIR1:
        return this.#endOfInterrupt(virtual, 1, low);
      case DIR:
        return virtual ? V.icvDeactivate(c, p.gic, p.cpu, low) : p.deactivate(low);
      case BPR0:
        return virtual ? V.setIcvBinaryPoint(c, 0, low) : p.setBinaryPoint(0, low);
      case BPR1:
        return virtual ? V.setIcvBinaryPoint(c, 1, low) : p.setBinaryPoint(1, low);
      case AP0R0:
        return virtual ? V.setApr(c, 0, low) : p.setActivePriorities(0, low);
      case AP1R0:
        return virtual ? V.setApr(c, 1, low) : p.setActivePriorities(1, low);
      case CTLR:
        if (virtual) V.setIcvCtlr(c, low);
        else p.ctlr = low;
        return;
      case IGRPEN0:
        return virtual ? V.icvEnableGroup(c, 0, low) : p.enableGroup(0, low);
      case IGRPEN1:
        return virtual ? V.icvEnableGroup(c, 1, low) : p.enableGroup(1, low);
      case SGI1R:
        return p.sendSgi(1, low, high);
      case SGI0R:
      case ASGI1R: // the other Security state's Group 1, which with one Security state is Group 0
        return p.sendSgi(0, low, high);
    }
  }

  #readEl2(register: number): number {
    const c = this.#core;
    if (register >= ICH_LR0) return V.lrLow(c, register - ICH_LR0);
    switch (register) {
      case ICH_AP0R0:
        return V.apr(c, 0);
      case ICH_AP1R0:
        return V.apr(c, 1);
      case ICC_SRE_EL2:
        return SRE_EL2_VALUE;
      case ICH_HCR:
        return V.hcr(c);
      case ICH_VTR:
        return V.ICH_VTR_VALUE;
      case ICH_MISR:
        return V.misr(c);
      case ICH_EISR:
        return V.eisr(c);
      case ICH_ELRSR:
        return V.elrsr(c);
      case ICH_VMCR:
        return V.vmcr(c);
      default:
        return 0;
    }
  }

  #writeEl2(register: number, low: number, high: number): void {
    const c = this.#core;
    if (register >= ICH_LR0) return V.setLr(c, register - ICH_LR0, low, high);
    switch (register) {
      case ICH_AP0R0:
        return V.setApr(c, 0, low);
      case ICH_AP1R0:
        return V.setApr(c, 1, low);
      case ICH_HCR:
        return V.setHcr(c, low);
      case ICH_VMCR:
        return V.setVmcr(c, low);
    }
  }

  #acknowledge(virtual: boolean, group: number): number {
    const intid = virtual ? V.icvAcknowledge(this.#core, group) : this.physical.acknowledge(group);
    this.#changed();
    return intid;
  }

  #endOfInterrupt(virtual: boolean, group: number, intid: number): void {
    const p = this.physical;
    if (virtual) V.icvEndOfInterrupt(this.#core, p.gic, p.cpu, group, intid);
    else p.endOfInterrupt(group, intid);
  }

  /** Whether EL1 sees ICV_* here: HCR_EL2.FMO gives it Group 0, IMO Group 1, either the common registers. */
  #virtual(group: number): boolean {
    if (this.#el() !== 1) return false;
    return this.#routed(group === OF_GROUP0 ? HCR_FMO : group === OF_GROUP1 ? HCR_IMO : HCR_FMO | HCR_IMO);
  }

  #routed(bits: number): boolean {
    const c = this.#core;
    return (c.i32[(c.frame + SR.HCR_EL2) >>> 2]! & bits) !== 0;
  }

  #el(): number {
    const c = this.#core;
    return (c.i32[(c.frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3;
  }
}
