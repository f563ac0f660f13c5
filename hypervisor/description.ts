/**
 * What a system consists of: which service runs which program with which capabilities. It is the whole policy; the root
 * service gives out what stands here and nothing else.
 */
import type { ServiceProgram } from '../kernel/abi/service.ts';

/** One capability, or a row of them, in a service's CNode from `slot` on. Sizes are in bytes, times in microseconds. */
export type Grant = { slot: number } & (
  | /** The service's own CNode, in which it keeps what it makes. */ { kind: 'cnode' }
  | /** Memory: as few untypeds as there are powers of two, largest first. */ { kind: 'memory'; bytes: number }
  | { kind: 'endpoint' | 'reply' | 'vcpu' }
  | /** A notification that the service's receives also listen to. */ { kind: 'signals' }
  | /** A share of a core for a thread of the service. */ { kind: 'share'; budget: number; period: number }
  | /** A device's registers; rights as `Rights`. */ { kind: 'device'; address: number; size: number; rights: number }
  | { kind: 'interrupt'; intid: number; trigger: number }
  | /** Where the service says how it ended. */ { kind: 'supervisor' }
);

export interface ServiceDescription {
  name: string;
  program: ServiceProgram;
  /** The service's CNode has 2^slotBits slots. */
  slotBits: number;
  priority: number;
  /** System calls it may make: bits as `maskOf` gives them. */
  systemCalls: number;
  /** Its thread's share of a core, in microseconds. */
  budget: number;
  period: number;
  grants: Grant[];
  /** Built again, from nothing, when its outcome is a reset; else the system ends with it. */
  restarts: boolean;
}

export interface SystemDescription {
  services: ServiceDescription[];
}
