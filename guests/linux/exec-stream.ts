/**
 * How the output of a command run by `/init` is found in the console's bytes.
 *
 * A terminal carries a begin marker, the command's standard output and error as they come, and an end marker with the
 * exit status. The markers hold a token that the host makes up for each boot, so no output can be taken for them by
 * accident. Where that terminal is also the console, the kernel's messages come before and after; what the kernel says
 * between the markers, as when it panics, cannot be told from the command's output. A terminal of its own avoids that.
 */
import { Buffer } from 'node:buffer';

/** The bytes before the command's output. */
export const beginMarker = (token: string): string => `<naxos ${token} begin>`;

/** The bytes after the command's output. */
export const endMarker = (token: string, status: string): string => `<naxos ${token} end ${status}>`;

/** Characters of `<status>` and the closing bracket: an exit status is 0 to 255. */
const STATUS_LENGTH = 4;

export interface ExecStreamEvents {
  /** Console bytes outside the markers: the kernel's messages. */
  console?: (bytes: Uint8Array) => void;
  /** Bytes of the command's output, in order, as soon as they are known not to belong to a marker. */
  output: (bytes: Uint8Array) => void;
}

/** Takes the console's bytes as they come and gives the command's output and its exit status. */
export class ExecStream {
  readonly #events: ExecStreamEvents;
  readonly #begin: Buffer;
  readonly #end: Buffer;
  /** Bytes not handed on yet: they may be the start of a marker. */
  #held: Buffer = Buffer.alloc(0);
  #state: 'before' | 'running' | 'ended' = 'before';
  #status: number | undefined;

  /** @param token printable characters without `%`, `\` and `>` */
  constructor(token: string, events: ExecStreamEvents) {
    this.#events = events;
    this.#begin = Buffer.from(beginMarker(token), 'latin1');
    this.#end = Buffer.from(endMarker(token, '').slice(0, -1), 'latin1');
  }

  /** Whether the begin marker has come. */
  get started(): boolean {
    return this.#state !== 'before';
  }

  /** The command's exit status, once the end marker has come. */
  get status(): number | undefined {
    return this.#status;
  }

  /** The next bytes of the console. */
  push(bytes: Uint8Array): void {
    this.#held = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
    if (this.#state === 'before') this.#seekBegin();
    if (this.#state === 'running') this.#seekEnd();
    if (this.#state === 'ended') this.#hand(this.#events.console, this.#held.length);
  }

  /** The console has ended: hands on what was held back. */
  finish(): void {
    this.#hand(this.#state === 'running' ? this.#events.output : this.#events.console, this.#held.length);
  }

  #seekBegin(): void {
    const at = this.#held.indexOf(this.#begin);
    if (at < 0) return this.#hand(this.#events.console, this.#held.length - partialMatch(this.#held, this.#begin));
    this.#hand(this.#events.console, at);
    this.#held = this.#held.subarray(this.#begin.length);
    this.#state = 'running';
  }

  #seekEnd(): void {
    for (let from = 0; ;) {
      const at = this.#held.indexOf(this.#end, from);
      if (at < 0) return this.#hand(this.#events.output, this.#held.length - partialMatch(this.#held, this.#end));
      const after = at + this.#end.length;
      const tail = this.#held.toString('latin1', after, after + STATUS_LENGTH);
      const match = /^(\d{1,3})>/.exec(tail);
      if (match) {
        this.#hand(this.#events.output, at);
        this.#held = this.#held.subarray(this.#end.length + match[0].length);
        this.#status = Number(match[1]);
        this.#state = 'ended';
        return;
      }
      if (/^\d{0,3}$/.test(tail) && tail.length < STATUS_LENGTH) return this.#hand(this.#events.output, at);
      from = at + 1;
    }
  }

  #hand(to: ((bytes: Uint8Array) => void) | undefined, length: number): void {
    if (length > 0) to?.(this.#held.subarray(0, length));
    this.#held = this.#held.subarray(length);
  }
}

/** The length of the longest proper prefix of `marker` that `bytes` ends with. */
function partialMatch(bytes: Buffer, marker: Buffer): number {
  for (let length = Math.min(marker.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(marker.subarray(0, length))) return length;
  }
  return 0;
}
