import type { Ram } from '../arch/bus.ts';
import { BoardError } from './bus.ts';

const PAGE = 0x10000;
/** A WebAssembly memory has 32-bit addresses. */
const LIMIT = 2 ** 32;

/**
 * The machine's memory: one shared WebAssembly memory, first `reserved` bytes for the cores' own state, then RAM.
 * @param size RAM in bytes.
 * @throws BoardError when the size is not usable on this host.
 */
export function createRam(base: number, size: number, reserved: number): Ram {
  const host = Math.ceil(reserved / PAGE) * PAGE;
  const most = Math.floor((LIMIT - host) / 2 ** 20);
  if (!Number.isSafeInteger(size) || size < 2 ** 20) throw new BoardError(`memory must be 1 MiB at least`);
  if (size % PAGE !== 0) throw new BoardError(`memory must be a multiple of 64 KiB, ${size} bytes is not`);
  if (host + size > LIMIT)
    throw new BoardError(`a machine can have ${most} MiB of memory at most, the microkernel's included`);
  const pages = (host + size) / PAGE;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return { memory, base, size, host };
  } catch {
    throw new BoardError(`this host cannot give ${size / 2 ** 20} MiB of memory; ask for less`);
  }
}
