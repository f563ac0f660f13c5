import { CodeBuffer } from '../wasm/buffer.ts';
import { T, W, WA, WFC, WV, type ValueType } from '../wasm/opcodes.ts';
import { F } from '../core/frame.ts';
import { CC } from './flags.ts';

/** Register numbers inside the translator: X0–X30, SP, then V0–V31. */
export const SP = 31;
export const V0 = 32;

/** Parameters of a region's function: the frame's host address, the entry's virtual address, the address a RET returns to, calls that may still nest. */
export const P = { frame: 0, pc: 1, ret: 2, depth: 3 } as const;

/**
 * Functions that region modules import, by index: what cold code uses comes first, because a module imports only as many
 * of them as its code needs.
 */
export const IMPORT = {
  exit: 0,
  load: 1,
  store: 2,
  ret: 3,
  link: 4,
  jump: 5,
  flags: 6,
  storePair: 7,
  loadPair: 8,
  nzcv: 9,
  writeHost: 10,
  readHost: 11,
  commit: 12,
  helper: 13,
  lookup: 14,
  readMiss: 15,
  writeMiss: 16,
} as const;

/** What `exit` is called for; the second argument is its operand. */
export const EXIT = {
  undefined: 0,
  svc: 1,
  hvc: 2,
  smc: 3,
  brk: 4,
  hlt: 5,
  eret: 6,
  mrs: 7,
  msr: 8,
  msrImmediate: 9,
  sys: 10,
  sysl: 11,
  wfi: 12,
  wfe: 13,
  fpTrap: 14,
  irq: 16,
  deadline: 17,
  esb: 18,
} as const;

/**
 * `info` of a miss: size in bytes, flags, retired-instruction correction, signed word offset from the region's entry.
 * `aligned`: the instruction asks for natural alignment; `elements`: the context asks for that of the elements;
 * `stack`: the base is SP and must be aligned.
 */
export const MISS = {
  sizeMask: 0x7f,
  unprivileged: 1 << 7,
  aligned: 1 << 8,
  atomic: 1 << 9,
  zva: 1 << 10,
  /** With `atomic`: of a store-exclusive. */
  exclusive: 1 << 10,
  correctionShift: 11,
  correctionMask: 0xff,
  elements: 1 << 19,
  stack: 1 << 20,
  offsetShift: 21,
} as const;

/**
 * A software TLB: two tables of entries of 32 bytes, each direct mapped by virtual page. Translated code looks into the first
 * one, by the page's number; the second, by `page ^ page >> 9`, holds what the first has lost to another page.
 */
export const TLB = {
  entries: 1024,
  entrySize: 32,
  read: 0,
  write: 8,
  addend: 16,
  second: 1024 * 32,
  hashShift: 9,
  bytes: 2 * 1024 * 32,
} as const;

/** log2 of the number of entries of a jump cache. */
const JUMP_BITS = 14;

/**
 * A jump cache: entries of 16 bytes, PC (i64) and table index (i32). An address's entry is at the byte `(low word × factor)
 * >>> shift & mask`, the upper bits of a product that all bits of the address have a say in; what it has lost to another
 * address stands in its neighbour (`^ entrySize`), where only the runtime looks.
 */
export const JUMP_CACHE = {
  entrySize: 16,
  factor: 0x9e3779b1 | 0,
  shift: 32 - 4 - JUMP_BITS,
  mask: ((1 << JUMP_BITS) - 1) << 4,
  bytes: 16 << JUMP_BITS,
} as const;

/** Where a jump cache has the entry for an address. @param lo its low word */
export const jumpEntry = (lo: number): number =>
  (Math.imul(lo, JUMP_CACHE.factor) >>> JUMP_CACHE.shift) & JUMP_CACHE.mask;

/** What a memory instruction of a loop remembers of its last access: the page's tag, -1 for none, and its addend. */
export interface PageCache {
  readonly tag: Local;
  readonly addend: Local;
}

/** A WebAssembly local of the function being made. */
export type Local = number;

export interface AccessOptions {
  /** As at EL0 (LDTR, STTR). */
  unprivileged?: boolean;
  /** Natural alignment is required, or an Alignment fault is taken. */
  aligned?: boolean;
  /** Bytes of an element, where the access is of several; a power of two. */
  element?: number;
}

/** What the translator must know of the state that a region is made for; regions are kept apart by it. */
export interface Context {
  readonly el: 0 | 1 | 2;
  /** Accesses to SIMD&FP registers trap. */
  readonly fpTrap: boolean;
  /** HCR_EL2.E2H at EL2. */
  readonly e2h: boolean;
  /** PSTATE.SP: the stack pointer in use is SP_ELx. */
  readonly stackSelected: boolean;
  /** Every access must be aligned to its elements: SCTLR_ELx.A, or all memory is Device as stage 1 is off. */
  readonly aligned: boolean;
  /** SCTLR_ELx.SA or SA0: a base that is SP must be aligned to 16 bytes. */
  readonly stackAligned: boolean;
  /** Software step or breakpoints: a region is one instruction. */
  readonly single: boolean;
  /** PSTATE.D decides about debug exceptions of this EL. */
  readonly debugMasked: boolean;
}

/** Code at EL1 with nothing trapped. */
export const EL1_CONTEXT: Context = {
  el: 1,
  fpTrap: false,
  e2h: false,
  stackSelected: true,
  aligned: false,
  stackAligned: false,
  single: false,
  debugMasked: false,
};

const PLAIN: AccessOptions = {};
const EXTEND = { 1: W.i64_extend8_s, 2: W.i64_extend16_s, 4: W.i64_extend32_s } as const;
const LOAD = { 1: W.i64_load8_u, 2: W.i64_load16_u, 4: W.i64_load32_u, 8: W.i64_load } as const;
const LOAD_SIGNED = { 1: W.i64_load8_s, 2: W.i64_load16_s, 4: W.i64_load32_s, 8: W.i64_load } as const;
const STORE = { 1: W.i64_store8, 2: W.i64_store16, 4: W.i64_store32, 8: W.i64_store } as const;

