/** A growing byte buffer with the integer encodings of the WebAssembly binary format (section 5.2). */
export class Sink {
  private buffer = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.buffer.length) this.grow(1);
    this.buffer[this.length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    if (this.length + values.length > this.buffer.length) this.grow(values.length);
    this.buffer.set(values, this.length);
    this.length += values.length;
  }

  /** Unsigned LEB128. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  name(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u32(encoded.length);
    this.bytes(encoded);
  }

  /** A vector: count, then each item. */
  vector<T>(items: readonly T[], write: (item: T) => void): void {
    this.u32(items.length);
    items.forEach(write);
  }

  /** Length-prefixed contents of another sink. */
  sized(content: Sink): void {
    this.u32(content.length);
    this.bytes(content.view());
  }

  view(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.length);
  }

  private grow(more: number): void {
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    larger.set(this.view());
    this.buffer = larger;
  }
}

/** `code` with an unsigned LEB128 after it. */
export function unsigned(code: number[], value: number): number[] {
  let rest = value >>> 0;
  while (rest > 0x7f) {
    code.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  code.push(rest);
  return code;
}

/** `code` with a signed LEB128 of 32 bits after it. */
export function signed32(code: number[], value: number): number[] {
  let rest = value | 0;
  while (rest < -0x40 || rest >= 0x40) {
    code.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  code.push(rest & 0x7f);
  return code;
}

/** `code` with a signed LEB128 of 64 bits after it. */
export function signed64(code: number[], value: bigint): number[] {
  if (value >= -0x80000000n && value < 0x80000000n) return signed32(code, Number(value));
  let rest = BigInt.asIntN(64, value);
  while (rest < -0x40n || rest >= 0x40n) {
    code.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  code.push(Number(rest & 0x7fn));
  return code;
}
