import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Run, RunResult } from '../../../guests/linux/apt.ts';
import {
  fetchDefaultGuest,
  GuestFetchError,
  guestPath,
  guestsDirectory,
  listGuests,
} from '../../../guests/linux/fetch.ts';
import { buildInitramfs } from '../../../guests/linux/initramfs.ts';

const DEBS: Record<string, { version: string; content: string; depends?: string }> = {
  'linux-image-cloud-arm64': {
    version: '6.9-1',
    content: 'meta',
    depends: 'linux-image-6.9.0-1-cloud-arm64 (= 6.9-1)',
  },
  'linux-image-6.9.0-1-cloud-arm64': { version: '6.9-1', content: 'kernel package' },
  'busybox-static': { version: '1:1.35-4', content: 'busybox package' },
};
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const ok = (stdout = ''): RunResult => ({ status: 0, stdout, stderr: '' });

/** The commands that apt.ts runs, on a made-up archive. `faults` replaces single commands by their name or first verb. */
function fakeApt(faults: Record<string, (cwd: string) => RunResult | Promise<RunResult>> = {}): {
  run: Run;
  calls: string[];
} {
  const calls: string[] = [];
  const run: Run = async (command, args, { cwd, onStatus }) => {
    const verb = command === 'sh' ? 'extract' : args.find((a) => ['update', 'show', 'download'].includes(a))!;
    calls.push(verb);
    const fault = faults[verb];
    if (fault) return fault(cwd);
    const name = args.at(-1)!;
    if (verb === 'update') onStatus?.('dlstatus:1:50.0:Retrieving');
    if (verb === 'show') {
      const deb = DEBS[name];
      if (!deb) return ok();
      return ok(
        `Package: ${name}\nVersion: ${deb.version}\n${deb.depends ? `Depends: ${deb.depends}\n` : ''}SHA256: ${sha256(deb.content)}\n`,
      );
    }
    if (verb === 'download') {
      const [wanted, version] = name.split('=') as [string, string];
      await writeFile(join(cwd, `${wanted}_${encodeURIComponent(version)}_arm64.deb`), DEBS[wanted]!.content);
    }
    if (verb === 'extract') {
      const path = join(args[4]!, name.includes('vmlinuz') ? 'boot/vmlinuz-6.9.0-1-cloud-arm64' : 'bin/busybox');
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, name.includes('vmlinuz') ? 'the kernel' : 'the busybox');
    }
    return ok();
  };
  return { run, calls };
}

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'naxos-guests-')), 'guests');
});
afterEach(() => rm(dirname(directory), { recursive: true }));

const filesLeft = async (): Promise<string[]> => {
  const entries = await readdir(dirname(directory), { recursive: true, withFileTypes: true });
  return entries
    .filter((e) => e.isFile())
    .map((e) => e.name)
    .sort();
};

