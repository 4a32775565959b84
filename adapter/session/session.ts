/**
 * One debug session over two streams. It takes requests through one flat table (`routes.ts`), turns every throw into an
 * error response, and tells the client what the guest does.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Guest, MachineConfig, Stop } from '../../emulator/machine/api';
import type { GuestEventName, GuestEvents } from '../protocol/guest';
import { exitCode, stoppedBody } from './stops';
import { badRequest, cancelled, errorResponse, errorText, notLaunched, unknownCommand } from './errors';
import type { Debuggee, DebuggeeEvents } from './debuggee';
import type { Operation } from './motion';
import { Progress } from './progress';
import { Reply } from './reply';
import { Transport } from './transport';

/** Makes the machine. With a snapshot it begins there instead of at power-on. */
export type GuestFactory = (config: MachineConfig, options: { readonly snapshot?: string }) => Promise<Guest>;

type Needed = 'string' | 'number' | 'boolean' | 'object' | 'array';

export interface Route {
  /** Answers with the response's body, or a Reply. Throws for an error response. */
  readonly run: (session: Session, args: never) => unknown;
  readonly needs?: Readonly<Record<string, Needed>>;
}

export interface SessionOptions {
  readonly createGuest: GuestFactory;
  /** The session is over: the client has gone, or has said that it is done. */
  readonly ended?: () => void;
}

/** The `body` member of a response, where there is one. */
function bodyOf(answer: unknown): { body?: unknown } {
  const body = answer instanceof Reply ? answer.body : answer;
  return body === undefined ? {} : { body };
}

export class Session {
  readonly client: Partial<DebugProtocol.InitializeRequestArguments> = {};
  private readonly transport: Transport;
  private readonly pending = new Map<number, { cancelled: boolean }>();
  private debuggee: Debuggee | undefined;
  private trace: WriteStream | undefined;
  private over = false;
  private told = false;
  /** Set by configurationDone; a stop isn't told before. */
  configured = false;
  /** What the client launched with, for a restart. */
  launchArguments: Readonly<Record<string, unknown>> = {};
  readonly progress = new Progress(this);

  constructor(
    input: Readable,
    output: Writable,
    private readonly routes: Readonly<Record<string, Route>>,
    readonly options: SessionOptions,
  ) {
    this.transport = new Transport(input, output, {
      message: (message) => this.receive(message),
      malformed: (problem) => this.output('stderr', `Unreadable message from the client: ${problem}\n`),
      closed: () => void this.shutDown(),
    });
  }

  /** The launched guest; throws where there is none. */
  get live(): Debuggee {
    if (!this.debuggee) throw notLaunched();
    return this.debuggee;
  }

  get launched(): boolean {
    return this.debuggee !== undefined;
  }

  /** The launched guest, standing still. */
  get stopped(): Debuggee {
    this.live.motion.requireStopped();
    return this.live;
  }

  async adopt(debuggee: Debuggee): Promise<void> {
    await this.debuggee?.close();
    this.debuggee = debuggee;
    this.told = false;
  }

  traceTo(path: string): void {
    this.trace?.end();
    this.trace = createWriteStream(path);
    this.trace.on('error', (error) => {
      this.trace = undefined;
      this.output('stderr', `trace: ${error.message}\n`);
    });
  }

  // ── Requests ─────────────────────────────────────────────────────────────────────────────

  private receive(message: DebugProtocol.ProtocolMessage): void {
    this.trace?.write(`${JSON.stringify(message)}\n`);
    if (message.type === 'request') void this.dispatch(message as DebugProtocol.Request);
  }

  private async dispatch(request: DebugProtocol.Request): Promise<void> {
    const state = { cancelled: false };
    let answered = false;
    this.pending.set(request.seq, state);
    try {
      const answer = await this.handle(request);
      if (state.cancelled) throw cancelled();
      this.send({
        type: 'response',
        request_seq: request.seq,
        success: true,
        command: request.command,
        ...bodyOf(answer),
      } as Omit<DebugProtocol.Response, 'seq'>);
      answered = true;
      if (answer instanceof Reply) await answer.after();
    } catch (error) {
      // What goes wrong after the answer has no request to be told with.
      if (answered && this.debuggee) this.tellFailure(error);
      else if (!answered) this.send(errorResponse(request, error));
    } finally {
      this.pending.delete(request.seq);
    }
  }

  private async handle(request: DebugProtocol.Request): Promise<unknown> {
    if (typeof request.command !== 'string') throw badRequest('a request without a command');
    const route: Route | undefined = Object.hasOwn(this.routes, request.command) ? this.routes[request.command] : undefined;
    if (!route) throw unknownCommand(request.command);
    const given: unknown = request.arguments ?? {};
    if (typeof given !== 'object' || given === null) throw badRequest(`${request.command}: the arguments are no object`);
    for (const [name, type] of Object.entries(route.needs ?? {})) {
      const value = (given as Record<string, unknown>)[name];
      const fits = type === 'array' ? Array.isArray(value) : typeof value === type && value !== null;
      if (!fits) throw badRequest(`${request.command}: the argument '${name}' has to be a ${type === 'array' ? 'list' : type}`);
    }
    return route.run(this, given as never);
  }

