import { bit, currentEl, dataAbort, inHost, low, routeExternal, routeSync, type Trap } from './exception.ts';
import type { Feature } from './idregs.ts';
import { ACCESS, currentVmid, FSC } from './mmu.ts';
import type { CoreState, TlbScope } from './state.ts';
import { HCR, SCTLR } from './sysreg-bits.ts';
import { parseKey, SR } from './sysreg-slots.ts';
import { ALLOWED, hcrTraps, sctlrThenHcr, TRAP_EL2, type Verdict } from './sysreg-traps.ts';

/**
 * The system instructions of op0 = 1: AT, DC, IC and TLBI (DDI 0487, C5.3 to C5.5).
 */

/** The value of an operation's register, of its two words. */
const valueOf = (hi: number, lo: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

/** The exception of the last translation's fault: a data abort with CM and WnR. */
function abort(core: CoreState, hi: number, lo: number): Trap {
  const { fsc, stage2, s1ptw, ipa } = core.mmu.fault;
  const external = (fsc & 0x3c) === FSC.EXTERNAL_ON_WALK;
  const target = stage2 ? 2 : external ? routeExternal(core) : routeSync(core);
  const trap: Trap = { target, esr: dataAbort(core, target, { fsc, s1ptw, maintenance: true }), far: valueOf(hi, lo) };
  return stage2 ? { ...trap, hpfar: (BigInt(ipa) >> 12n) << 4n } : trap;
}

/** The physical address that cache maintenance by address reaches from the current EL, or its fault. */
function maintain(core: CoreState, hi: number, lo: number, access: number): number | Trap {
  const host = access === ACCESS.READ ? (core.readable?.(hi, lo) ?? 0) : 0;
  if (host !== 0) return host - core.bus.ram.host + core.bus.ram.base;
  const el = currentEl(core) as 0 | 1 | 2;
  return core.mmu.translate(core, hi, lo, access | ACCESS.MAINTENANCE, el) ? core.mmu.pa : abort(core, hi, lo);
}

export interface Operation {
  readonly name: string;
  /** Lowest EL that may execute it; UNDEFINED without the feature. */
  readonly el: number;
  readonly feature?: Feature | undefined;
  check(core: CoreState, el: number): Verdict;
  /**
   * @param hi its register's high word
   * @param lo and the low one, both signed
   * @returns the exception that it takes, if any.
   */
  run(core: CoreState, el: number, hi: number, lo: number): Trap | undefined;
}

export const OPERATIONS = new Map<number, Operation>();

function add(at: string, operation: Operation): void {
  OPERATIONS.set(parseKey(at), operation);
}

// Address translation.

/** Bits of PAR_EL1: F, RES1, and NS as a Non-secure regime without EL3 has it. */
const PAR_F = 1n;
const PAR_RES1 = 1n << 11n;
const PAR_NS = 1n << 9n;

/** @param el whose permissions count; EL1 and EL0 of a VHE host are those of EL2&0, without a stage 2. */
function at(name: string, encoding: string, el: 0 | 1 | 2, access: number, feature?: Feature): void {
  add(encoding, {
    name,
    feature,
    el: encoding.startsWith('1 4') ? 2 : 1,
    check: () => ALLOWED,
    run(core, current, hi, lo) {
      const { mmu } = core;
      let par: bigint;
      if (mmu.translate(core, hi, lo, access | ACCESS.AT, el)) {
        const page = BigInt(mmu.pa) & ~0xfffn;
        par = (BigInt(mmu.attributes) << 56n) | page | PAR_RES1 | PAR_NS | BigInt(mmu.shareability << 7);
      } else {
        const { fsc, stage2, s1ptw } = mmu.fault;
        // EL1's stage-1 walk ran into stage 2, which is EL2's to repair; an external abort is no translation's result.
        if ((current === 1 && s1ptw) || (fsc & 0x3c) === FSC.EXTERNAL_ON_WALK) return abort(core, hi, lo);
        par = PAR_F | BigInt(fsc << 1) | PAR_RES1 | (s1ptw ? 1n << 8n : 0n) | (stage2 ? 1n << 9n : 0n);
      }
      core.i64[(core.frame + SR.PAR_EL1) >>> 3] = BigInt.asIntN(64, par);
      return undefined;
    },
  });
}

for (const [letter, n, access] of [
  ['R', 0, ACCESS.READ],
  ['W', 1, ACCESS.WRITE],
] as const) {
  const stage1 = access | ACCESS.STAGE1;
  at(`AT S1E1${letter}`, `1 0 7 8 ${n}`, 1, stage1);
  at(`AT S1E0${letter}`, `1 0 7 8 ${2 + n}`, 0, stage1);
  at(`AT S1E1${letter}P`, `1 0 7 9 ${n}`, 1, stage1 | ACCESS.AT_PAN, 'FEAT_PAN2');
  at(`AT S1E2${letter}`, `1 4 7 8 ${n}`, 2, stage1);
  at(`AT S12E1${letter}`, `1 4 7 8 ${4 + n}`, 1, access);
  at(`AT S12E0${letter}`, `1 4 7 8 ${6 + n}`, 0, access);
}

// Cache maintenance. The caches are coherent with memory, so that DC only translates its address and faults.

function dcByAddress(name: string, encoding: string, el: 0 | 1, trap: readonly number[], feature?: Feature): void {
  add(encoding, {
    name,
    feature,
    el,
    check: (core, current) => sctlrThenHcr(core, current, SCTLR.UCI, trap),
    run(core, _el, hi, lo) {
      // DC IVAC counts as a store.
      const invalidates = name === 'DC IVAC';
      const pa = maintain(core, hi, lo, invalidates ? ACCESS.WRITE : ACCESS.READ);
      if (typeof pa !== 'number') return pa;
      return invalidates ? core.invalidationWatched?.(valueOf(hi, lo)) : undefined;
    },
  });
}

dcByAddress('DC IVAC', '1 0 7 6 1', 1, [HCR.TPC]);
dcByAddress('DC CVAC', '1 3 7 10 1', 0, [HCR.TPC]);
dcByAddress('DC CVAU', '1 3 7 11 1', 0, [HCR.TPU, HCR.TOCU]);
dcByAddress('DC CVAP', '1 3 7 12 1', 0, [HCR.TPC], 'FEAT_DPB');
dcByAddress('DC CVADP', '1 3 7 13 1', 0, [HCR.TPC], 'FEAT_DPB2');
dcByAddress('DC CIVAC', '1 3 7 14 1', 0, [HCR.TPC]);

// Translated code clears the block itself: it comes here to be trapped.
add('1 3 7 4 1', {
  name: 'DC ZVA',
  el: 0,
  check: (core, el) => sctlrThenHcr(core, el, SCTLR.DZE, [HCR.TDZ]),
  run: () => undefined,
});

for (const [name, encoding] of [
  ['DC ISW', '1 0 7 6 2'],
  ['DC CSW', '1 0 7 10 2'],
  ['DC CISW', '1 0 7 14 2'],
] as const) {
  add(encoding, {
    name,
    el: 1,
    check: (core, el) => (hcrTraps(core, el, HCR.TSW) ? TRAP_EL2 : ALLOWED),
    run: () => undefined,
  });
}

for (const [name, encoding, trap] of [
  ['IC IALLUIS', '1 0 7 1 0', HCR.TICAB],
  ['IC IALLU', '1 0 7 5 0', HCR.TOCU],
] as const) {
  add(encoding, {
    name,
    el: 1,
    check: (core, el) => (hcrTraps(core, el, HCR.TPU) || hcrTraps(core, el, trap) ? TRAP_EL2 : ALLOWED),
    run(core, el) {
      core.invalidateInstructions(undefined, name === 'IC IALLUIS' || (el === 1 && bit(core, SR.HCR_EL2, HCR.FB)));
      return undefined;
    },
  });
}

add('1 3 7 5 1', {
  name: 'IC IVAU',
  el: 0,
  check: (core, el) => sctlrThenHcr(core, el, SCTLR.UCI, [HCR.TPU, HCR.TOCU]),
  run(core, _el, hi, lo) {
    const pa = maintain(core, hi, lo, ACCESS.READ);
    if (typeof pa !== 'number') return pa;
    core.invalidateInstructions(pa, true);
    return undefined;
  },
});

// TLB maintenance.

const GRANULE_TG0 = [4096, 65536, 16384, 4096] as const;
const GRANULE_TG1 = [4096, 16384, 4096, 65536] as const;
/** By the TG field of a range operation. */
const GRANULE_RANGE = [0, 4096, 16384, 65536] as const;

/** The granule that the stage-1 tables of one half of a regime's address space use, in bytes. */
function granule(core: CoreState, regime: 1 | 2, upper: boolean): number {
  const tcr = low(core, regime === 1 ? SR.TCR_EL1 : SR.TCR_EL2);
  const halves = regime === 1 || bit(core, SR.HCR_EL2, HCR.E2H);
  return upper && halves ? GRANULE_TG1[(tcr >> 30) & 3]! : GRANULE_TG0[(tcr >> 14) & 3]!;
}

/** The ASID in an operation's argument, as many bits as TCR_ELx.AS says; undefined where a regime has none. */
function asid(core: CoreState, regime: 1 | 2, hi: number): number | undefined {
  if (regime === 2 && !bit(core, SR.HCR_EL2, HCR.E2H)) return undefined;
  const number = hi >>> 16;
  return bit(core, regime === 1 ? SR.TCR_EL1 : SR.TCR_EL2, 36) ? number : number & 0xff;
}

/** The addresses of a range operation: NUM, SCALE, TG and BaseADDR; undefined for the reserved TG. */
function range(value: bigint, signed: boolean): { start: number; length: number } | undefined {
  const size = GRANULE_RANGE[Number((value >> 46n) & 3n)]!;
  if (size === 0) return undefined;
  const scale = Number((value >> 44n) & 3n);
  const num = Number((value >> 39n) & 31n);
  const base = signed ? BigInt.asIntN(37, value) : BigInt.asUintN(37, value);
  return { start: Number(base) * size, length: (num + 1) * 2 ** (5 * scale + 1) * size };
}

/** What a TLBI names: everything of a regime, an ASID, an address, a range, or stage-2 addresses. */
type TlbiKind = 'all' | 'vmid' | 'asid' | 'va' | 'vaa' | 'rva' | 'rvaa' | 'ipa' | 'ripa';
type Domain = '' | 'IS' | 'OS';

/** @returns undefined when the operation's argument names nothing. */
function tlbScope(
  core: CoreState,
  own: 1 | 2,
  kind: TlbiKind,
  hi: number,
  lo: number,
  broadcast: boolean,
): TlbScope | undefined {
  // The EL1 operations of a host at EL2 reach its EL2&0 regime; those on all VMIDs and on stage 2 do not.
  const everyVmid = kind === 'all';
  const stage2 = kind === 'ipa' || kind === 'ripa';
  const regime = own === 1 && !everyVmid && !stage2 && inHost(core) ? 2 : own;
  const scope: TlbScope = { regime, broadcast };
  if (regime === 1 && !everyVmid) scope.vmid = currentVmid(core);
  switch (kind) {
    case 'all':
    case 'vmid':
      break;
    case 'asid':
      scope.asid = asid(core, regime, hi) ?? 0;
      break;
    case 'va':
    case 'vaa': {
      // Bits 43:0 are VA[55:12]; those below the granule do not count.
      const upper = (hi << 20) >> 20;
      const length = granule(core, regime, upper < 0);
      scope.va = { start: Math.floor(((upper * 2 ** 32 + (lo >>> 0)) * 4096) / length) * length, length };
      scope.global = true;
      if (kind === 'va') scope.asid = asid(core, regime, hi);
      break;
    }
    case 'rva':
    case 'rvaa':
      scope.va = range(valueOf(hi, lo), true);
      if (!scope.va) return undefined;
      scope.global = true;
      if (kind === 'rva') scope.asid = asid(core, regime, hi);
      break;
    case 'ipa':
      scope.ipa = { start: ((hi & 15) * 2 ** 32 + (lo >>> 0)) * 4096, length: stage2Granule(core) };
      scope.ipa.start -= scope.ipa.start % scope.ipa.length;
      break;
    case 'ripa':
      scope.ipa = range(valueOf(hi, lo), false);
      if (!scope.ipa) return undefined;
  }
  return scope;
}

function stage2Granule(core: CoreState): number {
  return GRANULE_TG0[(low(core, SR.VTCR_EL2) >> 14) & 3]!;
}

function tlbi(name: string, encoding: string, el: 1 | 2, own: 1 | 2, kind: TlbiKind, domain: Domain): void {
  const feature = kind.startsWith('r') ? 'FEAT_TLBIRANGE' : domain === 'OS' ? 'FEAT_TLBIOS' : undefined;
  const trap = domain === 'IS' ? HCR.TTLBIS : domain === 'OS' ? HCR.TTLBOS : HCR.TTLB;
  add(encoding, {
    name: `TLBI ${name}${domain}`,
    feature,
    el,
    check: (core, current) => (hcrTraps(core, current, HCR.TTLB) || hcrTraps(core, current, trap) ? TRAP_EL2 : ALLOWED),
    run(core, current, hi, lo) {
      const broadcast = domain !== '' || (current === 1 && bit(core, SR.HCR_EL2, HCR.FB));
      const scope = tlbScope(core, own, kind, hi, lo, broadcast);
      if (scope) core.invalidateTlb(scope);
      return undefined;
    },
  });
}

/** CRm by shareability: of the single operations, of the range operations. */
for (const [domain, crm, rangeCrm] of [
  ['OS', 1, 5],
  ['IS', 3, 2],
  ['', 7, 6],
] as const) {
  tlbi('VMALLE1', `1 0 8 ${crm} 0`, 1, 1, 'vmid', domain);
  tlbi('VAE1', `1 0 8 ${crm} 1`, 1, 1, 'va', domain);
  tlbi('ASIDE1', `1 0 8 ${crm} 2`, 1, 1, 'asid', domain);
  tlbi('VAAE1', `1 0 8 ${crm} 3`, 1, 1, 'vaa', domain);
  tlbi('VALE1', `1 0 8 ${crm} 5`, 1, 1, 'va', domain);
  tlbi('VAALE1', `1 0 8 ${crm} 7`, 1, 1, 'vaa', domain);
  tlbi('RVAE1', `1 0 8 ${rangeCrm} 1`, 1, 1, 'rva', domain);
  tlbi('RVAAE1', `1 0 8 ${rangeCrm} 3`, 1, 1, 'rvaa', domain);
  tlbi('RVALE1', `1 0 8 ${rangeCrm} 5`, 1, 1, 'rva', domain);
  tlbi('RVAALE1', `1 0 8 ${rangeCrm} 7`, 1, 1, 'rvaa', domain);
  tlbi('ALLE2', `1 4 8 ${crm} 0`, 2, 2, 'all', domain);
  tlbi('VAE2', `1 4 8 ${crm} 1`, 2, 2, 'va', domain);
  tlbi('ALLE1', `1 4 8 ${crm} 4`, 2, 1, 'all', domain);
  tlbi('VALE2', `1 4 8 ${crm} 5`, 2, 2, 'va', domain);
  tlbi('VMALLS12E1', `1 4 8 ${crm} 6`, 2, 1, 'vmid', domain);
  tlbi('RVAE2', `1 4 8 ${rangeCrm} 1`, 2, 2, 'rva', domain);
  tlbi('RVALE2', `1 4 8 ${rangeCrm} 5`, 2, 2, 'rva', domain);
}

/** Stage-2 operations: CRm and op2 of IPAS2E1, RIPAS2E1, IPAS2LE1, RIPAS2LE1. */
for (const [domain, crm, op2] of [
  ['OS', 4, [0, 3, 4, 7]],
  ['IS', 0, [1, 2, 5, 6]],
  ['', 4, [1, 2, 5, 6]],
] as const) {
  tlbi('IPAS2E1', `1 4 8 ${crm} ${op2[0]}`, 2, 1, 'ipa', domain);
  tlbi('RIPAS2E1', `1 4 8 ${crm} ${op2[1]}`, 2, 1, 'ripa', domain);
  tlbi('IPAS2LE1', `1 4 8 ${crm} ${op2[2]}`, 2, 1, 'ipa', domain);
  tlbi('RIPAS2LE1', `1 4 8 ${crm} ${op2[3]}`, 2, 1, 'ripa', domain);
}
