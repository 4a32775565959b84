import type { Prefix } from './definition';
import type { Addressing, DecodedEncoding, Form, InstructionSet } from './forms';
import { formIndex } from './forms';
import * as layout from './layout';
import type { CodeKind, Size } from './stage';

/** What decoding depends on besides the bytes: DECODE_MODE bits of layout.ts. */
export type DecodeMode = number;

/** A decoded instruction, reused from call to call. */
export interface Decoded {
  length: number;
  form: Form;
  encoding: DecodedEncoding;
  a: number;
  b: number;
  c: number;
  /** Memory operand; `memory` false where there is none. */
  memory: boolean;
  base: number;
  index: number;
  scale: number;
  segment: number;
  displacement: number;
  /** The displacement counts from the next instruction. */
  ripRelative: boolean;
  /** The immediate is the whole offset (MOV with an absolute address). */
  absolute: boolean;
  /** 0: 16, 1: 32, 2: 64 bits. */
  addressSize: number;
  immediate: bigint;
  /** The immediate is a branch displacement from the instruction's end. */
  relative: boolean;
  rep: 0 | 1 | 2;
  lock: boolean;
}

/** Why bytes are no instruction. */
export type DecodeFailure = 'short' | 'undefined' | 'long';

const MAX_LENGTH = 15;
type Candidates = readonly DecodedEncoding[];
const MAPS = ['1', '0F', '0F38', '0F3A'] as const;

/** Decodes by the encodings of an instruction set. */
export class Decoder {
  /** By map × 256 + opcode. */
  private readonly table: DecodedEncoding[][] = Array.from({ length: 4 * 256 }, () => []);
  readonly result = {} as Decoded;

  // State of the decoding under way.
  private bytes: Uint8Array = new Uint8Array();
  private at = 0;
  private end = 0;
  private short = false;
  private rex = 0;
  private mode64 = false;
  /** ModRM.mod is 3; MASKMOVQ has a memory operand all the same. */
  private registerForm = false;

  constructor(set: InstructionSet) {
    for (const encoding of set.encodings) {
      const map = MAPS.indexOf(encoding.map) * 256;
      for (let i = 0; i < (encoding.plusRegister ? 8 : 1); i++) this.table[map + encoding.opcode + i]!.push(encoding);
    }
    // A mandatory prefix or a fixed ModRM byte is more specific than none.
    const rank = (e: DecodedEncoding) => (e.modrmByte !== undefined ? 4 : 0) + (e.prefix === 'any' ? 0 : 2) + (e.attributes.has('nop90') ? 1 : 0);
    for (const list of this.table) list.sort((x, y) => rank(y) - rank(x));
  }

  private u8(): number {
    if (this.at >= this.end) {
      this.short = true;
      return 0;
    }
    return this.bytes[this.at++]!;
  }
  private s8(): number {
    return (this.u8() << 24) >> 24;
  }
  private u16(): number {
    return this.u8() | (this.u8() << 8);
  }
  private s32(): number {
    return this.u16() | (this.u16() << 16);
  }
  private u64(): bigint {
    const low = this.s32() >>> 0;
    return BigInt(low) | (BigInt(this.s32() >>> 0) << 32n);
  }

  /**
   * Decodes the instruction at `start`; bytes are there up to `end`. On success the answer is in `result`.
   */
  decode(bytes: Uint8Array, start: number, end: number, mode: DecodeMode): DecodeFailure | undefined {
    this.bytes = bytes;
    this.at = start;
    this.end = Math.min(end, start + MAX_LENGTH);
    this.short = false;
    this.rex = 0;
    const failure = this.instruction(mode);
    if (this.short) return end - start >= MAX_LENGTH ? 'long' : 'short';
    this.result.length = this.at - start;
    return failure;
  }

