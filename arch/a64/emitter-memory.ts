import { F } from '../core/frame.ts';
import { T, W, WA, WV } from '../wasm/opcodes.ts';
import type { Local } from './emitter.ts';
import { ExitEmitter } from './emitter-exits.ts';
import { SP } from './emitter-registers.ts';
import { IMPORT, MISS, P, TLB } from './region-abi.ts';

/** What a memory instruction of a loop remembers of its last access: the page's tag, -1 for none, and its addend. */
export interface PageCache {
  readonly tag: Local;
  readonly addend: Local;
}

export interface AccessOptions {
  /** As at EL0 (LDTR, STTR). */
  unprivileged?: boolean;
  /** Natural alignment is required, or an Alignment fault is taken. */
  aligned?: boolean;
  /** Bytes of an element, where the access is of several; a power of two. */
  element?: number;
}

const PLAIN: AccessOptions = {};
const EXTEND = { 1: W.i64_extend8_s, 2: W.i64_extend16_s, 4: W.i64_extend32_s } as const;
const LOAD = { 1: W.i64_load8_u, 2: W.i64_load16_u, 4: W.i64_load32_u, 8: W.i64_load } as const;
const LOAD_SIGNED = { 1: W.i64_load8_s, 2: W.i64_load16_s, 4: W.i64_load32_s, 8: W.i64_load } as const;
const STORE = { 1: W.i64_store8, 2: W.i64_store16, 4: W.i64_store32, 8: W.i64_store } as const;

/**
 * Accesses the guest's memory: looks an address up in the TLB, and calls the core where it is not there. Code that runs a
 * few times only calls the core for each access.
 */
export class MemoryEmitter extends ExitEmitter {
  /** For the memory instructions of the loop at hand, one each, as far as they go. */
  pageCaches: PageCache[] = [];

  private missInfo(size: number, options: AccessOptions, flags: number): number {
    if (options.unprivileged === true && this.context.el !== 0) flags |= MISS.unprivileged;
    if (options.aligned === true) flags |= MISS.aligned;
    if (this.context.aligned) flags |= MISS.elements;
    if (this.checksStack()) flags |= MISS.stack;
    return size | flags | (this.correction << MISS.correctionShift) | ((this.pcOffset >> 2) << MISS.offsetShift);
  }

  /** Whether a write is always the core's to translate: DC ZVA, which Device memory refuses, where the TLB holds such. */
  private always(flags: number): boolean {
    return this.context.aligned && (flags & (MISS.zva | MISS.atomic)) === MISS.zva;
  }

  private checksStack(): boolean {
    return this.usesStack && this.context.stackAligned;
  }

  private pushMissArguments(va: Local, info: number): void {
    if (!this.optimize) this.flush();
    // The core looks at SP in the frame.
    if (info & MISS.stack && (this.dirtyLo >>> SP) & 1) this.store(SP);
    this.get(P.frame);
    this.get(va);
    this.get(P.pc);
    this.i32(info);
  }

  /** Pops a host address; leaves where it is 0. */
  private leaveWithoutHost(): void {
    this.op(W.i32_eqz);
    this.leaveIf();
  }

  /**
   * Pushes an i64 that is the page's address when the access lies in one page and is as aligned as it must be, and not a
   * page's address otherwise.
   */
  private pushTag(va: Local, size: number, options: AccessOptions): void {
    const whole = options.aligned === true;
    const unit = whole ? size : this.context.aligned ? (options.element ?? size) : 1;
    const stack = this.checksStack();
    const inStack = (this.stackOffset ?? 0) & 15;
    if (stack && !whole && this.stackOffset !== undefined && (inStack & (unit - 1)) === 0) {
      // Where SP is aligned, so is the address less what it is off by; the last 16 bytes' place says in which page they are.
      this.pushMasked(va, ((inStack + size - 1) & -16) - inStack, -4096 | 15);
      return;
    }
    this.pushMasked(va, size - unit, -4096 | (unit - 1));
    if (!stack) return;
    this.get(this.localOf(SP));
    this.i64(15);
    this.op(W.i64_and, W.i64_or);
  }

  private pushMasked(va: Local, add: number, mask: number): void {
    this.get(va);
    if (add !== 0) {
      this.i64(add);
      this.op(W.i64_add);
    }
    this.i64(mask);
    this.op(W.i64_and);
  }

  /** Emits the TLB's test: pushes an i32, nonzero on a hit; `entry` gets the entry's host address. */
  private pushHit(va: Local, size: number, options: AccessOptions, tag: number, entry: Local): void {
    this.pushTag(va, size, options);
    this.pushEntryTag(va, options, tag, entry);
    this.op(W.i64_eq);
  }

