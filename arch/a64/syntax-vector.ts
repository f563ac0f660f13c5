import type { Rule } from './syntax.ts';
import type { Operand } from './syntax.ts';
import { fieldOf } from './syntax-general.ts';

/** Operands of SIMD and floating point. */

/** A SIMD&FP register of a fixed size. */
function scalar(letter: string, field: string): Operand {
  return {
    fields: [field],
    text: '[a-z]\\d+',
    format: (i) => `${letter}${i[field]}`,
    parse: (text) => {
      const m = new RegExp(`^${letter}([0-9]|[12][0-9]|3[01])$`, 'i').exec(text);
      return m === null ? undefined : { [field]: Number(m[1]) };
    },
  };
}

const rule = (spelling: RegExp, operand: Rule['operand']): Rule => ({ spelling: new RegExp(spelling.source, 'y'), operand });

export const vectorRules: readonly Rule[] = [
  rule(/<([BHSDQ])(d|n|m|a|t|t1|t2)>/, (m) => scalar(m[1]!.toLowerCase(), fieldOf(m[2]!))),
];
