// Decodes one instruction into a record, by the table of decodetable.ts.
import {
  CODE_PAGE, CR0, CR2, CR3, CR4, CR8, CS, DECODE_TABLE, DR, DS, FPR, FS, GPR, GS, MEM_ABSOLUTE, MODE_64, MODE_CODE32, MODE_FLAT, MODE_NO_FPU, MODE_NO_SSE, MODE_STACK32,
  REC_A, REC_B, REC_BASE, REC_C, REC_DISP, REC_HANDLER, REC_IMM, REC_INDEX, REC_INDEX_IN_BLOCK, REC_MEM, REC_OFFSET, REC_SCALE, REC_SEGMENT, REC_SIZE,
  RECORD_SIZE, SEG_BASE, SEGMENTS, SEGMENT_SIZE, SIZE_LINKS, SS, XMM, ZERO,
} from '../../x86/layout';
import {
  ADDRESSING_CHECKED, ADDRESSING_FLAT32, ADDRESSING_FLAT64, ADDRESSING_NONE, ANY_BYTE, CANDIDATES, ENC_FEATURE, ENC_FLAGS, ENC_LETTERS, ENC_MODRM,
  ENC_MODRM_BYTE, ENC_OPERANDS, ENC_PREFIX, ENC_SIZES, ENC_WIDTHS, ENCODING_SIZE, ENCODINGS, FEATURE_VECTOR, FEATURE_X87, FLAG_ENTER, FLAG_I64, FLAG_LOCK,
  FLAG_MEM, FLAG_MOD3, FLAG_NEAR, FLAG_NOP90, FLAG_O64, FLAG_ONLY64, FLAG_REGONLY, FLAG_REP, FLAG_STRING, FLAG_W0, FLAG_W1, FORMS, FORMS_OF_ENCODING,
  KIND_64, KIND_FLAT32, KIND_SEGMENTED, LETTER_A, LETTER_B, LETTER_C, LETTER_D, LETTER_E, LETTER_FIXED, LETTER_G, LETTER_I, LETTER_J, LETTER_M, LETTER_N,
  LETTER_O, LETTER_P, LETTER_Q, LETTER_R, LETTER_S, LETTER_U, LETTER_V, LETTER_W, LETTER_Y, LETTER_Z, MODRM_NONE, MODRM_REGISTER, NO_HANDLER, OPCODES,
  PREFIX_66, PREFIX_ANY, PREFIX_F2, PREFIX_F3, PREFIX_NP, WIDTH_BYTE, WIDTH_BYTE_SIGNED, WIDTH_FULL, WIDTH_WORD,
} from '../../x86/decodetable';

// What `decode` answers.
export const DECODED: i32 = 0;
/** Bytes are missing. */
export const SHORT: i32 = 1;
export const UNDEFINED: i32 = 2;
/** More than 15 bytes: #GP. */
export const LONG: i32 = 3;
/** It can't be used now: #UD or #NM. */
export const BLOCKED_UNDEFINED: i32 = 4;
export const BLOCKED_DEVICE: i32 = 5;

const LONGEST: u32 = 15;
const NO_PLACE: u32 = 0xffffffff;
const NO_ENCODING: u32 = 0;
const RBX: u32 = 3;
const RBP: u32 = 5;
const RSI: u32 = 6;
const RDI: u32 = 7;
/** Operand sizes: log2 of bytes. */
const WORD: u32 = 1;
const DOUBLE: u32 = 2;
const QUAD: u32 = 3;
const CR0_EM: u64 = 4;
const CR0_TS: u64 = 8;

/** Of what was decoded last: its length, and the flags of its encoding. */
export let decodedLength: u32 = 0;
export let decodedFlags: u32 = 0;

// The decoding under way.
let at: u32 = 0;
let end: u32 = 0;
let short: bool = false;
let rex: u32 = 0;
let mode64: bool = false;
let memoryForm: bool = false;
/** ModRM.mod is 3; MASKMOVQ has a memory operand all the same. */
let registerForm: bool = false;
let base: u32 = 0;
let index: u32 = 0;
let scale: u32 = 0;
let segment: u32 = 0;
let displacement: i32 = 0;
let ripRelative: bool = false;
let absolute: bool = false;
/** 0: 16, 1: 32, 2: 64 bits. */
let addressSize: u32 = 0;
let immediate: u64 = 0;
let relative: bool = false;

