import { beforeEach, describe, expect, it } from 'vitest';
import { EL1_CONTEXT, EXIT, type Context } from '../../../arch/a64/region-abi.ts';
import { F, PSTATE } from '../../../arch/core/frame.ts';
import { HCR } from '../../../arch/core/sysreg-bits.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import { CODE, DATA, Harness, PATHS, type Outcome, type Path } from './harness.ts';

const h = new Harness();

let path: Path = 'fast';

function run(words: readonly number[], context: Partial<Context> = {}): Outcome {
  h.context = { ...EL1_CONTEXT, ...context };
  return h.run(h.compile([{ words, pc: CODE }], path)[0]!, CODE);
}

const word = (offset: number): number => h.i32[(h.frame + offset) >> 2]!;
const setWord = (offset: number, value: number): void => void (h.i32[(h.frame + offset) >> 2] = value);
const doubleword = (offset: number): bigint => h.i64[(h.frame + offset) >> 3]!;

beforeEach(() => {
  h.u8.fill(0, h.frame, h.frame + 0x2000);
  h.data.fill(0);
  setWord(F.PSTATE, PSTATE.SP | (1 << PSTATE.EL_SHIFT));
});

describe.each<Path>(['fast', 'call'])('code (memory: %s)', (tier) => {
  beforeEach(() => {
    path = tier;
  });

  describe('PSTATE', () => {
    it('masks and unmasks interrupts in place', () => {
      expect(run([0xd50343df]).exit).toBeUndefined(); // msr daifset, #3
      expect(word(F.PSTATE) & 0x3c0).toBe(PSTATE.I | PSTATE.F);
      expect(run([0xd50342ff]).exit).toBeUndefined(); // msr daifclr, #2
      expect(word(F.PSTATE) & 0x3c0).toBe(PSTATE.F);
      expect(word(F.PSTATE) & ~0x3c0).toBe(PSTATE.SP | (1 << PSTATE.EL_SHIFT));
    });

    it('lets a waiting interrupt in after the instruction that unmasks it', () => {
      setWord(F.IRQ_PENDING, 1);
      expect(run([0xd50342ff, 0xd2800020]).exit).toEqual({ kind: EXIT.irq, operand: 0 }); // msr daifclr, #2; mov x0, #1
      expect(doubleword(F.PC)).toBe(CODE + 4n);
      expect(h.x(0)).toBe(0n);
      expect(run([0xd50342df, 0xd2800020]).exit).toBeUndefined(); // msr daifset, #2 does not look
    });

    it('writes registers back where it leaves for an interrupt', () => {
      setWord(F.IRQ_PENDING, 1);
      run([0xd28000e0, 0xeb00001f, 0xd50342ff]); // mov x0, #7; cmp x0, x0; msr daifclr, #2
      expect(h.x(0)).toBe(7n);
      expect(h.nzcv).toBe(6);
    });

    it('moves DAIF by MRS and MSR', () => {
      h.setX(1, 0xffffffffn);
      run([0xd51b4221, 0xd53b4220]); // msr daif, x1; mrs x0, daif
      expect(h.x(0)).toBe(0x3c0n);
    });

    it('leaves DAIF at EL0 to the core', () => {
      expect(run([0xd50343df], { el: 0 }).exit).toEqual({ kind: EXIT.msrImmediate, operand: (3 << 7) | (6 << 4) | 3 });
    });

    it.each([1, 2] as const)('knows EL%i', (el) => {
      run([0xd5384240], { el }); // mrs x0, currentel
      expect(h.x(0)).toBe(BigInt(el << 2));
    });
  });

  describe('system registers', () => {
    it('are read and written in the frame where they are storage', () => {
      h.setX(1, 0x1234_5678_9abc_def0n);
      run([0xd51bd041, 0xd53bd040]); // msr tpidr_el0, x1; mrs x0, tpidr_el0
      expect(h.x(0)).toBe(0x1234_5678_9abc_def0n);
      expect(doubleword(SR.TPIDR_EL0)).toBe(0x1234_5678_9abc_def0n);
    });

    it('reach SP_EL0 only while another stack pointer is in use', () => {
      h.setX(1, 77n);
      expect(run([0xd5184101, 0xd5384100]).exit).toBeUndefined(); // msr sp_el0, x1; mrs x0, sp_el0
      expect(h.x(0)).toBe(77n);
      expect(run([0xd5384100], { stackSelected: false }).exit?.kind).toBe(EXIT.mrs);
      expect(doubleword(F.PC)).toBe(CODE);
    });

    it('are left to the core with the registers written back and PC at the instruction', () => {
      const outcome = run([0xd28000a2, 0xd5181002]); // mov x2, #5; msr sctlr_el1, x2
      expect(outcome.exit).toEqual({ kind: EXIT.msr, operand: (0xc080 << 5) | 2 });
      expect(h.x(2)).toBe(5n);
      expect(doubleword(F.PC)).toBe(CODE + 4n);
    });

    it('trap on FPCR while SIMD&FP registers do', () => {
      expect(run([0xd53b4400], { fpTrap: true }).exit).toEqual({ kind: EXIT.fpTrap, operand: 0 });
      expect(run([0x3dc00001], { fpTrap: true }).exit).toEqual({ kind: EXIT.fpTrap, operand: 0 }); // ldr q1, [x0]
    });
  });

  describe('exceptions', () => {
    it.each([
      ['SVC', 0xd4024681, EXIT.svc, 0x1234],
      ['HVC', 0xd4000022, EXIT.hvc, 1],
      ['SMC', 0xd4000003, EXIT.smc, 0],
      ['BRK', 0xd4207d00, EXIT.brk, 1000],
      ['HLT', 0xd45e0000, EXIT.hlt, 0xf000],
      ['ERET', 0xd69f03e0, EXIT.eret, 0],
      ['WFI', 0xd503207f, EXIT.wfi, 0],
      ['WFE', 0xd503205f, EXIT.wfe, 0],
      ['UDF', 0x00000000, EXIT.undefined, 0],
      ['DRPS', 0xd6bf03e0, EXIT.undefined, 0],
      ['DCPS1', 0xd4a00001, EXIT.undefined, 0],
    ])('%s leaves with PC at itself', (_name, instruction, kind, operand) => {
      expect(run([instruction]).exit).toEqual({ kind, operand });
      expect(doubleword(F.PC)).toBe(CODE);
    });

    it.each([0xd4000022, 0xd4000003, 0xd69f03e0])('HVC, SMC and ERET are undefined at EL0 (%i)', (instruction) => {
      expect(run([instruction], { el: 0 }).exit).toEqual({ kind: EXIT.undefined, operand: 0 });
    });
  });

  describe('DC ZVA', () => {
    const zva = 0xd50b7420; // dc zva, x0

    it('zeroes the 64 bytes around an address', () => {
      h.data.fill(0xff);
      h.setX(0, DATA + 0x1234n);
      expect(run([zva]).exit).toBeUndefined();
      expect(h.data.findIndex((b) => b === 0)).toBe(0x1200);
      expect(h.data.lastIndexOf(0)).toBe(0x123f);
    });

    it('is left to the core where HCR_EL2.TDZ traps it, or SCTLR_EL1.DZE does not allow it at EL0', () => {
      h.setX(0, DATA);
      h.data.fill(0xff);
      setWord(SR.HCR_EL2, 1 << HCR.TDZ);
      expect(run([zva]).exit?.kind).toBe(EXIT.sys);
      expect(run([zva], { el: 2 }).exit).toBeUndefined();
      h.data.fill(0xff);
      setWord(SR.HCR_EL2, 0);
      expect(run([zva], { el: 0 }).exit?.kind).toBe(EXIT.sys);
      expect(h.data[0]).toBe(0xff);
      setWord(SR.SCTLR_EL1, 1 << 14);
      expect(run([zva], { el: 0 }).exit).toBeUndefined();
      expect(h.data[0]).toBe(0);
    });
  });

  describe('exclusives', () => {
    const ldxr = 0xc85f7c01; // ldxr x1, [x0]
    const stxr = 0xc8037c02; // stxr w3, x2, [x0]

    beforeEach(() => {
      h.setX(0, DATA + 64n);
      h.setX(2, 0xabcdn);
      h.setX(3, 99n);
    });

    it('store once for one reservation', () => {
      run([ldxr, stxr]);
      expect(h.x(3)).toBe(0n);
      expect(h.data[64]).toBe(0xcd);
      run([stxr]);
      expect(h.x(3)).toBe(1n);
    });

    it.each([
      ['CLREX', 0xd5033f5f],
      ['another value in memory', 0xf9000004], // str x4, [x0]
    ])('do not store after %s', (_what, between) => {
      h.setX(4, 5n);
      run([ldxr, between, stxr]);
      expect(h.x(3)).toBe(1n);
      expect(h.data[64]).not.toBe(0xcd);
    });

    it('do not store at another address, or with another size', () => {
      h.setX(5, DATA + 72n);
      run([ldxr, 0xc8037ca2]); // stxr w3, x2, [x5]
      expect(h.x(3)).toBe(1n);
      run([ldxr, 0x88037c02]); // stxr w3, w2, [x0]
      expect(h.x(3)).toBe(1n);
    });

    it('compare both halves of a pair', () => {
      const ldxp = 0xc87f1801; // ldxp x1, x6, [x0]
      const stxp = 0xc8231c02; // stxp w3, x2, x7, [x0]
      h.setX(7, 0x77n);
      run([ldxp, 0xf9000404, stxp]); // str x4, [x0, #8]: the same value
      expect(h.x(3)).toBe(0n);
      expect([h.data[64], h.data[72]]).toEqual([0xcd, 0x77]);
      h.setX(4, 1n);
      run([ldxp, 0xf9000404, stxp]);
      expect(h.x(3)).toBe(1n);
    });
  });
});

