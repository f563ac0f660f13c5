import { F } from '../core/frame.ts';
import { T, W } from '../wasm/opcodes.ts';
import type { Local } from './emitter.ts';
import { RegisterEmitter } from './emitter-registers.ts';
import { CC } from './flags.ts';
import { IMPORT, P } from './region-abi.ts';

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

/** Whether a condition (4 bits) holds for NZCV (4 bits). */
function holds(cond: number, nzcv: number): boolean {
  const n = (nzcv & 8) !== 0;
  const z = (nzcv & 4) !== 0;
  const c = (nzcv & 2) !== 0;
  const v = (nzcv & 1) !== 0;
  const result = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1]!;
  return (cond & 1) !== 0 && cond !== 15 ? !result : result;
}

/**
 * Keeps the guest's condition flags as the operands that they were made of, in locals, and computes from these what is read.
 * Also remembers, within a block, what FPCR and FPSR allow.
 */
export class FlagEmitter extends RegisterEmitter {
  /** How the flags were made: a CC, or CC.dynamic when only the locals know. */
  cc: number = CC.frame;
  ccLocal: Local = -1;
  ccA: Local = -1;
  ccB: Local = -1;
  /** Condition known by the last CCMP, see `condition`. */
  private conditional: { taken: Local; cc: number; nzcv: number } | undefined;

  /** An i32: nonzero when FPCR is 0 and FPSR.IXC is set; known since when in this block, see `fpFast`. */
  private fpFastLocal: Local = -1;
  private fpFastKnown = false;

  protected beginFlags(): void {
    this.cc = CC.frame;
    this.ccLocal = this.ccA = this.ccB = -1;
    this.conditional = undefined;
    this.fpFastLocal = -1;
    this.fpFastKnown = false;
  }

  private flagLocals(): void {
    if (this.ccLocal >= 0) return;
    this.ccLocal = this.newLocal(T.i32);
    this.ccA = this.newLocal(T.i64);
    this.ccB = this.newLocal(T.i64);
  }

  private setFlags(cc: number, a: Local, b: Local | undefined): void {
    if (this.arms !== 0) throw new Error('flags are set inside an arm');
    this.flagLocals();
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
    }
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
}