function u8At(): u32 {
  if (at >= end) {
    short = true;
    return 0;
  }
  return load<u8>(at++);
}
function s8At(): i32 {
  return extend8(u8At());
}
@inline
function extend8(value: u32): i32 {
  return ((value << 24) as i32) >> 24;
}
function u16At(): u32 {
  const low = u8At();
  return low | (u8At() << 8);
}
function u32At(): u32 {
  if (at + 4 <= end) {
    at += 4;
    return load<u32>(at - 4);
  }
  const low = u16At();
  return low | (u16At() << 16);
}
function u64At(): u64 {
  const low = u32At() as u64;
  return low | ((u32At() as u64) << 32);
}

/**
 * Decodes the instruction at `start`, where bytes are up to `limit`, into a record: the `number`-th of its block,
 * at a page offset. Answers DECODED, or why there is no such instruction; the record is whole only then.
 */
export function decode(start: u32, limit: u32, mode: u32, record: u32, offset: u32, number: u32): i32 {
  at = start;
  end = min(limit, start + LONGEST);
  short = false;
  rex = 0;
  const answer = instruction(mode, record, offset, number, start);
  if (short) return limit - start >= LONGEST ? LONG : SHORT;
  return answer;
}

function instruction(mode: u32, record: u32, offset: u32, number: u32, start: u32): i32 {
  const code64 = (mode & MODE_64) != 0;
  const code32 = (mode & MODE_CODE32) != 0;
  mode64 = code64;
  let operandOverride = false;
  let addressOverride = false;
  let rep: u32 = 0;
  let lock = false;
  let chosen: u32 = NO_PLACE;
  let opcode: u32 = 0;
  for (;;) {
    opcode = u8At();
    if (short) return SHORT;
    if (code64 && (opcode & 0xf0) == 0x40) {
      // REX counts only directly before the opcode.
      rex = opcode;
      continue;
    }
    if (opcode == 0x66) operandOverride = true;
    else if (opcode == 0x67) addressOverride = true;
    else if (opcode == 0xf0) lock = true;
    else if (opcode == 0xf3) rep = 1;
    else if (opcode == 0xf2) rep = 2;
    else if ((opcode & 0xe7) == 0x26) {
      if (!code64) chosen = (opcode >> 3) & 3;
    } else if (opcode == 0x64) chosen = FS;
    else if (opcode == 0x65) chosen = GS;
    else break;
    rex = 0;
  }
  let map: u32 = 0;
  if (opcode == 0x0f) {
    opcode = u8At();
    map = 256;
    if (opcode == 0x38 || opcode == 0x3a) {
      map = opcode == 0x38 ? 512 : 768;
      opcode = u8At();
    }
  }
  const modrm: u32 = at < end ? load<u8>(at) : 0;
  const prefix: u32 = rep == 1 ? PREFIX_F3 : rep == 2 ? PREFIX_F2 : operandOverride ? PREFIX_66 : PREFIX_NP;
  const wide = (rex & 8) != 0;
  const candidates = DECODE_TABLE + OPCODES + (map + opcode) * 4;
  const encoding = choose(candidates, prefix, modrm, wide);
  // ModRM is fetched before it can be found undefined.
  if (at >= end && (encoding ? load<u8>(encoding + ENC_MODRM) != MODRM_NONE : anyModrm(candidates))) {
    short = true;
    return SHORT;
  }
  if (!encoding) return UNDEFINED;
  const flags = load<u32>(encoding + ENC_FLAGS);
  const size = operandSize(encoding, flags, wide, code64 ? operandOverride : operandOverride == code32);

  base = index = ZERO;
  scale = 0;
  displacement = 0;
  memoryForm = ripRelative = absolute = relative = registerForm = false;
  immediate = 0;
  addressSize = code64 ? (addressOverride ? 1 : 2) : addressOverride == code32 ? 0 : 1;
  segment = DS;
  let register: u32 = 0;
  let rm: u32 = 0;
  if (load<u8>(encoding + ENC_MODRM) != MODRM_NONE) {
    at++;
    registerForm = modrm >= 0xc0;
    // The x87 opcode as FOP keeps it (SDM vol. 1, 8.1.9): ST(i) is in its low three bits.
    if (map == 0 && (opcode & 0xf8) == 0xd8) immediate = ((opcode & 7) << 8) | modrm;
    register = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    rm = (modrm & 7) | ((rex & 1) << 3);
    if (modrm < 0xc0 && load<u16>(encoding + ENC_MODRM_BYTE) == ANY_BYTE && !(flags & FLAG_REGONLY)) memoryOperand(modrm);
  }
  store<u16>(record + REC_A, ZERO);
  store<u16>(record + REC_B, ZERO);
  store<u16>(record + REC_C, ZERO);
  const operands: u32 = load<u8>(encoding + ENC_OPERANDS);
  for (let slot: u32 = 0; slot < operands; slot++) {
    const letter: u32 = load<u8>(encoding + slot + ENC_LETTERS);
    const place = operand(letter, load<u8>(encoding + slot + ENC_WIDTHS), register, rm, opcode, size, wide, flags);
    if (place == NO_PLACE) return UNDEFINED;
    if (place) store<u16>(record + REC_A + slot * 2, place);
  }
  if (flags & FLAG_STRING) segment = DS;
  if (chosen != NO_PLACE) segment = chosen;
  if (lock && !(flags & FLAG_LOCK && memoryForm)) return UNDEFINED;

  const flat = (mode & MODE_FLAT) != 0;
  const kind: u32 = code64 ? KIND_64 : flat && code32 && (mode & MODE_STACK32) != 0 ? KIND_FLAT32 : KIND_SEGMENTED;
  const flat32 = flat && addressSize == 1 && segment < (FS as u32) && segment != CS;
  let addressing: u32 = !memoryForm
    ? ADDRESSING_NONE
    : code64
      ? addressSize == 2 && !absolute
        ? ADDRESSING_FLAT64
        : ADDRESSING_CHECKED
      : flat32
        ? ADDRESSING_FLAT32
        : ADDRESSING_CHECKED;
  let handler = handlerOf(encoding, size, kind, addressing);
  if (handler == NO_HANDLER) {
    addressing = memoryForm ? ADDRESSING_CHECKED : ADDRESSING_NONE;
    handler = handlerOf(encoding, size, kind, addressing);
    if (handler == NO_HANDLER) return UNDEFINED;
  }

  const length = at - start;
  decodedLength = length;
  decodedFlags = flags;
  const feature: u32 = load<u8>(encoding + ENC_FEATURE);
  if (feature && mode & (feature == FEATURE_VECTOR ? MODE_NO_SSE : MODE_NO_FPU)) {
    // CR0.EM: the x87 is emulated by a #NM handler, vector instructions are undefined (SDM vol. 3, 2.5).
    const cr0 = load<u64>(CR0);
    return feature == FEATURE_X87 || (cr0 & CR0_TS && !(cr0 & CR0_EM)) ? BLOCKED_DEVICE : BLOCKED_UNDEFINED;
  }
  store<u16>(record + REC_HANDLER, handler);
  store<u16>(record + REC_OFFSET, offset | (length << 12));
  store<u8>(record + REC_INDEX_IN_BLOCK, number);
  if (relative) {
    // Relative to the page's start; the memory fields hold the links to following blocks.
    store<u64>(record + REC_BASE, 0);
    store<u8>(record + REC_SIZE, size | SIZE_LINKS);
    // LOOP and JCXZ still need the address size, so it lies with the links' flags.
    store<u32>(record + REC_DISP, addressSize);
    store<u64>(record + REC_IMM, (offset + length) as u64 + immediate);
    return DECODED;
  }
  store<u8>(record + REC_SIZE, size | (flags & FLAG_REP ? rep << 2 : 0) | (lock ? 16 : 0));
  store<u16>(record + REC_BASE, ripRelative ? CODE_PAGE : base);
  store<u16>(record + REC_INDEX, index);
  store<u8>(record + REC_SCALE, scale);
  store<u8>(record + REC_MEM, segment | (memoryForm ? 8 : 0) | (addressSize << 4) | (absolute ? MEM_ABSOLUTE : 0));
  const zeroBase = code64 ? segment < (FS as u32) : addressing == ADDRESSING_FLAT32;
  store<u16>(record + REC_SEGMENT, zeroBase ? ZERO : SEGMENTS + segment * SEGMENT_SIZE + SEG_BASE);
  store<i32>(record + REC_DISP, ripRelative ? displacement + (offset + length) : displacement);
  store<u64>(record + REC_IMM, immediate);
  return DECODED;
}

