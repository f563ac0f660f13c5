/** The command's verbs and options. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { startWorker } from '../compile-ahead.ts';
import { Status, report } from './errors.ts';
import { addGuestVerb } from './guest.ts';
import { print } from './output.ts';
import { addGuestOptions, parseEl, parseText, type GuestFlags } from './options.ts';

/** The version in the package's own package.json, above the sources or the compiled files. */
function packageVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

const EXAMPLES = `
Examples:
  naxos boot                                       Debian's kernel, to a shell in this terminal
  naxos boot --quiet --exec 'uname -a'             a command in it: its output, its exit status
  naxos boot --kernel Image --initrd initrd.gz     a kernel of yours`;

/** Commander's line about what cannot be understood, and where to read on unless it has said what may be meant. */
function complaint(text: string, program: Command, args: readonly string[]): string {
  let line = text
    .replace(/^error: /, '')
    .replace(/\n+(?=\()/, ' ')
    .trimEnd();
  const verb = program.commands.find((command) => command.name() === args[0]);
  const option = /^unknown option '(--[\w-]+)/.exec(line)?.[1];
  const other = program.commands.find(({ options }) => options.some(({ long }) => long === option));
  if (option !== undefined && other) return `${option} is an option of naxos ${other.name()} only`;
  // As QEMU's options are written.
  const word = /^unknown option '-(\w[\w-]*)'/.exec(line)?.[1];
  if (verb?.options.some(({ long }) => long === `--${word}`)) line += ` (Did you mean --${word}?)`;
  if (/^(unknown|too many)/.test(line) && !line.includes('(Did you mean'))
    line = `${line.replace(/\.$/, '')}; see naxos${verb ? ` ${verb.name()}` : ''} --help`;
  return line;
}

/** Runs the command with its arguments. @returns the exit status */
export async function main(args: readonly string[]): Promise<number> {
  let status: number = Status.OK;
  let shown = '';
  const program = new Command('naxos')
    .description('Boots AArch64 Linux on a microkernel at EL2.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void (shown += text),
      outputError: (text, write) => write(`naxos: ${complaint(text, program, args)}\n`),
    })
    .showSuggestionAfterError()
    .addHelpText('after', EXAMPLES);

  addGuestOptions(
    program
      .command('boot')
      .description(
        "boot a Linux kernel as a guest of the microkernel; without --kernel and --initrd Debian's, to a shell",
      )
      .option('--kernel <file>', 'arm64 Image, gzip, EFI zboot, ELF, or a flat binary')
      .addOption(
        new Option(
          '--exec <command>',
          'run a shell command in the default guest: its output is ours, and its exit status',
        ).argParser(parseText('--exec')),
      ),
  ).action(async (flags: GuestFlags & { exec?: string }) => {
    startWorker();
    const { boot } = await import('./boot.ts');
    status = await boot(flags);
  });

  addGuestOptions(
    program
      .command('bare')
      .description('run an image on the machine itself, with no microkernel, as QEMU runs it on its virt machine')
      .requiredOption('--kernel <file>', 'arm64 Image, gzip, EFI zboot, ELF, or a flat binary')
      .addOption(new Option('--el <level>', 'exception level that the image starts at').argParser(parseEl).default(1)),
    ['exec', 'exits', 'irq', 'undef'],
  ).action(async (flags: GuestFlags & { kernel: string; el: 1 | 2 }) => {
    const { kernel, initrd, el } = flags;
    if (flags.dumpDtb !== undefined) {
      const { dumpTree } = await import('./dump-tree.ts');
      status = await dumpTree(flags.dumpDtb, { ...flags, mode: 'bare' });
      return;
    }
    startWorker();
    const { runSession } = await import('./session.ts');
    status = await runSession(flags, { mode: 'bare', kernel, initrd, el });
  });

  addGuestVerb(program);

  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    // Commander has said what was wrong; help and version come this way too.
    if (!(error instanceof CommanderError)) return report(error, args.includes('--debug'));
    status = error.exitCode === 0 ? Status.OK : Status.BAD_REQUEST;
  }
  try {
    if (shown !== '') await print(shown);
    return status;
  } catch (error) {
    return report(error, false);
  }
}
