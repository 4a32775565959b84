/** Fields of a chunk as tables, by the schema that the file brings along. */
import type { Json } from '../../adapter/protocol/snapshot';
import { details, make } from '../dom';

/** What the schema says of a field (docs/snapshot-format.md). */
interface Meaning {
  readonly type?: string;
  readonly about?: string;
  readonly bits?: Readonly<Record<string, readonly [low: number, width: number]>>;
  readonly fields?: Schema;
  readonly element?: Meaning;
}
export type Schema = Readonly<Record<string, Meaning>>;
type JsonObject = Readonly<Record<string, Json>>;

const LONGEST = 96;
/** The order of the manuals; what is not named follows by name. */
const ORDER = [
  'general', 'flags', 'segments', 'control', 'debug', 'msr', 'x87', 'sse',
  'rip', 'rflags', 'rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp', 'cs', 'ds', 'es', 'fs', 'gs', 'ss',
]; // prettier-ignore

export const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const byOrder = (a: string, b: string): number => place(a) - place(b) || a.localeCompare(b, 'en', { numeric: true });
const place = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

/** Registers in hexadecimal digits of their width, what counts something in decimal ones. */
export function valueText(value: Json | undefined, type: string | undefined): string {
  const width = /^u(\d+)$/.exec(type ?? '')?.[1];
  if (width !== undefined && (typeof value === 'number' || (typeof value === 'string' && value.startsWith('0x')))) {
    return `0x${BigInt(value)
      .toString(16)
      .padStart(Math.ceil(Number(width) / 4), '0')}`;
  }
  if (type === 'time' && value === null) return 'never';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** One span for each part of a register, those that are not zero set off. */
function bitsOf(value: Json | undefined, bits: NonNullable<Meaning['bits']>): readonly HTMLElement[] {
  if (typeof value !== 'number' && !(typeof value === 'string' && value.startsWith('0x'))) return [];
  const number = BigInt(value);
  return Object.entries(bits)
    .sort(([, [a]], [, [b]]) => b - a)
    .map(([name, [low, width]]) => {
      const part = (number >> BigInt(low)) & ((1n << BigInt(width)) - 1n);
      return make('span', { class: part === 0n ? 'bit' : 'bit set' }, width === 1 && part === 1n ? name : `${name}=${part.toString(width > 8 ? 16 : 10)}`);
    });
}

function row(name: string, value: Json | undefined, meaning: Meaning): HTMLElement {
  const cell = make('td', { class: 'value' }, valueText(value, meaning.type));
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, name),
    cell,
    make('td', {}, ...bitsOf(value, meaning.bits ?? {})),
    make('td', { class: 'about' }, meaning.about ?? ''),
  );
}

/** Plain fields in a table; groups and lists below it, each to be opened. */
export function fieldsOf(fields: JsonObject, schema: Schema): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const table = make('table');
  const groups: HTMLElement[] = [];
  for (const name of Object.keys(fields).sort(byOrder)) {
    const [value, meaning] = [fields[name], Object.hasOwn(schema, name) ? schema[name]! : {}];
    if (isObject(value))
      groups.push(details(meaning.about === undefined ? name : `${name} – ${meaning.about}`, name === 'general', fieldsOf(value, meaning.fields ?? {})));
    else if (Array.isArray(value) && value.length > 0)
      groups.push(details(`${name} (${value.length})${meaning.about === undefined ? '' : ` – ${meaning.about}`}`, false, listOf(value, meaning.element ?? {})));
    else table.append(row(name, value, meaning));
  }
  if (table.childElementCount > 0) fragment.append(table);
  fragment.append(...groups);
  return fragment;
}

function listOf(list: readonly Json[], element: Meaning): DocumentFragment {
  const fragment = document.createDocumentFragment();
  if (list.some(isObject))
    fragment.append(...list.map((item, index) => details(String(index), false, fieldsOf(isObject(item) ? item : {}, element.fields ?? {}))));
  else fragment.append(make('table', {}, ...list.map((item, index) => row(String(index), item, element))));
  return fragment;
}
