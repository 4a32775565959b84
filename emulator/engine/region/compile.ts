import { i32, i64, i64c, select, type I32, type I64 } from '../../wasm/expr';
import type { Callable, FunctionBuilder, Label, Local } from '../../wasm/function';
import type { ModuleBuilder } from '../../wasm/module';
import * as layout from '../../x86/layout';
import { emitMeaning } from '../meaning';
import type { NumberedForms } from '../handlers';
import type { Helpers } from '../helpers';
import { REGION_LEFT, REGION_LOOKUP, REGION_RECORD, REGION_REFUSED, REGION_UNPREPARED } from '../interpreter';
import type { Form } from '../../x86/forms';
import { endsBlock, formOf, type RegionBlock } from './graph';
import { RegionFlags } from './flags';
import { loopSumOf, setsFlags, type LoopSum } from './loopsum';
import type { Plan } from './plan';
import { Spans } from './spans';
import { RegionStage, type RegionContext } from './stage';
import { RegionState } from './state';
import { Structure, type Way } from './structure';
import { Translations } from './translations';

const PAGE = 0x1000;
const window32 = (address: number): I32 => i32.load(i32.const(address));

/** What does not differ between regions. */
export interface CompileContext {
  readonly module: ModuleBuilder;
  readonly helpers: Helpers;
  readonly memory: DataView;
  readonly forms: NumberedForms;
}

/** Compiles one region: a function of the entry's number that returns how it was left (interpreter.ts). */
export function compileRegion(context: CompileContext, plan: Plan, slot: number): Callable {
  return context.module.function(`region ${slot}`, ['i32'], ['i32'], (f) => new RegionCompiler(f, context, plan, slot).build());
}

class RegionCompiler {
  private readonly state: RegionState;
  private readonly flags: RegionFlags;
  /** The sums that loops end with, by their headers. */
  private readonly sums: ReadonlyMap<number, LoopSum>;
  private readonly entry: Local<'i32'>;
  private readonly base: Local<'i64'>;
  private readonly budget: Local<'i32'>;
  /** How the region is left: what it returns. */
  private readonly left: Local<'i32'>;
  /** Where control goes on: the place of a block to be looked up, or of the page of the instruction that the region is left at. */
  private readonly place: Local<'i32'>;
  private readonly region: RegionContext;
  private readonly translations: Translations;
  private readonly spans: Spans;
  private exit!: Label;

  constructor(
    private readonly f: FunctionBuilder,
    private readonly context: CompileContext,
    private readonly plan: Plan,
    private readonly slot: number,
  ) {
    this.flags = new RegionFlags(f);
    this.state = new RegionState(f, plan.mode64, (address) => this.flags.registerChanges(address));
    this.entry = f.param(0, 'i32');
    this.base = f.lasting('i64');
    this.budget = f.lasting('i32');
    this.left = f.lasting('i32');
    this.place = f.lasting('i32');
    this.sums = this.loopSums();
    this.translations = new Translations(f, context, plan);
    this.spans = new Spans(f, context, this.state);
    const { helpers, memory } = context;
    this.region = {
      f,
      helpers,
      memory,
      state: this.state,
      mode64: plan.mode64,
      base: f.get(this.base),
      budget: f.get(this.budget),
      tlbSet: plan.tlbSet,
      flags: this.flags,
      spans: this.spans,
    };
  }

  build(): void {
    const { f, plan } = this;
    this.enter();
    const body = f.fragment(() =>
      f.block((exit) => {
        this.exit = exit;
        new Structure(plan.edges, plan.switched, plan.loops).emit(f, (n, way) => (n === 0 ? this.root(way) : this.block(n, way)));
      }),
    );
    this.state.enter(() => f.return(i32.const(REGION_REFUSED)));
    this.flags.enter();
    this.translations.enter();
    f.append(body);
    this.leave();
  }

  /** Refuses where the region doesn't fit; finds its base. */
  private enter(): void {
    const { f, plan } = this;
    f.if(i32.ne(window32(layout.TLB_SET), i32.const(plan.tlbSet)), () => f.return(i32.const(REGION_REFUSED)));
    f.set(this.budget, window32(layout.BUDGET));
    f.if(i32.ltS(f.get(this.budget), i32.const(plan.longest)), () => f.return(i32.const(REGION_REFUSED)));
    f.set(this.base, i64.sub(i64.load(i32.const(layout.CODE_PAGE)), this.entryPage()));
    if (plan.pages.length > 1) {
      const state = layout.REGION_STATE + this.slot * layout.REGION_STATE_SIZE;
      const known = i32.and(i32.eq(window32(state), window32(layout.CONTEXT)), i64.eq(i64.load(i32.const(state + 8)), f.get(this.base)));
      f.if(i32.eqz(known), () => f.return(i32.const(REGION_UNPREPARED)));
      f.if(i32.eqz(window32(state + 4)), () => f.return(i32.const(REGION_REFUSED)));
    }
    f.set(this.entry, i32.and(f.get(this.entry), i32.const(0xff)));
  }

