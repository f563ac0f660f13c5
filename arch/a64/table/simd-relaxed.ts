import { T, W, WV } from '../../wasm/opcodes.ts';

let answer: boolean | undefined;
let relaxed: boolean | undefined;

/** The shuffle opcode for indices below 16 or from 128 up: a relaxed one, where the host has relaxed SIMD, gives the same. */
export function nibbleSwizzle(): number {
  hostFuses();
  return relaxed === true ? WV.relaxed_swizzle : WV.swizzle;
}


/** Whether this host's relaxed multiply-adds are fused: (1 + 2^-30)(1 - 2^-30) - 1 is 0 when they are not. */
export function hostFuses(): boolean {
  if (answer !== undefined) return answer;
  try {
    const splat = (pattern: bigint): number[] => {
      const out = [0xfd, WV.const];
      for (let b = 0n; b < 128n; b += 8n) out.push(Number((pattern >> (b & 63n)) & 0xffn));
      return out;
    };
    const prefixed = (opcode: number): number[] => [0xfd, (opcode & 0x7f) | 0x80, opcode >> 7];
    const one = 0x3ff0000000000000n;
    const single = (high: bigint): bigint => (high << 32n) | high;
    // Both precisions and both signs of the product; every result must be what only fusing leaves.
    const body = [
      0,
      ...splat(one + (1n << 22n)), ...splat(one - (1n << 23n)), ...splat(one | (1n << 63n)), ...prefixed(WV.f64x2_relaxed_madd), ...splat(0n), 0xfd, ...leb(WV.f64x2_ne),
      ...splat(one + (1n << 22n)), ...splat(one - (1n << 23n)), ...splat(one), ...prefixed(WV.f64x2_relaxed_nmadd), ...splat(0n), 0xfd, ...leb(WV.f64x2_ne), 0xfd, ...leb(WV.and),
      ...splat(single(0x3f800000n + (1n << 9n))), ...splat(single(0x3f800000n - (1n << 10n))), ...splat(single(0xbf800000n)), ...prefixed(WV.f32x4_relaxed_madd), ...splat(0n), 0xfd, ...leb(WV.f32x4_ne), 0xfd, ...leb(WV.and),
      ...splat(single(0x3f800000n + (1n << 9n))), ...splat(single(0x3f800000n - (1n << 10n))), ...splat(single(0x3f800000n)), ...prefixed(WV.f32x4_relaxed_nmadd), ...splat(0n), 0xfd, ...leb(WV.f32x4_ne), 0xfd, ...leb(WV.and),
      0xfd, ...leb(WV.i32x4_all_true), W.end,
    ];
    const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, T.i32, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0];
    const section = [1, ...leb(body.length), ...body];
    const module = new WebAssembly.Module(Uint8Array.from([...bytes, 10, ...leb(section.length), ...section]));
    relaxed = true;
    answer = (new WebAssembly.Instance(module).exports['f'] as () => number)() !== 0;
  } catch {
    // No relaxed SIMD.
    answer = false;
  }
  return answer;
}

function leb(n: number): number[] {
  const out: number[] = [];
  for (; n >= 0x80; n >>>= 7) out.push((n & 0x7f) | 0x80);
  out.push(n);
  return out;
}
