/**
 * Breakpoints of every kind, each resolved to triggers of the guest. The client sets one kind or one file
 * at a time; the guest always gets the whole list. A breakpoint that can't be resolved is kept, unverified,
 * and says why.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { HitCount, Trigger } from '../../emulator/machine/api';
import { describe, unresolved } from '../session/errors';
import { didYouMean } from '../launch/nearest';
import { toCondition, toLog, type Names } from '../inspect/expression/condition';
import type { SymbolStore } from '../symbols/store';
import type { Listing } from '../disassembly/listing';
import { parseDataId } from './data';
import { EVENT_NAMES, INTERRUPT, filterTarget, parseVectors } from './exceptions';
import { parseHits } from './hits';

export type BreakpointKind = 'breakpoint' | 'function breakpoint' | 'instruction breakpoint' | 'data breakpoint' | 'exception';

export interface Entry {
  readonly id: number;
  readonly kind: BreakpointKind;
  /** For people: `main.c:12`, `start_kernel`, `0x100000`. */
  readonly label: string;
  readonly triggers: readonly Trigger[];
  readonly response: DebugProtocol.Breakpoint;
}

interface Conditions {
  readonly condition?: string;
  readonly hits?: HitCount;
  readonly log?: string;
}

export interface Resolver {
  readonly symbols: SymbolStore;
  readonly names: Names;
  /** An address expression as a number. */
  address(text: string): Promise<bigint>;
}

/** The set of breakpoints that were set in the Debug Console. */
const CONSOLE = 'console';
const EXPRESSION_ADDRESS = /^\*?\s*(0x[0-9a-f]+|\d+)$/i;

export class Breakpoints {
  /** By the set that the client replaces at once: a file, or a kind. */
  private readonly sets = new Map<string, readonly Entry[]>();
  private nextId = 1;
  stopsAtTripleFault = true;

  constructor(private readonly resolver: Resolver) {}

  all(): Entry[] {
    return [...this.sets.values()].flat();
  }

  triggers(): Trigger[] {
    return this.all().flatMap(({ triggers }) => triggers);
  }

  get(id: number): Entry | undefined {
    return this.all().find((entry) => entry.id === id);
  }

  private keep(key: string, entries: readonly Entry[]): DebugProtocol.Breakpoint[] {
    this.sets.set(key, entries);
    return entries.map(({ response }) => response);
  }

  /** Resolves one breakpoint; whatever is wrong with it becomes its message. */
  private async entry(
    kind: BreakpointKind,
    label: string,
    resolve: (id: number) => Promise<{ triggers: readonly Trigger[]; response?: Partial<DebugProtocol.Breakpoint> }>,
  ): Promise<Entry> {
    const id = this.nextId++;
    try {
      const { triggers, response } = await resolve(id);
      return { id, kind, label, triggers, response: { id, verified: true, ...response } };
    } catch (error) {
      return { id, kind, label, triggers: [], response: { id, verified: false, message: describe(error).message, reason: 'failed' } };
    }
  }

  private conditions(given: { condition?: string; hitCondition?: string; logMessage?: string }, kind?: Trigger['kind']): Conditions {
    const own = new Set(kind === undefined ? [] : EVENT_NAMES[kind]);
    const { names: all } = this.resolver;
    const names: Names = {
      isRegister: (name) => own.has(name) || all.isRegister(name),
      symbol: (name) => (own.has(name) ? undefined : all.symbol(name)),
      suggestions: () => [...own, ...all.suggestions()],
    };
    const { condition, hitCondition, logMessage } = given;
    const hits = hitCondition?.trim() ? parseHits(hitCondition) : undefined;
    if (hitCondition?.trim() && !hits) throw unresolved(`'${hitCondition}' is no hit condition; write a number, or one after ==, >=, > or %`);
    return {
      ...(condition?.trim() && { condition: toCondition(condition, names) }),
      ...(hits && { hits }),
      ...(logMessage && { log: toLog(logMessage, names) }),
    };
  }

