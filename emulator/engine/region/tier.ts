import { ModuleBuilder } from '../../wasm/module';
import * as layout from '../../x86/layout';
import type { Tier } from '../engine';
import type { NumberedForms } from '../handlers';
import { importUsedHelpers, type Signatures } from '../helpers';
import { tableSize } from '../interpreter';
import type { HelperExports } from '../wasm-module';
import { compileRegion } from './compile';
import { collect, type RegionBlock, type RegionSource } from './graph';
import { planRegion, type Plan } from './plan';

const PAGE = 0x1000;
/** Regions that are compiled into one module; instructions after which a smaller batch is compiled too. */
const BATCH = 12;
const PATIENCE = 300_000;
/** Instructions on the longest way through a region without loops, below which entering it costs more than interpreting it. */
const WORTH = 8;
/**
 * Blocks where other regions are entered, of which a region has code of its own. Small functions are worth it; more than these are
 * left to their regions: three quarters of what was compiled in a boot would be copies.
 */
const MOST_SHARED = 4;
/** Bytes of modules after which all compiled code is dropped. */
const CODE_LIMIT = 48 << 20;
/** Targets that an indirect jump is tried for. */
const NEAR = 48;

/** Guest instructions that are compiled at once: more would hold up the host for longer than a pause may take. */
const MOST_AT_ONCE = 500;

const THRESHOLD: Readonly<Record<Tier, number>> = { generic: layout.HEAT_NEVER, auto: 120_000, region: 0 };

export interface TierHost {
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly forms: () => NumberedForms;
  readonly signatures: Signatures;
  helpers(): HelperExports;
  table(): WebAssembly.Table;
  /** Host address that code at a linear address has now, without side effects; 0 if unknown. */
  probe(linear: bigint): number;
  count(): number;
  /** The driver is to call `breathe` after so many instructions. */
  comeBack(instructions: number): void;
  /** Ends the slice: it has taken long. */
  endSlice(): void;
  /** Forgets all decoded and compiled code. */
  dropAll(): void;
  /** Milliseconds, for statistics. */
  clock(): number;
}

interface Region {
  readonly slot: number;
  readonly plan: Plan;
  /** Host addresses of the pages of `plan.pages`. */
  readonly hosts: readonly number[];
}

/** A block that is worth compiling, where it lies, and the privilege that it runs at. */
interface Candidate {
  readonly header: number;
  readonly linear: bigint;
  readonly tlbSet: number;
}

export interface TierStatistics {
  regions: number;
  modules: number;
  bytes: number;
  dropped: number;
  milliseconds: number;
}

/** Compiles hot code to WebAssembly, and forgets it when the code changes. */
export class RegionTier {
  readonly statistics: TierStatistics = { regions: 0, modules: 0, bytes: 0, dropped: 0, milliseconds: 0 };
  private readonly regions = new Map<number, Region>();
  private readonly byPage = new Map<number, Set<number>>();
  private readonly free: number[] = [];
  private nextSlot = 0;
  private queue: Candidate[] = [];
  private queuedAt = 0;
  private bytes = 0;

  constructor(
    private readonly host: TierHost,
    private readonly tier: Tier,
  ) {}

  get threshold(): number {
    return THRESHOLD[this.tier];
  }

  /** A block whose heat is used up: its new heat. */
  hot(header: number): number {
    const { view } = this.host;
    if (this.tier === 'generic') return this.heat(header, layout.HEAT_NEVER);
    this.heat(header, layout.HEAT_NEVER);
    const linear = view.getBigUint64(layout.CODE_PAGE, true) + BigInt(view.getUint32(header + layout.BLOCK_OFFSET, true));
    if (!this.queue.length) {
      this.queuedAt = this.host.count();
      this.host.comeBack(PATIENCE);
    }
    this.queue.push({ header, linear, tlbSet: view.getUint32(layout.TLB_SET, true) });
    if (this.tier === 'region' || this.queue.length >= BATCH) this.compileQueue();
    return view.getInt32(header + layout.BLOCK_HEAT, true);
  }
  /** Compiled code is bounded: it is all dropped, between runs, and what is hot still is compiled again. */
  private get full(): boolean {
    return this.bytes > CODE_LIMIT || this.nextSlot > layout.REGION_STATES - 64;
  }
  private heat(header: number, value: number): number {
    this.host.view.setInt32(header + layout.BLOCK_HEAT, value, true);
    return value;
  }

  /** To be called now and then between runs. */
  breathe(): void {
    if (this.full) this.host.dropAll();
    else if (this.queue.length && this.host.count() - this.queuedAt >= PATIENCE) this.compileQueue();
  }

