import type { Instruction } from '../encoding.ts';
import { atomics } from './atomics.ts';
import { branches } from './branches.ts';
import { dataImmediate } from './data-immediate.ts';
import { dataRegister } from './data-register.ts';
import { loadsStores } from './loads-stores.ts';
import { simdFp } from './simd-fp.ts';
import { system } from './system.ts';

/** The whole instruction table. */
export const table: readonly Instruction[] = [...dataImmediate, ...dataRegister, ...loadsStores, ...atomics, ...branches, ...system, ...simdFp];
