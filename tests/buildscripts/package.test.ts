import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

// Builds the package and installs it, which takes the network where npm's cache lacks the dependencies.
describe.runIf(process.env['NAXOS_SLOW'])('the packed package, installed into an empty folder', () => {
  let folder: string;
  const run = (file: string, ...args: string[]): string => execFileSync(file, args, { cwd: folder, encoding: 'utf8' });

  /** Files of dist whose text has something. */
  const filesWith = (suffix: string, what: RegExp): string[] => {
    const dist = join(folder, 'node_modules/naxos/dist');
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(suffix));
    expect(files.length).toBeGreaterThan(50);
    return files.filter((name) => what.test(readFileSync(join(dist, name), 'utf8')));
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'naxos-package-'));
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
    const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    run('npm', 'install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('provides the naxos command', () => {
    expect(run(join(folder, 'node_modules/.bin/naxos'), '--version').trim()).toBe(version);
  });

  test('contains no TypeScript source, test or set-up script', () => {
    const files = readdirSync(join(folder, 'node_modules/naxos'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => /(?<!\.d)\.ts$|\.test\.|^tests|^buildscripts/.test(name))).toEqual([]);
  });

  test('gives the library entry, without a .ts left in what it imports', () => {
    expect(run(process.execPath, '-e', "import('naxos').then((m) => console.log(typeof m))").trim()).toBe('object');
    expect(filesWith('.js', /\.\/[^'"\s]*\.ts['"]/)).toEqual([]);
  });

  test('says to an older Node.js which one its library needs, before something is missing there', () => {
    const old = "Object.defineProperty(process.versions, 'node', { value: '20.1.0' });";
    const { stderr, status } = spawnSync(process.execPath, ['-e', `${old} import('naxos')`], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toContain('Error: naxos needs Node.js 24 or newer, this is 20.1.0');
    expect(status).toBe(1);
    // A name that a module does not export fails before that: zstd is not in every version from 20 on.
    expect(filesWith('.js', /import \{.*\} from 'node:zlib'/)).toEqual([]);
  });

  test('has declarations that a TypeScript before 5.7 can read, where typed arrays have no type parameter', () => {
    expect(filesWith('.d.ts', /(Int|Uint|Float)\d+(Clamped)?Array</)).toEqual([]);
  });

  test('is typed: a strict consumer type-checks against it', () => {
    writeFileSync(join(folder, 'use.ts'), "import * as naxos from 'naxos';\nexport const library: object = naxos;\n");
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const options = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', ...types];
    expect(run(process.execPath, tsc, ...options, 'use.ts')).toBe('');
  });
});
