import { buildInstructionSet, type Form, type InstructionSet } from '../x86/forms';
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

const HOT_ALWAYS = new Set(['mov', 'movzx', 'lea', 'add', 'sub', 'and', 'or', 'xor', 'cmp', 'test']);
const HOT_WIDE = new Set([
  'adc', 'sbb', 'inc', 'dec', 'not', 'neg', 'imul2', 'imul3', 'movsx', 'movsxd', 'shl', 'shr', 'sar', 'shl1', 'shr1', 'sar1',
  'push', 'pop', 'jmp', 'jmpi', 'call', 'calli', 'ret', 'nop', 'leave', 'bt', 'bti', 'cwd', 'cbw',
]); // prettier-ignore
const HOT_CONDITIONAL = /^(j|set|cmov)(b|ae|z|nz|be|a|s|ns|l|ge|le|g)$/;

/** Chosen by how often they run in kernels and user programs. */
function isHot({ definition: { name }, size, kind, addressing }: Form): boolean {
  if (kind === 'segmented' || addressing === 'checked' || size === 16) return false;
  if (HOT_ALWAYS.has(name)) return true;
  if (HOT_CONDITIONAL.test(name)) return name.startsWith('j') || addressing === 'none';
  return HOT_WIDE.has(name) && size >= 32;
}

export function numberHandlers(): Handlers {
  const set = buildInstructionSet(instructions);
  const ordered = [...set.forms.filter(isHot), ...set.forms.filter((form) => !isHot(form))];
  const numbers: number[] = [];
  ordered.forEach((form, index) => (numbers[form.id] = SPECIAL.length + index));
  return { set, ordered, numbers, hot: SPECIAL.length + set.forms.filter(isHot).length };
}
