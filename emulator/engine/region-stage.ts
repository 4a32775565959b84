import { i32, i64, i64c, type I32, type I64 } from '../wasm/expr';
import type { FunctionBuilder, Local } from '../wasm/function';
import { ModuleBuilder } from '../wasm/module';
import type { Form } from '../x86/forms';
import * as layout from '../x86/layout';
import { GenericStage, type Flow } from './generic-stage';
import { SPECIAL, type Handlers } from './handlers';
import { importHelpers, type Helpers, type Signatures } from './helpers';

const GENERAL_REGISTERS = 16;
const STATE_END = layout.GPR + GENERAL_REGISTERS * 8;
/** What lives in WebAssembly locals while a region runs, by window address. */
const IN_LOCALS = [...Array.from({ length: GENERAL_REGISTERS }, (_, i) => layout.GPR + i * 8), layout.FLAG_RESULT, layout.FLAG_CARRIES];

/** Guest registers and lazy flags in locals: loaded when the region is entered, stored where it is left. */
export class RegionState {
  private readonly locals: ReadonlyMap<number, Local<'i64'>>;
  private readonly written = new Set<number>();

  constructor(private readonly f: FunctionBuilder) {
    this.locals = new Map(IN_LOCALS.map((address) => [address, f.local('i64')]));
  }

  enter(): void {
    for (const [address, local] of this.locals) this.f.set(local, i64.load(i32.const(address)));
  }
  /** Everything back into the window, as helpers and the interpreter expect it. */
  spill(): void {
    for (const address of this.written) this.f.store('i64', i32.const(address), 0, this.f.get(this.locals.get(address)!));
  }

  load(bits: number, address: number): I64 | undefined {
    const found = this.find(address);
    if (!found) return undefined;
    const value = i64.shrU(this.f.get(found.local), i64c(found.shift));
    return bits === 64 ? value : i64.and(value, i64c((1n << BigInt(bits)) - 1n));
  }

  store(bits: number, address: number, value: I64): boolean {
    const found = this.find(address);
    if (!found) return false;
    const { local, shift } = found;
    if (bits === 64) this.f.set(local, value);
    else {
      const mask = ((1n << BigInt(bits)) - 1n) << BigInt(shift);
      const moved = i64.and(i64.shl(value, i64c(shift)), i64c(mask));
      this.f.set(local, i64.or(i64.and(this.f.get(local), i64c(~mask)), moved));
    }
    this.written.add(found.base);
    return true;
  }

  /** The local that holds an address; `shift` is 8 for AH, CH, DH and BH. */
  private find(address: number): { local: Local<'i64'>; base: number; shift: number } | undefined {
    const base = address < STATE_END ? address & ~7 : address;
    const local = this.locals.get(base);
    return local && { local, base, shift: (address - base) * 8 };
  }
}

/**
 * The stage of compiled code: operands are known from the decoded record, registers and flags are locals.
 * The meanings are the interpreter's.
 */
export class RegionStage extends GenericStage {
  constructor(
    f: FunctionBuilder,
    record: Local<'i32'>,
    form: Form,
    helpers: Helpers,
    flow: Flow,
    private readonly region: RegionState,
    private readonly memory: DataView,
    private readonly address: number,
    private readonly page: bigint,
  ) {
    super(f, record, form, helpers, flow, () => {
      throw new TypeError('host functions end a region');
    });
  }

  protected override field8(offset: number): I32 {
    return i32.const(this.memory.getUint8(this.address + offset));
  }
  protected override field16(offset: number): I32 {
    return i32.const(this.memory.getUint16(this.address + offset, true));
  }
  protected override displacement(): I64 {
    return i64c(this.memory.getInt32(this.address + layout.REC_DISP, true));
  }
  protected override immediate(): I64 {
    return i64c(this.memory.getBigInt64(this.address + layout.REC_IMM, true));
  }
  protected override loadWindow(bits: number, address: I32): I64 {
    const at = Number(address.value);
    if (at === layout.ZERO) return i64c(0);
    if (at === layout.CODE_PAGE) return i64c(this.page);
    return this.region.load(bits, at) ?? super.loadWindow(bits, address);
  }
  protected override storeWindow(bits: number, address: I32, value: I64): void {
    if (!this.region.store(bits, Number(address.value), value)) super.storeWindow(bits, address, value);
  }
}

/** What a compiled block says: how many of its instructions are done; the rest is the interpreter's. */
export const BLOCK = 'block';

/**
 * Compiles the straight-line part of a decoded block: a module that exports `block(): i32`, the number of
 * instructions that have completed. Stops before one that ends the block, or that was left with a fault.
 */
export function compileBlock(
  memory: DataView,
  block: number,
  handlers: Handlers,
  signatures: Signatures,
): { binary: Uint8Array<ArrayBuffer>; instructions: number } {
  const module = new ModuleBuilder();
  module.importMemory('host', 'memory', { min: 1, max: 65536, shared: true });
  const helpers = importHelpers(module, signatures);
  const count = memory.getUint32(block + layout.BLOCK_COUNT, true);
  const page = memory.getBigUint64(layout.CODE_PAGE, true);
  let done = 0;
  const index = module.function(BLOCK, [], ['i32'], (f) => {
    const region = new RegionState(f);
    const record = f.local('i32');
    region.enter();
    for (; done < count; done++) {
      const address = block + layout.RECORD_SIZE * (done + 1);
      const form = handlers.ordered[memory.getUint16(address + layout.REC_HANDLER, true) - SPECIAL.length];
      // MMX instructions need the finish that the interpreter adds; the others are whole in their meanings.
      if (!form || form.attributes.has('ends') || form.operands.some(({ kind }) => kind === 'mmx')) break;
      const completed = done;
      const flow: Flow = {
        leave: () => {
          region.spill();
          f.return(i32.const(completed));
        },
        goto: () => {
          throw new TypeError('a jump inside a straight line');
        },
        host: () => {
          throw new TypeError('a host function inside a straight line');
        },
      };
      f.set(record, i32.const(address));
      // A checked address is computed by a helper, from the window.
      if (form.addressing === 'checked') region.spill();
      f.scope(() => form.definition.meaning(new RegionStage(f, record, form, helpers, flow, region, memory, address, page), ...form.operands));
    }
    region.spill();
    f.return(i32.const(done));
  });
  module.export(BLOCK, index);
  return { binary: module.finish(), instructions: done };
}
