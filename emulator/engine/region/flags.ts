import { i32, i64, i64c, type I32, type I64 } from '../../wasm/expr';
import type { FunctionBuilder, Local } from '../../wasm/function';
import { CARRY_MASK, condition, signed, sumCarries, type FlagSum, type FlagValues } from '../../x86/flags';
import * as layout from '../../x86/layout';
import type { RegionState } from './state';

/** In `kind`: the sum is a difference. Below it is the size. */
const DIFFERENCE = 0x80;

/**
 * The arithmetic flags of compiled code. Those of a sum are kept as its operands and its result: carries are worked out
 * only where they are looked at, and where the region is left.
 */
export class RegionFlags {
  private readonly a: Local<'i64'>;
  private readonly b: Local<'i64'>;
  /** 0: FLAG_CARRIES holds; else the carries are those of a sum of this kind. */
  private readonly kind: Local<'i32'>;
  /** The sum whose flags they are here, as far as it is known. */
  private sum: FlagSum | undefined;
  /** FLAG_CARRIES is known to hold here. */
  private plain = false;
  private level = 0;

  constructor(
    private readonly f: FunctionBuilder,
    private readonly state: RegionState,
  ) {
    this.a = f.lasting('i64');
    this.b = f.lasting('i64');
    this.kind = f.lasting('i32');
    // What is left may be what came in: both are loaded where a region is entered.
    for (const word of [layout.FLAG_RESULT, layout.FLAG_CARRIES]) state.load(64, word);
  }

  /** Control may come from several places. */
  forget(): void {
    this.sum = undefined;
    this.plain = false;
  }
  /** What follows is on the straight line. What happens deeper in it may not happen. */
  begin(): void {
    this.level = this.f.nesting;
  }
  private get certain(): boolean {
    return this.f.nesting === this.level;
  }

  set({ result, carries }: FlagValues): void {
    const { f } = this;
    // Both may be made from the old flags: evaluate before the first store.
    const r = f.let(result);
    const c = f.let(carries);
    this.state.store(64, layout.FLAG_RESULT, r);
    this.state.store(64, layout.FLAG_CARRIES, c);
    f.set(this.kind, i32.const(0));
    this.forget();
    this.plain = this.certain;
  }

  setSum(sum: FlagSum): void {
    const { f } = this;
    f.set(this.a, signed(sum.a, sum.size));
    f.set(this.b, signed(sum.b, sum.size));
    f.set(this.kind, i32.const(sum.size | (sum.operation === 'sub' ? DIFFERENCE : 0)));
    this.state.store(64, layout.FLAG_RESULT, signed(sum.result, sum.size));
    this.forget();
    if (this.certain) this.sum = { ...sum, a: f.get(this.a), b: f.get(this.b), result: this.result };
  }

  private get result(): I64 {
    return this.state.load(64, layout.FLAG_RESULT)!;
  }

  values(): FlagValues {
    const { f, sum } = this;
    const result = f.let(this.result);
    if (sum) return { result, carries: f.let(sumCarries({ ...sum, result }, (value) => f.let(value))) };
    if (!this.plain) this.settle();
    this.plain ||= this.certain;
    return { result, carries: f.let(this.state.load(64, layout.FLAG_CARRIES)!) };
  }

  /** Makes FLAG_CARRIES hold, whatever the flags come from. */
  settle(): void {
    const { f, kind } = this;
    f.if(f.get(kind), () => {
      const mask = f.let(i64.sub(i64c(0), i64.extendI32U(i32.shrU(f.get(kind), i32.const(7)))));
      const [a, b, r] = [i64.xor(f.get(this.a), mask), f.get(this.b), i64.xor(this.result, mask)];
      const x = f.let(a);
      const vector = f.let(i64.or(i64.and(x, b), i64.and(i64.or(x, b), i64.xor(r, i64c(-1)))));
      const top = i64.shl(vector, i64.extendI32U(i32.sub(i32.const(64), i32.and(f.get(kind), i32.const(0x7f)))));
      this.state.store(64, layout.FLAG_CARRIES, i64.or(i64.and(top, i64c(CARRY_MASK & ~8n)), i64.and(vector, i64c(8))));
      f.set(kind, i32.const(0));
    });
  }

  condition(code: number): I32 {
    const equal = i64.eqz(this.result);
    if (code >> 1 === 2) return code & 1 ? i32.eqz(equal) : equal;
    const { sum } = this;
    return (sum?.operation === 'sub' && sum.whole ? compared(code, sum.a, sum.b) : undefined) ?? condition(code, this.values());
  }
}

/** The condition after comparing sign-extended operands, which compare as unsigned ones too. */
function compared(code: number, a: I64, b: I64): I32 | undefined {
  switch (code) {
    case 2:
      return i64.ltU(a, b);
    case 3:
      return i64.geU(a, b);
    case 6:
      return i64.leU(a, b);
    case 7:
      return i64.gtU(a, b);
    case 12:
      return i64.ltS(a, b);
    case 13:
      return i64.geS(a, b);
    case 14:
      return i64.leS(a, b);
    case 15:
      return i64.gtS(a, b);
    default:
      return undefined;
  }
}
