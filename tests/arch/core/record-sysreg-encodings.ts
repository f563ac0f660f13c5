/**
 * Records the encodings that the GNU assembler gives the names in the system register table:
 * `node tests/arch/core/record-sysreg-encodings.ts` writes sysreg-encodings.json beside it. Needs
 * aarch64-linux-gnu-as and aarch64-linux-gnu-objcopy.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPERATIONS } from '../../../arch/core/sysreg-ops.ts';
import { numberedRows, TABLE, type Row } from '../../../arch/core/sysreg-table.ts';

const lines: [name: string, assembly: string][] = [];
for (const [name, row] of [...Object.entries<Row>(TABLE), ...numberedRows()]) {
  lines.push([name, row.readEl === 3 ? `msr ${name}, x0` : `mrs x0, ${name}`]);
}
for (const { name } of OPERATIONS.values()) {
  const alone = / (VM)?ALL(E|S)|IALLU/.test(name);
  lines.push([name, alone ? name : `${name}, x0`]);
}

const folder = mkdtempSync(join(tmpdir(), 'naxos-sysreg-'));
try {
  const [source, object, binary] = ['a.s', 'a.o', 'a.bin'].map((file) => join(folder, file)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, ['.arch armv8.6-a+rng+memtag+ssbs', ...lines.map(([, line]) => line), ''].join('\n'));
  execFileSync('aarch64-linux-gnu-as', [source, '-o', object]);
  execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', object, binary]);
  const code = readFileSync(binary);
  const encodings = lines.map(([name], n) => [name, (code.readUInt32LE(n * 4) >>> 5) & 0xffff] as const);
  const target = new URL('sysreg-encodings.json', import.meta.url);
  writeFileSync(target, `${JSON.stringify(Object.fromEntries(encodings), null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
