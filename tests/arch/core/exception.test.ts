import { describe, expect, test } from 'vitest';
import {
  dataAbort,
  exceptionInstruction,
  exceptionReturn,
  interruptTarget,
  INTERRUPT,
  pcAlignment,
  routeDebug,
  routeExternal,
  serror,
  synchronizeErrors,
  takeException,
  undefinedInstruction,
  type Trap,
} from '../../../arch/core/exception.ts';
import { readNzcv, writeNzcv } from '../../../arch/core/flags.ts';
import { F, PSTATE } from '../../../arch/core/frame.ts';
import { HCR, MDCR, MDSCR, SCTLR } from '../../../arch/core/sysreg-bits.ts';
import { FakeCore } from './fake-core.ts';

const DAIF = PSTATE.D | PSTATE.A | PSTATE.I | PSTATE.F;
const EL0T = 0;
const EL1T = 0b0100;
const EL1H = 0b0101;
const EL2H = 0b1001;

describe('taking an exception', () => {
  test('SVC from EL0 banks PC, flags, PSTATE and SP, and enters EL1 at the vector of a lower EL', () => {
    const core = new FakeCore(0);
    core.pc = 0xffff_fffen << 16n;
    core.pc |= 0xfffcn;
    core.sp = 0x7fff_0000n;
    core.set('SP_EL1', 0xffff_0000_1234_0000n);
    core.set('VBAR_EL1', 0xffff_8000_0001_0800n);
    writeNzcv(core, 0x60000000);
    const trap = exceptionInstruction(core, 'svc', 0x42);
    expect(takeException(core, trap.target, 'sync', trap.esr, trap)).toBe(1);
    expect(core.get('ELR_EL1')).toBe(0xffff_ffff_0000n);
    expect(core.get('SPSR_EL1')).toBe(0x6000_0000n);
    expect(core.get('ESR_EL1')).toBe(0x5600_0042n);
    expect(core.get('SP_EL0')).toBe(0x7fff_0000n);
    expect(core.sp).toBe(0xffff_0000_1234_0000n);
    expect(core.pc).toBe(0xffff_8000_0001_0c00n);
    expect(core.pstate).toBe(DAIF | EL1H);
    expect(core.contextChanges).toBe(1);
  });

  test('the preferred return address carries into the high half', () => {
    const core = new FakeCore(1);
    core.pc = 0x1_ffff_fffcn;
    takeException(core, 1, 'sync', 0, { pcOffset: 4 });
    expect(core.get('ELR_EL1')).toBe(0x2_0000_0000n);
    core.pc = 0x7fff_fffcn;
    takeException(core, 1, 'sync', 0, { pcOffset: 4 });
    expect(core.get('ELR_EL1')).toBe(0x8000_0000n);
  });

  test.each([
    ['sync', EL1T, 1, 0x000],
    ['irq', EL1T, 1, 0x080],
    ['fiq', EL1H, 1, 0x300],
    ['serror', EL1H, 1, 0x380],
    ['irq', EL0T, 1, 0x480],
    ['sync', EL1H, 2, 0x400],
    ['irq', EL2H, 2, 0x280],
  ] as const)('%s from mode %i to EL%i uses vector offset %i', (vector, mode, target, offset) => {
    const core = new FakeCore(1);
    core.pstate = mode;
    core.set('VBAR_EL1', 0x10000n);
    core.set('VBAR_EL2', 0x10000n);
    takeException(core, target, vector, 0);
    expect(core.pc).toBe(0x10000n + BigInt(offset));
  });

  test('an interrupt leaves ESR alone; FAR and HPFAR are written only when given', () => {
    const core = new FakeCore(1);
    core.set('ESR_EL2', 0x1234n);
    core.set('FAR_EL2', 0x5678n);
    takeException(core, 2, 'irq', 0xdead);
    expect(core.get('ESR_EL2')).toBe(0x1234n);
    expect(core.get('FAR_EL2')).toBe(0x5678n);
    takeException(core, 2, 'sync', 0xdead, { far: 0xffff_0000_0000_0008n, hpfar: 0x10n });
    expect(core.get('ESR_EL2')).toBe(0xdeadn);
    expect(core.get('FAR_EL2')).toBe(0xffff_0000_0000_0008n);
    expect(core.get('HPFAR_EL2')).toBe(0x10n);
  });

  test('PAN is set at EL1 unless SCTLR_EL1.SPAN, at EL2 only for a host; UAO, SS and IL are cleared', () => {
    const enter = (target: 1 | 2, before: number, prepare: (core: FakeCore) => void = () => {}): number => {
      const core = new FakeCore(1);
      core.pstate = before;
      prepare(core);
      takeException(core, target, 'sync', 0);
      return core.pstate;
    };
    expect(enter(1, EL1H) & PSTATE.PAN).toBe(0);
    expect(enter(1, EL1H | PSTATE.PAN) & PSTATE.PAN).toBe(PSTATE.PAN);
    const clearSpan = (core: FakeCore): void => {
      core.set('SCTLR_EL1', 0n);
      core.set('SCTLR_EL2', 0n);
    };
    expect(enter(1, EL1H, clearSpan) & PSTATE.PAN).toBe(PSTATE.PAN);
    expect(enter(2, EL0T, clearSpan) & PSTATE.PAN).toBe(0);
    const host = (core: FakeCore): void => {
      clearSpan(core);
      core.setBits('HCR_EL2', HCR.E2H, HCR.TGE);
    };
    expect(enter(2, EL0T, host) & PSTATE.PAN).toBe(PSTATE.PAN);
    expect(enter(1, EL1H | PSTATE.UAO | PSTATE.SS | PSTATE.IL)).toBe(DAIF | EL1H);
    expect(enter(1, EL1H, (core) => core.setBits('SCTLR_EL1', SCTLR.DSSBS)) & PSTATE.SSBS).toBe(PSTATE.SSBS);
    expect(enter(1, EL1H | PSTATE.SSBS) & PSTATE.SSBS).toBe(0);
  });

  test('from EL1t the stack pointer in use goes to SP_EL0', () => {
    const core = new FakeCore(1);
    core.pstate = EL1T;
    core.sp = 0x1000n;
    core.set('SP_EL1', 0x2000n);
    takeException(core, 1, 'sync', 0);
    expect(core.get('SP_EL0')).toBe(0x1000n);
    expect(core.sp).toBe(0x2000n);
  });
});

