/**
 * Real kernels with real drivers on the user-mode network: an address by DHCP, pings, bytes from and to servers on this host,
 * connections to the guest; and that all of it belongs to the history, which is gone through again without a byte on the wire.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig, NetworkConfig } from '../../emulator/machine/api';
import { Shell } from './shell';

const guests = join(__dirname, '../../.cache/guests');
const BLOB = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * i) >>> 7));
const MD5 = createHash('md5').update(BLOB).digest('hex');
/** udhcpc's script: the address, the route and the name server. */
const SETUP =
  'for m in $(cat /etc/modules); do insmod /lib/modules/$m.ko; done; ' +
  'echo "[ \\$1 = bound ] && ifconfig \\$interface \\$ip netmask \\$subnet && ip route add default via \\$router && echo nameserver \\$dns >/etc/resolv.conf" >/u; ' +
  'sed -i "1i #!/bin/sh" /u; chmod +x /u; ifconfig eth0 up; busybox udhcpc -i eth0 -n -q -s /u';

describe('Linux on a network', function () {
  this.timeout(600_000);
  let folder: string;
  let http: HttpServer;
  let sink: Server;
  let requests = 0;
  /** What has come to a server that only listens. */
  const sunk: { readonly socket: Socket; text: string; ended: boolean; broken: boolean }[] = [];
  const port = (server: Server | HttpServer): number => (server.address() as AddressInfo).port;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-network-'));
    http = createHttpServer((_, response) => {
      requests++;
      response.end(BLOB);
    });
    sink = createServer({ allowHalfOpen: true }, (socket) => {
      const entry = { socket, text: '', ended: false, broken: false };
      sunk.push(entry);
      socket.on('data', (chunk: Buffer) => (entry.text += chunk.toString('latin1')));
      socket.on('end', () => (entry.ended = true));
      socket.on('error', () => (entry.broken = true));
    });
    for (const server of [http, sink]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    for (const { socket } of sunk) socket.destroy();
    http.closeAllConnections();
    for (const server of [http, sink]) await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  function configOf(this: Mocha.Context, name: string, network: NetworkConfig, more: Partial<MachineConfig> = {}): MachineConfig {
    const files = ['initrd.gz', 'network.gz'].map((file) => join(guests, name, file));
    if (!files.every((file) => existsSync(file))) {
      console.log(`      skipped: no ${name} with its network's modules; 'npm run guests' fetches them`);
      this.skip();
    }
    const initrd = join(folder, `${name}.gz`);
    writeFileSync(initrd, Buffer.concat(files.map((file) => readFileSync(file))));
    return {
      kernel: join(guests, name, 'vmlinuz'), initrd, append: 'console=ttyS0 quiet', memory: 256 << 20, cpus: 1, startTime: Date.UTC(2025, 0, 1),
      framebuffer: false, historyBytes: 256 << 20, checkpointEvery: 20_000_000, debugExitPort: false, network, ...more,
    }; // prettier-ignore
  }
  const freePort = async (): Promise<number> => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const free = port(server);
    await new Promise((resolve) => server.close(resolve));
    return free;
  };

  for (const [name, device, cpus] of [
    ['linux-cloud', 'virtio', 1],
    ['linux-generic', 'e1000', 1],
    ['linux-generic', 'virtio', 2],
  ] as const) {
    it(`${name}, ${device}, ${cpus} vCPU: DHCP, ping, bytes both ways, names, a server in the guest; and the same again`, async function () {
      const host = await freePort();
      const config = configOf.call(this, name, { mode: 'user', device, forwards: [{ host, guest: 7777 }] }, { cpus });
      const shell = await Shell.open(config);
      const { guest } = shell;
      await shell.until('/ # ');
      const { position: start } = await guest.status();
      const set = await shell.run(`${SETUP}; ifconfig eth0; ip route`);
      assert.match(set, /lease of 10\.0\.2\.15 obtained from 10\.0\.2\.2/);
      assert.match(set, /HWaddr 52:54:00:12:34:56[^]*inet addr:10\.0\.2\.15 .*Mask:255\.255\.255\.0[^]*default via 10\.0\.2\.2/);
      assert.match(await shell.run('ping -c 2 10.0.2.2'), / 0% packet loss/);
      const fetched = await shell.run(`wget -O /b http://10.0.2.2:${port(http)}/blob; md5sum /b`);
      assert.ok(fetched.includes(`${MD5}  /b`), fetched);
      await shell.run(`nc 10.0.2.2 ${port(sink)} </b & sleep 1; kill $!`);
      for (let tries = 0; tries < 100 && sunk.at(-1)?.ended !== true; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(
        createHash('md5')
          .update(Buffer.from(sunk.at(-1)!.text, 'latin1'))
          .digest('hex'),
        MD5,
        'what the guest has sent',
      );
      assert.match(await shell.run('busybox nslookup localhost'), /Name:\s+localhost\s+Address: 127\.0\.0\.1/);
      assert.match(await shell.run(`wget -O /dev/null http://10.0.2.2:1/`), /refused/);

      // A server in the guest, and a client outside.
      await shell.type("busybox nc -ll -p 7777 -e sh -c 'read X; echo you said $X; cat /b' & sleep 1; echo LIS''TENS");
      await shell.until('LISTENS');
      const client = connect(host, '127.0.0.1');
      const heard: Buffer[] = [];
      client.on('data', (chunk: Buffer) => heard.push(chunk));
      client.write('hello\n');
      const over = new Promise((resolve) => client.on('end', resolve));
      const running = shell.move(() => guest.resume());
      await over;
      await guest.pause();
      await running;
      client.destroy();
      const whole = Buffer.concat(heard);
      assert.equal(whole.subarray(0, 15).toString(), 'you said hello\n');
      assert.equal(createHash('md5').update(whole.subarray(15)).digest('hex'), MD5);

      // All of that again, and backwards, without anything on the wire.
      const { position: end } = await guest.status();
      const [hash, served, connections, events] = [await guest.stateHash(), requests, sunk.length, guest.machine.journal.length];
      await shell.move(() => guest.travel(start));
      assert.equal((await guest.status()).newest, end);
      await shell.move(() => guest.travel(end));
      assert.equal(await guest.stateHash(), hash, 'travelled back and forth');
      const middle = Math.floor(start + (end - start) * 0.6);
      await shell.move(() => guest.travel(middle));
      const there = await guest.stateHash();
      for (let steps = 0; steps < 5; steps++) await shell.move(() => guest.stepBack(0));
      await shell.move(() => guest.travel(middle));
      assert.equal(await guest.stateHash(), there, 'stepped back and gone on');
      const text = shell.text.length;
      // The recorded future is run through as it was: nobody is asked again.
      const again = await shell.move(() => guest.resume({ position: end, unattended: true }));
      assert.deepEqual([again.reason, again.position], [{ kind: 'limit' }, end]);
      assert.equal(guest.machine.journal.length, events, 'nothing has come in');
      assert.equal(await guest.stateHash(), hash, 'resumed');
      assert.deepEqual([requests, sunk.length, shell.text.length], [served, connections, text]);
      assert.match(await shell.run('ping -c 1 10.0.2.2'), / 0% packet loss/, 'and it goes on');
      await guest.close();
    });
  }

  it('another future, or a resumed snapshot, has none of the connections of the one that was left', async function () {
    const config = configOf.call(this, 'linux-cloud', { mode: 'user' });
    const shell = await Shell.open(config);
    const { guest } = shell;
    await shell.until('/ # ');
    await shell.run(SETUP);
    await shell.type(`nc 10.0.2.2 ${port(sink)}; echo BRO""KEN; echo`);
    const served = sunk.length;
    const running = shell.move(() => guest.resume());
    for (let tries = 0; tries < 500 && sunk.length === served; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await guest.pause();
    await running;
    const { socket } = sunk[served]!;
    socket.write('to the guest\r\n');
    await shell.until('to the guest');
    const { position: there } = await guest.status();

    // A snapshot in the middle of the connection.
    const file = join(folder, 'connected.guest');
    await guest.save(file, { historyBytes: 64 << 20 });
    const hash = await guest.stateHash();
    const resumed = await Shell.open({ ...config, network: { mode: 'user' } }, file);
    assert.equal(await resumed.guest.stateHash(), hash);
    await resumed.until('BROKEN', 30);
    const fetched = await resumed.run(`wget -O /b http://10.0.2.2:${port(http)}/blob; md5sum /b`);
    assert.ok(fetched.includes(`${MD5}  /b`), `a new connection: ${fetched}`);
    const [newest, later] = [(await resumed.guest.status()).position, await resumed.guest.stateHash()];
    // That its connections are lost is the resumed guest's first input, at this very position: the checkpoint stands before it.
    const snapshot = (await resumed.guest.checkpoints()).find(({ position }) => position === there);
    await resumed.move(() => resumed.guest.restore(snapshot!.id));
    assert.equal(await resumed.guest.stateHash(), hash, 'back to the moment of the snapshot');
    await resumed.move(() => resumed.guest.travel(there));
    assert.notEqual(await resumed.guest.stateHash(), hash, 'and what came then');
    await resumed.move(() => resumed.guest.travel(newest));
    assert.equal(await resumed.guest.stateHash(), later, 'and to where it has come');
    await resumed.guest.close();

    // A snapshot may be anybody's: without leave its guest connects to nothing.
    const stranger = await Shell.open(undefined, file);
    await stranger.until('BROKEN', 30);
    const before = requests;
    assert.match(await stranger.run(`wget -O /b http://10.0.2.2:${port(http)}/blob`), /refused/);
    assert.equal(requests, before);
    await stranger.guest.close();

    // A key in the past makes another future, to which the connection does not belong.
    assert.equal(sunk[served]!.broken, false, 'it has lasted so far');
    const going = shell.move(() => guest.resume());
    await new Promise((resolve) => setTimeout(resolve, 300));
    await guest.pause();
    await going;
    const { position } = await guest.status();
    await shell.move(() => guest.travel(position - 1000));
    await guest.serialInput(0, Buffer.from('\n'));
    await shell.until('BROKEN', 30);
    for (let tries = 0; tries < 100 && !sunk[served]!.broken && !sunk[served]!.ended; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(sunk[served]!.broken || sunk[served]!.ended, true, 'the server has heard of it');
    await guest.close();
  });

  it('isolated: the gateway alone', async function () {
    const config = configOf.call(this, 'linux-cloud', { mode: 'isolated' });
    const shell = await Shell.open(config);
    await shell.until('/ # ');
    assert.match(await shell.run(SETUP), /lease of 10\.0\.2\.15/);
    assert.match(await shell.run('ping -c 1 10.0.2.2'), / 0% packet loss/);
    const served = requests;
    assert.match(await shell.run(`wget -O /b http://10.0.2.2:${port(http)}/blob`), /refused/);
    assert.match(await shell.run('wget -O /b http://192.0.2.1/'), /unreachable|No route/);
    assert.equal(requests, served);
    await shell.guest.close();
  });
});
