/** Values of a chip's field table as CBOR, and the table itself, so that any reader can name every bit. */
import { initialValue, type Field, type FieldTable, type StateOf } from '../bus/fields';
import { asBool, asBytes, asInteger, asList, asMap, asNumber, asText, asWide, fieldsOf, fromWide, type Fields, type Value } from './cbor';
import { bad } from './format';

function valueOf(field: Field, value: unknown): Value {
  switch (field.kind) {
    case 'u64':
      return fromWide(BigInt.asUintN(64, value as bigint), 64);
    case 'time':
      // Null: never.
      return value === Infinity ? null : (value as number);
    case 'bytes':
    case 'buffer':
      return Uint8Array.from(value as Uint8Array);
    case 'queue':
      return Uint8Array.from(value as number[]);
    case 'list':
      return (value as unknown[]).map((item) => valueOf(field.element, item));
    case 'group':
      return stateToFields(field.fields, value as StateOf<FieldTable>);
    default:
      return value as Value;
  }
}

export const stateToFields = (table: FieldTable, state: StateOf<FieldTable>): Fields =>
  new Map(Object.entries(table).map(([name, field]) => [name, valueOf(field, state[name])]));

const MOST = { u8: 0xff, u16: 0xffff, u32: 0xffffffff } as const;

function fromValue(field: Field, value: Value, what: string): unknown {
  switch (field.kind) {
    case 'u8':
    case 'u16':
    case 'u32':
      return asInteger(value, what, 0, MOST[field.kind]);
    case 'u64':
      return asWide(value, what, 64);
    case 'bool':
      return asBool(value, what);
    case 'time':
      return value === null ? Infinity : asNumber(value, what);
    case 'choice': {
      const word = asText(value, what);
      if (!field.words.includes(word)) throw bad(`it is damaged: ${what} is '${word.slice(0, 40)}', none of ${field.words.join(', ')}`);
      return word;
    }
    case 'bytes':
      return Uint8Array.from(asBytes(value, what, field.length));
    case 'queue':
    case 'buffer': {
      const bytes = asBytes(value, what);
      if (bytes.length > field.capacity) throw bad(`it is damaged: ${what} has ${bytes.length} bytes of at most ${field.capacity}`);
      return field.kind === 'queue' ? [...bytes] : Uint8Array.from(bytes);
    }
    case 'list': {
      const items = asList(value, what);
      if (items.length !== field.length) throw bad(`it is damaged: ${what} has ${items.length} elements instead of ${field.length}`);
      return items.map((item, index) => fromValue(field.element, item, `${what}[${index}]`));
    }
    case 'group':
      return fieldsToState(field.fields, asMap(value, what), what);
  }
}

/** Fields that are absent have the table's initial value; others than the table's are an error. */
export function fieldsToState(table: FieldTable, values: Fields, what: string): StateOf<FieldTable> {
  for (const name of values.keys()) if (!Object.hasOwn(table, name)) throw bad(`${what} has a field '${name}', which this version does not know`);
  const state: Record<string, unknown> = {};
  for (const name in table) {
    const [field, value] = [table[name]!, values.get(name)];
    state[name] = value === undefined ? initialValue(field) : fromValue(field, value, `${what}.${name}`);
  }
  return state as StateOf<FieldTable>;
}

// ── The table ──────────────────────────────────────────────────────────────────────────────

const length = (field: Field): number | undefined =>
  field.kind === 'bytes' || field.kind === 'list' ? field.length : field.kind === 'queue' || field.kind === 'buffer' ? field.capacity : undefined;

function schemaOfField(field: Field): Fields {
  const bits = 'bits' in field ? field.bits : undefined;
  return fieldsOf({
    type: field.kind,
    about: field.about,
    length: length(field),
    words: field.kind === 'choice' ? field.words : undefined,
    bits: bits && new Map(Object.entries(bits).map(([name, { low, width }]): [string, Value] => [name, [low, width]])),
    element: field.kind === 'list' ? schemaOfField(field.element) : undefined,
    fields: field.kind === 'group' ? schemaOf(field.fields) : undefined,
  });
}

export const schemaOf = (table: FieldTable): Fields => new Map(Object.entries(table).map(([name, field]) => [name, schemaOfField(field)]));
