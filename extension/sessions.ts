/** The debug sessions of guests: which one commands are about, and typed requests to its adapter. */
import * as vscode from 'vscode';
import type { GuestEventName, GuestEvents, GuestRequest, GuestRequests } from '../adapter/protocol/guest';
import { DEBUG_TYPE } from './launch';

/** Requests after which the guest moves; no event says so. */
const MOVING: ReadonlySet<string> = new Set(['continue', 'next', 'stepIn', 'stepOut', 'stepBack', 'reverseContinue', 'goto']);

export class GuestSession {
  /** The guest has a screen to show. */
  hasDisplay = false;
  stopped = false;

  constructor(readonly session: vscode.DebugSession) {}

  get id(): string {
    return this.session.id;
  }

  get name(): string {
    return this.session.name;
  }

  async request<R extends GuestRequest>(request: R, args: GuestRequests[R]['arguments']): Promise<GuestRequests[R]['body']> {
    return (await this.session.customRequest(request, args)) as GuestRequests[R]['body'];
  }
}

type GuestEventOf<Name extends GuestEventName> = { readonly session: GuestSession; readonly body: GuestEvents[Name] };

export interface RfbEvent {
  readonly session: GuestSession;
  readonly event: 'guest/rfbData' | 'guest/rfbClosed';
  readonly body: GuestEvents['guest/rfbData'] | GuestEvents['guest/rfbClosed'];
}

export class GuestSessions implements vscode.Disposable {
  private readonly sessions = new Map<string, GuestSession>();
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly ended = new vscode.EventEmitter<GuestSession>();
  private readonly movement = new vscode.EventEmitter<GuestSession>();
  private readonly checkpoints = new vscode.EventEmitter<GuestEventOf<'guest/checkpointsChanged'>>();
  private readonly display = new vscode.EventEmitter<GuestEventOf<'guest/display'>>();
  private readonly rfb = new vscode.EventEmitter<RfbEvent>();
  private readonly subscriptions: vscode.Disposable[];

  /** A session began, ended, or became the active one. */
  readonly onDidChange = this.changed.event;
  readonly onDidEnd = this.ended.event;
  /** A guest stopped or went on. */
  readonly onDidMove = this.movement.event;
  readonly onDidChangeCheckpoints = this.checkpoints.event;
  readonly onDidChangeDisplay = this.display.event;
  readonly onDidReceiveRfb = this.rfb.event;

  constructor() {
    this.subscriptions = [
      vscode.debug.onDidStartDebugSession((session) => this.started(session)),
      vscode.debug.onDidTerminateDebugSession((session) => this.terminated(session)),
      vscode.debug.onDidChangeActiveDebugSession(() => this.changed.fire()),
      vscode.debug.onDidReceiveDebugSessionCustomEvent((event) => this.received(event)),
      vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
        createDebugAdapterTracker: (session) => ({ onDidSendMessage: (message: unknown) => this.sent(session, message) }),
      }),
    ];
  }

  /** The one that commands are about: the active session, or the only one there is. */
  get current(): GuestSession | undefined {
    const active = vscode.debug.activeDebugSession;
    const known = active && this.sessions.get(active.id);
    if (known) return known;
    return this.sessions.size === 1 ? [...this.sessions.values()][0] : undefined;
  }

  byId(id: string): GuestSession | undefined {
    return this.sessions.get(id);
  }

  /** Also for events that come before VS Code says that the session has started. */
  private of(session: vscode.DebugSession): GuestSession {
    let known = this.sessions.get(session.id);
    if (!known) this.sessions.set(session.id, (known = new GuestSession(session)));
    return known;
  }

  private started(session: vscode.DebugSession): void {
    if (session.type !== DEBUG_TYPE) return;
    this.of(session);
    this.changed.fire();
  }

  private terminated(session: vscode.DebugSession): void {
    const known = this.sessions.get(session.id);
    if (!known) return;
    this.sessions.delete(session.id);
    this.ended.fire(known);
    this.changed.fire();
  }

  private received({ session, event, body }: vscode.DebugSessionCustomEvent): void {
    if (session.type !== DEBUG_TYPE) return;
    const known = this.of(session);
    if (event === ('guest/checkpointsChanged' satisfies GuestEventName)) this.checkpoints.fire({ session: known, body: {} });
    if (event === 'guest/rfbData' || event === 'guest/rfbClosed') this.rfb.fire({ session: known, event, body: body as RfbEvent['body'] });
    if (event === ('guest/display' satisfies GuestEventName)) {
      const display = body as GuestEvents['guest/display'];
      known.hasDisplay = display.available;
      this.display.fire({ session: known, body: display });
    }
  }

  private sent(session: vscode.DebugSession, message: unknown): void {
    const { type, event, command, success } = message as { type?: string; event?: string; command?: string; success?: boolean };
    const began = type === 'response' && success === true && command !== undefined && MOVING.has(command);
    if (!began && (type !== 'event' || (event !== 'stopped' && event !== 'continued'))) return;
    const known = this.of(session);
    known.stopped = event === 'stopped';
    this.movement.fire(known);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}
