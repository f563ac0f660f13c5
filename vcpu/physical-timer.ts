/**
 * The EL1 physical timer of a VCPU (DDI 0487, D11.2), by software: the machine's own belongs to the kernel. The virtual
 * timer is the machine's and needs no help.
 */
import { sysregKey } from '../arch/core/frame.ts';

const CNTPCT = sysregKey(3, 3, 14, 0, 1);
const TVAL = sysregKey(3, 3, 14, 2, 0);
const CTL = sysregKey(3, 3, 14, 2, 1);
const CVAL = sysregKey(3, 3, 14, 2, 2);

const ENABLE = 1n;
const IMASK = 2n;
const ISTATUS = 4n;

export class PhysicalTimer {
  #ctl = 0n;
  #cval = 0n;

  /** Reads one of its registers, or the counter; undefined for any other. `now` is the physical count. */
  read(key: number, now: number): bigint | undefined {
    switch (key) {
      case CNTPCT:
        return BigInt(now);
      case CTL:
        return this.#ctl | (this.#met(now) ? ISTATUS : 0n);
      case CVAL:
        return this.#cval;
      case TVAL:
        return BigInt.asUintN(32, this.#cval - BigInt(now));
      default:
        return undefined;
    }
  }

  /** @returns false for a register that is not one of its own. */
  write(key: number, value: bigint, now: number): boolean {
    if (key === CTL) this.#ctl = value & (ENABLE | IMASK);
    else if (key === CVAL) this.#cval = value;
    else if (key === TVAL) this.#cval = BigInt.asUintN(64, BigInt(now) + BigInt.asIntN(32, value));
    else return false;
    return true;
  }

  reset(): void {
    this.#ctl = 0n;
  }

  /** Level of its interrupt. */
  level(now: number): boolean {
    return (this.#ctl & IMASK) === 0n && this.#met(now);
  }

  /** The count at which the level rises; undefined when it will not, or has. */
  deadline(now: number): number | undefined {
    if ((this.#ctl & (ENABLE | IMASK)) !== ENABLE || this.#met(now)) return undefined;
    // Times that no number is exact for are centuries away.
    return this.#cval <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(this.#cval) : undefined;
  }

  #met(now: number): boolean {
    return (this.#ctl & ENABLE) !== 0n && BigInt(now) >= this.#cval;
  }
}
