/** Activation: everything that VS Code has to know of is registered here. */
import * as vscode from 'vscode';
import { AdapterFactory } from './adapter';
import { Checkpoints } from './checkpoints';
import { registerCommands } from './commands';
import { registerConfigurations } from './configuration';
import { DisplayPanels } from './display';
import { DEBUG_TYPE } from './launch';
import { GuestSessions } from './sessions';
import { SnapshotEditors } from './snapshots';
import { TimelineView } from './timeline';

export function activate(context: vscode.ExtensionContext): void {
  const sessions = new GuestSessions();
  const displays = new DisplayPanels(context.extensionUri, sessions, context.workspaceState);
  context.subscriptions.push(
    sessions,
    displays,
    new Checkpoints(sessions),
    new SnapshotEditors(context.extensionUri),
    new TimelineView(context.extensionUri, sessions),
    vscode.debug.registerDebugAdapterDescriptorFactory(DEBUG_TYPE, new AdapterFactory(context.extensionPath)),
  );
  registerConfigurations(context);
  registerCommands(context, sessions, displays);
}