  /** Whether a region's pages are where they were when it was compiled, for the address space of now. */
  prepare(slot: number, entry: number): boolean {
    const { view } = this.host;
    const { plan, hosts } = this.regions.get(slot)!;
    const base = view.getBigUint64(layout.CODE_PAGE, true) - BigInt(plan.entryPages[entry >>> 8]!);
    const usable = plan.pages.every((place, i) => this.host.probe(this.linear(plan, base, place)) === hosts[i]);
    const state = layout.REGION_STATE + slot * layout.REGION_STATE_SIZE;
    view.setUint32(state, view.getUint32(layout.CONTEXT, true), true);
    view.setUint32(state + 4, usable ? 1 : 0, true);
    view.setBigInt64(state + 8, BigInt.asIntN(64, base), true);
    return usable;
  }
  private linear({ mode64 }: Plan, base: bigint, place: number): bigint {
    return BigInt.asUintN(mode64 ? 64 : 32, base + BigInt(place));
  }

  // ── Forgetting ───────────────────────────────────────────────────────────────────────────

  /** Bytes that are code change: regions made from them are dropped. */
  drop(host: number, size: number): void {
    for (const slot of [...(this.byPage.get(host >>> 12) ?? [])]) {
      const { plan, hosts } = this.regions.get(slot)!;
      const touched = plan.blocks.some(({ place, bytes, pages }) =>
        pages.some((page) => {
          const toHost = hosts[plan.pages.indexOf(page)]! - page;
          return toHost + Math.max(place, page) < host + size && toHost + Math.min(place + bytes, page + PAGE) > host;
        }),
      );
      if (touched) this.remove(slot);
    }
  }
  private remove(slot: number): void {
    const { view } = this.host;
    const { plan, hosts } = this.regions.get(slot)!;
    this.regions.delete(slot);
    this.free.push(slot);
    this.statistics.dropped++;
    for (const host of hosts) this.byPage.get(host >>> 12)?.delete(slot);
    for (const { header } of plan.blocks) {
      const heat = view.getInt32(header + layout.BLOCK_HEAT, true);
      if (heat < 0 && (heat & (layout.REGION_STATES - 1)) === slot) this.heat(header, this.threshold);
    }
  }

  /** All decoded code is gone, and what was compiled from it. */
  reset(): void {
    const { view } = this.host;
    for (const page of this.byPage.keys()) view.setUint8(layout.PAGE_FLAGS + page, view.getUint8(layout.PAGE_FLAGS + page) & ~layout.PAGE_REGION);
    this.regions.clear();
    this.byPage.clear();
    this.free.length = 0;
    this.nextSlot = 0;
    this.queue = [];
    this.bytes = 0;
  }

  // ── Compiling ────────────────────────────────────────────────────────────────────────────

  private compileQueue(): void {
    const start = this.host.clock();
    this.compile();
    this.statistics.milliseconds += this.host.clock() - start;
  }