  async setSource(path: string, breakpoints: readonly DebugProtocol.SourceBreakpoint[]): Promise<DebugProtocol.Breakpoint[]> {
    const { symbols } = this.resolver;
    const entries = breakpoints.map((wanted) =>
      this.entry('breakpoint', `${path}:${wanted.line}`, async (id) => {
        const conditions = this.conditions(wanted);
        const found = symbols.addressesOf(path, wanted.line);
        if (!found) throw unresolved(symbols.linesOf(path).length === 0 ? 'No loaded symbol file has code of this file' : 'No code on this line or after it');
        return {
          triggers: found.addresses.map((address) => ({ kind: 'execute', id, address, ...conditions })),
          response: { line: found.line, source: { path }, instructionReference: `0x${found.addresses[0]!.toString(16)}` },
        };
      }),
    );
    return this.keep(`source ${path}`, await Promise.all(entries));
  }

  /** Breakpoints in a listing of code without source: its lines are instructions. */
  async setListing(listing: Listing, breakpoints: readonly DebugProtocol.SourceBreakpoint[]): Promise<DebugProtocol.Breakpoint[]> {
    const entries = breakpoints.map((wanted) =>
      this.entry('breakpoint', `${listing.name}:${wanted.line}`, async (id) => {
        const address = listing.addresses[wanted.line - 1];
        if (address === undefined) throw unresolved('No instruction on this line');
        return {
          triggers: [{ kind: 'execute', id, address, ...this.conditions(wanted) }],
          response: {
            line: wanted.line,
            instructionReference: `0x${address.toString(16)}`,
            source: { name: listing.name, sourceReference: listing.reference },
          },
        };
      }),
    );
    return this.keep(`listing ${listing.reference}`, await Promise.all(entries));
  }

  async setInstructions(breakpoints: readonly DebugProtocol.InstructionBreakpoint[]): Promise<DebugProtocol.Breakpoint[]> {
    const entries = breakpoints.map((wanted) =>
      this.entry('instruction breakpoint', wanted.instructionReference, async (id) => {
        const base = await this.resolver.address(wanted.instructionReference);
        const address = BigInt.asUintN(64, base + BigInt(wanted.offset ?? 0));
        return {
          triggers: [{ kind: 'execute', id, address, ...this.conditions(wanted) }],
          response: { instructionReference: `0x${address.toString(16)}` },
        };
      }),
    );
    return this.keep('instructions', await Promise.all(entries));
  }

  /** By the name of a function, or by an address as `0x100000` or `*0x100000`. */
  async setFunctions(breakpoints: readonly DebugProtocol.FunctionBreakpoint[]): Promise<DebugProtocol.Breakpoint[]> {
    const { symbols, names } = this.resolver;
    const entries = breakpoints.map((wanted) =>
      this.entry('function breakpoint', wanted.name, async (id) => {
        const literal = EXPRESSION_ADDRESS.exec(wanted.name.trim());
        const found = symbols.index.find(wanted.name.trim());
        const code = found.filter(({ kind }) => kind !== 'object');
        if (!literal && code.length === 0) {
          throw unresolved(
            found.length > 0 ? `'${wanted.name}' is data, not a function` : `no function '${wanted.name}'${didYouMean(wanted.name, names.suggestions())}`,
          );
        }
        const addresses = literal ? [BigInt(literal[1]!)] : [...new Set(code.map((symbol) => symbols.functionEntry(symbol)))];
        const conditions = this.conditions(wanted);
        const source = symbols.source(addresses[0]!);
        return {
          triggers: addresses.map((address) => ({ kind: 'execute', id, address, ...conditions })),
          response: {
            instructionReference: `0x${addresses[0]!.toString(16)}`,
            ...(source && { line: source.line, source: { path: source.path } }),
          },
        };
      }),
    );
    return this.keep('functions', await Promise.all(entries));
  }

