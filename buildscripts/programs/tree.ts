/**
 * Debian packages for arm64 as trees that the guest boots from and QEMU runs in. They are fetched once and kept in the
 * user's cache directory: `programs/<group>-<hash>/` has `initrd`, the tree as a second initramfs, and `root`, the tree
 * as a folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Apt, GuestFetchError, runCommand } from '../../guests/linux/apt.ts';
import { readCpio, writeCpio, type CpioEntry } from '../../guests/linux/cpio.ts';
import { fetchDefaultGuest, guestsDirectory, type Guest } from '../../guests/linux/fetch.ts';
import type { Group } from './groups.ts';
import { placeQemu } from './qemu.ts';

/** Counts the changes of what is made of the packages, so that older trees in the cache are not used. */
const FORMAT = 1;

/** What no program reads when it runs. */
const LEFT_OUT = 'doc man info locale lintian bug icons menu applications bash-completion pixmaps doc-base'
  .split(' ')
  .map((name) => `./usr/share/${name}/*`);

export interface Tree {
  guest: Guest;
  /** The path of the tree as an initramfs, to be unpacked over the default guest's. */
  initrd: string;
  /** The path of the tree as a folder, with its programs prepared for QEMU. */
  root: string;
}

const treesDirectory = (): string => join(dirname(guestsDirectory()), 'programs');

function treePath(group: Group): string {
  const { name, packages, only, without, links } = group;
  const key = JSON.stringify([FORMAT, packages, only, without, links]);
  return join(treesDirectory(), `${name}-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`);
}

async function present(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/**
 * The trees of groups, from the cache or else through the host's apt.
 *
 * @throws GuestFetchError when they can neither be found nor fetched
 */
export async function obtainTrees(groups: readonly Group[], progress: (stage: string) => void): Promise<Tree[]> {
  const guest = await fetchDefaultGuest({ progress });
  const missing: Group[] = [];
  for (const group of groups) if (!(await present(treePath(group)))) missing.push(group);
  if (missing.length > 0) {
    const work = join(treesDirectory(), `.fetch-${process.pid}-${randomBytes(4).toString('hex')}`);
    try {
      await mkdir(join(work, 'apt'), { recursive: true });
      const apt = await Apt.open({ directory: join(work, 'apt'), architecture: 'arm64' });
      progress('fetching package lists');
      await apt.update(() => {});
      for (const group of missing) await makeTree(apt, guest, group, join(work, group.name), progress);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return groups.map((group) => {
    const path = treePath(group);
    return { guest, initrd: join(path, 'initrd'), root: join(path, 'root') };
  });
}

async function makeTree(
  apt: Apt,
  guest: Guest,
  group: Group,
  work: string,
  progress: (stage: string) => void,
): Promise<void> {
  const root = join(work, 'root');
  await mkdir(root, { recursive: true });
  progress(`fetching ${group.name}`);
  const debs = await apt.downloadWithDependencies(['dash', ...group.packages], join(work, 'debs'), () => {});
  progress(`unpacking ${group.name}`);
  for (const deb of debs) await unpack(deb, root);
  await rm(join(work, 'debs'), { recursive: true });
  for (const path of group.without ?? []) await rm(join(root, path), { recursive: true, force: true });
  for (const [path, target] of Object.entries(group.links ?? {})) await symlink(target, join(root, path));
  if (group.only) await keepOnly(root, ['bin/dash', ...group.only]);
  await writeFile(join(work, 'initrd'), writeCpio(await entriesOf(root)));

  // The guest has the default initramfs below the tree; on QEMU both are one folder.
  for (const entry of readCpio(await readFile(guest.initrd))) {
    const path = join(root, entry.path);
    if (await present(path)) continue;
    if (entry.kind === 'dir') await mkdir(path);
    else if (entry.kind === 'symlink') await symlink(entry.target, path);
    else if (entry.kind === 'file') {
      await writeFile(path, entry.data);
      await chmod(path, entry.mode ?? 0o644);
    }
  }
  // As /init does in the guest.
  const busybox = join(root, 'bin/busybox');
  const { stdout } = await runCommand('qemu-aarch64', ['-L', root, busybox, '--list-full'], { cwd: root });
  for (const path of stdout.split('\n')) {
    if (path !== '' && !(await present(join(root, path)))) await symlink('/bin/busybox', join(root, path));
  }
  await mkdir(join(root, 'test'));
  await placeQemu(root);
  await rename(work, treePath(group));
}

async function unpack(deb: string, root: string): Promise<void> {
  const excluded = LEFT_OUT.map((pattern) => `'--exclude=${pattern}'`).join(' ');
  const script = `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner ${excluded}`;
  const { status, stderr } = await runCommand('sh', ['-c', script, 'sh', deb, root], { cwd: root });
  if (status !== 0) throw new GuestFetchError(`cannot unpack ${deb}: ${stderr.trim().split('\n')[0] ?? ''}`);
}

/** Removes all files but programs and the libraries that the dynamic linker loads for them. */
async function keepOnly(root: string, programs: readonly string[]): Promise<void> {
  const linker = (await readdir(join(root, 'lib'))).find((name) => name.startsWith('ld-linux-'));
  if (linker === undefined) throw new GuestFetchError('the packages have no dynamic linker');
  const kept = new Set(programs);
  const wanted = new Set([linker]);
  for (const program of programs) {
    const args = ['-L', root, join(root, 'lib', linker), '--list', join(root, program)];
    const { status, stdout, stderr } = await runCommand('qemu-aarch64', args, { cwd: root });
    if (status !== 0) throw new GuestFetchError(`the packages do not have all of ${program}: ${stderr.trim()}`);
    for (const [, name] of stdout.matchAll(/^\s*(\S+) => /gm)) wanted.add(name!);
  }
  const entries = await entriesOf(root);
  const targets = new Map<string, string>();
  for (const entry of entries) if (entry.kind === 'symlink') targets.set(entry.path, entry.target);
  for (const entry of entries) {
    if (entry.kind === 'dir') continue;
    const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
    if (!wanted.has(name)) continue;
    for (let path: string | undefined = entry.path; path !== undefined;) {
      kept.add(path);
      const target = targets.get(path);
      path = target && (target.startsWith('/') ? target.slice(1) : join(dirname(path), target));
    }
  }
  for (const { kind, path } of entries) if (kind !== 'dir' && !kept.has(path)) await rm(join(root, path));
}

/** What a folder has, as entries of an archive. */
async function entriesOf(root: string): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const name of (await readdir(join(root, folder))).toSorted()) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const from = join(root, path);
      const status = await lstat(from);
      const mode = status.mode & 0o7777;
      if (status.isSymbolicLink()) entries.push({ kind: 'symlink', path, target: await readlink(from) });
      else if (status.isFile()) entries.push({ kind: 'file', path, mode, data: await readFile(from) });
      else if (status.isDirectory()) {
        entries.push({ kind: 'dir', path, mode });
        await walk(path);
      }
    }
  };
  await walk('');
  return entries;
}
