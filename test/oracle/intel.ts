/** What Intel's processors make of an instruction where AMD's, and we, do otherwise: the models of vendors.ts. */
import { changesOf } from './compare';
import { FX } from './fxstate';
import type { GeneratedCase } from './generate';
import { DATA, DATA_SIZE, LOW, PAGE, STACK, STACK_SIZE } from './layout';
import { endOf, type OracleResult } from './oracle';
import type { MemoryImage } from './values';

/** A case of one instruction. */
export interface Step {
  readonly one: GeneratedCase;
  /** Memory before it. */
  readonly image: MemoryImage;
  /** Our engine, on this or on a changed case. */
  readonly run: (one: GeneratedCase) => OracleResult;
}

const STATUS_FLAGS = 0x8d5;
const OVERFLOW = 0x800;
const ALIGNMENT = 0x40000;
const SINGLE_STEP = 1;
/** Exceptions of the x87 that keep a result from being stored in memory where they are not masked: IE, DE, ZE, OE, UE. */
const KEEPS_MEMORY = 0x1f;
const BOUND_RANGE = 5;
const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
/** Of the error code of a page fault. */
const WRITE = 2;
const USER = 4;
const ALIGNMENT_CHECK = 17;
const MEMORY_FAULTS = [STACK_FAULT, GENERAL_PROTECTION, PAGE_FAULT, ALIGNMENT_CHECK];
const TOP = 7 << 11;
const [RAX, RCX, RSP, RSI, RDI] = [0, 1, 4, 6, 7];

// ── Instructions ──────────────────────────────────────────────────────────────────────────────

const definitionOf = ({ one }: Step) => one.instructions[0]!.encoding;
const mnemonicOf = ({ one }: Step): string => one.instructions[0]!.verdict.mnemonic;

