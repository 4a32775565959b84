/** The panel that shows the guest's screen: noVNC in a webview, whose bytes travel in the debug session. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { FromDisplay, ToDisplay } from '../adapter/protocol/display';
import type { GuestEvents } from '../adapter/protocol/guest';
import type { GuestSession, GuestSessions } from './sessions';

export const DISPLAY_VIEW = 'guestDebug.display';
/** Numbers of RFB connections. */
let nextClient = 1;

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
      sessions.onDidReceiveRfb(({ session, event, body }) => this.panel?.received(session, event, body)),
    ];
  }

  show(): void {
    if (this.panel) return this.panel.reveal();
    const panel = vscode.window.createWebviewPanel(
      DISPLAY_VIEW,
      'Guest Display',
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      { retainContextWhenHidden: true },
    );
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
  /** Number of the RFB connection, while there is one. */
  private client: number | undefined;
  private connected: GuestSession | undefined;
  /** What the webview has used up while it was hidden: told when it is seen again, and until then nothing more comes. */
  private held = 0;

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private session: GuestSession | undefined,
  ) {
    panel.webview.onDidReceiveMessage((message: FromDisplay) => this.heard(message));
    panel.onDidChangeViewState(() => this.taken(0));
    panel.onDidDispose(() => this.disconnect());
  }

  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  close(): void {
    this.panel.dispose();
  }

  follow(session: GuestSession | undefined): void {
    this.session = session;
    if (this.ready && (session !== this.connected || this.client === undefined)) this.connect();
  }

  received(session: GuestSession, event: 'guest/rfbData' | 'guest/rfbClosed', body: GuestEvents['guest/rfbData'] | GuestEvents['guest/rfbClosed']): void {
    if (session !== this.connected || body.client !== this.client) return;
    if (event === 'guest/rfbData') return this.post({ kind: 'data', data: (body as GuestEvents['guest/rfbData']).data });
    this.client = undefined;
    const { problem } = body as GuestEvents['guest/rfbClosed'];
    this.post({ kind: 'closed', ...(problem !== undefined && { problem }) });
  }

  private connect(): void {
    this.disconnect();
    const { session } = this;
    this.post(session ? { kind: 'session', connected: true, name: session.name } : { kind: 'session', connected: false });
    if (!session) return;
    const client = nextClient++;
    [this.connected, this.client, this.held] = [session, client, 0];
    this.post({ kind: 'open' });
    // A guest that has not been launched yet tells when it has a display.
    session.request('guest/rfbOpen', { client }).catch(() => {
      if (this.client === client) this.client = undefined;
    });
  }

  private disconnect(): void {
    if (this.client !== undefined) this.connected?.request('guest/rfbClose', { client: this.client }).then(undefined, () => undefined);
    this.client = undefined;
    this.connected = undefined;
  }

  private post(message: ToDisplay): void {
    void this.panel.webview.postMessage(message);
  }

  private heard(message: FromDisplay): void {
    switch (message.kind) {
      case 'ready':
        this.ready = true;
        return this.connect();
      case 'data':
        if (this.client !== undefined) this.tell(this.connected?.request('guest/rfbSend', { client: this.client, data: message.data }));
        return;
      case 'taken':
        return this.taken(message.bytes);
      case 'screenshot':
        void this.keep(Buffer.from(message.png, 'base64'));
    }
  }

  private taken(bytes: number): void {
    this.held += bytes;
    if (this.client === undefined || this.held === 0 || !this.panel.visible) return;
    this.tell(this.connected?.request('guest/rfbTaken', { client: this.client, bytes: this.held }));
    this.held = 0;
  }

  private async keep(png: Uint8Array): Promise<void> {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const uri = await vscode.window.showSaveDialog({
      ...(folder && { defaultUri: vscode.Uri.joinPath(folder, 'screen.png') }),
      filters: { PNG: ['png'] },
    });
    if (uri) await vscode.workspace.fs.writeFile(uri, png);
  }

  /** What goes to a guest that has just gone is nobody's fault. */
  private tell(request: Promise<unknown> | undefined): void {
    request?.catch(() => undefined);
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
  #stage { flex: 1; min-height: 0; padding: 4px; }
  #stage:focus-within { outline: 1px solid var(--vscode-focusBorder); outline-offset: -2px; }
  canvas[hidden] { display: none; }
</style>
</head>
<body>
<div id="bar"><span id="status" role="status"></span><span class="space"></span><button id="screenshot" type="button">Screenshot</button><button id="ctrl-alt-del" type="button">Ctrl-Alt-Del</button></div>
<div id="stage"></div>
<script nonce="${nonce}" type="module" src="${webview.asWebviewUri(script).toString()}"></script>
</body>
</html>`;
}
