import type { GuestEvent, Position } from './api';

type Listener = (event: GuestEvent) => void;

/** What the guest sends out: gathered, and said once however often the past is run through again. */
export class Output {
  private readonly listeners = new Set<Listener>();
  private readonly serial = new Map<number, number[]>();
  /** Up to here everything has been said. */
  private said: Position = 0;
  /** Off while history moves the machine. */
  silent = false;
  private wanted: readonly string[] = [];
  private tail = '';

  /** Texts of the first serial line to wait for. */
  await(texts: readonly string[]): void {
    this.wanted = texts.filter((text) => text !== '');
    this.tail = '';
  }

  constructor(private readonly position: () => Position) {}

  on(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  emit(event: GuestEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  /** Whether an awaited text is complete. */
  private completes(byte: number): boolean {
    const longest = this.wanted.reduce((most, { length }) => Math.max(most, length), 0);
    this.tail = (this.tail + String.fromCharCode(byte)).slice(-longest);
    return this.wanted.some((text) => this.tail.endsWith(text));
  }

  /** A byte leaves the guest. True: the machine is to stop here. */
  byte(port: number, byte: number): boolean {
    const stop = port === 0 && this.wanted.length > 0 && this.completes(byte);
    // The position includes the instruction that sends.
    if (!this.silent && this.position() > this.said) this.gather(port, byte);
    return stop;
  }

  private gather(port: number, byte: number): void {
    const bytes = this.serial.get(port);
    if (bytes) bytes.push(byte);
    else this.serial.set(port, [byte]);
  }

  log(text: string): void {
    // The instruction that is logged has not run.
    if (!this.silent && this.position() >= this.said) this.emit({ event: 'log', text });
  }

  /** Hands on what has gathered; what comes from here on is new. */
  flush(): void {
    for (const [port, bytes] of this.serial) this.emit({ event: 'serial', port, bytes: Uint8Array.from(bytes) });
    this.serial.clear();
    if (!this.silent) this.said = Math.max(this.said, this.position());
  }

  /** A new future begins here. */
  branch(): void {
    this.said = this.position();
  }
}
