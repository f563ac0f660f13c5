import { F } from '../core/frame.ts';
import { T, W, WV, type ValueType } from '../wasm/opcodes.ts';
import { Emitter, type Local } from './emitter.ts';
import { P } from './region-abi.ts';

/** Register numbers inside the translator: X0–X30, SP, then V0–V31. */
export const SP = 31;
export const V0 = 32;

/**
 * Keeps the guest's registers in locals: loads them from the frame on first use, and knows which ones have changed since.
 */
export class RegisterEmitter extends Emitter {
  private entryOffset = 0;
  /** Byte offset of the instruction from the region's entry. */
  pcOffset = 0;
  /** SP has been read by this instruction: it is the base of its access, which is at SP plus `stackOffset` where known. */
  protected usesStack = false;
  stackOffset: number | undefined;

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

  /** @param entry byte offset of the region's entry in its page */
  protected beginRegisters(entry: number): void {
    this.entryOffset = entry;
    this.registerLocal.fill(-1);
    this.validLo = this.validHi = this.dirtyLo = this.dirtyHi = 0;
  }

  protected isValid(r: number): boolean {
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

  /** Loads the registers of a set that are not valid. */
  loadMask(lo: number, hi: number): void {
    lo &= ~this.validLo;
    hi &= ~this.validHi;
    for (let r = 0; r < 32; r++) if ((lo >>> r) & 1) this.load(r);
    for (let r = 0; r < 32; r++) if ((hi >>> r) & 1) this.load(V0 + r);
  }

  /** Stores the registers of a set. */
  storeMask(lo: number, hi: number): void {
    for (let r = 0; r < 32; r++) if ((lo >>> r) & 1) this.store(r);
    for (let r = 0; r < 32; r++) if ((hi >>> r) & 1) this.store(V0 + r);
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

  /** Loads Xn from the frame, where the core has written it. */
  reloadX(n: number): void {
    if (n === 31) return;
    this.pushFromFrame(n);
    this.setX(n);
  }
}
