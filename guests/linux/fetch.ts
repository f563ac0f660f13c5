/**
 * The default guest: Debian's newest cloud kernel for arm64 and busybox, fetched once and kept in the user's cache.
 *
 * `<cache>/naxos/guests/default/` holds the files and `manifest.json`, which says what they are. Files carry part of
 * their sha256 in their names and the manifest is renamed into place last, so that a fetch that dies, or two at once,
 * never leave a mixture.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { Apt, freeSpace, GuestFetchError, sha256File, type Run } from './apt.ts';
import { buildInitramfs } from './initramfs.ts';

export { GuestFetchError } from './apt.ts';

/** A file of a guest, by its name in the guest's directory. */
export interface GuestFile {
  file: string;
  size: number;
  sha256: string;
}

/** What a guest was made from. */
export interface GuestManifest {
  format: 1;
  /** When it was fetched, ISO 8601. */
  fetched: string;
  packages: { name: string; version: string; sha256: string }[];
  kernel: GuestFile & { release: string };
  busybox: GuestFile;
}

/** A guest that is ready to boot. */
export interface Guest {
  name: string;
  /** The path of the kernel, byte for byte as in its package. */
  kernel: string;
  /** The path of the initramfs, uncompressed. */
  initrd: string;
  manifest: GuestManifest;
}

export interface FetchOptions {
  /** Called with what is being done and, where it is known, how far it is (0 to 1). */
  progress?: (stage: string, fraction?: number) => void;
  /** Ask apt for newer packages although there is a guest in the cache. */
  refresh?: boolean;
  signal?: AbortSignal;
  /** Instead of `guestsDirectory()`. */
  directory?: string;
  /** Instead of running the host's commands. */
  run?: Run;
}

const DEFAULT = 'default';
const KERNEL_PACKAGE = 'linux-image-cloud-arm64';
const BUSYBOX_PACKAGE = 'busybox-static';
const MANIFEST = 'manifest.json';
/** What a fetch takes while it runs, in MB: package lists, apt's cache of them, the packages and what comes out of them. */
const SPACE_MB = 150;

/** Where guests are kept: `$XDG_CACHE_HOME/naxos/guests`, or below `~/.cache`. */
export function guestsDirectory(): string {
  return join(cacheDirectory(), 'guests');
}

/** The directory of a guest, whether it has been fetched or not. */
export function guestPath(name = DEFAULT, directory = guestsDirectory()): string {
  return join(directory, name);
}

/** The guests in the cache. @throws GuestFetchError when an initramfs that is missing cannot be made there */
export async function listGuests(directory = guestsDirectory()): Promise<Guest[]> {
  try {
    const guest = await findGuest(directory);
    return guest ? [guest] : [];
  } catch (error) {
    throw asFetchError(error, directory);
  }
}

/**
 * The default guest, from the cache or else through the host's apt.
 *
 * @throws GuestFetchError without apt, network, space or a Debian suite in apt's sources; the cache is then as before
 */
export async function fetchDefaultGuest(options: FetchOptions = {}): Promise<Guest> {
  const directory = options.directory ?? guestsDirectory();
  try {
    if (!options.refresh) {
      const guest = await findGuest(directory);
      if (guest) return guest;
    }
    const created = await makeDirectories(directory);
    await removeAbandoned(directory);
    const work = join(directory, `.fetch-${process.pid}-${randomBytes(4).toString('hex')}`);
    try {
      await mkdir(work);
      if ((await freeSpace(work)) < SPACE_MB << 20) throw noSpace(directory);
      await fetchInto(guestPath(DEFAULT, directory), work, options);
    } finally {
      await rm(work, { recursive: true, force: true, maxRetries: 3 });
      // After a failure they are empty, and go.
      for (const path of created) await rmdir(path).catch(() => {});
    }
    const guest = await findGuest(directory);
    if (!guest) throw new GuestFetchError(`the fetched guest in ${directory} has vanished: fetch it again`);
    return guest;
  } catch (error) {
    throw asFetchError(error, directory);
  }
}

