import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'naxos-setup-'));
  for (const folder of ['bin', 'buildscripts', 'tools']) mkdirSync(join(root, folder));
  for (const file of ['buildscripts/setup.sh', 'bin/runtime.js']) copyFileSync(join(project, file), join(root, file));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(root, 'package-lock.json'), '{}');
  // The host's own may be an older one.
  tool('node', `exec '${process.execPath}' "$@"`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A command in place of another: a shell script. */
function tool(name: string, script: string): void {
  writeFileSync(join(root, 'tools', name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'tools', name), 0o755);
}

function setUp(): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, PATH: `${join(root, 'tools')}:${process.env['PATH']}`, SETUP_VERBOSE: '0' };
  return spawnSync(join(root, 'buildscripts/setup.sh'), { encoding: 'utf8', env });
}

describe('the set-up ends with one line and status 2', () => {
  it.each([
    [
      'without a network',
      `echo 'npm error code EAI_AGAIN
npm error syscall getaddrinfo
npm error errno EAI_AGAIN
npm error request to https://example.org/a failed, reason: getaddrinfo EAI_AGAIN example.org
npm error A complete log of this run can be found in: /home/a/.npm/_logs/debug-0.log' >&2; exit 1`,
      'cannot fetch the npm packages (EAI_AGAIN): check the network and run this again',
    ],
    ['on a full disk', "echo 'npm error code ENOSPC' >&2; exit 228", 'cannot install the npm packages (ENOSPC): free'],
    [
      'when npm says something else',
      "echo 'npm error code EUSAGE' >&2; echo 'npm error the lock file does not fit' >&2; exit 1",
      'npm ci failed (EUSAGE): the lock file does not fit\n',
    ],
    ['when npm says nothing', 'exit 9', 'npm ci failed\n'],
  ])('%s', (_, script, message) => {
    tool('npm', script);
    const { status, stdout, stderr } = setUp();
    expect(stderr.slice(0, `naxos set-up: ${message}`.length)).toBe(`naxos set-up: ${message}`);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect([status, stdout]).toEqual([2, '']);
    expect(existsSync(join(root, 'node_modules/.naxos-setup'))).toBe(false);
  });

  it('with a Node.js that is too old and no other to be had', () => {
    tool('npm', `[ "$1" = ci ] && mkdir -p node_modules/.bin && exit; echo 'npm error code ENOTFOUND' >&2; exit 1`);
    // Only the launcher sees the version: everything else about this Node.js is as it is.
    writeFileSync(join(root, 'old.cjs'), "Object.defineProperty(process.versions, 'node', { value: '20.1.0' });");
    tool('node', `NODE_OPTIONS='--require ${join(root, 'old.cjs')}' exec '${process.execPath}' "$@"`);
    const { status, stderr } = setUp();
    expect(stderr).toMatch(
      /^naxos: Node\.js 24 or newer is needed, this is 20\.1\.0, .*\(ENOTFOUND\): check the network.*\n$/,
    );
    expect(status).toBe(2);
  });
});

it('npm does not try for minutes', () => {
  tool('npm', 'echo "npm error $*" >&2; exit 1');
  expect(setUp().stderr).toMatch(/--fetch-retries=2 --fetch-retry-mintimeout=500 --fetch-retry-maxtimeout=2000/);
});

it('what is set up is not set up again', () => {
  tool('npm', 'mkdir -p node_modules/.bin; echo again >>installed');
  expect(setUp()).toMatchObject({ status: 0, stdout: '', stderr: '' });
  tool('npm', 'exit 1');
  expect(setUp()).toMatchObject({ status: 0, stdout: '', stderr: '' });
});
