import { strict as assert } from 'node:assert';
import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
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

  it('are told of checkpoints at once, and then four times a second, however many a running guest makes', async () => {
    const { client, guest } = await launched();
    const told = (): number => client.events.filter(({ event }) => event === 'guest/checkpointsChanged').length;
    const start = performance.now();
    guest.emit({ event: 'checkpoints' });
    await client.event('guest/checkpointsChanged');
    for (let made = 1; made < 40; made++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      guest.emit({ event: 'checkpoints' });
    }
    // The last one is told of too.
    const before = told();
    await client.event('guest/checkpointsChanged');
    await new Promise((resolve) => setTimeout(resolve, 600));
    const most = 2 + Math.ceil((performance.now() - start) / 250);
    assert.ok(before >= 3 && told() >= before && told() <= most, `told ${told()} times, of 40 checkpoints, at most ${most}`);
    const after = told();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(told(), after, 'nothing is told where nothing changes');
  });

  it('tell the timeline, with pictures', async () => {
    const { client } = await launched();
    const made = await client.request('guest/checkpoint', { name: 'here' });
    const { checkpoints, newest } = await client.request('guest/timeline', {});
    assert.equal(newest, 5);
    assert.deepEqual(checkpoints, [{ ...made, picture: true }]);
    const { thumbnails } = await client.request('guest/thumbnails', { ids: [made.id, 77] });
    assert.deepEqual(thumbnails.map(({ id }: { id: number }) => id), [made.id]); // prettier-ignore
    const { width, height, data } = PNG.sync.read(Buffer.from(thumbnails[0].png, 'base64'));
    assert.deepEqual([width, height, ...data], [2, 1, 1, 2, 3, 255, 4, 5, 6, 255]);
    assert.match(await client.refused('guest/thumbnails', { ids: ['x'] }), /ids are numbers/);
  });

  it('run to a position that has not come yet, and travel to one that has', async () => {
    const { client, guest } = await launched();
    await client.moved('guest/runTo', { position: 3 });
    assert.equal(guest.position, 3);
    assert.ok(guest.calls.includes('resume'));
    guest.calls.length = 0;
    await client.moved('guest/runTo', { position: 1 });
    assert.equal(guest.position, 1);
    assert.ok(!guest.calls.includes('resume'));
    assert.match(await client.refused('guest/runTo', { position: -1 }), /outside of the recorded history/);
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

  it('move the mouse by distances, within bounds', async () => {
    const { client, guest } = await launched();
    await client.request('guest/pointer', { dx: -3, dy: 5, buttons: 1, wheel: -1 });
    assert.deepEqual(guest.calls, ['move -3 5 1 -1']);
    for (const wrong of [
      { dx: 1.5, dy: 0, buttons: 0 },
      { x: 1, buttons: 0 },
      { x: 40_000, y: 0, buttons: 0 },
      { dx: 0, dy: 0, buttons: -1 },
    ])
      assert.match(await client.refused('guest/pointer', wrong), /in bounds/);
    assert.equal(guest.calls.length, 1);
  });

  it('type text as on a US keyboard, and say what it does not have', async () => {
    const { client, guest } = await launched();
    assert.deepEqual(await client.request('guest/type', { text: 'aB\r\n~ä€ä' }), { skipped: 'ä€' });
    const pressed = (code: string): string[] => [`key ${code} down`, `key ${code} up`];
    const shifted = (code: string): string[] => ['key ShiftLeft down', ...pressed(code), 'key ShiftLeft up'];
    assert.deepEqual(guest.calls, [...pressed('KeyA'), ...shifted('KeyB'), ...pressed('Enter'), ...shifted('Backquote')]);
    assert.match(await client.refused('guest/type', { text: 'x'.repeat(100) }), /more than/);
  });

  it('read the text of the screen where there is one', async () => {
    const { client, guest } = await launched();
    assert.deepEqual(await client.request('guest/screenText', {}), {});
    guest.characters = 'C:\\>';
    assert.deepEqual(await client.request('guest/screenText', {}), { text: 'C:\\>' });
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
