/**
 * Names of what a data breakpoint watches: `lin:0x1000/8` and `phys:0x1000/4` for memory,
 * `port:0x3f8/1` for I/O ports, `msr:0xc0000080` for a model-specific register. Such a name is good in later sessions too.
 */
import { TOP } from '../inspect/view';

export type DataTarget =
  | { readonly kind: 'memory'; readonly space: 'linear' | 'physical'; readonly address: bigint; readonly length: number }
  | { readonly kind: 'port'; readonly first: number; readonly count: number }
  | { readonly kind: 'msr'; readonly index: number };

/** Longer ranges are taken for mistakes. */
const LONGEST = 1 << 24;

export function dataId(target: DataTarget): string {
  if (target.kind === 'port') return `port:0x${target.first.toString(16)}/${target.count}`;
  if (target.kind === 'msr') return `msr:0x${target.index.toString(16)}`;
  return `${target.space === 'physical' ? 'phys' : 'lin'}:0x${target.address.toString(16)}/${target.length}`;
}

export function parseDataId(id: string): DataTarget | undefined {
  const match = /^(?:(lin|phys|port|msr):)?(0x[0-9a-f]+|\d+)(?:\/(\d+))?$/i.exec(id.trim());
  if (!match) return undefined;
  const address = BigInt(match[2]!);
  const kind = match[1]?.toLowerCase() ?? 'lin';
  if (kind === 'msr') return match[3] === undefined && address < 1n << 32n ? { kind: 'msr', index: Number(address) } : undefined;
  const length = Number(match[3] ?? (kind === 'port' ? 1 : 8));
  if (length < 1 || length > LONGEST) return undefined;
  if (kind === 'port') return address + BigInt(length) <= 0x10000n ? { kind: 'port', first: Number(address), count: length } : undefined;
  if (address + BigInt(length) > TOP) return undefined;
  return { kind: 'memory', space: kind === 'phys' ? 'physical' : 'linear', address, length };
}

export function describeTarget(target: DataTarget): string {
  if (target.kind === 'port') {
    const last = target.first + target.count - 1;
    return target.count === 1 ? `port 0x${target.first.toString(16)}` : `ports 0x${target.first.toString(16)}-0x${last.toString(16)}`;
  }
  if (target.kind === 'msr') return `MSR 0x${target.index.toString(16)}`;
  return `${target.length} byte${target.length === 1 ? '' : 's'} at ${target.space === 'physical' ? 'physical ' : ''}0x${target.address.toString(16)}`;
}
