/** The options that `boot` and `bare` share, and what their arguments mean. */
import { Option, type Command } from 'commander';
import { TRACE_KINDS, type TraceKind } from '../trace.ts';
import { UsageError } from './errors.ts';

/** The command line as it was given. */
export interface GuestFlags {
  kernel?: string;
  initrd?: string;
  append?: string;
  dtb?: string;
  dumpDtb?: string;
  memory: number;
  cpus: number;
  timeout?: number;
  reboot: boolean;
  quiet?: boolean;
  stats?: true | 'json';
  debug?: boolean;
  trace?: ReadonlySet<TraceKind>;
  traceFile?: string;
}

const SUFFIXES: Record<string, number> = { '': 2 ** 20, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes: a number of megabytes, or with a suffix k, M, G or T, as QEMU's -m. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match ? Math.floor(Number(match[1]) * SUFFIXES[match[2]!.toLowerCase()]!) : NaN;
  if (!Number.isFinite(bytes)) throw new UsageError(`--memory ${text}: not a size; write for example 512M or 1G`);
  return bytes;
}

export function parseCpus(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1)
    throw new UsageError(`--cpus ${text}: not a number of cores; write for example 2`);
  return Number(text);
}

/** Text for the guest. What was not UTF-8 on the command line arrives here as U+FFFD: it would be other bytes there. */
export function parseText(option: string): (text: string) => string {
  return (text) => {
    if (text.includes('\ufffd')) throw new UsageError(`${option}: it has bytes that are not UTF-8; leave them out`);
    return text;
  };
}

/** Seconds. */
export function parseTimeout(text: string): number {
  const seconds = /^\d+(\.\d+)?s?$/.test(text) ? Number.parseFloat(text) : NaN;
  if (!(seconds > 0)) throw new UsageError(`--timeout ${text}: not a number of seconds above 0; write for example 60`);
  return seconds;
}

export function parseEl(text: string): 1 | 2 {
  if (text !== '1' && text !== '2') throw new UsageError(`--el ${text}: the machine starts at exception level 1 or 2`);
  return text === '1' ? 1 : 2;
}

function parseTrace(kinds: readonly TraceKind[]): (text: string) => ReadonlySet<TraceKind> {
  return (text) => {
    const chosen = text.split(',').map((kind) => kind.trim());
    for (const kind of chosen)
      if (!kinds.includes(kind as TraceKind))
        throw new UsageError(`--trace ${text}: "${kind}" cannot be traced; choose from ${kinds.join(', ')}`);
    return new Set(chosen as TraceKind[]);
  };
}

function parseStats(text: string): 'json' {
  if (text !== 'json') throw new UsageError(`--stats=${text}: write --stats or --stats=json`);
  return text;
}

/** @param ended the status of a guest that ended as it wanted */
const notes = (ended: string): string => `
On a terminal Ctrl-A x quits, and Ctrl-A h lists the keys.
Exit status: ${ended}; 2 a bad request, or output
that cannot be written; 3 the guest died; 124 --timeout; 141 nobody reads the
output any more; 1 a fault of naxos.`;

/** Adds the shared options to a verb. @param kinds what it can trace */
export function addGuestOptions(command: Command, kinds: readonly TraceKind[] = TRACE_KINDS): Command {
  const boot = command.name() === 'boot';
  return command
    .option('--initrd <file>', 'initial RAM disk')
    .addOption(new Option('--append <string>', "the kernel's command line").argParser(parseText('--append')))
    .option('--dtb <file>', 'device tree to use instead of the generated one')
    .option('--dump-dtb <file>', 'write the device tree that the guest would be given (-: to standard output), and end')
    .addOption(
      new Option('-m, --memory <size>', 'memory: megabytes, or with a suffix k, M, G')
        .argParser(parseMemory)
        .default(parseMemory('512M'), '512M'),
    )
    .addOption(new Option('--cpus <number>', 'cores').argParser(parseCpus).default(1))
    .addOption(new Option('--timeout <seconds>', 'end with status 124 after this time').argParser(parseTimeout))
    .option('--no-reboot', 'end when the guest resets the machine')
    .option(
      '--quiet',
      `say nothing besides what the guest writes${boot ? '; on a terminal, a first fetch still shows its progress' : ''}`,
    )
    .addOption(
      new Option(
        '--stats [format]',
        'at the end, figures on standard error (--stats=json: one line of JSON)',
      ).argParser(parseStats),
    )
    .addOption(new Option('--trace <kinds>', `trace events: ${kinds.join(',')}`).argParser(parseTrace(kinds)))
    .option('--trace-file <file>', 'write the trace there instead of to standard error')
    .option('--debug', 'with an error, show where it happened')
    .addHelpText('after', notes(boot ? "0, or the command's with --exec" : '0'));
}
