import { i32, i64, i64c, select, v128, type Expr, type I32, type I64, type V128 } from '../wasm/expr';
import type { FunctionBuilder, Local } from '../wasm/function';
import { condition, orderFlags, signed, sumCarries, type FlagSum, type FlagValues } from '../x86/flags';
import type { Form } from '../x86/forms';
import * as layout from '../x86/layout';
import { STRING_OPERATIONS, type CodeKind, type Operand, type Size, type Stage, type StringOperation, type Usual } from '../x86/stage';
import type { Helpers } from './helpers';

/** Where control goes from inside a handler; made by whoever places the handler. */
export interface Flow {
  /** The instruction is left: EXIT_REASON says why. */
  leave(): void;
  /** The block ends; goes on at a linear address. `link`: offset of the record's link field; one that `crosses` may lead to another page. */
  goto(linear: I64, link?: number, crosses?: boolean): void;
  /** A host function runs; the block ends. */
  host(name: string): void;
}

const FIELDS = [layout.REC_A, layout.REC_B, layout.REC_C] as const;
const STACK_ACCESS = 1;
/** The write of what was read for update (assembly/memory.ts). */
const WRITE_OF_UPDATE = 4;
const mask32 = i64c(0xffffffffn);

export interface DisplacedOperand extends Operand {
  readonly displacement?: I64;
  readonly restore?: { readonly register: number; readonly value: I64 };
}

/** What the type of a segment must allow. */
export type Use = 'read' | 'write';

/**
 * The stage of the interpreter: operands come from the decoded record, registers live in the window.
 */
export class GenericStage implements Stage {
  readonly size: Size;
  readonly kind: CodeKind;
  /** Host addresses of operands that were read for update. */
  private readonly places: { readonly of: Operand; readonly pointer: Local<'i32'>; readonly linear: I64 }[] = [];
  private readonly linears: { readonly of: Operand; readonly use: Use; readonly linear: I64 }[] = [];

  constructor(
    readonly f: FunctionBuilder,
    private readonly rec: Local<'i32'>,
    protected readonly form: Form,
    protected readonly helpers: Helpers,
    protected readonly flow: Flow,
    private readonly hostIndex: (name: string) => number,
  ) {
    this.size = form.size;
    this.kind = form.kind;
  }

  record(): I32 {
    return this.f.get(this.rec);
  }

  // ── Where values come from: the region stage knows them ────────────────────────────────────

  protected field8(offset: number): I32 {
    return i32.load8U(this.record(), offset);
  }
  protected field16(offset: number): I32 {
    return i32.load16U(this.record(), offset);
  }
  protected displacement(): I64 {
    return i64.load32S(this.record(), layout.REC_DISP);
  }
  protected immediate(): I64 {
    return i64.load(this.record(), layout.REC_IMM);
  }
  /** A register or other state of the vCPU, zero-extended from `bits`. */
  protected loadWindow(bits: number, address: I32): I64 {
    return loadSized(bits, address);
  }
  protected storeWindow(bits: number, address: I32, value: I64): void {
    storeSized(this.f, bits, address, value);
  }
  /** A write to a general register: 32 bits clear the upper half. */
  private writeRegister(size: Size, address: I32, value: I64): void {
    if (size === 32) this.storeWindow(64, address, i64.and(value, mask32));
    else this.storeWindow(size, address, value);
  }
  /** Bit 0: the memory operand is in the stack segment, which decides between #SS and #GP. */
  protected stackFlag(): I32 {
    return i32.eq(i32.and(this.field8(layout.REC_MEM), i32.const(7)), i32.const(layout.SS));
  }

  // ── Operands ─────────────────────────────────────────────────────────────────────────────

  place(o: Operand): I32 {
    if (o.kind === 'memory' || o.kind === 'immediate' || o.kind === 'relative') throw new TypeError(`${this.form.key}: no place`);
    return this.field16(FIELDS[o.index]!);
  }

