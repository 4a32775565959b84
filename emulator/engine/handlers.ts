import { ADDRESSINGS, KINDS, SIZES, buildInstructionSet, makeForm, type Form, type InstructionSet } from '../x86/forms';
import { instructions } from '../x86/isa';

/**
 * Numbers of the interpreter's handlers. Hot forms come first and are cases of the dispatch loop;
 * the others are functions behind an indirect call.
 */
export const SPECIAL = ['end', 'break', 'fault'] as const;
export type Special = (typeof SPECIAL)[number];

export interface Handlers {
  readonly set: InstructionSet;
  /** Handler number by form id. */
  readonly numbers: readonly number[];
  /** Forms in order of their handler numbers, after the special ones. */
  readonly ordered: readonly Form[];
  /** Handlers below this number are inline. */
  readonly hot: number;
}

/** With operands in registers or memory. */
const HOT_ALWAYS = new Set(['mov', 'movzx', 'movsx', 'movsxd', 'lea', 'add', 'sub', 'and', 'or', 'xor', 'cmp', 'test', 'nop']);
const HOT_BYTES = new Set(['mov', 'and', 'or', 'cmp', 'test']);
/** What changes a place in memory. */
const HOT_UPDATES = new Set(['add', 'sub', 'inc', 'dec']);
const LEAVES_MEMORY = new Set(['mov', 'cmp', 'test', 'nop']);
/** With operands in registers. */
const HOT_REGISTERS = new Set([
  'adc', 'sbb', 'inc', 'dec', 'not', 'neg', 'imul2', 'imul3', 'shl', 'shr', 'sar', 'shr1', 'sar1', 'rol', 'ror', 'bti', 'cwd', 'cbw', 'bswap',
]); // prettier-ignore
const HOT_CONDITIONAL = /^(set|cmov)(b|ae|z|nz|s)$/;
/** Of the mode's own size. */
const HOT_NEAR = /^(push|pop|jmp|jmpi|call|calli|ret|leave|j(b|ae|z|nz|be|a|s|ns|l|ge|le|g))$/;

/** Chosen by how often they run in kernels and user programs, and so few that V8 takes care with the loop (inline-stage.ts). */
function isHot({ definition: { name }, size, kind, addressing, operands }: Form): boolean {
  if (kind === 'segmented' || addressing === 'checked' || (kind === '64' && addressing === 'flat32' && (size === 64 || HOT_NEAR.test(name)))) return false;
  const memory = operands.findIndex((o) => o.kind === 'memory');
  if (HOT_NEAR.test(name)) return size === (kind === '64' ? 64 : 32);
  if (size === 16) return name === 'mov' && memory >= 0 && operands[1]?.kind === 'register';
  if (HOT_CONDITIONAL.test(name)) return memory < 0;
  if (memory === 0 && !LEAVES_MEMORY.has(name)) return HOT_UPDATES.has(name) && size >= 32;
  if (HOT_REGISTERS.has(name)) return memory < 0 && size >= 32;
  if (name === 'movzx' && size === 64) return false;
  return HOT_ALWAYS.has(name) && (size >= 32 || HOT_BYTES.has(name));
}

export function numberHandlers(): Handlers {
  const set = buildInstructionSet(instructions);
  const ordered = [...set.forms.filter(isHot), ...set.forms.filter((form) => !isHot(form))];
  const numbers: number[] = [];
  ordered.forEach((form, index) => (numbers[form.id] = SPECIAL.length + index));
  return { set, ordered, numbers, hot: SPECIAL.length + set.forms.filter(isHot).length };
}

/** The section of the interpreter's module that says what its handlers are the handlers of. */
export const FORMS_SECTION = 'forms';
/** In each of its words: one form, by places in lists. */
const FIELDS = {
  definition: { at: 0, bits: 16 },
  encoding: { at: 16, bits: 8 },
  size: { at: 24, bits: 2 },
  kind: { at: 26, bits: 2 },
  addressing: { at: 28, bits: 2 },
} as const;

export function packForms({ ordered }: Handlers): Uint8Array {
  const places = new Map(instructions.map((definition, place) => [definition, place]));
  const words = ordered.map(({ definition, encoding, size, kind, addressing }) => {
    const values = {
      definition: places.get(definition)!,
      encoding,
      size: SIZES.indexOf(size),
      kind: KINDS.indexOf(kind),
      addressing: ADDRESSINGS.indexOf(addressing),
    };
    return Object.entries(values).reduce((word, [name, value]) => word | (value << FIELDS[name as keyof typeof FIELDS].at), 0);
  });
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** Forms by their handlers' numbers. Laying out the instruction set takes a while, and few forms are ever asked for. */
export class NumberedForms {
  private readonly made: (Form | undefined)[] = [];
  private readonly words: Uint32Array;

  /** @param section as `packForms` has made it */
  constructor(section: ArrayBuffer) {
    this.words = new Uint32Array(section);
  }

  get count(): number {
    return this.words.length;
  }

  /** Undefined for special handlers. */
  of(handler: number): Form | undefined {
    const number = handler - SPECIAL.length;
    return number < 0 ? undefined : (this.made[number] ??= this.make(number));
  }
  private make(number: number): Form {
    const field = ({ at, bits }: { readonly at: number; readonly bits: number }): number => (this.words[number]! >> at) & ((1 << bits) - 1);
    return makeForm(number, {
      definition: instructions[field(FIELDS.definition)]!,
      encoding: field(FIELDS.encoding),
      size: SIZES[field(FIELDS.size)]!,
      kind: KINDS[field(FIELDS.kind)]!,
      addressing: ADDRESSINGS[field(FIELDS.addressing)]!,
    });
  }
}
