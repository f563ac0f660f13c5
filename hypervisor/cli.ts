/** The command line: `naxos <verb>`. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';

/** The version in the package's own package.json, next to the sources or one folder above the compiled files. */
function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

const program = new Command('naxos')
  .description('Boot AArch64 Linux on a microkernel at EL2')
  .version(packageVersion());
await program.parseAsync();
