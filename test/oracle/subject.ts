/** Our engine in the processor's place: runs the oracle's cases and reports in the oracle's words. */
import { Exit, type EngineHost } from '../../emulator/engine/engine';
import type { Tier } from '../../emulator/engine/engine';
import { WasmEngine } from '../../emulator/engine/wasm-engine';
import { readBinaries } from '../../emulator/machine/node';
import * as layout from '../../emulator/x86/layout';
import { ACTIVE } from '../../emulator/x86/vcpu';
import { changesOf } from './compare';
import { FX } from './fxstate';
import { CODE, CODE_MAX, CODE32_SELECTOR, CODE64_SELECTOR, CR0_BITS, CR4_BITS, DATA, DATA_SELECTOR, DATA_SIZE, PAGE, PAGES, STACK, STACK_SIZE } from './layout';
import { FX_SIZE, type MemoryPiece, type OracleCase, type OracleResult } from './oracle';

// Physical memory of the machine that surrounds a case.
const TABLES = 0x100000;
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
/** One address for each vector; the engine stops before what is there. */
const HANDLERS = 0x4000;
const KERNEL_STACK = 0x6000;
const BACKING = 0x10000;
/** Linear address of the kernel's pages: one to one, 2 MiB, in the upper half. */
const KERNEL = 0xffff800000000000n;
const KERNEL_CODE = 0x10;
const TASK = 0x40;
const VECTORS = 32;
const INT3 = 0xcc;
/** Instructions; each iteration of a string counts. */
const LIMIT = 100_000;

const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const LARGE = 0x80n;
const NO_EXECUTE = 1n << 63n;

const bits = (table: Readonly<Record<string, number>>): bigint => Object.values(table).reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
const flat = (selector: number, attributes: number) => ({ selector, base: 0n, limit: 0xffffffff, attributes });

/** A machine without devices. */
const host: EngineHost = {
  portRead: () => 0xffffffff,
  portWrite: () => undefined,
  mmioRead: () => 0xffffffff,
  mmioWrite: () => undefined,
  acknowledgeInterrupt: () => -1,
  interruptPending: () => false,
  readApicMsr: () => undefined,
  writeApicMsr: () => false,
  getTaskPriority: () => 0,
  setTaskPriority: () => undefined,
  timestampChanged: () => undefined,
};

/** What runs cases in the processor's place. */
export type Contender = Pick<Subject, 'setMemory' | 'run'>;

export class Subject {
  private image = new Uint8Array(DATA_SIZE + STACK_SIZE);
  private readonly view: DataView;
  /** Offset of the code that the last case has left in its page. */
  private lastCode = 0;

  protected constructor(protected readonly engine: WasmEngine) {
    this.view = new DataView(engine.ram.buffer, engine.ram.byteOffset, engine.ram.length);
    this.buildTables();
    engine.physicalWrite(BACKING, new Uint8Array(PAGE).fill(INT3));
    engine.setBreakpoints(Array.from({ length: VECTORS }, (_, vector) => KERNEL + BigInt(HANDLERS + vector * 16)));
  }

  static async start(): Promise<Subject> {
    return new Subject(await Subject.machine());
  }

  protected static async machine(tier: Tier = 'auto'): Promise<WasmEngine> {
    const other = process.env['GUEST_ENGINE'];
    const binaries = await readBinaries(other === undefined ? undefined : [other]);
    return WasmEngine.create({ ramBytes: 16 << 20, vcpus: 1, backings: [], host, tier }, binaries);
  }

  /** What DATA and STACK hold before each case from now on. */
  setMemory(data: Uint8Array, stack: Uint8Array): void {
    this.image = new Uint8Array(Buffer.concat([data, stack]));
    this.engine.physicalWrite(BACKING + PAGE, this.image);
  }

