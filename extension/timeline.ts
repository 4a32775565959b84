/** The Timeline view: the guest's history along its virtual time, to look at and to travel in. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { FromTimeline, ToTimeline } from '../adapter/protocol/timeline';
import type { GuestSession, GuestSessions } from './sessions';

export const TIMELINE_VIEW = 'guestDebug.timeline';
/** Between two looks at a guest that runs. */
const RUNNING_MS = 500;

export class TimelineView implements vscode.WebviewViewProvider, vscode.Disposable {
  private view: vscode.WebviewView | undefined;
  /** Whose history it is: each has checkpoints, and pictures of them, by numbers of its own. */
  private shown: GuestSession | undefined;
  private ready = false;
  private asking = false;
  private again = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly extension: vscode.Uri,
    private readonly sessions: GuestSessions,
  ) {
    const refresh = (): void => void this.refresh();
    this.subscriptions = [
      vscode.window.registerWebviewViewProvider(TIMELINE_VIEW, this, { webviewOptions: { retainContextWhenHidden: true } }),
      sessions.onDidChange(refresh),
      sessions.onDidChangeCheckpoints(refresh),
      sessions.onDidMove(refresh),
    ];
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    const root = vscode.Uri.joinPath(this.extension, 'dist', 'media');
    view.webview.options = { enableScripts: true, localResourceRoots: [root] };
    view.webview.html = page(view.webview, vscode.Uri.joinPath(root, 'timeline.js'));
    view.webview.onDidReceiveMessage((message: FromTimeline) => void this.heard(message));
    view.onDidChangeVisibility(() => void this.refresh());
    view.onDidDispose(() => (this.view = undefined));
    this.view = view;
    this.ready = false;
  }

  private post(message: ToTimeline): void {
    void this.view?.webview.postMessage(message);
  }

  /** One question at a time; what changes meanwhile is asked for afterwards. */
  private async refresh(): Promise<void> {
    if (!this.ready || !this.view?.visible) return;
    this.again = true;
    if (this.asking) return;
    this.asking = true;
    while (this.again) {
      this.again = false;
      const { current } = this.sessions;
      try {
        if (!current || current !== this.shown) this.post({ kind: 'nothing' });
        this.shown = current;
        if (current) {
          const timeline = await current.request('guest/timeline', {});
          this.post({ kind: 'timeline', timeline });
          if (timeline.running) this.later();
        }
      } catch {
        this.post({ kind: 'nothing' }); // no guest yet, or it has gone
      }
    }
    this.asking = false;
  }

  /** A guest that runs goes on, whether it makes checkpoints or not. */
  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), RUNNING_MS);
  }

  private async heard(message: FromTimeline): Promise<void> {
    if (message.kind === 'ready') {
      this.ready = true;
      return this.refresh();
    }
    const { current } = this.sessions;
    if (!current) return;
    try {
      await this.carryOut(current, message);
    } catch (error) {
      void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  }

  private async carryOut(session: GuestSession, message: Exclude<FromTimeline, { kind: 'ready' }>): Promise<void> {
    switch (message.kind) {
      case 'thumbnails': {
        const found = await session.request('guest/thumbnails', { ids: message.ids });
        return session === this.shown ? this.post({ kind: 'thumbnails', ...found }) : undefined;
      }
      case 'restore':
        return void (await session.request('guest/restore', { id: message.id }));
      case 'travel':
        return void (await session.request('guest/travel', { position: message.position }));
      case 'runTo':
        return void (await session.request('guest/runTo', { position: message.position }));
      case 'bookmark':
        return this.bookmark(session, message.position);
    }
  }

  private async bookmark(session: GuestSession, position: number): Promise<void> {
    const name = await vscode.window.showInputBox({ title: 'Bookmark', prompt: 'A name for this point of the guest’s history' });
    if (name === undefined || name === '') return;
    if ((await session.request('guest/status', {})).position !== position) {
      const arrived = this.stops(session);
      await session.request('guest/travel', { position });
      await arrived;
    }
    await session.request('guest/checkpoint', { name });
  }

  private stops(session: GuestSession): Promise<void> {
    return new Promise((resolve) => {
      const subscription = this.sessions.onDidMove((moved) => {
        if (moved !== session || !moved.stopped) return;
        subscription.dispose();
        resolve();
      });
    });
  }
}

