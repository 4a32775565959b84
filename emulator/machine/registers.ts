/** The registers of a vCPU, described once: for inspection, for changing them, and for the state hash. */
import { bit, bits, type BitTable } from '../bus/fields';
import * as layout from '../x86/layout';
import type { Segment, Vcpu } from '../x86/vcpu';
import { CR0_BITS, CR4_BITS, DR6_BITS, DR7_BITS, EFER_BITS, FCW_BITS, FSW_BITS, MXCSR_BITS, RFLAGS_BITS, SEGMENT_BITS } from './registerbits';

export interface Register {
  readonly name: string;
  readonly about: string;
  /** In bits. */
  readonly width: number;
  readonly bits?: BitTable;
  read(vcpu: Vcpu): bigint;
  write?(vcpu: Vcpu, value: bigint): void;
}
/** A register of several parts, as segment registers are. */
export interface RegisterFile {
  readonly name: string;
  readonly about: string;
  readonly parts: readonly Register[];
}
export interface RegisterGroup {
  readonly name: string;
  readonly about: string;
  readonly registers: readonly (Register | RegisterFile)[];
}

const u64 = (name: string, address: number, about: string, table?: BitTable): Register => ({
  name,
  about,
  width: 64,
  ...(table && { bits: table }),
  read: (vcpu) => vcpu.u64(address),
  write: (vcpu, value) => vcpu.setU64(address, value),
});
const u32 = (name: string, address: number, about: string, table?: BitTable): Register => ({
  name,
  about,
  width: 32,
  ...(table && { bits: table }),
  read: (vcpu) => BigInt(vcpu.u32(address)),
  write: (vcpu, value) => vcpu.setU32(address, Number(value)),
});
const u16 = (name: string, address: number, about: string, table?: BitTable): Register => ({
  name,
  about,
  width: 16,
  ...(table && { bits: table }),
  read: (vcpu) => BigInt(vcpu.u16(address)),
  write: (vcpu, value) => vcpu.setU16(address, Number(value)),
});

const GPR_NAMES = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
/** In the order in which people look for them. */
const GPR_ORDER = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];

const rflags: Register = {
  name: 'rflags',
  about: 'Flags',
  width: 64,
  bits: RFLAGS_BITS,
  read: (vcpu) => vcpu.rflags,
  write: (vcpu, value) => void (vcpu.rflags = value),
};

const general: RegisterGroup = {
  name: 'general',
  about: 'General-purpose registers',
  registers: [
    { name: 'rip', about: 'Instruction pointer', width: 64, read: (vcpu) => vcpu.rip, write: (vcpu, value) => void (vcpu.rip = value) },
    ...GPR_ORDER.map((number) => u64(GPR_NAMES[number]!, layout.GPR + number * 8, number === 4 ? 'Stack pointer' : 'General-purpose register')),
    rflags,
  ],
};

const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];
const SEGMENT_ORDER = [layout.CS, layout.DS, layout.ES, layout.SS, layout.FS, layout.GS, layout.LDTR, layout.TR];

function segmentFile(number: number): RegisterFile {
  const change = (vcpu: Vcpu, part: Partial<Segment>): void => {
    vcpu.setSegment(number, { ...vcpu.segment(number), ...part });
    if (number === layout.SS || number === layout.CS) vcpu.cpl = (vcpu.attributes(layout.SS) >> 5) & 3;
  };
  return {
    name: SEGMENT_NAMES[number]!,
    about: number === layout.LDTR ? 'Local descriptor table' : number === layout.TR ? 'Task' : 'Segment register',
    parts: [
      {
        name: 'selector',
        about: 'Selector',
        width: 16,
        bits: { RPL: bits(1, 0, 'Requested privilege level'), TI: bit(2, 'Local table'), INDEX: bits(15, 3, 'Index') },
        read: (vcpu) => BigInt(vcpu.segment(number).selector),
        write: (vcpu, value) => change(vcpu, { selector: Number(value) }),
      },
      { name: 'base', about: 'Base address', width: 64, read: (vcpu) => vcpu.segment(number).base, write: (vcpu, base) => change(vcpu, { base }) },
      {
        name: 'limit',
        about: 'Limit in bytes',
        width: 32,
        read: (vcpu) => BigInt(vcpu.segment(number).limit),
        write: (vcpu, value) => change(vcpu, { limit: Number(value) }),
      },
      {
        name: 'attributes',
        about: 'Access rights (SDM volume 3, 25.4.1)',
        width: 32,
        bits: SEGMENT_BITS,
        read: (vcpu) => BigInt(vcpu.segment(number).attributes),
        write: (vcpu, value) => change(vcpu, { attributes: Number(value) }),
      },
    ],
  };
}

