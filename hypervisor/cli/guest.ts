/** The default guest, and the verb `guest` that manages it. */
import type { Command } from 'commander';
import { fetchDefaultGuest, guestPath, listGuests, type Guest } from '../../guests/linux/fetch.ts';
import { UsageError } from './errors.ts';
import { print } from './output.ts';
import { Progress } from './progress.ts';

/**
 * The default guest, fetched where it is not in the cache yet. A signal ends the fetch and leaves nothing of it.
 * @throws GuestFetchError
 */
export async function obtainGuest({ refresh = false, quiet = false } = {}): Promise<Guest> {
  const progress = new Progress();
  const abort = new AbortController();
  let signal: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    signal = name;
    abort.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  try {
    return await fetchDefaultGuest({
      refresh,
      signal: abort.signal,
      ...(!quiet && { progress: (stage, fraction) => progress.show(stage, fraction) }),
    });
  } finally {
    progress.end();
    for (const name of signals) process.off(name, onSignal);
    // Now in its own way, so that the status says so.
    if (signal !== undefined) process.kill(process.pid, signal);
  }
}

/** Adds the verb. */
export function addGuestVerb(program: Command): void {
  const guest = program.command('guest').description("manage the default guest: Debian's cloud kernel with busybox");
  const say = (text: string): Promise<void> => print(`${text}\n`);
  guest
    .command('fetch')
    .description('fetch the default guest through apt, unless it is in the cache')
    .option('--refresh', 'ask for newer packages although there is a guest in the cache')
    .option('--json', 'say what it is as JSON')
    .option('--quiet', 'show no progress')
    .option('--debug', 'with an error, show where it happened')
    .action(async ({ refresh, json, quiet }: { refresh?: boolean; json?: boolean; quiet?: boolean }) => {
      const found = await obtainGuest({ refresh: refresh === true, quiet: quiet === true });
      await say(json ? JSON.stringify(found) : `${found.name}: Linux ${found.manifest.kernel.release}`);
    });
  guest
    .command('list')
    .description('list the guests in the cache')
    .option('--json', 'as JSON, with where each file came from')
    .action(async ({ json }: { json?: boolean }) => {
      const guests = await listGuests();
      if (json) return say(JSON.stringify(guests));
      for (const { name, kernel, manifest } of guests)
        await say(`${name}\tLinux ${manifest.kernel.release}\t${kernel}`);
      if (guests.length === 0 && process.stdout.isTTY) await say('none; naxos guest fetch fetches the default one');
    });
  guest
    .command('path')
    .description('print where the default guest is kept, or the path of one of its files')
    .argument('[file]', 'kernel or initrd')
    .action(async (file: string | undefined) => {
      if (file === undefined) return say(guestPath());
      if (file !== 'kernel' && file !== 'initrd')
        throw new UsageError(`guest path ${file}: a guest has a kernel and an initrd`);
      const [found] = await listGuests();
      if (!found) throw new UsageError('there is no guest in the cache: run naxos guest fetch');
      await say(found[file]);
    });
}
