import { buildAcpiTables, DEFAULT_RSDP } from '../firmware/acpi/build';
import type { FlatMode } from '../firmware/flat';
import { loadImage } from '../firmware/image';
import type { BootFramebuffer, EntryState, LoadPlan, RegisterName, Segment, SegmentName } from '../firmware/plan';
import { userError } from '../errors';
import * as layout from '../x86/layout';
import { ACTIVE, type Vcpu } from '../x86/vcpu';
import type { MachineConfig } from './api';
import type { Images } from './images';
import { topologyOf } from './topology';

const FLAT_MODES: Readonly<Record<NonNullable<MachineConfig['loadMode']>, FlatMode>> = { real: 'real16', protected: 'protected32', long: 'long64' };

export interface BootPlan {
  readonly segments: readonly Segment[];
  /** Undefined: the reset vector. */
  readonly entry?: EntryState;
  readonly symbols: LoadPlan['symbols'];
}

/** What lies in memory, and where the boot processor starts. Throws EmulatorError with blame `user`. */
export function planBoot(config: MachineConfig, images: Images, framebuffer: BootFramebuffer | undefined, hpetId: number): BootPlan {
  // Firmware finds everything by itself.
  if (images.firmware ?? images.bios) return { segments: [], symbols: undefined };
  if (!images.kernel) throw userError('no-kernel', 'the configuration names no kernel to start');
  const tables = buildAcpiTables(topologyOf(config, hpetId), DEFAULT_RSDP);
  const plan = loadImage(images.kernel, {
    memorySize: config.memory,
    rsdp: { address: tables[0]!.address, bytes: tables[0]!.bytes },
    ...(config.append !== undefined && { commandLine: config.append }),
    ...(images.initrd && { initrd: images.initrd }),
    ...(images.modules && { modules: images.modules }),
    ...(framebuffer && { framebuffer }),
    ...(config.loadAddress !== undefined && { flat: { address: config.loadAddress, mode: FLAT_MODES[config.loadMode ?? 'long'] } }),
  });
  const acpi = tables.map(({ name, address, bytes }): Segment => ({ what: `ACPI ${name}`, address, bytes, memorySize: bytes.length }));
  return { segments: [...plan.segments, ...acpi], entry: plan.entry, symbols: plan.symbols };
}

const GPRS: readonly RegisterName[] = [
  'rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15',
]; // prettier-ignore
const SEGMENTS: readonly SegmentName[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];

/** Puts the boot processor where the plan says; it is in its reset state before. */
export function enter(vcpu: Vcpu, entry: EntryState): void {
  GPRS.forEach((name, number) => vcpu.setGpr(number, entry.registers[name] ?? 0n));
  vcpu.rip = entry.registers.rip;
  vcpu.rflags = entry.registers.rflags;
  SEGMENTS.forEach((name, number) => {
    const { selector, base, limit, attributes } = entry.segments[name];
    vcpu.setSegment(number, { selector, base: BigInt(base), limit, attributes });
  });
  vcpu.setU64(layout.GDTR_BASE, BigInt(entry.gdtr.base));
  vcpu.setU32(layout.GDTR_LIMIT, entry.gdtr.limit);
  vcpu.setU64(layout.IDTR_BASE, BigInt(entry.idtr.base));
  vcpu.setU32(layout.IDTR_LIMIT, entry.idtr.limit);
  vcpu.setU64(layout.CR0, BigInt(entry.cr0));
  vcpu.setU64(layout.CR3, BigInt(entry.cr3));
  vcpu.setU64(layout.CR4, BigInt(entry.cr4));
  vcpu.setU64(layout.EFER, BigInt(entry.efer));
  vcpu.cpl = 0;
  vcpu.setU32(layout.ACTIVITY, ACTIVE);
}
