/** What ends the command, and with which exit status. */
import { DeviceTreeError } from '../../arch/devicetree/tree.ts';
import { BoardError } from '../../board/bus.ts';
import { GuestFetchError } from '../../guests/linux/fetch.ts';
import { GuestImageError } from '../../guests/linux/image.ts';

export const Status = {
  OK: 0,
  /** A fault of ours. */
  INTERNAL: 1,
  BAD_REQUEST: 2,
  GUEST_DIED: 3,
  TIMEOUT: 124,
  /** As a shell says of a command whose output nobody reads any more (128 + SIGPIPE). */
  OUTPUT_CLOSED: 141,
} as const;

/** A request that cannot be fulfilled; the message is one line that says why and what to do. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Nobody reads standard output any more. There is nobody to tell. */
export class OutputClosed extends Error {
  override name = 'OutputClosed';
}

const BAD_REQUESTS = [UsageError, GuestImageError, GuestFetchError, DeviceTreeError, BoardError];

/** Says on standard error what went wrong. @returns the exit status */
export function report(error: unknown, debug: boolean): number {
  if (error instanceof OutputClosed) return Status.OUTPUT_CLOSED;
  const bad = BAD_REQUESTS.some((kind) => error instanceof kind);
  const message = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ');
  if (bad) process.stderr.write(`naxos: ${message}\n`);
  else process.stderr.write(`naxos: internal error: ${message}${debug ? '' : ' (--debug shows where)'}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return bad ? Status.BAD_REQUEST : Status.INTERNAL;
}
