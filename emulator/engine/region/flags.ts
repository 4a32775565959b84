import { i32, i64, i64c, type Expr, type I32, type I64, type Integer } from '../../wasm/expr';
import type { FunctionBuilder, Local } from '../../wasm/function';
import { condition, orderFlags, signed, sumCarries, type FlagSum, type FlagValues } from '../../x86/flags';
import * as layout from '../../x86/layout';
import { kindOf, settle, type KeptFlags } from '../settle';
import type { LoopSum } from './loopsum';

/** In `kind`: the flags are those of the loop's sum whose number is below. */
const LOOP = 0x100;

/** What is known of the flags at some place of the code. */
export interface KnownFlags {
  /** The sum whose flags they are, made by the instruction at `record`, if that can still be found again from its registers. */
  readonly sum?: FlagSum & { readonly record: number | undefined };
  /** The two values themselves are held. */
  readonly plain?: boolean;
  /** They are those of a comparison of floating-point numbers. */
  readonly order?: { readonly below: I32; readonly equal: I32 };
  /** The flags may be those of this loop's sum. */
  readonly loop?: LoopSum;
}
const UNKNOWN: KnownFlags = {};

/**
 * The arithmetic flags of compiled code: three locals, `kind`, `a` and `b`. Those of a sum are kept as its operands:
 * carries are worked out only where they are looked at, and where the region is left.
 * A loop that ends with a comparison of registers need not carry even those from round to round:
 * until the next instruction that sets flags, the registers themselves are the operands (`loopsum.ts`).
 */
export class RegionFlags implements KeptFlags {
  readonly a: Local<'i64'>;
  readonly b: Local<'i64'>;
  /** 0: `a` and `b` are the two values of flags.ts; a sum's operands, of which the low bits count; or a loop's sum. */
  readonly kind: Local<'i32'>;
  /** The result of the sum that is known, of which the low bits count. */
  private readonly result: Local<'i64'>;
  private readonly below: Local<'i32'>;
  private readonly equal: Local<'i32'>;
  /** `a` and `b` as they were when a loop's header was reached. */
  private readonly carried = new Map<LoopSum, readonly [Local<'i64'>, Local<'i64'>]>();
  private now: KnownFlags = UNKNOWN;
  private level = 0;
  private record = 0;
  /** The instruction sets all flags whatever they were. */
  private sets = false;

  constructor(private readonly f: FunctionBuilder) {
    this.a = f.lasting('i64');
    this.b = f.lasting('i64');
    this.kind = f.lasting('i32');
    this.result = f.lasting('i64');
    this.below = f.lasting('i32');
    this.equal = f.lasting('i32');
  }

  /** Loads the flags: to be emitted where the region is entered. */
  enter(): void {
    const { f } = this;
    f.set(this.a, i64.load(i32.const(layout.FLAG_RESULT)));
    f.set(this.b, i64.load(i32.const(layout.FLAG_CARRIES)));
  }
  /** Into the window, as they are kept: the interpreter settles them. */
  spill(): void {
    const { f } = this;
    for (const loop of this.carried.keys()) this.resolve(loop, i32.eq(f.get(this.kind), i32.const(LOOP | loop.number)));
    f.store('i64', i32.const(layout.FLAG_RESULT), 0, f.get(this.a));
    f.store('i64', i32.const(layout.FLAG_CARRIES), 0, f.get(this.b));
    f.store('i32', i32.const(layout.FLAG_KIND), 0, f.get(this.kind));
  }

  // ── What is known ────────────────────────────────────────────────────────────────────────

  get known(): KnownFlags {
    return this.now;
  }
  recall(known: KnownFlags): void {
    this.now = known;
  }
  /** Control may come from several places. */
  forget(): void {
    this.now = UNKNOWN;
  }
  /** The instruction that follows is on the straight line. What happens deeper in it may not happen. */
  begin(record: number, sets: boolean): void {
    this.level = this.f.nesting;
    this.record = record;
    this.sets = sets;
  }
  private get certain(): boolean {
    return this.f.nesting === this.level;
  }

