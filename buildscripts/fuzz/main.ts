import { parseArgs } from 'node:util';
import { cpuFuzzer } from './cpu.ts';
import { Generator } from './generate.ts';
import { Endless, Ours, Qemu, TIERS, type Machine } from './machines.ts';
import { MMU_BATCH, MmuFuzzer } from './mmu.ts';
import type { Program } from './program.ts';
import { Random } from './random.ts';
import { mismatches, report, shrink, type Fuzzer, type Items } from './shrink.ts';
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

/** @returns how many cases ended differently */
async function compare<Case extends Items>(
  make: (qemu: Qemu, ours: Machine) => Fuzzer<Case>,
  most = Infinity,
): Promise<number> {
  const qemu = new Qemu();
  const ours = new Ours();
  const [total, first, keep] = [Number(values.cases), Number(values.seed), Number(values.keep)];
  let count = 0;
  let shown = 0;
  let batches = 0;
  try {
    const fuzzer = make(qemu, ours);
    for (let done = 0; done < total && shown < keep;) {
      const batch = Math.min(Number(values.batch), most, total - done);
      const seed = first + done;
      const cases = Array.from({ length: batch }, (_, n) => fuzzer.make(new Random(seed + n)));
      const tier = TIERS[batches++ % TIERS.length]!;
      ours.tier = tier;
      const neither = (n: number): void => console.log(`seed ${seed + n} (${tier}): ends on neither`);
      for (const { n, lines } of mismatches(fuzzer, cases, qemu, ours, neither)) {
        count++;
        if (shown++ >= keep) continue;
        const small = shrink(fuzzer, cases[n]!, qemu, ours);
        console.log(`seed ${seed + n} (${tier}): ${lines[0]}\n${report(fuzzer, small, qemu, ours)}\n`);
      }
      done += batch;
      if (batches % Math.ceil(4000 / batch) === 0 || done >= total || shown >= keep)
        console.log(`${done} cases, ${count} mismatches`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    qemu.close();
    ours.close();
  }
  return count;
}

const cpu = (): Fuzzer<Program> =>
  cpuFuzzer(
    new Generator({ only: values.only === undefined ? undefined : new RegExp(values.only), simd: !values.integer }),
  );

function start(what: string | undefined): Promise<number> {
  switch (what) {
    case 'cpu':
      return compare(cpu);
    case 'mmu':
      return compare((qemu) => new MmuFuzzer(qemu), MMU_BATCH);
    case 'system':
      return compare((qemu, ours) => new SystemFuzzer(qemu, ours), SYSTEM_BATCH);
    case 'words':
      return words(Number(values.cases), Number(values.seed));
    default:
      refuse(what === undefined ? 'say what to compare' : `${what}: nothing of that name`);
  }
}

try {
  process.exitCode = (await start(positionals[0])) > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof Endless)) throw error;
  console.error(`fuzz: ${error.message}`);
  process.exitCode = 1;
}
