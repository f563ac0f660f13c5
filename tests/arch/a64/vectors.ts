import { FREE, type Case } from './cases.ts';

/**
 * Vector files: a case's words and what the instruction changed. Little-endian:
 * u32 count, then for each case u8 number of words (plus 0x80 where a branch is taken out of it), the words (u32), u8
 * number of changes, and the changes: u8 what, then the new value.
 */
export const WHAT = { sp: 31, v0: 32, nzcv: 64, fpcr: 65, fpsr: 66, memory: 67 } as const;

export interface Change {
  /** 0–27: Xn; 31: SP; 32–63: Vn; else one of WHAT. */
  what: number;
  value: bigint;
  /** The high half of a vector register. */
  high?: bigint;
  /** Of memory: the first byte changed, an offset in the data area. */
  offset?: number;
  bytes?: Uint8Array;
}

export interface Vector extends Case {
  readonly taken: boolean;
  readonly changes: readonly Change[];
}

export function encodeVectors(vectors: readonly Vector[]): Uint8Array {
  const out: number[] = [];
  const number = (value: bigint, bytes: number): void => {
    for (let k = 0; k < bytes; k++) out.push(Number((value >> BigInt(8 * k)) & 0xffn));
  };
  number(BigInt(vectors.length), 4);
  for (const v of vectors) {
    out.push(v.words.length | (v.taken ? 0x80 : 0));
    for (const word of v.words) number(BigInt(word), 4);
    out.push(v.changes.length);
    for (const c of v.changes) {
      out.push(c.what);
      if (c.what < FREE || c.what === WHAT.sp) number(c.value, 8);
      else if (c.what < WHAT.nzcv) {
        number(c.value, 8);
        number(c.high!, 8);
      } else if (c.what === WHAT.nzcv) number(c.value, 1);
      else if (c.what !== WHAT.memory) number(c.value, 4);
      else {
        number(BigInt(c.offset!), 4);
        out.push(c.bytes!.length, ...c.bytes!);
      }
    }
  }
  return Uint8Array.from(out);
}

export function decodeVectors(file: Uint8Array): Vector[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let at = 4;
  const u8 = (): number => view.getUint8(at++);
  const u32 = (): number => view.getUint32((at += 4) - 4, true);
  const u64 = (): bigint => view.getBigUint64((at += 8) - 8, true);
  const out: Vector[] = [];
  const count = view.getUint32(0, true);
  for (let seed = 0; seed < count; seed++) {
    const head = u8();
    const words = Array.from({ length: head & 0x7f }, u32);
    const changes: Change[] = [];
    for (let left = u8(); left > 0; left--) {
      const what = u8();
      if (what < FREE || what === WHAT.sp) changes.push({ what, value: u64() });
      else if (what < WHAT.nzcv) changes.push({ what, value: u64(), high: u64() });
      else if (what === WHAT.nzcv) changes.push({ what, value: BigInt(u8()) });
      else if (what !== WHAT.memory) changes.push({ what, value: BigInt(u32()) });
      else {
        const offset = u32();
        const length = u8();
        changes.push({ what, value: 0n, offset, bytes: file.slice(at, at + length) });
        at += length;
      }
    }
    out.push({ words, seed, taken: (head & 0x80) !== 0, changes });
  }
  return out;
}
