import { Expr, i32, i64, i64c, type I32, type I64, type V128 } from '../../wasm/expr';
import type { FunctionBuilder, Local } from '../../wasm/function';
import { DF, type FlagSize, type FlagSum, type FlagValues } from '../../x86/flags';
import type { Form } from '../../x86/forms';
import * as layout from '../../x86/layout';
import { RAX, RDI, RSI, type Operand, type Size, type StringOperation, type Usual } from '../../x86/stage';
import { GenericStage, type DisplacedOperand, type Flow, type Use } from '../generic-stage';
import type { Helpers } from '../helpers';
import type { RegionFlags } from './flags';
import type { RegionBlock } from './graph';
import { LONGEST_SPAN, type Address, type Span, type Spans } from './spans';
import type { RegionState } from './state';
import { LONGEST_KEPT, translateBy, type Translation } from './translations';

/** What a stage needs to know of the region that it emits for. */
export interface RegionContext {
  readonly f: FunctionBuilder;
  readonly helpers: Helpers;
  readonly memory: DataView;
  readonly state: RegionState;
  readonly mode64: boolean;
  /** Linear address of the region's first page. */
  readonly base: I64;
  /** Instructions left after the block that runs. */
  readonly budget: I32;
  /** Address of the TLB set that the region is compiled for. */
  readonly tlbSet: number;
  readonly flags: RegionFlags;
  readonly spans: Spans;
}

/** One instruction's place in the region, and where control goes from it. */
export interface RegionInstruction extends Flow {
  readonly block: RegionBlock;
  readonly record: number;
  /** The start of its page, relative to the region's first page. */
  readonly page: number;
  /** Gives the instruction to the interpreter; nothing of it has happened. */
  retreat(): void;
  branch(taken: I32): void;
  jumpDirect(): void;
  /** Where the translation of accesses by its registers is kept, if it is. */
  translation(tags: Iterable<number>): Translation | undefined;
}

const ADDRESS_MASKS = [i64c(0xffff), i64c(0xffffffffn), i64c(-1)] as const;

const noHost = (): never => {
  throw new TypeError('host functions end a region');
};

/**
 * The stage of compiled code: operands are known from the decoded record, registers and flags are locals.
 * The meanings are the interpreter's. What needs more than a hit in the TLB is left to the interpreter.
 */
export class RegionStage extends GenericStage {
  /** The linear address of the memory operand. */
  private addressed: { readonly linear: I64; readonly address: Address } | undefined;

  constructor(
    private readonly region: RegionContext,
    form: Form,
    private readonly instruction: RegionInstruction,
    record: Local<'i32'>,
  ) {
    super(region.f, record, form, region.helpers, instruction, noHost);
  }

  override record(): I32 {
    return i32.const(this.instruction.record);
  }
  protected override field8(offset: number): I32 {
    return i32.const(this.region.memory.getUint8(this.instruction.record + offset));
  }
  protected override field16(offset: number): I32 {
    return i32.const(this.region.memory.getUint16(this.instruction.record + offset, true));
  }
  override addressMask(): I64 {
    return ADDRESS_MASKS[this.addressSize().value!]!;
  }
  protected override displacement(): I64 {
    return i64c(this.region.memory.getInt32(this.instruction.record + layout.REC_DISP, true));
  }
  protected override baseIndexDisplacement(): I64 {
    const { memory } = this.region;
    const { record } = this.instruction;
    const base = memory.getUint16(record + layout.REC_BASE, true);
    const index = memory.getUint16(record + layout.REC_INDEX, true);
    const from = this.loadWindow(64, i32.const(base));
    const scaled =
      index === layout.ZERO ? from : i64.add(from, i64.shl(this.loadWindow(64, i32.const(index)), i64c(memory.getUint8(record + layout.REC_SCALE))));
    return i64.add(scaled, this.displacement());
  }
  /** Of accesses that are not here. */
  protected override stackFlag(): I32 {
    return i32.const(0);
  }
  protected override immediate(): I64 {
    return i64c(this.region.memory.getBigInt64(this.instruction.record + layout.REC_IMM, true));
  }
  protected override loadWindow(bits: number, address: I32): I64 {
    const at = address.value!;
    if (at === layout.ZERO) return i64c(0);
    if (at === layout.CODE_PAGE) return i64.add(this.region.base, i64c(this.instruction.page));
    return this.region.state.load(bits, at) ?? super.loadWindow(bits, address);
  }
  protected override storeWindow(bits: number, address: I32, value: I64): void {
    if (!this.region.state.store(bits, address.value!, value)) super.storeWindow(bits, address, value);
  }

