import { T, W, WV } from '../../wasm/opcodes.ts';
import type { Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { simd, shuffleElements } from './simd-lanes.ts';

/** AdvSIMD load and store of multiple and single structures: LD1–LD4, ST1–ST4, LD1R–LD4R. */

/** Pushes nothing: a local with the address in Xn or SP. */
function address(t: Translator, n: number): Local {
  t.xsp(n);
  return t.popTemp(T.i64);
}

/** Post-index: Xn plus Xm, or the transferred bytes for register 31. */
function writeBack(t: Translator, n: number, m: number | undefined, bytes: number): void {
  if (m === undefined) return;
  t.xsp(n);
  if (m === 31) t.i64(bytes);
  else t.x(m);
  t.op(W.i64_add);
  t.setXsp(n);
}

/**
 * Where element `e` of register `r` of a structure of `count` elements lies in memory, in elements; and the other way
 * round. Registers are of `bits` bits.
 */
function loadVectors(t: Translator, host: Local, count: number, size: number, bits: number, first: number): void {
  const total = (count * bits) >> 3;
  const parts: Local[] = [];
  for (let at = 0; at < total; at += 16) {
    t.get(host);
    t.vmemory(total - at >= 16 ? WV.load : WV.load64_zero, at);
    parts.push(t.popTemp(T.v128));
  }
  const lanes = bits >> (3 + size);
  for (let r = 0; r < count; r++) {
    // Bytes of this register, as offsets in memory.
    const bytes: number[] = [];
    for (let e = 0; e < lanes; e++) for (let b = 0; b < 1 << size; b++) bytes.push(((e * count + r) << size) + b);
    gather(t, parts, bytes);
    t.setV((first + r) & 31);
  }
}

/** Pushes a v128 of the bytes at the given offsets in consecutive parts of 16 bytes, zero above. */
function gather(t: Translator, parts: readonly Local[], bytes: readonly number[]): void {
  const used = [...new Set(bytes.map((b) => b >> 4))];
  const at = (part: number, offset: number, second: boolean): number => (offset >> 4 === part ? (offset & 15) + (second ? 16 : 0) : -1);
  if (used.length === 1 && bytes.length === 16) {
    t.get(parts[used[0]!]!);
    t.get(parts[used[0]!]!);
    t.vshuffle(bytes.map((b) => b & 15));
    return;
  }
  // Two parts in the first shuffle (or one and zero), then one more each.
  t.get(parts[used[0]!]!);
  if (used.length === 1) t.vzero();
  else t.get(parts[used[1]!]!);
  const lanes: number[] = [];
  for (let b = 0; b < 16; b++) {
    const offset = bytes[b];
    if (offset === undefined) lanes.push(used.length === 1 ? 16 : 0);
    else lanes.push(Math.max(0, at(used[0]!, offset, false), used.length > 1 ? at(used[1]!, offset, true) : -1));
  }
  t.vshuffle(lanes);
  for (const part of used.slice(2)) {
    t.get(parts[part]!);
    t.vshuffle(Array.from({ length: 16 }, (_, b) => (bytes[b] !== undefined && bytes[b] >> 4 === part ? 16 + (bytes[b] & 15) : b)));
  }
  if (bytes.length < 16 && used.length > 1) {
    t.vzero();
    shuffleElements(t, 3, [0, 2]);
  }
}

/** Locals with the memory image of `count` interleaved registers. */
function interleave(t: Translator, count: number, size: number, bits: number, first: number): Local[] {
  const parts: Local[] = [];
  for (let r = 0; r < count; r++) {
    t.v((first + r) & 31);
    parts.push(t.popTemp(T.v128));
  }
  if (count === 1) return parts;
  const total = (count * bits) >> 3;
  const out: Local[] = [];
  for (let at = 0; at < total; at += 16) {
    const bytes: number[] = [];
    for (let b = at; b < Math.min(at + 16, total); b++) {
      const element = b >> size;
      bytes.push(16 * (element % count) + (Math.floor(element / count) << size) + (b & ((1 << size) - 1)));
    }
    gather(t, parts, bytes);
    out.push(t.popTemp(T.v128));
  }
  return out;
}

/** LD1/ST1 of `registers`, or LDn/STn of structures of `count` elements. */
interface Multiple {
  readonly mnemonic: string;
  readonly opcode: string;
  readonly registers: number;
  /** Elements of a structure: 1 for LD1. */
  readonly count: number;
}

const multiples: readonly Multiple[] = [
  { mnemonic: '4', opcode: '0000', registers: 4, count: 4 },
  { mnemonic: '1', opcode: '0010', registers: 4, count: 1 },
  { mnemonic: '3', opcode: '0100', registers: 3, count: 3 },
  { mnemonic: '1', opcode: '0110', registers: 3, count: 1 },
  { mnemonic: '1', opcode: '0111', registers: 1, count: 1 },
  { mnemonic: '2', opcode: '1000', registers: 2, count: 2 },
  { mnemonic: '1', opcode: '1010', registers: 2, count: 1 },
];

function loadMultiple(t: Translator, kind: Multiple, Q: number, size: number, first: number, n: number, m: number | undefined): void {
  const bits = Q !== 0 ? 128 : 64;
  const bytes = (kind.registers * bits) >> 3;
  const host = t.hostForRead(address(t, n), bytes, { element: 1 << size });
  if (kind.count === 1) {
    for (let r = 0; r < kind.registers; r++) {
      t.get(host);
      t.vmemory(Q !== 0 ? WV.load : WV.load64_zero, (r * bits) >> 3);
      t.setV((first + r) & 31);
    }
  } else loadVectors(t, host, kind.count, size, bits, first);
  writeBack(t, n, m, bytes);
}

function storeMultiple(t: Translator, kind: Multiple, Q: number, size: number, first: number, n: number, m: number | undefined): void {
  const bits = Q !== 0 ? 128 : 64;
  const bytes = (kind.registers * bits) >> 3;
  let parts: Local[];
  if (kind.count === 1) {
    parts = [];
    for (let r = 0; r < kind.registers; r++) parts.push(...interleave(t, 1, size, bits, first + r));
  } else parts = interleave(t, kind.count, size, bits, first);
  const emit = (host: Local): void => {
    let at = 0;
    for (const part of parts) {
      // A part is a whole register for ST1, else 16 bytes of the image.
      const length = kind.count === 1 ? bits >> 3 : Math.min(16, bytes - at);
      t.get(host);
      t.get(part);
      if (length === 16) t.vmemory(WV.store, at);
      else t.vmemory(WV.store64_lane, at, 0);
      at += length;
    }
  };
  t.hostForWrite(address(t, n), bytes, emit, { element: 1 << size });
  writeBack(t, n, m, bytes);
}

type MultiplePattern = '0 Q 0011000 L 000000 0000 size Rn Rt';
type MultiplePost = '0 Q 0011001 L 0 Rm 0000 size Rn Rt';

function multipleRows(kind: Multiple): Instruction[] {
  const rows: Instruction[] = [];
  for (const L of [1, 0]) {
    const name = `${L !== 0 ? 'LD' : 'ST'}${kind.mnemonic}`;
    const emit = L !== 0 ? loadMultiple : storeMultiple;
    const when = (i: { size: number; Q: number }): boolean => kind.count === 1 || i.size !== 3 || i.Q !== 0;
    rows.push(
      simd(`${name} (multiple structures)`, `0 Q 0011000 ${L} 000000 ${kind.opcode} size Rn Rt` as MultiplePattern, `${name} { <Vt>.<T>, … }, [<Xn|SP>]`, { when }, (t, i) =>
        emit(t, kind, i.Q, i.size, i.Rt, i.Rn, undefined),
      ),
      simd(`${name} (multiple structures)`, `0 Q 0011001 ${L} 0 Rm ${kind.opcode} size Rn Rt` as MultiplePost, `${name} { <Vt>.<T>, … }, [<Xn|SP>], <Xm|#imm>`, { when }, (t, i) =>
        emit(t, kind, i.Q, i.size, i.Rt, i.Rn, i.Rm),
      ),
    );
  }
  return rows;
}

const LOAD_LANE = [WV.load8_lane, WV.load16_lane, WV.load32_lane, WV.load64_lane];
const STORE_LANE = [WV.store8_lane, WV.store16_lane, WV.store32_lane, WV.store64_lane];
const LOAD_SPLAT = [WV.load8_splat, WV.load16_splat, WV.load32_splat, WV.load64_splat];

/** One lane of `count` registers. */
function single(t: Translator, load: boolean, count: number, size: number, lane: number, first: number, n: number, m: number | undefined): void {
  const bytes = count << size;
  const va = address(t, n);
  if (load) {
    const host = t.hostForRead(va, bytes, { element: 1 << size });
    for (let r = 0; r < count; r++) {
      t.get(host);
      t.v((first + r) & 31);
      t.vmemory(LOAD_LANE[size]!, r << size, lane);
      t.setV((first + r) & 31);
    }
  } else {
    for (let r = 0; r < count; r++) t.load(32 + ((first + r) & 31));
    const emit = (host: Local): void => {
      for (let r = 0; r < count; r++) {
        t.get(host);
        t.v((first + r) & 31);
        t.vmemory(STORE_LANE[size]!, r << size, lane);
      }
    };
    t.hostForWrite(va, bytes, emit, { element: 1 << size });
  }
  writeBack(t, n, m, bytes);
}

/** One structure to all lanes. */
function replicate(t: Translator, Q: number, count: number, size: number, first: number, n: number, m: number | undefined): void {
  const host = t.hostForRead(address(t, n), count << size, { element: 1 << size });
  for (let r = 0; r < count; r++) {
    t.get(host);
    t.vmemory(LOAD_SPLAT[size]!, r << size);
    if (Q === 0) {
      t.vzero();
      shuffleElements(t, 3, [0, 2]);
    }
    t.setV((first + r) & 31);
  }
  writeBack(t, n, m, count << size);
}

type SinglePattern = '0 Q 0011010 0 0 00000 00 op:1 S size Rn Rt';
type SinglePost = '0 Q 0011011 0 0 Rm 00 op:1 S size Rn Rt';

function singleRows(count: number): Instruction[] {
  const rows: Instruction[] = [];
  // Structures of 2 and 4 have R = 1; of 3 and 4 the opcode's low bit.
  const R = (count - 1) & 1;
  const low = (count - 1) >> 1;
  for (const L of [1, 0]) {
    const name = `${L !== 0 ? 'LD' : 'ST'}${count}`;
    for (const size of [0, 1, 2, 3]) {
      // size's low bits are part of the index for smaller elements.
      const opcode = ['00', '01', '10', '10'][size]!;
      const sizeBoxes = ['S size:2', 'S x:1 0', 'S 00', '0 01'][size]!;
      const lane = (i: { [name: string]: number }): number => {
        if (size === 0) return (i.Q! << 3) | (i.S! << 2) | i.size!;
        if (size === 1) return (i.Q! << 2) | (i.S! << 1) | i.x!;
        return size === 2 ? (i.Q! << 1) | i.S! : i.Q!;
      };
      rows.push(
        simd(`${name} (single structure)`, `0 Q 0011010 ${L} ${R} 00000 ${opcode} ${low} ${sizeBoxes} Rn Rt` as SinglePattern, `${name} { <Vt>.<T>, … }[<index>], [<Xn|SP>]`, {}, (t, i) =>
          single(t, L !== 0, count, size, lane(i), i.Rt, i.Rn, undefined),
        ),
        simd(`${name} (single structure)`, `0 Q 0011011 ${L} ${R} Rm ${opcode} ${low} ${sizeBoxes} Rn Rt` as SinglePost, `${name} { <Vt>.<T>, … }[<index>], [<Xn|SP>], <Xm|#imm>`, {}, (t, i) =>
          single(t, L !== 0, count, size, lane(i), i.Rt, i.Rn, i.Rm),
        ),
      );
    }
  }
  rows.push(
    simd(`LD${count}R`, `0 Q 0011010 1 ${R} 00000 11 ${low} 0 size Rn Rt` as MultiplePattern, `LD${count}R { <Vt>.<T>, … }, [<Xn|SP>]`, {}, (t, i) =>
      replicate(t, i.Q, count, i.size, i.Rt, i.Rn, undefined),
    ),
    simd(`LD${count}R`, `0 Q 0011011 1 ${R} Rm 11 ${low} 0 size Rn Rt` as MultiplePost, `LD${count}R { <Vt>.<T>, … }, [<Xn|SP>], <Xm|#imm>`, {}, (t, i) =>
      replicate(t, i.Q, count, i.size, i.Rt, i.Rn, i.Rm),
    ),
  );
  return rows;
}

export const simdLoadStore: readonly Instruction[] = [...multiples.flatMap(multipleRows), ...[1, 2, 3, 4].flatMap(singleRows)];
