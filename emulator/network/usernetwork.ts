/**
 * A network for one guest, with the addresses of QEMU's user-mode network: a gateway that gives the guest its address,
 * answers pings, resolves names and makes connections for it with sockets of the host. It is a chip of the machine: what it
 * does follows from the guest's frames, from virtual time, and from news that comes through the journal.
 */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { initial, reset } from '../bus/fields';
import { ETHERNET_HEADER, MOST_FRAME, type NetworkAdapter, type Wire } from '../bus/network';
import { ipv4, u16At } from './bytes';
import { CLIENT_PORT, dhcpReply, SERVER_PORT } from './dhcp';
import { DNS_PORT, dnsReply, parseQuery } from './dns';
import { arpOf, BROADCAST, frameOf, MAC, parseArp, TYPE } from './ethernet';
import { datagramOf, echoReply, packetOf, parseDatagram, parsePacket, PROTOCOL, unreachable, WHY, type Datagram, type Packet } from './ip';
import { MOST_DATAGRAM, type Command, type News } from './outside';
import { FLAG, parseSegment } from './segment';
import { connectionFields, networkTable, type Connection } from './tables';
import { refuse, roomOf, Tcp } from './tcp';
import { awaits, close, socketFor, touch } from './udp';

const NETWORK = ipv4(10, 0, 2, 0);
const MASK = ipv4(255, 255, 255, 0);
export const GATEWAY = ipv4(10, 0, 2, 2);
export const NAMESERVER = ipv4(10, 0, 2, 3);
export const GUEST = ipv4(10, 0, 2, 15);
const EVERYBODY = 0xffffffff;
const HERE = ipv4(10, 0, 2, 255);
/** What the gateway's own address stands for: the host itself. */
const LOOPBACK = ipv4(127, 0, 0, 1);
/** Locally administered, as that of QEMU. */
const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);
const FIRST_PORT = 49152;
const PORTS = 16384;

export interface UserNetworkOptions {
  /** Nothing leads out of it. */
  readonly isolated: boolean;
  /** Something is to be done by the host; commands are numbered in order. */
  readonly command: (number: number, command: Command) => void;
}

export class UserNetwork implements Device<typeof networkTable>, Wire {
  readonly name = 'network';
  readonly kind = 'usernetwork';
  readonly version = 1;
  readonly table = networkTable;
  readonly state = initial(networkTable);
  private readonly tcp: Tcp;
  private adapter: NetworkAdapter | undefined;

  constructor(
    private readonly context: DeviceContext,
    private readonly options: UserNetworkOptions,
  ) {
    this.tcp = new Tcp(this);
  }

  /** Puts the cable into an adapter. */
  plug(adapter: NetworkAdapter): void {
    this.adapter = adapter;
  }

  /** The machine is switched on, or reset: whoever talked to it hears of that. Numbers go on, so that none is used twice. */
  reset(): void {
    const { state } = this;
    for (const { flow, stage } of state.connections) if (stage !== 'free') this.command({ kind: 'abort', flow });
    for (const socket of state.sockets) close(this, socket);
    const { commands, commandsHigh, flows } = state;
    reset(networkTable, state);
    Object.assign(state, { commands, commandsHigh, flows });
  }

  deadline(): Nanoseconds {
    return this.state.due;
  }

  expire(now: Nanoseconds): void {
    for (const connection of this.state.connections) if (connection.stage !== 'free') this.tcp.expire(connection, now);
    for (const socket of this.state.sockets) if (socket.idle <= now) close(this, socket);
    this.schedule();
  }

  private schedule(): void {
    const { state } = this;
    let due = Infinity;
    for (const { stage, retransmit, acknowledge } of state.connections) if (stage !== 'free') due = Math.min(due, retransmit, acknowledge);
    for (const { flow, idle } of state.sockets) if (flow !== 0) due = Math.min(due, idle);
    state.due = due;
    this.context.rearm();
  }

  // ── What TCP and UDP need ────────────────────────────────────────────────────────────────

