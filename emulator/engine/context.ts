import { guestError } from '../errors';
import * as layout from '../x86/layout';
import type { Access, AccessSize, SystemContext } from '../x86/system/context';
import { GuestException } from '../x86/system/exceptions';
import { HALTED, type Vcpu } from '../x86/vcpu';
import type { Engine, EngineHost } from './engine';
import { ACCESS_EXPLICIT, ACCESS_IMPLICIT, ACCESS_USER, ACCESS_WRITE, type HelperExports } from './wasm-module';

/** What of the engine system functions need beside its interface. */
interface Insides extends Pick<Engine, 'current'> {
  readonly vcpu: Vcpu;
  readonly vcpus: number;
  readonly view: DataView;
  readonly exports: HelperExports;
  readonly host: EngineHost;
  timestamp(): number;
  physicalRead(address: number, into: Uint8Array): void;
  portRead(port: number, size: 1 | 2 | 4): number;
  portWrite(port: number, size: 1 | 2 | 4, value: number): void;
  count(): number;
  disturb(): void;
  modeChanged(): void;
  debugRegistersChanged(): void;
}

/** The engine as system functions see it. */
export class EngineContext implements SystemContext {
  constructor(private readonly engine: Insides) {}

  get vcpu(): Vcpu {
    return this.engine.vcpu;
  }

  get id(): number {
    return this.engine.current;
  }
  get cpus(): number {
    return this.engine.vcpus;
  }

  private bits(access: Access): number {
    switch (access) {
      case 'implicit':
        return ACCESS_IMPLICIT;
      case 'user':
        return ACCESS_USER;
      case 'current':
        return ACCESS_EXPLICIT | (this.vcpu.cpl === 3 ? ACCESS_USER : 0);
    }
  }

  /** A system function is the last instruction of its block: it may touch devices, as if run alone. */
  private guarded(access: () => number): void {
    const { view } = this.engine;
    const single = view.getUint32(layout.SINGLE, true);
    view.setUint32(layout.SINGLE, 1, true);
    const failed = access();
    view.setUint32(layout.SINGLE, single, true);
    if (failed) throw this.fault();
  }

  /** The fault that a helper left in the exit record. */
  private fault(): GuestException {
    const { view } = this.engine;
    view.setUint32(layout.EXIT_REASON, 0, true);
    const vector = view.getUint32(layout.FAULT_VECTOR, true);
    return new GuestException(vector, view.getUint32(layout.FAULT_CODE, true), vector === 14 ? view.getBigUint64(layout.FAULT_ADDRESS, true) : undefined);
  }

  /** Puts an exception into the exit record. */
  record({ vector, code, address }: GuestException): void {
    const { view } = this.engine;
    view.setUint32(layout.EXIT_REASON, layout.LEAVE_FAULT, true);
    view.setUint32(layout.FAULT_VECTOR, vector, true);
    view.setUint32(layout.FAULT_CODE, code ?? 0, true);
    view.setUint32(layout.FAULT_HAS_CODE, code === undefined ? 0 : 1, true);
    view.setBigUint64(layout.FAULT_ADDRESS, address ?? 0n, true);
  }

  read(linear: bigint, size: AccessSize, access: Access): bigint {
    this.guarded(() => this.engine.exports.readAs(linear, size, this.bits(access)));
    return BigInt.asUintN(size * 8, this.engine.view.getBigUint64(layout.SCRATCH, true));
  }
  write(linear: bigint, size: AccessSize, value: bigint, access: Access): void {
    this.guarded(() => this.engine.exports.writeAs(linear, BigInt.asUintN(64, value), size, this.bits(access)));
  }
  probeWrite(linear: bigint, size: number, access: Access): void {
    this.guarded(() => this.engine.exports.probeAs(linear, size, this.bits(access) | ACCESS_WRITE));
  }
  canonical(linear: bigint): boolean {
    return BigInt.asUintN(64, BigInt.asIntN(48, linear)) === linear;
  }
  readPhysical(address: number, size: 4 | 8): bigint {
    const raw = new Uint8Array(size);
    this.engine.physicalRead(address, raw);
    const view = new DataView(raw.buffer);
    return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  }

  portRead(port: number, size: 1 | 2 | 4): number {
    return this.engine.portRead(port, size);
  }
  portWrite(port: number, size: 1 | 2 | 4, value: number): void {
    this.engine.portWrite(port, size, value);
  }
  readApicMsr(index: number): bigint | undefined {
    return this.engine.host.readApicMsr(this.engine.current, index);
  }
  writeApicMsr(index: number, value: bigint): boolean {
    const known = this.engine.host.writeApicMsr(this.engine.current, index, value);
    this.engine.disturb();
    return known;
  }
  taskPriority(): number {
    return this.engine.host.getTaskPriority(this.engine.current);
  }
  setTaskPriority(value: number): void {
    this.engine.host.setTaskPriority(this.engine.current, value);
    this.engine.disturb();
  }
  timestampChanged(): void {
    this.engine.host.timestampChanged(this.engine.current);
  }
  timestamp(): bigint {
    return BigInt(this.engine.timestamp());
  }
  count(): bigint {
    return BigInt(this.engine.count());
  }

  flushTlb(): void {
    this.engine.exports.flush();
  }
  addressSpaceChanged(old: bigint): void {
    this.engine.exports.spaceChanged(old);
  }
  modeChanged(): void {
    this.engine.modeChanged();
  }
  debugRegistersChanged(): void {
    this.engine.debugRegistersChanged();
  }
  halt(): void {
    this.vcpu.setU32(layout.ACTIVITY, HALTED);
  }
  unimplemented(what: string): never {
    throw guestError('unimplemented', `${what} is not implemented (at ${this.engine.view.getBigUint64(layout.INSTRUCTION_RIP, true).toString(16)})`);
  }

  /** Walks the page tables without side effects. */
  peek(linear: bigint): number | undefined {
    const { vcpu } = this;
    if (!(vcpu.cr0 & (1n << 31n))) return Number(linear & 0xffffffffn);
    const wide = (vcpu.cr4 & 32n) !== 0n;
    const bytes: 4 | 8 = wide ? 8 : 4;
    const indexBits = wide ? 9n : 10n;
    let shift = wide ? (vcpu.longMode ? 39n : 30n) : 22n;
    let table = vcpu.u64(layout.CR3) & (wide ? 0x000fffffffffffe0n : 0xfffff000n) & ~(vcpu.longMode ? 0xfffn : 0n);
    for (;;) {
      const index = (linear >> shift) & ((1n << indexBits) - 1n) & (shift === 30n && !vcpu.longMode ? 3n : 1023n);
      const entry = this.readPhysical(Number(table + index * BigInt(bytes)), bytes);
      if (!(entry & 1n)) return undefined;
      const large = shift > 12n && shift < 39n && (entry & 0x80n) !== 0n && !(shift === 30n && !vcpu.longMode);
      if (shift === 12n || large) {
        const mask = (1n << shift) - 1n;
        return Number((entry & 0x000ffffffffff000n & ~mask) | (linear & mask));
      }
      table = entry & 0x000ffffffffff000n;
      shift -= indexBits;
    }
  }
}
