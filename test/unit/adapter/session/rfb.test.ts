import { strict as assert } from 'node:assert';
import { connect } from 'node:net';
import { launched } from '../client';

describe('RFB in the debug session', () => {
  it('carries a conversation, and sends no more than is used up', async () => {
    const { client, guest } = await launched();
    guest.picture = { width: 64, height: 48, rgba: new Uint8Array(64 * 48 * 4).fill(255) };
    const heard = (): Buffer =>
      Buffer.concat(
        client.events.filter(({ event, body }) => event === 'guest/rfbData' && body.client === 5).map(({ body }) => Buffer.from(body.data, 'base64')),
      );
    const until = async (bytes: number): Promise<void> => {
      for (let turn = 0; heard().length < bytes && turn < 200; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.ok(heard().length >= bytes, `${heard().length} of ${bytes} bytes`);
    };
    const send = (bytes: string): Promise<unknown> => client.request('guest/rfbSend', { client: 5, data: Buffer.from(bytes, 'latin1').toString('base64') });
    await client.request('guest/rfbOpen', { client: 5 });
    assert.match(await client.refused('guest/rfbOpen', { client: 5 }), /connected already/);
    await send('RFB 003.008\n\x01\x01');
    const handshake = 12 + 2 + 4 + 24 + 'Guest Debugger'.length;
    await until(handshake);
    await send('\x03\x00\0\0\0\0\xff\xff\xff\xff');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(heard().length, handshake, 'nothing of the handshake has been used up');
    await client.request('guest/rfbTaken', { client: 5, bytes: handshake });
    await until(handshake + 4);
    await send('\x04\x01\0\0\0\0\0\x61');
    await client.request('guest/rfbClose', { client: 5 });
    assert.ok(client.events.some(({ event, body }) => event === 'guest/rfbClosed' && body.client === 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(guest.calls, ['key KeyA down', 'key KeyA up']);
    assert.match(await client.refused('guest/rfbSend', { client: 5, data: '' }), /no RFB client 5/);
  });

  it('holds the guest until the first viewer comes, where the launch says so', async () => {
    const { client, guest } = await launched({ vnc: '127.0.0.1:0,wait', stopOnEntry: false });
    assert.deepEqual(guest.calls, []);
    const port = Number(/connect to 127\.0\.0\.1:(\d+)/.exec(client.printed())![1]);
    const viewer = connect(port, '127.0.0.1').resume();
    viewer.write('RFB 003.003\n\x01');
    await client.event('continued');
    viewer.destroy();
    assert.deepEqual(guest.calls, ['resume']);
    await client.request('disconnect');
  });

  it('tells why a connection has ended', async () => {
    const { client } = await launched();
    await client.request('guest/rfbOpen', { client: 1 });
    await client.request('guest/rfbSend', { client: 1, data: Buffer.from('GET / HTTP/1').toString('base64') });
    const { problem } = await client.event('guest/rfbClosed');
    assert.match(problem, /does not speak RFB/);
  });
});
