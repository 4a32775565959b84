/** What is told of a past beside its states: where the guest stopped, and how its screen looked. Nothing of the machine follows from it. */
import type { Position, TimelineEvent } from '../machine/api';
import { MOST_PICTURE_BYTES, MOST_PICTURES, MOST_STOPS, MOST_TEXT, NOTHING_TOLD, type Picture, type Told } from '../machine/told';
import type { AwaitedPages } from './awaitedpages';
import { findBlob, type BlobIndex, type BlobWriter } from './blobs';
import { asBytes, asInteger, asList, asMap, asText, fieldsOf, only, type Fields, type Value } from './cbor';
import type { Chunk } from './container';
import { bad, hex } from './format';
import { VERSIONS } from './statechunks';

const KIND = 'chronicle';
/** Kinds of events that a stop can be; inputs are the journal's. */
const KINDS: readonly TimelineEvent['kind'][] = ['stop', 'reset', 'fault', 'end'];
const MOST_WIDTH = 4096;

export async function chronicleChunks({ stops, pictures }: Told, blobs: BlobWriter): Promise<readonly Chunk[]> {
  if (stops.length === 0 && pictures.size === 0) return [];
  const list: Value[] = [];
  for (const [checkpoint, { width, height, rgb }] of pictures) {
    list.push(fieldsOf({ checkpoint, width, height, hash: blobs.add(rgb()) }));
    await blobs.rest();
  }
  const told = stops.map(({ kind, position, time, text }): Value => fieldsOf({ kind, position, time, text }));
  return [{ kind: KIND, instance: '', version: VERSIONS.chronicle, mandatory: false, fields: fieldsOf({ stops: told, pictures: list }) }];
}

/** As it was read: the pictures are still in the file. */
export interface ReadChronicle {
  readonly stops: readonly TimelineEvent[];
  readonly pictures: readonly { readonly checkpoint: number; readonly width: number; readonly height: number; readonly hash: Uint8Array }[];
}

/** Throws where it has more than a guest tells, or tells of what is not in the past from `oldest` to `newest`. */
export function readChronicle(chunks: readonly Chunk[], oldest: Position, newest: Position, blobs: BlobIndex): ReadChronicle {
  const chunk = chunks.find(({ kind, instance }) => kind === KIND && instance === '');
  if (!chunk) return { stops: [], pictures: [] };
  only(chunk.fields, ['stops', 'pictures'], 'the chronicle');
  const list = (name: string, most: number): readonly Fields[] => {
    const found = asList(chunk.fields.get(name), `${name} of the chronicle`);
    if (found.length > most) throw bad(`it is damaged: the chronicle has more than ${most} ${name}`);
    return found.map((item) => asMap(item, `${name} of the chronicle`));
  };
  let position = oldest;
  const stops = list('stops', MOST_STOPS).map((fields): TimelineEvent => {
    const what = 'a stop of the chronicle';
    only(fields, ['kind', 'position', 'time', 'text'], what);
    const kind = KINDS.find((each) => each === fields.get('kind'));
    if (!kind) throw bad(`it is damaged: ${what} is of no kind that there is`);
    const text = asText(fields.get('text'), what);
    if (text.length > MOST_TEXT) throw bad(`it is damaged: ${what} has a text of ${text.length} characters`);
    position = asInteger(fields.get('position'), what, position, newest);
    return { kind, position, time: asInteger(fields.get('time'), what), count: 1, text };
  });
  let next = 0;
  const sizes = new Map<string, number>();
  const pictures = list('pictures', MOST_PICTURES).map((fields) => {
    const what = 'a picture of the chronicle';
    only(fields, ['checkpoint', 'width', 'height', 'hash'], what);
    const checkpoint = asInteger(fields.get('checkpoint'), what, next);
    next = checkpoint + 1;
    const [width, height] = [asInteger(fields.get('width'), what, 1, MOST_WIDTH), asInteger(fields.get('height'), what, 1, MOST_WIDTH)];
    const hash = asBytes(fields.get('hash'), what, 32);
    const { size } = findBlob(blobs, hash, what);
    if (size !== width * height * 3) throw bad(`it is damaged: ${what} has another size`);
    sizes.set(hex(hash), size);
    return { checkpoint, width, height, hash };
  });
  if ([...sizes.values()].reduce((sum, size) => sum + size, 0) > MOST_PICTURE_BYTES) throw bad('it is damaged: the pictures of its chronicle are too large');
  return { stops, pictures };
}

/** For a past of so many checkpoints. `awaited` gets to know the pictures; those that are the same are one. */
export function prepareChronicle({ stops, pictures }: ReadChronicle, checkpoints: number, awaited: AwaitedPages): Told {
  if (stops.length === 0 && pictures.length === 0) return NOTHING_TOLD;
  const known = new Map<string, Picture>();
  return {
    stops,
    pictures: new Map(
      pictures.map(({ checkpoint, width, height, hash }) => {
        if (checkpoint >= checkpoints) throw bad('it is damaged: its chronicle has a picture of a checkpoint that its history has not');
        const key = `${hex(hash)} ${width}`;
        const place = awaited.place(hash, width * height * 3, 'a picture of the chronicle');
        const picture = known.get(key) ?? { width, height, rgb: () => awaited.fetch(place) };
        known.set(key, picture);
        return [checkpoint, picture] as const;
      }),
    ),
  };
}
