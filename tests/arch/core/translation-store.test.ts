import { expect, test } from 'vitest';
import { Machine, RAM } from './hvc-machine.ts';

const answer = (value: number): string => `mov x0, #${value}\nhvc #0`;

test('a kept translation is used wherever its words are found, and never where others stand', () => {
  const first = new Machine();
  first.write(answer(1), RAM + 0x1000);
  expect(first.run(RAM + 0x1000)).toBe(1);

  const machine = new Machine(first.core.code.save(1 << 20));
  machine.write(answer(1), RAM + 0x3000);
  machine.write(answer(1), RAM + 0x5000);
  expect([machine.run(RAM + 0x3000), machine.run(RAM + 0x5000)]).toEqual([1, 1]);
  expect(machine.core.code.stats).toMatchObject({ reused: 2, regions: 0 });

  // One of the two places changes; the other, and a third one, still hold the old words.
  machine.write(answer(2), RAM + 0x3000);
  machine.write(answer(1), RAM + 0x7000);
  expect([0x3000, 0x5000, 0x7000].map((at) => machine.run(RAM + at))).toEqual([2, 1, 1]);
});
