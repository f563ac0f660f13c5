import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ExecStream } from '../../../guests/linux/exec-stream.ts';
import { listGuests } from '../../../guests/linux/fetch.ts';
import { withBootRequest } from '../../../guests/linux/initramfs.ts';

const guest = (await listGuests())[0];
const qemu = spawnSync('qemu-system-aarch64', ['--version']);
const runs = process.env['NAXOS_SLOW'] === '1' && guest !== undefined && !qemu.error;

/** Runs a command in the default guest on QEMU. */
async function exec(command: string): Promise<{ output: Buffer; status: number | undefined }> {
  const directory = mkdtempSync(join(tmpdir(), 'naxos-boot-'));
  try {
    const initrd = join(directory, 'initrd');
    writeFileSync(initrd, withBootRequest(readFileSync(guest!.initrd), { exec: { command, token: 'q3m' } }));
    const machine = '-M virt,gic-version=3 -cpu cortex-a72 -m 512 -nographic -no-reboot'.split(' ');
    const child = spawn('qemu-system-aarch64', [...machine, '-kernel', guest!.kernel, '-initrd', initrd], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const output: Uint8Array[] = [];
    const stream = new ExecStream('q3m', { output: (bytes) => output.push(Uint8Array.from(bytes)) });
    child.stdout.on('data', (bytes: Uint8Array) => stream.push(bytes));
    await new Promise((resolve) => child.on('close', resolve));
    return { output: Buffer.concat(output), status: stream.status };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.skipIf(!runs)('the default guest on QEMU', { timeout: 120_000 }, () => {
  it('gives the output of a command byte for byte, and its status', async () => {
    const { output, status } = await exec('seq 20000; printf "\\000\\377\\r\\n%%"; echo e >&2; exit 42');
    const numbers = Array.from({ length: 20000 }, (_, i) => `${i + 1}\n`).join('');
    expect(output.equals(Buffer.from(`${numbers}\0\xff\r\n%e\n`, 'latin1'))).toBe(true);
    expect(status).toBe(42);
  });

  it('has the file systems, the links of /dev and the host name when the command begins', async () => {
    const commands = [
      "cut -d' ' -f2-4 /proc/mounts",
      'for name in fd stdin stdout stderr; do readlink /dev/$name; done',
      'stat -c "%a %n" /dev /dev/pts /dev/shm /run /tmp',
      'hostname',
      'cut -c1-2 /proc/sys/kernel/printk',
      'cat /sys/class/net/lo/flags',
      'echo out >/dev/stdout; echo in | cat /dev/stdin; echo fd | cat /dev/fd/0',
    ];
    const { output, status } = await exec(commands.join('; '));
    const lines = output.toString().split('\n');
    const [mounts, rest] = [lines.slice(0, 8), lines.slice(8)];
    const options = (point: string): string[] =>
      mounts
        .find((line) => line.startsWith(`${point} `))
        ?.split(/[ ,]/)
        .slice(1) ?? [];
    expect(options('/proc')).toEqual(expect.arrayContaining(['proc', 'rw', 'nosuid', 'nodev', 'noexec']));
    expect(options('/sys')).toEqual(expect.arrayContaining(['sysfs', 'rw', 'nosuid', 'nodev', 'noexec']));
    expect(options('/dev')).toEqual(expect.arrayContaining(['devtmpfs', 'rw', 'nosuid', 'mode=755']));
    expect(options('/dev/pts')).toEqual(
      expect.arrayContaining(['devpts', 'rw', 'nosuid', 'noexec', 'gid=5', 'mode=620', 'ptmxmode=666']),
    );
    expect(options('/dev/shm')).toEqual(expect.arrayContaining(['tmpfs', 'rw', 'nosuid', 'nodev']));
    expect(options('/run')).toEqual(expect.arrayContaining(['tmpfs', 'rw', 'nosuid', 'nodev', 'mode=755']));
    expect(options('/tmp')).toEqual(expect.arrayContaining(['tmpfs', 'rw', 'nosuid', 'nodev']));
    expect(rest).toEqual([
      ...['/proc/self/fd', '/proc/self/fd/0', '/proc/self/fd/1', '/proc/self/fd/2'],
      ...['755 /dev', '755 /dev/pts', '1777 /dev/shm', '755 /run', '1777 /tmp'],
      'naxos',
      '1\t',
      '0x9',
      ...['out', 'in', 'fd', ''],
    ]);
    expect(status).toBe(0);
  });

  it('ends although the command leaves something running, and shows it no terminal', async () => {
    const { output, status } = await exec('sleep 1000 & [ -t 0 ] || [ -t 1 ] || echo none; kill -9 $$');
    expect(output.toString()).toContain('none\n');
    expect(status).toBe(137);
  });
});
