/** The guest's serial line on its way out: whole lines, or what there is after 50 ms; characters stay whole. */
import { Escapes } from './escapes';

const DELAY_MS = 50;
/** A guest that never ends a line doesn't fill the memory here. */
const MOST = 8192;

export class SerialOutput {
  private readonly decoder = new TextDecoder();
  private readonly escapes = new Escapes();
  private text = '';
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly send: (text: string) => void) {}

  take(bytes: Uint8Array): void {
    this.text += this.escapes.take(this.decoder.decode(bytes, { stream: true }));
    const end = this.text.lastIndexOf('\n') + 1;
    if (end > 0 || this.text.length > MOST) this.emit(end > 0 ? end : this.text.length);
    if (this.text !== '' && !this.timer) this.timer = setTimeout(() => this.flush(), DELAY_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.text !== '') this.emit(this.text.length);
  }

  private emit(length: number): void {
    const text = this.text.slice(0, length);
    this.text = this.text.slice(length);
    if (this.text === '') {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
    this.send(text);
  }
}