  /** Loops whose headers pass nothing on, and that end with a sum. */
  private loopSums(): ReadonlyMap<number, LoopSum> {
    const { plan, context, state } = this;
    const sums = new Map<number, LoopSum>();
    for (const header of new Set(plan.loops.flat())) {
      if (header === 0 || plan.dispatch(header).size) continue;
      for (let node = 1; node <= plan.blocks.length && !sums.has(header); node++) {
        if (!plan.edges[node]!.includes(header) || !plan.loops[node]!.includes(header)) continue;
        const sum = loopSumOf(context, state, plan.blockOf(node), sums.size + 1);
        if (sum) sums.set(header, sum);
      }
    }
    return sums;
  }

  /** Place of the page that `entry` lies in. */
  private entryPage(): I64 {
    const [first, ...others] = this.plan.entryPages;
    const index = i32.shrU(this.f.get(this.entry), i32.const(8));
    return others.reduce<I64>((rest, place, i) => select(i32.eq(index, i32.const(i + 1)), i64c(place), rest), i64c(first!));
  }

  /** The common way out. */
  private leave(): void {
    const { f } = this;
    this.flags.spill();
    this.state.spill();
    f.store('i32', i32.const(layout.BUDGET), 0, f.get(this.budget));
    const linear = this.masked(i64.add(f.get(this.base), i64.extendI32S(f.get(this.place))));
    f.store('i64', select(f.get(this.left), i32.const(layout.CODE_PAGE), i32.const(layout.NEXT_LINEAR)), 0, linear);
    f.return(f.get(this.left));
  }

  private masked(linear: I64): I64 {
    return this.plan.mode64 ? linear : i64.and(linear, i64c(0xffffffffn));
  }
  private linear(place: number): I64 {
    return this.masked(i64.add(this.f.get(this.base), i64c(place)));
  }

  /** Leaves for a block at a place, or at a linear address. */
  private leaveFor(place: number): void {
    this.leaveWith(REGION_LOOKUP, place);
  }
  private leaveTo(linear: I64): void {
    this.f.set(this.base, linear);
    this.leaveWith(REGION_LOOKUP, 0);
  }
  private leaveAt(record: number, page: number, why: number): void {
    this.leaveWith(record | why, page);
  }
  private leaveWith(left: number, place: number): void {
    const { f } = this;
    f.set(this.left, i32.const(left));
    f.set(this.place, i32.const(place));
    f.br(this.exit);
  }

  /** Node 0: control comes in, from outside or by an indirect jump. */
  private root(way: Way): void {
    const { f, plan } = this;
    const targets = plan.dispatch(0);
    if (new Set(targets.values()).size === 1 && targets.size === 1) way.go([...targets.values()][0]!);
    else this.dispatch(targets, way, () => f.unreachable());
  }

  private dispatch(targets: ReadonlyMap<number, number>, way: Way, otherwise: () => void): void {
    const { f } = this;
    f.block((none) => {
      const last = Math.max(...targets.keys());
      const labels = Array.from({ length: last + 1 }, (_, n) => (targets.has(n) ? way.label(targets.get(n)!) : none));
      f.brTable(f.get(this.entry), labels, none);
    });
    otherwise();
  }

  private block(node: number, way: Way): void {
    const { f, plan } = this;
    const block = plan.blockOf(node);
    const page = block.place - (block.place & (PAGE - 1));
    const through = plan.dispatch(node);
    if (through.size)
      f.if(f.get(this.entry), () => {
        // Branches out of an `if` are as good as any.
        this.dispatch(through, way, () => f.set(this.entry, i32.const(0)));
      });
    else if (plan.passed.has(node)) f.set(this.entry, i32.const(0));
    if (block.count) f.set(this.budget, i32.sub(f.get(this.budget), i32.const(block.count)));
    const sum = this.sums.get(node);
    if (sum) this.flags.header(sum);
    else if (!way.straight) this.flags.forget();
    if (!way.straight) {
      this.state.facts.forget();
      this.spans.forget();
    }
    if (plan.pages.length > 1 && this.usesFloatingPoint(block)) f.store('i64', i32.const(layout.CODE_PAGE), 0, this.linear(page));

    const go = (place: number): void => {
      const to = plan.nodeAt(place);
      if (to === undefined) this.leaveFor(place);
      else this.follow(node, to, way);
    };
    const { terminator: t } = block;
    // One for all instructions of the block, in turn.
    const placed = {
      record: 0,
      page,
      block,
      form: undefined as Form | undefined,
      retreat: () => this.leaveAt(placed.record, page, REGION_RECORD),
      leave: () => this.leaveAt(placed.record, page, REGION_LEFT),
      branch: (taken: I32) => {
        if (t.kind !== 'branch') throw new TypeError('a branch in the middle of a block');
        this.aside(taken, () => go(t.taken));
        go(t.next);
      },
      jumpDirect: () => {
        if (t.kind !== 'jump' && t.kind !== 'call') throw new TypeError('a jump in the middle of a block');
        go(t.target);
      },
      goto: (linear: I64) => this.jumpTo(node, linear, way),
      host: () => {
        throw new TypeError('host functions end a region');
      },
      translation: (tags: Iterable<number>) => this.translations.of(node, placed.record, placed.form!, tags),
    };
    for (let i = 0; i < block.compiled; i++) {
      const record = block.header + layout.RECORD_SIZE * (i + 1);
      const form = formOf(this.context, record)!;
      placed.record = record;
      placed.form = form;
      this.flags.begin(record, setsFlags(form.definition.name));
      this.state.begin();
      emitMeaning(new RegionStage(this.region, form, placed, this.left), form);
    }
    if (t.kind === 'leave') {
      if (block.compiled < block.count || t.next === undefined) this.leaveAt(block.header + layout.RECORD_SIZE * (block.compiled + 1), page, REGION_RECORD);
    } else if (t.kind === 'jump' && !this.endsItself(block)) go(t.target);
  }

