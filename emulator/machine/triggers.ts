import type { AccessSize } from '../bus/device';
import type { Watch, WatchHit } from '../engine/engine';
import { userError } from '../errors';
import type { Position, StopReason, Trigger } from './api';
import { Armed } from './armed';
import type { HostListener } from './enginehost';
import type { ExpressionContext } from './expression';
import { registerOf } from './inspect';
import type { Machine } from './machine';
import { MemoryAccess } from './memory';
import type { Halt } from './runloop';
import { expectSystem, type Happening } from './systemevents';

type Kind<K extends Trigger['kind']> = Extract<Trigger, { kind: K }>;
type Event = Armed<Exclude<Trigger, { kind: 'execute' | 'watch' }>>;

/** What a person set stops for, and the vCPU that met it. */
export interface Hit {
  readonly reason: Extract<StopReason, { kind: 'breakpoint' | 'watchpoint' | 'trigger' }>;
  readonly vcpu: number;
}

/** `run`: everything counts; `search`: the past is looked through, nothing is printed; `off`: nothing stops. */
export type TriggerMode = 'run' | 'search' | 'off';

const EXCEPTIONS = [
  '#DE', '#DB', 'NMI', '#BP', '#OF', '#BR', '#UD', '#NM', '#DF', '', '#TS', '#NP', '#SS', '#GP', '#PF', '', '#MF', '#AC', '#MC', '#XM',
]; // prettier-ignore
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

const accessMatches = (wanted: 'read' | 'write' | 'access', write: boolean): boolean => wanted === 'access' || (wanted === 'write') === write;
const isKind =
  <K extends Trigger['kind']>(kind: K) =>
  (armed: Armed): armed is Armed<Kind<K>> =>
    armed.trigger.kind === kind;

/** What can stop the machine: armed in the engine and at the bus, judged here. */
export class Triggers implements HostListener {
  private all: readonly Armed[] = [];
  private execute = new Map<bigint, Armed[]>();
  private watches: readonly Armed<Kind<'watch'>>[] = [];
  private ports: readonly Armed<Kind<'port'>>[] = [];
  private interrupts: readonly Armed<Kind<'interrupt'>>[] = [];
  private exceptions: readonly Armed<Kind<'exception'>>[] = [];
  private systems: readonly Armed<Kind<'halt' | 'msr' | 'cpuid' | 'control'>>[] = [];
  private mode: TriggerMode = 'run';
  /** What a port access, interrupt, exception or system instruction has met, until the run loop comes back. */
  private met: { readonly armed: Event; readonly happening: Happening; readonly vcpu: number }[] = [];
  private machine!: Machine;
  private memory!: MemoryAccess;
  /** Addresses that stepping over and out stop at; not the user's. */
  private temporary: readonly bigint[] = [];

  constructor(private readonly print: (text: string) => void) {}

  attach(machine: Machine): void {
    this.machine = machine;
    this.memory = new MemoryAccess(machine.engine);
  }

  /** Throws EmulatorError with blame `user` for a condition that is none; the triggers stay as they were. */
  set(triggers: readonly Trigger[]): void {
    const key = (trigger: Trigger): string => JSON.stringify(trigger, text);
    const old = new Map(this.all.map((armed) => [key(armed.trigger), armed]));
    if (triggers.some((trigger) => trigger.kind === 'watch' && trigger.length < 1))
      throw userError('watch-length', 'a watchpoint has to be at least one byte long');
    // One that is set again as it was goes on counting.
    const all = triggers.map((trigger) => old.get(key(trigger)) ?? new Armed(trigger, this.machine.position));
    const execute = new Map<bigint, Armed[]>();
    for (const armed of all.filter(isKind('execute'))) {
      const { address } = armed.trigger;
      execute.set(address, [...(execute.get(address) ?? []), armed]);
    }
    this.all = all;
    this.execute = execute;
    this.watches = all.filter(isKind('watch'));
    this.ports = all.filter(isKind('port'));
    this.interrupts = all.filter(isKind('interrupt'));
    this.exceptions = all.filter(isKind('exception'));
    this.systems = [...all.filter(isKind('halt')), ...all.filter(isKind('msr')), ...all.filter(isKind('cpuid')), ...all.filter(isKind('control'))];
    this.arm();
  }

  /** Whether it matters how often something has been hit before. */
  get counting(): boolean {
    return this.all.some(({ counts }) => counts);
  }

  /** What lay beyond this position is another future. */
  forget(position: Position): void {
    for (const armed of this.all) armed.forget(position);
  }

  setMode(mode: TriggerMode): void {
    if (mode === this.mode) return;
    this.mode = mode;
    this.met = [];
    this.arm();
  }

  setTemporary(addresses: readonly bigint[]): void {
    this.temporary = addresses;
    this.arm();
  }

  private arm(): void {
    const { engine } = this.machine;
    engine.setBreakpoints(this.mode === 'off' ? [] : [...new Set([...this.execute.keys(), ...this.temporary])]);
    const watches =
      this.mode === 'off' ? [] : this.watches.map(({ trigger: { space, address, length, access } }): Watch => ({ space, address, length, access }));
    engine.setWatches(watches);
  }

