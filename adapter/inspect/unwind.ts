/**
 * The call stack: by frame pointers, with care for a function's first and last instructions, where its
 * frame doesn't stand; in code without frame pointers by direct calls that match the function which is to
 * return; where neither goes on, by return addresses that are found on the stack.
 */
import { decodeOne } from '../disassembly/decode';
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

const MOST = 512;
/** A caller's frame lies above, but not far: kernel stacks have 16 KiB, others a few MiB. */
const FARTHEST = 0x80_0000n;
const SCAN_WORDS = 256;
const SCAN_FRAMES = 24;

export class Unwinder {
  constructor(
    private readonly view: MachineView,
    private readonly symbols: SymbolStore,
  ) {}

  async frames(vcpu: number, wanted = MOST): Promise<Frame[]> {
    const cpu = await this.view.cpu(vcpu);
    const frames: Frame[] = [{ pc: cpu.pc, lookup: cpu.pc, base: cpu.fp, guessed: false }];
    if (wanted <= 1) return frames;
    let from = cpu.sp;
    const early = await this.withoutFrame(cpu);
    if (early !== undefined) {
      const pc = await this.word(cpu, early);
      if (pc === undefined || pc === 0n) return frames;
      frames.push({ pc, lookup: pc - 1n, base: cpu.fp, guessed: false });
      from = early + this.size(cpu);
    }
    const direct = await this.directCalls(cpu, frames.at(-1)!.lookup, from);
    frames.push(...direct.frames);
    from = direct.from;
    const chain = cpu.fp >= from ? await this.chain(cpu, cpu.fp, Math.min(wanted, MOST) - frames.length) : [];
    frames.push(...chain);
    if (chain.length === 0) frames.push(...(await this.scan(cpu, from)));
    return frames.slice(0, Math.min(wanted, MOST));
  }

  /**
   * Code without frame pointers: words below the frame pointer that stand behind a direct call of the very
   * function that is to return there. `from` is where the stack of the last one's caller begins.
   */
  private async directCalls(cpu: Cpu, lookup: bigint, sp: bigint): Promise<{ frames: Frame[]; from: bigint }> {
    const frames: Frame[] = [];
    const size = this.size(cpu);
    let callee = this.functionAt(lookup);
    let from = sp;
    let end = sp + BigInt(SCAN_WORDS) * size;
    // The frame that the frame pointer names has its return address above it, for the chain to find.
    if (cpu.fp >= sp && cpu.fp < end) end = cpu.fp;
    for (let at = sp; at < end && callee !== undefined && frames.length < SCAN_FRAMES; at += size) {
      const pc = await this.word(cpu, at);
      if (pc === undefined) break;
      if (pc < 0x1000n || this.functionAt(pc - 1n) === undefined || (await this.callTarget(cpu, pc)) !== callee) continue;
      frames.push({ pc, lookup: pc - 1n, base: at, guessed: false });
      callee = this.functionAt(pc - 1n);
      from = at + size;
    }
    return { frames, from };
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

  private async chain(cpu: Cpu, start: bigint, most: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    const size = this.size(cpu);
    let fp = start;
    while (frames.length < most) {
      // A frame pointer that isn't aligned or points below the stack is something else in that register.
      if (fp === 0n || fp % (cpu.bits === 16 ? 2n : 4n) !== 0n || fp < cpu.sp || fp - cpu.sp > FARTHEST) break;
      const next = await this.word(cpu, fp);
      const pc = await this.word(cpu, fp + size);
      if (next === undefined || pc === undefined || pc === 0n) break;
      if (!(await this.afterCall(cpu, pc))) break;
      frames.push({ pc, lookup: pc - 1n, base: next, guessed: false });
      if (next <= fp) break;
      fp = next;
    }
    return frames;
  }

  /** Does a call instruction end where `pc` begins? */
  private async afterCall(cpu: Cpu, pc: bigint): Promise<boolean> {
    const reach = pc > 8n ? 8n : pc;
    const bytes = await this.view.read(cpu.vcpu, 'linear', pc - reach, Number(reach));
    for (let length = 2; length <= bytes.length; length++) {
      const instruction = decodeOne(bytes.subarray(bytes.length - length), pc - BigInt(length), cpu.bits);
      if (instruction?.flow === 'call' && instruction.bytes.length === length) return true;
    }
    return false;
  }

  /** Words on the stack that point behind a call inside a known function. */
  private async scan(cpu: Cpu, from: bigint): Promise<Frame[]> {
    if (this.symbols.index.size === 0) return [];
    const size = cpu.bits / 8;
    const stack = await this.view.read(cpu.vcpu, 'linear', from, SCAN_WORDS * size);
    const frames: Frame[] = [];
    for (let at = 0; at + size <= stack.length && frames.length < SCAN_FRAMES; at += size) {
      let word = 0n;
      for (let index = size - 1; index >= 0; index--) word = (word << 8n) | BigInt(stack[at + index]!);
      if (word < 0x1000n || this.symbols.index.nearest(word)?.symbol.kind !== 'function') continue;
      if (await this.afterCall(cpu, word)) frames.push({ pc: word, lookup: word - 1n, base: from + BigInt(at), guessed: true });
    }
    return frames;
  }
}
