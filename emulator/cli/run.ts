import { DEBUG_CONSOLE, VIRTIO_CONSOLE, type Guest, type MachineConfig, type RunLimits, type Stop } from '../machine/api';
import { createGuest } from '../machine/client';
import type { VncAddress } from '../machine/vnc';
import { ControlledRun, serveControl } from './control';
import { overridden } from './override';
import { formatProfile, SAMPLE_EVERY, SymbolTable } from './profile';
import { checkWritable, Meter, writeReport } from './report';
import { writeScreenshot } from './screenshot';
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
  /** Print where the guest has spent its instructions, with names from these files. */
  readonly profile?: readonly string[];
  readonly vnc?: VncAddress;
  /** Name or path of a socket on which others may ask things of the guest. */
  readonly control?: string;
  /** A snapshot to go on from, and what is other than it says. */
  readonly resume?: { readonly file: string; readonly overrides: readonly string[] };
  /** Where to write a snapshot at the end. */
  readonly suspend?: string;
  /** The snapshot carries the past, as far as its pages fit into so many bytes. */
  readonly withHistory?: number;
}

/** What guests say when they wait for somebody to type. */
const PROMPTS = ['GUEST-USERLAND-READY', 'login: ', '/ # ', '~ # ', ':~# ', ':/# ', ':~$ '];

/** Runs a guest to one of its ends. The answer is whether that is the one that was wanted. */
export async function runGuest(options: RunOptions): Promise<boolean> {
  if (options.report !== undefined) checkWritable('report', options.report);
  if (options.screenshot !== undefined) checkWritable('screenshot', options.screenshot);
  const symbols = options.profile && SymbolTable.read(options.profile);
  const sink = new SerialSink(options.serial);
  const debugSink = options.debugConsole === undefined ? undefined : new SerialSink(options.debugConsole);
  const virtioSink = options.virtioConsole === undefined ? undefined : new SerialSink(options.virtioConsole);
  const { resume } = options;
  const guest = await (resume === undefined
    ? createGuest(options.config)
    : createGuest(resume.overrides.length > 0 ? await overridden(resume.file, resume.overrides) : undefined, { snapshot: resume.file }));
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
    if (control.paused) release();
    else void guest.pause();
  };
  // A guest that is held comes to no stop of its own.
  let release = (): void => undefined;
  const released = new Promise<void>((done) => (release = done));
  const control = new ControlledRun(guest, end);
  const closeControl = await serveControl(control, options.control).catch(async (error: unknown) => {
    await closeVnc();
    await guest.close();
    throw error;
  });
  const timer = options.timeout === undefined ? undefined : setTimeout(() => end('timeout'), options.timeout * 1000);
  const interrupt = (): void => end('interrupted');
  process.on('SIGINT', interrupt);
  const interactive = sink.toTerminal && (process.stdin.isTTY || options.typeSerial === undefined);
  const disconnect = interactive ? connectInput(guest, interrupt) : undefined;
  const progress = process.stderr.isTTY && !(sink.toTerminal && process.stdout.isTTY) ? new Progress(guest) : undefined;
  try {
    const waits = (interactive && process.stdin.isTTY) || options.vnc !== undefined || options.control !== undefined;
    const { stop, seen } = await stages(guest, options, { control, released, over: () => ended !== undefined }, waits);
    progress?.stop();
    const stopReason = ended ?? (seen ? 'serial' : stop.reason.kind);
    if (options.screenshot !== undefined) await writeScreenshot(guest, options.screenshot);
    const { withHistory } = options;
    if (options.suspend !== undefined) await guest.save(options.suspend, withHistory === undefined ? {} : { historyBytes: withHistory });
    const report = await meter.report(guest, stopReason, stop);
    if (options.report !== undefined) writeReport(options.report, report);
    const detail = report.description === undefined ? '' : `: ${report.description} (vCPU ${stop.vcpu} at ${report.rip})`;
    const speed = `${report.instructions} instructions, ${report.virtualSeconds.toFixed(3)} s virtual, ${report.hostWallSeconds.toFixed(2)} s, ${report.mips.toFixed(0)} MIPS`;
    process.stderr.write(`guest: ${stopReason}${detail} (${speed})\n`);
    if (symbols) process.stderr.write(formatProfile(await guest.profile(), report.instructions, symbols));
    return wanted(options, stopReason);
  } finally {
    clearTimeout(timer);
    progress?.stop();
    disconnect?.();
    process.off('SIGINT', interrupt);
    await closeControl();
    await closeVnc();
    await guest.close();
    await sink.end();
    await debugSink?.end();
    await virtioSink?.end();
  }
}

/** What else may end or hold a run. */
interface Outside {
  readonly control: ControlledRun;
  /** The run ends while a client holds it. */
  readonly released: Promise<void>;
  over(): boolean;
}

/** First to where the guest waits for typing, then to the end. */
async function stages(guest: Guest, options: RunOptions, outside: Outside, waits: boolean): Promise<{ stop: Stop; seen: boolean }> {
  const limits: RunLimits = {
    ...(options.maxInstructions !== undefined && { position: options.maxInstructions }),
    ...(options.stateHashEvery !== undefined && { hashEvery: options.stateHashEvery }),
    ...(options.profile && { sampleEvery: SAMPLE_EVERY }),
    unattended: !waits,
  };
  if (options.typeSerial !== undefined) {
    const after = options.typeAfter === undefined ? PROMPTS : [unescape(options.typeAfter)];
    const { stop, text } = await moveOn(guest, { ...limits, serial: after }, outside, options.maxInstructions);
    if (!text || outside.over()) return { stop, seen: false };
    await guest.serialInput(0, typed(options.typeSerial));
  }
  const until = options.untilSerial === undefined ? {} : { serial: [unescape(options.untilSerial)] };
  const { stop, text } = await moveOn(guest, { ...limits, ...until }, outside, options.maxInstructions);
  return { stop, seen: text };
}

/** Resumes, and waits for the stop; `text`: it was for a text of the serial line. */
async function moveOn(guest: Guest, limits: RunLimits, { control, released }: Outside, most = Infinity): Promise<{ stop: Stop; text: boolean }> {
  const stopped = new Promise<Stop>((resolve) => {
    let last: Stop | undefined;
    const off = guest.on((event) => {
      if (event.event !== 'stopped') return;
      last = event.stop;
      if (control.paused && last.reason.kind === 'pause') return;
      off();
      resolve(last);
    });
    void released.then(() => last && resolve(last));
  });
  control.moving(limits);
  await guest.resume(limits);
  const stop = await stopped;
  return { stop, text: stop.reason.kind === 'limit' && stop.position < most };
}

function wanted({ untilSerial, maxInstructions }: RunOptions, stopReason: string): boolean {
  if (untilSerial !== undefined) return stopReason === 'serial';
  if (stopReason === 'limit') return maxInstructions !== undefined;
  return ['power-off', 'exit', 'interrupted', 'suspended', 'quit'].includes(stopReason);
}
