/** The commands of the palette, the debug toolbar and the views. */
import { basename, dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { Checkpoint } from '../adapter/protocol/guest';
import { checkpointDetail, checkpointLabel } from './checkpoints';
import type { DisplayPanels } from './display';
import { DEBUG_TYPE } from './launch';
import type { GuestSession, GuestSessions } from './sessions';
import { copyScreenText, typeClipboard } from './typing';

const SNAPSHOTS = { 'Guest snapshots': ['guest'], 'All files': ['*'] };

export function registerCommands(context: vscode.ExtensionContext, sessions: GuestSessions, displays: DisplayPanels): void {
  /** Runs with the session that the command is about; says so where there is none, and when it fails. */
  const command = <Args extends unknown[]>(name: string, run: (session: GuestSession, ...args: Args) => Promise<void>): void => {
    context.subscriptions.push(
      vscode.commands.registerCommand(`guestDebug.${name}`, async (...args: Args) => {
        const session = sessions.current;
        if (!session) return void vscode.window.showInformationMessage('No guest is being debugged.');
        try {
          await run(session, ...args);
        } catch (error) {
          void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
        }
      }),
    );
  };

  command('checkpoint', async (session) => {
    const name = await vscode.window.showInputBox({ title: 'Checkpoint', prompt: 'A name for this point of the guest’s history (may be empty)' });
    if (name === undefined) return;
    const checkpoint = await session.request('guest/checkpoint', name === '' ? {} : { name });
    vscode.window.setStatusBarMessage(`Checkpoint: ${checkpointLabel(checkpoint)}`, 5000);
  });

  command('restoreCheckpoint', async (session, chosen?: Checkpoint) => {
    const checkpoint = chosen ?? (await pickCheckpoint(session));
    if (checkpoint) await session.request('guest/restore', { id: checkpoint.id });
  });

  command('sendCtrlAltDel', async (session) => {
    await session.request('guest/key', { chord: ['ControlLeft', 'AltLeft', 'Delete'] });
  });

  command('typeClipboard', typeClipboard);
  command('copyScreenText', copyScreenText);

  command('sendSerial', async (session) => {
    const text = await vscode.window.showInputBox({ title: 'Serial Line', prompt: 'Text for the guest’s first serial line; Enter is sent too' });
    if (text !== undefined) await session.request('guest/serialInput', { text: `${text}\n` });
  });

  const askWhere = async (session: GuestSession, title: string): Promise<vscode.Uri | undefined> => {
    const program = String(session.session.configuration['program'] ?? session.session.configuration['kernel'] ?? 'guest');
    const defaultUri = vscode.Uri.file(join(dirname(program), `${basename(program)}.guest`));
    return vscode.window.showSaveDialog({ title, filters: SNAPSHOTS, defaultUri });
  };
  command('checkpointToFile', async (session) => {
    const uri = await askWhere(session, 'Checkpoint to File');
    if (!uri) return;
    await session.request('guest/save', { path: uri.fsPath });
    vscode.window.setStatusBarMessage(`Saved in ${basename(uri.fsPath)}`, 5000);
  });
  command('suspendToFile', async (session) => {
    const uri = await askWhere(session, 'Suspend to File');
    if (!uri) return;
    await session.request('guest/save', { path: uri.fsPath });
    await vscode.debug.stopDebugging(session.session);
    vscode.window.setStatusBarMessage(`Suspended in ${basename(uri.fsPath)}`, 5000);
  });

  command('formatHex', (session) => session.request('guest/format', { radix: 16 }).then(() => undefined));
  command('formatDecimal', (session) => session.request('guest/format', { radix: 10 }).then(() => undefined));

  context.subscriptions.push(
    vscode.commands.registerCommand('guestDebug.showDisplay', () => displays.show()),
    vscode.commands.registerCommand('guestDebug.toggleFullScreen', () => displays.toggleFullScreen()),
    vscode.commands.registerCommand('guestDebug.resumeFromFile', async (file?: vscode.Uri) => {
      const uri = file ?? (await vscode.window.showOpenDialog({ title: 'Resume from File', filters: SNAPSHOTS }))?.[0];
      if (!uri) return;
      const configuration = { name: `Resume ${basename(uri.fsPath)}`, type: DEBUG_TYPE, request: 'launch', resume: uri.fsPath, stopOnEntry: true };
      await vscode.debug.startDebugging(vscode.workspace.getWorkspaceFolder(uri), configuration);
    }),
  );
}

async function pickCheckpoint(session: GuestSession): Promise<Checkpoint | undefined> {
  const { checkpoints } = await session.request('guest/checkpoints', {});
  const items = [...checkpoints]
    .sort((a, b) => b.position - a.position)
    .map((checkpoint) => ({ label: checkpointLabel(checkpoint), detail: checkpointDetail(checkpoint), checkpoint }));
  if (items.length === 0) {
    void vscode.window.showInformationMessage('The guest has no checkpoints.');
    return undefined;
  }
  return (await vscode.window.showQuickPick(items, { title: 'Restore Checkpoint', matchOnDetail: true }))?.checkpoint;
}
