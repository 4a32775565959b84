/**
 * Where everything lies in the machine's one WebAssembly memory. Plain integer constants only:
 * this file is compiled by TypeScript and by AssemblyScript.
 *
 * The *window* holds the state of the vCPU that is running now; the others are parked.
 * Operand fields of decoded records are 16-bit addresses into the first 64 KiB.
 */

// ── Constants that records point at ────────────────────────────────────────────────────────
export const ZERO = 0x100; // i64 0: absent base, index or segment base
export const MASK16 = 0x108; // address masks
export const MASK32 = 0x110;
export const MASK64 = 0x118;
export const SCRATCH = 0x140; // 64 bytes: operands that cross a page or go to a device
export const SEGMENT_LINEAR = 0x180; // u64: result of a checked address computation
// Vectors of equal lanes, for looking at floating-point numbers: 48 bytes for f32, then 48 for f64.
export const FLOAT_CONSTANTS = 0x200;
export const FLOAT_CONSTANTS_F64 = 48;
export const FLOAT_MAGNITUDE = 0; // all bits but the sign
export const FLOAT_LEAST = 16; // the number after the least normal one
export const FLOAT_GREATEST = 32; // the greatest number
export const FLOAT_FLAGS = 0x3c0; // u32: exceptions raised by the floating-point helpers
export const FLOAT_STATUS = 0x3c4; // u32: status word bits of an x87 store that is under way
export const FLOAT_RESULT = 0x3d0; // 16 bytes: what it is going to store

// ── The window: state of the running vCPU ──────────────────────────────────────────────────
export const WINDOW = 0x400;
export const WINDOW_SIZE = 0x800;

export const GPR = 0x400; // 16 × u64: rax rcx rdx rbx rsp rbp rsi rdi r8…r15
export const RIP = 0x480; // u64: at exits and in host calls; not kept up inside blocks
export const FLAG_RESULT = 0x488; // i64, see flags.ts
export const FLAG_CARRIES = 0x490; // i64
export const EFLAGS = 0x498; // u64: all flags but CF PF AF ZF SF OF
export const CODE_PAGE = 0x4a0; // u64: linear address of the page of the running block

// Segments: ES CS SS DS FS GS LDTR TR, 32 bytes each.
export const SEGMENTS = 0x4c0;
export const SEGMENT_SIZE = 32;
export const SEG_BASE = 0; // u64
export const SEG_LIMIT = 8; // u32, in bytes, granularity applied
export const SEG_ATTR = 12; // u32: descriptor bits 8–15 and 20–23 as in VMCS access rights; bit 16 unusable
export const SEG_SELECTOR = 16; // u16
// Limit and attributes, as one u64 at SEG_LIMIT, of a segment of 4 GiB for data that may be written and that grows upwards: bits 3 to 1 of its type (SDM vol. 3, 3.4.5.1).
export const SEG_WHOLE_MASK = 0x1000effffffff;
export const SEG_WHOLE = 0x2ffffffff;
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;

export const GDTR_BASE = 0x5c0; // u64
export const GDTR_LIMIT = 0x5c8; // u32
export const IDTR_BASE = 0x5d0; // u64
export const IDTR_LIMIT = 0x5d8; // u32

export const CR0 = 0x5e0; // u64 each
export const CR2 = 0x5e8;
export const CR3 = 0x5f0;
export const CR4 = 0x5f8;
export const CR8 = 0x990; // only names the register: its value is the task priority
export const EFER = 0x600;
export const XCR0 = 0x608;
export const DR = 0x610; // 8 × u64: DR0–DR3, (4, 5 unused), DR6, DR7

// Model-specific registers kept here because instructions use them; u64 each.
export const MSR_STAR = 0x650;
export const MSR_LSTAR = 0x658;
export const MSR_CSTAR = 0x660;
export const MSR_SFMASK = 0x668;
export const MSR_KERNEL_GS_BASE = 0x670;
export const MSR_SYSENTER_CS = 0x678;
export const MSR_SYSENTER_ESP = 0x680;
export const MSR_SYSENTER_EIP = 0x688;
export const MSR_TSC_AUX = 0x690;
export const MSR_TSC_OFFSET = 0x698; // i64 added to the machine's time-stamp counter
export const MSR_PAT = 0x6a0;
export const MSR_APIC_BASE = 0x6a8;
export const MSR_MISC_ENABLE = 0x6b0;
export const MSR_MTRR_DEF_TYPE = 0x6b8;
export const MSR_MTRR_FIXED = 0x6c0; // 11 × u64
export const MSR_MTRR_VARIABLE = 0x718; // 8 pairs of u64: base, mask
export const MSR_DEBUGCTL = 0x798;
export const MSR_TSC_DEADLINE = 0x7a0;
export const MSR_SPEC_CTRL = 0x7a8;

