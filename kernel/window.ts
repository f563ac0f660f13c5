/** Windows: what a service sees of a Frame, and nothing beyond. */
import type { MmioDevice } from '../arch/bus.ts';
import { Rights } from './abi/numbers.ts';
import { type Window, WindowError } from './abi/service.ts';
import { type Context, hostAddress } from './context.ts';

/** A window that the kernel can close. */
export interface OpenWindow extends Window {
  close(): void;
}

function check(offset: number, length: number, size: number): void {
  if (!(Number.isInteger(offset) && offset >= 0 && length >= 0 && offset + length <= size)) {
    if (size === 0) throw new WindowError('this window is closed: its capability is gone');
    throw new WindowError(`offset ${offset}, length ${length} is outside of a window of ${size} bytes`);
  }
}

/** On RAM. */
export class MemoryWindow implements OpenWindow {
  #u8: Uint8Array;
  #view: DataView;
  #size: number;
  readonly #rights: number;

  constructor(k: Context, physical: number, size: number, rights: number) {
    const host = hostAddress(k, physical);
    this.#u8 = new Uint8Array(k.u8.buffer, host, size);
    this.#view = new DataView(k.u8.buffer, host, size);
    this.#size = size;
    this.#rights = rights;
  }

  get size(): number {
    return this.#size;
  }

  close(): void {
    this.#size = 0;
    this.#u8 = new Uint8Array(0);
    this.#view = new DataView(new ArrayBuffer(0));
  }

  #check(offset: number, length: number, right: number): void {
    check(offset, length, this.#size);
    if ((this.#rights & right) === 0) throw new WindowError('the capability does not allow this access');
  }

  read8(offset: number): number {
    this.#check(offset, 1, Rights.READ);
    return this.#view.getUint8(offset);
  }
  read16(offset: number): number {
    this.#check(offset, 2, Rights.READ);
    return this.#view.getUint16(offset, true);
  }
  read32(offset: number): number {
    this.#check(offset, 4, Rights.READ);
    return this.#view.getUint32(offset, true);
  }
  read64(offset: number): bigint {
    this.#check(offset, 8, Rights.READ);
    return this.#view.getBigUint64(offset, true);
  }
  write8(offset: number, value: number): void {
    this.#check(offset, 1, Rights.WRITE);
    this.#view.setUint8(offset, value);
  }
  write16(offset: number, value: number): void {
    this.#check(offset, 2, Rights.WRITE);
    this.#view.setUint16(offset, value, true);
  }
  write32(offset: number, value: number): void {
    this.#check(offset, 4, Rights.WRITE);
    this.#view.setUint32(offset, value, true);
  }
  write64(offset: number, value: bigint): void {
    this.#check(offset, 8, Rights.WRITE);
    this.#view.setBigUint64(offset, value, true);
  }
  copyOut(offset: number, into: Uint8Array): void {
    this.#check(offset, into.length, Rights.READ);
    into.set(this.#u8.subarray(offset, offset + into.length));
  }
  copyIn(offset: number, from: Uint8Array): void {
    this.#check(offset, from.length, Rights.WRITE);
    this.#u8.set(from, offset);
  }
  fill(offset: number, length: number, value: number): void {
    this.#check(offset, length, Rights.WRITE);
    this.#u8.fill(value, offset, offset + length);
  }
}

/** On a device's registers. */
export class DeviceWindow implements OpenWindow {
  readonly #k: Context;
  readonly #physical: number;
  readonly #rights: number;
  #size: number;
  /** The device that answers in all of the window, and its offset there; undefined when that is more than one, or none. */
  readonly #device: MmioDevice | undefined;
  readonly #offset: number;

  constructor(k: Context, physical: number, size: number, rights: number) {
    this.#k = k;
    this.#physical = physical;
    this.#size = size;
    this.#rights = rights;
    const device = k.processor.bus.device(physical);
    this.#device = device?.device;
    this.#offset = device?.offset ?? 0;
    const last = k.processor.bus.device(physical + size - 4);
    if (last?.device !== this.#device || last?.offset !== this.#offset + size - 4) this.#device = undefined;
  }

  get size(): number {
    return this.#size;
  }

  close(): void {
    this.#size = 0;
  }

  #check(offset: number, length: 1 | 2 | 4, right: number): void {
    check(offset, length, this.#size);
    if ((this.#rights & right) === 0) throw new WindowError('the capability does not allow this access');
    if (offset % length !== 0) throw new WindowError(`offset ${offset} is not aligned`);
  }

  #at(offset: number): { device: MmioDevice; offset: number } {
    const at = this.#k.processor.bus.device(this.#physical + offset);
    if (at === undefined) throw new WindowError(`no device answers at offset ${offset}`);
    return at;
  }

  #read(offset: number, length: 1 | 2 | 4): number {
    this.#check(offset, length, Rights.READ);
    if (this.#device !== undefined) return this.#device.read(this.#offset + offset, length);
    const at = this.#at(offset);
    return at.device.read(at.offset, length);
  }

  #write(offset: number, length: 1 | 2 | 4, value: number): void {
    this.#check(offset, length, Rights.WRITE);
    if (this.#device !== undefined) return this.#device.write(this.#offset + offset, length, value);
    const at = this.#at(offset);
    at.device.write(at.offset, length, value);
  }

  read8(offset: number): number {
    return this.#read(offset, 1);
  }
  read16(offset: number): number {
    return this.#read(offset, 2);
  }
  read32(offset: number): number {
    return this.#read(offset, 4);
  }
  write8(offset: number, value: number): void {
    this.#write(offset, 1, value & 0xff);
  }
  write16(offset: number, value: number): void {
    this.#write(offset, 2, value & 0xffff);
  }
  write32(offset: number, value: number): void {
    this.#write(offset, 4, value >>> 0);
  }
  read64(): bigint {
    throw new WindowError('a device is read in 8, 16 or 32 bits');
  }
  write64(): void {
    throw new WindowError('a device is written in 8, 16 or 32 bits');
  }
  copyOut(): void {
    throw new WindowError('a device is read in 8, 16 or 32 bits');
  }
  copyIn(): void {
    throw new WindowError('a device is written in 8, 16 or 32 bits');
  }
  fill(): void {
    throw new WindowError('a device is written in 8, 16 or 32 bits');
  }
}
