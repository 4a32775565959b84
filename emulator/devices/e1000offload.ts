/** What an e1000 does to packets on their way out: checksums, segments of TCP, VLAN tags (manual, 3.3 to 3.6). */
import { MOST_FRAME } from '../bus/network';
import type { TransmitContext } from './e1000registers';

export const OPTION = { IXSM: 1, TXSM: 2 } as const;
const COMMAND = { TCP: 1, IP: 2 } as const;
/** Most segments of one packet: more are none of a driver's. */
const MOST_SEGMENTS = 256;
const TCP_FLAGS = 13;
/** FIN and PSH are for the last segment alone. */
const LAST_ONLY = 0x09;

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  if (at + 1 >= bytes.length) return;
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
};

/** Puts the checksum of what lies between two places (`end` 0: to the packet's end) where it belongs; a sum that is there already counts in. */
export function insertChecksum(bytes: Uint8Array, start: number, offset: number, end: number): void {
  const last = end === 0 ? bytes.length : Math.min(end + 1, bytes.length);
  if (start >= last || offset + 1 >= bytes.length) return;
  let sum = 0;
  for (let at = start; at < last; at += 2) sum += (bytes[at]! << 8) | (at + 1 < last ? bytes[at + 1]! : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  put16(bytes, offset, ~sum & 0xffff);
}

function insertBoth(frame: Uint8Array, options: number, context: TransmitContext): void {
  if (options & OPTION.IXSM) {
    put16(frame, context.ipOffset, 0);
    insertChecksum(frame, context.ipStart, context.ipOffset, context.ipEnd);
  }
  if (options & OPTION.TXSM) insertChecksum(frame, context.start, context.offset, context.end);
}

/** The frames that a packet of extended descriptors becomes. */
export function framesOf(packet: Uint8Array, options: number, segmented: boolean, context: TransmitContext): readonly Uint8Array[] {
  if (segmented) return segmentsOf(packet, options, context);
  const frame = packet.slice();
  insertBoth(frame, options, context);
  return [frame];
}

/** 3.5: each segment has the header of the first, with lengths, identification, sequence number and flags of its own. */
function segmentsOf(packet: Uint8Array, options: number, context: TransmitContext): readonly Uint8Array[] {
  const { header, segment, command, ipStart, start, offset } = context;
  const payload = packet.length - header;
  if (header === 0 || segment === 0 || payload <= 0 || header + segment > MOST_FRAME || Math.ceil(payload / segment) > MOST_SEGMENTS) return [];
  const frames: Uint8Array[] = [];
  const sequence = ((u16(packet, start + 4) << 16) | u16(packet, start + 6)) >>> 0;
  for (let at = 0, index = 0; at < payload; at += segment, index++) {
    const length = Math.min(segment, payload - at);
    const frame = new Uint8Array(header + length);
    frame.set(packet.subarray(0, header));
    frame.set(packet.subarray(header + at, header + at + length), header);
    if (command & COMMAND.IP) {
      put16(frame, ipStart + 2, frame.length - ipStart);
      put16(frame, ipStart + 4, (u16(packet, ipStart + 4) + index) & 0xffff);
    } else put16(frame, ipStart + 4, frame.length - ipStart - 40);
    if (command & COMMAND.TCP) {
      const number = (sequence + at) >>> 0;
      put16(frame, start + 4, number >>> 16);
      put16(frame, start + 6, number & 0xffff);
      if (at + length < payload && start + TCP_FLAGS < header) frame[start + TCP_FLAGS]! &= ~LAST_ONLY;
    } else put16(frame, start + 4, frame.length - start);
    // The driver has summed up the pseudo header without the length, which is that of the segment.
    if (options & OPTION.TXSM) {
      const partial = u16(frame, offset) + (frame.length - start);
      put16(frame, offset, (partial & 0xffff) + (partial >>> 16));
    }
    insertBoth(frame, options, context);
    frames.push(frame);
  }
  return frames;
}

/** An 802.1Q tag behind the addresses. */
export function tagged(frame: Uint8Array, type: number, tag: number): Uint8Array {
  const whole = new Uint8Array(frame.length + 4);
  whole.set(frame.subarray(0, 12));
  put16(whole, 12, type);
  put16(whole, 14, tag);
  whole.set(frame.subarray(12), 16);
  return whole;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});
/** The frame check sequence, as its four bytes (IEEE 802.3, 3.2.9). */
export function frameCheck(frame: Uint8Array): Uint8Array {
  let crc = 0xffffffff;
  for (const byte of frame) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  crc = ~crc >>> 0;
  return Uint8Array.of(crc, crc >>> 8, crc >>> 16, crc >>> 24);
}