  // ── Loops ────────────────────────────────────────────────────────────────────────────────

  /** A loop's header, which its last block reaches with the flags of `loop`. */
  header(loop: LoopSum): void {
    const { f } = this;
    const kept = [f.lasting('i64'), f.lasting('i64')] as const;
    f.set(kept[0], f.get(this.a));
    f.set(kept[1], f.get(this.b));
    this.carried.set(loop, kept);
    this.now = { loop };
  }
  /** Control goes back to a header: what the registers say need not be carried. */
  repeat(loop: LoopSum): void {
    const { f } = this;
    if (this.now.sum?.record !== loop.record) return;
    const [a, b] = this.carried.get(loop)!;
    f.set(this.a, f.get(a));
    f.set(this.b, f.get(b));
    f.set(this.kind, i32.const(LOOP | loop.number));
  }
  /** Before control goes where the loop's sum isn't known, or its registers change. */
  leaveLoop(): void {
    const { loop } = this.now;
    if (!loop) return;
    this.resolve(loop, i32.and(this.f.get(this.kind), i32.const(LOOP)));
    if (this.certain) this.now = UNKNOWN;
  }
  private resolve(loop: LoopSum, is: I32): void {
    const { f } = this;
    f.if(is, () => {
      const { a, b } = loop.operands();
      f.set(this.a, a);
      f.set(this.b, b);
      f.set(this.kind, i32.const(kindOf(loop)));
    });
  }
  /** A register is about to be written. */
  registerChanges(address: number): void {
    if (this.sets) return;
    const { loop, sum } = this.now;
    if (loop?.registers.has(address)) this.leaveLoop();
    if (!sum) return;
    // LOOP changes RCX behind the sum; so does what lies between a sum's branch and another way back to the header.
    for (const { record, registers } of this.carried.keys())
      if (record === sum.record && registers.has(address)) this.now = { ...this.now, sum: { ...sum, record: undefined } };
  }

  // ── Setting ──────────────────────────────────────────────────────────────────────────────

  set({ result, carries }: FlagValues): void {
    const { f } = this;
    if (carries.value === 0n) {
      // As after taking nothing away.
      this.setSum({ operation: 'sub', a: result, b: i64c(0), result, size: 64, whole: true });
      return;
    }
    // Both may be made from the old flags: evaluate before the first store.
    const r = f.let(result);
    const c = f.let(carries);
    f.set(this.a, r);
    f.set(this.b, c);
    f.set(this.kind, i32.const(0));
    this.learn({ plain: true });
  }

  setOrder(below: I32, equal: I32): void {
    const { f } = this;
    f.set(this.below, below);
    f.set(this.equal, equal);
    const order = { below: f.get(this.below), equal: f.get(this.equal) };
    this.set(orderFlags(order.below, order.equal, (value) => f.let(value)));
    this.learn({ plain: true, order });
  }

  setSum(sum: FlagSum): void {
    const { f } = this;
    if (!sum.whole) {
      this.set({ result: signed(sum.result, sum.size), carries: sumCarries(sum, (value) => f.let(value)) });
      return;
    }
    // As they are: the values that the registers have anyway.
    f.set(this.a, sum.a);
    f.set(this.b, sum.b);
    f.set(this.kind, i32.const(kindOf(sum)));
    f.set(this.result, sum.result);
    const b = sum.b.value === undefined ? f.get(this.b) : sum.b;
    const { operation, size, whole } = sum;
    this.learn({ sum: { operation, size, whole, a: f.get(this.a), b, result: f.get(this.result), record: this.record } });
  }
  /** What the flags are after an instruction that may not get there: those of a loop may still be there, then. */
  private learn(known: KnownFlags): void {
    if (this.certain) this.now = known;
    else if (!this.now.loop) this.now = UNKNOWN;
  }

  // ── Looking ──────────────────────────────────────────────────────────────────────────────

