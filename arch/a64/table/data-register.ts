import type { Instruction } from '../encoding.ts';
import { dataArithmetic } from './data-arithmetic.ts';
import { dataConditional } from './data-conditional.ts';
import { dataSources } from './data-sources.ts';

/** The rows of data processing by registers. */
export const dataRegister: readonly Instruction[] = [...dataArithmetic, ...dataConditional, ...dataSources];
