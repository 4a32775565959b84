import { userError } from '../errors';
import { hex } from './plan';

const STRING_MAX = 1 << 14;
const LATIN1 = new TextDecoder('latin1');

/** Little-endian reads out of a file that isn't trusted: beyond its end is a typed error. */
export class Reader {
  private readonly view: DataView;

  constructor(
    readonly name: string,
    readonly bytes: Uint8Array,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  has(at: number, length: number): boolean {
    return at >= 0 && length >= 0 && at + length <= this.length;
  }

  private check(at: number, length: number, what: string): void {
    if (this.has(at, length)) return;
    throw userError('image-truncated', `${this.name}: truncated: ${what} at ${hex(at)} needs ${length} bytes, the file ends at ${hex(this.length)}`);
  }

  u8(at: number, what: string): number {
    this.check(at, 1, what);
    return this.view.getUint8(at);
  }

  u16(at: number, what: string): number {
    this.check(at, 2, what);
    return this.view.getUint16(at, true);
  }

  u32(at: number, what: string): number {
    this.check(at, 4, what);
    return this.view.getUint32(at, true);
  }

  i32(at: number, what: string): number {
    this.check(at, 4, what);
    return this.view.getInt32(at, true);
  }

  u64(at: number, what: string): bigint {
    this.check(at, 8, what);
    return this.view.getBigUint64(at, true);
  }

  /** A 64-bit file offset, size or physical address; what no machine has becomes 2^53 - 1 and fails later checks. */
  size64(at: number, what: string): number {
    const value = this.u64(at, what);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  slice(at: number, length: number, what: string): Uint8Array {
    this.check(at, length, what);
    return this.bytes.subarray(at, at + length);
  }

  /** The string that begins at `at`, without its NUL; it ends at `limit` or after 16 KB at the latest. */
  string(at: number, limit = this.length): string {
    const bytes = this.bytes.subarray(at, Math.max(at, Math.min(limit, this.length, at + STRING_MAX)));
    const end = bytes.indexOf(0);
    return LATIN1.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}
