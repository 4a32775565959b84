/** Runs of the command line on real systems, as a person would go about it: the screen at the end of each is kept in test-output/guests. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Report } from '../../emulator/cli/report';
import { command } from '../command';

const root = join(__dirname, '../..');
const guests = join(root, '.cache/guests');
export const output = join(root, 'test-output/guests');
/** Seconds in which a run has to come to its end. */
const PATIENCE = 1200;

/** Neither history nor a serial line: there is nothing but the screen. */
export const RUN = ['run', '--no-history', '--serial', 'none'] as const;

export interface Seen {
  readonly report: Report;
  /** What could be read on the screen. */
  readonly text: string;
  readonly picture: PNG;
}

export class Scenarios {
  private readonly folder = mkdtempSync(join(tmpdir(), 'guest-scenarios-'));

  constructor() {
    mkdirSync(output, { recursive: true });
  }

  /** A file that is gone with the scenarios. */
  file(name: string): string {
    return join(this.folder, name);
  }

  /** A machine with OVMF, and with a variable store of its own. */
  uefi(context: Mocha.Context, ...args: readonly string[]): readonly string[] {
    const [code, vars] = [needs(context, 'ovmf/OVMF_CODE_4M.fd'), this.file('vars.fd')];
    copyFileSync(needs(context, 'ovmf/OVMF_VARS_4M.fd'), vars);
    return [...RUN, '--firmware', code, '--vars', vars, ...args];
  }

  /** Runs `guest` with these arguments to the wanted stop. */
  see(name: string, ...args: readonly string[]): Seen {
    const [report, shot, text] = [this.file('report.json'), join(output, `${name}.png`), join(output, `${name}.txt`)];
    for (const file of [report, shot, text]) rmSync(file, { force: true });
    const kept = ['--timeout', String(PATIENCE), '--report', report, '--screenshot', shot, '--screen-text', text];
    const { status, stderr } = spawnSync(process.execPath, [...command, ...args, ...kept], { cwd: root, encoding: 'utf8', input: '' });
    const shown = existsSync(text) ? readFileSync(text, 'utf8') : '';
    assert.equal(status, 0, `${name}: ${stderr}\n${shown}`);
    const result = JSON.parse(readFileSync(report, 'utf8')) as Report;
    console.log(
      `      ${name}.png: ${(result.instructions / 1e9).toFixed(1)} G instructions, ${result.hostWallSeconds.toFixed(0)} s, ${result.mips.toFixed(0)} MIPS`,
    );
    return { report: result, text: shown, picture: PNG.sync.read(readFileSync(shot)) };
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Options that wait for a text on the screen, and until what comes with it is there too, as the rest of a screen that scrolls. */
export const settled = (text: string): readonly string[] => ['--until-screen', text, '--send-keys', '<500ms>', '--until-screen', text];

/** A file of a real guest; without it the test is skipped, and says how to have it. */
export function needs(context: Mocha.Context, path: string): string {
  const file = join(guests, path);
  if (existsSync(file)) return file;
  const guest = path.slice(0, path.indexOf('/'));
  console.log(`      skipped: no ${path}; 'npm run guests -- ${guest}' fetches it, or says why it can't`);
  return context.skip();
}

export const size = ({ width, height }: PNG): string => `${width}x${height}`;

/** How many dots have such a color. */
export function count({ data }: PNG, matches: (red: number, green: number, blue: number) => boolean): number {
  let found = 0;
  for (let at = 0; at < data.length; at += 4) if (matches(data[at]!, data[at + 1]!, data[at + 2]!)) found++;
  return found;
}
