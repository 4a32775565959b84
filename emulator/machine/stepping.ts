import * as layout from '../x86/layout';
import { ATTR } from '../x86/vcpu';
import type { StepKind } from './api';
import type { Machine } from './machine';
import { MemoryAccess } from './memory';
import type { Halt, RunLoop } from './runloop';
import type { Hit, Triggers } from './triggers';

/** How a step ended: done, at something the user set, or halted. */
export type StepEnd = { readonly kind: 'done' } | { readonly kind: 'hit'; readonly hit: Hit } | { readonly kind: 'halt'; readonly halt: Halt };
export interface StepControl {
  /** Positions to go between yields. */
  slice(): number;
  /** `loop.advance`, cut short where it takes too much of the host's time. */
  advance(limit: number): Halt | undefined;
  yield(): Promise<void>;
  interrupted(): boolean;
  /** The machine went on. */
  moved(): void;
}

const LONGEST_INSTRUCTION = 15;
const DONE: StepEnd = { kind: 'done' };
/** Single steps between looks at the host. */
const STRIDE = 2000;

/** Steps of one vCPU, made of single instructions and temporary breakpoints. */
export class Stepping {
  private readonly memory: MemoryAccess;

  constructor(
    private readonly machine: Machine,
    private readonly loop: RunLoop,
    private readonly triggers: Triggers,
    private readonly control: StepControl,
  ) {
    this.memory = new MemoryAccess(machine.engine);
  }

  async step(kind: StepKind, vcpu: number): Promise<StepEnd> {
    switch (kind) {
      case 'in':
        return this.single(vcpu);
      case 'over':
        return this.over(vcpu);
      case 'out':
        return this.out(vcpu);
    }
  }

  /** Until the vCPU has run one instruction, whatever the others do meanwhile. */
  private async single(vcpu: number): Promise<StepEnd> {
    const { machine, loop, control } = this;
    const start = machine.position;
    for (let turns = 1; ; turns++) {
      const before = machine.clock.instructions();
      const halt = loop.advance(machine.position + 1);
      if (halt) {
        // The breakpoint at the place where the step began was passed before.
        if (halt.kind === 'breakpoint' && machine.position === start) continue;
        const hit = this.triggers.judge(halt);
        control.moved();
        if (hit) return { kind: 'hit', hit };
        if (halt.kind !== 'breakpoint' && halt.kind !== 'watchpoint' && halt.kind !== 'request') return { kind: 'halt', halt };
        if (machine.position === start) continue;
      }
      control.moved();
      if (loop.ran === vcpu && machine.clock.instructions() > before) return DONE;
      if (turns % STRIDE === 0) {
        await control.yield();
        if (control.interrupted()) return DONE;
      }
    }
  }

  /** Like `single`, but runs through what the instruction calls, and all turns of a repeated one. */
  private async over(vcpu: number): Promise<StepEnd> {
    const { machine } = this;
    const pc = machine.vcpus.pc(vcpu);
    const sp = this.stackPointer(vcpu);
    for (;;) {
      const end = await this.single(vcpu);
      if (end !== DONE || this.control.interrupted()) return end;
      const now = machine.vcpus.pc(vcpu);
      if (now !== pc) break;
      // The same instruction again: a repetition, or a jump to itself, which is a step of its own.
      if (!this.repeats(vcpu, pc)) return end;
    }
    const back = this.returnAddress(vcpu, pc, sp);
    return back === undefined ? DONE : this.runTo(vcpu, back, sp);
  }

  /** To the caller: steps over what this function calls until it returns. */
  private async out(vcpu: number): Promise<StepEnd> {
    const { machine } = this;
    const sp = this.stackPointer(vcpu);
    for (let steps = 1; ; steps++) {
      const returns = this.isReturn(vcpu, machine.vcpus.pc(vcpu));
      const end = await this.over(vcpu);
      if (end !== DONE || this.control.interrupted()) return end;
      if (returns && this.stackPointer(vcpu) > sp) return DONE;
      if (steps % STRIDE === 0) await this.control.yield();
    }
  }

