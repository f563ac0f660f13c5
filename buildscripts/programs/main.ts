/**
 * Runs groups of Debian programs and shows where Naxos differs from QEMU.
 *
 *   node buildscripts/programs/main.ts [GROUP…] [--only naxos|qemu] [--keep FOLDER] [--limit SECONDS] [--quick] [--bare]
 *   node buildscripts/programs/main.ts GROUP --script FILE     another script of tests/programs
 *
 * What follows `--` goes to `naxos boot`, or with `--bare` to `naxos bare`: `--bare -- --cpus 4`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GROUPS } from './groups.ts';
import { runOnNaxos, runOnQemu, type Result } from './run.ts';
import { obtainTrees } from './tree.ts';

const end = process.argv.indexOf('--');
const flags = end < 0 ? [] : process.argv.slice(end + 1);
const { values, positionals } = parseArgs({
  args: process.argv.slice(2, end < 0 ? undefined : end),
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    keep: { type: 'string' },
    limit: { type: 'string', default: '3600' },
    script: { type: 'string' },
    quick: { type: 'boolean', default: false },
    bare: { type: 'boolean', default: false },
  },
});
const chosen = values.quick ? GROUPS.filter(({ quick }) => quick !== undefined) : GROUPS;
const groups = positionals.length === 0 ? chosen : GROUPS.filter(({ name }) => positionals.includes(name));
const trees = await obtainTrees(groups, (stage) => console.error(stage));
const limit = Number(values.limit);
for (const [index, group] of groups.entries()) {
  const tree = trees[index]!;
  const script = values.script ?? `${group.name}.sh`;
  const job = { group, tree, script, variables: values.quick ? (group.quick ?? '') : '', limit };
  const results: Result[] = [];
  for (const engine of ['qemu', 'naxos']) {
    if (values.only !== undefined && values.only !== engine) continue;
    const start = performance.now();
    const result =
      engine === 'naxos' ? await runOnNaxos(job, flags, values.bare ? 'bare' : 'boot') : await runOnQemu(job);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${group.name} ${engine}: status ${result.status}, ${result.output.length} bytes, ${seconds} s`);
    if (result.status === undefined) console.log(result.rest.slice(-2000));
    results.push(result);
    if (values.keep !== undefined) {
      mkdirSync(values.keep, { recursive: true });
      writeFileSync(join(values.keep, `${group.name}.${engine}`), result.output);
      writeFileSync(join(values.keep, `${group.name}.${engine}.rest`), result.rest);
    }
  }
  const [qemu, naxos] = results;
  if (!qemu || !naxos) continue;
  const same = qemu.status === naxos.status && qemu.output.equals(naxos.output);
  console.log(`${group.name}: ${same ? 'the same' : 'DIFFERENT'}`);
  if (!same) process.exitCode = 1;
}
