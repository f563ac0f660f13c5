/** A growing byte buffer with the encodings of the WebAssembly binary format (LEB128, names, sections). */
export class CodeBuffer {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(4096);
  length = 0;

  reset(): void {
    this.length = 0;
  }

  reserve(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  u8(b: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = b;
  }

  /** Unsigned LEB128 of a number below 2^32. */
  u32(n: number): void {
    this.reserve(5);
    while (n >= 0x80) {
      this.bytes[this.length++] = (n & 0x7f) | 0x80;
      n >>>= 7;
    }
    this.bytes[this.length++] = n;
  }

  /** Signed LEB128 of a 32-bit integer. */
  s32(n: number): void {
    this.reserve(5);
    n |= 0;
    for (;;) {
      const b = n & 0x7f;
      n >>= 7;
      if ((n === 0 && (b & 0x40) === 0) || (n === -1 && (b & 0x40) !== 0)) {
        this.bytes[this.length++] = b;
        return;
      }
      this.bytes[this.length++] = b | 0x80;
    }
  }

  /** Signed LEB128 of a 64-bit integer: a safe integer or a bigint (taken modulo 2^64). */
  s64(value: number | bigint): void {
    if (typeof value === 'number' && value === (value | 0)) {
      this.s32(value);
      return;
    }
    // Two halves: bigints are slow.
    let low: number;
    let high: number;
    if (typeof value === 'number') {
      low = value | 0;
      high = Math.floor(value / 0x1_0000_0000) | 0;
    } else {
      low = Number(BigInt.asIntN(32, value));
      high = Number(BigInt.asIntN(32, value >> 32n));
    }
    this.reserve(10);
    for (;;) {
      const b = low & 0x7f;
      low = (low >>> 7) | (high << 25);
      high >>= 7;
      if ((low === 0 && high === 0 && (b & 0x40) === 0) || (low === -1 && high === -1 && (b & 0x40) !== 0)) {
        this.bytes[this.length++] = b;
        return;
      }
      this.bytes[this.length++] = b | 0x80;
    }
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A name or other ASCII string with its length. */
  name(text: string): void {
    this.u32(text.length);
    for (let i = 0; i < text.length; i++) this.u8(text.charCodeAt(i));
  }

  /** A section: its id, its size and what `fill` writes into `scratch`. */
  section(id: number, scratch: CodeBuffer, fill: (s: CodeBuffer) => void): void {
    scratch.reset();
    fill(scratch);
    this.u8(id);
    this.u32(scratch.length);
    this.append(scratch.view());
  }

  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}
