import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import type { Decoded } from './decode.ts';
import type { PageCache } from './emitter-memory.ts';
import { V0 } from './emitter-registers.ts';
import { CC } from './flags.ts';
import { instructionAt, structure, type Block, type Edge, type Structure } from './flowgraph.ts';
import { IMPORT, JUMP_CACHE, P, REGION_TYPE } from './region-abi.ts';
import { checkDeadline, emitInstructions, pushCall, pushJump } from './region-common.ts';
import { rolesOf, type Roles } from './roles.ts';
import type { Translator } from './translator.ts';

interface RegisterSet {
  lo: number;
  hi: number;
}

/**
 * A loop in which nothing can change translations. A memory instruction whose address is computed from data (a table's
 * index, a list's link) remembers the page that it was last in: so the look-up in the TLB is not between one load and the
 * next. For an address that only moves along, the processor is far ahead anyway.
 */
interface MemoryLoop {
  readonly header: number;
  readonly body: ReadonlySet<number>;
  /** Registers X0–X30 and SP that are written by something else than steps of an address. */
  readonly computed: number;
  /** Memory instructions that remember. */
  readonly accesses: number;
}

interface Plan {
  /** The outermost ones. */
  readonly memoryLoops: readonly MemoryLoop[];
  /** Registers whose locals hold their values at the block's start. */
  readonly validIn: RegisterSet[];
  /** Registers changed since they were last in the frame. */
  readonly dirtyIn: RegisterSet[];
  readonly validOut: RegisterSet[];
  readonly dirtyOut: RegisterSet[];
}

