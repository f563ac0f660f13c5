import type { Instruction } from '../encoding.ts';
import { fpComplex } from './fp-complex.ts';
import { fpConvert } from './fp-convert.ts';
import { fpScalar } from './fp-scalar.ts';
import { fpVectorConvert } from './fp-vector-convert.ts';
import { fpVector } from './fp-vector.ts';
import { simdAes } from './simd-aes.ts';
import { simdByElement } from './simd-by-element.ts';
import { simdCopy } from './simd-copy.ts';
import { simdDot } from './simd-dot.ts';
import { simdLoadStore } from './simd-load-store.ts';
import { simdMisc } from './simd-misc.ts';
import { simdPermute } from './simd-permute.ts';
import { simdSha } from './simd-sha.ts';
import { simdShift } from './simd-shift.ts';
import { simdThreeDifferent } from './simd-three-different.ts';
import { simdThreeSame } from './simd-three-same.ts';

/** The rows of SIMD and floating point, but for loads and stores of whole registers (loads-stores.ts). */
export const simdFp: readonly Instruction[] = [...simdCopy, ...simdPermute, ...simdThreeSame, ...simdMisc, ...simdThreeDifferent, ...simdByElement, ...simdShift, ...simdLoadStore, ...fpScalar, ...fpConvert, ...fpVector, ...fpVectorConvert, ...simdAes, ...simdSha, ...fpComplex, ...simdDot];
