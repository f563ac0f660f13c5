/**
 * The physical address space as the processor sees it: RAM, which translated code reaches directly, and devices.
 */
export type AccessSize = 1 | 2 | 4;

/** A device's registers. Offsets are bytes from the device's base; 64-bit accesses arrive as two 32-bit ones, low half first. */
export interface MmioDevice {
  /** @returns the value, zero-extended (0 … 2^32 - 1). */
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

/** One level-sensitive interrupt wire from a device. */
export type IrqLine = (level: boolean) => void;

/** RAM inside the shared WebAssembly memory: physical address `base + i` is the byte `host + i` of `memory`. */
export interface Ram {
  readonly memory: WebAssembly.Memory;
  /** Physical address and size in bytes; both are multiples of 64 KiB. */
  readonly base: number;
  readonly size: number;
  /** Byte offset of RAM in `memory.buffer`. */
  readonly host: number;
}

/** Physical addresses are numbers (below 2^48). */
export interface PhysicalBus {
  readonly ram: Ram;
  /** The device at a physical address, or undefined where nothing answers (external abort). */
  device(pa: number): { device: MmioDevice; offset: number } | undefined;
}

/** The system counter (generic timer): ticks since start, at `frequency` Hz; safe-integer number. */
export interface SystemCounter {
  readonly frequency: number;
  now(): number;
}
