/** DHCP (RFC 2131 and 2132): one address for the one guest. */
import { BROADCAST, MAC } from './ethernet';
import { joined, put32, u16At, u32At } from './bytes';

export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;
const FIXED = 236;
const COOKIE = 0x63825363;
const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const BROADCAST_FLAG = 0x8000;
const OPTION = { PAD: 0, MASK: 1, ROUTER: 3, DNS: 6, REQUESTED: 50, LEASE: 51, TYPE: 53, SERVER: 54, END: 255 } as const;
const MESSAGE = { DISCOVER: 1, OFFER: 2, REQUEST: 3, ACK: 5, NAK: 6, INFORM: 8 } as const;
const LEASE_SECONDS = 86400;
/** Shortest message that every client takes (RFC 1542, 2.1). */
const LEAST = 300;

export interface Offer {
  readonly address: number;
  readonly mask: number;
  readonly router: number;
  readonly dns: number;
}

export interface DhcpReply {
  readonly data: Uint8Array;
  readonly mac: Uint8Array;
  readonly destination: number;
  /** The client has the address from now on. */
  readonly leased: boolean;
}

function optionsOf(data: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = FIXED + 4; at < data.length && data[at] !== OPTION.END;) {
    if (data[at] === OPTION.PAD) at++;
    else {
      const length = data[at + 1] ?? 0;
      options.set(data[at]!, data.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return options;
}

const option32 = (code: number, ...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(2 + 4 * values.length);
  bytes[0] = code;
  bytes[1] = 4 * values.length;
  values.forEach((value, index) => put32(bytes, 2 + 4 * index, value));
  return bytes;
};

/** What a server says to a message; nothing where it is not for this one. */
export function dhcpReply(data: Uint8Array, { address, mask, router, dns }: Offer): DhcpReply | undefined {
  if (data.length < FIXED + 4 || data[0] !== BOOTREQUEST || data[1] !== 1 || data[2] !== MAC || u32At(data, FIXED) !== COOKIE) return undefined;
  const options = optionsOf(data);
  const type = options.get(OPTION.TYPE)?.[0];
  const server = options.get(OPTION.SERVER);
  const client = u32At(data, 12);
  const kind = answer(type, server && u32At(server, 0) !== router, wanted(options, client), address);
  if (kind === undefined) return undefined;
  const reply = new Uint8Array(FIXED + 4);
  reply.set(data.subarray(0, 8)); // hardware type and length, transaction
  reply[0] = BOOTREPLY;
  reply[3] = 0;
  reply.set(data.subarray(10, 12), 10); // flags
  const grants = kind !== MESSAGE.NAK;
  if (type === MESSAGE.INFORM || (grants && client !== 0)) put32(reply, 12, client);
  if (grants && type !== MESSAGE.INFORM) put32(reply, 16, address);
  if (grants) put32(reply, 20, router);
  reply.set(data.subarray(28, 44), 28); // the client's address
  put32(reply, FIXED, COOKIE);
  const said = [
    Uint8Array.of(OPTION.TYPE, 1, kind),
    option32(OPTION.SERVER, router),
    ...(grants ? [option32(OPTION.MASK, mask), option32(OPTION.ROUTER, router), option32(OPTION.DNS, dns)] : []),
    ...(grants && type !== MESSAGE.INFORM ? [option32(OPTION.LEASE, LEASE_SECONDS)] : []),
    Uint8Array.of(OPTION.END),
  ];
  const whole = joined(reply, ...said);
  // 4.1: to the client's address if it has one, to everybody if it asks for that or gets none.
  const everybody = !grants || (client === 0 && (u16At(data, 10) & BROADCAST_FLAG) !== 0);
  return {
    data: whole.length < LEAST ? joined(whole, new Uint8Array(LEAST - whole.length)) : whole,
    mac: everybody ? BROADCAST : data.slice(28, 28 + MAC),
    destination: everybody ? 0xffffffff : client || address,
    leased: kind === MESSAGE.ACK && type !== MESSAGE.INFORM,
  };
}

/** The address that a client asks for: an option, or what it has. */
function wanted(options: ReadonlyMap<number, Uint8Array>, client: number): number {
  const requested = options.get(OPTION.REQUESTED);
  return requested && requested.length >= 4 ? u32At(requested, 0) : client;
}

function answer(type: number | undefined, elsewhere: boolean | undefined, asked: number, address: number): number | undefined {
  if (elsewhere) return undefined;
  switch (type) {
    case MESSAGE.DISCOVER:
      return MESSAGE.OFFER;
    case MESSAGE.REQUEST:
      return asked === address ? MESSAGE.ACK : MESSAGE.NAK;
    case MESSAGE.INFORM:
      return MESSAGE.ACK;
    default:
      return undefined;
  }
}
