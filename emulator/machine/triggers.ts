import type { AccessSize } from '../bus/device';
import type { Watch, WatchHit } from '../engine/engine';
import { userError } from '../errors';
import type { HitCount, StopReason, Trigger } from './api';
import type { HostListener } from './enginehost';
import { compile, compileLog, type Evaluate, type ExpressionContext } from './expression';
import { registerOf } from './inspect';
import type { Machine } from './machine';
import { MemoryAccess } from './memory';
import type { Halt } from './runloop';

type Kind<K extends Trigger['kind']> = Extract<Trigger, { kind: K }>;

interface Armed<T extends Trigger> {
  readonly trigger: T;
  readonly condition: Evaluate | undefined;
  readonly log: ((context: ExpressionContext) => string) | undefined;
  readonly hits: HitCount | undefined;
  count: number;
}

/** What a person set stops for. */
export type Hit = Extract<StopReason, { kind: 'breakpoint' | 'watchpoint' | 'trigger' }>;

/** `run`: everything counts; `search`: the past is looked through, nothing is counted or printed; `off`: nothing stops. */
export type TriggerMode = 'run' | 'search' | 'off';

const EXCEPTIONS = [
  '#DE', '#DB', 'NMI', '#BP', '#OF', '#BR', '#UD', '#NM', '#DF', '', '#TS', '#NP', '#SS', '#GP', '#PF', '', '#MF', '#AC', '#MC', '#XM',
]; // prettier-ignore
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

function counted({ compare, value }: HitCount, count: number): boolean {
  switch (compare) {
    case '==':
      return count === value;
    case '>=':
      return count >= value;
    case '>':
      return count > value;
    case '%':
      return value > 0 && count % value === 0;
  }
}

const accessMatches = (wanted: 'read' | 'write' | 'access', write: boolean): boolean => wanted === 'access' || (wanted === 'write') === write;

