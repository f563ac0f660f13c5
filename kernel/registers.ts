/** The registers of threads and VCPUs as READ_REGISTERS and WRITE_REGISTERS name them. */
import { F } from '../arch/core/frame.ts';
import { parseKey, SR } from '../arch/core/sysreg-slots.ts';
import { type Row, type StoredSysreg, TABLE } from '../arch/core/sysreg-table.ts';
import { ICH, LIST_REGISTERS } from '../arch/gic/ich.ts';
import { setVmcr } from '../arch/gic/virtual-interface.ts';
import { sysregKey } from '../arch/core/frame.ts';
import { Err, Reg, type ErrorCode } from './abi/numbers.ts';
import type { Context } from './context.ts';

/** Where a register lies in a frame, how many 32-bit words it has there, and which of their bits may be written. */
interface Place {
  offset: number;
  words: 1 | 2;
  lowMask: number;
  highMask: number;
  lowOne: number;
  highOne: number;
}

const ALL = 0xffff_ffff;
const place = (offset: number, words: 1 | 2 = 2, lowMask = ALL, highMask = ALL): Place => ({
  offset,
  words,
  lowMask,
  highMask,
  lowOne: 0,
  highOne: 0,
});

/** Stored system registers with the masks that MSR gives them. */
function systemRegisters(names: readonly StoredSysreg[]): Map<number, Place> {
  const places = new Map<number, Place>();
  for (const name of names) {
    const row: Row = TABLE[name];
    const mask = row.mask ?? 0xffff_ffff_ffff_ffffn;
    const one = row.one ?? 0n;
    places.set(Reg.SYSTEM | parseKey(row.at), {
      offset: SR[name],
      words: 2,
      lowMask: Number(BigInt.asUintN(32, mask)),
      highMask: Number(mask >> 32n),
      lowOne: Number(BigInt.asUintN(32, one)),
      highOne: Number(one >> 32n),
    });
  }
  return places;
}

/** System registers of a native thread. */
const THREAD_REGISTERS = systemRegisters(['TPIDR_EL0', 'TPIDRRO_EL0']);

/** Of the performance monitors. */
const PMU_COUNTERS = [
  'PMEVCNTR0_EL0', 'PMEVCNTR1_EL0', 'PMEVCNTR2_EL0', 'PMEVCNTR3_EL0', 'PMEVCNTR4_EL0', 'PMEVCNTR5_EL0',
  'PMEVTYPER0_EL0', 'PMEVTYPER1_EL0', 'PMEVTYPER2_EL0', 'PMEVTYPER3_EL0', 'PMEVTYPER4_EL0', 'PMEVTYPER5_EL0',
] as const; // prettier-ignore

/** System registers of a VCPU: what EL1 and EL0 own, the identity the guest sees, its virtual counter, its performance monitors. */
const VCPU_REGISTERS = systemRegisters([
  'SCTLR_EL1', 'CPACR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'TCR_EL1', 'MAIR_EL1', 'ESR_EL1', 'FAR_EL1', 'PAR_EL1',
  'VBAR_EL1', 'CONTEXTIDR_EL1', 'TPIDR_EL1', 'TPIDR_EL0', 'TPIDRRO_EL0', 'SP_EL0', 'SP_EL1', 'ELR_EL1', 'SPSR_EL1',
  'CSSELR_EL1', 'MDSCR_EL1', 'OSLSR_EL1', 'VPIDR_EL2', 'VMPIDR_EL2', 'CNTVOFF_EL2', 'CNTV_CTL_EL0', 'CNTV_CVAL_EL0',
  'CNTKCTL_EL1', 'PMCR_EL0', 'PMCNTENSET_EL0', 'PMOVSSET_EL0', 'PMINTENSET_EL1', 'PMSELR_EL0', 'PMUSERENR_EL0',
  'PMCCNTR_EL0', 'PMCCFILTR_EL0', ...PMU_COUNTERS,
]); // prettier-ignore

/** PMCR_EL0: E, D, X and DP. What P and C reset is written by itself. */
VCPU_REGISTERS.get(Reg.SYSTEM | parseKey(TABLE.PMCR_EL0.at))!.lowMask = 0x39;

