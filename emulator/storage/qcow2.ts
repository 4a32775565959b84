/**
 * QEMU's copy-on-write format, versions 2 and 3, for reading: docs/interop/qcow2.txt of QEMU. Two levels of tables lead from
 * an offset of the disk to a cluster of the file; a cluster that is missing comes from the backing image.
 */
import { inflateRawSync } from 'node:zlib';
import { userError, type EmulatorError } from '../errors';
import type { DiskFile } from './file';
import { MOST_BYTES, readPadded, type Image, type ImageFormat } from './image';
import { Recent } from './recent';

export const MAGIC = 0x514649fb;
export const HEADER_V2 = 72;
export const HEADER_V3 = 104;
export const EXTENSION = { END: 0, BACKING_FORMAT: 0xe2792aca } as const;
/** Bits of incompatible features: how tables and clusters are to be understood. */
const DIRTY = 1n << 0n;
const CORRUPT = 1n << 1n;
const FEATURES: readonly (readonly [bit: bigint, name: string])[] = [
  [CORRUPT, 'the image is marked as corrupt'],
  [1n << 2n, 'external data file'],
  [1n << 3n, 'another compression than zlib'],
  [1n << 4n, 'extended L2 entries'],
];
/** Refcounts may be out of date where an image was not closed; a reader doesn't use them. */
const UNDERSTOOD = DIRTY;

export const OFFSET_MASK = 0x00fffffffffffe00n;
const COMPRESSED = 1n << 62n;
const ZERO = 1n;
const MOST_NAME = 1023;
/** Entries of the L1 table: 32 MB, as QEMU allows. */
const MOST_L1 = (32 << 20) / 8;
/** Tables and unpacked clusters that are kept. */
const KEPT = 64;

const bad = (path: string, what: string): EmulatorError => userError('qcow2', `disk image '${path}': ${what}`);

export function isQcow2(file: DiskFile): boolean {
  if (file.size < HEADER_V2) return false;
  const start = new Uint8Array(4);
  file.read(0, start);
  return new DataView(start.buffer).getUint32(0) === MAGIC;
}

interface Header {
  readonly version: number;
  readonly clusterBits: number;
  readonly size: number;
  readonly l1: { readonly offset: number; readonly length: number };
  readonly backing?: { readonly name: string; readonly format?: ImageFormat };
}

/** Every number of the header is checked before anything is allocated for it. */
function readHeader(file: DiskFile): Header {
  const { path } = file;
  const bytes = new Uint8Array(Math.min(file.size, HEADER_V3));
  file.read(0, bytes);
  const view = new DataView(bytes.buffer);
  if (bytes.length < HEADER_V2 || view.getUint32(0) !== MAGIC) throw bad(path, 'this is no qcow2 image');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) throw bad(path, `qcow2 version ${version} is unknown; versions 2 and 3 can be read`);
  if (version === 3 && bytes.length < HEADER_V3) throw bad(path, 'it is damaged: the header is cut');
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw bad(path, `it is damaged: clusters of 2^${clusterBits} bytes`);
  if (view.getUint32(32) !== 0) throw bad(path, 'encrypted images can not be read');
  if (version === 3) refuseFeatures(path, view.getBigUint64(72));
  const length = view.getUint32(36);
  const [size, offset] = [view.getBigUint64(24), view.getBigUint64(40)];
  if (size === 0n || size > BigInt(MOST_BYTES)) throw bad(path, `a size of ${size} bytes is not possible`);
  const needed = Math.ceil(Number(size) / 2 ** (2 * clusterBits - 3));
  if (length > MOST_L1 || length < needed) throw bad(path, `it is damaged: an L1 table of ${length} entries, ${needed} are needed`);
  if (offset % 2n ** BigInt(clusterBits) !== 0n || offset + BigInt(8 * length) > BigInt(file.size)) throw bad(path, 'it is damaged: the L1 table lies outside');
  const headerLength = version === 3 ? view.getUint32(100) : HEADER_V2;
  if (headerLength < (version === 3 ? HEADER_V3 : HEADER_V2) || headerLength > 2 ** clusterBits) throw bad(path, 'it is damaged: the length of the header');
  const backing = readBacking(file, view.getBigUint64(8), view.getUint32(16), headerLength, 2 ** clusterBits);
  return { version, clusterBits, size: Number(size), l1: { offset: Number(offset), length }, ...(backing && { backing }) };
}

function refuseFeatures(path: string, features: bigint): void {
  for (const [bit, name] of FEATURES) if (features & bit) throw bad(path, `it can not be read: ${name}`);
  const unknown = features & ~UNDERSTOOD;
  if (unknown) throw bad(path, `it can not be read: unknown incompatible features 0x${unknown.toString(16)}`);
}

function readBacking(file: DiskFile, offset: bigint, length: number, headerLength: number, clusterSize: number): Header['backing'] {
  if (offset === 0n) return undefined;
  if (length === 0 || length > MOST_NAME || offset + BigInt(length) > BigInt(Math.min(clusterSize, file.size)) || offset < BigInt(headerLength))
    throw bad(file.path, 'it is damaged: the name of its backing file lies outside');
  const start = new Uint8Array(Number(offset) + length);
  file.read(0, start);
  const name = new TextDecoder().decode(start.subarray(Number(offset)));
  // `json:{…}`, `nbd://…`: a place that is no file.
  if (name.includes('\0') || /^[a-z][a-z0-9+.-]+:/i.test(name)) throw bad(file.path, `its backing file '${name.slice(0, 80)}' is no file`);
  const format = backingFormat(file, start.subarray(0, Number(offset)), headerLength);
  return { name, ...(format && { format }) };
}

