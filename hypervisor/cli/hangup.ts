/** Notices that nobody reads an output any more, also while nothing is written to it. */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { CodeBuffer } from '../../arch/wasm/buffer.ts';

/** Milliseconds between two looks. No event tells of it: the event loop waits only for what it has to write. */
const INTERVAL = 1000;

/** Whether the reader has gone. */
type Probe = () => boolean;

/** Calls back once when the reader of an output of this process, a pipe or a stream socket, has gone. */
export class HangupWatch {
  #gone: (() => void) | undefined;
  #probe: Probe | undefined;
  /** Of a pipe; made at the first look, as a short run has none. */
  #pipe: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(output: Writable & { fd?: number }, gone: () => void) {
    const { fd } = output;
    // Terminals say so themselves, files have no reader.
    if (fd === undefined || !(output instanceof Socket)) return;
    const kind = fstatSync(fd);
    if (!kind.isFIFO() && !kind.isSocket()) return;
    this.#gone = gone;
    if (kind.isSocket()) this.#probe = () => socketClosed(fd);
    else this.#pipe = fd;
    this.#timer = setInterval(() => this.look(), INTERVAL);
    this.#timer.unref();
  }

  /** Looks now. */
  look(): void {
    if (this.#pipe !== undefined) {
      void pipeProbe(this.#pipe).then((probe) => {
        this.#probe = probe;
        this.look();
      });
      this.#pipe = undefined;
    }
    if (this.#gone === undefined || this.#probe?.() !== true) return;
    const gone = this.#gone;
    this.close();
    gone();
  }

  close(): void {
    this.#gone = undefined;
    clearInterval(this.#timer);
  }
}

/** A write of nothing fails on a stream socket whose other end is closed. On a pipe it never does. */
function socketClosed(fd: number): boolean {
  try {
    writeSync(fd, new Uint8Array());
    return false;
  } catch (error) {
    return ['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

// WASI's poll_oneoff (preview 1) is the one way to poll(2) that Node.js has.
const POLL = 'poll_oneoff';
const EVENTTYPE = { CLOCK: 0, FD_WRITE: 2 } as const;
/** Subscriptions and events: bytes, and offsets of the fields in use. */
const SUBSCRIPTION = { SIZE: 48, TAG: 8, FD: 16, TIMEOUT: 24 } as const;
const EVENT = { SIZE: 32, ERROR: 8, TYPE: 10 } as const;
/** Where they are in the module's memory. */
const SUBSCRIPTIONS = 0;
const EVENTS = 2 * SUBSCRIPTION.SIZE;
const COUNT = EVENTS + 2 * EVENT.SIZE;

/** A pipe is writable with an error when its reader has gone. */
async function pipeProbe(fd: number): Promise<Probe | undefined> {
  const { emitWarning } = process;
  try {
    // That WASI may change with Node.js's version is nothing to tell the user.
    process.emitWarning = () => {};
    const { WASI } = await import('node:wasi');
    process.emitWarning = emitWarning;
    const wasi = new WASI({ version: 'preview1', stdout: fd });
    const module = new WebAssembly.Module(pollModule());
    const instance = new WebAssembly.Instance(module, wasi.getImportObject() as WebAssembly.Imports);
    wasi.initialize(instance);
    const { memory, [POLL]: poll } = instance.exports as {
      memory: WebAssembly.Memory;
      [POLL]: (subscriptions: number, events: number, count: number, found: number) => number;
    };
    const view = new DataView(memory.buffer);
    view.setUint8(SUBSCRIPTIONS + SUBSCRIPTION.TAG, EVENTTYPE.FD_WRITE);
    view.setUint32(SUBSCRIPTIONS + SUBSCRIPTION.FD, 1, true);
    // A full pipe is not waited for: a millisecond, in ns.
    view.setUint8(SUBSCRIPTIONS + SUBSCRIPTION.SIZE + SUBSCRIPTION.TAG, EVENTTYPE.CLOCK);
    view.setBigUint64(SUBSCRIPTIONS + SUBSCRIPTION.SIZE + SUBSCRIPTION.TIMEOUT, 1_000_000n, true);
    return () => {
      if (poll(SUBSCRIPTIONS, EVENTS, 2, COUNT) !== 0) return false;
      for (let n = 0; n < view.getUint32(COUNT, true); n++) {
        const event = EVENTS + n * EVENT.SIZE;
        if (view.getUint8(event + EVENT.TYPE) === EVENTTYPE.FD_WRITE)
          return view.getUint16(event + EVENT.ERROR, true) !== 0;
      }
      return false;
    };
  } catch {
    // Then it is noticed with the next byte that the guest writes.
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A module that has a page of memory, exports what it imports, and does nothing. */
function pollModule(): Uint8Array<ArrayBuffer> {
  const out = new CodeBuffer();
  const scratch = new CodeBuffer();
  const I32 = 0x7f;
  const bytes = (...list: number[]): void => list.forEach((byte) => out.u8(byte));
  bytes(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  // Types: poll_oneoff's, and () -> ().
  out.section(1, scratch, (s) => {
    for (const byte of [2, 0x60, 4, I32, I32, I32, I32, 1, I32, 0x60, 0, 0]) s.u8(byte);
  });
  out.section(2, scratch, (s) => {
    s.u32(1);
    s.name('wasi_snapshot_preview1');
    s.name(POLL);
    s.u8(0);
    s.u32(0);
  });
  out.section(3, scratch, (s) => [1, 1].forEach((byte) => s.u8(byte)));
  out.section(5, scratch, (s) => [1, 0, 1].forEach((byte) => s.u8(byte)));
  out.section(7, scratch, (s) => {
    s.u32(3);
    for (const [name, kind, index] of [['memory', 2, 0], [POLL, 0, 0], ['_initialize', 0, 1]] as const) {
      s.name(name);
      s.u8(kind);
      s.u32(index);
    }
  }); // prettier-ignore
  // One function: no locals, end.
  out.section(10, scratch, (s) => [1, 2, 0, 0x0b].forEach((byte) => s.u8(byte)));
  return out.view().slice();
}
