import { CC, computeNzcv } from '../../../arch/a64/flags.ts';
import { decode } from '../../../arch/a64/decode.ts';
import { F, FRAME_SIZE } from '../../../arch/core/frame.ts';
import { FP_HELPERS } from '../../../arch/core/helpers.ts';
import { PAGE_WORDS } from '../../../arch/a64/flowgraph.ts';
import { RegionBuilder, type Region } from '../../../arch/a64/region.ts';
import { EL1_CONTEXT, EXIT, MISS, TLB, type Context } from '../../../arch/a64/region-abi.ts';
import { Translator } from '../../../arch/a64/translator.ts';
import { makeRuntime, RegionModules, type RuntimeHost } from '../../../arch/core/runtime.ts';
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

/** A frame with its TLB behind it; those of a second harness in the same memory. */
const FRAME = 0x1000;
const SECOND_FRAME = 0x14000;
const DATA_HOST = 0x30000;
const PAGES = (DATA_HOST + DATA_BYTES) / 65536;

/**
 * How memory is reached: by the TLB in line; by misses, in RAM or the bounce buffer; by calls (code that is not
 * optimized), through the TLB or misses to the bounce buffer.
 */
export const PATHS = ['fast', 'miss', 'bounce', 'call', 'call bounce'] as const;
export type Path = (typeof PATHS)[number];

/** What one run leaves behind besides the frame. */
export interface Outcome {
  /** What the region returned; a conditional branch's decision for `branch`. */
  taken: boolean;
  /** Kind and operand of the exit, if any. */
  exit: { kind: number; operand: number } | undefined;
  faulted: boolean;
}

/** Words and the address of the first; code depends on that address within its page only. */
export interface Program {
  readonly words: readonly number[];
  readonly pc: bigint;
}

/** A compiled program. */
export type Compiled = (frame: number, pc: bigint, ret: bigint, depth: number) => number;

const SVC = 0xd4000001;

export class Harness {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly i64: BigInt64Array;
  readonly frame: number;
  private readonly tlb: number;
  /** The data area. */
  readonly data: Uint8Array;
  private path: Path = 'fast';
  context: Context = EL1_CONTEXT;
  private outcome: Outcome = { taken: false, exit: undefined, faulted: false };
  private readonly t = new Translator();
  private readonly builder = new RegionBuilder();

  /** @param shared of another harness, in whose memory this one has a frame of its own */
  constructor(shared?: WebAssembly.Memory) {
    this.memory = shared ?? new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.frame = shared === undefined ? FRAME : SECOND_FRAME;
    this.tlb = this.frame + FRAME_SIZE;
    this.data = this.u8.subarray(DATA_HOST, DATA_HOST + DATA_BYTES);
  }

  /** Compiles programs as straight-line code, in one module. */
  compile(programs: readonly Program[], path: Path): Compiled[] {
    this.path = path;
    return this.instantiate(programs.map((p) => this.straight(p)));
  }

  /** The same through the region builder; behind each program stands an SVC. */
  compileRegions(programs: readonly Program[], path: Path): Compiled[] {
    this.path = path;
    return this.instantiate(
      programs.map(({ words, pc }) => {
        const entry = Number((pc >> 2n) & 1023n);
        const page = new Int32Array(PAGE_WORDS);
        page.set([...words, SVC].slice(0, PAGE_WORDS - entry), entry);
        return this.builder.build(entry, page, 0, this.context, { optimize: this.optimize });
      }),
    );
  }

  private get optimize(): boolean {
    return !this.path.startsWith('call');
  }

  private get bounces(): boolean {
    return this.path.endsWith('bounce');
  }