  now(): Nanoseconds {
    return this.context.now();
  }
  command(command: Command): void {
    const { state } = this;
    state.commands = (state.commands + 1) >>> 0;
    if (state.commands === 0) state.commandsHigh = (state.commandsHigh + 1) >>> 0;
    this.options.command(this.commanded, command);
  }
  /** How many commands have gone out. */
  get commanded(): number {
    return this.state.commandsHigh * 2 ** 32 + this.state.commands;
  }
  nextFlow(): number {
    return (this.state.flows = (this.state.flows + 1) >>> 0 || 1);
  }

  /** To the guest: to the adapter that has this address. Where nobody is known to have it, it is asked for and the packet is lost. */
  send(packet: Packet): void {
    const { destination } = packet;
    const mac = destination === EVERYBODY ? BROADCAST : this.state.neighbours.find(({ address }) => address === destination)?.mac;
    if (mac) return this.deliver(mac, TYPE.IPV4, packetOf(packet));
    this.deliver(BROADCAST, TYPE.ARP, arpOf({ request: true, sender: { mac: GATEWAY_MAC, address: GATEWAY }, target: destination }));
  }
  private deliver(mac: Uint8Array, type: number, data: Uint8Array): void {
    this.adapter?.receive(frameOf(mac, GATEWAY_MAC, type, data));
  }

  // ── From the guest ───────────────────────────────────────────────────────────────────────

  transmit(frame: Uint8Array): void {
    if (frame.length < ETHERNET_HEADER || frame.length > MOST_FRAME) return;
    const to = frame.subarray(0, MAC);
    if (!same(to, GATEWAY_MAC) && !same(to, BROADCAST)) return;
    const data = frame.subarray(ETHERNET_HEADER);
    const type = u16At(frame, 12);
    if (type === TYPE.ARP) this.arp(data);
    else if (type === TYPE.IPV4) this.packet(frame.slice(MAC, 2 * MAC), data);
    this.schedule();
  }

  private arp(data: Uint8Array): void {
    const arp = parseArp(data);
    if (!arp) return;
    const { request, sender, target } = arp;
    this.meet(sender.address, sender.mac);
    if (request && isOurs(target))
      this.deliver(sender.mac, TYPE.ARP, arpOf({ request: false, sender: { mac: GATEWAY_MAC, address: target }, target: sender.address }, sender.mac));
  }

  /** Somebody of this network has been heard. */
  private meet(address: number, mac: Uint8Array): void {
    if ((address & MASK) >>> 0 !== NETWORK || isOurs(address) || address === NETWORK || address === HERE) return;
    const { state } = this;
    let neighbour = state.neighbours.find((other) => other.address === address);
    if (!neighbour) {
      const at = state.forgotten % state.neighbours.length;
      state.forgotten = (at + 1) % state.neighbours.length;
      neighbour = state.neighbours[at]!;
    }
    Object.assign(neighbour, { address, mac });
  }

  private packet(mac: Uint8Array, data: Uint8Array): void {
    const packet = parsePacket(data);
    if (!packet) return;
    const { source, destination, protocol } = packet;
    this.meet(source, mac);
    if (protocol === PROTOCOL.UDP) return this.datagram(packet);
    if ((source & MASK) >>> 0 !== NETWORK || destination === EVERYBODY || destination === HERE) return;
    if (protocol === PROTOCOL.TCP) this.segment(packet);
    else if (protocol !== PROTOCOL.ICMP) this.prohibit(packet);
    else if (isOurs(destination)) {
      const reply = echoReply(packet);
      if (reply) this.send(reply);
    } else if (packet.payload[0] === 8) this.prohibit(packet);
  }

  private prohibit(packet: Packet): void {
    this.send(unreachable(GATEWAY, WHY.PROHIBITED, packet));
  }

  /** Where the host finds what the guest calls so; undefined: nowhere. */
  private outside(address: number): number | undefined {
    if (this.options.isolated) return undefined;
    if (address === GATEWAY) return LOOPBACK;
    const first = address >>> 24;
    return first === 0 || first === 127 || first >= 224 || (address & MASK) >>> 0 === NETWORK ? undefined : address;
  }

  // ── UDP ──────────────────────────────────────────────────────────────────────────────────

