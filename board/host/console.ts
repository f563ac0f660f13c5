import type { Readable, Writable } from 'node:stream';
import type { Pl011 } from '../../arch/primecell/pl011.ts';
import { EscapeKeys } from './escape.ts';

/** Output is written when this much has gathered, or when the event loop turns. */
const OUTPUT_CHUNK = 4096;
/** Input is not read from its stream while this much waits. */
const INPUT_HIGH = 65536;
const INPUT_LOW = 16384;
/**
 * Characters given to the UART in one turn of the event loop: a guest drains its own buffers between turns,
 * and drops what does not fit there.
 */
const INPUT_BURST = 1024;

export interface ConsoleOptions {
  input?: Readable;
  output: Writable;
  /** With escape keys (Ctrl-A …), as on an interactive terminal. */
  keys?: { quit: () => void; help: () => void };
  /** The output can no longer be written (its reader has gone). */
  closed?: (error: Error) => void;
}

/**
 * What is at the other end of a UART: streams of the host. Give `transmit` and `room` to the UART, then `attach` it.
 */
export class Console {
  readonly #output: Writable;
  readonly #input: Readable | undefined;
  readonly #escape: EscapeKeys | undefined;
  #uart: Pl011 | undefined;

  #pending = Buffer.allocUnsafe(OUTPUT_CHUNK);
  #pendingLength = 0;
  #flushing: NodeJS.Immediate | undefined;
  #blocked = false;

  #queue: Uint8Array[] = [];
  #queueLength = 0;
  #queueOffset = 0;
  #burst = INPUT_BURST;
  #pumping: NodeJS.Immediate | undefined;
  #paused = false;
  /** The guest listened when the event loop last turned. Linux's driver enables receiving for a moment before it resets the FIFO. */
  #heard = false;
  readonly #onData = (chunk: Uint8Array | string): void => this.#receive(chunk);
  readonly #onError: (error: Error) => void;

  constructor({ input, output, keys, closed = () => {} }: ConsoleOptions) {
    this.#input = input;
    this.#output = output;
    this.#escape = keys && new EscapeKeys({ ...keys, sendBreak: () => void this.#uart?.receiveBreak() });
    this.#onError = closed;
    output.on('error', this.#onError);
  }

  /** The UART's `transmit`: false while the output cannot take more. */
  readonly transmit = (byte: number): boolean => {
    if (this.#pendingLength === OUTPUT_CHUNK) {
      if (this.#blocked) return false;
      this.flush();
    }
    this.#pending[this.#pendingLength++] = byte;
    this.#flushing ??= setImmediate(() => {
      this.#flushing = undefined;
      if (!this.#blocked) this.flush();
    });
    return true;
  };

  /** The UART's `room`. */
  readonly room = (): void => {
    if (this.#queueLength > 0) this.#pump();
  };

  /** Joins the UART, instead of the one before, and starts to read input. */
  attach(uart: Pl011): void {
    this.#uart = uart;
    this.#heard = false;
    this.#input?.off('data', this.#onData).on('data', this.#onData);
  }

  /** Sends characters as if they were typed; escape keys have no meaning in them. */
  type(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queueLength += bytes.length;
    this.#pump();
  }

  /** Writes what the guest has sent so far. */
  flush(): void {
    if (this.#pendingLength === 0) return;
    const chunk = this.#pending.subarray(0, this.#pendingLength);
    this.#pending = Buffer.allocUnsafe(OUTPUT_CHUNK);
    this.#pendingLength = 0;
    if (this.#output.write(chunk)) return;
    this.#blocked = true;
    this.#output.once('drain', () => {
      this.#blocked = false;
      this.flush();
      this.#uart?.transmitReady();
    });
  }

  /** Leaves the streams alone, after a last flush. */
  close(): void {
    this.flush();
    clearImmediate(this.#flushing);
    clearImmediate(this.#pumping);
    this.#flushing = undefined;
    this.#pumping = undefined;
    this.#queue = [];
    this.#queueLength = 0;
    this.#uart = undefined;
    this.#input?.off('data', this.#onData);
    this.#input?.pause();
    // The output's error handler stays: a failing last write must not end the process.
  }

  #receive(chunk: Uint8Array | string): void {
    let bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
    if (this.#escape) bytes = this.#escape.filter(bytes);
    this.type(bytes);
    if (this.#queueLength >= INPUT_HIGH && !this.#paused) {
      this.#paused = true;
      this.#input?.pause();
    }
  }

  #pump(): void {
    const uart = this.#uart;
    this.#heard &&= uart?.listening === true;
    while (this.#heard && this.#burst > 0 && this.#queueLength > 0 && uart!.listening && uart!.space > 0) {
      // Out of the queue first: `receive` may come back here through `room`.
      const head = this.#queue[0]!;
      const byte = head[this.#queueOffset++]!;
      this.#queueLength--;
      this.#burst--;
      if (this.#queueOffset === head.length) {
        this.#queue.shift();
        this.#queueOffset = 0;
      }
      uart!.receive(byte);
    }
    if (!this.#heard || this.#burst < INPUT_BURST)
      this.#pumping ??= setImmediate(() => {
        this.#pumping = undefined;
        this.#burst = INPUT_BURST;
        this.#heard = this.#uart?.listening ?? false;
        if (this.#heard && this.#queueLength > 0) this.#pump();
      });
    if (this.#paused && this.#queueLength <= INPUT_LOW) {
      this.#paused = false;
      this.#input?.resume();
    }
  }
}
