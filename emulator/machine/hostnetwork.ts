/** Sockets of the host for a guest: TCP, UDP, names, and ports at which others reach the guest. */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { nodeDgram, nodeDns, nodeNet } from '../builtins';
import { userError } from '../errors';
import { ipv4Number, ipv4Text } from '../network/bytes';
import { MOST_DATAGRAM, type Command, type News } from '../network/outside';
import type { NetworkConfig, PortForward } from './api';
import type { OutsideNetwork } from './networklink';

const LOOPBACK = '127.0.0.1';
/** Bytes of a connection that wait until the guest takes them; then its socket is not read from. */
const MOST_WAITING = 512 << 10;
/** Connections to the guest, and datagrams, that wait while it stands still; more are dropped. */
const MOST_ACCEPTED = 64;
const MOST_DATAGRAMS = 256;

export interface HostNetworkOptions {
  /** Whether connections may be made for the guest at all. */
  readonly allowed: boolean;
  readonly forwards: readonly PortForward[];
}

/** A TCP connection: what has come from it and the guest has not had. */
class Flow {
  chunks: Uint8Array[] = [];
  waiting = 0;
  taken = 0;
  connected = false;
  /** To be told, once the bytes are gone. */
  ended = false;
  aborted = false;
  /** What the guest knows. */
  told = { connected: false, ended: false };

  constructor(readonly socket: Socket) {}

  /** So many bytes of what waits. */
  bytes(most: number): Uint8Array | undefined {
    const whole = Buffer.concat(this.chunks);
    const length = Math.min(most, whole.length);
    if (length === 0) return undefined;
    this.chunks = length < whole.length ? [whole.subarray(length)] : [];
    this.waiting -= length;
    if (this.waiting < MOST_WAITING) this.socket.resume();
    return Uint8Array.from(whole.subarray(0, length));
  }
}

export class HostNetwork implements OutsideNetwork {
  arrived = (): void => undefined;
  private readonly flows = new Map<number, Flow>();
  private readonly sockets = new Map<number, DatagramSocket>();
  private readonly servers: Server[] = [];
  private accepted: { readonly flow: Flow; readonly port: number }[] = [];
  private news: News[] = [];
  private datagrams = 0;
  /** Answers of the resolver to what was asked before connections were dropped mean nothing. */
  private epoch = 0;

  private constructor(private readonly allowed: boolean) {}