/** Comparisons of operands by condition (bits 3:1), and their opposites; 0 where it takes more. */
const compare64 = [
  [W.i64_eq, W.i64_ne],
  [W.i64_ge_u, W.i64_lt_u],
  [0, 0],
  [0, 0],
  [W.i64_gt_u, W.i64_le_u],
  [W.i64_ge_s, W.i64_lt_s],
  [W.i64_gt_s, W.i64_le_s],
] as const;
const compare32 = [
  [W.i32_eq, W.i32_ne],
  [W.i32_ge_u, W.i32_lt_u],
  [0, 0],
  [0, 0],
  [W.i32_gt_u, W.i32_le_u],
  [W.i32_ge_s, W.i32_lt_s],
  [W.i32_gt_s, W.i32_le_s],
] as const;

/**
 * Emits one region's WebAssembly. The instruction table's meanings are written against this class: they push and
 * pop values on WebAssembly's operand stack; the translator keeps guest registers in locals, loads them from the frame
 * on first use and writes changed ones back where control leaves.
 *
 * Rules for meanings:
 * - inside an arm of `if` registers may be read but not written, and flags not set: compute into a temporary, write after;
 * - memory is accessed before any register is written (faults are precise: a faulting instruction leaves no trace);
 * - temporaries live until the end of the instruction.
 */
export class Translator {
  readonly code = new CodeBuffer();
  private readonly header = new CodeBuffer();
  /** For the memory instructions of the loop at hand, one each, as far as they go. */
  pageCaches: PageCache[] = [];
  /** Imported functions needed: 0 … imports - 1. */
  imports = 0;
  /** Types of the locals after the parameters, in order. */
  localTypes: ValueType[] = [];
  context: Context = EL1_CONTEXT;
  /**
   * Emit for speed; otherwise, for code that runs a few times only, what is long is called instead, and changed registers
   * go to the frame before everything that may leave, so that there is nothing to write back there.
   */
  optimize = true;
  private entryOffset = 0;
  /** SP has been read by this instruction: it is the base of its access, which is at SP plus `stackOffset` where known. */
  private usesStack = false;
  stackOffset: number | undefined;
  /** Byte offset of the instruction from the region's entry. */
  pcOffset = 0;
  /** Instructions of the block that come after the previous one: what a fault here takes back from the count. */
  correction = 0;
  /** Set when the instruction ended the region's straight line itself. */
  ended = false;

  // Registers: bit r of lo for X0–X30 and SP, of hi for V0–V31.
  validLo = 0;
  validHi = 0;
  dirtyLo = 0;
  dirtyHi = 0;
  /** Accesses of the current instruction. */
  readLo = 0;
  readHi = 0;
  writeLo = 0;
  writeHi = 0;
  readonly registerLocal = new Int16Array(64);

  /** How the flags were made: a CC, or CC.dynamic when only the locals know. */
  cc: number = CC.frame;
  flagsUsed = false;
  ccLocal: Local = -1;
  ccA: Local = -1;
  ccB: Local = -1;
  /** Condition known by the last CCMP, see `condition`. */
  private conditional: { taken: Local; cc: number; nzcv: number } | undefined;

  /** An i32: nonzero when FPCR is 0 and FPSR.IXC is set; known since when in this block, see `fpFast`. */
  private fpFastLocal: Local = -1;
  private fpFastKnown = false;

  icount: Local = -1;
  /** Open blocks; and the depths of the write-back chain's levels. */
  depth = 0;
  private arms = 0;
  chain: Uint8Array = new Uint8Array(0);
  chainDepth = 0;

  /** A v128 that is never written, so always zero. */
  private zeroLocal: Local = -1;

  /** Temporaries by type (less T.v128), and how many of each the instruction has taken. */
  private readonly temps: Local[][] = [[], [], [], [], []];
  private readonly tempsUsed = new Uint8Array(5);

  // ------------------------------------------------------------------ region life

  /** @param entry byte offset of the region's entry in its page */
  begin(context: Context, entry = 0): void {
    this.entryOffset = entry;
    this.code.reset();
    this.imports = 0;
    this.pageCaches = [];
    this.localTypes = [];
    this.context = context;
    this.registerLocal.fill(-1);
    for (const all of this.temps) all.length = 0;
    this.validLo = this.validHi = this.dirtyLo = this.dirtyHi = 0;
    this.cc = CC.frame;
    this.flagsUsed = false;
    this.ccLocal = this.ccA = this.ccB = -1;
    this.zeroLocal = -1;
    this.fpFastLocal = -1;
    this.fpFastKnown = false;
    this.conditional = undefined;
    this.depth = 0;
    this.arms = 0;
    this.icount = this.newLocal(T.i64);
  }

  /** The function as the code section wants it, without its size: its locals and the code. */
  functionBody(): Uint8Array<ArrayBuffer> {
    const { localTypes } = this;
    const header = this.header;
    header.reset();
    let runs = 0;
    for (let i = 0; i < localTypes.length; i++) if (localTypes[i] !== localTypes[i - 1]) runs++;
    header.u32(runs);
    for (let i = 0, first = 0; i < localTypes.length; i++) {
      if (localTypes[i] === localTypes[i + 1]) continue;
      header.u32(i + 1 - first);
      header.u8(localTypes[i]!);
      first = i + 1;
    }
    const body = new Uint8Array(header.length + this.code.length);
    body.set(header.view());
    body.set(this.code.view(), header.length);
    return body;
  }

  beginInstruction(pcOffset: number, correction: number): void {
    this.pcOffset = pcOffset;
    this.correction = correction;
    this.ended = false;
    this.usesStack = false;
    this.stackOffset = undefined;
    this.readLo = this.readHi = this.writeLo = this.writeHi = 0;
    this.tempsUsed.fill(0);
  }

  newLocal(type: ValueType): Local {
    this.localTypes.push(type);
    return 3 + this.localTypes.length;
  }

  /** A temporary that lives until the instruction's end. */
  temp(type: ValueType): Local {
    const all = this.temps[type - T.v128]!;
    const used = this.tempsUsed[type - T.v128]!++;
    if (used === all.length) all.push(this.newLocal(type));
    return all[used]!;
  }

  /** Pops into a new temporary. */
  popTemp(type: ValueType): Local {
    const local = this.temp(type);
    this.set(local);
    return local;
  }

  // ------------------------------------------------------------------ plain emission

