/** Standard output of the command itself: what is printed has arrived there, or the command fails. */
import { OutputClosed, UsageError } from './errors.ts';

/** The failure of a write to standard output, as the end of the command. */
export function outputFailure(error: NodeJS.ErrnoException): Error {
  const { code = error.message } = error;
  if (code === 'EPIPE' || code === 'ECONNRESET') return new OutputClosed();
  const remedy = code === 'ENOSPC' || code === 'EDQUOT' ? 'free some space' : 'direct it elsewhere';
  return new UsageError(`standard output cannot be written (${code}): ${remedy}`);
}

const ignored = (): void => {};

/** Writes to standard output. @throws OutputClosed, UsageError */
export function print(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // The event, which comes after the callback, says the same.
    process.stdout.off('error', ignored).on('error', ignored);
    process.stdout.write(data, (error) => {
      if (error) reject(outputFailure(error));
      else resolve();
    });
  });
}
