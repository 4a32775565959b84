/** Contents by their hash: page groups and pieces of images. What a parent holds already is not written again. */
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { bad, hex, LIMITS, sha256 } from './format';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

export type Codec = 'raw' | 'deflate';
export const isCodec = (text: string): text is Codec => text === 'raw' || text === 'deflate';

/** Bytes as they are stored, and what is known of them. */
export interface Stored {
  readonly codec: Codec;
  /** Of the contents. */
  readonly size: number;
  readonly data: Uint8Array;
}

export async function pack(contents: Uint8Array, level = 1): Promise<Stored> {
  const data = await deflate(contents, { level });
  return data.length < contents.length ? { codec: 'deflate', size: contents.length, data } : { codec: 'raw', size: contents.length, data: contents };
}

/** Never gives more than `size` bytes, whatever the data say; the hash is checked by whoever has it. */
export async function unpack({ codec, size, data }: Stored, what: string): Promise<Uint8Array> {
  let contents: Uint8Array = data;
  if (codec === 'deflate') {
    try {
      contents = await inflate(data, { maxOutputLength: Math.max(size, 1) });
    } catch (error) {
      throw bad(`it is damaged: ${what} can not be unpacked`, error);
    }
  }
  if (contents.length !== size) throw bad(`it is damaged: ${what} has ${contents.length} bytes instead of ${size}`);
  return contents;
}

export function verify(contents: Uint8Array, hash: Uint8Array, what: string): void {
  const found = sha256(contents);
  if (found.some((byte, index) => byte !== hash[index])) throw bad(`it is damaged: ${what} is not what was written`);
}

/** A blob's place: in this file, or in one of those before it. */
export interface BlobSource {
  readonly size: number;
  readonly stored: number;
  read(): Promise<Stored>;
}

/** Blobs of a file and its ancestors, by hash as hexadecimal digits. */
export type BlobIndex = ReadonlyMap<string, BlobSource>;

export async function readBlob(blobs: BlobIndex, hash: Uint8Array, what: string): Promise<Uint8Array> {
  const source = blobs.get(hex(hash));
  if (!source) throw bad(`it is damaged: ${what} is missing`);
  const contents = await unpack(await source.read(), what);
  verify(contents, hash, what);
  return contents;
}

/** Bytes after whose hashing the guest gets a turn: some milliseconds. */
const STRETCH = 4 << 20;

/** Collects what a new file holds. Packing goes on in other threads while more is added. */
export class BlobWriter {
  readonly fresh = new Map<string, { readonly hash: Uint8Array; readonly stored: Promise<Stored> }>();

  private hashed = 0;

  constructor(private readonly known: ReadonlySet<string> = new Set()) {}

  /** Lets the guest run, which may share the thread, if much was hashed since it last could. */
  async rest(): Promise<void> {
    if (this.hashed < STRETCH) return;
    this.hashed = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The contents must not change afterwards. */
  add(contents: Uint8Array): Uint8Array {
    if (contents.length > LIMITS.blob) throw bad('a blob is too large');
    const hash = sha256(contents);
    this.hashed += contents.length;
    const key = hex(hash);
    if (!this.known.has(key) && !this.fresh.has(key)) {
      const stored = pack(contents);
      stored.catch(() => undefined);
      this.fresh.set(key, { hash, stored });
    }
    return hash;
  }

  /** What another one has collected. */
  take({ fresh }: BlobWriter): void {
    for (const [key, blob] of fresh) if (!this.known.has(key) && !this.fresh.has(key)) this.fresh.set(key, blob);
  }

  /** A blob that is packed already, as another file has it. */
  keep(hash: Uint8Array, stored: Stored): void {
    const key = hex(hash);
    if (!this.known.has(key) && !this.fresh.has(key)) this.fresh.set(key, { hash, stored: Promise.resolve(stored) });
  }
}
