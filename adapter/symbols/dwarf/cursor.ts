/** Reads DWARF's encodings in sequence. The data is a file's: a read beyond the end throws RangeError. */
export class Cursor {
  private readonly view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    /** Where reading has to stop. */
    readonly end = bytes.length,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, Math.min(end, bytes.length));
  }

  get more(): boolean {
    return this.at < this.end;
  }

  u8(): number {
    return this.view.getUint8(this.at++);
  }
  i8(): number {
    return this.view.getInt8(this.at++);
  }
  u16(): number {
    this.at += 2;
    return this.view.getUint16(this.at - 2, true);
  }
  u24(): number {
    return this.u16() | (this.u8() << 16);
  }
  u32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }
  u64(): bigint {
    this.at += 8;
    return this.view.getBigUint64(this.at - 8, true);
  }

  /** An offset of 4 bytes in 32-bit DWARF, of 8 in 64-bit DWARF. */
  offset(wide: boolean): number {
    return wide ? Number(this.u64()) : this.u32();
  }

  /** Unit length (DWARF5 7.4): 0xffffffff announces 64-bit DWARF. */
  unitLength(): { length: number; wide: boolean } {
    const length = this.u32();
    return length === 0xffff_ffff ? { length: Number(this.u64()), wide: true } : { length, wide: false };
  }

  address(size: number): bigint {
    switch (size) {
      case 8:
        return this.u64();
      case 4:
        return BigInt(this.u32());
      case 2:
        return BigInt(this.u16());
      default:
        return BigInt(this.u8());
    }
  }

  uleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  sleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      if (byte >= 0x80) value += (byte & 0x7f) * scale;
      else return value + (byte & 0x40 ? byte - 0x80 : byte) * scale;
    }
  }

  /** A string that ends with a zero byte. */
  string(): string {
    const zero = this.bytes.indexOf(0, this.at);
    if (zero < 0 || zero > this.end) throw new RangeError('string without end');
    const text = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.at, zero - this.at).toString('utf8');
    this.at = zero + 1;
    return text;
  }

  skip(count: number): void {
    if (count < 0 || this.at + count > this.end) throw new RangeError('beyond the end of the section');
    this.at += count;
  }
}
