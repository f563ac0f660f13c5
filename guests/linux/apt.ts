/**
 * Debian packages for arm64 through the host's apt, whatever the host's own architecture.
 *
 * apt gets a state directory of its own, so that the host's lists, cache and architectures stay as they are, but
 * the host's sources, keys and proxies, so that it fetches from where the host does and checks the same signatures.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A package or guest that cannot be fetched; the message is one line that says why and what to do. */
export class GuestFetchError extends Error {
  override name = 'GuestFetchError';
}

export interface RunOptions {
  cwd: string;
  signal?: AbortSignal | undefined;
  /** Lines that the command writes to file descriptor 3. */
  onStatus?: (line: string) => void;
}

export interface RunResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a host command to its end. A command that does not exist rejects with code ENOENT. */
export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>;

export const runCommand: Run = (command, args, { cwd, signal, onStatus }) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      signal,
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe', onStatus ? 'pipe' : 'ignore'],
    });
    let stdout = '';
    let stderr = '';
    let status = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdio[3]?.on('data', (bytes: Buffer) => {
      const lines = (status + bytes.toString()).split('\n');
      status = lines.pop() ?? '';
      for (const line of lines) onStatus?.(line);
    });
    child.on('error', (error) => {
      // An aborted command may still be writing.
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) reject(error);
      else child.on('exit', () => reject(error));
    });
    child.on('close', (code) => resolve({ status: code ?? 1, stdout, stderr }));
  });

export interface Package {
  name: string;
  version: string;
  /** Of the .deb file, as the signed package list has it. */
  sha256: string;
  depends: string;
}

export interface AptOptions {
  /** An empty directory for apt's state; the caller removes it. */
  directory: string;
  /** The Debian architecture of the packages. */
  architecture: string;
  run?: Run;
  signal?: AbortSignal | undefined;
}

/** Bytes; with less the disk is as good as full. */
const LEAST_FREE = 1 << 20;

const GIVE_FILES = 'or give a kernel and an initramfs with --kernel FILE and --initrd FILE';

/** One apt with a private state; `open` makes it. */
export class Apt {
  readonly #directory: string;
  readonly #run: Run;
  readonly #signal: AbortSignal | undefined;
  /** The first complaint of `update`, in case a package is not found because of it. */
  #updateError = '';

  private constructor(options: AptOptions) {
    this.#directory = options.directory;
    this.#run = options.run ?? runCommand;
    this.#signal = options.signal;
  }

