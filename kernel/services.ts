/**
 * TypeScript services: the one thing of the kernel that is not in machine memory. A service's generator is its program
 * text and stack; it is kept here by its thread's address, with the windows it has open.
 */
import { BUFFER, MESSAGE_REGISTERS, MESSAGE_WORDS } from './abi/message.ts';
import { ObjectType } from './abi/numbers.ts';
import {
  type Service,
  type ServiceEnv,
  type ServiceProgram,
  type Window,
  WindowError,
  type Word,
} from './abi/service.ts';
import type { Context } from './context.ts';
import { flagsOf, lookup, objectOf, rightsOf, setFlags, sizeBitsOf, typeOf } from './derivation.ts';
import { FLAG } from './layout.ts';
import { bufferOf, register } from './message.ts';
import { DeviceWindow, MemoryWindow, type OpenWindow } from './window.ts';

export class Services {
  readonly #programs: readonly ServiceProgram[];
  readonly #running = new Map<number, Service>();
  /** Windows on the Frame capability in a slot. */
  readonly #windows = new Map<number, OpenWindow[]>();
  #k: Context | undefined;

  constructor(programs: readonly ServiceProgram[]) {
    this.#programs = programs;
  }

  attach(k: Context): void {
    this.#k = k;
  }

  has(program: number): boolean {
    return program < this.#programs.length && Number.isInteger(program);
  }

  /**
   * Runs a service until its next system call. @returns false when its program has ended.
   * @throws what the program threw
   */
  step(thread: number, program: number): boolean {
    let service = this.#running.get(thread);
    if (service === undefined) {
      service = this.#programs[program]!(new Environment(this.#k!, this, thread));
      this.#running.set(thread, service);
    }
    return service.next().done !== true;
  }

  /** A thread no longer runs its program. */
  drop(thread: number): void {
    this.#running.delete(thread);
  }

  openWindow(k: Context, slot: number): Window {
    const physical = objectOf(k, slot);
    const size = 2 ** sizeBitsOf(k, slot);
    const device = (flagsOf(k, slot) & FLAG.DEVICE) !== 0;
    const window = new (device ? DeviceWindow : MemoryWindow)(k, physical, size, rightsOf(k, slot));
    const open = this.#windows.get(slot);
    if (open === undefined) this.#windows.set(slot, [window]);
    else open.push(window);
    setFlags(k, slot, flagsOf(k, slot) | FLAG.WINDOW);
    return window;
  }

  /** The capability in a slot goes away. */
  closeWindows(slot: number): void {
    for (const window of this.#windows.get(slot) ?? []) window.close();
    this.#windows.delete(slot);
  }
}

/** What a service's program is given. */
class Environment implements ServiceEnv {
  readonly #k: Context;
  readonly #services: Services;
  readonly #thread: number;
  readonly #u32: Uint32Array;
  /** Index of X0 in #u32. */
  readonly #x: number;

  constructor(k: Context, services: Services, thread: number) {
    this.#k = k;
    this.#services = services;
    this.#thread = thread;
    this.#u32 = k.u32;
    this.#x = register(thread, 0) >>> 2;
  }

  get frequency(): number {
    return this.#k.processor.counterFrequency;
  }

  now(): number {
    return this.#k.processor.counter();
  }

  #word(i: number): number {
    if (i >= 0 && i < MESSAGE_REGISTERS) return this.#x + 4 + 2 * i;
    return this.#inBuffer(BUFFER.WORDS + 8 * i, i < MESSAGE_WORDS);
  }

  #inBuffer(offset: number, exists: boolean): number {
    const buffer = bufferOf(this.#k, this.#thread);
    if (!exists || !(offset >= 0)) throw new WindowError('a message has no such word');
    if (buffer === 0) throw new WindowError('this thread has no message buffer');
    return (buffer + offset) >>> 2;
  }

  #set(at: number, value: Word): void {
    const u32 = this.#u32;
    if (typeof value === 'number') {
      u32[at] = value;
      u32[at + 1] = value >>> 0 === value ? 0 : Math.floor(value / 2 ** 32);
    } else {
      u32[at] = Number(value & 0xffff_ffffn);
      u32[at + 1] = Number((value >> 32n) & 0xffff_ffffn);
    }
  }

  #get(at: number): number {
    return this.#u32[at]! + this.#u32[at + 1]! * 2 ** 32;
  }

  #getBig(at: number): bigint {
    return (BigInt(this.#u32[at + 1]!) << 32n) | BigInt(this.#u32[at]!);
  }

  #register(n: number): number {
    if (!(n >= 0 && n <= 30)) throw new WindowError(`there is no register X${n}`);
    return this.#x + 2 * n;
  }

  word(i: number): number {
    return this.#get(this.#word(i));
  }
  wordBig(i: number): bigint {
    return this.#getBig(this.#word(i));
  }
  wordLow(i: number): number {
    return this.#u32[this.#word(i)]!;
  }
  wordHigh(i: number): number {
    return this.#u32[this.#word(i) + 1]!;
  }
  setWord(i: number, value: Word): void {
    this.#set(this.#word(i), value);
  }
  register(n: number): number {
    return this.#get(this.#register(n));
  }
  registerBig(n: number): bigint {
    return this.#getBig(this.#register(n));
  }
  registerLow(n: number): number {
    return this.#u32[this.#register(n)]!;
  }
  registerHigh(n: number): number {
    return this.#u32[this.#register(n) + 1]!;
  }
  setRegister(n: number, value: Word): void {
    this.#set(this.#register(n), value);
  }

  setCap(i: number, capability: number): void {
    this.#set(this.#inBuffer(BUFFER.CAPS + 8 * i, i >= 0 && i < 4), capability);
  }

  setReceiveSlots(cnode: number, index: number): void {
    this.#set(this.#inBuffer(BUFFER.RECEIVE_CNODE, true), cnode);
    this.#set(this.#inBuffer(BUFFER.RECEIVE_INDEX, true), index);
  }

  window(frame: number): Window {
    const slot = lookup(this.#k, this.#thread, frame);
    if (slot === 0 || typeOf(this.#k, slot) !== ObjectType.FRAME) {
      throw new WindowError(`capability ${frame} is not a frame`);
    }
    return this.#services.openWindow(this.#k, slot);
  }

  log(line: string): void {
    this.#k.hooks.log?.(line);
  }
}
