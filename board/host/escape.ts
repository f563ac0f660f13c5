/** Ctrl-A, as on QEMU's -nographic console. */
const ESCAPE = 0x01;

export const ESCAPE_HELP = [
  'Ctrl-A h      this list',
  'Ctrl-A x      quit',
  'Ctrl-A b      send a break',
  'Ctrl-A Ctrl-A send Ctrl-A',
];

export interface EscapeActions {
  quit: () => void;
  help: () => void;
  sendBreak: () => void;
}

/** Finds the escape keys in what is typed; the state goes on from one chunk to the next. */
export class EscapeKeys {
  readonly #actions: EscapeActions;
  #escaped = false;

  constructor(actions: EscapeActions) {
    this.#actions = actions;
  }

  /** @returns what is meant for the guest. Keys without a meaning are dropped. */
  filter(bytes: Uint8Array): Uint8Array {
    if (!this.#escaped && !bytes.includes(ESCAPE)) return bytes;
    const out: number[] = [];
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === ESCAPE) this.#escaped = true;
        else out.push(byte);
        continue;
      }
      this.#escaped = false;
      if (byte === ESCAPE) out.push(byte);
      else if (byte === 0x78) this.#actions.quit();
      else if (byte === 0x68) this.#actions.help();
      else if (byte === 0x62) this.#actions.sendBreak();
    }
    return Uint8Array.from(out);
  }
}
