import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDtb } from '../../../arch/devicetree/dtb.ts';
import type { DeviceTree } from '../../../arch/devicetree/tree.ts';
import { mostMemory } from '../../../hypervisor/machine.ts';
import { elf, zboot } from '../../guests/linux/kernels.ts';
import { CLI, Folder, naxos, request, smallImage, type Result } from './run-naxos.ts';

const folder = new Folder();
afterAll(() => folder.remove());

/** One line that says what is wrong, and status 2. */
function expectRefusal({ status, stdout, stderr }: Result, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr.startsWith('naxos: ')).toBe(true);
  expect(stdout).toBe('');
  expect(status).toBe(2);
}

/** The command with standard output on a full disk. */
function toFull(args: readonly string[]): { status: number | null; stderr: string } {
  const full = openSync('/dev/full', 'w');
  const env = { ...process.env, XDG_CACHE_HOME: folder.file('cache') };
  try {
    return spawnSync(process.execPath, [CLI, ...args], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8', env });
  } finally {
    closeSync(full);
  }
}

const random = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  let state = 12345;
  for (let i = 0; i < size; i++) bytes[i] = (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
  return bytes;
};
const hello = folder.guest('hello');

describe('a kernel file that cannot be used is refused with one line and status 2:', () => {
  const x86 = elf([{ virtual: 0n, physical: 0n, data: new Uint8Array(64) }], 0n, 62);
  const image = smallImage('hello');
  const gzip = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), random(100)]);
  it.each<[string, Uint8Array | undefined, RegExp]>([
    ['missing', undefined, /missing: no such file/],
    ['empty', new Uint8Array(), /empty: the file is empty/],
    ['truncated header', image.subarray(0, 40), /truncated header: /],
    ['truncated', image.subarray(0, 200), /truncated: the arm64 Image is cut off: its code goes on beyond the file/],
    ['x86 ELF', x86, /for x86-64: an arm64 kernel is needed/],
    ['random', random(10000), /random: /],
    ['bad gzip', gzip, /bad gzip: /],
    ['zboot with a bad payload', zboot(random(500), 'gzip'), /payload: /],
    ['truncated ELF', elf([{ virtual: 0n, physical: 0n, data: random(64) }], 0n).subarray(0, 150), /cut off/],
  ])('%s', async (name, bytes, message) => {
    const path = folder.file(name, bytes);
    expectRefusal(await request(['boot', '--kernel', path]), message);
  });

  it('a directory', async () => {
    expectRefusal(await request(['boot', '--kernel', folder.path]), /is a directory/);
  });

  it('none at all, for bare', async () => {
    expectRefusal(await request(['bare']), /--kernel/);
  });
});

describe('what does not fit the memory is refused:', () => {
  it('a kernel', async () => {
    const path = folder.file('large', Buffer.concat([smallImage('hello'), Buffer.alloc(3 << 20)]));
    expectRefusal(await request(['boot', '--kernel', path, '-m', '2M']), /2 MB.*more memory/);
  });

  it.each([
    ['1.5M', 3, 1.5],
    ['2047k', 3, 1.93],
  ])('a kernel and the device tree in -m %s, in the terms of what was asked for', async (size, needed, memory) => {
    for (const verb of ['boot', 'bare'])
      expectRefusal(
        await request([verb, '--kernel', hello, '-m', size]),
        new RegExp(`take ${needed} MB, but the guest's memory is ${memory} MB: give it more memory`),
      );
    expect(await request(['boot', '--kernel', hello, '-m', `${needed}M`, '--dump-dtb', '/dev/null'])).toMatchObject({
      status: 0,
    });
  });

  it('an initrd', async () => {
    const path = folder.file('initrd', new Uint8Array(9 << 20));
    expectRefusal(await request(['boot', '--kernel', hello, '--initrd', path, '-m', '8M']), /initrd.*more memory/);
    expectRefusal(await request(['boot', '--kernel', hello, '--initrd', path, '-m', '10M']), /initrd.*more memory/);
  });

  it('an initrd that is missing or empty', async () => {
    expectRefusal(await request(['boot', '--kernel', hello, '--initrd', folder.file('nothing')]), /no such file/);
    expectRefusal(await request(['bare', '--kernel', hello, '--initrd', folder.file('none', '')]), /is empty/);
  });
});

