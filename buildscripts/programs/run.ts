/** Runs a group's script in the guest on Naxos, and on QEMU in user mode. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeCpio, type CpioEntry } from '../../guests/linux/cpio.ts';
import { ExecStream } from '../../guests/linux/exec-stream.ts';
import { withBootRequest } from '../../guests/linux/initramfs.ts';
import type { Group } from './groups.ts';
import { QEMU_IN_TREE } from './qemu.ts';
import type { Tree } from './tree.ts';

export interface Result {
  /** Of the script; undefined when it did not end. */
  status: number | undefined;
  output: Buffer;
  /** What else was said: the console, errors. */
  rest: string;
}

const CLI = fileURLToPath(new URL('../../bin/naxos.js', import.meta.url));
const SCRIPTS = fileURLToPath(new URL('../../tests/programs', import.meta.url));
const TOKEN = 'programs';
/** Who may not mount is given a user name space. */
const AS_ROOT = process.getuid?.() === 0 ? [] : ['-r'];

const ENVIRONMENT = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 TZ=UTC';

/** Whether this host runs arm64 programs on QEMU, in name spaces of their own. */
export function canRunQemu(): boolean {
  const script = 'mount -t tmpfs tmpfs /tmp && command -v qemu-aarch64';
  return process.arch !== 'arm64' && spawnSync('unshare', [...AS_ROOT, '-m', 'sh', '-c', script]).status === 0;
}

/** What dash is given in either root. Standard error may differ: it has times and addresses in it. */
const commandOf = (script: string): string =>
  `exec </dev/null 2>/tmp/errors; mkdir /tmp/work && cd /tmp/work && . /test/${script}`;

export interface Job {
  group: Group;
  tree: Tree;
  /** A file of tests/programs. */
  script: string;
  /** Environment variables for it, as `env` takes them. */
  variables: string;
  /** Seconds. */
  limit: number;
  /** What the guest has besides the tree. */
  files?: readonly CpioEntry[];
}

/** Runs a script in the guest. @param flags more options @param verb with or without the microkernel */
export async function runOnNaxos(
  { group, tree, script, variables, limit, files = [] }: Job,
  flags: readonly string[] = [],
  verb: 'boot' | 'bare' = 'boot',
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'naxos-programs-'));
  try {
    const initrd = join(folder, 'initrd');
    const tests = writeCpio([
      { kind: 'dir', path: 'test' },
      { kind: 'file', path: `test/${script}`, data: readFileSync(join(SCRIPTS, script)) },
      ...files,
    ]);
    // A host that is busy with something else is no fault of the guest's.
    const quiet = 'echo 0 >/proc/sys/kernel/watchdog';
    const command = `${quiet}; exec env -i ${ENVIRONMENT} ${variables} RUN= dash -c '${commandOf(script)}'`;
    const request = { exec: { command, token: TOKEN } };
    const base = withBootRequest(readFileSync(tree.guest.initrd), request);
    writeFileSync(initrd, Buffer.concat([base, readFileSync(tree.initrd), tests]));
    const args = [verb, '--kernel', tree.guest.kernel, '--initrd', initrd, '-m', `${group.memory}M`, '--no-reboot'];
    const output: Buffer[] = [];
    let rest = '';
    const stream = new ExecStream(TOKEN, {
      output: (bytes) => output.push(Buffer.from(bytes)),
      console: (bytes) => (rest += Buffer.from(bytes).toString('latin1')),
    });
    const { errors } = await run(process.execPath, [CLI, ...args, '--timeout', `${limit}`, ...flags], (bytes) =>
      stream.push(bytes),
    );
    stream.finish();
    return { status: stream.status, output: Buffer.concat(output), rest: rest + errors };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a script with qemu-aarch64 in a chroot, in a name space of its own. */
export async function runOnQemu({ tree, script, variables, limit }: Job): Promise<Result> {
  const setUp = [
    'mount --rbind /proc "$1/proc"',
    'mount --rbind /dev "$1/dev"',
    'mount -t tmpfs tmpfs "$1/tmp"',
    'mount -t tmpfs tmpfs "$1/run"',
    'mount --bind "$2" "$1/test"',
    `exec env -i ${ENVIRONMENT} ${variables} RUN=${QEMU_IN_TREE} chroot "$1" /bin/dash -c '${commandOf(script)}'`,
  ].join(' && ');
  const output: Buffer[] = [];
  const args = [...AS_ROOT, '-m', 'timeout', `${limit}`, 'sh', '-c', setUp, 'sh', tree.root, SCRIPTS];
  const { status, errors } = await run('unshare', args, (bytes) => output.push(bytes));
  return { status, output: Buffer.concat(output), rest: errors };
}

/** Runs a host command to its end. */
function run(
  program: string,
  args: readonly string[],
  onOutput: (bytes: Buffer) => void,
): Promise<{ status: number | undefined; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = (): boolean => child.kill();
    process.on('exit', kill);
    let errors = '';
    child.stdout.on('data', onOutput);
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('exit', kill);
      resolve({ status: code ?? undefined, errors });
    });
  });
}
