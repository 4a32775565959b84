import { Sink, unsigned } from './sink';
import { Expr, i32c, type I32, valueTypeCode, type ValueType } from './expr';

/** A local variable of the function being built. */
export interface Local<T extends ValueType = ValueType> {
  readonly type: T;
  readonly index: number;
}

/** A target of branches: a block's end or a loop's start. */
export interface Label {
  readonly depth: number;
}

/** Code built apart, and where in it branches are that are hardly ever taken. */
interface Fragment {
  readonly code: Sink;
  readonly unlikely: readonly number[];
}

const NONE: readonly Expr[] = [];
const [GET, TEE, CALL] = [[0x20], [0x22], [0x10]] as const;

/** Something that can be called: an import or a function of the module. */
export interface Callable {
  readonly index: number;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const STORE: Readonly<Record<StoreKind, { code: readonly number[]; align: number }>> = {
  i32: { code: [0x36], align: 2 },
  i64: { code: [0x37], align: 3 },
  f32: { code: [0x38], align: 2 },
  f64: { code: [0x39], align: 3 },
  i32_8: { code: [0x3a], align: 0 },
  i32_16: { code: [0x3b], align: 1 },
  i64_8: { code: [0x3c], align: 0 },
  i64_16: { code: [0x3d], align: 1 },
  i64_32: { code: [0x3e], align: 2 },
  v128: { code: [0xfd, 0x0b], align: 4 },
};
export type StoreKind = 'i32' | 'i64' | 'f32' | 'f64' | 'i32_8' | 'i32_16' | 'i64_8' | 'i64_16' | 'i64_32' | 'v128';

/**
 * Builds one function body. Statements are methods; expressions are made by the functions
 * of `expr.ts` and are evaluated where a statement uses them, in order.
 */
export class FunctionBuilder {
  private body = new Sink();
  /** Places in the body of branches that are hardly ever taken. */
  private unlikelyAt: number[] = [];
  private readonly localTypes: ValueType[] = [];
  private readonly free: Record<ValueType, Local[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  /** The values of locals, by their numbers: each is asked for many times. */
  private readonly values: Expr[] = [];
  private scopeLocals: Local[] | undefined;
  private depth = 0;

  constructor(
    readonly params: readonly ValueType[],
    readonly results: readonly ValueType[],
  ) {}

  /** How many blocks, loops and ifs what is built now lies in. */
  get nesting(): number {
    return this.depth;
  }

  param<T extends ValueType>(index: number, type: T): Local<T> {
    if (this.params[index] !== type) throw new RangeError(`parameter ${index} is not of type ${type}`);
    return { type, index };
  }

  /** A new local, given back when the enclosing `scope` ends. Not zeroed. */
  local<T extends ValueType>(type: T): Local<T> {
    const pooled = this.free[type].pop() as Local<T> | undefined;
    const local = pooled ?? { type, index: this.params.length + this.localTypes.length };
    if (!pooled) this.localTypes.push(type);
    this.scopeLocals?.push(local);
    return local;
  }

  /** A new local that stays, whatever scope it is made in. */
  lasting<T extends ValueType>(type: T): Local<T> {
    return { type, index: this.params.length + this.localTypes.push(type) - 1 };
  }

  /** Builds code apart, for `append`: what goes before it may depend on what is in it. */
  fragment(build: () => void): Fragment {
    const outer = { body: this.body, unlikelyAt: this.unlikelyAt };
    this.body = new Sink();
    this.unlikelyAt = [];
    build();
    const built = { code: this.body, unlikely: this.unlikelyAt };
    Object.assign(this, outer);
    return built;
  }
  append({ code, unlikely }: Fragment): void {
    for (const at of unlikely) this.unlikelyAt.push(this.body.length + at);
    this.body.bytes(code.view());
  }

  /** Locals made inside are free for reuse afterwards. */
  scope(build: () => void): void {
    const outer = this.scopeLocals;
    const mine: Local[] = [];
    this.scopeLocals = mine;
    build();
    this.scopeLocals = outer;
    for (const local of mine) this.free[local.type].push(local);
  }

  get<T extends ValueType>(local: Local<T>): Expr<T> {
    return (this.values[local.index] ??= new Expr(local.type, NONE, GET, local.index)) as Expr<T>;
  }

  set<T extends ValueType>(local: Local<T>, value: Expr<T>): void {
    value.write(this.body);
    this.body.byte(0x21);
    this.body.u32(local.index);
  }

  /** Assigns and yields the value: for a value used once at once and again later. */
  tee<T extends ValueType>(local: Local<T>, value: Expr<T>): Expr<T> {
    return new Expr(local.type, [value], TEE, local.index, undefined, value.bits);
  }

  /** Evaluates now; the result can be used any number of times. */
  let<E extends Expr>(value: E): E {
    if (value.value !== undefined || value.held) return value;
    const local = this.local(value.type);
    this.set(local, value);
    const held: Expr = new Expr(value.type, NONE, GET, local.index, undefined, value.bits, true);
    return held as E;
  }

  store(kind: StoreKind, address: I32, offset: number, value: Expr): void {
    const constant = address.value !== undefined && address.value >= 0;
    (constant ? i32c(0) : address).write(this.body);
    value.write(this.body);
    const { code, align } = STORE[kind];
    for (const byte of code) this.body.byte(byte);
    this.body.byte(align);
    this.body.u32(constant ? address.value + offset : offset);
  }

  /** `memory.copy` */
  copy(to: I32, from: I32, length: I32): void {
    for (const e of [to, from, length]) e.write(this.body);
    this.body.bytes([0xfc, 10, 0, 0]);
  }

  block(build: (end: Label) => void): void {
    this.nested(0x02, build);
  }

  loop(build: (start: Label) => void): void {
    this.nested(0x03, build);
  }

  if(condition: I32, then: () => void, otherwise?: () => void, unlikely = false): void {
    if (condition.value !== undefined) {
      if (condition.value !== 0) then();
      else otherwise?.();
      return;
    }
    condition.write(this.body);
    if (unlikely) this.unlikelyAt.push(this.body.length);
    this.body.byte(0x04);
    this.body.byte(0x40);
    this.depth++;
    then();
    if (otherwise) {
      this.body.byte(0x05);
      otherwise();
    }
    this.depth--;
    this.body.byte(0x0b);
  }

  /** `if` that is hardly ever taken: the host's compiler may put it aside. */
  unlikely(condition: I32, then: () => void): void {
    this.if(condition, then, undefined, true);
  }

  br(label: Label): void {
    this.body.byte(0x0c);
    this.body.u32(this.depth - label.depth);
  }

  brIf(label: Label, condition: I32, unlikely = false): void {
    condition.write(this.body);
    if (unlikely) this.unlikelyAt.push(this.body.length);
    this.body.byte(0x0d);
    this.body.u32(this.depth - label.depth);
  }

  brTable(index: I32, targets: readonly Label[], otherwise: Label): void {
    index.write(this.body);
    this.body.byte(0x0e);
    this.body.vector(targets, (label) => this.body.u32(this.depth - label.depth));
    this.body.u32(this.depth - otherwise.depth);
  }

  return(value?: Expr): void {
    value?.write(this.body);
    this.body.byte(0x0f);
  }

  unreachable(): void {
    this.body.byte(0x00);
  }

  call<T extends ValueType>(type: T, callee: Callable, ...args: Expr[]): Expr<T> {
    checkCall(callee, args, [type]);
    return new Expr(type, args, CALL, callee.index);
  }

  /** Calls for the effect; results are dropped. */
  run(callee: Callable, ...args: Expr[]): void {
    checkCall(callee, args, callee.results);
    for (const arg of args) arg.write(this.body);
    this.body.byte(0x10);
    this.body.u32(callee.index);
    for (const _ of callee.results) this.body.byte(0x1a);
  }

  callIndirect<T extends ValueType>(type: T, typeIndex: number, index: I32, ...args: Expr[]): Expr<T> {
    return new Expr(type, [...args, index], unsigned(unsigned([0x11], typeIndex), 0));
  }

  drop(value: Expr): void {
    value.write(this.body);
    this.body.byte(0x1a);
  }

  /** The code entry: locals and body, with its final `end`; and where in it branches are that are hardly ever taken. */
  finish(): Fragment {
    const content = new Sink();
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.localTypes) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    content.vector(runs, ({ type, count }) => {
      content.u32(count);
      content.byte(valueTypeCode[type]);
    });
    const unlikely = this.unlikelyAt.map((at) => content.length + at);
    content.bytes(this.body.view());
    content.byte(0x0b);
    return { code: content, unlikely };
  }

  private nested(code: number, build: (label: Label) => void): void {
    this.body.byte(code);
    this.body.byte(0x40);
    this.depth++;
    build({ depth: this.depth });
    this.depth--;
    this.body.byte(0x0b);
  }
}

function checkCall(callee: Callable, args: readonly Expr[], results: readonly ValueType[]): void {
  const given = args.map((a) => a.type).join();
  if (given !== callee.params.join() || results.join() !== callee.results.join())
    throw new TypeError(`call of function ${callee.index}: (${callee.params.join()}) given (${given})`);
}