  read(o: Operand): I64 {
    switch (o.kind) {
      case 'memory':
        return this.load(o.size as Size, this.linearOf(o, 'read'), this.stackFlag());
      case 'immediate':
      case 'relative':
        return this.immediate();
      case 'segment':
        return i64.load16U(this.place(o), layout.SEG_SELECTOR);
      default:
        return this.loadWindow(o.size || 64, this.place(o));
    }
  }

  readForUpdate(o: Operand): I64 {
    if (o.kind !== 'memory') return this.read(o);
    const linear = this.linearOf(o, 'write');
    const pointer = this.pointerForUpdate(linear, o.size / 8);
    this.places.push({ of: o, pointer, linear });
    return this.f.let(loadSized(o.size, this.f.get(pointer)));
  }

  write(o: Operand, value: I64): void {
    const { f } = this;
    switch (o.kind) {
      case 'memory': {
        const place = this.places.find(({ of }) => of === o);
        if (place) {
          const v = f.let(value);
          this.update(
            place.pointer,
            () => this.storeSlow(o.size, place.linear, v, i32.const(0)),
            () => storeSized(f, o.size, f.get(place.pointer), v),
          );
        } else this.storeTo(o.size as Size, this.linearOf(o, 'write'), value, this.stackFlag(), (o as DisplacedOperand).restore);
        return;
      }
      case 'mmx':
        f.store('i64', this.place(o), 0, value);
        f.store('i32_16', this.place(o), 8, i32.const(0xffff));
        return;
      default:
        this.writeRegister(o.size as Size, this.place(o), value);
    }
  }

  readVector(o: Operand): V128 {
    const { f } = this;
    if (o.kind !== 'memory') return v128.load(this.place(o));
    const pointer = this.pointerForRead(this.linearOf(o, 'read'), o.size / 8, this.stackFlag());
    switch (o.size) {
      case 32:
        return f.let(v128.load32Zero(pointer));
      case 64:
        return f.let(v128.load64Zero(pointer));
      case 128:
        return f.let(v128.load(pointer));
      default:
        return f.let(v128.splat<'i64'>(0x12)(loadSized(o.size, pointer)));
    }
  }

  readVectorForUpdate(o: Operand): V128 {
    if (o.kind !== 'memory') return this.readVector(o);
    const linear = this.linearOf(o, 'write');
    const pointer = this.pointerForUpdate(linear, 16);
    this.places.push({ of: o, pointer, linear });
    return this.f.let(v128.load(this.f.get(pointer)));
  }

  writeVector(o: Operand, value: V128): void {
    const { f } = this;
    if (o.kind !== 'memory') {
      f.store('v128', this.place(o), 0, value);
      return;
    }
    if (o.size < 128) {
      this.write(o, v128.extract('i64', 0x1d)(value, 0));
      return;
    }
    const v = f.let(value);
    const slow = (linear: I64, flags: I32) => {
      f.store('v128', i32.const(layout.SCRATCH + 32), 0, v);
      this.leaveIf(f.call('i32', this.helpers('writeSlowBytes'), linear, i32.const(16), flags));
    };
    const place = this.places.find(({ of }) => of === o);
    if (place) {
      this.update(
        place.pointer,
        () => slow(place.linear, i32.const(WRITE_OF_UPDATE)),
        () => f.store('v128', f.get(place.pointer), 0, v),
      );
      return;
    }
    const linear = this.linearOf(o, 'write');
    this.access(
      linear,
      16,
      layout.TLB_WRITE,
      (pointer) => f.store('v128', pointer, 0, v),
      () => slow(linear, this.stackFlag()),
    );
  }

  readExtended(o: Operand): { low: I64; high: I64 } {
    const { f } = this;
    const pointer = this.pointerForRead(this.linearOf(o, 'read'), 10, this.stackFlag());
    return { low: f.let(i64.load(pointer)), high: f.let(i64.load16U(pointer, 8)) };
  }

