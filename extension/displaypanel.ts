/** One panel: its webview, and the connection to the guest that it shows. */
import * as vscode from 'vscode';
import type { DisplaySettings, FromDisplay, ToDisplay } from '../adapter/protocol/display';
import type { GuestEvents } from '../adapter/protocol/guest';
import { FullScreen } from './fullscreen';
import type { GuestSession } from './sessions';
import { copyScreenText, typeClipboard } from './typing';

/** Where the settings are kept. */
const SETTINGS = 'display.settings';
const DEFAULTS: DisplaySettings = { scale: 'fit', holdMouse: false };
/** Names of files, as they are proposed. */
const FILES = { screenshot: 'screen.png', recording: 'recording.png' } as const;

/** Numbers of RFB connections. */
let nextClient = 1;

export class DisplayPanel {
  private ready = false;
  /** Number of the RFB connection, while there is one. */
  private client: number | undefined;
  private connected: GuestSession | undefined;
  /** What the webview has used up while it was hidden: told when it is seen again, and until then nothing more comes. */
  private held = 0;

  readonly fullScreen: FullScreen;

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private session: GuestSession | undefined,
    private readonly memory: vscode.Memento,
  ) {
    this.fullScreen = new FullScreen(panel);
    panel.webview.onDidReceiveMessage((message: FromDisplay) => void this.heard(message).catch(tellUser));
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

  moved(session: GuestSession): void {
    if (session === this.connected) this.post({ kind: 'state', running: !session.stopped });
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
    this.moved(session);
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

  private async heard(message: FromDisplay): Promise<void> {
    switch (message.kind) {
      case 'ready':
        this.ready = true;
        this.post({ kind: 'settings', settings: { ...DEFAULTS, ...this.memory.get<DisplaySettings>(SETTINGS) } });
        return this.connect();
      case 'settings':
        return this.memory.update(SETTINGS, message.settings);
      case 'data':
        if (this.client !== undefined) this.tell(this.connected?.request('guest/rfbSend', { client: this.client, data: message.data }));
        return;
      case 'taken':
        return this.taken(message.bytes);
      case 'mouse': {
        const { dx, dy, buttons, wheel } = message;
        return this.tell(this.connected?.request('guest/pointer', { dx, dy, buttons, wheel }));
      }
      case 'screenshot':
      case 'recording':
        return this.keep(FILES[message.kind], Buffer.from(message.png, 'base64'));
      case 'paste':
        return this.connected && typeClipboard(this.connected);
      case 'copyText':
        return this.connected && copyScreenText(this.connected);
      case 'fullScreen':
        return this.fullScreen.toggle();
      case 'resized':
        return this.fullScreen.resized(message.width);
    }
  }

  private taken(bytes: number): void {
    this.held += bytes;
    if (this.client === undefined || this.held === 0 || !this.panel.visible) return;
    this.tell(this.connected?.request('guest/rfbTaken', { client: this.client, bytes: this.held }));
    this.held = 0;
  }

  private async keep(name: string, png: Uint8Array): Promise<void> {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const uri = await vscode.window.showSaveDialog({
      ...(folder && { defaultUri: vscode.Uri.joinPath(folder, name) }),
      filters: { PNG: ['png'] },
    });
    if (uri) await vscode.workspace.fs.writeFile(uri, png);
  }

  /** What goes to a guest that has just gone is nobody's fault. */
  private tell(request: Promise<unknown> | undefined): void {
    request?.catch(() => undefined);
  }
}

function tellUser(error: unknown): void {
  void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
}
