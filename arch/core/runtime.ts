import { CC } from '../a64/flags.ts';
import { JUMP_CACHE, MISS, REGION_TYPE, TLB } from '../a64/region-abi.ts';
import { makeFastHelpers } from '../fp/fast-helpers.ts';
import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W } from '../wasm/opcodes.ts';
import { F } from './frame.ts';

/**
 * The WebAssembly modules around translated code: the runtime (look-up of regions, flags, the way in and the wrappers of
 * calls to JavaScript) and the modules that carry regions.
 */

/** Nested guest calls on the host's stack. */
export const MAX_DEPTH = 200;

/** JavaScript behind translated code. Addresses and 64-bit values go through the frame, not as bigints. */
export interface RuntimeHost {
  /** Translate F.ARG0 for reading or writing; the host address, or 0 with an exception noted. F.PC is set. */
  readMiss(frame: number, info: number): number;
  writeMiss(frame: number, info: number): number;
  /** Finishes a write to the bounce buffer; nonzero when it faulted. */
  commit(frame: number): number;
  /** Finds or makes the region at F.ARG0; a table index, 0 when the core has to look. */
  resolve(frame: number): number;
  exit(frame: number, kind: number, operand: number): number;
  helper(frame: number, id: number, argument: number): number;
}

const g = (n: number): number[] => [W.local_get, n];
/** Unsigned LEB128. */
function u(n: number): number[] {
  const out: number[] = [];
  for (; n >= 0x80; n >>>= 7) out.push((n & 0x7f) | 0x80);
  out.push(n);
  return out;
}
/** Signed LEB128. */
function s(n: number): number[] {
  const out: number[] = [];
  for (;;) {
    const b = n & 0x7f;
    n >>= 7;
    if ((n === 0 && (b & 0x40) === 0) || (n === -1 && (b & 0x40) !== 0)) return [...out, b];
    out.push(b | 0x80);
  }
}
const i32 = (n: number): number[] => [W.i32_const, ...s(n)];
const i64 = (n: number): number[] => [W.i64_const, ...s(n)];
const mem = (opcode: number, offset: number): number[] => [opcode, 0, ...u(offset)];

type Signature = readonly [parameters: readonly number[], results: readonly number[]];
const TYPE = { region: REGION_TYPE, exit: 1, load: 2, store: 3, link: 4, nzcv: 5, storePair: 6, loadPair: 7, frame: 8, lookup: 9, miss: 10 } as const;
const TYPES: readonly Signature[] = [
  [[T.i32, T.i64, T.i64, T.i32], [T.i32]], // region, jump, ret, and what translates an address
  [[T.i32, T.i32, T.i32], [T.i32]], // exit, helper
  [[T.i32, T.i64, T.i64, T.i32], [T.i64, T.i32]], // load
  [[T.i32, T.i64, T.i64, T.i32, T.i64], [T.i32]], // store
  [[T.i32, T.i64, T.i32, T.i32, T.i32], [T.i32]], // link
  [[T.i32, T.i32, T.i64, T.i64], [T.i32]], // nzcv, flags
  [[T.i32, T.i64, T.i64, T.i32, T.i64, T.i64], [T.i32]], // storePair
  [[T.i32, T.i64, T.i64, T.i32], [T.i64, T.i64, T.i32]], // loadPair
  [[T.i32], [T.i32]], // commit, resolve, enter
  [[T.i32, T.i64, T.i32], [T.i32]], // lookup
  [[T.i32, T.i32], [T.i32]], // JavaScript's misses
];

function writeTypes(out: CodeBuffer, scratch: CodeBuffer, count: number): void {
  out.section(1, scratch, (b) => {
    b.u32(count);
    for (const [parameters, results] of TYPES.slice(0, count)) {
      b.u8(0x60);
      for (const list of [parameters, results]) {
        b.u32(list.length);
        for (const type of list) b.u8(type);
      }
    }
  });
}

function importFunction(b: CodeBuffer, name: string, type: number): void {
  b.name('e');
  b.name(name);
  b.u8(0);
  b.u32(type);
}

/** Any memory fits: what is made for one machine can be used in another. */
const MOST_PAGES = 65536;

function importMemory(b: CodeBuffer): void {
  b.name('e');
  b.name('memory');
  b.u8(2);
  b.u8(3);
  b.u32(1);
  b.u32(MOST_PAGES);
}

