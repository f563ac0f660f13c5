import { expect, test } from 'vitest';
import { Pl061 } from '../../../arch/primecell/pl061.ts';

function make() {
  const state = { level: false, outputs: [] as [number, number][] };
  const gpio = new Pl061({
    irq: (level) => (state.level = level),
    output: (levels, direction) => state.outputs.push([levels, direction]),
  });
  return { gpio, state, get: (at: number) => gpio.read(at, 4), put: (at: number, v: number) => gpio.write(at, 4, v) };
}

test('the address masks which lines are read and written', () => {
  const { gpio, state, get, put } = make();
  put(0x400, 0x0f);
  put(0x3fc, 0xff);
  expect(get(0x3fc)).toBe(0x0f);
  put(0x3 << 2, 0);
  expect(get(0x3fc)).toBe(0x0c);
  gpio.setInput(7, true);
  gpio.setInput(0, true); // an output: not seen
  expect(get(0x3fc)).toBe(0x8c);
  expect(get(0x80 << 2)).toBe(0x80);
  expect(state.outputs.at(-1)).toEqual([0x0c, 0x0f]);
});

test('edges interrupt in the chosen direction until cleared', () => {
  const { gpio, state, get, put } = make();
  put(0x40c, 0x08); // rising
  put(0x410, 0x18);
  gpio.setInput(3, true);
  expect([get(0x414) & 0x08, state.level]).toEqual([0x08, true]);
  put(0x41c, 0x08);
  expect(state.level).toBe(false);
  gpio.setInput(3, false);
  expect(state.level).toBe(false);
  put(0x408, 0x08); // both
  gpio.setInput(3, true);
  gpio.setInput(3, false);
  expect(get(0x418)).toBe(0x08);
});

test('levels interrupt as long as they last', () => {
  const { gpio, state, put } = make();
  put(0x404, 0x08);
  put(0x40c, 0x08);
  put(0x410, 0x08);
  gpio.setInput(3, true);
  put(0x41c, 0xff);
  expect(state.level).toBe(true);
  gpio.setInput(3, false);
  expect(state.level).toBe(false);
});
