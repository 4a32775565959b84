/** Long runs through history, as progress that the client can show and cancel. */
import type { DebugProtocol } from '@vscode/debugprotocol';

/** Runs that end sooner aren't worth a notification. */
const PATIENCE_MS = 400;
const INTERVAL_MS = 200;

/** Who is told. */
interface Teller {
  readonly client: Partial<DebugProtocol.InitializeRequestArguments>;
  event<E extends DebugProtocol.Event>(event: E['event'] & string, body?: E['body']): void;
}

export class Progress {
  private count = 0;
  private title: string | undefined;
  private first = 0;
  private began = 0;
  private last = 0;
  private shown: string | undefined;

  constructor(private readonly session: Teller) {}

  /** An operation begins that may take long. */
  expect(title: string): void {
    this.end();
    this.title = title;
    this.first = NaN;
    this.began = Date.now();
  }

  /** Is this the progress that the client shows? */
  is(id: string): boolean {
    return this.shown === id;
  }

  update(position: number, target: number): void {
    if (this.title === undefined || this.session.client.supportsProgressReporting !== true) return;
    if (Number.isNaN(this.first)) this.first = position;
    const now = Date.now();
    if (now - this.began < PATIENCE_MS || now - this.last < INTERVAL_MS) return;
    this.last = now;
    const whole = Math.abs(target - this.first);
    const percentage = whole === 0 ? 0 : Math.min(100, Math.round((100 * Math.abs(position - this.first)) / whole));
    if (this.shown === undefined) {
      this.shown = `history-${++this.count}`;
      this.session.event<DebugProtocol.ProgressStartEvent>('progressStart', { progressId: this.shown, title: this.title, cancellable: true, percentage });
    } else {
      this.session.event<DebugProtocol.ProgressUpdateEvent>('progressUpdate', { progressId: this.shown, percentage, message: `position ${position}` });
    }
  }

  end(): void {
    if (this.shown !== undefined) this.session.event<DebugProtocol.ProgressEndEvent>('progressEnd', { progressId: this.shown });
    this.shown = undefined;
    this.title = undefined;
  }
}
