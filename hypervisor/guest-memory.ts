/** A virtual machine's memory: frames in its VmSpace, seen by the VMM through windows. */
import { ObjectType, Op, Rights } from '../kernel/abi/numbers.ts';
import { map, retype, untypedInfo } from '../kernel/abi/objects.ts';
import { call, type Entry, type ServiceEnv, type Window } from '../kernel/abi/service.ts';

interface Part {
  /** Intermediate physical address, and size in bytes. */
  start: number;
  size: number;
  frame: number;
  window: Window;
}

export interface GuestMemoryOptions {
  /** Intermediate physical address. */
  base: number;
  /** In bytes. */
  size: number;
  space: number;
  cnode: number;
  /** The first of the slots with untyped memory, all of which becomes guest memory, largest first. */
  untyped: number;
  /** The first of as many empty slots for the frames. */
  frame: number;
}

export class GuestMemory {
  readonly base: number;
  readonly size: number;
  readonly #parts: Part[];

  private constructor(base: number, size: number, parts: Part[]) {
    this.base = base;
    this.size = size;
    this.#parts = parts;
  }

  /** Makes a frame of each untyped and maps them one after the other. @throws KernelError */
  static *create(env: ServiceEnv, options: GuestMemoryOptions): Entry<GuestMemory> {
    const { base, size, space, cnode } = options;
    const parts: Part[] = [];
    for (let i = 0, done = 0; done < size; i++) {
      const untyped = options.untyped + i;
      const frame = options.frame + i;
      const info = yield* untypedInfo(env, untyped);
      yield* retype(env, untyped, ObjectType.FRAME, Math.log2(info.size), cnode, frame);
      const start = base + done;
      yield* map(env, space, frame, start, Rights.READ | Rights.WRITE | Rights.EXECUTE);
      parts.push({ start, size: info.size, frame, window: env.window(frame) });
      done += info.size;
    }
    return new GuestMemory(base, size, parts);
  }

  contains(address: number): boolean {
    return address >= this.base && address < this.base + this.size;
  }

  /** Copies bytes into the memory. @throws RangeError when they do not lie in it. */
  write(address: number, bytes: Uint8Array): void {
    if (address < this.base || address + bytes.length > this.base + this.size)
      throw new RangeError(`${bytes.length} bytes at 0x${address.toString(16)} are not in the guest's memory`);
    for (const { start, size, window } of this.#parts) {
      const from = Math.max(address, start);
      const to = Math.min(address + bytes.length, start + size);
      if (from < to) window.copyIn(from - start, bytes.subarray(from - address, to - address));
    }
  }

  /** After code was written: nothing translated from what was there before is used again. @throws KernelError */
  *syncCode(env: ServiceEnv): Entry<void> {
    for (const { frame } of this.#parts) yield* call(env, frame, Op.FRAME_SYNC_CODE);
  }
}
