import { writeFileSync } from 'node:fs';
import { userError } from '../errors';
import type { Guest, GuestEvent, StopReason } from '../machine/api';

/** What a run was, for scripts. */
export interface Report {
  /** Kind of the machine's stop, or `serial` (the awaited text came), `timeout`, `interrupted`. */
  readonly stopReason: string;
  readonly description?: string;
  readonly exitCode?: number;
  readonly instructions: number;
  readonly position: number;
  readonly virtualSeconds: number;
  readonly hostCpuSeconds: number;
  readonly hostWallSeconds: number;
  /** Million instructions in a second of wall time. */
  readonly mips: number;
  readonly stateHash: string;
  readonly hashes: readonly { readonly position: number; readonly hash: string }[];
  readonly checkpoints: number;
  readonly historyBytes: number;
  readonly peakRssBytes: number;
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

  async report(guest: Guest, stopReason: string, reason: StopReason): Promise<Report> {
    const hostWallSeconds = (performance.now() - this.wall) / 1000;
    const hostCpuSeconds = cpuSeconds() - this.cpu;
    const [status, stateHash, checkpoints] = await Promise.all([guest.status(), guest.stateHash(), guest.checkpoints()]);
    return {
      stopReason,
      ...('description' in reason && { description: reason.description }),
      ...(reason.kind === 'exit' && { exitCode: reason.code }),
      instructions: status.instructions,
      position: status.position,
      virtualSeconds: status.time / 1e9,
      hostCpuSeconds,
      hostWallSeconds,
      mips: status.instructions / hostWallSeconds / 1e6,
      stateHash,
      hashes: this.hashes,
      checkpoints: checkpoints.length,
      historyBytes: status.historyBytes,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  }
}

export function writeReport(path: string, report: Report): void {
  try {
    writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`);
  } catch (error) {
    throw userError('report', `report '${path}': ${(error as Error).message}`, error);
  }
}
