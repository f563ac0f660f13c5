import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { computeNzcv } from '../../../arch/a64/flags.ts';
import { decode } from '../../../arch/a64/decode.ts';
import { Core, CORE_BYTES } from '../../../arch/core/core.ts';
import { F, PSTATE } from '../../../arch/core/frame.ts';
import { HCR } from '../../../arch/core/sysreg-bits.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import {
  CASES,
  CODE,
  controlRows,
  landing,
  PAGE,
  RAM,
  RAM_BYTES,
  registersOf,
  SCTLR_EL2,
  stacksOf,
} from './control-cases.ts';
import { decodeControl, wordOf, type ControlCase, type ControlVector } from './control-vectors.ts';

const AREA = 0x10000;
const HOST = AREA + CORE_BYTES;
const pages = (HOST + RAM_BYTES) / 65536;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

const vectors = decodeControl(readFileSync(join(import.meta.dirname, '../../vectors/a64/control.bin')));
const view = new DataView(memory.buffer, HOST + CODE - RAM, vectors.length * PAGE);
vectors.forEach(({ c }, index) => {
  for (let n = 0; n < PAGE / 4; n++) view.setUint32(index * PAGE + 4 * n, landing(n), true);
  for (const { at, words } of c.chunks)
    words.forEach((word, n) => view.setUint32(index * PAGE + 4 * (at + n), word, true));
});

/** PSTATE.BTYPE and TCO, of features that are not here. */
const ABSENT = (3 << 10) | (1 << 25);
/** QEMU 7.2 clears NZCV and DIT where an exception is taken; AArch64.TakeException leaves them. */
const NOT_QEMUS = (15 << 28) | PSTATE.DIT;

class Replay {
  private readonly core: Core;
  private done = false;

  constructor(optimized: boolean) {
    new Uint8Array(memory.buffer, AREA, CORE_BYTES).fill(0);
    this.core = new Core({
      bus: { ram: { memory, base: RAM, size: RAM_BYTES, host: HOST }, device: () => undefined },
      index: 0,
      counter: { frequency: 62_500_000, now: () => 0 },
      area: AREA,
      hostedEl2: false,
      // As QEMU's: it knows no call.
      firmware: (core, conduit) => {
        const at1 = ((core.i32[(core.frame + F.PSTATE) >> 2]! >> PSTATE.EL_SHIFT) & 3) === 1;
        if (conduit === 'hvc' || (at1 && (this.get(SR.HCR_EL2) & (1n << BigInt(HCR.TSC))) !== 0n)) return false;
        this.set(F.X, -1n);
        return true;
      },
    });
    if (optimized) this.core.code.eager = () => true;
    this.core.onException = () => {
      this.done = true;
      this.core.stop();
    };
  }

  private set(offset: number, value: bigint): void {
    this.core.i64[(this.core.frame + offset) >> 3] = BigInt.asIntN(64, value);
  }

  private get(offset: number): bigint {
    return BigInt.asUintN(64, this.core.i64[(this.core.frame + offset) >> 3]!);
  }

  private enter(c: ControlCase, index: number): void {
    const { core } = this;
    core.resetFrame(core.frame, 2);
    const x = registersOf(index);
    for (const [n, value] of c.x) x[n] = value;
    x.forEach((value, n) => this.set(F.X + 8 * n, value));
    const [sp0, sp1, sp2] = stacksOf(index);
    this.set(SR.SP_EL0, sp0);
    this.set(SR.SP_EL1, sp1);
    this.set(F.SP, sp2);
    this.set(SR.ELR_EL1, c.elr);
    this.set(SR.SPSR_EL1, BigInt(c.spsr));
    this.set(SR.SCTLR_EL1, c.sctlr);
    this.set(SR.SCTLR_EL2, SCTLR_EL2);
    this.set(SR.HCR_EL2, c.hcr);
    this.set(SR.MDCR_EL2, c.mdcr);
    this.set(SR.TCR_EL1, c.tcr1);
    this.set(SR.TCR_EL2, c.tcr2);
    this.set(SR.ELR_EL2, BigInt(CODE + index * PAGE + 4 * c.start));
    this.set(SR.SPSR_EL2, BigInt(c.pstate));
    core.eret();
  }

