import type { AnyFields, Instruction } from './encoding.ts';
import { CC } from './flags.ts';
import { EL1_CONTEXT, type Context } from './region-abi.ts';
import { Translator } from './translator.ts';

/** Registers that an instruction may read and write: bit r of lo for X0–X30 and SP, of hi for V0–V31. */
export interface Roles {
  readLo: number;
  readHi: number;
  writeLo: number;
  writeHi: number;
  setsFlags: boolean;
}

interface FieldRole {
  name: string;
  readX: boolean;
  readSp: boolean;
  writeX: boolean;
  writeSp: boolean;
  readV: boolean;
  writeV: boolean;
}

interface Shape {
  fields: FieldRole[];
  fixed: Roles;
}

const REGISTER_FIELD = /^R[a-z]\d?$/;
const probe = new Translator();
const context: Context = { ...EL1_CONTEXT, el: 2 };
const shapes = new Map<Instruction, Map<number, Shape>>();

/** Runs the meaning on a probe: which registers does it touch with these fields? */
function touch(row: Instruction, fields: AnyFields): Roles {
  probe.begin(context);
  probe.beginInstruction(0, 0);
  row.translate(probe, fields);
  return {
    readLo: probe.readLo,
    readHi: probe.readHi,
    writeLo: probe.writeLo,
    writeHi: probe.writeHi,
    setsFlags: probe.cc !== CC.frame,
  };
}

/**
 * The meaning itself says which register fields it reads and writes: it is run on a probe with a number of its own in
 * each register field, once for each combination of the other fields (immediates apart). The region's builder uses the
 * answer to plan; it stays correct when an answer is too small.
 */
function shapeOf(row: Instruction, actual: AnyFields): Shape {
  const registers = row.fields.filter((f) => REGISTER_FIELD.test(f.name));
  const numbered: { [name: string]: number } = { ...actual };
  registers.forEach((f, i) => (numbered[f.name] = 8 + 3 * i));
  const general = touch(row, numbered as AnyFields);
  const out: Shape = { fields: [], fixed: { ...general } };
  const at = (mask: number, n: number): boolean => ((mask >>> n) & 1) !== 0;
  for (const f of registers) {
    const n = numbered[f.name]!;
    // With 31 in the field: does it mean SP?
    const special = touch(row, { ...numbered, [f.name]: 31 } as AnyFields);
    const role: FieldRole = {
      name: f.name,
      readX: at(general.readLo, n),
      readSp: at(special.readLo, 31),
      writeX: at(general.writeLo, n),
      writeSp: at(special.writeLo, 31),
      readV: at(general.readHi, n),
      writeV: at(general.writeHi, n),
    };
    out.fields.push(role);
    const keep = ~(1 << n);
    out.fixed.readLo &= keep;
    out.fixed.writeLo &= keep;
    out.fixed.readHi &= keep;
    out.fixed.writeHi &= keep;
  }
  return out;
}

/** Bits of a row's words that do not matter for its shape: register fields and immediates. */
const ignored = new Map<Instruction, number>();

function ignoredBits(row: Instruction): number {
  let bits = ignored.get(row);
  if (bits === undefined) {
    bits = 0;
    for (const f of row.fields)
      if (REGISTER_FIELD.test(f.name) || f.name.startsWith('imm')) bits |= (2 ** f.width - 1) << f.lsb;
    ignored.set(row, bits);
  }
  return bits;
}

/** The roles of the registers of an instruction. */
export function rolesOf(row: Instruction, fields: AnyFields): Roles {
  let byKey = shapes.get(row);
  if (byKey === undefined) shapes.set(row, (byKey = new Map<number, Shape>()));
  const key = fields.word & ~ignoredBits(row);
  let shape = byKey.get(key);
  if (shape === undefined) byKey.set(key, (shape = shapeOf(row, fields)));
  const out = { ...shape.fixed };
  for (const f of shape.fields) {
    const n = fields[f.name]!;
    const bit = 1 << n;
    if (n === 31 ? f.readSp : f.readX) out.readLo |= bit;
    if (n === 31 ? f.writeSp : f.writeX) out.writeLo |= bit;
    if (f.readV) out.readHi |= bit;
    if (f.writeV) out.writeHi |= bit;
  }
  return out;
}

/** Whether an instruction may set the flags, by row; undefined where that depends on its fields. */
const flags = new Map<Instruction, boolean | undefined>();

/** Whether an instruction may set the flags: the short of `rolesOf` for code that is translated quickly. */
export function setsFlags(row: Instruction, fields: AnyFields): boolean {
  if (!flags.has(row)) flags.set(row, row.name === 'MSR (register)' ? undefined : touch(row, fields).setsFlags);
  return flags.get(row) ?? rolesOf(row, fields).setsFlags;
}
