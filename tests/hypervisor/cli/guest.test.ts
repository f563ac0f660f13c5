import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { listGuests } from '../../../guests/linux/fetch.ts';
import { Folder, naxos, type Result } from './run-naxos.ts';

const CLI = fileURLToPath(new URL('../../../hypervisor/cli.ts', import.meta.url));
const guest = (await listGuests())[0];
const slow = process.env['NAXOS_SLOW'] === '1';
const folder = new Folder();
const run = (args: string[]): Promise<Result> => naxos(args, { env: {} });
afterAll(() => folder.remove());

// What is in the user's cache: nothing is fetched here.
describe.skipIf(!guest)('the default guest', { timeout: 180_000 }, () => {
  it('runs a command: its output byte for byte, nothing else, and its status', async () => {
    const command = 'seq 3000; printf "\\000\\377\\r\\n"; uname -m; [ -t 1 ] || echo pipe; exit 42';
    const { status, stdout, stderr } = await run(['boot', '--quiet', '--exec', command]);
    const numbers = Array.from({ length: 3000 }, (_, i) => `${i + 1}\n`).join('');
    expect(stdout).toBe(`${numbers}\0\xff\r\naarch64\npipe\n`);
    expect(stderr).toBe('');
    expect(status).toBe(42);
  });

  it.runIf(slow)('shows the kernel on standard error, and figures, when not quiet', async () => {
    const { status, stdout, stderr } = await run(['boot', '--exec', 'echo done', '--stats']);
    expect(stdout).toBe('done\n');
    expect(stderr).toContain('Linux version');
    expect(stderr).toMatch(/time to user space +\d+ ms/);
    expect(status).toBe(0);
  });

  it.runIf(slow)('ends with 3 when the kernel panics, and says why', async () => {
    const { status, stderr } = await run(['boot', '--quiet', '--exec', 'echo c >/proc/sysrq-trigger']);
    expect(stderr).toMatch(/^naxos: the guest died: Kernel panic - not syncing: sysrq triggered crash\n$/);
    expect(status).toBe(3);
    const panic = await run(['boot', '--kernel', guest!.kernel, '--append', 'panic=-1', '--quiet']);
    expect(panic.stderr).toMatch(/^naxos: the guest died: Kernel panic - not syncing: .*\n$/);
    expect(panic.status).toBe(3);
  });

  it.runIf(slow)('keeps what the kernel writes out of the output of a command, however the guest ends', async () => {
    const ends: [string, RegExp][] = [
      ['echo c >/proc/sysrq-trigger', /sysrq: Trigger a crash[^]*---\[ end Kernel panic/],
      ['echo "<0>an emergency" >/dev/kmsg; reboot -f', /an emergency[^]*reboot: Restarting system/],
      ['poweroff -f', /reboot: Power down/],
    ];
    for (const [end, kernel] of ends) {
      // The pause lets the output reach the terminal.
      const { status, stdout, stderr } = await run([
        'boot',
        '--exec',
        `printf '<naxos\\n'; sleep 0.5; ${end}; sleep 100`,
      ]);
      expect(stdout).toBe('<naxos\n');
      expect(stderr).toMatch(kernel);
      expect(status).toBe(3);
    }
  });

  it.runIf(slow)("runs a command also with a device tree of the user's, which has the console only", async () => {
    const dtb = folder.file('tree.dtb');
    await run(['boot', '--dump-dtb', dtb]);
    const { status, stdout } = await run(['boot', '--quiet', '--dtb', dtb, '--exec', 'seq 3; exit 4']);
    expect([status, stdout]).toEqual([4, '1\n2\n3\n']);
  });

  it.runIf(slow)('listens, also on the bare machine, to what is typed after it has slept for a while', async () => {
    const files = ['--kernel', guest!.kernel, '--initrd', guest!.initrd, '--append', 'quiet'];
    for (const verb of ['boot', 'bare']) {
      let typed = false;
      const { status, stdout } = await naxos([verb, ...files], {
        env: {},
        onOutput: (text, { write }) => {
          if (typed || !text.includes('root@naxos')) return;
          typed = true;
          setTimeout(() => write('uname -m; poweroff\n'), 5000);
        },
      });
      expect(stdout).toContain('aarch64\r\n');
      expect(status).toBe(0);
    }
  });

  it.runIf(slow)('runs on several cores of a bare machine, turns them off and on, and moves between them', async () => {
    const files = ['--kernel', guest!.kernel, '--initrd', guest!.initrd, '--append', 'quiet'];
    const commands = [
      'nproc',
      'for n in 1 2; do echo 0 >/sys/devices/system/cpu/cpu$n/online; done; nproc',
      'for n in 1 2; do echo 1 >/sys/devices/system/cpu/cpu$n/online; done; nproc',
      'for n in 1 2 4; do taskset $n sh -c "seq 20000 | md5sum" & done; wait',
      'dmesg | grep -ciE "warn|oops|bug:|stall"',
      'poweroff',
    ];
    let typed = false;
    const { status, stdout } = await naxos(['bare', '--cpus', '3', ...files], {
      env: {},
      onOutput: (text, { write }) => {
        if (typed || !text.includes('root@naxos')) return;
        typed = true;
        write(`${commands.join('\n')}\n`);
      },
    });
    const lines = stdout.split(/\r?\n/);
    expect(lines.filter((line) => /^\d$/.test(line))).toEqual(['3', '1', '3', '0']);
    expect(lines.filter((line) => /^[0-9a-f]{32} {2}-$/.test(line))).toHaveLength(3);
    expect(status).toBe(0);
  });

  it.runIf(slow)('ends with 124 when a command hangs', async () => {
    const { status } = await run(['boot', '--quiet', '--exec', 'while :; do :; done', '--timeout', '20']);
    expect(status).toBe(124);
  });
});

const tmux = (...args: string[]): string =>
  spawnSync('tmux', ['-L', `naxos-test-${process.pid}`, ...args], { encoding: 'utf8' }).stdout;

describe.runIf(guest && slow && !spawnSync('tmux', ['-V']).error)('the interactive shell', { timeout: 300_000 }, () => {
  afterAll(() => void tmux('kill-server'));
  const type = (...keys: string[]): void => void tmux('send-keys', '-t', 'shell', ...keys);
  const screen = (): string => tmux('capture-pane', '-p', '-t', 'shell');
  /** Waits until the screen shows something. */
  const shows = async (expected: RegExp): Promise<void> => {
    for (let i = 0; i < 600 && !expected.test(screen()); i++) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(screen()).toMatch(expected);
  };

  it('types, edits, interrupts, stops and resumes, runs vi and top, and takes a paste of 10,000 characters', async () => {
    tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'shell', '-x', '100', '-y', '30', 'sh');
    type(`cd ${folder.path}; stty -g >before; ${process.execPath} ${CLI} boot; echo status $?`, 'Enter');
    await shows(/root@naxos:~#$/m);

    type('clear; stty size; tty', 'Enter');
    await shows(/^30 100\n\/dev\/tty\w+$/m);
    type('echo abd', 'Left', 'BSpace', 'Right', 'BSpace', 'ce', 'Left', 'd', 'Enter');
    await shows(/^acde$/m);

    type('clear; sleep 1000', 'Enter');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    type('C-c');
    type('echo status=$?', 'Enter');
    await shows(/^status=130$/m);
    type('clear; sleep 1000', 'Enter');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    type('C-z');
    await shows(/Stopped +sleep 1000/);
    type('kill -9 %1; wait; clear', 'Enter');

    type('vi text', 'Enter');
    await shows(/^- text/m);
    type('i', 'first', 'Enter', 'second', 'Escape');
    // An escape with more right behind it is a key of its own.
    await shows(/^- text \[Modified/m);
    type(':wq', 'Enter');
    type('clear; cat text', 'Enter');
    await shows(/^first\nsecond$/m);

    tmux('resize-window', '-t', 'shell', '-x', '90', '-y', '35');
    type('clear; resize; stty size', 'Enter');
    await shows(/^35 90$/m);

    type('clear; top', 'Enter');
    await shows(/Load average/);
    type('q');
    await shows(/root@naxos:~#$/m);

    const text = Array.from(
      { length: 125 },
      (_, i) => `${`${i} the quick brown fox `.repeat(5)}`.slice(0, 79).padEnd(79, '.') + '\n',
    ).join('');
    expect(text).toHaveLength(10_000);
    tmux('load-buffer', folder.file('paste', text));
    type('clear; cat >pasted', 'Enter');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    tmux('paste-buffer', '-t', 'shell');
    await shows(/^124 the quick.*\n/m);
    type('C-d');
    const sum = spawnSync('md5sum', [folder.file('paste')], { encoding: 'utf8' }).stdout.split(' ')[0]!;
    type('clear; md5sum pasted', 'Enter');
    await shows(new RegExp(`^${sum}  pasted$`, 'm'));

    type('clear; echo ready', 'Enter');
    await shows(/^ready$/m);
    type('C-a', 'h');
    await shows(/Ctrl-A x +quit/);
    type('poweroff', 'Enter');
    await shows(/^status 0$/m);
    type('stty -g >after; echo over', 'Enter');
    await shows(/^over$/m);
    expect(readFileSync(folder.file('after'), 'utf8')).toBe(readFileSync(folder.file('before'), 'utf8'));
  });
});
