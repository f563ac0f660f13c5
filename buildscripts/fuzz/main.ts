import { parseArgs } from 'node:util';
import { cpuFuzzer, run } from './cpu.ts';
import { Generator } from './generate.ts';
import { CODE, CODE_BYTES, OTHER_VIEW } from './layout.ts';
import { Ours, Qemu, TIERS, type Machine } from './machines.ts';
import { MMU_BATCH, MmuFuzzer } from './mmu.ts';
import type { Program } from './program.ts';
import { Random } from './random.ts';
import { report, shrink, type Fuzzer } from './shrink.ts';
import { SYSTEM_BATCH, SystemFuzzer } from './system.ts';
import { words } from './words.ts';

const USAGE = `npm run fuzz -- WHAT [--cases N] [--seed S] [--batch N] [--keep N]
  cpu     random programs at EL0 on QEMU and here; --only REGEX for rows of the table by name, --integer without SIMD&FP
  mmu     accesses at EL0 and EL1 under random tables of both stages
  system  system registers, exceptions, returns and debug exceptions at EL0 to EL2
  words   random words at each level: nothing may throw, hang or write outside RAM
A mismatch is shrunk and shown; after --keep of them (4) the run ends. It needs qemu-system-aarch64 and aarch64-linux-gnu-gcc.`;

/** Says what is wrong with the command line. */
function refuse(message: string): never {
  console.error(`fuzz: ${message}\n\n${USAGE}`);
  process.exit(2);
}

const CONFIG = {
  allowPositionals: true,
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    batch: { type: 'string', default: '2000' },
    only: { type: 'string' },
    integer: { type: 'boolean', default: false },
    keep: { type: 'string', default: '4' },
  },
} as const;

function parse(): ReturnType<typeof parseArgs<typeof CONFIG>> {
  try {
    return parseArgs(CONFIG);
  } catch (error) {
    refuse((error as Error).message);
  }
}

const { values, positionals } = parse();
for (const name of ['cases', 'seed', 'batch', 'keep'] as const)
  if (!/^\d+$/.test(values[name]) || (name !== 'seed' && Number(values[name]) === 0))
    refuse(`--${name} ${values[name]}: not a number${name === 'seed' ? '' : ' above 0'}`);

/** Whether a program that does not end here ends on QEMU. */
function ends(qemu: Qemu, program: Program): boolean {
  const { patience } = qemu;
  qemu.patience = 20_000;
  try {
    run(qemu, [program]);
    return true;
  } catch {
    return false;
  } finally {
    qemu.patience = patience;
  }
}

async function cpu(): Promise<number> {
  const fuzzer = cpuFuzzer(
    new Generator({ only: values.only === undefined ? undefined : new RegExp(values.only), simd: !values.integer }),
  );
  const qemu = new Qemu();
  const ours = new Ours();
  let mismatches = 0;
  let done = 0;
  let batches = 0;
  const seen = new Set<string>();
  try {
    const total = Number(values.cases);
    for (let seed = Number(values.seed); done < total;) {
      const programs: Program[] = [];
      const batch = Math.min(Number(values.batch), total - done);
      for (let n = 0; n < batch; n++) programs.push(fuzzer.make(new Random(seed + n)));
      const tier = TIERS[batches++ % TIERS.length]!;
      ours.tier = tier;
      const t0 = performance.now();
      let mine = run(ours, programs);
      while (ours.stuck !== undefined) {
        // A return to what stands between fuel and branch goes on for ever. Only if it ends on QEMU it is a mismatch.
        const n = Math.floor((Number(ours.stuck & ~BigInt(OTHER_VIEW)) - CODE) / CODE_BYTES);
        const endless = programs[n];
        if (endless === undefined) throw new Error(`seeds from ${seed}: no end at pc ${ours.stuck.toString(16)}`);
        if (ends(qemu, endless)) {
          mismatches++;
          console.log(`seed ${seed + n} (${tier}): does not end`);
        }
        programs[n] = { ...endless, items: [] };
        mine = run(ours, programs);
      }
      const t1 = performance.now();
      const theirs = run(qemu, programs);
      const t2 = performance.now();
      for (let n = 0; n < batch; n++) {
        if (fuzzer.differences(mine, theirs, n, programs[n]!).length === 0) continue;
        mismatches++;
        if (seen.size >= Number(values.keep)) continue;
        const text = report(fuzzer, shrink(fuzzer, programs[n]!, qemu, ours), qemu, ours);
        const key = text.split('\n')[0]!;
        if (seen.has(key)) continue;
        seen.add(key);
        console.log(`seed ${seed + n} (${tier}):\n${text}\n`);
      }
      seed += batch;
      done += batch;
      console.log(
        `${done} programs, ${mismatches} mismatches (${tier}; QEMU ${((t2 - t1) / 1000).toFixed(1)} s, ours ${((t1 - t0) / 1000).toFixed(1)} s)`,
      );
      if (seen.size >= Number(values.keep)) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    qemu.close();
    ours.close();
  }
  return mismatches;
}

async function compare<Case>(make: (qemu: Qemu, ours: Machine) => Fuzzer<Case>, most: number): Promise<number> {
  const qemu = new Qemu();
  const ours = new Ours();
  const fuzzer = make(qemu, ours);
  let mismatches = 0;
  let reported = 0;
  let batches = 0;
  try {
    const [total, seed, keep] = [Number(values.cases), Number(values.seed), Number(values.keep)];
    for (let done = 0; done < total && reported < keep;) {
      const batch = Math.min(Number(values.batch), most, total - done);
      const cases = Array.from({ length: batch }, (_, n) => fuzzer.make(new Random(seed + done + n)));
      ours.tier = TIERS[batches++ % TIERS.length]!;
      const theirs = fuzzer.run(qemu, cases);
      const mine = fuzzer.run(ours, cases);
      if (ours.stuck !== undefined)
        throw new Error(`seeds from ${seed + done}: no end at pc ${ours.stuck.toString(16)}`);
      for (let n = 0; n < batch; n++) {
        if (fuzzer.differences(mine, theirs, n, cases[n]!).length === 0) continue;
        mismatches++;
        if (reported++ < keep)
          console.log(
            `seed ${seed + done + n}:\n${report(fuzzer, shrink(fuzzer, cases[n]!, qemu, ours), qemu, ours)}\n`,
          );
      }
      done += batch;
      if (batches % 10 === 0 || done >= total) console.log(`${done} cases, ${mismatches} mismatches`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    qemu.close();
    ours.close();
  }
  return mismatches;
}

const what = positionals[0];
if (what === 'cpu') process.exitCode = (await cpu()) > 0 ? 1 : 0;
else if (what === 'words') process.exitCode = (await words(Number(values.cases), Number(values.seed))) > 0 ? 1 : 0;
else if (what === 'mmu') process.exitCode = (await compare((qemu) => new MmuFuzzer(qemu), MMU_BATCH)) > 0 ? 1 : 0;
else if (what === 'system')
  process.exitCode = (await compare((qemu, ours) => new SystemFuzzer(qemu, ours), SYSTEM_BATCH)) > 0 ? 1 : 0;
else refuse(what === undefined ? 'say what to compare' : `${what}: nothing of that name`);
