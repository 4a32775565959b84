/** Numbers of the file format; docs/snapshot-format.md is its specification. */
import { nodeCrypto } from '../builtins';
import { EmulatorError } from '../errors';

/** Not text, and damaged by transfers that change line ends. */
export const MAGIC = Uint8Array.of(0x89, 0x47, 0x53, 0x4e, 0x41, 0x50, 0x0d, 0x0a);
export const FORMAT = 3;
/** The oldest format that this version reads. */
export const OLDEST = 2;
export const ARCHITECTURE = 'x86-64';
export const PRODUCER = 'guest-debug 0.1.0';

export const HEADER = {
  size:           128,
  magic:            0, // 8 bytes
  format:           8, // u32
  oldestReader:    12, // u32: the oldest format whose readers can read it
  manifestOffset:  16, // u64
  manifestLength:  24, // u64
  manifestHash:    32, // SHA-256
  architecture:    64, // 16 bytes of ASCII, padded with zeros
  producer:        80, // 32 bytes of ASCII, padded with zeros
  fileLength:     112, // u64
  check:          120, // first 8 bytes of the SHA-256 of everything before
} as const; // prettier-ignore

/** What a reader allows: a file that asks for more is refused before anything is allocated. */
export const LIMITS = {
  manifest: 32 << 20,
  chunk: 64 << 20,
  /** All chunks together, unpacked. */
  total: 256 << 20,
  chunks: 4096,
  blob: 1 << 20,
  blobs: 1 << 17,
  /** Files in a chain of parents. */
  chain: 64,
  /** Levels of maps and arrays in a chunk. */
  depth: 32,
  image: 1 << 30,
} as const;

export const PAGE = 4096;
/** Pages of a group: 64 KiB, the unit that is compressed and deduplicated. */
export const GROUP = 16;

export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(nodeCrypto().hash('sha256', bytes, 'buffer'));
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

/** A snapshot that can't be used. */
export class SnapshotError extends EmulatorError {
  constructor(
    private readonly what: string,
    options?: ErrorOptions,
    /** The file that `what` is told of, once that is known. */
    private readonly file?: string,
  ) {
    super('snapshot', 'user', file === undefined ? what : `snapshot '${file}': ${what}`, options);
  }

  /** With the name of the file, unless it has that of another. */
  of(file: string): SnapshotError {
    return this.file === undefined ? new SnapshotError(this.what, { cause: this }, file) : this;
  }
}

/** The file's name is added where it is known. */
export const bad = (what: string, cause?: unknown): SnapshotError => new SnapshotError(what, cause === undefined ? undefined : { cause });

/** Adds a file's name to what is wrong with it. */
export const ofFile =
  (path: string) =>
  (error: unknown): unknown =>
    error instanceof SnapshotError ? error.of(path) : error;

export interface Header {
  readonly format: number;
  readonly architecture: string;
  readonly producer: string;
  readonly manifest: { readonly offset: number; readonly length: number; readonly hash: Uint8Array };
}

export function encodeHeader(manifest: Header['manifest']): Uint8Array {
  const bytes = new Uint8Array(HEADER.size);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, HEADER.magic);
  view.setUint32(HEADER.format, FORMAT, true);
  view.setUint32(HEADER.oldestReader, FORMAT, true);
  view.setBigUint64(HEADER.manifestOffset, BigInt(manifest.offset), true);
  view.setBigUint64(HEADER.manifestLength, BigInt(manifest.length), true);
  bytes.set(manifest.hash, HEADER.manifestHash);
  bytes.set(new TextEncoder().encode(ARCHITECTURE), HEADER.architecture);
  bytes.set(new TextEncoder().encode(PRODUCER), HEADER.producer);
  view.setBigUint64(HEADER.fileLength, BigInt(manifest.offset + manifest.length), true);
  bytes.set(sha256(bytes.subarray(0, HEADER.check)).subarray(0, 8), HEADER.check);
  return bytes;
}

const ascii = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('latin1')
    .replace(/\0+$/, '')
    .replace(/[^\x20-\x7e]/g, '?');

/** Throws EmulatorError with blame `user` for what isn't a snapshot, or one of another format or architecture. */
export function decodeHeader(bytes: Uint8Array, fileLength: number): Header {
  if (bytes.length < MAGIC.length || MAGIC.some((byte, index) => bytes[index] !== byte)) throw bad('this is no snapshot file');
  if (bytes.length < HEADER.size) throw bad('it is damaged: the header is cut');
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER.size);
  const producer = ascii(bytes.subarray(HEADER.producer, HEADER.fileLength));
  const architecture = ascii(bytes.subarray(HEADER.architecture, HEADER.producer));
  const format = view.getUint32(HEADER.format, true);
  // Before anything that another format may have elsewhere.
  if (view.getUint32(HEADER.oldestReader, true) > FORMAT)
    throw bad(`it is too new: written by ${producer} in format ${format}; this version reads ${OLDEST} to ${FORMAT}`);
  if (format < OLDEST) throw bad(`it is too old: written by ${producer} in format ${format}; this version reads ${OLDEST} to ${FORMAT}`);
  const check = sha256(bytes.subarray(0, HEADER.check)).subarray(0, 8);
  if (check.some((byte, index) => bytes[HEADER.check + index] !== byte)) throw bad('it is damaged: the header is not what was written');
  if (architecture !== ARCHITECTURE) throw bad(`it is of a machine of architecture '${architecture}'`);
  const number = (at: number): number => Number(view.getBigUint64(at, true));
  const [offset, length] = [number(HEADER.manifestOffset), number(HEADER.manifestLength)];
  if (number(HEADER.fileLength) !== fileLength) throw bad(`it is damaged: it has ${fileLength} bytes of ${number(HEADER.fileLength)}`);
  if (length > LIMITS.manifest || offset < HEADER.size || offset + length !== fileLength) throw bad('it is damaged: the manifest lies outside');
  return { format, architecture, producer, manifest: { offset, length, hash: bytes.slice(HEADER.manifestHash, HEADER.architecture) } };
}
