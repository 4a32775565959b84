/** Line number programs, DWARF 2 to 5 (DWARF5 chapter 6.2): run into rows of address, file and line. */
import { posix } from 'node:path';
import { Cursor } from './cursor';
import { readForm, type FormContext, type Sections } from './forms';
import { readUnits, type Unit } from './units';

export interface Row {
  readonly address: bigint;
  /** Index into the caller's files. */
  readonly file: number;
  readonly line: number;
  readonly column: number;
  readonly statement: boolean;
  /** The first address behind a sequence of rows. */
  readonly end: boolean;
}

export interface RowSink {
  /** Number of a source file, by its path as compiled. */
  file(path: string): number;
  row(row: Row): void;
}

const DW_LNCT_path = 1;
const DW_LNCT_directory_index = 2;

interface Header {
  readonly version: number;
  readonly minimumLength: number;
  readonly statementDefault: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly operandCounts: readonly number[];
  readonly addressSize: number;
  readonly directories: readonly string[];
  /** Paths; DWARF 5 counts them from 0, earlier versions from 1. */
  readonly files: string[];
}

const absolute = (directory: string, name: string): string =>
  name.startsWith('/') || /^[A-Za-z]:[\\/]/.test(name) || directory === '' ? posix.normalize(name) : posix.join(directory, name);

/** DWARF 5: a table of entries that describes its own format. */
function entryTable(cursor: Cursor, context: FormContext): { path: string; directory: number }[] {
  const formats = Array.from({ length: cursor.u8() }, () => [cursor.uleb(), cursor.uleb()] as const);
  const count = cursor.uleb();
  if (formats.length === 0) return [];
  const entries: { path: string; directory: number }[] = [];
  for (let index = 0; index < count; index++) {
    let path = '';
    let directory = 0;
    for (const [content, form] of formats) {
      const value = readForm(cursor, form, context);
      if (content === DW_LNCT_path) path = String(value ?? '');
      else if (content === DW_LNCT_directory_index) directory = Number(value ?? 0);
    }
    entries.push({ path, directory });
  }
  return entries;
}

/** DWARF 2 to 4: folder names up to an empty one, then files with folder, time and length. */
function oldTables(cursor: Cursor, unit: Unit | undefined): Pick<Header, 'directories' | 'files'> {
  const home = unit?.directory ?? '';
  const directories = [home];
  for (let name = cursor.string(); name !== ''; name = cursor.string()) directories.push(absolute(home, name));
  const files = [absolute(home, unit?.name ?? '')];
  for (let name = cursor.string(); name !== ''; name = cursor.string()) {
    files.push(absolute(directories[cursor.uleb()] ?? home, name));
    cursor.uleb();
    cursor.uleb();
  }
  return { directories, files };
}

function readHeader(cursor: Cursor, wide: boolean, sections: Sections, unit: Unit | undefined): { header: Header; program: number } | undefined {
  const version = cursor.u16();
  if (version < 2 || version > 5) return undefined;
  const addressSize = version >= 5 ? cursor.u8() : 8;
  if (version >= 5) cursor.u8(); // segment selector size
  const length = cursor.offset(wide);
  const program = cursor.at + length;
  const minimumLength = cursor.u8();
  if (version >= 4) cursor.u8(); // operations per instruction: 1 on x86
  const statementDefault = cursor.u8() !== 0;
  const lineBase = cursor.i8();
  const lineRange = cursor.u8() || 1;
  const opcodeBase = cursor.u8();
  const operandCounts = Array.from({ length: Math.max(opcodeBase - 1, 0) }, () => cursor.u8());
  const common = { version, minimumLength, statementDefault, lineBase, lineRange, opcodeBase, operandCounts, addressSize };
  if (version < 5) return { header: { ...common, ...oldTables(cursor, unit) }, program };
  const context: FormContext = { sections, wide, addressSize, version, stringOffsetsBase: 8 };
  const home = unit?.directory ?? '';
  const directories = entryTable(cursor, context).map(({ path }) => absolute(home, path));
  const files = entryTable(cursor, context).map(({ path, directory }) => absolute(directories[directory] ?? home, path));
  return { header: { ...common, directories, files }, program };
}

