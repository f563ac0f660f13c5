/**
 * Performance monitors, PMUv3 for Armv8.1 (DDI 0487, D11): counters in the frame, brought up to date where somebody looks
 * or the exception level changes. Only what is counted exactly is offered.
 */
import { bit, currentEl, low } from './exception.ts';
import { EVENT_COUNTERS } from './idregs.ts';
import type { CoreState } from './state.ts';
import { MDCR } from './sysreg-bits.ts';
import { SR } from './sysreg-slots.ts';

/** Events, PMEVTYPER<n>_EL0.evtCount (D11.11). There is no speculation and nothing stalls. */
export const EVENT = {
  SW_INCR: 0x00,
  INST_RETIRED: 0x08,
  EXC_TAKEN: 0x09,
  EXC_RETURN: 0x0a,
  CID_WRITE_RETIRED: 0x0b,
  CPU_CYCLES: 0x11,
  INST_SPEC: 0x1b,
  TTBR_WRITE_RETIRED: 0x1c,
  CHAIN: 0x1e,
  STALL_FRONTEND: 0x23,
  STALL_BACKEND: 0x24,
} as const;

const COMMON = Object.values(EVENT);
const listed = (first: number): bigint =>
  COMMON.filter((n) => n >= first && n < first + 32).reduce((mask, n) => mask | (1n << BigInt(n - first)), 0n);
export const PMCEID0 = listed(0);
export const PMCEID1 = listed(32);

/** PMCR_EL0, bit numbers. */
const PMCR = { E: 0, P: 1, C: 2, DP: 5 } as const;
/** The cycle counter's bit in the masks, and its number. */
const CYCLES = 31;
const ALL_COUNTERS = (1n << BigInt(EVENT_COUNTERS)) - 1n;
const CYCLES_BIT = 1n << BigInt(CYCLES);

const PLACES = Array.from({ length: EVENT_COUNTERS }, (_, n) => ({
  counter: (SR as Record<string, number>)[`PMEVCNTR${n}_EL0`]!,
  type: (SR as Record<string, number>)[`PMEVTYPER${n}_EL0`]!,
}));

/** Processor cycles in a second. */
const CYCLES_PER_SECOND = 1_000_000_000;

const read = (core: CoreState, place: number): bigint => BigInt.asUintN(64, core.i64[(core.frame + place) >>> 3]!);
const write = (core: CoreState, place: number, value: bigint): void => {
  core.i64[(core.frame + place) >>> 3] = BigInt.asIntN(64, value);
};

/** Event counters that EL1 and EL0 may use: MDCR_EL2.HPMN. */
function accessibleCounters(core: CoreState): number {
  return Math.min(low(core, SR.MDCR_EL2) & 31, EVENT_COUNTERS);
}

/** The counters of the current EL, as a mask with the cycle counter. */
export function accessibleMask(core: CoreState): bigint {
  return currentEl(core) === 2
    ? ALL_COUNTERS | CYCLES_BIT
    : ((1n << BigInt(accessibleCounters(core))) - 1n) | CYCLES_BIT;
}

/** Whether anything may be counted at all. */
export function pmuRuns(core: CoreState): boolean {
  if (low(core, SR.PMCNTENSET_EL0) === 0) return false;
  return bit(core, SR.PMCR_EL0, PMCR.E) || bit(core, SR.MDCR_EL2, MDCR.HPME);
}

/** AArch64.CountEvents: whether counter `n` counts at the current EL. */
function counts(core: CoreState, n: number): boolean {
  if (!bit(core, SR.PMCNTENSET_EL0, n)) return false;
  const hypervisors = n !== CYCLES && n >= accessibleCounters(core);
  if (!(hypervisors ? bit(core, SR.MDCR_EL2, MDCR.HPME) : bit(core, SR.PMCR_EL0, PMCR.E))) return false;
  const filter = low(core, n === CYCLES ? SR.PMCCFILTR_EL0 : PLACES[n]!.type);
  switch (currentEl(core)) {
    case 0:
      return (filter & (1 << 30)) === 0;
    case 1:
      return filter >= 0;
    default:
      if (!hypervisors && bit(core, SR.MDCR_EL2, MDCR.HPMD) && (n !== CYCLES || bit(core, SR.PMCR_EL0, PMCR.DP)))
        return false;
      return (filter & (1 << 27)) !== 0;
  }
}

const eventOf = (core: CoreState, n: number): number => low(core, PLACES[n]!.type) & 0xffff;