  values(): FlagValues {
    const { f } = this;
    const { sum } = this.now;
    if (sum) {
      return { result: f.let(signed(sum.result, sum.size)), carries: isNothing(sum) ? i64c(0) : f.let(sumCarries(sum, (value) => f.let(value))) };
    }
    if (!this.now.plain) {
      this.leaveLoop();
      this.settle();
      this.learn({ plain: true });
    }
    return { result: f.let(f.get(this.a)), carries: f.let(f.get(this.b)) };
  }

  condition(code: number): I32 {
    const { sum, order } = this.now;
    if (order) return ordered(code, order) ?? condition(code, this.values());
    if (!sum) return condition(code, this.values());
    return ofSum(code, sum) ?? condition(code, this.values());
  }
  /** CF, 0 or 1. */
  carry(): I64 {
    const { sum } = this.now;
    const known = sum && ofSum(2, sum);
    return known ? i64.extendI32U(known) : i64.shrU(this.values().carries, i64c(63));
  }

  /** Makes `a` and `b` the two values, whatever they are but a loop's. */
  private settle(): void {
    this.f.if(this.f.get(this.kind), () => settle(this.f, this));
  }
}

/** The condition after comparing floating-point numbers. */
function ordered(code: number, { below, equal }: { readonly below: I32; readonly equal: I32 }): I32 | undefined {
  switch (code) {
    case 2:
      return below;
    case 3:
      return i32.eqz(below);
    case 4:
      return equal;
    case 5:
      return i32.eqz(equal);
    case 6:
      return i32.or(below, equal);
    case 7:
      return i32.eqz(i32.or(below, equal));
    default:
      return undefined;
  }
}

/** Taking nothing away: what logical operations set. */
const isNothing = ({ operation, b }: FlagSum): boolean => operation === 'sub' && b.value === 0n;

/** The condition after a sum, from its operands or its result; undefined where that takes all of the flags. */
function ofSum(code: number, sum: FlagSum): I32 | undefined {
  const { operation, size } = sum;
  if (size === 64) return related(i64, code, operation, sum);
  const [a, b, result] = [i32.wrap(sum.a), i32.wrap(sum.b), i32.wrap(sum.result)];
  if (size === 32) return related(i32, code, operation, { a, b, result });
  const looksAtSign = code >= 8;
  const extended = (value: I32): I32 => {
    if (!looksAtSign) return i32.and(value, i32.const((1 << size) - 1));
    return size === 8 ? i32.extend8S(value) : i32.extend16S(value);
  };
  // The carry out of less than 32 bits is not seen in the result.
  if (operation === 'add' && code >> 1 === 1) return undefined;
  return related(i32, code, operation, { a: extended(a), b: extended(b), result: extended(result) });
}

interface Related<T extends 'i32' | 'i64'> {
  readonly a: Expr<T>;
  readonly b: Expr<T>;
  readonly result: Expr<T>;
}

/** Of operands and result as wide as the host's. */
function related<T extends 'i32' | 'i64'>(type: Integer<T>, code: number, operation: FlagSum['operation'], { a, b, result }: Related<T>): I32 | undefined {
  const zero = type.const(0);
  const difference = operation === 'sub' && b.value !== 0n;
  switch (code) {
    case 4:
      return difference ? type.eq(a, b) : type.eqz(result);
    case 5:
      return difference ? type.ne(a, b) : type.ne(result, zero);
    case 8:
      return type.ltS(result, zero);
    case 9:
      return type.geS(result, zero);
  }
  if (operation === 'add') {
    if (code >> 1 !== 1) return undefined;
    return code & 1 ? type.geU(result, a) : type.ltU(result, a);
  }
  switch (code) {
    case 2:
      return type.ltU(a, b);
    case 3:
      return type.geU(a, b);
    case 6:
      return type.leU(a, b);
    case 7:
      return type.gtU(a, b);
    case 12:
      return type.ltS(a, b);
    case 13:
      return type.geS(a, b);
    case 14:
      return type.leS(a, b);
    case 15:
      return type.gtS(a, b);
    default:
      return undefined;
  }
}
