import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { userError } from '../errors';
import type { Guest, GuestEvent, Stop } from '../machine/api';

/** What a run was. */
export interface Summary {
  /** Kind of the machine's stop, or `serial` or `screen` (what was awaited came), `timeout`, `interrupted`. */
  readonly stopReason: string;
  readonly description?: string;
  /** Where a guest's error happened: the vCPU's RIP, as hexadecimal digits. */
  readonly rip?: string;
  readonly exitCode?: number;
  readonly instructions: number;
  readonly position: number;
  readonly virtualSeconds: number;
  readonly hostCpuSeconds: number;
  readonly hostWallSeconds: number;
  /** Million instructions in a second of wall time. */
  readonly mips: number;
  readonly hashes: readonly { readonly position: number; readonly hash: string }[];
  readonly historyBytes: number;
  readonly peakRssBytes: number;
}
/** The same for scripts, with what takes a while to find out: checkpoints tell of all their pages, the hash is of all memory. */
export interface Report extends Summary {
  readonly checkpoints: number;
  readonly stateHash: string;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Measures a run from when it is made. */
export class Meter {
  private readonly cpu = cpuSeconds();
  private readonly wall = performance.now();
  readonly hashes: { position: number; hash: string }[] = [];

  heard(event: GuestEvent): void {
    if (event.event === 'hash') this.hashes.push({ position: event.position, hash: event.hash });
  }

  async summary(guest: Guest, stopReason: string, { reason, rip }: Stop): Promise<Summary> {
    const hostWallSeconds = (performance.now() - this.wall) / 1000;
    const hostCpuSeconds = cpuSeconds() - this.cpu;
    const status = await guest.status();
    return {
      stopReason,
      ...('description' in reason && { description: reason.description, rip: `0x${rip.toString(16)}` }),
      ...(reason.kind === 'exit' && { exitCode: reason.code }),
      instructions: status.instructions,
      position: status.position,
      virtualSeconds: status.time / 1e9,
      hostCpuSeconds,
      hostWallSeconds,
      mips: status.instructions / hostWallSeconds / 1e6,
      hashes: this.hashes,
      historyBytes: status.historyBytes,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  }
}

/** Throws where a file could not be written at the end of the run. */
export function checkWritable(what: string, path: string): void {
  try {
    if (existsSync(path) && statSync(path).isDirectory()) throw new Error('it is a folder');
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw userError('not-writable', `${what} '${path}': ${(error as Error).message}`, error);
  }
}

/** Looks at the guest for what the summary has not. */
export async function reportOf(guest: Guest, summary: Summary): Promise<Report> {
  return { ...summary, checkpoints: (await guest.checkpoints()).length, stateHash: await guest.stateHash() };
}

export function writeReport(path: string, report: Report): void {
  write('report', path, JSON.stringify(report, undefined, 2));
}

/** What could be read on the screen. */
export function writeText(path: string, text: string): void {
  write('screen text', path, text);
}

function write(what: string, path: string, text: string): void {
  try {
    writeFileSync(path, `${text}\n`);
  } catch (error) {
    throw userError('report', `${what} '${path}': ${(error as Error).message}`, error);
  }
}
