import * as layout from '../../x86/layout';
import type { Form } from '../../x86/forms';
import { SPECIAL, type NumberedForms } from '../handlers';
import { remembersTarget } from '../targets';

/** Blocks of one region at most; guest pages that it may span. */
const MAX_BLOCKS = 128;
const MAX_INSTRUCTIONS = 1200;
const MAX_PAGES = 8;
const PAGE = 0x1000;
const LONGEST = 15;
/** The stack's pointer in the window. */
export const RSP = layout.GPR + 4 * 8;
const END = SPECIAL.indexOf('end');

/** How a block ends. Places are linear, relative to the region's first page. */
export type Terminator =
  | { readonly kind: 'jump'; readonly target: number }
  | { readonly kind: 'branch'; readonly taken: number; readonly next: number }
  | { readonly kind: 'call'; readonly target: number; readonly next: number }
  /** JMP and CALL through a register or memory; `next` follows a call, which led to `last` the last time. */
  | { readonly kind: 'indirect'; readonly next?: number; readonly last?: number }
  /** `last` only where the return is a jump: to what was just put on the stack. */
  | { readonly kind: 'return'; readonly last?: number }
  /** The last record is the interpreter's; it goes on at `next`, if anywhere known. */
  | { readonly kind: 'leave'; readonly next?: number };

/** A decoded block as a node of a region. */
export interface RegionBlock {
  /** Address of the block's header. */
  readonly header: number;
  /** Where it starts, relative to the region's first page. */
  readonly place: number;
  /** Bytes of all its instructions. */
  readonly bytes: number;
  /** Places of the pages that they lie in. */
  readonly pages: readonly number[];
  /** Instructions that are charged when it is entered. */
  readonly count: number;
  /** Instructions that are compiled; the one after them, if any, is the interpreter's. */
  readonly compiled: number;
  readonly terminator: Terminator;
}

/** What the builder asks of the engine. */
export interface RegionSource {
  readonly memory: DataView;
  readonly forms: NumberedForms;
  /** The decoded block at a place relative to the region's first page, or 0. */
  find(place: number): number;
  /** Such a place, of a linear address; undefined where that is too far off. */
  placeOf(linear: bigint): number | undefined;
}

export function formOf(source: Pick<RegionSource, 'memory' | 'forms'>, record: number): Form | undefined {
  return source.forms.of(source.memory.getUint16(record + layout.REC_HANDLER, true));
}

/** Instructions that only the interpreter runs: host functions, and those that change what the TLB's set is. */
const APART: ReadonlySet<string> = new Set(['clac', 'stac']);
const PORT_STRINGS: ReadonlySet<string> = new Set(['ins', 'outs']);
const CONDITIONAL = /^(j.{1,2}|loop|loope|loopne|jcxz)$/;

function isApart({ memory }: Pick<RegionSource, 'memory'>, form: Form, record: number): boolean {
  const { attributes } = form;
  if (form.kind === 'segmented' || APART.has(form.definition.name)) return true;
  if (attributes.has('string')) return !isSimpleString(memory, form, record);
  // A near branch of 16 bits cuts its target: rare enough for the interpreter.
  if (attributes.has('near')) return form.size === 16;
  return attributes.has('ends') && !attributes.has('apart');
}

/** Not repeated, not of a port, and with addresses as those of any other instruction. */
function isSimpleString(memory: DataView, form: Form, record: number): boolean {
  const segment = memory.getUint8(record + layout.REC_MEM) & 7;
  const addressSize = (memory.getUint8(record + layout.REC_MEM) >> 4) & 3;
  const repeated = (memory.getUint8(record + layout.REC_SIZE) & 0xc) !== 0;
  return !repeated && !PORT_STRINGS.has(form.definition.name) && segment < layout.FS && addressSize > 0;
}

/** Whether control is the instruction's own affair: behind others that end a block, a mark leads on. */
export const endsBlock = ({ attributes }: Form): boolean => attributes.has('near');

