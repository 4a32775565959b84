import { userError } from '../errors';
import { cString, hex } from './plan';

/** Boot information that is put together at a fixed address: structures point at strings and tables in it. */
export class Blob {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private used = 0;

  constructor(
    private readonly what: string,
    readonly address: number,
    limit: number,
  ) {
    this.bytes = new Uint8Array(limit);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Room for `length` bytes of zeros; the offset. */
  reserve(length: number, alignment = 1): number {
    const at = Math.ceil(this.used / alignment) * alignment;
    if (at + length > this.bytes.length) {
      throw userError(
        'boot-information-too-long',
        `${this.what} at ${hex(this.address)} has no room for more than ${this.bytes.length} bytes: ` + 'use a shorter command line or fewer modules',
      );
    }
    this.used = at + length;
    return at;
  }

  /** Adds bytes; their guest address. */
  add(bytes: Uint8Array, alignment = 1): number {
    const at = this.reserve(bytes.length, alignment);
    this.bytes.set(bytes, at);
    return this.address + at;
  }

  addString(text: string): number {
    return this.add(cString(text));
  }

  u8(at: number, value: number): void {
    this.view.setUint8(at, value);
  }

  u16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }

  u32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  u64(at: number, value: number): void {
    this.view.setBigUint64(at, BigInt(value), true);
  }

  get length(): number {
    return this.used;
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }
}
