/**
 * The call stack: by frame pointers, with care for a function's first and last instructions, where its
 * frame doesn't stand; in code without frame pointers by direct calls that match the function which is to
 * return; where neither goes on, by return addresses that are found on the stack. Through a handler of
 * interrupts it goes on with who was interrupted, and through a change of stacks on the old one.
 */
import { decode, decodeOne } from '../disassembly/decode';
import { Interrupts } from './interrupts';
import type { SymbolStore } from '../symbols/store';
import type { Cpu, MachineView } from './view';

export interface Frame {
  readonly pc: bigint;
  /** The address that tells the line and the symbol: inside the call for callers. */
  readonly lookup: bigint;
  /** Frame pointer, or for frames without one the place of the return address. */
  readonly base: bigint;
  /** Found on the stack by its looks, not by a chain. */
  readonly guessed: boolean;
}

/** One that is to be returned to. */
interface Caller extends Frame {
  /** Where the stack goes on behind the return address, and the frame pointer there. */
  readonly above: bigint;
  readonly fp: bigint;
}

interface Stretch {
  readonly callers: readonly Caller[];
  /** Where it goes on: who was interrupted, or the last caller on the stack that it was on before. */
  readonly next?: Cpu;
  readonly interrupted?: boolean;
}

const MOST = 512;
/** A caller's frame lies above, but not far: kernel stacks have 16 KiB, others a few MiB. */
const FARTHEST = 0x80_0000n;
const SCAN_WORDS = 256;
const SCAN_FRAMES = 24;
/** How far behind a call its function goes back to the stack that it was on before. */
const SWITCH_BYTES = 64;
const SWITCH_INSTRUCTIONS = 8;
const POP_SP = 0x5c;
/** A handler may be interrupted, and that one again; more is no stack but what a guest has made up. */
const MOST_SWITCHES = 16;

export class Unwinder {
  constructor(
    private readonly view: MachineView,
    private readonly symbols: SymbolStore,
  ) {}

  async frames(vcpu: number, wanted = MOST): Promise<Frame[]> {
    const cpu = await this.view.cpu(vcpu);
    const most = Math.min(wanted, MOST);
    const interrupts = new Interrupts(this.view, this.symbols, cpu);
    const frames: Frame[] = [];
    let place: Stretch = { callers: [], next: cpu, interrupted: true };
    for (let turn = 0; place.next && turn < MOST_SWITCHES; turn++) {
      const { next, interrupted } = place;
      if (interrupted) frames.push({ pc: next.pc, lookup: next.pc, base: next.fp, guessed: false });
      if (frames.length >= most) break;
      place = await this.stretch(next, most - frames.length, interrupts);
      for (const { pc, lookup, base, guessed } of place.callers) frames.push({ pc, lookup, base, guessed });
    }
    return frames.slice(0, most);
  }

  /** The callers on one stack up to the handler of an interrupt or to a change of stacks. */
  private async stretch(place: Cpu, most: number, interrupts: Interrupts): Promise<Stretch> {
    const marks = await interrupts.frames(place.sp);
    const interrupted = async (lookup: bigint, above: bigint, fp: bigint): Promise<Cpu | undefined> => {
      const mark = marks.find(({ at }) => at >= above);
      return mark && (await interrupts.isHandler(lookup)) ? { ...place, pc: mark.pc, sp: mark.sp, fp } : undefined;
    };
    const here = await interrupted(place.pc, place.sp, place.fp);
    if (here) return { callers: [], next: here, interrupted: true };
    const callers = await this.callers(place, most);
    for (const [index, { pc, lookup, above, fp }] of callers.entries()) {
      const found = await interrupted(lookup, above, fp);
      const next = found ?? (await this.switched(place, pc, above, fp));
      if (next) return { callers: callers.slice(0, index + 1), next, interrupted: found !== undefined };
    }
    return { callers };
  }

  /** A function that has called on another stack, on top of which it left its own pointer to be popped. */
  private async switched(place: Cpu, pc: bigint, above: bigint, fp: bigint): Promise<Cpu | undefined> {
    const code = await this.view.read(place.vcpu, 'linear', pc, SWITCH_BYTES);
    let count = 0;
    const straight = decode(
      code,
      pc,
      place.bits,
      ({ flow, bytes }) => bytes[0] === POP_SP || (flow !== 'next' && flow !== 'call') || ++count === SWITCH_INSTRUCTIONS,
    );
    if (straight.at(-1)?.bytes[0] !== POP_SP) return undefined;
    const sp = await this.word(place, above);
    return sp === undefined || sp === 0n ? undefined : { ...place, pc, sp, fp };
  }

  /** Who is to be returned to, on one stack and with no regard to interrupts. */
  private async callers(place: Cpu, most: number): Promise<Caller[]> {
    const callers: Caller[] = [];
    let from = place.sp;
    const early = await this.withoutFrame(place);
    if (early !== undefined) {
      const pc = await this.word(place, early);
      if (pc === undefined || pc === 0n) return callers;
      from = early + this.size(place);
      callers.push({ pc, lookup: pc - 1n, base: place.fp, guessed: false, above: from, fp: place.fp });
    }
    callers.push(...(await this.directCalls(place, callers.at(-1)?.lookup ?? place.pc, from)));
    from = callers.at(-1)?.above ?? from;
    const chain = place.fp >= from ? await this.chain(place, place.fp, most - callers.length) : [];
    callers.push(...chain);
    if (chain.length === 0) callers.push(...(await this.scan(place, from)));
    return callers;
  }

