import { expect, test } from 'vitest';
import { assembleProgram } from '../../../arch/a64/assemble.ts';
import { accessSyndrome } from '../../../arch/core/access-syndrome.ts';

/** SAS, SSE, SRT, SF and AR of ESR_EL2, as QEMU 7.2 gives them for a stage-2 abort of each; undefined: ISV = 0. */
const CASES: readonly (readonly [
  instruction: string,
  size: number,
  signed: boolean,
  rt: number,
  wide: boolean,
  ar: boolean,
])[] = [
  ['ldr x3, [x1]', 8, false, 3, true, false],
  ['ldr w3, [x1, #4]', 4, false, 3, false, false],
  ['ldrb w3, [x1]', 1, false, 3, false, false],
  ['ldrsb w3, [x1]', 1, true, 3, false, false],
  ['ldrsb x3, [x1]', 1, true, 3, true, false],
  ['ldrsh x3, [x1]', 2, true, 3, true, false],
  ['ldrsw x3, [x1]', 4, true, 3, true, false],
  ['str wzr, [x1]', 4, false, 31, false, false],
  ['strh w3, [x1]', 2, false, 3, false, false],
  ['ldr x3, [x1, x2]', 8, false, 3, true, false],
  ['stur w3, [x1, #3]', 4, false, 3, false, false],
  ['ldtr x3, [x1]', 8, false, 3, true, false],
  ['sttr w3, [x1]', 4, false, 3, false, false],
  ['ldar x3, [x1]', 8, false, 3, true, true],
  ['ldlar x3, [x1]', 8, false, 3, true, false],
  ['stlr w3, [x1]', 4, false, 3, false, true],
  ['ldapr x3, [x1]', 8, false, 3, true, true],
  ['ldapursw x3, [x1, #4]', 4, true, 3, true, true],
  ['ldr x3, .+16', 8, false, 3, true, false],
  ['ldr w3, .+16', 4, false, 3, false, false],
  ['ldrsw x3, .+16', 4, true, 3, true, false],
];
const NONE = [
  'ldr x3, [x1], #8', 'str w3, [x1, #4]!', 'ldxr x3, [x1]', 'stxr w3, x4, [x1]', 'ldp x3, x4, [x1]', 'stp w3, w4, [x1]', 'ldr q3, [x1]',
  'str b3, [x1]', 'ldr d3, .+16', 'ld1 {v0.16b}, [x1]', 'ldadd x3, x4, [x1]', 'swp x3, x4, [x1]', 'cas x3, x4, [x1]', 'dc zva, x1',
  'prfm pldl1keep, [x1]', 'prfm pldl1keep, .+16',
]; // prettier-ignore

const syndromeOf = (instruction: string): unknown => accessSyndrome(assembleProgram(instruction, 0x1000)[0]!);

test.each(CASES)('%s has a syndrome', (instruction, size, signed, register, wide, acquireRelease) => {
  expect(syndromeOf(instruction)).toEqual({ size, signed, register, wide, acquireRelease });
});

test.each(NONE)('%s has none', (instruction) => {
  expect(syndromeOf(instruction)).toBeUndefined();
});
