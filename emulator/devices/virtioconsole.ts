/** Console with one port: VIRTIO 1.2, 5.3. */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { initial, queue, time } from '../bus/fields';
import { VirtioDevice } from './virtiodevice';
import { virtioTable } from './virtiofields';
import type { VirtioOptions } from './virtiopci';

const TYPE = 3;
const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 64;
/** Bytes that wait for the guest's buffers; more are refused. */
const CAPACITY = 4096;
/** Bytes that are sent at once; what is beyond them in one buffer is dropped. */
const MOST_BYTES = 64 << 10;
const LATENCY_NS = 10_000;

const table = virtioTable(2, {
  due: time('When the queues are looked at next'),
  input: queue(CAPACITY, 'What was typed and the guest has not taken'),
});

export interface VirtioConsoleOptions extends Pick<VirtioOptions, 'reachable' | 'msi'> {
  readonly name?: string;
  readonly transmit: (byte: number) => void;
}

export class VirtioConsole extends VirtioDevice implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'virtioconsole';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  constructor(
    context: DeviceContext,
    private readonly options: VirtioConsoleOptions,
  ) {
    const { name = 'console', reachable, msi } = options;
    super(
      context,
      {
        type: TYPE,
        classCode: 0x078000,
        queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
        reachable,
        msi,
      },
      LATENCY_NS,
    );
    this.name = name;
    this.transport.initialize();
  }

  /** Something was typed. What has no room is lost, as on a line without flow control. */
  receive(bytes: Uint8Array): void {
    const { input } = this.state;
    input.push(...bytes.subarray(0, CAPACITY - input.length));
    this.arm();
  }

  protected override notified(queue: number): void {
    if (queue === TRANSMIT) this.send();
    else this.arm();
  }

  expire(now: Nanoseconds): void {
    this.state.due = Infinity;
    this.send();
    this.fill();
    const { transport, state } = this;
    if (state.due === Infinity && state.input.length > 0 && transport.pending(RECEIVE)) state.due = now + LATENCY_NS;
  }

  /** What the guest sends goes out with the access that tells of it; if it is much, the rest comes later. */
  private send(): void {
    const { transport, options } = this;
    for (let left = MOST_BYTES; left > 0;) {
      const chain = transport.next(TRANSMIT);
      if (!chain) return;
      if (chain.writable > 0) return transport.fail('request');
      const bytes = new Uint8Array(Math.min(chain.readable, MOST_BYTES));
      chain.read(0, bytes);
      for (const byte of bytes) options.transmit(byte);
      transport.used(TRANSMIT, chain, 0);
      // A chain costs something even if it is empty.
      left -= Math.max(bytes.length, 64);
    }
    this.arm();
  }

  private fill(): void {
    const { transport } = this;
    const { input } = this.state;
    if (input.length === 0) return;
    const chain = transport.next(RECEIVE);
    if (!chain) return;
    if (chain.writable === 0) return transport.fail('request');
    const bytes = Uint8Array.from(input.splice(0, chain.writable));
    chain.write(0, bytes);
    transport.used(RECEIVE, chain, bytes.length);
  }
}