  /** One-byte instructions. */
  op(first: number, second?: number, third?: number, fourth?: number): void {
    this.code.u8(first);
    if (second !== undefined) this.code.u8(second);
    if (third !== undefined) this.code.u8(third);
    if (fourth !== undefined) this.code.u8(fourth);
  }

  get(local: Local): void {
    this.code.u8(W.local_get);
    this.code.u32(local);
  }

  set(local: Local): void {
    this.code.u8(W.local_set);
    this.code.u32(local);
  }

  tee(local: Local): void {
    this.code.u8(W.local_tee);
    this.code.u32(local);
  }

  i32(n: number): void {
    this.code.u8(W.i32_const);
    this.code.s32(n);
  }

  /** An i64 constant: a safe integer or a bigint. */
  i64(n: number | bigint): void {
    this.code.u8(W.i64_const);
    this.code.s64(n);
  }

  /** A v128 constant from two 64-bit halves. */
  v128(low: bigint, high: bigint): void {
    this.code.u8(0xfd);
    this.code.u32(WV.const);
    for (const half of [low, high]) for (let i = 0n; i < 64n; i += 8n) this.code.u8(Number((half >> i) & 0xffn));
  }

  /** Pushes a v128 of zeros. */
  vzero(): void {
    if (this.zeroLocal < 0) this.zeroLocal = this.newLocal(T.v128);
    this.get(this.zeroLocal);
  }

  /** A v128 instruction without immediates. */
  vop(opcode: number): void {
    this.code.u8(0xfd);
    this.code.u32(opcode);
  }

  /** extract_lane or replace_lane. */
  vlane(opcode: number, lane: number): void {
    this.vop(opcode);
    this.code.u8(lane);
  }

  /** i8x16.shuffle with 16 lane numbers (0–31). */
  vshuffle(lanes: readonly number[]): void {
    this.vop(WV.shuffle);
    for (const lane of lanes) this.code.u8(lane);
  }

  /** A load or store with alignment 1 and a constant offset. */
  memory(opcode: number, offset: number): void {
    this.code.u8(opcode);
    this.code.u8(0);
    this.code.u32(offset);
  }

  /** A v128 load or store (with a lane where the opcode takes one). */
  vmemory(opcode: number, offset: number, lane = -1): void {
    this.vop(opcode);
    this.code.u8(0);
    this.code.u32(offset);
    if (lane >= 0) this.code.u8(lane);
  }

  /** An atomic instruction; `log2` is the access's size, its alignment. */
  atomic(opcode: number, log2: number, offset = 0): void {
    this.code.u8(0xfe);
    this.code.u32(opcode);
    this.code.u32(log2);
    this.code.u32(offset);
  }

  fence(): void {
    this.code.u8(0xfe);
    this.code.u32(WA.atomic_fence);
    this.code.u8(0);
  }

  /** A saturating float-to-integer conversion (0xFC prefix). */
  truncSat(opcode: number): void {
    this.code.u8(0xfc);
    this.code.u32(opcode);
  }

  /** Calls an imported function (IMPORT). */
  call(index: number): void {
    if (index >= this.imports) this.imports = index + 1;
    this.code.u8(W.call);
    this.code.u32(index);
  }

  /** Calls an imported function instead of returning. */
  returnCall(index: number): void {
    if (index >= this.imports) this.imports = index + 1;
    this.code.u8(W.return_call);
    this.code.u32(index);
  }

  /** Pops an i32; emits the arms. Registers and flags must not be written inside. */
  if(type: ValueType | typeof T.void, then: () => void, otherwise?: () => void): void {
    this.code.u8(W.if);
    this.code.u8(type);
    this.depth++;
    this.arms++;
    then();
    if (otherwise !== undefined) {
      this.code.u8(W.else);
      otherwise();
    }
    this.code.u8(W.end);
    this.arms--;
    this.depth--;
  }

  /** Loads a field of the frame. */
  frameLoad(opcode: number, offset: number): void {
    this.get(P.frame);
    this.memory(opcode, offset);
  }

  /** Stores what `value` pushes into a field of the frame. */
  frameStore(opcode: number, offset: number, value: () => void): void {
    this.get(P.frame);
    value();
    this.memory(opcode, offset);
  }

  // ------------------------------------------------------------------ registers

  private isValid(r: number): boolean {
    return ((r < 32 ? this.validLo >>> r : this.validHi >>> (r - 32)) & 1) !== 0;
  }

  localOf(r: number): Local {
    let local = this.registerLocal[r]!;
    if (local < 0) {
      local = this.newLocal(r < 32 ? T.i64 : T.v128);
      this.registerLocal[r] = local;
    }
    return local;
  }

  private pushFromFrame(r: number): void {
    this.get(P.frame);
    if (r < 32) this.memory(W.i64_load, F.X + 8 * r);
    else this.vmemory(WV.load, F.V + 16 * (r - 32));
  }

  /** Makes sure that the register's local holds its value. */
  load(r: number): void {
    if (r === SP) this.usesStack = true;
    if (this.isValid(r)) return;
    this.pushFromFrame(r);
    this.set(this.localOf(r));
    this.markValid(r);
  }

  private markValid(r: number): void {
    if (r < 32) this.validLo |= 1 << r;
    else this.validHi |= 1 << (r - 32);
  }

  private getRegister(r: number): void {
    if (r === SP) this.usesStack = true;
    if (r < 32) this.readLo |= 1 << r;
    else this.readHi |= 1 << (r - 32);
    if (this.isValid(r)) this.get(this.localOf(r));
    else {
      this.pushFromFrame(r);
      if (this.arms === 0) {
        this.tee(this.localOf(r));
        this.markValid(r);
      }
    }
  }

  private setRegister(r: number): void {
    if (this.arms !== 0) throw new Error('a register is written inside an arm');
    this.set(this.localOf(r));
    this.markValid(r);
    if (r < 32) this.writeLo |= 1 << r;
    else this.writeHi |= 1 << (r - 32);
    if (r < 32) this.dirtyLo |= 1 << r;
    else this.dirtyHi |= 1 << (r - 32);
  }

  /** Stores a register's local to the frame. */
  store(r: number): void {
    this.get(P.frame);
    this.get(this.localOf(r));
    if (r < 32) this.memory(W.i64_store, F.X + 8 * r);
    else this.vmemory(WV.store, F.V + 16 * (r - 32));
  }

