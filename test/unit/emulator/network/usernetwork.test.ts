import assert from 'node:assert/strict';
import { ipv4, put16, put32, u16At, u32At } from '../../../../emulator/network/bytes';
import { arpOf, parseArp, TYPE, BROADCAST } from '../../../../emulator/network/ethernet';
import { datagramOf, packetOf, PROTOCOL, type Packet } from '../../../../emulator/network/ip';
import { networkTable } from '../../../../emulator/network/tables';
import { GATEWAY, GUEST, NAMESERVER } from '../../../../emulator/network/usernetwork';
import { checkState, laws, type Subject } from '../devices/context';
import { bytesOf, GATEWAY_MAC, MAC, TestGuest, text } from './guest';

const ELSEWHERE = ipv4(192, 0, 2, 7);

/** A DHCP message of a client (RFC 2131). */
function dhcp(type: number, options: readonly number[] = [], { client = 0, broadcast = false } = {}): Uint8Array {
  const message = new Uint8Array(300);
  message.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
  if (broadcast) put16(message, 10, 0x8000);
  put32(message, 12, client);
  message.set(MAC, 28);
  put32(message, 236, 0x63825363);
  message.set([53, 1, type, ...options, 255], 240);
  return message;
}
const optionOf = (data: Uint8Array, code: number): Uint8Array | undefined => {
  for (let at = 240; data[at] !== 255 && at < data.length; at += 2 + data[at + 1]!) if (data[at] === code) return data.subarray(at + 2, at + 2 + data[at + 1]!);
  return undefined;
};
const ask = (guest: TestGuest, message: Uint8Array): { data: Uint8Array; frame: Uint8Array } | undefined => {
  guest.send(TYPE.IPV4, packetOf(datagramOf(0, 0xffffffff, { sourcePort: 68, destinationPort: 67, data: message })), BROADCAST);
  const [frame] = guest.taken();
  return frame && { frame, data: frame.subarray(14 + 28) };
};

/** A question (RFC 1035). */
const question = (name: string, type: number, id = 7): Uint8Array => {
  const labels = name.split('.').flatMap((label) => [label.length, ...bytesOf(label)]);
  return Uint8Array.of(id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, type >> 8, type & 0xff, 0, 1);
};

