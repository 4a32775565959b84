/** What the network remembers. */
import { bool, buffer, bytes, choice, fields, group, list, time, u16, u32, u8, type StateOf } from '../bus/fields';
import { MOST_QUESTION } from './dns';
import { MAC } from './ethernet';

export const CONNECTIONS = 64;
export const SOCKETS = 32;
export const QUESTIONS = 16;
export const NEIGHBOURS = 8;
/** Bytes on their way to the guest, of one connection. */
export const TO_GUEST = 256 << 10;

const ENDPOINTS = {
  guest: u32('Address of the guest'),
  guestPort: u16('Port of the guest'),
  remote: u32('Address of the other side, as the guest sees it'),
  remotePort: u16('Port of the other side'),
} as const;

/** A TCP connection; names in capitals are those of RFC 9293, 3.3.1. */
export const connectionFields = fields({
  flow: u32('Number of the connection'),
  /** dialling: the host has been asked. answering: it has been reached, SYN and ACK have gone out. calling: the host's SYN has. */
  stage: choice('How far it is', ['free', 'dialling', 'answering', 'calling', 'open']),
  ...ENDPOINTS,
  unacknowledged: u32('SND.UNA'),
  next: u32('SND.NXT'),
  highest: u32('The highest that SND.NXT has been'),
  window: u32('SND.WND'),
  windowSegment: u32('SND.WL1'),
  windowAcknowledgment: u32('SND.WL2'),
  windowShift: u8('What the guest scales its window by (RFC 7323)'),
  scaled: bool('Windows are scaled'),
  segment: u16('Most bytes of a segment to the guest'),
  congestion: u32('Congestion window (RFC 5681)'),
  threshold: u32('Slow start threshold'),
  duplicates: u8('Duplicate acknowledgments'),
  expected: u32('RCV.NXT'),
  edge: u32('RCV.NXT + RCV.WND, as the guest was told last'),
  toGuest: buffer(TO_GUEST, 'Bytes from the host that the guest has not acknowledged'),
  given: u32('Bytes from the guest that are on their way through the host'),
  hostEnded: bool('The host sends nothing more'),
  finished: bool('FIN has gone to the guest'),
  guestEnded: bool("The guest's FIN has come"),
  tries: u8('Retransmissions since the guest acknowledged something'),
  retransmit: time('When what is not acknowledged is sent again'),
  acknowledge: time('When an acknowledgment goes out at the latest'),
});
export type Connection = StateOf<typeof connectionFields>;

export const socketFields = fields({
  flow: u32('Number of the socket; 0: it is free'),
  guest: u32('Address of the guest'),
  guestPort: u16('Port of the guest'),
  idle: time('When it is closed, if nothing goes through it until then'),
});
export type Socket = StateOf<typeof socketFields>;

export const questionFields = fields({
  flow: u32('Number of the question; 0: there is none'),
  guest: u32('Address of the guest'),
  guestPort: u16('Port of the guest'),
  id: u16('Its number in the message'),
  flags: u16('Flags of the message'),
  question: buffer(MOST_QUESTION, 'The question'),
});
export type Question = StateOf<typeof questionFields>;

export const networkTable = fields({
  commands: u32('Commands that have gone to the host'),
  commandsHigh: u32('And how often that number has overflowed'),
  flows: u32('Numbers of flows that have been given away'),
  lease: bytes(MAC, 'Adapter that has an address by DHCP'),
  leased: bool('It has'),
  neighbours: list(NEIGHBOURS, 'Who has which address', group('A neighbour', { address: u32('Address'), mac: bytes(MAC, 'Adapter') })),
  forgotten: u8('The neighbour that makes room for the next one'),
  connections: list(CONNECTIONS, 'TCP connections', group('A connection', connectionFields)),
  sockets: list(SOCKETS, 'UDP sockets', group('A socket', socketFields)),
  questions: list(QUESTIONS, 'Names that are looked for', group('A question', questionFields)),
  due: time('When something is to be done next'),
});
export type NetworkState = StateOf<typeof networkTable>;
