/** The modern PCI transport of VIRTIO 1.2, 4.1: what every virtio device has in common. */
import type { AccessSize, DeviceContext, MmioHandler } from '../bus/device';
import { MsixCapability } from './msix';
import { PciFunction } from './pcifunction';
import { AccessCapability, STRUCTURE, StructureCapability } from './virtiocapability';
import { NO_VECTOR, type VirtioState } from './virtiofields';
import { isFault, Virtqueue, type Chain, type Fault, type QueueState } from './virtioqueue';

const VENDOR = 0x1af4;
/** Device ids are this and the device's type (4.1.2). */
const DEVICE = 0x1040;
const SUBSYSTEM = 0x1100;

export const FEATURE = { INDIRECT_DESC: 1n << 28n, EVENT_IDX: 1n << 29n, VERSION_1: 1n << 32n } as const;
const STATUS = { DRIVER_OK: 0x04, FEATURES_OK: 0x08, NEEDS_RESET: 0x40, WRITABLE: 0x8f } as const;
const ISR = { QUEUE: 1, CONFIG: 2 } as const;

/** BAR0: the structures, a page each. BAR1: MSI-X. */
const COMMON = 0x0000;
const ISR_AT = 0x1000;
const CONFIG = 0x2000;
const NOTIFY = 0x3000;
const WINDOW = 0x4000;
const COMMON_LENGTH = 0x38;
const NOTIFY_MULTIPLIER = 4;
const PENDING = 0x800;

export interface VirtioOptions {
  /** Device type (5). */
  readonly type: number;
  readonly classCode: number;
  /** Bits 0 to 23: the device's own features. */
  readonly features?: bigint;
  /** Most descriptors of each queue: powers of two. */
  readonly queueSizes: readonly number[];
  /** Bytes of the device configuration structure. */
  readonly config?: Uint8Array;
  /** RAM that it may use. */
  readonly reachable: (address: number, length: number) => boolean;
  /** The write that delivers a message-signalled interrupt. */
  readonly msi: (address: number, data: number) => void;
  /** The driver says that there is something in a queue. */
  readonly notified: (queue: number) => void;
  /** The driver has reset the device: what is the device's own goes to its initial state. */
  readonly restarted: () => void;
}

export class VirtioTransport implements MmioHandler {
  readonly pci: PciFunction;
  private readonly msix: MsixCapability;
  private readonly queues: readonly Virtqueue[];
  private readonly features: bigint;

  constructor(
    context: DeviceContext,
    private readonly options: VirtioOptions,
    private readonly state: () => VirtioState,
  ) {
    const { type, classCode, queueSizes, config } = options;
    this.features = (options.features ?? 0n) | FEATURE.INDIRECT_DESC | FEATURE.EVENT_IDX | FEATURE.VERSION_1;
    this.msix = new MsixCapability({ vectors: queueSizes.length + 1, bar: 1, tableOffset: 0, pendingOffset: PENDING, send: options.msi }, () => state().msix);
    this.queues = queueSizes.map(
      (_, number) =>
        new Virtqueue(
          {
            memory: context.memory,
            reachable: options.reachable,
            eventIndex: () => this.agreed(FEATURE.EVENT_IDX),
            indirect: () => this.agreed(FEATURE.INDIRECT_DESC),
          },
          () => state().queues[number]!,
        ),
    );
    this.pci = new PciFunction(
      {
        vendor: VENDOR,
        device: DEVICE + type,
        revision: 1,
        classCode,
        subsystemVendor: VENDOR,
        subsystem: SUBSYSTEM,
        interruptPin: 1,
        bars: { 0: { kind: 'mem32', size: WINDOW, handler: this }, 1: { kind: 'mem32', size: 0x1000, handler: this.msix.window } },
        capabilities: [
          this.msix,
          new StructureCapability({ type: STRUCTURE.COMMON, bar: 0, offset: COMMON, length: COMMON_LENGTH }),
          new StructureCapability({ type: STRUCTURE.ISR, bar: 0, offset: ISR_AT, length: 1 }),
          ...(config ? [new StructureCapability({ type: STRUCTURE.DEVICE, bar: 0, offset: CONFIG, length: config.length })] : []),
          new StructureCapability({
            type: STRUCTURE.NOTIFY,
            bar: 0,
            offset: NOTIFY,
            length: NOTIFY_MULTIPLIER * queueSizes.length,
            multiplier: NOTIFY_MULTIPLIER,
          }),
          new AccessCapability(() => state().access, 0, WINDOW, this),
        ],
      },
      () => state().config,
    );
  }

