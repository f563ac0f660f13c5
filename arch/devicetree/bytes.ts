/** A growing byte string; numbers are big-endian, as everywhere in a device tree. */
export class ByteBuilder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  #grow(by: number): void {
    const needed = this.length + by;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  u8(value: number): void {
    this.#grow(1);
    this.#bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.#grow(2);
    this.#view.setUint16(this.length, value);
    this.length += 2;
  }

  u32(value: number): void {
    this.#grow(4);
    this.#view.setUint32(this.length, value);
    this.length += 4;
  }

  u64(value: bigint): void {
    this.#grow(8);
    this.#view.setBigUint64(this.length, BigInt.asUintN(64, value));
    this.length += 8;
  }

  bytes(value: Uint8Array): void {
    this.#grow(value.length);
    this.#bytes.set(value, this.length);
    this.length += value.length;
  }

  /** Appends zeroes up to a multiple of `size`. */
  align(size: number): void {
    const by = (size - (this.length % size)) % size;
    this.#grow(by);
    this.#bytes.fill(0, this.length, this.length + by);
    this.length += by;
  }

  /** Overwrites the 32-bit number at `offset`, which must have been written before. */
  patchU32(offset: number, value: number): void {
    this.#view.setUint32(offset, value);
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }
}
