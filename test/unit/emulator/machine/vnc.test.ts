import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vncResponse } from '../../../../emulator/display/rfb/authentication';
import { Viewers } from '../../../../emulator/machine/viewers';
import { listenVnc, parseVnc, type Listening } from '../../../../emulator/machine/vnc';
import { FakeGuest } from '../../adapter/fakeguest';

const folder = mkdtempSync(join(tmpdir(), 'vnc-'));

describe('VNC listeners', () => {
  let viewers: Viewers;
  let listening: Listening | undefined;
  beforeEach(() => (viewers = new Viewers(new FakeGuest(), 'guest')));
  afterEach(async () => {
    viewers.close();
    await listening?.close();
    listening = undefined;
  });

  it('addresses are loopback unless told, and others need a password', () => {
    const { kind, host, port } = parseVnc('--vnc', ':1');
    assert.deepEqual([kind, host, port], ['tcp', '127.0.0.1', 5901]);
    assert.equal(parseVnc('--vnc', '5900').port, 5900);
    assert.equal(parseVnc('--vnc', 'ws:[::1]:80').host, '::1');
    assert.equal(parseVnc('--vnc', 'unix:/x/y').path, '/x/y');
    assert.equal(parseVnc('--vnc', '0.0.0.0:1,password-file=/p').passwordFile, '/p');
    assert.deepEqual(parseVnc('--vnc', ':1,paste=F12,copy=pgdn').clipboard, { paste: 'F12', copy: 'PageDown' });
    for (const [text, problem] of [
      [':1,paste=constructor', /no key 'constructor'/],
      [':1,paste=F1,copy=f1', /the same key/],
      ['0.0.0.0:5900', /password-file/],
      ['x', /HOST:PORT/],
      ['1:99999', /no port|password/],
      [':1,colour=red', /unknown/],
      ['unix:', /empty/],
    ] as const) {
      assert.throws(() => parseVnc('--vnc', text), problem);
    }
  });

  /** Sends each piece once so many bytes have come; gives all that has come when the last number is reached or the other side closes. */
  function converse(
    where: ReturnType<typeof connect>,
    steps: readonly (readonly [after: number, send: (heard: Buffer) => Uint8Array | undefined])[],
  ): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let heard = Buffer.alloc(0);
      let step = 0;
      where.on('data', (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk]);
        while (step < steps.length && heard.length >= steps[step]![0]) {
          const answer = steps[step++]![1](heard);
          if (answer) where.write(answer);
          else where.destroy();
        }
      });
      where.on('error', reject).on('close', () => resolve(heard));
    });
  }
  const version = Buffer.from('RFB 003.008\n');

  it('TCP and UNIX sockets carry a whole handshake', async () => {
    for (const address of ['127.0.0.1:0', `unix:${join(folder, 'socket')}`]) {
      listening = await listenVnc(viewers, parseVnc('--vnc', address));
      const { where } = listening;
      const socket = where.startsWith('unix:') ? connect(where.slice(5)) : connect(Number(where.split(':')[1]), '127.0.0.1');
      const heard = await converse(socket, [
        [12, () => version],
        [14, () => Uint8Array.of(1, 1)],
        [18 + 24 + 5, () => undefined],
      ]);
      assert.equal(heard.subarray(-5).toString(), 'guest');
      await listening.close();
    }
  });

  it('who does not end the handshake in time is shown out, who has stays', async () => {
    listening = await listenVnc(viewers, parseVnc('--vnc', '127.0.0.1:0'), 300);
    const port = Number(listening.where.split(':')[1]);
    const open = connect(port, '127.0.0.1');
    const ended = converse(open, [
      [12, () => version],
      [14, () => Uint8Array.of(1, 1)],
    ]);
    const silent = connect(port, '127.0.0.1').resume();
    await new Promise((resolve) => silent.on('close', resolve));
    assert.equal(open.readyState, 'open', 'the other one is still there');
    open.destroy();
    assert.equal((await ended).subarray(-5).toString(), 'guest');
  });

  it('a password is asked for where there is a file of one', async () => {
    const file = join(folder, 'password');
    writeFileSync(file, 'secret\n');
    listening = await listenVnc(viewers, parseVnc('--vnc', `127.0.0.1:0,password-file=${file}`));
    const port = Number(listening.where.split(':')[1]);
    for (const password of ['secret', 'wrong']) {
      const heard = await converse(connect(port, '127.0.0.1'), [
        [12, () => version],
        [14, () => Uint8Array.of(2)],
        [30, (all) => vncResponse(password, all.subarray(14, 30))],
        [34, () => undefined],
      ]);
      assert.equal(heard.readUInt32BE(30), password === 'secret' ? 0 : 1);
    }
  });

  it('tells when the first viewer has been let in, and not before', async () => {
    listening = await listenVnc(viewers, parseVnc('--vnc', '127.0.0.1:0,wait,password=secret'));
    let came = false;
    void listening.first.then(() => (came = true));
    const port = Number(listening.where.split(':')[1]);
    for (const password of ['wrong', 'secret']) {
      await converse(connect(port, '127.0.0.1'), [
        [12, () => version],
        [14, () => Uint8Array.of(2)],
        [30, (all) => vncResponse(password, all.subarray(14, 30))],
        [34, () => Uint8Array.of(1)],
        [34 + 24 + 5, () => undefined],
      ]);
      assert.equal(came, password === 'secret', password);
    }
  });

  it('WebSockets carry the same; pages of other sites are refused', async () => {
    listening = await listenVnc(viewers, parseVnc('--vnc', 'ws:127.0.0.1:0'));
    const port = Number(listening.where.split(':')[2]);
    const upgrade = (origin: string): Buffer =>
      Buffer.from(
        `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: ${origin}\r\n\r\n`,
      );
    for (const [origin, wanted] of [
      ['http://localhost:1', /101 Switching[^]*RFB 003\.008/],
      ['http://example.org', /401/],
    ] as const) {
      const socket = connect(port, '127.0.0.1');
      socket.write(upgrade(origin));
      let text = '';
      await new Promise<void>((resolve) =>
        socket.on('data', (chunk) => wanted.test((text += chunk.toString('latin1'))) && resolve()).on('close', () => resolve()),
      );
      assert.match(text, wanted);
      socket.destroy();
    }
  });

  it('what can not be listened on is told', async () => {
    await assert.rejects(listenVnc(viewers, parseVnc('--vnc', 'unix:/nowhere/at/all')), /VNC on unix:\/nowhere\/at\/all/);
    await assert.rejects(listenVnc(viewers, parseVnc('--vnc', ':0,password-file=/nowhere')), /password file/);
  });
});