  /** Pushes Xn, or zero for 31. */
  x(n: number): void {
    if (n === 31) this.i64(0);
    else this.getRegister(n);
  }

  /** Pushes Xn, or SP for 31. */
  xsp(n: number): void {
    this.getRegister(n);
  }

  /** Pushes Wn as i32, or zero for 31. */
  w(n: number): void {
    if (n === 31) this.i32(0);
    else {
      this.getRegister(n);
      this.op(W.i32_wrap_i64);
    }
  }

  /** Pushes Wn as i32, or WSP for 31. */
  wsp(n: number): void {
    this.getRegister(n);
    this.op(W.i32_wrap_i64);
  }

  /** Pops an i64 into Xn; 31 drops it. */
  setX(n: number): void {
    if (n === 31) this.op(W.drop);
    else this.setRegister(n);
  }

  /** Pops an i64 into Xn, or SP for 31. */
  setXsp(n: number): void {
    this.setRegister(n);
  }

  /** Pops an i32 into Wn (bits 63:32 become zero); 31 drops it. */
  setW(n: number): void {
    if (n === 31) this.op(W.drop);
    else {
      this.op(W.i64_extend_i32_u);
      this.setRegister(n);
    }
  }

  /** Pops an i32 into Wn, or WSP for 31. */
  setWsp(n: number): void {
    this.op(W.i64_extend_i32_u);
    this.setRegister(n);
  }

  /** Pushes Vn as v128. */
  v(n: number): void {
    this.getRegister(V0 + n);
  }

  /** Pops a v128 into Vn. A scalar or 64-bit result must have its upper bits zero already. */
  setV(n: number): void {
    this.setRegister(V0 + n);
  }

  /** Pushes the low double, single or integer lane of Vn. */
  d(n: number): void {
    this.v(n);
    this.vlane(WV.f64x2_extract_lane, 0);
  }

  s(n: number): void {
    this.v(n);
    this.vlane(WV.f32x4_extract_lane, 0);
  }

  vLow64(n: number): void {
    this.v(n);
    this.vlane(WV.i64x2_extract_lane, 0);
  }

  /** Pops a scalar into Vn, all other bits zero: i64, i32 (zero-extended from 8, 16 or 32 bits already), f64, f32. */
  setVLow(n: number, type: ValueType): void {
    const value = this.popTemp(type);
    this.vzero();
    this.get(value);
    const lane = {
      [T.i64]: WV.i64x2_replace_lane,
      [T.i32]: WV.i32x4_replace_lane,
      [T.f64]: WV.f64x2_replace_lane,
      [T.f32]: WV.f32x4_replace_lane,
    }[type as number];
    if (lane === undefined) throw new Error('not a scalar');
    this.vlane(lane, 0);
    this.setV(n);
  }

  /** Pushes the address of the instruction plus `delta` bytes. */
  pc(delta = 0): void {
    this.get(P.pc);
    const offset = this.pcOffset + delta;
    if (offset !== 0) {
      this.i64(offset);
      this.op(W.i64_add);
    }
  }

  /** Pushes the address of the instruction's page (4 KiB) plus `delta` bytes. */
  page(delta: number): void {
    this.get(P.pc);
    if (delta === this.entryOffset) return;
    this.i64(delta - this.entryOffset);
    this.op(W.i64_add);
  }

  // ------------------------------------------------------------------ flags

  private flagLocals(): void {
    if (this.ccLocal >= 0) return;
    this.ccLocal = this.newLocal(T.i32);
    this.ccA = this.newLocal(T.i64);
    this.ccB = this.newLocal(T.i64);
  }

  private setFlags(cc: number, a: Local, b: Local | undefined): void {
    if (this.arms !== 0) throw new Error('flags are set inside an arm');
    this.flagLocals();
    this.flagsUsed = true;
    this.i32(cc);
    this.set(this.ccLocal);
    this.get(a);
    this.set(this.ccA);
    if (b !== undefined) {
      this.get(b);
      this.set(this.ccB);
    }
    this.cc = cc;
    this.conditional = undefined;
  }

  /** NZCV of a - b. The operands are i64 locals; with `sf` 0 their low words count. */
  flagsSub(sf: number, a: Local, b: Local): void {
    this.setFlags(sf !== 0 ? CC.sub64 : CC.sub32, a, b);
  }

  /** NZCV of a + b. */
  flagsAdd(sf: number, a: Local, b: Local): void {
    this.setFlags(sf !== 0 ? CC.add64 : CC.add32, a, b);
  }

  /** N and Z of a result, C and V zero. */
  flagsLogic(sf: number, result: Local): void {
    this.setFlags(sf !== 0 ? CC.logic64 : CC.logic32, result, undefined);
  }

  /** Pops NZCV as an i32, in bits 31:28. */
  setNzcv(): void {
    this.op(W.i64_extend_i32_u);
    const value = this.popTemp(T.i64);
    this.setFlags(CC.explicit, value, undefined);
  }

  /** CCMP and CCMN: where `cond` holds NZCV are those of a - b (or a + b), else the constant `nzcv` (4 bits). */
  flagsConditional(cond: number, add: boolean, sf: number, a: Local, b: Local, nzcv: number): void {
    if (cond >= 14) {
      if (add) this.flagsAdd(sf, a, b);
      else this.flagsSub(sf, a, b);
      return;
    }
    const cc = add ? (sf !== 0 ? CC.add64 : CC.add32) : sf !== 0 ? CC.sub64 : CC.sub32;
    this.condition(cond);
    this.flagLocals();
    this.flagsUsed = true;
    const taken = this.newLocal(T.i32);
    this.set(taken);
    this.i32(cc);
    this.i32(CC.explicit);
    this.get(taken);
    this.op(W.select);
    this.set(this.ccLocal);
    this.get(a);
    this.i64((nzcv << 28) >>> 0);
    this.get(taken);
    this.op(W.select);
    this.set(this.ccA);
    this.get(b);
    this.set(this.ccB);
    this.cc = CC.dynamic;
    this.conditional = { taken, cc, nzcv };
  }