function overflow(core: CoreState, n: number): void {
  write(core, SR.PMOVSSET_EL0, read(core, SR.PMOVSSET_EL0) | (1n << BigInt(n)));
}

/** Adds to an event counter, 32 bits, and to the next one where that counts overflows. */
function increment(core: CoreState, n: number, by: bigint): void {
  const { counter } = PLACES[n]!;
  const sum = read(core, counter) + by;
  write(core, counter, BigInt.asUintN(32, sum));
  const carries = sum >> 32n;
  if (carries === 0n) return;
  overflow(core, n);
  if ((n & 1) === 0 && n + 1 < EVENT_COUNTERS && counts(core, n + 1) && eventOf(core, n + 1) === EVENT.CHAIN) {
    increment(core, n + 1, carries);
  }
}

/** Counts what has passed at the current EL: instructions retired and ticks of the counter. */
export function countPassed(core: CoreState, instructions: number, ticks: number): void {
  const cycles = cyclesOf(core, ticks);
  for (let n = 0; n < EVENT_COUNTERS; n++) {
    if (!counts(core, n)) continue;
    const event = eventOf(core, n);
    if (event === EVENT.INST_RETIRED || event === EVENT.INST_SPEC) increment(core, n, BigInt(instructions));
    else if (event === EVENT.CPU_CYCLES) increment(core, n, cycles);
  }
  if (!counts(core, CYCLES)) return;
  const sum = read(core, SR.PMCCNTR_EL0) + cycles;
  write(core, SR.PMCCNTR_EL0, sum);
  if (sum >> 64n !== 0n) overflow(core, CYCLES);
}

function cyclesOf(core: CoreState, ticks: number): bigint {
  return (BigInt(ticks) * BigInt(CYCLES_PER_SECOND)) / BigInt(core.counterFrequency);
}

/** Counts one event at the current EL. */
export function countEvent(core: CoreState, event: number): void {
  if (!pmuRuns(core)) return;
  for (let n = 0; n < EVENT_COUNTERS; n++) if (eventOf(core, n) === event && counts(core, n)) increment(core, n, 1n);
}

/** The overflow interrupt's level: an overflow whose interrupt and counter group are enabled, the counter itself or not. */
export function pmuOutput(core: CoreState): boolean {
  const pending = read(core, SR.PMOVSSET_EL0) & read(core, SR.PMINTENSET_EL1);
  if (pending === 0n) return false;
  const own = ((1n << BigInt(accessibleCounters(core))) - 1n) | CYCLES_BIT;
  if (bit(core, SR.PMCR_EL0, PMCR.E) && (pending & own) !== 0n) return true;
  return bit(core, SR.MDCR_EL2, MDCR.HPME) && (pending & ~own) !== 0n;
}

/** How many instructions, and counter ticks, may pass before a counter that counts them overflows; Infinity for never. */
export function untilOverflow(core: CoreState): { instructions: number; ticks: number } {
  let instructions = Infinity;
  let cycles = Infinity;
  for (let n = 0; n < EVENT_COUNTERS; n++) {
    if (!counts(core, n)) continue;
    const left = 2 ** 32 - Number(read(core, PLACES[n]!.counter));
    const event = eventOf(core, n);
    if (event === EVENT.INST_RETIRED || event === EVENT.INST_SPEC) instructions = Math.min(instructions, left);
    else if (event === EVENT.CPU_CYCLES) cycles = Math.min(cycles, left);
  }
  if (counts(core, CYCLES)) cycles = Math.min(cycles, Number((1n << 64n) - read(core, SR.PMCCNTR_EL0)));
  return { instructions, ticks: Math.ceil((cycles * core.counterFrequency) / CYCLES_PER_SECOND) };
}

// ------------------------------------------------------------------ registers

interface Behaviour {
  read?: (core: CoreState) => bigint;
  write?: (core: CoreState, value: bigint) => void;
}

/** A register whose read wants the counters as they are now, and whose write changes how they count. */
function current(behaviour: Behaviour): Behaviour {
  const { read: get, write: set } = behaviour;
  return {
    ...(get && {
      read(core: CoreState) {
        core.countEvents?.();
        return get(core);
      },
    }),
    ...(set && {
      write(core: CoreState, value: bigint) {
        core.countEvents?.();
        set(core, value);
        core.timersChanged();
      },
    }),
  };
}

const stored = (place: number): Behaviour =>
  current({ read: (core) => read(core, place), write: (core, value) => write(core, place, value) });

