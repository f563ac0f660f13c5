/** What long work shows on a terminal: one line, rewritten. In a pipe it is quiet. */
import type { WriteStream } from 'node:tty';

const BAR = 24;

/** Shows stages; the fraction (0 to 1) where it is known. `end` takes the line away. */
export class Progress {
  readonly #output: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>;
  #shown = '';

  constructor(output: Pick<WriteStream, 'write' | 'isTTY' | 'columns'> = process.stderr) {
    this.#output = output;
  }

  show(stage: string, fraction?: number): void {
    if (!this.#output.isTTY) return;
    const done = fraction === undefined ? 0 : Math.round(Math.min(Math.max(fraction, 0), 1) * BAR);
    const bar =
      fraction === undefined ? '' : ` [${'#'.repeat(done)}${'.'.repeat(BAR - done)}] ${Math.floor(fraction * 100)} %`;
    const line = `naxos: ${stage}${bar}`.slice(0, (this.#output.columns || 80) - 1);
    if (line === this.#shown) return;
    this.#shown = line;
    this.#output.write(`\r\x1b[K${line}`);
  }

  end(): void {
    if (this.#shown !== '') this.#output.write('\r\x1b[K');
    this.#shown = '';
  }
}
