import { EXIT, type Context } from '../a64/region-abi.ts';
import type { PhysicalBus, SystemCounter } from '../bus.ts';
import type { CpuInterface } from '../gic/cpu-interface.ts';
import { GIC_OK, GicRegisters } from '../gic/system-registers.ts';
import { abortAt, abortTarget, FSC_EXTERNAL, hostOf } from './aborts.ts';
import type { CodeCache } from './code-cache.ts';
import { DataPath, type AccessingCore } from './data-path.ts';
import { Debug } from './debug.ts';
import { Domain, type DomainMember } from './domain.ts';
import {
  branchAddressHigh,
  exceptionInstruction,
  exceptionReturn,
  illegalState,
  instructionAbort,
  INTERRUPT,
  interruptTarget,
  pcAlignment,
  pendingInterrupts,
  routeExternal,
  serror,
  synchronizeErrors,
  takeException,
  undefinedInstruction,
  type Interrupt,
  type Trap,
} from './exception.ts';
import { F, FRAME_SIZE, PSTATE } from './frame.ts';
import { FP_HELPERS } from './helpers.ts';
import { ACCESS, currentAsid, currentVmid, Mmu } from './mmu.ts';
import { countEvent, countPassed, EVENT, pmuOutput, pmuRuns, untilOverflow } from './pmu.ts';
import type { Processor, StopReason, Vector } from './processor.ts';
import type { RuntimeExports, RuntimeHost } from './runtime.ts';
import type { TlbScope } from './state.ts';
import { HCR, SCTLR } from './sysreg-bits.ts';
import { fpTrap, wfxTrap } from './sysreg-traps.ts';
import { readSysreg, resetSysregs, SR, systemInstruction, writePstateField, writeSysreg } from './sysreg.ts';
import { nextTimerTicks, TIMER, timerOutputs } from './timer.ts';
import { PAGES, SLOT_BYTES, Slots, SLOTS } from './tlb.ts';

interface ControlState {
  sctlr: number;
  tcr: number;
  tcrHi: number;
  hcr: number;
  hcrHi: number;
  watching: string;
  /** All of them. */
  name?: string;
}

/** Machine memory that a core needs for itself: its bare-mode frame, TLBs and jump caches. */
export const CORE_BYTES = (FRAME_SIZE + SLOTS * SLOT_BYTES + 0xffff) & ~0xffff;

/** PPIs of the generic timers (BSA): INTIDs. */
const TIMER_INTIDS = [
  [TIMER.PHYSICAL, 30],
  [TIMER.VIRTUAL, 27],
  [TIMER.EL2_PHYSICAL, 26],
  [TIMER.EL2_VIRTUAL, 28],
] as const;

/** PPI of the performance monitors' overflow (BSA): INTID. */
const PMU_INTID = 23;

/** In bytes: CTR_EL0.DminLine. */
const CACHE_LINE = 64;

/** Instructions between two looks at the clock. */
const SLICE = 50_000;

/**
 * What an exception counts as against `run`'s limit, in instructions: a guest whose vectors cannot be fetched takes one after
 * the other and retires nothing.
 */
const EXCEPTION_COST = 100;
/** The same for IC IALLU, which compares all translated code with memory. */
const COMPARE_COST = 20_000;

export interface CoreOptions {
  readonly bus: PhysicalBus;
  readonly index: number;
  readonly counter: SystemCounter;
  /** Host address of CORE_BYTES of zeroed machine memory, 64 KiB aligned. */
  readonly area: number;
  /** Exceptions to EL2 stop `run` in front of a hypervisor written in TypeScript. */
  readonly hostedEl2: boolean;
  /** The cores that this one takes turns with; none when left out. */
  readonly domain?: Domain;
  /** The core's GIC CPU interface. */
  readonly gic?: CpuInterface;
  /** Firmware below EL2 (bare mode): serves SMC, or HVC where EL2 is not implemented; true when it did. */
  readonly firmware?: (core: Core, conduit: 'smc' | 'hvc') => boolean;
}

/** What happened in a core, for `--stats`. */
export interface CoreStats {
  tlbMisses: number;
  exits: number;
  exceptions: number;
  mmio: number;
}

/** One processor core: runs frames by translating what they reach. */
export class Core implements Processor, AccessingCore, DomainMember {
  readonly bus: PhysicalBus;
  readonly index: number;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly mmu = new Mmu();
  private readonly debug = new Debug();
  readonly host: RuntimeHost;
  readonly stats: CoreStats = { tlbMisses: 0, exits: 0, exceptions: 0, mmio: 0 };
  readonly counterFrequency: number;
  /** Host address of the core's own frame, for bare mode. */
  readonly ownFrame: number;
  frame: number;
  vector: Vector = 'sync';
  /** Called with every exception before it is taken. */
  onException: ((vector: Vector, target: number, esr: number) => void) | undefined;

