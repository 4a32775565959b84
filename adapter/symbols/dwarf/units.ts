/**
 * The first entry of each compilation unit in .debug_info: which line program is its own, and the
 * folder in which it was compiled, to which the file names of DWARF 2 to 4 are relative.
 */
import { Cursor } from './cursor';
import { readForm, type FormContext, type Sections } from './forms';

const DW_AT_name = 0x03;
const DW_AT_stmt_list = 0x10;
const DW_AT_comp_dir = 0x1b;
const DW_AT_str_offsets_base = 0x72;
const DW_UT_skeleton = 4;
const DW_UT_type = 2;
const DW_UT_split_compile = 5;
const DW_UT_split_type = 6;

export interface Unit {
  readonly name: string;
  readonly directory: string;
}

interface Specification {
  readonly attribute: number;
  readonly form: number;
  readonly implicit: number;
}

/** The attributes of abbreviation `code` in the table at `offset`. */
function abbreviation(section: Uint8Array, offset: number, code: number): Specification[] | undefined {
  const cursor = new Cursor(section, offset);
  for (;;) {
    const found = cursor.uleb();
    if (found === 0) return undefined;
    cursor.uleb(); // tag
    cursor.u8(); // has children
    const specifications: Specification[] = [];
    for (;;) {
      const attribute = cursor.uleb();
      const form = cursor.uleb();
      const implicit = form === 0x21 ? cursor.sleb() : 0;
      if (attribute === 0 && form === 0) break;
      specifications.push({ attribute, form, implicit });
    }
    if (found === code) return specifications;
  }
}

function readUnit(cursor: Cursor, sections: Sections, wide: boolean): [number, Unit] | undefined {
  const version = cursor.u16();
  if (version < 2 || version > 5) return undefined;
  let addressSize: number;
  let abbreviations: number;
  if (version >= 5) {
    const type = cursor.u8();
    addressSize = cursor.u8();
    abbreviations = cursor.offset(wide);
    if (type === DW_UT_skeleton || type === DW_UT_split_compile) cursor.skip(8);
    if (type === DW_UT_type || type === DW_UT_split_type) return undefined;
  } else {
    abbreviations = cursor.offset(wide);
    addressSize = cursor.u8();
  }
  const specifications = abbreviation(sections.abbreviations, abbreviations, cursor.uleb());
  if (!specifications) return undefined;
  // The base of indexed strings may come after the first of them: take it from the default place.
  const context: FormContext = { sections, wide, addressSize, version, stringOffsetsBase: wide ? 16 : 8 };
  const values = new Map<number, ReturnType<typeof readForm>>();
  const start = cursor.at;
  for (const { attribute, form, implicit } of specifications) values.set(attribute, readForm(cursor, form, context, implicit));
  const base = values.get(DW_AT_str_offsets_base);
  if (typeof base === 'number' && base !== context.stringOffsetsBase) {
    cursor.at = start;
    const again = { ...context, stringOffsetsBase: base };
    for (const { attribute, form, implicit } of specifications) values.set(attribute, readForm(cursor, form, again, implicit));
  }
  const program = values.get(DW_AT_stmt_list);
  if (program === undefined) return undefined;
  const text = (attribute: number): string => {
    const value = values.get(attribute);
    return typeof value === 'string' ? value : '';
  };
  return [Number(program), { name: text(DW_AT_name), directory: text(DW_AT_comp_dir) }];
}

/** Units by the offset of their line program. */
export function readUnits(sections: Sections): Map<number, Unit> {
  const units = new Map<number, Unit>();
  const info = new Cursor(sections.info);
  while (info.more) {
    const { length, wide } = info.unitLength();
    const end = info.at + length;
    if (end > info.end) break;
    const unit = readUnit(new Cursor(sections.info, info.at, end), sections, wide);
    if (unit && !units.has(unit[0])) units.set(unit[0], unit[1]);
    info.at = end;
  }
  return units;
}