  /** Pushes NZCV as an i32, in bits 31:28. */
  nzcv(): void {
    this.get(P.frame);
    if (this.cc === CC.frame || this.ccLocal < 0) {
      this.i32(CC.frame);
      this.i64(0);
      this.i64(0);
    } else {
      this.get(this.ccLocal);
      this.get(this.ccA);
      this.get(this.ccB);
    }
    this.call(IMPORT.nzcv);
  }

  /** Pushes the carry flag as an i32, 0 or 1. */
  carry(): void {
    this.condition(2);
  }

  private ccOperands(words: boolean): void {
    this.get(this.ccA);
    if (words) this.op(W.i32_wrap_i64);
    this.get(this.ccB);
    if (words) this.op(W.i32_wrap_i64);
  }

  /** Pushes an i32, nonzero when the condition (4 bits) holds. */
  condition(cond: number): void {
    if (cond >= 14) {
      this.i32(1);
      return;
    }
    const known = this.conditional;
    if (this.cc === CC.dynamic && known !== undefined) {
      this.conditionOf(cond, known.cc);
      this.i32(holds(cond, known.nzcv) ? 1 : 0);
      this.get(known.taken);
      this.op(W.select);
      return;
    }
    this.conditionOf(cond, this.cc);
  }

  private conditionOf(cond: number, cc: number): void {
    const base = cond >> 1;
    const negate = (cond & 1) !== 0;
    const pick = negate ? 1 : 0;
    const words = cc === CC.sub32 || cc === CC.add32 || cc === CC.logic32;
    if (cc === CC.sub64 || cc === CC.sub32) {
      if (base === 2) {
        // MI, PL: the sign of the difference.
        this.ccOperands(words);
        this.op(words ? W.i32_sub : W.i64_sub);
        this.signTest(words, negate);
        return;
      }
      if (base !== 3) {
        this.ccOperands(words);
        this.op((words ? compare32 : compare64)[base]![pick]);
        return;
      }
    } else if (cc === CC.logic64 || cc === CC.logic32) {
      const push = (): void => {
        this.get(this.ccA);
        if (words) this.op(W.i32_wrap_i64);
      };
      const zero = (): void => (words ? this.i32(0) : this.i64(0));
      switch (base) {
        case 0:
          push();
          zero();
          this.op((words ? compare32 : compare64)[0][pick]);
          return;
        case 1:
          this.i32(negate ? 1 : 0);
          return;
        case 2:
          push();
          this.signTest(words, negate);
          return;
        case 3:
          this.i32(negate ? 1 : 0);
          return;
        case 4:
          this.i32(negate ? 1 : 0);
          return;
        case 5:
          push();
          this.signTest(words, !negate);
          return;
        case 6:
          push();
          zero();
          this.op((words ? compare32 : compare64)[6][pick]);
          return;
      }
    } else if (cc === CC.add64 || cc === CC.add32) {
      const sum = (): void => {
        this.ccOperands(words);
        this.op(words ? W.i32_add : W.i64_add);
      };
      if (base === 0) {
        sum();
        this.op(words ? W.i32_eqz : W.i64_eqz);
        if (negate) this.op(W.i32_eqz);
        return;
      }
      if (base === 1) {
        // Carry out: the sum is below an operand.
        sum();
        this.get(this.ccA);
        if (words) this.op(W.i32_wrap_i64);
        this.op(words ? (negate ? W.i32_ge_u : W.i32_lt_u) : negate ? W.i64_ge_u : W.i64_lt_u);
        return;
      }
      if (base === 2) {
        sum();
        this.signTest(words, negate);
        return;
      }
    }
    // Everything else through the flags themselves.
    this.nzcv();
    const n = this.popTemp(T.i32);
    const bit = (b: number): void => {
      this.get(n);
      this.i32(b);
      this.op(W.i32_shr_u);
      this.i32(1);
      this.op(W.i32_and);
    };
    switch (base) {
      case 0:
        bit(30);
        break;
      case 1:
        bit(29);
        break;
      case 2:
        bit(31);
        break;
      case 3:
        bit(28);
        break;
      case 4:
        bit(29);
        bit(30);
        this.op(W.i32_eqz, W.i32_and);
        break;
      case 5:
        bit(31);
        bit(28);
        this.op(W.i32_eq);
        break;
      case 6:
        bit(31);
        bit(28);
        this.op(W.i32_eq);
        bit(30);
        this.op(W.i32_eqz, W.i32_and);
        break;
    }
    if (negate) this.op(W.i32_eqz);
  }

  private signTest(words: boolean, negate: boolean): void {
    if (words) this.i32(0);
    else this.i64(0);
    this.op(words ? (negate ? W.i32_ge_s : W.i32_lt_s) : negate ? W.i64_ge_s : W.i64_lt_s);
  }

  /** The core has set NZCV in the frame. */
  flagsInFrame(): void {
    if (this.ccLocal >= 0) {
      this.i32(CC.frame);
      this.set(this.ccLocal);
    }
    this.cc = CC.frame;
    this.conditional = undefined;
  }

  /** Forgets what is known of the flags at compile time (a block's start). */
  flagsAtBlockStart(cc: number): void {
    this.fpFastKnown = false;
    this.cc = cc;
    this.conditional = undefined;
    if (cc !== CC.frame) {
      this.flagLocals();
      this.flagsUsed = true;
    }
  }

  // ------------------------------------------------------------------ memory

  private missInfo(size: number, options: AccessOptions, flags: number): number {
    if (options.unprivileged === true && this.context.el !== 0) flags |= MISS.unprivileged;
    if (options.aligned === true) flags |= MISS.aligned;
    if (this.context.aligned) flags |= MISS.elements;
    if (this.checksStack()) flags |= MISS.stack;
    return size | flags | (this.correction << MISS.correctionShift) | ((this.pcOffset >> 2) << MISS.offsetShift);
  }

  /** Whether a write is always the core's to translate: DC ZVA, which Device memory refuses, where the TLB holds such. */
  private always(flags: number): boolean {
    return this.context.aligned && (flags & (MISS.zva | MISS.atomic)) === MISS.zva;
  }

  private checksStack(): boolean {
    return this.usesStack && this.context.stackAligned;
  }

  private pushMissArguments(va: Local, info: number): void {
    if (!this.optimize) this.flush();
    // The core looks at SP in the frame.
    if (info & MISS.stack && (this.dirtyLo >>> SP) & 1) this.store(SP);
    this.get(P.frame);
    this.get(va);
    this.get(P.pc);
    this.i32(info);
  }

