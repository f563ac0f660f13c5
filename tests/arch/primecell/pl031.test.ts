import { describe, expect, test } from 'vitest';
import { Pl031 } from '../../../arch/primecell/pl031.ts';

function make(now = 1_700_000_000.75) {
  const state = { now, level: false, alarm: undefined as number | undefined };
  const rtc = new Pl031({
    irq: (level) => (state.level = level),
    clock: () => state.now,
    alarm: (seconds) => (state.alarm = seconds),
  });
  return {
    rtc,
    state,
    get: (at: number) => rtc.read(at, 4),
    put: (at: number, value: number) => rtc.write(at, 4, value),
  };
}

test('it tells whole seconds and always runs', () => {
  const { state, get } = make();
  expect(get(0)).toBe(1_700_000_000);
  state.now += 2;
  expect(get(0)).toBe(1_700_000_002);
  expect(get(0x0c)).toBe(1);
  expect([0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0].map(get)).toEqual([0x31, 0x10, 0x14, 0, 0x0d]);
});

test('RTCLR sets the time, also across the end of 32 bits', () => {
  const { state, get, put } = make();
  put(8, 0xffffffff);
  expect([get(0), get(8)]).toEqual([0xffffffff, 0xffffffff]);
  state.now += 1;
  expect(get(0)).toBe(0);
});

describe('the alarm', () => {
  test('comes at the match, is masked, shown and cleared', () => {
    const { rtc, state, get, put } = make();
    put(4, 1_700_000_010);
    expect(state.alarm).toBe(10);
    state.now += 4;
    rtc.tick();
    expect([state.alarm, get(0x14)]).toEqual([6, 0]);
    state.now += 500; // woken late
    rtc.tick();
    expect([state.alarm, get(0x14), get(0x18), state.level]).toEqual([undefined, 1, 0, false]);
    put(0x10, 1);
    expect([get(0x18), state.level]).toEqual([1, true]);
    put(0x1c, 1);
    expect([get(0x14), state.level]).toEqual([0, false]);
  });

  test('does not come for a time that has passed', () => {
    const { rtc, state, get, put } = make();
    put(4, 1_699_999_999);
    rtc.tick();
    expect([state.alarm, get(0x14)]).toEqual([undefined, 0]);
  });

  test('moves when the time is set', () => {
    const { state, put } = make();
    put(4, 1_700_000_010);
    put(8, 1_700_000_007);
    expect(state.alarm).toBe(3);
  });
});
