import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { MachineStats } from '../../../hypervisor/machine.ts';
import { Folder, naxos, smallImage } from './run-naxos.ts';

const folder = new Folder();
afterAll(() => folder.remove());
const small = ['-m', '16M'];
const guest = (name: string): string[] => ['--kernel', folder.guest(name), ...small];

describe.each(['boot', 'bare'])('naxos %s', (verb) => {
  it('ends with 0 when the guest switches itself off, with what the guest wrote and nothing else', async () => {
    expect(await naxos([verb, ...guest('hello')])).toMatchObject({ status: 0, stdout: 'hi\n', stderr: '' });
  });

  it('feeds standard input to the console without loss, also what came before the guest listened', async () => {
    const text = Array.from({ length: 2000 }, (_, i) => `${i} `).join('');
    const { status, stdout } = await naxos([verb, ...guest('echo')], { input: `${text}q` });
    expect(stdout).toBe(`>${text}q`);
    expect(status).toBe(0);
  });

  it('takes the tree that --dump-dtb wrote back as --dtb', async () => {
    const path = folder.file(`${verb}.dtb`);
    await naxos([verb, ...guest('hello'), '--dump-dtb', path]);
    expect(await naxos([verb, ...guest('hello'), '--dtb', path])).toMatchObject({ status: 0, stdout: 'hi\n' });
  });

  it('ends with 3 and the reason when the guest panics', async () => {
    const { status, stderr } = await naxos([verb, ...guest('panic')]);
    expect(stderr).toBe('naxos: the guest died: Kernel panic - not syncing: no reason\n');
    expect(status).toBe(3);
  });

  it('does not take a guest that says so and lives on for a panic', async () => {
    expect(await naxos([verb, ...guest('words')])).toMatchObject({ status: 0, stderr: '' });
  });

  it('ends with 124 on --timeout', async () => {
    const { status, stderr } = await naxos([verb, ...guest('echo'), '--timeout', '0.3']);
    expect(stderr).toBe('naxos: the guest did not end within 0.3 s\n');
    expect(status).toBe(124);
  });

  it('starts the guest again after a reset, with its memory as at first', async () => {
    const { stdout } = await naxos([verb, ...guest('restart')], {
      onOutput: (text, { kill }) => text.length >= 5 && kill('SIGTERM'),
    });
    expect(stdout).toMatch(/^1{5,}$/);
  });

  it('ends at a reset with --no-reboot', async () => {
    expect(await naxos([verb, ...guest('restart'), '--no-reboot'])).toMatchObject({ status: 0, stdout: '1' });
  });

  it('gives figures as one line of JSON', async () => {
    const { stderr } = await naxos([verb, ...guest('hello'), '--stats=json']);
    const figures = JSON.parse(stderr) as MachineStats;
    expect(figures.instructions).toBeGreaterThan(20);
    expect(figures.regions + figures.reusedRegions).toBeGreaterThan(0);
    // The guest writes three characters and switches itself off.
    if (verb === 'bare') expect(figures.deviceAccesses).toBe(3);
    else {
      expect(figures.exits).toEqual({ 'stage2 abort': 3, hvc: 1 });
      expect(figures.kernel!.ipc).toBeGreaterThanOrEqual(4);
    }
  });

  it('gives figures to people', async () => {
    const { stdout, stderr } = await naxos([verb, ...guest('hello'), '--stats']);
    const rows = stderr.trimEnd().split('\n');
    const named = rows.map((row) => /^ {2}(\S+(?: \S+)*) {2,}\S/.exec(row)?.[1]);
    expect(stdout).toBe('hi\n');
    expect(named).toEqual([
      ...['time to user space', 'running', 'instructions retired', 'translated', 'kept from before', 'translator'],
      ...['compilation', 'TLB misses', 'dispatches', 'exceptions'],
      ...(verb === 'bare'
        ? ['device accesses']
        : ['exits: stage2 abort', 'exits: hvc'].concat(
            ['entries', 'syscalls', 'IPC', 'interrupts', 'switches'].map((name) => `kernel: ${name}`),
          )),
      'resident',
    ]);
  });

  it('writes a trace to a file', async () => {
    const path = folder.file(`${verb}.trace`);
    await naxos([verb, ...guest('hello'), '--trace', 'exec,irq', '--trace-file', path]);
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^trace: exec,irq\n/);
    expect(text).toMatch(/^exec: physical 0x40001000 EL1: \d+ instructions translated$/m);
  });

  it('ends as a signal says', async () => {
    const { signal, status } = await naxos([verb, ...guest('echo')], { onOutput: (_, { kill }) => kill('SIGTERM') });
    expect({ signal, status }).toEqual({ signal: 'SIGTERM', status: null });
  });

  it('ends when nobody reads its output any more', async () => {
    const cli = fileURLToPath(new URL('../../../hypervisor/cli.ts', import.meta.url));
    const child = spawn(process.execPath, [cli, verb, ...guest('restart')], { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
    child.stdout.once('data', () => child.stdout.destroy());
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect({ status, errors }).toEqual({ status: 141, errors: '' });
  });
});

it.each(['boot', 'bare'])(
  'says so when standard output cannot be written, also after the guest has ended: naxos %s',
  (verb) => {
    const cli = fileURLToPath(new URL('../../../hypervisor/cli.ts', import.meta.url));
    const full = `${process.execPath} ${[cli, verb, ...guest('hello')].join(' ')} >/dev/full`;
    const { stdout, stderr } = spawnSync('sh', ['-c', `${full}; echo $?`], { encoding: 'utf8' });
    expect(stderr).toBe('naxos: standard output cannot be written (ENOSPC): free some space\n');
    expect(stdout).toBe('2\n');
  },
);

it('says so when the kernel leaves little of the memory, and runs it', async () => {
  const image = Buffer.from(smallImage('hello'));
  image.writeBigUInt64LE(3n << 20n, 16);
  const args = ['boot', '--kernel', folder.file('needy', image), '-m', '5M'];
  const advice =
    "naxos: kernel, initrd and device tree leave 0.99 MB of the guest's 5 MB: if it does not start, give it more memory\n";
  expect(await naxos(args)).toMatchObject({ status: 0, stdout: 'hi\n', stderr: advice });
  expect(await naxos([...args, '--quiet'])).toMatchObject({ status: 0, stdout: 'hi\n', stderr: '' });
});

describe('an idle guest', () => {
  const cli = fileURLToPath(new URL('../../../hypervisor/cli.ts', import.meta.url));
  const args = (...more: string[]): string[] => [cli, 'boot', ...guest('echo'), '--timeout', '60', ...more];
  const idles = `${process.execPath} ${args().join(' ')}`;

  it('ends when who started it is killed, which has the other ends of its streams', async () => {
    const program = `const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ${JSON.stringify(args())}, { stdio: ['pipe', 'pipe', 'inherit', 3] });
      child.stdout.once('data', () => console.log('runs'));`;
    // The fourth stream is the guest's alone once its parent is gone.
    const parent = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
    await once(parent.stdout!, 'data');
    const ended = once((parent.stdio[3] as Readable).resume(), 'end');
    parent.kill('SIGKILL');
    await ended;
  });

  it('ends when the program that it is piped into ends', async () => {
    const shell = spawn('sh', ['-c', `{ ${idles} </dev/null; echo $? >&2; } | head -c 1 >/dev/null`], {
      stdio: 'pipe',
    });
    let errors = '';
    shell.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
    await once(shell, 'close');
    expect(errors).toBe('141\n');
  });

  it.each(['</dev/null', '<&-'])('goes on after the end of its input: %s', async (input) => {
    const shell = spawn('sh', ['-c', `{ ${idles} --timeout 2.5 ${input}; echo $?; } 2>&1 | cat`], { stdio: 'pipe' });
    let output = '';
    shell.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    await once(shell, 'close');
    expect(output).toBe('>naxos: the guest did not end within 2.5 s\n124\n');
  });
});

describe('a trace that cannot be written on', () => {
  const cli = fileURLToPath(new URL('../../../hypervisor/cli.ts', import.meta.url));
  /** The guest never ends, and makes entries without end. */
  const traced = `${process.execPath} ${[cli, 'boot', ...guest('restart'), '--trace', 'exits'].join(' ')}`;
  const shell = (script: string): { stdout: string; stderr: string } =>
    spawnSync('sh', ['-c', script], { encoding: 'utf8' });

  it('ends the guest with one line when its disk is full', () => {
    const path = folder.file('full.trace');
    const { stdout, stderr } = shell(`ulimit -f 8; ${traced} --trace-file ${path} >/dev/null; echo $?`);
    expect(stderr).toMatch(/^naxos: --trace-file \S+full.trace: cannot write it \(EFBIG\); name another file\n$/);
    expect(stdout).toBe('2\n');
  });

  it('ends the guest when nobody reads standard error any more', () => {
    const { stderr } = shell(`{ ${traced} 2>&1 >/dev/null; echo $? >&3; } 3>&2 | head -n 1 >/dev/null`);
    expect(stderr).toBe('141\n');
  });
});

it('names what is UNDEFINED with its disassembly', async () => {
  const { stderr } = await naxos(['bare', ...guest('faults'), '--trace', 'undef', '--timeout', '1']);
  expect(stderr).toMatch(/^undef: 0xd538f000 EL1 to EL1 at 0x\w+: mrs x0, s3_0_c15_c0_0$/m);
});
