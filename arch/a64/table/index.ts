import type { Instruction } from '../encoding.ts';
import { branches } from './branches.ts';
import { dataImmediate } from './data-immediate.ts';

/** The whole instruction table. */
export const table: readonly Instruction[] = [...dataImmediate, ...branches];
