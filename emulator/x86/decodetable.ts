/**
 * The table that the decoder works with: what it needs to know of the encodings, in the machine's memory at
 * DECODE_TABLE. Plain integer constants only: this file is compiled by TypeScript and by AssemblyScript.
 */

// By map × 256 + opcode: u16 number of the first candidate, u16 how many. Maps: 1, 0F, 0F38, 0F3A.
export const OPCODES = 0x0;
// u16: encodings, the most specific of an opcode first.
export const CANDIDATES = 0x1000;
export const CANDIDATES_END = 0x3000;
// By number of the encoding.
export const ENCODINGS = 0x4000;
export const ENCODINGS_END = 0xc000;
export const ENCODING_SIZE = 24;
// u16 handlers by number of the encoding, size, CodeKind and addressing; NO_HANDLER where there is no such form.
export const FORMS = 0xc000;
export const FORMS_OF_ENCODING = 48;
export const NO_HANDLER = 0xffff;

// An encoding.
export const ENC_FLAGS = 0; // u32: FLAG_
export const ENC_PREFIX = 4; // u8: PREFIX_
export const ENC_MODRM = 5; // u8: what ModRM.reg must be, MODRM_REGISTER or MODRM_NONE
export const ENC_MODRM_BYTE = 6; // u16: what ModRM must be, or ANY_BYTE
export const ENC_LETTERS = 8; // 3 × u8: LETTER_
export const ENC_WIDTHS = 11; // 3 × u8: WIDTH_; of a fixed register its number
export const ENC_SIZES = 14; // u8: bit log2 of operand size in bytes
export const ENC_FEATURE = 15; // u8: FEATURE_
export const ENC_OPERANDS = 16; // u8: how many

export const FLAG_I64 = 1; // invalid in 64-bit mode
export const FLAG_ONLY64 = 2;
export const FLAG_MEM = 4;
export const FLAG_MOD3 = 8;
export const FLAG_W0 = 0x10;
export const FLAG_W1 = 0x20;
export const FLAG_NOP90 = 0x40;
export const FLAG_O64 = 0x80;
export const FLAG_NEAR = 0x100;
export const FLAG_REGONLY = 0x200;
export const FLAG_STRING = 0x400;
export const FLAG_LOCK = 0x800;
export const FLAG_REP = 0x1000;
export const FLAG_ENDS = 0x2000;
export const FLAG_APART = 0x4000;
/** Two immediates: the second is a byte. */
export const FLAG_ENTER = 0x8000;

export const PREFIX_ANY = 0;
export const PREFIX_NP = 1;
export const PREFIX_66 = 2;
export const PREFIX_F3 = 3;
export const PREFIX_F2 = 4;

export const MODRM_REGISTER = 8;
export const MODRM_NONE = 9;
export const ANY_BYTE = 0xffff;

// Operands, by the letters of definition.ts.
export const LETTER_E = 0;
export const LETTER_G = 1;
export const LETTER_R = 2;
export const LETTER_Z = 3;
export const LETTER_FIXED = 4;
export const LETTER_V = 5;
export const LETTER_W = 6;
export const LETTER_U = 7;
export const LETTER_P = 8;
export const LETTER_Q = 9;
export const LETTER_N = 10;
export const LETTER_S = 11;
export const LETTER_C = 12;
export const LETTER_D = 13;
export const LETTER_M = 14;
export const LETTER_O = 15;
export const LETTER_B = 16;
export const LETTER_Y = 17;
export const LETTER_A = 18;
export const LETTER_I = 19;
export const LETTER_J = 20;

// Sizes of operands, as far as decoding depends on them.
export const WIDTH_OTHER = 0;
export const WIDTH_BYTE = 1;
export const WIDTH_BYTE_SIGNED = 2; // Ibs
export const WIDTH_WORD = 3; // w
export const WIDTH_FULL = 4; // v

// What of CR0 and CR4 the instruction depends on.
export const FEATURE_NONE = 0;
export const FEATURE_X87 = 1;
export const FEATURE_MMX = 2;
export const FEATURE_VECTOR = 3;

export const KIND_64 = 0;
export const KIND_FLAT32 = 1;
export const KIND_SEGMENTED = 2;

export const ADDRESSING_NONE = 0;
export const ADDRESSING_FLAT64 = 1;
export const ADDRESSING_FLAT32 = 2;
export const ADDRESSING_CHECKED = 3;
