import { Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import { ScreenModes } from './screen-modes.ts';

/** Those that end a process, and that it can do something before. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGABRT', 'SIGALRM', 'SIGUSR2', 'SIGXCPU'] as const;

/** The window's size in characters. */
export interface WindowSize {
  columns: number;
  rows: number;
}

/** The host's terminal: raw while a guest has it, and as it was whichever way the process ends. */
export class Terminal {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  #raw = false;
  readonly #modes = new ScreenModes();
  readonly #restore = (): void => this.restore();
  readonly #suspend = (): void => {
    this.#setRaw(false);
    process.kill(process.pid, 'SIGSTOP');
  };
  // The shell has set the terminal to its liking meanwhile, which the host's runtime does not know: it believes in raw mode.
  readonly #resume = (): void => {
    this.#setRaw(false);
    this.#setRaw(this.#raw);
  };
  readonly #onSignal: ReadonlyMap<NodeJS.Signals, () => void>;

  constructor(input: ReadStream = process.stdin, output: WriteStream = process.stdout) {
    this.#input = input;
    this.#output = output;
    const die = (signal: NodeJS.Signals) => (): void => {
      this.restore();
      // With its handler gone the signal ends the process in its own way, so that the status says so.
      process.kill(process.pid, signal);
    };
    this.#onSignal = new Map(SIGNALS.map((signal) => [signal, die(signal)]));
  }

  /** Whether there is a terminal to read keys from. */
  get interactive(): boolean {
    return this.#input.isTTY === true;
  }

  get size(): WindowSize {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  /** Calls back when the window's size has changed; returns how to stop that. */
  onResize(callback: (size: WindowSize) => void): () => void {
    const listener = (): void => callback(this.size);
    this.#output.on('resize', listener);
    return () => void this.#output.off('resize', listener);
  }

  /** What a guest writes to the terminal's screen: what it leaves changed there, `restore` changes back. */
  get screen(): Writable {
    return new Writable({
      write: (chunk: Uint8Array, _encoding, done) => {
        this.#modes.see(chunk);
        this.#output.write(chunk, done);
      },
    });
  }

  /** Raw mode: every key goes to the guest, also Ctrl-C. No effect without a terminal. */
  raw(): void {
    if (!this.interactive || this.#raw) return;
    this.#raw = true;
    // The ways back first: a signal may come at any moment.
    process.on('exit', this.#restore);
    for (const [signal, handler] of this.#onSignal) process.on(signal, handler);
    process.on('SIGTSTP', this.#suspend);
    process.on('SIGCONT', this.#resume);
    this.#setRaw(true);
  }

  /** The terminal as it was. May be called at any time, any number of times. */
  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    const { undo } = this.#modes;
    if (undo !== '') this.#output.write(undo);
    this.#setRaw(false);
    process.off('exit', this.#restore);
    for (const [signal, handler] of this.#onSignal) process.off(signal, handler);
    process.off('SIGTSTP', this.#suspend);
    process.off('SIGCONT', this.#resume);
  }

  #setRaw(raw: boolean): void {
    try {
      this.#input.setRawMode(raw);
    } catch {
      // The terminal is gone (hangup): there is nothing to restore.
    }
  }
}
