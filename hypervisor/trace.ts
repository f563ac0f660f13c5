/** What `--trace` writes: one line for each event of the chosen kinds. */
import type { Core } from '../arch/core/core.ts';
import { F, PSTATE } from '../arch/core/frame.ts';
import { ACCESS } from '../arch/core/mmu.ts';
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
  /** The assembly text of an instruction word, for `undef`. Given from outside: not every machine needs a disassembler. */
  disassemble?: ((word: number, pc: bigint) => string) | undefined;
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

/** What cores report of the kinds that are their own: code as it is translated for all of them, exceptions, UNDEFINED words. */
export function traceCores(cores: readonly Core[], trace: Trace): void {
  const { kinds, write } = trace;
  if (kinds.has('exec')) {
    const { code, bus } = cores[0]!;
    const { base, host } = bus.ram;
    code.onTranslate = (page, region) => {
      const pa = page - host + base + 4 * region.entry;
      write(`exec: physical ${hex(pa)} EL${region.context.el}: ${region.instructions} instructions translated`);
    };
  }
  if (!kinds.has('exits') && !kinds.has('irq') && !kinds.has('undef')) return;
  for (const core of cores) traceExceptions(core, cores.length > 1 ? ` of core ${core.index}` : '', trace);
}

function traceExceptions(core: Core, name: string, { kinds, write, disassemble }: Trace): void {
  const level = (): 0 | 1 | 2 => ((core.i32[(core.frame + F.PSTATE) >>> 2]! >> PSTATE.EL_SHIFT) & 3) as 0 | 1 | 2;
  core.onException = (vector, target, esr) => {
    const to = `EL${level()} to EL${target}${name} at ${hex(core.pc)}`;
    const ec = esr >>> 26;
    if (vector !== 'sync') {
      if (kinds.has('irq')) write(`irq: ${vector} ${to}`);
      return;
    }
    if (kinds.has('exits')) write(`exits: ${EXCEPTION_CLASSES[ec] ?? `EC ${hex(ec)}`} ESR ${hex(esr >>> 0)} ${to}`);
    if (kinds.has('undef') && ec === 0) {
      const word = wordAtPc(core, level());
      write(`undef: ${hex(word, 8)} ${to}: ${disassemble?.(word, core.pc) ?? ''}`.trimEnd());
    }
  };
}

/** The instruction that a core is at; 0 where it cannot be fetched. */
function wordAtPc(core: Core, el: 0 | 1 | 2): number {
  const { mmu, bus, u8, pc } = core;
  const { ram } = bus;
  const [hi, lo] = [Number(pc >> 32n), Number(pc & 0xffff_ffffn)];
  if (!mmu.translate(core, hi | 0, lo | 0, ACCESS.FETCH, el)) return 0;
  const at = mmu.pa - ram.base;
  if (at < 0 || at + 4 > ram.size) return 0;
  return new DataView(u8.buffer, ram.host + at, 4).getUint32(0, true);
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
