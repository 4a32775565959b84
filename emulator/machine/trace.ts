import type { AccessSize } from '../bus/device';
import type { EngineHost } from '../engine/engine';
import { userError } from '../errors';

/** What can be traced: accesses to ports and to devices in memory, interrupts, exceptions, system instructions. */
export const TRACES = ['port', 'device', 'interrupt', 'exception', 'system'] as const;
export type TraceKind = (typeof TRACES)[number];

/** A line for everything of some kinds, as it happens. */
export interface Trace {
  readonly kinds: ReadonlySet<TraceKind>;
  write(line: string): void;
}

/** Reads `port,interrupt,…` or `all`, as GUEST_TRACE has it; undefined for nothing. Throws EmulatorError with blame `user`. */
export function parseTrace(text: string | undefined): ReadonlySet<TraceKind> | undefined {
  if (!text) return undefined;
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => name !== 'all' && !(TRACES as readonly string[]).includes(name));
  if (wrong !== undefined) throw userError('trace', `GUEST_TRACE: '${wrong}' is none of ${TRACES.join(', ')}, all`);
  return new Set(names.includes('all') ? TRACES : (names as TraceKind[]));
}

const hex = (value: number): string => (value >>> 0).toString(16);
const sized = (value: number, size: AccessSize): string => hex(size === 4 ? value : value & ((1 << (size * 8)) - 1)).padStart(size * 2, '0');

/** Passes everything on, and writes a line of position, vCPU and what has happened. The guest can't tell. */
export class TracedHost implements EngineHost {
  constructor(
    private readonly host: EngineHost,
    private readonly trace: Trace,
    private readonly where: () => { readonly position: number; readonly vcpu: number },
  ) {}

  private say(kind: TraceKind, what: () => string): void {
    if (!this.trace.kinds.has(kind)) return;
    const { position, vcpu } = this.where();
    this.trace.write(`${position} vCPU ${vcpu} ${what()}`);
  }

  portRead(port: number, size: AccessSize): number {
    const value = this.host.portRead(port, size);
    this.say('port', () => `in ${hex(port)} = ${sized(value, size)}`);
    return value;
  }
  portWrite(port: number, size: AccessSize, value: number): void {
    this.say('port', () => `out ${hex(port)}, ${sized(value, size)}`);
    this.host.portWrite(port, size, value);
  }
  mmioRead(address: number, size: AccessSize): number {
    const value = this.host.mmioRead(address, size);
    this.say('device', () => `read ${address.toString(16)} = ${sized(value, size)}`);
    return value;
  }
  mmioWrite(address: number, size: AccessSize, value: number): void {
    this.say('device', () => `write ${address.toString(16)}, ${sized(value, size)}`);
    this.host.mmioWrite(address, size, value);
  }
  acknowledgeInterrupt(vcpu: number): number {
    const vector = this.host.acknowledgeInterrupt(vcpu);
    if (vector >= 0) this.say('interrupt', () => `interrupt ${hex(vector)}`);
    return vector;
  }
  exception(vcpu: number, vector: number, code: number | undefined): void {
    this.say('exception', () => `exception ${vector}${code === undefined ? '' : `, code ${hex(code)}`}`);
    this.host.exception?.(vcpu, vector, code);
  }
  system(vcpu: number, name: string): (() => void) | undefined {
    this.say('system', () => name);
    return this.host.system?.(vcpu, name);
  }
  hearsSystem(): boolean {
    return this.trace.kinds.has('system') || (this.host.hearsSystem?.() ?? this.host.system !== undefined);
  }
  interruptPending(vcpu: number): boolean {
    return this.host.interruptPending(vcpu);
  }
  readApicMsr(vcpu: number, index: number): bigint | undefined {
    return this.host.readApicMsr(vcpu, index);
  }
  writeApicMsr(vcpu: number, index: number, value: bigint): boolean {
    return this.host.writeApicMsr(vcpu, index, value);
  }
  getTaskPriority(vcpu: number): number {
    return this.host.getTaskPriority(vcpu);
  }
  setTaskPriority(vcpu: number, value: number): void {
    this.host.setTaskPriority(vcpu, value);
  }
  floatError(vcpu: number): void {
    this.host.floatError?.(vcpu);
  }
  timestampChanged(vcpu: number): void {
    this.host.timestampChanged(vcpu);
  }
}
