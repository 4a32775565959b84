import { strict as assert } from 'node:assert';
import { inflateSync } from 'node:zlib';
import { launched } from '../client';

describe('custom requests', () => {
  it('make, list and restore checkpoints', async () => {
    const { client, guest } = await launched();
    const made = await client.request('guest/checkpoint', { name: 'here' });
    assert.deepEqual({ id: made.id, position: made.position, name: made.name, kept: made.kept }, { id: 1, position: 0, name: 'here', kept: true });
    await client.event('guest/checkpointsChanged');
    await client.moved('stepIn');
    const { checkpoints, position } = await client.request('guest/checkpoints', {});
    assert.equal(checkpoints.length, 1);
    assert.equal(position, 1);
    const stopped = client.event('stopped');
    await client.request('guest/restore', { id: 1 });
    assert.equal((await stopped).reason, 'step');
    assert.equal(guest.position, 0);
  });

  it('travel through history', async () => {
    const { client, guest } = await launched();
    for (let step = 0; step < 5; step++) await client.moved('stepIn');
    await client.moved('guest/travel', { position: 2 });
    assert.equal(guest.position, 2);
    assert.equal(client.events.filter(({ event }) => event === 'continued').length, 1, 'the client has not asked for it and is told');
  });

  it('send the screen whole first, then what changed', async () => {
    const { client, guest } = await launched();
    assert.deepEqual(await client.request('guest/frame', {}), {});
    const rgba = new Uint8Array(64 * 48 * 4).fill(255);
    guest.picture = { width: 64, height: 48, rgba };
    const { frame } = await client.request('guest/frame', {});
    assert.deepEqual([frame.width, frame.height, frame.rectangles.length], [64, 48, 1]);
    assert.deepEqual(new Uint8Array(inflateSync(Buffer.from(frame.rectangles[0].data, 'base64'))), rgba);
    assert.deepEqual((await client.request('guest/frame', { since: frame.sequence })).frame.rectangles, []);
    rgba[(20 * 64 + 7) * 4] = 9;
    const changed = (await client.request('guest/frame', { since: frame.sequence })).frame;
    assert.equal(changed.rectangles.length, 1);
    const [{ x, y, width, height }] = changed.rectangles;
    assert.ok(x <= 7 && 7 < x + width && y <= 20 && 20 < y + height && width * height < 64 * 48);
    assert.equal((await client.request('guest/frame', { since: 12345 })).frame.rectangles[0].height, 48, 'an unknown frame is answered with a whole one');
  });

  it('bring keys, chords, the pointer and text into the guest', async () => {
    const { client, guest } = await launched();
    await client.request('guest/key', { code: 'KeyA', down: true });
    await client.request('guest/key', { chord: ['ControlLeft', 'Delete'] });
    await client.request('guest/pointer', { x: 1, y: 2, buttons: 4 });
    await client.request('guest/serialInput', { text: 'ls\n' });
    assert.deepEqual(guest.calls, [
      'key KeyA down', 'key ControlLeft down', 'key Delete down', 'key Delete up', 'key ControlLeft up', 'pointer 1 2 4 0', 'serial 0 "ls\\n"',
    ]); // prettier-ignore
    assert.match(await client.refused('guest/key', { code: 5 }), /guest\/key/);
  });

  it('save the machine, tell its state and its hash', async () => {
    const { client, guest } = await launched();
    assert.deepEqual(await client.request('guest/save', { path: '/somewhere/x' }), { path: '/somewhere/x' });
    assert.deepEqual(await client.request('guest/save', { path: '/somewhere/y', history: false }), { path: '/somewhere/y' });
    assert.deepEqual(guest.calls, ['save /somewhere/x with 256 MB of history', 'save /somewhere/y']);
    assert.equal((await client.request('guest/status', {})).running, false);
    assert.deepEqual(await client.request('guest/stateHash', {}), { hash: 'hash-0' });
  });
});