  writeExtended(o: Operand, low: I64, high: I64): void {
    const { f } = this;
    const store = (to: I32) => {
      f.store('i64', to, 0, low);
      f.store('i64_16', to, 8, high);
    };
    const linear = this.linearOf(o, 'write');
    this.access(
      linear,
      10,
      layout.TLB_WRITE,
      (pointer) => store(f.let(pointer)),
      () => {
        store(i32.const(layout.SCRATCH + 32));
        this.leaveIf(f.call('i32', this.helpers('writeSlowBytes'), linear, i32.const(10), this.stackFlag()));
      },
    );
  }

  requireAligned(o: Operand): void {
    if (o.kind !== 'memory') return;
    this.faultIf(i32.and(i32.wrap(this.linearOf(o, 'read')), i32.const(15)), 13, 0);
  }

  constant(address: number): V128 {
    return v128.load(i32.const(address));
  }

  getVector(register: number): V128 {
    return v128.load(i32.const(layout.XMM + register * 16));
  }

  setVector(register: number, value: V128): void {
    this.f.store('v128', i32.const(layout.XMM + register * 16), 0, value);
  }

  // ── Addresses ────────────────────────────────────────────────────────────────────────────

  effectiveAddress(o: Operand): I64 {
    void o;
    const { f } = this;
    return i64.and(f.let(this.baseIndexDisplacement()), this.addressMask());
  }

  linearAddress(o: Operand, displacement?: I64): I64 {
    return this.linearOf(displacement ? this.memoryAt(o, displacement) : o, 'read');
  }

  memoryAt(o: Operand, displacement: I64): Operand {
    const displaced: DisplacedOperand = { ...o, displacement: this.f.let(displacement) };
    return displaced;
  }

  restoring(o: Operand, register: number, value: I64): Operand {
    const restoring: DisplacedOperand = { ...o, restore: { register, value } };
    return restoring;
  }

  addressMask(): I64 {
    return i64.load(i32.add(i32.const(layout.MASK16), i32.shl(this.addressSize(), i32.const(3))));
  }

  protected addressSize(): I32 {
    // Branch records keep it in the displacement field: their memory fields are links.
    if (this.form.operands.some((o) => o.kind === 'relative')) return this.field8(layout.REC_DISP);
    return i32.and(i32.shrU(this.field8(layout.REC_MEM), i32.const(4)), i32.const(3));
  }

  protected baseIndexDisplacement(): I64 {
    const base = this.loadWindow(64, this.field16(layout.REC_BASE));
    const index = i64.shl(this.loadWindow(64, this.field16(layout.REC_INDEX)), i64.extendI32U(this.field8(layout.REC_SCALE)));
    return i64.add(i64.add(base, index), this.displacement());
  }

  protected linearOf(o: Operand, use: Use): I64 {
    const checked = this.form.addressing === 'checked';
    const known = this.linears.find((one) => one.of === o && (one.use === use || one.use === 'write' || !checked));
    if (known) return known.linear;
    const { f } = this;
    const { displacement, restore } = o as DisplacedOperand;
    let linear: I64;
    switch (this.form.addressing) {
      case 'flat64':
      case 'flat32': {
        let offset = this.baseIndexDisplacement();
        if (displacement) offset = i64.add(offset, displacement);
        linear = i64.add(offset, this.loadWindow(64, this.field16(layout.REC_SEGMENT)));
        if (this.form.addressing === 'flat32') linear = i64.and(linear, mask32);
        break;
      }
      default:
        linear = this.checkedAddress(displacement, Math.max(1, o.size / 8), use, restore);
    }
    const value = f.let(linear);
    this.linears.push({ of: o, use, linear: value });
    return value;
  }

