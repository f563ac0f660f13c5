import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import { ARGUMENT, Code, elements, register } from './code.ts';

/** Shifts by register and carry-less products in the helpers' first tier. */

/** (US)(R)SHL by register; saturation is undecided. */
export function shifts(): Code {
  const c = new Code();
  const x = c.local(T.i64);
  const by = c.local(T.i64);
  const unsigned = c.local(T.i32);
  const bit = (n: number): Code =>
    c
      .get(ARGUMENT)
      .i32(1 << (25 + n))
      .op(W.i32_and);
  bit(2).op(W.i32_eqz).require();
  bit(0).op(W.i32_eqz, W.i32_eqz).set(unsigned);
  /** Pushes x >> by, as signedness says. */
  const right = (amount: () => void): void => {
    c.get(x);
    amount();
    c.op(W.i64_shr_u).get(x);
    amount();
    c.op(W.i64_shr_s).get(unsigned).op(W.select);
  };
  const bySize = (size: number, signedLoad: number, unsignedLoad: number, store: number): void => {
    elements(
      c,
      size,
      (l) => {
        c.get(l.m).get(l.at).op(W.i32_add).memory(W.i64_load8_s, F.V).set(by);
        const address = (): Code => c.get(l.n).get(l.at).op(W.i32_add);
        c.get(unsigned).op(W.if, T.i64);
        address().memory(unsignedLoad, F.V).op(W.else);
        address().memory(signedLoad, F.V).op(W.end).set(x);
        // To the left; from 64 on nothing is left.
        c.get(by).i64(0).op(W.i64_ge_s, W.if, T.i64);
        c.get(x).get(by).op(W.i64_shl).i64(0).get(by).i64(64).op(W.i64_lt_s, W.select).op(W.else);
        c.i64(0).get(by).op(W.i64_sub).set(by);
        bit(1).op(W.if, T.i64);
        // Rounded: the bit below the result is added; by 64 only an unsigned number's highest one is left.
        c.get(by).i64(64).op(W.i64_lt_s, W.if, T.i64);
        right(() => c.get(by));
        c.get(x).get(by).i64(1).op(W.i64_sub, W.i64_shr_s).i64(1).op(W.i64_and, W.i64_add, W.else);
        c.get(x).i64(63).op(W.i64_shr_u).i64(0).get(unsigned).get(by).i64(64).op(W.i64_eq, W.i32_and, W.select);
        c.op(W.end, W.else);
        // By 63, a narrower number's sign is left, and of an unsigned 64-bit one a bit too many.
        right(() => c.get(by).i64(63).get(by).i64(63).op(W.i64_lt_s, W.select));
        if (size === 3) c.i64(0).get(by).i64(64).op(W.i64_lt_s).get(unsigned).op(W.i32_eqz, W.i32_or, W.select);
        c.op(W.end, W.end);
      },
      store,
    );
    c.op(W.return);
  };
  const loads: [number, number, number][] = [
    [W.i64_load8_s, W.i64_load8_u, W.i64_store8],
    [W.i64_load16_s, W.i64_load16_u, W.i64_store16],
    [W.i64_load32_s, W.i64_load32_u, W.i64_store32],
    [W.i64_load, W.i64_load, W.i64_store],
  ];
  loads.forEach(([signedLoad, unsignedLoad, store], size) => {
    c.get(ARGUMENT).i32(20).op(W.i32_shr_u).i32(3).op(W.i32_and).i32(size).op(W.i32_eq, W.if, T.void);
    bySize(size, signedLoad, unsignedLoad, store);
    c.op(W.end);
  });
  c.i32(0);
  return c;
}

/**
 * PMULL of doublewords, by Karatsuba's method on 32-bit halves; their carry-less products are integer products of
 * operands with three empty bits between any two, which hold the carries.
 */
export function polynomial(): Code {
  const c = new Code();
  /** Locals with every fourth bit of the i64 on the stack. */
  const combs = (): number[] => {
    const x = c.local(T.i64);
    c.set(x);
    return [0, 1, 2, 3].map((r) => {
      const comb = c.local(T.i64);
      c.get(x)
        .i64(0x11111111 * 2 ** r)
        .op(W.i64_and)
        .set(comb);
      return comb;
    });
  };
  const product = (x: readonly number[], y: readonly number[]): number => {
    for (let r = 0; r < 4; r++) {
      for (let k = 0; k < 4; k++) {
        c.get(x[k]!)
          .get(y[(r - k) & 3]!)
          .op(W.i64_mul);
        if (k > 0) c.op(W.i64_xor);
      }
      c.i64(0x1111111111111111n << BigInt(r)).op(W.i64_and);
      if (r > 0) c.op(W.i64_or);
    }
    const result = c.local(T.i64);
    c.set(result);
    return result;
  };
  const [a, b] = [5, 10].map((at) => {
    const value = c.local(T.i64);
    register(c, at)
      .get(ARGUMENT)
      .i32(25)
      .op(W.i32_shr_u)
      .i32(3)
      .op(W.i32_shl, W.i32_add)
      .memory(W.i64_load, F.V)
      .tee(value);
    const low = combs();
    c.get(value).i64(32).op(W.i64_shr_u);
    return { low, high: combs() };
  }) as [{ low: number[]; high: number[] }, { low: number[]; high: number[] }];
  const low = product(a.low, b.low);
  const high = product(a.high, b.high);
  for (const half of [a, b]) half.low.forEach((local, k) => c.get(local).get(half.high[k]!).op(W.i64_xor).set(local));
  const middle = product(a.low, b.low);
  c.get(middle).get(low).get(high).op(W.i64_xor, W.i64_xor).set(middle);
  register(c, 0).get(low).get(middle).i64(32).op(W.i64_shl, W.i64_xor).memory(W.i64_store, F.V);
  register(c, 0)
    .get(high)
    .get(middle)
    .i64(32)
    .op(W.i64_shr_u, W.i64_xor)
    .memory(W.i64_store, F.V + 8);
  return c.i32(1);
}
