/** The Checkpoints view: the saved points of the guest's history, newest first. */
import * as vscode from 'vscode';
import type { Checkpoint } from '../adapter/protocol/guest';
import type { GuestSessions } from './sessions';

export const CHECKPOINTS_VIEW = 'guestDebug.checkpoints';

/** Nanoseconds of virtual time, as `12.345 s`. */
export const shownTime = (nanoseconds: number): string => `${(nanoseconds / 1e9).toFixed(3)} s`;

export function shownBytes(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export const checkpointLabel = ({ name, position }: Checkpoint): string => name ?? `at ${position.toLocaleString('en')}`;

export function checkpointDetail({ position, time, bytes, kept }: Checkpoint): string {
  return [`${position.toLocaleString('en')} instructions`, shownTime(time), shownBytes(bytes), ...(kept ? [] : ['automatic'])].join(' · ');
}

export class Checkpoints implements vscode.TreeDataProvider<Checkpoint>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly sessions: GuestSessions) {
    const refresh = (): void => this.changed.fire();
    this.subscriptions = [
      vscode.window.createTreeView(CHECKPOINTS_VIEW, { treeDataProvider: this }),
      sessions.onDidChange(refresh),
      sessions.onDidChangeCheckpoints(refresh),
      sessions.onDidMove(refresh),
    ];
  }

  async getChildren(parent?: Checkpoint): Promise<Checkpoint[]> {
    const session = this.sessions.current;
    if (parent || !session) return [];
    try {
      const { checkpoints } = await session.request('guest/checkpoints', {});
      return [...checkpoints].sort((a, b) => b.position - a.position || b.id - a.id);
    } catch {
      return []; // no guest yet, or it has gone
    }
  }

  getTreeItem(checkpoint: Checkpoint): vscode.TreeItem {
    const item = new vscode.TreeItem(checkpointLabel(checkpoint));
    item.id = String(checkpoint.id);
    item.description = `${shownTime(checkpoint.time)} · ${shownBytes(checkpoint.bytes)}`;
    item.tooltip = checkpointDetail(checkpoint);
    item.iconPath = new vscode.ThemeIcon(checkpoint.kept ? 'bookmark' : 'history');
    item.contextValue = 'checkpoint';
    item.command = { command: 'guestDebug.restoreCheckpoint', title: 'Restore', arguments: [checkpoint] };
    return item;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}
