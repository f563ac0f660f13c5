/** VCPU exits: what an exception to EL2 means, its message to the VMM, and the answers to it. */
import { F } from '../arch/core/frame.ts';
import { EC, esr as syndrome } from '../arch/core/exception.ts';
import { SR } from '../arch/core/sysreg-slots.ts';
import { eisr, elrsr, misr, virtualLines } from '../arch/gic/virtual-interface.ts';
import { Answer, Exit } from './abi/faults.ts';
import { messageInfo } from './abi/message.ts';
import { type Context, copy64, read32, read64, write32 } from './context.ts';
import { advance, setRegisters } from './faults.ts';
import { STATE, THREAD, VCPU } from './layout.ts';
import { copyWord, setResult, setWord, wordAddress } from './message.ts';
import { block, makeReady, rotate, setTimer } from './scheduler.ts';
import { raiseFault } from './ipc.ts';
import { serveLines } from './vcpu-lines.ts';

/** ESR_ELx.ISS of data aborts (DDI 0487, D17.2.37). */
const ISS = { ISV: 1 << 24, SAS_SHIFT: 22, SRT_SHIFT: 16, WNR: 1 << 6, CM: 1 << 8, EXTERNAL: 0x10 } as const;
const IL = 2 ** 25;

function frameOf(k: Context, thread: number): number {
  return read32(k, thread + THREAD.VCPU) + VCPU.FRAME;
}

function classOf(esr: number): number {
  return esr >>> 26;
}

/** A synchronous exception from a VCPU: WFI, WFE and what is trapped for the kernel's own sake are served here, all else is an exit. */
export function takeExit(k: Context, thread: number): void {
  const frame = frameOf(k, thread);
  const esr = read32(k, frame + SR.ESR_EL2);
  switch (classOf(esr)) {
    case EC.WFX:
      advance(k, frame);
      if ((esr & 1) === 0) waitForInterrupt(k, thread);
      else rotate(k, thread);
      return;
    case EC.HVC:
      return raiseFault(k, thread, Exit.HVC);
    case EC.SMC:
      return raiseFault(k, thread, Exit.SMC);
    case EC.SYSREG:
      if (serveLines(k, frame - VCPU.FRAME, esr)) return;
      return raiseFault(k, thread, Exit.SYSREG);
    case EC.DATA_ABORT_LOWER:
    case EC.INSTRUCTION_ABORT_LOWER:
      return raiseFault(k, thread, Exit.STAGE2_ABORT);
    default:
      return raiseFault(k, thread, Exit.OTHER);
  }
}

/** WFI: waits until a virtual interrupt is signalled or the virtual timer's condition is met. */
export function waitForInterrupt(k: Context, thread: number): void {
  const frame = frameOf(k, thread);
  if (virtualLines({ i32: k.i32, frame }) !== 0) return makeReady(k, thread);
  const control = read32(k, frame + SR.CNTV_CTL_EL0);
  let deadline = Infinity;
  if ((control & 3) === 1) {
    const due = read64(k, frame + SR.CNTV_CVAL_EL0) + read64(k, frame + SR.CNTVOFF_EL2);
    // The sum is modulo 2^64; what is beyond the exact numbers is never reached.
    deadline = due >= 2 ** 64 ? due - 2 ** 64 : due;
    if (deadline <= k.processor.counter()) return makeReady(k, thread);
  }
  block(k, thread, STATE.WFI);
  if (deadline < 2 ** 53) setTimer(k, thread, deadline);
}

/** A virtual interrupt was put into a list register: a VCPU in WFI goes on if it is signalled. */
export function wakeForInterrupt(k: Context, thread: number): void {
  if (read32(k, thread + THREAD.STATE) !== STATE.WFI) return;
  if (virtualLines({ i32: k.i32, frame: frameOf(k, thread) }) !== 0) makeReady(k, thread);
}

/** Sets word i of the receiver's message to Xn of a frame (0 for n = 31), of which `bytes` count. */
function describeRegister(k: Context, receiver: number, i: number, frame: number, n: number, bytes: number): void {
  if (n === 31) return setWord(k, receiver, i, 0);
  const at = (frame + F.X + 8 * n) >>> 2;
  const low = k.u32[at]!;
  if (bytes === 8) setWord(k, receiver, i, low, k.u32[at + 1]!);
  else setWord(k, receiver, i, bytes === 4 ? low : low & (2 ** (8 * bytes) - 1));
}