  private instantiate(regions: readonly Region[]): Compiled[] {
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 + regions.length });
    const runtime = makeRuntime(this.memory, table, this.host);
    const modules = new RegionModules(this.memory, table, runtime);
    modules.instantiate(
      modules.encode(
        regions.map((r) => r.body),
        1,
      ),
    );
    return regions.map((_, k) => table.get(1 + k) as Compiled);
  }

  private straight({ words, pc }: Program): Region {
    const t = this.t;
    t.begin(this.context, Number(pc & 4095n));
    t.optimize = this.optimize;
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
    return {
      entry: 0,
      context: this.context,
      body: header.view().slice(),
      imports: t.imports,
      extents: [],
      doors: [],
      instructions: words.length,
      calls: [],
    };
  }

  private get host(): RuntimeHost {
    const { i32, u8, i64 } = this;
    const translate = (frame: number, info: number): number => {
      const size = info & MISS.sizeMask;
      const at = Number(BigInt.asUintN(64, i64[(frame + F.ARG0) >> 3]!) - DATA);
      if (at < 0 || at + size > DATA_BYTES || ((info & MISS.aligned) !== 0 && (at & (size - 1)) !== 0)) {
        this.outcome.faulted = true;
        return 0;
      }
      return DATA_HOST + at;
    };
    return {
      readMiss: (frame, info) => {
        const host = translate(frame, info);
        if (host === 0 || !this.bounces) return host;
        u8.copyWithin(frame + F.BOUNCE, host, host + (info & MISS.sizeMask));
        return frame + F.BOUNCE;
      },
      writeMiss: (frame, info) => {
        const host = translate(frame, info);
        i32[(frame + F.BOUNCE_SIZE) >> 2] = 0;
        if (host === 0 || !this.bounces || (info & MISS.atomic) !== 0) return host;
        i32[(frame + F.BOUNCE_ADDRESS) >> 2] = host;
        i32[(frame + F.BOUNCE_SIZE) >> 2] = info & MISS.sizeMask;
        return frame + F.BOUNCE;
      },
      commit: (frame) => {
        const host = i32[(frame + F.BOUNCE_ADDRESS) >> 2]!;
        u8.copyWithin(host, frame + F.BOUNCE, frame + F.BOUNCE + i32[(frame + F.BOUNCE_SIZE) >> 2]!);
        return 0;
      },
      resolve: () => 0,
      exit: (_frame, kind, operand) => {
        // Whom it is sent to is of no interest.
        if (kind === EXIT.sev) return 0;
        this.outcome.exit = { kind, operand };
        return 1;
      },
      helper: (frame, id, argument) => FP_HELPERS[id]!(i32, u8, frame, argument),
    };
  }

  /** Runs one compiled program on the frame as it stands. */
  run(region: Compiled, pc: bigint): Outcome {
    this.outcome = { taken: false, exit: undefined, faulted: false };
    const tlb = this.tlb >> 2;
    this.i32.fill(-1, tlb, tlb + TLB.bytes / 4);
    if (this.path === 'fast' || this.path === 'call') {
      for (let page = 0; page < DATA_BYTES; page += 4096) {
        const va = DATA + BigInt(page);
        const entry = this.tlb + (Number(va >> 12n) & (TLB.entries - 1)) * TLB.entrySize;
        this.i64[(entry + TLB.read) >> 3] = va;
        this.i64[(entry + TLB.write) >> 3] = va;
        this.i32[(entry + TLB.addend) >> 2] = Number(BigInt.asIntN(32, BigInt(DATA_HOST) - DATA));
      }
    }
    this.i64[(this.frame + F.DEADLINE) >> 3] = 1n << 62n;
    this.i32[(this.frame + F.TLB) >> 2] = this.tlb;
    this.i32[(this.frame + F.TLB_UNPRIV) >> 2] = this.tlb;
    const result = region(this.frame, pc, 0n, 0);
    this.outcome.taken = result === 1 && !this.outcome.faulted && this.outcome.exit === undefined;
    return this.outcome;
  }

  x(n: number): bigint {
    return BigInt.asUintN(64, this.i64[(this.frame + F.X + 8 * n) >> 3]!);
  }

  setX(n: number, value: bigint): void {
    this.i64[(this.frame + F.X + 8 * n) >> 3] = value;
  }

  /** NZCV, 4 bits. */
  get nzcv(): number {
    const f = this.frame >> 2;
    const a = f + (F.CC_A >> 2);
    const b = f + (F.CC_B >> 2);
    return (
      computeNzcv(this.i32[f + (F.CC >> 2)]!, this.i32[a + 1]!, this.i32[a]!, this.i32[b + 1]!, this.i32[b]!) >>> 28
    );
  }

  set nzcv(value: number) {
    this.i32[(this.frame + F.CC) >> 2] = CC.explicit;
    this.i64[(this.frame + F.CC_A) >> 3] = BigInt(value) << 28n;
  }
}
