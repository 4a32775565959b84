/** Running and stepping, forwards and backwards. Each is answered at once; the stop follows as an event. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Stop } from '../../../emulator/machine/api';
import { badRequest, noHistory } from '../errors';
import type { Debuggee } from '../debuggee';
import type { Operation } from '../motion';
import { Reply } from '../reply';
import type { Session } from '../session';

const threads = (session: Session): DebugProtocol.Thread[] =>
  Array.from({ length: session.live.view.vcpus }, (_, vcpu) => ({ id: vcpu + 1, name: `vCPU ${vcpu}` }));

export async function listThreads(session: Session): Promise<DebugProtocol.ThreadsResponse['body']> {
  return { threads: session.launched ? threads(session) : [] };
}

export function vcpuOf(debuggee: Debuggee, threadId: number): number {
  const vcpu = threadId - 1;
  if (!Number.isInteger(vcpu) || vcpu < 0 || vcpu >= debuggee.view.vcpus) throw badRequest(`there is no thread ${threadId}`);
  return vcpu;
}

function begin(session: Session, operation: Operation, body?: object): Reply {
  session.stopped.motion.requireStopped();
  return new Reply(body, () => session.live.motion.begin(operation));
}

/** Runs on until something stops the guest. */
function running(session: Session): Operation {
  const debuggee = session.live;
  const { guest, motion, plan } = debuggee;
  return async () => {
    const timer =
      plan.timeout === undefined
        ? undefined
        : setTimeout(() => {
            session.output('console', `Paused: the timeout of ${plan.timeout} s is over.\n`);
            void motion.interrupt();
          }, plan.timeout * 1000);
    try {
      let stop: Stop = await motion.run(() => guest.resume());
      // Hardware resets on a triple fault; so does this machine if nobody wants to see it.
      while (stop.reason.kind === 'shutdown' && !debuggee.breakpoints.stopsAtTripleFault && !motion.interrupted) {
        session.output('console', `Triple fault on vCPU ${stop.vcpu} at 0x${stop.rip.toString(16)}: the machine is reset.\n`);
        await motion.jump(() => guest.reset(), { kind: 'reset' });
        stop = await motion.run(() => guest.resume());
      }
      return stop;
    } finally {
      clearTimeout(timer);
    }
  };
}

export function resume(session: Session): void {
  session.live.motion.begin(running(session));
}

/** The same where the client has not asked for it. */
export function resumeUnasked(session: Session): void {
  session.beginUnasked('Running', running(session));
}

export async function continueRequest(session: Session): Promise<Reply> {
  return begin(session, running(session), { allThreadsContinued: true });
}

export async function pause(session: Session): Promise<Reply> {
  const { motion } = session.live;
  const already = motion.running ? undefined : motion.last;
  return new Reply(undefined, async () => {
    if (already) session.tellStop({ ...already, reason: { kind: 'pause' } });
    else await motion.interrupt();
  });
}

export async function next(session: Session, args: DebugProtocol.NextArguments): Promise<Reply> {
  const { stepper } = session.live;
  return begin(session, stepper.forward('over', vcpuOf(session.live, args.threadId), args.granularity));
}

export async function stepIn(session: Session, args: DebugProtocol.StepInArguments): Promise<Reply> {
  const { stepper } = session.live;
  return begin(session, stepper.forward('in', vcpuOf(session.live, args.threadId), args.granularity));
}

export async function stepOut(session: Session, args: DebugProtocol.StepOutArguments): Promise<Reply> {
  return begin(session, session.live.stepper.out(vcpuOf(session.live, args.threadId)));
}

function withHistory(session: Session): Debuggee {
  const debuggee = session.stopped;
  if (debuggee.guest.config.historyBytes === 0) throw noHistory();
  return debuggee;
}

export async function stepBack(session: Session, args: DebugProtocol.StepBackArguments): Promise<Reply> {
  const { stepper } = withHistory(session);
  session.progress.expect('Stepping back');
  return begin(session, stepper.backward(vcpuOf(session.live, args.threadId), args.granularity));
}

export async function reverseContinue(session: Session): Promise<Reply> {
  const { guest, motion } = withHistory(session);
  session.progress.expect('Running backwards');
  return begin(session, () => motion.run(() => guest.reverseContinue()));
}

// ── Jumps ──────────────────────────────────────────────────────────────────────────────────

/** Targets are addresses; their ids have to be numbers that JSON keeps, so they are counted. */
const targetKey = (address: bigint): string => `0x${address.toString(16)}`;

export async function gotoTargets(session: Session, args: DebugProtocol.GotoTargetsArguments): Promise<DebugProtocol.GotoTargetsResponse['body']> {
  const { symbols, listings } = session.live;
  const { source, line } = args;
  const listing = source.sourceReference ? listings.get(source.sourceReference) : undefined;
  const address = listing?.addresses[line - 1];
  const found = listing
    ? { line, addresses: address === undefined ? [] : [address] }
    : source.path === undefined
      ? undefined
      : symbols.addressesOf(source.path, line);
  const targets = (found?.addresses ?? []).map((target) => ({
    id: session.live.gotoTargets.of(targetKey(target), target),
    label: symbols.label(target) ?? targetKey(target),
    line: found!.line,
    instructionPointerReference: targetKey(target),
  }));
  return { targets };
}

export async function goto(session: Session, args: DebugProtocol.GotoArguments): Promise<Reply> {
  const debuggee = session.stopped;
  const vcpu = vcpuOf(debuggee, args.threadId);
  const target = debuggee.gotoTargets.get(args.targetId);
  if (target === undefined) throw badRequest(`there is no target ${args.targetId}`);
  await debuggee.setRegister(vcpu, 'rip', target);
  const stop = await debuggee.motion.here({ kind: 'step' }, vcpu);
  return new Reply(undefined, () => {
    debuggee.motion.last = stop;
    debuggee.settled();
    session.event<DebugProtocol.StoppedEvent>('stopped', { reason: 'goto', threadId: vcpu + 1, allThreadsStopped: true });
    session.tellMemory();
  });
}
