/** Carries out the steps of a run: inputs come at positions that follow from what the guest does, so that two runs are the same. */
import type { Guest, RunLimits, Stop } from '../machine/api';
import type { KeyStep } from '../machine/keytext';
import type { ControlledRun } from './control';
import type { Awaited, Step } from './steps';

/** Nanoseconds for which a key or a button is down, and up before the next. */
const HELD = 20e6;
/** The pointer stands still so long before and after a button goes down. */
const STILL = 100e6;
/** In which a mouse has told of a way across the screen, a hundred reports a second. */
const ACROSS = 500e6;
/** A mouse's steps on the way to a place: slow enough that no guest accelerates them (libinput from 0.4 units a millisecond on, gpm and X from 4 at a time). */
const STEP = { pixels: 2, time: 10e6 } as const;
/** Farther than any screen: a pointer that only moves comes to the upper left corner. */
const FAR = 8192;

/** What else may end or hold a run. */
export interface Outside {
  readonly control: ControlledRun;
  /** The run ends while a client holds it. */
  readonly released: Promise<void>;
  over(): boolean;
}

/** How a run has ended: `seen` tells that its last step was to wait for something, and that it came. */
export interface End {
  readonly stop: Stop;
  readonly seen: Awaited | undefined;
}

export class Script {
  /** A stop at which the run is at its end, whatever steps there are. */
  private end: Stop | undefined;

  constructor(
    private readonly guest: Guest,
    private readonly limits: RunLimits,
    private readonly outside: Outside,
  ) {}

  async run(steps: readonly Step[]): Promise<End> {
    let last: { readonly stop: Stop; readonly seen: Awaited } | undefined;
    for (const step of steps) {
      last = undefined;
      if (step.kind === 'until') {
        const stop = await this.moveOn(step.what === 'serial' ? { serial: step.texts } : { screen: step.screen });
        last = { stop, seen: step.what };
      } else await this.input(step);
      if (this.end) return { stop: this.end, seen: undefined };
    }
    return last ?? { stop: await this.moveOn({}), seen: undefined };
  }

  private async input(step: Exclude<Step, { kind: 'until' }>): Promise<void> {
    switch (step.kind) {
      case 'serial':
        return this.guest.serialInput(0, step.bytes);
      case 'keys':
        for (const keys of step.keys) if (!this.end) await this.press(keys);
        return;
      case 'click':
        return this.click(step.x, step.y, step.button);
    }
  }

  private async press(step: KeyStep): Promise<void> {
    if (step.kind === 'pause') return this.pass(step.time, true);
    for (const code of step.codes) {
      await this.guest.key(code, true);
      await this.pass(HELD);
    }
    for (const code of [...step.codes].reverse()) {
      await this.guest.key(code, false);
      await this.pass(HELD);
    }
  }

  /** A mouse only moves: from the corner, to which it is brought first. A tablet is where it is put. */
  private async click(x: number, y: number, button: number): Promise<void> {
    const at = async (left: number, top: number, buttons: number, time: number): Promise<void> => {
      if (this.end) return;
      await this.guest.pointer(left, top, buttons, 0);
      await this.pass(time, true);
    };
    await this.guest.pointer(FAR, FAR, 0, 0);
    await at(0, 0, 0, ACROSS);
    const steps = this.guest.config.usb?.includes('tablet') ? 0 : Math.floor(Math.max(x, y) / STEP.pixels);
    for (let step = 1; step <= steps; step++) await at(Math.min(x, step * STEP.pixels), Math.min(y, step * STEP.pixels), 0, STEP.time);
    await at(x, y, 0, STILL);
    await at(x, y, button, STILL);
    await at(x, y, 0, STILL);
  }

  /** Lets time pass; a guest that only an input wakes waits for the next one. */
  private async pass(time: number, whole = false): Promise<void> {
    if (!this.end) await this.moveOn({ span: { time, whole } });
    if (this.end?.reason.kind === 'idle') this.end = undefined;
  }

  /** Resumes, and waits for the stop. */
  private async moveOn(what: Pick<RunLimits, 'serial' | 'screen' | 'span'>): Promise<Stop> {
    const { guest, outside } = this;
    const limits = { ...this.limits, ...what };
    const stopped = new Promise<Stop>((resolve) => {
      let latest: Stop | undefined;
      const off = guest.on((event) => {
        if (event.event !== 'stopped') return;
        latest = event.stop;
        if (outside.control.paused && latest.reason.kind === 'pause') return;
        off();
        resolve(latest);
      });
      void outside.released.then(() => latest && resolve(latest));
    });
    outside.control.moving(limits);
    await guest.resume(limits);
    const stop = await stopped;
    if (outside.over() || stop.reason.kind !== 'limit' || stop.position >= (limits.position ?? Infinity)) this.end = stop;
    return stop;
  }
}
