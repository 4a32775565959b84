/**
 * What moves the guest. One operation at a time, each made of moves that end in a stop; the client hears of
 * the last one. An operation may be interrupted between and during its moves.
 *
 * Of the guest it is expected that every move ends in exactly one `stopped` event, which may come before
 * or after the reply.
 */
import type { Guest, GuestEvent, Stop } from '../../emulator/machine/api';
import { guestRuns } from './errors';

export interface MotionListener {
  /** The guest is about to move. */
  starting(): void;
  /** The operation is over and is to be shown. */
  stopped(stop: Stop): void;
  failed(error: unknown): void;
}

export type Operation = () => Promise<Stop>;

export class Motion {
  private waiting: ((stop: Stop) => void) | undefined;
  private active: Promise<void> | undefined;
  private silent = false;
  private wanted = false;
  last: Stop | undefined;

  constructor(
    private readonly guest: Guest,
    private readonly listener: MotionListener,
  ) {}

  get running(): boolean {
    return this.active !== undefined;
  }

  /** Has somebody asked for a stop since the operation began? */
  get interrupted(): boolean {
    return this.wanted;
  }

  heard(event: GuestEvent): void {
    if (event.event !== 'stopped') return;
    this.last = event.stop;
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.(event.stop);
  }

  /** One move that ends in a `stopped` event. */
  async run(action: () => Promise<void>): Promise<Stop> {
    const stopped = new Promise<Stop>((resolve) => (this.waiting = resolve));
    try {
      await action();
    } catch (error) {
      this.waiting = undefined;
      throw error;
    }
    if (this.wanted && this.waiting) await this.guest.pause();
    return stopped;
  }

  /** A move whose stop is told with a reason of the adapter's own. */
  async jump(action: () => Promise<void>, reason: Stop['reason'] = { kind: 'step' }): Promise<Stop> {
    const stop = await this.run(action);
    return (this.last = stop.reason.kind === 'error' || stop.reason.kind === 'pause' ? stop : { ...stop, reason });
  }

  /** A stop at the place where the guest is. */
  async here(reason: Stop['reason'], vcpu = this.last?.vcpu ?? 0): Promise<Stop> {
    const [status, registers] = await Promise.all([this.guest.status(), this.guest.registers(vcpu)]);
    return { reason, vcpu, position: status.position, time: status.time, rip: registers.rip ?? 0n };
  }

  /** Throws unless the guest stands still. */
  requireStopped(): void {
    if (this.running) throw guestRuns();
  }

  /** Begins an operation; its outcome goes to the listener. */
  begin(operation: Operation): void {
    this.requireStopped();
    this.silent = false;
    this.wanted = false;
    this.listener.starting();
    const finish = (report: () => void): void => {
      this.active = undefined;
      this.waiting = undefined;
      if (!this.silent) report();
    };
    this.active = operation().then(
      (stop) => {
        this.last = stop;
        finish(() => this.listener.stopped(stop));
      },
      (error: unknown) => finish(() => this.listener.failed(error)),
    );
  }

  async interrupt(): Promise<void> {
    if (!this.running) return;
    this.wanted = true;
    await this.guest.pause();
  }

  /** Ends the operation, whatever it is, without a word to the client. */
  async halt(): Promise<void> {
    this.silent = true;
    await this.interrupt();
    await this.active;
  }
}
