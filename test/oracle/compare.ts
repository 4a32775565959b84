/** Holds two outcomes of a case against each other; says in words what differs. */
import { CODE } from './layout';
import { FX } from './fxstate';
import type { GeneratedCase, GeneratedInstruction, Undefined } from './generate';
import { endOf, timedOut, type MemoryPiece, type OracleResult } from './oracle';

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
/** CF PF AF ZF SF TF DF OF NT AC ID; RF and IF are the kernel's business. */
const COMPARED_FLAGS = 0x244dd5;
const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;
const MEMORY_FAULTS = [STACK_FAULT, GENERAL_PROTECTION, PAGE_FAULT, 17];
/** Instructions that access memory in pieces, so that it depends on the processor which fault comes first. */
const PIECEWISE = /^(Movs|Cmps|Stos|Lods|Scas)[bwdq]$|^Maskmov/;
/** Whether a page fault was a fetch is told only where NX is on. */
const FETCH = 1 << 4;
/** Linux calls every fault above user space a protection fault, so as to tell nothing about its own pages. */
const PRESENT = 1;
const USER_END = 0x7ffffffff000n;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** The instruction at `rip`; undefined at the end. */
function instructionAt(one: GeneratedCase, rip: bigint): GeneratedInstruction | undefined {
  let at = BigInt(CODE + one.codeOffset);
  for (const instruction of one.instructions) {
    if (rip === at) return instruction;
    at += BigInt(instruction.bytes.length);
  }
  return undefined;
}

/** Flags that are undefined where the case ended: at an instruction that faulted, or after the last. */
export function undefinedAt(one: GeneratedCase, rip: bigint): Undefined {
  return instructionAt(one, rip)?.undefinedBefore ?? one.undefinedAfter;
}

/** Differences between the processor's outcome and ours; empty where they agree. */
export function differences(one: GeneratedCase, native: OracleResult, ours: OracleResult): string[] {
  const found: string[] = [];
  const check = (what: string, expected: number | bigint, actual: number | bigint): void => {
    if (expected !== actual) found.push(`${what}: processor ${hex(expected)}, ours ${hex(actual)}`);
  };
  if (timedOut(native)) return [];
  const faults = native.rip === ours.rip && MEMORY_FAULTS.includes(native.trap) && MEMORY_FAULTS.includes(ours.trap);
  if (faults && instructionAt(one, native.rip)?.verdict.mnemonic.match(PIECEWISE)) return found;
  check('vector', native.trap, ours.trap);
  check('rip', native.rip, ours.rip);
  if (found.length > 0) return found;
  const faulted = native.rip !== endOf(one) || native.trap !== 3;
  const hidden = FETCH | (native.trap === PAGE_FAULT && native.cr2 >= USER_END ? PRESENT : 0);
  if (faulted && native.trap >= 8) check('error code', native.errorCode & ~hidden, ours.errorCode & ~hidden);
  if (native.trap === PAGE_FAULT) check('cr2', native.cr2, ours.cr2);

  const mask = one.mode === 64 ? 0xffffffffffffffffn : 0xffffffffn;
  for (let i = 0; i < (one.mode === 64 ? 16 : 8); i++) {
    if (native.registers[i] !== ours.registers[i]) {
      check(NAMES[i]!, native.registers[i]! & mask, ours.registers[i]! & mask);
    }
  }
  const undefinedBits = undefinedAt(one, native.rip);
  const flags = COMPARED_FLAGS & ~undefinedBits.rflags;
  check('rflags', native.rflags & flags, ours.rflags & flags);
  compareFx(native.fx, ours.fx, undefinedBits.status, one.mode, check);
  compareMemory(native.changes, ours.changes, found);
  return found;
}

type Check = (what: string, expected: number | bigint, actual: number | bigint) => void;

function compareFx(native: Uint8Array, ours: Uint8Array, undefinedStatus: number, mode: 32 | 64, check: Check): void {
  const a = new DataView(native.buffer, native.byteOffset, native.length);
  const b = new DataView(ours.buffer, ours.byteOffset, ours.length);
  check('fcw', a.getUint16(FX.fcw, true), b.getUint16(FX.fcw, true));
  const status = 0xffff & ~undefinedStatus;
  check('fsw', a.getUint16(FX.fsw, true) & status, b.getUint16(FX.fsw, true) & status);
  check('tags', a.getUint8(FX.ftw), b.getUint8(FX.ftw));
  check('mxcsr', a.getUint32(FX.mxcsr, true), b.getUint32(FX.mxcsr, true));
  // The last instruction, its address and its operand's are left out: AMD keeps them for exceptions only.
  const top = (a.getUint16(FX.fsw, true) >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const at = FX.st + 16 * i;
    const name = `st${i} (r${(top + i) & 7})`;
    check(`${name} significand`, a.getBigUint64(at, true), b.getBigUint64(at, true));
    check(`${name} exponent`, a.getUint16(at + 8, true), b.getUint16(at + 8, true));
  }
  for (let i = 0; i < (mode === 64 ? 16 : 8); i++) {
    const at = FX.xmm + 16 * i;
    check(`xmm${i} low`, a.getBigUint64(at, true), b.getBigUint64(at, true));
    check(`xmm${i} high`, a.getBigUint64(at + 8, true), b.getBigUint64(at + 8, true));
  }
}

/** The changes between two images of DATA or STACK at `base`, in whole 8 bytes, as the oracle reports them. */
export function changesOf(base: number, before: Uint8Array, after: Uint8Array): MemoryPiece[] {
  const words = (bytes: Uint8Array): Int32Array =>
    bytes.byteOffset % 4 ? words(bytes.slice()) : new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const changes: MemoryPiece[] = [];
  if (Buffer.compare(before, after) === 0) return changes;
  const [a, b] = [words(before), words(after)];
  const same = (at: number): boolean => a[at] === b[at] && a[at + 1] === b[at + 1];
  for (let at = 0; at < a.length; at += 2) {
    const start = at;
    while (at < a.length && !same(at)) at += 2;
    if (at > start) changes.push({ address: base + 4 * start, bytes: after.slice(4 * start, 4 * at) });
  }
  return changes;
}

function compareMemory(native: readonly MemoryPiece[], ours: readonly MemoryPiece[], found: string[]): void {
  const flatten = (pieces: readonly MemoryPiece[]): Map<number, number> => {
    const bytes = new Map<number, number>();
    for (const piece of pieces) piece.bytes.forEach((byte, index) => bytes.set(piece.address + index, byte));
    return bytes;
  };
  if (native.length === 0 && ours.length === 0) return;
  const expected = flatten(native);
  const actual = flatten(ours);
  const addresses = [...new Set([...expected.keys(), ...actual.keys()])].sort((a, b) => a - b);
  // Both sides report whole changed words (`changesOf`).
  const wrong = addresses.filter((address) => expected.get(address) !== actual.get(address));
  if (wrong.length === 0) return;
  const show = (bytes: Map<number, number>): string =>
    wrong
      .slice(0, 8)
      .map((address) => bytes.get(address)?.toString(16).padStart(2, '0') ?? '--')
      .join(' ');
  found.push(`memory at ${hex(wrong[0]!)} (${wrong.length} bytes): processor ${show(expected)}, ours ${show(actual)}`);
}
