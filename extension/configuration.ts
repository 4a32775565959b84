/** F5 with and without a launch.json. */
import { join, relative } from 'node:path';
import * as vscode from 'vscode';
import { KIND_NAMES, mayBeImage, recognise, type Image } from './images';
import { configurationFor, DEBUG_TYPE, sampleConfiguration, type LaunchConfiguration } from './launch';

/** Files that are looked into at most. */
const MOST_FILES = 20_000;
const NOT_IN = '**/{node_modules,.git,.hg,.svn,__pycache__}/**';
const WORKSPACE = '${workspaceFolder}';

async function imagesIn(folder: vscode.WorkspaceFolder): Promise<Image[]> {
  const files = await vscode.workspace.findFiles(new vscode.RelativePattern(folder, '**/*'), NOT_IN, MOST_FILES);
  const paths = files.filter(({ scheme }) => scheme === 'file').map(({ fsPath }) => fsPath);
  return paths
    .filter(mayBeImage)
    .map(recognise)
    .filter((image) => image !== undefined)
    .sort((a, b) => a.path.localeCompare(b.path));
}

/** Paths below the folder, written so that the launch.json can be shared. */
function portable(configuration: LaunchConfiguration, folder: vscode.WorkspaceFolder): LaunchConfiguration {
  const text = JSON.stringify(configuration);
  const root = JSON.stringify(folder.uri.fsPath).slice(1, -1);
  return JSON.parse(text.replaceAll(`"${root}`, `"${WORKSPACE}`)) as LaunchConfiguration;
}

export class GuestConfigurations implements vscode.DebugConfigurationProvider {
  private readonly sample: string;

  constructor(extensionPath: string) {
    this.sample = join(extensionPath, 'samples', 'hello', 'hello.elf');
  }

  private async found(folder: vscode.WorkspaceFolder | undefined): Promise<{ image: Image; configuration: LaunchConfiguration; where: string }[]> {
    const images = folder ? await imagesIn(folder) : [];
    return images.map((image) => ({
      image,
      configuration: image.path.endsWith(join('hello', 'hello.elf')) ? sampleConfiguration(image.path) : configurationFor(image),
      where: folder ? relative(folder.uri.fsPath, image.path) : image.path,
    }));
  }

  /** For “create a launch.json file” and for the list under “Show all automatic debug configurations”. */
  async provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): Promise<vscode.DebugConfiguration[]> {
    const found = await this.found(folder);
    const configurations = found.map(({ configuration }) => (folder ? portable(configuration, folder) : configuration));
    return configurations.length > 0 ? configurations : [sampleConfiguration(this.sample)];
  }

  /** An empty configuration means that there is no launch.json. */
  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    given: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    if (given.type || given.request || given.name) return given;
    const found = await this.found(folder ?? vscode.workspace.workspaceFolders?.[0]);
    const only = found.length === 1 ? found[0] : undefined;
    if (only) return only.configuration;
    const items = [
      ...found.map(({ image, configuration, where }) => ({ label: where, description: KIND_NAMES[image.kind], configuration })),
      { label: 'Sample: hello', description: 'a small kernel with source that comes with Guest Debugger', configuration: sampleConfiguration(this.sample) },
    ];
    const picked = await vscode.window.showQuickPick(items, { title: 'Which guest?', placeHolder: 'Kernels that were found in this folder' });
    return picked?.configuration;
  }
}

export function registerConfigurations(context: vscode.ExtensionContext): void {
  const provider = new GuestConfigurations(context.extensionPath);
  const { Initial, Dynamic } = vscode.DebugConfigurationProviderTriggerKind;
  context.subscriptions.push(
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, provider, Initial),
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      { provideDebugConfigurations: (folder) => provider.provideDebugConfigurations(folder) },
      Dynamic,
    ),
  );
}