/** More would not stay in registers. */
const MOST_REMEMBERED = 12;
/** Instructions that the core carries out: they may change translations. */
const SERVED = /^(MSR|MRS|SYS)/;
const MEMORY = /^(LD|ST)/;
/** What steps, scaled counters and their beginnings are made with. */
const STEP = /^((ADD|SUB) \(|ORR \(shifted|(MOVZ|MOVN|ADR|ADRP|MADD|UBFM|SBFM)$)/;

/** Whether an instruction accesses memory at an address that depends on one of the registers. */
function accessesBy(d: Decoded | undefined, computed: number): boolean {
  if (d === undefined || !MEMORY.test(d.row.name)) return false;
  const { Rn, Rm } = d.fields;
  return (((computed >>> (Rn ?? 0)) | (Rm === undefined || Rm === 31 ? 0 : computed >>> Rm)) & 1) !== 0;
}

const isCall = (block: Block): boolean => block.flow === 'call' || block.flow === 'callIndirect';

/** What the instructions of a block do together. */
function rolesOfBlock({ start, count }: Block): Roles {
  const all: Roles = { readLo: 0, readHi: 0, writeLo: 0, writeHi: 0, setsFlags: false };
  for (let at = start; at < start + count; at++) {
    const { decoded } = instructionAt(at);
    if (decoded === undefined) continue;
    const roles = rolesOf(decoded.row, decoded.fields);
    all.readLo |= roles.readLo;
    all.readHi |= roles.readHi;
    all.writeLo |= roles.writeLo;
    all.writeHi |= roles.writeHi;
    all.setsFlags ||= roles.setsFlags;
  }
  return all;
}

function instructionsOf({ start, count }: Block): (Decoded | undefined)[] {
  return Array.from({ length: count }, (_, i) => instructionAt(start + i).decoded);
}

/**
 * Plans where registers live. A loop without calls gets every register that it uses loaded in front of it; elsewhere a
 * register is loaded where it is first used. A call ends all validity: registers are in the frame then.
 */
function plan(blocks: readonly Block[], roles: readonly Roles[], s: Structure): Plan {
  const n = blocks.length;
  const wanted: RegisterSet[] = blocks.map(() => ({ lo: 0, hi: 0 }));
  const memoryLoops: MemoryLoop[] = [];
  for (let h = 0; h < n; h++) {
    if (s.isLoopHeader[h] === 0) continue;
    const body = new Set<number>([h]);
    const work = [...s.back[h]!];
    while (work.length > 0) {
      const b = work.pop()!;
      if (body.has(b)) continue;
      body.add(b);
      work.push(...s.forward[b]!, ...s.back[b]!);
    }
    let calls = false;
    const use = { lo: 0, hi: 0 };
    for (const b of body) {
      const { readLo, writeLo, readHi, writeHi } = roles[b]!;
      if (isCall(blocks[b]!)) calls = true;
      use.lo |= readLo | writeLo;
      use.hi |= readHi | writeHi;
    }
    if (calls) continue;
    wanted[h] = use;
    if (memoryLoops.some((outer) => outer.body.has(h))) continue;
    const instructions = [...body].flatMap((b) => instructionsOf(blocks[b]!));
    if (instructions.some((d) => d !== undefined && SERVED.test(d.row.name))) continue;
    let computed = 0;
    for (const d of instructions) {
      if (d === undefined || STEP.test(d.row.name)) continue;
      const { writeLo } = rolesOf(d.row, d.fields);
      // The base of an access that is written back moves along.
      computed |=
        MEMORY.test(d.row.name) && d.fields['Rn'] !== d.fields['Rt'] ? writeLo & ~(1 << d.fields['Rn']!) : writeLo;
    }
    const accesses = instructions.filter((d) => accessesBy(d, computed)).length;
    memoryLoops.push({ header: h, body, computed, accesses: Math.min(MOST_REMEMBERED, accesses) });
  }

  const validIn: RegisterSet[] = blocks.map(() => ({ lo: -1, hi: -1 }));
  const validOut: RegisterSet[] = blocks.map(() => ({ lo: -1, hi: -1 }));
  for (let changed = true; changed;) {
    changed = false;
    for (let b = 0; b < n; b++) {
      let lo = b === 0 ? 0 : -1;
      let hi = lo;
      for (const p of s.forward[b]!) {
        lo &= validOut[p]!.lo;
        hi &= validOut[p]!.hi;
      }
      lo |= wanted[b]!.lo;
      hi |= wanted[b]!.hi;
      for (const p of s.back[b]!) {
        lo &= validOut[p]!.lo;
        hi &= validOut[p]!.hi;
      }
      const { readLo, writeLo, readHi, writeHi } = roles[b]!;
      const call = isCall(blocks[b]!);
      const outLo = call ? 0 : lo | readLo | writeLo;
      const outHi = call ? 0 : hi | readHi | writeHi;
      const vi = validIn[b]!;
      const vo = validOut[b]!;
      if (vi.lo !== lo || vi.hi !== hi || vo.lo !== outLo || vo.hi !== outHi) {
        vi.lo = lo;
        vi.hi = hi;
        vo.lo = outLo;
        vo.hi = outHi;
        changed = true;
      }
    }
  }

  const dirtyIn: RegisterSet[] = blocks.map(() => ({ lo: 0, hi: 0 }));
  const dirtyOut: RegisterSet[] = blocks.map(() => ({ lo: 0, hi: 0 }));
  for (let changed = true; changed;) {
    changed = false;
    for (let b = 0; b < n; b++) {
      let lo = 0;
      let hi = 0;
      for (const p of [...s.forward[b]!, ...s.back[b]!]) {
        lo |= dirtyOut[p]!.lo;
        hi |= dirtyOut[p]!.hi;
      }
      lo &= validIn[b]!.lo;
      hi &= validIn[b]!.hi;
      const { writeLo, writeHi } = roles[b]!;
      const call = isCall(blocks[b]!);
      const outLo = call ? 0 : lo | writeLo;
      const outHi = call ? 0 : hi | writeHi;
      const di = dirtyIn[b]!;
      const d = dirtyOut[b]!;
      if (di.lo !== lo || di.hi !== hi || d.lo !== outLo || d.hi !== outHi) {
        di.lo = lo;
        di.hi = hi;
        d.lo = outLo;
        d.hi = outHi;
        changed = true;
      }
    }
  }
  return { memoryLoops, validIn, dirtyIn, validOut, dirtyOut };
}

/** The registers a region writes, in the order in which they first become dirty. */
function chainOrder(roles: readonly Roles[]): number[] {
  const order: number[] = [];
  let lo = 0;
  let hi = 0;
  for (const { writeLo, writeHi } of roles) {
    const newLo = writeLo & ~lo;
    const newHi = writeHi & ~hi;
    for (let r = 0; r < 32; r++) if ((newLo >>> r) & 1) order.push(r);
    for (let r = 0; r < 32; r++) if ((newHi >>> r) & 1) order.push(V0 + r);
    lo |= newLo;
    hi |= newHi;
  }
  return order;
}

/**
 * Emits a region for speed: structured control flow, registers in locals, changed ones written back where control leaves.
 * It is entered at its entry only.
 */
export class OptimizedRegion {
  private readonly t: Translator;
  private blocks: readonly Block[] = [];
  private roles: readonly Roles[] = [];
  private structure!: Structure;
  private plan!: Plan;
  private entry = 0;
  /** Depth of the block or loop that a branch to a block goes to, once open. */
  private labels = new Int32Array(0);
  /** What is known of the flags where each forward edge arrives. */
  private ccIn: number[][] = [];
  private setsFlags = false;
  /** What the memory instructions of a loop remember, by its header. */
  private remembered = new Map<number, PageCache[]>();

  constructor(t: Translator) {
    this.t = t;
  }

  /**
   * Emits the function's code.
   * @param blocks in reverse postorder, the entry first; edges that make the graph irreducible are cut
   * @param entry word of the entry in its page
   */
  emit(blocks: Block[], entry: number): void {
    const { t } = this;
    t.optimize = true;
    this.blocks = blocks;
    this.roles = blocks.map(rolesOfBlock);
    this.structure = structure(blocks);
    this.plan = plan(blocks, this.roles, this.structure);
    this.entry = entry;
    this.labels = new Int32Array(blocks.length).fill(-1);
    this.ccIn = blocks.map(() => []);
    this.setsFlags = this.roles.some((r) => r.setsFlags);

    t.chain = Uint8Array.from(chainOrder(this.roles));
    // Level 0 of the chain is the outermost block: leave without a register to write back.
    t.chainDepth = t.open(W.block);
    for (let i = 0; i < t.chain.length; i++) t.open(W.block);
    this.remembered = new Map(
      this.plan.memoryLoops.map(({ header, accesses }) => [
        header,
        Array.from({ length: accesses }, () => ({ tag: t.newLocal(T.i64), addend: t.newLocal(T.i32) })),
      ]),
    );
    t.frameLoad(W.i64_load, F.ICOUNT);
    t.tee(t.icount);
    checkDeadline(t, 0, entry);
    if (this.setsFlags) t.flagsAtBlockStart(CC.frame);
    this.emitTree(0);
    for (let i = t.chain.length - 1; i >= 0; i--) {
      t.close();
      const r = t.chain[i]!;
      // A register of the chain without a local is never valid: nothing branches here.
      if (t.registerLocal[r]! >= 0) t.store(r);
    }
    t.close();
    t.cc = t.ccLocal >= 0 ? CC.dynamic : CC.frame;
    t.dirtyLo = t.dirtyHi = 0;
    t.writeBack();
    t.i32(1);
    t.op(W.end);
  }

  private startState(b: number): void {
    const t = this.t;
    const p = this.plan;
    t.validLo = p.validIn[b]!.lo;
    t.validHi = p.validIn[b]!.hi;
    t.dirtyLo = p.dirtyIn[b]!.lo;
    t.dirtyHi = p.dirtyIn[b]!.hi;
  }

  private emitTree(b: number): void {
    const merges = this.structure.children[b]!.filter((c) => this.structure.isMerge[c] !== 0);
    if (this.structure.isLoopHeader[b] === 0) {
      this.emitWithin(b, merges);
      return;
    }
    const t = this.t;
    if (b === 0) {
      // The loop's registers are loaded in front of it.
      t.validLo = t.validHi = t.dirtyLo = t.dirtyHi = 0;
      t.loadMask(this.plan.validIn[0]!.lo, this.plan.validIn[0]!.hi);
      this.forget(0);
    }
    this.labels[b] = t.open(W.loop);
    this.emitWithin(b, merges);
    t.close();
  }

  /** The block's code inside one `block` for each merge that it dominates, the last of them outermost. */
  private emitWithin(b: number, merges: number[]): void {
    const t = this.t;
    const last = merges.pop();
    if (last === undefined) {
      this.emitBlock(b);
      return;
    }
    this.labels[last] = t.open(W.block);
    this.emitWithin(b, merges);
    t.close();
    // A loop header that is a merge as well gets its own label now.
    this.emitTree(last);
  }

  /** In front of a loop: what its memory instructions remember is of another time. */
  private forget(header: number): void {
    const t = this.t;
    for (const { tag } of this.remembered.get(header) ?? []) {
      t.i64(-1);
      t.set(tag);
    }
  }

  private emitBlock(b: number): void {
    const t = this.t;
    const block = this.blocks[b]!;
    const header = this.structure.isLoopHeader[b] !== 0;
    this.startState(b);
    const loop = this.plan.memoryLoops.find(({ body }) => body.has(b));
    const remembered = (loop && this.remembered.get(loop.header)) ?? [];
    if (b !== 0 || header) {
      const known = this.ccIn[b]!;
      const agreed = known.length > 0 && known.every((c) => c === known[0]) ? known[0]! : CC.dynamic;
      t.flagsAtBlockStart(!this.setsFlags ? CC.frame : header ? CC.dynamic : agreed);
    }
    if (header) {
      t.get(t.icount);
      checkDeadline(t, (block.start - this.entry) * 4, this.entry);
    }
    const goesOn = emitInstructions(t, block, this.entry, (decoded) => {
      t.pageCaches = loop !== undefined && accessesBy(decoded, loop.computed) ? remembered : [];
    });
    if (goesOn) this.emitEnd(b, block);
  }

  private emitEnd(b: number, block: Block): void {
    const t = this.t;
    switch (block.flow) {
      case 'next':
        this.settle(b);
        this.emitEdge(b, block.fall!);
        break;
      case 'jump':
        this.settle(b);
        this.emitEdge(b, block.taken!);
        break;
      case 'branch': {
        // The condition is on the operand stack; settling only touches registers.
        this.settle(b);
        const saved = this.save();
        if (this.isDirect(b, block.taken!)) {
          t.branch(W.br_if, this.labels[block.taken!.block]!);
          this.noteFlags(block.taken!);
        } else {
          t.open(W.if);
          this.emitEdge(b, block.taken!);
          t.close();
          this.restore(saved);
        }
        this.emitEdge(b, block.fall!);
        break;
      }
      case 'call':
      case 'callIndirect': {
        const target = block.flow === 'callIndirect' ? t.popTemp(T.i64) : undefined;
        const pushTarget = (): void =>
          target === undefined ? t.pc(instructionAt(block.start + block.count - 1).offset) : t.get(target);
        pushCall(t, pushTarget);
        this.pushIndex(pushTarget, true);
        t.op(W.call_indirect);
        t.code.u32(REGION_TYPE);
        t.code.u32(0);
        t.op(W.if, T.void);
        t.i32(1);
        t.op(W.return, W.end);
        t.validLo = t.validHi = t.dirtyLo = t.dirtyHi = 0;
        t.flagsInFrame();
        t.frameLoad(W.i64_load, F.ICOUNT);
        t.set(t.icount);
        this.emitEdge(b, block.fall!);
        break;
      }
      case 'return': {
        const target = t.popTemp(T.i64);
        t.writeBack();
        t.get(target);
        t.get(P.ret);
        t.op(W.i64_eq, W.if, T.void);
        t.i32(0);
        t.op(W.return, W.end);
        this.tailJump(() => t.get(target));
        break;
      }
      case 'indirect': {
        const target = t.popTemp(T.i64);
        t.writeBack();
        this.tailJump(() => t.get(target));
        break;
      }
      default:
        throw new Error('an instruction that leaves the region did not emit its exit');
    }
  }

  /** Continues at an address in another region, with this one's place on the host's stack. */
  private tailJump(target: () => void): void {
    const t = this.t;
    pushJump(t, target);
    this.pushIndex(target, false);
    t.op(W.return_call_indirect);
    t.code.u32(REGION_TYPE);
    t.code.u32(0);
  }

  /** Pushes the table index of the region at an address: the jump cache's, or what the runtime finds. @param call a nested one */
  private pushIndex(target: () => void, call: boolean): void {
    const t = this.t;
    const entry = t.temp(T.i32);
    target();
    t.op(W.i32_wrap_i64);
    t.i32(JUMP_CACHE.factor);
    t.op(W.i32_mul);
    t.i32(JUMP_CACHE.shift);
    t.op(W.i32_shr_u);
    t.i32(JUMP_CACHE.mask);
    t.op(W.i32_and);
    t.frameLoad(W.i32_load, F.JUMP_CACHE);
    t.op(W.i32_add);
    t.tee(entry);
    t.memory(W.i64_load, 0);
    target();
    t.op(W.i64_eq);
    if (call) {
      t.get(P.depth);
      t.i32(0);
      t.op(W.i32_gt_s, W.i32_and);
    }
    t.if(
      T.i32,
      () => {
        t.get(entry);
        t.memory(W.i32_load, 8);
      },
      () => {
        t.get(P.frame);
        target();
        if (call) t.get(P.depth);
        else t.i32(1);
        t.call(IMPORT.lookup);
      },
    );
  }

  /** Makes the state at a block's end what the plan says. */
  private settle(b: number): void {
    const { lo, hi } = this.plan.validOut[b]!;
    this.t.loadMask(lo, hi);
  }

  private save(): [number, number, number, number, number] {
    const t = this.t;
    return [t.validLo, t.validHi, t.dirtyLo, t.dirtyHi, t.cc];
  }

  private restore(saved: [number, number, number, number, number]): void {
    const t = this.t;
    [t.validLo, t.validHi, t.dirtyLo, t.dirtyHi, t.cc] = saved;
  }

  private noteFlags(edge: Edge): void {
    this.ccIn[edge.block]!.push(this.t.cc);
  }

  /** Whether an edge is a branch that needs no code of its own. */
  private isDirect(from: number, edge: Edge): boolean {
    const t = this.t;
    const to = edge.block;
    if (to < 0) return false;
    const back = to <= from;
    if (!back && (this.structure.isMerge[to] === 0 || this.remembered.has(to))) return false;
    const v = this.plan.validIn[to]!;
    const d = this.plan.dirtyIn[to]!;
    return ((v.lo & ~t.validLo) | (v.hi & ~t.validHi) | (t.dirtyLo & ~d.lo) | (t.dirtyHi & ~d.hi)) === 0;
  }

  /** Emits a transfer of control along an edge; nothing falls through. */
  private emitEdge(from: number, edge: Edge): void {
    const t = this.t;
    const to = edge.block;
    if (to < 0) {
      t.writeBack();
      const offset = (edge.target - this.entry) * 4 - t.pcOffset;
      this.tailJump(() => t.pc(offset));
      return;
    }
    const v = this.plan.validIn[to]!;
    const d = this.plan.dirtyIn[to]!;
    t.storeMask(t.dirtyLo & ~d.lo, t.dirtyHi & ~d.hi);
    t.loadMask(v.lo, v.hi);
    if (to > from) this.forget(to);
    if (to <= from || this.structure.isMerge[to] !== 0) {
      if (to > from) this.noteFlags(edge);
      t.branch(W.br, this.labels[to]!);
    } else {
      this.noteFlags(edge);
      this.emitTree(to);
    }
  }
}
