/** Ethernet frames and ARP (RFC 826). */
import { ETHERNET_HEADER } from '../bus/network';
import { joined, put16, put32, u16At, u32At } from './bytes';

export const TYPE = { IPV4: 0x0800, ARP: 0x0806 } as const;
export const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
/** Length of an address. */
export const MAC = 6;

export function frameOf(to: Uint8Array, from: Uint8Array, type: number, data: Uint8Array): Uint8Array {
  const header = new Uint8Array(ETHERNET_HEADER);
  header.set(to);
  header.set(from, MAC);
  put16(header, 12, type);
  return joined(header, data);
}

const ARP_LENGTH = 28;
const REQUEST = 1;
const REPLY = 2;
/** Ethernet, IPv4, and the lengths of their addresses. */
const HARDWARE = [0, 1, 8, 0, 6, 4] as const;

export interface Arp {
  readonly request: boolean;
  readonly sender: { readonly mac: Uint8Array; readonly address: number };
  readonly target: number;
}

export function parseArp(data: Uint8Array): Arp | undefined {
  const operation = u16At(data, 6);
  if (data.length < ARP_LENGTH || HARDWARE.some((byte, at) => data[at] !== byte) || (operation !== REQUEST && operation !== REPLY)) return undefined;
  return { request: operation === REQUEST, sender: { mac: data.slice(8, 14), address: u32At(data, 14) }, target: u32At(data, 24) };
}

export function arpOf({ request, sender, target }: Arp, targetMac: Uint8Array = new Uint8Array(MAC)): Uint8Array {
  const data = new Uint8Array(ARP_LENGTH);
  data.set(HARDWARE);
  put16(data, 6, request ? REQUEST : REPLY);
  data.set(sender.mac, 8);
  put32(data, 14, sender.address);
  data.set(targetMac, 18);
  put32(data, 24, target);
  return data;
}