describe('the limits that the README says', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, boot, bare] = /(\d+) MiB of memory at most; of a bare machine (\d+) MiB/.exec(readme)!.map(Number);

  it.each([
    ['boot', boot!],
    ['bare', bare!],
  ] as const)('of memory: %s', async (verb, most) => {
    expect(mostMemory(verb, 1)).toBe((most << 20) >>> 0);
    const tree = [verb, '--kernel', hello, '--dump-dtb', folder.file('limit.dtb')];
    expect(await request([...tree, '-m', `${most}M`])).toMatchObject({ status: 0, stderr: '' });
    expectRefusal(
      await request([...tree, '-m', `${most + 1}M`]),
      new RegExp(`memory can be ${most} MiB at most$`, 'm'),
    );
    expect(readme).toContain(`naxos: memory can be ${boot} MiB at most\n`);
  });
});

describe('an absurd machine is refused:', () => {
  it.each(['0', '-5', 'abc', '1X', '9999999T', '100G', '0.0001', ''])('-m %s', async (size) => {
    for (const verb of ['boot', 'bare'])
      expectRefusal(await request([verb, '--kernel', hello, `--memory=${size}`]), /memory/i);
  });

  it.each(['0', '-1', '1.5', 'x'])('--cpus %s', async (cpus) => {
    expectRefusal(await request(['boot', '--kernel', hello, `--cpus=${cpus}`]), /--cpus/);
  });

  it.each(['33', '1000000'])('--cpus %s of a guest', async (cpus) => {
    expectRefusal(await request(['boot', '--kernel', hello, '--cpus', cpus]), /32 cores at most/);
  });

  it.each([
    ['0', '512M', /--cpus/],
    ['124', '512M', /room for 123 cores/],
    ['1000000', '512M', /room for 123 cores/],
    ['123', '3900M', /memory can be 3627 MiB at most with 123 cores/],
  ])('--cpus %s of a bare machine with %s', async (cpus, memory, message) => {
    expectRefusal(await request(['bare', '--kernel', hello, '--cpus', cpus, '-m', memory]), message);
  });

  it('--el 3', async () => {
    expectRefusal(await request(['bare', '--kernel', hello, '--el', '3']), /--el 3/);
  });
});

describe('a device tree that cannot be used is refused:', () => {
  const broken = Buffer.concat([Buffer.from([0xd0, 0x0d, 0xfe, 0xed]), random(200)]);
  it.each<[string, Uint8Array | undefined]>([
    ['missing.dtb', undefined],
    ['empty.dtb', new Uint8Array()],
    ['random.dtb', random(300)],
    ['broken.dtb', broken],
    ['large.dtb', new Uint8Array(3 << 20)],
  ])('%s', async (name, bytes) => {
    const path = folder.file(name, bytes);
    for (const verb of ['boot', 'bare'])
      expectRefusal(await request([verb, '--kernel', hello, '--dtb', path]), new RegExp(`device tree .*${name}: `));
  });
});

