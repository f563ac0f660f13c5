/**
 * Random sequences of GIC operations, the same for the recorder and for the replay: a seed makes a sequence.
 * They keep to what IHI 0069 defines and to what QEMU's virt machine implements (4 list registers, no 1 of N).
 */
export type Op =
  /** MMIO read or write at a physical address. */
  | { kind: 'load'; address: number; size: 1 | 4 }
  | { kind: 'store'; address: number; size: 1 | 4; value: number }
  | { kind: 'mrs'; name: string; mask: bigint }
  | { kind: 'msr'; name: string; value: bigint }
  /** Writes what the given read of this sequence answered: the end of an interrupt that was acknowledged there. */
  | { kind: 'reply'; name: string; read: number }
  /** HCR_EL2.FMO (bit 3) and IMO (bit 4). */
  | { kind: 'hcr'; value: number }
  | { kind: 'el'; el: 1 | 2 }
  /** The level of the EL1 physical timer's wire, INTID 30. */
  | { kind: 'timer'; level: boolean }
  /** ISR_EL1: what is signalled. */
  | { kind: 'isr' };

/** Whether an operation has an answer. */
export function isRead(op: Op): boolean {
  return op.kind === 'load' || op.kind === 'mrs' || op.kind === 'isr';
}

const GICD = 0x8000000;
const SGI_BASE = 0x80b0000;
const INTIDS = [0, 3, 25, 30, 40, 41, 63, 64];
const SPIS = INTIDS.filter((intid) => intid >= 32);

/** Operations that bring the GIC and its CPU interface into a known state, at EL2. */
function prologue(next: (below: number) => number): Op[] {
  const store = (address: number, value: number): Op => ({ kind: 'store', address, size: 4, value });
  const msr = (name: string, value: bigint): Op => ({ kind: 'msr', name, value });
  const ops: Op[] = [
    { kind: 'timer', level: false },
    store(GICD, 0x53),
    store(0x80a0014, 0),
    msr('ICC_SRE_EL2', 15n),
    msr('ICC_SRE_EL1', 7n),
    msr('ICH_HCR_EL2', 0n),
    msr('ICH_VMCR_EL2', 0n),
    msr('ICH_AP0R0_EL2', 0n),
    msr('ICH_AP1R0_EL2', 0n),
    msr('ICC_AP0R0_EL1', 0n),
    msr('ICC_AP1R0_EL1', 0n),
    msr('ICC_CTLR_EL1', 0n),
    msr('ICC_BPR0_EL1', 0n),
    msr('ICC_BPR1_EL1', 0n),
    msr('ICC_PMR_EL1', 0xffn),
    msr('ICC_IGRPEN0_EL1', 1n),
    msr('ICC_IGRPEN1_EL1', 1n),
  ];
  for (let n = 0; n < 4; n++) ops.push(msr(`ICH_LR${n}_EL2`, 0n));
  for (const base of [SGI_BASE, GICD + 4, GICD + 8]) {
    for (const clear of [0x180, 0x280, 0x380]) ops.push(store(base + clear, 0xffffffff));
    ops.push(store(base + 0x80, next(2) ? 0xffffffff : (next(0x10000) | (next(0x10000) << 16)) >>> 0));
  }
  for (const base of [SGI_BASE, GICD + 4, GICD + 8]) ops.push(store(base + 0x100, 0xffffffff));
  for (const intid of INTIDS)
    ops.push({ kind: 'store', address: at(intid) + 0x400 + intid, size: 1, value: 0x40 + 8 * (intid & 7) });
  ops.push(store(SGI_BASE + 0xc04, 0), store(GICD + 0xc08, 0x00080000), store(GICD + 0xc10, 0));
  return ops;
}

function at(intid: number): number {
  return intid < 32 ? SGI_BASE : GICD;
}

