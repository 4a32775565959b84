/** code-server with the packaged extension, on a port of its own and with settings of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installCodeServer } from './install';

/** Nothing that isn't ours shows up, moves, or asks the network. */
const SETTINGS = {
  'workbench.startupEditor': 'none',
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'update.mode': 'none',
  'git.enabled': false,
  'debug.toolBarLocation': 'floating',
  'debug.inlineValues': 'off',
  'window.commandCenter': false,
  'files.autoSave': 'off',
};
const HEALTHY_MS = 30_000;

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

export class Server {
  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
    readonly port: number,
  ) {}

  static async start(vsix: string): Promise<Server> {
    const { node, entry } = installCodeServer();
    const folder = mkdtempSync(join(tmpdir(), 'guest-vscode-'));
    const data = ['--user-data-dir', join(folder, 'data'), '--extensions-dir', join(folder, 'extensions')];
    mkdirSync(join(folder, 'data/User'), { recursive: true });
    writeFileSync(join(folder, 'data/User/settings.json'), JSON.stringify(SETTINGS));
    writeFileSync(join(folder, 'config.yaml'), '');
    const environment = { ...process.env, PORT: undefined };
    const installed = spawnSync(node, [entry, ...data, '--install-extension', vsix], { encoding: 'utf8', env: environment });
    if (installed.status !== 0) throw new Error(`the extension could not be installed: ${installed.stdout}${installed.stderr}`);
    const port = await freePort();
    const child = spawn(
      node,
      [
        entry,
        '--config',
        join(folder, 'config.yaml'),
        '--bind-addr',
        `127.0.0.1:${port}`,
        '--auth',
        'none',
        '--disable-telemetry',
        '--disable-update-check',
        '--disable-workspace-trust',
        ...data,
      ],
      { env: environment, stdio: 'ignore', detached: true },
    );
    const server = new Server(child, folder, port);
    await server.healthy();
    return server;
  }

  url(workspace: string): string {
    return `http://127.0.0.1:${this.port}/?folder=${encodeURI(workspace)}`;
  }

  private async healthy(): Promise<void> {
    for (const end = Date.now() + HEALTHY_MS; Date.now() < end;) {
      const answer = await fetch(`http://127.0.0.1:${this.port}/healthz`).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    this.stop();
    throw new Error('code-server does not answer');
  }

  stop(): void {
    // Its extension host and the adapters of that are processes of the same group.
    if (this.process.pid !== undefined) {
      try {
        process.kill(-this.process.pid, 'SIGTERM');
      } catch {
        // it has ended by itself
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
