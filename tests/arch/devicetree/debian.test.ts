import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseDtb, writeDtb } from '../../../arch/devicetree/dtb.ts';
import { compileDts, writeDts } from '../../../arch/devicetree/dts.ts';
import { dtc, hasDtc, normalised } from './dtc.ts';

const run = process.env['NAXOS_SLOW'] === '1' && hasDtc;
const note = run ? '' : ' (skipped: it needs NAXOS_SLOW=1, dtc, apt and the network)';

/** Fetches the arm64 kernel packages that Debian's meta-packages name and unpacks their .dtb files into `folder`. */
function fetchDtbs(folder: string): void {
  for (const part of ['lists/partial', 'cache/archives/partial', 'dtbs'])
    mkdirSync(join(folder, part), { recursive: true });
  writeFileSync(join(folder, 'status'), '');
  // An apt of its own for arm64: the host's state and architectures stay as they are.
  const settings = {
    'APT::Architecture': 'arm64',
    'APT::Architectures': 'arm64',
    'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const apt = (tool: string, ...args: string[]) =>
    execFileSync(tool, [...options, ...args], { cwd: folder, stdio: 'pipe' }).toString();
  apt('apt-get', 'update');
  const metas = apt('apt-cache', 'search', '--names-only', '^linux-image-([0-9.]+-)?arm64$').matchAll(/^\S+/gm);
  const packages = [...metas].flatMap(([meta]) => {
    const signed = /Depends: (linux-image-[0-9]\S*)/.exec(apt('apt-cache', 'depends', meta))?.[1];
    return signed ? [signed] : [];
  });
  if (packages.length === 0) throw new Error('apt knows no kernel');
  apt('apt-get', 'download', ...new Set(packages));
  for (const file of globSync('*.deb', { cwd: folder })) {
    const unpack = `dpkg-deb --fsys-tarfile '${file}' | tar -x -C dtbs --wildcards '*.dtb'`;
    execFileSync('sh', ['-c', unpack], { cwd: folder, stdio: 'pipe' });
  }
}

describe.skipIf(!run)(`every DTB of Debian's arm64 kernels${note}`, () => {
  // Fetched once, as the default guest is: the next run needs no network.
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'naxos');
  const folder = join(cache, 'dtbs');
  let failure: unknown;

  beforeAll(() => {
    if (existsSync(folder)) return;
    mkdirSync(cache, { recursive: true });
    const partial = mkdtempSync(join(cache, 'dtbs-'));
    try {
      fetchDtbs(partial);
      renameSync(join(partial, 'dtbs'), folder);
    } catch (error) {
      failure = error;
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }, 600_000);

  it('is the same tree after parsing and writing, and through source by our compiler and by dtc', ({ skip }) => {
    skip(failure !== undefined, `cannot fetch Debian's kernels: ${String(failure).split('\n')[0]}`);
    const files = globSync(join(folder, '**', '*.dtb'));
    expect(files.length).toBeGreaterThan(400);
    for (const file of files) {
      const name = relative(folder, file);
      const original = readFileSync(file);
      const tree = parseDtb(original);
      const written = Buffer.from(writeDtb(tree));
      // Those that fdtoverlay made have their strings in another order.
      if (!written.equals(original)) expect(normalised(written), name).toBe(normalised(original));

      // Source does not tell the booting CPU; the kernel's are compiled with -b 0.
      const compile = (text: string) => {
        const compiled = compileDts(text);
        compiled.bootCpu = tree.bootCpu;
        return Buffer.from(writeDtb(compiled));
      };
      const judge = (text: string) => dtc(text, 'dts', 'dtb', '-f', '-b', `${tree.bootCpu}`);

      const source = writeDts(tree);
      expect(written.equals(compile(source)), `${name}: our source, our compiler`).toBe(true);
      expect(written.equals(judge(source)), `${name}: our source, dtc`).toBe(true);
      // Not compared with the original: dtc 1.6 writes the string list "1", "0" as "1\\00".
      const theirs = dtc(original, 'dtb', 'dts').toString();
      expect(compile(theirs).equals(judge(theirs)), `${name}: dtc's source`).toBe(true);
    }
    console.log(`${files.length} DTBs`);
  }, 1_200_000);
});