/** A small generator of numbers (xorshift32), so that a seed means the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = (seed * 2654435761 + 12345) | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const ICC = ['PMR', 'HPPIR0', 'HPPIR1', 'BPR0', 'BPR1', 'RPR', 'AP0R0', 'AP1R0', 'IGRPEN0', 'IGRPEN1'];
const ICH = ['HCR', 'MISR', 'EISR', 'ELRSR', 'VMCR', 'AP0R0', 'AP1R0', 'LR0', 'LR1', 'LR2', 'LR3'];

export function sequence(seed: number, length: number): Op[] {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
  const ops = prologue(next);
  let el: 1 | 2 = 2;
  let virtual = false;
  const guesses = [...INTIDS, 1023];
  let reads = 0;
  /** Reads that acknowledged, the last one last: at EL1 (virtual or not) and at EL2. */
  const taken: Record<1 | 2, { group: number; read: number }[]> = { 1: [], 2: [] };
  const dropped: Record<1 | 2, number[]> = { 1: [], 2: [] };
  const mrs = (name: string, mask = 0xffffffffffffffffn): void => {
    ops.push({ kind: 'mrs', name, mask });
    reads++;
  };
  const isr = (): void => {
    ops.push({ kind: 'isr' });
    reads++;
  };
  const msr = (name: string, value: number | bigint): void =>
    void ops.push({ kind: 'msr', name, value: BigInt(value) });

  const device = (): void => {
    const intid = pick(INTIDS);
    const bit = 2 ** (intid & 31);
    const word = at(intid) + 4 * (intid >> 5);
    switch (next(8)) {
      case 0:
      case 1:
        return void ops.push({ kind: 'store', address: word + 0x100, size: 4, value: bit });
      case 2:
      case 3:
        return void ops.push({ kind: 'store', address: word + 0x200, size: 4, value: bit });
      case 4:
        return void ops.push({
          kind: 'store',
          address: word + pick([0x180, 0x280, 0x300, 0x380]),
          size: 4,
          value: bit,
        });
      case 5:
        return void ops.push({ kind: 'store', address: at(intid) + 0x400 + intid, size: 1, value: 8 * next(32) });
      case 6:
        return void ops.push({ kind: 'timer', level: next(2) === 1 });
      case 7: {
        const config = pick(SPIS);
        ops.push({
          kind: 'store',
          address: GICD + 0xc00 + 4 * (config >> 4),
          size: 4,
          value: (next(2) * (2 << (2 * (config & 15)))) >>> 0,
        });
      }
    }
  };
  const look = (): void => {
    const word = pick([SGI_BASE, GICD + 4, GICD + 8]);
    ops.push({ kind: 'load', address: word + pick([0x100, 0x200, 0x280, 0x300, 0x380]), size: 4 });
    reads++;
  };
  const take = (): void => {
    const group = next(3) === 0 ? 0 : 1;
    taken[el].push({ group, read: reads });
    mrs(`ICC_IAR${group}_EL1`);
    if (next(2)) isr();
  };
  const end = (): void => {
    const last = taken[el].pop();
    if (last === undefined) return;
    ops.push({ kind: 'reply', name: `ICC_EOIR${last.group}_EL1`, read: last.read });
    dropped[el].push(last.read);
    if (next(2)) isr();
  };
  const deactivate = (): void => {
    const read = dropped[el].pop();
    if (read !== undefined) ops.push({ kind: 'reply', name: 'ICC_DIR_EL1', read });
  };
  const interrupt = (): void => {
    switch (next(6)) {
      case 0:
        return msr(`ICC_EOIR${next(2)}_EL1`, pick(guesses));
      case 1:
        return msr('ICC_DIR_EL1', pick(guesses));
      case 2:
      case 3:
        return mrs(`ICC_${pick(ICC)}_EL1`);
      case 4:
        return mrs('ICC_CTLR_EL1', 3n);
      case 5:
        return isr();
    }
  };
  const configure = (): void => {
    switch (next(5)) {
      case 0:
        return msr('ICC_CTLR_EL1', pick([0, 0, 1, 2, 2, 3]));
      case 1:
        return msr('ICC_PMR_EL1', pick([0xff, 0xf0, 0x80, 0x58, 0x57]));
      case 2:
        return msr(`ICC_BPR${next(2)}_EL1`, next(8));
      case 3:
        return el === 1 ? undefined : msr(pick(['ICC_SGI1R_EL1', 'ICC_SGI0R_EL1']), (pick([0, 3]) << 24) | 1);
      case 4:
        // With a group disabled at the physical interface QEMU lets it hide the other one.
        return el === 1 && virtual ? msr(`ICC_IGRPEN${next(2)}_EL1`, next(4) ? 1 : 0) : undefined;
    }
  };
  const hypervisor = (): void => {
    switch (next(8)) {
      case 0:
      case 1:
      case 2: {
        const hw = next(4) === 0;
        const physical = hw ? BigInt(pick(SPIS)) << 32n : BigInt(next(2)) << 41n;
        const state = pick([0n, 1n, 1n, 1n, 2n, 3n]) << 62n;
        // Virtual INTIDs by list register: the same one in two of them is UNPREDICTABLE.
        const n = next(4);
        const group = BigInt(next(4) ? 1 : 0) << 60n;
        const priority = BigInt(8 * next(32)) << 48n;
        return msr(
          `ICH_LR${n}_EL2`,
          state | (hw ? 1n << 61n : 0n) | group | priority | physical | BigInt(INTIDS[n + 4]!),
        );
      }
      case 3:
        // Not LRENPIE, since EOIcount differs, nor VGrp0DIE: QEMU looks at VENG1 for it, IHI 0069 at VENG0.
        return msr('ICH_HCR_EL2', 1 | (next(2) ? 0 : (next(128) << 1) & ~0x24));
      case 4:
        return msr(
          'ICH_VMCR_EL2',
          (pick([0xf8, 0xf8, 0x80]) << 24) |
            (next(8) << 21) |
            (next(8) << 18) |
            (next(2) << 9) |
            (next(4) === 0 ? 16 : 0) |
            3,
        );
      case 5:
        return void ops.push({ kind: 'hcr', value: next(4) << 3 });
      default:
        return mrs(`ICH_${pick(ICH)}_EL2`, 0xffffffffffffffffn);
    }
  };
  while (ops.length < length) {
    if (next(16) === 0) {
      if (el === 2) for (let i = 0; i < 4; i++) hypervisor();
      el = el === 1 ? 2 : 1;
      if (el === 1) {
        const value = pick([0x18, 0x18, 0x18, 0]);
        ops.push({ kind: 'hcr', value });
        if (next(2)) msr('ICH_HCR_EL2', 1);
        // A physical interrupt that is routed to EL2 cannot be masked at EL1: none is let through.
        virtual = value !== 0;
        if (virtual) msr('ICC_PMR_EL1', 0);
        taken[1] = [];
      }
      ops.push({ kind: 'el', el });
      if (el === 2) msr('ICC_PMR_EL1', 0xff);
    }
    const often = el === 2 ? [device, device, device, hypervisor, hypervisor] : [device];
    pick([...often, look, take, take, take, end, end, deactivate, interrupt, interrupt, configure])();
  }
  if (el === 1) ops.push({ kind: 'el', el: 2 });
  return ops;
}

/** Sequences recorded, and operations in each. */
export const SEQUENCES = 200;
export const LENGTH = 300;
