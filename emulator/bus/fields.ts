/**
 * A device describes itself once: one table of fields per device, beside its code.
 * Save and restore, the Variables view, set-variable and the state hash all read this table.
 *
 *   const table = fields({
 *     ier: u8('Interrupt Enable Register', {
 *       ERBFI: bit(0, 'Received Data Available'),
 *       ...
 *     }),
 *     deadline: time('When the counter next reaches its end'),
 *   });
 *   class Uart implements Device { readonly table = table; readonly state = initial(table); }
 */

/** A named range of bits inside a register. */
export interface BitField {
  readonly low: number;
  readonly width: number;
  readonly about: string;
  /** Names of values, where the datasheet gives them. */
  readonly values?: Readonly<Record<number, string>>;
}
export type BitTable = Readonly<Record<string, BitField>>;

export const bit = (low: number, about: string): BitField => ({ low, width: 1, about });
export const bits = (high: number, low: number, about: string, values?: Readonly<Record<number, string>>): BitField => ({
  low,
  width: high - low + 1,
  about,
  ...(values && { values }),
});

interface Scalar<Kind extends string, Value> {
  readonly kind: Kind;
  readonly about: string;
  readonly initial: Value;
  readonly bits?: BitTable;
}
export type U8 = Scalar<'u8', number>;
export type U16 = Scalar<'u16', number>;
export type U32 = Scalar<'u32', number>;
export type U64 = Scalar<'u64', bigint>;
export type Bool = Scalar<'bool', boolean>;
/** A virtual time in nanoseconds; Infinity where nothing is due. */
export type Time = Scalar<'time', number>;
/** One of a fixed list of words: the state of a state machine. */
export interface Choice<Word extends string> extends Scalar<'choice', Word> {
  readonly words: readonly Word[];
}
/** Fixed number of bytes. */
export interface Bytes {
  readonly kind: 'bytes';
  readonly about: string;
  readonly length: number;
}
/** Fixed number of equal elements. */
export interface List<Element extends Field> {
  readonly kind: 'list';
  readonly about: string;
  readonly length: number;
  readonly element: Element;
}
/** At most `capacity` bytes, first in first out. */
export interface Queue {
  readonly kind: 'queue';
  readonly about: string;
  readonly capacity: number;
}
/** At most `capacity` bytes. The array is replaced and never changed: checkpoints share it. */
export interface Buffer {
  readonly kind: 'buffer';
  readonly about: string;
  readonly capacity: number;
}
export interface Group<Table extends FieldTable> {
  readonly kind: 'group';
  readonly about: string;
  readonly fields: Table;
}

export type Field = U8 | U16 | U32 | U64 | Bool | Time | Choice<string> | Bytes | List<Field> | Queue | Buffer | Group<FieldTable>;
export interface FieldTable {
  readonly [name: string]: Field;
}

export type ValueOf<F extends Field> = F extends { kind: 'choice'; words: readonly (infer W)[] }
  ? W
  : F extends { kind: 'u8' | 'u16' | 'u32' | 'time' }
    ? number
    : F extends U64
      ? bigint
      : F extends Bool
        ? boolean
        : F extends Bytes | Buffer
          ? Uint8Array
          : F extends { kind: 'list'; element: infer E extends Field }
            ? ValueOf<E>[]
            : F extends Queue
              ? number[]
              : F extends { kind: 'group'; fields: infer T extends FieldTable }
                ? StateOf<T>
                : never;
export type StateOf<Table extends FieldTable> = { -readonly [Name in keyof Table]: ValueOf<Table[Name]> };

const scalar = <Kind extends string, Value>(kind: Kind, about: string, initial: Value, bitTable?: BitTable): Scalar<Kind, Value> => ({
  kind,
  about,
  initial,
  ...(bitTable && { bits: bitTable }),
});

export const u8 = (about: string, bitTable?: BitTable, start = 0): U8 => scalar('u8', about, start, bitTable);
export const u16 = (about: string, bitTable?: BitTable, start = 0): U16 => scalar('u16', about, start, bitTable);
export const u32 = (about: string, bitTable?: BitTable, start = 0): U32 => scalar('u32', about, start, bitTable);
export const u64 = (about: string, bitTable?: BitTable, start = 0n): U64 => scalar('u64', about, start, bitTable);
export const bool = (about: string, start = false): Bool => scalar('bool', about, start);
export const time = (about: string, start = Infinity): Time => scalar('time', about, start);
export const choice = <const Word extends string>(about: string, words: readonly Word[]): Choice<Word> => ({
  kind: 'choice',
  about,
  words,
  initial: words[0]!,
});
export const bytes = (length: number, about: string): Bytes => ({ kind: 'bytes', about, length });
export const list = <Element extends Field>(length: number, about: string, element: Element): List<Element> => ({
  kind: 'list',
  about,
  length,
  element,
});
export const queue = (capacity: number, about: string): Queue => ({ kind: 'queue', about, capacity });
export const buffer = (capacity: number, about: string): Buffer => ({ kind: 'buffer', about, capacity });
export const group = <Table extends FieldTable>(about: string, table: Table): Group<Table> => ({
  kind: 'group',
  about,
  fields: table,
});
export const fields = <Table extends FieldTable>(table: Table): Table => table;

/** What a field that was never written has; fresh each time. */
export function initialValue(field: Field): unknown {
  switch (field.kind) {
    case 'bytes':
      return new Uint8Array(field.length);
    case 'list':
      return Array.from({ length: field.length }, () => initialValue(field.element));
    case 'queue':
      return [];
    case 'buffer':
      return new Uint8Array(0);
    case 'group':
      return initial(field.fields);
    default:
      return field.initial;
  }
}

/** A fresh state in which every field has its initial value. */
export function initial<Table extends FieldTable>(table: Table): StateOf<Table> {
  const state: Record<string, unknown> = {};
  for (const name in table) state[name] = initialValue(table[name]!);
  return state as StateOf<Table>;
}

/** Puts every field of `state` back to its initial value, in place. */
export function reset<Table extends FieldTable>(table: Table, state: StateOf<Table>): void {
  Object.assign(state, initial(table));
}