  override readVector(o: Operand): V128 {
    return o.kind === 'vector' ? this.region.state.getVector(this.place(o).value!) : super.readVector(o);
  }
  override writeVector(o: Operand, value: V128): void {
    if (o.kind === 'vector') this.region.state.setVector(this.place(o).value!, value);
    else super.writeVector(o, value);
  }
  override constant(address: number): V128 {
    return this.region.state.constant(address);
  }
  override getVector(register: number): V128 {
    return this.region.state.getVector(layout.XMM + register * 16);
  }
  override setVector(register: number, value: V128): void {
    this.region.state.setVector(layout.XMM + register * 16, value);
  }

  // ── Memory ───────────────────────────────────────────────────────────────────────────────

  protected override tlbSet(): { readonly base: I32; readonly offset: number } {
    return { base: i32.const(0), offset: this.region.tlbSet };
  }
  protected override access(linear: I64, bytes: number, tag: number, hit: (pointer: I32) => void, _: () => void, restore?: DisplacedOperand['restore']): void {
    const { f } = this;
    const kept = this.instruction.translation([tag]);
    const span = restore || linear !== this.addressed?.linear ? undefined : this.span(this.addressed.address, linear, bytes, tag, kept !== undefined);
    if (span) {
      hit(i32.add(i32.wrap(linear), f.get(span.addend)));
      return;
    }
    const lookUp = (): I32 => this.lookUp(linear, bytes, [tag], restore);
    hit(i32.add(i32.wrap(linear), kept ? translateBy(f, kept, linear, lookUp) : lookUp()));
  }
  /** What makes `bytes` bytes from a linear address on the host's. Where they are not all in one page of the TLB's, the interpreter goes on. */
  private lookUp(linear: I64, bytes: number, tags: Iterable<number>, restore?: DisplacedOperand['restore']): I32 {
    const { f } = this;
    const { tlbSet } = this.region;
    // An entry for the first byte whose page is that of the last one.
    const entry = this.entryOf(linear);
    const last = bytes === 1 ? linear : i64.add(linear, i64c(bytes - 1));
    const page = f.let(i64.and(last, i64c(~0xfffn)));
    for (const tag of tags)
      f.unlikely(i64.ne(page, i64.load(entry, tlbSet + tag)), () => {
        this.restore(restore);
        this.instruction.retreat();
      });
    return i32.load(entry, tlbSet + layout.TLB_ADDEND);
  }
  protected override linearOf(o: Operand, use: Use): I64 {
    const linear = super.linearOf(o, use);
    const { addressing } = this.form;
    // FS and GS have bases that instructions may set.
    const fixed = (this.field8(layout.REC_MEM).value! & 7) < layout.FS;
    const plain = fixed && !(o as DisplacedOperand).displacement && (addressing === 'flat64' || addressing === 'flat32');
    if (plain && this.addressed?.linear !== linear) this.addressed = { linear, address: this.region.spans.addressAt(this.instruction.record) };
    return linear;
  }
  protected override checkedAddress(displacement: I64 | undefined, bytes: number, _: Use, restore: DisplacedOperand['restore']): I64 {
    const { f } = this;
    const memory = this.field8(layout.REC_MEM).value!;
    const named = memory & layout.MEM_ABSOLUTE ? this.immediate() : this.baseIndexDisplacement();
    const offset = f.let(i64.and(displacement ? i64.add(named, displacement) : named, this.addressMask()));
    const segment = memory & 7;
    const at = layout.SEGMENTS + segment * layout.SEGMENT_SIZE;
    const base = (): I64 => i64.load(i32.const(at + layout.SEG_BASE));
    if (this.region.mode64) return segment < layout.FS ? offset : i64.add(offset, base());
    const refuse = (condition: I32): void =>
      f.unlikely(condition, () => {
        this.restore(restore);
        this.instruction.retreat();
      });
    refuse(i64.ne(i64.and(i64.load(i32.const(at + layout.SEG_LIMIT)), i64c(layout.SEG_WHOLE_MASK)), i64c(layout.SEG_WHOLE)));
    if (bytes > 1) refuse(i64.gtU(offset, i64c(0xffffffffn - BigInt(bytes - 1))));
    return i64.and(i64.add(offset, base()), i64c(0xffffffffn));
  }
  /** The span that an access lies in, which may begin with it; `looping`: translations are kept for it. */
  private span(address: Address, linear: I64, bytes: number, tag: number, looping: boolean): Span | undefined {
    const { f } = this;
    const { spans } = this.region;
    const known = spans.find(address, bytes, tag);
    if (known) return known;
    const longest = looping ? LONGEST_KEPT : LONGEST_SPAN;
    const made = this.region.state.certain ? spans.make(this.instruction.block, this.instruction.record, address, bytes, tag, longest) : undefined;
    if (!made) return undefined;
    const first = f.let(i64.add(linear, i64c(made.from - address.displacement)));
    const lookUp = (): I32 => this.lookUp(first, made.to - made.from, made.tags);
    const kept = looping ? this.instruction.translation(made.tags) : undefined;
    f.set(made.addend, kept ? translateBy(f, kept, first, lookUp) : lookUp());
    return made;
  }
  /** For a use right here. */
  protected override pointerForRead(linear: I64, bytes: number): I32 {
    let pointer = i32.const(0);
    this.access(linear, bytes, layout.TLB_READ, (address) => (pointer = address), noHost);
    return pointer;
  }
  protected override update(_: Local<'i32'>, __: () => void, quick: () => void): void {
    quick();
  }

