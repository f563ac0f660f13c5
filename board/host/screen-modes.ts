/**
 * What a guest's output has changed of a terminal and not changed back (ECMA-48; the DEC private modes as in xterm's
 * "Control Sequences").
 */

/** DEC private modes that outlive a program, and what each is on a terminal of its own. */
const DEFAULTS: ReadonlyMap<number, boolean> = new Map([
  ...[1, 5, 6, 9, 45, 47, 66, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1049, 2004].map(
    (mode): [number, boolean] => [mode, false],
  ),
  // Auto-wrap, cursor.
  [7, true],
  [25, true],
]);

const ESC = 0x1b;
/** Longer sequences change nothing that is kept here. */
const MAX_PARAMETERS = 64;

export class ScreenModes {
  /** Private modes that are not as they were. */
  readonly #changed = new Set<number>();
  #attributes = false;
  #scrolling = false;
  #keypad = false;
  #graphics = false;
  // The sequence that is being written: what it begins with, and its parameters so far.
  #state: '' | 'escape' | 'control' | 'charset' = '';
  #parameters = '';

  /** The next bytes of the output. */
  see(bytes: Uint8Array): void {
    if (this.#state === '' && !bytes.includes(ESC)) return;
    for (const byte of bytes) this.#next(byte);
  }

  /** What undoes it all; empty when there is nothing to undo. */
  get undo(): string {
    const modes = [...this.#changed].toSorted((a, b) => a - b);
    return [
      this.#attributes ? '\x1b[0m' : '',
      this.#graphics ? '\x1b(B' : '',
      this.#keypad ? '\x1b>' : '',
      // The cursor would go home with the margins.
      this.#scrolling ? '\x1b7\x1b[r\x1b8' : '',
      ...modes.map((mode) => `\x1b[?${mode}${DEFAULTS.get(mode) ? 'h' : 'l'}`),
    ].join('');
  }

  #next(byte: number): void {
    if (byte === ESC) {
      this.#state = 'escape';
      return;
    }
    switch (this.#state) {
      case 'escape':
        this.#escape(String.fromCharCode(byte));
        return;
      case 'control':
        if (byte >= 0x20 && byte < 0x40) {
          if (this.#parameters.length < MAX_PARAMETERS) this.#parameters += String.fromCharCode(byte);
          return;
        }
        this.#state = '';
        this.#control(String.fromCharCode(byte), this.#parameters);
        return;
      case 'charset':
        this.#state = '';
        this.#graphics = byte !== 0x42;
        return;
      default:
        return;
    }
  }

  #escape(final: string): void {
    this.#state = '';
    if (final === '[') {
      this.#state = 'control';
      this.#parameters = '';
    } else if (final === '(') this.#state = 'charset';
    else if (final === '=') this.#keypad = true;
    else if (final === '>') this.#keypad = false;
    else if (final === 'c') {
      // RIS: everything as at first.
      this.#changed.clear();
      this.#attributes = this.#scrolling = this.#keypad = this.#graphics = false;
    }
  }

  #control(final: string, parameters: string): void {
    if (final === 'm' && /^[\d;:]*$/.test(parameters)) this.#attributes = !/(^|;)0*$/.test(parameters);
    else if (final === 'r' && /^[\d;]*$/.test(parameters)) this.#scrolling = parameters !== '';
    else if ((final === 'h' || final === 'l') && parameters.startsWith('?'))
      for (const text of parameters.slice(1).split(';')) {
        const mode = Number(text);
        const usual = DEFAULTS.get(mode);
        if (usual === undefined) continue;
        if (usual === (final === 'h')) this.#changed.delete(mode);
        else this.#changed.add(mode);
      }
  }
}