  /** Whether the last compiled instruction is the jump itself, not the end mark after it. */
  private endsItself(block: RegionBlock): boolean {
    if (!block.compiled) return false;
    return endsBlock(formOf(this.context, block.header + layout.RECORD_SIZE * block.compiled)!);
  }
  private usesFloatingPoint(block: RegionBlock): boolean {
    for (let i = 1; i <= block.compiled; i++) {
      const { feature } = formOf(this.context, block.header + layout.RECORD_SIZE * i)!.definition;
      if (feature === 'x87' || feature === 'mmx') return true;
    }
    return false;
  }

  /** Code for one way of two: what is known is as it was for the other. */
  private aside(condition: I32, build: () => void): void {
    const { flags, spans } = this;
    const { facts } = this.state;
    const here = { flags: flags.known, facts: facts.known, spans: spans.known };
    this.f.if(condition, build);
    flags.recall(here.flags);
    facts.recall(here.facts);
    spans.recall(here.spans);
  }

  private follow(from: number, to: number, way: Way): void {
    const { f, plan, flags } = this;
    const edge = plan.route(from, to);
    const cost = plan.cost(to);
    if (cost !== undefined) f.unlikely(i32.ltS(f.get(this.budget), i32.const(cost)), () => this.leaveFor(plan.blockOf(to).place));
    if (!way.goesStraight(edge.to)) flags.leaveLoop();
    const sum = this.sums.get(edge.to);
    if (sum && plan.loops[from]!.includes(edge.to)) flags.repeat(sum);
    if (edge.entry !== undefined) this.f.set(this.entry, i32.const(edge.entry));
    way.go(edge.to);
  }

  /** A return or an indirect jump. */
  private jumpTo(node: number, target: I64, way: Way): void {
    const { f, plan } = this;
    const linear = f.let(target);
    for (const site of plan.targets(node)) {
      this.aside(i64.eq(linear, this.linear(plan.blockOf(site).place)), () => this.follow(node, site, way));
    }
    if (plan.dispatches(node)) {
      this.flags.leaveLoop();
      this.dispatchTo(linear, way);
    }
    this.leaveTo(linear);
  }

  /** Looks in the jump cache: where the target is an entry of this region, control stays in it. */
  private dispatchTo(linear: I64, way: Way): void {
    const { f, plan } = this;
    const hash = i32.xor(i32.wrap(linear), i32.wrap(i64.shrU(linear, i64c(13))));
    const slot = f.let(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)));
    f.block((elsewhere) => {
      const unless = (condition: I32): void => f.brIf(elsewhere, condition, true);
      unless(i64.ne(i64.load(slot, layout.JUMP_CACHE), linear));
      unless(i32.ne(i32.load(slot, layout.JUMP_CACHE + 8), window32(layout.CONTEXT)));
      unless(i32.ltS(f.get(this.budget), i32.const(plan.longest)));
      const heat = f.let(i32.load(i32.load(slot, layout.JUMP_CACHE + 12), layout.BLOCK_HEAT));
      unless(i32.ne(i32.and(heat, i32.const(layout.HEAT_COMPILED | (layout.REGION_STATES - 1))), i32.const(layout.HEAT_COMPILED | this.slot)));
      f.set(this.entry, i32.and(i32.shrU(heat, i32.const(14)), i32.const(0xffff)));
      unless(i64.ne(i64.sub(i64.and(linear, i64c(~0xfffn)), this.entryPage()), f.get(this.base)));
      f.set(this.entry, i32.and(f.get(this.entry), i32.const(0xff)));
      way.go(0);
    });
  }
}
