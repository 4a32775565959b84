/** Sockets of UDP: each port of the guest that has sent something has one at the host, which answers come back to. */
import type { Nanoseconds } from '../bus/device';
import type { Command } from './outside';
import type { Socket } from './tables';

/** As long as NAT has to keep a mapping (RFC 4787, 4.3). */
const IDLE_NS = 120_000_000_000;
/** An answer that takes longer than this is not waited for. */
const ANSWER_NS = 5_000_000_000;

export interface UdpContext {
  now(): Nanoseconds;
  command(command: Command): void;
  nextFlow(): number;
}

/** The socket for a port of the guest: the one that it has, a free one, or that which has been idle longest. */
export function socketFor(context: UdpContext, sockets: readonly Socket[], guest: number, guestPort: number): Socket {
  const own = sockets.find((socket) => socket.flow !== 0 && socket.guest === guest && socket.guestPort === guestPort);
  const socket = own ?? sockets.reduce((best, other) => ((other.flow === 0 ? -1 : other.idle) < (best.flow === 0 ? -1 : best.idle) ? other : best));
  if (!own) {
    close(context, socket);
    Object.assign(socket, { flow: context.nextFlow(), guest, guestPort });
  }
  touch(context, socket);
  return socket;
}

export function touch(context: Pick<UdpContext, 'now'>, socket: Socket): void {
  socket.idle = context.now() + IDLE_NS;
}

export function close(context: Pick<UdpContext, 'command'>, socket: Socket): void {
  if (socket.flow !== 0) context.command({ kind: 'abort', flow: socket.flow });
  Object.assign(socket, { flow: 0, idle: Infinity });
}

/** Whether an answer may be on its way. */
export const awaits = ({ flow, idle }: Socket, now: Nanoseconds): boolean => flow !== 0 && idle - now > IDLE_NS - ANSWER_NS;
