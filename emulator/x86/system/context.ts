import type { Vcpu } from '../vcpu';

export type AccessSize = 1 | 2 | 4 | 8;
/** Privilege of an access: the current one, or the processor's own (descriptor tables, TSS). */
export type Access = 'current' | 'implicit' | 'user';

/** What system functions get: the vCPU and its surroundings. Accesses throw GuestException. */
export interface SystemContext {
  readonly vcpu: Vcpu;
  /** Number of the running vCPU, which is its initial APIC id, and how many there are. */
  readonly id: number;
  readonly cpus: number;
  read(linear: bigint, size: AccessSize, access: Access): bigint;
  write(linear: bigint, size: AccessSize, value: bigint, access: Access): void;
  /** Throws where a write of `size` bytes would fault. */
  probeWrite(linear: bigint, size: number, access: Access): void;
  canonical(linear: bigint): boolean;
  /** What memory holds at a physical address; all ones where there is none. */
  readPhysical(address: number, size: 4 | 8): bigint;

  portRead(port: number, size: 1 | 2 | 4): number;
  portWrite(port: number, size: 1 | 2 | 4, value: number): void;
  readApicMsr(index: number): bigint | undefined;
  writeApicMsr(index: number, value: bigint): boolean;
  taskPriority(): number;
  setTaskPriority(value: number): void;
  timestamp(): bigint;
  /** The vCPU's offset to it changed. */
  timestampChanged(): void;
  /** Retired instructions, this one included. */
  count(): bigint;

  /** CR0, CR4 or EFER changed: forgets translations. */
  flushTlb(): void;
  /** CR3 changed: forgets those that the two address spaces do not share. */
  addressSpaceChanged(old: bigint): void;
  /** Mode, privilege or code segment changed: decode mode and TLB set follow. */
  modeChanged(): void;
  /** DR0–DR3 or DR7 changed. */
  debugRegistersChanged(): void;
  halt(): void;
  /** Something that is not implemented; the machine stops there and stays inspectable. */
  unimplemented(what: string): never;
}
