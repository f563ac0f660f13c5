import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KVM } from '../../buildscripts/programs/groups.ts';
import { canRunQemu, runOnNaxos } from '../../buildscripts/programs/run.ts';
import { obtainTrees } from '../../buildscripts/programs/tree.ts';
import { ExecStream } from '../../guests/linux/exec-stream.ts';
import { withBootRequest } from '../../guests/linux/initramfs.ts';

const all = process.env['NAXOS_PROGRAMS'] === '1';
const apt = spawnSync('apt-get', ['--version']).error === undefined;
const possible = all && apt && process.arch !== 'arm64' && canRunQemu();
/** Seconds. */
const LIMIT = 1800;
const TOKEN = 'kvm';
const COMMAND = `read -r kernel </proc/version
echo "\${kernel%% (*}" $(grep -c ^processor /proc/cpuinfo)
seq 1 20000 | md5sum
exit 7`;

for (const [mode, says] of [
  ['vhe', 'VHE mode initialized successfully'],
  ['nvhe', 'Hyp mode initialized successfully'],
  ['protected', 'Protected nVHE mode initialized successfully'],
] as const) {
  it.runIf(possible)(`Linux at EL2 runs a guest by KVM (${mode})`, { timeout: 2 * LIMIT * 1000 }, async () => {
    const [tree] = await obtainTrees([KVM], () => {});
    const { kernel, initrd } = tree!.guest;
    const inner = withBootRequest(readFileSync(initrd), { exec: { command: COMMAND, token: TOKEN } });
    const files = [
      { kind: 'file' as const, path: 'test/kernel', data: readFileSync(kernel) },
      { kind: 'file' as const, path: 'test/initrd', data: inner },
    ];
    const job = { group: KVM, tree: tree!, script: 'kvm.sh', variables: '', limit: LIMIT, files };
    const host = await runOnNaxos(job, ['--el', '2', '--append', `kvm-arm.mode=${mode}`], 'bare');
    let output = '';
    let console = '';
    const guest = new ExecStream(TOKEN, {
      output: (bytes) => (output += Buffer.from(bytes).toString('latin1')),
      console: (bytes) => (console += Buffer.from(bytes).toString('latin1')),
    });
    guest.push(host.output);
    guest.finish();
    expect(host.status, host.rest + console).toBe(0);
    expect(host.rest).toContain(says);
    expect(output).toMatch(/^Linux version \S+ 1\ne071f707df7bbeee2a6a1eb48011ddd0 {2}-\n$/);
    expect(guest.status).toBe(7);
  });
}