  private readonly counterSource: SystemCounter;
  private readonly hostedEl2: boolean;
  private readonly firmware: CoreOptions['firmware'];
  private readonly gic: GicRegisters | undefined;
  private readonly slots: Slots;
  private readonly data: DataPath;
  /** What `controls` has found last. */
  private controlState: ControlState = { sctlr: 0, tcr: 0, tcrHi: 0, hcr: 0, hcrHi: 0, watching: '' };
  private readonly domain: Domain;
  /** The domain's. */
  readonly code: CodeCache;
  private readonly runtime: RuntimeExports;
  private contextDirty = true;
  /** SPSR_EL2 of the last exception to a hosted EL2, while `contextDirty` is false. */
  private leftPstate = 0;
  private linesDirty = true;
  private stopRequested = false;
  /** Code that callers on the host's stack would return to is no longer what its addresses hold. */
  private unwind = false;
  /** Counter value at which a timer's output changes next. */
  private nextTimer = 0;
  private timersDirty = true;
  /** Whether performance counters may be running; instructions retired and counter ticks that they have seen. */
  private counting = false;
  private countedInstructions = 0;
  private countedTicks = 0;
  /** Retired instructions at which a performance counter overflows. */
  private nextOverflow = Infinity;
  private context = 0;
  /** Interrupt inputs as INTERRUPT bits. */
  private inputs = 0;
  /** Retired instructions at which `run` has to come back. */
  private end = 0;
  // What translated code left for the dispatcher.
  private exitKind = -1;
  private exitOperand = 0;
  /** Instructions are looked at one by one: the next one's word, and whether it has been entered. */
  private singleWord = 0;
  private singleEntered = false;

  constructor(options: CoreOptions) {
    const { bus } = options;
    this.bus = bus;
    this.index = options.index;
    this.counterSource = options.counter;
    this.counterFrequency = options.counter.frequency;
    this.hostedEl2 = options.hostedEl2;
    this.firmware = options.firmware;
    const { memory } = bus.ram;
    this.u8 = new Uint8Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.i64 = new BigInt64Array(memory.buffer);
    this.ownFrame = options.area;
    this.frame = options.area;
    this.slots = new Slots(this.i32, options.area + FRAME_SIZE);
    this.data = new DataPath(this, this.debug, this.slots.all[0]!);
    this.host = {
      readMiss: (frame, info) => this.data.readMiss(frame, info),
      writeMiss: (frame, info) => this.data.writeMiss(frame, info),
      commit: (frame) => this.data.commit(frame),
      resolve: (frame) => this.lookUp(this.i32[(frame + F.ARG0 + 4) >>> 2]!, this.i32[(frame + F.ARG0) >>> 2]!),
      exit: (_frame, kind, operand) => this.exit(kind, operand),
      helper: (frame, id, argument) => FP_HELPERS[id]!(this.i32, this.u8, frame, argument),
    };
    this.domain = options.domain ?? new Domain(memory);
    this.domain.join(this);
    ({ runtime: this.runtime, code: this.code } = this.domain);
    if (options.gic !== undefined) this.gic = new GicRegisters(this, options.gic, () => this.interruptsChanged());
    this.resetFrame(this.ownFrame, 1);
  }

  // ------------------------------------------------------------------ Processor

  resetFrame(frame: number, el: 0 | 1 | 2): void {
    this.i32.fill(0, frame >>> 2, (frame + FRAME_SIZE) >>> 2);
    resetSysregs(this, frame);
    this.i32[(frame + F.PSTATE) >>> 2] =
      PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F | (el === 0 ? 0 : PSTATE.SP) | (el << PSTATE.EL_SHIFT);
    if (frame === this.frame) this.contextChanged();
  }

  /** What a core that has its own frame (bare mode) is like when it is turned on at `el`. Its instruction count goes on. */
  reset(el: 1 | 2): void {
    const { retired } = this;
    if (this.counting) this.countEvents();
    this.resetFrame(this.ownFrame, el);
    this.retire(retired);
    this.gic?.physical.reset();
    for (const regime of [1, 2] as const) this.dropTranslations({ regime, broadcast: false });
    this.interruptsChanged();
    this.timersChanged();
  }