/** The first candidate that fits prefix, ModRM and mode. */
function choose(candidates: u32, prefix: u32, modrm: u32, wide: bool): u32 {
  const unfit: u32 =
    (mode64 ? FLAG_I64 : FLAG_ONLY64) | (modrm >= 0xc0 ? FLAG_MEM : FLAG_MOD3) | (wide ? FLAG_W0 : FLAG_W1) | (rex & 1 ? FLAG_NOP90 : 0);
  let list: u32 = DECODE_TABLE + CANDIDATES + (load<u16>(candidates) as u32) * 2;
  for (let left: u32 = load<u16>(candidates + 2); left > 0; left--, list += 2) {
    const encoding: u32 = DECODE_TABLE + ENCODINGS + (load<u16>(list) as u32) * ENCODING_SIZE;
    const byte: u32 = load<u16>(encoding + ENC_MODRM_BYTE);
    if (byte != ANY_BYTE) {
      if (byte != modrm) continue;
    } else {
      const digit: u32 = load<u8>(encoding + ENC_MODRM);
      if (digit < (MODRM_REGISTER as u32) && digit != ((modrm >> 3) & 7)) continue;
    }
    const wanted: u32 = load<u8>(encoding + ENC_PREFIX);
    if (wanted != PREFIX_ANY && wanted != prefix) continue;
    if (!(load<u32>(encoding + ENC_FLAGS) & unfit)) return encoding;
  }
  return NO_ENCODING;
}