  /** Runs freely to an address in the frame that the stack pointer belongs to. */
  private async runTo(vcpu: number, address: bigint, sp: bigint): Promise<StepEnd> {
    const { machine, triggers, control } = this;
    triggers.setTemporary([address]);
    try {
      for (;;) {
        const halt = control.advance(machine.position + control.slice());
        const hit = halt && triggers.judge(halt);
        control.moved();
        if (halt) {
          if (hit) return { kind: 'hit', hit };
          if (halt.kind === 'breakpoint') {
            if (halt.vcpu === vcpu && triggers.atTemporary(vcpu) && this.stackPointer(vcpu) >= sp) return DONE;
          } else if (halt.kind !== 'watchpoint' && halt.kind !== 'request') return { kind: 'halt', halt };
        }
        await control.yield();
        if (control.interrupted()) return DONE;
      }
    } finally {
      triggers.setTemporary([]);
    }
  }

  // ── What instructions are ────────────────────────────────────────────────────────────────

  private stackPointer(vcpu: number): bigint {
    const state = this.machine.vcpus.at(vcpu);
    const sp = state.gpr(4);
    if (state.mode64) return sp;
    const big = state.attributes(layout.SS) & ATTR.big;
    return BigInt.asUintN(32, state.segment(layout.SS).base + BigInt.asUintN(big ? 32 : 16, sp));
  }

  /** After the instruction at `pc`: where it returns to, if it was a call. */
  private returnAddress(vcpu: number, pc: bigint, sp: bigint): bigint | undefined {
    const state = this.machine.vcpus.at(vcpu);
    const now = this.stackPointer(vcpu);
    if (now >= sp) return undefined;
    const size = state.mode64 ? 8 : state.attributes(layout.CS) & ATTR.big ? 4 : 2;
    const offset = this.memory.number(vcpu, 'linear', now, size);
    if (offset === undefined) return undefined;
    const back = state.mode64 ? offset : BigInt.asUintN(32, state.segment(layout.CS).base + offset);
    return back > pc && back <= pc + BigInt(LONGEST_INSTRUCTION) && this.isCall(vcpu, pc) ? back : undefined;
  }

  private opcode(vcpu: number, pc: bigint): { prefixes: readonly number[]; opcode: number; next: number } {
    const bytes = this.memory.read(vcpu, 'linear', pc, LONGEST_INSTRUCTION);
    const { mode64 } = this.machine.vcpus.at(vcpu);
    const prefixes: number[] = [];
    let at = 0;
    while (at < bytes.length && isPrefix(bytes[at]!, mode64)) prefixes.push(bytes[at++]!);
    return { prefixes, opcode: bytes[at] ?? 0, next: bytes[at + 1] ?? 0 };
  }
  private isCall(vcpu: number, pc: bigint): boolean {
    const { opcode, next } = this.opcode(vcpu, pc);
    if (opcode === 0xff) return ((next >> 3) & 7) === 2 || ((next >> 3) & 7) === 3;
    return opcode === 0xe8 || opcode === 0x9a;
  }
  private isReturn(vcpu: number, pc: bigint): boolean {
    return [0xc2, 0xc3, 0xca, 0xcb, 0xcf].includes(this.opcode(vcpu, pc).opcode);
  }
  private repeats(vcpu: number, pc: bigint): boolean {
    const { prefixes, opcode } = this.opcode(vcpu, pc);
    const string = (opcode >= 0x6c && opcode <= 0x6f) || (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf);
    return string && prefixes.some((byte) => byte === 0xf2 || byte === 0xf3);
  }
}

const LEGACY_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
const isPrefix = (byte: number, mode64: boolean): boolean => LEGACY_PREFIXES.includes(byte) || (mode64 && (byte & 0xf0) === 0x40);
