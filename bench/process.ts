/** Runs a process and measures it: CPU time of all its threads, wall time, memory. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';

export interface Cost {
  /** Seconds, user and system, of the process and all its threads. */
  readonly cpu: number;
  readonly wall: number;
}

export interface Finished extends Cost {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

/** A process did not do what it was started for. */
export class RunError extends Error {}

const LINE = /\nmeasured (\S+) (\S+) (\S+)\n$/;
const TIMED = `TIMEFORMAT=$'\\nmeasured %3U %3S %3R'; time timeout -k 1 "$LIMIT" "$@"`;

/** Runs a program to its end; bash's \`time\` counts threads that ended, and milliseconds, which /proc doesn't. */
export function run(command: readonly string[], limitSeconds = 300): Finished {
  const child = spawnSync('bash', ['-c', TIMED, 'bench', ...command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C', LIMIT: String(limitSeconds) },
  });
  if (child.error) throw new RunError(`bash can't be run: ${child.error.message}`);
  const measured = LINE.exec(child.stderr);
  if (!measured) throw new RunError(`${command[0]}: no time was measured: ${child.stderr.trim()}`);
  const [user, system, wall] = measured.slice(1).map(Number) as [number, number, number];
  return { status: child.status, output: child.stdout, errors: child.stderr.replace(LINE, ''), cpu: user + system, wall };
}

const CLOCK_TICKS = 100; // USER_HZ is 100 on every x86 and ARM Linux

/** CPU seconds of a running process so far, by /proc/PID/stat (fields 14 and 15 after the name in brackets; proc(5)). */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

/** A figure of /proc/PID/status in bytes: VmRSS now, VmHWM at most. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(value) * 1024;
}

export interface Reached extends Cost {
  /** Bytes then, and at most until then. */
  readonly rss: number;
  readonly peakRss: number;
}

/** How often a file is looked at. */
const LOOK_MS = 20;

/** Runs a program until its output, or a file that it writes, has the text, then ends it: what that had cost. */
export function runUntil(command: readonly string[], text: string, limitSeconds: number, file?: string): Promise<Reached> {
  if (file !== undefined) rmSync(file, { force: true });
  const [program, ...args] = command as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let seen = '';
    let failure = '';
    const limit = setTimeout(() => end(() => reject(new RunError(`${program}: "${text}" did not come in ${limitSeconds} s`))), limitSeconds * 1000);
    const end = (settle: () => void): void => {
      clearTimeout(limit);
      clearInterval(look);
      child.removeAllListeners('exit');
      // Nothing that was measured goes on beside what is measured next; a recording is finished on SIGTERM.
      const hard = setTimeout(() => child.kill('SIGKILL'), 5000);
      const gone = (): void => {
        clearTimeout(hard);
        settle();
      };
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return gone();
      child.once('exit', gone);
      child.kill('SIGTERM');
    };
    const heard = (output: string): void => {
      seen = output.slice(-65536);
      if (!seen.includes(text) || child.pid === undefined || child.killed) return;
      const { pid } = child;
      const cost = { cpu: cpuSecondsOf(pid), wall: (performance.now() - start) / 1000, rss: memoryOf(pid, 'VmRSS'), peakRss: memoryOf(pid, 'VmHWM') };
      end(() => resolve(cost));
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => heard(seen + chunk));
    const look = file === undefined ? undefined : setInterval(() => existsSync(file) && heard(readFileSync(file, 'latin1')), LOOK_MS);
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (failure = (failure + chunk).slice(-2000)));
    child.on('error', (error) => end(() => reject(new RunError(`${program} can't be run: ${error.message}`))));
    child.on('exit', () => end(() => reject(new RunError(`${program} ended without "${text}": ${failure.trim() || seen.slice(-300)}`))));
  });
}
