/** What is told of a guest's history beside its states: where it stopped, what came from outside, how its screen looked. No part of its state. */
import type { Frame, Position, Stop, StopReason, Thumbnail, TimelineEvent } from './api';
import type { Input, JournalEvent } from './journal';
import { thumbnailOf, thumbnailSize } from './thumbnail';
import { MOST_PICTURE_BYTES, MOST_PICTURES, MOST_STOPS, MOST_TEXT, type Picture, type Told } from './told';

/** Virtual time between automatic pictures. */
const PICTURE_EVERY = 500e6;
const MOST_INPUTS = 300;
/** Inputs of a kind that follow each other within this time are one event. */
const TOGETHER = 50e6;

interface Noted {
  readonly event: TimelineEvent;
  /** 0: the current one. */
  branch: number;
}

const bytesOf = ({ width, height }: Picture): number => width * height * 3;

export class Chronicle {
  private noted: Noted[] = [];
  private pictures = new Map<number, Picture>();
  /** Checkpoints that a user asked for. */
  private readonly asked = new Set<number>();
  private latest: { readonly time: number; readonly frame: Frame | undefined; readonly picture: Picture | undefined } | undefined;

  /** A motion has ended: worth a note unless somebody asked for just that. The same at the same place is noted once. */
  stopped({ reason, position, time, rip }: Stop): void {
    const told = stopText(reason, rip);
    if (!told) return;
    const [kind, text] = [told[0], told[1].slice(0, MOST_TEXT)];
    if (this.noted.some(({ event, branch }) => branch === 0 && event.position === position && event.text === text)) return;
    this.noted.push({ event: { kind, position, time, count: 1, text }, branch: 0 });
    if (this.noted.length > MOST_STOPS) this.noted.shift();
  }

  /** What lies beyond a position belongs to another branch from now on. */
  left(branch: number, position: Position): void {
    for (const entry of this.noted) if (entry.branch === 0 && entry.event.position > position) entry.branch = branch;
  }
  /** A branch has become the current one. */
  came(branch: number): void {
    for (const entry of this.noted) if (entry.branch === branch) entry.branch = 0;
  }

  stops(branch: number): readonly TimelineEvent[] {
    return this.noted.filter((entry) => entry.branch === branch).map(({ event }) => event);
  }

  /**
   * The screen at a checkpoint that is being made. An automatic one gets a picture only if some time has passed.
   * `changed` tells whether it may look otherwise than when it was asked last.
   */
  picture(checkpoint: number, time: number, asked: boolean, changed: () => boolean, frame: () => Frame | undefined): void {
    const due = asked || !this.latest || Math.abs(time - this.latest.time) >= PICTURE_EVERY;
    if (!due) return;
    if (asked) this.asked.add(checkpoint);
    const before = this.latest;
    const now = changed() || !before ? frame() : before.frame;
    // Pictures that look the same are one.
    const same = now && before?.frame && sameFrame(now, before.frame);
    this.latest = { time, frame: now, picture: same ? before.picture : now && smallOf(now) };
    if (!this.latest.picture) return;
    this.pictures.set(checkpoint, this.latest.picture);
    this.thin();
  }

  /** The oldest go, of those that nobody asked for where there are some. */
  private thin(): void {
    const ids = [...this.pictures.keys()];
    const victims = [...ids.filter((id) => !this.asked.has(id)), ...ids.filter((id) => this.asked.has(id))];
    for (const id of victims.slice(0, Math.max(0, ids.length - MOST_PICTURES))) this.pictures.delete(id);
  }

  hasPicture(checkpoint: number): boolean {
    return this.pictures.has(checkpoint);
  }
  thumbnails(checkpoints: readonly number[]): readonly Thumbnail[] {
    return checkpoints.flatMap((id) => {
      const picture = this.pictures.get(id);
      return picture ? [{ id, ...frameOf(picture) }] : [];
    });
  }

  /** Of checkpoints that are no more. */
  forget(present: ReadonlySet<number>): void {
    for (const id of this.pictures.keys()) if (!present.has(id)) this.pictures.delete(id);
    for (const id of this.asked) if (!present.has(id)) this.asked.delete(id);
  }

  // ── In files ─────────────────────────────────────────────────────────────────────────────

  /** What all pictures take in a file, at most. */
  get bytes(): number {
    return Math.min(
      MOST_PICTURE_BYTES,
      [...this.pictures.values()].reduce((sum, picture) => sum + bytesOf(picture), 0),
    );
  }

