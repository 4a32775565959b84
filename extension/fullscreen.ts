/**
 * The display in all of the window. A webview may not ask for the full screen itself, so the editor does what comes next to
 * it: Zen mode, with the panel's group of editors maximized. Nobody says what of this is so already: the page's width does.
 */
import * as vscode from 'vscode';

/** The width is as it will be when it has not changed for so long. */
const SETTLED_MS = 300;

const run = (command: string): Thenable<unknown> => vscode.commands.executeCommand(`workbench.action.${command}`);
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLED_MS));

export class FullScreen {
  private width = 0;
  /** The page's width while it is full. */
  private full: number | undefined;
  private maximized = false;
  private busy = false;

  constructor(private readonly panel: vscode.WebviewPanel) {}

  /** The page says how wide it is. Narrower than it was: somebody else has left the full screen. */
  resized(width: number): void {
    this.width = width;
    if (!this.busy && this.full !== undefined && width < this.full) [this.full, this.maximized] = [undefined, false];
  }

  async toggle(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await (this.full === undefined ? this.enter() : this.leave());
    } finally {
      this.busy = false;
    }
  }

  private async enter(): Promise<void> {
    this.panel.reveal();
    await run('exitZenMode');
    await run('toggleZenMode');
    await this.steady();
    if (vscode.window.tabGroups.all.length > 1) this.maximized = await this.wider('toggleMaximizeEditorGroup');
    else await this.wider('toggleCenteredLayout');
    this.full = this.width;
  }

  private async leave(): Promise<void> {
    this.full = undefined;
    await run('exitZenMode');
    if (this.maximized) await run('toggleMaximizeEditorGroup');
    this.maximized = false;
  }

  /** Switches something if that makes the page wider. */
  private async wider(command: string): Promise<boolean> {
    const before = this.width;
    await run(command);
    await this.steady();
    if (this.width >= before) return this.width > before;
    await run(command);
    await this.steady();
    return false;
  }

  private async steady(): Promise<void> {
    for (let before = NaN; before !== this.width; await settled()) before = this.width;
  }
}
