/** What is used of ws. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events';
  import type { IncomingMessage, Server } from 'node:http';
  import type { Duplex } from 'node:stream';

  export class WebSocket extends EventEmitter {
    readonly bufferedAmount: number;
    send(data: Uint8Array | string, sent?: (error?: Error) => void): void;
    close(code?: number, reason?: string): void;
    terminate(): void;
    on(event: 'message', listener: (data: Uint8Array, binary: boolean) => void): this;
    on(event: 'close', listener: () => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
  }
  export class WebSocketServer extends EventEmitter {
    constructor(options: {
      server?: Server;
      noServer?: boolean;
      maxPayload?: number;
      perMessageDeflate?: boolean;
      verifyClient?: (info: { readonly origin: string | undefined; readonly req: IncomingMessage }) => boolean;
    });
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, done: (socket: WebSocket) => void): void;
    readonly clients: ReadonlySet<WebSocket>;
    on(event: 'connection', listener: (socket: WebSocket, request: IncomingMessage) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    close(done?: () => void): void;
  }
}
