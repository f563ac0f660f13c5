/**
 * Records the programs of this folder: `node tests/arch/core/programs/record.ts [NAME…]` assembles each, runs it on
 * QEMU, and writes image and output into programs.json. Needs aarch64-linux-gnu-gcc and qemu-system-aarch64.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { LOAD_ADDRESS, runProgram, type Program } from './run.ts';

const here = import.meta.dirname;
const target = join(here, 'programs.json');

/** What a program expects where QEMU is no judge: its `//= ` lines. */
function expected(source: string): string[] {
  return [...source.matchAll(/^\/\/= (.*)$/gm)].map(([, line = '']) => line);
}

/** A program may say in a comment which processor and machine judge it. */
function directive(source: string, name: string, otherwise: string): string {
  return new RegExp(`^// ${name}: (.*)$`, 'm').exec(source)?.[1] ?? otherwise;
}

function record(name: string, folder: string): Program {
  const source = join(here, `${name}.S`);
  const elf = join(folder, 'image.elf');
  const flat = join(folder, 'image.bin');
  const script = `-Wl,-Ttext=0x${LOAD_ADDRESS.toString(16)},-z,norelro,-z,max-page-size=16,--no-warn-rwx-segments`;
  const flags = ['-nostdlib', '-static', '-Wl,--build-id=none', script];
  execFileSync('aarch64-linux-gnu-gcc', [...flags, '-I', here, '-o', elf, source]);
  execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', elf, flat]);
  const text = readFileSync(source, 'utf8');
  const image = readFileSync(flat).toString('base64');
  const lines = expected(text);
  // What QEMU prints is of interest only where it is said to be something else.
  if (lines.length > 0 && !text.includes('\n//# ')) return { image, lines };
  const cpu = directive(text, 'cpu', 'max,sve=off,pauth=off');
  const more = directive(text, 'qemu', '').split(' ').filter(Boolean);
  const output = execFileSync(
    'qemu-system-aarch64',
    [
      ...['-M', 'virt,virtualization=on,gic-version=3', '-cpu', cpu, '-display', 'none', '-monitor', 'none'],
      ...['-serial', 'stdio', '-kernel', elf, ...more],
    ],
    { timeout: 10_000, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const printed = output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.length > 0 ? { image, lines, qemu: printed } : { image, lines: printed };
}

const programs: Record<string, Program> = existsSync(target)
  ? (JSON.parse(readFileSync(target, 'utf8')) as Record<string, Program>)
  : {};
const all = readdirSync(here)
  .filter((file) => file.endsWith('.S') && !['harness.S', 'mmu.S'].includes(file))
  .map((file) => basename(file, '.S'));
const names = process.argv.length > 2 ? process.argv.slice(2) : all;
const folder = mkdtempSync(join(tmpdir(), 'naxos-programs-'));
try {
  for (const name of names) {
    const program = record(name, folder);
    programs[name] = program;
    const ours = runProgram(program.image);
    program.lines.forEach((line, n) =>
      console.log(line === ours[n] ? '  ' : '≠ ', line, line === ours[n] ? '' : `| here ${ours[n]}`),
    );
    if (ours.length > program.lines.length)
      console.log('here also', ours.slice(program.lines.length, program.lines.length + 9));
  }
} finally {
  rmSync(folder, { recursive: true });
}
for (const name of Object.keys(programs)) if (!all.includes(name)) delete programs[name];
writeFileSync(target, `${JSON.stringify(programs, null, 1)}\n`);