/** Header extensions: type, length and data, padded to 8 bytes; unknown ones are left alone. */
function backingFormat({ path }: DiskFile, bytes: Uint8Array, from: number): ImageFormat | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = from; at + 8 <= bytes.length;) {
    const [type, length] = [view.getUint32(at), view.getUint32(at + 4)];
    if (type === EXTENSION.END) return undefined;
    if (at + 8 + length > bytes.length) throw bad(path, 'it is damaged: a header extension lies outside');
    if (type === EXTENSION.BACKING_FORMAT) {
      const format = new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length));
      if (format !== 'raw' && format !== 'qcow2') throw bad(path, `its backing file has the format '${format.slice(0, 40)}'; raw and qcow2 can be read`);
      return format;
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}

export class Qcow2Image implements Image {
  readonly format = 'qcow2';
  readonly size: number;
  private readonly clusterSize: number;
  private readonly l1: DataView;
  private readonly tables = new Recent<DataView>(KEPT);
  private readonly unpacked = new Recent<Uint8Array>(KEPT);

  private constructor(
    private readonly file: DiskFile,
    private readonly header: Header,
    readonly backing: Image | undefined,
  ) {
    this.size = header.size;
    this.clusterSize = 2 ** header.clusterBits;
    const bytes = new Uint8Array(8 * header.l1.length);
    file.read(header.l1.offset, bytes);
    this.l1 = new DataView(bytes.buffer);
  }

  /** `backing` opens what stands behind it. */
  static open(file: DiskFile, backing: (name: string, format: ImageFormat | undefined) => Image): Qcow2Image {
    const header = readHeader(file);
    return new Qcow2Image(file, header, header.backing && backing(header.backing.name, header.backing.format));
  }

  get path(): string {
    return this.file.path;
  }

  close(): void {
    this.file.close();
    this.backing?.close();
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = offset + done;
      const inside = at % this.clusterSize;
      const piece = into.subarray(done, Math.min(into.length, done + this.clusterSize - inside));
      this.readCluster((at - inside) / this.clusterSize, inside, piece);
      done += piece.length;
    }
  }

  /** Whether this file itself holds a cluster; otherwise its backing image does. */
  holds(cluster: number): boolean {
    return this.entry(cluster) !== 0n;
  }
  /** Whether there is a table for the cluster at this offset, and how much of the disk one is for. */
  tableAt(offset: number): boolean {
    return (this.l1.getBigUint64(8 * Math.floor(offset / this.tableBytes)) & OFFSET_MASK) !== 0n;
  }
  get tableBytes(): number {
    return (this.clusterSize / 8) * this.clusterSize;
  }
  get clusterBytes(): number {
    return this.clusterSize;
  }

  private readCluster(cluster: number, inside: number, into: Uint8Array): void {
    const entry = this.entry(cluster);
    if (entry & COMPRESSED) return into.set(this.unpack(entry).subarray(inside, inside + into.length));
    const at = Number(entry & OFFSET_MASK);
    // Version 2 has no zero flag: there the bit is reserved.
    if (this.header.version === 3 && entry & ZERO) into.fill(0);
    else if (at !== 0) this.readFile(at, inside, into);
    else if (this.backing) readPadded(this.backing, cluster * this.clusterSize + inside, into);
    else into.fill(0);
  }

  private readFile(at: number, inside: number, into: Uint8Array): void {
    if (at % this.clusterSize !== 0 || at >= this.file.size) throw bad(this.path, 'it is damaged: a cluster lies outside');
    // The last cluster may be cut: what is missing was never written.
    const there = Math.max(0, Math.min(into.length, this.file.size - at - inside));
    this.file.read(at + inside, into.subarray(0, there));
    into.fill(0, there);
  }

  private entry(cluster: number): bigint {
    const perTable = this.clusterSize / 8;
    const index = Math.floor(cluster / perTable);
    const at = Number(this.l1.getBigUint64(8 * index) & OFFSET_MASK);
    if (at === 0) return 0n;
    const table = this.tables.get(at, () => {
      if (at % this.clusterSize !== 0 || at + this.clusterSize > this.file.size) throw bad(this.path, 'it is damaged: an L2 table lies outside');
      const bytes = new Uint8Array(this.clusterSize);
      this.file.read(at, bytes);
      return new DataView(bytes.buffer);
    });
    return table.getBigUint64(8 * (cluster % perTable));
  }

  /** A compressed cluster: where it begins, and how many sectors of 512 bytes more than the first it touches. */
  private unpack(entry: bigint): Uint8Array {
    const split = BigInt(62 - (this.header.clusterBits - 8));
    const at = Number(entry & ((1n << split) - 1n));
    const sectors = Number((entry & (COMPRESSED - 1n)) >> split) + 1;
    return this.unpacked.get(at, () => {
      const end = Math.min(this.file.size, at - (at % 512) + sectors * 512);
      if (at >= end) throw bad(this.path, 'it is damaged: a compressed cluster lies outside');
      const data = new Uint8Array(end - at);
      this.file.read(at, data);
      let bytes: Uint8Array;
      try {
        bytes = inflateRawSync(data, { maxOutputLength: this.clusterSize });
      } catch (error) {
        throw userError('qcow2', `disk image '${this.path}': it is damaged: a compressed cluster can not be unpacked`, error);
      }
      if (bytes.length !== this.clusterSize) throw bad(this.path, 'it is damaged: a compressed cluster is too short');
      return bytes;
    });
  }
}