function importTable(b: CodeBuffer): void {
  b.name('e');
  b.name('table');
  b.u8(1);
  b.u8(T.funcref);
  b.u8(0);
  b.u32(1);
}

const HEADER = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** The functions that region modules import, in the order of IMPORT (arch/a64/region-abi.ts). */
const REGION_IMPORTS = [
  ['exit', TYPE.exit],
  ['load', TYPE.load],
  ['store', TYPE.store],
  ['ret', TYPE.region],
  ['link', TYPE.link],
  ['jump', TYPE.region],
  ['flags', TYPE.nzcv],
  ['storePair', TYPE.storePair],
  ['loadPair', TYPE.loadPair],
  ['nzcv', TYPE.nzcv],
  ['writeHost', TYPE.region],
  ['readHost', TYPE.region],
  ['commit', TYPE.frame],
  ['helper', TYPE.exit],
  ['lookup', TYPE.lookup],
  ['readMiss', TYPE.region],
  ['writeMiss', TYPE.region],
] as const;

export type RuntimeExports = WebAssembly.Exports & {
  /** Runs the frame from F.PC; comes back with F.PC at the next instruction to run. */
  enter(frame: number): number;
};

/** Instantiates the runtime; puts the stub that leaves to the core at index 0 of the table. */
export function makeRuntime(memory: WebAssembly.Memory, table: WebAssembly.Table, host: RuntimeHost): RuntimeExports {
  const out = new CodeBuffer();
  const scratch = new CodeBuffer();
  out.append(HEADER);
  writeTypes(out, scratch, TYPES.length);
  out.section(2, scratch, (b) => {
    b.u32(8);
    importMemory(b);
    importTable(b);
    importFunction(b, 'readMiss', TYPE.miss); // 0
    importFunction(b, 'writeMiss', TYPE.miss); // 1
    importFunction(b, 'commit', TYPE.frame); // 2
    importFunction(b, 'resolve', TYPE.frame); // 3
    importFunction(b, 'exit', TYPE.exit); // 4
    importFunction(b, 'helper', TYPE.exit); // 5
  });
  // (frame, va, pc of the region's entry, info)
  const javascript = (index: number): number[] => [
    ...g(0), ...g(1), ...mem(W.i64_store, F.ARG0),
    ...g(0), ...g(2), ...g(3), ...i32(MISS.offsetShift), W.i32_shr_s, ...i32(2), W.i32_shl, W.i64_extend_i32_s, W.i64_add, ...mem(W.i64_store, F.PC),
    ...g(0), ...g(3), W.call, index,
  ];
  // The same arguments: one of the TLB's tables; on a hit returns the host address. Local 4: the entry.
  const size = [...g(3), ...i32(MISS.sizeMask), W.i32_and, ...i32(1), W.i32_sub, W.i64_extend_i32_u];
  const table1 = [...g(1), ...i64(12 - 5), W.i64_shr_u, W.i32_wrap_i64];
  const table2 = [...table1, ...g(1), ...i64(12 - 5 + TLB.hashShift), W.i64_shr_u, W.i32_wrap_i64, W.i32_xor];
  const tables = [
    ...g(3), ...i32(MISS.unprivileged), W.i32_and, W.if, T.i32, ...g(0), ...mem(W.i32_load, F.TLB_UNPRIV), W.else, ...g(0), ...mem(W.i32_load, F.TLB), W.end,
  ];
  const place = (index: number[]): number[] => [...index, ...i32((TLB.entries - 1) * TLB.entrySize), W.i32_and, ...tables, W.i32_add];
  const find = (tag: number, index: number[], offset: number, found: number[] = []): number[] => [
    ...g(3), ...i32(MISS.aligned | MISS.atomic | MISS.elements), W.i32_and, W.if, T.i64,
    ...size, ...i64(-4096), W.i64_or, ...g(1), W.i64_and,
    W.else,
    ...size, ...g(1), W.i64_add, ...i64(-4096), W.i64_and,
    W.end,
    ...place(index), W.local_tee, 4, ...mem(W.i64_load, offset + tag), W.i64_eq,
    // Every change of SP is in the frame at once in code that comes here.
    ...g(0), ...mem(W.i32_load, F.SP), ...i32(15), W.i32_and, W.i32_eqz, ...g(3), ...i32(MISS.stack), W.i32_and, W.i32_eqz, W.i32_or, W.i32_and,
    W.if, T.void,
    ...found,
    ...g(1), W.i32_wrap_i64, ...g(4), ...mem(W.i32_load, offset + TLB.addend), W.i32_add, W.return,
    W.end,
  ];
  // The first table gets back what it has lost, or one page would be looked for here for ever. Local 5: the entry there.
  const copy = (n: number): number[] => [...g(5), ...g(4), ...mem(W.i64_load, TLB.second + n), ...mem(W.i64_store, n)];
  const regain = [...place(table1), W.local_set, 5, ...copy(0), ...copy(8), ...copy(16), ...copy(24)];
  // What the first table does not have. DC ZVA is the core's to translate where Device memory is concerned.
  const miss = (tag: number, index: number): number[] => [
    ...g(3), ...i32(MISS.zva), W.i32_and, W.i32_eqz, W.if, T.void, ...find(tag, table2, TLB.second, regain), W.end,
    ...javascript(index),
  ];
  const hostOf = (tag: number, index: number): number[] => [...find(tag, table1, 0), ...miss(tag, index)];
  // (frame, cc, a, b): 32-bit kinds are the 64-bit ones on operands shifted up. Local 4: the result.
  const A = 2;
  const B = 3;
  const R = 4;
  const nzcv = [
    ...g(1), W.i32_eqz, W.if, T.void,
    ...g(0), ...mem(W.i32_load, F.CC), W.local_set, 1,
    ...g(0), ...mem(W.i64_load, F.CC_A), W.local_set, A,
    ...g(0), ...mem(W.i64_load, F.CC_B), W.local_set, B,
    W.end,
    ...g(1), W.i32_eqz, ...g(1), ...i32(CC.explicit), W.i32_eq, W.i32_or, W.if, T.void,
    ...g(A), W.i32_wrap_i64, ...i32(-0x10000000), W.i32_and, W.return,
    W.end,
    ...g(1), ...i32(1), W.i32_and, W.i32_eqz, W.if, T.void,
    ...g(A), ...i64(32), W.i64_shl, W.local_set, A,
    ...g(B), ...i64(32), W.i64_shl, W.local_set, B,
    ...g(1), ...i32(1), W.i32_sub, W.local_set, 1,
    W.end,
    ...g(A), W.local_set, R,
    ...g(1), ...i32(CC.sub64), W.i32_eq, W.if, T.void, ...g(A), ...g(B), W.i64_sub, W.local_set, R, W.end,
    ...g(1), ...i32(CC.add64), W.i32_eq, W.if, T.void, ...g(A), ...g(B), W.i64_add, W.local_set, R, W.end,
    // N
    ...g(R), ...i64(32), W.i64_shr_u, W.i32_wrap_i64, ...i32(-0x80000000), W.i32_and,
    // Z
    ...g(R), W.i64_eqz, ...i32(30), W.i32_shl, W.i32_or,
    // C and V
    ...g(1), ...i32(CC.sub64), W.i32_eq, W.if, T.i32,
    ...g(A), ...g(B), W.i64_ge_u, ...i32(29), W.i32_shl,
    ...g(A), ...g(B), W.i64_xor, ...g(A), ...g(R), W.i64_xor, W.i64_and, ...i64(63), W.i64_shr_u, W.i32_wrap_i64, ...i32(28), W.i32_shl, W.i32_or,
    W.else,
    ...g(1), ...i32(CC.add64), W.i32_eq, W.if, T.i32,
    ...g(R), ...g(A), W.i64_lt_u, ...i32(29), W.i32_shl,
    ...g(A), ...g(R), W.i64_xor, ...g(B), ...g(R), W.i64_xor, W.i64_and, ...i64(63), W.i64_shr_u, W.i32_wrap_i64, ...i32(28), W.i32_shl, W.i32_or,
    W.else, ...i32(0), W.end,
    W.end,
    W.i32_or,
  ];
  // (frame, cc, a, b): the flags go to the frame, unless it has them.
  const flags = [
    ...g(1), W.if, T.void,
    ...g(0), ...g(1), ...mem(W.i32_store, F.CC), ...g(0), ...g(2), ...mem(W.i64_store, F.CC_A), ...g(0), ...g(3), ...mem(W.i64_store, F.CC_B),
    W.end, ...i32(0),
  ];
  // Nothing stands in the bounce buffer after a write to RAM.
  const commit = [...g(0), ...mem(W.i32_load, F.BOUNCE_SIZE), W.i32_eqz, W.if, T.void, ...i32(0), W.return, W.end, ...g(0), W.call, 2];
  // (frame, pc, depth); local 3: the entry.
  const lookup = [
    ...g(2), ...i32(0), W.i32_le_s, W.if, T.void, ...i32(0), W.return, W.end,
    ...g(1), W.i32_wrap_i64, ...i32(JUMP_CACHE.factor), W.i32_mul, ...i32(JUMP_CACHE.shift), W.i32_shr_u, ...i32(JUMP_CACHE.mask), W.i32_and,
    ...g(0), ...mem(W.i32_load, F.JUMP_CACHE), W.i32_add, W.local_tee, 3, ...mem(W.i64_load, 0),
    ...g(1), W.i64_eq, W.if, T.void, ...g(3), ...mem(W.i32_load, 8), W.return, W.end,
    ...g(3), ...i32(JUMP_CACHE.entrySize), W.i32_xor, W.local_tee, 3, ...mem(W.i64_load, 0),
    ...g(1), W.i64_eq, W.if, T.void, ...g(3), ...mem(W.i32_load, 8), W.return, W.end,
    ...g(0), ...g(1), ...mem(W.i64_store, F.ARG0),
    ...g(0), W.call, 3,
  ];
  const LOOKUP = 6 + 4;
  const READ_HOST = 6 + 9;
  const WRITE_HOST = 6 + 10;
  const enter = [
    ...g(0), ...g(0), ...mem(W.i64_load, F.PC), ...i64(-1), ...i32(MAX_DEPTH),
    ...g(0), ...g(0), ...mem(W.i64_load, F.PC), ...i32(1), W.call, LOOKUP,
    W.call_indirect, REGION_TYPE, 0,
    W.i32_eqz, W.if, T.void, ...g(0), ...i64(-1), ...mem(W.i64_store, F.PC), W.end,
    ...i32(1),
  ];
  // (frame, pc, ret, depth): depth is already that of the callee.
  const jump = [
    ...g(0), ...g(1), ...g(2), ...g(3),
    ...g(0), ...g(1), ...g(3), ...i32(1), W.i32_add, W.call, LOOKUP,
    W.return_call_indirect, REGION_TYPE, 0,
  ];
  // (frame, va, pc of the region's entry, info, value): 1, 2, 4 or 8 bytes; nonzero when it faulted. Local 5: the host address.
  const storeAt = (opcode: number): number[] => [...g(5), ...g(4), ...mem(opcode, 0)];
  const store = [
    ...g(0), ...g(1), ...g(2), ...g(3), W.call, WRITE_HOST, W.local_tee, 5, W.i32_eqz, W.if, T.void, ...i32(1), W.return, W.end,
    ...g(3), ...i32(8), W.i32_and, W.if, T.void, ...storeAt(W.i64_store), W.else,
    ...g(3), ...i32(4), W.i32_and, W.if, T.void, ...storeAt(W.i64_store32), W.else,
    ...g(3), ...i32(2), W.i32_and, W.if, T.void, ...storeAt(W.i64_store16), W.else,
    ...storeAt(W.i64_store8), W.end, W.end, W.end,
    ...g(5), ...g(0), W.i32_sub, ...i32(F.BOUNCE), W.i32_eq, W.if, T.i32, ...g(0), W.call, 2, W.else, ...i32(0), W.end,
  ];
  // (frame, va, pc of the region's entry, info): the value, zero-extended, and whether it faulted. Local 4: the host address.
  const loadAt = (opcode: number): number[] => [...g(4), ...mem(opcode, 0)];
  const load = [
    ...g(0), ...g(1), ...g(2), ...g(3), W.call, READ_HOST, W.local_tee, 4, W.i32_eqz, W.if, T.void, ...i64(0), ...i32(1), W.return, W.end,
    ...g(3), ...i32(8), W.i32_and, W.if, T.i64, ...loadAt(W.i64_load), W.else,
    ...g(3), ...i32(4), W.i32_and, W.if, T.i64, ...loadAt(W.i64_load32_u), W.else,
    ...g(3), ...i32(2), W.i32_and, W.if, T.i64, ...loadAt(W.i64_load16_u), W.else,
    ...loadAt(W.i64_load8_u), W.end, W.end, W.end,
    ...i32(0),
  ];
  // As store and load, for two doublewords. The last local: the host address.
  const storePair = [
    ...g(0), ...g(1), ...g(2), ...g(3), W.call, WRITE_HOST, W.local_tee, 6, W.i32_eqz, W.if, T.void, ...i32(1), W.return, W.end,
    ...g(6), ...g(4), ...mem(W.i64_store, 0), ...g(6), ...g(5), ...mem(W.i64_store, 8),
    ...g(6), ...g(0), W.i32_sub, ...i32(F.BOUNCE), W.i32_eq, W.if, T.i32, ...g(0), W.call, 2, W.else, ...i32(0), W.end,
  ];
  const loadPair = [
    ...g(0), ...g(1), ...g(2), ...g(3), W.call, READ_HOST, W.local_tee, 4, W.i32_eqz, W.if, T.void, ...i64(0), ...i64(0), ...i32(1), W.return, W.end,
    ...loadAt(W.i64_load), ...g(4), ...mem(W.i64_load, 8), ...i32(0),
  ];
  // (frame, pc of the region's entry, offsets from it to the target and to where it returns, depth of the caller)
  const sum = (n: number): number[] => [...g(1), ...g(n), W.i64_extend_i32_s, W.i64_add];
  const link = [
    ...g(0), ...sum(3), ...mem(W.i64_store, F.X + 30 * 8),
    ...g(0), ...sum(2), ...sum(3), ...g(4), ...i32(1), W.i32_sub,
    ...g(0), ...sum(2), ...g(4), W.call, LOOKUP,
    W.return_call_indirect, REGION_TYPE, 0,
  ];
  // (frame, target, ret, depth)
  const ret = [
    ...g(1), ...g(2), W.i64_eq, W.if, T.void, ...i32(0), W.return, W.end,
    ...g(0), ...g(1), ...g(2), ...g(3),
    ...g(0), ...g(1), ...i32(1), W.call, LOOKUP,
    W.return_call_indirect, REGION_TYPE, 0,
  ];
  const functions: { name: string; type: number; locals: number[]; code: number[] }[] = [
    { name: 'readMiss', type: TYPE.region, locals: [T.i32, T.i32], code: miss(TLB.read, 0) }, // 6
    { name: 'writeMiss', type: TYPE.region, locals: [T.i32, T.i32], code: miss(TLB.write, 1) }, // 7
    { name: 'commit', type: TYPE.frame, locals: [], code: commit }, // 8
    { name: 'nzcv', type: TYPE.nzcv, locals: [T.i64], code: nzcv }, // 9
    { name: 'lookup', type: TYPE.lookup, locals: [T.i32], code: lookup }, // 10
    { name: 'exit', type: TYPE.exit, locals: [], code: [...g(0), ...g(1), ...g(2), W.call, 4] }, // 11
    { name: 'helper', type: TYPE.exit, locals: [], code: [...g(0), ...g(1), ...g(2), W.call, 5] }, // 12
    { name: 'leave', type: TYPE.region, locals: [], code: [...g(0), ...g(1), ...mem(W.i64_store, F.PC), ...i32(1)] }, // 13
    { name: 'enter', type: TYPE.frame, locals: [], code: enter }, // 14
    { name: 'readHost', type: TYPE.region, locals: [T.i32, T.i32], code: hostOf(TLB.read, 0) }, // 15
    { name: 'writeHost', type: TYPE.region, locals: [T.i32, T.i32], code: hostOf(TLB.write, 1) }, // 16
    { name: 'jump', type: TYPE.region, locals: [], code: jump }, // 17
    { name: 'store', type: TYPE.store, locals: [T.i32], code: store }, // 18
    { name: 'load', type: TYPE.load, locals: [T.i32], code: load }, // 19
    { name: 'link', type: TYPE.link, locals: [], code: link }, // 20
    { name: 'ret', type: TYPE.region, locals: [], code: ret }, // 21
    { name: 'storePair', type: TYPE.storePair, locals: [T.i32], code: storePair }, // 22
    { name: 'loadPair', type: TYPE.loadPair, locals: [T.i32], code: loadPair }, // 23
    { name: 'flags', type: TYPE.nzcv, locals: [], code: flags }, // 24
  ];
  out.section(3, scratch, (b) => {
    b.u32(functions.length);
    for (const f of functions) b.u32(f.type);
  });
  out.section(7, scratch, (b) => {
    b.u32(functions.length);
    functions.forEach((f, i) => {
      b.name(f.name);
      b.u8(0);
      b.u32(6 + i);
    });
  });
  out.section(10, scratch, (b) => {
    b.u32(functions.length);
    for (const f of functions) {
      const body = [f.locals.length, ...f.locals.flatMap((type) => [1, type]), ...f.code, W.end];
      b.u32(body.length);
      b.append(Uint8Array.from(body));
    }
  });
  const module = new WebAssembly.Module(out.view());
  // Addresses come as signed numbers.
  const imports = {
    memory,
    table,
    readMiss: (f: number, info: number) => host.readMiss(f >>> 0, info),
    writeMiss: (f: number, info: number) => host.writeMiss(f >>> 0, info),
    commit: (f: number) => host.commit(f >>> 0),
    resolve: (f: number) => host.resolve(f >>> 0),
    exit: (f: number, kind: number, operand: number) => host.exit(f >>> 0, kind, operand),
    helper: (f: number, id: number, argument: number) => host.helper(f >>> 0, id, argument),
  };
  const exports = new WebAssembly.Instance(module, { e: imports }).exports;
  table.set(0, exports['leave']);
  return { ...exports, helper: makeFastHelpers(memory, imports.helper) } as unknown as RuntimeExports;
}