function page(webview: vscode.Webview, script: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64url');
  const policy = `default-src 'none'; img-src data:; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}';`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Guest Timeline</title>
<style nonce="${nonce}">
  html, body { height: 100%; margin: 0; padding: 0; }
  body { display: flex; flex-direction: column; font-size: 12px; user-select: none; overflow: hidden; }
  header { display: flex; gap: 6px; align-items: center; padding: 4px 12px; color: var(--vscode-descriptionForeground); }
  #status { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-variant-numeric: tabular-nums; }
  header button, #menu button { color: var(--vscode-button-secondaryForeground); background: var(--vscode-button-secondaryBackground); border: 0; padding: 2px 8px; border-radius: 2px; cursor: pointer; font: inherit; }
  header button:hover:enabled { background: var(--vscode-button-secondaryHoverBackground); }
  button:disabled { opacity: 0.5; cursor: default; }
  button:focus-visible { outline: 1px solid var(--vscode-focusBorder); outline-offset: 1px; }
  #scroll { flex: 1; overflow-y: auto; overflow-x: hidden; }
  #stage { position: relative; margin: 0 16px; min-height: 40px; }
  #stage > * { position: absolute; }
  .picture { border: 1px solid var(--vscode-panel-border); padding: 0; background: none; cursor: pointer; line-height: 0; }
  .picture img { display: block; }
  .picture.current, .picture:hover:enabled { border-color: var(--vscode-focusBorder); }
  .stem { width: 1px; background: var(--vscode-panel-border); }
  .lane { height: 2px; border-radius: 1px; background: var(--vscode-charts-lines, var(--vscode-descriptionForeground)); opacity: 0.6; }
  .lane.future { opacity: 0.25; }
  .lane.other { background: var(--vscode-charts-purple); }
  .branch { width: 1px; background: var(--vscode-charts-purple); opacity: 0.6; }
  .dot { width: 9px; height: 9px; padding: 0; border: 0; border-radius: 50%; background: var(--vscode-charts-blue); cursor: pointer; }
  .dot.automatic { width: 5px; height: 5px; background: var(--vscode-descriptionForeground); }
  .dot.other { background: var(--vscode-charts-purple); }
  .dot:hover:enabled { transform: scale(1.5); }
  .name { white-space: nowrap; color: var(--vscode-charts-blue); pointer-events: none; font-size: 11px; }
  .name.other { color: var(--vscode-charts-purple); }
  .event { width: 3px; height: 10px; border: 0; border-radius: 1px; padding: 0; }
  button.event { cursor: pointer; }
  button.event::after { content: ''; position: absolute; inset: -2px -3px; }
  .event.input { background: var(--vscode-charts-green); }
  .event.stop { background: var(--vscode-debugIcon-breakpointForeground, var(--vscode-charts-red)); }
  .event.reset { background: var(--vscode-charts-orange); }
  .event.fault, .event.end { background: var(--vscode-errorForeground); height: 14px; }
  .now { width: 2px; background: var(--vscode-focusBorder); pointer-events: none; }
  .tick { color: var(--vscode-descriptionForeground); font-size: 10px; white-space: nowrap; border-left: 1px solid var(--vscode-panel-border); padding: 4px 0 0 3px; pointer-events: none; }
  #menu { position: fixed; z-index: 2; display: flex; flex-direction: column; background: var(--vscode-menu-background); color: var(--vscode-menu-foreground); border: 1px solid var(--vscode-menu-border, var(--vscode-panel-border)); box-shadow: 0 2px 8px var(--vscode-widget-shadow); padding: 4px; }
  #menu button { background: none; color: inherit; text-align: left; padding: 4px 16px; }
  #menu button:hover, #menu button:focus { background: var(--vscode-menu-selectionBackground); color: var(--vscode-menu-selectionForeground); outline: none; }
  [hidden] { display: none !important; }
</style>
</head>
<body>
<header><span id="status" role="status">No guest is being debugged.</span><button id="bookmark" type="button" disabled>Bookmark…</button><button id="out" type="button" title="Zoom out" aria-label="Zoom out">−</button><button id="in" type="button" title="Zoom in" aria-label="Zoom in">+</button><button id="all" type="button" title="Show all of the history">All</button></header>
<div id="scroll"><div id="stage" role="group" aria-label="Timeline"></div></div>
<div id="menu" role="menu" hidden></div>
<script nonce="${nonce}" type="module" src="${webview.asWebviewUri(script).toString()}"></script>
</body>
</html>`;
}
