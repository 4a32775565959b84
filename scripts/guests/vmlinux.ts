import { spawnSync } from 'node:child_process';
import { Unavailable } from './apt';

/** Decodes the frame that `lz4 -l` writes, as Linux's build does: blocks of up to 8 MB, each with its size before it. */
function lz4Legacy(data: Buffer): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 4; at + 4 <= data.length;) {
    const size = data.readUInt32LE(at);
    at += 4;
    if (size === 0 || at + size > data.length) break; // the uncompressed size that Linux appends
    blocks.push(lz4Block(data.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat(blocks);
}

function lz4Block(source: Buffer): Buffer {
  const output = Buffer.allocUnsafe(8 << 20);
  let from = 0;
  let to = 0;
  const extended = (nibble: number): number => {
    let length = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) byte = source.readUInt8(from++);
    return length;
  };
  while (from < source.length) {
    const token = source.readUInt8(from++);
    const literals = extended(token >> 4);
    to += source.copy(output, to, from, from + literals);
    from += literals;
    if (from >= source.length) break; // the last sequence has no match
    const distance = source.readUInt16LE(from);
    from += 2;
    const end = to + extended(token & 15) + 4;
    if (distance === 0 || distance > to || end > output.length) throw new Unavailable('vmlinuz: bad LZ4 data');
    if (distance >= end - to) to += output.copy(output, to, to - distance, end - distance);
    else for (; to < end; to++) output[to] = output[to - distance] ?? 0;
  }
  return output.subarray(0, to);
}

/** XZ data; Linux appends the uncompressed size, which xz must not see. */
function xz(data: Buffer): Buffer {
  const child = spawnSync('xz', ['-dc', '--single-stream'], {
    input: data.subarray(0, -4),
    maxBuffer: 1 << 29,
  });
  if (child.error) throw new Unavailable('"xz" (package xz-utils) is needed to read symbols out of this kernel');
  if (child.stdout.length === 0) throw new Unavailable(`vmlinuz: ${child.stderr.toString().trim()}`);
  return child.stdout;
}

/** The ELF kernel inside a bzImage (payload_offset and payload_length of the setup header). */
export function vmlinuxOf(vmlinuz: Buffer): Buffer {
  const setupSectors = vmlinuz.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + vmlinuz.readUInt32LE(0x248);
  const payload = vmlinuz.subarray(start, start + vmlinuz.readUInt32LE(0x24c));
  if (payload.readUInt32LE(0) === 0x184c2102) return lz4Legacy(payload);
  if (payload.readUInt32BE(0) === 0xfd377a58) return xz(payload);
  throw new Unavailable('vmlinuz: compressed neither with LZ4 nor with XZ');
}
