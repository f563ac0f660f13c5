/**
 * Assembles the guests in guests/ with the GNU assembler and stores their bytes in guests.json:
 *
 *     node tests/hypervisor/record-guests.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const sources = new URL('guests/', import.meta.url).pathname;
const work = mkdtempSync(join(tmpdir(), 'guests-'));
const guests: Record<string, string> = {};
try {
  for (const file of readdirSync(sources).filter((name) => name.endsWith('.S'))) {
    const object = join(work, 'guest.o');
    const binary = join(work, 'guest.bin');
    execFileSync('aarch64-linux-gnu-as', ['-I', sources, '-o', object, join(sources, file)]);
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    guests[file.replace(/\.S$/, '')] = readFileSync(binary).toString('base64');
  }
} finally {
  rmSync(work, { recursive: true });
}
writeFileSync(new URL('guests.json', import.meta.url), `${JSON.stringify(guests, null, 2)}\n`);