  switchFrame(frame: number): void {
    const old = this.frame;
    if (old === frame) return;
    if (this.counting) this.countEvents();
    const { i32 } = this;
    i32[(frame + F.ICOUNT) >>> 2] = i32[(old + F.ICOUNT) >>> 2]!;
    i32[(frame + F.ICOUNT + 4) >>> 2] = i32[(old + F.ICOUNT + 4) >>> 2]!;
    this.frame = frame;
    this.contextDirty = true;
    this.linesDirty = true;
    this.timersDirty = true;
  }

  eret(): void {
    const { i32, frame } = this;
    // Back to where it came from, unless somebody changed what a context depends on.
    const same = !this.contextDirty && i32[(frame + SR.SPSR_EL2) >>> 2] === this.leftPstate;
    this.leaveLevel(EVENT.EXC_RETURN);
    exceptionReturn(this);
    this.contextDirty = !same;
  }

  /** Makes `run` come back at the next instruction boundary that it looks at. */
  stop(): void {
    this.stopRequested = true;
    this.expire();
  }

  /** Instructions retired since the core was made. */
  get retired(): number {
    const at = (this.frame + F.ICOUNT) >>> 2;
    return this.i32[at + 1]! * 0x1_0000_0000 + (this.i32[at]! >>> 0);
  }

  get pc(): bigint {
    return BigInt.asUintN(64, this.i64[(this.frame + F.PC) >>> 3]!);
  }

  set pc(value: bigint) {
    this.i64[(this.frame + F.PC) >>> 3] = BigInt.asIntN(64, value);
  }

  run(limit: number): StopReason {
    this.end = this.retired + limit;
    this.stopRequested = false;
    this.domain.running = this.host;
    for (;;) {
      const interrupt = this.pendingInterrupt();
      if (interrupt !== undefined) {
        if (interrupt.virtual && interrupt.vector === 'serror')
          this.i32[(this.frame + SR.HCR_EL2) >>> 2]! &= ~(1 << HCR.VSE);
        if (
          this.take(
            interrupt.target,
            interrupt.vector,
            interrupt.vector === 'serror' ? serror(this, interrupt.virtual) : 0,
          )
        )
          return 'el2';
        continue;
      }
      if (this.retired >= this.end || this.stopRequested) return 'yield';
      this.setDeadline();
      const stop = this.runSlice();
      if (stop !== undefined) return stop;
    }
  }

  // ------------------------------------------------------------------ the dispatcher

  /** The asynchronous exception to take now; brings timers and interrupt inputs up to date. */
  private pendingInterrupt(): Interrupt | undefined {
    if (this.timersDirty || this.counterSource.now() >= this.nextTimer || this.retired >= this.nextOverflow)
      this.updateTimers();
    if (this.linesDirty) this.updateLines();
    const { i32, frame, inputs } = this;
    const hcr = i32[(frame + SR.HCR_EL2) >>> 2]!;
    const waiting = (frame + F.IRQ_PENDING) >>> 2;
    if (inputs === 0 && (hcr & ((1 << HCR.VSE) | (1 << HCR.VI) | (1 << HCR.VF))) === 0) {
      i32[waiting] = 0;
      return undefined;
    }
    i32[waiting] = pendingInterrupts(this, inputs);
    return interruptTarget(this, inputs);
  }

  /** Lets translated code run until the clock or the caller of `run` must be looked at. */
  private setDeadline(): void {
    const at = Math.min(this.retired + SLICE, this.end, this.nextOverflow);
    const i = (this.frame + F.DEADLINE) >>> 2;
    this.i32[i] = at | 0;
    this.i32[i + 1] = Math.floor(at / 0x1_0000_0000);
  }

  private expire(): void {
    const i = (this.frame + F.DEADLINE) >>> 2;
    this.i32[i] = 0;
    this.i32[i + 1] = 0;
  }

  private expired(): boolean {
    const { i32 } = this;
    const d = (this.frame + F.DEADLINE) >>> 2;
    const c = (this.frame + F.ICOUNT) >>> 2;
    return i32[c + 1]! > i32[d + 1]! || (i32[c + 1]! === i32[d + 1]! && i32[c]! >>> 0 >= i32[d]! >>> 0);
  }

