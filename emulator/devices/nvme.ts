/**
 * NVMe controller with one namespace: NVM Express 1.4. A command is executed at once, at the virtual time at which it is done;
 * queues and data lie in the guest's memory and may hold anything.
 */
import type { BlockDevice } from '../bus/block';
import type { AccessSize, Device, DeviceContext, MmioHandler, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { MsixCapability } from './msix';
import { executeAdmin } from './nvmeadmin';
import { commandOf, executeIo, type Command, type Result } from './nvmecommand';
import { NvmeDma, PrpError } from './nvmedma';
import {
  CC,
  COMPLETION,
  CSTS,
  DOORBELLS,
  MOST_ENTRIES,
  MSIX_PENDING,
  MSIX_TABLE,
  nvmeTable,
  QUEUES,
  REGISTER,
  SUBMISSION,
  VECTORS,
  WINDOW,
} from './nvmeregisters';
import { PciFunction } from './pcifunction';

const IDENTITY = { vendor: 0x8086, device: 0x0111, revision: 0x01, classCode: 0x010802 } as const;
const VERSION = 0x00010400;
/** Contiguous queues required, five seconds until ready; the NVM command set. */
const CAP = (MOST_ENTRIES - 1) | (1 << 16) | (10 << 24);
const CAP_HIGH = 1 << 5;
/** Memory page size and command set other than the only ones. */
const CC_OTHERS = 0x07f0;
const CC_WRITABLE = 0x00fffff1;

/** Virtual time of a command, and of each byte: about that of a good disk. */
const LATENCY_NS = 10_000;
const BYTES_PER_NS = 2;

export interface NvmeOptions {
  readonly name: string;
  readonly disk: BlockDevice;
  /** RAM that it may use. */
  readonly reachable: (address: number, length: number) => boolean;
  /** The write that delivers a message-signalled interrupt. */
  readonly msi: (address: number, data: number) => void;
}

export class Nvme implements Device<typeof nvmeTable>, MmioHandler {
  readonly name: string;
  readonly kind = 'nvme';
  readonly version = 1;
  readonly table = nvmeTable;
  readonly state = initial(nvmeTable);
  readonly pci: PciFunction;
  private readonly msix: MsixCapability;
  private readonly dma: NvmeDma;
  private readonly disk: BlockDevice;

  constructor(
    private readonly context: DeviceContext,
    { name, disk, reachable, msi }: NvmeOptions,
  ) {
    this.name = name;
    this.disk = disk;
    this.dma = new NvmeDma(context.memory, reachable);
    this.msix = new MsixCapability({ vectors: VECTORS, bar: 0, tableOffset: MSIX_TABLE, pendingOffset: MSIX_PENDING, send: msi }, () => this.state.msix);
    this.pci = new PciFunction(
      {
        ...IDENTITY,
        subsystemVendor: IDENTITY.vendor,
        subsystem: IDENTITY.device,
        interruptPin: 1,
        bars: { 0: { kind: 'mem64', size: WINDOW, handler: this } },
        capabilities: [this.msix],
      },
      () => this.state.config,
    );
  }

  reset(): void {
    reset(nvmeTable, this.state);
    this.pci.setInterrupt(false);
    this.pci.update();
  }
  restored(): void {
    this.pci.update();
  }
  deadline(): Nanoseconds {
    return this.state.due;
  }

  // ── Work ─────────────────────────────────────────────────────────────────────────────────

  private get running(): boolean {
    return (this.state.csts & (CSTS.RDY | CSTS.CFS)) === CSTS.RDY && this.pci.busMaster;
  }

  /** Queues take turns; undefined where there is nothing to do, or no room for its completion. */
  private nextQueue(): number | undefined {
    const { submissions, completions, next } = this.state;
    for (let i = 0; i < QUEUES; i++) {
      const id = (next + i) % QUEUES;
      const { size, head, tail, completion } = submissions[id]!;
      const target = completions[completion];
      if (size > 0 && head !== tail && target && target.size > 0 && (target.tail + 1) % target.size !== target.head) return id;
    }
    return undefined;
  }

  private schedule(): void {
    if (this.state.due === Infinity && this.running && this.nextQueue() !== undefined) this.state.due = this.context.now() + LATENCY_NS;
  }

  expire(now: Nanoseconds): void {
    const { state } = this;
    state.due = Infinity;
    const id = this.running ? this.nextQueue() : undefined;
    if (id === undefined) return;
    let bytes = 0;
    try {
      bytes = this.serve(id);
    } catch (error) {
      if (!(error instanceof PrpError)) throw error;
      // A queue is no longer in memory: nothing goes on until the guest resets the controller (9.5).
      state.csts = (state.csts | CSTS.CFS) >>> 0;
      return;
    }
    if (this.running && this.nextQueue() !== undefined) state.due = now + LATENCY_NS + Math.ceil(bytes / BYTES_PER_NS);
  }

  private serve(id: number): number {
    const { state, dma } = this;
    const queue = state.submissions[id]!;
    const at = queue.head % queue.size;
    const command = commandOf(dma.read(queue.base + BigInt(SUBMISSION * at), SUBMISSION));
    queue.head = (at + 1) % queue.size;
    queue.tail %= queue.size;
    state.next = (id + 1) % QUEUES;
    // What a command does to its own queue comes behind its completion.
    const { head, completion } = queue;
    const result = this.execute(id, command);
    if (!result) return 0;
    this.complete(completion, id, head, command.id, result);
    return result.bytes ?? 0;
  }

  private execute(id: number, command: Command): Result | undefined {
    try {
      return id === 0 ? executeAdmin(command, this.state, this.disk, this.dma) : executeIo(command, this.disk, this.dma);
    } catch (error) {
      if (!(error instanceof PrpError)) throw error;
      return { status: error.status };
    }
  }

  private complete(to: number, from: number, head: number, id: number, { status, value = 0 }: Result): void {
    const queue = this.state.completions[to]!;
    const entry = new DataView(new ArrayBuffer(COMPLETION));
    const at = queue.tail % queue.size;
    entry.setUint32(0, value, true);
    entry.setUint16(8, head, true);
    entry.setUint16(10, from, true);
    entry.setUint16(12, id, true);
    entry.setUint16(14, (status << 1) | (queue.phase ? 1 : 0), true);
    this.dma.write(queue.base + BigInt(COMPLETION * at), new Uint8Array(entry.buffer));
    queue.tail = (at + 1) % queue.size;
    if (queue.tail === 0) queue.phase = !queue.phase;
    if (queue.interrupts && this.msix.enabled) this.msix.signal(queue.vector);
    this.updatePin();
  }

  /** The pin is active while the guest has not seen all completions (7.5.1.1). */
  private updatePin(): void {
    const waits = this.state.completions.some(({ size, interrupts, head, tail }) => size > 0 && interrupts && head !== tail);
    this.pci.setInterrupt(waits && !this.msix.enabled && !(this.state.intm & 1));
  }

  // ── BAR0 ─────────────────────────────────────────────────────────────────────────────────

  mmioRead(offset: number, size: AccessSize): number {
    if (this.msix.covers(offset)) return this.msix.mmioRead(offset, size);
    const value = this.read(offset & ~3) >>> (8 * (offset & 3));
    return (size === 4 ? value : value & (2 ** (8 * size) - 1)) >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (this.msix.covers(offset)) this.msix.mmioWrite(offset, size, value);
    else if (offset >= DOORBELLS && offset < DOORBELLS + 8 * QUEUES && !(offset & 3)) this.doorbell((offset - DOORBELLS) >> 2, value & 0xffff);
    else if (size === 4 && !(offset & 3)) this.write(offset, value >>> 0);
  }

  private read(offset: number): number {
    const { intm, cc, csts, aqa, asq, acq } = this.state;
    switch (offset) {
      case REGISTER.CAP:
        return CAP;
      case REGISTER.CAP_HIGH:
        return CAP_HIGH;
      case REGISTER.VS:
        return VERSION;
      case REGISTER.INTMS:
      case REGISTER.INTMC:
        return intm;
      case REGISTER.CC:
        return cc;
      case REGISTER.CSTS:
        return csts;
      case REGISTER.AQA:
        return aqa;
      case REGISTER.ASQ:
      case REGISTER.ASQ_HIGH:
        return half(asq, offset === REGISTER.ASQ_HIGH);
      case REGISTER.ACQ:
      case REGISTER.ACQ_HIGH:
        return half(acq, offset === REGISTER.ACQ_HIGH);
      default:
        return 0;
    }
  }

  private write(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case REGISTER.INTMS:
      case REGISTER.INTMC:
        state.intm = (offset === REGISTER.INTMS ? state.intm | value : state.intm & ~value) >>> 0;
        return this.updatePin();
      case REGISTER.CC:
        return this.configure((value & CC_WRITABLE) >>> 0);
      case REGISTER.AQA:
        state.aqa = value & 0x0fff0fff;
        return;
      case REGISTER.ASQ:
      case REGISTER.ASQ_HIGH:
        state.asq = withHalf(state.asq, offset === REGISTER.ASQ_HIGH, value) & ~0xfffn;
        return;
      case REGISTER.ACQ:
      case REGISTER.ACQ_HIGH:
        state.acq = withHalf(state.acq, offset === REGISTER.ACQ_HIGH, value) & ~0xfffn;
        return;
      default:
        return;
    }
  }

  private configure(value: number): void {
    const { state } = this;
    const before = state.cc;
    state.cc = value;
    if (before & ~value & CC.EN) this.disable();
    else if (value & ~before & CC.EN) this.enable();
    if (value & CC.SHN) state.csts = ((state.csts & ~0xc) | CSTS.SHST_COMPLETE) >>> 0;
    else if (before & CC.SHN) state.csts = (state.csts & ~0xc) >>> 0;
  }

  /** Controller reset (7.3.2): all but the admin queue's registers. */
  private disable(): void {
    const { asq, acq, aqa, config, msix, cc } = this.state;
    reset(nvmeTable, this.state);
    Object.assign(this.state, { asq, acq, aqa, config, msix, cc });
    this.pci.setInterrupt(false);
  }

  private enable(): void {
    const { state, dma } = this;
    const [submissions, completions] = [(state.aqa & 0xfff) + 1, (state.aqa >>> 16) + 1];
    const there = dma.valid(state.asq, SUBMISSION * submissions) && dma.valid(state.acq, COMPLETION * completions);
    if (state.cc & CC_OTHERS || submissions < 2 || completions < 2 || !there) {
      state.csts = (state.csts | CSTS.CFS) >>> 0;
      return;
    }
    state.submissions[0] = { base: state.asq, size: submissions, completion: 0, head: 0, tail: 0 };
    state.completions[0] = { base: state.acq, size: completions, interrupts: true, vector: 0, head: 0, tail: 0, phase: true };
    state.csts = (state.csts | CSTS.RDY) >>> 0;
  }

  /** Values beyond a queue, and queues that do not exist, mean nothing. */
  private doorbell(index: number, value: number): void {
    const { submissions, completions } = this.state;
    const id = index >> 1;
    if (index & 1) {
      if (value < completions[id]!.size) completions[id]!.head = value;
      this.updatePin();
    } else if (value < submissions[id]!.size) submissions[id]!.tail = value;
    this.schedule();
  }
}

const half = (value: bigint, high: boolean): number => Number((high ? value >> 32n : value) & 0xffffffffn);
const withHalf = (old: bigint, high: boolean, value: number): bigint =>
  high ? (old & 0xffffffffn) | (BigInt(value) << 32n) : (old & ~0xffffffffn) | BigInt(value);
