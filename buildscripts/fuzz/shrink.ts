import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from '../../arch/a64/decode.ts';
import { differences, run } from './cpu.ts';
import { codeOf } from './generate.ts';
import type { Machine } from './machines.ts';
import { assemble, type Item, type Program } from './program.ts';

const NOP = 0xd503201f;

/** Without the items in [from, to). */
const without = (program: Program, from: number, to: number): Program => ({
  ...program,
  items: [...program.items.slice(0, from), ...program.items.slice(to)],
});

const replaced = (program: Program, n: number, item: Item): Program => {
  const old = program.items[n]!;
  // Branches to the old item go to the new one.
  const items = program.items.map((other, m) => {
    if (m === n) return item;
    if ((other.kind === 'branch' || other.kind === 'indirect' || other.kind === 'patch') && other.target === old)
      return { ...other, target: item };
    if (other.kind === 'patch' && other.to === old && old !== undefined) return { ...other, to: item };
    if (other.kind === 'loop' && other.head === old) return { ...other, head: item };
    return other;
  });
  return { ...program, items };
};

function candidates(program: Program): Program[] {
  const out: Program[] = [];
  const n = program.items.length;
  for (let size = n >> 1; size >= 1; size >>= 1)
    for (let at = 0; at + size <= n; at += size) out.push(without(program, at, at + size));
  program.items.forEach((item, at) => {
    if (item.kind === 'branch') {
      if (item.target !== undefined) out.push(replaced(program, at, { ...item, target: undefined }));
    } else if (item.kind === 'head' && item.count > 0)
      out.push(replaced(program, at, { ...item, count: item.count - 1 }));
    else if (item.kind === 'word' && item.word !== NOP) {
      // A field of immediates at zero.
      for (const f of decode(item.word)?.row.fields ?? []) {
        if (!f.name.startsWith('imm')) continue;
        const word = (item.word & ~((2 ** f.width - 1) << f.lsb)) >>> 0;
        if (word !== item.word && decode(word)?.row === decode(item.word)?.row)
          out.push(replaced(program, at, { ...item, word }));
      }
    }
  });
  if (program.start !== 0) out.push({ ...program, start: 0 });
  const { state } = program;
  if (state.interrupts) out.push({ ...program, state: { ...state, interrupts: false } });
  if (state.level !== 0) out.push({ ...program, state: { ...state, level: 0 } });
  state.x.forEach((value, r) => {
    if (value === 0n || r >= 19) return;
    const x = state.x.slice();
    x[r] = 0n;
    out.push({ ...program, state: { ...state, x } });
  });
  if (state.v.some((value) => value !== 0n)) {
    out.push({ ...program, state: { ...state, v: new BigUint64Array(64) } });
    for (let r = 0; r < 32; r++) {
      if (state.v[2 * r] === 0n && state.v[2 * r + 1] === 0n) continue;
      const v = state.v.slice();
      v[2 * r] = v[2 * r + 1] = 0n;
      out.push({ ...program, state: { ...state, v } });
    }
  }
  for (const name of ['nzcv', 'fpcr', 'fpsr'] as const)
    if (state[name] !== 0) out.push({ ...program, state: { ...state, [name]: 0 } });
  return out;
}

/** The smallest program found that still ends differently on the two machines. */
export function shrink(program: Program, qemu: Machine, ours: Machine): Program {
  for (let round = 0; round < 60; round++) {
    const tries = candidates(program);
    const theirs = run(qemu, tries);
    const mine = run(ours, tries);
    const failing = tries.filter((candidate, n) => differences(mine, theirs, n, candidate).length > 0);
    const best = failing[0];
    if (best === undefined) break;
    program = best;
  }
  return program;
}

/** The words in assembly. */
export function disassemble(words: readonly number[], at: number): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  try {
    const file = join(folder, 'code.bin');
    writeFileSync(file, new Uint8Array(Uint32Array.from(words).buffer));
    const text = execFileSync(
      'aarch64-linux-gnu-objdump',
      ['-D', '-b', 'binary', '-m', 'aarch64', `--adjust-vma=${at}`, file],
      { encoding: 'utf8' },
    );
    return text.split('\n').filter((line) => /^\s*[0-9a-f]+:\t/.test(line));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A mismatch for people: code, the registers that it starts with, and what differs. */
export function report(program: Program, qemu: Machine, ours: Machine): string {
  const lines = differences(run(ours, [program]), run(qemu, [program]), 0, program);
  const words = assemble(program);
  const { state } = program;
  const registers = [...state.x]
    .map((value, r) => (value === 0n ? '' : `x${r}=${value.toString(16)}`))
    .filter((s) => s !== '');
  state.v.forEach((value, n) => {
    if (value !== 0n) registers.push(`v${n >> 1}${(n & 1) !== 0 ? 'h' : 'l'}=${value.toString(16)}`);
  });
  const names = program.items.map((item) =>
    item.kind === 'word' ? (decode(item.word)?.row.name ?? 'undefined') : item.kind,
  );
  return [
    names.join('; '),
    ...disassemble(words, codeOf(0) + program.start),
    `EL${state.level}${state.interrupts ? ' interrupts' : ''} sp=${state.sp.toString(16)} nzcv=${state.nzcv} fpcr=${state.fpcr.toString(16)} fpsr=${state.fpsr.toString(16)} ${registers.join(' ')}`,
    ...lines,
  ].join('\n');
}
