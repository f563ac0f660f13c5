/**
 * Reads along on a guest's console to notice that its Linux kernel has given up.
 *
 * No device or call tells a virtual machine's owner of a panic without the guest's help, so what Linux writes is the
 * sign. Anything in the guest can write the same, so this is only a suspicion, which the VMM confirms by what the machine does.
 */

/** Timestamps and caller identifiers that printk puts before a message. */
const PREFIX = /^(?:\[[^\]]{1,24}\] ?)+/;
const PANIC = 'Kernel panic - not syncing';
const END = `---[ end ${PANIC}`;
/** What a longer line has after this does not matter. */
const MAX_LINE = 512;

export class PanicWatch {
  /** What the line being written begins with. */
  readonly #line = new Uint8Array(MAX_LINE);
  #length = 0;
  #message: string | undefined;
  #ended = false;

  /** The panic's message, while the last that the console shows is a panic. */
  get message(): string | undefined {
    return this.#message;
  }

  /** Whether the console ends with the line after which Linux does nothing any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The next byte from the guest. */
  push(byte: number): void {
    if (byte !== 10) {
      if (this.#length < MAX_LINE && byte !== 13) this.#line[this.#length++] = byte;
      return;
    }
    const line = String.fromCharCode(...this.#line.subarray(0, this.#length)).replace(PREFIX, '');
    this.#length = 0;
    if (line.startsWith(PANIC)) {
      this.#message = line;
      this.#ended = false;
    } else if (this.#message !== undefined) {
      if (line.startsWith(END)) this.#ended = true;
      // An orderly restart says so; after the end nothing is said but when it restarts.
      else if (line.startsWith('reboot: ') || (this.#ended && !line.startsWith('Rebooting in '))) this.clear();
    }
  }

  /** It was none. */
  clear(): void {
    this.#message = undefined;
    this.#ended = false;
  }
}
