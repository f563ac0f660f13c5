import * as bfloat from '../fp/bfloat.ts';
import * as conversions from '../fp/conversions.ts';
import type { Helper } from '../fp/operands.ts';
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
