/** What a VCPU's exits say in ESR_EL2 (DDI 0487, D17.2.37). */
import { EC } from '../arch/core/exception.ts';
import { sysregKey } from '../arch/core/frame.ts';

/** ESR_ELx.EC. */
export function exceptionClass(esr: number): number {
  return (esr >>> 26) & 0x3f;
}

const ISV = 1 << 24;
const SSE = 1 << 21;
const SF = 1 << 15;
const CM = 1 << 8;
const S1PTW = 1 << 7;
const WNR = 1 << 6;

/** Whether a stage-2 abort is one single load or store of a register, so that a device can serve it. */
export function isTransfer(esr: number): boolean {
  return exceptionClass(esr) === EC.DATA_ABORT_LOWER && (esr & (ISV | CM | S1PTW)) === ISV;
}

/** Whether a stage-2 abort is of cache maintenance by address, where the address itself has no translation. */
export function isMaintenance(esr: number): boolean {
  return exceptionClass(esr) === EC.DATA_ABORT_LOWER && (esr & (CM | S1PTW)) === CM;
}

/** Of a transfer: the register, 31 for XZR. */
export function transferRegister(esr: number): number {
  return (esr >>> 16) & 31;
}

/** In bytes. */
export function transferSize(esr: number): 1 | 2 | 4 | 8 {
  return (1 << ((esr >>> 22) & 3)) as 1 | 2 | 4 | 8;
}

export function isStore(esr: number): boolean {
  return (esr & WNR) !== 0;
}

/**
 * What a load puts into its register when it brought the value `low`, `high`, zero-extended.
 * @returns a number for setWord: negative means its two's complement in 64 bits.
 */
export function loaded(esr: number, low: number, high: number): number | bigint {
  const size = transferSize(esr);
  if (size === 8) return high < 0x20_0000 ? high * 2 ** 32 + low : (BigInt(high) << 32n) | BigInt(low);
  if ((esr & SSE) === 0) return low;
  const shift = 32 - 8 * size;
  const signed = (low << shift) >> shift;
  return esr & SF ? signed : signed >>> 0;
}

/** A trapped MSR, MRS or system instruction: the key of the register. */
export function trappedKey(esr: number): number {
  return sysregKey((esr >>> 20) & 3, (esr >>> 14) & 7, (esr >>> 10) & 15, (esr >>> 1) & 15, (esr >>> 17) & 7);
}

/** The general register it transfers, 31 for XZR. */
export function trappedRegister(esr: number): number {
  return (esr >>> 5) & 31;
}

export function isRead(esr: number): boolean {
  return (esr & 1) !== 0;
}
