/**
 * Between the machine's network and the host's: what the guest sends out is done once, however often the past is run through
 * again; what comes in waits until the machine stands at the end of its history, and goes through the journal.
 */
import type { Command, News } from '../network/outside';
import type { UserNetwork } from '../network/usernetwork';

/** The host's side. */
export interface OutsideNetwork {
  perform(command: Command): void;
  /** What has happened, for as much of it as there is room; `nextFlow` gives numbers to connections that are made to the guest. */
  take(room: (flow: number) => number | undefined, nextFlow: () => number): readonly News[];
  /** All connections end. */
  drop(): void;
  /** Called when there is something to take. */
  arrived: () => void;
  close(): Promise<void>;
}

export class NetworkLink {
  /** Commands up to this one have been performed. Infinity: connections of the machine, if it has any, are none of the host's. */
  private performed: number;
  /** Performed once the guest gives way, so that nothing of the host happens within a slice. */
  private waiting: Command[] = [];

  constructor(
    private readonly network: UserNetwork,
    private readonly outside: OutsideNetwork,
    /** The machine is in a state that another run has led to. */
    resumed: boolean,
  ) {
    this.performed = resumed ? Infinity : network.commanded;
  }

  command(number: number, command: Command): void {
    if (number <= this.performed) return;
    this.performed = number;
    this.waiting.push(command);
  }

  /** Hands on what the guest has asked for. */
  flush(): void {
    for (const command of this.waiting.splice(0)) this.outside.perform(command);
  }

  /** What has come, for a machine that stands at the end of its history. */
  news(): readonly News[] {
    const { network, outside } = this;
    if (this.performed === Infinity) {
      this.performed = network.commanded;
      outside.drop();
      if (network.connected) return [{ kind: 'lost' }];
    }
    let flows = network.state.flows;
    return outside.take(
      (flow) => network.room(flow),
      () => (flows = (flows + 1) >>> 0 || 1),
    );
  }

  /** The machine goes on from another state than the one that the host's connections belong to. */
  detach(): void {
    this.waiting = [];
    this.outside.drop();
    this.performed = Infinity;
  }

  /** Whether time is not to run ahead of the host's. */
  get awaits(): boolean {
    return this.network.awaits;
  }
}
