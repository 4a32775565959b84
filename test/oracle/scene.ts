/** The state that a case starts from, while its instructions are being made up. */
import { DATA, DATA_SIZE, LOW, PAGE, STACK, STACK_SIZE } from './layout';
import type { Random } from './random';
import { integer } from './values';

export const RSP = 4;

/** Bits of an address. */
export type AddressSize = 16 | 32 | 64;

export class Scene {
  readonly registers = new BigUint64Array(16);
  readonly fsBase: bigint;
  readonly gsBase: bigint;
  rflags: number;
  /** Registers that address memory; their initial values are set and other operands keep off them. */
  readonly pinned = new Set<number>();
  /** Registers that an instruction may have changed, so that they are of no use for addresses. */
  readonly written = new Set<number>();

  constructor(
    readonly mode: 32 | 64,
    readonly codeOffset: number,
    private readonly random: Random,
    /** x87 and SSE state. */
    readonly fx: Uint8Array,
  ) {
    for (let i = 0; i < (mode === 64 ? 16 : 8); i++) this.set(i, integer(random));
    this.set(RSP, BigInt(this.stackTarget()));
    this.pinned.add(RSP);
    this.fsBase = this.segmentBase();
    this.gsBase = this.segmentBase();
    this.rflags = (random.u32() & 0x8d5) | 2 | (random.chance(10) ? 0x400 : 0) | (random.chance(0.5) ? 0x40000 : 0);
    if (random.chance(0.5)) this.rflags |= 0x100; // TF
  }

  get registerCount(): number {
    return this.mode === 64 ? 16 : 8;
  }

  set(register: number, value: bigint): void {
    this.registers[register] = this.mode === 64 ? value : value & 0xffffffffn;
  }

  pin(register: number, value: bigint): void {
    this.set(register, value);
    this.pinned.add(register);
  }

  /** Sets what an address of `size` bits sees of a register; the bits above are its own. */
  pinLow(register: number, value: bigint, size: AddressSize): void {
    const mask = (1n << BigInt(size)) - 1n;
    this.pin(register, (this.registers[register]! & ~mask) | (value & mask));
  }

  /** A register whose value at this place is known and may still be chosen. */
  isFree(register: number): boolean {
    return !this.pinned.has(register) && !this.written.has(register);
  }

  isKnown(register: number): boolean {
    return !this.written.has(register);
  }

  private segmentBase(): bigint {
    if (this.mode === 32 || this.random.chance(40)) return 0n;
    return BigInt(this.random.chance(50) ? this.random.below(0x10000) << 12 : this.random.below(0x10000000));
  }

  private stackTarget(): number {
    const { random } = this;
    if (random.chance(90)) return STACK + PAGE + 8 * random.between(-100, 100);
    if (random.chance(50)) return STACK + PAGE + random.between(-300, 300);
    return random.chance(50) ? STACK + random.below(40) : STACK + STACK_SIZE - random.below(40);
  }

  /** A place on the stack, for RBP. */
  frameTarget(): number {
    return STACK + PAGE + 8 * this.random.between(-100, 100);
  }

  /** Where an operand of `size` bytes is to lie: mostly in the writable pages, at their edges, and sometimes where it faults. */
  dataTarget(size: number, addressSize: AddressSize): number {
    const { random } = this;
    const base = addressSize === 16 ? LOW : DATA;
    const kind = random.below(100);
    if (kind < 55) return base + Math.max(size, 1) * random.below(Math.floor((2 * PAGE) / Math.max(size, 1)));
    if (kind < 75) return base + random.below(2 * PAGE - size);
    if (kind < 83) return base + PAGE - random.below(size + 1); // crosses into the second page
    if (kind < 88) return base + 64 * random.between(1, 100) - random.below(size + 1); // crosses a line
    if (kind < 92) return base + 2 * PAGE - random.below(size + 1) + (random.chance(50) ? random.below(PAGE) : 0);
    if (kind < 96) return base + DATA_SIZE - random.below(size + 1); // runs into the hole above
    if (kind < 98) return base - random.below(size + 1);
    return random.u32() & (addressSize === 16 ? 0xffff : 0x7fffffff);
  }
}
