/** What must always hold of the kernel's records. Each violation is an error that names it. */
import { ObjectType } from '../../kernel/abi/index.ts';
import { type Context, read32, read64 } from '../../kernel/context.ts';
import { flagsOf, objectOf, rightsOf, sizeBitsOf, typeOf } from '../../kernel/derivation.ts';
import { CNODE, CORE, ENDPOINT, FLAG, REPLY, ROOT, SCHED, SLOT, STATE, THREAD } from '../../kernel/layout.ts';

/** An object, or a piece of untyped memory, that a capability leads to. */
interface Found {
  slot: number;
  parent: number;
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** All capabilities below a slot, by walking the derivation tree; checks its links. */
export function descendants(k: Context, top: number): Map<number, Found> {
  const found = new Map<number, Found>();
  const todo = [top];
  for (let parent = todo.pop(); parent !== undefined; parent = todo.pop()) {
    const first = read32(k, parent + SLOT.CHILD);
    let before = 0;
    for (let slot = first; slot !== 0;) {
      require(!found.has(slot), 'a capability is in the tree twice');
      require(typeOf(k, slot) !== 0, 'an empty slot is in the tree');
      if (before !== 0) require(read32(k, slot + SLOT.PREV) === before, 'PREV is not the sibling before');
      found.set(slot, { slot, parent });
      todo.push(slot);
      before = slot;
      const next = read32(k, slot + SLOT.NEXT);
      if ((next & 1) !== 0) {
        require((next & ~1) >>> 0 === parent, 'the last sibling does not name its parent');
        require(read32(k, first + SLOT.PREV) === slot, 'the first sibling does not name the last');
        break;
      }
      require(next !== 0, 'a list of siblings ends in nothing');
      slot = next;
    }
  }
  return found;
}

/** Physical range of what an untyped's child takes; undefined for capabilities that take none. */
function extent(k: Context, slot: number): [number, number] {
  const type = typeOf(k, slot);
  const object = objectOf(k, slot);
  if (type === ObjectType.UNTYPED || type === ObjectType.FRAME) return [object, object + 2 ** sizeBitsOf(k, slot)];
  if (type === ObjectType.CNODE) return [object - k.offset, object - k.offset + SLOT.SIZE * 2 ** sizeBitsOf(k, slot)];
  return [object - k.offset, object - k.offset + 64];
}

export function checkInvariants(k: Context): void {
  const all = descendants(k, k.root + ROOT.SLOT);
  const slots = [...all.keys()];
  const threads = new Set(slots.filter((s) => typeOf(k, s) === ObjectType.THREAD).map((s) => objectOf(k, s)));
  for (const { slot, parent } of all.values()) {
    const type = typeOf(k, slot);
    const parentType = typeOf(k, parent);
    if (parentType === ObjectType.UNTYPED) {
      const [begin, end] = extent(k, slot);
      const base = objectOf(k, parent);
      require(begin >= base &&
        end <= base + read64(k, parent + SLOT.VALUE), 'an object lies outside of the used part of its untyped');
      const device = flagsOf(k, parent) & FLAG.DEVICE;
      require((flagsOf(k, slot) & FLAG.DEVICE) === device, 'device memory and RAM are mixed');
    } else if (parentType === type && type !== ObjectType.SCHED_CONTROL) {
      require(objectOf(k, slot) === objectOf(k, parent), 'a derived capability leads to another object');
      require((rightsOf(k, slot) & ~rightsOf(k, parent)) === 0, 'rights grew');
    } else if (type === ObjectType.IRQ) {
      require(parentType === ObjectType.IRQ_CONTROL || parent === k.root + ROOT.SLOT, 'an IRQ from nowhere');
    } else if (type !== ObjectType.SCHED_CONTROL) {
      require(parent === k.root + ROOT.SLOT, `a capability of type ${type} derives from type ${parentType}`);
    }
    if (type === ObjectType.UNTYPED) {
      require(read64(k, slot + SLOT.VALUE) <= 2 ** sizeBitsOf(k, slot), 'an untyped is used beyond its size');
      // Objects of one untyped do not overlap. Copies of an orphaned object are side by side.
      const children = [...all.values()].filter((c) => c.parent === slot).map((c) => extent(k, c.slot));
      children.sort((a, b) => a[0] - b[0]);
      for (let i = 1; i < children.length; i++) {
        const [a, b] = [children[i - 1]!, children[i]!];
        require(b[0] >= a[1] || (a[0] === b[0] && a[1] === b[1]), 'two objects overlap');
      }
    }
    if (type === ObjectType.SCHED_CONTROL) {
      const given = [...all.values()]
        .filter((c) => c.parent === slot)
        .reduce((sum, c) => sum + read64(k, c.slot + SLOT.VALUE), 0);
      require(read32(k, slot + SLOT.SPACE) === given, 'a share that was given away is not accounted');
      require(given <= read64(k, slot + SLOT.VALUE), 'more is given away than there is');
    }
    if (type === ObjectType.CNODE) {
      require(read32(k, objectOf(k, slot) + CNODE.RADIX) === sizeBitsOf(k, slot), 'a CNode has another size');
    }
    if (type === ObjectType.SCHED_CONTEXT) {
      const thread = read32(k, objectOf(k, slot) + SCHED.THREAD);
      require(thread === 0 || threads.has(thread), 'a SchedContext has a dead thread');
      require(thread === 0 ||
        read32(k, thread + THREAD.SCHED) === objectOf(k, slot), 'a SchedContext is not its thread’s');
    }
    if (type === ObjectType.ENDPOINT) checkQueue(k, objectOf(k, slot), threads);
    if (type === ObjectType.REPLY) {
      const caller = read32(k, objectOf(k, slot) + REPLY.CALLER);
      if (caller !== 0) {
        require(read32(k, caller + THREAD.STATE) === STATE.CALLING, 'a Reply holds a thread that does not wait');
        require(read32(k, caller + THREAD.WAITS_ON) ===
          objectOf(k, slot), 'a Reply holds a thread that waits elsewhere');
      }
    }
  }
  const alive = (thread: number, where: string): void => require(threads.has(thread), `a dead thread in ${where}`);
  for (let level = 0; level < CORE.LEVELS; level++) {
    const queue = k.core + CORE.QUEUES + 8 * level;
    let before = 0;
    for (let t = read32(k, queue); t !== 0; t = read32(k, t + THREAD.QUEUE_NEXT)) {
      alive(t, 'a run queue');
      require(read32(k, t + THREAD.STATE) === STATE.READY, 'a thread that waits is in a run queue');
      require(read32(k, t + THREAD.LEVEL) === level + 1, 'a thread is in another run queue than it says');
      require(read32(k, t + THREAD.QUEUE_PREV) === before, 'a run queue is broken');
      before = t;
    }
    require(read32(k, queue + 4) === before, "a run queue's tail is wrong");
    const bit = (read32(k, k.core + CORE.BITMAP + 4 * (level >> 5)) >>> (level & 31)) & 1;
    require((bit === 1) === (before !== 0), 'the bitmap of run queues is wrong');
  }
  let last = 0;
  for (let t = read32(k, k.core + CORE.TIMERS); t !== 0; t = read32(k, t + THREAD.TIMER_NEXT)) {
    alive(t, 'the timer list');
    const deadline = read64(k, t + THREAD.DEADLINE);
    require(deadline >= last, 'the timer list is not in order');
    last = deadline;
  }
  const current = read32(k, k.core + CORE.CURRENT);
  if (current !== 0) alive(current, 'CURRENT');
}

function checkQueue(k: Context, endpoint: number, threads: Set<number>): void {
  let before = 0;
  let state = 0;
  for (let t = read32(k, endpoint + ENDPOINT.HEAD); t !== 0; t = read32(k, t + THREAD.QUEUE_NEXT)) {
    require(threads.has(t), 'a dead thread in an endpoint');
    const own = read32(k, t + THREAD.STATE);
    require(own === STATE.SENDING || own === STATE.RECEIVING, 'a thread in an endpoint does not wait');
    require(state === 0 || own === state, 'senders and receivers are in one queue');
    require(read32(k, t + THREAD.WAITS_ON) === endpoint, 'a thread in an endpoint waits elsewhere');
    require(read32(k, t + THREAD.QUEUE_PREV) === before, 'an endpoint queue is broken');
    state = own;
    before = t;
  }
  require(read32(k, endpoint + ENDPOINT.TAIL) === before, "an endpoint queue's tail is wrong");
}
