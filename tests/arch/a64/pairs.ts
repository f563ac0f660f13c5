import { CODE, type Harness } from './harness.ts';

/** A program that runs beside another one in the memory of both. */
export interface Task {
  words: readonly number[];
  /** X0 and so on. */
  x: readonly bigint[];
}

/** Waits for the other task at the first word of the data area, and runs; X0–X30 at the end. */
export function runTask(h: Harness, { words, x }: Task): bigint[] {
  const [region] = h.compileRegions([{ words, pc: CODE }], 'fast');
  x.forEach((value, n) => h.setX(n, value));
  const arrived = new Int32Array(h.data.buffer, h.data.byteOffset);
  Atomics.add(arrived, 0, 1);
  while (Atomics.load(arrived, 0) < 2);
  h.run(region!, CODE);
  return Array.from({ length: 31 }, (_, n) => h.x(n));
}