describe('fetching', () => {
  it('keeps the kernel as it is in its package, with a manifest that says what it is', async () => {
    const guest = await fetchDefaultGuest({ directory, run: fakeApt().run });
    expect(await readFile(guest.kernel, 'utf8')).toBe('the kernel');
    expect(guest.manifest).toMatchObject({
      packages: [
        { name: 'linux-image-cloud-arm64', version: '6.9-1', sha256: sha256('meta') },
        { name: 'linux-image-6.9.0-1-cloud-arm64', version: '6.9-1', sha256: sha256('kernel package') },
        { name: 'busybox-static', version: '1:1.35-4', sha256: sha256('busybox package') },
      ],
      kernel: { release: '6.9.0-1-cloud-arm64', sha256: sha256('the kernel'), size: 10 },
    });
    expect(JSON.parse(await readFile(join(guestPath('default', directory), 'manifest.json'), 'utf8'))).toEqual(
      guest.manifest,
    );
    expect(await filesLeft()).toHaveLength(4);
  });

  it('happens once: the second call runs nothing', async () => {
    const first = await fetchDefaultGuest({ directory, run: fakeApt().run });
    const second = fakeApt();
    expect(await fetchDefaultGuest({ directory, run: second.run })).toEqual(first);
    expect(second.calls).toEqual([]);
    expect(await listGuests(directory)).toEqual([first]);
  });

  it("is not needed for another version's /init: the initrd is made again from the kept busybox", async () => {
    const { initrd } = await fetchDefaultGuest({ directory, run: fakeApt().run });
    const made = buildInitramfs(Buffer.from('the busybox'));
    // as the version before left it
    await rm(initrd);
    await writeFile(join(dirname(initrd), 'initrd-0123456789ab'), 'another /init');
    const second = fakeApt();
    const guest = await fetchDefaultGuest({ directory, run: second.run });
    expect(second.calls).toEqual([]);
    expect(Buffer.from(await readFile(guest.initrd)).equals(made)).toBe(true);
  });

  it('happens again when asked, and leaves only the newer files', async () => {
    await fetchDefaultGuest({ directory, run: fakeApt().run });
    await writeFile(join(guestPath('default', directory), 'vmlinuz-old'), 'old');
    const again = fakeApt();
    await fetchDefaultGuest({ directory, run: again.run, refresh: true });
    expect(again.calls).toContain('update');
    expect(await filesLeft()).not.toContain('vmlinuz-old');
  });

  it('happens again when a cached file is not whole', async () => {
    const guest = await fetchDefaultGuest({ directory, run: fakeApt().run });
    await truncate(guest.kernel, 3);
    expect(await listGuests(directory)).toEqual([]);
    await fetchDefaultGuest({ directory, run: fakeApt().run });
    expect(await readFile(guest.kernel, 'utf8')).toBe('the kernel');
  });

  it('twice at once gives both the same guest', async () => {
    const both = [1, 2].map(() => fetchDefaultGuest({ directory, run: fakeApt().run }));
    const [a, b] = await Promise.all(both);
    expect(a!.kernel).toBe(b!.kernel);
    expect(await filesLeft()).toHaveLength(4);
  });

  it('reports its stages', async () => {
    const stages: [string, number | undefined][] = [];
    await fetchDefaultGuest({
      directory,
      run: fakeApt().run,
      progress: (stage, fraction) => stages.push([stage, fraction]),
    });
    expect(stages).toContainEqual(['fetching package lists', 0.5]);
    expect(stages).toContainEqual(['fetching busybox-static 1:1.35-4', undefined]);
  });
});