  cancelRequest(seq: number): void {
    const pending = this.pending.get(seq);
    if (pending) pending.cancelled = true;
  }

  // ── Events ───────────────────────────────────────────────────────────────────────────────

  private send(message: Omit<DebugProtocol.ProtocolMessage, 'seq'>): void {
    this.trace?.write(`${JSON.stringify(message)}\n`);
    this.transport.send(message);
  }

  event<E extends DebugProtocol.Event>(event: E['event'] & string, body?: E['body']): void {
    this.send({ type: 'event', event, ...(body !== undefined && { body: body as unknown }) } as Omit<DebugProtocol.Event, 'seq'>);
  }

  guestEvent<Name extends GuestEventName>(event: Name, body: GuestEvents[Name]): void {
    this.event(event, body);
  }

  output(category: 'console' | 'stdout' | 'stderr' | 'important', output: string): void {
    this.event<DebugProtocol.OutputEvent>('output', { category, output });
  }

  /** What the guest's doings mean for the client. */
  readonly listener: DebuggeeEvents = {
    starting: () => this.live.moving(),
    stopped: (stop) => this.tellStop(stop),
    failed: (error) => this.tellFailure(error),
    output: (category, text) => this.output(category, text),
    serial: (port, bytes) => this.guestEvent('guest/serial', { port, data: Buffer.from(bytes).toString('base64') }),
    rfb: {
      data: (body) => this.guestEvent('guest/rfbData', body),
      closed: (body) => this.guestEvent('guest/rfbClosed', body),
    },
    checkpointsChanged: () => this.guestEvent('guest/checkpointsChanged', {}),
    progress: (position, target) => this.progress.update(position, target),
  };

  /** A motion that the client has not begun with a request of its own: it is told that the guest runs. */
  beginUnasked(title: string, operation: Operation): void {
    this.live.motion.requireStopped();
    this.progress.expect(title);
    this.event<DebugProtocol.ContinuedEvent>('continued', { threadId: this.live.focus + 1, allThreadsContinued: true });
    this.live.motion.begin(operation);
  }

  tellStop(stop: Stop): void {
    const debuggee = this.live;
    debuggee.settled();
    this.progress.end();
    const code = exitCode(stop);
    if (code !== undefined)
      this.output('console', `${stop.reason.kind === 'power-off' ? 'The guest has powered off.' : `The guest has ended with exit code ${code}.`}\n`);
    if (code !== undefined && !debuggee.plan.stopOnExit) return this.tellEnd(code);
    if (stop.reason.kind === 'error' || stop.reason.kind === 'shutdown') {
      const text = stop.reason.kind === 'error' ? `${stop.reason.description} [${stop.reason.code}]` : stop.reason.description;
      this.output('stderr', `${text} (vCPU ${stop.vcpu} at 0x${stop.rip.toString(16)}, position ${stop.position})\n`);
    }
    this.event<DebugProtocol.StoppedEvent>('stopped', stoppedBody(stop, debuggee.breakpoints));
    this.tellMemory();
  }

  /** An open memory view is drawn anew only for an event about its very reference. */
  tellMemory(): void {
    if (this.client.supportsMemoryEvent !== true) return;
    for (const [memoryReference, { first, last }] of this.live.openMemory) {
      this.event<DebugProtocol.MemoryEvent>('memory', { memoryReference, offset: first, count: last - first });
    }
  }

  tellInvalidated(areas: DebugProtocol.InvalidatedAreas[]): void {
    if (this.client.supportsInvalidatedEvent === true) this.event<DebugProtocol.InvalidatedEvent>('invalidated', { areas });
  }

  private tellFailure(error: unknown): void {
    this.live.settled();
    this.progress.end();
    const text = errorText(error);
    this.output('stderr', `${text}\n`);
    this.event<DebugProtocol.StoppedEvent>('stopped', {
      reason: 'pause',
      description: 'Paused on an error',
      text,
      threadId: this.live.focus + 1,
      allThreadsStopped: true,
    });
  }

  tellEnd(code?: number): void {
    if (this.told) return;
    this.told = true;
    if (code !== undefined) this.event<DebugProtocol.ExitedEvent>('exited', { exitCode: code });
    this.event<DebugProtocol.TerminatedEvent>('terminated');
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────

  async closeGuest(): Promise<void> {
    const debuggee = this.debuggee;
    this.debuggee = undefined;
    await debuggee?.close();
  }

  /** Closes everything; after this the session says nothing more. */
  async shutDown(): Promise<void> {
    if (this.over) return;
    this.over = true;
    try {
      await this.closeGuest();
    } finally {
      this.trace?.end();
      this.transport.end();
      this.options.ended?.();
    }
  }
}
