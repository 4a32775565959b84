/** Attribute forms (DWARF5 7.5.6): how a value is stored. */
import { Cursor } from './cursor';

export interface Sections {
  readonly line: Uint8Array;
  readonly lineStrings: Uint8Array;
  readonly strings: Uint8Array;
  readonly info: Uint8Array;
  readonly abbreviations: Uint8Array;
  readonly stringOffsets: Uint8Array;
}

export interface FormContext {
  readonly sections: Sections;
  readonly wide: boolean;
  readonly addressSize: number;
  readonly version: number;
  /** DW_AT_str_offsets_base. */
  readonly stringOffsetsBase: number;
}

export type FormValue = number | bigint | string | undefined;

const stringAt = (section: Uint8Array, offset: number): string => new Cursor(section, offset).string();

const indexed = (context: FormContext, index: number): string => {
  const at = context.stringOffsetsBase + index * (context.wide ? 8 : 4);
  return stringAt(context.sections.strings, new Cursor(context.sections.stringOffsets, at).offset(context.wide));
};

const skipped = (cursor: Cursor, count: number): undefined => {
  cursor.skip(count);
  return undefined;
};

export function readForm(cursor: Cursor, form: number, context: FormContext, implicit = 0): FormValue {
  switch (form) {
    case 0x01:
      return cursor.address(context.addressSize); // addr
    case 0x03:
      return skipped(cursor, cursor.u16()); // block2
    case 0x04:
      return skipped(cursor, cursor.u32()); // block4
    case 0x05:
      return cursor.u16(); // data2
    case 0x06:
      return cursor.u32(); // data4
    case 0x07:
      return cursor.u64(); // data8
    case 0x08:
      return cursor.string(); // string
    case 0x09:
    case 0x18:
      return skipped(cursor, cursor.uleb()); // block, exprloc
    case 0x0a:
      return skipped(cursor, cursor.u8()); // block1
    case 0x0b:
    case 0x0c:
      return cursor.u8(); // data1, flag
    case 0x0d:
      return cursor.sleb(); // sdata
    case 0x0e:
      return stringAt(context.sections.strings, cursor.offset(context.wide)); // strp
    case 0x0f:
    case 0x15:
      return cursor.uleb(); // udata, ref_udata
    case 0x10:
      return context.version === 2 ? cursor.address(context.addressSize) : cursor.offset(context.wide); // ref_addr
    case 0x11:
      return cursor.u8(); // ref1
    case 0x12:
      return cursor.u16(); // ref2
    case 0x13:
      return cursor.u32(); // ref4
    case 0x14:
    case 0x20:
    case 0x24:
      return cursor.u64(); // ref8, ref_sig8, ref_sup8
    case 0x16:
      return readForm(cursor, cursor.uleb(), context); // indirect
    case 0x17:
      return cursor.offset(context.wide); // sec_offset
    case 0x19:
      return 1; // flag_present
    case 0x1a:
      return indexed(context, cursor.uleb()); // strx
    case 0x1b:
    case 0x22:
    case 0x23:
      return cursor.uleb(); // addrx, loclistx, rnglistx
    case 0x1c:
      return cursor.u32(); // ref_sup4
    case 0x1d:
      cursor.offset(context.wide);
      return undefined; // strp_sup
    case 0x1e:
      return skipped(cursor, 16); // data16, an MD5 sum
    case 0x1f:
      return stringAt(context.sections.lineStrings, cursor.offset(context.wide)); // line_strp
    case 0x21:
      return implicit; // implicit_const
    case 0x25:
      return indexed(context, cursor.u8()); // strx1
    case 0x26:
      return indexed(context, cursor.u16()); // strx2
    case 0x27:
      return indexed(context, cursor.u24()); // strx3
    case 0x28:
      return indexed(context, cursor.u32()); // strx4
    case 0x29:
      return cursor.u8(); // addrx1
    case 0x2a:
      return cursor.u16(); // addrx2
    case 0x2b:
      return cursor.u24(); // addrx3
    case 0x2c:
      return cursor.u32(); // addrx4
    default:
      throw new RangeError(`unknown DWARF form 0x${form.toString(16)}`);
  }
}
