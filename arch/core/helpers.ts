import * as bfloat from '../fp/bfloat.ts';
import * as conversions from '../fp/conversions.ts';
import * as operations from '../fp/operations.ts';
import {
  mixedSignAdd,
  polynomialMultiply,
  polynomialMultiply64,
  polynomialMultiplyLong,
  variableShift,
} from '../fp/vector.ts';

/**
 * Functions that translated code calls for what is too long, or too rare, to be emitted: exact floating point and a
 * few vector operations. Operands and results pass through the V registers in the frame.
 */

/** One operation's operands: register numbers, log2 of the element's bytes, log2 of the number of elements, a number of 7 bits. */
export interface Operands {
  d: number;
  n?: number;
  m?: number;
  a?: number;
  size?: number;
  lanes?: number;
  extra?: number;
}

/**
 * @param i32,u8 views of machine memory
 * @param frame the frame's byte offset
 * @param argument what packOperands made
 */
export type Helper = (i32: Int32Array, u8: Uint8Array, frame: number, argument: number) => number;

/** Operands as one i32: d, n, m, a in 5 bits each, size in 2, lanes in 3, extra in 7. */
export function packOperands(o: Operands): number {
  return (
    o.d |
    ((o.n ?? 0) << 5) |
    ((o.m ?? 0) << 10) |
    ((o.a ?? 0) << 15) |
    ((o.size ?? 0) << 20) |
    ((o.lanes ?? 0) << 22) |
    ((o.extra ?? 0) << 25)
  );
}

/** The helpers by their number. */
export const FP_HELPERS: readonly Helper[] = [
  variableShift,
  polynomialMultiply,
  polynomialMultiplyLong,
  polynomialMultiply64,
  mixedSignAdd,
  operations.fpAdd,
  operations.fpSubtract,
  operations.fpMultiply,
  operations.fpNegatedMultiply,
  operations.fpDivide,
  operations.fpMaximum,
  operations.fpMinimum,
  operations.fpMaximumNumber,
  operations.fpMinimumNumber,
  operations.fpMultiplyExtended,
  operations.fpReciprocalStep,
  operations.fpReciprocalRootStep,
  operations.fpAbsoluteDifference,
  operations.fpSquareRoot,
  operations.fpReciprocalEstimate,
  operations.fpReciprocalRootEstimate,
  operations.fpReciprocalExponent,
  operations.fpRoundToIntegral,
  operations.fpMultiplyAdd,
  operations.fpCompareMask,
  operations.fpCompare,
  operations.fpReduce,
  operations.fpComplexAdd,
  operations.fpComplexMultiplyAdd,
  operations.fpMultiplyAddLong,
  operations.unsignedEstimate,
  conversions.fpToInteger,
  conversions.integerToFp,
  conversions.fpToGeneral,
  conversions.generalToFp,
  conversions.fpToJavaScript,
  conversions.fpConvert,
  conversions.fpConvertLong,
  conversions.fpConvertNarrow,
  bfloat.dot,
  bfloat.matrixMultiply,
  bfloat.multiplyAddLong,
];

const ids = new Map<Helper, number>(FP_HELPERS.map((h, id) => [h, id]));

/** A helper's number for the translator. */
export function helperId(helper: Helper): number {
  const id = ids.get(helper);
  if (id === undefined) throw new Error('the helper has no number: add it to FP_HELPERS');
  return id;
}