  async setData(breakpoints: readonly DebugProtocol.DataBreakpoint[]): Promise<DebugProtocol.Breakpoint[]> {
    const entries = breakpoints.map((wanted) =>
      this.entry('data breakpoint', wanted.dataId, async (id) => {
        const target = parseDataId(wanted.dataId);
        if (!target)
          throw unresolved(`'${wanted.dataId}' names no memory and no port; write lin:ADDRESS/BYTES, phys:ADDRESS/BYTES, port:NUMBER/COUNT or msr:NUMBER`);
        const access = wanted.accessType === 'read' ? 'read' : wanted.accessType === 'readWrite' ? 'access' : 'write';
        const conditions = this.conditions(wanted, target.kind === 'memory' ? 'watch' : target.kind);
        if (target.kind === 'port') return { triggers: [{ kind: 'port', id, first: target.first, count: target.count, access, ...conditions }] };
        if (target.kind === 'msr') return { triggers: [{ kind: 'msr', id, index: target.index, access, ...conditions }] };
        const { space, address, length } = target;
        return { triggers: [{ kind: 'watch', id, space, address, length, access, ...conditions }] };
      }),
    );
    return this.keep('data', await Promise.all(entries));
  }

  async setExceptions({ filters, filterOptions = [] }: DebugProtocol.SetExceptionBreakpointsArguments): Promise<DebugProtocol.Breakpoint[]> {
    const wanted = [...filters.map((filterId) => ({ filterId, condition: '' })), ...filterOptions];
    const entries = wanted.map(({ filterId, condition = '' }) =>
      this.entry('exception', filterId, async (id) => {
        const target = filterTarget(filterId);
        if (!target) throw unresolved(`no exception filter '${filterId}'`);
        if (condition.trim() !== '' && target.kind === 'triple-fault') throw unresolved('the filter for triple faults takes no condition');
        // The filter for interrupts has vectors in place of a condition.
        const conditions = filterId === INTERRUPT || target.kind === 'triple-fault' ? {} : this.conditions({ condition }, target.kind);
        switch (target.kind) {
          case 'triple-fault':
            return { triggers: [] };
          case 'exception':
            return { triggers: [{ kind: 'exception', id, vector: target.vector, ...conditions }] };
          case 'halt':
          case 'cpuid':
          case 'control':
            return { triggers: [{ ...target, id, ...conditions }] };
          case 'interrupt': {
            const vectors = parseVectors(condition);
            if (typeof vectors === 'string') throw unresolved(vectors);
            return { triggers: (vectors ?? (['any'] as const)).map((vector) => ({ kind: 'interrupt', id, vector }) as const) };
          }
        }
      }),
    );
    this.stopsAtTripleFault = wanted.some(({ filterId }) => filterTarget(filterId)?.kind === 'triple-fault');
    return this.keep('exceptions', await Promise.all(entries));
  }

  // ── Those of the Debug Console ───────────────────────────────────────────────────────────

  /** One more, beside those that the client shows. */
  addOwn(kind: BreakpointKind, label: string, make: (id: number) => readonly Trigger[]): Entry {
    const id = this.nextId++;
    const entry: Entry = { id, kind, label, triggers: make(id), response: { id, verified: true } };
    this.sets.set(CONSOLE, [...(this.sets.get(CONSOLE) ?? []), entry]);
    return entry;
  }

  /** Conditions as `addOwn`'s triggers take them. */
  conditionsOf(condition: string | undefined, kind?: Trigger['kind'], more: { hitCondition?: string; logMessage?: string } = {}): Conditions {
    return this.conditions({ ...more, ...(condition !== undefined && { condition }) }, kind);
  }

  own(): readonly Entry[] {
    return this.sets.get(CONSOLE) ?? [];
  }

  /** False where there is no breakpoint of the console with this number. */
  removeOwn(id: number): boolean {
    const rest = this.own().filter((entry) => entry.id !== id);
    const found = rest.length < this.own().length;
    this.sets.set(CONSOLE, rest);
    return found;
  }
}
