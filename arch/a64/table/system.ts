import { F, PSTATE, sysregKey } from '../../core/frame.ts';
import { DCZID, DCZID_DZP, hasFeature, type Feature } from '../../core/idregs.ts';
import { HCR, SCTLR } from '../../core/sysreg-bits.ts';
import { inlineAccess, SR, type InlineAccess } from '../../core/sysreg.ts';
import { T, W, WV } from '../../wasm/opcodes.ts';
import { instruction, type Instruction } from '../encoding.ts';
import { EXIT, MISS } from '../region-abi.ts';
import type { Translator } from '../translator.ts';

/**
 * Hints, barriers, PSTATE and system registers. A system register that is plain storage is read and written in the frame;
 * the core does the others.
 */

const KEY = {
  NZCV: sysregKey(3, 3, 4, 2, 0),
  DAIF: sysregKey(3, 3, 4, 2, 1),
  FPCR: sysregKey(3, 3, 4, 4, 0),
  FPSR: sysregKey(3, 3, 4, 4, 1),
  CurrentEL: sysregKey(3, 0, 4, 2, 2),
  DCZID_EL0: sysregKey(3, 3, 0, 0, 7),
  RNDR: sysregKey(3, 3, 2, 4, 0),
  RNDRRS: sysregKey(3, 3, 2, 4, 1),
  DC_ZVA: sysregKey(1, 3, 7, 4, 1),
} as const;

const DAIF = PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F;
/** AHP, DN, FZ, RMode, FZ16; the trap enables are RAZ/WI, Len and Stride belong to AArch32. */
const FPCR_MASK = 0x07c80000;
/** QC, IDC, IXC, UFC, OFC, DZC, IOC; NZCV there belong to AArch32. */
const FPSR_MASK = 0x0800009f;
const ZVA_BYTES = 64;

type Fields = { readonly word: number; readonly Rt: number };

/** op0:op1:CRn:CRm:op2 of MRS, MSR (register), SYS and SYSL. */
const keyOf = (word: number): number => (word >>> 5) & 0xffff;

/**
 * Pops an i32; where it is not zero the region is left through its shared way out, with PC at this instruction plus
 * `delta`. Registers are written back after the core has been told, so `kind` must be one that only takes note or traps.
 */
function leaveIf(t: Translator, kind: number, operand: number, delta = 0, correction = t.correction): void {
  t.if(T.void, () => {
    t.tell(kind, operand, delta);
    t.op(W.drop);
    if (correction !== 0) {
      t.get(t.icount);
      t.i64(correction);
      t.op(W.i64_sub);
      t.set(t.icount);
    }
    t.leaveThroughChain();
  });
}

/** How an access may be made in place; undefined when the core has to. */
function inline(t: Translator, key: number, write: boolean): InlineAccess | undefined {
  const { el, e2h } = t.context;
  const access = inlineAccess(key, write, el, e2h);
  // Whether HCR_EL2 traps EL0 depends on more than its bit.
  if (access === undefined || (access.hcr !== 0 && el === 0) || (write && access.slot < 0)) return undefined;
  if (access.stackSelected && !t.context.stackSelected) return undefined;
  return access;
}

/** Leaves where HCR_EL2 traps an access when it runs. */
function guard(t: Translator, access: InlineAccess, kind: number, i: Fields): void {
  if (access.hcr === 0) return;
  t.frameLoad(W.i32_load, SR.HCR_EL2);
  t.i32(access.hcr);
  t.op(W.i32_and);
  leaveIf(t, kind, (keyOf(i.word) << 5) | i.Rt);
}

function frameWord(t: Translator, offset: number, mask: number, Rt: number): void {
  t.frameLoad(W.i32_load, offset);
  if (mask !== -1) {
    t.i32(mask);
    t.op(W.i32_and);
  }
  t.setW(Rt);
}

