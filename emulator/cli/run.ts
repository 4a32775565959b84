import { userError } from '../errors';
import { DEBUG_CONSOLE, VIRTIO_CONSOLE, type MachineConfig, type RunLimits } from '../machine/api';
import { createGuest } from '../machine/client';
import type { VncAddress } from '../machine/vnc';
import { ControlledRun, serveControl } from './control';
import { part } from './config';
import { formatProfile, SAMPLE_EVERY, SymbolTable } from './profile';
import { checkWritable, Meter, reportOf, writeReport, writeText } from './report';
import { writeScreenshot } from './png';
import { Script } from './script';
import type { Step } from './steps';
import { connectInput, Progress, SerialSink } from './terminal';
import { serveVnc } from './vnc';

export interface RunOptions {
  readonly config: MachineConfig;
  readonly serial: string;
  readonly debugConsole?: string;
  /** Where the virtio console's output goes. */
  readonly virtioConsole?: string;
  /** What is waited for and done, in this order. Where the last one is waited for, that is the wanted end. */
  readonly steps: readonly Step[];
  readonly maxInstructions?: number;
  readonly timeout?: number;
  readonly screenshot?: string;
  /** Where to write the text that is on the screen at the end. */
  readonly screenText?: string;
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
  /** What this snapshot holds is not written again. */
  readonly parent?: string;
}

/** What is not as the snapshot has it. */
async function changed({ file, overrides }: NonNullable<RunOptions['resume']>): Promise<MachineConfig | undefined> {
  if (overrides.length === 0) return undefined;
  const { overridden } = await import(/* webpackChunkName: "guest-snapshot" */ './override');
  return overridden(file, overrides);
}

/** Runs a guest to one of its ends. The answer is whether that is the one that was wanted. */
export async function runGuest(options: RunOptions): Promise<boolean> {
  if (options.report !== undefined) checkWritable('report', options.report);
  if (options.screenshot !== undefined) checkWritable('screenshot', options.screenshot);
  if (options.screenText !== undefined) checkWritable('screen text', options.screenText);
  const { resume, suspend, withHistory, parent } = options;
  if (suspend !== undefined) checkWritable('snapshot', suspend);
  if (suspend !== undefined && parent !== undefined) {
    const { checkParent } = await import(/* webpackChunkName: "guest-snapshot" */ '../snapshot/file');
    await checkParent(parent, suspend);
  }
  const symbols = options.profile && SymbolTable.read(options.profile);
  const sink = new SerialSink(options.serial);
  const debugSink = options.debugConsole === undefined ? undefined : new SerialSink(options.debugConsole);
  const virtioSink = options.virtioConsole === undefined ? undefined : new SerialSink(options.virtioConsole);
  const guest = await (resume === undefined ? createGuest(options.config) : createGuest(await changed(resume), { snapshot: resume.file }));
  const screenless = guest.config.framebuffer === false && options.steps.some((step) => step.kind === 'until' && step.what === 'screen');
  const pastless = guest.config.historyBytes === 0 && withHistory !== undefined;
  if (screenless || pastless) {
    await guest.close();
    if (screenless) throw userError('no-screen', '--until-screen: the machine has no screen');
    throw userError('no-history', '--with-history: the history of this guest is switched off');
  }
  const vnc = await serveVnc(guest, options.vnc);
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
    started();
    if (control.paused) release();
    else void guest.pause();
  };
  // A guest that is held comes to no stop of its own.
  let release = (): void => undefined;
  const released = new Promise<void>((done) => (release = done));
  // Nor does one that has not started.
  let started = (): void => undefined;
  const waited = Promise.race([vnc.ready, new Promise<void>((done) => (started = done))]);
  const control = new ControlledRun(guest, end);
  const closeControl = await serveControl(control, options.control).catch(async (error: unknown) => {
    await vnc.close();
    await guest.close();
    throw error;
  });
  const timer = options.timeout === undefined ? undefined : setTimeout(() => end('timeout'), options.timeout * 1000);
  const interrupt = (): void => end('interrupted');
  process.on('SIGINT', interrupt);
  const interactive = sink.toTerminal && (process.stdin.isTTY || !options.steps.some(({ kind }) => kind === 'serial'));
  const disconnect = interactive ? connectInput(guest, interrupt) : undefined;
  const progress = process.stderr.isTTY && !(sink.toTerminal && process.stdout.isTTY) ? new Progress(guest) : undefined;
  try {
    const waits = (interactive && process.stdin.isTTY) || options.vnc !== undefined || options.control !== undefined;
    await waited;
    const over = ended === undefined ? {} : { maxInstructions: 0 };
    const limits = limitsOf({ ...options, ...over }, waits);
    const { stop, seen } = await new Script(guest, limits, { control, released, over: () => ended !== undefined }).run(options.steps);
    progress?.stop();
    const stopReason = ended ?? seen ?? stop.reason.kind;
    if (options.screenshot !== undefined) await writeScreenshot(guest, options.screenshot);
    if (options.screenText !== undefined) writeText(options.screenText, (await guest.text()) ?? '');
    if (suspend !== undefined) await guest.save(suspend, { ...part('historyBytes', withHistory), ...part('parent', parent) });
    const summary = await meter.summary(guest, stopReason, stop);
    if (options.report !== undefined) writeReport(options.report, await reportOf(guest, summary));
    const { description, instructions, virtualSeconds, hostWallSeconds, mips } = summary;
    const detail = description === undefined ? '' : `: ${description} (vCPU ${stop.vcpu} at ${summary.rip})`;
    const speed = `${instructions} instructions, ${virtualSeconds.toFixed(3)} s virtual, ${hostWallSeconds.toFixed(2)} s, ${mips.toFixed(0)} MIPS`;
    process.stderr.write(`guest: ${stopReason}${detail} (${speed})\n`);
    if (symbols) process.stderr.write(formatProfile(await guest.profile(), instructions, symbols));
    return wanted(options, stopReason);
  } finally {
    clearTimeout(timer);
    progress?.stop();
    disconnect?.();
    process.off('SIGINT', interrupt);
    await closeControl();
    await vnc.close();
    await guest.close();
    await sink.end();
    await debugSink?.end();
    await virtioSink?.end();
  }
}

function limitsOf({ maxInstructions, stateHashEvery, profile }: RunOptions, waits: boolean): RunLimits {
  return {
    ...(maxInstructions !== undefined && { position: maxInstructions }),
    ...(stateHashEvery !== undefined && { hashEvery: stateHashEvery }),
    ...(profile && { sampleEvery: SAMPLE_EVERY }),
    unattended: !waits,
  };
}

function wanted({ steps, maxInstructions }: RunOptions, stopReason: string): boolean {
  const last = steps.at(-1);
  if (last?.kind === 'until') return stopReason === last.what;
  if (stopReason === 'limit') return maxInstructions !== undefined;
  return ['power-off', 'exit', 'interrupted', 'suspended', 'quit'].includes(stopReason);
}
