/** Exception breakpoints: processor exceptions by vector (SDM 3, 6.3.1), interrupts, and triple faults. */
import type { DebugProtocol } from '@vscode/debugprotocol';

export interface VectorInfo {
  readonly vector: number;
  readonly mnemonic: string;
  readonly name: string;
}

export const VECTORS: readonly VectorInfo[] = [
  { vector: 0, mnemonic: '#DE', name: 'Divide Error' },
  { vector: 1, mnemonic: '#DB', name: 'Debug Exception' },
  { vector: 2, mnemonic: 'NMI', name: 'Non-Maskable Interrupt' },
  { vector: 3, mnemonic: '#BP', name: 'Breakpoint (INT3)' },
  { vector: 4, mnemonic: '#OF', name: 'Overflow' },
  { vector: 5, mnemonic: '#BR', name: 'BOUND Range Exceeded' },
  { vector: 6, mnemonic: '#UD', name: 'Invalid Opcode' },
  { vector: 7, mnemonic: '#NM', name: 'Device Not Available' },
  { vector: 8, mnemonic: '#DF', name: 'Double Fault' },
  { vector: 10, mnemonic: '#TS', name: 'Invalid TSS' },
  { vector: 11, mnemonic: '#NP', name: 'Segment Not Present' },
  { vector: 12, mnemonic: '#SS', name: 'Stack-Segment Fault' },
  { vector: 13, mnemonic: '#GP', name: 'General Protection' },
  { vector: 14, mnemonic: '#PF', name: 'Page Fault' },
  { vector: 16, mnemonic: '#MF', name: 'x87 Floating-Point Error' },
  { vector: 17, mnemonic: '#AC', name: 'Alignment Check' },
  { vector: 18, mnemonic: '#MC', name: 'Machine Check' },
  { vector: 19, mnemonic: '#XM', name: 'SIMD Floating-Point Exception' },
];

export const vectorName = (vector: number): string => {
  const known = VECTORS.find((info) => info.vector === vector);
  return known ? `${known.mnemonic} ${known.name}` : `vector 0x${vector.toString(16)}`;
};

const filterOf = ({ mnemonic }: VectorInfo): string => mnemonic.replace('#', '').toLowerCase();

export const TRIPLE_FAULT = 'triple-fault';
export const INTERRUPT = 'interrupt';
/** System instructions and what they change; the words are also those of the console's `stop-at`. */
export const SYSTEM_FILTERS = [
  { filter: 'hlt', label: 'HLT', description: 'Stops where a vCPU has executed HLT.', trigger: { kind: 'halt' } },
  {
    filter: 'mode',
    label: 'Mode switches',
    description: 'Stops where a vCPU enters or leaves protected mode, paging or long mode.',
    trigger: { kind: 'control', register: 'mode' },
  },
  { filter: 'cpuid', label: 'CPUID', description: 'Stops behind CPUID; a condition may use leaf and subleaf.', trigger: { kind: 'cpuid', leaf: 'any' } },
] as const;
/** Names of what has happened, for conditions and messages, by the kind of trigger. */
export const EVENT_NAMES: Readonly<Record<string, readonly string[]>> = {
  port: ['port', 'value', 'write'],
  msr: ['msr', 'value', 'write'],
  interrupt: ['vector'],
  exception: ['vector', 'code'],
  cpuid: ['leaf', 'subleaf'],
  control: ['old', 'value'],
};

export const EXCEPTION_FILTERS: readonly DebugProtocol.ExceptionBreakpointsFilter[] = [
  {
    filter: TRIPLE_FAULT,
    label: 'Triple fault',
    description: 'Stops where a vCPU shuts down; without this the machine is reset, as hardware does.',
    default: true,
  },
  {
    filter: INTERRUPT,
    label: 'Interrupts',
    description: 'Stops where an interrupt is delivered; the condition lists vectors.',
    supportsCondition: true,
    conditionDescription: 'Vectors, as 0x20 or 0x20-0x2f, 0xec; empty for all',
  },
  ...VECTORS.map((info) => ({
    filter: filterOf(info),
    label: `${info.mnemonic} ${info.name}`,
    description: `Stops where exception ${info.vector} is delivered to a vCPU.`,
    supportsCondition: true,
    conditionDescription: 'An expression; code is the error code',
  })),
  ...SYSTEM_FILTERS.map(({ filter, label, description }) => ({
    filter,
    label,
    description,
    supportsCondition: true,
    conditionDescription: 'An expression over registers, memory and what has happened',
  })),
];

/** What an exception filter stops at; nothing for a filter that isn't known. */
export function filterTarget(
  filter: string,
): { kind: 'exception'; vector: number } | (typeof SYSTEM_FILTERS)[number]['trigger'] | { kind: 'interrupt' } | { kind: 'triple-fault' } | undefined {
  if (filter === TRIPLE_FAULT) return { kind: 'triple-fault' };
  if (filter === INTERRUPT) return { kind: 'interrupt' };
  const system = SYSTEM_FILTERS.find((known) => known.filter === filter);
  if (system) return system.trigger;
  const info = VECTORS.find((candidate) => filterOf(candidate) === filter);
  return info && { kind: 'exception', vector: info.vector };
}

/** `0x20-0x22, 0xec` as vectors; undefined for all; a string says what is wrong. */
export function parseVectors(text: string): readonly number[] | undefined | string {
  if (text.trim() === '') return undefined;
  const vectors = new Set<number>();
  for (const part of text.split(/[,\s]+/).filter((word) => word !== '')) {
    const match = /^(0x[0-9a-f]+|\d+)(?:-(0x[0-9a-f]+|\d+))?$/i.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || first > 255 || last > 255 || first > last) return `'${part}' is no vector from 0 to 255`;
    for (let vector = first; vector <= last; vector++) vectors.add(vector);
  }
  return [...vectors];
}