  /** What belongs to a past of these checkpoints. Of pictures as many as fit: those that were asked for, then the newest. */
  told(checkpoints: readonly { readonly id: number; readonly kept: boolean }[], from: Position, to: Position, room: number): Told {
    const chosen = new Set<number>();
    let left = Math.min(room, MOST_PICTURE_BYTES);
    const numbers = checkpoints.map((_, number) => number).reverse();
    for (const number of [...numbers.filter((each) => checkpoints[each]!.kept), ...numbers.filter((each) => !checkpoints[each]!.kept)]) {
      const picture = this.pictures.get(checkpoints[number]!.id);
      if (!picture || bytesOf(picture) > left) continue;
      left -= bytesOf(picture);
      chosen.add(number);
    }
    const stops = this.stops(0).filter(({ position }) => position >= from && position <= to);
    return {
      stops: [...stops].sort((a, b) => a.position - b.position),
      pictures: new Map([...chosen].sort((a, b) => a - b).map((number) => [number, this.pictures.get(checkpoints[number]!.id)!])),
    };
  }

  /** What came with a past, which lies before all that was noted here. */
  brought({ stops, pictures }: Told, checkpoints: readonly { readonly id: number; readonly kept: boolean }[]): void {
    const before = stops.map((event): Noted => ({ event, branch: 0 }));
    this.noted = [...before, ...this.noted].slice(-MOST_STOPS);
    for (const { id, kept } of checkpoints) if (kept) this.asked.add(id);
    const older = [...pictures].flatMap(([number, picture]): [number, Picture][] => (checkpoints[number] ? [[checkpoints[number].id, picture]] : []));
    this.pictures = new Map([...older, ...this.pictures]);
    this.thin();
  }
}

const sameFrame = (a: Frame, b: Frame): boolean => a === b || (a.width === b.width && a.height === b.height && Buffer.compare(a.rgba, b.rgba) === 0);

/** Made small when somebody looks: the guest waits while its checkpoint is made. */
function smallOf(frame: Frame): Picture {
  let large: Frame | undefined = frame;
  let small = new Uint8Array();
  const rgb = (): Uint8Array => {
    if (large) small = thumbnailOf(large).rgba.filter((_, index) => index % 4 < 3);
    large = undefined;
    return small;
  };
  return { ...thumbnailSize(frame), rgb };
}

function frameOf({ width, height, rgb }: Picture): Frame {
  const from = rgb();
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let dot = 0; dot < width * height; dot++) for (let part = 0; part < 3; part++) rgba[dot * 4 + part] = from[dot * 3 + part]!;
  return { width, height, rgba };
}

function stopText(reason: StopReason, rip: bigint): readonly [TimelineEvent['kind'], string] | undefined {
  switch (reason.kind) {
    case 'entry':
    case 'pause':
    case 'step':
    case 'limit':
    case 'history-start':
    case 'idle':
      return undefined;
    case 'breakpoint':
      return ['stop', `Breakpoint at 0x${rip.toString(16)}`];
    case 'watchpoint':
      return ['stop', `${reason.write ? 'Write to' : 'Read of'} 0x${reason.address.toString(16)}`];
    case 'trigger':
      return ['stop', reason.description];
    case 'power-off':
      return ['end', 'Power off'];
    case 'exit':
      return ['end', `Exit code ${reason.code}`];
    case 'reset':
      return ['reset', 'Reset'];
    case 'shutdown':
      return ['fault', 'Triple fault'];
    case 'error':
      return ['fault', reason.description];
  }
}

/** Inputs of a journal, those of a kind that come together as one. `timeAt` tells when a position was. */
export function inputsOf(events: readonly JournalEvent[], timeAt: (position: Position) => number): readonly TimelineEvent[] {
  for (let gap = TOGETHER; ; gap *= 2) {
    const merged: { kind: TimelineEvent['kind']; position: Position; time: number; count: number; input: Input; last: number }[] = [];
    for (const { position, input } of events) {
      const time = timeAt(position);
      const before = merged.at(-1);
      if (before && before.input.kind === input.kind && time - before.last <= gap) {
        before.count++;
        before.last = time;
      } else merged.push({ kind: input.kind === 'reset' ? 'reset' : 'input', position, time, count: 1, input, last: time });
    }
    if (merged.length > MOST_INPUTS && Number.isFinite(gap)) continue;
    return merged.map(({ kind, position, time, count, input }) => ({ kind, position, time, count, text: inputText(input, count) }));
  }
}

function inputText(input: Input, count: number): string {
  switch (input.kind) {
    case 'serial':
      return `Serial input${count > 1 ? ` (${count})` : ''}`;
    case 'key':
      return count > 1 ? `${count} key events` : `Key ${input.code} ${input.down ? 'down' : 'up'}`;
    case 'pointer':
      return count > 1 ? `${count} pointer events` : 'Pointer';
    case 'network':
      return 'Network';
    case 'entropy':
      return 'Entropy';
    case 'reset':
      return 'Reset';
    case 'vcpu':
      return `Changed: ${input.path.join('.')} of vCPU ${input.vcpu}`;
    case 'device':
      return `Changed: ${input.path.join('.')}`;
    case 'memory':
      return `Changed: memory at 0x${input.address.toString(16)}`;
  }
}
