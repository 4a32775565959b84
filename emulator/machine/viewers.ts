/** Whoever watches the guest through RFB: pictures go to them, their keys and pointer go to the guest. */
import type { Channel, RfbClient, Sink } from '../display/rfb/client';
import type { Security } from '../display/rfb/handshake';
import { RfbServer } from '../display/rfb/server';
import type { Guest } from './api';
import { ViewerClipboard, type ClipboardKeys } from './viewerclipboard';

export type { Channel } from '../display/rfb/client';
export type { Security } from '../display/rfb/handshake';
export type { RfbError } from '../display/rfb/errors';

/** Milliseconds between looks at the screen: while it changes, while it does not, and while the guest stands still. */
const FRAME_MS = 33;
const QUIET_MS = 100;
const STOPPED_MS = 500;
/** Bytes of a handshake that wait for the first look at the screen. */
const MOST_EARLY = 4096;
/** Inputs that wait for the guest. */
const MOST_WAITING = 256;

/** What a viewer's connection is to whoever carries it. */
export interface Viewer {
  /** The handshake is over. */
  readonly started: boolean;
  receive(bytes: Uint8Array): void;
  /** The other side has taken everything that was sent. */
  drained(): void;
  close(): void;
}

export class Viewers {
  private readonly server: RfbServer;
  private readonly inputs: Inputs;
  private readonly unsubscribe: () => void;
  private timer: NodeJS.Timeout | undefined;
  private due = Infinity;
  private looking = false;
  private again = false;
  private running = false;
  private closed = false;
  /** Number of the changes that the server has been given last. */
  private seen = 0;
  /** Called once the server knows the screen as it is now. */
  private readonly awaiting: (() => void)[] = [];

  constructor(
    private readonly guest: Guest,
    name: string,
  ) {
    this.inputs = new Inputs(guest, () => this.running);
    this.server = new RfbServer(name, this.inputs);
    this.unsubscribe = guest.on(({ event }) => {
      if (event !== 'stopped' && event !== 'running') return;
      this.running = event === 'running';
      // The picture of a stop is that of its very instant, whether anybody can take it now or not.
      if (this.server.connected > 0) this.schedule(0, true);
    });
  }

  /** `started`: the handshake is over. */
  connect(channel: Channel, security?: Security, keys: ClipboardKeys = {}, started?: () => void): Viewer {
    const clipboard = new ViewerClipboard({
      guest: this.guest,
      keys,
      sink: this.inputs,
      cutText: (text) => client.cutText(text),
      bell: () => client.bell(),
    });
    const client: RfbClient = this.server.connect(channel, security, clipboard);
    const wake = (): void => {
      if (this.server.waiting) this.schedule(this.running ? FRAME_MS : 0);
    };
    // Hands are shaken when the size is known: not every client can take another one later.
    let early: Uint8Array[] | undefined = [];
    const receive = (bytes: Uint8Array): void => {
      const before = client.started;
      client.receive(bytes);
      if (client.started && !before) started?.();
      wake();
    };
    const begin = (): void => {
      const said = early ?? [];
      early = undefined;
      said.forEach(receive);
    };
    this.awaiting.push(begin);
    this.schedule(0, true);
    return {
      get started() {
        return client.started;
      },
      receive: (bytes) => {
        if (!early) return receive(bytes);
        early.push(Uint8Array.from(bytes));
        if (early.reduce((sum, { length }) => sum + length, 0) > MOST_EARLY) begin();
      },
      drained: () => {
        client.update();
        wake();
      },
      close: () => {
        clipboard.close();
        client.close();
      },
    };
  }

  close(): void {
    this.closed = true;
    this.unsubscribe();
    clearTimeout(this.timer);
    this.server.close();
  }

  private schedule(delay: number, must = false): void {
    this.again ||= must;
    const due = Date.now() + delay;
    if (this.closed || (this.timer !== undefined && this.due <= due)) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => void this.look(), delay);
  }

  private async look(): Promise<void> {
    this.timer = undefined;
    if (this.looking || (!this.again && !this.server.waiting)) return;
    this.again = false;
    this.looking = true;
    const awaiting = this.awaiting.splice(0);
    let changed = false;
    try {
      const changes = await this.guest.frameChanges(this.seen);
      if (changes && !this.closed) {
        this.seen = changes.serial;
        changed = changes.bands.length > 0 && this.server.change(changes);
      }
    } catch {
      // The guest is going away; its end is told elsewhere.
    }
    this.looking = false;
    for (const begin of awaiting) begin();
    if (this.again) this.schedule(0);
    else if (this.server.waiting) this.schedule(changed ? FRAME_MS : this.running ? QUIET_MS : STOPPED_MS);
  }
}

type Waiting =
  | { readonly kind: 'key'; readonly code: string; readonly down: boolean }
  | { readonly kind: 'pointer'; readonly x: number; readonly y: number; readonly buttons: number; readonly wheel: number; readonly passing: boolean };

/**
 * One input at a time goes to the guest; of pointer movements that wait, the last one counts. Any input to a guest that stands
 * still in its past makes another future: keys, buttons and the wheel are meant, a pointer that passes over the screen is not.
 */
class Inputs implements Sink {
  private readonly waiting: Waiting[] = [];
  private busy = false;
  private buttons = 0;

  constructor(
    private readonly guest: Guest,
    private readonly running: () => boolean,
  ) {}

  key(code: string, down: boolean): void {
    // A key that is down has to come up again.
    if (down && this.waiting.length >= MOST_WAITING) return;
    this.add({ kind: 'key', code, down });
  }

  pointer(x: number, y: number, buttons: number, wheel: number): void {
    const last = this.waiting.at(-1);
    let passing = buttons === 0 && this.buttons === 0 && wheel === 0;
    if (last?.kind === 'pointer' && last.buttons === buttons && last.wheel === 0 && wheel === 0) {
      this.waiting.pop();
      passing = last.passing;
    } else if (this.waiting.length >= MOST_WAITING) return;
    this.buttons = buttons;
    this.add({ kind: 'pointer', x, y, buttons, wheel, passing });
  }

  /** Each viewer keeps its own. */
  clipboard(): void {}

  private add(input: Waiting): void {
    this.waiting.push(input);
    if (!this.busy) void this.pump();
  }

  private async pump(): Promise<void> {
    this.busy = true;
    for (let input = this.waiting.shift(); input; input = this.waiting.shift()) {
      try {
        if (input.kind === 'key') await this.guest.key(input.code, input.down);
        else if (this.running() || !input.passing) await this.guest.pointer(input.x, input.y, input.buttons, input.wheel);
      } catch {
        // A guest on its way through history takes no input.
      }
    }
    this.busy = false;
  }
}
