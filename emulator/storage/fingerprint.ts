/** Which image it is, whatever it is called and wherever it lies: what a snapshot's memory was used with. */
import { nodeCrypto } from '../builtins';
import { PAGE } from './overlay';
import type { Image } from './image';

/** Images up to this size are read whole. */
const WHOLE = 16 << 20;
/** Of others: the start, where partition tables and superblocks are, the end, and pages in equal distances. */
const ENDS = 1 << 20;
const SAMPLES = 1024;

/** SHA-256 over the size and a fixed choice of the contents; file times have no part in it. */
export function fingerprint(image: Image): Uint8Array {
  const hash = nodeCrypto().createHash('sha256');
  hash.update(`${image.size} `);
  const add = (offset: number, length: number): void => {
    const bytes = new Uint8Array(Math.min(length, image.size - offset));
    image.read(offset, bytes);
    hash.update(bytes);
  };
  if (image.size <= WHOLE) for (let at = 0; at < image.size; at += ENDS) add(at, ENDS);
  else {
    add(0, ENDS);
    const pages = Math.floor(image.size / PAGE);
    for (let i = 1; i < SAMPLES; i++) add(Math.floor((pages / SAMPLES) * i) * PAGE, PAGE);
    add(image.size - ENDS, ENDS);
  }
  return new Uint8Array(hash.digest());
}
