import { writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { userError } from '../errors';
import type { Guest } from '../machine/api';

/** Writes the guest's picture as PNG. */
export async function writeScreenshot(guest: Guest, path: string): Promise<void> {
  const frame = await guest.frame();
  if (!frame) throw userError('no-screen', `screenshot '${path}': the guest has no picture to take`);
  const { width, height, rgba } = frame;
  const png = new PNG({ width, height });
  png.data = Buffer.from(rgba.buffer, rgba.byteOffset, rgba.length);
  try {
    writeFileSync(path, PNG.sync.write(png));
  } catch (error) {
    throw userError('screenshot', `screenshot '${path}': ${(error as Error).message}`, error);
  }
}
