import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { EmulatorError } from '../../../../emulator/errors';
import { HostNetwork } from '../../../../emulator/machine/hostnetwork';
import type { News } from '../../../../emulator/network/outside';

const LOOPBACK = 0x7f000001;

/** News as it comes, taken whenever there is some. */
class Taker {
  readonly news: News[] = [];
  room: (flow: number) => number | undefined = () => 1 << 20;
  private next = 100;
  constructor(readonly network: HostNetwork) {}

  take(): void {
    this.news.push(
      ...this.network.take(
        (flow) => this.room(flow),
        () => this.next++,
      ),
    );
  }
  async until(wanted: (news: readonly News[]) => boolean): Promise<void> {
    for (let tries = 0; tries < 500 && !wanted(this.news); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      this.take();
    }
    assert.ok(wanted(this.news), JSON.stringify(this.news.map(({ kind }) => kind)));
  }
  has = (kind: News['kind']) => (news: readonly News[]) => news.some((item) => item.kind === kind);
  get text(): string {
    return this.news.map((item) => (item.kind === 'bytes' ? Buffer.from(item.bytes).toString() : '')).join('');
  }
}

describe("the host's side of a network", () => {
  const open: { close(): unknown }[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const each of open.splice(0)) await each.close();
  });
  const make = async (forwards: { host: number; guest: number }[] = [], allowed = true): Promise<Taker> => {
    const network = await HostNetwork.open({ allowed, forwards });
    open.push(network);
    return new Taker(network);
  };
  const serve = async (served: (socket: Socket) => void): Promise<number> => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      served(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(server);
    return (server.address() as AddressInfo).port;
  };

  it('connects, passes bytes both ways, and ends each way by itself', async () => {
    let heard = '';
    const port = await serve((socket) => {
      socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
      socket.on('end', () => socket.end(`you said ${heard}`));
    });
    const taker = await make();
    taker.network.perform({ kind: 'connect', flow: 1, address: LOOPBACK, port });
    await taker.until(taker.has('connected'));
    taker.network.perform({ kind: 'send', flow: 1, bytes: Buffer.from('hel') });
    taker.network.perform({ kind: 'send', flow: 1, bytes: Buffer.from('lo') });
    taker.network.perform({ kind: 'end', flow: 1 });
    await taker.until(taker.has('ended'));
    assert.equal(taker.text, 'you said hello');
    assert.equal(taker.news.reduce((sum, item) => sum + (item.kind === 'taken' ? item.count : 0), 0), 5); // prettier-ignore
    assert.ok(!taker.has('aborted')(taker.news));
  });

  it('tells of what is refused, or breaks', async () => {
    const taker = await make();
    const port = await serve((socket) => socket.end());
    await (open.pop() as unknown as { close(): unknown }).close();
    taker.network.perform({ kind: 'connect', flow: 1, address: LOOPBACK, port });
    await taker.until(taker.has('aborted'));
    taker.news.length = 0;
    const breaking = await serve((socket) => {
      socket.write('half');
      setTimeout(() => socket.resetAndDestroy(), 50);
    });
    taker.network.perform({ kind: 'connect', flow: 2, address: LOOPBACK, port: breaking });
    await taker.until(taker.has('aborted'));
    assert.deepEqual(taker.news.map(({ kind }) => kind), ['connected', 'bytes', 'aborted']); // prettier-ignore
  });

  it('gives no more bytes than there is room for, and reads no more than it keeps', async () => {
    let server: Socket | undefined;
    const port = await serve((socket) => (server = socket).write(Buffer.alloc(32 << 20)));
    const taker = await make();
    taker.room = () => 0;
    taker.network.perform({ kind: 'connect', flow: 1, address: LOOPBACK, port });
    await taker.until(taker.has('connected'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    taker.take();
    assert.equal(taker.text, '');
    assert.ok(server!.writableLength > 16 << 20, 'the server waits');
    taker.room = () => 1000;
    taker.take();
    assert.equal(taker.text.length, 1000);
    taker.room = () => undefined;
    taker.take();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(server!.destroyed, 'the guest has no such connection any more');
  });

  it('lets others connect to the guest', async () => {
    const free = await serve(() => undefined);
    await (open.pop() as unknown as { close(): unknown }).close();
    const taker = await make([{ host: free, guest: 80 }]);
    const client = connect(free, '127.0.0.1');
    sockets.push(client);
    client.write('GET');
    taker.room = () => undefined; // as long as the machine has not heard of it
    await taker.until(taker.has('accepted'));
    assert.deepEqual(taker.news, [{ kind: 'accepted', flow: 100, port: 80 }]);
    taker.room = () => 10;
    await taker.until(taker.has('bytes'));
    taker.network.perform({ kind: 'send', flow: 100, bytes: Buffer.from('page') });
    const page = await new Promise<Buffer>((resolve) => client.once('data', resolve));
    assert.equal(page.toString(), 'page');
    await assert.rejects(
      HostNetwork.open({ allowed: true, forwards: [{ host: free, guest: 1 }] }),
      (error) => error instanceof EmulatorError && error.blame === 'user' && error.message.includes(String(free)),
    );
  });

  it('sends datagrams and brings answers', async () => {
    const echo = createSocket('udp4');
    await new Promise<void>((resolve) => echo.bind(0, '127.0.0.1', resolve));
    open.push(echo);
    echo.on('message', (bytes, { port }) => echo.send(Buffer.concat([bytes, bytes]), port));
    const taker = await make();
    taker.network.perform({ kind: 'datagram', flow: 3, address: LOOPBACK, port: echo.address().port, bytes: Buffer.from('ping') });
    await taker.until(taker.has('datagram'));
    assert.deepEqual(taker.news, [
      { kind: 'datagram', flow: 3, address: LOOPBACK, port: echo.address().port, bytes: Uint8Array.from(Buffer.from('pingping')) },
    ]);
    taker.network.perform({ kind: 'abort', flow: 3 });
  });

  it('resolves names', async () => {
    const taker = await make();
    taker.network.perform({ kind: 'resolve', flow: 5, name: 'localhost' });
    await taker.until(taker.has('resolved'));
    assert.deepEqual(taker.news, [{ kind: 'resolved', flow: 5, outcome: 'found', addresses: [LOOPBACK] }]);
    taker.news.length = 0;
    taker.network.perform({ kind: 'resolve', flow: 6, name: 'no-such-host.invalid' });
    await taker.until(taker.has('resolved'));
    assert.notEqual((taker.news[0] as { outcome: string }).outcome, 'found');
  });

  it('does nothing outside without leave', async () => {
    let served = 0;
    const port = await serve(() => served++);
    const taker = await make([], false);
    taker.network.perform({ kind: 'connect', flow: 1, address: LOOPBACK, port });
    taker.network.perform({ kind: 'resolve', flow: 2, name: 'localhost' });
    taker.network.perform({ kind: 'datagram', flow: 3, address: LOOPBACK, port, bytes: Buffer.from('x') });
    taker.take();
    assert.deepEqual(taker.news, [{ kind: 'aborted', flow: 1 }, { kind: 'resolved', flow: 2, outcome: 'failed', addresses: [] }]); // prettier-ignore
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(served, 0);
  });

  it('drops everything at once', async () => {
    let closed = 0;
    const port = await serve((socket) => socket.on('close', () => closed++));
    const taker = await make();
    taker.network.perform({ kind: 'connect', flow: 1, address: LOOPBACK, port });
    await taker.until(taker.has('connected'));
    taker.network.perform({ kind: 'resolve', flow: 2, name: 'localhost' });
    taker.network.drop();
    taker.news.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 100));
    taker.take();
    assert.deepEqual([taker.news, closed], [[], 1]);
  });
});
