import type { Operand, Size, Stage } from './stage';

/** Emits what the instruction does; operands are the explicit ones, in order. */
export type Meaning = (s: Stage, ...operands: Operand[]) => void;

/**
 * An instruction: its encodings, in the notation of the opcode maps of SDM volume 2, and its meaning, once.
 *
 *   '[NP|66|F3|F2] opcode bytes [/r|/0…/7] operands [: attributes]'
 *
 * `+r` after the last opcode byte: the register is in its low three bits. Operands:
 *
 *   E  general register or memory   G  general register (ModRM.reg)   R  general register (ModRM.rm)
 *   Z  general register (opcode)    M  memory only                    I  immediate    J  relative branch
 *   O  memory at an absolute address   S  segment register   C, D  control, debug register
 *   V  XMM (ModRM.reg)   W  XMM or memory   U  XMM (ModRM.rm)    P, Q, N  the same for MMX
 *   B  memory at DS:[rBX] (XLAT)    Y  memory at DS:[rDI] (MASKMOVQ, MASKMOVDQU)
 *   A  far pointer       AL, rAX, CL, DX, 1 … fixed
 *
 * followed by a size: b w d q x (128) t (80)   v (16, 32, 64)   z (16, 32)   y (32, 64)
 * `Ibs`: byte immediate, sign-extended. `p`: far pointer; `` (none): an address only.
 *
 * Attributes: o64 (64-bit operands without REX.W in 64-bit mode), i64 (invalid in 64-bit mode),
 * only64, v (has forms of 16, 32, 64 bits though no operand shows it), lock (LOCK is allowed with
 * a memory destination), rep (REP prefixes are part of it), ends (ends a block), apart (what follows it begins a block: it
 * wants exact counts), kind (code or stack: one
 * form for each CodeKind), mod3 / mem (ModRM.mod is 3 / is not 3).
 */
export interface Definition {
  readonly name: string;
  readonly encodings: readonly string[];
  readonly meaning: Meaning;
  /** CPUID feature that must be advertised, where not part of x86-64's baseline. */
  readonly feature?: string;
}

export const define = (name: string, encodings: readonly string[], meaning: Meaning, feature?: string): Definition => ({
  name,
  encodings,
  meaning,
  ...(feature && { feature }),
});

/** An instruction whose work is an ordinary TypeScript function of the same name in x86/system. */
export const system = (name: string, encodings: readonly string[], feature?: string): Definition =>
  define(
    name,
    encodings.map((e) => (e.includes(' : ') ? `${e} ends` : `${e} : ends`)),
    (s) => s.host(name),
    feature,
  );

export type Prefix = 'any' | 'NP' | '66' | 'F3' | 'F2';
export type OpcodeMap = '1' | '0F' | '0F38' | '0F3A';

export interface OperandSpec {
  /** Addressing letter, or the fixed register's name. */
  readonly letter: string;
  /** Size letter; '' where only an address counts. */
  readonly width: string;
  /** Fixed register number for letter 'fixed'. */
  readonly register?: number;
  readonly text: string;
}

export interface Encoding {
  readonly definition: Definition;
  readonly text: string;
  readonly prefix: Prefix;
  readonly map: OpcodeMap;
  readonly opcode: number;
  /** Register in the low three bits of the opcode. */
  readonly plusRegister: boolean;
  /** ModRM.reg value that selects this encoding; 'r' where ModRM.reg is an operand; null: no ModRM. */
  readonly modrm: 'r' | number | null;
  /** Fixed ModRM byte after the opcode, as in 0F 01 F8. */
  readonly modrmByte?: number;
  readonly operands: readonly OperandSpec[];
  readonly attributes: ReadonlySet<string>;
}

const FIXED: Readonly<Record<string, { register: number; width: string }>> = {
  AL: { register: 0, width: 'b' },
  CL: { register: 1, width: 'b' },
  AX: { register: 0, width: 'w' },
  DX: { register: 2, width: 'w' },
  rAX: { register: 0, width: 'v' },
  EAX: { register: 0, width: 'd' },
};

function parseOperand(text: string, where: string): OperandSpec {
  const fixed = FIXED[text];
  if (fixed) return { letter: 'fixed', width: fixed.width, register: fixed.register, text };
  const match = /^([EGRZMIJOSCDVWUPQNABY])(b|bs|w|d|q|x|t|v|z|y|p|)$/.exec(text);
  if (!match && text !== '1') throw new SyntaxError(`${where}: operand '${text}'`);
  return match ? { letter: match[1]!, width: match[2]!, text } : { letter: 'one', width: '', text };
}

/** Reads one encoding string; throws a SyntaxError that quotes it. */
export function parseEncoding(definition: Definition, text: string): Encoding {
  const where = `${definition.name} "${text}"`;
  const [main, attributeText = ''] = text.split(' : ');
  const tokens = main!.trim().split(/\s+/);
  let prefix: Prefix = 'any';
  // A leading 66, F3 or F2 is a mandatory prefix only before 0F.
  if (tokens[0] === 'NP' || (['66', 'F3', 'F2'].includes(tokens[0]!) && tokens[1] === '0F')) prefix = tokens.shift() as Prefix;
  const hex: string[] = [];
  while (tokens.length && /^[0-9A-F]{2}(\+r)?$/.test(tokens[0]!)) hex.push(tokens.shift()!);
  let map: OpcodeMap = '1';
  if (hex.length > 1 && hex[0] === '0F') {
    hex.shift();
    map = '0F';
    const escape: string | undefined = hex.length > 1 ? hex[0] : undefined;
    if (escape === '38' || escape === '3A') {
      hex.shift();
      map = escape === '38' ? '0F38' : '0F3A';
    }
  }
  const code = hex.shift();
  if (!code || hex.length > 1) throw new SyntaxError(`${where}: opcode`);
  const modrmByte = hex.length ? parseInt(hex[0]!, 16) : undefined;
  let modrm: 'r' | number | null = modrmByte === undefined ? null : (modrmByte >> 3) & 7;
  if (tokens[0]?.startsWith('/')) {
    const digit = tokens.shift()!.slice(1);
    modrm = digit === 'r' ? 'r' : Number(digit);
  }
  const operands = tokens
    .join('')
    .split(',')
    .filter(Boolean)
    .map((t) => parseOperand(t, where));
  return {
    definition,
    text,
    prefix,
    map,
    opcode: parseInt(code, 16),
    plusRegister: code.endsWith('+r'),
    modrm,
    ...(modrmByte !== undefined && { modrmByte }),
    operands,
    attributes: new Set(attributeText.split(/\s+/).filter(Boolean)),
  };
}

export const WIDTH_BITS: Readonly<Record<string, number>> = { b: 8, bs: 8, w: 16, d: 32, q: 64, x: 128, t: 80, p: 0, '': 0 };

/** Bits of an operand of width letter `width` at operand size `size`. */
export function operandBits(width: string, size: Size): number {
  switch (width) {
    case 'v':
      return size;
    case 'y':
      return size === 64 ? 64 : 32;
    case 'z':
      return size === 16 ? 16 : 32;
    default:
      return WIDTH_BITS[width]!;
  }
}