  /** Pushes a tag of the TLB's entry for an address. */
  private pushEntryTag(va: Local, options: AccessOptions, tag: number, entry: Local): void {
    this.get(va);
    this.i64(7);
    this.op(W.i64_shr_u, W.i32_wrap_i64);
    this.i32((TLB.entries - 1) << 5);
    this.op(W.i32_and);
    this.frameLoad(W.i32_load, options.unprivileged === true ? F.TLB_UNPRIV : F.TLB);
    this.op(W.i32_add);
    this.tee(entry);
    this.memory(W.i64_load, tag);
  }

  /** Pushes the host address of an access to the page that `cache` remembers, where it does. */
  private pushCachedHost(va: Local, cache: PageCache): void {
    this.get(va);
    this.op(W.i32_wrap_i64);
    this.get(cache.addend);
    this.op(W.i32_add);
  }

  /**
   * Emits both tests, of what the instruction remembers and of the TLB; on a hit `host` is set and remembered, else `miss`
   * is emitted.
   */
  private findHost(
    va: Local,
    size: number,
    options: AccessOptions,
    entryTag: number,
    cache: PageCache,
    host: Local,
    miss: () => void,
  ): void {
    const tag = this.temp(T.i64);
    const entry = this.temp(T.i32);
    this.pushTag(va, size, options);
    this.tee(tag);
    this.get(cache.tag);
    this.op(W.i64_eq);
    if (options.aligned !== true && size > 1) {
      // The tag is the last byte's: an access may reach into the page from the one before.
      this.get(va);
      this.op(W.i32_wrap_i64);
      this.i32(0xfff);
      this.op(W.i32_and);
      this.i32(0x1000 - size);
      this.op(W.i32_le_u, W.i32_and);
    }
    this.if(
      T.void,
      () => {
        this.pushCachedHost(va, cache);
        this.set(host);
      },
      () => {
        this.pushEntryTag(va, options, entryTag, entry);
        this.get(tag);
        this.op(W.i64_eq);
        this.if(
          T.void,
          () => {
            this.get(entry);
            this.memory(W.i32_load, TLB.addend);
            this.set(cache.addend);
            this.get(tag);
            this.set(cache.tag);
            this.pushCachedHost(va, cache);
            this.set(host);
          },
          miss,
        );
      },
    );
  }

  private pushHost(va: Local, entry: Local): void {
    this.get(va);
    this.op(W.i32_wrap_i64);
    this.get(entry);
    this.memory(W.i32_load, TLB.addend);
    this.op(W.i32_add);
  }

  /**
   * Translates the address in `va` for reading `size` bytes (1–64) and returns an i32 local with a host address where
   * the bytes can be loaded: in RAM, or in the bounce buffer that an access to a device or across a page was made into.
   */
  hostForRead(va: Local, size: number, options: AccessOptions = {}): Local {
    const host = this.temp(T.i32);
    if (!this.optimize) {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.call(IMPORT.readHost);
      this.tee(host);
      this.leaveWithoutHost();
      return host;
    }
    const miss = (): void => {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.call(IMPORT.readMiss);
      this.tee(host);
      this.leaveWithoutHost();
    };
    const cache = options.unprivileged === true ? undefined : this.pageCaches.pop();
    if (cache !== undefined) {
      this.findHost(va, size, options, TLB.read, cache, host, miss);
      return host;
    }
    const entry = this.temp(T.i32);
    this.pushHit(va, size, options, TLB.read, entry);
    this.if(
      T.void,
      () => {
        this.pushHost(va, entry);
        this.set(host);
      },
      miss,
    );
    return host;
  }

  /**
   * Writes `size` bytes at the address in `va`: `emit` gets an i32 local with the host address and emits the stores
   * (it may be called twice). Nothing is written when the access faults.
   */
  hostForWrite(va: Local, size: number, emit: (host: Local) => void, options: AccessOptions = {}, flags = 0): void {
    const host = this.temp(T.i32);
    if (!this.optimize) {
      this.pushMissArguments(va, this.missInfo(size, options, flags));
      this.call(this.always(flags) ? IMPORT.writeMiss : IMPORT.writeHost);
      this.tee(host);
      this.leaveWithoutHost();
      emit(host);
      // In the bounce buffer?
      this.get(host);
      this.get(P.frame);
      this.op(W.i32_sub);
      this.i32(F.BOUNCE);
      this.op(W.i32_eq);
      this.if(T.void, () => {
        this.get(P.frame);
        this.call(IMPORT.commit);
        this.leaveIf();
      });
      return;
    }
    const miss = (): void => {
      this.pushMissArguments(va, this.missInfo(size, options, flags));
      this.call(IMPORT.writeMiss);
      this.tee(host);
      this.leaveWithoutHost();
      emit(host);
      this.get(P.frame);
      this.call(IMPORT.commit);
      this.if(T.void, () => this.leaveThroughChain());
    };
    const cache = options.unprivileged === true || this.always(flags) ? undefined : this.pageCaches.pop();
    if (cache !== undefined) {
      const done = this.open(W.block);
      this.findHost(va, size, options, TLB.write, cache, host, () => {
        miss();
        this.branch(W.br, done);
      });
      emit(host);
      this.close();
      return;
    }
    const entry = this.temp(T.i32);
    if (this.always(flags)) this.i32(0);
    else this.pushHit(va, size, options, TLB.write, entry);
    this.if(
      T.void,
      () => {
        this.pushHost(va, entry);
        this.set(host);
        emit(host);
      },
      miss,
    );
  }

