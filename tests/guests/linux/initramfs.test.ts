import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { readCpio, type CpioEntry } from '../../../guests/linux/cpio.ts';
import { buildInitramfs, withBootRequest } from '../../../guests/linux/initramfs.ts';

const busybox = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 1]);
const initramfs = buildInitramfs(busybox);
const find = (entries: CpioEntry[], path: string): CpioEntry => {
  const entry = entries.find((e) => e.path === path);
  if (!entry) throw new Error(`no ${path}`);
  return entry;
};
const text = (entry: CpioEntry): string => (entry.kind === 'file' ? Buffer.from(entry.data).toString() : '');

describe('the initramfs', () => {
  const entries = readCpio(initramfs);

  it('holds busybox, an executable /init and the console', () => {
    expect(find(entries, 'bin/busybox')).toMatchObject({ mode: 0o755, data: busybox });
    expect(find(entries, 'init')).toMatchObject({ kind: 'file', mode: 0o755 });
    expect(find(entries, 'dev/console')).toMatchObject({ kind: 'char', major: 5, minor: 1 });
  });

  it('has every directory before what is in it', () => {
    const seen = new Set<string>(['']);
    for (const { path, kind } of entries) {
      expect(seen).toContain(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
      if (kind === 'dir') seen.add(path);
    }
  });

  it('has a directory for everything that is mounted', () => {
    const mounts = text(find(entries, 'etc/init.fstab')).trimEnd().split('\n');
    const points = mounts.map((line) => line.split(' ')[1]!);
    expect(points).toEqual(['/proc', '/sys', '/dev/pts', '/dev/shm', '/run', '/tmp']);
    for (const point of points) expect(find(entries, point.slice(1)).kind).toBe('dir');
  });

  it.each(['init', 'etc/session', 'etc/profile'])('has a script that a shell can parse: %s', (path) => {
    expect(text(find(entries, path))).not.toBe('');
    expect(spawnSync('sh', ['-n'], { input: text(find(entries, path)) }).stderr.toString()).toBe('');
  });
});

describe('a boot request', () => {
  it('leaves the initramfs as it is when nothing is asked', () => {
    expect(withBootRequest(initramfs, {})).toBe(initramfs);
  });

  it('adds the command and its markers in an archive of its own', () => {
    const command = 'printf "%s\\n" "$HOME" \'é\'';
    const initrd = withBootRequest(initramfs, { exec: { command, token: 't0k' } });
    expect(Buffer.from(initrd.subarray(0, initramfs.length)).equals(initramfs)).toBe(true);
    const entries = readCpio(initrd);
    expect(text(find(entries, 'naxos/exec'))).toBe(`${command}\n`);
    expect(find(entries, 'naxos/output').kind).toBe('fifo');
    expect(text(find(entries, 'naxos/begin'))).toBe('<naxos t0k begin>');
    expect(text(find(entries, 'naxos/end'))).toBe('<naxos t0k end %d>');
  });

  it('says which terminal the output goes to, where that is not the console', () => {
    const paths = (tty?: string): string[] =>
      readCpio(withBootRequest(initramfs, { exec: { command: 'true', token: 't', ...(tty && { tty }) } })).map(
        ({ path }) => path,
      );
    expect(paths()).not.toContain('naxos/tty');
    expect(paths('ttyAMA1')).toContain('naxos/tty');
  });

  it("adds the terminal's size as stty takes it", () => {
    const initrd = withBootRequest(initramfs, { terminal: { rows: 30, columns: 100 } });
    expect(text(find(readCpio(initrd), 'naxos/terminal'))).toBe('rows 30 columns 100\n');
  });
});
