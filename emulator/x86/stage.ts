import type { I32, I64, V128 } from '../wasm/expr';
import type { FunctionBuilder } from '../wasm/function';
import type { FlagSum, FlagValues } from './flags';

/** Bits of an integer operand. */
export type Size = 8 | 16 | 32 | 64;

/** A condition that nearly always holds; of two, the first costs less, nearly always holds, and implies the second. Nothing where it is known already. */
export type Usual = I32 | readonly [I32, I32] | undefined;

/**
 * How linear addresses of code and stack are made:
 *   64         64-bit mode
 *   flat32     protected mode, 32-bit code and stack segments with base 0 and limit 4 GiB
 *   segmented  everything else: bases, limits and 16-bit wrap-around are checked at run time
 */
export type CodeKind = '64' | 'flat32' | 'segmented';

export type OperandKind = 'register' | 'memory' | 'immediate' | 'vector' | 'mmx' | 'segment' | 'control' | 'relative';

/** String instructions, by the numbers that the helper has for them (assembly/strings.ts). */
export const STRING_OPERATIONS = ['movs', 'stos', 'lods', 'scas', 'cmps', 'ins', 'outs'] as const;
export type StringOperation = (typeof STRING_OPERATIONS)[number];

/** One explicit operand of an instruction form. */
export interface Operand {
  readonly kind: OperandKind;
  /** Position among the explicit operands, 0–3. */
  readonly index: number;
  /** Bits that the operand has in memory or in a register; 0 where only its address counts. */
  readonly size: number;
}

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/**
 * What an instruction's meaning is written against. A meaning *emits* code: it runs once for each form.
 * In the generic stage operands come from the decoded record, in the region stage they are known.
 *
 * Order inside a meaning, so that a fault leaves nothing half done:
 * read everything, write memory (at most one operand), then registers, then flags, then control flow.
 *
 * Integer values are i64, zero-extended from the operand's size; writes truncate.
 */
export interface Stage {
  readonly f: FunctionBuilder;
  /** Operand size of this form. */
  readonly size: Size;
  readonly kind: CodeKind;

  /** Immediates come sign-extended to the form's size, then zero-extended. */
  read(o: Operand): I64;
  /** Like `read`, and makes sure that a later `write` of the same operand cannot fault. */
  readForUpdate(o: Operand): I64;
  write(o: Operand, value: I64): void;
  /** 128 bits. Narrower memory or register operands (`o.size` 32, 64) are zero-extended. */
  readVector(o: Operand): V128;
  /** Like `readVector` of 128 bits, and makes sure that a later `writeVector` of the same operand cannot fault. */
  readVectorForUpdate(o: Operand): V128;
  /** Writes `o.size` bits to memory, or all 128 to a register. */
  writeVector(o: Operand, value: V128): void;
  /** 80 bits of memory: a u64 and the u16 after it. */
  readExtended(o: Operand): { low: I64; high: I64 };
  writeExtended(o: Operand, low: I64, high: I64): void;
  /** Alignment check of a 16-byte memory operand: #GP(0) where it is not aligned (SDM vol. 1, 10.2). */
  requireAligned(o: Operand): void;
  /** Address of the register's bytes in the window (GPR, XMM, FPR), for helpers that take addresses. */
  place(o: Operand): I32;
  /** Effective address of a memory operand without segment base, for LEA; masked to the address size. */
  effectiveAddress(o: Operand): I64;
  /** Linear address of a memory operand plus `displacement` bytes. */
  linearAddress(o: Operand, displacement?: I64): I64;
  /** The same memory operand, displaced at run time (bit strings). */
  memoryAt(o: Operand, displacement: I64): Operand;
  /** The same memory operand; a fault in writing it puts a register back first (POP to memory). */
  restoring(o: Operand, register: number, value: I64): Operand;
  /** Mask of the instruction's address size. */
  addressMask(): I64;
  /** Loads or stores at a linear address, checked and translated. Sizes in bits. */
  load(size: Size, linear: I64): I64;
  store(size: Size, linear: I64, value: I64): void;

  /** Registers that the opcode implies: GPR number and size (8: the low byte; 4–7 are AH CH DH BH). */
  getRegister(register: number, size: Size): I64;
  setRegister(register: number, size: Size, value: I64): void;
  /** A vector that never changes, by its address in the window. */
  constant(address: number): V128;
  /** Vector register by number (implicit XMM0). */
  getVector(register: number): V128;
  setVector(register: number, value: V128): void;

  /** Other state, by its address in the window (layout.ts). */
  getState(kind: 'u8' | 'u16' | 'u32' | 'u64', address: number): I64;
  setState(kind: 'u8' | 'u16' | 'u32' | 'u64', address: number, value: I64): void;

  flags(): FlagValues;
  /** CF, 0 or 1. */
  carry(): I64;
  setFlags(values: FlagValues): void;
  /** The flags of a comparison of floating-point numbers: CF and ZF as given (0 or 1), all others clear. */
  setOrder(below: I32, equal: I32): void;
  /** The flags of a sum or difference. */
  setSum(sum: FlagSum): void;
  /** 1 where condition code 0–15 holds. */
  condition(code: number): I32;

  push(size: Size, value: I64): void;
  /** Reads the top of the stack; `commit` then moves the stack pointer (the read may fault, the commit can't). */
  pop(size: Size): { value: I64; commit(): void };
  /** As `pop`, with another register as the stack pointer (LEAVE). */
  popFrom(register: number, size: Size): { value: I64; commit(): void };
  /** Adds to the stack pointer (RET n). */
  adjustStack(bytes: I64): void;

  /** Near branches; targets are instruction pointers. Each ends the block. */
  jumpRelative(o: Operand): void;
  branchRelative(taken: I32, o: Operand): void;
  jump(target: I64): void;
  /** Time-stamp counter at the end of this block, which this instruction ends. */
  timestamp(): I64;
  /** A whole string instruction. */
  string(operation: StringOperation): void;
  /** Instruction pointer after this instruction. */
  nextIp(): I64;

  /** Raises an exception at this instruction where the condition is not 0; nothing of it has happened yet. */
  faultIf(condition: I32, vector: number, code?: number): void;
  /** Where not all conditions hold, which is rare, `otherwise` runs before what follows; it may fault. */
  /** Returns whether they are sure to hold in what follows: then `otherwise` was not used. */
  usually(conditions: readonly Usual[], otherwise: () => void): boolean;
  /** Whether a fact of an operand, or of other state by its address, is known to hold because `usually` was asked for it further up in this straight line. */
  known(fact: string, of: Operand | number): boolean;
  /** What `usually` has just made sure of, or what follows from it for an operand that was just written. */
  learn(fact: string, of: Operand | number): void;
  /** Calls an export of the helper module. Helpers that may fault return 0 where they did not. */
  helper(name: string, ...args: (I32 | I64)[]): I32;
  helper64(name: string, ...args: (I32 | I64)[]): I64;
  run(name: string, ...args: (I32 | I64)[]): void;
  /** Leaves the instruction where a helper said that it faulted. */
  leaveIf(status: I32): void;
  /** The decoded record, for helpers that read operands themselves (strings). */
  record(): I32;
  /** Goes on where RIP says, in 64-bit mode: after a helper that has left the straight line. */
  resume(): void;
  /** Work of an ordinary TypeScript function (x86/system): ends the block. */
  host(name: string): void;
}
