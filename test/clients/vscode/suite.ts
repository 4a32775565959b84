/** A VS Code of its own for a suite of tests: hooks that open it on a folder, take pictures of failures, and close it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unavailable } from './install';
import { packageExtension } from './package';
import { Server } from './server';
import { Workbench } from './workbench';

/** For fetching VS Code, packaging the extension and opening both on a machine that has other things to do. */
const PREPARE_MS = 600_000;

interface Options {
  /** Fills the folder that is opened. */
  prepare(folder: string): Promise<void> | void;
  /** Each test goes on where the one before has left the workbench: none does after one that has failed. */
  readonly inOrder?: boolean;
}

interface VsCode {
  readonly code: Workbench;
  /** Which folder it has opened, or a file in that. */
  path(...names: string[]): string;
}

export function vsCode({ prepare, inOrder = false }: Options): VsCode {
  const code = new Workbench();
  let server: Server | undefined;
  let folder = '';
  let failed = false;

  before(async function () {
    this.timeout(PREPARE_MS);
    const why = unavailable();
    if (why) {
      console.log(`      skipped: ${why}`);
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'guest-workspace-'));
    await prepare(folder);
    server = await Server.start(packageExtension());
    await code.open(server.url(folder));
  });
  beforeEach(function () {
    if (failed && inOrder) this.skip();
  });
  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    failed = true;
    await code.picture(`failed-${this.currentTest.title.replace(/\W+/g, '-')}`);
  });
  after(async () => {
    await code.close();
    server?.stop();
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });

  return { code, path: (...names) => join(folder, ...names) };
}