// x87 and SSE. ST(i) is register (TOP + i) & 7. MMX registers are the significands.
export const FPR = 0x7c0; // 8 × 16 bytes: significand u64, sign and exponent u16
export const FPU_CONTROL = 0x840; // u16
export const FPU_STATUS = 0x842; // u16, TOP included
export const FPU_TAGS = 0x844; // u8: bit i set where physical register i is not empty
export const FPU_OPCODE = 0x846; // u16: last opcode, 11 bits
export const FPU_IP = 0x848; // u64
export const FPU_DP = 0x850; // u64
export const FPU_CS = 0x858; // u16
export const FPU_DS = 0x85a; // u16
export const MXCSR = 0x85c; // u32
export const XMM = 0x860; // 16 × 16 bytes

// What the vCPU is doing.
export const ACTIVITY = 0x960; // u32: Activity
export const SHADOW_COUNT = 0x968; // i64: instruction count at which interrupts are still held back (STI, MOV SS)
export const NMI_BLOCKED = 0x970; // u32
export const NMI_PENDING = 0x974; // u32
export const PENDING_DEBUG = 0x978; // u32: DR6 bits of a trap due at the next boundary
export const CPL = 0x97c; // u32: derived from SS.DPL; cached for the hot paths
export const MONITOR_ARMED = 0x980; // u32

// ── Exit record, written by whoever leaves the run loop ────────────────────────────────────
export const EXIT_REASON = 0xc00; // u32: Exit
export const FAULT_VECTOR = 0xc04; // u32
export const FAULT_CODE = 0xc08; // u32: error code
export const FAULT_HAS_CODE = 0xc0c; // u32
export const FAULT_ADDRESS = 0xc10; // u64: goes to CR2 when a #PF is delivered
export const INSTRUCTION_RIP = 0xc18; // u64: linear address of the instruction that left the loop

// ── Engine state that is not the guest's ───────────────────────────────────────────────────
export const BUDGET = 0xc30; // i32: instructions left in the slice, blocks are charged on entry
export const SLICE_END = 0xc38; // f64: instruction count at which BUDGET is 0
export const SINGLE = 0xc40; // u32: not 0 while one instruction is run alone, with all side effects allowed
export const TLB_SET = 0xc48; // u32: address of the TLB set for the current privilege
export const GENERATION = 0xc4c; // u32: counts what makes the jump cache stale for supervisors
export const DECODE_MODE = 0xc50; // u32: DecodeMode bits
export const TLB_FILLS = 0xc54; // u32: entries in the fill list
export const PT_COUNT = 0xc58; // u32: entries in the list of pages marked as page tables
export const RAM_SIZE = 0xc5c; // u32: bytes of RAM, at physical address 0
export const STAT_TLB_MISSES = 0xc60; // u32
export const STAT_FLUSHES = 0xc64; // u32
export const NEXT_LINEAR = 0xc68; // u64: where to look up the next block
export const WATCHES = 0xc70; // u32: number of entries of WATCH_LIST
export const MMIO_OFFSET = 0xc78; // u64: physical address of the last device access
export const A20_MASK = 0xc80; // u64
export const LINK_SLOT = 0xc88; // u32: link field to fill when the next block is found
export const FLAG_KIND = 0xc8c; // u32: not 0 where compiled code has left a sum's operands as flags (engine/settle.ts)
export const PHYSICAL_WIDTH = 0xc90; // u32: bits of a physical address, as CPUID says
export const CRYSTAL_CLOCK = 0xc94; // u32: hertz of the core crystal, as CPUID says
export const REGION_INSTRUCTIONS = 0xc98; // i64: instructions that compiled code has run
export const QUIET = 0xca0; // u32: the host has said that no interrupt is pending, and nothing has happened that could change it
export const RECORDS_NEXT = 0xca4; // u32: where the next decoded block goes
export const HEAT_AT_FIRST = 0xca8; // i32: BLOCK_HEAT of a new block
export const BREAK_MARKS = 0xcac; // u32: how many addresses there are to stop at
export const USER_GENERATION = 0xcb4; // u32: the same for programs, to which every address space is another
export const TIME_STEP = 0xce0; // f64: virtual nanoseconds of an instruction
export const TIME_OFFSET = 0xce8; // f64: what has passed beside
export const CONTEXT = 0xcc0; // u64: flush generation and decode mode: what is remembered about linear addresses holds in one. Its lower half is the jump cache's tag
export const STAT_ALONE = 0xcb8; // u32: instructions that were run alone because of what they write or read
export const HEARD = 0xcbc; // u32: somebody wants to hear of system instructions

// ── Structures ─────────────────────────────────────────────────────────────────────────────
export const HELPER_DATA = 0x10000; // static data of the AssemblyScript helpers
export const PARKED = 0x1c000; // parked windows of vCPUs that are not running, WINDOW_SIZE each

