import { decode } from './decode.ts';
import type { Instruction } from './encoding.ts';
import { format, type Form } from './syntax.ts';
import { aliasesOf, canonicalOf } from './syntax-aliases.ts';

export interface DisassembleOptions {
  /** Write the preferred aliases (MOV, CMP, LSL …), as the manual says; default true. */
  aliases?: boolean;
}

/**
 * The assembly text of an instruction word; `.inst 0x…` for what is not allocated.
 * @param pc its address, from which the targets of branches and literals follow
 */
export function disassemble(word: number, pc: bigint | number = 0, options: DisassembleOptions = {}): string {
  const decoded = decode(word >>> 0);
  if (decoded !== undefined) {
    const at = BigInt(pc);
    const text = options.aliases === false ? undefined : firstText(aliasesOf(decoded.row), decoded.fields, at);
    const canonical = text ?? firstText(canonicalOf(decoded.row), decoded.fields, at);
    if (canonical !== undefined) return canonical;
  }
  return `.inst 0x${(word >>> 0).toString(16).padStart(8, '0')}`;
}

function firstText(
  forms: readonly Form[],
  fields: Parameters<Instruction['translate']>[1],
  pc: bigint,
): string | undefined {
  for (const form of forms) {
    const text = format(form, fields, pc);
    if (text !== undefined) return text;
  }
  return undefined;
}
