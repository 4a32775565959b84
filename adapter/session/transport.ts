/**
 * DAP's base protocol over two byte streams: `Content-Length: N`, an empty line, N bytes of JSON.
 * The bytes come from a client that isn't trusted: what can't be a message is reported and skipped,
 * a message of absurd length ends the connection.
 */
import type { Readable, Writable } from 'node:stream';
import type { DebugProtocol } from '@vscode/debugprotocol';

const HEADER_END = Buffer.from('\r\n\r\n');
const MAXIMUM_HEADER = 4096;
const MAXIMUM_BODY = 64 << 20;

export interface TransportListener {
  message(message: DebugProtocol.ProtocolMessage): void;
  /** Bytes that are no message. */
  malformed(problem: string): void;
  closed(): void;
}

export class Transport {
  private chunks: Buffer[] = [];
  private buffered = 0;
  /** Bytes of the body that is due; undefined while a header is read. */
  private due: number | undefined;
  private sequence = 1;
  private open = true;

  constructor(
    private readonly input: Readable,
    private readonly output: Writable,
    private readonly listener: TransportListener,
  ) {
    input.on('data', (chunk: Buffer) => this.take(chunk));
    input.on('end', () => this.close());
    input.on('close', () => this.close());
    input.on('error', () => this.close());
    output.on('error', () => this.close());
  }

  /** Numbers the message and sends it. */
  send(message: Omit<DebugProtocol.ProtocolMessage, 'seq'>): void {
    if (!this.open) return;
    const body = Buffer.from(JSON.stringify({ ...message, seq: this.sequence++ }));
    this.output.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
  }

  /** Hangs up, after what was sent is out. */
  end(): void {
    this.close();
    this.output.end();
  }

  private close(): void {
    if (!this.open) return;
    this.open = false;
    this.input.pause();
    this.listener.closed();
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    // A long body comes in many chunks: they are joined once, when it is all there.
    while (this.open && this.buffered > 0 && this.buffered >= (this.due ?? 0)) {
      const data = Buffer.concat(this.chunks);
      const used = this.due === undefined ? this.header(data) : this.body(data, this.due);
      this.chunks = [data.subarray(used)];
      this.buffered = data.length - used;
      if (used === 0) return;
    }
  }

  private header(data: Buffer): number {
    const end = data.indexOf(HEADER_END);
    if (end < 0) {
      if (data.length > MAXIMUM_HEADER) this.fail('a message header of more than 4096 bytes');
      return 0;
    }
    const match = /^Content-Length:[ \t]*(\d+)[ \t]*$/im.exec(data.toString('latin1', 0, end));
    if (!match) this.listener.malformed('a message header without Content-Length');
    else if (Number(match[1]) > MAXIMUM_BODY) this.fail(`a message of ${match[1]} bytes`);
    else if (Number(match[1]) > 0) this.due = Number(match[1]);
    return end + HEADER_END.length;
  }

  private body(data: Buffer, length: number): number {
    this.due = undefined;
    try {
      this.listener.message(JSON.parse(data.toString('utf8', 0, length)) as DebugProtocol.ProtocolMessage);
    } catch (error) {
      this.listener.malformed(error instanceof Error ? error.message : String(error));
    }
    return length;
  }

  private fail(problem: string): void {
    this.listener.malformed(problem);
    this.close();
  }
}
