import type { Field, FieldTable, StateOf } from '../bus/fields';

/** Bytes of a canonical encoding: little-endian, in the order of the tables, lengths where they vary. */
export class Encoder {
  private bytes = new Uint8Array(4096);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  private room(length: number): number {
    const { at } = this;
    if (at + length > this.bytes.length) {
      const wider = new Uint8Array(Math.max(this.bytes.length * 2, at + length));
      wider.set(this.bytes);
      this.bytes = wider;
      this.view = new DataView(wider.buffer);
    }
    this.at += length;
    return at;
  }

  u8(value: number): void {
    const at = this.room(1);
    this.view.setUint8(at, value);
  }
  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }
  u64(value: bigint): void {
    const at = this.room(8);
    this.view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }
  f64(value: number): void {
    const at = this.room(8);
    this.view.setFloat64(at, value, true);
  }
  /** A number of so many bits. */
  wide(value: bigint, width: number): void {
    for (let rest = value, left = Math.ceil(width / 8); left > 0; left--, rest >>= 8n) this.u8(Number(rest & 0xffn));
  }
  raw(bytes: ArrayLike<number>): void {
    this.u32(bytes.length);
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }
  text(text: string): void {
    this.raw(new TextEncoder().encode(text));
  }

  field(field: Field, value: unknown): void {
    switch (field.kind) {
      case 'u8':
        return this.u8(value as number);
      case 'u16':
      case 'u32':
        return this.u32(value as number);
      case 'u64':
        return this.u64(value as bigint);
      case 'bool':
        return this.u8(value ? 1 : 0);
      case 'time':
        return this.f64(value as number);
      case 'choice':
        return this.text(value as string);
      case 'bytes':
      case 'buffer':
        return this.raw(value as Uint8Array);
      case 'queue':
        return this.raw(value as number[]);
      case 'list':
        return (value as unknown[]).forEach((item) => this.field(field.element, item));
      case 'group':
        return this.table(field.fields, value as StateOf<FieldTable>);
    }
  }

  table(table: FieldTable, state: StateOf<FieldTable>): void {
    for (const [name, field] of Object.entries(table)) this.field(field, state[name]);
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }
}

/** A copy of a field's value that shares nothing with it that changes. */
export function copyValue(field: Field, value: unknown): unknown {
  switch (field.kind) {
    case 'bytes':
      return Uint8Array.from(value as Uint8Array);
    case 'queue':
      return [...(value as number[])];
    case 'list':
      return (value as unknown[]).map((item) => copyValue(field.element, item));
    case 'group':
      return copyState(field.fields, value as StateOf<FieldTable>);
    default:
      return value;
  }
}

export function copyState(table: FieldTable, state: StateOf<FieldTable>): StateOf<FieldTable> {
  const copy: Record<string, unknown> = {};
  for (const name in table) copy[name] = copyValue(table[name]!, state[name]);
  return copy as StateOf<FieldTable>;
}