  agreed(feature: bigint): boolean {
    return (this.state().driverFeatures & feature) === feature;
  }

  /** The driver is ready, nothing has gone wrong, and the function may use memory. */
  get running(): boolean {
    const { status } = this.state();
    return (status & STATUS.DRIVER_OK) !== 0 && (status & STATUS.NEEDS_RESET) === 0 && this.pci.busMaster;
  }

  // ── What the device does ─────────────────────────────────────────────────────────────────

  pending(queue: number): boolean {
    return this.running && this.queues[queue]!.pending();
  }

  /** The next buffers of a queue; undefined where there are none, or where the driver is not understood. */
  next(queue: number): Chain | undefined {
    if (!this.running) return undefined;
    const found = this.queues[queue]!.next();
    if (!isFault(found)) return found;
    this.fail(found);
    return undefined;
  }

  used(queue: number, chain: Chain, written: number): void {
    if (this.queues[queue]!.used(chain, written)) this.interrupt(ISR.QUEUE, this.state().queues[queue]!.vector);
  }

  /** The driver is not understood: nothing goes on until it resets the device (2.1.2). */
  fail(fault: Fault): void {
    const state = this.state();
    state.fault = fault;
    state.status |= STATUS.NEEDS_RESET;
    if (state.status & STATUS.DRIVER_OK) this.interrupt(ISR.CONFIG, state.configVector);
  }

  private interrupt(cause: number, vector: number): void {
    const state = this.state();
    if (this.msix.enabled) {
      if (vector !== NO_VECTOR) this.msix.signal(vector);
      return;
    }
    state.isr |= cause;
    this.pci.setInterrupt(true);
  }

  /** What a write of 0 to the status does; the PCI header stays. */
  private restart(): void {
    const state = this.state();
    Object.assign(state, {
      deviceFeatureSelect: 0,
      driverFeatureSelect: 0,
      driverFeatures: 0n,
      configVector: NO_VECTOR,
      status: 0,
      fault: 'none',
      queueSelect: 0,
      isr: 0,
    });
    this.initialize();
    this.pci.setInterrupt(false);
    this.options.restarted();
  }

  /** Queues as the driver finds them; call after the table was reset too. */
  initialize(): void {
    this.options.queueSizes.forEach((size, number) =>
      Object.assign(this.state().queues[number]!, { size, vector: NO_VECTOR, enable: false, desc: 0n, driver: 0n, device: 0n, nextAvailable: 0, nextUsed: 0 }),
    );
  }

  // ── BAR0 ─────────────────────────────────────────────────────────────────────────────────