  /**
   * Code without frame pointers: words below the frame pointer that stand behind a direct call of the very
   * function that is to return there.
   */
  private async directCalls(cpu: Cpu, lookup: bigint, sp: bigint): Promise<Caller[]> {
    const frames: Caller[] = [];
    const size = this.size(cpu);
    let callee = this.functionAt(lookup);
    let end = sp + BigInt(SCAN_WORDS) * size;
    // The frame that the frame pointer names has its return address above it, for the chain to find.
    if (cpu.fp >= sp && cpu.fp < end) end = cpu.fp;
    for (let at = sp; at < end && callee !== undefined && frames.length < SCAN_FRAMES; at += size) {
      const pc = await this.word(cpu, at);
      if (pc === undefined) break;
      if (pc < 0x1000n || this.functionAt(pc - 1n) === undefined || (await this.callTarget(cpu, pc)) !== callee) continue;
      frames.push({ pc, lookup: pc - 1n, base: at, guessed: false, above: at + size, fp: cpu.fp });
      callee = this.functionAt(pc - 1n);
    }
    return frames;
  }

  /** Where the function that an address lies in begins. */
  private functionAt(address: bigint): bigint | undefined {
    const found = this.symbols.index.nearest(address);
    return found?.symbol.kind === 'function' ? found.symbol.address : undefined;
  }

  /** What the `call rel16/32` calls that ends where `pc` begins. */
  private async callTarget(cpu: Cpu, pc: bigint): Promise<bigint | undefined> {
    const length = cpu.bits === 16 ? 3 : 5;
    const code = await this.view.read(cpu.vcpu, 'linear', pc - BigInt(length), length);
    if (code.length < length || code[0] !== 0xe8) return undefined;
    const view = new DataView(code.buffer, code.byteOffset, length);
    return BigInt.asUintN(cpu.bits, pc + BigInt(cpu.bits === 16 ? view.getInt16(1, true) : view.getInt32(1, true)));
  }

  private size(cpu: Cpu): bigint {
    return BigInt(cpu.bits / 8);
  }

  private async word(cpu: Cpu, address: bigint): Promise<bigint | undefined> {
    return this.view.number(cpu.vcpu, 'linear', address, cpu.bits / 8);
  }

  /** Where the return address lies while the function has not made its frame yet, or has dropped it. */
  private async withoutFrame(cpu: Cpu): Promise<bigint | undefined> {
    const code = await this.view.read(cpu.vcpu, 'linear', cpu.pc, 5);
    const first = code[0];
    if (first === 0xc3 || first === 0xc2) return cpu.sp;
    const found = this.symbols.index.nearest(cpu.pc);
    if (!found || found.symbol.kind !== 'function' || found.offset > 5n) return undefined;
    const start = await this.view.read(cpu.vcpu, 'linear', found.symbol.address, 8);
    // endbr64 and endbr32 may come first.
    const landing = start[0] === 0xf3 && start[1] === 0x0f && start[2] === 0x1e && (start[3] === 0xfa || start[3] === 0xfb) ? 4n : 0n;
    const pushes = start[Number(landing)] === 0x55;
    if (found.offset === 0n || found.offset === landing) return cpu.sp;
    if (pushes && found.offset === landing + 1n) return cpu.sp + this.size(cpu);
    return undefined;
  }

  private async chain(cpu: Cpu, start: bigint, most: number): Promise<Caller[]> {
    const frames: Caller[] = [];
    const size = this.size(cpu);
    let fp = start;
    while (frames.length < most) {
      // A frame pointer that isn't aligned or points below the stack is something else in that register.
      if (fp === 0n || fp % (cpu.bits === 16 ? 2n : 4n) !== 0n || fp < cpu.sp || fp - cpu.sp > FARTHEST) break;
      const next = await this.word(cpu, fp);
      const pc = await this.word(cpu, fp + size);
      if (next === undefined || pc === undefined || pc === 0n) break;
      if (!(await this.afterCall(cpu, pc))) break;
      frames.push({ pc, lookup: pc - 1n, base: next, guessed: false, above: fp + 2n * size, fp: next });
      if (next <= fp) break;
      fp = next;
    }
    return frames;
  }

  /** Does a call instruction end where `pc` begins? */
  private async afterCall(cpu: Cpu, pc: bigint): Promise<boolean> {
    const reach = pc > 8n ? 8n : pc;
    const bytes = await this.view.read(cpu.vcpu, 'linear', pc - reach, Number(reach));
    // Most calls are `call rel32`; the others have one of these opcodes (SDM volume 2, CALL).
    if (cpu.bits !== 16 && bytes.at(-5) === 0xe8) return true;
    if (!bytes.includes(0xff) && (cpu.bits === 64 || !(bytes.includes(0x9a) || bytes.includes(0xe8)))) return false;
    for (let length = 2; length <= bytes.length; length++) {
      const instruction = decodeOne(bytes.subarray(bytes.length - length), pc - BigInt(length), cpu.bits);
      if (instruction?.flow === 'call' && instruction.bytes.length === length) return true;
    }
    return false;
  }

  /** Words on the stack that point behind a call inside a known function. */
  private async scan(cpu: Cpu, from: bigint): Promise<Caller[]> {
    if (this.symbols.index.size === 0) return [];
    const size = cpu.bits / 8;
    const stack = await this.view.read(cpu.vcpu, 'linear', from, SCAN_WORDS * size);
    const frames: Caller[] = [];
    for (let at = 0; at + size <= stack.length && frames.length < SCAN_FRAMES; at += size) {
      let word = 0n;
      for (let index = size - 1; index >= 0; index--) word = (word << 8n) | BigInt(stack[at + index]!);
      if (word < 0x1000n || this.symbols.index.nearest(word)?.symbol.kind !== 'function') continue;
      if (await this.afterCall(cpu, word))
        frames.push({ pc: word, lookup: word - 1n, base: from + BigInt(at), guessed: true, above: from + BigInt(at + size), fp: cpu.fp });
    }
    return frames;
  }
}
