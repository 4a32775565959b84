/** What Variables, expressions and commands write: registers, fields, memory. */
import { numeric } from '../inspect/expression/evaluate';
import { hex, toBytes } from '../inspect/format';
import type { Debuggee } from './debuggee';
import { cannotSet } from './errors';

/** A register, a group or a field of a device, with its path. */
export const NAME = /^\$?([A-Za-z_][\w]*(?:\.[\w[\]]+)*)$/;

/** A number that is written into a register: a literal of any width, a truth value, or an expression. */
export function parser(debuggee: Debuggee, vcpu: number): (text: string) => Promise<bigint> {
  return async (text) => {
    const plain = text.trim();
    if (/^(0x[0-9a-f_]+|\d[\d_]*)$/i.test(plain)) return BigInt(plain.replaceAll('_', ''));
    if (/^(true|false)$/i.test(plain)) return plain.toLowerCase() === 'true' ? 1n : 0n;
    return numeric(await debuggee.evaluate(plain, vcpu));
  };
}

/** Writes a register, a field or memory. */
export async function assign(debuggee: Debuggee, vcpu: number, target: string, text: string): Promise<void> {
  const parse = parser(debuggee, vcpu);
  const name = NAME.exec(target.trim())?.[1];
  const plain = name !== undefined && (debuggee.isPart(name) || debuggee.names.isRegister(name.toLowerCase()));
  const found = name === undefined || plain ? undefined : await debuggee.variables.lookup(vcpu, name);
  if (found && debuggee.symbols.index.find(name!).length === 0) return debuggee.variables.set(found.parent, found.node.name, text, parse);
  if (name !== undefined && plain) return debuggee.setRegister(vcpu, name.toLowerCase(), await parse(text));
  const { place, type } = await debuggee.evaluate(target, vcpu);
  if (place?.kind !== 'memory') throw cannotSet(`'${target}' is neither a register nor memory`);
  const bytes = type.form === 'float' ? floatBytes(Number(text), type.size) : toBytes(await parse(text), type.size);
  const count = await debuggee.view.write(vcpu, place.space, place.address, bytes);
  if (count < bytes.length) throw cannotSet(`there is no memory to write at ${hex(place.address)}`);
}

function floatBytes(value: number, size: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  if (size === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return new Uint8Array(view.buffer);
}
