import { execFileSync, spawnSync } from 'node:child_process';

/** Whether Debian's device tree compiler, the judge of these tests, is here. */
export const hasDtc = spawnSync('dtc', ['--version']).status === 0;

/** What to append to the name of a test that needs dtc. */
export const dtcNote = hasDtc ? '' : ' (skipped: dtc is not installed)';

type Format = 'dts' | 'dtb';

/** Runs dtc over one input. */
export function dtc(input: string | Uint8Array, from: Format, to: Format, ...flags: string[]): Buffer {
  const options = { input, maxBuffer: 64 << 20, stdio: 'pipe' } as const;
  return execFileSync('dtc', ['-q', '-q', '-I', from, '-O', to, ...flags, '-'], options);
}

/** A flattened tree as sorted source, to compare trees whatever the order of their parts. */
export function normalised(dtb: Uint8Array): string {
  return dtc(dtb, 'dtb', 'dts', '-s').toString();
}
