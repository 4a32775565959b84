/** Images of disks: what a disk holds before anything is written. */

/** Contents by byte offset; whoever reads stays within `size`. Throws where the host or the format fails. */
export interface Image {
  readonly path: string;
  readonly format: ImageFormat;
  readonly size: number;
  read(offset: number, into: Uint8Array): void;
  close(): void;
}

export type ImageFormat = 'raw' | 'qcow2';
export const IMAGE_FORMATS: readonly ImageFormat[] = ['raw', 'qcow2'];

/** In the place of one that is not there. */
export const absentImage = (path: string, size: number): Image => ({ path, format: 'raw', size, read: (_, into) => void into.fill(0), close: () => undefined });

/** Pages of a disk are numbered below 2^32. */
export const MOST_BYTES = 2 ** 44;

/** Reads what exists; behind the end of the image there are zeros. */
export function readPadded(image: Image, offset: number, into: Uint8Array): void {
  const there = Math.max(0, Math.min(into.length, image.size - offset));
  if (there > 0) image.read(offset, into.subarray(0, there));
  into.fill(0, there);
}
