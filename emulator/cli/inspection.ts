/** `guest snapshot inspect` as text: each chunk with its fields, as the file's own schema explains them. No chip is known here. */
import { isMap, type Inspected, type InspectedChunk, type Plain } from '../snapshot/tools';
import { shownValue } from './shown';

type Fields = Readonly<Record<string, Plain>>;

const WIDEST = 72;
const DEVICE = 'device.';
const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

export function inspectionText({ id, format, producer, architecture, parent, blobs, chunks }: Inspected): string {
  const head = [
    `snapshot ${id}`,
    `  format ${format}, written by ${producer}, ${architecture}`,
    `  parent: ${parent ? `${parent.name} (${parent.id})` : 'none'}`,
    `  ${blobs.count} blobs, ${megabytes(blobs.bytes)}, unpacked ${megabytes(blobs.unpacked)}`,
  ];
  const schema = chunks.find(({ kind }) => kind === 'schema')?.fields ?? {};
  const parts = chunks.filter(({ kind }) => kind !== 'schema').flatMap((chunk) => ['', titleOf(chunk), ...linesOf(chunk, schema).map((line) => `  ${line}`)]);
  return [...head, ...parts].map((line) => `${line.trimEnd()}\n`).join('');
}

function titleOf({ kind, instance, version, mandatory }: InspectedChunk): string {
  const chip = kind.startsWith(DEVICE);
  const name = chip ? `${instance}: ${kind.slice(DEVICE.length)}` : `${kind} ${instance}`.trimEnd();
  return `${name}, version ${version}${mandatory ? '' : ', optional'}`;
}

function linesOf({ kind, fields }: InspectedChunk, schema: Fields): readonly string[] {
  const summaries = PAGES[kind];
  // What a hostile file has there may be of any form.
  const shown = summaries ? Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, summaries[name]?.(value) ?? value])) : fields;
  const meanings = schema[kind];
  return fieldLines(shown, isMap(meanings) ? meanings : {}, '');
}

/** Long lists of hashes say nothing to people: how many pages there are does. */
const PAGES: Readonly<Record<string, Readonly<Record<string, (value: Plain) => Plain>>>> = {
  memory: { regions: (value) => (Array.isArray(value) ? Object.fromEntries(value.map(regionOf)) : value) },
  disk: { groups: pagesIn },
  image: { pieces: (value) => (Array.isArray(value) ? `${value.length} of them` : value) },
  history: { contents: spaces, none: spaces, same: spaces, vcpus: countOf, devices: countOf },
};

function regionOf(region: Plain): [string, Plain] {
  const { name = null, pages = null, groups = null } = isMap(region) ? region : {};
  return [String(name), `${pagesIn(groups)} of ${String(pages)} pages are not zeros`];
}
function spaces(value: Plain): Plain {
  if (!isMap(value)) return value;
  const told = Object.entries(value).map(([name, groups]) => `${name} ${pagesIn(groups)}`);
  return told.length > 0 ? `pages: ${told.join(', ')}` : 'no pages';
}
function pagesIn(groups: Plain): number {
  let count = 0;
  for (const group of Array.isArray(groups) ? groups : [])
    for (let mask = Array.isArray(group) ? Number(group[1]) : 0; mask > 0; mask = Math.floor(mask / 2)) count += mask % 2;
  return count;
}
function countOf(value: Plain): Plain {
  return Array.isArray(value) ? `${value.length} of them` : value;
}

function fieldLines(fields: Fields, meanings: Fields, path: string): readonly string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const meaning = Object.hasOwn(meanings, name) ? meanings[name] : undefined;
    return valueLines(value, isMap(meaning) ? meaning : {}, path === '' ? name : `${path}.${name}`);
  });
}

function valueLines(value: Plain, meaning: Fields, path: string): readonly string[] {
  const { fields = null, element = null, about = null, bits = null } = meaning;
  if (isMap(value)) return fieldLines(value, isMap(fields) ? fields : {}, path);
  if (Array.isArray(value) && value.some((item) => isMap(item) || Array.isArray(item)))
    return value.flatMap((item, index) => valueLines(item, isMap(element) ? element : {}, `${path}[${index}]`));
  const text = [shownValue(value, typeof about === 'string', WIDEST), bitsText(value, bits), typeof about === 'string' ? `(${about})` : ''];
  return [`${path.padEnd(24)} ${text.filter((part) => part !== '').join('   ')}`];
}

/** Those that are set; a table of bits may be anybody's. */
function bitsText(value: Plain, bits: Plain): string {
  const whole = Number.isSafeInteger(value) ? BigInt(value as number) : typeof value === 'string' && /^0x[0-9a-f]{1,32}$/.test(value) ? BigInt(value) : 0n;
  if (whole <= 0n || !isMap(bits)) return '';
  const set = Object.entries(bits).flatMap(([name, place]) => {
    const [low, width] = Array.isArray(place) ? place : [];
    if (typeof low !== 'number' || typeof width !== 'number' || !(low >= 0 && width > 0 && low + width <= 128)) return [];
    const part = BigInt.asUintN(width, whole >> BigInt(low));
    return part === 0n ? [] : [width === 1 ? name : `${name}=${part < 10n ? String(part) : `0x${part.toString(16)}`}`];
  });
  return set.join(' ');
}
