import { Expr, i32, i64, i64c, v128, type I64, type V128 } from '../../wasm/expr';
import type { FunctionBuilder, Local } from '../../wasm/function';
import { i16x8, i32x4, i64x2, i8x16 } from '../../wasm/simd';
import * as layout from '../../x86/layout';
import { Facts } from './facts';

const GENERAL_END = layout.GPR + 16 * 8;
const VECTOR_END = layout.XMM + 16 * 16;

/** The lowest so many bits. */
const MASKS: Readonly<Record<number, I64>> = { 8: i64c(0xff), 16: i64c(0xffff), 32: i64c(0xffffffffn) };

/** A general register. */
interface Integer {
  readonly number: number;
  readonly local: Local<'i64'>;
  /** Its value where its upper half is known to be 0. */
  readonly narrow: I64;
  written: boolean;
}

/**
 * Guest registers in WebAssembly locals: loaded where a region is entered, stored where it is left.
 * Only those that the region uses are.
 */
export class RegionState {
  /** By number. */
  private readonly integers: Integer[] = [];
  /** Those that are used, in the order of their first use. */
  private readonly used: Integer[] = [];
  private readonly vectors = new Map<number, Local<'v128'>>();
  private readonly written = new Set<number>();
  readonly facts = new Facts();
  /** MXCSR, of which the window has a copy at all times. */
  private readonly mxcsr: Local<'i32'>;
  private usesMxcsr = false;
  /** The registers that expressions are the values of. */
  private readonly origins = new WeakMap<V128, number>();

  private readonly versions: number[] = [];
  /** How deep the straight line lies: what happens deeper may not happen. */
  private level = 0;

  /**
   * @param wide64 whether the code has registers of 64 bits. Other code leaves upper halves that are 0 as they are, and is
   * refused where they are not.
   * @param changes told of each register before it is written
   */
  constructor(
    private readonly f: FunctionBuilder,
    private readonly wide64: boolean,
    private readonly changes: (address: number) => void,
  ) {
    this.mxcsr = f.lasting('i32');
  }

  /** The instruction that follows is on the straight line. */
  begin(): void {
    this.level = this.f.nesting;
  }

  /** Whether what is emitted now happens on the straight line. */
  get certain(): boolean {
    return this.f.nesting === this.level;
  }

  /** Loads everything that the code built so far uses: to be emitted before it. */
  enter(refuse: () => void): void {
    for (const { number, local } of this.used) this.f.set(local, i64.load(i32.const(layout.GPR + number * 8)));
    if (!this.wide64 && this.used.length) {
      const all = this.used.map(({ local }) => this.f.get(local)).reduce((a, b) => i64.or(a, b));
      this.f.unlikely(i32.wrap(i64.shrU(all, i64c(32))), refuse);
    }
    for (const [address, local] of this.vectors) this.f.set(local, v128.load(i32.const(address)));
    if (this.usesMxcsr) this.f.set(this.mxcsr, i32.load(i32.const(layout.MXCSR)));
  }
  /** Everything back into the window, as helpers and the interpreter expect it. */
  spill(): void {
    for (const { number, local, written } of this.used) if (written) this.f.store('i64', i32.const(layout.GPR + number * 8), 0, this.f.get(local));
    for (const [address, local] of this.vectors) if (this.written.has(address)) this.f.store('v128', i32.const(address), 0, this.f.get(local));
  }

  /** A number that is another one after a general register, given by its address in the window, was written. */
  version(address: number): number {
    return this.versions[(address - layout.GPR) >> 3] ?? 0;
  }

  /** A value of `bits`, zero-extended; undefined where it is not in a local. */
  load(bits: number, address: number): I64 | undefined {
    const register = this.integerAt(address);
    if (register) {
      const value = this.valueOf(register);
      const shift = (address & 7) * 8;
      return bits === 64 ? value : i64.and(i64.shrU(value, i64c(shift)), MASKS[bits]!);
    }
    if (address === layout.MXCSR) {
      this.usesMxcsr = true;
      return i64.extendI32U(this.f.get(this.mxcsr));
    }
    const vector = this.vectorAt(address);
    return vector && extractLane(this.f.get(vector.local), bits, vector.offset);
  }

