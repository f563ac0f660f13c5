import { MISS } from '../a64/region-abi.ts';
import type { MmioDevice } from '../bus.ts';
import { accessSyndrome, elementSize } from './access-syndrome.ts';
import { abortAt, abortTarget, FSC_EXTERNAL, hostOf } from './aborts.ts';
import type { Debug } from './debug.ts';
import { dataAbort, routeExternal, routeSync, spAlignment, type Trap } from './exception.ts';
import { F } from './frame.ts';
import { ACCESS, FSC, type Mmu } from './mmu.ts';
import type { CoreState } from './state.ts';
import type { Slot } from './tlb.ts';

/** Pages that are entered into the TLB ahead of one, where memory is walked through. */
const RUN = 7;

const FSC_UNSUPPORTED_ATOMIC = 0x35;

/** Whether a miss is DC ZVA's. */
const isZva = (info: number): boolean => (info & (MISS.zva | MISS.atomic)) === MISS.zva;

/** What data accesses need of their core. */
export interface AccessingCore extends CoreState {
  readonly stats: { tlbMisses: number; mmio: number };
  /** The exception level now. */
  readonly el: 0 | 1 | 2;
  /** The instruction at PC; 0 where it cannot be fetched. */
  wordAtPc(): number;
  /** A device has been accessed: what that has made pending waits from now on. */
  noteInterrupts(): void;
}

/** The data accesses that translated code cannot make by what the TLB has: misses, across pages, to devices, with faults. */
export class DataPath {
  /** The exception of an access that faulted, and the instructions behind it that its region has counted. */
  trap: Trap | undefined;
  correction = 0;
  /** The TLBs of ordinary and of unprivileged accesses. */
  slot: Slot;
  unprivilegedSlot: Slot;
  /** SCTLR_ELx.A; and whether the TLB may hold Device memory, as all code checks alignment. */
  alignmentChecked = false;
  holdsDevice = false;

  private readonly core: AccessingCore;
  private readonly debug: Debug;
  private readonly mmu: Mmu;
  private readonly i32: Int32Array;
  private readonly u8: Uint8Array;
  // A write that stands in the bounce buffer.
  private bounceDevice: { device: MmioDevice; offset: number } | undefined;
  private bounceFirst = 0;
  private bounceSecond = 0;
  // The access being made: its address and size, and whether it might be found unaligned.
  private accessLo = 0;
  private accessSize = 0;
  private uneven = false;

  constructor(core: AccessingCore, debug: Debug, slot: Slot) {
    this.core = core;
    this.debug = debug;
    this.slot = this.unprivilegedSlot = slot;
    ({ mmu: this.mmu, i32: this.i32, u8: this.u8 } = core);
  }

  private dataFault(info: number, write: boolean, hi: number, lo: number, fsc: number): 0 {
    this.correction = (info >> MISS.correctionShift) & MISS.correctionMask;
    const { fault } = this.mmu;
    fault.stage2 = false;
    const target = fsc === FSC_EXTERNAL ? routeExternal(this.core) : routeSync(this.core);
    const esr = dataAbort(this.core, target, { fsc, write, external: false });
    this.trap = abortAt(this.core, target, esr, hi, lo);
    return 0;
  }

  private translationFault(info: number, hi: number, lo: number): 0 {
    this.correction = (info >> MISS.correctionShift) & MISS.correctionMask;
    const { fault } = this.mmu;
    const target = abortTarget(this.core);
    // Nor is there one of an external abort, with FEAT_RAS.
    const described = fault.stage2 && !fault.s1ptw && (fault.fsc & 0x3c) !== FSC.EXTERNAL_ON_WALK;
    const syndrome = described ? accessSyndrome(this.faultingWord()) : undefined;
    const esr = dataAbort(this.core, target, { fsc: fault.fsc, write: fault.wnr, s1ptw: fault.s1ptw, syndrome });
    this.trap = abortAt(this.core, target, esr, hi, lo);
    return 0;
  }

  /** The faulting instruction's word; keeps the fault's description. */
  private faultingWord(): number {
    const { fault } = this.mmu;
    const { fsc, stage2, s1ptw, ipaHi, ipaLo, wnr } = fault;
    const word = this.core.wordAtPc();
    fault.fsc = fsc;
    fault.stage2 = stage2;
    fault.s1ptw = s1ptw;
    fault.ipaHi = ipaHi;
    fault.ipaLo = ipaLo;
    fault.wnr = wnr;
    return word;
  }