describe('routing of synchronous exceptions', () => {
  test('EL0 goes to EL1, or to EL2 under TGE; EL1 and EL2 stay', () => {
    const core = new FakeCore(0);
    expect(undefinedInstruction(core)).toEqual({ target: 1, esr: 0x0200_0000 });
    core.setBits('HCR_EL2', HCR.TGE);
    expect(undefinedInstruction(core).target).toBe(2);
    core.el = 2;
    expect(undefinedInstruction(core).target).toBe(2);
    const el1 = new FakeCore(1);
    expect(pcAlignment(el1, 2n)).toEqual({ target: 1, esr: 0x8a00_0000, far: 2n });
  });

  test('HVC is UNDEFINED at EL0 and under HCD; SMC is UNDEFINED without TSC and trapped at its own address with it', () => {
    const core = new FakeCore(0);
    expect(exceptionInstruction(core, 'hvc', 0)).toEqual(undefinedInstruction(core));
    core.el = 1;
    expect(exceptionInstruction(core, 'hvc', 7)).toEqual({ target: 2, esr: 0x5a00_0007, pcOffset: 4 });
    expect(exceptionInstruction(core, 'smc', 7)).toEqual(undefinedInstruction(core));
    core.setBits('HCR_EL2', HCR.TSC, HCR.HCD);
    expect(exceptionInstruction(core, 'smc', 7)).toEqual({ target: 2, esr: 0x5e00_0007 });
    expect(exceptionInstruction(core, 'hvc', 7)).toEqual(undefinedInstruction(core));
  });

  test('BRK goes to EL2 under MDCR_EL2.TDE', () => {
    const core = new FakeCore(1);
    expect(exceptionInstruction(core, 'brk', 1)).toEqual({ target: 1, esr: 0xf200_0001 });
    core.setBits('MDCR_EL2', MDCR.TDE);
    expect(routeDebug(core)).toBe(2);
  });

  test('a stage-2 data abort carries the access: STRB W3 is ISV, SAS 0, SRT 3, WnR', () => {
    const core = new FakeCore(1);
    const access = { size: 1, signed: false, register: 3, wide: false, acquireRelease: false } as const;
    expect(dataAbort(core, 2, { fsc: 7, write: true, syndrome: access })).toBe(0x9303_0047);
    const load = { size: 4, signed: true, register: 30, wide: true, acquireRelease: false } as const;
    expect(dataAbort(core, 2, { fsc: 5, syndrome: load })).toBe(0x93be_8005);
    expect(dataAbort(core, 1, { fsc: 0x21, maintenance: true })).toBe(0x9600_0161);
  });
});

