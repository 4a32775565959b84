/** Breakpoints of every kind. Each request replaces one set; the guest gets the whole list at once. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { dataId, describeTarget, parseDataId, type DataTarget } from '../../breakpoints/data';
import { badRequest, describe } from '../errors';
import { exceptionTold } from '../stops';
import type { Session } from '../session';
import { frameOf } from './frames';

async function applied(session: Session, set: Promise<DebugProtocol.Breakpoint[]>): Promise<{ breakpoints: DebugProtocol.Breakpoint[] }> {
  const breakpoints = await set;
  await session.live.applyTriggers();
  return { breakpoints };
}

export async function setBreakpoints(session: Session, args: DebugProtocol.SetBreakpointsArguments): Promise<DebugProtocol.SetBreakpointsResponse['body']> {
  const { breakpoints, listings } = session.live;
  const { sourceReference, path } = args.source;
  const wanted = args.breakpoints ?? (args.lines ?? []).map((line) => ({ line }));
  if (sourceReference) {
    const listing = listings.get(sourceReference);
    if (!listing) throw badRequest(`there is no listing ${sourceReference}`);
    return applied(session, breakpoints.setListing(listing, wanted));
  }
  if (path === undefined) throw badRequest('setBreakpoints: the source has neither a path nor a reference');
  return applied(session, breakpoints.setSource(path, wanted));
}

export const setFunctionBreakpoints = async (
  session: Session,
  args: DebugProtocol.SetFunctionBreakpointsArguments,
): Promise<DebugProtocol.SetFunctionBreakpointsResponse['body']> => applied(session, session.live.breakpoints.setFunctions(args.breakpoints));

export const setInstructionBreakpoints = async (
  session: Session,
  args: DebugProtocol.SetInstructionBreakpointsArguments,
): Promise<DebugProtocol.SetInstructionBreakpointsResponse['body']> => applied(session, session.live.breakpoints.setInstructions(args.breakpoints));

export const setDataBreakpoints = async (
  session: Session,
  args: DebugProtocol.SetDataBreakpointsArguments,
): Promise<DebugProtocol.SetDataBreakpointsResponse['body']> => applied(session, session.live.breakpoints.setData(args.breakpoints));

export const setExceptionBreakpoints = async (
  session: Session,
  args: DebugProtocol.SetExceptionBreakpointsArguments,
): Promise<DebugProtocol.SetExceptionBreakpointsResponse['body']> => applied(session, session.live.breakpoints.setExceptions(args));

export async function breakpointLocations(
  session: Session,
  args: DebugProtocol.BreakpointLocationsArguments,
): Promise<DebugProtocol.BreakpointLocationsResponse['body']> {
  const { symbols, listings } = session.live;
  const { source, line, endLine = line } = args;
  const listing = source.sourceReference ? listings.get(source.sourceReference) : undefined;
  const lines = listing ? listing.addresses.map((_, index) => index + 1) : source.path === undefined ? [] : symbols.linesOf(source.path);
  return { breakpoints: lines.filter((candidate) => candidate >= line && candidate <= endLine).map((found) => ({ line: found })) };
}

// ── Data breakpoints ───────────────────────────────────────────────────────────────────────

/** What a name or an expression means as something to watch. Throws where it means nothing. */
async function dataTarget(session: Session, args: DebugProtocol.DataBreakpointInfoArguments): Promise<DataTarget> {
  const debuggee = session.live;
  const explicit = /^(lin|phys|port|msr):|^0x/i.test(args.name.trim()) && args.bytes === undefined ? parseDataId(args.name) : undefined;
  if (explicit) return explicit;
  const { vcpu } = frameOf(debuggee, args.frameId);
  const value = await debuggee.evaluate(args.name, vcpu);
  const symbol = debuggee.symbols.index.find(args.name.trim().replace(/^&/, ''))[0];
  // Memory is watched where it lies; a number, whether a symbol's or a register's, is the address itself.
  const place = value.place?.kind === 'memory' ? value.place : { space: value.space, address: value.bits };
  const own = value.place?.kind === 'memory' ? value.type.size : symbol && symbol.size > 0n ? Number(symbol.size) : 8;
  return { kind: 'memory', space: place.space, address: place.address, length: args.bytes ?? own };
}

export async function dataBreakpointInfo(
  session: Session,
  args: DebugProtocol.DataBreakpointInfoArguments,
): Promise<DebugProtocol.DataBreakpointInfoResponse['body']> {
  if (args.variablesReference) return { dataId: null, description: `'${args.name}' is not in memory; add a data breakpoint at an address instead` };
  try {
    const target = await dataTarget(session, args);
    const id = dataId(target);
    if (!parseDataId(id)) return { dataId: null, description: `${describeTarget(target)} can't be watched` };
    return { dataId: id, description: describeTarget(target), accessTypes: ['read', 'write', 'readWrite'], canPersist: true };
  } catch (error) {
    return { dataId: null, description: describe(error).message };
  }
}

export async function exceptionInfo(session: Session): Promise<DebugProtocol.ExceptionInfoResponse['body']> {
  const told = exceptionTold(session.stopped.stop);
  if (!told) throw badRequest('the last stop was no exception');
  return { exceptionId: told.id, description: told.description, breakMode: 'always' };
}
