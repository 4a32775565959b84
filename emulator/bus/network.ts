/** Network adapters and what their cable leads to. Frames are those of Ethernet, from the destination address to the end of the data. */

/** Longest frame: 1500 bytes of data behind a header with an 802.1Q tag. */
export const MOST_FRAME = 1518;
export const ETHERNET_HEADER = 14;

/** The other end of an adapter's cable. */
export interface Wire {
  /** A frame has left the adapter; the bytes are the wire's from now on. */
  transmit(frame: Uint8Array): void;
}

export interface NetworkAdapter {
  /** A frame comes in; it is lost where the adapter has no room for it, or does not want it. */
  receive(frame: Uint8Array): void;
}