  /** Lays out the private state directory. */
  static async open(options: AptOptions): Promise<Apt> {
    const { directory } = options;
    if (/["\n\\]/.test(directory)) {
      throw new GuestFetchError(
        `apt cannot use the directory ${JSON.stringify(directory)}: set XDG_CACHE_HOME to another`,
      );
    }
    for (const path of ['lists/partial', 'cache/archives/partial', 'preferences.d', 'packages']) {
      await mkdir(join(directory, path), { recursive: true });
    }
    await writeFile(join(directory, 'status'), '');
    await writeFile(join(directory, 'preferences'), PREFERENCES);
    await writeFile(join(directory, 'apt.conf'), configuration(directory, options.architecture));
    return new Apt(options);
  }

  /**
   * Fetches the package lists of the host's sources. A source that fails is no error yet: the others may have
   * what is wanted.
   */
  async update(progress: (fraction: number) => void): Promise<void> {
    const { status, stderr } = await this.#apt('apt-get', ['-qq', 'update'], progress);
    this.#updateError = complaint(stderr) || (status === 0 ? '' : `apt-get update failed with status ${status}`);
  }

  /** The version of a package that apt would install. */
  async show(name: string): Promise<Package> {
    const { stdout } = await this.#apt('apt-cache', ['show', '--no-all-versions', name]);
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(stdout)?.[1] ?? '';
    const found = {
      name: field('Package'),
      version: field('Version'),
      sha256: field('SHA256'),
      depends: field('Depends'),
    };
    if (/No space left/.test(this.#updateError)) throw diskFull();
    if (found.name !== name || !found.version || !found.sha256) {
      throw new GuestFetchError(
        this.#updateError
          ? `cannot fetch the package ${name}: ${this.#updateError}; check the network, ${GIVE_FILES}`
          : `apt's sources have no package ${name} for arm64: add a Debian suite to them, ${GIVE_FILES}`,
      );
    }
    return found;
  }

  /** Downloads and checks a package. @returns the path of its .deb file */
  async download(wanted: Package, progress: (fraction: number) => void): Promise<string> {
    const directory = join(this.#directory, 'packages');
    const args = ['-qq', 'download', `${wanted.name}=${wanted.version}`];
    const { status, stderr } = await this.#apt('apt-get', args, progress, directory);
    if (status !== 0) {
      if (/No space left|enough free space/.test(stderr)) throw diskFull();
      throw new GuestFetchError(
        `cannot fetch the package ${wanted.name}: ${complaint(stderr) || `apt-get download failed with status ${status}`}`,
      );
    }
    const file = (await readdir(directory)).find((name) => name.startsWith(`${wanted.name}_`) && name.endsWith('.deb'));
    if (file === undefined) throw new GuestFetchError(`cannot fetch the package ${wanted.name}: apt-get left no file`);
    const path = join(directory, file);
    if ((await sha256File(path)) !== wanted.sha256) {
      throw new GuestFetchError(`the package ${wanted.name} is damaged: its sha256 is not the one in the package list`);
    }
    return path;
  }

  /**
   * Downloads packages and everything that they depend on; apt checks their sums.
   *
   * @param into an empty directory for the .deb files
   * @returns their paths
   */
  async downloadWithDependencies(
    names: readonly string[],
    into: string,
    progress: (fraction: number) => void,
  ): Promise<string[]> {
    await mkdir(join(into, 'partial'), { recursive: true });
    const args = ['-qq', '--yes', '--no-install-recommends', '--download-only', '-o', `Dir::Cache::archives=${into}`];
    const { status, stderr } = await this.#apt('apt-get', [...args, 'install', ...names], progress);
    if (status !== 0) {
      if (/No space left|enough free space/.test(stderr + this.#updateError)) throw diskFull();
      const why = complaint(stderr) || this.#updateError || `apt-get install failed with status ${status}`;
      throw new GuestFetchError(`cannot fetch the packages ${names.join(' ')}: ${why}`);
    }
    return (await readdir(into)).filter((name) => name.endsWith('.deb')).map((name) => join(into, name));
  }

  /** Unpacks the members of a .deb that match a tar wildcard. @param into an existing directory */
  async extract(deb: string, wildcard: string, into: string): Promise<void> {
    const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner --wildcards "$3"';
    const { status, stderr } = await this.#command('sh', ['-c', script, 'sh', deb, into, wildcard], { cwd: into });
    if (status !== 0) {
      throw new GuestFetchError(
        `cannot unpack ${wildcard} from a package: ${stderr.trim().split('\n')[0] ?? 'tar failed'}`,
      );
    }
  }

  #apt(
    command: string,
    args: string[],
    progress?: (fraction: number) => void,
    cwd = this.#directory,
  ): Promise<RunResult> {
    const config = ['-c', join(this.#directory, 'apt.conf')];
    if (!progress) return this.#command(command, [...config, ...args], { cwd });
    const onStatus = (line: string): void => {
      // dlstatus:<items>:<percent>:<text>
      const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1];
      if (percent !== undefined) progress(Math.min(Number(percent) / 100, 1));
    };
    return this.#command(command, [...config, '-o', 'APT::Status-Fd=3', ...args], { cwd, onStatus });
  }

  async #command(command: string, args: string[], options: RunOptions): Promise<RunResult> {
    // On a full disk apt's methods wait for ever.
    const full = new AbortController();
    const watch = setInterval(() => {
      freeSpace(this.#directory).then(
        (free) => free < LEAST_FREE && full.abort(),
        () => {},
      );
    }, 500);
    const signal = this.#signal ? AbortSignal.any([this.#signal, full.signal]) : full.signal;
    try {
      return await this.#run(command, args, { ...options, signal });
    } catch (error) {
      if (full.signal.aborted) throw diskFull();
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new GuestFetchError(
        `the default guest comes through apt, and this host has no ${command}: ` +
          'give a kernel and an initramfs with --kernel FILE and --initrd FILE',
      );
    } finally {
      clearInterval(watch);
    }
  }
}

const diskFull = (): Error => Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });

/** Bytes that the user may still write in the file system of a directory. */
export async function freeSpace(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** The sha256 of a file, in hexadecimal. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The first error that apt reports, or the first warning. */
function complaint(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  const line = lines.find((l) => l.startsWith('E: ')) ?? lines.find((l) => l.startsWith('W: '));
  return line ? line.slice(3).replace(/\s+/g, ' ') : '';
}

/** Suites ahead of stable may be among the host's sources; only what no other suite has comes from them. */
const PREFERENCES = ['testing', 'unstable', 'experimental']
  .map((suite) => `Package: *\nPin: release a=${suite}\nPin-Priority: 50\n`)
  .join('\n');

/** Read after the host's configuration. What the host runs around apt, and index files other than Packages, are left out. */
function configuration(directory: string, architecture: string): string {
  return `#clear APT::Architectures;
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets;
#clear Acquire::Languages;
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Sandbox::User "root";
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  flatDescription "$(RELEASE) Packages";
  Optional "false";
};
Acquire::Languages { "none"; };
Acquire::PDiffs "false";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::State "${directory}";
Dir::State::lists "${directory}/lists";
Dir::State::status "${directory}/status";
Dir::State::extended_states "${directory}/extended_states";
Dir::Cache "${directory}/cache";
Dir::Cache::archives "${directory}/cache/archives";
Dir::Cache::pkgcache "${directory}/cache/pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::preferences "${directory}/preferences";
Dir::Etc::preferencesparts "${directory}/preferences.d";
Dir::Log "${directory}";
`;
}
