import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CpioError, readCpio, writeCpio, type CpioEntry } from '../../../guests/linux/cpio.ts';

const entries: CpioEntry[] = [
  { kind: 'dir', path: 'etc', mode: 0o755 },
  { kind: 'file', path: 'etc/odd', mode: 0o640, data: new Uint8Array([1, 2, 3]) },
  { kind: 'file', path: 'init', mode: 0o4755, data: new Uint8Array([0, 0xff]) },
  { kind: 'symlink', path: 'sh', target: 'bin/busybox' },
  { kind: 'char', path: 'console', mode: 0o600, major: 5, minor: 1 },
  { kind: 'block', path: 'vda', mode: 0o660, major: 254, minor: 16 },
  { kind: 'fifo', path: 'pipe', mode: 0o622 },
];

describe('an archive', () => {
  it('begins with a header laid out as the format says', () => {
    const header = Buffer.from(writeCpio([{ kind: 'char', path: 'c', mode: 0o600, major: 5, minor: 1 }])).toString(
      'latin1',
      0,
      112,
    );
    expect(header).toBe(
      '070701' +
        '00000001' +
        '00002180' +
        '00000000'.repeat(2) +
        '00000001' +
        '00000000' +
        '00000000' +
        '00000000'.repeat(2) +
        '00000005' +
        '00000001' +
        '00000002' +
        '00000000' +
        'c\0',
    );
  });

  it('is the same for the same entries and ends on a multiple of 4', () => {
    const bytes = writeCpio(entries);
    expect(Buffer.from(bytes).equals(writeCpio(entries))).toBe(true);
    expect(bytes.length % 4).toBe(0);
  });

  it('gives its entries back, also when it follows another', () => {
    const bytes = writeCpio(entries);
    expect(readCpio(bytes)).toEqual(entries);
    expect(readCpio(Buffer.concat([bytes, new Uint8Array(12), bytes]))).toEqual([...entries, ...entries]);
  });

  it('of any entries gives them back', () => {
    const path = fc
      .array(
        fc.stringMatching(/^[\w .é-]{1,20}$/).filter((s) => s !== '..'),
        { minLength: 1, maxLength: 3 },
      )
      .map((p) => p.join('/'));
    const mode = fc.nat(0o7777);
    const number = fc.nat(0xfffff);
    const entry: fc.Arbitrary<CpioEntry> = fc.oneof(
      fc.record({ kind: fc.constant('dir' as const), path, mode }),
      fc.record({ kind: fc.constant('file' as const), path, mode, data: fc.uint8Array({ maxLength: 50 }) }),
      fc.record({ kind: fc.constant('symlink' as const), path, target: fc.string({ minLength: 1 }) }),
      fc.record({ kind: fc.constant('fifo' as const), path, mode }),
      fc.record({ kind: fc.constant('char' as const), path, mode, major: number, minor: number }),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (list) => {
        expect(readCpio(writeCpio(list))).toEqual(list);
      }),
    );
  });

  it.skipIf(spawnSync('cpio', ['--version']).error)('is what cpio reads', () => {
    const list = execFileSync('cpio', ['-itv', '--quiet', '--numeric-uid-gid'], {
      input: writeCpio(entries),
      env: { ...process.env, TZ: 'UTC' },
    });
    const shown = list
      .toString()
      .replace(/ +/g, ' ')
      .replace(/ Jan 1 1970/g, '')
      .trim()
      .split('\n');
    expect(shown).toEqual([
      'drwxr-xr-x 2 0 0 0 etc',
      '-rw-r----- 1 0 0 3 etc/odd',
      '-rwsr-xr-x 1 0 0 2 init',
      'lrwxrwxrwx 1 0 0 11 sh -> bin/busybox',
      'crw------- 1 0 0 5, 1 console',
      'brw-rw---- 1 0 0 254, 16 vda',
      'prw--w--w- 1 0 0 0 pipe',
    ]);
  });
});

it.each(['/etc', '', 'a//b', '../etc', 'a\0b'])('the path %j is refused', (path) => {
  expect(() => writeCpio([{ kind: 'dir', path }])).toThrow(CpioError);
});

it('an archive cut off anywhere is refused', () => {
  const bytes = writeCpio(entries);
  for (let length = 1; length < bytes.length - 4; length++) {
    expect(() => readCpio(bytes.subarray(0, length))).toThrow(CpioError);
  }
});
