import { i32, i64, type I32, type I64 } from '../wasm/expr';
import type { FunctionBuilder, Label, Local } from '../wasm/function';
import type { Form } from '../x86/forms';
import { GenericStage, type DisplacedOperand, type Flow } from './generic-stage';
import type { Helpers } from './helpers';

/**
 * The stage of handlers inside the dispatch loop: only what is usual. What needs more than a hit in the TLB, or faults, is left to the
 * handler's function, while nothing of the instruction has happened. So the loop calls nothing but that, and V8 keeps its state in registers: it has
 * its best allocator of registers only for functions of some thousand values.
 */
export class InlineStage extends GenericStage {
  /** @param apart where the handler's function is called */
  constructor(
    f: FunctionBuilder,
    rec: Local<'i32'>,
    form: Form,
    helpers: Helpers,
    flow: Flow,
    private readonly apart: Label,
  ) {
    super(f, rec, form, helpers, flow, () => {
      throw new TypeError('host functions are not inline');
    });
  }

  protected override access(linear: I64, bytes: number, tag: number, hit: (pointer: I32) => void, _: () => void, restore?: DisplacedOperand['restore']): void {
    const { f } = this;
    const { page, found, addend } = this.translate(linear, bytes, tag);
    if (restore)
      f.unlikely(i64.ne(page, found), () => {
        this.restore(restore);
        f.br(this.apart);
      });
    else f.brIf(this.apart, i64.ne(page, found), true);
    hit(i32.add(i32.wrap(linear), addend));
  }
  protected override update(_: Local<'i32'>, __: () => void, quick: () => void): void {
    quick();
  }
  override faultIf(cond: I32): void {
    this.f.brIf(this.apart, cond, true);
  }
}