async function fetchInto(target: string, work: string, options: FetchOptions): Promise<void> {
  const progress = options.progress ?? (() => {});
  const apt = await Apt.open({
    directory: join(work, 'apt'),
    architecture: 'arm64',
    signal: options.signal,
    ...(options.run && { run: options.run }),
  });
  progress('fetching package lists');
  await apt.update((fraction) => progress('fetching package lists', fraction));

  const meta = await apt.show(KERNEL_PACKAGE);
  const kernelName = /\blinux-image-[^\s,(]+/.exec(meta.depends)?.[0];
  if (kernelName === undefined) throw new GuestFetchError(`the package ${KERNEL_PACKAGE} depends on no kernel`);
  const packages = [await apt.show(kernelName), await apt.show(BUSYBOX_PACKAGE)];
  const members = ['./boot/vmlinuz-*', '*/bin/busybox'];

  const files: string[] = [];
  for (const [index, wanted] of packages.entries()) {
    const stage = `fetching ${wanted.name} ${wanted.version}`;
    progress(stage);
    const deb = await apt.download(wanted, (fraction) => progress(stage, fraction));
    const tree = join(work, wanted.name);
    await mkdir(tree);
    progress(`unpacking ${wanted.name}`);
    await apt.extract(deb, members[index]!, tree);
    await rm(deb);
    files.push(await onlyFile(tree, wanted.name));
  }
  await mkdir(target, { recursive: true });
  const [kernelFile, busyboxFile] = [files[0]!, files[1]!];
  const kernel = await keep(kernelFile, basename(kernelFile), target);
  const busybox = await keep(busyboxFile, basename(busyboxFile), target);

  const manifest: GuestManifest = {
    format: 1,
    fetched: new Date().toISOString(),
    packages: [meta, ...packages].map(({ name, version, sha256 }) => ({ name, version, sha256 })),
    kernel: { ...kernel, release: basename(kernelFile).replace(/^vmlinuz-/, '') },
    busybox,
  };
  await replaceFile(join(target, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  await removeOthers(target, manifest);
}

/** The cached default guest, or undefined where there is none or it is damaged. */
async function findGuest(directory: string): Promise<Guest | undefined> {
  const home = guestPath(DEFAULT, directory);
  const manifest = await readManifest(join(home, MANIFEST));
  if (!manifest) return undefined;
  const kernel = join(home, manifest.kernel.file);
  const busyboxPath = join(home, manifest.busybox.file);
  for (const [path, { size }] of [
    [kernel, manifest.kernel],
    [busyboxPath, manifest.busybox],
  ] as const) {
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== size) return undefined;
  }
  // Made here and not when fetching: a new version of /init needs no new fetch.
  const bytes = buildInitramfs(await readFile(busyboxPath));
  const initrd = join(home, `initrd-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`);
  const found = await stat(initrd).catch(() => undefined);
  if (found?.size !== bytes.length) await replaceFile(initrd, bytes);
  return { name: DEFAULT, kernel, initrd, manifest };
}

async function readManifest(path: string): Promise<GuestManifest | undefined> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
  const manifest = parsed as Partial<GuestManifest> | null;
  const isFile = (file: Partial<GuestFile> | undefined): boolean =>
    typeof file?.file === 'string' && basename(file.file) === file.file && typeof file.size === 'number';
  if (manifest?.format !== 1 || !isFile(manifest.kernel) || !isFile(manifest.busybox)) return undefined;
  return manifest as GuestManifest;
}

/** The one regular file below a directory. */
async function onlyFile(tree: string, packageName: string): Promise<string> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  if (files.length !== 1) throw new GuestFetchError(`the package ${packageName} is not laid out as expected`);
  return join(files[0]!.parentPath, files[0]!.name);
}

/**
 * Makes a directory and what is above it. Not `mkdir` with `recursive`, which never returns where nothing can be made,
 * as below /proc.
 *
 * @returns what had to be made, the innermost first
 */
async function makeDirectories(path: string): Promise<string[]> {
  try {
    await mkdir(path);
    return [path];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return [];
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const above = await makeDirectories(dirname(path));
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return [path, ...above];
}

/** Moves a file to its place in the cache. */
async function keep(path: string, name: string, target: string): Promise<GuestFile> {
  const sha256 = await sha256File(path);
  const file = `${name}-${sha256.slice(0, 12)}`;
  const { size } = await stat(path);
  await rename(path, join(target, file));
  return { file, size, sha256 };
}

/** Writes a file that others see whole or not at all. */
async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** After a refresh: removes what the manifest no longer names. */
async function removeOthers(target: string, manifest: GuestManifest): Promise<void> {
  const wanted = new Set([MANIFEST, manifest.kernel.file, manifest.busybox.file]);
  for (const name of await readdir(target)) {
    if (!wanted.has(name) && !name.endsWith('.tmp')) await rm(join(target, name), { recursive: true, force: true });
  }
}

/** Removes the work directories of processes that are gone. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = /^\.fetch-(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
        await rm(join(directory, name), { recursive: true, force: true });
      }
    }
  }
}

function noSpace(directory: string): GuestFetchError {
  return new GuestFetchError(
    `no space left in ${directory}: free ${SPACE_MB} MB there, or set XDG_CACHE_HOME to another place`,
  );
}

function asFetchError(error: unknown, directory: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return noSpace(directory);
  }
  if (code && ['EACCES', 'EEXIST', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EPERM', 'EROFS'].includes(code)) {
    return new GuestFetchError(`cannot write to ${directory} (${code}): set XDG_CACHE_HOME to another place`);
  }
  return error;
}
