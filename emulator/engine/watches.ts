import { internalError } from '../errors';
import * as layout from '../x86/layout';
import type { Vcpu } from '../x86/vcpu';
import type { Watch, WatchHit } from './engine';

const DEBUG_REGISTERS = 4;

/** A breakpoint of the guest's own: DR0–DR3 with their bits of DR7 (SDM vol. 3, 17.2). */
export interface DebugBreakpoint {
  readonly register: number;
  readonly address: bigint;
  readonly kind: 'execute' | 'write' | 'access';
  readonly length: number;
}

/** The enabled breakpoints of a vCPU's debug registers. Those on ports are x86/system/io.ts's. */
export function debugBreakpoints(vcpu: Vcpu): DebugBreakpoint[] {
  const dr7 = vcpu.u32(layout.DR + 7 * 8);
  if (!(dr7 & 0xff)) return [];
  const found: DebugBreakpoint[] = [];
  for (let register = 0; register < DEBUG_REGISTERS; register++) {
    if (!(dr7 & (3 << (register * 2)))) continue;
    const field = (dr7 >>> (16 + register * 4)) & 15;
    const kind = (['execute', 'write', undefined, 'access'] as const)[field & 3];
    if (!kind) continue;
    const length = [1, 2, 8, 4][field >> 2]!;
    const address = vcpu.u64(layout.DR + register * 8);
    found.push({ register, kind, length, address: kind === 'execute' ? address : address & ~BigInt(length - 1) });
  }
  return found;
}

/** What is watched: the debugger's ranges and the guest's, in the table that the helpers look at. */
export class Watches {
  private debuggers: readonly Watch[] = [];
  private guests: readonly DebugBreakpoint[] = [];
  private executed: ReadonlyMap<bigint, number> = new Map();
  /** The debugger's watch that was hit since the last `take`. */
  private hit: WatchHit | undefined;

  constructor(private readonly view: DataView) {}

  get list(): readonly Watch[] {
    return this.debuggers;
  }

  /** DR6 bits of the guest's execution breakpoints at a linear address. */
  executionBits(linear: bigint): number {
    return this.executed.get(linear) ?? 0;
  }

  get anyExecution(): boolean {
    return this.executed.size > 0;
  }

  setDebugger(watches: readonly Watch[]): void {
    this.debuggers = watches;
    this.write();
  }

  /** Takes over the debug registers of the vCPU that runs; true where execution breakpoints have changed. */
  setGuest(breakpoints: readonly DebugBreakpoint[]): boolean {
    const executed = new Map<bigint, number>();
    for (const { kind, address, register } of breakpoints) if (kind === 'execute') executed.set(address, (executed.get(address) ?? 0) | (1 << register));
    const same = executed.size === this.executed.size && [...executed].every(([address, bits]) => this.executed.get(address) === bits);
    this.executed = executed;
    this.guests = breakpoints.filter(({ kind }) => kind !== 'execute');
    this.write();
    return !same;
  }

  private write(): void {
    const { view } = this;
    const count = this.debuggers.length + this.guests.length;
    if (count > layout.WATCH_ENTRIES) throw internalError('watches', `${count} watched ranges; there is room for ${layout.WATCH_ENTRIES}`);
    let at = layout.WATCH_LIST;
    const entry = (address: bigint, length: number, kind: number) => {
      view.setBigUint64(at + layout.WATCH_FIRST, address, true);
      view.setBigUint64(at + layout.WATCH_LAST, BigInt.asUintN(64, address + BigInt(length - 1)), true);
      view.setUint32(at + layout.WATCH_KIND, kind, true);
      at += layout.WATCH_ENTRY;
    };
    const both = layout.WATCH_READS | layout.WATCH_WRITES;
    for (const { space, address, length, access } of this.debuggers) {
      const kind = access === 'read' ? layout.WATCH_READS : access === 'write' ? layout.WATCH_WRITES : both;
      entry(address, length, kind | (space === 'physical' ? layout.WATCH_PHYSICAL : 0));
    }
    for (const { address, length, kind } of this.guests) entry(address, length, kind === 'write' ? layout.WATCH_WRITES : both);
    view.setUint32(layout.WATCHES, count, true);
  }

  /** An access touched entry `index`. Yields the DR6 bit where it is the guest's. */
  touched(index: number, address: bigint, size: number, write: boolean): number {
    const watch = this.debuggers[index];
    if (!watch) return 1 << this.guests[index - this.debuggers.length]!.register;
    this.hit ??= { watch, address, size, write };
    return 0;
  }

  take(): WatchHit | undefined {
    const { hit } = this;
    this.hit = undefined;
    return hit;
  }
}
