/** Making objects and threads from the root task, for tests. */
import * as abi from '../../kernel/abi/index.ts';
import { ObjectType, Root } from '../../kernel/abi/index.ts';

export class Allocator {
  readonly env: abi.ServiceEnv;
  readonly info: abi.BootInfo;
  readonly untyped: number;
  next: number;

  constructor(env: abi.ServiceEnv) {
    this.env = env;
    this.info = abi.readBootInfo(env.window(Root.BOOT_INFO));
    this.next = this.info.firstFree;
    const largest = this.info.untypeds.filter((u) => !u.device).sort((a, b) => b.sizeBits - a.sizeBits)[0]!;
    this.untyped = largest.capability;
  }

  slot(count = 1): number {
    this.next += count;
    return this.next - count;
  }

  /** Makes an object in a new slot of the root CNode. */
  *make(type: (typeof ObjectType)[keyof typeof ObjectType], sizeBits = 0, from = this.untyped): abi.Entry<number> {
    const slot = this.slot();
    yield* abi.retype(this.env, from, type, sizeBits, Root.CNODE, slot);
    return slot;
  }

  *endpoint(): abi.Entry<number> {
    return yield* this.make(ObjectType.ENDPOINT);
  }
  *notification(): abi.Entry<number> {
    return yield* this.make(ObjectType.NOTIFICATION);
  }
  *reply(): abi.Entry<number> {
    return yield* this.make(ObjectType.REPLY);
  }

  *badged(source: number, badge: abi.Word, rights: number = abi.Rights.ALL): abi.Entry<number> {
    const slot = this.slot();
    yield* abi.mint(this.env, Root.CNODE, slot, source, rights, badge);
    return slot;
  }
  *copy(source: number, rights: number): abi.Entry<number> {
    const slot = this.slot();
    yield* abi.copy(this.env, Root.CNODE, slot, source, rights);
    return slot;
  }

  /** A thread with a SchedContext (1 ms every 20 ms), in the root's CNode, with a message buffer; not resumed. */
  *thread(
    options: { priority?: number; program?: number; faultEndpoint?: number; space?: number; budget?: number } = {},
  ): abi.Entry<{ thread: number; sched: number; buffer: number }> {
    const { env } = this;
    const thread = yield* this.make(ObjectType.THREAD);
    const sched = yield* this.make(ObjectType.SCHED_CONTEXT);
    const buffer = yield* this.make(ObjectType.FRAME, 12);
    yield* abi.configureSched(env, Root.SCHED_CONTROL, sched, options.budget ?? 1000, 20_000);
    yield* abi.configureThread(env, thread, {
      cnode: Root.CNODE,
      buffer,
      space: options.space ?? 0,
      faultEndpoint: options.faultEndpoint ?? 0,
    });
    yield* abi.setPriority(env, thread, options.priority ?? 100, options.priority ?? 100);
    yield* abi.bindSched(env, thread, sched);
    if (options.program !== undefined) yield* abi.setService(env, thread, options.program);
    return { thread, sched, buffer };
  }
}

/** The error code that a call ends with; OK when it succeeds. */
export function* errorOf(entry: abi.Entry<unknown>): abi.Entry<number> {
  try {
    yield* entry;
    return abi.Err.OK;
  } catch (error) {
    if (error instanceof abi.KernelError) return error.code;
    throw error;
  }
}