function anyModrm(candidates: u32): bool {
  let list: u32 = DECODE_TABLE + CANDIDATES + (load<u16>(candidates) as u32) * 2;
  for (let left: u32 = load<u16>(candidates + 2); left > 0; left--, list += 2)
    if (load<u8>(DECODE_TABLE + ENCODINGS + (load<u16>(list) as u32) * ENCODING_SIZE + ENC_MODRM) != MODRM_NONE) return true;
  return false;
}

function operandSize(encoding: u32, flags: u32, wide: bool, bits16: bool): u32 {
  // A mandatory 66 prefix does not select 16-bit operands.
  let size: u32 = wide ? QUAD : bits16 && load<u8>(encoding + ENC_PREFIX) != PREFIX_66 ? WORD : DOUBLE;
  // Near branches are always 64 bits wide in 64-bit mode (as on Intel's processors).
  if (mode64 && ((size == DOUBLE && flags & FLAG_O64) || flags & FLAG_NEAR)) size = QUAD;
  const sizes: u32 = load<u8>(encoding + ENC_SIZES);
  if (sizes & (1 << size)) return size;
  return size == QUAD ? 31 - clz(sizes) : ctz(sizes);
}

@inline
function handlerOf(encoding: u32, size: u32, kind: u32, addressing: u32): u32 {
  const number = (encoding - (DECODE_TABLE + ENCODINGS)) / ENCODING_SIZE;
  return load<u16>(DECODE_TABLE + FORMS + (number * FORMS_OF_ENCODING + (size * 3 + kind) * 4 + addressing) * 2);
}

/** Fills in one operand; yields the window address of a register, 0 for none, NO_PLACE where there is no such. */
function operand(letter: u32, width: u32, register: u32, rm: u32, opcode: u32, size: u32, wide: bool, flags: u32): u32 {
  const byte = width == WIDTH_BYTE;
  switch (letter) {
    case LETTER_G:
      return generalRegister(register, byte);
    case LETTER_E:
    case LETTER_R:
      return memoryForm ? 0 : generalRegister(rm, byte);
    case LETTER_Z:
      return generalRegister((opcode & 7) | ((rex & 1) << 3), byte);
    case LETTER_FIXED:
      return GPR + width * 8;
    case LETTER_V:
      return XMM + register * 16;
    case LETTER_W:
      return memoryForm ? 0 : XMM + rm * 16;
    case LETTER_U:
      return registerForm ? XMM + rm * 16 : NO_PLACE;
    case LETTER_P:
      return FPR + (register & 7) * 16;
    case LETTER_Q:
      return memoryForm ? 0 : FPR + (rm & 7) * 16;
    case LETTER_N:
      return registerForm ? FPR + (rm & 7) * 16 : NO_PLACE;
    case LETTER_S:
      return (register & 7) > 5 ? NO_PLACE : SEGMENTS + (register & 7) * SEGMENT_SIZE;
    case LETTER_C:
      return controlRegister(register);
    case LETTER_D:
      return register > 7 ? NO_PLACE : DR + register * 8;
    case LETTER_M:
      return memoryForm ? 0 : NO_PLACE;
    case LETTER_O:
      memoryForm = true;
      if (addressSize == 2) {
        immediate = u64At();
        absolute = true;
      } else displacement = addressSize == 1 ? (u32At() as i32) : (u16At() as i32);
      return 0;
    case LETTER_B:
      memoryForm = true;
      base = GPR + RBX * 8;
      return 0;
    case LETTER_Y:
      memoryForm = true;
      base = GPR + RDI * 8;
      return 0;
    case LETTER_A: {
      const offset: u32 = size == WORD ? u16At() : u32At();
      immediate = (offset as u64) | ((u16At() as u64) << 32);
      return 0;
    }
    case LETTER_I:
      immediateOperand(width, size, wide, flags);
      return 0;
    case LETTER_J:
      relative = true;
      immediate = (width == WIDTH_BYTE ? s8At() : size == WORD && !mode64 ? (((u16At() << 16) as i32) >> 16) : (u32At() as i32)) as i64;
      return 0;
    default:
      return NO_PLACE;
  }
}

