/** A guest's end of the cable: what it sends, and what comes to it. */
import { frameOf, TYPE } from '../../../../emulator/network/ethernet';
import { datagramOf, packetOf, parseDatagram, parsePacket, type Packet } from '../../../../emulator/network/ip';
import type { Command } from '../../../../emulator/network/outside';
import { FLAG, parseSegment, segmentOf, type Outgoing, type Segment } from '../../../../emulator/network/segment';
import { GATEWAY, GUEST, UserNetwork } from '../../../../emulator/network/usernetwork';
import { TestContext } from '../devices/context';

export const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
export const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2);

export class TestGuest {
  readonly context = new TestContext();
  readonly network: UserNetwork;
  readonly commands: Command[] = [];
  readonly numbers: number[] = [];
  frames: Uint8Array[] = [];
  /** How many frames are lost from now on. */
  lose = 0;

  constructor({ isolated = false } = {}) {
    this.network = new UserNetwork(this.context, {
      isolated,
      command: (number, command) => {
        this.numbers.push(number);
        this.commands.push(command);
      },
    });
    this.network.plug({ receive: (frame) => void (this.lose > 0 ? this.lose-- : this.frames.push(frame)) });
  }

  pass(milliseconds: number): void {
    this.context.run(this.network, this.context.time + milliseconds * 1e6);
  }
  send(type: number, data: Uint8Array, to = GATEWAY_MAC): void {
    this.network.transmit(frameOf(to, MAC, type, data));
  }
  packet(packet: Packet): void {
    this.send(TYPE.IPV4, packetOf(packet));
  }
  datagram(destination: number, destinationPort: number, data: Uint8Array, sourcePort = 5000): void {
    this.packet(datagramOf(GUEST, destination, { sourcePort, destinationPort, data }));
  }

  /** What has come since the last time. */
  taken(): Uint8Array[] {
    return this.frames.splice(0);
  }
  packets(): Packet[] {
    return this.taken().map((frame) => parsePacket(frame.subarray(14))!);
  }
  datagrams(): { from: number; port: number; to: number; data: Uint8Array }[] {
    return this.packets().map((packet) => {
      const { sourcePort, destinationPort, data } = parseDatagram(packet)!;
      return { from: packet.source, port: sourcePort, to: destinationPort, data };
    });
  }
  did(): Command[] {
    this.numbers.length = 0;
    return this.commands.splice(0);
  }
}

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
export const bytesOf = (string: string): Uint8Array => Uint8Array.from(Buffer.from(string, 'latin1'));

/** One connection of the guest's, whose numbers the test keeps. */
export class TestConnection {
  sequence = 1000;
  acknowledgment = 0;
  window = 0x8000;

  constructor(
    readonly guest: TestGuest,
    readonly port = 80,
    readonly ownPort = 40000,
    readonly remote = GATEWAY,
  ) {}

  send(flags: number, data = '', more: Partial<Outgoing> = {}): void {
    const ports = { sourcePort: this.ownPort, destinationPort: this.port };
    const outgoing = { sequence: this.sequence, acknowledgment: this.acknowledgment, flags, window: this.window, data: bytesOf(data), ...more };
    this.guest.packet(segmentOf(GUEST, this.remote, ports, outgoing));
    this.sequence += data.length + (flags & FLAG.SYN ? 1 : 0) + (flags & FLAG.FIN ? 1 : 0);
  }
  /** What has come for it. */
  segments(): Segment[] {
    return this.guest.packets().flatMap((packet) => {
      const segment = parseSegment(packet);
      return segment?.destinationPort === this.ownPort ? [segment] : [];
    });
  }
  /** As far as both sides are connected; gives the flow's number. */
  open({ segment = 1460, shift }: { readonly segment?: number; readonly shift?: number } = {}): number {
    this.send(FLAG.SYN, '', { segment, ...(shift !== undefined && { shift }) });
    const connect = this.guest.did().find(({ kind }) => kind === 'connect')!;
    const { flow } = connect as Extract<Command, { kind: 'connect' }>;
    this.guest.network.hear([{ kind: 'connected', flow }]);
    this.acknowledgment = this.segments()[0]!.sequence + 1;
    this.send(FLAG.ACK);
    return flow;
  }
}
