/**
 * Translates random cases on QEMU and compares, or records what it says for the tests:
 *
 *   node tests/arch/core/mmu-qemu/record.ts [--cases N] [--seed S] [--write]
 *
 * Needs qemu-system-aarch64 and the binutils of aarch64-linux-gnu.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PSTATE } from '../../../../arch/core/frame.ts';
import { AREA, Cases, comparablePar, OPS, type Query, RAM, type Recorded, REGISTERS } from './cases.ts';

const QUERIES = 24;
/** Cases in one run of QEMU, whose RAM they share with the results. */
const BATCH = 160;

interface Case {
  seed: number;
  queries: Query[];
}

function assemble(folder: string): string {
  const file = (name: string) => join(folder, name);
  execFileSync('aarch64-linux-gnu-as', ['-o', file('driver.o'), join(import.meta.dirname, 'driver.s')]);
  execFileSync('aarch64-linux-gnu-ld', ['-Ttext=0x40800000', '-o', file('driver.elf'), file('driver.o')]);
  return file('driver.elf');
}

/** Two words for each query: PAR_EL1 and the CRC. */
function runOnQemu(folder: string, driver: string, batch: Case[], cases: Cases): DataView {
  const out = Buffer.alloc(8 + batch.length * ((REGISTERS.length + 2 + 2 * QUERIES) * 8 + AREA));
  let at = 0;
  const put = (value: bigint) => {
    at = out.writeBigUInt64LE(BigInt.asUintN(64, value), at);
  };
  put(BigInt(batch.length));
  for (const { seed } of batch) {
    const queries = cases.make(seed, QUERIES);
    for (const name of REGISTERS) put(cases.machine.get(name));
    put(BigInt(QUERIES));
    put(cases.machine.pstate & PSTATE.PAN ? 1n : 0n);
    for (const { op, va } of queries) {
      put(BigInt(op));
      put(va);
    }
    out.set(cases.tables, at);
    at += AREA;
  }
  const input = join(folder, 'cases.bin');
  writeFileSync(input, out);
  execFileSync(
    'qemu-system-aarch64',
    [
      ...['-M', 'virt,secure=on,virtualization=on,gic-version=3,highmem=off', '-cpu', 'neoverse-n1'],
      ...['-m', String(RAM >> 20), '-display', 'none', '-semihosting-config', 'enable=on,target=native'],
      ...['-device', `loader,file=${driver},cpu-num=0`, '-device', `loader,file=${input},addr=0x41000000`],
    ],
    { cwd: folder, timeout: 300_000, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const results = readFileSync(join(folder, 'results.bin'));
  if (results.length !== batch.length * QUERIES * 16) throw new Error(`QEMU gave ${results.length} bytes of results`);
  return new DataView(results.buffer, results.byteOffset, results.length);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '160' },
      seed: { type: 'string', default: '1' },
      write: { type: 'boolean', default: false },
    },
  });
  const [count, first] = [Number(values.cases), Number(values.seed)];
  const folder = mkdtempSync(join(tmpdir(), 'mmu-'));
  const cases = new Cases();
  const recorded: Recorded[] = [];
  let [compared, mismatches] = [0, 0];
  const statuses = new Map<string, number>();
  try {
    const driver = assemble(folder);
    for (let start = 0; start < count; start += BATCH) {
      const batch: Case[] = [];
      for (let i = start; i < Math.min(count, start + BATCH); i++) batch.push({ seed: first + i, queries: [] });
      const words = runOnQemu(folder, driver, batch, cases);
      for (const [n, { seed }] of batch.entries()) {
        const queries = cases.make(seed, QUERIES);
        const results: Recorded['results'] = [];
        recorded.push({ seed, results });
        for (const [i, query] of queries.entries()) {
          results.push(null);
          if (!cases.comparable(query)) continue;
          compared++;
          const at = (n * QUERIES + i) * 16;
          const par = comparablePar(words.getBigUint64(at, true));
          const crc = words.getUint32(at + 8, true);
          const ours = cases.run(query);
          const status = par & 1n || par >> 63n ? `${(par & 0x7fn).toString(16)}${par & 0x200n ? ' s2' : ''}` : 'ok';
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          results[i] = `${par.toString(16)} ${crc.toString(16)}`;
          if (ours.par === par && ours.crc === crc) continue;
          mismatches++;
          if (mismatches <= 20) {
            const hex = (v: bigint | number) => v.toString(16);
            console.log(
              `seed ${seed} query ${i} AT ${OPS[query.op]!.name} va ${hex(query.va)}: ` +
                `QEMU ${hex(par)} crc ${hex(crc)}, here ${hex(ours.par)} crc ${hex(ours.crc)}`,
            );
          }
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  console.log(`${compared} of ${count * QUERIES} translations compared, ${mismatches} mismatches`);
  console.log(
    [...statuses]
      .sort()
      .map(([status, n]) => `${status}: ${n}`)
      .join(', '),
  );
  if (values.write) {
    writeFileSync(
      join(import.meta.dirname, 'vectors.json'),
      `[\n${recorded.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`,
    );
  }
  if (mismatches > 0) process.exitCode = 1;
}

main();
