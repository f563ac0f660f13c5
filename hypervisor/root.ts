/**
 * The root service: builds the services of a system description, gives each the capabilities that stand there and no others, and
 * waits for how they end.
 */
import { readBootInfo, Root, ROOT_CNODE_BITS, type BootInfo } from '../kernel/abi/boot.ts';
import { Fault } from '../kernel/abi/faults.ts';
import { Err, ObjectType, Op, Rights } from '../kernel/abi/numbers.ts';
import {
  ackIrq,
  bindNotification,
  bindSched,
  configureSched,
  configureThread,
  copy,
  makeIrq,
  mint,
  resume,
  retype,
  revoke,
  setPriority,
  setService,
  setSyscallMask,
  suspend,
} from '../kernel/abi/objects.ts';
import {
  KernelError,
  recv,
  tryCall,
  type Entry,
  type Service,
  type ServiceEnv,
  type ServiceProgram,
} from '../kernel/abi/service.ts';
import type { Grant, ServiceDescription, SystemDescription } from './description.ts';
import { Outcome, outcomeText } from './outcome.ts';

/** How a service ended. */
export interface ServiceEnd {
  service: string;
  outcome: (typeof Outcome)[keyof typeof Outcome];
  text: string;
}

/** Memory for a service's CNode, thread and what its grants are made of, in bytes. */
const ESTATE_BITS = 19;
/** The largest piece of memory in a `memory` grant: stage 2 maps it as one block. */
const PIECE_BITS_MAX = 30;
const PIECE_BITS_MIN = 12;
const PAGE_BITS = 12;

/** What the root service holds for one service, by slots of its own CNode. */
interface Holding {
  description: ServiceDescription;
  /** Program number. */
  program: number;
  estate: number;
  /** Untypeds for `memory` grants, by the grant. */
  pieces: Map<Grant, { slot: number; sizeBits: number }[]>;
  cnode: number;
  thread: number;
  sched: number;
  /** The thread's message buffer. */
  buffer: number;
  /** Where its faults go. */
  faults: number;
  /** What the root service knows it by in messages. */
  badge: number;
}

/**
 * The program of the root service.
 *
 * @param programs numbers of the services' programs, in the order of the description
 * @param ended is told how each service ended, unless it is started again
 */
export function rootProgram(
  description: SystemDescription,
  programs: readonly number[],
  ended: (end: ServiceEnd) => void,
): ServiceProgram {
  return function* root(env: ServiceEnv): Service {
    const builder = new Builder(env, description, programs);
    yield* builder.run(env, ended);
  };
}

class Builder {
  readonly #info: BootInfo;
  readonly #description: SystemDescription;
  readonly #programs: readonly number[];
  /** The next empty slot. */
  #next: number;
  readonly #endpoint: number;
  readonly #reply: number;
  /** Frames of devices and IRQ capabilities, by address and INTID. */
  readonly #devices = new Map<number, number>();
  readonly #interrupts = new Map<number, number>();

  constructor(env: ServiceEnv, description: SystemDescription, programs: readonly number[]) {
    this.#info = readBootInfo(env.window(Root.BOOT_INFO));
    this.#description = description;
    this.#programs = programs;
    this.#next = this.#info.firstFree;
    this.#endpoint = this.#take();
    this.#reply = this.#take();
  }