/** Reads a decoded block. */
export function readBlock(source: RegionSource, header: number, place: number): RegionBlock {
  const { memory } = source;
  const count = memory.getUint32(header + layout.BLOCK_COUNT, true);
  const page = place - (place & (PAGE - 1));
  const crosses = memory.getUint32(header + layout.BLOCK_CROSSING, true) !== 0;
  const block = {
    header,
    place,
    bytes: bytesOf(memory, header, count, place & (PAGE - 1)),
    pages: crosses ? [page, page + PAGE] : [page],
    count,
  };
  for (let i = 0; i < count; i++) {
    const record = header + layout.RECORD_SIZE * (i + 1);
    const form = formOf(source, record);
    const field = memory.getUint16(record + layout.REC_OFFSET, true);
    const next = page + (field & (PAGE - 1)) + (field >> 12);
    if (!form || isApart(source, form, record)) return { ...block, compiled: i, terminator: { kind: 'leave', ...(form && { next }) } };
    if (endsBlock(form)) {
      const target = page + Number(memory.getBigInt64(record + layout.REC_IMM, true));
      return { ...block, compiled: i + 1, terminator: terminatorOf(form, target, next, lastTarget(source, form, record, i)) };
    }
  }
  const last = header + layout.RECORD_SIZE * (count + 1);
  if (memory.getUint16(last + layout.REC_HANDLER, true) !== END) return { ...block, compiled: count, terminator: { kind: 'leave' } };
  const target = page + Number(memory.getBigInt64(last + layout.REC_IMM, true));
  return { ...block, compiled: count, terminator: { kind: 'jump', target } };
}

/** What can't be decoded depends on all the bytes that it might have. */
function bytesOf(memory: DataView, header: number, count: number, start: number): number {
  if (!count) return LONGEST;
  const field = memory.getUint16(header + layout.RECORD_SIZE * count + layout.REC_OFFSET, true);
  return (field & (PAGE - 1)) - start + (field >> 12 || LONGEST);
}

/** Where instruction `number` of a block led the last time, if that says where it will lead. */
function lastTarget(source: RegionSource, form: Form, record: number, number: number): number | undefined {
  if (!remembersTarget(form)) return undefined;
  // A return leads behind its call, but for one that jumps to what was just put on the stack.
  if (form.definition.name === 'ret' && (number === 0 || !writesStackTop(source, record - layout.RECORD_SIZE))) return undefined;
  return source.placeOf(source.memory.getBigUint64(record + layout.REC_TARGET, true));
}
function writesStackTop(source: RegionSource, record: number): boolean {
  const { memory } = source;
  const form = formOf(source, record);
  const top = memory.getUint16(record + layout.REC_BASE, true) === RSP && memory.getUint16(record + layout.REC_INDEX, true) === layout.ZERO;
  return form?.definition.name === 'mov' && form.operands[0]?.kind === 'memory' && top && memory.getInt32(record + layout.REC_DISP, true) === 0;
}

function terminatorOf(form: Form, target: number, next: number, last: number | undefined): Terminator {
  const { name } = form.definition;
  const direct = form.operands.some((o) => o.kind === 'relative');
  switch (name) {
    case 'jmp':
      return { kind: 'jump', target };
    case 'call':
      return { kind: 'call', target, next };
    case 'calli':
      return { kind: 'indirect', next, ...(last !== undefined && { last }) };
    case 'ret':
      return { kind: 'return', ...(last !== undefined && { last }) };
    default:
      return direct && CONDITIONAL.test(name) ? { kind: 'branch', taken: target, next } : { kind: 'indirect' };
  }
}

/** Places that a block leads to by itself, likeliest first. */
export function placesAfter({ terminator: t }: RegionBlock): readonly number[] {
  switch (t.kind) {
    case 'jump':
      return [t.target];
    case 'branch':
      return [t.taken, t.next];
    case 'call':
      return [t.target, t.next];
    case 'indirect':
      return [t.last, t.next].filter((place) => place !== undefined);
    case 'leave':
      return t.next === undefined ? [] : [t.next];
    case 'return':
      return t.last === undefined ? [] : [t.last];
  }
}

/**
 * The blocks that are reached from a hot one, by breadth. `near` are more places to try, such as the targets of
 * a jump table.
 */
export function collect(source: RegionSource, header: number, place: number, near: (block: RegionBlock) => readonly number[]): RegionBlock[] {
  const blocks: RegionBlock[] = [];
  const seen = new Set<number>([place]);
  const pages = new Set<number>();
  const queue: { place: number; header: number }[] = [{ place, header }];
  let instructions = 0;
  for (let item = queue.shift(); item && blocks.length < MAX_BLOCKS && instructions < MAX_INSTRUCTIONS; item = queue.shift()) {
    const block = readBlock(source, item.header, item.place);
    // One that goes on in another page is looked at when it is its turn.
    if (block.pages.some((page) => !pages.has(page)) && pages.size >= MAX_PAGES) continue;
    for (const page of block.pages) pages.add(page);
    blocks.push(block);
    instructions += block.compiled;
    for (const next of [...placesAfter(block), ...near(block)]) {
      if (seen.has(next)) continue;
      seen.add(next);
      const found = source.find(next);
      if (found) queue.push({ place: next, header: found });
    }
  }
  return blocks;
}
