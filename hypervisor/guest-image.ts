/** Where everything of a guest lies in its memory before it starts, after Linux's Documentation/arch/arm64/booting.rst. */
import { given, type Kernel } from '../guests/linux/image.ts';
import { place, type Range } from '../guests/linux/load.ts';
import { VIRT, guestTree, withSeeds } from './guest-tree.ts';

export interface GuestOptions {
  kernel: Kernel;
  initrd?: Uint8Array | undefined;
  /** The kernel's command line. */
  append: string;
  /** Bytes of memory. */
  memory: number;
  cpus: number;
  /** SEED_BYTES random bytes for `rng-seed` and `kaslr-seed`. */
  seed: Uint8Array;
  /** A device tree to use instead of the generated one. */
  dtb?: Uint8Array | undefined;
  /** How PSCI is called; HVC when left out. */
  conduit?: 'hvc' | 'smc' | undefined;
  /** Whether the generated tree has a UART besides the console's. */
  second?: boolean | undefined;
}

/** What is loaded and how the first core starts: at `entry` with the device tree's address in X0. Addresses are the guest's. */
export interface GuestImage {
  parts: { address: number; bytes: Uint8Array }[];
  entry: number;
  dtb: Uint8Array;
  dtbAddress: number;
  /** What the user may want to know of it, in a line. */
  advice?: string | undefined;
}

/** @throws GuestImageError, DeviceTreeError when something does not fit or cannot be used */
export function layOut(options: GuestOptions): GuestImage {
  const { kernel, initrd, memory } = options;
  const tree = (at: Range | undefined): Uint8Array => guestTree({ ...options, initrd: at });
  const size = initrd?.length ?? 0;
  // The tree's size does not depend on the addresses in it.
  const draft = tree(size > 0 ? { address: VIRT.RAM, size } : undefined);
  const placement = place({ base: VIRT.RAM, size: memory }, kernel, size, draft.length);
  const flat = tree(placement.initrd);
  const parts = placement.kernel.map(({ address, bytes }) => ({ address, bytes }));
  if (initrd && placement.initrd) parts.push({ address: placement.initrd.address, bytes: initrd });
  parts.push({ address: placement.dtb.address, bytes: flat });
  const { entry, dtb } = placement;
  return { parts, entry, dtb: flat, dtbAddress: dtb.address, advice: adviceOn(kernel, dtb, memory) };
}

/** What the kernel needs beyond image_size nobody says. With little, Linux hangs before it has a console to say so. */
function adviceOn(kernel: Kernel, last: Range, memory: number): string | undefined {
  const left = VIRT.RAM + memory - (last.address + last.size);
  if (kernel.kind !== 'image' || left >= kernel.imageSize / 2) return undefined;
  return `kernel, initrd and device tree leave ${given(left)} of the guest's ${given(memory)}: if it does not start, give it more memory`;
}

/** The same for another start: with other seeds, where the tree has any. @param seed SEED_BYTES random bytes */
export function reseed(image: GuestImage, seed: Uint8Array): GuestImage {
  const dtb = withSeeds(image.dtb, seed);
  const parts = image.parts.map((part) => (part.bytes === image.dtb ? { ...part, bytes: dtb } : part));
  return { ...image, parts, dtb };
}