  /** Translates a page's part of an access; the host address in RAM, 0 on a fault, -1 for a device (`bounceDevice`). */
  private access(info: number, kind: number, hi: number, lo: number, size: number): number {
    this.core.stats.tlbMisses++;
    const { mmu } = this;
    const unprivileged = (info & MISS.unprivileged) !== 0;
    if (unprivileged) kind |= ACCESS.UNPRIV;
    if (this.uneven && this.unaligned(info)) kind |= ACCESS.UNALIGNED;
    const done = mmu.translate(this.core, hi, lo, kind, this.core.el);
    if (!done) return this.translationFault(info, hi, lo);
    const { pa } = mmu;
    const host = hostOf(this.core.bus, pa, size);
    if (host === 0) {
      this.bounceDevice = this.core.bus.device(pa);
      if (this.bounceDevice === undefined)
        return this.dataFault(info, (kind & ACCESS.WRITE) !== 0, hi, lo, FSC_EXTERNAL);
      return -1;
    }
    const slot = unprivileged ? this.unprivilegedSlot : this.slot;
    if (!mmu.global) slot.hasLocal = true;
    if (mmu.userAccessible) slot.hasUser = true;
    if ((!mmu.device || this.holdsDevice) && !this.debug.watchesPage(this.core, hi, lo))
      this.fillTlb(slot, hi, lo, host);
    return host;
  }

  /**
   * Enters what has been translated, and where memory is walked through from page to page, the next pages as well: a TLB may
   * hold any translation before it is used.
   */
  private fillTlb(slot: Slot, hi: number, lo: number, host: number): void {
    const { mmu } = this;
    const writable = mmu.writable && mmu.readable;
    const pageHost = host & ~0xfff;
    slot.fill(hi, lo, pageHost, mmu.readable, writable, mmu.blockShift);
    if (!slot.hasPage((lo >>> 12) - 1) || this.debug.watching !== '') return;
    const { ram } = this.core.bus;
    const count = Math.min(RUN, 0xfffff - (lo >>> 12));
    for (let n = 1; n <= count; n++) {
      const next = pageHost + mmu.distance(this.core, n);
      if (!(next >= ram.host && next < ram.host + ram.size)) return;
      slot.fill(hi, lo + n * 0x1000, next, mmu.readable, writable, mmu.blockShift);
    }
  }

  /** Whether the access is not aligned to its elements. May translate the instruction's address. */
  private unaligned(info: number): boolean {
    const { accessLo, accessSize } = this;
    return isZva(info) || (accessLo & (elementSize(this.core.wordAtPc(), accessSize) - 1)) !== 0;
  }

  /** What is checked of an access before its address is translated; false with an exception noted. */
  private checkAlignment(frame: number, info: number, write: boolean, hi: number, lo: number, size: number): boolean {
    this.accessLo = lo;
    this.accessSize = size;
    this.uneven = (lo & (size - 1)) !== 0 || (size & (size - 1)) !== 0 || isZva(info);
    if (info & MISS.stack && this.i32[(frame + F.SP) >>> 2]! & 15) {
      this.correction = (info >> MISS.correctionShift) & MISS.correctionMask;
      this.trap = spAlignment(this.core);
      return false;
    }
    if (!this.uneven || isZva(info)) return true;
    if ((info & MISS.aligned) === 0 && !(this.alignmentChecked && this.unaligned(info))) return true;
    this.dataFault(info, write, hi, lo, FSC.ALIGNMENT);
    return false;
  }

  /** Whether a watchpoint stops the access, whose translation has succeeded. */
  private watched(info: number, hi: number, lo: number, size: number, reads: boolean, writes: boolean): boolean {
    if (this.debug.watching === '') return false;
    const unprivileged = (info & MISS.unprivileged) !== 0 && this.unprivilegedSlot !== this.slot;
    const trap = this.debug.watchpoint(this.core, hi, lo, size, { reads, writes, unprivileged });
    if (trap === undefined) return false;
    this.correction = (info >> MISS.correctionShift) & MISS.correctionMask;
    this.trap = trap;
    return true;
  }

  /** RuntimeHost.readMiss. */
  readMiss(frame: number, info: number): number {
    const { i32 } = this;
    const lo = i32[(frame + F.ARG0) >>> 2]!;
    const hi = i32[(frame + F.ARG0 + 4) >>> 2]!;
    const size = info & MISS.sizeMask;
    if (!this.checkAlignment(frame, info, false, hi, lo, size)) return 0;
    const bounce = frame + F.BOUNCE;
    const first = 0x1000 - (lo & 0xfff);
    if (size > first) {
      // Across a page: both halves are translated before anything is read.
      const a = this.part(info, ACCESS.READ, hi, lo, first);
      if (a === 0) return 0;
      const next = lo + first;
      const b = this.part(info, ACCESS.READ, next === 0 || (next | 0) === 0 ? hi + 1 : hi, next | 0, size - first);
      if (b === 0 || this.watched(info, hi, lo, size, true, false)) return 0;
      this.u8.copyWithin(bounce, a, a + first);
      this.u8.copyWithin(bounce + first, b, b + size - first);
      return bounce;
    }
    const host = this.access(info, ACCESS.READ, hi, lo, size);
    if (host !== 0 && this.watched(info, hi, lo, size, true, false)) return 0;
    if (host >= 0) return host;
    return this.deviceRead(info, hi, lo, size, bounce) ? bounce : 0;
  }

