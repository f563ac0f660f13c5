/** What `--trace` writes: one line for each event of the chosen kinds. */
import { decode } from '../arch/a64/decode.ts';
import type { Core } from '../arch/core/core.ts';
import { F, PSTATE } from '../arch/core/frame.ts';
import { Exit, Fault } from '../kernel/abi/faults.ts';
import { Syscall } from '../kernel/abi/numbers.ts';
import type { SystemOptions } from './system.ts';

/** Kinds of events. `syscalls` are the microkernel's. */
export const TRACE_KINDS = ['exec', 'exits', 'syscalls', 'irq', 'undef'] as const;
export type TraceKind = (typeof TRACE_KINDS)[number];

export interface Trace {
  kinds: ReadonlySet<TraceKind>;
  /** Takes one line, without its end. */
  write(line: string): void;
}

const hex = (value: bigint | number, digits = 0): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** Names of ESR_ELx.EC (DDI 0487, D24.2.37). */
const EXCEPTION_CLASSES: Record<number, string> = {
  0x00: 'unknown',
  0x01: 'WFx',
  0x07: 'FP',
  0x0e: 'illegal state',
  0x15: 'SVC',
  0x16: 'HVC',
  0x17: 'SMC',
  0x18: 'MSR/MRS',
  0x20: 'instruction abort from below',
  0x21: 'instruction abort',
  0x22: 'PC alignment',
  0x24: 'data abort from below',
  0x25: 'data abort',
  0x26: 'SP alignment',
  0x2c: 'FP exception',
  0x2f: 'SError',
  0x3c: 'BRK',
};

/** What a core reports of the kinds that are its own: translated code as it is first reached, exceptions, UNDEFINED words. */
export function traceCore(core: Core, { kinds, write }: Trace): void {
  const level = (): number => (core.i32[(core.frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3;
  if (kinds.has('exec')) {
    const { base, host } = core.bus.ram;
    core.code.onTranslate = (page, region) => {
      const pa = page - host + base + 4 * region.entry;
      write(`exec: physical ${hex(pa)} EL${region.context.el}: ${region.instructions} instructions translated`);
    };
  }
  if (kinds.has('undef'))
    core.onUndefined = (word, pc) =>
      write(
        `undef: ${hex(word, 8)} at ${hex(pc)} EL${level()}: ${decode(word)?.row.name ?? 'unallocated or not implemented'}`,
      );
  if (kinds.has('exits') || kinds.has('irq'))
    core.onException = (vector, target, esr) => {
      const to = `EL${level()} to EL${target} at ${hex(core.pc)}`;
      if (vector !== 'sync') {
        if (kinds.has('irq')) write(`irq: ${vector} ${to}`);
      } else if (kinds.has('exits')) {
        const ec = esr >>> 26;
        write(`exits: ${EXCEPTION_CLASSES[ec] ?? `EC ${hex(ec)}`} ESR ${hex(esr >>> 0)} ${to}`);
      }
    };
}

const nameOf = (numbers: Record<string, number>, value: number): string =>
  Object.keys(numbers).find((name) => numbers[name] === value) ?? hex(value);

/** What the microkernel reports: system calls, the faults and exits that it sends on, interrupts. Threads are named by their address. */
export function traceKernel({ kinds, write }: Trace): SystemOptions['hooks'] {
  return {
    ...(kinds.has('syscalls') && {
      onSyscall: (thread: number, number: number, capability: number, label: number) =>
        write(
          `syscalls: thread ${hex(thread)} ${nameOf(Syscall, number)} capability ${hex(capability)} label ${hex(label)}`,
        ),
    }),
    ...(kinds.has('exits') && {
      onFault: (thread: number, label: number) =>
        write(`exits: thread ${hex(thread)} ${nameOf({ ...Fault, ...Exit }, label)}`),
    }),
    ...(kinds.has('irq') && { onInterrupt: (intid: number) => write(`irq: kernel takes INTID ${intid}`) }),
  };
}