  private instruction(mode: DecodeMode): DecodeFailure | undefined {
    const r = this.result;
    const mode64 = (mode & layout.MODE_64) !== 0;
    this.mode64 = mode64;
    const code32 = (mode & layout.MODE_CODE32) !== 0;
    let operandOverride = false;
    let addressOverride = false;
    let rep: 0 | 1 | 2 = 0;
    let lock = false;
    let segment = -1;
    let opcode: number;
    for (;;) {
      opcode = this.u8();
      if (this.short) return undefined;
      if (opcode === 0x66) operandOverride = true;
      else if (opcode === 0x67) addressOverride = true;
      else if (opcode === 0xf0) lock = true;
      else if (opcode === 0xf3) rep = 1;
      else if (opcode === 0xf2) rep = 2;
      else if (opcode === 0x2e || opcode === 0x36 || opcode === 0x3e || opcode === 0x26) {
        if (!mode64) segment = (opcode >> 3) & 3;
      } else if (opcode === 0x64) segment = layout.FS;
      else if (opcode === 0x65) segment = layout.GS;
      else if (mode64 && (opcode & 0xf0) === 0x40) {
        // REX counts only directly before the opcode.
        this.rex = opcode;
        continue;
      } else break;
      this.rex = 0;
    }
    let map = 0;
    if (opcode === 0x0f) {
      opcode = this.u8();
      map = 256;
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? 512 : 768;
        opcode = this.u8();
      }
    }
    const candidates: Candidates = this.table[map + opcode]!;
    const modrm = this.at < this.end ? this.bytes[this.at]! : 0;
    const prefix: Prefix = rep === 1 ? 'F3' : rep === 2 ? 'F2' : operandOverride ? '66' : 'NP';
    const wide = (this.rex & 8) !== 0;
    const encoding = choose(candidates, prefix, modrm, mode64, wide, (this.rex & 1) !== 0, operandOverride);
    // ModRM is fetched before it can be found undefined.
    if (this.at >= this.end && (encoding ? encoding.modrm !== null : candidates.some((e) => e.modrm !== null))) {
      this.short = true;
      return undefined;
    }
    if (!encoding) return 'undefined';

    const { attributes } = encoding;
    const bits16 = mode64 ? operandOverride : operandOverride === code32;
    // A mandatory 66 prefix does not select 16-bit operands.
    let size: Size = wide ? 64 : bits16 && encoding.prefix !== '66' ? 16 : 32;
    if (mode64 && size === 32 && attributes.has('o64')) size = 64;
    // Near branches are always 64 bits wide in 64-bit mode (as on Intel's processors).
    if (mode64 && attributes.has('near')) size = 64;
    if (!encoding.sizes.includes(size)) size = size === 64 ? encoding.sizes.at(-1)! : encoding.sizes[0]!;

    r.encoding = encoding;
    r.a = r.b = r.c = layout.ZERO;
    r.base = r.index = layout.ZERO;
    r.scale = 0;
    r.displacement = 0;
    r.memory = false;
    r.ripRelative = false;
    r.absolute = false;
    r.relative = false;
    r.immediate = 0n;
    r.rep = rep;
    r.lock = lock;
    r.addressSize = mode64 ? (addressOverride ? 1 : 2) : addressOverride === code32 ? 0 : 1;
    r.segment = layout.DS;

    let register = 0;
    let rm = 0;
    if (encoding.modrm !== null) {
      this.at++;
      this.registerForm = modrm >= 0xc0;
      // The x87 opcode as FOP keeps it (SDM vol. 1, 8.1.9): ST(i) is in its low three bits.
      if (map === 0 && (opcode & 0xf8) === 0xd8) r.immediate = BigInt(((opcode & 7) << 8) | modrm);
      register = ((modrm >> 3) & 7) | ((this.rex & 4) << 1);
      rm = (modrm & 7) | ((this.rex & 1) << 3);
      if (modrm < 0xc0 && encoding.modrmByte === undefined && !attributes.has('regonly')) this.memoryOperand(modrm);
    }
    let slot = 0;
    for (const spec of encoding.operands) {
      if (spec.letter === 'one') continue;
      const place = this.operand(spec.letter, spec.width, spec.register ?? 0, register, rm, opcode, size, wide, mode64);
      if (place < 0) return 'undefined';
      if (place > 0) {
        if (slot === 0) r.a = place;
        else if (slot === 1) r.b = place;
        else r.c = place;
      }
      slot++;
    }
    if (attributes.has('string')) r.segment = layout.DS;
    if (segment >= 0) r.segment = segment;
    if (lock && !(attributes.has('lock') && r.memory)) return 'undefined';