  run(one: OracleCase): OracleResult {
    const { engine } = this;
    this.prepare(one);
    this.before(one);
    const exit = engine.run(LIMIT);
    const { vcpu } = engine;
    if (exit !== Exit.Breakpoint || vcpu.cpl !== 0) throw new Error(`left with ${exit}: ${engine.error?.message ?? 'no exception'}`);
    const trap = (Number(BigInt.asUintN(32, vcpu.rip)) - HANDLERS) / 16;
    const hasCode = [8, 10, 11, 12, 13, 14, 17].includes(trap);
    const frame = Number(BigInt.asUintN(32, vcpu.gpr(4)));
    const word = (index: number): bigint => this.view.getBigUint64(frame + (index + (hasCode ? 1 : 0)) * 8, true);
    const registers = BigUint64Array.from({ length: 16 }, (_, i) => (i === 4 ? word(3) : vcpu.gpr(i)));
    return {
      signal: 0,
      trap,
      errorCode: hasCode ? this.view.getUint32(frame, true) : 0,
      cr2: vcpu.u64(layout.CR2),
      rip: word(0),
      rflags: Number(BigInt.asUintN(32, word(2))),
      registers,
      selectors: {
        cs: Number(word(1)),
        ss: Number(word(4)),
        ds: vcpu.selector(layout.DS),
        es: vcpu.selector(layout.ES),
        fs: vcpu.selector(layout.FS),
        gs: vcpu.selector(layout.GS),
      },
      fx: this.fx(),
      changes: this.changes(),
    };
  }

  /** The state is ready: a chance to run the beginning by other means. */
  protected before(one: OracleCase): void {
    void one;
  }

  /** Differences to the image; puts the image back. */
  private changes(): MemoryPiece[] {
    const { engine, image } = this;
    const now = engine.ram.subarray(BACKING + PAGE, BACKING + PAGE + image.length);
    if (Buffer.compare(now, image) === 0) return [];
    const changes = [
      ...changesOf(DATA, image.subarray(0, DATA_SIZE), now.subarray(0, DATA_SIZE)),
      ...changesOf(STACK, image.subarray(DATA_SIZE), now.subarray(DATA_SIZE)),
    ];
    engine.physicalWrite(BACKING + PAGE, image);
    return changes;
  }

  private prepare(one: OracleCase): void {
    const { engine } = this;
    const { vcpu } = engine;
    engine.physicalWrite(BACKING + this.lastCode, new Uint8Array(Math.min(CODE_MAX, PAGE - this.lastCode)).fill(INT3));
    engine.physicalWrite(BACKING + one.codeOffset, one.code);
    this.lastCode = one.codeOffset;
    for (const { address, bytes } of one.patches)
      engine.physicalWrite(BACKING + PAGE + (address >= STACK ? address - STACK + DATA_SIZE : address - DATA), bytes);
    const wide = one.mode === 64;
    vcpu.setSegment(layout.CS, wide ? flat(CODE64_SELECTOR, 0xa0fb) : flat(CODE32_SELECTOR, 0xc0fb));
    for (const s of [layout.DS, layout.ES, layout.SS]) vcpu.setSegment(s, flat(DATA_SELECTOR, 0xc0f3));
    const other = wide ? { selector: 0, base: 0n, limit: 0, attributes: 0x10000 } : flat(DATA_SELECTOR, 0xc0f3);
    vcpu.setSegment(layout.FS, wide ? { ...other, base: one.fsBase } : other);
    vcpu.setSegment(layout.GS, wide ? { ...other, base: one.gsBase } : other);
    vcpu.cpl = 3;
    one.registers.forEach((value, i) => vcpu.setGpr(i, wide || i < 8 ? value : 0n));
    vcpu.rip = BigInt(CODE + one.codeOffset);
    vcpu.rflags = BigInt((one.rflags & 0x240dd5) | 0x202 | (one.rflags & 0x100));
    vcpu.setU64(layout.CR2, 0n);
    vcpu.setU32(layout.ACTIVITY, ACTIVE);
    this.setFx(one.fx);
    engine.modeChanged();
  }

  private setFx(fx: Uint8Array): void {
    const { vcpu } = this.engine;
    const image = new DataView(fx.buffer, fx.byteOffset, fx.length);
    vcpu.setU16(layout.FPU_CONTROL, image.getUint16(FX.fcw, true));
    const status = image.getUint16(FX.fsw, true);
    vcpu.setU16(layout.FPU_STATUS, status);
    vcpu.view.setUint8(layout.FPU_TAGS, image.getUint8(FX.ftw));
    vcpu.setU32(layout.MXCSR, image.getUint32(FX.mxcsr, true));
    for (let i = 0; i < 8; i++) {
      const at = layout.FPR + 16 * (((status >> 11) + i) & 7);
      vcpu.setU64(at, image.getBigUint64(FX.st + 16 * i, true));
      vcpu.setU64(at + 8, BigInt(image.getUint16(FX.st + 16 * i + 8, true)));
    }
    for (let i = 0; i < 32; i++) vcpu.setU64(layout.XMM + 8 * i, image.getBigUint64(FX.xmm + 8 * i, true));
  }

