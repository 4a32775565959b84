/** Files of the host that hold images: opened for reading alone, and never changed. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { userError } from '../errors';

/** Bytes that can be read at once, wherever they are. */
export interface DiskFile {
  readonly path: string;
  readonly size: number;
  /** Fills `into`; throws where the host can't. */
  read(offset: number, into: Uint8Array): void;
  close(): void;
}

export type OpenDiskFile = (path: string) => DiskFile;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  EISDIR: 'it is a folder',
};

/** Throws EmulatorError with blame `user`. */
export const openDiskFile: OpenDiskFile = (path) => {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const stat = fstatSync(descriptor);
    // A pipe or a terminal would block the guest's thread.
    if (!stat.isFile()) throw userError('disk-file', stat.isDirectory() ? REASONS['EISDIR']! : 'it is no regular file');
    return new HostFile(path, descriptor, stat.size);
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    const { code, message } = error as NodeJS.ErrnoException;
    throw userError('disk-file', `disk image '${path}': ${REASONS[code ?? ''] ?? message}`, error);
  }
};

class HostFile implements DiskFile {
  private open = true;

  constructor(
    readonly path: string,
    private readonly descriptor: number,
    readonly size: number,
  ) {}

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const count = readSync(this.descriptor, into, done, into.length - done, offset + done);
      if (count === 0) throw userError('disk-file', `disk image '${this.path}' has become shorter`);
      done += count;
    }
  }

  close(): void {
    if (this.open) closeSync(this.descriptor);
    this.open = false;
  }
}
