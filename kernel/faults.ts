/** Faults of native tasks and services: their messages and the answers to them. */
import { SR } from '../arch/core/sysreg-slots.ts';
import { Answer, Fault } from './abi/faults.ts';
import { messageInfo } from './abi/message.ts';
import { type Context, read32 } from './context.ts';
import { THREAD } from './layout.ts';
import { copyWord, register, setResult, wordAddress, word } from './message.ts';

/** Writes the message of a thread's fault to a receiver; X0 of the receiver is left. */
export function describeFault(k: Context, thread: number, receiver: number, label: number): void {
  const frame = thread + THREAD.FRAME;
  let length = 0;
  switch (label) {
    case Fault.PAGE:
    case Fault.EXCEPTION:
      for (const at of [SR.ESR_EL2, SR.FAR_EL2, SR.ELR_EL2, SR.SPSR_EL2]) copyWord(k, receiver, length++, frame + at);
      break;
    case Fault.UNKNOWN_SYSCALL:
      copyWord(k, receiver, length++, register(thread, 8));
      for (let n = 0; n < 8; n++) copyWord(k, receiver, length++, register(thread, n));
      copyWord(k, receiver, length++, frame + SR.ELR_EL2);
      break;
    default:
      break;
  }
  while (length > 0 && wordAddress(k, receiver, length - 1) === 0) length--;
  setResult(k, receiver, messageInfo(label, length), 0);
}

/** Does what the message of `from` answers to a fault of `thread`. */
export function answerThread(k: Context, from: number, thread: number, label: number, length: number): void {
  const frame = thread + THREAD.FRAME;
  if ((label & Answer.SET_REGISTERS) !== 0) setRegisters(k, from, length, (n) => register(thread, n));
  if ((label & Answer.ADVANCE) !== 0) advance(k, frame);
}

/** Answer.SET_REGISTERS: words 1 … to the registers from that in word 0 on. `place` is the host address of Xn. */
export function setRegisters(k: Context, from: number, length: number, place: (n: number) => number): void {
  const first = word(k, from, 0);
  for (let i = 1; i < length && first + i - 1 <= 30; i++) {
    const at = wordAddress(k, from, i);
    if (at === 0) return;
    const to = place(first + i - 1) >>> 2;
    k.u32[to] = k.u32[at >>> 2]!;
    k.u32[to + 1] = k.u32[(at >>> 2) + 1]!;
  }
}

/** PC + 4 of a stopped frame. */
export function advance(k: Context, frame: number): void {
  const at = frame + SR.ELR_EL2;
  const low = read32(k, at);
  k.u32[at >>> 2] = low + 4;
  if (low + 4 >= 2 ** 32) k.u32[(at >>> 2) + 1]! += 1;
}
