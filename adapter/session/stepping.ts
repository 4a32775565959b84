/**
 * Steps as a person means them. By instruction the guest does them itself; by source line they are made
 * here of the guest's own steps, for as long as the place belongs to the line that was left.
 */
import type { Guest, Stop, Trigger } from '../../emulator/machine/api';
import { decodeOne } from '../disassembly/decode';
import type { Breakpoints } from '../breakpoints/store';
import { Interrupts } from '../inspect/interrupts';
import type { Unwinder } from '../inspect/unwind';
import type { MachineView } from '../inspect/view';
import type { SymbolStore } from '../symbols/store';
import type { Motion, Operation } from './motion';

export type Granularity = 'instruction' | 'line' | 'statement' | undefined;

const ordinary = (stop: Stop): boolean => stop.reason.kind === 'step';

/** After so many steps inside of one line it is left at full speed, by breakpoints on all other lines. */
const PATIENCE = 100;
/** A step back costs more. */
const PATIENCE_BACK = 12;
const MOST_LINES = 1000;
/** How much deeper the stack may be where a line of the same call begins. */
const SLACK = 64n;

/** What an interrupt pushes in 64-bit mode, and that with an error code (SDM volume 3, 6.14.2). */
const FRAME_BYTES = 40n;
const ENTRY_BYTES = 48;

/** Ids of triggers that are the adapter's own; breakpoints count from 1. */
const OWN = -1;

/** What is stepped. */
interface Stepped {
  readonly guest: Guest;
  readonly motion: Motion;
  readonly view: MachineView;
  readonly symbols: SymbolStore;
  readonly unwinder: Unwinder;
  readonly breakpoints: Breakpoints;
}

export class Stepper {
  constructor(private readonly debuggee: Stepped) {}

  private async place(vcpu: number): Promise<{ pc: bigint; sp: bigint; line: ReturnType<SymbolStore['source']> }> {
    this.debuggee.view.invalidate(false);
    const cpu = await this.debuggee.view.cpu(vcpu);
    return { pc: cpu.pc, sp: cpu.sp, line: this.debuggee.symbols.source(cpu.pc) };
  }

  /** One step of the guest. */
  private step(kind: 'in' | 'over' | 'out', vcpu: number): Promise<Stop> {
    return this.debuggee.motion.run(() => this.debuggee.guest.step(kind, vcpu));
  }

  private back(vcpu: number): Promise<Stop> {
    return this.debuggee.motion.run(() => this.debuggee.guest.stepBack(vcpu));
  }

  private paused(stop: Stop): Stop {
    return { ...stop, reason: { kind: 'pause' } };
  }

  forward(kind: 'in' | 'over', vcpu: number, granularity: Granularity): Operation {
    return async () => {
      const start = granularity === 'instruction' ? undefined : (await this.place(vcpu)).line;
      if (!start) return this.step(kind, vcpu);
      let stop = await this.advance(kind, vcpu);
      for (let steps = 1; ordinary(stop); steps++) {
        if (this.debuggee.motion.interrupted) return this.paused(stop);
        const { line } = await this.place(vcpu);
        if (line && (line.path !== start.path || line.line !== start.line)) return stop;
        const fast = line && kind === 'over' && steps % PATIENCE === 0 ? await this.leaveLine(vcpu, line) : undefined;
        // Into code without source: back out of it, and on.
        stop = fast ?? (await this.advance(line ? kind : 'out', vcpu));
      }
      return stop;
    };
  }

  /** A step that doesn't end in the handler of an interrupt that came meanwhile: that is run through. */
  private async advance(kind: 'in' | 'over' | 'out', vcpu: number): Promise<Stop> {
    const stop = await this.step(kind, vcpu);
    const interrupted = ordinary(stop) && kind !== 'out' ? await this.interruption(vcpu) : undefined;
    return interrupted ? this.runTo([interrupted]) : stop;
  }

  /** At the first instruction of an interrupt handler on the same stack: where it returns to. In 64-bit mode only. */
  private async interruption(vcpu: number): Promise<{ pc: bigint; sp: bigint } | undefined> {
    const { view, symbols } = this.debuggee;
    view.invalidate(false);
    const cpu = await view.cpu(vcpu);
    if (cpu.bits !== 64) return undefined;
    const [found] = await new Interrupts(view, symbols, cpu).frames(cpu.sp, ENTRY_BYTES);
    const above = found && found.sp - (found.at + FRAME_BYTES);
    return above !== undefined && above >= 0n && above < 16n ? found : undefined;
  }

  /** Runs until the stack is back at one of these places. */
  private runTo(places: readonly { readonly pc: bigint; readonly sp: bigint }[], compare: '==' | '>=' = '=='): Promise<Stop> {
    return this.armed(this.triggersAt(places, compare), () => this.debuggee.guest.resume());
  }

  private triggersAt(places: readonly { readonly pc: bigint; readonly sp: bigint }[], compare: '==' | '>='): Trigger[] {
    return places.map(({ pc, sp }) => ({ kind: 'execute', id: OWN, address: pc, condition: `(rsp ${compare} 0x${sp.toString(16)})` }));
  }

  /** Where the other lines of this function begin; nothing where that isn't known or they are too many. */
  private otherLines(pc: bigint, line: { path: string; line: number }): bigint[] | undefined {
    const { symbols } = this.debuggee;
    const found = symbols.index.nearest(pc);
    if (!found) return undefined;
    const rows = symbols.lines.within(found.symbol.address, symbols.index.end(found.symbol), MOST_LINES);
    if (rows.length === MOST_LINES) return undefined;
    return rows.filter((row) => row.line !== line.line || symbols.paths.local(row.path) !== line.path).map((row) => row.start);
  }

