/**
 * Steps as a person means them. By instruction the guest does them itself; by source line they are made
 * here of the guest's own steps, for as long as the place belongs to the line that was left.
 */
import type { Stop } from '../../emulator/machine/api';
import { decodeOne } from '../disassembly/decode';
import type { Debuggee } from './debuggee';
import type { Operation } from './motion';

export type Granularity = 'instruction' | 'line' | 'statement' | undefined;

const ordinary = (stop: Stop): boolean => stop.reason.kind === 'step';

/** Ids of triggers that are the adapter's own; breakpoints count from 1. */
const OWN = -1;

export class Stepper {
  constructor(private readonly debuggee: Debuggee) {}

  private async place(vcpu: number): Promise<{ pc: bigint; sp: bigint; line: ReturnType<Debuggee['symbols']['source']> }> {
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
      let stop = await this.step(kind, vcpu);
      if (!start) return stop;
      while (ordinary(stop)) {
        if (this.debuggee.motion.interrupted) return this.paused(stop);
        const { line } = await this.place(vcpu);
        if (line && (line.path !== start.path || line.line !== start.line)) return stop;
        // Into code without source: back out of it, and on.
        stop = await this.step(line ? kind : 'out', vcpu);
      }
      return stop;
    };
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
      while (ordinary(stop)) {
        if (this.debuggee.motion.interrupted) return this.paused(stop);
        const { line, pc } = await this.place(vcpu);
        if (line && (line.path !== start.path || line.line !== start.line)) break;
        // The first instruction of the same line is where the line was entered, if it was left from its middle.
        if (line && pc === start.start && pc < from.pc) return stop;
        stop = await this.backOver(vcpu);
      }
      // … and to the beginning of the one before it.
      const target = (await this.place(vcpu)).line;
      while (ordinary(stop) && target) {
        if (this.debuggee.motion.interrupted) return this.paused(stop);
        const { line, pc } = await this.place(vcpu);
        if (pc === target.start || !line) return stop;
        if (line.path !== target.path || line.line !== target.line) return this.step('in', vcpu);
        stop = await this.backOver(vcpu);
      }
      return stop;
    };
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
    const { guest, motion, breakpoints } = this.debuggee;
    const own = calls.map((address) => ({ kind: 'execute', id: OWN, address, condition: `(rsp == 0x${before.sp.toString(16)})` }) as const);
    await guest.setTriggers([...breakpoints.triggers(), ...own]);
    try {
      const reached = await motion.run(() => guest.reverseContinue());
      if (reached.reason.kind !== 'breakpoint') return reached;
      const others = reached.reason.ids.filter((id) => id !== OWN);
      return { ...reached, reason: others.length > 0 ? { kind: 'breakpoint', ids: others } : { kind: 'step' } };
    } finally {
      await guest.setTriggers(breakpoints.triggers());
    }
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
