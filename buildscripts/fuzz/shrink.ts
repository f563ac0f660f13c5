import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from './machines.ts';
import type { Random } from './random.ts';

/** Makes cases that two machines run and that must end the same way on both. */
export interface Fuzzer<Case> {
  make(r: Random): Case;
  /** What cases leave behind, one after the other. */
  run(machine: Machine, cases: readonly Case[]): Buffer;
  /** How what the case `c`, the n-th of its run, leaves behind differs: a line each; none when it agrees. */
  differences(mine: Buffer, theirs: Buffer, n: number, c: Case): string[];
  /** Cases that are a little simpler, those first that have lost most. */
  simpler(c: Case): Case[];
  /** A case for people, in lines: its code, and what it starts with. */
  describe(c: Case): string[];
}

/** A case without each half of its items, each quarter … each one. */
export function shorter<Case extends { items: readonly unknown[] }>(c: Case): Case[] {
  const out: Case[] = [];
  const n = c.items.length;
  for (let size = n >> 1; size >= 1; size >>= 1)
    for (let at = 0; at + size <= n; at += size)
      out.push({ ...c, items: [...c.items.slice(0, at), ...c.items.slice(at + size)] });
  return out;
}

/** The simplest case found that still ends differently on the two machines. */
export function shrink<Case>(fuzzer: Fuzzer<Case>, c: Case, qemu: Machine, ours: Machine): Case {
  for (let round = 0; round < 60; round++) {
    const tries = fuzzer.simpler(c);
    let theirs: Buffer;
    try {
      theirs = fuzzer.run(qemu, tries);
    } catch {
      // One of them does not end.
      break;
    }
    const mine = fuzzer.run(ours, tries);
    const best = tries.find((candidate, n) => fuzzer.differences(mine, theirs, n, candidate).length > 0);
    if (best === undefined) break;
    c = best;
  }
  return c;
}

/** A mismatch for people: the case, and what differs. */
export function report<Case>(fuzzer: Fuzzer<Case>, c: Case, qemu: Machine, ours: Machine): string {
  const lines = fuzzer.differences(fuzzer.run(ours, [c]), fuzzer.run(qemu, [c]), 0, c);
  return [...fuzzer.describe(c), ...lines].join('\n');
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
