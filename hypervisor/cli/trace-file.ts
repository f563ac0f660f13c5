/** Where the trace goes. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { disassemble } from '../../arch/a64/disassemble.ts';
import type { Trace, TraceKind } from '../trace.ts';
import { UsageError } from './errors.ts';

/** Lines are gathered to this many characters. */
const CHUNK = 1 << 16;

/**
 * A trace to a file, whose first line says what is traced, or to standard error. `open` before anything is traced, `close`
 * to write what is left.
 */
export class TraceFile implements Trace {
  readonly kinds: ReadonlySet<TraceKind>;
  readonly disassemble = disassemble;
  readonly #path: string | undefined;
  readonly #lost: () => void;
  #file = 2;
  #pending = '';

  /**
   * @param path standard error when left out
   * @param lost called when standard error takes nothing any more
   */
  constructor(kinds: ReadonlySet<TraceKind>, path: string | undefined, lost: () => void) {
    this.kinds = kinds;
    this.#path = path;
    this.#lost = lost;
  }

  /** @throws UsageError when the file cannot be written */
  open(): void {
    if (this.#path === undefined) return;
    try {
      this.#file = openSync(this.#path, 'w');
    } catch (error) {
      throw this.#failure(error);
    }
    // At once: a disk that is full is no surprise later.
    this.#pending = `trace: ${[...this.kinds].join(',')}\n`;
    this.#flush();
  }

  /** @throws UsageError when the file cannot be written */
  readonly write = (line: string): void => {
    this.#pending += `${line}\n`;
    if (this.#path === undefined || this.#pending.length >= CHUNK) this.#flush();
  };

  /** @throws UsageError when the rest cannot be written */
  close(): void {
    this.#flush();
    if (this.#path !== undefined) closeSync(this.#file);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#pending);
    this.#pending = '';
    for (let at = 0; at < bytes.length;) {
      try {
        at += writeSync(this.#file, bytes, at);
      } catch (error) {
        // A pipe that is full for the moment.
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue;
        if (this.#path !== undefined) throw this.#failure(error);
        this.#lost();
        return;
      }
    }
  }

  #failure(error: unknown): UsageError {
    const { code } = error as NodeJS.ErrnoException;
    return new UsageError(`--trace-file ${this.#path}: cannot write it (${code}); name another file`);
  }
}
