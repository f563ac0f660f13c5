/** A stream of random numbers from a seed. */
export class Random {
  private s: number;

  constructor(seed: number) {
    this.s = Math.imul(seed + 1, 0x9e3779b1) | 1;
    this.u32();
    this.u32();
  }

  /** 0 … 2^32 - 1 (xorshift32). */
  u32(): number {
    let s = this.s;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.s = s;
    return s >>> 0;
  }

  /** 0 … n - 1. */
  below(n: number): number {
    return (this.u32() >>> 4) % n;
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}