describe('user-mode network', () => {
  it('answers ARP for its addresses and no others', () => {
    const guest = new TestGuest();
    for (const [target, answered] of [[GATEWAY, true], [NAMESERVER, true], [ipv4(10, 0, 2, 9), false], [GUEST, false]] as const) {
      guest.send(TYPE.ARP, arpOf({ request: true, sender: { mac: MAC, address: GUEST }, target }), BROADCAST);
      const frames = guest.taken();
      assert.equal(frames.length, answered ? 1 : 0);
      if (!answered) continue;
      assert.deepEqual(frames[0]!.subarray(0, 6), MAC);
      assert.deepEqual(parseArp(frames[0]!.subarray(14)), { request: false, sender: { mac: GATEWAY_MAC, address: target }, target: GUEST });
    } // prettier-ignore
  });

  it('answers pings to its addresses; other hosts are prohibited', () => {
    const guest = new TestGuest();
    const ping = (destination: number): Packet[] => {
      const payload = Uint8Array.of(8, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9);
      let sum = 0;
      for (let at = 0; at < payload.length; at += 2) sum += u16At(payload, at);
      put16(payload, 2, ~((sum & 0xffff) + (sum >> 16)) & 0xffff);
      guest.packet({ source: GUEST, destination, protocol: PROTOCOL.ICMP, payload });
      return guest.packets();
    };
    for (const destination of [GATEWAY, NAMESERVER]) {
      const [reply] = ping(destination);
      assert.equal(reply!.source, destination);
      assert.deepEqual([...reply!.payload.subarray(0, 2), ...reply!.payload.subarray(4)], [0, 0, 1, 2, 3, 4, 9, 9, 9]);
    }
    assert.deepEqual([...ping(ELSEWHERE)[0]!.payload.subarray(0, 2)], [3, 13]);
  });

  it('gives the guest an address by DHCP', () => {
    const guest = new TestGuest();
    const offer = ask(guest, dhcp(1))!;
    assert.deepEqual([...optionOf(offer.data, 53)!], [2]);
    assert.equal(u32At(offer.data, 16), GUEST);
    assert.deepEqual([...offer.data.subarray(4, 8)], [0xde, 0xad, 0xbe, 0xef]);
    assert.equal(guest.network.state.leased, false);
    const ack = ask(guest, dhcp(3, [50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2]))!;
    assert.deepEqual([1, 3, 6, 51, 53, 54].map((code) => [...optionOf(ack.data, code)!]), [
      [255, 255, 255, 0], [10, 0, 2, 2], [10, 0, 2, 3], [0, 1, 0x51, 0x80], [5], [10, 0, 2, 2],
    ]); // prettier-ignore
    assert.deepEqual([...ack.frame.subarray(0, 6)], [...MAC], 'to the adapter that asks');
    assert.equal(u32At(ack.frame, 30), GUEST);
    assert.deepEqual([guest.network.state.leased, [...guest.network.state.lease]], [true, [...MAC]]);
    const all = ask(guest, dhcp(3, [50, 4, 10, 0, 2, 15], { broadcast: true }))!;
    assert.deepEqual([u32At(all.frame, 0), u32At(all.frame, 30)], [0xffffffff, 0xffffffff], 'to everybody, as asked');
    const nak = ask(guest, dhcp(3, [50, 4, 10, 0, 2, 77]))!;
    assert.deepEqual([[...optionOf(nak.data, 53)!], u32At(nak.data, 16), u32At(nak.frame, 30)], [[6], 0, 0xffffffff]);
    assert.equal(ask(guest, dhcp(3, [50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 9])), undefined, 'another server was chosen');
    assert.equal(ask(guest, dhcp(7)), undefined, 'release');
    const inform = ask(guest, dhcp(8, [], { client: GUEST }))!;
    assert.deepEqual([[...optionOf(inform.data, 53)!], u32At(inform.data, 16), optionOf(inform.data, 51)], [[5], 0, undefined]);
  });

  it('passes datagrams on and brings the answers back', () => {
    const guest = new TestGuest();
    guest.datagram(ELSEWHERE, 123, bytesOf('time?'));
    guest.datagram(GATEWAY, 9, bytesOf('host'));
    guest.datagram(ELSEWHERE, 123, bytesOf('again'), 5001);
    const commands = guest.did();
    assert.deepEqual(commands, [
      { kind: 'datagram', flow: 1, address: ELSEWHERE, port: 123, bytes: bytesOf('time?') },
      { kind: 'datagram', flow: 1, address: ipv4(127, 0, 0, 1), port: 9, bytes: bytesOf('host') },
      { kind: 'datagram', flow: 2, address: ELSEWHERE, port: 123, bytes: bytesOf('again') },
    ]);
    guest.network.hear([{ kind: 'datagram', flow: 1, address: ELSEWHERE, port: 123, bytes: bytesOf('now') }]);
    guest.network.hear([{ kind: 'datagram', flow: 2, address: ipv4(127, 0, 0, 1), port: 9, bytes: bytesOf('here') }]);
    guest.network.hear([{ kind: 'datagram', flow: 9, address: ELSEWHERE, port: 9, bytes: bytesOf('nobody') }]);
    assert.deepEqual(guest.datagrams(), [
      { from: ELSEWHERE, port: 123, to: 5000, data: bytesOf('now') },
      { from: GATEWAY, port: 9, to: 5001, data: bytesOf('here') },
    ]);
    assert.ok(guest.network.awaits);
    guest.pass(30_000);
    assert.ok(!guest.network.awaits && guest.network.connected, 'no answer is waited for any more');
    guest.pass(200_000);
    assert.deepEqual(guest.did(), [{ kind: 'abort', flow: 1 }, { kind: 'abort', flow: 2 }]); // prettier-ignore
    assert.equal(guest.network.deadline(), Infinity);
  });

  it('has as many sockets as it has: the one that was idle longest goes', () => {
    const guest = new TestGuest();
    for (let port = 1; port <= 40; port++) {
      guest.pass(1);
      guest.datagram(ELSEWHERE, 53, bytesOf('x'), port);
    }
    const aborted = guest.did().filter(({ kind }) => kind === 'abort');
    assert.deepEqual(aborted.map((command) => (command as { flow: number }).flow), [1, 2, 3, 4, 5, 6, 7, 8]); // prettier-ignore
  });

  it('refuses what leads nowhere', () => {
    const guest = new TestGuest();
    for (const destination of [ipv4(127, 0, 0, 1), ipv4(10, 0, 2, 99), ipv4(224, 0, 0, 1), ipv4(0, 1, 2, 3)]) guest.datagram(destination, 80, bytesOf('x'));
    assert.deepEqual(guest.did(), []);
    assert.ok(guest.packets().every(({ payload }) => payload[0] === 3 && payload[1] === 13));
    const alone = new TestGuest({ isolated: true });
    alone.datagram(GATEWAY, 80, bytesOf('x'));
    alone.datagram(ELSEWHERE, 80, bytesOf('x'));
    assert.deepEqual(alone.packets().map(({ payload }) => payload[1]), [3, 13], 'port, and prohibited'); // prettier-ignore
    assert.deepEqual(alone.did(), []);
  });

  it("answers names with the host's resolver", () => {
    const guest = new TestGuest();
    guest.datagram(NAMESERVER, 53, question('www.example.org', 1));
    guest.datagram(NAMESERVER, 53, question('www.example.org', 1));
    assert.deepEqual(guest.did(), [{ kind: 'resolve', flow: 1, name: 'www.example.org' }], 'asked again: one question');
    guest.network.hear([{ kind: 'resolved', flow: 1, outcome: 'found', addresses: [ELSEWHERE, GATEWAY] }]);
    const [found] = guest.datagrams();
    assert.deepEqual([found!.from, found!.port, u16At(found!.data, 0), u16At(found!.data, 2), u16At(found!.data, 6)], [NAMESERVER, 53, 7, 0x8180, 2]);
    assert.equal(u32At(found!.data, found!.data.length - 4), GATEWAY);
    for (const [outcome, code] of [
      ['absent', 3],
      ['failed', 2],
    ] as const) {
      guest.datagram(NAMESERVER, 53, question('nowhere', 1));
      const { flow } = guest.did()[0]!;
      guest.network.hear([{ kind: 'resolved', flow, outcome, addresses: [] }]);
      assert.equal(u16At(guest.datagrams()[0]!.data, 2) & 0xf, code);
    }
    const code = (data: Uint8Array): number | undefined => {
      guest.datagram(NAMESERVER, 53, data);
      const [answer] = guest.datagrams();
      return answer && u16At(answer.data, 2) & 0xf;
    };
    assert.equal(code(question('www.example.org', 28)), 0, 'no IPv6 address');
    assert.equal(code(question('www.example.org', 15)), 4, 'no mail exchangers');
    assert.equal(code(question('a b', 1)), 3);
    assert.equal(code(question('x'.repeat(64), 1)), 1);
    assert.equal(code(question('www', 1).subarray(0, 14)), 1, 'cut off');
    assert.equal(code(Uint8Array.of(0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0)), undefined, 'an answer');
    assert.equal(code(Uint8Array.of(1)), undefined);
    assert.deepEqual(guest.did(), []);
  });

  it('ignores what is broken', () => {
    const guest = new TestGuest();
    const good = packetOf(datagramOf(GUEST, ELSEWHERE, { sourcePort: 1, destinationPort: 2, data: bytesOf('data') }));
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice();
      bad[at]! ^= 0x55;
      guest.send(TYPE.IPV4, bad);
      guest.send(TYPE.IPV4, good.subarray(0, at));
    }
    assert.deepEqual(guest.did(), [], 'every byte is covered by a checksum');
    guest.send(TYPE.IPV4, good, MAC);
    assert.deepEqual(guest.did(), [], 'not for the gateway');
    guest.send(TYPE.IPV4, good);
    assert.equal(guest.did().length, 1);
  });

  it('is reset with the machine: sockets are closed and their numbers not used again', () => {
    const guest = new TestGuest();
    guest.datagram(ELSEWHERE, 1, bytesOf('x'));
    guest.did();
    guest.network.reset();
    assert.deepEqual(guest.did(), [{ kind: 'abort', flow: 1 }]);
    guest.datagram(ELSEWHERE, 1, bytesOf('x'));
    assert.deepEqual(guest.numbers, [3]);
    assert.equal((guest.did()[0] as { flow: number }).flow, 2);
    checkState(networkTable, guest.network.state);
  });
});

