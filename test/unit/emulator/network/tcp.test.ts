import assert from 'node:assert/strict';
import { FLAG } from '../../../../emulator/network/segment';
import { GUEST } from '../../../../emulator/network/usernetwork';
import { TestConnection, TestGuest, text, bytesOf } from './guest';

const { SYN, ACK, FIN, RST, PSH } = FLAG;
const flags = (segments: readonly { flags: number }[]): number[] => segments.map((segment) => segment.flags);

describe('TCP of the user-mode network', () => {
  it('connects once the host has', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    connection.send(SYN, '', { segment: 1460, shift: 7 });
    assert.deepEqual(guest.did(), [{ kind: 'connect', flow: 1, address: 0x7f000001, port: 80 }]);
    assert.deepEqual(connection.segments(), [], 'no answer before the host has one');
    connection.sequence = 1000;
    connection.send(SYN, '', { segment: 1460, shift: 7 });
    assert.deepEqual(guest.did(), [], 'sent again: asked once');
    guest.network.hear([{ kind: 'connected', flow: 1 }]);
    const [answer] = connection.segments();
    assert.deepEqual([answer!.flags, answer!.acknowledgment, answer!.segment, answer!.shift], [SYN | ACK, 1001, 1460, 3]);
    guest.pass(250);
    assert.deepEqual(flags(connection.segments()), [SYN | ACK], 'again after 200 ms');
    connection.acknowledgment = answer!.sequence + 1;
    connection.send(ACK);
    guest.pass(60_000);
    assert.deepEqual(connection.segments(), [], 'and no more');
  });

  it('is refused where the host is, or nothing listens', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    connection.send(SYN);
    guest.network.hear([{ kind: 'aborted', flow: 1 }]);
    const [refused] = connection.segments();
    assert.deepEqual([refused!.flags, refused!.acknowledgment], [RST | ACK, 1001]);
    assert.equal(guest.network.connected, false);
    const alone = new TestGuest({ isolated: true });
    const other = new TestConnection(alone);
    other.send(SYN);
    assert.deepEqual(flags(other.segments()), [RST | ACK]);
    other.send(ACK, 'data', { acknowledgment: 77 });
    const [reset] = other.segments();
    assert.deepEqual([reset!.flags, reset!.sequence], [RST, 77]);
  });

  it('carries bytes both ways', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    const flow = connection.open({ shift: 0 });
    connection.send(ACK | PSH, 'GET / ');
    connection.send(ACK | PSH, 'HTTP/1.0\r\n');
    assert.deepEqual(guest.did(), [
      { kind: 'send', flow, bytes: bytesOf('GET / ') },
      { kind: 'send', flow, bytes: bytesOf('HTTP/1.0\r\n') },
    ]);
    guest.pass(1);
    const acknowledgments = connection.segments();
    assert.equal(acknowledgments.length, 1, 'one acknowledgment for both');
    assert.equal(acknowledgments[0]!.acknowledgment, 1001 + 16);
    const page = 'x'.repeat(3000);
    guest.network.hear([{ kind: 'bytes', flow, bytes: bytesOf(page) }]);
    const segments = connection.segments();
    assert.deepEqual(segments.map(({ data }) => data.length), [1460, 1460, 80]); // prettier-ignore
    assert.deepEqual(flags(segments), [ACK, ACK, ACK | PSH]);
    assert.equal(segments.map(({ data }) => text(data)).join(''), page);
    connection.acknowledgment += 3000;
    connection.send(ACK);
    assert.equal(guest.network.state.connections[0]!.toGuest.length, 0);
    assert.equal(guest.network.deadline(), Infinity);
  });

  it('sends again what was lost, and as fast as duplicates tell', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    const flow = connection.open();
    guest.lose = 2;
    guest.network.hear([{ kind: 'bytes', flow, bytes: bytesOf('a'.repeat(1460) + 'b'.repeat(1460)) }]);
    assert.deepEqual(connection.segments(), []);
    guest.pass(199);
    assert.deepEqual(connection.segments(), []);
    guest.pass(2);
    assert.deepEqual(connection.segments().map(({ data }) => text(data)[0]), ['a'], 'one segment at first'); // prettier-ignore
    connection.acknowledgment += 1460;
    connection.send(ACK);
    assert.deepEqual(connection.segments().map(({ data }) => text(data)[0]), ['b']); // prettier-ignore
    connection.acknowledgment += 1460;
    connection.send(ACK);
    guest.lose = 1;
    guest.network.hear([{ kind: 'bytes', flow, bytes: bytesOf('cdefg'.replace(/./g, (letter) => letter.repeat(1460))) }]);
    connection.segments();
    for (let i = 0; i < 3; i++) connection.send(ACK);
    assert.equal(text(connection.segments()[0]!.data)[0], 'c', 'at the third duplicate');
  });

  it('gives up after a while, and tells both sides', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    const flow = connection.open();
    guest.network.hear([{ kind: 'bytes', flow, bytes: bytesOf('anybody?') }]);
    guest.pass(600_000);
    const segments = connection.segments();
    assert.deepEqual(flags(segments.slice(-1)), [RST | ACK]);
    assert.equal(segments.length, 12, 'once, ten times again, and the reset');
    assert.deepEqual(guest.did(), [{ kind: 'abort', flow }]);
    assert.equal(guest.network.deadline(), Infinity);
  });

  it('heeds the window of the guest, and asks when it is closed', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    connection.window = 2000;
    const flow = connection.open();
    guest.network.hear([{ kind: 'bytes', flow, bytes: bytesOf('y'.repeat(5000)) }]);
    const sent = connection.segments().reduce((sum, { data }) => sum + data.length, 0);
    assert.equal(sent, 1460, 'a small piece waits for a better window');
    connection.acknowledgment += 1460;
    connection.send(ACK, '', { window: 0 });
    assert.deepEqual(connection.segments(), []);
    guest.pass(250);
    assert.deepEqual(connection.segments().map(({ data }) => data.length), [1], 'a probe'); // prettier-ignore
    connection.send(ACK, '', { window: 0 });
    for (let minutes = 0; minutes < 60; minutes++) {
      guest.pass(60_000);
      assert.ok(connection.segments().every(({ data }) => data.length === 1));
      connection.send(ACK, '', { window: 0 });
    }
    assert.deepEqual(guest.did(), [], 'a window may be closed for an hour');
    connection.send(ACK, '', { window: 0x4000 });
    guest.pass(60_000);
    assert.ok(connection.segments().some(({ data }) => data.length > 1));
  });

  it('has a window of its own that follows what the host takes', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    const flow = connection.open();
    let sent = 0;
    for (let window = 0xffff; window > 0 && sent < 200_000;) {
      connection.send(ACK, 'z'.repeat(Math.min(1460, window)));
      sent += Math.min(1460, window);
      guest.pass(1);
      window = connection.segments().at(-1)!.window;
    }
    const given = guest.did().reduce((sum, command) => sum + (command.kind === 'send' ? command.bytes.length : 0), 0);
    assert.equal(given, sent);
    assert.ok(sent > 60_000 && sent <= 200_000 + 1460);
    while (guest.network.state.connections[0]!.given < 256 << 10) {
      const before = guest.network.state.connections[0]!.given;
      connection.send(ACK, 'z'.repeat(1460));
      guest.pass(1);
      if (guest.network.state.connections[0]!.given === before) break;
    }
    const full = connection.segments().at(-1)!;
    assert.equal(full.window, 0, 'closed');
    guest.network.hear([{ kind: 'taken', flow, count: 100_000 }]);
    assert.ok(connection.segments().at(-1)!.window > 0, 'the guest hears that it is open again');
  });

  it('ends in either order', () => {
    for (const first of ['guest', 'host']) {
      const guest = new TestGuest();
      const connection = new TestConnection(guest);
      const flow = connection.open();
      const guestEnds = (): void => {
        connection.send(FIN | ACK);
        assert.deepEqual(guest.did(), [{ kind: 'end', flow }]);
        assert.equal(connection.segments().at(-1)!.acknowledgment, connection.sequence);
      };
      const hostEnds = (): void => {
        guest.network.hear([{ kind: 'bytes', flow, bytes: bytesOf('bye') }, { kind: 'ended', flow }]); // prettier-ignore
        const [data, fin] = connection.segments();
        assert.deepEqual([text(data!.data), fin!.flags], ['bye', FIN | ACK]);
        connection.acknowledgment += 4;
        connection.send(ACK);
      };
      if (first === 'guest') [guestEnds(), hostEnds()];
      else [hostEnds(), assert.ok(guest.network.connected, 'half open'), guestEnds()];
      assert.equal(guest.network.connected, false, first);
      assert.deepEqual(guest.did(), []);
    }
  });

  it('resets', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    const flow = connection.open();
    connection.send(RST, '', { sequence: connection.sequence + 5 });
    assert.ok(guest.network.connected, 'not exact: RFC 5961');
    assert.deepEqual(flags(connection.segments()), [ACK]);
    connection.send(RST);
    assert.deepEqual(guest.did(), [{ kind: 'abort', flow }]);
    assert.equal(guest.network.connected, false);
    const other = new TestConnection(guest, 80, 40001);
    const second = other.open();
    guest.network.hear([{ kind: 'aborted', flow: second }]);
    assert.deepEqual(flags(other.segments()), [RST | ACK]);
    const third = new TestConnection(guest, 80, 40002);
    third.open();
    guest.network.hear([{ kind: 'lost' }]);
    assert.deepEqual(flags(third.segments()), [RST | ACK]);
    assert.deepEqual([guest.network.connected, guest.did()], [false, []]);
  });

  it('takes segments in order, and parts of those that it has', () => {
    const guest = new TestGuest();
    const connection = new TestConnection(guest);
    connection.open();
    const start = connection.sequence;
    const sent = (): string => guest.did().map((command) => (command.kind === 'send' ? text(command.bytes) : command.kind)).join(','); // prettier-ignore
    connection.send(ACK, 'later', { sequence: start + 10 });
    assert.equal(sent(), '');
    assert.equal(connection.segments().at(-1)!.acknowledgment, start, 'what is missing is asked for');
    connection.send(ACK, '0123456789', { sequence: start });
    connection.send(ACK, '56789later', { sequence: start + 5 });
    connection.send(ACK, '0123', { sequence: start });
    assert.equal(sent(), '0123456789,later');
    guest.pass(1);
    assert.equal(connection.segments().at(-1)!.acknowledgment, start + 15);
    connection.send(SYN, '', { sequence: start + 15 });
    assert.deepEqual(flags(connection.segments()), [ACK], 'a SYN in the middle: a challenge');
  });

  it('connects to the guest, whose adapter it looks for', () => {
    const guest = new TestGuest();
    guest.network.hear([{ kind: 'accepted', flow: 1, port: 22 }]);
    const [arp] = guest.taken();
    assert.deepEqual([...arp!.subarray(0, 6), arp![12], arp![13]], [255, 255, 255, 255, 255, 255, 8, 6]);
    guest.datagram(0x7f000001, 1, bytesOf('the guest is heard'));
    guest.taken();
    guest.pass(250);
    const connection = new TestConnection(guest, 49153, 22);
    const [syn] = connection.segments();
    assert.deepEqual([syn!.flags, syn!.segment], [SYN, 1460]);
    connection.acknowledgment = syn!.sequence + 1;
    guest.network.hear([{ kind: 'bytes', flow: 1, bytes: bytesOf('early') }]);
    connection.send(SYN | ACK, '', { segment: 1000 });
    const answer = connection.segments();
    assert.deepEqual(flags(answer), [ACK, ACK | PSH]);
    assert.equal(text(answer[1]!.data), 'early');
    connection.acknowledgment += 5;
    connection.send(ACK, 'SSH');
    assert.deepEqual(guest.did(), [{ kind: 'send', flow: 1, bytes: bytesOf('SSH') }]);
    guest.network.hear([{ kind: 'accepted', flow: 2, port: 23 }]);
    const closed = new TestConnection(guest, 49154, 23);
    closed.acknowledgment = closed.segments()[0]!.sequence + 1;
    closed.send(RST | ACK);
    assert.deepEqual(guest.did(), [{ kind: 'abort', flow: 2 }], 'nothing listens');
  });

  it('has room for 64 connections', () => {
    const guest = new TestGuest();
    for (let port = 1; port <= 65; port++) new TestConnection(guest, 80, port).send(SYN);
    assert.equal(guest.did().length, 64);
    assert.deepEqual(flags(new TestConnection(guest, 80, 65).segments()), [RST | ACK]);
    assert.equal(GUEST, 0x0a00020f);
  });
});