  /** Out of a line that takes long: to another line of the function, or to its caller. */
  private async leaveLine(vcpu: number, line: { path: string; line: number }): Promise<Stop | undefined> {
    const { view, unwinder } = this.debuggee;
    const { pc, registers } = await view.cpu(vcpu);
    const others = this.otherLines(pc, line);
    const caller = (await unwinder.frames(vcpu, 2))[1];
    if (!others || (others.length === 0 && !caller)) return undefined;
    return this.runTo([...this.near(others, registers), ...(caller ? [{ pc: caller.pc, sp: (registers.rsp ?? 0n) + 1n }] : [])], '>=');
  }

  /** The same backwards: to the last begin of another line, or to the call of the function. */
  private async leaveLineBack(vcpu: number, line: { path: string; line: number }): Promise<Stop | undefined> {
    const { guest, view, unwinder } = this.debuggee;
    const { pc, registers } = await view.cpu(vcpu);
    const others = this.otherLines(pc, line);
    const caller = (await unwinder.frames(vcpu, 2))[1];
    const calls = caller ? await this.callsBefore(vcpu, caller.pc) : [];
    if (!others || others.length + calls.length === 0) return undefined;
    const places = [...this.near(others, registers), ...calls.map((address) => ({ pc: address, sp: (registers.rsp ?? 0n) + 1n }))];
    return this.armed(this.triggersAt(places, '>='), () => guest.reverseContinue());
  }

  private near(addresses: readonly bigint[], registers: Readonly<Record<string, bigint>>): { pc: bigint; sp: bigint }[] {
    const sp = registers.rsp ?? 0n;
    return addresses.map((pc) => ({ pc, sp: sp > SLACK ? sp - SLACK : 0n }));
  }

  /** Moves with triggers of the adapter's own beside those of the user; what they alone stop is a step. */
  private async armed(own: readonly Trigger[], move: () => Promise<void>): Promise<Stop> {
    const { guest, motion, breakpoints } = this.debuggee;
    await guest.setTriggers([...breakpoints.triggers(), ...own]);
    try {
      const stop = await motion.run(move);
      if (stop.reason.kind !== 'breakpoint') return stop;
      const others = stop.reason.ids.filter((id) => id !== OWN);
      return { ...stop, reason: others.length > 0 ? { kind: 'breakpoint', ids: others } : { kind: 'step' } };
    } finally {
      await guest.setTriggers(breakpoints.triggers());
    }
  }

  out(vcpu: number): Operation {
    return () => this.step('out', vcpu);
  }

  backward(vcpu: number, granularity: Granularity): Operation {
    return async () => {
      const start = granularity === 'instruction' ? undefined : (await this.place(vcpu)).line;
      if (!start) return this.back(vcpu);
      const from = await this.place(vcpu);
      let stop = await this.backOver(vcpu);
      // Out of the line that was left…
      for (let steps = 1; ordinary(stop); steps++) {
        if (this.debuggee.motion.interrupted) return this.paused(stop);
        const { line, pc } = await this.place(vcpu);
        if (line && (line.path !== start.path || line.line !== start.line)) break;
        // The first instruction of the same line is where the line was entered, if it was left from its middle.
        if (line && pc === start.start && pc < from.pc) return stop;
        const fast = line && steps % PATIENCE_BACK === 0 ? await this.leaveLineBack(vcpu, line) : undefined;
        stop = fast ?? (await this.backOver(vcpu));
      }
      // … and to the beginning of the one before it.
      const target = (await this.place(vcpu)).line;
      const first = target && this.lineStart(target);
      while (ordinary(stop) && target) {
        if (this.debuggee.motion.interrupted) return this.paused(stop);
        const { line, pc } = await this.place(vcpu);
        if (pc === first || !line) return stop;
        if (line.path !== target.path || line.line !== target.line) return this.step('in', vcpu);
        stop = await this.backOver(vcpu);
      }
      return stop;
    };
  }

  /** A line may have several rows in a run, one for each of its columns: where the run begins. */
  private lineStart({ start, path, line }: { start: bigint; path: string; line: number }): bigint {
    const { symbols } = this.debuggee;
    for (let first = start; ;) {
      const before = symbols.source(first - 1n);
      if (!before || before.path !== path || before.line !== line) return first;
      first = before.start;
    }
  }

  /** A step back that doesn't enter the calls that have returned: those are run over backwards. */
  private async backOver(vcpu: number): Promise<Stop> {
    const before = await this.place(vcpu);
    const calls = await this.callsBefore(vcpu, before.pc);
    const stop = await this.back(vcpu);
    if (!ordinary(stop) || calls.length === 0) return stop;
    const now = await this.place(vcpu);
    // A return had popped its address: the stack was deeper, and elsewhere in the code.
    if (calls.includes(now.pc) || now.sp >= before.sp) return stop;
    const { guest } = this.debuggee;
    return this.armed(
      this.triggersAt(
        calls.map((pc) => ({ pc, sp: before.sp })),
        '==',
      ),
      () => guest.reverseContinue(),
    );
  }

  /** Where a call may stand that returns to `pc`. */
  private async callsBefore(vcpu: number, pc: bigint): Promise<bigint[]> {
    const { bits } = await this.debuggee.view.cpu(vcpu);
    const reach = pc > 8n ? 8n : pc;
    const bytes = await this.debuggee.view.read(vcpu, 'linear', pc - reach, Number(reach));
    const found: bigint[] = [];
    for (let length = 2; length <= bytes.length; length++) {
      const address = pc - BigInt(length);
      const instruction = decodeOne(bytes.subarray(bytes.length - length), address, bits);
      if (instruction?.flow === 'call' && instruction.bytes.length === length) found.push(address);
    }
    return found;
  }
}