describe('a failure leaves nothing behind and says one line:', () => {
  const fault = (code: string) => (): never => {
    throw Object.assign(new Error(`spawn ${code}`), { code });
  };
  const failed = (stderr: string) => (): RunResult => ({ status: 100, stdout: '', stderr });
  it.each([
    [
      'no apt',
      { update: fault('ENOENT') },
      /this host has no apt-get: give a kernel and an initramfs with --kernel FILE and --initrd FILE/,
    ],
    [
      'no network',
      {
        update: () => ({
          ...ok(),
          stderr: "W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'\nW: Some index files failed",
        }),
        show: () => ok(),
      },
      /Temporary failure resolving 'x'; check the network/,
    ],
    ['no Debian suite', { show: () => ok() }, /apt's sources have no package linux-image-cloud-arm64 for arm64/],
    [
      'an interrupted download',
      { download: failed('E: Failed to fetch http://x/a.deb  Connection reset\n') },
      /cannot fetch the package .*Connection reset/,
    ],
    [
      'a forged package',
      {
        download: async (cwd: string) => {
          await writeFile(join(cwd, 'linux-image-6.9.0-1-cloud-arm64_6.9-1_arm64.deb'), 'forged');
          return ok();
        },
      },
      /is damaged: its sha256/,
    ],
    ['a package that does not unpack', { extract: failed('tar: Unexpected EOF in archive\n') }, /tar: Unexpected EOF/],
    ['a package without a kernel', { extract: () => ok() }, /not laid out as expected/],
    ['a full disk', { download: fault('ENOSPC') }, /no space left in .*XDG_CACHE_HOME/],
    [
      'a disk that apt finds full',
      { download: failed('E: Write error (28: No space left on device)') },
      /no space left in/,
    ],
  ])('%s', async (_, faults, message) => {
    const error = await fetchDefaultGuest({ directory, run: fakeApt(faults).run }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GuestFetchError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
    await expect(readdir(directory)).rejects.toThrow(/ENOENT/);
    expect(await listGuests(directory)).toEqual([]);
  });

  it('a refresh that fails keeps the guest that was there', async () => {
    const guest = await fetchDefaultGuest({ directory, run: fakeApt().run });
    const run = fakeApt({ download: failed('E: no') }).run;
    await expect(fetchDefaultGuest({ directory, run, refresh: true })).rejects.toThrow(GuestFetchError);
    expect(await listGuests(directory)).toEqual([guest]);
  });

  it('an initramfs that cannot be written to the cache', async () => {
    const { initrd } = await fetchDefaultGuest({ directory, run: fakeApt().run });
    await rm(initrd);
    await mkdir(join(initrd, 'in the way'), { recursive: true });
    for (const find of [() => listGuests(directory), () => fetchDefaultGuest({ directory, run: fakeApt().run })]) {
      const error = await find().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(GuestFetchError);
      expect((error as Error).message).toMatch(/^cannot write to .*XDG_CACHE_HOME/);
    }
    expect((await readdir(dirname(initrd))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('a cache directory that cannot be made', async () => {
    await writeFile(directory, 'a file');
    await expect(fetchDefaultGuest({ directory, run: fakeApt().run })).rejects.toThrow(
      /cannot write to .*XDG_CACHE_HOME/,
    );
  });
});

it("apt's private configuration keeps the host's sources and keys and replaces its state", async () => {
  let configuration = '';
  const run = fakeApt({
    update: async (cwd) => {
      configuration = await readFile(join(cwd, 'apt.conf'), 'utf8');
      return ok();
    },
  }).run;
  await fetchDefaultGuest({ directory, run });
  expect(configuration).not.toMatch(/Dir::Etc::(source|trusted)|Allow|Insecure/);
  for (const key of ['Dir::State', 'Dir::State::status', 'Dir::Cache', 'Dir::Cache::archives']) {
    expect(configuration).toContain(`${key} "${directory}/.fetch-`);
  }
  expect(configuration).toContain('#clear APT::Update::Post-Invoke;');
});

it.each([
  [{ XDG_CACHE_HOME: '/somewhere', HOME: '/root' }, '/somewhere/naxos/guests'],
  [{ XDG_CACHE_HOME: 'relative', HOME: '/home/a' }, '/home/a/.cache/naxos/guests'],
  [{ XDG_CACHE_HOME: '', HOME: '/home/a' }, '/home/a/.cache/naxos/guests'],
  // Then the user's entry in the password file says.
  [{ XDG_CACHE_HOME: '', HOME: '' }, join(userInfo().homedir, '.cache/naxos/guests')],
  [{ XDG_CACHE_HOME: 'a', HOME: 'b' }, join(userInfo().homedir, '.cache/naxos/guests')],
])('the cache is never below the folder that one happens to be in: %j', async (environment, expected) => {
  const before = { ...process.env };
  try {
    Object.assign(process.env, environment);
    expect(guestsDirectory()).toBe(expected);
    const launcher = new URL('../../../bin/runtime.js', import.meta.url).href;
    const { cacheFolder } = (await import(launcher)) as { cacheFolder(): string };
    expect(join(cacheFolder(), 'guests')).toBe(expected);
  } finally {
    for (const name of Object.keys(environment)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});