const ICH_HCR_KEY = Reg.SYSTEM | sysregKey(3, 4, 12, 11, 0);
const ICH_VMCR_KEY = Reg.SYSTEM | sysregKey(3, 4, 12, 11, 7);
/** ICH_HCR_EL2 without TSEI: enables, traps, EOIcount. */
VCPU_REGISTERS.set(ICH_HCR_KEY, place(ICH.HCR, 2, 0xf800_5cff, 0));
VCPU_REGISTERS.set(ICH_VMCR_KEY, place(ICH.VMCR, 2, ALL, 0));
VCPU_REGISTERS.set(Reg.SYSTEM | sysregKey(3, 4, 12, 8, 0), place(ICH.AP0R0, 2, ALL, 0));
VCPU_REGISTERS.set(Reg.SYSTEM | sysregKey(3, 4, 12, 9, 0), place(ICH.AP1R0, 2, ALL, 0));
/** ICH_LR<n>_EL2 without HW, which only VCPU_INJECT sets. */
const LR_HW_HIGH = 1 << 29;
for (let n = 0; n < LIST_REGISTERS; n++) {
  VCPU_REGISTERS.set(
    Reg.SYSTEM | sysregKey(3, 4, 12, 12 + (n >> 3), n & 7),
    place(ICH.LR + 8 * n, 2, 0xffff, 0xd0f8_1fff),
  );
}

const FPCR_BITS = 0x07c8_0000;
const FPSR_BITS = 0xf800_009f;
/** SPSR_EL2: N, Z, C, V of a thread; of a VCPU also DIT, UAO, PAN, SS, SSBS, D, A, I, F and M[3:0]. */
const NZCV = 0xf000_0000;
const VCPU_PSTATE = 0xf1e0_13cf;

function placeOf(k: Context, frame: number, vcpu: boolean, register: number): Place | undefined {
  if (register >= 0 && register <= 30) return place(F.X + 8 * register);
  switch (register) {
    case Reg.SP: {
      const el1h = vcpu && (k.u32[(frame + SR.SPSR_EL2) >>> 2]! & 15) === 5;
      return place(el1h ? SR.SP_EL1 : SR.SP_EL0);
    }
    case Reg.PC:
      return place(SR.ELR_EL2);
    case Reg.PSTATE:
      return place(SR.SPSR_EL2, 2, vcpu ? VCPU_PSTATE : NZCV, 0);
    case Reg.FPCR:
      return place(F.FPCR, 1, FPCR_BITS);
    case Reg.FPSR:
      return place(F.FPSR, 1, FPSR_BITS);
    default:
      break;
  }
  if (register >= Reg.V_LOW && register < Reg.V_LOW + 32) return place(F.V + 16 * (register - Reg.V_LOW));
  if (register >= Reg.V_HIGH && register < Reg.V_HIGH + 32) return place(F.V + 16 * (register - Reg.V_HIGH) + 8);
  return (vcpu ? VCPU_REGISTERS : THREAD_REGISTERS).get(register);
}

/** Reads a register into `to`, a host address of 64 bits. */
export function readRegister(k: Context, frame: number, vcpu: boolean, register: number, to: number): ErrorCode {
  const at = placeOf(k, frame, vcpu, register);
  if (at === undefined) return Err.INVALID_ARGUMENT;
  const from = (frame + at.offset) >>> 2;
  k.u32[to >>> 2] = k.u32[from]!;
  k.u32[(to >>> 2) + 1] = at.words === 2 ? k.u32[from + 1]! : 0;
  return Err.OK;
}

/** Writes a register from `from`, a host address of 64 bits. */
export function writeRegister(k: Context, frame: number, vcpu: boolean, register: number, from: number): ErrorCode {
  const at = placeOf(k, frame, vcpu, register);
  if (at === undefined) return Err.INVALID_ARGUMENT;
  const low = k.u32[from >>> 2]!;
  const high = k.u32[(from >>> 2) + 1]!;
  if (register === Reg.PSTATE && vcpu && ![0, 4, 5].includes(low & 31)) return Err.INVALID_ARGUMENT;
  if (at.offset >= ICH.LR && at.offset < ICH.LR + 8 * LIST_REGISTERS && (high & LR_HW_HIGH) !== 0) {
    return Err.INVALID_ARGUMENT;
  }
  if (register === ICH_VMCR_KEY) {
    setVmcr({ i32: k.i32, frame }, low | 0);
    return Err.OK;
  }
  const to = (frame + at.offset) >>> 2;
  k.u32[to] = (low & at.lowMask) | at.lowOne;
  if (at.words === 2) k.u32[to + 1] = (high & at.highMask) | at.highOne;
  return Err.OK;
}
