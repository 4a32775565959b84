/** What is in a snapshot, part by part. */
import type { Json, SnapshotChunk, SnapshotContents } from '../../adapter/protocol/snapshot';
import { make, section } from '../dom';
import { fieldsOf, isObject, type Schema } from './fields';

const DEVICE = 'device.';
const MEGABYTE = 1 << 20;
const MOST_EVENTS = 2000;

const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);
const number = (value: Json | undefined): number => (typeof value === 'number' ? value : 0);
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const sizeText = (bytes: number): string => (bytes < MEGABYTE ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / MEGABYTE).toFixed(1)} MB`);

export function table(headings: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const head = make('tr', {}, ...headings.map((heading) => make('th', { scope: 'col' }, heading)));
  return make('table', {}, head, ...rows.map((cells) => make('tr', {}, ...cells.map((cell) => make('td', { class: 'value' }, cell)))));
}

const bitsIn = (mask: number): number => mask.toString(2).replaceAll('0', '').length;
/** Groups are `[index, mask, hash]`. */
const pagesIn = (groups: Json | undefined): number => list(groups).reduce((sum: number, group) => sum + bitsIn(number(list(group)[1])), 0);

export function sectionsOf(
  { id, format, producer, parent, blobs, chunks }: SnapshotContents,
  screen: HTMLElement,
  map: HTMLElement,
  memory: HTMLElement,
): readonly HTMLElement[] {
  const of = (kind: string): readonly SnapshotChunk[] => chunks.filter((chunk) => chunk.kind === kind);
  const one = (kind: string): SnapshotChunk['fields'] => of(kind)[0]?.fields ?? {};
  const schema = one('schema') as unknown as Readonly<Record<string, Schema>>;
  const machine = one('machine');
  const position = number(machine['position']);
  const clock = isObject(machine['clock']) ? machine['clock'] : {};
  const seconds = (position * 4 + number(clock['offset'])) / 1e9;
  const facts = table(
    ['', ''],
    [
      ['Position', `${position.toLocaleString('en')} instructions`],
      ['Virtual time', `${seconds.toFixed(6)} s`],
      ['Written by', `${producer}, format ${format}`],
      ['Identity', id],
      ['Parent', parent ? `${parent.name} (${parent.id})` : 'none'],
      ['Contents', `${sizeText(blobs.unpacked)} in ${blobs.count} pieces, ${sizeText(blobs.bytes)} in the file`],
    ],
  );
  const devices = chunks.filter(({ kind }) => kind.startsWith(DEVICE));
  const regions = list(one('memory')['regions']).map((region) => (isObject(region) ? region : {}));
  const events = list(one('journal')['events']).map((event) => (isObject(event) ? event : {}));
  return [
    section('Machine', true, facts, fieldsOf(one('configuration'), {})),
    screen,
    ...of('vcpu').map(({ instance, fields }) => section(`vCPU ${instance}`, instance === '0', fieldsOf(fields, schema['vcpu'] ?? {}))),
    ...devices.map(({ kind, instance, fields }) => section(`${instance} (${kind.slice(DEVICE.length)})`, false, fieldsOf(fields, schema[kind] ?? {}))),
    section(
      'Memory',
      true,
      table(
        ['Region', 'Size', 'Pages with contents'],
        regions.map(({ name, pages, groups }) => [text(name), sizeText(number(pages) * 4096), pagesIn(groups).toLocaleString('en')]),
      ),
      memory,
    ),
    map,
    ...of('disk').map(({ instance, fields }) => section(`Disk ${instance}`, false, table(['', ''], [['Size', sizeText(number(fields['size']))], ['Pages written', String(pagesIn(fields['groups']))]]))), // prettier-ignore
    section('Images', false, table(['Image', 'Name', 'Size'], of('image').map(({ instance, fields }) => [instance, text(fields['name']), sizeText(number(fields['size']))]))), // prettier-ignore
    section(`History (${of('history').length} checkpoints)`, false, history(of('history')), ...stops(list(one('chronicle')['stops']))),
    section(`Journal (${events.length} events)`, false, journal(events)),
  ];
}

const history = (checkpoints: readonly SnapshotChunk[]): HTMLElement =>
  table(
    ['Position', 'Virtual time', 'Name', 'Kept'],
    checkpoints.map(({ fields }) => {
      const machine = isObject(fields['machine']) ? fields['machine'] : {};
      const time = `${(number(fields['time']) / 1e9).toFixed(6)} s`;
      return [number(machine['position']).toLocaleString('en'), time, text(fields['name']), fields['kept'] === true ? 'yes' : ''];
    }),
  );

const stops = (told: readonly Json[]): readonly HTMLElement[] => {
  const rows = told.map((stop) => (isObject(stop) ? stop : {}));
  const cells = rows.map(({ position, time, text: what }) => [number(position).toLocaleString('en'), `${(number(time) / 1e9).toFixed(6)} s`, text(what)]);
  return cells.length > 0 ? [table(['Position', 'Virtual time', 'Stop'], cells)] : [];
};

const journal = (events: readonly { readonly [name: string]: Json }[]): HTMLElement =>
  table(
    ['Position', 'Event', ''],
    events.slice(0, MOST_EVENTS).map(({ position, kind, ...rest }) => [number(position).toLocaleString('en'), text(kind), JSON.stringify(rest)]),
  );
