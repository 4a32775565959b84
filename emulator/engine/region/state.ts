import { i32, i64, i64c, v128, type I64, type V128 } from '../../wasm/expr';
import type { FunctionBuilder, Local } from '../../wasm/function';
import { i16x8, i32x4, i64x2, i8x16 } from '../../wasm/simd';
import * as layout from '../../x86/layout';
import { Facts } from './facts';

const GENERAL_END = layout.GPR + 16 * 8;
const VECTOR_END = layout.XMM + 16 * 16;

interface Place {
  readonly base: number;
  readonly shift: number;
}

/** The window address that a local stands for, if one does; `shift` is 8 for AH, CH, DH and BH. */
function placeOf(address: number): Place | undefined {
  if (address >= layout.GPR && address < GENERAL_END) return { base: address & ~7, shift: (address & 7) * 8 };
  return undefined;
}

/**
 * Guest registers in WebAssembly locals: loaded where a region is entered, stored where it is left.
 * Only those that the region uses are.
 */
export class RegionState {
  private readonly integers = new Map<number, Local<'i64'>>();
  private readonly vectors = new Map<number, Local<'v128'>>();
  private readonly written = new Set<number>();
  readonly facts = new Facts();
  /** MXCSR, of which the window has a copy at all times. */
  private readonly mxcsr: Local<'i32'>;
  private usesMxcsr = false;
  /** The registers that expressions are the values of. */
  private readonly origins = new WeakMap<V128, number>();

  /** @param changes told of each register before it is written */
  constructor(
    private readonly f: FunctionBuilder,
    private readonly changes: (address: number) => void,
  ) {
    this.mxcsr = f.lasting('i32');
  }

  /** Loads everything that the code built so far uses: to be emitted before it. */
  enter(): void {
    for (const [address, local] of this.integers) this.f.set(local, i64.load(i32.const(address)));
    for (const [address, local] of this.vectors) this.f.set(local, v128.load(i32.const(address)));
    if (this.usesMxcsr) this.f.set(this.mxcsr, i32.load(i32.const(layout.MXCSR)));
  }
  /** Everything back into the window, as helpers and the interpreter expect it. */
  spill(): void {
    for (const [address, local] of this.integers) if (this.written.has(address)) this.f.store('i64', i32.const(address), 0, this.f.get(local));
    for (const [address, local] of this.vectors) if (this.written.has(address)) this.f.store('v128', i32.const(address), 0, this.f.get(local));
  }

  /** One register into the window, for a helper that looks at it. */
  spillRegister(address: number): void {
    if (placeOf(address)) this.f.store('i64', i32.const(address), 0, this.f.get(this.integer(address)));
  }

  /** A value of `bits`, zero-extended; undefined where it is not in a local. */
  load(bits: number, address: number): I64 | undefined {
    if (address === layout.MXCSR) {
      this.usesMxcsr = true;
      return i64.extendI32U(this.f.get(this.mxcsr));
    }
    const vector = this.vectorAt(address);
    if (vector) return extractLane(this.f.get(vector.local), bits, vector.offset);
    const place = placeOf(address);
    if (!place) return undefined;
    const value = i64.shrU(this.f.get(this.integer(place.base)), i64c(place.shift));
    return bits === 64 ? value : i64.and(value, i64c((1n << BigInt(bits)) - 1n));
  }

  store(bits: number, address: number, value: I64): boolean {
    const vector = this.vectorAt(address);
    if (vector) {
      this.setVector(address - vector.offset, replaceLane(this.f.get(vector.local), bits, vector.offset, value));
      return true;
    }
    const place = placeOf(address);
    if (!place) {
      this.facts.written(address);
      if (address === layout.MXCSR) this.f.set(this.mxcsr, i32.wrap(value));
      return false;
    }
    this.changes(place.base);
    const local = this.integer(place.base);
    if (bits === 64) this.f.set(local, value);
    else {
      const mask = ((1n << BigInt(bits)) - 1n) << BigInt(place.shift);
      const moved = i64.and(i64.shl(value, i64c(place.shift)), i64c(mask));
      this.f.set(local, i64.or(i64.and(this.f.get(local), i64c(~mask)), moved));
    }
    this.written.add(place.base);
    return true;
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

  private integer(base: number): Local<'i64'> {
    return take(this.integers, base, () => this.f.lasting('i64'));
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
