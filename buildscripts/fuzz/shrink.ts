import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Endless, type Machine } from './machines.ts';
import type { Random } from './random.ts';

export interface Items {
  readonly items: readonly unknown[];
}

/** Makes cases that two machines run and that must end the same way on both. */
export interface Fuzzer<Case extends Items> {
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

export interface Mismatch {
  /** Which of the cases. */
  readonly n: number;
  /** How it ends differently: a line each. */
  readonly lines: readonly string[];
}

/** With little patience, as for few cases. */
function briefly<T>(machines: readonly Machine[], work: () => T): T {
  const before = machines.map((machine) => machine.patience);
  for (const machine of machines) machine.patience = Math.min(machine.patience, 10);
  try {
    return work();
  } finally {
    machines.forEach((machine, n) => (machine.patience = before[n]!));
  }
}

/**
 * Runs cases on both machines.
 * @param neither is told of the cases that end on neither, which is no mismatch
 * @throws Endless when there is no end without a case's items either
 */
export function* mismatches<Case extends Items>(
  fuzzer: Fuzzer<Case>,
  cases: readonly Case[],
  qemu: Machine,
  ours: Machine,
  neither?: (n: number) => void,
): Generator<Mismatch> {
  const left = cases.slice();
  const endless = new Set<number>();
  const results: Buffer[] = [];
  for (const [machine, other, line] of [
    [ours, qemu, 'does not end, but does on QEMU'],
    [qemu, ours, 'does not end on QEMU, but does here'],
  ] as const) {
    for (;;) {
      const result = fuzzer.run(machine, left);
      const n = machine.stuck;
      if (n === undefined) {
        results.push(result);
        break;
      }
      const c = left[n];
      if (c === undefined || endless.has(n)) throw new Endless(`case ${n} of a run ${line}, even without its items`);
      endless.add(n);
      // Others stay where they are.
      left[n] = { ...c, items: [] };
      briefly([other], () => fuzzer.run(other, [c]));
      if (other.stuck === undefined) yield { n, lines: [line] };
      else neither?.(n);
    }
  }
  for (let n = 0; n < cases.length; n++) {
    const lines = endless.has(n) ? [] : fuzzer.differences(results[0]!, results[1]!, n, cases[n]!);
    if (lines.length > 0) yield { n, lines };
  }
}

/** The simplest case found that still ends differently on the two machines. */
export function shrink<Case extends Items>(fuzzer: Fuzzer<Case>, c: Case, qemu: Machine, ours: Machine): Case {
  return briefly([qemu, ours], () => {
    try {
      for (let round = 0; round < 60; round++) {
        const tries = fuzzer.simpler(c);
        const found = mismatches(fuzzer, tries, qemu, ours).next();
        if (found.done === true) break;
        c = tries[found.value.n]!;
      }
    } catch (error) {
      if (!(error instanceof Endless)) throw error;
    }
    return c;
  });
}

/** A mismatch for people: the case, and what differs. */
export function report<Case extends Items>(fuzzer: Fuzzer<Case>, c: Case, qemu: Machine, ours: Machine): string {
  const found = briefly([qemu, ours], () => mismatches(fuzzer, [c], qemu, ours).next());
  return [...fuzzer.describe(c), ...(found.done === true ? ['ends the same way alone'] : found.value.lines)].join('\n');
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