  /** Throws EmulatorError with blame `user` where a port can not be listened on. */
  static async open({ allowed, forwards }: HostNetworkOptions): Promise<HostNetwork> {
    const network = new HostNetwork(allowed);
    try {
      for (const forward of forwards) await network.listen(forward);
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  private async listen({ host, guest }: PortForward): Promise<void> {
    const server = nodeNet().createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket, guest));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(userError('forward', `port ${host} of this host can not be forwarded to the guest's port ${guest}: ${error.message}`, error)),
      );
      server.listen(host, LOOPBACK, resolve);
    });
    this.servers.push(server);
  }

  private accept(socket: Socket, port: number): void {
    if (this.accepted.length >= MOST_ACCEPTED) {
      socket.destroy();
      return;
    }
    const flow = this.watch(new Flow(socket));
    flow.told.connected = true;
    this.accepted.push({ flow, port });
    this.arrived();
  }

  private watch(flow: Flow): Flow {
    const { socket } = flow;
    socket.on('data', (chunk: Buffer) => {
      flow.chunks.push(chunk);
      flow.waiting += chunk.length;
      if (flow.waiting >= MOST_WAITING) socket.pause();
      this.arrived();
    });
    socket.on('end', () => {
      flow.ended = true;
      this.arrived();
    });
    socket.on('error', () => {
      flow.aborted = true;
      this.arrived();
    });
    // Closed by both sides, or broken: nothing is heard of it any more.
    socket.on('close', () => {
      if (!flow.ended) flow.aborted = true;
      this.arrived();
    });
    return flow;
  }

  // ── What the guest wants ─────────────────────────────────────────────────────────────────

  perform(command: Command): void {
    switch (command.kind) {
      case 'connect':
        return this.connect(command);
      case 'send':
        return this.send(command);
      case 'end':
        this.flows.get(command.flow)?.socket.end();
        return;
      case 'abort':
        return this.abort(command.flow);
      case 'datagram':
        return this.datagram(command);
      case 'resolve':
        return this.resolve(command);
    }
  }

  private tell(news: News): void {
    this.news.push(news);
    this.arrived();
  }

  private connect({ flow: number, address, port }: Extract<Command, { kind: 'connect' }>): void {
    if (!this.allowed) return this.tell({ kind: 'aborted', flow: number });
    const flow = this.watch(new Flow(nodeNet().connect({ host: ipv4Text(address), port, allowHalfOpen: true, noDelay: true })));
    this.flows.set(number, flow);
    flow.socket.on('connect', () => {
      flow.connected = true;
      this.arrived();
    });
  }

  private send({ flow: number, bytes }: Extract<Command, { kind: 'send' }>): void {
    const flow = this.flows.get(number);
    if (!flow || flow.socket.destroyed || flow.socket.writableEnded) return;
    flow.socket.write(bytes, (error) => {
      if (error) return;
      flow.taken += bytes.length;
      this.arrived();
    });
  }

  private abort(number: number): void {
    const flow = this.flows.get(number);
    if (flow) silence(flow.socket);
    this.flows.delete(number);
    this.sockets.get(number)?.close();
    this.sockets.delete(number);
  }

  private datagram({ flow, address, port, bytes }: Extract<Command, { kind: 'datagram' }>): void {
    if (!this.allowed) return;
    // What can not be sent is lost, as datagrams are.
    this.socketOf(flow).send(bytes, port, ipv4Text(address), () => undefined);
  }

  private socketOf(flow: number): DatagramSocket {
    const own = this.sockets.get(flow);
    if (own) return own;
    const socket = nodeDgram().createSocket('udp4');
    socket.on('error', () => undefined);
    socket.on('message', (bytes, { address, port }) => {
      const from = ipv4Number(address);
      if (from === undefined || bytes.length > MOST_DATAGRAM || this.datagrams >= MOST_DATAGRAMS) return;
      this.datagrams++;
      this.tell({ kind: 'datagram', flow, address: from, port, bytes: Uint8Array.from(bytes) });
    });
    this.sockets.set(flow, socket);
    return socket;
  }

  private resolve({ flow, name }: Extract<Command, { kind: 'resolve' }>): void {
    const { epoch } = this;
    if (!this.allowed) return this.tell({ kind: 'resolved', flow, outcome: 'failed', addresses: [] });
    nodeDns().lookup(name, { all: true, family: 4 }, (error, found) => {
      if (epoch !== this.epoch) return;
      const addresses = error ? [] : found.map(({ address }) => ipv4Number(address)).filter((address) => address !== undefined);
      const absent = error?.code === 'ENOTFOUND' || error?.code === 'ENODATA';
      this.tell({ kind: 'resolved', flow, outcome: addresses.length > 0 ? 'found' : absent ? 'absent' : 'failed', addresses });
    });
  }

  // ── What comes to it ─────────────────────────────────────────────────────────────────────

  take(room: (flow: number) => number | undefined, nextFlow: () => number): readonly News[] {
    const { news } = this;
    this.news = [];
    this.datagrams = 0;
    for (const { flow, port } of this.accepted.splice(0)) {
      const number = nextFlow();
      this.flows.set(number, flow);
      news.push({ kind: 'accepted', flow: number, port });
    }
    for (const [number, flow] of this.flows) this.ofFlow(number, flow, room(number), news);
    return news;
  }

  /** `room`: undefined where the guest's side knows of no such connection, or not yet. */
  private ofFlow(number: number, flow: Flow, room: number | undefined, news: News[]): void {
    const { told } = flow;
    if (room === undefined) {
      // It has just been accepted, or is done with.
      if (!news.some((item) => item.kind === 'accepted' && item.flow === number)) this.forget(number, flow);
      return;
    }
    if (flow.aborted && flow.waiting === 0) {
      news.push({ kind: 'aborted', flow: number });
      return this.forget(number, flow);
    }
    if (flow.connected && !told.connected) {
      told.connected = true;
      news.push({ kind: 'connected', flow: number });
    }
    const bytes = flow.waiting > 0 ? flow.bytes(room) : undefined;
    if (bytes) news.push({ kind: 'bytes', flow: number, bytes });
    if (flow.taken > 0) {
      news.push({ kind: 'taken', flow: number, count: flow.taken });
      flow.taken = 0;
    }
    if (flow.ended && flow.waiting === 0 && !told.ended) {
      told.ended = true;
      news.push({ kind: 'ended', flow: number });
    }
  }

  private forget(number: number, { socket, ended }: Flow): void {
    // Both have said all that they had to say: what is still on its way out goes there.
    if (!(ended && socket.writableEnded)) silence(socket);
    this.flows.delete(number);
  }

  drop(): void {
    this.epoch++;
    for (const number of [...this.flows.keys(), ...this.sockets.keys()]) this.abort(number);
    for (const { flow } of this.accepted.splice(0)) silence(flow.socket);
    this.news = [];
    this.datagrams = 0;
  }

  async close(): Promise<void> {
    this.arrived = () => undefined;
    this.drop();
    await Promise.all(this.servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** A connection that nobody hears of any more. */
function silence(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', () => undefined);
  if (socket.destroyed) return;
  socket.resetAndDestroy();
}

/** The host's side of a configuration's network; undefined where it has none. Throws EmulatorError with blame `user`. */
export const openNetwork = async (network: NetworkConfig | undefined): Promise<HostNetwork | undefined> =>
  network && HostNetwork.open({ allowed: network.mode === 'user', forwards: network.forwards ?? [] });