describe.each(PATHS)('a fault (memory: %s)', (way) => {
  const at = (words: readonly number[]): Outcome => h.run(h.compile([{ words, pc: CODE }], way)[0]!, CODE);

  it('keeps what came before it and leaves no trace of its own', () => {
    h.context = EL1_CONTEXT;
    h.setX(0, 0x1000n);
    const outcome = at([0xd28000a1, 0xeb01003f, 0xa9c10801, 0xd28000c1]); // mov x1, #5; cmp x1, x1; ldp x1, x2, [x0, #16]!; mov x1, #6
    expect(outcome.faulted).toBe(true);
    expect([h.x(0), h.x(1), h.x(2)]).toEqual([0x1000n, 5n, 0n]);
    expect(h.nzcv).toBe(6);
  });

  it.each([
    ['LDAR', 0xc8dffc01],
    ['STLR', 0xc89ffc01],
    ['LDADD', 0xf8210002],
    ['CAS', 0xc8a17c02],
    ['LDXR', 0xc85f7c01],
    ['CASP', 0x48227c04],
    ['LDXP', 0xc87f1801],
  ])('is taken by a misaligned %s', (_name, instruction) => {
    h.setX(0, DATA + (_name.endsWith('P') ? 8n : 4n));
    expect(at([instruction]).faulted).toBe(true);
  });
});
