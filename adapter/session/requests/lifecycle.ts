/** Beginning and end: initialize, launch, configurationDone, restart, terminate, disconnect, cancel. */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { badRequest, errorText } from '../errors';
import { CAPABILITIES } from '../capabilities';
import { Debuggee } from '../debuggee';
import { isElf } from '../../../emulator/firmware/elf';
import { planLaunch } from '../../launch/config';
import { SymbolStore } from '../../symbols/store';
import type { SymbolModule } from '../../symbols/store';
import { Reply } from '../reply';
import type { Session } from '../session';
import { save } from '../save';
import { resume, resumeUnasked } from './execution';

export async function initialize(session: Session, args: DebugProtocol.InitializeRequestArguments): Promise<DebugProtocol.Capabilities> {
  Object.assign(session.client, args);
  return CAPABILITIES;
}

export function moduleBody(module: SymbolModule): DebugProtocol.Module {
  const parts = [`${module.symbols} symbols`, ...(module.lines > 0 ? [`${module.lines} rows of lines`] : [])];
  return {
    id: module.id,
    name: module.name,
    path: module.path,
    symbolFilePath: module.path,
    symbolStatus: parts.join(', '),
    addressRange: `0x${module.first.toString(16)}-0x${module.last.toString(16)}`,
    isUserCode: true,
  };
}

async function isElfFile(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && isElf(buffer);
    } finally {
      await file.close();
    }
  } catch {
    // The guest says what is wrong with its program.
    return false;
  }
}

async function loadSymbols(session: Session, plan: ReturnType<typeof planLaunch>, kernel: string | undefined): Promise<SymbolStore> {
  const symbols = new SymbolStore(plan.sourceMap);
  // A program that carries its own symbols needs no attribute for them.
  if (kernel !== undefined && plan.symbols.every(({ path }) => path !== kernel) && (await isElfFile(kernel))) {
    const module = await symbols.load(kernel, 0n);
    for (const problem of module.problems) session.output('stderr', `${module.name}: ${problem}\n`);
    // A stripped one has none to show.
    if (module.symbols + module.lines === 0) symbols.modules.pop();
  }
  for (const { path, offset } of plan.symbols) {
    const module = await symbols.load(path, offset);
    for (const problem of module.problems) session.output('stderr', `${module.name}: ${problem}\n`);
  }
  return symbols;
}

async function start(session: Session, args: Readonly<Record<string, unknown>>): Promise<void> {
  const plan = planLaunch(args);
  if (plan.trace !== undefined) session.traceTo(plan.trace);
  // A snapshot knows the program that it was taken of.
  const resumes = plan.snapshot !== undefined && plan.machine.kernel === undefined;
  const loaded = resumes ? undefined : await loadSymbols(session, plan, plan.machine.kernel);
  const guest = await session.options.createGuest(plan.machine, plan.snapshot === undefined ? {} : { snapshot: plan.snapshot });
  try {
    const symbols = loaded ?? (await loadSymbols(session, plan, guest.config.kernel));
    const debuggee = await Debuggee.create(guest, plan, symbols, session.listener);
    const where = await debuggee.serveVnc();
    await session.adopt(debuggee);
    if (where !== undefined) session.output('console', `VNC viewers can connect to ${where}.\n`);
  } catch (error) {
    await guest.close();
    throw error;
  }
  session.launchArguments = args;
  session.event<DebugProtocol.ProcessEvent>('process', {
    name: basename(plan.machine.kernel ?? plan.snapshot ?? plan.machine.firmware ?? plan.machine.bios ?? 'guest'),
    isLocalProcess: false,
    startMethod: 'launch',
    pointerSize: 64,
  });
  for (const module of session.live.symbols.modules) session.event<DebugProtocol.ModuleEvent>('module', { reason: 'new', module: moduleBody(module) });
  if (guest.config.historyBytes === 0) session.event<DebugProtocol.CapabilitiesEvent>('capabilities', { capabilities: { supportsStepBack: false } });
  if (guest.config.framebuffer !== false) session.guestEvent('guest/display', { available: true });
}

export async function launch(session: Session, args: DebugProtocol.LaunchRequestArguments): Promise<Reply> {
  if (session.launched) throw badRequest('a guest has been launched already');
  try {
    await start(session, args as unknown as Readonly<Record<string, unknown>>);
  } catch (error) {
    session.output('stderr', `${errorText(error)}\n`);
    throw error;
  }
  return new Reply(undefined, () => session.event<DebugProtocol.InitializedEvent>('initialized'));
}

/** What follows when guest and client are ready: the entry stop, or running. */
function go(session: Session): void {
  const debuggee = session.live;
  const stop = debuggee.stop;
  if (debuggee.plan.stopOnEntry && stop) return session.tellStop(stop);
  const awaited = debuggee.awaitedViewer;
  if (!awaited) return resume(session);
  session.output('console', 'The guest starts when the first VNC viewer connects; Continue starts it at once.\n');
  if (stop) session.tellStop(stop);
  void awaited.then(() => {
    if (session.launched && session.live === debuggee && !debuggee.motion.running && debuggee.stop === stop) resumeUnasked(session);
  });
}

export async function configurationDone(session: Session): Promise<Reply> {
  await session.live.applyTriggers();
  session.configured = true;
  return new Reply(undefined, () => go(session));
}

export async function restart(session: Session, args: DebugProtocol.RestartArguments): Promise<Reply> {
  const debuggee = session.live;
  await debuggee.motion.halt();
  const given = args.arguments as unknown as Readonly<Record<string, unknown>> | undefined;
  const changed = given !== undefined && JSON.stringify(given) !== JSON.stringify(session.launchArguments);
  if (changed) {
    // Symbols may have moved: the client sets its breakpoints anew when it is told so.
    await start(session, given);
    return new Reply(undefined, () => session.event<DebugProtocol.InitializedEvent>('initialized'));
  }
  await debuggee.motion.jump(() => debuggee.guest.reset(), { kind: 'entry' });
  debuggee.settled();
  session.progress.end();
  await debuggee.applyTriggers();
  return new Reply(undefined, () => go(session));
}

export async function terminate(session: Session): Promise<Reply> {
  await session.live.motion.halt();
  return new Reply(undefined, () => session.tellEnd());
}

export async function disconnect(session: Session, args: DebugProtocol.DisconnectArguments): Promise<Reply> {
  if (session.launched) {
    await session.live.motion.halt();
    if (args.suspendDebuggee === true) {
      const path = session.live.plan.suspendFile;
      await save(session.live.guest, path);
      session.output('console', `The guest is suspended in ${path}.\n`);
    }
    await session.closeGuest();
  }
  return new Reply(undefined, () => session.shutDown());
}

export async function cancel(session: Session, args: DebugProtocol.CancelArguments): Promise<void> {
  if (args.requestId !== undefined) session.cancelRequest(args.requestId);
  if (args.progressId !== undefined && session.progress.is(args.progressId)) await session.live.motion.interrupt();
}
