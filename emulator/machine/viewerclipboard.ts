/**
 * A viewer's clipboard. A PC has none: its text is typed, and text is read off the screen, when a key of the viewer's asks for
 * that. Viewers send what their user copies anywhere, so that nothing is typed by itself.
 */
import type { Sink } from '../display/rfb/client';
import type { Guest } from './api';
import { MOST_CHARACTERS, typeText } from './typing';

/** Keys (KeyboardEvent.code) that a viewer has for this; the guest does not get them. */
export interface ClipboardKeys {
  readonly paste?: string;
  readonly copy?: string;
}

export interface ClipboardOptions {
  readonly guest: Guest;
  readonly keys: ClipboardKeys;
  /** Where all other input goes. */
  readonly sink: Sink;
  /** Text for the viewer's clipboard. */
  readonly cutText: (text: string) => void;
  /** Something could not be done, or not all of it. */
  readonly bell: () => void;
}

export class ViewerClipboard implements Sink {
  private text = '';
  private readonly held = new Set<string>();
  private busy = false;
  private closed = false;

  constructor(private readonly options: ClipboardOptions) {}

  /** The viewer has gone: nothing more is typed for it. */
  close(): void {
    this.closed = true;
  }

  key(code: string, down: boolean): void {
    const { keys, sink } = this.options;
    if (code !== keys.paste && code !== keys.copy) return sink.key(code, down);
    const repeats = this.held.has(code);
    if (down) this.held.add(code);
    else this.held.delete(code);
    if (down && !repeats) void this.work(() => (code === keys.paste ? this.paste() : this.copy()));
  }

  pointer(x: number, y: number, buttons: number, wheel: number): void {
    this.options.sink.pointer(x, y, buttons, wheel);
  }

  clipboard(text: string): void {
    this.text = text;
  }

  /** One thing at a time. */
  private async work(action: () => Promise<boolean>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    // A guest on its way through history, or to its end, takes no keys.
    const whole = await action().catch(() => false);
    this.busy = false;
    if (!whole && !this.closed) this.options.bell();
  }

  private async paste(): Promise<boolean> {
    const { text } = this;
    if (text === '' || text.length > MOST_CHARACTERS) return false;
    return (await typeText(this.options.guest, text, () => this.closed)).skipped === '';
  }

  private async copy(): Promise<boolean> {
    const text = await this.options.guest.text();
    if (text === undefined) return false;
    this.options.cutText(text);
    return true;
  }
}