function prefixes({ one }: Step): readonly number[] {
  const end = one.code.findIndex((byte) => ![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(byte));
  return [...one.code.subarray(0, end)];
}

/** `one` with EFLAGS.AC clear, and AC set again in the result. */
function withoutAlignmentCheck({ one, run }: Step): OracleResult {
  const result = run({ ...one, rflags: one.rflags & ~ALIGNMENT });
  return { ...result, rflags: result.rflags | (one.rflags & ALIGNMENT) };
}

/** `one` with another opcode, and register in ModRM, for the same memory operand. */
function withOpcode(step: Step, opcode: number, register?: number): GeneratedCase {
  const { one } = step;
  const code = one.code.slice();
  const at = code.indexOf(definitionOf(step).opcode, prefixes(step).length);
  code[at] = opcode;
  if (register !== undefined) code[at + 1] = (code[at + 1]! & ~0x38) | (register << 3);
  return { ...one, code };
}

/** An x87 instruction on the beginning of DATA, that ends where `one` does. */
function onData(step: Step): GeneratedCase {
  const { one } = step;
  const { opcode } = definitionOf(step);
  const modrm = one.code[one.code.indexOf(opcode, prefixes(step).length) + 1]! & 0x38;
  const code = Uint8Array.from([...(one.mode === 64 ? [opcode, modrm | 4, 0x25] : [opcode, modrm | 5]), 0, 0, 0, DATA >>> 24]);
  return { ...one, code, codeOffset: Math.max(0, one.codeOffset + one.code.length - code.length), rflags: one.rflags & ~ALIGNMENT };
}

// ── Memory ────────────────────────────────────────────────────────────────────────────────────

/** Where an address is in DATA followed by STACK, or -1. */
function offsetOf(address: number): number {
  if (address >= STACK && address < STACK + STACK_SIZE) return DATA_SIZE + address - STACK;
  for (const base of [DATA, LOW]) if (address >= base && address < base + DATA_SIZE) return address - base;
  return -1;
}

/** DATA followed by STACK as a case leaves them. */
function memoryAfter(image: MemoryImage, { changes }: OracleResult): Buffer {
  const memory = Buffer.concat([image.data, image.stack]);
  for (const { address, bytes } of changes) memory.set(bytes, offsetOf(address));
  return memory;
}

/** `result` with other bytes at an address; undefined puts back what was there. */
function withMemory({ image }: Step, result: OracleResult, address: number, bytes: readonly (number | undefined)[]): OracleResult {
  const before = Buffer.concat([image.data, image.stack]);
  const after = memoryAfter(image, result);
  bytes.forEach((byte, i) => {
    const at = offsetOf(address + i);
    if (at >= 0) after[at] = byte ?? before[at]!;
  });
  const changes = [
    ...changesOf(DATA, before.subarray(0, DATA_SIZE), after.subarray(0, DATA_SIZE)),
    ...changesOf(STACK, before.subarray(DATA_SIZE), after.subarray(DATA_SIZE)),
  ];
  return { ...result, changes };
}

// ── Choices ───────────────────────────────────────────────────────────────────────────────────

export function pushSegment(step: Step, ours: OracleResult): OracleResult | null {
  const { one, image, run } = step;
  if (!/^push[cdefgs]s$/.test(definitionOf(step).definition.name)) return null;
  // The same to where it does not fault: how long a slot is, and what is pushed.
  const stack = STACK + PAGE;
  const registers = one.registers.slice();
  registers[RSP] = BigInt(stack);
  const pushed = run({ ...one, registers, rflags: one.rflags & ~ALIGNMENT });
  const size = stack - Number(pushed.registers[RSP]!);
  if (size !== 4) return null;
  const slot = Number(one.registers[RSP]!) - size;
  if (!MEMORY_FAULTS.includes(ours.trap)) return withMemory(step, ours, slot + 2, new Array<undefined>(size - 2).fill(undefined));
  if (offsetOf(slot) < 0 || offsetOf(slot + 1) < 0 || (one.rflags & ALIGNMENT && slot & 1)) return null;
  const selector = memoryAfter(image, pushed)
    .subarray(offsetOf(stack - size))
    .subarray(0, 2);
  pushed.registers[RSP] = BigInt(slot);
  return withMemory(step, { ...pushed, rflags: pushed.rflags | (one.rflags & ALIGNMENT), changes: [] }, slot, [...selector]);
}

export function unalignedVector(step: Step, ours: OracleResult): OracleResult | null {
  const whole = /^(Movup[sd]|Movdqu|Lddqu|Pcmp[ei]str[im](64)?)$/.test(mnemonicOf(step));
  return whole && ours.trap === ALIGNMENT_CHECK ? withoutAlignmentCheck(step) : null;
}

export function mmxStoreFault(step: Step, ours: OracleResult): OracleResult | null {
  const { map, opcode, prefix } = definitionOf(step);
  const stores = map === '0F' && prefix === 'NP' && [0x7e, 0x7f, 0xe7].includes(opcode);
  if (!stores || !MEMORY_FAULTS.includes(ours.trap)) return null;
  const fx = ours.fx.slice();
  const view = new DataView(fx.buffer);
  const status = view.getUint16(FX.fsw, true);
  view.setUint16(FX.fsw, status & ~TOP, true);
  for (let i = 0; i < 8; i++) fx.set(ours.fx.subarray(FX.st + 16 * i, FX.st + 16 * i + 16), FX.st + 16 * (((status >> 11) + i) & 7));
  return { ...ours, fx };
}

export function wholeRotation(step: Step, ours: OracleResult): OracleResult | null {
  const { one } = step;
  if (!/^Rc[lr]$/.test(mnemonicOf(step))) return null;
  const { opcode } = definitionOf(step);
  const before = prefixes(step);
  const wide = one.mode === 64 && (one.code[before.length]! & 0xf8) === 0x48; // REX.W
  const bits = opcode & 1 ? (before.includes(0x66) && !wide ? 16 : 32) : 8;
  const count = (opcode < 0xd0 ? one.code.at(-1)! : Number(one.registers[RCX]! & 0xffn)) & 31;
  if (bits === 32 || count === 0 || count % (bits + 1) !== 0) return null;
  return { ...ours, rflags: (ours.rflags & ~OVERFLOW) | (one.rflags & OVERFLOW) };
}

export function noIterations(step: Step, ours: OracleResult): OracleResult | null {
  const { one } = step;
  const [, kind] = /^(Movs|Cmps|Stos|Lods|Scas)[bwdq]$/.exec(mnemonicOf(step)) ?? [];
  const before = prefixes(step);
  const repeats = before.includes(0xf2) || before.includes(0xf3);
  if (!kind || !repeats || one.mode !== 64 || !before.includes(0x67) || BigInt.asUintN(32, one.registers[RCX]!) !== 0n) return null;
  // What the microcode for whole blocks has begun with.
  const used = { Movs: [RCX, RSI, RDI], Stos: [RCX, RDI] }[kind] ?? [RCX];
  return { ...ours, registers: ours.registers.map((value, i) => (used.includes(i) ? BigInt.asUintN(32, value) : value)) };
}

export function betweenIterations(step: Step, ours: OracleResult): OracleResult | null {
  const { one } = step;
  const inside = ours.trap === SINGLE_STEP && ours.rip === endOf(one) - 1n - BigInt(one.code.length);
  if (!inside || !/^(Cmps|Scas)[bwdq]$/.test(mnemonicOf(step))) return null;
  return { ...ours, rflags: (ours.rflags & ~STATUS_FLAGS) | (one.rflags & STATUS_FLAGS) };
}

export function partialStore(step: Step, ours: OracleResult): OracleResult | null {
  const { one, run } = step;
  const { opcode, modrm } = definitionOf(step);
  const decimal = opcode === 0xdf && modrm === 6;
  if (!decimal && !(opcode === 0xdb && modrm === 7)) return null;
  if (ours.trap !== PAGE_FAULT) return null;
  // Where it is: LEA EAX, without REX.R, REX.W.
  const lea = withOpcode(step, 0x8d, 0);
  const rex = prefixes(step).length;
  if (one.mode === 64 && lea.code[rex]! >> 4 === 4) lea.code[rex] = lea.code[rex]! & ~0xc;
  const base = one.mode === 32 ? 0n : prefixes(step).includes(0x64) ? one.fsBase : prefixes(step).includes(0x65) ? one.gsBase : 0n;
  const address = Number(BigInt.asUintN(32, run(lea).registers[RAX]! + base));
  if (address + 8 > Number(ours.cr2) || offsetOf(address) < 0) return null;
  const stored = memoryAfter(step.image, run(onData(step)));
  return withMemory(step, ours, address, [...stored.subarray(0, 8)]);
}

export function suppressedStore(step: Step, ours: OracleResult): OracleResult | null {
  const { one, run } = step;
  const stores = /^(Fstp?|Fistt?p?|Fbstp)$/.test(mnemonicOf(step)) && MEMORY_FAULTS.includes(ours.trap);
  if (!stores) return null;
  const other = onData(step);
  const result = run(other);
  const unmasked = result.fx[FX.fsw]! & ~one.fx[FX.fcw]! & KEEPS_MEMORY;
  if (!unmasked || result.changes.length > 0) return null;
  return { ...result, rip: result.rip - endOf(other) + endOf(one), rflags: result.rflags | (one.rflags & ALIGNMENT) };
}

export function narrowMovsxd(step: Step, ours: OracleResult): OracleResult | null {
  const { one, run } = step;
  const wide = one.mode === 64 && (one.code[prefixes(step).length]! & 0xf8) === 0x48;
  const narrow = mnemonicOf(step) === 'Movsxd' && prefixes(step).includes(0x66) && !wide;
  return narrow && MEMORY_FAULTS.includes(ours.trap) ? run(withOpcode(step, 0x8b)) : null;
}

export function lowerBound(step: Step, ours: OracleResult): OracleResult | null {
  if (mnemonicOf(step) !== 'Bound' || !MEMORY_FAULTS.includes(ours.trap)) return null;
  const compared = step.run(withOpcode(step, 0x3b)); // CMP with the lower bound
  const less = ((compared.rflags >> 7) ^ (compared.rflags >> 11)) & 1;
  return less && !MEMORY_FAULTS.includes(compared.trap) ? { ...ours, trap: BOUND_RANGE, errorCode: 0 } : null;
}

export function aroundFourGiB({ one }: Step, ours: OracleResult): readonly OracleResult[] | null {
  if (one.mode !== 32 || (ours.trap !== STACK_FAULT && ours.trap !== GENERAL_PROTECTION)) return null;
  // Of which address, and whether it is read or written, depends on the instruction. There is no page there.
  const starts = Array.from({ length: 15 }, (_, i) => 0xfffffff1n + BigInt(i));
  return starts.flatMap((cr2) => [USER, USER | WRITE].map((errorCode) => ({ ...ours, trap: PAGE_FAULT, errorCode, cr2 })));
}
