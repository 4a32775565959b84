/** A small DAP client over the adapter's standard input and output, as VS Code would start it. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import type { DebugProtocol } from '@vscode/debugprotocol';

type Listener = (event: DebugProtocol.Event) => void;

export class Client {
  private readonly adapter: ChildProcessWithoutNullStreams;
  private readonly waiting = new Map<number, { resolve: (body: unknown) => void; reject: (error: Error) => void }>();
  private readonly listeners = new Set<Listener>();
  private buffer = Buffer.alloc(0);
  private sequence = 1;

  constructor(program: string) {
    this.adapter = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.adapter.stdout.on('data', (chunk: Buffer) => this.take(chunk));
    this.adapter.stderr.pipe(process.stderr);
    this.adapter.on('exit', (code) => this.gone(new Error(`the debug adapter has ended with status ${code}`)));
    this.adapter.stdin.on('error', (error) => this.gone(error));
  }

  private gone(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  private take(chunk: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    for (;;) {
      const end = this.buffer.indexOf('\r\n\r\n');
      const length = Number(/Content-Length: (\d+)/i.exec(this.buffer.toString('latin1', 0, Math.max(end, 0)))?.[1]);
      if (end < 0 || this.buffer.length < end + 4 + length) return;
      const text = this.buffer.toString('utf8', end + 4, end + 4 + length);
      this.buffer = this.buffer.subarray(end + 4 + length);
      this.receive(JSON.parse(text) as DebugProtocol.ProtocolMessage);
    }
  }

  private receive(message: DebugProtocol.ProtocolMessage): void {
    if (message.type === 'event') return this.listeners.forEach((listener) => listener(message as DebugProtocol.Event));
    const response = message as DebugProtocol.Response;
    const waiting = this.waiting.get(response.request_seq);
    this.waiting.delete(response.request_seq);
    if (response.success) waiting?.resolve(response.body);
    else waiting?.reject(new Error(`${response.command}: ${response.message ?? 'failed'}`));
  }

  request<Body = unknown>(command: string, args: object = {}): Promise<Body> {
    const seq = this.sequence++;
    const text = Buffer.from(JSON.stringify({ seq, type: 'request', command, arguments: args }));
    return new Promise((resolve, reject) => {
      this.waiting.set(seq, { resolve: resolve as (body: unknown) => void, reject });
      this.adapter.stdin.write(Buffer.concat([Buffer.from(`Content-Length: ${text.length}\r\n\r\n`), text]));
    });
  }

  on(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The next event of this name; ask before the request that brings it. */
  next<Body>(name: string, seconds = 60): Promise<Body> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(() => reject(new Error(`no '${name}' event within ${seconds} s`))), seconds * 1000);
      const done = (how: () => void): void => {
        clearTimeout(timer);
        off();
        how();
      };
      const off = this.on(({ event, body }) => {
        if (event === name) done(() => resolve(body as Body));
        else if (event === 'terminated') done(() => reject(new Error('the session has ended')));
      });
    });
  }

  async close(): Promise<void> {
    await this.request('disconnect', { terminateDebuggee: true }).catch(() => undefined);
    this.adapter.kill();
  }
}
