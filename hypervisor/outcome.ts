/** How a VMM tells its supervisor that its virtual machine has ended: a message with the label, and text in its words. */
import { MESSAGE_WORDS } from '../kernel/abi/message.ts';
import { send, type Entry, type ServiceEnv } from '../kernel/abi/service.ts';

export const Outcome = {
  /** The guest switched itself off. */
  POWEROFF: 1,
  /** The guest asked for a reset. */
  RESET: 2,
  /** The guest's kernel has given up; the text is what it said. */
  PANIC: 3,
  /** The VMM could not build or run the machine; the text says why. */
  FAILED: 4,
} as const;
export type OutcomeCode = (typeof Outcome)[keyof typeof Outcome];

const WORD = 8;
/** Word 0 is the text's length in bytes. */
const MAX_TEXT = (MESSAGE_WORDS - 1) * WORD;

/** Sends an outcome; a text that is too long for a message is cut off. */
export function* sendOutcome(env: ServiceEnv, supervisor: number, code: OutcomeCode, text = ''): Entry<void> {
  const bytes = new Uint8Array(MAX_TEXT);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  const view = new DataView(bytes.buffer);
  const words = Array.from({ length: Math.ceil(written / WORD) }, (_, i) => view.getBigUint64(WORD * i, true));
  yield* send(env, supervisor, code, written, ...words);
}

/** The text of an outcome's message that was just received. */
export function outcomeText(env: ServiceEnv, length: number): string {
  const bytes = new Uint8Array(MAX_TEXT);
  const view = new DataView(bytes.buffer);
  for (let i = 1; i < length; i++) view.setBigUint64(WORD * (i - 1), env.wordBig(i), true);
  return new TextDecoder().decode(bytes.subarray(0, Math.min(env.word(0), WORD * (length - 1))));
}