const table = (name: string, base: number, limit: number, about: string): RegisterFile => ({
  name,
  about,
  parts: [u64('base', base, 'Base address'), u32('limit', limit, 'Limit in bytes')],
});

const segments: RegisterGroup = {
  name: 'segments',
  about: 'Segment registers with their hidden parts',
  registers: [
    ...SEGMENT_ORDER.map(segmentFile),
    table('gdtr', layout.GDTR_BASE, layout.GDTR_LIMIT, 'Global descriptor table'),
    table('idtr', layout.IDTR_BASE, layout.IDTR_LIMIT, 'Interrupt descriptor table'),
  ],
};

const control: RegisterGroup = {
  name: 'control',
  about: 'Control registers',
  registers: [
    u64('cr0', layout.CR0, 'Operating modes', CR0_BITS),
    u64('cr2', layout.CR2, 'Address of the last page fault'),
    u64('cr3', layout.CR3, 'Root of the page tables', { PWT: bit(3, 'Write-through'), PCD: bit(4, 'Cache disable'), ROOT: bits(51, 12, 'Page number') }),
    u64('cr4', layout.CR4, 'Extensions', CR4_BITS),
    u64('efer', layout.EFER, 'Extended features', EFER_BITS),
    u64('xcr0', layout.XCR0, 'State components that XSAVE manages', { X87: bit(0, 'x87'), SSE: bit(1, 'SSE') }),
  ],
};

const debug: RegisterGroup = {
  name: 'debug',
  about: 'Debug registers',
  registers: [
    ...[0, 1, 2, 3].map((n) => u64(`dr${n}`, layout.DR + n * 8, `Address of breakpoint ${n}`)),
    u64('dr6', layout.DR + 6 * 8, 'Debug status', DR6_BITS),
    u64('dr7', layout.DR + 7 * 8, 'Debug control', DR7_BITS),
  ],
};

const msr: RegisterGroup = {
  name: 'msr',
  about: 'Model-specific registers',
  registers: [
    u64('star', layout.MSR_STAR, 'SYSCALL selectors'),
    u64('lstar', layout.MSR_LSTAR, 'SYSCALL entry of 64-bit mode'),
    u64('cstar', layout.MSR_CSTAR, 'SYSCALL entry of compatibility mode'),
    u64('sfmask', layout.MSR_SFMASK, 'Flags that SYSCALL clears'),
    u64('kernel_gs_base', layout.MSR_KERNEL_GS_BASE, 'What SWAPGS brings in'),
    u64('sysenter_cs', layout.MSR_SYSENTER_CS, 'SYSENTER code segment'),
    u64('sysenter_esp', layout.MSR_SYSENTER_ESP, 'SYSENTER stack pointer'),
    u64('sysenter_eip', layout.MSR_SYSENTER_EIP, 'SYSENTER entry'),
    u64('tsc_aux', layout.MSR_TSC_AUX, 'What RDTSCP gives in ECX'),
    u64('tsc_offset', layout.MSR_TSC_OFFSET, "Time-stamp counter minus the machine's virtual nanoseconds"),
    u64('pat', layout.MSR_PAT, 'Page attribute table'),
    u64('misc_enable', layout.MSR_MISC_ENABLE, 'Miscellaneous features'),
    u64('mtrr_def_type', layout.MSR_MTRR_DEF_TYPE, 'Default memory type'),
    ...Array.from({ length: 11 }, (_, n) => u64(`mtrr_fixed${n}`, layout.MSR_MTRR_FIXED + n * 8, 'Fixed-range memory types')),
    ...Array.from({ length: 8 }, (_, n) => [
      u64(`mtrr_base${n}`, layout.MSR_MTRR_VARIABLE + n * 16, 'Variable-range memory type: base'),
      u64(`mtrr_mask${n}`, layout.MSR_MTRR_VARIABLE + n * 16 + 8, 'Variable-range memory type: mask'),
    ]).flat(),
    u64('debugctl', layout.MSR_DEBUGCTL, 'Debug control'),
    u64('spec_ctrl', layout.MSR_SPEC_CTRL, 'Speculation control'),
  ],
};

