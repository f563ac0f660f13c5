import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether Debian's device tree compiler, the judge of these tests, is here. */
export const hasDtc = spawnSync('dtc', ['--version']).status === 0;

/** What to append to the name of a test that needs dtc. */
export const dtcNote = hasDtc ? '' : ' (skipped: dtc is not installed)';

type Format = 'dts' | 'dtb';

/** Runs dtc over one input. */
export function dtc(input: string | Uint8Array, from: Format, to: Format, ...flags: string[]): Buffer {
  // With its input from a pipe dtc takes a second for large trees, hence a file.
  const folder = mkdtempSync(join(tmpdir(), 'naxos-dtc-'));
  try {
    const file = join(folder, `in.${from}`);
    writeFileSync(file, input);
    const output = join(folder, `out.${to}`);
    execFileSync('dtc', ['-q', '-q', '-I', from, '-O', to, '-o', output, ...flags, file], { stdio: 'pipe' });
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A flattened tree as sorted source, to compare trees whatever the order of their parts. */
export function normalised(dtb: Uint8Array): string {
  return dtc(dtb, 'dtb', 'dts', '-s').toString();
}
