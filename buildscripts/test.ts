/**
 * Runs the checks (format, lint, types) and vitest, all of them even when one fails. Arguments go to vitest.
 * Ends with the line `N passed, N failed`, counted from vitest's own report; a failed check counts as one failure.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What this script reads of vitest's JSON report. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

/** Runs a tool of node_modules/.bin (the caller puts it first in PATH) with its output on this terminal. */
function succeeds(tool: string, args: string[]): boolean {
  const { status, error } = spawnSync(tool, args, { stdio: 'inherit' });
  if (error) console.error(`${tool}: ${error.message}`);
  return status === 0;
}

/** Reads vitest's report; a run that died before writing it counts as one failure. */
function readReport(file: string): { passed: number; failed: number } {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    // A file that could not be loaded or set up fails without a failed test.
    const broken = report.testResults.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
    );
    return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
  } catch (error) {
    console.error(`no report from vitest: ${(error as Error).message}`);
    return { passed: 0, failed: 1 };
  }
}

function runTests(args: string[]): { passed: number; failed: number } {
  const folder = mkdtempSync(join(tmpdir(), 'naxos-test-'));
  try {
    const file = join(folder, 'report.json');
    const ok = succeeds('vitest', [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...args,
    ]);
    const { passed, failed } = readReport(file);
    if (ok && passed + failed === 0) console.error('no test ran');
    // An error outside any test, or a run without tests, fails too.
    return { passed, failed: failed === 0 && (!ok || passed === 0) ? 1 : failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const checks: [name: string, tool: string, args: string[]][] = [
  ['format', 'prettier', ['--check', '--log-level=warn', '.']],
  ['lint', 'eslint', ['.']],
  ['types', 'tsc', ['--noEmit']],
];

const failedChecks: string[] = [];
for (const [name, tool, args] of checks) {
  console.log(`\n== ${name}`);
  if (!succeeds(tool, args)) failedChecks.push(name);
}
console.log('\n== tests');
const tests = runTests(process.argv.slice(2));

if (failedChecks.length > 0) console.log(`failed checks: ${failedChecks.join(', ')}`);
const failed = tests.failed + failedChecks.length;
console.log(`${tests.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
