/** Snapshot files as documents: what is in one, and what differs between two. A process of the `guest` program reads them. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import type { FromSnapshot, SnapshotContents, SnapshotDifference, SnapshotRegion, ToSnapshot } from '../adapter/protocol/snapshot';
import { runGuest } from './guestprogram';

export const SNAPSHOT_VIEW = 'guestDebug.snapshot';
export const COMPARISON_VIEW = 'guestDebug.snapshotComparison';
const FILTERS = { 'Guest snapshots': ['guest'], 'All files': ['*'] };
const SHOWN_BYTES = 512;

interface SnapshotDocument extends vscode.CustomDocument {
  readonly uri: vscode.Uri;
}

export class SnapshotEditors implements vscode.CustomReadonlyEditorProvider<SnapshotDocument>, vscode.Disposable {
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly extension: vscode.Uri) {
    this.subscriptions = [
      vscode.window.registerCustomEditorProvider(SNAPSHOT_VIEW, this, {
        webviewOptions: { retainContextWhenHidden: true },
        supportsMultipleEditorsPerDocument: true,
      }),
      vscode.commands.registerCommand('guestDebug.compareSnapshots', (first?: vscode.Uri, selected?: readonly vscode.Uri[]) =>
        this.askAndCompare(first, selected),
      ),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  openCustomDocument(uri: vscode.Uri): SnapshotDocument {
    return { uri, dispose: () => undefined };
  }

  resolveCustomEditor({ uri }: SnapshotDocument, panel: vscode.WebviewPanel): void {
    const send = this.begin(panel, `Snapshot ${basename(uri.fsPath)}`);
    panel.webview.onDidReceiveMessage((message: FromSnapshot) => {
      switch (message.kind) {
        case 'ready':
          return void this.show(uri.fsPath, send);
        case 'resume':
          return void vscode.commands.executeCommand('guestDebug.resumeFromFile', uri);
        case 'compare':
          return void this.askAndCompare(uri);
        case 'memory':
          return void this.memory(uri.fsPath, message, send);
      }
    });
  }

  private begin(panel: vscode.WebviewPanel, title: string): (message: ToSnapshot) => void {
    const root = vscode.Uri.joinPath(this.extension, 'dist', 'media');
    panel.webview.options = { enableScripts: true, localResourceRoots: [root] };
    panel.webview.html = page(panel.webview, vscode.Uri.joinPath(root, 'snapshot.js'), title);
    let open = true;
    panel.onDidDispose(() => (open = false));
    return (message) => void (open && panel.webview.postMessage(message));
  }

  private run(...args: readonly string[]): Promise<string> {
    return runGuest(this.extension.fsPath, ['snapshot', ...args]);
  }

  private async show(path: string, send: (message: ToSnapshot) => void): Promise<void> {
    try {
      const contents = JSON.parse(await this.run('inspect', '--json', '--', path)) as SnapshotContents;
      send({ kind: 'contents', name: basename(path), contents });
    } catch (error) {
      return send({ kind: 'problem', of: 'contents', text: (error as Error).message });
    }
    await Promise.all([this.picture(path, 'after', send), this.map(path, send)]);
  }

  private async map(path: string, send: (message: ToSnapshot) => void): Promise<void> {
    try {
      send({ kind: 'map', regions: JSON.parse(await this.run('map', '--json', '--', path)) as SnapshotRegion[] });
    } catch (error) {
      send({ kind: 'problem', of: 'map', text: (error as Error).message });
    }
  }

  /** A machine without a screen has none. */
  private async picture(path: string, side: 'before' | 'after', send: (message: ToSnapshot) => void): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'guest-picture-'));
    try {
      const png = join(folder, 'screen.png');
      await this.run('picture', path, png);
      send({ kind: 'picture', side, png: (await readFile(png)).toString('base64') });
    } catch {
      // everything else is shown
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async memory(path: string, { address, linear }: Extract<FromSnapshot, { kind: 'memory' }>, send: (message: ToSnapshot) => void): Promise<void> {
    try {
      send({ kind: 'memory', text: await this.run('memory', ...(linear ? ['--linear'] : []), '--', path, address, String(SHOWN_BYTES)) });
    } catch (error) {
      send({ kind: 'problem', of: 'memory', text: (error as Error).message });
    }
  }

  /** Of two files that are selected in the explorer; what is not told is asked for. */
  private async askAndCompare(first?: vscode.Uri, selected: readonly vscode.Uri[] = []): Promise<void> {
    const ask = async (title: string): Promise<vscode.Uri | undefined> => (await vscode.window.showOpenDialog({ title, filters: FILTERS }))?.[0];
    const before = first ?? (await ask('Compare Snapshots: the earlier one'));
    const after = before && (selected.find((uri) => uri.toString() !== before.toString()) ?? (await ask(`Compare ${basename(before.fsPath)} with`)));
    if (before && after) this.compare(before.fsPath, after.fsPath);
  }

  private compare(before: string, after: string): void {
    const title = `${basename(before)} ↔ ${basename(after)}`;
    const panel = vscode.window.createWebviewPanel(COMPARISON_VIEW, title, vscode.ViewColumn.Active, { retainContextWhenHidden: true });
    const send = this.begin(panel, title);
    panel.webview.onDidReceiveMessage(({ kind }: FromSnapshot) => void (kind === 'ready' && this.showDifferences(before, after, send)));
  }

  private async showDifferences(before: string, after: string, send: (message: ToSnapshot) => void): Promise<void> {
    try {
      const differences = JSON.parse(await this.run('diff', '--json', '--', before, after)) as SnapshotDifference[];
      send({ kind: 'differences', before: basename(before), after: basename(after), differences });
    } catch (error) {
      return send({ kind: 'problem', of: 'contents', text: (error as Error).message });
    }
    await this.picture(before, 'before', send);
    await this.picture(after, 'after', send);
  }
}

