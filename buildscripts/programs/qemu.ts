/**
 * A tree of arm64 programs that runs in a chroot on a host of another architecture: each program is moved aside, and in
 * its place stands a script that has `qemu-aarch64` run it. So programs start each other by their usual paths, and
 * neither binfmt_misc nor a static QEMU is needed: QEMU's libraries lie in the tree at their places on the host, which
 * multiarch keeps apart from those of arm64.
 */
import { chmod, copyFile, lstat, mkdir, open, readdir, realpath, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GuestFetchError, runCommand } from '../../guests/linux/apt.ts';

/** QEMU, and the shell that starts it. */
const HOST_TOOLS = '.host';
/** Where the programs themselves go. */
const ASIDE = '.arm64';

/** Runs a program that was made in the tree, and so is not prepared. */
export const QEMU_IN_TREE = `/${HOST_TOOLS}/qemu-aarch64`;

const EM_AARCH64 = 183;

export async function placeQemu(root: string): Promise<void> {
  await mkdir(join(root, HOST_TOOLS));
  for (const name of ['qemu-aarch64', 'sh']) {
    const { status, stdout } = await runCommand('sh', ['-c', `command -v ${name}`], { cwd: root });
    if (status !== 0) throw new GuestFetchError(`this host has no ${name}: install qemu-user`);
    const path = await realpath(stdout.trim());
    await copyFile(path, join(root, HOST_TOOLS, name));
    const libraries = await runCommand('ldd', [path], { cwd: root });
    for (const [library] of libraries.stdout.matchAll(/\/\S+/g)) {
      const target = join(root, library);
      await mkdir(dirname(target), { recursive: true });
      await copyFile(library, target);
    }
  }
  await moveAside(root, '');
}

async function moveAside(root: string, folder: string): Promise<void> {
  for (const name of await readdir(join(root, folder))) {
    if (folder === '' && (name === HOST_TOOLS || name === ASIDE)) continue;
    const path = folder === '' ? name : `${folder}/${name}`;
    const from = join(root, path);
    const status = await lstat(from);
    if (status.isDirectory()) await moveAside(root, path);
    if (!status.isFile() || (status.mode & 0o111) === 0 || /\.so(\.|$)/.test(name) || !(await isArm64(from))) continue;
    const aside = join(root, ASIDE, path);
    await mkdir(dirname(aside), { recursive: true });
    await rename(from, aside);
    await writeFile(from, `#!/${HOST_TOOLS}/sh\nexec ${QEMU_IN_TREE} -0 "\${0##*/}" "/${ASIDE}/${path}" "$@"\n`);
    await chmod(from, 0o755);
  }
}

/** Whether a file is in the Executable and Linkable Format for AArch64. */
async function isArm64(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
    return bytesRead === 20 && buffer.readUInt32BE(0) === 0x7f454c46 && buffer.readUInt16LE(18) === EM_AARCH64;
  } finally {
    await file.close();
  }
}