/** Random frames, right ones among them, and news. */
laws('user-mode network', (context): Subject => {
  const guest = new TestGuest();
  Object.assign(guest, { context });
  const network = new (guest.network.constructor as typeof import('../../../../emulator/network/usernetwork').UserNetwork)(context, {
    isolated: false,
    command: (number, command) => void seen.push(number, command.kind),
  });
  const seen: unknown[] = [];
  network.plug({ receive: (frame) => void seen.push(text(frame)) });
  Object.assign(guest, { network });
  return {
    device: network,
    poke: (random) => {
      seen.length = 0;
      const flow = 1 + random(4);
      const kinds: readonly (() => void)[] = [
        () => guest.datagram([ELSEWHERE, GATEWAY, NAMESERVER][random(3)]!, [53, 80, 67][random(3)]!, question('example.org', [1, 28][random(2)]!), random(50)),
        () => guest.send(TYPE.ARP, arpOf({ request: random(2) === 0, sender: { mac: MAC, address: GUEST + random(12) }, target: GATEWAY })),
        () => ask(guest, dhcp(random(9))),
        () => network.transmit(Uint8Array.from({ length: random(200) }, () => random(256))),
        () => network.hear([{ kind: 'resolved', flow, outcome: 'found', addresses: [ELSEWHERE] }]),
        () => network.hear([{ kind: 'datagram', flow, address: ELSEWHERE, port: random(100), bytes: new Uint8Array(random(1600)) }]),
        () => network.hear([{ kind: 'bytes', flow, bytes: new Uint8Array(random(9000)) }]),
        () => network.hear([{ kind: random(2) === 0 ? 'connected' : 'ended', flow }]),
        () => network.hear([{ kind: 'taken', flow, count: random(9000) }]),
        () => network.hear([{ kind: 'accepted', flow: (network.state.flows + 1) >>> 0, port: random(1000) }]),
        () => random(20) === 0 && network.hear([{ kind: random(2) === 0 ? 'aborted' : 'lost', flow }]),
        () => guest.packet({ source: GUEST, destination: GATEWAY, protocol: PROTOCOL.TCP, payload: tcp(random) }),
        () => guest.packet({ source: GUEST, destination: GATEWAY, protocol: PROTOCOL.TCP, payload: tcp(random) }),
      ];
      kinds[random(kinds.length)]!();
      return [...seen];
    },
    observe: () => [network.deadline(), network.connected, network.room(1)],
  };
});

/** A segment with a right checksum; most of the rest is chance. */
function tcp(random: (below: number) => number): Uint8Array {
  const segment = new Uint8Array(20 + random(30));
  put16(segment, 0, 40000 + random(4));
  put16(segment, 2, 80);
  put32(segment, 4, random(3) === 0 ? random(0x7fffffff) : random(40));
  put32(segment, 8, random(40));
  segment[12] = 0x50;
  segment[13] = [0x02, 0x10, 0x18, 0x11, 0x04, 0x12][random(6)]!;
  put16(segment, 14, random(0x10000));
  const pseudo = [GUEST >>> 16, GUEST & 0xffff, GATEWAY >>> 16, GATEWAY & 0xffff, 6, segment.length];
  let sum = pseudo.reduce((total, word) => total + word, 0);
  for (let at = 0; at < segment.length; at += 2) sum += u16At(segment, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  put16(segment, 16, ~sum & 0xffff);
  return segment;
}
