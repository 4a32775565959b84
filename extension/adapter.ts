/** How the debug adapter is started: a process of its own, under the Node that VS Code itself runs on. */
import { join } from 'node:path';
import * as vscode from 'vscode';

export class AdapterFactory implements vscode.DebugAdapterDescriptorFactory {
  constructor(private readonly extensionPath: string) {}

  createDebugAdapterDescriptor(): vscode.DebugAdapterDescriptor {
    // On the desktop this is Electron, which is Node when it is told so; in a remote extension host it is Node.
    const env = { ELECTRON_RUN_AS_NODE: '1' };
    return new vscode.DebugAdapterExecutable(process.execPath, [join(this.extensionPath, 'dist', 'adapter.js')], { env });
  }
}