  /** The linear address of a memory operand whose segment may not allow it. */
  protected checkedAddress(displacement: I64 | undefined, bytes: number, use: Use, restore: DisplacedOperand['restore']): I64 {
    const write = i32.const(use === 'write' ? 1 : 0);
    const status = this.f.call('i32', this.helpers('recordAddress'), this.record(), displacement ?? i64c(0), i32.const(bytes), write);
    this.f.if(status, () => {
      this.restore(restore);
      this.flow.leave();
    });
    return i64.load(i32.const(layout.SEGMENT_LINEAR));
  }

  // ── Memory ───────────────────────────────────────────────────────────────────────────────

  load(size: Size, linear: I64, stack: I32 = i32.const(0)): I64 {
    const { f } = this;
    const address = f.let(linear);
    const pointer = this.pointerForRead(address, size / 8, stack);
    return f.let(loadSized(size, pointer));
  }

  store(size: Size, linear: I64, value: I64): void {
    this.storeTo(size, this.f.let(linear), value, i32.const(0));
  }

  /** Address of the TLB set for data: `base` plus `offset`. */
  protected tlbSet(): { readonly base: I32; readonly offset: number } {
    return { base: i32.load(i32.const(layout.TLB_SET)), offset: 0 };
  }

  /** The software TLB: `hit` with the host address where a translation is known that allows the access, else `miss`. */
  protected access(linear: I64, bytes: number, tag: number, hit: (pointer: I32) => void, miss: () => void, restore?: DisplacedOperand['restore']): void {
    void restore;
    const { page, found, addend } = this.translate(linear, bytes, tag);
    this.f.if(i64.eq(page, found), () => hit(i32.add(i32.wrap(linear), addend)), miss);
  }

  /** What the TLB has for an access: it is good where the page of its last byte is the one that is found. */
  protected translate(linear: I64, bytes: number, tag: number): { readonly page: I64; readonly found: I64; readonly addend: I32 } {
    const { base, offset } = this.tlbSet();
    const entry = this.entryOf(linear, base);
    const last = bytes === 1 ? linear : i64.add(linear, i64c(bytes - 1));
    return { page: i64.and(last, i64c(~0xfffn)), found: i64.load(entry, offset + tag), addend: i32.load(entry, offset + layout.TLB_ADDEND) };
  }

  /** Where a page's entry is in the TLB set at `base`. */
  protected entryOf(linear: I64, base = i32.const(0)): I32 {
    const index = i32.and(i32.wrap(i64.shrU(linear, i64c(7))), i32.const((layout.TLB_ENTRIES - 1) * layout.TLB_ENTRY));
    return this.f.let(i32.add(index, base));
  }

  /** The write to a place that was read for update. */
  protected update(pointer: Local<'i32'>, slow: () => void, quick: () => void): void {
    this.f.if(i32.eq(this.f.get(pointer), i32.const(layout.SCRATCH)), slow, quick);
  }

  protected pointerForRead(linear: I64, bytes: number, stack: I32): I32 {
    return this.f.get(this.pointerFor(linear, bytes, stack, layout.TLB_READ, 'readSlow'));
  }

  private pointerForUpdate(linear: I64, bytes: number): Local<'i32'> {
    return this.pointerFor(linear, bytes, this.stackFlag(), layout.TLB_WRITE, 'updateSlow');
  }

  private pointerFor(linear: I64, bytes: number, stack: I32, tag: number, slow: 'readSlow' | 'updateSlow'): Local<'i32'> {
    const { f } = this;
    const pointer = f.local('i32');
    this.access(
      linear,
      bytes,
      tag,
      (address) => f.set(pointer, address),
      () => {
        f.set(pointer, f.call('i32', this.helpers(slow), linear, i32.const(bytes), stack));
        this.leaveIf(i32.eqz(f.get(pointer)));
      },
    );
    return pointer;
  }

  private storeTo(size: Size, linear: I64, value: I64, stack: I32, restore?: DisplacedOperand['restore']): void {
    const { f } = this;
    const v = f.let(value);
    this.access(
      linear,
      size / 8,
      layout.TLB_WRITE,
      (pointer) => storeSized(f, size, pointer, v),
      () => this.storeSlow(size, linear, v, stack, restore),
      restore,
    );
  }

