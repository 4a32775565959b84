/** What virtio devices have in common beside their transport: a life from reset to reset, and one time at which they look at their queues. */
import type { DeviceContext, Nanoseconds } from '../bus/device';
import { reset, time, type StateOf } from '../bus/fields';
import type { VirtioTable } from './virtiofields';
import { VirtioTransport, type VirtioOptions } from './virtiopci';

type Table = VirtioTable & { readonly due: ReturnType<typeof time> };

export abstract class VirtioDevice {
  abstract readonly table: Table;
  abstract readonly state: StateOf<Table>;
  protected readonly transport: VirtioTransport;

  /** `latency`: virtual time from when the driver tells of something until it is looked at. A device initializes the transport once it has its state. */
  protected constructor(
    protected readonly context: DeviceContext,
    options: Omit<VirtioOptions, 'notified' | 'restarted'>,
    private readonly latency: Nanoseconds,
  ) {
    const restarted = (): void => void (this.state.due = Infinity);
    this.transport = new VirtioTransport(context, { ...options, notified: (queue) => this.notified(queue), restarted }, () => this.state);
  }

  get pci(): VirtioTransport['pci'] {
    return this.transport.pci;
  }

  reset(): void {
    reset(this.table, this.state);
    this.transport.initialize();
    this.pci.update();
  }
  restored(): void {
    this.pci.update();
  }

  deadline(): Nanoseconds {
    return this.state.due;
  }

  /** The driver says that there is something in a queue. */
  protected notified(_queue: number): void {
    this.arm();
  }
  protected arm(): void {
    if (this.state.due !== Infinity) return;
    this.state.due = this.context.now() + this.latency;
    this.context.rearm();
  }
}
