/**
 * Records what qemu-system-aarch64 makes of the cases of sysreg-trap-cases.ts: `node
 * tests/arch/core/record-sysreg-traps.ts` writes sysreg-traps.json beside it. Needs aarch64-linux-gnu-gcc and
 * qemu-system-aarch64.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { instructions, trapCases } from './sysreg-trap-cases.ts';

const EACH = 4;
const harness = fileURLToPath(new URL('sysreg-traps.S', import.meta.url));
const list = instructions();
const cases = trapCases(list, EACH);
const data = cases.flatMap((c) => [
  [BigInt(c.word), c.spsr, c.hcr, c.mdcr, c.cptr, c.cnthctl, c.sctlr1, c.sctlr2, c.cpacr, c.cntkctl, c.mdscr, c.ichHcr]
    .map((value) => `0x${value.toString(16)}`)
    .join(', '),
]);

const folder = mkdtempSync(join(tmpdir(), 'naxos-traps-'));
try {
  const table = join(folder, 'cases.S');
  const image = join(folder, 'image.elf');
  writeFileSync(
    table,
    `.data\n.balign 8\n.globl count, cases\ncount: .quad ${cases.length}\ncases:\n${data.map((line) => `.quad ${line}\n`).join('')}`,
  );
  execFileSync('aarch64-linux-gnu-gcc', ['-nostdlib', '-static', '-Wl,-Ttext=0x40080000', '-o', image, harness, table]);
  const machine = 'virt,virtualization=on,gic-version=3';
  const options = [
    '-cpu',
    'max,sve=off,pauth=off',
    '-display',
    'none',
    '-monitor',
    'none',
    '-serial',
    'stdio',
    '-kernel',
    image,
  ];
  const output = execFileSync('qemu-system-aarch64', ['-M', machine, ...options], {
    timeout: 120_000,
    encoding: 'utf8',
  });
  const results = output
    .trim()
    .split('\n')
    .map((line) => line.trim().replace(/(?<=^| )0+(?=[0-9a-f])/g, ''));
  if (results.length !== cases.length) throw new Error(`${results.length} results for ${cases.length} cases`);
  const target = new URL('sysreg-traps.json', import.meta.url);
  writeFileSync(
    target,
    `${JSON.stringify({ each: EACH, instructions: Object.fromEntries(list), results }, null, 1)}\n`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