  /** Stores the changed registers to the frame. */
  flush(): void {
    this.storeMask(this.dirtyLo, this.dirtyHi);
    if (this.arms === 0) this.dirtyLo = this.dirtyHi = 0;
  }

  /** Pops a host address; leaves where it is 0. */
  private leaveWithoutHost(): void {
    this.op(W.i32_eqz);
    this.leaveIf();
  }

  /** Pops an i32; leaves where it is not zero, with F.PC set already. */
  leaveIf(): void {
    if (this.optimize) this.if(T.void, () => this.leaveThroughChain());
    else {
      this.op(W.br_if);
      this.code.u32(this.depth - this.chainDepth);
    }
  }

  /**
   * Pushes an i64 that is the page's address when the access lies in one page and is as aligned as it must be, and not a
   * page's address otherwise.
   */
  private pushTag(va: Local, size: number, options: AccessOptions): void {
    const whole = options.aligned === true;
    const unit = whole ? size : this.context.aligned ? (options.element ?? size) : 1;
    const stack = this.checksStack();
    const inStack = (this.stackOffset ?? 0) & 15;
    if (stack && !whole && this.stackOffset !== undefined && (inStack & (unit - 1)) === 0) {
      // Where SP is aligned, so is the address less what it is off by; the last 16 bytes' place says in which page they are.
      this.pushMasked(va, ((inStack + size - 1) & -16) - inStack, -4096 | 15);
      return;
    }
    this.pushMasked(va, size - unit, -4096 | (unit - 1));
    if (!stack) return;
    this.get(this.localOf(SP));
    this.i64(15);
    this.op(W.i64_and, W.i64_or);
  }

  private pushMasked(va: Local, add: number, mask: number): void {
    this.get(va);
    if (add !== 0) {
      this.i64(add);
      this.op(W.i64_add);
    }
    this.i64(mask);
    this.op(W.i64_and);
  }

  /** Emits the TLB's test: pushes an i32, nonzero on a hit; `entry` gets the entry's host address. */
  private pushHit(va: Local, size: number, options: AccessOptions, tag: number, entry: Local): void {
    this.pushTag(va, size, options);
    this.pushEntryTag(va, options, tag, entry);
    this.op(W.i64_eq);
  }

  /** Pushes a tag of the TLB's entry for an address. */
  private pushEntryTag(va: Local, options: AccessOptions, tag: number, entry: Local): void {
    this.get(va);
    this.i64(7);
    this.op(W.i64_shr_u, W.i32_wrap_i64);
    this.i32((TLB.entries - 1) << 5);
    this.op(W.i32_and);
    this.frameLoad(W.i32_load, options.unprivileged === true ? F.TLB_UNPRIV : F.TLB);
    this.op(W.i32_add);
    this.tee(entry);
    this.memory(W.i64_load, tag);
  }

  /** Pushes the host address of an access to the page that `cache` remembers, where it does. */
  private pushCachedHost(va: Local, cache: PageCache): void {
    this.get(va);
    this.op(W.i32_wrap_i64);
    this.get(cache.addend);
    this.op(W.i32_add);
  }

  /**
   * Emits both tests, of what the instruction remembers and of the TLB; on a hit `host` is set and remembered, else `miss`
   * is emitted.
   */
  private findHost(
    va: Local,
    size: number,
    options: AccessOptions,
    entryTag: number,
    cache: PageCache,
    host: Local,
    miss: () => void,
  ): void {
    const tag = this.temp(T.i64);
    const entry = this.temp(T.i32);
    this.pushTag(va, size, options);
    this.tee(tag);
    this.get(cache.tag);
    this.op(W.i64_eq);
    if (options.aligned !== true && size > 1) {
      // The tag is the last byte's: an access may reach into the page from the one before.
      this.get(va);
      this.op(W.i32_wrap_i64);
      this.i32(0xfff);
      this.op(W.i32_and);
      this.i32(0x1000 - size);
      this.op(W.i32_le_u, W.i32_and);
    }
    this.if(
      T.void,
      () => {
        this.pushCachedHost(va, cache);
        this.set(host);
      },
      () => {
        this.pushEntryTag(va, options, entryTag, entry);
        this.get(tag);
        this.op(W.i64_eq);
        this.if(
          T.void,
          () => {
            this.get(entry);
            this.memory(W.i32_load, TLB.addend);
            this.set(cache.addend);
            this.get(tag);
            this.set(cache.tag);
            this.pushCachedHost(va, cache);
            this.set(host);
          },
          miss,
        );
      },
    );
  }

  private pushHost(va: Local, entry: Local): void {
    this.get(va);
    this.op(W.i32_wrap_i64);
    this.get(entry);
    this.memory(W.i32_load, TLB.addend);
    this.op(W.i32_add);
  }

  /**
   * Translates the address in `va` for reading `size` bytes (1–64) and returns an i32 local with a host address where
   * the bytes can be loaded: in RAM, or in the bounce buffer that an access to a device or across a page was made into.
   */
  hostForRead(va: Local, size: number, options: AccessOptions = {}): Local {
    const host = this.temp(T.i32);
    if (!this.optimize) {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.call(IMPORT.readHost);
      this.tee(host);
      this.leaveWithoutHost();
      return host;
    }
    const miss = (): void => {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.call(IMPORT.readMiss);
      this.tee(host);
      this.leaveWithoutHost();
    };
    const cache = options.unprivileged === true ? undefined : this.pageCaches.pop();
    if (cache !== undefined) {
      this.findHost(va, size, options, TLB.read, cache, host, miss);
      return host;
    }
    const entry = this.temp(T.i32);
    this.pushHit(va, size, options, TLB.read, entry);
    this.if(
      T.void,
      () => {
        this.pushHost(va, entry);
        this.set(host);
      },
      miss,
    );
    return host;
  }