  private datagram(packet: Packet): void {
    const datagram = parseDatagram(packet);
    if (!datagram) return;
    const { source, destination } = packet;
    const { sourcePort, destinationPort, data } = datagram;
    if (destinationPort === SERVER_PORT && sourcePort === CLIENT_PORT) return this.configure(data);
    if ((source & MASK) >>> 0 !== NETWORK || destination === EVERYBODY || destination === HERE) return;
    if (destination === NAMESERVER && destinationPort === DNS_PORT) return this.ask(source, datagram);
    const address = this.outside(destination);
    if (address === undefined || destinationPort === 0) return this.send(unreachable(GATEWAY, isOurs(destination) ? WHY.PORT : WHY.PROHIBITED, packet));
    const { flow } = socketFor(this, this.state.sockets, source, sourcePort);
    this.command({ kind: 'datagram', flow, address, port: destinationPort, bytes: data.slice() });
  }

  private configure(data: Uint8Array): void {
    const reply = dhcpReply(data, { address: GUEST, mask: MASK, router: GATEWAY, dns: NAMESERVER });
    if (!reply) return;
    const { mac, destination, leased } = reply;
    if (leased) Object.assign(this.state, { leased: true, lease: data.slice(28, 28 + MAC) });
    const packet = datagramOf(GATEWAY, destination, { sourcePort: SERVER_PORT, destinationPort: CLIENT_PORT, data: reply.data });
    this.deliver(mac, TYPE.IPV4, packetOf(packet));
  }

  private ask(guest: number, { sourcePort, data }: Datagram): void {
    const query = parseQuery(data);
    if (!query) return;
    const { id, flags, question, name } = query;
    const answer = query.reply ?? (this.options.isolated ? dnsReply(query, 'failed', []) : undefined);
    if (answer) return this.tell(guest, sourcePort, answer);
    const { questions } = this.state;
    // A question that is asked again takes no place of its own; where there is none, the oldest is not waited for any more.
    const own = questions.find((other) => other.flow !== 0 && other.guest === guest && other.guestPort === sourcePort && other.id === id);
    const place = own ?? questions.reduce((best, other) => (other.flow < best.flow ? other : best));
    if (own && same(own.question, question)) return;
    Object.assign(place, { flow: this.nextFlow(), guest, guestPort: sourcePort, id, flags, question });
    this.command({ kind: 'resolve', flow: place.flow, name });
  }

  private tell(guest: number, port: number, data: Uint8Array): void {
    this.send(datagramOf(NAMESERVER, guest, { sourcePort: DNS_PORT, destinationPort: port, data }));
  }

  // ── TCP ──────────────────────────────────────────────────────────────────────────────────

  private segment(packet: Packet): void {
    const segment = parseSegment(packet);
    if (!segment) return;
    const { source, destination } = packet;
    const { sourcePort, destinationPort, flags } = segment;
    const { connections } = this.state;
    const own = connections.find(
      (other) =>
        other.stage !== 'free' &&
        other.guest === source &&
        other.guestPort === sourcePort &&
        other.remote === destination &&
        other.remotePort === destinationPort,
    );
    if (own) return this.tcp.arrive(own, segment);
    const back = { sourcePort: destinationPort, destinationPort: sourcePort };
    if ((flags & (FLAG.SYN | FLAG.ACK | FLAG.RST)) !== FLAG.SYN) return refuse(this, destination, source, back, segment);
    const address = this.outside(destination);
    if (address === undefined && !isOurs(destination)) return this.prohibit(packet);
    const connection = address === undefined || destinationPort === 0 ? undefined : this.free();
    if (address === undefined || !connection) return refuse(this, destination, source, back, segment);
    Object.assign(connection, { guest: source, guestPort: sourcePort, remote: destination, remotePort: destinationPort, flow: this.nextFlow() });
    this.tcp.dial(connection, segment);
    this.command({ kind: 'connect', flow: connection.flow, address, port: destinationPort });
  }

  /** A place for a connection, empty. */
  private free(): Connection | undefined {
    const place = this.state.connections.find(({ stage }) => stage === 'free');
    return place && Object.assign(place, initial(connectionFields));
  }

