/** As much of an assembler as random programs need: 64-bit mode, registers by number, branches to labels. */

export type Size = 8 | 16 | 32 | 64;
/** `[base + index * 2^scale + displacement]` */
export interface Memory {
  readonly base: number;
  readonly displacement: number;
  readonly index?: number;
  readonly scale?: number;
}
/** Register 0–15, or AH, CH, DH, BH as 16–19; memory. */
export type Place = number | Memory;
export interface Label {
  at?: number;
}
/** Added to 0–3 for AH, CH, DH, BH. */
export const HIGH = 16;

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'] as const;
export type Alu = (typeof ALU)[number];
/** Opcodes that the register field of ModRM belongs to. */
const EXTENDED: ReadonlySet<number> = new Set([0x80, 0x81, 0x83, 0xc0, 0xc1, 0xc6, 0xc7, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff]);
const bytesOf = (value: number, count: number): number[] => Array.from({ length: count }, (_, i) => (value >> (8 * i)) & 0xff);

export class Assembler {
  readonly bytes: number[] = [];
  private readonly fixups: { readonly at: number; readonly size: 1 | 4 | 8; readonly label: Label }[] = [];

  constructor(readonly origin: number) {}

  get here(): number {
    return this.bytes.length;
  }
  emit(...bytes: readonly number[]): void {
    this.bytes.push(...bytes);
  }
  bind(label: Label): void {
    label.at = this.here;
  }
  /** The code, with every label known. */
  finish(): Uint8Array {
    for (const { at, size, label } of this.fixups) {
      const value = size === 8 ? this.origin + label.at! : label.at! - (at + size);
      if (size === 1 && (value < -128 || value > 127)) throw new RangeError(`a short branch over ${value} bytes`);
      bytesOf(value, Math.min(size, 4)).forEach((byte, i) => (this.bytes[at + i] = byte));
    }
    return Uint8Array.from(this.bytes);
  }

  /** An instruction with ModRM; `prefix` is the mandatory one. */
  op(size: Size, opcode: readonly number[], reg: number, rm: Place, { prefix = 0, immediate = [] as readonly number[] } = {}): void {
    const memory = typeof rm === 'number' ? undefined : rm;
    const register = typeof rm === 'number' ? rm : undefined;
    const high = (r: number | undefined): boolean => r !== undefined && r >= HIGH;
    const number = (r: number): number => (high(r) ? r - HIGH + 4 : r);
    const low = (r: number | undefined): boolean => size === 8 && r !== undefined && r >= 4 && r < 8;
    const [b, x] = [memory ? memory.base : number(register!), memory?.index ?? 0];
    const bits = (size === 64 ? 8 : 0) | ((number(reg) & 8) >> 1) | ((x & 8) >> 2) | ((b & 8) >> 3);
    const rex = bits || (low(reg) && !EXTENDED.has(opcode[0]!)) || low(register) ? 0x40 | bits : 0;
    if (rex && (high(reg) || high(register))) throw new RangeError('AH, CH, DH and BH go with no REX prefix');
    if (size === 16) this.emit(0x66);
    if (prefix) this.emit(prefix);
    if (rex) this.emit(rex);
    this.emit(...opcode);
    const r = (number(reg) & 7) << 3;
    if (!memory) this.emit(0xc0 | r | (b & 7));
    else if (memory.index === undefined && (b & 7) !== 4) this.emit(0x80 | r | (b & 7), ...bytesOf(memory.displacement, 4));
    else this.emit(0x84 | r, ((memory.scale ?? 0) << 6) | (((memory.index ?? 4) & 7) << 3) | (b & 7), ...bytesOf(memory.displacement, 4));
    this.emit(...immediate);
  }

  /** `operation to, from` where one is a register. */
  alu(operation: Alu | 'test', size: Size, to: Place, from: number): void {
    const wide = size === 8 ? 0 : 1;
    this.op(size, [operation === 'test' ? 0x84 | wide : (ALU.indexOf(operation) << 3) | wide], from, to);
  }
  aluLoad(operation: Alu, size: Size, to: number, from: Memory): void {
    this.op(size, [(ALU.indexOf(operation) << 3) | (size === 8 ? 2 : 3)], to, from);
  }
  aluImmediate(operation: Alu | 'test', size: Size, to: Place, value: number): void {
    const wide = size === 8 ? 0 : 1;
    const immediate = bytesOf(value, Math.min(size / 8, 4));
    if (operation === 'test') this.op(size, [0xf6 | wide], 0, to, { immediate });
    else if (wide && value >= -128 && value < 128) this.op(size, [0x83], ALU.indexOf(operation), to, { immediate: bytesOf(value, 1) });
    else this.op(size, [0x80 | wide], ALU.indexOf(operation), to, { immediate });
  }
  move(size: Size, to: Place, from: number): void {
    this.op(size, [size === 8 ? 0x88 : 0x89], from, to);
  }
  load(size: Size, to: number, from: Memory): void {
    this.op(size, [size === 8 ? 0x8a : 0x8b], to, from);
  }
  moveImmediate(to: number, value: number): void {
    this.op(64, [0xc7], 0, to, { immediate: bytesOf(value, 4) });
  }
  lea(to: number, from: Memory): void {
    this.op(64, [0x8d], to, from);
  }
  /** inc (0) or dec (1) */
  step(size: Size, which: 0 | 1, to: Place): void {
    this.op(size, [size === 8 ? 0xfe : 0xff], which, to);
  }
  push(register: number): void {
    this.emit(...(register > 7 ? [0x41] : []), 0x50 | (register & 7));
  }
  pop(register: number): void {
    this.emit(...(register > 7 ? [0x41] : []), 0x58 | (register & 7));
  }
  /** An SSE instruction on 128-bit registers, or the low lane of memory. */
  sse(prefix: number, opcode: readonly number[], to: number, from: Place): void {
    this.op(32, opcode, to, from, { prefix });
  }

  jcc(condition: number, label: Label): void {
    this.emit(0x0f, 0x80 | condition);
    this.reference(4, label);
  }
  jump(label: Label): void {
    this.emit(0xe9);
    this.reference(4, label);
  }
  call(label: Label): void {
    this.emit(0xe8);
    this.reference(4, label);
  }
  /** LOOPNE, LOOPE, LOOP: 0xe0–0xe2. */
  loop(opcode: number, label: Label): void {
    this.emit(opcode);
    this.reference(1, label);
  }
  /** The absolute address of a label, as data. */
  address(label: Label): void {
    this.reference(8, label);
  }
  private reference(size: 1 | 4 | 8, label: Label): void {
    this.fixups.push({ at: this.here, size, label });
    this.emit(...bytesOf(0, size));
  }
}