// Software TLB: three sets (user; supervisor; supervisor with AC under SMAP) of direct-mapped entries, and one that
// stays empty: user mode with alignment checks, where every access takes the slow path.
export const TLB = 0xc00000;
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY = 32;
export const TLB_SET_SIZE = 0x20000;
export const TLB_CHECKED = 0xc60000;
export const TLB_READ = 0; // i64: linear page, or -1
export const TLB_WRITE = 8; // i64
export const TLB_FETCH = 16; // i64
export const TLB_ADDEND = 24; // i32: host address minus low 32 bits of the linear page
export const TLB_LEAF = 28; // u32: host address of the page-table entry that maps a page of 4 KiB
export const TLB_FILL_LIST = 0x50000; // u32 × 3 × TLB_ENTRIES: addresses of filled entries
export const PAGE_LIST = 0x5c000; // u32 × 4096: pages that the host has asked for
export const PAGE_LIST_ENTRIES = 4096;
export const PT_LIST = 0x60000; // u32 × 16384: backing pages marked PAGE_TABLE

export const CODE_SLOTS = 0x70000; // u8 × 1024: entries of the top page table under which a supervisor's code was found in this GENERATION
export const JUMP_CACHE = 0x80000; // 8192 × {linear u64, context u32, block u32}
export const JUMP_CACHE_ENTRIES = 8192;
export const BLOCK_HASH = 0x100000; // 65536 × u32: first block of the bucket
export const BLOCK_HASH_ENTRIES = 65536;
// Pieces of physical memory beside RAM that are backed by memory here.
export const REGIONS = 0x1b000; // 64 × {first u64, last u64, host u32, unused}
export const REGION_SIZE = 24;
export const REGION_COUNT = 0x1affc; // u32
// Watched ranges: 64 × {first u64, last u64, kind u32, unused}.
export const WATCH_LIST = 0x1b800;
export const WATCH_ENTRY = 32;
export const WATCH_ENTRIES = 64;
export const WATCH_FIRST = 0;
export const WATCH_LAST = 8;
export const WATCH_KIND = 16;
export const WATCH_READS = 1;
export const WATCH_WRITES = 2;
export const WATCH_PHYSICAL = 4;
export const SINGLE_BLOCK = 0x1a000; // the block that is run one instruction at a time

// What each compiled region was last entered for: {context u32, usable u32, base u64}.
export const REGION_STATE = 0x140000;
export const REGION_STATE_SIZE = 16;
export const REGION_STATES = 16384;

export const DECODE_TABLE = 0x180000; // decodetable.ts

// One mechanism for all that is special about a page: flags by backing page (host address / 4096).
export const PAGE_FLAGS = 0x200000; // u8 × 2^20
export const UPPER_TABLES = 0x300000; // u8 × 2^20, by backing page: 1 where a page was walked through as a table that is not a lowest one
export const CODE_MASK = 0x400000; // u32 × 2^20: bit i set where the i-th 128 bytes hold decoded code
export const CODE_HEAD = 0x800000; // u32 × 2^20: first block of the page
export const KEEP_PAGES = 0xc80000; // u8 × 2^20, by backing page: 1 where the host wants to know what it was before it changes
export const UNREAD_PAGES = 0xd80000; // u8 × 2^20, by backing page: bit i set where it was written since reader i has looked
export const READERS = 8;
// How a reader looks at written pages.
export const LOOK_LIST = 0; // they stay unread
export const LOOK_TAKE = 1;
export const LOOK_KEEP = 2; // as LOOK_TAKE, and what they are is kept when they change
// What pages were that have changed since the host has named them, until it hears of them.
export const KEPT_CONTENTS = 0xe80000; // 64 pages, those of zeros left out
export const KEPT_LIST = 0xec0000; // u32 × 64: backing pages, with KEPT_ZERO where they were all zeros
export const KEPT_ENTRIES = 64;
export const KEPT_COUNT = 0xec0100; // u32: entries of the list
export const KEPT_COPIES = 0xec0104; // u32: of the contents
export const KEPT_ZERO = 0x80000000;
export const RECORDS = 0xec1000; // decoded blocks
export const RECORDS_END = 0x4000000;
export const RAM = 0x4000000; // guest physical address 0

export const PAGE_DIRTY = 1; // written since anybody has looked
export const PAGE_CODE = 2; // holds decoded code
export const PAGE_TABLE = 4; // a cached translation depends on it
export const PAGE_ROM = 8; // writes go to the bus, where they are lost but for flash
export const PAGE_WATCHED = 16; // holds a watched physical range
export const PAGE_MMIO = 32; // a hole in RAM: accesses go to the bus
export const PAGE_CACHED = 64; // the TLB may hold a write entry
export const PAGE_REGION = 128; // compiled code was made from it
export const PAGE_AWAITED = PAGE_MMIO | PAGE_ROM; // both at once: its contents come when it is looked at