@inline
function narrow(value: i64, size: u32): u64 {
  return size == QUAD ? value : (value as u64) & (((1 as u64) << ((8 as u64) << (size as u64))) - 1);
}

function immediateOperand(width: u32, size: u32, wide: bool, flags: u32): void {
  switch (width) {
    case WIDTH_BYTE: {
      const value = u8At() as u64;
      // ENTER has a second immediate.
      immediate = flags & FLAG_ENTER ? immediate | (value << 16) : value;
      return;
    }
    case WIDTH_BYTE_SIGNED:
      immediate = narrow(s8At() as i64, size);
      return;
    case WIDTH_WORD:
      immediate = u16At();
      return;
    case WIDTH_FULL:
      immediate = wide && size == QUAD ? u64At() : size == WORD ? (u16At() as u64) : (u32At() as u64);
      return;
    default:
      immediate = size == WORD ? (u16At() as u64) : narrow((u32At() as i32) as i64, size);
  }
}

@inline
function generalRegister(number: u32, byte: bool): u32 {
  // Without REX, byte registers 4–7 are AH, CH, DH and BH.
  return byte && !rex && number >= 4 && number < 8 ? GPR + (number - 4) * 8 + 1 : GPR + number * 8;
}

function controlRegister(number: u32): u32 {
  switch (number) {
    case 0:
      return CR0;
    case 2:
      return CR2;
    case 3:
      return CR3;
    case 4:
      return CR4;
    case 8:
      return CR8;
    default:
      return NO_PLACE;
  }
}

/** ModRM, SIB and displacement (SDM vol. 2, 2.1.5). */
function memoryOperand(modrm: u32): void {
  memoryForm = true;
  const mod = modrm >> 6;
  if (addressSize == 0) {
    memoryOperand16(mod, modrm & 7);
    return;
  }
  let low = modrm & 7;
  if (low == 4) {
    const sib = u8At();
    const number = ((sib >> 3) & 7) | ((rex & 2) << 2);
    low = sib & 7;
    scale = sib >> 6;
    if (number != 4) index = GPR + number * 8;
    if (low == 5 && mod == 0) {
      displacement = u32At();
      return;
    }
  } else if (low == 5 && mod == 0) {
    displacement = u32At();
    // In 64-bit mode relative to the next instruction.
    ripRelative = mode64;
    return;
  }
  if ((low == 4 || low == 5) && !(rex & 1)) segment = SS;
  base = GPR + (low | ((rex & 1) << 3)) * 8;
  if (mod == 1) displacement = s8At();
  else if (mod == 2) displacement = u32At();
}

function memoryOperand16(mod: u32, rm: u32): void {
  if (rm == 6 && mod == 0) {
    displacement = u16At();
    return;
  }
  const first = rm == 4 ? RSI : rm == 5 ? RDI : rm == 2 || rm == 3 || rm == 6 ? RBP : RBX;
  base = GPR + first * 8;
  if (rm < 4) index = GPR + (rm & 1 ? RDI : RSI) * 8;
  if (rm == 2 || rm == 3 || rm == 6) segment = SS;
  if (mod == 1) displacement = s8At();
  else if (mod == 2) displacement = ((u16At() << 16) as i32) >> 16;
}