  protected restore(restore: DisplacedOperand['restore']): void {
    if (restore) this.writeRegister(64, i32.const(layout.GPR + restore.register * 8), restore.value);
  }

  private storeSlow(size: number, linear: I64, value: I64, stack: I32, restore?: DisplacedOperand['restore']): void {
    const { f } = this;
    f.if(f.call('i32', this.helpers('writeSlow'), linear, value, i32.const(size / 8), stack), () => {
      this.restore(restore);
      this.flow.leave();
    });
  }

  // ── Registers and other state ────────────────────────────────────────────────────────────

  getRegister(register: number, size: Size): I64 {
    return this.loadWindow(size, i32.const(registerAddress(register, size)));
  }

  setRegister(register: number, size: Size, value: I64): void {
    this.writeRegister(size, i32.const(registerAddress(register, size)), value);
  }

  getState(kind: 'u8' | 'u16' | 'u32' | 'u64', address: number): I64 {
    return this.loadWindow(Number(kind.slice(1)), i32.const(address));
  }

  setState(kind: 'u8' | 'u16' | 'u32' | 'u64', address: number, value: I64): void {
    this.storeWindow(Number(kind.slice(1)), i32.const(address), value);
  }

  flags(): FlagValues {
    return {
      result: this.f.let(this.loadWindow(64, i32.const(layout.FLAG_RESULT))),
      carries: this.f.let(this.loadWindow(64, i32.const(layout.FLAG_CARRIES))),
    };
  }

  carry(): I64 {
    return i64.shrU(this.flags().carries, i64c(63));
  }

  setFlags({ result, carries }: FlagValues): void {
    // Both may be made from the old flags: evaluate before the first store.
    const r = this.f.let(result);
    const c = this.f.let(carries);
    this.storeWindow(64, i32.const(layout.FLAG_RESULT), r);
    this.storeWindow(64, i32.const(layout.FLAG_CARRIES), c);
  }

  known(fact: string, of: Operand | number): boolean {
    void [fact, of];
    return false;
  }

  learn(fact: string, of: Operand | number): void {
    void [fact, of];
  }

  setOrder(below: I32, equal: I32): void {
    this.setFlags(orderFlags(below, equal, (value) => this.f.let(value)));
  }

  setSum(sum: FlagSum): void {
    const nothing = sum.operation === 'sub' && sum.b.value === 0n;
    const carries = nothing ? i64c(0) : sumCarries(sum, (value) => this.f.let(value));
    this.setFlags({ result: signed(sum.result, sum.size), carries });
  }

  condition(code: number): I32 {
    return condition(code, this.flags());
  }

  // ── The stack ────────────────────────────────────────────────────────────────────────────

  push(size: Size, value: I64): void {
    const { f } = this;
    const bytes = i64c(size / 8);
    const rsp = this.getRegister(4, 64);
    if (this.kind === 'segmented') {
      const mask = f.let(this.stackMask());
      const pointer = f.let(i64.and(i64.sub(rsp, bytes), mask));
      const v = f.let(value);
      this.leaveIf(f.call('i32', this.helpers('segmentAddress'), i32.const(layout.SS), pointer, i32.const(size / 8), i32.const(1)));
      this.storeTo(size, f.let(i64.load(i32.const(layout.SEGMENT_LINEAR))), v, i32.const(STACK_ACCESS));
      this.setStackPointer(4, pointer, mask);
      return;
    }
    const pointer = f.let(this.kind === '64' ? i64.sub(rsp, bytes) : i64.and(i64.sub(rsp, bytes), mask32));
    this.storeTo(size, pointer, value, i32.const(STACK_ACCESS));
    this.setRegister(4, 64, pointer);
  }

  pop(size: Size): { value: I64; commit(): void } {
    return this.popFrom(4, size);
  }

