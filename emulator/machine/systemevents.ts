import * as layout from '../x86/layout';
import { CR0_PE, CR0_PG, EFER_LMA, type Vcpu } from '../x86/vcpu';
import type { Control, Trigger } from './api';

/** What has happened, in words, with the names that conditions may use. */
export interface Happening {
  readonly description: string;
  readonly names: Readonly<Record<string, bigint>>;
}
type Kind<K extends Trigger['kind']> = Extract<Trigger, { kind: K }>;
type SystemTrigger = Kind<'halt' | 'msr' | 'cpuid' | 'control'>;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
/** Instructions that write control registers, IA32_EFER among them. */
const CONTROL_WRITERS: ReadonlySet<string> = new Set(['movtocr', 'lmsw', 'clts', 'wrmsr']);

/** Bits of the operating mode: PE, PG and LMA (SDM vol. 3, 2.2). */
const modeBits = (vcpu: Vcpu): bigint => (vcpu.cr0 & (CR0_PE | CR0_PG)) | (vcpu.efer & EFER_LMA);
const MODE_NAMES = (bits: bigint): string => {
  if (!(bits & CR0_PE)) return 'real mode';
  if (!(bits & CR0_PG)) return 'protected mode without paging';
  return bits & EFER_LMA ? 'IA-32e mode' : 'protected mode with paging';
};

const READ: Readonly<Record<Control, (vcpu: Vcpu) => bigint>> = {
  cr0: ({ cr0 }) => cr0,
  cr3: (vcpu) => vcpu.u64(layout.CR3),
  cr4: ({ cr4 }) => cr4,
  efer: ({ efer }) => efer,
  mode: modeBits,
};

function controlChanged(register: Control, old: bigint, value: bigint, id: number): Happening {
  const description =
    register === 'mode'
      ? `mode switch from ${MODE_NAMES(old)} to ${MODE_NAMES(value)} on vCPU ${id}`
      : `${register.toUpperCase()} changed from ${hex(old)} to ${hex(value)} on vCPU ${id}`;
  return { description, names: { old, value } };
}

function msrAccess(vcpu: Vcpu, index: number, write: boolean, id: number): Happening {
  const low = (register: number): bigint => BigInt.asUintN(32, vcpu.gpr(register));
  const value = (low(2) << 32n) | low(0);
  const description = `${write ? 'write of' : 'read of'} ${hex(value)} ${write ? 'to' : 'from'} MSR ${hex(index)} on vCPU ${id}`;
  return { description, names: { msr: BigInt(index), value, write: write ? 1n : 0n } };
}

/**
 * Which trigger waits for a system instruction that is about to run. The answer is asked once it has completed
 * whether that is what has happened: RDMSR's value and a register's change are seen only then.
 */
export function expectSystem(trigger: SystemTrigger, vcpu: Vcpu, id: number, name: string): (() => Happening | undefined) | undefined {
  switch (trigger.kind) {
    case 'halt':
      return name === 'hlt' ? () => ({ description: `HLT on vCPU ${id}`, names: {} }) : undefined;
    case 'msr': {
      const write = name === 'wrmsr';
      if (!write && name !== 'rdmsr') return undefined;
      if (trigger.access !== 'access' && (trigger.access === 'write') !== write) return undefined;
      const index = Number(BigInt.asUintN(32, vcpu.gpr(1)));
      return trigger.index === 'any' || trigger.index === index ? () => msrAccess(vcpu, index, write, id) : undefined;
    }
    case 'cpuid': {
      if (name !== 'cpuid') return undefined;
      const [leaf, subleaf] = [BigInt.asUintN(32, vcpu.gpr(0)), BigInt.asUintN(32, vcpu.gpr(1))];
      const happening = { description: `CPUID leaf ${hex(leaf)}, subleaf ${hex(subleaf)} on vCPU ${id}`, names: { leaf, subleaf } };
      return trigger.leaf === 'any' || BigInt(trigger.leaf) === leaf ? () => happening : undefined;
    }
    case 'control': {
      if (!CONTROL_WRITERS.has(name)) return undefined;
      const read = READ[trigger.register];
      const old = read(vcpu);
      return () => {
        const value = read(vcpu);
        return value === old ? undefined : controlChanged(trigger.register, old, value, id);
      };
    }
  }
}
