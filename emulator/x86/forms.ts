import { operandBits, parseEncoding, type Definition, type Encoding, type OperandSpec } from './definition';
import type { CodeKind, Operand, OperandKind, Size } from './stage';

/**
 * How a memory operand's linear address is made:
 *   flat64     64-bit addresses; the segment base is added
 *   flat32     32-bit addresses in flat segments
 *   checked    everything else: the helper checks limits, types and wraps
 */
export type Addressing = 'none' | 'flat64' | 'flat32' | 'checked';

export const SIZES: readonly Size[] = [8, 16, 32, 64];
export const KINDS: readonly CodeKind[] = ['64', 'flat32', 'segmented'];
export const ADDRESSINGS: readonly Addressing[] = ['none', 'flat64', 'flat32', 'checked'];

/** One concrete shape of an instruction; each has one handler. */
export interface Form {
  readonly id: number;
  readonly key: string;
  readonly definition: Definition;
  /** Which of the definition's encodings it was made from. */
  readonly encoding: number;
  readonly size: Size;
  readonly kind: CodeKind;
  readonly addressing: Addressing;
  readonly operands: readonly Operand[];
  readonly attributes: ReadonlySet<string>;
}

/** An encoding with the forms it can take, by `formIndex`. */
export interface DecodedEncoding extends Encoding {
  readonly sizes: readonly Size[];
  readonly forms: readonly (Form | undefined)[];
}

export const formIndex = (size: Size, kind: CodeKind, addressing: Addressing): number =>
  (SIZES.indexOf(size) * KINDS.length + KINDS.indexOf(kind)) * ADDRESSINGS.length + ADDRESSINGS.indexOf(addressing);

export interface InstructionSet {
  readonly encodings: readonly DecodedEncoding[];
  readonly forms: readonly Form[];
}

/** Operand sizes that an encoding has forms for. */
function sizesOf(encoding: Encoding): readonly Size[] {
  const widths = encoding.operands.map((o) => o.width);
  if (encoding.attributes.has('b')) return [8];
  if (encoding.attributes.has('v') || widths.some((w) => w === 'v' || w === 'z')) return [16, 32, 64];
  if (widths.includes('y')) return [32, 64];
  const first = encoding.operands.find((o) => 'EGZMRO'.includes(o.letter) || o.letter === 'fixed')?.width;
  return [first === 'b' ? 8 : first === 'w' ? 16 : first === 'q' ? 64 : 32];
}

function operandKind(spec: OperandSpec, memory: boolean): OperandKind {
  switch (spec.letter) {
    case 'E':
      return memory ? 'memory' : 'register';
    case 'W':
      return memory ? 'memory' : 'vector';
    case 'Q':
      return memory ? 'memory' : 'mmx';
    case 'M':
    case 'O':
    case 'B':
    case 'Y':
      return 'memory';
    case 'I':
    case 'A':
      return 'immediate';
    case 'J':
      return 'relative';
    case 'V':
    case 'U':
      return 'vector';
    case 'P':
    case 'N':
      return 'mmx';
    case 'S':
      return 'segment';
    case 'C':
    case 'D':
      return 'control';
    default:
      return 'register';
  }
}

/** Whether the encoding can have a memory operand, a register in its place, or both. */
function memoryChoices(encoding: Encoding): readonly boolean[] {
  const letters = encoding.operands.map((o) => o.letter);
  if (letters.some((l) => l === 'M' || l === 'O' || l === 'B' || l === 'Y')) return [true];
  if (!letters.some((l) => l === 'E' || l === 'W' || l === 'Q')) return [false];
  if (encoding.attributes.has('mod3')) return [false];
  return encoding.attributes.has('mem') ? [true] : [false, true];
}

function operandsOf(encoding: Encoding, size: Size, memory: boolean): Operand[] {
  return encoding.operands
    .filter((spec) => spec.letter !== 'one')
    .map((spec, index) => {
      const kind = operandKind(spec, memory);
      // Sign-extended immediates have the form's size.
      const extended = kind === 'immediate' && ['bs', 'z', 'v'].includes(spec.width);
      return { kind, index, size: extended ? size : operandBits(spec.width, size) };
    });
}

type Shape = Pick<Form, 'definition' | 'encoding' | 'size' | 'kind' | 'addressing'>;

/** One form by itself: `parsed` is its encoding. */
export function makeForm(id: number, shape: Shape, parsed = parseEncoding(shape.definition, shape.definition.encodings[shape.encoding]!)): Form {
  const { definition, encoding, size, kind, addressing } = shape;
  const operands = operandsOf(parsed, size, addressing !== 'none');
  const key = `${definition.name}.${size} ${operands.map((o) => `${o.kind}${o.size}`).join(',')} ${kind} ${addressing}`;
  return { id, key, definition, encoding, size, kind, addressing, operands, attributes: parsed.attributes };
}

/** All forms of the given definitions, each shape once, whatever encodings lead to it. */
export function buildInstructionSet(definitions: readonly Definition[]): InstructionSet {
  const forms: Form[] = [];
  const byKey = new Map<string, Form>();
  const encodings = definitions.flatMap((definition) =>
    definition.encodings.map((text, number): DecodedEncoding => {
      const encoding = parseEncoding(definition, text);
      const sizes = sizesOf(encoding);
      const table: (Form | undefined)[] = [];
      for (const size of sizes)
        for (const memory of memoryChoices(encoding))
          for (const kind of encoding.attributes.has('kind') ? KINDS : (['64'] as const))
            for (const addressing of memory ? (['flat64', 'flat32', 'checked'] as const) : (['none'] as const)) {
              if (encoding.attributes.has('kind') && kind === '64' && addressing === 'flat32') continue;
              if (kind !== '64' && size === 64) continue;
              const made = makeForm(forms.length, { definition, encoding: number, size, kind, addressing }, encoding);
              const form = byKey.get(made.key) ?? made;
              if (form.definition !== definition) throw new Error(`two definitions of ${made.key}`);
              if (form === made) {
                byKey.set(made.key, form);
                forms.push(form);
              }
              const kinds = encoding.attributes.has('kind') ? [kind] : KINDS;
              for (const k of kinds) table[formIndex(size, k, addressing)] = form;
            }
      return { ...encoding, sizes, forms: table };
    }),
  );
  return { encodings, forms };
}
