import { internalError } from '../errors';
import * as t from './decodetable';
import type { Prefix } from './definition';
import type { DecodedEncoding, InstructionSet } from './forms';

const MAPS = ['1', '0F', '0F38', '0F3A'] as const;

const PREFIXES: Readonly<Record<Prefix, number>> = { any: t.PREFIX_ANY, NP: t.PREFIX_NP, '66': t.PREFIX_66, F3: t.PREFIX_F3, F2: t.PREFIX_F2 };

// prettier-ignore
const FLAGS: Readonly<Record<string, number>> = {
  i64: t.FLAG_I64, only64: t.FLAG_ONLY64, mem: t.FLAG_MEM, mod3: t.FLAG_MOD3, w0: t.FLAG_W0, w1: t.FLAG_W1, nop90: t.FLAG_NOP90, o64: t.FLAG_O64,
  near: t.FLAG_NEAR, regonly: t.FLAG_REGONLY, string: t.FLAG_STRING, lock: t.FLAG_LOCK, rep: t.FLAG_REP, ends: t.FLAG_ENDS, apart: t.FLAG_APART,
};

// prettier-ignore
const LETTERS: Readonly<Record<string, number>> = {
  E: t.LETTER_E, G: t.LETTER_G, R: t.LETTER_R, Z: t.LETTER_Z, fixed: t.LETTER_FIXED, V: t.LETTER_V, W: t.LETTER_W, U: t.LETTER_U, P: t.LETTER_P,
  Q: t.LETTER_Q, N: t.LETTER_N, S: t.LETTER_S, C: t.LETTER_C, D: t.LETTER_D, M: t.LETTER_M, O: t.LETTER_O, B: t.LETTER_B, Y: t.LETTER_Y,
  A: t.LETTER_A, I: t.LETTER_I, J: t.LETTER_J,
};

const WIDTHS: Readonly<Record<string, number>> = { b: t.WIDTH_BYTE, bs: t.WIDTH_BYTE_SIGNED, w: t.WIDTH_WORD, v: t.WIDTH_FULL };

// prettier-ignore
const FEATURES: Readonly<Record<string, number>> = {
  x87: t.FEATURE_X87, mmx: t.FEATURE_MMX, sse: t.FEATURE_VECTOR, sse2: t.FEATURE_VECTOR, sse3: t.FEATURE_VECTOR, ssse3: t.FEATURE_VECTOR,
  'sse4.1': t.FEATURE_VECTOR, 'sse4.2': t.FEATURE_VECTOR,
};

const SIZES: readonly number[] = [8, 16, 32, 64];

/** A mandatory prefix or a fixed ModRM byte is more specific than none. */
const rank = ({ modrmByte, prefix, attributes }: DecodedEncoding): number =>
  (modrmByte !== undefined ? 4 : 0) + (prefix === 'any' ? 0 : 2) + (attributes.has('nop90') ? 1 : 0);

/** The table of decodetable.ts. `numbers` are the handlers by forms' ids. */
export function encodingTable({ encodings }: InstructionSet, numbers: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(t.FORMS + encodings.length * t.FORMS_OF_ENCODING * 2);
  const view = new DataView(bytes.buffer);
  writeCandidates(view, encodings);
  if (t.ENCODINGS + encodings.length * t.ENCODING_SIZE > t.ENCODINGS_END) throw internalError('decode-table', 'there are more encodings than room for them');
  encodings.forEach((encoding, index) => {
    writeEncoding(view, t.ENCODINGS + index * t.ENCODING_SIZE, encoding);
    for (let form = 0; form < t.FORMS_OF_ENCODING; form++) {
      const found = encoding.forms[form];
      view.setUint16(t.FORMS + (index * t.FORMS_OF_ENCODING + form) * 2, found ? numbers[found.id]! : t.NO_HANDLER, true);
    }
  });
  return bytes;
}

function writeCandidates(view: DataView, encodings: readonly DecodedEncoding[]): void {
  const lists: number[][] = Array.from({ length: MAPS.length * 256 }, () => []);
  encodings.forEach(({ map, opcode, plusRegister }, index) => {
    for (let i = 0; i < (plusRegister ? 8 : 1); i++) lists[MAPS.indexOf(map) * 256 + opcode + i]!.push(index);
  });
  let next = 0;
  lists.forEach((list, opcode) => {
    list.sort((x, y) => rank(encodings[y]!) - rank(encodings[x]!));
    view.setUint16(t.OPCODES + opcode * 4, next, true);
    view.setUint16(t.OPCODES + opcode * 4 + 2, list.length, true);
    for (const index of list) view.setUint16(t.CANDIDATES + next++ * 2, index, true);
  });
  if (t.CANDIDATES + next * 2 > t.CANDIDATES_END) throw internalError('decode-table', 'there are more opcodes than room for them');
}

function writeEncoding(view: DataView, at: number, { definition, prefix, modrm, modrmByte, operands, sizes, attributes }: DecodedEncoding): void {
  let flags = definition.name === 'enter' ? t.FLAG_ENTER : 0;
  for (const attribute of attributes) flags |= FLAGS[attribute] ?? 0;
  view.setUint32(at + t.ENC_FLAGS, flags, true);
  view.setUint8(at + t.ENC_PREFIX, PREFIXES[prefix]);
  view.setUint8(at + t.ENC_MODRM, modrm === null ? t.MODRM_NONE : modrm === 'r' ? t.MODRM_REGISTER : modrm);
  view.setUint16(at + t.ENC_MODRM_BYTE, modrmByte ?? t.ANY_BYTE, true);
  const encoded = operands.filter(({ letter }) => letter !== 'one');
  view.setUint8(at + t.ENC_OPERANDS, encoded.length);
  encoded.forEach(({ letter, width, register }, index) => {
    const number = LETTERS[letter];
    if (number === undefined) throw internalError('decode-table', `${definition.name}: operand '${letter}'`);
    view.setUint8(at + t.ENC_LETTERS + index, number);
    view.setUint8(at + t.ENC_WIDTHS + index, register ?? WIDTHS[width] ?? t.WIDTH_OTHER);
  });
  view.setUint8(
    at + t.ENC_SIZES,
    sizes.reduce((mask, size) => mask | (1 << SIZES.indexOf(size)), 0),
  );
  view.setUint8(at + t.ENC_FEATURE, FEATURES[definition.feature ?? ''] ?? t.FEATURE_NONE);
}
