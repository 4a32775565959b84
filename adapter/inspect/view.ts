/**
 * The stopped machine as the adapter reads it: what has been read once at a stop isn't asked for again.
 * Registers by name come from Guest.registers: rax…r15, rip, rflags, the selectors es…gs, ldtr and tr with
 * `.base`, `.limit` and `.attributes` (bits as in a VMCS access-rights field), gdtr and idtr with `.base`
 * and `.limit`, cr0 cr2 cr3 cr4 cr8, efer, xcr0, dr0…dr7.
 */
import type { Guest, StateNode } from '../../emulator/machine/api';
import type { Space } from './expression/evaluate';

export type Bits = 16 | 32 | 64;

/** Where a vCPU is and how it reads its code. Addresses are linear. */
export interface Cpu {
  readonly vcpu: number;
  readonly registers: Readonly<Record<string, bigint>>;
  readonly bits: Bits;
  readonly pc: bigint;
  readonly sp: bigint;
  readonly fp: bigint;
}

const PAGE = 4096;
export const TOP = 1n << 64n;
const PE = 1n;
const EFER_LMA = 1n << 10n;
/** SDM 25.4.1, segment access rights. */
const ACCESS_L = 1n << 13n;
const ACCESS_D = 1n << 14n;

function cpuOf(vcpu: number, registers: Readonly<Record<string, bigint>>): Cpu {
  const get = (name: string): bigint => registers[name] ?? 0n;
  const long = (get('efer') & EFER_LMA) !== 0n;
  const attributes = registers['cs.attributes'];
  const protectedMode = (get('cr0') & PE) !== 0n;
  const bits: Bits = attributes === undefined ? (long ? 64 : protectedMode ? 32 : 16) : long && attributes & ACCESS_L ? 64 : attributes & ACCESS_D ? 32 : 16;
  const linear = (segment: string, offset: bigint): bigint => (bits === 64 ? offset : (get(`${segment}.base`) + offset) & 0xffff_ffffn);
  const onStack = (register: string): bigint => linear('ss', BigInt.asUintN(bits, get(register)));
  return { vcpu, registers, bits, pc: linear('cs', get('rip')), sp: onStack('rsp'), fp: onStack('rbp') };
}

export class MachineView {
  private cache = new Map<string, Promise<unknown>>();
  /** Off while the guest runs: nothing that is read then stays true. */
  private keeping = false;

  constructor(readonly guest: Guest) {}

  /** Forgets everything; `keep` says whether the guest stands still from now on. */
  invalidate(keep: boolean): void {
    this.cache = new Map();
    this.keeping = keep;
  }

  private once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const known = this.cache.get(key) as Promise<T> | undefined;
    if (known) return known;
    const value = read();
    if (this.keeping) this.cache.set(key, value);
    return value;
  }

  get vcpus(): number {
    return this.guest.config.cpus;
  }

  registers(vcpu: number): Promise<Readonly<Record<string, bigint>>> {
    return this.once(`registers ${vcpu}`, () => this.guest.registers(vcpu));
  }

  cpu(vcpu: number): Promise<Cpu> {
    return this.once(`cpu ${vcpu}`, async () => cpuOf(vcpu, await this.registers(vcpu)));
  }

  vcpuState(vcpu: number): Promise<readonly StateNode[]> {
    return this.once(`vcpu ${vcpu}`, () => this.guest.vcpuState(vcpu));
  }

  deviceState(): Promise<readonly StateNode[]> {
    return this.once('devices', () => this.guest.deviceState());
  }

  private page(vcpu: number, space: Space, page: bigint): Promise<Uint8Array> {
    return this.once(`${space} ${vcpu} ${page}`, () => this.guest.readMemory(vcpu, space, page, PAGE));
  }

  /** Reads up to the first byte that can't be read, or up to the end of the address space. */
  async read(vcpu: number, space: Space, address: bigint, length: number): Promise<Uint8Array> {
    if (address < 0n || address >= TOP || length <= 0) return new Uint8Array(0);
    const wanted = Number(BigInt(length) < TOP - address ? BigInt(length) : TOP - address);
    if (wanted > 16 * PAGE) return this.guest.readMemory(vcpu, space, address, wanted);
    const result = new Uint8Array(wanted);
    let done = 0;
    while (done < wanted) {
      const at = address + BigInt(done);
      const inPage = Number(at & BigInt(PAGE - 1));
      const bytes = await this.page(vcpu, space, at - BigInt(inPage));
      const part = bytes.subarray(inPage, inPage + wanted - done);
      result.set(part, done);
      done += part.length;
      if (inPage + part.length < PAGE) break;
    }
    return result.subarray(0, done);
  }

  /** A little-endian number, or undefined where it can't be read. */
  async number(vcpu: number, space: Space, address: bigint, size: number): Promise<bigint | undefined> {
    const bytes = await this.read(vcpu, space, address, size);
    if (bytes.length < size) return undefined;
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]!);
    return value;
  }

  async write(vcpu: number, space: Space, address: bigint, bytes: Uint8Array): Promise<number> {
    const written = await this.guest.writeMemory(vcpu, space, address, bytes);
    this.invalidate(this.keeping);
    return written;
  }
}