  /** Runs until the deadline passes; undefined then, else why `run` has to come back. */
  private runSlice(): StopReason | undefined {
    const { i32, runtime } = this;
    while (!this.expired()) {
      if (this.contextDirty) this.updateContext();
      this.unwind = false;
      if (this.code.full) this.domain.clear();
      const { frame } = this;
      const pcAt = (frame + F.PC) >>> 2;
      i32[pcAt + 1] = this.untagged(i32[pcAt + 1]!);
      const { single } = this.debug;
      if (single) {
        const step = this.debug.pendingStep(this);
        if (step !== undefined) {
          if (this.takeTrap(step)) return 'el2';
          continue;
        }
      }
      if (this.illegal || this.resolve(i32[pcAt + 1]!, i32[pcAt]!) === 0) {
        if (this.fetchFault()) return 'el2';
        continue;
      }
      if (single) {
        const breakpoint = this.debug.breakpoint(this);
        if (breakpoint !== undefined) {
          if (this.takeTrap(breakpoint)) return 'el2';
          continue;
        }
        this.singleWord = this.wordAtPc();
        this.singleEntered = false;
      }
      this.exitKind = -1;
      runtime.enter(frame);
      if (this.data.trap !== undefined) {
        const { trap } = this.data;
        this.data.trap = undefined;
        if (this.data.correction !== 0) this.retire(-this.data.correction);
        if (this.takeTrap(trap)) return 'el2';
      } else if (this.exitKind >= 0) {
        const stop = this.serveExit(this.exitKind, this.exitOperand);
        if (stop !== undefined) return stop;
      } else if (single) this.debug.complete(this, this.singleWord);
    }
    return undefined;
  }

  private retire(n: number): void {
    const at = (this.frame + F.ICOUNT) >>> 2;
    const value = this.retired + n;
    this.i32[at] = value | 0;
    this.i32[at + 1] = Math.floor(value / 0x1_0000_0000);
  }

  /** The instruction at PC, which is not in the count yet, is done, wherever control goes now. */
  private complete(): void {
    this.retire(1);
    this.debug.complete(this, this.singleWord);
  }

  /** The instruction at PC is done: goes on to the next one. */
  private advance(): void {
    const bytes = 4;
    this.complete();
    const at = (this.frame + F.PC) >>> 2;
    const low = (this.i32[at]! >>> 0) + bytes;
    this.i32[at] = low | 0;
    if (low > 0xffffffff) this.i32[at + 1]!++;
  }

  private takeTrap(trap: Trap): boolean {
    return this.take(trap.target, 'sync', trap.esr, trap);
  }

  /** Takes an exception; true when a hosted EL2 has it. */
  private take(target: 1 | 2, vector: Vector, esr: number, details?: Trap): boolean {
    this.stats.exceptions++;
    this.debug.left();
    this.leaveLevel(EVENT.EXC_TAKEN);
    this.onException?.(vector, target, esr);
    const known = !this.contextDirty && !this.debug.single;
    takeException(this, target, vector, esr, details);
    if (target === 2 && this.hostedEl2) {
      // Nothing runs here at EL2: the context stays that of the level below.
      if (known) {
        this.contextDirty = false;
        this.leftPstate = this.i32[(this.frame + SR.SPSR_EL2) >>> 2]!;
      }
      // A hosted EL2 has no vectors: PC stays at the preferred return address.
      const pc = (this.frame + F.PC) >>> 2;
      const elr = (this.frame + SR.ELR_EL2) >>> 2;
      this.i32[pc] = this.i32[elr]!;
      this.i32[pc + 1] = this.i32[elr + 1]!;
      this.vector = vector;
      return true;
    }
    this.charge(EXCEPTION_COST);
    return false;
  }

  /** Counts what took longer than an instruction against `run`'s limit. */
  private charge(instructions: number): void {
    this.end -= instructions;
    if (this.retired >= this.end) this.expire();
  }

  /** The next instruction cannot be fetched: takes the abort. */
  private fetchFault(): boolean {
    const { i32 } = this;
    const at = (this.frame + F.PC) >>> 2;
    const lo = i32[at]!;
    const hi = i32[at + 1]!;
    if (lo & 3) return this.takeTrap(pcAlignment(this, this.pc));
    const el = this.el;
    if (!this.mmu.translate(this, hi, lo, ACCESS.FETCH, el)) {
      const { fault } = this.mmu;
      const target = abortTarget(this);
      const esr = instructionAbort(this, target, { fsc: fault.fsc, s1ptw: fault.s1ptw });
      return this.takeTrap(abortAt(this, target, esr, hi, lo));
    }
    if (this.illegal) return this.takeTrap(this.debug.breakpoint(this) ?? illegalState(this));
    // Mapped, but there is no RAM to execute.
    const target = routeExternal(this);
    return this.takeTrap({ target, esr: instructionAbort(this, target, { fsc: FSC_EXTERNAL }), far: this.pc });
  }