const x87: RegisterGroup = {
  name: 'x87',
  about: 'x87 floating-point unit',
  registers: [
    u16('fcw', layout.FPU_CONTROL, 'Control word', FCW_BITS),
    u16('fsw', layout.FPU_STATUS, 'Status word', FSW_BITS),
    {
      name: 'ftw',
      about: 'Registers in use, one bit each',
      width: 8,
      read: (vcpu) => BigInt(vcpu.view.getUint8(layout.FPU_TAGS)),
      write: (vcpu, value) => vcpu.view.setUint8(layout.FPU_TAGS, Number(value)),
    },
    u16('fop', layout.FPU_OPCODE, 'Last opcode'),
    u64('fip', layout.FPU_IP, 'Last instruction pointer'),
    u64('fdp', layout.FPU_DP, 'Last operand pointer'),
    u16('fcs', layout.FPU_CS, 'Code segment of the last instruction'),
    u16('fds', layout.FPU_DS, 'Data segment of the last operand'),
    ...Array.from({ length: 8 }, (_, n): Register => ({
      name: `fpr${n}`,
      about: `Physical register ${n}; ST(i) is register (TOP + i) mod 8`,
      width: 80,
      read: (vcpu) => vcpu.u64(layout.FPR + n * 16) | (BigInt(vcpu.u16(layout.FPR + n * 16 + 8)) << 64n),
      write: (vcpu, value) => {
        vcpu.setU64(layout.FPR + n * 16, BigInt.asUintN(64, value));
        vcpu.setU16(layout.FPR + n * 16 + 8, Number((value >> 64n) & 0xffffn));
      },
    })),
  ],
};

const sse: RegisterGroup = {
  name: 'sse',
  about: 'SSE registers',
  registers: [
    ...Array.from({ length: 16 }, (_, n): Register => ({
      name: `xmm${n}`,
      about: 'Vector register',
      width: 128,
      read: (vcpu) => vcpu.u64(layout.XMM + n * 16) | (vcpu.u64(layout.XMM + n * 16 + 8) << 64n),
      write: (vcpu, value) => {
        vcpu.setU64(layout.XMM + n * 16, BigInt.asUintN(64, value));
        vcpu.setU64(layout.XMM + n * 16 + 8, BigInt.asUintN(64, value >> 64n));
      },
    })),
    u32('mxcsr', layout.MXCSR, 'SSE control and status', MXCSR_BITS),
  ],
};

const activity: RegisterGroup = {
  name: 'activity',
  about: 'What the vCPU is doing',
  registers: [
    u32('state', layout.ACTIVITY, 'Activity', { STATE: bits(1, 0, 'Activity', { 0: 'Active', 1: 'Halted', 2: 'Waits for SIPI', 3: 'Shut down' }) }),
    u32('nmi_pending', layout.NMI_PENDING, 'A non-maskable interrupt waits'),
    u32('nmi_blocked', layout.NMI_BLOCKED, 'NMIs are held back until IRET'),
    u32('pending_debug', layout.PENDING_DEBUG, 'DR6 bits of a trap that is due'),
    u32('monitor', layout.MONITOR_ARMED, 'MONITOR is armed'),
  ],
};

export const REGISTER_GROUPS: readonly RegisterGroup[] = [general, segments, control, debug, msr, x87, sse, activity];
export const isFile = (entry: Register | RegisterFile): entry is RegisterFile => 'parts' in entry;