  /** A half of an access across pages; only RAM can be accessed so. */
  private part(info: number, kind: number, hi: number, lo: number, size: number): number {
    // The TLB's entries forbid nothing to an access that is not aligned, unless they may be of Device memory.
    if (!this.holdsDevice) {
      const slot = (info & MISS.unprivileged) !== 0 ? this.unprivilegedSlot : this.slot;
      const known = slot.hostOf(hi, lo, kind !== ACCESS.READ);
      if (known !== 0) return known;
    }
    const host = this.access(info, kind, hi, lo, size);
    if (host < 0) return this.dataFault(info, kind !== ACCESS.READ, hi, lo, FSC.ALIGNMENT);
    return host;
  }

  private deviceRead(info: number, hi: number, lo: number, size: number, to: number): boolean {
    if (lo & (Math.min(size, 4) - 1)) {
      this.dataFault(info, false, hi, lo, FSC.ALIGNMENT);
      return false;
    }
    this.core.stats.mmio++;
    const { device, offset } = this.bounceDevice!;
    const unit = size < 4 ? (size as 1 | 2) : 4;
    this.i32[to >>> 2] = 0;
    for (let n = 0; n < size; n += unit) {
      const value = device.read(offset + n, unit);
      if (unit === 4) this.i32[(to + n) >>> 2] = value;
      else {
        this.u8[to + n] = value;
        if (unit === 2) this.u8[to + n + 1] = value >> 8;
      }
    }
    this.core.noteInterrupts();
    return true;
  }

  /** RuntimeHost.writeMiss. */
  writeMiss(frame: number, info: number): number {
    const { i32 } = this;
    const lo = i32[(frame + F.ARG0) >>> 2]!;
    const hi = i32[(frame + F.ARG0 + 4) >>> 2]!;
    const size = info & MISS.sizeMask;
    const atomic = (info & MISS.atomic) !== 0;
    // A fault of an atomic access counts as a read's where a read would have it too (ESR_ELx.WnR).
    const readsToo = atomic && (info & MISS.exclusive) === 0;
    const kind = readsToo ? ACCESS.WRITE | ACCESS.ATOMIC : ACCESS.WRITE;
    i32[(frame + F.BOUNCE_SIZE) >>> 2] = 0;
    if (!this.checkAlignment(frame, info, !readsToo, hi, lo, size)) return 0;
    const bounce = frame + F.BOUNCE;
    const first = 0x1000 - (lo & 0xfff);
    if (size > first) {
      const a = this.part(info, kind, hi, lo, first);
      if (a === 0) return 0;
      const next = (lo + first) | 0;
      const b = this.part(info, kind, next === 0 ? hi + 1 : hi, next, size - first);
      if (b === 0 || this.watched(info, hi, lo, size, readsToo, true)) return 0;
      this.bounceDevice = undefined;
      this.bounceFirst = a;
      this.bounceSecond = b;
      i32[(frame + F.BOUNCE_SIZE) >>> 2] = size;
      return bounce;
    }
    const host = this.access(info, kind, hi, lo, size);
    if (host !== 0 && this.watched(info, hi, lo, size, readsToo, true)) return 0;
    if (host >= 0) return host;
    if (atomic) return this.dataFault(info, !readsToo, hi, lo, FSC_UNSUPPORTED_ATOMIC);
    if (lo & (Math.min(size, 4) - 1) || isZva(info)) return this.dataFault(info, true, hi, lo, FSC.ALIGNMENT);
    i32[(frame + F.BOUNCE_ADDRESS) >>> 2] = lo;
    i32[(frame + F.BOUNCE_SIZE) >>> 2] = size;
    return bounce;
  }

  /** RuntimeHost.commit. */
  commit(frame: number): number {
    const { i32, u8 } = this;
    const size = i32[(frame + F.BOUNCE_SIZE) >>> 2]!;
    if (size === 0) return 0;
    i32[(frame + F.BOUNCE_SIZE) >>> 2] = 0;
    const bounce = frame + F.BOUNCE;
    if (this.bounceDevice === undefined) {
      const first = 0x1000 - (this.bounceFirst & 0xfff);
      u8.copyWithin(this.bounceFirst, bounce, bounce + first);
      u8.copyWithin(this.bounceSecond, bounce + first, bounce + size);
      return 0;
    }
    this.core.stats.mmio++;
    const { device, offset } = this.bounceDevice;
    const unit = size < 4 ? (size as 1 | 2) : 4;
    for (let n = 0; n < size; n += unit) {
      const at = bounce + n;
      const value = unit === 4 ? i32[at >>> 2]! >>> 0 : unit === 2 ? u8[at]! | (u8[at + 1]! << 8) : u8[at]!;
      device.write(offset + n, unit, value);
    }
    this.core.noteInterrupts();
    return 0;
  }
}