  get el(): 0 | 1 | 2 {
    return ((this.i32[(this.frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3) as 0 | 1 | 2;
  }

  /** PSTATE.IL: only an exception return sets it, so that translated code never runs with it. */
  private get illegal(): boolean {
    return (this.i32[(this.frame + F.PSTATE) >>> 2]! & PSTATE.IL) !== 0;
  }

  private serveExit(kind: number, operand: number): StopReason | undefined {
    this.stats.exits++;
    const taken = (trap: Trap): StopReason | undefined => {
      // What returns behind itself has been executed: SVC, HVC, SMC.
      if (trap.pcOffset !== undefined) this.complete();
      return this.takeTrap(trap) ? 'el2' : undefined;
    };
    switch (kind) {
      case EXIT.undefined:
        return taken(undefinedInstruction(this));
      case EXIT.svc:
        return taken(exceptionInstruction(this, 'svc', operand));
      case EXIT.hvc:
      case EXIT.smc: {
        const conduit = kind === EXIT.smc ? 'smc' : 'hvc';
        if (this.el !== 0 && this.firmware?.(this, conduit) === true) {
          this.advance();
          return undefined;
        }
        return taken(exceptionInstruction(this, conduit, operand));
      }
      case EXIT.brk:
        return taken(exceptionInstruction(this, 'brk', operand));
      case EXIT.hlt:
        return taken(undefinedInstruction(this));
      case EXIT.eret:
        if (this.el === 0) return taken(undefinedInstruction(this));
        this.retire(1);
        this.debug.left();
        this.leaveLevel(EVENT.EXC_RETURN);
        exceptionReturn(this);
        return undefined;
      case EXIT.wfi:
      case EXIT.wfe:
        return this.waitFor(kind === EXIT.wfe);
      case EXIT.esb:
        synchronizeErrors(this);
        this.advance();
        return undefined;
      case EXIT.fpTrap:
        return taken(fpTrap(this) ?? undefinedInstruction(this));
      case EXIT.irq:
        this.debug.complete(this, this.singleWord);
        this.expire();
        return undefined;
      default:
        return taken(undefinedInstruction(this));
    }
  }

  /** Called by translated code: notes why it leaves, or serves what does not end the region (returns 0). */
  private exit(kind: number, operand: number): number {
    let trap: Trap | undefined;
    const rt = operand & 31;
    switch (kind) {
      case EXIT.deadline:
        if (this.mustLeave()) return 1;
        return this.sample(operand >>> 1, (operand & 1) !== 0) ? 1 : 0;
      case EXIT.mrs:
      case EXIT.sysl: {
        const value = readSysreg(this, operand >>> 5, rt);
        if (typeof value !== 'bigint') trap = value;
        else if (rt !== 31) this.i64[(this.frame + F.X + 8 * rt) >>> 3] = BigInt.asIntN(64, value);
        break;
      }
      case EXIT.sys: {
        const at = (this.frame + F.X + 8 * rt) >>> 2;
        trap =
          rt === 31
            ? systemInstruction(this, operand >>> 5, 0, 0, rt)
            : systemInstruction(this, operand >>> 5, this.i32[at + 1]!, this.i32[at]!, rt);
        break;
      }
      case EXIT.msr: {
        const value = rt === 31 ? 0n : BigInt.asUintN(64, this.i64[(this.frame + F.X + 8 * rt) >>> 3]!);
        trap = writeSysreg(this, operand >>> 5, value, rt);
        break;
      }
      case EXIT.sev:
        this.domain.sendEvent();
        break;
      case EXIT.msrImmediate:
        // Operand: op1 (3 bits), op2 (3), CRm (4).
        trap = writePstateField(this, (operand >> 7) & 7, (operand >> 4) & 7, operand & 15);
        break;
      default:
        this.exitKind = kind;
        this.exitOperand = operand;
        return 1;
    }
    if (trap !== undefined) {
      this.data.trap = trap;
      this.data.correction = 0;
      return 1;
    }
    if (!this.mustLeave()) return 0;
    this.advance();
    return 1;
  }

  /** The clock found the region with this entry running: it may be worth optimizing. True to leave for better code. */
  private sample(entry: number, optimized: boolean): boolean {
    const at = (this.frame + F.PC) >>> 2;
    const host = this.fetchHost(this.i32[at + 1]!, this.i32[at]!);
    if (host === 0 || !this.code.sample(host, entry, this.context, optimized)) return false;
    this.code.optimize(host, this.context);
    return true;
  }

  /** Whether translated code has to come back to the dispatcher; if not, its deadline is moved on. */
  private mustLeave(): boolean {
    if (this.contextDirty || this.unwind) return true;
    if (!this.expired()) return false;
    if (this.stopRequested || this.retired >= this.end || this.pendingInterrupt() !== undefined) return true;
    this.setDeadline();
    return false;
  }

  private waitFor(event: boolean): StopReason | undefined {
    this.updateTimers();
    if (this.linesDirty) this.updateLines();
    // What is masked wakes from WFI only (DDI 0487, Wait for Event mechanism).
    if (event ? interruptTarget(this, this.inputs) !== undefined : pendingInterrupts(this, this.inputs) !== 0) {
      this.advance();
      this.expire();
      return undefined;
    }
    const trap = wfxTrap(this, event);
    if (trap !== undefined) return this.takeTrap(trap) ? 'el2' : undefined;
    this.advance();
    // WFE: another core's event is never far; let the host have a turn.
    return event ? 'yield' : 'wfi';
  }

  wordAtPc(): number {
    const at = (this.frame + F.PC) >>> 2;
    const host = this.fetchHost(this.i32[at + 1]!, this.i32[at]!);
    return host === 0 ? 0 : this.i32[host >>> 2]! >>> 0;
  }

  // ------------------------------------------------------------------ context

  contextChanged(): void {
    this.contextDirty = true;
  }

  private updateContext(): void {
    this.contextDirty = false;
    const { i32, frame } = this;
    const el = this.el;
    const pstate = i32[(frame + F.PSTATE) >>> 2]!;
    const hcr = i32[(frame + SR.HCR_EL2) >>> 2]!;
    const hcrHi = i32[(frame + SR.HCR_EL2 + 4) >>> 2]!;
    const e2h = (hcrHi & (1 << (HCR.E2H - 32))) !== 0;
    const host = e2h && (hcr & (1 << HCR.TGE)) !== 0;
    const regime = el === 2 || (el === 0 && host) ? 2 : 1;
    const asid = currentAsid(this, regime);
    const vmid = regime === 1 && (hcr & 1) !== 0 ? currentVmid(this) : -1;
    this.debug.update(this);
    const vcpu = vmid < 0 ? 0 : frame;
    const slot = this.slots.get({ el, regime, asid, vmid, vcpu });
    const controls = this.controls(regime, hcr, hcrHi);
    if (slot.controls !== controls) {
      slot.flush();
      slot.controls = controls;
    }
    const sctlr = i32[(frame + (regime === 2 ? SR.SCTLR_EL2 : SR.SCTLR_EL1)) >>> 2]!;
    const flat = (sctlr & 1) === 0 || (regime === 1 && (hcr & ((1 << HCR.TGE) | (1 << HCR.DC))) !== 0);
    this.data.alignmentChecked = (sctlr & (1 << SCTLR.A)) !== 0;
    // With stage 1 off data are Device memory, unless HCR_EL2.DC says otherwise.
    this.data.holdsDevice = this.data.alignmentChecked || (flat && (regime === 2 || (hcr & (1 << HCR.DC)) === 0));
    const context: Context = {
      el,
      fpTrap: fpTrap(this) !== undefined,
      e2h: el === 2 && e2h,
      stackSelected: (pstate & PSTATE.SP) !== 0,
      aligned: this.data.holdsDevice,
      stackAligned: (sctlr & (1 << (el === 0 ? SCTLR.SA0 : SCTLR.SA))) !== 0,
      single: this.debug.single,
      debugMasked: this.debug.masked,
    };
    const number = this.code.contextIndex(context);
    if (slot.context !== number) {
      slot.flushJumps();
      slot.context = number;
    }
    if (el !== 0 && (pstate & PSTATE.PAN) !== 0 && slot.hasUser) slot.flush();
    this.data.slot = slot;
    this.context = number;
    this.data.unprivilegedSlot = slot;
    if (el === 1 || (el === 2 && host)) {
      const unprivileged = (pstate & PSTATE.UAO) !== 0 ? slot : this.slots.get({ el: 0, regime, asid, vmid, vcpu });
      if (unprivileged !== slot && unprivileged.controls !== controls) {
        unprivileged.flush();
        unprivileged.controls = controls;
      }
      this.data.unprivilegedSlot = unprivileged;
    }
    i32[(frame + F.TLB) >>> 2] = slot.tlb;
    i32[(frame + F.JUMP_CACHE) >>> 2] = slot.jumps;
    i32[(frame + F.TLB_UNPRIV) >>> 2] = this.data.unprivilegedSlot.tlb;
  }

  /** The control registers that entries of a regime depend on, without those that a guest invalidates for itself. */
  private controls(regime: 1 | 2, hcr: number, hcrHi: number): string {
    const { i32, frame, controlState: state } = this;
    const two = regime === 2;
    const tcr = (frame + (two ? SR.TCR_EL2 : SR.TCR_EL1)) >>> 2;
    const sctlr =
      i32[(frame + (two ? SR.SCTLR_EL2 : SR.SCTLR_EL1)) >>> 2]! & ((1 << SCTLR.M) | (1 << SCTLR.A) | (1 << SCTLR.WXN));
    const traps = hcr & ((1 << HCR.VM) | (1 << HCR.DC) | (1 << HCR.TGE));
    const { watching } = this.debug;
    // They seldom change, and are asked for with every exception.
    if (
      state.sctlr !== sctlr ||
      state.tcr !== i32[tcr] ||
      state.tcrHi !== i32[tcr + 1] ||
      state.hcr !== traps ||
      state.hcrHi !== hcrHi ||
      state.watching !== watching
    )
      this.controlState = { sctlr, tcr: i32[tcr]!, tcrHi: i32[tcr + 1]!, hcr: traps, hcrHi, watching };
    return (this.controlState.name ??= Object.values(this.controlState).join());
  }

  invalidateTlb(scope: TlbScope): void {
    this.domain.invalidateTlb(this, scope);
  }

  dropTranslations(scope: TlbScope): void {
    // What names addresses or an ASID is about stage 1 only.
    if (scope.va === undefined && scope.asid === undefined) this.mmu.invalidate();
    for (const slot of this.slots.all) {
      if (slot.regime !== scope.regime) continue;
      if (scope.vmid !== undefined && slot.vmid >= 0 && slot.vmid !== scope.vmid) continue;
      const { va } = scope;
      if (scope.ipa !== undefined || va === undefined) {
        // An ASID's entries are the non-global ones, and those of a slot belong to the ASID that it was used with last.
        if (scope.asid !== undefined && !(slot.hasLocal && slot.asid === scope.asid)) continue;
        slot.flush();
        if (slot === this.data.slot) this.unwind = true;
        continue;
      }
      if (scope.asid !== undefined && slot.el === 0 && slot.asid !== scope.asid && scope.global !== true) {
        // Global entries that EL0 can reach have no ASID.
        if (va.length > 0 && va.start >= 0) continue;
      }
      const code = slot.flushPages((va.start | 0) >>> 12, Math.min(Math.ceil(va.length / 4096), PAGES));
      if (code && slot === this.data.slot) this.unwind = true;
    }
  }

  invalidateInstructions(pa: number | undefined): void {
    const { ram } = this.bus;
    if (pa === undefined) {
      this.charge(COMPARE_COST);
      if (this.domain.invalidateInstructions(undefined)) this.unwind = true;
    } else if (pa >= ram.base && pa < ram.base + ram.size) {
      if (this.domain.invalidateInstructions(pa - ram.base + ram.host)) this.unwind = true;
    }
  }

  flushJumps(): void {
    this.slots.flushJumps();
  }

  setEvent(): void {
    this.i32[(this.frame + F.EVENT) >>> 2] = 1;
  }

  // ------------------------------------------------------------------ interrupts and timers

  interruptsChanged(): void {
    this.linesDirty = true;
    this.expire();
  }

  timersChanged(): void {
    this.timersDirty = true;
    this.expire();
  }

  /** Timers' outputs to the interrupt controller, and when to look again. */
  private updateTimers(): void {
    this.timersDirty = false;
    this.nextTimer = Infinity;
    const now = this.counterSource.now();
    const outputs = timerOutputs(this, now);
    this.nextTimer = nextTimerTicks(this, now);
    this.updateCounters();
    const { gic } = this;
    if (gic === undefined) return;
    for (let n = 0; n < TIMER_INTIDS.length; n++)
      gic.physical.gic.setLine(TIMER_INTIDS[n]![1], (outputs & TIMER_INTIDS[n]![0]) !== 0, this.index);
    this.linesDirty = true;
  }

  countEvents(): void {
    const { retired } = this;
    const ticks = this.counterSource.now();
    if (this.counting) countPassed(this, retired - this.countedInstructions, ticks - this.countedTicks);
    this.countedInstructions = retired;
    this.countedTicks = ticks;
  }

  /** The exception level may change: what has passed was counted at this one, and the next overflow is another. */
  private leaveLevel(event: number): void {
    if (!this.counting) return;
    this.countEvents();
    countEvent(this, event);
    this.timersChanged();
  }

  /** Whether performance counters run now, their overflow, and when to look again. */
  private updateCounters(): void {
    const counted = this.counting;
    if (counted) this.countEvents();
    this.counting = pmuRuns(this);
    if (this.counting && !counted) {
      this.countedInstructions = this.retired;
      this.countedTicks = this.counterSource.now();
    }
    this.nextOverflow = Infinity;
    if (this.counting) {
      const { instructions, ticks } = untilOverflow(this);
      this.nextOverflow = this.retired + instructions;
      this.nextTimer = Math.min(this.nextTimer, this.countedTicks + ticks);
    }
    this.gic?.physical.gic.setLine(PMU_INTID, pmuOutput(this), this.index);
  }

  private updateLines(): void {
    this.linesDirty = false;
    if (this.gic === undefined) return;
    const lines = this.gic.lines();
    this.linesDirty = false;
    this.inputs =
      (lines & 1 ? INTERRUPT.IRQ : 0) |
      (lines & 2 ? INTERRUPT.FIQ : 0) |
      (lines & 4 ? INTERRUPT.VIRQ : 0) |
      (lines & 8 ? INTERRUPT.VFIQ : 0);
  }

  /** What an access to a device has made pending waits from now on: translated code looks where interrupts are let in. */
  noteInterrupts(): void {
    if (!this.linesDirty) return;
    this.updateLines();
    this.i32[(this.frame + F.IRQ_PENDING) >>> 2] = pendingInterrupts(this, this.inputs);
  }

  interruptInputs(): number {
    if (this.timersDirty) this.updateTimers();
    if (this.linesDirty) this.updateLines();
    return this.inputs;
  }

  /** Counter value at which this core's timers change next; Infinity when they will not. */
  get timerDue(): number {
    this.updateTimers();
    return this.nextTimer;
  }

  counter(): number {
    const now = this.counterSource.now();
    // Who has seen the time has also seen what becomes of it.
    if (now >= this.nextTimer) this.timersChanged();
    return now;
  }

  gicRead(key: number): bigint | undefined {
    const { gic } = this;
    if (gic === undefined || gic.access(key, false) !== GIC_OK) return undefined;
    // What is pending depends on the timers' levels.
    if (this.timersDirty) this.updateTimers();
    const low = gic.read(key) >>> 0;
    return (BigInt(gic.readHigh(key) >>> 0) << 32n) | BigInt(low);
  }

  gicWrite(key: number, value: bigint): boolean {
    const { gic } = this;
    if (gic === undefined || gic.access(key, true) !== GIC_OK) return false;
    gic.write(key, Number(value & 0xffffffffn) | 0, Number((value >> 32n) & 0xffffffffn) | 0);
    return true;
  }

  // ------------------------------------------------------------------ code

  /** Host address of the instruction at a virtual address, or 0 when it cannot be fetched. */
  private fetchHost(hi: number, lo: number): number {
    if (lo & 3 || !this.mmu.translate(this, hi, lo, ACCESS.FETCH, this.el)) return 0;
    return hostOf(this.bus, this.mmu.pa, 4);
  }

  /** The high half of an address that control goes to, without a tag. */
  private untagged(hi: number): number {
    return hi >>> 23 === 0 ? hi : branchAddressHigh(this, hi, this.el);
  }

  /** What translated code asks: 0 sends it back here. */
  private lookUp(hi: number, lo: number): number {
    // The dispatcher takes the tag off, so that no region knows of it.
    if (this.untagged(hi) !== hi) return 0;
    if (this.debug.single) {
      if (this.singleEntered) return 0;
      this.singleEntered = true;
    }
    return this.resolve(hi, lo);
  }

  /** Finds or makes the region at an address and enters it into the jump cache; 0 when it cannot be fetched. */
  private resolve(hi: number, lo: number): number {
    const { slot } = this.data;
    const known = slot.findJump(hi, lo);
    if (known >= 0) return known;
    const host = this.fetchHost(hi, lo);
    if (host === 0) return 0;
    if (!this.mmu.global) slot.hasLocal = true;
    const shift = this.mmu.blockShift;
    const index = this.code.find(host, this.context, (offset) => {
      const low = (lo >>> 0) + offset;
      return this.fetchHost((hi + Math.floor(low / 0x1_0000_0000)) | 0, low | 0);
    });
    if (!this.debug.single) slot.fillJump(hi, lo, index, shift);
    return index;
  }

  readable(hi: number, lo: number): number {
    return this.data.slot.hostOf(hi, lo, false);
  }

  /** The watchpoint exception of DC IVAC, which invalidates the cache line at an address. */
  invalidationWatched(va: bigint): Trap | undefined {
    if (this.debug.watching === '') return undefined;
    const hi = Number(BigInt.asIntN(32, va >> 32n));
    const lo = Number(BigInt.asIntN(32, va)) & -CACHE_LINE;
    return this.debug.watchpoint(this, hi, lo, CACHE_LINE, { reads: false, writes: true, maintenance: true });
  }
}