describe('files to write:', () => {
  it('a trace file that cannot be written', async () => {
    const path = folder.file('no/such/folder');
    const traced = ['boot', '--kernel', hello, '--trace', 'exits', '--trace-file'];
    expectRefusal(await request([...traced, path]), /--trace-file .*cannot write it \(ENOENT\)/);
    const full = await naxos([...traced, '/dev/full']);
    expectRefusal(full, /^naxos: --trace-file \/dev\/full: cannot write it \(ENOSPC\); name another file\n$/);
  });

  it('a trace file is not left behind by a request that is refused', async () => {
    const path = folder.file('left');
    await request(['boot', '--kernel', '/none', '--trace', 'exits', '--trace-file', path]);
    expect(existsSync(path)).toBe(false);
  });

  it('the device tree to standard output, for -', async () => {
    for (const verb of ['boot', 'bare']) {
      const { status, stdout, stderr } = await request([verb, '--kernel', hello, '--dump-dtb', '-']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(parseDtb(Buffer.from(stdout, 'latin1')).find('/chosen')).toBeDefined();
    }
    expect(existsSync('-')).toBe(false);
  });

  it('the device tree of the default guest, which is not fetched for that', async () => {
    const env = { XDG_CACHE_HOME: folder.file('cold') };
    const dump = async (...more: string[]): Promise<DeviceTree> => {
      const { status, stdout } = await naxos(['boot', '--append', 'quiet', '--dump-dtb', '-', ...more], { env });
      expect(status).toBe(0);
      return parseDtb(Buffer.from(stdout, 'latin1'));
    };
    const chosen = (await dump()).find('/chosen')!;
    expect([chosen.string('bootargs'), chosen.has('linux,initrd-start')]).toEqual(['quiet', false]);
    // A command has a UART of its own.
    expect((await dump('--exec', 'true')).find('serial1')).toBeDefined();
    const own = await dump('--kernel', hello, '--initrd', hello);
    expect(own.find('/chosen')!.has('linux,initrd-start')).toBe(true);
    expect(existsSync(env.XDG_CACHE_HOME)).toBe(false);
  });

  it.each([['--help'], ['--version'], ['boot', '--help'], ['guest', 'path'], ['guest', 'list', '--json']])(
    'standard output that is full: %j %j',
    async (...args) => {
      const { status, stderr } = await toFull(args);
      expect(stderr).toBe('naxos: standard output cannot be written (ENOSPC): free some space\n');
      expect(status).toBe(2);
    },
  );

  it('standard output that is full, for a device tree', async () => {
    const { status, stderr } = await toFull(['boot', '--kernel', hello, '--dump-dtb', '-']);
    expect(stderr).toMatch(/^naxos: standard output cannot be written \(ENOSPC\)/);
    expect(status).toBe(2);
  });

  it('a device tree that cannot be written', async () => {
    const path = folder.file('no/such/folder');
    expectRefusal(await request(['boot', '--kernel', hello, '--dump-dtb', path]), /--dump-dtb .*cannot write it/);
  });

  it('the device tree, on request, without running anything', async () => {
    for (const verb of ['boot', 'bare']) {
      const path = folder.file(`${verb}.dtb`);
      expect(await request([verb, '--kernel', hello, '--dump-dtb', path])).toMatchObject({
        status: 0,
        stdout: '',
        stderr: '',
      });
      expect(readFileSync(path).readUInt32BE(0)).toBe(0xd00dfeed);
    }
  });
});

describe('a command line that makes no sense is refused:', () => {
  it.each<[string[], RegExp]>([
    [['boot', '--no-such-option'], /unknown option '--no-such-option'; see naxos boot --help$/m],
    [['boot', '--kernal', hello], /unknown option '--kernal' \(Did you mean --kernel\?\)$/m],
    [['boot', '-kernel', hello], /unknown option '-kernel' \(Did you mean --kernel\?\)$/m],
    [['boot', '--el', '2'], /^naxos: --el is an option of naxos bare only$/m],
    [['bare', '--kernel', hello, '--exec', 'true'], /^naxos: --exec is an option of naxos boot only$/m],
    [['boot', '-nographic'], /unknown option '-nographic'; see naxos boot --help$/m],
    [['no-such-verb'], /unknown command 'no-such-verb'; see naxos --help$/m],
    [['boott'], /unknown command 'boott' \(Did you mean boot\?\)$/m],
    [['guest', 'no-such-verb'], /unknown command 'no-such-verb'; see naxos guest --help$/m],
    [['boot', 'stray'], /too many arguments for 'boot'.*; see naxos boot --help$/m],
    [['boot', '--kernel'], /argument missing/],
    [['boot', '--kernel', hello, '--timeout', 'soon'], /--timeout soon/],
    [['boot', '--kernel', hello, '--timeout', '0'], /--timeout 0/],
    [['boot', '--kernel', hello, '--trace', 'everything'], /"everything" cannot be traced; choose from/],
    [['boot', '--kernel', hello, '--trace-file', 'x'], /--trace/],
    [['boot', '--kernel', hello, '--stats=xml'], /--stats/],
    [['boot', '--initrd', 'x', '--exec', 'true'], /--initrd/],
    [['boot', '--exec', 'echo \ufffd'], /--exec: it has bytes that are not UTF-8/],
    [['bare', '--kernel', hello, '--append', '\ufffd'], /--append: it has bytes that are not UTF-8/],
    [['boot', '--exec', ' '], /--exec: the command is empty/],
    [['guest', 'path', 'shell'], /guest path shell/],
  ])('%j', async (args, message) => {
    expectRefusal(await request(args), message);
  });

  it('help and version are no errors', async () => {
    for (const verb of ['boot', 'bare']) {
      const { status, stdout, stderr } = await request([verb, '--help']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/--timeout[^]*Ctrl-A x quits[^]*124/);
    }
    expect((await request(['--help'])).stdout).toMatch(/^ {2}naxos boot --quiet --exec/m);
    expect((await request(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('a stack trace comes with --debug only', async () => {
    const { status, stderr } = await request(['boot', '--kernel', '/none', '--debug']);
    expect(stderr).toMatch(/^naxos: kernel \/none: no such file\n.*\n\s+at /);
    expect(status).toBe(2);
  });
});

describe('a guest that cannot be fetched:', () => {
  it('without apt, one line says which files to give', async () => {
    const env = { PATH: folder.path, XDG_CACHE_HOME: folder.file('cache') };
    const result = await naxos(['boot'], { env });
    expectRefusal(result, /--kernel FILE and --initrd FILE/);
    expect(existsSync(env.XDG_CACHE_HOME)).toBe(false);
    expectRefusal(await naxos(['guest', 'fetch'], { env }), /--kernel FILE and --initrd FILE/);
  });

  it('into a cache that cannot be written', async () => {
    expectRefusal(await naxos(['boot'], { env: { XDG_CACHE_HOME: '/proc/none' } }), /set XDG_CACHE_HOME/);
  });

  it('shows on a terminal what is being done, also with --quiet, and takes it away', async () => {
    const environment = { ...process.env };
    Object.assign(process.env, { PATH: folder.path, XDG_CACHE_HOME: folder.file('cache') });
    const { isTTY } = process.stderr;
    process.stderr.isTTY = true;
    try {
      const { status, stderr } = await request(['boot', '--quiet']);
      const [before, stage, refusal] = stderr.split('\r\x1b[K');
      expect([before, stage]).toEqual(['', 'naxos: fetching package lists']);
      expect(refusal).toMatch(/^naxos: .* --initrd FILE\n$/);
      expect(status).toBe(2);
    } finally {
      process.stderr.isTTY = isTTY;
      Object.assign(process.env, environment);
      if (environment['XDG_CACHE_HOME'] === undefined) delete process.env['XDG_CACHE_HOME'];
    }
  });

  it('is neither listed nor has it a path', async () => {
    const env = { XDG_CACHE_HOME: folder.file('cache') };
    expect(await naxos(['guest', 'list', '--json'], { env })).toMatchObject({ status: 0, stdout: '[]\n', stderr: '' });
    expect(await naxos(['guest', 'list'], { env })).toMatchObject({ status: 0, stdout: '' });
    expectRefusal(await naxos(['guest', 'path', 'kernel'], { env }), /naxos guest fetch/);
    expect((await naxos(['guest', 'path'], { env })).stdout).toContain(env.XDG_CACHE_HOME);
    expect(readdirSync(folder.path)).not.toContain('cache');
  });
});
