import { bit, currentEl, inHost } from './exception.ts';
import type { CoreState } from './state.ts';
import { HCR } from './sysreg-bits.ts';
import { SR } from './sysreg-slots.ts';

/**
 * The generic timers of a frame (DDI 0487, D11). Each is a CTL and a CVAL register; TVAL is a view on CVAL.
 */

/** Timer outputs, as bits. */
export const TIMER = { PHYSICAL: 1, VIRTUAL: 2, EL2_PHYSICAL: 4, EL2_VIRTUAL: 8 } as const;

export type TimerName = 'CNTP' | 'CNTV' | 'CNTHP' | 'CNTHV';

interface Timer {
  readonly output: number;
  readonly ctl: number;
  readonly cval: number;
  /** CNTV counts from CNTVOFF_EL2, CNTP from CNTPOFF_EL2 where CNTHCTL_EL2.ECV says so. */
  readonly offset: 'virtual' | 'physical' | undefined;
}

const TIMERS: Record<TimerName, Timer> = {
  CNTP: { output: TIMER.PHYSICAL, ctl: SR.CNTP_CTL_EL0, cval: SR.CNTP_CVAL_EL0, offset: 'physical' },
  CNTV: { output: TIMER.VIRTUAL, ctl: SR.CNTV_CTL_EL0, cval: SR.CNTV_CVAL_EL0, offset: 'virtual' },
  CNTHP: { output: TIMER.EL2_PHYSICAL, ctl: SR.CNTHP_CTL_EL2, cval: SR.CNTHP_CVAL_EL2, offset: undefined },
  CNTHV: { output: TIMER.EL2_VIRTUAL, ctl: SR.CNTHV_CTL_EL2, cval: SR.CNTHV_CVAL_EL2, offset: undefined },
};
const ALL = Object.values(TIMERS);

const ENABLE = 1;
const IMASK = 2;
const ISTATUS = 4n;
/** CNTHCTL_EL2.ECV. */
const CNTHCTL_ECV = 12;

function read64(core: CoreState, offset: number): bigint {
  return BigInt.asUintN(64, core.i64[(core.frame + offset) >>> 3]!);
}

/** The count that a timer compares with when the counter is at `now`, 64 bits. */
function count(core: CoreState, timer: Timer, now = core.counter()): bigint {
  const physical = BigInt(now);
  if (timer.offset === undefined) return physical;
  const offset = timer.offset === 'virtual' ? read64(core, SR.CNTVOFF_EL2) : physicalOffset(core);
  return BigInt.asUintN(64, physical - offset);
}

/** What EL1's and EL0's physical count is behind the real one (FEAT_ECV). */
function physicalOffset(core: CoreState): bigint {
  return bit(core, SR.CNTHCTL_EL2, CNTHCTL_ECV) && !inHost(core) ? read64(core, SR.CNTPOFF_EL2) : 0n;
}

/** The count that TVAL is relative to: EL2 has no physical offset. */
function viewedCount(core: CoreState, timer: Timer): bigint {
  return timer.offset === 'physical' && currentEl(core) === 2 ? BigInt(core.counter()) : count(core, timer);
}

/** CNTPCT_EL0 as the current EL sees it. */
export function physicalCount(core: CoreState): bigint {
  return viewedCount(core, TIMERS.CNTP);
}

/** CNTVCT_EL0 as the current EL sees it: a host at EL2 has no virtual offset. */
export function virtualCount(core: CoreState): bigint {
  const el = currentEl(core);
  if ((el === 2 && bit(core, SR.HCR_EL2, HCR.E2H)) || (el === 0 && inHost(core))) return physicalCount(core);
  return count(core, TIMERS.CNTV);
}

/** CTL with ISTATUS, which is zero while the timer is disabled. */
export function readTimerControl(core: CoreState, name: TimerName): bigint {
  const timer = TIMERS[name];
  const ctl = read64(core, timer.ctl);
  if (!(ctl & 1n)) return ctl;
  return count(core, timer) >= read64(core, timer.cval) ? ctl | ISTATUS : ctl;
}

/** TVAL: the low 32 bits of what is left until CVAL. */
export function readTimerValue(core: CoreState, name: TimerName): bigint {
  const timer = TIMERS[name];
  return BigInt.asUintN(32, read64(core, timer.cval) - viewedCount(core, timer));
}

/** Writes TVAL: CVAL becomes the count plus the signed 32-bit value. */
export function writeTimerValue(core: CoreState, name: TimerName, value: bigint): void {
  const timer = TIMERS[name];
  const cval = viewedCount(core, timer) + BigInt.asIntN(32, value);
  core.i64[(core.frame + timer.cval) >>> 3] = BigInt.asIntN(64, cval);
}

const enabled = (core: CoreState, timer: Timer): boolean =>
  (core.i32[(core.frame + timer.ctl) >>> 2]! & (ENABLE | IMASK)) === ENABLE;

/** Counter ticks, from `now` on, until an enabled timer meets its condition; 0 or less when it does. */
function ticksLeft(core: CoreState, timer: Timer, now: number): number {
  const offset =
    timer.offset === undefined ? 0 : timer.offset === 'virtual' ? readNumber(core, SR.CNTVOFF_EL2) : undefined;
  // Exact as numbers where no count wraps: CVAL may be rounded only where it is centuries away.
  if (offset !== undefined && offset <= now) return readNumber(core, timer.cval) - (now - offset);
  return Number(read64(core, timer.cval) - count(core, timer, now));
}

function readNumber(core: CoreState, offset: number): number {
  const at = (core.frame + offset) >>> 2;
  return (core.i32[at + 1]! >>> 0) * 2 ** 32 + (core.i32[at]! >>> 0);
}

/** The active outputs of the frame's timers, bits of `TIMER`: enabled, not masked, condition met. `now`: `core.counter()`. */
export function timerOutputs(core: CoreState, now = core.counter()): number {
  let outputs = 0;
  for (let n = 0; n < ALL.length; n++) {
    const timer = ALL[n]!;
    if (!enabled(core, timer)) continue;
    if (ticksLeft(core, timer, now) <= 0) outputs |= timer.output;
  }
  return outputs;
}

/**
 * When the outputs change next.
 * @returns the value of `core.counter()` at which the next inactive, enabled and unmasked timer meets its condition;
 * Infinity when none will.
 */
export function nextTimerTicks(core: CoreState, now = core.counter()): number {
  let next = Infinity;
  for (let n = 0; n < ALL.length; n++) {
    const timer = ALL[n]!;
    if (!enabled(core, timer)) continue;
    const left = ticksLeft(core, timer, now);
    if (left > 0) next = Math.min(next, now + left);
  }
  return next;
}