function readRegister(t: Translator, i: Fields): void {
  const key = keyOf(i.word);
  const { el } = t.context;
  switch (key) {
    case KEY.NZCV:
      t.nzcv();
      t.setW(i.Rt);
      return;
    case KEY.FPCR:
      if (t.fpEnabled()) frameWord(t, F.FPCR, -1, i.Rt);
      return;
    case KEY.FPSR:
      if (t.fpEnabled()) frameWord(t, F.FPSR, -1, i.Rt);
      return;
    case KEY.CurrentEL:
      if (el === 0) break;
      t.i64(el << 2);
      t.setX(i.Rt);
      return;
    case KEY.DCZID_EL0:
      if (el === 0) break;
      // DZP says whether HCR_EL2.TDZ traps DC ZVA.
      t.i32(Number(DCZID));
      if (el === 1) {
        t.frameLoad(W.i32_load, SR.HCR_EL2);
        t.i32(HCR.TDZ - 4);
        t.op(W.i32_shr_u);
        t.i32(DCZID_DZP);
        t.op(W.i32_and, W.i32_or);
      }
      t.setW(i.Rt);
      return;
    case KEY.DAIF:
      if (el === 0) break;
      frameWord(t, F.PSTATE, DAIF, i.Rt);
      return;
  }
  const access = inline(t, key, false);
  if (access === undefined) {
    t.serve(EXIT.mrs, (key << 5) | i.Rt);
    t.reloadX(i.Rt);
    if (key === KEY.RNDR || key === KEY.RNDRRS) t.flagsInFrame();
    return;
  }
  guard(t, access, EXIT.mrs, i);
  if (access.slot < 0) t.i64(access.one);
  else t.frameLoad(W.i64_load, access.slot);
  t.setX(i.Rt);
}

/** Lets a waiting interrupt in, behind this instruction. */
function letInterruptIn(t: Translator): void {
  t.frameLoad(W.i32_load, F.IRQ_PENDING);
  leaveIf(t, EXIT.irq, 0, 4, t.correction - 1);
}

/** Stores PSTATE (an i32 that `value` pushes); with `unmask` a waiting interrupt is let in. */
function setPstate(t: Translator, unmask: boolean, value: () => void): void {
  t.frameStore(W.i32_store, F.PSTATE, value);
  if (unmask) letInterruptIn(t);
}

function writeRegister(t: Translator, i: Fields): void {
  const key = keyOf(i.word);
  const { el } = t.context;
  switch (key) {
    case KEY.NZCV:
      t.w(i.Rt);
      t.i32(-0x10000000);
      t.op(W.i32_and);
      t.setNzcv();
      return;
    case KEY.FPCR:
    case KEY.FPSR:
      if (!t.fpEnabled()) return;
      t.frameStore(W.i32_store, key === KEY.FPCR ? F.FPCR : F.FPSR, () => {
        t.w(i.Rt);
        t.i32(key === KEY.FPCR ? FPCR_MASK : FPSR_MASK);
        t.op(W.i32_and);
      });
      t.fpStateChanged();
      return;
    case KEY.DAIF:
      if (el === 0 || t.context.debugMasked) break;
      setPstate(t, true, () => {
        t.frameLoad(W.i32_load, F.PSTATE);
        t.i32(~DAIF);
        t.op(W.i32_and);
        t.w(i.Rt);
        t.i32(DAIF);
        t.op(W.i32_and, W.i32_or);
      });
      return;
  }
  const access = inline(t, key, true);
  if (access === undefined) {
    t.serve(EXIT.msr, (key << 5) | i.Rt);
    return;
  }
  guard(t, access, EXIT.msr, i);
  t.frameStore(W.i64_store, access.slot, () => {
    t.x(i.Rt);
    if (BigInt.asIntN(64, access.mask) !== -1n) {
      t.i64(access.mask);
      t.op(W.i64_and);
    }
    if (access.one !== 0n) {
      t.i64(access.one);
      t.op(W.i64_or);
    }
  });
}