/** Bits of a physical address (CPUID 8000_0008), unless the machine has others: PHYSICAL_WIDTH. */
export const PHYSICAL_BITS = 46;
/** Clock of the core crystal (CPUID 15), unless the machine has another: CRYSTAL_CLOCK. */
export const CRYSTAL_HERTZ = 100_000_000;

// DECODE_MODE bits: what decoding depends on.
export const MODE_64 = 1; // CS.L in long mode
export const MODE_CODE32 = 2; // CS.D
export const MODE_STACK32 = 4; // SS.B
export const MODE_FLAT = 8; // CS, SS, DS and ES have base 0 and limit 4 GiB
export const MODE_NO_FPU = 16; // CR0.EM or CR0.TS: x87, MMX and SSE fault
export const MODE_NO_SSE = 32; // CR4.OSFXSR clear, or CR0.EM or TS
export const MODE_USER = 64; // CPL 3: only tells cached translations apart

/** Values of EXIT_REASON while the loop runs: why an instruction was left. */
export const LEAVE_FAULT = 1; // FAULT_* say which exception
export const LEAVE_RETRY = 2; // run this instruction alone: it has side effects outside RAM
export const LEAVE_BUDGET = 3;
export const LEAVE_HOST = 4; // a host function wants the driver
export const LEAVE_BREAKPOINT = 5;
export const LEAVE_INTERNAL = 6;
export const LEAVE_FAILED = 7; // the host can't go on: it knows why

// ── Decoded records ────────────────────────────────────────────────────────────────────────
// A block is a header and its records, 32 bytes each.
export const RECORD_SIZE = 32;
export const BLOCK_COUNT = 0; // u32: instructions
export const BLOCK_NEXT = 4; // u32: next block of the hash bucket
export const BLOCK_HOST = 8; // u32: host address of the first byte
export const BLOCK_MODE = 12; // u32: DECODE_MODE it was decoded for
export const BLOCK_LINK = 16; // u32: next block of the same page
// The last byte of the next is 0: where a record has REC_SIZE, a header has no links.
export const BLOCK_OFFSET = 20; // u32: page offset of the first instruction
export const BLOCK_CROSSING = 24; // u32: where the block crosses into another page, that page's host address; of a BLOCK_TAIL, the block itself
export const BLOCK_HEAT = 28; // i32: above 0 entries left until it is compiled; below 0 HEAT_COMPILED, entry << 14, region
// In place of a mode: no block, but what tells a page that a block of the page before ends in it.
export const BLOCK_TAIL = 0xfffffffe;
export const BLOCK_DROPPED = 0xffffffff;
export const HEAT_NEVER = 0x7fffffff;
export const HEAT_COMPILED = -0x80000000; // i32

export const REC_HANDLER = 0; // u16
export const REC_A = 2; // u16: window address of register operand 0
export const REC_B = 4; // u16: operand 1
export const REC_C = 6; // u16: operand 2
export const REC_BASE = 8; // u16: memory operand
export const REC_INDEX = 10; // u16
export const REC_SEGMENT = 12; // u16: address of the segment base, or ZERO
export const REC_SCALE = 14; // u8: shift count
export const REC_MEM = 15; // u8: bits 0–2 segment register, 3 memory operand present, 4–5 address size (0: 16, 1: 32, 2: 64), 6 the immediate is the offset
export const MEM_ABSOLUTE = 64;
export const REC_DISP = 16; // i32
export const REC_OFFSET = 20; // u16: page offset of the instruction, bits 0–11; length, bits 12–15
export const REC_INDEX_IN_BLOCK = 22; // u8: instructions of the block before this one
export const REC_SIZE = 23; // u8: log2 of operand size in bytes, bits 0–1; bits 2-3: REP prefix (1: F3, 2: F2); 4: LOCK; 5: holds links
export const SIZE_LINKS = 32;
export const REC_IMM = 24; // i64
export const REC_TARGET = 24; // u64, of an indirect call or a return that has no immediate: where it led the last time, 0 if it never did
// Direct branches use the memory fields for links to blocks of the same page.
export const REC_LINK_TAKEN = 8; // u32
// Jumps and calls may have a link to a block of another page, which holds in one context for one place of the jump: bit 0 of the link tells.
export const LINK_CROSSES = 1;
export const REC_LINK_CONTEXT = 2; // u48, over REC_A, REC_B and REC_C
export const REC_LINK_PAGE = 12; // u64: CODE_PAGE of the jump, over REC_LINK_NEXT and REC_DISP
export const REC_LINK_NEXT = 12; // u32, over REC_SEGMENT, REC_SCALE and REC_MEM
// Address masks are chosen by address size: MASK16 + 8 × size.