  popFrom(register: number, size: Size): { value: I64; commit(): void } {
    const { f } = this;
    const bytes = i64c(size / 8);
    if (this.kind === 'segmented') {
      const mask = f.let(this.stackMask());
      const pointer = f.let(i64.and(this.getRegister(register, 64), mask));
      this.leaveIf(f.call('i32', this.helpers('segmentAddress'), i32.const(layout.SS), pointer, i32.const(size / 8), i32.const(0)));
      const value = this.load(size, i64.load(i32.const(layout.SEGMENT_LINEAR)), i32.const(STACK_ACCESS));
      return { value, commit: () => this.setStackPointer(4, i64.and(i64.add(pointer, bytes), mask), mask) };
    }
    const pointer = f.let(this.kind === '64' ? this.getRegister(register, 64) : this.getRegister(register, 32));
    const value = this.load(size, pointer, i32.const(STACK_ACCESS));
    const after = i64.add(pointer, bytes);
    return { value, commit: () => this.setRegister(4, this.kind === '64' ? 64 : 32, after) };
  }

  adjustStack(bytes: I64): void {
    const sum = i64.add(this.getRegister(4, 64), bytes);
    if (this.kind === 'segmented') {
      const mask = this.f.let(this.stackMask());
      this.setStackPointer(4, i64.and(sum, mask), mask);
    } else this.setRegister(4, this.kind === '64' ? 64 : 32, sum);
  }

  /** Bits of rSP that the stack uses: SS.B; all in 64-bit mode. */
  private stackMask(): I64 {
    const mode = this.f.let(i32.load(i32.const(layout.DECODE_MODE)));
    const legacy = select(i32.and(mode, i32.const(layout.MODE_STACK32)), mask32, i64c(0xffff));
    return select(i32.and(mode, i32.const(layout.MODE_64)), i64c(-1), legacy);
  }

  private setStackPointer(register: number, value: I64, mask: I64): void {
    const v = this.f.let(value);
    this.f.if(
      i64.eq(mask, i64c(0xffff)),
      () => this.setRegister(register, 16, v),
      () => this.setRegister(register, 64, v),
    );
  }

  // ── Control flow ─────────────────────────────────────────────────────────────────────────

  protected recordOffset(): I64 {
    return i64.extendI32U(i32.and(this.field16(layout.REC_OFFSET), i32.const(0xfff)));
  }
  private length(): I64 {
    return i64.extendI32U(i32.shrU(this.field16(layout.REC_OFFSET), i32.const(12)));
  }
  private codePage(): I64 {
    return this.loadWindow(64, i32.const(layout.CODE_PAGE));
  }
  private codeBase(): I64 {
    return i64.load(i32.const(layout.SEGMENTS + layout.CS * layout.SEGMENT_SIZE + layout.SEG_BASE));
  }
  /** Linear address of the next instruction. */
  protected nextLinear(): I64 {
    const linear = i64.add(this.codePage(), i64.add(this.recordOffset(), this.length()));
    return this.kind === '64' ? linear : i64.and(linear, mask32);
  }

  nextIp(): I64 {
    switch (this.kind) {
      case '64':
      case 'flat32':
        return this.nextLinear();
      default: {
        const code32 = i32.and(i32.load(i32.const(layout.DECODE_MODE)), i32.const(layout.MODE_CODE32));
        return i64.and(i64.sub(this.nextLinear(), this.codeBase()), select(code32, mask32, i64c(0xffff)));
      }
    }
  }

  jumpRelative(o: Operand): void {
    void o;
    this.jumpToRelative(layout.REC_LINK_TAKEN, true);
  }

  private jumpToRelative(link: number, crosses: boolean): void {
    const target = i64.add(this.codePage(), this.immediate());
    if (this.kind === '64') this.flow.goto(target, link, crosses);
    else if (this.kind === 'flat32') this.flow.goto(i64.and(target, this.size === 16 ? i64c(0xffff) : mask32), link, crosses);
    else this.jump(i64.sub(target, this.codeBase()));
  }

