import type { ReadStream, WriteStream } from 'node:tty';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

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
  readonly #restore = (): void => this.restore();
  readonly #suspend = (): void => {
    this.#setRaw(false);
    process.kill(process.pid, 'SIGSTOP');
  };
  readonly #resume = (): void => this.#setRaw(this.#raw);
  readonly #onSignal: Record<(typeof SIGNALS)[number], () => void>;

  constructor(input: ReadStream = process.stdin, output: WriteStream = process.stdout) {
    this.#input = input;
    this.#output = output;
    const die = (signal: NodeJS.Signals) => (): void => {
      this.restore();
      // With its handler gone the signal ends the process in its own way, so that the status says so.
      process.kill(process.pid, signal);
    };
    this.#onSignal = { SIGINT: die('SIGINT'), SIGTERM: die('SIGTERM'), SIGHUP: die('SIGHUP'), SIGQUIT: die('SIGQUIT') };
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

  /** Raw mode: every key goes to the guest, also Ctrl-C. No effect without a terminal. */
  raw(): void {
    if (!this.interactive || this.#raw) return;
    this.#raw = true;
    // The ways back first: a signal may come at any moment.
    process.on('exit', this.#restore);
    for (const signal of SIGNALS) process.on(signal, this.#onSignal[signal]);
    process.on('SIGTSTP', this.#suspend);
    process.on('SIGCONT', this.#resume);
    this.#setRaw(true);
  }

  /** The terminal as it was. May be called at any time, any number of times. */
  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    this.#setRaw(false);
    process.off('exit', this.#restore);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal[signal]);
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
