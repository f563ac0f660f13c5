/**
 * TypeScript services: generator functions that the kernel schedules as threads.
 *
 * A service enters the kernel as an AArch64 task does: it puts the arguments into X0–X10 of its thread's frame and
 * yields, which is its SVC; when it runs again the results are in the registers. The helpers here do that:
 *
 *     function* echo(env: ServiceEnv): Service {
 *       let request = yield* recv(env, endpoint, reply);
 *       for (;;) request = yield* replyRecv(env, endpoint, reply, request.label, env.word(0) + 1);
 *     }
 *
 * A service runs until it yields: it must not compute without end. It must keep nothing of `env` elsewhere, read
 * no host clock, and be deterministic in what it receives. Returning or throwing ends it (`Fault.SERVICE_ENDED`).
 */
import { errorName, Err, Syscall } from './numbers.ts';
import { INFO, messageInfo } from './message.ts';

/** What a service's body yields at each system call: nothing. Arguments and results are in its registers. */
export type Service = Generator<undefined, void, undefined>;
/** A service's program. */
export type ServiceProgram = (env: ServiceEnv) => Service;
/** The result type of helpers that enter the kernel, used with `yield*`. */
export type Entry<T> = Generator<undefined, T, undefined>;

/** A 64-bit word. Numbers may be negative (two's complement) and must be safe integers. */
export type Word = number | bigint;

/** What a service's program can reach besides its capabilities. */
export interface ServiceEnv {
  /** Ticks of the system counter (CNTPCT_EL0) now, and ticks per second. */
  now(): number;
  readonly frequency: number;
  /** Message word i (0 … MESSAGE_WORDS - 1), in X2 + i or the message buffer, as a number: exact below 2^53. */
  word(i: number): number;
  /** Message word i, exact, 0 … 2^64 - 1. */
  wordBig(i: number): bigint;
  /** Bits 31:0 and 63:32 of message word i, 0 … 2^32 - 1. */
  wordLow(i: number): number;
  wordHigh(i: number): number;
  setWord(i: number, value: Word): void;
  /** X0 … X30 of the thread's frame. */
  register(n: number): number;
  registerBig(n: number): bigint;
  /** Bits 31:0 and 63:32 of a register. */
  registerLow(n: number): number;
  registerHigh(n: number): number;
  setRegister(n: number, value: Word): void;
  /** Capability pointer `i` of the next message to send; the CNode and first slot for capabilities to receive. */
  setCap(i: number, capability: number): void;
  setReceiveSlots(cnode: number, index: number): void;
  /**
   * A view on the memory of a Frame that the service holds a capability of, with that capability's rights.
   * It is dead (every access throws a WindowError) once the capability is deleted, revoked or moved.
   * @throws WindowError when there is no such Frame.
   */
  window(frame: number): Window;
  /** A line for the people at the machine (the host's debug output). */
  log(line: string): void;
}

/**
 * Bounds-checked access to a frame. Offsets are bytes, values little-endian; on device memory only naturally aligned
 * read8 … read32 and write8 … write32 are allowed. A bad offset, a missing right or a dead window throws WindowError.
 */
export interface Window {
  readonly size: number;
  read8(offset: number): number;
  read16(offset: number): number;
  read32(offset: number): number;
  read64(offset: number): bigint;
  write8(offset: number, value: number): void;
  write16(offset: number, value: number): void;
  write32(offset: number, value: number): void;
  write64(offset: number, value: bigint): void;
  /** Copies memory from `offset` on into `into`, filling it. */
  copyOut(offset: number, into: Uint8Array): void;
  /** Copies `from` to memory at `offset`. */
  copyIn(offset: number, from: Uint8Array): void;
  fill(offset: number, length: number, value: number): void;
}

/** A service's mistake in using a window. */
export class WindowError extends Error {
  override name = 'WindowError';
}

/** A system call that failed; `code` is one of `Err`. */
export class KernelError extends Error {
  override name = 'KernelError';
  readonly code: number;
  constructor(code: number, what: string) {
    super(`${what}: ${errorName(code)}`);
    this.code = code;
  }
}

/** What a receive or a call brought. Words stay where they are: `env.word(i)`, until the next system call. */
export interface Message {
  /** Badge of the capability it was sent with; for a notification its word. */
  badge: number;
  label: number;
  /** Words. */
  length: number;
  /** Capabilities that were put into the receive slots. */
  caps: number;
  /** `badge` is the word of the bound notification, and there is no message. */
  notification: boolean;
  /** One of `Err`; when not OK the other members mean nothing. */
  error: number;
}

/** Puts the arguments of a system call into the registers; `yield` then makes it. For hot loops; the helpers below do both. */
export function prepare(
  env: ServiceEnv,
  syscall: number,
  capability: number,
  label: number,
  length: number,
  caps = 0,
): void {
  env.setRegister(0, capability);
  env.setRegister(1, messageInfo(label, length, caps));
  env.setRegister(8, syscall);
}

/** The message information and badge that the last system call left. */
export function result(env: ServiceEnv): Message {
  const low = env.registerLow(1);
  return {
    badge: env.register(0),
    label: low >>> INFO.LABEL_SHIFT,
    length: low & INFO.LENGTH_MASK,
    caps: (low >>> INFO.CAPS_SHIFT) & INFO.CAPS_MASK,
    notification: (low & INFO.NOTIFICATION) !== 0,
    error: env.registerHigh(1) & 0xff,
  };
}

/** Error code of the last system call: one of `Err`. */
export function lastError(env: ServiceEnv): number {
  return env.registerHigh(1) & 0xff;
}

