/**
 * Deleting capabilities, and objects with their last one.
 *
 * A CNode whose last capability went is emptied piece by piece: it stands in the kernel's list (ROOT.REAP) until it is
 * empty. Every call that deletes, or that uses memory again, first works that list off; it is interrupted after a
 * bounded number of steps and made again.
 */
import { ObjectType } from './abi/numbers.ts';
import { type Context, irqEntry, read32, read64, write32, write64 } from './context.ts';
import { erase, firstChild, flagsOf, isFinal, objectOf, parentOf, typeOf } from './derivation.ts';
import { disableInterrupt } from './interrupts.ts';
import { cancelQueue, destroyNotification, destroyReply } from './ipc.ts';
import { CNODE, FLAG, IRQ, ROOT, SCHED, SLOT, THREAD } from './layout.ts';
import { removeReady } from './scheduler.ts';
import { destroySpace, unmapFrame } from './space.ts';
import { destroyThread } from './thread.ts';
import { destroyVcpu } from './vcpu.ts';

/** Slots looked at before the kernel looks whether something else is to be done. */
const STEPS = 1024;

/** Deletes the capability in a slot, if there is one, and its object if it was the last. */
export function deleteSlot(k: Context, slot: number): void {
  const type = typeOf(k, slot);
  if (type === 0) return;
  if (type === ObjectType.FRAME) {
    if ((flagsOf(k, slot) & FLAG.WINDOW) !== 0) k.services.closeWindows(slot);
    unmapFrame(k, slot);
  }
  if (type === ObjectType.SCHED_CONTROL) returnShare(k, slot);
  const final = isFinal(k, slot);
  const object = objectOf(k, slot);
  erase(k, slot);
  if (final) destroy(k, type, object);
}

/**
 * The share of a SchedControl goes back to the one that it was split from; what it gave away itself stays given. A
 * SchedContext that loses its share has no budget any more.
 */
function returnShare(k: Context, slot: number): void {
  if ((flagsOf(k, slot) & FLAG.IN_USE) !== 0) {
    const sched = slot - SCHED.SHARE;
    write64(k, sched + SCHED.BUDGET, 0);
    write64(k, sched + SCHED.REMAINING, 0);
    const thread = read32(k, sched + SCHED.THREAD);
    if (thread !== 0) removeReady(k, thread);
  }
  const parent = parentOf(k, slot);
  if (typeOf(k, parent) !== ObjectType.SCHED_CONTROL) return;
  const unused = read64(k, slot + SLOT.VALUE) - read32(k, slot + SLOT.SPACE);
  write32(k, parent + SLOT.SPACE, read32(k, parent + SLOT.SPACE) - unused);
}

function destroy(k: Context, type: number, object: number): void {
  switch (type) {
    case ObjectType.CNODE:
      write32(k, object + CNODE.REAP_NEXT, read32(k, k.root + ROOT.REAP));
      write32(k, object + CNODE.REAP_INDEX, 1);
      write32(k, k.root + ROOT.REAP, object);
      return;
    case ObjectType.THREAD:
      destroyThread(k, object);
      for (let i = 0; i < THREAD.SLOTS; i++) deleteSlot(k, object + THREAD.CNODE + i * SLOT.SIZE);
      return;
    case ObjectType.SCHED_CONTEXT: {
      const thread = read32(k, object + SCHED.THREAD);
      if (thread !== 0) {
        removeReady(k, thread);
        write32(k, thread + THREAD.SCHED, 0);
      }
      deleteSlot(k, object + SCHED.SHARE);
      return;
    }
    case ObjectType.ENDPOINT:
      cancelQueue(k, object);
      return;
    case ObjectType.NOTIFICATION:
      destroyNotification(k, object);
      return;
    case ObjectType.REPLY:
      destroyReply(k, object);
      return;
    case ObjectType.SPACE:
    case ObjectType.VM_SPACE:
      destroySpace(k, object);
      return;
    case ObjectType.VCPU:
      destroyVcpu(k, object);
      return;
    case ObjectType.IRQ: {
      const entry = irqEntry(k, object);
      disableInterrupt(k, object);
      write32(k, entry + IRQ.MADE, 0);
      deleteSlot(k, entry + IRQ.TARGET);
      return;
    }
    default:
      return;
  }
}

/** Goes on emptying CNodes. @returns false when it must be called again to go on. */
export function reap(k: Context): boolean {
  let steps = STEPS;
  for (let cnode = read32(k, k.root + ROOT.REAP); cnode !== 0; cnode = read32(k, k.root + ROOT.REAP)) {
    const count = 2 ** read32(k, cnode + CNODE.RADIX);
    let index = read32(k, cnode + CNODE.REAP_INDEX);
    // Deleting may put another CNode in front; this one goes on after it.
    while (index < count && steps > 0 && read32(k, k.root + ROOT.REAP) === cnode) {
      deleteSlot(k, cnode + index * SLOT.SIZE);
      index++;
      steps--;
    }
    write32(k, cnode + CNODE.REAP_INDEX, index);
    if (steps === 0) return false;
    if (index === count && read32(k, k.root + ROOT.REAP) === cnode) {
      write32(k, k.root + ROOT.REAP, read32(k, cnode + CNODE.REAP_NEXT));
    }
  }
  return true;
}

/** Deletes everything derived from a capability. @returns false when it must be called again to go on. */
export function revokeSlot(k: Context, slot: number): boolean {
  for (let steps = STEPS; steps > 0; steps--) {
    const child = firstChild(k, slot);
    if (child === 0) return reap(k);
    deleteSlot(k, child);
  }
  return false;
}