  /** What a halt of the run loop means to the user; undefined: go on. */
  judge(halt: Halt): Hit | undefined {
    switch (halt.kind) {
      case 'breakpoint':
        return this.atBreakpoint(halt.vcpu);
      case 'watchpoint':
        return halt.hit && this.atWatchpoint(halt.hit, halt.vcpu);
      case 'request':
        return this.atHappening();
      default:
        return undefined;
    }
  }

  /** Whether a vCPU's next instruction is one that a step waits for. */
  atTemporary(vcpu: number): boolean {
    return this.temporary.includes(this.machine.vcpus.pc(vcpu));
  }

  private atBreakpoint(vcpu: number): Hit | undefined {
    const pc = this.machine.vcpus.pc(vcpu);
    const ids = (this.execute.get(pc) ?? []).filter((armed) => this.stops(armed, vcpu)).map(({ trigger }) => trigger.id);
    return ids.length > 0 ? { reason: { kind: 'breakpoint', ids }, vcpu } : undefined;
  }

  private atWatchpoint(hit: WatchHit, vcpu: number): Hit | undefined {
    const { space, address, length } = hit.watch;
    const ids = this.watches
      .filter(({ trigger: t }) => t.space === space && t.address === address && t.length === length && accessMatches(t.access, hit.write))
      .filter((armed) => this.stops(armed, vcpu))
      .map(({ trigger }) => trigger.id);
    return ids.length > 0 ? { reason: { kind: 'watchpoint', ids, address: hit.address, write: hit.write, size: hit.size }, vcpu } : undefined;
  }

  private atHappening(): Hit | undefined {
    const stopping = this.met.filter(({ armed, happening, vcpu }) => this.stops(armed, vcpu, happening.names));
    this.met = [];
    const [first] = stopping;
    const ids = [...new Set(stopping.map(({ armed }) => armed.trigger.id))];
    return first && { reason: { kind: 'trigger', ids, description: first.happening.description }, vcpu: first.vcpu };
  }

  /** Condition, hit count and log message, in this order. */
  private stops(armed: Armed, vcpu: number, names: Happening['names'] = {}): boolean {
    const context = this.context(vcpu, names);
    if (!armed.holds(this.machine.position, context)) return false;
    if (!armed.logs) return true;
    if (this.mode === 'run') this.print(armed.log(context)!);
    return false;
  }

  private context(vcpu: number, names: Happening['names']): ExpressionContext {
    const { machine } = this;
    return {
      register: (name) => (Object.hasOwn(names, name) ? names[name] : registerOf(machine, vcpu, name)),
      memory: (space, address, size) => this.memory.number(vcpu, space, address, size),
    };
  }

  // ── Asked by the bus and the engine as it happens ────────────────────────────────────────

  private meet(found: readonly Event[], happening: () => Happening): boolean {
    if (this.mode === 'off' || found.length === 0) return false;
    const known = happening();
    const vcpu = this.machine.engine.current;
    for (const armed of found) this.met.push({ armed, happening: known, vcpu });
    return true;
  }

  port(port: number, size: AccessSize, write: boolean, value: number): boolean {
    if (this.ports.length === 0) return false;
    const met = this.ports.filter(({ trigger: { first, count, access } }) => port < first + count && port + size > first && accessMatches(access, write));
    return this.meet(met, () => {
      const owner = this.machine.bus.portOwner(port);
      const description = `${write ? 'write of' : 'read of'} ${hex(value)} ${write ? 'to' : 'from'} port ${hex(port)}${owner === undefined ? '' : ` (${owner})`}`;
      return { description, names: { port: BigInt(port), value: BigInt(value), write: write ? 1n : 0n } };
    });
  }

  interrupt(vcpu: number, vector: number): boolean {
    if (this.interrupts.length === 0) return false;
    const met = this.interrupts.filter(({ trigger }) => trigger.vector === 'any' || trigger.vector === vector);
    return this.meet(met, () => ({ description: `interrupt ${hex(vector)} on vCPU ${vcpu}`, names: { vector: BigInt(vector) } }));
  }

  exception(vcpu: number, vector: number, code: number | undefined): boolean {
    if (this.exceptions.length === 0) return false;
    const met = this.exceptions.filter(({ trigger }) => trigger.vector === vector);
    return this.meet(met, () => {
      const name = EXCEPTIONS[vector] || `exception ${vector}`;
      const description = `${name}${code === undefined ? '' : ` (error code ${hex(code)})`} on vCPU ${vcpu}`;
      return { description, names: { vector: BigInt(vector), code: BigInt(code ?? 0) } };
    });
  }

  get hearsSystem(): boolean {
    return this.mode !== 'off' && this.systems.length > 0;
  }

  system(vcpu: number, name: string): (() => boolean) | undefined {
    if (!this.hearsSystem) return undefined;
    const state = this.machine.vcpus.at(vcpu);
    const expected = this.systems.flatMap((armed) => {
      const look = expectSystem(armed.trigger, state, vcpu, name);
      return look ? [{ armed, look }] : [];
    });
    if (expected.length === 0) return undefined;
    return () => {
      let met = false;
      for (const { armed, look } of expected) {
        const happening = look();
        if (happening) met = this.meet([armed], () => happening) || met;
      }
      return met;
    };
  }
}

const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
