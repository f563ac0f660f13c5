import { CC, computeNzcv } from '../../../arch/a64/flags.ts';
import { decode } from '../../../arch/a64/decode.ts';
import { F, FRAME_SIZE } from '../../../arch/core/frame.ts';
import { FP_HELPERS } from '../../../arch/core/helpers.ts';
import { RegionBuilder } from '../../../arch/a64/region.ts';
import { IMPORT_COUNT, MISS, TLB, Translator, type Context } from '../../../arch/a64/translator.ts';
import { CodeBuffer } from '../../../arch/wasm/buffer.ts';
import { T, W } from '../../../arch/wasm/opcodes.ts';

/**
 * Runs instruction words as straight-line code on a frame, without a core: one flat data area at DATA, which is reached
 * through the TLB's fast path, by misses that answer with its host address, or by misses through the bounce buffer.
 */

/** The data area in the virtual address space of the code under test. */
export const DATA = 0x40_0000_0000n;
export const DATA_BYTES = 0x30000;
/** Where the code stands in that address space, just after the data. */
export const CODE = DATA + BigInt(DATA_BYTES);

const FRAME = 0x1000;
const TLB_HOST = FRAME + FRAME_SIZE;
const DATA_HOST = 0x20000;
const PAGES = (DATA_HOST + DATA_BYTES) / 65536;

export type Path = 'fast' | 'miss' | 'bounce';

/** What one run leaves behind besides the frame. */
export interface Outcome {
  /** What the region returned; a conditional branch's decision for `branch`. */
  taken: boolean;
  /** Kind and operand of the exit, if any. */
  exit: { kind: number; operand: number } | undefined;
  faulted: boolean;
}

const REGION = 0;
const SVC = 0xd4000001;

function typesSection(out: CodeBuffer, scratch: CodeBuffer): void {
  const types: [number[], number[]][] = [
    [[T.i32, T.i64, T.i64, T.i32], [T.i32]],
    [[T.i32], [T.i32]],
    [[T.i32, T.i32, T.i64, T.i64], [T.i32]],
    [[T.i32, T.i64, T.i32], [T.i32]],
    [[T.i32, T.i32, T.i32], [T.i32]],
  ];
  out.section(1, scratch, (b) => {
    b.u32(types.length);
    for (const [from, to] of types) {
      b.u8(0x60);
      b.u32(from.length);
      for (const v of from) b.u8(v);
      b.u32(to.length);
      for (const v of to) b.u8(v);
    }
  });
}

type Region = (frame: number, pc: bigint, ret: bigint, depth: number) => number;

export class Harness {
  readonly memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  readonly u8 = new Uint8Array(this.memory.buffer);
  readonly i32 = new Int32Array(this.memory.buffer);
  readonly i64 = new BigInt64Array(this.memory.buffer);
  readonly frame = FRAME;
  /** The data area. */
  readonly data = this.u8.subarray(DATA_HOST, DATA_HOST + DATA_BYTES);
  path: Path = 'fast';
  context: Context = { el: 1, fpTrap: false, e2h: false };
  private outcome: Outcome = { taken: false, exit: undefined, faulted: false };
  private readonly t = new Translator();
  private readonly builder = new RegionBuilder();

  /** Prepares functions that share one module: each a list of words, the first at `pc`. */
  compile(programs: readonly (readonly number[])[]): Region[] {
    return this.instantiate(programs.map((words) => this.body(words)));
  }

  /** The same through the region builder; behind each program stands an SVC. */
  compileRegions(programs: readonly (readonly number[])[]): Region[] {
    return this.instantiate(programs.map((words) => this.builder.build(0, (index) => words[index] ?? SVC, this.context).body));
  }

