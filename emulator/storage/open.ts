/** Opens images, in the format that they have, with those that stand behind them. */
import { dirname, resolve } from 'node:path';
import { EmulatorError, userError } from '../errors';
import { openDiskFile, type DiskFile, type OpenDiskFile } from './file';
import { MOST_BYTES, type Image, type ImageFormat } from './image';
import { isQcow2, Qcow2Image } from './qcow2';

/** Images behind each other. */
const MOST_BACKING = 16;

export interface OpenImageOptions {
  /** Found out from the file unless given. */
  readonly format?: ImageFormat;
  readonly open?: OpenDiskFile;
}

/** Opens an image with those that stand behind it. Throws EmulatorError with blame `user`. */
export function openImage(path: string, { format, open = openDiskFile }: OpenImageOptions = {}): Image {
  return layer(path, format, open, []);
}

function layer(path: string, wanted: ImageFormat | undefined, open: OpenDiskFile, before: readonly string[]): Image {
  const at = resolve(path);
  if (before.includes(at) || before.length >= MOST_BACKING) throw userError('disk-image', `disk image '${path}': its backing files have no end`);
  const file = open(at);
  try {
    const format = wanted ?? (isQcow2(file) ? 'qcow2' : 'raw');
    if (format === 'raw') return new RawImage(file);
    const backing = (name: string, kind: ImageFormat | undefined): Image => layer(resolve(dirname(at), name), kind, open, [...before, at]);
    return Qcow2Image.open(file, backing);
  } catch (error) {
    file.close();
    if (error instanceof EmulatorError) throw error;
    throw userError('disk-image', `disk image '${path}': ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** The bytes of the disk one after the other. An ISO is one too. */
class RawImage implements Image {
  readonly format = 'raw';

  constructor(private readonly file: DiskFile) {
    if (file.size === 0) throw userError('disk-image', `disk image '${file.path}': it is empty`);
    if (file.size > MOST_BYTES) throw userError('disk-image', `disk image '${file.path}': more than 16 TB are not possible`);
  }

  get path(): string {
    return this.file.path;
  }
  get size(): number {
    return this.file.size;
  }
  read(offset: number, into: Uint8Array): void {
    this.file.read(offset, into);
  }
  close(): void {
    this.file.close();
  }
}
