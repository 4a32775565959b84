/** Network card: VIRTIO 1.2, 5.1. It leaves checksums and segments to the driver. */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { initial, time } from '../bus/fields';
import { ETHERNET_HEADER, MOST_FRAME, type NetworkAdapter, type Wire } from '../bus/network';
import { VirtioDevice } from './virtiodevice';
import { virtioTable } from './virtiofields';
import type { VirtioOptions } from './virtiopci';
import type { Chain } from './virtioqueue';

const TYPE = 1;
const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 256;
const FEATURE = { MAC: 1n << 5n, MRG_RXBUF: 1n << 15n, STATUS: 1n << 16n } as const;
const LINK_UP = 1;
/** struct virtio_net_hdr, with `num_buffers` at 10 (5.1.6.1). */
const HEADER = 12;
const BUFFERS = 10;

/** Frames that go out at once; and the virtual time until more do, about that of a gigabit. */
const MOST_FRAMES = 64;
const LATENCY_NS = 5_000;
const NS_PER_BYTE = 8;

const table = virtioTable(2, { due: time('When the transmit queue is looked at next') });

export interface VirtioNetOptions extends Pick<VirtioOptions, 'reachable' | 'msi'> {
  readonly name?: string;
  readonly mac: Uint8Array;
  readonly wire: Wire;
}

export class VirtioNet extends VirtioDevice implements Device<typeof table>, NetworkAdapter {
  readonly name: string;
  readonly kind = 'virtionet';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  private readonly wire: Wire;

  constructor(context: DeviceContext, { name = 'virtio-net', mac, wire, reachable, msi }: VirtioNetOptions) {
    super(
      context,
      {
        type: TYPE,
        classCode: 0x020000,
        features: FEATURE.MAC | FEATURE.MRG_RXBUF | FEATURE.STATUS,
        queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
        config: Uint8Array.of(...mac, LINK_UP, 0),
        reachable,
        msi,
      },
      LATENCY_NS,
    );
    this.name = name;
    this.wire = wire;
    this.transport.initialize();
  }

  protected override notified(queue: number): void {
    if (queue === TRANSMIT) this.arm();
  }

  expire(now: Nanoseconds): void {
    this.state.due = Infinity;
    let bytes = 0;
    for (let frames = 0; frames < MOST_FRAMES; frames++) {
      const chain = this.transport.next(TRANSMIT);
      if (!chain) return;
      if (chain.readable < HEADER || chain.writable > 0) return this.transport.fail('request');
      const length = chain.readable - HEADER;
      if (length >= ETHERNET_HEADER && length <= MOST_FRAME) {
        const frame = new Uint8Array(length);
        chain.read(HEADER, frame);
        this.transport.used(TRANSMIT, chain, 0);
        this.wire.transmit(frame);
      } else this.transport.used(TRANSMIT, chain, 0);
      bytes += length;
    }
    if (this.transport.pending(TRANSMIT)) this.state.due = now + LATENCY_NS + bytes * NS_PER_BYTE;
  }

  /** One buffer, or as many as it takes where the driver can put them together (5.1.6.3.2). */
  receive(frame: Uint8Array): void {
    const { transport } = this;
    const queue = this.state.queues[RECEIVE]!;
    const first = queue.nextAvailable;
    const needed = HEADER + frame.length;
    const chains: Chain[] = [];
    for (let room = 0; room < needed;) {
      const chain = transport.next(RECEIVE);
      if (chain && (chain.readable > 0 || chain.writable < HEADER)) return transport.fail('request');
      const alone = chains.length === 0 && !transport.agreed(FEATURE.MRG_RXBUF);
      if (!chain || (alone && chain.writable < needed)) {
        // The frame is lost; its buffers are there for the next one.
        queue.nextAvailable = first;
        return;
      }
      chains.push(chain);
      room += chain.writable;
    }
    const whole = new Uint8Array(needed);
    whole[BUFFERS] = chains.length & 0xff;
    whole[BUFFERS + 1] = chains.length >> 8;
    whole.set(frame, HEADER);
    let at = 0;
    const lengths = chains.map((chain) => {
      const piece = whole.subarray(at, at + chain.writable);
      chain.write(0, piece);
      at += piece.length;
      return piece.length;
    });
    chains.forEach((chain, index) => transport.used(RECEIVE, chain, lengths[index]!));
  }
}