  /** What differs from the recorded end of the case. */
  run({ c, result }: ControlVector, index: number): string[] {
    const { core } = this;
    this.enter(c, index);
    this.done = false;
    for (let turns = 0; !this.done && turns < 10; turns++) core.run(10_000);
    if (!this.done) return ['no exception'];
    const out: string[] = [];
    const check = (name: string, got: bigint | number, want: bigint | number, mask = -1n): void => {
      const [a, b] = [BigInt.asUintN(64, BigInt(got) & mask), BigInt.asUintN(64, BigInt(want) & mask)];
      if (a !== b) out.push(`${name} = ${a.toString(16)}, not ${b.toString(16)}`);
    };
    const word = (offset: number): number => core.i32[(core.frame + offset) >> 2]!;
    const el2 = ((word(F.PSTATE) >> PSTATE.EL_SHIFT) & 3) === 2;
    const pc = core.pc;
    check('vector', Number(pc - this.get(el2 ? SR.VBAR_EL2 : SR.VBAR_EL1)) / 128 + (el2 ? 16 : 0), result.vector);
    // After an illegal return PAN is SPSR's (SetPSTATEFromPSR), and the address has no tag (AArch64.ExceptionReturn): not on QEMU 7.2.
    const illegal = (result.spsr & PSTATE.IL) !== 0;
    const compared = BigInt(~(ABSENT | (illegal ? PSTATE.PAN : 0)) >>> 0);
    const address = illegal ? (1n << 56n) - 1n : -1n;
    check('ESR', this.get(el2 ? SR.ESR_EL2 : SR.ESR_EL1), result.esr);
    check('ELR', this.get(el2 ? SR.ELR_EL2 : SR.ELR_EL1), result.elr, address);
    check('SPSR', this.get(el2 ? SR.SPSR_EL2 : SR.SPSR_EL1), result.spsr, compared);
    check('FAR', this.get(el2 ? SR.FAR_EL2 : SR.FAR_EL1), result.far, address);
    check('PSTATE', word(F.PSTATE), result.pstate, compared & BigInt(~NOT_QEMUS >>> 0));
    // SPSR has the flags as they were; they are left as they were.
    const nzcv = computeNzcv(word(F.CC), word(F.CC_A + 4), word(F.CC_A), word(F.CC_B + 4), word(F.CC_B));
    check('NZCV', nzcv >>> 28, result.spsr >>> 28);
    const x = registersOf(index);
    for (const [n, value] of c.x) x[n] = value;
    const want = [...x, ...stacksOf(index)];
    for (const [n, value] of result.changes) want[n] = value;
    for (let n = 0; n < 31; n++) check(`x${n}`, this.get(F.X + 8 * n), want[n]!);
    check('SP_EL0', this.get(SR.SP_EL0), want[31]!);
    check('SP_EL1', this.get(el2 ? SR.SP_EL1 : F.SP), want[32]!);
    check('SP_EL2', this.get(el2 ? F.SP : SR.SP_EL2), want[33]!);
    return out;
  }
}

describe('control', () => {
  it('has as many cases of every row alone as in a program', () => {
    const rows = vectors.map(({ c }) => decode(wordOf(c))?.row);
    for (const row of controlRows) {
      const own = vectors.filter((_, n) => rows[n] === row);
      expect([row.name, own.length]).toEqual([row.name, 2 * CASES]);
    }
  });

  describe.each([false, true])('with optimized regions: %s', (optimized) => {
    const replay = new Replay(optimized);
    it.each(controlRows.map((row) => [row.name, row] as const))('%s ends as on QEMU', (_, row) => {
      const wrong: string[] = [];
      vectors.forEach((v, index) => {
        if (decode(wordOf(v.c))?.row !== row) return;
        const lines = replay.run(v, index);
        if (lines.length > 0) {
          const words = v.c.chunks.map((k) => `${k.at}: ${k.words.map((w) => w.toString(16)).join(' ')}`).join(' | ');
          wrong.push(
            `${index} (${words}; PSTATE ${v.c.pstate.toString(16)}, HCR ${v.c.hcr.toString(16)}, spsr ${v.c.spsr.toString(16)}): ${lines.join('; ')}`,
          );
        }
      });
      expect([wrong.length, ...wrong.slice(0, 4)]).toEqual([0]);
    });
  });
});
