import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { GROUPS, type Group } from '../../buildscripts/programs/groups.ts';
import { canRunQemu, runOnNaxos, runOnQemu } from '../../buildscripts/programs/run.ts';
import { obtainTrees, type Tree } from '../../buildscripts/programs/tree.ts';

const all = process.env['NAXOS_PROGRAMS'] === '1';
const slow = process.env['NAXOS_SLOW'] === '1';
const apt = spawnSync('apt-get', ['--version']).error === undefined;
const wanted = (group: Group): boolean => all || (slow && group.quick !== undefined);
const possible = apt && process.arch !== 'arm64' && canRunQemu();
const note = possible ? '' : ' (skipped: it needs apt, qemu-aarch64 and name spaces)';

/** Seconds; no program takes so long, it is for what never ends. */
const LIMIT = 3600;

/** Without a network nothing can be compared, unless that is what was asked for. */
async function treeOf(group: Group): Promise<Tree | undefined> {
  try {
    return (await obtainTrees([group], () => {}))[0];
  } catch (error) {
    if (all) throw error;
    console.warn(`${group.name}: ${(error as Error).message}`);
    return undefined;
  }
}

describe.skipIf(!possible)(`Debian's arm64 programs in the guest${note}`, { timeout: 2 * LIMIT * 1000 }, () => {
  for (const group of GROUPS) {
    it.runIf(wanted(group))(`${group.name}: the output of its script is that of QEMU, byte for byte`, async (test) => {
      const tree = await treeOf(group);
      if (!tree) return test.skip();
      const variables = all ? '' : (group.quick ?? '');
      const job = { group, tree, script: `${group.name}.sh`, variables, limit: LIMIT };
      const qemu = await runOnQemu(job);
      const naxos = await runOnNaxos(job);
      expect(naxos.status, naxos.rest).toBe(qemu.status);
      expect(naxos.output.toString('latin1')).toBe(qemu.output.toString('latin1'));
      expect(qemu.output.length).toBeGreaterThan(0);
    });
  }
});