  *run(env: ServiceEnv, ended: (end: ServiceEnd) => void): Entry<void> {
    const own = yield* this.#untyped(env, PAGE_BITS);
    yield* retype(env, own, ObjectType.ENDPOINT, 0, Root.CNODE, this.#endpoint);
    yield* retype(env, own, ObjectType.REPLY, 0, Root.CNODE, this.#reply);
    const holdings: Holding[] = [];
    for (const [index, service] of this.#description.services.entries())
      holdings.push(yield* this.#reserve(env, service, this.#programs[index]!, index + 1));
    for (const holding of holdings) yield* this.#start(env, holding);

    for (;;) {
      const { badge, label, length } = yield* recv(env, this.#endpoint, this.#reply);
      const holding = holdings[badge - 1];
      if (holding === undefined) continue;
      const end = this.#endOf(env, holding, label, length);
      // Also takes the caller out of the Reply when this was a fault.
      yield* suspend(env, holding.thread);
      if (end.outcome === Outcome.RESET && holding.description.restarts) {
        yield* this.#clear(env, holding);
        yield* this.#start(env, holding);
      } else {
        ended(end);
      }
    }
  }

  #endOf(env: ServiceEnv, holding: Holding, label: number, length: number): ServiceEnd {
    const service = holding.description.name;
    for (const outcome of Object.values(Outcome))
      if (label === outcome) return { service, outcome, text: outcomeText(env, length) };
    const text =
      label === Fault.SERVICE_ENDED
        ? `the service ${service} ended by an error of its own`
        : `the service ${service} ended by a fault (0x${label.toString(16)})`;
    return { service, outcome: Outcome.FAILED, text };
  }

  #take(): number {
    return this.#next++;
  }

  /** An untyped of that size in a new slot, from the smallest one that has room. @throws KernelError NO_MEMORY */
  *#untyped(env: ServiceEnv, sizeBits: number): Entry<number> {
    const slot = this.#take();
    const candidates = this.#info.untypeds
      .filter((untyped) => !untyped.device && untyped.sizeBits >= sizeBits)
      .sort((a, b) => a.sizeBits - b.sizeBits);
    for (const { capability } of candidates) {
      const { error } = yield* tryCall(
        env,
        capability,
        Op.UNTYPED_RETYPE,
        ObjectType.UNTYPED,
        sizeBits,
        Root.CNODE,
        slot,
        1,
      );
      if (error === Err.OK) return slot;
      if (error !== Err.NO_MEMORY) throw new KernelError(error, 'division of memory');
    }
    this.#next = slot;
    throw new KernelError(Err.NO_MEMORY, `memory of 2^${sizeBits} bytes`);
  }

  /** Sets memory aside: first the large pieces, so that they find room. */
  *#reserve(env: ServiceEnv, description: ServiceDescription, program: number, badge: number): Entry<Holding> {
    const pieces: Holding['pieces'] = new Map();
    const memory = description.grants.filter((grant) => grant.kind === 'memory');
    for (const grant of memory.toSorted((a, b) => b.bytes - a.bytes))
      pieces.set(grant, yield* this.#pieces(env, grant.bytes));
    const estate = yield* this.#untyped(env, ESTATE_BITS);
    const [cnode, thread, sched, buffer, faults] = [1, 2, 3, 4, 5].map(() => this.#take()) as [
      number,
      number,
      number,
      number,
      number,
    ];
    yield* mint(env, Root.CNODE, faults, this.#endpoint, Rights.WRITE, badge);
    return { description, program, estate, pieces, cnode, thread, sched, buffer, faults, badge };
  }

  /** Untypeds of together `bytes`, each not larger than the one before. */
  *#pieces(env: ServiceEnv, bytes: number): Entry<{ slot: number; sizeBits: number }[]> {
    const pieces: { slot: number; sizeBits: number }[] = [];
    let sizeBits = PIECE_BITS_MAX;
    while (bytes >= 2 ** PIECE_BITS_MIN) {
      sizeBits = Math.min(sizeBits, Math.floor(Math.log2(bytes)));
      try {
        pieces.push({ slot: yield* this.#untyped(env, sizeBits), sizeBits });
        bytes -= 2 ** sizeBits;
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== Err.NO_MEMORY || sizeBits === PIECE_BITS_MIN) throw error;
        sizeBits--;
      }
    }
    return pieces;
  }

  /** Builds a service in its estate and lets it run. */
  *#start(env: ServiceEnv, holding: Holding): Entry<void> {
    const { description, estate, cnode, thread, sched, buffer, faults } = holding;
    const { CNODE } = Root;
    yield* retype(env, estate, ObjectType.CNODE, description.slotBits, CNODE, cnode);
    yield* retype(env, estate, ObjectType.THREAD, 0, CNODE, thread);
    yield* retype(env, estate, ObjectType.FRAME, PAGE_BITS, CNODE, buffer);
    yield* retype(env, estate, ObjectType.SCHED_CONTEXT, 0, CNODE, sched);
    for (const grant of description.grants) yield* this.#grant(env, holding, grant);
    yield* configureThread(env, thread, { cnode, buffer, faultEndpoint: faults });
    yield* setSyscallMask(env, thread, description.systemCalls);
    yield* setPriority(env, thread, description.priority, description.priority);
    yield* configureSched(env, Root.SCHED_CONTROL, sched, description.budget, description.period);
    yield* bindSched(env, thread, sched);
    yield* setService(env, thread, holding.program);
    yield* resume(env, thread);
  }

  /** Takes back all that a service has. */
  *#clear(env: ServiceEnv, holding: Holding): Entry<void> {
    yield* revoke(env, Root.CNODE, holding.estate);
    for (const { slot } of [...holding.pieces.values()].flat()) yield* revoke(env, Root.CNODE, slot);
    for (const grant of holding.description.grants) {
      if (grant.kind !== 'interrupt') continue;
      const irq = this.#interrupts.get(grant.intid);
      if (irq !== undefined) yield* ackIrq(env, irq);
    }
  }

  *#grant(env: ServiceEnv, holding: Holding, grant: Grant): Entry<void> {
    const { estate, cnode } = holding;
    const { slot } = grant;
    // As the root service's own CNode leads to the service's.
    const pointer = cnode + slot * 2 ** ROOT_CNODE_BITS;
    switch (grant.kind) {
      case 'cnode':
        return yield* copy(env, cnode, slot, cnode);
      case 'memory':
        for (const [i, piece] of (holding.pieces.get(grant) ?? []).entries())
          yield* retype(env, piece.slot, ObjectType.UNTYPED, piece.sizeBits, cnode, slot + i);
        return;
      case 'endpoint':
        return yield* retype(env, estate, ObjectType.ENDPOINT, 0, cnode, slot);
      case 'reply':
        return yield* retype(env, estate, ObjectType.REPLY, 0, cnode, slot);
      case 'vcpu':
        return yield* retype(env, estate, ObjectType.VCPU, 0, cnode, slot);
      case 'signals':
        yield* retype(env, estate, ObjectType.NOTIFICATION, 0, cnode, slot);
        return yield* bindNotification(env, holding.thread, pointer);
      case 'share':
        yield* retype(env, estate, ObjectType.SCHED_CONTEXT, 0, cnode, slot);
        return yield* configureSched(env, Root.SCHED_CONTROL, pointer, grant.budget, grant.period);
      case 'device':
        return yield* copy(env, cnode, slot, yield* this.#device(env, grant.address, grant.size), grant.rights);
      case 'interrupt':
        return yield* copy(env, cnode, slot, yield* this.#interrupt(env, grant.intid, grant.trigger));
      case 'supervisor':
        return yield* mint(env, cnode, slot, this.#endpoint, Rights.WRITE, holding.badge);
    }
  }

  /** The frame of a device's registers. */
  *#device(env: ServiceEnv, address: number, size: number): Entry<number> {
    const known = this.#devices.get(address);
    if (known !== undefined) return known;
    const untyped = this.#info.untypeds.find((u) => u.device && u.address === address && 2 ** u.sizeBits >= size);
    if (untyped === undefined) throw new KernelError(Err.RANGE, `device at 0x${address.toString(16)}`);
    const frame = this.#take();
    yield* retype(env, untyped.capability, ObjectType.FRAME, Math.log2(size), Root.CNODE, frame);
    this.#devices.set(address, frame);
    return frame;
  }

  *#interrupt(env: ServiceEnv, intid: number, trigger: number): Entry<number> {
    const known = this.#interrupts.get(intid);
    if (known !== undefined) return known;
    const irq = this.#take();
    yield* makeIrq(env, Root.IRQ_CONTROL, intid, trigger, Root.CNODE, irq);
    this.#interrupts.set(intid, irq);
    return irq;
  }
}