  private fx(): Uint8Array {
    const { vcpu } = this.engine;
    const image = new DataView(new ArrayBuffer(FX_SIZE));
    image.setUint16(FX.fcw, vcpu.u16(layout.FPU_CONTROL), true);
    const status = vcpu.u16(layout.FPU_STATUS);
    image.setUint16(FX.fsw, status, true);
    image.setUint8(FX.ftw, vcpu.view.getUint8(layout.FPU_TAGS));
    image.setUint32(FX.mxcsr, vcpu.u32(layout.MXCSR), true);
    for (let i = 0; i < 8; i++) {
      const at = layout.FPR + 16 * (((status >> 11) + i) & 7);
      image.setBigUint64(FX.st + 16 * i, vcpu.u64(at), true);
      image.setUint16(FX.st + 16 * i + 8, vcpu.u16(at + 8), true);
    }
    for (let i = 0; i < 32; i++) image.setBigUint64(FX.xmm + 8 * i, vcpu.u64(layout.XMM + 8 * i), true);
    return new Uint8Array(image.buffer);
  }

  // ── The surrounding machine ────────────────────────────────────────────────────────────────

  private buildTables(): void {
    const { view, engine } = this;
    let free = TABLES + PAGE;
    const next = (table: number, index: number): number => {
      const entry = view.getBigUint64(table + index * 8, true);
      if (entry) return Number(entry & 0xffffff000n);
      const made = free;
      free += PAGE;
      view.setBigUint64(table + index * 8, BigInt(made) | PRESENT | WRITABLE | USER, true);
      return made;
    };
    const at = (linear: bigint, level: number): number => Number((linear >> BigInt(12 + 9 * level)) & 511n);
    for (const { linear, backing, writable, executable } of PAGES) {
      const where = BigInt(linear);
      const table = next(next(next(TABLES, at(where, 3)), at(where, 2)), at(where, 1));
      const entry = BigInt(BACKING + backing * PAGE) | PRESENT | USER | (writable ? WRITABLE : 0n) | (executable ? 0n : NO_EXECUTE);
      view.setBigUint64(table + at(where, 0) * 8, entry, true);
    }
    const kernel = next(next(TABLES, at(KERNEL, 3)), at(KERNEL, 2));
    view.setBigUint64(kernel, PRESENT | WRITABLE | LARGE, true);

    const { vcpu } = engine;
    const descriptor = (selector: number, value: bigint) => view.setBigUint64(GDT + (selector & ~7), value, true);
    descriptor(KERNEL_CODE, 0x00af9b000000ffffn);
    descriptor(KERNEL_CODE + 8, 0x00cf93000000ffffn);
    descriptor(CODE32_SELECTOR, 0x00cffb000000ffffn);
    descriptor(CODE64_SELECTOR, 0x00affb000000ffffn);
    descriptor(DATA_SELECTOR, 0x00cff3000000ffffn);
    for (let vector = 0; vector < VECTORS; vector++) {
      const handler = KERNEL + BigInt(HANDLERS + vector * 16);
      const dpl = vector === 3 || vector === 4 ? 3n : 0n;
      const low = (handler & 0xffffn) | (BigInt(KERNEL_CODE) << 16n) | (0x8en << 40n) | (dpl << 45n) | (((handler >> 16n) & 0xffffn) << 48n);
      view.setBigUint64(IDT + vector * 16, low, true);
      view.setBigUint64(IDT + vector * 16 + 8, handler >> 32n, true);
    }
    view.setBigUint64(TSS + 4, KERNEL + BigInt(KERNEL_STACK), true);
    vcpu.setU64(layout.GDTR_BASE, KERNEL + BigInt(GDT));
    vcpu.setU32(layout.GDTR_LIMIT, 0x7f);
    vcpu.setU64(layout.IDTR_BASE, KERNEL + BigInt(IDT));
    vcpu.setU32(layout.IDTR_LIMIT, VECTORS * 16 - 1);
    vcpu.setSegment(layout.TR, { selector: TASK, base: KERNEL + BigInt(TSS), limit: 0x67, attributes: 0x8b });
    vcpu.setU64(layout.CR0, bits(CR0_BITS));
    vcpu.setU64(layout.CR3, BigInt(TABLES));
    vcpu.setU64(layout.CR4, bits(CR4_BITS));
    vcpu.setU64(layout.EFER, 0xd01n);
    engine.flush();
  }
}
