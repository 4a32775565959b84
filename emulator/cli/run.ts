import { writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { userError } from '../errors';
import { DEBUG_CONSOLE, VIRTIO_CONSOLE, type Guest, type MachineConfig, type RunLimits, type Stop } from '../machine/api';
import { createGuest } from '../machine/client';
import type { VncAddress } from '../machine/vnc';
import { checkWritable, Meter, writeReport } from './report';
import { connectInput, Progress, SerialSink, typed, unescape } from './terminal';
import { serveVnc } from './vnc';

export interface RunOptions {
  readonly config: MachineConfig;
  readonly serial: string;
  readonly debugConsole?: string;
  /** Where the virtio console's output goes. */
  readonly virtioConsole?: string;
  /** Typed once the guest waits for input. */
  readonly typeSerial?: string;
  /** Serial output after which to type. */
  readonly typeAfter?: string;
  readonly untilSerial?: string;
  readonly maxInstructions?: number;
  readonly timeout?: number;
  readonly screenshot?: string;
  readonly stateHashEvery?: number;
  readonly report?: string;
  readonly vnc?: VncAddress;
  /** A snapshot to go on from; its configuration is the machine's. */
  readonly resume?: string;
  /** Where to write a snapshot at the end. */
  readonly suspend?: string;
}

/** What guests say when they wait for somebody to type. */
const PROMPTS = ['GUEST-USERLAND-READY', 'login: ', '/ # ', '~ # ', ':~# ', ':/# ', ':~$ '];

/** Runs a guest to one of its ends. The answer is whether that is the one that was wanted. */
export async function runGuest(options: RunOptions): Promise<boolean> {
  if (options.report !== undefined) checkWritable('report', options.report);
  if (options.screenshot !== undefined) checkWritable('screenshot', options.screenshot);
  const sink = new SerialSink(options.serial);
  const debugSink = options.debugConsole === undefined ? undefined : new SerialSink(options.debugConsole);
  const virtioSink = options.virtioConsole === undefined ? undefined : new SerialSink(options.virtioConsole);
  const { resume } = options;
  // Of a snapshot's machine only the places of images can be changed.
  const moved = options.config.disks ? options.config : undefined;
  const guest = await (resume === undefined ? createGuest(options.config) : createGuest(moved, { snapshot: resume }));
  const closeVnc = await serveVnc(guest, options.vnc);
  const meter = new Meter();
  guest.on((event) => {
    meter.heard(event);
    if (event.event === 'serial' && event.port === 0) sink.write(event.bytes);
    if (event.event === 'serial' && event.port === DEBUG_CONSOLE) debugSink?.write(event.bytes);
    if (event.event === 'serial' && event.port === VIRTIO_CONSOLE) virtioSink?.write(event.bytes);
    if (event.event === 'log') process.stderr.write(`${event.text}\n`);
  });

  let ended: string | undefined;
  const end = (why: string): void => {
    ended ??= why;
    void guest.pause();
  };
  const timer = options.timeout === undefined ? undefined : setTimeout(() => end('timeout'), options.timeout * 1000);
  const interrupt = (): void => end('interrupted');
  process.on('SIGINT', interrupt);
  const interactive = sink.toTerminal && (process.stdin.isTTY || options.typeSerial === undefined);
  const disconnect = interactive ? connectInput(guest, interrupt) : undefined;
  const progress = process.stderr.isTTY && !(sink.toTerminal && process.stdout.isTTY) ? new Progress(guest) : undefined;
  try {
    const { stop, seen } = await stages(guest, options, () => ended !== undefined, (interactive && process.stdin.isTTY) || options.vnc !== undefined);
    progress?.stop();
    const stopReason = ended ?? (seen ? 'serial' : stop.reason.kind);
    if (options.screenshot !== undefined) await screenshot(guest, options.screenshot);
    if (options.suspend !== undefined) await guest.save(options.suspend);
    const report = await meter.report(guest, stopReason, stop);
    if (options.report !== undefined) writeReport(options.report, report);
    const detail = report.description === undefined ? '' : `: ${report.description} (vCPU ${stop.vcpu} at ${report.rip})`;
    const speed = `${report.instructions} instructions, ${report.virtualSeconds.toFixed(3)} s virtual, ${report.hostWallSeconds.toFixed(2)} s, ${report.mips.toFixed(0)} MIPS`;
    process.stderr.write(`guest: ${stopReason}${detail} (${speed})\n`);
    return wanted(options, stopReason);
  } finally {
    clearTimeout(timer);
    progress?.stop();
    disconnect?.();
    process.off('SIGINT', interrupt);
    await closeVnc();
    await guest.close();
    await sink.end();
    await debugSink?.end();
    await virtioSink?.end();
  }
}

/** First to where the guest waits for typing, then to the end. */
async function stages(guest: Guest, options: RunOptions, over: () => boolean, waits: boolean): Promise<{ stop: Stop; seen: boolean }> {
  const limits: RunLimits = {
    ...(options.maxInstructions !== undefined && { position: options.maxInstructions }),
    ...(options.stateHashEvery !== undefined && { hashEvery: options.stateHashEvery }),
    unattended: !waits,
  };
  if (options.typeSerial !== undefined) {
    const after = options.typeAfter === undefined ? PROMPTS : [unescape(options.typeAfter)];
    const { stop, text } = await moveOn(guest, { ...limits, serial: after }, options.maxInstructions);
    if (!text || over()) return { stop, seen: false };
    await guest.serialInput(0, typed(options.typeSerial));
  }
  const until = options.untilSerial === undefined ? {} : { serial: [unescape(options.untilSerial)] };
  const { stop, text } = await moveOn(guest, { ...limits, ...until }, options.maxInstructions);
  return { stop, seen: text };
}

/** Resumes, and waits for the stop; `text`: it was for a text of the serial line. */
async function moveOn(guest: Guest, limits: RunLimits, most = Infinity): Promise<{ stop: Stop; text: boolean }> {
  const stopped = new Promise<Stop>((resolve) => {
    const off = guest.on((event) => {
      if (event.event !== 'stopped') return;
      off();
      resolve(event.stop);
    });
  });
  await guest.resume(limits);
  const stop = await stopped;
  return { stop, text: stop.reason.kind === 'limit' && stop.position < most };
}

function wanted({ untilSerial, maxInstructions }: RunOptions, stopReason: string): boolean {
  if (untilSerial !== undefined) return stopReason === 'serial';
  if (stopReason === 'limit') return maxInstructions !== undefined;
  return stopReason === 'power-off' || stopReason === 'exit' || stopReason === 'interrupted';
}

async function screenshot(guest: Guest, path: string): Promise<void> {
  const frame = await guest.frame();
  if (!frame) throw userError('no-screen', `screenshot '${path}': the guest has no picture to take`);
  const { width, height, rgba } = frame;
  const png = new PNG({ width, height });
  png.data = Buffer.from(rgba.buffer, rgba.byteOffset, rgba.length);
  try {
    writeFileSync(path, PNG.sync.write(png));
  } catch (error) {
    throw userError('screenshot', `screenshot '${path}': ${(error as Error).message}`, error);
  }
}