  /**
   * Translates the address in `va` for an atomic read and write of `size` bytes, naturally aligned, and returns an i32
   * local with the host address, always in RAM (a device takes an external abort). `exclusive`: for a store-exclusive.
   */
  hostForAtomic(va: Local, size: number, exclusive = false): Local {
    const flags = MISS.atomic | (exclusive ? MISS.exclusive : 0);
    const host = this.temp(T.i32);
    if (!this.optimize) {
      this.pushMissArguments(va, this.missInfo(size, { aligned: true }, flags));
      this.call(IMPORT.writeHost);
      this.tee(host);
      this.leaveWithoutHost();
      return host;
    }
    const entry = this.temp(T.i32);
    // The write tag is set only where reading is allowed as well.
    this.pushHit(va, size, { aligned: true }, TLB.write, entry);
    this.if(
      T.void,
      () => {
        this.pushHost(va, entry);
        this.set(host);
      },
      () => {
        this.pushMissArguments(va, this.missInfo(size, { aligned: true }, flags));
        this.call(IMPORT.writeMiss);
        this.tee(host);
        this.leaveWithoutHost();
      },
    );
    return host;
  }

  /** Pushes `size` bytes at the address in `va`, zero-extended: i64 for 1–8, v128 for 16. `signed`: sign-extended to i64. */
  read(
    va: Local,
    size: 1 | 2 | 4 | 8 | 16,
    options: AccessOptions & { ordered?: boolean } = PLAIN,
    signed = false,
  ): void {
    const ordered = options.ordered === true && size <= 8;
    const extend = signed && size < 8 ? EXTEND[size as 1 | 2 | 4] : undefined;
    if (!this.optimize && size <= 8 && !ordered) {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.call(IMPORT.load);
      this.leaveIf();
      if (extend !== undefined) this.op(extend);
      return;
    }
    const host = this.hostForRead(va, size, ordered ? { ...options, aligned: true } : options);
    this.get(host);
    if (size === 16) this.vmemory(WV.load, 0);
    else if (ordered)
      this.atomic(
        { 1: WA.i64_load8_u, 2: WA.i64_load16_u, 4: WA.i64_load32_u, 8: WA.i64_load }[size as 1],
        Math.log2(size),
      );
    else {
      this.memory((signed ? LOAD_SIGNED : LOAD)[size], 0);
    }
    if (ordered && extend !== undefined) this.op(extend);
  }

  /** Cold code: pushes two adjacent doublewords (i64), the lower one first. */
  callLoadPair(va: Local): void {
    this.pushMissArguments(va, this.missInfo(16, { element: 8 }, 0));
    this.call(IMPORT.loadPair);
    this.leaveIf();
  }

  /** Cold code: writes two adjacent doublewords. */
  callStorePair(va: Local, first: Local, second: Local): void {
    this.pushMissArguments(va, this.missInfo(16, { element: 8 }, 0));
    this.get(first);
    this.get(second);
    this.call(IMPORT.storePair);
    this.leaveIf();
  }

  /** Writes the low `size` bytes of `value` (a local: i64 for 1–8, v128 for 16) at the address in `va`. */
  write(va: Local, size: 1 | 2 | 4 | 8 | 16, value: Local, options: AccessOptions & { ordered?: boolean } = {}): void {
    const ordered = options.ordered === true && size <= 8;
    if (!this.optimize && size <= 8 && !ordered) {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.get(value);
      this.call(IMPORT.store);
      this.leaveIf();
      return;
    }
    this.hostForWrite(
      va,
      size,
      (host) => {
        this.get(host);
        this.get(value);
        if (size === 16) this.vmemory(WV.store, 0);
        else if (ordered)
          this.atomic(
            { 1: WA.i64_store8, 2: WA.i64_store16, 4: WA.i64_store32, 8: WA.i64_store }[size as 1],
            Math.log2(size),
          );
        else this.memory(STORE[size], 0);
      },
      ordered ? { ...options, aligned: true } : options,
    );
  }
}