  /**
   * Writes `size` bytes at the address in `va`: `emit` gets an i32 local with the host address and emits the stores
   * (it may be called twice). Nothing is written when the access faults.
   */
  hostForWrite(va: Local, size: number, emit: (host: Local) => void, options: AccessOptions = {}, flags = 0): void {
    const host = this.temp(T.i32);
    if (!this.optimize) {
      this.pushMissArguments(va, this.missInfo(size, options, flags));
      this.call(this.always(flags) ? IMPORT.writeMiss : IMPORT.writeHost);
      this.tee(host);
      this.leaveWithoutHost();
      emit(host);
      // In the bounce buffer?
      this.get(host);
      this.get(P.frame);
      this.op(W.i32_sub);
      this.i32(F.BOUNCE);
      this.op(W.i32_eq);
      this.if(T.void, () => {
        this.get(P.frame);
        this.call(IMPORT.commit);
        this.leaveIf();
      });
      return;
    }
    const miss = (): void => {
      this.pushMissArguments(va, this.missInfo(size, options, flags));
      this.call(IMPORT.writeMiss);
      this.tee(host);
      this.leaveWithoutHost();
      emit(host);
      this.get(P.frame);
      this.call(IMPORT.commit);
      this.if(T.void, () => this.leaveThroughChain());
    };
    const cache = options.unprivileged === true || this.always(flags) ? undefined : this.pageCaches.pop();
    if (cache !== undefined) {
      this.op(W.block, T.void);
      this.depth++;
      const done = this.depth;
      this.findHost(va, size, options, TLB.write, cache, host, () => {
        miss();
        this.op(W.br);
        this.code.u32(this.depth - done);
      });
      emit(host);
      this.op(W.end);
      this.depth--;
      return;
    }
    const entry = this.temp(T.i32);
    if (this.always(flags)) this.i32(0);
    else this.pushHit(va, size, options, TLB.write, entry);
    this.if(
      T.void,
      () => {
        this.pushHost(va, entry);
        this.set(host);
        emit(host);
      },
      miss,
    );
  }

  /**
   * Translates the address in `va` for an atomic read and write of `size` bytes, naturally aligned, and returns an i32
   * local with the host address, always in RAM (a device takes an external abort). `exclusive`: for a store-exclusive.
   */
  hostForAtomic(va: Local, size: number, exclusive = false): Local {
    const flags = MISS.atomic | (exclusive ? MISS.exclusive : 0);
    const host = this.temp(T.i32);
    if (!this.optimize) {
      this.pushMissArguments(va, this.missInfo(size, { aligned: true }, flags));
      this.call(IMPORT.writeHost);
      this.tee(host);
      this.leaveWithoutHost();
      return host;
    }
    const entry = this.temp(T.i32);
    // The write tag is set only where reading is allowed as well.
    this.pushHit(va, size, { aligned: true }, TLB.write, entry);
    this.if(
      T.void,
      () => {
        this.pushHost(va, entry);
        this.set(host);
      },
      () => {
        this.pushMissArguments(va, this.missInfo(size, { aligned: true }, flags));
        this.call(IMPORT.writeMiss);
        this.tee(host);
        this.leaveWithoutHost();
      },
    );
    return host;
  }

  /** Pushes `size` bytes at the address in `va`, zero-extended: i64 for 1–8, v128 for 16. `signed`: sign-extended to i64. */
  read(
    va: Local,
    size: 1 | 2 | 4 | 8 | 16,
    options: AccessOptions & { ordered?: boolean } = PLAIN,
    signed = false,
  ): void {
    const ordered = options.ordered === true && size <= 8;
    const extend = signed && size < 8 ? EXTEND[size as 1 | 2 | 4] : undefined;
    if (!this.optimize && size <= 8 && !ordered) {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.call(IMPORT.load);
      this.leaveIf();
      if (extend !== undefined) this.op(extend);
      return;
    }
    const host = this.hostForRead(va, size, ordered ? { ...options, aligned: true } : options);
    this.get(host);
    if (size === 16) this.vmemory(WV.load, 0);
    else if (ordered)
      this.atomic(
        { 1: WA.i64_load8_u, 2: WA.i64_load16_u, 4: WA.i64_load32_u, 8: WA.i64_load }[size as 1],
        Math.log2(size),
      );
    else {
      this.memory((signed ? LOAD_SIGNED : LOAD)[size], 0);
    }
    if (ordered && extend !== undefined) this.op(extend);
  }

  /** Cold code: pushes two adjacent doublewords (i64), the lower one first. */
  callLoadPair(va: Local): void {
    this.pushMissArguments(va, this.missInfo(16, { element: 8 }, 0));
    this.call(IMPORT.loadPair);
    this.leaveIf();
  }

  /** Cold code: writes two adjacent doublewords. */
  callStorePair(va: Local, first: Local, second: Local): void {
    this.pushMissArguments(va, this.missInfo(16, { element: 8 }, 0));
    this.get(first);
    this.get(second);
    this.call(IMPORT.storePair);
    this.leaveIf();
  }

  /** Writes the low `size` bytes of `value` (a local: i64 for 1–8, v128 for 16) at the address in `va`. */
  write(va: Local, size: 1 | 2 | 4 | 8 | 16, value: Local, options: AccessOptions & { ordered?: boolean } = {}): void {
    const ordered = options.ordered === true && size <= 8;
    if (!this.optimize && size <= 8 && !ordered) {
      this.pushMissArguments(va, this.missInfo(size, options, 0));
      this.get(value);
      this.call(IMPORT.store);
      this.leaveIf();
      return;
    }
    this.hostForWrite(
      va,
      size,
      (host) => {
        this.get(host);
        this.get(value);
        if (size === 16) this.vmemory(WV.store, 0);
        else if (ordered)
          this.atomic(
            { 1: WA.i64_store8, 2: WA.i64_store16, 4: WA.i64_store32, 8: WA.i64_store }[size as 1],
            Math.log2(size),
          );
        else this.memory(STORE[size], 0);
      },
      ordered ? { ...options, aligned: true } : options,
    );
  }

  // ------------------------------------------------------------------ leaving

