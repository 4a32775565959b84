/** Bits of the processor's registers, as the SDM names them. */
import { bit, bits, type BitTable } from '../bus/fields';

export const RFLAGS_BITS: BitTable = {
  CF: bit(0, 'Carry'),
  PF: bit(2, 'Parity'),
  AF: bit(4, 'Auxiliary carry'),
  ZF: bit(6, 'Zero'),
  SF: bit(7, 'Sign'),
  TF: bit(8, 'Trap'),
  IF: bit(9, 'Interrupts enabled'),
  DF: bit(10, 'Direction: down'),
  OF: bit(11, 'Overflow'),
  IOPL: bits(13, 12, 'I/O privilege level'),
  NT: bit(14, 'Nested task'),
  RF: bit(16, 'Resume'),
  VM: bit(17, 'Virtual-8086 mode'),
  AC: bit(18, 'Alignment check, access control'),
  VIF: bit(19, 'Virtual interrupt flag'),
  VIP: bit(20, 'Virtual interrupt pending'),
  ID: bit(21, 'CPUID exists'),
};

export const SEGMENT_BITS: BitTable = {
  TYPE: bits(3, 0, 'Type'),
  S: bit(4, 'Code or data, not system'),
  DPL: bits(6, 5, 'Privilege level'),
  P: bit(7, 'Present'),
  AVL: bit(12, 'Available to software'),
  L: bit(13, '64-bit code'),
  DB: bit(14, '32-bit default size'),
  G: bit(15, 'Limit in pages'),
  UNUSABLE: bit(16, 'Null selector'),
};

export const CR0_BITS: BitTable = {
  PE: bit(0, 'Protected mode'),
  MP: bit(1, 'Monitor coprocessor'),
  EM: bit(2, 'Emulation: no x87'),
  TS: bit(3, 'Task switched'),
  ET: bit(4, 'Extension type'),
  NE: bit(5, 'Numeric errors as #MF'),
  WP: bit(16, 'Write protect'),
  AM: bit(18, 'Alignment mask'),
  NW: bit(29, 'Not write-through'),
  CD: bit(30, 'Cache disable'),
  PG: bit(31, 'Paging'),
};

export const CR4_BITS: BitTable = {
  VME: bit(0, 'Virtual-8086 extensions'),
  PVI: bit(1, 'Protected-mode virtual interrupts'),
  TSD: bit(2, 'RDTSC is privileged'),
  DE: bit(3, 'Debugging extensions'),
  PSE: bit(4, 'Pages of 4 MB'),
  PAE: bit(5, 'Physical addresses beyond 32 bits'),
  MCE: bit(6, 'Machine check'),
  PGE: bit(7, 'Global pages'),
  PCE: bit(8, 'RDPMC for everybody'),
  OSFXSR: bit(9, 'FXSAVE and SSE'),
  OSXMMEXCPT: bit(10, 'SSE exceptions as #XM'),
  UMIP: bit(11, 'SGDT and the like are privileged'),
  LA57: bit(12, 'Five-level paging'),
  FSGSBASE: bit(16, 'RDFSBASE and the like'),
  PCIDE: bit(17, 'Process-context identifiers'),
  OSXSAVE: bit(18, 'XSAVE'),
  SMEP: bit(20, 'No execution of user pages by the supervisor'),
  SMAP: bit(21, 'No access to user pages by the supervisor'),
};

export const EFER_BITS: BitTable = {
  SCE: bit(0, 'SYSCALL'),
  LME: bit(8, 'Long mode enable'),
  LMA: bit(10, 'Long mode active'),
  NXE: bit(11, 'No-execute pages'),
};

export const DR6_BITS: BitTable = {
  B0: bit(0, 'Breakpoint 0 met'),
  B1: bit(1, 'Breakpoint 1 met'),
  B2: bit(2, 'Breakpoint 2 met'),
  B3: bit(3, 'Breakpoint 3 met'),
  BD: bit(13, 'Debug register access'),
  BS: bit(14, 'Single step'),
  BT: bit(15, 'Task switch'),
};

const condition = { 0: 'execution', 1: 'write', 2: 'I/O', 3: 'read or write' };
const length = { 0: '1 byte', 1: '2 bytes', 2: '8 bytes', 3: '4 bytes' };
export const DR7_BITS: BitTable = {
  ...Object.fromEntries(
    [0, 1, 2, 3].flatMap((n) => [
      [`L${n}`, bit(n * 2, `Breakpoint ${n} of this task`)],
      [`G${n}`, bit(n * 2 + 1, `Breakpoint ${n} of all tasks`)],
      [`RW${n}`, bits(17 + n * 4, 16 + n * 4, `Condition of breakpoint ${n}`, condition)],
      [`LEN${n}`, bits(19 + n * 4, 18 + n * 4, `Length of breakpoint ${n}`, length)],
    ]),
  ),
  LE: bit(8, 'Local exact'),
  GE: bit(9, 'Global exact'),
  GD: bit(13, 'General detect'),
};

const EXCEPTIONS = ['I: Invalid operation', 'D: Denormal', 'Z: Division by zero', 'O: Overflow', 'U: Underflow', 'P: Precision'];
const exceptions = (from: number, suffix: string): BitTable =>
  Object.fromEntries(EXCEPTIONS.map((text, n) => [`${text[0]}${suffix}`, bit(from + n, text.slice(3))]));

const rounding = { 0: 'Nearest', 1: 'Down', 2: 'Up', 3: 'To zero' };
export const FCW_BITS: BitTable = {
  ...exceptions(0, 'M'),
  PC: bits(9, 8, 'Precision', { 0: 'Single', 2: 'Double', 3: 'Extended' }),
  RC: bits(11, 10, 'Rounding', rounding),
};
export const FSW_BITS: BitTable = {
  ...exceptions(0, 'E'),
  SF: bit(6, 'Stack fault'),
  ES: bit(7, 'Exception summary'),
  C0: bit(8, 'Condition 0'),
  C1: bit(9, 'Condition 1'),
  C2: bit(10, 'Condition 2'),
  TOP: bits(13, 11, 'Top of stack'),
  C3: bit(14, 'Condition 3'),
  B: bit(15, 'Busy'),
};
export const MXCSR_BITS: BitTable = {
  ...exceptions(0, 'E'),
  DAZ: bit(6, 'Denormals are zeros'),
  ...exceptions(7, 'M'),
  RC: bits(14, 13, 'Rounding', rounding),
  FTZ: bit(15, 'Flush to zero'),
};
