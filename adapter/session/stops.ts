/** Why the guest stopped, in the protocol's words and in a person's. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Stop } from '../../emulator/machine/api';
import type { Blame } from '../../emulator/errors';
import type { Breakpoints } from '../breakpoints/store';

type StoppedBody = DebugProtocol.StoppedEvent['body'];
type Told = Pick<StoppedBody, 'reason'> & Partial<StoppedBody>;

/** What kind of error stopped the guest, by who has to act on it. */
const ERRORS: Readonly<Record<Blame, string>> = { user: 'Unusable input', guest: 'Guest error', internal: 'Internal error' };

const hex = (value: bigint): string => `0x${value.toString(16)}`;

function byIds(ids: readonly number[], breakpoints: Breakpoints): Told {
  const entry = ids.map((id) => breakpoints.get(id)).find((found) => found !== undefined);
  return {
    reason: entry?.kind ?? 'breakpoint',
    hitBreakpointIds: ids.filter((id) => id > 0),
    ...(entry && { description: `Paused on ${entry.kind} ${entry.label}` }),
  };
}

function told(stop: Stop, breakpoints: Breakpoints): Told {
  const { reason } = stop;
  switch (reason.kind) {
    case 'entry':
      return { reason: 'entry', description: stop.position === 0 ? 'Paused at power-on' : 'Paused before the first step' };
    case 'pause':
      return { reason: 'pause' };
    case 'step':
      return { reason: 'step' };
    case 'limit':
      return { reason: 'pause', description: `Paused at position ${stop.position}` };
    case 'breakpoint':
      return byIds(reason.ids, breakpoints);
    case 'watchpoint': {
      const what = `${reason.write ? 'Write to' : 'Read of'} ${hex(reason.address)}, ${reason.size} bytes`;
      return { ...byIds(reason.ids, breakpoints), reason: 'data breakpoint', description: what, text: what };
    }
    case 'trigger':
      return { ...byIds(reason.ids, breakpoints), description: reason.description, text: reason.description };
    case 'history-start':
      return { reason: 'entry', description: 'Paused at the oldest recorded point', text: 'There is no older history.' };
    case 'power-off':
      return { reason: 'pause', description: 'The guest has powered off' };
    case 'reset':
      return { reason: 'pause', description: 'The guest has reset the machine' };
    case 'exit':
      return { reason: 'pause', description: `The guest has ended with exit code ${reason.code}` };
    case 'idle':
      return { reason: 'pause', description: 'The guest is idle for ever', text: 'Every vCPU is halted and nothing can wake one.' };
    case 'shutdown':
      return { reason: 'exception', description: `Triple fault at ${hex(stop.rip)}`, text: reason.description };
    case 'error':
      return {
        reason: 'exception',
        description: `${ERRORS[reason.blame]} at ${hex(stop.rip)}`,
        text: `${reason.description} [${reason.code}]`,
      };
  }
}

export function stoppedBody(stop: Stop, breakpoints: Breakpoints): StoppedBody {
  return { ...told(stop, breakpoints), threadId: stop.vcpu + 1, allThreadsStopped: true };
}

/** The code with which the debuggee ends at this stop; undefined where it doesn't end. */
export function exitCode(stop: Stop): number | undefined {
  if (stop.reason.kind === 'exit') return stop.reason.code;
  return stop.reason.kind === 'power-off' ? 0 : undefined;
}

export interface ExceptionTold {
  readonly id: string;
  readonly description: string;
}

/** For exceptionInfo: the exception that the stop is about. */
export function exceptionTold(stop: Stop | undefined): ExceptionTold | undefined {
  switch (stop?.reason.kind) {
    case 'shutdown':
      return { id: 'triple fault', description: stop.reason.description };
    case 'trigger':
      return { id: stop.reason.description.split(/[:,]/)[0]!.trim(), description: stop.reason.description };
    case 'error':
      return { id: stop.reason.code, description: stop.reason.description };
    default:
      return undefined;
  }
}
