import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Folder, naxos } from './run-naxos.ts';

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
    const figures = JSON.parse(stderr) as Record<string, number>;
    expect(figures['instructions']).toBeGreaterThan(20);
    expect(figures['regions']! + figures['reusedRegions']!).toBeGreaterThan(0);
  });

  it('writes a trace to a file', async () => {
    const path = folder.file(`${verb}.trace`);
    await naxos([verb, ...guest('hello'), '--trace', 'exec,irq', '--trace-file', path]);
    expect(readFileSync(path, 'utf8')).toMatch(/^exec: physical 0x40001000 EL1: \d+ instructions translated$/m);
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

it('names what is UNDEFINED with its disassembly', async () => {
  const { stderr } = await naxos(['bare', ...guest('faults'), '--trace', 'undef', '--timeout', '1']);
  expect(stderr).toMatch(/^undef: 0xd538f000 EL1 to EL1 at 0x\w+: mrs x0, s3_0_c15_c0_0$/m);
});
