/** TCP segments: RFC 9293, 3.1 and 3.2; window scale: RFC 7323. */
import { addWords, checksum, joined, put16, put32, u16At, u32At } from './bytes';
import { PROTOCOL, pseudoHeader, type Packet } from './ip';

export const FLAG = { FIN: 0x01, SYN: 0x02, RST: 0x04, PSH: 0x08, ACK: 0x10 } as const;
const HEADER = 20;
const OPTION = { END: 0, NONE: 1, SEGMENT: 2, SCALE: 3 } as const;
export const MOST_SHIFT = 14;
/** What a peer takes that says nothing (RFC 9293, 3.7.1). */
const DEFAULT_SEGMENT = 536;

export interface Segment {
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly data: Uint8Array;
  /** Of a SYN. */
  readonly segment: number;
  /** Of a SYN; undefined where windows are not scaled. */
  readonly shift: number | undefined;
}

export interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export function parseSegment(packet: Packet): (Segment & Ports) | undefined {
  const { payload } = packet;
  const header = (payload[12] ?? 0) >> 4 << 2; // prettier-ignore
  if (payload.length < HEADER || header < HEADER || header > payload.length) return undefined;
  if (checksum(addWords(payload, pseudoHeader(packet, payload.length))) !== 0) return undefined;
  return {
    sourcePort: u16At(payload, 0),
    destinationPort: u16At(payload, 2),
    sequence: u32At(payload, 4),
    acknowledgment: u32At(payload, 8),
    flags: payload[13]!,
    window: u16At(payload, 14),
    data: payload.slice(header),
    ...optionsOf(payload.subarray(HEADER, header)),
  };
}

function optionsOf(options: Uint8Array): Pick<Segment, 'segment' | 'shift'> {
  let [segment, shift]: [number, number | undefined] = [DEFAULT_SEGMENT, undefined];
  for (let at = 0; at < options.length && options[at] !== OPTION.END;) {
    if (options[at] === OPTION.NONE) at++;
    else {
      const length = options[at + 1] ?? 0;
      if (length < 2 || at + length > options.length) break;
      if (options[at] === OPTION.SEGMENT && length === 4) segment = u16At(options, at + 2);
      if (options[at] === OPTION.SCALE && length === 3) shift = Math.min(options[at + 2]!, MOST_SHIFT);
      at += length;
    }
  }
  return { segment, shift };
}

export type Outgoing = Pick<Segment, 'sequence' | 'acknowledgment' | 'flags' | 'window'> & Partial<Pick<Segment, 'data' | 'segment' | 'shift'>>;

export function segmentOf(source: number, destination: number, { sourcePort, destinationPort }: Ports, outgoing: Outgoing): Packet {
  const { sequence, acknowledgment, flags, window, data, segment, shift } = outgoing;
  const options = [
    ...(segment === undefined ? [] : [OPTION.SEGMENT, 4, segment >> 8, segment & 0xff]),
    ...(shift === undefined ? [] : [OPTION.NONE, OPTION.SCALE, 3, shift]),
  ];
  const header = new Uint8Array(HEADER + options.length);
  put16(header, 0, sourcePort);
  put16(header, 2, destinationPort);
  put32(header, 4, sequence);
  put32(header, 8, acknowledgment);
  header[12] = (header.length / 4) << 4;
  header[13] = flags;
  put16(header, 14, window);
  header.set(options, HEADER);
  const payload = data ? joined(header, data) : header;
  const packet = { source, destination, protocol: PROTOCOL.TCP, payload };
  put16(payload, 16, checksum(addWords(payload, pseudoHeader(packet, payload.length))));
  return packet;
}