/** The state machine of DWARF5 6.2.2 and 6.2.5. */
function run(cursor: Cursor, header: Header, sink: RowSink): void {
  const numbers = header.files.map((path) => sink.file(path));
  let address = 0n;
  let file = 1;
  let line = 1;
  let column = 0;
  let statement = header.statementDefault;
  const reset = (): void => {
    [address, file, line, column, statement] = [0n, 1, 1, 0, header.statementDefault];
  };
  const emit = (end: boolean): void => sink.row({ address, file: numbers[file] ?? numbers[0] ?? 0, line, column, statement, end });
  const advance = (operations: number): void => {
    address = BigInt.asUintN(64, address + BigInt(operations * header.minimumLength));
  };
  const special = (opcode: number): number => Math.floor((opcode - header.opcodeBase) / header.lineRange);

  const extended = (): void => {
    const length = cursor.uleb();
    const end = cursor.at + length;
    const opcode = length > 0 ? cursor.u8() : 0;
    if (opcode === 1) {
      emit(true);
      reset();
    } else if (opcode === 2) {
      address = cursor.address(length - 1);
    } else if (opcode === 3) {
      const name = cursor.string();
      header.files.push(absolute(header.directories[cursor.uleb()] ?? '', name));
      numbers.push(sink.file(header.files.at(-1)!));
    }
    cursor.at = end;
  };

  while (cursor.more) {
    const opcode = cursor.u8();
    if (opcode >= header.opcodeBase) {
      advance(special(opcode));
      line += header.lineBase + ((opcode - header.opcodeBase) % header.lineRange);
      emit(false);
      continue;
    }
    switch (opcode) {
      case 0:
        extended();
        break;
      case 1:
        emit(false);
        break; // copy
      case 2:
        advance(cursor.uleb());
        break; // advance_pc
      case 3:
        line += cursor.sleb();
        break; // advance_line
      case 4:
        file = cursor.uleb();
        break; // set_file
      case 5:
        column = cursor.uleb();
        break; // set_column
      case 6:
        statement = !statement;
        break; // negate_stmt
      case 7:
      case 10:
      case 11:
        break; // basic_block, prologue_end, epilogue_begin
      case 8:
        advance(special(255));
        break; // const_add_pc
      case 9:
        address += BigInt(cursor.u16());
        break; // fixed_advance_pc
      case 12:
        cursor.uleb();
        break; // set_isa
      default:
        for (let operand = header.operandCounts[opcode - 1] ?? 0; operand > 0; operand--) cursor.uleb();
    }
  }
}

/** Runs every line program; a damaged one ends alone. Returns what was wrong with those. */
export function readLines(sections: Sections, sink: RowSink): string[] {
  const problems: string[] = [];
  let units = new Map<number, Unit>();
  try {
    units = readUnits(sections);
  } catch (error) {
    problems.push(`.debug_info: ${error instanceof Error ? error.message : String(error)}`);
  }
  const lines = new Cursor(sections.line);
  while (lines.more) {
    const offset = lines.at;
    try {
      const { length, wide } = lines.unitLength();
      const end = lines.at + length;
      if (length === 0 || end > lines.end) throw new RangeError('a unit that reaches beyond the section');
      const cursor = new Cursor(sections.line, lines.at, end);
      lines.at = end;
      const found = readHeader(cursor, wide, sections, units.get(offset));
      if (!found) continue;
      cursor.at = found.program;
      run(cursor, found.header, sink);
    } catch (error) {
      problems.push(`.debug_line at 0x${offset.toString(16)}: ${error instanceof Error ? error.message : String(error)}`);
      if (lines.at <= offset + 12) break;
    }
  }
  return problems;
}
