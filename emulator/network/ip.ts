/** IPv4 (RFC 791), ICMP (RFC 792) and UDP (RFC 768). */
import { addWords, checksum, joined, put16, put32, u16At, u32At } from './bytes';

export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17 } as const;
const HEADER = 20;
const DONT_FRAGMENT = 0x4000;
const FRAGMENT = 0x3fff;
const TIME_TO_LIVE = 64;

export interface Packet {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

/** Undefined for what is no whole, right packet: fragments are not put together. */
export function parsePacket(data: Uint8Array): Packet | undefined {
  const header = (data[0]! & 0xf) * 4;
  const length = u16At(data, 2);
  if (data.length < HEADER || data[0]! >> 4 !== 4 || header < HEADER || length < header || length > data.length) return undefined;
  if (checksum(addWords(data.subarray(0, header))) !== 0 || u16At(data, 6) & FRAGMENT) return undefined;
  return { source: u32At(data, 12), destination: u32At(data, 16), protocol: data[9]!, payload: data.subarray(header, length) };
}

/** Packets go unfragmented, so that their identification is of no use (RFC 6864). */
export function packetOf({ source, destination, protocol, payload }: Packet): Uint8Array {
  const header = new Uint8Array(HEADER);
  header[0] = 0x45;
  put16(header, 2, HEADER + payload.length);
  put16(header, 6, DONT_FRAGMENT);
  header[8] = TIME_TO_LIVE;
  header[9] = protocol;
  put32(header, 12, source);
  put32(header, 16, destination);
  put16(header, 10, checksum(addWords(header)));
  return joined(header, payload);
}

/** The sum of what TCP and UDP check beside their own bytes. */
export function pseudoHeader({ source, destination, protocol }: Packet, length: number): number {
  const header = new Uint8Array(12);
  put32(header, 0, source);
  put32(header, 4, destination);
  header[9] = protocol;
  put16(header, 10, length);
  return addWords(header);
}

// ── UDP ────────────────────────────────────────────────────────────────────────────────────

const UDP_HEADER = 8;

export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

export function parseDatagram(packet: Packet): Datagram | undefined {
  const { payload } = packet;
  const length = u16At(payload, 4);
  if (payload.length < UDP_HEADER || length < UDP_HEADER || length > payload.length) return undefined;
  const whole = payload.subarray(0, length);
  // 0: the sender has made none.
  if (u16At(payload, 6) !== 0 && checksum(addWords(whole, pseudoHeader(packet, length))) !== 0) return undefined;
  return { sourcePort: u16At(payload, 0), destinationPort: u16At(payload, 2), data: whole.subarray(UDP_HEADER) };
}

export function datagramOf(source: number, destination: number, { sourcePort, destinationPort, data }: Datagram): Packet {
  const payload = joined(new Uint8Array(UDP_HEADER), data);
  const packet = { source, destination, protocol: PROTOCOL.UDP, payload };
  put16(payload, 0, sourcePort);
  put16(payload, 2, destinationPort);
  put16(payload, 4, payload.length);
  put16(payload, 6, checksum(addWords(payload, pseudoHeader(packet, payload.length))) || 0xffff);
  return packet;
}

// ── ICMP ───────────────────────────────────────────────────────────────────────────────────

const ICMP_HEADER = 8;
const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO_REQUEST = 8;
/** Codes of "destination unreachable" (RFC 1812, 5.2.7.1). */
export const WHY = { PORT: 3, PROHIBITED: 13 } as const;

function icmpOf(source: number, destination: number, payload: Uint8Array): Packet {
  put16(payload, 2, 0);
  put16(payload, 2, checksum(addWords(payload)));
  return { source, destination, protocol: PROTOCOL.ICMP, payload };
}

/** The answer to an echo request; undefined for other messages. */
export function echoReply({ source, destination, payload }: Packet): Packet | undefined {
  if (payload.length < ICMP_HEADER || payload[0] !== ECHO_REQUEST || payload[1] !== 0 || checksum(addWords(payload)) !== 0) return undefined;
  const reply = payload.slice();
  reply[0] = ECHO_REPLY;
  return icmpOf(destination, source, reply);
}

/** To the sender of a packet: it goes no further. With the packet's header and the first 8 bytes after it. */
export function unreachable(from: number, code: number, packet: Packet): Packet {
  const payload = joined(Uint8Array.of(UNREACHABLE, code, 0, 0, 0, 0, 0, 0), packetOf(packet).subarray(0, HEADER + 8));
  return icmpOf(from, packet.source, payload);
}