  branchRelative(taken: I32, o: Operand): void {
    void o;
    this.f.if(taken, () => this.jumpToRelative(layout.REC_LINK_TAKEN, false));
    this.flow.goto(this.nextLinear(), layout.REC_LINK_NEXT);
  }

  jump(target: I64): void {
    switch (this.kind) {
      case '64':
        this.flow.goto(target);
        return;
      case 'flat32':
        this.flow.goto(i64.and(target, this.size === 16 ? i64c(0xffff) : mask32));
        return;
      default: {
        const ip = this.f.let(i64.and(target, this.size === 16 ? i64c(0xffff) : mask32));
        const limit = i64.load32U(i32.const(layout.SEGMENTS + layout.CS * layout.SEGMENT_SIZE + layout.SEG_LIMIT));
        this.faultIf(i64.gtU(ip, limit), 13, 0);
        this.flow.goto(i64.and(i64.add(ip, this.codeBase()), mask32));
      }
    }
  }

  /** The helper runs it whole; 0 done, 1 left, 2 the slice is over in the middle. */
  string(operation: StringOperation): void {
    const status = this.f.let(this.helper('string', this.record(), i32.const(STRING_OPERATIONS.indexOf(operation))));
    this.leaveIf(i32.eq(status, i32.const(1)));
    this.repeatIf(i32.eq(status, i32.const(2)));
  }

  timestamp(): I64 {
    return this.helper64('timestamp');
  }

  /** Runs this instruction again: a string that the slice's end has cut. */
  private repeatIf(cond: I32): void {
    this.f.if(cond, () => this.flow.goto(i64.add(this.codePage(), this.recordOffset())));
  }

  // ── Faults and helpers ───────────────────────────────────────────────────────────────────

  faultIf(cond: I32, vector: number, code?: number): void {
    this.f.if(cond, () => {
      if (code === undefined) this.f.run(this.helpers('raisePlain'), i32.const(vector));
      else this.f.run(this.helpers('raise'), i32.const(vector), i32.const(code));
      this.flow.leave();
    });
  }

  usually(conditions: readonly Usual[], otherwise: () => void): boolean {
    const all = conditions.filter((each) => each !== undefined).map((each) => (Array.isArray(each) ? (each[1] as I32) : (each as I32)));
    if (all.length > 0) this.f.if(i32.eqz(all.reduce((a, b) => i32.and(a, b))), otherwise);
    return all.length === 0;
  }

  helper(name: string, ...args: (I32 | I64)[]): I32 {
    return this.f.call('i32', this.helpers(name), ...args);
  }
  helper64(name: string, ...args: (I32 | I64)[]): I64 {
    return this.f.call('i64', this.helpers(name), ...args);
  }
  run(name: string, ...args: (I32 | I64)[]): void {
    this.f.run(this.helpers(name), ...args);
  }
  leaveIf(status: I32): void {
    this.f.if(status, () => this.flow.leave());
  }

  resume(): void {
    this.flow.goto(i64.load(i32.const(layout.RIP)));
  }

  host(name: string): void {
    void this.hostIndex;
    this.flow.host(name);
  }
}

const registerAddress = (register: number, size: Size): number =>
  size === 8 && register >= 4 && register < 8 ? layout.GPR + (register - 4) * 8 + 1 : layout.GPR + register * 8;

function loadSized(bits: number, address: I32): I64 {
  switch (bits) {
    case 8:
      return i64.load8U(address);
    case 16:
      return i64.load16U(address);
    case 32:
      return i64.load32U(address);
    default:
      return i64.load(address);
  }
}

function storeSized(f: FunctionBuilder, bits: number, address: I32, value: I64): void {
  f.store(bits === 8 ? 'i64_8' : bits === 16 ? 'i64_16' : bits === 32 ? 'i64_32' : 'i64', address, 0, value);
}

export type { Expr };