/** What can stop the machine: armed in the engine and at the bus, judged here. */
export class Triggers implements HostListener {
  private execute = new Map<bigint, Armed<Kind<'execute'>>[]>();
  private watches: Armed<Kind<'watch'>>[] = [];
  private ports: Kind<'port'>[] = [];
  private interrupts: Kind<'interrupt'>[] = [];
  private exceptions: Kind<'exception'>[] = [];
  private mode: TriggerMode = 'run';
  /** What a port access, interrupt or exception has met, until the run loop comes back. */
  private met: { ids: number[]; description: string } | undefined;
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
    const old = new Map([...[...this.execute.values()].flat(), ...this.watches].map((armed) => [armed.trigger.id, armed]));
    const arm = <T extends Kind<'execute' | 'watch'>>(trigger: T): Armed<T> => {
      const before = old.get(trigger.id);
      const same = before !== undefined && JSON.stringify(before.trigger, text) === JSON.stringify(trigger, text);
      return {
        trigger,
        condition: trigger.condition === undefined ? undefined : compile(trigger.condition),
        log: trigger.kind === 'execute' && trigger.log !== undefined ? compileLog(trigger.log) : undefined,
        hits: trigger.hits,
        count: same ? before.count : 0,
      };
    };
    const of = <K extends Trigger['kind']>(kind: K): Kind<K>[] => triggers.filter((trigger): trigger is Kind<K> => trigger.kind === kind);
    const execute = new Map<bigint, Armed<Kind<'execute'>>[]>();
    for (const trigger of of('execute')) execute.set(trigger.address, [...(execute.get(trigger.address) ?? []), arm(trigger)]);
    const watches = of('watch').map(arm);
    if (watches.some(({ trigger }) => trigger.length < 1)) throw userError('watch-length', 'a watchpoint has to be at least one byte long');
    this.execute = execute;
    this.watches = watches;
    this.ports = of('port');
    this.interrupts = of('interrupt');
    this.exceptions = of('exception');
    this.arm();
  }

  setMode(mode: TriggerMode): void {
    if (mode === this.mode) return;
    this.mode = mode;
    this.met = undefined;
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
        return this.atBreakpoint();
      case 'watchpoint':
        return halt.hit && this.atWatchpoint(halt.hit);
      case 'request': {
        const { met } = this;
        this.met = undefined;
        return met && { kind: 'trigger', ...met };
      }
      default:
        return undefined;
    }
  }

  /** Whether the next instruction is one that a step waits for. */
  atTemporary(): boolean {
    return this.temporary.includes(this.machine.vcpus.pc(this.machine.engine.current));
  }

  private atBreakpoint(): Hit | undefined {
    const pc = this.machine.vcpus.pc(this.machine.engine.current);
    const ids = (this.execute.get(pc) ?? []).filter((armed) => this.holds(armed)).map(({ trigger }) => trigger.id);
    return ids.length > 0 ? { kind: 'breakpoint', ids } : undefined;
  }

  private atWatchpoint(hit: WatchHit): Hit | undefined {
    const { space, address, length } = hit.watch;
    const ids = this.watches
      .filter(({ trigger: t }) => t.space === space && t.address === address && t.length === length && accessMatches(t.access, hit.write))
      .filter((armed) => this.holds(armed))
      .map(({ trigger }) => trigger.id);
    return ids.length > 0 ? { kind: 'watchpoint', ids, address: hit.address, write: hit.write, size: hit.size } : undefined;
  }

  /** Condition, hit count and log message, in this order. */
  private holds(armed: Armed<Kind<'execute' | 'watch'>>): boolean {
    const context = this.context();
    // A condition that can't be evaluated stops: better once too often than never.
    if (armed.condition && armed.condition(context) === 0n) return false;
    if (this.mode !== 'run') return armed.log === undefined;
    armed.count++;
    if (armed.hits && !counted(armed.hits, armed.count)) return false;
    if (!armed.log) return true;
    this.print(armed.log(context));
    return false;
  }

  private context(): ExpressionContext {
    const { machine } = this;
    const vcpu = machine.engine.current;
    return {
      register: (name) => registerOf(machine, vcpu, name),
      memory: (space, address, size) => this.memory.number(vcpu, space, address, size),
    };
  }

  // ── Asked by the bus and the engine as it happens ────────────────────────────────────────

  private meet(triggers: readonly { readonly id: number }[], description: () => string): boolean {
    if (this.mode === 'off' || triggers.length === 0) return false;
    const ids = triggers.map(({ id }) => id);
    this.met = this.met ? { ids: [...this.met.ids, ...ids], description: this.met.description } : { ids, description: description() };
    return true;
  }

  port(port: number, size: AccessSize, write: boolean, value: number): boolean {
    if (this.ports.length === 0) return false;
    const met = this.ports.filter(({ first, count, access }) => port < first + count && port + size > first && accessMatches(access, write));
    return this.meet(met, () => {
      const owner = this.machine.bus.portOwner(port);
      return `${write ? 'write of' : 'read of'} ${hex(value)} ${write ? 'to' : 'from'} port ${hex(port)}${owner === undefined ? '' : ` (${owner})`}`;
    });
  }

  interrupt(vcpu: number, vector: number): boolean {
    if (this.interrupts.length === 0) return false;
    const met = this.interrupts.filter((trigger) => trigger.vector === 'any' || trigger.vector === vector);
    return this.meet(met, () => `interrupt ${hex(vector)} on vCPU ${vcpu}`);
  }

  exception(vcpu: number, vector: number, code: number | undefined): boolean {
    if (this.exceptions.length === 0) return false;
    const met = this.exceptions.filter((trigger) => trigger.vector === vector);
    const name = EXCEPTIONS[vector] || `exception ${vector}`;
    return this.meet(met, () => `${name}${code === undefined ? '' : ` (error code ${hex(code)})`} on vCPU ${vcpu}`);
  }
}

const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