/** DC ZVA: zeroes the block that holds the address. */
function zeroBlock(t: Translator, i: Fields): void {
  if (t.context.el === 0) {
    // SCTLR_EL2.DZE for the applications of a host; else SCTLR_EL1.DZE, and HCR_EL2.TDZ.
    const host = (1n << BigInt(HCR.E2H)) | (1n << BigInt(HCR.TGE));
    t.frameLoad(W.i64_load, SR.HCR_EL2);
    t.i64(host);
    t.op(W.i64_and);
    t.i64(host);
    t.op(W.i64_eq);
    t.if(
      T.i32,
      () => t.frameLoad(W.i32_load, SR.SCTLR_EL2),
      () => {
        t.frameLoad(W.i32_load, SR.SCTLR_EL1);
        t.i32(0);
        t.frameLoad(W.i32_load, SR.HCR_EL2);
        t.i32(1 << HCR.TDZ);
        t.op(W.i32_and, W.i32_eqz, W.select);
      },
    );
    t.i32(1 << SCTLR.DZE);
    t.op(W.i32_and, W.i32_eqz);
    leaveIf(t, EXIT.sys, (KEY.DC_ZVA << 5) | i.Rt);
  } else if (t.context.el === 1) {
    t.frameLoad(W.i32_load, SR.HCR_EL2);
    t.i32(1 << HCR.TDZ);
    t.op(W.i32_and);
    leaveIf(t, EXIT.sys, (KEY.DC_ZVA << 5) | i.Rt);
  }
  t.x(i.Rt);
  t.i64(-ZVA_BYTES);
  t.op(W.i64_and);
  const va = t.popTemp(T.i64);
  const zero = t.temp(T.v128);
  t.v128(0n, 0n);
  t.set(zero);
  t.hostForWrite(
    va,
    ZVA_BYTES,
    (host) => {
      for (let at = 0; at < ZVA_BYTES; at += 16) {
        t.get(host);
        t.get(zero);
        t.vmemory(WV.store, at);
      }
    },
    {},
    MISS.zva,
  );
}

/** MSR (immediate): the DAIF masks change here, the other fields in the core. */
function writeField(t: Translator, i: { op1: number; op2: number; CRm: number }): void {
  const set = i.op2 === 6;
  if (i.op1 !== 3 || (!set && i.op2 !== 7) || t.context.el === 0 || t.context.debugMasked) {
    t.serve(EXIT.msrImmediate, (i.op1 << 7) | (i.op2 << 4) | i.CRm);
    return;
  }
  const bits = i.CRm << 6;
  setPstate(t, !set, () => {
    t.frameLoad(W.i32_load, F.PSTATE);
    t.i32(set ? bits : ~bits);
    t.op(set ? W.i32_or : W.i32_and);
  });
}

/** PSTATE fields by op1:op2, with the feature that they belong to. */
const FIELDS = new Map<number, Feature | 'base'>([
  [0o03, 'FEAT_UAO'],
  [0o04, 'FEAT_PAN'],
  [0o05, 'base'],
  [0o31, 'FEAT_SSBS2'],
  [0o32, 'FEAT_DIT'],
  [0o36, 'base'],
  [0o37, 'base'],
]);

function hasField(i: { op1: number; op2: number }): boolean {
  const feature = FIELDS.get((i.op1 << 3) | i.op2);
  return feature !== undefined && (feature === 'base' || hasFeature(feature));
}

/** Hints that do nothing here, by CRm:op2. PAuth and BTI are NOPs while those features are not there. */
const NOPS: readonly (readonly [name: string, number: number])[] = [
  ['NOP', 0], ['YIELD', 1], ['DGH', 6], ['XPACLRI', 7],
  ['PACIA1716', 8], ['PACIB1716', 10], ['AUTIA1716', 12], ['AUTIB1716', 14], ['PSB CSYNC', 17], ['TSB CSYNC', 18], ['CSDB', 20],
  ['PACIAZ', 24], ['PACIASP', 25], ['PACIBZ', 26], ['PACIBSP', 27], ['AUTIAZ', 28], ['AUTIASP', 29], ['AUTIBZ', 30], ['AUTIBSP', 31],
  ['BTI', 32], ['BTI c', 34], ['BTI j', 36], ['BTI jc', 38],
];
const hint = (name: string, number: number, options: { flow?: 'exit'; resumes?: boolean }, translate: (t: Translator) => void): Instruction =>
  instruction(name, `1101010100 0 00 011 0010 ${number.toString(2).padStart(7, '0') as '0000000'} 11111`, name, options, translate);

