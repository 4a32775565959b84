/**
 * What goes between the guest's network and the host's. Commands go out once, however often the past is run through again;
 * news comes in through the journal. Connections and sockets go by a number, their *flow*, that is never used again.
 */

export type Command =
  /** TCP: the guest wants a connection. News: `connected`, or `aborted`. */
  | { readonly kind: 'connect'; readonly flow: number; readonly address: number; readonly port: number }
  /** News, sooner or later: `taken`. */
  | { readonly kind: 'send'; readonly flow: number; readonly bytes: Uint8Array }
  /** The guest sends nothing more. */
  | { readonly kind: 'end'; readonly flow: number }
  /** There is no such connection, or socket, any more. */
  | { readonly kind: 'abort'; readonly flow: number }
  | { readonly kind: 'datagram'; readonly flow: number; readonly address: number; readonly port: number; readonly bytes: Uint8Array }
  /** Addresses of a name. News: `resolved`. */
  | { readonly kind: 'resolve'; readonly flow: number; readonly name: string };

export const OUTCOMES = ['found', 'absent', 'failed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export type News =
  | { readonly kind: 'connected'; readonly flow: number }
  /** It was refused, or has broken. */
  | { readonly kind: 'aborted'; readonly flow: number }
  | { readonly kind: 'bytes'; readonly flow: number; readonly bytes: Uint8Array }
  /** The other side sends nothing more. */
  | { readonly kind: 'ended'; readonly flow: number }
  /** So many bytes that the guest has sent have gone on: there is room for as many more. */
  | { readonly kind: 'taken'; readonly flow: number; readonly count: number }
  /** Somebody connects to a port of the host that is forwarded to this one of the guest. */
  | { readonly kind: 'accepted'; readonly flow: number; readonly port: number }
  | { readonly kind: 'datagram'; readonly flow: number; readonly address: number; readonly port: number; readonly bytes: Uint8Array }
  | { readonly kind: 'resolved'; readonly flow: number; readonly outcome: Outcome; readonly addresses: readonly number[] }
  /** The host has nothing any more of what the guest's network knows: connections are reset. */
  | { readonly kind: 'lost' };

/** Most bytes of a datagram that fits into one frame: 1500 without the headers of IPv4 and UDP. */
export const MOST_DATAGRAM = 1472;
