/** Records the screen as it changes. While the guest stands still no time passes; what is shown then gets a moment each. */
import { Animation, type Picture } from './apng';

/** Between two looks. */
const PERIOD_MS = 100;
/** How long a picture stays that came while the guest stood still, as by stepping. */
const STILL_MS = 500;
/** Looks after something has come: it is drawn a little later. */
const LOOKS = 2;
const MOST = { frames: 20_000, bytes: 32 << 20 } as const;

export interface RecorderOptions {
  /** The picture of now. */
  readonly picture: () => Picture | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Something has changed of what the recorder says of itself. */
  readonly progress: () => void;
  /** It may not grow any more. */
  readonly full: () => void;
  readonly most?: { readonly frames: number; readonly bytes: number };
}

export class Recorder {
  private readonly animation = new Animation();
  private readonly timer: ReturnType<typeof setInterval>;
  private busy: Promise<unknown> | undefined;
  private looks = LOOKS;
  private last: number;
  /** How long the animation is. */
  duration = 0;

  constructor(
    private readonly options: RecorderOptions,
    private running: boolean,
  ) {
    this.last = options.now();
    this.timer = setInterval(() => this.look(), PERIOD_MS);
    this.look();
  }

  get frames(): number {
    return this.animation.length;
  }
  get bytes(): number {
    return this.animation.bytes;
  }

  /** There may be another picture. */
  dirty(): void {
    this.looks = LOOKS;
  }

  setRunning(running: boolean): void {
    this.passed();
    this.running = running;
  }

  private passed(): void {
    const now = this.options.now();
    if (this.running) this.duration += now - this.last;
    this.last = now;
  }

  private look(): void {
    this.passed();
    this.options.progress();
    if (this.busy || this.looks === 0) return;
    this.busy = this.take().finally(() => (this.busy = undefined));
  }

  private async take(): Promise<void> {
    const picture = this.options.picture();
    if (!picture) return;
    this.looks--;
    const { running } = this;
    const added = await this.animation.add(picture, this.duration);
    if (added && !running) this.duration += STILL_MS;
    const { most = MOST, full } = this.options;
    if (this.frames >= most.frames || this.bytes >= most.bytes) full();
  }

  /** The file; undefined where there was no picture. */
  async stop(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    clearInterval(this.timer);
    this.passed();
    await this.busy;
    if (this.looks > 0) await this.take();
    return this.frames > 0 ? this.animation.finish(this.duration) : undefined;
  }
}
