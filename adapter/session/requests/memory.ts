/** Memory as bytes and as instructions. References are linear addresses, `phys:0x…`, or expressions. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { around, type Code, type Entry } from '../../disassembly/window';
import { entryText } from '../../disassembly/listing';
import type { Space } from '../../inspect/expression/evaluate';
import { bytesText, hex } from '../../inspect/format';
import { TOP } from '../../inspect/view';
import { badRequest } from '../errors';
import type { Debuggee } from '../debuggee';
import type { Session } from '../session';
import { fileSource } from './frames';

const PAGE = 4096n;
/** What one request gets; clients ask again for more. */
const MOST_BYTES = 16 << 20;
const MOST_INSTRUCTIONS = 20_000;
/** How far the next readable page is looked for. */
const MOST_PROBES = 64;

/** A reference as a space and an address; the sum with an offset may lie outside of the address space. */
export async function memoryPlace(debuggee: Debuggee, reference: string, offset = 0): Promise<{ space: Space; address: bigint }> {
  const { bits, space } = await debuggee.evaluate(reference, debuggee.focus);
  return { space, address: bits + BigInt(offset) };
}

const shown = (space: Space, address: bigint): string => (space === 'physical' ? `phys:${hex(address)}` : hex(address));

/** Bytes from `address` on that can't be read, at most `most`. */
async function unreadable(debuggee: Debuggee, space: Space, address: bigint, most: number): Promise<number> {
  let at = address;
  const end = address + BigInt(most);
  for (let probes = 0; at < end && probes < MOST_PROBES; probes++) {
    at = (at & ~(PAGE - 1n)) + PAGE;
    if (at >= TOP || (await debuggee.view.read(debuggee.focus, space, at, 1)).length > 0) break;
  }
  return Number((at < end ? at : end) - address);
}

export async function readMemory(session: Session, args: DebugProtocol.ReadMemoryArguments): Promise<DebugProtocol.ReadMemoryResponse['body']> {
  const debuggee = session.live;
  const { memoryReference, offset = 0 } = args;
  const { space, address } = await memoryPlace(debuggee, memoryReference, offset);
  const count = Math.min(Math.max(0, args.count), MOST_BYTES);
  const known = debuggee.openMemory.get(memoryReference);
  debuggee.openMemory.set(memoryReference, {
    first: Math.min(offset, known?.first ?? offset),
    last: Math.max(offset + count, known?.last ?? 0),
  });
  if (address < 0n || address >= TOP) return { address: shown(space, address < 0n ? 0n : TOP - 1n), unreadableBytes: count };
  const bytes = await debuggee.view.read(debuggee.focus, space, address, count);
  const missing = count - bytes.length;
  return {
    address: shown(space, address),
    ...(bytes.length > 0 && { data: Buffer.from(bytes).toString('base64') }),
    ...(missing > 0 && { unreadableBytes: await unreadable(debuggee, space, address + BigInt(bytes.length), missing) }),
  };
}

export async function writeMemory(session: Session, args: DebugProtocol.WriteMemoryArguments): Promise<DebugProtocol.WriteMemoryResponse['body']> {
  const debuggee = session.live;
  const { space, address } = await memoryPlace(debuggee, args.memoryReference, args.offset);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(args.data)) throw badRequest('writeMemory: the data is not base64');
  const bytes = Uint8Array.from(Buffer.from(args.data, 'base64'));
  if (address < 0n || address + BigInt(bytes.length) > TOP) throw badRequest(`${hex(address)} is outside of the address space`);
  const available = (await debuggee.view.read(debuggee.focus, space, address, bytes.length)).length;
  if (available < bytes.length && args.allowPartial !== true) {
    throw badRequest(`only ${available} of ${bytes.length} bytes can be written at ${shown(space, address)}`);
  }
  const bytesWritten = await debuggee.view.write(debuggee.focus, space, address, bytes.subarray(0, available));
  debuggee.changed();
  session.tellMemory();
  session.tellInvalidated(['all']);
  return { bytesWritten };
}

// ── Instructions ───────────────────────────────────────────────────────────────────────────

function instruction(debuggee: Debuggee, entry: Entry, resolveSymbols: boolean): DebugProtocol.DisassembledInstruction {
  const { symbols } = debuggee;
  if (entry.outside) return { address: hex(entry.address), instruction: '', presentationHint: 'invalid' };
  const line = symbols.source(entry.address);
  const symbol = symbols.label(entry.address);
  return {
    address: hex(entry.address),
    instruction: entryText(entry, symbols),
    ...(entry.bytes.length > 0 && { instructionBytes: bytesText(entry.bytes) }),
    ...(entry.unreadable && { presentationHint: 'invalid' as const }),
    ...(resolveSymbols && symbol !== undefined && { symbol }),
    ...(line && symbols.paths.exists(line.path) && { location: fileSource(line.path), line: line.line, ...(line.column > 0 && { column: line.column }) }),
  };
}

export async function disassemble(session: Session, args: DebugProtocol.DisassembleArguments): Promise<DebugProtocol.DisassembleResponse['body']> {
  const debuggee = session.live;
  const { space, address } = await memoryPlace(debuggee, args.memoryReference, args.offset);
  const vcpu = debuggee.focus;
  const linear = await debuggee.code(vcpu);
  const code: Code =
    space === 'linear' ? linear : { bits: linear.bits, read: (from, length) => debuggee.view.read(vcpu, space, from, length), anchor: () => undefined };
  if (args.instructionCount > MOST_INSTRUCTIONS) throw badRequest(`disassemble: more than ${MOST_INSTRUCTIONS} instructions at once`);
  const entries = await around(code, address, args.instructionOffset ?? 0, args.instructionCount);
  return { instructions: entries.map((entry) => instruction(debuggee, entry, args.resolveSymbols !== false)) };
}
