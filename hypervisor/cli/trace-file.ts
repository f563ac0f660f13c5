/** Where the trace goes. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Trace, TraceKind } from '../trace.ts';
import { UsageError } from './errors.ts';

/** Lines are gathered to this many characters. */
const CHUNK = 1 << 16;

/** A trace to a file, or to standard error. `close` writes what is left. @throws UsageError when the file cannot be written */
export function openTrace(kinds: ReadonlySet<TraceKind>, path: string | undefined): Trace & { close(): void } {
  let file = 2;
  if (path !== undefined) {
    try {
      file = openSync(path, 'w');
    } catch (error) {
      throw new UsageError(
        `--trace-file ${path}: cannot write it (${(error as NodeJS.ErrnoException).code}); name another file`,
      );
    }
  }
  let pending = '';
  const flush = (): void => {
    const bytes = Buffer.from(pending);
    pending = '';
    for (let at = 0; at < bytes.length;) {
      try {
        at += writeSync(file, bytes, at);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // A pipe that is full for the moment.
        if (code === 'EAGAIN') continue;
        throw new UsageError(`the trace cannot be written (${code})`);
      }
    }
  };
  return {
    kinds,
    write(line) {
      pending += `${line}\n`;
      if (path === undefined || pending.length >= CHUNK) flush();
    },
    close() {
      flush();
      if (path !== undefined) closeSync(file);
    },
  };
}
