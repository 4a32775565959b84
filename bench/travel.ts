/** How long going back takes: ours over the debug protocol, QEMU's record and replay over gdb's. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from '../scripts/start/client';
import { qemu } from './peers';
import { runUntil, RunError } from './process';
import { median } from './statistics';

interface Files {
  readonly kernel: string;
  readonly initrd: string;
}

/** Milliseconds of wall time of each movement. */
export type Latencies = Readonly<Record<string, number>>;

const COMMAND_LINE = 'console=ttyS0 nokaslr';
/** Both stop where the kernel starts userland, and go back to where it starts its first thread. */
const STOP = 'run_init_process';
const BACK_TO = 'rest_init';
const REPEATED = 5;
const LIMIT = 240;
const NAMES = {
  first: 'step back, the first one',
  repeated: 'step back, repeated',
  reverse: `reverse continue, ${STOP} to ${BACK_TO}`,
} as const;

const THREAD = { threadId: 1 };

function latencies(steps: readonly number[], reverse: number): Latencies {
  return { [NAMES.first]: steps[0] as number, [NAMES.repeated]: median(steps.slice(1)), [NAMES.reverse]: reverse };
}

/** From the request to the `stopped` event. */
export async function travelOurs(adapter: string, { kernel, initrd }: Files): Promise<Latencies> {
  if (!existsSync(adapter)) {
    console.log(`missing: ${adapter} (npm run build): latencies are not measured`);
    return {};
  }
  const client = new Client(adapter);
  try {
    const move = async (command: string, args: object = THREAD): Promise<number> => {
      const stopped = client.next('stopped', LIMIT);
      const start = performance.now();
      await client.request(command, args);
      await stopped;
      return performance.now() - start;
    };
    const breakAt = (name: string): Promise<unknown> => client.request('setFunctionBreakpoints', { breakpoints: [{ name }] });
    await client.request('initialize', { adapterID: 'guest', linesStartAt1: true, columnsStartAt1: true });
    const initialized = client.next('initialized', LIMIT);
    const launched = client.request('launch', { program: kernel, initrd, append: COMMAND_LINE, symbols: [join(dirname(kernel), 'System.map')] });
    await initialized;
    await breakAt(STOP);
    await move('configurationDone', {});
    await launched;
    await breakAt(BACK_TO);
    const steps: number[] = [];
    for (let i = 0; i <= REPEATED; i++) steps.push(await move('stepBack', { ...THREAD, granularity: 'instruction' }));
    return latencies(steps, await move('reverseContinue'));
  } finally {
    await client.close();
  }
}

const addressOf = (systemMap: string, name: string): string => {
  const address = new RegExp(`^([0-9a-f]{16}) [tT] ${name}$`, 'm').exec(systemMap)?.[1];
  if (!address) throw new RunError(`${name} is not in System.map`);
  return `0x${address}`;
};

const absent = (why: string): Latencies => {
  console.log(`missing: latency of QEMU's reverse debugging: ${why}`);
  return {};
};

/** Records the boot, replays it under gdb to the stop, and goes back from there. */
export async function travelQemu({ kernel, initrd }: Files, folder: string): Promise<Latencies> {
  const [disk, record, socket, log] = ['rr.qcow2', 'rr.bin', 'gdb.socket', 'rr.log'].map((name) => join(folder, name)) as [string, string, string, string];
  rmSync(disk, { force: true });
  if (spawnSync('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '2G']).status !== 0) return absent('no qemu-img (Debian: qemu-utils)');
  const command = (mode: 'record' | 'replay', ...more: string[]): string[] =>
    qemu(
      ...['-kernel', kernel, '-initrd', initrd, '-append', COMMAND_LINE, '-drive', `file=${disk},if=none,id=rr`],
      ...['-icount', `shift=1,rr=${mode},rrfile=${record},rrsnapshot=init`, ...more],
    ).map((argument) => (argument === 'stdio' ? `file:${log}` : argument)); // replay loses step with a terminal's writes
  await runUntil(command('record'), 'GUEST-USERLAND-READY', LIMIT, log);
  const [program, ...args] = command('replay', '-S', '-gdb', `unix:${socket},server=on,wait=off`) as [string, ...string[]];
  rmSync(socket, { force: true });
  const machine = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  machine.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
  try {
    for (let wait = 0; wait < 100 && !existsSync(socket); wait++) await new Promise((resolve) => setTimeout(resolve, 100));
    const map = readFileSync(join(dirname(kernel), 'System.map'), 'utf8');
    const timed = (name: string): string[] => [
      'python import time; start = time.monotonic()',
      name,
      `python print("took %.3f at %s" % ((time.monotonic() - start) * 1000, gdb.parse_and_eval("$pc")))`,
    ];
    const script = [
      ...['set confirm off', 'set architecture i386:x86-64', `target remote ${socket}`, `hbreak *${addressOf(map, STOP)}`, 'continue', 'delete'],
      ...Array.from({ length: REPEATED + 1 }, () => timed('reverse-stepi')).flat(),
      ...[`hbreak *${addressOf(map, BACK_TO)}`, ...timed('reverse-continue')],
    ];
    const gdb = spawnSync('gdb', ['-nx', '-batch', ...script.flatMap((line) => ['-ex', line])], {
      encoding: 'utf8',
      timeout: LIMIT * 1000,
      killSignal: 'SIGKILL',
    });
    const took = [...gdb.stdout.matchAll(/^took (\S+) at/gm)].map((match) => Number(match[1]));
    await new Promise((resolve) => setTimeout(resolve, 300)); // for what QEMU said at its end
    if (took.length === 0) return absent(complaint.trim() || `gdb gave nothing within ${LIMIT} s: ${gdb.stderr.trim().slice(0, 400)}`);
    if (took.length < REPEATED + 2) {
      console.log(`missing: QEMU's reverse debugging hung after ${took.length} movements within ${LIMIT} s`);
      return took.length < 2 ? { [NAMES.first]: took[0] as number } : { [NAMES.first]: took[0] as number, [NAMES.repeated]: median(took.slice(1)) };
    }
    return latencies(took.slice(0, -1), took.at(-1) as number);
  } finally {
    machine.kill('SIGKILL');
  }
}
