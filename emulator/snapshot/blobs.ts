/** Contents by their hash: page groups and pieces of images. What a parent holds already is not written again. */
import { promisify } from 'node:util';
import {
  brotliCompress, brotliCompressSync, brotliDecompress, brotliDecompressSync, constants, deflateRaw, inflateRaw, inflateRawSync,
} from 'node:zlib'; // prettier-ignore
import type { BrotliOptions, ZlibOptions } from 'node:zlib';
import { bad, hex, LIMITS, sha256 } from './format';

const [brotli, unbrotli, deflate, inflate] = [promisify(brotliCompress), promisify(brotliDecompress), promisify(deflateRaw), promisify(inflateRaw)];
/** What can't be packed becomes longer by a few bytes in 16 KB; and both libraries ask for some room. */
const SLACK = 1024;
/** Bytes that are handed to a thread together, and how often before one has come back: a bound for what waits. */
const BATCH = 1 << 20;
const BATCHES = 6;

/** `brotli` for blobs: two and a half times as fast as deflate at its fastest, to the same size. Chunks are few: `deflate`, which everybody can read. */
export type Codec = 'raw' | 'deflate' | 'brotli';
export const isCodec = (text: string): text is Codec => text === 'raw' || text === 'deflate' || text === 'brotli';

/** Bytes as they are stored, and what is known of them. */
export interface Stored {
  readonly codec: Codec;
  /** Of the contents. */
  readonly size: number;
  readonly data: Uint8Array;
}

const deflating = (contents: Uint8Array): ZlibOptions => ({ level: 6, windowBits: 12, memLevel: 9, chunkSize: contents.length + SLACK });
/** Quality 0; the window is that of the largest group, and no more memory than that is asked for to unpack. */
const QUICKEST = { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 16 };
const packing = (contents: Uint8Array): BrotliOptions => ({ params: QUICKEST, chunkSize: contents.length + SLACK });
const smaller = (contents: Uint8Array, codec: Codec, data: Uint8Array): Stored =>
  data.length < contents.length
    ? { codec, size: contents.length, data: Uint8Array.from(data) }
    : { codec: 'raw', size: contents.length, data: Uint8Array.from(contents) };

export const packChunk = async (contents: Uint8Array): Promise<Stored> => smaller(contents, 'deflate', await deflate(contents, deflating(contents)));
export const packBlob = async (contents: Uint8Array): Promise<Stored> => smaller(contents, 'brotli', await brotli(contents, packing(contents)));
/** The same at once, in a thread that does nothing else. */
export const packBlobSync = (contents: Uint8Array): Stored => smaller(contents, 'brotli', brotliCompressSync(contents, packing(contents)));

/** Never gives more than `size` bytes, whatever the data say; the hash is checked by whoever has it. */
export async function unpack(stored: Stored, what: string): Promise<Uint8Array> {
  return checkSize(await unpackData(stored).catch((error: unknown) => notPacked(what, error)), stored.size, what);
}
const unpacking = (size: number): { maxOutputLength: number; chunkSize: number } => ({ maxOutputLength: Math.max(size, 1), chunkSize: size + SLACK });
async function unpackData({ codec, size, data }: Stored): Promise<Uint8Array> {
  switch (codec) {
    case 'raw':
      return data;
    case 'deflate':
      return inflate(data, unpacking(size));
    case 'brotli':
      return unbrotli(data, unpacking(size));
  }
}
function unpackDataSync({ codec, size, data }: Stored): Uint8Array {
  switch (codec) {
    case 'raw':
      return data;
    case 'deflate':
      return inflateRawSync(data, unpacking(size));
    case 'brotli':
      return brotliDecompressSync(data, unpacking(size));
  }
}
function notPacked(what: string, error: unknown): never {
  throw bad(`it is damaged: ${what} can not be unpacked`, error);
}
function checkSize(contents: Uint8Array, size: number, what: string): Uint8Array {
  if (contents.length !== size) throw bad(`it is damaged: ${what} has ${contents.length} bytes instead of ${size}`);
  return contents;
}
export function unpackSync(stored: Stored, what: string): Uint8Array {
  let contents: Uint8Array;
  try {
    contents = unpackDataSync(stored);
  } catch (error) {
    return notPacked(what, error);
  }
  return checkSize(contents, stored.size, what);
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
  readSync(): Stored;
}