  // ── Faults, flags and control ────────────────────────────────────────────────────────────

  override faultIf(cond: I32): void {
    this.f.unlikely(cond, () => this.instruction.retreat());
  }
  override usually(conditions: readonly Usual[]): boolean {
    const retreat = (): void => this.instruction.retreat();
    // A branch each: a comparison and its branch are one operation of the host.
    for (const each of conditions) {
      if (each === undefined) continue;
      if (each instanceof Expr) this.f.unlikely(i32.eqz(each), retreat);
      else this.f.unlikely(i32.eqz(each[0]), () => this.f.if(i32.eqz(each[1]), retreat));
    }
    return true;
  }
  override branchRelative(taken: I32): void {
    this.instruction.branch(taken);
  }
  override jumpRelative(): void {
    this.instruction.jumpDirect();
  }

  override timestamp(): I64 {
    this.f.store('i32', i32.const(layout.BUDGET), 0, this.region.budget);
    return super.timestamp();
  }

  /** One element, forwards (graph.ts leaves others to the interpreter). */
  override string(operation: StringOperation): void {
    const { f } = this;
    const log = this.field8(layout.REC_SIZE).value! & 3;
    const size = (8 << log) as Size;
    const addressSize: Size = this.field8(layout.REC_MEM).value! & 0x20 ? 64 : 32;
    this.faultIf(i32.and(i32.load(i32.const(layout.EFLAGS)), i32.const(Number(DF))));
    const source = (): I64 => this.load(size, f.let(this.getRegister(RSI, addressSize)));
    const destination = f.let(this.getRegister(RDI, addressSize));
    const a = f.let(operation === 'stos' || operation === 'scas' ? this.getRegister(RAX, size) : source());
    if (operation === 'movs' || operation === 'stos') this.store(size, destination, a);
    const b = operation === 'scas' || operation === 'cmps' ? this.load(size, destination) : undefined;
    const step = (register: number): void => this.setRegister(register, addressSize, i64.add(this.getRegister(register, addressSize), i64c(1 << log)));
    if (operation === 'lods') this.setRegister(RAX, size, a);
    if (operation === 'movs' || operation === 'lods' || operation === 'cmps') step(RSI);
    if (operation !== 'lods') step(RDI);
    if (b) this.setSum({ operation: 'sub', a, b, result: f.let(i64.sub(a, b)), size: size as FlagSize, whole: true });
  }

  override known(fact: string, of: Operand | number): boolean {
    const address = this.addressOf(of);
    return address !== undefined && this.region.state.facts.has(fact, address);
  }
  override learn(fact: string, of: Operand | number): void {
    const address = this.addressOf(of);
    if (address !== undefined) this.region.state.facts.add(fact, address);
  }
  private addressOf(of: Operand | number): number | undefined {
    if (typeof of === 'number') return of;
    return of.kind === 'vector' ? this.place(of).value : undefined;
  }

  override flags(): FlagValues {
    return this.region.flags.values();
  }
  override carry(): I64 {
    return this.region.flags.carry();
  }
  override setFlags(values: FlagValues): void {
    this.region.flags.set(values);
  }
  override setOrder(below: I32, equal: I32): void {
    this.region.flags.setOrder(below, equal);
  }
  override setSum(sum: FlagSum): void {
    this.region.flags.setSum(sum);
  }
  override condition(code: number): I32 {
    return this.region.flags.condition(code);
  }
}