    const kind: CodeKind = mode64 ? '64' : mode & layout.MODE_FLAT && code32 && mode & layout.MODE_STACK32 ? 'flat32' : 'segmented';
    const addressing: Addressing = !r.memory
      ? 'none'
      : mode64
        ? r.addressSize === 2 && !r.absolute
          ? 'flat64'
          : 'checked'
        : mode & layout.MODE_FLAT && r.addressSize === 1 && r.segment < layout.FS && r.segment !== layout.CS
          ? 'flat32'
          : 'checked';
    const form = encoding.forms[formIndex(size, kind, addressing)] ?? encoding.forms[formIndex(size, kind, r.memory ? 'checked' : 'none')];
    if (!form) return 'undefined';
    r.form = form;
    return undefined;
  }

  /** Fills in one operand; yields the window address of a register, 0 for none, -1 where there is no such. */
  private operand(
    letter: string,
    width: string,
    fixed: number,
    register: number,
    rm: number,
    opcode: number,
    size: Size,
    wide: boolean,
    mode64: boolean,
  ): number {
    const r = this.result;
    const byte = width === 'b';
    switch (letter) {
      case 'G':
        return this.generalRegister(register, byte);
      case 'E':
      case 'R':
        return r.memory ? 0 : this.generalRegister(rm, byte);
      case 'Z':
        return this.generalRegister((opcode & 7) | ((this.rex & 1) << 3), byte);
      case 'fixed':
        return layout.GPR + fixed * 8;
      case 'V':
        return layout.XMM + register * 16;
      case 'W':
        return r.memory ? 0 : layout.XMM + rm * 16;
      case 'U':
        return this.registerForm ? layout.XMM + rm * 16 : -1;
      case 'P':
        return layout.FPR + (register & 7) * 16;
      case 'Q':
        return r.memory ? 0 : layout.FPR + (rm & 7) * 16;
      case 'N':
        return this.registerForm ? layout.FPR + (rm & 7) * 16 : -1;
      case 'S':
        return (register & 7) > 5 ? -1 : layout.SEGMENTS + (register & 7) * layout.SEGMENT_SIZE;
      case 'C':
        return controlRegister(register);
      case 'D':
        return register > 7 ? -1 : layout.DR + register * 8;
      case 'M':
        return r.memory ? 0 : -1;
      case 'O':
        r.memory = true;
        if (r.addressSize === 2) {
          r.immediate = this.u64();
          r.absolute = true;
        } else r.displacement = r.addressSize === 1 ? this.s32() : this.u16();
        return 0;
      case 'B':
        r.memory = true;
        r.base = layout.GPR + 3 * 8;
        return 0;
      case 'Y':
        r.memory = true;
        r.base = layout.GPR + 7 * 8;
        return 0;
      case 'A': {
        const offset = size === 16 ? this.u16() : this.s32() >>> 0;
        r.immediate = BigInt(offset) | (BigInt(this.u16()) << 32n);
        return 0;
      }
      case 'I':
        this.immediate(width, size, wide);
        return 0;
      case 'J':
        r.relative = true;
        r.immediate = BigInt(width === 'b' ? this.s8() : size === 16 && !mode64 ? (this.u16() << 16) >> 16 : this.s32());
        return 0;
      default:
        return -1;
    }
  }

  private immediate(width: string, size: Size, wide: boolean): void {
    const r = this.result;
    switch (width) {
      case 'b': {
        const value = this.u8();
        // ENTER has a second immediate.
        r.immediate = r.encoding.definition.name === 'enter' ? r.immediate | (BigInt(value) << 16n) : BigInt(value);
        return;
      }
      case 'bs':
        r.immediate = BigInt.asUintN(size, BigInt(this.s8()));
        return;
      case 'w':
        r.immediate = BigInt(this.u16());
        return;
      case 'v':
        r.immediate = wide && size === 64 ? this.u64() : size === 16 ? BigInt(this.u16()) : BigInt(this.s32() >>> 0);
        return;
      default:
        r.immediate = size === 16 ? BigInt(this.u16()) : BigInt.asUintN(size, BigInt(this.s32()));
    }
  }

  private generalRegister(number: number, byte: boolean): number {
    // Without REX, byte registers 4–7 are AH, CH, DH and BH.
    return byte && !this.rex && number >= 4 && number < 8 ? layout.GPR + (number - 4) * 8 + 1 : layout.GPR + number * 8;
  }

  /** ModRM, SIB and displacement (SDM vol. 2, 2.1.5). */
  private memoryOperand(modrm: number): void {
    const r = this.result;
    r.memory = true;
    const mod = modrm >> 6;
    if (r.addressSize === 0) {
      this.memoryOperand16(mod, modrm & 7);
      return;
    }
    let base = modrm & 7;
    if (base === 4) {
      const sib = this.u8();
      const index = ((sib >> 3) & 7) | ((this.rex & 2) << 2);
      base = sib & 7;
      r.scale = sib >> 6;
      if (index !== 4) r.index = layout.GPR + index * 8;
      if (base === 5 && mod === 0) {
        r.displacement = this.s32();
        return;
      }
    } else if (base === 5 && mod === 0) {
      r.displacement = this.s32();
      // In 64-bit mode relative to the next instruction.
      r.ripRelative = this.mode64;
      return;
    }
    if (base === 4 || base === 5) if (!(this.rex & 1)) r.segment = layout.SS;
    r.base = layout.GPR + (base | ((this.rex & 1) << 3)) * 8;
    if (mod === 1) r.displacement = this.s8();
    else if (mod === 2) r.displacement = this.s32();
  }

  private memoryOperand16(mod: number, rm: number): void {
    const r = this.result;
    const gpr = (n: number) => layout.GPR + n * 8;
    const [RBX, RBP, RSI, RDI] = [3, 5, 6, 7];
    if (rm === 6 && mod === 0) {
      r.displacement = this.u16();
      return;
    }
    r.base = gpr([RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX][rm]!);
    if (rm < 4) r.index = gpr(rm & 1 ? RDI : RSI);
    if (rm === 2 || rm === 3 || rm === 6) r.segment = layout.SS;
    if (mod === 1) r.displacement = this.s8();
    else if (mod === 2) r.displacement = (this.u16() << 16) >> 16;
  }
}