  /**
   * Leaves the region with F.PC set already: writes the changed registers back, first those that the shared chain does
   * not cover, then through the chain. After a fault the core takes the instruction count back itself.
   */
  leaveThroughChain(): void {
    // The longest prefix of the chain whose registers are all valid here.
    let level = 0;
    let lo = 0;
    let hi = 0;
    for (; level < this.chain.length; level++) {
      const r = this.chain[level]!;
      if (!this.isValid(r)) break;
      if (r < 32) lo |= 1 << r;
      else hi |= 1 << (r - 32);
    }
    // Drop clean registers from its end.
    while (level > 0) {
      const r = this.chain[level - 1]!;
      const dirty = r < 32 ? this.dirtyLo >>> r : this.dirtyHi >>> (r - 32);
      if ((dirty & 1) !== 0) break;
      level--;
      if (r < 32) lo &= ~(1 << r);
      else hi &= ~(1 << (r - 32));
    }
    this.storeMask(this.dirtyLo & ~lo, this.dirtyHi & ~hi);
    this.code.u8(W.br);
    // Level 0 is the outermost block.
    this.code.u32(this.depth - this.chainDepth - level);
  }

  storeMask(lo: number, hi: number): void {
    for (let r = 0; r < 32; r++) if ((lo >>> r) & 1) this.store(r);
    for (let r = 0; r < 32; r++) if ((hi >>> r) & 1) this.store(V0 + r);
  }

  /** Stores the flags' locals where they may differ from the frame's. */
  storeFlags(): void {
    if (this.cc === CC.frame || this.ccLocal < 0) return;
    if (!this.optimize) {
      this.get(P.frame);
      this.get(this.ccLocal);
      this.get(this.ccA);
      this.get(this.ccB);
      this.call(IMPORT.flags);
      this.op(W.drop);
      return;
    }
    const stores = (): void => {
      this.frameStore(W.i32_store, F.CC, () => (this.cc === CC.dynamic ? this.get(this.ccLocal) : this.i32(this.cc)));
      this.frameStore(W.i64_store, F.CC_A, () => this.get(this.ccA));
      this.frameStore(W.i64_store, F.CC_B, () => this.get(this.ccB));
    };
    if (this.cc !== CC.dynamic) stores();
    else {
      this.get(this.ccLocal);
      this.if(T.void, stores);
    }
  }

  /** Writes everything back to the frame: registers, flags, the instruction count. State stays valid and becomes clean. */
  writeBack(correction = 0): void {
    this.storeMask(this.dirtyLo, this.dirtyHi);
    this.storeFlags();
    this.frameStore(W.i64_store, F.ICOUNT, () => {
      this.get(this.icount);
      if (correction !== 0) {
        this.i64(correction);
        this.op(W.i64_sub);
      }
    });
  }

  /** Writes back and leaves to the core with F.PC at this instruction plus `delta`. Returns 1 from the region. */
  leave(kind: number, operand: number, delta = 0, correction = this.correction): void {
    this.writeBack(correction);
    this.frameStore(W.i64_store, F.PC, () => this.pc(delta));
    this.get(P.frame);
    this.i32(kind);
    this.i32(operand);
    this.call(IMPORT.exit);
    this.op(W.return);
    this.ended = true;
  }

  /**
   * Has the core carry out what the instruction asks for (a system register, a system instruction) and goes on after it;
   * leaves the region where the core says so: an exception, or a context that code after it must not run in. Xn of the
   * operand may have changed: read it with `reloadX`.
   */
  serve(kind: number, operand: number): void {
    this.writeBack(this.correction);
    this.frameStore(W.i64_store, F.PC, () => this.pc());
    this.get(P.frame);
    this.i32(kind);
    this.i32(operand);
    this.call(IMPORT.exit);
    this.op(W.if, T.void);
    this.i32(1);
    this.op(W.return, W.end);
    this.dirtyLo = this.dirtyHi = 0;
    // PSTATE.SP may select another stack pointer now.
    this.validLo &= ~(1 << SP);
  }

  /** Loads Xn from the frame, where the core has written it. */
  reloadX(n: number): void {
    if (n === 31) return;
    this.pushFromFrame(n);
    this.setX(n);
  }

  /** The instruction is UNDEFINED. */
  undefined(): void {
    this.leave(EXIT.undefined, 0);
  }

  /** Starts an instruction that uses SIMD&FP registers: false when it traps (nothing more may be emitted). */
  fpEnabled(): boolean {
    if (!this.context.fpTrap) return true;
    this.leave(EXIT.fpTrap, 0);
    return false;
  }

  /**
   * Pushes an i32, nonzero when FPCR is 0 and FPSR.IXC is set already: host arithmetic is the processor's then as
   * long as its results are ordinary numbers, for an inexact one changes no state.
   */
  fpFast(): void {
    if (this.fpFastKnown) {
      this.get(this.fpFastLocal);
      return;
    }
    if (this.fpFastLocal < 0) this.fpFastLocal = this.newLocal(T.i32);
    this.frameLoad(W.i64_load, F.FPCR);
    this.i64(0x10ffffffff);
    this.op(W.i64_and);
    this.i64(0x1000000000);
    this.op(W.i64_eq);
    this.tee(this.fpFastLocal);
    if (this.arms === 0) this.fpFastKnown = true;
  }

  /** FPCR or FPSR is written: what `fpFast` knows is void. */
  fpStateChanged(): void {
    this.fpFastKnown = false;
  }

  /**
   * Calls helper `id` (arch/core/helpers.ts) in JavaScript or WebAssembly; operands and results go through the frame's
   * F.ARG0, F.ARG1 or the V registers written back before with `syncV`. Pushes the helper's i32 result.
   */
  helper(id: number, argument = 0): void {
    this.get(P.frame);
    this.i32(id);
    this.i32(argument);
    this.call(IMPORT.helper);
  }

  /** Writes Vn back to the frame, so that a helper can read it there. */
  syncV(n: number): void {
    this.load(V0 + n);
    this.readHi |= 1 << n;
    this.store(V0 + n);
  }

  /** Loads Vn from the frame, where a helper has written it. */
  reloadV(n: number): void {
    this.pushFromFrame(V0 + n);
    this.setV(n);
  }
}

/** Whether a condition (4 bits) holds for NZCV (4 bits). */
export function holds(cond: number, nzcv: number): boolean {
  const n = (nzcv & 8) !== 0;
  const z = (nzcv & 4) !== 0;
  const c = (nzcv & 2) !== 0;
  const v = (nzcv & 1) !== 0;
  const result = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1]!;
  return (cond & 1) !== 0 && cond !== 15 ? !result : result;
}

export { WFC };
