import type { Window } from './service.ts';

/** Where the root task finds its first capabilities in its CNode (which has 2^ROOT_CNODE_BITS slots). */
export const Root = {
  CNODE: 1,
  THREAD: 2,
  SCHED_CONTEXT: 3,
  /** The message buffer. */
  BUFFER: 4,
  /** Frame with the boot information. */
  BOOT_INFO: 5,
  IRQ_CONTROL: 6,
  /** SchedControl of core 0; those of core n are listed in the boot information. */
  SCHED_CONTROL: 7,
  /** The first untyped; the boot information lists them all. */
  FIRST_UNTYPED: 16,
} as const;
export const ROOT_CNODE_BITS = 12;

/** One untyped capability of the root task. */
export interface BootUntyped {
  capability: number;
  /** Physical address. */
  address: number;
  sizeBits: number;
  device: boolean;
}

/** What the kernel tells the root task. */
export interface BootInfo {
  untypeds: BootUntyped[];
  /** The first empty slot; all after it are empty too. */
  firstFree: number;
  cores: number;
  /** SchedControl capabilities, by core. */
  schedControls: number[];
  /** List registers per VCPU. */
  listRegisters: number;
}

/**
 * Layout of the boot information frame, 32-bit words: magic, number of untypeds, first free slot, cores, list
 * registers; from BOOT.SCHED_CONTROLS on the SchedControl pointers, from BOOT.UNTYPEDS on records of (capability, address
 * low, address high, sizeBits | device << 8).
 */
export const BOOT = {
  MAGIC: 0x4e58_4249,
  COUNT: 1,
  FIRST_FREE: 2,
  CORES: 3,
  LIST_REGISTERS: 4,
  SCHED_CONTROLS: 16,
  UNTYPEDS: 64,
  UNTYPED_WORDS: 4,
  /** The frame is 4 KiB. */
  MAX_UNTYPEDS: 240,
} as const;

/** Reads the boot information through a window on its frame. */
export function readBootInfo(frame: Window): BootInfo {
  const word = (i: number): number => frame.read32(4 * i);
  if (word(0) !== BOOT.MAGIC) throw new Error('this frame holds no boot information');
  const untypeds: BootUntyped[] = [];
  for (let i = 0; i < word(BOOT.COUNT); i++) {
    const at = BOOT.UNTYPEDS + BOOT.UNTYPED_WORDS * i;
    untypeds.push({
      capability: word(at),
      address: word(at + 1) + word(at + 2) * 2 ** 32,
      sizeBits: word(at + 3) & 0xff,
      device: (word(at + 3) & 0x100) !== 0,
    });
  }
  const cores = word(BOOT.CORES);
  const schedControls = Array.from({ length: cores }, (_, core) => word(BOOT.SCHED_CONTROLS + core));
  return { untypeds, firstFree: word(BOOT.FIRST_FREE), cores, schedControls, listRegisters: word(BOOT.LIST_REGISTERS) };
}