describe('exception return', () => {
  function returning(from: number, spsr: number, prepare: (core: FakeCore) => void = () => {}): FakeCore {
    const core = new FakeCore(from);
    core.set(from === 1 ? 'SPSR_EL1' : 'SPSR_EL2', BigInt(spsr >>> 0));
    core.set(from === 1 ? 'ELR_EL1' : 'ELR_EL2', 0x4000n);
    core.i32[F.EXCL_HOST >> 2] = 1;
    prepare(core);
    exceptionReturn(core);
    return core;
  }

  test('restores PC, PSTATE, flags and SP, and clears the exclusive monitor', () => {
    const core = returning(1, 0x9000_0000 | PSTATE.PAN | PSTATE.D | EL0T, (c) => {
      c.sp = 0x111n;
      c.set('SP_EL0', 0x222n);
    });
    expect(core.pc).toBe(0x4000n);
    expect(core.pstate).toBe(PSTATE.PAN | PSTATE.D);
    expect(readNzcv(core) >>> 0).toBe(0x9000_0000);
    expect(core.sp).toBe(0x222n);
    expect(core.get('SP_EL1')).toBe(0x111n);
    expect(core.i32[F.EXCL_HOST >> 2]).toBe(0);
    expect(core.contextChanges).toBe(1);
    expect(core.interruptChanges).toBe(0);
  });

  test('an interrupt that waits is looked at again', () => {
    const core = returning(1, EL0T, (c) => {
      c.i32[F.IRQ_PENDING >> 2] = INTERRUPT.IRQ;
    });
    expect(core.interruptChanges).toBe(1);
  });

  test.each([
    ['a higher EL', 1, EL2H],
    ['EL3', 2, 0b1101],
    ['AArch32', 2, 0b10011],
    ['a mode with M[1]', 2, 0b0110],
    ['EL0 with SP_EL0 not selected', 1, 0b0001],
  ])('to %s is illegal: PSTATE.IL, same EL and SP; flags and DAIF still return', (_name, from, mode) => {
    const core = returning(from, 0xf000_0000 | PSTATE.I | mode);
    expect(core.pstate).toBe(PSTATE.IL | PSTATE.I | (from === 1 ? EL1H : EL2H));
    expect(readNzcv(core) >>> 0).toBe(0xf000_0000);
    expect(core.pc).toBe(0x4000n);
  });

  test('to EL1 under TGE is illegal, to EL0 it is not', () => {
    const tge = (core: FakeCore): void => core.setBits('HCR_EL2', HCR.TGE);
    expect(returning(2, EL1H, tge).pstate & PSTATE.IL).toBe(PSTATE.IL);
    expect(returning(2, EL0T, tge).pstate).toBe(EL0T);
    expect(returning(2, EL1H).pstate).toBe(EL1H);
  });

  test('the tag of the return address is dropped where TCR_EL1.TBI says so, by the half of the address space', () => {
    const tagged = (tbi: number[], elr: bigint): bigint =>
      returning(1, EL0T, (core) => {
        core.setBits('TCR_EL1', ...tbi);
        core.set('ELR_EL1', elr);
      }).pc;
    expect(tagged([], 0xab00_0000_0000_4000n)).toBe(0xab00_0000_0000_4000n);
    expect(tagged([37], 0xab00_0000_0000_4000n)).toBe(0x4000n);
    expect(tagged([38], 0xab00_0000_0000_4000n)).toBe(0xab00_0000_0000_4000n);
    expect(tagged([38], 0x1180_0000_0000_4000n)).toBe(0xff80_0000_0000_4000n);
  });

  test('PSTATE.SS returns only where software step becomes enabled by the return', () => {
    const step = (prepare: (core: FakeCore) => void): number =>
      returning(1, EL0T | PSTATE.SS, (core) => {
        core.set('OSLSR_EL1', 8n);
        core.setBits('MDSCR_EL1', MDSCR.SS);
        prepare(core);
      }).pstate & PSTATE.SS;
    expect(step(() => {})).toBe(PSTATE.SS);
    expect(step((core) => core.set('MDSCR_EL1', 0n))).toBe(0);
    expect(step((core) => core.set('OSLSR_EL1', 0xan))).toBe(0);
    // Enabled at EL1 already: stepping from there, it is not set anew.
    expect(step((core) => core.setBits('MDSCR_EL1', MDSCR.KDE))).toBe(0);
  });
});