  private instantiate(bodies: readonly Uint8Array[]): Region[] {
    const out = new CodeBuffer();
    const scratch = new CodeBuffer();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.u8(byte);
    typesSection(out, scratch);
    const imports = ['readMiss', 'writeMiss', 'commit', 'nzcv', 'lookup', 'exit', 'helper'];
    const importTypes = [0, 0, 1, 2, 3, 4, 4];
    out.section(2, scratch, (b) => {
      b.u32(imports.length + 2);
      b.name('e');
      b.name('table');
      b.u8(1);
      b.u8(T.funcref);
      b.u8(0);
      b.u32(0);
      b.name('e');
      b.name('memory');
      b.u8(2);
      b.u8(3);
      b.u32(PAGES);
      b.u32(PAGES);
      imports.forEach((name, i) => {
        b.name('e');
        b.name(name);
        b.u8(0);
        b.u32(importTypes[i]!);
      });
    });
    out.section(3, scratch, (b) => {
      b.u32(bodies.length);
      for (let i = 0; i < bodies.length; i++) b.u32(REGION);
    });
    out.section(7, scratch, (b) => {
      b.u32(bodies.length);
      bodies.forEach((_, i) => {
        b.name(`f${i}`);
        b.u8(0);
        b.u32(IMPORT_COUNT + i);
      });
    });
    out.section(10, scratch, (b) => {
      b.u32(bodies.length);
      for (const body of bodies) {
        b.u32(body.length);
        b.append(body);
      }
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(out.view()), { e: this.imports() });
    return bodies.map((_, i) => instance.exports[`f${i}`] as Region);
  }

  private body(words: readonly number[]): Uint8Array {
    const t = this.t;
    t.begin(this.context);
    t.chain = new Uint8Array(0);
    t.op(W.block, T.void);
    t.depth++;
    t.chainDepth = t.depth;
    t.frameLoad(W.i64_load, F.ICOUNT);
    t.set(t.icount);
    let returned = false;
    words.forEach((word, n) => {
      if (t.ended && n > 0) return;
      t.beginInstruction(4 * n, words.length - n);
      const decoded = decode(word >>> 0);
      if (decoded === undefined) {
        t.undefined();
        return;
      }
      decoded.row.translate(t, decoded.fields);
      if (t.ended) return;
      const { flow } = decoded.row;
      if (flow === 'branch') {
        const decision = t.popTemp(T.i32);
        t.writeBack();
        t.get(decision);
        t.op(W.i32_eqz, W.i32_eqz, W.return);
        returned = true;
      } else if (flow === 'indirect' || flow === 'callIndirect' || flow === 'return') {
        const target = t.popTemp(T.i64);
        t.frameStore(W.i64_store, F.PC, () => t.get(target));
      }
    });
    if (!returned) {
      t.writeBack();
      t.i32(0);
      t.op(W.return);
    }
    t.op(W.end);
    t.depth--;
    // Faults come here.
    const cc = t.cc;
    t.cc = t.ccLocal >= 0 && cc !== CC.frame ? CC.dynamic : CC.frame;
    t.storeFlags();
    t.i32(1);
    t.op(W.end);
    const header = new CodeBuffer();
    header.u32(t.localTypes.length);
    for (const type of t.localTypes) {
      header.u32(1);
      header.u8(type);
    }
    header.append(t.code.view());
    return header.view().slice();
  }

  private imports(): Record<string, WebAssembly.ImportValue> {
    const { i32, u8, i64 } = this;
    const translate = (va: bigint, info: number): number => {
      const size = info & MISS.sizeMask;
      const at = Number(BigInt.asUintN(64, va) - DATA);
      if (at < 0 || at + size > DATA_BYTES || ((info & MISS.aligned) !== 0 && (at & (size - 1)) !== 0)) {
        this.outcome.faulted = true;
        return 0;
      }
      return DATA_HOST + at;
    };
    return {
      memory: this.memory,
      table: new WebAssembly.Table({ element: 'anyfunc', initial: 0 }),
      readMiss: (frame: number, va: bigint, _pc: bigint, info: number): number => {
        const host = translate(va, info);
        if (host === 0 || this.path !== 'bounce') return host;
        u8.copyWithin(frame + F.BOUNCE, host, host + (info & MISS.sizeMask));
        return frame + F.BOUNCE;
      },
      writeMiss: (frame: number, va: bigint, _pc: bigint, info: number): number => {
        const host = translate(va, info);
        i32[(frame + F.BOUNCE_SIZE) >> 2] = 0;
        if (host === 0 || this.path !== 'bounce' || (info & MISS.atomic) !== 0) return host;
        i32[(frame + F.BOUNCE_ADDRESS) >> 2] = host;
        i32[(frame + F.BOUNCE_SIZE) >> 2] = info & MISS.sizeMask;
        return frame + F.BOUNCE;
      },
      commit: (frame: number): number => {
        const host = i32[(frame + F.BOUNCE_ADDRESS) >> 2]!;
        u8.copyWithin(host, frame + F.BOUNCE, frame + F.BOUNCE + i32[(frame + F.BOUNCE_SIZE) >> 2]!);
        return 0;
      },
      nzcv: (frame: number, cc: number, a: bigint, b: bigint): number => {
        if (cc === CC.frame) {
          cc = i32[(frame + F.CC) >> 2]!;
          a = i64[(frame + F.CC_A) >> 3]!;
          b = i64[(frame + F.CC_B) >> 3]!;
        }
        return computeNzcv(cc, Number(a >> 32n), Number(BigInt.asIntN(32, a)), Number(b >> 32n), Number(BigInt.asIntN(32, b)));
      },
      lookup: () => 0,
      exit: (_frame: number, kind: number, operand: number): number => {
        this.outcome.exit = { kind, operand };
        return 1;
      },
      helper: (frame: number, id: number, argument: number): number => FP_HELPERS[id]!(i32, u8, frame, argument),
    };
  }

  /** Runs one compiled program on the frame as it stands. */
  run(region: Region, pc: bigint): Outcome {
    this.outcome = { taken: false, exit: undefined, faulted: false };
    const tlb = TLB_HOST >> 2;
    this.i32.fill(-1, tlb, tlb + TLB.bytes / 4);
    if (this.path === 'fast') {
      for (let page = 0; page < DATA_BYTES; page += 4096) {
        const va = DATA + BigInt(page);
        const entry = TLB_HOST + (Number(va >> 12n) & (TLB.entries - 1)) * TLB.entrySize;
        this.i64[(entry + TLB.read) >> 3] = va;
        this.i64[(entry + TLB.write) >> 3] = va;
        this.i32[(entry + TLB.addend) >> 2] = Number(BigInt.asIntN(32, BigInt(DATA_HOST) - DATA));
      }
    }
    this.i64[(FRAME + F.DEADLINE) >> 3] = 1n << 62n;
    this.i32[(FRAME + F.TLB) >> 2] = TLB_HOST;
    this.i32[(FRAME + F.TLB_UNPRIV) >> 2] = TLB_HOST;
    const result = region(FRAME, pc, 0n, 0);
    this.outcome.taken = result === 1 && !this.outcome.faulted && this.outcome.exit === undefined;
    return this.outcome;
  }

  x(n: number): bigint {
    return BigInt.asUintN(64, this.i64[(FRAME + F.X + 8 * n) >> 3]!);
  }

  setX(n: number, value: bigint): void {
    this.i64[(FRAME + F.X + 8 * n) >> 3] = value;
  }

  /** NZCV, 4 bits. */
  get nzcv(): number {
    const f = FRAME >> 2;
    const a = f + (F.CC_A >> 2);
    const b = f + (F.CC_B >> 2);
    return computeNzcv(this.i32[f + (F.CC >> 2)]!, this.i32[a + 1]!, this.i32[a]!, this.i32[b + 1]!, this.i32[b]!) >>> 28;
  }

  set nzcv(value: number) {
    this.i32[(FRAME + F.CC) >> 2] = CC.explicit;
    this.i64[(FRAME + F.CC_A) >> 3] = BigInt(value) << 28n;
  }
}