function page(webview: vscode.Webview, script: vscode.Uri, title: string): string {
  const nonce = randomBytes(16).toString('base64url');
  const policy = `default-src 'none'; img-src data:; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}';`;
  const shown = title.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${shown}</title>
<style nonce="${nonce}">
  body { padding: 0 24px 24px; line-height: 1.5; }
  header { display: flex; gap: 8px; align-items: center; position: sticky; top: 0; padding: 12px 0; background: var(--vscode-editor-background); z-index: 1; }
  h1 { font-size: 1.3em; font-weight: 600; margin: 0; flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  button { color: var(--vscode-button-foreground); background: var(--vscode-button-background); border: 0; padding: 4px 12px; border-radius: 2px; cursor: pointer; }
  button:hover { background: var(--vscode-button-hoverBackground); }
  input[type="search"], input[type="text"] { color: var(--vscode-input-foreground); background: var(--vscode-input-background); border: 1px solid var(--vscode-input-border, transparent); padding: 3px 6px; font: inherit; }
  summary { cursor: pointer; padding: 2px 0; }
  section > details > summary { font-weight: 600; font-size: 1.1em; border-top: 1px solid var(--vscode-widget-border, var(--vscode-panel-border)); padding: 6px 0; }
  details details { margin-left: 16px; }
  table { border-collapse: collapse; margin: 2px 0 6px 16px; }
  td, th { text-align: left; vertical-align: top; padding: 1px 16px 1px 0; font-weight: normal; }
  th { color: var(--vscode-symbolIcon-fieldForeground, var(--vscode-foreground)); }
  td.value, td.before, td.after, pre { font-family: var(--vscode-editor-font-family, monospace); font-size: var(--vscode-editor-font-size); overflow-wrap: anywhere; }
  td.about { color: var(--vscode-descriptionForeground); }
  td.before { background: var(--vscode-diffEditor-removedTextBackground); }
  td.after { background: var(--vscode-diffEditor-insertedTextBackground); }
  td.before, td.after { padding: 1px 8px; width: 28%; }
  .bit { display: inline-block; margin-right: 8px; color: var(--vscode-disabledForeground); }
  .bit.set { color: var(--vscode-debugTokenExpression-number, var(--vscode-foreground)); }
  .pictures { display: flex; gap: 16px; flex-wrap: wrap; }
  .pictures figure { margin: 8px 0; flex: 1 1 320px; max-width: 800px; }
  .pictures img { max-width: 100%; border: 1px solid var(--vscode-panel-border); image-rendering: auto; }
  figcaption { color: var(--vscode-descriptionForeground); }
  .problem { color: var(--vscode-errorForeground); white-space: pre-wrap; }
  [hidden] { display: none !important; }
</style>
</head>
<body>
<main id="main" aria-busy="true"><p>Reading…</p></main>
<script nonce="${nonce}" type="module" src="${webview.asWebviewUri(script).toString()}"></script>
</body>
</html>`;
}
