/** Runs a machine on this terminal, from its start to the exit status. */
import { Writable } from 'node:stream';
import { ESCAPE_HELP } from '../../board/host/escape.ts';
import { Terminal } from '../../board/host/terminal.ts';
import { ExecStream } from '../../guests/linux/exec-stream.ts';
import { Machine, type MachineEnd, type MachineOptions } from '../machine.ts';
import { OutputClosed, Status, UsageError } from './errors.ts';
import { HangupWatch } from './hangup.ts';
import type { GuestFlags } from './options.ts';
import { outputFailure } from './output.ts';
import { statsJson, statsText } from './stats.ts';

export interface SessionOptions {
  mode: 'boot' | 'bare';
  kernel: string;
  /** A path, or the content made for this boot. */
  initrd: string | Uint8Array | undefined;
  el?: 1 | 2;
  /** With `--exec`: the token that frames the command's output. */
  execToken?: string;
}

/** Builds the machine and runs it. @returns the exit status */
export async function runSession(flags: GuestFlags, options: SessionOptions): Promise<number> {
  const { execToken } = options;
  const trace =
    flags.trace && new (await import('./trace-file.ts')).TraceFile(flags.trace, flags.traceFile, () => onClosed());
  if (flags.traceFile !== undefined && !trace)
    throw new UsageError('--trace-file: say with --trace what to write there');
  const say = (text: string): void =>
    void (flags.quiet || process.stderr.write(`naxos: ${text}${terminal.interactive ? '\r' : ''}\n`));
  const terminal = new Terminal();
  const exec = execToken === undefined ? undefined : execOutput(execToken, flags.quiet === true);
  // The command writes to a UART of its own, the kernel to the console.
  const separate = exec !== undefined && flags.dtb === undefined;
  const interactive = exec === undefined && terminal.interactive;
  const screen = interactive && process.stdout.isTTY ? terminal.screen : process.stdout;
  let lost: Error | undefined;
  // A reader that has gone also ends a machine that would otherwise never write again.
  const onLost = (error: Error): void => {
    lost ??= error;
    machine?.stop();
  };
  const onClosed = (): void => onLost(new OutputClosed());
  const onError = (error: Error): void => onLost(outputFailure(error));
  process.stdout.on('error', onError);
  const hangup = new HangupWatch(process.stdout, onClosed);
  // A terminal that has gone takes nothing and gives nothing any more; input that ends otherwise is no reason to end.
  const onInputLost = (): void => {
    if (terminal.interactive) onClosed();
    else hangup.look();
  };
  process.stdin.on('end', onInputLost).on('error', onInputLost);
  const ignored = (): void => {};
  process.stderr.on('error', ignored);
  let machine: Machine | undefined;
  const settings: MachineOptions = {
    mode: options.mode,
    kernel: options.kernel,
    initrd: options.initrd,
    append: flags.append,
    dtb: flags.dtb,
    memory: flags.memory,
    cpus: flags.cpus,
    el: options.el,
    // A command runs once.
    restarts: flags.reboot && exec === undefined,
    ...(separate ? { onOutput: exec.console, second: exec.output } : { output: exec?.output ?? screen }),
    trace,
    // Of what an earlier run translated there would be nothing to trace.
    keepTranslations: !flags.trace?.has('exec'),
    ...(exec === undefined && { input: process.stdin }),
    ...(interactive && {
      keys: {
        quit: () => machine?.stop(),
        help: () => void process.stderr.write(`\r\n${ESCAPE_HELP.join('\r\n')}\r\n`),
      },
    }),
  };
  try {
    machine = new Machine(settings);
    if (machine.advice !== undefined) say(machine.advice);
    trace?.open();
    let timedOut = false;
    const timer =
      flags.timeout === undefined
        ? undefined
        : setTimeout(
            () => {
              timedOut = true;
              machine!.stop();
            },
            Math.min(flags.timeout * 1000, 2 ** 31 - 1),
          );
    if (interactive) terminal.raw();
    let end: MachineEnd;
    try {
      end = await machine.run();
    } finally {
      clearTimeout(timer);
      terminal.restore();
    }
    exec?.stream.finish();
    // What cannot be written shows with the last write. A reader that does not read is not waited for beyond the timeout.
    if (!timedOut) await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
    trace?.close();
    if (flags.stats)
      process.stderr.write(flags.stats === 'json' ? `${statsJson(machine.stats)}\n` : statsText(machine.stats));
    if (timedOut) {
      process.stderr.write(`naxos: the guest did not end within ${flags.timeout} s\n`);
      return Status.TIMEOUT;
    }
    if (lost !== undefined) throw lost;
    return statusOf(end, exec?.stream, say);
  } finally {
    hangup.close();
    process.stdout.off('error', onError);
    process.stdin.off('end', onInputLost).off('error', onInputLost);
    process.stderr.off('error', ignored);
  }
}

function statusOf(end: MachineEnd, exec: ExecStream | undefined, say: (text: string) => void): number {
  switch (end.reason) {
    case 'failed':
      if (end.error !== undefined) throw end.error;
      process.stderr.write(`naxos: ${end.text}\n`);
      return Status.GUEST_DIED;
    case 'panic':
      process.stderr.write(`naxos: the guest died: ${end.text}\n`);
      return Status.GUEST_DIED;
    case 'stopped':
      if (end.text !== '') say(end.text);
      return Status.OK;
    default:
      if (exec === undefined) return Status.OK;
      if (exec.status !== undefined) return exec.status;
      process.stderr.write(`naxos: the guest ended before the command did\n`);
      return Status.GUEST_DIED;
  }
}

/** Where things go with `--exec`: the command's output to standard output, the kernel's messages to standard error. */
function execOutput(token: string, quiet: boolean) {
  const console = (bytes: Uint8Array): void => void (quiet || process.stderr.write(bytes));
  const stream = new ExecStream(token, { output: (bytes) => void process.stdout.write(bytes), console });
  const output = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      stream.push(chunk);
      // The guest waits while standard output cannot take more.
      if (process.stdout.writableNeedDrain) process.stdout.once('drain', done);
      else done();
    },
  });
  return { console, output, stream };
}