  mmioRead(offset: number, size: AccessSize): number {
    const all = 2 ** (8 * size) - 1;
    if (offset < ISR_AT) return this.readCommon(offset, size);
    if (offset < CONFIG) return offset === ISR_AT ? this.takeIsr() : 0;
    if (offset < NOTIFY) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= (this.options.config?.[offset - CONFIG + i] ?? 0) << (8 * i);
      return value >>> 0;
    }
    return all;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (offset < ISR_AT) this.writeCommon(offset, size, value >>> 0);
    else if (offset >= NOTIFY) {
      const queue = (offset - NOTIFY) / NOTIFY_MULTIPLIER;
      if (Number.isInteger(queue) && queue < this.queues.length && this.running) this.options.notified(queue);
    }
  }

  /** Reading takes it back, and the interrupt with it (4.1.4.5). */
  private takeIsr(): number {
    const state = this.state();
    const { isr } = state;
    state.isr = 0;
    this.pci.setInterrupt(false);
    return isr;
  }

  private get selected(): QueueState | undefined {
    const { queues, queueSelect } = this.state();
    return queues[queueSelect];
  }

  /** Fields of the common configuration structure (4.1.4.3) that are at a multiple of four, as doublewords. */
  private doubleword(offset: number): number {
    const state = this.state();
    const queue = this.selected;
    const half = (value: bigint, high: boolean): number => Number((high ? value >> 32n : value) & 0xffffffffn);
    const features = (select: number, all: bigint): number => (select > 1 ? 0 : half(all, select === 1));
    switch (offset) {
      case 0x00:
        return state.deviceFeatureSelect;
      case 0x04:
        return features(state.deviceFeatureSelect, this.features);
      case 0x08:
        return state.driverFeatureSelect;
      case 0x0c:
        return features(state.driverFeatureSelect, state.driverFeatures);
      case 0x10:
        return (state.configVector | (this.queues.length << 16)) >>> 0;
      case 0x14: // the configuration never changes: its generation is 0
        return (state.status | (state.queueSelect << 16)) >>> 0;
      case 0x18:
        return ((queue?.size ?? 0) | ((queue?.vector ?? NO_VECTOR) << 16)) >>> 0;
      case 0x1c:
        return ((queue?.enable ? 1 : 0) | ((queue ? state.queueSelect : 0) << 16)) >>> 0;
      case 0x20:
      case 0x24:
        return half(queue?.desc ?? 0n, offset === 0x24);
      case 0x28:
      case 0x2c:
        return half(queue?.driver ?? 0n, offset === 0x2c);
      case 0x30:
      case 0x34:
        return half(queue?.device ?? 0n, offset === 0x34);
      default:
        return 0;
    }
  }

  private readCommon(offset: number, size: AccessSize): number {
    const value = this.doubleword(offset & ~3) >>> (8 * (offset & 3));
    return (size === 4 ? value : value & (2 ** (8 * size) - 1)) >>> 0;
  }

  /** Fields are written in their own size, 64-bit ones in halves; other writes change nothing. */
  private writeCommon(offset: number, size: AccessSize, value: number): void {
    const state = this.state();
    const queue = this.selected;
    switch (`${offset.toString(16)}/${size}`) {
      case '0/4':
        state.deviceFeatureSelect = value;
        break;
      case '8/4':
        state.driverFeatureSelect = value;
        break;
      case 'c/4':
        if (state.driverFeatureSelect <= 1 && !(state.status & STATUS.FEATURES_OK))
          state.driverFeatures = withHalf(state.driverFeatures, state.driverFeatureSelect === 1, value);
        break;
      case '10/2':
        state.configVector = this.vector(value);
        break;
      case '14/1':
        this.setStatus(value);
        break;
      case '16/2':
        state.queueSelect = value;
        break;
      default:
        if (queue) this.writeQueue(queue, offset, size, value);
    }
  }

  private writeQueue(queue: QueueState, offset: number, size: AccessSize, value: number): void {
    if (offset === 0x1a && size === 2) queue.vector = this.vector(value);
    if (queue.enable) return;
    const field = ({ 0x20: 'desc', 0x28: 'driver', 0x30: 'device' } as const)[offset & ~7];
    if (offset === 0x18 && size === 2) {
      const most = this.options.queueSizes[this.state().queueSelect]!;
      if (value > 0 && value <= most && (value & (value - 1)) === 0) queue.size = value;
    } else if (offset === 0x1c && size === 2) {
      if (value !== 1) return;
      queue.enable = this.queues[this.state().queueSelect]!.valid();
      if (!queue.enable) this.fail('queue addresses');
    } else if (field && size === 4 && (offset & 3) === 0) queue[field] = withHalf(queue[field], (offset & 4) !== 0, value);
  }

  /** Vectors that do not exist are refused: the driver reads back that there is none (4.1.5.1.2). */
  private vector(value: number): number {
    return value <= this.queues.length ? value : NO_VECTOR;
  }

  private setStatus(value: number): void {
    if (value === 0) return this.restart();
    const state = this.state();
    const before = state.status;
    // Bits are set and not taken back (3.1); the driver has no say in whether a reset is needed.
    let added = value & STATUS.WRITABLE & ~before;
    const acceptable = this.agreed(FEATURE.VERSION_1) && (state.driverFeatures & ~this.features) === 0n;
    if (added & STATUS.FEATURES_OK && !acceptable) added &= ~STATUS.FEATURES_OK;
    if (added & STATUS.DRIVER_OK && !((before | added) & STATUS.FEATURES_OK)) added &= ~STATUS.DRIVER_OK;
    state.status = before | added;
    // What was made available before the driver was ready has not been lost.
    if (added & STATUS.DRIVER_OK) this.queues.forEach((queue, number) => void (queue.pending() && this.options.notified(number)));
  }
}

const withHalf = (old: bigint, high: boolean, value: number): bigint =>
  high ? (old & 0xffffffffn) | (BigInt(value) << 32n) : (old & ~0xffffffffn) | BigInt(value);
