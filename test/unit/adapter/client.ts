/** A client of the adapter in this process. Every message that comes is held against the protocol's schema. */
import { strict as assert } from 'node:assert';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import type { MachineConfig } from '../../../emulator/machine/api';
import { ROUTES } from '../../../adapter/session/routes';
import { Session } from '../../../adapter/session/session';
import { FakeGuest } from './fakeguest';
import { ProtocolSchema } from './protocolschema';

export interface Message {
  readonly type: string;
  readonly seq: number;
  readonly event?: string;
  readonly command?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- bodies are what the tests look into; the schema holds their shape
  readonly body?: any;
}
type Body = Message['body'];

const schema = new ProtocolSchema();
const PATIENCE_MS = 10_000;

export class Client {
  readonly events: Message[] = [];
  readonly problems: string[] = [];
  private readonly waiting = new Map<number, (message: Message) => void>();
  private readonly listeners = new Set<() => void>();
  private read = 0;
  private sequence = 1;
  private buffer = Buffer.alloc(0);

  constructor(
    input: Readable,
    private readonly output: Writable,
  ) {
    input.on('data', (chunk: Buffer) => this.take(chunk));
  }

  private take(chunk: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    for (;;) {
      const end = this.buffer.indexOf('\r\n\r\n');
      const length = Number(/^Content-Length: (\d+)$/.exec(this.buffer.toString('latin1', 0, Math.max(0, end)))?.[1]);
      if (end < 0 || this.buffer.length < end + 4 + length) return;
      const message = JSON.parse(this.buffer.toString('utf8', end + 4, end + 4 + length)) as Message;
      this.buffer = this.buffer.subarray(end + 4 + length);
      const known =
        message.type === 'event' || message.success === false || message.command?.startsWith('guest/') || schema.knows(responseOf(message.command!));
      const problem = known ? schema.message(message) : `no response ${message.command} in the protocol`;
      if (problem !== undefined) this.problems.push(problem);
      if (message.type === 'event') {
        this.events.push(message);
        for (const listener of [...this.listeners]) listener();
      } else this.waiting.get(message.request_seq!)?.(message);
    }
  }

  raw(text: string): void {
    this.output.write(text);
  }

  send(command: string, args?: unknown): Promise<Message> {
    const seq = this.sequence++;
    const body = JSON.stringify({ seq, type: 'request', command, ...(args !== undefined && { arguments: args }) });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${command}`)), PATIENCE_MS);
      this.waiting.set(seq, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
      this.raw(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  async request(command: string, args?: unknown): Promise<Body> {
    const response = await this.send(command, args);
    assert.equal(response.success, true, `${command}: ${JSON.stringify(response.body ?? response.message)}`);
    assert.deepEqual(this.problems, []);
    return response.body;
  }

  /** The text of the error that the request has to get. */
  async refused(command: string, args?: unknown): Promise<string> {
    const response = await this.send(command, args);
    assert.equal(response.success, false, `${command} succeeded`);
    assert.deepEqual(this.problems, []);
    return response.body.error.format as string;
  }

  /** The next event of this name that has not been looked at. */
  event(name: string): Promise<Body> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.listeners.delete(look);
        reject(new Error(`no event ${name}; there were ${this.events.map(({ event }) => event).join(', ')}`));
      }, PATIENCE_MS);
      const look = (): void => {
        const at = this.events.findIndex(({ event }, index) => index >= this.read && event === name);
        if (at < 0) return;
        this.read = at + 1;
        clearTimeout(timer);
        this.listeners.delete(look);
        assert.deepEqual(this.problems, []);
        resolve(this.events[at]!.body);
      };
      this.listeners.add(look);
      look();
    });
  }

  /** A request that moves the guest, and the stop that follows. */
  async moved(command: string, args: unknown = { threadId: 1 }): Promise<Body> {
    const [stopped] = await Promise.all([this.event('stopped'), this.request(command, args)]);
    return stopped;
  }

  console(expression: string): Promise<Body> {
    return this.request('evaluate', { expression, context: 'repl' });
  }

  printed(): string {
    return this.events
      .filter(({ event }) => event === 'output')
      .map(({ body }) => body.output as string)
      .join('');
  }
}

const responseOf = (command: string): string => `${command[0]!.toUpperCase()}${command.slice(1)}Response`;

export interface Started {
  readonly client: Client;
  readonly guest: FakeGuest;
  readonly configs: MachineConfig[];
  readonly ended: () => boolean;
}

/** A session over two pipes, not yet initialized. */
export function connect(guest = new FakeGuest()): Started {
  const toAdapter = new PassThrough();
  const toClient = new PassThrough();
  const configs: MachineConfig[] = [];
  let over = false;
  new Session(toAdapter, toClient, ROUTES, {
    createGuest: async (config) => {
      configs.push(config);
      return guest;
    },
    ended: () => (over = true),
  });
  return { client: new Client(toClient, toAdapter), guest, configs, ended: () => over };
}

export const CLIENT = {
  adapterID: 'guest', pathFormat: 'path', linesStartAt1: true, columnsStartAt1: true,
  supportsProgressReporting: true, supportsMemoryEvent: true, supportsInvalidatedEvent: true,
}; // prettier-ignore

/** A session whose guest stands at its first instruction. */
export async function launched(launch: Record<string, unknown> = {}, guest = new FakeGuest()): Promise<Started> {
  const started = connect(guest);
  const { client } = started;
  await client.request('initialize', CLIENT);
  await Promise.all([client.event('initialized'), client.request('launch', { program: '/nowhere/kernel', stopOnEntry: true, ...launch })]);
  const [stopped] = await Promise.all([client.event('stopped'), client.request('configurationDone')]);
  assert.equal(stopped.reason, 'entry');
  return started;
}
