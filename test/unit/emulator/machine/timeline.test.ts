import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Stop, TimelineInfo } from '../../../../emulator/machine/api';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { thumbnailOf } from '../../../../emulator/machine/thumbnail';
import { Timeline } from '../../../../emulator/snapshot/timeline';
import { compiled, CONFIG } from './guests';
import { moved } from '../../../motion';

const SAMPLE = { name: 'hello', bytes: Uint8Array.from(readFileSync(resolve(__dirname, '../../../../samples/hello/hello.elf'))) };

describe("a guest's timeline", function () {
  this.timeout(60_000);
  let guest: LocalGuest;
  beforeEach(async () => {
    const { loadAddress: _, loadMode: __, ...rest } = CONFIG;
    guest = await LocalGuest.create(
      { ...rest, framebuffer: { width: 640, height: 480 }, historyBytes: 64 << 20 },
      { images: { kernel: SAMPLE }, binaries: await compiled(), pace: nodePace, history: (...given) => new Timeline(...given) },
    );
  });
  afterEach(() => guest.close());

  const move = (action: () => Promise<void>): Promise<Stop> => moved(guest, action);
  const runTo = (position: number): Promise<Stop> => move(() => guest.resume({ position, unattended: true }));
  const ofKind = ({ events }: Pick<TimelineInfo, 'events'>, kind: string): readonly number[] =>
    events.filter((each) => each.kind === kind).map(({ position }) => position);

  it('has checkpoints, inputs and stops, in their places', async () => {
    // It has been idle for some time by then. A fast host might look for the first time after that.
    await runTo(2_960_000);
    await runTo(3_000_000);
    await guest.key('KeyA', true);
    await guest.key('KeyA', false);
    const rip = (await guest.registers(0))['rip']!;
    await guest.setTriggers([{ kind: 'execute', id: 1, address: rip }]);
    await move(() => guest.resume());
    const hit = await guest.status();
    const timeline = await guest.timeline();
    assert.deepEqual([timeline.position, timeline.time, timeline.newest], [hit.position, hit.time, hit.position]);
    assert.deepEqual(ofKind(timeline, 'input'), [3_000_000]);
    assert.equal(timeline.events[0]!.count, 2, 'key down and up are one event');
    assert.deepEqual(ofKind(timeline, 'stop'), [hit.position]);
    assert.match(timeline.events.find(({ kind }) => kind === 'stop')!.text, new RegExp(`Breakpoint at 0x${rip.toString(16)}`));
    const grid = timeline.checkpoints.map(({ position }) => position).filter((position) => position % 1_000_000 === 0);
    assert.deepEqual(grid.slice(0, 4), [0, 1_000_000, 2_000_000, 3_000_000]);
    assert.ok(timeline.checkpoints.length > grid.length, 'where the guest is idle for long there are more');
    // The same stop, come to again, is one event.
    await guest.setTriggers([]);
    await move(() => guest.travel(3_000_001));
    await guest.setTriggers([{ kind: 'execute', id: 1, address: rip }]);
    await move(() => guest.resume());
    assert.deepEqual(ofKind(await guest.timeline(), 'stop'), [hit.position]);
  });

  it('keeps the future that was left as a branch, with what happened there, and gets back to it', async () => {
    await runTo(2_000_000);
    await guest.key('KeyA', true);
    await runTo(4_000_000);
    const bookmark = await guest.checkpoint('there');
    const hash = await guest.stateHash();
    await move(() => guest.travel(1_500_000));
    await guest.key('KeyB', true);
    await runTo(2_500_000);
    const timeline = await guest.timeline();
    assert.deepEqual(ofKind(timeline, 'input'), [1_500_000]);
    assert.equal(timeline.branches.length, 1);
    const [branch] = timeline.branches;
    assert.equal(branch!.fork, 1_500_000);
    assert.deepEqual(ofKind(branch!, 'input'), [2_000_000]);
    assert.deepEqual(timeline.checkpoints.filter((each) => each.branch === branch!.number).map(({ name }) => name), ['there']); // prettier-ignore
    await move(() => guest.restore(bookmark.id));
    assert.equal(await guest.stateHash(), hash);
    const back = await guest.timeline();
    assert.deepEqual(ofKind(back, 'input'), [2_000_000]);
    assert.deepEqual(back.branches.map(({ events }) => events.map(({ position }) => position)), [[1_500_000]]); // prettier-ignore
  });

  it('has small pictures of the screen, which the state knows nothing of', async () => {
    await runTo(5_000_000);
    const made = await guest.checkpoint('picture');
    const frame = (await guest.frame())!;
    const [thumbnail] = await guest.thumbnails([made.id, 12345]);
    assert.deepEqual([thumbnail!.id, thumbnail!.width, thumbnail!.height], [made.id, 160, 120]);
    const exact = thumbnailOf(frame).rgba;
    const off = thumbnail!.rgba.reduce((sum, value, index) => sum + Math.abs(value - exact[index]!), 0) / exact.length;
    assert.ok(off < 16, `made of fewer pixels than there are, it is about the same: ${off} off in the mean`);
    assert.ok((await guest.timeline()).checkpoints.find(({ id }) => id === made.id)!.picture);
  });
});

describe('thumbnails', () => {
  it('are means of what they stand for', () => {
    const rgba = new Uint8Array(320 * 2 * 4).fill(255);
    rgba.fill(0, 0, 4);
    const small = thumbnailOf({ width: 320, height: 2, rgba });
    assert.deepEqual([small.width, small.height], [160, 1]);
    assert.deepEqual([...small.rgba.subarray(0, 8)], [191, 191, 191, 255, 255, 255, 255, 255]);
  });
  it('of small screens are those', () => {
    const rgba = Uint8Array.from({ length: 8 * 3 * 4 }, (_, index) => (index % 4 === 3 ? 255 : index));
    assert.deepEqual(thumbnailOf({ width: 8, height: 3, rgba }), { width: 8, height: 3, rgba });
  });
});