  // ── From the host ────────────────────────────────────────────────────────────────────────

  /** Bytes that a connection has room for; undefined: there is no such connection. */
  room(flow: number): number | undefined {
    const connection = this.connection(flow);
    return connection && roomOf(connection);
  }

  /** Whether there is anything at the host. */
  get connected(): boolean {
    const { connections, sockets, questions } = this.state;
    return connections.some(({ stage }) => stage !== 'free') || [...sockets, ...questions].some(({ flow }) => flow !== 0);
  }

  /** Whether something may come from the host soon: then time is not to run ahead of it. */
  get awaits(): boolean {
    const { connections, sockets, questions } = this.state;
    const now = this.now();
    return connections.some(({ stage }) => stage !== 'free') || questions.some(({ flow }) => flow !== 0) || sockets.some((socket) => awaits(socket, now));
  }

  hear(news: readonly News[]): void {
    for (const item of news) this.heard(item);
    this.schedule();
  }

  private connection(flow: number): Connection | undefined {
    return this.state.connections.find((other) => other.stage !== 'free' && other.flow === flow);
  }

  private heard(news: News): void {
    switch (news.kind) {
      case 'lost':
        return this.lose();
      case 'accepted':
        return this.accept(news);
      case 'datagram':
        return this.answered(news);
      case 'resolved':
        return this.resolved(news);
      default: {
        const connection = this.connection(news.flow);
        if (connection) this.moved(connection, news);
      }
    }
  }

  private moved(connection: Connection, news: Extract<News, { kind: 'connected' | 'aborted' | 'bytes' | 'ended' | 'taken' }>): void {
    switch (news.kind) {
      case 'connected':
        return this.tcp.connected(connection);
      case 'aborted':
        return this.tcp.reset(connection);
      case 'bytes':
        return this.tcp.deliver(connection, news.bytes);
      case 'ended':
        return this.tcp.ended(connection);
      case 'taken':
        return this.tcp.taken(connection, news.count);
    }
  }

  private lose(): void {
    const { state } = this;
    for (const connection of state.connections) if (connection.stage !== 'free') this.tcp.reset(connection);
    for (const socket of state.sockets) Object.assign(socket, { flow: 0, idle: Infinity });
    for (const question of state.questions) if (question.flow !== 0) this.resolved({ flow: question.flow, outcome: 'failed', addresses: [] });
  }

  private accept({ flow, port }: Extract<News, { kind: 'accepted' }>): void {
    const { state } = this;
    state.flows = Math.max(state.flows, flow);
    const connection = this.free();
    if (!connection) return this.command({ kind: 'abort', flow });
    const taken = new Set(state.connections.filter(({ stage, remote }) => stage !== 'free' && remote === GATEWAY).map(({ remotePort }) => remotePort));
    let remotePort = FIRST_PORT + (flow % PORTS);
    while (taken.has(remotePort)) remotePort = FIRST_PORT + ((remotePort + 1) % PORTS);
    Object.assign(connection, { flow, guest: GUEST, guestPort: port, remote: GATEWAY, remotePort });
    this.tcp.call(connection);
  }

  private answered({ flow, address, port, bytes }: Extract<News, { kind: 'datagram' }>): void {
    const socket = this.state.sockets.find((other) => other.flow === flow && flow !== 0);
    if (!socket || bytes.length > MOST_DATAGRAM) return;
    touch(this, socket);
    const source = address === LOOPBACK ? GATEWAY : address;
    this.send(datagramOf(source, socket.guest, { sourcePort: port, destinationPort: socket.guestPort, data: bytes }));
  }

  private resolved({ flow, outcome, addresses }: Omit<Extract<News, { kind: 'resolved' }>, 'kind'>): void {
    const question = this.state.questions.find((other) => other.flow === flow && flow !== 0);
    if (!question) return;
    question.flow = 0;
    this.tell(question.guest, question.guestPort, dnsReply(question, outcome, addresses));
  }
}

const isOurs = (address: number): boolean => address === GATEWAY || address === NAMESERVER;
const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);
