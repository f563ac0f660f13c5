import { CodeCache } from './code-cache.ts';
import { makeRuntime, type RuntimeExports, type RuntimeHost } from './runtime.ts';
import type { TlbScope } from './state.ts';

/** A core as its domain knows it. */
export interface DomainMember {
  /** What its translated code calls. */
  readonly host: RuntimeHost;
  /** Drops TLB entries of its own. */
  dropTranslations(scope: TlbScope): void;
  /** Forgets which regions addresses lead to. */
  flushJumps(): void;
  /** Sets its event register. */
  setEvent(): void;
}

/**
 * The Inner Shareable domain of cores that take turns on one thread: translated code is theirs together, and maintenance of
 * TLBs and instruction caches reaches all of them (DDI 0487, B2.7, D8.14). While one runs, none of the others has frames of
 * its own on the host's stack.
 */
export class Domain {
  readonly code: CodeCache;
  readonly runtime: RuntimeExports;
  /** Whose code runs: what it calls goes there. */
  running: RuntimeHost | undefined;
  readonly #members: DomainMember[] = [];

  constructor(memory: WebAssembly.Memory) {
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 4096 });
    this.runtime = makeRuntime(memory, table, {
      readMiss: (frame, info) => this.running!.readMiss(frame, info),
      writeMiss: (frame, info) => this.running!.writeMiss(frame, info),
      commit: (frame) => this.running!.commit(frame),
      resolve: (frame) => this.running!.resolve(frame),
      exit: (frame, kind, operand) => this.running!.exit(frame, kind, operand),
      helper: (frame, id, argument) => this.running!.helper(frame, id, argument),
    });
    this.code = new CodeCache(memory, table, this.runtime);
  }

  join(member: DomainMember): void {
    this.#members.push(member);
  }

  /** TLBI by a member. */
  invalidateTlb(by: DomainMember, scope: TlbScope): void {
    if (!scope.broadcast) by.dropTranslations(scope);
    else for (const member of this.#members) member.dropTranslations(scope);
  }

  /**
   * IC IVAU of the 64-byte line at a host address, or IC IALLU.
   * @returns whether code has become stale: what returns to it must not
   */
  invalidateInstructions(host: number | undefined): boolean {
    if (!this.code.invalidate(host)) return false;
    this.#flushJumps();
    return true;
  }

  /** SEV by a member. */
  sendEvent(): void {
    for (const member of this.#members) member.setEvent();
  }

  /** Drops all translated code. Nothing of it may be running. */
  clear(): void {
    this.code.clear();
    this.#flushJumps();
  }

  #flushJumps(): void {
    for (const member of this.#members) member.flushJumps();
  }
}