  private compile(): void {
    const { queue } = this;
    this.queue = [];
    if (this.full) return;
    const module = new ModuleBuilder();
    module.importMemory('host', 'memory', { min: 1, max: 65536, shared: true });
    const helpers = importUsedHelpers(module, this.host.signatures);
    const made: Region[] = [];
    const { view } = this.host;
    const forms = this.host.forms();
    const wanted = new Set(queue.map(({ header }) => header));
    let instructions = 0;
    for (const item of queue) {
      if (instructions >= MOST_AT_ONCE) {
        this.queue.push(item);
        continue;
      }
      if (view.getUint32(item.header + layout.BLOCK_MODE, true) === layout.BLOCK_DROPPED || view.getInt32(item.header + layout.BLOCK_HEAT, true) < 0) continue;
      const region = this.plan(item, wanted);
      if (!region) continue;
      module.export(`${region.slot}`, compileRegion({ module, helpers, memory: view, forms }, region.plan, region.slot));
      made.push(region);
      this.install(region);
      instructions += region.plan.blocks.reduce((sum, { compiled }) => sum + compiled, 0);
    }
    if (this.queue.length) {
      this.queuedAt = this.host.count() - PATIENCE;
      this.host.comeBack(PATIENCE);
    }
    if (!made.length) return;
    const binary = module.finish();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), {
      host: { memory: this.host.memory },
      helpers: this.host.helpers() as unknown as WebAssembly.ModuleImports,
    });
    const table = this.host.table();
    const first = tableSize(forms.count);
    for (const { slot } of made) {
      if (table.length <= first + slot) table.grow(Math.max(1024, first + slot + 1 - table.length));
      table.set(first + slot, instance.exports[`${slot}`]);
    }
    this.bytes += binary.length;
    this.statistics.bytes += binary.length;
    this.statistics.modules++;
    this.statistics.regions += made.length;
    if (instructions >= MOST_AT_ONCE / 2) this.host.endSlice();
  }

  private plan({ header, linear, tlbSet }: Candidate, wanted: ReadonlySet<number>): Region | undefined {
    const { view } = this.host;
    const forms = this.host.forms();
    const mode = view.getUint32(header + layout.BLOCK_MODE, true);
    const mode64 = (mode & layout.MODE_64) !== 0;
    // Where segments are not flat, every jump is the interpreter's.
    if (!mode64 && !(mode & layout.MODE_FLAT)) return undefined;
    const base = linear & ~0xfffn;
    const helpers = this.host.helpers();
    const hosts = new Map<number, number>([[0, view.getUint32(header + layout.BLOCK_HOST, true) & ~(PAGE - 1)]]);
    const crossing = view.getUint32(header + layout.BLOCK_CROSSING, true);
    if (crossing) hosts.set(PAGE, crossing);
    const hostOf = (page: number): number => {
      const known = hosts.get(page);
      if (known !== undefined) return known;
      const found = this.host.probe(BigInt.asUintN(mode64 ? 64 : 32, base + BigInt(page)));
      hosts.set(page, found);
      return found;
    };
    let shared = 0;
    // Blocks that have run a little are taken along: they will run again.
    const warm = this.threshold - (this.threshold >> 6);
    const source: RegionSource = {
      memory: view,
      forms,
      find: (place) => {
        const page = place - (place & (PAGE - 1));
        const host = hostOf(page);
        if (!host) return 0;
        const block = helpers.lookup(host + (place - page), mode) >>> 0;
        const second = block && view.getUint32(block + layout.BLOCK_CROSSING, true);
        if (!block || (second && hostOf(page + PAGE) !== second)) return 0;
        const heat = view.getInt32(block + layout.BLOCK_HEAT, true);
        if (heat < 0 && this.tier === 'auto') return ++shared > MOST_SHARED ? 0 : block;
        return heat <= warm || this.queued(block) ? block : 0;
      },
      placeOf: (address) => {
        const place = BigInt.asIntN(mode64 ? 64 : 32, address - base);
        return address !== 0n && place === BigInt.asIntN(31, place) ? Number(place) : undefined;
      },
    };
    const blocks = collect(source, header, Number(linear & 0xfffn), (block) => this.near(block, hostOf, mode));
    if (blocks.length === 1 && blocks[0]!.compiled === 0) return undefined;
    const plan = planRegion(blocks, mode, tlbSet, wanted);
    if (this.tier === 'auto' && plan.longest < WORTH && plan.loops.every((headers) => headers.length === 0)) return undefined;
    const slot = this.free.pop() ?? this.nextSlot++;
    return { slot, plan, hosts: plan.pages.map((page) => hostOf(page)) };
  }
  /** It waits to be compiled itself, and its heat goes down from HEAT_NEVER. */
  private queued(block: number): boolean {
    return this.host.view.getInt32(block + layout.BLOCK_HEAT, true) > this.threshold;
  }

  /** Blocks of the same page that an indirect jump may lead to. */
  private near(block: RegionBlock, hostOf: (page: number) => number, mode: number): readonly number[] {
    if (block.terminator.kind !== 'indirect' || block.terminator.next !== undefined) return [];
    const { view } = this.host;
    const page = block.place - (block.place & (PAGE - 1));
    const places: number[] = [];
    for (
      let at = view.getUint32(layout.CODE_HEAD + (hostOf(page) >>> 12) * 4, true);
      at && places.length < NEAR;
      at = view.getUint32(at + layout.BLOCK_LINK, true)
    )
      if (view.getUint32(at + layout.BLOCK_MODE, true) === mode) places.push(page + view.getUint32(at + layout.BLOCK_OFFSET, true));
    return places;
  }

  /** From now on its entries lead to it; writes to its pages are looked at. */
  private install(region: Region): void {
    const { view } = this.host;
    const { plan, slot, hosts } = region;
    this.regions.set(slot, region);
    view.setUint32(layout.REGION_STATE + slot * layout.REGION_STATE_SIZE, 0, true);
    for (const host of hosts) {
      const page = host >>> 12;
      const slots = this.byPage.get(page) ?? new Set();
      this.byPage.set(page, slots.add(slot));
      view.setUint8(layout.PAGE_FLAGS + page, view.getUint8(layout.PAGE_FLAGS + page) | layout.PAGE_REGION);
    }
    for (const node of plan.entries) {
      const { header, place } = plan.blockOf(node);
      if (node !== 1 && view.getInt32(header + layout.BLOCK_HEAT, true) < 0) continue;
      const page = plan.entryPages.indexOf(place - (place & (PAGE - 1)));
      this.heat(header, layout.HEAT_COMPILED | (((page << 8) | node) << 14) | slot);
    }
  }
}