/** A mask with a register that sets bits and one that clears them. */
function setting(place: number, clear: boolean): Behaviour {
  return current({
    read: (core) => read(core, place) & accessibleMask(core),
    write(core, value) {
      const bits = value & accessibleMask(core);
      const old = read(core, place);
      write(core, place, clear ? old & ~bits : old | bits);
    },
  });
}

/** The counter that PMSELR_EL0 selects, if the current EL has it. */
function selected(core: CoreState): number | undefined {
  const n = low(core, SR.PMSELR_EL0) & 31;
  return n === CYCLES || ((accessibleMask(core) >> BigInt(n)) & 1n) === 0n ? undefined : n;
}

/** A counter's own register: RAZ/WI for a counter that is EL2's alone. */
const numbered = (n: number, place: number): Behaviour => {
  const mine = (core: CoreState): boolean => ((accessibleMask(core) >> BigInt(n)) & 1n) !== 0n;
  return current({
    read: (core) => (mine(core) ? read(core, place) : 0n),
    write(core, value) {
      if (mine(core)) write(core, place, value);
    },
  });
};

/** P, U, NSH (EL3 is not there) and the event. */
export const EVENT_TYPE_BITS = 0xc800_ffffn;
export const CYCLE_FILTER_BITS = 0xc800_0000n;

/** What makes the registers of the PMU more than storage. */
export const PMU_BEHAVIOUR: Readonly<Record<string, Behaviour>> = {
  PMCR_EL0: current({
    read: (core) =>
      (read(core, SR.PMCR_EL0) & ~0xf800n) |
      (BigInt(currentEl(core) === 2 ? EVENT_COUNTERS : accessibleCounters(core)) << 11n),
    write(core, value) {
      write(core, SR.PMCR_EL0, (value & 0x39n) | PMCR_ONE);
      if (value & (1n << BigInt(PMCR.C))) write(core, SR.PMCCNTR_EL0, 0n);
      if ((value & (1n << BigInt(PMCR.P))) === 0n) return;
      const mask = accessibleMask(core);
      PLACES.forEach(({ counter }, n) => {
        if ((mask >> BigInt(n)) & 1n) write(core, counter, 0n);
      });
    },
  }),
  PMCNTENSET_EL0: setting(SR.PMCNTENSET_EL0, false),
  PMCNTENCLR_EL0: setting(SR.PMCNTENSET_EL0, true),
  PMOVSSET_EL0: setting(SR.PMOVSSET_EL0, false),
  PMOVSCLR_EL0: setting(SR.PMOVSSET_EL0, true),
  PMINTENSET_EL1: setting(SR.PMINTENSET_EL1, false),
  PMINTENCLR_EL1: setting(SR.PMINTENSET_EL1, true),
  PMSWINC_EL0: current({
    write(core, value) {
      const bits = value & accessibleMask(core);
      for (let n = 0; n < EVENT_COUNTERS; n++) {
        if ((bits >> BigInt(n)) & 1n && eventOf(core, n) === EVENT.SW_INCR && counts(core, n)) increment(core, n, 1n);
      }
    },
  }),
  PMCCNTR_EL0: stored(SR.PMCCNTR_EL0),
  PMCCFILTR_EL0: stored(SR.PMCCFILTR_EL0),
  PMXEVTYPER_EL0: current({
    read(core) {
      if ((low(core, SR.PMSELR_EL0) & 31) === CYCLES) return read(core, SR.PMCCFILTR_EL0);
      const n = selected(core);
      return n === undefined ? 0n : read(core, PLACES[n]!.type);
    },
    write(core, value) {
      const n = selected(core);
      if (n !== undefined) write(core, PLACES[n]!.type, value & EVENT_TYPE_BITS);
      else if ((low(core, SR.PMSELR_EL0) & 31) === CYCLES) write(core, SR.PMCCFILTR_EL0, value & CYCLE_FILTER_BITS);
    },
  }),
  PMXEVCNTR_EL0: current({
    read(core) {
      const n = selected(core);
      return n === undefined ? 0n : read(core, PLACES[n]!.counter);
    },
    write(core, value) {
      const n = selected(core);
      if (n !== undefined) write(core, PLACES[n]!.counter, value & 0xffff_ffffn);
    },
  }),
  ...Object.fromEntries(
    PLACES.flatMap(({ counter, type }, n) => [
      [`PMEVCNTR${n}_EL0`, numbered(n, counter)],
      [`PMEVTYPER${n}_EL0`, numbered(n, type)],
    ]),
  ),
};

/** PMCR_EL0: LC, as there is no AArch32. IMP and IDCODE are zero: identification is in MIDR_EL1. */
export const PMCR_ONE = 0x40n;