function controlRegister(number: number): number {
  switch (number) {
    case 0:
      return layout.CR0;
    case 2:
      return layout.CR2;
    case 3:
      return layout.CR3;
    case 4:
      return layout.CR4;
    case 8:
      return layout.CR8;
    default:
      return -1;
  }
}

/** The first candidate that fits prefix, ModRM and mode. */
function choose(
  candidates: Candidates,
  prefix: Prefix,
  modrm: number,
  mode64: boolean,
  wide: boolean,
  rexB: boolean,
  operandOverride: boolean,
): DecodedEncoding | undefined {
  for (const e of candidates) {
    if (e.modrmByte !== undefined ? e.modrmByte !== modrm : typeof e.modrm === 'number' && e.modrm !== ((modrm >> 3) & 7)) continue;
    if (e.prefix !== 'any' && e.prefix !== prefix && !(e.prefix === '66' && operandOverride && prefix === '66')) continue;
    const a = e.attributes;
    if (a.size) {
      if (mode64 ? a.has('i64') : a.has('only64')) continue;
      if (modrm >= 0xc0 ? a.has('mem') : a.has('mod3')) continue;
      if (wide ? a.has('w0') : a.has('w1')) continue;
      if (rexB && a.has('nop90')) continue;
    }
    return e;
  }
  return undefined;
}