function setWords(env: ServiceEnv, words: Word[]): void {
  for (let i = 0; i < words.length; i++) env.setWord(i, words[i]!);
}

/** CALL, whatever its outcome. */
export function* tryCall(env: ServiceEnv, capability: number, label: number, ...words: Word[]): Entry<Message> {
  setWords(env, words);
  prepare(env, Syscall.CALL, capability, label, words.length);
  yield;
  return result(env);
}

/** CALL. @throws KernelError */
export function* call(env: ServiceEnv, capability: number, label: number, ...words: Word[]): Entry<Message> {
  const message = yield* tryCall(env, capability, label, ...words);
  if (message.error !== Err.OK)
    throw new KernelError(message.error, `call of ${capability}, operation 0x${label.toString(16)}`);
  return message;
}

/** CALL with capabilities in the message (the endpoint capability needs GRANT, the thread a message buffer). @throws KernelError */
export function* callWithCaps(
  env: ServiceEnv,
  capability: number,
  label: number,
  caps: number[],
  ...words: Word[]
): Entry<Message> {
  for (let i = 0; i < caps.length; i++) env.setCap(i, caps[i]!);
  setWords(env, words);
  prepare(env, Syscall.CALL, capability, label, words.length, caps.length);
  yield;
  const message = result(env);
  if (message.error !== Err.OK) throw new KernelError(message.error, `call of ${capability}`);
  return message;
}

/** SEND to an endpoint or Reply. @throws KernelError */
export function* send(env: ServiceEnv, capability: number, label: number, ...words: Word[]): Entry<void> {
  setWords(env, words);
  prepare(env, Syscall.SEND, capability, label, words.length);
  yield;
  const error = lastError(env);
  if (error !== Err.OK) throw new KernelError(error, `send to ${capability}`);
}

/** NB_SEND. @returns false if nobody waits there. @throws KernelError */
export function* nbSend(env: ServiceEnv, capability: number, label: number, ...words: Word[]): Entry<boolean> {
  setWords(env, words);
  prepare(env, Syscall.NB_SEND, capability, label, words.length);
  yield;
  const error = lastError(env);
  if (error !== Err.OK && error !== Err.WOULD_BLOCK) throw new KernelError(error, `send to ${capability}`);
  return error === Err.OK;
}

function prepareReceive(env: ServiceEnv, reply: number, deadline: number): void {
  env.setRegister(9, reply);
  env.setRegister(10, deadline);
}

/**
 * RECV. `reply` is a Reply that holds the caller if the message is a call (0: callers are refused with CANCELLED).
 * With a deadline, `message.error` may be TIMEOUT. @throws KernelError for other errors
 */
export function* recv(env: ServiceEnv, endpoint: number, reply = 0, deadline = 0): Entry<Message> {
  prepareReceive(env, reply, deadline);
  prepare(env, Syscall.RECV, endpoint, 0, 0);
  yield;
  return received(env, endpoint);
}

/** NB_RECV. `message.error` may be WOULD_BLOCK. @throws KernelError for other errors */
export function* nbRecv(env: ServiceEnv, endpoint: number, reply = 0): Entry<Message> {
  prepareReceive(env, reply, 0);
  prepare(env, Syscall.NB_RECV, endpoint, 0, 0);
  yield;
  return received(env, endpoint);
}

/** REPLY_RECV without a deadline: answers the caller that `reply` holds and receives the next message. @throws KernelError */
export function* replyRecv(
  env: ServiceEnv,
  endpoint: number,
  reply: number,
  label: number,
  ...words: Word[]
): Entry<Message> {
  setWords(env, words);
  prepareReceive(env, reply, 0);
  prepare(env, Syscall.REPLY_RECV, endpoint, label, words.length);
  yield;
  return received(env, endpoint);
}

function received(env: ServiceEnv, endpoint: number): Message {
  const message = result(env);
  const { error } = message;
  if (error !== Err.OK && error !== Err.TIMEOUT && error !== Err.WOULD_BLOCK)
    throw new KernelError(error, `receive from ${endpoint}`);
  return message;
}

/** SIGNAL. @throws KernelError */
export function* signal(env: ServiceEnv, notification: number): Entry<void> {
  prepare(env, Syscall.SIGNAL, notification, 0, 0);
  yield;
  const error = lastError(env);
  if (error !== Err.OK) throw new KernelError(error, `signal to ${notification}`);
}

/** WAIT. @returns the notification's word, 0 when the deadline passed. @throws KernelError */
export function* wait(env: ServiceEnv, notification: number, deadline = 0): Entry<number> {
  env.setRegister(10, deadline);
  prepare(env, Syscall.WAIT, notification, 0, 0);
  yield;
  const { badge, error } = result(env);
  if (error !== Err.OK && error !== Err.TIMEOUT) throw new KernelError(error, `wait for ${notification}`);
  return error === Err.OK ? badge : 0;
}

/** POLL. @returns the notification's word, 0 if nothing was signalled. @throws KernelError */
export function* poll(env: ServiceEnv, notification: number): Entry<number> {
  prepare(env, Syscall.POLL, notification, 0, 0);
  yield;
  const { badge, error } = result(env);
  if (error !== Err.OK && error !== Err.WOULD_BLOCK) throw new KernelError(error, `poll of ${notification}`);
  return error === Err.OK ? badge : 0;
}

/** YIELD. @throws KernelError when masked */
export function* yieldProcessor(env: ServiceEnv): Entry<void> {
  prepare(env, Syscall.YIELD, 0, 0, 0);
  yield;
  const error = lastError(env);
  if (error !== Err.OK) throw new KernelError(error, 'yield');
}
