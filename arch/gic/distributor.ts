import type { AccessSize, MmioDevice } from '../bus.ts';
import type { InterruptController } from './interrupts.ts';
import { PRIVATE_INTIDS } from './interrupts.ts';

/** GICD_IIDR, GICR_IIDR: implementer Arm, as QEMU's virt machine says. */
export const IIDR = 0x0000_043b;

/** GICD_* and GICR_* identification registers, 0xffd0 – 0xfffc (IHI 0069, 12.1.1). PIDR2.ArchRev 3: GICv3. */
export function identification(offset: number, part: number): number {
  const ids = [0x44, 0, 0, 0, part, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1];
  return ids[(offset - 0xffd0) >> 2] ?? 0;
}

const IGROUPR = 0x080;
const ISENABLER = 0x100;
const ICENABLER = 0x180;
const ISPENDR = 0x200;
const ICPENDR = 0x280;
const ISACTIVER = 0x300;
const ICACTIVER = 0x380;
const IPRIORITYR = 0x400;
const ITARGETSR = 0x800;
const ICFGR = 0xc00;
const BANKS_END = 0xd00;

/** True for the offsets of the register arrays that the distributor and the redistributors have in common. */
export function inBanks(offset: number): boolean {
  return offset >= IGROUPR && offset < BANKS_END;
}

/** The word (32 INTIDs) that an offset in the register arrays is about. */
export function bankWord(offset: number): number {
  if (offset >= ICFGR) return (offset - ICFGR) >> 3;
  if (offset >= IPRIORITYR) return ((offset - IPRIORITYR) & 0x3ff) >> 5;
  return (offset & 0x7f) >> 2;
}

/** ICFGR's two bits per interrupt from one: bit 1 of each field says edge-triggered. */
function spread(bits: number): number {
  let out = 0;
  for (let i = 0; i < 16; i++) out |= ((bits >> i) & 1) << (2 * i + 1);
  return out;
}

function gather(fields: number): number {
  let out = 0;
  for (let i = 0; i < 16; i++) out |= ((fields >> (2 * i + 1)) & 1) << i;
  return out;
}

/** Reads the register arrays; `slot` is the one of `bankWord(offset)`. */
export function readBank(gic: InterruptController, slot: number, offset: number, size: AccessSize): number {
  if (offset >= IPRIORITYR && offset < ITARGETSR) {
    if (size === 2) return 0;
    let value = 0;
    for (let i = 0; i < size; i++) value |= gic.priorityByte(slot, (offset & 31) + i) << (8 * i);
    return value >>> 0;
  }
  if (size !== 4) return 0;
  if (offset >= ICFGR) return spread(gic.edgeWord(slot) >>> (offset & 4 ? 16 : 0)) >>> 0;
  switch (offset & ~0x7f) {
    case IGROUPR:
      return gic.groupWord(slot) >>> 0;
    case ISENABLER:
    case ICENABLER:
      return gic.enableWord(slot) >>> 0;
    case ISPENDR:
    case ICPENDR:
      return gic.pendingWord(slot) >>> 0;
    case ISACTIVER:
    case ICACTIVER:
      return gic.activeWord(slot) >>> 0;
    default:
      return 0;
  }
}

export function writeBank(
  gic: InterruptController,
  slot: number,
  offset: number,
  size: AccessSize,
  value: number,
): void {
  if (offset >= IPRIORITYR && offset < ITARGETSR) {
    if (size !== 2) gic.setPriorityBytes(slot, offset & 31, size, value);
    return;
  }
  if (size !== 4) return;
  if (offset >= ICFGR) {
    const edge = gic.edgeWord(slot);
    const half = gather(value);
    gic.setEdgeWord(slot, offset & 4 ? (edge & 0xffff) | (half << 16) : (edge & ~0xffff) | half);
    return;
  }
  switch (offset & ~0x7f) {
    case IGROUPR:
      return gic.setGroupWord(slot, value);
    case ISENABLER:
      return gic.updateEnable(slot, value, 0);
    case ICENABLER:
      return gic.updateEnable(slot, 0, value);
    case ISPENDR:
      return gic.updatePending(slot, value, 0);
    case ICPENDR:
      return gic.updatePending(slot, 0, value);
    case ISACTIVER:
      return gic.updateActive(slot, value, 0);
    case ICACTIVER:
      return gic.updateActive(slot, 0, value);
  }
}

const CTLR = 0x000;
const TYPER = 0x004;
const IIDR_OFFSET = 0x008;
const IROUTER = 0x6000;
const IDREGS = 0xffd0;

const CTLR_ARE = 1 << 4;
const CTLR_DS = 1 << 6;

/** The distributor's registers (GICD_*, IHI 0069, 12.9), one 64 KiB page. Registers that do not exist are RAZ/WI. */
export class Distributor implements MmioDevice {
  static readonly SIZE = 0x10000;
  readonly #gic: InterruptController;

  constructor(gic: InterruptController) {
    this.#gic = gic;
  }

  read(offset: number, size: AccessSize): number {
    offset &= -size;
    const gic = this.#gic;
    if (inBanks(offset)) {
      const slot = this.#slot(offset);
      return slot < 0 ? 0 : readBank(gic, slot, offset, size);
    }
    if (size !== 4) return 0;
    if (offset >= IROUTER && offset < IROUTER + 8 * 1020) {
      const { affinity, any } = gic.route((offset - IROUTER) >> 3);
      return offset & 4 ? affinity >>> 24 : ((affinity & 0xffffff) | (any ? 1 << 31 : 0)) >>> 0;
    }
    if (offset >= IDREGS) return identification(offset, 0x92);
    switch (offset) {
      case CTLR:
        return CTLR_DS | CTLR_ARE | gic.groupsEnabled;
      case TYPER: {
        // No LPIs, 10 bits of INTID, Aff3 may be nonzero, 1 of N supported.
        const lines = Math.ceil((PRIVATE_INTIDS + gic.spis) / 32) - 1;
        return lines | (9 << 19) | (1 << 24);
      }
      case IIDR_OFFSET:
        return IIDR;
      default:
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    offset &= -size;
    const gic = this.#gic;
    if (inBanks(offset)) {
      const slot = this.#slot(offset);
      if (slot >= 0) writeBank(gic, slot, offset, size, value);
      return;
    }
    if (size !== 4) return;
    if (offset === CTLR) gic.groupsEnabled = value & 3;
    else if (offset >= IROUTER && offset < IROUTER + 8 * 1020) {
      const intid = (offset - IROUTER) >> 3;
      const { affinity, any } = gic.route(intid);
      if (offset & 4) gic.setRoute(intid, ((affinity & 0xffffff) | (value << 24)) >>> 0, any);
      else gic.setRoute(intid, ((affinity & 0xff000000) | (value & 0xffffff)) >>> 0, value >>> 31 !== 0);
    }
  }

  /** Word 0, the private interrupts, is not here: with affinity routing those are the redistributors'. */
  #slot(offset: number): number {
    const word = bankWord(offset);
    return word === 0 ? -1 : this.#gic.slot(word, 0);
  }
}