function setEvent(t: Translator, value: 0 | 1): void {
  t.frameStore(W.i32_store, F.EVENT, () => t.i32(value));
}

export const system: readonly Instruction[] = [
  // Hints. The last row is the rest of their space.
  ...NOPS.map(([name, number]) => hint(name, number, {}, () => {})),
  hint('ESB', 16, {}, (t) => {
    // Only a virtual SError can be waiting.
    if (t.context.el === 2) return;
    t.frameLoad(W.i32_load, SR.HCR_EL2);
    t.i32(1 << HCR.VSE);
    t.op(W.i32_and);
    leaveIf(t, EXIT.esb, 0);
  }),
  hint('WFE', 2, { resumes: true }, (t) => {
    // With an event it is over; without one it may be trapped.
    t.frameLoad(W.i32_load, F.EVENT);
    t.op(W.i32_eqz);
    leaveIf(t, EXIT.wfe, 0);
    setEvent(t, 0);
  }),
  hint('WFI', 3, { flow: 'exit', resumes: true }, (t) => t.leave(EXIT.wfi, 0)),
  hint('SEV', 4, {}, (t) => t.serve(EXIT.sev, 0)),
  hint('SEVL', 5, {}, (t) => setEvent(t, 1)),
  instruction('HINT', '1101010100 0 00 011 0010 CRm op2 11111', 'HINT #<imm>', {}, () => {}),

  // Barriers. CLREX is among the exclusives. What an ISB would make seen, the core has made seen already: a change of
  // context, and an invalidation of instructions, leave the region at once. What is left are interrupts: one that is pending
  // in front of an ISB is taken before what follows (D1.3.6).
  instruction('DSB', '1101010100 0 00 011 0011 CRm 1 00 11111', 'DSB (<option>|#<imm>)', {}, (t) => t.fence()),
  instruction('DMB', '1101010100 0 00 011 0011 CRm 1 01 11111', 'DMB (<option>|#<imm>)', {}, (t) => t.fence()),
  instruction('ISB', '1101010100 0 00 011 0011 CRm 1 10 11111', 'ISB {(<option>|#<imm>)}', {}, (t) => {
    t.fence();
    letInterruptIn(t);
  }),
  instruction('SB', '1101010100 0 00 011 0011 (0000) 1 11 11111', 'SB', { feature: 'FEAT_SB' }, () => {}),

  // PSTATE and system registers.
  instruction('MSR (immediate)', '1101010100 0 00 op1 0100 CRm op2 11111', 'MSR <pstatefield>, #<imm>', { resumes: true, when: hasField }, writeField),
  instruction('MSR (register)', '1101010100 0 1 o0 op1 CRn CRm op2 Rt', 'MSR (<systemreg>|S<op0>_<op1>_<Cn>_<Cm>_<op2>), <Xt>', { resumes: true }, writeRegister),
  instruction('MRS', '1101010100 1 1 o0 op1 CRn CRm op2 Rt', 'MRS <Xt>, (<systemreg>|S<op0>_<op1>_<Cn>_<Cm>_<op2>)', {}, readRegister),
  instruction('SYS', '1101010100 0 01 op1 CRn CRm op2 Rt', 'SYS #<op1>, <Cn>, <Cm>, #<op2>{, <Xt>}', {}, (t, i) => {
    if (keyOf(i.word) === KEY.DC_ZVA) zeroBlock(t, i);
    else t.serve(EXIT.sys, (keyOf(i.word) << 5) | i.Rt);
  }),
  instruction('SYSL', '1101010100 1 01 op1 CRn CRm op2 Rt', 'SYSL <Xt>, #<op1>, <Cn>, <Cm>, #<op2>', {}, (t, i) => {
    t.serve(EXIT.sysl, (keyOf(i.word) << 5) | i.Rt);
    t.reloadX(i.Rt);
  }),
];