  store(bits: number, address: number, value: I64): boolean {
    const register = this.integerAt(address);
    if (register) {
      this.storeInteger(register, bits, (address & 7) * 8, value);
      return true;
    }
    const vector = this.vectorAt(address);
    if (vector) {
      this.setVector(address - vector.offset, replaceLane(this.f.get(vector.local), bits, vector.offset, value));
      return true;
    }
    this.facts.written(address);
    if (address === layout.MXCSR) this.f.set(this.mxcsr, i32.wrap(value));
    return false;
  }
  private storeInteger(register: Integer, bits: number, shift: number, value: I64): void {
    const { f, facts } = this;
    const { number, local } = register;
    this.changes(layout.GPR + number * 8);
    if (bits === 64) f.set(local, this.wide64 ? value : i64.and(value, MASKS[32]!));
    else {
      const mask = MASKS[bits]!;
      const kept = i64.and(this.valueOf(register), i64c(~(mask.value! << BigInt(shift))));
      f.set(local, i64.or(kept, i64.shl(i64.and(value, mask), i64c(shift))));
    }
    register.written = true;
    this.versions[number] = (this.versions[number] ?? 0) + 1;
    if (bits < 64) return;
    if (value.bits > 32) facts.narrow &= ~(1 << number);
    else if (this.certain) facts.narrow |= 1 << number;
  }

  /** Loaded where the region is entered, so that loops have it in a register. */
  constant(address: number): V128 {
    return this.f.get(take(this.vectors, address, () => this.f.lasting('v128')));
  }
  getVector(address: number): V128 {
    const value = this.f.get(this.vectorAt(address)!.local);
    this.origins.set(value, address);
    return value;
  }
  setVector(address: number, value: V128): void {
    this.facts.written(address, this.origins.get(value));
    this.f.set(this.vectorAt(address)!.local, value);
    this.written.add(address);
  }

  private valueOf({ number, local, narrow }: Integer): I64 {
    return !this.wide64 || this.facts.narrow & (1 << number) ? narrow : this.f.get(local);
  }
  private integerAt(address: number): Integer | undefined {
    if (address < layout.GPR || address >= GENERAL_END) return undefined;
    const number = (address - layout.GPR) >> 3;
    return (this.integers[number] ??= this.makeInteger(number));
  }
  private makeInteger(number: number): Integer {
    const local = this.f.lasting('i64');
    const { args, code, immediate } = this.f.get(local);
    const made = { number, local, narrow: new Expr('i64', args, code, immediate, undefined, 32), written: false };
    this.used.push(made);
    return made;
  }
  private vectorAt(address: number): { local: Local<'v128'>; offset: number } | undefined {
    if (address < layout.XMM || address >= VECTOR_END) return undefined;
    const offset = (address - layout.XMM) & 15;
    return { local: take(this.vectors, address - offset, () => this.f.lasting('v128')), offset };
  }
}

function take<V>(map: Map<number, V>, key: number, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function extractLane(v: V128, bits: number, offset: number): I64 {
  switch (bits) {
    case 8:
      return i64.extendI32U(i8x16.extractU(v, offset));
    case 16:
      return i64.extendI32U(i16x8.extractU(v, offset >> 1));
    case 32:
      return i64.extendI32U(i32x4.extract(v, offset >> 2));
    default:
      return i64x2.extract(v, offset >> 3);
  }
}

function replaceLane(v: V128, bits: number, offset: number, value: I64): V128 {
  switch (bits) {
    case 8:
      return i8x16.replace(v, offset, i32.wrap(value));
    case 16:
      return i16x8.replace(v, offset >> 1, i32.wrap(value));
    case 32:
      return i32x4.replace(v, offset >> 2, i32.wrap(value));
    default:
      return i64x2.replace(v, offset >> 3, value);
  }
}
