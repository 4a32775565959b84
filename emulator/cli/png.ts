/** Pictures in PNG files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { userError } from '../errors';
import type { Frame, Guest } from '../machine/api';

/** Writes the guest's picture. */
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

/** Reads a picture; `what` names the option that asks for it. */
export function readPicture(what: string, path: string): Frame {
  try {
    const { width, height, data } = PNG.sync.read(readFileSync(path));
    return { width, height, rgba: new Uint8Array(data) };
  } catch (error) {
    throw userError('picture', `${what} '${path}': ${(error as Error).message}`, error);
  }
}