/** Blobs of a file and its ancestors, by hash as hexadecimal digits. */
export type BlobIndex = ReadonlyMap<string, BlobSource>;

export function findBlob(blobs: BlobIndex, hash: Uint8Array, what: string): BlobSource {
  const source = blobs.get(hex(hash));
  if (!source) throw bad(`it is damaged: ${what} is missing`);
  return source;
}

export async function readBlob(blobs: BlobIndex, hash: Uint8Array, what: string): Promise<Uint8Array> {
  const contents = await unpack(await findBlob(blobs, hash, what).read(), what);
  verify(contents, hash, what);
  return contents;
}

/** The same at once, for who can't wait. */
export function readBlobSync(blobs: BlobIndex, hash: Uint8Array, what: string): Uint8Array {
  const contents = unpackSync(findBlob(blobs, hash, what).readSync(), what);
  verify(contents, hash, what);
  return contents;
}

/** Bytes after whose hashing the guest gets a turn: some milliseconds. */
const STRETCH = 4 << 20;

/** Blobs that lie one after the other, where each ends; and afterwards as they are stored, with the memory that they lay in. */
export interface Batch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: readonly number[];
}
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly stored: readonly Stored[];
}
export interface Packing {
  pack(batch: Batch): Promise<Packed>;
}
export const blobsOf = ({ bytes, ends }: Batch): readonly Uint8Array[] => ends.map((end, number) => bytes.subarray(ends[number - 1] ?? 0, end));

const packHere: Packing = { pack: async (batch) => ({ bytes: batch.bytes, stored: await Promise.all(blobsOf(batch).map((each) => packBlob(each))) }) };

/** Collects what a new file holds. Packing goes on in other threads while more is added. */
export class BlobWriter {
  readonly fresh = new Map<string, { readonly hash: Uint8Array; readonly stored: Promise<Stored> }>();

  private hashed = 0;
  private bytes = new Uint8Array(BATCH);
  private ends: number[] = [];
  private waiting: ((stored: Promise<Stored>) => void)[] = [];
  /** Memory of batches that have been packed. */
  private readonly spare: Uint8Array<ArrayBuffer>[] = [];
  private readonly out = new Set<Promise<unknown>>();

  constructor(
    private readonly known: ReadonlySet<string> = new Set(),
    private readonly packer: Packing = packHere,
  ) {}

  /** Waits while too much waits to be packed; and lets the guest run, which may share the thread, if much was hashed since it last could. */
  async rest(): Promise<void> {
    while (this.out.size >= BATCHES) await Promise.race(this.out);
    if (this.hashed < STRETCH) return;
    this.hashed = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** A blob of these parts, which are copied. Gives its hash. */
  add(...parts: readonly Uint8Array[]): Uint8Array {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > LIMITS.blob) throw bad('a blob is too large');
    let end = this.ends.at(-1) ?? 0;
    if (end + length > BATCH) {
      this.flush();
      end = 0;
    }
    const contents = this.bytes.subarray(end, end + length);
    let at = 0;
    for (const part of parts) {
      contents.set(part, at);
      at += part.length;
    }
    const hash = sha256(contents);
    this.hashed += length;
    const key = hex(hash);
    if (!this.known.has(key) && !this.fresh.has(key)) {
      this.ends.push(end + length);
      const stored = new Promise<Stored>((resolve) => this.waiting.push(resolve));
      stored.catch(() => undefined);
      this.fresh.set(key, { hash, stored });
    }
    return hash;
  }

  /** All that was added is on its way. */
  flush(): void {
    const { bytes, ends, waiting } = this;
    if (ends.length === 0) return;
    this.bytes = this.spare.pop() ?? new Uint8Array(BATCH);
    [this.ends, this.waiting] = [[], []];
    const packed = this.packer.pack({ bytes, ends });
    waiting.forEach((resolve, number) => resolve(packed.then(({ stored }) => stored[number]!)));
    const gone = (): boolean => this.out.delete(done);
    const done: Promise<unknown> = packed.then((result) => (this.spare.push(result.bytes), gone()), gone);
    this.out.add(done);
  }

  /** A blob that is packed already, as another file has it. */
  keep(hash: Uint8Array, stored: Stored): void {
    const key = hex(hash);
    if (!this.known.has(key) && !this.fresh.has(key)) this.fresh.set(key, { hash, stored: Promise.resolve(stored) });
  }
}