const CALL_WORDS = [...Array.from({ length: 18 }, (_, n) => F.X + 8 * n), SR.ESR_EL2];
/** The registers, offsets in a frame, that are the message of an exit, as far as it is no more than that. */
const DESCRIBED: Readonly<Record<number, readonly number[]>> = {
  // Word 2 becomes the IPA.
  [Exit.STAGE2_ABORT]: [SR.ESR_EL2, SR.FAR_EL2, SR.HPFAR_EL2, SR.ELR_EL2, SR.SPSR_EL2],
  [Exit.SYSREG]: [SR.ESR_EL2, SR.ELR_EL2, SR.SPSR_EL2],
  [Exit.HVC]: CALL_WORDS,
  [Exit.SMC]: CALL_WORDS,
  [Exit.MAINTENANCE]: [],
  [Exit.VTIMER]: [SR.CNTV_CTL_EL0, SR.CNTV_CVAL_EL0],
  [Exit.PMU]: [SR.PMOVSSET_EL0],
  [Exit.OTHER]: [SR.ESR_EL2, SR.FAR_EL2, SR.ELR_EL2, SR.SPSR_EL2],
};

/** Writes the message of a VCPU's exit to a receiver; X0 of the receiver is left. */
export function describeExit(k: Context, thread: number, receiver: number, label: number): void {
  const frame = frameOf(k, thread);
  const esr = read32(k, frame + SR.ESR_EL2);
  let length = 0;
  const registers = DESCRIBED[label] ?? DESCRIBED[Exit.OTHER]!;
  for (; length < registers.length; length++) copyWord(k, receiver, length, frame + registers[length]!);
  switch (label) {
    case Exit.STAGE2_ABORT: {
      // HPFAR_EL2.FIPA is IPA[47:12] in bits 39:4.
      const low = read32(k, frame + SR.HPFAR_EL2);
      const high = read32(k, frame + SR.HPFAR_EL2 + 4);
      const ipa = ((low & ~15) << 8) | (read32(k, frame + SR.FAR_EL2) & 0xfff);
      setWord(k, receiver, 2, ipa, (high << 8) | (low >>> 24));
      const store = classOf(esr) === EC.DATA_ABORT_LOWER && (esr & ISS.ISV) !== 0 && (esr & ISS.WNR) !== 0;
      const bytes = 1 << ((esr >>> ISS.SAS_SHIFT) & 3);
      describeRegister(k, receiver, length++, frame, store ? (esr >>> ISS.SRT_SHIFT) & 31 : 31, bytes);
      break;
    }
    case Exit.SYSREG:
      describeRegister(k, receiver, length++, frame, (esr >>> 5) & 31, 8);
      break;
    case Exit.MAINTENANCE: {
      const context = { i32: k.i32, frame };
      for (const value of [misr(context), eisr(context), elrsr(context)]) setWord(k, receiver, length++, value);
      break;
    }
    default:
      break;
  }
  while (length > 0 && wordAddress(k, receiver, length - 1) === 0) length--;
  setResult(k, receiver, messageInfo(label, length), 0);
}

/** Does what the message of `from` answers to an exit of `thread`. */
export function answerVcpu(k: Context, from: number, thread: number, label: number, length: number): void {
  const frame = frameOf(k, thread);
  const vcpu = frame - VCPU.FRAME;
  if ((label & Answer.UNDEFINED) !== 0) {
    write32(k, vcpu + VCPU.EXCEPTION, syndrome(EC.UNKNOWN, 0));
    write32(k, vcpu + VCPU.FAR_VALID, 0);
  } else if ((label & Answer.EXTERNAL_ABORT) !== 0) {
    const esr = read32(k, frame + SR.ESR_EL2);
    // The classes of aborts without a change of Exception level are one more than those from a lower one.
    const fromEl1 = (read32(k, frame + SR.SPSR_EL2) & 0xc) !== 0 ? 1 : 0;
    const kind = classOf(esr) === EC.INSTRUCTION_ABORT_LOWER ? EC.INSTRUCTION_ABORT_LOWER : EC.DATA_ABORT_LOWER;
    const kept = esr & (kind === EC.DATA_ABORT_LOWER ? ISS.WNR | ISS.CM : 0);
    write32(k, vcpu + VCPU.EXCEPTION, (kind + fromEl1) * 2 ** 26 + IL + kept + ISS.EXTERNAL);
    write32(k, vcpu + VCPU.FAR_VALID, 1);
    copy64(k, vcpu + VCPU.FAR, frame + SR.FAR_EL2);
  } else {
    if ((label & Answer.SET_REGISTERS) !== 0) setRegisters(k, from, length, (n) => frame + F.X + 8 * n);
    if ((label & Answer.ADVANCE) !== 0) advance(k, frame);
  }
}