/** Builds modules of regions and instantiates them; their functions go into the table from `base` on. */
export class RegionModules {
  private readonly out = new CodeBuffer();
  private readonly scratch = new CodeBuffer();
  /** What a module begins with, by the number of functions it imports. */
  private readonly prefixes: Uint8Array<ArrayBuffer>[] = [];
  private readonly imports: WebAssembly.Imports;

  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table, runtime: RuntimeExports) {
    this.imports = { e: { ...runtime, memory, table } };
  }

  private prefix(imports: number): Uint8Array<ArrayBuffer> {
    return (this.prefixes[imports] ??= this.makePrefix(REGION_IMPORTS.slice(0, imports)));
  }

  private makePrefix(imports: readonly (readonly [string, number])[]): Uint8Array<ArrayBuffer> {
    const { out, scratch } = this;
    out.reset();
    out.append(HEADER);
    writeTypes(out, scratch, 1 + imports.reduce((most, [, type]) => Math.max(most, type), REGION_TYPE));
    out.section(2, scratch, (b) => {
      b.u32(2 + imports.length);
      importMemory(b);
      importTable(b);
      for (const [name, type] of imports) importFunction(b, name, type);
    });
    return out.view().slice();
  }

  /**
   * The module's bytes: functions with these bodies in order.
   * @param places their table indices; a number: from there on
   * @param imports functions that they need, the first so many of IMPORT; all when left out
   */
  encode(bodies: readonly Uint8Array[], places: readonly number[] | number, imports: number = REGION_IMPORTS.length): Uint8Array<ArrayBuffer> {
    const prefix = this.prefix(imports);
    const placeOf = (n: number): number => (typeof places === 'number' ? places + n : places[n]!);
    // An element segment for each run of neighbours in the table: its first function.
    const runs: number[] = [];
    for (let n = 0; n < bodies.length; n++) if (n === 0 || placeOf(n) !== placeOf(n - 1) + 1) runs.push(n);
    const { out, scratch } = this;
    out.reset();
    out.append(prefix);
    out.section(3, scratch, (b) => {
      b.u32(bodies.length);
      for (let i = 0; i < bodies.length; i++) b.u32(REGION_TYPE);
    });
    out.section(9, scratch, (b) => {
      b.u32(runs.length);
      runs.forEach((first, run) => {
        const end = runs[run + 1] ?? bodies.length;
        b.u32(0);
        b.u8(W.i32_const);
        b.s32(placeOf(first));
        b.u8(W.end);
        b.u32(end - first);
        for (let n = first; n < end; n++) b.u32(imports + n);
      });
    });
    out.section(10, scratch, (b) => {
      b.u32(bodies.length);
      for (const body of bodies) {
        b.u32(body.length);
        b.append(body);
      }
    });
    return out.view();
  }

  instantiate(code: Uint8Array<ArrayBuffer> | WebAssembly.Module): WebAssembly.Module {
    const module = code instanceof WebAssembly.Module ? code : new WebAssembly.Module(code);
    new WebAssembly.Instance(module, this.imports);
    return module;
  }
}
