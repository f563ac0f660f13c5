import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { CODE, DATA, Harness } from './harness.ts';
import { runTask, type Task } from './pairs.ts';

/** 128-bit atomics of two cores on one quadword. X0 is its address, X1 how often the loop is still to be run. */
const ROUNDS = 1_000_000;
const N = BigInt(ROUNDS);

/** Adds 1 to the low half and 3 to the high half; counts in X9 where they were read otherwise than 1 to 3. */
const casp = `
    mov   x2, #0
    mov   x3, #0
1:  add   x4, x2, #1
    add   x5, x3, #3
    mov   x6, x2
    mov   x7, x3
    caspal x6, x7, x4, x5, [x0]
    add   x8, x6, x6, lsl #1
    cmp   x8, x7
    cinc  x9, x9, ne
    cmp   x6, x2
    ccmp  x7, x3, #0, eq
    mov   x2, x6
    mov   x3, x7
    b.ne  1b
    subs  x1, x1, #1
    b.ne  1b`;
/** The same by exclusives, in X9 what was read and stored successfully. */
const stxp = `
1:  ldaxp x2, x3, [x0]
    add   x8, x2, x2, lsl #1
    sub   x8, x8, x3
    add   x4, x2, #1
    add   x5, x3, #3
    stlxp w6, x4, x5, [x0]
    cbnz  w6, 1b
    cmp   x8, #0
    cinc  x9, x9, ne
    subs  x1, x1, #1
    b.ne  1b`;
/** Adds 1 to the low half alone, by CASP; and by STXP. */
const lowByCasp = casp.replace('x5, x3, #3', 'x5, x3, #0').replace(/ *cinc.*\n/, '');
const lowByStxp = stxp.replace('x5, x3, #3', 'x5, x3, #0').replace(/ *cinc.*\n/, '');
/** Adds 1 to the high half without knowledge of the low one: by an atomic; by exclusives. */
const highByAdd = `
    add   x0, x0, #8
    mov   x2, #1
1:  staddl x2, [x0]
    subs  x1, x1, #1
    b.ne  1b`;
const highByStxr = `
    add   x0, x0, #8
1:  ldaxr x2, [x0]
    add   x2, x2, #1
    stlxr w6, x2, [x0]
    cbnz  w6, 1b
    subs  x1, x1, #1
    b.ne  1b`;

const h = new Harness();
const worker = new Worker(new URL('pairs-worker.ts', import.meta.url), { workerData: h.memory });
afterAll(() => worker.terminate());

async function race(first: string, second: string): Promise<{ torn: bigint; low: bigint; high: bigint }> {
  h.data.fill(0);
  const [mine, theirs] = [first, second].map((text): Task => ({
    words: [...assembleProgram(text, CODE)],
    x: [DATA + 64n, N, ...new Array<bigint>(29).fill(0n)],
  })) as [Task, Task];
  const answer = once(worker, 'message');
  worker.postMessage(theirs);
  const torn = runTask(h, mine)[9]! + ((await answer) as [bigint[]])[0][9]!;
  const data = new BigUint64Array(h.data.buffer, h.data.byteOffset);
  return { torn, low: data[8]!, high: data[9]! };
}

test.each([
  ['CASP', 'CASP', casp, casp],
  ['LDXP and STXP', 'LDXP and STXP', stxp, stxp],
  ['CASP', 'LDXP and STXP', casp, stxp],
])('%s and %s of two cores read and write both halves at once', async (_first, _second, a, b) => {
  expect(await race(a, b)).toEqual({ torn: 0n, low: 2n * N, high: 6n * N });
});

test.each([
  ['LDADD', 'CASP', highByAdd, lowByCasp],
  ['LDADD', 'STXP', highByAdd, lowByStxp],
  ['STXR', 'CASP', highByStxr, lowByCasp],
  ['STXR', 'STXP', highByStxr, lowByStxp],
])('no %s of a half by another core is lost to %s', async (_half, _pair, a, b) => {
  expect(await race(a, b)).toMatchObject({ low: N, high: N });
});
