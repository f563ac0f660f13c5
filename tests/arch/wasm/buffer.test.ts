import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CodeBuffer } from '../../../arch/wasm/buffer.ts';

function decode(bytes: Uint8Array): bigint {
  let value = 0n;
  let shift = 0n;
  for (const b of bytes) {
    value |= BigInt(b & 0x7f) << shift;
    shift += 7n;
  }
  return bytes[bytes.length - 1]! & 0x40 ? value - (1n << shift) : value;
}

test('a signed LEB128 of 64 bits says its value, in as few bytes as it takes', () => {
  const edges = [
    0n,
    -1n,
    63n,
    64n,
    -64n,
    -65n,
    1n << 31n,
    -(1n << 31n),
    1n << 32n,
    -(1n << 32n),
    (1n << 63n) - 1n,
    -(1n << 63n),
  ];
  const check = (value: bigint, given: number | bigint): void => {
    const out = new CodeBuffer();
    out.s64(given);
    const bytes = out.view().slice();
    expect(decode(bytes)).toBe(value);
    const bits = (value < 0n ? -value - 1n : value).toString(2).replace(/^0$/, '').length + 1;
    expect(bytes.length).toBe(Math.ceil(bits / 7));
  };
  for (const value of edges) check(value, value);
  fc.assert(fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (value) => check(value, value)));
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => check(BigInt(value), value)));
  // Taken modulo 2^64.
  check(-1n, (1n << 64n) - 1n);
});
