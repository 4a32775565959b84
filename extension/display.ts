/** The panel that shows the guest's screen: noVNC in a webview, whose bytes travel in the debug session. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { DisplayPanel } from './displaypanel';
import type { GuestSession, GuestSessions } from './sessions';

export const DISPLAY_VIEW = 'guestDebug.display';

export class DisplayPanels implements vscode.WebviewPanelSerializer, vscode.Disposable {
  private panel: DisplayPanel | undefined;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly sessions: GuestSessions,
    private readonly memory: vscode.Memento,
  ) {
    const follow = (session: GuestSession | undefined): void => this.panel?.follow(session);
    this.subscriptions = [
      vscode.window.registerWebviewPanelSerializer(DISPLAY_VIEW, this),
      sessions.onDidChange(() => follow(sessions.current)),
      sessions.onDidMove((session) => this.panel?.moved(session)),
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

  async toggleFullScreen(): Promise<void> {
    this.show();
    await this.panel?.fullScreen.toggle();
  }

  async deserializeWebviewPanel(panel: vscode.WebviewPanel): Promise<void> {
    this.adopt(panel);
  }

  private adopt(panel: vscode.WebviewPanel): void {
    const root = vscode.Uri.joinPath(this.extensionUri, 'dist', 'media');
    panel.webview.options = { enableScripts: true, localResourceRoots: [root] };
    panel.webview.html = page(panel.webview, vscode.Uri.joinPath(root, 'display.js'), vscode.Uri.joinPath(root, 'display.css'));
    panel.onDidDispose(() => (this.panel = undefined));
    this.panel = new DisplayPanel(panel, this.sessions.current, this.memory);
  }

  dispose(): void {
    this.panel?.close();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

function page(webview: vscode.Webview, script: vscode.Uri, style: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64url');
  const policy = `default-src 'none'; img-src ${webview.cspSource} data: blob:; style-src ${webview.cspSource}; script-src 'nonce-${nonce}';`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Guest Display</title>
<link rel="stylesheet" href="${webview.asWebviewUri(style).toString()}">
</head>
<body>
<script nonce="${nonce}" type="module" src="${webview.asWebviewUri(script).toString()}"></script>
</body>
</html>`;
}
