/** The call stack, its scopes, and the sources and listings that its frames point into. */
import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { StateNode } from '../../../emulator/machine/api';
import { hex } from '../../inspect/format';
import type { Frame } from '../../inspect/unwind';
import { badRequest, noSource } from '../errors';
import type { Debuggee } from '../debuggee';
import type { Session } from '../session';
import { vcpuOf } from './execution';
import { moduleBody } from './lifecycle';

/** Ids of frames: a vCPU and a depth. Stacks are cut at fewer frames than this. */
const DEEPEST = 1000;
const frameId = (vcpu: number, depth: number): number => vcpu * DEEPEST + depth + 1;

/** The vCPU and the depth that a frame's id names; without one, the vCPU of the last stop. */
export function frameOf(debuggee: Debuggee, id: number | undefined): { vcpu: number; depth: number } {
  if (id === undefined) return { vcpu: debuggee.focus, depth: 0 };
  const vcpu = Math.floor((id - 1) / DEEPEST);
  if (!Number.isInteger(id) || id < 1 || vcpu >= debuggee.view.vcpus) throw badRequest(`there is no frame ${id}`);
  return { vcpu, depth: (id - 1) % DEEPEST };
}

export const fileSource = (path: string): DebugProtocol.Source => ({ name: basename(path), path });

async function stackFrame(debuggee: Debuggee, vcpu: number, frame: Frame, depth: number): Promise<DebugProtocol.StackFrame> {
  const { symbols, listings } = debuggee;
  const line = symbols.source(frame.lookup);
  const module = symbols.index.nearest(frame.lookup)?.symbol.module;
  const moduleId = symbols.modules.find(({ name }) => name === module)?.id;
  const base = {
    id: frameId(vcpu, depth),
    name: symbols.label(depth === 0 ? frame.pc : frame.lookup)?.replace(/\+0x[0-9a-f]+$/, '') ?? hex(frame.pc),
    instructionPointerReference: hex(frame.pc),
    ...(moduleId !== undefined && { moduleId }),
    ...(frame.guessed && { presentationHint: 'subtle' as const }),
  };
  if (line && symbols.paths.exists(line.path)) return { ...base, source: fileSource(line.path), line: line.line, column: Math.max(1, line.column) };
  const listed = await listings.of(await debuggee.code(vcpu), frame.pc);
  return {
    ...base,
    name: symbols.label(frame.pc) ?? hex(frame.pc),
    source: { name: listed.listing.name, sourceReference: listed.listing.reference, origin: 'disassembly' },
    line: listed.line,
    column: 1,
  };
}

export async function stackTrace(session: Session, args: DebugProtocol.StackTraceArguments): Promise<DebugProtocol.StackTraceResponse['body']> {
  const debuggee = session.stopped;
  const vcpu = vcpuOf(debuggee, args.threadId);
  const frames = await debuggee.stack(vcpu);
  const start = args.startFrame ?? 0;
  const wanted = frames.slice(start, args.levels ? start + args.levels : undefined);
  const stackFrames: DebugProtocol.StackFrame[] = [];
  // One after the other: frames of one function share a listing.
  for (const [index, frame] of wanted.entries()) stackFrames.push(await stackFrame(debuggee, vcpu, frame, start + index));
  return { stackFrames, totalFrames: frames.length };
}

/** What is known of a caller, whose registers are gone. */
async function frameScope(debuggee: Debuggee, vcpu: number, depth: number): Promise<DebugProtocol.Scope[]> {
  const frame = depth === 0 ? undefined : (await debuggee.stack(vcpu))[depth];
  if (!frame) return [];
  const nodes: StateNode[] = [
    { name: 'return address', about: 'Where the callee returns to', value: frame.pc, width: 64 },
    { name: frame.guessed ? 'stack slot' : 'frame pointer', about: 'Place on the stack', value: frame.base, width: 64 },
  ];
  return [{ name: 'Frame', variablesReference: debuggee.variables.fixed(`frame ${vcpu} ${depth}`, nodes), expensive: false }];
}

export async function scopes(session: Session, args: DebugProtocol.ScopesArguments): Promise<DebugProtocol.ScopesResponse['body']> {
  const debuggee = session.stopped;
  const { vcpu, depth } = frameOf(debuggee, args.frameId);
  return { scopes: [...(await frameScope(debuggee, vcpu, depth)), ...(await debuggee.variables.scopes(vcpu))] };
}

export async function source(session: Session, args: DebugProtocol.SourceArguments): Promise<DebugProtocol.SourceResponse['body']> {
  const reference = args.source?.sourceReference ?? args.sourceReference;
  const listing = session.live.listings.get(reference);
  if (!listing) throw noSource(`there is no listing ${reference}`);
  return { content: listing.text, mimeType: 'text/x-asm' };
}

// ── What is loaded ─────────────────────────────────────────────────────────────────────────

export async function modules(session: Session, args: DebugProtocol.ModulesArguments): Promise<DebugProtocol.ModulesResponse['body']> {
  const all = session.live.symbols.modules;
  const start = args.startModule ?? 0;
  return { modules: all.slice(start, args.moduleCount ? start + args.moduleCount : undefined).map(moduleBody), totalModules: all.length };
}

export async function loadedSources(session: Session): Promise<DebugProtocol.LoadedSourcesResponse['body']> {
  const { symbols } = session.live;
  return {
    sources: symbols
      .sources()
      .filter((path) => symbols.paths.exists(path))
      .map(fileSource),
  };
}
