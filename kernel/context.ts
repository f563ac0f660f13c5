/** What every part of the kernel works on: views on machine memory, the processor, and where the kernel's records are. */
import type { Processor } from '../arch/core/processor.ts';
import { CORE, IRQ, ROOT } from './layout.ts';
import type { Services } from './services.ts';

/** Where the interrupt controller is: physical addresses. */
export interface GicAddresses {
  distributor: number;
  /** The first redistributor frame; that of core n is n × 128 KiB further. */
  redistributor: number;
}

/** What the host may want to hear of. */
export interface KernelHooks {
  log?: ((line: string) => void) | undefined;
  /** A program threw an error. */
  onServiceError?: ((thread: number, error: unknown) => void) | undefined;
  /** For tracing: a system call (before it is made), a fault or exit message, an interrupt. */
  onSyscall?: ((thread: number, number: number, capability: number, label: number) => void) | undefined;
  onFault?: ((thread: number, label: number) => void) | undefined;
  onInterrupt?: ((intid: number) => void) | undefined;
}

/** Counts for people, of no meaning to the kernel. */
export interface KernelStatistics {
  entries: number;
  syscalls: number;
  /** Messages that went from a thread to another, also the kernel's about faults and exits. */
  ipc: number;
  interrupts: number;
  switches: number;
  /** By label of `Fault` or `Exit`; with holes. */
  faults: number[];
}

export interface Context {
  readonly processor: Processor;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** Host address minus physical address of RAM. */
  readonly offset: number;
  /** Host address of ROOT, and of this core's CORE. */
  readonly root: number;
  readonly core: number;
  readonly gic: GicAddresses;
  readonly services: Services;
  readonly hooks: KernelHooks;
  readonly stats: KernelStatistics;
}

/** The 64-bit value at a host address, exact below 2^53. */
export function read64(k: Context, at: number): number {
  return k.u32[at >>> 2]! + k.u32[(at >>> 2) + 1]! * 2 ** 32;
}

/** @param value an integer of magnitude below 2^53. */
export function write64(k: Context, at: number, value: number): void {
  k.u32[at >>> 2] = value;
  k.u32[(at >>> 2) + 1] = Math.floor(value / 2 ** 32);
}

export function read32(k: Context, at: number): number {
  return k.u32[at >>> 2]!;
}

export function write32(k: Context, at: number, value: number): void {
  k.u32[at >>> 2] = value;
}

export function copy64(k: Context, to: number, from: number): void {
  k.u32[to >>> 2] = k.u32[from >>> 2]!;
  k.u32[(to >>> 2) + 1] = k.u32[(from >>> 2) + 1]!;
}

/** Host address of a physical address in RAM. */
export function hostAddress(k: Context, physical: number): number {
  return physical + k.offset;
}

export function irqEntry(k: Context, intid: number): number {
  return k.root + ROOT.CORE0 + read32(k, k.root + ROOT.CORES) * CORE.SIZE + intid * IRQ.SIZE;
}