describe('interrupts', () => {
  const { IRQ, FIQ, VIRQ, VFIQ, SERROR } = INTERRUPT;
  const at = (mode: number, hcr: number[]): FakeCore => {
    const core = new FakeCore(1);
    core.pstate = mode;
    core.setBits('HCR_EL2', ...hcr);
    return core;
  };
  const name = (core: FakeCore, inputs: number): string => {
    const taken = interruptTarget(core, inputs);
    return taken ? `${taken.virtual ? 'v' : ''}${taken.vector}→${taken.target}` : 'none';
  };

  test('without routing they go to EL1 under its mask, and are not taken at EL2', () => {
    expect(name(at(EL0T, []), IRQ)).toBe('irq→1');
    expect(name(at(EL1H, []), IRQ)).toBe('irq→1');
    expect(name(at(EL1H | PSTATE.I, []), IRQ)).toBe('none');
    expect(name(at(EL0T | PSTATE.I, []), IRQ)).toBe('none');
    expect(name(at(EL2H, []), IRQ)).toBe('none');
    expect(name(at(EL1H | PSTATE.I, []), IRQ | FIQ)).toBe('fiq→1');
    expect(name(at(EL1H, []), SERROR)).toBe('serror→1');
  });

  test('routed to EL2 a lower EL cannot mask them; EL2 itself can', () => {
    expect(name(at(EL1H | DAIF, [HCR.IMO]), IRQ)).toBe('irq→2');
    expect(name(at(EL0T | DAIF, [HCR.TGE]), IRQ)).toBe('irq→2');
    expect(name(at(EL2H | PSTATE.I, [HCR.IMO]), IRQ)).toBe('none');
    expect(name(at(EL2H, [HCR.IMO]), IRQ)).toBe('irq→2');
  });

  test("a host's applications are subject to the mask", () => {
    expect(name(at(EL0T | PSTATE.I, [HCR.TGE, HCR.E2H]), IRQ)).toBe('none');
    expect(name(at(EL0T, [HCR.TGE, HCR.E2H]), IRQ)).toBe('irq→2');
  });

  test('virtual interrupts need their routing bit, EL1 or EL0, no TGE and an open mask', () => {
    expect(name(at(EL1H, [HCR.IMO]), VIRQ)).toBe('virq→1');
    expect(name(at(EL0T, [HCR.IMO, HCR.VI]), 0)).toBe('virq→1');
    expect(name(at(EL1H, [HCR.VI]), 0)).toBe('none');
    expect(name(at(EL1H | PSTATE.I, [HCR.IMO]), VIRQ)).toBe('none');
    expect(name(at(EL2H, [HCR.IMO]), VIRQ)).toBe('none');
    expect(name(at(EL0T, [HCR.IMO, HCR.TGE]), VIRQ)).toBe('none');
    expect(name(at(EL1H, [HCR.FMO, HCR.IMO]), VFIQ | VIRQ)).toBe('vfiq→1');
    expect(name(at(EL1H, [HCR.AMO, HCR.VSE]), 0)).toBe('vserror→1');
    expect(name(at(EL1H, [HCR.IMO]), IRQ | VIRQ)).toBe('irq→2');
  });
});

describe('errors (FEAT_RAS)', () => {
  const waiting = (core: FakeCore): void => {
    core.setBits('HCR_EL2', HCR.AMO, HCR.VSE);
    core.set('VSESR_EL2', 0x100_0012n);
  };

  test('a virtual SError has the syndrome of VSESR_EL2', () => {
    const core = new FakeCore(1);
    waiting(core);
    expect(serror(core, true)).toBe(0xbf00_0012);
    expect(serror(core, false)).toBe(0xbe00_0000);
  });

  test('ESB defers it while it is masked, and EL1 reads it as DISR_EL1', () => {
    const core = new FakeCore(1);
    waiting(core);
    synchronizeErrors(core);
    expect(core.get('VDISR_EL2')).toBe(0n);
    core.pstate |= PSTATE.A;
    synchronizeErrors(core);
    expect(core.mrs('DISR_EL1')).toBe(0x8100_0012n);
    expect(core.get('HCR_EL2') & (1n << BigInt(HCR.VSE))).toBe(0n);
    core.msr('DISR_EL1', 0n);
    expect([core.get('VDISR_EL2'), core.get('DISR_EL1')]).toEqual([0n, 0n]);
    core.el = 2;
    expect(core.mrs('DISR_EL1')).toBe(0n);
  });

  test('HCR_EL2.TEA sends external aborts of EL1 and EL0 to EL2, TERR traps the error records', () => {
    const core = new FakeCore(1);
    expect(routeExternal(core)).toBe(1);
    core.setBits('HCR_EL2', HCR.TEA, HCR.TERR);
    expect(routeExternal(core)).toBe(2);
    expect((core.mrs('ERRIDR_EL1') as Trap).target).toBe(2);
  });
});
