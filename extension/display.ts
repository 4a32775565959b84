/** The panel that shows the guest's screen. Frames are asked of the adapter one at a time, as fast as they are painted. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { FromDisplay, ToDisplay } from '../adapter/protocol/display';
import type { GuestSession, GuestSessions } from './sessions';

export const DISPLAY_VIEW = 'guestDebug.display';
/** Between frames, and between looks at a screen that doesn't change. */
const FRAME_MS = 33;
const QUIET_MS = 150;
const STOPPED_MS = 500;

export class DisplayPanels implements vscode.WebviewPanelSerializer, vscode.Disposable {
  private panel: DisplayPanel | undefined;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly sessions: GuestSessions,
  ) {
    const follow = (session: GuestSession | undefined): void => this.panel?.follow(session);
    this.subscriptions = [
      vscode.window.registerWebviewPanelSerializer(DISPLAY_VIEW, this),
      sessions.onDidChange(() => follow(sessions.current)),
      sessions.onDidChangeDisplay(({ session }) => follow(session)),
      sessions.onDidMove(() => this.panel?.hurry()),
    ];
  }

  show(): void {
    if (this.panel) return this.panel.reveal();
    const panel = vscode.window.createWebviewPanel(DISPLAY_VIEW, 'Guest Display', { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true }, { retainContextWhenHidden: true });
    this.adopt(panel);
  }

  async deserializeWebviewPanel(panel: vscode.WebviewPanel): Promise<void> {
    this.adopt(panel);
  }

  private adopt(panel: vscode.WebviewPanel): void {
    const root = vscode.Uri.joinPath(this.extensionUri, 'dist', 'media');
    panel.webview.options = { enableScripts: true, localResourceRoots: [root] };
    panel.webview.html = page(panel.webview, vscode.Uri.joinPath(root, 'display.js'));
    panel.onDidDispose(() => (this.panel = undefined));
    this.panel = new DisplayPanel(panel, this.sessions.current);
  }

  dispose(): void {
    this.panel?.close();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

class DisplayPanel {
  private ready = false;
  private asking = false;
  private sequence: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private session: GuestSession | undefined,
  ) {
    panel.webview.onDidReceiveMessage((message: FromDisplay) => this.heard(message));
    panel.onDidChangeViewState(() => this.hurry());
    panel.onDidDispose(() => this.follow(undefined));
  }

  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  close(): void {
    this.panel.dispose();
  }

  follow(session: GuestSession | undefined): void {
    if (session !== this.session) this.sequence = undefined;
    this.session = session;
    if (!this.ready) return;
    this.tellSession();
    this.schedule(0);
  }

  /** Something has happened that may have changed the picture. */
  hurry(): void {
    if (!this.asking) this.schedule(0);
  }

  private tellSession(): void {
    const { session } = this;
    this.post(session ? { kind: 'session', connected: true, name: session.name } : { kind: 'session', connected: false });
  }

  private post(message: ToDisplay): void {
    void this.panel.webview.postMessage(message);
  }

  private heard(message: FromDisplay): void {
    switch (message.kind) {
      case 'ready':
        this.ready = true;
        this.sequence = undefined;
        this.asking = false;
        this.tellSession();
        return this.schedule(0);
      case 'painted':
        this.asking = false;
        this.sequence = message.sequence;
        return this.schedule(FRAME_MS);
      case 'key':
        return this.input(this.session?.request('guest/key', { code: message.code, down: message.down }));
      case 'chord':
        return this.input(this.session?.request('guest/key', { chord: message.codes }));
      case 'pointer': {
        const { x, y, buttons, wheel } = message;
        return this.input(this.session?.request('guest/pointer', { x, y, buttons, wheel }));
      }
    }
  }

  /** Input to a guest that has just gone is nobody's fault. */
  private input(request: Promise<unknown> | undefined): void {
    request?.catch(() => undefined);
  }

  private schedule(delay: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), delay);
  }

  private async ask(): Promise<void> {
    const { session } = this;
    if (!this.ready || this.asking || !session || !this.panel.visible) return;
    this.asking = true;
    try {
      const { frame } = await session.request('guest/frame', this.sequence === undefined ? {} : { since: this.sequence });
      if (session !== this.session) this.asking = false;
      else if (frame && frame.rectangles.length > 0) return this.post({ kind: 'frame', frame });
    } catch {
      // The adapter has gone, or the guest is not there yet: looked at again a little later.
    }
    this.asking = false;
    this.schedule(session.stopped ? STOPPED_MS : QUIET_MS);
  }
}

function page(webview: vscode.Webview, script: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64url');
  const policy = `default-src 'none'; img-src ${webview.cspSource} data: blob:; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}';`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Guest Display</title>
<style nonce="${nonce}">
  html, body { height: 100%; margin: 0; padding: 0; overflow: hidden; }
  body { display: flex; flex-direction: column; }
  #bar { display: flex; gap: 8px; align-items: center; padding: 4px 8px; font-size: 12px; color: var(--vscode-descriptionForeground); }
  #bar .space { flex: 1; }
  button { color: var(--vscode-button-secondaryForeground); background: var(--vscode-button-secondaryBackground); border: 0; padding: 3px 8px; border-radius: 2px; cursor: pointer; white-space: nowrap; }
  button:hover { background: var(--vscode-button-secondaryHoverBackground); }
  #stage { flex: 1; min-height: 0; display: flex; align-items: center; justify-content: center; padding: 4px; }
  canvas { max-width: 100%; max-height: 100%; background: #000; outline: 2px solid transparent; cursor: default; }
  canvas:focus { outline-color: var(--vscode-focusBorder); }
  canvas[hidden] { display: none; }
</style>
</head>
<body>
<div id="bar"><span id="status" role="status"></span><span class="space"></span><button id="ctrl-alt-del" type="button">Ctrl-Alt-Del</button></div>
<div id="stage"><canvas id="screen" tabindex="0" hidden aria-label="The guest's screen"></canvas></div>
<script nonce="${nonce}" type="module" src="${webview.asWebviewUri(script).toString()}"></script>
</body>
</html>`;
}
