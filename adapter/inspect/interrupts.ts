/** What the processor leaves on the stack when it goes to a handler, by which the call stack finds who was interrupted. */
import { decode } from '../disassembly/decode';
import type { SymbolStore } from '../symbols/store';
import type { Cpu, MachineView } from './view';

/** One that was interrupted, as the frame that was pushed tells. */
export interface Interrupted {
  /** Where the frame lies: at the instruction pointer, behind an error code if there is one. */
  readonly at: bigint;
  readonly pc: bigint;
  readonly sp: bigint;
}

/** How far above the stack pointer a frame is looked for: the deepest stack of a kernel's handlers. */
const REACH = 0x4000;
const VECTORS = 256;
/** A stub may say which vector it is for before it goes on to what all have in common. */
const STUB_BYTES = 32;
const STUB_INSTRUCTIONS = 4;
const RPL = 3n;
/** Of RFLAGS: bit 1 is always set, 3, 5, 15 and those from 22 on never (SDM volume 1, 3.4.3). */
const FLAGS_SET = 1n << 1n;
const FLAGS_KNOWN = 0x3f_7fd7n;
/** SDM volume 3, 6.14.2: in 64-bit mode the stack is aligned to 16 bytes before anything is pushed. */
const ALIGNMENT = 16n;

export class Interrupts {
  private known: Promise<ReadonlySet<bigint>> | undefined;

  constructor(
    private readonly view: MachineView,
    private readonly symbols: SymbolStore,
    private readonly cpu: Cpu,
  ) {}

  /** What looks like the frame of an interrupt on so many bytes of the stack, nearest first. Real mode has none that could be told from other words. */
  async frames(sp: bigint, reach = REACH): Promise<Interrupted[]> {
    const { bits, vcpu } = this.cpu;
    if (bits === 16) return [];
    const size = bits / 8;
    const stack = await this.view.read(vcpu, 'linear', sp, reach);
    const bytes = new DataView(stack.buffer, stack.byteOffset, stack.length);
    const word = (at: number): bigint => (bits === 64 ? bytes.getBigUint64(at, true) : BigInt(bytes.getUint32(at, true)));
    const found: Interrupted[] = [];
    for (let at = 0; at + 5 * size <= stack.length; at += size) {
      const interrupted = this.interrupted(sp + BigInt(at), (index) => word(at + index * size));
      if (interrupted) found.push(interrupted);
    }
    return found;
  }

  /** SDM volume 3, 6.12.1 and 6.14.2: IP, CS, FLAGS and, in 64-bit mode or where the privilege changes, SP and SS. */
  private interrupted(at: bigint, word: (index: number) => bigint): Interrupted | undefined {
    const { bits, registers } = this.cpu;
    const [pc, cs, flags] = [word(0), word(1), word(2)];
    if ((flags & FLAGS_SET) === 0n || (flags & ~FLAGS_KNOWN) !== 0n || cs >= 0x1_0000n) return undefined;
    const user = (cs & RPL) === RPL;
    if (!user && (cs !== registers['cs'] || !this.isCode(pc))) return undefined;
    if (bits === 32 && !user) return { at, pc, sp: at + 12n };
    const [sp, ss] = [word(3), word(4)];
    if (ss >= 0x1_0000n || ((ss & RPL) === RPL) !== user) return undefined;
    if (bits === 32) return { at, pc, sp };
    const end = at + 40n;
    return end % ALIGNMENT === 0n && isCanonical(pc) && isCanonical(sp) ? { at, pc, sp } : undefined;
  }

  private isCode(address: bigint): boolean {
    return this.symbols.index.nearest(address)?.symbol.kind === 'function';
  }

  /** Does the address lie in a function that the interrupt descriptor table leads to? */
  async isHandler(address: bigint): Promise<boolean> {
    const start = this.functionAt(address);
    return start !== undefined && (await (this.known ??= this.handlers())).has(start);
  }

  private functionAt(address: bigint): bigint | undefined {
    const found = this.symbols.index.nearest(address);
    return found?.symbol.kind === 'function' ? found.symbol.address : undefined;
  }

  private async handlers(): Promise<ReadonlySet<bigint>> {
    const functions = new Map<bigint, bigint>();
    for (const address of await this.gates()) {
      const start = this.functionAt(address);
      if (start !== undefined && !functions.has(start)) functions.set(start, address);
    }
    const handlers = new Set(functions.keys());
    for (const address of functions.values()) {
      const common = await this.common(address);
      if (common !== undefined) handlers.add(common);
    }
    return handlers;
  }

  /** Where the gates of the table lead (SDM volume 3, 6.11 and 6.14.1). */
  private async gates(): Promise<bigint[]> {
    const { bits, registers, vcpu } = this.cpu;
    const size = bits === 64 ? 16 : 8;
    const length = Math.min(VECTORS * size, Number(registers['idtr.limit'] ?? 0n) + 1);
    const table = await this.view.read(vcpu, 'linear', registers['idtr.base'] ?? 0n, length);
    const bytes = new DataView(table.buffer, table.byteOffset, table.length);
    const found: bigint[] = [];
    for (let at = 0; at + size <= table.length; at += size) {
      const attributes = bytes.getUint8(at + 5);
      // A present interrupt or trap gate.
      if ((attributes & 0x8e) !== 0x8e) continue;
      const low = BigInt(bytes.getUint16(at, true) | (bytes.getUint16(at + 6, true) << 16)) & 0xffff_ffffn;
      found.push(bits === 64 ? low | (BigInt(bytes.getUint32(at + 8, true)) << 32n) : low);
    }
    return found;
  }

  /** The function that a stub jumps to. */
  private async common(stub: bigint): Promise<bigint | undefined> {
    const { bits, vcpu } = this.cpu;
    const code = await this.view.read(vcpu, 'linear', stub, STUB_BYTES);
    let count = 0;
    const last = decode(code, stub, bits, ({ flow }) => flow !== 'next' || ++count === STUB_INSTRUCTIONS).at(-1);
    return last?.flow === 'jump' && last.target !== undefined ? this.functionAt(last.target) : undefined;
  }
}

/** With 57 bits of linear address at most. */
const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(57, address)) === address;
